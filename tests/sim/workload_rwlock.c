/* workload_rwlock.c - readers and writers in one line, and writers that become readers. */
#include "workload_line.h"

#include "line/holder.h"

enum { ROOM = 1000 };

static uint32_t rw_weigh(const char *name)
{
    return numbers_is_reader(name) ? 1 : ROOM;
}

static int rw_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                   void *arg)
{
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_rwlock_new((lk_rwlock **)out, client, path, &options);
}

static void rw_free(void *handle)
{
    lk_rwlock_free(handle);
}

static int rw_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                  lk_done_fn *done, void *arg, lk_op *out_op)
{
    if (dice % 100 < 60)
        return only_if_free ? lk_rwlock_try_read_start(handle, deadline_ns, done, arg, out_op)
                            : lk_rwlock_read_start(handle, deadline_ns, done, arg, out_op);
    return only_if_free ? lk_rwlock_try_write_start(handle, deadline_ns, done, arg, out_op)
                        : lk_rwlock_write_start(handle, deadline_ns, done, arg, out_op);
}

static bool rw_is_turning(void *handle)
{
    return ((struct holder *)handle)->place.is_turning;
}

static int rw_turn(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op)
{
    return lk_rwlock_downgrade_start(handle, deadline_ns, done, arg, out_op);
}

static int rw_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op)
{
    return lk_rwlock_release_start(handle, deadline_ns, done, arg, out_op);
}

static int64_t rw_remaining_ns(void *handle)
{
    return lk_rwlock_remaining_ns(handle);
}

static int rw_fence(void *handle, lk_fence *out)
{
    return lk_rwlock_fence(handle, out);
}

static int rw_node_name(void *handle, char *name, size_t size)
{
    return lk_rwlock_node(handle, name, size);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary rwlock = {
        .make = rw_make,
        .free = rw_free,
        .ask = rw_ask,
        .is_turning = rw_is_turning,
        .turn = rw_turn,
        .give = rw_give,
        .remaining_ns = rw_remaining_ns,
        .fence = rw_fence,
        .node_name = rw_node_name,
        .can_try = true,
        .has_ways = true,
    };
    line_workload_begin(sim, &rwlock);
}

const struct workload workload_rwlock = {
    .name = "rwlock",
    .sharing = &(const struct sharing){ .room = ROOM, .weigh = rw_weigh },
    .bears_scarcity = true,
    .begin = begin,
    .settle = line_workload_settle,
    .is_settled = line_workload_is_settled,
    .free_handles = line_workload_free_handles,
    .witness = line_workload_witness,
    .check = line_workload_check,
    .check_end = line_workload_check_end,
};
