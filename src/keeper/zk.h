/* zk.h - Apache's C client, libzookeeper_mt, in this room's words: what zookeeper.c makes of it for
 * handle.c.
 *
 * Nothing here locks or remembers. Everything comes back on the client's completion thread, one at
 * a time; never from inside a call, and with none of the client's locks held. */
#ifndef ZK_H
#define ZK_H

#include <sys/socket.h>

#include "base/list.h"
#include "keeper/keeper.h"

struct zk; /* a client's handle */

/* One request on its way. The head of a larger block: zk_flight_new() makes it, free() takes it. */
struct flight {
    struct list node;
    struct zk_owner *owner;
    void *context;
    bool answered; /* by us, ahead of the client */
};

enum zk_state { ZK_CONNECTED, ZK_CONNECTING, ZK_EXPIRED, ZK_AUTH_FAILED };

struct zk_owner {
    void (*session)(struct zk_owner *owner, struct zk *zk, enum zk_state state);
    void (*watch)(struct zk_owner *owner, enum keeper_watch_event event, const char *path);
    /* is_loss: the connection went, whether or not the client has said so. */
    void (*answer)(struct zk_owner *owner, struct flight *flight, bool is_loss,
                   const struct keeper_reply *reply);
};

/* A request of our own, for the sake of being answered. */
struct zk_question {
    void (*answered)(struct zk_question *question, bool is_loss, int rc);
};

/* Asks the DNS. NULL: no name resolves, or no memory. Callbacks may come before it returns. */
struct zk *zk_open(const char *servers, int timeout_ms, struct zk_owner *owner);
/* Waits for the callbacks that are queued, then up to 4.5 s for the server. Not in a callback. */
void zk_close(struct zk *zk);

bool zk_is_connected(struct zk *zk);
/* Expired or refused; the event that says so may still be on its way. */
bool zk_is_dead(struct zk *zk);
/* Only while CONNECTED is being told: later another thread writes them. */
struct keeper_session zk_session(struct zk *zk);

/* Only while CONNECTED is being told. False: not now. */
bool zk_add_auth(struct zk *zk, const char *scheme, const char *auth);

/* Asks the DNS. The IO thread may sleep, for up to T/3, on the connection that this closes: ask
 * something after it. */
void zk_set_servers(struct zk *zk, const char *servers);
bool zk_peer(struct zk *zk, struct sockaddr_storage *out);

bool zk_request_is_sound(const struct keeper_request *request);
size_t zk_request_size(const struct keeper_request *request); /* on the wire, at most */
struct flight *zk_flight_new(const struct keeper_request *request);

/* LK_OK. LK_E_CLOSED: the client is dead. LK_E_PATH. LK_E_NOMEM: nothing was sent, yet it may be
 * answered. */
int zk_send(struct zk *zk, const struct keeper_request *request, struct flight *flight);
bool zk_ask(struct zk *zk, struct zk_question *question);

#endif
