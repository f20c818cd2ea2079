/* conduct.c - what one account must obey by itself: the limit, one outcome for each id, claims within
 * the campaign's times, and for each coupon the state that its operations lead to, each of them
 * possible after the one before: a freeze is resolved once, nothing follows a void. See
 * audit.h. */
#include <inttypes.h>

#include "ledger/audit.h"

struct visit {
    struct audit *audit;
    const struct account *account;
    const char *user;
    int32_t version;
};

static struct audit_fault fault_at(const struct visit *visit, lk_fault_kind kind)
{
    return (
        struct audit_fault){ .kind = kind, .user = (char *)visit->user, .version = visit->version };
}

static void check_limit(const struct visit *visit)
{
    uint32_t limit = visit->audit->view.campaign->rules.per_user;
    size_t counted = account_counted(visit->account);

    if (limit && counted > limit)
        audit_tell(visit->audit, fault_at(visit, LK_FAULT_LIMIT),
                   "limit: user %s has %zu coupons that count, the limit is %" PRIu32, visit->user,
                   counted, limit);
}

/* ---- ids ---- */

static bool id_stands_before(const struct account *account, size_t claim)
{
    lk_id id = account->claims[claim].id;

    for (size_t i = 0; i < claim; i++) {
        if (id_equals(account->claims[i].id, id))
            return true;
    }
    return applied_find(&account->applied, id) != NULL;
}

static void tell_id(const struct visit *visit, lk_id id)
{
    char text[LK_ID_TEXT_SIZE];

    audit_tell(visit->audit, fault_at(visit, LK_FAULT_ID), "id: %s of user %s was applied twice",
               lk_id_text(id, text), visit->user);
}

/* What time did bears no id. */
static void check_ids(const struct visit *visit)
{
    const struct account *account = visit->account;
    const struct applied_list *applied = &account->applied;

    for (size_t i = 0; i < account->claim_count; i++) {
        if (id_stands_before(account, i))
            tell_id(visit, account->claims[i].id);
    }
    for (size_t i = 0; i < applied->count; i++) {
        const struct applied *entry = &applied->entries[i];
        if (!id_is_none(entry->id) && applied_find(applied, entry->id) != entry)
            tell_id(visit, entry->id);
        if (account_find(account, entry->coupon))
            continue;
        char text[LK_ID_TEXT_SIZE], name[LK_COUPON_TEXT_SIZE];
        audit_tell(visit->audit, fault_at(visit, LK_FAULT_ID),
                   "id: %s of user %s is for coupon %s, which the user does not have",
                   lk_id_text(entry->id, text), visit->user, lk_coupon_text(entry->coupon, name));
    }
}

/* ---- times ---- */

static void check_times(const struct visit *visit)
{
    const lk_campaign_options *rules = &visit->audit->view.campaign->rules;

    for (size_t i = 0; i < visit->account->claim_count; i++) {
        const struct claim *claim = &visit->account->claims[i];
        bool early = claim->time_ms < rules->opens_ms;
        bool late = (rules->closes_ms && claim->time_ms >= rules->closes_ms)
                    || (rules->ends_ms && claim->time_ms >= rules->ends_ms);
        char text[LK_ID_TEXT_SIZE];
        if (early || late)
            audit_tell(visit->audit, fault_at(visit, LK_FAULT_TIME),
                       "time: claim %s of user %s came %s", lk_id_text(claim->id, text),
                       visit->user,
                       early ? "before the campaign opened" : "after the campaign had closed");
    }
}

/* ---- states ---- */

/* The state before entry `at` of its coupon, or, with at the count, the last one. */
static lk_coupon_state state_before(const struct visit *visit, size_t at, lk_coupon coupon)
{
    const struct applied_list *applied = &visit->account->applied;

    for (size_t i = at; i-- > 0;) {
        if (coupon_equals(applied->entries[i].coupon, coupon))
            return (lk_coupon_state)applied->entries[i].state;
    }
    return LK_CLAIMED;
}

/* What time makes of a state: a freeze runs out, the campaign ends. */
static bool time_leads(const struct visit *visit, lk_coupon_state from, lk_coupon_state to)
{
    if (to == from)
        return true;
    if (to == LK_VOID)
        return visit->audit->view.campaign->rules.ends_ms != 0
               && (from == LK_CLAIMED || from == LK_FROZEN);
    return to == LK_CLAIMED && from == LK_FROZEN;
}

/* Whether the operation is possible after that state, and leads where it says. */
static bool step_is_sound(const struct visit *visit, lk_coupon_state from,
                          const struct applied *entry)
{
    lk_coupon_state to = (lk_coupon_state)entry->state;
    bool is_free = from == LK_CLAIMED || from == LK_FROZEN;

    switch ((lk_ledger_verb)entry->verb) {
    case LK_LEDGER_FREEZE:
        return is_free && to == LK_FROZEN;
    case LK_LEDGER_UNFREEZE:
        return is_free && time_leads(visit, LK_CLAIMED, to);
    case LK_LEDGER_REDEEM:
        return is_free && to == LK_REDEEMED;
    case LK_LEDGER_REFUND:
        return from == LK_REDEEMED && time_leads(visit, LK_CLAIMED, to);
    case LK_LEDGER_VOID:
        return is_free && to == LK_VOID;
    case LK_LEDGER_CLAIM:
        break;
    }
    return false;
}

static struct audit_fault state_fault(const struct visit *visit, lk_coupon coupon)
{
    struct audit_fault fault = fault_at(visit, LK_FAULT_STATE);

    fault.coupon = coupon;
    fault.count = 1;
    return fault;
}

/* Only of accounts that have forgotten no operation: those that stay need not follow each other. */
static void check_states(const struct visit *visit)
{
    const struct account *account = visit->account;
    char name[LK_COUPON_TEXT_SIZE], text[LK_ID_TEXT_SIZE];

    if (!id_is_none(account->applied.floor))
        return;
    for (size_t i = 0; i < account->applied.count; i++) {
        const struct applied *entry = &account->applied.entries[i];
        lk_coupon_state from = state_before(visit, i, entry->coupon);
        if (!step_is_sound(visit, from, entry))
            audit_tell(visit->audit, state_fault(visit, entry->coupon),
                       "state: coupon %s of user %s was %s, and %s %s made it %s",
                       lk_coupon_text(entry->coupon, name), visit->user, lk_coupon_state_name(from),
                       lk_ledger_verb_name((lk_ledger_verb)entry->verb),
                       lk_id_text(entry->id, text),
                       lk_coupon_state_name((lk_coupon_state)entry->state));
    }
    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        lk_coupon_state last = state_before(visit, account->applied.count, coupon->name);
        /* Of one that stands twice here the operations were the first one's. */
        if (!time_leads(visit, last, coupon->state)
            && account_find(account, coupon->name) == coupon)
            audit_tell(visit->audit, state_fault(visit, coupon->name),
                       "state: coupon %s of user %s is %s, its last operation made it %s",
                       lk_coupon_text(coupon->name, name), visit->user,
                       lk_coupon_state_name(coupon->state), lk_coupon_state_name(last));
    }
}

void audit_conduct(struct audit *audit, const struct account *account, const char *user,
                   int32_t version)
{
    const struct visit visit = { audit, account, user, version };

    check_limit(&visit);
    check_ids(&visit);
    check_times(&visit);
    check_states(&visit);
}
