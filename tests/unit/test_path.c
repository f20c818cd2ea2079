/* test_path.c - which names are sent to a server, and which are refused before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/path.h"

static void assert_path(const char *path, int status)
{
    int got = path_check(path);

    if (got != status)
        fail_msg("\"%s\": %s, not %s", path ? path : "NULL", lk_status_name(got),
                 lk_status_name(status));
}

static void a_path_is_absolute_and_has_no_empty_part(void **state)
{
    (void)state;
    assert_path("/a", LK_OK);
    assert_path("/a/b.c/d e", LK_OK);
    assert_path(NULL, LK_E_PATH);
    assert_path("", LK_E_PATH);
    assert_path("/", LK_E_PATH);
    assert_path("a/b", LK_E_PATH);
    assert_path("//a", LK_E_PATH);
    assert_path("/a//b", LK_E_PATH);
    assert_path("/a/", LK_E_PATH);
}

static void a_part_of_one_or_two_dots_is_refused_and_three_are_a_name(void **state)
{
    (void)state;
    assert_path("/.", LK_E_PATH);
    assert_path("/..", LK_E_PATH);
    assert_path("/a/./b", LK_E_PATH);
    assert_path("/a/..", LK_E_PATH);
    assert_path("/...", LK_OK);
    assert_path("/.a/..b/c..", LK_OK);
}

static void the_servers_own_tree_is_refused_and_its_namesakes_are_not(void **state)
{
    (void)state;
    assert_path("/zookeeper", LK_E_PATH);
    assert_path("/zookeeper/config", LK_E_PATH);
    assert_path("/zookeepers", LK_OK);
    assert_path("/a/zookeeper", LK_OK);
}

static void a_path_may_have_1024_bytes_and_no_more(void **state)
{
    char path[PATH_MAX_SIZE + 2];

    (void)state;
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[PATH_MAX_SIZE] = '\0';
    assert_path(path, LK_OK);
    path[PATH_MAX_SIZE] = 'x';
    path[PATH_MAX_SIZE + 1] = '\0';
    assert_path(path, LK_E_TOO_LARGE);
}

static void a_path_is_utf8_that_the_server_takes(void **state)
{
    static const char *const good[] = { "/\xc3\xa4", "/\xe2\x82\xac", "/\xed\x9f\xbf",
                                        "/\xef\xa4\x80", "/\xef\xbf\xaf" };
    static const char *const bad[] = {
        "/\xff", /* never in UTF-8 */
        "/\x80", /* a tail without its head */
        "/\xc3", /* a head without its tail */
        "/\xe2\x82",
        "/\xf0\x9f\x98",
        "/\xc0\xaf", /* overlong '/' */
        "/\xe0\x80\xaf",
        "/\xed\xa0\x80",     /* U+D800, a surrogate */
        "/\xee\x80\x80",     /* U+E000, private */
        "/\xef\xa3\xbf",     /* U+F8FF */
        "/\xef\xbf\xb0",     /* U+FFF0 */
        "/\xef\xbf\xbf",     /* U+FFFF */
        "/\xf0\x9f\x98\x80", /* U+1F600: UTF-8, but the server sees two surrogates */
        "/\xf4\x90\x80\x80", /* above U+10FFFF */
        "/a\nb",             /* control characters */
        "/a\x7f/b",
        "/\x1f",
        "/\xc2\x80",
        "/\xc2\x9f",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_path(good[i], LK_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_path(bad[i], LK_E_PATH);
}

static void text_may_have_characters_that_a_path_may_not(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("\xf0\x9f\x98\x80", 4));
    assert_true(utf8_is_valid("\xf4\x8f\xbf\xbf", 4));
    assert_false(utf8_is_valid("\xf4\x90\x80\x80", 4));
    assert_false(utf8_is_valid("\xf0\x80\x80\xaf", 4));
}

static void utf8_ends_where_its_size_says(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("ab\xc3\xa4", 4));
    assert_false(utf8_is_valid("ab\xc3\xa4", 3));
    assert_true(utf8_is_valid("ab\xc3\xa4", 2));
    assert_false(utf8_is_valid("a\0b", 3));
}

static void a_path_is_joined_and_taken_apart(void **state)
{
    char *path = path_join("/a/b", "c");

    (void)state;
    assert_non_null(path);
    assert_string_equal(path, "/a/b/c");
    assert_string_equal(path_name(path), "c");
    free(path);
    assert_string_equal(path_name("/a"), "a");
}

static void a_place_in_line_is_ten_digits_at_the_end_of_a_name(void **state)
{
    uint32_t number = 7;

    (void)state;
    assert_true(path_number("lk-lock-0000000042", &number));
    assert_int_equal(number, 42);
    assert_true(path_number("0000000000", &number));
    assert_int_equal(number, 0);
    assert_true(path_number("_c_4a-lock-2147483647", &number));
    assert_int_equal(number, INT32_MAX);
}

static void what_has_no_number_leaves_it_untouched(void **state)
{
    static const char *const names[] = {
        "",
        "leases",
        "lock-42",
        "000000042",
        "lock-00000000x2",
        "lock--2147483648",
        "lock-2147483648", /* past the end of the server's counter */
        "lock-9999999999",
    };
    uint32_t number = 7;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (path_number(names[i], &number))
            fail_msg("\"%s\" has no number, not %u", names[i], number);
        assert_int_equal(number, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_absolute_and_has_no_empty_part),
        cmocka_unit_test(a_part_of_one_or_two_dots_is_refused_and_three_are_a_name),
        cmocka_unit_test(the_servers_own_tree_is_refused_and_its_namesakes_are_not),
        cmocka_unit_test(a_path_may_have_1024_bytes_and_no_more),
        cmocka_unit_test(a_path_is_utf8_that_the_server_takes),
        cmocka_unit_test(text_may_have_characters_that_a_path_may_not),
        cmocka_unit_test(utf8_ends_where_its_size_says),
        cmocka_unit_test(a_path_is_joined_and_taken_apart),
        cmocka_unit_test(a_place_in_line_is_ten_digits_at_the_end_of_a_name),
        cmocka_unit_test(what_has_no_number_leaves_it_untouched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
