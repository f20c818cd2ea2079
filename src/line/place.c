/* place.c - a place from init to fini: what happens to it from outside, and what all its steps
 * share. */
#include "line/place.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

#define SECOND INT64_C(1000000000)

/* ---- what all steps share ---- */

int place_status(int rc)
{
    switch (rc) {
    case KEEPER_OK:
        return LK_OK;
    case KEEPER_NO_RIGHTS:
    case KEEPER_AUTH_FAILED:
        return LK_E_NO_RIGHTS;
    case KEEPER_EPHEMERAL_PARENT:
        return LK_E_KIND;
    case KEEPER_NODE_EXISTS: /* of a sequential name: the server's counter has run into its end */
        return LK_E_LINE_FULL;
    case KEEPER_NO_NODE:
        return LK_E_NOT_FOUND;
    case KEEPER_TOO_LARGE:
        return LK_E_TOO_LARGE;
    case KEEPER_NO_MEMORY:
        return LK_E_NOMEM;
    case KEEPER_CLOSED:
        return LK_E_CLOSED;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        return LK_E_UNKNOWN;
    }
    return LK_E_SERVER;
}

int place_record(const struct place *place, struct record_out *out)
{
    const struct place_record record = {
        .kind = (uint8_t)place->kind,
        .token = place->token,
        .pid = (uint64_t)getpid(),
        .host = place->host,
        .host_size = strlen(place->host),
        .words = place->words,
        .words_size = place->words_size,
        .term_ms = place->term.ms,
    };
    return place_record_write(out, &record);
}

struct line_record place_line_record(const struct place *place)
{
    if (place->parent.exists && place->parent.status == LK_OK)
        return place->parent.record;
    return (struct line_record){ .kind = (uint8_t)place->kind,
                                 .permits = place->permits,
                                 .permits_most = place->permits,
                                 .delay_ms = place->delay_ms };
}

/* Past its end the server's counter goes on below zero: "lk-lock--1547483648" ends in ten digits
 * too, but they say nothing of who came first. Such a place counts as one at the end, which is
 * refused. */
static uint32_t place_own_number(const struct place *place, const char *name)
{
    uint32_t number;

    return strlen(name) == strlen(place->prefix) + 10 && path_number(name, &number) ? number
                                                                                    : NUMBERS_END;
}

static void place_session_changed(struct session_listener *listener, enum session_change change);

bool place_is_anothers(const struct place *place, const char *path)
{
    struct session_listener *listener = NULL;

    while ((listener = session_listener_after(place->client, listener)) != NULL) {
        const struct place *other = container_of(listener, struct place, listener);
        if (listener->changed != place_session_changed || other == place)
            continue;
        if ((other->node && strcmp(other->node, path) == 0)
            || (other->turning_to && strcmp(other->turning_to, path) == 0))
            return true;
    }
    return false;
}

bool place_is_curators_word(const struct keeper_reply *get)
{
    static const char word[] = "__REVOKE__";
    return get->data_size == strlen(word) && memcmp(get->data, word, strlen(word)) == 0;
}

/* Both, since a session of the past may still have a znode with our token, about to vanish
 * (CURATOR-498). */
bool place_is_own(const struct place *place, const char *path, const struct keeper_reply *get)
{
    struct place_record record;

    if (get->rc != KEEPER_OK || get->stat.ephemeral_owner != client_session_id(place->client))
        return false;
    /* A create of another place whose reply we await was sent after this was read, or was lost: then
     * that one looks for it too, and whichever comes first may have it. */
    if (place_is_curators_word(get))
        return !place_is_anothers(place, path);
    return place_record_read(&record, get->data, get->data_size) == LK_OK
           && record.token == place->token;
}

bool place_adopt(struct place *place, const char *path, const struct keeper_stat *stat)
{
    char *node = strdup(path);

    if (!node)
        return false;
    place_forget_node(place);
    place->node = node;
    place->czxid = stat->czxid;
    place->term.version = stat->version;
    expiry_see(place, stat);
    place->events->named(place);
    place->number = place_own_number(place, path_name(path));
    return true;
}

void place_forget_node(struct place *place)
{
    watch_unset(place->client, &place->own_watch);
    place->own_is_watched = false;
    place->predecessor_is_gone =
        false; /* it stood before that znode, and says nothing of the next */
    free(place->node);
    place->node = NULL;
}

void place_quiet(struct place *place)
{
    request_drop(&place->requests);
    place->is_turning = false;
    place->awaited = 0;
    timer_stop(place->client, &place->retry);
    watch_unset(place->client, &place->own_watch);
    place->own_is_watched = false;
    watch_unset(place->client, &place->predecessor_watch);
    weighing_clear(&place->weighing);
    term_clear(place);
    expiry_clear(place);
    finding_free(place);
}

static void place_retry(struct timer *timer)
{
    struct place *place = container_of(timer, struct place, retry);

    if (place->state == PLACE_LEAVING)
        place_check_removed(place);
    else if (place->state == PLACE_FINDING)
        place_find(place);
    else if (place->state == PLACE_HELD && place->is_turning)
        place_downgrade_again(place);
    else if (place->state == PLACE_HELD && place->weighing.owes_signal)
        permits_signal(place);
    else if (place->state == PLACE_HELD && !place->own_is_watched)
        place_watch_own(place, place_own_read_aside);
    else if (place->state == PLACE_PROVING || place->state == PLACE_DELAYED)
        place_read_parent(place);
    else if (place->state == PLACE_QUEUED && place->uncertain) {
        place->looked_before = true;
        place_find(place);
    }
}

void place_retry_in(struct place *place, int64_t delay_ns)
{
    timer_set(place->client, &place->retry, client_now(place->client) + delay_ns, place_retry);
}

void place_retry_later(struct place *place)
{
    place_retry_in(place, SECOND);
}

bool place_send(struct place *place, const struct keeper_request *request, unsigned flags,
                request_fn *fn)
{
    int status = request_send(place->client, &place->requests, request, flags, fn, place);

    if (status == LK_OK)
        return true;
    if (status == LK_E_CLOSED)
        return false; /* we are about to be told */
    if (place->state == PLACE_LEAVING || place->state == PLACE_HELD
        || place->state == PLACE_FINDING)
        place_retry_later(place);
    else
        place_refuse(place, status);
    return false;
}

/* ---- ends ---- */

void place_left(struct place *place)
{
    place_quiet(place);
    place_forget_node(place);
    if (place->uncertain) {
        place->is_sweeping = true;
        place->looked_before = false;
        place_find(place);
        return;
    }
    place->state = PLACE_OUT;
    place->events->left(place);
}

void place_removed(struct place *place)
{
    place->events->removed(place);
    place_left(place);
}

void place_refuse(struct place *place, int status)
{
    bool was_wanted = place->wanted;

    place_quiet(place);
    place->wanted = false;
    place->state = PLACE_LEAVING;
    if (was_wanted)
        place->events->refused(place, status);
    if (place->node)
        place_remove(place);
    else
        place_left(place);
}

static void place_missed(void *context, const struct keeper_reply *reply)
{
    struct place *place = context;

    (void)reply; /* answered at all: the session lives */
    /* Our time began unheard, and is over: we stand again, at the end of the line. */
    if (place->term.ran_out)
        place_left(place);
    else
        place_refuse(place, LK_E_LOST);
}

/* A server that ends a session removes its znodes before it says so, and their watches fire. So a
 * waiter asks whether the session still lives: a commit for it means that a stranger did it. */
static void place_miss(struct place *place)
{
    place->term.ran_out = term_may_be_over(place);
    place_quiet(place);
    place_forget_node(place);
    place->state = PLACE_MISSING;
    place_send(place, &barrier, BARRIER_FLAGS, place_missed);
}

void place_gone(struct place *place)
{
    if (place->is_sweeping) { /* it was of an earlier wish, and on its way out */
        place_removed(place);
        return;
    }
    if (place->state != PLACE_HELD) {
        place_miss(place);
        return;
    }
    place_quiet(place);
    place_forget_node(place);
    lease_hold_end(place->client, &place->hold);
    place->wanted = false;
    place->state = PLACE_LEAVING;
    place->events->lost(place, LK_E_LOST);
    place_left(place);
}

/* The session may live on: then the znode must go, or nobody else can ever hold. */
void place_lose(struct place *place)
{
    lease_hold_end(place->client, &place->hold);
    place->wanted = false;
    place->noted = 0;
    place->state = PLACE_LEAVING;
    place->events->lost(place, LK_E_LOST);
    place_check_removed(place);
}

void place_leave(struct place *place)
{
    place->wanted = false;
    switch (place->state) {
    case PLACE_OUT:
    case PLACE_LEAVING:
        return;
    case PLACE_FINDING:
        place->is_sweeping = true;
        return;
    case PLACE_JOINING:
        /* While the create is on its way its reply will say what there is to remove: given up is
         * given up, also if the owner wants to join again before that. */
        if (place->node)
            place_remove(place);
        else
            place->is_sweeping = true;
        return;
    case PLACE_LOOKING:
    case PLACE_MAKING_PARENTS:
    case PLACE_MISSING:
        place_left(place);
        return;
    case PLACE_SEEKING:
    case PLACE_QUEUED:
    case PLACE_PROVING:
    case PLACE_DELAYED:
        /* Not watched, it may have gone unheard, and its name be another's. */
        if (place->own_is_watched)
            place_remove(place);
        else
            place_check_removed(place);
        return;
    case PLACE_HELD:
        place_release(place);
        return;
    }
}

void place_join(struct place *place, struct place_wish wish)
{
    place->wanted = true;
    if (place->state != PLACE_OUT)
        return; /* what is still to be removed is what it was */
    place->wish = wish;
    place_begin(place);
}

int place_proclaim(struct place *place, struct request_group *group, request_fn *fn, void *context)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };

    if (!place_has_node(place))
        return LK_E_STATE;
    int status = place_record(place, &record);
    if (status != LK_OK)
        return status;
    const struct keeper_request set = {
        .verb = KEEPER_SET,
        .path = place->node,
        .data = record.bytes,
        .data_size = record.size,
        .version = KEEPER_ANY_VERSION,
    };
    return request_send(place->client, group, &set, REQUEST_ONCE | REQUEST_PROOF, fn, context);
}

/* ---- the session ---- */

/* Its znodes are gone with it. Who waited stands again, at the end of the line. */
static void place_session_ended(struct place *place)
{
    if (place->state == PLACE_OUT)
        return;
    place->uncertain = false;
    if (place->state == PLACE_LEAVING)
        place_removed(place);
    else
        place_left(place);
}

static void place_closing(struct place *place)
{
    bool held = place->state == PLACE_HELD;

    if (place->state == PLACE_OUT)
        return;
    place_quiet(place);
    place_forget_node(place);
    lease_hold_end(place->client, &place->hold);
    place->wanted = place->uncertain = false;
    place->state = PLACE_OUT;
    if (held)
        place->events->lost(place, LK_E_CLOSED);
    place->events->left(place);
}

static void place_session_changed(struct session_listener *listener, enum session_change change)
{
    struct place *place = container_of(listener, struct place, listener);

    if (change == SESSION_ENDED)
        place_session_ended(place);
    else if (change == SESSION_CLOSING)
        place_closing(place);
}

static void place_lease_changed(struct lease_hold *hold, enum lease_change change)
{
    struct place *place = container_of(hold, struct place, hold);

    if (change != LEASE_OVER) {
        place->events->lease(place, change);
        return;
    }
    place_lose(place);
}

void place_init(struct place *place, lk_client *client, const struct place_events *events)
{
    place->client = client;
    place->events = events;
    place->listener.changed = place_session_changed;
    place->hold.changed = place_lease_changed;
    session_listen(client, &place->listener);
}

void place_fini(struct place *place)
{
    place_quiet(place);
    place_forget_node(place);
    session_unlisten(&place->listener);
    free(place->predecessor);
    free(place->turning_to);
    weighing_clear(&place->weighing);
    place->predecessor = place->turning_to = NULL;
}
