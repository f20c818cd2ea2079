/* mixture.h - many members who take turns as fast as they can, some of them killed; fair all the
 * same. */
#ifndef MIXTURE_H
#define MIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "member.h"

enum { MEMBERS_MAX = 6 };

struct mixture {
    struct peer **curator, **kazoo; /* whom a kill replaces */
    struct member members[MEMBERS_MAX];
    size_t count;
    atomic_bool stopped;
    atomic_int refused; /* the first status that was not LK_OK */
    pthread_t threads[MEMBERS_MAX];
};

/* Until each has had its share of turns; with kills, first on until this time. */
void mixture_run(struct mixture *mixture, bool with_kills, int64_t until_ns);

#endif
