/* links.c - see links.h. One lock covers everything; the thread holds it except while it polls, and
 * alone opens and closes connections. As in proxy.c, an order has been carried out when its call
 * returns. */
#include "links.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "relay.h"
#include "zkbox.h"

enum {
    CALLS_MAX = 64, /* an ensemble of three has five; each that waits in a stall is another */
    WAKE_SLOT = 0,
    GATE_SLOT = 1,
    CALL_SLOT = GATE_SLOT + ZKBOX_NODES_MAX,
    SLOTS = CALL_SLOT + 2 * CALLS_MAX,
};

/* SOCKS 5, as far as java speaks it. */
enum {
    SOCKS_VERSION = 5,
    SOCKS_CONNECT = 1,
    SOCKS_IPV4 = 1,
    SOCKS_REQUEST = 4 + 4 + 2, /* with an IPv4 address */
    SOCKS_OK = 0,
    SOCKS_REFUSED = 5,
    GREETING_MAX = 2 + 255,
};

/* FREE -> GREETING -> ASKING -> WAITING (for good weather) -> CONNECTING -> RELAYING -> FREE */
enum stage { FREE, GREETING, ASKING, WAITING, CONNECTING, RELAYING };

struct call {
    enum stage stage;
    int from, to; /* nodes; `to` from WAITING on */
    int fd, peer; /* -1: none; a relay's own from RELAYING on */
    struct sockaddr_in address;
    unsigned char said[GREETING_MAX];
    size_t size;
    struct relay *relay;
};

struct links {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t obedient;
    uint64_t ordered, obeyed;
    bool stopping;
    int nodes;
    /* [who opened the connection][to whom]; TO_SERVER is the way of the former's words. */
    struct weather weather[ZKBOX_NODES_MAX][ZKBOX_NODES_MAX];
    int ports[ZKBOX_NODES_MAX][2];
    int gate_ports[ZKBOX_NODES_MAX];

    /* The thread's own. */
    int wake;
    int gates[ZKBOX_NODES_MAX];
    struct call calls[CALLS_MAX];
    struct script script; /* relays report there; nobody asks */
};

/* ------------------------------------------------------------------------------------- calls */

static const struct weather *weather_of(const struct links *links, const struct call *call)
{
    return &links->weather[call->from][call->to];
}

/* Words lost in one direction keep a connection from being made at all. */
static bool is_fair(const struct weather *weather)
{
    return !weather->cut && !weather->stalled && !weather->lost[0] && !weather->lost[1];
}

static void end_call(struct links *links, struct call *call)
{
    if (call->stage == RELAYING) {
        relay_free(call->relay, &links->script);
    } else {
        net_close(&call->fd);
        net_close(&call->peer);
    }
    call->stage = FREE;
}

/* A few bytes on a fresh connection always have room. */
static void answer(struct links *links, struct call *call, int status)
{
    const unsigned char reply[SOCKS_REQUEST] = { SOCKS_VERSION, (unsigned char)status, 0,
                                                 SOCKS_IPV4 };

    (void)!send(call->fd, reply, sizeof(reply), MSG_NOSIGNAL);
    if (status != SOCKS_OK)
        end_call(links, call);
}

static size_t wanted(const struct call *call)
{
    if (call->stage == ASKING)
        return SOCKS_REQUEST;
    return call->size < 2 ? 2 : 2 + (size_t)call->said[1];
}

/* -1: nobody of ours listens there. */
static int node_of_port(const struct links *links, int port)
{
    for (int node = 0; node < links->nodes; node++)
        if (links->ports[node][0] == port || links->ports[node][1] == port)
            return node;
    return -1;
}

static void take_request(struct links *links, struct call *call)
{
    const unsigned char *said = call->said;

    if (said[0] != SOCKS_VERSION || said[1] != SOCKS_CONNECT || said[3] != SOCKS_IPV4) {
        end_call(links, call);
        return;
    }
    call->address = (struct sockaddr_in){ .sin_family = AF_INET };
    memcpy(&call->address.sin_addr, said + 4, 4);
    memcpy(&call->address.sin_port, said + 8, 2);
    call->to = node_of_port(links, ntohs(call->address.sin_port));
    if (call->to < 0 || call->to == call->from)
        answer(links, call, SOCKS_REFUSED);
    else
        call->stage = WAITING;
}

static void listen_to(struct links *links, struct call *call)
{
    ssize_t got = recv(call->fd, call->said + call->size, wanted(call) - call->size, 0);

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            end_call(links, call);
        return;
    }
    call->size += (size_t)got;
    if (call->size < wanted(call))
        return;
    if (call->stage == ASKING) {
        take_request(links, call);
        return;
    }
    const unsigned char no_authentication[] = { SOCKS_VERSION, 0 };
    (void)!send(call->fd, no_authentication, sizeof(no_authentication), MSG_NOSIGNAL);
    call->stage = ASKING;
    call->size = 0;
}

/* Who has given up waiting for good weather has hung up. */
static void try_connecting(struct links *links, struct call *call, const struct pollfd slots[2])
{
    const struct weather *weather = weather_of(links, call);

    if (slots[0].revents)
        end_call(links, call);
    else if (weather->cut)
        answer(links, call, SOCKS_REFUSED);
    else if (is_fair(weather)) {
        call->peer = net_connect_begin(&call->address);
        call->stage = CONNECTING;
        if (call->peer < 0)
            answer(links, call, SOCKS_REFUSED);
    }
}

static void finish_connecting(struct links *links, struct call *call)
{
    int error = 0;
    socklen_t size = sizeof(error);

    getsockopt(call->peer, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        answer(links, call, SOCKS_REFUSED);
        return;
    }
    answer(links, call, SOCKS_OK);
    call->relay = relay_between(call->fd, call->peer);
    call->stage = RELAYING;
    if (!call->relay)
        call->stage = FREE;
}

static void step_call(struct links *links, struct call *call, const struct pollfd slots[2])
{
    switch (call->stage) {
    case FREE:
        return;
    case GREETING:
    case ASKING:
        if (slots[0].revents)
            listen_to(links, call);
        return;
    case WAITING:
        try_connecting(links, call, slots);
        return;
    case CONNECTING:
        if (slots[1].revents)
            finish_connecting(links, call);
        return;
    case RELAYING:
        if (!relay_step(call->relay, weather_of(links, call), &links->script, slots))
            end_call(links, call);
        return;
    }
}

/* -------------------------------------------------------------------------------- the thread */

static struct call *free_call(struct links *links)
{
    for (int i = 0; i < CALLS_MAX; i++)
        if (links->calls[i].stage == FREE)
            return &links->calls[i];
    return NULL;
}

static void accept_all(struct links *links, int node)
{
    for (struct call *call; (call = free_call(links)) != NULL;) {
        int fd = accept4(links->gates[node], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        *call = (struct call){ .stage = GREETING, .from = node, .fd = fd, .peer = -1 };
    }
}

/* Those on a link that was cut end, and those that lost something on one that was healed. */
static void obey(struct links *links)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *call = &links->calls[i];
        if (call->stage < CONNECTING)
            continue;
        const struct weather *weather = weather_of(links, call);
        if (weather->cut
            || (call->stage == RELAYING && is_fair(weather) && relay_has_holes(call->relay)))
            end_call(links, call);
    }
    links->obeyed = links->ordered;
    pthread_cond_broadcast(&links->obedient);
}

static void fill_slots(struct links *links, struct pollfd slots[SLOTS])
{
    bool is_full = free_call(links) == NULL;

    for (int i = 0; i < SLOTS; i++)
        slots[i] = (struct pollfd){ .fd = -1 };
    slots[WAKE_SLOT] = (struct pollfd){ .fd = links->wake, .events = POLLIN };
    for (int node = 0; node < links->nodes && !is_full; node++)
        slots[GATE_SLOT + node] = (struct pollfd){ .fd = links->gates[node], .events = POLLIN };
    for (int i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &links->calls[i];
        struct pollfd *mine = &slots[CALL_SLOT + 2 * i];
        int64_t never_ns = INT64_MAX;
        if (call->stage == GREETING || call->stage == ASKING)
            mine[0] = (struct pollfd){ .fd = call->fd, .events = POLLIN };
        else if (call->stage == WAITING)
            mine[0] = (struct pollfd){ .fd = call->fd, .events = POLLRDHUP };
        else if (call->stage == CONNECTING)
            mine[1] = (struct pollfd){ .fd = call->peer, .events = POLLOUT };
        else if (call->stage == RELAYING)
            relay_interest(call->relay, weather_of(links, call), mine, &never_ns);
    }
}

/* Who waits for good weather may go on now: that wakes no slot. */
static bool somebody_may_go_on(const struct links *links)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        const struct call *call = &links->calls[i];
        if (call->stage != WAITING)
            continue;
        const struct weather *weather = weather_of(links, call);
        if (weather->cut || is_fair(weather))
            return true;
    }
    return false;
}

static void *run(void *argument)
{
    struct links *links = argument;
    struct pollfd slots[SLOTS];

    pthread_mutex_lock(&links->lock);
    for (obey(links); !links->stopping; obey(links)) {
        fill_slots(links, slots);
        int timeout_ms = somebody_may_go_on(links) ? 0 : -1;
        uint64_t ordered = links->ordered;
        pthread_mutex_unlock(&links->lock);
        int ready = poll(slots, SLOTS, timeout_ms);
        pthread_mutex_lock(&links->lock);
        if (ready >= 0 && slots[WAKE_SLOT].revents)
            (void)!read(links->wake, &(uint64_t){ 0 }, sizeof(uint64_t));
        if (ready < 0 || links->ordered != ordered)
            continue; /* what was polled for may be forbidden by now */
        for (int i = 0; i < CALLS_MAX; i++)
            step_call(links, &links->calls[i], &slots[CALL_SLOT + 2 * i]);
        for (int node = 0; node < links->nodes; node++)
            if (slots[GATE_SLOT + node].revents)
                accept_all(links, node);
    }
    for (int i = 0; i < CALLS_MAX; i++)
        if (links->calls[i].stage != FREE)
            end_call(links, &links->calls[i]);
    pthread_mutex_unlock(&links->lock);
    return NULL;
}

/* ------------------------------------------------------------------------- starting, stopping */

static void links_free(struct links *links)
{
    for (int node = 0; node < ZKBOX_NODES_MAX; node++)
        net_close(&links->gates[node]);
    net_close(&links->wake);
    pthread_cond_destroy(&links->obedient);
    pthread_mutex_destroy(&links->lock);
    free(links);
}

static int open_sockets(struct links *links)
{
    links->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (links->wake < 0)
        return -errno;
    for (int node = 0; node < links->nodes; node++) {
        links->gates[node] = net_listen(0);
        if (links->gates[node] < 0)
            return links->gates[node];
        links->gate_ports[node] = net_port(links->gates[node]);
    }
    return 0;
}

int links_start(struct links **out, int nodes)
{
    struct links *links = calloc(1, sizeof(*links));
    sigset_t all, before;

    if (!links)
        return -ENOMEM;
    links->nodes = nodes;
    links->wake = -1;
    for (int node = 0; node < ZKBOX_NODES_MAX; node++)
        links->gates[node] = -1;
    pthread_mutex_init(&links->lock, NULL);
    pthread_cond_init(&links->obedient, NULL);
    int rc = open_sockets(links);

    /* The caller's signals are for the caller's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc == 0)
        rc = -pthread_create(&links->thread, NULL, run, links);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0) {
        links_free(links);
        return rc;
    }
    *out = links;
    return 0;
}

/* With the lock held, after a change: returns when the thread acts by it. */
static void settle(struct links *links)
{
    uint64_t ticket = ++links->ordered;

    (void)!write(links->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
    while (links->obeyed < ticket)
        pthread_cond_wait(&links->obedient, &links->lock);
}

struct links *links_stop(struct links *links)
{
    if (!links)
        return NULL;
    pthread_mutex_lock(&links->lock);
    links->stopping = true;
    settle(links);
    pthread_mutex_unlock(&links->lock);
    pthread_join(links->thread, NULL);
    links_free(links);
    return NULL;
}

int links_gate(const struct links *links, int node)
{
    return links->gate_ports[node];
}

void links_expect(struct links *links, int node, int peer_port, int election_port)
{
    pthread_mutex_lock(&links->lock);
    links->ports[node][0] = peer_port;
    links->ports[node][1] = election_port;
    pthread_mutex_unlock(&links->lock);
}

/* --------------------------------------------------------------------------------- the faults */

void links_hurt(struct links *links, enum link_fault fault, int a, int b)
{
    pthread_mutex_lock(&links->lock);
    struct weather *there = &links->weather[a][b], *back = &links->weather[b][a];
    there->cut |= fault == LINK_CUT;
    back->cut |= fault == LINK_CUT;
    there->stalled |= fault == LINK_STALLED;
    back->stalled |= fault == LINK_STALLED;
    there->lost[ZKBOX_TO_SERVER] |= fault == LINK_LOSES;
    back->lost[ZKBOX_TO_CLIENT] |= fault == LINK_LOSES;
    settle(links);
    pthread_mutex_unlock(&links->lock);
}

void links_heal(struct links *links, int a, int b)
{
    pthread_mutex_lock(&links->lock);
    links->weather[a][b] = links->weather[b][a] = (struct weather){ 0 };
    settle(links);
    pthread_mutex_unlock(&links->lock);
}
