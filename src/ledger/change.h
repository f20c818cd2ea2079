/* change.h - an operation on a campaign: read the record, judge, write; or make it.
 *
 * Exactly once as for coupons: the id stands in the record, and the record's version lets one of
 * two resends through at most. (The record can't be replaced by a new one when its versions come to
 * their end, as shards and accounts are: it has children. But one change a second would take 68
 * years.) */
#ifndef LEDGER_CHANGE_H
#define LEDGER_CHANGE_H

#include "ledger/task.h"

struct change {
    struct task task;
    struct campaign_op op;
    lk_campaign_options rules; /* create */
    struct campaign campaign;  /* the record as it will be */
    uint64_t old_seal;
    uint32_t old_shards;
    int64_t czxid, missed_in; /* of the record; missed: when a part of the campaign was not there */
    int32_t version, bound_version; /* of the record; bound: of the write that was lost */
    int parents_status; /* create: what making the parents answered; positive: not tried */
    unsigned conflicts;
    size_t shards[LK_SHARDS_MAX]; /* add stock: which ones get some */
    size_t shard_count;
};

static inline struct change *change_of(struct flight *flight)
{
    return container_of(container_of(flight, struct task, flight), struct change, task);
}

/* Gives the operation its id, runs it from `start` on, and waits for change_finish(). */
int change_run(struct change *change, lk_ledger *ledger, lk_id *inout_id, int64_t deadline_ns,
               void (*start)(struct task *task));
/* A lost write could still be applied as long as the record is as it was: then `status` becomes
 * LK_E_UNKNOWN. */
void change_finish(struct change *change, int status);

#endif
