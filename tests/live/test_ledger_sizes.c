/* test_ledger_sizes.c - at the edge of every size: the longest names, an account that is full, a claim
 * of as many coupons and shards as there may be. */
#include "ledger_shop.h"

#include <string.h>

/* Of `size` bytes, every one escaped in a znode's name. */
static char *longest(char *text, size_t size, const char *letter)
{
    for (size_t i = 0; i < size; i++)
        text[i] = letter[i % strlen(letter)];
    text[size] = '\0';
    return text;
}

static void the_longest_users_and_orders_are_served(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 1000);
    char user[LK_USER_MAX + 1], other[LK_USER_MAX + 1], order[LK_ORDER_MAX + 1];
    lk_account *account;

    longest(user, LK_USER_MAX, "\xc3\xbc");
    longest(other, LK_USER_MAX, "%");
    longest(order, LK_ORDER_MAX, "\xe5\x90\x8d"); /* 128 is no multiple of three */
    memcpy(order + LK_ORDER_MAX - 2, "..", 2);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = user, .count = LK_CLAIM_MAX), LK_OK);
    lk_coupon coupon = last.coupons[LK_CLAIM_MAX - 1];
    claim(shop, other);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = user, .coupon = coupon, .order = order), LK_OK);
    assert_status(lk_account_show(shop, user, patience(), &account), LK_OK);
    assert_string_equal(account->user, user);
    assert_int_equal(account->count, LK_CLAIM_MAX);
    assert_string_equal(account->coupons[LK_CLAIM_MAX - 1].order, order);
    lk_account_free(account);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = user, .coupon = coupon, .order = order), LK_OK);
    AUDIT_CLEAN(shop, .available = 935, .claimed = 64, .redeemed = 1, .accounts = 2);
}

static void what_a_full_account_has_can_be_used(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 20000, .shards = 1, .freeze_ttl_ms = 1000000);
    char order[LK_ORDER_MAX + 1];
    lk_coupon coupon = claim(shop, "ann");
    lk_audit *audit;

    longest(order, LK_ORDER_MAX, "o");
    fill(shop, "ann");
    for (int i = 0; i < 100; i++) {
        assert_status(
            DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = order),
            i ? LK_E_UNFROZEN : LK_OK);
        if (i == 0)
            assert_status(DO(shop, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .coupon = coupon,
                             .order = order),
                          LK_OK);
        assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
        assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    }
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->claimed, audit->issued);
    lk_audit_free(audit);
    /* Others are not in its way: its record is most of what a commit bears. */
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob", .count = LK_CLAIM_MAX), LK_OK);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
}

static void sixty_four_shards_of_one_coupon_each_are_one_claim(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 64, .shards = 64);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 64), LK_OK);
    assert_int_equal(last.count, 64);
    for (size_t i = 0; i < 64; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(last.coupons[i].shard == last.coupons[j].shard
                         && last.coupons[i].serial == last.coupons[j].serial);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 64, .accounts = 1);
    assert_status(lk_campaign_add_stock(other, 63, NULL, patience()), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob", .count = 64), LK_E_SOLD_OUT);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob", .count = 63), LK_OK);
    AUDIT_CLEAN(shop, .claimed = 127, .accounts = 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(the_longest_users_and_orders_are_served),
        SHOP_TEST(what_a_full_account_has_can_be_used),
        SHOP_TEST(sixty_four_shards_of_one_coupon_each_are_one_claim),
    };
    return live_main("ledger sizes", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
