/* program.c - see program.h. */
#include "program.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "session/engine.h"

/* Who has no deadline and has waited this long waits for what never comes. */
#define PATIENCE_NS (3600 * SECOND)

static _Thread_local struct sim *used;
static _Thread_local struct program *current;

int __real_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __real_pthread_cond_signal(pthread_cond_t *condition);
int __real_pthread_cond_broadcast(pthread_cond_t *condition);
int __real_sem_wait(sem_t *sem);
int __real_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until);
int __real_sem_post(sem_t *sem);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __wrap_pthread_cond_broadcast(pthread_cond_t *condition);
int __wrap_sem_wait(sem_t *sem);
int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until);
int __wrap_sem_post(sem_t *sem);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

struct sim *sim_use(struct sim *sim)
{
    struct sim *before = used;

    used = sim;
    memory_use(sim ? &sim->memory : NULL);
    return before;
}

struct sim *sim_used(void)
{
    return used;
}

struct program *program_current(void)
{
    return current;
}

/* ---- the baton ---- */

static void resume(struct program *program)
{
    __real_sem_post(&program->go);
    while (__real_sem_wait(&program->back) != 0)
        ;
    if (program->client)
        sim_client_touch(program->client);
}

static void give_way(struct program *program)
{
    __real_sem_post(&program->back);
    while (__real_sem_wait(&program->go) != 0)
        ;
}

static void returned(void *arg)
{
    struct program *program = arg;

    program->done = true;
    __real_sem_post(&program->back);
}

/* It may end by pthread_exit() too. */
static void *thread_main(void *arg)
{
    struct program *program = arg;

    current = program;
    sim_use(program->sim);
    while (__real_sem_wait(&program->go) != 0)
        ;
    pthread_cleanup_push(returned, program);
    program->run(program);
    pthread_cleanup_pop(1);
    return NULL;
}

/* A stopped process runs nothing; but once its client is closed nobody waits for it any more. */
static bool is_put_off(struct program *program)
{
    struct sim_client *client = program->client;

    return client && client->lk && !client->lk->closing
           && sim_client_puts_off(client, &program->wake);
}

static void woken(struct event *event)
{
    struct program *program = container_of(event, struct program, wake);

    if (!is_put_off(program))
        resume(program);
}

static void wake_in(struct program *program, int64_t length_ns)
{
    struct world *world = &program->sim->world;
    event_at(world, &program->wake, world->now_ns + length_ns, woken);
}

bool program_start(struct program *program, struct sim_client *client,
                   void (*run)(struct program *program))
{
    *program = (struct program){ .sim = used, .client = client };
    sem_init(&program->go, 0, 0);
    sem_init(&program->back, 0, 0);
    program->run = run;
    if (pthread_create(&program->thread, NULL, thread_main, program) != 0) {
        program->run = NULL;
        return false;
    }
    resume(program);
    return true;
}

void program_sleep(struct program *program, int64_t length_ns)
{
    wake_in(program, length_ns);
    give_way(program);
}

bool program_nudge(struct program *program)
{
    event_stop(&program->sim->world, &program->wake);
    if (!program->done)
        resume(program);
    return program->done;
}

void program_join(struct program *program)
{
    if (!program->run)
        return;
    event_stop(&program->sim->world, &program->wake);
    while (!program->done)
        resume(program);
    pthread_join(program->thread, NULL);
    sem_destroy(&program->go);
    sem_destroy(&program->back);
    program->run = NULL;
}

/* ---- conditions ---- */

/* How long some call may still take by its own word; 0: not at all. */
static int64_t longest_left_ns(const struct sim *sim)
{
    int64_t longest_ns = 0;

    list_for_each (node, &sim->clients) {
        const struct sim_client *client = container_of(node, struct sim_client, node);
        if (!client->lk)
            continue;
        list_for_each (op_node, &client->lk->ops) {
            const struct timer *deadline = &container_of(op_node, struct op, node)->deadline;
            int64_t left_ns = deadline->at_ns - sim_client_now(client);
            if (deadline->link && left_ns > longest_ns)
                longest_ns = left_ns;
        }
    }
    return longest_ns;
}

static void lose_patience(struct sim *sim)
{
    world_fail(&sim->world, "a call waited an hour for what never came");
    sim_clients_close(sim);
}

static void step_until_signalled(const struct waiter *waiter, int64_t until_ns)
{
    struct sim *sim = used;
    int64_t impatient_ns = sim->world.now_ns + PATIENCE_NS;

    sim_clients_tend(sim);
    while (!waiter->signalled && sim->world.now_ns < until_ns) {
        sim_step(sim, until_ns);
        if (until_ns < INT64_MAX || sim->world.now_ns < impatient_ns)
            continue;
        int64_t left_ns = longest_left_ns(sim);
        if (!left_ns)
            lose_patience(sim);
        impatient_ns = sim->world.now_ns + left_ns + PATIENCE_NS;
    }
}

/* until_ns: of the world's clock; INT64_MAX: never. mutex: NULL for a semaphore. */
static int block(const void *condition, pthread_mutex_t *mutex, int64_t until_ns)
{
    struct waiter waiter = { .condition = condition, .program = current };

    list_append(&used->waiters, &waiter.node);
    if (mutex)
        pthread_mutex_unlock(mutex);
    if (!current) {
        step_until_signalled(&waiter, until_ns);
    } else {
        if (until_ns != INT64_MAX)
            wake_in(current, until_ns - used->world.now_ns);
        give_way(current);
    }
    if (mutex)
        pthread_mutex_lock(mutex);
    list_remove(&waiter.node);
    return waiter.signalled ? 0 : ETIMEDOUT;
}

int __wrap_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    if (!used)
        return __real_pthread_cond_wait(condition, mutex);
    block(condition, mutex, INT64_MAX);
    return 0; /* for no reason, as may be, when a program's client was closed */
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    if (!used)
        return __real_pthread_cond_timedwait(condition, mutex, until);
    return block(condition, mutex, until->tv_sec * SECOND + until->tv_nsec);
}

static bool wake_all(const void *condition)
{
    bool found = false;

    list_for_each (node, &used->waiters) {
        struct waiter *waiter = container_of(node, struct waiter, node);
        if (waiter->condition != condition)
            continue;
        found = true;
        if (waiter->signalled)
            continue;
        waiter->signalled = true;
        if (waiter->program)
            wake_in(waiter->program, chance_between(&used->world.chance, 1 * US, 100 * US));
    }
    return found;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *condition)
{
    return used && wake_all(condition) ? 0 : __real_pthread_cond_broadcast(condition);
}

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    return used && wake_all(condition) ? 0 : __real_pthread_cond_signal(condition);
}

/* ---- semaphores ---- */

static int take_until(sem_t *sem, int64_t until_ns)
{
    while (sem_trywait(sem) != 0) {
        if (used->world.now_ns >= until_ns) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (block(sem, NULL, until_ns) != 0 && used->world.now_ns < until_ns) {
            errno = EINTR; /* for no reason, as above */
            return -1;
        }
    }
    return 0;
}

int __wrap_sem_wait(sem_t *sem)
{
    return used ? take_until(sem, INT64_MAX) : __real_sem_wait(sem);
}

int __wrap_sem_clockwait(sem_t *sem, clockid_t clock, const struct timespec *until)
{
    if (!used)
        return __real_sem_clockwait(sem, clock, until);
    return take_until(sem, until->tv_sec * SECOND + until->tv_nsec);
}

int __wrap_sem_post(sem_t *sem)
{
    int status = __real_sem_post(sem);

    if (used)
        wake_all(sem);
    return status;
}

/* ---- the clock ---- */

/* All of them stand where the world's stands, so that nothing depends on how fast this machine is.
 * A client that drifts has its own clock besides: client.c. */
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (!used)
        return __real_clock_gettime(clock, out);
    int64_t now_ns = used->world.now_ns + (clock == CLOCK_REALTIME ? WALL_BEGIN_MS * MS : 0);
    *out = (struct timespec){ .tv_sec = now_ns / SECOND, .tv_nsec = now_ns % SECOND };
    return 0;
}
