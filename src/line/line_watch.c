/* line_watch.c - tells a line anew at each change, for a fixed number of small reads a change.
 *
 *   LOOK: the parent and the listing, both watched; then whoever was not known yet, and the first
 *     |---complete-----> tell; the children change -> LOOK
 *     |---no path------> tell that nobody stands; watch for the path: made -> LOOK
 *     \---refused------> tell why; a second later -> LOOK
 *
 * Whoever was read once is known by its name for as long as the parent is the same: within one
 * incarnation no number is given twice. (What has none, or one of the last, is read each time.)
 *
 * A line is told as it stood at the moment of a listing, or not at all: if a znode is gone before
 * it could be read, or something that was read is younger than a listing that is old by then, the
 * line is looked at again first. The servers send a watch's event before what shows the new state;
 * so no event, no change.
 *
 * Of the data in the line only the first's is watched: watches on all would make the library of
 * ZooKeeper send all their names after each reconnect, in one packet, which a server refuses when
 * the line is long. */
#include <latchkey/grant.h>

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/path.h"
#include "line/entry.h"
#include "line/numbers.h"
#include "line/place.h"

#define SECOND INT64_C(1000000000)

enum { READS_AT_ONCE = 64 };

/* One telling: the line and all that it points to. */
struct report {
    int status;
    lk_line line;
    lk_line_entry entries[];
};

struct lk_line_watch {
    lk_client *client;
    lk_line_fn *fn;
    void *arg;
    char *path;

    lk_line line;                       /* kind, permits and counts, as of this look */
    int64_t parent_czxid, parent_mzxid; /* as read with the data; 0: not in this look */
    struct keeper_stat listed;
    struct seen *seen; /* who stands, in order, as last listed */
    size_t count;

    bool is_looking;
    bool is_outdated;     /* an event has come since the listing was asked for */
    bool is_unclear;      /* what was read does not belong together */
    bool is_seen;         /* what is known is the line as it stands, or an event is on its way */
    size_t awaited, next; /* replies; whom to read next */
    struct line_read {
        struct lk_line_watch *watch;
        size_t index;
    } reads[READS_AT_ONCE];

    struct watch parent_watch, first_watch;
    char *first; /* the path that first_watch is on */
    struct request_group requests;
    struct session_listener listener;
    struct timer retry;

    struct callback callback;
    struct report *pending; /* not taken by the callback yet: the newest takes its place */
    bool has_told;
    XXH64_hash_t told; /* what: see line_digest() */
};

static void line_look(lk_line_watch *watch);
static void line_read_next(lk_line_watch *watch, struct line_read *read);

/* ---- telling ---- */

static void telling_run(struct callback *callback)
{
    lk_line_watch *watch = container_of(callback, lk_line_watch, callback);

    if (client_enter_closed(watch->client) != LK_OK)
        return;
    struct report *report = watch->pending;
    lk_line_fn *fn = watch->fn;
    void *arg = watch->arg;
    watch->pending = NULL;
    client_leave(watch->client);
    if (!report)
        return; /* another was on its way already when this one was taken */
    fn(report->status, report->status == LK_OK ? &report->line : NULL,
       arg); /* may free the watch */
    free(report);
}

static void telling_forget(struct callback *callback)
{
    (void)callback; /* the report is freed with the watch */
}

static void line_retry(struct timer *timer)
{
    line_look(container_of(timer, lk_line_watch, retry));
}

static void line_retry_later(lk_line_watch *watch)
{
    timer_set(watch->client, &watch->retry, client_now(watch->client) + SECOND, line_retry);
}

static size_t entry_text_size(const lk_line_entry *entry)
{
    return strlen(entry->node) + strlen(entry->host) + entry->label_size + 3;
}

static char *text_copy(char **at, const char *text, size_t size)
{
    char *copy = memcpy(*at, text, size + 1);

    *at += size + 1;
    return copy;
}

static struct report *report_new(const lk_line_watch *watch, int status)
{
    size_t count = status == LK_OK ? watch->count : 0, text_size = 0;

    for (size_t i = 0; i < count; i++)
        text_size += entry_text_size(&watch->seen[i].entry);
    struct report *report = malloc(sizeof *report + count * sizeof report->entries[0] + text_size);
    if (!report)
        return NULL;
    char *at = (char *)&report->entries[count];
    for (size_t i = 0; i < count; i++) {
        lk_line_entry *entry = &report->entries[i];
        *entry = watch->seen[i].entry;
        entry->node = text_copy(&at, entry->node, strlen(entry->node));
        entry->host = text_copy(&at, entry->host, strlen(entry->host));
        entry->label = text_copy(&at, entry->label, entry->label_size);
    }
    report->status = status;
    report->line = watch->line;
    report->line.entries = report->entries;
    report->line.count = count;
    line_judge(&report->line, report->entries);
    return report;
}

/* Changes with all that is told, but for the counts beside the line. */
static XXH64_hash_t line_digest(const lk_line_watch *watch, int status)
{
    XXH64_hash_t digest = (XXH64_hash_t)(int64_t)status;

    if (status != LK_OK)
        return digest;
    digest = XXH3_64bits_withSeed(watch->line.kind, strlen(watch->line.kind), watch->line.permits);
    for (size_t i = 0; i < watch->count; i++) {
        const uint64_t one[] = { watch->seen[i].entry.fence.zxid, (uint64_t)watch->seen[i].mzxid };
        digest = XXH3_64bits_withSeed(one, sizeof one, digest);
    }
    return digest;
}

static void line_tell(lk_line_watch *watch, int status)
{
    XXH64_hash_t digest = line_digest(watch, status);

    if (watch->has_told && watch->told == digest)
        return;
    struct report *report = report_new(watch, status);
    if (!report) {
        line_retry_later(watch);
        return;
    }
    free(watch->pending);
    watch->pending = report;
    watch->has_told = true;
    watch->told = digest;
    if (!list_is_linked(&watch->callback.node))
        callback_post(watch->client, &watch->callback);
}

/* ---- who is known ---- */

static void line_forget_all(lk_line_watch *watch)
{
    seen_free(watch->seen, watch->count);
    watch->seen = NULL;
    watch->count = 0;
}

/* Another znode may come by this name: it has no number, or one at which the servers' count is
 * about to stick. */
static bool name_comes_again(const lk_line_entry *entry)
{
    return entry->number < 0 || entry->number >= (int64_t)NUMBERS_END;
}

/* Takes over who is known by name. False: no memory. */
static bool line_merge(lk_line_watch *watch, struct seen *listed, size_t count)
{
    size_t known = 0;

    for (size_t i = 0; i < count; i++) {
        while (known < watch->count && line_order(&watch->seen[known], &listed[i]) < 0)
            known++;
        if (known < watch->count && line_order(&watch->seen[known], &listed[i]) == 0
            && !name_comes_again(&listed[i].entry)) {
            listed[i] = watch->seen[known];
            watch->seen[known++] = (struct seen){ 0 };
        } else if (!seen_named(&listed[i], listed[i].entry.node)) {
            return false;
        }
    }
    return true;
}

static bool line_take_names(lk_line_watch *watch, const struct keeper_reply *list)
{
    struct seen *listed = calloc(list->child_count + 1, sizeof *listed);
    uint32_t number;

    if (!listed)
        return false;
    for (size_t i = 0; i < list->child_count; i++) {
        listed[i].entry.node = list->children[i];
        listed[i].entry.number = path_number(list->children[i], &number) ? (int64_t)number : -1;
    }
    qsort(listed, list->child_count, sizeof *listed, line_order);
    if (list->stat.czxid != watch->listed.czxid)
        line_forget_all(watch); /* a parent made anew: its children bear the names of others */
    bool taken = line_merge(watch, listed, list->child_count);
    line_forget_all(watch);
    watch->seen = listed;
    watch->count = list->child_count;
    watch->listed = list->stat;
    if (!taken)
        line_forget_all(watch);
    return taken;
}

/* ---- looking ---- */

static void line_over(lk_line_watch *watch)
{
    request_drop(&watch->requests);
    watch->is_looking = false;
}

/* Without a word: nothing is wrong with the line. */
static void line_pause(lk_line_watch *watch)
{
    line_over(watch);
    line_retry_later(watch);
}

static void line_blind(lk_line_watch *watch, int status)
{
    /* The client is closed, by its user, who knows; all else is asked again. */
    if (status == LK_E_CLOSED || status == LK_E_UNKNOWN) {
        line_over(watch);
        return;
    }
    line_pause(watch);
    if (status != LK_E_NOMEM)
        line_tell(watch, status);
}

static bool line_ask(lk_line_watch *watch, const struct keeper_request *request, request_fn *fn,
                     void *context)
{
    int status = request_send(watch->client, &watch->requests, request, REQUEST_RETRY, fn, context);

    if (status != LK_OK)
        line_pause(watch);
    return status == LK_OK;
}

/* Of a line of locks the data changes at each release, and the children's event follows at once.
 * Should it not, another program wrote there. */
static bool children_follow(const lk_line_watch *watch, enum keeper_watch_event event)
{
    return event == KEEPER_WATCH_CHANGED && *watch->line.kind && !watch->line.permits;
}

static void line_parent_fired(struct watch *fired, enum keeper_watch_event event)
{
    lk_line_watch *watch = container_of(fired, lk_line_watch, parent_watch);

    watch_set(watch->client, &watch->parent_watch, watch->path, line_parent_fired);
    if (watch->is_looking) {
        watch->is_outdated = true;
    } else if (watch->is_seen && children_follow(watch, event)) {
        watch->is_seen = false;
        line_retry_later(watch);
    } else {
        line_look(watch);
    }
}

static void line_first_fired(struct watch *fired, enum keeper_watch_event event)
{
    lk_line_watch *watch = container_of(fired, lk_line_watch, first_watch);

    if (event != KEEPER_WATCH_CHANGED)
        return; /* that it goes, its parent's watch tells */
    if (watch->is_looking) {
        watch->is_outdated = true;
        return;
    }
    if (!watch->is_seen) {
        line_look(watch);
        return;
    }
    watch->is_looking = true;
    watch->next = 0;
    watch->awaited = 1;
    line_read_next(watch, &watch->reads[0]);
}

static void line_arrived(lk_line_watch *watch)
{
    if (--watch->awaited > 0)
        return;
    watch->is_looking = false;
    watch->is_seen = !watch->is_unclear && watch->parent_czxid == watch->listed.czxid
                     && watch->parent_mzxid == watch->listed.mzxid;
    if (watch->is_seen)
        line_tell(watch, LK_OK);
    if (!watch->is_seen || watch->is_outdated)
        line_look(watch);
}

/* May be another's of this name, or be gone by now, if an event has come. */
static void line_read_one(void *context, const struct keeper_reply *reply)
{
    struct line_read *read = context;
    lk_line_watch *watch = read->watch;
    bool is_old = watch->is_outdated && reply->stat.mzxid > watch->listed.pzxid;

    if (reply->rc != KEEPER_OK && reply->rc != KEEPER_NO_NODE) {
        line_blind(watch, place_status(reply->rc));
        return;
    }
    if (reply->rc == KEEPER_NO_NODE || is_old)
        watch->is_unclear = true;
    bool is_listed = reply->rc == KEEPER_OK
                     && (!watch->is_outdated || reply->stat.czxid <= watch->listed.pzxid);
    if (is_listed && !seen_read(&watch->seen[read->index], reply))
        line_pause(watch);
    else
        line_read_next(watch, read);
}

static void line_read_got(void *context, const struct keeper_reply *reply)
{
    struct line_read *read = context;
    lk_line_watch *watch = read->watch;

    if (reply->rc != KEEPER_NO_RIGHTS) {
        line_read_one(context, reply);
        return;
    }
    char *path = path_join(watch->path, watch->seen[read->index].entry.node);
    const struct keeper_request exists = { .verb = KEEPER_EXISTS, .path = path };
    if (path)
        line_ask(watch, &exists, line_read_one, read);
    else
        line_pause(watch);
    free(path);
}

static bool is_first(const lk_line_watch *watch, size_t index)
{
    return index == 0 && watch->seen[0].entry.number >= 0;
}

static bool is_to_be_read(const lk_line_watch *watch, size_t index)
{
    return !watch->seen[index].mzxid
           || (is_first(watch, index) && !watch_is_set(&watch->first_watch));
}

static void line_read(lk_line_watch *watch, struct line_read *read)
{
    char *path = path_join(watch->path, watch->seen[read->index].entry.node);
    const struct keeper_request get = { .verb = KEEPER_GET,
                                        .path = path,
                                        .watch = is_first(watch, read->index) };

    if (!path) {
        line_pause(watch);
        return;
    }
    watch->seen[read->index].mzxid = 0; /* whatever becomes of the reply */
    if (get.watch) {
        watch_set(watch->client, &watch->first_watch, path, line_first_fired);
        free(watch->first);
        watch->first = path;
    }
    line_ask(watch, &get, line_read_got, read);
    if (!get.watch)
        free(path);
}

/* The next who is not known, or nobody: then one read less is awaited. */
static void line_read_next(lk_line_watch *watch, struct line_read *read)
{
    while (watch->next < watch->count && !is_to_be_read(watch, watch->next))
        watch->next++;
    if (watch->next == watch->count) {
        line_arrived(watch);
        return;
    }
    *read = (struct line_read){ watch, watch->next++ };
    line_read(watch, read);
}

static void line_read_all(lk_line_watch *watch)
{
    bool is_watched = watch->count > 0 && watch_is_set(&watch->first_watch)
                      && strcmp(path_name(watch->first), watch->seen[0].entry.node) == 0;

    if (!is_watched)
        watch_unset(watch->client, &watch->first_watch);
    watch->next = 0;
    watch->awaited += READS_AT_ONCE;
    for (size_t i = 0; i < READS_AT_ONCE && watch->is_looking; i++)
        line_read_next(watch, &watch->reads[i]);
}

static void line_path_checked(void *context, const struct keeper_reply *reply)
{
    lk_line_watch *watch = context;

    if (reply->rc == KEEPER_OK) {
        line_look(watch); /* made in between */
    } else if (reply->rc != KEEPER_NO_NODE) {
        line_blind(watch, place_status(reply->rc));
    } else {
        line_over(watch);
        line_tell(watch, LK_OK);
        if (watch->is_outdated)
            line_look(watch);
    }
}

static void line_await_path(lk_line_watch *watch)
{
    const struct keeper_request exists = { .verb = KEEPER_EXISTS,
                                           .path = watch->path,
                                           .watch = true };

    request_drop(&watch->requests);
    watch_unset(watch->client, &watch->first_watch);
    line_forget_all(watch);
    watch->line = (lk_line){ .kind = "", .numbers_left = NUMBERS_END };
    line_ask(watch, &exists, line_path_checked, watch);
}

static void line_listed(void *context, const struct keeper_reply *reply)
{
    lk_line_watch *watch = context;

    if (reply->rc == KEEPER_NO_NODE) {
        line_await_path(watch);
    } else if (reply->rc != KEEPER_OK) {
        line_blind(watch, place_status(reply->rc));
    } else if (!line_take_names(watch, reply)) {
        line_pause(watch);
    } else {
        line_count_on(&watch->line, &reply->stat);
        line_read_all(watch);
        if (watch->is_looking)
            line_arrived(watch);
    }
}

/* What else is wrong with the path, its listing tells. */
static void line_parent_read(void *context, const struct keeper_reply *reply)
{
    lk_line_watch *watch = context;

    if (reply->rc != KEEPER_OK)
        return;
    int status = line_describe(&watch->line, reply);
    watch->parent_czxid = reply->stat.czxid;
    watch->parent_mzxid = reply->stat.mzxid;
    if (status != LK_OK)
        line_blind(watch, status);
}

static void line_look(lk_line_watch *watch)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = watch->path, .watch = true };
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = watch->path, .watch = true };

    request_drop(&watch->requests);
    timer_stop(watch->client, &watch->retry);
    watch->parent_czxid = 0;
    watch->is_looking = true;
    watch->is_outdated = watch->is_unclear = watch->is_seen = false;
    watch->awaited = 1;
    watch_set(watch->client, &watch->parent_watch, watch->path, line_parent_fired);
    if (line_ask(watch, &get, line_parent_read, watch))
        line_ask(watch, &list, line_listed, watch);
}

static void line_session_changed(struct session_listener *listener, enum session_change change)
{
    /* Its watches went with the session; who is known is known still. */
    if (change == SESSION_ENDED)
        line_look(container_of(listener, lk_line_watch, listener));
}

/* ---- new and free ---- */

static void line_watch_destroy(lk_line_watch *watch)
{
    line_forget_all(watch);
    free(watch->pending);
    free(watch->first);
    free(watch->path);
    free(watch);
}

int lk_line_watch_new(lk_line_watch **out, lk_client *client, const char *path, lk_line_fn *fn,
                      void *arg)
{
    if (!out || !client || !path || !fn)
        return LK_E_INVALID;
    lk_line_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return LK_E_NOMEM;
    int status = client_path(client, path, &watch->path);
    if (status == LK_OK)
        status = client_enter(client);
    if (status != LK_OK) {
        line_watch_destroy(watch);
        return status;
    }
    watch->client = client_ref(client);
    watch->fn = fn;
    watch->arg = arg;
    watch->line.kind = "";
    watch->callback = (struct callback){ .owner = watch,
                                         .run = telling_run,
                                         .forget = telling_forget };
    watch->listener.changed = line_session_changed;
    session_listen(client, &watch->listener);
    line_look(watch);
    client_leave(client);
    *out = watch;
    return LK_OK;
}

lk_line_watch *lk_line_watch_free(lk_line_watch *watch)
{
    if (!watch || client_enter_closed(watch->client) != LK_OK)
        return NULL;
    lk_client *client = watch->client;
    request_drop(&watch->requests);
    watch_unset(client, &watch->parent_watch);
    watch_unset(client, &watch->first_watch);
    timer_stop(client, &watch->retry);
    session_unlisten(&watch->listener);
    callbacks_forget(client, watch);
    client_leave(client);
    line_watch_destroy(watch);
    client_unref(client);
    return NULL;
}
