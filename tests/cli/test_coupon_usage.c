/* test_coupon_usage.c - the verbs of `latchkey coupon` before they do anything: what is not
 * understood, what --help says, and nobody there to ask. */
#include "expect.h"

#include <stdio.h>

static void bad_usage_is_64_and_points_at_help(void **state)
{
    static const char *const lines[] = {
        "coupon",
        "coupon sell /s",
        "coupon claim",
        "coupon claim /s",
        "coupon claim s ann",
        "coupon claim /s ann bob",
        "coupon claim /s ann --count 0",
        "coupon claim /s ann --count 65",
        "coupon claim /s ann --from x",
        "coupon claim /s a\tb",
        "coupon claim /s \377",
        "coupon claim /s --from /dev/null --id \377",
        "coupon create /s",
        "coupon create /s --stock x",
        "coupon create /s --stock -1",
        "coupon create /s --stock 1 --opens tomorrow",
        "coupon create /s --stock 1 --ends 2026-02-29T00:00:00Z",
        "coupon create /s --stock 1 --shards 65",
        "coupon create /s --stock 1 --freeze-ttl 0",
        "coupon create /s --stock 1 --history 7",
        "coupon create /s --stock 1 --history 1025",
        "coupon grow /s",
        "coupon grow /s --shards 0",
        "coupon grow /s --shards 65",
        "coupon freeze /s ann 0-1",
        "coupon freeze /s ann 0-1 --order o --ttl 0",
        "coupon freeze /s ann 0-1 --order o --ttl nan",
        "coupon redeem /s ann zero",
        "coupon redeem /s ann 0-1 --ttl 3",
        "coupon void /s ann",
        "coupon lookup /s ann",
        "coupon add-stock /s 0",
        "coupon add-stock /s 1000000000001",
        "coupon create /s --stock 1000000000001",
        "coupon add-stock /s",
        "coupon close",
        "coupon delete /s --force",
        "coupon audit",
        "coupon audit /s now",
        "coupon list s",
        "coupon show /s a b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect_line_refused(64, "--help", lines[i]);
    refuses(64, "--help", "coupon", "claim", "/s", "");
    refuses(64, "--help", "coupon", "redeem", "/s", "ann", "0-1", "--order", "");
    refuses(64, "--id", "coupon", "claim", "/s", "ann", "--id", "");
}

static void every_verb_has_its_help(void **state)
{
    static const char *const verbs[] = { "create", "claim", "freeze", "unfreeze",  "redeem",
                                         "refund", "void",  "show",   "lookup",    "list",
                                         "audit",  "close", "delete", "add-stock", "grow",
                                         "export", "do",    "sweep",  "watch" };

    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        char usage[64];
        snprintf(usage, sizeof(usage), "usage: latchkey coupon %s CAMPAIGN", verbs[i]);
        says(0, usage, "coupon", verbs[i], "--help");
        refuses(64, "--help", "coupon", verbs[i], "--wrong");
    }
    says(0, "usage: latchkey coupon VERB", "coupon", "--help");
}

static void without_a_server_every_verb_is_69(void **state)
{
    static const char *const lines[] = {
        "create /s --stock 1",
        "claim /s ann",
        "claim /s --from /dev/null",
        "unfreeze /s ann 0-1",
        "freeze /s ann 0-1 --order o",
        "redeem /s ann 0-1",
        "refund /s ann 0-1",
        "void /s ann 0-1",
        "show /s",
        "show /s ann",
        "lookup /s ann i",
        "list /s",
        "audit /s",
        "add-stock /s 1",
        "grow /s --shards 5",
        "export /s",
        "do /s --from /dev/null",
        "close /s",
        "delete /s --yes",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char line[128];
        snprintf(line, sizeof(line), "--servers %s --connect-timeout 0.3 coupon %s",
                 harness_no_server(), lines[i]);
        expect_line_refused(69, "no server", line);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_usage_is_64_and_points_at_help),
        cmocka_unit_test(every_verb_has_its_help),
        cmocka_unit_test(without_a_server_every_verb_is_69),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_usage", tests, harness_start, harness_stop);
}
