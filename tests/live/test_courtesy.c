/* test_courtesy.c - what holders and waiters do for each other: letting go when asked, waiting for
 * what a lost holder may still be doing, standing in line under other programs' names. */
#include "live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_lock *lock_with(lk_client *client, lk_lock_options options)
{
    lk_lock *lock = NULL;

    assert_status(lk_lock_new(&lock, client, "/l", &options), LK_OK);
    return lock;
}

static struct answer *asks(lk_lock *lock, const char *name)
{
    struct answer *answer = live_answer(name);

    assert_status(lk_lock_acquire_start(lock, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    return answer;
}

/* ---- revocation ---- */

struct asked {
    atomic_int times;
};

static void asked_fn(void *arg)
{
    atomic_fetch_add(&((struct asked *)arg)->times, 1);
    live_changed();
}

static bool was_asked(void *arg)
{
    return atomic_load(&((struct asked *)arg)->times) > 0;
}

static bool was_asked_twice(void *arg)
{
    return atomic_load(&((struct asked *)arg)->times) > 1;
}

static void a_holder_hears_that_it_is_asked_to_let_go(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    struct asked asked = { 0 };
    lk_fence fence;

    options.on_revoke = asked_fn;
    options.on_revoke_arg = &asked;
    lk_lock *a = lock_with(client, options);
    assert_status(lk_lock_acquire(a, soon(), &fence), LK_OK);
    assert_status(lk_line_revoke(other, "/l", fence, soon()), LK_OK);
    live_await("the holder is asked", was_asked, &asked);
    assert_int_equal(lk_lock_state(a), LK_HELD); /* it decides */
    assert_status(lk_line_revoke(other, "/l", fence, soon()), LK_OK);
    live_await("it is asked again", was_asked_twice, &asked);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    assert_status(lk_line_revoke(other, "/l", fence, soon()), LK_E_NOT_FOUND);
    /* A new hold has not been asked. */
    atomic_store(&asked.times, 0);
    assert_status(lk_lock_acquire(a, soon(), &fence), LK_OK);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    assert_int_equal(atomic_load(&asked.times), 0);
    lk_lock_free(a);
}

static void curators_word_is_heard_too(void)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    struct asked asked = { 0 };

    options.on_revoke = asked_fn;
    options.on_revoke_arg = &asked;
    lk_lock *a = lock_with(LIVE_CLIENT("A", 0), options);
    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    raw_set(live_path("/l/lk-lock-0000000000"), "__REVOKE__", 10);
    live_await("the holder is asked", was_asked, &asked);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    lk_lock_free(a);
}

/* ---- the lock delay ---- */

enum { DELAY_MS = 150 };

static lk_lock *delayed(lk_client *client)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.delay_ms = DELAY_MS;
    return lock_with(client, options);
}

static void after_a_loss_the_next_one_waits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    lk_lock *a = delayed(client), *b = delayed(other);

    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    struct answer *next = asks(b, "b");
    await_children(live_path("/l"), 2);
    int64_t lost_ns = lk_now_ns();
    raw_delete(live_path("/l/lk-lock-0000000000"));
    assert_status(await_answer(next), LK_OK);
    assert_true(next->at_ns - lost_ns >= DELAY_MS * INT64_C(1000000));
    lk_lock_free(a);
    lk_lock_free(b);
}

static void after_a_loss_the_line_remembers_although_it_was_empty(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_lock *a = delayed(client), *b = delayed(client);

    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    int64_t lost_ns = lk_now_ns();
    raw_delete(live_path("/l/lk-lock-0000000000"));
    assert_status(lk_lock_wait_lost(a, soon()), LK_OK);
    assert_status(lk_lock_try(b, soon(), NULL), LK_E_BUSY);
    assert_status(lk_lock_acquire(b, soon(), NULL), LK_OK);
    assert_true(lk_now_ns() - lost_ns >= DELAY_MS * INT64_C(1000000));
    lk_lock_free(a);
    lk_lock_free(b);
}

/* The line says so, whatever the handle says. */
static void who_knows_of_no_delay_keeps_it_all_the_same(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    const lk_lock_options plain = LK_LOCK_OPTIONS_INIT;
    lk_lock *a = delayed(client), *b = lock_with(client, plain);

    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    assert_status(lk_lock_acquire(b, soon(), NULL), LK_OK);
    raw_delete(live_path("/l/lk-lock-0000000001"));
    assert_status(lk_lock_wait_lost(b, soon()), LK_OK);
    assert_status(lk_lock_try(a, soon(), NULL), LK_E_BUSY);
    lk_lock_free(a);
    lk_lock_free(b);
}

static void after_a_release_nobody_waits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_lock *a = delayed(client), *b = delayed(client);

    for (int i = 0; i < 3; i++) {
        assert_status(lk_lock_try(a, soon(), NULL), LK_OK);
        assert_status(lk_lock_release(a, soon()), LK_OK);
        assert_status(lk_lock_try(b, soon(), NULL), LK_OK);
        struct answer *gives_up = live_answer("gives up");
        lk_op op;
        assert_status(lk_lock_acquire_start(a, LK_FOREVER, answer_done, gives_up, &op), LK_OK);
        await_children(live_path("/l"), 2);
        lk_cancel(client, op);
        assert_status(await_answer(gives_up), LK_E_CANCELLED);
        assert_status(lk_lock_release(b, soon()), LK_OK);
        await_children(live_path("/l"), 0);
    }
    lk_lock_free(a);
    lk_lock_free(b);
}

/* ---- other programs' names ---- */

static void each_profile_has_its_names(void)
{
    static const struct {
        lk_compat compat;
        const char *lock, *writer, *reader;
    } profiles[] = {
        { LK_COMPAT_NATIVE, "lk-lock-0000000000", "lk-lock-0000000000", "lk-read-lock-0000000001" },
        { LK_COMPAT_CURATOR, "lk-lock-0000000000", "lk-__WRIT__0000000000",
          "lk-__READ__0000000001" },
        { LK_COMPAT_KAZOO, "lk__lock__0000000000", "lk__lock__0000000000",
          "lk__rlock__0000000001" },
    };
    static const char *const paths[] = { "/native", "/curator", "/kazoo" };
    lk_client *client = LIVE_CLIENT("A", 0);

    for (size_t i = 0; i < 3; i++) {
        lk_lock_options lock_options = LK_LOCK_OPTIONS_INIT;
        lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
        char path[32], node[64];
        lk_lock *lock = NULL;
        lk_rwlock *rwlock = NULL;

        lock_options.compat = options.compat = profiles[i].compat;
        assert_status(lk_lock_new(&lock, client, paths[i], &lock_options), LK_OK);
        assert_status(lk_lock_acquire(lock, soon(), NULL), LK_OK);
        assert_status(lk_lock_node(lock, node, sizeof node), LK_OK);
        assert_string_equal(node, profiles[i].lock);
        lk_lock_free(lock);
        snprintf(path, sizeof path, "%s/rw", paths[i]);
        assert_status(lk_rwlock_new(&rwlock, client, path, &options), LK_OK);
        assert_status(lk_rwlock_write(rwlock, soon(), NULL), LK_OK);
        assert_status(lk_rwlock_node(rwlock, node, sizeof node), LK_OK);
        assert_string_equal(node, profiles[i].writer);
        assert_status(lk_rwlock_release(rwlock, soon()), LK_OK);
        assert_status(lk_rwlock_read(rwlock, soon(), NULL), LK_OK);
        assert_status(lk_rwlock_node(rwlock, node, sizeof node), LK_OK);
        assert_string_equal(node, profiles[i].reader);
        lk_rwlock_free(rwlock);
    }
}

static void a_downgrade_keeps_the_profiles_names(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    lk_rwlock *rwlock = NULL;
    char node[64];

    options.compat = LK_COMPAT_CURATOR;
    assert_status(lk_rwlock_new(&rwlock, client, "/rw", &options), LK_OK);
    assert_status(lk_rwlock_write(rwlock, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_downgrade(rwlock, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_node(rwlock, node, sizeof node), LK_OK);
    assert_string_equal(node, "lk-__READ__0000000000");
    lk_rwlock_free(rwlock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_holder_hears_that_it_is_asked_to_let_go),
        LIVE_TEST(curators_word_is_heard_too),
        LIVE_TEST(after_a_loss_the_next_one_waits),
        LIVE_TEST(after_a_loss_the_line_remembers_although_it_was_empty),
        LIVE_TEST(who_knows_of_no_delay_keeps_it_all_the_same),
        LIVE_TEST(after_a_release_nobody_waits),
        LIVE_TEST(each_profile_has_its_names),
        LIVE_TEST(a_downgrade_keeps_the_profiles_names),
    };
    return live_main("live courtesy", NULL, tests, sizeof tests / sizeof *tests);
}
