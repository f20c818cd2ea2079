/* latchkey/election.h - one leader at a time, and everybody knows who.
 *
 * Candidates stand in the line of lock.h, with the same grants: a leader is HELD, and LOST is told
 * before another can lead. Each carries a card, shown to observers: an address, a name. */
#ifndef LATCHKEY_ELECTION_H
#define LATCHKEY_ELECTION_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LK_CARD_MAX 4096 /* bytes */

typedef struct lk_candidate lk_candidate;

typedef struct lk_candidate_options {
    size_t size;      /* set by LK_CANDIDATE_OPTIONS_INIT */
    const void *card; /* NULL: the client's label */
    size_t card_size;
    lk_grant_fn *on_change; /* may be NULL */
    void *on_change_arg;
} lk_candidate_options;
#define LK_CANDIDATE_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(lk_candidate_options), NULL, 0, NULL, NULL                                          \
    }

/* As lk_lock_new(). LK_E_TOO_LARGE: the card is. */
LK_API int lk_candidate_new(lk_candidate **out, lk_client *client, const char *path,
                            const lk_candidate_options *options);
LK_EXPORT lk_candidate *lk_candidate_free(lk_candidate *candidate); /* as lk_lock_free() */

/* Stands until elected. Statuses as lk_lock_acquire(). */
LK_API int lk_candidate_stand(lk_candidate *candidate, int64_t deadline_ns, lk_fence *out_fence);
LK_API int lk_candidate_stand_start(lk_candidate *candidate, int64_t deadline_ns, lk_done_fn *done,
                                    void *arg, lk_op *out_op);

/* Steps down, or stops standing. Statuses as lk_lock_release(). */
LK_API int lk_candidate_resign(lk_candidate *candidate, int64_t deadline_ns);
LK_API int lk_candidate_resign_start(lk_candidate *candidate, int64_t deadline_ns, lk_done_fn *done,
                                     void *arg, lk_op *out_op);

/* Shows a new card, keeping the place. LK_E_STATE: does not stand. LK_E_LOST: the place is gone.
 * LK_E_DEADLINE: not confirmed in time; it, and what ends with LK_E_NOMEM, may yet appear. */
LK_API int lk_candidate_proclaim(lk_candidate *candidate, const void *card, size_t card_size,
                                 int64_t deadline_ns);

/* As those of lock.h. */
LK_EXPORT lk_grant_state lk_candidate_state(lk_candidate *candidate);
LK_EXPORT int64_t lk_candidate_remaining_ns(lk_candidate *candidate);
LK_API int lk_candidate_fence(lk_candidate *candidate, lk_fence *out);
LK_EXPORT lk_grant *lk_candidate_grant(lk_candidate *candidate); /* NULL for NULL */
LK_API int lk_candidate_node(lk_candidate *candidate, char *name, size_t size);
LK_API int lk_candidate_wait_lost(lk_candidate *candidate, int64_t deadline_ns);

typedef struct lk_observer lk_observer;

/* Who is first in line. The pointers live until the callback returns. */
typedef struct lk_leader {
    bool present; /* false: nobody stands, or can be seen; the rest is zero but for status */
    /* LK_OK; else why nobody can be seen: LK_E_NO_RIGHTS; LK_E_KIND (the path is no election's),
     * LK_E_CORRUPT, LK_E_NEWER_FORMAT. It is tried again. */
    int status;
    const char *node;
    const void *card;
    size_t card_size;
    lk_fence fence;
    uint64_t session_id;
} lk_leader;
typedef void lk_leader_fn(const lk_leader *leader, void *arg);

/* Calls back with the present leader, then at each change of leader or card. What happens between
 * two looks may be seen as one change; the last is always seen. LK_E_PATH. */
LK_API int lk_observer_new(lk_observer **out, lk_client *client, const char *path, lk_leader_fn *fn,
                           void *arg);
LK_EXPORT lk_observer *lk_observer_free(lk_observer *observer); /* no callback after it returns */

#ifdef __cplusplus
}
#endif
#endif
