/* test_coupon_bulk.c - claims for a list of users: answered in the list's order, once, in little
 * memory, also when the server dies, and a terminal sees how far it is. */
#include "coupons.h"

#include <stdlib.h>
#include <string.h>
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
    char name[64], *list = list_of_users(1000);

    (void)state;
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

/* ---- a long list ---- */

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
    char from[64], to[64], *list = list_of_users(LONG);

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

enum { MANY = 30000 };

static void a_server_killed_in_the_middle_costs_no_line_and_no_coupon(void **state)
{
    const char *path = new_campaign("killed", "40000", "1");
    char *list = list_of_users(MANY), *answers = run_through_a_crash("claim", path, list);

    (void)state;
    assert_int_equal(count_answers(answers, list, "\tok\t"), MANY);
    says(0, "\"clean\":true,\"stocked\":40000,\"available\":10000,\"issued\":30000,", "coupon",
         "audit", path, "--json");
    free(answers);
    free(list);
}

/* ---- a terminal ---- */

static void a_terminal_sees_progress_and_a_file_does_not(void **state)
{
    const char *path = new_campaign("watch", "600", "1");
    char name[64];

    (void)state;
    write_file(name, "ann\nbob\n");
    char *text = shows(0, "coupon", "claim", path, "--from", name);
    assert_non_null(strstr(text, "% "));
    free(text);
    struct tool *tool = tool_run(0, ARGS("coupon", "claim", path, "--from", name));
    assert_null(strchr(tool_err(tool), '\033'));
    assert_null(strchr(tool_err(tool), '\r'));
    tool_free(tool);
    unlink(name);
}

static void the_bar_tells_the_rate_and_what_is_left(void **state)
{
    const char *path = new_campaign("rate", "50", "1");
    const char *const variables[] = { "TERM=xterm", NULL };
    zkbox_proxy *proxy;
    char name[64], *list = list_of_users(LONG);

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_users_is_claimed_for_in_order_and_once),
        cmocka_unit_test(a_line_that_is_no_user_is_refused_alone),
        cmocka_unit_test(a_thousand_lines_are_all_answered),
        cmocka_unit_test(a_hundred_thousand_lines_take_little_memory_and_keep_their_order),
        cmocka_unit_test(a_server_killed_in_the_middle_costs_no_line_and_no_coupon),
        cmocka_unit_test(a_terminal_sees_progress_and_a_file_does_not),
        cmocka_unit_test(the_bar_tells_the_rate_and_what_is_left),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_bulk", tests, harness_start, harness_stop);
}
