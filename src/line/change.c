/* change.c - every change of a grant is told, in order. Without memory for the telling the last one
 * takes a place that each holder keeps for it, so that at least what is true now is told. */
#include <stdlib.h>

#include "line/holder.h"

static void change_run(struct callback *callback)
{
    struct telling *change = container_of(callback, struct telling, callback);

    change->fn(&change->change, change->arg);
    free(change);
}

static void change_forget(struct callback *callback)
{
    free(container_of(callback, struct telling, callback));
}

/* The holder can't be freed by another thread while its callback runs; by this one it can, so it is
 * not touched after. */
static void spare_run(struct callback *callback)
{
    struct telling *spare = container_of(callback, struct telling, callback);
    struct holder *holder = spare->holder;

    if (client_enter_closed(holder->client) != LK_OK)
        return;
    struct telling copy = *spare;
    spare->is_busy = false;
    client_leave(holder->client);
    copy.fn(&copy.change, copy.arg);
}

static void spare_forget(struct callback *callback)
{
    container_of(callback, struct telling, callback)->is_busy = false;
}

/* One that waits is told anew, behind what was queued since: the older change goes untold. One that
 * was taken from the queue is about to run as it is; but no two are, since callbacks run one at a
 * time. */
static struct telling *spare_take(struct holder *holder)
{
    for (size_t i = 0; i < 2; i++)
        if (list_is_linked(&holder->spares[i].callback.node))
            return &holder->spares[i];
    return &holder->spares[holder->spares[0].is_busy];
}

static void spare_post(struct holder *holder, const lk_grant_change *change)
{
    struct telling *spare = spare_take(holder);

    list_remove(&spare->callback.node);
    *spare = (struct telling){
        .callback = { .owner = holder, .run = spare_run, .forget = spare_forget },
        .holder = holder,
        .is_busy = true,
        .fn = holder->on_change,
        .arg = holder->on_change_arg,
        .change = *change,
    };
    callback_post(holder->client, &spare->callback);
}

static void change_post(struct holder *holder, const lk_grant_change *change)
{
    struct telling *copy = malloc(sizeof *copy);

    if (!copy) {
        spare_post(holder, change);
        return;
    }
    *copy = (struct telling){
        .callback = { .owner = holder, .run = change_run, .forget = change_forget },
        .fn = holder->on_change,
        .arg = holder->on_change_arg,
        .change = *change,
    };
    callback_post(holder->client, &copy->callback);
}

void holder_change(struct holder *holder, lk_grant_state state, int reason)
{
    lk_grant_change change = { .state = state, .reason = reason };

    if (holder->state == state)
        return;
    holder->state = state;
    if (state != LK_IDLE && state != LK_WAITING)
        change.fence = holder->fence;
    if (holder->on_change && !holder->freed)
        change_post(holder, &change);
}

/* ---- asked to let go ---- */

struct asking {
    struct callback callback;
    lk_revoke_fn *fn;
    void *arg;
};

static void asking_run(struct callback *callback)
{
    struct asking *asking = container_of(callback, struct asking, callback);

    asking->fn(asking->arg);
    free(asking);
}

static void asking_forget(struct callback *callback)
{
    free(container_of(callback, struct asking, callback));
}

/* Without memory it goes unheard: whoever asked may ask again. */
void holder_asked(struct place *place)
{
    struct holder *holder = container_of(place, struct holder, place);
    struct asking *asking = holder->on_revoke ? malloc(sizeof *asking) : NULL;

    if (!asking)
        return;
    *asking = (struct asking){
        .callback = { .owner = holder, .run = asking_run, .forget = asking_forget },
        .fn = holder->on_revoke,
        .arg = holder->on_revoke_arg,
    };
    callback_post(holder->client, &asking->callback);
}
