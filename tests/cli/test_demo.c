/* test_demo.c - the flash sale: exactly the stock is sold, also when workers are killed on the way;
 * the audit is clean. */
#include "expect.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Its servers are its own unless some are named: the harness must name none. */
static struct tool *run_alone(const char *const *args)
{
    const struct setting setting = { .servers = "" };
    struct tool *tool = tool_start_in(&setting, args);

    if (tool_wait(tool) != 0)
        print_error("%s\n", tool_err(tool));
    assert_int_equal(tool->code, 0);
    return tool;
}

static void the_sale_of_the_readme_with_a_worker_killed(void **state)
{
    (void)state;
    struct tool *tool = run_alone(ARGS("demo", "--kill"));
    const char *out = tool_out(tool);
    assert_non_null(
        strstr(out, "claims               500   of 500 coupons, by 4 worker processes\n"));
    assert_non_null(strstr(out, "refusals           1,500   sold out\n"));
    assert_non_null(strstr(out, "kills                  1   with SIGKILL; "));
    assert_true(number_after(out, "with SIGKILL; ") > 0);            /* claims asked again... */
    assert_true(number_after(out, "again with the same ids, ") > 0); /* ... and granted before */
    assert_non_null(strstr(out, "leader changes         1\n"));
    assert_non_null(
        strstr(out, "answers             true   500 in the ledger as they were answered\n"));
    assert_non_null(strstr(out, "audit              clean   500 issued, exactly 500 expected\n"));
    assert_null(strchr(out, '\033'));

    const char *err = tool_err(tool);
    assert_non_null(strstr(err, "4 workers are ready, worker "));
    assert_true(number_after(err, "which leads, is killed with SIGKILL at ") >= 250);
    assert_non_null(strstr(err, " reports: 500 of 500 coupons issued, sold out\n"));
    assert_null(strchr(err, '\033'));
    tool_free(tool);
}

static void a_terminal_sees_it_grow(void **state)
{
    (void)state;
    char *text = shows(0, "demo", "--users", "200", "--stock", "100");
    assert_non_null(strstr(text, " of 100 claimed, "));
    assert_non_null(strstr(text, "clean"));
    free(text);
}

static void more_stock_than_users_leaves_some(void **state)
{
    (void)state;
    char *line = prints(0, "demo", "--users", "300", "--stock", "1000", "--workers", "3", "--json");
    assert_non_null(strstr(
        line,
        "{\"users\":300,\"stock\":1000,\"workers\":3,\"claims\":300,\"refusals\":0,\"sold_out\":0,"
        "\"issued\":300,"));
    assert_non_null(strstr(line, "\"kills\":0,\"asked_again\":0,\"settled\":0,"));
    assert_non_null(strstr(line, "\"answers_true\":true,\"clean\":true,\"faults\":[]}"));
    free(line);
}

static void several_kills_and_several_coupons_a_user(void **state)
{
    (void)state;
    struct tool *tool = tool_run(0, ARGS("-q", "--session-timeout", "1.5", "demo", "--users", "100",
                                         "--stock", "250", "--per-user", "3", "--kills", "3"));
    assert_non_null(strstr(tool_out(tool), "claims               250   "));
    assert_non_null(strstr(tool_out(tool), "refusals              50   "));
    assert_non_null(strstr(tool_out(tool), "kills                  3   "));
    assert_non_null(strstr(tool_out(tool), "audit              clean   250 issued"));
    assert_string_equal(tool_err(tool), "");
    tool_free(tool);
}

static void the_smallest_sales(void **state)
{
    (void)state;
    says(0, "claims                 1   of 1 coupons", "demo", "--users", "1", "--stock", "1",
         "--workers", "1", "--kill", "--session-timeout", "1.5");
    says(0, "refusals               3   sold out", "demo", "--users", "3", "--stock", "0",
         "--workers", "2");
}

static void nothing_of_it_stays_on_named_servers(void **state)
{
    (void)state;
    tool_free(tool_run(0, ARGS("demo", "--users", "10", "--stock", "5")));
    char *dump = NULL;
    assert_int_equal(zkbox_ask(harness_box, 0, "dump", &dump), 0);
    assert_null(strstr(dump, "latchkey-demo")); /* no ephemeral znode of a worker's */
    free(dump);
}

/* The processes that a process has started: of all its threads. */
static size_t children_of(pid_t pid, pid_t *children, size_t most)
{
    char name[64];
    size_t count = 0;

    snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(name);
    for (struct dirent *thread; threads && (thread = readdir(threads));) {
        snprintf(name, sizeof(name), "/proc/%d/task/%.20s/children", (int)pid, thread->d_name);
        FILE *file = fopen(name, "r");
        while (file && count < most && fscanf(file, "%d", &children[count]) == 1)
            count++;
        if (file)
            fclose(file);
    }
    if (threads)
        closedir(threads);
    return count;
}

static void killed_it_takes_workers_and_servers_along(void **state)
{
    const struct setting setting = { .servers = "" };
    pid_t children[16];

    (void)state;
    struct tool *tool = tool_start_in(&setting,
                                      ARGS("demo", "--users", "1000000", "--stock", "1000000"));
    tool_await_err(tool, "the sale opens");
    size_t count = children_of(tool->pid, children, 16);
    assert_int_equal(count, 5); /* four workers and the servers' guardian */
    kill(tool->pid, SIGKILL);
    assert_int_equal(tool_wait(tool), 128 + SIGKILL);
    for (size_t i = 0; i < count; i++)
        await_gone(children[i]);
    tool_free(tool);
}

static void bad_usage_is_64_and_no_server_69(void **state)
{
    static const char *const lines[] = {
        "demo --users 0",  "demo --workers 0",   "demo --workers 65",
        "demo --stock x",  "demo --per-user 0",  "demo --users 10000000 --per-user 2",
        "demo --worker 1", "demo --campaign /x", "demo word",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        expect_line_refused(64, "--help", lines[i]);
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3", "demo");
    says(0, "usage: latchkey demo ", "demo", "--help");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sale_of_the_readme_with_a_worker_killed),
        cmocka_unit_test(a_terminal_sees_it_grow),
        cmocka_unit_test(more_stock_than_users_leaves_some),
        cmocka_unit_test(several_kills_and_several_coupons_a_user),
        cmocka_unit_test(the_smallest_sales),
        cmocka_unit_test(nothing_of_it_stays_on_named_servers),
        cmocka_unit_test(killed_it_takes_workers_and_servers_along),
        cmocka_unit_test(bad_usage_is_64_and_no_server_69),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("demo", tests, harness_start, harness_stop);
}
