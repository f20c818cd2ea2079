/* connection.c - a client's TCP connection, seen from its server: greeting, requests in order,
 * one-shot watches.
 *
 * Replies leave in the order of the requests, and reads are done at their turn: after the writes
 * before them were applied here, before those behind them. A watch's event enters the stream when
 * the change is applied, so it comes before any answer that shows the change. */
#include "ensemble.h"

#include <string.h>

#include "keeper/zk.h"
#include "tell.h"

#define SESSION_TICKS_MIN 2
#define SESSION_TICKS_MAX 20

struct packet *packet_new(struct world *world, enum packet_kind kind)
{
    struct packet *packet = arena_take(&world->arena, sizeof(*packet));
    packet->kind = kind;
    return packet;
}

static int64_t hop(struct world *world)
{
    return chance_between(&world->chance, 40 * US, 250 * US);
}

static void send_down(struct connection *connection, struct packet *packet)
{
    pipe_send(&connection->down, &packet->message, hop(connection->ensemble->world));
}

void connection_send_up(struct connection *connection, struct packet *packet)
{
    packet->sent_ns = connection->ensemble->world->now_ns;
    pipe_send(&connection->up, &packet->message, hop(connection->ensemble->world));
}

struct connection *connection_find(struct server *server, uint64_t id)
{
    list_for_each (node, &server->connections) {
        struct connection *connection = container_of(node, struct connection, node);
        if (connection->id == id)
            return connection;
    }
    return NULL;
}

/* ---- ends ---- */

void connection_close_server(struct connection *connection, bool tell)
{
    if (!connection->is_served)
        return;
    connection->is_served = false;
    list_remove(&connection->node);
    if (tell)
        send_down(connection, packet_new(connection->ensemble->world, PACKET_FIN));
}

void connection_close_client(struct connection *connection)
{
    connection->client = NULL;
    pipe_clear(&connection->down);
    connection_send_up(connection, packet_new(connection->ensemble->world, PACKET_FIN));
}

void connection_cut(struct connection *connection)
{
    world_tell(connection->ensemble->world, "%s/s%d the link breaks", connection->name,
               connection->server->id);
    pipe_clear(&connection->up);
    pipe_clear(&connection->down);
    connection_close_server(connection, true);
}

/* ---- replies ---- */

static bool reply(struct connection *connection, const struct pending *pending)
{
    struct world *world = connection->ensemble->world;

    if (connection->lose_xid == pending->xid && pending->xid) {
        world_tell(world, "%s/s%d reply #%d is lost", connection->name, connection->server->id,
                   pending->xid);
        connection_cut(connection);
        return false;
    }
    struct packet *packet = packet_new(world, PACKET_REPLY);
    struct keeper_reply *copy = arena_take(&world->arena, sizeof(*copy));
    *copy = pending->reply;
    packet->reply = copy;
    packet->xid = pending->xid;
    packet->zxid = pending->zxid;
    send_down(connection, packet);
    return true;
}

static void watch_add(struct connection *connection, const char *path, unsigned kinds)
{
    list_for_each (node, &connection->watches) {
        struct watched *watched = container_of(node, struct watched, node);
        if (strcmp(watched->path, path) == 0) {
            watched->kinds |= kinds;
            return;
        }
    }
    struct watched *watched = arena_take(&connection->ensemble->world->arena, sizeof(*watched));
    watched->path = path;
    watched->kinds = kinds;
    list_append(&connection->watches, &watched->node);
}

static void read_now(struct connection *connection, struct pending *pending)
{
    const struct keeper_request *request = pending->request;

    pending->is_done = true;
    pending->zxid = connection->server->tree.zxid;
    if (pending->reply.rc != KEEPER_OK || request->verb == KEEPER_SYNC)
        return;
    const struct requester who = { connection->session, connection->auth };
    const struct tree *tree = &connection->server->tree;

    pending->reply = tree_read(tree, &connection->ensemble->world->arena, request, &who);
    if (request->watch && (pending->reply.rc == KEEPER_OK || request->verb == KEEPER_EXISTS))
        watch_add(connection, request->path,
                  request->verb == KEEPER_LIST ? WATCH_CHILD : WATCH_DATA);
}

static void flush(struct connection *connection)
{
    while (connection->is_served && !list_is_empty(&connection->pendings)) {
        struct pending *pending = container_of(connection->pendings.next, struct pending, node);
        if (pending->is_read)
            read_now(connection, pending);
        if (!pending->is_done)
            return;
        list_remove(&pending->node);
        if (!reply(connection, pending))
            return;
    }
}

void connection_answer(struct server *server, struct origin origin,
                       const struct keeper_reply *answer, int64_t zxid)
{
    struct connection *connection = connection_find(server, origin.connection);

    if (!connection)
        return;
    list_for_each (node, &connection->pendings) {
        struct pending *pending = container_of(node, struct pending, node);
        if (pending->xid != origin.xid)
            continue;
        pending->is_done = true;
        pending->reply = *answer;
        pending->zxid = zxid;
        break;
    }
    flush(connection);
}

/* ---- watches ---- */

static void send_event(struct connection *connection, const char *path,
                       enum keeper_watch_event event)
{
    struct packet *packet = packet_new(connection->ensemble->world, PACKET_EVENT);
    packet->event = event;
    packet->path = path;
    packet->zxid = connection->server->tree.zxid;
    send_down(connection, packet);
}

void connection_trigger(struct server *server, const struct znode *znode, unsigned kinds,
                        enum keeper_watch_event event)
{
    list_for_each (node, &server->connections) {
        struct connection *connection = container_of(node, struct connection, node);
        const struct requester who = { connection->session, connection->auth };
        list_for_each_safe (entry, &connection->watches) {
            struct watched *watched = container_of(entry, struct watched, node);
            if (!(watched->kinds & kinds) || strcmp(watched->path, znode->path) != 0)
                continue;
            watched->kinds &= ~kinds;
            if (!watched->kinds)
                list_remove(entry);
            if (znode_permits(znode, &who))
                send_event(connection, watched->path, event);
        }
    }
}

/* What changed while the client was away is an event at once; DataTree.setWatches. */
static void set_watch(struct connection *connection, const struct watched *watched,
                      int64_t since_zxid)
{
    const struct znode *znode = tree_find(&connection->server->tree, watched->path);

    if (watched->kinds & WATCH_DATA) {
        if (!znode)
            send_event(connection, watched->path, KEEPER_WATCH_DELETED);
        else if (znode->stat.mzxid > since_zxid)
            send_event(connection, watched->path, KEEPER_WATCH_CHANGED);
        else
            watch_add(connection, watched->path, WATCH_DATA);
    }
    if (watched->kinds & WATCH_EXISTS) {
        if (znode)
            send_event(connection, watched->path, KEEPER_WATCH_CREATED);
        else
            watch_add(connection, watched->path, WATCH_DATA);
    }
    if (watched->kinds & WATCH_CHILD) {
        if (!znode)
            send_event(connection, watched->path, KEEPER_WATCH_DELETED);
        else if (znode->stat.pzxid > since_zxid)
            send_event(connection, watched->path, KEEPER_WATCH_CHILDREN);
        else
            watch_add(connection, watched->path, WATCH_CHILD);
    }
}

/* ---- greeting ---- */

static struct whereabouts *whereabouts_of(struct ensemble *ensemble, int64_t session)
{
    list_for_each (node, &ensemble->whereabouts) {
        struct whereabouts *whereabouts = container_of(node, struct whereabouts, node);
        if (whereabouts->session == session)
            return whereabouts;
    }
    struct whereabouts *whereabouts = arena_take(&ensemble->world->arena, sizeof(*whereabouts));
    whereabouts->session = session;
    whereabouts->server = -1;
    list_append(&ensemble->whereabouts, &whereabouts->node);
    return whereabouts;
}

static void note_whereabouts(const struct connection *connection)
{
    struct whereabouts *whereabouts = whereabouts_of(connection->ensemble, connection->session);
    if (whereabouts->server != connection->server->id)
        whereabouts->since = connection->id;
    whereabouts->server = connection->server->id;
}

/* Not if another server had the session in between: its leader would have refused the request
 * meanwhile. */
static bool stayed_here_since(const struct connection *old)
{
    const struct whereabouts *whereabouts = whereabouts_of(old->ensemble, old->session);
    return whereabouts->server == old->server->id && old->id >= whereabouts->since;
}

void connection_welcome(struct server *server, uint64_t id, bool valid)
{
    struct connection *connection = connection_find(server, id);

    if (!connection)
        return;
    bool refused = valid && connection->auth && server->ensemble->refused
                   && strcmp(connection->auth, server->ensemble->refused) == 0;
    struct packet *packet = packet_new(server->ensemble->world,
                                       refused ? PACKET_REFUSAL : PACKET_WELCOME);
    packet->session = valid ? connection->session : 0;
    packet->timeout_ns = connection->timeout_ns;
    send_down(connection, packet);
    if (valid)
        note_whereabouts(connection);
    if (!valid || refused)
        connection_close_server(connection, true);
}

struct half_read {
    struct event event;
    struct server *server;
    struct requester who;
    const struct packet *packet;
};

static void read_late(struct event *event)
{
    struct half_read *late = container_of(event, struct half_read, event);
    char words[TELL_SIZE];
    if (!server_serves(late->server))
        return;
    world_tell(late->server->ensemble->world,
               "s%d comes to %s of session %lld, whose connection is closed", late->server->id,
               request_words(late->packet->request, words), (long long)late->who.session);
    const struct origin origin = { .server = late->server->id, .asked_ns = late->packet->sent_ns };
    server_forward(late->server, origin, &late->who, late->packet->request);
}

/* Closing the old connection does not wait for the worker that has just taken a request from it:
 * that one may still be applied, after the new connection's first ones. */
static void take_half_read(struct connection *old)
{
    struct world *world = old->ensemble->world;

    if (list_is_empty(&old->up.messages)
        || !chance_percent(&world->chance, old->ensemble->late_percent))
        return;
    struct packet *packet = container_of(container_of(old->up.messages.next, struct message, node),
                                         struct packet, message);
    bool is_there = packet->message.at_ns <= world->now_ns + 250 * US
                    && (!old->up.stalled_until_ns || *old->up.stalled_until_ns <= world->now_ns);
    if (!is_there || !stayed_here_since(old) || packet->kind != PACKET_REQUEST
        || packet->request->verb == KEEPER_GET || packet->request->verb == KEEPER_LIST
        || packet->request->verb == KEEPER_EXISTS || packet->request->verb == KEEPER_SYNC)
        return;
    struct half_read *late = arena_take(&world->arena, sizeof(*late));
    late->server = old->server;
    late->who = (struct requester){ old->session, old->auth };
    late->packet = packet;
    event_at(world, &late->event, world->now_ns + chance_between(&world->chance, 1, 2 * MS),
             read_late);
}

static void close_older(struct connection *connection)
{
    list_for_each_safe (node, &connection->server->connections) {
        struct connection *old = container_of(node, struct connection, node);
        if (old == connection || old->session != connection->session)
            continue;
        take_half_read(old);
        connection_close_server(old, true);
    }
}

static int64_t bounded(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void greet(struct connection *connection, const struct packet *hello)
{
    struct ensemble *ensemble = connection->ensemble;
    struct server *server = connection->server;
    struct origin origin = { .server = server->id, .connection = connection->id };

    /* A server behind what the client has seen would show it the past. */
    if (!server_serves(server) || hello->zxid > server->tree.zxid) {
        world_tell(ensemble->world, "s%d turns %s away", server->id, connection->name);
        connection_close_server(connection, true);
        return;
    }
    connection->timeout_ns = bounded(hello->timeout_ns, SESSION_TICKS_MIN * ensemble->tick_ns,
                                     SESSION_TICKS_MAX * ensemble->tick_ns);
    if (!hello->session) {
        connection->session = ++ensemble->sessions;
        server_open_session(server, origin, connection->session, connection->timeout_ns);
        return;
    }
    connection->session = hello->session;
    close_older(connection);
    server_revalidate(server, origin, hello->session, connection->timeout_ns);
}

/* ---- what arrives ---- */

/* The leader takes a sync of its own client for a read: of what it has applied itself, and however
 * much is under way. */
static bool is_read(const struct connection *connection, const struct keeper_request *request)
{
    switch (request->verb) {
    case KEEPER_GET:
    case KEEPER_EXISTS:
    case KEEPER_LIST:
        return true;
    case KEEPER_SYNC:
        return connection->server->role == SERVER_LEADING;
    default:
        return false;
    }
}

static void accept_request(struct connection *connection, const struct packet *packet)
{
    struct pending *pending = arena_take(&connection->ensemble->world->arena, sizeof(*pending));
    const struct keeper_request *request = packet->request;

    pending->xid = packet->xid;
    pending->request = request;
    pending->is_read = request && is_read(connection, request);
    list_append(&connection->pendings, &pending->node);
    server_touch(connection->server, connection->session);
    if (pending->is_read) {
        enum session_standing standing = server_asks_about(connection->server, connection->session);
        pending->reply.rc = standing == SESSION_IS_OVER ? KEEPER_EXPIRED : KEEPER_OK;
        if (standing == SESSION_HAS_MOVED)
            connection_close_server(connection, true);
    } else {
        const struct origin origin = { connection->server->id, connection->id, packet->xid,
                                       packet->sent_ns };
        server_forward(connection->server, origin,
                       &(struct requester){ connection->session, connection->auth }, request);
    }
    flush(connection);
}

static void arrived_up(struct pipe *pipe, struct message *message)
{
    struct connection *connection = container_of(pipe, struct connection, up);
    const struct packet *packet = container_of(message, struct packet, message);

    if (!connection->is_served)
        return;
    switch (packet->kind) {
    case PACKET_HELLO:
        greet(connection, packet);
        break;
    case PACKET_WATCHES:
        list_for_each (node, &packet->watches)
            set_watch(connection, container_of(node, struct watched, node), packet->zxid);
        break;
    case PACKET_REQUEST:
        if (zk_request_size(packet->request) > connection->ensemble->request_max)
            connection_close_server(connection, true);
        else
            accept_request(connection, packet);
        break;
    case PACKET_GOODBYE:
        accept_request(connection, packet);
        break;
    default:
        connection_close_server(connection, false);
        break;
    }
}

static void arrived_down(struct pipe *pipe, struct message *message)
{
    struct connection *connection = container_of(pipe, struct connection, down);
    if (connection->client)
        connection->receive(connection, container_of(message, struct packet, message));
}

struct connection *connection_new(struct ensemble *ensemble, int server, const char *client_name)
{
    struct world *world = ensemble->world;
    struct connection *connection = arena_take(&world->arena, sizeof(*connection));

    connection->id = ++ensemble->connections;
    connection->ensemble = ensemble;
    connection->server = &ensemble->servers[server];
    connection->is_served = true;
    connection->name = client_name;
    connection->up = (struct pipe){ .world = world,
                                    .paused_until_ns = &connection->server->paused_until_ns,
                                    .deliver = arrived_up };
    connection->down = (struct pipe){ .world = world, .deliver = arrived_down };
    list_append(&connection->server->connections, &connection->node);
    return connection;
}

static struct keeper_request copied(struct arena *arena, const struct keeper_request *request)
{
    struct keeper_request copy = *request;
    copy.path = request->path ? arena_text(arena, request->path) : NULL;
    copy.data = arena_copy(arena, request->data, request->data_size);
    return copy;
}

const struct keeper_request *request_copy(struct arena *arena, const struct keeper_request *request)
{
    struct keeper_request *copy = arena_take(arena, sizeof(*copy));
    *copy = copied(arena, request);
    struct keeper_request *operations = arena_take(arena, (request->operation_count + 1)
                                                              * sizeof(*operations));
    for (size_t i = 0; i < request->operation_count; i++)
        operations[i] = copied(arena, &request->operations[i]);
    copy->operations = operations;
    return copy;
}
