/* term.c - the time of our own permits: it begins, is prolonged, and ends. See term.h. */
#include "line/term.h"

#include "line/place.h"

#define MS INT64_C(1000000)

static void term_move(struct place *place);

int64_t term_left_ns(const struct place *place)
{
    int64_t left_ns = place->term.end_ns - client_now(place->client);

    if (!place->term.has_begun)
        return INT64_MAX;
    return left_ns > 0 ? left_ns : 0;
}

bool term_may_be_over(const struct place *place)
{
    const struct term *term = &place->term;

    return term->ms && client_now(place->client) - term->first_sent_ns > (int64_t)term->ms * MS / 2;
}

void term_clear(struct place *place)
{
    timer_stop(place->client, &place->term.timer);
    place->term.ms = 0;
    place->term.has_begun = place->term.is_moving = place->term.is_moved_anew = false;
}

/* ---- the write ---- */

/* What a write that was sent at sent_ns gives us, once it is answered. */
static int64_t term_end_ns(const struct term *term)
{
    int64_t length_ns = (int64_t)term->ms * MS;
    return term->sent_ns + length_ns - length_ns / TERM_DRIFT;
}

static int term_write(struct place *place, uint32_t ms, request_fn *fn)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    struct term *term = &place->term;

    term->sent_ns = client_now(place->client);
    if (!term->ms)
        term->first_sent_ns = term->sent_ns;
    term->ms = ms;
    int status = place_record(place, &record);
    if (status != LK_OK)
        return status;
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = place->node,
                                        .data = record.bytes,
                                        .data_size = record.size,
                                        .version = term->version };
    return request_send(place->client, &place->requests, &set, REQUEST_ONCE | REQUEST_PROOF, fn,
                        place);
}

/* ---- the beginning ---- */

static void term_begun(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    switch (reply->rc) {
    case KEEPER_OK:
        place->term.version = reply->stat.version;
        place->term.end_ns = term_end_ns(&place->term);
        place->term.has_begun = true;
        place_prove(place);
        return;
    case KEEPER_NO_NODE:
        place_gone(place);
        return;
    case KEEPER_BAD_VERSION:
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        /* Somebody wrote there, perhaps we: look at our znode, and write anew. */
        watch_unset(place->client, &place->own_watch);
        place->own_is_watched = false;
        place_read_parent(place);
        return;
    default:
        place_refuse(place, place_status(reply->rc));
    }
}

/* Called behind the reads that a decision was made from. If the connection is gone by then, they
 * are made again: a write that waits may come upon a namesake (leave.c). */
bool term_begins(struct place *place)
{
    if (!place->wish.ttl_ms || (place->term.has_begun && term_left_ns(place) > 0))
        return false;
    if (!client_is_connected(place->client)) {
        place_read_parent(place);
        return true;
    }
    timer_stop(place->client, &place->retry);
    place->state = PLACE_PROVING;
    place->term.has_begun = false;
    int status = term_write(place, place->wish.ttl_ms, term_begun);
    if (status != LK_OK)
        place_refuse(place, status);
    return true;
}

/* ---- the end ---- */

static void term_over(struct timer *timer)
{
    struct place *place = container_of(timer, struct place, term.timer);

    client_log(place->client, LK_LOG_WARNING, "the time of the permits %s has run out",
               place->node);
    place_lose(place);
}

void term_hold(struct place *place)
{
    if (place->term.has_begun)
        timer_set(place->client, &place->term.timer, place->term.end_ns, term_over);
}

/* ---- prolonging ---- */

static void term_moved(struct place *place, int status)
{
    place->term.is_moving = false;
    place->events->prolonged(place, status);
}

static void term_looked(void *context, const struct keeper_reply *reply);
static void term_written(void *context, const struct keeper_reply *reply);

static void term_caught_up(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* the read behind it is what counts */
}

static void term_look(struct place *place)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = place->node };
    int status = request_send(place->client, &place->requests, &barrier, BARRIER_FLAGS,
                              term_caught_up, place);

    if (status == LK_OK)
        status = request_send(place->client, &place->requests, &get, REQUEST_RETRY, term_looked,
                              place);
    if (status != LK_OK)
        term_moved(place, status);
}

/* A shorter time may take effect unheard, so it counts from the sending on. A longer one counts when
 * it is answered. */
static void term_move_now(struct place *place)
{
    struct term *term = &place->term;

    term->is_moved_anew = false;
    int status = term_write(place, term->wanted_ms, term_written);
    if (status != LK_OK) {
        term_moved(place, status);
        return;
    }
    if (term_end_ns(term) < term->end_ns) {
        term->end_ns = term_end_ns(term);
        term_hold(place);
    }
}

/* Whichever of our writes were applied, the last one that was answered is the last of all: each
 * names the version that it found. */
static void term_written(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;
    struct term *term = &place->term;

    switch (reply->rc) {
    case KEEPER_OK:
        term->version = reply->stat.version;
        term->end_ns = term_end_ns(term);
        term_hold(place);
        if (term->is_moved_anew)
            term_move(place);
        else
            term_moved(place, LK_OK);
        return;
    case KEEPER_NO_NODE:
        place_gone(place);
        return;
    case KEEPER_BAD_VERSION:
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        term_look(place);
        return;
    default:
        term_moved(place, place_status(reply->rc));
    }
}

static void term_looked(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_OK && reply->stat.czxid == place->czxid) {
        place->term.version = reply->stat.version;
        place_note_asked(place, reply); /* before it is written over */
        if (client_is_connected(place->client))
            term_move_now(place);
        else
            term_look(place);
    } else if (reply->rc == KEEPER_OK || reply->rc == KEEPER_NO_NODE) {
        place_gone(place);
    } else {
        term_moved(place, place_status(reply->rc));
    }
}

/* Unless our znode is watched, and so certainly there as far as we have heard, it is read first: its
 * name can be another's. */
static void term_move(struct place *place)
{
    if (client_is_connected(place->client) && place->own_is_watched)
        term_move_now(place);
    else
        term_look(place);
}

void place_prolong(struct place *place, uint32_t ttl_ms)
{
    struct term *term = &place->term;

    term->wanted_ms = ttl_ms;
    if (term->is_moving) {
        term->is_moved_anew = true;
        return;
    }
    term->is_moving = true;
    term_move(place);
}
