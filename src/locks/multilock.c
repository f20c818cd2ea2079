/* multilock.c - several locks as one handle: the whole of many states, its requests and its news. How
 * the many are taken and given: multilock_steps.c. */
#include "locks/multilock.h"

#include <stdlib.h>
#include <string.h>

/* A caller's request. */
struct ask {
    struct op op;
    lk_multilock *multilock;
    lk_done_fn *done;
    void *arg;
};

/* ---- the whole, of many ---- */

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
/* ---- requests ---- */

static int ask_withdraw(struct op *op, int status)
{
    return multilock_withdraw(container_of(op, struct ask, op)->multilock, status);
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

static int release_refusal(const lk_multilock *multilock)
{
    for (size_t i = 0; i < multilock->count; i++)
        if (holder_holds(member_holder(&multilock->members[i])))
            return LK_OK;
    return whole_of(multilock, member_state) == LK_LOST ? LK_E_LOST : LK_E_STATE;
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
    multilock->ask = &ask->op;
    if (wish == WISH_RELEASE)
        multilock_give(multilock, is_held(multilock) ? LK_OK : LK_E_LOST);
    else
        multilock_take(multilock, wish == WISH_TRY);
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
        op_end(multilock->ask, LK_E_CANCELLED);
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
