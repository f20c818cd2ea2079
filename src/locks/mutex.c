/* mutex.c - threads before one lock: a local queue whose first thread speaks with the servers.
 *
 *   FREE --lock--> LEADING (one thread waits in the line) --granted--> OWNED
 *    ^                 |not granted: the next thread leads               |
 *    |<--nobody waits--+<---- the lock is given back <---- GIVING <------+ last unlock
 *                                                           a turn is left: OWNED by the next
 *
 * The mutex here is never held while the lock below is asked to wait. Who is woken has been made
 * owner, or leader, already: nobody can slip in between. */
#include <latchkey/mutex.h>

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <latchkey/lock.h>

#include "base/list.h"

#define SECOND INT64_C(1000000000)

enum part { PART_NONE, PART_LEADER, PART_OWNER };

struct waiter {
    struct list node;
    pthread_t thread;
    pthread_cond_t wake;
    enum part part; /* what the one before has made of us */
};

struct lk_mutex {
    lk_lock *lock;
    unsigned local_turns;
    pthread_mutex_t guard; /* of all below */
    struct list waiting;
    bool is_taken; /* by an owner, a leader, or who gives it back */
    pthread_t owner;
    unsigned depth;      /* of the owner; 0: there is none */
    unsigned turns_left; /* local hand-overs */
    lk_fence fence;
};

/* ---- new, free ---- */

int lk_mutex_new(lk_mutex **out, lk_client *client, const char *path,
                 const lk_mutex_options *options)
{
    const lk_mutex_options defaults = LK_MUTEX_OPTIONS_INIT;

    if (!options)
        options = &defaults;
    if (!out || options->size != sizeof(*options))
        return LK_E_INVALID;
    lk_lock_options lock_options = LK_LOCK_OPTIONS_INIT;
    lock_options.label = options->label;
    lock_options.on_change = options->on_change;
    lock_options.on_change_arg = options->on_change_arg;
    lk_mutex *mutex = calloc(1, sizeof(*mutex));
    if (!mutex)
        return LK_E_NOMEM;
    mutex->local_turns = options->local_turns;
    int status = pthread_mutex_init(&mutex->guard, NULL) == 0 ? LK_OK : LK_E_SYSTEM;
    if (status == LK_OK
        && (status = lk_lock_new(&mutex->lock, client, path, &lock_options)) != LK_OK)
        pthread_mutex_destroy(&mutex->guard);
    if (status != LK_OK) {
        free(mutex);
        return status;
    }
    *out = mutex;
    return LK_OK;
}

lk_mutex *lk_mutex_free(lk_mutex *mutex)
{
    if (!mutex)
        return NULL;
    lk_lock_free(mutex->lock);
    pthread_mutex_destroy(&mutex->guard);
    free(mutex);
    return NULL;
}

/* ---- the queue (under the guard) ---- */

static bool is_owner(const lk_mutex *mutex)
{
    return mutex->depth > 0 && pthread_equal(mutex->owner, pthread_self());
}

static void own(lk_mutex *mutex, pthread_t thread)
{
    mutex->owner = thread;
    mutex->depth = 1;
}

/* The next in the queue leads from now on; nobody there: it is free. */
static void pass_lead(lk_mutex *mutex)
{
    struct list *node = list_take(&mutex->waiting);

    mutex->is_taken = node != NULL;
    if (!node)
        return;
    struct waiter *next = container_of(node, struct waiter, node);
    next->part = PART_LEADER;
    pthread_cond_signal(&next->wake);
}

/* With a larger fence. False: nobody waits, the turns are used up, or there is no grant to hand
 * over. */
static bool pass_ownership(lk_mutex *mutex)
{
    if (list_is_empty(&mutex->waiting) || mutex->turns_left == 0
        || lk_lock_state(mutex->lock) != LK_HELD || lk_lock_remaining_ns(mutex->lock) == 0)
        return false;
    struct waiter *next = container_of(list_take(&mutex->waiting), struct waiter, node);
    mutex->turns_left--;
    mutex->fence.turn++;
    own(mutex, next->thread);
    next->part = PART_OWNER;
    pthread_cond_signal(&next->wake);
    return true;
}

/* Deadlines are of CLOCK_BOOTTIME, which no condition can wait by. */
static bool wait_until(pthread_cond_t *wake, pthread_mutex_t *guard, int64_t deadline_ns)
{
    struct timespec until;

    if (deadline_ns == LK_FOREVER) {
        pthread_cond_wait(wake, guard);
        return true;
    }
    int64_t left_ns = deadline_ns - lk_now_ns();
    if (left_ns <= 0)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ns / SECOND;
    until.tv_nsec += left_ns % SECOND;
    if (until.tv_nsec >= SECOND) {
        until.tv_nsec -= SECOND;
        until.tv_sec++;
    }
    pthread_cond_timedwait(wake, guard, &until);
    return true;
}

static enum part queue(lk_mutex *mutex, int64_t deadline_ns)
{
    struct waiter self = { .thread = pthread_self() };
    pthread_condattr_t attributes;

    if (!mutex->is_taken) {
        mutex->is_taken = true;
        return PART_LEADER;
    }
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.wake, &attributes);
    pthread_condattr_destroy(&attributes);
    list_append(&mutex->waiting, &self.node);
    while (self.part == PART_NONE && wait_until(&self.wake, &mutex->guard, deadline_ns))
        ;
    if (self.part == PART_NONE)
        list_remove(&self.node);
    pthread_cond_destroy(&self.wake);
    return self.part;
}

/* ---- lock ---- */

/* Asks the servers, without the guard. */
static int lead(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns)
{
    lk_fence fence;

    pthread_mutex_unlock(&mutex->guard);
    int status = only_if_free ? lk_lock_try(mutex->lock, deadline_ns, &fence)
                              : lk_lock_acquire(mutex->lock, deadline_ns, &fence);
    pthread_mutex_lock(&mutex->guard);
    if (status != LK_OK) {
        pass_lead(mutex);
        return status;
    }
    mutex->fence = fence;
    mutex->turns_left = mutex->local_turns;
    own(mutex, pthread_self());
    return LK_OK;
}

static int lock_again(lk_mutex *mutex)
{
    if (lk_lock_remaining_ns(mutex->lock) == 0)
        return LK_E_LOST;
    mutex->depth++;
    return LK_OK;
}

static int lock_new(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns)
{
    if (only_if_free && mutex->is_taken)
        return LK_E_BUSY;
    switch (queue(mutex, deadline_ns)) {
    case PART_LEADER:
        return lead(mutex, only_if_free, deadline_ns);
    case PART_OWNER:
        return LK_OK;
    case PART_NONE:
        break;
    }
    return LK_E_DEADLINE;
}

static int mutex_lock(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns, lk_fence *out_fence)
{
    if (!mutex)
        return LK_E_INVALID;
    pthread_mutex_lock(&mutex->guard);
    int status = is_owner(mutex) ? lock_again(mutex) : lock_new(mutex, only_if_free, deadline_ns);
    if (status == LK_OK && out_fence)
        *out_fence = mutex->fence;
    pthread_mutex_unlock(&mutex->guard);
    return status;
}

int lk_mutex_lock(lk_mutex *mutex, int64_t deadline_ns, lk_fence *out_fence)
{
    return mutex_lock(mutex, false, deadline_ns, out_fence);
}

int lk_mutex_try(lk_mutex *mutex, int64_t deadline_ns, lk_fence *out_fence)
{
    return mutex_lock(mutex, true, deadline_ns, out_fence);
}

/* ---- unlock ---- */

static int give_back(lk_mutex *mutex, int64_t deadline_ns)
{
    pthread_mutex_unlock(&mutex->guard);
    int status = lk_lock_release(mutex->lock, deadline_ns);
    pthread_mutex_lock(&mutex->guard);
    pass_lead(mutex);
    return status;
}

static int unlock(lk_mutex *mutex, int64_t deadline_ns)
{
    if (!is_owner(mutex))
        return LK_E_STATE;
    if (--mutex->depth > 0)
        return lk_lock_remaining_ns(mutex->lock) > 0 ? LK_OK : LK_E_LOST;
    return pass_ownership(mutex) ? LK_OK : give_back(mutex, deadline_ns);
}

int lk_mutex_unlock(lk_mutex *mutex, int64_t deadline_ns)
{
    if (!mutex)
        return LK_E_INVALID;
    pthread_mutex_lock(&mutex->guard);
    int status = unlock(mutex, deadline_ns);
    pthread_mutex_unlock(&mutex->guard);
    return status;
}

/* ---- asking ---- */

unsigned lk_mutex_depth(lk_mutex *mutex)
{
    if (!mutex)
        return 0;
    pthread_mutex_lock(&mutex->guard);
    unsigned depth = is_owner(mutex) ? mutex->depth : 0;
    pthread_mutex_unlock(&mutex->guard);
    return depth;
}

int64_t lk_mutex_remaining_ns(lk_mutex *mutex)
{
    return lk_mutex_depth(mutex) > 0 ? lk_lock_remaining_ns(mutex->lock) : 0;
}

lk_grant_state lk_mutex_state(lk_mutex *mutex)
{
    return lk_mutex_depth(mutex) > 0 ? lk_lock_state(mutex->lock) : LK_IDLE;
}

lk_grant *lk_mutex_grant(lk_mutex *mutex)
{
    return lk_mutex_depth(mutex) > 0 ? lk_lock_grant(mutex->lock) : NULL;
}

int lk_mutex_fence(lk_mutex *mutex, lk_fence *out)
{
    if (!mutex || !out)
        return LK_E_INVALID;
    pthread_mutex_lock(&mutex->guard);
    int status = is_owner(mutex) && lk_lock_remaining_ns(mutex->lock) > 0 ? LK_OK : LK_E_STATE;
    if (status == LK_OK)
        *out = mutex->fence;
    pthread_mutex_unlock(&mutex->guard);
    return status;
}
