/* test_share.c - `latchkey lock -s` and `--permits N`: who holds beside whom, and what a path
 * serves. How CMD runs is the same as in test_lock.c. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"

#define SCRIPT "echo fence=$LATCHKEY_FENCE; exec sleep 600"

/* Its fence is printed: it holds. */
#define holds(...) await_held(tool_start(ARGS(__VA_ARGS__, "--", "sh", "-c", SCRIPT)))
static struct tool *await_held(struct tool *tool)
{
    tool_await_out(tool, "fence=");
    return tool;
}

static struct tool *let_go(struct tool *holder)
{
    kill(holder->pid, SIGTERM);
    assert_int_equal(tool_wait(holder), 128 + SIGTERM);
    return tool_free(holder);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        count++;
    return count;
}

/* As `status` shows the line: what it is, who of it holds, who waits. */
static void line_shows(const char *path, const char *kind, size_t holders, size_t waiters)
{
    struct tool *tool = tool_run(0, ARGS("status", path));

    assert_non_null(strstr(tool_out(tool), kind));
    assert_int_equal(count_of(tool_out(tool), " holds "), holders);
    assert_int_equal(count_of(tool_out(tool), " waits "), waiters);
    tool_free(tool);
}

static void who_shares_holds_together_and_who_excludes_waits_for_all(void **state)
{
    const char *path = harness_path("rwlock");
    struct tool *ann = holds("lock", "-s", path), *bob = holds("lock", "-s", path);

    (void)state;
    struct tool *writer = tool_start(ARGS("lock", "-x", path, "--", "echo", "alone"));
    await_line(path, 3);
    line_shows(path, ": rwlock, 3 in line", 2, 1);
    says(0, "\"role\":\"waits\"", "--json", "status", path);

    /* Behind a writer that waits a reader waits too: nobody starves. */
    tool_free(tool_run(124, ARGS("lock", "-s", "-n", path, "--", "true")));
    let_go(ann);
    await_line(path, 2);
    assert_string_equal(tool_out(writer), "");
    let_go(bob);
    assert_int_equal(tool_wait(writer), 0);
    assert_string_equal(tool_out(writer), "alone\n");
    tool_free(writer);
}

static void who_excludes_holds_alone_on_a_shared_path(void **state)
{
    const char *path = harness_path("rwlock");

    (void)state;
    struct tool *reader = holds("lock", "-s", path), *writer;
    tool_free(tool_run(124, ARGS("lock", "-n", path, "--", "true")));
    let_go(reader);
    writer = holds("lock", path);
    line_shows(path, ": rwlock, 1 in line", 1, 0);
    tool_free(tool_run(124, ARGS("lock", "-n", path, "--", "true")));
    tool_free(tool_run(124, ARGS("lock", "-s", "-n", path, "--", "true")));
    let_go(writer);
    tool_free(tool_run(0, ARGS("lock", "-s", "-n", path, "--", "true")));
    tool_free(tool_run(0, ARGS("lock", "-x", "-n", path, "--", "true")));
}

/* Whoever came first. */
static void who_shares_waits_for_who_excludes(void **state)
{
    const char *path = harness_path("lock");
    struct tool *holder = holds("lock", path);

    (void)state;
    tool_free(tool_run(124, ARGS("lock", "-s", "-n", path, "--", "true")));
    struct tool *reader = tool_start(ARGS("lock", "-s", path, "--", "echo", "shared"));
    await_line(path, 2);
    line_shows(path, "2 in line", 1, 1);
    assert_string_equal(tool_out(reader), "");
    let_go(holder);
    assert_int_equal(tool_wait(reader), 0);
    assert_string_equal(tool_out(reader), "shared\n");
    tool_free(reader);
}

static void as_many_hold_as_there_are_permits(void **state)
{
    const char *path = harness_path("semaphore");
    struct tool *ann = holds("lock", "--permits", "2", path),
                *bob = holds("lock", "--permits", "2", path);

    (void)state;
    tool_free(tool_run(124, ARGS("lock", "-n", "--permits", "2", path, "--", "true")));
    struct tool *third = tool_start(ARGS("lock", "--permits", "2", path, "--", "echo", "third"));
    await_line(path, 3);
    line_shows(path, ": semaphore of 2, 3 in line", 2, 1);
    says(0, "\"permits\":2", "--json", "status", path);
    assert_string_equal(tool_out(third), "");
    let_go(ann);
    assert_int_equal(tool_wait(third), 0);
    assert_string_equal(tool_out(third), "third\n");
    tool_free(third);
    let_go(bob);
}

static void another_number_of_permits_is_refused(void **state)
{
    const char *path = harness_path("semaphore");

    (void)state;
    tool_free(tool_run(0, ARGS("lock", "--permits", "2", path, "--", "true")));
    struct tool *tool = tool_run(
        125, ARGS("lock", "--permits", "3", "--status-fd", "9", path, "--", "true"));
    tool_says(tool, "the semaphore has another number of permits");
    assert_string_equal(tool_status(tool), "refused\n");
    tool_free(tool);
}

static void a_holder_beside_others_is_broken_alone(void **state)
{
    const char *path = harness_path("rwlock");
    char fence[32];
    struct tool *ann = holds("lock", "-s", "--status-fd", "9", path),
                *bob = holds("lock", "-s", path);

    (void)state;
    snprintf(fence, sizeof(fence), "%lld", (long long)number_after(tool_out(ann), "fence="));
    tool_free(tool_run(0, ARGS("break", path, "--fence", fence)));
    assert_int_equal(tool_wait(ann), 123);
    assert_string_equal(tool_status(ann), "lost\n");
    tool_free(ann);
    line_shows(path, ": rwlock, 1 in line", 1, 0);
    let_go(bob);
}

static void the_node_tells_how_it_is_held(void **state)
{
    static const char script[] = "echo $LATCHKEY_LOCK_NODE; \"$LATCHKEY\" lock -s "
                                 "$LATCHKEY_LOCK_PATH -- true; echo code=$?";

    (void)state;
    struct tool *tool = tool_run(
        0, ARGS("lock", "-s", harness_path("rwlock"), "--", "sh", "-c", script));
    assert_non_null(strstr(tool_out(tool), "/lk-read-lock-"));
    /* A writer could come in between, and each would wait for the other. */
    assert_int_equal(number_after(tool_out(tool), "code="), 125);
    tool_says(tool, "would wait for ever");
    tool_free(tool);
    says(0, "/lk-sem1-lock-", "lock", "--permits", "4", harness_path("semaphore"), "--", "sh", "-c",
         "echo $LATCHKEY_LOCK_NODE");
}

static void a_permit_with_a_time_ends_its_command(void **state)
{
    const char *path = harness_path("ttl");

    (void)state;
    tool_free(
        tool_run(123, ARGS("lock", "--permits", "2", "--ttl", "2", path, "--", "sleep", "1000")));
    says(0, "/lk-sem1t-lock-", "lock", "--permits", "2", "--ttl", "1000", path, "--", "sh", "-c",
         "echo $LATCHKEY_LOCK_NODE");
    struct tool *ann = holds("lock", "--permits", "2", "--ttl", "1000", path);
    says(0, "ends in ", "status", path);
    says(0, "\"ends_ms\":", "--json", "status", path);
    let_go(ann);
}

/* The grace is a part of it, not of the longer session: CMD begins, and its end is told as a loss. */
static void a_permit_with_less_time_than_a_grace_runs_its_command(void **state)
{
    (void)state;
    struct tool *tool = tool_run(123, ARGS("lock", "--permits", "2", "--ttl", "1", "--status-fd",
                                           "1", harness_path("short"), "--", "sh", "-c",
                                           "echo began; exec sleep 1000"));
    assert_string_equal(tool_out(tool), "began\nlost\n");
    tool_says(tool, "its time runs out");
    tool_free(tool);
    tool = tool_run(123, ARGS("lock", "--permits", "2", "--ttl", "1", "--grace", "2",
                              harness_path("short"), "--", "sleep", "1000"));
    assert_non_null(strstr(tool_err(tool), "cut to 0.25 s, a quarter of the permit's time"));
    tool_free(tool);
}

static void what_excludes_each_other_is_usage(void **state)
{
    (void)state;
    expect_line_refused(64, "-x and -s exclude each other", "lock -x -s /a -- true");
    expect_line_refused(64, "-s and --permits exclude each other",
                        "lock -s --permits 2 /a -- true");
    expect_line_refused(64, "-x and --permits exclude each other",
                        "lock -x --permits 2 /a -- true");
    expect_line_refused(64, "--permits", "lock --permits 0 /a -- true");
    expect_line_refused(64, "--permits", "lock --permits 1000001 /a -- true");
    expect_line_refused(64, "--ttl is of permits", "lock --ttl 5 /a -- true");
    expect_line_refused(64, "--ttl is of permits", "lock -s --ttl 5 /a -- true");
    expect_line_refused(64, "--ttl: not from 0.1 s", "lock --permits 2 --ttl 0.05 /a -- true");
    expect_line_refused(64, "--ttl: not from 0.1 s", "lock --permits 2 --ttl 9999999 /a -- true");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_shares_holds_together_and_who_excludes_waits_for_all),
        cmocka_unit_test(who_excludes_holds_alone_on_a_shared_path),
        cmocka_unit_test(who_shares_waits_for_who_excludes),
        cmocka_unit_test(as_many_hold_as_there_are_permits),
        cmocka_unit_test(another_number_of_permits_is_refused),
        cmocka_unit_test(a_holder_beside_others_is_broken_alone),
        cmocka_unit_test(the_node_tells_how_it_is_held),
        cmocka_unit_test(a_permit_with_a_time_ends_its_command),
        cmocka_unit_test(a_permit_with_less_time_than_a_grace_runs_its_command),
        cmocka_unit_test(what_excludes_each_other_is_usage),
    };
    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("share", tests, harness_start, harness_stop);
}
