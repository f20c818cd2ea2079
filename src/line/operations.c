/* operations.c - what a user asks of a holder and waits for: the grant, its end, its loss, new
 * words.
 *
 * The blocking call is the asynchronous one plus a wait: both begin the same errand. */
#include <stdlib.h>
#include <string.h>

#include "line/holder.h"

void holder_end_all(struct list *errands, int status)
{
    for (struct list *node; (node = list_take(errands)) != NULL;)
        op_done(&container_of(node, struct errand, member)->op, status);
}

static int member_withdraw(struct op *op, int status)
{
    list_remove(&container_of(op, struct errand, op)->member);
    return status;
}

/* ---- entering, waiting, leaving ---- */

static int holder_enter(struct holder *holder, bool to_wait)
{
    if (!holder)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status == LK_OK && to_wait && op_may_wait(holder->client) != LK_OK) {
        client_leave(holder->client);
        status = LK_E_WOULD_DEADLOCK;
    }
    return status;
}

/* Another thread may free the holder meanwhile, which ends the wait: its memory stays until
 * holder_leave(). */
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

static void errand_deliver(struct callback *callback)
{
    struct op *op = container_of(callback, struct op, callback);
    struct errand *errand = container_of(op, struct errand, op);

    errand->done(op->status, errand->arg);
    free(errand);
}

int holder_begin(struct holder *holder, struct errand *errand)
{
    int status = errand->kind->refusal(holder, errand);

    if (status != LK_OK)
        return status;
    errand->holder = holder;
    op_begin(holder->client, &errand->op, errand->deadline_ns, errand->kind->withdraw,
             errand->done ? errand_deliver : NULL);
    errand->op.ended = errand->ended;
    errand->kind->begin(holder, errand);
    return LK_OK;
}

/* Enters, and stays inside with the status: holder_leave() follows, unless `*out_inside` is false.
 */
static int errand_run(struct holder *holder, struct errand *errand, bool *out_inside)
{
    int status = holder_enter(holder, true);

    *out_inside = status == LK_OK;
    if (status == LK_OK)
        status = holder_begin(holder, errand);
    return status == LK_OK ? holder_wait(holder, &errand->op) : status;
}

/* Of a call that answers what is held. Granted, and lost before this thread came to run, is lost. */
static int errand_outcome(const struct holder *holder, int status, lk_fence *out_fence)
{
    if (status == LK_OK && !holder_holds(holder))
        return LK_E_LOST;
    if (status == LK_OK && out_fence)
        *out_fence = holder->fence;
    return status;
}

/* Blocks. */
static int errand_call(struct holder *holder, struct errand *errand)
{
    bool inside;
    int status = errand_run(holder, errand, &inside);

    return inside ? holder_leave(holder, status) : status;
}

static int errand_call_held(struct holder *holder, struct errand *errand, lk_fence *out_fence)
{
    bool inside;
    int status = errand_run(holder, errand, &inside);

    return inside ? holder_leave(holder, errand_outcome(holder, status, out_fence)) : status;
}

static int errand_start(struct holder *holder, const struct errand *wish, lk_op *out_op)
{
    if (!wish->done)
        return LK_E_INVALID;
    int status = holder_enter(holder, false);
    if (status != LK_OK)
        return status;
    struct errand *errand = malloc(sizeof *errand);
    if (errand)
        *errand = *wish;
    status = errand ? holder_begin(holder, errand) : LK_E_NOMEM;
    if (status != LK_OK)
        free(errand);
    else if (out_op)
        out_op->id = errand->op.id;
    client_leave(holder->client);
    return status;
}

/* ---- acquire ---- */

static int acquire_refusal(const struct holder *holder, const struct errand *errand)
{
    (void)errand;
    return holder->state == LK_IDLE || holder->state == LK_LOST ? LK_OK : LK_E_STATE;
}

static void acquire_begin(struct holder *holder, struct errand *errand)
{
    holder->acquire = &errand->op;
    holder->wish = errand->wish;
    holder_change(holder, LK_WAITING, LK_OK);
    place_join(&holder->place, errand->wish);
}

static int acquire_withdraw(struct op *op, int status)
{
    struct holder *holder = container_of(op, struct errand, op)->holder;

    holder->acquire = NULL;
    holder_change(holder, LK_IDLE, status);
    holder_end_all(&holder->proclaims, LK_E_STATE);
    place_leave(&holder->place);
    return status;
}

const struct errand_kind errand_acquire = { acquire_refusal, acquire_begin, acquire_withdraw };

int holder_acquire(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                   lk_fence *out_fence)
{
    struct errand errand = { .kind = &errand_acquire, .wish = wish, .deadline_ns = deadline_ns };

    return errand_call_held(holder, &errand, out_fence);
}

int holder_acquire_start(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    const struct errand errand = {
        .kind = &errand_acquire, .wish = wish, .deadline_ns = deadline_ns, .done = done, .arg = arg
    };
    return errand_start(holder, &errand, out_op);
}

static int stand_outcome(struct holder *holder, struct errand *stand, lk_fence *out_fence)
{
    stand->holder = NULL;
    return errand_outcome(holder, stand->op.status, out_fence);
}

int holder_stand(struct holder *holder, struct errand *stand, int64_t deadline_ns,
                 lk_fence *out_fence)
{
    int status = holder_enter(holder, true);

    if (status != LK_OK) {
        stand->holder = NULL; /* closed, and so ended: nobody leads inside a callback */
        return status;
    }
    if (!holder_stands(stand)) {
        *stand = (struct errand){ .kind = &errand_acquire, .deadline_ns = LK_FOREVER };
        status = holder_begin(holder, stand);
    }
    if (status == LK_OK) {
        holder->threads++;
        bool is_over = op_wait_until(&stand->op, deadline_ns);
        holder->threads--;
        status = is_over ? stand_outcome(holder, stand, out_fence) : LK_E_DEADLINE;
    }
    return holder_leave(holder, status);
}

int holder_give_up(struct holder *holder, struct errand *stand, lk_fence *out_fence)
{
    int status = holder_enter(holder, false);

    if (status != LK_OK) {
        stand->holder = NULL;
        return status;
    }
    if (!stand->op.done)
        op_end(&stand->op, LK_E_DEADLINE);
    pthread_cond_destroy(&stand->op.wake);
    return holder_leave(holder, stand_outcome(holder, stand, out_fence));
}

int holder_may_wait(struct holder *holder)
{
    int status = holder_enter(holder, true);

    if (status == LK_OK)
        client_leave(holder->client);
    return status;
}

/* ---- release ---- */

static int release_refusal(const struct holder *holder, const struct errand *errand)
{
    switch (holder->state) {
    case LK_HELD:
    case LK_SUSPENDED:
        return LK_OK;
    case LK_LOST:
        return LK_E_LOST;
    case LK_WAITING:
        return errand->also_waiting ? LK_OK : LK_E_STATE;
    case LK_IDLE:
        break;
    }
    return LK_E_STATE;
}

static void release_begin(struct holder *holder, struct errand *errand)
{
    if (holder->acquire)
        op_end(holder->acquire, LK_E_CANCELLED);
    holder_change(holder, LK_IDLE, LK_OK);
    holder_end_all(&holder->watchers, LK_E_STATE);
    holder_end_all(&holder->turns, LK_E_CANCELLED);
    holder_end_all(&holder->prolongs, LK_E_CANCELLED);
    if (holder->place.state == PLACE_OUT) {
        op_done(&errand->op, LK_OK);
        return;
    }
    list_append(&holder->releases, &errand->member);
    place_leave(&holder->place);
}

const struct errand_kind errand_release = { release_refusal, release_begin, member_withdraw };

int holder_release(struct holder *holder, bool also_waiting, int64_t deadline_ns)
{
    struct errand errand = { .kind = &errand_release,
                             .also_waiting = also_waiting,
                             .deadline_ns = deadline_ns };

    return errand_call(holder, &errand);
}

int holder_release_start(struct holder *holder, bool also_waiting, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    const struct errand errand = { .kind = &errand_release,
                                   .also_waiting = also_waiting,
                                   .deadline_ns = deadline_ns,
                                   .done = done,
                                   .arg = arg };
    return errand_start(holder, &errand, out_op);
}

/* ---- from writer to reader ---- */

static int turn_refusal(const struct holder *holder, const struct errand *errand)
{
    (void)errand;
    if (holder->state == LK_LOST)
        return LK_E_LOST;
    return holder_holds(holder) && !holder->place.wish.shares && !holder->place.is_turning
               ? LK_OK
               : LK_E_STATE;
}

static void turn_begin(struct holder *holder, struct errand *errand)
{
    int status = place_downgrade(&holder->place);

    if (status == LK_OK)
        list_append(&holder->turns, &errand->member);
    else
        op_done(&errand->op, status);
}

static const struct errand_kind turn_kind = { turn_refusal, turn_begin, member_withdraw };

int holder_downgrade(struct holder *holder, int64_t deadline_ns, lk_fence *out_fence)
{
    struct errand errand = { .kind = &turn_kind, .deadline_ns = deadline_ns };

    return errand_call_held(holder, &errand, out_fence);
}

int holder_downgrade_start(struct holder *holder, int64_t deadline_ns, lk_done_fn *done, void *arg,
                           lk_op *out_op)
{
    const struct errand errand = {
        .kind = &turn_kind, .deadline_ns = deadline_ns, .done = done, .arg = arg
    };
    return errand_start(holder, &errand, out_op);
}

/* ---- more time ---- */

static int prolong_refusal(const struct holder *holder, const struct errand *errand)
{
    (void)errand;
    if (holder->state == LK_LOST)
        return LK_E_LOST;
    return holder_holds(holder) && holder->place.wish.ttl_ms ? LK_OK : LK_E_STATE;
}

static void prolong_begin(struct holder *holder, struct errand *errand)
{
    list_append(&holder->prolongs, &errand->member);
    place_prolong(&holder->place, errand->ttl_ms);
}

static const struct errand_kind prolong_kind = { prolong_refusal, prolong_begin, member_withdraw };

int holder_prolong(struct holder *holder, uint32_t ttl_ms, int64_t deadline_ns)
{
    struct errand errand = { .kind = &prolong_kind, .ttl_ms = ttl_ms, .deadline_ns = deadline_ns };

    return errand_call_held(holder, &errand, NULL);
}

int holder_prolong_start(struct holder *holder, uint32_t ttl_ms, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op)
{
    const struct errand errand = { .kind = &prolong_kind,
                                   .ttl_ms = ttl_ms,
                                   .deadline_ns = deadline_ns,
                                   .done = done,
                                   .arg = arg };
    return errand_start(holder, &errand, out_op);
}

/* ---- the loss ---- */

static int watch_refusal(const struct holder *holder, const struct errand *errand)
{
    (void)errand;
    return holder_holds(holder) || holder->state == LK_LOST ? LK_OK : LK_E_STATE;
}

static void watch_begin(struct holder *holder, struct errand *errand)
{
    if (holder->state == LK_LOST)
        op_done(&errand->op, LK_OK);
    else
        list_append(&holder->watchers, &errand->member);
}

const struct errand_kind errand_watch = { watch_refusal, watch_begin, member_withdraw };

int holder_wait_lost(struct holder *holder, int64_t deadline_ns)
{
    struct errand errand = { .kind = &errand_watch, .deadline_ns = deadline_ns };

    return errand_call(holder, &errand);
}

/* ---- proclaim: new words, same place ---- */

/* Asked for while the create is on its way, it waits in holder->proclaims. Unless the znode is
 * watched, and so certainly there as far as we have heard, it is read first: in a line made anew its
 * name can be another's (leave.c). */
struct proclaim {
    struct errand errand;
    struct request_group requests;
    int64_t czxid; /* of the znode that was read */
    bool looked;   /* just now, and it is ours */
};

static void proclaim_send(struct holder *holder, struct proclaim *proclaim);
static void proclaim_look(struct holder *holder, struct proclaim *proclaim);

static void proclaim_answered(void *context, const struct keeper_reply *reply)
{
    struct proclaim *proclaim = context;

    /* To say the same words twice does no harm. */
    if (reply->rc == KEEPER_UNKNOWN || reply->rc == KEEPER_EXPIRED)
        proclaim_look(proclaim->errand.holder, proclaim);
    else
        op_done(&proclaim->errand.op,
                reply->rc == KEEPER_NO_NODE ? LK_E_LOST : place_status(reply->rc));
}

static void proclaim_looked(void *context, const struct keeper_reply *reply)
{
    struct proclaim *proclaim = context;
    struct holder *holder = proclaim->errand.holder;
    bool is_own = reply->rc == KEEPER_OK && reply->stat.czxid == proclaim->czxid;

    /* Or a new session has begun, and another place been taken, meanwhile. */
    proclaim->looked = is_own;
    if (is_own || !place_has_node(&holder->place) || holder->place.czxid != proclaim->czxid)
        proclaim_send(holder, proclaim);
    else
        op_done(&proclaim->errand.op, reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE
                                          ? LK_E_LOST
                                          : place_status(reply->rc));
}

static void proclaim_caught_up(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* the read behind it is what counts */
}

static void proclaim_look(struct holder *holder, struct proclaim *proclaim)
{
    if (!place_has_node(&holder->place)) {
        proclaim_send(holder, proclaim);
        return;
    }
    const struct keeper_request get = { .verb = KEEPER_GET, .path = holder->place.node };
    proclaim->looked = false;
    proclaim->czxid = holder->place.czxid;
    int status = request_send(holder->client, &proclaim->requests, &barrier, BARRIER_FLAGS,
                              proclaim_caught_up, proclaim);
    if (status == LK_OK)
        status = request_send(holder->client, &proclaim->requests, &get, REQUEST_RETRY,
                              proclaim_looked, proclaim);
    if (status == LK_OK)
        return;
    request_drop(&proclaim->requests);
    op_done(&proclaim->errand.op, status);
}

static void proclaim_send(struct holder *holder, struct proclaim *proclaim)
{
    bool is_certain = client_is_connected(holder->client) && holder->place.own_is_watched;
    int status = LK_OK;

    if (place_has_node(&holder->place) && !is_certain && !proclaim->looked) {
        proclaim_look(holder, proclaim);
        return;
    }
    if (place_has_node(&holder->place))
        status = place_proclaim(&holder->place, &proclaim->requests, proclaim_answered, proclaim);
    else if (holder->state == LK_WAITING)
        list_append(&holder->proclaims, &proclaim->errand.member);
    else
        status = LK_E_LOST;
    if (status != LK_OK)
        op_done(&proclaim->errand.op, status);
}

void holder_send_proclaims(struct holder *holder)
{
    for (struct list *node;
         place_has_node(&holder->place) && (node = list_take(&holder->proclaims)) != NULL;)
        proclaim_send(holder, container_of(container_of(node, struct errand, member),
                                           struct proclaim, errand));
}

static int proclaim_refusal(const struct holder *holder, const struct errand *errand)
{
    (void)errand;
    return holder_holds(holder) || holder->state == LK_WAITING ? LK_OK : LK_E_STATE;
}

static void proclaim_begin(struct holder *holder, struct errand *errand)
{
    proclaim_send(holder, container_of(errand, struct proclaim, errand));
}

static int proclaim_withdraw(struct op *op, int status)
{
    struct errand *errand = container_of(op, struct errand, op);

    list_remove(&errand->member);
    request_drop(&container_of(errand, struct proclaim, errand)->requests);
    return status;
}

static const struct errand_kind proclaim_kind = { proclaim_refusal, proclaim_begin,
                                                  proclaim_withdraw };

int holder_proclaim(struct holder *holder, const void *words, size_t size, int64_t deadline_ns)
{
    struct proclaim proclaim = { .errand = { .kind = &proclaim_kind, .deadline_ns = deadline_ns } };

    if (!words && size)
        return LK_E_INVALID;
    int status = holder_enter(holder, true);
    if (status != LK_OK)
        return status;
    status = proclaim_refusal(holder, &proclaim.errand);
    if (status == LK_OK)
        status = holder_set_words(holder, words, size);
    if (status == LK_OK)
        status = holder_begin(holder, &proclaim.errand);
    if (status == LK_OK)
        status = holder_wait(holder, &proclaim.errand.op);
    return holder_leave(holder, status);
}
