/* applied.h - which operations a record remembers, so that none is applied twice.
 *
 * Both kinds of records that operations change have one: the campaign (create, add stock, close)
 * and the account (all but claims, whose ids live in the claims themselves). Ids made from a
 * caller's text stay for ever; of the others the newest APPLIED_KEPT stay, and the floor is the
 * newest one that went: what is not above it and not here may have been applied once, so it is
 * refused and never applied. */
#ifndef LEDGER_APPLIED_H
#define LEDGER_APPLIED_H

#include "base/record.h"
#include "ledger/id.h"

#define APPLIED_KEPT 64
#define APPLIED_AHEAD_MS                                                                           \
    INT64_C(86400000)   /* ids dated later than this from now are kept like texts */
#define APPLIED_SIZE 52 /* bytes of one in a record */

struct applied {
    lk_id id;
    uint8_t verb;
    uint8_t state; /* the coupon's after it: the answer */
    int64_t time_ms;
    lk_coupon coupon;
    uint64_t order; /* order_hash(); 0: none */
    int64_t number; /* what else the verb takes: a time to live, a count */
};

struct applied_list {
    struct applied *entries; /* in order of application */
    size_t count, capacity;
    lk_id floor;
};

const struct applied *applied_find(const struct applied_list *list, lk_id id);
bool applied_is_too_old(const struct applied_list *list, lk_id id); /* of an id that is not found */
/* LK_OK, LK_E_NOMEM. entry->time_ms is now. */
int applied_add(struct applied_list *list, const struct applied *entry);
void applied_free(struct applied_list *list);

void applied_encode(const struct applied_list *list, struct record_out *out);
size_t applied_size(const struct applied_list *list);
/* LK_OK, LK_E_CORRUPT, LK_E_NOMEM. */
int applied_decode(struct applied_list *list, struct record_in *in);

/* Never 0, which stands for "no order". */
uint64_t order_hash(const char *order, size_t size);

#endif
