/* link.c - a keeper over the simulated ensemble: what libzookeeper_mt does with one session, and
 * keeper/zookeeper.c.
 *
 *   IO thread: connects, sends, matches replies, keeps the table of watches    completion thread:
 *                                                                              one event at a time
 *   receive() and the timers here                                              deliver()
 *
 * Between the two stands a queue, so that the engine may still be told of the past while the
 * connection has already been lost or made again, and may submit meanwhile. Nothing is resent; a
 * request that finds no connection waits for the next one, and fails with the next attempt that
 * fails. */
#include "memory.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "keeper/zk.h"
#include "tell.h"

/* As in keeper/handle.c. */
enum { REQUEST_SIZE_MOST = 0xfffff - 1024 };

enum link_state { LINK_AWAY, LINK_DIALING, LINK_UP, LINK_OVER };

struct errand { /* one request */
    struct list node;
    void *context;
    const struct keeper_request *request; /* the caller's, until its reply */
    int32_t xid;
};

enum completion_kind { COMPLETE_SESSION, COMPLETE_WATCH, COMPLETE_REPLY, COMPLETE_CLOSED };

struct completion {
    struct list node;
    enum completion_kind kind;
    enum keeper_session_event session_event;
    struct keeper_session session;
    enum keeper_watch_event watch_event;
    const char *path;
    int64_t zxid; /* of the server when it spoke */
    struct errand *errand;
    struct keeper_reply reply;
};

struct link {
    struct keeper keeper;
    struct list node;
    struct sim_client *client;
    const struct keeper_events *events;
    void *owner;
    const char *auth;
    enum link_state state;
    enum keeper_rc end_rc; /* LINK_OVER */
    struct connection *connection;
    struct keeper_session session;
    int64_t zxid, heard_ns;
    int order[SERVERS_MAX]; /* of the servers, shuffled */
    unsigned turn, failures;
    int32_t xid;
    bool is_loss_untold, is_end_told, is_closing, is_dead;
    struct list waiting, sent, completions, watches;
    struct event deliver, dial, idle;
};

static void delivered(struct event *event);
static void dialed(struct event *event);
static void idled(struct event *event);

static struct world *world_of(const struct link *link)
{
    return &link->client->sim->world;
}

/* ---- completions ---- */

static struct completion *complete(struct link *link, enum completion_kind kind)
{
    struct world *world = world_of(link);
    struct completion *completion = arena_take(&world->arena, sizeof(*completion));

    completion->kind = kind;
    list_append(&link->completions, &completion->node);
    if (!event_is_set(&link->deliver))
        event_at(world, &link->deliver,
                 world->now_ns + chance_between(&world->chance, 1 * US, 40 * US), delivered);
    return completion;
}

static void complete_session(struct link *link, enum keeper_session_event event)
{
    struct completion *completion = complete(link, COMPLETE_SESSION);
    completion->session_event = event;
    completion->session = link->session;
}

static void complete_errands(struct link *link, struct list *errands, int rc)
{
    for (struct list *node; (node = list_take(errands)) != NULL;) {
        struct completion *completion = complete(link, COMPLETE_REPLY);
        completion->errand = container_of(node, struct errand, node);
        completion->reply.rc = rc;
    }
}

static void complete_all(struct link *link, int rc)
{
    complete_errands(link, &link->sent, rc);
    complete_errands(link, &link->waiting, rc);
}

/* A proof that says so too. Not a read: any handle of the client may have asked, and what it learns
 * does not reach the holder. */
static void tell_of_the_gone(struct sim_client *client, const struct completion *completion)
{
    const struct keeper_request *request = completion->errand->request;
    const struct keeper_reply *reply = &completion->reply;

    for (size_t i = 0; i < reply->result_count; i++)
        if (request->operations[i].verb == KEEPER_CHECK && reply->results[i].rc == KEEPER_NO_NODE)
            invariants_told(client, request->operations[i].path, completion->zxid);
}

static void deliver_reply(struct link *link, struct completion *completion)
{
    struct sim_client *client = link->client;
    const struct keeper_request *request = completion->errand->request;
    char ask[TELL_SIZE], answer[TELL_SIZE];

    world_tell(world_of(link), "%s < %s: %s", client->name, request_words(request, ask),
               reply_words(&completion->reply, answer));
    tell_of_the_gone(client, completion);
    char *box = reply_box(&completion->reply);
    link->events->reply(link->owner, completion->errand->context, &completion->reply);
    real_free(box);
}

static const char *const session_events[] = { "CONNECTED", "LOST", "EXPIRED", "AUTH FAILED" };

static void deliver_one(struct link *link)
{
    struct sim_client *client = link->client;
    struct completion *completion = container_of(list_take(&link->completions), struct completion,
                                                 node);

    switch (completion->kind) {
    case COMPLETE_SESSION:
        world_tell(world_of(link), "%s < %s, session %lld", client->name,
                   session_events[completion->session_event], (long long)completion->session.id);
        link->is_end_told |= completion->session_event == KEEPER_SESSION_EXPIRED
                             || completion->session_event == KEEPER_SESSION_AUTH_FAILED;
        if (completion->session_event == KEEPER_SESSION_EXPIRED)
            invariants_session_told(client, completion->session.id);
        link->events->session(link->owner, completion->session_event, &completion->session);
        break;
    case COMPLETE_WATCH:
        world_tell(world_of(link), "%s < event: %s %s", client->name, completion->path,
                   watch_event_name(completion->watch_event));
        if (completion->watch_event == KEEPER_WATCH_DELETED)
            invariants_told(client, completion->path, completion->zxid);
        link->events->watch(link->owner, completion->watch_event, completion->path);
        break;
    case COMPLETE_REPLY:
        deliver_reply(link, completion);
        break;
    case COMPLETE_CLOSED:
        world_tell(world_of(link), "%s < closed", client->name);
        list_remove(&link->node);
        link->events->closed(link->owner);
        break;
    }
}

static void delivered(struct event *event)
{
    struct link *link = container_of(event, struct link, deliver);
    struct world *world = world_of(link);

    if (sim_client_puts_off(link->client, event))
        return;
    if (container_of(link->completions.next, struct completion, node)->node.next
        != &link->completions)
        event_at(world, event, world->now_ns + chance_between(&world->chance, 1 * US, 20 * US),
                 delivered);
    deliver_one(link);
    sim_client_touch(link->client);
}

/* ---- the connection ---- */

static void dial_later(struct link *link)
{
    struct world *world = world_of(link);
    int64_t pause_ns = chance_between(&world->chance, 50 * US, 2 * MS);

    /* A whole round has failed. */
    if (link->failures && link->failures % (unsigned)link->client->sim->ensemble.size == 0)
        pause_ns += link->session.timeout_ns / 60;
    event_at(world, &link->dial, world->now_ns + pause_ns, dialed);
}

static void hang_up(struct link *link)
{
    if (link->connection)
        connection_close_client(link->connection);
    link->connection = NULL;
    event_stop(world_of(link), &link->idle);
    event_stop(world_of(link), &link->dial);
}

static void tell_loss(struct link *link)
{
    if (link->is_loss_untold)
        complete_session(link, KEEPER_SESSION_LOST);
    link->is_loss_untold = false;
    complete_all(link, KEEPER_UNKNOWN);
}

/* The connection, or an attempt at one, has come to nothing. */
static void lose(struct link *link)
{
    if (link->state == LINK_DIALING)
        link->failures++;
    else
        link->is_loss_untold = true;
    hang_up(link);
    link->state = LINK_AWAY;
    tell_loss(link);
    dial_later(link);
}

static void watch_idle(struct link *link)
{
    event_at(world_of(link), &link->idle, link->heard_ns + link->session.timeout_ns * 2 / 3, idled);
}

static void idled(struct event *event)
{
    struct link *link = container_of(event, struct link, idle);
    struct world *world = world_of(link);

    if (sim_client_puts_off(link->client, event))
        return;
    if (world->now_ns - link->heard_ns < link->session.timeout_ns * 2 / 3) {
        watch_idle(link);
        return;
    }
    world_tell(world, "%s hears nothing of s%d", link->client->name, link->connection->server->id);
    lose(link);
}

static void send_errand(struct link *link, struct errand *errand)
{
    struct world *world = world_of(link);
    struct sim_client *client = link->client;
    struct packet *packet = packet_new(world, PACKET_REQUEST);
    char words[TELL_SIZE];

    errand->xid = ++link->xid;
    packet->xid = errand->xid;
    packet->request = request_copy(&world->arena, errand->request);
    list_append(&link->sent, &errand->node);
    client->requests++;
    world_tell(world, "%s > s%d #%d %s", client->name, link->connection->server->id, errand->xid,
               request_words(errand->request, words));
    if (client->lose_reply_in > 0 && --client->lose_reply_in == 0)
        link->connection->lose_xid = errand->xid;
    connection_send_up(link->connection, packet);
}

static void send_watches(struct link *link)
{
    struct world *world = world_of(link);
    struct packet *packet = packet_new(world, PACKET_WATCHES);

    if (list_is_empty(&link->watches))
        return;
    packet->zxid = link->zxid;
    list_for_each (node, &link->watches) {
        const struct watched *watched = container_of(node, struct watched, node);
        struct watched *copy = arena_take(&world->arena, sizeof(*copy));
        copy->path = watched->path;
        copy->kinds = watched->kinds;
        list_append(&packet->watches, &copy->node);
    }
    connection_send_up(link->connection, packet);
}

/* For good: the session has expired, or the credentials were refused. */
static void end(struct link *link, enum keeper_session_event event, enum keeper_rc rc)
{
    hang_up(link);
    link->state = LINK_OVER;
    link->end_rc = rc;
    complete_session(link, event);
    complete_all(link, (int)rc);
}

static void welcome(struct link *link, const struct packet *packet)
{
    if (!packet->session) {
        end(link, KEEPER_SESSION_EXPIRED, KEEPER_EXPIRED);
        return;
    }
    struct list unsent = { 0 };
    if (link->is_loss_untold) { /* left without a word: who waited for answers of the old server is
                                   told now; of the loss itself perhaps nobody: keeper.h */
        if (chance_percent(&world_of(link)->chance, 70))
            complete_session(link, KEEPER_SESSION_LOST);
        complete_errands(link, &link->sent, KEEPER_UNKNOWN);
    }
    link->is_loss_untold = false;
    link->state = LINK_UP;
    link->failures = 0;
    link->session.id = packet->session;
    link->session.timeout_ns = packet->timeout_ns;
    complete_session(link, KEEPER_SESSION_CONNECTED);
    send_watches(link);
    for (struct list *node; (node = list_take(&link->waiting)) != NULL;)
        list_append(&unsent, node);
    for (struct list *node; (node = list_take(&unsent)) != NULL;)
        send_errand(link, container_of(node, struct errand, node));
}

/* ---- the table of watches, and what comes in ---- */

static struct watched *watched_find(struct link *link, const char *path)
{
    list_for_each (node, &link->watches) {
        struct watched *watched = container_of(node, struct watched, node);
        if (strcmp(watched->path, path) == 0)
            return watched;
    }
    return NULL;
}

/* As the client does: by the answer, and exists of what is there as a watch of its data. */
static void remember_watch(struct link *link, const struct keeper_request *request, int rc)
{
    unsigned kind = request->verb == KEEPER_LIST ? WATCH_CHILD : WATCH_DATA;

    if (!request->watch
        || (rc != KEEPER_OK && !(rc == KEEPER_NO_NODE && request->verb == KEEPER_EXISTS)))
        return;
    if (rc == KEEPER_NO_NODE)
        kind = WATCH_EXISTS;
    struct watched *watched = watched_find(link, request->path);
    if (!watched) {
        struct arena *arena = &world_of(link)->arena;
        watched = arena_take(arena, sizeof(*watched));
        watched->path = arena_text(arena, request->path);
        list_append(&link->watches, &watched->node);
    }
    watched->kinds |= kind;
}

static void receive_event(struct link *link, const struct packet *packet)
{
    struct watched *watched = watched_find(link, packet->path);
    unsigned kinds = packet->event == KEEPER_WATCH_CHILDREN ? WATCH_CHILD
                     : packet->event == KEEPER_WATCH_DELETED
                         ? WATCH_DATA | WATCH_EXISTS | WATCH_CHILD
                         : WATCH_DATA | WATCH_EXISTS;
    if (!watched || !(watched->kinds & kinds))
        return;
    watched->kinds &= ~kinds;
    if (!watched->kinds)
        list_remove(&watched->node);
    struct completion *completion = complete(link, COMPLETE_WATCH);
    completion->watch_event = packet->event;
    completion->path = packet->path;
    completion->zxid = packet->zxid;
}

static void receive_reply(struct link *link, const struct packet *packet)
{
    struct errand *errand = container_of(list_take(&link->sent), struct errand, node);

    if (errand->xid != packet->xid)
        world_fail(world_of(link), "the simulation itself answered #%d before #%d", packet->xid,
                   errand->xid);
    if (packet->zxid > link->zxid)
        link->zxid = packet->zxid;
    remember_watch(link, errand->request, packet->reply->rc);
    struct completion *completion = complete(link, COMPLETE_REPLY);
    completion->errand = errand;
    completion->reply = *packet->reply;
    completion->zxid = packet->zxid;
    /* As in keeper/zookeeper.c: whether the session is over is not for an answer to say. */
    if (completion->reply.rc == KEEPER_EXPIRED)
        completion->reply = (struct keeper_reply){ .rc = KEEPER_UNKNOWN };
}

static void receive(struct connection *connection, struct packet *packet)
{
    struct link *link = connection->client;

    link->heard_ns = world_of(link)->now_ns;
    switch (packet->kind) {
    case PACKET_WELCOME:
        welcome(link, packet);
        break;
    case PACKET_REFUSAL:
        end(link, KEEPER_SESSION_AUTH_FAILED, KEEPER_AUTH_FAILED);
        break;
    case PACKET_REPLY:
        receive_reply(link, packet);
        break;
    case PACKET_EVENT:
        receive_event(link, packet);
        break;
    default:
        lose(link);
        break;
    }
}

static void dialed(struct event *event)
{
    struct link *link = container_of(event, struct link, dial);
    struct sim_client *client = link->client;
    struct ensemble *ensemble = &client->sim->ensemble;
    struct world *world = world_of(link);

    if (sim_client_puts_off(client, event))
        return;
    int server = link->order[link->turn++ % (unsigned)ensemble->size];
    struct connection *connection = connection_new(ensemble, server, client->name);
    struct packet *hello = packet_new(world, PACKET_HELLO);

    connection->client = link;
    connection->receive = receive;
    connection->auth = link->auth;
    connection->up.stalled_until_ns = &client->up_stalled_until_ns[server];
    connection->down.stalled_until_ns = &client->down_stalled_until_ns[server];
    connection->down.paused_until_ns = &client->paused_until_ns;
    link->connection = connection;
    link->state = LINK_DIALING;
    link->heard_ns = world->now_ns;
    hello->session = link->session.id;
    hello->timeout_ns = link->session.timeout_ns;
    hello->zxid = link->zxid;
    connection_send_up(connection, hello);
    watch_idle(link);
}

/* ---- the seam ---- */

/* The client library allocates for each request and each handle. */
static bool memory_is_left(void)
{
    void *probe = malloc(1);
    free(probe);
    return probe != NULL;
}

static int link_submit(struct keeper *keeper, const struct keeper_request *request, void *context)
{
    struct link *link = container_of(keeper, struct link, keeper);

    if (zk_request_size(request) > REQUEST_SIZE_MOST)
        return LK_E_TOO_LARGE;
    if (link->is_closing || link->is_end_told)
        return LK_E_CLOSED;
    if (!memory_is_left())
        return LK_E_NOMEM;
    struct errand *errand = arena_take(&world_of(link)->arena, sizeof(*errand));
    errand->context = context;
    errand->request = request;
    if (link->is_dead) {
        list_append(&link->waiting, &errand->node);
    } else if (link->state == LINK_OVER) { /* not told yet: its end answers this too */
        struct completion *completion = complete(link, COMPLETE_REPLY);
        completion->errand = errand;
        completion->reply.rc = (int)link->end_rc;
    } else if (link->state == LINK_UP) {
        send_errand(link, errand);
    } else {
        list_append(&link->waiting, &errand->node);
    }
    return LK_OK;
}

/* libzookeeper says nothing until it has a new connection, or fails to get one; sometimes it is
 * quicker. */
static void link_leave_server(struct keeper *keeper)
{
    struct link *link = container_of(keeper, struct link, keeper);

    if (link->is_dead || link->client->sim->ensemble.size == 1 || link->state == LINK_AWAY
        || link->state == LINK_OVER)
        return;
    world_tell(world_of(link), "%s leaves s%d", link->client->name, link->connection->server->id);
    if (link->state == LINK_UP)
        link->is_loss_untold = true;
    hang_up(link);
    link->state = LINK_AWAY;
    if (chance_percent(&world_of(link)->chance, 50))
        tell_loss(link);
    dial_later(link);
}

static void link_close(struct keeper *keeper)
{
    struct link *link = container_of(keeper, struct link, keeper);

    link->is_closing = true;
    if (link->state == LINK_UP && !link->is_dead)
        connection_send_up(link->connection, packet_new(world_of(link), PACKET_GOODBYE));
    if (!link->is_dead)
        hang_up(link);
    link->state = LINK_OVER;
    complete_all(link, KEEPER_CLOSED);
    complete(link, COMPLETE_CLOSED);
    if (link->is_dead)
        event_stop(world_of(link), &link->deliver);
}

static const struct keeper_class link_class = {
    .submit = link_submit,
    .leave_server = link_leave_server,
    .close = link_close,
};

int link_open(struct keeper_world *keeper_world, const struct keeper_options *options,
              const struct keeper_events *events, void *owner, struct keeper **out)
{
    struct sim_client *client = container_of(keeper_world, struct sim_client, keeper_world);
    struct world *world = &client->sim->world;
    if (!memory_is_left())
        return LK_E_NOMEM;
    struct link *link = arena_take(&world->arena, sizeof(*link));
    int size = client->sim->ensemble.size;

    link->keeper.class = &link_class;
    link->client = client;
    link->events = events;
    link->owner = owner;
    link->auth = options->auth ? arena_text(&world->arena, options->auth) : NULL;
    link->session.timeout_ns = options->session_timeout_ms * MS;
    link->is_dead = client->is_dead;
    link->turn = (unsigned)chance_between(&world->chance, 0, size - 1);
    for (int i = 0, step = chance_percent(&world->chance, 50) ? 1 : 2; i < size; i++)
        link->order[i] = i * step % size;
    list_append(&client->links, &link->node);
    if (!link->is_dead)
        dial_later(link);
    *out = &link->keeper;
    return LK_OK;
}

/* ---- what befalls a client ---- */

void links_cut(struct sim_client *client)
{
    list_for_each (node, &client->links) {
        const struct link *link = container_of(node, struct link, node);
        if (link->connection)
            connection_cut(link->connection);
    }
}

static bool changes_something(const struct keeper_request *request)
{
    return request->verb == KEEPER_CREATE || request->verb == KEEPER_DELETE
           || request->verb == KEEPER_SET || request->verb == KEEPER_MULTI;
}

bool links_write_is_under_way(struct sim_client *client, bool loses_reply)
{
    list_for_each (node, &client->links) {
        const struct link *link = container_of(node, struct link, node);
        if (link->state != LINK_UP)
            continue;
        list_for_each (entry, &link->sent) {
            const struct errand *errand = container_of(entry, struct errand, node);
            if (!changes_something(errand->request))
                continue;
            if (loses_reply)
                link->connection->lose_xid = errand->xid;
            return true;
        }
    }
    return false;
}

void links_kick(struct sim_client *client)
{
    list_for_each (node, &client->links) {
        const struct link *link = container_of(node, struct link, node);
        if (!link->connection)
            continue;
        pipe_kick(&link->connection->up);
        pipe_kick(&link->connection->down);
    }
}

void links_die(struct sim_client *client, bool told)
{
    list_for_each (node, &client->links) {
        struct link *link = container_of(node, struct link, node);
        if (link->connection && told)
            connection_close_client(link->connection);
        else if (link->connection)
            link->connection->client = NULL;
        link->connection = NULL;
        hang_up(link);
        event_stop(world_of(link), &link->deliver);
        link->is_dead = true;
    }
}

void links_bury(struct sim_client *client)
{
    while (!list_is_empty(&client->links)) {
        struct link *link = container_of(client->links.next, struct link, node);
        if (!link->is_closing || list_is_empty(&link->completions)) {
            world_fail(world_of(link), "%s: a keeper was not closed", client->name);
            return;
        }
        deliver_one(link);
    }
}

int64_t link_session_of(const struct sim_client *client)
{
    list_for_each (node, &client->links) {
        const struct link *link = container_of(node, struct link, node);
        if (link->state != LINK_OVER && link->session.id)
            return link->session.id;
    }
    return 0;
}

int link_server_of(const struct sim_client *client)
{
    list_for_each (node, &client->links) {
        const struct link *link = container_of(node, struct link, node);
        if (link->state == LINK_UP)
            return link->connection->server->id;
    }
    return -1;
}

bool links_are_closed(const struct sim_client *client)
{
    return list_is_empty(&client->links);
}
