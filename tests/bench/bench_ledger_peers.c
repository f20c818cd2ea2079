/* bench_ledger_peers.c - Redis and its two usual ways to sell coupons, between rounds of ours. */
#include "bench_ledger.h"
#include "redis.h"

enum { OUTSTANDING = 4096, CONNECTIONS = 50, PIPELINE = 64, POLICIES = 2, WAYS = 2 };

static double sell(struct bench *bench)
{
    struct venue venue = venue_open(bench, 0);
    const struct load load = { .count = bench->claims, .outstanding = OUTSTANDING };
    struct loaded loaded = load_run(venue.ledger, &load);

    venue_close(&venue);
    return loaded.sold.a_second;
}

void part_peers(struct bench *bench)
{
    static const char *const policies[POLICIES] = { "always", "everysec" };
    static const char *const ways[WAYS][2] = { { "recipe", "SET NX, look, DECR, SADD, DEL" },
                                               { "script", "one script, pipelined" } };
    struct redis *redis[POLICIES];
    double ours[ROUNDS_MAX], rate[POLICIES][WAYS][ROUNDS_MAX];
    size_t few = bench->is_quick ? 2000 : 10000;

    for (size_t p = 0; p < POLICIES; p++)
        redis[p] = redis_start(policies[p]);
    if (!redis[0]) {
        report_note(&bench->report, "Redis is missing here: not measured.");
        return;
    }
    for (size_t round = 0; round < bench->rounds; round++) {
        for (size_t p = 0; p < POLICIES; p++) {
            rate[p][0][round] = redis_recipe(redis[p], CONNECTIONS, few);
            rate[p][1][round] = redis_script(redis[p], CONNECTIONS, PIPELINE, bench->claims);
        }
        ours[round] = sell(bench);
    }
    report_note(&bench->report, "Redis, %d connections (pipelines of %d), beside our claims.",
                CONNECTIONS, PIPELINE);
    for (size_t p = 0; p < POLICIES; p++) {
        for (size_t w = 0; w < WAYS; w++) {
            char name[60];
            struct spread spread = spread_of(rate[p][w], bench->rounds);
            snprintf(name, sizeof name, "redis_%s_%s_rate", ways[w][0], policies[p]);
            report_figure(&bench->report, name, spread.median, "/s", "%s, fsync %s (%.0f to %.0f)",
                          ways[w][1], policies[p], spread.lowest, spread.highest);
        }
        redis_stop(redis[p]);
    }
    struct spread spread = spread_of(ours, bench->rounds);
    report_figure(&bench->report, "peers_ours_rate", spread.median, "/s",
                  "our claims, one process, %d callers (%.0f to %.0f)", OUTSTANDING, spread.lowest,
                  spread.highest);
}
