/* handle.c - a keeper over Apache's client: who may call it when, and that every request is
 * answered once.
 *
 * The client is asynchronous where it sends, but opening asks the DNS, moving asks the DNS, and
 * closing waits for the server, for up to 6 s. So each handle has a thread that owns it, and nobody
 * else ever waits:
 *
 *   the owner        opens (again and again while no name resolves), moves, closes, says `closed`,
 *                    frees
 *   the IO thread    the client's; never calls us
 *   the completion   the client's; every event comes on it, one at a time. When it has ended the
 *                    owner answers what the
 *     thread         client forgot
 *
 * `lock` is held over a call into the client, so that the handle is not freed under it, and never
 * over an event. The client holds no lock of its own when it calls a completion; so nothing waits
 * in a circle. */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keeper/real.h"

#define MS INT64_C(1000000)

enum {
    OPEN_PAUSE_FIRST_MS = 100,
    OPEN_PAUSE_MOST_MS = 5000,
    DRAIN_PATIENCE_MS = 1500, /* what the client allows for the answer to its close */
    /* The server drops the connection of who sends more than its jute.maxbuffer (0xfffff), the
     * client reports a loss, and a retry would lose the next one. The margin is for what the server
     * wraps around it. */
    REQUEST_SIZE_MOST = 0xfffff - 1024,
};

/* On the way to another server. leave_server() asks; the owner thread gives the client a list of
 * the other servers; CONNECTED there, or time, brings back the full list. */
enum move { AT_HOME, ASKED_TO_LEAVE, AWAY, MOVED };

/* `up`, `authenticated`, `has_auth` and `session` belong to the completion thread, `list` to the
 * owner thread. */
struct handle {
    struct keeper keeper;
    struct zk_owner zk_owner;
    const struct keeper_events *events;
    void *owner;
    char *servers, *auth_scheme, *auth;
    char *list; /* the servers as the client has them when nothing moves */
    int timeout_ms;
    struct zk_question probe, wake, drain;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* the owner thread waits for it */
    struct zk *zk;          /* NULL: not opened yet, or being closed */
    bool closing;           /* close() was called */
    bool over;              /* expired or refused: no more requests */
    bool drained;           /* while closing: all requests before have been answered */
    enum move move;
    int64_t away_until_ns; /* then the full list comes back in any case */
    struct list flights;   /* accepted and not answered, in the order of their requests */
    struct list answered;  /* by us; the client may still come back with them */

    struct keeper_session session;
    bool up;            /* CONNECTED was told, and neither LOST nor the end after it */
    bool has_auth;      /* the client has our credentials, and sends them at each connection */
    bool authenticated; /* a server has accepted them */
};

static int64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- session events: on the completion thread ---- */

static void handle_tell(struct handle *handle, enum keeper_session_event event)
{
    handle->up = event == KEEPER_SESSION_CONNECTED;
    handle->events->session(handle->owner, event, &handle->session);
}

static void handle_lost(struct handle *handle)
{
    if (handle->up)
        handle_tell(handle, KEEPER_SESSION_LOST);
}

/* The next step of a move, if this is where it stands. */
static void handle_moved(struct handle *handle, enum move from, enum move to)
{
    pthread_mutex_lock(&handle->lock);
    if (handle->move == from) {
        handle->move = to;
        pthread_cond_signal(&handle->changed);
    }
    pthread_mutex_unlock(&handle->lock);
}

static void handle_connected(struct handle *handle)
{
    handle->authenticated = handle->has_auth;
    if (!handle->up)
        handle_tell(handle, KEEPER_SESSION_CONNECTED);
    handle_moved(handle, AWAY, MOVED);
}

static void probe_answered(struct zk_question *question, bool is_loss, int rc)
{
    (void)is_loss;
    if (rc != KEEPER_UNKNOWN && rc != KEEPER_CLOSED)
        handle_connected(container_of(question, struct handle, probe));
}

/* The connection is told of when a request has come back over it: then the credentials were
 * accepted, and no answer is owed from before. If it fails, so does the connection, and the next
 * one is probed.
 *
 * Credentials are given here, not after zk_open(), where the client would often refuse them: it
 * takes none between two attempts to connect. Here is still before traffic, as must be: it pushes
 * them in front of what is half sent. */
static void handle_probe(struct handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    if (handle->zk && handle->auth_scheme && !handle->has_auth)
        handle->has_auth = zk_add_auth(handle->zk, handle->auth_scheme, handle->auth);
    if (handle->zk && (!handle->auth_scheme || handle->has_auth))
        zk_ask(handle->zk, &handle->probe);
    pthread_mutex_unlock(&handle->lock);
}

/* Also without a loss before it: when its wake-up pipe is full the client drops the connection
 * without a word, and on the next one still waits for answers of the old one, which the first
 * answer there ends. While answers are owed, a probe brings that about before anybody is told. */
static void handle_reconnected(struct handle *handle, struct zk *zk)
{
    handle->session = zk_session(zk);
    handle_lost(handle);

    pthread_mutex_lock(&handle->lock);
    if (!handle->closing)
        handle->zk = zk; /* this may come before zk_open() has returned */
    bool answers_are_owed = !list_is_empty(&handle->flights);
    pthread_mutex_unlock(&handle->lock);

    if (answers_are_owed || (handle->auth_scheme && !handle->authenticated))
        handle_probe(handle);
    else
        handle_connected(handle);
}

/* Answers what is left, in order, when nothing can be added any more. The client may still come
 * back with each of them, or may not: it forgets requests that were queued while its IO thread
 * ended (ZOOKEEPER-2802) or while it was closed (ZOOKEEPER-3868). So they stay, answered, until it
 * does or is gone. */
static void handle_answer_all(struct handle *handle, int rc)
{
    const struct keeper_reply reply = { .rc = rc };

    pthread_mutex_lock(&handle->lock);
    for (struct list *node; (node = list_take(&handle->flights)) != NULL;) {
        struct flight *flight = container_of(node, struct flight, node);
        list_append(&handle->answered, node);
        flight->answered = true;
        pthread_mutex_unlock(&handle->lock);
        handle->events->reply(handle->owner, flight->context, &reply);
        pthread_mutex_lock(&handle->lock);
    }
    pthread_mutex_unlock(&handle->lock);
}

static void handle_over(struct handle *handle, enum keeper_session_event event, int rc)
{
    pthread_mutex_lock(&handle->lock);
    handle->over = true;
    pthread_mutex_unlock(&handle->lock);
    handle_tell(handle, event);
    handle_answer_all(handle, rc);
}

static void handle_session(struct zk_owner *owner, struct zk *zk, enum zk_state state)
{
    struct handle *handle = container_of(owner, struct handle, zk_owner);

    switch (state) {
    case ZK_CONNECTED:
        handle_reconnected(handle, zk);
        break;
    case ZK_CONNECTING:
        handle_lost(handle);
        break;
    case ZK_EXPIRED:
        handle_over(handle, KEEPER_SESSION_EXPIRED, KEEPER_EXPIRED);
        break;
    case ZK_AUTH_FAILED:
        handle_over(handle, KEEPER_SESSION_AUTH_FAILED, KEEPER_AUTH_FAILED);
        break;
    }
}

static void handle_watch(struct zk_owner *owner, enum keeper_watch_event event, const char *path)
{
    const struct handle *handle = container_of(owner, struct handle, zk_owner);
    handle->events->watch(handle->owner, event, path);
}

static void handle_answer(struct zk_owner *owner, struct flight *flight, bool is_loss,
                          const struct keeper_reply *reply)
{
    struct handle *handle = container_of(owner, struct handle, zk_owner);

    pthread_mutex_lock(&handle->lock);
    list_remove(&flight->node);
    bool answered = flight->answered;
    pthread_mutex_unlock(&handle->lock);
    if (!answered) {
        /* A connection that was dropped without a word, and none after it: only this tells of the
         * loss. */
        if (is_loss)
            handle_lost(handle);
        handle->events->reply(handle->owner, flight->context, reply);
    }
    free(flight);
}

/* ---- requests ---- */

/* With the lock. */
static int handle_launch(struct handle *handle, const struct keeper_request *request,
                         struct flight *flight)
{
    if (handle->over || handle->closing)
        return LK_E_CLOSED;
    if (!handle->zk)
        return LK_E_NO_SERVER;
    int status = zk_send(handle->zk, request, flight);
    /* LK_E_CLOSED: the session has ended and we have not been told; what tells us will answer this
     * too. */
    if (status == LK_OK || status == LK_E_CLOSED) {
        list_append(&handle->flights, &flight->node);
        return LK_OK;
    }
    if (status == LK_E_NOMEM) {
        flight->answered = true;
        list_append(&handle->answered, &flight->node);
    }
    return status;
}

static int handle_submit(struct keeper *keeper, const struct keeper_request *request, void *context)
{
    struct handle *handle = container_of(keeper, struct handle, keeper);

    if (!zk_request_is_sound(request))
        return LK_E_INVALID;
    if (zk_request_size(request) > REQUEST_SIZE_MOST)
        return LK_E_TOO_LARGE;
    struct flight *flight = zk_flight_new(request);
    if (!flight)
        return LK_E_NOMEM;
    flight->owner = &handle->zk_owner;
    flight->context = context;
    pthread_mutex_lock(&handle->lock);
    int status = handle_launch(handle, request, flight);
    bool is_kept = list_is_linked(&flight->node);
    pthread_mutex_unlock(&handle->lock);
    if (!is_kept)
        free(flight);
    return status;
}

/* ---- the owner thread ---- */

/* With the lock, which is free meanwhile. */
static void handle_wait(struct handle *handle, int64_t until_ns)
{
    const struct timespec until = { .tv_sec = until_ns / (1000 * MS),
                                    .tv_nsec = until_ns % (1000 * MS) };

    if (until_ns == INT64_MAX)
        pthread_cond_wait(&handle->changed, &handle->lock);
    else
        pthread_cond_timedwait(&handle->changed, &handle->lock, &until);
}

/* False: it was closed meanwhile. */
static bool handle_pause(struct handle *handle, int64_t pause_ms)
{
    int64_t until_ns = monotonic_ns() + pause_ms * MS;

    pthread_mutex_lock(&handle->lock);
    while (!handle->closing && monotonic_ns() < until_ns)
        handle_wait(handle, until_ns);
    bool closing = handle->closing;
    pthread_mutex_unlock(&handle->lock);
    return !closing;
}

/* NULL: it was closed before any name resolved. */
static struct zk *handle_open(struct handle *handle)
{
    int64_t pause_ms = OPEN_PAUSE_FIRST_MS;

    for (;;) {
        free(handle->list);
        handle->list = keeper_servers(handle->servers);
        struct zk *zk = handle->list ? zk_open(handle->list, handle->timeout_ms, &handle->zk_owner)
                                     : NULL;
        if (zk)
            return zk;
        if (handle->events->log)
            handle->events->log(
                handle->owner, LK_LOG_WARNING,
                "no server of the list has an address (host:port[,host:port...]); trying again");
        if (!handle_pause(handle, pause_ms))
            return NULL;
        pause_ms = pause_ms * 2 < OPEN_PAUSE_MOST_MS ? pause_ms * 2 : OPEN_PAUSE_MOST_MS;
    }
}

static void wake_answered(struct zk_question *question, bool is_loss, int rc)
{
    (void)rc;
    if (is_loss)
        handle_lost(container_of(question, struct handle, wake));
}

/* With the lock, which is free meanwhile. */
static void handle_leave(struct handle *handle, struct zk *zk)
{
    struct sockaddr_storage here;
    char *others = NULL;

    handle->move = AWAY;
    handle->away_until_ns = monotonic_ns() + handle->timeout_ms / 3 * MS;
    pthread_mutex_unlock(&handle->lock);
    if (zk_peer(zk, &here))
        others = keeper_other_servers(handle->servers, &here);
    if (others)
        keeper_move(zk, others, &handle->wake);
    free(others);
    pthread_mutex_lock(&handle->lock);
    if (!others)
        handle->move = AT_HOME;
}

static void drain_answered(struct zk_question *question, bool is_loss, int rc)
{
    struct handle *handle = container_of(question, struct handle, drain);

    (void)is_loss;
    (void)rc;
    pthread_mutex_lock(&handle->lock);
    handle->drained = true;
    pthread_cond_signal(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
}

/* When closing, the client asks the server to end the session, and then hangs up at the first thing
 * that it hears. With answers still under way that is too early: the request is lost with the
 * connection, and locks stay held until the session expires. So what is outstanding is awaited
 * before, for a while. With the lock, free meanwhile; nobody else calls the client any more. */
static void handle_drain(struct handle *handle, struct zk *zk)
{
    int64_t until_ns = monotonic_ns() + DRAIN_PATIENCE_MS * MS;

    if (!zk_is_connected(zk) || !zk_ask(zk, &handle->drain))
        return;
    while (!handle->drained && monotonic_ns() < until_ns)
        handle_wait(handle, until_ns);
}

static void handle_serve(struct handle *handle, struct zk *zk)
{
    pthread_mutex_lock(&handle->lock);
    if (!handle->closing)
        handle->zk = zk;
    while (!handle->closing) {
        if (handle->move == AT_HOME) {
            handle_wait(handle, INT64_MAX);
        } else if (handle->move == ASKED_TO_LEAVE) {
            handle_leave(handle, zk);
        } else if (handle->move == AWAY && monotonic_ns() < handle->away_until_ns) {
            handle_wait(handle, handle->away_until_ns);
        } else {
            handle->move = AT_HOME;
            pthread_mutex_unlock(&handle->lock);
            zk_set_servers(zk, handle->list);
            pthread_mutex_lock(&handle->lock);
        }
    }
    handle->zk =
        NULL; /* nobody calls into a client that is being closed: that would be a use after free */
    handle_drain(handle, zk);
    pthread_mutex_unlock(&handle->lock);
}

static void handle_free(struct handle *handle)
{
    for (struct list *node; (node = list_take(&handle->answered)) != NULL;)
        free(container_of(node, struct flight, node));
    pthread_cond_destroy(&handle->changed);
    pthread_mutex_destroy(&handle->lock);
    if (handle->auth)
        explicit_bzero(handle->auth,
                       strlen(handle->auth)); /* a credential: not left behind in freed memory */
    free(handle->auth);
    free(handle->auth_scheme);
    free(handle->servers);
    free(handle->list);
    free(handle);
}

static void *handle_own(void *context)
{
    struct handle *handle = context;
    const struct keeper_events *events = handle->events;
    void *owner = handle->owner;

    pthread_setname_np(pthread_self(), "lk-zookeeper"); /* the client's threads inherit it */
    pthread_mutex_lock(&handle->lock);                  /* open() has returned, as good as */
    pthread_mutex_unlock(&handle->lock);

    struct zk *zk = handle_open(handle);
    if (zk) {
        handle_serve(handle, zk);
        zk_close(zk); /* with no lock that a callback could want */
    }
    handle_answer_all(handle, KEEPER_CLOSED);
    handle_free(handle);
    events->closed(owner);
    return NULL;
}

/* ---- the seam ---- */

static void handle_leave_server(struct keeper *keeper)
{
    handle_moved(container_of(keeper, struct handle, keeper), AT_HOME, ASKED_TO_LEAVE);
}

static void handle_close(struct keeper *keeper)
{
    struct handle *handle = container_of(keeper, struct handle, keeper);

    pthread_mutex_lock(&handle->lock);
    handle->closing = true;
    pthread_cond_signal(&handle->changed);
    pthread_mutex_unlock(&handle->lock);
}

static const struct keeper_class handle_class = {
    .submit = handle_submit,
    .leave_server = handle_leave_server,
    .close = handle_close,
};

static bool copy_text(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static bool handle_copy(struct handle *handle, const struct keeper_options *options)
{
    return copy_text(&handle->servers, options->servers)
           && copy_text(&handle->auth_scheme, options->auth_scheme)
           && copy_text(&handle->auth, options->auth ? options->auth : "");
}

static struct handle *handle_new(const struct keeper_options *options,
                                 const struct keeper_events *events, void *owner)
{
    struct handle *handle = calloc(1, sizeof *handle);
    pthread_condattr_t attributes;

    if (!handle)
        return NULL;
    handle->keeper.class = &handle_class;
    handle->zk_owner = (struct zk_owner){ handle_session, handle_watch, handle_answer };
    handle->probe.answered = probe_answered;
    handle->wake.answered = wake_answered;
    handle->drain.answered = drain_answered;
    handle->events = events;
    handle->owner = owner;
    handle->timeout_ms = (int)options->session_timeout_ms;
    pthread_mutex_init(&handle->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&handle->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (handle_copy(handle, options))
        return handle;
    handle_free(handle);
    return NULL;
}

/* The program's signal handlers are not for our threads, nor for the client's, which inherit this
 * mask; but for faults, which no mask can put off. Detached: close() does not wait, `closed` tells.
 */
static int start_owner(struct handle *handle)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t blocked, before;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&blocked, faults[i]);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(&thread, &attributes, handle_own, handle);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed ? LK_E_SYSTEM : LK_OK;
}

/* No path behind the servers: with the client's chroot a multi that fails frees memory twice. */
static bool options_are_sound(const struct keeper_options *options)
{
    return options->servers && *options->servers && !strchr(options->servers, '/')
           && options->session_timeout_ms > 0 && options->session_timeout_ms <= INT_MAX;
}

int keeper_zookeeper_open(struct keeper_world *world, const struct keeper_options *options,
                          const struct keeper_events *events, void *owner, struct keeper **out)
{
    (void)world;
    if (!options_are_sound(options))
        return LK_E_INVALID;
    struct handle *handle = handle_new(options, events, owner);
    if (!handle)
        return LK_E_NOMEM;
    pthread_mutex_lock(
        &handle->lock); /* the thread waits for it: nothing is called before *out is known */
    int status = start_owner(handle);
    if (status == LK_OK)
        *out = &handle->keeper;
    pthread_mutex_unlock(&handle->lock);
    if (status != LK_OK)
        handle_free(handle);
    return status;
}
