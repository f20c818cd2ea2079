/* bench_ledger.c - what the ledger costs over what ZooKeeper itself costs, and beside Redis, in one
 * run.
 *
 *     bench_ledger [--json] [--quick] [--part NAME]... [--rounds R] [--claims N] [--plot FILE]
 *
 * A server as in production: its own tick, each commit on the disk, all of the compiler, and a heap
 * for a million accounts; each part has its own, warmed. What is compared takes turns, each time in
 * a campaign of its own. It prints; it judges nothing. */
#include <getopt.h>
#include <string.h>

#include "bench_ledger.h"
#include "plot.h"

static const struct {
    const char *name;
    void (*run)(struct bench *bench);
    int young_mb; /* 0: java chooses, a third of the heap; a small one makes short pauses */
} parts[] = {
    { "raw", raw_explore, 0 },
    { "callers", part_callers, 0 },
    { "processes", part_processes, 0 },
    { "single", part_single, 0 },
    { "latency", part_latency, YOUNG_MB },
    { "shape", part_shape, 0 },
    { "accounts", part_accounts, 0 },
    { "peers", part_peers, 0 },
};
enum { PARTS = sizeof parts / sizeof *parts, WARM_CLAIMS = 50000, WARM_OUTSTANDING = 4096 };

static size_t part_named(const char *name)
{
    for (size_t i = 0; i < PARTS; i++) {
        if (strcmp(parts[i].name, name) == 0)
            return i;
    }
    fprintf(stderr, "bench_ledger: there is no part \"%s\"\n", name);
    exit(64);
}

static bool read_arguments(struct bench *bench, bool chosen[PARTS], int argc, char **argv)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' },
        { "quick", no_argument, NULL, 'q' },
        { "part", required_argument, NULL, 'p' },
        { "rounds", required_argument, NULL, 'r' },
        { "claims", required_argument, NULL, 'c' },
        { "plot", required_argument, NULL, 'o' },
        { 0 },
    };
    bool is_json = false;

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'j')
            is_json = true;
        else if (c == 'q')
            bench->is_quick = true;
        else if (c == 'p')
            chosen[part_named(optarg)] = true;
        else if (c == 'r')
            bench->rounds = strtoul(optarg, NULL, 10);
        else if (c == 'c')
            bench->claims = strtoul(optarg, NULL, 10);
        else if (c == 'o')
            bench->plot = optarg;
        else
            exit(64);
    }
    if (bench->rounds == 0)
        bench->rounds = bench->is_quick ? 3 : 9;
    if (bench->claims == 0)
        bench->claims = bench->is_quick ? 20000 : 200000;
    MUST(bench->rounds <= ROUNDS_MAX);
    return is_json;
}

/* As many creates and claims as its compiler needs to have done with both. */
static void server_warm(struct bench *bench)
{
    for (size_t i = 0; i < 3; i++) {
        struct venue venue = venue_open(bench, 0);
        const struct load load = { .count = WARM_CLAIMS, .outstanding = WARM_OUTSTANDING };
        raw_rate(bench, 128, 4, WARM_CLAIMS);
        load_run(venue.ledger, &load);
        venue_close(&venue);
    }
}

static void part_run(struct bench *bench, size_t part)
{
    bench->box = bench_server_of(HEAP_MB, parts[part].young_mb);
    bench->server_pid = 0;
    bench->servers = zkbox_servers(bench->box);
    bench->client = bench_client(bench->servers);
    bench->raw = raw_open(bench->servers, "/bench");
    server_warm(bench);
    parts[part].run(bench);
    raw_close(bench->raw);
    bench->client = bench_client_end(bench->client);
    bench->box = zkbox_stop(bench->box);
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };
    bool chosen[PARTS] = { false }, all = true;

    if (processes_is_worker(argv))
        return processes_worker(argv);
    bool is_json = read_arguments(&bench, chosen, argc, argv);

    report_begin(&bench.report, "ledger", is_json, argc, argv);
    report_note(&bench.report,
                "Each part has a server of its own, warmed: heap %d MB, tick 2000 ms, syncLimit "
                "10, fsync on.",
                HEAP_MB);
    bench.picture = plot_open(bench.plot);
    for (size_t i = 0; i < PARTS; i++)
        all = all && !chosen[i];
    for (size_t i = 0; i < PARTS; i++) {
        if (all || chosen[i])
            part_run(&bench, i);
    }
    if (bench.plot && !bench.picture)
        report_note(&bench.report, "gnuplot was missing when this was built: no picture.");
    plot_close(bench.picture);
    report_end(&bench.report);
    return 0;
}
