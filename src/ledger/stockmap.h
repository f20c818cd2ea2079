/* stockmap.h - what is available, sorted, so that where one coupon stands is found quickly: a campaign
 * has up to 16,384 ranges, and an audit asks once a coupon. Ranges that overlap are told, then
 * merged. */
#ifndef LEDGER_STOCKMAP_H
#define LEDGER_STOCKMAP_H

#include "ledger/shard.h"

/* All shards of a campaign as they were read. */
struct shelf_view {
    const struct shard *shards;
    const int *status; /* of each: LK_OK, or why it could not be read */
    size_t count;
};

struct stockmap {
    struct shelf_view view;
    struct range *ranges; /* sorted, apart from each other */
    size_t count;
    bool whole; /* every shard could be read */
};

enum standing { NOT_STOCKED, AVAILABLE, ISSUED, UNKNOWN_STANDING };

/* `twice` is told each stretch that is available more than once. LK_OK, LK_E_NOMEM. */
int stockmap_make(struct stockmap *map, struct shelf_view view,
                  void (*twice)(const struct range *stretch, void *arg), void *arg);
void stockmap_free(struct stockmap *map);

enum standing stockmap_standing(const struct stockmap *map, lk_coupon coupon);
/* What shard `mint` ever made; 0 where that is not known. */
uint64_t stockmap_stocked(const struct stockmap *map, uint32_t mint);

#endif
