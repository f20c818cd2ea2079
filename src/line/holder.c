/* holder.c - grant states and operations over a place. See holder.h. */
#include "line/holder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

/* ---- changes, told in order ---- */

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

static void holder_change(struct holder *holder, lk_grant_state state, int reason)
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

static bool holder_holds(const struct holder *holder)
{
    return holder->state == LK_HELD || holder->state == LK_SUSPENDED;
}

/* ---- operations ---- */

struct holder_op {
    struct op op;
    struct holder *holder;
    struct list member; /* of holder->watchers or holder->releases */
    lk_done_fn *done;
    void *arg;
};

static void holder_op_deliver(struct callback *callback)
{
    struct op *op = container_of(callback, struct op, callback);
    struct holder_op *operation = container_of(op, struct holder_op, op);

    operation->done(op->status, operation->arg);
    free(operation);
}

static struct holder *op_holder(struct op *op)
{
    return container_of(op, struct holder_op, op)->holder;
}

/* Takes an operation out of the holder, to be ended. */
static struct op *take_op(struct op **at)
{
    struct op *op = *at;
    *at = NULL;
    return op;
}

static void holder_end_all(struct list *operations, int status)
{
    for (struct list *node; (node = list_take(operations)) != NULL;)
        op_done(&container_of(node, struct holder_op, member)->op, status);
}

static int acquire_withdraw(struct op *op, int status)
{
    struct holder *holder = op_holder(op);

    holder->acquire = NULL;
    holder_change(holder, LK_IDLE, status);
    place_leave(&holder->place);
    return status;
}

static int member_withdraw(struct op *op, int status)
{
    list_remove(&container_of(op, struct holder_op, op)->member);
    return status;
}

/* ---- what the place says ---- */

static void holder_granted(struct place *place)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder->fence = (lk_fence){ .zxid = (uint64_t)place->czxid };
    holder_change(holder, LK_HELD, LK_OK);
    if (lease_is_suspended(holder->client))
        holder_change(holder, LK_SUSPENDED, LK_OK);
    if (holder->acquire)
        op_done(take_op(&holder->acquire), LK_OK);
}

static void holder_lease(struct place *place, enum lease_change change)
{
    holder_change(container_of(place, struct holder, place), change == LEASE_SUSPENDED ? LK_SUSPENDED : LK_HELD,
                  LK_OK);
}

static void holder_lost(struct place *place, int reason)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_change(holder, LK_LOST, reason);
    holder_end_all(&holder->watchers, LK_OK);
}

static void holder_refused(struct place *place, int status)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_change(holder, LK_IDLE, status);
    if (holder->acquire)
        op_done(take_op(&holder->acquire), status);
}

static void holder_removed(struct place *place)
{
    holder_end_all(&container_of(place, struct holder, place)->releases, LK_OK);
}

static void holder_stuck(struct place *place, int status)
{
    struct holder *holder = container_of(place, struct holder, place);

    client_log(holder->client, LK_LOG_WARNING, "%s can't be removed: %s", place->node, lk_status_text(status));
    holder_end_all(&holder->releases, status);
}

/* When the user, the server and the threads that waited are all done with it. */
static void holder_destroy_if_over(struct holder *holder)
{
    lk_client *client = holder->client;

    if (!holder->freed || holder->place.state != PLACE_OUT || holder->threads > 0)
        return;
    place_fini(&holder->place);
    free(holder->path);
    free(holder->words);
    free(holder->host);
    free(holder);
    client_unref_later(client);
}

static void holder_left(struct place *place)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_end_all(&holder->releases, LK_OK);
    if (holder->acquire)
        place_join(place, holder->only_if_free);
    else
        holder_destroy_if_over(holder);
}

static const struct place_events holder_events = {
    .granted = holder_granted,
    .lease = holder_lease,
    .lost = holder_lost,
    .refused = holder_refused,
    .removed = holder_removed,
    .stuck = holder_stuck,
    .left = holder_left,
};

/* ---- new and free ---- */

static char *host_name(void)
{
    char name[256] = "";

    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    return strdup(name);
}

static int holder_set_words(struct holder *holder, const void *words, size_t size)
{
    char *copy = malloc(size + 1);

    if (!copy)
        return LK_E_NOMEM;
    if (size)
        memcpy(copy, words, size);
    free(holder->words);
    holder->words = copy;
    holder->place.words = copy;
    holder->place.words_size = size;
    return LK_OK;
}

int holder_new(struct holder **out, const struct holder_options *options)
{
    lk_client *client = options->client;
    struct holder *holder = calloc(1, sizeof *holder);

    if (!holder)
        return LK_E_NOMEM;
    int status = client_path(client, options->path, &holder->path);
    if (status == LK_OK)
        status = holder_set_words(holder, options->words, options->words_size);
    if (status == LK_OK && !(holder->host = host_name()))
        status = LK_E_NOMEM;
    if (status == LK_OK)
        status = client_enter(client);
    if (status != LK_OK) {
        free(holder->path);
        free(holder->words);
        free(holder->host);
        free(holder);
        return status;
    }
    holder->client = client_ref(client);
    holder->on_change = options->on_change;
    holder->on_change_arg = options->on_change_arg;
    holder->place.path = holder->path;
    holder->place.host = holder->host;
    holder->place.kind = options->kind;
    place_init(&holder->place, client, &holder_events);
    client_leave(client);
    *out = holder;
    return LK_OK;
}

void holder_free(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return;
    lk_client *client = client_ref(holder->client);
    holder->on_change = NULL;
    callbacks_forget(client, holder);
    if (holder->acquire)
        op_end(holder->acquire, LK_E_CANCELLED);
    holder_end_all(&holder->releases, LK_E_CANCELLED);
    holder_end_all(&holder->watchers, LK_E_STATE);
    place_leave(&holder->place);
    holder->freed = true;
    holder_destroy_if_over(holder);
    client_leave(client);
    client_unref(client);
}

/* ---- acquire ---- */

static int acquire_refusal(const struct holder *holder)
{
    return holder->state == LK_IDLE || holder->state == LK_LOST ? LK_OK : LK_E_STATE;
}

static void acquire_begin(struct holder *holder, struct holder_op *operation, bool only_if_free, int64_t deadline_ns,
                          void (*deliver)(struct callback *callback))
{
    operation->holder = holder;
    op_begin(holder->client, &operation->op, deadline_ns, acquire_withdraw, deliver);
    holder->acquire = &operation->op;
    holder->only_if_free = only_if_free;
    holder_change(holder, LK_WAITING, LK_OK);
    place_join(&holder->place, only_if_free);
}

/* Another thread may free the holder meanwhile, which ends the wait: its memory stays until holder_leave(). */
static int holder_wait(struct holder *holder, struct op *op)
{
    holder->threads++;
    int status = op_wait(op);
    holder->threads--;
    return status;
}

static int holder_leave(struct holder *holder, int status)
{
    lk_client *client = holder->client;

    holder_destroy_if_over(holder);
    client_leave(client);
    return status;
}

int holder_acquire(struct holder *holder, bool only_if_free, int64_t deadline_ns, lk_fence *out_fence)
{
    struct holder_op operation = { 0 };

    if (!holder)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(holder->client);
    if (status == LK_OK)
        status = acquire_refusal(holder);
    if (status == LK_OK) {
        acquire_begin(holder, &operation, only_if_free, deadline_ns, NULL);
        status = holder_wait(holder, &operation.op);
        /* Granted, and lost before this thread came to run. */
        if (status == LK_OK && !holder_holds(holder))
            status = LK_E_LOST;
    }
    if (status == LK_OK && out_fence)
        *out_fence = holder->fence;
    return holder_leave(holder, status);
}

static struct holder_op *holder_op_new(lk_done_fn *done, void *arg)
{
    struct holder_op *operation = calloc(1, sizeof *operation);

    if (operation) {
        operation->done = done;
        operation->arg = arg;
    }
    return operation;
}

int holder_acquire_start(struct holder *holder, bool only_if_free, int64_t deadline_ns, lk_done_fn *done, void *arg,
                         lk_op *out_op)
{
    if (!holder || !done)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = acquire_refusal(holder);
    struct holder_op *operation = status == LK_OK ? holder_op_new(done, arg) : NULL;
    if (status == LK_OK && !operation)
        status = LK_E_NOMEM;
    if (status == LK_OK) {
        acquire_begin(holder, operation, only_if_free, deadline_ns, holder_op_deliver);
        if (out_op)
            out_op->id = operation->op.id;
    }
    client_leave(holder->client);
    return status;
}

/* ---- release ---- */

static int release_refusal(const struct holder *holder, bool also_waiting)
{
    switch (holder->state) {
    case LK_HELD:
    case LK_SUSPENDED:
        return LK_OK;
    case LK_LOST:
        return LK_E_LOST;
    case LK_WAITING:
        return also_waiting ? LK_OK : LK_E_STATE;
    case LK_IDLE:
        break;
    }
    return LK_E_STATE;
}

static void release_begin(struct holder *holder, struct holder_op *operation, int64_t deadline_ns,
                          void (*deliver)(struct callback *callback))
{
    operation->holder = holder;
    op_begin(holder->client, &operation->op, deadline_ns, member_withdraw, deliver);
    if (holder->acquire)
        op_end(holder->acquire, LK_E_CANCELLED);
    holder_change(holder, LK_IDLE, LK_OK);
    holder_end_all(&holder->watchers, LK_E_STATE);
    if (holder->place.state == PLACE_OUT) {
        op_done(&operation->op, LK_OK);
        return;
    }
    list_append(&holder->releases, &operation->member);
    place_leave(&holder->place);
}

int holder_release(struct holder *holder, bool also_waiting, int64_t deadline_ns)
{
    struct holder_op operation = { 0 };

    if (!holder)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(holder->client);
    if (status == LK_OK)
        status = release_refusal(holder, also_waiting);
    if (status == LK_OK) {
        release_begin(holder, &operation, deadline_ns, NULL);
        status = holder_wait(holder, &operation.op);
    }
    return holder_leave(holder, status);
}

int holder_release_start(struct holder *holder, bool also_waiting, int64_t deadline_ns, lk_done_fn *done, void *arg,
                         lk_op *out_op)
{
    if (!holder || !done)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = release_refusal(holder, also_waiting);
    struct holder_op *operation = status == LK_OK ? holder_op_new(done, arg) : NULL;
    if (status == LK_OK && !operation)
        status = LK_E_NOMEM;
    if (status == LK_OK) {
        release_begin(holder, operation, deadline_ns, holder_op_deliver);
        if (out_op)
            out_op->id = operation->op.id;
    }
    client_leave(holder->client);
    return status;
}

/* ---- proclaim: new words, same place ---- */

struct proclaim {
    struct op op;
    struct request_group requests;
};

static int proclaim_withdraw(struct op *op, int status)
{
    request_drop(&container_of(op, struct proclaim, op)->requests);
    return status;
}

static void proclaim_answered(void *context, const struct keeper_reply *reply)
{
    struct proclaim *proclaim = context;
    op_done(&proclaim->op, reply->rc == KEEPER_NO_NODE ? LK_E_LOST : place_status(reply->rc));
}

int holder_proclaim(struct holder *holder, const void *words, size_t size, int64_t deadline_ns)
{
    struct proclaim proclaim = { 0 };

    if (!holder || (!words && size))
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(holder->client);
    if (status == LK_OK && !place_has_node(&holder->place))
        status = LK_E_STATE;
    if (status == LK_OK)
        status = holder_set_words(holder, words, size);
    if (status == LK_OK) {
        op_begin(holder->client, &proclaim.op, deadline_ns, proclaim_withdraw, NULL);
        int sent = place_proclaim(&holder->place, &proclaim.requests, proclaim_answered, &proclaim);
        if (sent != LK_OK)
            op_done(&proclaim.op, sent);
        status = holder_wait(holder, &proclaim.op);
    }
    return holder_leave(holder, status);
}

/* ---- asking ---- */

lk_grant_state holder_state(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return LK_LOST;
    lk_grant_state state = holder->state;
    client_leave(holder->client);
    return state;
}

int64_t holder_remaining_ns(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return 0;
    int64_t left_ns = holder_holds(holder) ? lease_remaining_ns(holder->client) : 0;
    client_leave(holder->client);
    return left_ns;
}

int holder_fence(struct holder *holder, lk_fence *out)
{
    if (!holder || !out)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = holder_holds(holder) ? LK_OK : LK_E_STATE;
    if (status == LK_OK)
        *out = holder->fence;
    client_leave(holder->client);
    return status;
}

int holder_node(struct holder *holder, char *name, size_t size)
{
    if (!holder || !name)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    if (!holder_holds(holder))
        status = LK_E_STATE;
    else if (strlen(path_name(holder->place.node)) >= size)
        status = LK_E_INVALID;
    else
        strcpy(name, path_name(holder->place.node));
    client_leave(holder->client);
    return status;
}

int holder_wait_lost(struct holder *holder, int64_t deadline_ns)
{
    struct holder_op operation = { 0 };

    if (!holder)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = op_may_wait(holder->client);
    if (status == LK_OK && holder_holds(holder)) {
        operation.holder = holder;
        op_begin(holder->client, &operation.op, deadline_ns, member_withdraw, NULL);
        list_append(&holder->watchers, &operation.member);
        status = holder_wait(holder, &operation.op);
    } else if (status == LK_OK && holder->state != LK_LOST) {
        status = LK_E_STATE;
    }
    return holder_leave(holder, status);
}
