/* multilock_steps.c - the members of a multi-lock are taken one after the other, and given back all
 * at once, in reverse.
 *
 *   RESTING --acquire--> TAKING one after the other --all are held--> RESTING
 *      ^                   | one is refused, or one that was had is lost
 *      |<---all are out--- RETURNING
 *      |<---all are out--- GIVING <--release-- RESTING
 *
 * The engine steps it at the ends of its members' errands. Such an end may come in the midst of a
 * walk over places, where nothing may be released: so what follows a failure waits for a timer that
 * fires at once. The releases go out in reverse in one flight: none waits for another's answer, or
 * is held up by its failure. */
#include "locks/multilock.h"

/* Of an end that comes after this nothing is made. */
static void member_forget(struct errand *errand, int status)
{
    if (errand->holder && !errand->op.done)
        op_end(&errand->op, status);
}

static void multilock_rest(lk_multilock *multilock)
{
    multilock->phase = PHASE_RESTING;
    multilock->ask = NULL;
    timer_stop(multilock->client, &multilock->step);
    for (size_t i = multilock->count; i-- > 0;)
        member_forget(&multilock->members[i].loss, LK_E_CANCELLED);
}

static void multilock_finish(lk_multilock *multilock)
{
    struct op *ask = multilock->ask;

    multilock_rest(multilock);
    op_done(ask, multilock->status);
}

/* ---- giving ---- */

static void given(lk_multilock *multilock, int status)
{
    if (multilock->status == LK_OK)
        multilock->status = status;
    if (--multilock->giving == 0)
        multilock_finish(multilock);
}

static void give_ended(struct op *op)
{
    lk_multilock *multilock = container_of(op, struct member, give.op)->multilock;

    if (multilock->phase == PHASE_RETURNING || multilock->phase == PHASE_GIVING)
        given(multilock, op->status);
}

/* False: there was nothing to give back. What waits is given up, for `reason`. */
static bool member_give(struct member *member, int reason)
{
    struct holder *holder = member_holder(member);

    member_forget(&member->take, reason);
    member_forget(&member->loss, LK_E_CANCELLED);
    member->give = (struct errand){ .kind = &errand_release,
                                    .deadline_ns = LK_FOREVER,
                                    .ended = give_ended };
    return holder_begin(holder, &member->give) == LK_OK;
}

static void give_all(lk_multilock *multilock, enum phase phase)
{
    multilock->phase = phase;
    multilock->giving = multilock->count + 1; /* one is ours: not over before all have begun */
    for (size_t i = multilock->count; i-- > 0;)
        if (!member_give(&multilock->members[i], multilock->status))
            multilock->giving--;
    given(multilock, LK_OK);
}

void multilock_give(lk_multilock *multilock, int status)
{
    multilock->status = status;
    give_all(multilock, PHASE_GIVING);
}

/* ---- taking ---- */

static void give_back(struct timer *timer)
{
    give_all(container_of(timer, lk_multilock, step), PHASE_RETURNING);
}

static void take_failed(struct member *member, int status)
{
    lk_multilock *multilock = member->multilock;

    if (multilock->status != LK_OK)
        return;
    multilock->status = status;
    multilock->culprit = (size_t)(member - multilock->members);
    timer_set(multilock->client, &multilock->step, client_now(multilock->client), give_back);
}

static void take_next(lk_multilock *multilock);

static void loss_ended(struct op *op)
{
    struct member *member = container_of(op, struct member, loss.op);

    if (member->multilock->phase == PHASE_TAKING)
        take_failed(member, LK_E_LOST);
}

static void take_ended(struct op *op)
{
    struct member *member = container_of(op, struct member, take.op);
    lk_multilock *multilock = member->multilock;

    if (multilock->phase != PHASE_TAKING)
        return;
    if (op->status != LK_OK) {
        take_failed(member, op->status);
        return;
    }
    /* As soon as one is lost no more need be waited for. */
    member->loss = (struct errand){ .kind = &errand_watch,
                                    .deadline_ns = LK_FOREVER,
                                    .ended = loss_ended };
    (void)!holder_begin(member_holder(member), &member->loss);
    if (multilock->status == LK_OK)
        take_next(multilock);
}

static void take_next(lk_multilock *multilock)
{
    if (multilock->taken == multilock->count) {
        multilock_finish(multilock);
        return;
    }
    struct member *member = &multilock->members[multilock->taken++];
    member->is_asked = true;
    member->take = (struct errand){ .kind = &errand_acquire,
                                    .wish = { .only_if_free = multilock->only_if_free },
                                    .deadline_ns = LK_FOREVER,
                                    .ended = take_ended };
    int status = holder_begin(member_holder(member), &member->take);
    if (status != LK_OK)
        take_failed(member, status);
}

void multilock_take(lk_multilock *multilock, bool only_if_free)
{
    for (size_t i = 0; i < multilock->count; i++)
        multilock->members[i].is_asked = false;
    multilock->status = LK_OK;
    multilock->only_if_free = only_if_free;
    multilock->phase = PHASE_TAKING;
    multilock->culprit = multilock->count;
    multilock->taken = 0;
    take_next(multilock);
}

/* ---- withdrawing ---- */

void multilock_let_go(lk_multilock *multilock, int reason)
{
    for (size_t i = multilock->count; i-- > 0;) {
        member_give(&multilock->members[i], reason);
        member_forget(&multilock->members[i].give, LK_E_CANCELLED);
    }
}

int multilock_withdraw(lk_multilock *multilock, int status)
{
    enum phase phase = multilock->phase;

    if (phase == PHASE_TAKING && multilock->status == LK_OK)
        multilock->culprit = multilock->taken - 1;
    /* What there is to say was known before; only its removal took too long. */
    if (status == LK_E_DEADLINE && multilock->status != LK_OK)
        status = multilock->status;
    multilock_rest(multilock);
    if (status == LK_E_CLOSED)
        return status; /* the session goes, and all with it */
    for (size_t i = multilock->count; i-- > 0;)
        member_forget(&multilock->members[i].give, LK_E_CANCELLED);
    if (phase == PHASE_TAKING)
        multilock_let_go(multilock, status);
    return status;
}
