/* coupons.c - see coupons.h. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* To do what a stranger could do. */
#include <zookeeper/zookeeper.h>

const char *new_campaign(const char *word, const char *stock, const char *per_user)
{
    const char *path = harness_path(word);

    tool_free(
        tool_run(0, ARGS("coupon", "create", path, "--stock", stock, "--per-user", per_user)));
    return path;
}

zkbox_proxy *proxy_that_loses(int nth, int delay_ms)
{
    enum { MULTI = 14 }; /* ZooKeeper's opcode: what a claim is written by */
    zkbox_proxy *proxy;

    assert_int_equal(zkbox_proxy_start(&proxy, zkbox_address(harness_box, 0)), 0);
    zkbox_proxy_delay(proxy, delay_ms);
    assert_int_equal(zkbox_proxy_lose_reply(proxy, MULTI, nth), 0);
    return proxy;
}

void claim(const char *path, const char *user, char coupon[64])
{
    char *text = prints(0, "coupon", "claim", path, user);

    snprintf(coupon, 64, "%.*s", (int)strcspn(text, "\n"), text);
    free(text);
}

const char *write_file(char name[64], const char *text)
{
    strcpy(name, "/tmp/latchkey-users-XXXXXX");
    int fd = mkstemp(name);
    assert_int_not_equal(fd, -1);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return name;
}

char *read_whole(const char *name)
{
    FILE *file = fopen(name, "re");
    char *text = NULL;
    size_t size = 0;

    assert_non_null(file);
    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    fclose(file);
    return text;
}

char *list_of_users(size_t count)
{
    char *list = calloc(count + 1, 64), *end = list;

    assert_non_null(list);
    for (size_t i = 0; i < count; i++)
        end += sprintf(end, LISTED_USER "\n", i);
    return list;
}

static bool has_text(void *arg)
{
    struct stat stat_;

    return stat(arg, &stat_) == 0 && stat_.st_size > 0;
}

char *run_through_a_crash(const char *verb, const char *path, const char *lines)
{
    char from[64], to[64];

    write_file(from, lines);
    write_file(to, "");
    const struct setting setting = { .out_to = to };
    struct tool *tool = tool_start_in(&setting, ARGS("--connect-timeout", "60", "coupon", verb,
                                                     path, "--from", from, "--id", "list"));
    await(has_text, to, "the first answers");
    assert_int_equal(zkbox_kill(harness_box, 0), 0);
    assert_int_equal(zkbox_restart(harness_box, 0), 0);
    assert_int_equal(tool_wait(tool), 0);
    tool_free(tool);
    char *answers = read_whole(to);
    unlink(from);
    unlink(to);
    return answers;
}

/* ---- a stranger ---- */

/* Which bucket an account is in is the ledger's affair: all are tried. */
static void harm_account(const char *path, const char *user,
                         int (*harm)(zhandle_t *stranger, const char *account))
{
    struct String_vector buckets;
    char name[256];
    size_t harmed = 0;

    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *stranger = zookeeper_init(harness_servers(), NULL, 10000, NULL, NULL, 0);
    assert_non_null(stranger);
    snprintf(name, sizeof(name), "%s/accounts", path);
    assert_int_equal(zoo_get_children(stranger, name, 0, &buckets), ZOK);
    for (int i = 0; i < buckets.count; i++) {
        snprintf(name, sizeof(name), "%s/accounts/%s/%s", path, buckets.data[i], user);
        harmed += harm(stranger, name) == ZOK;
    }
    deallocate_String_vector(&buckets);
    zookeeper_close(stranger);
    assert_int_equal(harmed, 1);
}

static int lose(zhandle_t *stranger, const char *account)
{
    return zoo_delete(stranger, account, -1);
}

void lose_account(const char *path, const char *user)
{
    harm_account(path, user, lose);
}

static int spoil(zhandle_t *stranger, const char *account)
{
    return zoo_set(stranger, account, "junk", 4, -1);
}

void spoil_account(const char *path, const char *user)
{
    harm_account(path, user, spoil);
}
