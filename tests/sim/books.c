/* books.c - the campaigns of a path, one after the other, and the transactions that write them.
 *
 * A transaction is read as a whole: first the campaign's record, then all shards (books_stock.c),
 * then the accounts (books_account.c); the sums are drawn when all of it is in the books. Here is
 * also what each transaction owes the seal: nothing is written without a look at it, and no znode
 * begins anew under the old one. */
#include "books_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "page.h"

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

/* An answer may rest on what was true between two operations of one commit. */
void tell_change(struct books *books, const char *user)
{
    if (books->has_changed)
        books->has_changed(books, user);
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
