/* bench_lock.c - what a lock costs over what ZooKeeper itself costs, in one run on one server with
 * the default fsync.
 *
 * An uncontended cycle (acquire, release; blocking calls) against raw create and delete of an
 * ephemeral sequential znode with the same data, in alternating blocks, so that what slows the
 * machine slows both. The raw client is ZooKeeper's own with a handle of its own, twice: `awaited`
 * asks asynchronously and waits on a condition, as anybody must who wants to go on with the lock in
 * hand; `chained` sends each next request from the completion of the last, without any thread to
 * wake. Told is the median of the ratios of neighbouring blocks, with their spread. On a machine
 * that has other work too, whole blocks differ more by that than by anything here; so then the two
 * take turns cycle by cycle, and the quartiles of single cycles are told.
 *
 * Then hand-over: N handles wait, each releases as soon as it is granted. It prints; it judges
 * nothing. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <latchkey/latchkey.h>
#include <zookeeper/zookeeper.h>

#include "zkbox.h"

enum { BLOCKS = 9, CLIENTS = 4 };

#define MUST(condition)                                                                            \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "bench_lock: %s is not so\n", #condition);                             \
            exit(1);                                                                               \
        }                                                                                          \
    while (0)

/* ---- raw ---- */

static struct raw {
    zhandle_t *handle;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool connected, done;
    int rc;
    char made[200], data[60];
    long left; /* of a chain */
} raw = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void raw_tell(bool *what, int rc)
{
    pthread_mutex_lock(&raw.lock);
    *what = true;
    raw.rc = rc;
    pthread_cond_signal(&raw.changed);
    pthread_mutex_unlock(&raw.lock);
}

static void raw_await(bool *what)
{
    pthread_mutex_lock(&raw.lock);
    while (!*what)
        pthread_cond_wait(&raw.changed, &raw.lock);
    *what = false;
    pthread_mutex_unlock(&raw.lock);
    MUST(raw.rc == ZOK);
}

static void raw_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)path, (void)context;
    if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
        raw_tell(&raw.connected, ZOK);
}

static void raw_log(const char *line)
{
    (void)line;
}

static void raw_open(const char *servers)
{
    raw.handle = zookeeper_init2(servers, raw_event, 30000, NULL, NULL, ZOO_NO_LOG_CLIENTENV,
                                 raw_log);
    MUST(raw.handle);
    /* Or it asks the resolver at every turn of its loop: not what is to be measured. */
    zoo_set_servers_resolution_delay(raw.handle, -1);
    raw_await(&raw.connected);
    MUST(zoo_create(raw.handle, "/raw", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0) == ZOK);
}

static int raw_create(string_completion_t done)
{
    return zoo_acreate(raw.handle, "/raw/lk-lock-", raw.data, sizeof raw.data, &ZOO_OPEN_ACL_UNSAFE,
                       ZOO_EPHEMERAL | ZOO_SEQUENCE, done, NULL);
}

static void created(int rc, const char *path, const void *data)
{
    (void)data;
    snprintf(raw.made, sizeof raw.made, "%s", rc == ZOK ? path : "");
    raw_tell(&raw.done, rc);
}

static void deleted(int rc, const void *data)
{
    (void)data;
    raw_tell(&raw.done, rc);
}

static void raw_awaited(long cycles)
{
    while (cycles-- > 0) {
        MUST(raw_create(created) == ZOK);
        raw_await(&raw.done);
        MUST(zoo_adelete(raw.handle, raw.made, -1, deleted, NULL) == ZOK);
        raw_await(&raw.done);
    }
}

static void chain_deleted(int rc, const void *data);

static void chain_created(int rc, const char *path, const void *data)
{
    (void)data;
    MUST(rc == ZOK);
    MUST(zoo_adelete(raw.handle, path, -1, chain_deleted, NULL) == ZOK);
}

static void chain_deleted(int rc, const void *data)
{
    (void)data;
    if (--raw.left > 0 && rc == ZOK)
        MUST(raw_create(chain_created) == ZOK);
    else
        raw_tell(&raw.done, rc);
}

static void raw_chained(long cycles)
{
    raw.left = cycles;
    MUST(raw_create(chain_created) == ZOK);
    raw_await(&raw.done);
}

/* ---- the lock ---- */

static lk_client *open_client(const char *servers)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;

    options.servers = servers;
    options.session_timeout_ms = 30000;
    options.callback_thread = true;
    MUST(lk_client_new(&client, &options) == LK_OK);
    MUST(lk_client_wait_connected(client, lk_in_ms(10000)) == LK_OK);
    return client;
}

static lk_lock *cycled;

static void lock_cycles(long cycles)
{
    while (cycles-- > 0) {
        MUST(lk_lock_acquire(cycled, lk_in_ms(30000), NULL) == LK_OK);
        MUST(lk_lock_release(cycled, lk_in_ms(30000)) == LK_OK);
    }
}

/* ---- blocks ---- */

static double block_us(void (*run)(long cycles), long cycles)
{
    int64_t began_ns = lk_now_ns();
    run(cycles);
    return (double)(lk_now_ns() - began_ns) / 1e3 / (double)cycles;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values)
{
    qsort(values, BLOCKS, sizeof *values, by_size);
    return values[BLOCKS / 2];
}

static void compare(long cycles)
{
    double locks[BLOCKS], awaited[BLOCKS], chained[BLOCKS], to_awaited[BLOCKS], to_chained[BLOCKS];

    raw_awaited(cycles);
    raw_chained(cycles);
    lock_cycles(cycles);
    for (int i = 0; i < BLOCKS; i++) {
        awaited[i] = block_us(raw_awaited, cycles);
        locks[i] = block_us(lock_cycles, cycles);
        chained[i] = block_us(raw_chained, cycles);
        to_awaited[i] = locks[i] / awaited[i];
        to_chained[i] = locks[i] / chained[i];
    }
    printf("uncontended cycle, %d blocks of %ld\n", BLOCKS, cycles);
    printf("  raw create + delete, awaited  %7.1f us\n", median(awaited));
    printf("  raw create + delete, chained  %7.1f us\n", median(chained));
    printf("  lock, acquire + release       %7.1f us\n", median(locks));
    double middle = median(to_awaited);
    printf("  lock / awaited                %7.3f  (%.3f to %.3f)\n", middle, to_awaited[0],
           to_awaited[BLOCKS - 1]);
    middle = median(to_chained);
    printf("  lock / chained                %7.3f  (%.3f to %.3f)\n", middle, to_chained[0],
           to_chained[BLOCKS - 1]);
}

static void take_turns(long cycles)
{
    double *raws = calloc((size_t)cycles, sizeof *raws),
           *locks = calloc((size_t)cycles, sizeof *locks);

    MUST(raws && locks);
    for (long i = 0; i < cycles; i++) {
        raws[i] = block_us(raw_awaited, 1);
        locks[i] = block_us(lock_cycles, 1);
    }
    qsort(raws, (size_t)cycles, sizeof *raws, by_size);
    qsort(locks, (size_t)cycles, sizeof *locks, by_size);
    printf("cycle by cycle, %ld of each\n", cycles);
    for (long quarter = 1; quarter <= 3; quarter++) {
        long at = cycles * quarter / 4;
        printf("  %ld %%  raw, awaited %7.1f us, lock %7.1f us: %.3f\n", quarter * 25, raws[at],
               locks[at], locks[at] / raws[at]);
    }
    free(raws);
    free(locks);
}

/* ---- hand-over ---- */

static struct line {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t granted, released;
} line = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void count(size_t *what)
{
    pthread_mutex_lock(&line.lock);
    ++*what;
    pthread_cond_signal(&line.changed);
    pthread_mutex_unlock(&line.lock);
}

static void on_released(int status, void *arg)
{
    (void)arg;
    MUST(status == LK_OK);
    count(&line.released);
}

static void on_granted(int status, void *arg)
{
    MUST(status == LK_OK);
    count(&line.granted);
    MUST(lk_lock_release_start(arg, LK_FOREVER, on_released, NULL, NULL) == LK_OK);
}

static void await_count(const size_t *what, size_t wanted)
{
    pthread_mutex_lock(&line.lock);
    while (*what < wanted)
        pthread_cond_wait(&line.changed, &line.lock);
    pthread_mutex_unlock(&line.lock);
}

/* All have joined when a listing shows them. */
static void await_line(lk_client *client, const char *path, size_t wanted)
{
    for (size_t count = 0; count < wanted;) {
        lk_line *seen;
        MUST(lk_line_list(client, path, lk_in_ms(60000), &seen) == LK_OK);
        count = seen->count;
        lk_line_free(seen);
    }
}

static void hand_over(lk_client **clients, size_t waiters)
{
    char path[40];
    lk_lock *first, **locks = calloc(waiters, sizeof *locks);

    MUST(locks);
    snprintf(path, sizeof path, "/line%zu", waiters);
    line.granted = line.released = 0;
    MUST(lk_lock_new(&first, clients[0], path, NULL) == LK_OK);
    MUST(lk_lock_acquire(first, lk_in_ms(60000), NULL) == LK_OK);
    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < waiters; i++) {
        MUST(lk_lock_new(&locks[i], clients[i % CLIENTS], path, NULL) == LK_OK);
        MUST(lk_lock_acquire_start(locks[i], LK_FOREVER, on_granted, locks[i], NULL) == LK_OK);
    }
    await_line(clients[0], path, waiters + 1);
    int64_t joined_ns = lk_now_ns();
    MUST(lk_lock_release(first, lk_in_ms(60000)) == LK_OK);
    await_count(&line.granted, waiters);
    int64_t over_ns = lk_now_ns();
    await_count(&line.released, waiters);
    printf("  %5zu waiters  %7.1f us a hand-over  (joined in %.1f ms)\n", waiters,
           (double)(over_ns - joined_ns) / 1e3 / (double)waiters,
           (double)(joined_ns - began_ns) / 1e6);
    for (size_t i = 0; i < waiters; i++)
        lk_lock_free(locks[i]);
    lk_lock_free(first);
    free(locks);
}

static zkbox *start_server(void)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    char error[300] = "";
    zkbox *box;

    options.tick_ms = 2000;
    options.heap_mb = 1024;
    options.prealloc_kb = 65536;
    options.full_jit = true;
    options.error = error;
    options.error_size = sizeof error;
    if (zkbox_start(&box, &options) < 0) {
        fprintf(stderr, "bench_lock: %s\n", error);
        exit(1);
    }
    printf("one server: tick %d ms, heap %d MB, fsync, full JIT\n", options.tick_ms,
           options.heap_mb);
    return box;
}

int main(int argc, char **argv)
{
    long cycles = argc > 1 ? strtol(argv[1], NULL, 10) : 500;
    size_t most = argc > 2 ? (size_t)strtol(argv[2], NULL, 10) : 1000;
    zkbox *box = start_server();
    lk_client *clients[CLIENTS];

    raw_open(zkbox_servers(box));
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = open_client(zkbox_servers(box));
    MUST(lk_lock_new(&cycled, clients[0], "/cycled", NULL) == LK_OK);
    compare(cycles);
    take_turns(4 * cycles);
    lk_lock_free(cycled);
    printf("hand-over, %d clients\n", CLIENTS);
    for (size_t waiters = 10; waiters <= most; waiters *= 10)
        hand_over(clients, waiters);
    for (size_t i = 0; i < CLIENTS; i++) {
        (void)lk_client_close(clients[i], lk_in_ms(5000));
        lk_client_free(clients[i]);
    }
    zookeeper_close(raw.handle);
    zkbox_stop(box);
    return 0;
}
