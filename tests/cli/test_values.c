/* test_values.c - texts that are values, and texts that only look like it. No server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cli.h"

static void seconds_are_finite_and_not_negative(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = { { "0", 0 },
                 { "1", 1000000000 },
                 { "1.5", 1500000000 },
                 { ".25", 250000000 },
                 { "3.", 3000000000 },
                 { "0.0000000019", 1 },
                 { "99999999999999999999999", 1000000000000000000 } };
    static const char *const bad[] = { "",    ".",   "-1",   "+1", "1s", "1,5",  "1e3",
                                       "inf", "nan", "0x10", " 1", "1 ", "1.5.2" };
    int64_t ns = -7;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(cli_seconds(good[i].text, &ns));
        assert_int_equal(ns, good[i].ns);
    }
    ns = -7;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (cli_seconds(bad[i], &ns))
            fail_msg("'%s' passed for seconds", bad[i]);
    assert_int_equal(ns, -7);
}

static void numbers_are_digits_within_bounds(void **state)
{
    static const char *const bad[] = { "",  "-1", "+1", "1.0", "0x1", " 1", "18446744073709551616",
                                       "4", "11" };
    uint64_t number = 0;
    (void)state;
    assert_true(cli_number("18446744073709551615", 0, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(cli_number("0007", 5, 10, &number));
    assert_int_equal(number, 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (cli_number(bad[i], 5, 10, &number))
            fail_msg("'%s' passed for a number from 5 to 10", bad[i]);
}

static void times_are_rfc_3339_or_relative(void **state)
{
    static const struct {
        const char *text;
        bool relative;
        int64_t ms;
    } good[] = {
        { "1970-01-01T00:00:00Z", false, 0 },
        { "2000-02-29T12:34:56.789Z", false, 951827696789 },
        { "2000-02-29t14:34:56.7899+02:00", false, 951827696789 },
        { "1969-12-31 23:59:59-00:30", false, 1799000 },
        { "1969-12-31T23:59:59.5z", false, -500 },
        { "+90", true, 90000 },
        { "+0.5", true, 500 },
    };
    static const char *const bad[] = { "",
                                       "+",
                                       "+-1",
                                       "now",
                                       "2000-02-30T00:00:00Z",
                                       "2001-02-29T00:00:00Z",
                                       "2000-13-01T00:00:00Z",
                                       "2000-01-01T24:00:00Z",
                                       "2000-01-01T00:60:00Z",
                                       "2000-01-01T00:00:00",
                                       "2000-01-01",
                                       "2000-01-01T00:00:00.Z",
                                       "2000-01-01T00:00:00Zx",
                                       "2000-1-01T00:00:00Z",
                                       "2000-01-01T00:00:00+0200" };
    struct cli_time time;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!cli_time(good[i].text, &time))
            fail_msg("'%s' did not pass for a time", good[i].text);
        assert_int_equal(time.relative, good[i].relative);
        assert_int_equal(time.ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (cli_time(bad[i], &time))
            fail_msg("'%s' passed for a time", bad[i]);
}

static void times_are_printed_as_they_are_read(void **state)
{
    static const char *const texts[] = { "1970-01-01T00:00:00.000Z", "2000-02-29T12:34:56.789Z",
                                         "1969-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z",
                                         "0099-03-01T01:02:03.004Z" };
    char text[CLI_TIME_SIZE];
    struct cli_time time;
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(cli_time(texts[i], &time));
        assert_string_equal(cli_time_text(time.ms, text), texts[i]);
    }
    cli_time_text(INT64_MAX, text);
    cli_time_text(INT64_MIN, text);
}

static void ages_are_told_in_two_units(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = { { -5, "0ms" },         { 999, "999ms" },    { 1000, "1.0s" },
                  { 59999, "59.9s" },    { 247000, "4m07s" }, { 18720000, "5h12m" },
                  { 273600000, "3d04h" } };
    char text[CLI_TIME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(cli_age_text(cases[i].ms, text), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_are_finite_and_not_negative),
        cmocka_unit_test(numbers_are_digits_within_bounds),
        cmocka_unit_test(times_are_rfc_3339_or_relative),
        cmocka_unit_test(times_are_printed_as_they_are_read),
        cmocka_unit_test(ages_are_told_in_two_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
