/* peer.c - what servers say to each other, in order; what belongs to a connection of before a break
 * is dropped. */
#include "ensemble.h"

struct peer_message *peer_message_new(struct ensemble *ensemble, enum peer_kind kind)
{
    struct peer_message *message = arena_take(&ensemble->world->arena, sizeof(*message));
    message->kind = kind;
    return message;
}

void peer_send(struct server *from, int to, struct peer_message *message)
{
    struct ensemble *ensemble = from->ensemble;
    int64_t latency_ns = chance_between(&ensemble->world->chance, 40 * US, 250 * US);

    message->link = from->role == SERVER_LEADING ? from->followers[to].link : from->link;
    if (from->role == SERVER_LEADING)
        latency_ns += ensemble->lag_ns[to];
    pipe_send(&ensemble->peers[from->id][to].pipe, &message->message, latency_ns);
}

static void answer_ping(struct server *server)
{
    struct peer_message *pong = peer_message_new(server->ensemble, PEER_PONG);

    for (struct list *node; (node = list_take(&server->touched)) != NULL;)
        list_append(&pong->touched, node);
    peer_send(server, server->leader, pong);
}

static void follower_hears(struct server *server, struct peer_message *message)
{
    server->heard_ns = server->ensemble->world->now_ns;
    switch (message->kind) {
    case PEER_PROPOSE:
        server_append(server, message->txn);
        break;
    case PEER_COMMIT:
        server_commit(server, message->count);
        break;
    case PEER_PING:
        answer_ping(server);
        break;
    case PEER_VALID:
        connection_welcome(server, message->origin.connection, message->valid);
        break;
    case PEER_SYNCED:
        connection_answer(server, message->origin, &(struct keeper_reply){ .rc = KEEPER_OK },
                          server->tree.zxid);
        break;
    case PEER_BYE:
        server_look(server);
        break;
    default:
        break;
    }
}

static void leader_revalidates(struct server *leader, int from, const struct peer_message *message)
{
    struct peer_message *answer = peer_message_new(leader->ensemble, PEER_VALID);

    answer->valid = leader_revalidate(leader, from, message->session, message->timeout_ns);
    answer->origin = message->origin;
    peer_send(leader, from, answer);
}

static void leader_hears(struct server *leader, int from, struct peer_message *message)
{
    struct follower *follower = &leader->followers[from];

    follower->heard_tick = leader->half_ticks / 2;
    switch (message->kind) {
    case PEER_ACK:
        leader_acked(leader, from, message->count);
        break;
    case PEER_PONG:
        list_for_each (node, &message->touched)
            leader_touch(leader, container_of(node, struct touch, node)->session, 0);
        break;
    case PEER_WRITE:
        if (message->request && message->request->verb == KEEPER_SYNC)
            leader_sync(leader, message->origin);
        else
            leader_judge(leader, message->origin, &message->who, message->request);
        break;
    case PEER_OPEN:
        leader_open_session(leader, message->origin, message->session, message->timeout_ns);
        break;
    case PEER_REVALIDATE:
        leader_revalidates(leader, from, message);
        break;
    case PEER_BYE:
        follower->follows = false;
        break;
    default:
        break;
    }
}

static void delivered(struct pipe *pipe, struct message *base)
{
    const struct peer_pipe *way = container_of(pipe, struct peer_pipe, pipe);
    struct peer_message *message = container_of(base, struct peer_message, message);
    struct server *from = way->from, *to = way->to;

    if (to->role == SERVER_LEADING && to->followers[from->id].follows
        && to->followers[from->id].link == message->link)
        leader_hears(to, from->id, message);
    else if (to->role == SERVER_FOLLOWING && to->leader == from->id && to->link == message->link)
        follower_hears(to, message);
}

void peers_begin(struct ensemble *ensemble)
{
    for (int from = 0; from < ensemble->size; from++) {
        for (int to = 0; to < ensemble->size; to++) {
            ensemble->peers[from][to] = (struct peer_pipe){
                .pipe = { .world = ensemble->world,
                          .stalled_until_ns = &ensemble->cut_until_ns[from][to],
                          .paused_until_ns = &ensemble->servers[to].paused_until_ns,
                          .deliver = delivered },
                .from = &ensemble->servers[from],
                .to = &ensemble->servers[to],
            };
        }
    }
}

void peers_reset(struct ensemble *ensemble, int a, int b)
{
    pipe_clear(&ensemble->peers[a][b].pipe);
    pipe_clear(&ensemble->peers[b][a].pipe);
}
