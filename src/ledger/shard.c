/* shard.c - shard records and taking from them, see shard.h. */
#include "ledger/shard.h"

#include <stdlib.h>
#include <string.h>

#define SHARD_VERSION 1
#define RANGE_SIZE 18

static bool range_is_sound(const struct range *range)
{
    return range->first > 0 && range->count > 0 && range->count <= STOCK_MAX
           && range->first <= STOCK_MAX && range->first + range->count - 1 <= STOCK_MAX;
}

int shard_decode(struct shard *shard, const void *data, size_t size, uint32_t index)
{
    struct record_in in;
    int status = record_open(&in, data, size, RECORD_SHARD, SHARD_VERSION);
    if (status != LK_OK)
        return status;

    uint32_t written_index = record_get_u16(&in);
    uint64_t stocked = record_get_u64(&in);
    size_t count = record_get_u16(&in);
    if (in.bad || written_index != index || stocked > STOCK_MAX || count > SHARD_RANGES_MAX
        || in.left != count * RANGE_SIZE)
        return LK_E_CORRUPT;
    struct range *ranges = calloc(count + 1, sizeof(*ranges));
    if (!ranges)
        return LK_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        ranges[i].shard = record_get_u16(&in);
        ranges[i].first = record_get_u64(&in);
        ranges[i].count = record_get_u64(&in);
        if (!range_is_sound(&ranges[i])
            || (ranges[i].shard == index && ranges[i].first + ranges[i].count - 1 > stocked)) {
            free(ranges);
            return LK_E_CORRUPT;
        }
    }
    *shard = (struct shard){ index, stocked, ranges, count };
    return LK_OK;
}

int shard_encode(const struct shard *shard, struct record_out *out)
{
    record_begin(out, RECORD_SHARD, SHARD_VERSION);
    record_put_u16(out, (uint16_t)shard->index);
    record_put_u64(out, shard->stocked);
    record_put_u16(out, (uint16_t)shard->range_count);
    for (size_t i = 0; i < shard->range_count; i++) {
        record_put_u16(out, (uint16_t)shard->ranges[i].shard);
        record_put_u64(out, shard->ranges[i].first);
        record_put_u64(out, shard->ranges[i].count);
    }
    return record_end(out);
}

int shard_copy(struct shard *to, const struct shard *from)
{
    struct range *ranges = calloc(from->range_count + 1, sizeof(*ranges));
    if (!ranges)
        return LK_E_NOMEM;
    if (from->range_count)
        memcpy(ranges, from->ranges, from->range_count * sizeof(*ranges));
    *to = *from;
    to->ranges = ranges;
    return LK_OK;
}

void shard_free(struct shard *shard)
{
    free(shard->ranges);
    *shard = (struct shard){ 0 };
}

uint64_t shard_available(const struct shard *shard)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < shard->range_count; i++)
        sum += shard->ranges[i].count;
    return sum;
}

void shard_take(struct shard *shard, size_t count, lk_coupon *out)
{
    size_t spent = 0;

    for (size_t i = 0; i < count; i++) {
        struct range *range = &shard->ranges[spent];
        out[i] = (lk_coupon){ range->shard, range->first };
        range->first++;
        if (--range->count == 0)
            spent++;
    }
    shard->range_count -= spent;
    memmove(shard->ranges, shard->ranges + spent, shard->range_count * sizeof(*shard->ranges));
}

int shard_append(struct shard *shard, struct range range)
{
    if (shard->range_count == SHARD_RANGES_MAX)
        return LK_E_TOO_LARGE;
    /* Only where somebody's hand was: it could not be read any more. */
    if (range.shard == shard->index && range.first + range.count - 1 > shard->stocked)
        return LK_E_CORRUPT;
    struct range *ranges = realloc(shard->ranges, (shard->range_count + 1) * sizeof(*ranges));
    if (!ranges)
        return LK_E_NOMEM;
    ranges[shard->range_count++] = range;
    shard->ranges = ranges;
    return LK_OK;
}

int shard_add(struct shard *shard, uint64_t count)
{
    if (count > STOCK_MAX - shard->stocked)
        return LK_E_TOO_LARGE;
    if (count == 0)
        return LK_OK;

    struct range *last = shard->range_count ? &shard->ranges[shard->range_count - 1] : NULL;
    if (last && last->shard == shard->index && last->first + last->count == shard->stocked + 1) {
        last->count += count;
    } else {
        struct range minted = { shard->index, shard->stocked + 1, count };
        shard->stocked += count;
        int status = shard_append(shard, minted);
        if (status != LK_OK)
            shard->stocked -= count;
        return status;
    }
    shard->stocked += count;
    return LK_OK;
}

uint64_t stock_available(const struct stock *stock)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < stock->count; i++)
        sum += stock->known[i] ? shard_available(&stock->shards[i]) : 0;
    return sum;
}

bool stock_has(const struct stock *stock, size_t count)
{
    return stock->known[stock->home] && shard_available(&stock->shards[stock->home]) >= count;
}

bool stock_take(struct stock *stock, size_t count, lk_coupon *out)
{
    if (!stock_has(stock, count))
        return false;
    shard_take(&stock->shards[stock->home], count, out);
    stock->touched[stock->home] = true;
    return true;
}

/* From the back of one to the back of the other: what stands in front is given out next. */
static int shard_move(struct shard *from, struct shard *to, uint64_t count)
{
    int status = LK_OK;

    while (count > 0 && status == LK_OK) {
        struct range *last = &from->ranges[from->range_count - 1];
        uint64_t moved = last->count < count ? last->count : count;
        struct range range = { last->shard, last->first + last->count - moved, moved };
        status = shard_append(to, range);
        if (status != LK_OK)
            break;
        last->count -= moved;
        from->range_count -= last->count == 0;
        count -= moved;
    }
    return status;
}

static size_t stock_richest(const struct stock *stock)
{
    uint64_t most = 0;
    size_t richest = stock->home;

    for (size_t i = 0; i < stock->count; i++) {
        size_t at = (stock->home + i) % stock->count;
        if (at == stock->home || !stock->known[at] || shard_available(&stock->shards[at]) <= most)
            continue;
        most = shard_available(&stock->shards[at]);
        richest = at;
    }
    return richest;
}

int stock_refill(struct stock *stock, size_t count, uint64_t *moves)
{
    struct shard *home = &stock->shards[stock->home];

    if (stock_available(stock) < count)
        return LK_E_SOLD_OUT;
    for (uint64_t here; (here = shard_available(home)) < count; ++*moves) {
        size_t from = stock_richest(stock);
        uint64_t there = shard_available(&stock->shards[from]), lacking = count - here;
        uint64_t moved = there / 2 > lacking ? there / 2 : lacking < there ? lacking : there;
        int status = shard_move(&stock->shards[from], home, moved);
        stock->touched[from] = stock->touched[stock->home] = true;
        /* No room for more ranges: then there are more coupons here than anybody may claim. */
        if (status != LK_OK && status != LK_E_TOO_LARGE)
            return status;
    }
    return LK_OK;
}

uint64_t stock_share(uint64_t count, size_t shards, size_t index)
{
    return count / shards + (index < count % shards ? 1 : 0);
}
