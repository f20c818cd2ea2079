/* run.c - sim_run: runs worlds by their seeds; what its options are, usage() says.
 *
 * One seed is a world of each workload. Without seeds named they begin at the time of day; with
 * CI=true at 1. A seed that fails is run once more to print its story, which must end the same way,
 * and ends the run; with --all one line is printed instead, and it goes on. A range is run by jobs
 * (jobs.h), so that a crash is told too; one seed alone is run in this process, for a debugger. */
#include "jobs.h"
#include "workloads.h"

#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct workload *const workloads[] = { &workload_lock,      &workload_rwlock,
                                                    &workload_semaphore, &workload_multilock,
                                                    &workload_guard,     &workload_courtesy,
                                                    &workload_election,  &workload_ledger };
#define WORKLOAD_COUNT (sizeof(workloads) / sizeof(*workloads))

#define STORY_LINES 400
#define NOT_NAMED UINT64_MAX

static const char *const profiles[] = {
    [PROFILE_CALM] = "calm",         [PROFILE_LINKS] = "links",   [PROFILE_SERVERS] = "servers",
    [PROFILE_SESSIONS] = "sessions", [PROFILE_MEMORY] = "memory", [PROFILE_STRANGERS] = "strangers",
    [PROFILE_ALL] = "all",           [PROFILE_COUNT] = "drawn",   [PROFILE_ANEW] = "anew",
    [PROFILE_FLIGHT] = "flight",     [PROFILE_EDGE] = "edge",
};
#define PROFILES (sizeof(profiles) / sizeof(*profiles))

struct sweep {
    const struct workload *only; /* NULL: all */
    enum profile profile;
    bool traces, goes_on;
};

/* ---- stories ---- */

/* The last `most` lines. */
static const char *story_of(const struct world *world, size_t most)
{
    const char *at = world->trace + world->trace_size;

    while (at > world->trace && most > 0)
        most -= *--at == '\n' && at + 1 < world->trace + world->trace_size;
    return at && *at == '\n' ? at + 1 : at;
}

static void print_story(const struct world *world, size_t most)
{
    if (world->trace_size)
        fputs(story_of(world, most), stdout);
}

static void print_again(const struct sweep *sweep, const struct workload *workload, uint64_t seed)
{
    printf("    again: sim_run --seed %" PRIu64 " --workload %s%s%s --trace\n", seed,
           workload->name, sweep->profile == PROFILE_COUNT ? "" : " --profile ",
           sweep->profile == PROFILE_COUNT ? "" : profiles[sweep->profile]);
}

static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
static struct sigaction deaths[NSIG]; /* as they were: a sanitizer has its own */
static const struct world *told;      /* whose story a crash tells */

/* The signal comes again when this returns, to whom it came to before. */
static void tell_crash(int signal)
{
    if (told->trace_size) {
        const char *story = story_of(told, STORY_LINES);
        (void)!write(STDOUT_FILENO, story, strlen(story));
    }
    sigaction(signal, &deaths[signal], NULL);
}

static void tell_crashes_of(const struct world *world)
{
    const struct sigaction tell = { .sa_handler = tell_crash };

    told = world;
    fflush(stdout);
    for (size_t i = 0; i < sizeof(deadly) / sizeof(*deadly); i++)
        sigaction(deadly[i], told ? &tell : &deaths[deadly[i]], told ? &deaths[deadly[i]] : NULL);
}

/* ---- worlds ---- */

/* With its story kept, for a crash too. */
static bool run_told(struct sim *sim, const struct sweep *sweep, const struct workload *workload,
                     uint64_t seed)
{
    *sim = (struct sim){ 0 };
    tell_crashes_of(&sim->world);
    bool passed = sim_run_under(sim, sweep->profile, workload, seed, true);
    tell_crashes_of(NULL);
    return passed;
}

/* Once more, with its story. */
static void explain(const struct sweep *sweep, const struct workload *workload, uint64_t seed,
                    const char *failure)
{
    struct sim sim;

    run_told(&sim, sweep, workload, seed);
    print_story(&sim.world, sweep->traces ? SIZE_MAX : STORY_LINES);
    printf("seed %" PRIu64 " fails: %s\n", seed, failure);
    print_again(sweep, workload, seed);
    if (strcmp(failure, sim.world.failure) != 0)
        printf("    it did not fail the same way again (%s): the simulation is not deterministic\n",
               sim.world.failure);
    world_end(&sim.world);
}

/* One seed with one workload. */
static bool run_one(const struct sweep *sweep, const struct workload *workload, uint64_t seed,
                    struct tally *tally)
{
    struct sim sim;
    bool passed = sweep->traces ? run_told(&sim, sweep, workload, seed)
                                : sim_run_under(&sim, sweep->profile, workload, seed, false);

    tally->worlds++;
    tally->steps += sim.world.steps;
    tally->grants += sim.grants_made;
    if (passed && sweep->traces)
        print_story(&sim.world, SIZE_MAX);
    if (!passed && sweep->goes_on)
        printf("%s %" PRIu64 ": %s\n", workload->name, seed, sim.world.failure);
    world_end(&sim.world);
    if (!passed && !sweep->goes_on)
        explain(sweep, workload, seed, sim.world.failure);
    fflush(stdout); /* each line at once, beside those of other jobs */
    return passed;
}

static bool run_seed(void *arg, uint64_t seed, struct tally *tally)
{
    const struct sweep *sweep = arg;
    bool passed = true;

    for (size_t i = 0; i < WORKLOAD_COUNT && (passed || sweep->goes_on); i++) {
        if (sweep->only && sweep->only != workloads[i])
            continue;
        tally->world = i;
        passed &= run_one(sweep, workloads[i], seed, tally);
    }
    return passed;
}

static void crashed(void *arg, uint64_t seed, uint64_t world, int wait_status)
{
    const struct sweep *sweep = arg;
    struct sim sim;

    fflush(stdout);
    if (WIFSIGNALED(wait_status) && WTERMSIG(wait_status) != SIGKILL && !sweep->goes_on) {
        pid_t teller = fork();
        if (teller == 0) {
            run_told(&sim, sweep, workloads[world], seed);
            _exit(0);
        }
        (void)!waitpid(teller, NULL, 0);
    }
    if (WIFSIGNALED(wait_status))
        printf("seed %" PRIu64 " of %s crashed (signal %d)\n", seed, workloads[world]->name,
               WTERMSIG(wait_status));
    else
        printf("seed %" PRIu64 " of %s ended its process (status %d)\n", seed,
               workloads[world]->name, WEXITSTATUS(wait_status));
    print_again(sweep, workloads[world], seed);
}

/* ---- the command line ---- */

static const struct workload *workload_named(const char *name)
{
    for (size_t i = 0; i < WORKLOAD_COUNT; i++)
        if (strcmp(workloads[i]->name, name) == 0)
            return workloads[i];
    return NULL;
}

static bool profile_named(const char *name, enum profile *out)
{
    for (size_t i = 0; i < PROFILES; i++) {
        if (strcmp(profiles[i], name) != 0)
            continue;
        *out = (enum profile)i;
        return true;
    }
    return false;
}

static int usage(void)
{
    fputs("usage: sim_run [--from A] [--to B | --seeds N] [--jobs N] [--done FILE] [--all]\n"
          "       sim_run --seed S [--trace]\n"
          "both:  [--workload lock|rwlock|semaphore|multilock|guard|courtesy|election|ledger]\n"
          "       [--profile calm|links|servers|sessions|memory|strangers|all|anew|flight|edge]\n"
          "--jobs N     processes that share the seeds, each on a core\n"
          "--done FILE  seeds in it are left out, and those that were run are added\n"
          "--all        go on after a failure\n"
          "Exit 0: nothing found; 1: a seed failed; 2: usage; 130, 143: interrupted\n",
          stderr);
    return 2;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *out <= INT64_MAX;
}

static int run(struct sweep *sweep, struct range *range)
{
    char name[64];
    struct tally alone = { 0 };

    snprintf(name, sizeof(name), "%s/%s", sweep->only ? sweep->only->name : "all",
             profiles[sweep->profile]);
    range->name = name;
    range->goes_on = sweep->goes_on;
    range->arg = sweep;
    range->run = run_seed;
    range->crashed = crashed;
    if (range->from == range->to && !range->jobs && !range->done_file) {
        if (!run_seed(sweep, range->from, &alone))
            return 1;
        printf("seed %" PRIu64 ": nothing found\n", range->from);
        return 0;
    }
    return jobs_run(range);
}

int main(int argc, char **argv)
{
    static const struct option words[] = {
        { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 't' },
        { "seeds", required_argument, NULL, 'n' },
        { "seed", required_argument, NULL, 's' },
        { "jobs", required_argument, NULL, 'j' },
        { "done", required_argument, NULL, 'd' },
        { "workload", required_argument, NULL, 'w' },
        { "profile", required_argument, NULL, 'p' },
        { "all", no_argument, NULL, 'a' },
        { "trace", no_argument, NULL, 'x' },
        { NULL, 0, NULL, 0 },
    };
    const char *ci = getenv("CI");
    bool is_ci = ci && strcmp(ci, "true") == 0, is_known = true;
    struct sweep sweep = { .profile = PROFILE_COUNT };
    struct range range = { .from = is_ci ? 1 : (uint64_t)time(NULL) * 100000, .to = NOT_NAMED };
    uint64_t seeds = 1000, jobs = 0;
    int word = 0;

    for (int option; is_known && (option = getopt_long(argc, argv, "", words, &word)) != -1;) {
        switch (option) {
        case 'f':
            is_known = read_number(optarg, &range.from);
            break;
        case 't':
            is_known = read_number(optarg, &range.to);
            break;
        case 'n':
            is_known = read_number(optarg, &seeds) && seeds > 0;
            break;
        case 's':
            is_known = read_number(optarg, &range.from);
            range.to = range.from;
            break;
        case 'j':
            is_known = read_number(optarg, &jobs) && jobs > 0 && jobs <= JOBS_MAX;
            break;
        case 'd':
            range.done_file = optarg;
            break;
        case 'w':
            is_known = (sweep.only = workload_named(optarg)) != NULL;
            break;
        case 'p':
            is_known = profile_named(optarg, &sweep.profile);
            break;
        case 'a':
            sweep.goes_on = true;
            break;
        case 'x':
            sweep.traces = true;
            break;
        default:
            is_known = false;
        }
    }
    range.jobs = (int)jobs;
    if (range.to == NOT_NAMED)
        range.to = range.from + seeds - 1;
    if (!is_known && optarg)
        fprintf(stderr, "sim_run: --%s can't be '%s'\n", words[word].name, optarg);
    if (!is_known || optind < argc || range.to < range.from)
        return usage();
    /* Worlds take and give back a megabyte some thousand times a second: not from the kernel. */
    mallopt(M_TOP_PAD, 16 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    return run(&sweep, &range);
}
