/* latchkey/guard.h - writes to ZooKeeper that apply only while a grant holds.
 *
 * A guard is a transaction: checks, creates, sets and deletes that are applied all or none, and
 * only if the znode of each grant it is tied to still stands at that moment. The server judges
 * that, in the same commit, so no clock is asked and nothing can come too late: who lost the lock
 * writes nothing.
 *
 *   lk_guard_new(&guard, client);
 *   lk_guard_hold(guard, lk_lock_grant(lock));
 *   lk_guard_set(guard, "/account", data, size, version);
 *   status = lk_guard_commit(guard, deadline);
 *   lk_guard_free(guard);
 *
 * Everything handed in is copied. A guard is used by one thread at a time. ZooKeeper takes up to
 * 1 MiB in one transaction. */
#ifndef LATCHKEY_GUARD_H
#define LATCHKEY_GUARD_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_guard lk_guard;

#define LK_ANY_VERSION (-1)
#define LK_GUARD_OPS_MAX 1024

/* Talks to no server. */
LK_API int lk_guard_new(lk_guard **out, lk_client *client);
LK_EXPORT lk_guard *lk_guard_free(lk_guard *guard);

/* Ties it to a grant of the same client, which must be held when it commits; the handle must live
 * until then. Several grants: all of them. LK_E_INVALID: of another client. */
LK_API int lk_guard_hold(lk_guard *guard, lk_grant *grant);

/* One operation each, applied in this order; paths as everywhere, below the client's root.
 * LK_E_PATH, LK_E_TOO_LARGE: a name, or all of it together. LK_E_STATE: committed already. */
LK_API int lk_guard_check(lk_guard *guard, const char *path, int32_t version);
LK_API int lk_guard_create(lk_guard *guard, const char *path, const void *data, size_t size);
LK_API int lk_guard_set(lk_guard *guard, const char *path, const void *data, size_t size,
                        int32_t version);
LK_API int lk_guard_delete(lk_guard *guard, const char *path, int32_t version);

/* LK_OK: all is applied. LK_E_LOST: a grant is not held, or its znode is gone; nothing is applied.
 * LK_E_NOT_FOUND, LK_E_EXISTS, LK_E_VERSION, LK_E_NOT_EMPTY, LK_E_NO_RIGHTS, ...: what the
 * operation lk_guard_culprit() was refused with; nothing is applied. LK_E_UNKNOWN: the reply was
 * lost, or the deadline passed after it was sent; all or nothing is applied, look.
 * LK_E_NO_SERVER: not connected, nothing was sent: a guarded write that waits for a server would
 * not know whose lock it finds there. LK_E_STATE: committed already (lk_guard_clear() begins anew);
 * or a grant it is tied to is becoming a reader's (lk_rwlock_downgrade()), nothing was sent, and it
 * may be committed once that is done. LK_E_INVALID: tied to nothing, and empty.
 * LK_E_WOULD_DEADLOCK. */
LK_API int lk_guard_commit(lk_guard *guard, int64_t deadline_ns);
LK_API int lk_guard_commit_start(lk_guard *guard, int64_t deadline_ns, lk_done_fn *done, void *arg,
                                 lk_op *out_op);

/* After a commit. */
typedef struct lk_guard_result {
    /* LK_OK; what this operation was refused with; LK_E_CANCELLED: another was; LK_E_STATE: nothing
     * was sent */
    int status;
    int32_t version; /* of a set: the znode's new version. Of a create: 0 */
} lk_guard_result;
/* The operations in order; the memory is the guard's, until it is cleared or freed. */
LK_EXPORT const lk_guard_result *lk_guard_results(const lk_guard *guard, size_t *out_count);
/* The operation that was refused, from 0; lk_guard_results()'s count when none was. */
LK_EXPORT size_t lk_guard_culprit(const lk_guard *guard);

/* Empty again, tied to nothing. Not while a commit is under way: LK_E_STATE. */
LK_API int lk_guard_clear(lk_guard *guard);

#ifdef __cplusplus
}
#endif
#endif
