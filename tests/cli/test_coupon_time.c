/* test_coupon_time.c - `latchkey coupon sweep` and `watch`: what they print, and how they end. */
#include "coupons.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A campaign of three, of which ann has frozen one for so many seconds. */
static const char *sale_with_an_order(const char *word, const char *ttl)
{
    const char *path = new_campaign(word, "3", "0");
    char coupon[64];

    claim(path, "ann", coupon);
    tool_free(
        tool_run(0, ARGS("coupon", "freeze", path, "ann", coupon, "--order", "o", "--ttl", ttl)));
    return path;
}

struct wanted {
    const char *path;
    const char *words;
};

static bool is_shown(void *arg)
{
    const struct wanted *wanted = arg;
    struct tool *tool = tool_run(0, ARGS("coupon", "show", wanted->path, "ann", "--json"));
    bool is = strstr(tool_out(tool), wanted->words) != NULL;

    tool_free(tool);
    return is;
}

static void a_sweep_prints_what_it_did(void **state)
{
    const char *path = sale_with_an_order("sweep", "0.001");

    (void)state;
    await(is_shown, &(struct wanted){ path, "\"ran_out\":true" }, "the end of the freeze");
    says(0, "\"status\":\"ok\",\"accounts\":1,\"unfrozen\":1,\"voided\":0,", "coupon", "sweep",
         path, "--json");
    says(0, "Z  1 accounts, 0 unfrozen, 0 void\n", "coupon", "sweep", path);
    says(0, "\"next\":null", "coupon", "sweep", path, "--json");
    says(0, "; next at 2", "coupon", "sweep", sale_with_an_order("patient", "1000"));
}

static void a_sweep_with_every_goes_on_until_a_signal(void **state)
{
    const char *path = sale_with_an_order("often", "0.5");

    (void)state;
    struct tool *first = tool_start(ARGS("coupon", "sweep", path, "--every", "0.05", "--json"));
    tool_await_out(first, "\"unfrozen\":1,");
    /* The other one waits for its turn. */
    struct tool *second = tool_start(ARGS("coupon", "sweep", path, "--every", "0.05"));
    char election[128];
    snprintf(election, sizeof(election), "%s.sweeper", path);
    await_line(election, 2);
    assert_string_equal(tool_out(second), "");
    assert_int_equal(tool_end(first, SIGTERM), 128 + SIGTERM);
    tool_await_out(second, "Z  1 accounts, 0 unfrozen, 0 void\n");
    assert_int_equal(tool_end(second, SIGINT), 128 + SIGINT);
}

static void a_sweep_of_nothing_is_refused(void **state)
{
    (void)state;
    refuses(1, "not found", "coupon", "sweep", "/no/campaign");
    refuses(1, "not found", "coupon", "sweep", "/no/campaign", "--every", "1");
    refuses(64, "--every", "coupon", "sweep", "/no/campaign", "--every", "0");
    refuses(64, "absolute", "coupon", "sweep", "sale");
    refuses(64, "absolute", "coupon", "sweep", "sale", "--every", "1");
    refuses(64, "absolute", "coupon", "watch", "sale");
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3", "coupon",
            "sweep", "/sale");
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3", "coupon",
            "sweep", "/sale", "--every", "1");
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3", "coupon",
            "watch", "/sale");
}

static void a_watch_prints_a_line_at_each_event_until_a_signal(void **state)
{
    const char *path = harness_path("watched");

    (void)state;
    struct tool *text = tool_start(ARGS("coupon", "watch", path));
    struct tool *json = tool_start(ARGS("coupon", "watch", path, "--json"));
    tool_await_out(text, "gone\n");
    tool_await_out(json, "\"event\":\"gone\"}\n");
    tool_free(tool_run(0, ARGS("coupon", "create", path, "--stock", "2")));
    tool_await_out(text, "opened    2");
    tool_await_out(text, "Z  2 of 2 available\n");
    tool_await_out(json, "\"event\":\"opened\",\"stocked\":2,\"available\":2,\"issued\":0,");
    tool_free(tool_run(0, ARGS("coupon", "claim", path, "ann", "--count", "2")));
    tool_await_out(text, "sold-out  2");
    tool_await_out(json, "\"event\":\"sold-out\",");
    tool_free(tool_run(0, ARGS("coupon", "close", path)));
    tool_await_out(text, "closed    2");
    tool_await_out(json, "\"event\":\"closed\",");
    assert_int_equal(tool_end(text, SIGTERM), 128 + SIGTERM);
    assert_int_equal(tool_end(json, SIGINT), 128 + SIGINT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_prints_what_it_did),
        cmocka_unit_test(a_sweep_with_every_goes_on_until_a_signal),
        cmocka_unit_test(a_sweep_of_nothing_is_refused),
        cmocka_unit_test(a_watch_prints_a_line_at_each_event_until_a_signal),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon time", tests, harness_start, harness_stop);
}
