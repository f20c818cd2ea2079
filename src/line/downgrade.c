/* downgrade.c - from writer to reader without a gap: one commit creates the reader's znode under the
 * writer's own number and deletes the writer's.
 *
 * So whoever waits behind still finds us in the line, and readers, whom only writers stop, go on.
 * No mark is written: the number is in use again (seek.c says what that means for a writer behind
 * us). While the commit is on its way we stand under one of two names: leave.c removes the old one,
 * and the sweep of find.c, which goes by the token, the new one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"

static void downgrade_look(struct place *place);

static void downgrade_end(struct place *place, int status)
{
    place->is_turning = false;
    place->hold.node_path = place->node;
    if (!place->own_is_watched)
        place_watch_own(place, place_own_read_aside);
    place->events->turned(place, status);
}

static void downgrade_refused(struct place *place, int status)
{
    place->wish.shares = false;
    place_prefix(place, false, place->prefix);
    place->uncertain = place->was_uncertain;
    downgrade_end(place, status);
}

static char *downgrade_name(const struct place *place)
{
    const char *name = path_name(place->node);
    char prefix[NUMBERS_PREFIX_SIZE], reader[NUMBERS_PREFIX_SIZE + 11];

    place_prefix(place, true, prefix);
    snprintf(reader, sizeof(reader), "%s%s", prefix, name + strlen(name) - 10);
    return path_join(place->path, reader);
}

/* ---- the reader's znode stands: its czxid is the new fence ---- */

static void downgrade_read(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (place_is_own(place, place->node, reply)) {
        place->czxid = reply->stat.czxid;
        place->own_is_watched = watch_is_set(&place->own_watch);
        place->uncertain = place->was_uncertain;
        downgrade_end(place, LK_OK);
    } else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE) {
        place_gone(place);
    } else {
        place_retry_later(place);
    }
}

static void downgrade_adopt(struct place *place)
{
    free(place->node);
    place->node = place->turning_to;
    place->turning_to = NULL;
    place_watch_own(place, downgrade_read);
}

/* ---- the commit ---- */

static void downgrade_answered(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    switch (reply->rc) {
    case KEEPER_OK:
        downgrade_adopt(place);
        return;
    case KEEPER_NO_NODE:
        /* The line is gone, or our znode; unless a commit that was lost has come in between. */
        if (!place->turn_was_lost) {
            place_gone(place);
            return;
        }
        downgrade_look(place);
        return;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        place->turn_was_lost = true;
        downgrade_look(place);
        return;
    default:
        downgrade_refused(place, place_status(reply->rc));
    }
}

static void downgrade_send(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    int status = place_record(place, &record);

    if (status != LK_OK) {
        downgrade_refused(place, status);
        return;
    }
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE,
          .path = place->turning_to,
          .data = record.bytes,
          .data_size = record.size,
          .mode = KEEPER_EPHEMERAL,
          .access = client_access(place->client) },
        { .verb = KEEPER_DELETE, .path = place->node, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 2 };

    /* From here on the new name may be ours. */
    place->wish.shares = place->uncertain = true;
    place_prefix(place, true, place->prefix);
    watch_unset(place->client, &place->own_watch);
    place->own_is_watched = false;
    /* A proof that checks a name which is about to go would say that we have lost. */
    place->hold.node_path = place->path;
    place_send(place, &multi, REQUEST_ONCE | REQUEST_PROOF, downgrade_answered);
}

/* ---- which of the two names is there? A delete by name goes out at once or not at all (leave.c)
 * ---- */

static void downgrade_new_looked(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (place_is_own(place, place->turning_to, reply))
        downgrade_adopt(place);
    else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE)
        place_gone(place);
    else
        place_retry_later(place);
}

static void downgrade_old_looked(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->turning_to };

    if (reply->rc == KEEPER_OK && reply->stat.czxid == place->czxid)
        downgrade_send(place);
    else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE)
        place_send(place, &get, REQUEST_RETRY, downgrade_new_looked);
    else
        place_retry_later(place);
}

static void downgrade_look(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->node };

    place_send(place, &get, REQUEST_RETRY, downgrade_old_looked);
}

void place_downgrade_again(struct place *place)
{
    if (place->turning_to)
        downgrade_look(place);
    else
        place_watch_own(place, downgrade_read);
}

int place_downgrade(struct place *place)
{
    char *name = downgrade_name(place);

    if (!name)
        return LK_E_NOMEM;
    free(place->turning_to);
    place->turning_to = name;
    place->is_turning = true;
    place->turn_was_lost = false;
    place->was_uncertain = place->uncertain;
    request_drop(&place->requests);
    timer_stop(place->client, &place->retry);
    downgrade_look(place);
    return LK_OK;
}
