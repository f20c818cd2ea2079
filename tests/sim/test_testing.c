/* test_testing.c - <latchkey/testing.h> as its users have it: its time, its blocking calls and its
 * programs; a world replays, what is left is found, and no time is waited for. Linked with
 * liblatchkey-testing alone. What befalls the world: test_testing_faults.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* ---- a seed replays ---- */

struct turns {
    lk_testing *world;
    lk_lock *lock;
};

static void take_turns(void *arg)
{
    const struct turns *turns = arg;

    for (int i = 0; i < 20; i++) {
        if (lk_lock_acquire(turns->lock, lk_in_ms(2000), NULL) == LK_OK)
            (void)!lk_lock_release(turns->lock, lk_in_ms(1000));
        lk_testing_run_ms(turns->world, 100);
    }
}

/* A whole life under faults; its story, malloc'ed. */
static char *live(uint64_t seed)
{
    lk_testing_options options = LK_TESTING_OPTIONS_INIT;
    lk_testing *own;
    lk_client *pair[2];
    lk_lock *lines[2];

    options.seed = seed;
    options.trace = true;
    if (lk_testing_new(&own, &options) != LK_OK)
        return NULL;
    bool made = true;
    for (int i = 0; i < 2; i++)
        made = made && lk_client_new(&pair[i], NULL) == LK_OK
               && lk_lock_new(&lines[i], pair[i], LINE, NULL) == LK_OK;
    if (!made || lk_testing_faults_for_ms(own, LK_TESTING_ALL, 60000) != LK_OK)
        return NULL;
    struct turns turns[2] = { { own, lines[0] }, { own, lines[1] } };
    lk_testing_program *program;
    if (lk_testing_start(own, pair[0], take_turns, &turns[0], &program) != LK_OK)
        return NULL;
    take_turns(&turns[1]);
    if (lk_testing_join(program, 3600 * 1000) != LK_OK)
        return NULL;
    char *story = strdup(lk_testing_trace(own));
    for (int i = 0; i < 2; i++) {
        lk_lock_free(lines[i]);
        lk_client_free(pair[i]);
    }
    if (lk_testing_free(own, NULL, 0) != LK_OK) {
        free(story);
        return NULL;
    }
    return story;
}

static void a_seed_replays_its_world(void **state)
{
    char *first = live(11), *again = live(11), *other = live(12);

    (void)state;
    assert_true(first && again && other);
    assert_true(strlen(first) > 10000);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    free(first);
    free(again);
    free(other);
}

static void *live_apart(void *arg)
{
    return live(*(uint64_t *)arg);
}

static void worlds_in_two_threads_do_not_meet(void **state)
{
    uint64_t seeds[2] = { 21, 22 };
    pthread_t threads[2];
    void *stories[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, live_apart, &seeds[i]), 0);
    for (int i = 0; i < 2; i++) {
        char *alone = live(seeds[i]);
        pthread_join(threads[i], &stories[i]);
        assert_true(alone && stories[i]);
        assert_string_equal(alone, stories[i]);
        free(alone);
        free(stories[i]);
    }
}

static void only_a_world_that_is_asked_to_tells_its_story(void **state)
{
    lk_testing_options options = LK_TESTING_OPTIONS_INIT;
    lk_testing *own;

    (void)state;
    assert_int_equal(lk_testing_new(&own, &options), LK_OK);
    lk_testing_run_ms(own, 1000);
    assert_string_equal(lk_testing_trace(own), "");
    assert_int_equal(lk_testing_free(own, NULL, 0), LK_OK);
    options.trace = true;
    assert_int_equal(lk_testing_new(&own, &options), LK_OK);
    assert_int_equal(lk_testing_heal(own), LK_OK);
    assert_non_null(strstr(lk_testing_trace(own), "healed"));
    assert_int_equal(lk_testing_free(own, NULL, 0), LK_OK);
}

/* ---- violations, and what is refused ---- */

static void what_was_not_freed_is_named(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];

    (void)state;
    hold(0);
    clients[0] = lk_client_free(clients[0]);
    locks[1] = lk_lock_free(locks[1]);
    clients[1] = lk_client_free(clients[1]);
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    assert_string_equal(why, "c1 was not freed, or one of its handles was not");
    assert_int_equal(lk_lock_release(locks[0], LK_FOREVER), LK_E_CLOSED);
    locks[0] = lk_lock_free(locks[0]);
    strcpy(why, "?");
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    assert_string_equal(why, "c1 was not freed, or one of its handles was not");
    world = NULL;
    world_begin(1, 1); /* this thread is free for another one */
    world_ends_well();
}

static void an_allocation_that_was_not_given_back_is_found(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];
    lk_line *line;

    (void)state;
    hold(0);
    assert_int_equal(lk_line_list(clients[0], LINE, lk_in_ms(5000), &line), LK_OK);
    clients_end();
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    world = NULL;
    assert_non_null(strstr(why, "not given back"));
    lk_line_free(line);
}

static void an_allocation_of_another_world_is_found(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];
    lk_line *line;

    (void)state;
    hold(0);
    assert_int_equal(lk_line_list(clients[0], LINE, lk_in_ms(5000), &line), LK_OK);
    clients_end();
    assert_int_equal(lk_testing_free(world, NULL, 0), LK_E_STATE);
    world_begin(1, 1);
    lk_line_free(line);
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    world = NULL;
    assert_non_null(strstr(why, " allocations were given back that were not made in it"));
    assert_null(strchr(why, '-'));
}

static bool ends_the_world(void *arg)
{
    clients_end();
    *(int *)arg = lk_testing_free(world, NULL, 0);
    world = NULL;
    return false;
}

static void a_world_may_end_while_it_is_asked(void **state)
{
    int status = 1;

    (void)state;
    assert_int_equal(lk_testing_run_until(world, ends_the_world, &status, 1000), LK_E_STATE);
    assert_int_equal(status, LK_OK);
}

static void *try_from_outside(void *arg)
{
    int *statuses = arg;

    statuses[0] = lk_testing_run_ms(world, 1);
    statuses[1] = lk_testing_cut(clients[0]);
    statuses[2] = lk_testing_free(world, NULL, 0);
    return NULL;
}

static void a_world_is_its_threads_own(void **state)
{
    int statuses[3] = { 0 };
    lk_testing *second;
    pthread_t thread;

    (void)state;
    assert_int_equal(lk_testing_new(&second, NULL), LK_E_STATE);
    assert_int_equal(pthread_create(&thread, NULL, try_from_outside, statuses), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(statuses[i], LK_E_STATE);
}

static void *acquire_from_outside(void *arg)
{
    (void)arg;
    (void)!lk_lock_acquire(locks[0], LK_FOREVER, NULL);
    return NULL;
}

/* It would wait for real, and for ever. */
static void a_call_from_a_thread_without_a_world_ends_the_process(void **state)
{
    int ended;

    (void)state;
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        (void)!freopen("/dev/null", "w", stderr);
        alarm(20);
        world_begin(1, 1);
        clients_begin();
        pthread_create(&thread, NULL, acquire_from_outside, NULL);
        pthread_join(thread, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGABRT);
}

static void sleep_long(void *arg)
{
    lk_testing_run_ms(arg, 3600 * 1000);
}

/* A bit for each answer that is not as it should be. */
static int try_in_child(void)
{
    int wrong = 0;

    wrong |= (lk_testing_run_ms(world, 1) != LK_E_FORKED) << 0;
    wrong |= (lk_testing_expire(clients[0]) != LK_E_FORKED) << 1;
    wrong |= (lk_lock_acquire(locks[0], LK_FOREVER, NULL) != LK_E_FORKED) << 2;
    wrong |= (lk_testing_free(world, NULL, 0) != LK_E_FORKED) << 3;
    world_begin(1, 1);
    clients_begin();
    clients_end();
    wrong |= (lk_testing_free(world, NULL, 0) != LK_OK) << 4;
    return wrong;
}

static void a_world_is_its_processs_own(void **state)
{
    int ended;

    (void)state;
    assert_int_equal(lk_testing_start(world, clients[1], sleep_long, world, NULL), LK_OK);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(try_in_child());
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    lk_testing_run_ms(world, 3600 * 1000);
}

static void what_makes_no_sense_is_refused(void **state)
{
    lk_testing_options options = LK_TESTING_OPTIONS_INIT;

    (void)state;
    options.servers = 2;
    assert_int_equal(lk_testing_new(&world, &options), LK_E_INVALID);
    world_begin(1, 3);
    clients_begin();
    assert_int_equal(lk_testing_run_ms(NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_lose_reply(NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_lose_reply(clients[0], -1), LK_E_INVALID);
    assert_int_equal(lk_testing_stall(clients[0], (lk_testing_ways)0, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_drift(clients[0], 200000), LK_E_INVALID);
    assert_int_equal(lk_testing_pause(clients[0], -1), LK_E_INVALID);
    assert_int_equal(lk_testing_pause(clients[0], INT64_MAX), LK_E_INVALID);
    assert_int_equal(lk_testing_server_down(world, 3), LK_E_INVALID);
    assert_int_equal(lk_testing_refuse_percent(world, 101), LK_E_INVALID);
    assert_int_equal(lk_testing_faults_for_ms(world, (lk_testing_faults)17, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_znode_create(world, NULL, NULL, 0), LK_E_INVALID);
    assert_int_equal(lk_testing_znode_create(world, "/a", NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_znode_set(world, "/", NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_run_until(world, NULL, NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_join(NULL, 1), LK_E_INVALID);
    assert_int_equal(lk_testing_free(NULL, NULL, 0), LK_OK);
    clients_end();
    world_ends_well();
}

/* A program's own life goes on after its world: without one, calls are real again. */
static void the_clock_is_real_again_after_the_world(void **state)
{
    (void)state;
    world_begin(1, 1);
    int64_t virtual_ns = lk_now_ns();
    assert_int_equal(lk_now_ns(), virtual_ns);
    world_ends_well();
    int64_t real_ns = lk_now_ns();
    while (lk_now_ns() == real_ns)
        ;
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
        cmocka_unit_test(a_seed_replays_its_world),
        cmocka_unit_test(worlds_in_two_threads_do_not_meet),
        cmocka_unit_test(only_a_world_that_is_asked_to_tells_its_story),
        STORY(what_was_not_freed_is_named),
        STORY(an_allocation_that_was_not_given_back_is_found),
        STORY(an_allocation_of_another_world_is_found),
        STORY(a_world_may_end_while_it_is_asked),
        STORY(a_world_is_its_threads_own),
        cmocka_unit_test(a_call_from_a_thread_without_a_world_ends_the_process),
        STORY(a_world_is_its_processs_own),
        cmocka_unit_test_teardown(what_makes_no_sense_is_refused, story_end),
        cmocka_unit_test_teardown(the_clock_is_real_again_after_the_world, story_end),
    };
    return cmocka_run_group_tests_name("testing", tests, NULL, NULL);
}
