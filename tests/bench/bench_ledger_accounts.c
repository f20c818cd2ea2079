/* bench_ledger_accounts.c - claims in a campaign that has a thousand, and up to a million accounts;
 * and what an account takes. */
#include <ftw.h>
#include <string.h>

#include "bench_ledger.h"
#include "plot.h"

enum { OUTSTANDING = 4096 };

static double disk_bytes; /* of what nftw() has walked over */

static int add_file(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)path, (void)type, (void)walk;
    disk_bytes += (double)stat->st_blocks * 512;
    return 0;
}

static double server_disk_bytes(struct bench *bench)
{
    disk_bytes = 0;
    nftw(zkbox_folder(bench->box), add_file, 16, FTW_PHYS);
    return disk_bytes;
}

/* By ZooKeeper's own estimate: paths and data, without what the heap adds to each. */
static double server_data_bytes(struct bench *bench)
{
    static const char key[] = "zk_approximate_data_size\t";
    char *text;

    MUST(zkbox_ask(bench->box, 0, "mntr", &text) == 0);
    const char *found = strstr(text, key);
    MUST(found);
    double bytes = strtod(found + strlen(key), NULL);
    free(text);
    return bytes;
}

/* Claims by so many new users; how many accounts there are then stands in *there. */
static double sell(struct venue *venue, size_t *there, size_t count)
{
    const struct load load = { .first = *there, .count = count, .outstanding = OUTSTANDING };

    *there += count;
    return load_run(venue->ledger, &load).sold.a_second;
}

static void tell_rate(struct bench *bench, struct venue *venue, size_t *there, size_t size)
{
    size_t most = bench->is_quick ? 5000 : 20000, sample = size < most ? size : most;
    enum { SAMPLES = 3 };
    double rates[SAMPLES];
    char name[40];

    sell(venue, there, size - *there);
    for (size_t i = 0; i < SAMPLES; i++)
        rates[i] = sell(venue, there, sample);
    struct spread rate = spread_of(rates, SAMPLES);
    snprintf(name, sizeof name, "accounts_%zu_rate", size);
    report_figure(&bench->report, name, rate.median, "/s", "claims, %zu accounts (%.0f to %.0f)",
                  size, rate.lowest, rate.highest);
    plot_point(bench->picture, (double)size, rate.median);
}

void part_accounts(struct bench *bench)
{
    static const size_t sizes[] = { 1000, 10000, 100000, 1000000 };
    size_t count = sizeof sizes / sizeof *sizes, there = 0;
    struct venue venue = venue_open(bench, 0);
    double disk = server_disk_bytes(bench), data = server_data_bytes(bench);

    report_note(&bench->report, "One campaign that grows; %d callers at once.", OUTSTANDING);
    plot_diagram(bench->picture, "Claims by accounts that there are", "accounts", "claims/s");
    plot_line(bench->picture, "claims");
    for (size_t i = 0; i < count - bench->is_quick; i++)
        tell_rate(bench, &venue, &there, sizes[i]);
    disk = server_disk_bytes(bench) - disk;
    data = server_data_bytes(bench) - data;
    report_figure(&bench->report, "account_data_bytes", data / (double)there, "bytes",
                  "path and record of an account with one coupon");
    report_figure(&bench->report, "account_disk_bytes", disk / (double)there, "bytes",
                  "on the disk for each: transaction log and snapshots");
    venue_close(&venue);
}
