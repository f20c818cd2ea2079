/* client.c - a client from new to free, and its monitor. */
#include "session/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/path.h"

#define LABEL_MAX 255
#define SESSION_TIMEOUT_MIN_MS                                                                     \
    100 /* the ZooKeeper client divides it by 60 and spins on what is left */
#define MS INT64_C(1000000)

/* ---- the monitor ---- */

int client_enter_closed(lk_client *client)
{
    if (!birth_was_here(&client->birth))
        return LK_E_FORKED;
    pthread_mutex_lock(&client->monitor);
    client->now_ns = client->world->now_ns(client->world);
    /* What is due comes first: after a pause a lease that ran out is over before anything else is
     * heard or asked. */
    if (!client->closing)
        timers_run(client);
    return LK_OK;
}

int client_enter(lk_client *client)
{
    int status = client_enter_closed(client);

    if (status != LK_OK || !client->closing)
        return status;
    client_leave(client);
    return LK_E_CLOSED;
}

void client_leave(lk_client *client)
{
    unsigned unrefs = client->unrefs;

    client->unrefs = 0;
    if (!client->closing)
        ticker_arm(client);
    pthread_mutex_unlock(&client->monitor);
    while (unrefs-- > 0)
        client_unref(client);
}

lk_client *client_ref(lk_client *client)
{
    atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
    return client;
}

static void client_destroy(lk_client *client)
{
    if (client->ticker_fd >= 0)
        close(client->ticker_fd);
    if (client->callback_fd >= 0)
        close(client->callback_fd);
    pthread_cond_destroy(&client->session_changed);
    pthread_cond_destroy(&client->callbacks_changed);
    pthread_mutex_destroy(&client->monitor);
    free(client->servers);
    free(client->root);
    free(client->auth_scheme);
    /* A credential: not left behind in freed memory. */
    if (client->auth)
        explicit_bzero(client->auth, strlen(client->auth));
    free(client->auth);
    free(client->label);
    birth_forget(&client->birth);
    free(client);
}

void client_unref(lk_client *client)
{
    if (atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) == 1)
        client_destroy(client);
}

void client_unref_later(lk_client *client)
{
    client->unrefs++;
}

/* ---- what the rooms above ask ---- */

int64_t client_now(const lk_client *client)
{
    return client->now_ns;
}

int64_t client_wall_ms(const lk_client *client)
{
    return client->world->wall_ms(client->world);
}

uint64_t client_random(lk_client *client)
{
    return client->world->random(client->world);
}

lk_access client_access(const lk_client *client)
{
    return client->access;
}

const char *client_label(const lk_client *client)
{
    return client->label;
}

int64_t client_session_id(const lk_client *client)
{
    return client->session_id;
}

int64_t client_timeout_ns(const lk_client *client)
{
    return client->timeout_ns;
}

bool client_is_connected(const lk_client *client)
{
    return client->connected && list_is_empty(&client->ahead) && list_is_empty(&client->outbox);
}

bool client_waits_for_server(const lk_client *client)
{
    return (!client->connected || client->resend.link) && !client->auth_failed;
}

int client_path(const lk_client *client, const char *path, char **out)
{
    int status = path_check(path);

    if (status != LK_OK)
        return status;
    size_t root_size = strlen(client->root), path_size = strlen(path);
    if (root_size + path_size > PATH_MAX_SIZE)
        return LK_E_TOO_LARGE;
    char *full = malloc(root_size + path_size + 1);
    if (!full)
        return LK_E_NOMEM;
    memcpy(full, client->root, root_size);
    memcpy(full + root_size, path, path_size + 1);
    *out = full;
    return LK_OK;
}

void client_log(lk_client *client, lk_log_level level, const char *format, ...)
{
    char line[512];
    va_list arguments;

    if (!client->log || level > client->log_level)
        return;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    client->log(level, line, client->log_arg);
}

/* ---- new ---- */

static int options_check(const lk_client_options *options)
{
    if (!options->servers || !*options->servers || strchr(options->servers, '/'))
        return LK_E_INVALID;
    if (options->session_timeout_ms < SESSION_TIMEOUT_MIN_MS
        || options->session_timeout_ms > INT32_MAX)
        return LK_E_INVALID;
    if ((options->auth_scheme != NULL) != (options->auth != NULL))
        return LK_E_INVALID;
    if (options->access != LK_ACCESS_OPEN
        && (options->access != LK_ACCESS_CREATOR || !options->auth))
        return LK_E_INVALID;
    if (options->label && (strlen(options->label) > LABEL_MAX))
        return LK_E_TOO_LARGE;
    if (!options->root || strcmp(options->root, "/") == 0)
        return LK_OK;
    return path_check(options->root);
}

static char *copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;
    *failed |= text && !copy;
    return copy;
}

static int client_make(struct keeper_world *world, const lk_client_options *options,
                       lk_client **out)
{
    lk_client *client = calloc(1, sizeof *client);
    const char *root = options->root && strcmp(options->root, "/") != 0 ? options->root : "";
    bool failed = false;

    if (!client)
        return LK_E_NOMEM;
    atomic_init(&client->references, 1);
    birth_note(&client->birth);
    client->world = world;
    client->servers = copy_text(options->servers, &failed);
    client->root = copy_text(root, &failed);
    client->auth_scheme = copy_text(options->auth_scheme, &failed);
    client->auth = copy_text(options->auth, &failed);
    client->label = copy_text(options->label ? options->label : "", &failed);
    client->session_timeout_ms = options->session_timeout_ms;
    client->timeout_ns = options->session_timeout_ms * MS;
    client->access = options->access;
    client->log_level = options->log_level;
    client->log = options->log;
    client->log_arg = options->log_arg;
    client->ticker_fd = -1;
    client->armed_ns = INT64_MAX;
    client->callback_fd = options->callback_thread ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&client->monitor, NULL);
    condition_init(&client->session_changed);
    condition_init(&client->callbacks_changed);
    if (failed || (client->callback_fd < 0 && !options->callback_thread)) {
        client_destroy(client);
        return failed ? LK_E_NOMEM : LK_E_SYSTEM;
    }
    *out = client;
    return LK_OK;
}

int client_new_in(struct keeper_world *world, lk_client **out, const lk_client_options *options)
{
    const lk_client_options defaults = LK_CLIENT_OPTIONS_INIT;
    lk_client *client = NULL;

    if (!out)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options)
        return LK_E_INVALID;
    int status = options_check(options);
    if (status == LK_OK)
        status = client_make(world, options, &client);
    if (status == LK_OK && world->has_threads)
        status = ticker_start(client, options->callback_thread);
    if (status != LK_OK) {
        lk_client_free(client);
        return status;
    }
    client_enter_closed(client);
    session_open(client);
    client_leave(client);
    *out = client;
    return LK_OK;
}

int lk_client_new(lk_client **out, const lk_client_options *options)
{
    return client_new_in(keeper_real_world(), out, options);
}

/* ---- close and free ---- */

int lk_client_close(lk_client *client, int64_t deadline_ns)
{
    if (!client)
        return LK_E_INVALID;
    int status = client_enter(client);
    if (status == LK_E_CLOSED)
        return LK_OK;
    if (status != LK_OK)
        return status;
    client_ref(client);
    client->closing = true;
    ops_close(client);
    session_close(client);
    requests_fail(client, KEEPER_CLOSED);
    ticker_stop(client);
    pthread_cond_broadcast(&client->session_changed);
    while (client->sessions > 0 && op_may_wait(client) == LK_OK)
        if (!condition_wait(client, &client->session_changed, deadline_ns))
            break;
    status = client->sessions > 0 ? LK_E_DEADLINE : LK_OK;
    client_leave(client);
    client_unref(client);
    return status;
}

lk_client *lk_client_free(lk_client *client)
{
    if (!client || !birth_was_here(&client->birth))
        return NULL;
    (void)lk_client_close(client, 0);
    ticker_join(client);
    while (callbacks_run(client, 0) > 0)
        ;
    client_unref(client);
    return NULL;
}

/* ---- the rest of the public face ---- */

int64_t lk_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t lk_in_ms(int64_t ms)
{
    int64_t now_ns = lk_now_ns();

    if (ms <= 0)
        return now_ns;
    return ms >= (INT64_MAX - now_ns) / MS ? LK_FOREVER : now_ns + ms * MS;
}

int lk_client_wait_connected(lk_client *client, int64_t deadline_ns)
{
    if (!client)
        return LK_E_INVALID;
    int status = client_enter(client);
    if (status != LK_OK)
        return status;
    client_ref(client); /* another thread may free it, which ends the wait */
    status = op_may_wait(client);
    while (status == LK_OK && !client->connected && !client->auth_failed && !client->closing)
        if (!condition_wait(client, &client->session_changed, deadline_ns))
            status = LK_E_NO_SERVER;
    if (status == LK_OK || client->connected)
        status = client->closing ? LK_E_CLOSED : client->auth_failed ? LK_E_NO_RIGHTS : status;
    client_leave(client);
    client_unref(client);
    return status;
}

void lk_client_info_get(lk_client *client, lk_client_info *out)
{
    *out = (lk_client_info){ 0 };
    if (!client || client_enter_closed(client) != LK_OK)
        return;
    out->connected = client->connected;
    out->session_id = (uint64_t)client->session_id;
    out->session_timeout_ms = client->session_id ? client->timeout_ns / MS : 0;
    out->lease_remaining_ns = lease_remaining_ns(client);
    client_leave(client);
}

int lk_fd(const lk_client *client)
{
    return client ? client->callback_fd : -1;
}

int lk_dispatch(lk_client *client, int64_t deadline_ns)
{
    if (!client)
        return LK_E_INVALID;
    if (client->callback_fd < 0)
        return LK_E_STATE;
    if (!birth_was_here(&client->birth))
        return LK_E_FORKED;
    client_ref(client);
    int status = callbacks_run(client, deadline_ns);
    client_unref(client);
    return status;
}

int64_t client_next_ns(lk_client *client)
{
    client_enter_closed(client);
    int64_t next_ns = client->timers && !client->closing ? client->timers->at_ns : INT64_MAX;
    client_leave(client);
    return next_ns;
}

void client_tick(lk_client *client)
{
    if (client_enter_closed(client) != LK_OK)
        return;
    client->armed_ns = INT64_MAX; /* the ticker has woken; leaving arms it again */
    client_leave(client);
}
