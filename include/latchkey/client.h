/* latchkey/client.h - one ZooKeeper session: made, kept alive, renewed, closed.
 *
 * Ownership  *_new() gives a handle to the caller, *_free() takes it back, accepts NULL and returns
 * NULL.
 *            Handles made from a client keep its memory alive; they may be freed before or after
 *            it. Strings and structs passed in are copied before the call returns.
 * Threads    Any thread may call any function; one thread frees. A function ending in _start is
 *            asynchronous: it returns at once and its callback runs exactly once, with no latchkey
 *            lock held: inside lk_dispatch(), or on the client's own callback thread
 *            (lk_client_options.callback_thread). Its blocking twin waits; inside a callback it
 *            answers LK_E_WOULD_DEADLOCK. If a _start function itself fails, no callback comes.
 *            A thread inside a call must not be cancelled (pthread_cancel()): it would take the
 *            client's lock along.
 * Results    LK_OK or a negative lk_status (status.h). Out-parameters are written on LK_OK alone.
 *            Every call may answer LK_E_INVALID, LK_E_NOMEM, LK_E_CLOSED, LK_E_FORKED; that is not
 *            repeated at each.
 * Memory     LK_E_NOMEM may also end a request that was begun: it is withdrawn, as at a deadline,
 *            what it has left on the servers is removed in the background, and it can be asked
 *            again. What goes on without the caller (leases, removals, waiting callbacks) is tried
 *            again until there is memory; a lease that can't be renewed meanwhile ends in time.
 * Time       A deadline is a moment of lk_now_ns(), in nanoseconds; LK_FOREVER never comes.
 *            Progress (leases, heartbeats, deadlines) never depends on lk_dispatch(): only callbacks
 *            do. */
#ifndef LATCHKEY_CLIENT_H
#define LATCHKEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <latchkey/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_client lk_client;

/* Names one request. A finished name is harmless: it has no lifetime and nothing to free. */
typedef struct lk_op {
    uint64_t id;
} lk_op;

/* The end of a request. `status` is LK_OK or what went wrong. */
typedef void lk_done_fn(int status, void *arg);

#define LK_FOREVER INT64_MAX

/* CLOCK_BOOTTIME: never steps, and counts the time a machine was suspended, as the server does. */
LK_EXPORT int64_t lk_now_ns(void);

/* The deadline `ms` milliseconds from now; negative counts as 0. */
LK_EXPORT int64_t lk_in_ms(int64_t ms);

typedef enum lk_log_level { LK_LOG_ERROR, LK_LOG_WARNING, LK_LOG_INFO, LK_LOG_DEBUG } lk_log_level;

/* A line for the program's log. Runs on any thread, possibly with latchkey locks held: must not
 * call latchkey. */
typedef void lk_log_fn(lk_log_level level, const char *line, void *arg);

/* Who may do what with the znodes that a client makes. */
typedef enum lk_access {
    LK_ACCESS_OPEN,    /* the world may do everything: ZooKeeper's habit */
    LK_ACCESS_CREATOR, /* only who has authenticated as the maker; needs auth */
} lk_access;

typedef struct lk_client_options {
    size_t size;         /* set by LK_CLIENT_OPTIONS_INIT; lets the struct grow */
    const char *servers; /* "host:port[,host:port...]", without a path: see root */
    const char *root;    /* put before every path; NULL or "/": nothing */
    /* Asked for, at least 100; the server bounds it, and where it grants another a warning is
     * logged. 6 of its ticks or more, please: less is warned of when it is below the server's least
     * (usually 2 ticks); `latchkey doctor` finds out the rest, since no server tells its tick. */
    int64_t session_timeout_ms;
    const char *auth_scheme; /* "digest", or NULL: none */
    /* For digest "user:password"; travels in clear (Debian's client has no TLS) */
    const char *auth;
    lk_access access;     /* for every znode made through this client */
    bool callback_thread; /* a thread of the library runs the callbacks; lk_dispatch() is then
                             refused */
    /* The owner's words on znodes: shown by status. At most 255 bytes; may be NULL. */
    const char *label;
    lk_log_level log_level; /* nothing above this level is logged */
    lk_log_fn *log;         /* NULL: silent */
    void *log_arg;
} lk_client_options;

#define LK_CLIENT_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(lk_client_options), "127.0.0.1:2181", NULL, 10000, NULL, NULL, LK_ACCESS_OPEN,      \
            false, NULL, LK_LOG_INFO, NULL, NULL                                                   \
    }

/* Makes a client and begins to connect; waits for nobody. It reconnects, and makes a new session
 * after an expiry, by itself. LK_E_PATH: root is not a path. LK_E_SYSTEM: no thread or descriptor
 * could be had. */
LK_API int lk_client_new(lk_client **out, const lk_client_options *options);

/* Waits until a session is connected. LK_E_NO_SERVER: none by the deadline. LK_E_NO_RIGHTS: the
 * server refused the credentials; the client stays unusable. LK_E_WOULD_DEADLOCK. */
LK_API int lk_client_wait_connected(lk_client *client, int64_t deadline_ns);

/* What is known of the session now. */
typedef struct lk_client_info {
    bool connected;
    uint64_t session_id;        /* 0 before the first connection */
    int64_t session_timeout_ms; /* as negotiated; 0 before the first connection */
    int64_t lease_remaining_ns; /* how long grants are certainly ours if held; 0 when not proven */
} lk_client_info;
LK_EXPORT void lk_client_info_get(lk_client *client, lk_client_info *out);

/* The time by the servers' clock at a moment during the call, in milliseconds since 1970. ZooKeeper
 * tells it only of what it writes: so a znode is created, written and deleted in one commit. Nobody
 * sees it and nothing is left behind, but who watches the children of that folder is woken. The
 * folder is the parent of `path` (where the caller means to write anyhow), or the next above it that
 * exists; with NULL, the root, likewise. LK_E_NO_RIGHTS: this client may not create and delete
 * there. LK_E_PATH, LK_E_TOO_LARGE, LK_E_DEADLINE, LK_E_WOULD_DEADLOCK. */
LK_API int lk_client_server_ms(lk_client *client, const char *path, int64_t deadline_ns,
                               int64_t *out_ms);

/* Ends the session: what is pending completes with LK_E_CLOSED, all grants are given back. Never
 * takes longer than until the deadline (LK_E_DEADLINE: the rest goes on in the background, at the
 * latest the server ends the session). May be called anywhere, in a callback too; there, and the
 * second time, it does not wait. Callbacks that are queued can still be dispatched. Handles stay
 * valid, their calls answer LK_E_CLOSED. */
LK_EXPORT int lk_client_close(lk_client *client, int64_t deadline_ns);

/* Closes without waiting if that was not done, runs what callbacks are left (on the calling
 * thread), frees. */
LK_EXPORT lk_client *lk_client_free(lk_client *client);

/* Readable while callbacks wait that no dispatch has taken up. The same descriptor for life; poll it,
 * do not read it. -1 with a callback thread. */
LK_EXPORT int lk_fd(const lk_client *client);

/* Runs waiting callbacks, one at a time, in order; waits for the first until the deadline (0: does
 * not wait). Returns how many ran, or a status: LK_E_STATE with a callback thread,
 * LK_E_WOULD_DEADLOCK inside a callback. */
LK_API int lk_dispatch(lk_client *client, int64_t deadline_ns);

/* Withdraws a request. Its callback still follows, with LK_E_CANCELLED or the result that came
 * first. A blocked call in another thread can't be named; give it a deadline, or close the client.
 */
LK_EXPORT void lk_cancel(lk_client *client, lk_op op);

#ifdef __cplusplus
}
#endif
#endif
