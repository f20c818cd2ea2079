/* latchkey/lock.h - a fair lock: first come, first served, over all processes; ends by itself when
 * its holder dies.
 *
 * The line is a znode whose ephemeral, numbered children are the holder (the first) and the
 * waiters; each waiter watches the one before it, so a release wakes exactly one. Waiting and
 * hand-over cost the same with ten waiters and with ten thousand. After Hunt et al., "ZooKeeper:
 * Wait-free Coordination for Internet-scale Systems" (2010), section 2.4, with the low-water mark
 * of docs/protocol.md.
 *
 * A lock is owned by its handle, not by a thread: any thread may release it. One request at a time
 * a handle: a second acquire while one waits or holds answers LK_E_STATE. Not reentrant. */
#ifndef LATCHKEY_LOCK_H
#define LATCHKEY_LOCK_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_lock lk_lock;

typedef struct lk_lock_options {
    size_t size;       /* set by LK_LOCK_OPTIONS_INIT */
    const char *label; /* the owner's words for this lock; NULL: the client's. At most 255 bytes */
    lk_grant_fn *on_change; /* may be NULL */
    void *on_change_arg;
    lk_revoke_fn *on_revoke; /* somebody asks the holder to let go; may be NULL */
    void *on_revoke_arg;
    lk_compat compat;
    /* The line's lock delay: after an exclusive holder was lost, rather than released, the next
     * exclusive one waits so long, for what the lost one may still be doing (readers, rwlock.h,
     * neither wait nor are waited for). A try is busy meanwhile; a handle counts from when it first
     * came to be next, so that tries or short waits with one handle end well. The first who makes
     * the line sets it, for all; the line's znode is then permanent. A line that has none takes it
     * over, but if its znode is a container, an empty line can forget a loss. 0: none */
    int64_t delay_ms;
} lk_lock_options;
#define LK_LOCK_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(lk_lock_options), NULL, NULL, NULL, NULL, NULL, LK_COMPAT_NATIVE, 0                 \
    }

/* Talks to no server. options may be NULL. LK_E_PATH; LK_E_TOO_LARGE: the path or label is too
 * long. */
LK_API int lk_lock_new(lk_lock **out, lk_client *client, const char *path,
                       const lk_lock_options *options);

/* Gives up or releases in the background, if need be. No callback of this lock runs after it
 * returns, but that of an asynchronous request still follows (LK_E_CANCELLED). */
LK_EXPORT lk_lock *lk_lock_free(lk_lock *lock);

/* Joins the line and waits for the grant. Outages and a lost session do not end the wait (a lost
 * session costs the place). LK_E_DEADLINE: not granted in time; the place is given back.
 * LK_E_STATE: this handle waits or holds already. LK_E_NO_RIGHTS, LK_E_KIND, LK_E_CORRUPT,
 * LK_E_NEWER_FORMAT: refused by what is at the path. LK_E_LINE_FULL. LK_E_LOST: a stranger removed
 * the place. out_fence may be NULL. */
LK_API int lk_lock_acquire(lk_lock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_lock_acquire_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                                 lk_op *out_op);

/* Takes the lock if nobody has it or waits for it, else LK_E_BUSY; looks first, and writes nothing
 * when it is busy. Waits for the connection and the answer, until the deadline. LK_E_BUSY says that
 * somebody stood in the line at a moment during the call, not that anybody still does: another try
 * counts too, also one that is about to be refused. Of tries alone, at once on a free lock, the
 * first in line gets it; but if a place before theirs came and was given up meanwhile, all of them
 * may answer LK_E_BUSY. Who must not miss it then tries again, or waits. */
LK_API int lk_lock_try(lk_lock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_lock_try_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                             lk_op *out_op);

/* Gives the lock back; LK_OK when the removal is confirmed. From the call on the caller no longer
 * holds it. LK_E_DEADLINE: not confirmed in time, the removal goes on in the background, at the
 * latest the session's end does it. LK_E_LOST: it had been lost before. LK_E_STATE: not held. */
LK_API int lk_lock_release(lk_lock *lock, int64_t deadline_ns);
LK_API int lk_lock_release_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                                 lk_op *out_op);

/* Never wait. After a fork: LK_LOST, 0, LK_E_FORKED. */
LK_EXPORT lk_grant_state lk_lock_state(lk_lock *lock);
/* How long it is certainly still ours; 0 when it is not. */
LK_EXPORT int64_t lk_lock_remaining_ns(lk_lock *lock);
LK_API int lk_lock_fence(lk_lock *lock, lk_fence *out); /* LK_E_STATE unless HELD or SUSPENDED */
/* Its znode's name; LK_E_STATE as above. */
LK_API int lk_lock_node(lk_lock *lock, char *name, size_t size);

LK_EXPORT lk_grant *lk_lock_grant(lk_lock *lock); /* NULL for NULL */

/* Blocks until the grant is lost (LK_OK). LK_E_DEADLINE: still held. LK_E_STATE: not held, or
 * released meanwhile. */
LK_API int lk_lock_wait_lost(lk_lock *lock, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
