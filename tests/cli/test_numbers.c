/* test_numbers.c - what the tool says of a line whose numbers are nearly used up, and of one where
 * they are. The server begins with such lines: ../live/snapshot.h. */
#include "expect.h"

#include <stdio.h>
#include <stdlib.h>

#include "../live/snapshot.h"

static const struct snapshot_znode past[] = {
    { "/low", INT32_MAX - (1 << 20) + 1 }, /* from here a holder that is alone begins anew */
    { "/end", INT32_MAX - (1 << 16) - 1 }, /* two before the end */
    { "/full", INT32_MAX - (1 << 16) + 1 },
};

static char *past_folder;

static int begin(void **state)
{
    char error[256] = "";
    zkbox_options options = ZKBOX_OPTIONS_INIT;

    (void)state;
    past_folder = snapshot_make(past, sizeof(past) / sizeof(past[0]));
    if (!past_folder)
        return -1;
    options.tick_ms = 200;
    options.fsync = false;
    options.data_from = past_folder;
    options.error = error;
    options.error_size = sizeof(error);
    int rc = zkbox_start(&harness_box, &options);
    if (rc != 0)
        fprintf(stderr, "no server: %s\n", error);
    past_folder = snapshot_remove(past_folder);
    return rc;
}

static void status_says_how_many_numbers_are_left(void **state)
{
    (void)state;
    says(0, "/end: lock or election, 0 in line, 2 numbers left\n", "status", "/end");
    says(0, "\"numbers_left\":2", "status", "/end", "--json");
    says(0, "/full: lock or election, 0 in line, 0 numbers left\n", "status", "/full");
}

static void doctor_warns_of_few_numbers(void **state)
{
    (void)state;
    says(0, "warning  path      2 joins are left until the line's numbers are used up; let nobody",
         "doctor", "/end");
}

static void who_comes_too_late_is_told_the_way_out(void **state)
{
    static const char *const way_out =
        "delete its znode when nobody stands there; wait until `latchkey status` shows nobody, "
        "then delete the path";

    (void)state;
    refuses(125, way_out, "lock", "/full", "--", "true");
    refuses(125, way_out, "lock", "-n", "/full", "--", "true");
    refuses(125, way_out, "lock", "-s", "/full", "--", "true");
    refuses(125, way_out, "lock", "--permits", "2", "/full", "--", "true");
    refuses(125, way_out, "elect", "/full", "--", "true");
    says(0, ", 0 in line, 0 numbers left\n", "status", "/full");
}

static void a_command_that_is_alone_begins_the_numbers_anew(void **state)
{
    (void)state;
    tool_free(tool_run(0, ARGS("lock", "/low", "--", "true")));
    refuses(1, "not found", "status", "/low");
    tool_free(tool_run(0, ARGS("lock", "/low", "--", "true")));
    says(0, "/low: lock, 0 in line, 2147418111 numbers left\n", "status", "/low");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_says_how_many_numbers_are_left),
        cmocka_unit_test(doctor_warns_of_few_numbers),
        cmocka_unit_test(who_comes_too_late_is_told_the_way_out),
        cmocka_unit_test(a_command_that_is_alone_begins_the_numbers_anew),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("numbers", tests, begin, harness_stop);
}
