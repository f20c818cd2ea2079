/* machine.h - the ledger's inside: what one handle remembers, and what is under way.
 *
 *   job (one operation) -> waits at the seat of its user -> judged in a round -> written by a
 *   commit, or proven by a witness -> answered
 *
 *   campaign  UNKNOWN -> ASKED -> KNOWN -> (a write found another seal) -> UNKNOWN
 *   seat      UNKNOWN -> READING -> KNOWN -> WRITING -> KNOWN, or UNKNOWN after a conflict or a
 *             lost reply
 *   shelf     not known -> known -> busy (in a commit) -> known, or not after a conflict
 *
 * What is remembered may be old; the versions in each commit say so, and then only what conflicted
 * is read again. A refusal writes nothing, so a commit of its own proves it, a *witness*: one multi
 * that checks the versions it rests on. That there is no account is proven by creating it in a multi
 * whose last check always fails.
 *
 * Applied exactly once, also when a reply is lost. A commit is bound to the account's version (or
 * to its not being there) and to the seal. After a loss the account is read again. The id is there:
 * that is the answer. It is not: the lost commit may still arrive late, but a new one bears the same
 * version as long as the account has it, so of the two at most one is applied, and the other one
 * fails; and once the account's version is another, the lost one can't be applied any more. A
 * campaign that was deleted and made again has another seal. What remains is a refusal that came
 * with time alone (the campaign closed meanwhile) while the account is untouched: that is answered
 * LK_E_UNKNOWN, not as a refusal.
 *
 * A commit takes stock only from shelves whose content and version a server has told: the next one
 * on the same shelf waits for its answer. A version that is only expected proves nothing: a stranger's
 * write would bring it about as well. So several commits fly on as many shelves.
 *
 * Everything here runs inside the client's monitor. */
#ifndef LEDGER_MACHINE_H
#define LEDGER_MACHINE_H

/* Out of memory is an answer, not an exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <xxhash.h>

/* Each user in the way costs a look-up a miss of the caches: shorter lists than uthash keeps. And its
 * own function is slower than the one that is here anyway. */
#undef HASH_BKT_CAPACITY_THRESH
#define HASH_BKT_CAPACITY_THRESH 6U
#undef HASH_FUNCTION
#define HASH_FUNCTION(key, size, hash) ((hash) = (unsigned)XXH3_64bits(key, size))

#include "ledger/account.h"
#include "ledger/names.h"
#include "ledger/request.h"
#include "ledger/rotate.h"
#include "ledger/servertime.h"
#include "session/flight.h"

#define SEATS_IDLE_BYTES_MAX ((size_t)64 << 20) /* some 200,000 users with a coupon each */
#define SEATS_READING_MAX 256
#define COMMIT_SEATS_MAX 1024
#define COMMIT_SIZE_MAX (400 * 1000) /* of accounts and their paths; shards come on top */
#define COMMITS_MAX 32               /* in flight */
#define VERSION_NONE (-1)

/* One operation. */
struct job {
    struct op op; /* of one that was asked alone; those of a batch share the batch's */
    struct batch *batch;
    struct chain *chain;
    struct list node; /* of its seat's jobs; unlinked: answered or withdrawn */
    struct lk_ledger *ledger;
    struct seat *seat;
    lk_ledger_op body;
    lk_ledger_result *result;
    uint64_t ticket;
    bool judged;           /* in the commit that its seat is in */
    bool writes;           /* and that commit applies it */
    bool unsettled;        /* a commit that applies it was lost */
    bool id_is_early;      /* made here, by this machine's clock */
    int32_t bound_version; /* of that commit; one that was refused since binds nothing */
    lk_ledger_done_fn *done;
    void *arg;
};

/* Operations that happen together or not at all; they stand one after another in their batch. */
struct chain {
    struct list node; /* of ledger->chains while it can be judged */
    struct job *jobs;
    size_t count;
    bool is_over; /* one of them was answered */
};

enum seat_state { SEAT_UNKNOWN, SEAT_READING, SEAT_KNOWN, SEAT_WRITING };

struct queue {
    struct list seats;
    size_t count;
};

/* A user's account, as far as it is known here, and who waits for it. */
struct seat {
    UT_hash_handle hh;
    struct list node; /* of its queue */
    struct queue *queue;
    struct lk_ledger *ledger;
    enum seat_state state;
    bool must_read;  /* a claim must not take it for a new user's */
    int32_t version; /* VERSION_NONE: there is no znode */
    void *bytes;     /* the record; NULL: there is none */
    size_t size;
    int64_t zxid; /* of the commit that wrote the record; 0: not known */
    struct list jobs;
    struct reading *reading; /* NULL: none is under way */
    char user[];
};

/* One shard, as far as it is known here. */
struct shelf {
    struct lk_ledger *ledger;
    struct shard shard;
    int32_t version;
    bool known, asked;  /* asked: in the reading under way */
    bool busy;          /* a commit that takes from it is under way */
    bool ours;          /* the last write that is known was this handle's */
    int64_t written_ms; /* when that was, by server time */
    int64_t learnt_ns;  /* when all this was told */
    char *path;
    struct watch watch;
};

struct commit_seat {
    struct seat *seat;
    enum seat_state before;   /* UNKNOWN: taken for a new user's */
    struct record_out record; /* the new one; none in a witness */
};

/* One multi. Check the seal, set shards, create or set accounts; or, of a witness, check the seal and
 * the accounts' versions. */
struct commit {
    struct list node; /* of ledger->commits */
    struct lk_ledger *ledger;
    struct flight flight;
    uint64_t seal;
    bool is_witness, is_of_claims, rotates;
    size_t size;
    size_t room;                     /* for seats: a chain at least */
    size_t seat_count, record_count; /* records: also of seats that were given back */
    size_t newcomers;                /* seats that were taken for a new user's */
    size_t lacking;                  /* while buckets are made: the seat that lacks its own */
    struct stock
        stock; /* what its claims take from, as it will be; of a witness: what it rests on */
    struct shard shards[LK_SHARDS_MAX];
    bool known[LK_SHARDS_MAX], touched[LK_SHARDS_MAX];
    struct commit_seat seats[];
};

enum campaign_state { CAMPAIGN_UNKNOWN, CAMPAIGN_ASKED, CAMPAIGN_KNOWN };
enum stock_state { STOCK_IDLE, STOCK_READING, STOCK_PROVING };

struct lk_ledger {
    lk_client *client;
    char *path; /* the campaign's, as the server sees it */
    struct session_listener listener;
    struct servertime time;
    uint64_t ticket; /* counts operations: what is newer than what */
    lk_id last_id;   /* that was made here */

    enum campaign_state campaign_state;
    struct campaign campaign;
    int32_t campaign_version; /* of its record's znode */
    char *seal_path;
    bool part_missing; /* a write or read found no seal or shard: is it another campaign now? */
    struct flight entering;
    uint64_t entered_at; /* the ticket when it was sent */

    enum stock_state stock_state;
    struct shelf shelves[LK_SHARDS_MAX];
    size_t home, busy_shelves;
    size_t width;          /* how many shelves may be in use at once, and */
    unsigned width_earned; /* commits that went well since it changed */
    uint32_t wanted;       /* what the reading or proof under way is for; WANTED_ALL */
    bool stock_proven;     /* all shelves were true at one moment, and no watch has fired since */
    int64_t proof_sent_ns; /* when that was asked */
    struct flight stocktaking;

    struct seat *seats; /* uthash by user */
    struct seen *seen;  /* users that had an account when their seat went; NULL: nobody yet */
    /* Where a seat stands, see seat_place(). */
    struct queue idle, blank, unread, claiming, changing, held, busy;
    size_t idle_bytes, reading_count, job_count;
    struct list chains; /* that can be judged now */
    struct list commits;
    size_t commit_count, claim_commits;
    unsigned known_rate; /* how many of 1,024 users taken for new ones have an account */
    unsigned conflicts;  /* in a row */
    struct timer pause;
    bool pausing, pumping, pump_again;
    lk_ledger_stats stats;

    struct list tasks; /* requests about the whole campaign: task.h */
};

/* desk.c: jobs, and what happens next */
void ledger_pump(struct lk_ledger *ledger);
/* Into the queue of its user's seat; no pump. LK_OK, LK_E_NOMEM. */
int job_enqueue(struct job *job);
void job_choose_id(struct job *job);
/* Before it is judged for the first time: nothing was sent under an early id. */
void job_renew_id(struct job *job);
/* Jobs that came after `ticket` are left: they ask for a newer answer. */
void ledger_fail_waiting(struct lk_ledger *ledger, int status, uint64_t ticket);
void ledger_fail_claims(struct lk_ledger *ledger, int status);
void job_refuse(struct job *job, int status); /* its result: this status and the id, nothing else */
void job_finish(struct job *job, int status); /* unlinks it; it is gone then */
void job_fail(struct job *job, int status);   /* as above, but for what may still be applied */
int deadline_status(const lk_client *client); /* of what was not sent by then */
/* Withdrawn for this reason: unlinks it, and sets and answers what it comes to. */
int job_withdraw(struct job *job, int status);
void ledger_conflict(struct lk_ledger *ledger); /* others write where we do */
/* How long to leave the others alone after so many conflicts in a row, by chance; -1: not at all. */
int64_t conflict_pause_ns(lk_client *client, unsigned conflicts);
int64_t ledger_now_ms(const struct lk_ledger *ledger);

/* submit.c: batches and their chains */
void batch_job_done(struct job *job); /* answered, unlinked; the batch may be gone then */
/* A seat has come to where this chain stands first: perhaps it can be judged. */
void chain_look(struct chain *chain);
bool chain_is_ready(const struct chain *chain);
/* One of them failed for a reason of its own: the others have no chain to be in. */
void chain_break(struct chain *chain, int cause);

/* seats.c */
struct seat *seat_of(struct lk_ledger *ledger, const char *user); /* NULL: no memory */
void seat_free(struct seat *seat);
void seat_place(struct seat *seat);  /* into the queue where it belongs now */
void seat_forget(struct seat *seat); /* its record must be read again before it is used */
void seat_fail(struct seat *seat, int status);
bool seat_needs_reading(const struct seat *seat);
struct job *seat_first(const struct seat *seat);
/* A user who was not known here turned out to have an account, or none. */
void newcomer_was(struct lk_ledger *ledger, bool is_known);
size_t newcomers_max(const struct lk_ledger *ledger); /* in one commit */
void seats_evict(struct lk_ledger *ledger);
void seats_read(struct lk_ledger *ledger);

/* seen.c: users whose seat went, a hint */
bool seen_has(struct seen *seen, const char *user);
struct seen *seen_add(struct seen *seen,
                      const char *user); /* makes one for NULL; NULL: no memory */

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
void shelf_forget(struct shelf *shelf);
void shelf_written(struct shelf *shelf, struct shard *shard, int32_t version, int64_t at_ms);
/* Another wrote there first. */
void shelf_beaten(struct shelf *shelf);
/* Where the next commit of claims takes from; NULL: none for now. */
struct shelf *shelf_choose(struct lk_ledger *ledger);
void stock_read(struct lk_ledger *ledger); /* all shelves that are not known */
/* Or find that there is as much as wanted; WANTED_ALL: no stock is enough. */
#define WANTED_ALL UINT32_MAX
void stock_prove(struct lk_ledger *ledger, uint32_t wanted);
bool stock_is_known(const struct lk_ledger *ledger); /* every shelf */
/* And together they were so at a moment not longer ago than a session may last unheard: a process
 * that stood still would else not know how old its picture is. */
bool stock_is_proven(const struct lk_ledger *ledger);

/* round.c: judges what waits, and lets commits go with what came of it. False: nothing to do. */
bool round_run(struct lk_ledger *ledger);

/* multi.c: a commit as one request */
int commit_send(struct commit *commit, void (*landed)(struct flight *flight));
enum owner { OWNER_SEAL, OWNER_SHELF, OWNER_SEAT, OWNER_END };
/* Whose that operation of it was; *nth: which shelf or seat. */
enum owner commit_owner(const struct commit *commit, size_t operation, size_t *nth);

/* commit.c */
/* With room for all that waits, or much of it. */
struct commit *commit_new(struct lk_ledger *ledger, bool is_witness, bool is_of_claims);
bool commit_touches_stock(const struct commit *commit);
void commit_depart(struct commit *commit);
void commit_release(struct commit *commit); /* its seats are as before, nothing in them judged */
void commit_free(struct commit *commit);

#endif
