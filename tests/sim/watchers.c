/* watchers.c - who watches whole lines.
 *
 * What a watcher is told is held against the history of the line, as the servers committed it: who
 * stood there, in which order, and the words of the first. The tellings must be found there one
 * after the other, so nobody is shown who never stood, or beside whom he never stood, and nothing
 * older after something newer; and once all is calm the last one told is the line. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/records.h"
#include "onlookers_inside.h"
#include "session/engine.h"

struct mark {
    uint32_t number;
    int64_t czxid, owner;
    const char *name;
};

/* A line at one moment. */
struct standing {
    struct list node;
    int64_t seen_ns;
    struct keeper_stat parent; /* czxid 0: there is none */
    int64_t first_mzxid, first_mtime_ms;
    const void *words, *record; /* data of the first, and of the parent */
    size_t words_size, record_size;
    size_t count;
    struct mark marks[];
};

struct watcher {
    struct list node;
    struct onlookers *onlookers;
    struct sim_client *client;
    struct road *road;
    lk_line_watch *handle; /* NULL: none just now */
    const struct standing *told;
    struct event act;
};

/* ---- history ---- */

static struct standing *last_of(const struct road *road)
{
    return container_of(road->standings.prev, struct standing, node);
}

static int by_number(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->name, y->name);
}

/* Nothing of what a standing keeps has changed. */
static bool is_as_noted(const struct road *road, const struct znode *line,
                        const struct znode *first)
{
    const struct standing *last = list_is_empty(&road->standings) ? NULL : last_of(road);
    const struct keeper_stat now = line ? znode_stat(line) : (struct keeper_stat){ 0 };

    return last && last->parent.czxid == now.czxid && last->parent.pzxid == now.pzxid
           && last->parent.mzxid == now.mzxid && last->parent.cversion == now.cversion
           && last->parent.child_count == now.child_count
           && last->first_mzxid == (first ? first->stat.mzxid : 0);
}

static struct standing *standing_of(struct world *world, const struct znode *line)
{
    size_t count = line ? (size_t)znode_stat(line).child_count : 0;
    struct standing *standing = arena_take(&world->arena,
                                           sizeof(*standing) + count * sizeof(standing->marks[0]));

    standing->seen_ns = world->now_ns;
    if (!line)
        return standing;
    standing->parent = znode_stat(line);
    standing->record = line->data;
    standing->record_size = (size_t)line->stat.data_size;
    list_for_each (node, &line->children) {
        const struct znode *znode = container_of(node, struct znode, siblings);
        struct mark *mark = &standing->marks[standing->count++];
        *mark = (struct mark){ .czxid = znode->stat.czxid,
                               .owner = znode->stat.ephemeral_owner,
                               .name = znode_name(znode) };
        if (!path_number(mark->name, &mark->number))
            mark->number = UINT32_MAX; /* behind all who stand in the line */
    }
    qsort(standing->marks, standing->count, sizeof(standing->marks[0]), by_number);
    return standing;
}

static void note(struct onlookers *onlookers, struct road *road, const struct tree *tree)
{
    const struct znode *line = tree_find(tree, road->path), *first = road_first(tree, road->path);

    if (is_as_noted(road, line, first))
        return;
    struct standing *standing = standing_of(&onlookers->sim->world, line);
    if (first) {
        standing->first_mzxid = first->stat.mzxid;
        standing->first_mtime_ms = first->stat.mtime_ms;
        standing->words = first->data;
        standing->words_size = (size_t)first->stat.data_size;
    }
    list_append(&road->standings, &standing->node);
}

void watchers_note(struct onlookers *onlookers, const struct tree *tree)
{
    if (list_is_empty(&onlookers->watchers))
        return;
    for (int i = 0; i < onlookers->road_count; i++)
        note(onlookers, &onlookers->roads[i], tree);
}

/* ---- watchers ---- */

static bool record_is_as_told(const struct standing *standing, const lk_line *line)
{
    struct line_record record;
    int status = line_record_read(&record, standing->record, standing->record_size);

    if (!standing->parent.czxid || status != LK_OK)
        return !*line->kind && !line->permits;
    return strcmp(line_kind_name(record.kind), line->kind) == 0 && record.permits == line->permits;
}

static bool first_is_as_told(const struct standing *standing, const lk_line_entry *entry)
{
    struct place_record record = { 0 };
    bool is_ours = place_record_read(&record, standing->words, standing->words_size) == LK_OK;
    const void *label = is_ours ? record.words : standing->words;
    size_t size = is_ours ? record.words_size : standing->words_size;
    bool is_asked = record.asked
                    || (!is_ours && size == strlen("__REVOKE__")
                        && memcmp(label, "__REVOKE__", size) == 0);

    int64_t ends_ms = record.term_ms ? standing->first_mtime_ms + record.term_ms : 0;

    return entry->asked == is_asked && entry->ends_ms == ends_ms && entry->label_size == size
           && (!size || memcmp(entry->label, label, size) == 0);
}

static bool is_as_told(const struct standing *standing, const lk_line *line)
{
    if (standing->count != line->count || !record_is_as_told(standing, line))
        return false;
    for (size_t i = 0; i < line->count; i++) {
        const lk_line_entry *entry = &line->entries[i];
        const struct mark *mark = &standing->marks[i];
        if ((int64_t)entry->fence.zxid != mark->czxid || (int64_t)entry->session_id != mark->owner
            || strcmp(entry->node, mark->name) != 0)
            return false;
    }
    return line->count == 0 || line->entries[0].number < 0
           || first_is_as_told(standing, &line->entries[0]);
}

static const struct standing *standing_after(const struct watcher *watcher, const lk_line *line)
{
    const struct list *history = &watcher->road->standings;
    const struct list *node = watcher->told ? watcher->told->node.next : history->next;

    for (; node != history; node = node->next) {
        const struct standing *standing = container_of(node, struct standing, node);
        if (is_as_told(standing, line))
            return standing;
    }
    return NULL;
}

static void drop_watcher(struct watcher *watcher)
{
    watcher->handle = lk_line_watch_free(watcher->handle);
    watcher->told = NULL;
}

static void told(int status, const lk_line *line, void *arg)
{
    struct watcher *watcher = arg;
    struct onlookers *onlookers = watcher->onlookers;
    struct world *world = &onlookers->sim->world;

    if (status != LK_OK) {
        world_fail(world, "%s, who may see everything, is told %s", watcher->client->name,
                   lk_status_name(status));
        return;
    }
    world_tell(world, "%s watches %s: %zu stand, of \"%s\", first %s", watcher->client->name,
               watcher->road->path, line->count, line->kind,
               line->count ? line->entries[0].node : "nobody");
    watchers_note(onlookers, ensemble_truth(&onlookers->sim->ensemble));
    const struct standing *standing = standing_after(watcher, line);
    if (!standing)
        world_fail(world,
                   "%s is told of a line %s that never stood so after what it was told before",
                   watcher->client->name, watcher->road->path);
    watcher->told = standing;
    if (!onlookers->settling && onlookers_in_percent(onlookers, 2))
        drop_watcher(watcher);
}

static void watch(struct watcher *watcher)
{
    struct sim_client *client = watcher->client;
    const struct memory *memory = &client->sim->memory;
    uint64_t refused_before = memory->refused;
    int status = lk_line_watch_new(&watcher->handle, client->lk,
                                   watcher->road->path + strlen(client->lk->root), told, watcher);

    if (status != LK_OK && !(status == LK_E_NOMEM && memory->refused > refused_before))
        world_fail(&client->sim->world, "lk_line_watch_new answered %s", lk_status_name(status));
}

/* Its program has one, or comes to want one. */
static void watcher_acts(struct event *event)
{
    struct watcher *watcher = container_of(event, struct watcher, act);
    struct onlookers *onlookers = watcher->onlookers;

    if (sim_client_puts_off(watcher->client, event))
        return;
    if (!sim_client_is_open(watcher->client)) {
        drop_watcher(watcher);
        return;
    }
    if (watcher->handle && !onlookers->settling && onlookers_in_percent(onlookers, 20))
        drop_watcher(watcher);
    else if (!watcher->handle)
        watch(watcher);
    sim_client_touch(watcher->client);
    if (!onlookers->settling || !watcher->handle)
        onlookers_act_in(onlookers, event, 3 * onlookers->sim->longest_ns, watcher_acts);
}

static bool is_same(const struct standing *a, const struct standing *b)
{
    struct line_record x = { 0 }, y = { 0 };

    /* The same words written again are told as if they were the old ones. */
    if (a->count != b->count || a->words_size != b->words_size
        || (a->words_size && memcmp(a->words, b->words, a->words_size) != 0))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->marks[i].czxid != b->marks[i].czxid)
            return false;
    line_record_read(&x, a->record, a->record_size);
    line_record_read(&y, b->record, b->record_size);
    return x.kind == y.kind && x.permits == y.permits;
}

static bool is_right(const struct watcher *watcher)
{
    /* Who came and went between two looks was not told. */
    return !watcher->handle || !sim_client_is_open(watcher->client)
           || (watcher->told && is_same(watcher->told, last_of(watcher->road)));
}

/* What is true for so long after the heal is known to all. */
void watchers_check(struct onlookers *onlookers)
{
    struct sim *sim = onlookers->sim;
    int64_t late_ns = 6 * sim->longest_ns + 10 * SECOND;

    if (!onlookers->settling || sim->world.now_ns < onlookers->settled_ns + late_ns)
        return;
    watchers_note(onlookers, ensemble_truth(&sim->ensemble)); /* nothing may come after it */
    list_for_each (node, &onlookers->watchers) {
        const struct watcher *watcher = container_of(node, struct watcher, node);
        if (!is_right(watcher) && sim->world.now_ns > last_of(watcher->road)->seen_ns + late_ns)
            world_fail(&sim->world, "%s still believes in a line of the past on %s",
                       watcher->client->name, watcher->road->path);
    }
}

void watchers_add(struct onlookers *onlookers, struct sim_client *client)
{
    struct watcher *watcher = arena_take(&onlookers->sim->world.arena, sizeof(*watcher));

    watcher->onlookers = onlookers;
    watcher->client = client;
    watcher->road = &onlookers->roads[onlookers_between(onlookers, 0, onlookers->road_count - 1)];
    list_append(&onlookers->watchers, &watcher->node);
    watchers_note(onlookers, ensemble_truth(&onlookers->sim->ensemble));
    onlookers_act_in(onlookers, &watcher->act, SECOND, watcher_acts);
}

bool watchers_are_right(const struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->watchers)
        if (!is_right(container_of(node, struct watcher, node)))
            return false;
    return true;
}

void watchers_free(struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->watchers) {
        struct watcher *watcher = container_of(node, struct watcher, node);
        event_stop(&onlookers->sim->world, &watcher->act);
        drop_watcher(watcher);
        sim_client_touch(watcher->client);
    }
}
