/* leave.c - out of the line, and not forgotten before that is confirmed.
 *
 * Who holds exclusively releases by one commit: the mark says that nobody stands up to its number, and its znode goes.
 * Who gives up, or lost the grant, writes no mark: it can't know that it was the first. The mark never wakes anybody. */
#include <stdlib.h>
#include <string.h>

#include "line/numbers.h"
#include "line/place.h"

static void place_remove_answered(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    switch (reply->rc) {
    case KEEPER_OK:
    case KEEPER_NO_NODE:
        place_removed(place);
        return;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        place_check_removed(place);
        return;
    default:
        place_retry_later(place);
        place->events->stuck(place, place_status(reply->rc));
    }
}

void place_remove(struct place *place)
{
    place_quiet(place);
    place->state = PLACE_LEAVING;
    const struct keeper_request remove = { .verb = KEEPER_DELETE, .path = place->node,
                                           .version = KEEPER_ANY_VERSION };
    place_send(place, &remove, REQUEST_ONCE | REQUEST_PROOF, place_remove_answered);
}

static void place_checked(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_OK && reply->stat.czxid == place->czxid)
        place_remove(place);
    else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE)
        place_removed(place); /* the name may be another's by now, in a parent made anew */
    else
        place_retry_later(place);
}

/* A delete whose reply was lost is not simply sent again: in a parent made anew that name can be a stranger's. */
void place_check_removed(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->node };

    place_quiet(place);
    place_send(place, &get, REQUEST_RETRY, place_checked);
}

static void place_released(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    switch (reply->rc) {
    case KEEPER_OK:
        place_removed(place);
        return;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        place_check_removed(place);
        return;
    default:
        /* A stranger wrote to the parent, or we may not: the lock must come free all the same. */
        place_remove(place);
    }
}

/* Near the end of the numbers: if nobody else stands there, the line is made anew and counts from 0. */
static bool place_restart_line(struct place *place, const struct record_out *record)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_DELETE, .path = place->node, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_DELETE, .path = place->path, .version = place->parent.stat.version },
        { .verb = KEEPER_CREATE, .path = place->path, .data = record->bytes, .data_size = record->size,
          .mode = KEEPER_CONTAINER, .access = client_access(place->client) },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI, .operations = operations, .operation_count = 3 };

    return place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, place_released);
}

void place_release(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    const struct line_look *parent = &place->parent;
    bool restart = place->number >= NUMBERS_RESTART;

    place_quiet(place);
    lease_hold_end(place->client, &place->hold);
    place->state = PLACE_LEAVING;
    if ((parent->status != LK_OK && parent->status != LK_E_NOT_FOUND)
        || place_parent_record(place, restart ? 0 : place->number, restart ? 0 : parent->stat.czxid, &record) != LK_OK) {
        place_remove(place);
        return;
    }
    if (restart) {
        place_restart_line(place, &record);
        return;
    }
    const struct keeper_request operations[] = {
        { .verb = KEEPER_SET, .path = place->path, .data = record.bytes, .data_size = record.size,
          .version = parent->stat.version },
        { .verb = KEEPER_DELETE, .path = place->node, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI, .operations = operations, .operation_count = 2 };
    place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, place_released);
}
