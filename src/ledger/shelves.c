/* shelves.c - what is known of the stock, and which shard a commit of claims takes from.
 *
 * A shard is read once and then carried forward by the claims' own commits. Each process keeps to a
 * home shelf, one that nobody else has written to lately; when many wait and all goes well it takes
 * further ones, as slowly as it gives them up fast, each only after a look that shows it quiet. So
 * processes find shelves of their own, and who won one stays. When home lacks, half of what the
 * richest has is moved there by the claim's own commit; and only when all together lack, "sold out"
 * is proven: all shards are read with watches, then one committed multi checks that every one still
 * is as it was read. That answer is remembered until a watch fires or the connection is lost, and no
 * longer than a session may last unheard. */
#include <stdlib.h>

#include "ledger/machine.h"

#define MS INT64_C(1000000)
#define QUIET_MS 500       /* not written for so long: nobody's */
#define FRESH_NS (50 * MS) /* what was told longer ago is looked at again before it is taken up */
#define WIDTH_EARNED 16    /* commits that went well, for one shelf more */

void shelf_forget(struct shelf *shelf)
{
    shelf->known = false;
    shelf->ledger->stock_proven = false;
}

void shelves_forget(struct lk_ledger *ledger)
{
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++)
        shelf_forget(&ledger->shelves[i]);
}

static void shelf_install(struct shelf *shelf, struct shard *shard, int32_t version, int64_t at_ms)
{
    shard_free(&shelf->shard);
    shelf->shard = *shard;
    *shard = (struct shard){ 0 };
    shelf->ours = shelf->ours && version == shelf->version;
    shelf->version = version;
    shelf->known = true;
    shelf->written_ms = at_ms;
    shelf->learnt_ns = client_now(shelf->ledger->client);
    shelf->ledger->stock_proven = false;
}

void shelf_written(struct shelf *shelf, struct shard *shard, int32_t version, int64_t at_ms)
{
    struct lk_ledger *ledger = shelf->ledger;

    shelf_install(shelf, shard, version, at_ms);
    shelf->ours = true;
    if (++ledger->width_earned < WIDTH_EARNED || ledger->width >= LK_SHARDS_MAX)
        return;
    ledger->width_earned = 0;
    ledger->width++;
}

void shelf_beaten(struct shelf *shelf)
{
    struct lk_ledger *ledger = shelf->ledger;

    ledger->width = ledger->width / 2 > 1 ? ledger->width / 2 : 1;
    ledger->width_earned = 0;
    shelf->ours = false;
    shelf_forget(shelf);
    if (shelf != &ledger->shelves[ledger->home])
        return;
    /* Where to go is seen by a look at all. */
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        if (!ledger->shelves[i].busy)
            shelf_forget(&ledger->shelves[i]);
    }
}

/* As far as is known another process works here. What was never written is nobody's. */
static bool shelf_is_taken(const struct shelf *shelf)
{
    return !shelf->ours && shelf->version > 0
           && ledger_now_ms(shelf->ledger) - shelf->written_ms < QUIET_MS;
}

/* To a free shelf, or the one that was left alone for longest. */
static void home_move(struct lk_ledger *ledger)
{
    size_t shards = ledger->campaign.rules.shards;
    size_t from = client_random(ledger->client) % shards, best = ledger->home;
    int64_t best_ms = ledger->shelves[best].written_ms;

    for (size_t i = 0; i < shards; i++) {
        size_t at = (from + i) % shards;
        const struct shelf *shelf = &ledger->shelves[at];
        if (!shelf->known || shelf->busy)
            continue;
        if (!shelf_is_taken(shelf)) {
            ledger->home = at;
            return;
        }
        if (shelf->written_ms >= best_ms)
            continue;
        best_ms = shelf->written_ms;
        best = at;
    }
    ledger->home = best;
}

/* Of those that are free the one that was told of last: its look is the likeliest to be fresh, and a
 * look waits behind all that is under way. */
static struct shelf *shelf_beside_home(struct lk_ledger *ledger)
{
    size_t shards = ledger->campaign.rules.shards;
    struct shelf *best = NULL;

    if (ledger->busy_shelves >= ledger->width || ledger->stock_state != STOCK_IDLE)
        return NULL;
    size_t from = client_random(ledger->client) % shards;
    for (size_t i = 0; i < shards; i++) {
        struct shelf *shelf = &ledger->shelves[(from + i) % shards];
        if (shelf->busy || !shelf->known || shelf_is_taken(shelf)
            || shard_available(&shelf->shard) == 0)
            continue;
        if (!best || shelf->learnt_ns > best->learnt_ns)
            best = shelf;
    }
    if (best && client_now(ledger->client) - best->learnt_ns > FRESH_NS)
        shelf_forget(best);
    return best;
}

struct shelf *shelf_choose(struct lk_ledger *ledger)
{
    struct shelf *home = &ledger->shelves[ledger->home];

    if (ledger->stock_state == STOCK_PROVING)
        return NULL;
    if (home->busy)
        return shelf_beside_home(ledger);
    /* What is not known is being read, or will be. */
    if (!home->known)
        return ledger->stock_state == STOCK_IDLE ? home : NULL;
    if (shelf_is_taken(home))
        home_move(ledger);
    return &ledger->shelves[ledger->home];
}

int shelves_open(struct lk_ledger *ledger)
{
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        struct shelf *shelf = &ledger->shelves[i];
        shelf->ledger = ledger;
        shelf->path = name_shard(ledger->path, i);
        if (!shelf->path) {
            shelves_close(ledger); /* all or none: see campaign_install() */
            return LK_E_NOMEM;
        }
    }
    ledger->home = client_random(ledger->client) % ledger->campaign.rules.shards;
    ledger->width = 1;
    return LK_OK;
}

void shelves_close(struct lk_ledger *ledger)
{
    flight_drop(&ledger->stocktaking);
    ledger->stock_state = STOCK_IDLE;
    ledger->busy_shelves = 0;
    ledger->stock_proven = false;
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        struct shelf *shelf = &ledger->shelves[i];
        watch_unset(ledger->client, &shelf->watch);
        shard_free(&shelf->shard);
        free(shelf->path);
        *shelf = (struct shelf){ 0 };
    }
}

bool stock_is_known(const struct lk_ledger *ledger)
{
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        if (!ledger->shelves[i].known)
            return false;
    }
    return true;
}

bool stock_is_proven(const struct lk_ledger *ledger)
{
    int64_t age_ns = client_now(ledger->client) - ledger->proof_sent_ns;
    return ledger->stock_proven && stock_is_known(ledger)
           && age_ns < client_timeout_ns(ledger->client);
}

static uint64_t shelves_available(const struct lk_ledger *ledger)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < ledger->campaign.rules.shards; i++)
        sum += ledger->shelves[i].known ? shard_available(&ledger->shelves[i].shard) : 0;
    return sum;
}

static void shelf_changed(struct watch *watch, enum keeper_watch_event event)
{
    (void)event;
    shelf_forget(container_of(watch, struct shelf, watch));
}

/* LK_OK; LK_E_NOT_FOUND: the shard is not there. */
static int shelf_take_answer(struct shelf *shelf, const struct answer *answer)
{
    struct shard shard = { 0 };
    int status = answer_status(answer);

    if (status == LK_OK)
        status = shard_decode(&shard, answer->data, answer->data_size,
                              (uint32_t)(shelf - shelf->ledger->shelves));
    if (status == LK_OK && (answer->stat.version < 0 || answer->stat.version > VERSION_MAX)) {
        shard_free(&shard);
        status = LK_E_SERVER;
    }
    if (status != LK_OK)
        return status;
    servertime_see(&shelf->ledger->time, answer->stat.mtime_ms, client_now(shelf->ledger->client));
    shelf_install(shelf, &shard, answer->stat.version, answer->stat.mtime_ms);
    return LK_OK;
}

/* The stock could not be learnt. A shard that is not there may mean that the campaign is another
 * one now. What waited at the same seats behind a claim goes on. */
static void stock_failed(struct lk_ledger *ledger, int status)
{
    ledger->stock_state = STOCK_IDLE;
    if (status == LK_E_NOT_FOUND)
        campaign_miss_part(ledger);
    else
        ledger_fail_claims(ledger, status);
    ledger_pump(ledger);
}

static void stock_landed(struct flight *flight)
{
    struct lk_ledger *ledger = container_of(flight, struct lk_ledger, stocktaking);
    size_t at = 0;

    ledger->stock_state = STOCK_IDLE;
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        if (!ledger->shelves[i].asked)
            continue;
        int status = shelf_take_answer(&ledger->shelves[i], &flight->answers[at++]);
        if (status != LK_OK) {
            stock_failed(ledger, status);
            return;
        }
    }
    ledger_pump(ledger);
}

void stock_read(struct lk_ledger *ledger)
{
    struct keeper_request requests[LK_SHARDS_MAX] = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        struct shelf *shelf = &ledger->shelves[i];
        shelf->asked = !shelf->known && !shelf->busy;
        if (shelf->asked)
            requests[count++] = (struct keeper_request){ .verb = KEEPER_GET, .path = shelf->path };
    }
    int status = flight_send(&ledger->stocktaking, ledger->client, requests, count, stock_landed);
    if (status == LK_OK)
        ledger->stock_state = STOCK_READING;
    else
        stock_failed(ledger, status);
}

/* ---- the proof ---- */

static void stock_checked(struct flight *flight)
{
    struct lk_ledger *ledger = container_of(flight, struct lk_ledger, stocktaking);
    const struct answer *answer = &flight->answers[0];

    ledger->stock_state = STOCK_IDLE;
    if (answer->rc == KEEPER_OK) {
        /* A watch that fired between the reading and this answer has unset what it saw change. */
        ledger->stock_proven = stock_is_known(ledger);
    } else if (answer->rc == KEEPER_BAD_VERSION) {
        size_t culprit = answer_culprit(answer);
        if (culprit > 0 && culprit <= ledger->campaign.rules.shards)
            shelf_forget(&ledger->shelves[culprit - 1]);
        ledger_conflict(ledger);
    } else if (answer->rc == KEEPER_NO_NODE) {
        stock_failed(ledger, LK_E_NOT_FOUND);
        return;
    } else if (!answer_is_lost(answer)) {
        stock_failed(ledger, answer_status(answer));
        return;
    }
    ledger_pump(ledger);
}

static void stock_check(struct lk_ledger *ledger)
{
    struct keeper_request checks[LK_SHARDS_MAX + 1] = { 0 };
    size_t shards = ledger->campaign.rules.shards;

    checks[0] = check_there(ledger->seal_path);
    for (size_t i = 0; i < shards; i++)
        checks[i + 1] = check_of(ledger->shelves[i].path, ledger->shelves[i].version);
    const struct keeper_request multi = multi_of(ledger->path, checks, shards + 1);
    ledger->proof_sent_ns = client_now(ledger->client);
    int status = flight_send(&ledger->stocktaking, ledger->client, &multi, 1, stock_checked);
    if (status == LK_OK)
        ledger->stock_state = STOCK_PROVING;
    else
        stock_failed(ledger, status);
}

static void stock_watched(struct flight *flight)
{
    struct lk_ledger *ledger = container_of(flight, struct lk_ledger, stocktaking);

    ledger->stock_state = STOCK_IDLE;
    for (size_t i = 0; i < ledger->campaign.rules.shards; i++) {
        int status = shelf_take_answer(&ledger->shelves[i], &flight->answers[i]);
        if (status != LK_OK) {
            stock_failed(ledger, status);
            return;
        }
    }
    if (ledger->wanted != WANTED_ALL && shelves_available(ledger) >= ledger->wanted)
        ledger_pump(ledger);
    else
        stock_check(ledger);
}

void stock_prove(struct lk_ledger *ledger, uint32_t wanted)
{
    struct keeper_request requests[LK_SHARDS_MAX] = { 0 };
    size_t shards = ledger->campaign.rules.shards;

    ledger->wanted = wanted;
    for (size_t i = 0; i < shards; i++) {
        struct shelf *shelf = &ledger->shelves[i];
        requests[i] = (struct keeper_request){ .verb = KEEPER_GET,
                                               .path = shelf->path,
                                               .watch = true };
        watch_set(ledger->client, &shelf->watch, shelf->path, shelf_changed);
    }
    int status = flight_send(&ledger->stocktaking, ledger->client, requests, shards, stock_watched);
    if (status == LK_OK)
        ledger->stock_state = STOCK_PROVING;
    else
        stock_failed(ledger, status);
}
