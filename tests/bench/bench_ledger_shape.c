/* bench_ledger_shape.c - how long a claim takes at 10, 50 and 90 % of the top rate, and how the rate
 * changes with shards, and with the callers and the batches that share a commit. */
#include <string.h>

#include "bench_ledger.h"
#include "plot.h"

enum { OUTSTANDING = 4096, POINTS_MAX = 8 };

static double sell(struct bench *bench, uint32_t shards, struct load load)
{
    struct venue venue = venue_open(bench, shards);
    struct loaded loaded = load_run(venue.ledger, &load);

    venue_close(&venue);
    return loaded.sold.a_second;
}

/* ---- latency ---- */

/* Which holds for as long as the latencies are measured. */
static double top_rate(struct bench *bench)
{
    const struct load load = { .count = 3 * bench->claims, .outstanding = OUTSTANDING };
    enum { RUNS = 3 };
    double rates[RUNS];

    for (size_t i = 0; i < RUNS; i++)
        rates[i] = sell(bench, 0, load);
    return spread_of(rates, RUNS).median;
}

static void tell_paced(struct bench *bench, unsigned percent, double p50_us, double p99_us,
                       double rate)
{
    char name[40];

    snprintf(name, sizeof name, "latency_%u_p50_us", percent);
    report_figure(&bench->report, name, p50_us, "us", "half of the claims at %u %% (%.0f/s)",
                  percent, rate);
    snprintf(name, sizeof name, "latency_%u_p99_us", percent);
    report_figure(&bench->report, name, p99_us, "us", "99 %% of the claims at %u %%", percent);
}

void part_latency(struct bench *bench)
{
    static const unsigned percents[] = { 10, 50, 90 };
    enum { LEVELS = sizeof percents / sizeof *percents };
    double p50[LEVELS][ROUNDS_MAX], p99[LEVELS][ROUNDS_MAX], median50[LEVELS], median99[LEVELS];
    size_t rounds = bench->rounds < 3 ? bench->rounds : 3;
    double top = top_rate(bench);

    report_note(
        &bench->report,
        "Claims at a rate of their own; the top is %.0f/s. The server's young generation is "
        "%d MB.",
        top, YOUNG_MB);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < LEVELS; i++) {
            double rate = top * percents[i] / 100;
            struct venue venue = venue_open(bench, 0);
            struct paced paced = load_pace(venue.ledger, 0,
                                           (size_t)(rate * (bench->is_quick ? 1 : 5)), rate);
            venue_close(&venue);
            p50[i][round] = paced.p50_us;
            p99[i][round] = paced.p99_us;
        }
    }
    for (size_t i = 0; i < LEVELS; i++) {
        median50[i] = spread_of(p50[i], rounds).median;
        median99[i] = spread_of(p99[i], rounds).median;
        tell_paced(bench, percents[i], median50[i], median99[i], top * percents[i] / 100);
    }
    plot_diagram(bench->picture, "A claim by the rate of claims", "claims/s", "ms");
    plot_line(bench->picture, "half are answered within");
    for (size_t i = 0; i < LEVELS; i++)
        plot_point(bench->picture, top * percents[i] / 100, median50[i] / 1e3);
    plot_line(bench->picture, "99 % are answered within");
    for (size_t i = 0; i < LEVELS; i++)
        plot_point(bench->picture, top * percents[i] / 100, median99[i] / 1e3);
}

/* ---- shards, callers, batches ---- */

struct axis {
    const char *name, *words;
    enum { SHARDS, CALLERS, BATCH } kind;
    size_t points[POINTS_MAX], count;
};

static double sell_at(struct bench *bench, const struct axis *axis, size_t point)
{
    struct load load = { .count = bench->claims, .outstanding = OUTSTANDING };

    if (axis->kind == CALLERS) {
        load.outstanding = point;
        if (load.count > 500 * point)
            load.count = 500 * point; /* few callers: fewer claims, or it takes all day */
    } else if (axis->kind == BATCH) {
        load.submit = point;
    }
    return sell(bench, axis->kind == SHARDS ? (uint32_t)point : 0, load);
}

/* Each round takes all of them in turn. */
static void tell_axis(struct bench *bench, const struct axis *axis)
{
    double rates[POINTS_MAX][ROUNDS_MAX];
    size_t rounds = bench->rounds < 3 ? bench->rounds : 3;

    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < axis->count; i++)
            rates[i][round] = sell_at(bench, axis, axis->points[i]);
    plot_diagram(bench->picture, axis->words, axis->name, "claims/s");
    plot_line(bench->picture, "claims");
    for (size_t i = 0; i < axis->count; i++) {
        char name[40];
        struct spread rate = spread_of(rates[i], rounds);
        snprintf(name, sizeof name, "%s_%zu_rate", axis->name, axis->points[i]);
        report_figure(&bench->report, name, rate.median, "/s", "claims, %zu %s (%.0f to %.0f)",
                      axis->points[i], axis->name, rate.lowest, rate.highest);
        plot_point(bench->picture, (double)axis->points[i], rate.median);
    }
}

void part_shape(struct bench *bench)
{
    static const struct axis axes[] = {
        { "shards", "Claims by shards, one process", SHARDS, { 1, 2, 4, 8, 16 }, 5 },
        { "callers",
          "Claims by callers at once",
          CALLERS,
          { 1, 4, 16, 64, 256, 1024, 4096, 16384 },
          8 },
        { "submitted",
          "Claims by how many are submitted at once",
          BATCH,
          { 1, 16, 64, 256, 1024 },
          5 },
    };

    report_note(&bench->report, "One process; %d callers at once where not told otherwise.",
                OUTSTANDING);
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        tell_axis(bench, &axes[i]);
}
