/* differential.c - are the simulated servers ZooKeeper's? Random scripts are run on both, one
 * request at a time, and every answer, Stat and watch event must be the same.
 *
 * differential [--nodes 1|3] [--requests N] [--seed S] [--tell]
 *
 * A real server may drop a connection; such a script says nothing, is told of and not counted, and
 * the next one takes its place.
 *
 * Each script has a seed, a subtree and sessions of its own. A difference ends the run; it prints
 * the script's seed, its last steps, and what each side heard of the one that differs. Without a
 * seed the first is the time of day; with CI=true it is 1. */
#include "differential_side.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zkbox.h>

#include "testing/tell.h"

enum {
    SCRIPT_STEPS = 400,
    INTERRUPTIONS_MAX = 10,
    STORY_STEPS = 12,
    OPERATIONS_MAX = 6,
    PATH_SIZE = 128,
    MADE_MAX = 16,
    PAYLOAD_MAX = 1100000,
    PAYLOAD_LARGE = 20000,
    /* With its path and overhead just beyond what a keeper sends. */
    PAYLOAD_REFUSED = 0xfffff - 1024 - 40,
};

struct script {
    uint64_t seed;
    struct chance chance;
    char root[PATH_SIZE];
    const char *payload;
    /* The newest sequential znodes, wherever they are: else nobody would ever hit them. */
    char made[MADE_MAX][PATH_SIZE];
    size_t made_count;
    char story[STORY_STEPS][TELL_SIZE + 16];
    struct side sides[2];
    bool is_interrupted;
};

struct step {
    int session;
    bool closes;
    struct keeper_request request, operations[OPERATIONS_MAX];
    char path[PATH_SIZE], paths[OPERATIONS_MAX][PATH_SIZE];
};

/* Nobody may take what others made with the first two; the last two are nobody. */
static const char *const auths[SESSIONS] = { "one:secret", "two:secret", NULL, NULL };

/* ---- what is asked ---- */

/* A small tree, three names wide and three levels deep, so that requests meet. */
static void choose_path(struct script *script, char path[PATH_SIZE])
{
    static const char *const names[] = { "a", "b", "c" };
    struct chance *chance = &script->chance;
    int64_t choice = chance_between(chance, 0, 99);
    int depth = choice < 10 ? 0 : choice < 50 ? 1 : choice < 82 ? 2 : 3;

    if (script->made_count && chance_percent(chance, 12)) {
        size_t newest = script->made_count - 1;
        size_t back = (size_t)chance_between(chance, 0, MADE_MAX - 1);
        snprintf(path, PATH_SIZE, "%s",
                 script->made[(newest - (back < newest ? back : newest)) % MADE_MAX]);
        return;
    }
    int size = snprintf(path, PATH_SIZE, "%s", script->root);
    for (int i = 0; i < depth; i++)
        size += snprintf(path + size, PATH_SIZE - (size_t)size, "/%s",
                         names[chance_between(chance, 0, 2)]);
}

static void choose_data(struct script *script, struct keeper_request *request)
{
    int64_t choice = chance_between(&script->chance, 0, 999);

    request->data = script->payload + chance_between(&script->chance, 0, 9);
    if (choice < 2)
        request->data_size = PAYLOAD_REFUSED;
    else if (choice < 7)
        request->data_size = PAYLOAD_LARGE;
    else if (choice > 200)
        request->data_size = (size_t)chance_between(&script->chance, 1, 40);
}

static void choose_create(struct script *script, struct keeper_request *request,
                          char path[PATH_SIZE])
{
    struct chance *chance = &script->chance;
    bool is_root = strcmp(path, script->root) == 0;

    choose_data(script, request);
    request->mode = is_root ? KEEPER_PERSISTENT : (enum keeper_mode)chance_between(chance, 0, 4);
    request->access = !is_root && chance_percent(chance, 10) ? LK_ACCESS_CREATOR : LK_ACCESS_OPEN;
    if (request->mode == KEEPER_PERSISTENT_SEQUENTIAL
        || request->mode == KEEPER_EPHEMERAL_SEQUENTIAL)
        strcat(path, chance_percent(chance, 80) ? "/n-" : "-");
}

/* Versions stay small here, so a guess is often right. */
static int32_t choose_version(struct script *script)
{
    return chance_percent(&script->chance, 50) ? KEEPER_ANY_VERSION
                                               : (int32_t)chance_between(&script->chance, 0, 2);
}

static void choose_request(struct script *script, enum keeper_verb verb,
                           struct keeper_request *request, char path[PATH_SIZE])
{
    choose_path(script, path);
    *request = (struct keeper_request){ .verb = verb, .path = path };
    switch (verb) {
    case KEEPER_CREATE:
        choose_create(script, request, path);
        break;
    case KEEPER_SET:
        choose_data(script, request);
        request->version = choose_version(script);
        break;
    case KEEPER_DELETE:
    case KEEPER_CHECK:
        request->version = choose_version(script);
        break;
    case KEEPER_EXISTS:
    case KEEPER_GET:
    case KEEPER_LIST:
        request->watch = chance_percent(&script->chance, 60);
        break;
    default:
        break;
    }
}

static void choose_multi(struct script *script, struct step *step)
{
    static const enum keeper_verb verbs[] = { KEEPER_CREATE, KEEPER_CREATE, KEEPER_DELETE,
                                              KEEPER_SET, KEEPER_CHECK };
    size_t count = (size_t)chance_between(&script->chance, 1, OPERATIONS_MAX);

    step->request = (struct keeper_request){ .verb = KEEPER_MULTI,
                                             .operations = step->operations,
                                             .operation_count = count };
    for (size_t i = 0; i < count; i++) {
        struct keeper_request *operation = &step->operations[i];
        choose_request(script, verbs[chance_between(&script->chance, 0, 4)], operation,
                       step->paths[i]);
        if (operation->mode == KEEPER_CONTAINER) /* not for a multi: keeper.h */
            operation->mode = KEEPER_PERSISTENT;
    }
}

static void choose_step(struct script *script, struct step *step)
{
    static const enum keeper_verb verbs[] = { KEEPER_CREATE, KEEPER_CREATE, KEEPER_CREATE,
                                              KEEPER_DELETE, KEEPER_DELETE, KEEPER_EXISTS,
                                              KEEPER_GET,    KEEPER_GET,    KEEPER_SET,
                                              KEEPER_LIST,   KEEPER_LIST };
    int64_t choice = chance_between(&script->chance, 0, 99);

    *step = (struct step){ .session = (int)chance_between(&script->chance, 0, SESSIONS - 1) };
    if (choice < 2)
        step->closes = true;
    else if (choice < 20)
        choose_multi(script, step);
    else if (choice < 22)
        choose_request(script, KEEPER_SYNC, &step->request, step->path);
    else
        choose_request(script, verbs[chance_between(&script->chance, 0, 10)], &step->request,
                       step->path);
}

/* ---- asking both ---- */

static bool carry_out(struct side *side, const struct step *step)
{
    if (!step->closes)
        return side_ask(side, step->session, &step->request);
    return side_close(side, step->session) && side_open(side, step->session, auths[step->session]);
}

static void note_made(struct script *script, const char *heard)
{
    const char *at = strstr(heard, "answer OK /");
    char *made = script->made[script->made_count % MADE_MAX];

    if (!at || !strstr(at, "0000") || sscanf(at, "answer OK %100s", made) != 1)
        return;
    script->made_count++;
}

static void tell_step(struct script *script, unsigned number, const struct step *step)
{
    char words[TELL_SIZE];

    if (step->closes)
        snprintf(words, sizeof(words), "closes, and another one takes its place");
    else
        request_words(&step->request, words);
    snprintf(script->story[number % STORY_STEPS], sizeof(script->story[0]), "%u s%d %s", number,
             step->session, words);
}

static void tell_difference(const struct script *script, unsigned number, char *const heard[2])
{
    printf("script %" PRIu64 ", step %u: the simulation is not the server\n", script->seed, number);
    for (unsigned i = number < STORY_STEPS ? 0 : number - STORY_STEPS + 1; i <= number; i++)
        printf("  %s\n", script->story[i % STORY_STEPS]);
    for (int i = 0; i < 2; i++)
        printf("  %s:\n%s", script->sides[i].name, heard[i]);
}

static bool run_step(struct script *script, unsigned number, const struct step *step, bool tells)
{
    char *heard[2];
    bool done = true;

    tell_step(script, number, step);
    for (int i = 0; i < 2; i++) {
        done &= carry_out(&script->sides[i], step);
        heard[i] = side_heard(&script->sides[i], step->closes);
    }
    bool same = strcmp(heard[0], heard[1]) == 0 && !strstr(heard[0], TIME_CLASHES);
    if (tells)
        printf("  %s\n%s", script->story[number % STORY_STEPS], heard[1]);
    script->is_interrupted = side_was_lost(&script->sides[1]);
    if ((!done || !same) && !script->is_interrupted)
        tell_difference(script, number, heard);
    if (!done && !script->is_interrupted)
        printf("  one side did not come to an end with it\n");
    note_made(script, heard[0]);
    free(heard[0]);
    free(heard[1]);
    return done && same;
}

static bool run_steps(struct script *script, unsigned steps, bool tells)
{
    const struct keeper_request root = { .verb = KEEPER_CREATE, .path = script->root };

    for (int i = 0; i < 2; i++)
        for (int j = 0; j < SESSIONS; j++)
            if (!side_open(&script->sides[i], j, auths[j])) {
                printf("script %" PRIu64 ": no session on the %s side\n", script->seed,
                       script->sides[i].name);
                return false;
            }
    if (!run_step(script, 0, &(struct step){ .request = root }, tells))
        return false;
    for (unsigned i = 1; i <= steps; i++) {
        struct step step;
        choose_step(script, &step);
        if (!run_step(script, i, &step, tells))
            return false;
    }
    return true;
}

enum verdict { SAME, DIFFERENT, INTERRUPTED };

static enum verdict run_script(uint64_t seed, unsigned steps, const zkbox *box, const char *payload,
                               bool tells)
{
    struct sim sim = { 0 };
    const char *addresses[SESSIONS];
    struct script *script = calloc(1, sizeof(*script));

    if (!script)
        abort();
    script->seed = script->chance.state = seed;
    script->payload = payload;
    snprintf(script->root, sizeof(script->root), "/d%" PRIu64, seed);
    for (int i = 0; i < SESSIONS; i++)
        addresses[i] = zkbox_address(box, i % zkbox_nodes(box));
    world_begin(&sim.world, seed);
    ensemble_begin(&sim.ensemble, &sim.world, zkbox_nodes(box), 1500 * MS, 10);
    sim.ensemble.reap_ns = sim.ensemble.tick_ns * 1000000;
    side_begin(&script->sides[0], &sim, NULL);
    side_begin(&script->sides[1], NULL, addresses);

    bool same = run_steps(script, steps, tells);
    enum verdict verdict = same ? SAME : script->is_interrupted ? INTERRUPTED : DIFFERENT;

    side_end(&script->sides[0]);
    side_end(&script->sides[1]);
    world_end(&sim.world);
    free(script);
    return verdict;
}

/* ---- the run ---- */

static zkbox *start_box(int nodes)
{
    /* Empty containers are removed by the clock, which differs; test_tree.c has that. */
    static const char *const java_args[] = { "-Dznode.container.checkIntervalMs=100000000", NULL };
    char error[256] = "";
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    zkbox *box = NULL;

    options.nodes = nodes;
    options.tick_ms = 2000; /* patient: on a busy machine nobody is to be given up */
    options.fsync = false;
    options.heap_mb = 160;
    options.java_args = java_args;
    options.error = error;
    options.error_size = sizeof(error);
    if (zkbox_start(&box, &options) < 0)
        printf("no server: %s\n", error);
    return box;
}

static int run(zkbox *box, uint64_t seed, uint64_t requests, bool tells)
{
    char *payload = malloc(PAYLOAD_MAX);
    uint64_t done = 0;
    int interruptions = 0;

    if (!payload)
        abort();
    for (size_t i = 0; i < PAYLOAD_MAX; i++)
        payload[i] = (char)(i * 7 + i / 251);
    enum verdict verdict = SAME;
    for (; verdict != DIFFERENT && interruptions <= INTERRUPTIONS_MAX && done < requests; seed++) {
        uint64_t left = requests - done;
        unsigned steps = left < SCRIPT_STEPS ? (unsigned)left : SCRIPT_STEPS;
        verdict = run_script(seed, steps, box, payload, tells);
        if (verdict == SAME)
            done += steps;
        if (verdict != INTERRUPTED)
            continue;
        interruptions++;
        printf("script %" PRIu64 ": the real server dropped a connection\n", seed);
        if (zkbox_wait_leader(box, 60000) < 0)
            break;
    }
    free(payload);
    if (done < requests)
        return 1;
    printf("%" PRIu64 " requests, %d server(s): every answer and event the same\n", done,
           zkbox_nodes(box));
    return 0;
}

static int usage(void)
{
    fputs("usage: differential [--nodes 1|3] [--requests N] [--seed S] [--tell]\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    const char *ci = getenv("CI");
    uint64_t seed = ci && strcmp(ci, "true") == 0 ? 1 : (uint64_t)time(NULL) * 1000;
    uint64_t requests = 3000;
    int nodes = 1;
    bool tells = false;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--tell") == 0) {
            tells = true;
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
    zkbox *box = start_box(nodes);
    if (!box)
        return 1;
    int status = run(box, seed, requests, tells);
    zkbox_stop(box);
    return status;
}
