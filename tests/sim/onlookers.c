/* onlookers.c - see onlookers.h: the neighbour, and all of them together. */
#include <stdio.h>

#include "onlookers_inside.h"

struct neighbour {
    struct list node;
    struct onlookers *onlookers;
    const struct road *road;
    const char *znode; /* NULL: it does not stand */
    int64_t czxid;
    struct event act;
};

/* ---- the neighbour ---- */

static void neighbour_comes(struct neighbour *neighbour)
{
    static const char *const names[] = { "lk-lock-", "_c_0-lock-", "x-" };
    struct sim *sim = neighbour->onlookers->sim;
    struct server *leader = ensemble_leader(&sim->ensemble);
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", neighbour->road->path,
             names[onlookers_between(neighbour->onlookers, 0, 2)]);
    const struct keeper_request create = { .verb = KEEPER_CREATE,
                                           .path = path,
                                           .data = "neighbour",
                                           .data_size = 9,
                                           .mode = KEEPER_PERSISTENT_SEQUENTIAL };
    if (!leader || !ensemble_stranger(&sim->ensemble, &create))
        return;
    const struct txn *txn = leader->log[leader->logged - 1];
    if (txn->rc != KEEPER_OK)
        return;
    neighbour->znode = txn->changes[0].path;
    neighbour->czxid = txn->zxid;
    world_tell(&sim->world, "a neighbour stands in line as %s", neighbour->znode);
}

/* Its deeds too may be lost with a deposed leader. */
static void neighbour_goes(struct neighbour *neighbour)
{
    struct sim *sim = neighbour->onlookers->sim;
    const struct server *leader = ensemble_leader(&sim->ensemble);
    const struct keeper_request remove = { .verb = KEEPER_DELETE,
                                           .path = neighbour->znode,
                                           .version = KEEPER_ANY_VERSION };
    /* An older leader may still believe that it leads, and not know of the znode. */
    if (!leader || leader->epoch != sim->ensemble.epochs || leader->committed != leader->logged)
        return;
    const struct znode *znode = tree_find(&leader->ahead, neighbour->znode);
    if (znode && znode->stat.czxid == neighbour->czxid) {
        world_tell(&sim->world, "the neighbour %s goes", neighbour->znode);
        ensemble_stranger(&sim->ensemble, &remove);
    } else {
        neighbour->znode = NULL;
    }
}

static void neighbour_acts(struct event *event)
{
    struct neighbour *neighbour = container_of(event, struct neighbour, act);
    struct onlookers *onlookers = neighbour->onlookers;
    bool hurries = onlookers->settling || neighbour->znode;

    if (neighbour->znode)
        neighbour_goes(neighbour);
    else if (!onlookers->settling)
        neighbour_comes(neighbour);
    if (!onlookers->settling || neighbour->znode)
        onlookers_act_in(onlookers, event, hurries ? 300 * MS : 2 * SECOND, neighbour_acts);
}

/* ---- all of them ---- */

void onlookers_join(struct onlookers *onlookers, struct sim_client *client)
{
    bool is_election = !line_workload_can_try(onlookers->workload);

    if (is_election && onlookers_in_percent(onlookers, 50))
        observers_add(onlookers, client);
    if (is_election && onlookers_in_percent(onlookers, 15))
        clerks_add_herald(onlookers, client);
    if (onlookers_in_percent(onlookers, 15))
        watchers_add(onlookers, client);
}

struct onlookers *onlookers_begin(struct line_workload *workload, const char *const *paths,
                                  int path_count)
{
    struct sim *sim = line_workload_sim(workload);
    struct onlookers *onlookers = arena_take(&sim->world.arena, sizeof(*onlookers));

    onlookers->workload = workload;
    onlookers->sim = sim;
    onlookers->road_count = path_count;
    for (int i = 0; i < path_count; i++)
        onlookers->roads[i].path = paths[i];
    observers_note(onlookers, ensemble_truth(&sim->ensemble));
    list_for_each (node, &sim->clients)
        onlookers_join(onlookers, container_of(node, struct sim_client, node));
    bool is_anew = sim->profile == PROFILE_ANEW;
    if (onlookers_in_percent(onlookers, is_anew ? 30 : 10)) {
        onlookers->operator_is_busy = onlookers_in_percent(onlookers, is_anew ? 60 : 20);
        clerks_add_operator(onlookers, sim_client_any(sim));
    }
    /* At the very end numbers collide, but only those of others: nobody could say who is first. */
    if (onlookers_in_percent(onlookers, 10) && !line_workload_is_at_the_end(workload)) {
        struct neighbour *neighbour = arena_take(&sim->world.arena, sizeof(*neighbour));
        neighbour->onlookers = onlookers;
        neighbour->road = onlookers_any_road(onlookers);
        list_append(&onlookers->neighbours, &neighbour->node);
        onlookers_act_in(onlookers, &neighbour->act, 2 * SECOND, neighbour_acts);
    }
    return onlookers;
}

void onlookers_settle(struct onlookers *onlookers)
{
    onlookers->settling = true;
    onlookers->settled_ns = onlookers->sim->world.now_ns;
}

void onlookers_witness(struct onlookers *onlookers, const struct tree *before)
{
    observers_note(onlookers, before);
    watchers_note(onlookers, before);
}

void onlookers_check(struct onlookers *onlookers)
{
    observers_check(onlookers);
    watchers_check(onlookers);
}

bool onlookers_are_settled(struct onlookers *onlookers)
{
    observers_note(onlookers, ensemble_truth(&onlookers->sim->ensemble));
    watchers_note(onlookers, ensemble_truth(&onlookers->sim->ensemble));
    list_for_each (node, &onlookers->neighbours)
        if (container_of(node, struct neighbour, node)->znode)
            return false;
    return clerks_are_done(onlookers) && observers_are_right(onlookers)
           && watchers_are_right(onlookers);
}

void onlookers_free(struct onlookers *onlookers)
{
    onlookers->settling = true;
    clerks_free(onlookers);
    observers_free(onlookers);
    watchers_free(onlookers);
    list_for_each (node, &onlookers->neighbours)
        event_stop(&onlookers->sim->world, &container_of(node, struct neighbour, node)->act);
}
