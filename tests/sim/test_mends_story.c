/* test_mends_story.c - see test_mends_story.h. */
#include "test_mends_story.h"

#define TICK_NS (100 * MS)

/* ---- the world ---- */

void story_begin(struct story *story)
{
    *story = (struct story){ 0 };
    world_begin(&story->sim.world, 1);
    sim_use(&story->sim);
    ensemble_begin(&story->sim.ensemble, &story->sim.world, 1, TICK_NS, 5);
}

void story_end(struct story *story)
{
    struct sim *sim = &story->sim;

    list_for_each (node, &sim->clients)
        sim_client_free(container_of(node, struct sim_client, node));
    list_for_each (node, &sim->clients) {
        while (!links_are_closed(container_of(node, struct sim_client, node)))
            assert_true(world_step(&sim->world));
    }
    sim_use(NULL);
    assert_string_equal(sim->world.failure, "");
    assert_int_equal(sim->memory.live, 0);
    world_end(&sim->world);
}

void pass(struct story *story, int64_t length_ns)
{
    int64_t until_ns = story->sim.world.now_ns + length_ns;

    while (story->sim.world.now_ns < until_ns)
        assert_true(world_step(&story->sim.world));
}

bool stands(struct story *story, const char *path)
{
    return tree_find(ensemble_truth(&story->sim.ensemble), path) != NULL;
}

void stranger(struct story *story, struct keeper_request request)
{
    request.version = KEEPER_ANY_VERSION;
    assert_true(ensemble_stranger(&story->sim.ensemble, &request));
}

void stranger_deletes(struct story *story, const char *path)
{
    stranger(story, (struct keeper_request){ .verb = KEEPER_DELETE, .path = path });
    AWAIT(story, !stands(story, path));
}

/* ---- clients, and what they hear ---- */

struct sim_client *user(struct story *story)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    options.session_timeout_ms = TIMEOUT_NS / MS;
    struct sim_client *client = sim_client_new(&story->sim, &options);
    AWAIT(story, client->lk->connected);
    return client;
}

void hold_back(struct sim_client *client)
{
    client->up_stalled_until_ns[0] = FOREVER_NS;
}

void hear(struct sim_client *client)
{
    client->up_stalled_until_ns[0] = 0;
    links_kick(client);
}

void lose_connection(struct story *story, struct sim_client *client)
{
    hold_back(client); /* no new one comes up */
    links_cut(client);
    AWAIT(story, !client->lk->connected);
}

void ended(int status, void *arg)
{
    struct end *end = arg;
    end->status = status;
    end->times++;
}

lk_lock *lock_of(struct sim_client *client, const char *path)
{
    lk_lock *lock;
    assert_int_equal(lk_lock_new(&lock, client->lk, path, NULL), LK_OK);
    return lock;
}

struct place *place_of(lk_lock *lock)
{
    return (struct place *)lock;
}

void wait_for(struct sim_client *client, lk_lock *lock, struct end *end)
{
    *end = (struct end){ 0 };
    assert_int_equal(lk_lock_acquire_start(lock, LK_FOREVER, ended, end, NULL), LK_OK);
    sim_client_touch(client);
}

void acquire(struct story *story, struct sim_client *client, lk_lock *lock)
{
    struct end end;

    wait_for(client, lock, &end);
    AWAIT(story, end.times > 0);
    assert_int_equal(end.status, LK_OK);
}

void release(struct story *story, struct sim_client *client, lk_lock *lock)
{
    struct end end = { 0 };

    assert_int_equal(lk_lock_release_start(lock, LK_FOREVER, ended, &end, NULL), LK_OK);
    sim_client_touch(client);
    AWAIT(story, end.times > 0);
    assert_int_equal(end.status, LK_OK);
}

void drop(struct sim_client *client, lk_lock *lock)
{
    lk_lock_free(lock);
    sim_client_touch(client);
}

/* ---- threads in blocking calls ---- */

void call(struct caller *caller, struct sim_client *client, void (*run)(struct program *program))
{
    assert_true(program_start(&caller->program, client, run));
}

static bool is_woken(const struct caller *caller)
{
    return event_is_set(&caller->program.wake);
}

void keep_from_running(struct story *story, struct caller *caller)
{
    AWAIT(story, is_woken(caller));
    event_stop(&story->sim.world, &caller->program.wake);
}

void let_run(struct story *story, struct caller *caller)
{
    struct world *world = &story->sim.world;

    event_at(world, &caller->program.wake, world->now_ns, caller->program.wake.run);
    AWAIT(story, !is_woken(caller));
}

int answer_of(struct story *story, struct caller *caller)
{
    AWAIT(story, caller->program.done);
    program_join(&caller->program);
    return caller->status;
}
