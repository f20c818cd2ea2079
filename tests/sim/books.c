/* books.c - see books.h. */
#include "books.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "page.h"
#include "testing/program.h"

#define RANGES_MAX 256 /* in one shard */

enum { NOWHERE, IN_STOCK, TAKEN, IN_ACCOUNT };

#define books_fail(books, ...) world_fail(&(books)->sim->world, __VA_ARGS__)

void *books_grown(struct sim *sim, void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? 2 * *capacity : 8;
    void *grown = arena_take(&sim->world.arena, *capacity * size);
    if (count)
        memcpy(grown, array, count * size);
    return grown;
}

void books_begin(struct books *books, struct sim *sim, const char *path)
{
    books->sim = sim;
    books->path = path;
    books->began_ns = sim->world.now_ns;
}

struct sale *books_sale(const struct books *books)
{
    return books->sale_count ? books->sales[books->sale_count - 1] : NULL;
}

bool books_are_open(const struct books *books)
{
    const struct sale *sale = books_sale(books);
    return sale && sale->is_alive;
}

int64_t books_now_ms(const struct books *books)
{
    return WALL_BEGIN_MS + books->sim->world.now_ns / MS;
}

int64_t books_ahead_ms(const struct books *books)
{
    return (books->sim->world.now_ns - books->began_ns) / MS / 100 + 2;
}

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

/* ---- the stock ---- */

static unsigned char *place_of(struct sale *sale, uint32_t shard, uint64_t serial)
{
    static unsigned char nowhere[1];
    if (shard >= sale->law.options.shards || serial == 0 || serial >= SERIALS_MAX) {
        nowhere[0] = 0xff;
        return nowhere;
    }
    return &sale->where[shard][serial];
}

static void put_in_stock(struct books *books, struct sale *sale, uint32_t shard, uint64_t serial,
                         const struct page_shard *page)
{
    unsigned char *place = place_of(sale, shard, serial);
    bool is_new = shard == page->index && serial > sale->stocked[shard] && serial <= page->stocked;

    if (*place == TAKEN) {
        sale->taken--;
    } else if (*place != NOWHERE || !is_new) {
        books_fail(books, "coupon %u-%" PRIu64 " comes %s", shard, serial,
                   *place == IN_ACCOUNT ? "back to stock"
                   : *place == IN_STOCK ? "into the stock a second time"
                                        : "into the stock from nowhere");
        return;
    }
    *place = IN_STOCK;
    sale->law.available++;
}

/* What all shards had that are written in this transaction is on the table: it may go into another
 * of them, or to a user. */
static void shard_emptied(struct sale *sale, size_t index)
{
    for (size_t i = 0; i < sale->range_counts[index]; i++) {
        const struct book_range *range = &sale->ranges[index][i];
        for (uint64_t j = 0; j < range->count; j++)
            *place_of(sale, range->shard, range->first + j) = TAKEN;
        sale->taken += range->count;
        sale->law.available -= range->count;
    }
    sale->range_counts[index] = 0;
}

static void shard_filled(struct books *books, struct sale *sale, const char *path,
                         const struct page_shard *page)
{
    size_t index = page->index;

    for (size_t i = 0; i < page->range_count; i++)
        for (uint64_t j = 0; j < page->ranges[i].count && !books->sim->world.failure[0]; j++)
            put_in_stock(books, sale, page->ranges[i].shard, page->ranges[i].first + j, page);
    if (page->stocked < sale->stocked[index])
        books_fail(books, "%s shrinks", path);
    sale->stocked_sum += page->stocked - sale->stocked[index];
    sale->stocked[index] = page->stocked;
    sale->ranges[index] = page->ranges;
    sale->range_counts[index] = page->range_count;
    sale->has_shard[index] = true;
}

static void shards_written(struct books *books, struct sale *sale,
                           const struct change *const *changes, size_t count)
{
    struct arena *arena = &books->sim->world.arena;
    struct page_shard *pages = arena_take(arena, (count + 1) * sizeof(*pages));

    for (size_t i = 0; i < count; i++) {
        const struct change *change = changes[i];
        if (!page_read_shard(&pages[i], arena, change->data, change->data_size)
            || pages[i].index >= sale->law.options.shards || pages[i].stocked >= SERIALS_MAX
            || pages[i].range_count > RANGES_MAX) {
            books_fail(books, "%s can't be read", change->path);
            return;
        }
        shard_emptied(sale, pages[i].index);
    }
    for (size_t i = 0; i < count; i++)
        shard_filled(books, sale, changes[i]->path, &pages[i]);
}

/* ---- accounts ---- */

/* An answer may rest on what was true between two operations of one commit. */
static void tell_change(struct books *books, const char *user)
{
    if (books->has_changed)
        books->has_changed(books, user);
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

static void account_written(struct books *books, struct sale *sale, const struct change *change)
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

/* ---- the campaign ---- */

static bool knows(const struct sale *sale, lk_id id)
{
    for (size_t i = 0; i < sale->entry_count; i++)
        if (law_id_is(sale->entries[i].op.id, id))
            return true;
    return false;
}

static void campaign_entries(struct books *books, struct sale *sale,
                             const struct page_campaign *page)
{
    for (size_t i = 0; i < page->applied.count; i++) {
        const struct law_entry *entry = &page->applied.entries[i];
        if (knows(sale, entry->op.id))
            continue;
        sale->entries = books_grown(books->sim, sale->entries, sale->entry_count,
                                    &sale->entry_capacity, sizeof(*sale->entries));
        sale->entries[sale->entry_count++] = *entry;
        if (entry->op.verb == PAGE_ADD_STOCK)
            sale->due_sum += (uint64_t)entry->op.number;
        if (entry->op.verb == PAGE_CREATE)
            sale->created_by = entry->op.id;
    }
}

static int64_t from_now(const struct books *books, int64_t at_ms)
{
    return at_ms ? at_ms - books->time_ms : 0;
}

/* For the serials of the shards from this one on. */
static void sale_make_room(struct books *books, struct sale *sale, size_t shard)
{
    for (; shard < sale->law.options.shards; shard++)
        sale->where[shard] = arena_take(&books->sim->world.arena, SERIALS_MAX);
}

static void campaign_made(struct books *books, const struct page_campaign *page)
{
    struct arena *arena = &books->sim->world.arena;
    struct sale *sale = arena_take(arena, sizeof(*sale));

    for (size_t i = 0; i < books->sale_count; i++)
        if (books->sales[i]->seal == page->seal)
            books_fail(books, "two campaigns have one seal");
    world_tell(&books->sim->world,
               "a campaign: %" PRIu64 " coupons, %u a user, opens %" PRId64 ", closes %" PRId64
               ", ends %" PRId64 " ms from now",
               page->stock, page->law.options.per_user, from_now(books, page->law.options.opens_ms),
               from_now(books, page->law.options.closes_ms),
               from_now(books, page->law.options.ends_ms));
    sale->number = books->sale_count + 1;
    sale->law = page->law;
    sale->seal = page->seal;
    sale->is_alive = true;
    sale->due_sum = page->stock;
    sale_make_room(books, sale, 0);
    list_init(&sale->accounts);
    campaign_entries(books, sale, page);
    books->sales = books_grown(books->sim, books->sales, books->sale_count, &books->sale_capacity,
                               sizeof(struct sale *));
    books->sales[books->sale_count++] = sale;
}

static void campaign_grown(struct books *books, struct sale *sale, const struct page_campaign *page)
{
    uint32_t before = sale->law.options.shards, shards = page->law.options.shards;
    const struct law_entry *last = &page->applied.entries[page->applied.count - 1];

    if (shards < before)
        books_fail(books, "the campaign has fewer shards than before");
    if (shards <= before)
        return;
    if (page->seal == sale->seal)
        books_fail(books, "the campaign grows under its old seal");
    if (page->applied.count == 0 || last->op.verb != PAGE_GROW || last->op.number != shards)
        books_fail(books, "the campaign has %u shards, which nobody asked for", shards);
    sale->law.options.shards = shards;
    sale_make_room(books, sale, before);
}

static void campaign_set(struct books *books, struct sale *sale, const struct page_campaign *page)
{
    bool was_closed = sale->law.is_closed;

    sale->law.is_closed = page->law.is_closed;
    sale->is_alive = !page->is_deleting;
    if (sale->law.options.per_user != page->law.options.per_user
        || sale->law.options.history != page->law.options.history
        || sale->law.options.ends_ms != page->law.options.ends_ms)
        books_fail(books, "the campaign's rules change");
    if (was_closed && !page->law.is_closed)
        books_fail(books, "a closed campaign is open again");
    if (!was_closed && page->law.is_closed && page->seal == sale->seal)
        books_fail(books, "the campaign is closed under its old seal");
    campaign_grown(books, sale, page);
    sale->seal = page->seal;
    campaign_entries(books, sale, page);
}

static void campaign_written(struct books *books, const struct change *change)
{
    struct sale *sale = books_sale(books);
    struct page_campaign page;

    if (!page_read_campaign(&page, &books->sim->world.arena, change->data, change->data_size))
        books_fail(books, "%s can't be read", change->path);
    else if (change->kind == CHANGE_CREATE)
        campaign_made(books, &page);
    else if (!sale || !sale->is_alive)
        books_fail(books, "a campaign that is deleted is written");
    else
        campaign_set(books, sale, &page);
}

/* ---- transactions ---- */

static const char *below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/' ? path + size + 1 : NULL;
}

static bool is_seal_now(const struct sale *sale, const char *name)
{
    char seal[32];

    snprintf(seal, sizeof(seal), "seal-%016" PRIx64, sale->seal);
    return strcmp(name, seal) == 0;
}

static bool is_written(const struct change *change)
{
    return change->kind == CHANGE_CREATE || change->kind == CHANGE_SET;
}

static void campaign_seen(struct books *books, const struct change *change)
{
    if (is_written(change))
        campaign_written(books, change);
    else if (change->kind == CHANGE_DELETE && books_sale(books)->is_alive)
        books_fail(books, "the record of a living campaign is deleted");
    else if (change->kind == CHANGE_DELETE)
        books->deleted++;
}

/* A znode that has been written very often is deleted and made again in one transaction. Its version
 * begins anew, so whoever knows a low one from before must be shut out by a new seal. */
static bool is_replaced(const struct txn *txn, const struct change *deleted)
{
    for (const struct change *change = deleted + 1; change < txn->changes + txn->count; change++)
        if (change->kind == CHANGE_CREATE && strcmp(change->path, deleted->path) == 0)
            return true;
    return false;
}

static void deleted_seen(struct books *books, const struct txn *txn, const struct change *change,
                         const char *name)
{
    const struct sale *sale = books_sale(books);
    bool is_old_seal = strncmp(name, "seal-", 5) == 0 && !is_seal_now(sale, name);

    if (!sale->is_alive || is_old_seal)
        return;
    if (!is_replaced(txn, change))
        books_fail(books, "%s of a living campaign is deleted", change->path);
    else if (books->seal_before == sale->seal)
        books_fail(books, "%s begins anew under the old seal", change->path);
}

/* The parts of a transaction come in any order, and are one. */
static void parts_seen(struct books *books, const struct txn *txn)
{
    struct arena *arena = &books->sim->world.arena;
    const struct change **shards = arena_take(arena, (txn->count + 1) * sizeof(*shards));
    const struct change **accounts = arena_take(arena, (txn->count + 1) * sizeof(*accounts));
    size_t shard_count = 0, account_count = 0;
    bool is_sealed = false;

    for (size_t i = 0; i < txn->count; i++) {
        const struct change *change = &txn->changes[i];
        const char *name = below(change->path, books->path);
        if (!name)
            continue;
        is_sealed = is_sealed || is_seal_now(books_sale(books), name);
        if (change->kind == CHANGE_DELETE)
            deleted_seen(books, txn, change, name);
        if (!is_written(change))
            continue;
        const char *account = below(name, "accounts");
        if (below(name, "stock"))
            shards[shard_count++] = change;
        else if (account && strchr(account, '/'))
            accounts[account_count++] = change;
    }
    if (shard_count + account_count == 0)
        return;
    struct sale *sale = books_sale(books);
    if (!sale->is_alive)
        books_fail(books, "a campaign that is deleted is written");
    if (!is_sealed)
        books_fail(books, "shards and accounts are written without a look at the seal");
    if (!books->sim->world.failure[0])
        shards_written(books, sale, shards, shard_count);
    for (size_t i = 0; i < account_count && !books->sim->world.failure[0]; i++)
        account_written(books, sale, accounts[i]);
}

static void check_sums(struct books *books, const struct sale *sale)
{
    if (sale->taken)
        books_fail(books, "%zu coupons are taken from stock, and nobody gets them", sale->taken);
    if (sale->stocked_sum != sale->due_sum && sale->is_alive)
        books_fail(books, "%" PRIu64 " coupons are stocked, but %" PRIu64 " were ordered",
                   sale->stocked_sum, sale->due_sum);
    if (sale->stocked_sum != sale->law.available + sale->issued)
        books_fail(books,
                   "%" PRIu64 " coupons are stocked, %" PRIu64 " available, %" PRIu64 " issued",
                   sale->stocked_sum, sale->law.available, sale->issued);
    for (size_t i = 0; i < sale->law.options.shards && sale->is_alive; i++)
        if (!sale->has_shard[i])
            books_fail(books, "the campaign lacks shard %zu", i);
}

void books_witness(struct books *books, const struct txn *txn)
{
    bool is_ours = false;

    if (txn->rc != KEEPER_OK || txn->kind != TXN_CHANGES)
        return;
    books->zxid = txn->zxid;
    books->time_ms = txn->time_ms;
    for (size_t i = 0; i < txn->count; i++)
        is_ours = is_ours || strncmp(txn->changes[i].path, books->path, strlen(books->path)) == 0;
    if (!is_ours)
        return;
    tell_change(books, NULL); /* time has passed over the state that ends here */
    books->seal_before = books_sale(books) ? books_sale(books)->seal : 0;
    for (size_t i = 0; i < txn->count; i++)
        if (strcmp(txn->changes[i].path, books->path) == 0)
            campaign_seen(books, &txn->changes[i]);
    const struct sale *sale = books_sale(books);
    if (!sale)
        return;
    if (!books->sim->world.failure[0])
        parts_seen(books, txn);
    check_sums(books, sale);
    tell_change(books, NULL);
}
