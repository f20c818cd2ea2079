/* observers.c - observers of elections.
 *
 * What an observer is told is held against the history of the line, as the servers committed it:
 * whoever was first in it, in which words, one after the other. The tellings must be found there in
 * this order, so nobody is shown who never led, and no older card after a newer one. */
#include <inttypes.h>
#include <string.h>

#include "base/path.h"
#include "line/records.h"
#include "onlookers_inside.h"
#include "session/engine.h"

struct observer {
    struct list node;
    struct onlookers *onlookers;
    struct sim_client *client;
    const struct road *road;
    lk_observer *handle; /* NULL: none just now */
    const struct sighting *told;
    struct event act;
};

/* ---- history ---- */

const struct znode *road_first(const struct tree *tree, const char *path)
{
    const struct znode *line = tree_find(tree, path), *first = NULL;
    uint32_t number, lowest = 0;

    if (!line)
        return NULL;
    list_for_each (node, &line->children) {
        const struct znode *znode = container_of(node, struct znode, siblings);
        if (path_number(znode_name(znode), &number) && (!first || number < lowest)) {
            first = znode;
            lowest = number;
        }
    }
    return first;
}

static struct sighting *last_of(const struct road *road)
{
    return container_of(road->history.prev, struct sighting, node);
}

static void note(struct onlookers *onlookers, struct road *road, const struct tree *tree)
{
    const struct znode *first = road_first(tree, road->path);
    struct world *world = &onlookers->sim->world;

    if (!list_is_empty(&road->history) && last_of(road)->czxid == (first ? first->stat.czxid : 0)
        && last_of(road)->mzxid == (first ? first->stat.mzxid : 0))
        return;
    struct sighting *sighting = arena_take(&world->arena, sizeof(*sighting));
    sighting->seen_ns = world->now_ns;
    if (first) {
        sighting->czxid = first->stat.czxid;
        sighting->mzxid = first->stat.mzxid;
        sighting->owner = first->stat.ephemeral_owner;
        sighting->name = znode_name(first);
        sighting->data = first->data;
        sighting->size = (size_t)first->stat.data_size;
    }
    list_append(&road->history, &sighting->node);
}

void observers_note(struct onlookers *onlookers, const struct tree *tree)
{
    for (int i = 0; i < onlookers->road_count; i++)
        note(onlookers, &onlookers->roads[i], tree);
}

/* ---- observers ---- */

static bool is_as_told(const struct sighting *sighting, const lk_leader *leader)
{
    struct place_record record;

    if (!leader->present || !sighting->czxid)
        return !leader->present && !sighting->czxid;
    bool is_ours = place_record_read(&record, sighting->data, sighting->size) == LK_OK;
    const void *card = is_ours ? record.words : sighting->data;
    size_t size = is_ours ? record.words_size : sighting->size;
    return (int64_t)leader->fence.zxid == sighting->czxid
           && (int64_t)leader->session_id == sighting->owner && leader->card_size == size
           && (!size || memcmp(leader->card, card, size) == 0)
           && strcmp(leader->node, sighting->name) == 0;
}

static const struct sighting *sighting_after(const struct observer *observer,
                                             const lk_leader *leader)
{
    const struct list *history = &observer->road->history;
    const struct list *node = observer->told ? observer->told->node.next : history->next;

    for (; node != history; node = node->next) {
        const struct sighting *sighting = container_of(node, struct sighting, node);
        if (is_as_told(sighting, leader))
            return sighting;
    }
    return NULL;
}

static void drop_observer(struct observer *observer)
{
    observer->handle = lk_observer_free(observer->handle);
    observer->told = NULL;
}

static void told(const lk_leader *leader, void *arg)
{
    struct observer *observer = arg;
    struct onlookers *onlookers = observer->onlookers;
    struct world *world = &onlookers->sim->world;

    world_tell(world, "%s observes %s: %s %s, fence %" PRIx64 ", \"%.*s\"", observer->client->name,
               observer->road->path, leader->present ? leader->node : "nobody",
               lk_status_name(leader->status), leader->fence.zxid, (int)leader->card_size,
               leader->present ? (const char *)leader->card : "");
    observers_note(onlookers, ensemble_truth(&onlookers->sim->ensemble));
    if (leader->status != LK_OK)
        world_fail(world, "%s, who may see everything, is told %s", observer->client->name,
                   lk_status_name(leader->status));
    const struct sighting *sighting = sighting_after(observer, leader);
    if (!sighting)
        world_fail(world, "%s is told that %s is the first in %s, which it never was after what %s",
                   observer->client->name, leader->present ? leader->node : "nobody",
                   observer->road->path, "it was told before");
    observer->told = sighting;
    if (!onlookers->settling && onlookers_in_percent(onlookers, 2))
        drop_observer(observer);
}

static void observe(struct observer *observer)
{
    struct sim_client *client = observer->client;
    const struct memory *memory = &client->sim->memory;
    uint64_t refused_before = memory->refused;
    const char *root = client->lk->root;
    int status = lk_observer_new(&observer->handle, client->lk, observer->road->path + strlen(root),
                                 told, observer);

    if (status != LK_OK && !(status == LK_E_NOMEM && memory->refused > refused_before))
        world_fail(&client->sim->world, "lk_observer_new answered %s", lk_status_name(status));
}

/* Its program has one, or comes to want one. */
static void observer_acts(struct event *event)
{
    struct observer *observer = container_of(event, struct observer, act);
    struct onlookers *onlookers = observer->onlookers;

    if (sim_client_puts_off(observer->client, event))
        return;
    if (!sim_client_is_open(observer->client)) {
        drop_observer(observer);
        return;
    }
    if (observer->handle && !onlookers->settling && onlookers_in_percent(onlookers, 20))
        drop_observer(observer);
    else if (!observer->handle)
        observe(observer);
    sim_client_touch(observer->client);
    if (!onlookers->settling || !observer->handle)
        onlookers_act_in(onlookers, event, 3 * onlookers->sim->longest_ns, observer_acts);
}

static bool is_right(const struct observer *observer)
{
    const struct sighting *last = last_of(observer->road), *told_last = observer->told;

    /* Who came and went between two looks was not told. */
    return !observer->handle || !sim_client_is_open(observer->client)
           || (told_last && told_last->czxid == last->czxid && told_last->mzxid == last->mzxid);
}

/* What is true for so long after the heal is known to all. */
void observers_check(struct onlookers *onlookers)
{
    struct sim *sim = onlookers->sim;
    int64_t late_ns = 6 * sim->longest_ns + 10 * SECOND;

    if (!onlookers->settling || sim->world.now_ns < onlookers->settled_ns + late_ns)
        return;
    observers_note(onlookers, ensemble_truth(&sim->ensemble)); /* nothing may come after it */
    list_for_each (node, &onlookers->observers) {
        const struct observer *observer = container_of(node, struct observer, node);
        if (!is_right(observer) && sim->world.now_ns > last_of(observer->road)->seen_ns + late_ns)
            world_fail(&sim->world, "%s still believes in a leader of the past on %s",
                       observer->client->name, observer->road->path);
    }
}

void observers_add(struct onlookers *onlookers, struct sim_client *client)
{
    struct observer *observer = arena_take(&onlookers->sim->world.arena, sizeof(*observer));

    observer->onlookers = onlookers;
    observer->client = client;
    observer->road = onlookers_any_road(onlookers);
    list_append(&onlookers->observers, &observer->node);
    onlookers_act_in(onlookers, &observer->act, SECOND, observer_acts);
}

bool observers_are_right(const struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->observers)
        if (!is_right(container_of(node, struct observer, node)))
            return false;
    return true;
}

void observers_free(struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->observers) {
        struct observer *observer = container_of(node, struct observer, node);
        event_stop(&onlookers->sim->world, &observer->act);
        drop_observer(observer);
        sim_client_touch(observer->client);
    }
}
