/* commit.c - from what waits at the seats to one multi, and from its answer back to the seats.
 *
 *   check(seal), set(shard, version)..., create(account) or set(account, version)...
 *
 * One claim of a known user, or of a new one, is one multi and nothing else. Operations of many
 * users that wait at the same moment share one. Claims take from a picture of the stock that only
 * their commit sees, so one commit at a time touches the stock, and what comes meanwhile forms the
 * next; commits without claims go side by side. What a multi conflicts on is read again; the rest
 * is judged anew as it is. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

#define GROWTH_MAX 1400 /* bytes that one operation adds to an account, at most */

/* ---- judging ---- */

enum stock_need { NEED_NOTHING, NEED_READING, NEED_PROOF };

struct round {
    struct lk_ledger *ledger;
    struct commit *commit;
    enum stock_need need;
    uint32_t wanted;
    bool spoilt; /* the commit's picture of the stock includes a claim that is not in it */
};

static bool commit_touches_stock(const struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (commit->touched[i])
            return true;
    }
    return false;
}

/* A shelf that there is no memory to copy is one that is not known, also to the ledger: else it
 * would seem empty. */
static void commit_open_stock(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    commit->stock = (struct stock){
        .shards = commit->shards,
        .known = commit->known,
        .touched = commit->touched,
        .count = ledger->campaign.rules.shards,
        .home = ledger->home,
    };
    commit->has_stock = true;
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (!ledger->shelves[i].known)
            continue;
        commit->known[i] = shard_copy(&commit->shards[i], &ledger->shelves[i].shard) == LK_OK;
        if (!commit->known[i])
            shelf_forget(&ledger->shelves[i]);
    }
}

static bool claim_must_wait(struct round *round)
{
    struct lk_ledger *ledger = round->ledger;

    if (ledger->stock_state != STOCK_IDLE || round->need != NEED_NOTHING)
        return true;
    if (!ledger->shelves[ledger->home].known) {
        round->need = NEED_READING;
        return true;
    }
    if (!round->commit->has_stock)
        commit_open_stock(round->commit);
    return false;
}

/* Too little stock is known of. False: that is proven to be all there is. */
static bool stock_must_wait(struct round *round, uint32_t count)
{
    struct lk_ledger *ledger = round->ledger;

    if (commit_touches_stock(round->commit))
        return true;
    if (stock_is_proven(ledger))
        return false;
    round->need = stock_is_known(ledger) ? NEED_PROOF : NEED_READING;
    round->wanted = count;
    return true;
}

/* False: the job has to wait, and so have those behind it. */
static bool job_judge(struct round *round, struct account *account, struct job *job)
{
    struct lk_ledger *ledger = round->ledger;
    const struct judge judge = { &ledger->campaign, ledger_now_ms(ledger), &round->commit->stock };

    if (job->body.verb == LK_LEDGER_CLAIM && claim_must_wait(round))
        return false;
    enum verdict verdict = account_apply(account, &judge, &job->body, &job->result);
    if (verdict == VERDICT_NEEDS_STOCK) {
        if (stock_must_wait(round, job->body.count ? job->body.count : 1))
            return false;
        job->result.status = LK_E_SOLD_OUT;
    }
    /* A lost commit may have applied it, and the account have forgotten it since. */
    if (job->unsettled && job->result.status == LK_E_ID_TOO_OLD)
        job->result.status = LK_E_UNKNOWN;
    job->judged = true;
    job->writes = verdict == VERDICT_APPLIED;
    return true;
}

static void seat_unjudge(struct seat *seat)
{
    list_for_each (node, &seat->jobs) {
        struct job *job = container_of(node, struct job, node);
        job->judged = job->writes = false;
    }
}

/* Whether a lost commit that would have applied the refused job could still arrive: see machine.h.
 * Not when the stock it took is gone: then a shard has another version. */
static bool job_may_still_apply(const struct job *job, const struct seat *seat)
{
    return job->unsettled && job->bound_version == seat->version
           && job->result.status != LK_E_SOLD_OUT;
}

/* Nothing is to be written: repeated ids and refusals. Both need a state that was true after they
 * were asked for: also an id that was applied may have been so in a campaign that is gone. */
static void seat_answer(struct seat *seat)
{
    bool in_doubt = false;

    list_for_each_safe (node, &seat->jobs) {
        struct job *job = container_of(node, struct job, node);
        if (!job->judged)
            break;
        if (seat->true_since < job->ticket) {
            in_doubt = true;
        } else if (job->result.status != LK_OK && job_may_still_apply(job, seat)) {
            job_fail(job, LK_E_UNKNOWN);
        } else {
            job->result.repeated = job->result.repeated && !job->unsettled;
            job_finish(job, job->result.status);
        }
    }
    seat_unjudge(seat);
    if (in_doubt) {
        seat_forget(seat);
        seat->ledger->pump_again = true;
    }
    seat_settle(seat);
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

static void commit_add(struct round *round, struct seat *seat, const struct account *account)
{
    struct commit *commit = round->commit;
    struct commit_seat *place = &commit->seats[commit->seat_count];
    int status = account_encode(account, &place->record);

    if (status != LK_OK) {
        record_free(&place->record);
        round->spoilt = true;
        seat_fail(seat, status);
        return;
    }
    place->seat = seat;
    place->before = seat->state;
    seat->state = SEAT_WRITING;
    commit->size += place->record.size;
    commit->record_count = ++commit->seat_count;
}

static void seat_judge(struct round *round, struct seat *seat)
{
    struct account account = { .user = seat->user, .user_size = strlen(seat->user) };
    int status = LK_OK;

    if (seat->bytes)
        status = account_decode(&account, seat->bytes, seat->size, seat->user, strlen(seat->user));
    if (status != LK_OK) {
        seat_fail(seat, status);
        /* Somebody may mend it. */
        seat_forget(seat);
        return;
    }
    list_for_each (node, &seat->jobs) {
        if (!job_judge(round, &account, container_of(node, struct job, node)))
            break;
    }
    if (account.changed)
        commit_add(round, seat, &account);
    else
        seat_answer(seat);
    account_free(&account);
}

static bool seat_is_ready(const struct seat *seat)
{
    if (list_is_empty(&seat->jobs) || seat_needs_reading(seat))
        return false;
    if (seat_begins_with_claim(seat) && seat->ledger->stock_state != STOCK_IDLE)
        return false;
    return seat->state == SEAT_KNOWN || seat->state == SEAT_UNKNOWN;
}

/* ---- the answer ---- */

/* The seats are as before, and nothing in them is judged. */
static void commit_release(struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        struct seat *seat = commit->seats[i].seat;
        if (seat->state == SEAT_WRITING)
            seat->state = commit->seats[i].before;
        seat_unjudge(seat);
        seat_settle(seat);
    }
    commit->seat_count = 0;
}

static void commit_fail(struct commit *commit, int status)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        commit->seats[i].seat->state = commit->seats[i].before;
        seat_fail(commit->seats[i].seat, status);
    }
    commit->seat_count = 0;
}

static void seat_written(struct seat *seat, struct record_out *record, uint64_t ticket,
                         int64_t zxid)
{
    free(seat->bytes);
    seat->bytes = record->bytes;
    seat->size = record->size;
    *record = (struct record_out){ 0 };
    seat->version++;
    seat->state = SEAT_KNOWN;
    seat->must_read = false;
    seat->true_since = ticket;
    list_for_each_safe (node, &seat->jobs) {
        struct job *job = container_of(node, struct job, node);
        if (!job->judged)
            break;
        job->result.zxid = job->writes ? zxid : 0;
        job->result.repeated = job->result.repeated && !job->unsettled;
        job_finish(job, job->result.status);
    }
    if (seat->version > VERSION_MAX)
        seat_forget(seat);
    seat_settle(seat);
}

static void commit_applied(struct commit *commit, const struct answer *answer)
{
    struct lk_ledger *ledger = commit->ledger;
    size_t at = 1;
    int64_t zxid = 0;

    for (size_t i = 0; i < answer->result_count; i++) {
        const struct keeper_stat *stat = &answer->results[i].stat;
        if (stat->mzxid == 0)
            continue;
        zxid = stat->mzxid;
        servertime_tell(&ledger->time, stat->mtime_ms, client_now(ledger->client));
    }
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (!commit->touched[i])
            continue;
        const struct keeper_stat *stat = &answer->results[at++].stat;
        if (commit->seal == ledger->campaign.seal && ledger->shelves[i].path)
            shelf_install(&ledger->shelves[i], &commit->shards[i], stat->version);
    }
    ledger->conflicts = 0;
    for (size_t i = 0; i < commit->seat_count; i++)
        seat_written(commit->seats[i].seat, &commit->seats[i].record, commit->ticket, zxid);
    commit->seat_count = 0;
}

static void commit_forget_stock(struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (commit->touched[i] && commit->ledger->shelves[i].path)
            shelf_forget(&commit->ledger->shelves[i]);
    }
}

static void commit_lost(struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        struct seat *seat = commit->seats[i].seat;
        list_for_each (node, &seat->jobs) {
            struct job *job = container_of(node, struct job, node);
            job->unsettled = job->unsettled || job->writes;
        }
        seat_forget(seat);
    }
    commit_forget_stock(commit);
    commit_release(commit);
}

static void buckets_landed(struct flight *flight)
{
    struct commit *commit = container_of(flight, struct commit, flight);
    struct lk_ledger *ledger = commit->ledger;
    int status = LK_OK;

    for (size_t i = 0; i < flight->count && status == LK_OK; i++) {
        if (flight->answers[i].rc != KEEPER_NODE_EXISTS && !answer_is_lost(&flight->answers[i]))
            status = answer_status(&flight->answers[i]);
    }
    if (status == LK_E_NOT_FOUND)
        campaign_miss_part(ledger);
    else if (status != LK_OK)
        commit_fail(commit, status);
    commit_release(commit);
    commit_free(commit);
    ledger_pump(ledger);
}

/* Buckets are made when their first account is. All that this commit may lack are made at once: its
 * next refusal would name only one. */
static bool commit_make_buckets(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;
    struct keeper_request requests[COMMIT_SEATS_MAX] = { 0 };
    char *paths[COMMIT_SEATS_MAX];
    size_t count = 0;
    int status = LK_OK;

    for (size_t i = 0; i < commit->seat_count && status == LK_OK; i++) {
        const struct seat *seat = commit->seats[i].seat;
        if (seat->version != VERSION_NONE)
            continue;
        paths[count] = name_bucket(ledger->path, user_bucket(seat->user));
        requests[count] = (struct keeper_request){ .verb = KEEPER_CREATE,
                                                   .path = paths[count],
                                                   .access = client_access(ledger->client) };
        status = paths[count++] ? LK_OK : LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = flight_send(&commit->flight, ledger->client, requests, count, buckets_landed);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    if (status == LK_OK)
        return true;
    commit_fail(commit, status);
    return false;
}

/* One new user was an old one. So may the others be, and a refusal names only one at a time: read
 * them all. */
static void commit_doubt_new_users(struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        if (commit->seats[i].before == SEAT_UNKNOWN)
            seat_forget(commit->seats[i].seat);
    }
}

/* One seat's write was refused. True: the commit lives on, making buckets. */
static bool commit_seat_refused(struct commit *commit, struct commit_seat *place, int rc)
{
    struct seat *seat = place->seat;
    bool creates = seat->version == VERSION_NONE;

    if (rc == KEEPER_NO_NODE && creates) {
        for (size_t i = 0; i < commit->seat_count; i++)
            seat_unjudge(commit->seats[i].seat);
        return commit_make_buckets(commit);
    }
    if (rc == KEEPER_NODE_EXISTS || rc == KEEPER_BAD_VERSION || rc == KEEPER_NO_NODE) {
        seat_forget(seat);
        /* That a claim took an old user for a new one is no conflict. */
        if (place->before != SEAT_UNKNOWN)
            ledger_conflict(commit->ledger);
        else
            commit_doubt_new_users(commit);
        return false;
    }
    seat->state = place->before;
    seat_fail(seat, answer_status(&(struct answer){ .rc = rc }));
    return false;
}

static void commit_shard_refused(struct commit *commit, size_t nth, int rc)
{
    struct lk_ledger *ledger = commit->ledger;

    for (size_t i = 0; i < commit->stock.count; i++) {
        if (!commit->touched[i] || nth-- > 0)
            continue;
        if (rc == KEEPER_NO_NODE) {
            campaign_miss_part(ledger);
        } else if (rc == KEEPER_BAD_VERSION) {
            if (ledger->shelves[i].path)
                shelf_forget(&ledger->shelves[i]);
            ledger_conflict(ledger);
        } else {
            commit_fail(commit, answer_status(&(struct answer){ .rc = rc }));
        }
        return;
    }
}

static size_t commit_touched_count(const struct commit *commit)
{
    size_t count = 0;

    for (size_t i = 0; i < commit->stock.count; i++)
        count += commit->touched[i];
    return count;
}

/* True: the commit lives on. */
static bool commit_refused(struct commit *commit, const struct answer *answer)
{
    size_t culprit = answer_culprit(answer), shards = commit_touched_count(commit);
    bool goes_on = false;

    if (culprit == answer->result_count)
        commit_fail(commit, answer_status(answer));
    else if (culprit == 0 && answer->results[0].rc == KEEPER_NO_NODE)
        campaign_miss_part(commit->ledger);
    else if (culprit == 0)
        commit_fail(commit, answer_status(&(struct answer){ .rc = answer->results[0].rc }));
    else if (culprit <= shards)
        commit_shard_refused(commit, culprit - 1, answer->results[culprit].rc);
    else
        goes_on = commit_seat_refused(commit, &commit->seats[culprit - 1 - shards],
                                      answer->results[culprit].rc);
    if (!goes_on)
        commit_release(commit);
    return goes_on;
}

static void commit_landed(struct flight *flight)
{
    struct commit *commit = container_of(flight, struct commit, flight);
    struct lk_ledger *ledger = commit->ledger;
    const struct answer *answer = &flight->answers[0];
    bool goes_on = false;

    if (commit_touches_stock(commit))
        ledger->stock_state = STOCK_IDLE;
    if (answer->rc == KEEPER_OK)
        commit_applied(commit, answer);
    else if (answer_is_lost(answer))
        commit_lost(commit);
    else
        goes_on = commit_refused(commit, answer);
    if (!goes_on)
        commit_free(commit);
    ledger_pump(ledger);
}

/* ---- the multi ---- */

static int commit_send(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;
    struct keeper_request operations[1 + LK_SHARDS_MAX + COMMIT_SEATS_MAX];
    struct record_out shards[LK_SHARDS_MAX];
    size_t count = 0, encoded = 0;
    int status = LK_OK;

    operations[count++] = (struct keeper_request){ .verb = KEEPER_CHECK,
                                                   .path = ledger->seal_path,
                                                   .version = KEEPER_ANY_VERSION };
    for (size_t i = 0; i < commit->stock.count && status == LK_OK; i++) {
        if (!commit->touched[i])
            continue;
        shards[encoded] = (struct record_out){ 0 };
        status = shard_encode(&commit->shards[i], &shards[encoded]);
        operations[count++] = (struct keeper_request){
            .verb = KEEPER_SET,
            .path = ledger->shelves[i].path,
            .data = shards[encoded].bytes,
            .data_size = shards[encoded].size,
            .version = ledger->shelves[i].version,
        };
        encoded++;
    }
    for (size_t i = 0; i < commit->seat_count; i++) {
        const struct seat *seat = commit->seats[i].seat;
        operations[count++] = (struct keeper_request){
            .verb = seat->version == VERSION_NONE ? KEEPER_CREATE : KEEPER_SET,
            .path = seat->path,
            .data = commit->seats[i].record.bytes,
            .data_size = commit->seats[i].record.size,
            .version = seat->version,
            .access = client_access(ledger->client),
        };
    }
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .path = ledger->path,
                                          .operations = operations,
                                          .operation_count = count };
    if (status == LK_OK)
        status = flight_send(&commit->flight, ledger->client, &multi, 1, commit_landed);
    for (size_t i = 0; i < encoded; i++)
        record_free(&shards[i]);
    return status;
}

static void commit_depart(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    int status = commit_send(commit);
    if (status != LK_OK) {
        commit_fail(commit, status);
        commit_free(commit);
        return;
    }
    for (size_t i = 0; i < commit->seat_count; i++) {
        struct seat *seat = commit->seats[i].seat;
        list_for_each (node, &seat->jobs) {
            struct job *job = container_of(node, struct job, node);
            if (job->writes)
                job->bound_version = seat->version;
        }
    }
    if (commit_touches_stock(commit))
        ledger->stock_state = STOCK_WRITING;
}

void commit_free(struct commit *commit)
{
    list_remove(&commit->node);
    commit->ledger->commit_count--;
    flight_drop(&commit->flight);
    for (size_t i = 0; i < commit->record_count; i++)
        record_free(&commit->seats[i].record);
    for (size_t i = 0; i < commit->stock.count; i++)
        shard_free(&commit->shards[i]);
    free(commit);
}

static struct commit *commit_new(struct lk_ledger *ledger)
{
    struct commit *commit = calloc(1, sizeof(*commit));
    if (!commit)
        return NULL;
    commit->ledger = ledger;
    commit->ticket = ledger->ticket;
    commit->seal = ledger->campaign.seal;
    list_append(&ledger->commits, &commit->node);
    ledger->commit_count++;
    return commit;
}

static bool commit_has_room(const struct commit *commit, const struct seat *seat)
{
    if (commit->seat_count == COMMIT_SEATS_MAX)
        return false;
    return commit->seat_count == 0 || commit->size + seat_size_bound(seat) <= COMMIT_SIZE_MAX;
}

void commit_round(struct lk_ledger *ledger)
{
    if (ledger->commit_count >= COMMITS_MAX)
        return;
    bool idle = true;
    list_for_each (node, &ledger->waiting)
        idle = idle && !seat_is_ready(container_of(node, struct seat, node));
    if (idle)
        return;
    struct round round = { .ledger = ledger, .commit = commit_new(ledger) };
    if (!round.commit) {
        ledger_fail_waiting(ledger, LK_E_NOMEM, UINT64_MAX);
        return;
    }
    list_for_each_safe (node, &ledger->waiting) {
        struct seat *seat = container_of(node, struct seat, node);
        if (!seat_is_ready(seat))
            continue;
        if (!commit_has_room(round.commit, seat)) {
            ledger->pump_again = true;
            break;
        }
        seat_judge(&round, seat);
    }
    if (round.spoilt) {
        commit_release(round.commit);
        ledger->pump_again = true;
    }
    if (round.commit->seat_count > 0)
        commit_depart(round.commit);
    else
        commit_free(round.commit);
    if (ledger->stock_state != STOCK_IDLE)
        return;
    if (round.need == NEED_READING)
        stock_read(ledger);
    else if (round.need == NEED_PROOF)
        stock_prove(ledger, round.wanted);
}
