/* test_coupon_interrupt.c - a list of users or of operations that ends before its end, by a signal
 * or because it can't be read on: what was sent is answered, and how to go on is told. */
#include "coupons.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAIM(user) "{\"verb\":\"claim\",\"user\":\"" user "\"}\n"
#define LINKED(user) "{\"verb\":\"claim\",\"user\":\"" user "\",\"linked\":true}\n"

/* The same two claims for both verbs. */
static const struct list {
    const char *verb, *ann, *bob, *answer, *interrupted;
} lists[] = {
    { "claim", "ann\n", "bob\n", "bob\tok\t",
      "interrupted after 2 lines; the same command with --id list goes on\n" },
    { "do", CLAIM("ann"), CLAIM("bob"), "claim\tbob\tok\t",
      "interrupted after line 2; the same command goes on\n" },
};
enum { LISTS = sizeof lists / sizeof *lists };

/* A run that reads lines from a pipe, which the test holds open: the list has no end. */
struct reading {
    struct tool *tool;
    zkbox_proxy *proxy; /* NULL: none */
    char name[64];
    int pipe;
};

static void feed(struct reading *reading, const char *lines)
{
    assert_int_equal(write(reading->pipe, lines, strlen(lines)), strlen(lines));
}

static void begin(struct reading *reading, const char *verb, const char *path, const char *lines)
{
    const struct setting setting = {
        .servers = reading->proxy ? zkbox_proxy_address(reading->proxy) : NULL,
    };

    write_file(reading->name, "");
    unlink(reading->name);
    assert_int_equal(mkfifo(reading->name, 0600), 0);
    reading->tool = tool_start_in(
        &setting, ARGS("coupon", verb, path, "--from", reading->name, "--id", "list"));
    reading->pipe = open(reading->name, O_WRONLY | O_CLOEXEC);
    feed(reading, lines);
}

static bool is_drained(void *arg)
{
    int left;

    return ioctl(*(int *)arg, FIONREAD, &left) == 0 && left == 0;
}

/* One user's claim is answered, what comes next is under way and gets no answer. */
static void begin_stalled(struct reading *reading, const struct list *list, const char *next)
{
    assert_int_equal(zkbox_proxy_start(&reading->proxy, zkbox_address(harness_box, 0)), 0);
    begin(reading, list->verb, new_campaign("stalled", "9", "1"), list->ann);
    tool_await_out(reading->tool, "ann\tok\t");
    zkbox_proxy_stall(reading->proxy);
    feed(reading, next);
    await(is_drained, &reading->pipe, "the line to be read");
}

static void end(struct reading *reading)
{
    tool_free(reading->tool);
    if (reading->proxy)
        zkbox_proxy_stop(reading->proxy);
    close(reading->pipe);
    unlink(reading->name);
}

static void a_signal_ends_the_reading_and_says_how_to_go_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++) {
        struct reading reading = { NULL };
        begin(&reading, lists[i].verb, new_campaign("signal", "9", "1"), lists[i].ann);
        feed(&reading, lists[i].bob);
        tool_await_out(reading.tool, lists[i].answer);
        kill(reading.tool->pid, SIGINT);
        assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
        assert_false(reading.tool->killed);
        assert_non_null(strstr(tool_err(reading.tool), lists[i].interrupted));
        end(&reading);
    }
}

/* What was sent may be applied: its answer is printed, however long it takes. */
static void a_signal_waits_for_the_answers_to_what_was_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++) {
        struct reading reading = { NULL };
        begin_stalled(&reading, &lists[i], lists[i].bob);
        kill(reading.tool->pid, SIGTERM);
        tool_await_err(reading.tool, "ending with the answers");
        assert_null(strstr(tool_out(reading.tool), "bob"));
        zkbox_proxy_heal(reading.proxy);
        assert_int_equal(tool_wait(reading.tool), 128 + SIGTERM);
        assert_non_null(strstr(tool_out(reading.tool), lists[i].answer));
        assert_non_null(strstr(tool_err(reading.tool), lists[i].interrupted));
        end(&reading);
    }
}

static void a_second_signal_ends_at_once(void **state)
{
    static const int second[] = { SIGINT, SIGHUP };

    (void)state;
    for (size_t i = 0; i < 2 * LISTS; i++) {
        const struct list *list = &lists[i / 2];
        struct reading reading = { NULL };
        begin_stalled(&reading, list, list->bob);
        kill(reading.tool->pid, SIGINT);
        tool_await_err(reading.tool, "once more ends at once");
        kill(reading.tool->pid, second[i % 2]);
        assert_int_equal(tool_wait(reading.tool), 128 + second[i % 2]);
        assert_true(reading.tool->killed);
        end(&reading);
    }
}

/* Half a chain must not happen, nor be told of as done. */
static void a_signal_leaves_a_chain_that_is_not_whole(void **state)
{
    const char *path = new_campaign("half", "9", "1");
    struct reading reading = { NULL };

    (void)state;
    begin(&reading, "do", path, CLAIM("ann"));
    tool_await_out(reading.tool, "ann\tok\t");
    feed(&reading, LINKED("bob") LINKED("cay"));
    await(is_drained, &reading.pipe, "the lines to be read");
    kill(reading.tool->pid, SIGINT);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
    assert_false(reading.tool->killed);
    assert_non_null(strstr(tool_err(reading.tool), "interrupted after line 1; "));
    end(&reading);
    says(0, "issued       1\n", "coupon", "show", path);
}

/* What was not understood is told as well, and is not what was done last. */
static void a_signal_and_a_line_that_is_not_understood_are_both_told(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, &lists[1], CLAIM("bob") "nothing\n");
    kill(reading.tool->pid, SIGTERM);
    tool_await_err(reading.tool, "ending with the answers");
    zkbox_proxy_heal(reading.proxy);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGTERM);
    assert_non_null(strstr(tool_out(reading.tool), "bob\tok\t"));
    assert_non_null(strstr(tool_err(reading.tool), "interrupted after line 2; "));
    assert_non_null(strstr(tool_err(reading.tool), ": line 3: it is no JSON; "));
    end(&reading);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_ends_the_reading_and_says_how_to_go_on),
        cmocka_unit_test(a_signal_waits_for_the_answers_to_what_was_sent),
        cmocka_unit_test(a_second_signal_ends_at_once),
        cmocka_unit_test(a_signal_leaves_a_chain_that_is_not_whole),
        cmocka_unit_test(a_signal_and_a_line_that_is_not_understood_are_both_told),
        cmocka_unit_test(a_list_that_breaks_off_is_answered_as_far_as_it_went),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_interrupt", tests, harness_start, harness_stop);
}
