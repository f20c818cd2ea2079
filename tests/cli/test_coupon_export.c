/* test_coupon_export.c - what `coupon export` writes is what the ledger holds: every coupon once,
 * every name as it is; and a file is whole or is not there, whatever happens on the way. */
#include "coupons.h"

#include <dirent.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* To do what a stranger could do. */
#include <zookeeper/zookeeper.h>

/* What a naive writer of CSV or JSON would trip over. The last reorders what a terminal shows. */
static const char *const hostile[] = {
    "plain",
    "with,comma",
    "with \"quotes\"",
    "\"",
    " blanks at both ends ",
    "=1+1",
    "a;b'c",
    "{\"user\":\"root\"}",
    "back\\slash",
    "sm\303\266r",
    "\\u0041",
    "%41%",
    "../up",
    "\360\237\216\237",
    "-",
    "#,\"",
    "\342\200\256kcab",
};
enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

/* Each has one coupon. */
static const char *new_hostile_campaign(const char *word)
{
    const char *path = new_campaign(word, "100", "0");
    char coupon[64];

    for (size_t i = 0; i < HOSTILE; i++)
        claim(path, hostile[i], coupon);
    return path;
}

static size_t index_of(const char *user)
{
    size_t i = 0;

    while (i < HOSTILE && strcmp(hostile[i], user) != 0)
        i++;
    if (i == HOSTILE)
        fail_msg("there is no user '%s'", user);
    return i;
}

/* ---- JSON ---- */

/* Calls `each` with every line's object. */
static size_t each_line(const char *text, void (*each)(const json_t *line, void *arg), void *arg)
{
    size_t count = 0;

    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1, count++) {
        json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
        if (!line)
            fail_msg("this is no JSON: %.*s", (int)(end - text), text);
        each(line, arg);
        json_decref(line);
    }
    assert_string_equal(text, "");
    return count;
}

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    if (!text)
        fail_msg("a line has no '%s'", key);
    return text;
}

static void tick(const json_t *line, void *arg)
{
    size_t *seen = arg;

    seen[index_of(text_of(line, "user"))]++;
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
        seen[index_of(fields[0])]++;
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

/* ---- a file ---- */

static void make_folder(char folder[64])
{
    strcpy(folder, "/tmp/latchkey-export-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

/* How many files are in it; they are removed, and the folder too. */
static size_t empty_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    size_t count = 0;

    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
        count += unlink(name) == 0;
    }
    closedir(dir);
    assert_int_equal(rmdir(folder), 0);
    return count;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void a_file_is_replaced_by_a_whole_one_with_its_mode(void **state)
{
    const char *path = new_hostile_campaign("file");
    char folder[64], name[128], link[128], *all;
    struct stat stat_;

    (void)state;
    make_folder(folder);
    snprintf(name, sizeof(name), "%s/coupons.csv", folder);
    snprintf(link, sizeof(link), "%s/link", folder);
    all = prints(0, "coupon", "export", path, "--format", "csv");

    gives(0, "", "coupon", "export", path, "--format", "csv", "--output", name);
    char *text = read_whole(name);
    assert_string_equal(text, all);
    free(text);

    put(name, "old");
    assert_int_equal(chmod(name, 0640), 0);
    assert_int_equal(symlink("coupons.csv", link), 0);
    says(0, "\"lines\":17}", "--json", "coupon", "export", path, "--format", "csv", "--output",
         link);
    assert_int_equal(lstat(link, &stat_), 0);
    assert_true(S_ISLNK(stat_.st_mode));
    assert_int_equal(stat(name, &stat_), 0);
    assert_int_equal(stat_.st_mode & 07777, 0640);
    text = read_whole(name);
    assert_string_equal(text, all);
    free(text);
    free(all);
    assert_int_equal(empty_folder(folder), 2);
}

static void what_fails_leaves_the_old_file_and_no_other(void **state)
{
    const char *path = new_campaign("fails", "5000", "0");
    char folder[64], name[128], user[32];

    (void)state;
    make_folder(folder);
    snprintf(name, sizeof(name), "%s/coupons", folder);
    put(name, "old");
    refuses(1, "not found", "coupon", "export", "/nowhere-at-all", "--output", name);
    refuses(69, "no server", "--servers", harness_no_server(), "--connect-timeout", "0.3", "coupon",
            "export", path, "--output", name);
    refuses(64, "Not a directory", "coupon", "export", path, "--output", "/dev/null/x");
    refuses(64, "Is a directory", "coupon", "export", path, "--output", folder);

    /* No room after the first 4 KiB. */
    for (int i = 0; i < 10; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        tool_free(tool_run(0, ARGS("coupon", "claim", path, user, "--count", "64")));
    }
    const struct setting setting = { .program = "sh" };
    struct tool *tool = tool_start_in(
        &setting,
        ARGS("-c", "trap '' XFSZ; ulimit -f 8; exec \"$LATCHKEY\" coupon export $0 --output $1",
             path, name));
    assert_int_equal(tool_wait(tool), 125);
    tool_says(tool, "can't be written: File too large");
    tool_free(tool);
    char *text = read_whole(name);
    assert_string_equal(text, "old");
    free(text);
    assert_int_equal(empty_folder(folder), 1);
}

/* Spoils a user's record behind the ledger's back. */
static void spoil_account(const char *path, const char *user)
{
    struct String_vector buckets;
    char name[256];
    size_t spoilt = 0;

    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *stranger = zookeeper_init(harness_servers(), NULL, 10000, NULL, NULL, 0);
    assert_non_null(stranger);
    snprintf(name, sizeof(name), "%s/accounts", path);
    assert_int_equal(zoo_get_children(stranger, name, 0, &buckets), ZOK);
    for (int i = 0; i < buckets.count; i++) {
        snprintf(name, sizeof(name), "%s/accounts/%s/%s", path, buckets.data[i], user);
        spoilt += zoo_set(stranger, name, "junk", 4, -1) == ZOK;
    }
    deallocate_String_vector(&buckets);
    zookeeper_close(stranger);
    assert_int_equal(spoilt, 1);
}

static void what_can_be_read_is_printed_and_what_is_not_whole_is_no_file(void **state)
{
    const char *path = new_campaign("spoilt", "9", "0");
    char folder[64], name[128], coupon[64];

    (void)state;
    claim(path, "ann", coupon);
    claim(path, "bob", coupon);
    spoil_account(path, "bob");
    make_folder(folder);
    snprintf(name, sizeof(name), "%s/coupons", folder);
    struct tool *tool = tool_run(1, ARGS("coupon", "export", path));
    assert_non_null(strstr(tool_out(tool), "\"user\":\"ann\""));
    assert_null(strstr(tool_out(tool), "bob"));
    tool_says(tool, "the export is not complete");
    tool_free(tool);
    refuses(1, "the export is not complete", "coupon", "export", path, "--output", name);
    assert_int_equal(empty_folder(folder), 0);
}

static void a_full_disk_and_a_reader_that_left_are_told(void **state)
{
    const char *path = new_campaign("full", "5000", "0");
    char user[32];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        tool_free(tool_run(0, ARGS("coupon", "claim", path, user, "--count", "64")));
    }
    const struct setting full = { .out_to = "/dev/full" }, closed = { .out_to = "" };
    struct tool *tool = tool_start_in(&full, ARGS("coupon", "export", path));
    assert_int_equal(tool_wait(tool), 125);
    tool_says(tool, "No space left on device");
    tool_free(tool);
    tool = tool_start_in(&closed, ARGS("coupon", "export", path, "--format", "csv"));
    assert_int_equal(tool_wait(tool), 125);
    tool_free(tool);
    refuses(125, "No space left on device", "coupon", "export", path, "--output", "/dev/full");

    /* More than a pipe holds, and nobody takes it. */
    const struct setting shell = { .program = "sh" };
    tool = tool_start_in(
        &shell, ARGS("-c", "(\"$LATCHKEY\" coupon export $0; echo code $? >&2) | true", path));
    assert_int_equal(tool_wait(tool), 0);
    assert_non_null(strstr(tool_err(tool), "can't write to standard output: Broken pipe"));
    assert_non_null(strstr(tool_err(tool), "code 125\n"));
    tool_free(tool);
}

/* ---- many, and a server that dies ---- */

enum { MANY = 20000 };

static char *claim_many(const char *path)
{
    char name[64], *list = calloc(MANY, 16), *end = list;

    assert_non_null(list);
    for (int i = 0; i < MANY; i++)
        end += sprintf(end, "user-%d\n", i);
    write_file(name, list);
    struct tool *tool = tool_run(0, ARGS("coupon", "claim", path, "--from", name));
    tool_free(tool);
    unlink(name);
    return list;
}

static void mark(const json_t *line, void *arg)
{
    char *seen = arg;
    int number;

    assert_int_equal(sscanf(text_of(line, "user"), "user-%d", &number), 1);
    assert_in_range(number, 0, MANY - 1);
    assert_int_equal(seen[number]++, 0);
}

static bool has_read(void *arg)
{
    return zkbox_proxy_requests(arg, ZKBOX_ANY) > 2000;
}

/* The proxy is there to tell when the export is in the middle. */
static struct tool *start_export(zkbox_proxy **out_proxy, const char *path, const char *name)
{
    assert_int_equal(zkbox_proxy_start(out_proxy, zkbox_address(harness_box, 0)), 0);
    zkbox_proxy_delay(*out_proxy, 20);
    const struct setting setting = { .servers = zkbox_proxy_address(*out_proxy) };
    struct tool *tool = tool_start_in(
        &setting, ARGS("--connect-timeout", "60", "coupon", "export", path, "--output", name));
    await(has_read, *out_proxy, "the middle of the export");
    assert_false(tool->ended);
    return tool;
}

static void an_export_goes_on_after_its_server_died_and_killed_leaves_nothing(void **state)
{
    const char *path = new_campaign("many", "20000", "1");
    char folder[64], name[128], *list = claim_many(path), *seen = calloc(MANY, 1);
    zkbox_proxy *proxy;

    (void)state;
    assert_non_null(seen);
    make_folder(folder);
    snprintf(name, sizeof(name), "%s/coupons", folder);

    struct tool *tool = start_export(&proxy, path, name);
    kill(tool->pid, SIGKILL);
    assert_int_equal(tool_wait(tool), 128 + SIGKILL);
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    assert_int_equal(empty_folder(folder), 0);

    assert_int_equal(mkdir(folder, 0700), 0);
    tool = start_export(&proxy, path, name);
    assert_int_equal(zkbox_kill(harness_box, 0), 0);
    assert_int_equal(zkbox_restart(harness_box, 0), 0);
    zkbox_proxy_heal(proxy);
    assert_int_equal(tool_wait(tool), 0);
    char *text = read_whole(name);
    assert_int_equal(each_line(text, mark, seen), MANY);
    tool_free(tool);
    zkbox_proxy_stop(proxy);
    free(text);
    free(list);
    free(seen);
    assert_int_equal(empty_folder(folder), 1);
}

static void a_terminal_sees_a_bar_only_beside_a_file(void **state)
{
    const char *path = new_hostile_campaign("bar");
    const char *const variables[] = { "TERM=xterm", NULL };
    const struct setting setting = { .on_terminal = true, .variables = variables };

    (void)state;
    struct tool *tool = tool_start_in(&setting,
                                      ARGS("coupon", "export", path, "--output", "/dev/null"));
    assert_int_equal(tool_wait(tool), 0);
    assert_non_null(strstr(tool_out(tool), "% "));
    tool_free(tool);
    tool = tool_start_in(&setting, ARGS("coupon", "export", path));
    assert_int_equal(tool_wait(tool), 0);
    assert_null(strchr(tool_out(tool), '\033'));
    tool_free(tool);
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
        cmocka_unit_test(a_file_is_replaced_by_a_whole_one_with_its_mode),
        cmocka_unit_test(what_fails_leaves_the_old_file_and_no_other),
        cmocka_unit_test(what_can_be_read_is_printed_and_what_is_not_whole_is_no_file),
        cmocka_unit_test(a_full_disk_and_a_reader_that_left_are_told),
        cmocka_unit_test(an_export_goes_on_after_its_server_died_and_killed_leaves_nothing),
        cmocka_unit_test(a_terminal_sees_a_bar_only_beside_a_file),
        cmocka_unit_test(bad_usage_is_64),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_export", tests, harness_start, harness_stop);
}
