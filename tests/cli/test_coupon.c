/* test_coupon.c - a coupon's life on a real server, from its claim until it is void: what each verb
 * prints, what it refuses, and that an id does nothing twice, also when a reply is lost. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "COUPON STATE\n" */
static const char *became(const char *coupon, const char *state)
{
    static char line[128];

    snprintf(line, sizeof(line), "%s %s\n", coupon, state);
    return line;
}

/* ---- claims ---- */

static void a_claim_with_one_id_is_one_claim(void **state)
{
    const char *path = new_campaign("claims", "5", "2");

    (void)state;
    char *first = prints(0, "coupon", "claim", path, "ann", "--id", "first");
    gives(0, first, "coupon", "claim", path, "ann", "--id", "first");
    refuses(1, "another count", "coupon", "claim", path, "ann", "--id", "first", "--count", "2");
    refuses(1, "limit", "coupon", "claim", path, "ann", "--count", "2");
    free(first);

    char *two = prints(0, "coupon", "claim", path, "bob", "--count", "2", "--json");
    assert_non_null(strstr(two, "\"user\":\"bob\",\"state\":\"claimed\""));
    assert_non_null(strstr(strchr(two, '\n') + 1, "\"user\":\"bob\",\"state\":\"claimed\""));
    free(two);
}

static void lookup_tells_what_an_id_did(void **state)
{
    const char *path = new_campaign("lookup", "5", "2");
    char line[128];

    (void)state;
    char *first = prints(0, "coupon", "claim", path, "ann", "--id", "first");
    snprintf(line, sizeof(line), "%.*s claimed\n", (int)strcspn(first, "\n"), first);
    gives(0, line, "coupon", "lookup", path, "ann", "first");
    says(0, "\"state\":\"claimed\"", "coupon", "lookup", path, "ann", "first", "--json");
    refuses(1, "not done", "coupon", "lookup", path, "ann", "never");
    free(first);
}

/* ---- one coupon ---- */

static void a_coupon_goes_from_claim_to_void(void **state)
{
    const char *path = new_campaign("life", "3", "0");
    char a[64];

    (void)state;
    claim(path, "ann", a);
    gives(0, became(a, "frozen"), "coupon", "freeze", path, "ann", a, "--order", "o1", "--ttl",
          "600");
    refuses(1, "frozen for an order until 2", "coupon", "freeze", path, "ann", a, "--order", "o2");
    refuses(1, "frozen for an order until 2", "coupon", "redeem", path, "ann", a);
    gives(0, became(a, "redeemed"), "coupon", "redeem", path, "ann", a, "--order", "o1", "--id",
          "spend");
    gives(0, became(a, "redeemed"), "coupon", "redeem", path, "ann", a, "--order", "o1", "--id",
          "spend");
    refuses(1, "redeemed", "coupon", "redeem", path, "ann", a);
    refuses(1, "redeemed", "coupon", "void", path, "ann", a);
    gives(0, became(a, "claimed"), "coupon", "refund", path, "ann", a);
    refuses(1, "not redeemed", "coupon", "refund", path, "ann", a);
    gives(0, became(a, "void"), "coupon", "void", path, "ann", a);
    refuses(1, "void", "coupon", "void", path, "ann", a);
    refuses(1, "no such coupon", "coupon", "redeem", path, "bob", a);
    says(0, "\"state\":\"void\"", "coupon", "show", path, "ann", "--json");
    says(0, "  void      2", "coupon", "show", path, "ann");
}

/* Under each coupon its own, in their order; what time did has no id. */
static void show_tells_what_happened_to_each_coupon(void **state)
{
    const char *path = new_campaign("told", "3", "0");
    char a[64], b[64];

    (void)state;
    claim(path, "ann", a);
    claim(path, "ann", b);
    tool_free(tool_run(
        0, ARGS("coupon", "freeze", path, "ann", a, "--order", "brief", "--ttl", "0.001")));
    tool_free(tool_run(0, ARGS("coupon", "void", path, "ann", b)));
    tool_free(tool_run(0, ARGS("coupon", "redeem", path, "ann", a)));

    char *text = prints(0, "coupon", "show", path, "ann");
    const char *at = strstr(text, "  claim     claimed   id ");
    assert_non_null(at);
    assert_non_null(at = strstr(at, "  freeze    frozen    id "));
    assert_non_null(at = strstr(at, "  order brief\n"));
    assert_non_null(at = strstr(at, "  unfreeze  claimed   zxid "));
    assert_non_null(at = strstr(at, "  order brief  (by time)\n"));
    assert_non_null(at = strstr(at, "  redeem    redeemed  id "));
    assert_non_null(at = strstr(at, b));
    assert_non_null(at = strstr(at, "  claim     claimed   id "));
    assert_non_null(at = strstr(at, "  void      void      id "));
    free(text);

    text = prints(0, "--json", "coupon", "show", path, "ann");
    assert_non_null(at = strstr(text, "\"history\":[{\"verb\":\"claim\",\"state\":\"claimed\","));
    assert_non_null(at = strstr(at,
                                "\"verb\":\"unfreeze\",\"state\":\"claimed\",\"order\":\"brief\","
                                "\"id\":null,"));
    free(text);
}

static void unfreeze_finds_its_order_itself(void **state)
{
    const char *path = new_campaign("thaw", "3", "0");
    char a[64];

    (void)state;
    claim(path, "ann", a);
    refuses(1, "not frozen", "coupon", "unfreeze", path, "ann", a);
    tool_free(tool_run(0, ARGS("coupon", "freeze", path, "ann", a, "--order", "o1")));
    says(0, "  order o1  until 2", "coupon", "show", path, "ann");
    gives(0, became(a, "claimed"), "coupon", "unfreeze", path, "ann", a, "--id", "thaw");
    gives(0, became(a, "claimed"), "coupon", "unfreeze", path, "ann", a, "--id", "thaw");
    refuses(1, "unfrozen before", "coupon", "freeze", path, "ann", a, "--order", "o1");
    gives(0, became(a, "claimed"), "coupon", "unfreeze", path, "ann", a, "--order", "o9");
    refuses(1, "unfrozen before", "coupon", "freeze", path, "ann", a, "--order", "o9");
    refuses(1, "not frozen", "coupon", "redeem", path, "ann", a, "--order", "o9");
    refuses(1, "no such coupon", "coupon", "unfreeze", path, "bob", a);
    tool_free(tool_run(0, ARGS("coupon", "redeem", path, "ann", a)));
    tool_free(tool_run(0, ARGS("coupon", "refund", path, "ann", a, "--id", "back")));
    refuses(1, "not frozen", "coupon", "unfreeze", path, "ann", a, "--id", "back");
    tool_free(tool_run(0, ARGS("coupon", "claim", path, "cay", "--id", "mine")));
    refuses(1, "no such coupon", "coupon", "unfreeze", path, "cay", a, "--id", "mine");
}

/* ---- lost replies ---- */

/* A new user's claim: barriers before its campaign and its account are read, then the commit. */
enum { COMMIT = 3 };

static void a_claim_whose_reply_is_lost_is_one_claim(void **state)
{
    const char *path = new_campaign("lost", "5", "0");

    (void)state;
    zkbox_proxy *proxy = proxy_that_loses(COMMIT, 0);
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    struct tool *tool = tool_start_in(&setting,
                                      ARGS("coupon", "claim", path, "ann", "--id", "once"));
    assert_int_equal(zkbox_proxy_wait_lost(proxy, 30000), 0);
    assert_int_equal(tool_wait(tool), 0);
    gives(0, tool_out(tool), "coupon", "claim", path, "ann", "--id", "once");
    says(0, "issued       1\n", "coupon", "show", path);
    tool_free(tool);
    zkbox_proxy_stop(proxy);
}

static void an_unknown_claim_prints_the_id_that_settles_it(void **state)
{
    const char *path = new_campaign("unknown", "5", "0");
    char id[64] = "";

    (void)state;
    /* The delay keeps the tool from asking again before the link is cut for good. */
    zkbox_proxy *proxy = proxy_that_loses(COMMIT, 100);
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    struct tool *tool = tool_start_in(
        &setting, ARGS("--connect-timeout", "3", "coupon", "claim", path, "ann"));
    assert_int_equal(zkbox_proxy_wait_lost(proxy, 30000), 0);
    zkbox_proxy_cut(proxy);
    assert_int_equal(tool_wait(tool), 75);
    tool_says(tool, "the same command with --id ");
    assert_int_equal(sscanf(strstr(tool_err(tool), "--id "), "--id %63s", id), 1);
    tool_free(tool);
    zkbox_proxy_stop(proxy);

    char *coupon = prints(0, "coupon", "claim", path, "ann", "--id", id);
    gives(0, coupon, "coupon", "claim", path, "ann", "--id", id);
    free(coupon);
    says(0, "issued       1\n", "coupon", "show", path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_with_one_id_is_one_claim),
        cmocka_unit_test(lookup_tells_what_an_id_did),
        cmocka_unit_test(a_coupon_goes_from_claim_to_void),
        cmocka_unit_test(show_tells_what_happened_to_each_coupon),
        cmocka_unit_test(unfreeze_finds_its_order_itself),
        cmocka_unit_test(a_claim_whose_reply_is_lost_is_one_claim),
        cmocka_unit_test(an_unknown_claim_prints_the_id_that_settles_it),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon", tests, harness_start, harness_stop);
}
