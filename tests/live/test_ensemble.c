/* test_ensemble.c - three servers: the leader dies, or the holder's server stands still, and the
 * grant stays. */
#include "live.h"

enum {
    TIMEOUT_MS = 18000
}; /* a lease of 9 s: SUSPENDED after 6, three for an election or another server */

static void assert_kept(struct stand *stand, lk_fence fence)
{
    lk_fence now;

    for (size_t i = 0; i < stand->count; i++)
        assert_int_not_equal(stand->changes[i].state, LK_LOST);
    assert_status(lk_lock_fence(stand->lock, &now), LK_OK);
    assert_int_equal(lk_fence_compare(now, fence), 0);
}

/* A proof after this moment: a quorum has confirmed the grant anew. */
static void await_proof(struct stand *stand)
{
    while (lk_lock_state(stand->lock) != LK_HELD
           || lk_lock_remaining_ns(stand->lock) <= TIMEOUT_MS / 3 * INT64_C(1000000))
        assert_status(lk_lock_wait_lost(stand->lock, lk_in_ms(20)), LK_E_DEADLINE);
}

static void a_grant_outlives_the_leader(void)
{
    lk_client *client = LIVE_CLIENT("A", .servers = zkbox_servers(live_box()),
                                    .timeout_ms = TIMEOUT_MS);
    lk_client *other = LIVE_CLIENT("B", .servers = zkbox_servers(live_box()),
                                   .timeout_ms = TIMEOUT_MS);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(other, "b", "/l");

    lk_fence fence = acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    int leader = zkbox_leader(live_box());
    assert_true(leader >= 0);
    assert_int_equal(zkbox_kill(live_box(), leader), 0);
    assert_true(zkbox_wait_leader(live_box(), PATIENCE_MS) >= 0);
    await_proof(a);
    assert_kept(a, fence);
    assert_false(is_answered(waits));
    release(a);
    assert_status(await_answer(waits), LK_OK);
    assert_int_equal(zkbox_restart(live_box(), leader), 0);
    assert_true(zkbox_wait_leader(live_box(), PATIENCE_MS) >= 0);
}

static void a_holder_leaves_a_server_that_stands_still_by_itself(void)
{
    lk_client *client = LIVE_CLIENT("A", .servers = zkbox_servers(live_box()),
                                    .timeout_ms = TIMEOUT_MS);
    struct stand *a = live_lock(client, "a", "/l");

    lk_fence fence = acquire(a);
    int node = live_node_of(client);
    assert_true(node >= 0);
    assert_int_equal(zkbox_pause(live_box(), node), 0);
    await_change(a, LK_SUSPENDED); /* what the client library alone would notice after two thirds of
                                      the timeout */
    await_change(a, LK_HELD);
    assert_kept(a, fence);
    int other = live_node_of(client);
    assert_true(other >= 0 && other != node);
    release(a); /* the other server works for us */
    assert_int_equal(zkbox_resume(live_box(), node), 0);
    assert_true(zkbox_wait_leader(live_box(), PATIENCE_MS) >= 0);
}

/* No quorum: nobody can be granted, and the holder must give up before the rest could ever expire
 * it. */
static void without_a_quorum_the_grant_is_lost_in_time_and_comes_back_as_another(void)
{
    lk_client *client = LIVE_CLIENT("A", .servers = zkbox_servers(live_box()), .timeout_ms = 6000);
    struct stand *a = live_lock(client, "a", "/l");

    lk_fence fence = acquire(a);
    int first = live_node_of(client), second = (first + 1) % 3;
    assert_true(first >= 0);
    assert_int_equal(zkbox_pause(live_box(), second), 0);
    assert_int_equal(zkbox_pause(live_box(), (first + 2) % 3), 0);
    await_change(a, LK_LOST);
    assert_int_equal(zkbox_resume(live_box(), second), 0);
    assert_int_equal(zkbox_resume(live_box(), (first + 2) % 3), 0);
    assert_true(zkbox_wait_leader(live_box(), PATIENCE_MS) >= 0);
    lk_fence next = acquire(a);
    assert_true(lk_fence_compare(next, fence) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_grant_outlives_the_leader),
        LIVE_TEST(a_holder_leaves_a_server_that_stands_still_by_itself),
        LIVE_TEST(without_a_quorum_the_grant_is_lost_in_time_and_comes_back_as_another),
    };
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.nodes = 3;
    options.fsync = false;
    return live_main("ensemble", &options, tests, sizeof tests / sizeof tests[0]);
}
