/* fuzz_shard.c - a shard's record, and a pool of which it is one: taking, adding, and moving stock to
 * where claims take it from. No coupon is lost on the way, none comes out twice that did not stand
 * twice in the record, and what is left can be read again. */
#include "fuzz.h"

#include "ledger/shard.h"

enum { SHARDS = 4, RECORDS = 3 /* the one whose record it is */, STEPS_MAX = 64 };

struct pool {
    struct shard shards[SHARDS];
    bool known[SHARDS], touched[SHARDS];
    struct stock stock;
};

static void obeys_its_rules(const struct shard *shard, uint32_t index)
{
    MUST(shard->index == index && shard->stocked <= STOCK_MAX);
    MUST(shard->range_count <= SHARD_RANGES_MAX);
    for (size_t i = 0; i < shard->range_count; i++) {
        const struct range *range = &shard->ranges[i];
        MUST(range->first > 0 && range->count > 0 && range->shard <= UINT16_MAX);
        MUST(range->first + range->count - 1 <= STOCK_MAX);
        if (range->shard == shard->index)
            MUST(range->first + range->count - 1 <= shard->stocked);
    }
    /* Many times below an overflow. */
    MUST(shard_available(shard) <= STOCK_MAX * SHARD_RANGES_MAX);
}

static void comes_back_as_it_is(const struct shard *shard)
{
    RECORD_OUT written = { 0 }, twice = { 0 };
    struct shard again = { 0 };

    MUST(shard_encode(shard, &written) == LK_OK);
    MUST(shard_decode(&again, written.bytes, written.size, shard->index) == LK_OK);
    obeys_its_rules(&again, shard->index);
    MUST(shard_encode(&again, &twice) == LK_OK && is_same_record(&written, &twice));
    MUST(shard_decode(&(struct shard){ 0 }, written.bytes, written.size, shard->index + 1)
         == LK_E_CORRUPT);
    shard_free(&again);
}

/* The same for the same coupons in any order, and hardly for others. */
struct sum {
    uint64_t coupons, names;
};

static struct sum sum_of(const struct stock *stock)
{
    struct sum sum = { 0 };

    for (size_t i = 0; i < stock->count; i++) {
        for (size_t j = 0; j < stock->shards[i].range_count; j++) {
            const struct range *range = &stock->shards[i].ranges[j];
            uint64_t even = range->count % 2 ? range->count : range->count / 2,
                     rest = range->count % 2 ? (range->count - 1) / 2 : range->count - 1,
                     steps = even * rest;
            sum.coupons += range->count;
            sum.names += (range->shard + 1) * (range->count * range->first + steps);
        }
    }
    return sum;
}

static void take_some(struct stock *stock, size_t count)
{
    struct shard *home = &stock->shards[stock->home], before = { 0 };
    lk_coupon coupons[LK_CLAIM_MAX];
    uint64_t available = shard_available(home);

    MUST(shard_copy(&before, home) == LK_OK);
    bool has = stock_has(stock, count);
    MUST(has == (stock->known[stock->home] && count <= available));
    MUST(stock_take(stock, count, coupons) == has);
    MUST(shard_available(home) == available - (has ? count : 0));
    /* In the order of the ranges. */
    for (size_t i = 0, at = 0, done = 0; has && i < count; i++, done++) {
        if (done == before.ranges[at].count)
            at++, done = 0;
        MUST(coupons[i].shard == before.ranges[at].shard
             && coupons[i].serial == before.ranges[at].first + done);
    }
    MUST(!has || stock->touched[stock->home]);
    shard_free(&before);
}

static void refill(struct stock *stock, size_t count)
{
    struct sum before = sum_of(stock);
    uint64_t available = stock_available(stock), moves = 0;
    int status = stock_refill(stock, count, &moves);
    struct sum after = sum_of(stock);

    if (status != LK_E_CORRUPT)
        MUST(status == (available < count ? LK_E_SOLD_OUT : LK_OK));
    MUST(status != LK_OK || stock_has(stock, count));
    MUST(stock_available(stock) == available && moves < SHARDS);
    MUST(after.coupons == before.coupons && after.names == before.names);
    for (size_t i = 0; i < SHARDS; i++)
        MUST(stock->known[i] || !stock->touched[i]);
}

static void add_some(struct shard *shard, uint64_t count)
{
    uint64_t available = shard_available(shard), stocked = shard->stocked;
    int status = shard_add(shard, count);

    MUST(status == LK_OK || status == LK_E_TOO_LARGE);
    if (status == LK_E_TOO_LARGE)
        MUST(count > STOCK_MAX - stocked || shard->range_count == SHARD_RANGES_MAX);
    else
        MUST(shard->stocked == stocked + count && shard_available(shard) == available + count);
}

/* Where claims take from is always known. */
static void choose_home(struct pool *pool, uint8_t which)
{
    pool->stock.home = which % SHARDS;
    pool->known[pool->stock.home] = true;
}

static void play_one(struct pool *pool, struct input *program)
{
    uint8_t what = (uint8_t)take(program, 1);
    size_t detail = what >> 2;

    switch (what & 3) {
    case 0:
        take_some(&pool->stock, detail + 1);
        break;
    case 1:
        refill(&pool->stock, detail % (LK_CLAIM_MAX + 1));
        break;
    case 2:
        add_some(&pool->shards[detail % SHARDS], take(program, detail / SHARDS % 7));
        break;
    default:
        choose_home(pool, (uint8_t)detail);
        break;
    }
}

static void play(struct pool *pool, struct input *program)
{
    /* Of what the record has of the others they may have minted all, or not even that. */
    uint64_t minted = take(program, 1) & 1 ? STOCK_MAX / 2 : 0;
    for (uint32_t i = 0; i < SHARDS; i++) {
        if (i != RECORDS)
            pool->shards[i] = (struct shard){ .index = i, .stocked = minted };
        pool->known[i] = take(program, 1) & 1;
    }
    pool->stock = (struct stock){ pool->shards, pool->known, pool->touched, SHARDS, 0 };
    choose_home(pool, RECORDS);
    for (size_t i = 0; program->left && i < STEPS_MAX; i++) {
        play_one(pool, program);
        for (uint32_t j = 0; j < SHARDS; j++)
            obeys_its_rules(&pool->shards[j], j);
    }
    for (uint32_t i = 0; i < SHARDS; i++)
        comes_back_as_it_is(&pool->shards[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RECORD_INPUT taken = take_record(data, size, RECORD_SHARD);
    struct pool pool = { 0 };
    struct shard *shard = &pool.shards[RECORDS];
    RECORD_OUT written = { 0 };

    if (is_read(shard_decode(shard, taken.record.bytes, taken.record.size, RECORDS))) {
        obeys_its_rules(shard, RECORDS);
        MUST(shard_encode(shard, &written) == LK_OK && is_same_record(&written, &taken.record));
        comes_back_as_it_is(shard);
        play(&pool, &taken.program);
    }
    for (size_t i = 0; i < SHARDS; i++)
        shard_free(&pool.shards[i]);
    return 0;
}
