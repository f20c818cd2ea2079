/* workload_election.c - candidates that stand and resign. */
#include "workload_line.h"

static int candidate_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                          void *arg)
{
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_candidate_new((lk_candidate **)out, client, path, &options);
}

static void candidate_free(void *handle)
{
    lk_candidate_free(handle);
}

static int candidate_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    (void)only_if_free;
    (void)dice;
    return lk_candidate_stand_start(handle, deadline_ns, done, arg, out_op);
}

static int candidate_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg,
                          lk_op *out_op)
{
    return lk_candidate_resign_start(handle, deadline_ns, done, arg, out_op);
}

static int64_t candidate_remaining_ns(void *handle)
{
    return lk_candidate_remaining_ns(handle);
}

static int candidate_fence(void *handle, lk_fence *out)
{
    return lk_candidate_fence(handle, out);
}

static int candidate_node_name(void *handle, char *name, size_t size)
{
    return lk_candidate_node(handle, name, size);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary candidate = {
        .make = candidate_make,
        .free = candidate_free,
        .ask = candidate_ask,
        .give = candidate_give,
        .remaining_ns = candidate_remaining_ns,
        .fence = candidate_fence,
        .node_name = candidate_node_name,
    };
    line_workload_begin(sim, &candidate);
}

const struct workload workload_election = {
    .name = "election",
    .bears_scarcity = true,
    .begin = begin,
    .settle = line_workload_settle,
    .is_settled = line_workload_is_settled,
    .free_handles = line_workload_free_handles,
    .witness = line_workload_witness,
    .check = line_workload_check,
    .check_end = line_workload_check_end,
};
