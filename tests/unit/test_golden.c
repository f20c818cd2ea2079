/* test_golden.c - the line's records on ZooKeeper, byte by byte: programs of different versions
 * share those znodes.
 *
 * Each file in tests/golden is one record in hexadecimal, field by field, with comments. It is
 * never changed once a release has written it; a new format version gets new files, and the old
 * ones must still be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "line/records.h"
#include "locks/gate_record.h"

struct golden {
    unsigned char bytes[512];
    size_t size;
};

static struct golden golden_read(const char *name)
{
    struct golden golden = { .size = 0 };
    char path[512], line[256];

    snprintf(path, sizeof path, SOURCE_ROOT "/tests/golden/%s", name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("can't open %s", path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "#\n")] = '\0';
        unsigned byte;
        int used;
        for (const char *at = line; sscanf(at, " %2x%n", &byte, &used) == 1; at += used)
            golden.bytes[golden.size++] = (unsigned char)byte;
    }
    fclose(file);
    return golden;
}

static void assert_golden(const char *name, const struct record_out *out)
{
    struct golden golden = golden_read(name);

    for (size_t i = 0; i < out->size && i < golden.size; i++)
        if (out->bytes[i] != golden.bytes[i])
            fail_msg("%s: byte %zu is %02x, and was %02x", name, i, out->bytes[i], golden.bytes[i]);
    assert_int_equal(out->size, golden.size);
}

static void a_lines_record(void **state)
{
    const struct line_record record = { .kind = LINE_LOCK,
                                        .mark = 41,
                                        .tag = INT64_C(0x100000007) };
    struct golden golden = golden_read("line-lock.hex");
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    assert_int_equal(line_record_write(&out, &record), LK_OK);
    assert_golden("line-lock.hex", &out);
    record_free(&out);
    assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.kind, LINE_LOCK);
    assert_int_equal(read.permits, 0);
    assert_int_equal(read.mark, 41);
    assert_int_equal(read.tag, INT64_C(0x100000007));
}

static void a_semaphores_line(void **state)
{
    const struct line_record record = { .kind = LINE_SEMAPHORE, .permits = 12 };
    struct golden golden = golden_read("line-semaphore.hex");
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    assert_int_equal(line_record_write(&out, &record), LK_OK);
    assert_golden("line-semaphore.hex", &out);
    record_free(&out);
    assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.kind, LINE_SEMAPHORE);
    assert_int_equal(read.permits, 12);
    assert_int_equal(read.permits_most, 12); /* format 1 knows of no other number */
    assert_int_equal(read.mark, 0);
    assert_int_equal(read.tag, 0);
}

static void a_semaphores_line_that_was_resized(void **state)
{
    const struct line_record record = { .kind = LINE_SEMAPHORE, .permits = 8, .permits_most = 12 };
    struct golden golden = golden_read("line-semaphore-2.hex");
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    assert_int_equal(line_record_write(&out, &record), LK_OK);
    assert_golden("line-semaphore-2.hex", &out);
    record_free(&out);
    assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.kind, LINE_SEMAPHORE);
    assert_int_equal(read.permits, 8);
    assert_int_equal(read.permits_most, 12);
    assert_int_equal(read.delay_ms, 0);
    assert_int_equal(read.held, 0);
}

static void a_line_with_a_delay_and_a_holder(void **state)
{
    const struct line_record record = { .kind = LINE_LOCK,
                                        .mark = 41,
                                        .tag = INT64_C(0x100000007),
                                        .delay_ms = 1500,
                                        .held = INT64_C(0x10000002a) };
    struct golden golden = golden_read("line-lock-2.hex");
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    assert_int_equal(line_record_write(&out, &record), LK_OK);
    assert_golden("line-lock-2.hex", &out);
    record_free(&out);
    assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.kind, LINE_LOCK);
    assert_int_equal(read.permits_most, 0);
    assert_int_equal(read.mark, 41);
    assert_int_equal(read.tag, INT64_C(0x100000007));
    assert_int_equal(read.delay_ms, 1500);
    assert_int_equal(read.held, INT64_C(0x10000002a));
}

static void what_format_1_can_say_is_written_in_it(void **state)
{
    struct record_out out = { 0 };

    (void)state;
    const struct line_record lines[] = {
        { .kind = LINE_LOCK, .mark = 41, .tag = 7 },
        { .kind = LINE_RWLOCK },
        { .kind = LINE_ELECTION, .mark = 1, .tag = 2 },
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(line_record_write(&out, &lines[i]), LK_OK);
        assert_int_equal(out.bytes[3], 1);
    }
    const struct line_record newer[] = {
        { .kind = LINE_SEMAPHORE, .permits = 3, .permits_most = 3 },
        { .kind = LINE_LOCK, .delay_ms = 1 },
        { .kind = LINE_LOCK, .held = 1 },
    };
    for (size_t i = 0; i < sizeof newer / sizeof *newer; i++) {
        assert_int_equal(line_record_write(&out, &newer[i]), LK_OK);
        assert_int_equal(out.bytes[3], 2);
    }
    record_free(&out);
}

static void a_candidates_place(void **state)
{
    const struct place_record record = {
        .kind = LINE_ELECTION,
        .token = UINT64_C(0x0123456789abcdef),
        .pid = 4711,
        .host = "host-a",
        .host_size = 6,
        .words = "10.0.0.7:8080",
        .words_size = 13,
    };
    struct golden golden = golden_read("place-election.hex");
    struct record_out out = { 0 };
    struct place_record read;

    (void)state;
    assert_int_equal(place_record_write(&out, &record), LK_OK);
    assert_golden("place-election.hex", &out);
    record_free(&out);
    assert_int_equal(place_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.kind, LINE_ELECTION);
    assert_int_equal(read.token, UINT64_C(0x0123456789abcdef));
    assert_int_equal(read.pid, 4711);
    assert_int_equal(read.host_size, 6);
    assert_memory_equal(read.host, "host-a", 6);
    assert_int_equal(read.words_size, 13);
    assert_memory_equal(read.words, "10.0.0.7:8080", 13);
}

static void a_place_without_words(void **state)
{
    const struct place_record record = {
        .kind = LINE_LOCK, .token = 1, .pid = 2, .host = "", .words = ""
    };
    struct golden golden = golden_read("place-lock.hex");
    struct record_out out = { 0 };
    struct place_record read;

    (void)state;
    assert_int_equal(place_record_write(&out, &record), LK_OK);
    assert_golden("place-lock.hex", &out);
    record_free(&out);
    assert_int_equal(place_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.token, 1);
    assert_int_equal(read.pid, 2);
    assert_int_equal(read.host_size, 0);
    assert_int_equal(read.words_size, 0);
    assert_false(read.asked);
}

static void a_place_whose_owner_was_asked_to_let_go(void **state)
{
    const struct place_record record = { .kind = LINE_LOCK,
                                         .token = 1,
                                         .pid = 2,
                                         .asked = true,
                                         .host = "host-a",
                                         .host_size = 6,
                                         .words = "" };
    struct golden golden = golden_read("place-lock-2.hex");
    struct record_out out = { 0 };
    struct place_record read;

    (void)state;
    assert_int_equal(place_record_write(&out, &record), LK_OK);
    assert_golden("place-lock-2.hex", &out);
    record_free(&out);
    assert_int_equal(place_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_true(read.asked);
    assert_int_equal(read.token, 1);
    assert_int_equal(read.pid, 2);
    assert_int_equal(read.host_size, 6);
    assert_memory_equal(read.host, "host-a", 6);
    assert_int_equal(read.words_size, 0);
}

static void a_gate(void **state)
{
    const lk_gate gate = { .writer = { .zxid = UINT64_C(0x100000007) },
                           .reader = { .zxid = UINT64_C(0x10000002a), .turn = 3 } };
    struct golden golden = golden_read("gate.hex");
    struct record_out out = { 0 };
    lk_gate read;

    (void)state;
    assert_int_equal(gate_record_write(&out, &gate), LK_OK);
    assert_golden("gate.hex", &out);
    record_free(&out);
    assert_int_equal(gate_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(lk_fence_compare(read.writer, gate.writer), 0);
    assert_int_equal(lk_fence_compare(read.reader, gate.reader), 0);
    for (size_t at = RECORD_HEADER_SIZE; at < golden.size; at++) {
        assert_int_equal(gate_record_read(&read, golden.bytes, at), LK_E_CORRUPT);
        golden.bytes[at] ^= 1;
        assert_int_equal(gate_record_read(&read, golden.bytes, golden.size), LK_E_CORRUPT);
        golden.bytes[at] ^= 1;
    }
    golden.bytes[3] = GATE_FORMAT + 1;
    assert_int_equal(gate_record_read(&read, golden.bytes, golden.size), LK_E_NEWER_FORMAT);
}

static void a_place_that_ends_by_itself(void **state)
{
    const struct place_record record = { .kind = LINE_SEMAPHORE,
                                         .token = 1,
                                         .pid = 2,
                                         .term_ms = 30000,
                                         .host = "host-a",
                                         .host_size = 6,
                                         .words = "" };
    struct golden golden = golden_read("place-semaphore-3.hex");
    struct record_out out = { 0 };
    struct place_record read;

    (void)state;
    assert_int_equal(place_record_write(&out, &record), LK_OK);
    assert_golden("place-semaphore-3.hex", &out);
    record_free(&out);
    assert_int_equal(place_record_read(&read, golden.bytes, golden.size), LK_OK);
    assert_int_equal(read.term_ms, 30000);
    assert_false(read.asked);
    assert_int_equal(read.kind, LINE_SEMAPHORE);
    assert_int_equal(read.token, 1);
    assert_int_equal(read.pid, 2);
    assert_int_equal(read.host_size, 6);
    assert_memory_equal(read.host, "host-a", 6);
}

/* Each byte that is missing, or changed, is noticed. */
static void a_record_of_format_2_is_refused_when_it_is_damaged(void **state)
{
    static const char *const names[] = { "line-semaphore-2.hex", "line-lock-2.hex" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct golden golden = golden_read(names[i]);
        struct line_record read;
        for (size_t at = RECORD_HEADER_SIZE; at < golden.size; at++) {
            assert_int_equal(line_record_read(&read, golden.bytes, at), LK_E_CORRUPT);
            golden.bytes[at] ^= 1;
            assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_E_CORRUPT);
            golden.bytes[at] ^= 1;
        }
        assert_int_equal(line_record_read(&read, golden.bytes, golden.size), LK_OK);
    }
}

static void a_line_of_a_kind_that_is_none_is_corrupt(void **state)
{
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    for (uint8_t kind = 0; kind < 8; kind++) {
        const struct line_record record = { .kind = kind };
        assert_int_equal(line_record_write(&out, &record), LK_OK);
        assert_int_equal(line_record_read(&read, out.bytes, out.size),
                         *line_kind_name(kind) ? LK_OK : LK_E_CORRUPT);
    }
    record_free(&out);
}

/* Who stands within the most that there ever were may hold: fewer than there are would let others
 * in beside them. */
static void a_semaphore_that_never_had_as_many_permits_as_it_has_is_corrupt(void **state)
{
    const struct line_record record = {
        .kind = LINE_SEMAPHORE, .permits = 8, .permits_most = 7, .delay_ms = 1
    };
    struct record_out out = { 0 };
    struct line_record read;

    (void)state;
    assert_int_equal(line_record_write(&out, &record), LK_OK);
    assert_int_equal(line_record_read(&read, out.bytes, out.size), LK_E_CORRUPT);
    record_free(&out);
}

static void one_record_is_not_taken_for_the_other(void **state)
{
    struct golden line = golden_read("line-lock.hex"), place = golden_read("place-lock.hex");
    struct line_record a_line;
    struct place_record a_place;

    (void)state;
    assert_int_equal(line_record_read(&a_line, place.bytes, place.size), LK_E_KIND);
    assert_int_equal(place_record_read(&a_place, line.bytes, line.size), LK_E_KIND);
    line.bytes[3] = LINE_FORMAT + 1;
    assert_int_equal(line_record_read(&a_line, line.bytes, line.size), LK_E_NEWER_FORMAT);
    place.bytes[3] = PLACE_FORMAT + 1;
    assert_int_equal(place_record_read(&a_place, place.bytes, place.size), LK_E_NEWER_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lines_record),
        cmocka_unit_test(a_semaphores_line),
        cmocka_unit_test(a_semaphores_line_that_was_resized),
        cmocka_unit_test(a_line_with_a_delay_and_a_holder),
        cmocka_unit_test(what_format_1_can_say_is_written_in_it),
        cmocka_unit_test(a_candidates_place),
        cmocka_unit_test(a_place_without_words),
        cmocka_unit_test(a_place_whose_owner_was_asked_to_let_go),
        cmocka_unit_test(a_place_that_ends_by_itself),
        cmocka_unit_test(a_gate),
        cmocka_unit_test(a_record_of_format_2_is_refused_when_it_is_damaged),
        cmocka_unit_test(a_line_of_a_kind_that_is_none_is_corrupt),
        cmocka_unit_test(a_semaphore_that_never_had_as_many_permits_as_it_has_is_corrupt),
        cmocka_unit_test(one_record_is_not_taken_for_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
