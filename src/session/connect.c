/* connect.c - sessions as they come and go: opened, connected, lost, expired, replaced.
 *
 *   open --CONNECTED--> connected <--LOST / CONNECTED--> disconnected
 *                           |                                  |
 *                           +-------------EXPIRED--------------+--> its grants, watches and
 *                                    znodes are gone; it is closed, and a new one is opened
 *
 * A session that has ended stays until its keeper has said `closed`; meanwhile the next one is
 * already being opened. */
#include "session/engine.h"

#include <inttypes.h>
#include <stdlib.h>

#define SECOND INT64_C(1000000000)

void session_tell(lk_client *client, enum session_change change)
{
    list_for_each_safe (node, &client->listeners) {
        struct session_listener *listener = container_of(node, struct session_listener, node);
        listener->changed(listener, change);
    }
}

/* A server tells no client its tick, but one that grants more than was asked for grants its least:
 * two ticks, if nobody has set its limits otherwise. */
static void session_judge_timeout(lk_client *client, int64_t granted_ms)
{
    int64_t asked_ms = client->session_timeout_ms;

    if (granted_ms > asked_ms)
        client_log(client, LK_LOG_WARNING,
                   "the server grants no session timeout below %" PRId64 " ms (%" PRId64
                   " ms were asked for): about two of its ticks, and six or more are needed; ask "
                   "for %" PRId64 " ms",
                   granted_ms, asked_ms, 3 * granted_ms);
    else if (granted_ms < asked_ms)
        client_log(client, LK_LOG_WARNING,
                   "the server grants no session timeout above %" PRId64 " ms (%" PRId64
                   " ms were asked for)",
                   granted_ms, asked_ms);
}

static void session_connected(lk_client *client, const struct keeper_session *session)
{
    if (client->session_id != session->id)
        session_judge_timeout(client, session->timeout_ns / 1000000);
    client->connected = true;
    client->session_id = session->id;
    client->timeout_ns = session->timeout_ns;
    client_log(client, LK_LOG_INFO, "connected, session 0x%" PRIx64 ", timeout %" PRId64 " ms",
               (uint64_t)session->id, session->timeout_ns / 1000000);
    pthread_cond_broadcast(&client->session_changed);
    lease_connected(client);
    session_tell(client, SESSION_CONNECTED);
    requests_pump(client);
}

static void session_disconnected(lk_client *client)
{
    client->connected = false;
    client_log(client, LK_LOG_INFO, "connection lost");
    requests_session_lost(client);
    session_tell(client, SESSION_DISCONNECTED);
}

/* What it held is gone, before anything else is heard of it. */
static void session_end(lk_client *client)
{
    struct session *session = client->session;

    client->session = NULL;
    client->connected = false;
    client->session_id = 0;
    lease_session_ended(client);
    watches_forget_all(client);
    keeper_close(session->keeper);
}

/* What was to be sent in it once, and was not, is answered when everybody has heard of its end;
 * what they ask for by then is for the next one. */
static void session_expire(lk_client *client)
{
    struct list unsent = { 0 };

    requests_take_unsent(client, &unsent);
    session_end(client);
    session_tell(client, SESSION_ENDED);
    requests_answer(&unsent, KEEPER_EXPIRED);
}

static void session_event(void *owner, enum keeper_session_event event,
                          const struct keeper_session *info)
{
    struct session *session = owner;
    lk_client *client = session->client;

    if (client_enter_closed(client) != LK_OK)
        return;
    if (session != client->session) {
        client_leave(client);
        return;
    }
    switch (event) {
    case KEEPER_SESSION_CONNECTED:
        session_connected(client, info);
        break;
    case KEEPER_SESSION_LOST:
        session_disconnected(client);
        break;
    case KEEPER_SESSION_EXPIRED:
        client_log(client, LK_LOG_WARNING, "the session has expired; a new one is made");
        session_expire(client);
        session_open(client);
        break;
    case KEEPER_SESSION_AUTH_FAILED:
        client_log(client, LK_LOG_ERROR, "the server refuses our credentials");
        client->auth_failed = true;
        session_expire(client);
        requests_fail(client, KEEPER_AUTH_FAILED);
        pthread_cond_broadcast(&client->session_changed);
        break;
    }
    client_leave(client);
}

static void session_watch(void *owner, enum keeper_watch_event event, const char *path)
{
    struct session *session = owner;

    if (client_enter_closed(session->client) != LK_OK)
        return;
    if (session == session->client->session)
        watches_fire(session->client, event, path);
    client_leave(session->client);
}

static void session_reply(void *owner, void *context, const struct keeper_reply *reply)
{
    struct session *session = owner;

    if (client_enter_closed(session->client) != LK_OK)
        return;
    requests_reply(session, context, reply);
    client_leave(session->client);
}

static void session_closed(void *owner)
{
    struct session *session = owner;
    lk_client *client = session->client;

    if (client_enter_closed(client) == LK_OK) {
        client->sessions--;
        pthread_cond_broadcast(&client->session_changed);
        client_leave(client);
    }
    free(session);
    client_unref(client);
}

static void session_log(void *owner, lk_log_level level, const char *line)
{
    const struct session *session = owner;
    client_log(session->client, level, "%s", line);
}

static const struct keeper_events session_events = {
    .session = session_event,
    .watch = session_watch,
    .reply = session_reply,
    .closed = session_closed,
    .log = session_log,
};

static void reopen_fire(struct timer *timer)
{
    session_open(container_of(timer, lk_client, reopen));
}

static bool session_try_open(lk_client *client)
{
    const struct keeper_options options = {
        .servers = client->servers,
        .session_timeout_ms = client->session_timeout_ms,
        .auth_scheme = client->auth_scheme,
        .auth = client->auth,
    };
    struct session *session = calloc(1, sizeof *session);

    if (!session)
        return false;
    session->client = client;
    if (client->world->open(client->world, &options, &session_events, session, &session->keeper)
        != LK_OK) {
        free(session);
        return false;
    }
    client_ref(client);
    client->sessions++;
    client->session = session;
    lease_opened(client);
    return true;
}

void session_open(lk_client *client)
{
    if (client->closing || client->auth_failed || client->session)
        return;
    if (!session_try_open(client))
        timer_set(client, &client->reopen, client->now_ns + SECOND, reopen_fire);
}

void session_close(lk_client *client)
{
    session_tell(client, SESSION_CLOSING);
    timer_stop(client, &client->reopen);
    if (client->session)
        session_end(client);
}

void session_listen(lk_client *client, struct session_listener *listener)
{
    list_append(&client->listeners, &listener->node);
}

struct session_listener *session_listener_after(lk_client *client,
                                                const struct session_listener *listener)
{
    struct list *next = listener ? listener->node.next : client->listeners.next;
    return next == &client->listeners ? NULL : container_of(next, struct session_listener, node);
}

void session_unlisten(struct session_listener *listener)
{
    list_remove(&listener->node);
}
