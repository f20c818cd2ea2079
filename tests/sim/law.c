/* law.c - see law.h. */
#include "law.h"

#include <string.h>

#include <xxhash.h>

bool law_id_is(lk_id a, lk_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool law_id_is_text(lk_id id)
{
    return id.bytes[0] & 0x80;
}

bool law_id_is_above(lk_id a, lk_id b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) > 0;
}

bool law_coupon_is(lk_coupon a, lk_coupon b)
{
    return a.shard == b.shard && a.serial == b.serial;
}

uint64_t law_order(const char *order, size_t size)
{
    uint64_t hash = size ? XXH3_64bits(order, size) : 0;
    return size && hash == 0 ? 1 : hash;
}

struct law_op law_op_of(const lk_ledger_op *op)
{
    struct law_op made = { .id = op->id, .verb = (uint8_t)op->verb };

    if (op->verb == LK_LEDGER_CLAIM) {
        made.count = op->count ? op->count : 1;
        return made;
    }
    made.coupon = op->coupon;
    made.order = op->order ? law_order(op->order, strlen(op->order)) : 0;
    if (op->verb == LK_LEDGER_FREEZE)
        made.number = op->ttl_ms;
    return made;
}

const char *law_differs(const struct law_op *a, const struct law_op *b)
{
    if (a->verb != b->verb)
        return "verb";
    if (a->verb == LK_LEDGER_CLAIM)
        return a->count != b->count ? "count" : NULL;
    if (!law_coupon_is(a->coupon, b->coupon))
        return "coupon";
    if (a->order != b->order)
        return "order";
    return a->number != b->number ? "ttl" : NULL;
}

const struct law_entry *law_entry_of(const struct law_account *account, lk_id id)
{
    for (size_t i = account->entry_count; i > 0; i--)
        if (law_id_is(account->entries[i - 1].op.id, id))
            return &account->entries[i - 1];
    return NULL;
}

size_t law_counted(const struct law_account *account)
{
    size_t count = 0;

    for (size_t i = 0; i < account->coupon_count; i++)
        count += account->coupons[i].state != LK_VOID;
    return count;
}

/* ---- time ---- */

static bool is_dead(const struct law_coupon *coupon, uint64_t order)
{
    for (size_t i = 0; i < coupon->dead_count; i++)
        if (coupon->dead[i] == order)
            return true;
    return false;
}

static void bury(struct law_coupon *coupon, uint64_t order)
{
    if (is_dead(coupon, order))
        return;
    if (coupon->dead_count == LAW_DEAD_MAX)
        memmove(coupon->dead, coupon->dead + 1, --coupon->dead_count * sizeof(*coupon->dead));
    coupon->dead[coupon->dead_count++] = order;
}

static void become(struct law_coupon *coupon, lk_coupon_state state, uint64_t order,
                   int64_t until_ms, int64_t at_ms)
{
    coupon->state = state;
    coupon->order = order;
    coupon->until_ms = until_ms;
    coupon->changed_ms = at_ms;
}

struct law_coupon law_coupon_at(const struct law_coupon *coupon, const struct law_rules *rules,
                                int64_t now_ms)
{
    int64_t ends_ms = rules->options.ends_ms;
    struct law_coupon then = *coupon;

    if (then.state == LK_FROZEN && then.until_ms <= now_ms) {
        bury(&then, then.order);
        become(&then, LK_CLAIMED, 0, 0, then.until_ms);
    }
    if (then.state == LK_CLAIMED && ends_ms && ends_ms <= now_ms)
        become(&then, LK_VOID, 0, 0, ends_ms > then.changed_ms ? ends_ms : then.changed_ms);
    return then;
}

/* ---- what may be done ---- */

static int judge_claim(const struct law_account *account, const struct law_rules *rules,
                       const struct law_op *op, int64_t now_ms)
{
    const lk_campaign_options *options = &rules->options;
    size_t counted = 0;

    if (options->ends_ms && options->ends_ms <= now_ms)
        return LK_E_CAMPAIGN_ENDED;
    if (rules->is_closed || (options->closes_ms && options->closes_ms <= now_ms))
        return LK_E_CAMPAIGN_CLOSED;
    if (now_ms < options->opens_ms)
        return LK_E_NOT_OPEN;
    for (size_t i = 0; i < account->coupon_count; i++)
        counted += law_coupon_at(&account->coupons[i], rules, now_ms).state != LK_VOID;
    if (options->per_user && counted + op->count > options->per_user)
        return LK_E_LIMIT;
    return rules->available < op->count ? LK_E_SOLD_OUT : LK_OK;
}

static int judge_coupon(const struct law_coupon *coupon, const struct law_op *op)
{
    bool is_frozen = coupon->state == LK_FROZEN, is_redeemed = coupon->state == LK_REDEEMED;
    bool is_for_order = coupon->order && coupon->order == op->order;

    if (coupon->state == LK_VOID)
        return LK_E_VOID;
    if (op->verb == LK_LEDGER_REFUND)
        return !is_redeemed || (op->order && coupon->order && !is_for_order) ? LK_E_NOT_REDEEMED
                                                                             : LK_OK;
    if (op->verb == LK_LEDGER_FREEZE && is_dead(coupon, op->order))
        return LK_E_UNFROZEN;
    if (is_redeemed)
        return LK_E_REDEEMED;
    if (op->verb == LK_LEDGER_FREEZE || op->verb == LK_LEDGER_VOID)
        return is_frozen ? LK_E_FROZEN : LK_OK;
    if (is_frozen)
        return is_for_order ? LK_OK : LK_E_FROZEN;
    return op->verb == LK_LEDGER_REDEEM && op->order ? LK_E_NOT_FROZEN : LK_OK;
}

int law_judge(const struct law_account *account, const struct law_rules *rules,
              const struct law_op *op, int64_t now_ms)
{
    const struct law_entry *before = law_entry_of(account, op->id);

    if (before && before->is_kept)
        return law_differs(&before->op, op) ? LK_E_ID_DIFFERS : LK_OK;
    if (!law_id_is_text(op->id) && !law_id_is_above(op->id, account->floor))
        return LK_E_ID_TOO_OLD;
    if (op->verb == LK_LEDGER_CLAIM)
        return judge_claim(account, rules, op, now_ms);
    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct law_coupon then = law_coupon_at(&account->coupons[i], rules, now_ms);
        if (law_coupon_is(then.name, op->coupon))
            return judge_coupon(&then, op);
    }
    return LK_E_NO_COUPON;
}

void law_transit(struct law_coupon *coupon, const struct law_rules *rules, const struct law_op *op,
                 int64_t now_ms)
{
    int64_t ttl_ms = op->number ? op->number : rules->options.freeze_ttl_ms;

    switch ((lk_ledger_verb)op->verb) {
    case LK_LEDGER_FREEZE:
        become(coupon, LK_FROZEN, op->order, now_ms + ttl_ms, now_ms);
        break;
    case LK_LEDGER_UNFREEZE:
        bury(coupon, op->order);
        if (coupon->state == LK_FROZEN)
            become(coupon, LK_CLAIMED, 0, 0, now_ms);
        break;
    case LK_LEDGER_REDEEM:
        become(coupon, LK_REDEEMED, coupon->order, 0, now_ms);
        break;
    case LK_LEDGER_REFUND:
        become(coupon, LK_CLAIMED, 0, 0, now_ms);
        break;
    case LK_LEDGER_VOID:
        become(coupon, LK_VOID, 0, 0, now_ms);
        break;
    case LK_LEDGER_CLAIM:
        break;
    }
    *coupon = law_coupon_at(coupon, rules, now_ms);
}

static bool counts_for_floor(const struct law_entry *entry)
{
    return entry->is_kept && entry->op.verb != LK_LEDGER_CLAIM && !law_id_is_text(entry->op.id);
}

/* Of ids made by latchkey the newest are kept: the one that goes may be the one that came. */
static void forget_oldest(struct law_account *account, size_t most)
{
    struct law_entry *oldest = NULL;
    size_t count = 0;

    for (size_t i = 0; i < account->entry_count; i++) {
        struct law_entry *entry = &account->entries[i];
        if (!counts_for_floor(entry))
            continue;
        if (!oldest || law_id_is_above(oldest->op.id, entry->op.id))
            oldest = entry;
        count++;
    }
    if (count <= most)
        return;
    oldest->is_kept = false;
    if (law_id_is_above(oldest->op.id, account->floor))
        account->floor = oldest->op.id;
}

void law_apply(struct law_account *account, const struct law_rules *rules, const struct law_op *op,
               int64_t now_ms)
{
    for (size_t i = 0; i < account->coupon_count; i++) {
        struct law_coupon *coupon = &account->coupons[i];
        *coupon = law_coupon_at(coupon, rules, now_ms);
        if (op->verb != LK_LEDGER_CLAIM && law_coupon_is(coupon->name, op->coupon))
            law_transit(coupon, rules, op, now_ms);
    }
    for (uint32_t i = 0; op->verb == LK_LEDGER_CLAIM && i < op->count; i++)
        account->coupons[account->coupon_count++] = (struct law_coupon){
            .name = { UINT32_MAX, i + 1 }, .state = LK_CLAIMED, .changed_ms = now_ms
        };
    account->entries[account->entry_count++] = (struct law_entry){ .op = *op,
                                                                   .time_ms = now_ms,
                                                                   .is_kept = true };
    forget_oldest(account, rules->options.history);
}
