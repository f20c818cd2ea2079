/* workload_election.c - candidates that stand and resign. */
#include "workload_line.h"

DEFINE_WORDS(candidate, resign)

static int candidate_make(void **out, lk_client *client, const char *path, lk_grant_fn *on_change,
                          void *arg)
{
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_candidate_new((lk_candidate **)out, client, path, &options);
}

static int candidate_ask(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    (void)only_if_free;
    (void)dice;
    return lk_candidate_stand_start(handle, deadline_ns, done, arg, out_op);
}

static void begin(struct sim *sim)
{
    static const struct vocabulary candidate = {
        .make = candidate_make,
        .ask = candidate_ask,
        ITS_WORDS(candidate),
    };
    line_workload_begin(sim, &candidate);
}

const struct workload workload_election = {
    .name = "election",
    .bears_scarcity = true,
    .begin = begin,
    LINE_WORKLOAD_ACTS,
    .witness = line_workload_witness,
};
