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

/* One user's claim is answered, the next one's is under way and gets no answer. */
static void begin_stalled(struct reading *reading, const char *verb, const char *path,
                          const char *ann, const char *bob)
{
    assert_int_equal(zkbox_proxy_start(&reading->proxy, zkbox_address(harness_box, 0)), 0);
    begin(reading, verb, path, ann);
    tool_await_out(reading->tool, "ann\tok\t");
    zkbox_proxy_stall(reading->proxy);
    feed(reading, bob);
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
    struct reading reading = { NULL };

    (void)state;
    begin(&reading, "claim", new_campaign("signal", "9", "1"), "ann\nbob\n");
    tool_await_out(reading.tool, "bob\tok\t");
    kill(reading.tool->pid, SIGINT);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
    assert_false(reading.tool->killed);
    assert_non_null(strstr(tool_err(reading.tool), "interrupted after 2 lines; the same command "
                                                   "with --id list goes on\n"));
    end(&reading);
}

/* What was sent may be applied: its answer is printed, however long it takes. */
static void a_signal_waits_for_the_answers_to_what_was_sent(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, "claim", new_campaign("sent", "9", "1"), "ann\n", "bob\n");
    kill(reading.tool->pid, SIGTERM);
    tool_await_err(reading.tool, "ending with the answers");
    assert_null(strstr(tool_out(reading.tool), "bob"));
    zkbox_proxy_heal(reading.proxy);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGTERM);
    assert_non_null(strstr(tool_out(reading.tool), "bob\tok\t"));
    end(&reading);
}

static void a_second_signal_ends_at_once(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, "claim", new_campaign("twice", "9", "1"), "ann\n", "bob\n");
    kill(reading.tool->pid, SIGINT);
    tool_await_err(reading.tool, "once more ends at once");
    kill(reading.tool->pid, SIGINT);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
    assert_true(reading.tool->killed);
    end(&reading);
}

/* ---- operations ---- */

#define CLAIM(user) "{\"verb\":\"claim\",\"user\":\"" user "\"}\n"
#define LINKED(user) "{\"verb\":\"claim\",\"user\":\"" user "\",\"linked\":true}\n"

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
    assert_non_null(
        strstr(tool_err(reading.tool), "interrupted after line 1; the same command goes on\n"));
    end(&reading);
    says(0, "issued       1\n", "coupon", "show", path);
}

static void a_signal_waits_for_the_operations_that_were_sent(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, "do", new_campaign("sent-do", "9", "1"), CLAIM("ann"), CLAIM("bob"));
    kill(reading.tool->pid, SIGTERM);
    tool_await_err(reading.tool, "ending with the answers");
    assert_null(strstr(tool_out(reading.tool), "bob"));
    zkbox_proxy_heal(reading.proxy);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGTERM);
    assert_non_null(strstr(tool_out(reading.tool), "bob\tok\t"));
    assert_non_null(
        strstr(tool_err(reading.tool), "interrupted after line 2; the same command goes on\n"));
    end(&reading);
}

static void a_second_signal_ends_operations_at_once(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, "do", new_campaign("twice-do", "9", "1"), CLAIM("ann"), CLAIM("bob"));
    kill(reading.tool->pid, SIGINT);
    tool_await_err(reading.tool, "once more ends at once");
    kill(reading.tool->pid, SIGINT);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
    assert_true(reading.tool->killed);
    end(&reading);
}

/* What was not understood is told as well, and is not what was done last. */
static void a_signal_and_a_line_that_is_not_understood_are_both_told(void **state)
{
    struct reading reading = { NULL };

    (void)state;
    begin_stalled(&reading, "do", new_campaign("both", "9", "1"), CLAIM("ann"),
                  CLAIM("bob") "nothing\n");
    kill(reading.tool->pid, SIGTERM);
    tool_await_err(reading.tool, "ending with the answers");
    zkbox_proxy_heal(reading.proxy);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGTERM);
    assert_non_null(strstr(tool_out(reading.tool), "bob\tok\t"));
    assert_non_null(strstr(tool_err(reading.tool), "interrupted after line 2; "));
    assert_non_null(strstr(tool_err(reading.tool), ": line 3: it is no JSON; "));
    end(&reading);
}

static void another_signal_ends_at_once_too(void **state)
{
    static const char *const verbs[] = { "claim", "do" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct reading reading = { NULL };
        begin_stalled(&reading, verbs[i], new_campaign("other", "9", "1"),
                      i ? CLAIM("ann") : "ann\n", i ? CLAIM("bob") : "bob\n");
        kill(reading.tool->pid, SIGINT);
        tool_await_err(reading.tool, "once more ends at once");
        kill(reading.tool->pid, SIGHUP);
        assert_int_equal(tool_wait(reading.tool), 128 + SIGHUP);
        assert_true(reading.tool->killed);
        end(&reading);
    }
}

/* ---- lists that can't be read on ---- */

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
        cmocka_unit_test(a_signal_waits_for_the_operations_that_were_sent),
        cmocka_unit_test(a_second_signal_ends_operations_at_once),
        cmocka_unit_test(a_signal_and_a_line_that_is_not_understood_are_both_told),
        cmocka_unit_test(another_signal_ends_at_once_too),
        cmocka_unit_test(a_list_that_breaks_off_is_answered_as_far_as_it_went),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_interrupt", tests, harness_start, harness_stop);
}
