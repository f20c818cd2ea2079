/* test_ledger_id.c - ids, coupon names and znode names: one spelling each, there and back. */
#include "ledger_story.h"

#include "base/path.h"
#include "ledger/names.h"

static void ids_made_here_sort_by_time(void **state)
{
    lk_id older = id_make(NOON, UINT64_MAX, UINT64_MAX), newer = id_make(NOON + 1, 0, 0);

    (void)state;
    assert_true(id_compare(older, newer) < 0);
    assert_int_equal(id_time_ms(older), NOON);
    assert_false(id_is_text(older));
    assert_false(id_equals(id_make(NOON, 1, 0), id_make(NOON, 2, 0)));
    assert_false(id_equals(id_make(NOON, 1, 1), id_make(NOON, 1, 2)));
}

static void an_ids_text_gives_the_id(void **state)
{
    lk_id id = id_make(NOON, 0x123456789abcdef0, 0x55), read;
    char text[LK_ID_TEXT_SIZE];

    (void)state;
    assert_int_equal(lk_id_from_text(lk_id_text(id, text), &read), LK_OK);
    assert_true(id_equals(id, read));
    assert_int_equal(strlen(text), 32);
}

static void any_other_text_gives_an_id_that_is_never_forgotten(void **state)
{
    lk_id one, same, other;
    char longest[258];

    (void)state;
    assert_int_equal(lk_id_from_text("order 7", &one), LK_OK);
    assert_int_equal(lk_id_from_text("order 7", &same), LK_OK);
    assert_int_equal(lk_id_from_text("order 8", &other), LK_OK);
    assert_true(id_is_text(one) && id_equals(one, same) && !id_equals(one, other));
    /* Not quite the text of an id: 31 digits, 33, capitals. */
    assert_int_equal(lk_id_from_text("018bcfe568000000000000000000000", &other), LK_OK);
    assert_true(id_is_text(other));
    assert_int_equal(lk_id_from_text("018BCFE5680000000000000000000001", &other), LK_OK);
    assert_true(id_is_text(other));
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    assert_int_equal(lk_id_from_text(longest, &one), LK_OK);
    longest[256] = 'x';
    longest[257] = '\0';
    assert_int_equal(lk_id_from_text(longest, &one), LK_E_INVALID);
    assert_int_equal(lk_id_from_text("", &one), LK_E_INVALID);
    assert_int_equal(lk_id_from_text("00000000000000000000000000000000", &one), LK_E_INVALID);
}

static void a_coupons_name_has_one_spelling(void **state)
{
    static const char *const bad[] = { "",     "-",    "1",     "1-",      "-1",
                                       "1-0",  "01-1", "1-01",  "+1-1",    "1--1",
                                       "1-1 ", " 1-1", "1-1-1", "65536-1", "1-18446744073709551616",
                                       "a-1",  "1-a" };
    char text[LK_COUPON_TEXT_SIZE];
    lk_coupon coupon;

    (void)state;
    assert_int_equal(lk_coupon_parse("0-1", &coupon), LK_OK);
    assert_int_equal(lk_coupon_parse("65535-18446744073709551615", &coupon), LK_OK);
    assert_true(coupon.shard == 65535 && coupon.serial == UINT64_MAX);
    assert_string_equal(lk_coupon_text(coupon, text), "65535-18446744073709551615");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (lk_coupon_parse(bad[i], &coupon) != LK_E_INVALID)
            fail_msg("'%s' is taken for a coupon", bad[i]);
}

static void any_user_is_one_part_of_a_path_and_comes_back(void **state)
{
    static const char *const users[] = { "ann",      "Ann",  "a.b@c.d",   ".",    "..",
                                         ".hidden",  "a/b",  "../../etc", "100%", "%41",
                                         "Ünï cødé", "名前", "a b",       "~",    "zookeeper",
                                         "a..b",     "+-_@" };
    char name[USER_NAME_SIZE], user[LK_USER_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        user_encode(users[i], name);
        assert_null(strchr(name, '/'));
        char *path = name_account("/sale", users[i]);
        assert_int_equal(strlen(path) + 1, name_account_size("/sale", users[i]));
        assert_int_equal(path_check(path), LK_OK);
        assert_string_equal(path_name(path), name);
        free(path);
        assert_true(user_decode(name, user, sizeof(user)));
        assert_string_equal(user, users[i]);
    }
}

static void what_no_user_is_written_as_is_not_read_as_one(void **state)
{
    static const char *const bad[] = {
        "", "%", "%4", "%41", "%2f", "%zz", "a b", ".a", "%00", "a%2"
    };
    char user[LK_USER_MAX + 1], all[USER_NAME_SIZE + 10];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (user_decode(bad[i], user, sizeof(user)))
            fail_msg("'%s' is read as user '%s'", bad[i], user);
    memset(all, 'x', sizeof(all));
    all[LK_USER_MAX + 1] = '\0';
    assert_false(user_decode(all, user, sizeof(user)));
    all[LK_USER_MAX] = '\0';
    assert_true(user_decode(all, user, sizeof(user)));
}

/* Other programs look for the account there. */
static void a_users_place_never_changes(void **state)
{
    (void)state;
    char *path = name_account("/shop/sale", "ann@example.com");
    assert_string_equal(path, "/shop/sale/accounts/18a/ann@example.com");
    free(path);
    path = name_shard("/shop/sale", 7);
    assert_string_equal(path, "/shop/sale/stock/0007");
    free(path);
    path = name_seal("/shop/sale", 0xabc);
    assert_string_equal(path, "/shop/sale/seal-0000000000000abc");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_made_here_sort_by_time),
        cmocka_unit_test(an_ids_text_gives_the_id),
        cmocka_unit_test(any_other_text_gives_an_id_that_is_never_forgotten),
        cmocka_unit_test(a_coupons_name_has_one_spelling),
        cmocka_unit_test(any_user_is_one_part_of_a_path_and_comes_back),
        cmocka_unit_test(what_no_user_is_written_as_is_not_read_as_one),
        cmocka_unit_test(a_users_place_never_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
