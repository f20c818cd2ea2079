/* test_coupon_do.c - `coupon do`: a file of operations is answered line by line, chains happen whole,
 * ids make it safe to repeat, and what is not understood ends it before harm is done. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Runs `coupon do` on these lines; freed by the caller. */
static struct tool *do_lines(const char *path, const char *id, const char *text, int code)
{
    char name[64];

    write_file(name, text);
    struct tool *tool = id ? tool_run(code, ARGS("coupon", "do", path, "--from", name, "--id", id))
                           : tool_run(code, ARGS("coupon", "do", path, "--from", name));
    unlink(name);
    return tool;
}

static void each_line_has_its_answer_in_order(void **state)
{
    const char *path = new_campaign("do", "9", "2");
    char a[64], lines[1024], expected[1024];

    (void)state;
    claim(path, "ann", a);
    snprintf(lines, sizeof(lines),
             "{\"verb\":\"freeze\",\"user\":\"ann\",\"coupon\":\"%s\",\"order\":\"o\",\"ttl\":60}\n"
             "\n"
             "{\"verb\":\"redeem\",\"user\":\"ann\",\"coupon\":\"%s\",\"order\":\"o\",\"id\":"
             "\"pay\"}\r\n"
             "{\"verb\":\"void\",\"user\":\"ann\",\"coupon\":\"%s\"}\n"
             "{\"verb\":\"claim\",\"user\":\"ann\",\"count\":2}\n"
             "{\"verb\":\"claim\",\"user\":\"b\\\"\\u00f6b\",\"count\":65}\n"
             "{\"verb\":\"refund\",\"user\":\"ann\",\"coupon\":\"%s\"}",
             a, a, a, a);
    snprintf(expected, sizeof(expected),
             "freeze\tann\tok\t%s\n"
             "redeem\tann\tok\t%s\n"
             "void\tann\tredeemed\t\n"
             "claim\tann\tlimit\t\n"
             "claim\tb\"\303\266b\tinvalid\t\n"
             "refund\tann\tok\t%s\n",
             a, a, a);
    struct tool *tool = do_lines(path, NULL, lines, 0);
    assert_string_equal(tool_out(tool), expected);
    tool_says(tool, "3 done, 3 refused, 0 without an answer");
    tool_free(tool);
    says(0, "\"state\":\"redeemed\"", "--json", "coupon", "lookup", path, "ann", "pay");
}

static void a_chain_happens_whole_or_not_at_all(void **state)
{
    const char *path = new_campaign("chain", "9", "0");
    char a[64], b[64], lines[1024];

    (void)state;
    claim(path, "ann", a);
    claim(path, "bob", b);
    snprintf(
        lines, sizeof(lines),
        "{\"verb\":\"freeze\",\"user\":\"ann\",\"coupon\":\"%s\",\"order\":\"o\",\"linked\":true}\n"
        "{\"verb\":\"freeze\",\"user\":\"bob\",\"coupon\":\"%s\",\"order\":\"o\"}\n"
        "{\"verb\":\"redeem\",\"user\":\"ann\",\"coupon\":\"%s\",\"order\":\"o\",\"linked\":true}\n"
        "{\"verb\":\"redeem\",\"user\":\"bob\",\"coupon\":\"%s\",\"order\":\"other\"}\n"
        "{\"verb\":\"claim\",\"user\":\"cay\"}\n",
        a, b, a, b);
    struct tool *tool = do_lines(path, NULL, lines, 0);
    assert_non_null(
        strstr(tool_out(tool), "redeem\tann\tlinked\t\nredeem\tbob\tfrozen\t\nclaim\tcay\tok\t"));
    tool_free(tool);
    says(0, "frozen", "coupon", "show", path, "ann");
    says(0, "frozen", "coupon", "show", path, "bob");
}

static void the_same_lines_with_a_prefix_do_nothing_twice(void **state)
{
    const char *path = new_campaign("prefix", "9", "0");
    static const char lines[] = "{\"verb\":\"claim\",\"user\":\"ann\"}\n"
                                "{\"verb\":\"claim\",\"user\":\"ann\"}\n"
                                "{\"verb\":\"claim\",\"user\":\"bob\",\"count\":3}\n";

    (void)state;
    struct tool *first = do_lines(path, "list", lines, 0),
                *second = do_lines(path, "list", lines, 0);
    char *text = strdup(tool_out(first));
    assert_string_equal(tool_out(second), text);
    free(text);
    tool_free(first);
    tool_free(second);
    says(0, "issued       5\n", "coupon", "show", path);
}

/* The id is asked again in the other way, with the same digits. */
static void a_freeze_lasts_as_long_as_by_its_own_verb(void **state)
{
    static const char *const ttls[] = { "0.0001", "1.001", "2.051", "4.35", "900", "10000000.1" };
    const char *path = new_campaign("ttl", "9", "0");
    char coupon[64], lines[256], expected[128];

    (void)state;
    for (size_t i = 0; i < sizeof(ttls) / sizeof(ttls[0]); i++) {
        claim(path, "ann", coupon);
        snprintf(lines, sizeof(lines),
                 "{\"verb\":\"freeze\",\"user\":\"ann\",\"coupon\":\"%s\",\"order\":\"o\","
                 "\"ttl\":%s,\"id\":\"%s\"}\n",
                 coupon, ttls[i], ttls[i]);
        snprintf(expected, sizeof(expected), "freeze\tann\tok\t%s\n", coupon);
        tool_free(tool_run(0, ARGS("coupon", "freeze", path, "ann", coupon, "--order", "o", "--ttl",
                                   ttls[i], "--id", ttls[i])));
        struct tool *tool = do_lines(path, NULL, lines, 0);
        assert_string_equal(tool_out(tool), expected);
        tool_free(tool);
    }
}

static void an_unknown_line_without_an_id_is_told_the_one_that_settles_it(void **state)
{
    /* Before the commit: barriers as the campaign, its shards, then its record and the account are
     * read. */
    enum { COMMIT = 5 };
    const char *path = new_campaign("unknown", "5", "0"), *told;
    char from[64], id[64] = "", line[128];

    (void)state;
    write_file(from, "{\"verb\":\"claim\",\"user\":\"ann\"}\nand this is nothing\n");
    zkbox_proxy *proxy = proxy_that_loses(COMMIT, 100);
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    struct tool *tool = tool_start_in(
        &setting, ARGS("-q", "--connect-timeout", "3", "coupon", "do", path, "--from", from));
    assert_int_equal(zkbox_proxy_wait_lost(proxy, 30000), 0);
    zkbox_proxy_cut(proxy);
    /* What may have been done goes before what was not understood. */
    assert_int_equal(tool_wait(tool), 75);
    assert_non_null(strstr(tool_err(tool), ": line 2: it is no JSON"));
    assert_string_equal(tool_out(tool), "claim\tann\tunknown\t\n");
    told = strstr(tool_err(tool), "\"id\": \"");
    assert_non_null(told);
    assert_int_equal(sscanf(told, "\"id\": \"%32[0-9a-f]", id), 1);
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    unlink(from);

    snprintf(line, sizeof(line), "{\"verb\":\"claim\",\"user\":\"ann\",\"id\":\"%s\"}\n", id);
    tool_free(do_lines(path, NULL, line, 0));
    says(0, "issued       1\n", "coupon", "show", path);
}

static void a_line_that_is_not_understood_ends_it(void **state)
{
    static const struct {
        const char *line, *why;
    } bad[] = {
        { "claim ann", "it is no JSON" },
        { "[]", "must be an object" },
        { "{\"verb\":\"claim\"}", "must be an object" },
        { "{\"verb\":\"claim\",\"user\":7}", "must be an object" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"user\":\"b\"}", "it is no JSON" },
        { "{\"verb\":\"claim\",\"user\":\"a\\u0000b\"}", "it is no JSON" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"linkd\":true}", "must be an object" },
        { "{\"verb\":\"steal\",\"user\":\"a\"}", "no such verb" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"coupon\":\"0-1\"}", "names no coupon" },
        { "{\"verb\":\"void\",\"user\":\"a\"}", "names no coupon" },
        { "{\"verb\":\"void\",\"user\":\"a\",\"coupon\":\"one\"}", "SHARD-SERIAL" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"count\":0}", "1 to 64" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"count\":4294967297}", "1 to 64" },
        { "{\"verb\":\"freeze\",\"user\":\"a\",\"coupon\":\"0-1\",\"order\":\"o\",\"ttl\":0}",
          "above 0" },
        { "{\"verb\":\"claim\",\"user\":\"a\",\"id\":\"\"}", "1 to 256 bytes" },
    };
    const char *path = new_campaign("bad", "99", "0");
    char lines[1024];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(lines, sizeof(lines),
                 "{\"verb\":\"claim\",\"user\":\"ann\"}\n"
                 "{\"verb\":\"claim\",\"user\":\"bob\",\"linked\":true}\n"
                 "%s\n"
                 "{\"verb\":\"claim\",\"user\":\"cay\"}\n",
                 bad[i].line);
        struct tool *tool = do_lines(path, "same", lines, 64);
        assert_non_null(strstr(tool_out(tool), "claim\tann\tok\t"));
        assert_non_null(strstr(tool_out(tool), "claim\tbob\tinvalid\t\n"));
        assert_null(strstr(tool_out(tool), "cay"));
        assert_non_null(strstr(tool_err(tool), ": line 3: "));
        assert_non_null(strstr(tool_err(tool), bad[i].why));
        tool_free(tool);
    }
    says(0, "issued       1\n", "coupon", "show", path);
}

/* The rest of a chain that is too long must not happen as a chain of its own. */
static void a_chain_that_is_too_long_is_refused_to_its_end(void **state)
{
    const char *path = new_campaign("endless", "5000", "0");
    char *lines = calloc(6000, 64), *end = lines;

    (void)state;
    assert_non_null(lines);
    for (int i = 0; i < 40; i++)
        end += sprintf(end, "{\"verb\":\"claim\",\"user\":\"u%d\",\"linked\":%s}\n", i,
                       i < 39 ? "true" : "false");
    struct tool *tool = do_lines(path, NULL, lines, 0);
    assert_null(strstr(tool_out(tool), "\tok\t"));
    assert_non_null(strstr(tool_out(tool), "claim\tu39\tinvalid\t\n"));
    tool_free(tool);
    end = lines;
    for (int i = 0; i < 5000; i++)
        end += sprintf(end, "{\"verb\":\"claim\",\"user\":\"u%d\",\"linked\":%s}\n", i,
                       i < 4999 ? "true" : "false");
    tool = do_lines(path, NULL, lines, 64);
    assert_null(strstr(tool_out(tool), "\tok\t"));
    assert_non_null(strstr(tool_err(tool), "its chain is too long"));
    tool_free(tool);
    free(lines);
    says(0, "issued       0\n", "coupon", "show", path);
}

enum { MANY = 30000 };

static void a_server_killed_in_the_middle_costs_no_line_and_no_coupon(void **state)
{
    const char *path = new_campaign("killed", "40000", "1");
    char word[32], *lines = calloc(MANY, 64), *end = lines;

    (void)state;
    assert_non_null(lines);
    for (int i = 0; i < MANY; i++)
        end += sprintf(end, "{\"verb\":\"claim\",\"user\":\"user-%d\"}\n", i);
    char *text = run_through_a_crash("do", path, lines);
    free(lines);
    const char *at = text;
    for (int i = 0; i < MANY; i++, at = strchr(at, '\n') + 1) {
        int size = snprintf(word, sizeof(word), "claim\tuser-%d\tok\t", i);
        assert_memory_equal(at, word, size);
    }
    assert_string_equal(at, "");
    free(text);
    says(0, "\"clean\":true,\"stocked\":40000,\"available\":10000,\"issued\":30000,", "coupon",
         "audit", path, "--json");
}

static void bad_usage_is_refused_before_anything_is_done(void **state)
{
    const char *path = new_campaign("usage", "9", "0");

    (void)state;
    expect_line_refused(64, "--help", "coupon do");
    expect_line_refused(64, "--from FILE", "coupon do /s");
    expect_line_refused(64, "--help", "coupon do s --from /dev/null");
    expect_line_refused(64, "--help", "coupon do /s --from /dev/null --id \377");
    refuses(64, "No such file", "coupon", "do", path, "--from", "/nowhere-at-all");
    refuses(64, "Is a directory", "-q", "coupon", "do", path, "--from", "/tmp");
    refuses(1, "not found", "coupon", "do", "/nowhere-at-all", "--from", "/dev/null");
    gives(0, "", "coupon", "do", path, "--from", "/dev/null");
    says(0, "usage: latchkey coupon do CAMPAIGN", "coupon", "do", "--help");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_has_its_answer_in_order),
        cmocka_unit_test(a_chain_happens_whole_or_not_at_all),
        cmocka_unit_test(the_same_lines_with_a_prefix_do_nothing_twice),
        cmocka_unit_test(a_freeze_lasts_as_long_as_by_its_own_verb),
        cmocka_unit_test(an_unknown_line_without_an_id_is_told_the_one_that_settles_it),
        cmocka_unit_test(a_line_that_is_not_understood_ends_it),
        cmocka_unit_test(a_chain_that_is_too_long_is_refused_to_its_end),
        cmocka_unit_test(a_server_killed_in_the_middle_costs_no_line_and_no_coupon),
        cmocka_unit_test(bad_usage_is_refused_before_anything_is_done),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_do", tests, harness_start, harness_stop);
}
