/* handover_latchkey.c - a line of lk_locks on several clients; see handover.h.
 *
 * When a client has nothing more to ask is known by asking for something else: replies come in the
 * order of requests, so the answer to a commit of no consequence comes behind all that was asked
 * before, and what follows from those answers is asked before the next such commit. A join has two
 * flights (three where it must list), so a few commits in a row are enough. */
#include "handover.h"

#include <pthread.h>
#include <string.h>

#include <zookeeper/proto.h>

#include "raw.h"

enum { SETTLING_COMMITS = 5 };

struct waiter {
    struct line *line;
    lk_lock *lock;
};

struct line {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    lk_client *clients[HANDOVER_CLIENTS];
    char path[40];
    lk_lock *holder;
    struct waiter *waiters; /* in the order of their calls; the line's own order is the server's */
    size_t count, granted, released;
    int64_t *moments_ns; /* of the drain under way */
    lk_lock *last;       /* was granted last, and keeps it */
};

static void *line_open(const char *servers)
{
    struct line *line = calloc(1, sizeof *line);

    MUST(line);
    pthread_mutex_init(&line->mutex, NULL);
    pthread_cond_init(&line->changed, NULL);
    for (size_t i = 0; i < HANDOVER_CLIENTS; i++)
        line->clients[i] = bench_client(servers);
    return line;
}

static void line_close(void *self)
{
    struct line *line = self;

    for (size_t i = 0; i < HANDOVER_CLIENTS; i++)
        bench_client_end(line->clients[i]);
    pthread_cond_destroy(&line->changed);
    pthread_mutex_destroy(&line->mutex);
    free(line);
}

/* ---- forming ---- */

static void settle(lk_client *client)
{
    int64_t unused_ms;

    for (int i = 0; i < SETTLING_COMMITS; i++)
        MUST(lk_client_server_ms(client, NULL, lk_in_ms(60000), &unused_ms) == LK_OK);
}

static void on_released(int status, void *arg)
{
    struct line *line = arg;

    MUST(status == LK_OK);
    pthread_mutex_lock(&line->mutex);
    line->released++;
    pthread_cond_signal(&line->changed);
    pthread_mutex_unlock(&line->mutex);
}

static void on_granted(int status, void *arg)
{
    struct waiter *waiter = arg;
    struct line *line = waiter->line;
    int64_t now_ns = lk_now_ns();

    MUST(status == LK_OK);
    pthread_mutex_lock(&line->mutex);
    line->moments_ns[++line->granted] = now_ns;
    bool is_last = line->granted == line->count;
    if (is_last)
        line->last = waiter->lock;
    pthread_cond_signal(&line->changed);
    pthread_mutex_unlock(&line->mutex);
    if (!is_last)
        MUST(lk_lock_release_start(waiter->lock, LK_FOREVER, on_released, line, NULL) == LK_OK);
}

static lk_client *join(struct line *line)
{
    lk_client *client = line->clients[line->count % HANDOVER_CLIENTS];
    struct waiter *waiter = &line->waiters[line->count++];

    waiter->line = line;
    MUST(lk_lock_new(&waiter->lock, client, line->path, NULL) == LK_OK);
    MUST(lk_lock_acquire_start(waiter->lock, LK_FOREVER, on_granted, waiter, NULL) == LK_OK);
    return client;
}

static void line_form(void *self, const char *path, size_t waiters)
{
    struct line *line = self;

    snprintf(line->path, sizeof line->path, "%s", path);
    line->waiters = calloc(waiters + HANDOVER_JOINS_MAX, sizeof *line->waiters);
    MUST(line->waiters);
    line->count = line->granted = line->released = 0;
    MUST(lk_lock_new(&line->holder, line->clients[HANDOVER_CLIENTS - 1], path, NULL) == LK_OK);
    MUST(lk_lock_acquire(line->holder, lk_in_ms(60000), NULL) == LK_OK);
    while (line->count < waiters)
        join(line);
    for (size_t i = 0; i < HANDOVER_CLIENTS; i++)
        settle(line->clients[i]);
}

/* ---- draining ---- */

static void line_drain(void *self, int64_t *moments_ns)
{
    struct line *line = self;

    line->moments_ns = moments_ns;
    moments_ns[0] = lk_now_ns();
    MUST(lk_lock_release_start(line->holder, LK_FOREVER, on_released, line, NULL) == LK_OK);
    pthread_mutex_lock(&line->mutex);
    while (line->granted < line->count || line->released < line->count)
        pthread_cond_wait(&line->changed, &line->mutex);
    pthread_mutex_unlock(&line->mutex);
}

static void line_end(void *self)
{
    struct line *line = self;

    MUST(lk_lock_release(line->last, lk_in_ms(60000)) == LK_OK);
    for (size_t i = 0; i < line->count; i++)
        lk_lock_free(line->waiters[i].lock);
    lk_lock_free(line->holder);
    free(line->waiters);
}

/* ---- joining ---- */

/* The commits that settle() adds are none of the join's. The last had the server for itself. */
static struct join_cost cost_of(const zkbox_frame *frames, size_t count)
{
    struct join_cost cost = { 0 };
    int64_t began_ns = 0, commit_began_ns = 0;

    for (size_t i = 0; i < count; i++) {
        const zkbox_frame *frame = &frames[i];
        bool asks = frame->direction == ZKBOX_TO_SERVER;
        if (frame->xid == -2)
            continue;
        if (frame->opcode == ZOO_MULTI_OP) {
            commit_began_ns = asks ? frame->at_ns : commit_began_ns;
            cost.commit_ns = frame->at_ns - commit_began_ns;
        } else if (asks) {
            began_ns = cost.requests++ == 0 ? frame->at_ns : began_ns;
            cost.to_server += frame->size;
        } else {
            cost.ns = frame->at_ns - began_ns;
            cost.to_client += frame->size;
        }
    }
    return cost;
}

struct join_cost handover_join(void *self, zkbox_proxy *proxy)
{
    struct line *line = self;
    zkbox_frame *frames;
    size_t count;

    zkbox_proxy_trace_start(proxy);
    settle(join(line));
    MUST(zkbox_proxy_trace(proxy, &frames, &count) == 0);
    struct join_cost cost = cost_of(frames, count);
    free(frames);
    return cost;
}

const struct contender handover_latchkey = {
    .name = "latchkey",
    .open = line_open,
    .form = line_form,
    .drain = line_drain,
    .end = line_end,
    .close = line_close,
};
