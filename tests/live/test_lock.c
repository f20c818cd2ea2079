/* test_lock.c - a lock in good weather: taken, waited for in order, given up and given back, from
 * every side. */
#include "live.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- one handle ---- */

static void a_lock_is_taken_held_and_given_back(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    char node[64], tiny[4];
    lk_fence seen;
    struct Stat stat;

    assert_int_equal(lk_lock_state(a->lock), LK_IDLE);
    lk_fence fence = acquire(a);
    assert_int_equal(lk_lock_state(a->lock), LK_HELD);
    assert_true(lk_lock_remaining_ns(a->lock) > 0);
    assert_true(lk_lock_remaining_ns(a->lock) <= CALM_MS / 2 * INT64_C(1000000));
    assert_status(lk_lock_fence(a->lock, &seen), LK_OK);
    assert_int_equal(lk_fence_compare(fence, seen), 0);
    assert_status(lk_lock_node(a->lock, node, sizeof node), LK_OK);
    assert_status(lk_lock_node(a->lock, tiny, sizeof tiny), LK_E_INVALID);
    assert_string_equal(node, "lk-lock-0000000000");
    assert_true(raw_exists(live_path("/l/lk-lock-0000000000"), &stat));
    assert_true((uint64_t)stat.czxid == fence.zxid);

    release(a);
    assert_false(raw_exists(live_path("/l/lk-lock-0000000000"), NULL));
    assert_int_equal(lk_lock_state(a->lock), LK_IDLE);
    assert_int_equal(lk_lock_remaining_ns(a->lock), 0);
    await_change(a, LK_IDLE);
    assert_changes(a, "waiting held idle");
}

static void a_handle_makes_one_request_at_a_time(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    int64_t soon = lk_in_ms(PATIENCE_MS);
    lk_fence fence = { 77, 7 };
    char node[64];

    assert_status(lk_lock_release(a->lock, soon), LK_E_STATE);
    assert_status(lk_lock_fence(a->lock, &fence), LK_E_STATE);
    assert_status(lk_lock_node(a->lock, node, sizeof node), LK_E_STATE);
    assert_status(lk_lock_wait_lost(a->lock, soon), LK_E_STATE);
    acquire(a);
    assert_status(lk_lock_acquire(a->lock, soon, &fence), LK_E_STATE);
    assert_status(lk_lock_try(a->lock, soon, &fence), LK_E_STATE);
    assert_status(lk_lock_acquire_start(a->lock, soon, answer_done, NULL, NULL), LK_E_STATE);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    assert_status(lk_lock_acquire(b->lock, soon, &fence), LK_E_STATE);
    assert_status(lk_lock_release(b->lock, soon), LK_E_STATE);
    assert_status(lk_lock_release_start(b->lock, soon, answer_done, NULL, NULL), LK_E_STATE);
    assert_int_equal(fence.zxid, 77); /* out-parameters are written on LK_OK alone */
    release(a);
    assert_status(await_answer(waits), LK_OK);
}

static void what_can_not_be_asked_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    lk_lock *lock = NULL;
    char label[300];

    memset(label, 'x', sizeof label);
    label[256] = '\0';
    options.label = label;
    assert_status(lk_lock_new(&lock, client, "/l", &options), LK_E_TOO_LARGE);
    options.size = 1;
    assert_status(lk_lock_new(&lock, client, "/l", &options), LK_E_INVALID);
    assert_status(lk_lock_new(NULL, client, "/l", NULL), LK_E_INVALID);
    assert_status(lk_lock_new(&lock, NULL, "/l", NULL), LK_E_INVALID);
    assert_status(lk_lock_new(&lock, client, NULL, NULL), LK_E_INVALID);
    assert_status(lk_lock_acquire(NULL, 0, NULL), LK_E_INVALID);
    assert_status(lk_lock_acquire_start(a->lock, 0, NULL, NULL, NULL), LK_E_INVALID);
    assert_status(lk_lock_release_start(a->lock, 0, NULL, NULL, NULL), LK_E_INVALID);
    assert_status(lk_lock_fence(a->lock, NULL), LK_E_INVALID);
    assert_null(lk_lock_free(NULL));
    assert_null(lock);
}

static void a_deadline_ends_the_wait_and_gives_the_place_back(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    assert_status(lk_lock_acquire(b->lock, lk_in_ms(50), NULL), LK_E_DEADLINE);
    assert_int_equal(lk_lock_state(b->lock), LK_IDLE);
    await_children(live_path("/l"), 1);
    assert_status(lk_lock_acquire(b->lock, 0, NULL), LK_E_DEADLINE); /* long past */
    await_change(b, LK_IDLE);
    await_change(b, LK_IDLE);
    assert_changes(b, "waiting idle waiting idle");
    assert_int_equal(b->changes[1].reason, LK_E_DEADLINE);
    await_children(live_path("/l"), 1);
    release(a);
    acquire(b); /* the handle is as good as new */
}

static void a_cancelled_wait_ends_once_and_gives_the_place_back(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    struct answer *answer = live_answer("b");
    lk_op op;

    acquire(a);
    assert_status(lk_lock_acquire_start(b->lock, LK_FOREVER, answer_done, answer, &op), LK_OK);
    await_children(live_path("/l"), 2);
    lk_cancel(client, op);
    assert_status(await_answer(answer), LK_E_CANCELLED);
    await_children(live_path("/l"), 1);
    lk_cancel(client, op); /* finished names are harmless */
    lk_cancel(client, (lk_op){ 0 });
    release(a);
    acquire(a);
    assert_int_equal(answer->times, 1);
}

static void a_try_takes_what_is_free_and_leaves_what_is_busy(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    lk_fence fence;

    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), &fence),
                  LK_OK); /* there was not even a parent */
    assert_status(lk_lock_try(b->lock, lk_in_ms(PATIENCE_MS), &fence), LK_E_BUSY);
    await_children(live_path("/l"), 1);
    release(a);
    assert_status(lk_lock_try(b->lock, lk_in_ms(PATIENCE_MS), &fence), LK_OK);
    await_change(b, LK_HELD);
    assert_changes(b, "waiting idle waiting held");
    assert_int_equal(b->changes[1].reason, LK_E_BUSY);
}

static void of_many_tries_at_once_one_at_most_succeeds_and_none_waits(void)
{
    enum { TRIES = 12 };
    struct stand *stands[TRIES];
    struct answer *answers[TRIES];
    lk_client *clients[2] = { LIVE_CLIENT("A", 0), LIVE_CLIENT("B", 0) };
    unsigned taken = 0;

    for (size_t i = 0; i < TRIES; i++) {
        stands[i] = live_lock(clients[i % 2], "try", "/l");
        answers[i] = live_answer("try");
    }
    for (size_t i = 0; i < TRIES; i++)
        assert_status(lk_lock_try_start(stands[i]->lock, LK_FOREVER, answer_done, answers[i], NULL),
                      LK_OK);
    for (size_t i = 0; i < TRIES; i++) {
        int status = await_answer(answers[i]);
        assert_true(status == LK_OK || status == LK_E_BUSY);
        taken += status == LK_OK;
    }
    assert_true(taken <= 1);
    await_children(live_path("/l"), taken);
}

/* ---- the line ---- */

static void a_lock_passes_on_in_the_order_of_joining(void)
{
    enum { COUNT = 30, CLIENTS = 3 };
    lk_client *clients[CLIENTS] = { LIVE_CLIENT("A", 0), LIVE_CLIENT("B", 0), LIVE_CLIENT("C", 0) };
    struct stand *stands[COUNT];
    struct answer *answers[COUNT];
    lk_op ops[COUNT];
    lk_fence last = { 0 };
    unsigned rank = 0;

    struct stand *first = live_lock(clients[0], "first", "/l");
    acquire(first);
    for (size_t i = 0; i < COUNT; i++) {
        stands[i] = live_lock(clients[i % CLIENTS], "waiter", "/l");
        answers[i] = live_answer("waiter");
        assert_status(
            lk_lock_acquire_start(stands[i]->lock, LK_FOREVER, answer_done, answers[i], &ops[i]),
            LK_OK);
        await_children(live_path("/l"),
                       i + 2); /* so the order of the znodes is the order of the handles */
    }
    for (size_t i = 2; i < COUNT; i += 3) /* every third gives up */
        lk_cancel(clients[i % CLIENTS], ops[i]);
    for (size_t i = 2; i < COUNT; i += 3)
        assert_status(await_answer(answers[i]), LK_E_CANCELLED);
    release(first);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 3 == 2)
            continue;
        assert_status(await_answer(answers[i]), LK_OK);
        assert_true(answers[i]->rank > rank);
        rank = answers[i]->rank;
        for (size_t j = i + 1; j < COUNT; j++)
            assert_true(j % 3 == 2 || !is_answered(answers[j]));
        lk_fence fence;
        assert_status(lk_lock_fence(stands[i]->lock, &fence), LK_OK);
        assert_true(lk_fence_compare(fence, last) > 0);
        last = fence;
        release(stands[i]);
    }
}

static void who_gives_up_in_the_middle_wakes_nobody(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l"),
                 *c = live_lock(client, "c", "/l");

    acquire(a);
    struct answer *b_waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    struct answer *c_waits = start_acquire(c, LK_FOREVER);
    await_children(live_path("/l"), 3);
    stand_free(b);
    assert_status(await_answer(b_waits), LK_E_CANCELLED);
    await_children(live_path("/l"), 2);
    assert_status(lk_lock_wait_lost(a->lock, lk_in_ms(100)),
                  LK_E_DEADLINE); /* time enough for a wrong grant */
    assert_false(is_answered(c_waits));
    release(a);
    assert_status(await_answer(c_waits), LK_OK);
    lk_fence fence;
    assert_status(lk_lock_fence(c->lock, &fence), LK_OK);
}

static void fences_rise_also_when_the_path_was_deleted_in_between(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    lk_fence before = acquire(a);

    release(a);
    raw_delete(live_path("/l"));
    lk_fence after = acquire(a);
    assert_true(lk_fence_compare(after, before) > 0);
}

static void a_line_shows_who_stands_there(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "the holder", "/l"),
                 *b = live_lock(client, "the waiter", "/l");
    lk_line *line = NULL;

    assert_status(lk_line_list(client, "/l", lk_in_ms(PATIENCE_MS), &line), LK_E_NOT_FOUND);
    assert_null(line);
    lk_fence fence = acquire(a);
    start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    raw_create(live_path("/l/litter"), "bytes", 5, 0);
    assert_status(lk_line_list(client, "/l", lk_in_ms(PATIENCE_MS), &line), LK_OK);
    assert_string_equal(line->kind, "lock");
    assert_int_equal(line->count, 3);
    assert_true(line->entries[0].holds && line->entries[0].ours);
    assert_string_equal(line->entries[0].label, "the holder");
    assert_true(line->entries[0].fence.zxid == fence.zxid);
    assert_int_equal(line->entries[0].pid, getpid());
    assert_true(!line->entries[1].holds && line->entries[1].ours);
    assert_string_equal(line->entries[1].label, "the waiter");
    assert_int_equal(line->entries[2].number, -1);
    assert_false(line->entries[2].ours || line->entries[2].holds);
    assert_memory_equal(line->entries[2].label, "bytes", 5);
    lk_line_free(line);
}

/* ---- free, in every state ---- */

static void a_lock_freed_while_it_waits_leaves_the_line(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    struct answer *answer = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    stand_free(b);
    assert_status(await_answer(answer), LK_E_CANCELLED);
    await_children(live_path("/l"), 1);
    assert_int_equal(answer->times, 1);
}

static void a_lock_freed_while_its_create_is_on_its_way_leaves_nothing(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);

    raw_make(live_path("/l"));
    zkbox_proxy_delay(live_proxy(), 50);
    for (int i = 0; i < 3; i++) {
        struct stand *a = live_lock(client, "a", "/l");
        struct answer *answer = start_acquire(a, LK_FOREVER);
        stand_free(a);
        assert_status(await_answer(answer), LK_E_CANCELLED);
    }
    zkbox_proxy_heal(live_proxy());
    acquire(live_lock(client, "b", "/l"));
    await_children(live_path("/l"), 1);
}

static void a_lock_freed_while_held_is_released(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    struct answer *b_waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    stand_free(a);
    assert_status(await_answer(b_waits), LK_OK);
}

static void *block_in_acquire(void *arg)
{
    struct stand *stand = arg;
    int status = lk_lock_acquire(stand->lock, LK_FOREVER, NULL);
    return (void *)(intptr_t)status;
}

static void a_lock_may_be_freed_under_a_thread_that_waits_for_it(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    pthread_t thread;
    void *status;

    acquire(a);
    assert_int_equal(pthread_create(&thread, NULL, block_in_acquire, b), 0);
    await_change(b, LK_WAITING);
    await_children(live_path("/l"), 2);
    stand_free(b);
    pthread_join(thread, &status);
    assert_status((int)(intptr_t)status, LK_E_CANCELLED);
}

static void *block_in_try(void *arg)
{
    struct stand *stand = arg;
    return (void *)(intptr_t)lk_lock_try(stand->lock, LK_FOREVER, NULL);
}

static void a_lock_may_be_freed_under_a_thread_that_waits_for_a_server(void)
{
    zkbox_proxy_cut(live_proxy());
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true, .unconnected = true), "a", "/l");
    pthread_t thread;
    void *status;

    assert_int_equal(pthread_create(&thread, NULL, block_in_try, a), 0);
    await_change(a, LK_WAITING);
    stand_free(a); /* nothing was sent: the handle's memory goes at once */
    pthread_join(thread, &status);
    assert_status((int)(intptr_t)status, LK_E_CANCELLED);
}

struct free_inside {
    struct stand *stand;
    struct answer *answer;
    atomic_bool is_done;
};

static void free_in_callback(int status, void *arg)
{
    struct free_inside *inside = arg;

    stand_free(inside->stand);
    answer_done(status, inside->answer);
}

static void a_lock_may_be_freed_inside_its_callback(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    struct free_inside inside = { .stand = a, .answer = live_answer("a") };

    assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, free_in_callback, &inside, NULL),
                  LK_OK);
    assert_status(await_answer(inside.answer), LK_OK);
    await_children(live_path("/l"), 0);
}

static void free_at_held(const lk_grant_change *change, void *arg)
{
    struct free_inside *inside = arg;

    if (change->state != LK_HELD)
        return;
    inside->stand->lock = lk_lock_free(inside->stand->lock);
    atomic_store(&inside->is_done, true);
    live_changed();
}

static bool lock_is_freed(void *arg)
{
    return atomic_load(&((struct free_inside *)arg)->is_done);
}

static void a_lock_may_be_freed_inside_its_change(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    struct free_inside inside = { .stand = a, .answer = live_answer("a") };
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    stand_free(a);
    options.on_change = free_at_held;
    options.on_change_arg = &inside;
    assert_status(lk_lock_new(&a->lock, client, "/l", &options), LK_OK);
    assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, answer_done, inside.answer, NULL),
                  LK_OK);
    live_await("freed", lock_is_freed, &inside);
    assert_status(await_answer(inside.answer), LK_OK); /* it was granted before it was freed */
    await_children(live_path("/l"), 0);
}

/* ---- callbacks ---- */

struct reentry {
    lk_client *client;
    struct stand *held, *idle;
    struct answer *answer;
    int statuses[9];
};

static void call_everything_that_blocks(int status, void *arg)
{
    struct reentry *in = arg;
    int64_t soon = lk_in_ms(PATIENCE_MS);
    lk_line *line;
    int *out = in->statuses;

    *out++ = lk_lock_acquire(in->idle->lock, soon, NULL);
    *out++ = lk_lock_try(in->idle->lock, soon, NULL);
    *out++ = lk_lock_release(in->held->lock, soon);
    *out++ = lk_lock_wait_lost(in->held->lock, soon);
    *out++ = lk_line_list(in->client, "/l", soon, &line);
    *out++ = lk_line_break(in->client, "/l", (lk_fence){ 1, 0 }, soon);
    *out++ = lk_client_wait_connected(in->client, soon);
    *out++ = lk_candidate_proclaim(NULL, "", 0, soon) == LK_E_INVALID ? LK_E_WOULD_DEADLOCK : LK_OK;
    *out++ = lk_dispatch(in->client, 0);
    answer_done(status, in->answer);
}

static void a_blocking_call_in_a_callback_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    struct stand *held = live_lock(client, "held", "/l"), *idle = live_lock(client, "idle", "/m");
    struct reentry in = { client, held, idle, live_answer("held"), { 0 } };

    assert_status(
        lk_lock_acquire_start(held->lock, LK_FOREVER, call_everything_that_blocks, &in, NULL),
        LK_OK);
    while (!is_answered(in.answer))
        assert_true(lk_dispatch(client, lk_in_ms(PATIENCE_MS)) >= 0);
    for (size_t i = 0; i < sizeof in.statuses / sizeof *in.statuses; i++)
        assert_status(in.statuses[i], LK_E_WOULD_DEADLOCK);
    assert_int_equal(lk_lock_state(held->lock), LK_HELD); /* and nothing happened */
    assert_int_equal(lk_lock_state(idle->lock), LK_IDLE);
}

static void release_in_callback(int status, void *arg)
{
    struct free_inside *inside = arg;

    assert_int_equal(status, LK_OK);
    if (lk_lock_release_start(inside->stand->lock, LK_FOREVER, answer_done, inside->answer, NULL)
        != LK_OK)
        answer_done(LK_E_STATE, inside->answer);
}

static void an_asynchronous_call_in_a_callback_is_welcome(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    struct free_inside inside = { .stand = a, .answer = live_answer("released") };

    assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, release_in_callback, &inside, NULL),
                  LK_OK);
    assert_status(await_answer(inside.answer), LK_OK);
}

static void a_program_with_its_own_loop_polls_one_descriptor(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    struct stand *a = live_lock(client, "a", "/l");
    struct pollfd ready = { .fd = lk_fd(client), .events = POLLIN };

    assert_true(ready.fd >= 0);
    assert_int_equal(poll(&ready, 1, 0), 0);
    assert_int_equal(lk_dispatch(client, 0), 0);
    for (int turn = 0; turn < 3; turn++) {
        struct answer *answer = start_acquire(a, LK_FOREVER);
        while (!is_answered(answer)) {
            assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
            assert_true(lk_dispatch(client, 0) > 0);
        }
        assert_int_equal(lk_fd(client), ready.fd);
        assert_status(lk_lock_release(a->lock, lk_in_ms(PATIENCE_MS)), LK_OK);
        while (poll(&ready, 1, 0) == 1)
            assert_true(lk_dispatch(client, 0) > 0);
        assert_int_equal(lk_dispatch(client, 0), 0); /* not readable: nothing waits */
    }
    assert_changes(a, "waiting held idle waiting held idle waiting held idle");
}

static void progress_does_not_depend_on_dispatch(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true, .timeout_ms = BRIEF_MS);
    struct stand *a = live_lock(client, "a", "/l");
    struct stand *b = live_lock(LIVE_CLIENT("B", 0), "b", "/l");

    acquire(a);
    start_acquire(b, LK_FOREVER);
    /* Two session timeouts and nobody dispatches: the heartbeats must go on. */
    assert_status(lk_lock_wait_lost(a->lock, lk_in_ms(2 * BRIEF_MS)), LK_E_DEADLINE);
    lk_grant_state state = lk_lock_state(a->lock);
    assert_true(state == LK_HELD || state == LK_SUSPENDED);
    assert_int_equal(a->count, 0);
}

/* ---- wait_lost ---- */

static void *block_in_wait_lost(void *arg)
{
    struct stand *stand = arg;
    return (void *)(intptr_t)lk_lock_wait_lost(stand->lock, LK_FOREVER);
}

static void who_waits_for_the_loss_hears_of_a_release(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    pthread_t thread;
    void *status;

    acquire(a);
    assert_status(lk_lock_wait_lost(a->lock, 0), LK_E_DEADLINE);
    assert_int_equal(pthread_create(&thread, NULL, block_in_wait_lost, a), 0);
    release(a); /* before or after the thread waits: the same answer */
    pthread_join(thread, &status);
    assert_status((int)(intptr_t)status, LK_E_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_lock_is_taken_held_and_given_back),
        LIVE_TEST(a_handle_makes_one_request_at_a_time),
        LIVE_TEST(what_can_not_be_asked_is_refused),
        LIVE_TEST(a_deadline_ends_the_wait_and_gives_the_place_back),
        LIVE_TEST(a_cancelled_wait_ends_once_and_gives_the_place_back),
        LIVE_TEST(a_try_takes_what_is_free_and_leaves_what_is_busy),
        LIVE_TEST(of_many_tries_at_once_one_at_most_succeeds_and_none_waits),
        LIVE_TEST(a_lock_passes_on_in_the_order_of_joining),
        LIVE_TEST(who_gives_up_in_the_middle_wakes_nobody),
        LIVE_TEST(fences_rise_also_when_the_path_was_deleted_in_between),
        LIVE_TEST(a_line_shows_who_stands_there),
        LIVE_TEST(a_lock_freed_while_it_waits_leaves_the_line),
        LIVE_TEST(a_lock_freed_while_its_create_is_on_its_way_leaves_nothing),
        LIVE_TEST(a_lock_freed_while_held_is_released),
        LIVE_TEST(a_lock_may_be_freed_under_a_thread_that_waits_for_it),
        LIVE_TEST(a_lock_may_be_freed_under_a_thread_that_waits_for_a_server),
        LIVE_TEST(a_lock_may_be_freed_inside_its_callback),
        LIVE_TEST(a_lock_may_be_freed_inside_its_change),
        LIVE_TEST(a_blocking_call_in_a_callback_is_refused),
        LIVE_TEST(an_asynchronous_call_in_a_callback_is_welcome),
        LIVE_TEST(a_program_with_its_own_loop_polls_one_descriptor),
        LIVE_TEST(progress_does_not_depend_on_dispatch),
        LIVE_TEST(who_waits_for_the_loss_hears_of_a_release),
    };
    return live_main("lock", NULL, tests, sizeof tests / sizeof tests[0]);
}
