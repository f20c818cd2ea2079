/* test_coupon_export_file.c - where `coupon export` writes to: a file is whole or is not there, and
 * what can't be written is told, whatever happens on the way. */
#include "exports.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* 64 coupons each. */
static void claim_for_users(const char *path, int count)
{
    char user[32];

    for (int i = 0; i < count; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        tool_free(tool_run(0, ARGS("coupon", "claim", path, user, "--count", "64")));
    }
}

static void what_fails_leaves_the_old_file_and_no_other(void **state)
{
    const char *path = new_campaign("fails", "5000", "0");
    char folder[64], name[128];

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
    claim_for_users(path, 10);
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

    (void)state;
    claim_for_users(path, 20);
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

static void claim_many(const char *path)
{
    char name[64], *list = list_of_users(MANY);

    write_file(name, list);
    free(list);
    tool_free(tool_run(0, ARGS("coupon", "claim", path, "--from", name)));
    unlink(name);
}

static void mark(const json_t *line, void *arg)
{
    char *seen = arg;
    size_t number;

    assert_int_equal(sscanf(text_of(line, "user"), LISTED_USER, &number), 1);
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
    char folder[64], name[128], *seen = calloc(MANY, 1);
    zkbox_proxy *proxy;

    (void)state;
    assert_non_null(seen);
    claim_many(path);
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
    free(seen);
    assert_int_equal(empty_folder(folder), 1);
}

/* ---- a terminal ---- */

static void a_terminal_sees_a_bar_only_beside_a_file(void **state)
{
    const char *path = new_hostile_campaign("bar");

    (void)state;
    char *text = shows(0, "coupon", "export", path, "--output", "/dev/null");
    assert_non_null(strstr(text, "% "));
    free(text);
    text = shows(0, "coupon", "export", path);
    assert_null(strchr(text, '\033'));
    free(text);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_by_a_whole_one_with_its_mode),
        cmocka_unit_test(what_fails_leaves_the_old_file_and_no_other),
        cmocka_unit_test(what_can_be_read_is_printed_and_what_is_not_whole_is_no_file),
        cmocka_unit_test(a_full_disk_and_a_reader_that_left_are_told),
        cmocka_unit_test(an_export_goes_on_after_its_server_died_and_killed_leaves_nothing),
        cmocka_unit_test(a_terminal_sees_a_bar_only_beside_a_file),
    };

    harness_tool_path(argc, argv);
    return cmocka_run_group_tests_name("coupon_export_file", tests, harness_start, harness_stop);
}
