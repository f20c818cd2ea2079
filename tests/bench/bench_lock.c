/* bench_lock.c - what an uncontended lock costs over what ZooKeeper itself costs, in one run on one
 * server with the default fsync.
 *
 * The cycle of a lock (acquire, release) against that of ZooKeeper's own client (raw.h: create and
 * delete of such a znode with as many bytes of data), each on one connection. Like is held against
 * like: the blocking calls against raw requests that a thread awaits, the asynchronous calls, each
 * made from the callback of the last, against raw requests each sent from the completion of the
 * last. A raw completion runs on the library's own thread for that, where our engine runs too; our
 * callbacks run on one thread more, so the second comparison includes the hop to it. The blocking
 * calls over the raw chain, which wakes nobody, are told as well: unlike, and the strictest.
 *
 * Blocks alternate, so that what slows the machine slows both. Told is the median of the ratios of
 * neighbouring blocks, with their spread. On a machine that has other work too, whole blocks differ
 * more by that than by anything here; so then the two take turns cycle by cycle, and the quartiles of
 * single cycles are told. Curator is held against its own language's client in the same way, between
 * our blocks. It prints; it judges nothing. */
#include <pthread.h>
#include <string.h>

#include "curator.h"
#include "raw.h"
#include "report.h"

enum { ROUNDS = 9 };

static struct bench {
    struct raw *raw;
    struct curator *curator; /* NULL: not there */
    lk_lock *lock;
    size_t data_size; /* of the lock's znode */
    long left;        /* of a chain */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
} bench = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the lock's cycles ---- */

static void lock_blocking(long cycles)
{
    while (cycles-- > 0) {
        MUST(lk_lock_acquire(bench.lock, lk_in_ms(30000), NULL) == LK_OK);
        MUST(lk_lock_release(bench.lock, lk_in_ms(30000)) == LK_OK);
    }
}

static void chain_acquired(int status, void *arg);

static void chain_next(void)
{
    MUST(lk_lock_acquire_start(bench.lock, lk_in_ms(30000), chain_acquired, NULL, NULL) == LK_OK);
}

static void chain_released(int status, void *arg)
{
    (void)arg;
    MUST(status == LK_OK);
    pthread_mutex_lock(&bench.mutex);
    bool is_over = --bench.left == 0;
    if (is_over)
        pthread_cond_signal(&bench.changed);
    pthread_mutex_unlock(&bench.mutex);
    if (!is_over)
        chain_next();
}

static void chain_acquired(int status, void *arg)
{
    (void)arg;
    MUST(status == LK_OK);
    MUST(lk_lock_release_start(bench.lock, lk_in_ms(30000), chain_released, NULL, NULL) == LK_OK);
}

static void lock_chained(long cycles)
{
    bench.left = cycles;
    chain_next();
    pthread_mutex_lock(&bench.mutex);
    while (bench.left > 0)
        pthread_cond_wait(&bench.changed, &bench.mutex);
    pthread_mutex_unlock(&bench.mutex);
}

static void raw_awaited_like_it(long cycles)
{
    raw_awaited(bench.raw, bench.data_size, cycles);
}

static void raw_chained_like_it(long cycles)
{
    raw_chained(bench.raw, bench.data_size, cycles);
}

/* ---- blocks ---- */

static double cycle_us(void (*run)(long cycles), long cycles)
{
    int64_t began_ns = lk_now_ns();
    run(cycles);
    return us_since(began_ns) / (double)cycles;
}

static double curator_us(const char *what, long cycles)
{
    if (!bench.curator)
        return 0;
    return strtod(curator_ask(bench.curator, "took ", "%s %ld", what, cycles), NULL) / 1e3
           / (double)cycles;
}

/* Microseconds a cycle, of each round, and of the second over the first. */
struct pair {
    double base[ROUNDS], ours[ROUNDS], ratio[ROUNDS];
};

static void pair_put(struct pair *pair, int round, double base, double ours)
{
    pair->base[round] = base;
    pair->ours[round] = ours;
    pair->ratio[round] = ours / base;
}

static void pair_tell(struct report *report, struct pair *pair, const char *name, const char *base,
                      const char *ours)
{
    char key[60];
    struct spread ratio = spread_of(pair->ratio, ROUNDS);

    snprintf(key, sizeof key, "%s_base_us", name);
    report_figure(report, key, spread_of(pair->base, ROUNDS).median, "us", "%s", base);
    snprintf(key, sizeof key, "%s_us", name);
    report_figure(report, key, spread_of(pair->ours, ROUNDS).median, "us", "%s", ours);
    snprintf(key, sizeof key, "%s_ratio", name);
    report_figure(report, key, ratio.median, "x", "  median of %d ratios (%.3f to %.3f)", ROUNDS,
                  ratio.lowest, ratio.highest);
}

static void by_blocks(struct report *report, long cycles)
{
    struct pair blocking, chained, curator;
    double unlike[ROUNDS];

    for (int round = -1; round < ROUNDS; round++) { /* the first is for warmth */
        int at = round < 0 ? 0 : round;
        double base = cycle_us(raw_awaited_like_it, cycles);
        pair_put(&blocking, at, base, cycle_us(lock_blocking, cycles));
        base = cycle_us(raw_chained_like_it, cycles);
        pair_put(&chained, at, base, cycle_us(lock_chained, cycles));
        unlike[at] = blocking.ours[at] / chained.base[at];
        base = curator_us("raw", cycles);
        pair_put(&curator, at, base, curator_us("mutex", cycles));
    }
    report_note(report, "Uncontended cycles, %d rounds of blocks of %ld.", ROUNDS, cycles);
    pair_tell(report, &blocking, "blocking", "raw create + delete, awaited by a thread",
              "a lock, acquire + release, blocking calls");
    pair_tell(report, &chained, "chained", "raw create + delete, chained in completions",
              "a lock, acquire + release, chained in callbacks");
    struct spread over = spread_of(unlike, ROUNDS);
    report_figure(report, "blocking_over_chained_ratio", over.median, "x",
                  "blocking calls over the raw chain, %d ratios (%.3f to %.3f)", ROUNDS,
                  over.lowest, over.highest);
    if (bench.curator)
        pair_tell(report, &curator, "curator", "Java's client, create + delete, synchronous",
                  "Curator's InterProcessMutex, acquire + release");
    else
        report_note(report, "Curator is missing here: not measured.");
}

static void in_turns(struct report *report, long cycles)
{
    double *raws = calloc((size_t)cycles, sizeof *raws);
    double *locks = calloc((size_t)cycles, sizeof *locks);

    MUST(raws && locks);
    for (long i = 0; i < cycles; i++) {
        raws[i] = cycle_us(raw_awaited_like_it, 1);
        locks[i] = cycle_us(lock_blocking, 1);
    }
    struct spread raw = spread_of(raws, (size_t)cycles), lock = spread_of(locks, (size_t)cycles);
    report_note(report, "Cycle by cycle, %ld of each, raw awaited and lock blocking.", cycles);
    report_figure(report, "turns_base_us", raw.median, "us", "raw, median");
    report_figure(report, "turns_us", lock.median, "us", "lock, median");
    report_figure(report, "turns_lower_ratio", lock.lower / raw.lower, "x", "  at 25 %%");
    report_figure(report, "turns_ratio", lock.median / raw.median, "x", "  at 50 %%");
    report_figure(report, "turns_upper_ratio", lock.upper / raw.upper, "x", "  at 75 %%");
    free(raws);
    free(locks);
}

/* What the raw znodes must carry to be like the lock's. */
static size_t lock_data_size(void)
{
    struct Stat stat;
    char node[100], path[120];

    MUST(lk_lock_acquire(bench.lock, lk_in_ms(30000), NULL) == LK_OK);
    MUST(lk_lock_node(bench.lock, node, sizeof node) == LK_OK);
    snprintf(path, sizeof path, "/lock/%s", node);
    MUST(zoo_exists(raw_handle(bench.raw), path, 0, &stat) == ZOK);
    MUST(lk_lock_release(bench.lock, lk_in_ms(30000)) == LK_OK);
    return (size_t)stat.dataLength;
}

int main(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const char *count = argv[is_json ? 2 : 1]; /* [--json] [cycles a block] */
    long cycles = count ? strtol(count, NULL, 10) : 500;
    struct report report;

    MUST(cycles > 0);
    report_begin(&report, "lock", is_json, argc, argv);
    zkbox *box = bench_server();
    lk_client *client = bench_client(zkbox_servers(box));
    bench.raw = raw_open(zkbox_servers(box), "/raw");
    bench.curator = curator_start("CuratorCycle", zkbox_servers(box), NULL);
    MUST(lk_lock_new(&bench.lock, client, "/lock", NULL) == LK_OK);
    bench.data_size = lock_data_size();
    by_blocks(&report, cycles);
    in_turns(&report, 4 * cycles);
    report_end(&report);
    lk_lock_free(bench.lock);
    curator_stop(bench.curator);
    raw_close(bench.raw);
    bench_client_end(client);
    zkbox_stop(box);
    return 0;
}
