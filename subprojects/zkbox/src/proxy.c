/* proxy.c - a proxy: a thread that owns all its sockets, and the calls that steer it.
 *
 * One lock covers everything; the thread holds it except while it polls. A call changes the state
 * under the lock, wakes the thread, and waits until the thread has gone once round: so what was
 * ordered has happened when the call returns, and only the thread ever closes a socket. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net.h"
#include "relay.h"
#include "script.h"
#include "wire.h"
#include "zkbox.h"

enum { WAKE_SLOT, LISTEN_SLOT, FIRST_RELAY_SLOT };

struct zkbox_proxy {
    struct sockaddr_in server;
    int port;
    char address[sizeof("127.0.0.1:65535")];
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* the thread went round, or a loss happened */
    struct weather weather;
    struct script script;
    bool healing;
    bool stopping;
    uint64_t ordered;
    uint64_t obeyed;

    /* The thread's own. */
    int reserved;
    int wake;
    int listening; /* -1 while cut */
    struct relay *relays;
    int relay_count;
    int relays_ever;
    struct pollfd *slots;
    size_t slot_room;
};

/* -------------------------------------------------------------------------------- the thread */

static void free_relays(zkbox_proxy *proxy, bool only_with_holes)
{
    struct relay *kept = NULL;
    for (struct relay *relay = proxy->relays; relay;) {
        struct relay *next = relay_next(relay);
        if (only_with_holes && !relay_has_holes(relay)) {
            relay_set_next(relay, kept);
            kept = relay;
        } else {
            relay_free(relay, &proxy->script);
            proxy->relay_count--;
        }
        relay = next;
    }
    proxy->relays = kept;
}

static void obey(zkbox_proxy *proxy)
{
    if (proxy->weather.cut) {
        net_close(&proxy->listening);
        free_relays(proxy, false);
    } else if (proxy->listening < 0) {
        proxy->listening = net_listen(proxy->port);
    }
    if (proxy->healing)
        free_relays(proxy, true);
    proxy->healing = false;
    proxy->obeyed = proxy->ordered;
    pthread_cond_broadcast(&proxy->changed);
}

static void accept_all(zkbox_proxy *proxy)
{
    for (;;) {
        int client = accept4(proxy->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
            return;
        struct relay *relay = relay_new(++proxy->relays_ever, client, &proxy->server,
                                        proxy->relays);
        if (!relay)
            continue;
        proxy->relays = relay;
        proxy->relay_count++;
    }
}

/* The slots stand in the order of the relays. */
static size_t fill_slots(zkbox_proxy *proxy, int64_t *wake_ns)
{
    size_t needed = FIRST_RELAY_SLOT + 2 * (size_t)proxy->relay_count;
    if (needed > proxy->slot_room) {
        struct pollfd *larger = reallocarray(proxy->slots, needed * 2, sizeof(*larger));
        if (!larger)
            abort(); /* a test's tool without memory for a few poll slots has nothing to save */
        proxy->slots = larger;
        proxy->slot_room = needed * 2;
    }
    proxy->slots[WAKE_SLOT] = (struct pollfd){ .fd = proxy->wake, .events = POLLIN };
    proxy->slots[LISTEN_SLOT] = (struct pollfd){ .fd = proxy->listening, .events = POLLIN };
    struct pollfd *slots = proxy->slots + FIRST_RELAY_SLOT;
    for (struct relay *relay = proxy->relays; relay; relay = relay_next(relay), slots += 2)
        relay_interest(relay, &proxy->weather, slots, wake_ns);
    return needed;
}

static void wait_for_slots(zkbox_proxy *proxy, size_t count, int64_t wake_ns)
{
    struct timespec left = { 0 };
    int64_t left_ns = wake_ns == INT64_MAX ? 0 : wake_ns - net_now_ns();
    if (left_ns > 0)
        left = (struct timespec){ left_ns / 1000000000, left_ns % 1000000000 };
    if (ppoll(proxy->slots, count, wake_ns == INT64_MAX ? NULL : &left, NULL) < 0)
        for (size_t at = 0; at < count; at++)
            proxy->slots[at].revents = 0;
}

static void step_relays(zkbox_proxy *proxy)
{
    const struct pollfd *slots = proxy->slots + FIRST_RELAY_SLOT;
    struct relay *before = NULL;
    for (struct relay *relay = proxy->relays; relay; slots += 2) {
        struct relay *next = relay_next(relay);
        if (relay_step(relay, &proxy->weather, &proxy->script, slots)) {
            before = relay;
        } else {
            if (before)
                relay_set_next(before, next);
            else
                proxy->relays = next;
            relay_free(relay, &proxy->script);
            proxy->relay_count--;
            pthread_cond_broadcast(&proxy->changed);
        }
        relay = next;
    }
}

static void *run(void *argument)
{
    zkbox_proxy *proxy = argument;
    pthread_mutex_lock(&proxy->lock);
    for (;;) {
        obey(proxy);
        if (proxy->stopping)
            break;
        int64_t wake_ns = INT64_MAX;
        size_t count = fill_slots(proxy, &wake_ns);
        uint64_t ordered = proxy->ordered;
        pthread_mutex_unlock(&proxy->lock);
        wait_for_slots(proxy, count, wake_ns);
        pthread_mutex_lock(&proxy->lock);

        if (proxy->slots[WAKE_SLOT].revents) {
            uint64_t times;
            (void)!read(proxy->wake, &times, sizeof(times));
        }
        if (proxy->ordered != ordered)
            continue; /* what was polled for may be forbidden by now */
        step_relays(proxy);
        if (proxy->slots[LISTEN_SLOT].revents)
            accept_all(proxy);
    }
    free_relays(proxy, false);
    pthread_mutex_unlock(&proxy->lock);
    return NULL;
}

/* ------------------------------------------------------------------------- starting, stopping */

static void proxy_free(zkbox_proxy *proxy)
{
    net_close(&proxy->listening);
    net_close(&proxy->reserved);
    net_close(&proxy->wake);
    pthread_cond_destroy(&proxy->changed);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy->script.frames);
    free(proxy->slots);
    free(proxy);
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

static int open_sockets(zkbox_proxy *proxy)
{
    proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (proxy->wake < 0)
        return -errno;
    proxy->reserved = net_reserve(0); /* keeps the port while the proxy is cut */
    if (proxy->reserved < 0)
        return proxy->reserved;
    proxy->port = net_port(proxy->reserved);
    snprintf(proxy->address, sizeof(proxy->address), "127.0.0.1:%d", proxy->port);
    proxy->listening = net_listen(proxy->port);
    return proxy->listening < 0 ? proxy->listening : 0;
}

int zkbox_proxy_start(zkbox_proxy **out, const char *target_host_port)
{
    struct sockaddr_in server;
    int rc = net_parse(target_host_port, &server);
    if (rc < 0)
        return rc;
    zkbox_proxy *proxy = calloc(1, sizeof(*proxy));
    if (!proxy)
        return -ENOMEM;
    proxy->server = server;
    proxy->reserved = proxy->wake = proxy->listening = -1;
    pthread_mutex_init(&proxy->lock, NULL);
    init_condition(&proxy->changed);
    rc = open_sockets(proxy);

    /* The caller's signals are for the caller's threads. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc == 0)
        rc = -pthread_create(&proxy->thread, NULL, run, proxy);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0) {
        proxy_free(proxy);
        return rc;
    }
    *out = proxy;
    return 0;
}

/* With the lock held, after a change: returns when the thread acts by it. */
static void settle(zkbox_proxy *proxy)
{
    uint64_t ticket = ++proxy->ordered;
    (void)!write(proxy->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
    while (proxy->obeyed < ticket)
        pthread_cond_wait(&proxy->changed, &proxy->lock);
}

zkbox_proxy *zkbox_proxy_stop(zkbox_proxy *proxy)
{
    if (!proxy)
        return NULL;
    pthread_mutex_lock(&proxy->lock);
    proxy->stopping = true;
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
    pthread_join(proxy->thread, NULL);
    proxy_free(proxy);
    return NULL;
}

int zkbox_proxy_port(const zkbox_proxy *proxy)
{
    return proxy->port;
}

const char *zkbox_proxy_address(const zkbox_proxy *proxy)
{
    return proxy->address;
}

/* -------------------------------------------------------------------------------- the weather */

void zkbox_proxy_cut(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->weather.cut = true;
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
}

void zkbox_proxy_stall(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->weather.stalled = true;
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
}

void zkbox_proxy_one_way(zkbox_proxy *proxy, zkbox_direction lost)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->weather.lost[lost] = true;
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
}

void zkbox_proxy_delay(zkbox_proxy *proxy, int delay_ms)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->weather.delay_ms = delay_ms > 0 ? delay_ms : 0;
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
}

void zkbox_proxy_heal(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->weather = (struct weather){ 0 };
    proxy->healing = true;
    script_disarm(&proxy->script);
    settle(proxy);
    pthread_mutex_unlock(&proxy->lock);
}

/* ---------------------------------------------------------------------------------- the losses */

static int arm(zkbox_proxy *proxy, zkbox_direction lost, int opcode, int nth)
{
    pthread_mutex_lock(&proxy->lock);
    int rc = script_arm(&proxy->script, lost, opcode, nth);
    pthread_mutex_unlock(&proxy->lock);
    return rc;
}

int zkbox_proxy_lose_reply(zkbox_proxy *proxy, int opcode, int nth)
{
    return arm(proxy, ZKBOX_TO_CLIENT, opcode, nth);
}

int zkbox_proxy_lose_request(zkbox_proxy *proxy, int opcode, int nth)
{
    return arm(proxy, ZKBOX_TO_SERVER, opcode, nth);
}

int zkbox_proxy_wait_lost(zkbox_proxy *proxy, int timeout_ms)
{
    int64_t deadline_ns = net_deadline_ns(timeout_ms);
    struct timespec deadline = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
    int rc = 0;
    pthread_mutex_lock(&proxy->lock);
    const struct script_loss *loss = &proxy->script.loss;
    while (rc == 0 && (loss->state == LOSS_ARMED || loss->state == LOSS_FLYING))
        rc = -pthread_cond_timedwait(&proxy->changed, &proxy->lock, &deadline);
    if (loss->state == LOSS_HAPPENED)
        rc = 0;
    else if (loss->state == LOSS_NONE)
        rc = -ENOENT;
    pthread_mutex_unlock(&proxy->lock);
    return rc;
}

/* ---------------------------------------------------------------------------- what has passed */

int64_t zkbox_proxy_requests(zkbox_proxy *proxy, int opcode)
{
    pthread_mutex_lock(&proxy->lock);
    int64_t requests = script_requests(&proxy->script, opcode);
    pthread_mutex_unlock(&proxy->lock);
    return requests;
}

int64_t zkbox_proxy_bytes(zkbox_proxy *proxy, zkbox_direction direction)
{
    pthread_mutex_lock(&proxy->lock);
    int64_t bytes = proxy->script.bytes[direction];
    pthread_mutex_unlock(&proxy->lock);
    return bytes;
}

int zkbox_proxy_connections(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    int connections = proxy->relay_count;
    pthread_mutex_unlock(&proxy->lock);
    return connections;
}

void zkbox_proxy_reset_counts(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    memset(proxy->script.requests, 0, sizeof(proxy->script.requests));
    memset(proxy->script.bytes, 0, sizeof(proxy->script.bytes));
    pthread_mutex_unlock(&proxy->lock);
}

void zkbox_proxy_trace_start(zkbox_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->script.recording = true;
    proxy->script.frame_count = 0;
    pthread_mutex_unlock(&proxy->lock);
}

int zkbox_proxy_trace(zkbox_proxy *proxy, zkbox_frame **out_frames, size_t *out_count)
{
    pthread_mutex_lock(&proxy->lock);
    size_t count = proxy->script.frame_count;
    zkbox_frame *frames = proxy->script.recording ? calloc(count + 1, sizeof(*frames)) : NULL;
    if (frames && count)
        memcpy(frames, proxy->script.frames, count * sizeof(*frames));
    pthread_mutex_unlock(&proxy->lock);
    if (!frames)
        return -ENOMEM;
    *out_frames = frames;
    *out_count = count;
    return 0;
}
