/* request.c - one request to ZooKeeper, answered exactly once.
 *
 * A request is copied whole, waits in the outbox until there is a connection and room, is handed to
 * the keeper, and lives until the keeper's reply, also when its owner has dropped it. The keeper
 * never resends. What does is here: a request that changes nothing (REQUEST_RETRY) is sent again
 * when its reply is lost, before all that came after it: a read behind a barrier stays behind it.
 * All others are answered KEEPER_UNKNOWN, since only their owner knows how to find out what became
 * of them. */
#include "session/engine.h"

#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

/* jute.maxbuffer of the server is 1 MiB; it drops the connection of who sends more. */
enum { REQUEST_SIZE_MAX = 1000 * 1000, REQUEST_OVERHEAD = 128 };

/* Any path would do: a check that fails is committed too. */
static const struct keeper_request look_at_the_root = { .verb = KEEPER_CHECK,
                                                        .path = "/",
                                                        .version = KEEPER_ANY_VERSION };
const struct keeper_request barrier = { .verb = KEEPER_MULTI,
                                        .operations = &look_at_the_root,
                                        .operation_count = 1 };

struct request {
    struct list node;   /* waits to be sent; unlinked while in flight */
    struct list member; /* of its owner's group; unlinked: dropped */
    unsigned flags;
    uint64_t turn; /* counts; 0: urgent */
    int64_t sent_ns;
    struct proof proof; /* REQUEST_PROOF */
    request_fn *fn;
    void *context;
    struct keeper_request body;
    struct keeper_request operations[]; /* then the copies of paths and data */
};

static size_t request_text_size(const struct keeper_request *body)
{
    size_t size = (body->path ? strlen(body->path) + 1 : 0) + body->data_size;
    for (size_t i = 0; i < body->operation_count; i++)
        size += request_text_size(&body->operations[i]);
    return size;
}

static char *request_copy_text(struct keeper_request *body, char *at)
{
    if (body->path) {
        size_t size = strlen(body->path) + 1;
        body->path = memcpy(at, body->path, size);
        at += size;
    }
    if (body->data_size) {
        body->data = memcpy(at, body->data, body->data_size);
        at += body->data_size;
    }
    return at;
}

static struct request *request_copy(const struct keeper_request *body, size_t text_size)
{
    size_t count = body->operation_count;
    struct request *request = calloc(1, sizeof *request + count * sizeof request->operations[0]
                                            + text_size);

    if (!request)
        return NULL;
    request->body = *body;
    char *at = request_copy_text(&request->body, (char *)&request->operations[count]);
    if (count)
        memcpy(request->operations, body->operations, count * sizeof body->operations[0]);
    request->body.operations = request->operations;
    for (size_t i = 0; i < count; i++)
        at = request_copy_text(&request->operations[i], at);
    return request;
}

/* The owner hears of it, once, unless it has dropped the request. */
static void request_finish(struct request *request, const struct keeper_reply *reply)
{
    bool wanted = list_is_linked(&request->member);

    list_remove(&request->node);
    list_remove(&request->member);
    if (wanted)
        request->fn(request->context, reply);
    free(request);
}

int request_send(lk_client *client, struct request_group *group, const struct keeper_request *body,
                 unsigned flags, request_fn *fn, void *context)
{
    size_t text_size = request_text_size(body);

    if (client->closing)
        return LK_E_CLOSED;
    if (client->auth_failed)
        return LK_E_NO_RIGHTS;
    if (text_size + (body->operation_count + 1) * REQUEST_OVERHEAD > REQUEST_SIZE_MAX)
        return LK_E_TOO_LARGE;
    struct request *request = request_copy(body, text_size);
    if (!request)
        return LK_E_NOMEM;
    request->flags = flags;
    request->fn = fn;
    request->context = context;
    if (group)
        list_append(&group->requests, &request->member);
    request->turn = flags & REQUEST_URGENT ? 0 : ++client->last_turn;
    if (flags & REQUEST_URGENT)
        list_prepend(&client->ahead, &request->node);
    else
        list_append(&client->outbox, &request->node);
    requests_pump(client);
    return LK_OK;
}

/* What was in flight came before all of the outbox, but not before what came back earlier and still
 * waits. Mostly it is the last. */
static void request_put_back(lk_client *client, struct request *request)
{
    struct list *after = client->ahead.prev;

    while (after && after != &client->ahead
           && container_of(after, struct request, node)->turn > request->turn)
        after = after->prev;
    list_prepend(after ? after : &client->ahead, &request->node);
}

void request_drop(struct request_group *group)
{
    for (struct list *node; (node = list_take(&group->requests)) != NULL;) {
        struct request *request = container_of(node, struct request, member);
        /* In flight: freed by its reply. */
        if (!list_is_linked(&request->node))
            continue;
        list_remove(&request->node);
        free(request);
    }
}

static void resend_fire(struct timer *timer)
{
    lk_client *client = container_of(timer, lk_client, resend);

    requests_pump(client);
    if (client->connected && !client->resend.link)
        session_tell(client, SESSION_RESUMED);
}

static void refusal_fire(struct timer *timer)
{
    requests_answer(&container_of(timer, lk_client, refusal)->refused, KEEPER_REFUSED);
}

/* The keeper could not take it: out of memory, or its session has ended and we are about to hear
 * so. */
static void requests_pause(lk_client *client)
{
    timer_set(client, &client->resend, client->now_ns + 10 * MS, resend_fire);
}

void requests_pump(lk_client *client)
{
    while (client->connected && !client->resend.link
           && client->session->in_flight < REQUESTS_IN_FLIGHT_MAX) {
        struct list *node = list_take(&client->ahead);
        if (!node)
            node = list_take(&client->outbox);
        if (!node)
            return;
        struct request *request = container_of(node, struct request, node);
        request->sent_ns = client->now_ns;
        if (request->flags & REQUEST_PROOF)
            request->proof = lease_proof(client);
        int status = keeper_submit(client->session->keeper, &request->body, request);
        if (status == LK_E_CLOSED || status == LK_E_NOMEM || status == LK_E_NO_SERVER) {
            list_prepend(&client->ahead, &request->node);
            requests_pause(client);
            return;
        }
        if (status != LK_OK) {
            /* For good. Its owner may be the one who sends just now, so it is told a moment later.
             */
            list_append(&client->refused, &request->node);
            timer_set(client, &client->refusal, client->now_ns, refusal_fire);
            continue;
        }
        client->session->in_flight++;
        lease_sent(client, request->sent_ns, (request->flags & REQUEST_PROOF) != 0);
    }
}

/* After repeated losses the clients of a server that comes back do not all speak at once. */
static void requests_back_off(lk_client *client)
{
    int64_t most_ns = client->losses < 2    ? 0
                      : client->losses > 20 ? 1000 * MS
                                            : (int64_t)client->losses * 50 * MS;

    if (most_ns > 0)
        timer_set(client, &client->resend,
                  client->now_ns + (int64_t)(client_random(client) % (uint64_t)most_ns),
                  resend_fire);
}

void requests_session_lost(lk_client *client)
{
    client->losses++;
    timer_stop(client, &client->resend);
    requests_back_off(client);
}

static bool reply_is_lost(int rc)
{
    return rc == KEEPER_UNKNOWN || rc == KEEPER_EXPIRED || rc == KEEPER_AUTH_FAILED
           || rc == KEEPER_CLOSED;
}

static bool reply_was_made_by_server(int rc)
{
    return !reply_is_lost(rc) && rc != KEEPER_TOO_LARGE && rc != KEEPER_NO_MEMORY;
}

void requests_reply(struct session *session, void *context, const struct keeper_reply *reply)
{
    lk_client *client = session->client;
    struct request *request = context;
    struct keeper_reply answer = *reply;

    session->in_flight--;
    if (reply_was_made_by_server(answer.rc) && session == client->session) {
        client->losses = 0;
        /* What the server refused for a reason of its own (too busy, say) may never have come to
         * the leader. */
        if ((request->flags & REQUEST_PROOF) && answer.rc != KEEPER_REFUSED)
            lease_proven(client, &request->proof);
        lease_heard(client, request->sent_ns);
    }
    if (reply_is_lost(answer.rc) && (request->flags & REQUEST_RETRY) && !client->closing
        && !client->auth_failed && list_is_linked(&request->member)) {
        request_put_back(client, request);
        requests_pump(client); /* the next session may be connected already */
        return;
    }
    /* The keeper was given up because its session had ended. */
    if (answer.rc == KEEPER_CLOSED && !client->closing)
        answer.rc = KEEPER_EXPIRED;
    request_finish(request, &answer);
    requests_pump(client);
}

void requests_answer(struct list *requests, int rc)
{
    const struct keeper_reply reply = { .rc = rc };

    for (struct list *node; (node = list_take(requests)) != NULL;)
        request_finish(container_of(node, struct request, node), &reply);
}

static void requests_take_once(struct list *requests, struct list *out_once)
{
    list_for_each_safe (node, requests) {
        if (container_of(node, struct request, node)->flags & REQUEST_RETRY)
            continue;
        list_remove(node);
        list_append(out_once, node);
    }
}

void requests_take_unsent(lk_client *client, struct list *out_once)
{
    requests_take_once(&client->ahead, out_once);
    requests_take_once(&client->outbox, out_once);
}

void requests_fail(lk_client *client, int rc)
{
    requests_answer(&client->ahead, rc);
    requests_answer(&client->outbox, rc);
    requests_answer(&client->refused, rc);
}
