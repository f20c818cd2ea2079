/* sweep_parts.c - what is made of locks, and what stands beside them: mutexes, multi-locks, guards,
 * gates and revocation. */
#include "sweep.h"

#include <string.h>

#define SECOND_PATH "/line of another"
#define MADE_PATH "/made"
#define GATE_PATH "/deep/gate"

static const struct znode *truth(const struct scene *scene, const char *path)
{
    return tree_find(ensemble_truth(&scene->sim.ensemble), path);
}

static int has_left(struct scene *scene)
{
    if (!scene_has_no_place(scene))
        scene_wrong(scene, "a place of ours was left", LK_E_EXISTS);
    return LK_OK;
}

/* ---- a mutex: owned by the thread that took it, so each round takes and gives in one act ---- */

static int mutex_new(struct scene *scene)
{
    return scene->mutex ? LK_OK : lk_mutex_new(&scene->mutex, scene->client->lk, LINE_PATH, NULL);
}

static int mutex_own_and_unlock(struct scene *scene, int *out_unlocked)
{
    lk_fence fence = { 0 };
    bool is_lost = lk_mutex_state(scene->mutex) == LK_LOST;

    if (lk_mutex_depth(scene->mutex) != 1)
        scene_wrong(scene, "its thread does not own it", LK_E_STATE);
    if (!is_lost && lk_mutex_fence(scene->mutex, &fence) == LK_OK
        && lk_fence_compare(fence, scene->fence) != 0)
        scene_wrong(scene, "its fence is another than was told", LK_E_STALE);
    *out_unlocked = lk_mutex_unlock(scene->mutex, LK_FOREVER);
    if (lk_mutex_depth(scene->mutex) != 0)
        scene_wrong(scene, "its thread still owns it", LK_E_STATE);
    return LK_OK;
}

static int mutex_lock(struct scene *scene)
{
    int unlocked, status = lk_mutex_lock(scene->mutex, LK_FOREVER, &scene->fence);
    return status == LK_OK ? mutex_own_and_unlock(scene, &unlocked) : status;
}

static int mutex_try(struct scene *scene)
{
    int unlocked, status = lk_mutex_try(scene->mutex, LK_FOREVER, &scene->fence);
    return status == LK_OK ? mutex_own_and_unlock(scene, &unlocked) : status;
}

static int mutex_unlock(struct scene *scene)
{
    int unlocked = LK_OK, status = lk_mutex_lock(scene->mutex, LK_FOREVER, &scene->fence);

    if (status == LK_OK)
        status = lk_mutex_lock(scene->mutex, LK_FOREVER, NULL); /* once more: it counts */
    if (lk_mutex_depth(scene->mutex) == 2 && lk_mutex_unlock(scene->mutex, LK_FOREVER) != LK_OK)
        status = LK_E_LOST;
    if (lk_mutex_depth(scene->mutex) > 0)
        mutex_own_and_unlock(scene, &unlocked);
    return status == LK_OK ? unlocked : status;
}

static int mutex_free(struct scene *scene)
{
    int status = mutex_new(scene);

    if (status == LK_OK)
        status = lk_mutex_lock(scene->mutex, LK_FOREVER, NULL);
    scene->mutex = lk_mutex_free(scene->mutex);
    scene_await(scene, scene_has_no_place);
    return status;
}

/* ---- several paths, all or none ---- */

static int multilock_new(struct scene *scene)
{
    static const char *const paths[] = { SECOND_PATH, LINE_PATH };
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    if (scene->multilock)
        return LK_OK;
    options.on_change = scene_changed;
    options.on_change_arg = scene;
    return lk_multilock_new(&scene->multilock, scene->client->lk, paths, 2, &options);
}

static int multilock_acquire(struct scene *scene)
{
    return lk_multilock_acquire(scene->multilock, LK_FOREVER);
}

static int multilock_try(struct scene *scene)
{
    return lk_multilock_try(scene->multilock, LK_FOREVER);
}

static int multilock_acquire_start(struct scene *scene)
{
    return scene_end_of(scene, lk_multilock_acquire_start(scene->multilock, LK_FOREVER, scene_done,
                                                          scene, &scene->op));
}

static int multilock_try_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_multilock_try_start(scene->multilock, LK_FOREVER, scene_done, scene, &scene->op));
}

static bool multilock_holds(const struct scene *scene)
{
    lk_grant_state state = lk_multilock_state(scene->multilock);
    return state == LK_HELD || state == LK_SUSPENDED;
}

/* What remains of one that was lost in part has to be given back first. */
static int multilock_again(struct scene *scene)
{
    if (multilock_holds(scene))
        return LK_OK;
    (void)!lk_multilock_release(scene->multilock, LK_FOREVER);
    return multilock_acquire(scene);
}

static int multilock_hold(struct scene *scene)
{
    int status = multilock_new(scene);
    return status == LK_OK ? multilock_acquire(scene) : status;
}

static int multilock_release(struct scene *scene)
{
    return lk_multilock_release(scene->multilock, LK_FOREVER);
}

static int multilock_release_start(struct scene *scene)
{
    return scene_end_of(scene, lk_multilock_release_start(scene->multilock, LK_FOREVER, scene_done,
                                                          scene, &scene->op));
}

static int multilock_is_held(struct scene *scene)
{
    lk_fence fence = { 0 };

    for (size_t i = 0; i < 2; i++)
        if (!multilock_holds(scene) || lk_multilock_fence(scene->multilock, i, &fence) != LK_OK)
            scene_wrong(scene, "it is not held", LK_E_STATE);
    if (scene_places(scene, scene->client) != 2)
        scene_wrong(scene, "there are not as many places as paths", LK_E_EXISTS);
    return LK_OK;
}

static int multilock_is_out(struct scene *scene)
{
    if (scene->multilock && multilock_holds(scene))
        scene_wrong(scene, "it is still held", LK_E_STATE);
    return has_left(scene);
}

static int multilock_release_again(struct scene *scene)
{
    int status = multilock_release(scene);
    return status == LK_E_STATE || status == LK_E_LOST ? LK_OK : status; /* it is out already */
}

static int multilock_free(struct scene *scene)
{
    scene->multilock = lk_multilock_free(scene->multilock);
    scene_await(scene, scene_has_no_place);
    return LK_OK;
}

/* ---- guards ---- */

static int hold(struct scene *scene)
{
    int status = LK_OK;

    if (!scene->lock)
        status = lk_lock_new(&scene->lock, scene->client->lk, LINE_PATH, NULL);
    return status == LK_OK ? lk_lock_acquire(scene->lock, LK_FOREVER, NULL) : status;
}

static int guard_new(struct scene *scene)
{
    return scene->guard ? LK_OK : lk_guard_new(&scene->guard, scene->client->lk);
}

/* Each kind of operation, whose whole makes one znode. */
static int guard_fill(struct scene *scene)
{
    int status = lk_guard_create(scene->guard, MADE_PATH, "one", 3);

    if (status == LK_OK)
        status = lk_guard_set(scene->guard, MADE_PATH, "two", 3, 0);
    if (status == LK_OK)
        status = lk_guard_check(scene->guard, MADE_PATH, 1);
    if (status == LK_OK)
        status = lk_guard_create(scene->guard, MADE_PATH "/for a moment", NULL, 0);
    if (status == LK_OK)
        status = lk_guard_delete(scene->guard, MADE_PATH "/for a moment", LK_ANY_VERSION);
    return status;
}

static int guard_filled(struct scene *scene)
{
    int status = guard_new(scene);

    if (status == LK_OK)
        status = lk_guard_clear(scene->guard);
    return status == LK_OK ? guard_fill(scene) : status;
}

static int guard_ready(struct scene *scene)
{
    int status = hold(scene);

    if (status == LK_OK)
        status = guard_filled(scene);
    return status == LK_OK ? lk_guard_hold(scene->guard, lk_lock_grant(scene->lock)) : status;
}

static int is_so(struct scene *scene, int status)
{
    const struct znode *made = truth(scene, MADE_PATH);

    if (status == LK_OK && !made)
        scene_wrong(scene, "nothing was written, and it says so", status);
    if (status != LK_OK && status != LK_E_UNKNOWN && made)
        scene_wrong(scene, "something was written, and it says nothing was", status);
    return status;
}

static int guard_commit(struct scene *scene)
{
    return is_so(scene, lk_guard_commit(scene->guard, LK_FOREVER));
}

static int guard_commit_start(struct scene *scene)
{
    return is_so(scene, scene_end_of(scene, lk_guard_commit_start(scene->guard, LK_FOREVER,
                                                                  scene_done, scene, &scene->op)));
}

/* What came of an unknown end is looked up first. */
static int guard_again(struct scene *scene)
{
    if (truth(scene, MADE_PATH))
        return LK_OK;
    if (lk_lock_state(scene->lock) == LK_HELD)
        (void)!lk_lock_release(scene->lock, LK_FOREVER);
    int status = guard_ready(scene);
    return status == LK_OK ? guard_commit(scene) : status;
}

static int is_made(struct scene *scene)
{
    const struct znode *made = truth(scene, MADE_PATH);

    if (!made || made->stat.version != 1 || made->stat.child_count != 0)
        scene_wrong(scene, "what was written is otherwise", LK_E_VERSION);
    return LK_OK;
}

/* ---- gates ---- */

static int gate_write(struct scene *scene)
{
    return lk_gate_write_at(scene->client->lk, GATE_PATH, (lk_fence){ .zxid = 5 }, LK_FOREVER);
}

static int gate_read(struct scene *scene)
{
    return lk_gate_read_at(scene->client->lk, GATE_PATH, (lk_fence){ .zxid = 6 }, LK_FOREVER);
}

static int gate_read_late(struct scene *scene)
{
    return lk_gate_read_at(scene->client->lk, GATE_PATH, (lk_fence){ .zxid = 4 }, LK_FOREVER);
}

static int other_passes(struct scene *scene)
{
    return lk_gate_write_at(scene->other->lk, GATE_PATH, (lk_fence){ .zxid = 4 }, LK_FOREVER);
}

static void gate_must(struct scene *scene, int status, int expected)
{
    if (status != expected)
        scene_wrong(scene, "the gate has forgotten who passed, or never saw it", status);
}

static int gate_knows_writer(struct scene *scene)
{
    gate_must(scene, other_passes(scene), LK_E_STALE);
    gate_must(scene, gate_write(scene), LK_OK);
    return LK_OK;
}

static int gate_knows_reader(struct scene *scene)
{
    gate_must(scene, gate_write(scene), LK_E_STALE);
    gate_must(scene, gate_read(scene), LK_OK);
    return LK_OK;
}

/* ---- revocation: of a Curator lock, since it is the caller that is swept, not the holder ---- */

#define CURATORS_NODE LINE_PATH "/_c_1-lock-0000000000"

static bool curator_holds(struct scene *scene)
{
    return truth(scene, CURATORS_NODE) != NULL;
}

static int curators_lock(struct scene *scene)
{
    static const char *const paths[] = { LINE_PATH, CURATORS_NODE };

    for (size_t i = 0; i < 2; i++)
        ensemble_stranger(&scene->sim.ensemble,
                          &(const struct keeper_request){ .verb = KEEPER_CREATE,
                                                          .path = paths[i],
                                                          .data = "10.0.0.7",
                                                          .data_size = i ? 8 : 0,
                                                          .mode = KEEPER_PERSISTENT });
    scene_await(scene, curator_holds);
    return LK_OK;
}

static int revoke(struct scene *scene)
{
    const struct znode *node = truth(scene, CURATORS_NODE);

    if (!node)
        return LK_E_NOT_FOUND;
    return lk_line_revoke(scene->client->lk, LINE_PATH,
                          (lk_fence){ .zxid = (uint64_t)node->stat.czxid }, LK_FOREVER);
}

static int is_asked(struct scene *scene)
{
    const struct znode *node = truth(scene, CURATORS_NODE);

    if (!node || (size_t)node->stat.data_size != strlen("__REVOKE__")
        || memcmp(node->data, "__REVOKE__", (size_t)node->stat.data_size) != 0)
        scene_wrong(scene, "its holder was not asked to let go", LK_E_STATE);
    return LK_OK;
}

static int revoke_nobody(struct scene *scene)
{
    return lk_line_revoke(scene->client->lk, LINE_PATH, (lk_fence){ .zxid = 1 }, LK_FOREVER);
}

/* ---- the table ---- */

const struct row sweep_parts_rows[] = {
    { "lk_mutex_new", "", .run = mutex_new, .flags = ASKS_NOTHING },
    { "lk_mutex_lock", "free", .prepare = mutex_new, .run = mutex_lock, .verdict = has_left,
      .flags = MAY_LOSE },
    { "lk_mutex_lock", "behind another", .before = scene_others_lock, .prepare = mutex_new,
      .run = mutex_lock, .meanwhile = scene_other_leaves, .verdict = has_left, .flags = MAY_LOSE },
    { "lk_mutex_try", "free", .prepare = mutex_new, .run = mutex_try, .verdict = has_left,
      .flags = MAY_LOSE },
    { "lk_mutex_try", "busy", .before = scene_others_lock, .prepare = mutex_new, .run = mutex_try,
      .verdict = has_left, .expected = LK_E_BUSY },
    { "lk_mutex_unlock", "locked twice", .prepare = mutex_new, .run = mutex_unlock,
      .verdict = has_left, .flags = MAY_LOSE },
    { "lk_mutex_free", "locked", .run = mutex_free, .verdict = has_left, .flags = MAY_LOSE },

    { "lk_multilock_new", "", .run = multilock_new, .flags = ASKS_NOTHING },
    { "lk_multilock_acquire", "free", .prepare = multilock_new, .run = multilock_acquire,
      .again = multilock_again, .verdict = multilock_is_held, .flags = MAY_LOSE },
    { "lk_multilock_acquire", "behind another", .before = scene_others_lock,
      .prepare = multilock_new, .run = multilock_acquire, .meanwhile = scene_other_leaves,
      .again = multilock_again, .verdict = multilock_is_held, .flags = MAY_LOSE },
    { "lk_multilock_acquire_start", "free", .prepare = multilock_new,
      .run = multilock_acquire_start, .again = multilock_again, .verdict = multilock_is_held,
      .flags = MAY_LOSE },
    { "lk_multilock_acquire_start", "behind another", .before = scene_others_lock,
      .prepare = multilock_new, .run = multilock_acquire_start, .meanwhile = scene_other_leaves,
      .again = multilock_again, .verdict = multilock_is_held, .flags = MAY_LOSE },
    { "lk_multilock_try", "free", .prepare = multilock_new, .run = multilock_try,
      .again = multilock_again, .verdict = multilock_is_held, .flags = MAY_LOSE },
    { "lk_multilock_try", "busy", .before = scene_others_lock, .prepare = multilock_new,
      .run = multilock_try, .verdict = multilock_is_out, .expected = LK_E_BUSY, .flags = MAY_LOSE },
    { "lk_multilock_try_start", "free", .prepare = multilock_new, .run = multilock_try_start,
      .again = multilock_again, .verdict = multilock_is_held, .flags = MAY_LOSE },
    { "lk_multilock_try_start", "busy", .before = scene_others_lock, .prepare = multilock_new,
      .run = multilock_try_start, .verdict = multilock_is_out, .expected = LK_E_BUSY,
      .flags = MAY_LOSE },
    { "lk_multilock_release", "held", .prepare = multilock_hold, .run = multilock_release,
      .again = multilock_release_again, .verdict = multilock_is_out, .flags = MAY_LOSE },
    { "lk_multilock_release_start", "held", .prepare = multilock_hold,
      .run = multilock_release_start, .again = multilock_release_again, .verdict = multilock_is_out,
      .flags = MAY_LOSE },
    { "lk_multilock_free", "held", .prepare = multilock_hold, .run = multilock_free,
      .verdict = multilock_is_out },

    { "lk_guard_new", "", .run = guard_new, .flags = ASKS_NOTHING },
    { "lk_guard_create", "and the other operations", .prepare = guard_new, .run = guard_filled,
      .flags = ASKS_NOTHING },
    { "lk_guard_commit", "held", .prepare = guard_ready, .run = guard_commit, .again = guard_again,
      .verdict = is_made, .flags = MAY_LOSE | MAY_BE_UNKNOWN },
    { "lk_guard_commit_start", "held", .prepare = guard_ready, .run = guard_commit_start,
      .again = guard_again, .verdict = is_made, .flags = MAY_LOSE | MAY_BE_UNKNOWN },

    { "lk_gate_write_at", "there is none yet", .run = gate_write, .verdict = gate_knows_writer },
    { "lk_gate_write_at", "others have passed", .before = other_passes, .run = gate_write,
      .verdict = gate_knows_writer },
    { "lk_gate_read_at", "others have passed", .before = other_passes, .run = gate_read,
      .verdict = gate_knows_reader },
    { "lk_gate_read_at", "too late", .before = other_passes, .run = gate_read_late,
      .expected = LK_E_STALE },

    { "lk_line_revoke", "somebody holds", .before = curators_lock, .run = revoke,
      .verdict = is_asked },
    { "lk_line_revoke", "nobody has that fence", .before = scene_others_lock, .run = revoke_nobody,
      .expected = LK_E_NOT_FOUND },
};
const size_t sweep_parts_count = sizeof(sweep_parts_rows) / sizeof(*sweep_parts_rows);
