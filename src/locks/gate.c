/* gate.c - what a fence is compared with: in memory, or in a znode by versioned sets. */
#include <latchkey/gate.h>

#include "locks/gate_record.h"
#include "session/visit.h"

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

int gate_record_write(struct record_out *out, const lk_gate *gate)
{
    record_begin(out, RECORD_GATE, GATE_FORMAT);
    record_put_u64(out, gate->writer.zxid);
    record_put_u64(out, gate->writer.turn);
    record_put_u64(out, gate->reader.zxid);
    record_put_u64(out, gate->reader.turn);
    return record_end(out);
}

int gate_record_read(lk_gate *out, const void *data, size_t size)
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

/* A lost reply and a lost race are the same here: read again, since passing twice does no harm. */
struct passing {
    struct visit visit;
    int (*pass)(lk_gate *gate, lk_fence fence);
    lk_fence fence;
};

static void gate_got(struct flight *flight);

static void gate_written(struct flight *flight)
{
    struct visit *visit = flight_visit(flight);
    const struct answer *answer = &flight->answers[0];

    if (answer->rc == KEEPER_BAD_VERSION || answer->rc == KEEPER_NO_NODE || answer_is_lost(answer))
        visit_read(visit, gate_got);
    else
        visit_end(visit, answer_status(answer));
}

/* A refusal is certain, since what a server that lags shows can only have become newer. To pass is
 * not before the servers have agreed to it, also where nothing changes: another may have passed
 * that ours has not heard of. */
static void gate_decide(struct passing *passing, lk_gate gate, int32_t version)
{
    __attribute__((cleanup(record_free))) struct record_out record = { 0 };
    int status = passing->pass(&gate, passing->fence);

    if (status == LK_OK)
        status = gate_record_write(&record, &gate);
    if (status != LK_OK)
        visit_end(&passing->visit, status);
    else
        visit_write(&passing->visit, &record, version, gate_written);
}

static void gate_made(struct flight *flight)
{
    int status = flight_made(flight);

    if (status == LK_OK || status == LK_E_UNKNOWN)
        visit_read(flight_visit(flight), gate_got);
    else
        visit_end(flight_visit(flight), status);
}

static void gate_got(struct flight *flight)
{
    struct passing *passing = container_of(flight_visit(flight), struct passing, visit);
    const struct answer *answer = &flight->answers[0];
    lk_gate gate = { 0 };

    if (answer->rc == KEEPER_NO_NODE) {
        visit_make(&passing->visit, KEEPER_PERSISTENT, gate_made);
        return;
    }
    int status = answer_status(answer);
    /* Made, and not written yet: open to all. */
    if (status == LK_OK && answer->data_size > 0)
        status = gate_record_read(&gate, answer->data, answer->data_size);
    if (status == LK_OK)
        gate_decide(passing, gate, answer->stat.version);
    else
        visit_end(&passing->visit, status);
}

static void gate_visit(struct visit *visit)
{
    visit_read(visit, gate_got);
}

static int gate_pass_at(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns,
                        int (*pass)(lk_gate *gate, lk_fence fence))
{
    struct passing passing = { .pass = pass, .fence = fence };

    if (!client || !path)
        return LK_E_INVALID;
    return visit_run(&passing.visit, client, path, deadline_ns, gate_visit);
}

int lk_gate_write_at(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    return gate_pass_at(client, path, fence, deadline_ns, lk_gate_write);
}

int lk_gate_read_at(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    return gate_pass_at(client, path, fence, deadline_ns, lk_gate_read);
}
