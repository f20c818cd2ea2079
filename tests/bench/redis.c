/* redis.c - see redis.h. */
#include "redis.h"

#ifdef REDIS_SERVER

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "bench_ledger.h"
#include "process.h"

enum { CONNECTIONS_MAX = 64, LOCK_MS = 10000 };

struct redis {
    struct process *server;
    char folder[200], socket[220], hash[60];
};

/* ---- the server ---- */

static redisReply *ask(redisContext *connection, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    redisReply *reply = redisvCommand(connection, format, arguments);
    va_end(arguments);
    MUST(reply && reply->type != REDIS_REPLY_ERROR);
    return reply;
}

static void tell(redisContext *connection, const char *command)
{
    freeReplyObject(ask(connection, command));
}

static redisContext *connect_to(const struct redis *redis)
{
    redisContext *connection = redisConnectUnix(redis->socket);

    MUST(connection && !connection->err);
    return connection;
}

static const char script[] = "if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return 2 end\n"
                             "local left = tonumber(redis.call('GET', KEYS[1]) or '0')\n"
                             "if left <= 0 then return 1 end\n"
                             "redis.call('DECR', KEYS[1])\n"
                             "redis.call('SADD', KEYS[2], ARGV[1])\n"
                             "return 0\n";

struct redis *redis_start(const char *appendfsync)
{
    struct redis *redis = calloc(1, sizeof *redis);
    const char *parent = getenv("TMPDIR");

    MUST(redis);
    snprintf(redis->folder, sizeof redis->folder, "%s/bench-redis-XXXXXX",
             parent ? parent : "/tmp");
    MUST(mkdtemp(redis->folder));
    snprintf(redis->socket, sizeof redis->socket, "%s/socket", redis->folder);
    char fsync_policy[20];
    snprintf(fsync_policy, sizeof fsync_policy, "%s", appendfsync);
    char *const argv[] = { (char[]){ "redis-server" },
                           (char[]){ "--port" },
                           (char[]){ "0" },
                           (char[]){ "--unixsocket" },
                           redis->socket,
                           (char[]){ "--dir" },
                           redis->folder,
                           (char[]){ "--appendonly" },
                           (char[]){ "yes" },
                           (char[]){ "--save" },
                           (char[]){ "" },
                           (char[]){ "--appendfsync" },
                           fsync_policy,
                           NULL };
    redis->server = process_start(REDIS_SERVER, argv);
    while (!strstr(process_hear(redis->server, ""), "ready to accept connections at"))
        ;
    redisContext *connection = connect_to(redis);
    redisReply *hash = ask(connection, "SCRIPT LOAD %s", script);
    snprintf(redis->hash, sizeof redis->hash, "%s", hash->str);
    freeReplyObject(hash);
    redisFree(connection);
    return redis;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat, (void)type, (void)walk;
    return remove(path);
}

struct redis *redis_stop(struct redis *redis)
{
    if (!redis)
        return NULL;
    kill(redis->server->pid, SIGKILL);
    process_end(redis->server);
    nftw(redis->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(redis);
    return NULL;
}

/* ---- buyers ---- */

struct buyer {
    pthread_t thread;
    const struct redis *redis;
    redisContext *connection;
    size_t first, count, pipeline, sold;
};

static void lock(redisContext *connection, size_t token)
{
    for (;;) {
        redisReply *reply = ask(connection, "SET lock %lu NX PX %d", (unsigned long)token,
                                (int)LOCK_MS);
        bool is_ours = reply->type == REDIS_REPLY_STATUS;
        freeReplyObject(reply);
        if (is_ours)
            return;
        /* As the recipe does it: who does not get the lock looks again after a while. */
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
}

static bool buy_locked(redisContext *connection, const char *user)
{
    redisReply *stock = ask(connection, "GET stock");
    redisReply *has = ask(connection, "SISMEMBER buyers %s", user);
    bool sells = stock->str && strtoull(stock->str, NULL, 10) > 0 && has->integer == 0;

    freeReplyObject(stock);
    freeReplyObject(has);
    if (sells) {
        tell(connection, "DECR stock");
        freeReplyObject(ask(connection, "SADD buyers %s", user));
    }
    return sells;
}

static void *buy_by_recipe(void *arg)
{
    struct buyer *buyer = arg;
    char user[USER_SIZE];

    for (size_t i = 0; i < buyer->count; i++) {
        user_name(buyer->first + i, user);
        lock(buyer->connection, buyer->first + i);
        buyer->sold += buy_locked(buyer->connection, user);
        tell(buyer->connection, "DEL lock");
    }
    return NULL;
}

static void *buy_by_script(void *arg)
{
    struct buyer *buyer = arg;
    char user[USER_SIZE];

    for (size_t asked = 0; asked < buyer->count;) {
        size_t count = buyer->count - asked;
        count = count < buyer->pipeline ? count : buyer->pipeline;
        for (size_t i = 0; i < count; i++) {
            user_name(buyer->first + asked + i, user);
            MUST(redisAppendCommand(buyer->connection, "EVALSHA %s 2 stock buyers %s",
                                    buyer->redis->hash, user)
                 == REDIS_OK);
        }
        for (size_t i = 0; i < count; i++) {
            redisReply *reply;
            MUST(redisGetReply(buyer->connection, (void **)&reply) == REDIS_OK);
            MUST(reply->type == REDIS_REPLY_INTEGER);
            buyer->sold += reply->integer == 0;
            freeReplyObject(reply);
        }
        asked += count;
    }
    return NULL;
}

static double sell(struct redis *redis, void *(*buy)(void *buyer), size_t connections,
                   size_t pipeline, size_t claims)
{
    struct buyer buyers[CONNECTIONS_MAX] = { 0 };
    size_t each = claims / connections, sold = 0;
    redisContext *own = connect_to(redis);

    MUST(connections <= CONNECTIONS_MAX && each > 0);
    tell(own, "DEL buyers");
    freeReplyObject(ask(own, "SET stock %lu", (unsigned long)(each * connections)));
    for (size_t i = 0; i < connections; i++)
        buyers[i] = (struct buyer){ .redis = redis,
                                    .connection = connect_to(redis),
                                    .first = i * each,
                                    .count = each,
                                    .pipeline = pipeline };
    int64_t began_ns = lk_now_ns();
    for (size_t i = 0; i < connections; i++)
        MUST(pthread_create(&buyers[i].thread, NULL, buy, &buyers[i]) == 0);
    for (size_t i = 0; i < connections; i++) {
        pthread_join(buyers[i].thread, NULL);
        sold += buyers[i].sold;
        redisFree(buyers[i].connection);
    }
    double us = us_since(began_ns);
    redisFree(own);
    MUST(sold == each * connections);
    return (double)sold / us * 1e6;
}

double redis_recipe(struct redis *redis, size_t connections, size_t claims)
{
    return sell(redis, buy_by_recipe, connections, 1, claims);
}

double redis_script(struct redis *redis, size_t connections, size_t pipeline, size_t claims)
{
    return sell(redis, buy_by_script, connections, pipeline, claims);
}

#else

struct redis *redis_start(const char *appendfsync)
{
    (void)appendfsync;
    return NULL;
}

struct redis *redis_stop(struct redis *redis)
{
    return redis;
}

double redis_recipe(struct redis *redis, size_t connections, size_t claims)
{
    (void)redis, (void)connections, (void)claims;
    return 0;
}

double redis_script(struct redis *redis, size_t connections, size_t pipeline, size_t claims)
{
    (void)redis, (void)connections, (void)pipeline, (void)claims;
    return 0;
}

#endif
