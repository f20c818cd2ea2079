/* program.c - see program.h. */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* One thread of a world runs at a time, so these need no lock. */
static struct list waiting;
static _Thread_local struct program *current;

int __real_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __real_pthread_cond_signal(pthread_cond_t *condition);
int __real_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);

/* ---- the baton ---- */

static void resume(struct program *program)
{
    sem_post(&program->go);
    while (sem_wait(&program->back) != 0)
        ;
}

static void give_way(struct program *program)
{
    sem_post(&program->back);
    while (sem_wait(&program->go) != 0)
        ;
}

static void *thread_main(void *arg)
{
    struct program *program = arg;

    current = program;
    memory_use(program->memory);
    while (sem_wait(&program->go) != 0)
        ;
    program->run(program);
    program->done = true;
    sem_post(&program->back);
    return NULL;
}

static void woken(struct event *event)
{
    struct program *program = container_of(event, struct program, wake);

    if (sim_client_puts_off(program->client, event))
        return;
    resume(program);
    sim_client_touch(program->client);
}

static void wake_in(struct program *program, int64_t length_ns)
{
    struct world *world = &program->client->sim->world;
    event_at(world, &program->wake, world->now_ns + length_ns, woken);
}

void program_start(struct program *program, struct sim_client *client,
                   void (*run)(struct program *program))
{
    *program = (struct program){ .client = client, .run = run, .memory = memory_used() };
    sem_init(&program->go, 0, 0);
    sem_init(&program->back, 0, 0);
    if (pthread_create(&program->thread, NULL, thread_main, program) != 0)
        abort();
    resume(program);
    sim_client_touch(client);
}

void program_sleep(struct program *program, int64_t length_ns)
{
    wake_in(program, length_ns);
    give_way(program);
}

void program_join(struct program *program)
{
    if (!program->run)
        return;
    event_stop(&program->client->sim->world, &program->wake);
    while (!program->done)
        resume(program);
    pthread_join(program->thread, NULL);
    sem_destroy(&program->go);
    sem_destroy(&program->back);
    program->run = NULL;
}

/* ---- conditions ---- */

static void block(struct program *program, pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    program->condition = condition;
    program->signalled = false;
    list_append(&waiting, &program->waiting);
    pthread_mutex_unlock(mutex);
    give_way(program);
    pthread_mutex_lock(mutex);
    list_remove(&program->waiting);
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (!current)
        return __real_pthread_cond_wait(condition, mutex);
    block(current, condition, mutex);
    return 0;
}

/* The real clock has run on by some microseconds since the caller read it: whole milliseconds
 * replay. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    struct timespec now;

    if (!current)
        return __real_pthread_cond_timedwait(condition, mutex, until);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left_ns = (until->tv_sec - now.tv_sec) * SECOND + until->tv_nsec - now.tv_nsec;
    wake_in(current, (left_ns + MS / 2) / MS * MS);
    block(current, condition, mutex);
    return current->signalled ? 0 : ETIMEDOUT;
}

static bool wake_all(const pthread_cond_t *condition)
{
    bool found = false;

    list_for_each (node, &waiting) {
        struct program *program = container_of(node, struct program, waiting);
        if (program->condition != condition)
            continue;
        found = true;
        if (program->signalled)
            continue;
        program->signalled = true;
        wake_in(program, chance_between(&program->client->sim->world.chance, 1 * US, 100 * US));
    }
    return found;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
    return wake_all(condition) ? 0 : __real_pthread_cond_broadcast(condition);
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    return wake_all(condition) ? 0 : __real_pthread_cond_signal(condition);
}
