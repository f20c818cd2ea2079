/* redis.h - Redis beside us: a private server, and the two ways in which coupons are sold with it.
 *
 * recipe  what is found everywhere: SET lock NX PX, look at the stock and at who has bought, DECR,
 *         SADD, DEL lock; who does not get the lock tries again in a millisecond
 * script  one Lua script that does all of it, by its hash, so many in a pipeline
 *
 * Each connection has a thread of its own, and each claim its own user. */
#ifndef BENCH_REDIS_H
#define BENCH_REDIS_H

#include <stddef.h>

struct redis;

/* `appendfsync` is "always" or "everysec". NULL: redis-server or hiredis was not there when this was
 * built. */
struct redis *redis_start(const char *appendfsync);
struct redis *redis_stop(struct redis *redis); /* takes NULL; NULL, always */

/* Claims a second; `claims` of them with as many in stock, all sold exactly once. */
double redis_recipe(struct redis *redis, size_t connections, size_t claims);
double redis_script(struct redis *redis, size_t connections, size_t pipeline, size_t claims);

#endif
