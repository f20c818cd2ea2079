/* test_losses.c - replies and requests are lost, one at a time and everywhere; then the session
 * too. Nothing is done twice, and nothing is left behind. */
#include "live.h"

#include <errno.h>
#include <stdio.h>

enum { OP_DELETE = 2, OP_GET = 4, OP_LIST = 12, OP_MULTI = 14, OP_CREATE2 = 15 };

typedef int lose_fn(zkbox_proxy *proxy, int opcode, int nth);

/* Two handles on one lock: the first holds, the second waits, is granted, and releases. */
static void take_turns(lk_client *client)
{
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2); /* one znode each, whatever was lost */
    release(a);
    assert_status(await_answer(waits), LK_OK);
    release(b);
    await_children(live_path("/l"), 0);
    await_change(a, LK_IDLE);
    await_change(b, LK_IDLE);
    assert_changes(a, "waiting held idle");
    assert_changes(b, "waiting held idle");
    stand_free(a);
    stand_free(b);
}

static void lose_each(lose_fn *lose)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    int nth = 0, rc;

    raw_make(live_path("/l"));
    do {
        live_tell("the turns in which number %d is lost", ++nth);
        assert_int_equal(lose(live_proxy(), ZKBOX_ANY, nth), 0);
        take_turns(client);
        rc = zkbox_proxy_wait_lost(live_proxy(), 0);
        zkbox_proxy_heal(live_proxy());
    } while (rc == 0);
    assert_true(nth > 8); /* so many requests there were, at least */
}

static void whichever_reply_is_lost_both_get_their_turn(void)
{
    lose_each(zkbox_proxy_lose_reply);
}

static void whichever_request_is_lost_both_get_their_turn(void)
{
    lose_each(zkbox_proxy_lose_request);
}

static void try_each(lose_fn *lose)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    int nth = 0, rc;

    raw_make(live_path("/l"));
    do {
        struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
        assert_int_equal(lose(live_proxy(), ZKBOX_ANY, ++nth), 0);
        assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
        assert_status(lk_lock_try(b->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_BUSY);
        release(a);
        await_children(live_path("/l"), 0);
        rc = zkbox_proxy_wait_lost(live_proxy(), 0);
        zkbox_proxy_heal(live_proxy());
        stand_free(a);
        stand_free(b);
    } while (rc == 0);
    assert_true(nth > 6);
}

static void whatever_is_lost_a_try_takes_what_is_free(void)
{
    try_each(zkbox_proxy_lose_reply);
    raw_delete(live_path("/l"));
    try_each(zkbox_proxy_lose_request);
}

static void parents_are_made_though_any_reply_is_lost(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);

    for (int nth = 1; nth <= 6; nth++) {
        char path[40];
        snprintf(path, sizeof path, "/p%d/q/l", nth);
        struct stand *a = live_lock(client, "a", path);
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        acquire(a);
        await_children(live_path(path), 1);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
        release(a);
    }
}

static void a_place_is_given_up_though_the_reply_is_lost(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_lock(LIVE_CLIENT("B", 0), "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    for (int requests = 0; requests < 2; requests++) {
        struct answer *answer = live_answer("b");
        lk_op op;
        assert_status(lk_lock_acquire_start(b->lock, LK_FOREVER, answer_done, answer, &op), LK_OK);
        await_children(live_path("/l"), 2);
        assert_int_equal((requests ? zkbox_proxy_lose_request
                                   : zkbox_proxy_lose_reply)(live_proxy(), OP_DELETE, 1),
                         0);
        lk_cancel(client, op);
        assert_status(await_answer(answer), LK_E_CANCELLED);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
        await_children(live_path("/l"), 1);
    }
}

/* The create is answered, the read of the parent behind it is not, and then there is no server for
 * a while. */
static void who_gives_up_between_two_replies_leaves_nothing_and_holds_nothing(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_lock(client, "a", "/l");
    struct answer *answer = live_answer("a");
    lk_op op;

    raw_make(live_path("/l"));
    zkbox_proxy_delay(live_proxy(), 500); /* so that no reconnect is faster than the cut */
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), OP_GET, 1), 0);
    assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, answer_done, answer, &op), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    zkbox_proxy_cut(live_proxy());
    await_children(live_path("/l"), 1);
    lk_cancel(client, op);
    assert_status(await_answer(answer), LK_E_CANCELLED);
    zkbox_proxy_heal(live_proxy());
    await_children(live_path("/l"), 0);
    assert_int_equal(lk_lock_state(a->lock), LK_IDLE);
    assert_changes(a, "waiting idle");
    acquire(a);
}

static void a_break_whose_reply_is_lost_is_known_to_be_done(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_lock(LIVE_CLIENT("B", 0), "a", "/l");

    for (int requests = 0; requests < 2; requests++) {
        lk_fence fence = acquire(a);
        assert_int_equal((requests ? zkbox_proxy_lose_request
                                   : zkbox_proxy_lose_reply)(live_proxy(), OP_MULTI, 1),
                         0);
        assert_status(lk_line_break(client, "/l", fence, lk_in_ms(PATIENCE_MS)), LK_OK);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
        assert_int_equal(await_change(a, LK_LOST)->reason, LK_E_LOST);
        assert_status(lk_line_break(client, "/l", fence, lk_in_ms(PATIENCE_MS)), LK_E_NOT_FOUND);
    }
}

static void a_line_is_listed_though_replies_are_lost(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_lock(LIVE_CLIENT("B", 0), "a", "/l");

    acquire(a);
    for (int nth = 1; nth <= 3; nth++) {
        lk_line *line;
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        assert_status(lk_line_list(client, "/l", lk_in_ms(PATIENCE_MS), &line), LK_OK);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
        assert_int_equal(line->count, 1);
        lk_line_free(line);
    }
}

/* ---- then the session ends too ---- */

/* A lock nobody else wants: its znode goes with the session. */
static void hold_an_anchor(lk_client *client, struct gone *gone)
{
    acquire(live_lock(client, "anchor", "/anchor"));
    struct names names;
    char path[400];
    raw_children(live_path("/anchor"), &names);
    assert_int_equal(names.count, 1);
    snprintf(path, sizeof path, "%s/%s", live_path("/anchor"), names.name[0]);
    raw_watch_gone(path, gone);
}

static void end_session(struct gone *gone)
{
    zkbox_proxy_cut(live_proxy());
    await_gone(gone);
    zkbox_proxy_heal(live_proxy());
}

static void a_create_that_was_applied_in_a_session_that_ended_is_made_anew(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *a = live_lock(client, "a", "/l");
    struct gone gone;

    raw_make(live_path("/l"));
    hold_an_anchor(client, &gone);
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    struct answer *answer = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 1);
    end_session(&gone);
    assert_status(await_answer(answer), LK_OK);
    await_children(live_path("/l"), 1);
    assert_changes(a, "waiting held");
}

static void a_create_that_never_arrived_in_a_session_that_ended_is_made_anew(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *a = live_lock(client, "a", "/l");
    struct gone gone;

    raw_make(live_path("/l"));
    hold_an_anchor(client, &gone);
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_SERVER);
    struct answer *answer = start_acquire(a, LK_FOREVER);
    end_session(&gone);
    assert_status(await_answer(answer), LK_OK);
    await_children(live_path("/l"), 1);
    assert_changes(a, "waiting held");
}

static void a_release_is_confirmed_by_the_end_of_the_session(void)
{
    for (int applied = 0; applied < 2; applied++) {
        lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS);
        struct stand *a = live_lock(client, "a", "/l");
        struct answer *answer = live_answer("release");
        struct gone gone;

        acquire(a);
        hold_an_anchor(client, &gone);
        zkbox_proxy_one_way(live_proxy(), applied ? ZKBOX_TO_CLIENT : ZKBOX_TO_SERVER);
        assert_status(lk_lock_release_start(a->lock, LK_FOREVER, answer_done, answer, NULL), LK_OK);
        if (applied)
            await_children(live_path("/l"), 0);
        end_session(&gone);
        assert_status(await_answer(answer), LK_OK);
        assert_int_equal(answer->times, 1);
        await_children(live_path("/l"), 0);
    }
}

static void a_waiter_whose_session_ends_stands_again_at_the_end(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS),
              *other = LIVE_CLIENT("B", 0);
    struct stand *holder = live_lock(other, "holder", "/l"),
                 *later = live_lock(other, "later", "/l");
    struct stand *a = live_lock(client, "a", "/l");
    struct gone gone;

    acquire(holder);
    struct answer *answer = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 2);
    struct answer *later_answer = start_acquire(later, LK_FOREVER);
    await_children(live_path("/l"), 3);
    raw_watch_gone(live_path("/l/lk-lock-0000000001"), &gone);
    end_session(&gone);
    await_children(live_path("/l"), 3);
    release(holder);
    assert_status(await_answer(later_answer), LK_OK);
    assert_false(is_answered(answer));
    release(later);
    assert_status(await_answer(answer), LK_OK);
    assert_changes(a, "waiting held");
}

static void a_predecessor_whose_session_ends_passes_the_lock_on(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS),
              *other = LIVE_CLIENT("B", 0);
    struct stand *holder = live_lock(client, "holder", "/l"),
                 *waiter = live_lock(client, "waiter", "/l");
    struct stand *b = live_lock(other, "b", "/l");

    lk_fence lost = acquire(holder);
    struct answer *waits = start_acquire(waiter, LK_FOREVER);
    await_children(live_path("/l"), 2);
    struct answer *answer = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 3);
    zkbox_proxy_cut(live_proxy());
    assert_status(await_answer(answer), LK_OK); /* both before it are gone */
    lk_fence fence;
    assert_status(lk_lock_fence(b->lock, &fence), LK_OK);
    assert_true(lk_fence_compare(fence, lost) > 0);
    await_change(holder, LK_LOST);
    assert_status(lk_lock_release(holder->lock, LK_FOREVER), LK_E_LOST);
    zkbox_proxy_heal(live_proxy());
    release(b);
    assert_status(await_answer(waits), LK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(whichever_reply_is_lost_both_get_their_turn),
        LIVE_TEST(whichever_request_is_lost_both_get_their_turn),
        LIVE_TEST(whatever_is_lost_a_try_takes_what_is_free),
        LIVE_TEST(parents_are_made_though_any_reply_is_lost),
        LIVE_TEST(a_place_is_given_up_though_the_reply_is_lost),
        LIVE_TEST(who_gives_up_between_two_replies_leaves_nothing_and_holds_nothing),
        LIVE_TEST(a_break_whose_reply_is_lost_is_known_to_be_done),
        LIVE_TEST(a_line_is_listed_though_replies_are_lost),
        LIVE_TEST(a_create_that_was_applied_in_a_session_that_ended_is_made_anew),
        LIVE_TEST(a_create_that_never_arrived_in_a_session_that_ended_is_made_anew),
        LIVE_TEST(a_release_is_confirmed_by_the_end_of_the_session),
        LIVE_TEST(a_waiter_whose_session_ends_stands_again_at_the_end),
        LIVE_TEST(a_predecessor_whose_session_ends_passes_the_lock_on),
    };
    return live_main("losses", NULL, tests, sizeof tests / sizeof tests[0]);
}
