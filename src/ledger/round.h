/* round.h - one round of judging: see round.c; chains are judged in chain.c. */
#ifndef LEDGER_ROUND_H
#define LEDGER_ROUND_H

#include "ledger/machine.h"

enum stock_need { NEED_NOTHING, NEED_WAITING, NEED_READING, NEED_PROOF };

struct round {
    struct lk_ledger *ledger;
    struct commit *writes, *witness;
    bool is_of_claims;
    size_t shelf; /* claims: where they take from */
    enum stock_need need;
    uint32_t wanted;
    const struct chain_view *chain; /* being judged; NULL: none */
    uint32_t taken;                 /* by claims of that chain */
    bool is_full, spoilt; /* spoilt: the stock's picture includes a claim that is not in a commit */
    int failure;          /* LK_OK; why stock could not be moved */
    bool has_done;        /* something that may let more be done */
};

/* Judges one operation on its account as it is by now. False: it has to wait, and so have those
 * behind it: round->need says for what. */
bool job_apply(struct round *round, struct account *account, struct job *job,
               enum verdict *verdict);
void job_judged(struct job *job, enum verdict verdict);

/* The account as it is known; to be freed also after a failure. */
int seat_open(const struct seat *seat, struct account *account);
/* Its record can't be read. */
void seat_fail_unread(struct round *round, struct seat *seat, int status);
size_t seat_size_bound(const struct seat *seat); /* in a commit, after all that waits */
bool seat_is_newcomer(const struct seat *seat);  /* taken for a new user's */
bool round_has_room(const struct round *round, size_t seats, size_t size, size_t newcomers);
void commit_add(struct commit *commit, struct seat *seat, struct record_out *record);

/* chain.c */
void round_judge_chains(struct round *round);
struct chain *next_chain(const struct lk_ledger *ledger, bool of_claims); /* NULL: none is ready */
bool chain_found_stock_touched(const struct chain_view *view);

#endif
