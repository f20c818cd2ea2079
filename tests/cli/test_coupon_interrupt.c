/* test_coupon_interrupt.c - claims for a list of users that ends before its end, by a signal or
 * because it can't be read on: what was sent is answered, and how to go on is told. */
#include "coupons.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A run that reads users from a pipe, which the test holds open: the list has no end. */
struct reading {
    struct tool *tool;
    zkbox_proxy *proxy; /* NULL: none */
    char name[64];
    int pipe;
};

static void begin(struct reading *reading, const char *path, const char *users)
{
    const struct setting setting = {
        .servers = reading->proxy ? zkbox_proxy_address(reading->proxy) : NULL,
    };

    write_file(reading->name, "");
    unlink(reading->name);
    assert_int_equal(mkfifo(reading->name, 0600), 0);
    reading->tool = tool_start_in(
        &setting, ARGS("coupon", "claim", path, "--from", reading->name, "--id", "list"));
    reading->pipe = open(reading->name, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(reading->pipe, users, strlen(users)), strlen(users));
}

static bool is_drained(void *arg)
{
    int left;

    return ioctl(*(int *)arg, FIONREAD, &left) == 0 && left == 0;
}

/* One user's claim is answered, the next one's is under way and gets no answer. */
static void begin_stalled(struct reading *reading, const char *path)
{
    assert_int_equal(zkbox_proxy_start(&reading->proxy, zkbox_address(harness_box, 0)), 0);
    begin(reading, path, "ann\n");
    tool_await_out(reading->tool, "ann\tok\t");
    zkbox_proxy_stall(reading->proxy);
    assert_int_equal(write(reading->pipe, "bob\n", 4), 4);
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
    begin(&reading, new_campaign("signal", "9", "1"), "ann\nbob\n");
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
    begin_stalled(&reading, new_campaign("sent", "9", "1"));
    kill(reading.tool->pid, SIGTERM);
    tool_await_err(reading.tool, "waiting for the answers");
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
    begin_stalled(&reading, new_campaign("twice", "9", "1"));
    kill(reading.tool->pid, SIGINT);
    tool_await_err(reading.tool, "once more ends at once");
    kill(reading.tool->pid, SIGINT);
    assert_int_equal(tool_wait(reading.tool), 128 + SIGINT);
    assert_true(reading.tool->killed);
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
        cmocka_unit_test(a_list_that_breaks_off_is_answered_as_far_as_it_went),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_interrupt", tests, harness_start, harness_stop);
}
