/* test_guard.c - what is written under a guard is written while the grant holds, or not at all; and
 * gates, in memory and in a znode. */
#include "live.h"

#include <string.h>

enum { OPCODE_SET_DATA = 5 };

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_guard *guard_of(lk_client *client, struct stand *stand)
{
    lk_guard *guard = NULL;

    assert_status(lk_guard_new(&guard, client), LK_OK);
    if (stand)
        assert_status(lk_guard_hold(guard, lk_lock_grant(stand->lock)), LK_OK);
    return guard;
}

static void everything_is_written_while_the_lock_is_held(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    size_t count;
    char data[16];
    struct Stat stat;

    raw_make(live_path("/old"));
    raw_make(live_path("/away"));
    acquire(a);
    lk_guard *guard = guard_of(client, a);
    assert_status(lk_guard_check(guard, "/old", 0), LK_OK);
    assert_status(lk_guard_create(guard, "/new", "one", 3), LK_OK);
    assert_status(lk_guard_set(guard, "/old", "two", 3, LK_ANY_VERSION), LK_OK);
    assert_status(lk_guard_delete(guard, "/away", LK_ANY_VERSION), LK_OK);
    assert_status(lk_guard_commit(guard, soon()), LK_OK);
    const lk_guard_result *results = lk_guard_results(guard, &count);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(results[i].status, LK_OK);
    assert_int_equal(results[2].version, 1);
    assert_int_equal(lk_guard_culprit(guard), 4);
    assert_int_equal(raw_get(live_path("/new"), data, sizeof data, &stat), 3);
    assert_memory_equal(data, "one", 3);
    assert_int_equal(raw_get(live_path("/old"), data, sizeof data, &stat), 3);
    assert_false(raw_exists(live_path("/away"), NULL));

    assert_status(lk_guard_commit(guard, soon()), LK_E_STATE);
    assert_status(lk_guard_set(guard, "/old", "x", 1, 1), LK_E_STATE);
    assert_status(lk_guard_clear(guard), LK_OK);
    lk_guard_free(guard);
}

static void nothing_is_written_when_one_operation_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    const struct {
        const char *path;
        int status;
    } wrong[] = { { "/old", LK_E_VERSION }, { "/nowhere", LK_E_NOT_FOUND } };
    size_t count;

    raw_make(live_path("/old"));
    acquire(a);
    for (size_t i = 0; i < 2; i++) {
        lk_guard *guard = guard_of(client, a);
        assert_status(lk_guard_create(guard, "/new", NULL, 0), LK_OK);
        assert_status(lk_guard_set(guard, wrong[i].path, "x", 1, 7), LK_OK);
        assert_status(lk_guard_commit(guard, soon()), wrong[i].status);
        assert_int_equal(lk_guard_culprit(guard), 1);
        const lk_guard_result *results = lk_guard_results(guard, &count);
        assert_int_equal(results[0].status, LK_E_CANCELLED);
        assert_int_equal(results[1].status, wrong[i].status);
        assert_false(raw_exists(live_path("/new"), NULL));
        lk_guard_free(guard);
    }
}

static void who_does_not_hold_writes_nothing(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    lk_guard *guard = guard_of(client, a);

    assert_status(lk_guard_create(guard, "/new", NULL, 0), LK_OK);
    assert_status(lk_guard_commit(guard, soon()), LK_E_LOST);
    assert_int_equal(lk_guard_culprit(guard), 1); /* no operation was refused */
    acquire(a);
    release(a);
    assert_status(lk_guard_commit(guard, soon()), LK_E_LOST);
    acquire(a);
    assert_status(lk_guard_commit(guard, soon()), LK_OK);
    lk_guard_free(guard);
}

static void who_has_lost_without_knowing_writes_nothing(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct stand *a = live_lock(client, "a", "/l");

    acquire(a);
    /* What the server tells of the break is held back; what we send gets through. */
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    raw_delete(live_path("/l/lk-lock-0000000000"));
    lk_guard *guard = guard_of(client, a);
    struct answer *answer = live_answer("the write");
    assert_status(lk_guard_create(guard, "/new", NULL, 0), LK_OK);
    assert_status(lk_guard_commit_start(guard, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    zkbox_proxy_heal(live_proxy());
    int status = await_answer(answer);
    assert_true(status == LK_E_LOST || status == LK_E_UNKNOWN);
    assert_false(raw_exists(live_path("/new"), NULL));
    lk_guard_free(guard);
}

/* Its znode has two names then, and is looked for under one. */
static void while_a_writer_becomes_a_reader_nothing_is_sent(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct answer *turn = live_answer("the turn");
    lk_guard *guard = guard_of(client, NULL);
    lk_rwlock *lock;

    assert_status(lk_rwlock_new(&lock, client, "/l", NULL), LK_OK);
    assert_status(lk_rwlock_write(lock, soon(), NULL), LK_OK);
    assert_status(lk_guard_hold(guard, lk_rwlock_grant(lock)), LK_OK);
    assert_status(lk_guard_create(guard, "/new", NULL, 0), LK_OK);
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    assert_status(lk_rwlock_downgrade_start(lock, LK_FOREVER, answer_done, turn, NULL), LK_OK);
    assert_status(lk_guard_commit(guard, lk_in_ms(200)), LK_E_STATE);
    assert_int_equal(lk_guard_culprit(guard), 1);
    zkbox_proxy_heal(live_proxy());
    assert_int_equal(await_answer(turn), LK_OK);
    assert_status(lk_guard_commit(guard, soon()), LK_OK);
    assert_true(raw_exists(live_path("/new"), NULL));
    lk_guard_free(guard);
    lk_rwlock_free(lock);
}

static void a_guard_can_be_freed_while_it_commits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l");
    struct answer *answer = live_answer("the write");

    acquire(a);
    lk_guard *guard = guard_of(client, a);
    assert_status(lk_guard_create(guard, "/new", NULL, 0), LK_OK);
    assert_status(lk_guard_commit_start(guard, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    lk_guard_free(guard);
    int status = await_answer(answer);
    assert_true(status == LK_OK || status == LK_E_UNKNOWN);
}

static void what_can_not_be_guarded_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    struct stand *b = live_lock(other, "b", "/l");
    lk_guard *guard = guard_of(client, NULL);

    assert_status(lk_guard_hold(guard, lk_lock_grant(b->lock)), LK_E_INVALID);
    assert_status(lk_guard_hold(guard, NULL), LK_E_INVALID);
    assert_status(lk_guard_set(guard, "not/absolute", "x", 1, 0), LK_E_PATH);
    assert_status(lk_guard_set(guard, "/x", NULL, 1, 0), LK_E_INVALID);
    assert_status(lk_guard_commit(guard, soon()), LK_E_INVALID); /* nothing, under nothing */
    lk_guard_free(guard);
    assert_null(lk_guard_free(NULL));
}

/* ---- gates ---- */

static lk_fence fence(uint64_t zxid, uint64_t turn)
{
    return (lk_fence){ zxid, turn };
}

static void a_gate_in_memory_refuses_what_is_older(void)
{
    lk_gate gate = { 0 };

    assert_status(lk_gate_write(&gate, fence(5, 0)), LK_OK);
    assert_status(lk_gate_write(&gate, fence(5, 0)), LK_OK);
    assert_status(lk_gate_write(&gate, fence(4, 9)), LK_E_STALE);
    assert_status(lk_gate_write(&gate, fence(5, 1)), LK_OK);
    assert_status(lk_gate_write(&gate, fence(5, 0)), LK_E_STALE);
    assert_status(lk_gate_read(&gate, fence(5, 1)), LK_E_STALE);
    assert_status(lk_gate_read(&gate, fence(8, 0)), LK_OK);
    assert_status(lk_gate_read(&gate, fence(7, 0)), LK_OK); /* readers do not refuse each other */
    assert_status(lk_gate_write(&gate, fence(8, 0)), LK_E_STALE);
    assert_status(lk_gate_write(&gate, fence(9, 0)), LK_OK);
    assert_status(lk_gate_read(&gate, fence(8, 0)), LK_E_STALE);
}

static void a_gate_in_a_znode_is_one_for_all(void)
{
    lk_client *a = LIVE_CLIENT("A", 0), *b = LIVE_CLIENT("B", 0);

    assert_status(lk_gate_write_at(a, "/deep/er/gate", fence(5, 0), soon()), LK_OK);
    assert_status(lk_gate_write_at(b, "/deep/er/gate", fence(4, 0), soon()), LK_E_STALE);
    assert_status(lk_gate_read_at(b, "/deep/er/gate", fence(6, 0), soon()), LK_OK);
    assert_status(lk_gate_write_at(a, "/deep/er/gate", fence(5, 0), soon()), LK_E_STALE);
    raw_set(live_path("/deep/er/gate"), "words of others", 15);
    assert_status(lk_gate_read_at(b, "/deep/er/gate", fence(7, 0), soon()), LK_E_FOREIGN);
    assert_status(lk_gate_read_at(b, "gate", fence(7, 0), soon()), LK_E_PATH);
}

static void a_gate_is_passed_through_a_lost_reply(void)
{
    lk_client *a = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);

    assert_status(lk_gate_write_at(a, "/gate", fence(5, 0), soon()), LK_OK);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), OPCODE_SET_DATA, 1), 0);
    assert_status(lk_gate_write_at(a, "/gate", fence(6, 0), soon()), LK_OK);
    assert_status(lk_gate_write_at(a, "/gate", fence(5, 0), soon()), LK_E_STALE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(everything_is_written_while_the_lock_is_held),
        LIVE_TEST(nothing_is_written_when_one_operation_is_refused),
        LIVE_TEST(who_does_not_hold_writes_nothing),
        LIVE_TEST(who_has_lost_without_knowing_writes_nothing),
        LIVE_TEST(while_a_writer_becomes_a_reader_nothing_is_sent),
        LIVE_TEST(a_guard_can_be_freed_while_it_commits),
        LIVE_TEST(what_can_not_be_guarded_is_refused),
        LIVE_TEST(a_gate_in_memory_refuses_what_is_older),
        LIVE_TEST(a_gate_in_a_znode_is_one_for_all),
        LIVE_TEST(a_gate_is_passed_through_a_lost_reply),
    };
    return live_main("live guard", NULL, tests, sizeof tests / sizeof *tests);
}
