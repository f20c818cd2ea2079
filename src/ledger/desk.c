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

void job_refuse(struct job *job, int status)
{
    result_clear(job->result, job->body.id);
    job->result->status = status;
}

static void job_leave(struct job *job, int status)
{
    list_remove(&job->node);
    if (job->chain) {
        job->chain->is_over = true;
        list_remove(&job->chain->node);
    }
    job->ledger->job_count--;
    job->result->id = job->body.id;
    job->result->status = status;
}

void job_finish(struct job *job, int status)
{
    job_leave(job, status);
    if (job->batch)
        batch_job_done(job);
    else
        op_done(&job->op, status);
}

void job_fail(struct job *job, int status)
{
    struct chain *chain = job->chain;

    /* Without a campaign there is no seal, and nothing can be applied any more. */
    if (job->unsettled && status != LK_E_NOT_FOUND)
        status = LK_E_UNKNOWN;
    result_clear(job->result, job->body.id);
    list_remove(&job->node);
    if (chain && !chain->is_over)
        chain_break(chain, status);
    job_finish(job, status);
}

int deadline_status(const lk_client *client)
{
    bool no_server = client_session_id(client) == 0 && client_waits_for_server(client);
    return no_server ? LK_E_NO_SERVER : LK_E_DEADLINE;
}

/* Deadline, cancel, close: what is on its way may still be applied. */
int job_withdraw(struct job *job, int status)
{
    if (job->writes || job->unsettled)
        status = LK_E_UNKNOWN;
    else if (status == LK_E_DEADLINE)
        status = deadline_status(job->ledger->client);
    result_clear(job->result, job->body.id);
    job_leave(job, status);
    seat_place(job->seat);
    return status;
}

static int job_op_withdraw(struct op *op, int status)
{
    return job_withdraw(container_of(op, struct job, op), status);
}

static bool job_is_failed_by(const struct job *job, uint64_t ticket, bool claims_only)
{
    return job->ticket <= ticket && (!claims_only || job->body.verb == LK_LEDGER_CLAIM);
}

/* A failure may take others of its chain along: begin anew after each. */
static void seat_fail_some(struct seat *seat, int status, uint64_t ticket, bool claims_only)
{
    struct job *found;

    do {
        found = NULL;
        list_for_each (node, &seat->jobs) {
            struct job *job = container_of(node, struct job, node);
            if (!job_is_failed_by(job, ticket, claims_only))
                continue;
            found = job;
            break;
        }
        if (found)
            job_fail(found, status);
    } while (found);
    seat_place(seat);
}

static void ledger_fail_some(struct lk_ledger *ledger, int status, uint64_t ticket,
                             bool claims_only)
{
    struct seat *seat, *next;

    HASH_ITER(hh, ledger->seats, seat, next)
    {
        /* What is being written has an answer of its own on the way. */
        if (seat->state != SEAT_WRITING && !list_is_empty(&seat->jobs))
            seat_fail_some(seat, status, ticket, claims_only);
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

/* ---- what happens next ---- */

static void pause_over(struct timer *timer)
{
    struct lk_ledger *ledger = container_of(timer, struct lk_ledger, pause);

    ledger->pausing = false;
    ledger_pump(ledger);
}

int64_t conflict_pause_ns(lk_client *client, unsigned conflicts)
{
    if (conflicts < 3)
        return -1;
    uint64_t most_ns = (uint64_t)MS << (conflicts < 9 ? conflicts - 3 : 6);
    return (int64_t)(client_random(client) % most_ns);
}

void ledger_conflict(struct lk_ledger *ledger)
{
    int64_t pause_ns = conflict_pause_ns(ledger->client, ++ledger->conflicts);

    ledger->stats.conflicts++;
    if (pause_ns < 0)
        return;
    ledger->pausing = true;
    timer_set(ledger->client, &ledger->pause, client_now(ledger->client) + pause_ns, pause_over);
}

static void ledger_step(struct lk_ledger *ledger)
{
    if (ledger->job_count == 0)
        return;
    if (ledger->campaign_state == CAMPAIGN_UNKNOWN)
        campaign_ask(ledger);
    /* A round may leave seats that must be read: what stood first at them has failed. What is judged
     * without a connection could not be withdrawn any more, though it was never sent. */
    do
        seats_read(ledger);
    while (ledger->campaign_state == CAMPAIGN_KNOWN && !ledger->pausing
           && !client_waits_for_server(ledger->client) && round_run(ledger));
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
    seats_evict(ledger);
}

/* ---- operations ---- */

void job_choose_id(struct job *job)
{
    lk_client *client = job->ledger->client;

    if (!id_is_none(job->body.id))
        return;
    /* By the server's time where it is known: an account compares the ages of ids from many
     * machines. */
    struct lk_ledger *ledger = job->ledger;
    int64_t now_ms = ledger->time.told ? ledger_now_ms(ledger) : client_wall_ms(client);
    job->id_is_early = !ledger->time.told;
    /* Chance is drawn once a millisecond; what is made in the same one counts on from there. */
    if (id_is_none(ledger->last_id) || id_time_ms(ledger->last_id) != now_ms) {
        uint64_t a = client_random(client), b = client_random(client);
        ledger->last_id = id_make(now_ms, a, b);
    } else {
        ledger->last_id = id_next(ledger->last_id);
    }
    job->body.id = ledger->last_id;
}

int job_enqueue(struct job *job)
{
    struct lk_ledger *ledger = job->ledger;

    job->seat = seat_of(ledger, job->body.user);
    if (!job->seat)
        return LK_E_NOMEM;
    job->ticket = ++ledger->ticket;
    ledger->job_count++;
    list_append(&job->seat->jobs, &job->node);
    return LK_OK;
}

void job_renew_id(struct job *job)
{
    if (!job->id_is_early)
        return;
    job->body.id = LK_ID_NONE;
    job_choose_id(job);
    job->id_is_early = false;
}

/* LK_OK: the operation has begun. The body's form has been checked. */
static int job_begin(struct job *job, int64_t deadline_ns,
                     void (*deliver)(struct callback *callback))
{
    int status = job_enqueue(job);

    if (status != LK_OK)
        return status;
    op_begin(job->ledger->client, &job->op, deadline_ns, job_op_withdraw, deliver);
    if (deadline_ns <= client_now(job->ledger->client))
        op_end(&job->op, LK_E_DEADLINE);
    else
        seat_place(job->seat);
    ledger_pump(job->ledger);
    return LK_OK;
}

int lk_ledger_do(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                 lk_ledger_result *out)
{
    if (!ledger || !op || !out)
        return LK_E_INVALID;
    struct job job = { .ledger = ledger, .body = *op, .result = out };
    result_clear(out, op->id);
    out->status = ledger_op_check(op);
    if (out->status != LK_OK)
        return out->status;
    out->status = client_enter(ledger->client);
    if (out->status != LK_OK)
        return out->status;
    job_choose_id(&job);
    int status = op_may_wait(ledger->client);
    if (status == LK_OK)
        status = job_begin(&job, deadline_ns, NULL);
    if (status == LK_OK)
        op_wait(&job.op);
    else
        job_refuse(&job, status);
    client_leave(ledger->client);
    return out->status;
}

struct async {
    struct job job;
    lk_ledger_result result;
    char texts[]; /* user, order */
};

static void async_deliver(struct callback *callback)
{
    struct job *job = container_of(container_of(callback, struct op, callback), struct job, op);

    job->done(job->result, job->arg);
    free(container_of(job, struct async, job));
}

static struct async *async_new(struct lk_ledger *ledger, const lk_ledger_op *op)
{
    size_t user_size = strlen(op->user) + 1, order_size = op->order ? strlen(op->order) + 1 : 0;
    struct async *async = malloc(sizeof(*async) + user_size + order_size);

    if (!async)
        return NULL;
    result_clear(&async->result, op->id);
    async->job = (struct job){ .ledger = ledger, .body = *op, .result = &async->result };
    async->job.body.user = memcpy(async->texts, op->user, user_size);
    if (op->order)
        async->job.body.order = memcpy(async->texts + user_size, op->order, order_size);
    return async;
}

int lk_ledger_do_start(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                       lk_ledger_done_fn *done, void *arg, lk_op *out_op)
{
    if (!ledger || !op || !done || ledger_op_check(op) != LK_OK)
        return LK_E_INVALID;
    struct async *async = async_new(ledger, op);
    if (!async)
        return LK_E_NOMEM;
    async->job.done = done;
    async->job.arg = arg;
    int status = client_enter(ledger->client);
    if (status != LK_OK) {
        free(async);
        return status;
    }
    job_choose_id(&async->job);
    status = job_begin(&async->job, deadline_ns, async_deliver);
    if (status != LK_OK)
        free(async);
    else if (out_op)
        out_op->id = async->job.op.id;
    client_leave(ledger->client);
    return status;
}
