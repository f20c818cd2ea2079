/* session.h - what the rooms above need of a client: the monitor, timers, requests, watches,
 * leases, operations.
 *
 * One client is one monitor. Whatever happens (a reply, a watch, a timer, a caller's request)
 * enters it, runs one event to its end and leaves; nobody blocks inside but in op_wait(), which
 * lets go of it. So a primitive is a state machine that takes no lock, reads no clock and never
 * waits: client_now() is the time of the event.
 *
 *   caller's thread ----enter----+
 *   libzookeeper's completions --+--> engine (this room) --> line, ledger --> requests --> keeper
 *   the ticker (timers) ---------+                       \--> callbacks --> lk_dispatch()
 *
 * The monitor is entered straight from libzookeeper's completion thread: a hop to a thread of our
 * own would cost each reply as much as a small read does. */
#ifndef SESSION_H
#define SESSION_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "keeper/keeper.h"

/* ---- the monitor ---- */

/* LK_OK with the monitor held, or LK_E_FORKED, LK_E_CLOSED without. */
int client_enter(lk_client *client);
/* As client_enter(), but a closed client may be entered too: to free, to read a state. LK_E_FORKED
 * alone fails. */
int client_enter_closed(lk_client *client);
void client_leave(lk_client *client);

/* Each handle keeps its client's memory. */
lk_client *client_ref(lk_client *client);
void client_unref(lk_client *client);       /* not inside the monitor */
void client_unref_later(lk_client *client); /* inside it: takes effect when the monitor is left */

int64_t client_now(const lk_client *client);     /* time of the event being run */
int64_t client_wall_ms(const lk_client *client); /* for names alone */
uint64_t client_random(lk_client *client);
lk_access client_access(const lk_client *client);
const char *client_label(const lk_client *client);
int64_t client_session_id(const lk_client *client); /* 0 before the first connection */
int64_t
client_timeout_ns(const lk_client *client); /* T as negotiated; what was asked for before that */
bool client_is_connected(const lk_client *client); /* what is sent now is on its way at once */
/* What is sent now waits for a connection, or until this client may speak again on a new one. */
bool client_waits_for_server(const lk_client *client);

/* A malloc'ed "ROOT/path" as the server sees it, or an error: LK_E_PATH, LK_E_TOO_LARGE,
 * LK_E_NOMEM. Outside the monitor too. */
int client_path(const lk_client *client, const char *path, char **out);

__attribute__((format(printf, 3, 4))) void client_log(lk_client *client, lk_log_level level,
                                                      const char *format, ...);

/* ---- timers: fire once, inside the monitor ---- */

struct timer {
    int64_t at_ns;
    struct timer *child, *next, **link; /* a pairing heap; link NULL: not set */
    void (*fire)(struct timer *timer);
};
void timer_set(lk_client *client, struct timer *timer, int64_t at_ns,
               void (*fire)(struct timer *timer));
void timer_stop(lk_client *client, struct timer *timer); /* not set: nothing happens */

/* ---- requests: answered exactly once, or dropped ---- */

/* Runs inside the monitor. */
typedef void request_fn(void *context, const struct keeper_reply *reply);

/* All requests of one owner, so that it can drop them. Zero-initialised is empty. */
struct request_group {
    struct list requests;
};

enum request_flags {
    REQUEST_ONCE = 0, /* sent once; KEEPER_UNKNOWN and KEEPER_EXPIRED go to the owner (writes) */
    REQUEST_RETRY =
        1, /* sent again after a loss, in a new session too, until a server has answered (reads) */
    REQUEST_URGENT =
        4, /* before all that waits to be sent: what keeps the lease, and depends on no order */
    REQUEST_PROOF =
        2, /* any answer of the server's proves our session to a quorum: writes and multis */
};

/* Copies the request with all it points to, and sends it as soon as there is a connection. 0,
 * LK_E_NOMEM, LK_E_TOO_LARGE, LK_E_CLOSED, LK_E_NO_RIGHTS (the server refused our credentials):
 * then no reply follows. Requests of one client are sent in the order of their sending (but for a
 * retry). A request of REQUEST_ONCE that was not sent when its session ends is answered
 * KEEPER_EXPIRED too. A reply's pointers live until request_fn returns. Without a group (NULL)
 * nobody hears of the end, and fn may be NULL. */
int request_send(lk_client *client, struct request_group *group,
                 const struct keeper_request *request, unsigned flags, request_fn *fn,
                 void *context);

/* What is read behind it is at least as new as anything that anybody had been told of when it was
 * sent. A commit that changes nothing: sync would not do, since a leader answers its own clients'
 * like a read, and may apply a commit later than a follower that has answered for it. Changing
 * nothing, it is sent with BARRIER_FLAGS. */
extern const struct keeper_request barrier;
#define BARRIER_FLAGS (REQUEST_RETRY | REQUEST_PROOF)

/* No reply of the group's requests comes any more (what was sent may still be applied). */
void request_drop(struct request_group *group);

static inline bool request_group_is_empty(const struct request_group *group)
{
    return list_is_empty(&group->requests);
}

/* ---- watches: by path, one-shot ---- */

struct watch {
    struct list node;
    const char *path; /* NULL: not set */
    void (*fire)(struct watch *watch, enum keeper_watch_event event);
};
/* Registers interest; the caller sends the get, exists or list with `watch`, after this, and keeps
 * the path. When an event comes the watch is unset, then fires. Watches of a session that ended are
 * unset without firing. */
void watch_set(lk_client *client, struct watch *watch, const char *path,
               void (*fire)(struct watch *watch, enum keeper_watch_event event));
void watch_unset(lk_client *client, struct watch *watch);

static inline bool watch_is_set(const struct watch *watch)
{
    return watch->path != NULL;
}

/* ---- the session and its lease ---- */

enum session_change {
    SESSION_CONNECTED, /* each time */
    SESSION_RESUMED,   /* what waited though connected goes out: see client_waits_for_server() */
    SESSION_DISCONNECTED,
    SESSION_ENDED,   /* expired: its znodes and watches are gone; requests of it are answered after
                        this */
    SESSION_CLOSING, /* lk_client_close(): give up */
};
struct session_listener {
    struct list node;
    void (*changed)(struct session_listener *listener, enum session_change change);
};
void session_listen(lk_client *client, struct session_listener *listener);
void session_unlisten(struct session_listener *listener); /* not listening: nothing happens */
/* Who listens: the first one, or who comes after that one; NULL: nobody. */
struct session_listener *session_listener_after(lk_client *client,
                                                const struct session_listener *listener);

enum lease_change {
    LEASE_SUSPENDED, /* a proof is late */
    LEASE_RESTORED,  /* a proof was answered */
    LEASE_OVER, /* the lease has ended, or the session has: the grant is gone. The hold is dropped
                   before this */
};
struct lease_hold {
    struct list node;
    const char *node_path; /* own znode, as the server sees it: what proofs check */
    lk_client *client;     /* from lease_hold_begin() on */
    struct request_group proofs;
    void (*changed)(struct lease_hold *hold, enum lease_change change);
};
/* While anything is held a proof is sent every T/12. */
void lease_hold_begin(lk_client *client, struct lease_hold *hold);
void lease_hold_end(lk_client *client, struct lease_hold *hold); /* not held: nothing happens */
/* A commit of somebody else's was refused because this znode of ours is not there: as good as a
 * proof's answer. */
void lease_node_gone(lk_client *client, const char *node_path);
int64_t lease_remaining_ns(const lk_client *client); /* 0 when not proven */
bool lease_is_suspended(const lk_client *client);
/* Long enough to begin to hold on: the next proofs come before it would be suspended. */
bool lease_is_fresh(const lk_client *client);

/* ---- operations: one public request, completed exactly once ---- */

struct callback {
    struct list node;
    const void *owner; /* callbacks_forget() removes by it; NULL: nobody can */
    /* In dispatch, without the monitor; frees what holds the callback. */
    void (*run)(struct callback *callback);
    void (*forget)(struct callback *callback); /* instead of run, inside the monitor */
};
void callback_post(lk_client *client, struct callback *callback);
/* Removes what is queued for `owner`, and waits for what runs, unless this is the thread it runs
 * on. Inside the monitor, which is let go of while it waits. */
void callbacks_forget(lk_client *client, const void *owner);

struct op {
    struct list node;
    lk_client *client;
    uint64_t id;
    int status;
    bool done;
    struct timer deadline;
    int (*withdraw)(struct op *op, int status);
    /* May be set after op_begin() without `deliver`: called inside the monitor, and nobody waits. */
    void (*ended)(struct op *op);
    struct callback callback;
    pthread_cond_t wake;
};

/* Begins an operation that ends by op_done() or at its deadline. `withdraw` is called when it is
 * cancelled, out of time or its client closes: it must forget the operation and return the status
 * that it ends with (`status`, or LK_E_UNKNOWN if it may have taken effect). With `deliver`, that
 * runs in dispatch as a callback's `run` does; without, a thread waits in op_wait(). The struct is
 * the caller's: on the stack of who waits, or freed by `deliver`. */
void op_begin(lk_client *client, struct op *op, int64_t deadline_ns,
              int (*withdraw)(struct op *op, int status),
              void (*deliver)(struct callback *callback));
/* Not before op_begin(); the owner must not touch the op after it. */
void op_done(struct op *op, int status);
/* Withdraws it: ends with what `withdraw` makes of `status`. */
void op_end(struct op *op, int status);
/* Lets go of the monitor while it waits, holds it after; the op's status. */
int op_wait(struct op *op);
/* False: not over by then, and nothing has changed; another thread may take up the wait. */
bool op_wait_until(struct op *op, int64_t deadline_ns);

/* LK_OK, or LK_E_WOULD_DEADLOCK inside a callback of this client. Call before op_begin() of what
 * will wait. */
int op_may_wait(const lk_client *client);

/* ---- for the simulation and the tests, which have no ticker ---- */

int client_new_in(struct keeper_world *world, lk_client **out, const lk_client_options *options);
int64_t client_next_ns(lk_client *client); /* when client_tick() is due; INT64_MAX: never */
void client_tick(lk_client *client);

#endif
