/* books_inside.h - between the files of the books: books.c, books_stock.c, books_account.c. */
#ifndef SIM_BOOKS_INSIDE_H
#define SIM_BOOKS_INSIDE_H

#include "books.h"

#define books_fail(books, ...) world_fail(&(books)->sim->world, __VA_ARGS__)

/* Where a serial is. TAKEN: out of the stock in this transaction, in no account yet. */
enum { NOWHERE, IN_STOCK, TAKEN, IN_ACCOUNT };

/* books.c */
/* Of one account, or (NULL) of campaign and stock. */
void tell_change(struct books *books, const char *user);

/* books_stock.c */
/* Of a serial that can't be it is a place that is none of the above. */
unsigned char *place_of(struct sale *sale, uint32_t shard, uint64_t serial);
/* All shards that one transaction writes. */
void shards_written(struct books *books, struct sale *sale, const struct change *const *changes,
                    size_t count);

/* books_account.c; after the shards of its transaction. */
void account_written(struct books *books, struct sale *sale, const struct change *change);

#endif
