/* test_coupon_audit.c - `coupon audit`: everything is counted, what is wrong is named, and with
 * --repair mended, but only when told to. */
#include "coupons.h"

#include <stdio.h>
#include <string.h>

static void an_audit_counts_everything(void **state)
{
    const char *path = new_campaign("audit", "7", "0");
    char a[64], b[64], c[64];

    (void)state;
    claim(path, "ann", a);
    claim(path, "bob", b);
    claim(path, "bob", c);
    tool_free(tool_run(0, ARGS("coupon", "redeem", path, "ann", a)));
    tool_free(tool_run(0, ARGS("coupon", "freeze", path, "bob", b, "--order", "o")));
    tool_free(tool_run(0, ARGS("coupon", "void", path, "bob", c)));
    gives(0,
          "stocked               7\n"
          "available             4\n"
          "issued                3\n"
          "  claimed             0\n"
          "  frozen              1\n"
          "  redeemed            1\n"
          "  void                1\n"
          "accounts              2\n"
          "clean\n",
          "coupon", "audit", path);
}

static void an_audit_that_finds_a_fault_is_2_and_names_it(void **state)
{
    const char *path = new_campaign("fault", "7", "0");
    char coupon[64];

    (void)state;
    claim(path, "ann", coupon);
    lose_account(path, "ann");
    struct tool *tool = tool_run(2, ARGS("coupon", "audit", path));
    assert_non_null(strstr(tool_out(tool), "\nfault: "));
    assert_non_null(strstr(tool_out(tool), coupon));
    assert_non_null(strstr(tool_out(tool), "\nNOT clean\n"));
    tool_says(tool, " faults, the first: ");
    tool_free(tool);
    tool = tool_run(2, ARGS("coupon", "audit", path, "--json"));
    assert_non_null(strstr(tool_out(tool), "\"clean\":false,"));
    tool_free(tool);
}

static void a_repair_is_proposed_and_done_when_told(void **state)
{
    const char *path = new_campaign("repair", "7", "0");
    char coupon[64], words[200];

    (void)state;
    claim(path, "ann", coupon);
    lose_account(path, "ann");
    tool_free(tool_run(64, ARGS("coupon", "audit", path, "--yes")));
    struct tool *tool = tool_run(2, ARGS("coupon", "audit", path, "--repair"));
    snprintf(words, sizeof(words), "\nrepair: 1: proposed: coupon %s back to the stock\n", coupon);
    assert_non_null(strstr(tool_out(tool), words));
    tool_free(tool);
    tool = tool_run(2, ARGS("coupon", "audit", path, "--repair", "--yes", "--json"));
    assert_non_null(strstr(tool_out(tool), "\"kind\":\"lost\""));
    assert_non_null(strstr(tool_out(tool), "{\"repair\":\"done\","));
    tool_says(tool, "repaired; audit again");
    tool_free(tool);
    tool_free(tool_run(0, ARGS("coupon", "audit", path, "--repair")));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_audit_counts_everything),
        cmocka_unit_test(an_audit_that_finds_a_fault_is_2_and_names_it),
        cmocka_unit_test(a_repair_is_proposed_and_done_when_told),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_audit", tests, harness_start, harness_stop);
}
