/* test_killed.c - one of the tool's processes is killed or stopped while CMD runs: CMD is gone
 * before anybody else can have the lock, and nothing stays. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"

static void killed_with_kill_it_takes_the_group_along_and_the_lock_goes_on(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = holder_start(path, "--on-lost=TERM", HOLDER_SCRIPT);
    (void)state;
    kill(tool->pid, SIGKILL);
    tool_wait(tool);
    await_gone(holder_command(tool));
    await_gone(holder_child(tool));
    assert_null(strstr(tool_out(tool), "heard"));
    tool_free(tool_run(0, ARGS("lock", path, "--", "true")));
    tool_free(tool);
}

/* The whole way from the start to well into CMD, in steps of some milliseconds. Whatever there was
 * at that moment (a guardian, a place in line, a CMD at its gate or running), nothing of it stays.
 */
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
    struct tool *tool = holder_start(harness_path("loss"), "--on-lost=TERM", HOLDER_SCRIPT);
    (void)state;
    kill(tool_guardian(tool), SIGKILL);
    holder_expect_lost(tool);
    tool_says(tool, "the guardian process died");
    tool_free(tool);
}

static void a_guardian_stopped_for_longer_than_the_lease_does_not_matter(void **state)
{
    struct tool *tool = holder_start(harness_path("loss"), "--on-lost=TERM", HOLDER_SCRIPT);
    pid_t guardian = tool_guardian(tool);
    (void)state;
    kill(guardian, SIGSTOP);
    await_gone(holder_command(tool));
    await_gone(holder_child(tool));
    kill(guardian, SIGCONT);
    holder_expect_lost(tool);
    tool_free(tool);
}

static void the_whole_tool_stopped_for_longer_than_the_lease_kills_on_waking(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = holder_start(path, "--on-lost=TERM", HOLDER_SCRIPT);
    pid_t guardian = tool_guardian(tool);
    (void)state;
    kill(tool->pid, SIGSTOP);
    kill(guardian, SIGSTOP);
    await_line(path, 0); /* the server has ended the session */
    kill(tool->pid, SIGCONT);
    kill(guardian, SIGCONT);
    holder_expect_lost(tool);
    tool_free(tool);
}

static void stopping_the_front_alone_keeps_the_lock(void **state)
{
    const char *path = harness_path("loss");
    struct tool *tool = holder_start(path, "--on-lost=TERM", HOLDER_SCRIPT);
    (void)state;
    kill(tool->pid, SIGSTOP);
    holder_await_proofs(8);
    await_line(path, 1);
    assert_true(is_alive(holder_command(tool)));

    /* And a loss meanwhile is enforced without it. */
    zkbox_proxy_cut(holder_proxy);
    await_gone(holder_child(tool));
    kill(tool->pid, SIGCONT);
    holder_expect_lost(tool);
    zkbox_proxy_heal(holder_proxy);
    tool_free(tool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_with_kill_it_takes_the_group_along_and_the_lock_goes_on),
        cmocka_unit_test(killed_at_any_moment_it_leaves_nothing),
        cmocka_unit_test(without_its_guardian_the_command_is_killed_and_123),
        cmocka_unit_test(a_guardian_stopped_for_longer_than_the_lease_does_not_matter),
        cmocka_unit_test(the_whole_tool_stopped_for_longer_than_the_lease_kills_on_waking),
        cmocka_unit_test(stopping_the_front_alone_keeps_the_lock),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, holder_world_start, holder_world_stop);
}
