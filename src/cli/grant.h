/* grant.h - what a guardian holds, whichever handle of the library stands behind it. */
#ifndef CLI_GRANT_H
#define CLI_GRANT_H

#include "cli/hold.h"

struct grant {
    enum hold_kind kind;
    union {
        lk_lock *lock;
        lk_rwlock *rwlock;
        lk_semaphore *semaphore;
        lk_candidate *candidate;
    };
};

/* `on_change` gets `arg`. */
int grant_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
              enum hold_kind kind, lk_grant_fn *on_change, void *arg);
void grant_free(struct grant *grant);

/* A leadership has no try. */
int grant_start(struct grant *grant, bool try_once, int64_t deadline_ns, lk_done_fn *done,
                void *arg);
int grant_release(struct grant *grant, int64_t deadline_ns);
int64_t grant_remaining_ns(const struct grant *grant);
int grant_fence(const struct grant *grant, lk_fence *out);
int grant_node(const struct grant *grant, char *name, size_t size);

#endif
