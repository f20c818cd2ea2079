/* test_mends_story.h - for test_mends.c and its like: small worlds that are told step by step, with one
 * server, its clients, and what they hear. What is under way can be held back on the wire, and a
 * thread kept from running. */
#ifndef SIM_TEST_MENDS_STORY_H
#define SIM_TEST_MENDS_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "line/place.h"
#include "session/engine.h"
#include "testing/program.h"

#define TIMEOUT_NS (3000 * MS)
#define FOREVER_NS (INT64_MAX / 2)
#define PATIENCE_NS (60 * SECOND)

struct story {
    struct sim sim;
};

void story_begin(struct story *story);
/* Nothing of the library's is left once all sessions are closed. */
void story_end(struct story *story);
void pass(struct story *story, int64_t length_ns);

/* Steps until `condition` is true. */
#define AWAIT(story, condition)                                                                    \
    for (int64_t until_ns = (story)->sim.world.now_ns + PATIENCE_NS; !(condition);) {              \
        assert_true(world_step(&(story)->sim.world));                                              \
        if ((story)->sim.world.now_ns > until_ns)                                                  \
            fail_msg("never came: %s", #condition);                                                \
    }

bool stands(struct story *story, const char *path);
/* Whatever the version. */
void stranger(struct story *story, struct keeper_request request);
void stranger_deletes(struct story *story, const char *path);

/* ---- clients, and what they hear ---- */

struct sim_client *user(struct story *story);
/* What it sends from here on does not arrive, until hear(). */
void hold_back(struct sim_client *client);
void hear(struct sim_client *client);
void lose_connection(struct story *story, struct sim_client *client);

/* How an asynchronous call ended. */
struct end {
    int status, times;
};
void ended(int status, void *arg);

lk_lock *lock_of(struct sim_client *client, const char *path);
/* A lock is a holder, which begins with its place (line/holder.h). */
struct place *place_of(lk_lock *lock);
void wait_for(struct sim_client *client, lk_lock *lock, struct end *end);
void acquire(struct story *story, struct sim_client *client, lk_lock *lock);
void release(struct story *story, struct sim_client *client, lk_lock *lock);
void drop(struct sim_client *client, lk_lock *lock);

/* ---- threads in blocking calls ---- */

struct caller {
    struct program program;
    const char *path;
    lk_lock *lock;
    lk_ledger *ledger;
    lk_fence fence;
    int status;
};
void call(struct caller *caller, struct sim_client *client, void (*run)(struct program *program));
/* It was woken, but does not come to run; until it may. */
void keep_from_running(struct story *story, struct caller *caller);
void let_run(struct story *story, struct caller *caller);
int answer_of(struct story *story, struct caller *caller);

#endif
