/* test_coupon_export.c - what `coupon export` prints is what the ledger holds: every coupon once,
 * every name as it is, as JSON and as CSV. */
#include "exports.h"

#include <stdlib.h>
#include <string.h>

/* ---- JSON ---- */

static void tick(const json_t *line, void *arg)
{
    size_t *seen = arg;

    seen[index_of_hostile(text_of(line, "user"))]++;
    assert_string_equal(text_of(line, "state"), "claimed");
    text_of(line, "coupon");
    text_of(line, "claimed");
}

static void every_coupon_is_a_json_line_and_every_user_is_as_he_is(void **state)
{
    const char *path = new_hostile_campaign("json");
    size_t seen[HOSTILE] = { 0 };

    (void)state;
    char *text = prints(0, "coupon", "export", path);
    assert_int_equal(each_line(text, tick, seen), HOSTILE);
    for (size_t i = 0; i < HOSTILE; i++)
        assert_int_equal(seen[i], 1);
    gives(0, text, "coupon", "export", path, "--format", "jsonl");
    gives(0, text, "--json", "coupon", "export", path);
    free(text);
}

/* ---- CSV ---- */

/* One field by RFC 4180 into `field`; returns what follows it. */
static const char *take_field(const char *at, char field[256])
{
    bool quoted = *at == '"';

    at += quoted;
    while (quoted ? *at != '"' || *++at == '"' : !strchr(",\r\"", *at))
        *field++ = *at++;
    *field = '\0';
    if (*at != ',' && strncmp(at, "\r\n", 2) != 0)
        fail_msg("a field ends with: %.20s", at);
    return at;
}

/* A record's fields; returns the next record. */
static const char *take_record(const char *at, char fields[][256], size_t count)
{
    for (size_t i = 0; i < count; i++, at++) {
        at = take_field(at, fields[i]);
        assert_int_equal(*at, i + 1 < count ? ',' : '\r');
    }
    assert_int_equal(*at, '\n');
    return at + 1;
}

static void csv_gives_back_every_user_byte_by_byte(void **state)
{
    const char *path = new_hostile_campaign("csv");
    char fields[8][256];
    size_t seen[HOSTILE] = { 0 };

    (void)state;
    char *text = prints(0, "coupon", "export", path, "--format", "csv");
    const char *at = take_record(text, fields, 8);
    assert_string_equal(fields[0], "user");
    assert_string_equal(fields[1], "coupon");
    assert_string_equal(fields[7], "ran_out");
    for (size_t i = 0; i < HOSTILE; i++) {
        at = take_record(at, fields, 8);
        seen[index_of_hostile(fields[0])]++;
        assert_non_null(strchr(fields[1], '-'));
        assert_string_equal(fields[2], "claimed");
        assert_string_equal(fields[3], "");
        assert_string_equal(fields[4], fields[5]);
        assert_string_equal(fields[7], "false");
    }
    assert_string_equal(at, "");
    for (size_t i = 0; i < HOSTILE; i++)
        assert_int_equal(seen[i], 1);
    free(text);
}

/* ---- history ---- */

static void collect(const json_t *line, void *arg)
{
    char *story = arg;

    strcat(strcat(story, text_of(line, "verb")), "/");
    strcat(strcat(story, text_of(line, "order")), "/");
    strcat(strcat(story, text_of(line, "state")),
           json_is_null(json_object_get(line, "id")) ? "*" : "");
    strcat(story, " ");
    assert_true(json_integer_value(json_object_get(line, "zxid")) > 0);
}

static void history_tells_what_happened_in_its_order(void **state)
{
    const char *path = new_campaign("story", "5", "0");
    char a[64], story[1024] = "", fields[8][256];

    (void)state;
    claim(path, "ann", a);
    tool_free(tool_run(0, ARGS("coupon", "freeze", path, "ann", a, "--order", "o,1")));
    tool_free(tool_run(0, ARGS("coupon", "redeem", path, "ann", a, "--order", "o,1", "--id", "r")));
    tool_free(tool_run(0, ARGS("coupon", "refund", path, "ann", a)));
    tool_free(tool_run(0, ARGS("coupon", "void", path, "ann", a)));
    char *text = prints(0, "coupon", "export", path, "--history");
    assert_int_equal(each_line(text, collect, story), 5);
    assert_string_equal(story, "claim//claimed freeze/o,1/frozen redeem/o,1/redeemed "
                               "refund//claimed void//void ");
    free(text);

    text = prints(0, "coupon", "export", path, "--history", "--format", "csv");
    const char *at = take_record(take_record(take_record(text, fields, 8), fields, 8), fields, 8);
    assert_string_equal(fields[0], "ann");
    assert_string_equal(fields[1], a);
    assert_string_equal(fields[2], "freeze");
    assert_string_equal(fields[4], "o,1");
    assert_int_equal(strlen(fields[5]), 32);
    take_record(take_record(take_record(at, fields, 8), fields, 8), fields, 8);
    assert_string_equal(fields[2], "void");
    free(text);
}

static void bad_usage_is_64(void **state)
{
    (void)state;
    expect_line_refused(64, "--help", "coupon export");
    expect_line_refused(64, "--help", "coupon export s");
    expect_line_refused(64, "--help", "coupon export /s ann");
    expect_line_refused(64, "jsonl or csv", "coupon export /s --format xml");
    expect_line_refused(64, "exclude", "coupon export /s --format csv --json");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coupon_is_a_json_line_and_every_user_is_as_he_is),
        cmocka_unit_test(csv_gives_back_every_user_byte_by_byte),
        cmocka_unit_test(history_tells_what_happened_in_its_order),
        cmocka_unit_test(bad_usage_is_64),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_export", tests, harness_start, harness_stop);
}
