/* test_ledger_restock.c - what a repair of the audit's findings does to shards: a stretch is cut
 * out of ranges or put back, and what would make too many ranges changes nothing. */
#include "ledger_books.h"

#include "ledger/restock.h"

static void a_stretch_is_cut_out_of_ranges_and_put_back(void **state)
{
    struct world *w = *state;
    struct shard *shard = &w->shards[0];
    const struct range middle = { 0, 4, 3 }, others = { 1, 4, 3 };
    bool cut = false;

    assert_int_equal(shards_cover(w->shards, SHARDS, &middle), 3);
    assert_int_equal(shard_cut(shard, &others, &cut), LK_OK);
    assert_false(cut);
    assert_int_equal(shard_cut(shard, &middle, &cut), LK_OK);
    assert_true(cut);
    assert_int_equal(shard->range_count, 2);
    assert_int_equal(shard_available(shard), 7);
    assert_int_equal(shards_cover(shard, 1, &middle), 0);
    assert_int_equal(shard_put(shard, &middle), LK_OK);
    assert_int_equal(shard->range_count, 2);
    assert_int_equal(shards_cover(shard, 1, &(struct range){ 0, 1, 10 }), 10);
}

static void a_cut_that_makes_too_many_ranges_changes_nothing(void **state)
{
    struct world *w = *state;
    struct shard *shard = &w->shards[0];
    bool cut = false;

    shard->stocked = 1000;
    for (uint64_t i = 1; i < SHARD_RANGES_MAX; i++)
        assert_int_equal(shard_put(shard, &(struct range){ 0, 10 + 3 * i, 1 }), LK_OK);
    assert_int_equal(shard->range_count, SHARD_RANGES_MAX);
    assert_int_equal(shard_cut(shard, &(struct range){ 0, 5, 1 }, &cut), LK_E_TOO_LARGE);
    assert_false(cut);
    assert_int_equal(shard_put(shard, &(struct range){ 0, 900, 1 }), LK_E_TOO_LARGE);
    assert_int_equal(shard_available(shard), 10 + SHARD_RANGES_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_stretch_is_cut_out_of_ranges_and_put_back),
        WORLD_TEST(a_cut_that_makes_too_many_ranges_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
