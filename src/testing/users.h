/* users.h - a world as <latchkey/testing.h> gives it to users. */
#ifndef TESTING_USERS_H
#define TESTING_USERS_H

#include <latchkey/testing.h>

#include <sys/types.h>

#include "program.h"

struct lk_testing {
    struct sim sim;
    struct list programs;
    pid_t pid;      /* another process has but a copy of it */
    bool is_ending; /* programs are to return */
};

/* LK_OK, or what answers a caller who has no world, or whose thread is not in it. */
int users_world(const lk_testing *world);
/* The same for clients; LK_OK alone writes. */
int users_client(const lk_client *lk, struct sim_client **out);

#endif
