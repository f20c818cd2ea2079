/* books.h - the simulated servers' history of one campaign's path, kept as it is committed, and
 * held against the law.
 *
 * After every transaction (numbers as in the table of the ledger's invariants):
 *   I1, I2  stocked = available + issued, in each shard's terms and together: a coupon is made once,
 *           leaves the stock in the transaction that puts it into an account, and never returns; it
 *           goes from one shard to another in one transaction
 *   I3, I4  each coupon's state is what the law makes of the operations that were applied, so a
 *           freeze is resolved once
 *   I5      nobody has more than the limit
 *   I6      what was issued stays issued: claims are never taken out of an account
 *   I7      an id is applied once in an account, also after the account forgot it
 *   I8      what is answered and audited is what the records say (clerks, managers)
 * and: nothing is written or deleted but in the campaign that it was meant for. */
#ifndef SIM_BOOKS_H
#define SIM_BOOKS_H

#include "law.h"
#include "testing/sim.h"

#define SERIALS_MAX 1024

struct book_range {
    uint32_t shard;
    uint64_t first, count;
};

/* One campaign, from its creation on. */
struct sale {
    size_t number; /* from 1 */
    struct law_rules law;
    uint64_t seal;
    bool is_alive; /* not deleted, not being deleted */
    lk_id created_by;
    struct list accounts;
    struct law_entry *entries; /* operations on the campaign */
    size_t entry_count, entry_capacity;
    struct book_range *ranges[LK_SHARDS_MAX];
    size_t range_counts[LK_SHARDS_MAX];
    uint64_t stocked[LK_SHARDS_MAX];
    uint64_t stocked_sum, due_sum, issued; /* due: what was ordered to be stocked */
    size_t taken; /* out of the stock in this transaction, in no account yet */
    bool has_shard[LK_SHARDS_MAX];
    unsigned char *where[LK_SHARDS_MAX]; /* each serial */
};

struct books {
    struct sim *sim;
    const char *path;
    int64_t began_ns;
    struct sale **sales;
    size_t sale_count, sale_capacity;
    size_t deleted;        /* campaigns whose record is gone */
    size_t settled;        /* coupons of which it was written down what time did */
    int64_t zxid, time_ms; /* of the transaction being read */
    uint64_t seal_before;  /* it */
    /* Somebody asked for this operation of this user, and may get it now. NULL: nobody; a body with
     * the same id is no other. */
    bool (*was_asked_for)(struct books *books, const char *user, const struct law_entry *entry);
    /* Something that was asked for may have been done and forgotten at once, below the new floor:
     * ids may come out of their order. */
    bool (*may_be_forgotten)(struct books *books, const struct law_account *account, lk_id floor);
    /* A state that an answer may rest on: of one account, or (NULL) of campaign and stock. */
    void (*has_changed)(struct books *books, const char *user);
};

void books_begin(struct books *books, struct sim *sim, const char *path);
void books_witness(struct books *books, const struct txn *txn);
/* The newest one, alive or not; NULL: there never was one. */
struct sale *books_sale(const struct books *books);
bool books_are_open(const struct books *books); /* that one is alive */
/* An empty one for whom has none. */
const struct law_account *sale_account(const struct sale *sale, const char *user);
/* How far ahead of the servers a client's picture of their clock may be: clocks run 1 % fast. */
int64_t books_ahead_ms(const struct books *books);
int64_t books_now_ms(const struct books *books);
/* An array with room for one more. */
void *books_grown(struct sim *sim, void *array, size_t count, size_t *capacity, size_t size);

#endif
