/* mutex.c - threads before one lock: a local queue whose first thread speaks with the servers.
 *
 *   FREE --lock--> LEADING (one thread waits in the line) --granted--> OWNED
 *    ^                 |not granted: the next thread leads               |
 *    |<--nobody waits--+<---- the lock is given back <---- GIVING <------+ last unlock
 *                                                           a turn is left: OWNED by the next
 *
 * A leader that gives up leaves the place in the line to the next: it stands for all who wait here.
 *
 * The guard here is never held while the lock below is asked anything: it is the client that, with
 * its own monitor held, takes the guard when it closes, and sends those away who wait here. Who is
 * woken has been made owner, or leader, already: nobody can slip in between. And he is woken when
 * the guard is free again, and does not need it: a hand-over costs one change of threads, not a
 * second one for the guard that the waker still holds. */
#include <latchkey/mutex.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <latchkey/lock.h>

#include "line/holder.h"

#define SECOND INT64_C(1000000000)

enum part { PART_NONE, PART_LEADER, PART_OWNER, PART_CLOSED };

struct waiter {
    struct list node;
    pthread_t thread;
    lk_fence fence;         /* of an owner */
    _Atomic enum part part; /* what the one before has made of us */
    /* Posted once it has, without the guard, and always awaited then: a semaphore may go as soon as
     * its post was seen, which of a condition's signal nobody can know. */
    sem_t wake;
};

struct lk_mutex {
    lk_lock *lock;
    struct errand stand; /* our place in the line while we wait for it; the leader's */
    struct session_listener listener;
    unsigned local_turns;
    pthread_mutex_t guard; /* of all below; but what it has its owner reads without */
    struct list waiting;
    bool is_closed; /* the client: nobody waits any more */
    bool is_taken;  /* by an owner, a leader, or who gives it back */
    pthread_t owner;
    unsigned depth;      /* of the owner; 0: there is none */
    unsigned turns_left; /* local hand-overs */
    lk_fence fence;
};

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

/* The next in the queue leads from now on; nobody there: it is free. Returns who is to be woken. */
static struct waiter *pass_lead(lk_mutex *mutex)
{
    struct list *node = list_take(&mutex->waiting);

    mutex->is_taken = node != NULL;
    if (!node)
        return NULL;
    struct waiter *next = container_of(node, struct waiter, node);
    next->part = PART_LEADER;
    return next;
}

/* With a larger fence. Returns who is to be woken; NULL: nobody waits. */
static struct waiter *pass_ownership(lk_mutex *mutex)
{
    if (list_is_empty(&mutex->waiting))
        return NULL;
    struct waiter *next = container_of(list_take(&mutex->waiting), struct waiter, node);
    mutex->turns_left--;
    mutex->fence.turn++;
    own(mutex, next->thread);
    next->fence = mutex->fence;
    next->part = PART_OWNER;
    return next;
}

/* ---- waiting and waking (without the guard) ---- */

static void wake(struct waiter *next)
{
    if (next)
        sem_post(&next->wake);
}

/* Deadlines are of CLOCK_BOOTTIME, which no semaphore can wait by. */
static struct timespec monotonic_in(int64_t left_ns)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ns / SECOND;
    until.tv_nsec += left_ns % SECOND;
    if (until.tv_nsec >= SECOND) {
        until.tv_nsec -= SECOND;
        until.tv_sec++;
    }
    return until;
}

/* False: not woken by then. Signals and clocks that differ make another round. */
static bool await_wake(struct waiter *self, int64_t deadline_ns)
{
    for (;;) {
        if (deadline_ns == LK_FOREVER) {
            if (sem_wait(&self->wake) == 0)
                return true;
            continue;
        }
        int64_t left_ns = deadline_ns - lk_now_ns();
        if (left_ns <= 0)
            return false;
        struct timespec until = monotonic_in(left_ns);
        if (sem_clockwait(&self->wake, CLOCK_MONOTONIC, &until) == 0)
            return true;
    }
}

/* Stands in the queue already. PART_NONE: gave up in time, and has left it. */
static enum part await_part(lk_mutex *mutex, struct waiter *self, int64_t deadline_ns)
{
    if (await_wake(self, deadline_ns))
        return self->part;
    pthread_mutex_lock(&mutex->guard);
    enum part part = self->part;
    if (part == PART_NONE)
        list_remove(&self->node);
    pthread_mutex_unlock(&mutex->guard);
    if (part != PART_NONE)
        (void)await_wake(self, LK_FOREVER); /* it is on its way, to this very place */
    return part;
}

/* ---- new, free ---- */

static struct holder *holder_of(const lk_mutex *mutex)
{
    return grant_holder(lk_lock_grant(mutex->lock));
}

/* Inside the monitor. Who leads hears of it from the line. */
static void session_changed(struct session_listener *listener, enum session_change change)
{
    lk_mutex *mutex = container_of(listener, lk_mutex, listener);

    if (change != SESSION_CLOSING)
        return;
    pthread_mutex_lock(&mutex->guard);
    mutex->is_closed = true;
    for (struct list *node; (node = list_take(&mutex->waiting)) != NULL;) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        waiter->part = PART_CLOSED;
        wake(waiter);
    }
    pthread_mutex_unlock(&mutex->guard);
}

static int await_closing(lk_mutex *mutex, lk_client *client)
{
    int status = client_enter(client);

    if (status != LK_OK)
        return status;
    mutex->listener.changed = session_changed;
    session_listen(client, &mutex->listener);
    client_leave(client);
    return LK_OK;
}

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
    lock_options.on_revoke = options->on_revoke;
    lock_options.on_revoke_arg = options->on_revoke_arg;
    lk_mutex *mutex = calloc(1, sizeof(*mutex));
    if (!mutex)
        return LK_E_NOMEM;
    mutex->local_turns = options->local_turns;
    int status = lk_lock_new(&mutex->lock, client, path, &lock_options);
    if (status == LK_OK)
        status = pthread_mutex_init(&mutex->guard, NULL) == 0 ? LK_OK : LK_E_SYSTEM;
    if (status == LK_OK && (status = await_closing(mutex, client)) != LK_OK)
        pthread_mutex_destroy(&mutex->guard);
    if (status != LK_OK) {
        lk_lock_free(mutex->lock);
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
    lk_client *client = holder_of(mutex)->client;
    if (client_enter_closed(client) == LK_OK) {
        session_unlisten(&mutex->listener);
        client_leave(client);
    }
    lk_lock_free(mutex->lock);
    pthread_mutex_destroy(&mutex->guard);
    free(mutex);
    return NULL;
}

/* ---- lock ---- */

/* Out of time before the grant: the next thread waits on in the same place. False: there is none. */
static bool leave_to_the_next(lk_mutex *mutex)
{
    pthread_mutex_lock(&mutex->guard);
    struct waiter *next = list_is_empty(&mutex->waiting) ? NULL : pass_lead(mutex);
    pthread_mutex_unlock(&mutex->guard);
    wake(next);
    return next != NULL;
}

/* What the servers said: the lead is over. */
static int led(lk_mutex *mutex, int status, const lk_fence *fence)
{
    struct waiter *next = NULL;

    pthread_mutex_lock(&mutex->guard);
    if (status == LK_OK) {
        mutex->fence = *fence;
        mutex->turns_left = mutex->local_turns;
        own(mutex, pthread_self());
    } else {
        next = pass_lead(mutex);
    }
    pthread_mutex_unlock(&mutex->guard);
    wake(next);
    return status;
}

/* Asks the servers. */
static int lead(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns, lk_fence *out_fence)
{
    struct holder *holder = holder_of(mutex);

    if (only_if_free)
        return led(mutex, lk_lock_try(mutex->lock, deadline_ns, out_fence), out_fence);
    int status = holder_stand(holder, &mutex->stand, deadline_ns, out_fence);
    if (status == LK_E_DEADLINE && holder_stands(&mutex->stand)) {
        if (leave_to_the_next(mutex))
            return LK_E_DEADLINE;
        status = holder_give_up(holder, &mutex->stand, out_fence);
    }
    return led(mutex, status, out_fence);
}

static int wait_turn(lk_mutex *mutex, struct waiter *self, int64_t deadline_ns, lk_fence *out_fence)
{
    switch (await_part(mutex, self, deadline_ns)) {
    case PART_LEADER:
        return lead(mutex, false, deadline_ns, out_fence);
    case PART_OWNER:
        *out_fence = self->fence;
        return LK_OK;
    case PART_CLOSED:
        return LK_E_CLOSED;
    case PART_NONE:
        break;
    }
    return LK_E_DEADLINE;
}

/* Comes with the guard, and gives it back. */
static int lock_new(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns, lk_fence *out_fence)
{
    struct waiter self = { .thread = pthread_self() };
    bool leads = !mutex->is_taken;
    int status = leads ? LK_OK : only_if_free ? LK_E_BUSY : mutex->is_closed ? LK_E_CLOSED : LK_OK;

    if (status != LK_OK) {
        pthread_mutex_unlock(&mutex->guard);
        return status;
    }
    if (leads) {
        mutex->is_taken = true;
        pthread_mutex_unlock(&mutex->guard);
        return lead(mutex, only_if_free, deadline_ns, out_fence);
    }
    sem_init(&self.wake, 0, 0);
    list_append(&mutex->waiting, &self.node);
    pthread_mutex_unlock(&mutex->guard);
    status = wait_turn(mutex, &self, deadline_ns, out_fence);
    sem_destroy(&self.wake);
    return status;
}

static int lock_again(lk_mutex *mutex, lk_fence *out_fence)
{
    if (lk_lock_remaining_ns(mutex->lock) == 0)
        return LK_E_LOST;
    pthread_mutex_lock(&mutex->guard);
    mutex->depth++;
    *out_fence = mutex->fence;
    pthread_mutex_unlock(&mutex->guard);
    return LK_OK;
}

static int mutex_lock(lk_mutex *mutex, bool only_if_free, int64_t deadline_ns, lk_fence *out_fence)
{
    lk_fence fence;

    if (!mutex)
        return LK_E_INVALID;
    /* After a fork the guard may be held by a thread that is no more: so this comes first. */
    int status = holder_may_wait(holder_of(mutex));
    if (status != LK_OK)
        return status;
    pthread_mutex_lock(&mutex->guard);
    if (is_owner(mutex)) {
        pthread_mutex_unlock(&mutex->guard);
        status = lock_again(mutex, &fence);
    } else {
        status = lock_new(mutex, only_if_free, deadline_ns, &fence);
    }
    if (status == LK_OK && out_fence)
        *out_fence = fence;
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

/* Nobody owns it from now on, until the next leads, or comes. */
static int give_back(lk_mutex *mutex, int64_t deadline_ns)
{
    pthread_mutex_lock(&mutex->guard);
    mutex->depth = 0;
    pthread_mutex_unlock(&mutex->guard);
    int status = lk_lock_release(mutex->lock, deadline_ns);
    pthread_mutex_lock(&mutex->guard);
    struct waiter *next = pass_lead(mutex);
    pthread_mutex_unlock(&mutex->guard);
    wake(next);
    return status;
}

static int unlock_last(lk_mutex *mutex, int64_t deadline_ns)
{
    struct waiter *next = NULL;

    if (mutex->turns_left > 0 && lk_lock_state(mutex->lock) == LK_HELD
        && lk_lock_remaining_ns(mutex->lock) > 0) {
        pthread_mutex_lock(&mutex->guard);
        next = pass_ownership(mutex);
        pthread_mutex_unlock(&mutex->guard);
    }
    if (!next)
        return give_back(mutex, deadline_ns);
    wake(next);
    return LK_OK;
}

int lk_mutex_unlock(lk_mutex *mutex, int64_t deadline_ns)
{
    if (!mutex)
        return LK_E_INVALID;
    int status = holder_may_wait(holder_of(mutex));
    if (status != LK_OK && status != LK_E_CLOSED)
        return status;
    pthread_mutex_lock(&mutex->guard);
    unsigned depth = is_owner(mutex) ? mutex->depth : 0;
    mutex->depth -= depth > 1;
    pthread_mutex_unlock(&mutex->guard);
    if (depth == 0)
        return LK_E_STATE;
    if (depth == 1)
        return unlock_last(mutex, deadline_ns);
    return lk_lock_remaining_ns(mutex->lock) > 0 ? LK_OK : LK_E_LOST;
}

/* ---- asking ---- */

unsigned lk_mutex_depth(lk_mutex *mutex)
{
    if (!mutex || holder_may_wait(holder_of(mutex)) == LK_E_FORKED)
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
    if (holder_may_wait(holder_of(mutex)) == LK_E_FORKED)
        return LK_E_FORKED;
    if (lk_mutex_remaining_ns(mutex) == 0)
        return LK_E_STATE;
    *out = mutex->fence;
    return LK_OK;
}
