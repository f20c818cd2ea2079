/* test_ledger.c - campaigns on real servers, one thing after another: every rule, every refusal by its
 * name. */
#include "ledger_shop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/account.h"
#include "ledger/names.h"

/* ---- one after another ---- */

static void a_coupons_whole_life(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/shop/spring/sale",
                           .stock = 10, .per_user = 3);

    lk_coupon coupon = claim(shop, "ann");
    assert_true(last.zxid > 0 && last.time_ms > 0 && !last.repeated);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    assert_int_equal(last.state, LK_FROZEN);
    assert_int_equal(state_of(shop, "ann", coupon), LK_FROZEN);
    assert_status(
        DO(shop, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_E_UNFROZEN);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_int_equal(state_of(shop, "ann", coupon), LK_REDEEMED);
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_E_VOID);
    claim(shop, "bob/../Ünï.cødé %");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 1, .voided = 1, .accounts = 2);
}

static void the_numbers_of_a_campaign(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 7, .shards = 3, .per_user = 5,
                           .freeze_ttl_ms = 1234);
    lk_campaign_info info;
    lk_id id = LK_ID_NONE;

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 5), LK_OK);
    assert_int_equal(last.count, 5);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_LIMIT);
    assert_status(lk_campaign_add_stock(shop, 4, &id, patience()), LK_OK);
    assert_status(lk_campaign_add_stock(shop, 4, &id, patience()), LK_OK);
    assert_status(lk_campaign_add_stock(shop, 5, &id, patience()), LK_E_ID_DIFFERS);
    assert_status(lk_campaign_close(shop, &id, patience()), LK_E_ID_DIFFERS);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.stocked, 11);
    assert_int_equal(info.available, 6);
    assert_int_equal(info.issued, 5);
    assert_int_equal(info.rules.stock, 7);
    assert_int_equal(info.rules.per_user, 5);
    assert_int_equal(info.rules.freeze_ttl_ms, 1234);
    assert_int_equal(info.rules.shards, 3);
    assert_false(info.closed);
    AUDIT_CLEAN(shop, .available = 6, .claimed = 5, .accounts = 1);
}

static void a_campaign_is_created_once(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = ledger(client, "/sale");
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    lk_id id, other;

    assert_status(lk_id_from_text("spring", &id), LK_OK);
    assert_status(lk_id_from_text("summer", &other), LK_OK);
    options.stock = 5;
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_OK);
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_OK);
    assert_status(lk_campaign_create(shop, &options, &other, patience()), LK_E_EXISTS);
    options.stock = 6;
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_E_ID_DIFFERS);
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 4, .claimed = 1, .accounts = 1);
}

static void a_closed_campaign_still_redeems(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 5);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(shop, "ann"), theirs = claim(other, "bob");
    lk_id id = LK_ID_NONE;

    assert_status(lk_campaign_close(shop, &id, patience()), LK_OK);
    assert_status(lk_campaign_close(shop, &id, patience()), LK_OK);
    /* The other one knows the campaign as open, and finds out by its write. */
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CAMPAIGN_CLOSED);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
    assert_status(lk_campaign_add_stock(shop, 4, NULL, patience()), LK_E_CAMPAIGN_CLOSED);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "bob", .coupon = theirs), LK_OK);
    AUDIT_CLEAN(shop, .available = 3, .redeemed = 2, .accounts = 2);
}

static void opening_closing_and_ending_go_by_the_servers_time(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_campaign_info info;
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);

    assert_status(lk_campaign_show(clock, patience(), &info), LK_OK);
    int64_t now_ms = info.server_ms;
    lk_ledger *early = OPEN(client, "/early", .stock = 1, .opens_ms = now_ms + 1000000);
    assert_status(DO(early, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_OPEN);
    assert_int_equal(last.retry_ms, now_ms + 1000000);
    lk_ledger *late = OPEN(client, "/late", .stock = 1, .closes_ms = now_ms - 1);
    assert_status(DO(late, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
    lk_ledger *over = OPEN(client, "/over", .stock = 1, .ends_ms = now_ms - 1);
    assert_status(DO(over, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_ENDED);
    assert_status(lk_campaign_add_stock(over, 1, NULL, patience()), LK_E_CAMPAIGN_ENDED);
}

static void a_new_handle_does_not_take_an_old_znodes_time_for_the_present(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);
    lk_campaign_info info;

    assert_status(lk_campaign_show(clock, patience(), &info), LK_OK);
    int64_t closes_ms = info.server_ms + 200;
    (void)OPEN(client, "/sale", .stock = 1, .closes_ms = closes_ms);
    await_server_time(clock, closes_ms);
    lk_ledger *late = ledger(live_client("late", (struct live_client){ 0 }), "/sale");
    assert_status(DO(late, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
}

static void a_freeze_that_ran_out_is_as_if_unfrozen(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    lk_coupon coupon = claim(shop, "ann");
    lk_audit *audit;

    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1",
                     .ttl_ms = 1),
                  LK_OK);
    await_server_time(shop, last.time_ms + 1);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->frozen, 1);
    assert_int_equal(audit->ran_out, 1);
    lk_audit_free(audit);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_E_NOT_FROZEN);
    AUDIT_CLEAN(shop, .available = 1, .claimed = 1, .accounts = 1);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
}

static void sold_out_is_said_when_every_shard_is_empty_and_unsaid_when_stock_comes(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 4);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    char user[20];

    for (int i = 0; i < 9; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(i % 2 ? shop : other, user);
    }
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 2), LK_E_SOLD_OUT);
    claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 10, .accounts = 10);

    assert_status(lk_campaign_add_stock(other, 1, NULL, patience()), LK_OK);
    claim(other, "bob");
    assert_status(lk_campaign_add_stock(shop, 1, NULL, patience()), LK_OK);
    claim(shop, "cid");
    AUDIT_CLEAN(shop, .claimed = 12, .accounts = 12);
}

static void sold_out_is_remembered_without_writing(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 0);
    char user[20];

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_SOLD_OUT);
    zkbox_proxy_reset_counts(live_proxy());
    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = user), LK_E_SOLD_OUT);
    }
    /* One witness each; stock is neither written nor proven anew. */
    assert_int_equal(zkbox_proxy_requests(live_proxy(), MULTI), 100);
}

static void one_claim_is_one_multi(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .per_user = 1, .shards = 1);

    lk_coupon coupon = claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    zkbox_proxy_reset_counts(live_proxy());
    coupon = claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_OK);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), ZKBOX_ANY), 3);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), MULTI), 3);
}

static void ids_settle_what_was_asked_before(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_id id, freeze;
    lk_ledger_result found;

    assert_status(lk_id_from_text("ann's first", &id), LK_OK);
    assert_status(lk_id_from_text("ann's freeze", &freeze), LK_OK);
    assert_status(lk_ledger_lookup(shop, "ann", id, patience(), &found), LK_E_NOT_FOUND);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id, .count = 2), LK_OK);
    lk_coupon coupon = last.coupons[1];
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id, .count = 2), LK_OK);
    assert_true(last.repeated);
    assert_int_equal(last.coupons[1].serial, coupon.serial);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id), LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "count");
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "ann", .id = id, .coupon = coupon),
                  LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "verb");
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .id = freeze, .coupon = coupon,
                     .order = "o"),
                  LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_FREEZE, .user = "ann", .id = freeze, .coupon = coupon,
                     .order = "p"),
                  LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "order");
    assert_status(lk_ledger_lookup(other, "ann", id, patience(), &found), LK_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.coupons[1].serial, coupon.serial);
    AUDIT_CLEAN(shop, .available = 8, .claimed = 1, .frozen = 1, .accounts = 1);
}

static void a_refusal_is_not_given_from_memory(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10,
                           .per_user = 1);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(shop, "ann");

    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    assert_status(
        DO(other, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_OK);
    /* The shop remembers the coupon as frozen. */
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    /* And that ann has had her one coupon. */
    claim(shop, "ann");
}

static int count_account(const lk_account *account, void *arg)
{
    *(size_t *)arg += account->count;
    return 0;
}

static int stop_at_once(const lk_account *account, void *arg)
{
    (void)account;
    ++*(size_t *)arg;
    return 77;
}

static void accounts_are_listed_a_page_at_a_time(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000);
    size_t coupons = 0, calls = 0;
    char user[20];

    for (int i = 0; i < 300; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(shop, user);
    }
    assert_int_equal(lk_account_each(shop, count_account, &coupons, patience()), LK_OK);
    assert_int_equal(coupons, 300);
    assert_int_equal(lk_account_each(shop, stop_at_once, &calls, patience()), 77);
    assert_int_equal(calls, 1);
}

static void a_deleted_campaign_is_gone_and_may_come_again(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 2);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(other, "ann");
    char user[20];

    for (int i = 0; i < 5; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(shop, user);
    }
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_E_NOT_FOUND);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);

    /* The new one looks the same, down to the versions; who knows the old one must not write into
     * it. */
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    options.stock = 2;
    options.shards = 2;
    assert_status(lk_campaign_create(shop, &options, NULL, patience()), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon),
                  LK_E_NO_COUPON);
    claim(other, "ann");
    claim(shop, "bob");
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "cid"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 2, .accounts = 2);
}

static void deleting_a_campaign_leaves_another_below_it_whole(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    static const char *const paths[] = { "/sale/sub", "/sale/accounts/sub", "/sale/stock/sub",
                                         "/sale/stock/0000/sub", "/sale/accounts/3ff" };
    lk_ledger *below[5];

    claim(shop, "ann");
    for (size_t i = 0; i < 5; i++)
        below[i] = OPEN(client, paths[i], .stock = 2);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_E_FOREIGN);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);
    for (size_t i = 0; i < 5; i++) {
        claim(below[i], "ann");
        AUDIT_CLEAN(below[i], .available = 1, .claimed = 1, .accounts = 1);
        assert_status(lk_campaign_delete(below[i], NULL, NULL, patience()), LK_OK);
    }
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
}

/* ---- what stands in the way ---- */

static void a_damaged_account_is_named_and_the_others_go_on(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    unsigned char record[4096];
    lk_account *account;
    size_t coupons = 0;

    claim(shop, "ann");
    claim(shop, "bob");
    size_t size = raw_get(account_path("/sale", "ann"), record, sizeof(record), NULL);
    record[size - 1] ^= 1;
    raw_set(account_path("/sale", "ann"), record, size);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CORRUPT);
    assert_status(lk_account_show(shop, "ann", patience(), &account), LK_E_CORRUPT);
    claim(shop, "bob");
    assert_true(audit_names(shop, "account of ann can't be read"));
    assert_int_equal(lk_account_each(shop, count_account, &coupons, patience()), LK_E_CORRUPT);
    assert_int_equal(coupons, 2);

    record[size - 1] ^= 1;
    raw_set(account_path("/sale", "ann"), record, size);
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 6, .claimed = 4, .accounts = 2);
}

static void records_that_are_not_ours_to_read_are_refused_by_name(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    unsigned char record[4096];
    lk_campaign_info info;

    claim(shop, "ann");
    size_t size = raw_get(account_path("/sale", "ann"), record, sizeof(record), NULL);
    record[3] = 9;
    raw_set(account_path("/sale", "ann"), record, size);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NEWER_FORMAT);
    raw_set(account_path("/sale", "ann"), "hello", 5);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_FOREIGN);

    size = raw_get(live_path("/sale/stock/0000"), record, sizeof(record), NULL);
    raw_set(live_path("/sale/stock/0000"), "LK\7", 3);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CORRUPT);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_E_CORRUPT);
    assert_true(audit_names(shop, "shard 0 can't be read"));
    raw_set(live_path("/sale/stock/0000"), record, size);
    claim(shop, "bob");

    raw_make(live_path("/other"));
    lk_ledger *foreign = ledger(client, "/other");
    assert_status(DO(foreign, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_FOREIGN);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    assert_status(lk_campaign_create(foreign, &options, NULL, patience()), LK_E_FOREIGN);
    assert_status(lk_campaign_delete(foreign, NULL, NULL, patience()), LK_E_FOREIGN);
    raw_set(live_path("/other"), record, size); /* a shard's */
    assert_status(DO(foreign, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_KIND);
    assert_status(lk_campaign_create(foreign, &options, NULL, patience()), LK_E_KIND);
}

static void a_shard_that_is_gone_is_a_fault_not_a_hang(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 2);

    raw_delete(live_path("/sale/stock/0000"));
    raw_delete(live_path("/sale/stock/0001"));
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CORRUPT);
    assert_true(audit_names(shop, "shard 0 can't be read"));
}

static void who_may_not_write_is_told_so(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    raw_make(live_path("/readonly"));
    raw_limit(live_path("/readonly"), ZOO_PERM_READ);
    lk_ledger *below = ledger(client, "/readonly/sale");
    assert_status(lk_campaign_create(below, &options, NULL, patience()), LK_E_NO_RIGHTS);
    lk_ledger *deeper = ledger(client, "/readonly/deep/sale");
    assert_status(lk_campaign_create(deeper, &options, NULL, patience()), LK_E_NO_RIGHTS);
    raw_limit(live_path("/readonly"), ZOO_PERM_ALL);

    lk_client *owner = LIVE_CLIENT("owner", .auth = "owner:secret", .access = LK_ACCESS_CREATOR);
    options.stock = 3;
    lk_ledger *own = ledger(owner, "/own");
    assert_status(lk_campaign_create(own, &options, NULL, patience()), LK_OK);
    claim(own, "ann");
    lk_ledger *stranger = ledger(client, "/own");
    assert_status(DO(stranger, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NO_RIGHTS);
    assert_status(lk_campaign_close(stranger, NULL, patience()), LK_E_NO_RIGHTS);
    assert_status(lk_campaign_delete(stranger, NULL, NULL, patience()), LK_E_NO_RIGHTS);
    AUDIT_CLEAN(own, .available = 2, .claimed = 1, .accounts = 1);
}

static void an_audit_names_what_is_wrong(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    unsigned char old[4096];

    claim(shop, "ann");
    size_t size = raw_get(live_path("/sale/stock/0000"), old, sizeof(old), NULL);
    claim(shop, "bob");
    /* A stranger puts an old shard back: bob's coupon could be sold again. */
    raw_set(live_path("/sale/stock/0000"), old, size);
    assert_true(audit_names(shop, "of user bob is also still available"));
    claim(shop, "cid");
    assert_true(audit_names(shop, "twice: coupon 0-2 of user cid is also user bob's"));
    raw_delete(account_path("/sale", "ann"));
    assert_true(audit_names(shop, "lost: coupon 0-1 was issued"));
}

struct nested {
    lk_ledger *shop;
    int status;
    struct told told;
};

static void nest(const lk_ledger_result *result, void *arg)
{
    struct nested *nested = arg;
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    lk_ledger_result inner;

    (void)result;
    nested->status = lk_ledger_do(nested->shop, &op, LK_FOREVER, &inner);
    tell(result, &nested->told);
}

static void a_blocking_call_inside_a_callback_is_refused(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct nested nested = { .shop = OPEN(client, "/sale", .stock = 1), .told.count = 999 };
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };

    assert_status(lk_ledger_do_start(nested.shop, &op, patience(), nest, &nested, NULL), LK_OK);
    live_await("the callback", all_are_told, &nested.told);
    assert_status(nested.status, LK_E_WOULD_DEADLOCK);
}

static void a_closed_client_answers_closed(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1);

    claim(shop, "ann");
    assert_status(lk_client_close(client, patience()), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CLOSED);
    lk_campaign_info info;
    assert_status(lk_campaign_show(shop, patience(), &info), LK_E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(a_coupons_whole_life),
        SHOP_TEST(the_numbers_of_a_campaign),
        SHOP_TEST(a_campaign_is_created_once),
        SHOP_TEST(a_closed_campaign_still_redeems),
        SHOP_TEST(opening_closing_and_ending_go_by_the_servers_time),
        SHOP_TEST(a_new_handle_does_not_take_an_old_znodes_time_for_the_present),
        SHOP_TEST(a_freeze_that_ran_out_is_as_if_unfrozen),
        SHOP_TEST(sold_out_is_said_when_every_shard_is_empty_and_unsaid_when_stock_comes),
        SHOP_TEST(sold_out_is_remembered_without_writing),
        SHOP_TEST(one_claim_is_one_multi),
        SHOP_TEST(ids_settle_what_was_asked_before),
        SHOP_TEST(a_refusal_is_not_given_from_memory),
        SHOP_TEST(accounts_are_listed_a_page_at_a_time),
        SHOP_TEST(a_deleted_campaign_is_gone_and_may_come_again),
        SHOP_TEST(deleting_a_campaign_leaves_another_below_it_whole),
        SHOP_TEST(a_damaged_account_is_named_and_the_others_go_on),
        SHOP_TEST(records_that_are_not_ours_to_read_are_refused_by_name),
        SHOP_TEST(a_shard_that_is_gone_is_a_fault_not_a_hang),
        SHOP_TEST(who_may_not_write_is_told_so),
        SHOP_TEST(an_audit_names_what_is_wrong),
        SHOP_TEST(a_blocking_call_inside_a_callback_is_refused),
        SHOP_TEST(a_closed_client_answers_closed),
    };
    return live_main("ledger", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
