/* law.h - what may happen to coupons, written down a second time.
 *
 * A model of the ledger's rules, made from latchkey/ledger.h and docs/format-ledger.md and from
 * nothing in src/ledger: what it does not allow, the ledger must not have done. It knows more than
 * a record does: every operation that was ever applied, also those that the account has forgotten.
 */
#ifndef SIM_LAW_H
#define SIM_LAW_H

#include <latchkey/latchkey.h>

#include "testing/world.h"

#define LAW_DEAD_MAX 8 /* orders that a coupon remembers */

struct law_coupon {
    lk_coupon name;
    lk_coupon_state state;
    int64_t changed_ms, until_ms;
    uint64_t order; /* hashes, as in the record; 0: none */
    uint64_t dead[LAW_DEAD_MAX];
    size_t dead_count;
};

struct law_op {
    lk_id id;
    uint8_t verb;
    lk_coupon coupon;
    uint64_t order;
    int64_t number; /* a freeze's time to live */
    uint32_t count; /* of a claim */
};

/* An operation that was applied. */
struct law_entry {
    struct law_op op;
    lk_coupon_state state;
    int64_t time_ms, zxid;
    size_t first; /* claim: its first coupon in the account */
    bool is_kept; /* the record still knows it */
};

struct law_account {
    struct list node;
    const char *user;
    struct law_coupon *coupons;
    size_t coupon_count, coupon_capacity;
    struct law_entry *entries; /* in order of application, ever */
    size_t entry_count, entry_capacity;
    struct law_entry *times; /* what time did, ever */
    size_t time_count, time_capacity;
    lk_id floor;
};

struct law_rules {
    lk_campaign_options options; /* without zeros that stand for a default */
    bool is_closed;
    uint64_t available;
};

struct law_op law_op_of(const lk_ledger_op *op);
uint64_t law_order(const char *order, size_t size);
bool law_id_is(lk_id a, lk_id b);
bool law_id_is_text(lk_id id);
bool law_id_is_above(lk_id a, lk_id b);
bool law_coupon_is(lk_coupon a, lk_coupon b);

/* The first field in which two bodies under one id differ; NULL: none. */
const char *law_differs(const struct law_op *a, const struct law_op *b);
const struct law_entry *law_entry_of(const struct law_account *account, lk_id id);

/* What time alone makes of it. */
struct law_coupon law_coupon_at(const struct law_coupon *coupon, const struct law_rules *rules,
                                int64_t now_ms);
/* What the operation must be answered; of LK_OK it is done, now or before. */
int law_judge(const struct law_account *account, const struct law_rules *rules,
              const struct law_op *op, int64_t now_ms);
/* What the account becomes by an operation that law_judge() has allowed; there is room in it for what
 * comes anew. A claim's coupons get names that nobody has. */
void law_apply(struct law_account *account, const struct law_rules *rules, const struct law_op *op,
               int64_t now_ms);
/* Coupons that count against the limit. */
size_t law_counted(const struct law_account *account);
/* Does to the coupon what law_judge() has allowed. */
void law_transit(struct law_coupon *coupon, const struct law_rules *rules, const struct law_op *op,
                 int64_t now_ms);

#endif
