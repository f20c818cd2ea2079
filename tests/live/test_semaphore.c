/* test_semaphore.c - so many permits and no more, all or none, in one fair line. */
#include "live.h"

#include <stdio.h>

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_semaphore *semaphore_of(lk_client *client, uint32_t permits)
{
    return live_semaphore(client, "/s", permits, NULL);
}

/* What the client's own waiters make of what it has heard by now takes fewer round trips than this. */
static void let_it_think(lk_client *client)
{
    for (int i = 0; i < 10; i++) {
        lk_line *line;
        assert_status(lk_line_list(client, "/s", soon(), &line), LK_OK);
        lk_line_free(line);
    }
}

static void no_more_than_there_are_are_held(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3), *b = semaphore_of(client, 3),
                 *c = semaphore_of(client, 3);
    char node[64];
    lk_fence fence;

    assert_status(lk_semaphore_acquire(a, 1, soon(), &fence), LK_OK);
    assert_status(lk_semaphore_node(a, node, sizeof node), LK_OK);
    assert_string_equal(node, "lk-sem1-lock-0000000000");
    take_permits(b, 2);
    assert_status(lk_semaphore_try(c, 1, soon(), NULL), LK_E_BUSY);
    await_children(live_path("/s"), 2);
    assert_status(lk_semaphore_acquire(c, 1, lk_in_ms(30), NULL), LK_E_DEADLINE);
    give_back(b);
    assert_status(lk_semaphore_try(c, 2, soon(), NULL), LK_OK);
    assert_status(lk_semaphore_acquire(b, 4, soon(), NULL), LK_E_PERMITS);
    assert_status(lk_semaphore_acquire(b, 0, soon(), NULL), LK_E_INVALID);
}

static void another_number_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3), *b = semaphore_of(client, 2),
                 *c = semaphore_of(client, 0);

    assert_status(lk_semaphore_acquire(c, 1, soon(), NULL), LK_E_NOT_FOUND);
    take_permits(a, 1);
    assert_status(lk_semaphore_acquire(b, 1, soon(), NULL), LK_E_PERMITS);
    take_permits(c, 1);
}

static void who_wants_much_is_not_overtaken(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3), *b = semaphore_of(client, 3),
                 *much = semaphore_of(client, 3), *little = semaphore_of(client, 3);

    take_permits(a, 1);
    take_permits(b, 1);
    struct answer *first = start_permits(much, 3, "three");
    await_children(live_path("/s"), 3);
    struct answer *second = start_permits(little, 1, "one");
    await_children(live_path("/s"), 4);
    give_back(a);
    let_it_think(client);
    assert_false(is_answered(first));
    assert_false(is_answered(second));
    give_back(b);
    assert_status(await_answer(first), LK_OK);
    assert_false(is_answered(second));
    give_back(much);
    assert_status(await_answer(second), LK_OK);
}

/* Until what was asked through the proxy has been answered, and nothing follows for as long as a
 * hundred answers take: or it goes on for ever. */
static void await_idle(zkbox_proxy *proxy)
{
    int64_t before = -1, now = 0;

    for (int i = 0; i < 20 && before != now; i++) {
        before = now;
        for (int j = 0; j < 100; j++)
            assert_true(raw_exists(live_path("/s"), NULL));
        now = zkbox_proxy_requests(proxy, ZKBOX_ANY);
    }
    assert_int_equal(now, before);
}

enum { CROWD = 12 };

/* Each is woken, although all but the first waiter watch only the one before them. */
static void a_crowd_passes_in_order(void)
{
    lk_client *clients[3] = { LIVE_CLIENT("A", 0), LIVE_CLIENT("B", 0), LIVE_CLIENT("C", 0) };
    lk_semaphore *crowd[CROWD];
    struct answer *answers[CROWD];

    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = semaphore_of(clients[i % 3], 2);
        answers[i] = start_permits(crowd[i], 1, "one of many");
        await_children(live_path("/s"), i + 1);
    }
    for (size_t i = 0; i < CROWD; i++) {
        assert_status(await_answer(answers[i]), LK_OK);
        for (size_t j = i + 2; j < CROWD; j++)
            assert_false(is_answered(answers[j]));
        if (i % 2 == 1) { /* the younger of the two holders leaves first */
            give_back(crowd[i]);
            give_back(crowd[i - 1]);
        }
    }
}

static void a_waiter_that_leaves_lets_the_next_be_first(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 1), *b = semaphore_of(client, 1),
                 *c = semaphore_of(client, 1);

    take_permits(a, 1);
    struct answer *second = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    struct answer *third = start_permits(c, 1, "c");
    await_children(live_path("/s"), 3);
    live_free_semaphore(b);
    assert_status(await_answer(second), LK_E_CANCELLED);
    await_children(live_path("/s"), 2);
    give_back(a);
    assert_status(await_answer(third), LK_OK);
}

static void more_permits_wake_who_waits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 1), *b = semaphore_of(client, 1),
                 *c = semaphore_of(client, 1), *d = semaphore_of(client, 0);

    assert_status(lk_semaphore_resize(client, "/s", 2, soon()), LK_E_NOT_FOUND);
    take_permits(a, 1);
    struct answer *second = start_permits(b, 1, "b"), *third = start_permits(c, 1, "c");
    await_children(live_path("/s"), 3);
    assert_status(lk_semaphore_resize(client, "/s", 3, soon()), LK_OK);
    assert_status(await_answer(second), LK_OK);
    assert_status(await_answer(third), LK_OK);
    /* Fewer than are held: nobody loses any, and the line waits. */
    assert_status(lk_semaphore_resize(client, "/s", 1, soon()), LK_OK);
    struct answer *fourth = start_permits(d, 1, "d");
    await_children(live_path("/s"), 4);
    give_back(a);
    give_back(b);
    let_it_think(client);
    assert_false(is_answered(fourth));
    assert_int_equal(lk_semaphore_state(c), LK_HELD);
    give_back(c);
    assert_status(await_answer(fourth), LK_OK);
    assert_status(lk_semaphore_resize(client, "/s", 5, soon()), LK_OK);
    assert_status(lk_semaphore_acquire(a, 1, soon(), NULL), LK_E_PERMITS);
}

static void a_lost_reply_costs_no_permit(void)
{
    for (int nth = 1; nth <= 6; nth++) {
        lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
        lk_semaphore *a = semaphore_of(client, 2), *b = semaphore_of(client, 2),
                     *c = semaphore_of(client, 2);

        take_permits(a, 1);
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        struct answer *two = start_permits(b, 2, "two");
        give_back(a);
        assert_status(await_answer(two), LK_OK);
        zkbox_proxy_heal(live_proxy());
        assert_status(lk_semaphore_try(c, 1, soon(), NULL), LK_E_BUSY);
        live_free_semaphore(a);
        live_free_semaphore(b);
        live_free_semaphore(c);
        await_children(live_path("/s"), 0);
    }
}

/* What says that it is so already may be old. */
static void a_resize_to_the_same_number_is_a_commit_too(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3);
    struct Stat before, after;

    take_permits(a, 1);
    assert_true(raw_exists(live_path("/s"), &before));
    assert_status(lk_semaphore_resize(client, "/s", 3, soon()), LK_OK);
    assert_true(raw_exists(live_path("/s"), &after));
    assert_int_equal(after.version, before.version + 1);
}

/* It would ask for good, not: is it free now? */
static void a_try_that_can_never_succeed_is_not_busy(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3), *b = semaphore_of(client, 2);
    struct Stat stat;

    take_permits(a, 3);
    assert_status(lk_semaphore_try(b, 1, soon(), NULL), LK_E_PERMITS);
    give_back(a);
    assert_true(raw_exists(live_path("/s"), &stat));
    int32_t made = stat.cversion;
    assert_status(lk_semaphore_try(a, 4, soon(), NULL), LK_E_PERMITS);
    raw_exists(live_path("/s"), &stat);
    assert_int_equal(stat.cversion, made);
}

static void who_wants_more_than_a_resize_left_is_sent_away(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = semaphore_of(client, 3), *much = semaphore_of(client, 3),
                 *little = semaphore_of(client, 3);

    take_permits(a, 1);
    struct answer *three = start_permits(much, 3, "three");
    await_children(live_path("/s"), 2);
    struct answer *one = start_permits(little, 1, "one");
    await_children(live_path("/s"), 3);
    assert_status(lk_semaphore_resize(client, "/s", 2, soon()), LK_OK);
    assert_status(await_answer(three), LK_E_PERMITS);
    assert_status(await_answer(one), LK_OK);
}

/* The first waiter's server tells it N, and then nothing for a while. */
static void a_number_read_before_a_resize_grants_nothing_after_it(void)
{
    lk_client *client = LIVE_CLIENT("A", 0),
              *slow = LIVE_CLIENT("W", .proxied = true, .timeout_ms = BRISK_MS);
    lk_semaphore *a = semaphore_of(client, 2), *b = semaphore_of(client, 2),
                 *first = semaphore_of(client, 2), *w = semaphore_of(slow, 2);

    take_permits(a, 1);
    take_permits(b, 1);
    struct answer *leaves = start_permits(first, 1, "first");
    await_children(live_path("/s"), 3);
    struct answer *waits = start_permits(w, 1, "w");
    await_children(live_path("/s"), 4);
    await_idle(live_proxy());
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZOO_GETCHILDREN2_OP, 1), 0);
    live_free_semaphore(first);
    assert_status(await_answer(leaves), LK_E_CANCELLED);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    zkbox_proxy_cut(live_proxy());
    assert_status(lk_semaphore_resize(client, "/s", 1, soon()), LK_OK);
    give_back(b);
    zkbox_proxy_heal(live_proxy());
    assert_status(lk_client_wait_connected(slow, soon()), LK_OK);
    await_idle(live_proxy());
    assert_false(is_answered(waits));
    give_back(a);
    assert_status(await_answer(waits), LK_OK);
}

static void a_waiter_that_nobody_may_read_is_waited_for_in_peace(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", .proxied = true);
    lk_semaphore *a = semaphore_of(client, 1), *b = semaphore_of(other, 1);
    char hidden[400];

    take_permits(a, 1);
    snprintf(hidden, sizeof(hidden), "%s",
             raw_create(live_path("/s/lk-sem1-lock-"), "x", 1, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    raw_limit(hidden, 0);
    struct answer *waits = start_permits(b, 1, "b");
    await_children(live_path("/s"), 3);
    await_idle(live_proxy());
    raw_delete(hidden);
    await_idle(live_proxy());
    assert_false(is_answered(waits));
    give_back(a);
    assert_status(await_answer(waits), LK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(no_more_than_there_are_are_held),
        LIVE_TEST(another_number_is_refused),
        LIVE_TEST(who_wants_much_is_not_overtaken),
        LIVE_TEST(a_crowd_passes_in_order),
        LIVE_TEST(a_waiter_that_leaves_lets_the_next_be_first),
        LIVE_TEST(more_permits_wake_who_waits),
        LIVE_TEST(a_lost_reply_costs_no_permit),
        LIVE_TEST(a_resize_to_the_same_number_is_a_commit_too),
        LIVE_TEST(a_try_that_can_never_succeed_is_not_busy),
        LIVE_TEST(who_wants_more_than_a_resize_left_is_sent_away),
        LIVE_TEST(a_number_read_before_a_resize_grants_nothing_after_it),
        LIVE_TEST(a_waiter_that_nobody_may_read_is_waited_for_in_peace),
    };
    return live_main("live semaphore", NULL, tests, sizeof tests / sizeof *tests);
}
