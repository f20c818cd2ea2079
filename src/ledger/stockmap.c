/* stockmap.c - see stockmap.h. */
#include "ledger/stockmap.h"

#include <stdlib.h>

static int range_compare(const void *a, const void *b)
{
    const struct range *left = a, *right = b;

    if (left->shard != right->shard)
        return left->shard < right->shard ? -1 : 1;
    return left->first < right->first ? -1 : left->first > right->first;
}

static uint64_t range_end(const struct range *range)
{
    return range->first + range->count;
}

/* Of sorted ranges: the later one gives what it shares to the earlier one. */
static void stockmap_merge(struct stockmap *map,
                           void (*twice)(const struct range *stretch, void *arg), void *arg)
{
    size_t kept = 0;

    for (size_t i = 0; i < map->count; i++) {
        struct range range = map->ranges[i];
        struct range *before = kept > 0 ? &map->ranges[kept - 1] : NULL;
        if (!before || before->shard != range.shard || range_end(before) < range.first) {
            map->ranges[kept++] = range;
            continue;
        }
        uint64_t shared = range_end(before) < range_end(&range) ? range_end(before)
                                                                : range_end(&range);
        if (shared > range.first && twice)
            twice(&(struct range){ range.shard, range.first, shared - range.first }, arg);
        if (range_end(&range) > range_end(before))
            before->count = range_end(&range) - before->first;
    }
    map->count = kept;
}

int stockmap_make(struct stockmap *map, struct shelf_view view,
                  void (*twice)(const struct range *stretch, void *arg), void *arg)
{
    size_t count = 0;

    *map = (struct stockmap){ .view = view, .whole = true };
    for (size_t i = 0; i < view.count; i++)
        count += view.status[i] == LK_OK ? view.shards[i].range_count : 0;
    map->ranges = calloc(count + 1, sizeof(*map->ranges));
    if (!map->ranges)
        return LK_E_NOMEM;
    for (size_t i = 0; i < view.count; i++) {
        map->whole = map->whole && view.status[i] == LK_OK;
        for (size_t j = 0; view.status[i] == LK_OK && j < view.shards[i].range_count; j++)
            map->ranges[map->count++] = view.shards[i].ranges[j];
    }
    qsort(map->ranges, map->count, sizeof(*map->ranges), range_compare);
    stockmap_merge(map, twice, arg);
    return LK_OK;
}

void stockmap_free(struct stockmap *map)
{
    free(map->ranges);
    *map = (struct stockmap){ 0 };
}

static bool stockmap_is_available(const struct stockmap *map, lk_coupon coupon)
{
    const struct range wanted = { coupon.shard, coupon.serial, 1 };
    size_t low = 0, high = map->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (range_compare(&map->ranges[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && map->ranges[low - 1].shard == coupon.shard
           && coupon.serial < range_end(&map->ranges[low - 1]);
}

uint64_t stockmap_stocked(const struct stockmap *map, uint32_t mint)
{
    return mint < map->view.count && map->view.status[mint] == LK_OK
               ? map->view.shards[mint].stocked
               : 0;
}

enum standing stockmap_standing(const struct stockmap *map, lk_coupon coupon)
{
    if (stockmap_is_available(map, coupon))
        return AVAILABLE;
    if (coupon.shard >= map->view.count)
        return NOT_STOCKED;
    if (map->view.status[coupon.shard] != LK_OK)
        return UNKNOWN_STANDING;
    if (coupon.serial > stockmap_stocked(map, coupon.shard))
        return NOT_STOCKED;
    return map->whole ? ISSUED : UNKNOWN_STANDING;
}
