/* test_tree.c - the simulated servers by themselves: do they show a client what ZooKeeper's do,
 * where latchkey depends on it? Znodes, watches, lost connections, the ends of sessions. (That they
 * do so in general is for the differential test to show.) Followers and leaders: test_ensemble.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "test_tree_story.h"

/* ---- znodes ---- */

static void names_count_creates_and_cversion_counts_both(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/q/n-", KEEPER_EPHEMERAL_SEQUENTIAL);
    ask_create(&a, "3", "/q/plain", KEEPER_PERSISTENT);
    ask_create(&a, "4", "/q/plain", KEEPER_PERSISTENT);
    ask_create(&a, "5", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask_delete(&a, "6", "/q/n-0000000000");
    ask_create(&a, "7", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q) a:2=OK(/q/n-0000000000) a:3=OK(/q/plain) a:4=NODE_EXISTS "
                         "a:5=OK(/q/n-0000000002) a:6=OK a:7=OK(/q/n-0000000003) ");
    struct keeper_stat stat = znode_stat(truth(&story, "/q"));
    assert_int_equal(stat.child_count, 3);
    assert_int_equal(stat.cversion, 2 * 4 - 3);
    assert_int_equal(keeper_next_number(&stat), 4);
    assert_int_equal(stat.pzxid, truth(&story, "/q/n-0000000003")->stat.czxid);
    story_end(&story);
}

static void the_count_of_creates_sticks_at_its_end_and_comes_back_from_a_failed_multi(void **state)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE, .path = "/q/n-", .mode = KEEPER_PERSISTENT_SEQUENTIAL },
        { .verb = KEEPER_CHECK, .path = "/none", .version = KEEPER_ANY_VERSION },
    };
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    ensemble_found(&story.sim.ensemble, "/q", INT32_MAX - 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask(&a, "2",
        (struct keeper_request){
            .verb = KEEPER_MULTI, .operations = operations, .operation_count = 2 });
    ask_create(&a, "3", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask_create(&a, "4", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q/n-2147483646) a:2=NO_NODE a:3=OK(/q/n-2147483647) "
                         "a:4=NODE_EXISTS ");
    story_end(&story);
}

static void a_failed_multi_leaves_no_trace(void **state)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE, .path = "/q/n-", .mode = KEEPER_PERSISTENT_SEQUENTIAL },
        { .verb = KEEPER_SET, .path = "/q", .data = "x", .data_size = 1, .version = 0 },
        { .verb = KEEPER_DELETE, .path = "/q/old", .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_CHECK, .path = "/q", .version = 7 },
        { .verb = KEEPER_DELETE, .path = "/none", .version = KEEPER_ANY_VERSION },
    };
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/q/old", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    struct keeper_stat before = znode_stat(truth(&story, "/q"));
    ask(&a, "3",
        (struct keeper_request){
            .verb = KEEPER_MULTI, .operations = operations, .operation_count = 5 });
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q) a:2=OK(/q/old) a:3=BAD_VERSION ");
    struct keeper_stat after = znode_stat(truth(&story, "/q"));
    assert_int_equal(after.pzxid, before.pzxid);
    assert_int_equal(after.mzxid, before.mzxid);
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.cversion, before.cversion);
    assert_int_equal(after.child_count, before.child_count);
    ask_create(&a, "4", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:4=OK(/q/n-0000000001) ");
    story_end(&story);
}

static void refusals_are_those_of_zookeeper(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/x/y", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/e", KEEPER_EPHEMERAL);
    ask_create(&a, "3", "/e/child", KEEPER_PERSISTENT);
    ask_create(&a, "4", "/p", KEEPER_PERSISTENT);
    ask_create(&a, "5", "/p/c", KEEPER_PERSISTENT);
    ask_delete(&a, "6", "/p");
    ask(&a, "7", (struct keeper_request){ .verb = KEEPER_SET, .path = "/p", .version = 3 });
    ask(&a, "8",
        (struct keeper_request){
            .verb = KEEPER_CREATE, .path = "/c", .access = LK_ACCESS_CREATOR });
    pass(&story, 50 * MS);
    assert_heard(
        &story, "a:1=NO_NODE a:2=OK(/e) a:3=EPHEMERAL_PARENT a:4=OK(/p) a:5=OK(/p/c) a:6=NOT_EMPTY "
                "a:7=BAD_VERSION a:8=NO_RIGHTS ");
    story_end(&story);
}

/* ---- watches ---- */

static void an_event_comes_before_what_shows_the_change(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    for (int servers = 1; servers <= 3; servers += 2) {
        story_begin(&story, servers, 1);
        user_begin(&a, &story, 'a');
        ask_create(&a, "1", "/n", KEEPER_EPHEMERAL);
        ask_get(&a, "2", "/n", true);
        ask_delete(&a, "3", "/n");
        ask_get(&a, "4", "/n", true);
        pass(&story, 50 * MS);
        assert_heard(&story, "a:1=OK(/n) a:2=OK a:/n!deleted a:3=OK a:4=NO_NODE ");
        ask_create(&a, "5", "/n", KEEPER_EPHEMERAL); /* a get of nothing left no watch */
        pass(&story, 50 * MS);
        assert_heard(&story, "a:5=OK(/n) ");
        story_end(&story);
    }
}

static void what_changed_while_away_is_an_event_after_the_reconnect(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    user_begin(&b, &story, 'b');
    ask_create(&b, "1", "/gone", KEEPER_PERSISTENT);
    ask_create(&b, "2", "/anew", KEEPER_PERSISTENT);
    ask_create(&b, "3", "/same", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    ask_get(&a, "1", "/gone", true);
    ask_get(&a, "2", "/anew", true);
    ask_get(&a, "3", "/same", true);
    ask(&a, "4", (struct keeper_request){ .verb = KEEPER_EXISTS, .path = "/none", .watch = true });
    pass(&story, 50 * MS);
    story.heard[0] = '\0';
    sim_client_pause(a.client, 300 * MS);
    links_cut(a.client);
    ask_delete(&b, "4", "/gone");
    ask_delete(&b, "5", "/anew");
    ask_create(&b, "6", "/anew", KEEPER_PERSISTENT);
    ask_create(&b, "7", "/none", KEEPER_PERSISTENT);
    ask_delete(&b, "8", "/none");
    pass(&story, 200 * MS);
    assert_heard(&story, "b:4=OK b:5=OK b:6=OK(/anew) b:7=OK(/none) b:8=OK ");
    pass(&story, 200 * MS);
    assert_heard(&story, "a:lost a:connected a:/gone!deleted a:/anew!changed ");
    story_end(&story);
}

/* ---- connections that are lost ---- */

static void a_lost_reply_is_told_after_the_loss_and_the_request_was_applied(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    a.client->lose_reply_in = 2;
    ask_create(&a, "1", "/x", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/y", KEEPER_PERSISTENT);
    ask_create(&a, "3", "/z", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    assert_non_null(truth(&story, "/y"));
    /* The link broke before the first reply, or after it, was read. */
    assert_true(strcmp(story.heard, "a:1=OK(/x) a:lost a:2=UNKNOWN a:3=UNKNOWN a:connected ") == 0
                || strcmp(story.heard, "a:lost a:1=UNKNOWN a:2=UNKNOWN a:3=UNKNOWN a:connected ")
                       == 0);
    story_end(&story);
}

static void who_sends_too_much_loses_the_connection_and_nothing_else(void **state)
{
    static const char much[2000];
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    story.sim.ensemble.request_max = 1000;
    ask_create(&a, "1", "/x", KEEPER_EPHEMERAL);
    ask(&a, "2",
        (struct keeper_request){ .verb = KEEPER_SET,
                                 .path = "/x",
                                 .data = much,
                                 .data_size = sizeof(much),
                                 .version = KEEPER_ANY_VERSION });
    pass(&story, 100 * MS);
    assert_non_null(strstr(story.heard, "a:2=UNKNOWN "));
    assert_non_null(strstr(story.heard, "a:connected "));
    story.heard[0] = '\0';
    ask_get(&a, "3", "/x", false);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:3=OK ");
    assert_int_equal(truth(&story, "/x")->stat.version, 0);
    story_end(&story);
}

static void a_server_that_was_left_may_never_be_told_of_as_lost(void **state)
{
    bool told = false, untold = false;
    (void)state;

    for (uint64_t seed = 1; seed < 100 && !(told && untold); seed++) {
        struct story story;
        struct user a;
        story_begin(&story, 3, seed);
        user_begin(&a, &story, 'a');
        ask_get(&a, "1", "/", false);
        keeper_leave_server(a.keeper);
        pass(&story, 200 * MS);
        assert_non_null(strstr(story.heard, "a:1=UNKNOWN "));
        assert_non_null(strstr(story.heard, "a:connected "));
        told |= strstr(story.heard, "a:lost ") != NULL;
        untold |= strstr(story.heard, "a:lost ") == NULL;
        story_end(&story);
    }
    assert_true(told && untold);
}

/* ---- sessions that end ---- */

static void a_silent_session_expires_on_a_tick_and_hears_of_it_when_it_comes_back(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    user_begin(&b, &story, 'b');
    ask_create(&a, "1", "/e", KEEPER_EPHEMERAL);
    pass(&story, 50 * MS);
    story.heard[0] = '\0';
    int64_t asked_ns = story.sim.world.now_ns - 50 * MS;
    sim_client_pause(a.client, 5000 * MS);
    while (truth(&story, "/e"))
        pass(&story, 1 * MS);
    /* Not before T; T rounded up to a tick, what the follower relays late, and the commit come on
     * top. */
    assert_in_range(story.sim.world.now_ns - asked_ns, 1000 * MS, 1300 * MS);
    pass(&story, 6000 * MS);
    assert_non_null(strstr(story.heard, "a:lost "));
    assert_non_null(strstr(story.heard, "a:expired "));
    story_end(&story);
}

static void closing_ends_the_session_at_once(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/e", KEEPER_EPHEMERAL);
    keeper_close(a.keeper);
    assert_string_equal(story.heard, ""); /* never from inside */
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=CLOSED a:closed ");
    assert_null(truth(&story, "/e"));
    assert_true(list_is_empty(&ensemble_truth(&story.sim.ensemble)->sessions));
    story_end(&story);
}

static void refused_credentials_are_the_end(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    story.sim.ensemble.refused = "one:wrong";
    user_begin_as(&a, &story, 'a', "one:wrong");
    assert_heard(&story, "a:refused ");
    static const struct keeper_request get = { .verb = KEEPER_GET, .path = "/" };
    assert_int_equal(keeper_submit(a.keeper, &get, NULL), LK_E_CLOSED);
    keeper_close(a.keeper);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:closed ");
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_creates_and_cversion_counts_both),
        cmocka_unit_test(the_count_of_creates_sticks_at_its_end_and_comes_back_from_a_failed_multi),
        cmocka_unit_test(a_failed_multi_leaves_no_trace),
        cmocka_unit_test(refusals_are_those_of_zookeeper),
        cmocka_unit_test(an_event_comes_before_what_shows_the_change),
        cmocka_unit_test(what_changed_while_away_is_an_event_after_the_reconnect),
        cmocka_unit_test(a_lost_reply_is_told_after_the_loss_and_the_request_was_applied),
        cmocka_unit_test(who_sends_too_much_loses_the_connection_and_nothing_else),
        cmocka_unit_test(a_server_that_was_left_may_never_be_told_of_as_lost),
        cmocka_unit_test(a_silent_session_expires_on_a_tick_and_hears_of_it_when_it_comes_back),
        cmocka_unit_test(closing_ends_the_session_at_once),
        cmocka_unit_test(refused_credentials_are_the_end),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
