/* coupons.c - see coupons.h. */
#include "coupons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool has_text(void *arg)
{
    struct stat stat_;

    return stat(arg, &stat_) == 0 && stat_.st_size > 0;
}

void await_file(const char *name)
{
    await(has_text, (void *)name, "the first answers");
}
