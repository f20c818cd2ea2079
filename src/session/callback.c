/* callback.c - the user's callbacks: queued inside the monitor, run outside it, one at a time, in
 * order. */
#include "session/engine.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

bool condition_wait(lk_client *client, pthread_cond_t *condition, int64_t deadline_ns)
{
    struct timespec at;

    if (deadline_ns == LK_FOREVER) {
        pthread_cond_wait(condition, &client->monitor);
        client->now_ns = client->world->now_ns(client->world);
        return true;
    }
    /* No condition waits on CLOCK_BOOTTIME; a suspended machine makes this one late, never early.
     */
    int64_t now_ns = client->world->now_ns(client->world);
    if (deadline_ns <= now_ns)
        return false;
    int64_t left_ns = deadline_ns - now_ns;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t at_ns = left_ns > INT64_C(1) << 61 ? INT64_C(1) << 61 : left_ns;
    at_ns += at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
    at.tv_sec = at_ns / INT64_C(1000000000);
    at.tv_nsec = at_ns % INT64_C(1000000000);
    int rc = pthread_cond_timedwait(condition, &client->monitor, &at);
    client->now_ns = client->world->now_ns(client->world);
    return rc != ETIMEDOUT;
}

static void callbacks_signal(lk_client *client)
{
    uint64_t one = 1;

    pthread_cond_broadcast(&client->callbacks_changed);
    if (client->callback_fd >= 0)
        (void)!write(client->callback_fd, &one, sizeof one);
}

static void callbacks_unsignal(lk_client *client)
{
    uint64_t count;

    if (client->callback_fd >= 0)
        (void)!read(client->callback_fd, &count, sizeof count);
}

void callback_post(lk_client *client, struct callback *callback)
{
    bool first = list_is_empty(&client->callbacks);

    list_append(&client->callbacks, &callback->node);
    if (first)
        callbacks_signal(client);
}

static bool callbacks_are_mine(const lk_client *client)
{
    return client->dispatching && pthread_equal(client->dispatcher, pthread_self());
}

int op_may_wait(const lk_client *client)
{
    return callbacks_are_mine(client) ? LK_E_WOULD_DEADLOCK : LK_OK;
}

void callbacks_forget(lk_client *client, const void *owner)
{
    list_for_each_safe (node, &client->callbacks) {
        struct callback *callback = container_of(node, struct callback, node);
        if (callback->owner != owner)
            continue;
        list_remove(&callback->node);
        callback->forget(callback);
    }
    if (list_is_empty(&client->callbacks))
        callbacks_unsignal(client);
    while (client->running_owner == owner && !callbacks_are_mine(client))
        condition_wait(client, &client->callbacks_changed, LK_FOREVER);
}

/* The next that waits; nobody can take out those without an owner, so as many of them as wait leave
 * the monitor together. */
static void callbacks_take(lk_client *client, int most, struct list *out)
{
    const void *owner = container_of(client->callbacks.next, struct callback, node)->owner;

    client->running_owner = owner;
    do {
        list_append(out, list_take(&client->callbacks));
    } while (--most > 0 && !owner && !list_is_empty(&client->callbacks)
             && !container_of(client->callbacks.next, struct callback, node)->owner);
    if (list_is_empty(&client->callbacks))
        callbacks_unsignal(client);
}

/* How many have run, one at least and at most `most`; negative in a child that was forked by one of
 * them: nothing of the client is its own any more. */
static int callbacks_run_some(lk_client *client, int most)
{
    struct list taken = { 0 };
    int count = 0;

    callbacks_take(client, most, &taken);
    client_leave(client);
    for (struct list *node; (node = list_take(&taken)) != NULL; count++) {
        struct callback *callback = container_of(node, struct callback, node);
        callback->run(callback);
        if (!birth_was_here(&client->birth))
            return -1;
    }
    client_enter_closed(client);
    client->running_owner = NULL;
    pthread_cond_broadcast(&client->callbacks_changed);
    return count;
}

/* Inside the monitor. False: none came by the deadline, or none will. */
static bool callbacks_await(lk_client *client, int64_t deadline_ns)
{
    while (client->dispatching)
        if (!condition_wait(client, &client->callbacks_changed, deadline_ns))
            return false;
    while (list_is_empty(&client->callbacks))
        if (client->closing || !condition_wait(client, &client->callbacks_changed, deadline_ns))
            return false;
    return true;
}

int callbacks_run(lk_client *client, int64_t deadline_ns)
{
    int count = 0, status = client_enter_closed(client);

    if (status != LK_OK)
        return status;
    if (callbacks_are_mine(client) || !callbacks_await(client, deadline_ns)) {
        status = callbacks_are_mine(client) ? LK_E_WOULD_DEADLOCK : 0;
        client_leave(client);
        return status;
    }
    client->dispatching = true;
    client->dispatcher = pthread_self();
    /* Only what waits now: a callback that asks for more must not keep the caller's loop from its
     * other work. But if it has closed the client, there may be no other call to run what that
     * ended. */
    int waiting = 0;
    list_for_each (node, &client->callbacks)
        waiting++;
    while ((count < waiting || client->closing) && !list_is_empty(&client->callbacks)) {
        int ran = callbacks_run_some(client, waiting - count);
        if (ran < 0)
            return LK_E_FORKED;
        count += ran;
    }
    client->dispatching = false;
    pthread_cond_broadcast(&client->callbacks_changed);
    client_leave(client);
    return count;
}
