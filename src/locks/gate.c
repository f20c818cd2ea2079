/* gate.c - what a fence is compared with: in memory, or in a znode by versioned sets. */
#include <latchkey/gate.h>

#include <stdlib.h>

#include "base/record.h"
#include "session/flight.h"

#define GATE_FORMAT 1

int lk_gate_write(lk_gate *gate, lk_fence fence)
{
    if (!gate)
        return LK_E_INVALID;
    if (lk_fence_compare(fence, gate->writer) < 0 || lk_fence_compare(fence, gate->reader) <= 0)
        return LK_E_STALE;
    gate->writer = fence;
    return LK_OK;
}

int lk_gate_read(lk_gate *gate, lk_fence fence)
{
    if (!gate)
        return LK_E_INVALID;
    if (lk_fence_compare(fence, gate->writer) <= 0)
        return LK_E_STALE;
    if (lk_fence_compare(fence, gate->reader) > 0)
        gate->reader = fence;
    return LK_OK;
}

/* ---- in a znode ---- */

static int gate_encode(struct record_out *out, const lk_gate *gate)
{
    record_begin(out, RECORD_GATE, GATE_FORMAT);
    record_put_u64(out, gate->writer.zxid);
    record_put_u64(out, gate->writer.turn);
    record_put_u64(out, gate->reader.zxid);
    record_put_u64(out, gate->reader.turn);
    return record_end(out);
}

static int gate_decode(lk_gate *out, const void *data, size_t size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_GATE, GATE_FORMAT);

    if (status != LK_OK)
        return status;
    lk_gate gate;
    gate.writer.zxid = record_get_u64(&in);
    gate.writer.turn = record_get_u64(&in);
    gate.reader.zxid = record_get_u64(&in);
    gate.reader.turn = record_get_u64(&in);
    status = record_close(&in);
    if (status == LK_OK)
        *out = gate;
    return status;
}

/* One visit of a gate at a znode: read, decide, write back under the version read. A lost reply and
 * a lost race are the same here: read again, since passing twice does no harm. */
struct visit {
    struct op op;
    struct flight flight;
    lk_client *client;
    char *path;
    int (*pass)(lk_gate *gate, lk_fence fence);
    lk_fence fence;
};

static void visit_read(struct visit *visit);

static void visit_end(struct visit *visit, int status)
{
    flight_drop(&visit->flight);
    op_done(&visit->op, status);
}

static int visit_withdraw(struct op *op, int status)
{
    struct visit *visit = container_of(op, struct visit, op);

    flight_drop(&visit->flight);
    return status == LK_E_DEADLINE && client_session_id(visit->client) == 0 ? LK_E_NO_SERVER
                                                                            : status;
}

static void visit_send(struct visit *visit, const struct keeper_request *request,
                       void (*landed)(struct flight *flight))
{
    int status = flight_send(&visit->flight, visit->client, request, 1, landed);

    if (status != LK_OK)
        visit_end(visit, status);
}

static void visit_written(struct flight *flight)
{
    struct visit *visit = container_of(flight, struct visit, flight);
    const struct answer *answer = &flight->answers[0];

    if (answer->rc == KEEPER_OK)
        visit_end(visit, LK_OK);
    else if (answer->rc == KEEPER_BAD_VERSION || answer->rc == KEEPER_NO_NODE
             || answer->rc == KEEPER_NODE_EXISTS || answer_is_lost(answer))
        visit_read(visit);
    else
        visit_end(visit, answer_status(answer));
}

static void visit_decide(struct visit *visit, lk_gate gate, int32_t version)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    const lk_gate before = gate;
    int status = visit->pass(&gate, visit->fence);

    if (status == LK_OK)
        status = gate_encode(&record, &gate);
    if (status != LK_OK
        || (lk_fence_compare(before.writer, gate.writer) == 0
            && lk_fence_compare(before.reader, gate.reader) == 0)) {
        visit_end(visit, status);
        return;
    }
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = visit->path,
                                        .data = record.bytes,
                                        .data_size = record.size,
                                        .version = version };
    visit_send(visit, &set, visit_written);
}

static void visit_made(struct flight *flight)
{
    struct visit *visit = container_of(flight, struct visit, flight);
    int status = flight_made(flight);

    if (status == LK_OK || status == LK_E_UNKNOWN)
        visit_read(visit);
    else
        visit_end(visit, status);
}

static void visit_make(struct visit *visit)
{
    int status = flight_make(&visit->flight, visit->client, visit->path, KEEPER_PERSISTENT,
                             visit_made);

    if (status != LK_OK)
        visit_end(visit, status);
}

static void visit_got(struct flight *flight)
{
    struct visit *visit = container_of(flight, struct visit, flight);
    const struct answer *answer = &flight->answers[0];
    lk_gate gate = { 0 };

    if (answer->rc == KEEPER_NO_NODE) {
        visit_make(visit);
        return;
    }
    int status = answer_status(answer);
    /* Made, and not written yet: open to all. */
    if (status == LK_OK && answer->data_size > 0)
        status = gate_decode(&gate, answer->data, answer->data_size);
    if (status == LK_OK)
        visit_decide(visit, gate, answer->stat.version);
    else
        visit_end(visit, status);
}

static void visit_read(struct visit *visit)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = visit->path };

    visit_send(visit, &get, visit_got);
}

static int visit_wait(struct visit *visit, int64_t deadline_ns)
{
    int status = client_enter(visit->client);

    if (status != LK_OK)
        return status;
    status = op_may_wait(visit->client);
    if (status == LK_OK) {
        op_begin(visit->client, &visit->op, deadline_ns, visit_withdraw, NULL);
        visit_read(visit);
        status = op_wait(&visit->op);
    }
    client_leave(visit->client);
    return status;
}

static int gate_visit(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns,
                      int (*pass)(lk_gate *gate, lk_fence fence))
{
    struct visit visit = { .client = client, .pass = pass, .fence = fence };

    if (!client || !path)
        return LK_E_INVALID;
    int status = client_path(client, path, &visit.path);
    if (status != LK_OK)
        return status;
    client_ref(client); /* another thread may free it, which ends the wait */
    status = visit_wait(&visit, deadline_ns);
    client_unref(client);
    free(visit.path);
    return status;
}

int lk_gate_write_at(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    return gate_visit(client, path, fence, deadline_ns, lk_gate_write);
}

int lk_gate_read_at(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    return gate_visit(client, path, fence, deadline_ns, lk_gate_read);
}
