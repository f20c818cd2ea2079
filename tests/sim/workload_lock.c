/* workload_lock.c - clients that lock, try, hold, release, cancel and free. */
#include "workload_line.h"

static int lock_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                     void *arg)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_lock_new((lk_lock **)out, client, path, &options);
}

static void lock_free(void *handle)
{
    lk_lock_free(handle);
}

static int lock_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                    lk_done_fn *done, void *arg, lk_op *out_op)
{
    (void)dice;
    return only_if_free ? lk_lock_try_start(handle, deadline_ns, done, arg, out_op)
                        : lk_lock_acquire_start(handle, deadline_ns, done, arg, out_op);
}

static int lock_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op)
{
    return lk_lock_release_start(handle, deadline_ns, done, arg, out_op);
}

static int64_t lock_remaining_ns(void *handle)
{
    return lk_lock_remaining_ns(handle);
}

static int lock_fence(void *handle, lk_fence *out)
{
    return lk_lock_fence(handle, out);
}

static int lock_node_name(void *handle, char *name, size_t size)
{
    return lk_lock_node(handle, name, size);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary lock = {
        .make = lock_make,
        .free = lock_free,
        .ask = lock_ask,
        .give = lock_give,
        .remaining_ns = lock_remaining_ns,
        .fence = lock_fence,
        .node_name = lock_node_name,
        .can_try = true,
    };
    line_workload_begin(sim, &lock);
}

const struct workload workload_lock = {
    .name = "lock",
    .bears_scarcity = true,
    .begin = begin,
    .settle = line_workload_settle,
    .is_settled = line_workload_is_settled,
    .free_handles = line_workload_free_handles,
    .witness = line_workload_witness,
    .check = line_workload_check,
    .check_end = line_workload_check_end,
};
