/* change.c - every change of a grant is told, in order, also when there is no memory for the telling: then the last one
 * takes the place that each holder keeps for it. */
#include <stdlib.h>

#include "line/holder.h"

static void change_run(struct callback *callback)
{
    struct change *change = container_of(callback, struct change, callback);

    change->fn(&change->change, change->arg);
    free(change);
}

static void change_forget(struct callback *callback)
{
    free(container_of(callback, struct change, callback));
}

/* The holder can't be freed by another thread while its callback runs; by this one it can, so it is not touched after. */
static void spare_run(struct callback *callback)
{
    struct change *spare = container_of(callback, struct change, callback);
    struct holder *holder = spare->holder;

    client_enter_closed(holder->client);
    struct change copy = *spare;
    holder->spare_is_queued = false;
    client_leave(holder->client);
    copy.fn(&copy.change, copy.arg);
}

static void spare_forget(struct callback *callback)
{
    container_of(callback, struct change, callback)->holder->spare_is_queued = false;
}

static struct change *change_new(struct holder *holder)
{
    struct change *change = calloc(1, sizeof *change);

    if (change) {
        change->callback = (struct callback){ .owner = holder, .run = change_run, .forget = change_forget };
        return change;
    }
    if (holder->spare_is_queued)
        list_remove(&holder->spare.callback.node); /* what it said is overtaken */
    holder->spare_is_queued = true;
    holder->spare = (struct change){
        .callback = { .owner = holder, .run = spare_run, .forget = spare_forget },
        .holder = holder,
    };
    return &holder->spare;
}

void holder_change(struct holder *holder, lk_grant_state state, int reason)
{
    if (holder->state == state)
        return;
    holder->state = state;
    if (!holder->on_change || holder->freed)
        return;
    struct change *change = change_new(holder);
    change->fn = holder->on_change;
    change->arg = holder->on_change_arg;
    change->change = (lk_grant_change){ .state = state, .reason = reason };
    if (state != LK_IDLE && state != LK_WAITING)
        change->change.fence = holder->fence;
    callback_post(holder->client, &change->callback);
}
