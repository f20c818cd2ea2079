/* sweep_place.c - what must be true of whatever stands in a line, be it a lock, a candidate, a
 * read-write lock or a semaphore: it is held once, or it is out of the line. And who else stands
 * there. */
#include "sweep.h"

#include <stdio.h>

/* ---- the others ---- */

int scene_others_lock(struct scene *scene)
{
    int status = lk_lock_new(&scene->others_lock, scene->other->lk, LINE_PATH, NULL);
    return status == LK_OK ? lk_lock_acquire(scene->others_lock, LK_FOREVER, NULL) : status;
}

void scene_other_leaves(struct scene *scene)
{
    scene->others_lock = lk_lock_free(scene->others_lock);
    scene->others_candidate = lk_candidate_free(scene->others_candidate);
    scene->others_rwlock = lk_rwlock_free(scene->others_rwlock);
    scene->others_semaphore = lk_semaphore_free(scene->others_semaphore);
}

void scene_stranger_deletes_first(struct scene *scene)
{
    const struct znode *line = tree_find(ensemble_truth(&scene->sim.ensemble), LINE_PATH);

    if (!line || list_is_empty(&line->children))
        return; /* the fault has taken it */
    const struct keeper_request remove = {
        .verb = KEEPER_DELETE,
        .path = container_of(line->children.next, struct znode, siblings)->path,
        .version = KEEPER_ANY_VERSION,
    };
    ensemble_stranger(&scene->sim.ensemble, &remove);
}

/* ---- our own place ---- */

void scene_changed(const lk_grant_change *change, void *arg)
{
    ((struct scene *)arg)->told = change->state;
}

/* Whichever of its handles a scene has: none has two. */
static lk_grant_state state_of(const struct scene *scene)
{
    return scene->lock        ? lk_lock_state(scene->lock)
           : scene->candidate ? lk_candidate_state(scene->candidate)
           : scene->rwlock    ? lk_rwlock_state(scene->rwlock)
           : scene->semaphore ? lk_semaphore_state(scene->semaphore)
                              : LK_IDLE;
}

static int node_of(const struct scene *scene, char *name, size_t size)
{
    return scene->lock        ? lk_lock_node(scene->lock, name, size)
           : scene->candidate ? lk_candidate_node(scene->candidate, name, size)
           : scene->rwlock    ? lk_rwlock_node(scene->rwlock, name, size)
                              : lk_semaphore_node(scene->semaphore, name, size);
}

static int fence_of(const struct scene *scene, lk_fence *out)
{
    return scene->lock        ? lk_lock_fence(scene->lock, out)
           : scene->candidate ? lk_candidate_fence(scene->candidate, out)
           : scene->rwlock    ? lk_rwlock_fence(scene->rwlock, out)
                              : lk_semaphore_fence(scene->semaphore, out);
}

bool scene_holds(struct scene *scene)
{
    return state_of(scene) == LK_HELD || state_of(scene) == LK_SUSPENDED;
}

const struct znode *scene_own_znode(const struct scene *scene)
{
    char name[128] = "", path[256];

    if (node_of(scene, name, sizeof(name)) != LK_OK)
        return NULL;
    snprintf(path, sizeof(path), LINE_PATH "/%s", name);
    return tree_find(ensemble_truth(&scene->sim.ensemble), path);
}

bool scene_has_no_place(struct scene *scene)
{
    return scene_places(scene, scene->client) == 0;
}

int scene_is_held_once(struct scene *scene)
{
    lk_fence fence = { 0 };
    int fenced = fence_of(scene, &fence);

    if (fenced != LK_OK || !scene_holds(scene)) {
        scene_wrong(scene, "it is not held", fenced);
        return LK_OK;
    }
    const struct znode *own = scene_own_znode(scene);
    /* Who turned reader keeps the writer's fence, one turn later, on a znode made anew. */
    bool has_turned = scene->rwlock && fence.turn > 0;
    if (!own
        || (has_turned ? own->stat.czxid <= (int64_t)fence.zxid
                       : own->stat.czxid != (int64_t)fence.zxid))
        scene_wrong(scene, "what is held is not on the servers", LK_E_LOST);
    if (scene_places(scene, scene->client) != 1)
        scene_wrong(scene, "there is more than one place of ours", LK_E_EXISTS);
    if (scene->told != LK_HELD)
        scene_wrong(scene, "on_change was told something else last", LK_E_STATE);
    return LK_OK;
}

int scene_is_out(struct scene *scene)
{
    if (!scene_has_no_place(scene))
        scene_wrong(scene, "a place of ours was left", LK_E_EXISTS);
    if (scene_holds(scene))
        scene_wrong(scene, "it is still held", LK_E_STATE);
    if (scene->told != LK_IDLE && scene->told != LK_LOST)
        scene_wrong(scene, "on_change was told something else last", LK_E_STATE);
    return LK_OK;
}
