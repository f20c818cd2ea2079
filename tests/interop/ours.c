/* ours.c - latchkey as a peer: a process that is told what to do and tells what happened, as Peer.java
 * and peer.py do (peer.h), so that it can be killed as they can.
 *
 * Between its turns a contender stays out for some turns of the others: else all would for ever
 * follow one another in the order of their first coming, and who stands behind whom would never be
 * tried. "impatient" is the planted bug: it joins the line and does not wait. */
#include "peer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTENDERS_MAX = 8, ORDERS_MAX = 8, ORDER_SIZE = 200 };

struct kind {
    const char *name;
    enum { LOCK, READ, WRITE, IMPATIENT } takes;
    lk_compat compat;
};
static const struct kind kinds[] = {
    { "lock", LOCK, LK_COMPAT_NATIVE },
    { "curator-read", READ, LK_COMPAT_CURATOR },
    { "curator-write", WRITE, LK_COMPAT_CURATOR },
    { "kazoo-read", READ, LK_COMPAT_KAZOO },
    { "kazoo-write", WRITE, LK_COMPAT_KAZOO },
    { "impatient", IMPATIENT, LK_COMPAT_NATIVE },
};

struct contender {
    char name[16], path[64], clock[80], node[120];
    unsigned stays_out; /* at most, in turns */
    const struct kind *kind;
    lk_lock *lock;
    lk_rwlock *rwlock;
    int64_t czxid;

    /* under `mutex` */
    char orders[ORDERS_MAX][ORDER_SIZE];
    unsigned ordered, obeyed;
    bool stopped, keeps, comes;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct {
    lk_client *client;
    zhandle_t *raw;
    struct contender contenders[CONTENDERS_MAX];
    unsigned count;
    unsigned clock_events;
} ours;

static void tell(const char *who, const char *word, const char *rest)
{
    printf("%s %s %s\n", who, word, rest);
    fflush(stdout);
}

/* The test prints the story. */
__attribute__((noreturn)) static void give_up(struct contender *contender, const char *what)
{
    tell(contender->name, "failed", what);
    pthread_exit(NULL);
}

static void check(struct contender *contender, int status)
{
    if (status != LK_OK)
        give_up(contender, lk_status_name(status));
}

static void check_raw(struct contender *contender, int rc)
{
    if (rc != ZOK)
        give_up(contender, zerror(rc));
}

/* ---- orders ---- */

static void next_order(struct contender *contender, char out[ORDER_SIZE])
{
    pthread_mutex_lock(&mutex);
    while (contender->obeyed == contender->ordered)
        pthread_cond_wait(&changed, &mutex);
    memcpy(out, contender->orders[contender->obeyed++ % ORDERS_MAX], ORDER_SIZE);
    pthread_mutex_unlock(&mutex);
}

static bool take_flag(bool *flag)
{
    pthread_mutex_lock(&mutex);
    bool was = *flag;
    *flag = false;
    pthread_mutex_unlock(&mutex);
    return was;
}

/* ---- one turn ---- */

static int64_t touch(struct contender *contender)
{
    struct Stat stat;

    check_raw(contender, zoo_set2(ours.raw, contender->clock, "", 0, -1, &stat));
    return stat.mzxid;
}

static void take_impatiently(struct contender *contender)
{
    char path[100], made[180];
    struct Stat stat;

    snprintf(path, sizeof path, "%s/lk-lock-", contender->path);
    check_raw(contender, zoo_create2(ours.raw, path, NULL, -1, &ZOO_OPEN_ACL_UNSAFE,
                                     ZOO_EPHEMERAL | ZOO_SEQUENCE, made, sizeof made, &stat));
    snprintf(contender->node, sizeof contender->node, "%s", strrchr(made, '/') + 1);
    contender->czxid = stat.czxid;
}

static void take_lock(struct contender *contender)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    lk_fence fence;

    options.compat = contender->kind->compat;
    check(contender, lk_lock_new(&contender->lock, ours.client, contender->path, &options));
    check(contender, lk_lock_acquire(contender->lock, LK_FOREVER, &fence));
    check(contender, lk_lock_node(contender->lock, contender->node, sizeof contender->node));
    contender->czxid = (int64_t)fence.zxid;
}

static void take_rwlock(struct contender *contender)
{
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    lk_fence fence;

    options.compat = contender->kind->compat;
    check(contender, lk_rwlock_new(&contender->rwlock, ours.client, contender->path, &options));
    check(contender, contender->kind->takes == READ
                         ? lk_rwlock_read(contender->rwlock, LK_FOREVER, &fence)
                         : lk_rwlock_write(contender->rwlock, LK_FOREVER, &fence));
    check(contender, lk_rwlock_node(contender->rwlock, contender->node, sizeof contender->node));
    contender->czxid = (int64_t)fence.zxid;
}

static void tell_granted(struct contender *contender)
{
    struct String_vector list;
    int64_t entered = touch(contender);
    char rest[4000];

    check_raw(contender, zoo_get_children(ours.raw, contender->path, 0, &list));
    size_t used = (size_t)snprintf(rest, sizeof rest, "%s %s %" PRId64 " %" PRId64 " ",
                                   contender->kind->name, contender->node, contender->czxid,
                                   entered);
    for (int i = 0; i < list.count && used < sizeof rest; i++)
        used += (size_t)snprintf(rest + used, sizeof rest - used, "%s%s", i ? "," : "",
                                 list.data[i]);
    deallocate_String_vector(&list);
    tell(contender->name, "granted", rest);
}

static void take(struct contender *contender, const char *kind, const char *path)
{
    contender->kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, kind) == 0)
            contender->kind = &kinds[i];
    if (!contender->kind)
        give_up(contender, kind);
    snprintf(contender->path, sizeof contender->path, "%s", path);
    snprintf(contender->clock, sizeof contender->clock, "%s-clock", path);
    if (contender->kind->takes == IMPATIENT)
        take_impatiently(contender);
    else if (contender->kind->takes == LOCK)
        take_lock(contender);
    else
        take_rwlock(contender);
    tell_granted(contender);
}

static void give(struct contender *contender)
{
    char left[24], path[200];

    snprintf(left, sizeof left, "%" PRId64, touch(contender));
    snprintf(path, sizeof path, "%s/%s", contender->path, contender->node);
    if (contender->lock)
        check(contender, lk_lock_release(contender->lock, LK_FOREVER));
    else if (contender->rwlock)
        check(contender, lk_rwlock_release(contender->rwlock, LK_FOREVER));
    else
        check_raw(contender, zoo_delete(ours.raw, path, -1));
    contender->lock = lk_lock_free(contender->lock);
    contender->rwlock = lk_rwlock_free(contender->rwlock);
    tell(contender->name, "released", left);
}

/* ---- turn after turn ---- */

static void clock_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)type, (void)state, (void)path, (void)context;
    pthread_mutex_lock(&mutex);
    ours.clock_events++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

/* The clock is written twice a turn. */
static void stay_out(struct contender *contender, unsigned turns)
{
    struct Stat stat;
    int32_t until = 0;

    for (bool is_over = turns == 0; !is_over;) {
        pthread_mutex_lock(&mutex);
        unsigned seen = ours.clock_events;
        pthread_mutex_unlock(&mutex);
        check_raw(contender, zoo_wexists(ours.raw, contender->clock, clock_event, NULL, &stat));
        until = until ? until : stat.version + 2 * (int32_t)turns;
        pthread_mutex_lock(&mutex);
        while (stat.version < until && seen == ours.clock_events && !contender->stopped
               && !contender->comes)
            pthread_cond_wait(&changed, &mutex);
        is_over = stat.version >= until || contender->stopped || contender->comes;
        pthread_mutex_unlock(&mutex);
    }
    (void)take_flag(&contender->comes);
}

static void take_turns(struct contender *contender, const char *kind, const char *path)
{
    char go[ORDER_SIZE];

    (void)take_flag(&contender->stopped);
    for (unsigned turn = 0; !take_flag(&contender->stopped); turn++) {
        take(contender, kind, path);
        if (take_flag(&contender->keeps)) {
            tell(contender->name, "keeps", "");
            next_order(contender, go);
        }
        give(contender);
        stay_out(contender, turn % contender->stays_out);
    }
    tell(contender->name, "stopped", "");
}

static void *contend(void *arg)
{
    struct contender *contender = arg;

    for (;;) {
        char order[ORDER_SIZE], verb[16] = "", kind[20] = "", path[64] = "";
        next_order(contender, order);
        (void)sscanf(order, "%15s %19s %63s", verb, kind, path);
        if (strcmp(verb, "take") == 0)
            take(contender, kind, path);
        else if (strcmp(verb, "give") == 0)
            give(contender);
        else if (strcmp(verb, "turns") == 0)
            take_turns(contender, kind, path);
        else
            give_up(contender, order);
    }
    return NULL;
}

/* ---- the process ---- */

static struct contender *contender_named(const char *name)
{
    pthread_t thread;

    for (unsigned i = 0; i < ours.count; i++)
        if (strcmp(ours.contenders[i].name, name) == 0)
            return &ours.contenders[i];
    if (ours.count == CONTENDERS_MAX)
        abort();
    struct contender *contender = &ours.contenders[ours.count++];
    contender->stays_out = 3 + ours.count; /* so that all the others follow one another, too */
    snprintf(contender->name, sizeof contender->name, "%s", name);
    if (pthread_create(&thread, NULL, contend, contender) != 0)
        abort();
    pthread_detach(thread);
    return contender;
}

static void take_order(const char *line)
{
    char name[16], verb[16];
    int at = 0;

    if (sscanf(line, "%15s %n%15s", name, &at, verb) != 2)
        abort();
    struct contender *contender = contender_named(name);
    pthread_mutex_lock(&mutex);
    if (strcmp(verb, "stop") == 0)
        contender->stopped = true;
    else if (strcmp(verb, "keep") == 0)
        contender->keeps = true;
    else if (strcmp(verb, "come") == 0)
        contender->comes = true;
    else
        snprintf(contender->orders[contender->ordered++ % ORDERS_MAX], ORDER_SIZE, "%s", line + at);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void raw_log(const char *line)
{
    (void)line;
}

bool is_peer(int argc, char **argv)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    char line[300];

    if (argc < 4 || strcmp(argv[1], "peer") != 0)
        return false;
    options.servers = argv[2];
    options.session_timeout_ms = strtol(argv[3], NULL, 10);
    options.callback_thread = true;
    ours.raw = zookeeper_init2(argv[2], clock_event, (int)options.session_timeout_ms, NULL, NULL,
                               ZOO_NO_LOG_CLIENTENV, raw_log);
    if (!ours.raw || lk_client_new(&ours.client, &options) != LK_OK
        || lk_client_wait_connected(ours.client, LK_FOREVER) != LK_OK)
        abort();
    tell("*", "ready", "");
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        take_order(line);
    }
    /* Threads may still wait for orders: what they hold is theirs until the end. */
    (void)lk_client_close(ours.client, LK_FOREVER);
    zookeeper_close(ours.raw);
    _exit(0);
}
