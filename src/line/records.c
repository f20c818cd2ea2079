/* records.c - the line's two records. */
#include "line/records.h"

int line_record_write(struct record_out *out, const struct line_record *record)
{
    bool is_plain = !record->permits_most && !record->delay_ms && !record->held;

    record_begin(out, RECORD_LINE, is_plain ? 1 : LINE_FORMAT);
    record_put_u8(out, record->kind);
    record_put_u32(out, record->permits);
    record_put_u32(out, record->mark);
    record_put_u64(out, (uint64_t)record->tag);
    if (!is_plain) {
        record_put_u32(out, record->permits_most);
        record_put_u32(out, record->delay_ms);
        record_put_u64(out, (uint64_t)record->held);
    }
    return record_end(out);
}

int line_record_read(struct line_record *out, const void *data, size_t size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_LINE, LINE_FORMAT);

    if (status != LK_OK)
        return status;
    struct line_record record = {
        .kind = record_get_u8(&in),
        .permits = record_get_u32(&in),
        .mark = record_get_u32(&in),
        .tag = (int64_t)record_get_u64(&in),
    };
    record.permits_most = in.version >= 2 ? record_get_u32(&in) : record.permits;
    if (in.version >= 2) {
        record.delay_ms = record_get_u32(&in);
        record.held = (int64_t)record_get_u64(&in);
    }
    status = record_close(&in);
    if (status == LK_OK && (!*line_kind_name(record.kind) || record.permits_most < record.permits))
        status = LK_E_CORRUPT;
    if (status == LK_OK)
        *out = record;
    return status;
}

int place_record_write(struct record_out *out, const struct place_record *record)
{
    record_begin(out, RECORD_PLACE, record->term_ms ? PLACE_FORMAT : record->asked ? 2 : 1);
    record_put_u8(out, record->kind);
    record_put_u64(out, record->token);
    record_put_u64(out, record->pid);
    record_put_text(out, record->host, record->host_size);
    record_put_text(out, record->words, record->words_size);
    if (record->asked || record->term_ms)
        record_put_u8(out, record->asked);
    if (record->term_ms)
        record_put_u32(out, record->term_ms);
    return record_end(out);
}

int place_record_read(struct place_record *out, const void *data, size_t size)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_PLACE, PLACE_FORMAT);

    if (status != LK_OK)
        return status;
    struct place_record record = {
        .kind = record_get_u8(&in),
        .token = record_get_u64(&in),
        .pid = record_get_u64(&in),
    };
    record.host = record_get_text(&in, &record.host_size);
    record.words = record_get_text(&in, &record.words_size);
    record.asked = in.version >= 2 && record_get_u8(&in) != 0;
    record.term_ms = in.version >= 3 ? record_get_u32(&in) : 0;
    status = record_close(&in);
    if (status == LK_OK)
        *out = record;
    return status;
}

const char *line_kind_name(uint8_t kind)
{
    switch (kind) {
    case LINE_LOCK:
        return "lock";
    case LINE_RWLOCK:
        return "rwlock";
    case LINE_SEMAPHORE:
        return "semaphore";
    case LINE_ELECTION:
        return "election";
    }
    return "";
}
