/* delay.c - the lock delay: who comes after a holder that was lost waits for what that one may still
 * be doing. After Burrows, "The Chubby lock service" (2006), section 2.4.
 *
 * Before it is granted a holder writes its czxid into the line, and its release takes it out again
 * in the same commit that removes its znode; so does who gives up behind that write. So whoever
 * becomes first and finds another's there knows that this one was lost; who merely gave up waiting
 * has never written anything. */
#include "line/place.h"

static uint32_t delay_ms(const struct place *place)
{
    return place_line_record(place).delay_ms ? place_line_record(place).delay_ms : place->delay_ms;
}

/* The line's data says who holds, if it is ours to write. */
static bool delay_is_kept(const struct place *place)
{
    const struct line_look *parent = &place->parent;

    return !place->wish.shares && !place->wish.weight && delay_ms(place) > 0
           && (parent->status == LK_OK || parent->status == LK_E_NOT_FOUND);
}

static void delay_noted(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    if (reply->rc == KEEPER_OK) {
        place->parent.stat = reply->stat;
        place_prove(place);
    } else if (reply->rc == KEEPER_NO_RIGHTS || reply->rc == KEEPER_NO_MEMORY) {
        place_refuse(place, place_status(reply->rc));
    } else {
        place_read_parent(place); /* another wrote there, or nobody knows: look */
    }
}

static void delay_note(struct place *place)
{
    __attribute__((cleanup(record_free))) struct record_out out = { 0 };
    struct line_record record = place_line_record(place);

    record.held = place->czxid;
    record.delay_ms = delay_ms(place);
    place->state = PLACE_SEEKING;
    if (line_record_write(&out, &record) != LK_OK) {
        place_refuse(place, LK_E_NOMEM);
        return;
    }
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = place->path,
                                        .data = out.bytes,
                                        .data_size = out.size,
                                        .version = place->parent.stat.version };
    if (!place_send(place, &set, REQUEST_ONCE | REQUEST_PROOF, delay_noted))
        return;
    /* As it will be: who gives up now sends the release behind it, on the same connection. */
    place->noted = place->czxid;
    place->parent.exists = true;
    place->parent.status = LK_OK;
    place->parent.record = record;
    place->parent.stat.version++;
}

/* From when we first found that one gone, in whichever of our attempts that was: else who only tries,
 * or waits for less than the delay, would never be granted. */
static bool delay_is_over(struct place *place, int64_t held)
{
    int64_t now_ns = client_now(place->client);

    if (place->delay_of != held) {
        place->delay_of = held;
        place->delay_end_ns = now_ns + (int64_t)delay_ms(place) * 1000000;
    }
    return now_ns >= place->delay_end_ns;
}

bool delay_begins(struct place *place)
{
    int64_t held = place_line_record(place).held;

    if (!delay_is_kept(place) || held == place->czxid)
        return false;
    if (held == 0 || delay_is_over(place, held)) {
        delay_note(place);
    } else if (place->wish.only_if_free) {
        place_refuse(place, LK_E_BUSY);
    } else {
        place->state = PLACE_DELAYED;
        if (!place->own_is_watched)
            place_watch_own(place, place_own_read_aside);
        place_retry_in(place, place->delay_end_ns - client_now(place->client));
    }
    return true;
}
