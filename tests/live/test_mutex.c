/* test_mutex.c - threads before one lock, and several locks at once. */
#include "live.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

static lk_mutex *mutex_of(lk_client *client, const char *path, unsigned local_turns)
{
    lk_mutex_options options = LK_MUTEX_OPTIONS_INIT;
    lk_mutex *mutex = NULL;

    options.local_turns = local_turns;
    assert_status(lk_mutex_new(&mutex, client, path, &options), LK_OK);
    return mutex;
}

/* ---- a thread of the program ---- */

struct thread {
    pthread_t thread;
    lk_mutex *mutex;
    int64_t deadline_ns;
    int locked, unlocked;
    lk_fence fence;
    atomic_uint *order; /* counts owners */
    unsigned rank;
    atomic_int asks; /* its number at the kernel, from then on */
    atomic_bool is_back, owns, may_go;
};

static void *thread_main(void *arg)
{
    struct thread *thread = arg;

    atomic_store(&thread->asks, gettid());
    thread->locked = lk_mutex_lock(thread->mutex, thread->deadline_ns, &thread->fence);
    atomic_store(&thread->is_back, true);
    if (thread->locked == LK_OK) {
        thread->rank = atomic_fetch_add(thread->order, 1) + 1;
        atomic_store(&thread->owns, true);
        live_changed();
        while (!atomic_load(&thread->may_go))
            sched_yield();
        thread->unlocked = lk_mutex_unlock(thread->mutex, soon());
    }
    return NULL;
}

static void begin(struct thread *thread, lk_mutex *mutex, atomic_uint *order)
{
    *thread = (struct thread){ .mutex = mutex, .deadline_ns = LK_FOREVER, .order = order };
    assert_int_equal(pthread_create(&thread->thread, NULL, thread_main, thread), 0);
}

static bool owns(void *arg)
{
    return atomic_load(&((struct thread *)arg)->owns);
}

static bool sleeps(pid_t number)
{
    char path[64], text[256] = "";

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)number);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return strstr(text, ") S ") != NULL;
}

/* Somebody else owns the mutex, and it has asked: nothing tells that it stands in the queue but that
 * it goes on sleeping. */
static void await_queued(struct thread *thread)
{
    for (int looks = 0; looks < 20; looks++)
        if (!sleeps(atomic_load(&thread->asks))) {
            looks = -1;
            sched_yield();
        }
}

static void end(struct thread *thread)
{
    atomic_store(&thread->may_go, true);
    pthread_join(thread->thread, NULL);
    assert_int_equal(thread->locked, LK_OK);
    assert_int_equal(thread->unlocked, LK_OK);
}

/* ---- one thread ---- */

static void its_owner_may_lock_again(void)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", 0);
    lk_fence first, again;

    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_STATE);
    assert_status(lk_mutex_lock(mutex, soon(), &first), LK_OK);
    assert_status(lk_mutex_lock(mutex, soon(), &again), LK_OK);
    assert_status(lk_mutex_try(mutex, soon(), NULL), LK_OK);
    assert_int_equal(lk_fence_compare(first, again), 0);
    assert_int_equal(lk_mutex_depth(mutex), 3);
    assert_int_equal(lk_mutex_state(mutex), LK_HELD);
    assert_true(lk_mutex_remaining_ns(mutex) > 0);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    assert_true(raw_exists(live_path("/m/lk-lock-0000000000"), NULL));
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    assert_false(raw_exists(live_path("/m/lk-lock-0000000000"), NULL));
    assert_int_equal(lk_mutex_depth(mutex), 0);
    assert_status(lk_mutex_fence(mutex, &again), LK_E_STATE);
    assert_null(lk_mutex_grant(mutex));
    lk_mutex_free(mutex);
}

static void a_lost_mutex_is_unlocked_and_locked_anew(void)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", 3);
    lk_fence first, second;

    assert_status(lk_mutex_lock(mutex, soon(), &first), LK_OK);
    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_OK);
    raw_delete(live_path("/m/lk-lock-0000000000"));
    while (lk_mutex_state(mutex) != LK_LOST)
        sched_yield();
    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_E_LOST);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_LOST);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_LOST);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_STATE);
    assert_status(lk_mutex_lock(mutex, soon(), &second), LK_OK);
    assert_true(lk_fence_compare(first, second) < 0);
    lk_mutex_free(mutex); /* gives it back */
    await_children(live_path("/m"), 0);
}

/* ---- many ---- */

enum { THREADS = 5 };

static void each_thread_gets_its_turn(unsigned local_turns, uint64_t znodes)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", local_turns);
    struct thread threads[THREADS];
    atomic_uint order = 0;
    struct Stat stat;

    begin(&threads[0], mutex, &order);
    live_await("the first owns it", owns, &threads[0]);
    for (size_t i = 1; i < THREADS; i++)
        begin(&threads[i], mutex, &order);
    for (size_t i = 1; i < THREADS; i++)
        await_queued(&threads[i]);
    assert_status(lk_mutex_try(mutex, soon(), NULL), LK_E_BUSY);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_STATE);
    assert_int_equal(lk_mutex_depth(mutex), 0);
    for (size_t i = 0; i < THREADS; i++)
        atomic_store(&threads[i].may_go, true);
    for (size_t i = 0; i < THREADS; i++)
        end(&threads[i]);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < THREADS; j++)
            assert_true((threads[i].rank < threads[j].rank)
                        == (lk_fence_compare(threads[i].fence, threads[j].fence) < 0));
    assert_true(raw_exists(live_path("/m"), &stat));
    assert_int_equal(stat.numChildren, 0);
    assert_int_equal((uint64_t)stat.cversion / 2, znodes);
    lk_mutex_free(mutex);
}

static void without_local_turns_each_thread_joins_the_line(void)
{
    each_thread_gets_its_turn(0, THREADS);
}

/* 1 by the line, 2 after it by turns; again 1 and 1. */
static void with_two_local_turns_three_threads_share_a_znode(void)
{
    struct Stat stat;

    each_thread_gets_its_turn(2, 2);
    assert_true(raw_exists(live_path("/m"), &stat));
}

static void who_waits_here_gives_up_in_time(void)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", 0);
    atomic_uint order = 0;
    struct thread thread;

    begin(&thread, mutex, &order);
    live_await("it owns", owns, &thread);
    assert_status(lk_mutex_lock(mutex, lk_in_ms(5), NULL), LK_E_DEADLINE);
    assert_status(lk_mutex_lock(mutex, 1, NULL), LK_E_DEADLINE);
    end(&thread);
    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_OK);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    lk_mutex_free(mutex);
}

static void who_leads_and_gives_up_lets_the_next_lead(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "b", "/m");
    lk_mutex *mutex = mutex_of(client, "/m", 0);
    atomic_uint order = 0;
    struct thread thread;

    acquire(other);
    begin(&thread, mutex, &order);
    assert_status(lk_mutex_lock(mutex, lk_in_ms(20), NULL), LK_E_DEADLINE);
    release(other);
    live_await("it owns", owns, &thread);
    end(&thread);
    lk_mutex_free(mutex);
}

/* Whose deadline ends while the turn is handed to him must take it, or nobody ever would. */
enum { HASTY = 4, HASTES = 20000 };

struct hasty {
    pthread_t thread;
    lk_mutex *mutex;
    unsigned had, missed, other;
};

/* The czxid of whoever stands behind the holder; 0: nobody does. */
static int64_t who_is_second(void)
{
    struct names names;
    struct Stat stat = { 0 };
    char node[NAME_SIZE + 4];

    raw_children(live_path("/m"), &names);
    if (names.count < 2)
        return 0;
    snprintf(node, sizeof(node), "/m/%s", names.name[1]);
    return raw_exists(live_path(node), &stat) ? stat.czxid : 0;
}

/* One leads, another waits behind it here, the first gives up: is the other granted in the place
 * that was there before? (Who comes when the first has gone already can't be.) */
static bool the_place_is_kept(lk_mutex *mutex, struct stand *other)
{
    atomic_uint order = 0;
    struct thread leader, heir;
    int64_t place = 0;

    acquire(other);
    leader = (struct thread){ .mutex = mutex, .deadline_ns = lk_in_ms(300) };
    assert_int_equal(pthread_create(&leader.thread, NULL, thread_main, &leader), 0);
    while (!atomic_load(&leader.is_back) && (place = who_is_second()) == 0)
        sched_yield();
    begin(&heir, mutex, &order);
    pthread_join(leader.thread, NULL);
    assert_status(leader.locked, LK_E_DEADLINE);
    release(other);
    live_await("it owns", owns, &heir);
    end(&heir);
    return (int64_t)heir.fence.zxid == place;
}

static void who_leads_and_gives_up_leaves_its_place_in_the_line_to_the_next(void)
{
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "b", "/m");
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", 0);
    bool is_kept = false;

    for (int round = 0; round < 20 && !is_kept; round++)
        is_kept = the_place_is_kept(mutex, other);
    assert_true(is_kept);
    await_children(live_path("/m"), 0);
    lk_mutex_free(mutex);
}

static void *hasty_main(void *arg)
{
    struct hasty *hasty = arg;

    for (int i = 0; i < HASTES; i++) {
        int64_t patience_ns = i % 2 ? INT64_C(4000) * (i % 16) : INT64_C(1000000) * PATIENCE_MS;
        int status = lk_mutex_lock(hasty->mutex, lk_now_ns() + patience_ns, NULL);
        hasty->had += status == LK_OK;
        hasty->missed += status == LK_E_DEADLINE;
        hasty->other += status != LK_OK && status != LK_E_DEADLINE;
        if (status == LK_OK)
            hasty->other += lk_mutex_unlock(hasty->mutex, soon()) != LK_OK;
    }
    return NULL;
}

static void no_turn_is_lost_on_those_who_give_up_as_it_comes(void)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", UINT32_MAX);
    struct hasty hasty[HASTY] = { 0 };

    for (size_t i = 0; i < HASTY; i++) {
        hasty[i].mutex = mutex;
        assert_int_equal(pthread_create(&hasty[i].thread, NULL, hasty_main, &hasty[i]), 0);
    }
    for (size_t i = 0; i < HASTY; i++) {
        pthread_join(hasty[i].thread, NULL);
        assert_int_equal(hasty[i].other, 0);
        assert_int_equal(hasty[i].had + hasty[i].missed, HASTES);
        assert_true(hasty[i].had >= HASTES / 2);
    }
    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_OK);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    lk_mutex_free(mutex);
}

/* ---- who may not wait ---- */

/* What a callback of its client was answered. */
struct inside {
    lk_mutex *mutex;
    int locked, tried, unlocked;
    bool is_over;
};

static void ask_inside(int status, void *arg)
{
    struct inside *inside = arg;

    (void)status;
    inside->locked = lk_mutex_lock(inside->mutex, soon(), NULL);
    inside->tried = lk_mutex_try(inside->mutex, soon(), NULL);
    inside->unlocked = lk_mutex_unlock(inside->mutex, soon());
    inside->is_over = true;
}

static void assert_refused_inside(lk_client *client, lk_mutex *mutex)
{
    struct stand *other = live_lock(client, "a callback's", "/other");
    struct inside inside = { .mutex = mutex };

    assert_status(lk_lock_acquire_start(other->lock, soon(), ask_inside, &inside, NULL), LK_OK);
    while (!inside.is_over)
        assert_true(lk_dispatch(client, soon()) >= 0);
    assert_int_equal(inside.locked, LK_E_WOULD_DEADLOCK);
    assert_int_equal(inside.tried, LK_E_WOULD_DEADLOCK);
    assert_int_equal(inside.unlocked, LK_E_WOULD_DEADLOCK);
    stand_free(other);
}

static void inside_a_callback_it_is_refused_and_nothing_changes(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    lk_mutex *mutex = mutex_of(client, "/m", 3);
    atomic_uint order = 0;
    struct thread thread;

    assert_refused_inside(client, mutex);
    assert_status(lk_mutex_try(mutex, soon(), NULL), LK_OK); /* nobody was left in the lead */
    assert_refused_inside(client, mutex);
    assert_int_equal(lk_mutex_depth(mutex), 1);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    begin(&thread, mutex, &order);
    live_await("it owns", owns, &thread);
    assert_refused_inside(client, mutex);
    end(&thread);
    assert_status(lk_mutex_try(mutex, soon(), NULL), LK_OK); /* nor behind it */
    assert_status(lk_mutex_unlock(mutex, soon()), LK_OK);
    lk_mutex_free(mutex);
}

static void a_client_that_closes_ends_the_wait_behind_an_owner(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_mutex *mutex = mutex_of(client, "/m", 3);
    struct thread waiters[3];

    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_OK);
    for (size_t i = 0; i < 3; i++) {
        waiters[i] = (struct thread){ .mutex = mutex, .deadline_ns = soon() };
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, thread_main, &waiters[i]), 0);
        await_queued(&waiters[i]);
    }
    assert_status(lk_client_close(client, soon()), LK_OK);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_status(waiters[i].locked, LK_E_CLOSED);
    }
    assert_status(lk_mutex_lock(mutex, soon(), NULL), LK_E_CLOSED);
    assert_int_equal(lk_mutex_depth(mutex), 1);
    assert_status(lk_mutex_unlock(mutex, soon()), LK_E_CLOSED);
    assert_int_equal(lk_mutex_depth(mutex), 0);
    lk_mutex_free(mutex);
}

/* Its parent's threads, one of which owns the mutex, are not there to give it back. */
static bool child_is_told(lk_mutex *mutex)
{
    lk_fence fence;

    return lk_mutex_lock(mutex, LK_FOREVER, NULL) == LK_E_FORKED
           && lk_mutex_try(mutex, LK_FOREVER, NULL) == LK_E_FORKED
           && lk_mutex_unlock(mutex, LK_FOREVER) == LK_E_FORKED
           && lk_mutex_fence(mutex, &fence) == LK_E_FORKED && lk_mutex_depth(mutex) == 0;
}

static void a_child_is_told_that_it_has_been_forked(void)
{
    lk_mutex *mutex = mutex_of(LIVE_CLIENT("A", 0), "/m", 0);
    atomic_uint order = 0;
    struct thread thread;
    int status;

    begin(&thread, mutex, &order);
    live_await("it owns", owns, &thread);
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        _exit(child_is_told(mutex) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    end(&thread);
    lk_mutex_free(mutex);
}

/* ---- several locks at once ---- */

static const char *const three[] = { "/c", "/a", "/b" };

static lk_multilock *multilock_of(lk_client *client)
{
    lk_multilock *multilock = NULL;

    assert_status(lk_multilock_new(&multilock, client, three, 3, NULL), LK_OK);
    return multilock;
}

static void all_are_taken_and_given_back(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_multilock *all = multilock_of(client);
    lk_fence a, b, c;

    assert_int_equal(lk_multilock_state(all), LK_IDLE);
    assert_status(lk_multilock_acquire(all, soon()), LK_OK);
    assert_int_equal(lk_multilock_state(all), LK_HELD);
    assert_true(lk_multilock_remaining_ns(all) > 0);
    assert_status(lk_multilock_fence(all, 1, &a), LK_OK);
    assert_status(lk_multilock_fence(all, 2, &b), LK_OK);
    assert_status(lk_multilock_fence(all, 0, &c), LK_OK);
    assert_true(lk_fence_compare(a, b) < 0 && lk_fence_compare(b, c) < 0);
    assert_status(lk_multilock_fence(all, 3, &c), LK_E_INVALID);
    assert_null(lk_multilock_culprit(all));
    assert_status(lk_multilock_acquire(all, soon()), LK_E_STATE);
    assert_status(lk_multilock_release(all, soon()), LK_OK);
    assert_status(lk_multilock_release(all, soon()), LK_E_STATE);
    for (size_t i = 0; i < 3; i++)
        await_children(live_path(three[i]), 0);
    lk_multilock_free(all);
}

static void none_is_kept_when_one_is_not_had(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0));
    struct stand *other = live_lock(LIVE_CLIENT("B", 0), "b", "/b");

    acquire(other);
    assert_status(lk_multilock_try(all, soon()), LK_E_BUSY);
    assert_string_equal(lk_multilock_culprit(all), "/b");
    assert_int_equal(lk_multilock_state(all), LK_IDLE);
    await_children(live_path("/a"), 0);
    assert_status(lk_multilock_acquire(all, lk_in_ms(50)), LK_E_DEADLINE);
    assert_string_equal(lk_multilock_culprit(all), "/b");
    await_children(live_path("/a"), 0);
    release(other);
    assert_status(lk_multilock_acquire(all, soon()), LK_OK);
    lk_multilock_free(all);
}

static void one_lost_is_all_lost(void)
{
    lk_multilock *all = multilock_of(LIVE_CLIENT("A", 0));

    assert_status(lk_multilock_acquire(all, soon()), LK_OK);
    raw_delete(live_path("/b/lk-lock-0000000000"));
    while (lk_multilock_state(all) != LK_LOST)
        sched_yield();
    assert_int_equal(lk_multilock_remaining_ns(all), 0);
    assert_status(lk_multilock_release(all, soon()), LK_E_LOST);
    for (size_t i = 0; i < 3; i++)
        await_children(live_path(three[i]), 0);
    assert_status(lk_multilock_acquire(all, soon()), LK_OK);
    lk_multilock_free(all);
}

static void what_is_no_set_of_paths_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    const char *const twice[] = { "/a", "/b", "/a" }, *const bad[] = { "/a", "b" };
    lk_multilock *all = NULL;

    assert_status(lk_multilock_new(&all, client, twice, 3, NULL), LK_E_INVALID);
    assert_status(lk_multilock_new(&all, client, twice, 0, NULL), LK_E_INVALID);
    assert_status(lk_multilock_new(&all, client, bad, 2, NULL), LK_E_PATH);
    assert_null(all);
    assert_null(lk_multilock_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(its_owner_may_lock_again),
        LIVE_TEST(a_lost_mutex_is_unlocked_and_locked_anew),
        LIVE_TEST(without_local_turns_each_thread_joins_the_line),
        LIVE_TEST(with_two_local_turns_three_threads_share_a_znode),
        LIVE_TEST(who_waits_here_gives_up_in_time),
        LIVE_TEST(who_leads_and_gives_up_lets_the_next_lead),
        LIVE_TEST(who_leads_and_gives_up_leaves_its_place_in_the_line_to_the_next),
        LIVE_TEST(no_turn_is_lost_on_those_who_give_up_as_it_comes),
        LIVE_TEST(inside_a_callback_it_is_refused_and_nothing_changes),
        LIVE_TEST(a_client_that_closes_ends_the_wait_behind_an_owner),
        LIVE_TEST(a_child_is_told_that_it_has_been_forked),
        LIVE_TEST(all_are_taken_and_given_back),
        LIVE_TEST(none_is_kept_when_one_is_not_had),
        LIVE_TEST(one_lost_is_all_lost),
        LIVE_TEST(what_is_no_set_of_paths_is_refused),
    };
    return live_main("live mutex", NULL, tests, sizeof tests / sizeof *tests);
}
