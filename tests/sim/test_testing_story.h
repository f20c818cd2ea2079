/* test_testing_story.h - for tests of <latchkey/testing.h>: a world, two clients, and a lock of
 * each, all on one path. */
#ifndef SIM_TEST_TESTING_STORY_H
#define SIM_TEST_TESTING_STORY_H

#include <latchkey/latchkey.h>
#include <latchkey/testing.h>

#define MS INT64_C(1000000)
#define T_MS 10000 /* a client's session timeout, unless it says otherwise */
#define LINE "/line"

extern lk_testing *world;
extern lk_client *clients[2];
extern lk_lock *locks[2];

void world_begin(uint64_t seed, int servers);
void clients_begin(void);
void clients_end(void);
void world_ends_well(void);
/* Whatever a test has done to it, its world has no violation, or the test has ended it itself. What
 * is found wrong ends a test in the middle: the next one must not find its world. */
int story_end(void **state);
/* Setups: three servers, or one. */
int story_begin(void **state);
int story_of_one_server(void **state);

void hold(int i);

/* A program that takes the lock, holds it for a while, and gives it back. */
struct worker {
    lk_client *client;
    int64_t holds_ms;
    int status;
    lk_fence fence;
    int64_t granted_ns;
};
void work(void *arg);

#define STORY(name) cmocka_unit_test_setup_teardown(name, story_begin, story_end)
#define STORY_OF_ONE(name) cmocka_unit_test_setup_teardown(name, story_of_one_server, story_end)

#endif
