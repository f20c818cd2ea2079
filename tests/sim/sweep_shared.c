/* sweep_shared.c - read-write locks and semaphores, which several hold at once: what each call
 * promises. */
#include "sweep.h"

#include <stdio.h>

#include "line/records.h"

enum { PERMITS = 3, MORE_PERMITS = 5 };

/* Permits with a time of their own: longer than any fault, longer still, and soon over. */
enum { A_WHILE_MS = 10000, LONGER_MS = 15000, A_MOMENT_MS = 500 };

/* ---- handles ---- */

static int rwlock_of(lk_rwlock **out, lk_client *client, struct scene *told)
{
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;

    if (*out)
        return LK_OK;
    options.on_change = told ? scene_changed : NULL;
    options.on_change_arg = told;
    return lk_rwlock_new(out, client, LINE_PATH, &options);
}

static int semaphore_with(lk_semaphore **out, lk_client *client, uint32_t permits, uint32_t ttl_ms,
                          struct scene *told)
{
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;

    if (*out)
        return LK_OK;
    options.on_change = told ? scene_changed : NULL;
    options.on_change_arg = told;
    options.ttl_ms = ttl_ms;
    return lk_semaphore_new(out, client, LINE_PATH, permits, &options);
}

static int semaphore_of(lk_semaphore **out, lk_client *client, uint32_t permits, struct scene *told)
{
    return semaphore_with(out, client, permits, 0, told);
}

static int rwlock_new(struct scene *scene)
{
    return rwlock_of(&scene->rwlock, scene->client->lk, scene);
}

static int semaphore_new(struct scene *scene)
{
    return semaphore_of(&scene->semaphore, scene->client->lk, PERMITS, scene);
}

static int semaphore_for_a_while(struct scene *scene)
{
    return semaphore_with(&scene->semaphore, scene->client->lk, PERMITS, A_WHILE_MS, scene);
}

/* ---- the bystander ---- */

static int other_reads(struct scene *scene)
{
    int status = rwlock_of(&scene->others_rwlock, scene->other->lk, NULL);
    return status == LK_OK ? lk_rwlock_read(scene->others_rwlock, LK_FOREVER, NULL) : status;
}

static int other_writes(struct scene *scene)
{
    int status = rwlock_of(&scene->others_rwlock, scene->other->lk, NULL);
    return status == LK_OK ? lk_rwlock_write(scene->others_rwlock, LK_FOREVER, NULL) : status;
}

static int other_turns_reader(struct scene *scene)
{
    int status = other_writes(scene);
    return status == LK_OK ? lk_rwlock_downgrade(scene->others_rwlock, LK_FOREVER, NULL) : status;
}

static int other_takes(struct scene *scene, uint32_t count)
{
    int status = semaphore_of(&scene->others_semaphore, scene->other->lk, PERMITS, NULL);
    return status == LK_OK ? lk_semaphore_acquire(scene->others_semaphore, count, LK_FOREVER, NULL)
                           : status;
}

static int other_takes_one(struct scene *scene)
{
    return other_takes(scene, 1);
}

static int other_takes_all(struct scene *scene)
{
    return other_takes(scene, PERMITS);
}

static int other_takes_all_for_a_moment(struct scene *scene)
{
    int status = semaphore_with(&scene->others_semaphore, scene->other->lk, PERMITS, A_MOMENT_MS,
                                NULL);
    return status == LK_OK ? other_takes_all(scene) : status;
}

/* Its session lives on, and so would its permits. */
static void other_stands_still(struct scene *scene)
{
    sim_client_pause(scene->other, scene_t_ns(scene) * 3 / 4);
}

/* And waits for one more, which it keeps when it is granted. */
static int other_takes_all_and_waits(struct scene *scene)
{
    int status = other_takes_all(scene);

    if (status == LK_OK)
        status = semaphore_of(&scene->others_second_semaphore, scene->other->lk, PERMITS, NULL);
    if (status == LK_OK)
        status = lk_semaphore_acquire_start(scene->others_second_semaphore, 1, LK_FOREVER,
                                            scene_done, scene, NULL);
    scene->asked += status == LK_OK;
    program_sleep(scene->program, 50 * MS);
    return status;
}

/* ---- verdicts ---- */

static int is_role(struct scene *scene, lk_rwlock_role role)
{
    if (lk_rwlock_mode(scene->rwlock) != role)
        scene_wrong(scene, "it is held in the other way", LK_E_STATE);
    return scene_is_held_once(scene);
}

static int reads_once(struct scene *scene)
{
    return is_role(scene, LK_READER);
}

static int writes_once(struct scene *scene)
{
    return is_role(scene, LK_WRITER);
}

/* ---- to read, to write ---- */

static int read_it(struct scene *scene)
{
    return lk_rwlock_read(scene->rwlock, LK_FOREVER, &scene->fence);
}

static int read_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_read_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int try_read(struct scene *scene)
{
    return lk_rwlock_try_read(scene->rwlock, LK_FOREVER, &scene->fence);
}

static int try_read_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_try_read_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int write_it(struct scene *scene)
{
    return lk_rwlock_write(scene->rwlock, LK_FOREVER, &scene->fence);
}

static int write_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_write_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int try_write(struct scene *scene)
{
    return lk_rwlock_try_write(scene->rwlock, LK_FOREVER, &scene->fence);
}

static int try_write_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_try_write_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int read_unless_held(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : read_it(scene);
}

static int write_unless_held(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : write_it(scene);
}

static int hold_to_read(struct scene *scene)
{
    int status = rwlock_new(scene);
    return status == LK_OK ? read_it(scene) : status;
}

static int hold_to_write(struct scene *scene)
{
    int status = rwlock_new(scene);
    return status == LK_OK ? write_it(scene) : status;
}

/* ---- from writer to reader ---- */

static int downgrade(struct scene *scene)
{
    return lk_rwlock_downgrade(scene->rwlock, LK_FOREVER, &scene->fence);
}

static int downgrade_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_downgrade_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int downgrade_again(struct scene *scene)
{
    int status = write_unless_held(scene);
    return status == LK_OK && lk_rwlock_mode(scene->rwlock) == LK_WRITER ? downgrade(scene)
                                                                         : status;
}

/* Whoever waits behind to read holds with it: nobody has to leave first. */
static int reads_beside_another(struct scene *scene)
{
    if (other_reads(scene) != LK_OK)
        scene_wrong(scene, "a reader behind it does not hold with it", LK_E_BUSY);
    return reads_once(scene);
}

/* ---- out again ---- */

static int rwlock_release(struct scene *scene)
{
    return lk_rwlock_release(scene->rwlock, LK_FOREVER);
}

static int rwlock_release_start(struct scene *scene)
{
    return scene_end_of(
        scene, lk_rwlock_release_start(scene->rwlock, LK_FOREVER, scene_done, scene, &scene->op));
}

static int rwlock_free(struct scene *scene)
{
    scene->rwlock = lk_rwlock_free(scene->rwlock);
    scene->told = LK_IDLE; /* nothing is told after this */
    scene_await(scene, scene_has_no_place);
    return LK_OK;
}

static int rwlock_wait_lost(struct scene *scene)
{
    return lk_rwlock_wait_lost(scene->rwlock, LK_FOREVER);
}

static int hold_turned(struct scene *scene)
{
    int status = hold_to_write(scene);
    return status == LK_OK ? downgrade(scene) : status;
}

/* ---- permits ---- */

static int acquire(struct scene *scene)
{
    return lk_semaphore_acquire(scene->semaphore, 2, LK_FOREVER, &scene->fence);
}

static int acquire_start(struct scene *scene)
{
    return scene_end_of(scene, lk_semaphore_acquire_start(scene->semaphore, 2, LK_FOREVER,
                                                          scene_done, scene, &scene->op));
}

static int acquire_too_many(struct scene *scene)
{
    return lk_semaphore_acquire(scene->semaphore, PERMITS + 1, LK_FOREVER, &scene->fence);
}

static int try(struct scene *scene)
{
    return lk_semaphore_try(scene->semaphore, 2, LK_FOREVER, &scene->fence);
}

static int try_start(struct scene *scene)
{
    return scene_end_of(scene, lk_semaphore_try_start(scene->semaphore, 2, LK_FOREVER, scene_done,
                                                      scene, &scene->op));
}

static int acquire_unless_held(struct scene *scene)
{
    return scene_holds(scene) ? LK_OK : acquire(scene);
}

static int hold_permits(struct scene *scene)
{
    int status = semaphore_new(scene);
    return status == LK_OK ? acquire(scene) : status;
}

static int hold_for_a_while(struct scene *scene)
{
    int status = semaphore_for_a_while(scene);
    return status == LK_OK ? acquire(scene) : status;
}

static int prolong(struct scene *scene)
{
    return lk_semaphore_prolong(scene->semaphore, LONGER_MS, LK_FOREVER);
}

static int prolong_start(struct scene *scene)
{
    return scene_end_of(scene, lk_semaphore_prolong_start(scene->semaphore, LONGER_MS, LK_FOREVER,
                                                          scene_done, scene, &scene->op));
}

static int prolong_again(struct scene *scene)
{
    int status = acquire_unless_held(scene);
    return status == LK_OK ? prolong(scene) : status;
}

static int is_prolonged(struct scene *scene)
{
    const struct znode *own = scene_own_znode(scene);
    struct place_record record = { 0 };

    if (own
        && (place_record_read(&record, own->data, (size_t)own->stat.data_size) != LK_OK
            || record.term_ms != LONGER_MS))
        scene_wrong(scene, "its time is not what it was prolonged to", LK_E_STATE);
    return scene_is_held_once(scene);
}

static int release(struct scene *scene)
{
    return lk_semaphore_release(scene->semaphore, LK_FOREVER);
}

static int release_start(struct scene *scene)
{
    return scene_end_of(scene, lk_semaphore_release_start(scene->semaphore, LK_FOREVER, scene_done,
                                                          scene, &scene->op));
}

static int free_semaphore(struct scene *scene)
{
    scene->semaphore = lk_semaphore_free(scene->semaphore);
    scene->told = LK_IDLE; /* nothing is told after this */
    scene_await(scene, scene_has_no_place);
    return LK_OK;
}

static int wait_lost(struct scene *scene)
{
    return lk_semaphore_wait_lost(scene->semaphore, LK_FOREVER);
}

static int resize(struct scene *scene)
{
    return lk_semaphore_resize(scene->client->lk, LINE_PATH, MORE_PERMITS, LK_FOREVER);
}

static bool is_told_held(struct scene *scene)
{
    return scene->told == LK_HELD;
}

/* All the old ones are taken, the new ones are not. */
static int has_more_permits(struct scene *scene)
{
    int status = semaphore_of(&scene->semaphore, scene->client->lk, MORE_PERMITS, scene);

    if (status == LK_OK)
        status = acquire(scene);
    if (status != LK_OK)
        scene_wrong(scene, "it has not the permits that it was given", status);
    scene_await(scene, is_told_held);
    return scene_is_held_once(scene);
}

/* ---- the table ---- */

const struct row sweep_shared_rows[] = {
    { "lk_rwlock_new", "", .run = rwlock_new, .flags = ASKS_NOTHING },
    { "lk_rwlock_read", "the first on a path", .prepare = rwlock_new, .run = read_it,
      .again = read_unless_held, .verdict = reads_once, .flags = MAY_LOSE },
    { "lk_rwlock_read", "beside a reader", .before = other_reads, .prepare = rwlock_new,
      .run = read_it, .again = read_unless_held, .verdict = reads_once, .flags = MAY_LOSE },
    { "lk_rwlock_read", "behind a writer", .before = other_writes, .prepare = rwlock_new,
      .run = read_it, .meanwhile = scene_other_leaves, .again = read_unless_held,
      .verdict = reads_once, .flags = MAY_LOSE },
    { "lk_rwlock_read_start", "behind a writer", .before = other_writes, .prepare = rwlock_new,
      .run = read_start, .meanwhile = scene_other_leaves, .again = read_unless_held,
      .verdict = reads_once, .flags = MAY_LOSE },
    { "lk_rwlock_try_read", "beside a writer that turned reader", .before = other_turns_reader,
      .prepare = rwlock_new, .run = try_read, .again = read_unless_held, .verdict = reads_once,
      .flags = MAY_LOSE },
    { "lk_rwlock_try_read", "busy", .before = other_writes, .prepare = rwlock_new, .run = try_read,
      .verdict = scene_is_out, .expected = LK_E_BUSY },
    { "lk_rwlock_try_read_start", "free", .prepare = rwlock_new, .run = try_read_start,
      .again = read_unless_held, .verdict = reads_once, .flags = MAY_LOSE },
    { "lk_rwlock_write", "the first on a path", .prepare = rwlock_new, .run = write_it,
      .again = write_unless_held, .verdict = writes_once, .flags = MAY_LOSE },
    { "lk_rwlock_write", "behind a reader", .before = other_reads, .prepare = rwlock_new,
      .run = write_it, .meanwhile = scene_other_leaves, .again = write_unless_held,
      .verdict = writes_once, .flags = MAY_LOSE },
    { "lk_rwlock_write_start", "behind a writer that turned reader", .before = other_turns_reader,
      .prepare = rwlock_new, .run = write_start, .meanwhile = scene_other_leaves,
      .again = write_unless_held, .verdict = writes_once, .flags = MAY_LOSE },
    { "lk_rwlock_try_write", "free", .prepare = rwlock_new, .run = try_write,
      .again = write_unless_held, .verdict = writes_once, .flags = MAY_LOSE },
    { "lk_rwlock_try_write", "busy", .before = other_reads, .prepare = rwlock_new, .run = try_write,
      .verdict = scene_is_out, .expected = LK_E_BUSY },
    { "lk_rwlock_try_write_start", "free", .prepare = rwlock_new, .run = try_write_start,
      .again = write_unless_held, .verdict = writes_once, .flags = MAY_LOSE },
    { "lk_rwlock_downgrade", "writing", .prepare = hold_to_write, .run = downgrade,
      .again = downgrade_again, .verdict = reads_beside_another, .flags = MAY_LOSE },
    { "lk_rwlock_downgrade_start", "writing", .prepare = hold_to_write, .run = downgrade_start,
      .again = downgrade_again, .verdict = reads_beside_another, .flags = MAY_LOSE },
    { "lk_rwlock_release", "writing", .prepare = hold_to_write, .run = rwlock_release,
      .verdict = scene_is_out },
    { "lk_rwlock_release", "reading beside another", .before = other_reads, .prepare = hold_to_read,
      .run = rwlock_release, .verdict = scene_is_out },
    { "lk_rwlock_release_start", "a writer that turned reader", .prepare = hold_turned,
      .run = rwlock_release_start, .verdict = scene_is_out },
    { "lk_rwlock_free", "a writer that turned reader", .prepare = hold_turned, .run = rwlock_free,
      .verdict = scene_is_out },
    { "lk_rwlock_wait_lost", "until a stranger deletes it", .prepare = hold_turned,
      .run = rwlock_wait_lost, .meanwhile = scene_stranger_deletes_first, .verdict = scene_is_out },

    { "lk_semaphore_new", "", .run = semaphore_new, .flags = ASKS_NOTHING },
    { "lk_semaphore_acquire", "the first on a path", .prepare = semaphore_new, .run = acquire,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "beside another", .before = other_takes_one, .prepare = semaphore_new,
      .run = acquire, .again = acquire_unless_held, .verdict = scene_is_held_once,
      .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "all are taken", .before = other_takes_all, .prepare = semaphore_new,
      .run = acquire, .meanwhile = scene_other_leaves, .again = acquire_unless_held,
      .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "behind a waiter that comes to hold beside it",
      .before = other_takes_all_and_waits, .prepare = semaphore_new, .run = acquire,
      .meanwhile = scene_other_leaves, .again = acquire_unless_held, .verdict = scene_is_held_once,
      .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "for a while", .prepare = semaphore_for_a_while, .run = acquire,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "behind a holder that does not stir when its time is over",
      .before = other_takes_all_for_a_moment, .prepare = semaphore_for_a_while, .run = acquire,
      .meanwhile = other_stands_still, .again = acquire_unless_held, .verdict = scene_is_held_once,
      .flags = MAY_LOSE },
    { "lk_semaphore_acquire", "more than there are", .before = other_takes_one,
      .prepare = semaphore_new, .run = acquire_too_many, .verdict = scene_is_out,
      .expected = LK_E_PERMITS },
    { "lk_semaphore_acquire_start", "all are taken", .before = other_takes_all,
      .prepare = semaphore_new, .run = acquire_start, .meanwhile = scene_other_leaves,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_try", "beside another", .before = other_takes_one, .prepare = semaphore_new,
      .run = try, .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_try", "busy", .before = other_takes_all, .prepare = semaphore_new, .run = try,
      .verdict = scene_is_out, .expected = LK_E_BUSY },
    { "lk_semaphore_try_start", "free", .prepare = semaphore_new, .run = try_start,
      .again = acquire_unless_held, .verdict = scene_is_held_once, .flags = MAY_LOSE },
    { "lk_semaphore_prolong", "held", .prepare = hold_for_a_while, .run = prolong,
      .again = prolong_again, .verdict = is_prolonged, .flags = MAY_LOSE },
    { "lk_semaphore_prolong", "without a time of its own", .prepare = hold_permits, .run = prolong,
      .verdict = scene_is_held_once, .expected = LK_E_STATE, .flags = ONCE },
    { "lk_semaphore_prolong_start", "held", .prepare = hold_for_a_while, .run = prolong_start,
      .again = prolong_again, .verdict = is_prolonged, .flags = MAY_LOSE },
    { "lk_semaphore_release", "held", .prepare = hold_permits, .run = release,
      .verdict = scene_is_out },
    { "lk_semaphore_release_start", "held", .prepare = hold_permits, .run = release_start,
      .verdict = scene_is_out },
    { "lk_semaphore_free", "held", .prepare = hold_permits, .run = free_semaphore,
      .verdict = scene_is_out },
    { "lk_semaphore_wait_lost", "until a stranger deletes it", .prepare = hold_permits,
      .run = wait_lost, .meanwhile = scene_stranger_deletes_first, .verdict = scene_is_out },
    { "lk_semaphore_resize", "all are taken", .before = other_takes_all, .run = resize,
      .verdict = has_more_permits },
    { "lk_semaphore_resize", "it was never made", .run = resize, .expected = LK_E_NOT_FOUND },
};
const size_t sweep_shared_count = sizeof(sweep_shared_rows) / sizeof(*sweep_shared_rows);
