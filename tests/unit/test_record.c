/* test_record.c - a record comes back as it was written, or is refused with the reason: never half
 * believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/record.h"

enum { VERSION = 3 };

/* One field of each sort. */
static struct record_out record_of_all(void)
{
    struct record_out out = { 0 };

    record_begin(&out, RECORD_PLACE, VERSION);
    record_put_u8(&out, 0x01);
    record_put_u16(&out, 0x0203);
    record_put_u32(&out, 0x04050607);
    record_put_u64(&out, UINT64_C(0x08090a0b0c0d0e0f));
    record_put_text(&out, "words", 5);
    record_put_bytes(&out, "\x00\xff", 2);
    assert_int_equal(record_end(&out), LK_OK);
    return out;
}

static int open_it(const void *data, size_t size)
{
    struct record_in in;
    return record_open(&in, data, size, RECORD_PLACE, VERSION);
}

static void what_was_written_is_read(void **state)
{
    struct record_out out = record_of_all();
    struct record_in in;
    size_t size;

    (void)state;
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, VERSION), LK_OK);
    assert_int_equal(in.version, VERSION);
    assert_int_equal(record_get_u8(&in), 0x01);
    assert_int_equal(record_get_u16(&in), 0x0203);
    assert_int_equal(record_get_u32(&in), 0x04050607);
    assert_int_equal(record_get_u64(&in), UINT64_C(0x08090a0b0c0d0e0f));
    const char *text = record_get_text(&in, &size);
    assert_int_equal(size, 5);
    assert_memory_equal(text, "words", 5);
    assert_int_equal(record_close(&in), LK_E_CORRUPT); /* two bytes are left */
    assert_memory_equal(record_get_bytes(&in, 2), "\x00\xff", 2);
    assert_int_equal(record_close(&in), LK_OK);
    record_free(&out);
    assert_null(out.bytes);
}

static void numbers_are_big_endian_behind_a_header_of_eight_bytes(void **state)
{
    struct record_out out = record_of_all();
    static const unsigned char header[] = { 'L', 'K', RECORD_PLACE, VERSION };
    static const unsigned char body[] = { 1,  2,  3,  4, 5, 6,   7,   8,   9,   10,  11, 12,
                                          13, 14, 15, 0, 5, 'w', 'o', 'r', 'd', 's', 0,  0xff };

    (void)state;
    assert_int_equal(out.size, RECORD_HEADER_SIZE + sizeof body);
    assert_memory_equal(out.bytes, header, sizeof header);
    assert_memory_equal(out.bytes + RECORD_HEADER_SIZE, body, sizeof body);
    record_free(&out);
}

static void a_record_without_a_body_is_one(void **state)
{
    struct record_out out = { 0 };
    struct record_in in;

    (void)state;
    record_begin(&out, RECORD_LINE, 1);
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(out.size, RECORD_HEADER_SIZE);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_LINE, 1), LK_OK);
    assert_int_equal(record_close(&in), LK_OK);
    record_free(&out);
}

static void foreign_data_is_called_foreign(void **state)
{
    (void)state;
    assert_int_equal(open_it(NULL, 0), LK_E_FOREIGN);
    assert_int_equal(open_it("L", 1), LK_E_FOREIGN);
    assert_int_equal(open_it("10.0.0.7:8080", 13), LK_E_FOREIGN);
    assert_int_equal(open_it("\0\0\0\0\0\0\0\0", 8), LK_E_FOREIGN);
}

static void another_kind_and_a_newer_version_are_named(void **state)
{
    struct record_out out = record_of_all();
    struct record_in in;

    (void)state;
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_LINE, VERSION), LK_E_KIND);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, VERSION - 1),
                     LK_E_NEWER_FORMAT);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, VERSION + 1), LK_OK);
    /* A newer version may also check differently: it is named before it is checked. */
    out.bytes[out.size - 1] ^= 1;
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, VERSION - 1),
                     LK_E_NEWER_FORMAT);
    record_free(&out);
}

static void there_is_no_version_zero(void **state)
{
    struct record_out out = { 0 };

    (void)state;
    record_begin(&out, RECORD_PLACE, 0);
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(open_it(out.bytes, out.size), LK_E_CORRUPT);
    record_free(&out);
}

static void a_single_flipped_bit_is_never_believed(void **state)
{
    struct record_out out = record_of_all();

    (void)state;
    for (size_t bit = 0; bit < out.size * 8; bit++) {
        out.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int status = open_it(out.bytes, out.size);
        if (status == LK_OK)
            fail_msg("bit %zu of byte %zu was flipped, and the record was taken", bit % 8, bit / 8);
        if (bit / 8 >= 4)
            assert_int_equal(status, LK_E_CORRUPT);
        out.bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(open_it(out.bytes, out.size), LK_OK);
    record_free(&out);
}

static void a_record_cut_short_is_corrupt(void **state)
{
    struct record_out out = record_of_all();

    (void)state;
    for (size_t size = 2; size < out.size; size++) {
        /* A copy of just that size: whoever reads past it is caught by the sanitizer. */
        unsigned char *cut = malloc(size);
        assert_non_null(cut);
        memcpy(cut, out.bytes, size);
        assert_int_equal(open_it(cut, size), LK_E_CORRUPT);
        free(cut);
    }
    record_free(&out);
}

static void reading_past_the_end_gives_zeros_and_is_told(void **state)
{
    struct record_out out = { 0 };
    struct record_in in;
    size_t size = 7;

    (void)state;
    record_begin(&out, RECORD_PLACE, VERSION);
    record_put_u16(&out, 9); /* a text of nine bytes that are not there */
    record_put_u8(&out, 'x');
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, VERSION), LK_OK);
    assert_null(record_get_text(&in, &size));
    assert_int_equal(size, 0);
    assert_int_equal(record_get_u8(&in), 0);
    assert_int_equal(record_get_u64(&in), 0);
    assert_null(record_get_bytes(&in, 1));
    assert_int_equal(record_close(&in), LK_E_CORRUPT);
    record_free(&out);
}

static void a_writer_can_be_used_again(void **state)
{
    struct record_out out = record_of_all();
    struct record_in in;

    (void)state;
    record_begin(&out, RECORD_LINE, 1);
    record_put_u8(&out, 42);
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_LINE, 1), LK_OK);
    assert_int_equal(record_get_u8(&in), 42);
    assert_int_equal(record_close(&in), LK_OK);
    record_free(&out);
}

static void a_large_record_grows_its_writer(void **state)
{
    enum { LARGE = 100000 };
    struct record_out out = { 0 };
    struct record_in in;

    (void)state;
    record_begin(&out, RECORD_ACCOUNT, 1);
    for (uint32_t i = 0; i < LARGE; i++)
        record_put_u32(&out, i);
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_ACCOUNT, 1), LK_OK);
    for (uint32_t i = 0; i < LARGE; i++)
        assert_int_equal(record_get_u32(&in), i);
    assert_int_equal(record_close(&in), LK_OK);
    record_free(&out);
}

/* Cut short, the rest of it would be read as the fields behind it. */
static void a_text_too_long_for_its_size_is_refused_not_cut(void **state)
{
    char *text = test_calloc(1, UINT16_MAX + 1);
    struct record_out out = { 0 };
    struct record_in in;
    size_t size;

    (void)state;
    record_begin(&out, RECORD_PLACE, 1);
    record_put_text(&out, text, UINT16_MAX);
    assert_int_equal(record_end(&out), LK_OK);
    assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, 1), LK_OK);
    assert_non_null(record_get_text(&in, &size));
    assert_int_equal(size, UINT16_MAX);
    assert_int_equal(record_close(&in), LK_OK);

    record_begin(&out, RECORD_PLACE, 1);
    record_put_text(&out, text, UINT16_MAX + 1);
    record_put_u8(&out, 1);
    assert_int_equal(record_end(&out), LK_E_TOO_LARGE);

    record_begin(&out, RECORD_PLACE, 1); /* and the writer can be used again */
    assert_int_equal(record_end(&out), LK_OK);
    record_free(&out);
    test_free(text);
}

/* ---- numbers in as few bytes as they take ---- */

static void a_number_takes_as_many_bytes_as_it_has_sevens_of_bits(void **state)
{
    static const struct {
        uint64_t value;
        size_t size;
    } table[] = {
        { 0, 1 },         { 127, 1 },         { 128, 2 },
        { 16383, 2 },     { 16384, 3 },       { UINT32_MAX, 5 },
        { INT64_MAX, 9 }, { UINT64_MAX, 10 }, { (uint64_t)INT64_MAX + 1, 10 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct record_out out = { 0 };
        struct record_in in;
        record_begin(&out, RECORD_PLACE, 1);
        record_put_number(&out, table[i].value);
        assert_int_equal(record_end(&out), LK_OK);
        assert_int_equal(out.size, RECORD_HEADER_SIZE + table[i].size);
        assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, 1), LK_OK);
        assert_true(record_get_number(&in) == table[i].value);
        assert_int_equal(record_close(&in), LK_OK);
        record_free(&out);
    }
}

static void a_number_that_is_cut_or_longer_than_needed_is_bad(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        { "", 0 },
        { "\x80", 1 },
        { "\x80\x00", 2 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct record_out out = { 0 };
        struct record_in in;
        record_begin(&out, RECORD_PLACE, 1);
        record_put_bytes(&out, bad[i].bytes, bad[i].size);
        assert_int_equal(record_end(&out), LK_OK);
        assert_int_equal(record_open(&in, out.bytes, out.size, RECORD_PLACE, 1), LK_OK);
        assert_int_equal(record_get_number(&in), 0);
        assert_int_equal(record_close(&in), LK_E_CORRUPT);
        record_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(numbers_are_big_endian_behind_a_header_of_eight_bytes),
        cmocka_unit_test(a_record_without_a_body_is_one),
        cmocka_unit_test(foreign_data_is_called_foreign),
        cmocka_unit_test(another_kind_and_a_newer_version_are_named),
        cmocka_unit_test(there_is_no_version_zero),
        cmocka_unit_test(a_single_flipped_bit_is_never_believed),
        cmocka_unit_test(a_record_cut_short_is_corrupt),
        cmocka_unit_test(reading_past_the_end_gives_zeros_and_is_told),
        cmocka_unit_test(a_writer_can_be_used_again),
        cmocka_unit_test(a_large_record_grows_its_writer),
        cmocka_unit_test(a_text_too_long_for_its_size_is_refused_not_cut),
        cmocka_unit_test(a_number_takes_as_many_bytes_as_it_has_sevens_of_bits),
        cmocka_unit_test(a_number_that_is_cut_or_longer_than_needed_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
