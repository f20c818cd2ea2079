/* show.c - an account for the public, in one allocation: its coupons, and what happened to them.
 *
 * The history stands in the record in two orders: claims in theirs, everything else in the order in
 * which it was written. Time does not run backwards within an account, so the two are merged by
 * time, within a millisecond by zxid, and within a commit claims come first. */
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

/* What is written into. */
struct page {
    lk_coupon_info *coupons;
    lk_transition *history;
    size_t history_count;
    char *text;
};

static const char *page_text(struct page *page, const char *text, size_t size)
{
    char *at = page->text;

    if (size)
        memcpy(at, text, size);
    page->text += size + 1;
    return at;
}

static size_t account_texts_size(const struct account *account)
{
    size_t size = account->user_size + 1;

    for (size_t i = 0; i < account->coupon_count; i++)
        size += account->coupons[i].order_size + 1;
    for (size_t i = 0; i < account->applied.count; i++)
        size += account->applied.entries[i].order_size + 1;
    return size;
}

static void show_coupons(struct page *page, const struct account *account, size_t nth,
                         const struct campaign *campaign, int64_t now_ms)
{
    const struct claim *claim = &account->claims[nth];

    for (size_t i = claim->first; i < claim->first + claim->count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        page->coupons[i] = (lk_coupon_info){
            .coupon = coupon->name,
            .state = coupon->state,
            .claimed_ms = claim->time_ms,
            .changed_ms = coupon->changed_ms,
            .frozen_until_ms = coupon->until_ms,
            .order = page_text(page, coupon->order, coupon->order_size),
            .ran_out = coupon_state_at(coupon, campaign, now_ms) != coupon->state,
        };
    }
}

static void show_claim(struct page *page, const struct account *account, size_t nth)
{
    const struct claim *claim = &account->claims[nth];

    for (size_t i = claim->first; i < claim->first + claim->count; i++)
        page->history[page->history_count++] = (lk_transition){
            .verb = LK_LEDGER_CLAIM,
            .coupon = account->coupons[i].name,
            .state = LK_CLAIMED,
            .id = claim->id,
            .order = "",
            .time_ms = claim->time_ms,
            .zxid = account_zxid(account, claim->zxid),
        };
}

static void show_entry(struct page *page, const struct account *account,
                       const struct applied *entry)
{
    page->history[page->history_count++] = (lk_transition){
        .verb = (lk_ledger_verb)entry->verb,
        .coupon = entry->coupon,
        .state = (lk_coupon_state)entry->state,
        .id = entry->id,
        .order = page_text(page, entry->order, entry->order_size),
        .time_ms = entry->time_ms,
        .zxid = account_zxid(account, entry->zxid),
    };
}

static bool claim_was_first(const struct account *account, const struct claim *claim,
                            const struct applied *entry)
{
    int64_t claimed = account_zxid(account, claim->zxid),
            other = account_zxid(account, entry->zxid);

    if (claim->time_ms != entry->time_ms)
        return claim->time_ms < entry->time_ms;
    return claimed <= other || other == 0;
}

static void show_history(struct page *page, const struct account *account)
{
    const struct applied_list *applied = &account->applied;
    size_t claim = 0, at = 0;

    while (claim < account->claim_count || at < applied->count) {
        bool is_claim = claim < account->claim_count
                        && (at == applied->count
                            || claim_was_first(account, &account->claims[claim],
                                               &applied->entries[at]));
        if (is_claim)
            show_claim(page, account, claim++);
        else
            show_entry(page, account, &applied->entries[at++]);
    }
}

int account_show(const struct account *account, const struct campaign *campaign, int64_t now_ms,
                 lk_account **out)
{
    size_t coupons = account->coupon_count, history = coupons + account->applied.count;
    lk_account *shown = calloc(1, sizeof(*shown) + coupons * sizeof(lk_coupon_info)
                                      + history * sizeof(lk_transition)
                                      + account_texts_size(account));
    if (!shown)
        return LK_E_NOMEM;

    struct page page = { .coupons = (lk_coupon_info *)(shown + 1) };
    page.history = (lk_transition *)(page.coupons + coupons);
    page.text = (char *)(page.history + history);
    shown->user = page_text(&page, account->user, account->user_size);
    for (size_t i = 0; i < account->claim_count; i++)
        show_coupons(&page, account, i, campaign, now_ms);
    show_history(&page, account);
    shown->count = coupons;
    shown->coupons = page.coupons;
    shown->history_count = page.history_count;
    shown->history = page.history;
    *out = shown;
    return LK_OK;
}

lk_account *lk_account_free(lk_account *account)
{
    free(account);
    return NULL;
}
