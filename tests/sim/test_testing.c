/* test_testing.c - <latchkey/testing.h> as its users have it: its time, its blocking calls, its
 * callbacks and its programs, for none of which anybody waits. Linked with liblatchkey-testing
 * alone. Whole worlds: test_testing_worlds.c. What befalls them: test_testing_faults.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "test_testing_story.h"

/* ---- time ---- */

static void an_hour_passes_at_once(void **state)
{
    int64_t began_ns = lk_now_ns();

    (void)state;
    assert_int_equal(lk_testing_run_ms(world, 3600 * 1000), LK_OK);
    assert_int_equal(lk_now_ns() - began_ns, 3600 * 1000 * MS);
    assert_int_equal(lk_in_ms(5) - lk_now_ns(), 5 * MS);
}

static void time_stands_still_while_the_test_runs(void **state)
{
    int64_t began_ns = lk_now_ns();

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lk_lock_state(locks[0]), LK_IDLE);
    assert_int_equal(lk_now_ns(), began_ns);
}

static void a_step_is_one_event(void **state)
{
    int64_t began_ns = lk_now_ns();

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(lk_testing_step(world), LK_OK);
    assert_true(lk_now_ns() > began_ns);
    assert_true(lk_now_ns() < began_ns + 3600 * 1000 * MS);
}

static bool is_past(void *arg)
{
    return lk_now_ns() >= *(int64_t *)arg;
}

static void what_is_waited_for_ends_the_run_or_its_limit_does(void **state)
{
    int64_t never_ns = INT64_MAX, soon_ns = lk_in_ms(500), late_ns = lk_in_ms(1500);

    (void)state;
    assert_int_equal(lk_testing_run_until(world, is_past, &soon_ns, 1500), LK_OK);
    assert_true(lk_now_ns() < late_ns);
    assert_int_equal(lk_testing_run_until(world, is_past, &never_ns, 1000), LK_E_DEADLINE);
    assert_true(lk_now_ns() >= late_ns);
}

/* ---- blocking calls ---- */

static void the_test_itself_can_block(void **state)
{
    lk_fence first, second;

    (void)state;
    assert_int_equal(lk_lock_acquire(locks[0], LK_FOREVER, &first), LK_OK);
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[1], LK_FOREVER, &second), LK_OK);
    assert_true(lk_fence_compare(first, second) < 0);
}

static void a_deadline_comes_to_the_moment_by_the_worlds_clock(void **state)
{
    (void)state;
    hold(0);
    int64_t deadline_ns = lk_in_ms(30000);
    assert_int_equal(lk_lock_acquire(locks[1], deadline_ns, NULL), LK_E_DEADLINE);
    assert_true(lk_now_ns() >= deadline_ns);
    assert_true(lk_now_ns() < deadline_ns + 10 * MS);
    assert_int_equal(lk_lock_state(locks[0]), LK_HELD);
}

static void what_never_comes_is_a_violation_and_no_hang(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];

    (void)state;
    hold(0);
    assert_int_equal(lk_lock_acquire(locks[1], LK_FOREVER, NULL), LK_E_CLOSED);
    assert_string_equal(lk_testing_violation(world), "a call waited an hour for what never came");
    clients_end();
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    world = NULL;
    assert_string_equal(why, "a call waited an hour for what never came");
}

static void a_far_deadline_is_waited_for(void **state)
{
    int64_t deadline_ns = lk_in_ms(2 * 3600 * 1000);

    (void)state;
    hold(0);
    assert_int_equal(lk_lock_acquire(locks[1], deadline_ns, NULL), LK_E_DEADLINE);
    assert_true(lk_now_ns() >= deadline_ns);
    assert_string_equal(lk_testing_violation(world), "");
}

/* ---- callbacks ---- */

static void note(int status, void *arg)
{
    *(int *)arg = status;
}

static void callbacks_run_in_the_tests_own_dispatch(void **state)
{
    struct pollfd ready = { .fd = lk_fd(clients[0]), .events = POLLIN };
    int told = 1;
    lk_op op;

    (void)state;
    assert_int_equal(lk_lock_acquire_start(locks[0], lk_in_ms(5000), note, &told, &op), LK_OK);
    lk_testing_run_ms(world, 1000);
    assert_int_equal(told, 1);
    assert_int_equal(poll(&ready, 1, 0), 1);
    assert_int_equal(lk_dispatch(clients[0], 0), 1);
    assert_int_equal(told, LK_OK);
    assert_int_equal(poll(&ready, 1, 0), 0);
}

static void a_dispatch_waits_in_virtual_time(void **state)
{
    int told = 1;
    lk_op op;

    (void)state;
    assert_int_equal(lk_lock_acquire_start(locks[0], LK_FOREVER, note, &told, &op), LK_OK);
    assert_int_equal(lk_dispatch(clients[0], LK_FOREVER), 1);
    assert_int_equal(told, LK_OK);
    int64_t deadline_ns = lk_in_ms(7000);
    assert_int_equal(lk_dispatch(clients[0], deadline_ns), 0);
    assert_int_equal(lk_now_ns(), deadline_ns);
}

static void a_librarys_thread_runs_callbacks_while_the_world_goes_on(void **state)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;
    lk_lock *lock;
    int told = 1;
    lk_op op;

    (void)state;
    options.callback_thread = true;
    assert_int_equal(lk_client_new(&client, &options), LK_OK);
    assert_int_equal(lk_lock_new(&lock, client, LINE, NULL), LK_OK);
    assert_int_equal(lk_lock_acquire_start(lock, LK_FOREVER, note, &told, &op), LK_OK);
    lk_testing_run_ms(world, 1000);
    assert_int_equal(told, LK_OK);
    assert_int_equal(lk_dispatch(client, 0), LK_E_STATE);
    lk_lock_free(lock);
    lk_client_free(client);
}

/* ---- programs ---- */

static void programs_hand_over_a_lock(void **state)
{
    struct worker first = { .client = clients[0], .holds_ms = 2000 };
    struct worker second = { .client = clients[1], .holds_ms = 100 };
    lk_testing_program *programs[2];

    (void)state;
    assert_int_equal(lk_testing_start(world, first.client, work, &first, &programs[0]), LK_OK);
    lk_testing_run_ms(world, 500);
    assert_int_equal(lk_testing_start(world, second.client, work, &second, &programs[1]), LK_OK);
    lk_testing_run_ms(world, 500);
    assert_int_equal(lk_testing_ephemerals(world), 2);
    assert_false(lk_testing_has_returned(programs[0]));
    assert_int_equal(lk_testing_join(programs[1], 60000), LK_OK);
    assert_true(lk_testing_has_returned(programs[0]));
    assert_int_equal(first.status, LK_OK);
    assert_int_equal(second.status, LK_OK);
    assert_true(second.granted_ns >= first.granted_ns + 2000 * MS);
    assert_true(lk_fence_compare(first.fence, second.fence) < 0);
}

static void work_alone(void *arg)
{
    struct worker *worker = arg;

    worker->status = lk_client_new(&worker->client, NULL);
    if (worker->status == LK_OK)
        work(worker);
}

static void a_program_stands_still_with_the_client_that_it_made(void **state)
{
    struct worker worker = { .holds_ms = 100 };
    lk_testing_program *program;

    (void)state;
    assert_int_equal(lk_testing_start(world, NULL, work_alone, &worker, &program), LK_OK);
    assert_int_equal(lk_testing_pause(worker.client, 5000), LK_OK);
    int64_t awake_ns = lk_in_ms(5000);
    assert_int_equal(lk_testing_join(program, 60000), LK_OK);
    assert_int_equal(worker.status, LK_OK);
    assert_true(worker.granted_ns >= awake_ns);
    lk_client_free(worker.client);
}

static void who_joins_a_program_waits_no_longer_than_it_says(void **state)
{
    struct worker worker = { .client = clients[1], .holds_ms = 100 };
    lk_testing_program *program;

    (void)state;
    hold(0);
    assert_int_equal(lk_testing_start(world, worker.client, work, &worker, &program), LK_OK);
    assert_int_equal(lk_testing_join(program, 60000), LK_E_DEADLINE);
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_OK);
    assert_int_equal(lk_testing_join(program, 60000), LK_OK);
    assert_int_equal(worker.status, LK_OK);
}

static void a_world_that_ends_ends_its_programs(void **state)
{
    struct worker worker = { .client = clients[1], .holds_ms = 1000 * 1000 };
    char why[LK_TESTING_TEXT_SIZE];

    (void)state;
    assert_int_equal(lk_testing_start(world, worker.client, work, &worker, NULL), LK_OK);
    lk_testing_run_ms(world, 1000);
    locks[0] = lk_lock_free(locks[0]);
    clients[0] = lk_client_free(clients[0]);
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    assert_string_equal(why, "a program has not returned");
}

static void leave(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void a_program_may_end_its_thread(void **state)
{
    lk_testing_program *program;

    (void)state;
    assert_int_equal(lk_testing_start(world, clients[0], leave, NULL, &program), LK_OK);
    assert_true(lk_testing_has_returned(program));
    assert_int_equal(lk_testing_join(program, 0), LK_OK);
}

static void try_what_only_the_world_may(void *arg)
{
    int64_t now_ns = lk_now_ns();
    int *statuses = arg;

    statuses[0] = lk_testing_step(world);
    statuses[1] = lk_testing_run_until(world, is_past, &now_ns, 0);
    statuses[2] = lk_testing_start(world, NULL, work, NULL, NULL);
    statuses[3] = lk_testing_free(world, NULL, 0);
}

static void a_program_does_not_step_the_world(void **state)
{
    int statuses[4] = { 0 };

    (void)state;
    assert_int_equal(
        lk_testing_start(world, clients[0], try_what_only_the_world_may, statuses, NULL), LK_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(statuses[i], LK_E_WOULD_DEADLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_hour_passes_at_once),
        STORY(time_stands_still_while_the_test_runs),
        STORY(a_step_is_one_event),
        STORY(what_is_waited_for_ends_the_run_or_its_limit_does),
        STORY(the_test_itself_can_block),
        STORY(a_deadline_comes_to_the_moment_by_the_worlds_clock),
        STORY(what_never_comes_is_a_violation_and_no_hang),
        STORY(a_far_deadline_is_waited_for),
        STORY(callbacks_run_in_the_tests_own_dispatch),
        STORY(a_dispatch_waits_in_virtual_time),
        STORY(a_librarys_thread_runs_callbacks_while_the_world_goes_on),
        STORY(programs_hand_over_a_lock),
        STORY(a_program_stands_still_with_the_client_that_it_made),
        STORY(who_joins_a_program_waits_no_longer_than_it_says),
        STORY(a_world_that_ends_ends_its_programs),
        STORY(a_program_may_end_its_thread),
        STORY(a_program_does_not_step_the_world),
    };
    return cmocka_run_group_tests_name("testing", tests, NULL, NULL);
}
