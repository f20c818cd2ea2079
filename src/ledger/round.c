/* round.c - from what waits at the seats to the next commit, and the witness beside it.
 *
 * What waits is judged in its order against what is known, and what comes of it goes together:
 * writes into one multi, refusals and repeated ids into another. Claims and transitions go apart,
 * since claims may meet others on their shelf. A few small commits fly at once; while they do, what
 * comes forms the next one, and only a crowd makes it leave before they are answered. */
#include <stdlib.h>
#include <string.h>

#include "ledger/round.h"

#define GROWTH_MAX 1400 /* bytes that one operation adds to an account, at most */
#define CROWD 256       /* so many seats that wait are worth a commit of their own */
#define WEIGHT 128      /* bytes of one operation in a multi, beside path and data */
#define SMALL_COMMITS_MAX 4
/* However many transitions wait, claims get their turn; and the other way round. */
#define COMMITS_OF_A_KIND_MAX (COMMITS_MAX - COMMITS_MAX / 4)

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

/* What is on its way will tell more. */
static bool stock_is_awaited(const struct lk_ledger *ledger)
{
    return ledger->busy_shelves > 0 || ledger->stock_state != STOCK_IDLE;
}

/* Of shelves that were read at different moments one may hold coupons that another, as it was before,
 * had not made yet. Only of one moment it is believed that stock can't be what it should. */
static void round_doubt_stock(struct round *round)
{
    round->need = stock_is_awaited(round->ledger) ? NEED_WAITING : NEED_PROOF;
    round->wanted = WANTED_ALL;
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
    round->spoilt = true;
    if (status == LK_E_CORRUPT && !stock_is_proven(round->ledger))
        round_doubt_stock(round);
    else
        round->failure = status;
    return false;
}

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

    if (round->need != NEED_NOTHING)
        return true;
    if (round->spoilt || round_has_taken(round) || stock_is_awaited(ledger)) {
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

bool job_apply(struct round *round, struct account *account, struct job *job, enum verdict *verdict)
{
    struct lk_ledger *ledger = round->ledger;
    const struct judge judge = { &ledger->campaign, ledger_now_ms(ledger), &round->writes->stock };
    uint32_t count = job->body.count ? job->body.count : 1;
    bool is_claim = job->body.verb == LK_LEDGER_CLAIM;

    if (is_claim && (!round->is_of_claims || round->need != NEED_NOTHING))
        return false;
    job_renew_id(job);
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

void job_judged(struct job *job, enum verdict verdict)
{
    job->judged = true;
    job->writes = verdict == VERDICT_APPLIED;
}

/* ---- one seat ---- */

int seat_open(const struct seat *seat, struct account *account)
{
    *account = (struct account){ .user = seat->user, .user_size = strlen(seat->user) };
    if (!seat->bytes)
        return LK_OK;
    int status = account_decode(account, seat->bytes, seat->size, seat->user, strlen(seat->user));
    account->zxid = seat->zxid;
    return status;
}

/* Somebody may mend it: the next one reads it again. */
void seat_fail_unread(struct round *round, struct seat *seat, int status)
{
    seat_forget(seat);
    seat_fail(seat, status);
    round->has_done = true;
}

static size_t seat_path_size(const struct seat *seat)
{
    return name_account_size(seat->ledger->path, seat->user);
}

size_t seat_size_bound(const struct seat *seat)
{
    size_t size = seat->size, weight = seat_path_size(seat) + WEIGHT;

    list_for_each (node, &seat->jobs) {
        size += GROWTH_MAX;
        if (size > ACCOUNT_SIZE_MAX)
            return ACCOUNT_SIZE_MAX + weight;
    }
    return size + weight;
}

bool seat_is_newcomer(const struct seat *seat)
{
    return seat->state == SEAT_UNKNOWN;
}

static bool commit_has_room(const struct commit *commit, size_t seats, size_t size,
                            size_t newcomers)
{
    if (commit->seat_count == 0)
        return true;
    return commit->seat_count + seats <= commit->room && commit->size + size <= COMMIT_SIZE_MAX
           && (newcomers == 0 || commit->newcomers + newcomers <= newcomers_max(commit->ledger));
}

bool round_has_room(const struct round *round, size_t seats, size_t size, size_t newcomers)
{
    return commit_has_room(round->writes, seats, size, newcomers)
           && commit_has_room(round->witness, seats, seats * WEIGHT, newcomers);
}

void commit_add(struct commit *commit, struct seat *seat, struct record_out *record)
{
    struct commit_seat *place = &commit->seats[commit->seat_count];

    *place = (struct commit_seat){ .seat = seat, .before = seat->state };
    if (record)
        place->record = *record;
    commit->newcomers += seat_is_newcomer(seat);
    commit->size += place->record.size + seat_path_size(seat) + WEIGHT;
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

/* ---- the round ---- */

static bool round_goes_on(const struct round *round)
{
    return !round->is_full && round->need == NEED_NOTHING && !round->spoilt;
}

static void round_judge_seats(struct round *round, const struct queue *queue)
{
    while (!list_is_empty(&queue->seats)) {
        struct seat *seat = container_of(queue->seats.next, struct seat, node);
        if (seat_needs_reading(seat)) {
            round->has_done = true;
            seat_place(seat);
            continue;
        }
        round->is_full = !round_has_room(round, 1, seat_size_bound(seat), seat_is_newcomer(seat));
        if (round->is_full)
            return;
        seat_judge(round, seat);
        if (!round_goes_on(round))
            return;
    }
}

/* Who has waited for longest goes first, or either could fill one commit after the other. */
static bool chains_go_first(const struct round *round, const struct queue *queue)
{
    const struct chain *chain = next_chain(round->ledger, round->is_of_claims);

    if (!chain || list_is_empty(&queue->seats))
        return chain != NULL;
    const struct seat *seat = container_of(queue->seats.next, struct seat, node);
    return chain->jobs[0].ticket < seat_first(seat)->ticket;
}

static void round_judge(struct round *round, const struct queue *queue)
{
    bool chains_first = chains_go_first(round, queue);

    if (chains_first)
        round_judge_chains(round);
    if (round_goes_on(round))
        round_judge_seats(round, queue);
    if (!chains_first && round_goes_on(round))
        round_judge_chains(round);
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
    if (ledger->commit_count >= COMMITS_MAX || flying >= COMMITS_OF_A_KIND_MAX
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
    if (round->failure != LK_OK) {
        ledger_fail_claims(round->ledger, round->failure);
        round->has_done = true; /* what waited behind them at the same seats goes on */
    } else if (round->need == NEED_READING)
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
    round_judge(&round, is_of_claims ? &ledger->claiming : &ledger->changing);
    round_end(&round);
    return round.has_done;
}

bool round_run(struct lk_ledger *ledger)
{
    bool has_changed = round_of(ledger, false);
    return round_of(ledger, true) || has_changed;
}
