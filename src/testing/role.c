/* role.c - who leads, who follows, and who does not know yet that it does no more.
 *
 * Elections are the outcome of ZooKeeper's, not its messages: when a quorum of servers without a
 * leader can reach each other, the one with the newest log leads, under an epoch that no older
 * leader's followers can come back from. */
#include "ensemble.h"

#include <string.h>

/* As a server has it whose jute.maxbuffer nobody has set. */
#define REQUEST_MAX 0xfffff

static void polled(struct event *event);
static void half_ticked(struct event *event);

static bool reach(const struct ensemble *ensemble, int a, int b)
{
    int64_t now_ns = ensemble->world->now_ns;
    return ensemble->cut_until_ns[a][b] <= now_ns && ensemble->cut_until_ns[b][a] <= now_ns
           && ensemble->servers[a].paused_until_ns <= now_ns
           && ensemble->servers[b].paused_until_ns <= now_ns;
}

static int64_t last_zxid(const struct server *server)
{
    return server->logged ? server->log[server->logged - 1]->zxid : 0;
}

/* By epoch first: what an older leader logged and never committed must not come back over a newer
 * leader that wrote nothing. */
static bool is_newer(const struct server *a, const struct server *b)
{
    return a->epoch != b->epoch ? a->epoch > b->epoch : last_zxid(a) > last_zxid(b);
}

static void follow(struct server *leader, struct server *server)
{
    struct ensemble *ensemble = leader->ensemble;
    size_t same = 0;

    while (same < server->logged && same < leader->logged && server->log[same] == leader->log[same])
        same++;
    if (same < server->applied)
        world_fail(ensemble->world, "the simulation itself lost a committed transaction");
    server->logged = same;
    for (size_t i = same; i < leader->logged; i++)
        server_append(server, leader->log[i]);
    event_stop(ensemble->world, &server->disk);
    server->durable = server->logged; /* it syncs before it serves */
    peers_reset(ensemble, leader->id, server->id);
    server->role = SERVER_FOLLOWING;
    server->epoch = leader->epoch;
    server->leader = leader->id;
    server->link = ++ensemble->links;
    server->heard_ns = ensemble->world->now_ns;
    server->touched = (struct list){ 0 };
    leader->followers[server->id] = (struct follower){ .follows = true,
                                                       .heard_tick = leader->half_ticks / 2,
                                                       .link = server->link };
    server_commit(server, leader->committed);
    struct peer_message *ack = peer_message_new(ensemble, PEER_ACK);
    ack->count = server->durable;
    peer_send(server, leader->id, ack);
    world_tell(ensemble->world, "s%d follows s%d, %zu transactions", server->id, leader->id,
               server->logged);
}

/* All that it has logged is committed now: a quorum copies it before it serves. */
static void lead(struct server *leader)
{
    struct ensemble *ensemble = leader->ensemble;

    leader->role = SERVER_LEADING;
    leader->epoch = ++ensemble->epochs;
    event_stop(ensemble->world, &leader->disk);
    leader->durable = leader->logged;
    leader_begin(leader);
    world_tell(ensemble->world, "s%d leads, epoch %u, %zu transactions", leader->id, leader->epoch,
               leader->logged);
    server_commit(leader, leader->logged);
    for (int i = 0; i < ensemble->size; i++) {
        struct server *other = &ensemble->servers[i];
        if (other != leader && other->role == SERVER_LOOKING && reach(ensemble, leader->id, i))
            follow(leader, other);
    }
}

static bool has_quorum_with(const struct server *leader, const struct server *joiner)
{
    int votes = joiner ? 2 : 1;
    for (int i = 0; i < leader->ensemble->size; i++)
        votes += leader->followers[i].follows && (!joiner || i != joiner->id);
    return 2 * votes > leader->ensemble->size;
}

static bool find_leader(struct server *server)
{
    struct ensemble *ensemble = server->ensemble;

    for (int i = 0; i < ensemble->size; i++) {
        struct server *other = &ensemble->servers[i];
        if (other == server || other->role != SERVER_LEADING || other->epoch < server->epoch
            || !reach(ensemble, i, server->id) || !has_quorum_with(other, server))
            continue;
        follow(other, server);
        return true;
    }
    return false;
}

/* True: it leads, or somebody else ought to. */
static bool may_lead(const struct server *server)
{
    const struct ensemble *ensemble = server->ensemble;
    int votes = 1;

    for (int i = 0; i < ensemble->size; i++) {
        const struct server *other = &ensemble->servers[i];
        if (other == server || other->role != SERVER_LOOKING || !reach(ensemble, i, server->id))
            continue;
        if (is_newer(other, server))
            return false;
        votes++;
    }
    return 2 * votes > ensemble->size;
}

static void poll_again(struct server *server)
{
    struct world *world = server->ensemble->world;
    event_at(world, &server->poll,
             world->now_ns + chance_between(&world->chance, 50 * MS, 250 * MS), polled);
}

static void polled(struct event *event)
{
    struct server *server = container_of(event, struct server, poll);

    if (server->role != SERVER_LOOKING)
        return;
    if (server->paused_until_ns > server->ensemble->world->now_ns || find_leader(server)) {
        if (server->role == SERVER_LOOKING)
            poll_again(server);
        return;
    }
    if (may_lead(server))
        lead(server);
    else
        poll_again(server);
}

/* What it served and led is over; what it logged stays. */
static void leave_role(struct server *server, bool tell)
{
    struct ensemble *ensemble = server->ensemble;

    for (int i = 0; tell && i < ensemble->size; i++) {
        if ((server->role == SERVER_LEADING && server->followers[i].follows)
            || (server->role == SERVER_FOLLOWING && server->leader == i))
            peer_send(server, i, peer_message_new(ensemble, PEER_BYE));
    }
    while (!list_is_empty(&server->connections)) {
        struct connection *connection = container_of(server->connections.next, struct connection,
                                                     node);
        connection_close_server(connection, true);
    }
    event_stop(ensemble->world, &server->apply); /* what is committed is applied in the next role */
    server->syncs = (struct list){ 0 };
    server->tracker = (struct list){ 0 };
    memset(server->followers, 0, sizeof(server->followers));
}

void server_look(struct server *server)
{
    world_tell(server->ensemble->world, "s%d has no leader, or no followers", server->id);
    leave_role(server, true);
    server->role = SERVER_LOOKING;
    poll_again(server);
}

void server_lose_leader(struct server *server)
{
    if (server->role != SERVER_FOLLOWING)
        return;
    leave_role(server, false);
    server->role = SERVER_LOOKING;
    poll_again(server);
}

void server_kill(struct server *server)
{
    if (server->role == SERVER_DOWN)
        return;
    world_tell(server->ensemble->world, "s%d is killed", server->id);
    leave_role(server, true);
    server->role = SERVER_DOWN;
    server->logged = server->durable > server->committed ? server->durable : server->committed;
    event_stop(server->ensemble->world, &server->disk);
    event_stop(server->ensemble->world, &server->poll);
}

void server_start(struct server *server)
{
    if (server->role != SERVER_DOWN)
        return;
    world_tell(server->ensemble->world, "s%d starts", server->id);
    server->role = SERVER_LOOKING;
    poll_again(server);
}

void server_pause(struct server *server, int64_t until_ns)
{
    world_tell(server->ensemble->world, "s%d stands still for %lld ms", server->id,
               (long long)((until_ns - server->ensemble->world->now_ns) / MS));
    if (until_ns > server->paused_until_ns)
        server->paused_until_ns = until_ns;
}

/* ---- ticks ---- */

static bool is_supported(const struct server *leader)
{
    int votes = 1;
    for (int i = 0; i < leader->ensemble->size; i++) {
        const struct follower *follower = &leader->followers[i];
        votes += follower->follows
                 && leader->half_ticks / 2 <= follower->heard_tick + leader->ensemble->sync_limit;
    }
    return 2 * votes > leader->ensemble->size;
}

/* Whose connection has been silent for syncLimit ticks is closed; if that way is open, it hears so. */
static void give_up_silent(struct server *leader)
{
    for (int i = 0; i < leader->ensemble->size; i++) {
        struct follower *follower = &leader->followers[i];
        if (!follower->follows
            || leader->half_ticks / 2 <= follower->heard_tick + leader->ensemble->sync_limit)
            continue;
        world_tell(leader->ensemble->world, "s%d gives up s%d, which is silent", leader->id, i);
        peer_send(leader, i, peer_message_new(leader->ensemble, PEER_BYE));
        follower->follows = false;
    }
}

static void leader_tick(struct server *leader)
{
    leader_expire(leader);
    leader_reap(leader);
    give_up_silent(leader);
    if (++leader->half_ticks % 2 == 0 && !is_supported(leader)) {
        server_look(leader);
        return;
    }
    for (int i = 0; i < leader->ensemble->size; i++)
        if (leader->followers[i].follows)
            peer_send(leader, i, peer_message_new(leader->ensemble, PEER_PING));
}

static void half_ticked(struct event *event)
{
    struct server *server = container_of(event, struct server, half_tick);
    struct ensemble *ensemble = server->ensemble;
    struct world *world = ensemble->world;
    int64_t half_ns = ensemble->tick_ns / 2;

    if (server->paused_until_ns > world->now_ns) {
        event_at(world, event,
                 server->paused_until_ns + chance_between(&world->chance, 1, 400 * US),
                 half_ticked);
        return;
    }
    event_at(world, event, (world->now_ns / half_ns + 1) * half_ns, half_ticked);
    if (server->role == SERVER_LEADING)
        leader_tick(server);
    else if (server->role == SERVER_FOLLOWING
             && world->now_ns - server->heard_ns > ensemble->sync_limit * ensemble->tick_ns)
        server_look(server);
}

/* ---- the whole ---- */

void ensemble_begin(struct ensemble *ensemble, struct world *world, int size, int64_t tick_ns,
                    int sync_limit)
{
    *ensemble = (struct ensemble){ .world = world,
                                   .size = size,
                                   .tick_ns = tick_ns,
                                   .sync_limit = sync_limit,
                                   .request_max = REQUEST_MAX,
                                   .reap_ns = 60 * SECOND };
    for (int i = 0; i < size; i++) {
        struct server *server = &ensemble->servers[i];
        *server = (struct server){ .ensemble = ensemble, .id = i, .role = SERVER_LOOKING };
        tree_begin(&server->tree, &world->arena);
    }
    peers_begin(ensemble);
    lead(&ensemble->servers[chance_next(&world->chance) % (unsigned)size]);
    for (int i = 0; i < size; i++)
        half_ticked(&ensemble->servers[i].half_tick);
}

void ensemble_cut(struct ensemble *ensemble, int from, int to, int64_t until_ns)
{
    ensemble->cut_until_ns[from][to] = until_ns;
}

void ensemble_heal(struct ensemble *ensemble)
{
    for (int i = 0; i < ensemble->size; i++) {
        ensemble->lag_ns[i] = 0;
        server_start(&ensemble->servers[i]);
        for (int j = 0; j < ensemble->size; j++)
            ensemble->cut_until_ns[i][j] = 0;
    }
    for (int i = 0; i < ensemble->size; i++) {
        for (int j = 0; j < ensemble->size; j++)
            pipe_kick(&ensemble->peers[i][j].pipe);
        list_for_each (node, &ensemble->servers[i].connections)
            pipe_kick(&container_of(node, struct connection, node)->up);
    }
}

struct server *ensemble_leader(struct ensemble *ensemble)
{
    struct server *best = NULL;
    for (int i = 0; i < ensemble->size; i++) {
        struct server *server = &ensemble->servers[i];
        if (server->role == SERVER_LEADING && has_quorum_with(server, NULL)
            && server->paused_until_ns <= ensemble->world->now_ns
            && (!best || server->epoch > best->epoch))
            best = server;
    }
    return best;
}

const struct tree *ensemble_truth(const struct ensemble *ensemble)
{
    const struct server *best = &ensemble->servers[0];
    for (int i = 1; i < ensemble->size; i++)
        if (ensemble->servers[i].applied > best->applied)
            best = &ensemble->servers[i];
    return &best->tree;
}

bool ensemble_stranger(struct ensemble *ensemble, const struct keeper_request *request)
{
    struct server *leader = ensemble_leader(ensemble);
    if (!leader)
        return false;
    leader_judge(leader, (struct origin){ .server = -1 }, &(struct requester){ .session = 0 },
                 request_copy(&ensemble->world->arena, request));
    return true;
}

bool ensemble_expire(struct ensemble *ensemble, int64_t session)
{
    struct server *leader = ensemble_leader(ensemble);
    if (!leader)
        return false;
    leader_judge(leader, (struct origin){ .server = -1 }, &(struct requester){ .session = session },
                 NULL);
    return true;
}

void ensemble_found(struct ensemble *ensemble, const char *path, int32_t creates)
{
    struct server *leader = ensemble_leader(ensemble);

    for (const char *end = path; leader && *end;) {
        end += 1 + strcspn(end + 1, "/");
        char *part = arena_text(&ensemble->world->arena, path);
        part[end - path] = '\0';
        const struct keeper_request create = { .verb = KEEPER_CREATE,
                                               .path = part,
                                               .mode = KEEPER_CONTAINER };
        ensemble_stranger(ensemble, &create);
    }
    struct znode *znode = leader ? tree_find(&leader->ahead, path) : NULL;
    if (!znode)
        return;
    znode->creates = creates;
    leader->log[leader->logged - 1]->changes[0].creates = creates;
}
