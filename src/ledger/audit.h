/* audit.h - the count of everything, and what does not add up. Pure; lk_ledger_audit() feeds it.
 *
 * Shards are read first, then all accounts, then the shards once more, while traffic runs. One
 * session never sees time run backwards, so
 *   - what the first reading shows as issued was in an account before the accounts were read: it
 *     must be found;
 *   - what is found in an account was issued before the second reading: that must not show it as
 *     available, nor as never stocked;
 *   - no coupon is found twice: they never change accounts.
 * Coupons issued since the first reading are looked at, but not counted, so that the sum is of one
 * moment:
 *   stocked = available + claimed + frozen + redeemed + void. */
#ifndef LEDGER_AUDIT_H
#define LEDGER_AUDIT_H

#include "ledger/account.h"

#define AUDIT_FAULTS_MAX 1000 /* lines; the last one says how many more there are */

struct audit_page;

struct audit {
    const struct campaign *campaign;
    int64_t now_ms;
    const struct shard *before; /* as many as the campaign has; read first */
    const int *before_status;
    struct audit_page *pages; /* coupons found, by shard and serial; uthash */
    /* Found but not issued at the first reading, for the second to judge. */
    struct audit_late *lates;
    size_t late_count, late_capacity;
    uint64_t claimed, frozen, redeemed, voided, ran_out, accounts, unread;
    char **faults;
    size_t fault_count, faults_left_out;
    bool no_memory;
};

void audit_begin(struct audit *audit, const struct campaign *campaign, int64_t now_ms,
                 const struct shard *before, const int *before_status);
/* One znode found at BUCKET/NAME; `status` is LK_OK, or why its data could not be read. */
void audit_account(struct audit *audit, const char *bucket, const char *name, int status,
                   const void *data, size_t size);
void audit_end(struct audit *audit, const struct shard *after, const int *after_status);
void audit_free(struct audit *audit);

#endif
