/* leave.c - out of the line, and not forgotten before that is confirmed.
 *
 * Who holds exclusively releases by one commit: the mark says that nobody stands up to its number,
 * and its znode goes. Who gives up, or lost the grant, writes no mark: it can't know that it was
 * the first; but one who did know, and was about to hold (delay.c). The mark never wakes anybody.
 *
 * A name is not an identity. In a parent that a stranger deleted and made again, the same name can
 * be another's; so a delete is sent at once or not at all: after an outage, a lost reply or a lost
 * lease our znode is read again first. */
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

static void place_mark_and_remove(struct place *place, const struct record_out *record);

static int place_mark(const struct place *place, struct record_out *out)
{
    struct line_record line = place_line_record(place);

    if (!place->wish.shares) {
        line.mark = place->number;
        line.tag = place->parent.stat.czxid;
    }
    line.held = 0;
    return line_record_write(out, &line);
}

/* A line that names us as its holder is told that we were not lost. */
static void place_remove_now(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    const struct keeper_request remove = { .verb = KEEPER_DELETE,
                                           .path = place->node,
                                           .version = KEEPER_ANY_VERSION };

    if (place->noted && place_line_record(place).held == place->noted
        && place_mark(place, &record) == LK_OK)
        place_mark_and_remove(place, &record);
    else
        place_send(place, &remove, REQUEST_ONCE | REQUEST_PROOF, place_remove_answered);
}

static void place_checked(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_OK && reply->stat.czxid == place->czxid)
        place_remove_now(place);
    else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE)
        place_removed(place);
    else
        place_retry_later(place);
}

static void place_caught_up(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* the read behind it is what counts */
}

/* Behind a barrier: a server that lags may still show what our own release has removed. By the time
 * that a delete arrives the empty line may have been tidied away, and another stand there under our
 * name. */
void place_check_removed(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->node };

    place_quiet(place);
    place->state = PLACE_LEAVING;
    if (place_send(place, &barrier, BARRIER_FLAGS, place_caught_up))
        place_send(place, &get, REQUEST_RETRY, place_checked);
}

void place_remove(struct place *place)
{
    if (!client_is_connected(place->client)) {
        place_check_removed(place);
        return;
    }
    place_quiet(place);
    place->state = PLACE_LEAVING;
    place_remove_now(place);
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
        /* A stranger wrote to the parent, or made it anew, or we may not: the lock must come free
         * all the same. */
        place->noted = 0;
        place_check_removed(place);
    }
}

/* Near the end of the numbers: if nobody else stands there the line goes too. Who joins next makes
 * it anew, and counts from 0. */
static void place_end_line(struct place *place)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_DELETE, .path = place->node, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_DELETE, .path = place->path, .version = place->parent.stat.version },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 2 };

    place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, place_released);
}

static void place_mark_and_remove(struct place *place, const struct record_out *record)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_SET,
          .path = place->path,
          .data = record->bytes,
          .data_size = record->size,
          .version = place->parent.stat.version },
        { .verb = KEEPER_DELETE, .path = place->node, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 2 };

    place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, place_released);
}

/* Who ends a line forgets what is written there: nothing that who comes next could not write, too.
 * A resize nobody else knows, nor a holder that was lost (of whom a reader takes no notice). */
static bool place_may_end_line(const struct place *place)
{
    const struct line_look *parent = &place->parent;
    const struct line_record *record = &parent->record;

    if (place->number < NUMBERS_RESTART)
        return false;
    if (parent->status != LK_OK)
        return parent->status == LK_E_NOT_FOUND && !place->wish.weight;
    if (place->wish.weight)
        return record->permits == place->permits && record->permits_most == place->permits;
    return !place->wish.shares || record->held == 0;
}

void place_release(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    const struct line_look *parent = &place->parent;
    /* Other readers may hold with a smaller number: the mark would say that nobody does. */
    bool may_mark = !place->wish.shares && !place->wish.weight
                    && (parent->status == LK_OK || parent->status == LK_E_NOT_FOUND);

    lease_hold_end(place->client, &place->hold);
    bool may_end = place_may_end_line(place);
    if ((!may_end && !may_mark) || !client_is_connected(place->client)
        || (!may_end && place_mark(place, &record) != LK_OK)) {
        place_remove(place);
        return;
    }
    place_quiet(place);
    place->state = PLACE_LEAVING;
    if (may_end)
        place_end_line(place);
    else
        place_mark_and_remove(place, &record);
}
