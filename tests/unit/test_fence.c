/* test_fence.c - fences order grants, and their text is what operators and scripts compare. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <latchkey/grant.h>

static void the_znode_decides_and_then_the_local_turn(void **state)
{
    static const lk_fence rising[] = { { 0, 0 }, { 0, 1 }, { 1, 0 },
                                       { 1, 2 }, { 2, 0 }, { UINT64_MAX, UINT64_MAX } };

    (void)state;
    for (size_t i = 0; i < sizeof rising / sizeof rising[0]; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof rising[0]; j++) {
            int order = lk_fence_compare(rising[i], rising[j]);
            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
        }
    }
}

static void assert_text(lk_fence fence, const char *expected)
{
    char text[LK_FENCE_TEXT_SIZE];

    assert_ptr_equal(lk_fence_text(fence, text), text);
    assert_string_equal(text, expected);
}

static void without_turns_the_text_is_the_zxid_alone(void **state)
{
    (void)state;
    assert_text((lk_fence){ .zxid = 4294967298 }, "4294967298");
    assert_text((lk_fence){ .zxid = 4294967298, .turn = 3 }, "4294967298.3");
    assert_text((lk_fence){ .zxid = 0 }, "0");
}

static void the_largest_fence_fits_its_text(void **state)
{
    const char *longest = "18446744073709551615.18446744073709551615";

    (void)state;
    assert_int_equal(strlen(longest) + 1, LK_FENCE_TEXT_SIZE);
    assert_text((lk_fence){ .zxid = UINT64_MAX, .turn = UINT64_MAX }, longest);
}

static void every_state_of_a_grant_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(lk_grant_state_name(LK_IDLE), "idle");
    assert_string_equal(lk_grant_state_name(LK_WAITING), "waiting");
    assert_string_equal(lk_grant_state_name(LK_HELD), "held");
    assert_string_equal(lk_grant_state_name(LK_SUSPENDED), "suspended");
    assert_string_equal(lk_grant_state_name(LK_LOST), "lost");
    assert_string_equal(lk_grant_state_name((lk_grant_state)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_znode_decides_and_then_the_local_turn),
        cmocka_unit_test(without_turns_the_text_is_the_zxid_alone),
        cmocka_unit_test(the_largest_fence_fits_its_text),
        cmocka_unit_test(every_state_of_a_grant_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
