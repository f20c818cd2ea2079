/* fuzz_account.c - an account's record, and any operations on it.
 *
 * Whatever a stranger wrote there: if it can be read, then it can be judged. Each answer has the
 * form that latchkey/ledger.h promises, the same id again gets the same answer and changes nothing,
 * the stock loses what the account gets, and the changed account fits into its limits and is read
 * again as it was written. */
#include "fuzz.h"

#include "ledger/account.h"

enum { OPERATIONS_MAX = 40, ORDERS = 6, SHARDS = 2 };

struct world {
    struct campaign campaign;
    struct shard shards[SHARDS];
    bool known[SHARDS], touched[SHARDS];
    struct stock stock;
    int64_t now_ms;
};

/* ---- what must be true of every account ---- */

static void coupon_obeys_its_rules(const struct coupon *coupon)
{
    MUST(coupon->state >= LK_CLAIMED && coupon->state <= LK_VOID);
    MUST(coupon->name.serial > 0 && coupon->name.shard <= UINT16_MAX);
    MUST(coupon->changed_ms >= 0 && coupon->until_ms >= 0);
    MUST(coupon->unfrozen_count <= COUPON_UNFROZEN_MAX);
    MUST(coupon->order_size <= LK_ORDER_MAX && !coupon->order == !coupon->order_size);
    if (coupon->state == LK_FROZEN)
        MUST(coupon->order);
    else
        MUST(coupon->until_ms == 0);
    if (coupon->state == LK_CLAIMED || coupon->state == LK_VOID)
        MUST(!coupon->order);
}

static void obeys_its_rules(const struct account *account)
{
    size_t coupons = 0;

    for (size_t i = 0; i < account->claim_count; i++) {
        const struct claim *claim = &account->claims[i];
        MUST(claim->first == coupons && claim->count >= 1 && claim->count <= LK_CLAIM_MAX);
        MUST(claim->time_ms >= 0);
        coupons += claim->count;
    }
    MUST(account->coupon_count == coupons && account_counted(account) <= coupons);
    for (size_t i = 0; i < coupons; i++)
        coupon_obeys_its_rules(&account->coupons[i]);
}

static void comes_back_as_it_is(const struct account *account)
{
    RECORD_OUT written = { 0 }, twice = { 0 };
    struct account again = { 0 };

    MUST(account_encode(account, &written) == LK_OK && written.size <= account_size(account));
    MUST(account_decode(&again, written.bytes, written.size, account->user, account->user_size)
         == LK_OK);
    obeys_its_rules(&again);
    MUST(account_encode(&again, &twice) == LK_OK && is_same_record(&written, &twice));
    account_free(&again);
}

/* ---- the world in which it is judged ---- */

static void world_begin(struct world *world, struct input *program)
{
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    uint8_t how = (uint8_t)take(program, 1);

    options.shards = SHARDS;
    options.per_user = how & 1 ? (uint32_t)take(program, 1) : 0;
    options.opens_ms = how & 2 ? (int64_t)take(program, 8) & INT64_C(0xfffffffffff) : 0;
    options.closes_ms = how & 4 ? (int64_t)take(program, 8) & INT64_C(0xfffffffffff) : 0;
    options.ends_ms = how & 8 ? (int64_t)take(program, 8) & INT64_C(0xfffffffffff) : 0;
    options.freeze_ttl_ms = (int64_t)take(program, 3);
    options.history = how & 16 ? 8 : 0;
    *world = (struct world){ .now_ms = INT64_C(1700000000000), .known = { true, true } };
    MUST(campaign_rules(&options, &world->campaign.rules) == LK_OK);
    for (uint32_t i = 0; i < SHARDS; i++) {
        world->shards[i].index = i;
        MUST(shard_add(&world->shards[i], take(program, 1)) == LK_OK);
    }
    world->stock = (struct stock){ world->shards, world->known, world->touched, SHARDS, 0 };
}

static void world_end(struct world *world)
{
    for (size_t i = 0; i < SHARDS; i++)
        shard_free(&world->shards[i]);
    campaign_free(&world->campaign);
}

/* ---- operations ---- */

static lk_id some_id(const struct account *account, const struct world *world, uint8_t which,
                     uint64_t chance)
{
    lk_id id = id_make(world->now_ms + which - 4, chance, 7);

    if (which & 1 && account->claim_count)
        return account->claims[chance % account->claim_count].id;
    if (which & 2 && account->applied.count)
        return account->applied.entries[chance % account->applied.count].id;
    if (which & 4)
        id.bytes[0] |= 0x80; /* as of a text */
    return id;
}

static lk_ledger_op some_op(const struct account *account, const struct world *world,
                            struct input *program)
{
    static const char *const orders[ORDERS] = { "order-1", "order-2", "o", "Ünï", "order-3", NULL };
    uint8_t what = (uint8_t)take(program, 1), which = (uint8_t)take(program, 1),
            detail = (uint8_t)take(program, 1);
    lk_ledger_op op = {
        .verb = (lk_ledger_verb)(what % 7),
        .id = some_id(account, world, which, take(program, 2)),
        .user = "ann",
        .order = orders[detail % ORDERS],
        .coupon = { detail & 1, which },
        .count = detail % (LK_CLAIM_MAX + 2),
        .ttl_ms = detail & 2 ? (int64_t)take(program, 6) : 0,
    };

    if (account->coupon_count && what < 0xf0)
        op.coupon = account->coupons[which % account->coupon_count].name;
    return op;
}

static void answer_has_its_form(const struct world *world, const lk_ledger_op *op,
                                enum verdict verdict, const lk_ledger_result *result)
{
    MUST(id_equals(result->id, op->id) && result->count <= LK_CLAIM_MAX);
    MUST((result->status == LK_E_ID_DIFFERS) == (result->differs != NULL));
    MUST(result->retry_ms == 0 || result->status == LK_E_NOT_OPEN || result->status == LK_E_FROZEN);
    if (verdict == VERDICT_REFUSED)
        MUST(result->status != LK_OK);
    else if (verdict != VERDICT_NEEDS_STOCK)
        MUST(result->status == LK_OK);
    MUST(result->repeated == (verdict == VERDICT_REPEATED));
    if (verdict != VERDICT_APPLIED)
        return;
    MUST(result->count == (op->verb == LK_LEDGER_CLAIM && op->count ? op->count : 1));
    MUST(result->time_ms >= world->now_ms);
    MUST(result->state >= LK_CLAIMED && result->state <= LK_VOID);
}

static void answer_comes_again(struct account *account, const struct judge *judge,
                               const lk_ledger_op *op, const lk_ledger_result *first)
{
    lk_ledger_result again;
    uint64_t available = stock_available(judge->stock);
    size_t size = account_size(account);
    enum verdict verdict = account_apply(account, judge, op, &again);

    /* It may have been so old that it was forgotten at once: then it is refused. */
    MUST(verdict == VERDICT_REPEATED || again.status == LK_E_ID_TOO_OLD);
    if (verdict == VERDICT_REPEATED) {
        MUST(again.count == first->count && again.state == first->state
             && again.time_ms == first->time_ms);
        for (size_t i = 0; i < again.count; i++)
            MUST(again.coupons[i].shard == first->coupons[i].shard
                 && again.coupons[i].serial == first->coupons[i].serial);
    }
    MUST(stock_available(judge->stock) == available && account_size(account) == size);
}

static size_t at_most(const lk_ledger_op *op)
{
    return op->verb == LK_LEDGER_CLAIM ? ACCOUNT_CLAIM_SIZE_MAX : ACCOUNT_SIZE_MAX;
}

static void play_one(struct account *account, struct world *world, struct input *program)
{
    const struct judge judge = { &world->campaign, world->now_ms, &world->stock };
    lk_ledger_op op = some_op(account, world, program);
    lk_ledger_result result;
    uint64_t available = stock_available(&world->stock);
    size_t coupons = account->coupon_count;

    if (op.verb == 0) {
        MUST(account_settle(account, &world->campaign, world->now_ms) == LK_OK);
        return;
    }
    if (ledger_op_check(&op) != LK_OK)
        return;
    enum verdict verdict = account_apply(account, &judge, &op, &result);

    answer_has_its_form(world, &op, verdict, &result);
    if (verdict == VERDICT_NEEDS_STOCK) {
        uint64_t moves = 0;
        size_t count = op.count ? op.count : 1;
        MUST(op.verb == LK_LEDGER_CLAIM && !stock_has(&world->stock, count));
        if (stock_refill(&world->stock, count, &moves) == LK_OK)
            verdict = account_apply(account, &judge, &op, &result);
        MUST((verdict == VERDICT_NEEDS_STOCK) == (count > available));
    }
    uint64_t taken = available - stock_available(&world->stock);
    MUST(account->coupon_count - coupons == taken);
    MUST(taken == (verdict == VERDICT_APPLIED && op.verb == LK_LEDGER_CLAIM ? result.count : 0));
    if (verdict != VERDICT_APPLIED)
        return;
    MUST(account->changed && account_size(account) <= at_most(&op));
    uint32_t limit = world->campaign.rules.per_user;
    if (op.verb == LK_LEDGER_CLAIM && limit)
        MUST(account_counted(account) <= limit);
    answer_comes_again(account, &judge, &op, &result);
}

static void play(struct account *account, struct input *program)
{
    struct world world;

    world_begin(&world, program);
    for (size_t i = 0; program->left && i < OPERATIONS_MAX; i++) {
        uint8_t pause = (uint8_t)take(program, 1);
        world.now_ms += pause & 0x80 ? (pause & 0x7f) * INT64_C(100000) : pause;
        play_one(account, &world, program);
        obeys_its_rules(account);
    }
    comes_back_as_it_is(account);
    world_end(&world);
}

/* Of version 2 what can be written in two ways can be read in one. */
static void has_one_form(const struct account *account, const struct record_out *record)
{
    RECORD_OUT written = { 0 };

    MUST(account_encode(account, &written) == LK_OK);
    MUST(record->bytes[3] < 2 || is_same_record(&written, record));
}

/* Whose account it is says the record itself, or nobody would ever get past that. */
static const char *user_of(const struct record_out *record, size_t *out_size)
{
    struct record_in in;
    const char *user = NULL;

    *out_size = 3;
    if (record_open(&in, record->bytes, record->size, RECORD_ACCOUNT, UINT8_MAX) == LK_OK) {
        size_t size = in.version == 1 ? record_get_u16(&in) : record_get_number(&in);
        user = (const char *)record_get_bytes(&in, size);
        *out_size = user ? size : 3;
    }
    return user ? user : "ann";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_ACCOUNT);
    struct account account = { 0 };
    size_t user_size;
    const char *user = user_of(&taken.record, &user_size);

    if (is_read(account_decode(&account, taken.record.bytes, taken.record.size, user, user_size))) {
        obeys_its_rules(&account);
        has_one_form(&account, &taken.record);
        comes_back_as_it_is(&account);
        play(&account, &taken.program);
    }
    account_free(&account);
    return 0;
}
