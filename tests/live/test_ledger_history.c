/* test_ledger_history.c - what an account tells of its past, on real servers: the zxids are those
 * that the server gave, and records of the first release are read on. */
#include "ledger_shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/account.h"

/* Of the account's last write, as the server tells it. */
static int64_t account_mzxid(const char *user)
{
    struct Stat stat;

    assert_true(raw_exists(account_path("/sale", user), &stat));
    return stat.mzxid;
}

static lk_account *show(lk_ledger *shop, const char *user)
{
    lk_account *account = NULL;

    assert_status(lk_account_show(shop, user, patience(), &account), LK_OK);
    return account;
}

static void assert_step(const lk_transition *step, lk_ledger_verb verb, const char *order,
                        int64_t zxid)
{
    assert_int_equal(step->verb, verb);
    assert_string_equal(step->order, order);
    assert_int_equal(step->zxid, zxid);
}

static void each_step_bears_the_zxid_that_the_server_gave(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    int64_t zxids[5];

    lk_coupon coupon = claim(shop, "ann");
    lk_id claimed = last.id;
    zxids[0] = account_mzxid("ann");
    assert_status(
        DO(other, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    zxids[1] = account_mzxid("ann");
    assert_int_equal(last.zxid, zxids[1]);
    assert_status(
        DO(other, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    zxids[2] = account_mzxid("ann");
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    zxids[3] = account_mzxid("ann");
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    zxids[4] = account_mzxid("ann");

    lk_account *account = show(other, "ann");
    assert_int_equal(account->history_count, 5);
    assert_step(&account->history[0], LK_LEDGER_CLAIM, "", zxids[0]);
    assert_step(&account->history[1], LK_LEDGER_FREEZE, "o1", zxids[1]);
    assert_step(&account->history[2], LK_LEDGER_REDEEM, "o1", zxids[2]);
    assert_step(&account->history[3], LK_LEDGER_REFUND, "", zxids[3]);
    assert_step(&account->history[4], LK_LEDGER_VOID, "", zxids[4]);
    lk_account_free(account);

    lk_ledger_result found;
    assert_status(lk_ledger_lookup(other, "ann", claimed, patience(), &found), LK_OK);
    assert_int_equal(found.zxid, zxids[0]);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = claimed), LK_OK);
    assert_true(last.repeated);
    assert_int_equal(last.zxid, zxids[0]);
}

static void what_an_account_forgets_goes_by_the_campaigns_rule(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10,
                           .history = 8);
    lk_id ids[12];
    lk_ledger_result found;

    lk_coupon coupon = claim(shop, "ann");
    for (size_t i = 0; i < 12; i++) {
        ids[i] = (lk_id){ { [5] = (uint8_t)i, [15] = 1 } }; /* of 1970, a millisecond apart */
        assert_status(DO(shop, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .id = ids[i],
                         .coupon = coupon, .order = "o"),
                      LK_OK);
    }
    for (size_t i = 0; i < 12; i++)
        assert_status(lk_ledger_lookup(shop, "ann", ids[i], patience(), &found),
                      i < 4 ? LK_E_ID_TOO_OLD : LK_OK);
    lk_account *account = show(shop, "ann");
    assert_int_equal(account->history_count, 1 + 8);
    lk_account_free(account);
}

/* ---- what the first release wrote ---- */

static void record_put_applied_1(struct record_out *out)
{
    record_put_bytes(out, (lk_id){ { 0 } }.bytes, sizeof(lk_id));
    record_put_u32(out, 0);
}

static void campaign_write_as_version_1(const char *path)
{
    struct campaign campaign = campaign_at(path);
    struct record_out out = { 0 };

    record_begin(&out, RECORD_CAMPAIGN, 1);
    record_put_u64(&out, campaign.seal);
    record_put_u8(&out, 0);
    record_put_u64(&out, campaign.rules.stock);
    record_put_u32(&out, campaign.rules.per_user);
    for (int i = 0; i < 3; i++)
        record_put_u64(&out, 0);
    record_put_u64(&out, (uint64_t)campaign.rules.freeze_ttl_ms);
    record_put_u16(&out, (uint16_t)campaign.rules.shards);
    record_put_applied_1(&out);
    assert_int_equal(record_end(&out), LK_OK);
    raw_set(live_path(path), out.bytes, out.size);
    record_free(&out);
    campaign_free(&campaign);
}

/* One claim of one coupon. */
static void account_write_as_version_1(const char *user, lk_id id, lk_coupon coupon)
{
    struct record_out out = { 0 };

    record_begin(&out, RECORD_ACCOUNT, 1);
    record_put_text(&out, user, strlen(user));
    record_put_applied_1(&out);
    record_put_u32(&out, 1);
    record_put_u32(&out, 1);
    record_put_bytes(&out, id.bytes, sizeof(id.bytes));
    record_put_u64(&out, 1700000000000);
    record_put_u16(&out, 1);
    record_put_u16(&out, (uint16_t)coupon.shard);
    record_put_u64(&out, coupon.serial);
    record_put_u8(&out, LK_CLAIMED);
    record_put_u64(&out, 1700000000000);
    record_put_u8(&out, 0);
    assert_int_equal(record_end(&out), LK_OK);
    raw_set(account_path("/sale", user), out.bytes, out.size);
    record_free(&out);
}

static void records_of_the_first_release_are_read_and_written_anew(void)
{
    lk_ledger *maker = OPEN(live_client("maker", (struct live_client){ 0 }), "/sale", .stock = 10,
                            .per_user = 2);
    lk_coupon coupon = claim(maker, "ann");
    lk_id claimed = last.id;
    lk_campaign_info info;

    campaign_write_as_version_1("/sale");
    account_write_as_version_1("ann", claimed, coupon);
    lk_ledger *shop = ledger(live_client("shop", (struct live_client){ 0 }), "/sale");
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.rules.history, 64);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = claimed), LK_OK);
    assert_true(last.repeated && last.zxid == 0);
    claim(shop, "ann");
    int64_t second = account_mzxid("ann");
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_LIMIT);
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    lk_account *account = show(shop, "ann");
    assert_int_equal(account->history_count, 3);
    assert_step(&account->history[0], LK_LEDGER_CLAIM, "", 0);
    assert_step(&account->history[1], LK_LEDGER_CLAIM, "", second);
    assert_step(&account->history[2], LK_LEDGER_VOID, "", account_mzxid("ann"));
    lk_account_free(account);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_status(DO(maker, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CAMPAIGN_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(each_step_bears_the_zxid_that_the_server_gave),
        SHOP_TEST(what_an_account_forgets_goes_by_the_campaigns_rule),
        SHOP_TEST(records_of_the_first_release_are_read_and_written_anew),
    };
    return live_main("ledger_history", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
