/* test_ledger_history.c - an account tells what happened to its coupons: in order, with id, order,
 * time and zxid, as far back as the campaign's rule says. */
#include "ledger_story.h"

#include "ledger/task.h"

#define FIRST_ZXID INT64_C(0x700000001) /* of the story's first write */

static lk_account *story_show(struct story *s)
{
    struct account account = { 0 };
    lk_account *shown = NULL;

    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    account.zxid = s->zxid;
    assert_int_equal(account_show(&account, &s->campaign, s->now_ms, &shown), LK_OK);
    account_free(&account);
    return shown;
}

static void assert_step(const lk_transition *step, lk_ledger_verb verb, lk_coupon coupon,
                        lk_coupon_state state, const char *order, int64_t time_ms, int64_t zxid)
{
    assert_int_equal(step->verb, verb);
    assert_int_equal(step->coupon.serial, coupon.serial);
    assert_int_equal(step->state, state);
    assert_string_equal(step->order, order);
    assert_int_equal(step->time_ms, time_ms);
    assert_int_equal(step->zxid, zxid);
}

static void freeze(struct story *s, lk_coupon coupon, const char *order, int64_t ttl_ms)
{
    assert_int_equal(
        APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = order, .ttl_ms = ttl_ms),
        LK_OK);
}

static void unfreeze(struct story *s, lk_coupon coupon, const char *order, lk_id id)
{
    assert_int_equal(
        APPLY(s, .verb = LK_LEDGER_UNFREEZE, .coupon = coupon, .order = order, .id = id), LK_OK);
}

static void each_step_is_told_with_order_time_and_zxid(void **state)
{
    struct story *s = *state;
    lk_id claim = story_id(1000);

    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = claim, .count = 2), LK_OK);
    lk_coupon one = s->result.coupons[0], two = s->result.coupons[1];
    freeze(s, one, "order-1", 0); /* in the claim's millisecond */
    s->now_ms += 7;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = one, .order = "order-1"), LK_OK);
    s->now_ms += 1;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REFUND, .coupon = one), LK_OK);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_VOID, .coupon = two), LK_OK);

    lk_account *shown = story_show(s);
    assert_int_equal(shown->history_count, 6);
    const lk_transition *step = shown->history;
    assert_step(&step[0], LK_LEDGER_CLAIM, one, LK_CLAIMED, "", NOON, FIRST_ZXID);
    assert_step(&step[1], LK_LEDGER_CLAIM, two, LK_CLAIMED, "", NOON, FIRST_ZXID);
    assert_true(id_equals(step[0].id, claim) && id_equals(step[1].id, claim));
    assert_step(&step[2], LK_LEDGER_FREEZE, one, LK_FROZEN, "order-1", NOON, FIRST_ZXID + 1);
    assert_step(&step[3], LK_LEDGER_REDEEM, one, LK_REDEEMED, "order-1", NOON + 7, FIRST_ZXID + 2);
    assert_step(&step[4], LK_LEDGER_REFUND, one, LK_CLAIMED, "", NOON + 8, FIRST_ZXID + 3);
    assert_step(&step[5], LK_LEDGER_VOID, two, LK_VOID, "", NOON + 8, FIRST_ZXID + 4);
    lk_account_free(shown);
}

static void an_id_that_is_repeated_or_looked_up_has_its_first_zxid(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };
    lk_id claim = story_id(1000), void_id = story_id(1001);
    lk_ledger_result result = { 0 };

    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = claim), LK_OK);
    lk_coupon coupon = s->result.coupons[0];
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = claim), LK_OK);
    assert_int_equal(s->result.zxid, FIRST_ZXID);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_VOID, .id = void_id, .coupon = coupon), LK_OK);
    story_claim(s);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = claim), LK_OK);
    assert_int_equal(s->result.zxid, FIRST_ZXID);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    account.zxid = s->zxid;
    assert_int_equal(account_lookup(&account, void_id, &result), LK_OK);
    assert_int_equal(result.zxid, FIRST_ZXID + 1);
    account_free(&account);
}

/* As after a read that told no Stat: then no later write's zxid must be taken for its own. */
static void a_zxid_that_nobody_knew_in_time_stays_unknown(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);

    s->zxid = 0;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_VOID, .coupon = coupon), LK_OK);
    s->zxid = 500;
    story_claim(s);
    lk_account *shown = story_show(s);
    assert_int_equal(shown->history[0].zxid, 0);
    assert_step(&shown->history[1], LK_LEDGER_VOID, coupon, LK_VOID, "", NOON, 500);
    assert_int_equal(shown->history[2].zxid, 501);
    lk_account_free(shown);
}

static void what_is_not_written_yet_has_no_zxid(void **state)
{
    struct story *s = *state;
    struct account account = { .user = "ann", .user_size = 3 };
    struct stock stock = { &s->shard, &s->known, &s->touched, 1, 0 };
    const struct judge judge = { &s->campaign, s->now_ms, &stock };
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann", .id = story_id(1) };

    assert_int_equal(account_apply(&account, &judge, &claim, &s->result), VERDICT_APPLIED);
    account.zxid = 77;
    assert_int_equal(account_apply(&account, &judge, &claim, &s->result), VERDICT_REPEATED);
    assert_int_equal(s->result.zxid, 0);
    account_free(&account);
}

/* ---- what time does ---- */

static void a_freeze_that_ran_out_is_told_without_an_id_when_it_did(void **state)
{
    struct story *s = *state;
    lk_coupon one = story_claim(s), two = story_claim(s);

    freeze(s, one, "order-1", 80);
    freeze(s, two, "order-2", 50);
    s->now_ms += 1000;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = one, .order = "order-1"),
                     LK_E_NOT_FROZEN);
    s->campaign.rules.ends_ms = NOON + 2000;
    s->now_ms += 1000;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = one), LK_E_VOID);

    lk_account *shown = story_show(s);
    assert_int_equal(shown->history_count, 8);
    const lk_transition *step = &shown->history[4];
    assert_step(&step[0], LK_LEDGER_UNFREEZE, two, LK_CLAIMED, "order-2", NOON + 50,
                FIRST_ZXID + 4);
    assert_step(&step[1], LK_LEDGER_UNFREEZE, one, LK_CLAIMED, "order-1", NOON + 80,
                FIRST_ZXID + 4);
    assert_step(&step[2], LK_LEDGER_VOID, one, LK_VOID, "", NOON + 2000, FIRST_ZXID + 5);
    assert_step(&step[3], LK_LEDGER_VOID, two, LK_VOID, "", NOON + 2000, FIRST_ZXID + 5);
    for (size_t i = 0; i < 4; i++)
        assert_true(id_is_none(step[i].id));
    lk_account_free(shown);
}

static void time_is_written_down_by_itself_only_where_it_acted(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    freeze(s, story_claim(s), "order-1", 80);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(account_settle(&account, &s->campaign, NOON + 80), LK_OK);
    assert_true(account.changed);
    assert_int_equal(account.applied.count, 2);
    account.changed = false;
    assert_int_equal(account_settle(&account, &s->campaign, NOON + 80), LK_OK);
    assert_false(account.changed);
    assert_int_equal(account.applied.count, 2);
    account_free(&account);
}

/* ---- how much is told ---- */

static size_t count_steps(const lk_account *shown, lk_ledger_verb verb)
{
    size_t count = 0;

    for (size_t i = 0; i < shown->history_count; i++)
        count += shown->history[i].verb == verb;
    return count;
}

static void the_rule_says_how_many_operations_are_remembered_and_claims_always_are(void **state)
{
    struct story *s = *state;
    s->campaign.rules.history = 8;
    lk_coupon coupon = story_claim(s);

    for (uint64_t i = 0; i < 20; i++)
        unfreeze(s, coupon, "order", story_id(2000 + i));
    lk_account *shown = story_show(s);
    assert_int_equal(count_steps(shown, LK_LEDGER_CLAIM), 1);
    assert_int_equal(count_steps(shown, LK_LEDGER_UNFREEZE), 8);
    assert_true(id_equals(shown->history[1].id, story_id(2012)));
    lk_account_free(shown);
}

static void what_time_did_is_pruned_alike_but_costs_no_id(void **state)
{
    struct story *s = *state;
    s->campaign.rules.history = 8;
    s->campaign.rules.ends_ms = NOON + 10;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .count = 30), LK_OK);
    lk_coupon coupon = s->result.coupons[0];

    for (uint64_t i = 0; i < 8; i++)
        unfreeze(s, coupon, "order", story_id(2000 + i));
    s->now_ms += 10;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_VOID, .coupon = coupon), LK_E_VOID);
    unfreeze(s, coupon, "order", story_id(2000));
    assert_int_equal(s->verdict, VERDICT_REPEATED);
    lk_account *shown = story_show(s);
    assert_int_equal(count_steps(shown, LK_LEDGER_UNFREEZE), 8);
    assert_int_equal(count_steps(shown, LK_LEDGER_VOID), 8);
    assert_int_equal(shown->history[shown->history_count - 1].coupon.serial, 30);
    lk_account_free(shown);
}

/* ---- orders ---- */

static void an_order_is_written_once_for_what_freezes_and_what_redeems(void **state)
{
    struct story *s = *state;
    lk_coupon coupon = story_claim(s);
    char order[LK_ORDER_MAX + 1];

    snprintf(order, sizeof(order), "%0*d", LK_ORDER_MAX, 1);
    freeze(s, coupon, order, 0);
    size_t before = s->size;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = coupon, .order = order), LK_OK);
    assert_true(s->size < before + APPLIED_SIZE);
    lk_account *shown = story_show(s);
    assert_string_equal(shown->history[2].order, order);
    lk_account_free(shown);
}

static void an_order_stays_when_the_entry_that_named_it_first_is_forgotten(void **state)
{
    struct story *s = *state;
    s->campaign.rules.history = 8;
    lk_coupon coupon = story_claim(s);

    unfreeze(s, coupon, "other", LK_ID_NONE);
    for (int i = 0; i < 11; i++)
        unfreeze(s, coupon, "the order", LK_ID_NONE);
    lk_account *shown = story_show(s);
    assert_int_equal(shown->history_count, 9);
    for (size_t i = 1; i < 9; i++)
        assert_string_equal(shown->history[i].order, "the order");
    lk_account_free(shown);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_begin, story_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_step_is_told_with_order_time_and_zxid),
        TEST(an_id_that_is_repeated_or_looked_up_has_its_first_zxid),
        TEST(a_zxid_that_nobody_knew_in_time_stays_unknown),
        TEST(what_is_not_written_yet_has_no_zxid),
        TEST(a_freeze_that_ran_out_is_told_without_an_id_when_it_did),
        TEST(time_is_written_down_by_itself_only_where_it_acted),
        TEST(the_rule_says_how_many_operations_are_remembered_and_claims_always_are),
        TEST(what_time_did_is_pruned_alike_but_costs_no_id),
        TEST(an_order_is_written_once_for_what_freezes_and_what_redeems),
        TEST(an_order_stays_when_the_entry_that_named_it_first_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
