/* test_links.c - the links between three servers are cut, stalled, deaf one way, and heal. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "net.h"
#include "zkbox.h"

/* A silent peer is noticed after SYNC_LIMIT ticks. */
enum { PATIENCE_MS = 30000, TICK_MS = 200, SYNC_LIMIT = 10 };

static zkbox *box;

static int start(void **state)
{
    (void)state;
    char error[512] = "";
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.nodes = 3;
    options.links = true;
    options.tick_ms = TICK_MS;
    options.sync_limit = SYNC_LIMIT;
    options.fsync = false;
    options.error = error;
    options.error_size = sizeof(error);
    int rc = zkbox_start(&box, &options);
    if (rc < 0)
        print_error("zkbox_start: %s: %s\n", strerror(-rc), error);
    return rc;
}

static int stop(void **state)
{
    (void)state;
    box = zkbox_stop(box);
    return 0;
}

static int heal(void **state)
{
    (void)state;
    for (int a = 0; a < 3; a++)
        for (int b = a + 1; b < 3; b++)
            zkbox_link_heal(box, a, b);
    return zkbox_wait_leader(box, PATIENCE_MS) < 0;
}

static int a_follower(void)
{
    int leader = zkbox_leader(box);
    assert_in_range(leader, 0, 2);
    return (leader + 1) % 3;
}

static bool serves(int node)
{
    char *text;
    if (zkbox_ask(box, node, "srvr", &text) < 0)
        return false;
    bool is_serving = strstr(text, "Mode: ") != NULL;
    free(text);
    return is_serving;
}

static void wait_until_it_serves_no_more(int node)
{
    for (int64_t deadline_ns = net_deadline_ns(PATIENCE_MS); serves(node); poll(NULL, 0, 10))
        assert_true(net_now_ns() < deadline_ns);
}

/* A node that was cut off may first have to find its leader again, and serves nobody until then. */
static void reach(struct client *client, int node)
{
    int64_t deadline_ns = net_deadline_ns(PATIENCE_MS);
    for (; client_connect(client, zkbox_address(box, node)) != 0; poll(NULL, 0, 10))
        assert_true(net_now_ns() < deadline_ns);
}

static void create_by(int node, const char *path)
{
    struct client client;
    reach(&client, node);
    assert_int_equal(client_create(&client, path), 0);
    client_disconnect(&client);
}

static void wait_for(int node, const char *path)
{
    struct client client;
    reach(&client, node);
    int64_t deadline_ns = net_deadline_ns(PATIENCE_MS);
    for (int rc; (rc = client_exists(&client, path, false)) != 0; poll(NULL, 0, 10)) {
        assert_int_equal(rc, ERROR_NO_NODE);
        assert_true(net_now_ns() < deadline_ns);
    }
    client_disconnect(&client);
}

static void a_follower_that_is_cut_off_serves_no_more_until_healed(void **state)
{
    (void)state;
    int leader = zkbox_leader(box), follower = a_follower();
    assert_int_equal(zkbox_link_cut(box, leader, follower), 0);
    wait_until_it_serves_no_more(follower);
    create_by(leader, "/while-it-was-cut-off");
    assert_int_equal(zkbox_leader(box), leader);
    assert_int_equal(zkbox_link_heal(box, leader, follower), 0);
    assert_true(zkbox_wait_leader(box, PATIENCE_MS) >= 0);
    wait_for(follower, "/while-it-was-cut-off");
}

/* It knows nothing of the outage for SYNC_LIMIT ticks. */
static void answers_reads_and_hears_of_nothing(const char *path)
{
    int leader = zkbox_leader(box), follower = a_follower();
    struct client client;
    reach(&client, follower);
    assert_int_equal(client_exists(&client, "/", false), 0);
    if (strcmp(path, "/stalled") == 0)
        assert_int_equal(zkbox_link_stall(box, follower, leader), 0);
    else
        assert_int_equal(zkbox_link_one_way(box, leader, follower), 0);
    create_by(leader, path);
    assert_int_equal(client_exists(&client, path, false), ERROR_NO_NODE);
    assert_int_equal(zkbox_link_heal(box, leader, follower), 0);
    client_disconnect(&client);
    assert_true(zkbox_wait_leader(box, PATIENCE_MS) >= 0);
    wait_for(follower, path);
}

static void a_stalled_follower_answers_reads_of_the_past_and_catches_up(void **state)
{
    (void)state;
    answers_reads_and_hears_of_nothing("/stalled");
}

static void a_follower_that_does_not_hear_its_leader_answers_reads_of_the_past(void **state)
{
    (void)state;
    answers_reads_and_hears_of_nothing("/deaf");
}

static void a_stall_longer_than_the_limit_is_noticed_by_both(void **state)
{
    (void)state;
    int leader = zkbox_leader(box), follower = a_follower();
    assert_int_equal(zkbox_link_stall(box, leader, follower), 0);
    wait_until_it_serves_no_more(follower);
    assert_true(serves(leader));
}

static void a_leader_that_nobody_hears_is_replaced_and_follows_when_healed(void **state)
{
    (void)state;
    int old = zkbox_leader(box), next = (old + 1) % 3, last = (old + 2) % 3;
    assert_in_range(old, 0, 2);
    assert_int_equal(zkbox_link_stall(box, old, next), 0);
    assert_int_equal(zkbox_link_stall(box, old, last), 0);
    wait_until_it_serves_no_more(old);
    int leader = zkbox_leader(box);
    for (int64_t deadline_ns = net_deadline_ns(PATIENCE_MS); leader < 0; poll(NULL, 0, 10)) {
        assert_true(net_now_ns() < deadline_ns);
        leader = zkbox_leader(box);
    }
    assert_int_not_equal(leader, old);
    create_by(leader, "/under-another-leader");
    assert_int_equal(heal(state), 0);
    wait_for(old, "/under-another-leader");
}

static void a_link_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(zkbox_link_cut(box, 0, 0), -EINVAL);
    assert_int_equal(zkbox_link_stall(box, 0, 3), -EINVAL);
    assert_int_equal(zkbox_link_heal(box, -1, 1), -EINVAL);
    zkbox *other;
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.links = true;
    assert_int_equal(zkbox_start(&other, &options), -EINVAL); /* one node has no links */
    options.links = false;
    options.nodes = 3;
    options.fsync = false;
    assert_int_equal(zkbox_start(&other, &options), 0);
    assert_int_equal(zkbox_link_cut(other, 0, 1), -ENOTSUP);
    zkbox_stop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_follower_that_is_cut_off_serves_no_more_until_healed, heal),
        cmocka_unit_test_teardown(a_stalled_follower_answers_reads_of_the_past_and_catches_up,
                                  heal),
        cmocka_unit_test_teardown(
            a_follower_that_does_not_hear_its_leader_answers_reads_of_the_past, heal),
        cmocka_unit_test_teardown(a_stall_longer_than_the_limit_is_noticed_by_both, heal),
        cmocka_unit_test_teardown(a_leader_that_nobody_hears_is_replaced_and_follows_when_healed,
                                  heal),
        cmocka_unit_test_teardown(a_link_that_is_none_is_refused, heal),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
