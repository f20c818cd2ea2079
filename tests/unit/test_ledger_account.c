/* test_ledger_account.c - an account's record: it comes back as it was written or is refused; and a
 * full one takes no more claims, but lets what was claimed and frozen come to its end. */
#include "ledger_story.h"

/* ---- the way out and in ---- */

static void story_fill(struct story *s)
{
    lk_coupon a = story_claim(s), b = story_claim(s), c = story_claim(s);

    assert_int_equal(FREEZE(s, a, "order-a"), LK_OK);
    assert_int_equal(FREEZE(s, b, "order-b"), LK_OK);
    assert_int_equal(REDEEM(s, b, "order-b"), LK_OK);
    assert_int_equal(UNFREEZE(s, c, "order-c"), LK_OK);
    assert_int_equal(CLAIM_BY(s, .count = 5), LK_OK);
}

static void a_record_survives_the_way_out_and_in(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };
    struct record_out out = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(account.coupon_count, 8);
    assert_int_equal(account.claim_count, 4);
    assert_int_equal(account.applied.count, 4);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    assert_int_equal(out.size, s->size);
    assert_memory_equal(out.bytes, s->bytes, out.size);
    record_free(&out);
    account_free(&account);
}

static void a_record_cut_short_anywhere_is_corrupt(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    for (size_t size = 2; size < s->size; size++)
        assert_int_equal(account_decode(&account, s->bytes, size, "ann", 3), LK_E_CORRUPT);
    assert_int_equal(account_decode(&account, s->bytes, 1, "ann", 3), LK_E_FOREIGN);
    assert_int_equal(account_decode(&account, NULL, 0, "ann", 3), LK_E_FOREIGN);
}

/* Past the checksum: what the fields themselves refuse. */
static void a_record_with_a_false_field_never_gets_through_unseen(void **state)
{
    struct story *s = *state;

    story_fill(s);
    for (size_t at = RECORD_HEADER_SIZE; at < s->size; at++) {
        struct record_out out = { 0 };
        struct account account = { 0 };
        record_begin(&out, RECORD_ACCOUNT, 2);
        record_put_bytes(&out, s->bytes + RECORD_HEADER_SIZE, s->size - RECORD_HEADER_SIZE);
        out.bytes[at] ^= 0xff;
        assert_int_equal(record_end(&out), LK_OK);
        int status = account_decode(&account, out.bytes, out.size, "ann", 3);
        /* Names, times and ids may be anything; whatever is accepted must also be written again
         * alike. */
        if (status == LK_OK) {
            struct record_out again = { 0 };
            assert_int_equal(account_encode(&account, &again), LK_OK);
            assert_int_equal(again.size, out.size);
            assert_memory_equal(again.bytes, out.bytes, out.size);
            record_free(&again);
        } else {
            assert_int_equal(status, LK_E_CORRUPT);
        }
        account_free(&account);
        record_free(&out);
    }
}

static void times_that_could_not_be_reckoned_with_are_corrupt(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    const int64_t sound_ms = account.coupons[0].changed_ms, wrong_ms[] = { INT64_MAX, -1 };
    for (size_t i = 0; i < 4; i++) {
        struct record_out out = { 0 };
        struct account read = { 0 };
        account.coupons[0].state = LK_FROZEN;
        account.coupons[0].changed_ms = i < 2 ? wrong_ms[i] : sound_ms;
        account.coupons[0].until_ms = i < 2 ? sound_ms : wrong_ms[i - 2];
        assert_int_equal(account_encode(&account, &out), LK_OK);
        assert_int_equal(account_decode(&read, out.bytes, out.size, "ann", 3), LK_E_CORRUPT);
        record_free(&out);
    }
    account_free(&account);
}

static void what_is_not_this_users_account_is_refused_by_name(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_fill(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "bob", 3), LK_E_CORRUPT);
    s->bytes[s->size - 1] ^= 1;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_CORRUPT);
    s->bytes[s->size - 1] ^= 1;
    s->bytes[3]++;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_NEWER_FORMAT);
    s->bytes[2] = RECORD_SHARD;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_KIND);
    s->bytes[0] = 'x';
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_E_FOREIGN);
}

/* ---- a full account ---- */

static void a_full_account_refuses_claims_and_still_takes_the_rest(void **state)
{
    struct story *s = *state;
    int status;

    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    lk_coupon first = story_claim(s);
    size_t coupons = 1;
    while ((status = CLAIM_BY(s, .count = 64)) == LK_OK)
        coupons += 64;
    assert_int_equal(status, LK_E_ACCOUNT_FULL);
    assert_true(coupons * COUPON_SIZE <= ACCOUNT_CLAIM_SIZE_MAX);
    assert_true((coupons + 100) * (COUPON_SIZE + 1) > ACCOUNT_CLAIM_SIZE_MAX);
    uint64_t left = shard_available(&s->shard);
    assert_int_equal(CLAIM_BY(s, .count = 64), LK_E_ACCOUNT_FULL);
    assert_int_equal(shard_available(&s->shard), left);
    assert_int_equal(REDEEM(s, first, NULL), LK_OK);
    assert_int_equal(REFUND(s, first, NULL), LK_OK);
}

/* Names of orders as long as they may be, until the record is at its size: then the oldest ids go,
 * earlier than the rule says, and what was claimed can be used all the same. */
static void a_full_account_forgets_ids_before_it_refuses_a_transition(void **state)
{
    struct story *s = *state;
    char order[LK_ORDER_MAX + 1];
    int status = LK_OK;
    lk_id first = story_id(900000);

    s->campaign.rules.history = LK_HISTORY_MAX;
    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    lk_coupon coupon = story_claim(s);
    while (status == LK_OK)
        status = CLAIM_BY(s, .count = 64);
    assert_int_equal(UNFREEZE(s, coupon, "first", .id = first), LK_OK);
    for (uint64_t i = 1; i < LK_HISTORY_MAX; i++) {
        snprintf(order, sizeof(order), "%0*d", LK_ORDER_MAX, (int)i);
        assert_int_equal(UNFREEZE(s, coupon, order, .id = story_id(900000 + i)), LK_OK);
    }
    assert_true(s->size <= ACCOUNT_SIZE_MAX);
    assert_int_equal(UNFREEZE(s, coupon, "first", .id = first), LK_E_ID_TOO_OLD);
}

/* Applies operations, without a record between, until one is refused. */
static int apply_until_refused(struct story *s, struct account *account, lk_ledger_verb verb,
                               const char *text_ids, const char *order)
{
    const struct judge judge = { &s->campaign, s->now_ms, NULL };

    for (size_t i = 0;; i++) {
        lk_ledger_op op = { .verb = verb, .user = "ann", .id = story_id(++s->last_id) };
        char text[64];
        op.order = order;
        op.coupon = account->coupons[i % account->coupon_count].name;
        snprintf(text, sizeof(text), "%s %zu", text_ids ? text_ids : "", i);
        if (text_ids)
            assert_int_equal(lk_id_from_text(text, &op.id), LK_OK);
        if (account_apply(account, &judge, &op, &s->result) != VERDICT_APPLIED)
            return s->result.status;
    }
}

static void ids_of_texts_may_fill_an_account_but_leave_room_for_others(void **state)
{
    struct story *s = *state;
    struct account account = { 0 };

    story_claim(s);
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_UNFREEZE, "text", "order"),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REDEEM, "other text", NULL),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_FREEZE, NULL, "another"),
                     LK_E_ACCOUNT_FULL);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REDEEM, NULL, NULL), LK_E_REDEEMED);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_REFUND, NULL, NULL),
                     LK_E_NOT_REDEEMED);
    assert_int_equal(apply_until_refused(s, &account, LK_LEDGER_VOID, NULL, NULL), LK_E_VOID);
    assert_true(account_size(&account) <= ACCOUNT_SIZE_MAX);
    account_free(&account);
}

static void story_freeze_all_that_is_possible(struct story *s, const char *order)
{
    struct account account = { 0 };
    struct record_out out = { 0 };

    assert_int_equal(shard_add(&s->shard, 1000000), LK_OK);
    while (APPLY(s, .verb = LK_LEDGER_CLAIM, .count = 64) == LK_OK)
        ;
    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    apply_until_refused(s, &account, LK_LEDGER_FREEZE, NULL, order);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    account_free(&account);
    free(s->bytes);
    s->bytes = out.bytes;
    s->size = out.size;
}

static void what_is_frozen_in_a_full_account_can_be_redeemed_or_unfrozen(void **state)
{
    static const lk_ledger_verb ways[] = { LK_LEDGER_REDEEM, LK_LEDGER_UNFREEZE };
    char longest[LK_ORDER_MAX + 1];
    const char *orders[] = { "o", longest };

    (void)state;
    snprintf(longest, sizeof(longest), "%0*d", LK_ORDER_MAX, 1);
    for (size_t i = 0; i < 4; i++) {
        void *made;
        struct account account = { 0 };
        size_t frozen = 0, left = 0;
        story_begin(&made);
        struct story *s = made;
        story_freeze_all_that_is_possible(s, orders[i % 2]);
        assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
        for (size_t j = 0; j < account.coupon_count; j++)
            frozen += account.coupons[j].state == LK_FROZEN;
        assert_true(frozen > 300);
        for (size_t j = 0; j < frozen; j++) {
            const struct judge judge = { &s->campaign, s->now_ms, NULL };
            const lk_ledger_op op = { .verb = ways[i / 2],
                                      .user = "ann",
                                      .id = story_id(++s->last_id),
                                      .order = orders[i % 2],
                                      .coupon = account.coupons[j].name };
            assert_int_equal(account_apply(&account, &judge, &op, &s->result), VERDICT_APPLIED);
        }
        for (size_t j = 0; j < account.coupon_count; j++)
            left += account.coupons[j].state == LK_FROZEN;
        assert_int_equal(left, 0);
        assert_true(account_size(&account) <= ACCOUNT_SIZE_MAX);
        account_free(&account);
        story_end(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY_TEST(a_record_survives_the_way_out_and_in),
        STORY_TEST(a_record_cut_short_anywhere_is_corrupt),
        STORY_TEST(a_record_with_a_false_field_never_gets_through_unseen),
        STORY_TEST(times_that_could_not_be_reckoned_with_are_corrupt),
        STORY_TEST(what_is_not_this_users_account_is_refused_by_name),
        STORY_TEST(a_full_account_refuses_claims_and_still_takes_the_rest),
        STORY_TEST(a_full_account_forgets_ids_before_it_refuses_a_transition),
        STORY_TEST(ids_of_texts_may_fill_an_account_but_leave_room_for_others),
        STORY_TEST(what_is_frozen_in_a_full_account_can_be_redeemed_or_unfrozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
