/* test_ledger_operation.c - what an operation is: of a form that is checked before anything else,
 * and applied once. Its id answers as the first time, takes no other body, and once it is forgotten
 * is never applied again. */
#include "ledger_story.h"

/* ---- form ---- */

static void the_form_of_an_operation_is_checked(void **state)
{
    char longest[LK_USER_MAX + 2];
    lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    lk_ledger_op freeze = {
        .verb = LK_LEDGER_FREEZE, .user = "ann", .order = "o", .coupon = { 0, 1 }
    };

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[LK_USER_MAX] = '\0';
    assert_int_equal(ledger_op_check(&claim), LK_OK);
    claim.user = longest;
    assert_int_equal(ledger_op_check(&claim), LK_OK);
    longest[LK_USER_MAX] = 'x';
    longest[LK_USER_MAX + 1] = '\0';
    assert_int_equal(ledger_op_check(&claim), LK_E_INVALID);
    static const char *const bad[] = {
        NULL, "", "a\nb", "\xff", "a\x80", "\xc0\xaf", "\xed\xa0\x80"
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        claim.user = bad[i];
        assert_int_equal(ledger_op_check(&claim), LK_E_INVALID);
        freeze.order = bad[i];
        assert_int_equal(ledger_op_check(&freeze), LK_E_INVALID);
    }
    claim.user = "../../Ünïcødé / 名前";
    assert_int_equal(ledger_op_check(&claim), LK_OK);
    claim.count = LK_CLAIM_MAX + 1;
    assert_int_equal(ledger_op_check(&claim), LK_E_INVALID);
    freeze.order = "o";
    assert_int_equal(ledger_op_check(&freeze), LK_OK);
    freeze.ttl_ms = -1;
    assert_int_equal(ledger_op_check(&freeze), LK_E_INVALID);
    freeze.ttl_ms = 0;
    freeze.coupon.serial = 0;
    assert_int_equal(ledger_op_check(&freeze), LK_E_INVALID);
    freeze.verb = (lk_ledger_verb)0;
    assert_int_equal(ledger_op_check(&freeze), LK_E_INVALID);
}

/* ---- ids ---- */

static void the_same_id_and_body_answers_as_the_first_time(void **state)
{
    struct story *s = *state;
    lk_id claim = story_id(1000), freeze = story_id(1001), redeem = story_id(1002);

    assert_int_equal(CLAIM_BY(s, .id = claim, .count = 3), LK_OK);
    lk_coupon coupon = s->result.coupons[1];
    s->now_ms += 5;
    assert_int_equal(FREEZE(s, coupon, "order-1", .id = freeze, .ttl_ms = 5000), LK_OK);
    assert_int_equal(REDEEM(s, coupon, "order-1", .id = redeem), LK_OK);
    s->now_ms += DAY;
    s->campaign.rules.ends_ms = NOON + 10;

    assert_int_equal(CLAIM_BY(s, .id = claim, .count = 3), LK_OK);
    assert_int_equal(s->verdict, VERDICT_REPEATED);
    assert_true(s->result.repeated);
    assert_int_equal(s->result.count, 3);
    assert_int_equal(s->result.coupons[1].serial, coupon.serial);
    assert_int_equal(s->result.time_ms, NOON);
    assert_int_equal(FREEZE(s, coupon, "order-1", .id = freeze, .ttl_ms = 5000), LK_OK);
    assert_int_equal(s->result.state, LK_FROZEN);
    assert_int_equal(s->result.time_ms, NOON + 5);
    assert_int_equal(REDEEM(s, coupon, "order-1", .id = redeem), LK_OK);
    assert_int_equal(s->result.state, LK_REDEEMED);
}

static void another_body_under_the_same_id_is_told_by_field(void **state)
{
    struct story *s = *state;
    lk_id claim = story_id(1000), freeze = story_id(1001);

    assert_int_equal(CLAIM_BY(s, .id = claim, .count = 2), LK_OK);
    lk_coupon one = s->result.coupons[0], two = s->result.coupons[1];
    assert_int_equal(FREEZE(s, one, "order-1", .id = freeze, .ttl_ms = 5), LK_OK);

    assert_int_equal(CLAIM_BY(s, .id = claim, .count = 3), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "count");
    assert_int_equal(REDEEM(s, one, NULL, .id = claim), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "verb");
    assert_int_equal(CLAIM_BY(s, .id = freeze), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "verb");
    assert_int_equal(FREEZE(s, two, "order-2", .id = freeze, .ttl_ms = 6), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "coupon");
    assert_int_equal(FREEZE(s, one, "order-2", .id = freeze, .ttl_ms = 6), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "order");
    assert_int_equal(FREEZE(s, one, "order-1", .id = freeze, .ttl_ms = 6), LK_E_ID_DIFFERS);
    assert_string_equal(s->result.differs, "ttl");
}

static void a_refusal_does_not_use_up_its_id(void **state)
{
    struct story *s = *state;
    lk_id id = story_id(1000);
    s->campaign.rules.opens_ms = NOON + 10;

    assert_int_equal(CLAIM_BY(s, .id = id), LK_E_NOT_OPEN);
    assert_null(s->bytes);
    s->now_ms += 10;
    assert_int_equal(CLAIM_BY(s, .id = id), LK_OK);
    assert_false(s->result.repeated);
}

static void old_ids_are_forgotten_and_then_never_applied(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);
    lk_id first = story_id(2000), second = story_id(2001);

    assert_int_equal(UNFREEZE(s, coupon, "a", .id = first), LK_OK);
    assert_int_equal(UNFREEZE(s, coupon, "b", .id = second), LK_OK);
    for (uint64_t i = 1; i < APPLIED_KEPT; i++)
        assert_int_equal(UNFREEZE(s, coupon, "c", .id = story_id(2001 + i)), LK_OK);
    assert_int_equal(UNFREEZE(s, coupon, "a", .id = first), LK_E_ID_TOO_OLD);
    assert_int_equal(CLAIM_BY(s, .id = first), LK_E_ID_TOO_OLD);
    assert_int_equal(UNFREEZE(s, coupon, "b", .id = story_id(1999)), LK_E_ID_TOO_OLD);
    assert_int_equal(UNFREEZE(s, coupon, "b", .id = second), LK_OK);
    assert_int_equal(s->verdict, VERDICT_REPEATED);
}

static void ids_of_texts_and_of_claims_are_never_forgotten(void **state)
{
    struct story *s = *state;
    lk_id claim = story_id(1), text;

    assert_int_equal(lk_id_from_text("the shop's own name for it", &text), LK_OK);
    assert_int_equal(CLAIM_BY(s, .id = claim), LK_OK);
    lk_coupon coupon = s->result.coupons[0];
    assert_int_equal(UNFREEZE(s, coupon, "a", .id = text), LK_OK);
    for (uint64_t i = 0; i < 3 * APPLIED_KEPT; i++)
        assert_int_equal(UNFREEZE(s, coupon, "c", .id = story_id(5000 + i)), LK_OK);
    assert_int_equal(CLAIM_BY(s, .id = claim), LK_OK);
    assert_int_equal(s->verdict, VERDICT_REPEATED);
    assert_int_equal(UNFREEZE(s, coupon, "a", .id = text), LK_OK);
    assert_int_equal(s->verdict, VERDICT_REPEATED);
}

static void an_id_from_a_clock_that_runs_ahead_does_not_lock_out_others(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    for (uint64_t i = 0; i < 2 * APPLIED_KEPT; i++)
        assert_int_equal(UNFREEZE(s, coupon, "a", .id = id_make(NOON + 1000 * DAY, i, 0)), LK_OK);
    for (uint64_t i = 0; i < 2 * APPLIED_KEPT; i++)
        assert_int_equal(UNFREEZE(s, coupon, "b", .id = story_id(3000 + i)), LK_OK);
    assert_int_equal(UNFREEZE(s, coupon, "a", .id = id_make(NOON + 1000 * DAY, 0, 0)), LK_OK);
    assert_int_equal(s->verdict, VERDICT_REPEATED);
}

static void a_lookup_tells_what_became_of_an_id(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };
    lk_id claim = story_id(1000);
    lk_ledger_result result = { 0 };

    assert_int_equal(CLAIM_BY(s, .id = claim, .count = 2), LK_OK);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(account_lookup(&account, claim, &result), LK_OK);
    assert_int_equal(result.count, 2);
    assert_int_equal(account_lookup(&account, story_id(1001), &result), LK_E_NOT_FOUND);
    account.applied.floor = story_id(1002);
    assert_int_equal(account_lookup(&account, story_id(1001), &result), LK_E_ID_TOO_OLD);
    account_free(&account);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(the_form_of_an_operation_is_checked),
        STORY_TEST(the_same_id_and_body_answers_as_the_first_time),
        STORY_TEST(another_body_under_the_same_id_is_told_by_field),
        STORY_TEST(a_refusal_does_not_use_up_its_id),
        STORY_TEST(old_ids_are_forgotten_and_then_never_applied),
        STORY_TEST(ids_of_texts_and_of_claims_are_never_forgotten),
        STORY_TEST(an_id_from_a_clock_that_runs_ahead_does_not_lock_out_others),
        STORY_TEST(a_lookup_tells_what_became_of_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
