/* test_links.c - three servers whose links to each other are hurt, while every client's own link
 * stays well: a follower that its leader no longer hears, a leader that nobody follows any more.
 * They go on answering; only proofs tell a holder that it is about to lose.
 *
 * When the others would give a lock away is shown by a control: a session of ZooKeeper's own
 * client, with the holder's timeout, on the holder's server, that spoke last when the link was hurt.
 * A witness on the other side sees its znode go. */
#include "live.h"

#include <stdio.h>

/* A server finds out after SYNC_LIMIT ticks, 5 s: by then the holder must long have been told. */
enum { LINK_TICK_MS = 250, SYNC_LIMIT = 20, TIMEOUT_MS = 3000, STEADY_MS = 7500 };

static int leader(void)
{
    int node = zkbox_wait_leader(live_box(), PATIENCE_MS);
    assert_in_range(node, 0, 2);
    return node;
}

static const char *address(int node)
{
    return zkbox_address(live_box(), node);
}

static void stall(int a, int b)
{
    live_tell("the link between %d and %d stalls", a, b);
    assert_int_equal(zkbox_link_stall(live_box(), a, b), 0);
}

static void heal(int a, int b)
{
    live_tell("the link between %d and %d heals", a, b);
    assert_int_equal(zkbox_link_heal(live_box(), a, b), 0);
}

/* A holder on the server `here`; a waiter and the witness on another one, `there`; the control. */
struct scene {
    int here, there;
    struct stand *holder, *waiter;
    lk_fence fence;
    struct answer *waits;
    zhandle_t *control;
    struct gone gone;
};

static void control_speaks(struct scene *scene)
{
    struct Stat stat;
    assert_int_equal(zoo_exists(scene->control, live_path("/control"), 0, &stat), ZOK);
}

static void control_begins(struct scene *scene, int64_t timeout_ms)
{
    zhandle_t *witness = raw_open(address(scene->there), CALM_MS);
    struct Stat stat;

    scene->control = raw_open(address(scene->here), timeout_ms);
    assert_int_equal(zoo_create(scene->control, live_path("/control"), NULL, -1,
                                &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0),
                     ZOK);
    /* A write of its own behind it brings the witness's server up to it. */
    assert_int_equal(zoo_set(witness, live_root(), NULL, -1, -1), ZOK);
    assert_int_equal(zoo_exists(witness, live_path("/control"), 0, &stat), ZOK);
    raw_watch_gone_by(witness, live_path("/control"), &scene->gone);
}

/* `servers`: whom the holder may turn to. */
static void scene_begins(struct scene *scene, const char *servers, int there, int64_t timeout_ms)
{
    lk_client *client = LIVE_CLIENT("A", .servers = servers, .timeout_ms = timeout_ms);

    *scene = (struct scene){ .here = live_node_of(client), .there = there };
    assert_in_range(scene->here, 0, 2);
    scene->holder = live_lock(client, "holder", "/l");
    scene->waiter = live_lock(LIVE_CLIENT("B", .servers = address(there)), "waiter", "/l");
    scene->fence = acquire(scene->holder);
    scene->waits = start_acquire(scene->waiter, LK_FOREVER);
    await_children(live_path("/l"), 2);
    control_begins(scene, timeout_ms);
    control_speaks(scene);
}

static void assert_same_grant(const struct scene *scene, lk_fence fence)
{
    assert_int_equal(lk_fence_compare(fence, scene->fence), 0);
    assert_false(is_answered(scene->waits));
}

/* Told that it has lost while its server still answers, and only then does the control expire and
 * the waiter hold. */
static void assert_told_in_time(struct scene *scene)
{
    lk_fence next;

    await_change(scene->holder, LK_LOST);
    assert_int_equal(lk_lock_remaining_ns(scene->holder->lock), 0);
    assert_false(is_answered(scene->waits));
    control_speaks(scene);
    await_gone(&scene->gone);
    assert_true(change_time(scene->holder, LK_LOST) < scene->gone.at_ns);
    assert_status(await_answer(scene->waits), LK_OK);
    assert_true(change_time(scene->holder, LK_LOST) < change_time(scene->waiter, LK_HELD));
    assert_status(lk_lock_fence(scene->waiter->lock, &next), LK_OK);
    assert_true(lk_fence_compare(next, scene->fence) > 0);
    assert_changes(scene->holder, "waiting held suspended lost");
}

/* ---- a follower that its leader does not hear ---- */

static void behind_a_follower_that_is_cut_off_the_loss_is_told_in_time(void)
{
    int leads = leader();
    static struct scene scene; /* its witness may fire when the test is over */

    scene_begins(&scene, address((leads + 1) % 3), leads, TIMEOUT_MS);
    stall(scene.here, leads);
    assert_told_in_time(&scene);
    heal(scene.here, leads);
}

static void a_holder_leaves_a_follower_that_is_cut_off_and_keeps_its_grant(void)
{
    int leads = leader();
    static struct scene scene; /* its witness may fire when the test is over */
    char followers[100];

    snprintf(followers, sizeof followers, "%s,%s", address((leads + 1) % 3),
             address((leads + 2) % 3));
    scene_begins(&scene, followers, leads, STEADY_MS);
    stall(scene.here, leads);
    assert_same_grant(&scene, await_change(scene.holder, LK_SUSPENDED)->fence);
    assert_same_grant(&scene, await_change(scene.holder, LK_HELD)->fence);
    await_gone(&scene.gone);
    assert_changes(scene.holder, "waiting held suspended held");
    assert_false(is_answered(scene.waits));
    release(scene.holder);
    assert_status(await_answer(scene.waits), LK_OK);
    heal(scene.here, leads);
}

static void a_short_stall_behind_a_follower_gives_back_the_same_grant(void)
{
    int leads = leader();
    static struct scene scene; /* its witness may fire when the test is over */

    scene_begins(&scene, address((leads + 1) % 3), leads, STEADY_MS);
    stall(scene.here, leads);
    assert_same_grant(&scene, await_change(scene.holder, LK_SUSPENDED)->fence);
    heal(scene.here, leads);
    assert_same_grant(&scene, await_change(scene.holder, LK_HELD)->fence);
    release(scene.holder);
    assert_status(await_answer(scene.waits), LK_OK);
    assert_changes(scene.holder, "waiting held suspended held idle");
}

static void a_longer_stall_behind_a_follower_ends_the_grant_for_good(void)
{
    int leads = leader();
    static struct scene scene; /* its witness may fire when the test is over */

    scene_begins(&scene, address((leads + 1) % 3), leads, STEADY_MS);
    stall(scene.here, leads);
    await_change(scene.holder, LK_LOST);
    assert_false(is_answered(scene.waits));
    heal(scene.here, leads);
    assert_status(await_answer(scene.waits), LK_OK); /* its znode is removed, or has expired */
    release(scene.waiter);
    assert_true(lk_fence_compare(acquire(scene.holder), scene.fence) > 0);
    assert_changes(scene.holder, "waiting held suspended lost waiting held");
}

/* ---- a leader that nobody follows ---- */

static void clients_of_a_deposed_leader_lose_before_the_next_one_gives_their_lock_away(void)
{
    int old = leader(), next = (old + 1) % 3, last = (old + 2) % 3;
    static struct scene scene; /* its witness may fire when the test is over */

    scene_begins(&scene, address(old), next, TIMEOUT_MS);
    stall(old, next);
    stall(old, last);
    assert_told_in_time(&scene);
    heal(old, next);
    heal(old, last);
    assert_int_not_equal(leader(), old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(behind_a_follower_that_is_cut_off_the_loss_is_told_in_time),
        LIVE_TEST(a_holder_leaves_a_follower_that_is_cut_off_and_keeps_its_grant),
        LIVE_TEST(a_short_stall_behind_a_follower_gives_back_the_same_grant),
        LIVE_TEST(a_longer_stall_behind_a_follower_ends_the_grant_for_good),
        LIVE_TEST(clients_of_a_deposed_leader_lose_before_the_next_one_gives_their_lock_away),
    };
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.nodes = 3;
    options.links = true;
    options.tick_ms = LINK_TICK_MS;
    options.sync_limit = SYNC_LIMIT;
    options.fsync = false;
    return live_main("links", &options, tests, sizeof tests / sizeof tests[0]);
}
