/* shard.h - the pool: what may still be given out, in K records so that K clients can take without
 * meeting.
 *
 * A shard mints serials 1 to `stocked` and never one twice. What of them (or of another shard's,
 * once stock is moved between shards) may still be given out here stands as ranges. A coupon that
 * left never comes back. */
#ifndef LEDGER_SHARD_H
#define LEDGER_SHARD_H

#include "base/record.h"
#include "ledger/id.h"

#define SHARD_RANGES_MAX 256
#define STOCK_MAX UINT64_C(1000000000000) /* of one shard; keeps every sum far from overflow */

struct range {
    uint32_t shard; /* that minted them */
    uint64_t first, count;
};

struct shard {
    uint32_t index;
    uint64_t stocked;
    struct range *ranges; /* taken from the front */
    size_t range_count;
};

int shard_decode(struct shard *shard, const void *data, size_t size, uint32_t index);
int shard_encode(const struct shard *shard, struct record_out *out);
int shard_copy(struct shard *to, const struct shard *from); /* `to` is empty */
void shard_free(struct shard *shard);

uint64_t shard_available(const struct shard *shard);
void shard_take(struct shard *shard, size_t count, lk_coupon *out); /* no more than it has */
/* As a range of its own. LK_OK, LK_E_NOMEM, LK_E_TOO_LARGE (it has too many), LK_E_CORRUPT (of its own
 * making, but never made). */
int shard_append(struct shard *shard, struct range range);
int shard_add(struct shard *shard, uint64_t count); /* mints; LK_OK, LK_E_NOMEM, LK_E_TOO_LARGE */

/* Several shards, of which claims take from one, home; what that one lacks is moved to it. */
struct stock {
    struct shard *shards;
    bool *known;   /* which of them may be used */
    bool *touched; /* which of them are not as they were */
    size_t count, home;
};

bool stock_has(const struct stock *stock, size_t count); /* home has */
/* From home. All or none; false: it has not so many. */
bool stock_take(struct stock *stock, size_t count, lk_coupon *out);
/* Moves half of what the richest have to home, until that has `count`, and tells how many moves it
 * took in *moves. LK_E_SOLD_OUT: all known ones together have not so many; nothing is moved. Or
 * LK_E_NOMEM, LK_E_CORRUPT: something may have been. */
int stock_refill(struct stock *stock, size_t count, uint64_t *moves);
uint64_t stock_available(const struct stock *stock); /* of those known */

/* What shard `index` of `shards` gets when `count` is dealt out evenly. */
uint64_t stock_share(uint64_t count, size_t shards, size_t index);

#endif
