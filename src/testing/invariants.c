/* invariants.c - what must hold after every step, whatever the faults: docs/protocol.md.
 *
 *   one        at most one handle on a path believes that it holds (of readers and permits: as
 *              many as there is room for): remaining() > 0 by its own client's clock
 *   kept       who believes so still has its znode on the servers: no server can have given the
 *              lock away
 *   first      at the grant nobody stands before it in the line, but those it can hold beside
 *   larger     its fence is larger than that of every grant before it; a reader's than every
 *              writer's
 *   its own    nobody removes another's place, but an operator the one that he named, and anybody
 *              one whose time has run out; nobody writes to one
 *
 * A stranger who deletes a znode or ends a session, and an operator's break, exempt the owner until
 * its engine has been told: only the fence protects then. Being told must not take for ever either.
 * Deeds are judged as they are committed, so one that was lost with a deposed leader exempts
 * nobody. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "line/records.h"
#include "session/engine.h"

static int64_t number_of(const char *name);

/* Also what was taken from it after it had turned, before it knew that it had. */
static bool is_struck(const struct belief *belief, const struct struck *struck)
{
    /* Who turns into a reader deletes that znode itself: its event says nothing, the answer will. */
    bool is_deaf = belief->is_turning && belief->handle && belief->is_turning(belief->handle);

    if (struck->is_due || (struck->told_ns != INT64_MAX && !is_deaf))
        return false;
    return struck->czxid == belief->held_czxid
           || (belief->client->sim->workload->sharing && struck->czxid > belief->held_czxid
               && struck->session == belief->held_session
               && number_of(struck->path) == number_of(belief->held_node));
}

static struct struck *struck_of(const struct belief *belief)
{
    list_for_each (node, &belief->client->sim->strucks) {
        struct struck *struck = container_of(node, struct struck, node);
        if (is_struck(belief, struck))
            return struck;
    }
    return NULL;
}

static void strike(struct sim *sim, const char *path, int64_t czxid, int64_t session, bool is_due)
{
    struct struck *struck = arena_take(&sim->world.arena, sizeof(*struck));

    struck->path = arena_text(&sim->world.arena, path);
    struck->czxid = czxid;
    struck->session = session;
    struck->is_due = is_due;
    struck->at_ns = sim->world.now_ns;
    struck->told_ns = INT64_MAX;
    list_append(&sim->strucks, &struck->node);
}

void invariants_told(struct sim_client *client, const char *path, int64_t zxid)
{
    int64_t session = link_session_of(client);

    list_for_each (node, &client->sim->strucks) {
        struct struck *struck = container_of(node, struct struck, node);
        if (struck->session == session && struck->told_ns == INT64_MAX && struck->czxid < zxid
            && strcmp(struck->path, path) == 0)
            struck->told_ns = client->sim->world.now_ns;
    }
}

void invariants_session_told(struct sim_client *client, int64_t session)
{
    list_for_each (node, &client->sim->strucks) {
        struct struck *struck = container_of(node, struct struck, node);
        if (struck->session == session && struck->told_ns == INT64_MAX)
            struck->told_ns = client->sim->world.now_ns;
    }
}

/* ---- deeds: who removed what, as it is committed ---- */

void invariants_blame(struct sim *sim, const struct txn *txn)
{
    struct blamed *blamed = arena_take(&sim->world.arena, sizeof(*blamed));

    blamed->txn = txn;
    list_append(&sim->blamed, &blamed->node);
}

void invariants_named(struct sim_client *client, lk_fence fence)
{
    struct sim *sim = client->sim;
    struct named *named = arena_take(&sim->world.arena, sizeof(*named));

    named->client = client;
    named->session = link_session_of(client);
    named->czxid = (int64_t)fence.zxid;
    named->asked_ns = sim->world.now_ns;
    list_append(&sim->named, &named->node);
}

static bool is_blamed(const struct sim *sim, const struct txn *txn)
{
    list_for_each (node, &sim->blamed) {
        if (container_of(node, struct blamed, node)->txn == txn)
            return true;
    }
    return false;
}

/* The znode that an operator named, or one that got its name in a line made anew while he was at
 * it: no server sees the difference. */
static bool was_named(const struct sim *sim, const struct txn *txn, const struct znode *znode)
{
    list_for_each (node, &sim->named) {
        const struct named *named = container_of(node, struct named, node);
        if (named->session != txn->session && link_session_of(named->client) != txn->session)
            continue;
        if (named->czxid == znode->stat.czxid)
            return true;
        if (named->path && named->gone_ns >= named->asked_ns
            && strcmp(named->path, znode->path) == 0)
            return true;
    }
    return false;
}

static int64_t made_ns(const struct sim *sim, int64_t zxid)
{
    const struct server *server = &sim->ensemble.servers[0];

    for (int i = 1; i < sim->ensemble.size; i++)
        if (sim->ensemble.servers[i].applied > server->applied)
            server = &sim->ensemble.servers[i];
    for (size_t i = server->applied; i-- > 0;)
        if (server->log[i]->zxid == zxid)
            return server->log[i]->made_ns;
    return 0;
}

/* A stranger took its own znode of that name, and when it asked for the removal it had not been
 * told, or the line had not even been made anew. */
static bool was_mistaken(const struct sim *sim, const struct txn *txn, const struct znode *znode)
{
    list_for_each (node, &sim->strucks) {
        const struct struck *struck = container_of(node, struct struck, node);
        if (struck->session == txn->session && strcmp(struck->path, znode->path) == 0
            && (txn->origin.asked_ns <= struck->told_ns
                || txn->origin.asked_ns < made_ns(sim, znode->parent->stat.czxid)))
            return true;
    }
    return false;
}

/* Permits whose time is over, whatever the servers' clocks say: anybody may end them, and their owner
 * is to know by itself. */
static bool has_run_out(const struct sim *sim, const struct txn *txn, const struct znode *znode)
{
    struct place_record record;

    return txn->session
           && place_record_read(&record, znode->data, (size_t)znode->stat.data_size) == LK_OK
           && record.term_ms
           && txn->made_ns >= made_ns(sim, znode->stat.mzxid) + record.term_ms * MS;
}

static void witness_removal(struct sim *sim, const struct txn *txn, const struct znode *znode)
{
    bool is_named = was_named(sim, txn, znode), is_mistaken = was_mistaken(sim, txn, znode);
    /* Two handles of one session can be mistaken for each other too. */
    bool is_own = txn->session == znode->stat.ephemeral_owner && !is_named && !is_mistaken;

    bool is_due = !is_own && !is_named && !is_mistaken && has_run_out(sim, txn, znode);

    if (!is_own && !is_due && txn->session && !is_named && !is_mistaken)
        world_fail(&sim->world, "session %" PRId64 " removes %s of session %" PRId64, txn->session,
                   znode->path, znode->stat.ephemeral_owner);
    if (!is_own)
        strike(sim, znode->path, znode->stat.czxid, znode->stat.ephemeral_owner, is_due);
    list_for_each (node, &sim->named) {
        struct named *named = container_of(node, struct named, node);
        if (named->czxid != znode->stat.czxid)
            continue;
        named->path = arena_text(&sim->world.arena, znode->path);
        named->gone_ns = txn->made_ns;
    }
}

static void witness_words(struct sim *sim, const struct txn *txn, const struct znode *znode)
{
    if (!sim->workload->judges_words && txn->session && txn->session != znode->stat.ephemeral_owner
        && !was_mistaken(sim, txn, znode))
        world_fail(&sim->world, "session %" PRId64 " writes to %s of session %" PRId64,
                   txn->session, znode->path, znode->stat.ephemeral_owner);
}

static void witness_end(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    for (size_t i = 0; is_blamed(sim, txn) && i < TREE_BUCKETS; i++)
        for (const struct znode *znode = before->buckets[i]; znode; znode = znode->bucket_next)
            if (znode->stat.ephemeral_owner == txn->session)
                strike(sim, znode->path, znode->stat.czxid, txn->session, false);
}

static void witness(struct ensemble *ensemble, const struct tree *before, const struct txn *txn)
{
    struct sim *sim = container_of(ensemble, struct sim, ensemble);

    if (sim->workload->witness)
        sim->workload->witness(sim, before, txn);
    if (txn->kind == TXN_CLOSE_SESSION)
        witness_end(sim, before, txn);
    for (size_t i = 0; txn->rc == KEEPER_OK && i < txn->count; i++) {
        const struct change *change = &txn->changes[i];
        const struct znode *znode = change->kind == CHANGE_DELETE || change->kind == CHANGE_SET
                                        ? tree_find(before, change->path)
                                        : NULL;
        if (!znode || !znode->stat.ephemeral_owner)
            continue;
        if (change->kind == CHANGE_DELETE)
            witness_removal(sim, txn, znode);
        else
            witness_words(sim, txn, znode);
    }
}

void invariants_begin(struct sim *sim)
{
    sim->ensemble.witness = witness;
}

/* ---- grants ---- */

static struct granted *granted_on(struct sim *sim, const char *path)
{
    list_for_each (node, &sim->grants) {
        struct granted *granted = container_of(node, struct granted, node);
        if (strcmp(granted->path, path) == 0)
            return granted;
    }
    struct granted *granted = arena_take(&sim->world.arena, sizeof(*granted));
    granted->path = path;
    list_append(&sim->grants, &granted->node);
    return granted;
}

static int64_t number_of(const char *name)
{
    size_t size = strlen(name);
    int64_t number = 0;
    if (size < 10)
        return -1;
    for (const char *digit = name + size - 10; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return -1;
        number = 10 * number + (*digit - '0');
    }
    return number;
}

static uint32_t room_of(const struct sim *sim)
{
    return sim->workload->sharing ? sim->workload->sharing->room : 1;
}

static uint32_t weight_of(const struct sim *sim, const char *path)
{
    return sim->workload->sharing ? sim->workload->sharing->weigh(strrchr(path, '/') + 1) : 1;
}

/* A writer that has become a reader, whether or not it knows: under the same number, in the same line. */
static const struct znode *turned_znode(const struct sim *sim, const struct belief *belief)
{
    const struct znode *parent = tree_find(ensemble_truth(&sim->ensemble), belief->path);

    if (!belief->is_turning || !parent || parent->stat.czxid > belief->held_czxid)
        return NULL;
    list_for_each (node, &parent->children) {
        const struct znode *znode = container_of(node, struct znode, siblings);
        if (number_of(znode->path) == number_of(belief->held_node)
            && znode->stat.ephemeral_owner == belief->held_session
            && weight_of(sim, znode->path) == 1)
            return znode;
    }
    return NULL;
}

/* Looked up anew only when a server has applied something since. */
static const struct znode *own_znode(const struct sim *sim, struct belief *belief)
{
    if (belief->own_applied == sim->applied)
        return belief->own;
    const struct znode *own = tree_find(ensemble_truth(&sim->ensemble), belief->held_node);
    belief->own = own && own->stat.czxid == belief->held_czxid ? own : turned_znode(sim, belief);
    belief->own_applied = sim->applied;
    return belief->own;
}

/* Who asked to become a reader may be one already. */
static uint32_t weight_held(const struct sim *sim, struct belief *belief)
{
    const struct znode *own = own_znode(sim, belief);
    return weight_of(sim, own ? own->path : belief->held_node);
}

static bool is_exempt(const struct sim *sim, struct belief *belief)
{
    return struck_of(belief) && !own_znode(sim, belief);
}

static void check_first(struct sim *sim, struct belief *belief)
{
    const struct znode *own = own_znode(sim, belief);
    uint32_t taken = own ? weight_of(sim, own->path) : 0;

    if (!own)
        return; /* check_kept() has its say */
    list_for_each (node, &own->parent->children) {
        const struct znode *other = container_of(node, struct znode, siblings);
        int64_t number = number_of(other->path);
        if (number < 0 || number >= number_of(own->path))
            continue;
        taken += weight_of(sim, other->path);
        if (taken > room_of(sim))
            world_fail(&sim->world, "%s is granted %s although %s stands before it",
                       belief->client->name, own->path, znode_name(other));
    }
}

static void check_grant(struct sim *sim, struct belief *belief, lk_fence fence)
{
    struct granted *newest = granted_on(sim, belief->path);
    char name[200];

    if (belief->node_name(belief->handle, name, sizeof(name)) != LK_OK)
        world_fail(&sim->world, "%s holds %s but can't name its znode", belief->client->name,
                   belief->path);
    snprintf(belief->held_node, sizeof(belief->held_node), "%s/%s", belief->path, name);
    world_tell(&sim->world, "%s HOLDS %s, fence %" PRIx64, belief->client->name, belief->held_node,
               fence.zxid);
    belief->held_fence = fence;
    belief->held_czxid = (int64_t)fence.zxid;
    belief->held_session = link_session_of(belief->client);
    belief->own_applied = 0;
    if (fence.turn && own_znode(sim, belief))
        belief->held_czxid = own_znode(sim, belief)->stat.czxid;
    sim->grants_made++;
    if (is_exempt(sim, belief)) /* granted on what a server that lags showed of the past */
        return;
    bool is_exclusive = weight_of(sim, belief->held_node) == room_of(sim);
    lk_fence older = is_exclusive ? newest->any_fence : newest->fence;
    if (lk_fence_compare(fence, older) <= 0)
        world_fail(&sim->world,
                   "%s is granted %s with fence %" PRIx64 ", but %" PRIx64 " was granted before",
                   belief->client->name, belief->path, fence.zxid, older.zxid);
    if (is_exclusive)
        newest->fence = fence;
    if (lk_fence_compare(fence, newest->any_fence) > 0)
        newest->any_fence = fence;
    check_first(sim, belief);
}

static void update(struct sim *sim, struct belief *belief)
{
    lk_fence fence = { 0 };
    bool held = belief->handle && !belief->client->is_dead
                && belief->remaining_ns(belief->handle) > 0;

    if (held && belief->fence(belief->handle, &fence) != LK_OK)
        world_fail(&sim->world, "%s holds %s without a fence", belief->client->name, belief->path);
    if (held && (!belief->held || lk_fence_compare(fence, belief->held_fence) != 0)) {
        if (!belief->held && lk_fence_compare(fence, belief->held_fence) == 0)
            world_tell(&sim->world, "%s HOLDS %s again", belief->client->name, belief->held_node);
        else
            check_grant(sim, belief, fence);
    }
    if (!held && belief->held)
        world_tell(&sim->world, "%s no longer holds %s", belief->client->name, belief->held_node);
    belief->held = held;
}

static void check_kept(struct sim *sim, struct belief *belief)
{
    const struct struck *struck = struck_of(belief);

    if (own_znode(sim, belief))
        return;
    if (!struck)
        world_fail(&sim->world, "%s believes it holds %s, which is gone from the servers",
                   belief->client->name, belief->held_node);
    else if (sim->world.now_ns - struck->at_ns > 3 * sim->longest_ns)
        world_fail(&sim->world, "%s was never told that %s was taken from it", belief->client->name,
                   belief->held_node);
}

void invariants_check(struct sim *sim)
{
    list_for_each (node, &sim->beliefs) {
        struct belief *belief = container_of(node, struct belief, node);
        if (belief->held || belief->client == sim->touched)
            update(sim, belief);
    }
    list_for_each (node, &sim->beliefs) {
        struct belief *belief = container_of(node, struct belief, node);
        if (!belief->held)
            continue;
        check_kept(sim, belief);
        if (is_exempt(sim, belief))
            continue;
        uint32_t taken = weight_held(sim, belief);
        for (const struct list *next = node->next; next != &sim->beliefs; next = next->next) {
            struct belief *other = container_of(next, struct belief, node);
            if (!other->held || is_exempt(sim, other) || strcmp(belief->path, other->path) != 0)
                continue;
            taken += weight_held(sim, other);
            if (taken > room_of(sim))
                world_fail(&sim->world, "%s and %s both hold %s: fences %" PRIx64 " and %" PRIx64,
                           belief->client->name, other->client->name, belief->path,
                           belief->held_fence.zxid, other->held_fence.zxid);
        }
    }
}

size_t invariants_left_over(const struct sim *sim)
{
    const struct tree *truth = ensemble_truth(&sim->ensemble);
    size_t count = 0;

    for (size_t i = 0; i < TREE_BUCKETS; i++)
        for (const struct znode *znode = truth->buckets[i]; znode; znode = znode->bucket_next)
            count += znode->stat.ephemeral_owner != 0;
    return count;
}

const char *invariants_engine_left(const struct sim_client *client)
{
    const lk_client *lk = client->lk;
    return client->is_dead || !lk             ? NULL
           : lk->watch_count > 0              ? "a watch"
           : !list_is_empty(&lk->ops)         ? "an operation"
           : !list_is_empty(&lk->lease.holds) ? "a hold on the lease"
           : !list_is_empty(&lk->listeners)   ? "a listener"
           : !list_is_empty(&lk->callbacks)   ? "a callback"
                                              : NULL;
}
