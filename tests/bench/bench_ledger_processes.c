/* bench_ledger_processes.c - eight processes that sell one campaign together, against raw creates by
 * one. Each tells how many of its commits were refused because another wrote there first. */
#include <string.h>

#include "bench_ledger.h"
#include "process.h"

enum { WORKERS = 8 };

/* ---- a worker: another process ---- */

bool processes_is_worker(char **argv)
{
    return strcmp(argv[0], "ledger-worker") == 0;
}

/* SERVERS CAMPAIGN FIRST COUNT CALLERS; told "go", it claims. */
int processes_worker(char **argv)
{
    lk_client *client = bench_client(argv[1]);
    const struct load load = { .first = strtoul(argv[3], NULL, 10),
                               .count = strtoul(argv[4], NULL, 10),
                               .outstanding = strtoul(argv[5], NULL, 10) };
    char line[20];
    lk_ledger *ledger;

    MUST(lk_ledger_new(&ledger, client, argv[2]) == LK_OK);
    printf("ready\n");
    fflush(stdout);
    MUST(fgets(line, sizeof line, stdin));
    load_run(ledger, &load); /* all new users: each is sold to, or it ends here */
    lk_ledger_stats stats = lk_ledger_get_stats(ledger);
    printf("sold %zu of %llu in vain %llu\n", load.count, (unsigned long long)stats.commits,
           (unsigned long long)(stats.conflicts + stats.mistaken));
    lk_ledger_free(ledger);
    bench_client_end(client);
    return 0;
}

/* ---- together ---- */

struct together {
    double rate, conflicts; /* conflicts: of commits */
};

static struct process *worker_start(struct bench *bench, const char *campaign, size_t rank,
                                    const char *callers)
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
                           (char *)(uintptr_t)callers,
                           NULL };
    struct process *worker = process_start(NULL, argv);
    process_hear(worker, "ready");
    return worker;
}

static struct together sell_together(struct bench *bench, const char *callers)
{
    struct venue venue = venue_open(bench, 0);
    struct process *workers[WORKERS];
    unsigned long long sold = 0, commits = 0, in_vain = 0;

    for (size_t i = 0; i < WORKERS; i++)
        workers[i] = worker_start(bench, venue.path, i, callers);
    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < WORKERS; i++)
        process_tell(workers[i], "go");
    for (size_t i = 0; i < WORKERS; i++) {
        unsigned long long told[3];
        MUST(sscanf(process_hear(workers[i], "sold "), "%llu of %llu in vain %llu", &told[0],
                    &told[1], &told[2])
             == 3);
        sold += told[0];
        commits += told[1];
        in_vain += told[2];
    }
    double us = us_since(began_ns);
    for (size_t i = 0; i < WORKERS; i++)
        MUST(process_end(workers[i]) == 0);
    venue_close(&venue);
    return (struct together){
        .rate = (double)sold / us * 1e6,
        .conflicts = (double)in_vain / (double)commits,
    };
}

void part_processes(struct bench *bench)
{
    static const char *const callers[] = { "1024", "4096" };
    enum { KINDS = sizeof callers / sizeof *callers };
    double raws[ROUNDS_MAX], rates[KINDS][ROUNDS_MAX], conflicts[KINDS][ROUNDS_MAX];

    raw_know_best(bench);
    for (size_t round = 0; round < bench->rounds; round++) {
        raws[round] = raw_rate(bench, bench->batch, bench->in_flight, bench->claims).a_second;
        for (size_t i = 0; i < KINDS; i++) {
            struct together together = sell_together(bench, callers[i]);
            rates[i][round] = together.rate;
            conflicts[i][round] = together.conflicts;
        }
    }
    report_note(&bench->report, "%d processes on one campaign, %zu rounds of %zu claims.", WORKERS,
                bench->rounds, bench->claims);
    rate_tell(bench, "processes_raw", raws, NULL, "raw creates at their best");
    for (size_t i = 0; i < KINDS; i++) {
        char name[40], words[60];
        snprintf(name, sizeof name, "processes_%s", callers[i]);
        snprintf(words, sizeof words, "claims, %s callers each", callers[i]);
        rate_tell(bench, name, rates[i], raws, words);
        struct spread in_vain = spread_of(conflicts[i], bench->rounds);
        snprintf(name, sizeof name, "processes_%s_conflicts", callers[i]);
        report_figure(&bench->report, name, in_vain.median * 100, "%",
                      "  commits in vain, of all commits (%.1f to %.1f)", in_vain.lowest * 100,
                      in_vain.highest * 100);
    }
}
