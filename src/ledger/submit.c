/* submit.c - many operations in one call, and chains of them. See machine.h.
 *
 * A batch is its jobs, which wait and are judged like any others, and one request of the caller's
 * that ends with the last of them. The jobs of a chain come to their seats in one breath, so of two
 * chains the elder stands before the younger at every seat where both are: the eldest is never held
 * up by another. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

struct batch {
    struct op op;
    struct lk_ledger *ledger;
    size_t count, waiting, chain_count;
    struct job *jobs;
    struct chain *chains;
    lk_ledger_result *results;
    lk_ledger_submitted_fn *done;
    void *arg;
    bool is_copied; /* results and texts are the batch's own */
};

/* ---- chains ---- */

bool chain_is_ready(const struct chain *chain)
{
    if (chain->is_over)
        return false;
    for (size_t i = 0; i < chain->count; i++) {
        const struct seat *seat = chain->jobs[i].seat;
        if (seat->queue != &seat->ledger->held || seat_first(seat)->chain != chain)
            return false;
    }
    return true;
}

void chain_look(struct chain *chain)
{
    if (!list_is_linked(&chain->node) && chain_is_ready(chain))
        list_append(&chain->jobs[0].ledger->chains, &chain->node);
}

void chain_break(struct chain *chain, int cause)
{
    chain->is_over = true;
    for (size_t i = 0; i < chain->count; i++) {
        struct job *job = &chain->jobs[i];
        if (!list_is_linked(&job->node))
            continue;
        /* Nothing of it can be applied any more: see job_fail(). */
        job->unsettled = job->unsettled && cause != LK_E_NOT_FOUND;
        job_fail(job, LK_E_LINKED);
        seat_place(job->seat);
    }
}

/* ---- batches ---- */

static int batch_status(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->results[i].status != LK_OK)
            return batch->results[i].status;
    }
    return LK_OK;
}

void batch_job_done(struct job *job)
{
    struct batch *batch = job->batch;

    if (--batch->waiting == 0)
        op_done(&batch->op, batch_status(batch));
}

static int batch_withdraw(struct op *op, int status)
{
    struct batch *batch = container_of(op, struct batch, op);

    for (size_t i = 0; i < batch->count; i++) {
        if (list_is_linked(&batch->jobs[i].node))
            job_withdraw(&batch->jobs[i], status);
    }
    batch->waiting = 0;
    return batch_status(batch);
}

static size_t batch_text_size(const lk_ledger_op *op)
{
    return (op->user ? strlen(op->user) + 1 : 0) + (op->order ? strlen(op->order) + 1 : 0);
}

static const char *batch_copy_text(const char *text, char **at)
{
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

static void batch_free(struct batch *batch)
{
    if (batch->is_copied)
        free(batch->results);
    free(batch->jobs);
    free(batch);
}

/* Jobs, chains and texts in one piece. */
static bool batch_fill(struct batch *batch, const lk_ledger_op *ops, size_t count)
{
    size_t texts = 0;

    for (size_t i = 0; i < count && batch->is_copied; i++)
        texts += batch_text_size(&ops[i]);
    batch->jobs = malloc(count * (sizeof(*batch->jobs) + sizeof(*batch->chains)) + texts + 1);
    if (!batch->jobs)
        return false;
    batch->chains = (struct chain *)(batch->jobs + count);
    batch->count = batch->waiting = count;
    char *at = (char *)(batch->chains + count);
    for (size_t i = 0; i < count; i++) {
        struct job *job = &batch->jobs[i];
        *job = (struct job){
            .batch = batch, .ledger = batch->ledger, .body = ops[i], .result = &batch->results[i]
        };
        if (batch->is_copied) {
            job->body.user = batch_copy_text(ops[i].user, &at);
            job->body.order = batch_copy_text(ops[i].order, &at);
        }
    }
    return true;
}

/* Where the chain that begins here ends: behind its last one. */
static size_t chain_end(const lk_ledger_op *ops, size_t count, size_t first)
{
    size_t end = first;

    while (end < count && ops[end].linked)
        end++;
    return end < count ? end + 1 : count;
}

static bool chain_is_sound(const lk_ledger_op *ops, size_t first, size_t end)
{
    if (end - first > LK_CHAIN_MAX || ops[end - 1].linked)
        return false;
    for (size_t i = first; i < end; i++) {
        if (ledger_op_check(&ops[i]) != LK_OK)
            return false;
    }
    return true;
}

static struct batch *batch_new(struct lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                               lk_ledger_result *results)
{
    bool is_countable = count < SIZE_MAX / (sizeof(*results) + sizeof(struct job));
    struct batch *batch = is_countable ? calloc(1, sizeof(*batch)) : NULL;

    if (!batch)
        return NULL;
    batch->ledger = ledger;
    batch->is_copied = !results;
    batch->results = results ? results : malloc((count + 1) * sizeof(*results));
    if (!batch->results || !batch_fill(batch, ops, count)) {
        batch_free(batch);
        return NULL;
    }
    return batch;
}

static void batch_refuse(struct batch *batch, size_t first, size_t end, int status)
{
    for (size_t i = first; i < end; i++) {
        job_refuse(&batch->jobs[i], status);
        batch->waiting--;
    }
}

/* All of a chain to their seats, or none of it. */
static int batch_enqueue(struct batch *batch, size_t first, size_t end)
{
    struct chain *chain = end - first > 1 ? &batch->chains[batch->chain_count++] : NULL;

    if (chain)
        *chain = (struct chain){ .jobs = &batch->jobs[first], .count = end - first };
    for (size_t i = first; i < end; i++) {
        struct job *job = &batch->jobs[i];
        job_choose_id(job);
        job->chain = chain;
        result_clear(job->result, job->body.id);
        if (job_enqueue(job) == LK_OK)
            continue;
        while (i-- > first)
            job_withdraw(&batch->jobs[i], LK_E_NOMEM);
        return LK_E_NOMEM;
    }
    return LK_OK;
}

static void batch_begin(struct batch *batch, const lk_ledger_op *ops, int64_t deadline_ns,
                        void (*deliver)(struct callback *callback))
{
    op_begin(batch->ledger->client, &batch->op, deadline_ns, batch_withdraw, deliver);
    for (size_t first = 0, end; first < batch->count; first = end) {
        end = chain_end(ops, batch->count, first);
        int status = chain_is_sound(ops, first, end) ? batch_enqueue(batch, first, end)
                                                     : LK_E_INVALID;
        if (status != LK_OK)
            batch_refuse(batch, first, end, status);
    }
    if (batch->waiting == 0) {
        op_done(&batch->op, batch_status(batch));
        return;
    }
    if (deadline_ns <= client_now(batch->ledger->client))
        op_end(&batch->op, LK_E_DEADLINE);
    for (size_t i = 0; i < batch->count; i++) {
        if (list_is_linked(&batch->jobs[i].node))
            seat_place(batch->jobs[i].seat);
    }
    ledger_pump(batch->ledger);
}

int lk_ledger_submit(lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                     lk_ledger_result *results, int64_t deadline_ns)
{
    if (!ledger || (count && (!ops || !results)))
        return LK_E_INVALID;
    if (count == 0)
        return LK_OK;
    struct batch *batch = batch_new(ledger, ops, count, results);
    int status = batch ? client_enter(ledger->client) : LK_E_NOMEM;
    if (status == LK_OK) {
        status = op_may_wait(ledger->client);
        if (status == LK_OK) {
            batch_begin(batch, ops, deadline_ns, NULL);
            status = op_wait(&batch->op);
            client_leave(ledger->client);
            batch_free(batch);
            return status;
        }
        client_leave(ledger->client);
    }
    for (size_t i = 0; i < count; i++) {
        result_clear(&results[i], ops[i].id);
        results[i].status = status;
    }
    if (batch)
        batch_free(batch);
    return status;
}

static void batch_deliver(struct callback *callback)
{
    struct batch *batch = container_of(container_of(callback, struct op, callback), struct batch,
                                       op);

    batch->done(batch->results, batch->count, batch->arg);
    batch_free(batch);
}

int lk_ledger_submit_start(lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                           int64_t deadline_ns, lk_ledger_submitted_fn *done, void *arg,
                           lk_op *out_op)
{
    if (!ledger || !done || (count && !ops))
        return LK_E_INVALID;
    struct batch *batch = batch_new(ledger, ops, count, NULL);
    int status = batch ? client_enter(ledger->client) : LK_E_NOMEM;
    if (status != LK_OK) {
        if (batch)
            batch_free(batch);
        return status;
    }
    batch->done = done;
    batch->arg = arg;
    batch_begin(batch, ops, deadline_ns, batch_deliver);
    if (out_op)
        out_op->id = batch->op.id;
    client_leave(ledger->client);
    return LK_OK;
}
