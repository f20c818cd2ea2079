/* observer.c - who leads? Reads and watches one znode, the first in line.
 *
 *   LOOK --somebody--> watch the first: changed -> read it again; deleted -> LOOK
 *     |---nobody-----> watch the children: any change -> LOOK
 *     \---no path----> watch for it: made -> LOOK
 *
 * The children are watched only while there are none: in a line that is busy such a watch would
 * fire at every join. */
#include <latchkey/election.h>

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/numbers.h"
#include "line/place.h"

#define SECOND INT64_C(1000000000)

struct lk_observer {
    lk_client *client;
    lk_leader_fn *fn;
    void *arg;
    char *path, *first;  /* the parent; the znode that is watched */
    int64_t listed_zxid; /* when the last of the listed came or went */
    struct watch watch;
    struct request_group requests;
    struct session_listener listener;
    struct timer retry;
    bool told; /* anything yet; the next four are what */
    bool present;
    int status;
    int64_t czxid, mzxid;
};

static void observer_look(lk_observer *observer);
static void observer_read_first(lk_observer *observer);
static void observer_watch_hidden(lk_observer *observer);
static void observer_list_watched(void *context, const struct keeper_reply *reply);

/* ---- telling ---- */

struct report {
    struct callback callback;
    lk_leader_fn *fn;
    void *arg;
    lk_leader leader;
    char text[]; /* card, node */
};

static void report_run(struct callback *callback)
{
    struct report *report = container_of(callback, struct report, callback);

    report->fn(&report->leader, report->arg);
    free(report);
}

static void report_forget(struct callback *callback)
{
    free(container_of(callback, struct report, callback));
}

static bool observer_report(lk_observer *observer, const lk_leader *leader)
{
    size_t node_size = leader->present ? strlen(leader->node) + 1 : 0;
    struct report *report = calloc(1, sizeof *report + leader->card_size + 1 + node_size);

    if (!report)
        return false;
    report->callback = (struct callback){ .owner = observer,
                                          .run = report_run,
                                          .forget = report_forget };
    report->fn = observer->fn;
    report->arg = observer->arg;
    report->leader = *leader;
    if (leader->present) {
        if (leader->card_size)
            memcpy(report->text, leader->card, leader->card_size);
        report->leader.card = report->text;
        report->leader.node = memcpy(report->text + leader->card_size + 1, leader->node, node_size);
    }
    callback_post(observer->client, &report->callback);
    return true;
}

static void observer_retry(struct timer *timer)
{
    observer_look(container_of(timer, lk_observer, retry));
}

static void observer_retry_later(lk_observer *observer)
{
    timer_set(observer->client, &observer->retry, client_now(observer->client) + SECOND,
              observer_retry);
}

static void observer_tell(lk_observer *observer, const lk_leader *leader,
                          const struct keeper_stat *stat)
{
    bool same = observer->told && observer->present == leader->present
                && observer->status == leader->status
                && (!leader->present
                    || (observer->czxid == stat->czxid && observer->mzxid == stat->mzxid));

    if (same)
        return;
    if (!observer_report(observer, leader)) {
        observer_retry_later(observer);
        return;
    }
    observer->told = true;
    observer->present = leader->present;
    observer->status = leader->status;
    observer->czxid = leader->present ? stat->czxid : 0;
    observer->mzxid = leader->present ? stat->mzxid : 0;
}

/* ---- looking ---- */

static void observer_ask(lk_observer *observer, const struct keeper_request *request,
                         request_fn *fn)
{
    if (request_send(observer->client, &observer->requests, request, REQUEST_RETRY, fn, observer)
        != LK_OK)
        observer_retry_later(observer);
}

static void observer_fire(struct watch *watch, enum keeper_watch_event event)
{
    lk_observer *observer = container_of(watch, lk_observer, watch);

    if (event == KEEPER_WATCH_CHANGED && observer->first)
        observer_read_first(observer);
    else
        observer_look(observer);
}

static void observer_watch(lk_observer *observer, const char *path)
{
    watch_set(observer->client, &observer->watch, path, observer_fire);
}

static void observer_first_read(void *context, const struct keeper_reply *reply)
{
    lk_observer *observer = context;
    struct place_record record = { 0 };

    if (reply->rc == KEEPER_NO_RIGHTS) {
        observer_watch_hidden(observer);
        return;
    }
    /* Gone; or made after the listing, so a namesake in a line made anew, where others may stand
     * before it. */
    if (reply->rc != KEEPER_OK || reply->stat.czxid > observer->listed_zxid) {
        observer_look(observer);
        return;
    }
    bool ours = place_record_read(&record, reply->data, reply->data_size) == LK_OK;
    const lk_leader leader = {
        .present = true,
        .node = path_name(observer->first),
        .card = ours ? record.words : reply->data,
        .card_size = ours ? record.words_size : reply->data_size,
        .fence = { .zxid = (uint64_t)reply->stat.czxid },
        .session_id = (uint64_t)reply->stat.ephemeral_owner,
    };
    observer_tell(observer, &leader, &reply->stat);
}

static void observer_read_first(lk_observer *observer)
{
    const struct keeper_request read = { .verb = KEEPER_GET,
                                         .path = observer->first,
                                         .watch = true };

    observer_watch(observer, observer->first);
    observer_ask(observer, &read, observer_first_read);
}

static void observer_hidden_listed(void *context, const struct keeper_reply *reply)
{
    lk_observer *observer = context;

    if (reply->rc == KEEPER_NO_NODE)
        observer_look(observer);
    else if (reply->rc != KEEPER_OK)
        observer_retry_later(observer);
}

/* We may not read the first's data, so the server will not tell us when it goes (since the mend of
 * CVE-2024-23944). That it exists, and that the children change, is told to all. */
static void observer_watch_hidden(lk_observer *observer)
{
    const struct keeper_request list = { .verb = KEEPER_LIST,
                                         .path = observer->path,
                                         .watch = true };
    const struct keeper_request exists = { .verb = KEEPER_EXISTS, .path = observer->first };

    observer_watch(observer, observer->path);
    observer_ask(observer, &list, observer_hidden_listed);
    observer_ask(observer, &exists, observer_first_read);
}

static void observer_nobody(lk_observer *observer)
{
    const lk_leader nobody = { 0 };
    observer_tell(observer, &nobody, NULL);
}

static void observer_blind(lk_observer *observer, int status)
{
    const lk_leader unseen = { .status = status };

    if (status == LK_E_CLOSED || status == LK_E_UNKNOWN)
        return; /* the client is closed, by its user, who knows; all else is asked again */
    observer_tell(observer, &unseen, NULL);
    observer_retry_later(observer);
}

static void observer_path_checked(void *context, const struct keeper_reply *reply)
{
    lk_observer *observer = context;

    if (reply->rc == KEEPER_NO_NODE)
        observer_nobody(observer);
    else if (reply->rc == KEEPER_OK)
        observer_look(observer); /* made in between */
    else
        observer_blind(observer, place_status(reply->rc));
}

static void observer_await_path(lk_observer *observer)
{
    const struct keeper_request exists = { .verb = KEEPER_EXISTS,
                                           .path = observer->path,
                                           .watch = true };

    observer_watch(observer, observer->path);
    observer_ask(observer, &exists, observer_path_checked);
}

static const char *list_first(const struct keeper_reply *list)
{
    const char *first = NULL;
    uint32_t lowest = 0, number;

    for (size_t i = 0; i < list->child_count; i++)
        if (path_number(list->children[i], &number)
            && (!first || number_is_before(number, lowest))) {
            first = list->children[i];
            lowest = number;
        }
    return first;
}

static void observer_listed(lk_observer *observer, const struct keeper_reply *reply, bool watched)
{
    const char *first = reply->rc == KEEPER_OK ? list_first(reply) : NULL;
    const struct keeper_request list = { .verb = KEEPER_LIST,
                                         .path = observer->path,
                                         .watch = true };

    if (first) {
        observer->listed_zxid = reply->stat.pzxid;
        observer->first = path_join(observer->path, first);
        if (observer->first)
            observer_read_first(observer);
        else
            observer_retry_later(observer);
    } else if (reply->rc == KEEPER_NO_NODE) {
        observer_await_path(observer);
    } else if (reply->rc != KEEPER_OK) {
        observer_blind(observer, place_status(reply->rc));
    } else if (watched) {
        observer_nobody(observer);
    } else {
        observer_watch(observer, observer->path);
        observer_ask(observer, &list, observer_list_watched);
    }
}

static void observer_list_plain(void *context, const struct keeper_reply *reply)
{
    observer_listed(context, reply, false);
}

static void observer_list_watched(void *context, const struct keeper_reply *reply)
{
    observer_listed(context, reply, true);
}

/* LK_OK also for what nobody has marked: it may be another program's election. */
static int election_status(const struct keeper_reply *parent)
{
    struct line_record record;
    int status = line_record_read(&record, parent->data, parent->data_size);

    if (status == LK_E_FOREIGN)
        return LK_OK;
    return status == LK_OK && record.kind != LINE_ELECTION ? LK_E_KIND : status;
}

/* Who stands in another kind's line leads nobody. What else is wrong with the path, its listing
 * tells. */
static void observer_parent_read(void *context, const struct keeper_reply *reply)
{
    lk_observer *observer = context;
    int status = reply->rc == KEEPER_OK ? election_status(reply) : LK_OK;

    if (status == LK_OK)
        return;
    request_drop(&observer->requests);
    observer_blind(observer, status);
}

static void observer_look(lk_observer *observer)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = observer->path };
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = observer->path };

    request_drop(&observer->requests);
    watch_unset(observer->client, &observer->watch);
    timer_stop(observer->client, &observer->retry);
    free(observer->first);
    observer->first = NULL;
    observer_ask(observer, &get, observer_parent_read);
    observer_ask(observer, &list, observer_list_plain);
}

static void observer_session_changed(struct session_listener *listener, enum session_change change)
{
    lk_observer *observer = container_of(listener, lk_observer, listener);

    /* Its watches went with the session. */
    if (change == SESSION_ENDED)
        observer_look(observer);
}

/* ---- new and free ---- */

static void observer_destroy(lk_observer *observer)
{
    free(observer->path);
    free(observer->first);
    free(observer);
}

int lk_observer_new(lk_observer **out, lk_client *client, const char *path, lk_leader_fn *fn,
                    void *arg)
{
    if (!out || !client || !path || !fn)
        return LK_E_INVALID;
    lk_observer *observer = calloc(1, sizeof *observer);
    if (!observer)
        return LK_E_NOMEM;
    int status = client_path(client, path, &observer->path);
    if (status == LK_OK)
        status = client_enter(client);
    if (status != LK_OK) {
        observer_destroy(observer);
        return status;
    }
    observer->client = client_ref(client);
    observer->fn = fn;
    observer->arg = arg;
    observer->listener.changed = observer_session_changed;
    session_listen(client, &observer->listener);
    observer_look(observer);
    client_leave(client);
    *out = observer;
    return LK_OK;
}

lk_observer *lk_observer_free(lk_observer *observer)
{
    if (!observer || client_enter_closed(observer->client) != LK_OK)
        return NULL;
    lk_client *client = observer->client;
    request_drop(&observer->requests);
    watch_unset(client, &observer->watch);
    timer_stop(client, &observer->retry);
    session_unlisten(&observer->listener);
    callbacks_forget(client, observer);
    client_leave(client);
    observer_destroy(observer);
    client_unref(client);
    return NULL;
}
