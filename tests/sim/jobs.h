/* jobs.h - a range of seeds, run by several processes that divide it among them.
 *
 * Each job is a process of its own: a seed that crashes takes only its job along, and is named. All
 * jobs take the next seed from one page of memory that they share, so what lies below the lowest
 * seed under way has been run, and that is where an interrupted range goes on. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define JOBS_MAX 64

/* Of one job, in the memory that is shared. */
struct tally {
    _Atomic uint64_t seed;  /* under way; UINT64_MAX: it has ended in order */
    _Atomic uint64_t world; /* of that seed: which one of the caller's */
    _Atomic uint64_t worlds, steps, grants, failures;
};

struct range {
    uint64_t from, to;     /* both included */
    int jobs;              /* 0: one, wherever there is room; else each keeps to a core */
    bool goes_on;          /* after a failure */
    const char *done_file; /* of the ranges that were run; NULL: none */
    const char *name;      /* of what is run, in that file */
    void *arg;
    bool (*run)(void *arg, uint64_t seed, struct tally *tally); /* false: it failed, and said so */
    void (*crashed)(void *arg, uint64_t seed, uint64_t world, int wait_status); /* says so */
};

/* The exit status: 0, 1 when a seed failed or crashed, 2 when the file of what is done can't be used,
 * 128 and the signal when SIGINT or SIGTERM ended it. */
int jobs_run(const struct range *range);

#endif
