/* relay.c - see relay.h. */
#include "relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

enum {
    READ_SIZE = 64 << 10,
    QUEUE_MAX = 8 << 20, /* a flow that has more waiting reads no further */
};

/* Bytes on their way to a receiver, not before their time. */
struct parcel {
    struct parcel *next;
    int64_t due_ns;
    size_t size;
    size_t sent;
    unsigned char bytes[];
};

struct flow {
    unsigned char *incoming; /* read, not yet sorted */
    size_t incoming_size;
    size_t incoming_room;
    struct parcel *first;
    struct parcel *last;
    size_t queued;
    bool greeted;    /* the connect frame has passed */
    bool ended;      /* the sender sends no more, or we read no more */
    bool passed_end; /* the receiver knows */
    bool has_holes;
};

/* A request whose reply has not come yet. */
struct asked {
    int32_t xid;
    int32_t opcode;
    bool reply_is_lost;
};

enum fate {
    GOING_ON,
    LOSING_REQUEST, /* one is swallowed: close when all before it is answered */
    LOSING_REPLY,   /* one is swallowed: close when all before it is delivered */
    ENDED,          /* in order */
    BROKEN,
};

struct relay {
    struct relay *next;
    int number;
    int fd[2]; /* 0: the client, 1: the server; flow f goes from fd[f] to fd[!f] */
    bool connected;
    bool opaque;
    enum fate fate;
    struct flow flow[2]; /* by zkbox_direction */
    struct asked *asked; /* a queue: [asked_first, asked_end) */
    size_t asked_first, asked_end, asked_room;
};

static int sender(zkbox_direction direction)
{
    return direction == ZKBOX_TO_SERVER ? 0 : 1;
}

static int receiver(zkbox_direction direction)
{
    return !sender(direction);
}

/* ------------------------------------------------------------------------------ making, freeing */

struct relay *relay_new(int number, int client, const struct sockaddr_in *server,
                        struct relay *next)
{
    int upstream = net_connect_begin(server);
    struct relay *relay = upstream < 0 ? NULL : calloc(1, sizeof(*relay));
    if (!relay) {
        net_close(&client);
        net_close(&upstream);
        return NULL;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    relay->next = next;
    relay->number = number;
    relay->fd[0] = client;
    relay->fd[1] = upstream;
    return relay;
}

struct relay *relay_between(int client, int server)
{
    struct relay *relay = calloc(1, sizeof(*relay));
    if (!relay) {
        net_close(&client);
        net_close(&server);
        return NULL;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    relay->fd[0] = client;
    relay->fd[1] = server;
    relay->connected = relay->opaque = true;
    return relay;
}

struct relay *relay_next(const struct relay *relay)
{
    return relay->next;
}

void relay_set_next(struct relay *relay, struct relay *next)
{
    relay->next = next;
}

bool relay_has_holes(const struct relay *relay)
{
    return relay->flow[0].has_holes || relay->flow[1].has_holes;
}

static void drop_parcels(struct flow *flow)
{
    while (flow->first) {
        struct parcel *parcel = flow->first;
        flow->first = parcel->next;
        free(parcel);
    }
    flow->last = NULL;
    flow->queued = 0;
}

void relay_free(struct relay *relay, struct script *script)
{
    bool in_order = relay->fate == ENDED;
    for (int side = 0; side < 2; side++) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        if (!in_order)
            setsockopt(relay->fd[side], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(relay->fd[side]);
        drop_parcels(&relay->flow[side]);
        free(relay->flow[side].incoming);
    }
    script_broke(script, relay->number); /* a no-op if its loss has happened */
    free(relay->asked);
    free(relay);
}

/* --------------------------------------------------------------------------- frames and parcels */

static bool queue_parcel(struct flow *flow, const unsigned char *bytes, size_t size, int64_t due_ns)
{
    if (size == 0)
        return true;
    struct parcel *parcel = malloc(sizeof(*parcel) + size);
    if (!parcel)
        return false;
    *parcel = (struct parcel){ .due_ns = due_ns, .size = size };
    memcpy(parcel->bytes, bytes, size);
    if (flow->last)
        flow->last->next = parcel;
    else
        flow->first = parcel;
    flow->last = parcel;
    flow->queued += size;
    return true;
}

static bool remember_asked(struct relay *relay, struct asked asked)
{
    if (relay->asked_end == relay->asked_room) {
        size_t count = relay->asked_end - relay->asked_first;
        if (relay->asked_first < count || count == 0) {
            size_t room = relay->asked_room ? relay->asked_room * 2 : 64;
            struct asked *larger = reallocarray(relay->asked, room, sizeof(*larger));
            if (!larger)
                return false;
            relay->asked = larger;
            relay->asked_room = room;
        }
        memmove(relay->asked, relay->asked + relay->asked_first, count * sizeof(asked));
        relay->asked_first = 0;
        relay->asked_end = count;
    }
    relay->asked[relay->asked_end++] = asked;
    return true;
}

/* Takes the request that a reply with this xid answers. That is nearly always the first: only an
 * answer to auth may overtake others. */
static struct asked take_asked(struct relay *relay, int32_t xid)
{
    for (size_t at = relay->asked_first; at < relay->asked_end; at++) {
        if (relay->asked[at].xid != xid)
            continue;
        struct asked found = relay->asked[at];
        memmove(relay->asked + relay->asked_first + 1, relay->asked + relay->asked_first,
                (at - relay->asked_first) * sizeof(found));
        relay->asked_first++;
        return found;
    }
    return (struct asked){ .xid = xid };
}

/* Both return whether the frame passes. */
static bool sort_request(struct relay *relay, struct script *script, const unsigned char *bytes,
                         zkbox_frame *frame)
{
    if (frame->size < WIRE_REQUEST_HEADER)
        return true;
    frame->xid = wire_int32(bytes + 4);
    frame->opcode = wire_int32(bytes + 8);
    enum script_verdict verdict = script_judge(script, relay->number, frame->opcode);
    if (verdict == LOSE_THIS) {
        relay->fate = LOSING_REQUEST;
        return false;
    }
    struct asked asked = { frame->xid, frame->opcode, verdict == LOSE_ITS_REPLY };
    if (!remember_asked(relay, asked))
        relay->fate = BROKEN;
    return true;
}

static bool sort_reply(struct relay *relay, const unsigned char *bytes, zkbox_frame *frame)
{
    if (frame->size < WIRE_REPLY_HEADER)
        return true;
    frame->xid = wire_int32(bytes + 4);
    frame->error = wire_int32(bytes + 16);
    if (frame->xid == WIRE_EVENT_XID)
        return true;
    struct asked asked = take_asked(relay, frame->xid);
    frame->opcode = asked.opcode;
    if (!asked.reply_is_lost)
        return true;
    relay->fate = LOSING_REPLY;
    return false;
}

/* Sorts one frame; false if it and all that follows it is to be swallowed. */
static bool sort_frame(struct relay *relay, struct script *script, zkbox_direction direction,
                       const unsigned char *bytes, size_t size)
{
    struct flow *flow = &relay->flow[direction];
    zkbox_frame frame = {
        .at_ns = net_now_ns(), .connection = relay->number, .direction = direction, .size = size
    };
    bool passes = true;
    if (flow->greeted)
        passes = direction == ZKBOX_TO_SERVER ? sort_request(relay, script, bytes, &frame)
                                              : sort_reply(relay, bytes, &frame);
    flow->greeted = true;
    frame.lost = !passes;
    script_record(script, &frame);
    return passes;
}

/* Makes one parcel of all whole frames that have come. */
static void sort_incoming(struct relay *relay, const struct weather *weather, struct script *script,
                          zkbox_direction direction)
{
    struct flow *flow = &relay->flow[direction];
    size_t passed = 0;
    while (!relay->opaque && !flow->ended) {
        const unsigned char *next = flow->incoming + passed;
        ssize_t size = wire_frame_size(next, flow->incoming_size - passed);
        if (size == 0)
            break;
        if (size < 0)
            relay->opaque = true;
        else if (sort_frame(relay, script, direction, next, (size_t)size))
            passed += (size_t)size;
        else
            flow->ended = true;
    }
    if (relay->opaque) {
        script->bytes[direction] += (int64_t)(flow->incoming_size - passed);
        passed = flow->incoming_size;
    }
    int64_t due_ns = weather->delay_ms ? net_deadline_ns(weather->delay_ms) : 0;
    if (!queue_parcel(flow, flow->incoming, passed, due_ns))
        relay->fate = BROKEN;
    flow->incoming_size -= passed;
    memmove(flow->incoming, flow->incoming + passed, flow->incoming_size);
}

/* ------------------------------------------------------------------------------ moving bytes */

static bool make_room(struct flow *flow)
{
    if (flow->incoming_room - flow->incoming_size >= READ_SIZE)
        return true;
    size_t room = flow->incoming_room ? flow->incoming_room * 2 : 2 * (size_t)READ_SIZE;
    unsigned char *larger = realloc(flow->incoming, room);
    if (!larger)
        return false;
    flow->incoming = larger;
    flow->incoming_room = room;
    return true;
}

static void read_flow(struct relay *relay, const struct weather *weather, struct script *script,
                      zkbox_direction direction)
{
    struct flow *flow = &relay->flow[direction];
    if (!make_room(flow)) {
        relay->fate = BROKEN;
        return;
    }
    ssize_t got = recv(relay->fd[sender(direction)], flow->incoming + flow->incoming_size,
                       flow->incoming_room - flow->incoming_size, 0);
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            relay->fate = BROKEN;
        return;
    }
    if (weather->lost[direction]) {
        flow->has_holes = true; /* also when it is only the end that is lost */
        flow->ended = flow->ended || got == 0;
        return;
    }
    if (got == 0) {
        flow->ended = true;
        return;
    }
    flow->incoming_size += (size_t)got;
    sort_incoming(relay, weather, script, direction);
}

static void write_flow(struct relay *relay, const struct weather *weather,
                       zkbox_direction direction, int64_t now_ns)
{
    struct flow *flow = &relay->flow[direction];
    if (weather->lost[direction] && flow->first) {
        drop_parcels(flow);
        flow->has_holes = true;
    }
    while (flow->first && flow->first->due_ns <= now_ns) {
        struct parcel *parcel = flow->first;
        ssize_t sent = send(relay->fd[receiver(direction)], parcel->bytes + parcel->sent,
                            parcel->size - parcel->sent, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                relay->fate = BROKEN;
            return;
        }
        parcel->sent += (size_t)sent;
        flow->queued -= (size_t)sent;
        if (parcel->sent < parcel->size)
            return;
        flow->first = parcel->next;
        if (!flow->first)
            flow->last = NULL;
        free(parcel);
    }
    if (flow->ended && !flow->first && !flow->passed_end && !flow->has_holes
        && relay->fate == GOING_ON) {
        shutdown(relay->fd[receiver(direction)], SHUT_WR);
        flow->passed_end = true;
    }
}

static bool is_due(const struct flow *flow, int64_t now_ns)
{
    return flow->first && flow->first->due_ns <= now_ns;
}

/* A slot without events gets no descriptor: poll() reports a broken one even if not asked to. */
void relay_interest(const struct relay *relay, const struct weather *weather,
                    struct pollfd slots[2], int64_t *wake_ns)
{
    short events[2] = { 0, 0 };
    int64_t now_ns = net_now_ns();
    if (!relay->connected)
        events[1] = POLLOUT;
    else if (!weather->stalled) {
        for (int direction = 0; direction < 2; direction++) {
            const struct flow *flow = &relay->flow[direction];
            if (!flow->ended && flow->queued < QUEUE_MAX)
                events[sender(direction)] |= POLLIN;
            if (is_due(flow, now_ns))
                events[receiver(direction)] |= POLLOUT;
            else if (flow->first && flow->first->due_ns < *wake_ns)
                *wake_ns = flow->first->due_ns;
        }
    }
    for (int side = 0; side < 2; side++)
        slots[side] = (struct pollfd){ .fd = events[side] ? relay->fd[side] : -1,
                                       .events = events[side] };
}

static void finish_connecting(struct relay *relay)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(relay->fd[1], SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        relay->fate = BROKEN;
    relay->connected = true;
}

/* Whether a loss, or both ends, have been carried through. */
static bool is_over(const struct relay *relay)
{
    const struct flow *to_server = &relay->flow[ZKBOX_TO_SERVER];
    const struct flow *to_client = &relay->flow[ZKBOX_TO_CLIENT];
    switch (relay->fate) {
    case GOING_ON:
        return to_server->passed_end && to_client->passed_end;
    case LOSING_REQUEST:
        return (relay->asked_first == relay->asked_end || to_client->ended) && !to_server->first
               && !to_client->first;
    case LOSING_REPLY:
        return !to_client->first;
    default:
        return true;
    }
}

bool relay_step(struct relay *relay, const struct weather *weather, struct script *script,
                const struct pollfd slots[2])
{
    if (!relay->connected) {
        if (slots[1].revents)
            finish_connecting(relay);
        return relay->fate != BROKEN;
    }
    if (weather->stalled)
        return true;

    for (int direction = 0; direction < 2; direction++)
        if (slots[sender(direction)].revents & ~POLLOUT && !relay->flow[direction].ended
            && relay->flow[direction].queued < QUEUE_MAX)
            read_flow(relay, weather, script, direction);
    int64_t now_ns = net_now_ns();
    for (int direction = 0; direction < 2; direction++)
        write_flow(relay, weather, direction, now_ns);

    if (relay->fate == BROKEN)
        return false;
    if (!is_over(relay))
        return true;
    if (relay->fate == LOSING_REQUEST || relay->fate == LOSING_REPLY)
        script_happened(script, relay->number);
    relay->fate = ENDED;
    return false;
}
