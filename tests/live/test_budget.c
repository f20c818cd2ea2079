/* test_budget.c - what a lock may cost: requests and bytes, counted on the wire and bounded here, so
 * that a change that costs more is seen.
 *
 *   uncontended acquire    1 write and 1 read in one flight; 1 read more, off the path
 *   uncontended release    1 write
 *   contended cycle        2 writes and at most 4 reads, all small
 *   any of these           the same behind one as behind a thousand
 *
 * Counted, not timed: so it holds on any machine. A session timeout of a minute keeps proofs and
 * pings of the session out of the counts. */
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOW_MS = 60000, CYCLES = 5, CYCLES_MAX = 1000, SMALL = 300 /* bytes */ };

static lk_client *counted_client(void)
{
    return LIVE_CLIENT("A", .proxied = true, .timeout_ms = SLOW_MS);
}

static void print_cost(const char *what, struct cost cost)
{
    print_message("%-44s %zu writes, %zu reads, %zu bytes out, %zu bytes in, largest reply %zu\n",
                  what, cost.writes, cost.reads, cost.bytes_out, cost.bytes_in, cost.largest_reply);
}

/* ---- nobody else is there ---- */

static struct stand *settled_lock(lk_client *client, const char *path)
{
    struct stand *a = live_lock(client, "a", path);

    acquire(a); /* makes the parents */
    release(a); /* leaves a mark */
    return a;
}

static void an_uncontended_acquire_is_one_write_and_one_read_in_one_flight(void)
{
    struct stand *a = settled_lock(counted_client(), "/l");

    zkbox_proxy_delay(live_proxy(), 20); /* no reply can overtake a request on its way */
    for (int i = 0; i < CYCLES; i++) {
        zkbox_proxy_trace_start(live_proxy());
        acquire(a);
        struct trace trace = trace_take();
        size_t flight = trace_first_flight(&trace);
        trace.count = 2 * flight; /* the watch may be on its way by now */
        struct cost cost = trace_cost(&trace);
        char requests[40];
        snprintf(requests, sizeof requests, "%s", trace_requests(&trace));
        free(trace.frames);
        release(a);
        assert_int_equal(flight, 2);
        assert_string_equal(requests, "create get");
        assert_int_equal(cost.replies, 2);
        if (i == 0)
            print_cost("uncontended acquire", cost);
    }
}

/* It is sent some milliseconds behind the grant: a hold that is over by then goes without. */
static void the_watch_on_the_own_znode_is_one_read_off_the_path(void)
{
    lk_client *client = counted_client();
    struct stand *a = settled_lock(client, "/l");
    struct cost cost = { 0 };

    for (int i = 0; i < CYCLES; i++) {
        zkbox_proxy_trace_start(live_proxy());
        acquire(a);
        cost = await_replies(3);
        release(a);
        assert_requests("create get get multi");
    }
    print_cost("and with the watch on the own znode", cost);
    for (int i = 0; cost.reads > 1; i++) { /* until a cycle took no longer than such a hold */
        assert_in_range(i, 0, CYCLES_MAX);
        zkbox_proxy_trace_start(live_proxy());
        acquire(a);
        release(a);
        struct trace trace = trace_take();
        cost = trace_cost(&trace);
        free(trace.frames);
        assert_int_equal(cost.writes, 2);
        assert_in_range(cost.reads, 1, 2);
    }
    print_cost("uncontended cycle", cost);
}

static void an_uncontended_release_is_one_write(void)
{
    struct stand *a = settled_lock(counted_client(), "/l");

    for (int i = 0; i < CYCLES; i++) {
        zkbox_proxy_trace_start(live_proxy());
        acquire(a);
        await_replies(3); /* nothing more is on its way */
        zkbox_proxy_trace_start(live_proxy());
        release(a);
        assert_requests("multi");
        if (i == 0)
            print_cost("uncontended release", await_replies(1));
    }
}

/* ---- a crowd stands ahead ---- */

/* Real waiters, who let go as soon as they are granted; the first holds until it is told. */
struct crowd {
    const char *path;
    lk_client *client;
    lk_lock **locks;
    size_t count;
};

static void crowd_released(int status, void *arg)
{
    (void)arg;
    if (status != LK_OK)
        live_tell("one of the crowd does not get away: %s", lk_status_name(status));
}

static void crowd_granted(int status, void *arg)
{
    if (status == LK_OK)
        status = lk_lock_release_start(arg, LK_FOREVER, crowd_released, NULL, NULL);
    if (status != LK_OK)
        live_tell("one of the crowd does not wait: %s", lk_status_name(status));
}

static struct crowd crowd_form(lk_client *client, const char *path, size_t count)
{
    struct crowd crowd = { path, client, calloc(count, sizeof(lk_lock *)), count };

    assert_non_null(crowd.locks);
    for (size_t i = 0; i < count; i++) {
        assert_status(lk_lock_new(&crowd.locks[i], client, path, NULL), LK_OK);
        if (i == 0)
            assert_status(lk_lock_acquire(crowd.locks[0], LK_FOREVER, NULL), LK_OK);
        else
            assert_status(lk_lock_acquire_start(crowd.locks[i], LK_FOREVER, crowd_granted,
                                                crowd.locks[i], NULL),
                          LK_OK);
    }
    await_children(live_path(path), count);
    return crowd;
}

static void crowd_begin_to_leave(struct crowd *crowd)
{
    assert_status(lk_lock_release(crowd->locks[0], LK_FOREVER), LK_OK);
}

/* From the end on: so nobody's predecessor goes. */
static void crowd_free(struct crowd *crowd)
{
    while (crowd->count > 0)
        lk_lock_free(crowd->locks[--crowd->count]);
    free(crowd->locks);
}

/* Its whole cycle; a join is four requests, then it waits. */
static struct cost contended_cycle(lk_client *client, lk_client *others, const char *path,
                                   size_t ahead)
{
    struct stand *a = settled_lock(client, path);
    struct crowd crowd = crowd_form(others, path, ahead);

    zkbox_proxy_trace_start(live_proxy());
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_replies(4);
    crowd_begin_to_leave(&crowd);
    assert_status(await_answer(waits), LK_OK);
    release(a);
    assert_requests("create get get get get multi");
    struct cost cost = await_replies(6);
    crowd_free(&crowd);
    return cost;
}

static void assert_equal_costs(struct cost a, struct cost b)
{
    assert_int_equal(a.writes, b.writes);
    assert_int_equal(a.reads, b.reads);
    assert_int_equal(a.bytes_out, b.bytes_out);
    assert_int_equal(a.bytes_in, b.bytes_in);
    assert_int_equal(a.largest_reply, b.largest_reply);
}

static void a_contended_cycle_is_two_writes_and_four_small_reads_however_many_stand_ahead(void)
{
    lk_client *client = counted_client(), *others = LIVE_CLIENT("B", 0);
    struct cost one = contended_cycle(client, others, "/l1", 1);
    struct cost many = contended_cycle(client, others, "/l2", 100);

    print_cost("contended cycle, 1 ahead", one);
    print_cost("contended cycle, 100 ahead", many);
    assert_int_equal(one.writes, 2);
    assert_in_range(one.reads, 1, 4);
    assert_in_range(one.largest_reply, 1, SMALL);
    assert_equal_costs(one, many);
}

static struct cost join(lk_client *client, lk_client *others, const char *path, size_t ahead)
{
    struct stand *a = settled_lock(client, path);
    struct crowd crowd = crowd_form(others, path, ahead);

    zkbox_proxy_trace_start(live_proxy());
    struct answer *waits = start_acquire(a, LK_FOREVER);
    struct cost cost = await_replies(4);
    assert_requests("create get get get");
    assert_false(is_answered(waits));
    stand_free(a);
    crowd_free(&crowd);
    return cost;
}

static void joining_behind_a_thousand_costs_what_joining_behind_ten_does(void)
{
    lk_client *client = counted_client(), *others = LIVE_CLIENT("B", 0);
    struct cost ten = join(client, others, "/l1", 10);
    struct cost thousand = join(client, others, "/l2", 1000);

    print_cost("joining, 10 ahead", ten);
    print_cost("joining, 1000 ahead", thousand);
    assert_equal_costs(ten, thousand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(an_uncontended_acquire_is_one_write_and_one_read_in_one_flight),
        LIVE_TEST(the_watch_on_the_own_znode_is_one_read_off_the_path),
        LIVE_TEST(an_uncontended_release_is_one_write),
        LIVE_TEST(a_contended_cycle_is_two_writes_and_four_small_reads_however_many_stand_ahead),
        LIVE_TEST(joining_behind_a_thousand_costs_what_joining_behind_ten_does),
    };
    return live_main("budget", NULL, tests, sizeof tests / sizeof *tests);
}
