/* machine.h - the ledger's inside: what one handle remembers, and what is under way.
 *
 *   job (one operation) -> waits at the seat of its user -> judged in a commit -> written ->
 *   answered
 *
 *   campaign  UNKNOWN -> ASKED -> KNOWN -> (a write found another seal) -> UNKNOWN
 *   seat      UNKNOWN -> READING -> KNOWN -> WRITING -> KNOWN, or UNKNOWN after a conflict or a
 *             lost reply
 *   stock     IDLE -> READING, PROVING or WRITING -> IDLE
 *
 * What is remembered may be old; the versions in each commit say so, and then only what conflicted
 * is read again. A refusal writes nothing that a version could prove, so it is given only on what
 * was read, behind a barrier, after the operation began; else the account is read once more first.
 *
 * Applied exactly once, also when a reply is lost. A commit is bound to the account's version (or
 * to its not being there) and to the seal. After a loss the account is read behind a barrier. The id
 * is there: that is the answer. It is not: the lost commit may still arrive late, but a new one
 * bears the same version as long as the account has it, so of the two at most one is applied, and
 * the other one fails; and once the account's version is another, the lost one can't be applied any
 * more. A campaign that was deleted and made again has another seal. What remains is a refusal that
 * came with time alone (the campaign closed meanwhile) while the account is untouched: that is
 * answered LK_E_UNKNOWN, not as a refusal.
 *
 * Everything here runs inside the client's monitor. */
#ifndef LEDGER_MACHINE_H
#define LEDGER_MACHINE_H

/* Out of memory is an answer, not an exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ledger/account.h"
#include "session/flight.h"
#include "ledger/names.h"
#include "ledger/servertime.h"

#define SEATS_IDLE_MAX 4096
#define SEATS_IDLE_BYTES_MAX ((size_t)16 << 20)
#define SEATS_READING_MAX 256
#define COMMIT_SEATS_MAX 64
#define COMMIT_SIZE_MAX (400 * 1000) /* of accounts; shards and paths come on top */
#define COMMITS_MAX 32               /* in flight */
/* A znode's version is a signed 32-bit number, and -1 stands for "any": long before that it is
 * refused. */
#define VERSION_MAX (INT32_MAX - (1 << 20))
#define VERSION_NONE (-1)

/* One operation. On the stack of who waits, or freed when it is delivered. */
struct job {
    struct op op;
    struct list node; /* of its seat's jobs; unlinked: answered or withdrawn */
    struct lk_ledger *ledger;
    struct seat *seat;
    lk_ledger_op body; /* texts as long as the job */
    lk_ledger_result result;
    uint64_t ticket;
    bool judged;           /* in the commit that its seat is in */
    bool writes;           /* and that commit applies it */
    bool unsettled;        /* a commit that applies it was lost */
    int32_t bound_version; /* of that commit */
    lk_ledger_done_fn *done;
    void *arg;
    char texts[]; /* of an asynchronous one: user, order */
};

enum seat_state { SEAT_UNKNOWN, SEAT_READING, SEAT_KNOWN, SEAT_WRITING };

/* A user's account, as far as it is known here, and who waits for it. */
struct seat {
    UT_hash_handle hh;
    struct list node; /* of ledger->waiting (it has jobs) or ledger->idle */
    struct lk_ledger *ledger;
    enum seat_state state;
    bool must_read; /* a claim must not take it for a new user's */
    bool idle;
    char *path;
    void *bytes; /* the record; NULL: there is none */
    size_t size;
    int32_t version;        /* VERSION_NONE: there is no znode */
    uint64_t true_since;    /* the state is true of a moment after this ticket was given out */
    uint64_t true_from_now; /* what true_since will be when the reading under way has landed */
    struct list jobs;
    struct flight reading;
    bool has_barrier; /* that flight */
    char user[];
};

/* One shard, as far as it is known here. */
struct shelf {
    struct lk_ledger *ledger;
    struct shard shard;
    int32_t version;
    bool known, asked; /* asked: in the reading under way */
    char *path;
    struct watch watch;
};

struct commit_seat {
    struct seat *seat;
    enum seat_state before;   /* UNKNOWN: taken for a new user's */
    struct record_out record; /* the new one */
};

/* One multi: check the seal, set shards, create or set accounts. */
struct commit {
    struct list node; /* of ledger->commits */
    struct lk_ledger *ledger;
    struct flight flight;
    uint64_t ticket, seal;
    size_t size;
    struct commit_seat seats[COMMIT_SEATS_MAX];
    size_t seat_count, record_count; /* records: also of seats that were given back */
    bool has_stock;                  /* the view below is filled */
    struct stock stock;
    struct shard shards[LK_SHARDS_MAX];
    bool known[LK_SHARDS_MAX], touched[LK_SHARDS_MAX];
};

enum campaign_state { CAMPAIGN_UNKNOWN, CAMPAIGN_ASKED, CAMPAIGN_KNOWN };
enum stock_state { STOCK_IDLE, STOCK_READING, STOCK_PROVING, STOCK_WRITING };

struct lk_ledger {
    lk_client *client;
    char *path; /* the campaign's, as the server sees it */
    struct session_listener listener;
    struct servertime time;
    uint64_t ticket; /* counts operations: what is newer than what */

    enum campaign_state campaign_state;
    struct campaign campaign;
    char *seal_path;
    bool part_missing; /* a write or read found no seal or shard: is it another campaign now? */
    struct flight entering;
    uint64_t entered_at; /* the ticket when it was sent */

    enum stock_state stock_state;
    struct shelf shelves[LK_SHARDS_MAX];
    size_t home;
    uint32_t wanted;       /* what the reading or proof under way is for */
    bool stock_proven;     /* all shelves were true at one moment, and no watch has fired since */
    int64_t proof_sent_ns; /* when that was asked */
    struct flight stocktaking;

    struct seat *seats; /* uthash by user */
    struct list waiting, idle;
    size_t idle_count, idle_bytes, reading_count, barrier_count;
    struct list commits;
    size_t commit_count;
    unsigned conflicts; /* in a row */
    struct timer pause;
    bool pausing, pumping, pump_again;

    struct list tasks; /* requests about the whole campaign: task.h */
};

/* desk.c: jobs, seats, and what happens next */
/* lk_ledger_do_start() of an operation whose form is known to be sound, LEDGER_SETTLE too. */
int ledger_start(struct lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                 lk_ledger_done_fn *done, void *arg, lk_op *out_op);
void ledger_pump(struct lk_ledger *ledger);
/* Jobs that came after `ticket` are left: they ask for a newer answer. */
void ledger_fail_waiting(struct lk_ledger *ledger, int status, uint64_t ticket);
void ledger_fail_claims(struct lk_ledger *ledger, int status);
void job_finish(struct job *job, int status); /* unlinks it; it is gone then */
void job_fail(struct job *job, int status);   /* as above, but for what may still be applied */
void seat_fail(struct seat *seat, int status);
void seat_forget(struct seat *seat); /* its record must be read again before it is used */
bool seat_needs_reading(const struct seat *seat);
bool seat_begins_with_claim(const struct seat *seat); /* it has jobs */
void seat_settle(struct seat *seat);                  /* to the idle ones if it has no jobs */
void seat_free(struct seat *seat);
void ledger_conflict(struct lk_ledger *ledger);
int64_t ledger_now_ms(const struct lk_ledger *ledger);

/* enter.c: the campaign's record */
void campaign_ask(struct lk_ledger *ledger);
void campaign_forget(struct lk_ledger *ledger);    /* it must be read again before it is used */
void campaign_miss_part(struct lk_ledger *ledger); /* as above: a part of it is not there */
/* LK_OK or why not; no campaign: NOT_FOUND. */
int campaign_read(struct campaign *campaign, const struct answer *answer);

/* shelves.c: the stock as it is known, and the proof that it is sold out */
int shelves_open(struct lk_ledger *ledger);
void shelves_close(struct lk_ledger *ledger);
void shelves_forget(struct lk_ledger *ledger);
void shelf_install(struct shelf *shelf, struct shard *shard, int32_t version); /* takes the shard */
void shelf_forget(struct shelf *shelf);
/* The home shelf, or if that is known all that are not. */
void stock_read(struct lk_ledger *ledger);
void stock_prove(struct lk_ledger *ledger,
                 uint32_t wanted);                   /* or find that there is as much as wanted */
bool stock_is_known(const struct lk_ledger *ledger); /* every shelf */
/* And together they were so at a moment not longer ago than a session may last unheard: a process
 * that stood still would else not know how old its picture is. */
bool stock_is_proven(const struct lk_ledger *ledger);

/* commit.c */
void commit_round(struct lk_ledger *ledger); /* judges what waits, sends what came of it */
void commit_free(struct commit *commit);

#endif
