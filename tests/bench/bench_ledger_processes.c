/* bench_ledger_processes.c - eight processes that sell one campaign together, against raw creates by
 * one.
 *
 * Conflicts are counted by what is left behind: each write that ZooKeeper was asked for has a zxid,
 * also one that it refused, and each that took stock has made the version of a shard one larger. So
 * commits that count for nothing are those zxids that no shard shows. The proofs that users over
 * their limit are refused by, and stock that is moved between shards (two versions, one zxid), would
 * be counted wrongly; there are next to none here. */
#include <inttypes.h>
#include <string.h>

#include "bench_ledger.h"
#include "ledger/names.h"
#include "process.h"

enum { WORKERS = 8, OUTSTANDING = 1024 };

/* ---- a worker: another process ---- */

bool processes_is_worker(char **argv)
{
    return strcmp(argv[0], "ledger-worker") == 0;
}

/* SERVERS CAMPAIGN FIRST COUNT; told "go", it claims. */
int processes_worker(char **argv)
{
    lk_client *client = bench_client(argv[1]);
    const struct load load = { .first = strtoul(argv[3], NULL, 10),
                               .count = strtoul(argv[4], NULL, 10),
                               .outstanding = OUTSTANDING };
    char line[20];
    lk_ledger *ledger;

    MUST(lk_ledger_new(&ledger, client, argv[2]) == LK_OK);
    printf("ready\n");
    fflush(stdout);
    MUST(fgets(line, sizeof line, stdin));
    load_run(ledger, &load); /* all new users: each is sold to, or it ends here */
    printf("sold %zu\n", load.count);
    lk_ledger_free(ledger);
    bench_client_end(client);
    return 0;
}

/* ---- what was written ---- */

static uint64_t server_zxid(struct bench *bench)
{
    char *text;

    MUST(zkbox_ask(bench->box, 0, "srvr", &text) == 0);
    const char *zxid = strstr(text, "Zxid: 0x");
    MUST(zxid);
    uint64_t value = strtoull(zxid + strlen("Zxid: 0x"), NULL, 16);
    free(text);
    return value;
}

static int look(zhandle_t *handle, const char *path, struct Stat *stat)
{
    int rc;

    do /* on a machine with much other work a connection may be lost: it is made again */
        rc = zoo_exists(handle, path, 0, stat);
    while (rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT);
    if (rc != ZOK && rc != ZNONODE)
        fprintf(stderr, "%s: %s\n", path, zerror(rc));
    MUST(rc == ZOK || rc == ZNONODE);
    return rc;
}

/* The sum over all shards that there are. */
static uint64_t shard_versions(struct bench *bench, const char *campaign)
{
    uint64_t sum = 0;
    int rc = ZOK;

    for (size_t i = 0; i < LK_SHARDS_MAX && rc == ZOK; i++) {
        struct Stat stat = { 0 };
        char *path = name_shard(campaign, i);
        rc = look(raw_handle(bench->raw), path, &stat);
        free(path);
        sum += rc == ZOK ? (uint64_t)stat.version : 0;
    }
    return sum;
}

/* ---- together ---- */

struct together {
    double rate, conflicts; /* conflicts: of commits */
};

static struct process *worker_start(struct bench *bench, const char *campaign, size_t rank)
{
    char first[24], count[24];
    size_t each = bench->claims / WORKERS;

    snprintf(first, sizeof first, "%zu", rank * each);
    snprintf(count, sizeof count, "%zu", each);
    char *const argv[] = { (char[]){ "ledger-worker" },
                           (char *)(uintptr_t)bench->servers,
                           (char *)(uintptr_t)campaign,
                           first,
                           count,
                           NULL };
    struct process *worker = process_start(NULL, argv);
    process_hear(worker, "ready");
    return worker;
}

static struct together sell_together(struct bench *bench, uint32_t shards)
{
    struct venue venue = venue_open(bench, shards);
    struct process *workers[WORKERS];
    size_t sold = 0;

    for (size_t i = 0; i < WORKERS; i++)
        workers[i] = worker_start(bench, venue.path, i);
    uint64_t zxid = server_zxid(bench);
    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < WORKERS; i++)
        process_tell(workers[i], "go");
    for (size_t i = 0; i < WORKERS; i++)
        sold += strtoul(process_hear(workers[i], "sold "), NULL, 10);
    double us = us_since(began_ns);
    for (size_t i = 0; i < WORKERS; i++)
        MUST(process_end(workers[i]) == 0);
    uint64_t tried = server_zxid(bench) - zxid - WORKERS; /* each has ended its session */
    uint64_t committed = shard_versions(bench, venue.path);
    venue_close(&venue);
    return (struct together){
        .rate = (double)sold / us * 1e6,
        .conflicts = tried > committed ? (double)(tried - committed) / (double)tried : 0,
    };
}

static void tell_together(struct bench *bench, const char *name, const char *words,
                          struct spread rate, struct spread ratio, struct spread conflicts)
{
    char key[60];

    snprintf(key, sizeof key, "processes_%s_rate", name);
    report_figure(&bench->report, key, rate.median, "/s",
                  "claims by %d processes, %s (%.0f to %.0f)", WORKERS, words, rate.lowest,
                  rate.highest);
    snprintf(key, sizeof key, "processes_%s_ratio", name);
    report_figure(&bench->report, key, ratio.median, "x",
                  "  of raw creates, median of %zu ratios (%.3f to %.3f)", bench->rounds,
                  ratio.lowest, ratio.highest);
    snprintf(key, sizeof key, "processes_%s_conflicts", name);
    report_figure(&bench->report, key, conflicts.median * 100, "%",
                  "  commits in vain, of all commits (%.1f to %.1f)", conflicts.lowest * 100,
                  conflicts.highest * 100);
}

void part_processes(struct bench *bench)
{
    static const struct {
        uint32_t shards;
        const char *name, *words;
    } kinds[] = { { 16, "k16", "16 shards" }, { 0, "default", "the default of shards" } };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    double rate[KINDS][ROUNDS_MAX], ratio[KINDS][ROUNDS_MAX], conflicts[KINDS][ROUNDS_MAX];

    raw_know_best(bench);
    sell_together(bench, 0); /* for warmth */
    for (size_t round = 0; round < bench->rounds; round++) {
        double raw = raw_rate(bench, bench->batch, bench->in_flight, bench->claims).a_second;
        for (size_t i = 0; i < KINDS; i++) {
            struct together together = sell_together(bench, kinds[i].shards);
            rate[i][round] = together.rate;
            ratio[i][round] = together.rate / raw;
            conflicts[i][round] = together.conflicts;
        }
    }
    report_note(&bench->report, "%d processes on one campaign, %d callers each.", WORKERS,
                OUTSTANDING);
    for (size_t i = 0; i < KINDS; i++)
        tell_together(bench, kinds[i].name, kinds[i].words, spread_of(rate[i], bench->rounds),
                      spread_of(ratio[i], bench->rounds), spread_of(conflicts[i], bench->rounds));
}
