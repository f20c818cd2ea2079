/* test_proxy.c - a proxy does to a connection exactly what it is told, seen by a raw client. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "net.h"
#include "word.h"
#include "zkbox.h"

enum {
    PATIENCE_MS = 20000,
    SILENCE_MS = 100, /* long enough to show that nothing comes; a reply takes a few */
};

/* One server for all tests of this file; each test has a proxy of its own, and names of its own. */
struct world {
    zkbox *box;
    zkbox_proxy *proxy;
};

static int start_box(void **state)
{
    static struct world world;
    static char error[512];
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.fsync = false;
    options.error = error;
    options.error_size = sizeof(error);
    int rc = zkbox_start(&world.box, &options);
    if (rc < 0)
        print_error("%s\n", error);
    *state = &world;
    return rc;
}

static int stop_box(void **state)
{
    struct world *world = *state;
    world->box = zkbox_stop(world->box);
    return 0;
}

static int start_proxy(void **state)
{
    struct world *world = *state;
    return zkbox_proxy_start(&world->proxy, zkbox_address(world->box, 0));
}

static int stop_proxy(void **state)
{
    struct world *world = *state;
    world->proxy = zkbox_proxy_stop(world->proxy);
    return 0;
}

static struct client connected(const char *host_port)
{
    struct client client;
    assert_int_equal(client_connect(&client, host_port), 0);
    return client;
}

/* Whether the node is there, by a connection that does not pass the proxy. */
static bool is_there(const struct world *world, const char *path)
{
    struct client client = connected(zkbox_address(world->box, 0));
    int rc = client_exists(&client, path, false);
    client_disconnect(&client);
    assert_true(rc == 0 || rc == ERROR_NO_NODE);
    return rc == 0;
}

static void assert_connection_ends(struct client *client)
{
    struct reply reply;
    int rc = client_receive(client, &reply, PATIENCE_MS);
    assert_true(rc == NETWORK_ERROR(EPIPE) || rc == NETWORK_ERROR(ECONNRESET));
    client_disconnect(client);
}

static void assert_silence(struct client *client)
{
    struct reply reply;
    assert_int_equal(client_receive(client, &reply, SILENCE_MS), NETWORK_ERROR(ETIMEDOUT));
}

static void a_proxy_passes_requests_and_counts_them(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(client_create(&client, "/passes"), 0);
    assert_int_equal(client_create(&client, "/passes"), ERROR_NODE_EXISTS);
    assert_int_equal(client_exists(&client, "/passes", false), 0);

    assert_int_equal(zkbox_proxy_requests(world->proxy, OP_CREATE), 2);
    assert_int_equal(zkbox_proxy_requests(world->proxy, OP_EXISTS), 1);
    assert_int_equal(zkbox_proxy_requests(world->proxy, ZKBOX_ANY), 3);
    assert_int_equal(zkbox_proxy_connections(world->proxy), 1);
    assert_true(zkbox_proxy_bytes(world->proxy, ZKBOX_TO_SERVER) > 0);
    zkbox_proxy_reset_counts(world->proxy);
    assert_int_equal(zkbox_proxy_requests(world->proxy, ZKBOX_ANY), 0);
    assert_int_equal(zkbox_proxy_bytes(world->proxy, ZKBOX_TO_CLIENT), 0);
    client_disconnect(&client);
}

static void a_lost_reply_leaves_a_create_applied_exactly_once(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(zkbox_proxy_lose_reply(world->proxy, OP_CREATE, 1), 0);
    assert_int_equal(zkbox_proxy_lose_reply(world->proxy, OP_CREATE, 1), -EBUSY);
    assert_int_equal(client_exists(&client, "/reply", false), ERROR_NO_NODE);

    assert_int_equal(client_send_create(&client, "/reply"), 0);
    assert_connection_ends(&client);
    assert_int_equal(zkbox_proxy_wait_lost(world->proxy, PATIENCE_MS), 0);

    assert_true(is_there(world, "/reply"));
    client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(client_create(&client, "/reply"), ERROR_NODE_EXISTS);
    assert_int_equal(zkbox_proxy_requests(world->proxy, OP_CREATE), 2);
    client_disconnect(&client);
}

static void a_lost_request_is_never_applied_and_those_before_it_are_answered(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(zkbox_proxy_lose_request(world->proxy, OP_CREATE, 2), 0);
    assert_int_equal(client_send_create(&client, "/request-1"), 0);
    assert_int_equal(client_send_create(&client, "/request-2"), 0);
    assert_int_equal(client_send_create(&client, "/request-3"), 0);

    struct reply reply;
    assert_int_equal(client_receive(&client, &reply, PATIENCE_MS), 0);
    assert_int_equal(reply.error, 0);
    assert_connection_ends(&client);
    assert_int_equal(zkbox_proxy_wait_lost(world->proxy, PATIENCE_MS), 0);

    assert_true(is_there(world, "/request-1"));
    assert_false(is_there(world, "/request-2"));
    assert_false(is_there(world, "/request-3"));
}

static void waiting_for_a_loss_that_is_not_armed_says_so(void **state)
{
    struct world *world = *state;
    assert_int_equal(zkbox_proxy_wait_lost(world->proxy, PATIENCE_MS), -ENOENT);
    assert_int_equal(zkbox_proxy_lose_reply(world->proxy, ZKBOX_ANY, 1), 0);
    assert_int_equal(zkbox_proxy_wait_lost(world->proxy, 1), -ETIMEDOUT);
    zkbox_proxy_heal(world->proxy);
    assert_int_equal(zkbox_proxy_wait_lost(world->proxy, PATIENCE_MS), -ENOENT);
}

static void a_cut_resets_connections_and_refuses_new_ones_until_healed(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    zkbox_proxy_cut(world->proxy);
    assert_int_equal(zkbox_proxy_connections(world->proxy), 0);
    assert_connection_ends(&client);
    assert_int_equal(client_connect(&client, zkbox_proxy_address(world->proxy)),
                     NETWORK_ERROR(ECONNREFUSED));

    zkbox_proxy_heal(world->proxy);
    client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(client_create(&client, "/cut"), 0);
    client_disconnect(&client);
}

static void a_stall_holds_all_bytes_until_healed(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    zkbox_proxy_stall(world->proxy);
    int64_t bytes = zkbox_proxy_bytes(world->proxy, ZKBOX_TO_SERVER);
    assert_int_equal(client_send_create(&client, "/stall"), 0);
    assert_silence(&client);
    assert_int_equal(zkbox_proxy_bytes(world->proxy, ZKBOX_TO_SERVER), bytes);
    assert_false(is_there(world, "/stall"));

    zkbox_proxy_heal(world->proxy);
    struct reply reply;
    assert_int_equal(client_receive(&client, &reply, PATIENCE_MS), 0);
    assert_int_equal(reply.error, 0);
    client_disconnect(&client);
}

static void lost_to_client_the_server_acts_but_is_not_heard(void **state)
{
    struct world *world = *state;
    struct client observer = connected(zkbox_address(world->box, 0));
    assert_int_equal(client_exists(&observer, "/one-way", true), ERROR_NO_NODE);
    struct client client = connected(zkbox_proxy_address(world->proxy));

    zkbox_proxy_one_way(world->proxy, ZKBOX_TO_CLIENT);
    assert_int_equal(client_send_create(&client, "/one-way"), 0);
    struct reply event;
    assert_int_equal(client_receive(&observer, &event, PATIENCE_MS), 0);
    assert_int_equal(event.xid, -1);
    assert_silence(&client);

    zkbox_proxy_heal(world->proxy);
    assert_connection_ends(&client);
    client_disconnect(&observer);
}

static void lost_to_server_the_client_is_not_heard(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    zkbox_proxy_one_way(world->proxy, ZKBOX_TO_SERVER);
    assert_int_equal(client_send_create(&client, "/unheard"), 0);
    assert_silence(&client);
    zkbox_proxy_heal(world->proxy);
    assert_connection_ends(&client);
    assert_false(is_there(world, "/unheard"));
}

static void a_trace_under_delay_tells_pipelined_from_one_at_a_time(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    zkbox_proxy_delay(world->proxy, 20);
    zkbox_proxy_trace_start(world->proxy);
    struct reply reply;
    client_send_create(&client, "/trace-1");
    client_send_exists(&client, "/trace-1", false);
    assert_int_equal(client_receive(&client, &reply, PATIENCE_MS), 0);
    assert_int_equal(client_receive(&client, &reply, PATIENCE_MS), 0);
    assert_int_equal(client_create(&client, "/trace-2"), 0);
    assert_int_equal(client_exists(&client, "/trace-2", false), 0);

    zkbox_frame *frames;
    size_t count;
    assert_int_equal(zkbox_proxy_trace(world->proxy, &frames, &count), 0);
    static const struct {
        zkbox_direction direction;
        int32_t opcode;
    } story[] = {
        { ZKBOX_TO_SERVER, OP_CREATE }, { ZKBOX_TO_SERVER, OP_EXISTS },
        { ZKBOX_TO_CLIENT, OP_CREATE }, { ZKBOX_TO_CLIENT, OP_EXISTS },
        { ZKBOX_TO_SERVER, OP_CREATE }, { ZKBOX_TO_CLIENT, OP_CREATE },
        { ZKBOX_TO_SERVER, OP_EXISTS }, { ZKBOX_TO_CLIENT, OP_EXISTS },
    };
    assert_int_equal(count, sizeof(story) / sizeof(*story));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(frames[i].direction, story[i].direction);
        assert_int_equal(frames[i].opcode, story[i].opcode);
    }
    assert_true(frames[5].at_ns - frames[4].at_ns >= 20 * 1000000);
    free(frames);
    client_disconnect(&client);
}

static void four_letter_words_pass_a_proxy(void **state)
{
    struct world *world = *state;
    char *answer;
    assert_int_equal(
        word_ask(zkbox_proxy_port(world->proxy), "ruok", net_deadline_ns(PATIENCE_MS), &answer), 0);
    assert_string_equal(answer, "imok");
    free(answer);
}

static void an_expired_session_is_gone_at_once(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    assert_int_equal(zkbox_expire(zkbox_servers(world->box), client.session, client.passwd), 0);
    assert_connection_ends(&client);
    assert_int_equal(zkbox_expire(zkbox_servers(world->box), client.session, client.passwd),
                     -ENOENT);
}

static void a_session_outlives_an_expiry_with_a_wrong_password(void **state)
{
    struct world *world = *state;
    struct client client = connected(zkbox_proxy_address(world->proxy));
    char wrong[16];
    memset(wrong, 'x', sizeof(wrong));
    assert_int_equal(zkbox_expire(zkbox_servers(world->box), client.session, wrong), -ENOENT);
    assert_connection_ends(&client);
    assert_int_equal(zkbox_expire(zkbox_servers(world->box), client.session, client.passwd), 0);
}

static void a_proxy_before_a_dead_server_resets_its_clients(void **state)
{
    struct world *world = *state;
    assert_int_equal(zkbox_kill(world->box, 0), 0);
    struct client client;
    int rc = client_connect(&client, zkbox_proxy_address(world->proxy));
    assert_true(rc == NETWORK_ERROR(ECONNRESET) || rc == NETWORK_ERROR(EPIPE));
    assert_int_equal(zkbox_restart(world->box, 0), 0);
    client = connected(zkbox_proxy_address(world->proxy));
    client_disconnect(&client);
}

#define WITH_PROXY(test) cmocka_unit_test_setup_teardown(test, start_proxy, stop_proxy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PROXY(a_proxy_passes_requests_and_counts_them),
        WITH_PROXY(a_lost_reply_leaves_a_create_applied_exactly_once),
        WITH_PROXY(a_lost_request_is_never_applied_and_those_before_it_are_answered),
        WITH_PROXY(waiting_for_a_loss_that_is_not_armed_says_so),
        WITH_PROXY(a_cut_resets_connections_and_refuses_new_ones_until_healed),
        WITH_PROXY(a_stall_holds_all_bytes_until_healed),
        WITH_PROXY(lost_to_client_the_server_acts_but_is_not_heard),
        WITH_PROXY(lost_to_server_the_client_is_not_heard),
        WITH_PROXY(a_trace_under_delay_tells_pipelined_from_one_at_a_time),
        WITH_PROXY(four_letter_words_pass_a_proxy),
        WITH_PROXY(an_expired_session_is_gone_at_once),
        WITH_PROXY(a_session_outlives_an_expiry_with_a_wrong_password),
        WITH_PROXY(a_proxy_before_a_dead_server_resets_its_clients),
    };
    return cmocka_run_group_tests(tests, start_box, stop_box);
}
