/* test_golden_ledger.c - the ledger's records on ZooKeeper, byte by byte: programs of different
 * versions share them. What the files are, and that they never change: see test_golden.c. */
#include "ledger_story.h"

#include <stdio.h>

struct golden {
    unsigned char bytes[1024];
    size_t size;
};

static struct golden golden_read(const char *name)
{
    struct golden golden = { .size = 0 };
    char path[512], line[256];

    snprintf(path, sizeof(path), SOURCE_ROOT "/tests/golden/%s", name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("can't open %s", path);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "#\n")] = '\0';
        unsigned byte;
        int used;
        for (const char *at = line; sscanf(at, " %2x%n", &byte, &used) == 1; at += used)
            golden.bytes[golden.size++] = (unsigned char)byte;
    }
    fclose(file);
    return golden;
}

static void assert_golden(const char *name, const void *bytes, size_t size)
{
    struct golden golden = golden_read(name);
    const unsigned char *written = bytes;

    for (size_t i = 0; i < size && i < golden.size; i++)
        if (written[i] != golden.bytes[i])
            fail_msg("%s: byte %zu is %02x, and was %02x", name, i, written[i], golden.bytes[i]);
    assert_int_equal(size, golden.size);
}

/* ids 01 01 ... and 02 02 ... and so on */
static lk_id plain_id(int byte)
{
    lk_id id;

    memset(id.bytes, byte, sizeof(id.bytes));
    return id;
}

/* As the first release wrote it. */
static void a_campaign_of_version_1(void **state)
{
    struct golden golden = golden_read("ledger-campaign.hex");
    struct campaign read = { 0 };

    (void)state;
    assert_int_equal(campaign_decode(&read, golden.bytes, golden.size), LK_OK);
    assert_true(read.closed && !read.deleting);
    assert_int_equal(read.seal, UINT64_C(0x0123456789abcdef));
    assert_int_equal(read.rules.stock, 1000);
    assert_int_equal(read.rules.per_user, 2);
    assert_int_equal(read.rules.opens_ms, 1700000000000);
    assert_int_equal(read.rules.closes_ms, 1700086400000);
    assert_int_equal(read.rules.ends_ms, 1702592000000);
    assert_int_equal(read.rules.freeze_ttl_ms, 900000);
    assert_int_equal(read.rules.shards, 4);
    assert_int_equal(read.grown, 0);
    assert_int_equal(read.rules.history, 64);
    assert_int_equal(read.applied.count, 2);
    assert_int_equal(applied_find(&read.applied, plain_id(2))->number, 500);
    campaign_free(&read);
}

static void campaign_do(struct campaign *campaign, enum campaign_verb verb, int id, uint64_t count)
{
    const struct campaign_op op = { verb, plain_id(id), count, UINT64_C(0x0123456789abcdef), NULL };
    const char *differs;
    int status;

    assert_int_equal(campaign_apply(campaign, &op, 1700000001000, &status, &differs),
                     CAMPAIGN_APPLIED);
}

static void a_campaign(void **state)
{
    struct golden golden = golden_read("ledger-campaign-2.hex");
    struct campaign campaign = { .seal = 1 }, read = { 0 };
    struct record_out out = { 0 };

    (void)state;
    campaign.rules = (lk_campaign_options){
        sizeof(campaign.rules), 1000, 2, 1700000000000, 1700086400000, 1702592000000, 900000, 4, 100
    };
    assert_int_equal(applied_add(&campaign.applied,
                                 &(struct applied){ .id = plain_id(1), .verb = CAMPAIGN_CREATE }),
                     LK_OK);
    campaign_do(&campaign, CAMPAIGN_ADD_STOCK, 2, 500);
    campaign_do(&campaign, CAMPAIGN_GROW, 3, 6);
    campaign_do(&campaign, CAMPAIGN_CLOSE, 4, 0);
    assert_int_equal(campaign_encode(&campaign, &out), LK_OK);
    assert_golden("ledger-campaign-2.hex", out.bytes, out.size);
    record_free(&out);
    campaign_free(&campaign);

    assert_int_equal(campaign_decode(&read, golden.bytes, golden.size), LK_OK);
    assert_true(read.closed && !read.deleting);
    assert_int_equal(read.seal, UINT64_C(0x0123456789abcdef));
    assert_int_equal(read.rules.shards, 6);
    assert_int_equal(read.grown, 2);
    assert_int_equal(read.rules.history, 100);
    assert_int_equal(read.applied.count, 4);
    assert_int_equal(applied_find(&read.applied, plain_id(3))->number, 6);
    campaign_free(&read);
}

static void a_shard(void **state)
{
    struct golden golden = golden_read("ledger-shard.hex");
    struct range ranges[] = { { 3, 101, 899 }, { 1, 7, 2 } };
    const struct shard shard = { 3, 999, ranges, 2 };
    struct shard read = { 0 };
    struct record_out out = { 0 };

    (void)state;
    assert_int_equal(shard_encode(&shard, &out), LK_OK);
    assert_golden("ledger-shard.hex", out.bytes, out.size);
    record_free(&out);
    assert_int_equal(shard_decode(&read, golden.bytes, golden.size, 3), LK_OK);
    assert_int_equal(read.stocked, 999);
    assert_int_equal(read.range_count, 2);
    assert_int_equal(read.ranges[0].first, 101);
    assert_int_equal(read.ranges[1].shard, 1);
    assert_int_equal(shard_available(&read), 901);
    shard_free(&read);
    assert_int_equal(shard_decode(&read, golden.bytes, golden.size, 2), LK_E_CORRUPT);
}

static void an_account_of_version_1(void **state)
{
    struct golden golden = golden_read("ledger-account.hex");
    struct account read = { 0 };

    (void)state;
    assert_int_equal(account_decode(&read, golden.bytes, golden.size, "ann", 3), LK_OK);
    assert_int_equal(read.claim_count, 1);
    assert_int_equal(read.claims[0].zxid, ZXID_UNKNOWN);
    assert_int_equal(read.coupon_count, 2);
    assert_int_equal(read.coupons[0].state, LK_FROZEN);
    assert_int_equal(read.coupons[0].until_ms, 1700000006000);
    assert_int_equal(read.coupons[0].order_size, 7);
    assert_memory_equal(read.coupons[0].order, "order-1", 7);
    assert_int_equal(read.coupons[1].state, LK_REDEEMED);
    assert_null(read.coupons[1].order);
    assert_int_equal(read.coupons[1].unfrozen_count, 1);
    assert_true(read.coupons[1].unfrozen[0] == order_hash("order-2", 7));
    assert_int_equal(read.applied.count, 3);
    assert_true(applied_is_for(&read.applied.entries[0], "order-1"));
    assert_false(applied_is_for(&read.applied.entries[0], "order-2"));
    assert_true(applied_is_for(&read.applied.entries[2], NULL));
    assert_int_equal(read.applied.entries[0].zxid, ZXID_UNKNOWN);
    account_free(&read);
}

/* The one of version 1, and what was done to it since: so it has all that a record may have. */
static void an_account(void **state)
{
    struct story *s = *state;
    struct golden old = golden_read("ledger-account.hex"),
                  golden = golden_read("ledger-account-2.hex");
    struct account read = { 0 };
    const lk_coupon one = { 0, 1 }, two = { 0, 2 };

    s->bytes = malloc(old.size);
    assert_non_null(s->bytes);
    memcpy(s->bytes, old.bytes, old.size);
    s->size = old.size;
    s->campaign.rules.history = 3;
    assert_int_equal(shard_add(&s->shard, 10), LK_OK);
    shard_take(&s->shard, 2, (lk_coupon[2]){ { 0 } });
    s->now_ms = 1700000007000; /* the freeze for order-1 has run out */
    assert_int_equal(
        APPLY(s, .verb = LK_LEDGER_FREEZE, .id = story_id(5), .coupon = one, .order = "order-3"),
        LK_OK);
    assert_int_equal(
        APPLY(s, .verb = LK_LEDGER_REDEEM, .id = story_id(6), .coupon = one, .order = "order-3"),
        LK_OK);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_REFUND, .id = story_id(7), .coupon = two), LK_OK);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .id = story_id(8), .coupon = two,
                           .order = "order-3", .ttl_ms = 5000),
                     LK_OK);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = story_id(9), .count = 3), LK_OK);
    assert_golden("ledger-account-2.hex", s->bytes, s->size);

    assert_int_equal(account_decode(&read, golden.bytes, golden.size, "ann", 3), LK_OK);
    assert_int_equal(read.claim_count, 2);
    assert_int_equal(read.claims[0].zxid, ZXID_UNKNOWN);
    assert_int_equal(read.claims[1].zxid, ZXID_OF_LAST_WRITE);
    assert_int_equal(read.coupon_count, 5);
    assert_int_equal(read.coupons[4].name.serial, 5);
    assert_int_equal(read.coupons[0].state, LK_REDEEMED);
    assert_int_equal(read.coupons[1].state, LK_FROZEN);
    assert_int_equal(read.coupons[1].until_ms, 1700000012000);
    assert_true(id_equals(read.applied.floor, story_id(5)));
    /* Three as of old, one that time wrote, three new ones. */
    assert_int_equal(read.applied.count, 7);
    assert_true(applied_is_for(&read.applied.entries[0], "order-1"));
    assert_true(id_is_none(read.applied.entries[3].id));
    assert_int_equal(read.applied.entries[3].zxid, s->zxid - 4);
    assert_true(applied_is_for(&read.applied.entries[6], "order-3"));
    account_free(&read);
}

static void a_record_of_version_1_that_is_damaged_is_corrupt(void **state)
{
    struct golden account = golden_read("ledger-account.hex"),
                  campaign = golden_read("ledger-campaign.hex");

    (void)state;
    for (size_t size = 2; size < account.size; size++) {
        struct account read = { 0 };
        assert_int_equal(account_decode(&read, account.bytes, size, "ann", 3), LK_E_CORRUPT);
    }
    for (size_t size = 2; size < campaign.size; size++) {
        struct campaign read = { 0 };
        assert_int_equal(campaign_decode(&read, campaign.bytes, size), LK_E_CORRUPT);
    }
}

static void a_newer_format_is_refused_by_name(void **state)
{
    struct golden campaign = golden_read("ledger-campaign-2.hex"),
                  shard = golden_read("ledger-shard.hex"),
                  account = golden_read("ledger-account-2.hex");
    struct campaign a_campaign = { 0 };
    struct shard a_shard = { 0 };
    struct account an_account = { 0 };

    (void)state;
    campaign.bytes[3]++;
    shard.bytes[3]++;
    account.bytes[3]++;
    assert_int_equal(campaign_decode(&a_campaign, campaign.bytes, campaign.size),
                     LK_E_NEWER_FORMAT);
    assert_int_equal(shard_decode(&a_shard, shard.bytes, shard.size, 3), LK_E_NEWER_FORMAT);
    assert_int_equal(account_decode(&an_account, account.bytes, account.size, "ann", 3),
                     LK_E_NEWER_FORMAT);
    assert_int_equal(campaign_decode(&a_campaign, shard.bytes, shard.size), LK_E_KIND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_campaign_of_version_1),
        cmocka_unit_test(a_campaign),
        cmocka_unit_test(a_shard),
        cmocka_unit_test(an_account_of_version_1),
        cmocka_unit_test(a_record_of_version_1_that_is_damaged_is_corrupt),
        cmocka_unit_test_setup_teardown(an_account, story_begin, story_end),
        cmocka_unit_test(a_newer_format_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
