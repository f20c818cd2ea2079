/* testing_faults.c - <latchkey/testing.h>: what befalls clients and servers at the test's word, and
 * looking at what has become of them. */
#include "users.h"

#include <string.h>

#include "base/path.h"
#include "session/engine.h"

#define DATA_SIZE_MOST (1000 * 1000)
#define PAUSE_MOST_MS (24 * 3600 * 1000)

static const struct workload plenty = { .name = "testing" };
static const struct workload scarcity = { .name = "testing", .bears_scarcity = true };

static int64_t in_ms(const struct sim *sim, int64_t ms)
{
    const int64_t most_ms = INT64_MAX / MS / 4;
    return sim->world.now_ns + (ms < 0 ? 0 : ms < most_ms ? ms : most_ms) * MS;
}

/* ---- clients ---- */

int lk_testing_lose_reply(lk_client *lk, int64_t nth)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK || nth < 0)
        return status != LK_OK ? status : LK_E_INVALID;
    client->lose_reply_in = nth;
    return LK_OK;
}

int lk_testing_cut(lk_client *lk)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status == LK_OK)
        links_cut(client);
    return status;
}

int lk_testing_stall(lk_client *lk, lk_testing_ways ways, int64_t ms)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK || (ways & ~LK_TESTING_BOTH) || !ways)
        return status != LK_OK ? status : LK_E_INVALID;
    world_tell(&client->sim->world, "%s's link stalls for %lld ms", client->name, (long long)ms);
    for (int i = 0; i < client->sim->ensemble.size; i++) {
        if (ways & LK_TESTING_UP)
            client->up_stalled_until_ns[i] = in_ms(client->sim, ms);
        if (ways & LK_TESTING_DOWN)
            client->down_stalled_until_ns[i] = in_ms(client->sim, ms);
    }
    links_kick(client);
    return LK_OK;
}

int lk_testing_expire(lk_client *lk)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK)
        return status;
    int64_t session = link_session_of(client);
    if (!session)
        return LK_E_STATE;
    world_tell(&client->sim->world, "an operator ends session %lld of %s", (long long)session,
               client->name);
    return ensemble_expire(&client->sim->ensemble, session) ? LK_OK : LK_E_NO_SERVER;
}

int lk_testing_pause(lk_client *lk, int64_t ms)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK || ms < 0 || ms > PAUSE_MOST_MS)
        return status != LK_OK ? status : LK_E_INVALID;
    sim_client_pause(client, ms * MS);
    return LK_OK;
}

int lk_testing_kill(lk_client *lk)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK || client->is_dead)
        return status;
    sim_client_kill(client);
    sim_clients_tend(client->sim);
    return LK_OK;
}

int lk_testing_drift(lk_client *lk, int64_t millionths)
{
    struct sim_client *client;
    int status = users_client(lk, &client);

    if (status != LK_OK || millionths < -100000 || millionths > 100000)
        return status != LK_OK ? status : LK_E_INVALID;
    int64_t now_ns = sim_client_now(client);
    client->drift_ppm = millionths;
    client->clock_begin_ns += now_ns - sim_client_now(client);
    return LK_OK;
}

/* ---- servers ---- */

static int users_server(lk_testing *world, int server, struct server **out)
{
    int status = users_world(world);

    if (status != LK_OK || server < 0 || server >= world->sim.ensemble.size)
        return status != LK_OK ? status : LK_E_INVALID;
    *out = &world->sim.ensemble.servers[server];
    return LK_OK;
}

int lk_testing_server_down(lk_testing *world, int server)
{
    struct server *own;
    int status = users_server(world, server, &own);

    if (status == LK_OK)
        server_kill(own);
    return status;
}

int lk_testing_server_up(lk_testing *world, int server)
{
    struct server *own;
    int status = users_server(world, server, &own);

    if (status == LK_OK)
        server_start(own);
    return status;
}

static void cut_off(struct sim *sim, int server, int64_t until_ns)
{
    for (int i = 0; i < sim->ensemble.size; i++) {
        if (i == server)
            continue;
        ensemble_cut(&sim->ensemble, server, i, until_ns);
        ensemble_cut(&sim->ensemble, i, server, until_ns);
    }
}

int lk_testing_partition(lk_testing *world, int server, int64_t ms)
{
    struct server *own;
    int status = users_server(world, server, &own);

    if (status != LK_OK)
        return status;
    world_tell(&world->sim.world, "s%d is cut off from its peers for %lld ms", server,
               (long long)ms);
    cut_off(&world->sim, server, in_ms(&world->sim, ms));
    return LK_OK;
}

int lk_testing_move_leader(lk_testing *world)
{
    int status = users_world(world);
    if (status != LK_OK)
        return status;
    struct sim *sim = &world->sim;
    struct ensemble *ensemble = &sim->ensemble;
    const struct server *leader = ensemble_leader(ensemble);
    if (!leader || ensemble->size == 1)
        return leader ? LK_E_STATE : LK_E_NO_SERVER;
    world_tell(&sim->world, "s%d's followers leave it", leader->id);
    cut_off(sim, leader->id, sim->world.now_ns + (ensemble->sync_limit + 1) * ensemble->tick_ns);
    for (int i = 0; i < ensemble->size; i++)
        if (i != leader->id)
            server_lose_leader(&ensemble->servers[i]);
    return LK_OK;
}

/* By a quorum, whatever it believes itself. */
static bool is_followed(const struct server *leader)
{
    const struct ensemble *ensemble = leader->ensemble;
    int votes = 1;

    for (int i = 0; i < ensemble->size; i++)
        votes += ensemble->servers[i].role == SERVER_FOLLOWING
                 && ensemble->servers[i].leader == leader->id;
    return 2 * votes > ensemble->size;
}

int lk_testing_leader(lk_testing *world)
{
    if (users_world(world) != LK_OK)
        return -1;
    const struct server *leader = ensemble_leader(&world->sim.ensemble);
    return leader && is_followed(leader) ? leader->id : -1;
}

int lk_testing_server_of(lk_client *lk)
{
    struct sim_client *client;
    return users_client(lk, &client) == LK_OK ? link_server_of(client) : -1;
}

/* ---- memory ---- */

int lk_testing_refuse_allocation(lk_testing *world, uint64_t nth)
{
    int status = users_world(world);

    if (status == LK_OK)
        world->sim.memory.fails_at = nth ? world->sim.memory.asked + nth : 0;
    return status;
}

int lk_testing_refuse_percent(lk_testing *world, unsigned percent)
{
    int status = users_world(world);

    if (status != LK_OK || percent > 100)
        return status != LK_OK ? status : LK_E_INVALID;
    world->sim.memory.fails_percent = percent;
    return LK_OK;
}

/* ---- strangers ---- */

static int status_of(enum keeper_rc rc)
{
    switch (rc) {
    case KEEPER_OK:
        return LK_OK;
    case KEEPER_NO_NODE:
        return LK_E_NOT_FOUND;
    case KEEPER_NODE_EXISTS:
        return LK_E_EXISTS;
    case KEEPER_NO_RIGHTS:
        return LK_E_NO_RIGHTS;
    default:
        return LK_E_STATE;
    }
}

static int write_as_stranger(lk_testing *world, const char *does,
                             const struct keeper_request *request)
{
    int status = users_world(world);
    struct change change;

    if (status == LK_OK)
        status = request->path && (request->data || !request->data_size) ? path_check(request->path)
                                                                         : LK_E_INVALID;
    if (status == LK_OK && request->data_size > DATA_SIZE_MOST)
        status = LK_E_TOO_LARGE;
    if (status != LK_OK)
        return status;
    struct ensemble *ensemble = &world->sim.ensemble;
    const struct server *leader = ensemble_leader(ensemble);
    if (!leader)
        return LK_E_NO_SERVER;
    status = status_of(tree_judge(&leader->ahead, request, &(struct requester){ 0 }, &change));
    if (status != LK_OK)
        return status;
    world_tell(&world->sim.world, "a stranger %s %s", does, request->path);
    return ensemble_stranger(ensemble, request) ? LK_OK : LK_E_NO_SERVER;
}

int lk_testing_znode_create(lk_testing *world, const char *path, const void *data, size_t size)
{
    return write_as_stranger(
        world, "creates",
        &(struct keeper_request){
            .verb = KEEPER_CREATE, .path = path, .data = data, .data_size = size });
}

int lk_testing_znode_set(lk_testing *world, const char *path, const void *data, size_t size)
{
    return write_as_stranger(world, "sets",
                             &(struct keeper_request){ .verb = KEEPER_SET,
                                                       .path = path,
                                                       .data = data,
                                                       .data_size = size,
                                                       .version = KEEPER_ANY_VERSION });
}

int lk_testing_znode_delete(lk_testing *world, const char *path)
{
    return write_as_stranger(world, "deletes",
                             &(struct keeper_request){ .verb = KEEPER_DELETE,
                                                       .path = path,
                                                       .version = KEEPER_ANY_VERSION });
}

/* ---- all of it ---- */

int lk_testing_faults_for_ms(lk_testing *world, lk_testing_faults faults, int64_t ms)
{
    static const enum profile profiles[] = {
        [LK_TESTING_LINKS] = PROFILE_LINKS,         [LK_TESTING_SERVERS] = PROFILE_SERVERS,
        [LK_TESTING_SESSIONS] = PROFILE_SESSIONS,   [LK_TESTING_MEMORY] = PROFILE_MEMORY,
        [LK_TESTING_STRANGERS] = PROFILE_STRANGERS, [LK_TESTING_ALL] = PROFILE_ALL,
    };
    int status = users_world(world);

    if (status != LK_OK || (size_t)faults >= sizeof(profiles) / sizeof(*profiles))
        return status != LK_OK ? status : LK_E_INVALID;
    world->sim.profile = profiles[faults];
    world->sim.workload = faults == LK_TESTING_MEMORY ? &scarcity : &plenty;
    faults_begin(&world->sim, in_ms(&world->sim, ms));
    return LK_OK;
}

int lk_testing_heal(lk_testing *world)
{
    int status = users_world(world);
    if (status != LK_OK)
        return status;
    event_stop(&world->sim.world, &world->sim.fault);
    faults_end(&world->sim);
    world_tell(&world->sim.world, "healed");
    return LK_OK;
}

/* ---- looking ---- */

static const struct znode *look_up(const lk_testing *world, const char *path)
{
    return users_world(world) == LK_OK && path
               ? tree_find(ensemble_truth(&world->sim.ensemble), path)
               : NULL;
}

int lk_testing_znode_get(lk_testing *world, const char *path, lk_testing_znode *out)
{
    const struct znode *znode = look_up(world, path);
    int status = users_world(world);

    if (status != LK_OK || !path)
        return status != LK_OK ? status : LK_E_INVALID;
    if (!znode)
        return LK_E_NOT_FOUND;
    if (out)
        *out = (lk_testing_znode){ .data = znode->data,
                                   .data_size = (size_t)znode->stat.data_size,
                                   .children = (size_t)znode->stat.child_count,
                                   .czxid = znode->stat.czxid,
                                   .mzxid = znode->stat.mzxid,
                                   .version = znode->stat.version,
                                   .session_id = (uint64_t)znode->stat.ephemeral_owner };
    return LK_OK;
}

const char *lk_testing_child(lk_testing *world, const char *path, size_t nth)
{
    const struct znode *znode = look_up(world, path);

    if (!znode)
        return NULL;
    list_for_each (node, &znode->children)
        if (nth-- == 0)
            return znode_name(container_of(node, struct znode, siblings));
    return NULL;
}

size_t lk_testing_ephemerals(lk_testing *world)
{
    return users_world(world) == LK_OK ? invariants_left_over(&world->sim) : 0;
}

size_t lk_testing_sessions(lk_testing *world)
{
    size_t count = 0;

    if (users_world(world) != LK_OK)
        return 0;
    list_for_each (node, &ensemble_truth(&world->sim.ensemble)->sessions)
        count++;
    return count;
}

const char *lk_testing_trace(const lk_testing *world)
{
    return users_world(world) == LK_OK && world->sim.world.trace ? world->sim.world.trace : "";
}

uint64_t lk_testing_requests(lk_client *lk)
{
    struct sim_client *client;
    return users_client(lk, &client) == LK_OK ? client->requests : 0;
}

const char *lk_testing_left(lk_client *lk)
{
    struct sim_client *client;
    return users_client(lk, &client) == LK_OK ? invariants_engine_left(client) : NULL;
}

void lk_testing_memory_get(const lk_testing *world, lk_testing_memory *out)
{
    *out = (lk_testing_memory){ 0 };
    if (users_world(world) == LK_OK)
        *out = (lk_testing_memory){ .asked = world->sim.memory.asked,
                                    .refused = world->sim.memory.refused,
                                    .live = world->sim.memory.live };
}
