/* jobs.c - see jobs.h. */
#include "jobs.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many seeds are noted as done at a time. */
#define NOTE_SEEDS 1000

struct shared {
    _Atomic uint64_t next;
    atomic_bool stop;
    struct tally tallies[JOBS_MAX];
};

struct watch {
    const struct range *range;
    struct shared *shared;
    int jobs, living;
    int core; /* where the parent began; the first job's, the next ones have those behind it */
    pid_t pids[JOBS_MAX];
    uint64_t from, to; /* a part of the range that is not done yet */
    uint64_t noted;    /* below it all of that part is in the file */
    uint64_t seeds;    /* in parts before this one */
    double began_s;
    int signal; /* that ends it; 0: none */
};

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- a job ---- */

/* World and programs of one seed pass the baton between threads that are never to run at once: on
 * one core that is four times as fast as between two. */
static void keep_to_core(int first, int job)
{
    cpu_set_t allowed, own;
    int core = first;

    if (first < 0 || sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return;
    for (job %= CPU_COUNT(&allowed); !CPU_ISSET(core, &allowed) || job-- > 0;)
        core = (core + 1) % CPU_SETSIZE;
    CPU_ZERO(&own);
    CPU_SET(core, &own);
    (void)!sched_setaffinity(0, sizeof(own), &own);
}

static void work(const struct watch *watch, struct tally *tally)
{
    const struct range *range = watch->range;
    struct shared *shared = watch->shared;

    while (!shared->stop) {
        uint64_t seed = atomic_fetch_add(&shared->next, 1);
        if (seed > watch->to)
            break;
        tally->seed = seed; /* until here that of before stands there, which is lower */
        if (range->run(range->arg, seed, tally))
            continue;
        tally->failures++;
        if (range->goes_on)
            continue;
        shared->stop = true;
        return;
    }
    tally->seed = UINT64_MAX;
}

static void job_start(struct watch *watch, int job)
{
    struct tally *tally = &watch->shared->tallies[job];
    pid_t parent = getpid();
    sigset_t none;

    fflush(NULL);
    watch->pids[job] = fork();
    if (watch->pids[job] < 0) {
        perror("sim_run: fork");
        exit(2);
    }
    if (watch->pids[job] > 0) {
        watch->living++;
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    signal(SIGINT, SIG_IGN); /* the terminal sends it to all; the parent passes it on */
    signal(SIGTERM, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (watch->range->jobs > 0)
        keep_to_core(watch->core, job);
    work(watch, tally);
    exit(0);
}

/* ---- what is done ---- */

/* The lowest seed that may not have been run yet. */
static uint64_t frontier(const struct watch *watch)
{
    uint64_t lowest = watch->shared->next;

    for (int i = 0; i < watch->jobs; i++)
        if (watch->shared->tallies[i].seed < lowest)
            lowest = watch->shared->tallies[i].seed;
    return lowest <= watch->to ? lowest : watch->to + 1;
}

static void note(struct watch *watch, uint64_t least)
{
    const struct range *range = watch->range;
    uint64_t end = frontier(watch);

    if (!range->done_file || end - watch->noted < least)
        return;
    FILE *file = fopen(range->done_file, "a");
    bool is_noted = file
                    && fprintf(file, "%s %" PRIu64 " %" PRIu64 "\n", range->name, watch->noted,
                               end - 1)
                           > 0;
    if ((file && fclose(file) != 0) || !is_noted) {
        perror(range->done_file);
        watch->shared->stop = true;
        return;
    }
    watch->noted = end;
}

/* Before hours are spent on what could not be noted. */
static bool can_note(const struct range *range)
{
    FILE *file = range->done_file ? fopen(range->done_file, "a") : NULL;

    if (file)
        fclose(file);
    else if (range->done_file)
        perror(range->done_file);
    return file || !range->done_file;
}

/* The next seed, from *from on, that is not in the file, and the last one of that gap. False: the
 * file can't be read, or is none of ours. */
static bool find_gap(const struct range *range, uint64_t *from, uint64_t *out_last)
{
    FILE *file = range->done_file ? fopen(range->done_file, "r") : NULL;
    uint64_t first, last;
    char name[64];
    int fields = EOF;

    *out_last = range->to;
    if (!file)
        return !range->done_file || errno == ENOENT;
    for (uint64_t before = *from - 1; before != *from;) {
        before = *from;
        *out_last = range->to;
        rewind(file);
        while ((fields = fscanf(file, "%63s %" SCNu64 " %" SCNu64, name, &first, &last)) == 3) {
            if (first > last || last > INT64_MAX)
                break;
            if (strcmp(name, range->name) != 0)
                continue;
            if (first <= *from && *from <= last)
                *from = last + 1;
            else if (first > *from && first <= *out_last)
                *out_last = first - 1;
        }
    }
    fclose(file);
    return fields == EOF;
}

/* ---- the parent ---- */

static void show_progress(const struct watch *watch)
{
    uint64_t worlds = 0, seeds = watch->seeds + frontier(watch) - watch->from;
    double took_s = now_s() - watch->began_s;

    if (!isatty(STDERR_FILENO) || took_s < 1 || watch->signal)
        return;
    for (int i = 0; i < watch->jobs; i++)
        worlds += watch->shared->tallies[i].worlds;
    fprintf(stderr,
            "\r%" PRIu64 " seeds, up to %" PRIu64 " of %" PRIu64 ", %.0f worlds a minute\033[K",
            seeds, frontier(watch), watch->range->to, 60 * (double)worlds / took_s);
}

static void clear_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void job_ended(struct watch *watch, int job, int status)
{
    struct tally *tally = &watch->shared->tallies[job];

    watch->pids[job] = 0;
    watch->living--;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    clear_progress();
    tally->failures++;
    if (tally->seed == UINT64_MAX) { /* a sanitizer's last word */
        printf("a job ended with status %d after its last seed\n", WEXITSTATUS(status));
        return;
    }
    watch->range->crashed(watch->range->arg, tally->seed, tally->world, status);
    if (!watch->range->goes_on)
        watch->shared->stop = true;
    if (watch->shared->stop)
        return;
    tally->seed++;
    job_start(watch, job);
}

static void reap(struct watch *watch)
{
    int status;

    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (int i = 0; i < watch->jobs; i++)
            if (watch->pids[i] == pid)
                job_ended(watch, i, status);
}

/* Asked a second time it waits for nobody; who is killed is reported as a crash. */
static void interrupt(struct watch *watch, int signal)
{
    watch->shared->stop = true;
    for (int i = 0; watch->signal && i < watch->jobs; i++)
        if (watch->pids[i] > 0)
            kill(watch->pids[i], SIGKILL);
    watch->signal = signal;
}

/* A world that goes in circles would hold up the end for ever. */
static void tell_delay(const struct watch *watch)
{
    clear_progress();
    for (int i = 0; i < watch->jobs; i++)
        if (watch->pids[i] > 0 && watch->shared->tallies[i].seed != UINT64_MAX)
            fprintf(stderr, "sim_run: waiting for seed %" PRIu64 "; a second signal ends it\n",
                    (uint64_t)watch->shared->tallies[i].seed);
}

static void await_jobs(struct watch *watch, const sigset_t *signals)
{
    const struct timespec half_a_second = { .tv_nsec = 500000000 };

    while (watch->living > 0) {
        int signal = sigtimedwait(signals, NULL, &half_a_second);
        if (signal == SIGINT || signal == SIGTERM)
            interrupt(watch, signal);
        if (signal < 0 && watch->signal)
            tell_delay(watch);
        reap(watch);
        show_progress(watch);
        note(watch, NOTE_SEEDS);
    }
    note(watch, 1);
    watch->seeds += frontier(watch) - watch->from;
}

static void run_part(struct watch *watch, uint64_t from, uint64_t to, const sigset_t *signals)
{
    watch->from = watch->noted = from;
    watch->to = to;
    watch->shared->next = from;
    for (int i = 0; i < watch->jobs; i++)
        watch->shared->tallies[i].seed = from;
    for (int i = 0; i < watch->jobs; i++)
        job_start(watch, i);
    await_jobs(watch, signals);
}

static int report(const struct watch *watch)
{
    struct tally sum = { 0 };
    double took_s = now_s() - watch->began_s;

    clear_progress();
    for (int i = 0; i < watch->jobs; i++) {
        sum.worlds += watch->shared->tallies[i].worlds;
        sum.steps += watch->shared->tallies[i].steps;
        sum.grants += watch->shared->tallies[i].grants;
        sum.failures += watch->shared->tallies[i].failures;
    }
    if (watch->seeds == 0 && sum.failures == 0 && !watch->signal) {
        printf("seeds %" PRIu64 " to %" PRIu64 ": all are in %s\n", watch->range->from,
               watch->range->to, watch->range->done_file);
        return 0;
    }
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " worlds, %" PRIu64 " steps, %" PRIu64
           " grants, %.0f worlds a minute\n",
           watch->range->from, frontier(watch) - 1, sum.worlds, sum.steps, sum.grants,
           60 * (double)sum.worlds / took_s);
    if (watch->signal)
        printf("ended by signal %d; to go on: --from %" PRIu64 " --to %" PRIu64 "\n", watch->signal,
               frontier(watch), watch->range->to);
    if (sum.failures)
        return 1;
    if (watch->range->done_file && watch->noted < frontier(watch))
        return 2;
    return watch->signal ? 128 + watch->signal : 0;
}

int jobs_run(const struct range *range)
{
    struct watch watch = { .range = range,
                           .jobs = range->jobs > 0 ? range->jobs : 1,
                           .core = sched_getcpu(),
                           .began_s = now_s() };
    uint64_t from = range->from, last;
    sigset_t signals;

    if (!can_note(range))
        return 2;
    watch.shared = mmap(NULL, sizeof(*watch.shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (watch.shared == MAP_FAILED) {
        perror("sim_run: mmap");
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    while (!watch.shared->stop) {
        if (!find_gap(range, &from, &last)) {
            fprintf(stderr, "sim_run: %s is not a file of seeds that are done\n", range->done_file);
            return 2;
        }
        if (from > range->to)
            break;
        run_part(&watch, from, last, &signals);
        from = last + 1;
    }
    return report(&watch);
}
