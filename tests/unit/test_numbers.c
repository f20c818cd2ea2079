/* test_numbers.c - who stands before whom: every numbered child counts, whoever made it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

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

static void a_reader_is_known_by_its_name_whoever_made_it(void **state)
{
    static const char *const readers[] = { "lk-read-lock-0000000001", "lk-__READ__0000000001",
                                           "lk__rlock__0000000001",
                                           "_c_6bc1-a0d2-__READ__0000000001",
                                           "5f3a__rlock__0000000001" };
    static const char *const others[] = { "lk-lock-0000000001",         "lk-sem3-lock-0000000001",
                                          "lk-__WRIT__0000000001",      "lk__lock__0000000001",
                                          "_c_6bc1-__WRIT__0000000001", "_c_6bc1-lock-0000000001",
                                          "5f3a__lock__0000000001",     "read-0000000001" };

    (void)state;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!numbers_is_reader(readers[i]))
            fail_msg("%s is no reader", readers[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (numbers_is_reader(others[i]))
            fail_msg("%s is a reader", others[i]);
}

static void only_writers_stand_in_a_readers_way(void **state)
{
    const struct keeper_reply list = LISTING(
        "lk-lock-0000000001", "lk-read-lock-0000000002", "_c_6bc1-__WRIT__0000000003",
        "lk-read-lock-0000000004", "5f3a__rlock__0000000005", "lk-read-lock-0000000006");
    bool own;

    (void)state;
    assert_string_equal(numbers_predecessor(&list, 6, "lk-read-lock-0000000006", true, &own),
                        "_c_6bc1-__WRIT__0000000003");
    assert_true(own);
    assert_string_equal(numbers_predecessor(&list, 6, "lk-read-lock-0000000006", false, &own),
                        "5f3a__rlock__0000000005");
    assert_string_equal(numbers_predecessor(&list, 2, "lk-read-lock-0000000002", true, &own),
                        "lk-lock-0000000001");
    assert_int_equal(numbers_count(&list, true), 2);
    assert_int_equal(numbers_count(&list, false), 6);
}

static void readers_alone_stand_in_no_readers_way(void **state)
{
    const struct keeper_reply list = LISTING("lk-read-lock-0000000002", "lk-__READ__0000000003",
                                             "lk-read-lock-0000000006");
    bool own;

    (void)state;
    assert_null(numbers_predecessor(&list, 6, "lk-read-lock-0000000006", true, &own));
    assert_true(own);
    assert_int_equal(numbers_count(&list, true), 0);
}

static void a_semaphores_names_say_how_many_permits(void **state)
{
    (void)state;
    assert_int_equal(numbers_weight("lk-sem1-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-sem17-lock-0000000000"), 17);
    assert_int_equal(numbers_weight("lk-sem1000000-lock-0000000000"), 1000000);
    /* Whoever's name does not say it takes one. */
    assert_int_equal(numbers_weight("lk-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("_c_6bc1-lease-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-sem0-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-sem-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-semx-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-sem-7-lock-0000000000"), 1);
    assert_int_equal(numbers_weight("lk-sem 7-lock-0000000000"), 1);
}

static void and_whether_they_end_by_themselves(void **state)
{
    (void)state;
    assert_true(numbers_has_term("lk-sem1t-lock-0000000000"));
    assert_true(numbers_has_term("lk-sem1000000t-lock-0000000000"));
    assert_false(numbers_has_term("lk-sem1-lock-0000000000"));
    assert_false(numbers_has_term("lk-semt-lock-0000000000"));
    assert_false(numbers_has_term("lk-sem-7t-lock-0000000000"));
    assert_false(numbers_has_term("lk-sem1t-loc"));
    assert_false(numbers_has_term("lk-lock-0000000000"));
    assert_false(numbers_has_term("x-lk-sem1t-lock-0000000000"));
}

static void each_profile_has_its_prefixes(void **state)
{
    static const struct {
        struct numbers_style style;
        const char *prefix;
    } prefixes[] = {
        { { LK_COMPAT_NATIVE, false, false, 0 }, "lk-lock-" },
        { { LK_COMPAT_NATIVE, true, false, 0 }, "lk-lock-" },
        { { LK_COMPAT_NATIVE, true, true, 0 }, "lk-read-lock-" },
        { { LK_COMPAT_NATIVE, false, false, 3 }, "lk-sem3-lock-" },
        { { LK_COMPAT_NATIVE, false, false, 1000000 }, "lk-sem1000000-lock-" },
        { { LK_COMPAT_NATIVE, false, false, 3, true }, "lk-sem3t-lock-" },
        { { LK_COMPAT_NATIVE, false, false, 1000000, true }, "lk-sem1000000t-lock-" },
        { { LK_COMPAT_CURATOR, false, false, 0 }, "lk-lock-" },
        { { LK_COMPAT_CURATOR, true, false, 0 }, "lk-__WRIT__" },
        { { LK_COMPAT_CURATOR, true, true, 0 }, "lk-__READ__" },
        { { LK_COMPAT_KAZOO, false, false, 0 }, "lk__lock__" },
        { { LK_COMPAT_KAZOO, true, false, 0 }, "lk__lock__" },
        { { LK_COMPAT_KAZOO, true, true, 0 }, "lk__rlock__" },
    };
    char prefix[NUMBERS_PREFIX_SIZE], name[NUMBERS_PREFIX_SIZE + 11];

    (void)state;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        const struct numbers_style *style = &prefixes[i].style;
        numbers_prefix(prefix, *style);
        assert_string_equal(prefix, prefixes[i].prefix);
        /* And is read back as what it was written for. */
        snprintf(name, sizeof name, "%s0000000007", prefix);
        assert_int_equal(numbers_is_reader(name), style->is_reader);
        assert_int_equal(numbers_weight(name), style->weight ? style->weight : 1);
        assert_int_equal(numbers_has_term(name), style->has_term);
    }
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
        cmocka_unit_test(a_reader_is_known_by_its_name_whoever_made_it),
        cmocka_unit_test(only_writers_stand_in_a_readers_way),
        cmocka_unit_test(readers_alone_stand_in_no_readers_way),
        cmocka_unit_test(a_semaphores_names_say_how_many_permits),
        cmocka_unit_test(and_whether_they_end_by_themselves),
        cmocka_unit_test(each_profile_has_its_prefixes),
        cmocka_unit_test(a_name_without_a_number_stands_nowhere),
        cmocka_unit_test(a_listing_without_us_says_so),
        cmocka_unit_test(order_survives_the_end_of_the_numbers),
        cmocka_unit_test(the_line_starts_anew_well_before_joining_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
