/* books_account.c - the accounts of a campaign: what each record says against what the law makes of
 * the operations that were applied.
 *
 * From one record of an account to the next the books do what is new in it, as the law does it, and
 * the result must be what is written: coupons, ids remembered, deeds of time. What is not new must
 * be as it was; only ids below the floor may be forgotten. */
#include "books_inside.h"

#include <inttypes.h>
#include <string.h>

#include "page.h"

static struct law_account *account_of(const struct sale *sale, const char *user)
{
    list_for_each (node, &sale->accounts) {
        struct law_account *account = container_of(node, struct law_account, node);
        if (strcmp(account->user, user) == 0)
            return account;
    }
    return NULL;
}

const struct law_account *sale_account(const struct sale *sale, const char *user)
{
    static const struct law_account none;
    const struct law_account *account = account_of(sale, user);
    return account ? account : &none;
}

static const char *coupon_text(lk_coupon coupon, char text[LK_COUPON_TEXT_SIZE])
{
    return lk_coupon_text(coupon, text);
}

static struct law_account *account_new(struct books *books, struct sale *sale, const char *user)
{
    struct arena *arena = &books->sim->world.arena;
    struct law_account *account = arena_take(arena, sizeof(*account));

    account->user = arena_text(arena, user);
    list_append(&sale->accounts, &account->node);
    return account;
}

static void check_asked(struct books *books, const struct law_account *account,
                        const struct law_entry *entry)
{
    char text[LK_ID_TEXT_SIZE];

    if (law_entry_of(account, entry->op.id))
        books_fail(books, "id %s of %s is applied a second time", lk_id_text(entry->op.id, text),
                   account->user);
    if (!books->was_asked_for(books, account->user, entry))
        books_fail(books, "%s's %s is done, but nobody asks for it now", account->user,
                   lk_ledger_verb_name((lk_ledger_verb)entry->op.verb));
}

static void check_allowed(struct books *books, struct sale *sale, const struct law_account *account,
                          const struct law_entry *entry)
{
    struct law_rules law = sale->law;

    /* Whether there was stock, and whether the limit is kept, shows when all is done. */
    law.available = UINT64_MAX;
    law.options.per_user = 0;
    check_asked(books, account, entry);
    int status = law_judge(account, &law, &entry->op, entry->time_ms);
    if (status != LK_OK)
        books_fail(books, "%s's %s is done, though it is %s", account->user,
                   lk_ledger_verb_name((lk_ledger_verb)entry->op.verb), lk_status_name(status));
    if (entry->zxid != PAGE_ZXID_OWN)
        books_fail(books, "%s's %s is written with a zxid that it can't know", account->user,
                   lk_ledger_verb_name((lk_ledger_verb)entry->op.verb));
    if (entry->time_ms > books->time_ms + books_ahead_ms(books))
        books_fail(books, "%s's %s is dated %" PRId64 " ms ahead", account->user,
                   lk_ledger_verb_name((lk_ledger_verb)entry->op.verb),
                   entry->time_ms - books->time_ms);
}

static void enter(struct books *books, struct law_account *account, const struct law_entry *entry)
{
    account->entries = books_grown(books->sim, account->entries, account->entry_count,
                                   &account->entry_capacity, sizeof(*account->entries));
    account->entries[account->entry_count] = *entry;
    account->entries[account->entry_count++].zxid = books->zxid;
    tell_change(books, account->user);
}

static void note_time(struct books *books, struct law_account *account, lk_coupon coupon,
                      lk_ledger_verb verb, lk_coupon_state state, uint64_t order, int64_t at_ms)
{
    account->times = books_grown(books->sim, account->times, account->time_count,
                                 &account->time_capacity, sizeof(*account->times));
    account->times[account->time_count++] = (struct law_entry){
        .op = { .verb = (uint8_t)verb, .coupon = coupon, .order = order },
        .state = state,
        .time_ms = at_ms,
        .zxid = books->zxid
    };
    books->settled++;
}

/* What time alone has made of it: given back, or voided, or both. */
static void note_times(struct books *books, struct law_account *account,
                       const struct law_coupon *before, const struct law_coupon *after)
{
    if (before->state == LK_FROZEN && after->state != LK_FROZEN)
        note_time(books, account, before->name, LK_LEDGER_UNFREEZE, LK_CLAIMED, before->order,
                  before->until_ms);
    if (before->state != LK_VOID && after->state == LK_VOID)
        note_time(books, account, before->name, LK_LEDGER_VOID, LK_VOID, 0, after->changed_ms);
}

static void settle(struct books *books, const struct sale *sale, struct law_account *account,
                   int64_t now_ms)
{
    for (size_t i = 0; i < account->coupon_count; i++) {
        struct law_coupon *coupon = &account->coupons[i];
        struct law_coupon then = law_coupon_at(coupon, &sale->law, now_ms);
        note_times(books, account, coupon, &then);
        *coupon = then;
    }
}

static void claim_done(struct books *books, struct sale *sale, struct law_account *account,
                       const struct law_entry *claim, const struct law_coupon *coupons)
{
    char text[LK_COUPON_TEXT_SIZE];

    check_allowed(books, sale, account, claim);
    settle(books, sale, account, claim->time_ms);
    for (size_t i = 0; i < claim->op.count; i++) {
        lk_coupon name = coupons[i].name;
        unsigned char *place = place_of(sale, name.shard, name.serial);
        if (*place != TAKEN)
            books_fail(books, "%s gets coupon %s, which %s", account->user, coupon_text(name, text),
                       *place == IN_ACCOUNT ? "was given out before" : "is not taken from stock");
        *place = IN_ACCOUNT;
        sale->taken--;
        sale->issued++;
        account->coupons = books_grown(books->sim, account->coupons, account->coupon_count,
                                       &account->coupon_capacity, sizeof(*account->coupons));
        account->coupons[account->coupon_count++] = (struct law_coupon){
            .name = name, .state = LK_CLAIMED, .changed_ms = claim->time_ms
        };
    }
    enter(books, account, claim);
}

static void transition_done(struct books *books, struct sale *sale, struct law_account *account,
                            const struct law_entry *entry)
{
    check_allowed(books, sale, account, entry);
    settle(books, sale, account, entry->time_ms);
    for (size_t i = 0; i < account->coupon_count; i++) {
        struct law_coupon *coupon = &account->coupons[i];
        if (!law_coupon_is(coupon->name, entry->op.coupon))
            continue;
        law_transit(coupon, &sale->law, &entry->op, entry->time_ms);
        if (entry->state && coupon->state != entry->state)
            books_fail(books, "%s's %s is answered %s, but makes it %s", account->user,
                       lk_ledger_verb_name((lk_ledger_verb)entry->op.verb),
                       lk_coupon_state_name(entry->state), lk_coupon_state_name(coupon->state));
    }
    enter(books, account, entry);
}

static bool is_same_coupon(const struct law_coupon *a, const struct law_coupon *b)
{
    return law_coupon_is(a->name, b->name) && a->state == b->state && a->order == b->order
           && a->changed_ms == b->changed_ms && a->until_ms == b->until_ms
           && a->dead_count == b->dead_count
           && memcmp(a->dead, b->dead, a->dead_count * sizeof(*a->dead)) == 0;
}

/* What time alone does may be written with anything, also with a refusal of which nothing is left.
 */
static bool is_what_time_makes(const struct books *books, const struct sale *sale,
                               const struct law_coupon *before, const struct law_coupon *written)
{
    int64_t now_ms = books->time_ms + books_ahead_ms(books);
    struct law_coupon all = law_coupon_at(before, &sale->law, now_ms), half = *before;

    if (before->state == LK_FROZEN && before->until_ms <= now_ms)
        half = law_coupon_at(before, &sale->law, before->until_ms);
    return is_same_coupon(&all, written) || is_same_coupon(&half, written);
}

static void check_coupons(struct books *books, const struct sale *sale, struct law_account *account,
                          const struct page_account *page)
{
    char text[LK_COUPON_TEXT_SIZE];

    for (size_t i = 0; i < account->coupon_count; i++) {
        struct law_coupon *expected = &account->coupons[i];
        const struct law_coupon *written = &page->coupons[i];
        if (is_same_coupon(expected, written))
            continue;
        if (!is_what_time_makes(books, sale, expected, written))
            books_fail(books, "coupon %s of %s is written as %s, but what was done makes it %s",
                       coupon_text(written->name, text), account->user,
                       lk_coupon_state_name(written->state), lk_coupon_state_name(expected->state));
        note_times(books, account, expected, written);
        *expected = *written;
        tell_change(books, account->user);
    }
}

static bool is_same_entry(const struct law_entry *known, const struct law_entry *written)
{
    return !law_differs(&written->op, &known->op) && written->state == known->state
           && written->time_ms == known->time_ms && written->zxid == known->zxid;
}

/* Of what the record knew something may have been forgotten: the oldest ids, below the floor, and
 * only to keep to the rule. Answers how many of the page's are not new. */
static size_t forget(struct books *books, const struct sale *sale, struct law_account *account,
                     const struct page_account *page)
{
    const struct page_applied *applied = &page->applied;
    size_t at = 0, forgotten = 0, made_here = 0;
    char text[LK_ID_TEXT_SIZE];

    for (size_t i = 0; i < account->entry_count; i++) {
        struct law_entry *entry = &account->entries[i];
        if (!entry->is_kept || entry->op.verb == LK_LEDGER_CLAIM)
            continue;
        if (at < applied->count && law_id_is(applied->entries[at].op.id, entry->op.id)) {
            if (!is_same_entry(entry, &applied->entries[at]))
                books_fail(books,
                           "id %s of %s, applied %" PRId64 " ms ago by %" PRIx64
                           ", is written as %" PRId64 " ms ago by %" PRIx64,
                           lk_id_text(entry->op.id, text), account->user,
                           books->time_ms - entry->time_ms, entry->zxid,
                           books->time_ms - applied->entries[at].time_ms,
                           applied->entries[at].zxid);
            at++;
            continue;
        }
        entry->is_kept = false;
        forgotten++;
        if (law_id_is_text(entry->op.id) || law_id_is_above(entry->op.id, applied->floor))
            books_fail(books, "id %s of %s is forgotten, and would be applied again",
                       lk_id_text(entry->op.id, text), account->user);
    }
    for (size_t i = 0; i < applied->count; i++)
        made_here += !law_id_is_text(applied->entries[i].op.id);
    if (made_here > sale->law.options.history
        || (forgotten && made_here < sale->law.options.history))
        books_fail(books, "%s's account remembers %zu ids, not %u", account->user, made_here,
                   sale->law.options.history);
    return at;
}

/* Time did this, and it is among the newest of its deeds, of which so many are kept. */
static bool is_told_rightly(const struct law_account *account, const struct law_entry *written,
                            size_t kept)
{
    size_t newer = 0;
    bool is_known = false;

    for (size_t i = 0; i < account->time_count; i++) {
        newer += account->times[i].time_ms > written->time_ms;
        is_known = is_known || is_same_entry(&account->times[i], written);
    }
    return is_known && newer < kept;
}

/* The newest of what time did stand there, with the zxids of their transactions. */
static void check_times(struct books *books, const struct sale *sale, struct law_account *account,
                        const struct page_applied *applied)
{
    size_t history = sale->law.options.history;
    size_t count = account->time_count < history ? account->time_count : history;
    char text[LK_COUPON_TEXT_SIZE];

    if (applied->time_count != count)
        books_fail(books, "%s's account tells %zu deeds of time, not %zu", account->user,
                   applied->time_count, count);
    for (size_t i = 0; i < applied->time_count && !books->sim->world.failure[0]; i++) {
        struct law_entry written = applied->times[i];
        if (written.zxid == PAGE_ZXID_OWN)
            written.zxid = books->zxid;
        if (!is_told_rightly(account, &written, count))
            books_fail(books, "%s's account tells a %s of %s by time alone, %" PRId64 " ms ago",
                       account->user, lk_ledger_verb_name((lk_ledger_verb)written.op.verb),
                       coupon_text(written.op.coupon, text), books->time_ms - written.time_ms);
    }
}

static bool claims_are_kept(const struct law_account *account, const struct page_account *page)
{
    size_t at = 0;

    for (size_t i = 0; i < account->entry_count; i++) {
        const struct law_entry *entry = &account->entries[i];
        if (entry->op.verb != LK_LEDGER_CLAIM)
            continue;
        if (at == page->claim_count || !law_id_is(page->claims[at].op.id, entry->op.id)
            || page->claims[at].op.count != entry->op.count || page->claims[at].zxid != entry->zxid
            || page->claims[at].time_ms != entry->time_ms || page->claims[at].first != entry->first)
            return false;
        at++;
    }
    if (page->coupon_count < account->coupon_count)
        return false;
    for (size_t i = 0; i < account->coupon_count; i++)
        if (!law_coupon_is(account->coupons[i].name, page->coupons[i].name))
            return false;
    return true;
}

static size_t claims_of(const struct law_account *account)
{
    size_t count = 0;

    for (size_t i = 0; i < account->entry_count; i++)
        count += account->entries[i].op.verb == LK_LEDGER_CLAIM;
    return count;
}

/* Of what was done and forgotten in one commit nothing is left: then what is written is believed,
 * if it was asked for, and never done before. */
static void adopt(struct books *books, struct law_account *account, const struct page_account *page,
                  size_t known)
{
    for (size_t i = known; i < page->applied.count; i++) {
        check_asked(books, account, &page->applied.entries[i]);
        enter(books, account, &page->applied.entries[i]);
    }
    for (size_t i = 0; i < account->coupon_count; i++)
        account->coupons[i] = page->coupons[i];
    account->time_count = 0;
    for (size_t i = 0; i < page->applied.time_count; i++) {
        const struct law_entry *time = &page->applied.times[i];
        note_time(books, account, time->op.coupon, (lk_ledger_verb)time->op.verb, time->state,
                  time->op.order, time->time_ms);
        if (time->zxid != PAGE_ZXID_OWN)
            account->times[i].zxid = time->zxid;
    }
    tell_change(books, account->user);
}

void account_written(struct books *books, struct sale *sale, const struct change *change)
{
    struct page_account page;
    const lk_campaign_options *options = &sale->law.options;

    if (!page_read_account(&page, &books->sim->world.arena, change->data, change->data_size)) {
        books_fail(books, "%s can't be read", change->path);
        return;
    }
    struct law_account *account = account_of(sale, page.user);
    if (!account)
        account = account_new(books, sale, page.user);
    if (!claims_are_kept(account, &page)) {
        books_fail(books, "a claim of %s is gone, or another one than it was", account->user);
        return;
    }
    /* Time may have changed it since the last commit: what was so until now. */
    tell_change(books, account->user);
    size_t known = forget(books, sale, account, &page);
    for (size_t i = claims_of(account); i < page.claim_count; i++)
        claim_done(books, sale, account, &page.claims[i], &page.coupons[page.claims[i].first]);
    bool is_gap = law_id_is_above(page.applied.floor, account->floor)
                  && books->may_be_forgotten(books, account, page.applied.floor);
    account->floor = page.applied.floor;
    if (is_gap)
        adopt(books, account, &page, known);
    for (size_t i = known; i < page.applied.count && !is_gap; i++)
        transition_done(books, sale, account, &page.applied.entries[i]);
    check_coupons(books, sale, account, &page);
    check_times(books, sale, account, &page.applied);
    if (options->per_user && law_counted(account) > options->per_user)
        books_fail(books, "%s has %zu coupons, above the limit of %u", account->user,
                   law_counted(account), options->per_user);
}
