/* applied.h - which operations a record remembers, so that none is applied twice.
 *
 * Both kinds of records that operations change have one: the campaign (create, add stock, close,
 * grow) and the account (all but claims, whose ids live in the claims themselves). Ids made from a
 * caller's text stay for ever; of the others the newest stay, as many as a rule says, and the floor
 * is the newest one that went: what is not above it and not here may have been applied once, so it
 * is refused and never applied.
 *
 * The same list is an account's history. What time does by itself (a freeze that ran out, the
 * campaign's end) stands in it without an id. Nothing depends on those entries, so they are counted
 * apart and are the first to go: never is an id forgotten on account of them. */
#ifndef LEDGER_APPLIED_H
#define LEDGER_APPLIED_H

#include "base/record.h"
#include "ledger/id.h"

#define APPLIED_KEPT 64 /* of operations on a campaign; and on an account unless its rules say so */
#define APPLIED_AHEAD_MS                                                                           \
    INT64_C(86400000)   /* ids dated later than this from now are kept like texts */
#define APPLIED_SIZE 53 /* bytes of one in a record, at most, without its order */

/* What is above is corrupt; so the sizes here are true bounds, and sums of two times stay in range.
 */
#define APPLIED_TIME_MAX_MS ((INT64_C(1) << 56) - 1)
#define SERIAL_MAX ((UINT64_C(1) << 42) - 1)
#define APPLIED_NUMBER_MAX ((INT64_C(1) << 42) - 1)

/* A record can't tell the zxid of the write that makes it: what that write adds has 0 in it, and
 * the next write fills in what the Stat said meanwhile. */
#define ZXID_OF_LAST_WRITE 0
#define ZXID_UNKNOWN (-1) /* a latchkey wrote it that did not keep zxids */

struct applied {
    lk_id id; /* none: time did it */
    uint8_t verb;
    uint8_t state; /* the coupon's after it: the answer */
    int64_t time_ms;
    lk_coupon coupon;
    int64_t number;    /* what else the verb takes: a time to live, a count */
    const char *order; /* borrowed as all texts of an account are; NULL: none, or not known */
    size_t order_size;
    uint64_t order_hash; /* order_hash() of one that is not known; else 0 */
    int64_t zxid;        /* of its commit, or one of the above */
};

struct applied_list {
    struct applied *entries; /* in order of application */
    size_t count, capacity;
    lk_id floor;
};

const struct applied *applied_find(const struct applied_list *list, lk_id id);
bool applied_is_too_old(const struct applied_list *list, lk_id id); /* of an id that is not found */
bool applied_is_for(const struct applied *entry, const char *order); /* NULL: for none */

/* Room for so many in all, so that applied_add() can't fail. LK_OK, LK_E_NOMEM. */
int applied_reserve(struct applied_list *list, size_t count);
int applied_add(struct applied_list *list, const struct applied *entry); /* LK_OK, LK_E_NOMEM */
/* Sorts what time did, from the entry `first` on, by when it did it. */
void applied_sort_time(struct applied_list *list, size_t first);
void applied_free(struct applied_list *list);

bool applied_id_can_go(lk_id id, int64_t now_ms); /* it may be forgotten some day */
/* The oldest id that may be forgotten is, where there are more than `keep` of them. False: it was
 * not. */
bool applied_forget_oldest(struct applied_list *list, size_t keep, int64_t now_ms);
/* Of what time did all but the newest `keep` is forgotten, and then as much as takes `bytes` in a
 * record, if there is as much. */
void applied_forget_time(struct applied_list *list, size_t keep, size_t bytes);

void applied_encode(const struct applied_list *list, struct record_out *out);
size_t applied_size(const struct applied_list *list); /* in a record, at most */
/* Of a record of version 1 or 2. Verbs other than `first` to `last` are corrupt. LK_OK,
 * LK_E_CORRUPT, LK_E_NOMEM. */
int applied_decode(struct applied_list *list, struct record_in *in, uint8_t first, uint8_t last);

void zxid_put(struct record_out *out, int64_t zxid);
int64_t zxid_get(struct record_in *in);

/* Never 0, which stands for "no order". */
uint64_t order_hash(const char *order, size_t size);

#endif
