/* ledger_books.h - a campaign's shards and accounts as an audit sees them, without a server: what
 * the tests of the audit play with.
 *
 * The accounts are records as the library writes them; a test plants its fault by rewriting one. */
#ifndef LEDGER_BOOKS_H
#define LEDGER_BOOKS_H

#include "ledger_story.h"

#include "ledger/audit.h"

enum { SHARDS = 2, BOOKS_MAX = 8 };

/* A campaign of two shards with ten coupons each, and some accounts. */
struct world {
    struct campaign campaign;
    struct shard shards[SHARDS], before[SHARDS];
    int status[SHARDS];
    struct book {
        char user[20];
        unsigned char *bytes;
        size_t size;
        int64_t zxid;
    } books[BOOKS_MAX];
    size_t book_count;
    uint64_t last_id;
    int64_t zxid; /* of the last write */
    struct audit audit;
};

int world_begin(void **state);
int world_end(void **state);

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

/* Applies operations as clients do. */
void claims(struct world *w, const char *user, size_t shard, uint32_t count);
void does(struct world *w, const char *user, lk_ledger_op op);

/* Opens a user's book, lets `change` write in it, closes it. */
void rewrite(struct world *w, const char *user, void (*change)(struct account *, void *),
             void *arg);

/* A fault to plant: `arg` is the lk_coupon that the last coupon is to be. */
void rename_last_coupon(struct account *account, void *arg);

/* The audit's steps, for what happens between them, and all of them in a row. */
void audit_starts(struct world *w);
void audit_reads_accounts(struct world *w, void (*see)(struct audit *, const struct audit_znode *));
void audit_ends(struct world *w);
void audit_all(struct world *w);

/* That there are `count` faults, each begins with its kind, and the first of them reads `first`. */
void assert_faults(struct world *w, size_t count, const char *first);

#endif
