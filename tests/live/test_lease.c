/* test_lease.c - when no server can be reached: SUSPENDED, then LOST before any server can give the
 * lock away; or HELD again, as if nothing had been. And what strangers who delete a znode are heard
 * as. */
#include "live.h"

enum { STEADY_MS = 12000 }; /* SUSPENDED after 4 s, LOST after 6 s: two seconds to heal in */

/* The world of one holder behind the proxy and one waiter on a direct connection. */
struct pair {
    lk_client *client;
    struct stand *holder, *waiter;
    lk_fence fence;
    struct answer *waits;
    struct gone gone;
};

static struct pair holder_and_waiter(int64_t timeout_ms)
{
    struct pair pair = { .client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = timeout_ms) };

    pair.holder = live_lock(pair.client, "holder", "/l");
    pair.waiter = live_lock(LIVE_CLIENT("B", 0), "waiter", "/l");
    pair.fence = acquire(pair.holder);
    pair.waits = start_acquire(pair.waiter, LK_FOREVER);
    await_children(live_path("/l"), 2);
    return pair;
}

typedef void weather_fn(zkbox_proxy *proxy);

static void lose_to_server(zkbox_proxy *proxy)
{
    zkbox_proxy_one_way(proxy, ZKBOX_TO_SERVER);
}

static void lose_to_client(zkbox_proxy *proxy)
{
    zkbox_proxy_one_way(proxy, ZKBOX_TO_CLIENT);
}

static void loss_is_told_before_the_server_gives_the_lock_away(weather_fn *weather)
{
    struct pair pair = holder_and_waiter(3000);
    lk_fence next;

    raw_watch_gone(live_path("/l/lk-lock-0000000000"), &pair.gone);
    weather(live_proxy());
    await_change(pair.holder, LK_LOST);
    assert_int_equal(lk_lock_remaining_ns(pair.holder->lock), 0);
    assert_status(lk_lock_wait_lost(pair.holder->lock, LK_FOREVER), LK_OK);
    await_gone(&pair.gone);
    assert_true(change_time(pair.holder, LK_LOST) < pair.gone.at_ns);
    assert_changes(pair.holder, "waiting held suspended lost");
    assert_status(await_answer(pair.waits), LK_OK);
    assert_status(lk_lock_fence(pair.waiter->lock, &next), LK_OK);
    assert_true(lk_fence_compare(next, pair.fence) > 0);

    zkbox_proxy_heal(live_proxy());
    struct answer *again = start_acquire(pair.holder,
                                         LK_FOREVER); /* the handle can be used again */
    release(pair.waiter);
    assert_status(await_answer(again), LK_OK);
}

static void a_stalled_holder_is_told_before_the_server_gives_its_lock_away(void)
{
    loss_is_told_before_the_server_gives_the_lock_away(zkbox_proxy_stall);
}

static void a_holder_cut_off_is_told_before_the_server_gives_its_lock_away(void)
{
    loss_is_told_before_the_server_gives_the_lock_away(zkbox_proxy_cut);
}

static void a_holder_nobody_hears_is_told_before_the_server_gives_its_lock_away(void)
{
    loss_is_told_before_the_server_gives_the_lock_away(lose_to_server);
}

/* The server hears all its heartbeats and would never end the session: still it must not believe to
 * hold. */
static void a_holder_who_hears_nobody_is_told_all_the_same(void)
{
    struct pair pair = holder_and_waiter(3000);

    lose_to_client(live_proxy());
    await_change(pair.holder, LK_LOST);
    assert_int_equal(lk_lock_remaining_ns(pair.holder->lock), 0);
    assert_false(is_answered(pair.waits));
    zkbox_proxy_heal(live_proxy());
    assert_status(await_answer(pair.waits), LK_OK);
}

static void a_lost_grant_is_removed_when_the_link_heals(void)
{
    struct pair pair = holder_and_waiter(STEADY_MS);
    lk_client_info before, after;

    lk_client_info_get(pair.client, &before);
    zkbox_proxy_stall(live_proxy());
    await_change(pair.holder, LK_LOST);
    assert_true(raw_exists(live_path("/l/lk-lock-0000000000"),
                           NULL)); /* the session lives: T/2 is left of it */
    zkbox_proxy_heal(live_proxy());
    assert_status(await_answer(pair.waits), LK_OK);
    assert_status(lk_client_wait_connected(pair.client, lk_in_ms(PATIENCE_MS)), LK_OK);
    lk_client_info_get(pair.client, &after);
    assert_true(before.session_id == after.session_id);
    assert_false(raw_exists(live_path("/l/lk-lock-0000000000"), NULL));
}

static void a_short_stall_suspends_and_gives_back_the_same_grant(void)
{
    struct pair pair = holder_and_waiter(STEADY_MS);
    lk_fence fence;

    zkbox_proxy_stall(live_proxy());
    const lk_grant_change *change = await_change(pair.holder, LK_SUSPENDED);
    assert_int_equal(lk_fence_compare(change->fence, pair.fence), 0);
    assert_true(lk_lock_remaining_ns(pair.holder->lock) > 0);
    zkbox_proxy_heal(live_proxy());
    change = await_change(pair.holder, LK_HELD);
    assert_int_equal(lk_fence_compare(change->fence, pair.fence), 0);
    assert_status(lk_lock_fence(pair.holder->lock, &fence), LK_OK);
    assert_int_equal(lk_fence_compare(fence, pair.fence), 0);
    assert_true(lk_lock_remaining_ns(pair.holder->lock) > STEADY_MS / 6 * INT64_C(1000000));
    assert_changes(pair.holder, "waiting held suspended held");
    assert_false(is_answered(pair.waits));
    release(pair.holder);
    assert_status(await_answer(pair.waits), LK_OK);
}

static void a_suspended_grant_may_be_released(void)
{
    struct pair pair = holder_and_waiter(STEADY_MS);
    struct answer *released = live_answer("release");

    zkbox_proxy_stall(live_proxy());
    await_change(pair.holder, LK_SUSPENDED);
    assert_status(lk_lock_release_start(pair.holder->lock, LK_FOREVER, answer_done, released, NULL),
                  LK_OK);
    assert_int_equal(lk_lock_state(pair.holder->lock), LK_IDLE);
    zkbox_proxy_heal(live_proxy());
    assert_status(await_answer(released), LK_OK);
    assert_status(await_answer(pair.waits), LK_OK);
    assert_changes(pair.holder, "waiting held suspended idle");
}

/* Its create proved the session long ago, and nobody asked for a proof while it waited. */
static void who_waited_for_half_a_lease_is_granted_in_peace(void)
{
    enum { TIMEOUT_MS = 6000 };
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = TIMEOUT_MS);
    struct stand *first = live_lock(LIVE_CLIENT("B", 0), "first", "/l"),
                 *a = live_lock(client, "a", "/l");

    acquire(first);
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 2);
    /* Between T/3 and T/2. */
    assert_status(lk_lock_wait_lost(first->lock, lk_in_ms(TIMEOUT_MS * 2 / 5)), LK_E_DEADLINE);
    release(first);
    assert_status(await_answer(waits), LK_OK);
    assert_status(lk_lock_wait_lost(a->lock, lk_in_ms(TIMEOUT_MS / 2)), LK_E_DEADLINE);
    assert_changes(a, "waiting held");
    assert_int_equal(zkbox_proxy_connections(live_proxy()), 1);
}

static void who_waited_longer_than_a_lease_is_granted_with_a_running_one(void)
{
    enum { TIMEOUT_MS = 1800 };
    lk_client *client = LIVE_CLIENT("A", .timeout_ms = TIMEOUT_MS);
    struct stand *first = live_lock(LIVE_CLIENT("B", 0), "first", "/l"),
                 *a = live_lock(client, "a", "/l");

    acquire(first);
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 2);
    assert_status(lk_lock_wait_lost(first->lock, lk_in_ms(TIMEOUT_MS)), LK_E_DEADLINE);
    release(first);
    assert_status(await_answer(waits), LK_OK);
    assert_true(lk_lock_remaining_ns(a->lock) > 0);
}

/* ---- strangers who delete ---- */

static void a_broken_holder_is_told_that_it_has_lost(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    lk_fence fence = acquire(a), next;
    struct answer *waits = start_acquire(b, LK_FOREVER);

    await_children(live_path("/l"), 2);
    assert_status(lk_line_break(LIVE_CLIENT("B", 0), "/l", fence, lk_in_ms(PATIENCE_MS)), LK_OK);
    assert_int_equal(await_change(a, LK_LOST)->reason, LK_E_LOST);
    assert_status(lk_lock_wait_lost(a->lock, LK_FOREVER), LK_OK);
    assert_status(lk_lock_release(a->lock, LK_FOREVER), LK_E_LOST);
    assert_status(lk_lock_fence(a->lock, &next), LK_E_STATE);
    assert_status(await_answer(waits), LK_OK);
    assert_status(lk_lock_fence(b->lock, &next), LK_OK);
    assert_true(lk_fence_compare(next, fence) > 0);
    release(b);
    acquire(a);
    assert_changes(a, "waiting held lost waiting held");
}

static void a_broken_waiter_is_told_that_its_place_is_lost(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l"),
                 *c = live_lock(client, "c", "/l");
    lk_line *line;

    acquire(a);
    struct answer *b_waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    struct answer *c_waits = start_acquire(c, LK_FOREVER);
    await_children(live_path("/l"), 3);
    assert_status(lk_line_list(client, "/l", lk_in_ms(PATIENCE_MS), &line), LK_OK);
    assert_status(lk_line_break(client, "/l", line->entries[1].fence, lk_in_ms(PATIENCE_MS)),
                  LK_OK);
    lk_line_free(line);
    assert_status(await_answer(b_waits), LK_E_LOST);
    assert_changes(b, "waiting idle");
    release(a);
    assert_status(await_answer(c_waits), LK_OK);
}

static void a_line_whose_parent_is_made_anew_tells_all_who_stood_there(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l"),
                 *c = live_lock(client, "c", "/l");
    const char *first = live_path("/l/lk-lock-0000000000"),
               *second = live_path("/l/lk-lock-0000000001");
    zoo_op_t ops[4];
    zoo_op_result_t results[4];

    lk_fence fence = acquire(a), next;
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    zoo_delete_op_init(&ops[0], first, -1);
    zoo_delete_op_init(&ops[1], second, -1);
    zoo_delete_op_init(&ops[2], live_path("/l"), -1);
    zoo_create_op_init(&ops[3], live_path("/l"), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    assert_int_equal(zoo_multi(raw(), 4, ops, results), ZOK);
    next = acquire(c); /* with a's old name */
    assert_true(lk_fence_compare(next, fence) > 0);
    assert_int_equal(await_change(a, LK_LOST)->reason, LK_E_LOST);
    assert_status(await_answer(waits), LK_E_LOST);
    await_children(live_path("/l"), 1); /* and c's znode was not taken for theirs */
    assert_int_equal(lk_lock_state(c->lock), LK_HELD);
    lk_fence none = { 1, 0 };
    assert_status(lk_line_break(client, "/l", none, lk_in_ms(PATIENCE_MS)), LK_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_stalled_holder_is_told_before_the_server_gives_its_lock_away),
        LIVE_TEST(a_holder_cut_off_is_told_before_the_server_gives_its_lock_away),
        LIVE_TEST(a_holder_nobody_hears_is_told_before_the_server_gives_its_lock_away),
        LIVE_TEST(a_holder_who_hears_nobody_is_told_all_the_same),
        LIVE_TEST(a_lost_grant_is_removed_when_the_link_heals),
        LIVE_TEST(a_short_stall_suspends_and_gives_back_the_same_grant),
        LIVE_TEST(a_suspended_grant_may_be_released),
        LIVE_TEST(who_waited_for_half_a_lease_is_granted_in_peace),
        LIVE_TEST(who_waited_longer_than_a_lease_is_granted_with_a_running_one),
        LIVE_TEST(a_broken_holder_is_told_that_it_has_lost),
        LIVE_TEST(a_broken_waiter_is_told_that_its_place_is_lost),
        LIVE_TEST(a_line_whose_parent_is_made_anew_tells_all_who_stood_there),
    };
    return live_main("lease", NULL, tests, sizeof tests / sizeof tests[0]);
}
