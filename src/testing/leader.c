/* leader.c - who judges: requests become transactions here, sessions live and end here.
 *
 * Sessions are expired as SessionTrackerImpl does it: an end is rounded up to the next tick, a new
 * leader gives every session its full timeout again, and a session is bound to one server at a
 * time. */
#include "ensemble.h"

#include <string.h>

#include "tell.h"

static struct tracked *tracked_find(struct server *leader, int64_t session)
{
    list_for_each (node, &leader->tracker) {
        struct tracked *tracked = container_of(node, struct tracked, node);
        if (tracked->id == session)
            return tracked;
    }
    return NULL;
}

static int64_t round_up(const struct server *leader, int64_t at_ns)
{
    int64_t tick_ns = leader->ensemble->tick_ns;
    return (at_ns / tick_ns + 1) * tick_ns;
}

static struct tracked *track(struct server *leader, int64_t session, int64_t timeout_ns, int owner)
{
    struct tracked *tracked = arena_take(&leader->ensemble->world->arena, sizeof(*tracked));
    tracked->id = session;
    tracked->timeout_ns = timeout_ns;
    tracked->owner = owner;
    tracked->expires_ns = round_up(leader, leader->ensemble->world->now_ns + timeout_ns);
    list_append(&leader->tracker, &tracked->node);
    return tracked;
}

void leader_touch(struct server *leader, int64_t session, int64_t timeout_ns)
{
    struct tracked *tracked = tracked_find(leader, session);
    if (!tracked || tracked->closing)
        return;
    if (timeout_ns)
        tracked->timeout_ns = timeout_ns;
    tracked->expires_ns = round_up(leader, leader->ensemble->world->now_ns + tracked->timeout_ns);
}

bool leader_revalidate(struct server *leader, int server, int64_t session, int64_t timeout_ns)
{
    struct tracked *tracked = tracked_find(leader, session);
    if (!tracked || tracked->closing)
        return false;
    leader_touch(leader, session, timeout_ns);
    tracked->owner = server;
    return true;
}

enum session_standing leader_standing(struct server *leader, int server, int64_t session)
{
    struct tracked *tracked = tracked_find(leader, session);

    if (!tracked || tracked->closing)
        return SESSION_IS_OVER;
    if (tracked->owner < 0)
        tracked->owner = server;
    return tracked->owner == server ? SESSION_IS_HERE : SESSION_HAS_MOVED;
}

/* ---- the log ---- */

static void plan(struct server *leader, const struct txn *txn)
{
    struct tree *ahead = &leader->ahead;

    if (txn->kind == TXN_OPEN_SESSION)
        tree_session_add(ahead, txn->session, txn->timeout_ns);
    for (struct znode *znode; txn->kind == TXN_CLOSE_SESSION
                              && (znode = tree_ephemeral_of(ahead, txn->session)) != NULL;)
        tree_apply(ahead, &(struct change){ .kind = CHANGE_DELETE, .path = znode->path }, txn->zxid,
                   txn->time_ms, NULL);
    if (txn->kind == TXN_CLOSE_SESSION)
        tree_session_remove(ahead, txn->session);
}

void leader_begin(struct server *leader)
{
    struct ensemble *ensemble = leader->ensemble;

    leader->counter = 0;
    leader->half_ticks = 0;
    leader->reap_at_ns = ensemble->world->now_ns + ensemble->reap_ns;
    leader->tracker = leader->syncs = (struct list){ 0 };
    memset(leader->followers, 0, sizeof(leader->followers));
    leader->followers[leader->id].acked = leader->durable;
    tree_begin(&leader->ahead, &ensemble->world->arena);
    for (size_t i = 0; i < leader->logged; i++) {
        const struct txn *txn = leader->log[i];
        plan(leader, txn);
        for (size_t j = 0; j < txn->count && txn->rc == KEEPER_OK; j++)
            tree_apply(&leader->ahead, &txn->changes[j], txn->zxid, txn->time_ms, NULL);
    }
    list_for_each (node, &leader->ahead.sessions) {
        const struct known_session *session = container_of(node, struct known_session, node);
        track(leader, session->id, session->timeout_ns, -1);
    }
}

static struct txn *txn_new(struct server *leader, enum txn_kind kind, struct origin origin,
                           int64_t session)
{
    struct world *world = leader->ensemble->world;
    struct txn *txn = arena_take(&world->arena, sizeof(*txn));

    txn->zxid = (int64_t)((uint64_t)leader->epoch << 32 | ++leader->counter);
    txn->time_ms = WALL_BEGIN_MS + leader->clock_ms + world->now_ns / MS;
    txn->made_ns = world->now_ns;
    txn->kind = kind;
    txn->origin = origin;
    txn->session = session;
    return txn;
}

static void log_txn(struct server *leader, struct txn *txn)
{
    for (int i = 0; i < leader->ensemble->size; i++) {
        if (!leader->followers[i].follows)
            continue;
        struct peer_message *propose = peer_message_new(leader->ensemble, PEER_PROPOSE);
        propose->txn = txn;
        peer_send(leader, i, propose);
    }
    server_append(leader, txn);
}

static size_t quorum_has(const struct server *leader)
{
    size_t best = 0, size = (size_t)leader->ensemble->size;

    for (size_t i = 0; i < size; i++) {
        size_t acked = leader->followers[i].acked, votes = 0;
        for (size_t j = 0; j < size; j++)
            votes += leader->followers[j].acked >= acked;
        if (votes > size / 2 && acked > best)
            best = acked;
    }
    return best;
}

void leader_acked(struct server *leader, int server, size_t count)
{
    if (count > leader->followers[server].acked)
        leader->followers[server].acked = count;
    size_t committed = quorum_has(leader);
    if (committed <= leader->committed)
        return;
    for (int i = 0; i < leader->ensemble->size; i++) {
        if (!leader->followers[i].follows)
            continue;
        struct peer_message *commit = peer_message_new(leader->ensemble, PEER_COMMIT);
        commit->count = committed;
        peer_send(leader, i, commit);
    }
    if (leader->ensemble->size > 1)
        server_commit_soon(leader, committed);
    else
        server_commit(leader, committed);
    leader_synced(leader);
}

/* ---- judging ---- */

static void wear(const struct ensemble *ensemble, struct txn *txn, size_t nth)
{
    struct change *made = &txn->changes[nth];
    size_t size = ensemble->worn ? strlen(ensemble->worn) : 0;

    if (size == 0 || made->kind != CHANGE_CREATE || strncmp(made->path, ensemble->worn, size) != 0
        || made->path[size] != '/')
        return;
    for (size_t i = 0; i < nth; i++)
        if (txn->changes[i].kind == CHANGE_DELETE && strcmp(txn->changes[i].path, made->path) == 0)
            return;
    made->version = ensemble->worn_version;
}

/* All of a multi's operations, or none: what was planned is taken back. */
static void judge_operations(struct server *leader, struct txn *txn, const struct requester *who,
                             const struct keeper_request *operations, size_t count)
{
    struct arena *arena = &leader->ensemble->world->arena;
    struct undo *undos = arena_take(arena, (count + 1) * sizeof(*undos));
    size_t done = 0;

    txn->count = count;
    txn->changes = arena_take(arena, (count + 1) * sizeof(*txn->changes));
    txn->rcs = arena_take(arena, (count + 1) * sizeof(*txn->rcs));
    for (; done < count; done++) {
        txn->rcs[done] = tree_judge(&leader->ahead, &operations[done], who, &txn->changes[done]);
        if (txn->rcs[done] != KEEPER_OK)
            break;
        wear(leader->ensemble, txn, done);
        tree_apply(&leader->ahead, &txn->changes[done], txn->zxid, txn->time_ms, &undos[done]);
    }
    if (done == count)
        return;
    txn->rc = txn->rcs[done];
    for (size_t i = 0; i < count; i++)
        if (i != done)
            txn->rcs[i] = KEEPER_NOT_APPLIED;
    while (done-- > 0)
        tree_undo(&leader->ahead, &undos[done]);
}

static void refuse(struct server *leader, struct txn *txn, const struct keeper_request *request)
{
    struct arena *arena = &leader->ensemble->world->arena;

    txn->count = request->verb == KEEPER_MULTI ? request->operation_count : 1;
    txn->changes = arena_take(arena, (txn->count + 1) * sizeof(*txn->changes));
    txn->rcs = arena_take(arena, (txn->count + 1) * sizeof(*txn->rcs));
    for (size_t i = 0; i < txn->count; i++)
        txn->rcs[i] = txn->rc;
}

static void end_session(struct server *leader, struct origin origin, int64_t session)
{
    struct tracked *tracked = tracked_find(leader, session);
    struct txn *txn = txn_new(leader, TXN_CLOSE_SESSION, origin, session);

    if (tracked)
        list_remove(&tracked->node);
    plan(leader, txn);
    log_txn(leader, txn);
}

void leader_judge(struct server *leader, struct origin origin, const struct requester *who,
                  const struct keeper_request *request)
{
    if (!request) {
        end_session(leader, origin, who->session);
        return;
    }
    enum session_standing standing = who->session
                                         ? leader_standing(leader, origin.server, who->session)
                                         : SESSION_IS_HERE;
    struct txn *txn = txn_new(leader, TXN_CHANGES, origin, who->session);
    txn->verb = request->verb;
    txn->moved = standing == SESSION_HAS_MOVED;
    if (standing != SESSION_IS_HERE)
        txn->rc = txn->moved ? KEEPER_REFUSED : KEEPER_EXPIRED;
    if (txn->rc != KEEPER_OK)
        refuse(leader, txn, request);
    else if (request->verb == KEEPER_MULTI)
        judge_operations(leader, txn, who, request->operations, request->operation_count);
    else
        judge_operations(leader, txn, who, request, 1);
    log_txn(leader, txn);
}

void leader_open_session(struct server *leader, struct origin origin, int64_t session,
                         int64_t timeout_ns)
{
    struct txn *txn = txn_new(leader, TXN_OPEN_SESSION, origin, session);

    txn->timeout_ns = timeout_ns;
    track(leader, session, timeout_ns, origin.server);
    plan(leader, txn);
    log_txn(leader, txn);
}

/* ---- a follower's sync: answered behind the last proposal under way, at once if there is none, by
 * a deposed leader too; nobody asks whether the session still lives ---- */

static void answer_sync(struct server *leader, struct origin origin)
{
    struct peer_message *synced = peer_message_new(leader->ensemble, PEER_SYNCED);
    synced->origin = origin;
    peer_send(leader, origin.server, synced);
}

void leader_sync(struct server *leader, struct origin origin)
{
    if (leader->committed == leader->logged) {
        answer_sync(leader, origin);
        return;
    }
    struct sync_waiter *waiter = arena_take(&leader->ensemble->world->arena, sizeof(*waiter));
    waiter->origin = origin;
    waiter->count = leader->logged;
    list_append(&leader->syncs, &waiter->node);
}

void leader_synced(struct server *leader)
{
    list_for_each_safe (node, &leader->syncs) {
        struct sync_waiter *waiter = container_of(node, struct sync_waiter, node);
        if (waiter->count > leader->committed)
            return;
        list_remove(node);
        answer_sync(leader, waiter->origin);
    }
}

/* ---- as time goes by ---- */

void leader_expire(struct server *leader)
{
    struct list due = { 0 };

    list_for_each_safe (node, &leader->tracker) {
        struct tracked *tracked = container_of(node, struct tracked, node);
        if (tracked->closing || tracked->expires_ns > leader->ensemble->world->now_ns)
            continue;
        list_remove(node);
        list_append(&due, node);
    }
    for (struct list *node; (node = list_take(&due)) != NULL;) {
        int64_t session = container_of(node, struct tracked, node)->id;
        world_tell(leader->ensemble->world, "s%d expires session %lld", leader->id,
                   (long long)session);
        end_session(leader, (struct origin){ .server = -1 }, session);
    }
}

void leader_reap(struct server *leader)
{
    struct ensemble *ensemble = leader->ensemble;

    if (ensemble->world->now_ns < leader->reap_at_ns)
        return;
    leader->reap_at_ns = ensemble->world->now_ns + ensemble->reap_ns;
    for (size_t i = 0; i < TREE_BUCKETS; i++) {
        for (const struct znode *znode = leader->tree.buckets[i]; znode;
             znode = znode->bucket_next) {
            if (!znode->container || znode->creates == 0 || znode->stat.child_count)
                continue;
            const struct keeper_request remove = { .verb = KEEPER_DELETE,
                                                   .path = znode->path,
                                                   .version = KEEPER_ANY_VERSION };
            /* Whoever made it allows its removal: the server asks nobody. */
            const struct requester server = { .auth = znode->parent->maker };
            leader_judge(leader, (struct origin){ .server = -1 }, &server, &remove);
        }
    }
}
