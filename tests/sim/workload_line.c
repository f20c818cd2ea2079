/* workload_line.c - see workload_line.h. */
#include "workload_line.h"

#include <stdio.h>

enum step { ACTOR_IDLE, ACTOR_ASKS, ACTOR_HOLDS, ACTOR_GIVES };

static const char *const step_names[] = { "idle", "asking", "holding", "giving back" };

/* One request, to see that it ends once. */
struct asked {
    struct list node;
    struct actor *actor;
    bool is_give, is_try, has_deadline, is_cancelled;
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
    struct asked *asked; /* under way; NULL: nothing, or given up with its handle */
    lk_op op;
    struct event act;
};

struct line_workload {
    struct sim *sim;
    const struct vocabulary *vocabulary;
    struct list actors, asked;
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

static void changed(const lk_grant_change *change, void *arg)
{
    struct actor *actor = arg;
    struct world *world = &actor->workload->sim->world;

    world_tell(world, "%s is told: %s, %s, fence %llx", actor->client->name,
               lk_grant_state_name(change->state), lk_status_name(change->reason),
               (unsigned long long)change->fence.zxid);
    if (!may_follow(actor->told, change->state))
        world_fail(world, "%s on %s is told %s after %s", actor->client->name, actor->belief->path,
                   lk_grant_state_name(change->state), lk_grant_state_name(actor->told));
    actor->told = change->state;
}

/* ---- requests and their ends ---- */

static bool is_possible(const struct asked *asked, int status)
{
    switch (status) {
    case LK_OK:
        return true;
    case LK_E_DEADLINE:
        return asked->has_deadline;
    case LK_E_CANCELLED:
        return asked->is_cancelled;
    case LK_E_BUSY:
        return asked->is_try;
    case LK_E_LOST: /* a stranger removed the place; that the session ended is no reason */
        return !asked->is_give && asked->actor->client->sim->profile >= PROFILE_STRANGERS;
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
    if (actor->asked != asked || actor->client->is_dead)
        return; /* of a handle that was freed */
    if (!is_possible(asked, status))
        fail(actor, asked->is_give ? "release ended with" : "acquire ended with", status);
    actor->asked = NULL;
    actor->step = !asked->is_give && status == LK_OK ? ACTOR_HOLDS : ACTOR_IDLE;
    if (in_percent(actor, 10))
        act_in(actor, 0, 3 * actor->client->sim->longest_ns);
    else
        act_in(actor, 0, 300 * MS);
}

static struct asked *ask_new(struct actor *actor, bool is_give)
{
    struct asked *asked = arena_take(&actor->workload->sim->world.arena, sizeof(*asked));
    asked->actor = actor;
    asked->is_give = is_give;
    asked->has_deadline = in_percent(actor, is_give ? 30 : 50);
    list_append(&actor->workload->asked, &asked->node);
    return asked;
}

static int64_t deadline_of(const struct actor *actor, const struct asked *asked)
{
    int64_t most_ms = in_percent(actor, 50) ? 50 : 2 * actor->client->sim->longest_ns / MS;
    return asked->has_deadline ? sim_client_now(actor->client) + between(actor, 0, most_ms) * MS
                               : LK_FOREVER;
}

static void ask(struct actor *actor)
{
    const struct vocabulary *vocabulary = actor->workload->vocabulary;
    struct asked *asked = ask_new(actor, false);

    asked->is_try = vocabulary->can_try && in_percent(actor, 15);
    actor->asked = asked;
    actor->step = ACTOR_ASKS;
    world_tell(&actor->workload->sim->world, "%s %s %s", actor->client->name,
               asked->is_try ? "tries" : "acquires", actor->belief->path);
    int status = vocabulary->ask(actor->handle, asked->is_try, deadline_of(actor, asked), ended,
                                 asked, &actor->op);
    if (status != LK_OK)
        fail(actor, "asking answered", status);
    if (in_percent(actor, 15))
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
    asked->ends++;
    actor->asked = NULL;
    if (status != LK_E_LOST)
        fail(actor, "giving back answered", status);
    actor->step = ACTOR_IDLE;
    act_in(actor, 0, 300 * MS);
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
    actor->step = ACTOR_IDLE;
    actor->asked = NULL;
    int status = vocabulary->make(&actor->handle, actor->client->lk, actor->path, changed, actor);
    if (status != LK_OK)
        fail(actor, "a new handle was answered", status);
    struct belief *belief = arena_take(&sim->world.arena, sizeof(*belief));
    *belief = *actor->belief;
    belief->node = (struct list){ 0 };
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

static void acted(struct event *event)
{
    struct actor *actor = container_of(event, struct actor, act);

    if (sim_client_puts_off(actor->client, event))
        return;
    if (!actor->workload->settling && in_percent(actor, 3)) {
        drop_handle(actor);
        take_handle(actor);
        act_in(actor, 0, 300 * MS);
    } else if (actor->step == ACTOR_IDLE && !actor->workload->settling) {
        ask(actor);
    } else if (actor->step == ACTOR_ASKS || (actor->step == ACTOR_GIVES && in_percent(actor, 10))) {
        cancel(actor);
    } else if (actor->step == ACTOR_HOLDS) {
        give(actor);
    }
    sim_client_touch(actor->client);
}

/* ---- the workload ---- */

static void add_actor(struct line_workload *workload, struct sim_client *client, const char *root,
                      const char *path)
{
    struct sim *sim = workload->sim;
    struct actor *actor = arena_take(&sim->world.arena, sizeof(*actor));
    char full[256];

    snprintf(full, sizeof(full), "%s%s", root, path);
    actor->workload = workload;
    actor->client = client;
    actor->path = path;
    struct belief first = {
        .client = client,
        .path = arena_text(&sim->world.arena, full),
        .remaining_ns = workload->vocabulary->remaining_ns,
        .fence = workload->vocabulary->fence,
        .node_name = workload->vocabulary->node_name,
    };
    actor->belief = &first;
    take_handle(actor);
    list_append(&workload->actors, &actor->node);
    act_in(actor, 0, 300 * MS);
}

void line_workload_begin(struct sim *sim, const struct vocabulary *vocabulary)
{
    static const char *const roots[] = { "", "/app" };
    static const char *const paths[] = { "/line", "/deep/er/line" };
    struct chance *chance = &sim->world.chance;
    struct line_workload *workload = arena_take(&sim->world.arena, sizeof(*workload));
    const char *root = roots[chance_between(chance, 0, 1)];
    int64_t tick_ms = sim->ensemble.tick_ns / MS;
    int64_t clients = chance_between(chance, 2, 5), path_count = chance_percent(chance, 75) ? 1 : 2;
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    workload->sim = sim;
    workload->vocabulary = vocabulary;
    sim->state = workload;
    options.root = *root ? root : NULL;
    options.session_timeout_ms = tick_ms
                                 * chance_between(chance, chance_percent(chance, 10) ? 2 : 6, 12);
    while (clients-- > 0) {
        struct sim_client *client = sim_client_new(sim, &options);
        for (int64_t i = chance_percent(chance, 80) ? 1 : 2; i > 0; i--)
            add_actor(workload, client, root, paths[chance_between(chance, 0, path_count - 1)]);
    }
}

void line_workload_settle(struct sim *sim)
{
    struct line_workload *workload = sim->state;

    workload->settling = true;
    list_for_each (node, &workload->actors) {
        struct actor *actor = container_of(node, struct actor, node);
        if (actor->step == ACTOR_HOLDS)
            act_in(actor, 0, 300 * MS);
        else if (actor->step == ACTOR_ASKS) /* it is to be granted now, not to give up */
            event_stop(&sim->world, &actor->act);
    }
}

bool line_workload_is_settled(struct sim *sim)
{
    const struct line_workload *workload = sim->state;

    list_for_each (node, &workload->actors) {
        const struct actor *actor = container_of(node, struct actor, node);
        if (!actor->client->is_dead && actor->step != ACTOR_IDLE)
            return false;
    }
    return true;
}

void line_workload_free_handles(struct sim *sim)
{
    const struct line_workload *workload = sim->state;

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
