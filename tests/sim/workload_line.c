/* workload_line.c - see workload_line.h. */
#include "workload_line.h"

#include <stdio.h>
#include <string.h>

#include "line/numbers.h"
#include "onlookers.h"

enum step { ACTOR_IDLE, ACTOR_ASKS, ACTOR_HOLDS, ACTOR_GIVES };

static const char *const step_names[] = { "idle", "asking", "holding", "giving back" };

/* One request, to see that it ends once. */
struct asked {
    struct list node;
    struct actor *actor;
    bool is_give, is_turn, is_try, has_deadline, is_cancelled;
    uint64_t refused_before;   /* allocations */
    int64_t asked_ns, session; /* the client's, then */
    int ends;
};

/* One handle's user, or, after its handle was freed, its next one. */
struct actor {
    struct list node;
    struct line_workload *workload;
    struct sim_client *client;
    const char *path; /* for latchkey, below the client's root */
    void *handle;
    struct belief *belief;
    enum step step;
    lk_grant_state told; /* the state that on_change told last */
    lk_fence told_fence; /* and the last that was not zero */
    struct asked *asked; /* under way; NULL: nothing, or given up with its handle */
    lk_op op;
    struct event act;
};

struct line_workload {
    struct sim *sim;
    const struct vocabulary *vocabulary;
    struct onlookers *onlookers;
    lk_client_options options;
    struct list actors, asked;
    int32_t first_number; /* near the end of the numbers; 0: the lines begin with the world */
    bool settling;
};

static void acted(struct event *event);

static int64_t between(const struct actor *actor, int64_t low, int64_t high)
{
    return chance_between(&actor->workload->sim->world.chance, low, high);
}

static bool in_percent(const struct actor *actor, unsigned percent)
{
    return chance_percent(&actor->workload->sim->world.chance, percent);
}

static void act_in(struct actor *actor, int64_t low_ns, int64_t high_ns)
{
    struct world *world = &actor->workload->sim->world;
    event_at(world, &actor->act, world->now_ns + between(actor, low_ns, high_ns), acted);
}

static void fail(const struct actor *actor, const char *what, int status)
{
    world_fail(&actor->workload->sim->world, "%s on %s, %s: %s %s", actor->client->name,
               actor->belief->path, step_names[actor->step], what, lk_status_name(status));
}

/* ---- states as they are told ---- */

static bool may_follow(lk_grant_state from, lk_grant_state to)
{
    switch (from) {
    case LK_IDLE:
    case LK_LOST:
        return to == LK_WAITING;
    case LK_WAITING:
        return to == LK_HELD || to == LK_IDLE;
    case LK_HELD:
        return to == LK_SUSPENDED || to == LK_IDLE || to == LK_LOST;
    case LK_SUSPENDED:
        return to == LK_HELD || to == LK_IDLE || to == LK_LOST;
    }
    return false;
}

/* Without memory some changes are told as one, the last; but what is over does not come back. */
static bool can_be_told(const struct actor *actor, const lk_grant_change *change)
{
    bool is_over = actor->told == LK_IDLE || actor->told == LK_LOST;
    int age = lk_fence_compare(change->fence, actor->told_fence);

    if (actor->workload->sim->memory.refused == 0)
        return may_follow(actor->told, change->state)
               || (actor->workload->vocabulary->is_many && actor->told == LK_WAITING
                   && change->state == LK_LOST);
    return change->fence.zxid == 0 || age > 0
           || (age == 0 && (!is_over || change->state == LK_LOST));
}

static void changed(const lk_grant_change *change, void *arg)
{
    struct actor *actor = arg;
    struct world *world = &actor->workload->sim->world;

    world_tell(world, "%s is told: %s, %s, fence %llx", actor->client->name,
               lk_grant_state_name(change->state), lk_status_name(change->reason),
               (unsigned long long)change->fence.zxid);
    if (!can_be_told(actor, change))
        world_fail(world, "%s on %s is told %s after %s", actor->client->name, actor->belief->path,
                   lk_grant_state_name(change->state), lk_grant_state_name(actor->told));
    actor->told = change->state;
    if (change->fence.zxid)
        actor->told_fence = change->fence;
    if (!actor->workload->settling && !actor->client->is_dead && in_percent(actor, 2))
        acted(&actor->act); /* inside the callback */
}

/* ---- requests and their ends ---- */

/* Since then an allocation was refused. */
static bool was_scarce(const struct actor *actor, uint64_t refused_before)
{
    return actor->workload->sim->memory.refused > refused_before;
}

static bool strangers_are_about(const struct sim *sim)
{
    return sim->profile == PROFILE_STRANGERS || sim->profile == PROFILE_ALL
           || sim->profile == PROFILE_ANEW;
}

/* Since then somebody has removed a place of the client's in that line. */
static bool was_struck(const struct asked *asked)
{
    const struct actor *actor = asked->actor;
    /* Which one it had meanwhile is not known of a client that is closed, or has another by now: it
     * may hear late. */
    bool has_session = sim_client_is_open(actor->client)
                       && link_session_of(actor->client) == asked->session;
    size_t size = strlen(actor->belief->path);

    list_for_each (node, &actor->workload->sim->strucks) {
        const struct struck *struck = container_of(node, struct struck, node);
        if (!struck->is_due && struck->at_ns >= asked->asked_ns
            && (!has_session || struck->session == link_session_of(actor->client))
            && (actor->workload->vocabulary->is_many
                || (strncmp(struck->path, actor->belief->path, size) == 0
                    && struck->path[size] == '/')))
            return true;
    }
    return false;
}

/* Of several, those that were had while another was waited for. Its release gives back the rest. */
static bool was_lost_in_part(const struct asked *asked)
{
    const struct actor *actor = asked->actor;

    return actor->workload->vocabulary->is_many
           && (asked->is_give || actor->told == LK_LOST
               || was_scarce(actor, asked->refused_before));
}

static bool is_possible(const struct asked *asked, int status)
{
    switch (status) {
    case LK_OK:
        return true;
    case LK_E_DEADLINE:
        return asked->has_deadline;
    case LK_E_CANCELLED: /* a turn is over when the hold is */
        return asked->is_cancelled || asked->is_turn;
    case LK_E_BUSY:
        return asked->is_try;
    case LK_E_NOMEM: /* who releases is out of the line in the end, whatever is short */
        return !asked->is_give && was_scarce(asked->actor, asked->refused_before);
    case LK_E_LINE_FULL: /* within as many joins as a world can make */
        return !asked->is_give && line_workload_is_at_the_end(asked->actor->workload);
    case LK_E_FOREIGN:
        return asked->actor->workload->vocabulary->needs_the_data
               && strangers_are_about(asked->actor->client->sim);
    case LK_E_CLOSED:
        return !sim_client_is_open(asked->actor->client);
    case LK_E_LOST: /* that the session ended is no reason */
        return asked->is_turn || was_lost_in_part(asked) || (!asked->is_give && was_struck(asked));
    default:
        return false;
    }
}

static void ended(int status, void *arg)
{
    struct asked *asked = arg;
    struct actor *actor = asked->actor;
    struct world *world = &actor->workload->sim->world;

    world_tell(world, "%s's %s ends: %s", actor->client->name,
               asked->is_give ? "release" : "acquire", lk_status_name(status));
    if (asked->ends++ > 0)
        fail(actor, "a request ended twice, now with", status);
    if (asked->is_turn) {
        if (!actor->client->is_dead && !is_possible(asked, status))
            fail(actor, "the turn ended with", status);
        return;
    }
    if (actor->asked != asked || actor->client->is_dead)
        return; /* of a handle that was freed */
    if (!is_possible(asked, status))
        fail(actor, asked->is_give ? "release ended with" : "acquire ended with", status);
    actor->asked = NULL;
    actor->step = !asked->is_give && status == LK_OK ? ACTOR_HOLDS : ACTOR_IDLE;
    if (in_percent(actor, 15) && !actor->workload->settling)
        acted(&actor->act); /* inside the callback */
    else if (in_percent(actor, 10))
        act_in(actor, 0, 3 * actor->client->sim->longest_ns);
    else
        act_in(actor, 0, 300 * MS);
}

static struct asked *ask_new(struct actor *actor, bool is_give)
{
    struct asked *asked = arena_take(&actor->workload->sim->world.arena, sizeof(*asked));
    asked->actor = actor;
    asked->is_give = is_give;
    asked->refused_before = actor->workload->sim->memory.refused;
    asked->session = link_session_of(actor->client);
    asked->asked_ns = actor->workload->sim->world.now_ns;
    asked->has_deadline = !actor->workload->settling && in_percent(actor, is_give ? 30 : 50);
    list_append(&actor->workload->asked, &asked->node);
    return asked;
}

static int64_t deadline_of(const struct actor *actor, const struct asked *asked)
{
    int64_t most_ms = in_percent(actor, 50) ? 50 : 2 * actor->client->sim->longest_ns / MS;
    return asked->has_deadline ? sim_client_now(actor->client) + between(actor, 0, most_ms) * MS
                               : LK_FOREVER;
}

/* The call itself failed: nothing was begun, and no callback follows. */
static void unasked(struct actor *actor, enum step step)
{
    actor->asked->ends++;
    actor->asked = NULL;
    actor->step = step;
    act_in(actor, 0, 300 * MS);
}

static void ask(struct actor *actor)
{
    const struct vocabulary *vocabulary = actor->workload->vocabulary;
    struct asked *asked = ask_new(actor, false);

    asked->is_try = vocabulary->can_try && !actor->workload->settling && in_percent(actor, 15);
    actor->asked = asked;
    actor->step = ACTOR_ASKS;
    world_tell(&actor->workload->sim->world, "%s %s %s", actor->client->name,
               asked->is_try ? "tries" : "acquires", actor->belief->path);
    uint64_t dice = vocabulary->has_ways ? chance_next(&actor->workload->sim->world.chance) : 0;
    int status = vocabulary->ask(actor->handle, asked->is_try, dice, deadline_of(actor, asked),
                                 ended, asked, &actor->op);
    if (status == LK_E_NOMEM && was_scarce(actor, asked->refused_before)) {
        unasked(actor, ACTOR_IDLE);
        return;
    }
    if (status != LK_OK)
        fail(actor, "asking answered", status);
    if (!actor->workload->settling && in_percent(actor, 15))
        act_in(actor, 0, actor->client->sim->longest_ns);
}

static void give(struct actor *actor)
{
    struct asked *asked = ask_new(actor, true);

    actor->asked = asked;
    actor->step = ACTOR_GIVES;
    world_tell(&actor->workload->sim->world, "%s releases %s", actor->client->name,
               actor->belief->path);
    int status = actor->workload->vocabulary->give(actor->handle, deadline_of(actor, asked), ended,
                                                   asked, &actor->op);
    if (status == LK_OK)
        return;
    if (status == LK_E_NOMEM && was_scarce(actor, asked->refused_before)) {
        unasked(actor, ACTOR_HOLDS);
        return;
    }
    if (status != LK_E_LOST)
        fail(actor, "giving back answered", status);
    unasked(actor, ACTOR_IDLE);
}

/* Goes on beside whatever the holder does next. */
static void turn(struct actor *actor)
{
    struct asked *asked = ask_new(actor, false);
    lk_op op;

    asked->is_turn = true;
    world_tell(&actor->workload->sim->world, "%s turns on %s", actor->client->name,
               actor->belief->path);
    int status = actor->workload->vocabulary->turn(actor->handle, deadline_of(actor, asked), ended,
                                                   asked, &op);
    if (status == LK_OK)
        return;
    asked->ends++;
    if (status != LK_E_STATE && status != LK_E_LOST
        && !(status == LK_E_NOMEM && was_scarce(actor, asked->refused_before)))
        fail(actor, "turning answered", status);
}

static void cancel(struct actor *actor)
{
    world_tell(&actor->workload->sim->world, "%s cancels", actor->client->name);
    actor->asked->is_cancelled = true;
    lk_cancel(actor->client->lk, actor->op);
}

/* ---- handles ---- */

static void take_handle(struct actor *actor)
{
    const struct vocabulary *vocabulary = actor->workload->vocabulary;
    struct sim *sim = actor->workload->sim;

    actor->told = LK_IDLE;
    actor->told_fence = (lk_fence){ 0 };
    actor->step = ACTOR_IDLE;
    actor->asked = NULL;
    uint64_t refused_before = sim->memory.refused;
    int status = vocabulary->make(&actor->handle, actor->client->lk, actor->path, changed, actor);
    if (status == LK_E_NOMEM && was_scarce(actor, refused_before))
        return; /* another time */
    if (status != LK_OK)
        fail(actor, "a new handle was answered", status);
    struct belief *belief = arena_take(&sim->world.arena, sizeof(*belief));
    *belief = *actor->belief;
    belief->node = (struct list){ 0 };
    belief->client = actor->client;
    belief->handle = actor->handle;
    belief->held = false;
    belief->held_fence = (lk_fence){ 0 };
    actor->belief = belief;
    list_append(&sim->beliefs, &belief->node);
}

static void drop_handle(struct actor *actor)
{
    if (!actor->handle)
        return;
    world_tell(&actor->workload->sim->world, "%s frees its handle of %s", actor->client->name,
               actor->belief->path);
    actor->workload->vocabulary->free(actor->handle);
    actor->handle = actor->belief->handle = NULL;
    actor->belief->held = false;
    list_remove(&actor->belief->node);
}

/* With whoever waits in it, and whoever's handles are left. */
static void close_client(struct actor *actor)
{
    world_tell(&actor->workload->sim->world, "%s is closed", actor->client->name);
    if (in_percent(actor, 50))
        (void)!lk_client_close(actor->client->lk, 0);
    else
        sim_client_free(actor->client);
    act_in(actor, 0, 300 * MS);
}

/* Its client was closed, by it or by another: it frees its handle, and goes on with a client of
 * its own. */
static void begin_again(struct actor *actor)
{
    struct sim *sim = actor->workload->sim;

    drop_handle(actor);
    actor->step = ACTOR_IDLE;
    actor->asked = NULL;
    sim_client_free(actor->client);
    if (actor->workload->settling)
        return;
    if (sim->memory.fails_percent || sim->memory.fails_at > sim->memory.asked) {
        act_in(actor, 0, SECOND);
        return;
    }
    actor->client = sim_client_new(sim, &actor->workload->options);
    take_handle(actor);
    onlookers_join(actor->workload->onlookers, actor->client);
    act_in(actor, 0, 300 * MS);
}

static void acted(struct event *event)
{
    struct actor *actor = container_of(event, struct actor, act);

    if (sim_client_puts_off(actor->client, event))
        return;
    if (!sim_client_is_open(actor->client)) {
        begin_again(actor);
        return;
    }
    if (!actor->workload->settling && in_percent(actor, 1)) {
        close_client(actor);
        return;
    }
    if (!actor->workload->settling && (!actor->handle || in_percent(actor, 3))) {
        drop_handle(actor);
        take_handle(actor);
        act_in(actor, 0, 300 * MS);
    } else if (actor->step == ACTOR_IDLE && !actor->workload->settling) {
        ask(actor);
    } else if (actor->step == ACTOR_ASKS || (actor->step == ACTOR_GIVES && in_percent(actor, 10))) {
        cancel(actor);
    } else if (actor->step == ACTOR_HOLDS) {
        if (actor->workload->vocabulary->turn && in_percent(actor, 50)) {
            turn(actor);
            act_in(actor, 0, in_percent(actor, 50) ? MS : 300 * MS);
        } else {
            give(actor);
        }
    }
    sim_client_touch(actor->client);
}

/* ---- the workload ---- */

/* Whose parent has seen nearly as many children as there are numbers; or more, so many that ten
 * digits follow the minus. */
static int32_t near_the_end(struct chance *chance, bool very_near)
{
    int64_t kind = chance_between(chance, very_near ? 60 : 0, 99);
    return (int32_t)(kind < 60   ? NUMBERS_RESTART + chance_between(chance, -6, 6)
                     : kind < 85 ? NUMBERS_END + chance_between(chance, -6, 3)
                     : kind < 95 ? INT32_MAX - chance_between(chance, 0, 3)
                                 : -chance_between(chance, 1000010000, INT32_MAX));
}

/* A line near the end of its numbers is to begin anew as soon as a holder is alone; but nobody
 * removes what a stranger wrote. */
static bool is_overdue(struct line_workload *workload, const char *path)
{
    const struct znode *parent = tree_find(ensemble_truth(&workload->sim->ensemble), path);

    return workload->first_number > 0 && !line_workload_is_at_the_end(workload) && parent
           && parent->creates > (int32_t)NUMBERS_RESTART
           && (parent->stat.data_size != 7 || memcmp(parent->data, "foreign", 7) != 0);
}

static void add_actor(struct line_workload *workload, struct sim_client *client, const char *path)
{
    struct sim *sim = workload->sim;
    struct actor *actor = arena_take(&sim->world.arena, sizeof(*actor));

    actor->workload = workload;
    actor->client = client;
    actor->path = path + (workload->options.root ? strlen(workload->options.root) : 0);
    struct belief first = {
        .path = path,
        .remaining_ns = workload->vocabulary->remaining_ns,
        .fence = workload->vocabulary->fence,
        .node_name = workload->vocabulary->node_name,
        .is_turning = workload->vocabulary->is_turning,
    };
    actor->belief = &first;
    take_handle(actor);
    list_append(&workload->actors, &actor->node);
    act_in(actor, 0, 300 * MS);
}

static void choose_options(struct line_workload *workload)
{
    struct chance *chance = &workload->sim->world.chance;
    int64_t ticks = chance_between(chance, chance_percent(chance, 10) ? 2 : 6, 12);

    workload->options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    workload->options.root = chance_percent(chance, 50) ? "/app" : NULL;
    workload->options.label = chance_percent(chance, 50) ? "a label" : NULL;
    workload->options.session_timeout_ms = workload->sim->ensemble.tick_ns / MS * ticks;
}

void line_workload_begin(struct sim *sim, const struct vocabulary *vocabulary)
{
    static const char *const paths[2][3] = {
        { "/line", "/deep/er/line", "/third line" },
        { "/app/line", "/app/deep/er/line", "/app/third line" },
    };
    struct chance *chance = &sim->world.chance;
    struct line_workload *workload = arena_take(&sim->world.arena, sizeof(*workload));
    int64_t clients = chance_between(chance, 2, 5), path_count = chance_percent(chance, 75) ? 1 : 2;

    if (vocabulary->is_many)
        path_count = 3;
    workload->sim = sim;
    workload->vocabulary = vocabulary;
    sim->state = workload;
    choose_options(workload);
    const char *const *chosen = paths[workload->options.root ? 1 : 0];
    bool in_flight = sim->profile == PROFILE_FLIGHT; /* where names repeat, late deletes can hurt */
    if (chance_percent(chance, in_flight ? 30 : 10))
        workload->first_number = near_the_end(chance, in_flight);
    for (int i = 0; i < path_count && workload->first_number; i++)
        ensemble_found(&sim->ensemble, chosen[i], workload->first_number);
    while (clients-- > 0) {
        struct sim_client *client = sim_client_new(sim, &workload->options);
        for (int64_t i = chance_percent(chance, 80) ? 1 : 2; i > 0; i--)
            add_actor(workload, client, chosen[chance_between(chance, 0, path_count - 1)]);
    }
    workload->onlookers = onlookers_begin(workload, chosen, path_count < 2 ? 1 : 2);
}

void line_workload_witness(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    const struct line_workload *workload = sim->state;

    (void)txn;
    if (workload && workload->onlookers)
        onlookers_witness(workload->onlookers, before);
}

void line_workload_check(struct sim *sim)
{
    const struct line_workload *workload = sim->state;
    onlookers_check(workload->onlookers);
}

const struct vocabulary *line_workload_vocabulary(const struct line_workload *workload)
{
    return workload->vocabulary;
}

struct sim *line_workload_sim(const struct line_workload *workload)
{
    return workload->sim;
}

bool line_workload_is_at_the_end(const struct line_workload *workload)
{
    return workload->first_number < 0 || workload->first_number > (int32_t)NUMBERS_END - 5000;
}

bool line_workload_can_try(const struct line_workload *workload)
{
    return workload->vocabulary->can_try;
}

void *line_workload_handle(const struct line_workload *workload, const struct sim_client *client,
                           const char *path)
{
    list_for_each (node, &workload->actors) {
        const struct actor *actor = container_of(node, struct actor, node);
        if (actor->client == client && actor->handle && strcmp(actor->belief->path, path) == 0)
            return actor->handle;
    }
    return NULL;
}

void line_workload_settle(struct sim *sim)
{
    struct line_workload *workload = sim->state;

    workload->settling = true;
    onlookers_settle(workload->onlookers);
    list_for_each (node, &workload->actors) {
        struct actor *actor = container_of(node, struct actor, node);
        if (actor->step == ACTOR_HOLDS) /* some for so long that all can hear of it */
            act_in(actor, 0, in_percent(actor, 20) ? 8 * sim->longest_ns : 300 * MS);
        else if (actor->step == ACTOR_ASKS) /* it is to be granted now, not to give up */
            event_stop(&sim->world, &actor->act);
    }
}

bool line_workload_is_settled(struct sim *sim)
{
    struct line_workload *workload = sim->state;

    list_for_each (node, &workload->actors) {
        const struct actor *actor = container_of(node, struct actor, node);
        if (!sim_client_is_open(actor->client))
            continue;
        if (actor->step != ACTOR_IDLE || (actor->told != LK_IDLE && actor->told != LK_LOST))
            return false;
    }
    if (!onlookers_are_settled(workload->onlookers))
        return false;
    list_for_each (node, &workload->actors) {
        struct actor *actor = container_of(node, struct actor, node);
        if (!sim_client_is_open(actor->client) || !actor->handle
            || !is_overdue(workload, actor->belief->path))
            continue;
        ask(actor); /* alone: its release is to do it */
        sim_client_touch(actor->client);
        return false;
    }
    return true;
}

void line_workload_free_handles(struct sim *sim)
{
    const struct line_workload *workload = sim->state;

    onlookers_free(workload->onlookers);
    list_for_each (node, &workload->actors) {
        struct actor *actor = container_of(node, struct actor, node);
        drop_handle(actor);
        event_stop(&sim->world, &actor->act);
        sim_client_touch(actor->client);
    }
}

void line_workload_check_end(struct sim *sim)
{
    const struct line_workload *workload = sim->state;

    list_for_each (node, &workload->asked) {
        const struct asked *asked = container_of(node, struct asked, node);
        if (!asked->actor->client->is_dead && asked->ends != 1)
            world_fail(&sim->world, "a request of %s ended %d times", asked->actor->client->name,
                       asked->ends);
    }
}
