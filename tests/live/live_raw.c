/* live_raw.c - ZooKeeper's own client, on a direct connection: what the server knows, and that nothing
 * stays behind there. See live.h. */
#include "live_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OTHERS_MAX = 8 };

struct kept {
    struct kept *next;
    _Alignas(max_align_t) char bytes[];
};

static struct {
    zhandle_t *handle;
    struct kept *kept;
    zhandle_t *others[OTHERS_MAX]; /* of the present test */
    size_t other_count;
} direct;

/* Of three servers one may just be dying: the raw client comes back by itself. */
#define RAW(rc, call)                                                                              \
    do                                                                                             \
        rc = (call);                                                                               \
    while (rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT)

/* For a watch, which may fire as long as the raw session lives. */
static void *keep(size_t size)
{
    struct kept *kept = calloc(1, sizeof *kept + size);

    if (!kept)
        abort();
    kept->next = direct.kept;
    direct.kept = kept;
    return kept->bytes;
}

zhandle_t *raw(void)
{
    return direct.handle;
}

int64_t raw_session(void)
{
    return zoo_client_id(direct.handle)->client_id;
}

static void assert_raw(const char *what, const char *path, int rc)
{
    if (rc != ZOK)
        fail_msg("raw %s of %s: %s", what, path, zerror(rc));
}

void raw_make(const char *path)
{
    char part[2048];

    for (size_t size = 1; size <= strlen(path); size++) {
        if (path[size] != '/' && path[size] != '\0')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)size, path);
        int rc = zoo_create(direct.handle, part, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        assert_raw("create", part, rc == ZNODEEXISTS ? ZOK : rc);
    }
}

const char *raw_create(const char *path, const void *data, size_t size, int mode)
{
    static char made[2048];

    assert_raw("create", path,
               zoo_create(direct.handle, path, data, data ? (int)size : -1, &ZOO_OPEN_ACL_UNSAFE,
                          mode, made, sizeof made));
    return made;
}

void raw_set(const char *path, const void *data, size_t size)
{
    assert_raw("set", path, zoo_set(direct.handle, path, data, (int)size, -1));
}

void raw_delete(const char *path)
{
    assert_raw("delete", path, zoo_delete(direct.handle, path, -1));
}

bool raw_exists(const char *path, struct Stat *out)
{
    struct Stat stat;
    int rc;

    RAW(rc, zoo_exists(direct.handle, path, 0, out ? out : &stat));

    assert_raw("exists", path, rc == ZNONODE ? ZOK : rc);
    return rc == ZOK;
}

size_t raw_get(const char *path, void *data, size_t size, struct Stat *out)
{
    struct Stat stat;
    int length = (int)size;

    assert_raw("get", path, zoo_get(direct.handle, path, 0, data, &length, out ? out : &stat));
    return length < 0 ? 0 : (size_t)length;
}

void raw_limit(const char *path, int perms)
{
    struct ACL entries[] = {
        { .perms = ZOO_PERM_ALL, .id = ZOO_AUTH_IDS },
        { .perms = perms, .id = ZOO_ANYONE_ID_UNSAFE },
    };
    const struct ACL_vector acl = { .count = perms ? 2 : 1, .data = entries };

    assert_raw("set_acl", path, zoo_set_acl(direct.handle, path, -1, &acl));
}

static int by_number(const void *a, const void *b)
{
    const char *x = a, *y = b;
    size_t x_size = strlen(x), y_size = strlen(y);

    return strcmp(x + (x_size > 10 ? x_size - 10 : 0), y + (y_size > 10 ? y_size - 10 : 0));
}

static void names_take(struct names *out, struct String_vector *list)
{
    out->count = 0;
    for (int i = 0; i < list->count && out->count < NAMES_MAX; i++)
        snprintf(out->name[out->count++], NAME_SIZE, "%s", list->data[i]);
    qsort(out->name, out->count, NAME_SIZE, by_number);
    deallocate_String_vector(list);
}

void raw_children(const char *path, struct names *out)
{
    struct String_vector list;

    assert_raw("list", path, zoo_get_children(direct.handle, path, 0, &list));
    names_take(out, &list);
}

struct children_wait {
    char path[2048];
    bool fired;
};

static void children_fired(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)state, (void)path;
    struct children_wait *wait = context;

    if (type == ZOO_SESSION_EVENT)
        return;
    world_lock();
    wait->fired = true;
    world_unlock();
    live_changed();
}

static bool wait_fired(void *arg)
{
    return ((struct children_wait *)arg)->fired;
}

/* How many children, with a watch; 0 for no such path. */
static size_t children_watch(struct children_wait *wait)
{
    struct String_vector list;
    struct Stat stat;

    for (;;) {
        int rc;
        RAW(rc, zoo_wget_children(direct.handle, wait->path, children_fired, wait, &list));
        if (rc == ZOK) {
            size_t count = (size_t)list.count;
            deallocate_String_vector(&list);
            return count;
        }
        assert_raw("list", wait->path, rc == ZNONODE ? ZOK : rc);
        RAW(rc, zoo_wexists(direct.handle, wait->path, children_fired, wait, &stat));
        if (rc == ZNONODE)
            return 0;
        assert_raw("exists", wait->path, rc);
    }
}

void await_children(const char *path, size_t count)
{
    char what[200];

    snprintf(what, sizeof what, "%zu children of %.150s", count, path);
    for (;;) {
        struct children_wait *wait = keep(sizeof *wait);
        snprintf(wait->path, sizeof wait->path, "%s", path);
        if (children_watch(wait) == count)
            return;
        live_await(what, wait_fired, wait);
    }
}

static void gone_fired(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)state;
    struct gone *gone = context;

    if (type == ZOO_SESSION_EVENT)
        return;
    world_lock();
    gone->is_gone = type == ZOO_DELETED_EVENT;
    gone->at_ns = lk_now_ns();
    world_unlock();
    live_tell("the server has removed %s", path);
}

void raw_watch_gone_by(zhandle_t *witness, const char *path, struct gone *gone)
{
    struct Stat stat;

    *gone = (struct gone){ 0 };
    assert_raw("exists", path, zoo_wexists(witness, path, gone_fired, gone, &stat));
}

void raw_watch_gone(const char *path, struct gone *gone)
{
    raw_watch_gone_by(direct.handle, path, gone);
}

static bool is_gone(void *arg)
{
    return ((struct gone *)arg)->is_gone;
}

void await_gone(struct gone *gone)
{
    live_await("the znode is gone", is_gone, gone);
}

/* ---- sessions ---- */

static void raw_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)type, (void)state, (void)path, (void)context;
    live_changed();
}

static bool raw_is_connected(void *arg)
{
    return zoo_state(arg) == ZOO_CONNECTED_STATE;
}

static void raw_log(const char *line)
{
    live_tell("the raw client: %s", line);
}

static zhandle_t *raw_connect(const char *servers, int timeout_ms)
{
    zhandle_t *handle = zookeeper_init2(servers, raw_event, timeout_ms, NULL, NULL,
                                        ZOO_NO_LOG_CLIENTENV, raw_log);

    if (!handle)
        return NULL;
    world_lock();
    bool connected = world_await(raw_is_connected, handle, lk_in_ms(PATIENCE_MS));
    world_unlock();
    if (connected)
        return handle;
    zookeeper_close(handle);
    return NULL;
}

zhandle_t *raw_open(const char *servers, int64_t timeout_ms)
{
    zhandle_t *handle = raw_connect(servers, (int)timeout_ms);

    assert_non_null(handle);
    assert_true(direct.other_count < OTHERS_MAX);
    direct.others[direct.other_count++] = handle;
    return handle;
}

void raw_close_others(void)
{
    while (direct.other_count > 0)
        zookeeper_close(direct.others[--direct.other_count]);
}

bool raw_begin(void)
{
    direct.handle = raw_connect(zkbox_servers(live_box()), CALM_MS * 2);
    return direct.handle && zoo_add_auth(direct.handle, "digest", "raw:raw", 7, NULL, NULL) == ZOK;
}

void raw_end(void)
{
    zookeeper_close(direct.handle);
    for (struct kept *kept = direct.kept, *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
}

/* ---- nothing stays behind ---- */

/* The path of an ephemeral znode below `path` that is not the raw client's; "" for none. */
static void find_leftover(const char *path, char *out, size_t size)
{
    struct String_vector list;
    char child[4096];
    int rc;

    RAW(rc, zoo_get_children(direct.handle, path, 0, &list));
    if (rc != ZOK)
        return;
    for (int i = 0; i < list.count && !*out; i++) {
        struct Stat stat;
        snprintf(child, sizeof child, "%s/%s", path, list.data[i]);
        RAW(rc, zoo_exists(direct.handle, child, 0, &stat));
        if (rc != ZOK)
            continue;
        if (stat.ephemeralOwner != 0 && stat.ephemeralOwner != raw_session())
            snprintf(out, size, "%s", child);
        else
            find_leftover(child, out, size);
    }
    deallocate_String_vector(&list);
}

bool raw_leftovers_go(void)
{
    for (;;) {
        char left[4096] = "";
        find_leftover(live_root(), left, sizeof left);
        if (!*left)
            return true;
        struct gone *gone = keep(sizeof *gone);
        struct Stat stat;
        if (zoo_wexists(direct.handle, left, gone_fired, gone, &stat) != ZOK)
            continue;
        world_lock();
        bool went = world_await(is_gone, gone, lk_in_ms(PATIENCE_MS / 2));
        world_unlock();
        if (!went) {
            print_error("left behind: %s\n", left);
            return false;
        }
    }
}
