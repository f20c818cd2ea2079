/* transition.c - the judge: what one operation does to one account.
 *
 * The order of the questions is the contract of latchkey/ledger.h: first the id, then (for a claim)
 * the campaign, the limit, the stock, the room; then (for the others) the coupon, and one switch on
 * its state. Time acts before the operation does: a freeze that ran out and a campaign that ended
 * are written down with the times at which they happened, whoever notices.
 *
 * The three rules of try-confirm-cancel: a cancel (unfreeze) without its try succeeds and is
 * remembered; a try (freeze) after its cancel is refused; a confirm (redeem) of a named order
 * without its try is refused. */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "ledger/account.h"

/* ---- the form of an operation ---- */

static bool text_is_sound(const char *text, size_t most)
{
    size_t size = strnlen(text, most + 1);
    return size > 0 && size <= most && utf8_is_valid(text, size);
}

int ledger_user_check(const char *user)
{
    return user && text_is_sound(user, LK_USER_MAX) ? LK_OK : LK_E_INVALID;
}

int ledger_op_check(const lk_ledger_op *op)
{
    if (op->verb < LK_LEDGER_CLAIM || op->verb > LK_LEDGER_VOID
        || ledger_user_check(op->user) != LK_OK)
        return LK_E_INVALID;
    if (op->verb == LK_LEDGER_CLAIM)
        return op->count <= LK_CLAIM_MAX ? LK_OK : LK_E_INVALID;
    if (op->coupon.serial == 0 || op->coupon.shard > UINT16_MAX)
        return LK_E_INVALID;
    if (op->order && !text_is_sound(op->order, LK_ORDER_MAX))
        return LK_E_INVALID;
    bool order_needed = op->verb == LK_LEDGER_FREEZE || op->verb == LK_LEDGER_UNFREEZE;
    if (order_needed && !op->order)
        return LK_E_INVALID;
    /* A century: keeps sums of times in range. */
    if (op->verb == LK_LEDGER_FREEZE && (op->ttl_ms < 0 || op->ttl_ms > INT64_C(3155760000000)))
        return LK_E_INVALID;
    return LK_OK;
}

static uint64_t op_order_hash(const lk_ledger_op *op)
{
    return op->order ? order_hash(op->order, strlen(op->order)) : 0;
}

static uint32_t op_count(const lk_ledger_op *op)
{
    return op->count ? op->count : 1;
}

/* By how many bytes the account would be too large with so many more. */
static size_t account_excess(const struct account *account, size_t more)
{
    size_t size = account_size(account) + more;
    return size > ACCOUNT_SIZE_MAX ? size - ACCOUNT_SIZE_MAX : 0;
}

/* ---- what time does ---- */

static void coupon_remember_unfrozen(struct coupon *coupon, uint64_t order)
{
    for (size_t i = 0; i < coupon->unfrozen_count; i++) {
        if (coupon->unfrozen[i] == order)
            return;
    }
    if (coupon->unfrozen_count == COUPON_UNFROZEN_MAX) {
        memmove(coupon->unfrozen, coupon->unfrozen + 1,
                (COUPON_UNFROZEN_MAX - 1) * sizeof(coupon->unfrozen[0]));
        coupon->unfrozen_count--;
    }
    coupon->unfrozen[coupon->unfrozen_count++] = order;
}

static bool coupon_was_unfrozen(const struct coupon *coupon, uint64_t order)
{
    for (size_t i = 0; i < coupon->unfrozen_count; i++) {
        if (coupon->unfrozen[i] == order)
            return true;
    }
    return false;
}

static void coupon_become(struct coupon *coupon, lk_coupon_state state, int64_t now_ms)
{
    coupon->state = state;
    coupon->changed_ms = now_ms;
    if (state != LK_FROZEN)
        coupon->until_ms = 0;
    if (state != LK_FROZEN && state != LK_REDEEMED) {
        coupon->order = NULL;
        coupon->order_size = 0;
    }
}

static void coupon_unfreeze(struct coupon *coupon, int64_t now_ms)
{
    coupon_remember_unfrozen(coupon, order_hash(coupon->order, coupon->order_size));
    coupon_become(coupon, LK_CLAIMED, now_ms);
}

/* A frozen coupon outlives the campaign's end until its freeze is resolved; a claimed one does not.
 */
static bool coupon_is_due(const struct coupon *coupon, const struct campaign *campaign,
                          int64_t now_ms)
{
    if (coupon->state == LK_FROZEN)
        return now_ms >= coupon->until_ms;
    return coupon->state == LK_CLAIMED && campaign_has_ended(campaign, now_ms);
}

/* `history` has room for it, or is NULL: what was done has its own entry. */
static void history_add(struct applied_list *history, lk_ledger_verb verb,
                        const struct coupon *coupon, const struct coupon *before)
{
    const struct applied entry = {
        .verb = (uint8_t)verb,
        .state = (uint8_t)coupon->state,
        .time_ms = coupon->changed_ms,
        .coupon = coupon->name,
        .order = before->order,
        .order_size = before->order_size,
    };
    if (history)
        applied_add(history, &entry);
}

static void coupon_settle(struct coupon *coupon, const struct campaign *campaign, int64_t now_ms,
                          struct applied_list *history)
{
    int64_t ends_ms = campaign->rules.ends_ms;

    if (coupon->state == LK_FROZEN && now_ms >= coupon->until_ms) {
        const struct coupon before = *coupon;
        coupon_unfreeze(coupon, coupon->until_ms);
        history_add(history, LK_LEDGER_UNFREEZE, coupon, &before);
    }
    if (coupon->state == LK_CLAIMED && campaign_has_ended(campaign, now_ms)) {
        coupon_become(coupon, LK_VOID, ends_ms > coupon->changed_ms ? ends_ms : coupon->changed_ms);
        history_add(history, LK_LEDGER_VOID, coupon, coupon);
    }
}

lk_coupon_state coupon_state_at(const struct coupon *coupon, const struct campaign *campaign,
                                int64_t now_ms)
{
    struct coupon settled = *coupon;
    coupon_settle(&settled, campaign, now_ms, NULL);
    return settled.state;
}

int account_settle(struct account *account, const struct campaign *campaign, int64_t now_ms)
{
    struct applied_list *history = &account->applied;
    size_t due = 0, known = history->count;

    for (size_t i = 0; i < account->coupon_count; i++)
        due += coupon_is_due(&account->coupons[i], campaign, now_ms);
    if (due == 0)
        return LK_OK;
    int status = applied_reserve(history, known + 2 * due);
    if (status != LK_OK)
        return status;
    account_touch(account);
    for (size_t i = 0; i < account->coupon_count; i++)
        coupon_settle(&account->coupons[i], campaign, now_ms, history);
    applied_sort_time(history, known);
    applied_forget_time(history, campaign->rules.history, account_excess(account, 0));
    return LK_OK;
}

/* ---- ids ---- */

static const struct claim *account_claim_of(const struct account *account, lk_id id)
{
    for (size_t i = 0; i < account->claim_count; i++) {
        if (id_equals(account->claims[i].id, id))
            return &account->claims[i];
    }
    return NULL;
}

static const char *claim_differs(const struct claim *claim, const lk_ledger_op *op)
{
    if (op->verb != LK_LEDGER_CLAIM)
        return "verb";
    return claim->count != op_count(op) ? "count" : NULL;
}

static const char *applied_differs(const struct applied *before, const lk_ledger_op *op)
{
    if (before->verb != op->verb)
        return "verb";
    if (before->coupon.shard != op->coupon.shard || before->coupon.serial != op->coupon.serial)
        return "coupon";
    if (!applied_is_for(before, op->order))
        return "order";
    return op->verb == LK_LEDGER_FREEZE && before->number != op->ttl_ms ? "ttl" : NULL;
}

/* The first answer again, or what differs; LK_E_NOT_FOUND: an id that is new here. */
static int judge_id(const struct account *account, const lk_ledger_op *op, lk_ledger_result *result)
{
    const struct claim *claim = account_claim_of(account, op->id);
    const struct applied *before = claim ? NULL : applied_find(&account->applied, op->id);

    if (!claim && !before)
        return applied_is_too_old(&account->applied, op->id) ? LK_E_ID_TOO_OLD : LK_E_NOT_FOUND;
    result->differs = claim ? claim_differs(claim, op) : applied_differs(before, op);
    return result->differs ? LK_E_ID_DIFFERS : account_lookup(account, op->id, result);
}

/* ---- claims ---- */

static int account_make_room(struct account *account, size_t coupons)
{
    struct claim *claims = realloc(account->claims, (account->claim_count + 1) * sizeof(*claims));
    if (!claims)
        return LK_E_NOMEM;
    account->claims = claims;
    struct coupon *all = realloc(account->coupons,
                                 (account->coupon_count + coupons) * sizeof(*all));
    if (!all)
        return LK_E_NOMEM;
    account->coupons = all;
    return LK_OK;
}

static int judge_claim(const struct account *account, const struct judge *judge, uint32_t count,
                       lk_ledger_result *result)
{
    uint32_t limit = judge->campaign->rules.per_user;
    int status = campaign_may_claim(judge->campaign, judge->now_ms, &result->retry_ms);

    if (status != LK_OK)
        return status;
    return limit && account_counted(account) + count > limit ? LK_E_LIMIT : LK_OK;
}

static enum verdict apply_claim(struct account *account, const struct judge *judge,
                                const lk_ledger_op *op, lk_ledger_result *result)
{
    uint32_t count = op_count(op);

    result->status = judge_claim(account, judge, count, result);
    if (result->status != LK_OK)
        return VERDICT_REFUSED;
    if (!stock_has(judge->stock, count))
        return VERDICT_NEEDS_STOCK;
    /* Sold out comes before full: room is asked for once the stock is there. */
    size_t size = account_size(account) + CLAIM_SIZE + count * (size_t)COUPON_SIZE;
    result->status = size > ACCOUNT_CLAIM_SIZE_MAX ? LK_E_ACCOUNT_FULL
                                                   : account_make_room(account, count);
    if (result->status != LK_OK)
        return VERDICT_REFUSED;

    stock_take(judge->stock, count, result->coupons);
    result->count = count;
    result->state = LK_CLAIMED;
    result->time_ms = judge->now_ms;
    account_touch(account);
    account->claims[account->claim_count++] = (struct claim){
        .id = op->id, .time_ms = judge->now_ms, .first = account->coupon_count, .count = count
    };
    for (uint32_t i = 0; i < count; i++)
        account->coupons[account->coupon_count++] = (struct coupon){
            .name = result->coupons[i],
            .state = LK_CLAIMED,
            .changed_ms = judge->now_ms,
        };
    return VERDICT_APPLIED;
}

/* ---- everything else ---- */

static bool coupon_is_for(const struct coupon *coupon, const char *order)
{
    return coupon->order && order && coupon->order_size == strlen(order)
           && memcmp(coupon->order, order, coupon->order_size) == 0;
}

static int judge_freeze(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (coupon_was_unfrozen(coupon, op_order_hash(op)))
        return LK_E_UNFROZEN;
    if (coupon->state == LK_REDEEMED)
        return LK_E_REDEEMED;
    return coupon->state == LK_FROZEN ? LK_E_FROZEN : LK_OK;
}

static int judge_unfreeze(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (coupon->state == LK_REDEEMED)
        return LK_E_REDEEMED;
    return coupon->state == LK_FROZEN && !coupon_is_for(coupon, op->order) ? LK_E_FROZEN : LK_OK;
}

static int judge_redeem(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (coupon->state == LK_REDEEMED)
        return LK_E_REDEEMED;
    if (coupon->state == LK_FROZEN)
        return coupon_is_for(coupon, op->order) ? LK_OK : LK_E_FROZEN;
    return op->order ? LK_E_NOT_FROZEN : LK_OK;
}

/* A redemption in one step has no order; then the one named is only the caller's note. */
static int judge_refund(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (coupon->state != LK_REDEEMED)
        return LK_E_NOT_REDEEMED;
    return op->order && coupon->order && !coupon_is_for(coupon, op->order) ? LK_E_NOT_REDEEMED
                                                                           : LK_OK;
}

static int judge_void(const struct coupon *coupon)
{
    if (coupon->state == LK_REDEEMED)
        return LK_E_REDEEMED;
    return coupon->state == LK_FROZEN ? LK_E_FROZEN : LK_OK;
}

static int judge_transition(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (coupon->state == LK_VOID)
        return LK_E_VOID;
    switch (op->verb) {
    case LK_LEDGER_FREEZE:
        return judge_freeze(coupon, op);
    case LK_LEDGER_UNFREEZE:
        return judge_unfreeze(coupon, op);
    case LK_LEDGER_REDEEM:
        return judge_redeem(coupon, op);
    case LK_LEDGER_REFUND:
        return judge_refund(coupon, op);
    case LK_LEDGER_VOID:
        return judge_void(coupon);
    case LK_LEDGER_CLAIM:
        break;
    }
    return LK_E_INVALID;
}

static void coupon_transit(struct coupon *coupon, const struct judge *judge, const lk_ledger_op *op)
{
    switch (op->verb) {
    case LK_LEDGER_FREEZE:
        coupon_become(coupon, LK_FROZEN, judge->now_ms);
        coupon->until_ms = judge->now_ms
                           + (op->ttl_ms ? op->ttl_ms : judge->campaign->rules.freeze_ttl_ms);
        /* After a time that somebody made up: what is written must be readable. */
        if (coupon->until_ms > APPLIED_TIME_MAX_MS)
            coupon->until_ms = APPLIED_TIME_MAX_MS;
        coupon->order = op->order;
        coupon->order_size = strlen(op->order);
        break;
    case LK_LEDGER_UNFREEZE:
        if (coupon->state == LK_FROZEN)
            coupon_unfreeze(coupon, judge->now_ms);
        else
            coupon_remember_unfrozen(coupon, op_order_hash(op));
        break;
    case LK_LEDGER_REDEEM:
        coupon_become(coupon, LK_REDEEMED, judge->now_ms);
        break;
    case LK_LEDGER_REFUND:
        coupon_become(coupon, LK_CLAIMED, judge->now_ms);
        break;
    case LK_LEDGER_VOID:
        coupon_become(coupon, LK_VOID, judge->now_ms);
        break;
    case LK_LEDGER_CLAIM:
        break;
    }
    /* What an unfreeze or refund gives back after the campaign's end is void at once. */
    coupon_settle(coupon, judge->campaign, judge->now_ms, NULL);
}

/* What a coupon may grow by: by the order that freezes it and the hash that will be left of it. */
static size_t coupon_growth(const struct coupon *coupon, const lk_ledger_op *op)
{
    if (op->verb == LK_LEDGER_FREEZE)
        return 2 + strlen(op->order) + UNFROZEN_SIZE;
    return op->verb == LK_LEDGER_UNFREEZE && coupon->state != LK_FROZEN ? UNFROZEN_SIZE : 0;
}

/* An account that is nearly full rather remembers less than that it keeps what was claimed from
 * being used. What makes it larger for good leaves room for one entry more: so an operation that
 * does not, under an id that may be forgotten, can always be done, in the place of the one before. */
static int account_make_transition_room(struct account *account, const struct coupon *coupon,
                                        const lk_ledger_op *op, int64_t now_ms)
{
    size_t growth = coupon_growth(coupon, op);
    size_t more = APPLIED_SIZE + (op->order ? strlen(op->order) : 0) + growth;

    if (growth || !applied_id_can_go(op->id, now_ms))
        more += APPLIED_SIZE + LK_ORDER_MAX;
    size_t excess = account_excess(account, more);
    if (excess) {
        applied_forget_time(&account->applied, SIZE_MAX, excess);
        excess = account_excess(account, more);
    }
    while (excess && applied_forget_oldest(&account->applied, 0, now_ms))
        excess = account_excess(account, more);
    return excess ? LK_E_ACCOUNT_FULL
                  : applied_reserve(&account->applied, account->applied.count + 1);
}

static enum verdict apply_transition(struct account *account, const struct judge *judge,
                                     const lk_ledger_op *op, lk_ledger_result *result)
{
    struct coupon *coupon = (struct coupon *)account_find(account, op->coupon);

    if (!coupon) {
        result->status = LK_E_NO_COUPON;
        return VERDICT_REFUSED;
    }
    result->count = 1;
    result->coupons[0] = coupon->name;
    result->state = coupon->state;
    result->status = judge_transition(coupon, op);
    if (result->status == LK_E_FROZEN)
        result->retry_ms = coupon->until_ms;
    if (result->status == LK_OK)
        result->status = account_make_transition_room(account, coupon, op, judge->now_ms);
    if (result->status != LK_OK)
        return VERDICT_REFUSED;

    account_touch(account);
    coupon_transit(coupon, judge, op);
    applied_add(&account->applied, &(struct applied){
                                       .id = op->id,
                                       .verb = (uint8_t)op->verb,
                                       .state = (uint8_t)coupon->state,
                                       .time_ms = judge->now_ms,
                                       .coupon = coupon->name,
                                       .order = op->order,
                                       .order_size = op->order ? strlen(op->order) : 0,
                                       .number = op->verb == LK_LEDGER_FREEZE ? op->ttl_ms : 0,
                                   });
    applied_forget_oldest(&account->applied, judge->campaign->rules.history, judge->now_ms);
    result->state = coupon->state;
    result->time_ms = judge->now_ms;
    return VERDICT_APPLIED;
}

/* The newest time written in the account: another client's clock may have been ahead of ours, and
 * time does not run backwards in a ledger. */
static int64_t account_newest_ms(const struct account *account)
{
    size_t entries = account->applied.count;
    int64_t newest_ms = entries ? account->applied.entries[entries - 1].time_ms : 0;

    for (size_t i = 0; i < account->coupon_count; i++) {
        if (account->coupons[i].changed_ms > newest_ms)
            newest_ms = account->coupons[i].changed_ms;
    }
    return newest_ms;
}

void result_clear(lk_ledger_result *result, lk_id id)
{
    size_t head = offsetof(lk_ledger_result, coupons[1]);
    size_t tail = offsetof(lk_ledger_result, coupons) + sizeof(result->coupons);

    memset(result, 0, head);
    memset((char *)result + tail, 0, sizeof(*result) - tail);
    result->id = id;
}

enum verdict account_apply(struct account *account, const struct judge *judge,
                           const lk_ledger_op *op, lk_ledger_result *result)
{
    result_clear(result, op->id);
    result->status = judge_id(account, op, result);
    if (result->status == LK_OK) {
        result->repeated = true;
        return VERDICT_REPEATED;
    }
    if (result->status != LK_E_NOT_FOUND)
        return VERDICT_REFUSED;

    struct judge at = *judge;
    int64_t newest_ms = account_newest_ms(account);
    if (newest_ms > at.now_ms)
        at.now_ms = newest_ms;
    result->status = account_settle(account, at.campaign, at.now_ms);
    if (result->status != LK_OK)
        return VERDICT_REFUSED;
    return op->verb == LK_LEDGER_CLAIM ? apply_claim(account, &at, op, result)
                                       : apply_transition(account, &at, op, result);
}
