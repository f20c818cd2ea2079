/* sweep_client.c - a client from its beginning to its end. Its handshakes are no requests, so most
 * of these are swept by the steps of the world. */
#include "sweep.h"

#include <string.h>

static int client_new(struct scene *scene)
{
    int status;
    struct sim_client *client = scene_client(scene, &status);

    if (status != LK_OK)
        list_remove(&client->node);
    return status;
}

/* A second one, whom the faults befall. */
static int connect(struct scene *scene)
{
    int status;

    if (!scene->subject || scene->subject == scene->client)
        scene->subject = scene_client(scene, &status);
    return lk_client_wait_connected(scene->subject->lk, LK_FOREVER);
}

static int is_connected(struct scene *scene)
{
    lk_client_info info;

    lk_client_info_get(scene->subject->lk, &info);
    if (!info.connected || info.session_id == 0)
        scene_wrong(scene, "it is not connected", LK_E_NO_SERVER);
    return LK_OK;
}

static int hold(struct scene *scene)
{
    int status = lk_lock_new(&scene->lock, scene->client->lk, LINE_PATH, NULL);
    return status == LK_OK ? lk_lock_acquire(scene->lock, LK_FOREVER, NULL) : status;
}

static int close_it(struct scene *scene)
{
    return lk_client_close(scene->client->lk, LK_FOREVER);
}

static bool is_other_granted(struct scene *scene)
{
    return scene->ended > 0;
}

/* Who stands behind is granted: at once, or when the session has ended. */
static int other_is_granted(struct scene *scene)
{
    scene_await(scene, is_other_granted);
    if (scene->status != LK_OK && scene->fault < FAULT_MEMORY) /* it may have been its own */
        scene_wrong(scene, "who stood behind was not granted", scene->status);
    return LK_OK;
}

static int hold_before_other(struct scene *scene)
{
    int status = hold(scene);

    if (status == LK_OK)
        status = lk_lock_new(&scene->others_lock, scene->other->lk, LINE_PATH, NULL);
    if (status == LK_OK)
        status = lk_lock_acquire_start(scene->others_lock, LK_FOREVER, scene_done, scene, NULL);
    scene->asked++;
    sim_client_touch(scene->other);
    program_sleep(scene->program, 50 * MS);
    return status;
}

static int free_it(struct scene *scene)
{
    scene->lock = lk_lock_free(scene->lock);
    sim_client_free(scene->client);
    scene_await(scene, is_other_granted);
    return LK_OK;
}

static int server_ms(struct scene *scene)
{
    int64_t ms = 0;
    int status = lk_client_server_ms(scene->client->lk, LINE_PATH, LK_FOREVER, &ms);

    if (status == LK_OK && ms <= 0)
        scene_wrong(scene, "the time is none", status);
    return status;
}

/* It makes a znode, and takes it away again in the same commit. */
static int nothing_is_left(struct scene *scene)
{
    const struct znode *root = tree_find(ensemble_truth(&scene->sim.ensemble), "/");

    list_for_each (node, &root->children) {
        const struct znode *child = container_of(node, struct znode, siblings);
        if (strcmp(child->path, "/zookeeper") != 0)
            scene_wrong(scene, child->path, LK_E_EXISTS);
    }
    return LK_OK;
}

const struct row sweep_client_rows[] = {
    { "lk_client_new", "", .run = client_new, .flags = ASKS_NOTHING },
    { "lk_client_wait_connected", "", .run = connect, .verdict = is_connected,
      .flags = BY_STEPS | MAKES_NOTHING },
    { "lk_client_server_ms", "", .run = server_ms, .verdict = nothing_is_left },
    { "lk_client_close", "holding a lock", .prepare = hold_before_other, .run = close_it,
      .verdict = other_is_granted, .flags = BY_STEPS | MAKES_NOTHING },
    { "lk_client_free", "holding a lock", .prepare = hold_before_other, .run = free_it,
      .verdict = other_is_granted, .flags = BY_STEPS },
};
const size_t sweep_client_count = sizeof(sweep_client_rows) / sizeof(*sweep_client_rows);
