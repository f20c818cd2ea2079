/* invariants.c - what must hold after every step, whatever the faults: docs/protocol.md.
 *
 *   one        at most one handle on a path believes that it holds: remaining() > 0 by its own
 *              client's clock
 *   kept       who believes so still has its znode on the servers: no server can have given the
 *              lock away
 *   first      at the grant nobody stands before it in the line
 *   larger     its fence is larger than that of every grant before it
 *
 * A stranger who deletes a znode or ends a session exempts its owner until its engine has been
 * told: only the fence protects then. Being told must not take for ever either. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "session/engine.h"

static struct struck *struck_of(const struct belief *belief)
{
    list_for_each (node, &belief->client->sim->strucks) {
        struct struck *struck = container_of(node, struct struck, node);
        if (struck->czxid == (int64_t)belief->held_fence.zxid && struck->told_ns == INT64_MAX)
            return struck;
    }
    return NULL;
}

static void strike(struct sim *sim, const char *path, int64_t czxid, int64_t session)
{
    struct struck *struck = arena_take(&sim->world.arena, sizeof(*struck));

    struck->path = arena_text(&sim->world.arena, path);
    struck->czxid = czxid;
    struck->session = session;
    struck->at_ns = sim->world.now_ns;
    struck->told_ns = INT64_MAX;
    list_append(&sim->strucks, &struck->node);
}

void sim_strike_path(struct sim *sim, const char *path)
{
    const struct server *leader = ensemble_leader(&sim->ensemble);
    const struct znode *znode = leader ? tree_find(&leader->ahead, path) : NULL;

    if (!znode)
        return;
    list_for_each_safe (node, &sim->strucks) {
        if (container_of(node, struct struck, node)->czxid == znode->stat.czxid)
            list_remove(node); /* that deed was lost with a deposed leader */
    }
    strike(sim, znode->path, znode->stat.czxid, znode->stat.ephemeral_owner);
}

void invariants_told(struct sim_client *client, const char *path)
{
    int64_t session = link_session_of(client);

    list_for_each (node, &client->sim->strucks) {
        struct struck *struck = container_of(node, struct struck, node);
        if (struck->session == session && struck->told_ns == INT64_MAX
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

static const struct znode *own_znode(const struct sim *sim, const struct belief *belief)
{
    const struct znode *own = tree_find(ensemble_truth(&sim->ensemble), belief->held_node);
    return own && own->stat.czxid == (int64_t)belief->held_fence.zxid ? own : NULL;
}

static const struct server *newest_server(const struct sim *sim)
{
    const struct server *best = &sim->ensemble.servers[0];
    for (int i = 1; i < sim->ensemble.size; i++)
        if (sim->ensemble.servers[i].applied > best->applied)
            best = &sim->ensemble.servers[i];
    return best;
}

static bool did_not_know(const struct sim *sim, const struct txn *txn, const char *path)
{
    list_for_each (node, &sim->strucks) {
        const struct struck *struck = container_of(node, struct struck, node);
        if (struck->session == txn->session && txn->origin.asked_ns <= struck->told_ns
            && strcmp(struck->path, path) == 0)
            return true;
    }
    return false;
}

/* A stranger took the line away, it was made anew, and who stood there under the same name had
 * asked for the removal of its znode before that, or does not know yet. The name is the same, and
 * no server sees the difference. */
static bool was_mistaken(const struct sim *sim, const struct belief *belief)
{
    const struct server *server = newest_server(sim);
    const struct znode *parent = tree_find(&server->tree, belief->path);
    const struct txn *removal = NULL;

    for (size_t i = server->applied; parent && i-- > 0;) {
        const struct txn *txn = server->log[i];
        if (removal && txn->zxid == parent->stat.czxid)
            return removal->origin.asked_ns < txn->made_ns
                   || did_not_know(sim, removal, belief->held_node);
        for (size_t j = 0; !removal && txn->rc == KEEPER_OK && j < txn->count; j++)
            if (txn->changes[j].kind == CHANGE_DELETE
                && strcmp(txn->changes[j].path, belief->held_node) == 0)
                removal = txn;
    }
    return false;
}

/* A stranger's deed may have been lost with a deposed leader: then nothing was taken. */
static bool is_exempt(const struct sim *sim, const struct belief *belief)
{
    return struck_of(belief) && !own_znode(sim, belief);
}

static void check_first(struct sim *sim, const struct belief *belief)
{
    const struct znode *own = own_znode(sim, belief);

    if (!own)
        return; /* check_kept() has its say */
    list_for_each (node, &own->parent->children) {
        const struct znode *other = container_of(node, struct znode, siblings);
        int64_t number = number_of(other->path);
        if (number >= 0 && number < number_of(own->path))
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
    sim->grants_made++;
    if (is_exempt(sim, belief)) /* granted on what a server that lags showed of the past */
        return;
    if (lk_fence_compare(fence, newest->fence) <= 0)
        world_fail(&sim->world,
                   "%s is granted %s with fence %" PRIx64 ", but %" PRIx64 " was granted before",
                   belief->client->name, belief->path, fence.zxid, newest->fence.zxid);
    newest->fence = fence;
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

static void check_kept(struct sim *sim, const struct belief *belief)
{
    const struct struck *struck = struck_of(belief);

    if (own_znode(sim, belief))
        return;
    if (!struck && was_mistaken(sim, belief)) {
        world_tell(&sim->world, "%s was removed by mistake", belief->held_node);
        strike(sim, belief->held_node, (int64_t)belief->held_fence.zxid,
               link_session_of(belief->client));
    } else if (!struck) {
        world_fail(&sim->world, "%s believes it holds %s, which is gone from the servers",
                   belief->client->name, belief->held_node);
    } else if (sim->world.now_ns - struck->at_ns > 3 * sim->longest_ns) {
        world_fail(&sim->world, "%s was never told that %s was taken from it", belief->client->name,
                   belief->held_node);
    }
}

void invariants_check(struct sim *sim)
{
    list_for_each (node, &sim->beliefs) {
        struct belief *belief = container_of(node, struct belief, node);
        if (belief->held || belief->client == sim->touched)
            update(sim, belief);
    }
    list_for_each (node, &sim->beliefs) {
        const struct belief *belief = container_of(node, struct belief, node);
        if (!belief->held)
            continue;
        check_kept(sim, belief);
        if (is_exempt(sim, belief))
            continue;
        for (const struct list *next = node->next; next != &sim->beliefs; next = next->next) {
            const struct belief *other = container_of(next, struct belief, node);
            if (other->held && !is_exempt(sim, other) && strcmp(belief->path, other->path) == 0)
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
    return client->is_dead                    ? NULL
           : lk->watches                      ? "a watch"
           : !list_is_empty(&lk->ops)         ? "an operation"
           : !list_is_empty(&lk->lease.holds) ? "a hold on the lease"
           : !list_is_empty(&lk->listeners)   ? "a listener"
           : !list_is_empty(&lk->callbacks)   ? "a callback"
                                              : NULL;
}
