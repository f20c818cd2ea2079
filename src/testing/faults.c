/* faults.c - what goes wrong, and when: drawn from the seed, by a profile, until a moment; then all
 * is healed. */
#include "sim.h"

#include <string.h>

static void struck(struct event *event);

static int64_t between(struct sim *sim, int64_t low, int64_t high)
{
    return chance_between(&sim->world.chance, low, high);
}

/* Some length that matters to leases: from a blink to beyond the session. */
static int64_t some_time(struct sim *sim)
{
    int64_t t_ns = sim->longest_ns;
    switch (between(sim, 0, 4)) {
    case 0:
        return between(sim, 1, 50) * MS;
    case 1:
        return between(sim, t_ns / 10, t_ns / 3);
    case 2:
        return between(sim, t_ns / 3, 2 * t_ns / 3);
    case 3:
        return between(sim, 2 * t_ns / 3, t_ns);
    default:
        return between(sim, t_ns, 2 * t_ns);
    }
}

static struct server *any_server(struct sim *sim)
{
    return &sim->ensemble.servers[between(sim, 0, sim->ensemble.size - 1)];
}

/* ---- links ---- */

static void lose_a_reply(struct sim *sim, struct sim_client *client)
{
    client->lose_reply_in = between(sim, 1, 6);
}

static void cut(struct sim *sim, struct sim_client *client)
{
    (void)sim;
    links_cut(client);
}

static void stall(struct sim *sim, struct sim_client *client)
{
    int64_t until_ns = sim->world.now_ns + some_time(sim);
    int64_t ways = between(sim, 1, 3), only = between(sim, -1, sim->ensemble.size - 1);

    world_tell(&sim->world, "%s/%s%c the link stalls for %lld ms%s", client->name,
               only < 0 ? "all" : "s", only < 0 ? ' ' : (char)('0' + only),
               (long long)((until_ns - sim->world.now_ns) / MS),
               ways == 1   ? ", up"
               : ways == 2 ? ", down"
                           : "");
    for (int i = 0; i < sim->ensemble.size; i++) {
        if (only >= 0 && only != i)
            continue;
        if (ways & 1)
            client->up_stalled_until_ns[i] = until_ns;
        if (ways & 2)
            client->down_stalled_until_ns[i] = until_ns;
    }
}

/* ---- clients ---- */

static void stop_client(struct sim *sim, struct sim_client *client)
{
    sim_client_pause(client, some_time(sim));
}

static void slow_down(struct sim *sim, struct sim_client *client)
{
    client->slow_until_ns = sim->world.now_ns + some_time(sim);
}

static void kill_client(struct sim *sim, struct sim_client *client)
{
    int living = 0;
    list_for_each (node, &sim->clients)
        living += sim_client_is_open(container_of(node, struct sim_client, node));
    if (living > 1)
        sim_client_kill(client);
}

static void end_session(struct sim *sim, struct sim_client *client)
{
    const struct server *leader = ensemble_leader(&sim->ensemble);
    int64_t session = link_session_of(client);

    if (!session || !leader)
        return;
    world_tell(&sim->world, "a stranger ends session %lld of %s", (long long)session, client->name);
    ensemble_expire(&sim->ensemble, session);
    invariants_blame(sim, leader->log[leader->logged - 1]);
}

/* ---- memory ---- */

static void memory_is_back(struct event *event)
{
    struct sim *sim = container_of(event, struct sim, memory_back);

    world_tell(&sim->world, "there is memory again: %lld of %lld allocations were refused",
               (long long)sim->memory.refused, (long long)sim->memory.asked);
    sim->memory.fails_percent = 0;
    sim->memory.fails_at = 0;
}

/* One allocation soon, or many of them for a while. */
static void refuse_memory(struct sim *sim, struct sim_client *client)
{
    static const unsigned percents[] = { 2, 10, 50, 100 };
    struct memory *memory = &sim->memory;
    int64_t length_ns = some_time(sim);

    (void)client;
    if (!sim->workload->bears_scarcity)
        return;
    memory->chance.state = chance_next(&sim->world.chance);
    if (between(sim, 0, 1)) {
        memory->fails_at = memory->asked + (uint64_t)between(sim, 1, 20);
        world_tell(&sim->world, "an allocation will be refused");
    } else {
        memory->fails_percent = percents[between(sim, 0, 3)];
        world_tell(&sim->world, "%u %% of allocations are refused, for %lld ms",
                   memory->fails_percent, (long long)(length_ns / MS));
    }
    event_at(&sim->world, &sim->memory_back, sim->world.now_ns + length_ns, memory_is_back);
}

/* ---- servers ---- */

struct restart {
    struct event event;
    struct server *server;
};

static void restarted(struct event *event)
{
    server_start(container_of(event, struct restart, event)->server);
}

static void kill_server(struct sim *sim, struct server *server)
{
    struct restart *restart = arena_take(&sim->world.arena, sizeof(*restart));
    restart->server = server;
    server_kill(server);
    event_at(&sim->world, &restart->event, sim->world.now_ns + some_time(sim), restarted);
}

static void stop_server(struct sim *sim, struct server *server)
{
    server_pause(server, sim->world.now_ns + some_time(sim));
}

/* Cut off from its peers, in one or both directions, though its clients still reach it. */
static void isolate(struct sim *sim, struct server *server)
{
    struct ensemble *ensemble = &sim->ensemble;
    int64_t until_ns = sim->world.now_ns + some_time(sim) * 2, ways = between(sim, 1, 3);

    world_tell(&sim->world, "s%d is cut off from its peers for %lld ms%s", server->id,
               (long long)((until_ns - sim->world.now_ns) / MS),
               ways == 1   ? ", they don't hear it"
               : ways == 2 ? ", it hears nothing"
                           : "");
    for (int i = 0; i < ensemble->size; i++) {
        if (i == server->id)
            continue;
        if (ways & 1)
            ensemble_cut(ensemble, server->id, i, until_ns);
        if (ways & 2)
            ensemble_cut(ensemble, i, server->id, until_ns);
    }
}

/* The others find another leader at once; it goes on believing that it leads. */
static void depose(struct sim *sim, struct server *server)
{
    struct server *leader = ensemble_leader(&sim->ensemble);
    (void)server;
    if (!leader || sim->ensemble.size == 1)
        return;
    isolate(sim, leader);
    world_tell(&sim->world, "s%d's followers leave it", leader->id);
    for (int i = 0; i < sim->ensemble.size; i++)
        if (i != leader->id)
            server_lose_leader(&sim->ensemble.servers[i]);
}

static void kill_leader(struct sim *sim, struct server *server)
{
    struct server *leader = ensemble_leader(&sim->ensemble);
    kill_server(sim, leader ? leader : server);
}

static void lag(struct sim *sim, struct server *server)
{
    sim->ensemble.lag_ns[server->id] = between(sim, 0, 200) * MS;
    world_tell(&sim->world, "s%d lags %lld ms behind", server->id,
               (long long)(sim->ensemble.lag_ns[server->id] / MS));
}

/* ---- strangers ---- */

static const struct znode *any_ephemeral(struct sim *sim)
{
    const struct server *leader = ensemble_leader(&sim->ensemble);
    const struct znode *found = NULL;
    int64_t seen = 0;

    for (size_t i = 0; leader && i < TREE_BUCKETS; i++)
        for (const struct znode *znode = leader->ahead.buckets[i]; znode;
             znode = znode->bucket_next)
            if (znode->stat.ephemeral_owner && between(sim, 0, seen++) == 0)
                found = znode;
    return found;
}

static void delete_path(struct sim *sim, const char *path)
{
    const struct keeper_request remove = { .verb = KEEPER_DELETE,
                                           .path = path,
                                           .version = KEEPER_ANY_VERSION };
    ensemble_stranger(&sim->ensemble, &remove);
}

static void delete_a_place(struct sim *sim)
{
    const struct znode *znode = any_ephemeral(sim);
    if (!znode)
        return;
    world_tell(&sim->world, "a stranger deletes %s", znode->path);
    delete_path(sim, znode->path);
}

static void change_path(struct sim *sim, const char *path, const void *data, size_t size)
{
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = path,
                                        .data = data,
                                        .data_size = size,
                                        .version = KEEPER_ANY_VERSION };
    world_tell(&sim->world, "a stranger changes %s", path);
    ensemble_stranger(&sim->ensemble, &set);
}

/* To the same data: who wipes out the token of a znode whose maker has not heard of it leaves it
 * nobody's. */
static void change_a_place(struct sim *sim)
{
    const struct znode *znode = any_ephemeral(sim);
    if (znode)
        change_path(sim, znode->path, znode->data, (size_t)znode->stat.data_size);
}

static void change_the_parent(struct sim *sim)
{
    const struct znode *znode = any_ephemeral(sim);
    if (znode)
        change_path(sim, znode->parent->path, "foreign", 7);
}

/* With all who stand there, in one moment or nearly; then perhaps made again. */
static void delete_the_parent(struct sim *sim)
{
    const struct znode *znode = any_ephemeral(sim);
    if (!znode)
        return;
    const struct znode *parent = znode->parent;
    world_tell(&sim->world, "a stranger deletes %s", parent->path);
    while (!list_is_empty(&parent->children))
        delete_path(sim, container_of(parent->children.next, struct znode, siblings)->path);
    delete_path(sim, parent->path);
    const struct keeper_request create = { .verb = KEEPER_CREATE,
                                           .path = parent->path,
                                           .mode = KEEPER_CONTAINER };
    if (between(sim, 0, 1))
        ensemble_stranger(&sim->ensemble, &create);
}

static void stranger(struct sim *sim)
{
    void (*const deeds[])(struct sim *) = { delete_a_place, delete_a_place, change_a_place,
                                            change_the_parent, delete_the_parent };
    deeds[between(sim, 0, 4)](sim);
}

/* ---- the schedule ---- */

typedef void client_fault(struct sim *sim, struct sim_client *client);
typedef void server_fault(struct sim *sim, struct server *server);

static void befall_client(struct sim *sim, client_fault *const *faults, int64_t count)
{
    struct sim_client *client = sim_client_any(sim);
    if (client)
        faults[between(sim, 0, count - 1)](sim, client);
}

/* ---- aimed ---- */

static void lose_the_write(struct sim *sim, struct sim_client *client)
{
    (void)sim;
    (void)links_write_is_under_way(client, true);
}

/* What is under way may be applied; who asked for it hears nothing for as long as matters. */
static void stall_down(struct sim *sim, struct sim_client *client)
{
    int64_t until_ns = sim->world.now_ns + some_time(sim);

    world_tell(&sim->world, "%s hears nothing for %lld ms", client->name,
               (long long)((until_ns - sim->world.now_ns) / MS));
    for (int i = 0; i < sim->ensemble.size; i++)
        client->down_stalled_until_ns[i] = until_ns;
}

static void lag_behind(struct sim *sim, struct sim_client *client)
{
    for (int i = 0; i < sim->ensemble.size; i++)
        sim->ensemble.lag_ns[i] = between(sim, 0, 1) * between(sim, 0, 300) * MS;
    world_tell(&sim->world, "followers lag behind");
    lose_the_write(sim, client);
}

static void lose_the_leader(struct sim *sim, struct sim_client *client)
{
    (void)client;
    kill_leader(sim, any_server(sim));
}

/* False: nobody writes just now; it is tried again at once. */
static bool strike_a_write(struct sim *sim)
{
    static client_fault *const faults[] = {
        lose_the_write, lose_the_write, lose_the_write, cut,        stall_down,
        stop_client,    end_session,    kill_client,    lag_behind, lose_the_leader
    };
    struct sim_client *client = sim_client_any(sim);

    if (!client || !links_write_is_under_way(client, false))
        return false;
    faults[between(sim, 0, sizeof(faults) / sizeof(*faults) - 1)](sim, client);
    return true;
}

static int64_t about_a_lease(struct sim *sim)
{
    int64_t t_ns = sim->longest_ns;
    return between(sim, 0, 1) ? between(sim, 4 * t_ns / 10, 6 * t_ns / 10)
                              : between(sim, 9 * t_ns / 10, 11 * t_ns / 10);
}

/* A follower and its leader, and now and then a client, don't hear each other until a lease, or a
 * session, is about to end. */
static void silence(struct sim *sim)
{
    struct ensemble *ensemble = &sim->ensemble;
    const struct server *leader = ensemble_leader(ensemble), *other = any_server(sim);
    struct sim_client *client = sim_client_any(sim);
    int64_t until_ns = sim->world.now_ns + about_a_lease(sim), ways = between(sim, 1, 3);

    if (leader && leader != other && (ways & 1))
        ensemble_cut(ensemble, leader->id, other->id, until_ns);
    if (leader && leader != other && (ways & 2))
        ensemble_cut(ensemble, other->id, leader->id, until_ns);
    if (leader && leader != other)
        world_tell(&sim->world, "s%d and its leader don't hear each other (%d) for %lld ms",
                   other->id, (int)ways, (long long)((until_ns - sim->world.now_ns) / MS));
    if (client && between(sim, 0, 1))
        sim_client_pause(client, about_a_lease(sim));
}

/* What an old look at a line, a name or a late mark can still do in the next one. */
static void make_anew(struct sim *sim)
{
    static client_fault *const faults[] = { lose_a_reply, cut, cut, stall, stop_client };

    befall_client(sim, faults, sizeof(faults) / sizeof(*faults));
    delete_the_parent(sim);
}

static void strike(struct sim *sim)
{
    static client_fault *const links[] = { lose_a_reply, lose_a_reply, cut, stall };
    static client_fault *const sessions[] = { stop_client, stop_client, stop_client,
                                              slow_down,   end_session, kill_client };
    static client_fault *const memory[] = { refuse_memory, refuse_memory, refuse_memory, slow_down,
                                            lose_a_reply,  cut,           stop_client };
    static server_fault *const servers[] = { kill_server, kill_leader, stop_server, isolate,
                                             isolate,     depose,      depose,      lag };
    enum profile profile = sim->profile;

    if (profile == PROFILE_ALL)
        profile = (enum profile)between(sim, PROFILE_LINKS, PROFILE_STRANGERS);
    switch (profile) {
    case PROFILE_LINKS:
        befall_client(sim, links, sizeof(links) / sizeof(*links));
        break;
    case PROFILE_SESSIONS:
        befall_client(sim, sessions, sizeof(sessions) / sizeof(*sessions));
        break;
    case PROFILE_SERVERS:
        servers[between(sim, 0, sizeof(servers) / sizeof(*servers) - 1)](sim, any_server(sim));
        break;
    case PROFILE_MEMORY:
        befall_client(sim, memory, sizeof(memory) / sizeof(*memory));
        break;
    case PROFILE_STRANGERS:
        stranger(sim);
        break;
    case PROFILE_ANEW:
        make_anew(sim);
        break;
    case PROFILE_EDGE:
        silence(sim);
        break;
    default:
        break;
    }
}

/* Who stands still is not woken before its time. */
int64_t faults_last_pause_ns(const struct sim *sim)
{
    int64_t last_ns = 0;

    list_for_each (node, &sim->clients) {
        const struct sim_client *client = container_of(node, struct sim_client, node);
        if (!client->is_dead && client->paused_until_ns > last_ns)
            last_ns = client->paused_until_ns;
        if (!client->is_dead && client->slow_until_ns > last_ns)
            last_ns = client->slow_until_ns;
    }
    for (int i = 0; i < sim->ensemble.size; i++)
        if (sim->ensemble.servers[i].paused_until_ns > last_ns)
            last_ns = sim->ensemble.servers[i].paused_until_ns;
    return last_ns;
}

static void struck(struct event *event)
{
    struct sim *sim = container_of(event, struct sim, fault);

    if (sim->world.now_ns >= sim->faults_until_ns) {
        int64_t awake_ns = faults_last_pause_ns(sim);
        if (awake_ns > sim->world.now_ns)
            event_at(&sim->world, event, awake_ns + MS, struck);
        else
            faults_end(sim);
        return;
    }
    if (sim->profile != PROFILE_FLIGHT) {
        strike(sim);
    } else if (!strike_a_write(sim)) {
        event_at(&sim->world, event, sim->world.now_ns + between(sim, 50, 2000) * US, struck);
        return;
    }
    event_at(&sim->world, event, sim->world.now_ns + between(sim, 1, sim->longest_ns / MS) * MS,
             struck);
}

void faults_begin(struct sim *sim, int64_t until_ns)
{
    sim->faulty = true;
    sim->faults_until_ns = until_ns;
    event_at(&sim->world, &sim->fault, sim->world.now_ns + between(sim, 1, 1000) * MS, struck);
}

void faults_end(struct sim *sim)
{
    sim->faulty = false;
    event_stop(&sim->world, &sim->memory_back);
    sim->memory.fails_percent = 0;
    sim->memory.fails_at = 0;
    ensemble_heal(&sim->ensemble);
    list_for_each (node, &sim->clients) {
        struct sim_client *client = container_of(node, struct sim_client, node);
        client->lose_reply_in = 0;
        memset(client->up_stalled_until_ns, 0, sizeof(client->up_stalled_until_ns));
        memset(client->down_stalled_until_ns, 0, sizeof(client->down_stalled_until_ns));
        links_kick(client);
    }
}
