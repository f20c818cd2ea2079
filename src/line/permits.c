/* permits.c - a place in a semaphore's line: who stands before us, and how many permits are theirs?
 *
 * The names say how many permits each one wants, so a listing decides: we hold when our permits and
 * those of all before us are no more than there are. That is fair, and all or nothing: who wants
 * three is not overtaken by those who want one.
 *
 * Who waits behind another waiter watches that one. The first waiter watches the line itself, since
 * any holder may leave; when it is granted it writes its own znode anew, so that the one behind it
 * hears that it is the first now. A semaphore that was made smaller may have holders beyond its
 * number: whoever stands within the most it ever had is taken for a holder.
 *
 * Permits may end by themselves, which the first waiter sees to: term.h. */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"

static void permits_list(struct place *place, bool watch);
static void permits_weigh(struct place *place);

void weighing_clear(struct weighing *weighing)
{
    free(weighing->last);
    free(weighing->watched);
    *weighing = (struct weighing){ .agreed = weighing->agreed };
}

/* ---- weighing a listing ---- */

static uint64_t weight_before(const struct keeper_reply *list, uint32_t number)
{
    uint64_t sum = 0;
    uint32_t its;

    for (size_t i = 0; i < list->child_count; i++)
        if (path_number(list->children[i], &its) && number_is_before(its, number))
            sum += numbers_weight(list->children[i]);
    return sum;
}

static bool somebody_behind(const struct keeper_reply *list, uint32_t number)
{
    uint32_t its;

    for (size_t i = 0; i < list->child_count; i++)
        if (path_number(list->children[i], &its) && number_is_before(number, its))
            return true;
    return false;
}

bool permits_are_taken(struct place *place, const struct keeper_reply *list)
{
    uint64_t sum = place->wish.weight;
    uint32_t its;

    for (size_t i = 0; i < list->child_count; i++)
        if (path_number(list->children[i], &its))
            sum += numbers_weight(list->children[i]);
    return place->parent.status == LK_OK && sum > place->parent.record.permits;
}

/* ---- waiting ---- */

static void permits_fire(struct watch *watch, enum keeper_watch_event event)
{
    struct place *place = container_of(watch, struct place, predecessor_watch);

    (void)event; /* whatever it was: look again */
    free(place->weighing.watched);
    place->weighing.watched = NULL;
    place->weighing.watches_line = false;
    if (place->state == PLACE_QUEUED)
        place_read_parent(place);
    /* Elsewhere a decision is under way, which sees that nothing is watched. */
}

/* The line's data too: it says how many permits there are. */
static void permits_watch_line(struct place *place)
{
    free(place->weighing.watched);
    place->weighing.watched = NULL;
    place->weighing.watches_line = true;
    watch_unset(place->client, &place->predecessor_watch);
    watch_set(place->client, &place->predecessor_watch, place->path, permits_fire);
    place_await(place, 2 + (size_t)!place->own_is_watched, permits_weigh);
    permits_list(place, true);
}

static void permits_last_read(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_NO_RIGHTS) {
        /* Of a znode that we may not read we would not hear that it is gone (seek.c). */
        request_drop(&place->requests);
        permits_watch_line(place);
        return;
    }
    if (reply->rc != KEEPER_OK) {
        watch_unset(place->client, &place->predecessor_watch);
        free(place->weighing.watched);
        place->weighing.watched = NULL;
    }
    place_arrived(place);
}

static void permits_watch_last(struct place *place)
{
    struct weighing *weighing = &place->weighing;

    free(weighing->watched);
    weighing->watched = strdup(weighing->last);
    weighing->watches_line = false;
    watch_unset(place->client, &place->predecessor_watch);
    if (!weighing->watched) {
        place_refuse(place, LK_E_NOMEM);
        return;
    }
    watch_set(place->client, &place->predecessor_watch, weighing->watched, permits_fire);
    const struct keeper_request get = { .verb = KEEPER_GET,
                                        .path = weighing->watched,
                                        .watch = true };
    place_await(place, 3 + (size_t)!place->own_is_watched, permits_weigh);
    if (place_send(place, &get, REQUEST_RETRY, permits_last_read))
        permits_list(place, false);
}

/* ---- the decision ---- */

/* The predecessor's watch was set before the listing was made; the line's watches by it and the read
 * behind it. Who watches the line hears of all that any other would. */
static void permits_weigh(struct place *place)
{
    const struct weighing *weighing = &place->weighing;
    const struct line_record *record = &place->parent.record;

    if (!place->parent.exists || place->parent.stat.czxid > place->czxid)
        place_gone(place);
    else if (place->parent.status != LK_OK)
        place_refuse(place, place->parent.status);
    else if (weighing->before + place->wish.weight <= record->permits)
        place_prove(place);
    else if (place->wish.only_if_free)
        place_refuse(place, LK_E_BUSY);
    else if (place->wish.weight > record->permits)
        place_refuse(place, LK_E_PERMITS); /* it would stand in the way of all behind it for good */
    else if (weighing->watches_line)
        place_queue(place);
    else if (weighing->before <= record->permits_most)
        permits_watch_line(place);
    else if (weighing->watched && strcmp(weighing->watched, weighing->last) == 0)
        place_queue(place);
    else
        permits_watch_last(place);
}

/* It alone ends what is before us and has run out. */
static bool is_first_waiter(const struct place *place)
{
    return place->weighing.watches_line
           && place->weighing.before <= place->parent.record.permits_most;
}

static void permits_listed(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    struct weighing *weighing = &place->weighing;
    bool own = false;

    if (reply->rc != KEEPER_OK && reply->rc != KEEPER_NO_NODE) {
        place_refuse(place, place_status(reply->rc));
        return;
    }
    const char *last = numbers_predecessor(reply, place->number, path_name(place->node), false,
                                           &own);
    if (!own) {
        place_gone(place);
        return;
    }
    free(weighing->last);
    weighing->last = last ? path_join(place->path, last) : NULL;
    weighing->before = weight_before(reply, place->number);
    weighing->somebody_behind = somebody_behind(reply, place->number);
    if (is_first_waiter(place))
        expiry_follow(place, reply);
    if (last && !weighing->last)
        place_refuse(place, LK_E_NOMEM);
    else
        place_arrived(place);
}

/* The last of its flight. Behind the read of our own znode, which tells a namesake in a new parent
 * from us; and before that of how many permits there are: those before us only become fewer, so at
 * that moment they are no more than the listing says. The other way round a resize between the two
 * would go unheeded. */
static void permits_list(struct place *place, bool watch)
{
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = place->path, .watch = watch };
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->path, .watch = watch };

    if ((place->own_is_watched || place_watch_own(place, place_own_read))
        && place_send(place, &list, REQUEST_RETRY, permits_listed))
        place_send(place, &get, REQUEST_RETRY, place_parent_read);
}

/* ---- the number of permits: the first to come writes it into the line ---- */

static void permits_founded(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    /* Not there, or written by another: the next look says which. */
    if (reply->rc == KEEPER_OK || reply->rc == KEEPER_BAD_VERSION || reply->rc == KEEPER_NO_NODE
        || reply->rc == KEEPER_UNKNOWN || reply->rc == KEEPER_EXPIRED)
        place_read_parent(place);
    else
        place_refuse(place, place_status(reply->rc));
}

/* A line that somebody has made without saying what it is. */
static void permits_found(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };

    const struct line_record line = place_line_record(place);
    if (!place->permits || line_record_write(&record, &line) != LK_OK) {
        place_refuse(place, place->permits ? LK_E_NOMEM : LK_E_NOT_FOUND);
        return;
    }
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = place->path,
                                        .data = record.bytes,
                                        .data_size = record.size,
                                        .version = place->parent.stat.version };
    place_send(place, &set, REQUEST_ONCE | REQUEST_PROOF, permits_founded);
}

bool permits_can_never_be(const struct place *place)
{
    const struct line_look *parent = &place->parent;
    uint32_t permits = parent->record.permits;

    return parent->exists && parent->status == LK_OK
           && ((place->permits && permits != place->permits) || place->wish.weight > permits);
}

void permits_decide(struct place *place)
{
    const struct line_look *parent = &place->parent;

    place->state = PLACE_SEEKING;
    if (parent->status == LK_E_NOT_FOUND) {
        permits_found(place);
        return;
    }
    if (parent->status != LK_OK) {
        place_refuse(place, parent->status);
        return;
    }
    /* Later changes are a resize, which is no reason to leave while it is wide enough. */
    if (!place->weighing.agreed && permits_can_never_be(place)) {
        place_refuse(place, LK_E_PERMITS);
        return;
    }
    place->weighing.agreed = true;
    if (parent->stat.child_count == 1 && parent->stat.pzxid == place->czxid) {
        place_prove(place);
        return;
    }
    place_await(place, 2 + (size_t)!place->own_is_watched, permits_weigh);
    permits_list(place, false);
}

/* ---- the grant ---- */

static void permits_signalled(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_UNKNOWN)
        permits_signal(place);
    else
        place->weighing.owes_signal = false;
}

/* Whoever stands behind us waits for a change of our znode. */
void permits_signal(struct place *place)
{
    place->weighing.owes_signal = true;
    if (place_proclaim(place, &place->requests, permits_signalled, place) == LK_E_NOMEM)
        place_retry_later(place);
}

void permits_granted(struct place *place)
{
    /* Who has just written its time there has told it already. */
    bool signals = place->weighing.somebody_behind && !place->wish.ttl_ms;

    watch_unset(place->client, &place->predecessor_watch);
    weighing_clear(&place->weighing);
    expiry_clear(place);
    if (signals)
        permits_signal(place);
}
