/* test_doctor.c - `latchkey doctor`: what is fine, what is not, and what to do. The harness' server
 * has 200 ms ticks. */
#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <latchkey/latchkey.h>
#include <zookeeper/zookeeper.h>

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

/* It is about the servers then: what can be seen of each is told before the refusal. */
static void without_a_session_it_still_says_what_each_server_answers(void **state)
{
    (void)state;
    struct tool *tool = tool_run(
        69, ARGS("--servers", harness_no_server(), "--connect-timeout", "0.3", "doctor"));
    assert_non_null(strstr(tool_out(tool), "warning  server    127.0.0.1:"));
    assert_non_null(strstr(tool_out(tool), "can't be reached: Connection refused; start it"));
    assert_null(strstr(tool_out(tool), "latency"));
    tool_says(tool, "no server could be reached; start one");
    tool_free(tool);
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

/* ---- who can stand in one line ---- */

static zhandle_t *witness_open(void)
{
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *witness = zookeeper_init(harness_servers(), NULL, 10000, NULL, NULL, 0);
    assert_non_null(witness);
    return witness;
}

static void stand_there(zhandle_t *witness, const char *path, const char *name, int mode)
{
    char child[256];

    snprintf(child, sizeof(child), "%s/%s", path, name);
    assert_int_equal(zoo_create(witness, child, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, mode, NULL, 0),
                     ZOK);
}

static void names_that_do_not_see_each_other_are_bad(void **state)
{
    static const struct {
        const char *one, *other;
        bool is_bad;
    } pairs[] = {
        { "_c_1-lock-", "2__lock__", true },     { "_c_1-__WRIT__", "lk-lock-", true },
        { "_c_1-__READ__", "_c_2-lock-", true }, { "lk-read-lock-", "2__rlock__", true },
        { "_c_1-lock-", "lk-lock-", false },     { "_c_1-__READ__", "lk-__WRIT__", false },
        { "1__lock__", "lk__rlock__", false },   { "1-lock-", "_c_2-lock-", false },
        { "unknown-", "lk-lock-", false },       { "_c_1-latch-", "lk-lock-", true },
        { "unknown-", "_c_1-lock-", true },
    };
    zhandle_t *witness = witness_open();

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *path = harness_path("mixed");
        char words[256];

        assert_int_equal(zoo_create(witness, path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0),
                         ZOK);
        stand_there(witness, path, pairs[i].one, ZOO_EPHEMERAL_SEQUENTIAL);
        stand_there(witness, path, pairs[i].other, ZOO_EPHEMERAL_SEQUENTIAL);
        snprintf(words, sizeof(words),
                 "bad      path      %s0000000000 and %s0000000001 stand in one line", pairs[i].one,
                 pairs[i].other);
        char *text = prints(pairs[i].is_bad ? 1 : 0, "doctor", path);
        if (pairs[i].is_bad)
            assert_non_null(strstr(text, words));
        else
            assert_null(strstr(text, "two may hold"));
        free(text);
    }
    zookeeper_close(witness);
}

static void ignore_done(int status, void *arg)
{
    (void)status;
    (void)arg;
}

static void two_profiles_of_latchkey_are_warned_of(void **state)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_lock_options other = LK_LOCK_OPTIONS_INIT;
    const char *path = harness_path("profiles");
    lk_client *client;
    lk_lock *native, *kazoo;

    (void)state;
    options.servers = harness_servers();
    other.compat = LK_COMPAT_KAZOO;
    assert_int_equal(lk_client_new(&client, &options), LK_OK);
    assert_int_equal(lk_lock_new(&native, client, path, NULL), LK_OK);
    assert_int_equal(lk_lock_new(&kazoo, client, path, &other), LK_OK);
    assert_int_equal(lk_lock_acquire(native, lk_in_ms(60000), NULL), LK_OK);
    assert_int_equal(lk_lock_acquire_start(kazoo, LK_FOREVER, ignore_done, NULL, NULL), LK_OK);
    await_line(path, 2);
    says(0, "lk-lock-0000000000 and lk__lock__0000000001 are of two profiles", "doctor", path);
    lk_lock_free(kazoo);
    lk_lock_free(native);
    lk_client_free(client);
}

static void what_does_not_stand_there_is_bad_for_curator(void **state)
{
    const char *path = harness_path("curator");
    zhandle_t *witness = witness_open();

    (void)state;
    assert_int_equal(zoo_create(witness, path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
    stand_there(witness, path, "notes", 0);
    says(0, "notes is foreign: it does not stand in the line; remove it", "doctor", path);
    stand_there(witness, path, "_c_1-lock-", ZOO_EPHEMERAL_SEQUENTIAL);
    says(1, "but Curator's locks take it for one who waits; remove it", "doctor", path);
    zookeeper_close(witness);
}

/* What stands directly below the top of the tree. */
static int names_at_the_top(void)
{
    struct String_vector names;

    zhandle_t *witness = witness_open();
    assert_int_equal(zoo_get_children(witness, "/", 0, &names), ZOK);
    int count = names.count;
    deallocate_String_vector(&names);
    zookeeper_close(witness);
    return count;
}

static void it_leaves_nothing_behind(void **state)
{
    (void)state;
    int before = names_at_the_top();
    says(0, "latency   a commit takes ", "doctor");
    says(0, "does not exist", "doctor", "/of/all/this/nothing/is/there");
    says(0, "latency   a commit takes ", "--root", "/nor/this", "doctor");
    assert_int_equal(names_at_the_top(), before);
    says(0, "created", "coupon", "create", harness_path("sale"), "--stock", "1", "--opens", "+60");
    assert_int_equal(names_at_the_top(), before + 1);
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

static void bad_usage_is_64(void **state)
{
    (void)state;
    expect_line_refused(64, "--help", "doctor word");
    expect_line_refused(64, "--help", "doctor /a /b");
    expect_line_refused(64, "--help", "doctor --wrong");
    says(0, "usage: latchkey doctor ", "doctor", "--help");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_healthy_server_is_fine),
        cmocka_unit_test(a_short_session_is_warned_of),
        cmocka_unit_test(a_server_that_is_down_is_named),
        cmocka_unit_test(without_a_session_it_still_says_what_each_server_answers),
        cmocka_unit_test(a_path_is_told_for_what_it_is),
        cmocka_unit_test(names_that_do_not_see_each_other_are_bad),
        cmocka_unit_test(two_profiles_of_latchkey_are_warned_of),
        cmocka_unit_test(what_does_not_stand_there_is_bad_for_curator),
        cmocka_unit_test(it_leaves_nothing_behind),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(bad_usage_is_64),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("doctor", tests, harness_start, harness_stop);
}
