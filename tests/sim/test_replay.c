/* test_replay.c - a seed is its world: the same steps, and the same story to the letter. Without
 * that no seed that fails could be looked into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workloads.h"

static void a_seed_replays_its_world(void **state)
{
    struct sim first, second;
    (void)state;

    for (uint64_t seed = 1; seed <= 5; seed++) {
        sim_run(&first, &workload_lock, seed, true);
        sim_run(&second, &workload_lock, seed, true);
        assert_int_equal(first.world.steps, second.world.steps);
        assert_string_equal(first.world.trace, second.world.trace);
        world_end(&first.world);
        world_end(&second.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_replays_its_world),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
