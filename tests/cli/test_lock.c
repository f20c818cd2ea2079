/* test_lock.c - `latchkey lock` while nothing goes wrong with the grant: exit codes, environment,
 * descriptors, signals, waiting. Loss is told in test_loss.c. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

/* Runs `sh -c SCRIPT` under a lock of its own. */
static struct tool *run_script(int code, const char *script)
{
    return tool_run(
        code, ARGS("lock", "--status-fd", "9", harness_path("lock"), "--", "sh", "-c", script));
}

static struct tool *hold(const char *path)
{
    struct tool *tool = tool_start(
        ARGS("lock", path, "--", "sh", "-c", "echo pid=$$; exec sleep 600"));
    tool_await_out(tool, "pid=");
    return tool;
}

static struct tool *let_go(struct tool *holder)
{
    kill(holder->pid, SIGTERM);
    assert_int_equal(tool_wait(holder), 128 + SIGTERM);
    return tool_free(holder);
}

static void the_exit_code_is_that_of_the_command(void **state)
{
    static const struct {
        const char *script;
        int code;
    } cases[] = { { "exit 0", 0 },     { "exit 7", 7 },          { "exit 1", 1 },
                  { "exit 124", 124 }, { "kill -KILL $$", 137 }, { "kill -TERM $$", 143 } };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tool *tool = run_script(cases[i].code, cases[i].script);
        assert_string_equal(tool_status(tool), "done\n");
        assert_string_equal(tool_err(tool), "");
        tool_free(tool);
    }
}

static void a_command_that_cannot_run_is_126_and_one_that_is_not_there_127(void **state)
{
    (void)state;
    struct tool *tool = tool_run(
        127, ARGS("lock", "--status-fd=9", harness_path("lock"), "--", "no-such-command"));
    tool_says(tool, "can't run no-such-command");
    assert_string_equal(tool_status(tool), "failed\n");
    tool_free(tool);

    const char *path = harness_path("lock");
    tool = tool_run(126, ARGS("lock", path, "--", "/etc/passwd"));
    tool_says(tool, "can't run /etc/passwd");
    tool_free(tool);
    await_line(path, 0);
}

static void the_environment_tells_the_grant_and_overwrites(void **state)
{
    const char *path = harness_path("lock");
    const struct setting setting = { .variables = (const char *const[]){
                                         "LATCHKEY_FENCE=1", "LATCHKEY_ROOT=/root",
                                         "LATCHKEY_LOCK_PATH=/other", "LATCHKEY_SESSION=1",
                                         NULL } };
    char expected[256];
    (void)state;
    struct tool *tool = tool_start_in(
        &setting,
        ARGS("lock", path, "--", "sh", "-c",
             "env | grep ^LATCHKEY_; \"$LATCHKEY\" --json status \"$LATCHKEY_LOCK_PATH\""));
    assert_int_equal(tool_wait(tool), 0);
    const char *out = tool_out(tool);

    snprintf(expected, sizeof(expected), "LATCHKEY_LOCK_PATH=%s\n", path);
    assert_non_null(strstr(out, expected));
    snprintf(expected, sizeof(expected), "LATCHKEY_LOCK_NODE=%s/lk-lock-", path);
    assert_non_null(strstr(out, expected));
    snprintf(expected, sizeof(expected), "LATCHKEY_SERVERS=%s\n", harness_servers());
    assert_non_null(strstr(out, expected));
    assert_non_null(strstr(out, "LATCHKEY_ROOT=/root\n"));
    assert_non_null(strstr(out, "LATCHKEY_CONFIG=\n"));
    assert_null(strstr(out, "LATCHKEY_FENCE=1\n"));

    /* The nested status saw the same grant: by fence and by session. */
    int64_t fence = number_after(out, "LATCHKEY_FENCE=");
    snprintf(expected, sizeof(expected), "\"fence\":%lld", (long long)fence);
    assert_non_null(strstr(out, expected));
    const char *session = strstr(out, "LATCHKEY_SESSION=");
    assert_non_null(session);
    snprintf(expected, sizeof(expected), "\"session\":\"%.*s\"", (int)strcspn(session + 17, "\n"),
             session + 17);
    assert_non_null(strstr(out, expected));
    tool_free(tool);
}

static void the_configuration_file_gives_defaults_and_goes_on_to_the_command(void **state)
{
    const char *path = harness_path("lock");
    char folder[] = "/tmp/latchkey-config-XXXXXX", name[64], script[512], expected[128];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/a.conf", folder);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs("root = \"/team\";\nlock = { label = \"from the file\"; wait = 0.1; };\n", file);
    fclose(file);

    /* A relative name is made absolute; an empty root on the way down says that there is none. */
    snprintf(script, sizeof(script),
             "cd %s && \"$LATCHKEY\" -C a.conf lock %s -- sh -c 'env | grep LATCHKEY_; "
             "\"$LATCHKEY\" status %s;"
             " unset LATCHKEY_LOCK_NODE; \"$LATCHKEY\" lock %s -- true; echo code=$?; "
             "LATCHKEY_ROOT= \"$LATCHKEY\" "
             "status /team%s'",
             folder, path, path, path, path);
    struct tool *tool = tool_start_in(&(struct setting){ .program = "sh" }, ARGS("-c", script));
    assert_int_equal(tool_wait(tool), 0);
    snprintf(expected, sizeof(expected), "LATCHKEY_CONFIG=%s\n", name);
    assert_non_null(strstr(tool_out(tool), expected));
    assert_non_null(strstr(tool_out(tool), "LATCHKEY_ROOT=/team\n"));
    assert_non_null(strstr(tool_out(tool), "\"from the file\""));
    assert_int_equal(number_after(tool_out(tool), "code="), 124);
    snprintf(expected, sizeof(expected), "\n/team%s: lock, 1 in line", path);
    assert_non_null(strstr(tool_out(tool), expected));
    tool_free(tool);
    unlink(name);
    rmdir(folder);
}

static void the_command_gets_exactly_the_descriptors_of_the_start(void **state)
{
    (void)state;
    /* ls has one of its own: the folder it reads, 3, the first that is free. */
    struct tool *tool = run_script(0, "exec ls /proc/self/fd");
    assert_string_equal(tool_out(tool), "0\n1\n2\n3\n9\n");
    tool_free(tool);
}

static void a_closed_standard_descriptor_stays_closed_for_the_command(void **state)
{
    const struct setting setting = { .out_to = "" };
    (void)state;
    struct tool *tool = tool_start_in(&setting, ARGS("lock", harness_path("lock"), "--", "sh", "-c",
                                                     "[ -e /proc/self/fd/1 ] && exit 3; exit 4"));
    assert_int_equal(tool_wait(tool), 4);
    tool_free(tool);
}

static void dispositions_and_mask_are_those_of_the_start(void **state)
{
    (void)state;
    struct tool *tool = run_script(0, "grep -E '^Sig(Blk|Ign)' /proc/self/status");
    const char *out = tool_out(tool);
    assert_non_null(strstr(out, "SigBlk:\t0000000000000000"));
    assert_non_null(strstr(out, "SigIgn:\t0000000000000000"));
    tool_free(tool);

    tool = tool_start_in(&(struct setting){ .program = "sh" },
                         ARGS("-c",
                              "exec env --ignore-signal=HUP,CHLD \"$LATCHKEY\" lock /ignored --"
                              " grep ^SigIgn /proc/self/status"));
    assert_int_equal(tool_wait(tool), 0);
    assert_non_null(strstr(tool_out(tool), "SigIgn:\t0000000000010001"));
    tool_free(tool);
}

static void a_signal_that_was_ignored_at_the_start_stays_ignored(void **state)
{
    const char *path = harness_path("lock");
    struct tool *holder = hold(path);
    (void)state;
    struct tool *waiter = tool_start_in(
        &(struct setting){ .program = "sh" },
        ARGS("-c", "exec nohup \"$LATCHKEY\" lock \"$0\" -- echo mine", path));
    await_line(path, 2);
    kill(waiter->pid, SIGHUP);
    let_go(holder);
    assert_int_equal(tool_wait(waiter), 0);
    assert_string_equal(tool_out(waiter), "mine\n");
    tool_free(waiter);
}

static void standard_input_is_inherited(void **state)
{
    (void)state;
    struct tool *tool = tool_start_in(&(struct setting){ .program = "sh" },
                                      ARGS("-c", "echo hello | \"$LATCHKEY\" lock /input -- cat"));
    assert_int_equal(tool_wait(tool), 0);
    assert_string_equal(tool_out(tool), "hello\n");
    tool_free(tool);
}

static void a_busy_lock_is_124_at_once_or_in_time_or_what_E_says(void **state)
{
    const char *path = harness_path("lock");
    struct tool *holder = hold(path);
    (void)state;

    struct tool *tool = tool_run(124, ARGS("lock", "-n", "--status-fd", "9", path, "--", "true"));
    tool_says(tool, "another holds it");
    assert_string_equal(tool_status(tool), "timeout\n");
    tool_free(tool);

    tool = tool_run(124, ARGS("lock", "-w", "0.3", path, "--", "true"));
    tool_says(tool, "not acquired within 0.3 s");
    tool_free(tool);
    tool_free(tool_run(124, ARGS("lock", "-w", "0", path, "--", "true")));
    tool_free(tool_run(5, ARGS("lock", "-n", "-E", "5", path, "--", "true")));
    tool_free(tool_run(0, ARGS("lock", "-w", "0.3", "-E0", path, "--", "false")));
    await_line(path, 1);
    let_go(holder);
}

/* What has passed the proxy; ZooKeeper's opcodes. */
static int64_t writes_through(zkbox_proxy *proxy)
{
    static const int opcodes[] = { 1 /* create */,     2 /* delete */,
                                   5 /* setData */,    7 /* setACL */,
                                   14 /* multi */,     15 /* create2 */,
                                   19 /* container */, 20 /* its delete */ };
    int64_t count = 0;

    for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
        count += zkbox_proxy_requests(proxy, opcodes[i]);
    return count;
}

static void one_try_at_a_busy_lock_writes_nothing(void **state)
{
    const char *path = harness_path("lock");
    zkbox_proxy *proxy;
    (void)state;
    assert_int_equal(zkbox_proxy_start(&proxy, zkbox_address(harness_box, 0)), 0);
    const struct setting setting = { .servers = zkbox_proxy_address(proxy) };

    struct tool *holder = hold(path);
    struct tool *tool = tool_start_in(&setting, ARGS("lock", "-n", path, "--", "true"));
    assert_int_equal(tool_wait(tool), 124);
    tool_free(tool);
    assert_true(zkbox_proxy_requests(proxy, ZKBOX_ANY) > 0);
    assert_int_equal(writes_through(proxy), 0);
    let_go(holder);

    tool = tool_start_in(&setting, ARGS("lock", "-n", path, "--", "true"));
    assert_int_equal(tool_wait(tool), 0);
    tool_free(tool);
    assert_true(writes_through(proxy) > 0); /* as whoever gets it does */
    zkbox_proxy_stop(proxy);
}

static void waiters_are_served_in_their_order(void **state)
{
    enum { WAITERS = 4 };
    const char *path = harness_path("lock");
    char file[] = "/tmp/latchkey-order-XXXXXX";
    struct tool *holder = hold(path), *waiters[WAITERS];
    char script[128], text[64] = "";
    (void)state;
    close(mkstemp(file));
    for (int i = 0; i < WAITERS; i++) {
        snprintf(script, sizeof(script), "printf %d >>%s", i, file);
        waiters[i] = tool_start(ARGS("lock", path, "--", "sh", "-c", script));
        await_line(path, (size_t)i + 2);
    }
    let_go(holder);
    for (int i = 0; i < WAITERS; i++) {
        assert_int_equal(tool_wait(waiters[i]), 0);
        tool_free(waiters[i]);
    }
    FILE *order = fopen(file, "r");
    assert_non_null(order);
    assert_non_null(fgets(text, sizeof(text), order));
    fclose(order);
    unlink(file);
    assert_string_equal(text, "0123");
}

static void a_signal_while_waiting_leaves_the_line(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
    const char *path = harness_path("lock");
    struct tool *holder = hold(path);
    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct tool *waiter = tool_start(ARGS("lock", "--status-fd=9", path, "--", "true"));
        await_line(path, 2);
        kill(waiter->pid, signals[i]);
        assert_int_equal(tool_wait(waiter), 128 + signals[i]);
        assert_false(waiter->killed);
        assert_string_equal(tool_status(waiter), "failed\n");
        tool_free(waiter);
        await_line(path, 1);
    }
    let_go(holder);
}

static void a_signal_while_connecting_ends_it_at_once(void **state)
{
    struct setting setting = { .servers = harness_no_server() };
    (void)state;
    struct tool *tool = tool_start_in(&setting,
                                      ARGS("--connect-timeout", "600", "lock", "/p", "--", "true"));
    tool_guardian(tool);
    kill(tool->pid, SIGTERM);
    assert_int_equal(tool_wait(tool), 128 + SIGTERM);
    tool_free(tool);
}

/* From the first instruction to well into CMD: somewhere on the way TERM stops killing latchkey
 * itself, then leaves the line, then goes on to CMD. It ends as if by TERM each time, and nothing
 * stays. */
static void terminated_at_any_moment_it_is_143_and_nothing_stays(void **state)
{
    enum { MOMENTS = 60, STEP_MS = 2 };
    const char *path = harness_path("lock");
    (void)state;
    for (int i = 0; i < MOMENTS; i++) {
        struct tool *tool = tool_start(ARGS("lock", path, "--", "sleep", "600"));
        poll(NULL, 0, i * STEP_MS);
        kill(tool->pid, SIGTERM);
        assert_int_equal(tool_wait(tool), 128 + SIGTERM);
        assert_string_equal(tool_err(tool), "");
        tool_free(tool);
        await_line(path, 0);
    }
}

static void signals_go_on_to_the_command(void **state)
{
    static const struct {
        int signal;
        const char *name;
    } cases[] = { { SIGTERM, "TERM" },  { SIGINT, "INT" },   { SIGHUP, "HUP" },
                  { SIGQUIT, "QUIT" },  { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" },
                  { SIGWINCH, "WINCH" } };
    char script[256];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(script, sizeof(script),
                 "trap 'exit 42' %s; echo ready; while :; do sleep 0.05; done", cases[i].name);
        struct tool *tool = tool_start(
            ARGS("lock", harness_path("lock"), "--", "sh", "-c", script));
        tool_await_out(tool, "ready");
        kill(tool->pid, cases[i].signal);
        assert_int_equal(tool_wait(tool), 42);
        tool_free(tool);
    }
}

static void signals_go_on_to_the_whole_group(void **state)
{
    (void)state;
    struct tool *tool = tool_start(
        ARGS("lock", harness_path("lock"), "--", "sh", "-c",
             "trap 'wait; exit 42' TERM;" /* before anybody is ready */
             " sh -c 'trap \"echo child heard; exit\" TERM; echo child ready; while :; do sleep "
             "0.05; done' &"
             " while :; do sleep 0.05; done"));
    tool_await_out(tool, "child ready");
    kill(tool->pid, SIGTERM);
    assert_int_equal(tool_wait(tool), 42);
    assert_non_null(strstr(tool_out(tool), "child heard"));
    tool_free(tool);
}

static void some_signals_do_not_go_on(void **state)
{
    static const int signals[] = { SIGCHLD, SIGPIPE, SIGALRM, SIGTTIN, SIGTTOU };
    (void)state;
    struct tool *tool = tool_start(
        ARGS("lock", harness_path("lock"), "--", "sh", "-c",
             "trap 'echo heard' CHLD PIPE ALRM TTIN TTOU; trap 'exit 43' USR1; echo ready;"
             " while :; do read x </dev/null; done"));
    tool_await_out(tool, "ready");
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        kill(tool->pid, signals[i]);
    kill(tool->pid, SIGUSR1);
    assert_int_equal(tool_wait(tool), 43);
    assert_null(strstr(tool_out(tool), "heard"));
    tool_free(tool);
}

static void the_lock_ends_with_the_command_whatever_it_leaves_behind(void **state)
{
    const char *path = harness_path("lock");
    (void)state;
    struct tool *tool = tool_run(0,
                                 ARGS("lock", path, "--", "sh", "-c", "sleep 600 & echo left=$!"));
    pid_t left = (pid_t)number_after(tool_out(tool), "left=");
    assert_true(is_alive(left));
    await_line(path, 0);
    kill(left, SIGKILL);
    tool_free(tool);
}

static void a_lock_inside_itself_is_refused(void **state)
{
    const char *path = harness_path("lock");
    char script[512];
    (void)state;
    snprintf(script, sizeof(script), "\"$LATCHKEY\" lock --status-fd=9 %s -- true; echo code=$?",
             path);
    struct tool *tool = tool_run(0, ARGS("lock", path, "--", "sh", "-c", script));
    assert_int_equal(number_after(tool_out(tool), "code="), 125);
    tool_says(tool, "would wait for ever");
    assert_string_equal(tool_status(tool), "refused\n");
    tool_free(tool);

    /* By any other name: the root spelt as part of the path, and back. */
    snprintf(script, sizeof(script), "LATCHKEY_ROOT=%s \"$LATCHKEY\" lock /x -- true; echo code=$?",
             path);
    char inner[128];
    snprintf(inner, sizeof(inner), "%s/x", path);
    tool = tool_run(0, ARGS("lock", inner, "--", "sh", "-c", script));
    assert_int_equal(number_after(tool_out(tool), "code="), 125);
    tool_free(tool);

    /* Another lock is fine, and a trial does not wait. */
    snprintf(script, sizeof(script),
             "\"$LATCHKEY\" lock %s-2 -- true && \"$LATCHKEY\" lock -n %s -- true; echo code=$?",
             path, path);
    tool = tool_run(0, ARGS("lock", path, "--", "sh", "-c", script));
    assert_int_equal(number_after(tool_out(tool), "code="), 124);
    tool_free(tool);
}

static void a_permit_of_one_is_a_lock_and_a_label_is_shown(void **state)
{
    (void)state;
    struct tool *tool = tool_run(0, ARGS("lock", "-x", "--permits", "1", "--label", "night\tly",
                                         harness_path("lock"), "--", "sh", "-c",
                                         "\"$LATCHKEY\" status $LATCHKEY_LOCK_PATH"));
    assert_non_null(strstr(tool_out(tool), "\"night\\x09ly\""));
    assert_non_null(strstr(tool_out(tool), "lock, 1 in line, "));
    assert_non_null(strstr(tool_out(tool), "1 holds "));
    tool_free(tool);
}

static void json_goes_where_the_command_does_not_write(void **state)
{
    const char *path = harness_path("lock");
    char expected[128];
    (void)state;
    struct tool *tool = tool_run(
        3, ARGS("lock", "--json", "--status-fd", "9", path, "--", "sh", "-c", "echo mine; exit 3"));
    assert_string_equal(tool_out(tool), "mine\n");
    assert_string_equal(tool_err(tool), "");
    snprintf(expected, sizeof(expected), "{\"status\":\"done\",\"path\":\"%s\",\"code\":3,", path);
    assert_non_null(strstr(tool_status(tool), "{\"status\":\"held\","));
    assert_non_null(strstr(tool_status(tool), expected));
    tool_free(tool);

    tool = tool_run(0, ARGS("--json", "lock", path, "--", "true"));
    assert_non_null(strstr(tool_err(tool), "{\"status\":\"done\","));
    tool_free(tool);
}

static void what_is_wrong_with_the_path_is_said(void **state)
{
    static const char *const paths[] = { "//", "/a/", "/a//b", "/a/../b", "/a\xff", "/" };
    char *longest = calloc(1, 2002);
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct tool *tool = tool_run(64, ARGS("lock", paths[i], "--", "true"));
        tool_says(tool, "path");
        tool_free(tool);
    }
    memset(longest, 'x', 2001);
    longest[0] = '/';
    tool_free(tool_run(64, ARGS("lock", longest, "--", "true")));
    free(longest);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_is_that_of_the_command),
        cmocka_unit_test(a_command_that_cannot_run_is_126_and_one_that_is_not_there_127),
        cmocka_unit_test(the_environment_tells_the_grant_and_overwrites),
        cmocka_unit_test(the_configuration_file_gives_defaults_and_goes_on_to_the_command),
        cmocka_unit_test(the_command_gets_exactly_the_descriptors_of_the_start),
        cmocka_unit_test(a_closed_standard_descriptor_stays_closed_for_the_command),
        cmocka_unit_test(dispositions_and_mask_are_those_of_the_start),
        cmocka_unit_test(a_signal_that_was_ignored_at_the_start_stays_ignored),
        cmocka_unit_test(standard_input_is_inherited),
        cmocka_unit_test(a_busy_lock_is_124_at_once_or_in_time_or_what_E_says),
        cmocka_unit_test(one_try_at_a_busy_lock_writes_nothing),
        cmocka_unit_test(waiters_are_served_in_their_order),
        cmocka_unit_test(a_signal_while_waiting_leaves_the_line),
        cmocka_unit_test(a_signal_while_connecting_ends_it_at_once),
        cmocka_unit_test(terminated_at_any_moment_it_is_143_and_nothing_stays),
        cmocka_unit_test(signals_go_on_to_the_command),
        cmocka_unit_test(signals_go_on_to_the_whole_group),
        cmocka_unit_test(some_signals_do_not_go_on),
        cmocka_unit_test(the_lock_ends_with_the_command_whatever_it_leaves_behind),
        cmocka_unit_test(a_lock_inside_itself_is_refused),
        cmocka_unit_test(a_permit_of_one_is_a_lock_and_a_label_is_shown),
        cmocka_unit_test(json_goes_where_the_command_does_not_write),
        cmocka_unit_test(what_is_wrong_with_the_path_is_said),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests(tests, harness_start, harness_stop);
}
