/* bench_ledger_callers.c - one process, many callers: claims against raw creates, turn by turn. And
 * what each costs the processor in this process: a figure that other work on the machine disturbs
 * less. */
#include "bench_ledger.h"

enum { OUTSTANDING = 4096 };

static const struct kind {
    const char *name, *words;
    size_t submit;
    unsigned repeat_percent;
} kinds[] = {
    { "callers", "claims, each by a new user", 0, 0 },
    { "submitted", "the same, submitted by 256", 256, 0 },
    { "callers_repeated", "coupons sold, 20 % of the claims by users who have one", 0, 20 },
    { "submitted_repeated", "the same, submitted by 256", 256, 20 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct series {
    double rate[ROUNDS_MAX], cpu_us[ROUNDS_MAX], server_cpu_us[ROUNDS_MAX];
};

static void cpu_tell(struct bench *bench, struct series *series, const char *name)
{
    char key[60];

    snprintf(key, sizeof key, "%s_cpu_us", name);
    report_figure(&bench->report, key, spread_of(series->cpu_us, bench->rounds).median, "us",
                  "  of processor time in this process for each");
    snprintf(key, sizeof key, "%s_server_cpu_us", name);
    report_figure(&bench->report, key, spread_of(series->server_cpu_us, bench->rounds).median, "us",
                  "  of processor time in the server for each");
}

static void series_put(struct series *series, size_t round, struct rate rate)
{
    series->rate[round] = rate.a_second;
    series->cpu_us[round] = rate.cpu_us;
    series->server_cpu_us[round] = rate.server_cpu_us;
}

static struct rate sell(struct bench *bench, const struct kind *kind)
{
    struct venue venue = venue_open(bench, 0);
    const struct load load = { .count = bench->claims,
                               .outstanding = OUTSTANDING,
                               .submit = kind->submit,
                               .repeat_percent = kind->repeat_percent };
    double began_us = server_cpu_us_now(bench);
    struct rate sold = load_run(venue.ledger, &load).sold;

    sold.server_cpu_us = (server_cpu_us_now(bench) - began_us) / sold.count;
    venue_close(&venue);
    return sold;
}

void part_callers(struct bench *bench)
{
    static struct series series[KINDS], raws;

    raw_know_best(bench);
    for (size_t round = 0; round < bench->rounds; round++) {
        series_put(&raws, round, raw_rate(bench, bench->batch, bench->in_flight, bench->claims));
        for (size_t i = 0; i < KINDS; i++)
            series_put(&series[i], round, sell(bench, &kinds[i]));
    }
    report_note(&bench->report, "One process, %d callers at once, %zu rounds of %zu claims.",
                OUTSTANDING, bench->rounds, bench->claims);
    rate_tell(bench, "callers_raw", raws.rate, NULL, "raw creates at their best");
    cpu_tell(bench, &raws, "callers_raw");
    for (size_t i = 0; i < KINDS; i++) {
        rate_tell(bench, kinds[i].name, series[i].rate, raws.rate, kinds[i].words);
        cpu_tell(bench, &series[i], kinds[i].name);
    }
}
