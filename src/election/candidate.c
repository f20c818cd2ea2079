/* candidate.c - a candidate: a holder with a card. */
#include <latchkey/election.h>

#include <string.h>

#include "line/holder.h"

/* lk_candidate is never defined: what stands behind the name is a holder, and nothing more. */
static struct holder *candidate_holder(lk_candidate *candidate)
{
    return (struct holder *)candidate;
}

int lk_candidate_new(lk_candidate **out, lk_client *client, const char *path,
                     const lk_candidate_options *options)
{
    const lk_candidate_options defaults = LK_CANDIDATE_OPTIONS_INIT;
    struct holder *holder;

    if (!out || !client || !path)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || (!options->card && options->card_size))
        return LK_E_INVALID;
    if (options->card_size > LK_CARD_MAX)
        return LK_E_TOO_LARGE;
    const void *card = options->card ? options->card : client_label(client);
    const struct holder_options holder_options = {
        .client = client,
        .path = path,
        .kind = LINE_ELECTION,
        .words = card,
        .words_size = options->card ? options->card_size : strlen(card),
        .on_change = options->on_change,
        .on_change_arg = options->on_change_arg,
    };
    int status = holder_new(&holder, &holder_options);
    if (status == LK_OK)
        *out = (lk_candidate *)holder;
    return status;
}

lk_candidate *lk_candidate_free(lk_candidate *candidate)
{
    holder_free(candidate_holder(candidate));
    return NULL;
}

int lk_candidate_stand(lk_candidate *candidate, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(candidate_holder(candidate), (struct place_wish){ 0 }, deadline_ns,
                          out_fence);
}

int lk_candidate_stand_start(lk_candidate *candidate, int64_t deadline_ns, lk_done_fn *done,
                             void *arg, lk_op *out_op)
{
    return holder_acquire_start(candidate_holder(candidate), (struct place_wish){ 0 }, deadline_ns,
                                done, arg, out_op);
}

int lk_candidate_resign(lk_candidate *candidate, int64_t deadline_ns)
{
    return holder_release(candidate_holder(candidate), true, deadline_ns);
}

int lk_candidate_resign_start(lk_candidate *candidate, int64_t deadline_ns, lk_done_fn *done,
                              void *arg, lk_op *out_op)
{
    return holder_release_start(candidate_holder(candidate), true, deadline_ns, done, arg, out_op);
}

int lk_candidate_proclaim(lk_candidate *candidate, const void *card, size_t card_size,
                          int64_t deadline_ns)
{
    if (card_size > LK_CARD_MAX)
        return LK_E_TOO_LARGE;
    return holder_proclaim(candidate_holder(candidate), card, card_size, deadline_ns);
}

lk_grant_state lk_candidate_state(lk_candidate *candidate)
{
    return holder_state(candidate_holder(candidate));
}

int64_t lk_candidate_remaining_ns(lk_candidate *candidate)
{
    return holder_remaining_ns(candidate_holder(candidate));
}

int lk_candidate_fence(lk_candidate *candidate, lk_fence *out)
{
    return holder_fence(candidate_holder(candidate), out);
}

int lk_candidate_node(lk_candidate *candidate, char *name, size_t size)
{
    return holder_node(candidate_holder(candidate), name, size);
}

int lk_candidate_wait_lost(lk_candidate *candidate, int64_t deadline_ns)
{
    return holder_wait_lost(candidate_holder(candidate), deadline_ns);
}

lk_grant *lk_candidate_grant(lk_candidate *candidate)
{
    return (lk_grant *)candidate_holder(candidate);
}
