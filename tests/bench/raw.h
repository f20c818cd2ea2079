/* raw.h - what the benchmarks share: the server, the clients, ZooKeeper's own client to compare
 * with, and the few statistics that are told.
 *
 * The raw client is libzookeeper with a handle of its own, and nothing around it. Its cycle is what
 * a lock can't do without: an ephemeral sequential znode is created, then deleted. Twice: `awaited`
 * asks asynchronously and sleeps on a condition, as anybody must who wants to go on with the lock
 * in hand; `chained` sends each next request from the completion of the last, and wakes nobody.
 *
 * A benchmark can't go on after a failure: it says what was not so and ends the program. Its
 * threads are its own business; a struct raw belongs to one at a time. */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <latchkey/latchkey.h>
#include <zookeeper/zookeeper.h>

#include "zkbox.h"

#define MUST(condition)                                                                            \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    while (0)

/* ---- the server and latchkey's clients ---- */

/* One server as in production: fsync, its own tick, all of the compiler. zkbox_stop() it. */
zkbox *bench_server(void);
zkbox *bench_server_of(int heap_mb, int young_mb); /* young_mb 0: java chooses */
/* Connected, with a callback thread and a session timeout that no pause here comes near. */
lk_client *bench_client(const char *servers);
lk_client *bench_client_end(lk_client *client); /* NULL, always */

/* ---- the raw client ---- */

struct raw;

/* Connected; `parent` is made if it is not there, and stays. */
struct raw *raw_open(const char *servers, const char *parent);
struct raw *raw_close(struct raw *raw); /* NULL, always */
zhandle_t *raw_handle(struct raw *raw);

/* `cycles` times a znode with `data_size` bytes, 1024 at most, is made below the parent and deleted. */
void raw_awaited(struct raw *raw, size_t data_size, long cycles);
void raw_chained(struct raw *raw, size_t data_size, long cycles);

/* ---- statistics ---- */

double us_since(int64_t began_ns); /* of lk_now_ns() */

/* Of `count` values, more than none, which it sorts. */
struct spread {
    double lowest, lower, median, upper, highest; /* lower, upper: the quartiles */
};
struct spread spread_of(double *values, size_t count);

#endif
