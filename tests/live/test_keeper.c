/* test_keeper.c - the keeper over libzookeeper_mt keeps the contract of keeper.h, on real servers.
 */
#include "keeper_story.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>

#include "zkbox.h"

enum { TIMEOUT_MS = 30000, SHORT_TIMEOUT_MS = 3000 };

/* ---- the servers ---- */

static zkbox *box;
static zkbox_proxy *proxy;

static int box_start(int nodes)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    char error[300] = "";

    options.nodes = nodes;
    options.fsync = false;
    options.error = error;
    options.error_size = sizeof error;
    if (zkbox_start(&box, &options) == 0)
        return 0;
    print_message("no servers: %s\n", error);
    return -1;
}

static int start_one(void **state)
{
    (void)state;
    return box_start(1) == 0 && zkbox_proxy_start(&proxy, zkbox_servers(box)) == 0 ? 0 : -1;
}

static int start_three(void **state)
{
    (void)state;
    return box_start(3);
}

static int stop(void **state)
{
    (void)state;
    proxy = zkbox_proxy_stop(proxy);
    box = zkbox_stop(box);
    return 0;
}

static struct story *connect_to(const char *name, const char *servers, int timeout_ms)
{
    const struct keeper_options options = { .servers = servers, .session_timeout_ms = timeout_ms };
    struct story *story = story_open(name, &options);

    await(story, "CONNECTED");
    return story;
}

static struct story *connect_session(const char *name)
{
    return connect_to(name, zkbox_servers(box), TIMEOUT_MS);
}

static struct story *connect_by_proxy(const char *name, int timeout_ms)
{
    zkbox_proxy_heal(proxy);
    return connect_to(name, zkbox_proxy_address(proxy), timeout_ms);
}

/* ---- order ---- */

static void replies_come_in_the_order_of_pipelined_requests(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    assert_string_equal(ask(alice, "parent", CREATE("/order", .mode = KEEPER_CONTAINER)),
                        "OK /order version=0 children=0");
    send(alice, "create",
         CREATE("/order/n-", .data = "card", .data_size = 4, .mode = KEEPER_EPHEMERAL_SEQUENTIAL));
    send(alice, "own", GET("/order/n-0000000000"));
    send(alice, "parent again", GET("/order"));
    send(alice, "list", LIST("/order"));
    send(alice, "sync", SYNC("/order"));
    await(alice, "sync");
    EXPECT_STORY(alice, "create: OK /order/n-0000000000 version=0 children=0",
                 "own: OK data=card version=0", "parent again: OK version=0 children=1",
                 "list: OK version=0 children=1 <n-0000000000>", "sync: OK /order");
}

static void the_parents_pzxid_is_the_czxid_of_the_child_that_came_last(void **state)
{
    struct story *alice = connect_session("alice");
    struct keeper_stat child;

    (void)state;
    ask(alice, "parent", CREATE("/pzxid", .mode = KEEPER_PERSISTENT));
    ask(alice, "child", CREATE("/pzxid/n-", .mode = KEEPER_EPHEMERAL_SEQUENTIAL));
    child = alice->stat;
    assert_int_equal(child.ephemeral_owner, alice->session_id);
    ask(alice, "parent again", EXISTS("/pzxid"));
    assert_int_equal(alice->stat.pzxid, child.czxid);
    assert_int_equal(keeper_next_number(&alice->stat), 1);
}

static void a_watch_fires_before_any_reply_that_shows_the_change(void **state)
{
    struct story *alice = connect_session("alice"), *bob = connect_session("bob");

    (void)state;
    ask(alice, "create", CREATE("/watched", .mode = KEEPER_PERSISTENT));
    ask(alice, "data", WATCH(KEEPER_GET, "/watched"));
    ask(alice, "children", WATCH(KEEPER_LIST, "/watched"));
    ask(alice, "absent", WATCH(KEEPER_EXISTS, "/watched/child"));
    ask(bob, "set", SET("/watched", "new", 0));
    ask(bob, "child", CREATE("/watched/child", .mode = KEEPER_EPHEMERAL));
    send(alice, "sync", SYNC("/watched"));
    send(alice, "get", GET("/watched"));
    await(alice, "get: OK data=new version=1 children=1");
    assert_int_equal(count_of(alice, "watch CHANGED /watched"), 1);
    assert_int_equal(count_of(alice, "watch CHILDREN /watched"), 1);
    assert_int_equal(count_of(alice, "watch CREATED /watched/child"), 1);
    EXPECT_STORY(alice, "watch CHANGED /watched");

    ask(alice, "own", WATCH(KEEPER_GET, "/watched/child"));
    ask(alice, "delete", DELETE("/watched/child"));
    EXPECT_STORY(alice, "own: OK", "watch DELETED /watched/child", "delete: OK");
}

/* ---- answers ---- */

static void each_refusal_of_the_server_has_its_name(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    ask(alice, "a", CREATE("/named", .mode = KEEPER_PERSISTENT));
    assert_string_equal(ask(alice, "again", CREATE("/named", .mode = KEEPER_PERSISTENT)),
                        "NODE_EXISTS");
    assert_string_equal(ask(alice, "orphan", CREATE("/nobody/home", .mode = KEEPER_PERSISTENT)),
                        "NO_NODE");
    assert_string_equal(ask(alice, "get", GET("/nobody")), "NO_NODE");
    assert_string_equal(ask(alice, "exists", EXISTS("/nobody")), "NO_NODE");
    assert_string_equal(ask(alice, "list", LIST("/nobody")), "NO_NODE");
    assert_string_equal(ask(alice, "stale", SET("/named", "x", 7)), "BAD_VERSION");
    assert_string_equal(ask(alice, "e", CREATE("/named/e", .mode = KEEPER_EPHEMERAL)),
                        "OK /named/e version=0 children=0");
    assert_string_equal(ask(alice, "full", DELETE("/named")), "NOT_EMPTY");
    assert_string_equal(ask(alice, "below", CREATE("/named/e/f", .mode = KEEPER_PERSISTENT)),
                        "EPHEMERAL_PARENT");
    assert_string_equal(ask(alice, "set", SET("/named", "x", 0)), "OK version=1 children=1");
    assert_string_equal(ask(alice, "s", CREATE("/named/s-", .mode = KEEPER_PERSISTENT_SEQUENTIAL)),
                        "OK /named/s-0000000001 version=0 children=0");
    assert_string_equal(ask(alice, "empty", GET("/named/s-0000000001")), "OK version=0 children=0");
}

static void a_multi_has_a_result_for_each_operation(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    ask(alice, "parent", CREATE("/multi", .mode = KEEPER_PERSISTENT));
    assert_string_equal(ask(alice, "applied",
                            MULTI(CREATE("/multi/n-", .mode = KEEPER_EPHEMERAL_SEQUENTIAL,
                                         .data = "d", .data_size = 1),
                                  SET("/multi", "mark", 0), CHECK("/multi", 1),
                                  CREATE("/multi/x", .mode = 0), DELETE("/multi/x"))),
                        "OK [OK /multi/n-0000000000] [OK] [OK] [OK /multi/x] [OK]");
    assert_string_equal(ask(alice, "refused",
                            MULTI(CREATE("/multi/y", .mode = KEEPER_PERSISTENT), CHECK("/multi", 7),
                                  SET("/multi", "mark", 1))),
                        "BAD_VERSION [NOT_APPLIED] [BAD_VERSION] [NOT_APPLIED]");
    assert_string_equal(ask(alice, "after", GET("/multi")), "OK data=mark version=1 children=1");
    assert_string_equal(ask(alice, "alone", MULTI(CHECK("/nobody", KEEPER_ANY_VERSION))),
                        "NO_NODE [NO_NODE]");
}

/* The client can't read the server's answer to a container in a multi, and may end the program over
 * it. */
static void a_container_in_a_multi_is_made_persistent(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    assert_string_equal(ask(alice, "containers",
                            MULTI(CREATE("/box-a", .mode = KEEPER_CONTAINER),
                                  CREATE("/box-b", .mode = KEEPER_CONTAINER), DELETE("/box-a"),
                                  CREATE("/box-a", .mode = KEEPER_CONTAINER))),
                        "OK [OK /box-a] [OK /box-b] [OK] [OK /box-a]");
    ask(alice, "stat", EXISTS("/box-a"));
    assert_int_equal(alice->stat.ephemeral_owner, 0);
}

static void a_sets_stat_comes_with_a_multi(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    ask(alice, "parent", CREATE("/stat", .mode = KEEPER_PERSISTENT));
    send(alice, "multi", MULTI(SET("/stat", "a", 0), SET("/stat", "b", 1)));
    await(alice, "multi: OK [OK] [OK]");
    ask(alice, "get", GET("/stat"));
    assert_int_equal(alice->stat.version, 2);
}

static void what_can_not_be_sent_is_refused_before(void **state)
{
    /* The largest that is let through is not too large for the server either. */
    const size_t most = 0xfffff - 1024 - 64 - strlen("/large");
    struct story *alice = connect_session("alice");
    char *bytes = calloc(1, most + 1);

    (void)state;
    assert_int_equal(
        submit(alice, "too large", CREATE("/large", .data = bytes, .data_size = most + 1)),
        LK_E_TOO_LARGE);
    assert_true(begins_with(ask(alice, "large", CREATE("/large", .data = bytes, .data_size = most)),
                            "OK /large"));
    free(bytes);
    assert_int_equal(submit(alice, "path", GET("/a//b")), LK_E_PATH);
    assert_int_equal(submit(alice, "empty", (struct keeper_request){ .verb = KEEPER_MULTI }),
                     LK_E_INVALID);
    assert_int_equal(submit(alice, "nested", MULTI(GET("/large"))), LK_E_INVALID);
    assert_int_equal(submit(alice, "lonely", CHECK("/large", 0)), LK_E_INVALID);
    story_close(alice);
    assert_int_equal(count_of(alice, "too large"), 0);
    assert_int_equal(count_of(alice, "LOST"), 0);
}

/* ---- loss ---- */

static void at_a_loss_lost_comes_first_and_then_unknown_in_order(void **state)
{
    struct story *alice = connect_by_proxy("alice", TIMEOUT_MS);
    int64_t session_id = alice->session_id;

    (void)state;
    zkbox_proxy_stall(proxy);
    send(alice, "one", CREATE("/lost-1", .mode = KEEPER_EPHEMERAL));
    send(alice, "two", GET("/"));
    send(alice, "three", MULTI(CREATE("/lost-3", .mode = KEEPER_EPHEMERAL), CHECK("/lost-3", 0)));
    send(alice, "four", LIST("/"));
    zkbox_proxy_cut(proxy);
    await(alice, "four");
    zkbox_proxy_heal(proxy);
    await(alice, "CONNECTED");
    EXPECT_STORY(alice, "LOST", "one: UNKNOWN", "two: UNKNOWN",
                 "three: UNKNOWN [UNKNOWN] [UNKNOWN]", "four: UNKNOWN", "CONNECTED");
    assert_int_equal(alice->session_id, session_id);
}

static void a_lost_reply_is_unknown_and_the_request_may_have_been_applied(void **state)
{
    enum { OPCODE_CREATE2 = 15 };
    struct story *alice = connect_by_proxy("alice", TIMEOUT_MS);

    (void)state;
    assert_int_equal(zkbox_proxy_lose_reply(proxy, OPCODE_CREATE2, 1), 0);
    assert_string_equal(ask(alice, "create", CREATE("/applied", .mode = KEEPER_EPHEMERAL)),
                        "UNKNOWN");
    await(alice, "CONNECTED");
    assert_true(begins_with(ask(alice, "exists", EXISTS("/applied")), "OK"));
}

static void watches_outlive_the_connection_and_it_is_lost_but_once(void **state)
{
    struct story *alice = connect_by_proxy("alice", TIMEOUT_MS), *bob = connect_session("bob");
    char path[100][40];

    (void)state;
    ask(alice, "parent", CREATE("/outlive", .mode = KEEPER_PERSISTENT));
    for (size_t i = 0; i < 100; i++) {
        snprintf(path[i], sizeof path[i], "/outlive/%zu", i);
        ask(alice, "create", CREATE(path[i], .mode = KEEPER_EPHEMERAL));
        ask(alice, "watch", WATCH(KEEPER_GET, path[i]));
    }
    zkbox_proxy_cut(proxy);
    await(alice, "LOST");
    ask(bob, "delete", DELETE("/outlive/42"));
    zkbox_proxy_heal(proxy);
    await(alice, "CONNECTED");
    await(alice, "watch DELETED /outlive/42");
    ask(bob, "set", SET("/outlive/7", "x", 0));
    await(alice, "watch CHANGED /outlive/7");
    assert_int_equal(count_of(alice, "LOST"), 1);
    assert_int_equal(count_of(alice, "CONNECTED"), 2);
    assert_int_equal(count_of(alice, "watch DELETED"), 1);
    assert_int_equal(count_of(alice, "watch CHANGED"), 1);
}

/* ---- the end of a session ---- */

/* The completion thread is held while the session ends, so that what is submitted then is owed an
 * answer that the client itself has already forgotten. */
static void an_expired_session_answers_everything_once_after_saying_so(void **state)
{
    struct story *alice = connect_by_proxy("alice", SHORT_TIMEOUT_MS),
                 *bob = connect_session("bob");

    (void)state;
    ask(alice, "create", CREATE("/mortal", .mode = KEEPER_EPHEMERAL));
    ask(bob, "watch", WATCH(KEEPER_GET, "/mortal"));
    story_hold(alice, "LOST");
    zkbox_proxy_cut(proxy);
    await(alice, "LOST");
    await(bob, "watch DELETED /mortal");
    zkbox_proxy_heal(proxy);
    send(alice, "one", SET("/mortal", "x", 0));
    send(alice, "two", MULTI(DELETE("/mortal"), SET("/mortal", "x", 0)));
    send(alice, "three", GET("/mortal"));
    story_release(alice);
    await(alice, "three");
    EXPECT_STORY(alice, "LOST", "EXPIRED", "one: EXPIRED", "two: EXPIRED", "three: EXPIRED");
    assert_int_equal(submit(alice, "late", GET("/")), LK_E_CLOSED);
    story_close(alice);
    assert_int_equal(count_of(alice, "one"), 1);
    assert_int_equal(count_of(alice, "two"), 1);
    assert_int_equal(count_of(alice, "three"), 1);
    assert_int_equal(count_of(alice, "late"), 0);
    EXPECT_STORY(alice, "three: EXPIRED", "closed");
}

/* Ten times, since the client alone gets its last word through most of the time. */
static void close_answers_everything_once_and_ends_the_session(void **state)
{
    enum { REQUESTS = 2000 };

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct story *alice = connect_session("alice"), *bob = connect_session("bob");
        ask(alice, "parent", CREATE("/busy", .mode = KEEPER_PERSISTENT));
        ask(alice, "create", CREATE("/leaver", .mode = KEEPER_EPHEMERAL));
        ask(bob, "watch", WATCH(KEEPER_GET, "/leaver"));
        for (int j = 0; j < REQUESTS; j++)
            send(alice, "set", SET("/busy", "x", KEEPER_ANY_VERSION));
        story_close(alice);
        assert_int_equal(count_of(alice, "set: "), REQUESTS);
        assert_int_equal(count_of(alice, "set: OK") + count_of(alice, "set: CLOSED"), REQUESTS);
        assert_string_equal(alice->lines[alice->count - 1], "closed");
        await(bob, "watch DELETED /leaver");
        stories_end(NULL);
    }
}

static void after_close_nothing_is_accepted(void **state)
{
    struct story *alice = connect_session("alice");

    (void)state;
    story_hold(alice, "get: OK version=0 children");
    send(alice, "get", GET("/"));
    keeper_close(alice->keeper);
    /* The keeper stands: it is freed after `closed`, which waits for the callback that is held. */
    assert_int_equal(submit(alice, "late", GET("/")), LK_E_CLOSED);
    alice->keeper = NULL;
    story_release(alice);
    await(alice, "closed");
    assert_int_equal(count_of(alice, "late"), 0);
    assert_int_equal(count_of(alice, "get: "), 1);
}

static void a_session_that_never_connects_is_closed_like_any_other(void **state)
{
    struct story *alice;

    (void)state;
    zkbox_proxy_cut(proxy);
    alice = story_open("alice", &(struct keeper_options){ .servers = zkbox_proxy_address(proxy),
                                                          .session_timeout_ms = TIMEOUT_MS });
    assert_int_equal(submit(alice, "early", GET("/")), LK_E_NO_SERVER);
    story_close(alice);
    assert_int_equal(
        count_of(alice, "LOST") + count_of(alice, "CONNECTED") + count_of(alice, "early"), 0);
}

static void a_list_without_any_address_is_tried_until_closed(void **state)
{
    struct story *alice = story_open(
        "alice",
        &(struct keeper_options){ .servers = "127.0.0.1", .session_timeout_ms = TIMEOUT_MS });
    (void)state;
    await(alice, "log warning no server of the list has an address");
    await(alice, "log warning no server of the list has an address");
    assert_int_equal(submit(alice, "early", GET("/")), LK_E_NO_SERVER);
    keeper_leave_server(alice->keeper);
    story_close(alice);
    EXPECT_STORY(alice, "closed");
}

/* The client alone steps over every second address, and never finds the other one of two. */
static void of_two_servers_either_one_is_found_again(void **state)
{
    zkbox_proxy *second = NULL;
    char servers[200];
    struct story *alice;

    (void)state;
    zkbox_proxy_heal(proxy);
    assert_int_equal(zkbox_proxy_start(&second, zkbox_servers(box)), 0);
    snprintf(servers, sizeof servers, "%s,%s", zkbox_proxy_address(proxy),
             zkbox_proxy_address(second));
    alice = connect_to("alice", servers, SHORT_TIMEOUT_MS);
    for (int i = 0; i < 6; i++) {
        zkbox_proxy *used = zkbox_proxy_connections(proxy) > 0 ? proxy : second;
        zkbox_proxy_cut(used);
        await(alice, "LOST");
        await(alice, "CONNECTED");
        zkbox_proxy_heal(used);
    }
    story_close(alice);
    zkbox_proxy_stop(second);
}

static void a_path_behind_the_servers_is_refused(void **state)
{
    struct keeper_world *world = keeper_real_world();
    struct keeper *keeper = NULL;

    (void)state;
    assert_int_equal(world->open(world,
                                 &(struct keeper_options){ .servers = "127.0.0.1:2181/root",
                                                           .session_timeout_ms = TIMEOUT_MS },
                                 &events, NULL, &keeper),
                     LK_E_INVALID);
    assert_null(keeper);
}

/* ---- credentials ---- */

static void what_its_creator_alone_may_do_others_may_not(void **state)
{
    const struct keeper_options options = { .servers = zkbox_proxy_address(proxy),
                                            .session_timeout_ms = TIMEOUT_MS,
                                            .auth_scheme = "digest",
                                            .auth = "alice:secret" };
    struct story *alice, *bob = connect_session("bob");

    (void)state;
    zkbox_proxy_heal(proxy);
    alice = story_open("alice", &options);
    await(alice, "CONNECTED");
    assert_string_equal(
        ask(alice, "create",
            CREATE("/private", .mode = KEEPER_PERSISTENT, .access = LK_ACCESS_CREATOR)),
        "OK /private version=0 children=0");
    assert_string_equal(ask(bob, "get", GET("/private")), "NO_RIGHTS");
    assert_string_equal(
        ask(bob, "create", CREATE("/b", .mode = KEEPER_PERSISTENT, .access = LK_ACCESS_CREATOR)),
        "NO_RIGHTS");
    zkbox_proxy_cut(proxy);
    await(alice, "LOST");
    zkbox_proxy_heal(proxy);
    await(alice, "CONNECTED");
    assert_string_equal(ask(alice, "get", GET("/private")), "OK version=0 children=0");
}

static void refused_credentials_end_it_before_it_was_connected(void **state)
{
    struct story *alice = story_open("alice",
                                     &(struct keeper_options){ .servers = zkbox_servers(box),
                                                               .session_timeout_ms = TIMEOUT_MS,
                                                               .auth_scheme = "rumour",
                                                               .auth = "alice" });
    (void)state;
    await(alice, "AUTH_FAILED");
    assert_int_equal(submit(alice, "late", GET("/")), LK_E_CLOSED);
    story_close(alice);
    EXPECT_STORY(alice, "AUTH_FAILED", "closed");
    assert_int_equal(count_of(alice, "CONNECTED"), 0);
}

/* ---- the house ---- */

static uint64_t blocked_signals(const char *task)
{
    char path[300], line[200];
    uint64_t mask = 0;

    snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        (void)!sscanf(line, "SigBlk: %" SCNx64, &mask);
    if (file)
        fclose(file);
    return mask;
}

static void no_signal_of_the_program_reaches_our_threads(void **state)
{
    struct story *alice = connect_session("alice");
    const uint64_t wanted = UINT64_C(1) << (SIGTERM - 1) | UINT64_C(1) << (SIGCHLD - 1)
                            | UINT64_C(1) << (SIGALRM - 1);
    DIR *tasks = opendir("/proc/self/task");
    size_t ours = 0;

    (void)state;
    (void)alice;
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (!file)
            continue;
        if (fgets(name, sizeof name, file) && begins_with(name, "lk-zookeeper")) {
            assert_int_equal(blocked_signals(task->d_name) & wanted, wanted);
            ours++;
        }
        fclose(file);
    }
    closedir(tasks);
    assert_true(ours >= 3); /* its owner, and the client's two */
}

/* ---- moving, with an ensemble ---- */

/* The node that has a connection of this session, or -1. */
static int node_of(const struct story *story)
{
    char sid[40];
    int found = -1;

    snprintf(sid, sizeof sid, "sid=0x%" PRIx64 ",", (uint64_t)story->session_id);
    for (int node = 0; node < zkbox_nodes(box); node++) {
        char *text = NULL;
        if (zkbox_ask(box, node, "cons", &text) == 0 && strstr(text, sid))
            found = node;
        free(text);
    }
    return found;
}

static void it_leaves_a_server_and_keeps_its_session(void **state)
{
    enum { MOVES = 10 };
    struct story *alice = connect_session("alice");
    int64_t session_id = alice->session_id;

    (void)state;
    ask(alice, "create", CREATE("/mover", .mode = KEEPER_EPHEMERAL));
    for (int i = 0; i < MOVES; i++) {
        int before = node_of(alice);
        keeper_leave_server(alice->keeper);
        await(alice, "LOST");
        await(alice, "CONNECTED");
        ask(alice, "sync", SYNC("/"));
        assert_int_not_equal(node_of(alice), before);
    }
    assert_int_equal(alice->session_id, session_id);
    assert_true(begins_with(ask(alice, "exists", EXISTS("/mover")), "OK"));
    /* It moved when told to, and stayed when the full list came back. */
    assert_int_equal(count_of(alice, "LOST"), MOVES);
    assert_int_equal(count_of(alice, "CONNECTED"), MOVES + 1);
}

/* The client alone waits for two thirds of the timeout, which is longer than await() does. */
static void it_leaves_a_silent_server_long_before_the_client_would(void **state)
{
    struct story *alice = connect_to("alice", zkbox_servers(box), 2 * PATIENCE_S * 1000);
    int node = node_of(alice);

    (void)state;
    assert_int_equal(zkbox_pause(box, node), 0);
    send(alice, "one", SET("/", "x", KEEPER_ANY_VERSION));
    send(alice, "two", GET("/"));
    keeper_leave_server(alice->keeper);
    await(alice, "CONNECTED");
    assert_int_equal(zkbox_resume(box, node), 0);
    EXPECT_STORY(alice, "LOST", "one: UNKNOWN", "two: UNKNOWN", "CONNECTED");
    assert_int_equal(count_of(alice, "LOST"), 1);
    assert_true(zkbox_wait_leader(box, PATIENCE_S * 1000) >= 0);
}

static void the_server_that_it_left_is_not_forgotten(void **state)
{
    char servers[200];
    struct story *alice;

    (void)state;
    snprintf(servers, sizeof servers, "%s,%s", zkbox_address(box, 0), zkbox_address(box, 1));
    alice = connect_to("alice", servers, TIMEOUT_MS);
    int first = node_of(alice);
    keeper_leave_server(alice->keeper);
    await(alice, "LOST");
    await(alice, "CONNECTED");
    int second = node_of(alice);
    assert_int_equal(first + second, 1);
    assert_int_equal(zkbox_kill(box, second), 0);
    await(alice, "LOST");
    await(alice, "CONNECTED");
    assert_int_equal(node_of(alice), first);
    assert_int_equal(zkbox_restart(box, second), 0);
}

static void the_only_server_is_not_left(void **state)
{
    struct story *alice = connect_to("alice", zkbox_address(box, 0), TIMEOUT_MS);

    (void)state;
    for (int i = 0; i < 20; i++) {
        keeper_leave_server(alice->keeper);
        ask(alice, "sync", SYNC("/"));
    }
    story_close(alice);
    assert_int_equal(count_of(alice, "LOST"), 0);
}

/* With an argument: the tests that it matches ("*leaves*"). */
int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    stories_begin();
#define TEST(name) cmocka_unit_test_teardown(name, stories_end)
    const struct CMUnitTest one[] = {
        TEST(replies_come_in_the_order_of_pipelined_requests),
        TEST(the_parents_pzxid_is_the_czxid_of_the_child_that_came_last),
        TEST(a_watch_fires_before_any_reply_that_shows_the_change),
        TEST(each_refusal_of_the_server_has_its_name),
        TEST(a_multi_has_a_result_for_each_operation),
        TEST(a_container_in_a_multi_is_made_persistent),
        TEST(a_sets_stat_comes_with_a_multi),
        TEST(what_can_not_be_sent_is_refused_before),
        TEST(at_a_loss_lost_comes_first_and_then_unknown_in_order),
        TEST(a_lost_reply_is_unknown_and_the_request_may_have_been_applied),
        TEST(watches_outlive_the_connection_and_it_is_lost_but_once),
        TEST(an_expired_session_answers_everything_once_after_saying_so),
        TEST(close_answers_everything_once_and_ends_the_session),
        TEST(after_close_nothing_is_accepted),
        TEST(a_session_that_never_connects_is_closed_like_any_other),
        TEST(a_list_without_any_address_is_tried_until_closed),
        TEST(of_two_servers_either_one_is_found_again),
        TEST(a_path_behind_the_servers_is_refused),
        TEST(what_its_creator_alone_may_do_others_may_not),
        TEST(refused_credentials_end_it_before_it_was_connected),
        TEST(no_signal_of_the_program_reaches_our_threads),
    };
    const struct CMUnitTest three[] = {
        TEST(it_leaves_a_server_and_keeps_its_session),
        TEST(it_leaves_a_silent_server_long_before_the_client_would),
        TEST(the_server_that_it_left_is_not_forgotten),
        TEST(the_only_server_is_not_left),
    };

    int failed = cmocka_run_group_tests_name("keeper, one server", one, start_one, stop);
    return failed + cmocka_run_group_tests_name("keeper, three servers", three, start_three, stop);
}
