/* campaign_watch.c - tells what a campaign becomes, for a few small reads a change.
 *
 *   RECORD: the campaign's record, watched --no record--> GONE; it is made -> RECORD
 *     |---record---> STOCK: the shards whose watch is not set, each with a watch
 *                      |---read---> seen; a watch fires, or a moment of the rules comes -> RECORD
 *     \---refused or torn---> a little later -> RECORD
 *
 * What fires while the campaign is being sold is the shards' watches, at each claim: so no look
 * begins within a fifth of a second of the one before, and a shard whose watch has not fired is not
 * read again. That a campaign is sold out is only believed when all shards were empty at one
 * moment: the servers send a watch's event before what shows the new state, so where no watch has
 * fired by the time the last shard is read, all are still as they were read. Ranges move between
 * shards, and a sum of what was read at several moments might be nobody's.
 *
 * Time is the servers': asked for by a write to the campaign's clock when the campaign is first
 * seen and when a moment of the rules seems to have come. Who may not write there goes by what the
 * Stats tell.
 *
 * What was told last and what was seen last are two pictures; when the user dispatches, the first
 * takes one step towards the second and that is told. So nothing queues up for a user who is slow. */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

#define MS INT64_C(1000000)
#define PACE_NS (200 * MS)
#define RETRY_NS (1000 * MS) /* where something is wrong that no event tells the end of */
#define FARTHEST_MS (24 * 3600 * INT64_C(1000))

enum phase { PHASE_EARLY, PHASE_OPEN, PHASE_CLOSED, PHASE_ENDED };

/* A campaign as it was seen, or told. */
struct sight {
    bool is_known; /* else nothing was yet */
    bool is_gone;
    bool is_sold_out;
    int64_t czxid; /* of its record: no other campaign has the same */
    enum phase phase;
    lk_campaign_info info;
};

struct watched_shard {
    lk_campaign_watch *owner;
    struct watch watch;
    char *path;
    bool is_asked, is_read; /* read: what is here is true as long as the watch is set */
    uint64_t stocked, available;
};

struct lk_campaign_watch {
    lk_client *client;
    lk_campaign_event_fn *fn;
    void *arg;
    char *path, *clock;

    struct flight flight;
    struct watch record_watch;
    struct watched_shard shards[LK_SHARDS_MAX];
    struct campaign campaign; /* as in this look */
    int64_t czxid;
    struct servertime time;

    bool is_looking;
    bool is_torn;       /* a watch has fired during this look */
    bool needs_barrier; /* a new session may begin at a server that lags */
    bool needs_time;
    int64_t looked_ns;   /* when the last look began */
    struct timer again;  /* the next look, at the latest */
    struct timer moment; /* the next moment of the rules */
    int said;            /* the status that was logged: once is enough */
    struct session_listener listener;

    struct callback callback;
    struct sight seen, told;
};

static void watch_look(lk_campaign_watch *watch);

const char *lk_campaign_event_name(lk_campaign_event event)
{
    switch (event) {
    case LK_CAMPAIGN_OPENED:
        return "opened";
    case LK_CAMPAIGN_SOLD_OUT:
        return "sold-out";
    case LK_CAMPAIGN_STOCKED:
        return "stocked";
    case LK_CAMPAIGN_CLOSED:
        return "closed";
    case LK_CAMPAIGN_ENDED:
        return "ended";
    case LK_CAMPAIGN_GONE:
        return "gone";
    }
    return "unknown";
}

/* ---- what is told ---- */

/* What a campaign is, in one word, for who has not heard of it. */
static lk_campaign_event sight_name(const struct sight *sight)
{
    if (sight->is_gone)
        return LK_CAMPAIGN_GONE;
    if (sight->phase == PHASE_ENDED)
        return LK_CAMPAIGN_ENDED;
    if (sight->phase == PHASE_CLOSED)
        return LK_CAMPAIGN_CLOSED;
    if (sight->is_sold_out)
        return LK_CAMPAIGN_SOLD_OUT;
    return sight->phase == PHASE_EARLY ? LK_CAMPAIGN_STOCKED : LK_CAMPAIGN_OPENED;
}

static bool sight_begin(struct sight *told, const struct sight *seen, lk_campaign_event *out)
{
    *told = *seen;
    *out = sight_name(seen);
    return true;
}

/* One step of what was told towards what is seen. False: it is there already. */
static bool sight_step(struct sight *told, const struct sight *seen, lk_campaign_event *out)
{
    bool is_other = told->is_gone || told->czxid != seen->czxid;

    if (!told->is_known)
        return seen->is_known && sight_begin(told, seen, out);
    if (seen->is_gone || (is_other && !told->is_gone)) {
        bool was_gone = told->is_gone;
        told->is_gone = true;
        *out = LK_CAMPAIGN_GONE;
        return !was_gone;
    }
    if (is_other)
        return sight_begin(told, seen, out);
    if (told->phase == PHASE_EARLY && seen->phase == PHASE_OPEN) {
        told->phase = PHASE_OPEN;
        *out = LK_CAMPAIGN_OPENED;
        return true;
    }
    bool is_stocked = told->is_sold_out || seen->info.stocked > told->info.stocked;
    if (!seen->is_sold_out && is_stocked) {
        told->is_sold_out = false;
        told->info.stocked = seen->info.stocked;
        *out = LK_CAMPAIGN_STOCKED;
        return true;
    }
    if (seen->is_sold_out && !told->is_sold_out) {
        told->is_sold_out = true;
        *out = LK_CAMPAIGN_SOLD_OUT;
        return true;
    }
    if (seen->phase <= told->phase)
        return false;
    told->phase = seen->phase;
    *out = seen->phase == PHASE_ENDED ? LK_CAMPAIGN_ENDED : LK_CAMPAIGN_CLOSED;
    return true;
}

static void watch_tell(lk_campaign_watch *watch)
{
    struct sight told = watch->told;
    lk_campaign_event event;

    if (sight_step(&told, &watch->seen, &event) && !list_is_linked(&watch->callback.node))
        callback_post(watch->client, &watch->callback);
}

static void telling_run(struct callback *callback)
{
    lk_campaign_watch *watch = container_of(callback, lk_campaign_watch, callback);
    lk_campaign_event event;

    if (client_enter_closed(watch->client) != LK_OK)
        return;
    bool news = sight_step(&watch->told, &watch->seen, &event);
    lk_campaign_info info = watch->seen.info;
    lk_campaign_event_fn *fn = watch->fn;
    void *arg = watch->arg;
    if (news)
        watch_tell(watch);
    client_leave(watch->client);
    if (news)
        fn(event, event == LK_CAMPAIGN_GONE ? NULL : &info, arg); /* may free the watch */
}

static void telling_forget(struct callback *callback)
{
    (void)callback; /* it is freed with the watch */
}

/* ---- when to look ---- */

static void look_comes(struct timer *timer)
{
    watch_look(container_of(timer, lk_campaign_watch, again));
}

static void watch_look_at(lk_campaign_watch *watch, int64_t at_ns)
{
    timer_set(watch->client, &watch->again, at_ns, look_comes);
}

static void watch_look_soon(lk_campaign_watch *watch)
{
    int64_t due_ns = watch->looked_ns + PACE_NS;

    if (client_now(watch->client) >= due_ns)
        watch_look(watch);
    else
        watch_look_at(watch, due_ns);
}

static void watch_fired(lk_campaign_watch *watch)
{
    if (watch->is_looking)
        watch->is_torn = true;
    else
        watch_look_soon(watch);
}

static void record_fired(struct watch *fired, enum keeper_watch_event event)
{
    (void)event;
    watch_fired(container_of(fired, lk_campaign_watch, record_watch));
}

static void shard_fired(struct watch *fired, enum keeper_watch_event event)
{
    (void)event;
    watch_fired(container_of(fired, struct watched_shard, watch)->owner);
}

static void moment_comes(struct timer *timer)
{
    lk_campaign_watch *watch = container_of(timer, lk_campaign_watch, moment);

    watch->needs_time = true;
    if (!watch->is_looking)
        watch_look(watch);
    else
        watch->is_torn = true;
}

static void watch_await_moment(lk_campaign_watch *watch, int64_t now_ms)
{
    const lk_campaign_options *rules = &watch->campaign.rules;
    const int64_t moments[] = { rules->opens_ms, rules->closes_ms, rules->ends_ms };
    int64_t next_ms = INT64_MAX;

    for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
        if (moments[i] > now_ms && moments[i] < next_ms)
            next_ms = moments[i];
    }
    timer_stop(watch->client, &watch->moment);
    if (next_ms == INT64_MAX)
        return;
    int64_t left_ms = next_ms - now_ms < FARTHEST_MS ? next_ms - now_ms : FARTHEST_MS;
    timer_set(watch->client, &watch->moment, client_now(watch->client) + left_ms * MS,
              moment_comes);
}

/* ---- the end of a look ---- */

static void watch_over(lk_campaign_watch *watch)
{
    flight_drop(&watch->flight);
    watch->is_looking = false;
    if (watch->is_torn)
        watch_look_soon(watch);
}

/* Nothing can be said of the campaign. What is wrong with it is written in the log. */
static void watch_blind(lk_campaign_watch *watch, int status)
{
    watch_over(watch);
    /* The client is closed, by its user, who knows. */
    if (status == LK_E_CLOSED || status == LK_E_UNKNOWN)
        return;
    watch_look_at(watch, client_now(watch->client) + RETRY_NS);
    if (status != watch->said && status != LK_E_NOMEM)
        client_log(watch->client, LK_LOG_WARNING, "the campaign at %s can't be watched: %s",
                   watch->path, lk_status_text(status));
    watch->said = status;
}

static void watch_see(lk_campaign_watch *watch, const struct sight *sight)
{
    watch->said = LK_OK;
    watch->seen = *sight;
    watch_over(watch);
    watch_tell(watch);
}

/* ---- the stock ---- */

static void shards_forget(lk_campaign_watch *watch)
{
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        struct watched_shard *shard = &watch->shards[i];
        watch_unset(watch->client, &shard->watch);
        free(shard->path);
        *shard = (struct watched_shard){ 0 };
    }
}

static int watched_take(struct watched_shard *asked, uint32_t index, const struct answer *answer)
{
    struct shard shard = { 0 };

    int status = answer_status(answer);
    if (status == LK_OK)
        status = shard_decode(&shard, answer->data, answer->data_size, index);
    if (status != LK_OK)
        return status;
    asked->is_read = true;
    asked->stocked = shard.stocked;
    asked->available = shard_available(&shard);
    shard_free(&shard);
    return LK_OK;
}

static enum phase watch_phase(const lk_campaign_watch *watch, int64_t now_ms)
{
    const struct campaign *campaign = &watch->campaign;
    int64_t retry_ms;

    switch (campaign_may_claim(campaign, now_ms, &retry_ms)) {
    case LK_OK:
        return PHASE_OPEN;
    case LK_E_NOT_OPEN:
        return PHASE_EARLY;
    case LK_E_CAMPAIGN_CLOSED:
        return PHASE_CLOSED;
    default:
        return PHASE_ENDED;
    }
}

/* All shards are read. What is torn can show that there is stock, but neither that there is none
 * nor that some was added: then the look is over, and the next one follows. */
static void watch_sum_up(lk_campaign_watch *watch)
{
    int64_t now_ms = servertime_ms(&watch->time, client_now(watch->client));
    struct sight sight = {
        .is_known = true,
        .czxid = watch->czxid,
        .phase = watch_phase(watch, now_ms),
        .info = { .rules = watch->campaign.rules,
                  .closed = watch->campaign.closed,
                  .server_ms = now_ms },
    };

    for (size_t i = 0; i < sight.info.rules.shards; i++) {
        sight.info.stocked += watch->shards[i].stocked;
        sight.info.available += watch->shards[i].available;
    }
    sight.is_sold_out = sight.info.available == 0;
    campaign_info_sum(&sight.info);
    watch_await_moment(watch, now_ms);
    bool is_of_one_record = watch_is_set(&watch->record_watch);
    bool is_of_one_moment = is_of_one_record && !watch->is_torn;
    if (is_of_one_moment || (is_of_one_record && !sight.is_sold_out))
        watch_see(watch, &sight);
    else
        watch_over(watch);
}

static void shards_landed(struct flight *flight)
{
    lk_campaign_watch *watch = container_of(flight, lk_campaign_watch, flight);
    int status = LK_OK;
    size_t at = 0;

    for (uint32_t i = 0; i < watch->campaign.rules.shards; i++) {
        struct watched_shard *shard = &watch->shards[i];
        if (!shard->is_asked)
            continue;
        const struct answer *answer = &flight->answers[at++];
        servertime_see(&watch->time, answer->stat.mtime_ms, client_now(watch->client));
        int taken = watched_take(shard, i, answer);
        if (taken != LK_OK)
            watch_unset(watch->client, &shard->watch);
        if (status == LK_OK)
            status = taken;
    }
    if (status == LK_OK)
        watch_sum_up(watch);
    else if (status == LK_E_NOT_FOUND && !watch_is_set(&watch->record_watch))
        watch_over(watch); /* it is being deleted, or was */
    else
        watch_blind(watch, status == LK_E_NOT_FOUND ? LK_E_CORRUPT : status);
}

/* Those whose watch is set are as they were read. */
static void watch_read_shards(lk_campaign_watch *watch)
{
    struct keeper_request requests[LK_SHARDS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < watch->campaign.rules.shards; i++) {
        struct watched_shard *shard = &watch->shards[i];
        shard->owner = watch;
        if (!shard->path)
            shard->path = name_shard(watch->path, i);
        if (!shard->path) {
            watch_blind(watch, LK_E_NOMEM);
            return;
        }
        shard->is_asked = !shard->is_read || !watch_is_set(&shard->watch);
        if (!shard->is_asked)
            continue;
        shard->is_read = false;
        watch_set(watch->client, &shard->watch, shard->path, shard_fired);
        requests[count++] = (struct keeper_request){ .verb = KEEPER_GET,
                                                     .path = shard->path,
                                                     .watch = true };
    }
    if (count == 0) {
        watch_sum_up(watch);
        return;
    }
    int status = flight_send(&watch->flight, watch->client, requests, count, shards_landed);
    if (status != LK_OK)
        watch_blind(watch, status);
}

/* ---- the record ---- */

enum { ASK_BARRIER, ASK_CLOCK, ASK_WATCH, ASK_RECORD, ASKS };

static void watch_see_none(lk_campaign_watch *watch)
{
    timer_stop(watch->client, &watch->moment);
    shards_forget(watch);
    watch->needs_time = true;
    watch_see(watch, &(struct sight){ .is_known = true, .is_gone = true });
}

static void watch_take_time(lk_campaign_watch *watch, const struct answer *clock)
{
    int64_t now_ns = client_now(watch->client);

    if (answer_is_lost(clock))
        return;
    /* Also where it is behind what the boot clock made of an older reading. */
    if (clock->rc == KEEPER_OK)
        watch->time = (struct servertime){ clock->stat.mtime_ms, now_ns, true };
    watch->needs_time = false;
}

static void record_landed(struct flight *flight)
{
    lk_campaign_watch *watch = container_of(flight, lk_campaign_watch, flight);
    size_t first = ASKS - flight->count; /* not all of them were asked */
    const struct answer *record = &flight->answers[ASK_RECORD - first];

    campaign_free(&watch->campaign);
    watch->needs_barrier = false;
    if (first <= ASK_CLOCK)
        watch_take_time(watch, &flight->answers[ASK_CLOCK - first]);
    int status = campaign_read(&watch->campaign, record);
    if (status == LK_E_NOT_FOUND) {
        watch_see_none(watch);
        return;
    }
    if (status != LK_OK) {
        watch_blind(watch, status);
        return;
    }
    if (watch->needs_time) { /* the reply was lost */
        watch->is_torn = true;
        watch_over(watch);
        return;
    }
    servertime_see(&watch->time, record->stat.mtime_ms, client_now(watch->client));
    if (record->stat.czxid != watch->czxid)
        shards_forget(watch);
    watch->czxid = record->stat.czxid;
    watch_read_shards(watch);
}

/* An "exists" may wait for what is not there yet, a "get" may not. */
static void watch_look(lk_campaign_watch *watch)
{
    const struct keeper_request requests[ASKS] = {
        [ASK_BARRIER] = barrier,
        [ASK_CLOCK] = { .verb = KEEPER_SET, .path = watch->clock, .version = KEEPER_ANY_VERSION },
        [ASK_WATCH] = { .verb = KEEPER_EXISTS, .path = watch->path, .watch = true },
        [ASK_RECORD] = { .verb = KEEPER_GET, .path = watch->path },
    };
    size_t first = watch->needs_barrier ? ASK_BARRIER : watch->needs_time ? ASK_CLOCK : ASK_WATCH;

    timer_stop(watch->client, &watch->again);
    watch->is_looking = true;
    watch->is_torn = false;
    watch->looked_ns = client_now(watch->client);
    watch_set(watch->client, &watch->record_watch, watch->path, record_fired);
    int status = flight_send(&watch->flight, watch->client, requests + first, ASKS - first,
                             record_landed);
    if (status != LK_OK)
        watch_blind(watch, status);
}

static void watch_session_changed(struct session_listener *listener, enum session_change change)
{
    lk_campaign_watch *watch = container_of(listener, lk_campaign_watch, listener);

    if (change != SESSION_ENDED)
        return;
    watch->needs_barrier = true;
    watch_look(watch);
}

/* ---- new and free ---- */

static void watch_destroy(lk_campaign_watch *watch)
{
    free(watch->clock);
    free(watch->path);
    free(watch);
}

int lk_campaign_watch_new(lk_campaign_watch **out, lk_client *client, const char *path,
                          lk_campaign_event_fn *told, void *arg)
{
    if (!out || !client || !path || !told)
        return LK_E_INVALID;
    lk_campaign_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return LK_E_NOMEM;
    int status = client_path(client, path, &watch->path);
    if (status == LK_OK && !(watch->clock = name_clock(watch->path)))
        status = LK_E_NOMEM;
    if (status == LK_OK)
        status = client_enter(client);
    if (status != LK_OK) {
        watch_destroy(watch);
        return status;
    }
    watch->client = client_ref(client);
    watch->fn = told;
    watch->arg = arg;
    watch->needs_barrier = watch->needs_time = true;
    watch->callback = (struct callback){ .owner = watch,
                                         .run = telling_run,
                                         .forget = telling_forget };
    watch->listener.changed = watch_session_changed;
    session_listen(client, &watch->listener);
    watch_look(watch);
    client_leave(client);
    *out = watch;
    return LK_OK;
}

lk_campaign_watch *lk_campaign_watch_free(lk_campaign_watch *watch)
{
    if (!watch || client_enter_closed(watch->client) != LK_OK)
        return NULL;
    lk_client *client = watch->client;
    flight_drop(&watch->flight);
    watch_unset(client, &watch->record_watch);
    timer_stop(client, &watch->again);
    timer_stop(client, &watch->moment);
    shards_forget(watch);
    campaign_free(&watch->campaign);
    session_unlisten(&watch->listener);
    callbacks_forget(client, watch);
    client_leave(client);
    watch_destroy(watch);
    client_unref(client);
    return NULL;
}
