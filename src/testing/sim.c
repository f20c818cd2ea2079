/* sim.c - one seed, from the choice of its world to the last check. */
#include "sim.h"

#include <inttypes.h>

#include "program.h"

/* A world that steps more often than any honest one is going in circles. */
#define STEPS_MAX 2000000

void sim_step(struct sim *sim, int64_t until_ns)
{
    struct world *world = &sim->world;
    const struct server *servers = sim->ensemble.servers;
    size_t applied = 0;

    if (world_next_ns(world) > until_ns) {
        world->now_ns = until_ns;
        return;
    }
    sim->touched = NULL;
    if (!world_step(world)) {
        world_fail(world, "nothing can ever happen again");
        return;
    }
    for (int i = 0; i < sim->ensemble.size; i++)
        applied += servers[i].applied;
    bool is_news = sim->touched || applied != sim->applied;
    sim->applied = applied;
    if (is_news) {
        invariants_check(sim);
        if (sim->workload->check)
            sim->workload->check(sim);
    }
    if (sim->is_users)
        sim_clients_tend(sim);
    else if (world->steps > STEPS_MAX)
        world_fail(world, "the world goes in circles");
}

/* Steps until `done`, or fails. */
static bool await(struct sim *sim, bool (*done)(struct sim *sim), int64_t within_ns,
                  const char *what)
{
    int64_t until_ns = sim->world.now_ns + within_ns;

    while (!sim->world.failure[0] && !done(sim)) {
        if (sim->world.now_ns > until_ns)
            world_fail(&sim->world, "%s within %" PRId64 " s of healed servers", what,
                       within_ns / SECOND);
        else
            sim_step(sim, INT64_MAX);
    }
    return !sim->world.failure[0];
}

static bool is_clean(struct sim *sim)
{
    list_for_each (node, &sim->clients) {
        if (invariants_engine_left(container_of(node, struct sim_client, node)))
            return false;
    }
    return invariants_left_over(sim) == 0;
}

static bool are_closed(struct sim *sim)
{
    list_for_each (node, &sim->clients) {
        if (!links_are_closed(container_of(node, struct sim_client, node)))
            return false;
    }
    return true;
}

static bool are_sessions_over(struct sim *sim)
{
    return list_is_empty(&ensemble_truth(&sim->ensemble)->sessions);
}

static void choose_world(struct sim *sim, enum profile profile)
{
    struct chance *chance = &sim->world.chance;
    int64_t tick_ns = chance_between(chance, 1, 5) * 100 * MS;

    ensemble_begin(&sim->ensemble, &sim->world, chance_percent(chance, 40) ? 1 : 3, tick_ns,
                   (int)chance_between(chance, 2, 10));
    sim->ensemble.late_percent = chance_percent(chance, 50) ? 20 : 0;
    sim->ensemble.reap_ns = chance_percent(chance, 50) ? chance_between(chance, 100, 5000) * MS
                                                       : 60 * SECOND;
    sim->profile = (enum profile)chance_between(chance, 0, PROFILE_COUNT - 1);
    if (profile != PROFILE_COUNT)
        sim->profile = profile;
    if (sim->profile == PROFILE_FLIGHT) /* lines are tidied away soon: the next one has old names */
        sim->ensemble.reap_ns = chance_between(chance, 10, 300) * MS;
    world_tell(&sim->world, "%d server(s), tick %" PRId64 " ms, syncLimit %d, faults of kind %d",
               sim->ensemble.size, tick_ns / MS, sim->ensemble.sync_limit, (int)sim->profile);
}

static void tell_left_over(struct sim *sim)
{
    const struct tree *truth = ensemble_truth(&sim->ensemble);
    list_for_each (node, &sim->clients) {
        const struct sim_client *client = container_of(node, struct sim_client, node);
        if (invariants_engine_left(client))
            world_tell(&sim->world, "left in %s: %s", client->name, invariants_engine_left(client));
    }
    for (size_t i = 0; i < TREE_BUCKETS; i++)
        for (const struct znode *znode = truth->buckets[i]; znode; znode = znode->bucket_next)
            if (znode->stat.ephemeral_owner)
                world_tell(&sim->world, "left: %s of session %" PRId64, znode->path,
                           znode->stat.ephemeral_owner);
}

static void live(struct sim *sim)
{
    struct world *world = &sim->world;
    int64_t patience_ns;

    sim->workload->begin(sim);
    faults_begin(sim, world->now_ns + chance_between(&world->chance, 3, 12) * SECOND);
    while (sim->faulty && !world->failure[0])
        sim_step(sim, INT64_MAX);
    world_tell(world, "---- healed");
    sim->workload->settle(sim);
    patience_ns = 20 * sim->longest_ns + 20 * SECOND;
    if (!await(sim, sim->workload->is_settled, patience_ns, "not everybody was granted or told"))
        return;
    world_tell(world, "---- handles are freed");
    sim->workload->free_handles(sim);
    if (!await(sim, is_clean, patience_ns,
               "not all of ours was gone, in the engines and on the servers,")) {
        tell_left_over(sim);
        return;
    }
    if (sim->workload->check_end)
        sim->workload->check_end(sim);
}

static void end(struct sim *sim)
{
    bool failed = sim->world.failure[0];

    world_tell(&sim->world, "---- clients are closed");
    if (failed) /* memory alone is still of interest */
        sim->workload->free_handles(sim);
    list_for_each (node, &sim->clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        if (failed && !client->is_dead)
            sim_client_kill(client);
        sim_client_free(client);
    }
    if (failed)
        return;
    await(sim, are_closed, 10 * SECOND, "clients were not closed");
    await(sim, are_sessions_over, 20 * sim->longest_ns + 20 * SECOND, "sessions did not end");
    if (sim->memory.live)
        world_fail(&sim->world, "%" PRId64 " allocations were not given back", sim->memory.live);
}

bool sim_run_under(struct sim *sim, enum profile profile, const struct workload *workload,
                   uint64_t seed, bool traces)
{
    *sim = (struct sim){ .workload = workload, .world = { .traces = traces } };
    world_begin(&sim->world, seed);
    struct sim *before = sim_use(sim);
    choose_world(sim, profile);
    invariants_begin(sim);
    live(sim);
    end(sim);
    sim_use(before);
    return !sim->world.failure[0];
}

bool sim_run(struct sim *sim, const struct workload *workload, uint64_t seed, bool traces)
{
    return sim_run_under(sim, PROFILE_COUNT, workload, seed, traces);
}
