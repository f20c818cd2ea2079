/* live.c - the story of a test, the server and the proxy it is played on, and how it begins and ends.
 * See live.h. */
#include "live_inside.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STORY_MAX = 4000, LINE_SIZE = 200 };

static struct {
    zkbox *box;
    unsigned tests;

    /* of the present test */
    char root[32];
    zkbox_proxy *proxy;
    bool finished;
    int64_t began_ns;

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char story[STORY_MAX][LINE_SIZE];
    size_t story_count;
} world = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the story ---- */

void world_lock(void)
{
    pthread_mutex_lock(&world.mutex);
}

void world_unlock(void)
{
    pthread_mutex_unlock(&world.mutex);
}

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

bool world_await(bool (*is)(void *arg), void *arg, int64_t until_ns)
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
    bool came = world_await(is, arg, lk_in_ms(PATIENCE_MS));
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

/* ---- a test, from begin to end ---- */

int live_begin(void **state)
{
    (void)state;
    pthread_mutex_lock(&world.mutex);
    world.finished = false;
    world.began_ns = lk_now_ns();
    world.story_count = 0;
    pthread_mutex_unlock(&world.mutex);
    line_begin();
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

    if (world.proxy)
        zkbox_proxy_heal(world.proxy);
    for (int node = 0; node < zkbox_nodes(world.box); node++)
        (void)zkbox_resume(world.box, node);
    for (int a = 0; a < zkbox_nodes(world.box); a++)
        for (int b = 0; b < a; b++)
            (void)zkbox_link_heal(world.box, a, b); /* if it has links at all */
    line_free_handles();
    raw_close_others();
    bool clean = raw_leftovers_go();
    if (!world.finished || !clean)
        story_print();
    line_free_clients();
    world.proxy = zkbox_proxy_stop(world.proxy);
    return clean ? 0 : -1;
}

/* ---- a program ---- */

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
    if (zkbox_start(&world.box, &used) < 0 || !raw_begin()) {
        fprintf(stderr, "%s\n", *error ? error : "the raw client does not connect");
        return 1;
    }
    int failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    raw_end();
    zkbox_stop(world.box);
    return failed;
}
