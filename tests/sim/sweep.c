/* sweep.c - the harness: see sweep.h. */
#include "sweep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More rounds than any call has requests, allocations or steps. */
enum { ROUNDS_MAX = 5000 };

#define T_MS 1200
#define MEANWHILE_NS (300 * MS)

const char *const fault_names[FAULT_COUNT] = {
    [FAULT_NONE] = "no fault",
    [FAULT_REPLY_LOST] = "a reply lost",
    [FAULT_CUT] = "the connection cut",
    [FAULT_EXPIRY] = "the session expired",
    [FAULT_PAUSE] = "a pause",
    [FAULT_PAUSE_LEASE] = "a pause longer than the lease",
    [FAULT_PAUSE_SESSION] = "a pause longer than the session",
    [FAULT_MEMORY] = "an allocation refused",
    [FAULT_MEMORY_GONE] = "no memory for a while",
};

static const struct workload sweep = { .name = "sweep" };

int64_t scene_t_ns(const struct scene *scene)
{
    (void)scene;
    return T_MS * MS;
}

void scene_wrong(struct scene *scene, const char *what, int status)
{
    world_fail(&scene->sim.world, "%s (%s)", what, lk_status_name(status));
}

static bool has_failed(const struct scene *scene)
{
    return scene->sim.world.failure[0] != '\0';
}

void scene_await(struct scene *scene, bool (*is_so)(struct scene *scene))
{
    while (!has_failed(scene) && !is_so(scene))
        program_sleep(scene->program, 1 * MS);
}

void scene_done(int status, void *arg)
{
    struct scene *scene = arg;

    scene->ended++;
    scene->status = status;
}

static bool has_ended(struct scene *scene)
{
    return scene->ended >= scene->asked;
}

int scene_end_of(struct scene *scene, int status)
{
    if (status != LK_OK)
        return status;
    scene->asked++;
    scene_await(scene, has_ended);
    return scene->status;
}

size_t scene_places(const struct scene *scene, const struct sim_client *client)
{
    const struct tree *truth = ensemble_truth(&scene->sim.ensemble);
    int64_t session = link_session_of(client);
    size_t count = 0;

    for (size_t i = 0; session && i < TREE_BUCKETS; i++)
        for (const struct znode *znode = truth->buckets[i]; znode; znode = znode->bucket_next)
            count += znode->stat.ephemeral_owner == session;
    return count;
}

/* ---- a scene from begin to end ---- */

static void log_line(lk_log_level level, const char *line, void *arg)
{
    const struct sim_client *client = arg;
    (void)level;
    world_tell(&client->sim->world, "%s: %s", client->name, line);
}

struct sim_client *scene_client(struct scene *scene, int *out_status)
{
    struct sim_client *client = sim_client_begin(&scene->sim);
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    options.session_timeout_ms = T_MS;
    options.log = scene->sim.world.traces ? log_line : NULL;
    options.log_arg = client;
    options.log_level = LK_LOG_DEBUG;
    scene->sim.longest_ns = T_MS * MS;
    list_append(&scene->sim.clients, &client->node);
    *out_status = client_new_in(&client->keeper_world, &client->lk, &options);
    sim_client_touch(client);
    return client;
}

static void pass(struct scene *scene, int64_t length_ns)
{
    int64_t until_ns = scene->sim.world.now_ns + length_ns;

    while (!has_failed(scene) && scene->sim.world.now_ns < until_ns)
        sim_step(&scene->sim, until_ns);
}

static void begin(struct scene *scene, int servers, bool traces)
{
    int status[2];

    *scene = (struct scene){ .sim = { .workload = &sweep, .world = { .traces = traces } } };
    world_begin(&scene->sim.world, 1);
    sim_use(&scene->sim);
    ensemble_begin(&scene->sim.ensemble, &scene->sim.world, servers, T_MS / 12 * MS, 5);
    invariants_begin(&scene->sim);
    scene->client = scene->subject = scene_client(scene, &status[0]);
    scene->other = scene_client(scene, &status[1]);
    pass(scene, scene_t_ns(scene));
}

static bool is_clean(struct scene *scene)
{
    return !invariants_engine_left(scene->client) && !invariants_engine_left(scene->other)
           && invariants_left_over(&scene->sim) == 0;
}

static bool is_over(struct scene *scene)
{
    list_for_each (node, &scene->sim.clients) {
        if (!links_are_closed(container_of(node, struct sim_client, node)))
            return false;
    }
    return list_is_empty(&ensemble_truth(&scene->sim.ensemble)->sessions);
}

static void await(struct scene *scene, bool (*is_so)(struct scene *), const char *what)
{
    int64_t until_ns = scene->sim.world.now_ns + 30 * scene_t_ns(scene);

    while (!has_failed(scene) && !is_so(scene)) {
        if (scene->sim.world.now_ns >= until_ns)
            world_fail(&scene->sim.world, "%s", what);
        else
            sim_step(&scene->sim, until_ns);
    }
}

static void end(struct scene *scene)
{
    struct sim *sim = &scene->sim;

    world_tell(&sim->world, "---- handles are freed, then clients");
    lk_lock_free(scene->lock);
    lk_lock_free(scene->others_lock);
    lk_candidate_free(scene->candidate);
    lk_candidate_free(scene->others_candidate);
    lk_observer_free(scene->observer);
    lk_line_watch_free(scene->line_watch);
    lk_guard_free(scene->guard);
    lk_rwlock_free(scene->rwlock);
    lk_rwlock_free(scene->others_rwlock);
    lk_semaphore_free(scene->semaphore);
    lk_semaphore_free(scene->others_semaphore);
    lk_semaphore_free(scene->others_second_semaphore);
    lk_mutex_free(scene->mutex);
    lk_multilock_free(scene->multilock);
    lk_campaign_watch_free(scene->campaign_watch);
    lk_ledger_free(scene->ledger);
    lk_ledger_free(scene->others_ledger);
    sim_client_touch(scene->client);
    sim_client_touch(scene->other);
    if (scene->client->lk)
        await(scene, is_clean, "something of ours was left, in the engines or on the servers");
    list_for_each (node, &sim->clients)
        sim_client_free(container_of(node, struct sim_client, node));
    await(scene, is_over, "sessions did not end");
    if (!has_failed(scene) && scene->ended != scene->asked)
        world_fail(&sim->world, "%d requests ended %d times", scene->asked, scene->ended);
    if (!has_failed(scene) && sim->memory.live)
        world_fail(&sim->world, "%" PRId64 " allocations were not given back", sim->memory.live);
    sim_use(NULL);
}

/* ---- one act ---- */

struct act {
    struct program program;
    struct scene *scene;
    act_fn *run;
    int status;
};

static void act_main(struct program *program)
{
    struct act *act = container_of(program, struct act, program);
    act->status = act->run(act->scene);
}

static void memory_is_back(struct event *event)
{
    struct scene *scene = container_of(event, struct scene, memory_back);
    scene->sim.memory.fails_percent = 0;
}

static bool is_of_memory(enum fault fault)
{
    return fault == FAULT_MEMORY || fault == FAULT_MEMORY_GONE;
}

static void strike(struct scene *scene)
{
    struct sim_client *subject = scene->subject;
    int64_t t_ns = scene_t_ns(scene), session = link_session_of(subject);

    world_tell(&scene->sim.world, "---- %s", fault_names[scene->fault]);
    scene->struck = true;
    switch (scene->fault) {
    case FAULT_CUT:
        links_cut(subject);
        break;
    case FAULT_EXPIRY:
        if (session)
            ensemble_expire(&scene->sim.ensemble, session);
        break;
    case FAULT_PAUSE:
        sim_client_pause(subject, t_ns / 4);
        break;
    case FAULT_PAUSE_LEASE:
        sim_client_pause(subject, t_ns * 3 / 4);
        break;
    case FAULT_PAUSE_SESSION:
        sim_client_pause(subject, t_ns * 2);
        break;
    case FAULT_MEMORY_GONE:
        scene->sim.memory.fails_percent = 100;
        event_at(&scene->sim.world, &scene->memory_back, scene->sim.world.now_ns + t_ns / 6,
                 memory_is_back);
        break;
    default:
        break;
    }
}

/* Where the round's fault is to strike. */
struct aim {
    uint64_t at, requests, steps, refused;
    bool by_steps;
};

static struct aim aim_at(struct scene *scene, const struct row *row, uint64_t at)
{
    struct memory *memory = &scene->sim.memory;
    struct aim aim = { .at = at,
                       .requests = scene->subject->requests,
                       .steps = scene->sim.world.steps,
                       .refused = memory->refused,
                       .by_steps = row->flags & BY_STEPS };

    if (is_of_memory(scene->fault))
        memory->fails_at = memory->asked + at;
    if (scene->fault == FAULT_REPLY_LOST)
        scene->subject->lose_reply_in = (int64_t)at;
    return aim;
}

static bool is_due(const struct scene *scene, const struct aim *aim)
{
    if (is_of_memory(scene->fault))
        return scene->sim.memory.refused > aim->refused;
    if (aim->by_steps)
        return scene->sim.world.steps - aim->steps >= aim->at;
    return scene->subject->requests - aim->requests >= aim->at;
}

static void heal(struct scene *scene)
{
    event_stop(&scene->sim.world, &scene->memory_back);
    scene->sim.memory.fails_at = 0;
    scene->sim.memory.fails_percent = 0;
    scene->subject->lose_reply_in = 0;
}

/* A call that never returns is a failure, and its program has still to be ended. */
static void give_up(struct scene *scene)
{
    list_for_each (node, &scene->sim.clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        if (client->lk)
            (void)lk_client_close(client->lk, 0);
    }
}

static int act(struct scene *scene, struct sim_client *client, act_fn *run, const struct aim *aim)
{
    struct act act = { .scene = scene, .run = run };
    struct sim *sim = &scene->sim;
    int64_t until_ns = sim->world.now_ns + 60 * scene_t_ns(scene);

    if (has_failed(scene) || !run)
        return LK_OK;
    scene->program = &act.program;
    if (!program_start(&act.program, client, act_main))
        world_fail(&sim->world, "no thread could be had");
    for (;;) {
        if (aim && scene->fault != FAULT_NONE && !scene->struck && is_due(scene, aim))
            strike(scene);
        if (act.program.done || has_failed(scene))
            break;
        if (sim->world.now_ns > until_ns)
            world_fail(&sim->world, "it did not return");
        else
            sim_step(sim, INT64_MAX);
    }
    if (!act.program.done)
        give_up(scene);
    program_join(&act.program);
    sim_client_touch(scene->client);
    sim_client_touch(scene->other);
    return act.status;
}

/* ---- one round ---- */

static bool may_answer(const struct scene *scene, const struct row *row, int status)
{
    switch (status) {
    case LK_E_NOMEM:
        return is_of_memory(scene->fault) && scene->struck;
    case LK_E_LOST:
        return (row->flags & MAY_LOSE) && scene->struck
               && (scene->fault == FAULT_EXPIRY || scene->fault == FAULT_PAUSE_LEASE
                   || scene->fault == FAULT_PAUSE_SESSION);
    case LK_E_UNKNOWN:
        return (row->flags & MAY_BE_UNKNOWN) && scene->struck;
    default:
        return status == row->expected;
    }
}

struct meanwhile {
    struct event event;
    struct scene *scene;
    const struct row *row;
};

static void meanwhile(struct event *event)
{
    struct meanwhile *meanwhile = container_of(event, struct meanwhile, event);

    meanwhile->row->meanwhile(meanwhile->scene);
    sim_client_touch(meanwhile->scene->other);
}

static void play(struct scene *scene, const struct row *row, uint64_t at)
{
    struct meanwhile later = { .scene = scene, .row = row };
    struct world *world = &scene->sim.world;

    act(scene, scene->other, row->before, NULL);
    act(scene, scene->client, row->prepare, NULL);
    if (row->meanwhile)
        event_at(world, &later.event, world->now_ns + MEANWHILE_NS, meanwhile);
    world_tell(world, "---- %s", row->call);
    const struct aim aim = aim_at(scene, row, at);
    int status = act(scene, scene->client, row->run, &aim);
    heal(scene);
    world_tell(world, "---- answered %s", lk_status_name(status));
    if (!has_failed(scene) && !may_answer(scene, row, status))
        scene_wrong(scene, "the answer is not one that the header gives", status);
    if (!has_failed(scene)) /* until every news has come */
        pass(scene, 3 * scene_t_ns(scene));
    int again = LK_OK;
    if (row->again)
        again = act(scene, scene->client, row->again, NULL);
    else if (status != row->expected)
        again = act(scene, scene->client, row->run, NULL);
    if (!has_failed(scene) && again != LK_OK && again != row->expected)
        scene_wrong(scene, "the same call again, with all healed, is refused", again);
    pass(scene, scene_t_ns(scene));
    act(scene, scene->client, row->verdict, NULL);
    event_stop(world, &later.event);
}

/* False: failed, with the words. */
static bool round_passes(const struct row *row, int servers, enum fault fault, uint64_t at,
                         bool *out_struck, char *words, size_t size)
{
    struct scene *scene = malloc(sizeof(*scene));
    bool traces = false, passed;

    if (!scene)
        abort();
    do {
        begin(scene, servers, traces);
        scene->fault = fault;
        play(scene, row, at);
        end(scene);
        *out_struck = scene->struck;
        passed = !has_failed(scene);
        if (traces)
            fwrite(scene->sim.world.trace, 1, scene->sim.world.trace_size, stderr);
        snprintf(words, size, "%s (%s): %s at %" PRIu64 " of %d server(s): %s", row->call,
                 row->setting, fault_names[fault], at, servers, scene->sim.world.failure);
        world_end(&scene->sim.world);
        traces = !traces;
    } while (!passed && traces); /* once more, for its story */
    free(scene);
    return passed;
}

static bool is_swept(const struct row *row, enum fault fault)
{
    if (is_of_memory(fault))
        return !(row->flags & MAKES_NOTHING);
    if (row->flags & ASKS_NOTHING)
        return false;
    return fault != FAULT_REPLY_LOST || !(row->flags & BY_STEPS);
}

const char *sweep_row(const struct row *row, int servers)
{
    static char words[1024];
    bool struck = false;

    if (!round_passes(row, servers, FAULT_NONE, 0, &struck, words, sizeof(words)))
        return words;
    for (enum fault fault = FAULT_REPLY_LOST; fault < FAULT_COUNT; fault++) {
        uint64_t at = 0;
        if (!is_swept(row, fault))
            continue;
        do {
            if (!round_passes(row, servers, fault, ++at, &struck, words, sizeof(words)))
                return words;
        } while (struck && at < ROUNDS_MAX);
        printf("    %s: %" PRIu64 " times\n", fault_names[fault], at - 1);
        if (at > 1 && at < ROUNDS_MAX)
            continue;
        snprintf(words, sizeof(words), "%s (%s): %s never struck, or always", row->call,
                 row->setting, fault_names[fault]);
        return words;
    }
    return NULL;
}
