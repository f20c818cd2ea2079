/* test_frame.c - what all verbs have in common: options, refusals in one line, exit codes without a
 * server. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

static void refused_with(int code, const char *words, const char *const *args)
{
    struct tool *tool = tool_run(code, args);
    tool_says(tool, words);
    assert_string_equal(tool_out(tool), "");
    tool_free(tool);
}

static void what_two_processes_print_at_once_is_all_seen(void **state)
{
    enum { LINES = 5000 };
    const struct setting setting = { .program = "sh" };
    struct tool *tool = tool_start_in(
        &setting, ARGS("-c", "say() { i=0; while [ $i -lt 5000 ]; do echo line; "
                             "i=$((i + 1)); done; }; say & say; wait"));
    (void)state;
    assert_int_equal(tool_wait(tool), 0);
    assert_int_equal(strlen(tool_out(tool)), 2 * LINES * strlen("line\n"));
    tool_free(tool);
}

static void no_server_is_69_for_every_verb(void **state)
{
    static const char *const commands[][8] = {
        { "lock", "/p", "--", "true" },
        { "lock", "-n", "/p", "--", "true" },
        { "lock", "-w", "0", "/p", "--", "true" },
        { "elect", "/p", "--", "true" },
        { "elect", "/p" },
        { "observe", "/p" },
        { "status", "/p" },
        { "break", "/p", "--fence", "7" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const char *args[16] = { "--servers", harness_no_server(), "--connect-timeout", "0.3" };
        memcpy(args + 4, commands[i], sizeof(commands[i]));
        refused_with(69, "no server could be reached", args);
    }
}

static void a_short_wait_ends_with_69_when_no_server_was_reached(void **state)
{
    (void)state;
    refused_with(69, "no server",
                 ARGS("-s", harness_no_server(), "lock", "-w", "0.2", "/p", "--", "true"));
}

static void usage_is_64(void **state)
{
    (void)state;
    refused_with(64, "no verb", ARGS("-q"));
    refused_with(64, "there is no verb 'walk'", ARGS("walk"));
    refused_with(64, "there is no option --frobnicate", ARGS("--frobnicate", "status", "/p"));
    refused_with(64, "before the verb", ARGS("status", "-q", "/p"));
    refused_with(64, "needs a value", ARGS("status", "/p", "--root"));
    refused_with(64, "takes no value", ARGS("status", "/p", "--json=1"));
    refused_with(64, "an argument is missing", ARGS("status"));
    refused_with(64, "one argument too many", ARGS("status", "/a", "/b"));
    refused_with(64, "not an absolute path", ARGS("status", "a"));
    refused_with(64, "root 'a' is not", ARGS("--root", "a", "status", "/p"));
    refused_with(64, "behind --", ARGS("lock", "/p"));
    refused_with(64, "behind --", ARGS("lock", "/p", "--"));
    refused_with(64, "behind --", ARGS("lock", "/p", "true"));
    refused_with(64, "-n and -w", ARGS("lock", "-n", "-w", "1", "/p", "--", "true"));
    refused_with(64, "-x and -s", ARGS("lock", "-xs", "/p", "--", "true"));
    refused_with(64, "-w: '-1' is not", ARGS("lock", "-w", "-1", "/p", "--", "true"));
    refused_with(64, "-w: 'inf' is not", ARGS("lock", "-winf", "/p", "--", "true"));
    refused_with(64, "-E: '256' is not", ARGS("lock", "-E", "256", "/p", "--", "true"));
    refused_with(64, "--permits: '0' is not", ARGS("lock", "--permits=0", "/p", "--", "true"));
    refused_with(64, "--on-lost: 'STOP' is none",
                 ARGS("lock", "--on-lost=STOP", "/p", "--", "true"));
    refused_with(64, "descriptor 77 is not open",
                 ARGS("lock", "--status-fd", "77", "/p", "--", "true"));
    refused_with(64, "-w needs a value", ARGS("lock", "/p", "-w", "--", "true"));
    refused_with(64, "--fence is missing", ARGS("break", "/p"));
    refused_with(64, "SCHEME:FILE", ARGS("--auth", "secret", "status", "/p"));
}

static void configuration_is_78(void **state)
{
    char file[] = "/tmp/latchkey-test-XXXXXX", words[64];
    int fd = mkstemp(file);
    (void)state;
    dprintf(fd, "servers = \"127.0.0.1:1\";\nsmervers = 1;\n");
    close(fd);
    snprintf(words, sizeof(words), "%s:2", file);
    refused_with(78, words, ARGS("--config", file, "status", "/p"));
    refused_with(78, "no such file", ARGS("-C", "/nonexistent/x.conf", "lock", "/p", "--", "true"));
    refused_with(78, "can't read", ARGS("--auth", "digest:/nonexistent/x", "status", "/p"));
    unlink(file);
}

static void help_and_version_need_no_server(void **state)
{
    static const char *const verbs[] = { "lock",   "elect", "observe", "status", "break",
                                         "coupon", "dev",   "demo",    "doctor" };
    char usage[64];
    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        struct tool *tool = tool_run(0, ARGS(verbs[i], "--help"));
        snprintf(usage, sizeof(usage), "usage: latchkey %s", verbs[i]);
        assert_ptr_equal(strstr(tool_out(tool), usage), tool_out(tool));
        assert_string_equal(tool_err(tool), "");
        tool_free(tool);
    }
    struct tool *tool = tool_run(0, ARGS("--help"));
    assert_non_null(strstr(tool_out(tool), "usage: latchkey [GLOBAL OPTIONS] VERB"));
    tool_free(tool);
    tool = tool_run(0, ARGS("--version"));
    assert_ptr_equal(strstr(tool_out(tool), "latchkey "), tool_out(tool));
    tool_free(tool);
}

/* Were it a line of its own, a log reader could be told anything. */
static void control_bytes_never_reach_the_terminal(void **state)
{
    (void)state;
    refused_with(64, "'x\\x0ay\\x1b[2J\\xff'", ARGS("x\ny\x1b[2J\xff"));
}

static void output_that_cannot_be_written_is_125_and_a_line(void **state)
{
    static const char *const places[] = { "/dev/full", "" };
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const struct setting setting = { .out_to = places[i] };
        struct tool *tool = tool_start_in(&setting, ARGS("--help"));
        assert_int_equal(tool_wait(tool), 125);
        tool_says(tool, "can't write to standard output");
        tool_free(tool);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_processes_print_at_once_is_all_seen),
        cmocka_unit_test(no_server_is_69_for_every_verb),
        cmocka_unit_test(a_short_wait_ends_with_69_when_no_server_was_reached),
        cmocka_unit_test(usage_is_64),
        cmocka_unit_test(configuration_is_78),
        cmocka_unit_test(help_and_version_need_no_server),
        cmocka_unit_test(control_bytes_never_reach_the_terminal),
        cmocka_unit_test(output_that_cannot_be_written_is_125_and_a_line),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
