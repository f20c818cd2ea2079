/* server.c - one server's log: written to its disk, committed when it is told so, applied to its
 * tree, answered. */
#include "ensemble.h"

#include <string.h>

#include "tell.h"

bool server_serves(const struct server *server)
{
    return server->role == SERVER_LEADING || server->role == SERVER_FOLLOWING;
}

/* ---- the disk ---- */

static void written(struct event *event)
{
    struct server *server = container_of(event, struct server, disk);
    struct world *world = server->ensemble->world;

    if (server->paused_until_ns > world->now_ns) {
        event_at(world, event,
                 server->paused_until_ns + chance_between(&world->chance, 1, 400 * US), written);
        return;
    }
    server->durable = server->disk_target < server->logged ? server->disk_target : server->logged;
    if (server->role == SERVER_LEADING) {
        leader_acked(server, server->id, server->durable);
    } else if (server->role == SERVER_FOLLOWING) {
        struct peer_message *ack = peer_message_new(server->ensemble, PEER_ACK);
        ack->count = server->durable;
        peer_send(server, server->leader, ack);
    }
    server_disk(server);
}

void server_disk(struct server *server)
{
    struct world *world = server->ensemble->world;

    if (event_is_set(&server->disk) || server->durable >= server->logged)
        return;
    server->disk_target = server->logged;
    event_at(world, &server->disk,
             world->now_ns + chance_between(&world->chance, 150 * US, 450 * US), written);
}

void server_append(struct server *server, struct txn *txn)
{
    if (server->logged == server->log_capacity) {
        size_t capacity = server->log_capacity ? 2 * server->log_capacity : 64;
        struct txn **log = arena_take(&server->ensemble->world->arena, capacity * sizeof(*log));
        if (server->logged)
            memcpy(log, server->log, server->logged * sizeof(*log));
        server->log = log;
        server->log_capacity = capacity;
    }
    server->log[server->logged++] = txn;
    server_disk(server);
}

/* ---- applying ---- */

static void trigger(struct server *server, enum change_kind kind, const struct znode *znode)
{
    if (kind == CHANGE_NONE)
        return;
    if (kind == CHANGE_SET) {
        connection_trigger(server, znode, WATCH_DATA, KEEPER_WATCH_CHANGED);
        return;
    }
    if (kind == CHANGE_CREATE)
        connection_trigger(server, znode, WATCH_DATA, KEEPER_WATCH_CREATED);
    else
        connection_trigger(server, znode, WATCH_DATA | WATCH_CHILD, KEEPER_WATCH_DELETED);
    connection_trigger(server, znode->parent, WATCH_CHILD, KEEPER_WATCH_CHILDREN);
}

static void apply_change(struct server *server, const struct change *change, const struct txn *txn)
{
    trigger(server, change->kind, tree_apply(&server->tree, change, txn->zxid, txn->time_ms, NULL));
}

/* Of one operation; in a multi the reply to a create has no Stat (the C client can't ask for it).
 */
static struct keeper_reply result_of(const struct server *server, const struct txn *txn, size_t i)
{
    struct keeper_reply result = { .rc = (int)txn->rcs[i] };
    const struct change *change = &txn->changes[i];

    if (txn->rc != KEEPER_OK)
        return result;
    if (change->kind == CHANGE_CREATE)
        result.path = change->path;
    if (change->kind == CHANGE_SET || (change->kind == CHANGE_CREATE && txn->verb != KEEPER_MULTI))
        result.stat = znode_stat(tree_find(&server->tree, change->path));
    return result;
}

static void apply_changes(struct server *server, const struct txn *txn)
{
    bool is_ours = txn->origin.server == server->id && txn->origin.connection;
    struct keeper_reply *results = is_ours ? arena_take(&server->ensemble->world->arena,
                                                        (txn->count + 1) * sizeof(*results))
                                           : NULL;

    for (size_t i = 0; i < txn->count; i++) {
        if (txn->rc == KEEPER_OK)
            apply_change(server, &txn->changes[i], txn);
        if (is_ours)
            results[i] = result_of(server, txn, i);
    }
    server->tree.zxid = txn->zxid;
    if (!is_ours)
        return;
    struct connection *connection = connection_find(server, txn->origin.connection);
    if (txn->moved) {
        if (connection)
            connection_close_server(connection, true);
        return;
    }
    struct keeper_reply reply = results[0];
    if (txn->verb == KEEPER_MULTI)
        reply = (struct keeper_reply){ .results = results, .result_count = txn->count };
    reply.rc = (int)txn->rc;
    connection_answer(server, txn->origin, &reply, txn->zxid);
}

static void close_connections_of(struct server *server, int64_t session)
{
    list_for_each_safe (node, &server->connections) {
        struct connection *connection = container_of(node, struct connection, node);
        if (connection->session == session)
            connection_close_server(connection, true);
    }
}

static void apply_session_end(struct server *server, const struct txn *txn)
{
    for (struct znode *znode; (znode = tree_ephemeral_of(&server->tree, txn->session)) != NULL;)
        apply_change(server, &(struct change){ .kind = CHANGE_DELETE, .path = znode->path }, txn);
    tree_session_remove(&server->tree, txn->session);
    server->tree.zxid = txn->zxid;
    close_connections_of(server, txn->session);
}

static void apply(struct server *server, const struct txn *txn)
{
    switch (txn->kind) {
    case TXN_CHANGES:
        apply_changes(server, txn);
        break;
    case TXN_OPEN_SESSION:
        tree_session_add(&server->tree, txn->session, txn->timeout_ns);
        server->tree.zxid = txn->zxid;
        if (txn->origin.server == server->id)
            connection_welcome(server, txn->origin.connection, true);
        break;
    case TXN_CLOSE_SESSION:
        apply_session_end(server, txn);
        break;
    }
}

void server_commit(struct server *server, size_t count)
{
    if (count > server->logged)
        count = server->logged;
    if (count > server->committed)
        server->committed = count;
    while (server->applied < server->committed) {
        const struct txn *txn = server->log[server->applied++];
        struct ensemble *ensemble = server->ensemble;
        tell_txn(server, txn);
        if (ensemble->witness && server->applied > ensemble->witnessed) {
            ensemble->witnessed = server->applied;
            ensemble->witness(ensemble, &server->tree, txn);
        }
        apply(server, txn);
    }
}

static void applied_late(struct event *event)
{
    struct server *server = container_of(event, struct server, apply);
    struct world *world = server->ensemble->world;

    if (server->paused_until_ns > world->now_ns)
        event_at(world, event,
                 server->paused_until_ns + chance_between(&world->chance, 1, 400 * US),
                 applied_late);
    else
        server_commit(server, server->committed);
}

void server_commit_soon(struct server *server, size_t count)
{
    struct world *world = server->ensemble->world;
    int64_t lag_ns = server->ensemble->lag_ns[server->id];

    server->committed = count;
    if (!event_is_set(&server->apply))
        event_at(world, &server->apply,
                 world->now_ns + lag_ns + chance_between(&world->chance, 1 * US, 300 * US),
                 applied_late);
}

/* ---- to the leader, which may be this server ---- */

enum session_standing server_asks_about(struct server *server, int64_t session)
{
    return server->role == SERVER_LEADING ? leader_standing(server, server->id, session)
                                          : SESSION_IS_HERE;
}

void server_touch(struct server *server, int64_t session)
{
    if (server->role == SERVER_LEADING) {
        leader_touch(server, session, 0);
        return;
    }
    list_for_each (node, &server->touched) {
        if (container_of(node, struct touch, node)->session == session)
            return;
    }
    struct touch *touch = arena_take(&server->ensemble->world->arena, sizeof(*touch));
    touch->session = session;
    list_append(&server->touched, &touch->node);
}

void server_forward(struct server *server, struct origin origin, const struct requester *who,
                    const struct keeper_request *request)
{
    if (server->role == SERVER_LEADING) {
        leader_judge(server, origin, who, request);
        return;
    }
    struct peer_message *message = peer_message_new(server->ensemble, PEER_WRITE);
    message->origin = origin;
    message->who = *who;
    message->request = request;
    peer_send(server, server->leader, message);
}

void server_open_session(struct server *server, struct origin origin, int64_t session,
                         int64_t timeout_ns)
{
    if (server->role == SERVER_LEADING) {
        leader_open_session(server, origin, session, timeout_ns);
        return;
    }
    struct peer_message *message = peer_message_new(server->ensemble, PEER_OPEN);
    message->origin = origin;
    message->session = session;
    message->timeout_ns = timeout_ns;
    peer_send(server, server->leader, message);
}

void server_revalidate(struct server *server, struct origin origin, int64_t session,
                       int64_t timeout_ns)
{
    if (server->role == SERVER_LEADING) {
        connection_welcome(server, origin.connection,
                           leader_revalidate(server, server->id, session, timeout_ns));
        return;
    }
    struct peer_message *message = peer_message_new(server->ensemble, PEER_REVALIDATE);
    message->origin = origin;
    message->session = session;
    message->timeout_ns = timeout_ns;
    peer_send(server, server->leader, message);
}
