/* desk.c - operations come in here, wait at the seat of their user, and leave answered. See
 * machine.h. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

#define MS INT64_C(1000000)

int64_t ledger_now_ms(const struct lk_ledger *ledger)
{
    return servertime_ms(&ledger->time, client_now(ledger->client));
}

/* ---- jobs ---- */

void job_finish(struct job *job, int status)
{
    list_remove(&job->node);
    job->result.id = job->body.id;
    job->result.status = status;
    op_done(&job->op, status);
}

void job_fail(struct job *job, int status)
{
    /* Without a campaign there is no seal, and nothing can be applied any more. */
    if (job->unsettled && status != LK_E_NOT_FOUND)
        status = LK_E_UNKNOWN;
    job->result = (lk_ledger_result){ 0 };
    job_finish(job, status);
}

/* ---- seats ---- */

static struct seat *seat_find(struct lk_ledger *ledger, const char *user)
{
    struct seat *seat;
    HASH_FIND_STR(ledger->seats, user, seat);
    return seat;
}

static struct seat *seat_add(struct lk_ledger *ledger, const char *user)
{
    size_t size = strlen(user) + 1;
    struct seat *seat = calloc(1, sizeof(*seat) + size);
    if (!seat)
        return NULL;
    memcpy(seat->user, user, size);
    seat->ledger = ledger;
    seat->version = VERSION_NONE;
    seat->path = name_account(ledger->path, user);
    if (seat->path) {
        HASH_ADD_STR(ledger->seats, user, seat);
        if (seat->hh.tbl)
            return seat;
    }
    free(seat->path);
    free(seat);
    return NULL;
}

void seat_free(struct seat *seat)
{
    flight_drop(&seat->reading);
    list_remove(&seat->node);
    HASH_DEL(seat->ledger->seats, seat);
    free(seat->bytes);
    free(seat->path);
    free(seat);
}

static size_t seat_memory(const struct seat *seat)
{
    return sizeof(*seat) + seat->size;
}

static void seats_evict(struct lk_ledger *ledger)
{
    while (ledger->idle_count > SEATS_IDLE_MAX || ledger->idle_bytes > SEATS_IDLE_BYTES_MAX) {
        struct seat *oldest = container_of(list_take(&ledger->idle), struct seat, node);
        ledger->idle_count--;
        ledger->idle_bytes -= seat_memory(oldest);
        seat_free(oldest);
    }
}

/* A seat that is read or written while nobody waits any more stays among the waiting until that is
 * done. */
void seat_settle(struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;

    if (seat->idle || !list_is_empty(&seat->jobs) || seat->state == SEAT_READING
        || seat->state == SEAT_WRITING)
        return;
    list_remove(&seat->node);
    list_append(&ledger->idle, &seat->node);
    seat->idle = true;
    ledger->idle_count++;
    ledger->idle_bytes += seat_memory(seat);
    seats_evict(ledger);
}

static void seat_wait(struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;

    if (seat->idle) {
        ledger->idle_count--;
        ledger->idle_bytes -= seat_memory(seat);
        list_remove(&seat->node);
        seat->idle = false;
    }
    if (!list_is_linked(&seat->node))
        list_append(&ledger->waiting, &seat->node);
}

void seat_forget(struct seat *seat)
{
    seat->state = SEAT_UNKNOWN;
    seat->must_read = true;
    seat->true_since = 0;
}

void seat_fail(struct seat *seat, int status)
{
    for (struct list *node; !list_is_empty(&seat->jobs);) {
        node = seat->jobs.next;
        job_fail(container_of(node, struct job, node), status);
    }
    seat_settle(seat);
}

static void ledger_fail_some(struct lk_ledger *ledger, int status, uint64_t ticket,
                             bool claims_only)
{
    list_for_each_safe (seats, &ledger->waiting) {
        struct seat *seat = container_of(seats, struct seat, node);
        /* What is being written has an answer of its own on the way. */
        if (seat->state == SEAT_WRITING)
            continue;
        list_for_each_safe (node, &seat->jobs) {
            struct job *job = container_of(node, struct job, node);
            if (job->ticket <= ticket && (!claims_only || job->body.verb == LK_LEDGER_CLAIM))
                job_fail(job, status);
        }
        seat_settle(seat);
    }
}

void ledger_fail_waiting(struct lk_ledger *ledger, int status, uint64_t ticket)
{
    ledger_fail_some(ledger, status, ticket, false);
}

void ledger_fail_claims(struct lk_ledger *ledger, int status)
{
    ledger_fail_some(ledger, status, UINT64_MAX, true);
}

/* ---- reading an account ---- */

#define BARRIERS_MAX 2 /* under way at once */

enum seat_reading { READ_ALONE, READ_WITH_OTHERS, READ_BEHIND_BARRIER };

static int seat_install(struct seat *seat, const struct answer *answer)
{
    void *bytes = NULL;

    if (answer->rc != KEEPER_OK && answer->rc != KEEPER_NO_NODE)
        return answer_status(answer);
    if (answer->rc == KEEPER_OK && (answer->stat.version < 0 || answer->stat.version > VERSION_MAX))
        return LK_E_ACCOUNT_FULL;
    if (answer->rc == KEEPER_OK) {
        bytes = malloc(answer->data_size + 1);
        if (!bytes)
            return LK_E_NOMEM;
        if (answer->data_size)
            memcpy(bytes, answer->data, answer->data_size);
        servertime_see(&seat->ledger->time, answer->stat.mtime_ms,
                       client_now(seat->ledger->client));
    }
    free(seat->bytes);
    seat->bytes = bytes;
    seat->size = bytes ? answer->data_size : 0;
    seat->version = bytes ? answer->stat.version : VERSION_NONE;
    return LK_OK;
}

/* What was read with the account says whether the campaign is still the one that is known. */
static void seat_compare_campaign(struct lk_ledger *ledger, const struct answer *record)
{
    struct campaign campaign = { 0 };

    if (ledger->campaign_state != CAMPAIGN_KNOWN)
        return;
    if (campaign_read(&campaign, record) != LK_OK || campaign.seal != ledger->campaign.seal)
        campaign_forget(ledger);
    campaign_free(&campaign);
}

static void seat_landed(struct flight *flight)
{
    struct seat *seat = container_of(flight, struct seat, reading);
    struct lk_ledger *ledger = seat->ledger;

    ledger->reading_count--;
    ledger->barrier_count -= seat->has_barrier;
    seat->has_barrier = false;
    if (flight->count > 1)
        seat_compare_campaign(ledger, &flight->answers[flight->count - 2]);
    int status = seat_install(seat, &flight->answers[flight->count - 1]);
    flight_drop(flight);
    seat->state = status == LK_OK ? SEAT_KNOWN : SEAT_UNKNOWN;
    seat->must_read = status != LK_OK;
    seat->true_since = seat->true_from_now;
    if (status != LK_OK)
        seat_fail(seat, status);
    seat_settle(seat);
    ledger_pump(ledger);
}

/* Sent behind the campaign's own flight it shares that one's barrier. */
static void seat_read(struct seat *seat, enum seat_reading how)
{
    struct lk_ledger *ledger = seat->ledger;
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = ledger->path },
        { .verb = KEEPER_GET, .path = seat->path },
    };
    const size_t skipped[] = {
        [READ_ALONE] = 2, [READ_WITH_OTHERS] = 1, [READ_BEHIND_BARRIER] = 0
    };

    int status = flight_send(&seat->reading, ledger->client, requests + skipped[how],
                             3 - skipped[how], seat_landed);
    if (status != LK_OK) {
        seat_fail(seat, status);
        return;
    }
    ledger->reading_count++;
    seat->state = SEAT_READING;
    seat->has_barrier = how == READ_BEHIND_BARRIER;
    ledger->barrier_count += seat->has_barrier;
    bool follows = ledger->campaign_state == CAMPAIGN_ASKED;
    seat->true_from_now = how != READ_ALONE ? ledger->ticket : follows ? ledger->entered_at : 0;
}

/* A barrier is a commit. Who needs one while some are under way waits for the next, and all who wait
 * share it: what is sent behind it in the same breath is read behind it. */
static void ledger_read_seats(struct lk_ledger *ledger)
{
    bool has_barrier = false;

    list_for_each_safe (node, &ledger->waiting) {
        struct seat *seat = container_of(node, struct seat, node);
        if (ledger->reading_count >= SEATS_READING_MAX)
            break;
        if (!seat_needs_reading(seat))
            continue;
        if (!seat->must_read)
            seat_read(seat, READ_ALONE);
        else if (has_barrier)
            seat_read(seat, READ_WITH_OTHERS);
        else if (ledger->barrier_count < BARRIERS_MAX)
            seat_read(seat, READ_BEHIND_BARRIER);
        has_barrier = has_barrier || (seat->state == SEAT_READING && seat->has_barrier);
    }
}

/* ---- what happens next ---- */

static void pause_over(struct timer *timer)
{
    struct lk_ledger *ledger = container_of(timer, struct lk_ledger, pause);

    ledger->pausing = false;
    ledger_pump(ledger);
}

/* Others write where we do. Meet them less: take another shard, and from the third time on wait a
 * little, by chance. */
void ledger_conflict(struct lk_ledger *ledger)
{
    unsigned conflicts = ++ledger->conflicts;

    if (conflicts >= 2 && ledger->campaign.rules.shards)
        ledger->home = client_random(ledger->client) % ledger->campaign.rules.shards;
    if (conflicts < 3)
        return;
    int64_t most_ns = MS << (conflicts < 9 ? conflicts - 3 : 6);
    int64_t pause_ns = (int64_t)(client_random(ledger->client) % (uint64_t)most_ns);
    ledger->pausing = true;
    timer_set(ledger->client, &ledger->pause, client_now(ledger->client) + pause_ns, pause_over);
}

bool seat_begins_with_claim(const struct seat *seat)
{
    const struct job *first = container_of(seat->jobs.next, struct job, node);
    return first->body.verb == LK_LEDGER_CLAIM;
}

/* A claim takes its user for a new one until it learns better: most are, and then one multi does it
 * all. */
bool seat_needs_reading(const struct seat *seat)
{
    if (seat->state != SEAT_UNKNOWN || list_is_empty(&seat->jobs))
        return false;
    return seat->must_read || !seat_begins_with_claim(seat);
}

static void ledger_step(struct lk_ledger *ledger)
{
    if (list_is_empty(&ledger->waiting))
        return;
    if (ledger->campaign_state == CAMPAIGN_UNKNOWN)
        campaign_ask(ledger);
    ledger_read_seats(ledger);
    if (ledger->campaign_state == CAMPAIGN_KNOWN && !ledger->pausing)
        commit_round(ledger);
}

void ledger_pump(struct lk_ledger *ledger)
{
    if (ledger->pumping) {
        ledger->pump_again = true;
        return;
    }
    ledger->pumping = true;
    do {
        ledger->pump_again = false;
        ledger_step(ledger);
    } while (ledger->pump_again);
    ledger->pumping = false;
}

/* ---- operations ---- */

/* Deadline, cancel, close: what is on its way may still be applied. */
static int job_withdraw(struct op *op, int status)
{
    struct job *job = container_of(op, struct job, op);

    list_remove(&job->node);
    if (job->writes || job->unsettled)
        status = LK_E_UNKNOWN;
    else if (status == LK_E_DEADLINE && client_session_id(job->ledger->client) == 0)
        status = LK_E_NO_SERVER;
    job->result = (lk_ledger_result){ .status = status, .id = job->body.id };
    seat_settle(job->seat);
    return status;
}

static void job_choose_id(struct job *job)
{
    lk_client *client = job->ledger->client;

    if (!id_is_none(job->body.id))
        return;
    /* By the server's time where it is known: an account compares the ages of ids from many
     * machines. */
    int64_t now_ms = job->ledger->time.told ? ledger_now_ms(job->ledger) : client_wall_ms(client);
    uint64_t a = client_random(client), b = client_random(client);
    job->body.id = id_make(now_ms, a, b);
}

/* What a seat waits for is under way, and will pump when it lands. Looking at all that wait for
 * each that comes would make a thousand that come together cost a million looks. */
static bool seat_waits_for_others(const struct seat *seat)
{
    const struct lk_ledger *ledger = seat->ledger;

    if (seat_needs_reading(seat))
        return seat->must_read && ledger->barrier_count >= BARRIERS_MAX;
    return ledger->campaign_state == CAMPAIGN_ASKED
           || (seat_begins_with_claim(seat) && ledger->stock_state != STOCK_IDLE);
}

/* LK_OK: the operation has begun. The body's form has been checked. */
static int job_begin(struct job *job, int64_t deadline_ns,
                     void (*deliver)(struct callback *callback))
{
    struct lk_ledger *ledger = job->ledger;
    struct seat *seat = seat_find(ledger, job->body.user);

    if (!seat)
        seat = seat_add(ledger, job->body.user);
    if (!seat)
        return LK_E_NOMEM;
    seat_wait(seat);
    op_begin(ledger->client, &job->op, deadline_ns, job_withdraw, deliver);
    job->seat = seat;
    job->ticket = ++ledger->ticket;
    list_append(&seat->jobs, &job->node);
    if (!seat_waits_for_others(seat))
        ledger_pump(ledger);
    return LK_OK;
}

int lk_ledger_do(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                 lk_ledger_result *out)
{
    if (!ledger || !op || !out)
        return LK_E_INVALID;
    struct job job = { .ledger = ledger, .body = *op };
    *out = (lk_ledger_result){ .status = ledger_op_check(op), .id = op->id };
    if (out->status != LK_OK)
        return out->status;
    out->status = client_enter(ledger->client);
    if (out->status != LK_OK)
        return out->status;
    job_choose_id(&job);
    int status = op_may_wait(ledger->client);
    if (status == LK_OK)
        status = job_begin(&job, deadline_ns, NULL);
    if (status == LK_OK) {
        op_wait(&job.op);
        *out = job.result;
    } else {
        *out = (lk_ledger_result){ .status = status, .id = job.body.id };
    }
    client_leave(ledger->client);
    return out->status;
}

static void job_deliver(struct callback *callback)
{
    struct job *job = container_of(container_of(callback, struct op, callback), struct job, op);

    job->done(&job->result, job->arg);
    free(job);
}

static struct job *job_new(struct lk_ledger *ledger, const lk_ledger_op *op)
{
    size_t user_size = strlen(op->user) + 1, order_size = op->order ? strlen(op->order) + 1 : 0;
    struct job *job = calloc(1, sizeof(*job) + user_size + order_size);

    if (!job)
        return NULL;
    job->ledger = ledger;
    job->body = *op;
    job->body.user = memcpy(job->texts, op->user, user_size);
    if (op->order)
        job->body.order = memcpy(job->texts + user_size, op->order, order_size);
    return job;
}

int lk_ledger_do_start(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                       lk_ledger_done_fn *done, void *arg, lk_op *out_op)
{
    if (!ledger || !op || !done || ledger_op_check(op) != LK_OK)
        return LK_E_INVALID;
    return ledger_start(ledger, op, deadline_ns, done, arg, out_op);
}

int ledger_start(struct lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                 lk_ledger_done_fn *done, void *arg, lk_op *out_op)
{
    struct job *job = job_new(ledger, op);
    if (!job)
        return LK_E_NOMEM;
    job->done = done;
    job->arg = arg;
    int status = client_enter(ledger->client);
    if (status != LK_OK) {
        free(job);
        return status;
    }
    job_choose_id(job);
    status = job_begin(job, deadline_ns, job_deliver);
    if (status != LK_OK)
        free(job);
    else if (out_op)
        out_op->id = job->op.id;
    client_leave(ledger->client);
    return status;
}
