/* test_server_lost.c - `latchkey lock` loses its server for good while CMD runs: CMD is gone, and
 * 123 returned, before the server can have given the lock away. The server itself is the judge:
 * when the tool has ended, the lock's znode still stands on it, seen over another connection; only
 * later does it go, with the session. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <latchkey/latchkey.h>

struct sight {
    lk_client *client;
    const char *path;
    size_t standing;
};

static void look(struct sight *sight)
{
    lk_line *line = NULL;

    assert_int_equal(lk_line_list(sight->client, sight->path, lk_in_ms(60000), &line), LK_OK);
    sight->standing = line->count;
    lk_line_free(line);
}

static bool nobody_stands(void *arg)
{
    struct sight *sight = arg;

    look(sight);
    return sight->standing == 0;
}

static lk_client *witness_new(void)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;

    options.servers = harness_servers();
    assert_int_equal(lk_client_new(&client, &options), LK_OK);
    assert_int_equal(lk_client_wait_connected(client, lk_in_ms(60000)), LK_OK);
    return client;
}

/* CMD says its process id and then waits, deaf to whatever is sent but KILL, or not. */
static void server_is_lost(const char *command, void (*weather)(zkbox_proxy *proxy))
{
    zkbox_proxy *proxy = NULL;
    struct sight sight = { .client = witness_new(), .path = harness_path("lost") };

    assert_int_equal(zkbox_proxy_start(&proxy, harness_servers()), 0);
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    struct tool *tool = tool_start_in(
        &setting, ARGS("--session-timeout", "4", "lock", sight.path, "--", "sh", "-c", command));
    tool_await_out(tool, "pid=");
    pid_t pid = (pid_t)number_after(tool_out(tool), "pid=");

    weather(proxy);
    assert_int_equal(tool_wait(tool), 123);
    assert_false(is_alive(pid));
    look(&sight);
    assert_int_equal(sight.standing, 1); /* not given away yet */

    await(nobody_stands, &sight, "the server ends the session");
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    (void)lk_client_close(sight.client, lk_in_ms(5000));
    lk_client_free(sight.client);
}

static void a_cut_ends_the_command_before_the_session(void **state)
{
    (void)state;
    server_is_lost("echo pid=$$; exec sleep 1000", zkbox_proxy_cut);
}

static void a_stall_ends_the_command_before_the_session(void **state)
{
    (void)state;
    server_is_lost("echo pid=$$; exec sleep 1000", zkbox_proxy_stall);
}

static void a_command_that_ignores_the_signal_is_killed_before_the_session_ends(void **state)
{
    (void)state;
    server_is_lost("trap '' TERM; echo pid=$$; while :; do sleep 1; done", zkbox_proxy_cut);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_ends_the_command_before_the_session),
        cmocka_unit_test(a_stall_ends_the_command_before_the_session),
        cmocka_unit_test(a_command_that_ignores_the_signal_is_killed_before_the_session_ends),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("a server lost for good", tests, harness_start,
                                       harness_stop);
}
