/* test_permits.c - permits with a time of their own: when it begins, how it is prolonged, and who
 * ends it. */
#include "live.h"

#include <stdlib.h>
#include <string.h>

#include "line/records.h"

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_semaphore *permits_for(lk_client *client, uint32_t permits, uint32_t ttl_ms)
{
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;

    options.ttl_ms = ttl_ms;
    return live_semaphore(client, "/s", permits, &options);
}

/* What the znode says: its time; *out_at_ms: since when, by the server's clock. */
static uint32_t term_of(const char *path, int64_t *out_at_ms)
{
    struct place_record record = { 0 };
    struct Stat stat;
    char data[512];
    size_t size = raw_get(live_path(path), data, sizeof(data), &stat);

    assert_int_equal(place_record_read(&record, data, size), LK_OK);
    if (out_at_ms)
        *out_at_ms = stat.mtime;
    return record.term_ms;
}

/* The record of a holder that is never heard of again. */
static size_t record_of(uint32_t term_ms, void *data, size_t size)
{
    __attribute__((cleanup(record_free))) struct record_out out = { 0 };
    const struct place_record record = {
        .kind = LINE_SEMAPHORE, .token = 1, .term_ms = term_ms, .host = "", .words = ""
    };

    assert_int_equal(place_record_write(&out, &record), LK_OK);
    assert_true(out.size <= size);
    memcpy(data, out.bytes, out.size);
    return out.size;
}

static void a_stranger_holds_one_for(uint32_t term_ms)
{
    char data[128];
    size_t size = record_of(term_ms, data, sizeof(data));

    raw_make(live_path("/s"));
    raw_create(live_path("/s/lk-sem1t-lock-"), data, size, ZOO_EPHEMERAL | ZOO_SEQUENCE);
}

/* ---- its end, here ---- */

static void permits_are_lost_when_their_time_is_over(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 1000);
    char node[64];

    take_permits(a, 1);
    assert_true(lk_semaphore_remaining_ns(a) < INT64_C(1000000000));
    assert_status(lk_semaphore_wait_lost(a, soon()), LK_OK);
    assert_int_equal(lk_semaphore_state(a), LK_LOST);
    assert_int_equal(lk_semaphore_remaining_ns(a), 0);
    assert_status(lk_semaphore_release(a, soon()), LK_E_LOST);
    assert_status(lk_semaphore_prolong(a, 60000, soon()), LK_E_LOST);
    await_children(live_path("/s"), 0);
    take_permits(a, 1);
    assert_status(lk_semaphore_node(a, node, sizeof(node)), LK_OK);
    assert_string_equal(node, "lk-sem1t-lock-0000000001");
}

static void the_time_runs_from_the_grant_not_from_the_joining(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 0), *b = permits_for(client, 1, 60000);
    int64_t joined_ms, granted_ms;

    take_permits(a, 1);
    struct answer *waiting = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000001", &joined_ms), 0);
    give_back(a);
    assert_status(await_answer(waiting), LK_OK);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000001", &granted_ms), 60000);
    assert_true(granted_ms >= joined_ms);
}

static void permits_without_a_time_cost_no_write(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 0);
    struct Stat stat;
    char data[512];

    take_permits(a, 1);
    raw_get(live_path("/s/lk-sem1-lock-0000000000"), data, sizeof(data), &stat);
    assert_int_equal(stat.version, 0);
}

/* ---- its end, for others ---- */

static void a_holder_that_does_not_stir_is_removed_by_the_first_waiter(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *b = permits_for(client, 1, 60000), *c = permits_for(client, 1, 0);
    int64_t began_ms, granted_ms;

    a_stranger_holds_one_for(400);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000000", &began_ms), 400);
    struct answer *first = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    struct answer *second = start_permits(c, 1, "c");
    assert_status(await_answer(first), LK_OK);
    await_children(live_path("/s"), 2);
    assert_false(raw_exists(live_path("/s/lk-sem1t-lock-0000000000"), NULL));
    term_of("/s/lk-sem1t-lock-0000000001", &granted_ms);
    assert_true(granted_ms >= began_ms + 400);
    assert_false(is_answered(second));
    give_back(b);
    assert_status(await_answer(second), LK_OK);
}

static void one_that_is_prolonged_is_removed_later(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *b = permits_for(client, 1, 60000);
    int64_t prolonged_ms, granted_ms;
    char data[128];

    a_stranger_holds_one_for(2000);
    struct answer *waiting = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    size_t size = record_of(2500, data, sizeof(data));
    raw_set(live_path("/s/lk-sem1t-lock-0000000000"), data, size);
    term_of("/s/lk-sem1t-lock-0000000000", &prolonged_ms);
    assert_status(await_answer(waiting), LK_OK);
    term_of("/s/lk-sem1t-lock-0000000001", &granted_ms);
    assert_true(granted_ms >= prolonged_ms + 2500);
}

static void a_time_that_has_not_begun_does_not_end(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *b = permits_for(client, 1, 60000);
    int64_t joined_ms, granted_ms;
    char data[128];

    a_stranger_holds_one_for(0); /* its name says that it will have a time */
    struct answer *waiting = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    term_of("/s/lk-sem1t-lock-0000000001", &joined_ms);
    size_t size = record_of(300, data, sizeof(data));
    raw_set(live_path("/s/lk-sem1t-lock-0000000000"), data, size);
    assert_status(await_answer(waiting), LK_OK);
    term_of("/s/lk-sem1t-lock-0000000001", &granted_ms);
    assert_true(granted_ms >= joined_ms + 300);
    await_children(live_path("/s"), 1);
}

/* Else a line of many holders would be as many watches, all of them named at each reconnect. */
static void a_time_that_has_begun_is_not_watched(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    lk_semaphore *b = permits_for(client, 1, 60000);
    zkbox_frame *frames;
    size_t count, events = 0;
    char data[128];

    a_stranger_holds_one_for(60000);
    struct answer *waiting = start_permits(b, 1, "b");
    await_children(live_path("/s"), 2);
    /* The first waiter reads it after a moment. */
    for (int64_t end_ns = lk_in_ms(300); lk_now_ns() < end_ns;)
        assert_true(raw_exists(live_path("/s"), NULL));
    zkbox_proxy_trace_start(live_proxy());
    size_t size = record_of(70000, data, sizeof(data));
    raw_set(live_path("/s/lk-sem1t-lock-0000000000"), data, size);
    for (int i = 0; i < 100; i++)
        assert_true(raw_exists(live_path("/s"), NULL));
    assert_int_equal(zkbox_proxy_trace(live_proxy(), &frames, &count), 0);
    for (size_t i = 0; i < count; i++)
        events += frames[i].xid == -1;
    free(frames);
    assert_int_equal(events, 0);
    assert_false(is_answered(waiting));
    raw_delete(live_path("/s/lk-sem1t-lock-0000000000"));
    assert_status(await_answer(waiting), LK_OK);
}

/* ---- prolonging ---- */

static const lk_line_entry *entry_of(lk_client *client, lk_line **out)
{
    assert_status(lk_line_list(client, "/s", soon(), out), LK_OK);
    assert_int_equal((*out)->count, 1);
    return &(*out)->entries[0];
}

static void a_prolonging_moves_the_end_for_all(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 30000);
    lk_line *line;

    take_permits(a, 1);
    int64_t first_ms = entry_of(client, &line)->ends_ms;
    assert_true(first_ms >= line->server_ms);
    lk_line_free(line);
    for (uint32_t i = 1; i <= 3; i++)
        assert_status(lk_semaphore_prolong(a, 30000 + i * 10000, soon()), LK_OK);
    assert_int_equal(lk_semaphore_state(a), LK_HELD);
    assert_true(entry_of(client, &line)->ends_ms >= first_ms + 30000);
    lk_line_free(line);
    /* Less than is left. */
    assert_status(lk_semaphore_prolong(a, 1000, soon()), LK_OK);
    assert_status(lk_semaphore_wait_lost(a, soon()), LK_OK);
    await_children(live_path("/s"), 0);
}

static void of_two_prolongings_at_once_the_last_counts(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 60000);
    struct answer *first = live_answer("first"), *last = live_answer("last");

    take_permits(a, 1);
    assert_status(lk_semaphore_prolong_start(a, 90000, LK_FOREVER, answer_done, first, NULL),
                  LK_OK);
    assert_status(lk_semaphore_prolong_start(a, 70000, LK_FOREVER, answer_done, last, NULL), LK_OK);
    assert_status(await_answer(first), LK_OK);
    assert_status(await_answer(last), LK_OK);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000000", NULL), 70000);
}

static void a_word_to_let_go_leaves_the_time_as_it_is(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    lk_semaphore *a = permits_for(client, 1, 60000);
    lk_fence fence;

    assert_status(lk_semaphore_acquire(a, 1, soon(), &fence), LK_OK);
    assert_status(lk_line_revoke(other, "/s", fence, soon()), LK_OK);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000000", NULL), 60000);
    /* Its znode is in another version than it wrote there. */
    assert_status(lk_semaphore_prolong(a, 90000, soon()), LK_OK);
    assert_int_equal(term_of("/s/lk-sem1t-lock-0000000000", NULL), 90000);
    assert_int_equal(lk_semaphore_state(a), LK_HELD);
}

static void a_release_ends_a_prolonging(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 1, 60000);
    struct answer *prolonging = live_answer("prolonging"), *release = live_answer("release");

    take_permits(a, 1);
    assert_status(lk_semaphore_prolong_start(a, 90000, LK_FOREVER, answer_done, prolonging, NULL),
                  LK_OK);
    assert_status(lk_semaphore_release_start(a, LK_FOREVER, answer_done, release, NULL), LK_OK);
    /* Or it was quick. */
    assert_true(await_answer(prolonging) == LK_E_CANCELLED || prolonging->status == LK_OK);
    assert_status(await_answer(release), LK_OK);
    await_children(live_path("/s"), 0);
}

static void what_has_no_time_is_not_prolonged(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 2, 60000), *b = permits_for(client, 2, 0), *none = NULL;
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;

    options.ttl_ms = LK_PERMITS_TTL_MIN_MS - 1;
    assert_status(lk_semaphore_new(&none, client, "/s", 2, &options), LK_E_INVALID);
    assert_status(lk_semaphore_prolong(a, 60000, soon()), LK_E_STATE);
    take_permits(a, 1);
    take_permits(b, 1);
    assert_status(lk_semaphore_prolong(a, LK_PERMITS_TTL_MIN_MS - 1, soon()), LK_E_INVALID);
    assert_status(lk_semaphore_prolong(b, 60000, soon()), LK_E_STATE);
    assert_status(lk_semaphore_prolong_start(b, 60000, soon(), answer_done, live_answer("b"), NULL),
                  LK_E_STATE);
}

static void a_lost_reply_costs_no_time(void)
{
    for (int nth = 1; nth <= 6; nth++) {
        lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
        lk_semaphore *a = permits_for(client, 1, 60000);
        char node[64], path[80] = "/s/";

        if (nth <= 3)
            assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        take_permits(a, 1);
        if (nth > 3)
            assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth - 3), 0);
        assert_status(lk_semaphore_prolong(a, 90000, soon()), LK_OK);
        zkbox_proxy_heal(live_proxy());
        assert_status(lk_semaphore_node(a, node, sizeof(node)), LK_OK);
        assert_int_equal(term_of(strcat(path, node), NULL), 90000);
        assert_int_equal(lk_semaphore_state(a), LK_HELD);
        live_free_semaphore(a);
        await_children(live_path("/s"), 0);
    }
}

/* ---- the id ---- */

static void a_set_of_permits_is_ended_by_its_fence_alone(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a = permits_for(client, 3, 60000), *b = permits_for(client, 3, 60000);
    lk_fence one, other;

    assert_status(lk_semaphore_acquire(a, 1, soon(), &one), LK_OK);
    assert_status(lk_semaphore_acquire(b, 2, soon(), &other), LK_OK);
    assert_int_not_equal(lk_fence_compare(one, other), 0);
    assert_status(lk_line_break(client, "/s", one, soon()), LK_OK);
    assert_status(lk_semaphore_wait_lost(a, soon()), LK_OK);
    assert_int_equal(lk_semaphore_state(b), LK_HELD);
    assert_status(lk_semaphore_prolong(b, 60000, soon()), LK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(permits_are_lost_when_their_time_is_over),
        LIVE_TEST(the_time_runs_from_the_grant_not_from_the_joining),
        LIVE_TEST(permits_without_a_time_cost_no_write),
        LIVE_TEST(a_holder_that_does_not_stir_is_removed_by_the_first_waiter),
        LIVE_TEST(one_that_is_prolonged_is_removed_later),
        LIVE_TEST(a_time_that_has_not_begun_does_not_end),
        LIVE_TEST(a_time_that_has_begun_is_not_watched),
        LIVE_TEST(a_prolonging_moves_the_end_for_all),
        LIVE_TEST(of_two_prolongings_at_once_the_last_counts),
        LIVE_TEST(a_word_to_let_go_leaves_the_time_as_it_is),
        LIVE_TEST(a_release_ends_a_prolonging),
        LIVE_TEST(what_has_no_time_is_not_prolonged),
        LIVE_TEST(a_lost_reply_costs_no_time),
        LIVE_TEST(a_set_of_permits_is_ended_by_its_fence_alone),
    };
    return live_main("live permits", NULL, tests, sizeof(tests) / sizeof(*tests));
}
