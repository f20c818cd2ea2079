/* differential_box.c - see differential_box.h.
 *
 * The commit processor of a 3.8.0 server can miss its wake-up: it looks whether there is work, and
 * takes its monitor only then; what comes in between does not wake it, and it sleeps until anything
 * else does. Where one request is on its way at a time nothing else comes, until the client has
 * waited for two thirds of its session's time and drops the connection. So an idle session stands at
 * every server, whose pings come each third of its own time. They write nothing. */
#include "differential_box.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keeper/keeper.h"

enum { IDLE_TIMEOUT_MS = 15000, OPEN_PATIENCE_S = 60, SILENCE_PATIENCE_MS = 120000, LOOK_MS = 200 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct keeper *keepers[ZKBOX_NODES_MAX];
    int connected, closed, losses;
} idle = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void count(int *number)
{
    pthread_mutex_lock(&idle.lock);
    ++*number;
    pthread_cond_signal(&idle.changed);
    pthread_mutex_unlock(&idle.lock);
}

static void on_session(void *owner, enum keeper_session_event event,
                       const struct keeper_session *session)
{
    (void)owner;
    (void)session;
    count(event == KEEPER_SESSION_CONNECTED ? &idle.connected : &idle.losses);
}

static void on_watch(void *owner, enum keeper_watch_event event, const char *path)
{
    (void)owner;
    (void)event;
    (void)path;
}

static void on_reply(void *owner, void *context, const struct keeper_reply *reply)
{
    (void)owner;
    (void)context;
    (void)reply;
}

static void on_closed(void *owner)
{
    (void)owner;
    count(&idle.closed);
}

static bool await(const int *number, int wanted)
{
    struct timespec until;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += OPEN_PATIENCE_S;
    pthread_mutex_lock(&idle.lock);
    while (*number < wanted && !failed)
        failed = pthread_cond_timedwait(&idle.changed, &idle.lock, &until);
    bool came = *number >= wanted;
    pthread_mutex_unlock(&idle.lock);
    return came;
}

bool box_open_idle_sessions(zkbox *box)
{
    static const struct keeper_events events = {
        .session = on_session, .watch = on_watch, .reply = on_reply, .closed = on_closed
    };
    struct keeper_world *world = keeper_real_world();

    for (int i = 0; i < zkbox_nodes(box); i++) {
        const struct keeper_options options = { .servers = zkbox_address(box, i),
                                                .session_timeout_ms = IDLE_TIMEOUT_MS };
        if (world->open(world, &options, &events, NULL, &idle.keepers[i]) != LK_OK)
            return false;
    }
    return await(&idle.connected, zkbox_nodes(box));
}

bool box_idle_sessions_lived(void)
{
    pthread_mutex_lock(&idle.lock);
    bool lived = idle.losses == 0;
    pthread_mutex_unlock(&idle.lock);
    return lived;
}

/* -1: it did not say. */
static int sessions_of(zkbox *box)
{
    char *text = NULL;
    int sessions = -1, leader = zkbox_leader(box);

    if (leader < 0 || zkbox_ask(box, leader, "mntr", &text) < 0)
        return -1;
    const char *at = strstr(text, "zk_global_sessions");
    if (!at || sscanf(at, "zk_global_sessions %d", &sessions) != 1)
        sessions = -1;
    free(text);
    return sessions;
}

bool box_await_silence(zkbox *box)
{
    static const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };

    for (int waited_ms = 0; waited_ms < SILENCE_PATIENCE_MS; waited_ms += LOOK_MS) {
        if (sessions_of(box) == zkbox_nodes(box))
            return true;
        nanosleep(&pause, NULL); /* a server tells nobody of its sessions: it is asked again */
    }
    return false;
}

zkbox *box_start(int nodes, bool reads_little)
{
    char limit[64] = "";
    /* Empty containers are removed by the clock, which differs. */
    const char *const java_args[] = { "-Dznode.container.checkIntervalMs=100000000",
                                      reads_little ? limit : NULL, NULL };
    char error[256] = "";
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    zkbox *box = NULL;

    snprintf(limit, sizeof(limit), "-Djute.maxbuffer=%d", BOX_REQUEST_MAX);
    options.nodes = nodes;
    options.tick_ms = 2000; /* patient: on a busy machine nobody is to be given up */
    options.fsync = false;
    options.heap_mb = 160;
    options.java_args = java_args;
    options.error = error;
    options.error_size = sizeof(error);
    if (zkbox_start(&box, &options) < 0)
        printf("no server: %s\n", error);
    return box;
}

zkbox *box_stop(zkbox *box)
{
    int opened = 0;

    for (int i = 0; i < ZKBOX_NODES_MAX; i++) {
        if (!idle.keepers[i])
            continue;
        keeper_close(idle.keepers[i]);
        opened++;
    }
    await(&idle.closed, opened);
    return zkbox_stop(box);
}
