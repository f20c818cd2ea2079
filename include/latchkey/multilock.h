/* latchkey/multilock.h - several locks at once, all or none.
 *
 * The paths are taken one after the other in the order of their bytes, whatever order they were
 * given in: so two multi-locks, or a multi-lock and single locks taken in that order, never wait
 * for each other in a ring (Havender, "Avoiding deadlock in multitasking systems", 1968). They are
 * given back in reverse.
 *
 * Held means all of them. As soon as one is lost the whole is LOST; a release gives the others back,
 * and until then it can't be acquired anew (LK_E_STATE). A multi-lock is owned by its handle, not
 * by a thread. One request at a time a handle: while one is under way, a release too, another is
 * answered LK_E_STATE. Those that end in _start are of the same contract, and wait for nothing
 * (client.h); a blocking one inside a callback is answered LK_E_WOULD_DEADLOCK. */
#ifndef LATCHKEY_MULTILOCK_H
#define LATCHKEY_MULTILOCK_H

#include <latchkey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_multilock lk_multilock;

#define LK_MULTILOCK_MAX 64

/* Talks to no server. options may be NULL; its on_change hears of the whole, as of one lock (with
 * no fence: there are several; and LOST may follow WAITING, as soon as one that was had is lost).
 * Its on_revoke hears of each of them. LK_E_INVALID: no paths, too many, or one twice. LK_E_PATH,
 * LK_E_TOO_LARGE. */
LK_API int lk_multilock_new(lk_multilock **out, lk_client *client, const char *const *paths,
                            size_t count, const lk_lock_options *options);
/* Gives up or releases in the background, if need be. No callback of it runs after it returns, but
 * that of an asynchronous request still follows (LK_E_CANCELLED). */
LK_EXPORT lk_multilock *lk_multilock_free(lk_multilock *multilock);

/* All by the one deadline, or none: what was taken is given back before it answers (that is waited
 * for until the deadline; then it goes on in the background). Statuses of lk_lock_acquire(), of the
 * path lk_multilock_culprit(). LK_E_LOST: also one that was had and lost while the next was waited
 * for, as all are with the session. */
LK_API int lk_multilock_acquire(lk_multilock *multilock, int64_t deadline_ns);
LK_API int lk_multilock_acquire_start(lk_multilock *multilock, int64_t deadline_ns,
                                      lk_done_fn *done, void *arg, lk_op *out_op);
/* All if all are free, else LK_E_BUSY. */
LK_API int lk_multilock_try(lk_multilock *multilock, int64_t deadline_ns);
LK_API int lk_multilock_try_start(lk_multilock *multilock, int64_t deadline_ns, lk_done_fn *done,
                                  void *arg, lk_op *out_op);

/* In reverse, all of them, also when some fail: the first failure is answered. They are asked for
 * one behind the other, without waiting between.
 * LK_E_LOST: one had been lost before; the others are given back. LK_E_DEADLINE: not confirmed in
 * time, it goes on in the background. LK_E_STATE: not held. */
LK_API int lk_multilock_release(lk_multilock *multilock, int64_t deadline_ns);
LK_API int lk_multilock_release_start(lk_multilock *multilock, int64_t deadline_ns,
                                      lk_done_fn *done, void *arg, lk_op *out_op);

/* Never wait. The worst state of all, the shortest remaining time. */
LK_EXPORT lk_grant_state lk_multilock_state(lk_multilock *multilock);
LK_EXPORT int64_t lk_multilock_remaining_ns(lk_multilock *multilock);
/* By the place in `paths` as they were given. LK_E_STATE unless all are held. */
LK_API int lk_multilock_fence(lk_multilock *multilock, size_t index, lk_fence *out);
LK_EXPORT lk_grant *lk_multilock_grant(lk_multilock *multilock, size_t index);
/* The path whose lock was not had at the last acquire; NULL: all were. */
LK_EXPORT const char *lk_multilock_culprit(lk_multilock *multilock);

#ifdef __cplusplus
}
#endif
#endif
