/* bench_ledger_raw.c - what ZooKeeper itself gives: multis by its own client with nothing around.
 *
 * Several are in flight on one connection, where they are applied in order, so each can name the
 * shard's version that the one before it will leave. */
#include <pthread.h>
#include <string.h>

#include "bench_ledger.h"
#include "ledger/names.h"

enum { BATCH_MAX = 2048, IN_FLIGHT_MAX = 16, PATH_SIZE = 64, RECORD_SIZE = 1024 };

struct record {
    char bytes[RECORD_SIZE];
    int size;
};

struct sale {
    zhandle_t *handle;
    struct venue venue;
    char seal[PATH_SIZE], shard[PATH_SIZE], *buckets[BUCKETS];
    struct record shard_record, account;
    int version; /* of the shard, when all that was sent has come */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t batch, users, until, under_way;
    int rc;
};

struct multi {
    struct sale *sale;
    zoo_op_t ops[BATCH_MAX + 2];
    zoo_op_result_t results[BATCH_MAX + 2];
    struct Stat stat;
    char paths[BATCH_MAX][PATH_SIZE];
};

/* ---- the place ---- */

static void sale_read(struct sale *sale, const char *path, struct record *record, int *out_version)
{
    struct Stat stat;

    record->size = RECORD_SIZE;
    MUST(zoo_get(sale->handle, path, 0, record->bytes, &record->size, &stat) == ZOK);
    MUST(record->size == stat.dataLength);
    *out_version = stat.version;
}

static void sale_find_seal(struct sale *sale)
{
    struct String_vector names;

    MUST(zoo_get_children(sale->handle, sale->venue.path, 0, &names) == ZOK);
    for (int i = 0; i < names.count; i++) {
        if (strncmp(names.data[i], "seal-", 5) == 0)
            snprintf(sale->seal, sizeof sale->seal, "%s/%s", sale->venue.path, names.data[i]);
    }
    deallocate_String_vector(&names);
    MUST(sale->seal[0]);
}

static void name_buckets(const char *campaign, char *buckets[BUCKETS])
{
    for (size_t i = 0; i < BUCKETS; i++) {
        buckets[i] = name_bucket(campaign, i);
        MUST(buckets[i]);
    }
}

static void free_buckets(char *buckets[BUCKETS])
{
    for (size_t i = 0; i < BUCKETS; i++)
        free(buckets[i]);
}

void raw_make_buckets(struct bench *bench, const char *campaign)
{
    static zoo_op_t ops[BUCKETS];
    static zoo_op_result_t results[BUCKETS];
    char *buckets[BUCKETS];

    name_buckets(campaign, buckets);
    for (size_t i = 0; i < BUCKETS; i++)
        zoo_create_op_init(&ops[i], buckets[i], NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    MUST(zoo_multi(raw_handle(bench->raw), BUCKETS, ops, results) == ZOK);
    free_buckets(buckets);
}

/* A campaign with one account, whose record is the pattern of all that come. */
static struct sale *sale_open(struct bench *bench)
{
    struct sale *sale = calloc(1, sizeof *sale);
    lk_ledger_result result;
    char user[USER_SIZE];
    int version;

    MUST(sale);
    pthread_mutex_init(&sale->mutex, NULL);
    pthread_cond_init(&sale->changed, NULL);
    sale->handle = raw_handle(bench->raw);
    sale->venue = venue_open(bench, 1);
    name_buckets(sale->venue.path, sale->buckets);
    user_name(0, user);
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = user };
    MUST(lk_ledger_do(sale->venue.ledger, &claim, lk_in_ms(30000), &result) == LK_OK);
    sale_find_seal(sale);
    char *path = name_account(sale->venue.path, user);
    sale_read(sale, path, &sale->account, &version);
    free(path);
    path = name_shard(sale->venue.path, 0);
    snprintf(sale->shard, sizeof sale->shard, "%s", path);
    free(path);
    sale_read(sale, sale->shard, &sale->shard_record, &sale->version);
    sale->users = 1;
    return sale;
}

static void sale_close(struct sale *sale)
{
    free_buckets(sale->buckets);
    venue_close(&sale->venue);
    pthread_cond_destroy(&sale->changed);
    pthread_mutex_destroy(&sale->mutex);
    free(sale);
}

/* ---- one multi ---- */

static void account_path(struct sale *sale, char path[PATH_SIZE])
{
    char user[USER_SIZE];

    user_name(sale->users++, user);
    snprintf(path, PATH_SIZE, "%s/%s", sale->buckets[user_bucket(user)], user);
}

static void multi_landed(int rc, const void *data);

/* True: it is on its way; false: all are. */
static bool multi_send(struct multi *multi)
{
    struct sale *sale = multi->sale;
    size_t left = sale->until - sale->users, creates = left < sale->batch ? left : sale->batch;
    int count = 2;

    if (creates == 0)
        return false;
    zoo_check_op_init(&multi->ops[0], sale->seal, -1);
    zoo_set_op_init(&multi->ops[1], sale->shard, sale->shard_record.bytes, sale->shard_record.size,
                    sale->version++, &multi->stat);
    for (size_t i = 0; i < creates; i++) {
        account_path(sale, multi->paths[i]);
        zoo_create_op_init(&multi->ops[count++], multi->paths[i], sale->account.bytes,
                           sale->account.size, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    }
    MUST(zoo_amulti(sale->handle, count, multi->ops, multi->results, multi_landed, multi) == ZOK);
    return true;
}

static void multi_landed(int rc, const void *data)
{
    struct multi *multi = (struct multi *)(uintptr_t)data;
    struct sale *sale = multi->sale;

    pthread_mutex_lock(&sale->mutex);
    sale->rc = rc == ZOK ? sale->rc : rc;
    if (rc != ZOK || !multi_send(multi))
        sale->under_way--;
    if (sale->under_way == 0)
        pthread_cond_signal(&sale->changed);
    pthread_mutex_unlock(&sale->mutex);
}

/* Microseconds until `count` more accounts are there. */
static double sale_run(struct sale *sale, struct multi *multis, size_t batch, size_t in_flight,
                       size_t count)
{
    int64_t began_ns = lk_now_ns();

    MUST(batch <= BATCH_MAX && in_flight <= IN_FLIGHT_MAX);
    pthread_mutex_lock(&sale->mutex);
    sale->batch = batch;
    sale->until = sale->users + count;
    for (size_t i = 0; i < in_flight; i++) {
        multis[i].sale = sale;
        sale->under_way += multi_send(&multis[i]);
    }
    while (sale->under_way > 0)
        pthread_cond_wait(&sale->changed, &sale->mutex);
    MUST(sale->rc == ZOK);
    pthread_mutex_unlock(&sale->mutex);
    return us_since(began_ns);
}

/* ---- one at a time ---- */

struct raw_till {
    struct sale *sale;
    char account[PATH_SIZE];
};

struct raw_till *raw_till_open(struct bench *bench)
{
    struct raw_till *till = calloc(1, sizeof *till);

    MUST(till);
    till->sale = sale_open(bench);
    raw_till_claim(till);
    return till;
}

struct raw_till *raw_till_close(struct raw_till *till)
{
    sale_close(till->sale);
    free(till);
    return NULL;
}

void raw_till_claim(struct raw_till *till)
{
    struct sale *sale = till->sale;
    zoo_op_t ops[2];
    zoo_op_result_t results[2];
    struct Stat stat;

    account_path(sale, till->account);
    zoo_set_op_init(&ops[0], sale->shard, sale->shard_record.bytes, sale->shard_record.size,
                    sale->version++, &stat);
    zoo_create_op_init(&ops[1], till->account, sale->account.bytes, sale->account.size,
                       &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    MUST(zoo_multi(sale->handle, 2, ops, results) == ZOK);
}

void raw_till_set(struct raw_till *till)
{
    MUST(zoo_set(till->sale->handle, till->account, till->sale->account.bytes,
                 till->sale->account.size, -1)
         == ZOK);
}

void raw_till_get_set(struct raw_till *till)
{
    struct record record;
    int version;

    sale_read(till->sale, till->account, &record, &version);
    MUST(zoo_set(till->sale->handle, till->account, record.bytes, record.size, version) == ZOK);
}

/* ---- rates ---- */

struct rate raw_rate(struct bench *bench, size_t batch, size_t in_flight, size_t count)
{
    struct sale *sale = sale_open(bench);
    struct multi *multis = calloc(in_flight, sizeof *multis);

    MUST(multis);
    double began_cpu_us = cpu_us_now(), server_cpu_us = server_cpu_us_now(bench);
    double us = sale_run(sale, multis, batch, in_flight, count);
    struct rate rate = { (double)count, (double)count / us * 1e6,
                         (cpu_us_now() - began_cpu_us) / (double)count,
                         (server_cpu_us_now(bench) - server_cpu_us) / (double)count };
    free(multis);
    sale_close(sale);
    return rate;
}

/* Of rounds of one size: all that was done, over all the time it took. A collector's pause or a
 * snapshot falls on few rounds, now on those of one side, now on the other's: a median would weigh
 * it fully or not at all. */
static double rate_of_all(const double *rates, size_t rounds)
{
    double time = 0;

    for (size_t i = 0; i < rounds; i++)
        time += 1 / rates[i];
    return (double)rounds / time;
}

void rate_tell(struct bench *bench, const char *name, const double *rates, const double *raws,
               const char *words)
{
    double sorted[ROUNDS_MAX], ratios[ROUNDS_MAX], all = rate_of_all(rates, bench->rounds);
    char key[60];

    memcpy(sorted, rates, bench->rounds * sizeof *rates);
    struct spread spread = spread_of(sorted, bench->rounds);
    snprintf(key, sizeof key, "%s_rate", name);
    report_figure(&bench->report, key, all, "/s", "%s (rounds: %.0f to %.0f)", words, spread.lowest,
                  spread.highest);
    if (!raws)
        return;
    for (size_t i = 0; i < bench->rounds; i++)
        ratios[i] = rates[i] / raws[i];
    spread = spread_of(ratios, bench->rounds);
    snprintf(key, sizeof key, "%s_ratio", name);
    report_figure(&bench->report, key, all / rate_of_all(raws, bench->rounds), "x",
                  "  of raw creates (rounds: %.3f to %.3f, median %.3f)", spread.lowest,
                  spread.highest, spread.median);
}

static void raw_tell(struct bench *bench, size_t batch, size_t in_flight, struct spread rate)
{
    char name[40];

    snprintf(name, sizeof name, "raw_b%zu_f%zu", batch, in_flight);
    report_figure(&bench->report, name, rate.median, "/s",
                  "raw creates, B %zu, %zu in flight (%.0f to %.0f)", batch, in_flight, rate.lowest,
                  rate.highest);
    if (rate.median <= bench->raw_best)
        return;
    bench->raw_best = rate.median;
    bench->batch = batch;
    bench->in_flight = in_flight;
}

void raw_explore(struct bench *bench)
{
    static const size_t batches[] = { 64, 128, 256, 512, 1024 }, flights[] = { 1, 2, 4, 8 };
    enum { BATCHES = sizeof batches / sizeof *batches, FLIGHTS = sizeof flights / sizeof *flights };
    double rates[BATCHES][FLIGHTS][ROUNDS_MAX];
    size_t rounds = bench->is_quick ? 1 : 3, count = bench->is_quick ? 20000 : 100000;

    report_note(&bench->report,
                "ZooKeeper's own client: multi { check, set, create x B }, so many in flight.");
    for (size_t round = 0; round < rounds; round++)
        for (size_t b = 0; b < BATCHES; b++)
            for (size_t f = 0; f < FLIGHTS; f++)
                rates[b][f][round] = raw_rate(bench, batches[b], flights[f], count).a_second;
    for (size_t b = 0; b < BATCHES; b++)
        for (size_t f = 0; f < FLIGHTS; f++)
            raw_tell(bench, batches[b], flights[f], spread_of(rates[b][f], rounds));
    report_note(&bench->report, "Best: B %zu, %zu in flight.", bench->batch, bench->in_flight);
}

void raw_know_best(struct bench *bench)
{
    if (bench->batch == 0)
        raw_explore(bench);
}
