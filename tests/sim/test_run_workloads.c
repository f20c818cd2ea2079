/* test_run_workloads.c - workloads that test_run.sh runs in place of the real ones: what sim_run does
 * about seeds that fail or crash, and that it runs each seed once.
 *
 * `lock` passes, `election` fails in each tenth seed, `ledger` aborts in the thirteenth. Each world
 * adds its seed to the file that $SEEN names. */
#include "workloads.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void see(const struct sim *sim)
{
    const char *path = getenv("SEEN");
    int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

    if (file < 0)
        return;
    dprintf(file, "%" PRIu64 "\n", sim->world.seed);
    close(file);
}

static void pass(struct sim *sim)
{
    see(sim);
    sim->longest_ns = SECOND;
    world_tell(&sim->world, "this is seed %" PRIu64, sim->world.seed);
}

static void fail_each_tenth(struct sim *sim)
{
    pass(sim);
    if (sim->world.seed % 10 == 0)
        world_fail(&sim->world, "%" PRIu64 " is a multiple of ten", sim->world.seed);
}

static void abort_in_the_thirteenth(struct sim *sim)
{
    pass(sim);
    if (sim->world.seed == 13)
        abort();
}

static bool is_settled(struct sim *sim)
{
    (void)sim;
    return true;
}

static void nothing(struct sim *sim)
{
    (void)sim;
}

#define WORKLOAD(word, how)                                                                        \
    {                                                                                              \
        .name = word, .begin = how, .settle = nothing, .is_settled = is_settled,                   \
        .free_handles = nothing                                                                    \
    }

const struct workload workload_lock = WORKLOAD("lock", pass);
const struct workload workload_rwlock = WORKLOAD("rwlock", pass);
const struct workload workload_semaphore = WORKLOAD("semaphore", pass);
const struct workload workload_multilock = WORKLOAD("multilock", pass);
const struct workload workload_guard = WORKLOAD("guard", pass);
const struct workload workload_courtesy = WORKLOAD("courtesy", pass);
const struct workload workload_election = WORKLOAD("election", fail_each_tenth);
const struct workload workload_ledger = WORKLOAD("ledger", abort_in_the_thirteenth);
