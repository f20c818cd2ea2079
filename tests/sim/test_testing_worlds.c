/* test_testing_worlds.c - <latchkey/testing.h> as its users have it: a world from its making to its
 * end. It replays, what is left in it is found, it is its thread's and its process's own, and what
 * makes no sense in it is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_testing_story.h"

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

/* ---- its end, and what is left in it ---- */

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

/* A list that its caller still has when the clients are gone. */
static lk_line *line_kept(void)
{
    lk_line *line;

    hold(0);
    assert_int_equal(lk_line_list(clients[0], LINE, lk_in_ms(5000), &line), LK_OK);
    clients_end();
    return line;
}

static void an_allocation_that_was_not_given_back_is_found(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];
    lk_line *line = line_kept();

    (void)state;
    assert_int_equal(lk_testing_free(world, why, sizeof(why)), LK_E_STATE);
    world = NULL;
    assert_non_null(strstr(why, "not given back"));
    lk_line_free(line);
}

static void an_allocation_of_another_world_is_found(void **state)
{
    char why[LK_TESTING_TEXT_SIZE];
    lk_line *line = line_kept();

    (void)state;
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

/* ---- whose it is ---- */

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

/* ---- what is refused ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_replays_its_world),
        cmocka_unit_test(worlds_in_two_threads_do_not_meet),
        cmocka_unit_test(only_a_world_that_is_asked_to_tells_its_story),
        STORY(what_was_not_freed_is_named),
        STORY(an_allocation_that_was_not_given_back_is_found),
        STORY(an_allocation_of_another_world_is_found),
        STORY(a_world_may_end_while_it_is_asked),
        cmocka_unit_test_teardown(the_clock_is_real_again_after_the_world, story_end),
        STORY(a_world_is_its_threads_own),
        cmocka_unit_test(a_call_from_a_thread_without_a_world_ends_the_process),
        STORY(a_world_is_its_processs_own),
        cmocka_unit_test_teardown(what_makes_no_sense_is_refused, story_end),
    };
    return cmocka_run_group_tests_name("testing worlds", tests, NULL, NULL);
}
