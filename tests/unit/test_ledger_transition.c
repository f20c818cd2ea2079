/* test_ledger_transition.c - what a claim needs before there is a coupon, what is possible in which
 * state of it, and what time does to it. */
#include "ledger_story.h"

/* ---- claims ---- */

static void a_campaign_is_judged_before_limit_and_stock(void **state)
{
    struct story *s = *state;
    lk_campaign_options *rules = &s->campaign.rules;

    rules->per_user = 1;
    story_claim(s);
    shard_take(&s->shard, 999, (lk_coupon[999]){ { 0 } });
    assert_int_equal(CLAIM(s), LK_E_LIMIT);
    rules->opens_ms = NOON + 1;
    assert_int_equal(CLAIM(s), LK_E_NOT_OPEN);
    assert_int_equal(s->result.retry_ms, NOON + 1);
    rules->closes_ms = NOON;
    assert_int_equal(CLAIM(s), LK_E_CAMPAIGN_CLOSED);
    rules->ends_ms = NOON;
    assert_int_equal(CLAIM(s), LK_E_CAMPAIGN_ENDED);
    *rules = (lk_campaign_options){ .size = sizeof(*rules), .shards = 1, .freeze_ttl_ms = 1 };
    assert_int_equal(CLAIM(s), LK_E_SOLD_OUT);
    s->campaign.closed = true;
    assert_int_equal(CLAIM(s), LK_E_CAMPAIGN_CLOSED);
}

/* What stands behind its coupons is whatever stood there before. */
static void a_result_that_is_cleared_says_nothing(void **state)
{
    static const lk_coupon no_coupon;
    lk_ledger_result result;

    (void)state;
    memset(&result, 0xff, sizeof(result));
    result_clear(&result, LK_ID_NONE);
    assert_int_equal(result.status, LK_OK);
    assert_int_equal(result.count, 0);
    assert_memory_equal(&result.coupons[0], &no_coupon, sizeof(no_coupon));
    assert_int_equal(result.state, 0);
    assert_int_equal(result.zxid, 0);
    assert_int_equal(result.time_ms, 0);
    assert_false(result.repeated);
    assert_null(result.differs);
    assert_int_equal(result.retry_ms, 0);
}

static void a_claim_is_all_or_none(void **state)
{
    struct story *s = *state;

    assert_int_equal(CLAIM_BY(s, .count = 64), LK_OK);
    assert_int_equal(s->result.count, 64);
    assert_int_equal(s->result.coupons[63].serial, 64);
    shard_take(&s->shard, 930, (lk_coupon[930]){ { 0 } });
    assert_int_equal(CLAIM_BY(s, .count = 7), LK_E_SOLD_OUT);
    assert_int_equal(shard_available(&s->shard), 6);
    assert_int_equal(CLAIM_BY(s, .count = 6), LK_OK);
    assert_int_equal(CLAIM(s), LK_E_SOLD_OUT);
}

static void void_coupons_do_not_count_against_the_limit(void **state)
{
    struct story *s = *state;
    s->campaign.rules.per_user = 2;
    lk_coupon first = story_claim(s);

    assert_int_equal(CLAIM_BY(s, .count = 2), LK_E_LIMIT);
    lk_coupon second = story_claim(s);
    assert_int_equal(REDEEM(s, second, NULL), LK_OK);
    assert_int_equal(CLAIM(s), LK_E_LIMIT);
    assert_int_equal(VOID(s, first), LK_OK);
    assert_int_equal(CLAIM(s), LK_OK);
    assert_int_equal(s->result.coupons[0].serial, 3);
}

/* ---- the way through the states ---- */

static void a_coupon_goes_from_claimed_to_frozen_to_redeemed(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(s->result.state, LK_CLAIMED);
    assert_int_equal(s->result.time_ms, NOON);
    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_OK);
    assert_int_equal(s->result.state, LK_FROZEN);
    s->now_ms++;
    assert_int_equal(REDEEM(s, coupon, "order-1"), LK_OK);
    assert_int_equal(s->result.state, LK_REDEEMED);
    assert_int_equal(s->result.time_ms, NOON + 1);
    assert_int_equal(story_state(s, coupon), LK_REDEEMED);
}

static void a_refunded_coupon_can_be_used_again(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(REDEEM(s, coupon, NULL), LK_OK);
    assert_int_equal(REFUND(s, coupon, NULL), LK_OK);
    assert_int_equal(story_state(s, coupon), LK_CLAIMED);
    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_OK);
    assert_int_equal(REDEEM(s, coupon, "order-1"), LK_OK);
    assert_int_equal(REFUND(s, coupon, "order-2"), LK_E_NOT_REDEEMED);
    assert_int_equal(REFUND(s, coupon, "order-1"), LK_OK);
}

static void an_unfrozen_coupon_can_be_frozen_for_another_order(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_OK);
    assert_int_equal(UNFREEZE(s, coupon, "order-1"), LK_OK);
    assert_int_equal(s->result.state, LK_CLAIMED);
    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_E_UNFROZEN);
    assert_int_equal(FREEZE(s, coupon, "order-2"), LK_OK);
}

/* One row a state, one column an operation: all there is to know about transitions. */
static void each_state_allows_what_the_header_says(void **state)
{
    static const struct {
        const char *state;
        int freeze, freeze_same, unfreeze_same, unfreeze_other, redeem, redeem_same, redeem_other,
            refund, cancel;
    } table[] = {
        { "claimed", LK_OK, LK_OK, LK_OK, LK_OK, LK_OK, LK_E_NOT_FROZEN, LK_E_NOT_FROZEN,
          LK_E_NOT_REDEEMED, LK_OK },
        { "frozen", LK_E_FROZEN, LK_E_FROZEN, LK_OK, LK_E_FROZEN, LK_E_FROZEN, LK_OK, LK_E_FROZEN,
          LK_E_NOT_REDEEMED, LK_E_FROZEN },
        { "redeemed", LK_E_REDEEMED, LK_E_REDEEMED, LK_E_REDEEMED, LK_E_REDEEMED, LK_E_REDEEMED,
          LK_E_REDEEMED, LK_E_REDEEMED, LK_OK, LK_E_REDEEMED },
        { "void", LK_E_VOID, LK_E_VOID, LK_E_VOID, LK_E_VOID, LK_E_VOID, LK_E_VOID, LK_E_VOID,
          LK_E_VOID, LK_E_VOID },
    };
    struct story *s = *state;

    for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++) {
        const int wanted[] = { table[row].freeze,        table[row].freeze_same,
                               table[row].unfreeze_same, table[row].unfreeze_other,
                               table[row].redeem,        table[row].redeem_same,
                               table[row].redeem_other,  table[row].refund,
                               table[row].cancel };
        for (size_t column = 0; column < sizeof(wanted) / sizeof(wanted[0]); column++) {
            lk_coupon coupon = story_claim(s);
            if (row == 1 || row == 2)
                assert_int_equal(FREEZE(s, coupon, "same"), LK_OK);
            if (row == 2)
                assert_int_equal(REDEEM(s, coupon, "same"), LK_OK);
            if (row == 3)
                assert_int_equal(VOID(s, coupon), LK_OK);
            const int answers[] = {
                column == 0 ? FREEZE(s, coupon, "other") : 0,
                column == 1 ? FREEZE(s, coupon, "same") : 0,
                column == 2 ? UNFREEZE(s, coupon, "same") : 0,
                column == 3 ? UNFREEZE(s, coupon, "other") : 0,
                column == 4 ? REDEEM(s, coupon, NULL) : 0,
                column == 5 ? REDEEM(s, coupon, "same") : 0,
                column == 6 ? REDEEM(s, coupon, "other") : 0,
                column == 7 ? REFUND(s, coupon, NULL) : 0,
                column == 8 ? VOID(s, coupon) : 0,
            };
            if (answers[column] != wanted[column])
                fail_msg("%s, column %zu: %s, not %s", table[row].state, column,
                         lk_status_name(answers[column]), lk_status_name(wanted[column]));
        }
    }
}

static void a_coupon_that_the_user_does_not_have_is_refused(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = { 0, 1 };

    assert_int_equal(REDEEM(s, coupon, NULL), LK_E_NO_COUPON);
    story_claim(s);
    coupon.serial = 999;
    assert_int_equal(FREEZE(s, coupon, "order"), LK_E_NO_COUPON);
    coupon = (lk_coupon){ 1, 1 };
    assert_int_equal(VOID(s, coupon), LK_E_NO_COUPON);
}

/* ---- try, confirm, cancel ---- */

static void a_cancel_before_its_try_wins(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(UNFREEZE(s, coupon, "order-1"), LK_OK);
    assert_int_equal(s->result.state, LK_CLAIMED);
    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_E_UNFROZEN);
    assert_int_equal(FREEZE(s, coupon, "order-2"), LK_OK);
}

static void unfrozen_orders_are_remembered_up_to_a_bound(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);
    char order[20];

    for (int i = 0; i <= COUPON_UNFROZEN_MAX; i++) {
        snprintf(order, sizeof(order), "order-%d", i);
        assert_int_equal(UNFREEZE(s, coupon, order), LK_OK);
    }
    for (int i = 1; i <= COUPON_UNFROZEN_MAX; i++) {
        snprintf(order, sizeof(order), "order-%d", i);
        assert_int_equal(FREEZE(s, coupon, order), LK_E_UNFROZEN);
    }
    assert_int_equal(FREEZE(s, coupon, "order-0"), LK_OK);
}

/* ---- time ---- */

static void a_freeze_ends_at_its_time(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(FREEZE(s, coupon, "order-1", .ttl_ms = 1000), LK_OK);
    s->now_ms += 999;
    assert_int_equal(FREEZE(s, coupon, "order-2"), LK_E_FROZEN);
    assert_int_equal(s->result.retry_ms, NOON + 1000);
    s->now_ms += 1;
    assert_int_equal(REDEEM(s, coupon, "order-1"), LK_E_NOT_FROZEN);
    /* The refusal has written that the freeze ran out. */
    assert_int_equal(story_state(s, coupon), LK_CLAIMED);
    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_E_UNFROZEN);
    assert_int_equal(FREEZE(s, coupon, "order-2"), LK_OK);
}

static void a_freeze_without_a_time_takes_the_campaigns(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(FREEZE(s, coupon, "order-1"), LK_OK);
    s->now_ms += 59999;
    assert_int_equal(VOID(s, coupon), LK_E_FROZEN);
    s->now_ms += 1;
    assert_int_equal(VOID(s, coupon), LK_OK);
}

static void the_campaigns_end_voids_what_is_claimed_and_lets_freezes_finish(void **state)
{
    struct story *s = *state;
    s->campaign.rules.ends_ms = NOON + DAY;
    lk_coupon claimed = story_claim(s), frozen = story_claim(s), redeemed = story_claim(s),
              given_back = story_claim(s);

    assert_int_equal(REDEEM(s, redeemed, NULL), LK_OK);
    s->now_ms = NOON + DAY - 1;
    assert_int_equal(FREEZE(s, frozen, "order-1"), LK_OK);
    assert_int_equal(FREEZE(s, given_back, "order-2"), LK_OK);
    s->now_ms = NOON + DAY;
    assert_int_equal(CLAIM(s), LK_E_CAMPAIGN_ENDED);
    assert_int_equal(REDEEM(s, claimed, NULL), LK_E_VOID);
    assert_int_equal(story_state(s, claimed), LK_VOID);
    assert_int_equal(REDEEM(s, frozen, "order-1"), LK_OK);
    assert_int_equal(UNFREEZE(s, given_back, "order-2"), LK_OK);
    assert_int_equal(s->result.state, LK_VOID);
    assert_int_equal(REFUND(s, redeemed, NULL), LK_OK);
    assert_int_equal(s->result.state, LK_VOID);
}

static void time_written_in_an_account_does_not_run_backwards(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    s->now_ms = NOON - 5000; /* of a client whose reading of the server's clock is old */
    assert_int_equal(REDEEM(s, coupon, NULL), LK_OK);
    assert_int_equal(s->result.time_ms, NOON);
}

/* Also of what changes nothing in a coupon but is remembered. */
static void nor_does_it_after_an_unfreeze_of_what_was_not_frozen(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    s->now_ms = NOON + 100;
    assert_int_equal(UNFREEZE(s, coupon, "order"), LK_OK);
    s->now_ms = NOON + 50;
    assert_int_equal(REDEEM(s, coupon, NULL), LK_OK);
    assert_int_equal(s->result.time_ms, NOON + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(a_result_that_is_cleared_says_nothing),
        STORY_TEST(a_campaign_is_judged_before_limit_and_stock),
        STORY_TEST(a_claim_is_all_or_none),
        STORY_TEST(void_coupons_do_not_count_against_the_limit),
        STORY_TEST(a_coupon_goes_from_claimed_to_frozen_to_redeemed),
        STORY_TEST(a_refunded_coupon_can_be_used_again),
        STORY_TEST(an_unfrozen_coupon_can_be_frozen_for_another_order),
        STORY_TEST(each_state_allows_what_the_header_says),
        STORY_TEST(a_coupon_that_the_user_does_not_have_is_refused),
        STORY_TEST(a_cancel_before_its_try_wins),
        STORY_TEST(unfrozen_orders_are_remembered_up_to_a_bound),
        STORY_TEST(a_freeze_ends_at_its_time),
        STORY_TEST(a_freeze_without_a_time_takes_the_campaigns),
        STORY_TEST(the_campaigns_end_voids_what_is_claimed_and_lets_freezes_finish),
        STORY_TEST(time_written_in_an_account_does_not_run_backwards),
        STORY_TEST(nor_does_it_after_an_unfreeze_of_what_was_not_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
