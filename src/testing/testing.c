/* testing.c - <latchkey/testing.h>: worlds for users' own tests, their time and their programs; see
 * testing_faults.c for what befalls them.
 *
 * Users call latchkey as ever: nothing tells the world that they made a client, set a timer by a
 * call, or freed a handle. So lk_client_new() finds the world by its thread (keeper_real_world() is
 * wrapped), the world adopts each client and looks after all of them before time moves (client.c);
 * and since it holds a reference to each, a client that has one reference left was freed, with all
 * its handles. */
#include "users.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session/engine.h"

static const struct workload users = { .name = "testing" };

struct lk_testing_program {
    struct program program;
    struct list node;
    lk_testing *world;
    void (*run)(void *arg);
    void *arg;
};

int users_world(const lk_testing *world)
{
    if (!world)
        return LK_E_INVALID;
    if (sim_used() != &world->sim)
        return LK_E_STATE;
    return world->pid == getpid() ? LK_OK : LK_E_FORKED;
}

int users_client(const lk_client *lk, struct sim_client **out)
{
    if (!lk || lk->world->open != link_open)
        return LK_E_INVALID;
    struct sim_client *client = container_of(lk->world, struct sim_client, keeper_world);
    if (client->sim != sim_used())
        return LK_E_STATE;
    if (!birth_was_here(&lk->birth))
        return LK_E_FORKED;
    *out = client;
    return LK_OK;
}

/* ---- clients ---- */

struct keeper_world *__real_keeper_real_world(void);
struct keeper_world *__wrap_keeper_real_world(void);
void __real_session_open(lk_client *client);
void __wrap_session_open(lk_client *client);

struct keeper_world *__wrap_keeper_real_world(void)
{
    struct sim *sim = sim_used();
    return sim ? &sim_client_begin(sim)->keeper_world : __real_keeper_real_world();
}

/* The last thing that lk_client_new() does. */
void __wrap_session_open(lk_client *client)
{
    struct sim_client *place;

    if (users_client(client, &place) == LK_OK && !place->lk) {
        struct program *program = program_current();
        sim_client_adopt(place, client);
        if (program && !program->client)
            program->client = place;
    }
    __real_session_open(client);
}

/* ---- the world ---- */

static bool are_possible(const lk_testing_options *options)
{
    return options->size == sizeof(*options) && (options->servers == 1 || options->servers == 3)
           && options->tick_ms >= 10 && options->tick_ms <= 60000 && options->sync_limit >= 1
           && options->sync_limit <= 100;
}

int lk_testing_new(lk_testing **out, const lk_testing_options *options)
{
    const lk_testing_options defaults = LK_TESTING_OPTIONS_INIT;

    if (!options)
        options = &defaults;
    if (!out || !are_possible(options))
        return LK_E_INVALID;
    if (sim_used())
        return LK_E_STATE;
    lk_testing *world = real_malloc(sizeof(*world));
    if (!world)
        return LK_E_NOMEM;
    *world = (lk_testing){ .sim = { .workload = &users,
                                    .is_users = true,
                                    .world = { .traces = options->trace },
                                    .longest_ns = 2 * options->tick_ms * MS },
                           .pid = getpid() };
    struct sim *sim = &world->sim;
    world_begin(&sim->world, options->seed);
    sim->memory.chance.state = chance_next(&sim->world.chance);
    ensemble_begin(&sim->ensemble, &sim->world, options->servers, options->tick_ms * MS,
                   options->sync_limit);
    sim_use(sim);
    *out = world;
    return LK_OK;
}

const char *lk_testing_violation(const lk_testing *world)
{
    return world ? world->sim.world.failure : "";
}

/* ---- time ---- */

/* The moment in so many milliseconds; it may be the end of time. */
static int64_t moment(const lk_testing *world, int64_t ms)
{
    int64_t now_ns = world->sim.world.now_ns;

    if (ms <= 0)
        return now_ns;
    return ms >= (INT64_MAX - now_ns) / MS ? INT64_MAX - 1 : now_ns + ms * MS;
}

/* Who may step: the world's own thread. */
static int users_stepper(const lk_testing *world)
{
    int status = users_world(world);
    return status == LK_OK && program_current() ? LK_E_WOULD_DEADLOCK : status;
}

static void step_until(lk_testing *world, int64_t until_ns)
{
    while (world->sim.world.now_ns < until_ns)
        sim_step(&world->sim, until_ns);
}

int lk_testing_step(lk_testing *world)
{
    int status = users_stepper(world);
    if (status != LK_OK)
        return status;
    sim_clients_tend(&world->sim);
    sim_step(&world->sim, INT64_MAX);
    return LK_OK;
}

int lk_testing_run_ms(lk_testing *world, int64_t ms)
{
    int status = users_world(world);
    if (status != LK_OK)
        return status;
    int64_t until_ns = moment(world, ms);
    if (program_current()) {
        if (!world->is_ending)
            program_sleep(program_current(), until_ns - world->sim.world.now_ns);
        return world->is_ending ? LK_E_CLOSED : LK_OK;
    }
    sim_clients_tend(&world->sim);
    step_until(world, until_ns);
    return LK_OK;
}

int lk_testing_run_until(lk_testing *world, bool (*is_true)(void *arg), void *arg,
                         int64_t within_ms)
{
    int status = users_stepper(world);
    if (status != LK_OK || !is_true)
        return status != LK_OK ? status : LK_E_INVALID;
    int64_t until_ns = moment(world, within_ms);
    sim_clients_tend(&world->sim);
    while (!is_true(arg)) {
        status = users_world(world);
        if (status != LK_OK)
            return status; /* it has freed the world */
        if (world->sim.world.now_ns >= until_ns)
            return LK_E_DEADLINE;
        sim_step(&world->sim, until_ns);
    }
    return LK_OK;
}

/* ---- programs ---- */

static void run(struct program *program)
{
    const lk_testing_program *own = container_of(program, lk_testing_program, program);
    own->run(own->arg);
}

int lk_testing_start(lk_testing *world, lk_client *client, void (*run_it)(void *arg), void *arg,
                     lk_testing_program **out)
{
    struct sim_client *place = NULL;
    int status = users_stepper(world);

    if (status == LK_OK && client)
        status = users_client(client, &place);
    if (status != LK_OK || !run_it)
        return status != LK_OK ? status : LK_E_INVALID;
    lk_testing_program *program = arena_take(&world->sim.world.arena, sizeof(*program));
    program->world = world;
    program->run = run_it;
    program->arg = arg;
    if (out)
        *out = program; /* before it runs: its story may be looked at in it */
    sim_clients_tend(&world->sim);
    if (!program_start(&program->program, place, run))
        return LK_E_SYSTEM;
    list_append(&world->programs, &program->node);
    return LK_OK;
}

bool lk_testing_has_returned(const lk_testing_program *program)
{
    return program && program->program.done;
}

static bool has_returned(void *arg)
{
    return lk_testing_has_returned(arg);
}

int lk_testing_join(lk_testing_program *program, int64_t within_ms)
{
    if (!program)
        return LK_E_INVALID;
    return lk_testing_run_until(program->world, has_returned, program, within_ms);
}

/* ---- the end ---- */

static void end_programs(lk_testing *world)
{
    world->is_ending = true;
    list_for_each (node, &world->programs) {
        lk_testing_program *program = container_of(node, lk_testing_program, node);
        if (!program->program.done) {
            world_fail(&world->sim.world, "a program has not returned");
            sim_clients_close(&world->sim);
        }
        program_join(&program->program);
    }
}

static void await_closed(lk_testing *world)
{
    struct sim *sim = &world->sim;
    int64_t awake_ns = faults_last_pause_ns(sim);
    int64_t until_ns = (awake_ns > sim->world.now_ns ? awake_ns : sim->world.now_ns) + 10 * SECOND;

    sim_clients_tend(sim);
    while (!list_is_empty(&sim->clients) && sim->world.now_ns < until_ns)
        sim_step(sim, until_ns);
    if (!list_is_empty(&sim->clients))
        world_fail(&sim->world, "%s was not freed, or one of its handles was not",
                   container_of(sim->clients.next, struct sim_client, node)->name);
}

static void await_sessions_over(lk_testing *world)
{
    struct sim *sim = &world->sim;
    int64_t until_ns = sim->world.now_ns + 20 * sim->longest_ns + 20 * SECOND;

    while (lk_testing_sessions(world) && sim->world.now_ns < until_ns)
        sim_step(sim, until_ns);
    if (lk_testing_sessions(world))
        world_fail(&sim->world, "a session did not end on the servers");
}

static void destroy(lk_testing *world)
{
    world_end(&world->sim.world);
    real_free(world);
}

/* Their calls come to nothing from now on, but the handles may still be freed. */
static void leave_to_handles(lk_testing *world)
{
    struct sim *sim = &world->sim;

    sim_clients_close(sim);
    step_until(world, sim->world.now_ns + SECOND); /* nothing of theirs is under way any more */
    sim->is_left = true;
}

static void say_why(const lk_testing *world, char *why, size_t size)
{
    if (why && size)
        snprintf(why, size, "%s", lk_testing_violation(world));
}

static void check_memory(struct sim *sim)
{
    int64_t live = sim->memory.live;

    if (live > 0)
        world_fail(&sim->world, "%" PRId64 " allocations were not given back", live);
    if (live < 0)
        world_fail(&sim->world, "%" PRId64 " allocations were given back that were not made in it",
                   -live);
}

static int free_what_was_left(lk_testing *world)
{
    sim_clients_tend(&world->sim);
    if (list_is_empty(&world->sim.clients))
        destroy(world);
    return LK_E_STATE;
}

int lk_testing_free(lk_testing *world, char *why, size_t size)
{
    say_why(NULL, why, size);
    if (!world)
        return LK_OK;
    if (world->sim.is_left) {
        say_why(world, why, size);
        return free_what_was_left(world);
    }
    int status = users_stepper(world);
    if (status == LK_E_FORKED)
        sim_use(NULL);
    if (status != LK_OK)
        return status;
    struct sim *sim = &world->sim;
    lk_testing_heal(world);
    end_programs(world);
    await_closed(world);
    bool is_free = list_is_empty(&sim->clients);
    if (is_free)
        await_sessions_over(world);
    if (is_free)
        check_memory(sim);
    bool failed = sim->world.failure[0];
    say_why(world, why, size);
    if (!is_free)
        leave_to_handles(world);
    sim_use(NULL);
    if (is_free)
        destroy(world);
    return failed ? LK_E_STATE : LK_OK;
}
