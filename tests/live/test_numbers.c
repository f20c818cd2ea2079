/* test_numbers.c - lines whose server has nearly used up its 2^31 numbers, and what becomes of them.
 *
 * Nobody can wait for 2^31 joins, so the server begins with a snapshot in which each test finds
 * lines with a past. */
#include "live.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line/numbers.h"
#include "snapshot.h"

enum { LINES = 6, TESTS_MAX = 20 };

static const struct {
    const char *name;
    int64_t next; /* the number of who joins next */
} lines[LINES] = {
    { "/before", (int64_t)NUMBERS_RESTART - 2 }, { "/low", NUMBERS_RESTART },
    { "/end", (int64_t)NUMBERS_END - 2 },        { "/last", INT32_MAX - 1 },
    { "/wrapped", INT32_MIN + 600000000 },       { "/minus", -5 },
};

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static int64_t number_of(const char *node)
{
    assert_true(strlen(node) > 10);
    return strtoll(node + strlen(node) - 10, NULL, 10);
}

static int64_t lock_number(const struct stand *stand)
{
    char node[64];

    assert_status(lk_lock_node(stand->lock, node, sizeof node), LK_OK);
    return number_of(node);
}

static int64_t numbers_left(lk_client *client, const char *path)
{
    lk_line *line;

    assert_status(lk_line_list(client, path, soon(), &line), LK_OK);
    int64_t left = line->numbers_left;
    lk_line_free(line);
    return left;
}

static bool stands(const char *path)
{
    return raw_exists(live_path(path), NULL);
}

static void assert_later(lk_fence fence, lk_fence before)
{
    assert_true(lk_fence_compare(fence, before) > 0);
}

/* ---- it begins anew ---- */

static void a_holder_that_is_alone_lets_the_numbers_begin_anew(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/before");
    lk_fence fence = { 0 };

    for (int64_t number = lines[0].next; number < NUMBERS_RESTART; number++) {
        lk_fence next = acquire(a);
        assert_int_equal(lock_number(a), number);
        assert_later(next, fence);
        fence = next;
        release(a);
        assert_true(stands("/before"));
    }
    lk_fence last = acquire(a);
    assert_int_equal(lock_number(a), NUMBERS_RESTART);
    assert_later(last, fence);
    release(a);
    assert_false(stands("/before"));

    lk_fence first = acquire(a);
    assert_int_equal(lock_number(a), 0);
    assert_later(first, last);
}

static void with_somebody_waiting_the_line_goes_on_until_nobody_is(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *stand[3] = { live_lock(client, "a", "/low"), live_lock(client, "b", "/low"),
                               live_lock(client, "c", "/low") };
    struct answer *answers[3];
    lk_fence before = { 0 };
    struct Stat then, now;

    raw_exists(live_path("/low"), &then);
    for (size_t i = 0; i < 3; i++) {
        answers[i] = start_acquire(stand[i], LK_FOREVER);
        await_children(live_path("/low"), i + 1);
    }
    for (size_t i = 0; i < 3; i++) {
        lk_fence fence;
        assert_status(await_answer(answers[i]), LK_OK);
        assert_true(raw_exists(live_path("/low"), &now));
        assert_true(now.czxid == then.czxid);
        assert_int_equal(lock_number(stand[i]), NUMBERS_RESTART + i);
        assert_status(lk_lock_fence(stand[i]->lock, &fence), LK_OK);
        assert_later(fence, before);
        before = fence;
        release(stand[i]);
    }
    assert_false(stands("/low"));
    assert_later(acquire(stand[0]), before);
    assert_int_equal(lock_number(stand[0]), 0);
}

static void a_candidate_does_as_a_lock_does(void)
{
    struct stand *a = live_candidate(LIVE_CLIENT("A", 0), "a", "/low", "a's card");
    char node[64];

    lk_fence before = acquire(a);
    assert_status(lk_candidate_node(a->candidate, node, sizeof node), LK_OK);
    assert_int_equal(number_of(node), NUMBERS_RESTART);
    release(a);
    assert_false(stands("/low"));
    lk_fence after = acquire(a);
    assert_status(lk_candidate_node(a->candidate, node, sizeof node), LK_OK);
    assert_int_equal(number_of(node), 0);
    assert_later(after, before);
}

static void of_readers_and_writers_the_last_to_leave_does_it(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a, *b;
    char node[64];
    lk_fence before, after;

    assert_status(lk_rwlock_new(&a, client, "/low", NULL), LK_OK);
    assert_status(lk_rwlock_new(&b, client, "/low", NULL), LK_OK);
    assert_status(lk_rwlock_read(a, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_read(b, soon(), &before), LK_OK);
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_true(stands("/low"));
    assert_status(lk_rwlock_release(b, soon()), LK_OK);
    assert_false(stands("/low"));
    assert_status(lk_rwlock_write(a, soon(), &after), LK_OK);
    assert_status(lk_rwlock_node(a, node, sizeof node), LK_OK);
    assert_int_equal(number_of(node), 0);
    assert_later(after, before);
    lk_rwlock_free(a);
    lk_rwlock_free(b);
}

static void a_writer_that_became_a_reader_does_it_too(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock *a;

    assert_status(lk_rwlock_new(&a, client, "/low", NULL), LK_OK);
    assert_status(lk_rwlock_write(a, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_downgrade(a, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_release(a, soon()), LK_OK);
    assert_false(stands("/low"));
    lk_rwlock_free(a);
}

static void a_semaphore_does_it_with_the_permits_that_its_users_know(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a, *b;
    char node[64];
    lk_fence before, after;

    assert_status(lk_semaphore_new(&a, client, "/low", 3, NULL), LK_OK);
    assert_status(lk_semaphore_new(&b, client, "/low", 3, NULL), LK_OK);
    assert_status(lk_semaphore_acquire(a, 1, soon(), NULL), LK_OK);
    assert_status(lk_semaphore_acquire(b, 2, soon(), &before), LK_OK);
    assert_status(lk_semaphore_release(a, soon()), LK_OK);
    assert_true(stands("/low"));
    assert_status(lk_semaphore_release(b, soon()), LK_OK);
    assert_false(stands("/low"));
    assert_status(lk_semaphore_acquire(a, 3, soon(), &after), LK_OK);
    assert_status(lk_semaphore_node(a, node, sizeof node), LK_OK);
    assert_string_equal(node, "lk-sem3-lock-0000000000");
    assert_later(after, before);
    lk_semaphore_free(a);
    lk_semaphore_free(b);
}

/* What a resize has written nobody else knows. */
static void a_semaphore_that_was_resized_keeps_its_number_of_permits(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore *a, *any;

    assert_status(lk_semaphore_new(&a, client, "/low", 3, NULL), LK_OK);
    assert_status(lk_semaphore_new(&any, client, "/low", 0, NULL), LK_OK);
    assert_status(lk_semaphore_acquire(a, 1, soon(), NULL), LK_OK);
    assert_status(lk_semaphore_resize(client, "/low", 2, soon()), LK_OK);
    assert_status(lk_semaphore_release(a, soon()), LK_OK);
    assert_true(stands("/low"));
    assert_status(lk_semaphore_acquire(any, 2, soon(), NULL), LK_OK);
    assert_status(lk_semaphore_release(any, soon()), LK_OK);
    assert_true(stands("/low"));
    assert_status(lk_semaphore_acquire(any, 3, soon(), NULL), LK_E_PERMITS);
    lk_semaphore_free(a);
    lk_semaphore_free(any);
}

/* The lock delay is for whoever comes after a holder that was lost; readers are not concerned. */
static void a_reader_does_not_make_a_lost_holder_forgotten(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    char node[64], path[128];
    lk_lock *lost, *next;
    lk_rwlock *reader;

    options.delay_ms = 10 * PATIENCE_MS;
    assert_status(lk_lock_new(&lost, client, "/low", &options), LK_OK);
    assert_status(lk_lock_new(&next, client, "/low", &options), LK_OK);
    assert_status(lk_rwlock_new(&reader, client, "/low", NULL), LK_OK);
    assert_status(lk_lock_acquire(lost, soon(), NULL), LK_OK);
    assert_status(lk_lock_node(lost, node, sizeof node), LK_OK);
    snprintf(path, sizeof path, "/low/%s", node);
    raw_delete(live_path(path));
    assert_status(lk_lock_wait_lost(lost, soon()), LK_OK);

    assert_status(lk_rwlock_read(reader, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_release(reader, soon()), LK_OK);
    assert_true(stands("/low"));
    assert_status(lk_lock_try(next, soon(), NULL), LK_E_BUSY);
    lk_lock_free(lost);
    lk_lock_free(next);
    lk_rwlock_free(reader);
}

/* The multi that ends the line takes effect or does not; either way the lock is free, and nobody
 * is in the way of who comes next. */
static void a_lost_reply_to_the_last_release_does_no_harm(void)
{
    enum { MULTI = 14 };
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS), "a",
                                "/low");
    struct stand *b = live_lock(LIVE_CLIENT("B", 0), "b", "/low");

    lk_fence before = acquire(a);
    assert_int_equal(zkbox_proxy_lose_request(live_proxy(), MULTI, 1), 0);
    release(a);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_later(acquire(a), before);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    release(a);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_later(acquire(b), before);
    assert_in_range(lock_number(b), 0, 10);
}

/* ---- three clients in a line that begins anew beneath them ---- */

enum { CLIENTS = 3, TURNS = 20 };

/* What the holders wrote, each while it held. */
struct diary {
    pthread_mutex_t mutex;
    lk_fence fences[CLIENTS * TURNS];
    size_t count;
};

struct user {
    pthread_t thread;
    lk_lock *lock;
    struct diary *diary;
    int status;
};

static void *use(void *arg)
{
    struct user *user = arg;
    struct diary *diary = user->diary;

    for (size_t turn = 0; turn < TURNS && user->status == LK_OK; turn++) {
        lk_fence fence;
        user->status = lk_lock_acquire(user->lock, soon(), &fence);
        if (user->status != LK_OK)
            break;
        pthread_mutex_lock(&diary->mutex);
        diary->fences[diary->count++] = fence;
        pthread_mutex_unlock(&diary->mutex);
        user->status = lk_lock_release(user->lock, soon());
    }
    return NULL;
}

static void busy_users_cross_the_end_with_growing_fences(void)
{
    struct diary diary = { .mutex = PTHREAD_MUTEX_INITIALIZER };
    struct user users[CLIENTS];

    for (size_t i = 0; i < CLIENTS; i++) {
        struct stand *stand = live_lock(LIVE_CLIENT("one of three", 0), "user", "/before");
        users[i] = (struct user){ .lock = stand->lock, .diary = &diary };
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(users[i].thread, NULL);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_status(users[i].status, LK_OK);
    assert_int_equal(diary.count, CLIENTS * TURNS);
    for (size_t i = 1; i < diary.count; i++)
        assert_later(diary.fences[i], diary.fences[i - 1]);

    /* Whoever was the last was alone, or the line had begun anew before. */
    struct stand *stand = live_lock(LIVE_CLIENT("late", 0), "late", "/before");
    assert_later(acquire(stand), diary.fences[diary.count - 1]);
    assert_in_range(lock_number(stand), 0, CLIENTS * TURNS);
}

/* ---- it is refused ---- */

static void joining_is_refused_at_the_end_until_the_last_has_left(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/end"), *b = live_lock(client, "b", "/end"),
                 *c = live_lock(client, "c", "/end");

    lk_fence before = acquire(a);
    struct answer *second = start_acquire(b, LK_FOREVER);
    await_children(live_path("/end"), 2);
    assert_status(lk_lock_acquire(c->lock, soon(), NULL), LK_E_LINE_FULL);
    await_children(live_path("/end"), 2);
    assert_status(lk_lock_try(c->lock, soon(), NULL), LK_E_BUSY);
    release(a);
    assert_status(await_answer(second), LK_OK);
    assert_int_equal(lock_number(b), NUMBERS_END - 1);
    assert_status(lk_lock_acquire(c->lock, soon(), NULL), LK_E_LINE_FULL);
    await_children(live_path("/end"), 1);
    release(b);
    assert_false(stands("/end"));
    assert_later(acquire(c), before);
    assert_int_equal(lock_number(c), 0);
}

/* Nobody was alone in time: what the status says to do is the way out. */
static void deleting_the_empty_line_is_the_way_out(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *lock = live_lock(client, "a", "/last");
    struct stand *candidate = live_candidate(client, "b", "/last", "b's card");
    lk_semaphore *semaphore;
    lk_rwlock *rwlock;

    assert_non_null(strstr(lk_status_text(LK_E_LINE_FULL), "delete its znode when nobody stands"));
    assert_status(lk_semaphore_new(&semaphore, client, "/last", 3, NULL), LK_OK);
    assert_status(lk_rwlock_new(&rwlock, client, "/last", NULL), LK_OK);
    assert_int_equal(numbers_left(client, "/last"), 0);
    for (size_t round = 0; round < 3; round++) { /* by then the server's counter sticks */
        assert_status(lk_lock_acquire(lock->lock, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_lock_try(lock->lock, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_candidate_stand(candidate->candidate, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_semaphore_acquire(semaphore, 1, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_rwlock_read(rwlock, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_rwlock_write(rwlock, soon(), NULL), LK_E_LINE_FULL);
        await_children(live_path("/last"), 0);
    }
    raw_delete(live_path("/last"));
    acquire(lock);
    assert_int_equal(lock_number(lock), 0);
    release(lock);
    lk_semaphore_free(semaphore);
    lk_rwlock_free(rwlock);
}

/* In one commit it counts on below zero; once that is applied its count sticks. */
static void what_the_server_itself_does_at_its_end(void)
{
    enum { CREATES = 4 };
    static const char *const ends[CREATES] = { "-2147483646", "-2147483647", "--2147483648",
                                               "--2147483647" };
    char path[64], made[CREATES][64];
    zoo_op_t operations[CREATES];
    zoo_op_result_t results[CREATES];

    snprintf(path, sizeof path, "%s", live_path("/last/n-"));
    for (size_t i = 0; i < CREATES; i++)
        zoo_create_op_init(&operations[i], path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE,
                           made[i], sizeof made[i]);
    assert_int_equal(zoo_multi(raw(), CREATES, operations, results), ZOK);
    for (size_t i = 0; i < CREATES; i++)
        assert_string_equal(strrchr(made[i], 'n') + 1, ends[i]);
    assert_int_equal(zoo_create(raw(), path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_SEQUENCE, NULL, 0),
                     ZNODEEXISTS);

    /* A name that is taken is no reason to wait for ever. */
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/last");
    raw_create(live_path("/last/lk-lock-2147483647"), NULL, 0, 0);
    assert_status(lk_lock_acquire(a->lock, soon(), NULL), LK_E_LINE_FULL);
}

/* "-1547483648" ends in ten digits, and "-000000005" does not; neither says who was first. */
static void a_line_past_its_end_is_refused_and_nothing_is_left_in_it(void)
{
    static const char *const paths[] = { "/wrapped", "/minus" };
    lk_client *client = LIVE_CLIENT("A", 0);

    for (size_t i = 0; i < 2; i++) {
        struct stand *a = live_lock(client, "a", paths[i]);
        struct stand *b = live_candidate(client, "b", paths[i], "b's card");
        assert_status(lk_lock_acquire(a->lock, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_lock_try(a->lock, soon(), NULL), LK_E_LINE_FULL);
        assert_status(lk_candidate_stand(b->candidate, soon(), NULL), LK_E_LINE_FULL);
        await_children(live_path(paths[i]), 0);
        raw_delete(live_path(paths[i]));
        acquire(a);
        assert_int_equal(lock_number(a), 0);
    }
}

static void a_lost_reply_past_the_end_is_refused_too(void)
{
    enum { CREATE2 = 15 };
    static const char *const paths[] = { "/wrapped", "/minus" };
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);

    for (size_t i = 0; i < 2; i++) {
        struct stand *a = live_lock(client, "a", paths[i]);
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), CREATE2, 1), 0);
        assert_status(lk_lock_acquire(a->lock, soon(), NULL), LK_E_LINE_FULL);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
        await_children(live_path(paths[i]), 0);
    }
}

static void a_listing_says_how_many_numbers_are_left(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/low");

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(numbers_left(client, lines[i].name), NUMBERS_END - lines[i].next);
    acquire(a);
    assert_int_equal(numbers_left(client, "/low"), NUMBERS_END - NUMBERS_RESTART - 1);
    release(a);
    acquire(a);
    assert_int_equal(numbers_left(client, "/low"), NUMBERS_END - 1);
}

/* ---- the past of all these lines ---- */

static char *make_past(size_t tests)
{
    struct snapshot_znode znodes[TESTS_MAX * (LINES + 1)];
    char paths[TESTS_MAX * (LINES + 1)][32];
    size_t count = 0;

    assert(tests <= TESTS_MAX);
    for (size_t test = 1; test <= tests; test++) {
        snprintf(paths[count], sizeof paths[count], "/t%zu", test);
        znodes[count] = (struct snapshot_znode){ .path = paths[count], .creates = LINES };
        count++;
        for (size_t i = 0; i < LINES; i++, count++) {
            snprintf(paths[count], sizeof paths[count], "/t%zu%s", test, lines[i].name);
            znodes[count] = (struct snapshot_znode){ .path = paths[count],
                                                     .creates = (int32_t)lines[i].next };
        }
    }
    return snapshot_make(znodes, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_holder_that_is_alone_lets_the_numbers_begin_anew),
        LIVE_TEST(with_somebody_waiting_the_line_goes_on_until_nobody_is),
        LIVE_TEST(a_candidate_does_as_a_lock_does),
        LIVE_TEST(of_readers_and_writers_the_last_to_leave_does_it),
        LIVE_TEST(a_writer_that_became_a_reader_does_it_too),
        LIVE_TEST(a_semaphore_does_it_with_the_permits_that_its_users_know),
        LIVE_TEST(a_semaphore_that_was_resized_keeps_its_number_of_permits),
        LIVE_TEST(a_reader_does_not_make_a_lost_holder_forgotten),
        LIVE_TEST(a_lost_reply_to_the_last_release_does_no_harm),
        LIVE_TEST(busy_users_cross_the_end_with_growing_fences),
        LIVE_TEST(joining_is_refused_at_the_end_until_the_last_has_left),
        LIVE_TEST(deleting_the_empty_line_is_the_way_out),
        LIVE_TEST(what_the_server_itself_does_at_its_end),
        LIVE_TEST(a_line_past_its_end_is_refused_and_nothing_is_left_in_it),
        LIVE_TEST(a_lost_reply_past_the_end_is_refused_too),
        LIVE_TEST(a_listing_says_how_many_numbers_are_left),
    };
    char *past = make_past(sizeof tests / sizeof *tests);

    if (!past) {
        perror("a snapshot for the server");
        return 1;
    }
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.tick_ms = TICK_MS;
    options.fsync = false;
    options.data_from = past;
    int failed = live_main("live numbers", &options, tests, sizeof tests / sizeof *tests);
    snapshot_remove(past);
    return failed;
}
