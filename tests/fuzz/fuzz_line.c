/* fuzz_line.c - the record of a line's parent. */
#include "fuzz.h"

#include "line/records.h"

static bool is_same(const struct line_record *a, const struct line_record *b)
{
    return a->kind == b->kind && a->permits == b->permits && a->permits_most == b->permits_most
           && a->mark == b->mark && a->tag == b->tag && a->delay_ms == b->delay_ms
           && a->held == b->held;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_LINE);
    RECORD_OUT written = { 0 };
    struct line_record record = { 0 }, again = { 0 };

    if (!is_read(line_record_read(&record, taken.record.bytes, taken.record.size)))
        return 0;
    MUST(record.kind >= LINE_LOCK && record.kind <= LINE_ELECTION);
    MUST(line_kinds_share(record.kind, record.kind) && *line_kind_name(record.kind));
    MUST(line_record_write(&written, &record) == LK_OK);
    MUST(line_record_read(&again, written.bytes, written.size) == LK_OK);
    MUST(is_same(&record, &again));
    return 0;
}
