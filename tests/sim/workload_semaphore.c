/* workload_semaphore.c - permits, one to all of them at once, in one fair line. Some have a time of
 * their own, which their holders prolong, or let run out. */
#include "workload_line.h"

#include "line/holder.h"

enum { PERMITS = 3 };

DEFINE_WORDS(semaphore, release)

static int semaphore_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                          void *arg)
{
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_semaphore_new((lk_semaphore **)out, client, path, PERMITS, &options);
}

/* From less than a session's time to more than that. */
static uint32_t ttl_of(uint64_t dice)
{
    uint64_t most_ms = dice % 100 < 70 ? 1000 : 20000;

    return dice % 100 < 40 ? 0 : (uint32_t)(LK_PERMITS_TTL_MIN_MS + dice / 100 % most_ms);
}

static int semaphore_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    uint32_t count = dice % 100 < 70 ? 1 : 1 + (uint32_t)(dice / 100 % PERMITS);

    ((struct holder *)handle)->ttl_ms = ttl_of(dice / 1000);
    return only_if_free ? lk_semaphore_try_start(handle, count, deadline_ns, done, arg, out_op)
                        : lk_semaphore_acquire_start(handle, count, deadline_ns, done, arg, out_op);
}

/* About as before, longer, and much shorter. */
static int semaphore_prolong(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg,
                             lk_op *out_op)
{
    const struct place *place = &((struct holder *)handle)->place;
    uint32_t ttl_ms = LK_PERMITS_TTL_MIN_MS
                      + place->wish.ttl_ms * (uint32_t)(place->term.version % 3);

    return lk_semaphore_prolong_start(handle, ttl_ms, deadline_ns, done, arg, out_op);
}

/* Of which the time that permits have must not depend. */
static void set_clocks_apart(struct sim *sim)
{
    struct chance *chance = &sim->world.chance;

    if (chance_percent(chance, 50))
        for (int i = 0; i < sim->ensemble.size; i++)
            sim->ensemble.servers[i].clock_ms = chance_between(chance, -5000, 5000);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary semaphore = {
        .make = semaphore_make,
        .ask = semaphore_ask,
        ITS_WORDS(semaphore),
        .turn = semaphore_prolong,
        .can_try = true,
        .has_ways = true,
        .needs_the_data = true,
    };
    set_clocks_apart(sim);
    line_workload_begin(sim, &semaphore);
}

const struct workload workload_semaphore = {
    .name = "semaphore",
    .sharing = &(const struct sharing){ .room = PERMITS, .weigh = numbers_weight },
    .bears_scarcity = true,
    .begin = begin,
    LINE_WORKLOAD_ACTS,
    .witness = line_workload_witness,
};
