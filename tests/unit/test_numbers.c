/* test_numbers.c - who stands before whom: every numbered child counts, whoever made it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "line/numbers.h"

#define LISTING(...)                                                                               \
    {                                                                                              \
        .children = (const char *const[]){ __VA_ARGS__ },                                          \
        .child_count = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)               \
    }

static void the_predecessor_is_the_largest_number_before_ours_in_any_order(void **state)
{
    const struct keeper_reply list = LISTING("lk-lock-0000000009", "lk-lock-0000000002",
                                             "lk-lock-0000000007", "lk-lock-0000000004");
    bool own;

    (void)state;
    assert_string_equal(numbers_predecessor(&list, 7, "lk-lock-0000000007", false, &own),
                        "lk-lock-0000000004");
    assert_true(own);
    assert_string_equal(numbers_predecessor(&list, 4, "lk-lock-0000000004", false, &own),
                        "lk-lock-0000000002");
    assert_null(numbers_predecessor(&list, 2, "lk-lock-0000000002", false, &own));
    assert_true(own);
}

static void other_programs_znodes_stand_in_the_line_too(void **state)
{
    const struct keeper_reply list = LISTING("_c_6bc1-lock-0000000005", "lk-lock-0000000006",
                                             "5f3a__lock__0000000003");
    bool own;

    (void)state;
    assert_string_equal(numbers_predecessor(&list, 6, "lk-lock-0000000006", false, &own),
                        "_c_6bc1-lock-0000000005");
    assert_int_equal(numbers_count(&list, false), 3);
}

static void a_name_without_a_number_stands_nowhere(void **state)
{
    const struct keeper_reply list = LISTING("leases", "lk-lock-12", "lk-lock-0000000006");
    bool own;

    (void)state;
    assert_null(numbers_predecessor(&list, 6, "lk-lock-0000000006", false, &own));
    assert_int_equal(numbers_count(&list, false), 1);
}

static void a_listing_without_us_says_so(void **state)
{
    const struct keeper_reply list = LISTING("lk-lock-0000000002", "xx-lock-0000000006"),
                              empty = { 0 };
    bool own = true;

    (void)state;
    assert_string_equal(numbers_predecessor(&list, 6, "lk-lock-0000000006", false, &own),
                        "lk-lock-0000000002");
    assert_false(own);
    own = true;
    assert_null(numbers_predecessor(&empty, 6, "lk-lock-0000000006", false, &own));
    assert_false(own);
    assert_int_equal(numbers_count(&empty, false), 0);
}

static void order_survives_the_end_of_the_numbers(void **state)
{
    (void)state;
    assert_true(number_is_before(1, 2));
    assert_false(number_is_before(2, 1));
    assert_false(number_is_before(2, 2));
    assert_true(number_is_before(UINT32_C(2147483647), UINT32_C(2147483648)));
    assert_true(number_is_before(UINT32_MAX, 0));
    assert_false(number_is_before(0, UINT32_MAX));
}

static void the_line_starts_anew_well_before_joining_is_refused(void **state)
{
    (void)state;
    assert_true(NUMBERS_RESTART < NUMBERS_END);
    assert_true(NUMBERS_END - NUMBERS_RESTART > 900000);
    assert_true(NUMBERS_END <= INT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_predecessor_is_the_largest_number_before_ours_in_any_order),
        cmocka_unit_test(other_programs_znodes_stand_in_the_line_too),
        cmocka_unit_test(a_name_without_a_number_stands_nowhere),
        cmocka_unit_test(a_listing_without_us_says_so),
        cmocka_unit_test(order_survives_the_end_of_the_numbers),
        cmocka_unit_test(the_line_starts_anew_well_before_joining_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
