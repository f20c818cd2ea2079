/* test_doctor.c - `latchkey doctor`: what is fine, what is not, and what to do. The harness' server
 * has 200 ms ticks. */
#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void a_healthy_server_is_fine(void **state)
{
    (void)state;
    char *text = prints(0, "doctor");
    assert_non_null(strstr(text, "fine     client    latchkey "));
    assert_non_null(strstr(text, " is ZooKeeper 3."));
    assert_non_null(strstr(text, ", standalone\n"));
    assert_non_null(strstr(text, "fine     session   10000 ms, 50 ticks of about 200 ms; a grant "
                                 "outlives an outage of 5 s\n"));
    assert_non_null(strstr(text, "latency   a read takes "));
    assert_non_null(strstr(text, "latency   a commit takes "));
    assert_non_null(strstr(text, "fine     clock     the server's clock and ours agree\n"));
    assert_null(strstr(text, "bad "));
    free(text);
}

static void a_short_session_is_warned_of(void **state)
{
    (void)state;
    says(0, "warning  session   800 ms are 4.0 ticks of about 200 ms", "doctor",
         "--session-timeout", "0.8");
    says(0, "warning  session   100 ms were asked for, the servers grant 400 ms", "doctor",
         "--session-timeout", "0.1");
}

static void a_server_that_is_down_is_named(void **state)
{
    char servers[128];

    (void)state;
    snprintf(servers, sizeof(servers), "%s,%s", harness_servers(), harness_no_server());
    says(0, "can't be reached: Connection refused; start it", "--servers", servers, "doctor");
}

static void a_path_is_told_for_what_it_is(void **state)
{
    const char *sale = harness_path("sale"), *line = harness_path("line");
    char words[128];

    (void)state;
    snprintf(words, sizeof(words), "fine     path      %s does not exist", sale);
    says(0, words, "doctor", sale);
    tool_free(tool_run(0, ARGS("coupon", "create", sale, "--stock", "3")));
    snprintf(words, sizeof(words),
             "\"finding\":\"fine\",\"what\":\"%s is a campaign: 0 of 3 coupons issued\"", sale);
    says(0, words, "doctor", sale, "--json");
    snprintf(words, sizeof(words), "fine     path      %s is a lock line; 1 stand there\n", line);
    says(0, words, "lock", line, "--", "sh", "-c", "\"$LATCHKEY\" doctor \"$LATCHKEY_LOCK_PATH\"");
}

/* Another kind's path is where the advice of the other verbs leads to: here it must be said what it
 * is. */
static void the_advice_on_a_wrong_kind_says_what_it_is(void **state)
{
    const char *sale = harness_path("sale");

    (void)state;
    tool_free(tool_run(0, ARGS("coupon", "create", sale, "--stock", "3")));
    refuses(1, "`latchkey doctor PATH`", "status", sale);
    refuses(125, "`latchkey doctor PATH`", "lock", sale, "--", "true");
    says(0, "is a campaign", "doctor", sale);
}

static void a_full_disk_is_named(void **state)
{
    const struct setting setting = { .out_to = "/dev/full" };
    struct tool *tool = tool_start_in(&setting, ARGS("doctor"));

    (void)state;
    assert_int_equal(tool_wait(tool), 125);
    tool_says(tool, "No space left on device");
    tool_free(tool);
}

static void bad_usage_is_64_and_no_server_69(void **state)
{
    (void)state;
    expect_line_refused(64, "--help", "doctor word");
    expect_line_refused(64, "--help", "doctor /a /b");
    expect_line_refused(64, "--help", "doctor --wrong");
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3",
            "doctor");
    says(0, "usage: latchkey doctor ", "doctor", "--help");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_server_is_fine),
        cmocka_unit_test(a_short_session_is_warned_of),
        cmocka_unit_test(a_server_that_is_down_is_named),
        cmocka_unit_test(a_path_is_told_for_what_it_is),
        cmocka_unit_test(the_advice_on_a_wrong_kind_says_what_it_is),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(bad_usage_is_64_and_no_server_69),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("doctor", tests, harness_start, harness_stop);
}
