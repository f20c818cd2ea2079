/* test_ledger_audit.c - what the audit counts: the coupons of its picture and no others, whatever
 * is claimed, moved or mended while it reads, and whatever it can't read. */
#include "ledger_books.h"

#include "ledger/restock.h"

static void books_that_are_in_order_have_no_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    claims(w, "bob", 1, 2);
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_FREEZE, .coupon = { 0, 1 }, .order = "o" });
    does(w, "ann", (lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .coupon = { 0, 2 } });
    does(w, "bob", (lk_ledger_op){ .verb = LK_LEDGER_VOID, .coupon = { 1, 1 } });
    audit_all(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 2);
    assert_int_equal(w->audit.frozen, 1);
    assert_int_equal(w->audit.redeemed, 1);
    assert_int_equal(w->audit.voided, 1);
    assert_int_equal(w->audit.accounts, 2);
}

/* ---- while traffic runs ---- */

static void what_is_claimed_while_it_runs_is_neither_counted_nor_a_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    audit_starts(w);
    claims(w, "bob", 1, 2);
    claims(w, "ann", 0, 1);
    assert_int_equal(shard_add(&w->shards[1], 5), LK_OK);
    claims(w, "cid", 1, 5);
    claims(w, "dan", 1, 5);
    audit_reads_accounts(w, audit_account);
    claims(w, "eve", 0, 5);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 3);
}

/* As a claim's commit moves stock: from the back of one shard to another. */
static void moves(struct world *w, size_t from, size_t to, uint64_t count)
{
    struct shard *giver = &w->shards[from];
    struct range *last = &giver->ranges[giver->range_count - 1];

    assert_true(last->count > count);
    last->count -= count;
    const struct range moved = { last->shard, last->first + last->count, count };
    assert_int_equal(shard_put(&w->shards[to], &moved), LK_OK);
}

static void ranges_that_move_are_neither_missed_nor_counted_twice(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 3);
    moves(w, 0, 1, 4);
    claims(w, "bob", 1, 2);
    audit_starts(w);
    moves(w, 1, 0, 2);
    claims(w, "cid", 0, 5);
    audit_reads_accounts(w, audit_account);
    moves(w, 1, 0, 1);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 5);
}

static void a_claim_that_the_picture_does_not_know_is_named_though_all_is_well_later(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    /* Its claim is older than the picture, in which it is available. */
    rewrite(w, "ann", rename_last_coupon, &(lk_coupon){ 1, 1 });
    audit_starts(w);
    claims(w, "bob", 1, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_faults(w, 1, "once: coupon 1-1 of user ann is also still available");
}

static void forget_zxids(struct account *account, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < account->claim_count; i++)
        account->claims[i].zxid = ZXID_UNKNOWN;
}

static void claims_of_unknown_zxid_are_counted_by_the_picture(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 2);
    rewrite(w, "ann", forget_zxids, NULL);
    audit_starts(w);
    claims(w, "bob", 1, 2);
    rewrite(w, "bob", forget_zxids, NULL);
    audit_reads_accounts(w, audit_account);
    audit_ends(w);
    assert_faults(w, 0, NULL);
    assert_int_equal(w->audit.claimed, 2);
}

static void what_is_mended_while_it_runs_is_no_fault(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 1 });
    audit_starts(w);
    audit_reads_accounts(w, audit_account);
    rewrite(w, "bob", rename_last_coupon, &(lk_coupon){ 0, 2 });
    audit_ends(w);
    /* That one was not found at its time. */
    assert_faults(w, 1, "lost: coupon 0-2 was issued, and no account has it");
}

/* ---- damage ---- */

static void a_damaged_account_is_named_and_the_others_are_counted(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 0, 1);
    w->books[0].bytes[w->books[0].size - 1] ^= 1;
    audit_all(w);
    assert_faults(w, 2, "record: the account of ann can't be read: the record is damaged");
    assert_string_equal(w->audit.faults[1].line,
                        "lost: coupon 0-1 was issued, and no account that could be read has it");
    assert_int_equal(w->audit.claimed, 1);
}

static void an_account_in_a_wrong_bucket_is_named(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    audit_starts(w);
    audit_account(&w->audit, &(struct audit_znode){ .bucket = "fff",
                                                    .name = "ann",
                                                    .data = w->books[0].bytes,
                                                    .size = w->books[0].size });
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, 1);
    assert_non_null(strstr(w->audit.faults[0].line, "place: user ann stands in bucket fff"));
}

static void a_shard_that_can_not_be_read_is_named_and_nothing_is_invented(void **state)
{
    struct world *w = *state;

    claims(w, "ann", 0, 1);
    claims(w, "bob", 1, 1);
    w->status[1] = LK_E_CORRUPT;
    audit_all(w);
    assert_faults(w, 1, "record: shard 1 can't be read: the record is damaged");
}

static void a_flood_of_faults_is_cut_and_that_is_said(void **state)
{
    struct world *w = *state;

    audit_starts(w);
    for (int i = 0; i < AUDIT_FAULTS_MAX + 50; i++)
        audit_account(&w->audit, &(struct audit_znode){
                                     .bucket = "000", .name = "ann", .status = LK_E_NO_RIGHTS });
    audit_ends(w);
    assert_int_equal(w->audit.fault_count, AUDIT_FAULTS_MAX);
    assert_string_equal(w->audit.faults[AUDIT_FAULTS_MAX - 1].line,
                        "more: 51 faults are not listed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(books_that_are_in_order_have_no_fault),
        WORLD_TEST(what_is_claimed_while_it_runs_is_neither_counted_nor_a_fault),
        WORLD_TEST(ranges_that_move_are_neither_missed_nor_counted_twice),
        WORLD_TEST(a_claim_that_the_picture_does_not_know_is_named_though_all_is_well_later),
        WORLD_TEST(claims_of_unknown_zxid_are_counted_by_the_picture),
        WORLD_TEST(what_is_mended_while_it_runs_is_no_fault),
        WORLD_TEST(a_damaged_account_is_named_and_the_others_are_counted),
        WORLD_TEST(an_account_in_a_wrong_bucket_is_named),
        WORLD_TEST(a_shard_that_can_not_be_read_is_named_and_nothing_is_invented),
        WORLD_TEST(a_flood_of_faults_is_cut_and_that_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
