/* restock.h - ranges taken out of shards, and put back: what claims never do, and repairs must. */
#ifndef LEDGER_RESTOCK_H
#define LEDGER_RESTOCK_H

#include "ledger/shard.h"

/* How often the coupons of `stretch` are available in all these shards together: a sum over each. */
uint64_t shards_cover(const struct shard *shards, size_t count, const struct range *stretch);
/* Takes the stretch out of the shard. LK_OK; LK_E_TOO_LARGE, LK_E_NOMEM: the shard is as it was.
 * *cut becomes true if anything of it was there. */
int shard_cut(struct shard *shard, const struct range *stretch, bool *cut);
/* Puts it into the shard; answers as shard_append(). */
int shard_put(struct shard *shard, const struct range *stretch);

#endif
