/* test_rwlock.c - readers side by side, writers alone, all in one fair line. */
#include "live.h"

#include <string.h>

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_rwlock *rwlock_of(lk_client *client, const char *path)
{
    lk_rwlock *lock = NULL;

    assert_status(lk_rwlock_new(&lock, client, path, NULL), LK_OK);
    return lock;
}

static struct answer *reads(lk_rwlock *lock, const char *name)
{
    struct answer *answer = live_answer(name);

    assert_status(lk_rwlock_read_start(lock, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    return answer;
}

static struct answer *writes(lk_rwlock *lock, const char *name)
{
    struct answer *answer = live_answer(name);

    assert_status(lk_rwlock_write_start(lock, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    return answer;
}

static void readers_hold_side_by_side(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/rw"),
              *c = rwlock_of(client, "/rw");
    lk_fence first, second;
    char node[64];

    assert_status(lk_rwlock_read(a, soon(), &first), LK_OK);
    assert_status(lk_rwlock_try_read(b, soon(), &second), LK_OK);
    assert_true(lk_fence_compare(first, second) < 0);
    assert_int_equal(lk_rwlock_mode(a), LK_READER);
    assert_status(lk_rwlock_node(a, node, sizeof node), LK_OK);
    assert_string_equal(node, "lk-read-lock-0000000000");
    assert_status(lk_rwlock_try_write(c, soon(), NULL), LK_E_BUSY);
    await_children(live_path("/rw"), 2);
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_status(lk_rwlock_try_write(c, soon(), NULL), LK_E_BUSY);
    assert_status(lk_rwlock_release(b, soon()), LK_OK);
    assert_status(lk_rwlock_try_write(c, soon(), NULL), LK_OK);
    assert_int_equal(lk_rwlock_mode(c), LK_WRITER);
    assert_status(lk_rwlock_try_read(a, soon(), NULL), LK_E_BUSY);
    assert_status(lk_rwlock_read(a, lk_in_ms(20), NULL), LK_E_DEADLINE);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
    lk_rwlock_free(c);
}

static void a_reader_behind_a_waiting_writer_waits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/rw"),
              *c = rwlock_of(client, "/rw"), *d = rwlock_of(client, "/rw");

    assert_status(lk_rwlock_read(a, soon(), NULL), LK_OK);
    struct answer *writer = writes(b, "b writes");
    await_children(live_path("/rw"), 2);
    struct answer *third = reads(c, "c reads"), *fourth = reads(d, "d reads");
    await_children(live_path("/rw"), 4);
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_status(await_answer(writer), LK_OK);
    assert_false(is_answered(third));
    assert_false(is_answered(fourth));
    assert_status(lk_rwlock_release(b, soon()), LK_OK);
    assert_status(await_answer(third), LK_OK);
    assert_status(await_answer(fourth), LK_OK);
    assert_int_equal(writer->rank, 1);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
    lk_rwlock_free(c);
    lk_rwlock_free(d);
}

static void readers_go_on_when_the_writer_before_them_gives_up(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(other, "/rw"),
              *c = rwlock_of(client, "/rw");

    assert_status(lk_rwlock_read(a, soon(), NULL), LK_OK);
    struct answer *writer = writes(b, "b writes");
    await_children(live_path("/rw"), 2);
    struct answer *reader = reads(c, "c reads");
    await_children(live_path("/rw"), 3);
    lk_rwlock_free(b);
    assert_status(await_answer(writer), LK_E_CANCELLED);
    assert_status(await_answer(reader), LK_OK);
    lk_rwlock_free(a);
    lk_rwlock_free(c);
}

static void a_writer_becomes_a_reader_without_a_gap(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/rw"),
              *c = rwlock_of(client, "/rw"), *d = rwlock_of(client, "/rw");
    lk_fence wrote, read, after;

    assert_status(lk_rwlock_write(a, soon(), &wrote), LK_OK);
    struct answer *reader = reads(b, "b reads");
    await_children(live_path("/rw"), 2);
    struct answer *writer = writes(c, "c writes");
    await_children(live_path("/rw"), 3);
    assert_status(lk_rwlock_downgrade(a, soon(), &read), LK_OK);
    assert_status(await_answer(reader), LK_OK);
    assert_int_equal(lk_rwlock_mode(a), LK_READER);
    assert_true(lk_fence_compare(wrote, read) < 0);
    assert_status(lk_rwlock_fence(a, &after), LK_OK);
    assert_int_equal(lk_fence_compare(read, after), 0);
    assert_status(lk_rwlock_downgrade(a, soon(), &read), LK_E_STATE);
    assert_status(lk_rwlock_write(a, soon(), NULL), LK_E_STATE);
    assert_true(raw_exists(live_path("/rw/lk-read-lock-0000000000"), NULL));
    assert_status(lk_rwlock_try_write(d, soon(), NULL), LK_E_BUSY);
    assert_status(lk_rwlock_release(b, soon()), LK_OK);
    assert_false(is_answered(writer));
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_status(await_answer(writer), LK_OK);
    assert_status(lk_rwlock_fence(c, &after), LK_OK);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
    lk_rwlock_free(c);
    lk_rwlock_free(d);
}

/* The mark before the writer that turned says nothing of the reader that it has become. */
static void a_writer_right_behind_waits_for_who_turned_reader(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/rw");

    assert_status(lk_rwlock_write(a, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_release(a, soon()), LK_OK); /* mark 0 */
    assert_status(lk_rwlock_write(a, soon(), NULL), LK_OK);
    struct answer *writer = writes(b, "b writes");
    await_children(live_path("/rw"), 2);
    assert_status(lk_rwlock_downgrade(a, soon(), NULL), LK_OK);
    /* Its watch has fired, before this is answered, and it has looked. */
    assert_status(lk_rwlock_wait_lost(a, lk_in_ms(100)), LK_E_DEADLINE);
    assert_false(is_answered(writer));
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_status(await_answer(writer), LK_OK);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
}

static void a_downgrade_survives_each_lost_reply(void)
{
    for (int nth = 1; nth <= 3; nth++) {
        lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
        lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/rw");
        lk_fence fence;

        assert_status(lk_rwlock_write(a, soon(), NULL), LK_OK);
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        assert_status(lk_rwlock_downgrade(a, soon(), &fence), LK_OK);
        zkbox_proxy_heal(live_proxy());
        await_children(live_path("/rw"), 1);
        assert_status(lk_rwlock_read(b, soon(), NULL), LK_OK);
        lk_rwlock_free(a);
        lk_rwlock_free(b);
        await_children(live_path("/rw"), 0);
    }
}

static void a_plain_lock_is_a_writer_whoever_made_the_line(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *plain = live_lock(client, "plain", "/rw"), *other = live_lock(client, "o", "/l");
    lk_rwlock *a = rwlock_of(client, "/rw"), *b = rwlock_of(client, "/l");

    assert_status(lk_rwlock_read(a, soon(), NULL), LK_OK);
    assert_status(lk_lock_try(plain->lock, soon(), NULL), LK_E_BUSY);
    struct answer *waits = start_acquire(plain, LK_FOREVER);
    await_children(live_path("/rw"), 2);
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_status(await_answer(waits), LK_OK);
    release(plain);
    acquire(other);
    assert_status(lk_rwlock_try_read(b, soon(), NULL), LK_E_BUSY);
    release(other);
    assert_status(lk_rwlock_try_read(b, soon(), NULL), LK_OK);
    assert_status(lk_lock_try(other->lock, soon(), NULL), LK_E_BUSY);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
}

static void freed_in_the_middle_of_a_downgrade_nothing_stays(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);

    for (int i = 0; i < 20; i++) {
        lk_rwlock *a = rwlock_of(client, "/rw");
        struct answer *answer = live_answer("the downgrade");
        assert_status(lk_rwlock_write(a, soon(), NULL), LK_OK);
        assert_status(lk_rwlock_downgrade_start(a, LK_FOREVER, answer_done, answer, NULL), LK_OK);
        lk_rwlock_free(a);
        int status = await_answer(answer);
        assert_true(status == LK_OK || status == LK_E_CANCELLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(readers_hold_side_by_side),
        LIVE_TEST(a_reader_behind_a_waiting_writer_waits),
        LIVE_TEST(readers_go_on_when_the_writer_before_them_gives_up),
        LIVE_TEST(a_writer_becomes_a_reader_without_a_gap),
        LIVE_TEST(a_writer_right_behind_waits_for_who_turned_reader),
        LIVE_TEST(a_downgrade_survives_each_lost_reply),
        LIVE_TEST(a_plain_lock_is_a_writer_whoever_made_the_line),
        LIVE_TEST(freed_in_the_middle_of_a_downgrade_nothing_stays),
    };
    return live_main("live rwlock", NULL, tests, sizeof tests / sizeof *tests);
}
