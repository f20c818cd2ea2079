/* expiry.c - the first waiter ends the permits before it whose time has run out. See term.h.
 *
 * Each of them is read once, and again when its time seems to be over; one that has not begun is
 * watched until it does. Not before we have been the first for a moment: where permits come back
 * quickly nobody reads any, and a hand-over costs the same however many there are.
 *
 * What has run out is deleted in the version that was read, so that a prolonging that comes in
 * between wins; and only while we stand ourselves: in a line made anew its name can be another's.
 *
 * When is it over? The server's clock stamped it; ours tells how long ago it stamped something that
 * we have seen, which is a lower bound of what it shows now. That holds for one leader: another's
 * clock may be behind. So a stamp of another reign counts from when it was first seen here. */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)
#define NEVER INT64_MAX
#define A_MOMENT_NS (100 * MS)

/* Permits that end by themselves. */
struct due {
    struct place *place;
    char *path;
    bool is_listed;
    bool is_judged;       /* its end has come, and is being looked into */
    int64_t czxid, mzxid; /* as read; 0: not yet */
    int32_t version;      /* likewise */
    int64_t end_ns;       /* by our clock; until it is read: when to; NEVER: none that we know of */
    struct watch watch;   /* until it has begun */
    struct request_group requests;
};

static void due_read(struct due *due);
static void due_read_watched(struct due *due);
static void due_judge(struct due *due);
static void expiry_plan(struct place *place);

/* ---- what time is it there? ---- */

static int64_t reign(int64_t zxid)
{
    return zxid >> 32;
}

static int64_t server_ms(const struct heard_time *clock, int64_t now_ns)
{
    int64_t since_ns = now_ns - clock->at_ns;
    return clock->ms + (since_ns - since_ns / TERM_DRIFT) / MS;
}

void expiry_see(struct place *place, const struct keeper_stat *stat)
{
    struct heard_time *clock = &place->expiry.clock;
    int64_t now_ns = client_now(place->client), epoch = reign(stat->mzxid);

    if (epoch < clock->epoch
        || (epoch == clock->epoch && stat->mtime_ms <= server_ms(clock, now_ns)))
        return;
    *clock = (struct heard_time){ .epoch = epoch, .ms = stat->mtime_ms, .at_ns = now_ns };
}

/* When it is certainly over: a millisecond more, since the stamp leaves out its fraction. */
static int64_t end_ns_of(const struct place *place, const struct keeper_stat *stat, uint32_t ms)
{
    const struct heard_time *clock = &place->expiry.clock;
    int64_t now_ns = client_now(place->client), left_ns = (int64_t)ms * MS;

    if (reign(stat->mzxid) == clock->epoch)
        left_ns = (stat->mtime_ms + ms + 1 - server_ms(clock, now_ns)) * MS;
    if (left_ns < 0)
        left_ns = 0;
    return now_ns + left_ns + left_ns / TERM_DRIFT;
}

/* ---- one of them ---- */

static void due_free(struct due *due)
{
    watch_unset(due->place->client, &due->watch);
    request_drop(&due->requests);
    free(due->path);
    free(due);
}

/* What was not written since ends when we first thought it would, if that is sooner. */
static void due_note(struct due *due, const struct keeper_reply *reply)
{
    struct place_record record;
    int64_t end_ns = NEVER;

    expiry_see(due->place, &reply->stat);
    if (place_record_read(&record, reply->data, reply->data_size) == LK_OK && record.term_ms)
        end_ns = end_ns_of(due->place, &reply->stat, record.term_ms);
    if (reply->stat.mzxid != due->mzxid || end_ns < due->end_ns)
        due->end_ns = end_ns;
    due->czxid = reply->stat.czxid;
    due->mzxid = reply->stat.mzxid;
    due->version = reply->stat.version;
}

/* Gone, which the line's own watch says; or hidden from us. */
static void due_leave_alone(struct due *due)
{
    watch_unset(due->place->client, &due->watch);
    due->end_ns = NEVER;
}

static void due_seen(void *context, const struct keeper_reply *reply)
{
    struct due *due = context;

    if (reply->rc == KEEPER_OK)
        due_note(due, reply);
    else
        due_leave_alone(due);
    if (reply->rc == KEEPER_OK && due->end_ns == NEVER && !watch_is_set(&due->watch))
        due_read_watched(due);
    expiry_plan(due->place);
}

static void due_fire(struct watch *watch, enum keeper_watch_event event)
{
    struct due *due = container_of(watch, struct due, watch);

    if (event != KEEPER_WATCH_CHANGED || due->end_ns != NEVER)
        return;
    due_read(due);
    expiry_plan(due->place); /* without memory it is for later */
}

static void due_later(struct due *due)
{
    due->is_judged = false;
    due->end_ns = client_now(due->place->client) + SECOND;
}

static void due_send(struct due *due, const struct keeper_request *request, unsigned flags,
                     request_fn *fn)
{
    if (request_send(due->place->client, &due->requests, request, flags, fn, due) != LK_OK)
        due_later(due);
}

static void due_read(struct due *due)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = due->path };

    due->end_ns = NEVER;
    due_send(due, &get, REQUEST_RETRY, due_seen);
}

/* Only one that has not begun: the client library names all watches at each reconnect, in one
 * packet, which a server refuses when there are very many. */
static void due_read_watched(struct due *due)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = due->path, .watch = true };

    watch_set(due->place->client, &due->watch, due->path, due_fire);
    due_send(due, &get, REQUEST_RETRY, due_seen);
    if (due->end_ns == NEVER)
        return;
    /* Not sent: it is read anew, later. */
    watch_unset(due->place->client, &due->watch);
    due->mzxid = 0;
}

/* ---- its time seems to be over ---- */

static void due_removed(void *context, const struct keeper_reply *reply)
{
    struct due *due = context;

    due->is_judged = false;
    switch (reply->rc) {
    case KEEPER_OK:
    case KEEPER_NO_NODE: /* or ours is, which we are about to hear */
        due_leave_alone(due);
        break;
    case KEEPER_BAD_VERSION:
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        due_judge(due);
        break;
    default:
        due_later(due);
    }
    expiry_plan(due->place);
}

static void due_remove(struct due *due)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CHECK, .path = due->place->node, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_DELETE, .path = due->path, .version = due->version },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 2 };

    due->is_judged = true;
    client_log(due->place->client, LK_LOG_WARNING, "the time of %s has run out: it is removed",
               due->path);
    due_send(due, &multi, REQUEST_ONCE | REQUEST_PROOF, due_removed);
}

static void due_judged(void *context, const struct keeper_reply *reply)
{
    struct due *due = context;
    lk_client *client = due->place->client;

    due->is_judged = false;
    if (reply->rc != KEEPER_OK || (due->czxid && reply->stat.czxid != due->czxid)) {
        due_leave_alone(due);
    } else {
        due_note(due, reply);
        if (due->end_ns <= client_now(client) && client_is_connected(client))
            due_remove(due);
    }
    expiry_plan(due->place);
}

static void due_caught_up(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* the read behind it is what counts */
}

/* Behind a barrier: a server that lags shows what has been made anew as it was before. */
static void due_judge(struct due *due)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = due->path };

    due->is_judged = true;
    due_send(due, &barrier, BARRIER_FLAGS, due_caught_up);
    if (due->is_judged)
        due_send(due, &get, REQUEST_RETRY, due_judged);
}

/* ---- all of them ---- */

static void expiry_fire(struct timer *timer)
{
    struct place *place = container_of(timer, struct place, expiry.timer);
    struct expiry *expiry = &place->expiry;
    int64_t now_ns = client_now(place->client);

    for (size_t i = 0; i < expiry->count; i++) {
        struct due *due = expiry->dues[i];
        if (due->is_judged || due->end_ns > now_ns)
            continue;
        if (due->mzxid)
            due_judge(due);
        else
            due_read(due);
    }
    expiry_plan(place);
    if (expiry->is_short && place->state == PLACE_QUEUED)
        place_read_parent(place);
}

static void expiry_plan(struct place *place)
{
    const struct expiry *expiry = &place->expiry;
    int64_t next_ns = expiry->is_short ? client_now(place->client) + SECOND : NEVER;

    for (size_t i = 0; i < expiry->count; i++)
        if (!expiry->dues[i]->is_judged && expiry->dues[i]->end_ns < next_ns)
            next_ns = expiry->dues[i]->end_ns;
    if (next_ns == NEVER)
        timer_stop(place->client, &place->expiry.timer);
    else
        timer_set(place->client, &place->expiry.timer, next_ns, expiry_fire);
}

static int by_name(const void *a, const void *b)
{
    const struct due *const *x = a, *const *y = b;
    return strcmp(path_name((*x)->path), path_name((*y)->path));
}

static int name_is(const void *name, const void *element)
{
    const struct due *const *due = element;
    return strcmp(name, path_name((*due)->path));
}

static bool expiry_add(struct place *place, const char *name)
{
    struct expiry *expiry = &place->expiry;
    struct due **dues = realloc(expiry->dues, (expiry->count + 1) * sizeof(struct due *));
    struct due *due = calloc(1, sizeof *due);

    if (dues)
        expiry->dues = dues;
    if (!dues || !due || !(due->path = path_join(place->path, name))) {
        free(due);
        return false;
    }
    due->place = place;
    due->is_listed = true;
    due->end_ns = client_now(place->client) + A_MOMENT_NS;
    dues[expiry->count++] = due;
    return true;
}

static void expiry_drop_unlisted(struct expiry *expiry)
{
    size_t kept = 0;

    for (size_t i = 0; i < expiry->count; i++) {
        if (expiry->dues[i]->is_listed)
            expiry->dues[kept++] = expiry->dues[i];
        else
            due_free(expiry->dues[i]);
    }
    expiry->count = kept;
}

void expiry_follow(struct place *place, const struct keeper_reply *list)
{
    struct expiry *expiry = &place->expiry;
    size_t known = expiry->count;
    uint32_t number;

    for (size_t i = 0; i < known; i++)
        expiry->dues[i]->is_listed = false;
    expiry->is_short = false;
    for (size_t i = 0; i < list->child_count; i++) {
        const char *name = list->children[i];
        if (!numbers_has_term(name) || !path_number(name, &number)
            || !number_is_before(number, place->number))
            continue;
        struct due **due = known ? bsearch(name, expiry->dues, known, sizeof(struct due *), name_is)
                                 : NULL;
        if (due)
            (*due)->is_listed = true;
        else if (!expiry_add(place, name))
            expiry->is_short = true;
    }
    expiry_drop_unlisted(expiry);
    if (expiry->count)
        qsort(expiry->dues, expiry->count, sizeof(struct due *), by_name);
    expiry_plan(place);
}

void expiry_clear(struct place *place)
{
    struct expiry *expiry = &place->expiry;

    timer_stop(place->client, &expiry->timer);
    for (size_t i = 0; i < expiry->count; i++)
        due_free(expiry->dues[i]);
    free(expiry->dues);
    expiry->dues = NULL;
    expiry->count = 0;
    expiry->is_short = false;
}
