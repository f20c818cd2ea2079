/* bench_campaign.c - a large campaign as a whole: what an account costs the server in memory and on
 * disk, how fast all are shown, and how fast they are deleted while somebody else uses the server.
 *
 * The other one reads a small znode, one get after another, once while the server is idle otherwise
 * and once during the deletion. Memory is what lives in the server's heap after a full collection,
 * with the campaign less without it; the disk, the snapshot that a restarted server writes, and what
 * the log of the claims came to. It prints; it judges nothing.
 *
 *   bench_campaign [--json] [--accounts N] */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <latchkey/latchkey.h>
#include <zkbox.h>
#include <zookeeper/zookeeper.h>

#include "report.h"

enum { CLAIMS_IN_THE_AIR = 8192, READS_MAX = 4000000, IDLE_S = 3 };

_Noreturn static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_campaign: %s: %s\n", what, why);
    exit(1);
}

static void need(int status, const char *what)
{
    if (status != LK_OK)
        die(what, lk_status_text(status));
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- claims ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    unsigned in_the_air;
    int status;
} claims = { .lock = PTHREAD_MUTEX_INITIALIZER, .landed = PTHREAD_COND_INITIALIZER };

static void claimed(const lk_ledger_result *result, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&claims.lock);
    if (result->status != LK_OK)
        claims.status = result->status;
    claims.in_the_air--;
    pthread_cond_signal(&claims.landed);
    pthread_mutex_unlock(&claims.lock);
}

static void await_claims(unsigned most)
{
    pthread_mutex_lock(&claims.lock);
    while (claims.in_the_air > most)
        pthread_cond_wait(&claims.landed, &claims.lock);
    pthread_mutex_unlock(&claims.lock);
}

static void fill(lk_ledger *ledger, unsigned accounts)
{
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    options.stock = accounts;
    options.per_user = 1;
    need(lk_campaign_create(ledger, &options, NULL, lk_in_ms(60000)), "create");
    for (unsigned i = 0; i < accounts; i++) {
        char user[20];
        snprintf(user, sizeof(user), "user-%07u", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        await_claims(CLAIMS_IN_THE_AIR - 1);
        pthread_mutex_lock(&claims.lock);
        claims.in_the_air++;
        pthread_mutex_unlock(&claims.lock);
        need(lk_ledger_do_start(ledger, &op, LK_FOREVER, claimed, NULL, NULL), "claim");
    }
    await_claims(0);
    need(claims.status, "claim");
}

/* ---- what the server uses ---- */

static pid_t server_pid(zkbox *box)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while (processes && (entry = readdir(processes)) && !found) {
        char path[300], words[65536];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
        size_t size = file ? fread(words, 1, sizeof(words), file) : 0;
        if (size && memmem(words, size, zkbox_folder(box), strlen(zkbox_folder(box))))
            found = (pid_t)atoi(entry->d_name);
        if (file)
            fclose(file);
    }
    closedir(processes);
    return found;
}

/* The sum of each table of living objects that the server's log has; java prints one when asked by
 * SIGQUIT. `nth`: from 1 on. */
static double histogram_bytes(zkbox *box, unsigned nth)
{
    char path[1000], line[1000];
    double bytes = 0;

    snprintf(path, sizeof(path), "%s/node0/server.log", zkbox_folder(box));
    for (double until = now_s() + 60; bytes == 0 && now_s() < until;) {
        FILE *file = fopen(path, "re");
        unsigned seen = 0;
        while (file && fgets(line, sizeof(line), file)) {
            double sum;
            if (sscanf(line, "Total %*s %lf", &sum) == 1 && ++seen == nth)
                bytes = sum;
        }
        if (file)
            fclose(file);
        /* A server writes its histogram when it has it, and tells nobody. */
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    }
    return bytes;
}

static double living_bytes(zkbox *box, unsigned nth)
{
    pid_t pid = server_pid(box);

    if (!pid || kill(pid, SIGQUIT) != 0)
        die("the server's process", "not found");
    return histogram_bytes(box, nth);
}

/* Of the files that begin so: the newest one's size, or the sum of all. */
static double file_bytes(zkbox *box, const char *beginning, bool sum)
{
    char path[1000];
    double bytes = 0;
    time_t newest = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), "%s/node0/data/version-2", zkbox_folder(box));
    DIR *folder = opendir(path);
    while (folder && (entry = readdir(folder))) {
        struct stat stat;
        if (strncmp(entry->d_name, beginning, strlen(beginning)) != 0
            || fstatat(dirfd(folder), entry->d_name, &stat, 0) != 0)
            continue;
        if (sum)
            bytes += (double)stat.st_size;
        else if (stat.st_mtime >= newest) {
            newest = stat.st_mtime;
            if ((double)stat.st_size > bytes)
                bytes = (double)stat.st_size;
        }
    }
    if (folder)
        closedir(folder);
    return bytes;
}

/* ---- the other one ---- */

static struct {
    zhandle_t *zh;
    atomic_bool stop;
    float *us;
    size_t count;
} reader;

static void *read_on(void *arg)
{
    (void)arg;
    reader.count = 0;
    while (!atomic_load(&reader.stop) && reader.count < READS_MAX) {
        char data[64];
        int size = sizeof(data);
        double start = now_s();
        if (zoo_get(reader.zh, "/zookeeper", 0, data, &size, NULL) != ZOK)
            continue;
        reader.us[reader.count++] = (float)((now_s() - start) * 1e6);
    }
    return NULL;
}

static pthread_t reader_start(void)
{
    pthread_t thread;

    atomic_store(&reader.stop, false);
    pthread_create(&thread, NULL, read_on, NULL);
    return thread;
}

static int compare_floats(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return left < right ? -1 : left > right;
}

static void reader_report(struct report *report, pthread_t thread, const char *name,
                          const char *when)
{
    char figure[60];

    atomic_store(&reader.stop, true);
    pthread_join(thread, NULL);
    if (reader.count == 0)
        return;
    qsort(reader.us, reader.count, sizeof(*reader.us), compare_floats);
    snprintf(figure, sizeof(figure), "%s_p50_us", name);
    report_figure(report, figure, reader.us[reader.count / 2], "us", "another's read %s, median",
                  when);
    snprintf(figure, sizeof(figure), "%s_p99_us", name);
    report_figure(report, figure, reader.us[reader.count * 99 / 100], "us",
                  "another's read %s, 99 in 100", when);
    snprintf(figure, sizeof(figure), "%s_max_us", name);
    report_figure(report, figure, reader.us[reader.count - 1], "us", "another's read %s, the worst",
                  when);
}

/* ---- the run ---- */

static int count_account(const lk_account *account, void *arg)
{
    (void)account;
    ++*(uint64_t *)arg;
    return 0;
}

static void measure_looking(struct report *report, lk_ledger *ledger)
{
    uint64_t seen = 0;
    lk_audit *audit;
    double start = now_s();

    need(lk_account_each(ledger, count_account, &seen, LK_FOREVER), "each");
    report_figure(report, "each_per_s", (double)seen / (now_s() - start), "1/s",
                  "accounts shown by lk_account_each");
    start = now_s();
    need(lk_ledger_audit(ledger, LK_FOREVER, &audit), "audit");
    report_figure(report, "audit_per_s", (double)audit->accounts / (now_s() - start), "1/s",
                  "accounts audited, %zu faults", audit->fault_count);
    lk_audit_free(audit);
}

static void measure_deleting(struct report *report, lk_ledger *ledger, unsigned accounts)
{
    pthread_t thread = reader_start();

    /* So long the idle server is measured: nothing is waited for. */
    nanosleep(&(struct timespec){ .tv_sec = IDLE_S }, NULL);
    reader_report(report, thread, "read_idle", "of an idle server");
    thread = reader_start();
    double start = now_s();
    need(lk_campaign_delete(ledger, NULL, NULL, LK_FOREVER), "delete");
    double seconds = now_s() - start;
    reader_report(report, thread, "read_deleting", "during the deletion");
    report_figure(report, "deleted_per_s", accounts / seconds, "1/s", "accounts deleted");
}

static void run(struct report *report, zkbox *box, unsigned accounts)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;
    lk_ledger *ledger;

    options.servers = zkbox_servers(box);
    options.session_timeout_ms = 30000;
    options.callback_thread = true;
    need(lk_client_new(&client, &options), "client");
    need(lk_ledger_new(&ledger, client, "/sale"), "ledger");
    double heap = living_bytes(box, 1), log = file_bytes(box, "log.", true), start = now_s();
    fill(ledger, accounts);
    report_figure(report, "claims_per_s", accounts / (now_s() - start), "1/s",
                  "claims, %u accounts", accounts);
    report_figure(report, "heap_bytes", (living_bytes(box, 2) - heap) / accounts, "bytes",
                  "of the server's heap, an account of one coupon");
    report_figure(report, "log_bytes", (file_bytes(box, "log.", true) - log) / accounts, "bytes",
                  "of log, a claim");
    start = now_s();
    if (zkbox_restart(box, 0) != 0)
        die("restart", "the server did not come back");
    report_figure(report, "restart_s", now_s() - start, "s", "the server's restart");
    report_figure(report, "snapshot_bytes", file_bytes(box, "snapshot.", false) / accounts, "bytes",
                  "of snapshot, an account of one coupon");
    reader.zh = zookeeper_init(zkbox_servers(box), NULL, 30000, NULL, NULL, 0);
    measure_looking(report, ledger);
    measure_deleting(report, ledger, accounts);
    zookeeper_close(reader.zh);
    lk_ledger_free(ledger);
    lk_client_close(client, lk_in_ms(5000));
    lk_client_free(client);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        { "json", no_argument, NULL, 'j' },
        { "accounts", required_argument, NULL, 'n' },
        { NULL, 0, NULL, 0 },
    };
    static const char *const java_args[] = { "-XX:+PrintClassHistogram", NULL };
    unsigned accounts = 1000000;
    struct report report = { 0 };
    bool is_json = false;
    char error[512] = "";
    zkbox *box = NULL;

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'j')
            is_json = true;
        else if (option == 'n')
            accounts = (unsigned)strtoul(optarg, NULL, 10);
        else
            return 64;
    }
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.heap_mb = 3000;
    options.tick_ms = 2000;
    options.start_ms = 600000; /* with a million accounts to read */
    options.full_jit = true;
    options.java_args = java_args;
    options.error = error;
    options.error_size = sizeof(error);
    reader.us = malloc(READS_MAX * sizeof(*reader.us));
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    if (!reader.us || accounts == 0 || zkbox_start(&box, &options) != 0)
        die("start", error);
    report_begin(&report, "campaign", is_json, argc, argv);
    report_note(&report, "heap %d MB, tick %d ms, syncLimit %d, fsync %s", options.heap_mb,
                options.tick_ms, options.sync_limit, options.fsync ? "on" : "off");
    run(&report, box, accounts);
    report_end(&report);
    zkbox_stop(box);
    free(reader.us);
    return 0;
}
