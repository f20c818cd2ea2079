/* test_testing_story.c - see test_testing_story.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "test_testing_story.h"

lk_testing *world;
lk_client *clients[2];
lk_lock *locks[2];

void world_begin(uint64_t seed, int servers)
{
    lk_testing_options options = LK_TESTING_OPTIONS_INIT;

    options.seed = seed;
    options.servers = servers;
    options.trace = true;
    assert_int_equal(lk_testing_new(&world, &options), LK_OK);
}

void clients_begin(void)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lk_client_new(&clients[i], NULL), LK_OK);
        assert_int_equal(lk_client_wait_connected(clients[i], lk_in_ms(5000)), LK_OK);
        assert_int_equal(lk_lock_new(&locks[i], clients[i], LINE, NULL), LK_OK);
    }
}

void clients_end(void)
{
    for (int i = 0; i < 2; i++) {
        locks[i] = lk_lock_free(locks[i]);
        clients[i] = lk_client_free(clients[i]);
    }
}

void world_ends_well(void)
{
    char why[LK_TESTING_TEXT_SIZE];
    const char *trace = lk_testing_trace(world);
    size_t size = strlen(trace);

    if (lk_testing_violation(world)[0])
        print_message("%s\n", trace + (size > 4000 ? size - 4000 : 0));
    if (lk_testing_free(world, why, sizeof(why)) != LK_OK)
        fail_msg("a violation: %s", why);
    world = NULL;
}

int story_end(void **state)
{
    (void)state;
    clients_end();
    char why[LK_TESTING_TEXT_SIZE] = "";
    bool is_known = world && lk_testing_violation(world)[0];
    int status = lk_testing_free(world, why, sizeof(why));

    world = NULL;
    if (status != LK_OK && !is_known)
        print_error("a violation: %s\n", why);
    return status == LK_OK || is_known ? 0 : -1;
}

int story_begin(void **state)
{
    (void)state;
    world_begin(7, 3);
    clients_begin();
    return 0;
}

int story_of_one_server(void **state)
{
    (void)state;
    world_begin(7, 1);
    clients_begin();
    return 0;
}

void hold(int i)
{
    assert_int_equal(lk_lock_acquire(locks[i], lk_in_ms(5000), NULL), LK_OK);
}

/* ---- a program ---- */

void work(void *arg)
{
    struct worker *worker = arg;
    lk_lock *lock = NULL;

    worker->status = lk_lock_new(&lock, worker->client, LINE, NULL);
    if (worker->status == LK_OK)
        worker->status = lk_lock_acquire(lock, LK_FOREVER, &worker->fence);
    worker->granted_ns = lk_now_ns();
    if (worker->status == LK_OK && lk_testing_run_ms(world, worker->holds_ms) == LK_OK)
        worker->status = lk_lock_release(lock, lk_in_ms(5000));
    lk_lock_free(lock);
}
