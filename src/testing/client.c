/* client.c - one program with a latchkey client: its clock, its ticker, its dispatching loop, its
 * death. */
#include "sim.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "program.h"
#include "session/engine.h"

/* How late threads of a client get to run. */
#define LATE_NS (300 * US)

static struct sim_client *client_of(struct keeper_world *keeper_world)
{
    return container_of(keeper_world, struct sim_client, keeper_world);
}

int64_t sim_client_now(const struct sim_client *client)
{
    int64_t elapsed_ns = client->sim->world.now_ns;
    return client->clock_begin_ns + elapsed_ns + elapsed_ns * client->drift_ppm / 1000000;
}

/* Asked at each entry into an engine. A thread that is in no world would race with the one that is,
 * and wait in real time for what comes in virtual time. */
static int64_t clock_ns(struct keeper_world *keeper_world)
{
    const struct sim_client *client = client_of(keeper_world);

    if (client->is_users && sim_used() != client->sim && !client->sim->is_left) {
        fprintf(stderr, "latchkey-testing: %s was called by a thread that is not in its world\n",
                client->name);
        abort();
    }
    return sim_client_now(client);
}

static int64_t wall_ms(struct keeper_world *keeper_world)
{
    return WALL_BEGIN_MS + client_of(keeper_world)->sim->world.now_ns / MS;
}

static uint64_t draw(struct keeper_world *keeper_world)
{
    return chance_next(&client_of(keeper_world)->chance);
}

/* The world's time at which the client's clock has reached at_ns. */
static int64_t world_time(const struct sim_client *client, int64_t at_ns)
{
    const struct world *world = &client->sim->world;
    int64_t now_ns = sim_client_now(client);

    if (at_ns <= now_ns)
        return world->now_ns;
    if (at_ns > now_ns + 3600 * SECOND)
        return INT64_MAX;
    return world->now_ns + (at_ns - now_ns) * 1000000 / (1000000 + client->drift_ppm) + 2;
}

bool sim_client_puts_off(struct sim_client *client, struct event *event)
{
    struct world *world = &client->sim->world;
    if (client->is_dead)
        return true;
    if (client->paused_until_ns <= world->now_ns)
        return false;
    event_at(world, event, client->paused_until_ns + chance_between(&world->chance, 1, 400 * US),
             event->run);
    return true;
}

static void ticked(struct event *event);

static void arm(struct sim_client *client)
{
    struct world *world = &client->sim->world;
    int64_t at_ns = world_time(client, client_next_ns(client->lk));

    if (at_ns == INT64_MAX)
        event_stop(world, &client->tick);
    else if (!event_is_set(&client->tick) || client->tick.at_ns < at_ns
             || client->tick.at_ns > at_ns + LATE_NS)
        event_at(world, &client->tick, at_ns + chance_between(&world->chance, 1, LATE_NS), ticked);
}

static void ticked(struct event *event)
{
    struct sim_client *client = container_of(event, struct sim_client, tick);

    if (sim_client_puts_off(client, event))
        return;
    client_tick(client->lk);
    sim_client_touch(client);
}

static void dispatched(struct event *event)
{
    struct sim_client *client = container_of(event, struct sim_client, dispatch);
    struct world *world = &client->sim->world;

    if (sim_client_puts_off(client, event))
        return;
    if (client->slow_until_ns > world->now_ns) {
        event_at(world, event, client->slow_until_ns, dispatched);
        return;
    }
    lk_client *lk = client_ref(client->lk); /* a callback may free it */
    int count = callbacks_run(lk, 0);
    client_unref(lk);
    if (count < 0 && count != LK_E_WOULD_DEADLOCK) /* one of its callbacks steps the world */
        world_fail(world, "%s: lk_dispatch answered %s", client->name, lk_status_name(count));
    if (count > 0)
        sim_client_touch(client);
}

/* A user dispatches by hand, unless a thread of the library is to do it. */
static bool is_dispatched(const struct sim_client *client)
{
    const lk_client *lk = client->lk;
    return !client->is_users || (lk->callback_fd < 0 && !list_is_empty(&lk->callbacks));
}

void sim_client_touch(struct sim_client *client)
{
    struct world *world = &client->sim->world;

    client->sim->touched = client;
    if (client->is_dead || !client->lk)
        return;
    arm(client);
    if (!event_is_set(&client->dispatch) && is_dispatched(client))
        event_at(world, &client->dispatch,
                 world->now_ns + chance_between(&world->chance, 1 * US, 200 * US), dispatched);
}

static void log_line(lk_log_level level, const char *line, void *arg)
{
    const struct sim_client *client = arg;
    (void)level;
    world_tell(&client->sim->world, "%s: %s", client->name, line);
}

struct sim_client *sim_client_begin(struct sim *sim)
{
    struct sim_client *client = arena_take(&sim->world.arena, sizeof(*client));

    client->sim = sim;
    client->id = ++sim->client_count;
    snprintf(client->name, sizeof(client->name), "c%d", client->id);
    client->keeper_world = (struct keeper_world){
        .open = link_open, .now_ns = clock_ns, .wall_ms = wall_ms, .random = draw
    };
    client->chance.state = chance_next(&sim->world.chance);
    return client;
}

struct sim_client *sim_client_new(struct sim *sim, const lk_client_options *options)
{
    struct world *world = &sim->world;
    struct sim_client *client = sim_client_begin(sim);
    lk_client_options own = *options;

    client->clock_begin_ns = chance_between(&world->chance, 0, 1000 * SECOND);
    client->drift_ppm = chance_percent(&world->chance, 70)
                            ? 0
                            : chance_between(&world->chance, -10000, 10000);
    if (sim->profile == PROFILE_EDGE)
        client->drift_ppm = chance_percent(&world->chance, 50) ? -10000 : 10000;
    list_append(&sim->clients, &client->node);
    own.callback_thread = true; /* dispatched() is that thread; nobody polls for it */
    own.log = world->traces ? log_line : NULL;
    own.log_arg = client;
    own.log_level = LK_LOG_DEBUG;
    if (own.session_timeout_ms * MS > sim->longest_ns)
        sim->longest_ns = own.session_timeout_ms * MS;
    int status = client_new_in(&client->keeper_world, &client->lk, &own);
    if (status != LK_OK)
        world_fail(world, "client_new_in answered %s", lk_status_name(status));
    else
        sim_client_touch(client);
    world_tell(world, "%s begins, T = %lld ms, clock %+lld ppm", client->name,
               (long long)own.session_timeout_ms, (long long)client->drift_ppm);
    return client;
}

void sim_client_pause(struct sim_client *client, int64_t length_ns)
{
    int64_t until_ns = client->sim->world.now_ns + length_ns;

    world_tell(&client->sim->world, "%s stands still for %lld ms", client->name,
               (long long)(length_ns / MS));
    if (until_ns > client->paused_until_ns)
        client->paused_until_ns = until_ns;
}

void sim_client_kill(struct sim_client *client)
{
    struct world *world = &client->sim->world;

    world_tell(world, "%s is killed", client->name);
    links_die(client, chance_percent(&world->chance, 70));
    client->is_dead = true;
    event_stop(world, &client->tick);
    event_stop(world, &client->dispatch);
}

void sim_client_free(struct sim_client *client)
{
    if (!client->lk)
        return;
    lk_client *lk = client->lk;
    client->lk = NULL; /* the callbacks that are left run now */
    lk_client_free(lk);
    event_stop(&client->sim->world, &client->tick);
    event_stop(&client->sim->world, &client->dispatch);
    if (client->is_dead)
        links_bury(client);
}

bool sim_client_is_open(const struct sim_client *client)
{
    return !client->is_dead && client->lk && !client->lk->closing;
}

struct sim_client *sim_client_any(struct sim *sim)
{
    int living = 0;
    list_for_each (node, &sim->clients)
        living += sim_client_is_open(container_of(node, struct sim_client, node));
    if (!living)
        return NULL;
    int64_t chosen = chance_between(&sim->world.chance, 0, living - 1);
    list_for_each (node, &sim->clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        if (sim_client_is_open(client) && chosen-- == 0)
            return client;
    }
    return NULL;
}
