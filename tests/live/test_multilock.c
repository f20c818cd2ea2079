/* test_multilock.c - several locks at once, asked for without waiting. (Its blocking calls are in
 * test_mutex.c.) */
#include "live.h"

#include <string.h>

static const char *const three[] = { "/c", "/a", "/b" };

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

struct told {
    lk_grant_state states[CHANGES_MAX];
    int reasons[CHANGES_MAX];
    size_t count;
};

static void note(const lk_grant_change *change, void *arg)
{
    struct told *told = arg;

    told->states[told->count] = change->state;
    told->reasons[told->count++] = change->reason;
}

static lk_multilock *multilock_of(lk_client *client, struct told *told)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    lk_multilock *multilock = NULL;

    options.on_change = told ? note : NULL;
    options.on_change_arg = told;
    assert_status(lk_multilock_new(&multilock, client, three, 3, &options), LK_OK);
    return multilock;
}

static struct answer *acquires(lk_multilock *all, lk_op *out_op)
{
    struct answer *answer = live_answer("acquire");

    assert_status(lk_multilock_acquire_start(all, LK_FOREVER, answer_done, answer, out_op), LK_OK);
    return answer;
}

static void await_nobody(void)
{
    for (size_t i = 0; i < 3; i++)
        await_children(live_path(three[i]), 0);
}

static void all_are_had_while_nobody_dispatches(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    struct told told = { 0 };
    lk_multilock *all = multilock_of(client, &told);
    struct answer *answer = acquires(all, NULL);

    while (lk_multilock_state(all) != LK_HELD)
        raw_exists("/", NULL);
    assert_int_equal(told.count, 0);
    assert_false(is_answered(answer));
    while (!is_answered(answer))
        assert_true(lk_dispatch(client, soon()) >= 0);
    assert_int_equal(answer->status, LK_OK);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.states[0], LK_WAITING);
    assert_int_equal(told.states[1], LK_HELD);
    assert_status(lk_multilock_acquire_start(all, soon(), answer_done, answer, NULL), LK_E_STATE);
    struct answer *given = live_answer("release");
    assert_status(lk_multilock_release_start(all, soon(), answer_done, given, NULL), LK_OK);
    assert_int_equal(lk_multilock_state(all), LK_IDLE); /* from the call on */
    assert_status(lk_multilock_release_start(all, soon(), answer_done, given, NULL), LK_E_STATE);
    while (!is_answered(given))
        assert_true(lk_dispatch(client, soon()) >= 0);
    assert_int_equal(given->status, LK_OK);
    assert_int_equal(told.count, 3);
    assert_int_equal(told.states[2], LK_IDLE);
    await_nobody();
    lk_multilock_free(all);
}

static void a_busy_one_is_the_answer_of_a_try(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0), NULL);
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "b", "/b");
    struct answer *answer = live_answer("try");

    acquire(other);
    assert_status(lk_multilock_try_start(all, soon(), answer_done, answer, NULL), LK_OK);
    assert_int_equal(await_answer(answer), LK_E_BUSY);
    assert_string_equal(lk_multilock_culprit(all), "/b");
    await_children(live_path("/a"), 0);
    lk_multilock_free(all);
}

static void one_that_is_lost_meanwhile_ends_the_wait_for_the_next(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0), NULL);
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "b", "/b");

    acquire(other);
    struct answer *answer = acquires(all, NULL);
    await_children(live_path("/b"), 2);
    raw_delete(live_path("/a/lk-lock-0000000000"));
    assert_int_equal(await_answer(answer), LK_E_LOST);
    assert_string_equal(lk_multilock_culprit(all), "/a");
    await_children(live_path("/b"), 1);
    release(other);
    answer = acquires(all, NULL);
    assert_int_equal(await_answer(answer), LK_OK);
    assert_null(lk_multilock_culprit(all));
    lk_multilock_free(all);
}

static void who_cancels_keeps_none(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_multilock *all = multilock_of(client, NULL);
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "c", "/c");
    lk_op op;

    acquire(other);
    struct answer *answer = acquires(all, &op);
    await_children(live_path("/c"), 2);
    lk_cancel(client, op);
    assert_int_equal(await_answer(answer), LK_E_CANCELLED);
    assert_int_equal(lk_multilock_state(all), LK_IDLE);
    release(other);
    await_nobody();
    lk_multilock_free(all);
}

static void who_frees_it_gives_up(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0), NULL);
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "c", "/c");

    acquire(other);
    struct answer *answer = acquires(all, NULL);
    await_children(live_path("/c"), 2);
    lk_multilock_free(all);
    assert_int_equal(await_answer(answer), LK_E_CANCELLED);
    await_children(live_path("/a"), 0);
    await_children(live_path("/c"), 1);
}

static void what_is_left_of_one_lost_in_part_is_given_back(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0), NULL);
    struct answer *given = live_answer("release");

    assert_int_equal(await_answer(acquires(all, NULL)), LK_OK);
    assert_int_equal(lk_multilock_state(all), LK_HELD);
    raw_delete(live_path("/c/lk-lock-0000000000"));
    while (lk_multilock_state(all) != LK_LOST)
        raw_exists("/", NULL);
    assert_status(lk_multilock_release_start(all, soon(), answer_done, given, NULL), LK_OK);
    assert_int_equal(await_answer(given), LK_E_LOST);
    await_nobody();
    lk_multilock_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(all_are_had_while_nobody_dispatches),
        LIVE_TEST(a_busy_one_is_the_answer_of_a_try),
        LIVE_TEST(one_that_is_lost_meanwhile_ends_the_wait_for_the_next),
        LIVE_TEST(who_cancels_keeps_none),
        LIVE_TEST(who_frees_it_gives_up),
        LIVE_TEST(what_is_left_of_one_lost_in_part_is_given_back),
    };
    return live_main("live multilock", NULL, tests, sizeof tests / sizeof *tests);
}
