/* latchkey/mutex.h - a lock for the threads of one program, among the programs of a cluster:
 * reentrant, owned by the thread that took it.
 *
 *   thread --+
 *   thread --+--> local queue --> one place in the line of `path` (lock.h)
 *   thread --+
 *
 * However many threads wait, one znode stands for them in the line. The first of them waits for the
 * servers, the others for it, in the order of their calls; if it gives up the next one waits on in
 * the same place. The owner may lock again; it counts.
 *
 * Fairness between programs is strict by default: each unlock gives the lock back, and the next
 * thread joins the line at its end. With `local_turns` up to so many hand-overs in a row go from
 * thread to thread without a server, while other programs wait: as fast as a mutex, less fair. Each
 * of them gets a larger fence (its `turn`).
 *
 * For a lock that is owned by a handle rather than a thread, and may be released elsewhere: lock.h.
 * Calls block; none of them may be made inside a callback (LK_E_WOULD_DEADLOCK). */
#ifndef LATCHKEY_MUTEX_H
#define LATCHKEY_MUTEX_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_mutex lk_mutex;

typedef struct lk_mutex_options {
    size_t size;            /* set by LK_MUTEX_OPTIONS_INIT */
    const char *label;      /* as in lock.h */
    unsigned local_turns;   /* hand-overs in a row between threads here; 0: strictly fair */
    lk_grant_fn *on_change; /* of the place in the line, whichever thread owns it; may be NULL */
    void *on_change_arg;
    lk_revoke_fn *on_revoke; /* somebody asks whichever thread owns it to let go; may be NULL */
    void *on_revoke_arg;
} lk_mutex_options;
#define LK_MUTEX_OPTIONS_INIT                                                                      \
    {                                                                                              \
        sizeof(lk_mutex_options), NULL, 0, NULL, NULL, NULL, NULL                                  \
    }

/* Talks to no server. options may be NULL. One handle for all threads. LK_E_PATH, LK_E_TOO_LARGE,
 * LK_E_SYSTEM. */
LK_API int lk_mutex_new(lk_mutex **out, lk_client *client, const char *path,
                        const lk_mutex_options *options);
/* Gives the lock back if it is held: also for a thread that has ended as the owner, which nobody
 * else does. No thread may be inside another call. */
LK_EXPORT lk_mutex *lk_mutex_free(lk_mutex *mutex);

/* LK_OK: this thread owns it, once more if it did before. The statuses of lk_lock_acquire().
 * LK_E_LOST to the owner: the grant is gone; unlock it, then lock anew. */
LK_API int lk_mutex_lock(lk_mutex *mutex, int64_t deadline_ns, lk_fence *out_fence);
/* LK_E_BUSY if a thread here, or anybody in the line, has it or waits for it. */
LK_API int lk_mutex_try(lk_mutex *mutex, int64_t deadline_ns, lk_fence *out_fence);

/* Undoes one lock of this thread; the last one gives it to the next: LK_OK when that is done.
 * LK_E_STATE: this thread does not own it. LK_E_LOST: it had been lost before; this thread no
 * longer owns it, and after as many calls as there were locks may lock anew. LK_E_DEADLINE: the
 * removal goes on in the background; this thread no longer owns it. */
LK_API int lk_mutex_unlock(lk_mutex *mutex, int64_t deadline_ns);

/* Never wait. Of this thread: how often it has locked; 0: not the owner. */
LK_EXPORT unsigned lk_mutex_depth(lk_mutex *mutex);
/* Of the owner; to any other thread, and after a fork, 0, LK_E_STATE (LK_E_FORKED), LK_IDLE. */
LK_EXPORT int64_t lk_mutex_remaining_ns(lk_mutex *mutex);
LK_API int lk_mutex_fence(lk_mutex *mutex, lk_fence *out);
LK_EXPORT lk_grant_state lk_mutex_state(lk_mutex *mutex);
/* For guard.h, by the owner, until it unlocks; NULL to any other thread. */
LK_EXPORT lk_grant *lk_mutex_grant(lk_mutex *mutex);

#ifdef __cplusplus
}
#endif
#endif
