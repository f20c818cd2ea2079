/* workload_semaphore.c - permits, one to all of them at once, in one fair line. */
#include "workload_line.h"

#include "line/numbers.h"

enum { PERMITS = 3 };

static int permits_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                        void *arg)
{
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_semaphore_new((lk_semaphore **)out, client, path, PERMITS, &options);
}

static void permits_free(void *handle)
{
    lk_semaphore_free(handle);
}

static int permits_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                       lk_done_fn *done, void *arg, lk_op *out_op)
{
    uint32_t count = dice % 100 < 70 ? 1 : 1 + (uint32_t)(dice / 100 % PERMITS);
    return only_if_free ? lk_semaphore_try_start(handle, count, deadline_ns, done, arg, out_op)
                        : lk_semaphore_acquire_start(handle, count, deadline_ns, done, arg, out_op);
}

static int permits_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg,
                        lk_op *out_op)
{
    return lk_semaphore_release_start(handle, deadline_ns, done, arg, out_op);
}

static int64_t permits_remaining_ns(void *handle)
{
    return lk_semaphore_remaining_ns(handle);
}

static int permits_fence(void *handle, lk_fence *out)
{
    return lk_semaphore_fence(handle, out);
}

static int permits_node_name(void *handle, char *name, size_t size)
{
    return lk_semaphore_node(handle, name, size);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary semaphore = {
        .make = permits_make,
        .free = permits_free,
        .ask = permits_ask,
        .give = permits_give,
        .remaining_ns = permits_remaining_ns,
        .fence = permits_fence,
        .node_name = permits_node_name,
        .can_try = true,
        .has_ways = true,
        .needs_the_data = true,
        .never_begins_anew = true,
    };
    line_workload_begin(sim, &semaphore);
}

const struct workload workload_semaphore = {
    .name = "semaphore",
    .sharing = &(const struct sharing){ .room = PERMITS, .weigh = numbers_weight },
    .bears_scarcity = true,
    .begin = begin,
    .settle = line_workload_settle,
    .is_settled = line_workload_is_settled,
    .free_handles = line_workload_free_handles,
    .witness = line_workload_witness,
    .check = line_workload_check,
    .check_end = line_workload_check_end,
};
