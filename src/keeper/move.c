/* move.c - a session is brought to another server.
 *
 * The client leaves a server only when that is not in its list any more, and traps lie on the way:
 *
 *   - addresses are compared without ports: servers on one machine are one;
 *   - the connection is closed behind the IO thread's back: what was sent and not answered is kept
 *     as such, what was sent by half is continued at the next server;
 *   - the old list is freed while the IO thread may be logging it, which it does between attempts
 *     to connect;
 *   - when a list grows, dice are rolled whether to stay; a list of the same length is taken for
 *     the same list if it has all the old addresses. (So the list without the one server is longer
 *     than the full one: servers.c.)
 *
 * So it is sent to a decoy first: a listening socket of our own. That hangs up once, upon which the
 * client answers everything as lost, in order, and forgets it; and when it comes again, it is
 * quiet, and is sent on. */
#include "keeper/real.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Loopback, but no address at which a real server is likely to be. */
#define DECOY_ADDRESS "127.76.75.1"

enum { DECOY_SIZE = sizeof DECOY_ADDRESS + 6, PATIENCE_MS = 1000 };

static int decoy_open(char out[DECOY_SIZE])
{
    struct sockaddr_in here = { .sin_family = AF_INET };
    socklen_t size = sizeof here;
    int decoy = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (decoy < 0)
        return -1;
    inet_pton(AF_INET, DECOY_ADDRESS, &here.sin_addr);
    if (bind(decoy, (struct sockaddr *)&here, size) != 0 || listen(decoy, 1) != 0
        || getsockname(decoy, (struct sockaddr *)&here, &size) != 0) {
        close(decoy);
        return -1;
    }
    snprintf(out, DECOY_SIZE, "%s:%hu", DECOY_ADDRESS, ntohs(here.sin_port));
    return decoy;
}

/* The client comes as soon as it is woken. A descriptor, or -1. */
static int decoy_accept(int decoy)
{
    struct pollfd waiting = { .fd = decoy, .events = POLLIN };
    return poll(&waiting, 1, PATIENCE_MS) == 1 ? accept4(decoy, NULL, NULL, SOCK_CLOEXEC) : -1;
}

static void go_to(struct zk *zk, const char *servers, struct zk_question *wake)
{
    zk_set_servers(zk, servers);
    zk_ask(zk, wake);
}

void keeper_move(struct zk *zk, const char *servers, struct zk_question *wake)
{
    char address[DECOY_SIZE];
    int decoy = decoy_open(address);

    if (decoy < 0)
        return;
    go_to(zk, address, wake);
    int visit = decoy_accept(decoy);
    if (visit >= 0) {
        close(visit);
        zk_ask(zk, wake); /* after a failure it rests for T/60, and need not */
        visit = decoy_accept(decoy);
    }
    go_to(zk, servers, wake);
    if (visit >= 0)
        close(visit);
    close(decoy);
}
