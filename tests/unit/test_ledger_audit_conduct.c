/* test_ledger_audit_conduct.c - what the audit holds against one account by itself: more coupons
 * than the limit, an id applied twice, a claim outside of the campaign's times, a state that no
 * operation led to. */
#include "ledger_books.h"

/* ---- claims ---- */

static void a_user_above_the_limit_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 5);
    w->campaign.rules.per_user = 4;
    audit_all(w);
    assert_faults(w, 1, "limit: user ann has 5 coupons that count, the limit is 4");
}

static void one_id_for_all(struct account *account, void *arg)
{
    (void)arg;
    account->claims[1].id = account->claims[0].id;
}

static void an_id_that_was_applied_twice_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "ann", 0, 1);
    rewrite(w, "ann", one_id_for_all, NULL);
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "of user ann was applied twice"));
}

static void a_claim_outside_of_the_campaigns_times_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    w->campaign.rules.opens_ms = NOON + 1;
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "of user ann came before the campaign opened"));
}

/* ---- the life of a coupon ---- */

static void a_whole_life_is_no_fault(void **state)
{
    struct world *w = *state;
    const lk_coupon coupon = { 0, 1 };

    claims(w, "ann", 0, 1);
    for (int i = 0; i < 3; i++) {
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = "o" });
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = coupon, .order = "o" });
        does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REFUND, .coupon = coupon });
    }
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_UNFREEZE, .coupon = coupon, .order = "p" });
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_VOID, .coupon = coupon });
    audit_all(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.voided, 1);
}

static void redeem_behind_the_back(struct account *account, void *arg)
{
    (void)arg;
    account->coupons[0].state = LK_REDEEMED;
}

static void a_state_that_no_operation_led_to_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    rewrite(w, "ann", redeem_behind_the_back, NULL);
    audit_all(w);
    assert_faults(w, 1,
                  "state: coupon 0-1 of user ann is redeemed, its last operation made it claimed");
}

static void redeem_once_more(struct account *account, void *arg)
{
    struct applied again = account->applied.entries[account->applied.count - 1];

    (void)arg;
    again.id = story_id(99);
    assert_int_equal(applied_add(&account->applied, &again), LK_OK);
}

static void a_coupon_redeemed_twice_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 1 } });
    rewrite(w, "ann", redeem_once_more, NULL);
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(
        strstr(w->audit.faults[0].line, "state: coupon 0-1 of user ann was redeemed, and redeem "));
}

static void forget_something(struct account *account, void *arg)
{
    redeem_once_more(account, arg);
    account->applied.floor = story_id(1);
}

static void an_account_that_forgot_operations_is_not_judged_by_those_that_stay(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 1 } });
    /* As if a refund had stood between them. */
    rewrite(w, "ann", forget_something, NULL);
    audit_all(w);
    assert_faults(w, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_user_above_the_limit_is_named),
        WORLD_TEST(an_id_that_was_applied_twice_is_named),
        WORLD_TEST(a_claim_outside_of_the_campaigns_times_is_named),
        WORLD_TEST(a_whole_life_is_no_fault),
        WORLD_TEST(a_state_that_no_operation_led_to_is_named),
        WORLD_TEST(a_coupon_redeemed_twice_is_named),
        WORLD_TEST(an_account_that_forgot_operations_is_not_judged_by_those_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
