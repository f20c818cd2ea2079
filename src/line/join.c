/* join.c - into the line: look first if it is only a try, create our znode, make the parents if
 * there are none.
 *
 * The create and the read of the parent go out together: one round trip and one commit, no listing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/numbers.h"
#include "line/place.h"

static void place_make_parent(struct place *place);

/* ---- a try looks first, and writes nothing when it is busy ---- */

static void place_looked(struct place *place)
{
    if (place->parent.exists && place->parent.status != LK_OK
        && place->parent.status != LK_E_NOT_FOUND && place->parent.status != LK_E_FOREIGN)
        place_refuse(place, place->parent.status);
    else if (place->wish.weight && permits_can_never_be(place))
        place_refuse(place, LK_E_PERMITS);
    else if (place->is_busy)
        place_refuse(place, LK_E_BUSY);
    else
        place_create(place);
}

static void place_listed(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc != KEEPER_OK && reply->rc != KEEPER_NO_NODE) {
        place_refuse(place, place_status(reply->rc));
        return;
    }
    if (reply->rc != KEEPER_OK)
        place->is_busy = false;
    else if (place->wish.weight)
        place->is_busy = permits_are_taken(place, reply);
    else
        place->is_busy = numbers_count(reply, place->wish.shares) > 0;
    place_arrived(place);
}

static void place_look(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->path };
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = place->path };

    place->state = PLACE_LOOKING;
    place_await(place, 2, place_looked);
    if (place_send(place, &get, REQUEST_RETRY, place_parent_read))
        place_send(place, &list, REQUEST_RETRY, place_listed);
}

void place_begin(struct place *place)
{
    place->weighing.agreed = false;
    place->asked_early = false;
    place->noted = 0;
    place->term.ran_out = false;
    place_prefix(place, place->wish.shares, place->prefix);
    place->token = client_random(place->client);
    place->uncertain = place->is_sweeping = place->looked_before = false;
    if (place->wish.only_if_free)
        place_look(place);
    else
        place_create(place);
}

/* ---- create ---- */

static void place_created(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    bool given_up = !place->wanted || place->is_sweeping;

    switch (reply->rc) {
    case KEEPER_OK:
        if (!place_adopt(place, reply->path, &reply->stat)) {
            place->uncertain = true; /* without memory we can't even name it */
            place_refuse(place, LK_E_NOMEM);
        } else if (given_up) {
            place_remove(place);
        } else {
            place_arrived(place);
        }
        return;
    case KEEPER_NO_NODE:
        place_quiet(place);
        if (given_up) {
            place_left(place);
            return;
        }
        if (place->kind == LINE_SEMAPHORE && !place->permits) {
            place_refuse(place, LK_E_NOT_FOUND);
            return;
        }
        place->making_size = strlen(place->path);
        place_make_parent(place);
        return;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        place->uncertain = true;
        place_quiet(place);
        place_find(place);
        return;
    default:
        place_refuse(place, place_status(reply->rc));
    }
}

void place_create(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    char *prefix = path_join(place->path, place->prefix);
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->path };

    place->state = PLACE_JOINING;
    int status = prefix ? place_record(place, &record) : LK_E_NOMEM;
    if (status != LK_OK) {
        free(prefix);
        place_refuse(place, status);
        return;
    }
    const struct keeper_request create = {
        .verb = KEEPER_CREATE,
        .path = prefix,
        .data = record.bytes,
        .data_size = record.size,
        .mode = KEEPER_EPHEMERAL_SEQUENTIAL,
        .access = client_access(place->client),
    };
    place_await(place, 2, place_decide);
    /* Should the read not get out, the create must still be heard of: it is in flight. */
    bool sent = place_send(place, &create, REQUEST_ONCE | REQUEST_PROOF, place_created);
    free(prefix);
    if (!sent
        || request_send(place->client, &place->requests, &get, REQUEST_RETRY, place_parent_read,
                        place)
               == LK_OK)
        return;
    place_await(place, 1, place_read_parent);
}

/* ---- parents: containers, so that an empty line is tidied away by the server ---- */

static void place_parent_made(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    size_t whole = strlen(place->path);

    switch (reply->rc) {
    case KEEPER_OK:
    case KEEPER_NODE_EXISTS:
        if (place->making_size == whole) {
            place_create(place);
            return;
        }
        place->making_size += 1 + strcspn(place->path + place->making_size + 1, "/");
        break;
    case KEEPER_NO_NODE:
        while (place->path[--place->making_size] != '/')
            ;
        if (place->making_size == 0) {
            place_refuse(place, LK_E_SERVER);
            return;
        }
        break;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        break; /* making it twice does no harm */
    default:
        place_refuse(place, place_status(reply->rc));
        return;
    }
    place_make_parent(place);
}

static void place_make_parent(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    bool is_line = place->making_size == strlen(place->path);
    char *path = strndup(place->path, place->making_size);

    place->state = PLACE_MAKING_PARENTS;
    place->parent.exists = false;
    const struct line_record line = place_line_record(place);
    if (!path || (is_line && line_record_write(&record, &line) != LK_OK)) {
        free(path);
        place_refuse(place, LK_E_NOMEM);
        return;
    }
    const struct keeper_request create = {
        .verb = KEEPER_CREATE,
        .path = path,
        .data = record.bytes,
        .data_size = record.size,
        /* What is written of a lost holder must outlast an empty line. */
        .mode = is_line && place->delay_ms ? KEEPER_PERSISTENT : KEEPER_CONTAINER,
        .access = client_access(place->client),
    };
    place_send(place, &create, REQUEST_ONCE | REQUEST_PROOF, place_parent_made);
    free(path);
}
