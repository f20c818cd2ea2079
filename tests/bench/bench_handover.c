/* bench_handover.c - does a hand-over cost more the more wait behind it? Time, requests and bytes
 * for each, with 10 to 10,000 waiters, beside Curator's InterProcessMutex; and what it costs to
 * join behind so many.
 *
 *     bench_handover [--json] [--rounds R] [--most N]
 *
 * All in one run on one server with its default fsync. Time is taken on direct connections: in each
 * round every length of line has its turn, latchkey's and Curator's one after the other, so that
 * what slows the machine slows all; short lines are repeated until they have as many hand-overs as
 * need be. The first few hand-overs of a line find the server at rest and are slower for that,
 * whoever asks; a line has so many more, which are not timed. Told is the median over the rounds of
 * the mean of a round, and of its middle. Requests and bytes are
 * counted apart from that, by a proxy (zkbox), since it takes time too. They include the sessions'
 * pings. It prints; it judges nothing. */
#include <getopt.h>
#include <string.h>

#include "handover.h"
#include "raw.h"
#include "report.h"

enum {
    ROUNDS_MAX = 25,
    CURATOR_WAITERS_MAX = 2000,
    HANDOVERS_A_ROUND = 500, /* at least, of each length */
    HANDOVERS_COUNTED = 100,
    UNTIMED = 5,                /* the first of each line */
    JOINS = HANDOVER_JOINS_MAX, /* at the end of each line that is counted */
};

static const size_t lengths[] = { 10, 100, 1000, 2000, 10000 };

enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

enum { LATCHKEY, CURATOR, CONTENDERS };

static const struct contender *const contenders[CONTENDERS] = {
    [LATCHKEY] = &handover_latchkey,
    [CURATOR] = &handover_curator,
};

/* Of one contender and one length of line. */
struct figures {
    double mean_us[ROUNDS_MAX], middle_us[ROUNDS_MAX]; /* of each round's hand-overs */
    double requests, to_server, to_client;             /* for one of them; bytes */
};

enum { JOINS_MAX = (HANDOVERS_COUNTED / 10 + 1) * JOINS };

struct join_figures {
    double us[JOINS_MAX], commit_us[JOINS_MAX];
    size_t count, requests, to_server, to_client; /* the largest */
};

static struct {
    zkbox *box;
    size_t rounds, most;
    struct report report;
    bool is_missing[CONTENDERS];
    struct figures figures[CONTENDERS][LENGTHS];
    struct join_figures joins[LENGTHS];
} bench;

static bool takes_part(size_t who, size_t length)
{
    return !bench.is_missing[who] && lengths[length] <= bench.most
           && (who != CURATOR || lengths[length] <= CURATOR_WAITERS_MAX);
}

/* ---- lines ---- */

static int64_t watches(void)
{
    static const char name[] = "Total watches:";
    char *text;

    MUST(zkbox_ask(bench.box, 0, "wchs", &text) == 0);
    const char *at = strstr(text, name);
    MUST(at);
    int64_t count = strtoll(at + strlen(name), NULL, 10);
    free(text);
    return count;
}

/* Returns when all wait: each watches the one before it. */
static void form(const struct contender *contender, void *self, size_t waiters)
{
    char path[40];
    int64_t before = watches();

    /* All of one size, or the longer name would be counted. */
    snprintf(path, sizeof path, "/%s-%05zu", contender->name, waiters);
    contender->form(self, path, waiters);
    while (watches() < before + (int64_t)waiters)
        ;
}

static void time_round(size_t who, void *self, size_t length, size_t round)
{
    const struct contender *contender = contenders[who];
    struct figures *figures = &bench.figures[who][length];
    size_t waiters = lengths[length], count = 0;
    int64_t *moments_ns = calloc(UNTIMED + waiters + 1, sizeof *moments_ns);
    double *each_us = calloc(HANDOVERS_A_ROUND + waiters, sizeof *each_us), sum_us = 0;

    MUST(moments_ns && each_us);
    while (count < HANDOVERS_A_ROUND) {
        form(contender, self, UNTIMED + waiters);
        contender->drain(self, moments_ns);
        contender->end(self);
        for (const int64_t *moment = moments_ns + UNTIMED; moment < moments_ns + UNTIMED + waiters;
             moment++) {
            each_us[count] = (double)(moment[1] - moment[0]) / 1e3;
            sum_us += each_us[count++];
        }
    }
    figures->mean_us[round] = sum_us / (double)count;
    figures->middle_us[round] = spread_of(each_us, count).median;
    free(moments_ns);
    free(each_us);
}

static void join_some(void *self, zkbox_proxy *proxy, size_t length)
{
    struct join_figures *joins = &bench.joins[length];

    for (size_t i = 0; i < JOINS; i++) {
        struct join_cost cost = handover_join(self, proxy);
        MUST(joins->count < JOINS_MAX);
        joins->us[joins->count] = (double)cost.ns / 1e3;
        joins->commit_us[joins->count++] = (double)cost.commit_ns / 1e3;
        joins->requests = cost.requests > joins->requests ? cost.requests : joins->requests;
        joins->to_server = cost.to_server > joins->to_server ? cost.to_server : joins->to_server;
        joins->to_client = cost.to_client > joins->to_client ? cost.to_client : joins->to_client;
    }
}

/* Lines, until there are enough hand-overs, through the proxy. */
static void count_requests(size_t who, void *self, zkbox_proxy *proxy, size_t length)
{
    const struct contender *contender = contenders[who];
    struct figures *figures = &bench.figures[who][length];
    size_t waiters = lengths[length], count = 0;
    int64_t *moments_ns = calloc(waiters + JOINS + 1, sizeof *moments_ns);
    int64_t requests = 0, to_server = 0, to_client = 0;

    MUST(moments_ns);
    while (count < HANDOVERS_COUNTED) {
        form(contender, self, waiters);
        if (who == LATCHKEY)
            join_some(self, proxy, length);
        zkbox_proxy_reset_counts(proxy);
        contender->drain(self, moments_ns);
        requests += zkbox_proxy_requests(proxy, ZKBOX_ANY);
        to_server += zkbox_proxy_bytes(proxy, ZKBOX_TO_SERVER);
        to_client += zkbox_proxy_bytes(proxy, ZKBOX_TO_CLIENT);
        contender->end(self);
        count += waiters + (who == LATCHKEY ? JOINS : 0);
    }
    figures->requests = (double)requests / (double)count;
    figures->to_server = (double)to_server / (double)count;
    figures->to_client = (double)to_client / (double)count;
    free(moments_ns);
}

/* ---- the run ---- */

/* What is compiled while it runs should be by then. */
static void *open_and_warm(size_t who)
{
    void *self = contenders[who]->open(zkbox_servers(bench.box));

    bench.is_missing[who] = !self;
    for (size_t length = 1, i = 0; self && i < 2; i++)
        time_round(who, self, length, 0);
    return self;
}

static void measure_time(void)
{
    void *selves[CONTENDERS];

    for (size_t who = 0; who < CONTENDERS; who++)
        selves[who] = open_and_warm(who);
    for (size_t round = 0; round < bench.rounds; round++)
        for (size_t length = 0; length < LENGTHS; length++)
            for (size_t who = 0; who < CONTENDERS; who++)
                if (takes_part(who, length))
                    time_round(who, selves[who], length, round);
    for (size_t who = 0; who < CONTENDERS; who++)
        if (selves[who])
            contenders[who]->close(selves[who]);
}

static void measure_traffic(void)
{
    zkbox_proxy *proxy;

    MUST(zkbox_proxy_start(&proxy, zkbox_servers(bench.box)) == 0);
    for (size_t who = 0; who < CONTENDERS; who++) {
        if (bench.is_missing[who])
            continue;
        void *self = contenders[who]->open(zkbox_proxy_address(proxy));
        for (size_t length = 0; length < LENGTHS; length++)
            if (takes_part(who, length))
                count_requests(who, self, proxy, length);
        contenders[who]->close(self);
    }
    zkbox_proxy_stop(proxy);
}

/* ---- what is told ---- */

static struct spread spread_of_rounds(const double *values)
{
    double sorted[ROUNDS_MAX];

    memcpy(sorted, values, sizeof sorted);
    return spread_of(sorted, bench.rounds);
}

/* Of each round's own ratio to its shortest line. */
static struct spread growth(const double *longer, const double *shortest)
{
    double ratios[ROUNDS_MAX];

    for (size_t round = 0; round < bench.rounds; round++)
        ratios[round] = longer[round] / shortest[round];
    return spread_of(ratios, bench.rounds);
}

/* As latchkey_10000_mean_us; with its lowest and highest. */
static void tell_spread(const char *who, size_t waiters, const char *figure, const char *unit,
                        struct spread spread)
{
    const struct {
        const char *suffix;
        double value;
    } values[] = { { "", spread.median },
                   { "_lowest", spread.lowest },
                   { "_highest", spread.highest } };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s_%zu_%s%s", who, waiters, figure, values[i].suffix);
        report_figure(&bench.report, name, values[i].value, unit, "%s", name);
    }
}

static void tell_number(const char *who, size_t waiters, const char *figure, const char *unit,
                        double value)
{
    char name[100];

    snprintf(name, sizeof name, "%s_%zu_%s", who, waiters, figure);
    report_figure(&bench.report, name, value, unit, "%s", name);
}

static void tell_handover(size_t who, size_t length)
{
    const struct figures *of = &bench.figures[who][length], *shortest = &bench.figures[who][0];
    const char *name = contenders[who]->name;
    size_t waiters = lengths[length];
    struct spread mean = spread_of_rounds(of->mean_us), middle = spread_of_rounds(of->middle_us);
    struct spread mean_growth = growth(of->mean_us, shortest->mean_us);
    struct spread middle_growth = growth(of->middle_us, shortest->middle_us);

    if (!bench.report.is_json) {
        printf("%-8s %7zu  %6.0f (%4.0f to %5.0f)  %5.2f (%4.2f to %4.2f)  "
               "%6.0f (%4.0f to %5.0f)  %5.2f (%4.2f to %4.2f)  %8.2f %9.0f %9.0f\n",
               name, waiters, mean.median, mean.lowest, mean.highest, mean_growth.median,
               mean_growth.lowest, mean_growth.highest, middle.median, middle.lowest,
               middle.highest, middle_growth.median, middle_growth.lowest, middle_growth.highest,
               of->requests, of->to_server, of->to_client);
        return;
    }
    tell_spread(name, waiters, "mean_us", "us", mean);
    tell_spread(name, waiters, "mean_growth", "x", mean_growth);
    tell_spread(name, waiters, "middle_us", "us", middle);
    tell_spread(name, waiters, "middle_growth", "x", middle_growth);
    tell_number(name, waiters, "requests", "requests", of->requests);
    tell_number(name, waiters, "bytes_to_server", "bytes", of->to_server);
    tell_number(name, waiters, "bytes_to_client", "bytes", of->to_client);
}

static void tell_handovers(void)
{
    if (!bench.report.is_json)
        printf("a hand-over, %d clients; us, medians of %zu rounds (lowest to highest)\n"
               "         %7s  %-22s  %-20s  %-22s  %-20s  %8s %9s %9s\n",
               HANDOVER_CLIENTS, bench.rounds, "waiters", "  mean", "over 10's", "  middle",
               "over 10's", "requests", "to server", "to client");
    for (size_t who = 0; who < CONTENDERS; who++)
        for (size_t length = 0; length < LENGTHS; length++)
            if (takes_part(who, length))
                tell_handover(who, length);
    if (bench.is_missing[CURATOR])
        report_note(&bench.report, "Curator is missing: java, javac or its jars were not there");
}

static void tell_join(size_t length)
{
    struct join_figures *joins = &bench.joins[length];
    struct spread each = spread_of(joins->us, joins->count);
    double commit_us = spread_of(joins->commit_us, joins->count).median;
    size_t ahead = lengths[length];

    if (!bench.report.is_json) {
        printf("%16zu  %6.0f (%4.0f to %5.0f)  %6.0f  %8zu %9zu %9zu\n", ahead, each.median,
               each.lower, each.upper, commit_us, joins->requests, joins->to_server,
               joins->to_client);
        return;
    }
    tell_spread("join", ahead, "us", "us", each);
    tell_number("join", ahead, "commit_us", "us", commit_us);
    tell_number("join", ahead, "requests", "requests", (double)joins->requests);
    tell_number("join", ahead, "bytes_to_server", "bytes", (double)joins->to_server);
    tell_number("join", ahead, "bytes_to_client", "bytes", (double)joins->to_client);
}

static void tell_joins(void)
{
    if (!bench.report.is_json)
        printf(
            "latchkey, one more joins, as a proxy saw it; us; beside a bare commit just after it; "
            "requests and bytes at most\n%16s  %-22s  %6s  %8s %9s %9s\n",
            "ahead", "middle (quartiles)", "commit", "requests", "to server", "to client");
    for (size_t length = 0; length < LENGTHS && takes_part(LATCHKEY, length); length++)
        tell_join(length);
}

static bool read_arguments(int argc, char **argv)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' },
        { "rounds", required_argument, NULL, 'r' },
        { "most", required_argument, NULL, 'm' },
        { 0 },
    };
    bool is_json = false;

    bench.rounds = 5;
    bench.most = lengths[LENGTHS - 1];
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (c == 'j')
            is_json = true;
        else if (c == 'r')
            bench.rounds = strtoul(optarg, NULL, 10);
        else if (c == 'm')
            bench.most = strtoul(optarg, NULL, 10);
        else
            exit(64);
    MUST(bench.rounds > 0 && bench.rounds <= ROUNDS_MAX && bench.most >= lengths[0]);
    return is_json;
}

int main(int argc, char **argv)
{
    bool is_json = read_arguments(argc, argv);

    report_begin(&bench.report, "handover", is_json, argc, argv);
    bench.box = bench_server();
    measure_time();
    measure_traffic();
    tell_handovers();
    tell_joins();
    report_end(&bench.report);
    zkbox_stop(bench.box);
    return 0;
}
