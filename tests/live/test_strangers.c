/* test_strangers.c - what others put at a lock's path: nodes, data, rights, names. A clear status
 * each, nothing lost. */
#include "live.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "line/records.h"

#define LINE_SIZE 64

/* ---- nodes of others in the line ---- */

static void a_node_of_another_recipe_is_waited_for_in_order(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    char curator[400], kazoo[400];

    raw_make(live_path("/l"));
    snprintf(curator, sizeof curator, "%s",
             raw_create(live_path("/l/_c_0f2c5b1a-9d3e-4d5e-8c7b-1a2b3c4d5e6f-lock-"), "10.0.0.1",
                        8, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_BUSY);
    struct answer *a_waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 2);
    snprintf(kazoo, sizeof kazoo, "%s",
             raw_create(live_path("/l/4f6a0c1e2b3d4e5f-lock-"), "host", 4,
                        ZOO_EPHEMERAL | ZOO_SEQUENCE));
    struct answer *b_waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 4);
    assert_false(is_answered(a_waits));
    raw_delete(curator);
    assert_status(await_answer(a_waits), LK_OK);
    assert_false(is_answered(b_waits));
    release(a); /* writes the mark, and the stranger stands behind it */
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_BUSY);
    assert_false(is_answered(b_waits));
    raw_delete(kazoo);
    assert_status(await_answer(b_waits), LK_OK);
}

static void a_predecessor_that_nobody_may_read_is_waited_for(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    char other[400];

    raw_make(live_path("/l"));
    snprintf(other, sizeof other, "%s",
             raw_create(live_path("/l/lk-lock-"), "x", 1, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    raw_limit(other, 0);
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/l"), 2);
    assert_status(
        lk_lock_acquire(live_lock(LIVE_CLIENT("B", 0), "b", "/l")->lock, lk_in_ms(200), NULL),
        LK_E_DEADLINE);
    assert_false(is_answered(waits));
    raw_delete(other);
    assert_status(await_answer(waits), LK_OK);
}

static void nodes_without_a_number_do_not_stand_in_the_line(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l"),
                 *b = live_lock(LIVE_CLIENT("B", 0), "b", "/l");

    raw_make(live_path("/l/leases"));
    raw_make(live_path("/l/lk-lock-123"));
    raw_make(live_path("/l/lk-lock-12345678901x"));
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL),
                  LK_OK); /* there is no mark yet */
    release(a);
    acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 5);
    release(a);
    assert_status(await_answer(waits), LK_OK);
    release(b);
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
}

/* A stranger changes what a waiter watches: its own znode, its predecessor's, the parent's data. */
static void what_others_write_wakes_nobody_for_good(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    for (int i = 0; i < 5; i++) {
        raw_set(live_path("/l/lk-lock-0000000000"), "x", 1);
        raw_set(live_path("/l/lk-lock-0000000001"), "y", 1);
    }
    raw_set(live_path("/l"), "",
            0); /* the mark's version is not what the holder read: it can only go */
    release(a);
    assert_status(await_answer(waits), LK_OK);
    release(b);
    assert_changes(b, "waiting held idle");
}

static void a_stranger_who_deletes_and_makes_children_confuses_nobody(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    for (int i = 0; i < 3; i++)
        raw_delete(raw_create(live_path("/l/n-"), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    assert_false(is_answered(waits));
    raw_delete(live_path("/l/lk-lock-0000000000"));
    assert_status(await_answer(waits), LK_OK);
    await_change(a, LK_LOST);
}

/* ---- the parent's data ---- */

static void foreign_data_is_left_alone_and_the_lock_works(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    char data[100];
    struct Stat stat;

    raw_make(live_path("/l"));
    raw_set(live_path("/l"), "192.0.2.7", 9);
    for (int turn = 0; turn < 3; turn++) {
        acquire(a);
        struct answer *waits = start_acquire(b, LK_FOREVER);
        await_children(live_path("/l"), 2);
        release(a);
        assert_status(await_answer(waits), LK_OK);
        release(b);
    }
    assert_int_equal(raw_get(live_path("/l"), data, sizeof data, &stat), 9);
    assert_memory_equal(data, "192.0.2.7", 9);
    assert_int_equal(stat.version, 1);
}

/* The parent's record as latchkey wrote it. */
static size_t written_record(const char *path, unsigned char *data)
{
    struct stand *a = live_lock(LIVE_CLIENT("W", 0), "writer", path);

    acquire(a);
    release(a);
    size_t size = raw_get(live_path(path), data, LINE_SIZE, NULL);
    assert_true(size >= 9 && size <= LINE_SIZE);
    return size;
}

static void assert_refused(const char *path, int status)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", path);
    unsigned char before[LINE_SIZE], after[LINE_SIZE];
    struct Stat stat;
    lk_line *line;

    size_t size = raw_get(live_path(path), before, sizeof before, &stat);
    int32_t version = stat.version;
    assert_status(lk_lock_acquire(a->lock, lk_in_ms(PATIENCE_MS), NULL), status);
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), status);
    assert_status(lk_line_list(client, path, lk_in_ms(PATIENCE_MS), &line), status);
    await_children(live_path(path), 0);
    assert_int_equal(raw_get(live_path(path), after, sizeof after, &stat), size);
    assert_memory_equal(before, after, size);
    assert_int_equal(stat.version, version);
    assert_int_equal(await_change(a, LK_IDLE)->reason, status);
}

static void a_newer_format_is_refused_by_name(void)
{
    unsigned char data[LINE_SIZE];
    size_t size = written_record("/l", data);

    data[3] = LINE_FORMAT + 1;
    raw_set(live_path("/l"), data, size);
    assert_refused("/l", LK_E_NEWER_FORMAT);
}

static void a_damaged_record_is_refused_wherever_the_damage_is(void)
{
    unsigned char data[LINE_SIZE];
    size_t size = written_record("/l", data);
    lk_client *client = LIVE_CLIENT("A", 0);

    raw_set(live_path("/l"), data, size - 1);
    assert_refused("/l", LK_E_CORRUPT);
    for (size_t at = 4; at < size; at++) {
        lk_line *line;
        data[at] ^= 0x10;
        raw_set(live_path("/l"), data, size);
        assert_status(lk_line_list(client, "/l", lk_in_ms(PATIENCE_MS), &line), LK_E_CORRUPT);
        data[at] ^= 0x10;
    }
    data[size - 1] ^= 1;
    raw_set(live_path("/l"), data, size);
    assert_refused("/l", LK_E_CORRUPT);
}

static void a_path_of_another_kind_is_refused_by_name(void)
{
    struct stand *leader = live_candidate(LIVE_CLIENT("C", 0), "leader", "/e", "card");
    struct stand *lock = live_lock(LIVE_CLIENT("A", 0), "lock", "/e");

    acquire(leader);
    assert_status(lk_lock_acquire(lock->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_KIND);
    assert_status(lk_lock_try(lock->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_KIND);
    await_children(live_path("/e"), 1);
    release(leader);
    assert_status(lk_lock_acquire(lock->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_KIND);
    acquire(leader);

    char node[64], path[80]; /* an ephemeral znode can't be a line */
    assert_status(lk_candidate_node(leader->candidate, node, sizeof node), LK_OK);
    snprintf(path, sizeof path, "/e/%s", node);
    struct stand *below = live_lock(LIVE_CLIENT("D", 0), "below", path);
    assert_status(lk_lock_acquire(below->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_KIND);
}

/* ---- rights ---- */

static void without_the_right_to_write_the_lock_still_works(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    struct Stat stat;

    raw_make(live_path("/l"));
    raw_limit(live_path("/l"), ZOO_PERM_READ | ZOO_PERM_CREATE | ZOO_PERM_DELETE);
    acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/l"), 2);
    release(a);
    assert_status(await_answer(waits), LK_OK);
    release(b);
    await_children(live_path("/l"), 0);
    assert_true(raw_exists(live_path("/l"), &stat));
    assert_int_equal(stat.version, 0);
}

static void without_the_right_to_create_it_is_refused(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    struct stand *deep = live_lock(LIVE_CLIENT("B", 0), "deep", "/l/below/it");

    raw_make(live_path("/l"));
    raw_limit(live_path("/l"), ZOO_PERM_READ | ZOO_PERM_WRITE | ZOO_PERM_DELETE);
    assert_status(lk_lock_acquire(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    assert_status(lk_lock_try(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    assert_status(lk_lock_acquire(deep->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    assert_changes(a, "waiting idle waiting idle");
}

static void without_the_right_to_read_it_is_refused_and_leaves_nothing(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");

    raw_make(live_path("/l"));
    raw_limit(live_path("/l"), ZOO_PERM_CREATE | ZOO_PERM_WRITE | ZOO_PERM_DELETE);
    assert_status(lk_lock_acquire(a->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    await_children(live_path("/l"), 0);
}

/* What can't be removed is said to be so, and is tried again until it can be. */
static void without_the_right_to_delete_the_release_says_so_and_goes_on(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");

    raw_make(live_path("/l"));
    raw_limit(live_path("/l"), ZOO_PERM_READ | ZOO_PERM_WRITE | ZOO_PERM_CREATE);
    acquire(a);
    assert_status(lk_lock_release(a->lock, lk_in_ms(PATIENCE_MS)), LK_E_NO_RIGHTS);
    assert_int_equal(lk_lock_state(a->lock), LK_IDLE);
    assert_true(raw_exists(live_path("/l/lk-lock-0000000000"), NULL));
    raw_limit(live_path("/l"), ZOO_PERM_ALL);
    await_children(live_path("/l"), 0);
    acquire(a);
}

/* ---- names ---- */

static void paths_that_are_none_are_refused_before_anything_is_sent(void)
{
    static const char *const bad[] = {
        "",
        "/",
        "l",
        "/l/",
        "//l",
        "/a//b",
        "/a/./b",
        "/a/../b",
        "/.",
        "/..",
        "/a\n",
        "/a\x7f",
        "/\xff\xfe",
        "/caf\xc3",
        "/\xc0\xaf",
        "/\xed\xa0\x80",
        "/\xf4\x90\x80\x80",
        "/\xf0\x9f\x94\x91",
    };
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    lk_lock *lock = NULL;
    lk_candidate *candidate = NULL;
    lk_line *line = NULL;
    char path[2001];

    zkbox_proxy_reset_counts(live_proxy());
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_status(lk_lock_new(&lock, client, bad[i], NULL), LK_E_PATH);
        assert_status(lk_candidate_new(&candidate, client, bad[i], NULL), LK_E_PATH);
        assert_status(lk_line_list(client, bad[i], lk_in_ms(PATIENCE_MS), &line), LK_E_PATH);
        assert_status(lk_line_break(client, bad[i], (lk_fence){ 1, 0 }, lk_in_ms(PATIENCE_MS)),
                      LK_E_PATH);
    }
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_status(lk_lock_new(&lock, client, path, NULL), LK_E_TOO_LARGE);
    assert_status(lk_line_list(client, path, lk_in_ms(PATIENCE_MS), &line), LK_E_TOO_LARGE);
    assert_true(!lock && !candidate && !line);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), ZKBOX_ANY), 0);
}

static void paths_that_are_long_or_in_any_script_work(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    char path[1001];

    memset(path, 'x', sizeof path);
    path[0] = path[300] = path[600] = '/';
    path[sizeof path - 1] = '\0';
    const char *const good[] = { path,         "/\xc3\xbc/\xe9\x94\x81", "/a b", "/.a", "/a..",
                                 "/zookeeper2" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct stand *a = live_lock(client, "a", good[i]);
        acquire(a);
        await_children(live_path(good[i]), 1);
        release(a);
    }
}

/* ---- an operator, and a line that is made anew between the operator's look and deed ---- */

enum { MULTI = 14, HELD_UP_MS = 500 };

struct break_call {
    lk_client *client;
    lk_fence fence;
    pthread_t thread;
    int status;
};

static void *break_it(void *arg)
{
    struct break_call *call = arg;

    call->status = lk_line_break(call->client, "/l", call->fence, lk_in_ms(PATIENCE_MS));
    return NULL;
}

/* One stands there, has been looked at, and the request to remove it is on its way: the proxy holds
 * that up. */
static void begin_break(struct break_call *call)
{
    struct Stat stat;

    raw_make(live_path("/l"));
    raw_create(live_path("/l/lk-lock-"), "x", 1, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    assert_true(raw_exists(live_path("/l/lk-lock-0000000000"), &stat));
    *call = (struct break_call){ .client = LIVE_CLIENT("operator", .proxied = true),
                                 .fence = { .zxid = (uint64_t)stat.czxid } };
    zkbox_proxy_reset_counts(live_proxy());
    zkbox_proxy_delay(live_proxy(), HELD_UP_MS);
    assert_int_equal(pthread_create(&call->thread, NULL, break_it, call), 0);
    while (zkbox_proxy_requests(live_proxy(), MULTI) == 0)
        sched_yield();
}

static void break_spares_who_stands_under_the_same_name_in_a_line_made_anew(void)
{
    const char *first = live_path("/l/lk-lock-0000000000"), *line = live_path("/l");
    struct break_call call;
    zoo_op_t ops[4];
    zoo_op_result_t results[4];

    begin_break(&call);
    zoo_delete_op_init(&ops[0], first, -1);
    zoo_delete_op_init(&ops[1], line, -1);
    zoo_create_op_init(&ops[2], line, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    zoo_set_op_init(&ops[3], line, "", 0, -1, NULL);
    assert_int_equal(zoo_multi(raw(), 4, ops, results), ZOK);
    raw_create(live_path("/l/lk-lock-"), "y", 1, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    pthread_join(call.thread, NULL);
    assert_status(call.status, LK_E_NOT_FOUND);
    assert_true(raw_exists(live_path("/l/lk-lock-0000000000"), NULL));
}

/* The parent's version changes with each release: a look that is too old is only taken again. */
static void break_removes_its_own_though_the_line_moves_on(void)
{
    struct break_call call;

    begin_break(&call);
    raw_set(live_path("/l"), "", 0);
    pthread_join(call.thread, NULL);
    assert_status(call.status, LK_OK);
    assert_false(raw_exists(live_path("/l/lk-lock-0000000000"), NULL));
    assert_true(zkbox_proxy_requests(live_proxy(), MULTI) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_node_of_another_recipe_is_waited_for_in_order),
        LIVE_TEST(a_predecessor_that_nobody_may_read_is_waited_for),
        LIVE_TEST(nodes_without_a_number_do_not_stand_in_the_line),
        LIVE_TEST(what_others_write_wakes_nobody_for_good),
        LIVE_TEST(a_stranger_who_deletes_and_makes_children_confuses_nobody),
        LIVE_TEST(foreign_data_is_left_alone_and_the_lock_works),
        LIVE_TEST(a_newer_format_is_refused_by_name),
        LIVE_TEST(a_damaged_record_is_refused_wherever_the_damage_is),
        LIVE_TEST(a_path_of_another_kind_is_refused_by_name),
        LIVE_TEST(without_the_right_to_write_the_lock_still_works),
        LIVE_TEST(without_the_right_to_create_it_is_refused),
        LIVE_TEST(without_the_right_to_read_it_is_refused_and_leaves_nothing),
        LIVE_TEST(without_the_right_to_delete_the_release_says_so_and_goes_on),
        LIVE_TEST(paths_that_are_none_are_refused_before_anything_is_sent),
        LIVE_TEST(paths_that_are_long_or_in_any_script_work),
        LIVE_TEST(break_spares_who_stands_under_the_same_name_in_a_line_made_anew),
        LIVE_TEST(break_removes_its_own_though_the_line_moves_on),
    };
    return live_main("strangers", NULL, tests, sizeof tests / sizeof tests[0]);
}
