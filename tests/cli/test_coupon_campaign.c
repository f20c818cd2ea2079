/* test_coupon_campaign.c - what is done to a campaign as a whole: it is made, gets stock and shards,
 * is closed and deleted, each once an id. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void a_deletion_tells_how_far_it_is(void **state)
{
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
            char *text = shows(0, "coupon", "delete", path, "--yes");
            assert_non_null(strstr(text, " accounts deleted, "));
            free(text);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_twice_with_one_id_is_one_campaign),
        cmocka_unit_test(relative_times_stay_when_the_command_is_repeated),
        cmocka_unit_test(stock_is_added_and_a_campaign_closed_once_an_id),
        cmocka_unit_test(a_shard_makes_no_more_than_it_may),
        cmocka_unit_test(a_campaign_grows_once_an_id_and_never_shrinks),
        cmocka_unit_test(an_account_remembers_as_much_as_the_history_says),
        cmocka_unit_test(delete_wants_to_be_meant_and_leaves_nothing),
        cmocka_unit_test(a_deletion_tells_how_far_it_is),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_campaign", tests, harness_start, harness_stop);
}
