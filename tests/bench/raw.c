/* raw.c - the server, the clients, ZooKeeper's own client, the statistics. See raw.h. */
#include "raw.h"

#include <pthread.h>
#include <string.h>

enum { DATA_MAX = 1024, SESSION_MS = 30000 };

/* ---- the server and latchkey's clients ---- */

zkbox *bench_server_of(int heap_mb, int young_mb)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    char error[300] = "", whole_heap[20], young[20];
    const char *const java_args[] = { whole_heap, "-XX:+AlwaysPreTouch", young_mb ? young : NULL,
                                      NULL };
    zkbox *box;

    /* Else the first rounds pay for the growing heap. */
    snprintf(whole_heap, sizeof whole_heap, "-Xms%dm", heap_mb);
    snprintf(young, sizeof young, "-Xmn%dm", young_mb);
    options.tick_ms = 2000;
    options.heap_mb = heap_mb;
    options.java_args = java_args;
    options.prealloc_kb = 65536;
    options.full_jit = true;
    options.error = error;
    options.error_size = sizeof error;
    if (zkbox_start(&box, &options) < 0) {
        fprintf(stderr, "no server: %s\n", error);
        exit(1);
    }
    return box;
}

zkbox *bench_server(void)
{
    return bench_server_of(1024, 0);
}

lk_client *bench_client(const char *servers)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;

    options.servers = servers;
    options.session_timeout_ms = SESSION_MS;
    options.callback_thread = true;
    MUST(lk_client_new(&client, &options) == LK_OK);
    MUST(lk_client_wait_connected(client, lk_in_ms(10000)) == LK_OK);
    return client;
}

lk_client *bench_client_end(lk_client *client)
{
    (void)lk_client_close(client, lk_in_ms(5000));
    lk_client_free(client);
    return NULL;
}

/* ---- the raw client ---- */

struct raw {
    zhandle_t *handle;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool connected, done;
    int rc;
    char prefix[200], made[250], data[DATA_MAX];
    size_t data_size;
    long left; /* of a chain */
};

static void raw_tell(struct raw *raw, bool *what, int rc)
{
    pthread_mutex_lock(&raw->lock);
    *what = true;
    raw->rc = rc;
    pthread_cond_signal(&raw->changed);
    pthread_mutex_unlock(&raw->lock);
}

static void raw_await(struct raw *raw, bool *what)
{
    pthread_mutex_lock(&raw->lock);
    while (!*what)
        pthread_cond_wait(&raw->changed, &raw->lock);
    *what = false;
    pthread_mutex_unlock(&raw->lock);
    MUST(raw->rc == ZOK);
}

static void raw_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)path;
    struct raw *raw = context;

    if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE)
        raw_tell(raw, &raw->connected, ZOK);
}

static void raw_log(const char *line)
{
    (void)line;
}

struct raw *raw_open(const char *servers, const char *parent)
{
    struct raw *raw = calloc(1, sizeof *raw);

    MUST(raw);
    pthread_mutex_init(&raw->lock, NULL);
    pthread_cond_init(&raw->changed, NULL);
    snprintf(raw->prefix, sizeof raw->prefix, "%s/lk-lock-", parent);
    raw->handle = zookeeper_init2(servers, raw_event, SESSION_MS, NULL, raw, ZOO_NO_LOG_CLIENTENV,
                                  raw_log);
    MUST(raw->handle);
    /* Or it asks the resolver at every turn of its loop: not what is to be measured. */
    zoo_set_servers_resolution_delay(raw->handle, -1);
    raw_await(raw, &raw->connected);
    int rc = zoo_create(raw->handle, parent, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
    MUST(rc == ZOK || rc == ZNODEEXISTS);
    return raw;
}

struct raw *raw_close(struct raw *raw)
{
    zookeeper_close(raw->handle);
    pthread_cond_destroy(&raw->changed);
    pthread_mutex_destroy(&raw->lock);
    free(raw);
    return NULL;
}

zhandle_t *raw_handle(struct raw *raw)
{
    return raw->handle;
}

static void raw_create(struct raw *raw, string_completion_t done)
{
    MUST(zoo_acreate(raw->handle, raw->prefix, raw->data, (int)raw->data_size, &ZOO_OPEN_ACL_UNSAFE,
                     ZOO_EPHEMERAL | ZOO_SEQUENCE, done, raw)
         == ZOK);
}

static void created(int rc, const char *path, const void *data)
{
    struct raw *raw = (struct raw *)(uintptr_t)data;

    snprintf(raw->made, sizeof raw->made, "%s", rc == ZOK ? path : "");
    raw_tell(raw, &raw->done, rc);
}

static void deleted(int rc, const void *data)
{
    struct raw *raw = (struct raw *)(uintptr_t)data;

    raw_tell(raw, &raw->done, rc);
}

void raw_awaited(struct raw *raw, size_t data_size, long cycles)
{
    MUST(data_size <= DATA_MAX);
    raw->data_size = data_size;
    while (cycles-- > 0) {
        raw_create(raw, created);
        raw_await(raw, &raw->done);
        MUST(zoo_adelete(raw->handle, raw->made, -1, deleted, raw) == ZOK);
        raw_await(raw, &raw->done);
    }
}

static void chain_deleted(int rc, const void *data);

static void chain_created(int rc, const char *path, const void *data)
{
    struct raw *raw = (struct raw *)(uintptr_t)data;

    MUST(rc == ZOK);
    MUST(zoo_adelete(raw->handle, path, -1, chain_deleted, raw) == ZOK);
}

static void chain_deleted(int rc, const void *data)
{
    struct raw *raw = (struct raw *)(uintptr_t)data;

    if (--raw->left > 0 && rc == ZOK)
        raw_create(raw, chain_created);
    else
        raw_tell(raw, &raw->done, rc);
}

void raw_chained(struct raw *raw, size_t data_size, long cycles)
{
    MUST(data_size <= DATA_MAX && cycles > 0);
    raw->data_size = data_size;
    raw->left = cycles;
    raw_create(raw, chain_created);
    raw_await(raw, &raw->done);
}

/* ---- statistics ---- */

double us_since(int64_t began_ns)
{
    return (double)(lk_now_ns() - began_ns) / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return (struct spread){
        .lowest = values[0],
        .lower = values[count / 4],
        .median = values[count / 2],
        .upper = values[count * 3 / 4],
        .highest = values[count - 1],
    };
}
