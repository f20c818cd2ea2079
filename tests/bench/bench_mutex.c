/* bench_mutex.c - how fast threads hand a lock to each other: lk_mutex with local turns allowed,
 * against what any hand-over between threads costs.
 *
 * That is a ring: a mutex, a condition for each thread, and whose turn it is; who has had it names
 * the next, wakes it and waits. Two threads in turn, and eight; blocks alternate; told is the median
 * of the ratios of neighbouring blocks.
 *
 * lk_mutex gives the lock back to the servers when no thread waits at an unlock. That is no local
 * hand-over, so an owner here keeps it until another has asked, and the ring is held to the same
 * (`ring`). How often the servers granted all the same is told, and in the figures. A ring that may
 * pass the turn to who does not wait yet (`free ring`) saves some of the waking: a yardstick that no
 * queue of waiters can reach, told beside the other.
 *
 * Curator's threads on one InterProcessMutex, which hands over by the servers, run between the
 * blocks. It prints; it judges nothing. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "curator.h"
#include "raw.h"
#include "report.h"

enum { ROUNDS = 9, THREADS_MAX = 8, CURATOR_TURNS = 200 };

static struct bench {
    lk_mutex *mutex;
    struct curator *curator; /* NULL: not there */
    pthread_barrier_t start;
    long each;                     /* turns of one thread */
    atomic_size_t asking, running; /* threads */

    pthread_mutex_t lock; /* the ring */
    pthread_cond_t wake[THREADS_MAX];
    size_t turn, threads;
} bench = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- a thread's turns ---- */

struct member {
    pthread_t thread;
    size_t rank;
    long by_servers; /* grants that came from the line */
    void (*take_turns)(struct member *member);
};

/* Who owns keeps it until another has asked: so each hand-over is one. */
static void await_asking(void)
{
    while (atomic_load(&bench.asking) == 0 && atomic_load(&bench.running) > 1)
        sched_yield();
}

static void ring_turns(struct member *member)
{
    for (long i = 0; i < bench.each; i++) {
        atomic_fetch_add(&bench.asking, 1);
        pthread_mutex_lock(&bench.lock);
        while (bench.turn != member->rank)
            pthread_cond_wait(&bench.wake[member->rank], &bench.lock);
        pthread_mutex_unlock(&bench.lock);
        atomic_fetch_sub(&bench.asking, 1);
        await_asking();
        pthread_mutex_lock(&bench.lock);
        bench.turn = (member->rank + 1) % bench.threads;
        pthread_cond_signal(&bench.wake[bench.turn]);
        pthread_mutex_unlock(&bench.lock);
    }
    atomic_fetch_sub(&bench.running, 1);
}

static void free_ring_turns(struct member *member)
{
    for (long i = 0; i < bench.each; i++) {
        pthread_mutex_lock(&bench.lock);
        while (bench.turn != member->rank)
            pthread_cond_wait(&bench.wake[member->rank], &bench.lock);
        bench.turn = (member->rank + 1) % bench.threads;
        pthread_cond_signal(&bench.wake[bench.turn]);
        pthread_mutex_unlock(&bench.lock);
    }
}

static void mutex_turns(struct member *member)
{
    lk_fence fence;

    for (long i = 0; i < bench.each; i++) {
        atomic_fetch_add(&bench.asking, 1);
        MUST(lk_mutex_lock(bench.mutex, lk_in_ms(30000), &fence) == LK_OK);
        atomic_fetch_sub(&bench.asking, 1);
        member->by_servers += fence.turn == 0;
        await_asking();
        MUST(lk_mutex_unlock(bench.mutex, lk_in_ms(30000)) == LK_OK);
    }
    atomic_fetch_sub(&bench.running, 1);
}

static void *member_main(void *arg)
{
    struct member *member = arg;

    pthread_barrier_wait(&bench.start);
    member->take_turns(member);
    return NULL;
}

/* ---- blocks ---- */

/* Microseconds a hand-over. Without the waking of the threads at the start. */
static double block_us(void (*take_turns)(struct member *member), long *by_servers)
{
    struct member members[THREADS_MAX] = { 0 };

    pthread_barrier_init(&bench.start, NULL, (unsigned)bench.threads + 1);
    bench.turn = 0;
    atomic_store(&bench.running, bench.threads);
    for (size_t i = 0; i < bench.threads; i++) {
        members[i].rank = i;
        members[i].take_turns = take_turns;
        MUST(pthread_create(&members[i].thread, NULL, member_main, &members[i]) == 0);
    }
    pthread_barrier_wait(&bench.start);
    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < bench.threads; i++)
        MUST(pthread_join(members[i].thread, NULL) == 0);
    double took_us = us_since(began_ns);
    for (size_t i = 0; i < bench.threads; i++)
        *by_servers += members[i].by_servers;
    pthread_barrier_destroy(&bench.start);
    return took_us / (double)bench.each / (double)bench.threads;
}

static double curator_us(size_t threads)
{
    size_t each = CURATOR_TURNS / threads;

    if (!bench.curator)
        return 0;
    return strtod(curator_ask(bench.curator, "took ", "turns %zu %zu", threads, each), NULL) / 1e3
           / (double)(each * threads);
}

/* In microseconds a hand-over, of each round. */
struct rounds {
    double ring[ROUNDS], free_ring[ROUNDS], mutex[ROUNDS], curator[ROUNDS];
    double to_ring[ROUNDS], to_free_ring[ROUNDS];
    long by_servers;
};

static void run_round(struct rounds *rounds, int at)
{
    long none = 0;

    rounds->ring[at] = block_us(ring_turns, &none);
    rounds->mutex[at] = block_us(mutex_turns, &rounds->by_servers);
    rounds->free_ring[at] = block_us(free_ring_turns, &none);
    rounds->to_ring[at] = rounds->mutex[at] / rounds->ring[at];
    rounds->to_free_ring[at] = rounds->mutex[at] / rounds->free_ring[at];
    rounds->curator[at] = curator_us(bench.threads);
}

static void tell_us(struct report *report, const char *name, double *values, const char *what)
{
    char key[60];

    snprintf(key, sizeof key, "%s_%zu_us", name, bench.threads);
    report_figure(report, key, spread_of(values, ROUNDS).median, "us", "%s", what);
}

static void tell_ratio(struct report *report, const char *name, double *values, const char *what)
{
    char key[60];
    struct spread spread = spread_of(values, ROUNDS);

    snprintf(key, sizeof key, "%s_%zu_ratio", name, bench.threads);
    report_figure(report, key, spread.median, "x", "  over the %s, median of %d (%.2f to %.2f)",
                  what, ROUNDS, spread.lowest, spread.highest);
}

static void compare(struct report *report, size_t threads, long turns)
{
    struct rounds rounds = { 0 };

    bench.threads = threads;
    bench.each = turns / (long)threads;
    run_round(&rounds, 0); /* for warmth */
    rounds.by_servers = 0;
    for (int round = 0; round < ROUNDS; round++)
        run_round(&rounds, round);
    report_note(report, "%zu threads in turn, %d rounds of %ld hand-overs.", threads, ROUNDS,
                bench.each * (long)threads);
    tell_us(report, "ring", rounds.ring, "ring");
    tell_us(report, "free_ring", rounds.free_ring, "free ring");
    tell_us(report, "mutex", rounds.mutex, "lk_mutex, local turns allowed");
    tell_ratio(report, "ring", rounds.to_ring, "ring");
    tell_ratio(report, "free_ring", rounds.to_free_ring, "free ring");
    report_figure(report, threads == 2 ? "servers_2" : "servers_8",
                  (double)rounds.by_servers / ROUNDS, "grants", "  by the servers, a round, mean");
    if (bench.curator)
        tell_us(report, "curator", rounds.curator, "Curator's InterProcessMutex, threads");
}

int main(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    const char *count = argv[is_json ? 2 : 1]; /* [--json] [hand-overs a block] */
    long turns = count ? strtol(count, NULL, 10) : 20000;
    lk_mutex_options options = LK_MUTEX_OPTIONS_INIT;
    struct report report;

    MUST(turns >= THREADS_MAX);
    report_begin(&report, "mutex", is_json, argc, argv);
    zkbox *box = bench_server();
    lk_client *client = bench_client(zkbox_servers(box));
    options.local_turns = UINT32_MAX;
    MUST(lk_mutex_new(&bench.mutex, client, "/mutex", &options) == LK_OK);
    bench.curator = curator_start("CuratorThreads", zkbox_servers(box), NULL);
    for (size_t i = 0; i < THREADS_MAX; i++)
        pthread_cond_init(&bench.wake[i], NULL);
    compare(&report, 2, turns);
    compare(&report, THREADS_MAX, turns);
    if (!bench.curator)
        report_note(&report, "Curator is missing here: not measured.");
    report_end(&report);
    curator_stop(bench.curator);
    lk_mutex_free(bench.mutex);
    bench_client_end(client);
    zkbox_stop(box);
    return 0;
}
