/* real.h - what the files behind the real world ask of each other. Nobody outside this room needs
 * it. */
#ifndef REAL_H
#define REAL_H

#include <sys/socket.h>

#include "keeper/keeper.h"
#include "keeper/zk.h"

/* handle.c: keeper_world.open over libzookeeper_mt. */
int keeper_zookeeper_open(struct keeper_world *world, const struct keeper_options *options,
                          const struct keeper_events *events, void *owner, struct keeper **out);

/* servers.c. Both ask the DNS; both are malloc'ed. */

/* The list, with an odd number of addresses. NULL: no memory. */
char *keeper_servers(const char *servers);
/* The addresses of all but the one at `here`; an odd number, and more than keeper_servers() has:
 * move.c says why. NULL: there is no other, no name resolves, or no memory. */
char *keeper_other_servers(const char *servers, const struct sockaddr_storage *here);

/* move.c: away from a connected server to one of `servers`. Takes 2 s at the most, and the DNS.
 * `wake` is asked to end the sleep of the client's IO thread; that it is answered means nothing,
 * but for a loss. */
void keeper_move(struct zk *zk, const char *servers, struct zk_question *wake);

#endif
