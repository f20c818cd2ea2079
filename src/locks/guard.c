/* guard.c - a transaction that the servers apply only while grants hold: one multi, in which a
 * check of each grant's own znode stands before the operations.
 *
 * It goes out at once or not at all. After an outage a znode's name can be another's (leave.c), and
 * the check, which knows only names, would find that one. */
#include <latchkey/guard.h>

#include <stdlib.h>
#include <string.h>

#include "line/holder.h"
#include "session/flight.h"

struct lk_guard {
    lk_client *client; /* a reference */
    struct flight flight;
    struct keeper_request *operations; /* own their path and data */
    lk_guard_result *results;          /* as many */
    size_t count, capacity;
    struct holder **holders;
    char **nodes; /* of them, as they were sent: a holder may be freed by the time of the answer */
    size_t holder_count;
    struct commit *commit; /* under way */
    bool is_committed;
};

/* The one commit of a guard. */
struct commit {
    struct op op;
    lk_guard *guard;
    lk_done_fn *done;
    void *arg;
};

/* ---- building ---- */

int lk_guard_new(lk_guard **out, lk_client *client)
{
    if (!out || !client)
        return LK_E_INVALID;
    lk_guard *guard = calloc(1, sizeof(*guard));
    if (!guard)
        return LK_E_NOMEM;
    guard->client = client_ref(client);
    *out = guard;
    return LK_OK;
}

static void guard_forget_nodes(lk_guard *guard)
{
    for (size_t i = 0; guard->nodes && i < guard->holder_count; i++)
        free(guard->nodes[i]);
    free(guard->nodes);
    guard->nodes = NULL;
}

static void guard_empty(lk_guard *guard)
{
    flight_drop(&guard->flight);
    for (size_t i = 0; i < guard->count; i++) {
        free((char *)guard->operations[i].path);
        free((void *)guard->operations[i].data);
    }
    guard_forget_nodes(guard);
    free(guard->operations);
    free(guard->results);
    free(guard->holders);
    *guard = (lk_guard){ .client = guard->client };
}

int lk_guard_hold(lk_guard *guard, lk_grant *grant)
{
    struct holder *holder = grant_holder(grant);

    if (!guard || !holder || holder->client != guard->client)
        return LK_E_INVALID;
    if (guard->is_committed)
        return LK_E_STATE;
    struct holder **holders = realloc(guard->holders,
                                      (guard->holder_count + 1) * sizeof(struct holder *));
    if (!holders)
        return LK_E_NOMEM;
    guard->holders = holders;
    holders[guard->holder_count++] = holder;
    return LK_OK;
}

static bool guard_grows(lk_guard *guard)
{
    size_t capacity = guard->capacity ? 2 * guard->capacity : 8;

    if (guard->count < guard->capacity)
        return true;
    struct keeper_request *operations = realloc(guard->operations, capacity * sizeof(*operations));
    if (!operations)
        return false;
    guard->operations = operations;
    lk_guard_result *results = realloc(guard->results, capacity * sizeof(*results));
    if (!results)
        return false;
    guard->results = results;
    guard->capacity = capacity;
    return true;
}

static int guard_add(lk_guard *guard, const char *path, const void *data,
                     struct keeper_request operation)
{
    char *full = NULL;
    void *copy = NULL;

    if (!guard || !path || (!data && operation.data_size))
        return LK_E_INVALID;
    if (guard->is_committed)
        return LK_E_STATE;
    if (guard->count == LK_GUARD_OPS_MAX)
        return LK_E_TOO_LARGE;
    int status = client_path(guard->client, path, &full);
    if (status == LK_OK && operation.data_size && !(copy = malloc(operation.data_size)))
        status = LK_E_NOMEM;
    if (status == LK_OK && !guard_grows(guard))
        status = LK_E_NOMEM;
    if (status != LK_OK) {
        free(full);
        free(copy);
        return status;
    }
    if (copy)
        memcpy(copy, data, operation.data_size);
    operation.path = full;
    operation.data = copy;
    guard->results[guard->count] = (lk_guard_result){ .status = LK_E_STATE };
    guard->operations[guard->count++] = operation;
    return LK_OK;
}

int lk_guard_check(lk_guard *guard, const char *path, int32_t version)
{
    return guard_add(guard, path, NULL,
                     (struct keeper_request){ .verb = KEEPER_CHECK, .version = version });
}

int lk_guard_create(lk_guard *guard, const char *path, const void *data, size_t size)
{
    return guard_add(
        guard, path, data,
        (struct keeper_request){ .verb = KEEPER_CREATE,
                                 .data_size = size,
                                 .mode = KEEPER_PERSISTENT,
                                 .access = guard ? client_access(guard->client) : LK_ACCESS_OPEN });
}

int lk_guard_set(lk_guard *guard, const char *path, const void *data, size_t size, int32_t version)
{
    return guard_add(
        guard, path, data,
        (struct keeper_request){ .verb = KEEPER_SET, .data_size = size, .version = version });
}

int lk_guard_delete(lk_guard *guard, const char *path, int32_t version)
{
    return guard_add(guard, path, NULL,
                     (struct keeper_request){ .verb = KEEPER_DELETE, .version = version });
}

/* ---- the commit ---- */

static int commit_withdraw(struct op *op, int status)
{
    struct commit *commit = container_of(op, struct commit, op);

    flight_drop(&commit->guard->flight);
    for (size_t i = 0; i < commit->guard->count; i++)
        commit->guard->results[i].status = LK_E_UNKNOWN;
    commit->guard->commit = NULL;
    return status == LK_E_CLOSED ? status : LK_E_UNKNOWN;
}

/* The status of the whole; the results have been filled in. */
static int guard_judge(lk_guard *guard, const struct answer *answer)
{
    size_t culprit = answer_culprit(answer);

    if (culprit >= answer->result_count) /* none is named: all is applied, or nobody knows */
        return answer_status(answer);
    return culprit < guard->holder_count /* our own znode, or our right to look at it */
               ? LK_E_LOST
               : guard->results[culprit - guard->holder_count].status;
}

static void commit_landed(struct flight *flight)
{
    lk_guard *guard = container_of(flight, lk_guard, flight);
    struct commit *commit = guard->commit;
    const struct answer *answer = &flight->answers[0];

    for (size_t i = 0; i < guard->count; i++) {
        const size_t at = guard->holder_count + i;
        struct answer one = { .rc = at < answer->result_count ? answer->results[at].rc
                                                              : answer->rc };
        guard->results[i] = (lk_guard_result){ .status = answer_status(&one) };
        if (at < answer->result_count && guard->operations[i].verb == KEEPER_SET)
            guard->results[i].version = answer->results[at].stat.version;
    }
    guard->commit = NULL;
    int status = guard_judge(guard, answer);
    size_t culprit = answer_culprit(answer);
    bool is_gone = culprit < answer->result_count && culprit < guard->holder_count
                   && answer->results[culprit].rc == KEEPER_NO_NODE;
    flight_drop(flight);
    if (is_gone)
        lease_node_gone(guard->client, guard->nodes[culprit]);
    op_done(&commit->op, status);
}

static int guard_refusal(const lk_guard *guard)
{
    if (guard->is_committed)
        return LK_E_STATE;
    if (guard->holder_count + guard->count == 0)
        return LK_E_INVALID;
    for (size_t i = 0; i < guard->holder_count; i++)
        if (!holder_holds(guard->holders[i]))
            return LK_E_LOST;
    if (guard->holder_count > 0 && lease_remaining_ns(guard->client) == 0)
        return LK_E_LOST;
    /* It stands under one of two names (downgrade.c): to miss the one would not be to have lost. */
    for (size_t i = 0; i < guard->holder_count; i++)
        if (guard->holders[i]->place.is_turning)
            return LK_E_STATE;
    return client_is_connected(guard->client) ? LK_OK : LK_E_NO_SERVER;
}

static int guard_note_nodes(lk_guard *guard)
{
    guard->nodes = calloc(guard->holder_count + 1, sizeof(*guard->nodes));
    for (size_t i = 0; guard->nodes && i < guard->holder_count; i++)
        if (!(guard->nodes[i] = strdup(guard->holders[i]->place.node)))
            return LK_E_NOMEM;
    return guard->nodes ? LK_OK : LK_E_NOMEM;
}

static int guard_send(lk_guard *guard)
{
    size_t count = guard->holder_count + guard->count;
    struct keeper_request *operations = calloc(count + 1, sizeof(*operations));

    if (!operations)
        return LK_E_NOMEM;
    for (size_t i = 0; i < guard->holder_count; i++)
        operations[i] = (struct keeper_request){ .verb = KEEPER_CHECK,
                                                 .path = guard->holders[i]->place.node,
                                                 .version = KEEPER_ANY_VERSION };
    if (guard->count)
        memcpy(operations + guard->holder_count, guard->operations,
               guard->count * sizeof(*operations));
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = count };
    int status = flight_send(&guard->flight, guard->client, &multi, 1, commit_landed);
    free(operations);
    return status;
}

/* Inside the monitor. */
static int commit_begin(lk_guard *guard, struct commit *commit, int64_t deadline_ns,
                        void (*deliver)(struct callback *callback))
{
    int status = guard_refusal(guard);

    if (status == LK_OK)
        status = guard_note_nodes(guard);
    if (status == LK_OK)
        status = guard_send(guard);
    if (status != LK_OK) {
        guard_forget_nodes(guard);
        return status;
    }
    guard->is_committed = true;
    guard->commit = commit;
    commit->guard = guard;
    op_begin(guard->client, &commit->op, deadline_ns, commit_withdraw, deliver);
    return LK_OK;
}

int lk_guard_commit(lk_guard *guard, int64_t deadline_ns)
{
    struct commit commit = { 0 };

    if (!guard)
        return LK_E_INVALID;
    int status = client_enter(guard->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(guard->client);
    if (status == LK_OK)
        status = commit_begin(guard, &commit, deadline_ns, NULL);
    if (status == LK_OK)
        status = op_wait(&commit.op);
    client_leave(guard->client);
    return status;
}

static void commit_deliver(struct callback *callback)
{
    struct commit *commit = container_of(container_of(callback, struct op, callback), struct commit,
                                         op);

    commit->done(commit->op.status, commit->arg);
    free(commit);
}

int lk_guard_commit_start(lk_guard *guard, int64_t deadline_ns, lk_done_fn *done, void *arg,
                          lk_op *out_op)
{
    if (!guard || !done)
        return LK_E_INVALID;
    int status = client_enter(guard->client);
    if (status != LK_OK)
        return status;
    struct commit *commit = calloc(1, sizeof(*commit));
    if (commit) {
        commit->done = done;
        commit->arg = arg;
    }
    status = commit ? commit_begin(guard, commit, deadline_ns, commit_deliver) : LK_E_NOMEM;
    if (status != LK_OK)
        free(commit);
    else if (out_op)
        out_op->id = commit->op.id;
    client_leave(guard->client);
    return status;
}

/* ---- afterwards ---- */

/* LK_E_STATE: it was never sent. */
static bool was_refused(lk_guard_result result)
{
    return result.status != LK_OK && result.status != LK_E_CANCELLED
           && result.status != LK_E_UNKNOWN && result.status != LK_E_STATE;
}

const lk_guard_result *lk_guard_results(const lk_guard *guard, size_t *out_count)
{
    if (!guard || !out_count)
        return NULL;
    *out_count = guard->count;
    return guard->results;
}

size_t lk_guard_culprit(const lk_guard *guard)
{
    size_t i = 0;

    while (guard && i < guard->count && !was_refused(guard->results[i]))
        i++;
    return i;
}

int lk_guard_clear(lk_guard *guard)
{
    if (!guard)
        return LK_E_INVALID;
    int status = client_enter_closed(guard->client);
    if (status != LK_OK)
        return status;
    if (guard->commit)
        status = LK_E_STATE;
    else
        guard_empty(guard);
    client_leave(guard->client);
    return status;
}

lk_guard *lk_guard_free(lk_guard *guard)
{
    if (!guard)
        return NULL;
    lk_client *client = guard->client;
    if (client_enter_closed(client) != LK_OK)
        return NULL;
    if (guard->commit)
        op_end(&guard->commit->op, LK_E_UNKNOWN);
    guard_empty(guard);
    free(guard);
    client_leave(client);
    client_unref(client);
    return NULL;
}
