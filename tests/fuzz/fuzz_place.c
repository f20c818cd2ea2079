/* fuzz_place.c - the record of one who stands in a line, also of permits that end by themselves. */
#include "fuzz.h"

#include "line/records.h"

static bool is_same_text(const char *a, size_t a_size, const char *b, size_t b_size)
{
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static bool is_same(const struct place_record *a, const struct place_record *b)
{
    return a->kind == b->kind && a->token == b->token && a->pid == b->pid && a->asked == b->asked
           && a->term_ms == b->term_ms && is_same_text(a->host, a->host_size, b->host, b->host_size)
           && is_same_text(a->words, a->words_size, b->words, b->words_size);
}

static void is_within(const char *text, size_t size, const struct record_out *record)
{
    const char *begin = (const char *)record->bytes;

    MUST(text >= begin && text + size <= begin + record->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_PLACE);
    RECORD_OUT written = { 0 };
    struct place_record record = { 0 }, again = { 0 };

    if (!is_read(place_record_read(&record, taken.record.bytes, taken.record.size)))
        return 0;
    is_within(record.host, record.host_size, &taken.record);
    is_within(record.words, record.words_size, &taken.record);
    MUST(place_record_write(&written, &record) == LK_OK);
    MUST(place_record_read(&again, written.bytes, written.size) == LK_OK);
    MUST(is_same(&record, &again));
    return 0;
}
