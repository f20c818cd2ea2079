/* keeper.h - the seam: what latchkey needs of ZooKeeper, and nothing else.
 *
 * A keeper is one session handle. zookeeper.c stands behind it with libzookeeper_mt; src/testing
 * with a simulated ensemble on a virtual clock. Everything above speaks only this file, so it runs
 * unchanged over both.
 *
 * Contract
 *   open     never blocks (name look-ups happen elsewhere) and never calls back before it returned.
 *   submit   hands over a request; the caller keeps it, with all it points to, unchanged until its
 *            reply. Exactly one reply follows each accepted submit, also at loss, expiry and close;
 *            never from inside submit().
 *   events   come one at a time, in the order of the server: a watch's event before any reply that
 *            shows the new state; replies in the order of the requests of one connection. At loss:
 *            LOST first, then every outstanding request with KEEPER_UNKNOWN. Nothing is ever resent
 *            by the keeper. They may come while another thread is inside submit(); they hold no
 *            lock that submit() needs.
 *   close    returns at once. What is outstanding is answered, at the latest with KEEPER_CLOSED,
 *            then `closed` is the last event; after it the keeper is gone. If connected, the
 *            session is ended on the server.
 *   watch    a get, exists or list with `watch` leaves a one-shot watch at the server if it
 *            answered KEEPER_OK (exists: KEEPER_NO_NODE too). Watches survive reconnects, not the
 *            session. */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <latchkey/client.h>

struct keeper_stat {
    int64_t czxid, mzxid, pzxid;
    int64_t ctime_ms, mtime_ms;
    int64_t ephemeral_owner;
    int32_t version, cversion, aversion;
    int32_t data_size, child_count;
};

/* The suffix that the next child under this parent gets. Server's counter: creates alone; the Stat
 * shows 2 * creates - children. Unsigned, since the shown value wraps first. */
static inline uint32_t keeper_next_number(const struct keeper_stat *parent)
{
    return ((uint32_t)parent->cversion + (uint32_t)parent->child_count) / 2;
}

enum keeper_rc {
    KEEPER_OK = 0,
    KEEPER_NO_NODE,
    KEEPER_NODE_EXISTS,
    KEEPER_BAD_VERSION,
    KEEPER_NOT_EMPTY,
    KEEPER_NO_RIGHTS, /* no permission, or a bad ACL */
    KEEPER_EPHEMERAL_PARENT,
    KEEPER_UNKNOWN,     /* the connection went before the answer came: it may have been applied */
    KEEPER_EXPIRED,     /* the session is over; a write may have been applied before that */
    KEEPER_AUTH_FAILED, /* credentials refused; the keeper is dead */
    KEEPER_CLOSED,
    KEEPER_NOT_APPLIED, /* in a multi: another operation failed */
    KEEPER_TOO_LARGE,   /* refused here, before sending */
    KEEPER_NO_MEMORY,   /* refused here */
    KEEPER_REFUSED,     /* any other error the server made: nothing was applied */
};
const char *keeper_rc_name(int rc);

enum keeper_verb {
    KEEPER_CREATE, /* reply: path, stat (in a multi: path alone) */
    KEEPER_DELETE,
    KEEPER_EXISTS, /* reply: stat */
    KEEPER_GET,    /* reply: data, stat */
    KEEPER_SET,    /* reply: stat (in a multi too) */
    KEEPER_LIST,   /* reply: children, stat */
    KEEPER_SYNC,
    KEEPER_CHECK, /* in a multi only */
    KEEPER_MULTI, /* reply: one result an operation. Makes no containers */
};

enum keeper_mode {
    KEEPER_PERSISTENT,
    KEEPER_EPHEMERAL_SEQUENTIAL,
    KEEPER_EPHEMERAL,
    KEEPER_CONTAINER,
    KEEPER_PERSISTENT_SEQUENTIAL
};

#define KEEPER_ANY_VERSION (-1)

struct keeper_request {
    enum keeper_verb verb;
    const char *path; /* as the server sees it: absolute, valid (checked above) */
    const void *data; /* create, set */
    size_t data_size;
    int32_t version;                         /* set, delete, check */
    enum keeper_mode mode;                   /* create */
    lk_access access;                        /* create */
    bool watch;                              /* get, exists, list */
    const struct keeper_request *operations; /* multi: create, delete, set, check */
    size_t operation_count;
};

struct keeper_reply {
    int rc;
    const char *path;
    struct keeper_stat stat;
    const void *data; /* NULL when empty */
    size_t data_size;
    const char *const *children;
    size_t child_count;
    const struct keeper_reply *results; /* multi: as many as operations; rc, path and stat count */
    size_t result_count;
};

enum keeper_session_event {
    KEEPER_SESSION_CONNECTED,   /* also at each reconnect, perhaps without a LOST before it */
    KEEPER_SESSION_LOST,        /* the connection; the session may live */
    KEEPER_SESSION_EXPIRED,     /* final: only close is left */
    KEEPER_SESSION_AUTH_FAILED, /* final */
};

enum keeper_watch_event {
    KEEPER_WATCH_CREATED,
    KEEPER_WATCH_DELETED,
    KEEPER_WATCH_CHANGED,
    KEEPER_WATCH_CHILDREN
};

struct keeper_session {
    int64_t id;         /* known at CONNECTED */
    int64_t timeout_ns; /* negotiated */
};

/* Where a keeper reports to. `owner` is what open() was given, `context` what submit() was given.
 */
struct keeper_events {
    void (*session)(void *owner, enum keeper_session_event event,
                    const struct keeper_session *session);
    void (*watch)(void *owner, enum keeper_watch_event event, const char *path);
    void (*reply)(void *owner, void *context, const struct keeper_reply *reply);
    void (*closed)(void *owner);
    void (*log)(void *owner, lk_log_level level, const char *line);
};

struct keeper_options {
    const char *servers;
    int64_t session_timeout_ms;
    const char *auth_scheme; /* NULL: none */
    const char *auth;
};

struct keeper {
    const struct keeper_class *class;
};

struct keeper_class {
    int (*submit)(struct keeper *keeper, const struct keeper_request *request, void *context);
    /* Connect to another one, if there is one; the session stays. */
    void (*leave_server)(struct keeper *keeper);
    void (*close)(struct keeper *keeper);
};

/* Zero if accepted; else a negative lk_status, and no reply comes. */
static inline int keeper_submit(struct keeper *keeper, const struct keeper_request *request,
                                void *context)
{
    return keeper->class->submit(keeper, request, context);
}

static inline void keeper_leave_server(struct keeper *keeper)
{
    keeper->class->leave_server(keeper);
}

static inline void keeper_close(struct keeper *keeper)
{
    keeper->class->close(keeper);
}

/* The world a client lives in: where sessions, time and chance come from. */
struct keeper_world {
    int (*open)(struct keeper_world *world, const struct keeper_options *options,
                const struct keeper_events *events, void *owner,
                struct keeper **out);              /* 0 or a negative lk_status */
    int64_t (*now_ns)(struct keeper_world *world); /* CLOCK_BOOTTIME, or the virtual clock */
    /* For names alone (ids, logs), never for decisions. */
    int64_t (*wall_ms)(struct keeper_world *world);
    uint64_t (*random)(struct keeper_world *world);
    bool has_threads; /* false: the simulation steps timers itself (client_tick) */
};

/* The real one: libzookeeper_mt, the machine's clocks. Shared, stateless, never freed. */
struct keeper_world *keeper_real_world(void);

#endif
