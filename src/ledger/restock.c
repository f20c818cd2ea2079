/* restock.c - see restock.h. */
#include "ledger/restock.h"

#include <stdlib.h>

static uint64_t range_end(const struct range *range)
{
    return range->first + range->count;
}

/* What two ranges share; count 0: nothing. */
static struct range range_shared(const struct range *a, const struct range *b)
{
    uint64_t first = a->first > b->first ? a->first : b->first;
    uint64_t end = range_end(a) < range_end(b) ? range_end(a) : range_end(b);

    return (struct range){ a->shard, first, a->shard == b->shard && end > first ? end - first : 0 };
}

uint64_t shards_cover(const struct shard *shards, size_t count, const struct range *stretch)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < shards[i].range_count; j++)
            sum += range_shared(&shards[i].ranges[j], stretch).count;
    }
    return sum;
}

int shard_cut(struct shard *shard, const struct range *stretch, bool *cut)
{
    struct range *left = calloc(2 * shard->range_count + 1, sizeof(*left));
    size_t count = 0;
    bool found = false;

    if (!left)
        return LK_E_NOMEM;
    for (size_t i = 0; i < shard->range_count; i++) {
        const struct range *range = &shard->ranges[i];
        struct range shared = range_shared(range, stretch);
        if (shared.count == 0) {
            left[count++] = *range;
            continue;
        }
        found = true;
        if (shared.first > range->first)
            left[count++] = (struct range){ range->shard, range->first,
                                            shared.first - range->first };
        if (range_end(range) > range_end(&shared))
            left[count++] = (struct range){ range->shard, range_end(&shared),
                                            range_end(range) - range_end(&shared) };
    }
    if (!found || count > SHARD_RANGES_MAX) {
        free(left);
        return found ? LK_E_TOO_LARGE : LK_OK;
    }
    free(shard->ranges);
    shard->ranges = left;
    shard->range_count = count;
    *cut = true;
    return LK_OK;
}

int shard_put(struct shard *shard, const struct range *stretch)
{
    for (size_t i = 0; i < shard->range_count; i++) {
        struct range *range = &shard->ranges[i];
        bool before = range->shard == stretch->shard && range->first == range_end(stretch);
        bool after = range->shard == stretch->shard && range_end(range) == stretch->first;
        if (!before && !after)
            continue;
        range->first = before ? stretch->first : range->first;
        range->count += stretch->count;
        return LK_OK;
    }
    return shard_append(shard, *stretch);
}
