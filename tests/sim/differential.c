/* differential.c - are the simulated servers ZooKeeper's? Random scripts are run on both, one
 * request at a time, and every answer, Stat and watch event must be the same.
 *
 * differential [--nodes 1|3] [--requests N] [--seed S] [--tell] [--limit]
 *
 * Each script has a seed, a subtree and sessions of its own. A difference ends the run; it prints
 * the script's seed, its last steps, and what each side heard of the one that differs. Without a
 * seed the first is the time of day; with CI=true it is 1.
 *
 * A script whose connection a real server drops is told of, and its requests are not counted: it is
 * begun anew, in another subtree and with new sessions, once those of before are over. Too many such
 * scripts fail the run. A disagreement is never forgiven.
 *
 * --limit, instead of scripts: requests somewhat below and above what the servers read at most (which
 * is set low for this). Who sends too much loses the connection, on both sides. */
#include "differential_box.h"
#include "differential_script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "testing/tell.h"

enum {
    SCRIPT_STEPS = 400,
    INTERRUPTIONS_MAX = 3,
    STORY_STEPS = 12,
};

/* One run of a script on both sides. */
struct trial {
    uint64_t seed;
    struct script script;
    struct side sides[2];
    char story[STORY_STEPS][TELL_SIZE + 16];
    bool is_interrupted, tells;
};

/* ---- asking both ---- */

static bool carry_out(struct side *side, const struct step *step)
{
    if (!step->closes)
        return side_ask(side, step->session, &step->request);
    return side_close(side, step->session)
           && side_open(side, step->session, script_auths[step->session]);
}

static void tell_step(struct trial *trial, unsigned number, const struct step *step)
{
    char words[TELL_SIZE];

    if (step->closes)
        snprintf(words, sizeof(words), "closes, and another one takes its place");
    else
        request_words(&step->request, words);
    snprintf(trial->story[number % STORY_STEPS], sizeof(trial->story[0]), "%u s%d %s", number,
             step->session, words);
}

static void tell_difference(const struct trial *trial, unsigned number, char *const heard[2])
{
    printf("script %" PRIu64 ", step %u: the simulation is not the server\n", trial->seed, number);
    for (unsigned i = number < STORY_STEPS ? 0 : number - STORY_STEPS + 1; i <= number; i++)
        printf("  %s\n", trial->story[i % STORY_STEPS]);
    for (int i = 0; i < 2; i++)
        printf("  %s:\n%s", trial->sides[i].name, heard[i]);
}

static bool run_step(struct trial *trial, unsigned number, const struct step *step)
{
    char *heard[2];
    bool done = true;

    tell_step(trial, number, step);
    for (int i = 0; i < 2; i++) {
        done &= carry_out(&trial->sides[i], step);
        heard[i] = side_heard(&trial->sides[i], step->closes);
    }
    bool same = strcmp(heard[0], heard[1]) == 0 && !strstr(heard[0], TIME_CLASHES);
    if (trial->tells)
        printf("  %s\n%s", trial->story[number % STORY_STEPS], heard[1]);
    trial->is_interrupted = side_was_lost(&trial->sides[1]);
    if (trial->is_interrupted)
        printf("script %" PRIu64 ": the real server dropped a connection: %s\n", trial->seed,
               trial->story[number % STORY_STEPS]);
    else if (!done || !same)
        tell_difference(trial, number, heard);
    if (!done && !trial->is_interrupted)
        printf("  one side did not come to an end with it\n");
    script_heard(&trial->script, heard[0]);
    free(heard[0]);
    free(heard[1]);
    return done && same;
}

static bool run_steps(struct trial *trial, unsigned steps)
{
    const struct keeper_request root = { .verb = KEEPER_CREATE, .path = trial->script.root };

    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < SESSIONS; j++) {
            if (side_open(&trial->sides[i], j, script_auths[j]))
                continue;
            trial->is_interrupted = side_was_lost(&trial->sides[1]);
            printf("script %" PRIu64 ": no session on the %s side\n", trial->seed,
                   trial->sides[i].name);
            return false;
        }
    }
    if (!run_step(trial, 0, &(struct step){ .request = root }))
        return false;
    for (unsigned i = 1; i <= steps; i++) {
        struct step step;
        script_step(&trial->script, &step);
        if (!run_step(trial, i, &step))
            return false;
    }
    return true;
}

enum verdict { SAME, DIFFERENT, INTERRUPTED };

/* What does not change from one script to the next. */
struct run {
    zkbox *box;
    const char *payload;
    bool tells;
};

static enum verdict run_script(const struct run *run, uint64_t seed, int attempt, unsigned steps)
{
    struct sim sim = { 0 };
    const char *addresses[SESSIONS];
    int nodes = zkbox_nodes(run->box);
    struct trial *trial = calloc(1, sizeof(*trial));

    if (!trial)
        abort();
    trial->seed = seed;
    trial->tells = run->tells;
    trial->script.chance.state = seed;
    trial->script.payload = run->payload;
    trial->script.ensemble = &sim.ensemble;
    snprintf(trial->script.root, sizeof(trial->script.root), "/d%" PRIu64 "-%d", seed, attempt);
    for (int i = 0; i < SESSIONS; i++)
        addresses[i] = zkbox_address(run->box, i % nodes);
    world_begin(&sim.world, seed);
    ensemble_begin(&sim.ensemble, &sim.world, nodes, 1500 * MS, 10);
    sim.ensemble.reap_ns = sim.ensemble.tick_ns * 1000000;
    side_begin(&trial->sides[0], &sim, NULL);
    side_begin(&trial->sides[1], NULL, addresses);

    bool same = run_steps(trial, steps);
    enum verdict verdict = same ? SAME : trial->is_interrupted ? INTERRUPTED : DIFFERENT;

    side_end(&trial->sides[0]);
    side_end(&trial->sides[1]);
    world_end(&sim.world);
    free(trial);
    return verdict;
}

/* ---- the run ---- */

/* How often it was interrupted; -1: a difference, or too often. */
static int run_scripts(const struct run *run, uint64_t seed, uint64_t requests)
{
    int interruptions = 0, attempt = 0;

    for (uint64_t done = 0; done < requests;) {
        uint64_t left = requests - done;
        unsigned steps = left < SCRIPT_STEPS ? (unsigned)left : SCRIPT_STEPS;
        enum verdict verdict = run_script(run, seed, attempt, steps);
        if (verdict == DIFFERENT)
            return -1;
        if (verdict == SAME) {
            done += steps;
            seed++;
            attempt = 0;
            continue;
        }
        attempt++;
        interruptions++;
        if (interruptions > INTERRUPTIONS_MAX || zkbox_wait_leader(run->box, 60000) < 0
            || !box_await_silence(run->box)) {
            printf("interrupted %d times: that is too often\n", interruptions);
            return -1;
        }
    }
    return interruptions;
}

static int run_all(const struct run *run, uint64_t seed, uint64_t requests)
{
    time_t began = time(NULL);
    int interruptions = run_scripts(run, seed, requests);

    if (interruptions < 0)
        return 1;
    if (!box_idle_sessions_lived()) {
        printf("a session that only stands there was lost\n");
        return 1;
    }
    printf("%" PRIu64 " requests from seed %" PRIu64
           ", %d server(s), %d interruptions, %lld s: every "
           "answer and event the same\n",
           requests, seed, zkbox_nodes(run->box), interruptions, (long long)(time(NULL) - began));
    return 0;
}

/* ---- too large a request ---- */

/* Whether the connection was lost over it. What stood there before may stand there still. */
static bool ask_large(struct side *side, const struct keeper_request *request, bool *out_lost)
{
    static const struct keeper_request first = { .verb = KEEPER_CREATE, .path = "/limit" };
    bool opened = true;

    for (int i = 0; i < SESSIONS; i++)
        opened &= side_open(side, i, script_auths[i]);
    bool answered = opened && side_ask(side, 0, &first) && side_ask(side, 0, request);
    *out_lost = side_was_lost(side);
    return opened && (answered || *out_lost);
}

static bool compare_large(const struct run *run, const struct keeper_request *request)
{
    struct sim sim = { 0 };
    struct side sides[2];
    const char *addresses[SESSIONS];
    bool lost[2] = { false }, done = true;

    for (int i = 0; i < SESSIONS; i++)
        addresses[i] = zkbox_address(run->box, i % zkbox_nodes(run->box));
    world_begin(&sim.world, 1);
    ensemble_begin(&sim.ensemble, &sim.world, zkbox_nodes(run->box), 1500 * MS, 10);
    sim.ensemble.request_max = BOX_REQUEST_MAX;
    side_begin(&sides[0], &sim, NULL);
    side_begin(&sides[1], NULL, addresses);
    for (int i = 0; i < 2; i++)
        done &= ask_large(&sides[i], request, &lost[i]);
    for (int i = 0; i < 2; i++)
        side_end(&sides[i]);
    world_end(&sim.world);
    if (done && lost[0] == lost[1])
        return true;
    printf("verb %d, %zu bytes of data: the connection %s simulated, %s really%s\n", request->verb,
           request->data_size, lost[0] ? "is lost" : "stays", lost[1] ? "is lost" : "stays",
           done ? "" : ", or something else was wrong");
    return false;
}

static int run_limits(const struct run *run)
{
    static const int offs[] = { -BOX_REQUEST_MAX / 2, -400, 400, BOX_REQUEST_MAX };
    int compared = 0;

    for (size_t i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
        const struct keeper_request set = { .verb = KEEPER_SET,
                                            .path = "/limit",
                                            .data = run->payload,
                                            .data_size = (size_t)(BOX_REQUEST_MAX + offs[i]),
                                            .version = KEEPER_ANY_VERSION };
        const struct keeper_request create = { .verb = KEEPER_CREATE,
                                               .path = "/limit-too",
                                               .data = run->payload,
                                               .data_size = set.data_size };
        const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                              .operations = &set,
                                              .operation_count = 1 };
        const struct keeper_request *const requests[] = { &set, &create, &multi };
        for (size_t j = 0; j < sizeof(requests) / sizeof(*requests); j++, compared++)
            if (!compare_large(run, requests[j]))
                return 1;
    }
    printf("%d requests around the servers' limit, %d server(s): the same lose the connection\n",
           compared, zkbox_nodes(run->box));
    return 0;
}

static char *payload_new(void)
{
    char *payload = malloc(PAYLOAD_MAX);

    if (!payload)
        abort();
    for (size_t i = 0; i < PAYLOAD_MAX; i++)
        payload[i] = (char)(i * 7 + i / 251);
    return payload;
}

static int usage(void)
{
    fputs("usage: differential [--nodes 1|3] [--requests N] [--seed S] [--tell] "
          "[--limit]\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *ci = getenv("CI");
    uint64_t seed = ci && strcmp(ci, "true") == 0 ? 1 : (uint64_t)time(NULL) * 1000;
    uint64_t requests = 3000;
    int nodes = 1;
    bool tells = false, at_limit = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--tell") == 0 || strcmp(argv[i], "--limit") == 0) {
            tells |= argv[i][2] == 't';
            at_limit |= argv[i][2] == 'l';
            continue;
        }
        if (!value)
            return usage();
        i++;
        if (strcmp(argv[i - 1], "--nodes") == 0)
            nodes = atoi(value);
        else if (strcmp(argv[i - 1], "--requests") == 0)
            requests = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else
            return usage();
    }
    char *payload = payload_new();
    const struct run run = { .box = box_start(nodes, at_limit),
                             .payload = payload,
                             .tells = tells };
    int status = 1;
    if (run.box && box_open_idle_sessions(run.box))
        status = at_limit ? run_limits(&run) : run_all(&run, seed, requests);
    if (run.box)
        box_stop(run.box);
    free(payload);
    return status;
}
