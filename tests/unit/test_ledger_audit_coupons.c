/* test_ledger_audit_coupons.c - each coupon that was stocked is in one account or in one shard's
 * range: the audit names those that are lost, there twice, or were never stocked. */
#include "ledger_books.h"

#include "ledger/restock.h"

/* ---- lost ---- */

static void drop_last_coupon(struct account *account, void *arg)
{
    (void)arg;
    account->coupon_count--;
    account->claims[account->claim_count - 1].count--;
}

static void a_coupon_that_no_account_has_is_lost(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    rewrite(w, "ann", drop_last_coupon, NULL);
    audit_all(w);
    assert_faults(w, 1, "lost: coupon 0-3 was issued, and no account has it");
}

static void lost_coupons_in_a_row_are_one_line(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 4);
    claims(w, "cid", 0, 1);
    free(w->books[1].bytes);
    w->books[1] = w->books[2];
    w->book_count = 2;
    audit_all(w);
    assert_faults(w, 1, "lost: coupons 0-2 to 0-5 were issued, and no account has them");
}

/* ---- twice ---- */

static void a_coupon_in_two_accounts_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_faults(w, 2, "lost: coupon 0-2 was issued, and no account has it");
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 of user bob is also user ann's, who claimed it before");
    assert_int_equal(w->audit.claimed, 1);
}

static void void_last_coupon(struct account *account, void *arg)
{
    (void)arg;
    account->coupons[account->coupon_count - 1].state = LK_VOID;
}

static void a_coupon_that_is_void_in_the_other_account_is_nobodys_twice(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    rewrite(w, "bob", void_last_coupon, NULL);
    w->campaign.rules.ends_ms = NOON + DAY;
    audit_all(w);
    assert_faults(w, 1, "lost: coupon 1-1 was issued, and no account has it");
    assert_int_equal(w->audit.claimed, 1);
    assert_int_equal(w->audit.voided, 0);
}

static void the_later_of_two_accounts_is_named_whatever_their_names(void **state)
{
    struct world *w = *state;

    claims(w, "zoe", 0, 1);
    claims(w, "ann", 0, 1);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 2);
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 of user ann is also user zoe's, who claimed it before");
    assert_string_equal(w->audit.faults[1].user, "ann");
    assert_false(w->audit.faults[1].used);
}

static void a_coupon_twice_in_one_account_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_all(w);
    assert_int_equal(w->audit.fault_count, 2);
    assert_string_equal(w->audit.faults[1].line,
                        "twice: coupon 0-1 stands twice in the account of user ann");
    assert_true(w->audit.faults[1].same_account);
}

static void a_coupon_that_is_still_available_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 1, 10 });
    audit_all(w);
    assert_faults(w, 2, "lost: coupon 0-1 was issued, and no account has it");
    assert_string_equal(w->audit.faults[1].line,
                        "once: coupon 1-10 of user ann is also still available");
}

/* ---- stock ---- */

static void a_coupon_that_was_never_stocked_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 0, 11 });
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 9, 1 });
    audit_all(w);
    assert_faults(w, 4, "lost: coupon 0-2 was issued, and no account has it");
    assert_string_equal(w->audit.faults[2].line,
                        "stock: coupon 0-11 of user ann was never stocked");
    assert_string_equal(w->audit.faults[3].line, "stock: coupon 9-1 of user bob was never stocked");
}

static void a_range_that_is_available_twice_is_named(void **state)
{
    struct world *w = *state;

    struct range *ranges = realloc(w->shards[1].ranges, 2 * sizeof(*ranges));
    assert_non_null(ranges);
    ranges[1] = (struct range){ 0, 4, 2 };
    w->shards[1].ranges = ranges;
    w->shards[1].range_count = 2;
    audit_all(w);
    assert_faults(w, 1, "double: 2 of the coupons from 0-4 on are available twice");
}

static void a_range_that_was_never_stocked_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(shard_put(&w->shards[1], &(struct range){ 0, 9, 4 }), LK_OK);
    audit_all(w);
    assert_faults(w, 2, "double: 2 of the coupons from 0-9 on are available twice");
    assert_string_equal(w->audit.faults[1].line,
                        "stock: 2 coupons from 0-11 on are available but were never stocked");
    assert_int_equal(w->audit.faults[1].count, 2);
}

static void more_stock_than_the_campaign_tells_of_is_named(void **state)
{
    struct world *w = *state;

    assert_int_equal(shard_add(&w->shards[1], 3), LK_OK);
    audit_all(w);
    assert_faults(w, 1,
                  "minted: the shards have stocked 23 coupons, the campaign's record tells of 20");
}

static void stock_that_was_added_is_no_fault_also_where_the_record_forgot_it(void **state)
{
    struct world *w = *state;
    struct applied added = { .id = story_id(1), .verb = CAMPAIGN_ADD_STOCK, .number = 3 };

    assert_int_equal(shard_add(&w->shards[1], 5), LK_OK);
    assert_int_equal(applied_add(&w->campaign.applied, &added), LK_OK);
    w->campaign.applied.floor = story_id(1);
    audit_all(w);
    assert_faults(w, 0, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_coupon_that_no_account_has_is_lost),
        WORLD_TEST(lost_coupons_in_a_row_are_one_line),
        WORLD_TEST(a_coupon_in_two_accounts_is_named),
        WORLD_TEST(a_coupon_that_is_void_in_the_other_account_is_nobodys_twice),
        WORLD_TEST(the_later_of_two_accounts_is_named_whatever_their_names),
        WORLD_TEST(a_coupon_twice_in_one_account_is_named),
        WORLD_TEST(a_coupon_that_is_still_available_is_named),
        WORLD_TEST(a_coupon_that_was_never_stocked_is_named),
        WORLD_TEST(a_range_that_is_available_twice_is_named),
        WORLD_TEST(a_range_that_was_never_stocked_is_named),
        WORLD_TEST(more_stock_than_the_campaign_tells_of_is_named),
        WORLD_TEST(stock_that_was_added_is_no_fault_also_where_the_record_forgot_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
