/* test_loss.c - the grant is lost while CMD runs: CMD is gone before anybody else can have the
 * lock, and the exit code says it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holder.h"

/* Where CMD must have had its say: on a busy machine half a second may be over before it is its
 * turn. */
#define LONGEST_GRACE "--grace=1"

static void a_server_lost_for_good_is_told_then_killed_and_123(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = holder_start_with(path, "--on-lost=TERM", LONGEST_GRACE, HOLDER_SCRIPT);
    (void)state;
    zkbox_proxy_cut(holder_proxy);
    holder_expect_lost(tool);
    zkbox_proxy_heal(holder_proxy);
    assert_non_null(strstr(tool_out(tool), "parent heard"));
    assert_non_null(strstr(tool_err(tool), "lost: no server has confirmed it in time"));

    /* The server has not given the lock away yet: its node still stands there. Some time later it
     * does not. */
    struct tool *status = tool_run(0, ARGS("status", path));
    assert_non_null(strstr(tool_out(status), "1 in line"));
    tool_free(status);
    await_line(path, 0);
    tool_free(tool);
}

static void a_silent_server_is_as_good_as_lost(void **state)
{
    struct tool *tool = holder_start_with(
        harness_path("loss"), "--on-lost=USR1", LONGEST_GRACE,
        "trap 'echo parent heard' USR1; sh -c 'echo child=$$; exec sleep 600' & echo parent=$$;"
        " while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_stall(holder_proxy);
    holder_expect_lost(tool);
    zkbox_proxy_heal(holder_proxy);
    assert_non_null(strstr(tool_out(tool), "parent heard"));
    tool_free(tool);
}

static void a_short_outage_changes_nothing(void **state)
{
    struct tool *tool = holder_start(harness_path("loss"), "--on-lost=TERM",
                                     "trap 'exit 7' USR1; trap 'echo heard' TERM; echo parent=$$ "
                                     "child=0; while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_cut(holder_proxy);
    zkbox_proxy_heal(holder_proxy);
    holder_await_proofs(6);
    kill(tool->pid, SIGUSR1);
    assert_int_equal(tool_wait(tool), 7);
    assert_string_equal(tool_status(tool), "done\n");
    assert_null(strstr(tool_out(tool), "heard"));
    tool_free(tool);
}

static void on_lost_ignore_lets_it_run_and_says_123_at_its_end(void **state)
{
    struct tool *tool = holder_start(
        harness_path("loss"), "--on-lost=ignore",
        "trap 'exit 7' USR1; echo parent=$$ child=0; while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_cut(holder_proxy);
    tool_await_err(tool, "runs on without protection");
    assert_true(is_alive(holder_command(tool)));
    kill(tool->pid, SIGUSR1);
    assert_int_equal(tool_wait(tool), 123);
    assert_string_equal(tool_status(tool), "lost\n");
    zkbox_proxy_heal(holder_proxy);
    tool_free(tool);
}

static void a_broken_lock_is_killed_at_once_and_the_next_one_gets_it(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = holder_start(path, "--on-lost=TERM", HOLDER_SCRIPT);
    (void)state;
    struct tool *next = tool_start(ARGS("lock", path, "--", "true"));
    await_line(path, 2);

    struct tool *status = tool_run(0, ARGS("--json", "status", path));
    char fence[32];
    snprintf(fence, sizeof(fence), "%lld", (long long)number_after(tool_out(status), "\"fence\":"));
    tool_free(status);
    struct tool *broken = tool_run(0, ARGS("break", path, "--fence", fence));
    tool_says(broken, "only the fence protects");
    tool_free(broken);

    holder_expect_lost(tool);
    assert_null(strstr(tool_out(tool), "heard"));
    assert_int_equal(tool_wait(next), 0);
    tool_free(next);
    tool_free(tool);

    broken = tool_run(1, ARGS("break", path, "--fence", fence));
    tool_says(broken, "nobody there has the fence");
    tool_free(broken);
}

static void a_grace_that_is_too_long_is_cut_and_that_is_said(void **state)
{
    (void)state;
    struct tool *tool = tool_run(0, ARGS("--session-timeout", "4", "lock", "--grace", "2",
                                         harness_path("loss"), "--", "true"));
    tool_says(tool, "the grace is cut to 1 s");
    tool_free(tool);
}

static void a_waiter_sits_out_an_outage(void **state)
{
    const char *path = harness_path("loss");
    struct tool *holder = tool_start(
        ARGS("lock", path, "--", "sh", "-c", "echo ready; exec sleep 600"));
    const struct setting setting = { .servers = zkbox_proxy_address(holder_proxy) };
    (void)state;
    tool_await_out(holder, "ready");
    struct tool *waiter = tool_start_in(
        &setting, ARGS("--session-timeout", "1", "lock", path, "--", "echo", "mine"));
    await_line(path, 2);
    zkbox_proxy_cut(holder_proxy);
    await_line(path, 1); /* its session is over */
    zkbox_proxy_heal(holder_proxy);
    await_line(path, 2);
    kill(holder->pid, SIGTERM);
    assert_int_equal(tool_wait(waiter), 0);
    assert_string_equal(tool_out(waiter), "mine\n");
    tool_wait(holder);
    tool_free(holder);
    tool_free(waiter);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_lost_for_good_is_told_then_killed_and_123),
        cmocka_unit_test(a_silent_server_is_as_good_as_lost),
        cmocka_unit_test(a_short_outage_changes_nothing),
        cmocka_unit_test(on_lost_ignore_lets_it_run_and_says_123_at_its_end),
        cmocka_unit_test(a_broken_lock_is_killed_at_once_and_the_next_one_gets_it),
        cmocka_unit_test(a_grace_that_is_too_long_is_cut_and_that_is_said),
        cmocka_unit_test(a_waiter_sits_out_an_outage),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, holder_world_start, holder_world_stop);
}
