/* test_ledger_account.c - what may happen to a coupon, in which order it is judged, and that
 * nothing happens twice. */
#include "ledger_story.h"

#define FREEZE(s, c, ...) APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = c, .order = __VA_ARGS__)
#define UNFREEZE(s, c, ...) APPLY(s, .verb = LK_LEDGER_UNFREEZE, .coupon = c, .order = __VA_ARGS__)
#define REDEEM(s, c, ...) APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = c, .order = __VA_ARGS__)
#define REFUND(s, c, ...) APPLY(s, .verb = LK_LEDGER_REFUND, .coupon = c, .order = __VA_ARGS__)
#define VOID(s, c) APPLY(s, .verb = LK_LEDGER_VOID, .coupon = c)
#define CLAIM(s) APPLY(s, .verb = LK_LEDGER_CLAIM)
#define CLAIM_BY(s, ...) APPLY(s, .verb = LK_LEDGER_CLAIM, __VA_ARGS__)

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

static void a_full_account_refuses_claims_and_still_takes_the_rest(void **state)
{
    struct story *s = *state;
    int status;

    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    lk_coupon first = story_claim(s);
    size_t coupons = 1;
    while ((status = CLAIM_BY(s, .count = 64)) == LK_OK)
        coupons += 64;
    assert_int_equal(status, LK_E_ACCOUNT_FULL);
    assert_true(coupons * COUPON_SIZE <= ACCOUNT_CLAIM_SIZE_MAX);
    assert_true((coupons + 100) * (COUPON_SIZE + 1) > ACCOUNT_CLAIM_SIZE_MAX);
    uint64_t left = shard_available(&s->shard);
    assert_int_equal(CLAIM_BY(s, .count = 64), LK_E_ACCOUNT_FULL);
    assert_int_equal(shard_available(&s->shard), left);
    assert_int_equal(REDEEM(s, first, NULL), LK_OK);
    assert_int_equal(REFUND(s, first, NULL), LK_OK);
}

/* Names of orders as long as they may be, until the record is at its size: then the oldest ids go,
 * earlier than the rule says, and what was claimed can be used all the same. */
static void a_full_account_forgets_ids_before_it_refuses_a_transition(void **state)
{
    struct story *s = *state;
    char order[LK_ORDER_MAX + 1];
    int status = LK_OK;
    lk_id first = story_id(900000);

    s->campaign.rules.history = LK_HISTORY_MAX;
    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    lk_coupon coupon = story_claim(s);
    while (status == LK_OK)
        status = CLAIM_BY(s, .count = 64);
    assert_int_equal(UNFREEZE(s, coupon, "first", .id = first), LK_OK);
    for (uint64_t i = 1; i < LK_HISTORY_MAX; i++) {
        snprintf(order, sizeof(order), "%0*d", LK_ORDER_MAX, (int)i);
        assert_int_equal(UNFREEZE(s, coupon, order, .id = story_id(900000 + i)), LK_OK);
    }
    assert_true(s->size <= ACCOUNT_SIZE_MAX);
    assert_int_equal(UNFREEZE(s, coupon, "first", .id = first), LK_E_ID_TOO_OLD);
}

/* Applies operations, without a record between, until one is refused. */
static int apply_until_refused(struct story *s, struct account *account, lk_ledger_verb verb,
                               const char *text_ids, const char *order)
{
    const struct judge judge = { &s->campaign, s->now_ms, NULL };

    for (size_t i = 0;; i++) {
        lk_ledger_op op = { .verb = verb, .user = "ann", .id = story_id(++s->last_id) };
        char text[64];
        op.order = order;
        op.coupon = account->coupons[i % account->coupon_count].name;
        snprintf(text, sizeof(text), "%s %zu", text_ids ? text_ids : "", i);
        if (text_ids)
            assert_int_equal(lk_id_from_text(text, &op.id), LK_OK);
        if (account_apply(account, &judge, &op, &s->result) != VERDICT_APPLIED)
            return s->result.status;
    }
}

static void ids_of_texts_may_fill_an_account_but_leave_room_for_others(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_claim(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_UNFREEZE, "text", "order"),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REDEEM, "other text", NULL),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_FREEZE, NULL, "another"),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REDEEM, NULL, NULL), LK_E_REDEEMED);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REFUND, NULL, NULL),
                     LK_E_NOT_REDEEMED);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_VOID, NULL, NULL), LK_E_VOID);
    assert_true(account_size(&account) <= ACCOUNT_SIZE_MAX);
    account_free(&account);
}

static void story_freeze_all_that_is_possible(struct story *s, const char *order)
{
    struct account account = { 0 };
    struct record_out out = { 0 };

    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    while (APPLY(s, .verb = LK_LEDGER_CLAIM, .count = 64) == LK_OK)
        ;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    apply_until_refused(s, &account, LK_LEDGER_FREEZE, NULL, order);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    account_free(&account);
    free(s->bytes);
    s->bytes = out.bytes;
    s->size = out.size;
}

static void what_is_frozen_in_a_full_account_can_be_redeemed_or_unfrozen(void **state)
{
    static const lk_ledger_verb ways[] = { LK_LEDGER_REDEEM, LK_LEDGER_UNFREEZE };
    char longest[LK_ORDER_MAX + 1];
    const char *orders[] = { "o", longest };

    (void)state;
    snprintf(longest, sizeof(longest), "%0*d", LK_ORDER_MAX, 1);
    for (size_t i = 0; i < 4; i++) {
        void *made;
        struct account account = { 0 };
        size_t frozen = 0, left = 0;
        story_begin(&made);
        struct story *s = made;
        story_freeze_all_that_is_possible(s, orders[i % 2]);
        assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
        for (size_t j = 0; j < account.coupon_count; j++)
            frozen += account.coupons[j].state == LK_FROZEN;
        assert_true(frozen > 300);
        for (size_t j = 0; j < frozen; j++) {
            const struct judge judge = { &s->campaign, s->now_ms, NULL };
            const lk_ledger_op op = { .verb = ways[i / 2],
                                      .user = "ann",
                                      .id = story_id(++s->last_id),
                                      .order = orders[i % 2],
                                      .coupon = account.coupons[j].name };
            assert_int_equal(account_apply(&account, &judge, &op, &s->result), VERDICT_APPLIED);
        }
        for (size_t j = 0; j < account.coupon_count; j++)
            left += account.coupons[j].state == LK_FROZEN;
        assert_int_equal(left, 0);
        assert_true(account_size(&account) <= ACCOUNT_SIZE_MAX);
        account_free(&account);
        story_end(&made);
    }
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

/* ---- the form of an operation ---- */

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

/* ---- the record ---- */

static void story_fill(struct story *s)
{
    lk_coupon a = story_claim(s), b = story_claim(s), c = story_claim(s);

    assert_int_equal(FREEZE(s, a, "order-a"), LK_OK);
    assert_int_equal(FREEZE(s, b, "order-b"), LK_OK);
    assert_int_equal(REDEEM(s, b, "order-b"), LK_OK);
    assert_int_equal(UNFREEZE(s, c, "order-c"), LK_OK);
    assert_int_equal(CLAIM_BY(s, .count = 5), LK_OK);
}

static void a_record_survives_the_way_out_and_in(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };
    struct record_out out = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(account.coupon_count, 8);
    assert_int_equal(account.claim_count, 4);
    assert_int_equal(account.applied.count, 4);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    assert_int_equal(out.size, s->size);
    assert_memory_equal(out.bytes, s->bytes, out.size);
    record_free(&out);
    account_free(&account);
}

static void a_record_cut_short_anywhere_is_corrupt(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    for (size_t size = 2; size < s->size; size++)
        assert_int_equal(account_decode(&account, s->bytes, size, "ann", 3), LK_E_CORRUPT);
    assert_int_equal(account_decode(&account, s->bytes, 1, "ann", 3), LK_E_FOREIGN);
    assert_int_equal(account_decode(&account, NULL, 0, "ann", 3), LK_E_FOREIGN);
}

/* Past the checksum: what the fields themselves refuse. */
static void a_record_with_a_false_field_never_gets_through_unseen(void **state)
{
    struct story *s = *state;

    story_fill(s);
    for (size_t at = RECORD_HEADER_SIZE; at < s->size; at++) {
        struct record_out out = { 0 };
        struct account account = { 0 };
        record_begin(&out, RECORD_ACCOUNT, 2);
        record_put_bytes(&out, s->bytes + RECORD_HEADER_SIZE, s->size - RECORD_HEADER_SIZE);
        out.bytes[at] ^= 0xff;
        assert_int_equal(record_end(&out), LK_OK);
        int status = account_decode(&account, out.bytes, out.size, "ann", 3);
        /* Names, times and ids may be anything; whatever is accepted must also be written again
         * alike. */
        if (status == LK_OK) {
            struct record_out again = { 0 };
            assert_int_equal(account_encode(&account, &again), LK_OK);
            assert_int_equal(again.size, out.size);
            assert_memory_equal(again.bytes, out.bytes, out.size);
            record_free(&again);
        } else {
            assert_int_equal(status, LK_E_CORRUPT);
        }
        account_free(&account);
        record_free(&out);
    }
}

static void times_that_could_not_be_reckoned_with_are_corrupt(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    const int64_t sound_ms = account.coupons[0].changed_ms, wrong_ms[] = { INT64_MAX, -1 };
    for (size_t i = 0; i < 4; i++) {
        struct record_out out = { 0 };
        struct account read = { 0 };
        account.coupons[0].state = LK_FROZEN;
        account.coupons[0].changed_ms = i < 2 ? wrong_ms[i] : sound_ms;
        account.coupons[0].until_ms = i < 2 ? sound_ms : wrong_ms[i - 2];
        assert_int_equal(account_encode(&account, &out), LK_OK);
        assert_int_equal(account_decode(&read, out.bytes, out.size, "ann", 3), LK_E_CORRUPT);
        record_free(&out);
    }
    account_free(&account);
}

static void what_is_not_this_users_account_is_refused_by_name(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "bob", 3), LK_E_CORRUPT);
    s->bytes[s->size - 1] ^= 1;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_CORRUPT);
    s->bytes[s->size - 1] ^= 1;
    s->bytes[3]++;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_NEWER_FORMAT);
    s->bytes[2] = RECORD_SHARD;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_KIND);
    s->bytes[0] = 'x';
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_FOREIGN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_begin, story_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_coupon_goes_from_claimed_to_frozen_to_redeemed),
        TEST(a_refunded_coupon_can_be_used_again),
        TEST(an_unfrozen_coupon_can_be_frozen_for_another_order),
        TEST(each_state_allows_what_the_header_says),
        TEST(a_coupon_that_the_user_does_not_have_is_refused),
        TEST(a_cancel_before_its_try_wins),
        TEST(unfrozen_orders_are_remembered_up_to_a_bound),
        TEST(a_freeze_ends_at_its_time),
        TEST(a_freeze_without_a_time_takes_the_campaigns),
        TEST(the_campaigns_end_voids_what_is_claimed_and_lets_freezes_finish),
        TEST(time_written_in_an_account_does_not_run_backwards),
        TEST(nor_does_it_after_an_unfreeze_of_what_was_not_frozen),
        TEST(a_campaign_is_judged_before_limit_and_stock),
        TEST(a_claim_is_all_or_none),
        TEST(void_coupons_do_not_count_against_the_limit),
        TEST(a_full_account_refuses_claims_and_still_takes_the_rest),
        TEST(a_full_account_forgets_ids_before_it_refuses_a_transition),
        TEST(ids_of_texts_may_fill_an_account_but_leave_room_for_others),
        TEST(what_is_frozen_in_a_full_account_can_be_redeemed_or_unfrozen),
        TEST(the_same_id_and_body_answers_as_the_first_time),
        TEST(another_body_under_the_same_id_is_told_by_field),
        TEST(a_refusal_does_not_use_up_its_id),
        TEST(old_ids_are_forgotten_and_then_never_applied),
        TEST(ids_of_texts_and_of_claims_are_never_forgotten),
        TEST(an_id_from_a_clock_that_runs_ahead_does_not_lock_out_others),
        TEST(a_lookup_tells_what_became_of_an_id),
        TEST(the_form_of_an_operation_is_checked),
        TEST(a_record_survives_the_way_out_and_in),
        TEST(a_record_cut_short_anywhere_is_corrupt),
        TEST(a_record_with_a_false_field_never_gets_through_unseen),
        TEST(times_that_could_not_be_reckoned_with_are_corrupt),
        TEST(what_is_not_this_users_account_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
