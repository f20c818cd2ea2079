/* test_ledger_seen.c - the hint about users whose accounts a handle has known: who was one is hardly
 * forgotten, and who was not is hardly taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "ledger/machine.h"

enum { USERS = 300000 };

static void name_user(char name[16], int number)
{
    snprintf(name, 16, "user-%d", number);
}

static struct seen *see(struct seen *seen, int from, int until)
{
    char name[16];

    for (int i = from; i < until; i++) {
        name_user(name, i);
        seen = seen_add(seen, name);
        assert_non_null(seen);
    }
    return seen;
}

static int count_seen(struct seen *seen, int from, int until)
{
    char name[16];
    int count = 0;

    for (int i = from; i < until; i++) {
        name_user(name, i);
        count += seen_has(seen, name);
    }
    return count;
}

/* One that is forgotten costs a commit. */
static void of_300000_users_hardly_one_is_forgotten(void **state)
{
    struct seen *seen = see(NULL, 0, USERS);
    (void)state;

    assert_in_range(count_seen(seen, 0, USERS), USERS - USERS / 500, USERS);
    assert_in_range(count_seen(seen, USERS, 2 * USERS), 0, USERS / 1000);
    free(seen);
}

static void who_is_told_of_again_takes_no_others_place(void **state)
{
    enum { FIRST = 1000, AGAIN = 30000 };
    struct seen *seen = see(NULL, 0, FIRST);
    (void)state;

    for (int times = 0; times < 10; times++)
        see(seen, FIRST, FIRST + AGAIN);
    assert_int_equal(count_seen(seen, 0, FIRST), FIRST);
    free(seen);
}

static void who_is_told_of_now_and_then_stays(void **state)
{
    enum { OTHERS = 1500000, NOW_AND_THEN = 1000 };
    struct seen *seen = see(NULL, 0, 1);
    (void)state;

    for (int i = 1; i < OTHERS; i += NOW_AND_THEN) {
        see(seen, i, i + NOW_AND_THEN);
        assert_int_equal(count_seen(seen, 0, 1), 1);
        see(seen, 0, 1);
    }
    free(seen);
}

static void nobody_has_been_seen_before_the_first(void **state)
{
    (void)state;
    assert_false(seen_has(NULL, "ann"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_300000_users_hardly_one_is_forgotten),
        cmocka_unit_test(who_is_told_of_again_takes_no_others_place),
        cmocka_unit_test(who_is_told_of_now_and_then_stays),
        cmocka_unit_test(nobody_has_been_seen_before_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
