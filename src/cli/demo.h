/* demo.h - the flash sale: a parent that opens it and watches, workers that claim, a report of what
 * happened.
 *
 *   demo.c         the verb: servers, campaign, the order of events
 *   demo_sale.c    the parent's side: workers started, given work, killed, started again; their
 *                  answers kept
 *   demo_spawn.c   a worker process started
 *   demo_worker.c  what it does
 *   demo_report.c  the answers held against the ledger, and the table
 *
 * Parent and worker talk in lines over two pipes; a worker ends when the parent's end is closed,
 * however that happens.
 *   to a worker:  "claim FROM TO"   claims FROM..TO-1, all at once         "report"   if you lead
 *   from it:      "ready"           connected, stands for election         "leads"    elected
 *                 "stock AVAILABLE STOCKED"
 *                 "answer CLAIM STATUS SHARD-SERIAL MICROS TRIES KNOWN"     KNOWN 1: the ledger had
 *                                                                           it already */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include <sys/types.h>

#include "cli/coupon.h"
#include "cli/progress.h"

#define DEMO_WORKERS_MAX 64
#define DEMO_CLAIMS_MAX 10000000

struct demo_options {
    uint64_t users, stock, per_user, workers, kills;
};

/* Claim n is user n / per_user asking for one coupon for the (n % per_user + 1)th time, under the
 * id "demo/USER/TIME": whoever claims it, and however often, it is the same request. */
#define DEMO_USER_SIZE 32
char *demo_user(uint64_t user, char text[DEMO_USER_SIZE]); /* "user-00017"; returns `text` */

struct demo_answer {
    bool known;
    int status;
    lk_coupon coupon;
    uint32_t micros;
};

struct demo_worker;

struct demo_sale {
    struct cli *cli;
    const struct demo_options *options;
    const char *campaign;
    int argc; /* of the verb: tells where it stands in the command line that workers get too */

    struct demo_worker *workers;
    struct progress progress;
    uint64_t claims;             /* users * per_user */
    struct demo_answer *answers; /* one each */
    uint64_t next_claim, batch;  /* work is given out in batches */
    uint64_t expected;           /* coupons that will be issued in the end */

    uint64_t answered, granted; /* claims, by the first answer of each */
    uint64_t asked_again;       /* claims of batches that a killed worker had */
    uint64_t settled;           /* ... that the ledger had granted already: not twice */
    uint64_t contradicted;      /* claims answered twice, and not the same */
    uint64_t retried;           /* answers that took more than one try */
    uint64_t kills, leader_changes;
    size_t leader; /* a worker; their number: nobody */
    bool had_leader;
    uint64_t report_due; /* coupons granted when the leader is asked next */
    uint64_t reported;   /* coupons issued, by the last report */
    int64_t open_ns, closed_ns;
};

/* Runs the sale to its end, workers gone. Returns 0 or an exit code, said. */
int demo_sale(struct demo_sale *sale);

/* A worker with the parent's ends of its pipes. */
struct demo_process {
    pid_t pid;
    int orders;  /* its stdin */
    int answers; /* its stdout */
};
/* Returns 0 or an exit code, said. */
int demo_spawn(const struct demo_sale *sale, size_t number, struct demo_process *out);

/* `latchkey demo --worker`. */
int demo_work(struct cli *cli, const struct demo_options *options, uint64_t worker,
              const char *campaign);

/* Audits, compares every answer with the ledger, prints the table. Returns the exit code. */
int demo_report(struct demo_sale *sale, struct desk *desk);

/* "2,000"; returns `text`. */
#define DEMO_NUMBER_SIZE 32
char *demo_number(uint64_t number, char text[DEMO_NUMBER_SIZE]);

#endif
