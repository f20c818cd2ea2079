/* test_ledger_stock.c - shards as one pool: nothing twice, nothing lost, home first. */
#include "ledger_story.h"

enum { SHARDS = 3 };

struct pool {
    struct shard shards[SHARDS];
    bool known[SHARDS], touched[SHARDS];
    struct stock stock;
};

static void pool_make(struct pool *pool, uint64_t each, size_t home)
{
    *pool = (struct pool){ 0 };
    for (uint32_t i = 0; i < SHARDS; i++) {
        pool->shards[i].index = i;
        pool->known[i] = true;
        assert_int_equal(shard_add(&pool->shards[i], each), LK_OK);
    }
    pool->stock = (struct stock){ pool->shards, pool->known, pool->touched, SHARDS, home };
}

static void pool_free(struct pool *pool)
{
    for (size_t i = 0; i < SHARDS; i++)
        shard_free(&pool->shards[i]);
}

/* As a claim does: from home, and if that has not enough, after the others have given. */
static bool take(struct pool *pool, size_t count, lk_coupon *out)
{
    uint64_t moves = 0;

    if (!stock_has(&pool->stock, count) && stock_refill(&pool->stock, count, &moves) != LK_OK)
        return false;
    return stock_take(&pool->stock, count, out);
}

static void the_home_shard_is_used_up_first(void **state)
{
    lk_coupon coupons[8];
    struct pool pool;

    (void)state;
    pool_make(&pool, 3, 1);
    assert_true(take(&pool, 2, coupons));
    assert_int_equal(coupons[0].shard, 1);
    assert_int_equal(coupons[0].serial, 1);
    assert_int_equal(coupons[1].serial, 2);
    assert_false(pool.touched[0] || pool.touched[2]);
    assert_true(take(&pool, 5, coupons));
    assert_int_equal(coupons[0].shard, 1);
    assert_int_equal(coupons[0].serial, 3);
    assert_int_equal(coupons[1].shard, 2);
    assert_int_equal(coupons[4].shard, 0);
    assert_false(take(&pool, 3, coupons));
    assert_int_equal(stock_available(&pool.stock), 2);
    pool_free(&pool);
}

static void a_shard_that_is_not_known_is_left_alone(void **state)
{
    lk_coupon coupons[8];
    struct pool pool;

    (void)state;
    pool_make(&pool, 3, 1);
    pool.known[2] = false;
    assert_false(take(&pool, 7, coupons));
    assert_true(take(&pool, 6, coupons));
    assert_false(pool.touched[2]);
    pool_free(&pool);
}

static void half_of_the_richest_shard_is_moved_from_its_back(void **state)
{
    lk_coupon coupon;
    uint64_t moves = 0;
    struct pool pool;

    (void)state;
    pool_make(&pool, 10, 0);
    assert_int_equal(shard_add(&pool.shards[2], 90), LK_OK);
    shard_free(&pool.shards[0]);
    assert_int_equal(stock_refill(&pool.stock, 1, &moves), LK_OK);
    assert_int_equal(moves, 1);
    assert_int_equal(shard_available(&pool.shards[0]), 50);
    assert_int_equal(shard_available(&pool.shards[2]), 50);
    assert_true(pool.touched[0] && pool.touched[2] && !pool.touched[1]);
    assert_true(stock_take(&pool.stock, 1, &coupon));
    assert_int_equal(coupon.shard, 2);
    assert_int_equal(coupon.serial, 51);
    pool_free(&pool);
}

static void no_serial_is_minted_or_given_out_twice(void **state)
{
    static bool seen[SHARDS][2000];
    lk_coupon coupons[7];
    struct pool pool;
    size_t taken = 0;

    (void)state;
    memset(seen, 0, sizeof(seen));
    pool_make(&pool, 100, 0);
    for (uint32_t round = 0; round < 50; round++) {
        assert_int_equal(shard_add(&pool.shards[round % SHARDS], round), LK_OK);
        pool.stock.home = round % SHARDS;
        size_t count = round % 7 + 1;
        assert_true(take(&pool, count, coupons));
        for (size_t i = 0; i < count; i++) {
            assert_true(coupons[i].serial <= pool.shards[coupons[i].shard].stocked);
            assert_false(seen[coupons[i].shard][coupons[i].serial]);
            seen[coupons[i].shard][coupons[i].serial] = true;
        }
        taken += count;
    }
    uint64_t stocked = 0;
    for (size_t i = 0; i < SHARDS; i++)
        stocked += pool.shards[i].stocked;
    assert_int_equal(stocked, 300 + 49 * 50 / 2);
    assert_int_equal(stock_available(&pool.stock), stocked - taken);
    pool_free(&pool);
}

static void stock_that_was_moved_here_keeps_its_name(void **state)
{
    struct range *ranges = calloc(2, sizeof(*ranges));
    lk_coupon coupons[4];

    (void)state;
    assert_non_null(ranges);
    ranges[0] = (struct range){ 7, 41, 2 };
    struct shard shard = { 3, 10, ranges, 1 };
    assert_int_equal(shard_add(&shard, 5), LK_OK);
    assert_int_equal(shard.range_count, 2);
    shard_take(&shard, 4, coupons);
    assert_int_equal(coupons[1].shard, 7);
    assert_int_equal(coupons[1].serial, 42);
    assert_int_equal(coupons[2].shard, 3);
    assert_int_equal(coupons[2].serial, 11);
    assert_int_equal(shard.range_count, 1);
    shard_free(&shard);
}

static void stock_is_dealt_out_whole(void **state)
{
    (void)state;
    for (uint64_t count = 0; count < 40; count++) {
        for (size_t shards = 1; shards < 9; shards++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < shards; i++)
                sum += stock_share(count, shards, i);
            assert_int_equal(sum, count);
        }
    }
}

static void a_shard_takes_no_more_than_can_be_counted(void **state)
{
    struct shard shard = { 0 };

    (void)state;
    assert_int_equal(shard_add(&shard, STOCK_MAX), LK_OK);
    assert_int_equal(shard_add(&shard, 1), LK_E_TOO_LARGE);
    assert_int_equal(shard_add(&shard, UINT64_MAX), LK_E_TOO_LARGE);
    assert_int_equal(shard_available(&shard), STOCK_MAX);
    shard_free(&shard);
}

static void put_shard(struct record_out *out, uint32_t index, uint64_t stocked, struct range range)
{
    record_begin(out, RECORD_SHARD, 1);
    record_put_u16(out, (uint16_t)index);
    record_put_u64(out, stocked);
    record_put_u16(out, 1);
    record_put_u16(out, (uint16_t)range.shard);
    record_put_u64(out, range.first);
    record_put_u64(out, range.count);
    assert_int_equal(record_end(out), LK_OK);
}

static void a_record_that_would_oversell_is_corrupt(void **state)
{
    static const struct {
        uint64_t stocked;
        struct range range;
        int status;
    } table[] = {
        { 10, { 2, 1, 10 }, LK_OK },
        { 10, { 2, 10, 1 }, LK_OK },
        { 10, { 5, 1, 1000 }, LK_OK }, /* moved here: what shard 5 stocked is not known here */
        { 10, { 2, 1, 11 }, LK_E_CORRUPT },
        { 10, { 2, 11, 1 }, LK_E_CORRUPT },
        { 10, { 2, 0, 5 }, LK_E_CORRUPT },
        { 10, { 2, 5, 0 }, LK_E_CORRUPT },
        { 10, { 2, UINT64_MAX, 2 }, LK_E_CORRUPT },
        { 10, { 5, 1, UINT64_MAX }, LK_E_CORRUPT },
        { UINT64_MAX, { 2, 1, 1 }, LK_E_CORRUPT },
    };
    struct record_out out = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct shard shard = { 0 };
        put_shard(&out, 2, table[i].stocked, table[i].range);
        if (shard_decode(&shard, out.bytes, out.size, 2) != table[i].status)
            fail_msg("row %zu", i);
        shard_free(&shard);
    }
    for (size_t size = 2; size < out.size; size++) {
        struct shard shard = { 0 };
        assert_int_equal(shard_decode(&shard, out.bytes, size, 2), LK_E_CORRUPT);
    }
    record_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_home_shard_is_used_up_first),
        cmocka_unit_test(a_shard_that_is_not_known_is_left_alone),
        cmocka_unit_test(half_of_the_richest_shard_is_moved_from_its_back),
        cmocka_unit_test(no_serial_is_minted_or_given_out_twice),
        cmocka_unit_test(stock_that_was_moved_here_keeps_its_name),
        cmocka_unit_test(stock_is_dealt_out_whole),
        cmocka_unit_test(a_shard_takes_no_more_than_can_be_counted),
        cmocka_unit_test(a_record_that_would_oversell_is_corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
