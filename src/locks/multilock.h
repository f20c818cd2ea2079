/* multilock.h - a multi-lock from the inside: what its user sees of it (multilock.c), and the machine
 * that takes and gives its members (multilock_steps.c). All of it inside the monitor. */
#ifndef LOCKS_MULTILOCK_H
#define LOCKS_MULTILOCK_H

#include <latchkey/multilock.h>

#include "line/holder.h"

enum phase { PHASE_RESTING, PHASE_TAKING, PHASE_RETURNING, PHASE_GIVING };

struct member {
    lk_multilock *multilock;
    lk_lock *lock;
    char *path;
    size_t given;        /* its place among the paths as they were given */
    bool is_asked;       /* at this acquire, or the last: a loss of before is no news */
    lk_grant_state told; /* what its callbacks have said so far */
    struct errand take, loss, give;
};

struct lk_multilock {
    lk_client *client;      /* a reference */
    struct member *members; /* in the order in which they are taken */
    size_t count, culprit;  /* count: none */
    enum phase phase;
    struct op *ask; /* a caller's request that is under way, or NULL */
    bool only_if_free;
    size_t taken;  /* members that were asked, in TAKING */
    size_t giving; /* releases that have not ended */
    int status;    /* the first failure */
    struct timer step;
    unsigned threads; /* inside: the memory stays until they have left */
    bool freed;
    lk_grant_fn *on_change;
    void *on_change_arg;
    lk_grant_state told;
};

static inline struct holder *member_holder(const struct member *member)
{
    return grant_holder(lk_lock_grant(member->lock));
}

/* Both begin when all rest, and end multilock->ask. A release is answered with `status`, unless that
 * is LK_OK and one of the releases fails. */
void multilock_take(lk_multilock *multilock, bool only_if_free);
void multilock_give(lk_multilock *multilock, int status);

/* The request ends with what this makes of `status`. */
int multilock_withdraw(lk_multilock *multilock, int status);
/* What is held or waited for is given back in the background. */
void multilock_let_go(lk_multilock *multilock, int reason);

#endif
