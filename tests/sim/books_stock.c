/* books_stock.c - the stock of a campaign: where each serial is.
 *
 * Shards hold ranges of serials, of their own and of others', and a transaction may move some from
 * one shard to another. So all shards that it writes are emptied first and filled then: what is on
 * the table after that must go into accounts, and nothing comes into the stock that was not on the
 * table or is not new. */
#include "books_inside.h"

#include <inttypes.h>

#include "page.h"

#define RANGES_MAX 256 /* in one shard */

unsigned char *place_of(struct sale *sale, uint32_t shard, uint64_t serial)
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

void shards_written(struct books *books, struct sale *sale, const struct change *const *changes,
                    size_t count)
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
