/* test_ledger_hostile.c - a stranger takes rights and znodes away from a campaign, and adds his own.
 *
 * What can be answered without them is; the rest is refused by the status that latchkey/ledger.h has
 * for it, at once; and with the znodes and the rights back, every coupon is there. */
#include "ledger_shop.h"

#include <stdio.h>
#include <stdlib.h>

#include "ledger/names.h"

/* ---- rights ---- */

static void an_account_that_may_only_be_read_answers_its_questions(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    lk_coupon coupon = claim(shop, "ann");
    lk_id id = last.id;
    lk_ledger_result found;

    raw_limit(account_path("/sale", "ann"), ZOO_PERM_READ);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NO_RIGHTS);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon),
                  LK_E_NO_RIGHTS);
    /* What needs no write is answered. */
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon),
                  LK_E_NOT_REDEEMED);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id), LK_OK);
    assert_true(last.repeated);
    assert_status(lk_ledger_lookup(shop, "ann", id, patience(), &found), LK_OK);
    assert_int_equal(state_of(shop, "ann", coupon), LK_CLAIMED);
    claim(shop, "bob");

    raw_limit(account_path("/sale", "ann"), 0);
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon),
                  LK_E_NO_RIGHTS);
    assert_status(lk_ledger_lookup(shop, "ann", id, patience(), &found), LK_E_NO_RIGHTS);
    claim(shop, "bob");
    raw_limit(account_path("/sale", "ann"), ZOO_PERM_ALL);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

static void without_rights_to_the_stock_only_claims_are_refused(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10,
                           .shards = 1);
    lk_coupon coupon = claim(shop, "ann");

    raw_limit(live_path("/sale/stock/0000"), ZOO_PERM_READ);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NO_RIGHTS);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_NO_RIGHTS);
    assert_status(lk_campaign_add_stock(shop, 1, NULL, patience()), LK_E_NO_RIGHTS);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
    raw_limit(live_path("/sale/stock/0000"), 0);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_NO_RIGHTS);
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    raw_limit(live_path("/sale/stock/0000"), ZOO_PERM_ALL);
    claim(shop, "bob");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 2, .accounts = 2);
}

static void who_may_make_no_buckets_is_told_so_and_the_others_go_on(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    const lk_ledger_op ops[] = {
        { .verb = LK_LEDGER_CLAIM, .user = "ann" },
        { .verb = LK_LEDGER_CLAIM, .user = "bob" },
        { .verb = LK_LEDGER_CLAIM, .user = "cid" },
    };
    lk_ledger_result results[3];

    claim(shop, "ann");
    raw_limit(live_path("/sale/accounts"), ZOO_PERM_READ);
    assert_status(lk_ledger_submit(shop, ops, 3, results, patience()), LK_E_NO_RIGHTS);
    assert_status(results[0].status, LK_OK);
    assert_status(results[1].status, LK_E_NO_RIGHTS);
    assert_status(results[2].status, LK_E_NO_RIGHTS);
    assert_true(lk_ledger_get_stats(shop).commits < 10);
    raw_limit(live_path("/sale/accounts"), ZOO_PERM_ALL);
    claim(shop, "bob");
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

/* The record's own time is from before the campaign closed. */
static void who_can_not_learn_the_servers_time_does_not_take_an_old_one_for_it(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *watch = OPEN(client, "/watch", .stock = 1);
    int64_t closes_ms = server_time(watch) + 200;
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .closes_ms = closes_ms);

    claim(shop, "ann");
    await_server_time(watch, closes_ms);
    raw_limit(live_path("/sale/clock"), ZOO_PERM_READ);
    assert_status(DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = "bob"),
                  LK_E_NO_RIGHTS);
    /* Who has learnt it before goes by the own clock. */
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CAMPAIGN_CLOSED);
    raw_delete(live_path("/sale/clock"));
    assert_status(DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = "bob"),
                  LK_E_CORRUPT);
    raw_make(live_path("/sale/clock"));
    assert_status(DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = "bob"),
                  LK_E_CAMPAIGN_CLOSED);
    AUDIT_CLEAN(shop, .available = 9, .claimed = 1, .accounts = 1);
}

/* ---- znodes that go, and others that come ---- */

static void with_its_bucket_gone_an_account_is_a_new_one_and_the_audit_knows(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    char *bucket = name_bucket(live_path("/sale"), user_bucket("ann"));
    lk_coupon coupon = claim(shop, "ann");

    assert_non_null(bucket);
    raw_delete(account_path("/sale", "ann"));
    raw_delete(bucket);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon),
                  LK_E_NO_COUPON);
    claim(shop, "ann");
    assert_true(audit_names(shop, "lost: "));
    raw_delete(account_path("/sale", "ann"));
    raw_delete(bucket);
    claim(ledger(client, "/sale"), "ann");
    claim(shop, "bob");
    free(bucket);
}

static void without_the_folder_of_accounts_nobody_hangs(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);

    raw_delete(live_path("/sale/accounts"));
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CORRUPT);
    assert_status(DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = "ann"),
                  LK_E_CORRUPT);
    raw_make(live_path("/sale/accounts"));
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 9, .claimed = 1, .accounts = 1);
}

static void without_its_seal_nothing_is_written(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    lk_coupon coupon = claim(shop, "ann");
    struct campaign campaign = campaign_at("/sale");
    char *seal = name_seal(live_path("/sale"), campaign.seal);

    assert_non_null(seal);
    raw_delete(seal);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CORRUPT);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon),
                  LK_E_CORRUPT);
    assert_status(DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = "ann"),
                  LK_E_CORRUPT);
    raw_make(seal);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
    claim(shop, "bob");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 1, .redeemed = 1, .accounts = 2);
    free(seal);
    campaign_free(&campaign);
}

static void what_a_stranger_put_below_is_left_when_the_campaign_goes(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    char *bucket = name_bucket(live_path("/sale"), user_bucket("ann"));
    char below[1024], stray[1024];

    claim(shop, "ann");
    snprintf(below, sizeof(below), "%s/stray", account_path("/sale", "ann"));
    snprintf(stray, sizeof(stray), "%s/%%zz", bucket);
    raw_make(below);
    raw_make(stray);
    claim(shop, "ann");
    assert_true(audit_names(shop, "record: "));
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_E_FOREIGN);
    assert_true(raw_exists(below, NULL) && raw_exists(stray, NULL));
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);
    raw_delete(below);
    raw_delete(stray);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
    free(bucket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(an_account_that_may_only_be_read_answers_its_questions),
        SHOP_TEST(without_rights_to_the_stock_only_claims_are_refused),
        SHOP_TEST(who_may_make_no_buckets_is_told_so_and_the_others_go_on),
        SHOP_TEST(who_can_not_learn_the_servers_time_does_not_take_an_old_one_for_it),
        SHOP_TEST(with_its_bucket_gone_an_account_is_a_new_one_and_the_audit_knows),
        SHOP_TEST(without_the_folder_of_accounts_nobody_hangs),
        SHOP_TEST(without_its_seal_nothing_is_written),
        SHOP_TEST(what_a_stranger_put_below_is_left_when_the_campaign_goes),
    };
    return live_main("ledger hostile", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
