/* mixture.h - many processes who take turns in one line as fast as they can, some of them killed;
 * fair all the same. */
#ifndef MIXTURE_H
#define MIXTURE_H

#include "member.h"

enum { MEMBERS_MAX = 6, SORTS = 3, TURNS_OF_EACH = 50 };

/* Ours, Curator's, kazoo's: a process, and how another comes in its place. */
struct sort {
    const char *name;
    struct peer **peer;
    struct peer *(*start)(void);
    unsigned killed_holding, killed_waiting; /* for certain */
};

struct mixture {
    struct sort sorts[SORTS]; /* ours first; those that none of the members is of are left alone */
    struct member members[MEMBERS_MAX];
    size_t count;
};

/* Until each has had its share of turns. */
void mixture_run(struct mixture *mixture);
/* The same, with kills until this time: now a holder, now a waiter, now whatever it is, of one sort
 * after the other. Each of these has been done, whatever the time. */
void mixture_run_with_kills(struct mixture *mixture, int64_t until_ns);

/* For one that is known to be wrong. */
void mixture_begin(struct mixture *mixture);
void mixture_end(struct mixture *mixture);

#endif
