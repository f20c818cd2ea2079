/* test_try.c - tries at what is busy: however many, they write nothing, and leave no znode and no
 * watch behind. Judged by the server's own counts: each commit has a zxid of its own.
 *
 * Whoever holds is a znode of the raw client, whose session writes nothing while it lives: one of
 * ours would prove its lease by commits. And the server tidies no containers away meanwhile. */
#include "live.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

/* ---- what the server counts ---- */

struct counts {
    long long zxid, znodes, ephemerals, watches;
};

static long long count_after(const char *text, const char *key, int base)
{
    const char *at = strstr(text, key);

    if (!at)
        fail_msg("the server does not tell its %s", key);
    return strtoll(at + strlen(key), NULL, base);
}

static struct counts server_counts(void)
{
    char *srvr = NULL, *mntr = NULL;

    assert_int_equal(zkbox_ask(live_box(), 0, "srvr", &srvr), 0);
    assert_int_equal(zkbox_ask(live_box(), 0, "mntr", &mntr), 0);
    struct counts counts = {
        .zxid = count_after(srvr, "Zxid: ", 16),
        .znodes = count_after(mntr, "zk_znode_count", 10),
        .ephemerals = count_after(mntr, "zk_ephemerals_count", 10),
        .watches = count_after(mntr, "zk_watch_count", 10),
    };
    free(srvr);
    free(mntr);
    return counts;
}

static void assert_nothing_was_left(struct counts before)
{
    struct counts after = server_counts();

    assert_int_equal(after.znodes, before.znodes);
    assert_int_equal(after.ephemerals, before.ephemerals);
    assert_int_equal(after.watches, before.watches);
}

static void assert_nothing_was_written(struct counts before)
{
    assert_int_equal(server_counts().zxid, before.zxid);
    assert_nothing_was_left(before);
}

/* ---- many tries, as fast as they go ---- */

enum { HANDS = 64 };

struct hand;
typedef int try_fn(struct hand *hand);

struct tries {
    try_fn *try;
    atomic_long left;   /* to be begun */
    atomic_uint active; /* hands */
    atomic_int answer;  /* the first that was not LK_E_BUSY */
    struct hand {
        struct tries *tries;
        lk_lock *lock;
        lk_rwlock *rwlock;
        lk_semaphore *semaphore;
    } hands[HANDS];
};

static bool are_over(void *arg)
{
    struct tries *tries = arg;
    return atomic_load(&tries->active) == 0 || atomic_load(&tries->answer) != LK_E_BUSY;
}

static void tried(int status, void *arg)
{
    struct hand *hand = arg;
    struct tries *tries = hand->tries;

    if (status != LK_E_BUSY)
        atomic_store(&tries->answer, status);
    else if (atomic_fetch_sub(&tries->left, 1) <= 0)
        atomic_fetch_sub(&tries->active, 1);
    else if ((status = tries->try(hand)) != LK_OK)
        atomic_store(&tries->answer, status);
    if (are_over(tries))
        live_changed();
}

static int try_lock(struct hand *hand)
{
    return lk_lock_try_start(hand->lock, soon(), tried, hand, NULL);
}

static int try_read(struct hand *hand)
{
    return lk_rwlock_try_read_start(hand->rwlock, soon(), tried, hand, NULL);
}

static int try_write(struct hand *hand)
{
    return lk_rwlock_try_write_start(hand->rwlock, soon(), tried, hand, NULL);
}

static int try_permits(struct hand *hand)
{
    return lk_semaphore_try_start(hand->semaphore, 2, soon(), tried, hand, NULL);
}

static void tries_begin(struct tries *tries, lk_client *client, try_fn *try, long count)
{
    tries->try = try;
    atomic_store(&tries->left, count - HANDS);
    atomic_store(&tries->active, HANDS);
    atomic_store(&tries->answer, LK_E_BUSY);
    for (size_t i = 0; i < HANDS; i++) {
        struct hand *hand = &tries->hands[i];
        hand->tries = tries;
        assert_status(lk_lock_new(&hand->lock, client, "/l", NULL), LK_OK);
        assert_status(lk_rwlock_new(&hand->rwlock, client, "/l", NULL), LK_OK);
        assert_status(lk_semaphore_new(&hand->semaphore, client, "/l", 0, NULL), LK_OK);
    }
    for (size_t i = 0; i < HANDS; i++)
        assert_status(try(&tries->hands[i]), LK_OK);
}

static void tries_end(struct tries *tries)
{
    live_await("all tries", are_over, tries);
    for (size_t i = 0; i < HANDS; i++) {
        lk_lock_free(tries->hands[i].lock);
        lk_rwlock_free(tries->hands[i].rwlock);
        lk_semaphore_free(tries->hands[i].semaphore);
    }
    assert_status(atomic_load(&tries->answer), LK_E_BUSY);
}

/* ---- who has it ---- */

static void a_stranger_has(const char *prefix)
{
    raw_make(live_path("/l"));
    raw_create(live_path(prefix), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE);
}

static void strangers_have_two_of_three_permits(void)
{
    lk_client *client = LIVE_CLIENT("maker", 0);
    lk_semaphore *semaphore;

    assert_status(lk_semaphore_new(&semaphore, client, "/l", 3, NULL), LK_OK);
    assert_status(lk_semaphore_acquire(semaphore, 1, soon(), NULL), LK_OK);
    raw_create(live_path("/l/x-lock-"), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    raw_create(live_path("/l/x-lock-"), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    assert_status(lk_semaphore_release(semaphore, soon()), LK_OK);
    lk_semaphore_free(semaphore);
}

/* ---- in good weather ---- */

enum { MANY = 10000 };

static void tries_write_nothing(try_fn *try, long count)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct counts before = server_counts();

    for (long done = 0; done < count; done += MANY) {
        static struct tries tries;
        tries_begin(&tries, client, try, MANY);
        tries_end(&tries);
    }
    assert_nothing_was_written(before);
}

static void a_hundred_thousand_tries_at_a_busy_lock_write_nothing(void)
{
    a_stranger_has("/l/x-lock-");
    tries_write_nothing(try_lock, 10 * MANY);
}

static void tries_to_read_while_a_writer_holds_write_nothing(void)
{
    a_stranger_has("/l/x-lock-");
    tries_write_nothing(try_read, MANY);
}

static void tries_to_write_while_a_reader_holds_write_nothing(void)
{
    a_stranger_has("/l/lk-read-lock-");
    tries_write_nothing(try_write, MANY);
}

static void tries_for_more_permits_than_are_left_write_nothing(void)
{
    strangers_have_two_of_three_permits();
    tries_write_nothing(try_permits, MANY);
}

static void tries_at_a_busy_mutex_write_nothing(void)
{
    enum { TRIES = 1000 };
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_mutex *mutex;

    a_stranger_has("/l/x-lock-");
    assert_status(lk_mutex_new(&mutex, client, "/l", NULL), LK_OK);
    struct counts before = server_counts();
    for (int i = 0; i < TRIES; i++)
        assert_status(lk_mutex_try(mutex, soon(), NULL), LK_E_BUSY);
    assert_nothing_was_written(before);
    lk_mutex_free(mutex);
}

/* Else nothing of the above would show anything. */
static void a_try_at_what_is_free_does_write(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");

    raw_make(live_path("/l"));
    struct counts before = server_counts();
    assert_status(lk_lock_try(a->lock, soon(), NULL), LK_OK);
    struct counts after = server_counts();
    assert_true(after.zxid > before.zxid);
    assert_int_equal(after.ephemerals, before.ephemerals + 1);
    release(a);
}

/* ---- through lost connections ---- */

/* The nth request from now on, whatever it is, or its reply is lost, and the connection with it. */
static void arm(int nth, bool is_reply)
{
    int rc = is_reply ? zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth)
                      : zkbox_proxy_lose_request(live_proxy(), ZKBOX_ANY, nth);
    assert_int_equal(rc, 0);
}

static void tries_through_lost_connections_leave_nothing(try_fn *try)
{
    enum { LOSSES = 12, ENDLESS = 1000000000 };
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct counts before = server_counts();
    static struct tries tries;

    tries_begin(&tries, client, try, ENDLESS);
    for (int loss = 0; loss < LOSSES; loss++) {
        arm(1 + 7 * loss, loss % 2);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    }
    atomic_store(&tries.left, 0);
    tries_end(&tries);
    assert_nothing_was_written(before);
}

static void tries_at_a_busy_lock_through_lost_connections_leave_nothing(void)
{
    a_stranger_has("/l/x-lock-");
    tries_through_lost_connections_leave_nothing(try_lock);
}

static void tries_to_read_through_lost_connections_leave_nothing(void)
{
    a_stranger_has("/l/x-lock-");
    tries_through_lost_connections_leave_nothing(try_read);
}

static void tries_to_write_through_lost_connections_leave_nothing(void)
{
    a_stranger_has("/l/lk-read-lock-");
    tries_through_lost_connections_leave_nothing(try_write);
}

static void tries_for_permits_through_lost_connections_leave_nothing(void)
{
    strangers_have_two_of_three_permits();
    tries_through_lost_connections_leave_nothing(try_permits);
}

/* Whatever a try was answered that was cut off in the midst of taking it. */
static void tries_at_a_free_lock_through_lost_connections_leave_nothing(void)
{
    enum { REQUESTS = 12 }; /* more than two tries and releases make */
    struct stand *a = live_lock(LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS), "a",
                                "/l");
    unsigned taken = 0;

    raw_make(live_path("/l"));
    struct counts before = server_counts();
    for (int loss = 0; loss < 2 * REQUESTS; loss++) {
        arm(1 + loss / 2, loss % 2);
        do {
            int status = lk_lock_try(a->lock, soon(), NULL);
            if (status == LK_OK) {
                taken++;
                release(a);
            } else {
                assert_status(status, LK_E_BUSY);
            }
        } while (zkbox_proxy_wait_lost(live_proxy(), 0) != 0);
    }
    assert_true(taken >= REQUESTS);
    await_children(live_path("/l"), 0);
    before.watches++; /* that call's own */
    assert_nothing_was_left(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_hundred_thousand_tries_at_a_busy_lock_write_nothing),
        LIVE_TEST(tries_to_read_while_a_writer_holds_write_nothing),
        LIVE_TEST(tries_to_write_while_a_reader_holds_write_nothing),
        LIVE_TEST(tries_for_more_permits_than_are_left_write_nothing),
        LIVE_TEST(tries_at_a_busy_mutex_write_nothing),
        LIVE_TEST(a_try_at_what_is_free_does_write),
        LIVE_TEST(tries_at_a_busy_lock_through_lost_connections_leave_nothing),
        LIVE_TEST(tries_to_read_through_lost_connections_leave_nothing),
        LIVE_TEST(tries_to_write_through_lost_connections_leave_nothing),
        LIVE_TEST(tries_for_permits_through_lost_connections_leave_nothing),
        LIVE_TEST(tries_at_a_free_lock_through_lost_connections_leave_nothing),
    };
    zkbox_options options = ZKBOX_OPTIONS_INIT;

    options.tick_ms = TICK_MS;
    options.fsync = false;
    options.java_args = (const char *const[]){ "-Dznode.container.checkIntervalMs=86400000", NULL };
    return live_main("try", &options, tests, sizeof tests / sizeof tests[0]);
}
