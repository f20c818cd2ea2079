/* ledger_story.h - an account, a campaign and a pool, without a server: what the ledger's unit
 * tests play with.
 *
 * Every operation takes the way it takes in the library: the record's bytes are decoded, one
 * operation is applied, and if something changed the record is encoded anew. So each test tests the
 * record too. */
#ifndef LEDGER_STORY_H
#define LEDGER_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/account.h"

#define DAY INT64_C(86400000)
#define NOON INT64_C(1700000000000)

struct story {
    struct campaign campaign;
    struct shard shard;
    bool known, touched;
    int64_t now_ms;
    unsigned char *bytes; /* the account's record */
    size_t size;
    int64_t zxid; /* of its last write */
    uint64_t last_id;
    lk_ledger_result result;
    enum verdict verdict;
};

static inline lk_id story_id(uint64_t number)
{
    return id_make(NOON + (int64_t)number, number, 0);
}

static inline int story_begin(void **state)
{
    struct story *story = calloc(1, sizeof(*story));
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    assert_non_null(story);
    options.shards = 1;
    options.freeze_ttl_ms = 60000;
    assert_int_equal(campaign_rules(&options, &story->campaign.rules), LK_OK);
    assert_int_equal(shard_add(&story->shard, 1000), LK_OK);
    story->known = true;
    story->now_ms = NOON;
    story->zxid = INT64_C(0x700000000);
    *state = story;
    return 0;
}

static inline int story_end(void **state)
{
    struct story *story = *state;

    campaign_free(&story->campaign);
    shard_free(&story->shard);
    free(story->bytes);
    free(story);
    return 0;
}

#define STORY_TEST(name) cmocka_unit_test_setup_teardown(name, story_begin, story_end)

static inline int story_apply(struct story *story, lk_ledger_op op)
{
    struct account account = { .user = "ann", .user_size = 3 };
    struct stock stock = { &story->shard, &story->known, &story->touched, 1, 0 };
    const struct judge judge = { &story->campaign, story->now_ms, &stock };
    struct record_out out = { 0 };

    op.user = "ann";
    if (id_is_none(op.id))
        op.id = story_id(++story->last_id);
    assert_int_equal(ledger_op_check(&op), LK_OK);
    if (story->bytes)
        assert_int_equal(account_decode(&account, story->bytes, story->size, "ann", 3), LK_OK);
    account.zxid = story->bytes ? story->zxid : 0;
    story->verdict = account_apply(&account, &judge, &op, &story->result);
    if (account.changed) {
        assert_int_equal(account_encode(&account, &out), LK_OK);
        assert_true(out.size <= account_size(&account));
        free(story->bytes);
        story->bytes = out.bytes;
        story->size = out.size;
        story->zxid++;
    }
    account_free(&account);
    assert_true(id_equals(story->result.id, op.id));
    return story->verdict == VERDICT_NEEDS_STOCK ? LK_E_SOLD_OUT : story->result.status;
}

#define APPLY(story, ...) story_apply(story, (lk_ledger_op){ __VA_ARGS__ })
#define FREEZE(s, c, ...) APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = c, .order = __VA_ARGS__)
#define UNFREEZE(s, c, ...) APPLY(s, .verb = LK_LEDGER_UNFREEZE, .coupon = c, .order = __VA_ARGS__)
#define REDEEM(s, c, ...) APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = c, .order = __VA_ARGS__)
#define REFUND(s, c, ...) APPLY(s, .verb = LK_LEDGER_REFUND, .coupon = c, .order = __VA_ARGS__)
#define VOID(s, c) APPLY(s, .verb = LK_LEDGER_VOID, .coupon = c)
#define CLAIM(s) APPLY(s, .verb = LK_LEDGER_CLAIM)
#define CLAIM_BY(s, ...) APPLY(s, .verb = LK_LEDGER_CLAIM, __VA_ARGS__)

static inline lk_coupon story_claim(struct story *story)
{
    assert_int_equal(APPLY(story, .verb = LK_LEDGER_CLAIM), LK_OK);
    return story->result.coupons[0];
}

static inline lk_coupon_state story_state(struct story *story, lk_coupon coupon)
{
    struct account account = { 0 };

    assert_int_equal(account_decode(&account, story->bytes, story->size, "ann", 3), LK_OK);
    const struct coupon *found = account_find(&account, coupon);
    lk_coupon_state state = found ? found->state : (lk_coupon_state)0;
    account_free(&account);
    return state;
}

#endif
