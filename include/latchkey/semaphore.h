/* latchkey/semaphore.h - N permits among the programs of a cluster, in one fair line.
 *
 * Whoever asks for k permits stands in the line until those before it and its own are no more than
 * N: all k at once or none, and nobody is overtaken by one who asks for less. The name of each
 * znode says how many permits it wants, so that one listing decides; the first waiter watches the
 * line, every other one the waiter before it.
 *
 * N is kept with the semaphore. Whoever comes with another N is refused (LK_E_PERMITS), so that two
 * programs can't be of two minds; lk_semaphore_resize() changes it while it is in use.
 *
 * A handle holds one set of permits at a time. Its fence is the set's id: `latchkey break` and
 * lk_line_break() go by it, and end that set alone. Fences of a semaphore do not order its holders:
 * see gate.h.
 *
 * Permits may have a time to live of their own. It begins with the grant, and lk_semaphore_prolong()
 * begins it anew; when it is over they are LOST, by this program's own clock, whatever becomes of
 * its session. For the others they end by the server's clock, later than here, and the first
 * waiter takes them away from a holder that does not stir: a try or an empty line takes none. It
 * costs one more write at each grant. Clocks may be wrong by a 64th: the holder's time is shorter
 * by so much, the waiter's longer. A time that is over before a commit is answered is never granted:
 * let it be much longer. A leader's clock that is set while it reigns can end permits too
 * early; then the fence protects alone. */
#ifndef LATCHKEY_SEMAPHORE_H
#define LATCHKEY_SEMAPHORE_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_semaphore lk_semaphore;

#define LK_PERMITS_MAX 1000000
#define LK_PERMITS_TTL_MIN_MS 100

typedef struct lk_semaphore_options {
    size_t size;            /* set by LK_SEMAPHORE_OPTIONS_INIT */
    const char *label;      /* as in lock.h */
    lk_grant_fn *on_change; /* may be NULL */
    void *on_change_arg;
    uint32_t ttl_ms; /* of each grant; at least LK_PERMITS_TTL_MIN_MS; 0: as long as the session */
    lk_revoke_fn *on_revoke; /* somebody asks the holder to let go; may be NULL */
    void *on_revoke_arg;
} lk_semaphore_options;
#define LK_SEMAPHORE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(lk_semaphore_options), NULL, NULL, NULL, 0, NULL, NULL                              \
    }

/* Talks to no server. `permits`: how many there shall be; the first to acquire makes the semaphore
 * with them. 0: as many as it has, LK_E_NOT_FOUND if it was never made. Otherwise as in lock.h. */
LK_API int lk_semaphore_new(lk_semaphore **out, lk_client *client, const char *path,
                            uint32_t permits, const lk_semaphore_options *options);
LK_EXPORT lk_semaphore *lk_semaphore_free(lk_semaphore *semaphore);

/* `count` permits, at least 1; everything else as lk_lock_acquire(), lk_lock_try(). LK_E_PERMITS:
 * the semaphore has another number of permits than the handle says, or fewer than `count`; the
 * latter also if a resize makes it so while it waits. */
LK_API int lk_semaphore_acquire(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                                lk_fence *out_fence);
LK_API int lk_semaphore_acquire_start(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                                      lk_done_fn *done, void *arg, lk_op *out_op);
LK_API int lk_semaphore_try(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                            lk_fence *out_fence);
LK_API int lk_semaphore_try_start(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                                  lk_done_fn *done, void *arg, lk_op *out_op);

/* All of them at once. As lk_lock_release(). */
LK_API int lk_semaphore_release(lk_semaphore *semaphore, int64_t deadline_ns);
LK_API int lk_semaphore_release_start(lk_semaphore *semaphore, int64_t deadline_ns,
                                      lk_done_fn *done, void *arg, lk_op *out_op);

/* Permits with a ttl, held: they end `ttl_ms` (at least LK_PERMITS_TTL_MIN_MS; less than is left is
 * a shortening) after this was sent, unless it is done again. Until it is answered they end as they
 * would have; a shortening counts at once. Whoever asks while it is under way waits for both, and
 * what was asked last counts. LK_OK: it holds. LK_E_LOST: it came too late, or they are gone.
 * LK_E_STATE: not held, or without a ttl. LK_E_DEADLINE: it may still be done. LK_E_INVALID,
 * LK_E_CANCELLED, LK_E_CLOSED, LK_E_NOMEM, LK_E_NO_RIGHTS, LK_E_WOULD_DEADLOCK. */
LK_API int lk_semaphore_prolong(lk_semaphore *semaphore, uint32_t ttl_ms, int64_t deadline_ns);
LK_API int lk_semaphore_prolong_start(lk_semaphore *semaphore, uint32_t ttl_ms, int64_t deadline_ns,
                                      lk_done_fn *done, void *arg, lk_op *out_op);

/* Changes N, and wakes who may hold by it. Fewer than are held: nobody loses a permit; the line
 * waits until enough have come back. Fewer than somebody waits for: that one is refused, when it is
 * the first. Handles that were made with the old N keep what they have, and are refused when they
 * acquire again. LK_E_NOT_FOUND: there is no semaphore. LK_E_DEADLINE: it may still be done.
 * LK_E_KIND, LK_E_FOREIGN, LK_E_CORRUPT, LK_E_NEWER_FORMAT, LK_E_NO_RIGHTS, LK_E_PATH,
 * LK_E_NO_SERVER, LK_E_WOULD_DEADLOCK. */
LK_API int lk_semaphore_resize(lk_client *client, const char *path, uint32_t permits,
                               int64_t deadline_ns);

/* Never wait; as in lock.h. With a ttl, what remains is the smaller of it and the lease. */
LK_EXPORT lk_grant_state lk_semaphore_state(lk_semaphore *semaphore);
LK_EXPORT int64_t lk_semaphore_remaining_ns(lk_semaphore *semaphore);
LK_API int lk_semaphore_fence(lk_semaphore *semaphore, lk_fence *out);
LK_API int lk_semaphore_node(lk_semaphore *semaphore, char *name, size_t size);
LK_EXPORT lk_grant *lk_semaphore_grant(lk_semaphore *semaphore);

LK_API int lk_semaphore_wait_lost(lk_semaphore *semaphore, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
