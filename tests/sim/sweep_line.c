/* sweep_line.c - locks, candidates, observers and the operator's view of a line: what each call
 * promises. */
#include "sweep.h"

#include <stdio.h>
#include <string.h>

/* ---- handles ---- */

static int lock_new(struct scene *scene)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    if (scene->lock)
        return LK_OK;
    options.on_change = scene_changed;
    options.on_change_arg = scene;
    return lk_lock_new(&scene->lock, scene->client->lk, LINE_PATH, &options);
}

static int candidate_new(struct scene *scene)
{
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;

    if (scene->candidate)
        return LK_OK;
    options.on_change = scene_changed;
    options.on_change_arg = scene;
    return lk_candidate_new(&scene->candidate, scene->client->lk, LINE_PATH, &options);
}

static int others_candidate(struct scene *scene)
{
    int status = lk_candidate_new(&scene->others_candidate, scene->other->lk, LINE_PATH, NULL);
    return status == LK_OK ? lk_candidate_stand(scene->others_candidate, LK_FOREVER, NULL) : status;
}

/* ---- acquire, try ---- */

static int acquire(struct scene *scene)
{
    return lk_lock_acquire(scene->lock, LK_FOREVER, &scene->fence);
}

static int acquire_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_lock_acquire_start(scene->lock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int try(struct scene *scene)
{
    return lk_lock_try(scene->lock, LK_FOREVER, &scene->fence);
}

static int try_start(struct scene *scene)
{
    return scene_end_of(scene,
                        lk_lock_try_start(scene->lock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int acquire_unless_held(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : acquire(scene);
}

static int try_unless_held(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : try(scene);
}

static int hold(struct scene *scene)
{
    int status = lock_new(scene);
    return status == LK_OK ? acquire(scene) : status;
}

/* ---- the lock delay ---- */

#define DELAY_MS 200

static int delayed_new(struct scene *scene)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    if (scene->lock)
        return LK_OK;
    options.on_change = scene_changed;
    options.on_change_arg = scene;
    options.delay_ms = DELAY_MS;
    return lk_lock_new(&scene->lock, scene->client->lk, LINE_PATH, &options);
}

static int hold_delayed(struct scene *scene)
{
    int status = delayed_new(scene);
    return status == LK_OK ? acquire(scene) : status;
}

static bool other_is_lost(struct scene *scene)
{
    return lk_lock_state(scene->others_lock) == LK_LOST;
}

/* It held in a line with a delay, and did not release. */
static int others_loss(struct scene *scene)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.delay_ms = DELAY_MS;
    int status = lk_lock_new(&scene->others_lock, scene->other->lk, LINE_PATH, &options);
    if (status == LK_OK)
        status = lk_lock_acquire(scene->others_lock, LK_FOREVER, NULL);
    scene_stranger_deletes_first(scene);
    scene_await(scene, other_is_lost);
    scene->since_ns = scene->sim.world.now_ns;
    return status;
}

static int acquire_after_loss(struct scene *scene)
{
    int status = acquire(scene);

    if (status == LK_OK && scene->sim.world.now_ns - scene->since_ns < DELAY_MS * MS)
        scene_wrong(scene, "it was granted before the lock delay was over", status);
    return status;
}

/* ---- release ---- */

static int release(struct scene *scene)
{
    return lk_lock_release(scene->lock, LK_FOREVER);
}

static int release_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_lock_release_start(scene->lock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int free_lock(struct scene *scene)
{
    scene->lock = lk_lock_free(scene->lock);
    scene->told = LK_IDLE; /* nothing is told after this */
    scene_await(scene, scene_has_no_place);
    return LK_OK;
}

static int wait_behind(struct scene *scene)
{
    int status = lock_new(scene);

    if (status == LK_OK)
        status = lk_lock_acquire_start(scene->lock, LK_FOREVER, scene_done, scene, &scene->op);
    if (status == LK_OK)
        scene->asked++;
    program_sleep(scene->program, 50 * MS);
    return status;
}

static bool has_ended(struct scene *scene)
{
    return scene->ended >= scene->asked;
}

static int cancel(struct scene *scene)
{
    lk_cancel(scene->client->lk, scene->op);
    scene_await(scene, has_ended);
    scene_await(scene, scene_has_no_place);
    return scene->status;
}

static int wait_lost(struct scene *scene)
{
    return lk_lock_wait_lost(scene->lock, LK_FOREVER);
}

static bool is_lost(struct scene *scene)
{
    return lk_lock_state(scene->lock) == LK_LOST;
}

static bool is_told(struct scene *scene)
{
    return scene->ended > 0 && scene->told != LK_WAITING;
}

/* Nothing is dispatched while WAITING finds no memory to be queued, HELD does, LOST does not. */
static int hold_and_lose_unheard(struct scene *scene)
{
    struct memory *memory = &scene->sim.memory;
    struct sim_client *client = scene->client;

    client->slow_until_ns = scene->sim.world.now_ns + scene_t_ns(scene);
    memory->fails_at = memory->asked + 2; /* the first is for the request */
    int status = lk_lock_acquire_start(scene->lock, LK_FOREVER, scene_done, scene, NULL);
    scene->asked += status == LK_OK;
    scene_await(scene, scene_holds);
    memory->fails_percent = 100;
    scene_stranger_deletes_first(scene);
    scene_await(scene, is_lost);
    memory->fails_percent = 0;
    scene_await(scene, is_told);
    return status;
}

static int is_told_lost(struct scene *scene)
{
    if (scene->told != LK_LOST)
        scene_wrong(scene, "the last word was not LOST", LK_E_STATE);
    return LK_OK;
}

/* ---- candidates ---- */

static int stand(struct scene *scene)
{
    return lk_candidate_stand(scene->candidate, LK_FOREVER, &scene->fence);
}

static int stand_start(struct scene *scene)
{
    return scene_end_of(scene, lk_candidate_stand_start(scene->candidate, LK_FOREVER, scene_done,
                                                        scene, &scene->op));
}

static int stand_unless_elected(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : stand(scene);
}

static int lead(struct scene *scene)
{
    int status = candidate_new(scene);
    return status == LK_OK ? stand(scene) : status;
}

static int resign(struct scene *scene)
{
    return lk_candidate_resign(scene->candidate, LK_FOREVER);
}

static int resign_start(struct scene *scene)
{
    return scene_end_of(scene, lk_candidate_resign_start(scene->candidate, LK_FOREVER, scene_done,
                                                         scene, &scene->op));
}

static int free_candidate(struct scene *scene)
{
    scene->candidate = lk_candidate_free(scene->candidate);
    scene->told = LK_IDLE;
    scene_await(scene, scene_has_no_place);
    return LK_OK;
}

static int stand_behind(struct scene *scene)
{
    int status = candidate_new(scene);

    if (status == LK_OK)
        status = lk_candidate_stand_start(scene->candidate, LK_FOREVER, scene_done, scene, NULL);
    scene->asked += status == LK_OK;
    program_sleep(scene->program, 50 * MS);
    return status;
}

static int candidate_wait_lost(struct scene *scene)
{
    return lk_candidate_wait_lost(scene->candidate, LK_FOREVER);
}

#define NEW_CARD "a new card"

static int proclaim(struct scene *scene)
{
    return lk_candidate_proclaim(scene->candidate, NEW_CARD, strlen(NEW_CARD), LK_FOREVER);
}

static int proclaim_again(struct scene *scene)
{
    int status = stand_unless_elected(scene);
    return status == LK_OK ? proclaim(scene) : status;
}

/* Who waits may have been put out of the line, for lack of memory. */
static int proclaim_behind_again(struct scene *scene)
{
    int status = lk_candidate_state(scene->candidate) == LK_WAITING ? LK_OK : stand_behind(scene);
    return status == LK_OK ? proclaim(scene) : status;
}

/* Of the last of `count` in the line. */
static void check_new_card(struct scene *scene, size_t count)
{
    lk_line *line = NULL;
    int status = lk_line_list(scene->client->lk, LINE_PATH, LK_FOREVER, &line);

    if (status != LK_OK || line->count != count
        || line->entries[count - 1].label_size != strlen(NEW_CARD)
        || memcmp(line->entries[count - 1].label, NEW_CARD, strlen(NEW_CARD)) != 0)
        scene_wrong(scene, "the new card is not shown", status);
    lk_line_free(line);
}

static int shows_new_card_behind(struct scene *scene)
{
    check_new_card(scene, 2);
    return LK_OK;
}

static int shows_new_card(struct scene *scene)
{
    check_new_card(scene, 1);
    return scene_is_held_once(scene);
}

/* ---- observers ---- */

static void saw(const lk_leader *leader, void *arg)
{
    struct scene *scene = arg;

    scene->leaders_seen++;
    scene->leader = *leader;
}

static bool has_seen(struct scene *scene)
{
    return scene->leaders_seen > 0;
}

static int observe(struct scene *scene)
{
    int status = lk_observer_new(&scene->observer, scene->client->lk, LINE_PATH, saw, scene);

    if (status == LK_OK)
        scene_await(scene, has_seen);
    return status;
}

static bool sees_nobody(struct scene *scene)
{
    return !scene->leader.present;
}

static bool sees_the_leader(struct scene *scene)
{
    lk_fence fence = { 0 };
    return scene->leader.present && lk_candidate_fence(scene->others_candidate, &fence) == LK_OK
           && lk_fence_compare(fence, scene->leader.fence) == 0;
}

static bool leads_no_more(struct scene *scene)
{
    return lk_candidate_state(scene->candidate) == LK_LOST;
}

/* When its own znode was to be watched there was no memory to ask for it; but another handle of the
 * same client is told. */
static int lose_unwatched(struct scene *scene)
{
    struct memory *memory = &scene->sim.memory;
    int status = lead(scene);

    memory->fails_percent = 100;
    program_sleep(scene->program, 10 * MS);
    memory->fails_percent = 0;
    if (status == LK_OK)
        status = observe(scene);
    scene_stranger_deletes_first(scene);
    int64_t deleted_ns = scene->sim.world.now_ns;
    scene_await(scene, leads_no_more);
    if (scene->sim.world.now_ns - deleted_ns > 20 * MS)
        scene_wrong(scene, "the leader was not told at once", status);
    return status;
}

/* What the observer sees now, and what comes. */
static int observes(struct scene *scene)
{
    scene_await(scene, sees_the_leader);
    scene_other_leaves(scene);
    sim_client_touch(scene->other);
    scene_await(scene, sees_nobody);
    return LK_OK;
}

/* ---- the line watched ---- */

static void saw_line(int status, const lk_line *line, void *arg)
{
    struct scene *scene = arg;

    scene->lines_seen++;
    if (status != LK_OK) {
        scene_wrong(scene, "who may see everything is told", status);
        return;
    }
    scene->line_count = line->count;
    scene->line_first = line->count ? line->entries[0].fence : (lk_fence){ 0 };
}

static bool has_seen_line(struct scene *scene)
{
    return scene->lines_seen > 0;
}

static int watch_line(struct scene *scene)
{
    int status = lk_line_watch_new(&scene->line_watch, scene->client->lk, LINE_PATH, saw_line,
                                   scene);
    if (status == LK_OK)
        scene_await(scene, has_seen_line);
    return status;
}

static bool line_is_others(struct scene *scene)
{
    lk_fence fence = { 0 };
    return scene->line_count == 1 && lk_lock_fence(scene->others_lock, &fence) == LK_OK
           && lk_fence_compare(fence, scene->line_first) == 0;
}

static bool line_is_empty(struct scene *scene)
{
    return scene->line_count == 0;
}

/* What it shows now, and what comes. */
static int shows_the_line(struct scene *scene)
{
    scene_await(scene, line_is_others);
    scene_other_leaves(scene);
    sim_client_touch(scene->other);
    scene_await(scene, line_is_empty);
    return LK_OK;
}

/* ---- the operator's view ---- */

static int list(struct scene *scene)
{
    lk_line *line = NULL;
    int status = lk_line_list(scene->client->lk, LINE_PATH, LK_FOREVER, &line);

    if (status == LK_OK && (line->count != 1 || !line->entries[0].holds || !line->entries[0].ours))
        scene_wrong(scene, "the line is listed otherwise than it stands", status);
    lk_line_free(line);
    return status;
}

static int break_other(struct scene *scene)
{
    if (scene->others_lock)
        (void)!lk_lock_fence(scene->others_lock, &scene->fence);
    invariants_named(scene->client, scene->fence);
    return lk_line_break(scene->client->lk, LINE_PATH, scene->fence, LK_FOREVER);
}

static int break_again(struct scene *scene)
{
    int status = lk_line_break(scene->client->lk, LINE_PATH, scene->fence, LK_FOREVER);
    return status == LK_E_NOT_FOUND ? LK_OK : status;
}

static int other_is_broken(struct scene *scene)
{
    if (scene_places(scene, scene->other) != 0)
        scene_wrong(scene, "the znode is still there", LK_E_EXISTS);
    if (lk_lock_state(scene->others_lock) != LK_LOST)
        scene_wrong(scene, "its owner was not told", LK_E_STATE);
    return LK_OK;
}

/* ---- the table ---- */

const struct row sweep_line_rows[] = {
    { "lk_lock_new", "", .run = lock_new, .flags = ASKS_NOTHING },
    { "lk_lock_acquire", "the first on a path", .prepare = lock_new, .run = acquire,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_acquire_start", "lost, and told without memory", .prepare = lock_new,
      .run = hold_and_lose_unheard, .verdict = is_told_lost, .flags = ONCE },
    { "lk_lock_acquire", "behind another", .before = scene_others_lock, .prepare = lock_new,
      .run = acquire, .meanwhile = scene_other_leaves, .again = acquire_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_acquire_start", "behind another", .before = scene_others_lock, .prepare = lock_new,
      .run = acquire_start, .meanwhile = scene_other_leaves, .again = acquire_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_try", "free", .prepare = lock_new, .run = try, .again = try_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_try", "busy", .before = scene_others_lock, .prepare = lock_new, .run = try,
      .verdict = scene_is_out, .expected = LK_E_BUSY },
    { "lk_lock_try_start", "free", .prepare = lock_new, .run = try_start, .again = try_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_release", "held", .prepare = hold, .run = release, .verdict = scene_is_out },
    { "lk_lock_release_start", "held", .prepare = hold, .run = release_start,
      .verdict = scene_is_out },
    { "lk_lock_acquire", "the first, with a lock delay", .prepare = delayed_new, .run = acquire,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_acquire", "after a loss, with a lock delay", .before = others_loss,
      .prepare = delayed_new, .run = acquire_after_loss, .again = acquire_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_lock_try", "after a loss, with a lock delay", .before = others_loss,
      .prepare = delayed_new, .run = try, .verdict = scene_is_out, .expected = LK_E_BUSY },
    { "lk_lock_release", "held, with a lock delay", .prepare = hold_delayed, .run = release,
      .verdict = scene_is_out },
    { "lk_lock_free", "held", .prepare = hold, .run = free_lock, .verdict = scene_is_out },
    { "lk_lock_free", "waiting", .before = scene_others_lock, .prepare = wait_behind,
      .run = free_lock, .verdict = scene_is_out },
    { "lk_cancel", "waiting", .before = scene_others_lock, .prepare = wait_behind, .run = cancel,
      .verdict = scene_is_out, .expected = LK_E_CANCELLED },
    { "lk_lock_wait_lost", "until a stranger deletes it", .prepare = hold, .run = wait_lost,
      .meanwhile = scene_stranger_deletes_first, .verdict = scene_is_out },
    { "lk_candidate_new", "", .run = candidate_new, .flags = ASKS_NOTHING },
    { "lk_candidate_stand", "lost, with no memory to watch for it", .run = lose_unwatched,
      .verdict = scene_is_out, .flags = ONCE },
    { "lk_candidate_stand", "behind another", .before = others_candidate, .prepare = candidate_new,
      .run = stand, .meanwhile = scene_other_leaves, .again = stand_unless_elected,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_candidate_stand_start", "the first on a path", .prepare = candidate_new,
      .run = stand_start, .again = stand_unless_elected, .verdict = scene_is_held_once,
      .flags = MAY_LOSE },
    { "lk_candidate_resign", "leading", .prepare = lead, .run = resign, .verdict = scene_is_out },
    { "lk_candidate_resign", "waiting", .before = others_candidate, .prepare = stand_behind,
      .run = resign, .verdict = scene_is_out },
    { "lk_candidate_proclaim", "waiting", .before = others_candidate, .prepare = stand_behind,
      .run = proclaim, .again = proclaim_behind_again, .verdict = shows_new_card_behind },
    { "lk_candidate_resign_start", "leading", .prepare = lead, .run = resign_start,
      .verdict = scene_is_out },
    { "lk_candidate_free", "leading", .prepare = lead, .run = free_candidate,
      .verdict = scene_is_out },
    { "lk_candidate_proclaim", "leading", .prepare = lead, .run = proclaim, .again = proclaim_again,
      .verdict = shows_new_card, .flags = MAY_LOSE },
    { "lk_candidate_wait_lost", "until a stranger deletes it", .prepare = lead,
      .run = candidate_wait_lost, .meanwhile = scene_stranger_deletes_first,
      .verdict = scene_is_out },
    { "lk_observer_new", "somebody leads", .before = others_candidate, .run = observe,
      .verdict = observes },
    { "lk_line_watch_new", "somebody holds", .before = scene_others_lock, .run = watch_line,
      .verdict = shows_the_line },
    { "lk_line_list", "nobody ever stood there", .run = list, .expected = LK_E_NOT_FOUND },
    { "lk_line_list", "somebody holds", .before = scene_others_lock, .run = list },
    { "lk_line_break", "somebody holds", .before = scene_others_lock, .run = break_other,
      .again = break_again, .verdict = other_is_broken },
};
const size_t sweep_line_count = sizeof(sweep_line_rows) / sizeof(*sweep_line_rows);
