/* op.c - a public request: completed exactly once, by its end, its deadline, its caller or the
 * closing client. */
#include "session/engine.h"

void op_end(struct op *op, int status)
{
    op_done(op, op->withdraw(op, status));
}

static void op_deadline(struct timer *timer)
{
    op_end(container_of(timer, struct op, deadline), LK_E_DEADLINE);
}

static void op_forget(struct callback *callback)
{
    (void)callback; /* callbacks of operations have no owner: nobody can take them out */
}

void op_begin(lk_client *client, struct op *op, int64_t deadline_ns,
              int (*withdraw)(struct op *op, int status),
              void (*deliver)(struct callback *callback))
{
    *op = (struct op){
        .client = client,
        .id = ++client->last_op_id,
        .withdraw = withdraw,
        .callback = { .run = deliver, .forget = op_forget },
    };
    if (!deliver)
        condition_init(&op->wake);
    list_append(&client->ops, &op->node);
    if (deadline_ns != LK_FOREVER)
        timer_set(client, &op->deadline, deadline_ns, op_deadline);
}

void op_done(struct op *op, int status)
{
    list_remove(&op->node);
    timer_stop(op->client, &op->deadline);
    op->status = status;
    op->done = true;
    if (op->ended) {
        pthread_cond_destroy(&op->wake);
        op->ended(op);
    } else if (op->callback.run) {
        callback_post(op->client, &op->callback);
    } else {
        pthread_cond_signal(&op->wake);
    }
}

bool op_wait_until(struct op *op, int64_t deadline_ns)
{
    lk_client *client = op->client;
    bool is_late = false;

    ticker_arm(client);
    while (!op->done && !is_late)
        is_late = !condition_wait(client, &op->wake, deadline_ns);
    if (op->done)
        pthread_cond_destroy(&op->wake);
    bool is_over = op->done;
    /* As on entering: what is due comes before what this thread will do with the answer. */
    if (!client->closing)
        timers_run(client);
    return is_over;
}

int op_wait(struct op *op)
{
    (void)op_wait_until(op, LK_FOREVER);
    return op->status;
}

void ops_close(lk_client *client)
{
    while (!list_is_empty(&client->ops))
        op_end(container_of(client->ops.next, struct op, node), LK_E_CLOSED);
}

void lk_cancel(lk_client *client, lk_op name)
{
    if (!client || client_enter(client) != LK_OK)
        return;
    list_for_each_safe (node, &client->ops) {
        struct op *op = container_of(node, struct op, node);
        if (op->id == name.id) {
            op_end(op, LK_E_CANCELLED);
            break;
        }
    }
    client_leave(client);
}
