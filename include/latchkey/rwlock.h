/* latchkey/rwlock.h - a fair lock for many readers or one writer.
 *
 * Readers and writers stand in one line (lock.h). A writer holds when it is the first of all, a
 * reader when no writer stands before it: so readers hold side by side, and a reader behind a
 * waiting writer waits; nobody starves. A reader watches the last writer before it, and nobody
 * else. After Hunt et al. (2010), section 2.4, "Read/Write Locks".
 *
 * A plain lock (lock.h) on the same path is a writer; so is a Curator mutex. Not beside Curator's
 * own read-write lock, which does not see it (docs/interop.md).
 *
 * A handle holds one of the two at a time, and is owned by nobody: any thread may release it. A
 * writer may become a reader without a gap; a reader that would become a writer is refused, since
 * two of them would wait for each other.
 *
 * A reader's fence does not order it among readers: see gate.h. A lock delay of the line (lock.h)
 * holds up writers alone: a reader may come at once after a writer that was lost, so what both reach
 * needs a gate. */
#ifndef LATCHKEY_RWLOCK_H
#define LATCHKEY_RWLOCK_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_rwlock lk_rwlock;

typedef struct lk_rwlock_options {
    size_t size;            /* set by LK_RWLOCK_OPTIONS_INIT */
    const char *label;      /* as in lock.h */
    lk_grant_fn *on_change; /* may be NULL */
    void *on_change_arg;
    lk_revoke_fn *on_revoke; /* somebody asks the holder to let go; may be NULL */
    void *on_revoke_arg;
    lk_compat compat;
} lk_rwlock_options;
#define LK_RWLOCK_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(lk_rwlock_options), NULL, NULL, NULL, NULL, NULL, LK_COMPAT_NATIVE                  \
    }

/* Both as in lock.h. */
LK_API int lk_rwlock_new(lk_rwlock **out, lk_client *client, const char *path,
                         const lk_rwlock_options *options);
LK_EXPORT lk_rwlock *lk_rwlock_free(lk_rwlock *lock);

/* To read or to write; everything else as lk_lock_acquire(), lk_lock_try(). LK_E_STATE: this handle
 * waits or holds already; so to write while it reads is refused too. A try to read is busy when a
 * writer holds or waits, a try to write when anybody does. */
LK_API int lk_rwlock_read(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_rwlock_read_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                                lk_op *out_op);
LK_API int lk_rwlock_try_read(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_rwlock_try_read_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done,
                                    void *arg, lk_op *out_op);
LK_API int lk_rwlock_write(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_rwlock_write_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                                 lk_op *out_op);
LK_API int lk_rwlock_try_write(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_rwlock_try_write_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done,
                                     void *arg, lk_op *out_op);

/* From writer to reader: the readers behind it hold with it, no writer comes in between. Its
 * fence is one turn larger than the writer's (grant.h). Its znode is a new one, with a czxid of its
 * own, which lk_line_list() shows, and lk_line_break() and lk_line_revoke() ask for, instead of this
 * fence. LK_E_STATE: it does not write. LK_E_LOST. LK_E_CANCELLED: it was released or freed
 * meanwhile. LK_E_DEADLINE: goes on in the background; it still holds, as one or the other
 * (lk_rwlock_mode()). */
LK_API int lk_rwlock_downgrade(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_rwlock_downgrade_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done,
                                     void *arg, lk_op *out_op);

/* As lk_lock_release(). */
LK_API int lk_rwlock_release(lk_rwlock *lock, int64_t deadline_ns);
LK_API int lk_rwlock_release_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done,
                                   void *arg, lk_op *out_op);

typedef enum lk_rwlock_role { LK_NEITHER, LK_READER, LK_WRITER } lk_rwlock_role;

/* Never wait; all but the first as in lock.h. */
LK_EXPORT lk_rwlock_role lk_rwlock_mode(lk_rwlock *lock); /* LK_NEITHER: not held */
LK_EXPORT lk_grant_state lk_rwlock_state(lk_rwlock *lock);
LK_EXPORT int64_t lk_rwlock_remaining_ns(lk_rwlock *lock);
LK_API int lk_rwlock_fence(lk_rwlock *lock, lk_fence *out);
LK_API int lk_rwlock_node(lk_rwlock *lock, char *name, size_t size);
LK_EXPORT lk_grant *lk_rwlock_grant(lk_rwlock *lock);

LK_API int lk_rwlock_wait_lost(lk_rwlock *lock, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
