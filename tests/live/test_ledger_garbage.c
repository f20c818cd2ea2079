/* test_ledger_garbage.c - whatever may come to stand in a record's place, by a stranger's hand.
 *
 * Each call then answers what is wrong, by the status that latchkey/ledger.h has for it; whoever
 * shares a commit, a chain or a batch with what is damaged is not harmed; nothing damaged is
 * overwritten; and when the stranger has put things right again, no coupon is lost. */
#include "ledger_shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/shard.h"

enum { RECORD_MAX = 512 * 1024 };

/* ---- a znode's data, and what else may stand there ---- */

struct kept {
    char path[1024];
    size_t size;
    unsigned char *bytes; /* freed by put_back() */
};

static struct kept keep(const char *path)
{
    struct kept kept = { .bytes = malloc(RECORD_MAX) };

    assert_non_null(kept.bytes);
    snprintf(kept.path, sizeof(kept.path), "%s", path);
    kept.size = raw_get(path, kept.bytes, RECORD_MAX, NULL);
    return kept;
}

static void put_back(struct kept *kept)
{
    raw_set(kept->path, kept->bytes, kept->size);
    free(kept->bytes);
}

struct garbage {
    const char *name;
    int status;
};

/* What is put in place of a record, and the status that it has. */
static const struct garbage garbages[] = {
    { "nothing", LK_E_FOREIGN },
    { "a text", LK_E_FOREIGN },
    { "a newer version", LK_E_NEWER_FORMAT },
    { "another kind", LK_E_KIND },
    { "half of it", LK_E_CORRUPT },
    { "a flipped bit", LK_E_CORRUPT },
    { "version 0", LK_E_CORRUPT },
};
enum { GARBAGES = sizeof(garbages) / sizeof(garbages[0]), FLIPPED_BIT = 5 };

static void put_garbage(const struct kept *kept, size_t which)
{
    unsigned char *bytes = malloc(kept->size + 1);
    size_t size = kept->size;

    assert_non_null(bytes);
    memcpy(bytes, kept->bytes, size);
    switch (which) {
    case 0:
        size = 0;
        break;
    case 1:
        memcpy(bytes, "hello", size = 5);
        break;
    case 2:
        bytes[3] = 0xfe;
        break;
    case 3:
        bytes[2] = RECORD_GATE;
        break;
    case 4:
        size /= 2;
        break;
    case FLIPPED_BIT:
        bytes[size - 1] ^= 1;
        break;
    default:
        bytes[3] = 0;
        break;
    }
    live_tell("%s becomes %s", kept->path, garbages[which].name);
    raw_set(kept->path, bytes, size);
    free(bytes);
}

static void assert_same(const char *path, const void *bytes, size_t size)
{
    static unsigned char now[RECORD_MAX];

    assert_int_equal(raw_get(path, now, sizeof(now), NULL), size);
    assert_memory_equal(now, bytes, size);
}

static int count_accounts(const lk_account *account, void *arg)
{
    (void)account;
    ++*(size_t *)arg;
    return 0;
}

/* ---- records replaced ---- */

static void every_call_about_an_account(lk_ledger *shop, lk_coupon coupon, int expected)
{
    lk_ledger_op chain[2] = {
        { .verb = LK_LEDGER_CLAIM, .user = "ann", .linked = true },
        { .verb = LK_LEDGER_CLAIM, .user = "bob" },
    };
    lk_ledger_result results[2];
    lk_account *account;

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), expected);
    for (lk_ledger_verb verb = LK_LEDGER_FREEZE; verb <= LK_LEDGER_VOID; verb++)
        assert_status(DO(shop, .verb = verb, .user = "ann", .coupon = coupon, .order = "o"),
                      expected);
    assert_status(lk_ledger_lookup(shop, "ann", last.id, patience(), &results[0]), expected);
    assert_status(lk_account_show(shop, "ann", patience(), &account), expected);
    assert_status(lk_ledger_submit(shop, chain, 2, results, patience()), expected);
    assert_status(results[0].status, expected);
    assert_status(results[1].status, LK_E_LINKED);
}

static void whatever_stands_in_an_accounts_place_is_named_and_left(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(shop, "ann");

    claim(shop, "bob");
    struct kept kept = keep(account_path("/sale", "ann"));
    for (size_t i = 0; i < GARBAGES; i++) {
        static unsigned char put[RECORD_MAX];
        size_t accounts = 0;
        put_garbage(&kept, i);
        size_t size = raw_get(kept.path, put, sizeof(put), NULL);
        every_call_about_an_account(i % 2 ? other : shop, coupon, garbages[i].status);
        assert_status(lk_account_each(shop, count_accounts, &accounts, patience()),
                      garbages[i].status);
        assert_int_equal(accounts, 1);
        assert_true(audit_names(shop, "record: "));
        assert_same(kept.path, put, size);
    }
    put_back(&kept);
    claim(other, "ann");
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

static void another_users_record_is_not_taken_for_ones_own(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10);
    lk_coupon coupon = claim(shop, "ann");

    claim(shop, "bob");
    struct kept ann = keep(account_path("/sale", "ann")), bob = keep(account_path("/sale", "bob"));
    raw_set(ann.path, bob.bytes, bob.size);
    every_call_about_an_account(shop, coupon, LK_E_CORRUPT);
    claim(shop, "bob");
    put_back(&ann);
    free(bob.bytes);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

static void whatever_stands_in_a_shards_place_stops_claims_and_nothing_else(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    lk_coupon coupon = claim(shop, "ann");
    lk_campaign_info info;

    struct kept kept = keep(live_path("/sale/stock/0000"));
    for (size_t i = 0; i < GARBAGES; i++) {
        put_garbage(&kept, i);
        lk_ledger *fresh = ledger(client, "/sale");
        assert_status(DO(fresh, .verb = LK_LEDGER_CLAIM, .user = "bob"), garbages[i].status);
        assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), garbages[i].status);
        assert_status(lk_campaign_show(shop, patience(), &info), garbages[i].status);
        assert_status(lk_campaign_add_stock(shop, 1, NULL, patience()), garbages[i].status);
        assert_status(
            DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o"),
            LK_OK);
        assert_status(
            DO(fresh, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o"),
            LK_OK);
        assert_status(DO(fresh, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
        assert_true(audit_names(shop, "record: "));
    }
    put_back(&kept);
    claim(shop, "bob");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 2, .accounts = 2);
}

static void of_two_shards_the_one_that_can_not_be_read_keeps_its_coupons(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 20, .shards = 2);
    char user[20];
    uint64_t claimed = 0;
    int status = LK_OK;

    struct kept kept = keep(live_path("/sale/stock/0001"));
    put_garbage(&kept, FLIPPED_BIT);
    for (int i = 0; i < 12; i++) {
        snprintf(user, sizeof(user), "early-%d", i);
        status = DO(ledger(client, "/sale"), .verb = LK_LEDGER_CLAIM, .user = user);
        assert_true(status == LK_OK || status == LK_E_CORRUPT);
        claimed += status == LK_OK;
    }
    assert_true(claimed <= 10);
    put_back(&kept);
    for (status = LK_OK; status == LK_OK; claimed += status == LK_OK) {
        snprintf(user, sizeof(user), "late-%d", (int)claimed);
        status = DO(shop, .verb = LK_LEDGER_CLAIM, .user = user);
    }
    assert_status(status, LK_E_SOLD_OUT);
    assert_int_equal(claimed, 20);
    AUDIT_CLEAN(shop, .claimed = 20, .accounts = 20);
}

/* Ten coupons of the other shard, which that one never made: there they could not be read. */
static void put_strange_stock(uint32_t at)
{
    struct range range = { .shard = 1 - at, .first = 100, .count = 10 };
    const struct shard shard = { at, 1, &range, 1 };
    struct record_out record;
    char name[32];

    snprintf(name, sizeof(name), "/sale/stock/%04u", at);
    assert_int_equal(shard_encode(&shard, &record), LK_OK);
    raw_set(live_path(name), record.bytes, record.size);
    record_free(&record);
}

static void what_waits_behind_a_claim_of_stock_that_can_not_be_moved_goes_on(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2, .shards = 2);
    lk_coupon coupon = claim(shop, "ann");
    lk_ledger_op ops[] = {
        { .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 15 },
        { .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon },
    };
    lk_ledger_result results[2];

    put_strange_stock(0);
    put_strange_stock(1);
    /* Who does not know the account yet, and who does. */
    lk_ledger *fresh = ledger(client, "/sale");
    for (int i = 0; i < 2; i++) {
        assert_status(lk_ledger_submit(fresh, ops, 2, results, patience()), LK_E_CORRUPT);
        assert_status(results[0].status, LK_E_CORRUPT);
        assert_status(results[1].status, LK_OK);
        ops[1].verb = LK_LEDGER_REFUND;
    }
}

static void whatever_stands_in_the_campaigns_place_is_named_and_left(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    lk_coupon coupon = claim(shop, "ann");

    struct kept kept = keep(live_path("/sale"));
    for (size_t i = 0; i < GARBAGES; i++) {
        lk_ledger *fresh = ledger(client, "/sale");
        lk_campaign_info info;
        lk_audit *audit;
        size_t accounts = 0;
        int expected = garbages[i].status;
        put_garbage(&kept, i);
        every_call_about_an_account(fresh, coupon, expected);
        assert_status(lk_campaign_show(fresh, patience(), &info), expected);
        assert_status(lk_campaign_create(fresh, &options, NULL, patience()), expected);
        assert_status(lk_campaign_add_stock(fresh, 1, NULL, patience()), expected);
        assert_status(lk_campaign_close(fresh, NULL, patience()), expected);
        assert_status(lk_campaign_grow(fresh, 8, NULL, patience()), expected);
        assert_status(lk_ledger_audit(fresh, patience(), &audit), expected);
        assert_status(lk_account_each(fresh, count_accounts, &accounts, patience()), expected);
        assert_status(lk_campaign_delete(fresh, NULL, NULL, patience()), expected);
    }
    put_back(&kept);
    claim(ledger(client, "/sale"), "ann");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 2, .accounts = 1);
}

/* ---- many at once, some of them not to be helped ---- */

enum { CROWD = 53, CORRUPT = 7, LOCKED = 20, FULL = 40 };

static const char *crowd_user(size_t i)
{
    static char users[CROWD][16];

    snprintf(users[i], sizeof(users[i]), "user-%zu", i);
    return users[i];
}

static void crowd_claims(lk_ledger *at)
{
    lk_ledger_op ops[CROWD];
    lk_ledger_result *results = calloc(CROWD, sizeof(*results));

    assert_non_null(results);
    for (size_t i = 0; i < CROWD; i++)
        ops[i] = (lk_ledger_op){ .verb = LK_LEDGER_CLAIM, .user = crowd_user(i) };
    assert_status(lk_ledger_submit(at, ops, CROWD, results, patience()), LK_E_CORRUPT);
    for (size_t i = 0; i < CROWD; i++) {
        int expected = i == CORRUPT  ? LK_E_CORRUPT
                       : i == LOCKED ? LK_E_NO_RIGHTS
                       : i == FULL   ? LK_E_ACCOUNT_FULL
                                     : LK_OK;
        live_tell("%s: %s", crowd_user(i), lk_status_name(results[i].status));
        assert_status(results[i].status, expected);
    }
    free(results);
}

static void three_of_a_batch_that_can_not_be_helped_do_not_harm_the_other_fifty(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 20000,
                           .shards = 2);
    lk_audit *audit;

    for (size_t i = 0; i < CROWD; i++)
        claim(shop, crowd_user(i));
    fill(shop, crowd_user(FULL));
    struct kept kept = keep(account_path("/sale", crowd_user(CORRUPT)));
    put_garbage(&kept, FLIPPED_BIT);
    raw_limit(account_path("/sale", crowd_user(LOCKED)), ZOO_PERM_READ);

    /* Who remembers them all as they were, and who knows none of them. */
    crowd_claims(shop);
    crowd_claims(ledger(live_client("other", (struct live_client){ 0 }), "/sale"));

    put_back(&kept);
    raw_limit(account_path("/sale", crowd_user(LOCKED)), ZOO_PERM_ALL);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->accounts, CROWD);
    assert_int_equal(audit->issued, audit->claimed);
    lk_audit_free(audit);
    claim(shop, crowd_user(CORRUPT));
    claim(shop, crowd_user(LOCKED));
}

enum { BEFORE = 600, CHAINS = 20, BEHIND = CHAINS * (LK_CHAIN_MAX - 1) };

/* Of so many chains the last member is of an account that can't be read. While the accounts of the
 * others wait to be read, behind many more, it is found out: now each begins with a claim. */
static void whoever_waited_in_chains_with_one_that_can_not_be_helped_goes_on(void)
{
    enum { OPS = 2 + BEFORE + CHAINS * LK_CHAIN_MAX + BEHIND };
    static lk_ledger_op ops[OPS];
    static char users[BEFORE + BEHIND][16];
    const lk_coupon coupon = { .serial = 1 };
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 20000);
    lk_ledger_result *results = calloc(OPS, sizeof(*results));
    size_t count = 2;

    assert_non_null(results);
    for (size_t i = 0; i < BEFORE + BEHIND; i++)
        snprintf(users[i], sizeof(users[i]), "user-%zu", i);
    claim(shop, "ann");
    struct kept kept = keep(account_path("/sale", "ann"));
    put_garbage(&kept, FLIPPED_BIT);
    ops[0] = (lk_ledger_op){ LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .linked = true };
    ops[1] = (lk_ledger_op){ LK_LEDGER_CLAIM, .user = "bob" };
    for (size_t i = 0; i < BEFORE; i++)
        ops[count++] = (lk_ledger_op){ LK_LEDGER_REDEEM, .user = users[i], .coupon = coupon };
    for (size_t i = 0; i < BEHIND; i++) {
        ops[count++] = (lk_ledger_op){ LK_LEDGER_REDEEM, .user = users[BEFORE + i],
                                       .coupon = coupon, .linked = true };
        if ((i + 1) % (LK_CHAIN_MAX - 1) == 0)
            ops[count++] = (lk_ledger_op){ LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon };
    }
    for (size_t i = 0; i < BEHIND; i++)
        ops[count++] = (lk_ledger_op){ LK_LEDGER_CLAIM, .user = users[BEFORE + i] };
    assert_int_equal(count, OPS);
    assert_status(lk_ledger_submit(ledger(client, "/sale"), ops, OPS, results, patience()),
                  LK_E_CORRUPT);
    assert_status(results[1].status, LK_E_LINKED);
    for (size_t i = 2; i < OPS; i++) {
        int expected = i < 2 + BEFORE                    ? LK_E_NO_COUPON
                       : i >= OPS - BEHIND               ? LK_OK
                       : strcmp(ops[i].user, "ann") == 0 ? LK_E_CORRUPT
                                                         : LK_E_LINKED;
        assert_status(results[i].status, expected);
    }
    free(results);
    put_back(&kept);
    AUDIT_CLEAN(shop, .available = 20000 - 1 - BEHIND, .claimed = 1 + BEHIND,
                .accounts = 1 + BEHIND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(whatever_stands_in_an_accounts_place_is_named_and_left),
        SHOP_TEST(another_users_record_is_not_taken_for_ones_own),
        SHOP_TEST(whatever_stands_in_a_shards_place_stops_claims_and_nothing_else),
        SHOP_TEST(of_two_shards_the_one_that_can_not_be_read_keeps_its_coupons),
        SHOP_TEST(what_waits_behind_a_claim_of_stock_that_can_not_be_moved_goes_on),
        SHOP_TEST(whatever_stands_in_the_campaigns_place_is_named_and_left),
        SHOP_TEST(three_of_a_batch_that_can_not_be_helped_do_not_harm_the_other_fifty),
        SHOP_TEST(whoever_waited_in_chains_with_one_that_can_not_be_helped_goes_on),
    };
    return live_main("ledger garbage", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
