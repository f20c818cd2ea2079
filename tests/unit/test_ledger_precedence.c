/* test_ledger_precedence.c - which refusal is told when several apply: the list above lk_ledger_do()
 * in latchkey/ledger.h, as a table.
 *
 * For every set of reasons that can hold together a state is made in which just these hold, and the
 * operation must be answered the first of them in the order of the list; with none it is done. */
#include "ledger_story.h"

/* In the order of the header. What excludes another is never in one set with it. */
enum reason {
    DIFFERS = 1 << 0,
    TOO_OLD = 1 << 1,
    /* of a claim */
    ENDED = 1 << 2,
    CLOSED = 1 << 3,
    NOT_OPEN = 1 << 4,
    LIMIT = 1 << 5,
    SOLD_OUT = 1 << 6,
    /* of the others */
    NO_COUPON = 1 << 7,
    IS_VOID = 1 << 8,
    UNFROZEN = 1 << 9,
    REDEEMED = 1 << 10,
    FROZEN = 1 << 11,
    NOT_FROZEN = 1 << 12,
    NOT_REDEEMED = 1 << 13,

    FULL = 1 << 14,
    REASONS_END = 1 << 15,
};

static int reason_status(unsigned reason)
{
    static const struct {
        enum reason reason;
        int status;
    } table[] = {
        { DIFFERS, LK_E_ID_DIFFERS },    { TOO_OLD, LK_E_ID_TOO_OLD },
        { ENDED, LK_E_CAMPAIGN_ENDED },  { CLOSED, LK_E_CAMPAIGN_CLOSED },
        { NOT_OPEN, LK_E_NOT_OPEN },     { LIMIT, LK_E_LIMIT },
        { SOLD_OUT, LK_E_SOLD_OUT },     { NO_COUPON, LK_E_NO_COUPON },
        { IS_VOID, LK_E_VOID },          { UNFROZEN, LK_E_UNFROZEN },
        { REDEEMED, LK_E_REDEEMED },     { FROZEN, LK_E_FROZEN },
        { NOT_FROZEN, LK_E_NOT_FROZEN }, { NOT_REDEEMED, LK_E_NOT_REDEEMED },
        { FULL, LK_E_ACCOUNT_FULL },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].reason & reason)
            return table[i].status;
    return LK_OK;
}

static bool at_most_one(unsigned reasons)
{
    return (reasons & (reasons - 1)) == 0;
}

static bool can_hold_together(unsigned reasons)
{
    return at_most_one(reasons & (DIFFERS | TOO_OLD))
           && at_most_one(reasons & (IS_VOID | REDEEMED | FROZEN));
}

/* ---- the state ---- */

/* By ids that are texts, the only ones that never make room. */
static void fill(struct account *account)
{
    struct applied entry = { .verb = LK_LEDGER_UNFREEZE, .state = LK_CLAIMED, .time_ms = NOON };

    for (size_t left = (ACCOUNT_SIZE_MAX - account_size(account)) / APPLIED_SIZE + 20; left > 0;
         left--) {
        char text[40];
        snprintf(text, sizeof(text), "text %zu", left);
        assert_int_equal(lk_id_from_text(text, &entry.id), LK_OK);
        assert_int_equal(applied_add(&account->applied, &entry), LK_OK);
    }
}

static void story_rewrite(struct story *s, unsigned reasons)
{
    struct account account = { 0 };
    struct record_out out = { 0 };

    assert_int_equal(account_decode(&account, s->bytes, s->size, "ann", 3), LK_OK);
    if (reasons & TOO_OLD)
        account.applied.floor = story_id(1u << 20);
    if (reasons & FULL)
        fill(&account);
    assert_int_equal(account_encode(&account, &out), LK_OK);
    account_free(&account);
    free(s->bytes);
    s->bytes = out.bytes;
    s->size = out.size;
}

static void rules_of(struct story *s, unsigned reasons)
{
    lk_campaign_options *rules = &s->campaign.rules;

    if (reasons & ENDED)
        rules->ends_ms = NOON;
    s->campaign.closed = reasons & CLOSED;
    if (reasons & NOT_OPEN)
        rules->opens_ms = NOON + 1;
    if (reasons & LIMIT)
        rules->per_user = 1;
    if (reasons & SOLD_OUT) {
        lk_coupon gone[1000];
        shard_take(&s->shard, shard_available(&s->shard), gone);
    }
}

static void coupon_of(struct story *s, unsigned reasons, lk_ledger_verb verb, lk_coupon coupon)
{
    if (reasons & UNFROZEN)
        assert_int_equal(APPLY(s, .verb = LK_LEDGER_UNFREEZE, .coupon = coupon, .order = "order"),
                         LK_OK);
    if (reasons & IS_VOID)
        assert_int_equal(APPLY(s, .verb = LK_LEDGER_VOID, .coupon = coupon), LK_OK);
    else if (reasons & FROZEN)
        assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = "other"),
                         LK_OK);
    else if ((reasons & REDEEMED) || (verb == LK_LEDGER_REFUND && !(reasons & NOT_REDEEMED)))
        assert_int_equal(APPLY(s, .verb = LK_LEDGER_REDEEM, .coupon = coupon), LK_OK);
}

static int answer_to(struct story *s, lk_ledger_verb verb, unsigned reasons)
{
    lk_id claim = story_id(1000);
    lk_ledger_op op = { .verb = verb, .id = story_id(2000) };

    assert_int_equal(APPLY(s, .verb = LK_LEDGER_CLAIM, .id = claim), LK_OK);
    op.coupon = s->result.coupons[0];
    coupon_of(s, reasons, verb, op.coupon);
    story_rewrite(s, reasons);
    rules_of(s, reasons);
    if (reasons & DIFFERS)
        op.id = claim;
    if (verb == LK_LEDGER_CLAIM)
        op.count = 2;
    if (verb == LK_LEDGER_FREEZE || verb == LK_LEDGER_UNFREEZE || (reasons & NOT_FROZEN))
        op.order = "order";
    if (reasons & NO_COUPON)
        op.coupon.serial = 999;
    return story_apply(s, op);
}

static void judge_all(lk_ledger_verb verb, unsigned possible)
{
    size_t sets = 0;

    for (unsigned reasons = 0; reasons < REASONS_END; reasons++) {
        if ((reasons & ~possible) || !can_hold_together(reasons))
            continue;
        void *state;
        story_begin(&state);
        int status = answer_to(state, verb, reasons);
        if (status != reason_status(reasons & -reasons))
            fail_msg("%s with the reasons %#x: %s, not %s", lk_ledger_verb_name(verb), reasons,
                     lk_status_name(status), lk_status_name(reason_status(reasons & -reasons)));
        story_end(&state);
        sets++;
    }
    assert_true(sets >= 12);
}

/* ---- the list ---- */

static void of_a_claim(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_CLAIM,
              DIFFERS | TOO_OLD | ENDED | CLOSED | NOT_OPEN | LIMIT | SOLD_OUT | FULL);
}

static void of_a_freeze(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_FREEZE,
              DIFFERS | TOO_OLD | NO_COUPON | IS_VOID | UNFROZEN | REDEEMED | FROZEN | FULL);
}

static void of_an_unfreeze(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_UNFREEZE,
              DIFFERS | TOO_OLD | NO_COUPON | IS_VOID | REDEEMED | FROZEN | FULL);
}

static void of_a_redemption(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_REDEEM,
              DIFFERS | TOO_OLD | NO_COUPON | IS_VOID | REDEEMED | FROZEN | NOT_FROZEN | FULL);
}

static void of_a_refund(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_REFUND, DIFFERS | TOO_OLD | NO_COUPON | IS_VOID | NOT_REDEEMED | FULL);
}

static void of_a_void(void **state)
{
    (void)state;
    judge_all(LK_LEDGER_VOID, DIFFERS | TOO_OLD | NO_COUPON | IS_VOID | REDEEMED | FROZEN | FULL);
}

/* Time acts before anything is judged by the coupon's state, and after the id is. */
static void what_time_did_is_judged_as_if_it_had_been_written(void **state)
{
    struct story *s = *state;
    lk_id id = story_id(1000);
    s->campaign.rules.ends_ms = NOON + 100;
    lk_coupon coupon = story_claim(s);

    assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .id = id, .coupon = coupon,
                           .order = "order", .ttl_ms = 50),
                     LK_OK);
    s->now_ms = NOON + 50;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = "order"),
                     LK_E_UNFROZEN);
    s->now_ms = NOON + 100;
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .coupon = coupon, .order = "order"),
                     LK_E_VOID);
    assert_int_equal(APPLY(s, .verb = LK_LEDGER_FREEZE, .id = id, .coupon = coupon,
                           .order = "order", .ttl_ms = 50),
                     LK_OK);
    assert_int_equal(s->result.state, LK_FROZEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_claim),
        cmocka_unit_test(of_a_freeze),
        cmocka_unit_test(of_an_unfreeze),
        cmocka_unit_test(of_a_redemption),
        cmocka_unit_test(of_a_refund),
        cmocka_unit_test(of_a_void),
        cmocka_unit_test_setup_teardown(what_time_did_is_judged_as_if_it_had_been_written,
                                        story_begin, story_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
