/* live.c - see live.h. */
#include "live.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STORY_MAX = 4000, LINE_SIZE = 200, CLIENTS_MAX = 32, STANDS_MAX = 512, ANSWERS_MAX = 1024 };

struct kept {
    struct kept *next;
    _Alignas(max_align_t) char bytes[];
};

static struct {
    zkbox *box;
    zhandle_t *raw;
    bool raw_connected;
    unsigned tests;
    struct kept *kept;

    /* of the present test */
    char root[32];
    zkbox_proxy *proxy;
    bool finished;
    int64_t began_ns;
    lk_client *clients[CLIENTS_MAX];
    struct stand *stands[STANDS_MAX];
    struct answer *answers[ANSWERS_MAX];
    size_t client_count, stand_count, answer_count;
    unsigned answered;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char story[STORY_MAX][LINE_SIZE];
    size_t story_count;
} world = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the story ---- */

static void tell_locked(const char *format, va_list arguments)
{
    if (world.story_count == STORY_MAX)
        return;
    char *line = world.story[world.story_count++];
    int used = snprintf(line, LINE_SIZE, "%6.3f ", (double)(lk_now_ns() - world.began_ns) / 1e9);
    vsnprintf(line + used, LINE_SIZE - (size_t)used, format, arguments);
}

void live_tell(const char *format, ...)
{
    va_list arguments;

    pthread_mutex_lock(&world.mutex);
    va_start(arguments, format);
    tell_locked(format, arguments);
    va_end(arguments);
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
}

static void story_print(void)
{
    pthread_mutex_lock(&world.mutex);
    for (size_t i = 0; i < world.story_count; i++)
        print_error("    %s\n", world.story[i]);
    pthread_mutex_unlock(&world.mutex);
}

void live_changed(void)
{
    pthread_mutex_lock(&world.mutex);
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
}

/* With world.mutex held, which `is` may rely on. */
static bool await_until(bool (*is)(void *arg), void *arg, int64_t until_ns)
{
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    int64_t left_ns = until_ns - lk_now_ns();
    at.tv_sec += left_ns / 1000000000 + 1;
    while (!is(arg))
        if (pthread_cond_timedwait(&world.changed, &world.mutex, &at) != 0)
            return is(arg);
    return true;
}

void live_await(const char *what, bool (*is)(void *arg), void *arg)
{
    pthread_mutex_lock(&world.mutex);
    bool came = await_until(is, arg, lk_in_ms(PATIENCE_MS));
    pthread_mutex_unlock(&world.mutex);
    if (!came)
        fail_msg("never came: %s", what);
}

void live_assert_status(const char *call, int status, int expected, const char *file, int line)
{
    if (status == expected)
        return;
    print_error("%s\n    answered %s, not %s\n", call, lk_status_name(status),
                lk_status_name(expected));
    _fail(file, line);
}

/* ---- the world ---- */

zkbox *live_box(void)
{
    return world.box;
}

const char *live_root(void)
{
    return world.root;
}

const char *live_path(const char *path)
{
    static char paths[8][2048];
    static unsigned next;
    char *out = paths[next++ % 8];

    snprintf(out, sizeof paths[0], "%s%s", world.root, path);
    return out;
}

zkbox_proxy *live_proxy(void)
{
    if (!world.proxy)
        assert_int_equal(zkbox_proxy_start(&world.proxy, zkbox_address(world.box, 0)), 0);
    return world.proxy;
}

static void client_log(lk_log_level level, const char *line, void *arg)
{
    static const char letters[] = "EWID";
    live_tell("%s (%c) %s", (const char *)arg, letters[level], line);
}

lk_client *live_client(const char *name, struct live_client how)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;

    options.servers = how.servers   ? how.servers
                      : how.proxied ? zkbox_proxy_address(live_proxy())
                                    : zkbox_address(world.box, 0);
    options.root = world.root;
    options.session_timeout_ms = how.timeout_ms ? how.timeout_ms : CALM_MS;
    options.callback_thread = !how.own_loop;
    options.label = name;
    options.log_level = LK_LOG_DEBUG;
    options.log = client_log;
    options.log_arg = (void *)(uintptr_t)name;
    options.auth_scheme = how.auth ? "digest" : NULL;
    options.auth = how.auth;
    options.access = how.access;
    assert_status(lk_client_new(&client, &options), LK_OK);
    assert_true(world.client_count < CLIENTS_MAX);
    world.clients[world.client_count++] = client;
    if (!how.unconnected)
        assert_status(lk_client_wait_connected(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    return client;
}

lk_client *live_forget_client(lk_client *client)
{
    for (size_t i = 0; i < world.client_count; i++)
        if (world.clients[i] == client)
            world.clients[i] = NULL;
    return client;
}

/* ---- who stands in a line ---- */

static void stand_changed(const lk_grant_change *change, void *arg)
{
    struct stand *stand = arg;
    char fence[LK_FENCE_TEXT_SIZE];

    pthread_mutex_lock(&world.mutex);
    if (stand->count < CHANGES_MAX) {
        stand->at_ns[stand->count] = lk_now_ns();
        stand->changes[stand->count++] = *change;
    }
    pthread_mutex_unlock(&world.mutex);
    live_tell("%s is %s, fence %s, %s", stand->name, lk_grant_state_name(change->state),
              lk_fence_text(change->fence, fence), lk_status_name(change->reason));
}

static struct stand *stand_new(const char *name)
{
    struct stand *stand = calloc(1, sizeof *stand);

    assert_non_null(stand);
    assert_true(world.stand_count < STANDS_MAX);
    stand->name = name;
    world.stands[world.stand_count++] = stand;
    return stand;
}

struct stand *live_lock(lk_client *client, const char *name, const char *path)
{
    struct stand *stand = stand_new(name);
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.label = name;
    options.on_change = stand_changed;
    options.on_change_arg = stand;
    assert_status(lk_lock_new(&stand->lock, client, path, &options), LK_OK);
    return stand;
}

struct stand *live_candidate(lk_client *client, const char *name, const char *path,
                             const char *card)
{
    struct stand *stand = stand_new(name);
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;

    options.card = card;
    options.card_size = strlen(card);
    options.on_change = stand_changed;
    options.on_change_arg = stand;
    assert_status(lk_candidate_new(&stand->candidate, client, path, &options), LK_OK);
    return stand;
}

void stand_free(struct stand *stand)
{
    stand->lock = lk_lock_free(stand->lock);
    stand->candidate = lk_candidate_free(stand->candidate);
}

struct expected {
    struct stand *stand;
    lk_grant_state state;
};

static bool change_came(void *arg)
{
    const struct expected *expected = arg;
    struct stand *stand = expected->stand;

    while (stand->seen < stand->count && stand->changes[stand->seen].state != expected->state)
        stand->seen++;
    return stand->seen < stand->count;
}

const lk_grant_change *await_change(struct stand *stand, lk_grant_state state)
{
    struct expected expected = { stand, state };
    char what[100];

    snprintf(what, sizeof what, "%s is %s", stand->name, lk_grant_state_name(state));
    live_await(what, change_came, &expected);
    return &stand->changes[stand->seen++]; /* what was told stays as it is */
}

int64_t change_time(const struct stand *stand, lk_grant_state state)
{
    int64_t at_ns = 0;

    pthread_mutex_lock(&world.mutex);
    for (size_t i = 0; i < stand->count; i++)
        if (stand->changes[i].state == state)
            at_ns = stand->at_ns[i];
    pthread_mutex_unlock(&world.mutex);
    return at_ns;
}

struct enough {
    struct stand *stand;
    size_t count;
};

static bool changes_are_enough(void *arg)
{
    const struct enough *enough = arg;
    return enough->stand->count >= enough->count;
}

void assert_changes(struct stand *stand, const char *states)
{
    struct enough enough = { stand, *states != '\0' };
    char seen[CHANGES_MAX * 10] = "";
    size_t used = 0;

    for (const char *at = states; *at; at++)
        enough.count += *at == ' ';
    live_await(states, changes_are_enough, &enough);

    pthread_mutex_lock(&world.mutex);
    for (size_t i = 0; i < stand->count; i++)
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%s", i ? " " : "",
                                 lk_grant_state_name(stand->changes[i].state));
    pthread_mutex_unlock(&world.mutex);
    assert_string_equal(seen, states);
}

/* ---- answers ---- */

struct answer *live_answer(const char *name)
{
    struct answer *answer = calloc(1, sizeof *answer);

    assert_non_null(answer);
    assert_true(world.answer_count < ANSWERS_MAX);
    answer->name = name;
    world.answers[world.answer_count++] = answer;
    return answer;
}

void answer_done(int status, void *arg)
{
    struct answer *answer = arg;

    pthread_mutex_lock(&world.mutex);
    answer->status = status;
    answer->times++;
    answer->at_ns = lk_now_ns();
    answer->rank = ++world.answered;
    pthread_mutex_unlock(&world.mutex);
    live_tell("%s: %s", answer->name, lk_status_name(status));
}

static bool answer_came(void *arg)
{
    return ((struct answer *)arg)->times > 0;
}

int await_answer(struct answer *answer)
{
    live_await(answer->name, answer_came, answer);
    return answer->status;
}

bool is_answered(struct answer *answer)
{
    pthread_mutex_lock(&world.mutex);
    bool is = answer->times > 0;
    pthread_mutex_unlock(&world.mutex);
    return is;
}

struct answer *start_acquire(struct stand *stand, int64_t deadline_ns)
{
    struct answer *answer = live_answer(stand->name);

    if (stand->lock)
        assert_status(lk_lock_acquire_start(stand->lock, deadline_ns, answer_done, answer, NULL),
                      LK_OK);
    else
        assert_status(
            lk_candidate_stand_start(stand->candidate, deadline_ns, answer_done, answer, NULL),
            LK_OK);
    return answer;
}

lk_fence acquire(struct stand *stand)
{
    lk_fence fence;

    if (stand->lock)
        assert_status(lk_lock_acquire(stand->lock, lk_in_ms(PATIENCE_MS), &fence), LK_OK);
    else
        assert_status(lk_candidate_stand(stand->candidate, lk_in_ms(PATIENCE_MS), &fence), LK_OK);
    return fence;
}

void release(struct stand *stand)
{
    if (stand->lock)
        assert_status(lk_lock_release(stand->lock, lk_in_ms(PATIENCE_MS)), LK_OK);
    else
        assert_status(lk_candidate_resign(stand->candidate, lk_in_ms(PATIENCE_MS)), LK_OK);
}

/* ---- the raw client ---- */

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
    kept->next = world.kept;
    world.kept = kept;
    return kept->bytes;
}

zhandle_t *raw(void)
{
    return world.raw;
}

int64_t raw_session(void)
{
    return zoo_client_id(world.raw)->client_id;
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
        int rc = zoo_create(world.raw, part, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        assert_raw("create", part, rc == ZNODEEXISTS ? ZOK : rc);
    }
}

const char *raw_create(const char *path, const void *data, size_t size, int mode)
{
    static char made[2048];

    assert_raw("create", path,
               zoo_create(world.raw, path, data, data ? (int)size : -1, &ZOO_OPEN_ACL_UNSAFE, mode,
                          made, sizeof made));
    return made;
}

void raw_set(const char *path, const void *data, size_t size)
{
    assert_raw("set", path, zoo_set(world.raw, path, data, (int)size, -1));
}

void raw_delete(const char *path)
{
    assert_raw("delete", path, zoo_delete(world.raw, path, -1));
}

bool raw_exists(const char *path, struct Stat *out)
{
    struct Stat stat;
    int rc;

    RAW(rc, zoo_exists(world.raw, path, 0, out ? out : &stat));

    assert_raw("exists", path, rc == ZNONODE ? ZOK : rc);
    return rc == ZOK;
}

size_t raw_get(const char *path, void *data, size_t size, struct Stat *out)
{
    struct Stat stat;
    int length = (int)size;

    assert_raw("get", path, zoo_get(world.raw, path, 0, data, &length, out ? out : &stat));
    return length < 0 ? 0 : (size_t)length;
}

void raw_limit(const char *path, int perms)
{
    struct ACL entries[] = {
        { .perms = ZOO_PERM_ALL, .id = ZOO_AUTH_IDS },
        { .perms = perms, .id = ZOO_ANYONE_ID_UNSAFE },
    };
    const struct ACL_vector acl = { .count = perms ? 2 : 1, .data = entries };

    assert_raw("set_acl", path, zoo_set_acl(world.raw, path, -1, &acl));
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

    assert_raw("list", path, zoo_get_children(world.raw, path, 0, &list));
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
    pthread_mutex_lock(&world.mutex);
    wait->fired = true;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
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
        RAW(rc, zoo_wget_children(world.raw, wait->path, children_fired, wait, &list));
        if (rc == ZOK) {
            size_t count = (size_t)list.count;
            deallocate_String_vector(&list);
            return count;
        }
        assert_raw("list", wait->path, rc == ZNONODE ? ZOK : rc);
        RAW(rc, zoo_wexists(world.raw, wait->path, children_fired, wait, &stat));
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
    pthread_mutex_lock(&world.mutex);
    gone->is_gone = type == ZOO_DELETED_EVENT;
    gone->at_ns = lk_now_ns();
    pthread_mutex_unlock(&world.mutex);
    live_tell("the server has removed %s", path);
}

void raw_watch_gone(const char *path, struct gone *gone)
{
    struct Stat stat;

    *gone = (struct gone){ 0 };
    assert_raw("exists", path, zoo_wexists(world.raw, path, gone_fired, gone, &stat));
}

static bool is_gone(void *arg)
{
    return ((struct gone *)arg)->is_gone;
}

void await_gone(struct gone *gone)
{
    live_await("the znode is gone", is_gone, gone);
}

/* ---- nothing stays behind ---- */

/* The path of an ephemeral znode below `path` that is not the raw client's; "" for none. */
static void find_leftover(const char *path, char *out, size_t size)
{
    struct String_vector list;
    char child[4096];
    int rc;

    RAW(rc, zoo_get_children(world.raw, path, 0, &list));
    if (rc != ZOK)
        return;
    for (int i = 0; i < list.count && !*out; i++) {
        struct Stat stat;
        snprintf(child, sizeof child, "%s/%s", path, list.data[i]);
        RAW(rc, zoo_exists(world.raw, child, 0, &stat));
        if (rc != ZOK)
            continue;
        if (stat.ephemeralOwner != 0 && stat.ephemeralOwner != raw_session())
            snprintf(out, size, "%s", child);
        else
            find_leftover(child, out, size);
    }
    deallocate_String_vector(&list);
}

static bool leftovers_go(void)
{
    for (;;) {
        char left[4096] = "";
        find_leftover(world.root, left, sizeof left);
        if (!*left)
            return true;
        struct gone *gone = keep(sizeof *gone);
        struct Stat stat;
        if (zoo_wexists(world.raw, left, gone_fired, gone, &stat) != ZOK)
            continue;
        pthread_mutex_lock(&world.mutex);
        bool went = await_until(is_gone, gone, lk_in_ms(PATIENCE_MS / 2));
        pthread_mutex_unlock(&world.mutex);
        if (!went) {
            print_error("left behind: %s\n", left);
            return false;
        }
    }
}

/* ---- a test, from begin to end ---- */

int live_begin(void **state)
{
    (void)state;
    pthread_mutex_lock(&world.mutex);
    world.finished = false;
    world.began_ns = lk_now_ns();
    world.story_count = 0;
    world.answered = 0;
    pthread_mutex_unlock(&world.mutex);
    snprintf(world.root, sizeof world.root, "/t%u", ++world.tests);
    return 0;
}

void live_run_test(void **state)
{
    const struct live_test *test = *state;

    test->run();
    world.finished = true;
}

int live_end(void **state)
{
    (void)state;
    bool clean = true;

    if (world.proxy)
        zkbox_proxy_heal(world.proxy);
    for (int node = 0; node < zkbox_nodes(world.box); node++)
        (void)zkbox_resume(world.box, node);
    for (size_t i = 0; i < world.stand_count; i++)
        stand_free(world.stands[i]);
    clean = leftovers_go();
    for (size_t i = 0; i < world.client_count; i++) {
        if (world.clients[i])
            (void)lk_client_close(world.clients[i], lk_in_ms(5000));
        lk_client_free(world.clients[i]);
    }
    if (!world.finished || !clean)
        story_print();
    for (size_t i = 0; i < world.stand_count; i++)
        free(world.stands[i]);
    for (size_t i = 0; i < world.answer_count; i++)
        free(world.answers[i]);
    world.client_count = world.stand_count = world.answer_count = 0;
    world.proxy = zkbox_proxy_stop(world.proxy);
    return clean ? 0 : -1;
}

/* ---- a program ---- */

static void raw_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)path, (void)context;
    pthread_mutex_lock(&world.mutex);
    world.raw_connected = type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE;
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.mutex);
}

static bool raw_is_connected(void *arg)
{
    (void)arg;
    return world.raw_connected;
}

static void raw_log(const char *line)
{
    live_tell("the raw client: %s", line);
}

static bool raw_open(void)
{
    world.raw = zookeeper_init2(zkbox_servers(world.box), raw_event, CALM_MS * 2, NULL, NULL,
                                ZOO_NO_LOG_CLIENTENV, raw_log);
    if (!world.raw)
        return false;
    pthread_mutex_lock(&world.mutex);
    bool connected = await_until(raw_is_connected, NULL, lk_in_ms(PATIENCE_MS));
    pthread_mutex_unlock(&world.mutex);
    return connected && zoo_add_auth(world.raw, "digest", "raw:raw", 7, NULL, NULL) == ZOK;
}

int live_main(const char *name, const zkbox_options *options, const struct CMUnitTest *tests,
              size_t count)
{
    zkbox_options standard = ZKBOX_OPTIONS_INIT;
    char error[512] = "";

    standard.tick_ms = TICK_MS;
    standard.fsync = false;
    zkbox_options used = options ? *options : standard;
    used.error = error;
    used.error_size = sizeof error;
    if (zkbox_start(&world.box, &used) < 0 || !raw_open()) {
        fprintf(stderr, "%s\n", *error ? error : "the raw client does not connect");
        return 1;
    }
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    zookeeper_close(world.raw);
    for (struct kept *kept = world.kept, *next; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    zkbox_stop(world.box);
    return failed;
}
