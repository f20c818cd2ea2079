/* own-loop.c - a program that has its own loop, and no thread to spare for waiting.
 *
 *     own-loop [SERVERS]
 *
 * lk_fd() is readable while callbacks wait; it never changes, so it is put into poll() once.
 * lk_dispatch() runs them, here, on this thread. Nothing else depends on being dispatched: leases
 * and heartbeats go on by themselves, so a slow loop is late to hear, but loses nothing. */
#include <latchkey/latchkey.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { STEPS = 5 };

struct program {
    lk_lock *lock;
    int steps;
    int status;
    bool ended;
};

static void ended(int status, void *arg)
{
    struct program *program = arg;

    program->status = status;
    program->ended = true;
}

static void acquired(int status, void *arg)
{
    if (status == LK_OK)
        printf("the lock is ours\n");
    else
        ended(status, arg);
}

/* The program's own work, ten times a second. */
static void tick(struct program *program)
{
    if (lk_lock_remaining_ns(program->lock) == 0)
        return; /* not ours yet, or no more */
    printf("step %d of %d\n", ++program->steps, STEPS);
    if (program->steps < STEPS)
        return;
    int status = lk_lock_release_start(program->lock, lk_in_ms(5000), ended, program, NULL);
    if (status != LK_OK)
        ended(status, program); /* a request that did not start calls nobody back */
}

static void loop(struct program *program, lk_client *client, int timer)
{
    struct pollfd events[] = { { .fd = lk_fd(client), .events = POLLIN },
                               { .fd = timer, .events = POLLIN } };
    uint64_t ticks;

    while (!program->ended && poll(events, 2, -1) >= 0) {
        if (events[0].revents && lk_dispatch(client, 0) < 0)
            return;
        if (events[1].revents && read(timer, &ticks, sizeof ticks) == sizeof ticks)
            tick(program);
    }
}

int main(int argc, char **argv)
{
    const char *servers = argc > 1 ? argv[1] : getenv("LATCHKEY_SERVERS");
    const struct itimerspec every = { .it_interval.tv_nsec = 100000000,
                                      .it_value.tv_nsec = 100000000 };
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;
    struct program program = { .status = LK_E_SYSTEM };

    if (servers)
        options.servers = servers;
    int status = timer >= 0 && timerfd_settime(timer, 0, &every, NULL) == 0 ? LK_OK : LK_E_SYSTEM;
    if (status == LK_OK)
        status = lk_client_new(&client, &options);
    if (status == LK_OK)
        status = lk_lock_new(&program.lock, client, "/jobs/loop", NULL);
    if (status == LK_OK)
        status = lk_lock_acquire_start(program.lock, lk_in_ms(30000), acquired, &program, NULL);
    if (status == LK_OK) {
        loop(&program, client, timer);
        status = program.status;
    }
    if (status != LK_OK)
        fprintf(stderr, "own-loop: %s\n", lk_status_text(status));
    lk_lock_free(program.lock);
    lk_client_close(client, lk_in_ms(2000));
    lk_client_free(client);
    return status == LK_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
