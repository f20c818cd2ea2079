/* test_status.c - every status has its own number, its name and a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <latchkey/status.h>

#define ROW(name, value, text) { name, value, #name, text },
static const struct {
    int status, value;
    const char *name, *text;
} rows[] = { LK_STATUS_MAP(ROW) };

enum { COUNT = sizeof rows / sizeof rows[0] };

static void success_is_zero_and_failures_are_negative(void **state)
{
    (void)state;
    assert_int_equal(LK_OK, 0);
    for (size_t i = 1; i < COUNT; i++)
        assert_true(rows[i].status < 0);
}

static void no_number_and_no_sentence_is_used_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = i + 1; j < COUNT; j++) {
            assert_int_not_equal(rows[i].value, rows[j].value);
            assert_string_not_equal(rows[i].text, rows[j].text);
        }
    }
}

static void every_status_answers_with_its_name_and_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_string_equal(lk_status_name(rows[i].value), rows[i].name);
        assert_string_equal(lk_status_text(rows[i].value), rows[i].text);
        assert_true(strlen(rows[i].text) > 0);
    }
}

/* They are part of the ABI: programs store and compare them. */
static void numbers_that_were_published_stay(void **state)
{
    (void)state;
    assert_int_equal(LK_E_INVALID, -1);
    assert_int_equal(LK_E_DEADLINE, -3);
    assert_int_equal(LK_E_UNKNOWN, -8);
    assert_int_equal(LK_E_LOST, -11);
    assert_int_equal(LK_E_BUSY, -12);
    assert_int_equal(LK_E_NO_SERVER, -14);
    assert_int_equal(LK_E_CONFIG, -25);
    assert_int_equal(LK_E_SOLD_OUT, -40);
    assert_int_equal(LK_E_ACCOUNT_FULL, -54);
}

static void a_number_that_is_no_status_is_said_to_be_none(void **state)
{
    static const int numbers[] = { 1, -1000, INT32_MAX, INT32_MIN };

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_string_equal(lk_status_text(numbers[i]), "unknown status");
        assert_non_null(lk_status_name(numbers[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_zero_and_failures_are_negative),
        cmocka_unit_test(no_number_and_no_sentence_is_used_twice),
        cmocka_unit_test(every_status_answers_with_its_name_and_sentence),
        cmocka_unit_test(numbers_that_were_published_stay),
        cmocka_unit_test(a_number_that_is_no_status_is_said_to_be_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
