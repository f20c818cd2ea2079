/* test_terminal.c - CMD at a terminal: it reads it, Ctrl-C and Ctrl-Z are its own, and the shell
 * gets it back. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* The tool as a shell with job control runs it: in a group of its own, in the foreground. */
static struct tool *start_shell(const char *script, const char *path)
{
    const struct setting setting = { .on_terminal = true, .program = "sh" };
    return tool_start_in(&setting, ARGS("-mc", script, path));
}

static void a_command_reads_the_terminal(void **state)
{
    (void)state;
    struct tool *tool = start_shell(
        "\"$LATCHKEY\" lock $0 -- sh -c 'echo ready; read word; echo got-$word'; echo code=$?",
        harness_path("tty"));
    tool_await_out(tool, "ready");
    tool_type(tool, "hello\n");
    tool_await_out(tool, "got-hello");
    tool_await_out(tool, "code=0");
    tool_wait(tool);
    tool_free(tool);
}

static void the_command_is_the_foreground_and_the_shell_after_it(void **state)
{
    (void)state;
    struct tool *tool = start_shell(
        "\"$LATCHKEY\" lock $0 -- sh -c 'echo ids $(ps -o pgid=,tpgid= -p $$) ids';"
        " read word; echo shell-got-$word",
        harness_path("tty"));
    tool_await_out(tool, " ids\r\n");
    int group = 0, foreground = -1;
    assert_int_equal(sscanf(strstr(tool_out(tool), "ids "), "ids %d %d", &group, &foreground), 2);
    assert_int_equal(group, foreground);
    tool_type(tool, "back\n");
    tool_await_out(tool, "shell-got-back");
    tool_wait(tool);
    tool_free(tool);
}

static void ctrl_c_is_for_the_command(void **state)
{
    (void)state;
    struct tool *tool = start_shell(
        "\"$LATCHKEY\" lock $0 -- sh -c 'trap \"echo caught; exit 9\" INT; echo ready; "
        "while :; do sleep 0.05; done'; echo code=$?",
        harness_path("tty"));
    tool_await_out(tool, "ready");
    tool_type(tool, "\003");
    tool_await_out(tool, "code=9");
    assert_non_null(strstr(tool_out(tool), "caught"));
    tool_wait(tool);
    tool_free(tool);
}

static void ctrl_c_while_waiting_leaves_the_line(void **state)
{
    const char *path = harness_path("tty");
    (void)state;
    struct tool *holder = tool_start(ARGS("lock", path, "--", "sleep", "600"));
    await_line(path, 1);
    struct tool *tool = start_shell("\"$LATCHKEY\" lock $0 -- true; echo code=$?", path);
    await_line(path, 2);
    tool_type(tool, "\003");
    await_line(path, 1);
    tool_wait(tool);
    tool_free(tool);
    tool_free(holder);
}

/* Stopped for several leases, the job still has its lock; then it goes on where it was. */
static void ctrl_z_stops_the_job_and_keeps_the_lock(void **state)
{
    const char *path = harness_path("tty");
    char script[512];
    (void)state;
    snprintf(script, sizeof(script),
             "\"$LATCHKEY\" --session-timeout 2 lock $0 -- sh -c 'echo ready; read word; echo "
             "got-$word'; echo stopped-$?;"
             " read pause; fg; echo code=$?");
    struct tool *tool = start_shell(script, path);
    tool_await_out(tool, "ready");
    tool_type(tool, "\032");
    tool_await_out(tool, "stopped-148");

    struct tool *next = tool_run(124, ARGS("lock", "-w", "5", path, "--", "true"));
    tool_free(next);
    tool_type(tool, "go on\n");
    tool_await_out(tool, "lock"); /* fg shows the job */
    tool_type(tool, "hello\n");
    tool_await_out(tool, "got-hello");
    tool_await_out(tool, "code=0");
    tool_wait(tool);
    tool_free(tool);
}

/* Alone on a terminal nobody could continue it: the kernel then lets nothing stop, and so must the
 * tool. */
static void without_a_shell_ctrl_z_stops_nothing(void **state)
{
    const struct setting setting = { .on_terminal = true };
    (void)state;
    struct tool *tool = tool_start_in(&setting, ARGS("lock", harness_path("tty"), "--", "sh", "-c",
                                                     "echo ready; read word; echo got-$word"));
    tool_await_out(tool, "ready");
    tool_type(tool, "\032");
    tool_type(tool, "hello\n");
    tool_await_out(tool, "got-hello");
    assert_int_equal(tool_wait(tool), 0);
    tool_free(tool);
}

static void in_the_background_the_terminal_is_left_alone(void **state)
{
    (void)state;
    struct tool *tool = start_shell(
        "\"$LATCHKEY\" lock $0 -- sh -c 'echo ids $(ps -o pgid=,tpgid= -p $$) ids' & wait;"
        " read word; echo shell-got-$word",
        harness_path("tty"));
    tool_await_out(tool, " ids\r\n");
    int group = 0, foreground = 0;
    assert_int_equal(sscanf(strstr(tool_out(tool), "ids "), "ids %d %d", &group, &foreground), 2);
    assert_int_not_equal(group, foreground);
    tool_type(tool, "still\n");
    tool_await_out(tool, "shell-got-still");
    tool_wait(tool);
    tool_free(tool);
}

/* `latchkey ... | less`: the pager needs the terminal, and CMD gets it too when it reads. */
static void in_a_pipe_the_command_gets_the_terminal_when_it_reads(void **state)
{
    (void)state;
    struct tool *tool = start_shell(
        "\"$LATCHKEY\" lock $0 -- sh -c 'echo ids $(ps -o pgid=,tpgid= -p $$) ids;"
        " read word; echo got-$word' | cat; echo end",
        harness_path("tty"));
    tool_await_out(tool, " ids\r\n");
    int group = 0, foreground = 0;
    assert_int_equal(sscanf(strstr(tool_out(tool), "ids "), "ids %d %d", &group, &foreground), 2);
    assert_int_not_equal(group, foreground);
    tool_type(tool, "hello\n");
    tool_await_out(tool, "got-hello");
    tool_await_out(tool, "end");
    tool_wait(tool);
    tool_free(tool);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_reads_the_terminal),
        cmocka_unit_test(the_command_is_the_foreground_and_the_shell_after_it),
        cmocka_unit_test(ctrl_c_is_for_the_command),
        cmocka_unit_test(ctrl_c_while_waiting_leaves_the_line),
        cmocka_unit_test(ctrl_z_stops_the_job_and_keeps_the_lock),
        cmocka_unit_test(without_a_shell_ctrl_z_stops_nothing),
        cmocka_unit_test(in_the_background_the_terminal_is_left_alone),
        cmocka_unit_test(in_a_pipe_the_command_gets_the_terminal_when_it_reads),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, harness_start, harness_stop);
}
