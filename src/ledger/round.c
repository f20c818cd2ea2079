/* round.c - from what waits at the seats to the next commit, and the witness beside it.
 *
 * What waits is judged in its order against what is known, and what comes of it goes together:
 * writes into one multi, refusals and repeated ids into another. Claims and transitions go apart,
 * since claims may meet others on their shelf. A few small commits fly at once; while they do, what
 * comes forms the next one, and only a crowd makes it leave before they are answered. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

#define GROWTH_MAX 1400 /* bytes that one operation adds to an account, at most */
#define CROWD 64        /* so many seats that wait are worth a commit of their own */
#define SMALL_COMMITS_MAX 4

enum stock_need { NEED_NOTHING, NEED_WAITING, NEED_READING, NEED_PROOF };

struct round {
    struct lk_ledger *ledger;
    struct commit *writes, *witness;
    bool is_of_claims;
    size_t shelf; /* claims: where they take from */
    enum stock_need need;
    uint32_t wanted;
    const struct chain_view *chain; /* being judged; NULL: none */
    uint32_t taken;                 /* by claims of that chain */
    bool is_full, spoilt; /* spoilt: the stock's picture includes a claim that is not in a commit */
    int failure;          /* LK_OK; why stock could not be moved */
    bool has_done;        /* something that may let more be done */
};

/* ---- the stock ---- */

/* A shelf that there is no memory to copy is one that is not known, also to the ledger: else it
 * would seem empty. */
static void round_open_shelf(struct round *round, size_t at)
{
    struct commit *commit = round->writes;
    struct shelf *shelf = &round->ledger->shelves[at];

    if (commit->known[at] || !shelf->known || shelf->busy)
        return;
    commit->known[at] = shard_copy(&commit->shards[at], &shelf->shard) == LK_OK;
    if (!commit->known[at])
        shelf_forget(shelf);
}

static void round_open_stock(struct round *round)
{
    struct commit *commit = round->writes;

    commit->stock = (struct stock){
        .shards = commit->shards,
        .known = commit->known,
        .touched = commit->touched,
        .count = round->ledger->campaign.rules.shards,
        .home = round->shelf,
    };
    round_open_shelf(round, round->shelf);
}

/* The shelf has too little: from the others, then. */
static bool round_refill(struct round *round, uint32_t count)
{
    for (size_t i = 0; i < round->writes->stock.count; i++)
        round_open_shelf(round, i);
    if (!round->writes->known[round->shelf])
        return false;
    int status = stock_refill(&round->writes->stock, count, &round->ledger->stats.moves);
    if (status == LK_OK || status == LK_E_SOLD_OUT)
        return status == LK_OK;
    round->failure = status;
    round->spoilt = true;
    return false;
}

static bool chain_found_stock_touched(const struct chain_view *view);

/* Whether others in this commit have taken from the stock as it was read. */
static bool round_has_taken(const struct round *round)
{
    return round->chain ? chain_found_stock_touched(round->chain)
                        : commit_touches_stock(round->writes);
}

/* Too little stock is known of. False: that is proven to be all there is. */
static bool stock_must_wait(struct round *round, uint32_t count)
{
    const struct lk_ledger *ledger = round->ledger;

    if (round->spoilt || round_has_taken(round) || ledger->busy_shelves > 0
        || ledger->stock_state != STOCK_IDLE) {
        round->need = NEED_WAITING;
        return true;
    }
    if (stock_is_proven(ledger))
        return false;
    round->need = stock_is_known(ledger) ? NEED_PROOF : NEED_READING;
    round->wanted = round->taken + count;
    return true;
}

/* ---- one operation ---- */

/* False: the job has to wait, and so have those behind it. */
static bool job_apply(struct round *round, struct account *account, struct job *job,
                      enum verdict *verdict)
{
    struct lk_ledger *ledger = round->ledger;
    const struct judge judge = { &ledger->campaign, ledger_now_ms(ledger), &round->writes->stock };
    uint32_t count = job->body.count ? job->body.count : 1;
    bool is_claim = job->body.verb == LK_LEDGER_CLAIM;

    if (is_claim && (!round->is_of_claims || round->need != NEED_NOTHING))
        return false;
    *verdict = account_apply(account, &judge, &job->body, job->result);
    if (*verdict == VERDICT_NEEDS_STOCK && round_refill(round, count))
        *verdict = account_apply(account, &judge, &job->body, job->result);
    if (*verdict == VERDICT_NEEDS_STOCK) {
        if (stock_must_wait(round, count))
            return false;
        job->result->status = LK_E_SOLD_OUT;
        *verdict = VERDICT_REFUSED;
    }
    /* A lost commit may have applied it, and the account have forgotten it since. */
    if (job->unsettled && job->result->status == LK_E_ID_TOO_OLD)
        job->result->status = LK_E_UNKNOWN;
    return true;
}

static void job_judged(struct job *job, enum verdict verdict)
{
    job->judged = true;
    job->writes = verdict == VERDICT_APPLIED;
}

/* ---- one seat ---- */

static int seat_open(const struct seat *seat, struct account *account)
{
    *account = (struct account){ .user = seat->user, .user_size = strlen(seat->user) };
    if (!seat->bytes)
        return LK_OK;
    int status = account_decode(account, seat->bytes, seat->size, seat->user, strlen(seat->user));
    account->zxid = seat->zxid;
    return status;
}

/* Somebody may mend it: the next one reads it again. */
static void seat_fail_unread(struct round *round, struct seat *seat, int status)
{
    seat_forget(seat);
    seat_fail(seat, status);
    round->has_done = true;
}

static size_t seat_size_bound(const struct seat *seat)
{
    size_t size = seat->size;

    list_for_each (node, &seat->jobs) {
        size += GROWTH_MAX;
        if (size > ACCOUNT_SIZE_MAX)
            return ACCOUNT_SIZE_MAX;
    }
    return size;
}

static bool seat_is_newcomer(const struct seat *seat)
{
    return seat->state == SEAT_UNKNOWN;
}

static bool commit_has_room(const struct commit *commit, size_t seats, size_t size,
                            size_t newcomers)
{
    if (commit->seat_count == 0)
        return true;
    return commit->seat_count + seats <= COMMIT_SEATS_MAX && commit->size + size <= COMMIT_SIZE_MAX
           && (newcomers == 0 || commit->newcomers + newcomers <= newcomers_max(commit->ledger));
}

static bool round_has_room(const struct round *round, size_t seats, size_t size, size_t newcomers)
{
    return commit_has_room(round->writes, seats, size, newcomers)
           && commit_has_room(round->witness, seats, 0, newcomers);
}

static void commit_add(struct commit *commit, struct seat *seat, struct record_out *record)
{
    struct commit_seat *place = &commit->seats[commit->seat_count];

    *place = (struct commit_seat){ .seat = seat, .before = seat->state };
    if (record)
        place->record = *record;
    commit->newcomers += seat_is_newcomer(seat);
    commit->size += place->record.size;
    commit->record_count = ++commit->seat_count;
    seat->state = SEAT_WRITING;
    seat_place(seat);
}

/* LK_OK: it is in a commit. */
static int round_add(struct round *round, struct seat *seat, const struct account *account)
{
    struct record_out record = { 0 };
    int status = LK_OK;

    round->has_done = true;
    if (!account->changed) {
        commit_add(round->witness, seat, NULL);
        return LK_OK;
    }
    status = account_encode(account, &record);
    if (status == LK_OK)
        commit_add(round->writes, seat, &record);
    else
        record_free(&record);
    return status;
}

static void seat_judge(struct round *round, struct seat *seat)
{
    struct account account;
    enum verdict verdict;
    int status = seat_open(seat, &account);

    if (status != LK_OK) {
        account_free(&account);
        seat_fail_unread(round, seat, status);
        return;
    }
    list_for_each (node, &seat->jobs) {
        struct job *job = container_of(node, struct job, node);
        if (job->chain || !job_apply(round, &account, job, &verdict))
            break;
        job_judged(job, verdict);
    }
    if (seat_first(seat)->judged)
        status = round_add(round, seat, &account);
    if (status != LK_OK) {
        round->spoilt = true;
        seat_fail(seat, status);
    }
    account_free(&account);
}

/* ---- one chain ---- */

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

static bool chain_found_stock_touched(const struct chain_view *view)
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
        for (size_t j = 0; j < chain->count; j++) {
            if (j != i)
                *chain->jobs[j].result = (lk_ledger_result){ .status = LK_E_LINKED };
        }
        return CHAIN_REFUSED;
    }
    if (repeated == chain->count)
        return CHAIN_REPEATED;
    if (repeated == 0)
        return CHAIN_APPLIED;
    for (size_t i = 0; i < chain->count; i++)
        *chain->jobs[i].result = (lk_ledger_result){ .status = LK_E_LINKED };
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

static void chain_fail(struct chain *chain, int status)
{
    struct seat *seat = chain->jobs[0].seat;

    job_fail(&chain->jobs[0], status);
    seat_place(seat);
}

static void chain_judge(struct round *round, struct chain_view *view)
{
    struct chain *chain = view->chain;

    if (!view_decode(round, view))
        return;
    if (!view_keep_stock(view, round->writes)) {
        chain_fail(chain, LK_E_NOMEM);
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
    chain_fail(chain, status);
}

static bool chain_has_claim(const struct chain *chain)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (chain->jobs[i].body.verb == LK_LEDGER_CLAIM)
            return true;
    }
    return false;
}

static struct chain *next_chain(const struct lk_ledger *ledger, bool of_claims)
{
    list_for_each (node, &ledger->chains) {
        struct chain *chain = container_of(node, struct chain, node);
        if (chain_has_claim(chain) == of_claims)
            return chain;
    }
    return NULL;
}

static void round_judge_chains(struct round *round)
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

/* ---- the round ---- */

static void round_judge_seats(struct round *round, const struct queue *queue)
{
    while (!list_is_empty(&queue->seats)) {
        struct seat *seat = container_of(queue->seats.next, struct seat, node);
        if (seat_needs_reading(seat)) {
            round->has_done = round->ledger->pump_again = true;
            seat_place(seat);
            continue;
        }
        round->is_full = !round_has_room(round, 1, seat_size_bound(seat), seat_is_newcomer(seat));
        if (round->is_full)
            return;
        seat_judge(round, seat);
        if (round->need != NEED_NOTHING || round->spoilt)
            return;
    }
}

static bool round_may_go(struct round *round)
{
    struct lk_ledger *ledger = round->ledger;
    bool is_of_claims = round->is_of_claims;
    size_t waiting = is_of_claims ? ledger->claiming.count : ledger->changing.count;
    size_t flying = is_of_claims ? ledger->claim_commits
                                 : ledger->commit_count - ledger->claim_commits;

    if (waiting == 0 && !next_chain(ledger, is_of_claims))
        return false;
    if (ledger->commit_count >= COMMITS_MAX
        || (waiting < CROWD && flying >= (is_of_claims ? 1 : SMALL_COMMITS_MAX)))
        return false;
    if (!is_of_claims)
        return true;
    struct shelf *shelf = shelf_choose(ledger);
    if (!shelf)
        return false;
    round->shelf = (size_t)(shelf - ledger->shelves);
    if (shelf->known)
        return true;
    stock_read(ledger);
    return false;
}

static void round_end(struct round *round)
{
    struct commit *commits[] = { round->writes, round->witness };

    for (size_t i = 0; i < 2; i++) {
        if (round->spoilt)
            commit_release(commits[i]);
        if (commits[i]->seat_count > 0)
            commit_depart(commits[i]);
        else
            commit_free(commits[i]);
    }
    if (round->failure != LK_OK)
        ledger_fail_claims(round->ledger, round->failure);
    else if (round->need == NEED_READING)
        stock_read(round->ledger);
    else if (round->need == NEED_PROOF)
        stock_prove(round->ledger, round->wanted);
}

static bool round_of(struct lk_ledger *ledger, bool is_of_claims)
{
    struct round round = { .ledger = ledger, .is_of_claims = is_of_claims };

    if (!round_may_go(&round))
        return false;
    round.writes = commit_new(ledger, false, is_of_claims);
    round.witness = round.writes ? commit_new(ledger, true, is_of_claims) : NULL;
    if (!round.witness) {
        if (round.writes)
            commit_free(round.writes);
        ledger_fail_waiting(ledger, LK_E_NOMEM, UINT64_MAX);
        return false;
    }
    if (is_of_claims)
        round_open_stock(&round);
    round_judge_chains(&round);
    if (!round.is_full && round.need == NEED_NOTHING && !round.spoilt)
        round_judge_seats(&round, is_of_claims ? &ledger->claiming : &ledger->changing);
    round_end(&round);
    return round.has_done;
}

bool round_run(struct lk_ledger *ledger)
{
    bool has_changed = round_of(ledger, false);
    return round_of(ledger, true) || has_changed;
}
