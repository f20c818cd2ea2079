/* test_coupon_bulk.c - claims for a list of users: answered in the list's order, once, in little
 * memory, whatever becomes of the list, the terminal, the server, or the patience of who waits. */
#include "coupons.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a list ---- */

static void a_list_of_users_is_claimed_for_in_order_and_once(void **state)
{
    const char *path = new_campaign("bulk", "2", "0");
    char name[64];

    (void)state;
    write_file(name, "cay\ndan\ncay\n\neve\r\nfay");
    char *text = prints(0, "coupon", "claim", path, "--from", name, "--id", "batch");
    /* All are under way at once: which of them get the two is not said. */
    const char *line = text;
    size_t ok = 0, refused = 0;
    for (size_t i = 0; i < 5; i++, line = strchr(line, '\n') + 1) {
        static const char *const users[] = { "cay\t", "dan\t", "cay\t", "eve\t", "fay\t" };
        assert_memory_equal(line, users[i], 4);
        ok += strncmp(line + 4, "ok\t", 3) == 0;
        refused += strncmp(line + 4, "sold-out\t\n", 10) == 0;
    }
    assert_string_equal(line, "");
    assert_int_equal(ok, 2);
    assert_int_equal(refused, 3);
    gives(0, text, "coupon", "claim", path, "--from", name, "--id", "batch");
    says(0, "issued       2\n", "coupon", "show", path);
    free(text);

    /* With stock again, the same command finishes what was refused. */
    tool_free(tool_run(0, ARGS("coupon", "add-stock", path, "3")));
    text = prints(0, "-q", "coupon", "claim", path, "--from", name, "--id", "batch");
    assert_null(strstr(text, "sold-out"));
    says(0, "available    0\n", "coupon", "show", path);
    says(0, "cay\t2\tclaimed 2\n", "coupon", "list", path);
    says(0, "\"user\":\"eve\",\"coupons\":1,\"claimed\":1,\"frozen\":0,\"redeemed\":0,\"void\":0",
         "coupon", "list", path, "--json");
    free(text);
    unlink(name);
}

static void a_line_that_is_no_user_is_refused_alone(void **state)
{
    const char *path = new_campaign("lines", "2", "0");
    char name[64];

    (void)state;
    write_file(name, "gil\n\377\nhal\n");
    char *text = prints(0, "coupon", "claim", path, "--from", name);
    assert_non_null(strstr(text, "\n\\xff\tinvalid\t\n"));
    assert_non_null(strstr(text, "hal\tok\t"));
    free(text);
    says(0, "\"status\":\"sold-out\",\"coupons\":[]", "coupon", "claim", path, "--from", name,
         "--json");
    refuses(1, "not found", "coupon", "claim", "/nowhere-at-all", "--from", name);
    unlink(name);
    refuses(64, "No such file", "coupon", "claim", path, "--from", name);
    gives(0, "", "coupon", "claim", path, "--from", "/dev/null");
}

static void a_thousand_lines_are_all_answered(void **state)
{
    const char *path = new_campaign("many", "600", "1");
    char name[64], *list = calloc(1000, 16), *end = list;

    (void)state;
    assert_non_null(list);
    for (int i = 0; i < 1000; i++)
        end += sprintf(end, "user-%d\n", i);
    write_file(name, list);
    free(list);
    char *text = prints(0, "coupon", "claim", path, "--from", name);
    size_t ok = 0, refused = 0;
    for (const char *at = text; (at = strchr(at, '\t')) != NULL; at = strchr(at, '\n')) {
        ok += strncmp(at, "\tok\t", 4) == 0;
        refused += strncmp(at, "\tsold-out\t", 10) == 0;
    }
    free(text);
    unlink(name);
    assert_int_equal(ok, 600);
    assert_int_equal(refused, 400);
    says(0, "\"clean\":true,\"stocked\":600,\"available\":0,\"issued\":600,\"claimed\":600,",
         "coupon", "audit", path, "--json");
}

static void a_terminal_sees_progress_and_a_file_does_not(void **state)
{
    const char *path = new_campaign("watch", "600", "1");
    const char *const variables[] = { "TERM=xterm", NULL };
    const struct setting setting = { .on_terminal = true, .variables = variables };
    char name[64];

    (void)state;
    write_file(name, "ann\nbob\n");
    struct tool *tool = tool_start_in(&setting, ARGS("coupon", "claim", path, "--from", name));
    assert_int_equal(tool_wait(tool), 0);
    assert_non_null(strstr(tool_out(tool), "% "));
    tool_free(tool);
    tool = tool_run(0, ARGS("coupon", "claim", path, "--from", name));
    assert_null(strchr(tool_err(tool), '\033'));
    assert_null(strchr(tool_err(tool), '\r'));
    tool_free(tool);
    unlink(name);
}

/* ---- a long list ---- */

/* Names long enough for a list of several MiB; freed by the caller. */
static char *make_list(size_t count)
{
    char *list = calloc(count + 1, 64), *end = list;

    assert_non_null(list);
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, "one-of-a-list-of-customers-%zu\n", i);
    return list;
}

/* Every line of the answers is the list's with something behind it; how many of them have `words`.
 */
static size_t count_answers(const char *answers, const char *list, const char *words)
{
    size_t count = 0, size;

    for (; *list; list += size + 1, answers = strchr(answers, '\n') + 1) {
        size = strcspn(list, "\n");
        if (strncmp(answers, list, size) != 0 || answers[size] != '\t')
            fail_msg("'%.40s' stands where '%.*s' was asked for", answers, (int)size, list);
        count += strncmp(answers + size, words, strlen(words)) == 0;
    }
    assert_string_equal(answers, "");
    return count;
}

enum { LONG = 100000 };
#ifdef __SANITIZE_ADDRESS__
enum { PEAK_KIB = 1 << 20 }; /* it keeps what was freed */
#else
enum { PEAK_KIB = 60000 };
#endif

/* Held in memory the answers alone would be twice the limit. */
static void a_hundred_thousand_lines_take_little_memory_and_keep_their_order(void **state)
{
    const char *path = new_campaign("long", "50", "1");
    char from[64], to[64], *list = make_list(LONG);

    (void)state;
    write_file(from, list);
    write_file(to, "");
    const struct setting setting = { .out_to = to };
    struct tool *tool = tool_start_in(&setting, ARGS("coupon", "claim", path, "--from", from));
    assert_int_equal(tool_wait(tool), 0);
    assert_in_range(tool->peak_kib, 1, PEAK_KIB);
    tool_free(tool);
    char *answers = read_whole(to);
    assert_int_equal(count_answers(answers, list, "\tok\t"), 50);
    says(0, "available    0\n", "coupon", "show", path);
    free(answers);
    free(list);
    unlink(from);
    unlink(to);
}

/* ---- interrupted ---- */

/* The tool reads from a pipe that the test holds open: only the signal ends it. */
static struct tool *start_from_pipe(const struct setting *setting, const char *path,
                                    const char *users, char name[64], int *out_pipe)
{
    write_file(name, "");
    unlink(name);
    assert_int_equal(mkfifo(name, 0600), 0);
    struct tool *tool = tool_start_in(
        setting, ARGS("coupon", "claim", path, "--from", name, "--id", "list"));
    *out_pipe = open(name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(*out_pipe, users, strlen(users)), strlen(users));
    return tool;
}

static bool is_drained(void *arg)
{
    int left;

    return ioctl(*(int *)arg, FIONREAD, &left) == 0 && left == 0;
}

static void a_signal_ends_the_reading_and_says_how_to_go_on(void **state)
{
    const char *path = new_campaign("signal", "9", "1");
    const struct setting setting = { NULL };
    char name[64];
    int pipe;

    (void)state;
    struct tool *tool = start_from_pipe(&setting, path, "ann\nbob\n", name, &pipe);
    tool_await_out(tool, "bob\tok\t");
    kill(tool->pid, SIGINT);
    assert_int_equal(tool_wait(tool), 128 + SIGINT);
    assert_false(tool->killed);
    assert_non_null(strstr(tool_err(tool), "interrupted after 2 lines; the same command with --id "
                                           "list goes on\n"));
    tool_free(tool);
    close(pipe);
    unlink(name);
}

/* One user's claim is answered, the next one's is under way and gets no answer. */
static struct tool *start_stalled(zkbox_proxy **out_proxy, const char *path, char name[64],
                                  int *out_pipe)
{
    assert_int_equal(zkbox_proxy_start(out_proxy, zkbox_address(harness_box, 0)), 0);
    const struct setting setting = { .servers = zkbox_proxy_address(*out_proxy) };
    struct tool *tool = start_from_pipe(&setting, path, "ann\n", name, out_pipe);
    tool_await_out(tool, "ann\tok\t");
    zkbox_proxy_stall(*out_proxy);
    assert_int_equal(write(*out_pipe, "bob\n", 4), 4);
    await(is_drained, out_pipe, "the line to be read");
    return tool;
}

/* What was sent may be applied: its answer is printed, however long it takes. */
static void a_signal_waits_for_the_answers_to_what_was_sent(void **state)
{
    const char *path = new_campaign("sent", "9", "1");
    zkbox_proxy *proxy;
    char name[64];
    int pipe;

    (void)state;
    struct tool *tool = start_stalled(&proxy, path, name, &pipe);
    kill(tool->pid, SIGTERM);
    tool_await_err(tool, "waiting for the answers");
    assert_null(strstr(tool_out(tool), "bob"));
    zkbox_proxy_heal(proxy);
    assert_int_equal(tool_wait(tool), 128 + SIGTERM);
    assert_non_null(strstr(tool_out(tool), "bob\tok\t"));
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    close(pipe);
    unlink(name);
}

static void a_second_signal_ends_at_once(void **state)
{
    const char *path = new_campaign("twice", "9", "1");
    zkbox_proxy *proxy;
    char name[64];
    int pipe;

    (void)state;
    struct tool *tool = start_stalled(&proxy, path, name, &pipe);
    kill(tool->pid, SIGINT);
    tool_await_err(tool, "once more ends at once");
    kill(tool->pid, SIGINT);
    assert_int_equal(tool_wait(tool), 128 + SIGINT);
    assert_true(tool->killed);
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    close(pipe);
    unlink(name);
}

static void a_list_that_breaks_off_is_answered_as_far_as_it_went(void **state)
{
    const char *path = new_campaign("broken", "9", "1");
    enum { BEYOND = 2 << 20 };
    char name[64], *list = malloc(BEYOND);

    (void)state;
    assert_non_null(list);
    memset(list, 'x', BEYOND);
    memcpy(list, "ann\nbob\n", 8);
    list[BEYOND - 1] = '\0';
    write_file(name, list);
    struct tool *tool = tool_run(64, ARGS("coupon", "claim", path, "--from", name, "--id", "i"));
    assert_non_null(strstr(tool_out(tool), "ann\tok\t"));
    assert_non_null(strstr(tool_out(tool), "bob\tok\t"));
    assert_non_null(strstr(tool_err(tool), "can't be read after 2 lines: File too large"));
    tool_free(tool);
    refuses(64, "Is a directory", "-q", "coupon", "claim", path, "--from", "/tmp");
    free(list);
    unlink(name);
}

/* ---- a terminal ---- */

static void the_bar_tells_the_rate_and_what_is_left(void **state)
{
    const char *path = new_campaign("rate", "50", "1");
    const char *const variables[] = { "TERM=xterm", NULL };
    zkbox_proxy *proxy;
    char name[64], *list = make_list(LONG);

    (void)state;
    write_file(name, list);
    assert_int_equal(zkbox_proxy_start(&proxy, zkbox_address(harness_box, 0)), 0);
    zkbox_proxy_delay(proxy, 60); /* so that there is time to draw */
    const struct setting setting = { .servers = zkbox_proxy_address(proxy),
                                     .variables = variables,
                                     .program = "sh",
                                     .on_terminal = true };
    struct tool *tool = tool_start_in(
        &setting,
        ARGS("-c", "exec \"$LATCHKEY\" coupon claim $0 --from $1 >/dev/null", path, name));
    tool_await_out(tool, "s left");
    assert_non_null(strstr(tool_out(tool), "/s, "));
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    free(list);
    unlink(name);
}

/* ---- the server ---- */

enum { MANY = 30000 };

static void a_server_killed_in_the_middle_costs_no_line_and_no_coupon(void **state)
{
    const char *path = new_campaign("killed", "40000", "1");
    char from[64], to[64], *list = make_list(MANY);

    (void)state;
    write_file(from, list);
    write_file(to, "");
    const struct setting setting = { .out_to = to };
    struct tool *tool = tool_start_in(&setting, ARGS("--connect-timeout", "60", "coupon", "claim",
                                                     path, "--from", from, "--id", "list"));
    await_file(to);
    assert_int_equal(zkbox_kill(harness_box, 0), 0);
    assert_int_equal(zkbox_restart(harness_box, 0), 0);
    assert_int_equal(tool_wait(tool), 0);
    tool_free(tool);
    char *answers = read_whole(to);
    assert_int_equal(count_answers(answers, list, "\tok\t"), MANY);
    says(0, "\"clean\":true,\"stocked\":40000,\"available\":10000,\"issued\":30000,", "coupon",
         "audit", path, "--json");
    free(answers);
    free(list);
    unlink(from);
    unlink(to);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_users_is_claimed_for_in_order_and_once),
        cmocka_unit_test(a_line_that_is_no_user_is_refused_alone),
        cmocka_unit_test(a_thousand_lines_are_all_answered),
        cmocka_unit_test(a_terminal_sees_progress_and_a_file_does_not),
        cmocka_unit_test(a_hundred_thousand_lines_take_little_memory_and_keep_their_order),
        cmocka_unit_test(a_signal_ends_the_reading_and_says_how_to_go_on),
        cmocka_unit_test(a_signal_waits_for_the_answers_to_what_was_sent),
        cmocka_unit_test(a_second_signal_ends_at_once),
        cmocka_unit_test(a_list_that_breaks_off_is_answered_as_far_as_it_went),
        cmocka_unit_test(the_bar_tells_the_rate_and_what_is_left),
        cmocka_unit_test(a_server_killed_in_the_middle_costs_no_line_and_no_coupon),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_bulk", tests, harness_start, harness_stop);
}
