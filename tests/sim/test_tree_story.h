/* test_tree_story.h - for tests of the simulated servers by themselves: a world with bare keepers,
 * whose events are written down. Each begins with its user's name: "a:1=OK(/x) a:lost ". */
#ifndef SIM_TEST_TREE_STORY_H
#define SIM_TEST_TREE_STORY_H

#include "testing/sim.h"

struct story {
    struct sim sim;
    char heard[4096];
};

struct user {
    struct story *story;
    struct sim_client *client;
    struct keeper *keeper;
    struct keeper_session session;
    char name;
};

void story_begin(struct story *story, int servers, uint64_t seed);
void story_end(struct story *story);
void pass(struct story *story, int64_t length_ns); /* no law of the world is broken meanwhile */
/* What was heard since the last time. */
void assert_heard(struct story *story, const char *expected);
const struct znode *truth(struct story *story, const char *path); /* NULL: it is not there */

/* Connected 50 ms later, if it is let in; the first forgets what was heard before. */
void user_begin(struct user *user, struct story *story, char name);
void user_begin_as(struct user *user, struct story *story, char name, const char *auth);

/* The answer is heard as LABEL=RC. */
void ask(struct user *user, const char *label, struct keeper_request request);
void ask_create(struct user *user, const char *label, const char *path, enum keeper_mode mode);
void ask_delete(struct user *user, const char *label, const char *path);
void ask_get(struct user *user, const char *label, const char *path, bool watch);
void ask_sync(struct user *user, const char *label);

#endif
