/* test_dev.c - `latchkey dev`: servers as long as they are wanted, and nothing left of them on any
 * way out.
 *
 * All that dev makes goes to a folder of the test's own; what is left stands there. The folder of
 * the servers goes last, so when it is gone they are. */
#include "expect.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char made[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(made, "/tmp/latchkey-dev-XXXXXX");
    if (!mkdtemp(made))
        return -1;
    setenv("TMPDIR", made, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(made);
}

static bool is_tidy(void *arg)
{
    DIR *folder = opendir(made);
    size_t count = 0;

    (void)arg;
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count == 2; /* "." and ".." */
}

static void nothing_is_left(void **state)
{
    (void)state;
    assert_true(is_tidy(NULL));
}

/* Runs dev until it has printed its address. */
static struct tool *serve(const char *const *args)
{
    struct tool *tool = tool_start(args);

    tool_await_out(tool, "127.0.0.1:");
    tool_await_out(tool, "\n");
    return tool;
}

static void a_command_gets_the_servers_and_gives_its_code(void **state)
{
    (void)state;
    gives(7, "here\n", "dev", "--", "sh", "-c",
          "case $LATCHKEY_SERVERS in 127.0.0.1:*) echo here; exit 7;; esac");
    nothing_is_left(NULL);
    says(0, "created /sale", "dev", "--", "sh", "-c",
         "\"$LATCHKEY\" coupon create /sale --stock 1");
    nothing_is_left(NULL);
    gives(0, "2\n", "dev", "--nodes", "3", "--", "sh", "-c",
          "echo \"$LATCHKEY_SERVERS\" | tr -cd , | wc -c");
    nothing_is_left(NULL);
}

static void the_servers_are_as_large_and_as_patient_as_is_asked(void **state)
{
    (void)state;
    gives(0, "tickTime=700\nsyncLimit=7\n", "dev", "--nodes", "3", "--heap", "128", "--tick", "700",
          "--sync-limit", "7", "--no-fsync", "--", "sh", "-c",
          "grep -hE '^(tickTime|syncLimit)' \"$TMPDIR\"/*/node0/zoo.cfg");
    nothing_is_left(NULL);
}

static void a_command_that_dies_or_is_not_there_is_told_apart(void **state)
{
    (void)state;
    gives(143, "", "dev", "--", "sh", "-c", "kill -TERM $$");
    nothing_is_left(NULL);
    struct tool *tool = tool_run(127, ARGS("dev", "--", "no-such-command-here"));
    assert_non_null(strstr(tool_err(tool), "can't run no-such-command-here"));
    tool_free(tool);
    nothing_is_left(NULL);
}

static void json_leaves_stdout_to_the_command(void **state)
{
    (void)state;
    struct tool *tool = tool_run(0, ARGS("dev", "--json", "--", "echo", "mine"));
    assert_string_equal(tool_out(tool), "mine\n");
    assert_non_null(strstr(tool_err(tool), "{\"servers\":\"127.0.0.1:"));
    tool_free(tool);

    tool = serve(ARGS("dev", "--json"));
    assert_ptr_equal(strstr(tool_out(tool), "{\"servers\":\"127.0.0.1:"), tool_out(tool));
    assert_non_null(strstr(tool_out(tool), made));
    kill(tool->pid, SIGTERM);
    assert_int_equal(tool_wait(tool), 0);
    tool_free(tool);
}

static void a_signal_ends_it_in_order(void **state)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tool *tool = serve(ARGS("dev"));
        kill(tool->pid, signals[i]);
        assert_int_equal(tool_wait(tool), 0);
        assert_false(tool->killed);
        nothing_is_left(NULL);
        tool_free(tool);
    }
}

static void killed_it_leaves_nothing(void **state)
{
    (void)state;
    struct tool *tool = serve(ARGS("dev"));
    kill(tool->pid, SIGKILL);
    assert_int_equal(tool_wait(tool), 128 + SIGKILL);
    await(is_tidy, NULL, "the servers' end");
    tool_free(tool);
}

static void killed_it_takes_the_command_and_its_children_along(void **state)
{
    (void)state;
    struct tool *tool = tool_start(
        ARGS("dev", "--", "sh", "-c", "sleep 600 & echo child=$! pid=$$; wait"));
    tool_await_out(tool, "\n");
    pid_t command = (pid_t)number_after(tool_out(tool), "pid=");
    pid_t child = (pid_t)number_after(tool_out(tool), "child=");
    kill(tool->pid, SIGKILL);
    await_gone(command);
    await_gone(child);
    await(is_tidy, NULL, "the servers' end");
    tool_free(tool);
}

static void a_port_that_is_taken_is_named(void **state)
{
    char port[16];

    (void)state;
    snprintf(port, sizeof(port), "%d", zkbox_port(harness_box, 0));
    refuses(69, "--port", "dev", "--port", port);
    refuses(125, "--port", "dev", "--port", port, "--", "true");
}

static void bad_usage_is_64(void **state)
{
    static const char *const lines[] = {
        "dev --nodes 2",      "dev --nodes 0",    "dev --nodes 4",
        "dev --port 0",       "dev --port 65536", "dev --port x",
        "dev word",           "dev --wrong",      "dev --",
        "dev --heap 1",       "dev --tick 0",     "dev --tick 30001",
        "dev --sync-limit 0",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect_line_refused(64, "--help", lines[i]);
    says(0, "usage: latchkey dev ", "dev", "--help");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_gets_the_servers_and_gives_its_code),
        cmocka_unit_test(the_servers_are_as_large_and_as_patient_as_is_asked),
        cmocka_unit_test(a_command_that_dies_or_is_not_there_is_told_apart),
        cmocka_unit_test(json_leaves_stdout_to_the_command),
        cmocka_unit_test(a_signal_ends_it_in_order),
        cmocka_unit_test(killed_it_leaves_nothing),
        cmocka_unit_test(killed_it_takes_the_command_and_its_children_along),
        cmocka_unit_test(a_port_that_is_taken_is_named),
        cmocka_unit_test(bad_usage_is_64),
    };

    harness_tool_path(argc, argv);
    int failed = harness_start(NULL); /* before TMPDIR moves: a server that is not dev's */
    if (failed)
        return 1;
    failed = cmocka_run_group_tests_name("dev", tests, make_folder, remove_folder);
    harness_stop(NULL);
    return failed;
}
