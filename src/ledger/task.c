/* task.c - one request about a whole campaign, see task.h. */
#include "ledger/task.h"

static int task_withdraw(struct op *op, int status)
{
    struct task *task = container_of(op, struct task, op);
    lk_client *client = task->ledger->client;

    flight_drop(&task->flight);
    timer_stop(client, &task->pause);
    list_remove(&task->node);
    if (task->unsettled)
        return LK_E_UNKNOWN;
    return status == LK_E_DEADLINE ? deadline_status(client) : status;
}

/* False: its deadline has passed. */
static bool task_begin(struct task *task, struct lk_ledger *ledger, int64_t deadline_ns)
{
    task->ledger = ledger;
    op_begin(ledger->client, &task->op, deadline_ns, task_withdraw, NULL);
    list_append(&ledger->tasks, &task->node);
    if (deadline_ns > client_now(ledger->client))
        return true;
    op_end(&task->op, LK_E_DEADLINE);
    return false;
}

int task_run(struct task *task, struct lk_ledger *ledger, int64_t deadline_ns,
             void (*start)(struct task *task))
{
    int status = client_enter(ledger->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(ledger->client);
    if (status == LK_OK) {
        task->unsettled = false;
        if (task_begin(task, ledger, deadline_ns))
            start(task);
        status = op_wait(&task->op);
    }
    client_leave(ledger->client);
    return status;
}

void task_finish(struct task *task, int status)
{
    list_remove(&task->node);
    op_done(&task->op, status);
}

void task_send(struct task *task, const struct keeper_request *requests, size_t count,
               void (*landed)(struct flight *flight))
{
    int status = flight_send(&task->flight, task->ledger->client, requests, count, landed);

    if (status != LK_OK)
        task_finish(task, task->unsettled ? LK_E_UNKNOWN : status);
}

static void fly_landed(struct flight *flight)
{
    task_finish(container_of(flight, struct task, flight), LK_OK);
}

int task_fly(struct task *task, struct lk_ledger *ledger, const struct keeper_request *requests,
             size_t count, int64_t deadline_ns)
{
    int status = client_enter(ledger->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(ledger->client);
    if (status == LK_OK) {
        if (task_begin(task, ledger, deadline_ns))
            task_send(task, requests, count, fly_landed);
        status = op_wait(&task->op);
    }
    client_leave(ledger->client);
    return status;
}

static int task_session(const struct lk_ledger *ledger, int64_t *out)
{
    int status = client_enter(ledger->client);
    if (status != LK_OK)
        return status;
    *out = client_session_id(ledger->client);
    client_leave(ledger->client);
    return LK_OK;
}

int task_look(struct task *task, struct lk_ledger *ledger, const struct keeper_request *requests,
              size_t count, int64_t deadline_ns)
{
    int64_t before = 0, after = 0;
    int status;

    do {
        status = task_session(ledger, &before);
        if (status == LK_OK)
            status = task_fly(task, ledger, requests, count, deadline_ns);
        if (status == LK_OK)
            status = task_session(ledger, &after);
    } while (status == LK_OK && before != after);
    return status;
}

void task_clear(struct task *task)
{
    flight_drop(&task->flight);
}
