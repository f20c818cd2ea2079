/* account.h - one user's coupons in one campaign, and the judge of what may happen to them.
 *
 * Pure: no server, no clock. A record's bytes are decoded, operations are applied in their order,
 * the result is encoded again; whoever calls writes it where the version is still the one that was
 * read. Several operations, and refusals between them, go into one write. */
#ifndef LEDGER_ACCOUNT_H
#define LEDGER_ACCOUNT_H

#include "ledger/campaign.h"
#include "ledger/shard.h"

/* Far below ZooKeeper's limit of a request, since several accounts may share one. */
#define ACCOUNT_SIZE_MAX (256 * 1024)
/* Claims leave room, so that what was claimed can always be frozen, redeemed and refunded. */
#define ACCOUNT_CLAIM_SIZE_MAX (ACCOUNT_SIZE_MAX / 4 * 3)
#define COUPON_UNFROZEN_MAX 8 /* orders a coupon remembers as unfrozen */

/* Bytes in a record, at most. A coupon weighs as much before it was ever used as after. */
#define CLAIM_SIZE 35   /* without its coupons */
#define COUPON_SIZE 26  /* without its order and the orders unfrozen */
#define UNFROZEN_SIZE 9 /* of the first order unfrozen; the others take one less */

struct coupon {
    lk_coupon name;
    lk_coupon_state state;
    int64_t changed_ms;
    int64_t until_ms;  /* FROZEN */
    const char *order; /* FROZEN, REDEEMED after a freeze; borrowed, see below. NULL: none */
    size_t order_size;
    uint64_t unfrozen[COUPON_UNFROZEN_MAX]; /* hashes of orders that can't freeze it any more,
                                               oldest first */
    size_t unfrozen_count;
};

struct claim {
    lk_id id;
    int64_t time_ms;
    size_t first, count; /* its coupons */
    int64_t zxid;        /* of its commit, as struct applied has it */
};

/* Texts are borrowed: from the bytes decoded, and from operations applied. Encode before those go.
 */
struct account {
    const char *user;
    size_t user_size;
    struct applied_list applied;
    struct claim *claims;
    size_t claim_count;
    struct coupon *coupons; /* in order of claiming */
    size_t coupon_count;
    bool changed; /* since it was decoded */
    int64_t zxid; /* of the record that was decoded, told by the caller; 0: not known */
};

int account_decode(struct account *account, const void *data, size_t size, const char *user,
                   size_t user_size);
int account_encode(const struct account *account, struct record_out *out);
size_t account_size(const struct account *account); /* of that record, at most */
void account_free(struct account *account);
/* To be called before something is added: what the record says of its own write only by leaving it
 * out is written down, since after the next write it could not be known any more. */
void account_touch(struct account *account);
/* What a claim's or an entry's zxid is for the public; 0: not known, or of a write to come. */
int64_t account_zxid(const struct account *account, int64_t zxid);

const struct coupon *account_find(const struct account *account, lk_coupon name);
/* Coupons that count against the limit: all but void ones. */
size_t account_counted(const struct account *account);
/* LK_OK with *out as the id was answered, LK_E_NOT_FOUND, LK_E_ID_TOO_OLD. */
int account_lookup(const struct account *account, lk_id id, lk_ledger_result *out);

/* What has taken effect by time alone: a freeze that ran out, the campaign's end. */
lk_coupon_state coupon_state_at(const struct coupon *coupon, const struct campaign *campaign,
                                int64_t now_ms);
/* Writes down what did. LK_OK; LK_E_NOMEM: nothing changed. */
int account_settle(struct account *account, const struct campaign *campaign, int64_t now_ms);

/* What an operation is judged by. */
struct judge {
    const struct campaign *campaign;
    int64_t now_ms;
    struct stock *stock; /* claims take from it */
};

enum verdict {
    VERDICT_REFUSED,  /* result->status says why */
    VERDICT_REPEATED, /* result is the first answer */
    VERDICT_APPLIED,
    VERDICT_NEEDS_STOCK, /* all is well but that too little stock is known of; nothing changed */
};
/* No answer yet. Of the coupons only the first: to clear the room of all, a kilobyte, would be the
 * dearest part of a claim. */
void result_clear(lk_ledger_result *result, lk_id id);

/* Judges one operation, whose form has been checked (ledger_op_check), and applies it if nothing is
 * against it. The account may be settled also when the operation is refused. */
enum verdict account_apply(struct account *account, const struct judge *judge,
                           const lk_ledger_op *op, lk_ledger_result *result);

/* LK_OK or LK_E_INVALID: the form of an operation. */
int ledger_op_check(const lk_ledger_op *op);
int ledger_user_check(const char *user);

#endif
