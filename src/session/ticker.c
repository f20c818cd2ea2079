/* ticker.c - the threads of a client: one that lets time pass, and one that runs callbacks if that
 * is asked for.
 *
 * The ticker sleeps on a timerfd of CLOCK_BOOTTIME: after a suspend of the machine it wakes at
 * once, with the leases long over. It does nothing else, so that nothing can make it late: names
 * are looked up and sessions closed, which may take seconds, on the keeper's own thread. */
#include "session/engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/timerfd.h>
#include <unistd.h>

void ticker_arm(lk_client *client)
{
    int64_t next_ns = client->timers ? client->timers->at_ns : INT64_MAX;

    /* Later than what is armed: it wakes for nothing once, which is cheaper than to arm at each
     * request. */
    if (client->ticker_fd < 0 || next_ns >= client->armed_ns)
        return;
    client->armed_ns = next_ns;
    if (next_ns < 1)
        next_ns = 1;
    struct itimerspec at = { .it_value = { .tv_sec = next_ns / 1000000000,
                                           .tv_nsec = next_ns % 1000000000 } };
    timerfd_settime(client->ticker_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void *ticker_main(void *arg)
{
    lk_client *client = arg;
    struct pollfd ready = { .fd = client->ticker_fd, .events = POLLIN };
    bool closing = false;

    while (!closing) {
        uint64_t count;
        if (poll(&ready, 1, -1) > 0)
            (void)!read(client->ticker_fd, &count, sizeof count);
        client_tick(client);
        client_enter_closed(client);
        closing = client->closing;
        client_leave(client);
    }
    client_unref(client);
    return NULL;
}

static void *caller_main(void *arg)
{
    lk_client *client = arg;
    bool done = false;

    while (!done) {
        if (callbacks_run(client, LK_FOREVER) == LK_E_FORKED)
            return NULL;
        client_enter_closed(client);
        done = client->closing && list_is_empty(&client->callbacks);
        client_leave(client);
    }
    client_unref(client);
    return NULL;
}

/* Signals are the program's: none of our threads takes one. */
static int thread_start(pthread_t *thread, void *(*run)(void *arg), lk_client *client)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    client_ref(client);
    int rc = pthread_create(thread, NULL, run, client);
    if (rc != 0)
        client_unref(client);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? LK_OK : LK_E_SYSTEM;
}

int ticker_start(lk_client *client, bool callback_thread)
{
    client->ticker_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (client->ticker_fd < 0)
        return LK_E_SYSTEM;
    int status = thread_start(&client->ticker, ticker_main, client);
    client->has_ticker = status == LK_OK;
    if (status == LK_OK && callback_thread) {
        status = thread_start(&client->caller, caller_main, client);
        client->has_caller = status == LK_OK;
    }
    return status;
}

void ticker_stop(lk_client *client)
{
    struct itimerspec now = { .it_value = { .tv_nsec = 1 } };

    if (client->has_ticker)
        timerfd_settime(client->ticker_fd, TFD_TIMER_ABSTIME, &now, NULL);
    pthread_cond_broadcast(&client->callbacks_changed);
}

static void thread_end(pthread_t thread)
{
    /* lk_client_free() in a callback: the thread that runs it can't wait for itself. */
    if (pthread_equal(thread, pthread_self()))
        pthread_detach(thread);
    else
        pthread_join(thread, NULL);
}

void ticker_join(lk_client *client)
{
    if (client->has_ticker)
        thread_end(client->ticker);
    if (client->has_caller)
        thread_end(client->caller);
    client->has_ticker = client->has_caller = false;
}
