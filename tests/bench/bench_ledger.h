/* bench_ledger.h - what the parts of bench_ledger share: the server, fresh campaigns, the raw limit
 * and the load.
 *
 * Each round takes a campaign of its own, so that it finds neither another's accounts nor another's
 * versions; its buckets are made before, by both sides alike. The raw limit is libzookeeper alone,
 * sending what a commit of claims must be: check the seal, set a shard, create B accounts; in a
 * campaign that latchkey has made, so that paths and sizes are the same, with records copied from
 * it. */
#ifndef BENCH_LEDGER_H
#define BENCH_LEDGER_H

#include "raw.h"
#include "report.h"

enum { ROUNDS_MAX = 20, USER_SIZE = 16, CAMPAIGN_SIZE = 20, HEAP_MB = 4096, YOUNG_MB = 192 };

struct bench {
    struct report report;
    zkbox *box;
    int server_pid; /* 0: not looked for yet */
    const char *servers;
    lk_client *client;
    struct raw *raw;
    bool is_quick;
    size_t rounds, claims;   /* claims of a round */
    unsigned campaigns;      /* made so far */
    size_t batch, in_flight; /* at which raw is best; 0: not known yet */
    double raw_best;         /* creates a second; 0: not known yet */
    const char *plot;        /* where the picture goes; NULL: none */
    struct plot *picture;
};

/* ---- campaigns ---- */

struct venue {
    char path[CAMPAIGN_SIZE];
    lk_ledger *ledger;
};
/* With stock for whatever comes, one coupon a user; shards 0: the default. */
struct venue venue_open(struct bench *bench, uint32_t shards);
/* Deletes it: else the server's collector would carry the accounts of all rounds so far. */
void venue_close(struct venue *venue);
/* The `number`-th user's name. */
void user_name(size_t number, char user[USER_SIZE]);

/* ---- the raw limit ---- */

/* All buckets of a campaign that has none. */
void raw_make_buckets(struct bench *bench, const char *campaign);
/* What was done, of claims or creates: and the processor's time for each, in this process and in the
 * server, which other work on the machine disturbs less. */
struct rate {
    double count, a_second, cpu_us, server_cpu_us; /* load_run() does not tell the server's */
};
double cpu_us_now(void); /* that this process has used so far */
double server_cpu_us_now(struct bench *bench);

/* As "NAME_rate" and "NAME_ratio", of what raw creates did in turns with it; `raws` NULL: the rate
 * alone. */
void rate_tell(struct bench *bench, const char *name, const double *rates, const double *raws,
               const char *words);

/* `count` accounts are created, so many in one multi, so many multis in flight. */
struct rate raw_rate(struct bench *bench, size_t batch, size_t in_flight, size_t count);
/* Finds the best of both, and remembers it; tells them all. */
void raw_explore(struct bench *bench);
/* The same, unless it is known. */
void raw_know_best(struct bench *bench);

/* One multi { set shard, create account } after the other, each awaited; and of an account of that
 * campaign set, or get and set. */
struct raw_till;
struct raw_till *raw_till_open(struct bench *bench);
struct raw_till *raw_till_close(struct raw_till *till); /* NULL, always */
void raw_till_claim(struct raw_till *till);
void raw_till_set(struct raw_till *till);
void raw_till_get_set(struct raw_till *till);

/* ---- the load ---- */

struct load {
    size_t first, count; /* users: numbers */
    size_t outstanding;  /* callers who wait at the same time */
    size_t submit;       /* operations in one lk_ledger_submit_start(); 0: lk_ledger_do_start() */
    unsigned repeat_percent; /* of the claims are by users who came before */
};
struct loaded {
    struct rate sold, answered; /* answered: those over the user's limit too */
};
struct loaded load_run(lk_ledger *ledger, const struct load *load);

/* The same at a given rate, whether or not answers come: latencies from the moment at which each
 * claim should have been made. */
struct paced {
    double p50_us, p99_us, highest_us, rate; /* rate: answers a second */
};
struct paced load_pace(lk_ledger *ledger, size_t first, size_t count, double rate);

/* ---- the parts ---- */

void part_callers(struct bench *bench);   /* one process, many callers */
void part_processes(struct bench *bench); /* eight processes on one campaign */
void part_single(struct bench *bench);    /* one caller, one operation at a time */
void part_latency(struct bench *bench);   /* at 10, 50, 90 % of the top rate */
void part_shape(struct bench *bench);     /* over shards, callers, batch */
void part_accounts(struct bench *bench);  /* up to a million accounts */
void part_peers(struct bench *bench);     /* Redis */

/* This program started again by part_processes(). */
bool processes_is_worker(char **argv);
int processes_worker(char **argv);

#endif
