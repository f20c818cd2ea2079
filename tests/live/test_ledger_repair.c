/* test_ledger_repair.c - what an audit makes of records that somebody damaged by hand: named, proposed,
 * repaired or left to a person. And that a repair is done once, and only to what was audited. */
#include "ledger_repair.h"

#include <stdio.h>
#include <string.h>

#include "ledger/account.h"
#include "ledger/restock.h"

/* ---- damage, by hand ---- */

typedef void shard_fn(struct shard *shard);

static void change_shard(const char *campaign, uint32_t index, shard_fn *change)
{
    char bytes[RECORD_SIZE_MAX], path[128];
    struct shard shard = { 0 };
    struct record_out record = { 0 };

    snprintf(path, sizeof(path), "%s/stock/%04u", live_path(campaign), index);
    size_t size = raw_get(path, bytes, sizeof(bytes), NULL);
    assert_int_equal(shard_decode(&shard, bytes, size, index), LK_OK);
    change(&shard);
    assert_int_equal(shard_encode(&shard, &record), LK_OK);
    raw_set(path, record.bytes, record.size);
    record_free(&record);
    shard_free(&shard);
}

typedef void account_fn(struct account *account);

static void change_account(const char *campaign, const char *user, account_fn *change)
{
    const char *path = account_path(campaign, user);
    char bytes[RECORD_SIZE_MAX];
    struct account account = { 0 };
    struct record_out record = { 0 };
    struct Stat stat;

    size_t size = raw_get(path, bytes, sizeof(bytes), &stat);
    assert_int_equal(account_decode(&account, bytes, size, user, strlen(user)), LK_OK);
    account.zxid = stat.mzxid;
    account_touch(&account);
    change(&account);
    assert_int_equal(account_encode(&account, &record), LK_OK);
    raw_set(path, record.bytes, record.size);
    record_free(&record);
    account_free(&account);
}

/* The world of each: a campaign of one shard, ten coupons, at most three a user; ann has 0-1 and 0-2,
 * bob 0-3 and 0-4, cid 0-5. */
static void ann_is_gone(const char *campaign)
{
    raw_delete(account_path(campaign, "ann"));
}

static void have_the_same(struct account *account)
{
    account->coupons[1].name = account->coupons[0].name;
}

static void bobs_second_is_his_first(const char *campaign)
{
    change_account(campaign, "bob", have_the_same);
}

static void have_0_1(struct account *account)
{
    account->coupons[1].name = (lk_coupon){ 0, 1 };
}

static void bobs_second_is_anns(const char *campaign)
{
    change_account(campaign, "bob", have_0_1);
}

static void have_0_1_redeemed(struct account *account)
{
    have_0_1(account);
    account->coupons[1].state = LK_REDEEMED;
}

static void bob_has_used_anns(const char *campaign)
{
    change_account(campaign, "bob", have_0_1_redeemed);
}

static void put_0_1(struct shard *shard)
{
    assert_int_equal(shard_put(shard, &(struct range){ 0, 1, 1 }), LK_OK);
}

static void anns_is_in_the_stock(const char *campaign)
{
    change_shard(campaign, 0, put_0_1);
}

static void put_0_8(struct shard *shard)
{
    shard->ranges[0].count -= 1;
    assert_int_equal(shard_put(shard, &(struct range){ 0, 8, 1 }), LK_OK);
    shard->ranges[0].count += shard->range_count > 1;
}

static void stock_is_there_twice(const char *campaign)
{
    change_shard(campaign, 0, put_0_8);
}

static void put_7_1(struct shard *shard)
{
    assert_int_equal(shard_put(shard, &(struct range){ 7, 1, 5 }), LK_OK);
}

static void stock_is_there_that_nobody_minted(const char *campaign)
{
    change_shard(campaign, 0, put_7_1);
}

static void mint_more(struct shard *shard)
{
    assert_int_equal(shard_add(shard, 5), LK_OK);
}

static void more_is_minted(const char *campaign)
{
    change_shard(campaign, 0, mint_more);
}

static void have_0_77(struct account *account)
{
    account->coupons[1].name = (lk_coupon){ 0, 77 };
}

static void bob_has_one_that_was_never_stocked(const char *campaign)
{
    change_account(campaign, "bob", have_0_77);
}

static void redeem_the_first(struct account *account)
{
    account->coupons[0].state = LK_REDEEMED;
}

static void bobs_is_redeemed_by_nobody(const char *campaign)
{
    change_account(campaign, "bob", redeem_the_first);
}

static void claim_by_one_id(struct account *account)
{
    account->claims[1].id = account->claims[0].id;
}

static void bobs_id_was_applied_twice(const char *campaign)
{
    change_account(campaign, "bob", claim_by_one_id);
}

static void bobs_record_is_broken(const char *campaign)
{
    raw_set(account_path(campaign, "bob"), "LK\5", 3);
}

static void bob_stands_elsewhere(const char *campaign)
{
    char bytes[RECORD_SIZE_MAX], bucket[256];

    size_t size = raw_get(account_path(campaign, "bob"), bytes, sizeof(bytes), NULL);
    raw_delete(account_path(campaign, "bob"));
    snprintf(bucket, sizeof(bucket), "%s/accounts/3ff", live_path(campaign));
    raw_make(bucket);
    strcat(bucket, "/bob");
    raw_create(bucket, bytes, size, ZOO_PERSISTENT);
}

typedef void campaign_fn(struct campaign *campaign);

static void change_campaign(const char *path, campaign_fn *change)
{
    struct campaign campaign = campaign_at(path);
    struct record_out record = { 0 };

    change(&campaign);
    assert_int_equal(campaign_encode(&campaign, &record), LK_OK);
    raw_set(live_path(path), record.bytes, record.size);
    record_free(&record);
    campaign_free(&campaign);
}

static void allow_one(struct campaign *campaign)
{
    campaign->rules.per_user = 1;
}

static void the_limit_was_lower(const char *campaign)
{
    change_campaign(campaign, allow_one);
}

static void have_been_closed(struct campaign *campaign)
{
    campaign->rules.closes_ms = 1;
}

static void the_campaign_was_over(const char *campaign)
{
    change_campaign(campaign, have_been_closed);
}

static const struct damage {
    const char *campaign;
    void (*strike)(const char *campaign);
    lk_fault_kind kind;
    bool by_a_person;
} damages[] = {
    { "/lost", ann_is_gone, LK_FAULT_LOST, false },
    { "/same", bobs_second_is_his_first, LK_FAULT_TWICE, false },
    { "/twice", bobs_second_is_anns, LK_FAULT_TWICE, false },
    { "/used", bob_has_used_anns, LK_FAULT_TWICE, true },
    { "/once", anns_is_in_the_stock, LK_FAULT_ONCE, false },
    { "/double", stock_is_there_twice, LK_FAULT_DOUBLE, false },
    { "/stock", stock_is_there_that_nobody_minted, LK_FAULT_STOCK, false },
    { "/minted", more_is_minted, LK_FAULT_MINTED, true },
    { "/forged", bob_has_one_that_was_never_stocked, LK_FAULT_STOCK, true },
    { "/state", bobs_is_redeemed_by_nobody, LK_FAULT_STATE, true },
    { "/id", bobs_id_was_applied_twice, LK_FAULT_ID, true },
    { "/limit", the_limit_was_lower, LK_FAULT_LIMIT, true },
    { "/time", the_campaign_was_over, LK_FAULT_TIME, true },
    { "/record", bobs_record_is_broken, LK_FAULT_RECORD, true },
    { "/place", bob_stands_elsewhere, LK_FAULT_PLACE, true },
};

static lk_ledger *busy_campaign(lk_client *client, const char *path)
{
    lk_ledger *shop = OPEN(client, path, .stock = 10, .per_user = 3, .shards = 1);
    const char *const users[] = { "ann", "ann", "bob", "bob", "cid" };

    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        claim(shop, users[i]);
    return shop;
}

static bool has_fault(const lk_audit *audit, lk_fault_kind kind)
{
    bool has = false;

    for (size_t i = 0; i < audit->fault_count; i++)
        has = has || audit->details[i].kind == kind;
    return has;
}

static void damage_is_named_proposed_and_repaired(lk_client *client, const struct damage *damage)
{
    lk_ledger *shop = busy_campaign(client, damage->campaign);

    damage->strike(damage->campaign);
    lk_audit *audit = audit_of(shop);
    assert_true(has_fault(audit, damage->kind));

    struct steps proposed = repair(shop, audit, false, LK_OK);
    assert_int_equal(proposed.ok + proposed.by_a_person, audit->fault_count);
    assert_int_equal(proposed.told[damage->kind], !damage->by_a_person);
    lk_audit *again = audit_of(shop);
    assert_int_equal(again->fault_count, audit->fault_count);
    assert_int_equal(again->zxid, audit->zxid);
    lk_audit_free(again);

    struct steps done = repair(shop, audit, true, LK_OK);
    assert_int_equal(done.ok, proposed.ok);
    assert_int_equal(done.by_a_person, proposed.by_a_person);
    again = audit_of(shop);
    if (damage->by_a_person)
        assert_true(has_fault(again, damage->kind));
    else
        assert_true(is_clean(again));
    lk_audit_free(again);
    lk_audit_free(audit);
}

static void every_damage_is_named_and_repaired_or_left_to_a_person(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        live_tell("---- %s", damages[i].campaign);
        damage_is_named_proposed_and_repaired(client, &damages[i]);
    }
}

/* ---- what a repair does, and once ---- */

static void what_was_lost_is_sold_again_once(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");
    unsigned sold = 0;

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_int_equal(repair(shop, audit, true, LK_OK).ok, audit->fault_count);
    lk_audit_free(audit);
    for (unsigned i = 0; i < 12; i++) {
        char user[30];
        snprintf(user, sizeof(user), "late-%u", i);
        sold += DO(shop, .verb = LK_LEDGER_CLAIM, .user = user) == LK_OK;
    }
    assert_int_equal(sold, 7);
    AUDIT_CLEAN(shop, .claimed = 10, .accounts = 9);
}

static void of_two_repairs_by_the_same_audit_one_happens(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = busy_campaign(client, "/sale"), *other = ledger(client, "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop), *copy = audit_of(other);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).ok, 1);
    assert_int_equal(repair(other, copy, true, LK_OK).stale, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    lk_audit_free(audit);
    lk_audit_free(copy);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

static void a_repair_goes_on_beside_claims_but_not_past_the_account_it_is_about(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");

    bobs_second_is_anns("/sale"); /* and 0-4 is lost */
    lk_audit *audit = audit_of(shop);
    assert_int_equal(audit->fault_count, 2);
    claim(shop, "dan");
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "bob", .coupon = { 0, 1 }), LK_OK);
    struct steps steps = repair(shop, audit, true, LK_OK);
    assert_true(steps.told[LK_FAULT_LOST]);
    assert_int_equal(steps.stale, 1);
    lk_audit_free(audit);
    /* Now it is used. */
    audit = audit_of(shop);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).by_a_person, 1);
    lk_audit_free(audit);
}

static void a_repair_of_a_campaign_that_was_closed_meanwhile_does_nothing(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_int_equal(repair(shop, audit, true, LK_E_NOT_FOUND).ok, 0);
    lk_audit_free(audit);
}

/* Before the campaign, the shards, and once more the shards are read; they are multis too. */
enum { BARRIERS = 3 };

static void a_repair_whose_reply_is_lost_is_told_so_and_is_done_once(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS);
    lk_ledger *shop = busy_campaign(client, "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, BARRIERS + 1), 0);
    assert_int_equal(repair(shop, audit, true, LK_E_UNKNOWN).unknown, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    lk_audit_free(audit);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(every_damage_is_named_and_repaired_or_left_to_a_person),
        SHOP_TEST(what_was_lost_is_sold_again_once),
        SHOP_TEST(of_two_repairs_by_the_same_audit_one_happens),
        SHOP_TEST(a_repair_goes_on_beside_claims_but_not_past_the_account_it_is_about),
        SHOP_TEST(a_repair_of_a_campaign_that_was_closed_meanwhile_does_nothing),
        SHOP_TEST(a_repair_whose_reply_is_lost_is_told_so_and_is_done_once),
    };
    return live_main("ledger repair", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
