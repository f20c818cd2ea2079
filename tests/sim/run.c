/* run.c - sweeps seeds: sim_run [--seeds N] [--from A] [--to B] [--seed S] [--trace] [--all]
 * [--workload W] [--profile anew].
 *
 * Without seeds named they begin at the time of day; with CI=true at 1. A seed that fails is run
 * once more to print its story, which must end the same way, and ends the sweep; with --all one
 * line is printed instead, and it goes on. */
#include "workloads.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct workload *const workloads[] = { &workload_lock, &workload_election,
                                                    &workload_ledger };
#define WORKLOAD_COUNT (sizeof(workloads) / sizeof(*workloads))

#define STORY_LINES 400

struct sweep {
    uint64_t from, to; /* both included */
    const struct workload *only;
    enum profile profile;
    bool traces, goes_on;
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The last `most` lines. */
static void print_story(const struct world *world, size_t most)
{
    const char *at = world->trace + world->trace_size;

    while (at > world->trace && most > 0)
        most -= *--at == '\n' && at + 1 < world->trace + world->trace_size;
    fputs(*at == '\n' ? at + 1 : at, stdout);
}

/* One seed with one workload. */
static bool run_one(const struct workload *workload, uint64_t seed, const struct sweep *sweep,
                    uint64_t counts[2])
{
    struct sim sim;
    char failure[sizeof(sim.world.failure)];

    bool passed = sim_run_under(&sim, sweep->profile, workload, seed, sweep->traces);
    counts[0] += sim.world.steps;
    counts[1] += sim.grants_made;
    if (sweep->traces)
        print_story(&sim.world, SIZE_MAX);
    if (passed || sweep->goes_on) {
        if (!passed)
            printf("%s %" PRIu64 ": %s\n", workload->name, seed, sim.world.failure);
        world_end(&sim.world);
        return passed;
    }
    memcpy(failure, sim.world.failure, sizeof(failure));
    if (!sweep->traces) {
        world_end(&sim.world);
        sim_run_under(&sim, sweep->profile, workload, seed, true);
        print_story(&sim.world, STORY_LINES);
    }
    printf("seed %" PRIu64 " fails: %s\n    again: sim_run --seed %" PRIu64
           " --workload %s%s --trace\n",
           seed, failure, seed, workload->name,
           sweep->profile == PROFILE_ANEW ? " --profile anew" : "");
    if (strcmp(failure, sim.world.failure) != 0)
        printf("    it did not fail the same way again (%s): the simulation is not deterministic\n",
               sim.world.failure);
    world_end(&sim.world);
    return false;
}

static int run(const struct sweep *sweep)
{
    double began_s = now_s();
    uint64_t runs = 0, failed = 0, counts[2] = { 0 };

    for (uint64_t seed = sweep->from; seed <= sweep->to; seed++) {
        for (size_t i = 0; i < WORKLOAD_COUNT; i++) {
            if (sweep->only && sweep->only != workloads[i])
                continue;
            runs++;
            if (run_one(workloads[i], seed, sweep, counts))
                continue;
            failed++;
            if (!sweep->goes_on)
                return 1;
        }
    }
    double took_s = now_s() - began_s;
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " worlds, %" PRIu64 " steps, %" PRIu64
           " grants, %.0f worlds a minute\n",
           sweep->from, sweep->to, runs, counts[0], counts[1], 60 * (double)runs / took_s);
    return failed > 0;
}

static const struct workload *workload_named(const char *name)
{
    for (size_t i = 0; i < WORKLOAD_COUNT; i++)
        if (strcmp(workloads[i]->name, name) == 0)
            return workloads[i];
    return NULL;
}

static int usage(void)
{
    fputs("usage: sim_run [--seeds N] [--from A] [--to B] [--seed S] [--trace] [--all] [--workload "
          "lock|election|ledger] [--profile anew]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *ci = getenv("CI");
    struct sweep sweep = { .from = ci && strcmp(ci, "true") == 0 ? 1
                                                                 : (uint64_t)time(NULL) * 100000,
                           .profile = PROFILE_COUNT };
    uint64_t seeds = 1000;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--trace") == 0 || strcmp(argv[i], "--all") == 0) {
            sweep.traces |= argv[i][2] == 't';
            sweep.goes_on |= argv[i][2] == 'a';
            continue;
        }
        if (!value)
            return usage();
        i++;
        if (strcmp(argv[i - 1], "--seeds") == 0)
            seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--from") == 0)
            sweep.from = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--to") == 0)
            sweep.to = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            sweep.from = sweep.to = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--profile") == 0 && strcmp(value, "anew") == 0)
            sweep.profile = PROFILE_ANEW;
        else if (strcmp(argv[i - 1], "--workload") != 0 || !(sweep.only = workload_named(value)))
            return usage();
    }
    if (!sweep.to)
        sweep.to = sweep.from + seeds - 1;
    return run(&sweep);
}
