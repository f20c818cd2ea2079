/* multilock.c - locks taken in the order of their paths' bytes, given back in reverse. */
#include <latchkey/multilock.h>

#include <stdlib.h>
#include <string.h>

struct member {
    lk_multilock *multilock;
    lk_lock *lock;
    char *path;
    size_t given;        /* its place among the paths as they were given */
    lk_grant_state told; /* what its callbacks have said so far */
};

struct lk_multilock {
    struct member *members; /* in the order in which they are taken */
    size_t count, culprit;  /* count: none */
    lk_grant_fn *on_change;
    void *on_change_arg;
    lk_grant_state told;
};

/* ---- the whole, of many ---- */

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

static lk_grant_state state_now(const struct member *member)
{
    return lk_lock_state(member->lock);
}

static lk_grant_state state_told(const struct member *member)
{
    return member->told;
}

/* Callbacks of one client run one at a time. */
static void member_changed(const lk_grant_change *change, void *arg)
{
    struct member *member = arg;
    lk_multilock *multilock = member->multilock;

    member->told = change->state;
    lk_grant_change whole = { .state = whole_of(multilock, state_told), .reason = change->reason };
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

static int make_locks(lk_multilock *multilock, lk_client *client, const lk_lock_options *options)
{
    lk_lock_options own = *options;
    int status = LK_OK;

    own.on_change = options->on_change ? member_changed : NULL;
    for (size_t i = 0; status == LK_OK && i < multilock->count; i++) {
        own.on_change_arg = &multilock->members[i];
        status = lk_lock_new(&multilock->members[i].lock, client, multilock->members[i].path, &own);
    }
    return status;
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
    int status = LK_E_NOMEM;
    if (multilock && (multilock->members = calloc(count, sizeof(*multilock->members))) != NULL) {
        multilock->on_change = options->on_change;
        multilock->on_change_arg = options->on_change_arg;
        status = take_paths(multilock, paths, count);
    }
    if (status == LK_OK)
        status = make_locks(multilock, client, options);
    if (status != LK_OK) {
        lk_multilock_free(multilock);
        return status;
    }
    multilock->culprit = count;
    *out = multilock;
    return LK_OK;
}

lk_multilock *lk_multilock_free(lk_multilock *multilock)
{
    if (!multilock)
        return NULL;
    for (size_t i = multilock->count; i-- > 0;) {
        lk_lock_free(multilock->members[i].lock);
        free(multilock->members[i].path);
    }
    free(multilock->members);
    free(multilock);
    return NULL;
}

/* ---- acquire, release ---- */

/* The first failure of all. */
static int release_down(lk_multilock *multilock, size_t count, int64_t deadline_ns)
{
    int first = LK_OK;

    while (count-- > 0) {
        int status = lk_lock_release(multilock->members[count].lock, deadline_ns);
        if (first == LK_OK)
            first = status;
    }
    return first;
}

static int take_all(lk_multilock *multilock, int64_t deadline_ns,
                    int (*take)(lk_lock *lock, int64_t deadline_ns, lk_fence *out_fence))
{
    size_t taken = 0;
    int status = LK_OK;

    if (!multilock)
        return LK_E_INVALID;
    for (size_t i = 0; i < multilock->count; i++)
        if (state_now(&multilock->members[i]) != LK_IDLE
            && state_now(&multilock->members[i]) != LK_LOST)
            return LK_E_STATE;
    multilock->culprit = multilock->count;
    for (; taken < multilock->count; taken++) {
        status = take(multilock->members[taken].lock, deadline_ns, NULL);
        if (status != LK_OK)
            break;
    }
    /* One of the first may have been lost while the last was waited for. */
    for (size_t i = 0; status == LK_OK && i < multilock->count; i++)
        if (lk_lock_remaining_ns(multilock->members[multilock->culprit = i].lock) == 0)
            status = LK_E_LOST;
    if (status == LK_OK) {
        multilock->culprit = multilock->count;
        return LK_OK;
    }
    if (taken < multilock->count)
        multilock->culprit = taken;
    (void)!release_down(multilock, taken, deadline_ns);
    return status;
}

int lk_multilock_acquire(lk_multilock *multilock, int64_t deadline_ns)
{
    return take_all(multilock, deadline_ns, lk_lock_acquire);
}

int lk_multilock_try(lk_multilock *multilock, int64_t deadline_ns)
{
    return take_all(multilock, deadline_ns, lk_lock_try);
}

int lk_multilock_release(lk_multilock *multilock, int64_t deadline_ns)
{
    if (!multilock)
        return LK_E_INVALID;
    return release_down(multilock, multilock->count, deadline_ns);
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
    return multilock ? whole_of(multilock, state_now) : LK_LOST;
}

int64_t lk_multilock_remaining_ns(lk_multilock *multilock)
{
    int64_t least_ns = multilock ? INT64_MAX : 0;

    for (size_t i = 0; multilock && i < multilock->count; i++) {
        int64_t left_ns = lk_lock_remaining_ns(multilock->members[i].lock);
        if (left_ns < least_ns)
            least_ns = left_ns;
    }
    return least_ns;
}

int lk_multilock_fence(lk_multilock *multilock, size_t index, lk_fence *out)
{
    struct member *member = member_given(multilock, index);

    if (!member || !out)
        return LK_E_INVALID;
    if (lk_multilock_remaining_ns(multilock) == 0)
        return LK_E_STATE;
    return lk_lock_fence(member->lock, out);
}

lk_grant *lk_multilock_grant(lk_multilock *multilock, size_t index)
{
    struct member *member = member_given(multilock, index);
    return member ? lk_lock_grant(member->lock) : NULL;
}

const char *lk_multilock_culprit(lk_multilock *multilock)
{
    return multilock && multilock->culprit < multilock->count
               ? multilock->members[multilock->culprit].path
               : NULL;
}
