/* test_courtesy.c - what holders and waiters do for each other: letting go when asked, waiting for
 * what a lost holder may still be doing, standing in line under other programs' names. */
#include "live.h"

#include "line/records.h"

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

static void permits_and_a_mutex_hear_it_too(void)
{
    lk_client *client = LIVE_CLIENT("A", 0), *other = LIVE_CLIENT("B", 0);
    lk_semaphore_options permits_options = LK_SEMAPHORE_OPTIONS_INIT;
    lk_mutex_options mutex_options = LK_MUTEX_OPTIONS_INIT;
    struct asked permits_asked = { 0 }, mutex_asked = { 0 };
    lk_semaphore *permits = NULL;
    lk_mutex *mutex = NULL;
    lk_fence fence;

    permits_options.on_revoke = mutex_options.on_revoke = asked_fn;
    permits_options.on_revoke_arg = &permits_asked;
    mutex_options.on_revoke_arg = &mutex_asked;
    assert_status(lk_semaphore_new(&permits, client, "/s", 2, &permits_options), LK_OK);
    assert_status(lk_mutex_new(&mutex, client, "/m", &mutex_options), LK_OK);
    assert_status(lk_semaphore_acquire(permits, 1, soon(), &fence), LK_OK);
    assert_status(lk_line_revoke(other, "/s", fence, soon()), LK_OK);
    live_await("the permit's holder is asked", was_asked, &permits_asked);
    assert_status(lk_mutex_lock(mutex, soon(), &fence), LK_OK);
    assert_status(lk_line_revoke(other, "/m", fence, soon()), LK_OK);
    live_await("the mutex's holder is asked", was_asked, &mutex_asked);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    assert_status(lk_semaphore_release(permits, soon()), LK_OK);
    lk_mutex_free(mutex);
    lk_semaphore_free(permits);
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

static void another_programs_holder_is_shown_to_have_been_asked(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_line *line = NULL;

    raw_make(live_path("/l"));
    raw_create(live_path("/l/x-lock-"), "words", 5, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    assert_status(lk_line_list(client, "/l", soon(), &line), LK_OK);
    assert_int_equal(line->count, 1);
    assert_false(line->entries[0].asked);
    assert_status(lk_line_revoke(client, "/l", line->entries[0].fence, soon()), LK_OK);
    lk_line_free(line);
    assert_status(lk_line_list(client, "/l", soon(), &line), LK_OK);
    assert_true(line->entries[0].asked);
    lk_line_free(line);
}

/* Then nothing but its session says whose it is: not found, it would stand before its own owner for
 * ever. Another handle of that session, which waits, keeps what is its own. */
static void one_whose_words_were_written_over_is_found_after_a_lost_reply(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    const lk_lock_options plain = LK_LOCK_OPTIONS_INIT;
    lk_lock *a = lock_with(client, plain), *b = lock_with(client, plain);

    raw_make(live_path("/l"));
    raw_create(live_path("/l/x-lock-"), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    struct answer *b_waits = asks(b, "b");
    await_children(live_path("/l"), 2);
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    struct answer *a_waits = asks(a, "a");
    await_children(live_path("/l"), 3);
    raw_set(live_path("/l/lk-lock-0000000001"), "__REVOKE__", 10);
    raw_set(live_path("/l/lk-lock-0000000002"), "__REVOKE__", 10);
    zkbox_proxy_heal(live_proxy());
    raw_delete(live_path("/l/x-lock-0000000000"));
    assert_status(await_answer(b_waits), LK_OK);
    assert_status(lk_lock_release(b, soon()), LK_OK);
    assert_status(await_answer(a_waits), LK_OK);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    await_children(live_path("/l"), 0);
    lk_lock_free(a);
    lk_lock_free(b);
}

/* The record's version is its fourth byte: this one is of a latchkey to come. */
static void what_a_newer_latchkey_wrote_is_not_written_over(void)
{
    static const char record[] = "LK\x02\xff of a time to come";
    lk_client *client = LIVE_CLIENT("A", 0);
    char data[64];
    struct Stat stat;

    raw_make(live_path("/l"));
    const char *node = raw_create(live_path("/l/lk-lock-"), record, sizeof record - 1,
                                  ZOO_EPHEMERAL | ZOO_SEQUENCE);
    assert_true(raw_exists(node, &stat));
    lk_fence fence = { .zxid = (uint64_t)stat.czxid };
    assert_status(lk_line_revoke(client, "/l", fence, soon()), LK_E_NEWER_FORMAT);
    assert_int_equal(raw_get(node, data, sizeof data, &stat), sizeof record - 1);
    assert_memory_equal(data, record, sizeof record - 1);
}

static void what_does_not_stand_in_the_line_is_not_asked(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    char data[64];
    struct Stat stat;

    raw_make(live_path("/l"));
    raw_create(live_path("/l/notes"), "words", 5, ZOO_EPHEMERAL);
    assert_true(raw_exists(live_path("/l/notes"), &stat));
    lk_fence fence = { .zxid = (uint64_t)stat.czxid };
    assert_status(lk_line_revoke(client, "/l", fence, soon()), LK_E_NOT_FOUND);
    assert_int_equal(raw_get(live_path("/l/notes"), data, sizeof data, &stat), 5);
    assert_memory_equal(data, "words", 5);
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

static void who_only_tries_is_granted_when_the_delay_is_over(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_lock *a = delayed(client), *b = delayed(client);
    int status;

    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    int64_t lost_ns = lk_now_ns(), until_ns = soon();
    raw_delete(live_path("/l/lk-lock-0000000000"));
    assert_status(lk_lock_wait_lost(a, soon()), LK_OK);
    while ((status = lk_lock_try(b, soon(), NULL)) == LK_E_BUSY && lk_now_ns() < until_ns)
        ;
    assert_status(status, LK_OK);
    assert_true(lk_now_ns() - lost_ns >= DELAY_MS * INT64_C(1000000));
    assert_status(lk_lock_release(b, soon()), LK_OK);
    lk_lock_free(a);
    lk_lock_free(b);
}

/* The line says so, whatever the handle says. */
/* What the line at /l says of its holder. */
static int64_t who_is_noted(void)
{
    char data[1000];
    struct line_record record;

    size_t size = raw_get(live_path("/l"), data, sizeof(data), NULL);
    if (size == 0)
        return 0;
    assert_int_equal(line_record_read(&record, data, size), LK_OK);
    return record.held;
}

/* Between the note and the grant too: it takes the note back, or had not written it. */
static void who_gives_up_at_any_moment_does_not_look_like_a_lost_holder(void)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.delay_ms = 60000;
    lk_lock *a = lock_with(LIVE_CLIENT("A", 0), options);
    assert_status(lk_lock_acquire(a, soon(), NULL), LK_OK);
    assert_status(lk_lock_release(a, soon()), LK_OK);
    for (int round = 0; round < 150; round++) {
        int status = lk_lock_acquire(a, lk_now_ns() + (int64_t)round % 75 * 20000, NULL);
        if (status == LK_OK)
            status = lk_lock_release(a, soon());
        else
            assert_status(status, LK_E_DEADLINE);
        await_children(live_path("/l"), 0);
        assert_int_equal(who_is_noted(), 0);
    }
    lk_lock_free(a);
}

static void a_writer_that_became_a_reader_does_not_look_like_a_lost_holder(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    lk_rwlock *writer = NULL;

    options.delay_ms = 60000;
    lk_lock *first = lock_with(client, options);
    assert_status(lk_lock_acquire(first, soon(), NULL), LK_OK);
    assert_status(lk_lock_release(first, soon()), LK_OK);
    assert_status(lk_rwlock_new(&writer, client, "/l", NULL), LK_OK);
    assert_status(lk_rwlock_write(writer, soon(), NULL), LK_OK);
    assert_true(who_is_noted() != 0);
    assert_status(lk_rwlock_downgrade(writer, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_release(writer, soon()), LK_OK);
    assert_int_equal(who_is_noted(), 0);
    lk_rwlock_free(writer);
    lk_lock_free(first);
}

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
        LIVE_TEST(permits_and_a_mutex_hear_it_too),
        LIVE_TEST(curators_word_is_heard_too),
        LIVE_TEST(another_programs_holder_is_shown_to_have_been_asked),
        LIVE_TEST(one_whose_words_were_written_over_is_found_after_a_lost_reply),
        LIVE_TEST(what_a_newer_latchkey_wrote_is_not_written_over),
        LIVE_TEST(what_does_not_stand_in_the_line_is_not_asked),
        LIVE_TEST(after_a_loss_the_next_one_waits),
        LIVE_TEST(after_a_loss_the_line_remembers_although_it_was_empty),
        LIVE_TEST(who_only_tries_is_granted_when_the_delay_is_over),
        LIVE_TEST(who_gives_up_at_any_moment_does_not_look_like_a_lost_holder),
        LIVE_TEST(a_writer_that_became_a_reader_does_not_look_like_a_lost_holder),
        LIVE_TEST(who_knows_of_no_delay_keeps_it_all_the_same),
        LIVE_TEST(after_a_release_nobody_waits),
        LIVE_TEST(each_profile_has_its_names),
        LIVE_TEST(a_downgrade_keeps_the_profiles_names),
    };
    return live_main("live courtesy", NULL, tests, sizeof tests / sizeof *tests);
}
