/* clerks.c - programs that block in their calls: heralds, who show new cards of a candidate, and an
 * operator, who lists a line and breaks places in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "line/records.h"
#include "onlookers_inside.h"
#include "session/engine.h"
#include "testing/program.h"

struct clerk {
    struct program program;
    struct list node;
    struct onlookers *onlookers;
    const char *path; /* below the client's root */
    const struct road *road;
    unsigned cards;
};

static struct clerk *clerk_of(struct program *program)
{
    return container_of(program, struct clerk, program);
}

static bool is_over(const struct clerk *clerk)
{
    const struct sim *sim = clerk->onlookers->sim;
    return clerk->onlookers->settling || sim->world.failure[0]
           || !sim_client_is_open(clerk->program.client);
}

static int64_t soon(const struct clerk *clerk)
{
    int64_t most_ms = onlookers_in_percent(clerk->onlookers, 30)
                          ? 20
                          : 2 * clerk->program.client->sim->longest_ns / MS;
    return sim_client_now(clerk->program.client)
           + onlookers_between(clerk->onlookers, 0, most_ms) * MS;
}

/* True: done. False: not, for a reason that can be. */
static bool is_done(const struct clerk *clerk, const char *what, int status,
                    uint64_t refused_before)
{
    struct sim *sim = clerk->onlookers->sim;

    world_tell(&sim->world, "%s: %s ends: %s", clerk->program.client->name, what,
               lk_status_name(status));
    if (status == LK_OK)
        return true;
    if (status == LK_E_DEADLINE || status == LK_E_NOT_FOUND
        || (status == LK_E_CLOSED && !sim_client_is_open(clerk->program.client))
        || (status == LK_E_NOMEM && sim->memory.refused > refused_before))
        return false;
    world_fail(&sim->world, "%s: %s answered %s", clerk->program.client->name, what,
               lk_status_name(status));
    return false;
}

/* ---- the herald ---- */

/* While the same grant lasts its znode bears the card that was confirmed last. */
static void check_card(const struct clerk *clerk, const struct sighting *before, const char *card)
{
    const struct tree *truth = ensemble_truth(&clerk->onlookers->sim->ensemble);
    const struct znode *first = road_first(truth, clerk->road->path);
    struct place_record record;

    if (!first || !before->czxid || first->stat.czxid != before->czxid)
        return;
    if (place_record_read(&record, first->data, (size_t)first->stat.data_size) != LK_OK
        || record.words_size != strlen(card) || memcmp(record.words, card, strlen(card)) != 0)
        world_fail(&clerk->onlookers->sim->world,
                   "%s was told that %s shows \"%s\", and it does not", clerk->program.client->name,
                   first->path, card);
}

static void proclaim(struct clerk *clerk)
{
    struct onlookers *onlookers = clerk->onlookers;
    struct sim_client *client = clerk->program.client;
    uint64_t refused_before = onlookers->sim->memory.refused;
    lk_candidate *candidate = line_workload_handle(onlookers->workload, client, clerk->road->path);
    lk_fence fence = { 0 };
    char card[64];

    if (!candidate)
        return;
    int size = snprintf(card, sizeof(card), "card %u of %s", ++clerk->cards, client->name);
    bool leads = lk_candidate_fence(candidate, &fence) == LK_OK;
    const struct sighting now = { .czxid = leads ? (int64_t)fence.zxid : 0 };
    world_tell(&onlookers->sim->world, "%s proclaims \"%s\"", client->name, card);
    int status = lk_candidate_proclaim(candidate, card, (size_t)size, soon(clerk));
    if (status == LK_E_STATE || status == LK_E_LOST || status == LK_E_CANCELLED)
        return; /* does not stand, or no longer */
    if (is_done(clerk, "proclaiming", status, refused_before))
        check_card(clerk, &now, card);
}

static void herald(struct program *program)
{
    struct clerk *clerk = clerk_of(program);

    while (!is_over(clerk)) {
        program_sleep(program, onlookers_between(clerk->onlookers, 1, 600) * MS);
        if (!is_over(clerk))
            proclaim(clerk);
    }
}

/* ---- the operator ---- */

static void check_listing(const struct clerk *clerk, const lk_line *line)
{
    const struct sharing *sharing = clerk->onlookers->sim->workload->sharing;
    uint32_t taken = 0;

    for (size_t i = 0; i < line->count; i++) {
        const lk_line_entry *entry = &line->entries[i];
        bool in_order = i == 0 || entry->number < 0 || entry[-1].number < entry->number
                        || entry[-1].number == INT32_MAX; /* it sticks: a reader's and a writer's */
        taken += sharing ? sharing->weigh(entry->node) : 1;
        bool holds = entry->number >= 0 && taken <= (sharing ? sharing->room : 1);
        /* A semaphore whose record a stranger has overwritten does not say how many may hold. */
        bool is_told = !sharing || *line->kind;
        if (!in_order || (is_told && entry->holds != holds) || !entry->fence.zxid)
            world_fail(&clerk->onlookers->sim->world, "%s lists %s in a wrong order, at %s",
                       clerk->program.client->name, clerk->road->path, entry->node);
    }
}

/* Its fence never comes back. */
static void check_broken(const struct clerk *clerk, const char *node, lk_fence fence)
{
    const struct sim *sim = clerk->onlookers->sim;
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", clerk->road->path, node);
    const struct znode *znode = tree_find(ensemble_truth(&sim->ensemble), path);
    if (znode && znode->stat.czxid == (int64_t)fence.zxid)
        world_fail(&clerk->onlookers->sim->world, "%s has broken %s, and it still stands",
                   clerk->program.client->name, path);
}

static void break_one(struct clerk *clerk, const lk_line_entry *entry)
{
    struct sim *sim = clerk->onlookers->sim;
    struct sim_client *client = clerk->program.client;
    uint64_t refused_before = sim->memory.refused;
    lk_fence fence = entry->fence;

    if (onlookers_in_percent(clerk->onlookers, 10))
        fence.zxid++; /* most often nobody's */
    world_tell(&sim->world, "%s breaks %s, fence %" PRIx64, client->name, entry->node, fence.zxid);
    invariants_named(client, fence);
    int status = lk_line_break(client->lk, clerk->path, fence, soon(clerk));
    if (is_done(clerk, "breaking", status, refused_before) || status == LK_E_NOT_FOUND)
        check_broken(clerk, entry->node, fence);
}

static void look_and_break(struct clerk *clerk)
{
    struct onlookers *onlookers = clerk->onlookers;
    uint64_t refused_before = onlookers->sim->memory.refused;
    lk_line *line = NULL;

    int status = lk_line_list(clerk->program.client->lk, clerk->path, soon(clerk), &line);
    if (!is_done(clerk, "listing", status, refused_before))
        return;
    check_listing(clerk, line);
    if (line->count > 0 && !is_over(clerk) && onlookers_in_percent(onlookers, 40)) {
        if (onlookers_in_percent(onlookers, 50))
            program_sleep(&clerk->program, onlookers_between(onlookers, 0, 300) * MS);
        if (!is_over(clerk))
            break_one(clerk,
                      &line->entries[onlookers_between(onlookers, 0, (int64_t)line->count - 1)]);
    }
    lk_line_free(line);
}

static void operate(struct program *program)
{
    struct clerk *clerk = clerk_of(program);

    while (!is_over(clerk)) {
        program_sleep(program, onlookers_between(clerk->onlookers, 1,
                                                 clerk->onlookers->operator_is_busy ? 20 : 2000)
                                   * MS);
        if (!is_over(clerk))
            look_and_break(clerk);
    }
}

static void add_clerk(struct onlookers *onlookers, struct sim_client *client,
                      void (*run)(struct program *program))
{
    struct clerk *clerk = arena_take(&onlookers->sim->world.arena, sizeof(*clerk));

    clerk->onlookers = onlookers;
    clerk->road = onlookers_any_road(onlookers);
    clerk->path = clerk->road->path + strlen(client->lk->root);
    list_append(&onlookers->clerks, &clerk->node);
    program_start(&clerk->program, client, run);
}

void clerks_add_herald(struct onlookers *onlookers, struct sim_client *client)
{
    add_clerk(onlookers, client, herald);
}

void clerks_add_operator(struct onlookers *onlookers, struct sim_client *client)
{
    add_clerk(onlookers, client, operate);
}

bool clerks_are_done(const struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->clerks) {
        const struct program *program = &container_of(node, struct clerk, node)->program;
        if (program->run && !program->done && !program->client->is_dead)
            return false;
    }
    return true;
}

/* A program that is not done is stuck in a call: of a client that was killed, or in a world that
 * failed. */
static void end_program(struct program *program)
{
    if (program->run && !program->done && program->client->lk)
        (void)!lk_client_close(program->client->lk, 0);
    program_join(program);
}

void clerks_free(struct onlookers *onlookers)
{
    list_for_each (node, &onlookers->clerks)
        end_program(&container_of(node, struct clerk, node)->program);
}
