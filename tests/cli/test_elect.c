/* test_elect.c - elect, observe and status. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static void a_candidate_tells_each_change_until_a_signal(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *first = tool_start(ARGS("elect", path));
    tool_await_out(first, "leading  fence ");
    struct tool *second = tool_start(ARGS("--json", "elect", path));
    await_line(path, 2);
    tool_await_out(second, "\"state\":\"waiting\"");
    assert_null(strstr(tool_out(second), "held"));

    assert_int_equal(tool_end(first, SIGTERM), 128 + SIGTERM);
    tool_await_out(second, "\"state\":\"held\",\"fence\":");
    assert_int_equal(tool_end(second, SIGINT), 128 + SIGINT);
    await_line(path, 0);
}

static void a_candidate_that_was_broken_says_so_and_stands_again(void **state)
{
    const char *path = harness_path("elect");
    char fence[32];
    (void)state;
    struct tool *tool = tool_start(ARGS("elect", path));
    tool_await_out(tool, "leading  fence ");
    int64_t first = number_after(tool_out(tool), "leading  fence ");
    snprintf(fence, sizeof(fence), "%lld", (long long)first);
    tool_free(tool_run(0, ARGS("break", path, "--fence", fence)));
    tool_await_out(tool, "lost  fence ");
    await_line(path, 1);
    struct tool *status = tool_run(0, ARGS("--json", "status", path));
    assert_true(number_after(tool_out(status), "\"fence\":") > first);
    tool_free(status);
    tool_end(tool, SIGTERM);
}

static void not_elected_in_time_is_124(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *leader = tool_start(ARGS("elect", path, "--", "sleep", "600"));
    await_line(path, 1);
    struct tool *tool = tool_run(124, ARGS("elect", "-w", "0.3", path));
    tool_says(tool, "not elected within 0.3 s");
    tool_free(tool);
    tool_free(tool_run(124, ARGS("elect", "-w", "0.3", path, "--", "true")));
    assert_int_equal(tool_end(leader, SIGTERM), 128 + SIGTERM);
}

static void no_time_at_all_is_usage_not_a_missing_server(void **state)
{
    (void)state;
    struct tool *tool = tool_run(64, ARGS("elect", "-w", "0", harness_path("elect")));
    tool_says(tool, "leaves no time");
    tool_free(tool);
    tool_free(tool_run(64, ARGS("elect", "-w", "0", harness_path("elect"), "--", "true")));
}

static void a_command_runs_while_leading(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *tool = tool_run(5, ARGS("elect", "--status-fd=9", path, "--", "sh", "-c",
                                         "echo $LATCHKEY_LOCK_PATH; exit 5"));
    assert_memory_equal(tool_out(tool), path, strlen(path));
    assert_string_equal(tool_status(tool), "done\n");
    tool_free(tool);
    await_line(path, 0);
}

static void again_leads_again_until_a_signal(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *tool = tool_start(
        ARGS("elect", "--again", "--status-fd=9", path, "--", "sh", "-c", "echo turn; exit 3"));
    tool_await_out(tool, "turn\nturn\n");
    kill(tool->pid, SIGTERM);
    int code = tool_wait(tool);
    /* Between two turns it leaves; in one it waits for the end of CMD. */
    assert_true(code == 128 + SIGTERM || code == 3);
    assert_ptr_equal(strstr(tool_status(tool), "done\ndone\n"), tool_status(tool));
    tool_free(tool);
    await_line(path, 0);
}

static void again_stands_again_after_a_loss(void **state)
{
    const char *path = harness_path("elect");
    char fence[32];
    (void)state;
    struct tool *tool = tool_start(ARGS("elect", "--again", path, "--", "sh", "-c",
                                        "echo fence=$LATCHKEY_FENCE.; exec sleep 600"));
    tool_await_out(tool, ".");
    int64_t first = number_after(tool_out(tool), "fence=");
    snprintf(fence, sizeof(fence), "%lld", (long long)first);
    tool_free(tool_run(0, ARGS("break", path, "--fence", fence)));
    tool_await_out(tool, ".\nfence=");
    tool_await_err(tool, "lost");
    assert_int_equal(tool_end(tool, SIGTERM), 128 + SIGTERM);
}

static void observers_see_the_leader_and_each_change(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *observer = tool_start(ARGS("observe", path));
    struct tool *json = tool_start(ARGS("observe", path, "--json"));
    tool_await_out(observer, "no leader\n");
    tool_await_out(json, "\"leader\":null}");
    struct tool *leader = tool_start(ARGS("elect", "--id", "alice\x1b[2J", path));
    tool_await_out(observer, "leader \"alice\\x1b[2J\"  fence ");
    tool_await_out(json, "\"leader\":{\"id\":\"alice\\u001B[2J\",\"node\":\"lk-lock-");
    struct tool *next = tool_start(ARGS("elect", "--id", "bob", path));
    await_line(path, 2);
    tool_end(leader, SIGTERM);
    tool_await_out(observer, "leader \"bob\"");
    tool_end(next, SIGTERM);
    tool_await_out(observer, "\nno leader\n");
    assert_int_equal(tool_end(observer, SIGTERM), 128 + SIGTERM);
    assert_int_equal(tool_end(json, SIGHUP), 128 + SIGHUP);
}

static void a_path_of_another_kind_is_refused(void **state)
{
    const char *path = harness_path("elect");
    (void)state;
    struct tool *leader = tool_start(ARGS("elect", path));
    tool_await_out(leader, "leading  fence ");
    struct tool *tool = tool_run(125, ARGS("lock", "--status-fd", "9", path, "--", "true"));
    tool_says(tool, "another kind");
    assert_string_equal(tool_status(tool), "refused\n");
    tool_free(tool);
    tool_end(leader, SIGTERM);
}

static void status_lists_holder_and_waiters_in_order(void **state)
{
    const char *path = harness_path("status");
    (void)state;
    struct tool *holder = tool_start(ARGS("lock", "--label", "first", path, "--", "sleep", "600"));
    await_line(path, 1);
    struct tool *waiter = tool_start(ARGS("lock", "--label", "second", path, "--", "true"));
    await_line(path, 2);

    struct tool *tool = tool_run(0, ARGS("status", path));
    const char *out = tool_out(tool), *first = strstr(out, "   1 holds   lk-lock-"),
               *second = strstr(out, "   2 waits   lk-lock-");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    assert_non_null(strstr(first, "\"first\"\n"));
    assert_non_null(strstr(second, "\"second\"\n"));
    tool_free(tool);

    tool_free(holder);
    tool_wait(waiter);
    tool_free(waiter);
    tool = tool_run(1, ARGS("status", "/never-was"));
    tool_says(tool, "/never-was: not found");
    tool_free(tool);
}

/* A lone holder's too: nothing in its line tells the time but its own beginning. */
static void status_says_how_long_somebody_holds(void **state)
{
    const char *path = harness_path("age");
    (void)state;
    struct tool *holder = tool_start(ARGS("lock", path, "--", "sleep", "600"));
    await_line(path, 1);
    bool is_still_young = true;
    while (is_still_young) {
        struct tool *tool = tool_run(0, ARGS("status", path));
        assert_non_null(strstr(tool_out(tool), "1 holds "));
        is_still_young = strstr(tool_out(tool), "  age 0ms") != NULL;
        tool_free(tool);
    }
    tool_free(holder);
}

static void status_can_be_watched(void **state)
{
    const char *path = harness_path("watched");
    (void)state;
    struct tool *watcher = tool_start(ARGS("status", "--watch", path));
    struct tool *json = tool_start(ARGS("status", "--json", "--watch", path));
    tool_await_out(watcher, ", 0 in line, ");
    tool_await_out(json, "\"entries\":[]}");
    struct tool *holder = tool_start(ARGS("lock", "--label", "first", path, "--", "sleep", "600"));
    tool_await_out(watcher, "   1 holds   lk-lock-");
    tool_await_out(json, "\"label\":\"first\"}]}");
    struct tool *waiter = tool_start(ARGS("lock", "--label", "second", path, "--", "true"));
    tool_await_out(watcher, "   2 waits   lk-lock-");
    tool_await_out(json, "\"label\":\"second\"}]}");
    tool_free(holder);
    tool_wait(waiter);
    tool_free(waiter);
    tool_await_out(watcher, ": lock, 0 in line, ");
    assert_int_equal(tool_end(watcher, SIGTERM), 128 + SIGTERM);
    assert_int_equal(tool_end(json, SIGHUP), 128 + SIGHUP);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_candidate_tells_each_change_until_a_signal),
        cmocka_unit_test(a_candidate_that_was_broken_says_so_and_stands_again),
        cmocka_unit_test(not_elected_in_time_is_124),
        cmocka_unit_test(no_time_at_all_is_usage_not_a_missing_server),
        cmocka_unit_test(a_command_runs_while_leading),
        cmocka_unit_test(again_leads_again_until_a_signal),
        cmocka_unit_test(again_stands_again_after_a_loss),
        cmocka_unit_test(observers_see_the_leader_and_each_change),
        cmocka_unit_test(a_path_of_another_kind_is_refused),
        cmocka_unit_test(status_lists_holder_and_waiters_in_order),
        cmocka_unit_test(status_says_how_long_somebody_holds),
        cmocka_unit_test(status_can_be_watched),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, harness_start, harness_stop);
}
