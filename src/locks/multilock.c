/* multilock.c - locks taken in the order of their paths' bytes, given back in reverse.
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
#include <latchkey/multilock.h>

#include <stdlib.h>
#include <string.h>

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

/* A caller's request. */
struct ask {
    struct op op;
    lk_multilock *multilock;
    lk_done_fn *done;
    void *arg;
};

struct lk_multilock {
    lk_client *client;      /* a reference */
    struct member *members; /* in the order in which they are taken */
    size_t count, culprit;  /* count: none */
    enum phase phase;
    struct ask *ask; /* under way, or NULL */
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

/* ---- the whole, of many ---- */

static struct holder *member_holder(const struct member *member)
{
    return grant_holder(lk_lock_grant(member->lock));
}

static lk_grant_state member_state(const struct member *member)
{
    lk_grant_state state = member_holder(member)->state;
    return state == LK_LOST && !member->is_asked ? LK_IDLE : state;
}

static lk_grant_state member_told(const struct member *member)
{
    return member->told;
}

/* LOST if any is; held when all are, and as badly as the worst. */
static lk_grant_state whole_of(const lk_multilock *multilock,
                               lk_grant_state (*state)(const struct member *member))
{
    size_t of[LK_LOST + 1] = { 0 };

    for (size_t i = 0; i < multilock->count; i++)
        of[state(&multilock->members[i])]++;
    if (of[LK_LOST])
        return LK_LOST;
    if (of[LK_IDLE] == multilock->count)
        return LK_IDLE;
    if (of[LK_IDLE] || of[LK_WAITING])
        return LK_WAITING;
    return of[LK_SUSPENDED] ? LK_SUSPENDED : LK_HELD;
}

static bool is_held(const lk_multilock *multilock)
{
    lk_grant_state whole = whole_of(multilock, member_state);
    return whole == LK_HELD || whole == LK_SUSPENDED;
}

/* What one member's change makes of it. The first that waits begins, the first that ends ends it:
 * the others follow one by one. */
static lk_grant_state whole_told(const lk_multilock *multilock, lk_grant_state member)
{
    lk_grant_state whole = whole_of(multilock, member_told);

    switch (member) {
    case LK_WAITING:
        return LK_WAITING;
    case LK_LOST:
        return multilock->told == LK_IDLE ? LK_IDLE : LK_LOST;
    case LK_IDLE:
        return multilock->told == LK_LOST ? LK_LOST : LK_IDLE;
    case LK_HELD:
    case LK_SUSPENDED:
        break;
    }
    return whole == LK_HELD || whole == LK_SUSPENDED ? whole : multilock->told;
}

/* Callbacks of one client run one at a time. */
static void member_changed(const lk_grant_change *change, void *arg)
{
    struct member *member = arg;
    lk_multilock *multilock = member->multilock;

    member->told = change->state;
    lk_grant_change whole = { .state = whole_told(multilock, change->state),
                              .reason = change->reason };
    if (whole.state == multilock->told)
        return;
    multilock->told = whole.state;
    multilock->on_change(&whole, multilock->on_change_arg);
}

/* ---- new, free ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->path, ((const struct member *)b)->path);
}

static int take_paths(lk_multilock *multilock, const char *const *paths, size_t count)
{
    for (; multilock->count < count; multilock->count++) {
        struct member *member = &multilock->members[multilock->count];
        if (!paths[multilock->count])
            return LK_E_INVALID;
        member->path = strdup(paths[multilock->count]);
        if (!member->path)
            return LK_E_NOMEM;
        member->multilock = multilock;
        member->given = multilock->count;
    }
    qsort(multilock->members, count, sizeof(*multilock->members), by_path);
    for (size_t i = 1; i < count; i++)
        if (by_path(&multilock->members[i - 1], &multilock->members[i]) == 0)
            return LK_E_INVALID;
    return LK_OK;
}

static int make_locks(lk_multilock *multilock, const lk_lock_options *options)
{
    lk_lock_options own = *options;
    int status = LK_OK;

    own.on_change = options->on_change ? member_changed : NULL;
    for (size_t i = 0; status == LK_OK && i < multilock->count; i++) {
        struct member *member = &multilock->members[i];
        own.on_change_arg = member;
        status = lk_lock_new(&member->lock, multilock->client, member->path, &own);
    }
    return status;
}

static void multilock_destroy(lk_multilock *multilock)
{
    lk_client *client = multilock->client;

    for (size_t i = 0; i < multilock->count; i++)
        free(multilock->members[i].path);
    free(multilock->members);
    free(multilock);
    client_unref(client);
}

int lk_multilock_new(lk_multilock **out, lk_client *client, const char *const *paths, size_t count,
                     const lk_lock_options *options)
{
    const lk_lock_options defaults = LK_LOCK_OPTIONS_INIT;

    if (!options)
        options = &defaults;
    if (!out || !client || !paths || count == 0 || count > LK_MULTILOCK_MAX
        || options->size != sizeof(*options))
        return LK_E_INVALID;
    lk_multilock *multilock = calloc(1, sizeof(*multilock));
    if (!multilock)
        return LK_E_NOMEM;
    multilock->client = client_ref(client);
    multilock->on_change = options->on_change;
    multilock->on_change_arg = options->on_change_arg;
    multilock->members = calloc(count, sizeof(*multilock->members));
    int status = multilock->members ? take_paths(multilock, paths, count) : LK_E_NOMEM;
    if (status == LK_OK)
        status = make_locks(multilock, options);
    if (status != LK_OK) {
        for (size_t i = multilock->count; i-- > 0;)
            lk_lock_free(multilock->members[i].lock);
        multilock_destroy(multilock);
        return status;
    }
    multilock->culprit = count;
    *out = multilock;
    return LK_OK;
}

/* ---- members' errands ---- */

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
    struct ask *ask = multilock->ask;

    multilock_rest(multilock);
    op_done(&ask->op, multilock->status);
}

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

/* ---- requests ---- */

/* What is held or waited for is given back in the background. */
static void multilock_let_go(lk_multilock *multilock, int reason)
{
    for (size_t i = multilock->count; i-- > 0;) {
        member_give(&multilock->members[i], reason);
        member_forget(&multilock->members[i].give, LK_E_CANCELLED);
    }
}

static int ask_withdraw(struct op *op, int status)
{
    lk_multilock *multilock = container_of(op, struct ask, op)->multilock;
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

static int acquire_refusal(const lk_multilock *multilock)
{
    for (size_t i = 0; i < multilock->count; i++) {
        lk_grant_state state = member_holder(&multilock->members[i])->state;
        if (state != LK_IDLE && state != LK_LOST)
            return LK_E_STATE;
    }
    return LK_OK;
}

static void acquire_begin(lk_multilock *multilock, bool only_if_free)
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

static int release_refusal(const lk_multilock *multilock)
{
    for (size_t i = 0; i < multilock->count; i++)
        if (holder_holds(member_holder(&multilock->members[i])))
            return LK_OK;
    return whole_of(multilock, member_state) == LK_LOST ? LK_E_LOST : LK_E_STATE;
}

static void release_begin(lk_multilock *multilock)
{
    multilock->status = is_held(multilock) ? LK_OK : LK_E_LOST;
    give_all(multilock, PHASE_GIVING);
}

enum wish { WISH_ACQUIRE, WISH_TRY, WISH_RELEASE };

/* Inside the monitor. */
static int ask_begin(lk_multilock *multilock, struct ask *ask, enum wish wish, int64_t deadline_ns,
                     void (*deliver)(struct callback *callback))
{
    int status = wish == WISH_RELEASE ? release_refusal(multilock) : acquire_refusal(multilock);

    if (multilock->ask || status != LK_OK)
        return multilock->ask ? LK_E_STATE : status;
    op_begin(multilock->client, &ask->op, deadline_ns, ask_withdraw, deliver);
    ask->multilock = multilock;
    multilock->ask = ask;
    if (wish == WISH_RELEASE)
        release_begin(multilock);
    else
        acquire_begin(multilock, wish == WISH_TRY);
    return LK_OK;
}

/* Had, and lost before this thread came to run. */
static int ask_look_again(lk_multilock *multilock)
{
    size_t first = 0;

    while (first < multilock->count && holder_holds(member_holder(&multilock->members[first])))
        first++;
    if (first == multilock->count)
        return LK_OK;
    multilock->culprit = first;
    multilock_let_go(multilock, LK_E_LOST);
    return LK_E_LOST;
}

static void multilock_leave(lk_multilock *multilock)
{
    lk_client *client = multilock->client;
    bool is_over = --multilock->threads == 0 && multilock->freed;

    client_leave(client);
    if (is_over)
        multilock_destroy(multilock);
}

static int ask_wait(lk_multilock *multilock, enum wish wish, int64_t deadline_ns)
{
    struct ask ask = { 0 };

    if (!multilock)
        return LK_E_INVALID;
    int status = client_enter(multilock->client);
    if (status != LK_OK)
        return status;
    multilock->threads++;
    status = op_may_wait(multilock->client);
    if (status == LK_OK)
        status = ask_begin(multilock, &ask, wish, deadline_ns, NULL);
    if (status == LK_OK) {
        status = op_wait(&ask.op);
        if (status == LK_OK && wish != WISH_RELEASE && !multilock->freed)
            status = ask_look_again(multilock);
    }
    multilock_leave(multilock);
    return status;
}

static void ask_deliver(struct callback *callback)
{
    struct op *op = container_of(callback, struct op, callback);
    struct ask *ask = container_of(op, struct ask, op);

    ask->done(ask->op.status, ask->arg);
    free(ask);
}

static int ask_start(lk_multilock *multilock, enum wish wish, int64_t deadline_ns, lk_done_fn *done,
                     void *arg, lk_op *out_op)
{
    if (!multilock || !done)
        return LK_E_INVALID;
    int status = client_enter(multilock->client);
    if (status != LK_OK)
        return status;
    struct ask *ask = calloc(1, sizeof(*ask));
    if (ask) {
        ask->done = done;
        ask->arg = arg;
    }
    status = ask ? ask_begin(multilock, ask, wish, deadline_ns, ask_deliver) : LK_E_NOMEM;
    if (status != LK_OK)
        free(ask);
    else if (out_op)
        out_op->id = ask->op.id;
    client_leave(multilock->client);
    return status;
}

int lk_multilock_acquire(lk_multilock *multilock, int64_t deadline_ns)
{
    return ask_wait(multilock, WISH_ACQUIRE, deadline_ns);
}

int lk_multilock_acquire_start(lk_multilock *multilock, int64_t deadline_ns, lk_done_fn *done,
                               void *arg, lk_op *out_op)
{
    return ask_start(multilock, WISH_ACQUIRE, deadline_ns, done, arg, out_op);
}

int lk_multilock_try(lk_multilock *multilock, int64_t deadline_ns)
{
    return ask_wait(multilock, WISH_TRY, deadline_ns);
}

int lk_multilock_try_start(lk_multilock *multilock, int64_t deadline_ns, lk_done_fn *done,
                           void *arg, lk_op *out_op)
{
    return ask_start(multilock, WISH_TRY, deadline_ns, done, arg, out_op);
}

int lk_multilock_release(lk_multilock *multilock, int64_t deadline_ns)
{
    return ask_wait(multilock, WISH_RELEASE, deadline_ns);
}

int lk_multilock_release_start(lk_multilock *multilock, int64_t deadline_ns, lk_done_fn *done,
                               void *arg, lk_op *out_op)
{
    return ask_start(multilock, WISH_RELEASE, deadline_ns, done, arg, out_op);
}

lk_multilock *lk_multilock_free(lk_multilock *multilock)
{
    if (!multilock || client_enter_closed(multilock->client) != LK_OK)
        return NULL;
    multilock->threads++;
    multilock->freed = true;
    if (multilock->ask)
        op_end(&multilock->ask->op, LK_E_CANCELLED);
    client_leave(multilock->client);
    for (size_t i = multilock->count; i-- > 0;)
        lk_lock_free(multilock->members[i].lock);
    (void)!client_enter_closed(multilock->client);
    multilock_leave(multilock);
    return NULL;
}

/* ---- asking ---- */

static struct member *member_given(lk_multilock *multilock, size_t index)
{
    for (size_t i = 0; multilock && i < multilock->count; i++)
        if (multilock->members[i].given == index)
            return &multilock->members[i];
    return NULL;
}

lk_grant_state lk_multilock_state(lk_multilock *multilock)
{
    if (!multilock || client_enter_closed(multilock->client) != LK_OK)
        return LK_LOST;
    lk_grant_state state = whole_of(multilock, member_state);
    client_leave(multilock->client);
    return state;
}

int64_t lk_multilock_remaining_ns(lk_multilock *multilock)
{
    if (!multilock || client_enter_closed(multilock->client) != LK_OK)
        return 0;
    int64_t left_ns = is_held(multilock) ? lease_remaining_ns(multilock->client) : 0;
    client_leave(multilock->client);
    return left_ns;
}

int lk_multilock_fence(lk_multilock *multilock, size_t index, lk_fence *out)
{
    struct member *member = member_given(multilock, index);

    if (!member || !out)
        return LK_E_INVALID;
    int status = client_enter(multilock->client);
    if (status != LK_OK)
        return status;
    status = is_held(multilock) ? LK_OK : LK_E_STATE;
    if (status == LK_OK)
        *out = member_holder(member)->fence;
    client_leave(multilock->client);
    return status;
}

lk_grant *lk_multilock_grant(lk_multilock *multilock, size_t index)
{
    struct member *member = member_given(multilock, index);
    return member ? lk_lock_grant(member->lock) : NULL;
}

const char *lk_multilock_culprit(lk_multilock *multilock)
{
    const char *path = NULL;

    if (!multilock || client_enter_closed(multilock->client) != LK_OK)
        return NULL;
    if (multilock->culprit < multilock->count)
        path = multilock->members[multilock->culprit].path;
    client_leave(multilock->client);
    return path;
}
