/* client.h - a ZooKeeper client of one page over a raw socket, so that zkbox's tests need no other.
 *
 * It does what it is told, one frame at a time, and never reconnects or retries by itself. Calls
 * return 0 or ZooKeeper's negative error code from the reply, or a negative errno below -1000. */
#ifndef ZKBOX_TESTS_CLIENT_H
#define ZKBOX_TESTS_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

enum { OP_CREATE = 1, OP_EXISTS = 3, OP_PING = 11, OP_CLOSE = -11 };
enum { ERROR_NO_NODE = -101, ERROR_NODE_EXISTS = -110 };

#define NETWORK_ERROR(number) (-1000 - (number))

struct client {
    int fd;
    int32_t xid;
    int64_t session;
    char passwd[16];
};

struct reply {
    int32_t xid; /* -1: an event */
    int32_t error;
};

int client_connect(struct client *client, const char *host_port);
void client_disconnect(struct client *client); /* without closing the session; may be repeated */

int client_send_create(struct client *client, const char *path); /* persistent, open to the world */
int client_send_exists(struct client *client, const char *path, bool watch);
int client_receive(struct client *client, struct reply *out, int timeout_ms);

/* Sends, and takes the next frame for the answer. */
int client_create(struct client *client, const char *path);
int client_exists(struct client *client, const char *path, bool watch);

#endif
