/* test_wire.c - what a lock costs on the wire: how many requests, in how many flights, of what
 * size. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>

static void an_acquire_is_one_flight_of_one_write_and_one_read(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct stand *a = live_lock(client, "a", "/l");

    acquire(a); /* makes the parents */
    release(a);
    zkbox_proxy_delay(live_proxy(), 20);
    zkbox_proxy_trace_start(live_proxy());
    acquire(a);
    struct trace trace = trace_take();
    assert_int_equal(trace_first_flight(&trace), 2);
    free(trace.frames);
    release(a);
    assert_requests("create get multi");
}

/* Off the path, and only when it is worth it: a short hold is over before. */
static void who_holds_for_a_while_watches_its_own_znode(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true), "a", "/l");

    acquire(a);
    release(a);
    zkbox_proxy_trace_start(live_proxy());
    acquire(a);
    assert_status(lk_lock_wait_lost(a->lock, lk_in_ms(500)), LK_E_DEADLINE);
    release(a);
    assert_requests("create get get multi");
}

static void a_cycle_in_a_busy_line_is_two_writes_and_four_small_reads(void)
{
    enum { CROWD = 20, SMALL = 300 };
    lk_client *client = LIVE_CLIENT("A", .proxied = true), *other = LIVE_CLIENT("B", 0);
    struct stand *first = live_lock(other, "first", "/l"), *a = live_lock(client, "a", "/l");
    struct stand *crowd[CROWD];

    acquire(first);
    for (size_t i = 0; i < CROWD; i++) {
        crowd[i] = live_lock(other, "crowd", "/l");
        start_acquire(crowd[i], LK_FOREVER);
        await_children(live_path("/l"), i + 2);
    }
    zkbox_proxy_trace_start(live_proxy());
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), CROWD + 2);
    release(first);
    for (size_t i = 0; i < CROWD; i++) {
        await_change(crowd[i], LK_HELD);
        release(crowd[i]);
    }
    assert_status(await_answer(waits), LK_OK);
    release(a);
    struct trace trace = trace_take();
    assert_string_equal(trace_requests(&trace), "create get get get get multi");
    for (size_t i = 0; i < trace.count; i++)
        assert_true(trace.frames[i].size < SMALL);
    free(trace.frames);
}

static void a_try_on_a_busy_lock_writes_nothing(void)
{
    enum { TRIES = 50 };
    struct stand *holder = live_lock(LIVE_CLIENT("B", 0), "holder", "/l");
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true), "a", "/l");
    struct Stat before, after;
    char *text;

    acquire(holder);
    raw_exists(live_path("/l"), &before);
    zkbox_proxy_reset_counts(live_proxy());
    for (int i = 0; i < TRIES; i++)
        assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_BUSY);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), ZKBOX_ANY), 2 * TRIES);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), OP_GET), TRIES);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), OP_LIST)
                         + zkbox_proxy_requests(live_proxy(), OP_LIST2),
                     TRIES);
    raw_exists(live_path("/l"), &after);
    assert_true(before.pzxid == after.pzxid && before.mzxid == after.mzxid);
    /* And no watch: the holder's own is the only one. */
    assert_int_equal(zkbox_ask(live_box(), 0, "wchp", &text), 0);
    char *at = strstr(text, live_path("/l"));
    assert_true(at && !strstr(at + 1, live_path("/l")));
    free(text);
}

static void a_holder_at_rest_sends_a_proof_each_beat_and_nothing_else(void)
{
    enum { TIMEOUT_MS = 3000 };
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true, .timeout_ms = TIMEOUT_MS), "a",
                                "/l");

    acquire(a);
    zkbox_proxy_trace_start(live_proxy());
    assert_status(lk_lock_wait_lost(a->lock, lk_in_ms(TIMEOUT_MS)), LK_E_DEADLINE);
    struct trace trace = trace_take();
    size_t proofs = 0, others = 0;
    for (size_t i = 0; i < trace.count; i++) {
        if (trace.frames[i].direction != ZKBOX_TO_SERVER)
            continue;
        proofs += trace.frames[i].opcode == OP_MULTI;
        others += trace.frames[i].opcode != OP_MULTI;
    }
    free(trace.frames);
    assert_true(
        proofs >= 1
        && proofs <= 13);     /* twelve beats of T/12, fewer on a machine that is slow to wake us */
    assert_true(others <= 1); /* the watch on the own znode, should it be late */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(an_acquire_is_one_flight_of_one_write_and_one_read),
        LIVE_TEST(who_holds_for_a_while_watches_its_own_znode),
        LIVE_TEST(a_cycle_in_a_busy_line_is_two_writes_and_four_small_reads),
        LIVE_TEST(a_try_on_a_busy_lock_writes_nothing),
        LIVE_TEST(a_holder_at_rest_sends_a_proof_each_beat_and_nothing_else),
    };
    return live_main("wire", NULL, tests, sizeof tests / sizeof tests[0]);
}
