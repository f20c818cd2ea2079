/* commit.c - from the answer to a commit back to the seats.
 *
 * A multi that is refused is committed as well, and names the first operation that was in the way. So
 * of a witness all that stands before that one is proven. What a multi conflicts on is read again;
 * the rest is judged anew as it is. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

bool commit_touches_stock(const struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (commit->touched[i])
            return true;
    }
    return false;
}

/* Whether the shelves are still those of the campaign that it was made for. */
static bool commit_is_current(const struct commit *commit)
{
    return commit->seal == commit->ledger->campaign.seal && commit->ledger->shelves[0].path;
}

static bool commit_finds_rotation(const struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (commit->touched[i] && commit->ledger->shelves[i].version >= VERSION_ROTATE)
            return true;
    }
    for (size_t i = 0; i < commit->seat_count; i++) {
        if (commit->seats[i].seat->version >= VERSION_ROTATE)
            return true;
    }
    return false;
}

/* ---- the seats ---- */

static void seat_unjudge(struct seat *seat)
{
    list_for_each (node, &seat->jobs) {
        struct job *job = container_of(node, struct job, node);
        job->judged = job->writes = false;
    }
}

void commit_release(struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        struct seat *seat = commit->seats[i].seat;
        if (seat->state == SEAT_WRITING)
            seat->state = commit->seats[i].before;
        seat_unjudge(seat);
        seat_place(seat);
    }
    commit->seat_count = 0;
}

/* Nothing of it is on its way any more; what was judged still is. */
static void commit_forget_writes(struct commit *commit)
{
    for (size_t i = 0; i < commit->seat_count; i++) {
        list_for_each (node, &commit->seats[i].seat->jobs)
            container_of(node, struct job, node)->writes = false;
    }
}

static void seat_fail_judged(struct seat *seat, int status)
{
    while (!list_is_empty(&seat->jobs) && seat_first(seat)->judged)
        job_fail(seat_first(seat), status);
}

static void commit_fail(struct commit *commit, int status)
{
    for (size_t i = 0; i < commit->seat_count; i++)
        seat_fail_judged(commit->seats[i].seat, status);
    commit_release(commit);
}

static bool job_is_bound(const struct job *job)
{
    return job->unsettled && job->bound_version == job->seat->version
           && job->result->status != LK_E_SOLD_OUT;
}

/* Whether a lost commit that would have applied the refused job could still arrive: see machine.h.
 * Not when the stock it took is gone: then a shard has another version. A chain's is bound to all of
 * its accounts. */
static bool job_may_still_apply(const struct job *job)
{
    const struct chain *chain = job->chain;

    for (size_t i = 0; chain && i < chain->count; i++) {
        if (!job_is_bound(&chain->jobs[i]))
            return false;
    }
    return job_is_bound(job);
}

/* What was judged is answered. */
static void seat_answer(struct seat *seat, int64_t zxid)
{
    while (!list_is_empty(&seat->jobs) && seat_first(seat)->judged) {
        struct job *job = seat_first(seat);
        if (job->writes)
            job->result->zxid = zxid;
        else if (job->result->status != LK_OK && job_may_still_apply(job)) {
            job_fail(job, LK_E_UNKNOWN);
            continue;
        }
        job->result->repeated = job->result->repeated && !job->unsettled;
        job_finish(job, job->result->status);
    }
}

/* ---- what the answer says ---- */

static void commit_see_time(const struct commit *commit, const struct answer *answer)
{
    struct lk_ledger *ledger = commit->ledger;

    for (size_t i = 0; i < answer->result_count; i++) {
        if (answer->results[i].stat.mzxid != 0)
            servertime_tell(&ledger->time, answer->results[i].stat.mtime_ms,
                            client_now(ledger->client));
    }
}

/* 0: what created is not told. */
static int64_t answer_zxid(const struct answer *answer)
{
    for (size_t i = 0; i < answer->result_count; i++) {
        if (answer->results[i].stat.mzxid != 0)
            return answer->results[i].stat.mzxid;
    }
    return 0;
}

static int32_t version_next(int32_t version)
{
    return version >= VERSION_ROTATE ? 0 : version + 1;
}

static void seat_written(struct seat *seat, struct record_out *record, int64_t zxid)
{
    int32_t version = seat->version;

    free(seat->bytes);
    /* Kept for long: without the room to grow. */
    seat->size = record->size;
    seat->bytes = realloc(record->bytes, record->size);
    if (!seat->bytes)
        seat->bytes = record->bytes;
    *record = (struct record_out){ 0 };
    seat->version = version_next(version);
    seat->zxid = zxid;
    seat->state = SEAT_KNOWN;
    seat->must_read = false;
    seat_answer(seat, zxid);
    /* The next record names this commit: so it is looked up first. */
    if (zxid == 0)
        seat_forget(seat);
    seat_place(seat);
}

static void shelves_written(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    for (size_t i = 0; i < commit->stock.count; i++) {
        struct shelf *shelf = &ledger->shelves[i];
        if (!commit->touched[i])
            continue;
        shelf_written(shelf, &commit->shards[i], version_next(shelf->version),
                      ledger_now_ms(ledger));
    }
}

static void commit_tell_newcomers(const struct commit *commit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (commit->seats[i].before == SEAT_UNKNOWN)
            newcomer_was(commit->ledger, false);
    }
}

static void commit_applied(struct commit *commit, const struct answer *answer)
{
    struct lk_ledger *ledger = commit->ledger;
    int64_t zxid = answer_zxid(answer);

    commit_see_time(commit, answer);
    if (commit_is_current(commit))
        shelves_written(commit);
    if (commit->rotates)
        campaign_forget(ledger);
    ledger->conflicts = 0;
    commit_tell_newcomers(commit, commit->seat_count);
    for (size_t i = 0; i < commit->seat_count; i++)
        seat_written(commit->seats[i].seat, &commit->seats[i].record, zxid);
    commit->seat_count = 0;
}

/* The first `count` seats of a witness are as they were judged. Of a chain all are, or it is judged
 * again. */
static void commit_proven(struct commit *commit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct seat *seat = commit->seats[i].seat;
        if (list_is_empty(&seat->jobs) || (seat_first(seat)->chain && count < commit->seat_count))
            continue;
        seat_answer(seat, 0);
        if (seat->version == VERSION_NONE)
            commit->seats[i].before = SEAT_KNOWN;
    }
    commit->ledger->conflicts = 0;
}

static void commit_lost(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    ledger->stats.lost++;
    for (size_t i = 0; i < commit->seat_count && !commit->is_witness; i++) {
        struct seat *seat = commit->seats[i].seat;
        list_for_each (node, &seat->jobs) {
            struct job *job = container_of(node, struct job, node);
            if (!job->writes)
                continue;
            job->unsettled = true;
            job->bound_version = seat->version;
        }
        seat_forget(seat);
    }
    for (size_t i = 0; i < commit->stock.count && commit_is_current(commit); i++) {
        if (commit->touched[i])
            shelf_forget(&ledger->shelves[i]);
    }
    commit_release(commit);
}

/* ---- what stood in the way ---- */

/* The first is the one that is known to be missing; the others may be there, and who may not make them
 * is told nothing else. */
static void buckets_landed(struct flight *flight)
{
    struct commit *commit = container_of(flight, struct commit, flight);
    struct lk_ledger *ledger = commit->ledger;
    const struct answer *answer = &flight->answers[0];
    bool is_there = answer->rc == KEEPER_OK || answer->rc == KEEPER_NODE_EXISTS;

    if (answer->rc == KEEPER_NO_NODE)
        campaign_miss_part(ledger);
    else if (!is_there && !answer_is_lost(answer))
        seat_fail_judged(commit->seats[commit->lacking].seat, answer_status(answer));
    commit_release(commit);
    commit_free(commit);
    ledger_pump(ledger);
}

/* Buckets are made when their first account is. All that this commit may lack are made at once: its
 * next refusal would name only one. The accounts before the one that was refused have theirs. */
static bool commit_make_buckets(struct commit *commit, size_t first)
{
    struct lk_ledger *ledger = commit->ledger;
    struct keeper_request *requests = calloc(commit->seat_count + 1, sizeof(*requests));
    bool wanted[BUCKETS] = { false };
    size_t count = 0;
    int status = requests ? LK_OK : LK_E_NOMEM;

    commit->lacking = first;
    for (size_t i = first; i < commit->seat_count && status == LK_OK; i++) {
        const struct seat *seat = commit->seats[i].seat;
        size_t bucket = user_bucket(seat->user);
        if (seat->version != VERSION_NONE || wanted[bucket])
            continue;
        wanted[bucket] = true;
        char *path = name_bucket(ledger->path, bucket);
        requests[count++] = create_of(path, NULL, client_access(ledger->client));
        status = path ? LK_OK : LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = flight_send(&commit->flight, ledger->client, requests, count, buckets_landed);
    for (size_t i = 0; i < count; i++)
        free((char *)requests[i].path);
    free(requests);
    if (status == LK_OK)
        return true;
    commit_fail(commit, status);
    return false;
}

/* One seat's operation was refused. True: the commit lives on, making buckets. */
static bool commit_seat_refused(struct commit *commit, size_t nth, int rc)
{
    struct commit_seat *place = &commit->seats[nth];
    struct seat *seat = place->seat;
    bool creates = seat->version == VERSION_NONE;

    if (rc == KEEPER_NO_NODE && creates) {
        if (commit->is_witness && nth + 1 == commit->seat_count)
            return false;
        commit_forget_writes(commit);
        return commit_make_buckets(commit, nth);
    }
    if (rc == KEEPER_NODE_EXISTS || rc == KEEPER_BAD_VERSION || rc == KEEPER_NO_NODE) {
        seat_forget(seat);
        if (place->before == SEAT_UNKNOWN) {
            commit->ledger->stats.mistaken++;
            newcomer_was(commit->ledger, true);
        } else {
            ledger_conflict(commit->ledger);
        }
        return false;
    }
    seat->state = place->before;
    seat_fail_judged(seat, answer_status(&(struct answer){ .rc = rc }));
    return false;
}

static void commit_shelf_refused(struct commit *commit, size_t at, int rc)
{
    struct lk_ledger *ledger = commit->ledger;

    if (rc == KEEPER_NO_NODE) {
        campaign_miss_part(ledger);
    } else if (rc == KEEPER_BAD_VERSION) {
        if (commit_is_current(commit))
            shelf_beaten(&ledger->shelves[at]);
        ledger_conflict(ledger);
    } else {
        commit_fail(commit, answer_status(&(struct answer){ .rc = rc }));
    }
}

/* The seal, the last check of a witness, the new seal of a rotation. */
static void commit_end_refused(struct commit *commit, int rc)
{
    if (rc == KEEPER_NO_NODE)
        campaign_miss_part(commit->ledger);
    else if (rc == KEEPER_BAD_VERSION)
        campaign_forget(commit->ledger);
    else
        commit_fail(commit, answer_status(&(struct answer){ .rc = rc }));
}

/* True: the commit lives on. */
static bool commit_refused(struct commit *commit, const struct answer *answer)
{
    size_t culprit = answer_culprit(answer), nth = 0;
    bool goes_on = false;

    if (culprit == answer->result_count) {
        commit_fail(commit, answer_status(answer));
        return false;
    }
    int rc = answer->results[culprit].rc;
    switch (commit_owner(commit, culprit, &nth)) {
    case OWNER_SEAL:
        commit_end_refused(commit, rc);
        break;
    case OWNER_SHELF:
        commit_shelf_refused(commit, nth, rc);
        break;
    case OWNER_SEAT:
        /* Without a bucket there is no account in it. */
        commit_tell_newcomers(commit, nth);
        if (commit->is_witness)
            commit_proven(
                commit,
                nth + (rc == KEEPER_NO_NODE && commit->seats[nth].seat->version == VERSION_NONE));
        goes_on = commit_seat_refused(commit, nth, rc);
        break;
    case OWNER_END:
        commit_tell_newcomers(commit, commit->seat_count);
        if (commit->is_witness && rc == KEEPER_BAD_VERSION)
            commit_proven(commit, commit->seat_count);
        else
            commit_end_refused(commit, rc);
        break;
    }
    if (!goes_on)
        commit_release(commit);
    return goes_on;
}

static void commit_free_shelves(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    for (size_t i = 0; i < commit->stock.count && commit_is_current(commit); i++) {
        if (!commit->touched[i])
            continue;
        ledger->shelves[i].busy = false;
        ledger->busy_shelves--;
    }
}

static void commit_landed(struct flight *flight)
{
    struct commit *commit = container_of(flight, struct commit, flight);
    struct lk_ledger *ledger = commit->ledger;
    const struct answer *answer = &flight->answers[0];
    bool goes_on = false;

    commit_free_shelves(commit);
    if (answer_is_lost(answer))
        commit_lost(commit);
    else if (answer->rc != KEEPER_OK)
        goes_on = commit_refused(commit, answer);
    else if (!commit->is_witness)
        commit_applied(commit, answer);
    else
        commit_proven(commit, commit->seat_count);
    if (!goes_on) {
        commit_release(commit);
        commit_free(commit);
    }
    ledger_pump(ledger);
}

static void commit_take_shelves(struct commit *commit)
{
    for (size_t i = 0; i < commit->stock.count; i++) {
        if (!commit->touched[i])
            continue;
        commit->ledger->shelves[i].busy = true;
        commit->ledger->busy_shelves++;
    }
}

void commit_depart(struct commit *commit)
{
    struct lk_ledger *ledger = commit->ledger;

    commit->rotates = !commit->is_witness && commit_finds_rotation(commit);
    int status = commit_send(commit, commit_landed);
    if (status != LK_OK) {
        commit_fail(commit, status);
        commit_free(commit);
        return;
    }
    ledger->stats.commits += !commit->is_witness;
    ledger->stats.witnesses += commit->is_witness;
    commit_take_shelves(commit);
}

void commit_free(struct commit *commit)
{
    list_remove(&commit->node);
    commit->ledger->commit_count--;
    commit->ledger->claim_commits -= commit->is_of_claims;
    flight_drop(&commit->flight);
    for (size_t i = 0; i < commit->record_count; i++)
        record_free(&commit->seats[i].record);
    for (size_t i = 0; i < commit->stock.count; i++)
        shard_free(&commit->shards[i]);
    free(commit);
}

struct commit *commit_new(struct lk_ledger *ledger, bool is_witness, bool is_of_claims)
{
    size_t room = LK_CHAIN_MAX + ledger->claiming.count + ledger->changing.count
                  + ledger->held.count;

    room = room < COMMIT_SEATS_MAX ? room : COMMIT_SEATS_MAX;
    struct commit *commit = calloc(1, sizeof(*commit) + room * sizeof(commit->seats[0]));
    if (!commit)
        return NULL;
    commit->ledger = ledger;
    commit->room = room;
    commit->seal = ledger->campaign.seal;
    commit->is_witness = is_witness;
    commit->is_of_claims = is_of_claims;
    list_append(&ledger->commits, &commit->node);
    ledger->commit_count++;
    ledger->claim_commits += is_of_claims;
    return commit;
}
