/* test_coupon.c - every verb of `latchkey coupon` on a real server: what it prints, what it
 * refuses, and that an id does nothing twice, also when a reply is lost. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To do what a stranger could do. */
#include <zookeeper/zookeeper.h>

/* "COUPON STATE\n" */
static const char *became(const char *coupon, const char *state)
{
    static char line[128];

    snprintf(line, sizeof(line), "%s %s\n", coupon, state);
    return line;
}

/* ---- campaigns ---- */

static void create_twice_with_one_id_is_one_campaign(void **state)
{
    const char *path = harness_path("sale");
    char line[128];

    (void)state;
    snprintf(line, sizeof(line), "created %s: 5 coupons, 2 per user\n", path);
    gives(0, line, "coupon", "create", path, "--stock", "5", "--per-user", "2", "--id", "birth");
    gives(0, line, "coupon", "create", path, "--stock", "5", "--per-user", "2", "--id", "birth");
    refuses(1, "used before", "coupon", "create", path, "--stock", "6", "--per-user", "2", "--id",
            "birth");
    refuses(1, "used before", "coupon", "create", path, "--stock", "5", "--per-user", "2",
            "--freeze-ttl", "0.0001", "--id", "birth");
    refuses(1, "exists", "coupon", "create", path, "--stock", "5");
    says(0, "available    5\n", "coupon", "show", path);
    says(0, "\"phase\":\"open\",\"stocked\":5,\"available\":5,\"issued\":0,\"per_user\":2,",
         "coupon", "show", path, "--json");
    refuses(1, "not found", "coupon", "show", "/nowhere-at-all");
}

static void relative_times_stay_when_the_command_is_repeated(void **state)
{
    const char *path = harness_path("later");

    (void)state;
    for (int i = 0; i < 2; i++)
        says(0, "created", "coupon", "create", path, "--stock", "1", "--opens", "+3600", "--closes",
             "+7200.5", "--ends", "2999-01-01T00:00:00+02:00", "--id", "later");
    refuses(1, "not open yet; come back at 2", "coupon", "claim", path, "ann");
    says(0, "is           not open yet\n", "coupon", "show", path);
    says(0, "ends         2998-12-31T22:00:00.000Z\n", "coupon", "show", path);
}

static void stock_is_added_and_a_campaign_closed_once_an_id(void **state)
{
    const char *path = new_campaign("stock", "0", "1");

    (void)state;
    refuses(1, "sold out", "coupon", "claim", path, "ann");
    tool_free(tool_run(0, ARGS("coupon", "add-stock", path, "2", "--id", "more")));
    tool_free(tool_run(0, ARGS("coupon", "add-stock", path, "2", "--id", "more")));
    says(0, "stocked      2\n", "coupon", "show", path);
    tool_free(tool_run(0, ARGS("coupon", "close", path, "--id", "shut")));
    tool_free(tool_run(0, ARGS("coupon", "close", path, "--id", "shut")));
    refuses(1, "closed", "coupon", "claim", path, "ann");
    says(0, "\"phase\":\"closed\"", "--json", "coupon", "show", path);
    refuses(1, "closed", "coupon", "add-stock", path, "2");
}

static void a_shard_makes_no_more_than_it_may(void **state)
{
    const char *path = harness_path("full");

    (void)state;
    tool_free(
        tool_run(0, ARGS("coupon", "create", path, "--stock", "1000000000000", "--shards", "1")));
    refuses(64, "10^12 coupons", "coupon", "add-stock", path, "1");
    says(0, "available    1000000000000\n", "coupon", "show", path);
}

static void delete_wants_to_be_meant_and_leaves_nothing(void **state)
{
    const char *path = new_campaign("gone", "3", "1");
    char coupon[64];

    (void)state;
    claim(path, "ann", coupon);
    refuses(64, "--yes", "coupon", "delete", path);
    tool_free(tool_run(0, ARGS("coupon", "delete", path, "--yes")));
    refuses(1, "not found", "coupon", "show", path);
    refuses(1, "not found", "coupon", "delete", path, "--yes");
    tool_free(tool_run(0, ARGS("coupon", "delete", path, "--yes", "--id", "again")));
}

static void a_campaign_grows_once_an_id_and_never_shrinks(void **state)
{
    const char *path = harness_path("grow");
    char line[128], coupon[64];

    (void)state;
    tool_free(tool_run(0, ARGS("coupon", "create", path, "--stock", "9", "--shards", "4")));
    claim(path, "ann", coupon);
    snprintf(line, sizeof(line), "grown %s\n", path);
    gives(0, line, "coupon", "grow", path, "--shards", "16", "--id", "more");
    gives(0, line, "coupon", "grow", path, "--shards", "16", "--id", "more");
    refuses(1, "used before", "coupon", "grow", path, "--shards", "17", "--id", "more");
    refuses(1, "16 shards or more already", "coupon", "grow", path, "--shards", "16");
    refuses(1, "4 shards or more already", "coupon", "grow", path, "--shards", "4");
    says(0, "shards       16\n", "coupon", "show", path);
    tool_free(tool_run(0, ARGS("coupon", "claim", path, "bob", "--count", "8")));
    refuses(1, "sold out", "coupon", "claim", path, "cay");
    says(0, "\nclean\n", "coupon", "audit", path);
    refuses(1, "not found", "coupon", "grow", "/nowhere-at-all", "--shards", "5");
}

static void an_account_remembers_as_much_as_the_history_says(void **state)
{
    const char *path = harness_path("history");
    char a[64];
    size_t count = 0;

    (void)state;
    tool_free(tool_run(
        0, ARGS("coupon", "create", path, "--stock", "5", "--history", "8", "--id", "birth")));
    refuses(1, "used before", "coupon", "create", path, "--stock", "5", "--history", "9", "--id",
            "birth");
    says(0, "history      8\n", "coupon", "show", path);
    says(0, "\"history\":8,", "coupon", "show", path, "--json");
    claim(path, "ann", a);
    for (int i = 0; i < 5; i++) {
        tool_free(tool_run(0, ARGS("coupon", "redeem", path, "ann", a)));
        tool_free(tool_run(0, ARGS("coupon", "refund", path, "ann", a)));
    }
    char *text = prints(0, "coupon", "show", path, "ann");
    for (const char *at = text; (at = strstr(at, "\n    ")) != NULL; at++)
        count++;
    assert_int_equal(count, 1 + 8);
    assert_non_null(strstr(text, "  claim     claimed   id "));
    free(text);
}

static void a_deletion_tells_how_far_it_is(void **state)
{
    const char *const variables[] = { "TERM=xterm", NULL };
    const struct setting terminal = { .on_terminal = true, .variables = variables };
    char coupon[64], user[16];

    (void)state;
    for (int run = 0; run < 3; run++) {
        const char *path = new_campaign("going", "30", "1");
        for (int i = 0; i < 5; i++) {
            snprintf(user, sizeof(user), "user-%d", i);
            claim(path, user, coupon);
        }
        if (run == 0) {
            char *text = prints(0, "-v", "--json", "coupon", "delete", path, "--yes");
            assert_non_null(strstr(text, "\"accounts_deleted\":"));
            assert_non_null(strstr(text, "\"done\":\"deleted\""));
            free(text);
        } else if (run == 1) {
            char *text = prints(0, "--json", "coupon", "delete", path, "--yes");
            assert_null(strstr(text, "accounts_deleted"));
            free(text);
        } else {
            struct tool *tool = tool_start_in(&terminal, ARGS("coupon", "delete", path, "--yes"));
            assert_int_equal(tool_wait(tool), 0);
            assert_non_null(strstr(tool_out(tool), " accounts deleted, "));
            tool_free(tool);
        }
    }
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

/* ---- audit ---- */

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

/* Removes a user's account behind the ledger's back, as a stranger could. */
static void lose_account(const char *path, const char *user)
{
    struct String_vector buckets;
    char name[256];
    size_t lost = 0;

    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *stranger = zookeeper_init(harness_servers(), NULL, 10000, NULL, NULL, 0);
    assert_non_null(stranger);
    snprintf(name, sizeof(name), "%s/accounts", path);
    assert_int_equal(zoo_get_children(stranger, name, 0, &buckets), ZOK);
    for (int i = 0; i < buckets.count; i++) {
        snprintf(name, sizeof(name), "%s/accounts/%s/%s", path, buckets.data[i], user);
        lost += zoo_delete(stranger, name, -1) == ZOK;
    }
    deallocate_String_vector(&buckets);
    zookeeper_close(stranger);
    assert_int_equal(lost, 1);
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

/* ---- what is not understood, and nobody there ---- */

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
                                         "export", "do" };

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
        cmocka_unit_test(create_twice_with_one_id_is_one_campaign),
        cmocka_unit_test(relative_times_stay_when_the_command_is_repeated),
        cmocka_unit_test(stock_is_added_and_a_campaign_closed_once_an_id),
        cmocka_unit_test(a_shard_makes_no_more_than_it_may),
        cmocka_unit_test(delete_wants_to_be_meant_and_leaves_nothing),
        cmocka_unit_test(a_campaign_grows_once_an_id_and_never_shrinks),
        cmocka_unit_test(an_account_remembers_as_much_as_the_history_says),
        cmocka_unit_test(a_deletion_tells_how_far_it_is),
        cmocka_unit_test(a_claim_with_one_id_is_one_claim),
        cmocka_unit_test(lookup_tells_what_an_id_did),
        cmocka_unit_test(a_coupon_goes_from_claim_to_void),
        cmocka_unit_test(show_tells_what_happened_to_each_coupon),
        cmocka_unit_test(unfreeze_finds_its_order_itself),
        cmocka_unit_test(an_audit_counts_everything),
        cmocka_unit_test(an_audit_that_finds_a_fault_is_2_and_names_it),
        cmocka_unit_test(a_repair_is_proposed_and_done_when_told),
        cmocka_unit_test(a_claim_whose_reply_is_lost_is_one_claim),
        cmocka_unit_test(an_unknown_claim_prints_the_id_that_settles_it),
        cmocka_unit_test(bad_usage_is_64_and_points_at_help),
        cmocka_unit_test(every_verb_has_its_help),
        cmocka_unit_test(without_a_server_every_verb_is_69),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon", tests, harness_start, harness_stop);
}
