/* fuzz_gate.c - a gate's record: what has passed only ever grows. */
#include "fuzz.h"

#include "locks/gate_record.h"

static void pass(lk_gate *gate, struct input *program)
{
    const lk_gate before = *gate;
    bool writes = take(program, 1) & 1;
    /* Near what is there, or anywhere. */
    lk_fence base = take(program, 1) & 1 ? gate->writer : gate->reader;
    lk_fence fence = { base.zxid + take(program, 1) - 2, base.turn + take(program, 1) - 2 };
    int status = writes ? lk_gate_write(gate, fence) : lk_gate_read(gate, fence);

    MUST(status == LK_OK || status == LK_E_STALE);
    MUST(lk_fence_compare(gate->writer, before.writer) >= 0);
    MUST(lk_fence_compare(gate->reader, before.reader) >= 0);
    if (status == LK_E_STALE)
        MUST(memcmp(gate, &before, sizeof(before)) == 0);
    else
        MUST(lk_fence_compare(writes ? gate->writer : gate->reader, fence) >= 0);
    /* Nobody comes in after a writer with an older fence. */
    if (lk_fence_compare(fence, before.writer) < 0)
        MUST(status == LK_E_STALE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_GATE);
    RECORD_OUT written = { 0 };
    lk_gate gate = { 0 }, again = { 0 };

    if (!is_read(gate_record_read(&gate, taken.record.bytes, taken.record.size)))
        return 0;
    MUST(gate_record_write(&written, &gate) == LK_OK);
    if (taken.record.bytes[3] == GATE_FORMAT)
        MUST(is_same_record(&written, &taken.record));
    MUST(gate_record_read(&again, written.bytes, written.size) == LK_OK);
    MUST(memcmp(&gate, &again, sizeof(gate)) == 0);
    while (taken.program.left)
        pass(&gate, &taken.program);
    return 0;
}
