/* chain.c - judging a chain: operations on several accounts that happen together or not at all.
 *
 * It is judged on copies: each operation as though those before it had happened. If one is refused,
 * all copies are thrown away, and a witness proves what the refusal rests on: all its accounts as
 * they were, and the shelves that its claims would have taken from. */
#include <stdlib.h>
#include <string.h>

#include "ledger/round.h"

struct chain_seat {
    struct seat *seat;
    struct account account;
};

struct chain_view {
    struct chain *chain;
    struct chain_seat seats[LK_CHAIN_MAX];
    size_t seat_count, size, newcomers;
    struct shard shards[LK_SHARDS_MAX]; /* as they were before it */
    bool known[LK_SHARDS_MAX], touched[LK_SHARDS_MAX];
};

static struct chain_seat *view_seat(struct chain_view *view, const struct seat *seat)
{
    for (size_t i = 0; i < view->seat_count; i++) {
        if (view->seats[i].seat == seat)
            return &view->seats[i];
    }
    return NULL;
}

static void view_close(struct chain_view *view)
{
    for (size_t i = 0; i < view->seat_count; i++)
        account_free(&view->seats[i].account);
    for (size_t i = 0; i < LK_SHARDS_MAX; i++)
        shard_free(&view->shards[i]);
}

static void view_open(struct chain_view *view, struct chain *chain)
{
    *view = (struct chain_view){ .chain = chain };
    for (size_t i = 0; i < chain->count; i++) {
        struct seat *seat = chain->jobs[i].seat;
        if (view_seat(view, seat))
            continue;
        view->seats[view->seat_count++].seat = seat;
        view->size += seat_size_bound(seat);
        view->newcomers += seat_is_newcomer(seat);
    }
}

/* False: it is over. */
static bool view_decode(struct round *round, struct chain_view *view)
{
    for (size_t i = 0; i < view->seat_count; i++) {
        int status = seat_open(view->seats[i].seat, &view->seats[i].account);
        if (status == LK_OK)
            continue;
        seat_fail_unread(round, view->seats[i].seat, status);
        return false;
    }
    return true;
}

bool chain_found_stock_touched(const struct chain_view *view)
{
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        if (view->touched[i])
            return true;
    }
    return false;
}

static bool view_keep_stock(struct chain_view *view, const struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        view->known[i] = commit->known[i];
        view->touched[i] = commit->touched[i];
        if (commit->known[i] && shard_copy(&view->shards[i], &commit->shards[i]) != LK_OK)
            return false;
    }
    return true;
}

static void view_restore_stock(struct chain_view *view, struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        shard_free(&commit->shards[i]);
        commit->shards[i] = view->shards[i];
        commit->known[i] = view->known[i];
        commit->touched[i] = view->touched[i];
        view->shards[i] = (struct shard){ 0 };
    }
}

/* A refusal behind claims of the same chain rests on the stock that they would have taken: the
 * witness checks that too. False: what is in the commit beside it has taken from there. */
static bool chain_rests_on_stock(struct round *round, const struct chain_view *view)
{
    struct commit *writes = round->writes, *witness = round->witness;
    bool rests = false;

    for (size_t i = 0; i < writes->stock.count; i++)
        rests = rests || (writes->touched[i] && !view->touched[i]);
    if (!rests && !commit_touches_stock(writes))
        return true;
    if (chain_found_stock_touched(view))
        return false;
    witness->stock.count = writes->stock.count;
    memcpy(witness->touched, writes->touched, sizeof(witness->touched));
    round->need = NEED_WAITING;
    return true;
}

enum chain_verdict { CHAIN_WAITS, CHAIN_APPLIED, CHAIN_REPEATED, CHAIN_REFUSED };

/* What each comes to when all before it in the chain have happened. */
static enum chain_verdict chain_apply(struct round *round, struct chain_view *view)
{
    const struct chain *chain = view->chain;
    size_t repeated = 0;

    for (size_t i = 0; i < chain->count; i++) {
        struct job *job = &chain->jobs[i];
        enum verdict verdict;
        if (!job_apply(round, &view_seat(view, job->seat)->account, job, &verdict))
            return CHAIN_WAITS;
        repeated += verdict == VERDICT_REPEATED;
        if (verdict == VERDICT_APPLIED && job->body.verb == LK_LEDGER_CLAIM)
            round->taken += job->result->count;
        if (verdict != VERDICT_REFUSED)
            continue;
        /* What is not known of one is not known of any. */
        int status = job->result->status == LK_E_UNKNOWN ? LK_E_UNKNOWN : LK_E_LINKED;
        for (size_t j = 0; j < chain->count; j++) {
            if (j != i)
                job_refuse(&chain->jobs[j], status);
        }
        return CHAIN_REFUSED;
    }
    if (repeated == chain->count)
        return CHAIN_REPEATED;
    if (repeated == 0)
        return CHAIN_APPLIED;
    for (size_t i = 0; i < chain->count; i++)
        job_refuse(&chain->jobs[i], LK_E_LINKED);
    return CHAIN_REFUSED;
}

/* All seats into the commit for writes, or all into the witness. */
static int chain_add(struct round *round, struct chain_view *view, bool writes)
{
    struct record_out records[LK_CHAIN_MAX] = { 0 };
    int status = LK_OK;

    for (size_t i = 0; i < view->seat_count && writes && status == LK_OK; i++)
        status = account_encode(&view->seats[i].account, &records[i]);
    for (size_t i = 0; i < view->seat_count; i++) {
        if (status != LK_OK)
            record_free(&records[i]);
        else
            commit_add(writes ? round->writes : round->witness, view->seats[i].seat,
                       writes ? &records[i] : NULL);
    }
    return status;
}

static void chain_fail(struct round *round, struct chain *chain, int status)
{
    struct seat *seat = chain->jobs[0].seat;

    round->has_done = true;
    job_fail(&chain->jobs[0], status);
    seat_place(seat);
}

static void chain_judge(struct round *round, struct chain_view *view)
{
    struct chain *chain = view->chain;

    if (!view_decode(round, view))
        return;
    if (!view_keep_stock(view, round->writes)) {
        chain_fail(round, chain, LK_E_NOMEM);
        return;
    }
    round->chain = view;
    round->taken = 0;
    enum chain_verdict verdict = chain_apply(round, view);
    round->chain = NULL;
    round->taken = 0;
    if (verdict == CHAIN_REFUSED && !chain_rests_on_stock(round, view)) {
        round->need = NEED_WAITING;
        verdict = CHAIN_WAITS;
    }
    if (verdict != CHAIN_APPLIED)
        view_restore_stock(view, round->writes);
    if (verdict == CHAIN_WAITS)
        return;
    round->has_done = true;
    list_remove(&chain->node);
    for (size_t i = 0; i < chain->count; i++)
        job_judged(&chain->jobs[i], verdict == CHAIN_APPLIED ? VERDICT_APPLIED : VERDICT_REFUSED);
    int status = chain_add(round, view, verdict == CHAIN_APPLIED);
    if (status == LK_OK)
        return;
    round->spoilt = true;
    chain_fail(round, chain, status);
}

static bool chain_has_claim(const struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (chain->jobs[i].body.verb == LK_LEDGER_CLAIM)
            return true;
    }
    return false;
}

struct chain *next_chain(const struct lk_ledger *ledger, bool of_claims)
{
    list_for_each (node, &ledger->chains) {
        struct chain *chain = container_of(node, struct chain, node);
        if (chain_has_claim(chain) == of_claims)
            return chain;
    }
    return NULL;
}

void round_judge_chains(struct round *round)
{
    struct chain *chain;

    while ((chain = next_chain(round->ledger, round->is_of_claims)) != NULL) {
        struct chain_view view;
        if (!chain_is_ready(chain)) {
            list_remove(&chain->node);
            continue;
        }
        view_open(&view, chain);
        round->is_full = !round_has_room(round, view.seat_count, view.size, view.newcomers);
        if (!round->is_full)
            chain_judge(round, &view);
        view_close(&view);
        if (round->is_full || round->need != NEED_NOTHING || round->spoilt)
            return;
    }
}
