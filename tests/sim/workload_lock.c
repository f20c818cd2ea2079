/* workload_lock.c - clients that lock, try, hold, release, cancel and free. */
#include "workload_line.h"

DEFINE_WORDS(lock, release)

static int lock_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                     void *arg)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_lock_new((lk_lock **)out, client, path, &options);
}

static int lock_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                    lk_done_fn *done, void *arg, lk_op *out_op)
{
    (void)dice;
    return only_if_free ? lk_lock_try_start(handle, deadline_ns, done, arg, out_op)
                        : lk_lock_acquire_start(handle, deadline_ns, done, arg, out_op);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary lock = {
        .make = lock_make,
        .ask = lock_ask,
        ITS_WORDS(lock),
        .can_try = true,
    };
    line_workload_begin(sim, &lock);
}

const struct workload workload_lock = {
    .name = "lock",
    .bears_scarcity = true,
    .begin = begin,
    LINE_WORKLOAD_ACTS,
    .witness = line_workload_witness,
};
