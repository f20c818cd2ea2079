/* seek.c - first in line, or behind whom? The reads that decide, and what follows from them.
 *
 * Certificates that nobody stands before number m, each valid for good once true, since numbers
 * only grow:
 *   A1  the parent has one child, and that is ours
 *   A2  the mark is m - 1
 *   A3  the predecessor p that was watched is gone, nobody stood between p and m, and p - 1 <= mark
 *       < m
 *   A4  a listing with our own znode in it shows no smaller number
 * A1 to A3 come from a read of the parent and need our own znode to stand at that moment or later,
 * in the same incarnation of the parent: its last child change (pzxid) is our own create, or our
 * own znode is watched and no event has come (events precede later replies), or it is read after
 * the parent. A predecessor that is not there proves nothing: the number may be another program's
 * under another name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/numbers.h"
#include "line/place.h"

static void place_own_fire(struct watch *watch, enum keeper_watch_event event);
static void place_list(struct place *place);
static void place_send_proof(struct place *place, request_fn *fn);
static void place_proved_along(void *context, const struct keeper_reply *reply);
static void place_predecessor_fire(struct watch *watch, enum keeper_watch_event event);

/* ---- flights: replies awaited together ---- */

void place_await(struct place *place, size_t count, void (*then)(struct place *place))
{
    place->awaited = count;
    place->then = then;
}

void place_arrived(struct place *place)
{
    if (--place->awaited == 0)
        place->then(place);
}

/* ---- our own znode ---- */

/* A waiter's record in our znode, or Curator's word for the same. */
void place_note_asked(struct place *place, const struct keeper_reply *reply)
{
    struct place_record record;
    bool asked = place_record_read(&record, reply->data, reply->data_size) == LK_OK
                     ? record.asked
                     : place_is_curators_word(reply);

    if (!asked || reply->stat.mzxid == place->asked_mzxid)
        return;
    place->asked_mzxid = reply->stat.mzxid;
    if (place->state == PLACE_HELD)
        place->events->asked(place);
    else
        place->asked_early = true;
}

/* False, and all that follows done: it is gone, or it is another's that has got the same name in a
 * new parent. */
static bool place_own_stands(struct place *place, const struct keeper_reply *reply)
{
    if (reply->rc == KEEPER_OK && reply->stat.czxid == place->czxid) {
        place->own_is_watched = watch_is_set(&place->own_watch);
        place->term.version = reply->stat.version;
        place_note_asked(place, reply);
        return true;
    }
    if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE)
        place_gone(place);
    else if (place->state == PLACE_HELD)
        place_retry_later(place);
    else
        place_refuse(place, place_status(reply->rc));
    return false;
}

void place_own_read_aside(void *context, const struct keeper_reply *reply)
{
    (void)place_own_stands(context, reply);
}

void place_own_read(void *context, const struct keeper_reply *reply)
{
    if (place_own_stands(context, reply))
        place_arrived(context);
}

bool place_watch_own(struct place *place, request_fn *fn)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->node, .watch = true };

    watch_set(place->client, &place->own_watch, place->node, place_own_fire);
    return place_send(place, &get, REQUEST_RETRY, fn);
}

static void place_own_fire(struct watch *watch, enum keeper_watch_event event)
{
    struct place *place = container_of(watch, struct place, own_watch);

    place->own_is_watched = false;
    if (event == KEEPER_WATCH_DELETED)
        place_gone(place);
    else if (place->state == PLACE_QUEUED || place->state == PLACE_HELD
             || place->state == PLACE_DELAYED)
        place_watch_own(place, place_own_read_aside);
    /* Elsewhere a decision is under way, which sees that it is not watched. */
}

/* ---- the parent ---- */

static int look_status(const struct place *place, const struct keeper_reply *reply,
                       struct line_record *record)
{
    if (reply->data_size == 0)
        return LK_E_NOT_FOUND;
    int status = line_record_read(record, reply->data, reply->data_size);
    if (status == LK_OK && !line_kinds_share(record->kind, place->kind))
        return LK_E_KIND;
    return status;
}

void place_parent_read(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc != KEEPER_OK && reply->rc != KEEPER_NO_NODE) {
        place_refuse(place, place_status(reply->rc));
        return;
    }
    place->parent = (struct line_look){ .exists = reply->rc == KEEPER_OK, .stat = reply->stat };
    if (place->parent.exists)
        place->parent.status = look_status(place, reply, &place->parent.record);
    place_arrived(place);
}

void place_read_parent(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->path };

    /* After a long wait the first of two proofs goes along. */
    bool prove = !lease_is_fresh(place->client);

    /* One decision at a time: what an earlier one still waits for must not answer into this one. */
    request_drop(&place->requests);
    timer_stop(place->client, &place->retry);
    place->state = PLACE_SEEKING;
    place_await(place, 1 + (size_t)!place->own_is_watched + (size_t)prove, place_decide);
    if (!place_send(place, &get, REQUEST_RETRY, place_parent_read))
        return;
    if (!place->own_is_watched && !place_watch_own(place, place_own_read))
        return;
    if (prove)
        place_send_proof(place, place_proved_along);
}

/* The mark, or -1 when there is none that counts. */
static int64_t look_mark(const struct line_look *look)
{
    bool counts = look->status == LK_OK && look->record.tag == look->stat.czxid;
    return counts ? (int64_t)look->record.mark : -1;
}

static bool place_is_first(const struct place *place)
{
    int64_t mark = look_mark(&place->parent), mine = place->number;

    if (place->parent.stat.child_count == 1 || mark == mine - 1)
        return true;
    /* Its mark, or that of the one before it. Where there are readers the latter is not enough for a
     * writer: a holder that turned from writer to reader stands there yet, under the same number. */
    bool needs_its_mark = place->kind != LINE_ELECTION && !place->wish.shares;
    return place->predecessor_is_gone && mark < mine
           && mark >= (int64_t)place->predecessor_number - !needs_its_mark;
}

/* ---- the predecessor ---- */

void place_queue(struct place *place)
{
    if (place->predecessor_is_gone) {
        place_read_parent(place);
        return;
    }
    place->state = PLACE_QUEUED;
    /* A create of ours may have been applied late, with somebody between it and us: then each would
     * wait for the other. */
    if (place->uncertain && !place->looked_before)
        place_retry_in(place, client_timeout_ns(place->client) / 6);
    /* A change has used up its watch on the way here. */
    if (!place->own_is_watched)
        place_watch_own(place, place_own_read_aside);
}

/* A create whose reply was lost was applied after all: we are our own predecessor. The lower one
 * stays. */
static void place_adopt_lower(struct place *place, const struct keeper_reply *reply)
{
    char *lower = place->predecessor;

    place_remove_other(place);
    place_quiet(place);
    place->predecessor = NULL;
    bool adopted = place_adopt(place, lower, &reply->stat);
    free(lower);
    if (adopted)
        place_read_parent(place);
    else
        place_refuse(place, LK_E_NOMEM);
}

static void place_children_fire(struct watch *watch, enum keeper_watch_event event)
{
    struct place *place = container_of(watch, struct place, predecessor_watch);

    (void)event;
    if (place->state == PLACE_QUEUED || place->state == PLACE_SEEKING)
        place_list(place);
}

static void place_children_read(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    const char *name = path_name(place->predecessor);
    bool stands = false;

    for (size_t i = 0; i < reply->child_count && !stands; i++)
        stands = strcmp(reply->children[i], name) == 0;
    if (stands)
        place_arrived(place);
    else
        place_list(place);
}

/* The predecessor's owner lets nobody read it, and of such a znode the server tells no watcher that
 * it is gone (since the mend of CVE-2024-23944). The line's children are watched in its place: it
 * costs a listing at each change. */
static void place_watch_children(struct place *place)
{
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = place->path, .watch = true };

    watch_set(place->client, &place->predecessor_watch, place->path, place_children_fire);
    place_send(place, &list, REQUEST_RETRY, place_children_read);
}

static void place_predecessor_read(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (place->uncertain && place_is_own(place, place->predecessor, reply)) {
        place_adopt_lower(place, reply);
    } else if (reply->rc == KEEPER_OK) {
        place_arrived(place);
    } else if (reply->rc == KEEPER_NO_RIGHTS) {
        place_watch_children(place);
    } else {
        watch_unset(place->client, &place->predecessor_watch);
        place_list(place);
    }
}

/* Our own znode is watched from here on too: an operator's break must be heard while we wait. */
static void place_watch_predecessor(struct place *place, const char *name, uint32_t number)
{
    char *path = path_join(place->path, name);
    const struct keeper_request get = { .verb = KEEPER_GET, .path = path, .watch = true };

    place->state = PLACE_SEEKING;
    watch_unset(place->client, &place->predecessor_watch);
    free(place->predecessor);
    place->predecessor = path;
    place->predecessor_number = number;
    place->predecessor_is_gone = false;
    if (!path) {
        place_refuse(place, LK_E_NOMEM);
        return;
    }
    watch_set(place->client, &place->predecessor_watch, path, place_predecessor_fire);
    place_await(place, 1 + !place->own_is_watched, place_queue);
    if (place_send(place, &get, REQUEST_RETRY, place_predecessor_read) && !place->own_is_watched)
        place_watch_own(place, place_own_read);
}

static void place_predecessor_again(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_OK)
        return;
    if (reply->rc == KEEPER_NO_NODE) {
        place_predecessor_fire(&place->predecessor_watch, KEEPER_WATCH_DELETED);
        return;
    }
    /* It may stand there yet, hidden: never to be taken for gone. */
    watch_unset(place->client, &place->predecessor_watch);
    if (place->state == PLACE_QUEUED || place->state == PLACE_SEEKING)
        place_list(place);
}

/* Only its deletion counts. A change (a new card, a revocation) just uses up the watch. */
static void place_predecessor_fire(struct watch *watch, enum keeper_watch_event event)
{
    struct place *place = container_of(watch, struct place, predecessor_watch);
    const struct keeper_request get = { .verb = KEEPER_GET,
                                        .path = place->predecessor,
                                        .watch = true };

    if (event == KEEPER_WATCH_DELETED) {
        watch_unset(place->client, watch);
        place->predecessor_is_gone = true;
        if (place->state == PLACE_QUEUED)
            place_read_parent(place);
    } else {
        watch_set(place->client, watch, place->predecessor, place_predecessor_fire);
        place_send(place, &get, REQUEST_RETRY, place_predecessor_again);
    }
}

/* The znode with the number before ours, if its maker names them as we do: no listing is needed to
 * watch it. */
static void place_seek(struct place *place)
{
    char prefix[NUMBERS_PREFIX_SIZE], name[NUMBERS_PREFIX_SIZE + 11];

    if (place->number == 0) {
        place_list(place);
        return;
    }
    place_prefix(place, false, prefix);
    snprintf(name, sizeof name, "%s%010" PRIu32, prefix, place->number - 1);
    place_watch_predecessor(place, name, place->number - 1);
}

/* ---- the listing: always right, but grows with the line ---- */

static void place_listed_all(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    bool own = false;
    uint32_t number;

    if (reply->rc != KEEPER_OK && reply->rc != KEEPER_NO_NODE) {
        place_refuse(place, place_status(reply->rc));
        return;
    }
    const char *name = reply->rc == KEEPER_OK ? numbers_predecessor(
                           reply, place->number, path_name(place->node), place->wish.shares, &own)
                                              : NULL;
    if (!own)
        place_gone(place);
    else if (!name)
        place_prove(place);
    else if (place->wish.only_if_free)
        place_refuse(place, LK_E_BUSY);
    else if (path_number(name, &number))
        place_watch_predecessor(place, name, number);
}

static void place_list_now(struct place *place)
{
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = place->path };
    place_send(place, &list, REQUEST_RETRY, place_listed_all);
}

/* Behind the read of our own znode, which tells a namesake in a new parent from us. */
static void place_list(struct place *place)
{
    request_drop(&place->requests);
    place->state = PLACE_SEEKING;
    if (place->own_is_watched) {
        place_list_now(place);
        return;
    }
    place_await(place, 1, place_list_now);
    place_watch_own(place, place_own_read);
}

/* ---- the grant: only with a running lease ---- */

/* A short hold is over before the watch could tell it anything, and the read that sets it would
 * only stand in the way of the release: a cycle costs an eighth more with it. */
#define OWN_WATCH_DELAY_NS INT64_C(5000000)

static void place_grant(struct place *place)
{
    request_drop(&place->requests);
    timer_stop(place->client, &place->retry);
    place->state = PLACE_HELD;
    place->hold.node_path = place->node;
    lease_hold_begin(place->client, &place->hold);
    if (!place->own_is_watched) {
        /* What another handle's watch brings is heard at once. */
        watch_set(place->client, &place->own_watch, place->node, place_own_fire);
        place_retry_in(place, OWN_WATCH_DELAY_NS);
    }
    if (place->wish.weight)
        permits_granted(place);
    term_hold(place);
    place->events->granted(place);
    if (place->asked_early)
        place->events->asked(place);
    place->asked_early = false;
}

static void place_send_proof(struct place *place, request_fn *fn)
{
    const struct keeper_request check = { .verb = KEEPER_CHECK,
                                          .path = place->node,
                                          .version = KEEPER_ANY_VERSION };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = &check,
                                          .operation_count = 1 };

    place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, fn);
}

/* False, and all that follows done: our znode is gone, or we are refused. A lost answer is none. */
static bool place_proof_stands(struct place *place, const struct keeper_reply *reply)
{
    if (reply->rc == KEEPER_OK || reply->rc == KEEPER_UNKNOWN || reply->rc == KEEPER_EXPIRED)
        return true;
    if (reply->rc == KEEPER_NO_NODE)
        place_gone(place);
    else
        place_refuse(place, place_status(reply->rc));
    return false;
}

static void place_proved_along(void *context, const struct keeper_reply *reply)
{
    if (place_proof_stands(context, reply))
        place_arrived(context);
}

static void place_proved(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (!place_proof_stands(place, reply))
        return;
    /* Late, or among the first words after a long silence: it proves too little. The next one after
     * a while, with all that the decision was made from, since much can have happened by then. */
    if (reply->rc != KEEPER_OK || lease_is_fresh(place->client)) {
        place_prove(place);
        return;
    }
    place_retry_in(place, client_timeout_ns(place->client) / 12);
    if (!place->own_is_watched)
        place_watch_own(place, place_own_read_aside);
}

void place_prove(struct place *place)
{
    if (delay_begins(place))
        return;
    place->state = PLACE_PROVING;
    if (lease_is_fresh(place->client)) {
        if (term_begins(place))
            return;
        place_grant(place);
        return;
    }
    timer_stop(place->client, &place->retry);
    place_send_proof(place, place_proved);
}

/* ---- the decision ---- */

static bool look_refuses(const struct line_look *look)
{
    return look->status != LK_OK && look->status != LK_E_NOT_FOUND && look->status != LK_E_FOREIGN;
}

void place_decide(struct place *place)
{
    const struct line_look *parent = &place->parent;

    if (!parent->exists || parent->stat.czxid > place->czxid)
        place_gone(place);
    else if (look_refuses(parent))
        place_refuse(place, parent->status);
    else if (place->number >= NUMBERS_END)
        place_refuse(place, LK_E_LINE_FULL);
    else if (place->wish.weight)
        permits_decide(place);
    else if (!place_is_first(place) && (place->wish.only_if_free || place->predecessor_is_gone))
        place_list(place); /* a try waits for nobody, but children that stand in no line must not
                              make it busy */
    else if (!place_is_first(place))
        place_seek(place);
    else if (place->own_is_watched || parent->stat.pzxid == place->czxid)
        place_prove(place);
    else {
        place->state = PLACE_SEEKING;
        place_await(place, 1, place_decide);
        place_watch_own(place, place_own_read);
    }
}
