/* test_loss.c - the grant, or one of the tool's processes, is lost while CMD runs: CMD is gone before anybody else can
 * have the lock, and the exit code says it. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static zkbox_proxy *proxy;

static int start(void **state)
{
    int rc = harness_start(state);
    return rc != 0 ? rc : zkbox_proxy_start(&proxy, zkbox_address(harness_box, 0));
}

static int stop(void **state)
{
    proxy = zkbox_proxy_stop(proxy);
    return harness_stop(state);
}

/* A holder whose only way to the server is the proxy. CMD and a child of its say when they get TERM. */
#define SCRIPT                                                                                                         \
    "trap 'echo parent heard; exit 1' TERM; sh -c \"trap 'echo child heard' TERM; echo child=\\$\\$; while :; do "     \
    "sleep 0.05; "                                                                                                     \
    "done\" & echo parent=$$; while :; do sleep 0.05; done"

static struct tool *hold_by_proxy(const char *path, const char *option, const char *script)
{
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    struct tool *tool = tool_start_in(
        &setting, ARGS("--session-timeout", "4", "lock", "--status-fd", "9", option, path, "--", "sh", "-c", script));
    tool_await_out(tool, "parent=");
    tool_await_out(tool, "child=");
    return tool;
}

static pid_t command_of(struct tool *tool)
{
    return (pid_t)number_after(tool_out(tool), "parent=");
}

static pid_t child_of(struct tool *tool)
{
    return (pid_t)number_after(tool_out(tool), "child=");
}

static void expect_lost(struct tool *tool)
{
    assert_int_equal(tool_wait(tool), 123);
    assert_string_equal(tool_status(tool), "lost\n");
    await_gone(command_of(tool));
    await_gone(child_of(tool));
}

/* Waits until so many proofs of sessions have passed the proxy; a lease is three of them long. */
static bool has_passed(void *arg)
{
    enum { MULTI = 14 };
    return zkbox_proxy_requests(proxy, MULTI) >= *(const int64_t *)arg;
}

static void await_proofs(int64_t count)
{
    zkbox_proxy_reset_counts(proxy);
    await(has_passed, &count, "proofs of the session");
}

static void a_server_lost_for_good_is_told_then_killed_and_123(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = hold_by_proxy(path, "--on-lost=TERM", SCRIPT);
    (void)state;
    zkbox_proxy_cut(proxy);
    expect_lost(tool);
    zkbox_proxy_heal(proxy);
    assert_non_null(strstr(tool_out(tool), "parent heard"));
    assert_non_null(strstr(tool_err(tool), "lost: no server has confirmed it in time"));

    /* The server has not given the lock away yet: its node still stands there. Some time later it does not. */
    struct tool *status = tool_run(0, ARGS("status", path));
    assert_non_null(strstr(tool_out(status), "1 in line"));
    tool_free(status);
    await_line(path, 0);
    tool_free(tool);
}

static void a_silent_server_is_as_good_as_lost(void **state)
{
    struct tool *tool = hold_by_proxy(
        harness_path("loss"), "--on-lost=USR1",
        "trap 'echo parent heard' USR1; sh -c 'echo child=$$; exec sleep 600' & echo parent=$$;"
        " while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_stall(proxy);
    expect_lost(tool);
    zkbox_proxy_heal(proxy);
    assert_non_null(strstr(tool_out(tool), "parent heard"));
    tool_free(tool);
}

static void a_short_outage_changes_nothing(void **state)
{
    struct tool *tool = hold_by_proxy(
        harness_path("loss"), "--on-lost=TERM",
        "trap 'exit 7' USR1; trap 'echo heard' TERM; echo parent=$$ child=0; while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_cut(proxy);
    zkbox_proxy_heal(proxy);
    await_proofs(6);
    kill(tool->pid, SIGUSR1);
    assert_int_equal(tool_wait(tool), 7);
    assert_string_equal(tool_status(tool), "done\n");
    assert_null(strstr(tool_out(tool), "heard"));
    tool_free(tool);
}

static void on_lost_ignore_lets_it_run_and_says_123_at_its_end(void **state)
{
    struct tool *tool = hold_by_proxy(harness_path("loss"), "--on-lost=ignore",
                                      "trap 'exit 7' USR1; echo parent=$$ child=0; while :; do sleep 0.05; done");
    (void)state;
    zkbox_proxy_cut(proxy);
    tool_await_err(tool, "runs on without protection");
    assert_true(is_alive(command_of(tool)));
    kill(tool->pid, SIGUSR1);
    assert_int_equal(tool_wait(tool), 123);
    assert_string_equal(tool_status(tool), "lost\n");
    zkbox_proxy_heal(proxy);
    tool_free(tool);
}

static void a_broken_lock_is_killed_at_once_and_the_next_one_gets_it(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = hold_by_proxy(path, "--on-lost=TERM", SCRIPT);
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

    expect_lost(tool);
    assert_null(strstr(tool_out(tool), "heard"));
    assert_int_equal(tool_wait(next), 0);
    tool_free(next);
    tool_free(tool);

    broken = tool_run(1, ARGS("break", path, "--fence", fence));
    tool_says(broken, "nobody there has the fence");
    tool_free(broken);
}

static void killed_with_kill_it_takes_the_group_along_and_the_lock_goes_on(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = hold_by_proxy(path, "--on-lost=TERM", SCRIPT);
    (void)state;
    kill(tool->pid, SIGKILL);
    tool_wait(tool);
    await_gone(command_of(tool));
    await_gone(child_of(tool));
    assert_null(strstr(tool_out(tool), "heard"));
    tool_free(tool_run(0, ARGS("lock", path, "--", "true")));
    tool_free(tool);
}

/* The whole way from the start to well into CMD, in steps of some milliseconds. Whatever there was at that moment (a
 * guardian, a place in line, a CMD at its gate or running), nothing of it stays. */
static void killed_at_any_moment_it_leaves_nothing(void **state)
{
    enum { MOMENTS = 60, STEP_MS = 3 };
    const char *path = harness_path("moment");
    char pid_file[] = "/tmp/latchkey-moment-XXXXXX", script[128], text[32];
    int fd = mkstemp(pid_file);
    (void)state;
    snprintf(script, sizeof(script), "echo $$ >%s; exec sleep 600", pid_file);
    for (int i = 0; i < MOMENTS; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        struct tool *tool = tool_start(ARGS("lock", path, "--", "sh", "-c", script));
        poll(NULL, 0, i * STEP_MS);
        kill(tool->pid, SIGKILL);
        tool_wait(tool);
        tool_free(tool);
        await_line(path, 0);
        ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        if (*text != '\0')
            await_gone((pid_t)strtol(text, NULL, 10));
    }
    close(fd);
    unlink(pid_file);
}

static void without_its_guardian_the_command_is_killed_and_123(void **state)
{
    struct tool *tool = hold_by_proxy(harness_path("loss"), "--on-lost=TERM", SCRIPT);
    (void)state;
    kill(tool_guardian(tool), SIGKILL);
    expect_lost(tool);
    tool_says(tool, "the guardian process died");
    tool_free(tool);
}

static void a_guardian_stopped_for_longer_than_the_lease_does_not_matter(void **state)
{
    struct tool *tool = hold_by_proxy(harness_path("loss"), "--on-lost=TERM", SCRIPT);
    pid_t guardian = tool_guardian(tool);
    (void)state;
    kill(guardian, SIGSTOP);
    await_gone(command_of(tool));
    await_gone(child_of(tool));
    kill(guardian, SIGCONT);
    expect_lost(tool);
    tool_free(tool);
}

static void the_whole_tool_stopped_for_longer_than_the_lease_kills_on_waking(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = hold_by_proxy(path, "--on-lost=TERM", SCRIPT);
    pid_t guardian = tool_guardian(tool);
    (void)state;
    kill(tool->pid, SIGSTOP);
    kill(guardian, SIGSTOP);
    await_line(path, 0); /* the server has ended the session */
    kill(tool->pid, SIGCONT);
    kill(guardian, SIGCONT);
    expect_lost(tool);
    tool_free(tool);
}

static void stopping_the_front_alone_keeps_the_lock(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = hold_by_proxy(path, "--on-lost=TERM", SCRIPT);
    (void)state;
    kill(tool->pid, SIGSTOP);
    await_proofs(8);
    await_line(path, 1);
    assert_true(is_alive(command_of(tool)));

    /* And a loss meanwhile is enforced without it. */
    zkbox_proxy_cut(proxy);
    await_gone(child_of(tool));
    kill(tool->pid, SIGCONT);
    expect_lost(tool);
    zkbox_proxy_heal(proxy);
    tool_free(tool);
}

static void a_grace_that_is_too_long_is_cut_and_that_is_said(void **state)
{
    (void)state;
    struct tool *tool = tool_run(
        0, ARGS("--session-timeout", "4", "lock", "--grace", "2", harness_path("loss"), "--", "true"));
    tool_says(tool, "the grace is cut to 1 s");
    tool_free(tool);
}

static void a_waiter_sits_out_an_outage(void **state)
{
    const char *path = harness_path("loss");
    struct tool *holder = tool_start(ARGS("lock", path, "--", "sh", "-c", "echo ready; exec sleep 600"));
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };
    (void)state;
    tool_await_out(holder, "ready");
    struct tool *waiter = tool_start_in(&setting, ARGS("--session-timeout", "1", "lock", path, "--", "echo", "mine"));
    await_line(path, 2);
    zkbox_proxy_cut(proxy);
    await_line(path, 1); /* its session is over */
    zkbox_proxy_heal(proxy);
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
        cmocka_unit_test(killed_with_kill_it_takes_the_group_along_and_the_lock_goes_on),
        cmocka_unit_test(killed_at_any_moment_it_leaves_nothing),
        cmocka_unit_test(without_its_guardian_the_command_is_killed_and_123),
        cmocka_unit_test(a_guardian_stopped_for_longer_than_the_lease_does_not_matter),
        cmocka_unit_test(the_whole_tool_stopped_for_longer_than_the_lease_kills_on_waking),
        cmocka_unit_test(stopping_the_front_alone_keeps_the_lock),
        cmocka_unit_test(a_grace_that_is_too_long_is_cut_and_that_is_said),
        cmocka_unit_test(a_waiter_sits_out_an_outage),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, start, stop);
}
