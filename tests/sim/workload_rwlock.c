/* workload_rwlock.c - readers and writers in one line, and writers that become readers. */
#include "workload_line.h"

#include "line/holder.h"

enum { ROOM = 1000 };

static uint32_t rwlock_weigh(const char *name)
{
    return numbers_is_reader(name) ? 1 : ROOM;
}

DEFINE_WORDS(rwlock, release)

static int rwlock_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                       void *arg)
{
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_rwlock_new((lk_rwlock **)out, client, path, &options);
}

static int rwlock_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                      lk_done_fn *done, void *arg, lk_op *out_op)
{
    if (dice % 100 < 60)
        return only_if_free ? lk_rwlock_try_read_start(handle, deadline_ns, done, arg, out_op)
                            : lk_rwlock_read_start(handle, deadline_ns, done, arg, out_op);
    return only_if_free ? lk_rwlock_try_write_start(handle, deadline_ns, done, arg, out_op)
                        : lk_rwlock_write_start(handle, deadline_ns, done, arg, out_op);
}

static bool rwlock_is_turning(void *handle)
{
    return ((struct holder *)handle)->place.is_turning;
}

static int rwlock_turn(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg,
                       lk_op *out_op)
{
    return lk_rwlock_downgrade_start(handle, deadline_ns, done, arg, out_op);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary rwlock = {
        .make = rwlock_make,
        .ask = rwlock_ask,
        ITS_WORDS(rwlock),
        .is_turning = rwlock_is_turning,
        .turn = rwlock_turn,
        .can_try = true,
        .has_ways = true,
    };
    line_workload_begin(sim, &rwlock);
}

const struct workload workload_rwlock = {
    .name = "rwlock",
    .sharing = &(const struct sharing){ .room = ROOM, .weigh = rwlock_weigh },
    .bears_scarcity = true,
    .begin = begin,
    LINE_WORKLOAD_ACTS,
    .witness = line_workload_witness,
};
