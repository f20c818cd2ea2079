/* latchkey/grant.h - what a lock or a leadership gives: the right to act, for as long as it is
 * certainly ours.
 *
 *   IDLE --acquire--> WAITING --granted--> HELD <--proof late / answered--> SUSPENDED
 *     ^                  |                  |  |                                |
 *     +----gave up-------+----released------+  +---- lease over, node gone -----+
 *                                                          |
 *                                        WAITING <--acquire-- LOST
 *
 * HELD       yours: no other client can hold it.
 * SUSPENDED  still yours, but the servers have not confirmed it lately: hold your writes. HELD or
 *            LOST follows.
 * LOST       told before any server can have given it to another; it comes from a clock here, also
 *            when no server can be reached. The exception is a stranger who deletes your znode
 *            (`latchkey break`): until that event arrives only the fence protects.
 *
 * A lease ends T/2 after the sending of the last request that proves that the session lives (T: the
 * session timeout). */
#ifndef LATCHKEY_GRANT_H
#define LATCHKEY_GRANT_H

#include <latchkey/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lk_grant_state { LK_IDLE, LK_WAITING, LK_HELD, LK_SUSPENDED, LK_LOST } lk_grant_state;

/* "idle", "waiting", "held", "suspended", "lost". */
LK_EXPORT const char *lk_grant_state_name(lk_grant_state state);

/* The grant's token: larger for every later exclusive grant of the same path, also when the path
 * was deleted in between. Send it along with each write that the grant guards; who keeps the data
 * refuses a smaller one. */
typedef struct lk_fence {
    uint64_t zxid; /* the czxid of the grant's own znode */
    uint64_t turn; /* counts local hand-overs between threads, and a downgrade; 0 without them */
} lk_fence;

/* Negative, 0 or positive as `a` is older than, the same as, or newer than `b`. */
LK_EXPORT int lk_fence_compare(lk_fence a, lk_fence b);

#define LK_FENCE_TEXT_SIZE 42
/* "ZXID" or, with turns, "ZXID.TURN", in decimal. Returns `text`. */
LK_EXPORT char *lk_fence_text(lk_fence fence, char text[LK_FENCE_TEXT_SIZE]);

/* One change of a grant. `reason` is LK_OK, or for LOST and for a fall back to IDLE why. */
typedef struct lk_grant_change {
    lk_grant_state state;
    lk_fence fence; /* zero unless HELD, SUSPENDED or LOST */
    int reason;
} lk_grant_change;

/* The grant of any handle (a lock's, a candidate's, ...), for what takes grants of every kind:
 * guard.h. It is a view of its handle, and lives as long. */
typedef struct lk_grant lk_grant;

/* Every change, in order; but what there is no memory to queue is told as one with the change that
 * follows, so that the last is always told. A callback as in client.h. */
typedef void lk_grant_fn(const lk_grant_change *change, void *arg);

/* Whose znodes stand in the line beside ours. All programs on one path must be of one mind, so this
 * is a property of the path. docs/interop.md says what can be shared, and how the others must be
 * set up. */
typedef enum lk_compat {
    LK_COMPAT_NATIVE,  /* latchkey alone; and Curator's InterProcessMutex and LeaderSelector */
    LK_COMPAT_CURATOR, /* Curator's InterProcessReadWriteLock too */
    LK_COMPAT_KAZOO,   /* kazoo's Lock, ReadLock and WriteLock, as they come */
} lk_compat;

/* Somebody asks the holder to let go. It decides; a release is the answer, doing nothing is one
 * too. A callback as in client.h. */
typedef void lk_revoke_fn(void *arg);

/* One znode in a line, as lk_line_list() saw it. */
typedef struct lk_line_entry {
    const char *node;    /* the znode's name, without the path */
    int64_t number;      /* its place; -1: a foreign node that does not stand in the line */
    lk_fence fence;      /* its czxid */
    uint64_t session_id; /* its owner's session; 0: not ephemeral, a foreign node */
    int64_t created_ms;  /* by the server's clock, milliseconds since 1970 */
    bool ours;           /* written by latchkey: the next three are known */
    const char *host;    /* else "" */
    int64_t pid;         /* else 0 */
    /* The owner's words, a candidate's card; foreign: its data. May have any bytes. */
    const char *label;
    size_t label_size;
    /* As far as the line tells. Of a lock or an election the first; of an rwlock the first, and if
     * it is a reader all before the first writer; of a semaphore those within its permits. What a
     * lock delay, a late lease or a resize makes of it only the holders know. */
    bool holds;
    bool asked; /* by lk_line_revoke() or Curator's Revoker, to let go */
    /* Permits with a time of their own, granted: when it is over, by the server's clock. Else 0. */
    int64_t ends_ms;
} lk_line_entry;

typedef struct lk_line {
    const char *kind; /* "lock", "rwlock", "semaphore", "election"; "": nobody has written it */
    const lk_line_entry *entries; /* in order; foreign nodes last */
    size_t count;
    int64_t numbers_left; /* joins until the numbers must start anew */
    /* The largest server time seen in the listing, at least what it was at the last change: so ages
     * by it are lower bounds. For ages now see lk_client_server_ms(). */
    int64_t server_ms;
    uint32_t permits; /* of a semaphore; else 0 */
} lk_line;

/* Lists who stands at `path`. lk_line_free() frees. LK_E_NOT_FOUND: there is no such path (nobody
 * ever stood there, or the empty path was tidied away). LK_E_KIND: the path is no line. LK_E_PATH,
 * LK_E_TOO_LARGE, LK_E_NO_RIGHTS, LK_E_DEADLINE, LK_E_WOULD_DEADLOCK, LK_E_CORRUPT,
 * LK_E_NEWER_FORMAT. */
LK_API int lk_line_list(lk_client *client, const char *path, int64_t deadline_ns, lk_line **out);
LK_EXPORT lk_line *lk_line_free(lk_line *line);

typedef struct lk_line_watch lk_line_watch;

/* LK_OK: `line` is who stands there, as lk_line_list() gives it; it lives until the callback
 * returns. (That nobody stands and that there is no such path are one: an empty line without a
 * kind.) Else `line` is NULL, and the status says why it can't be seen: LK_E_NO_RIGHTS, LK_E_KIND
 * (the path is no line), LK_E_CORRUPT, LK_E_NEWER_FORMAT. It is tried again. */
typedef void lk_line_fn(int status, const lk_line *line, void *arg);

/* Calls back with the line as it stands, then at each change: who came, who went, other words of
 * the first in line (a new card, a request to let go), another number of permits. Each telling is a
 * state that the line had, later than the one before; of changes that come faster than they are
 * read, or than the callback returns, the last is told. So it is after an outage and in a new
 * session.
 *
 * Not told by itself: what whoever is not the first writes into its own znode; it is shown as it
 * was when it was first seen. (So a permit that is prolonged; for its end ask lk_line_list().)
 *
 * A change costs two small reads and a listing, with ten waiters and with ten thousand, and one
 * small read for each more that came since the last; a znode that does not stand in the line is
 * read each time. LK_E_PATH, LK_E_TOO_LARGE. */
LK_API int lk_line_watch_new(lk_line_watch **out, lk_client *client, const char *path,
                             lk_line_fn *fn, void *arg);
/* No callback after it returns; may be called inside it. */
LK_EXPORT lk_line_watch *lk_line_watch_free(lk_line_watch *watch);

/* Removes the znode whose fence is `fence` (its zxid) from the line, and nobody else;
 * LK_E_NOT_FOUND: nobody has it. The owner hears of it by an event: until then only the fence
 * protects what it guards. ZooKeeper deletes by name: should the whole path be deleted and made
 * anew between the last look and the commit, another can stand under that name. It is spared unless
 * by then both the new path and the new znode have been written as often as the old ones, as two
 * that were never written have. Statuses as above. */
LK_API int lk_line_break(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns);

/* Asks the holder whose fence is `fence` to let go: its on_revoke is called, if it has one; whether
 * it listens is its own affair. A candidate has none: it is shown as asked, and nothing more.
 * Curator's revocable locks hear it too. LK_E_NOT_FOUND: nobody has that fence. LK_E_NO_SERVER:
 * there was no session by the deadline. Otherwise as lk_line_break(). */
LK_API int lk_line_revoke(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
