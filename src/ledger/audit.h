/* audit.h - the count of everything, and what does not add up. Pure; lk_ledger_audit() feeds it.
 *
 * All shards are known as they were at one moment: the picture, of the zxid S. The accounts are read
 * after that, while traffic runs, then the shards once more. A claim writes an account and a shard in
 * one transaction, whatever ranges it moves between shards besides, and no coupon ever changes its
 * account. One session never sees time run backwards. So
 *   - what the picture shows as issued was in an account before the accounts were read, by a claim of
 *     S or before: it must be found, once, and is counted;
 *   - what is found beside was claimed after S; it is looked at, but not counted, so that
 *         stocked = available + claimed + frozen + redeemed + void
 *     is of one moment, though coupons and ranges move;
 *   - what is found at all was issued before the shards are read again: those must not show it as
 *     available, nor as never stocked.
 * A claim's own zxid, where the record tells it, says the same as the picture: the coupon of one of S
 * or before must not be available there, even if it is not at the end.
 *
 * Accounts are counted by two bits a coupon. Only when something is wrong they are read once more, to
 * learn who has the coupons in question (suspects): what was mended meanwhile is no fault then. */
#ifndef LEDGER_AUDIT_H
#define LEDGER_AUDIT_H

#include "ledger/account.h"
#include "ledger/stockmap.h"

#define AUDIT_FAULTS_MAX 1000 /* the last one says how many more there are */

struct audit_fault {
    lk_fault_kind kind;
    lk_coupon coupon; /* the first of `count` in a row; count 0: it is about none */
    uint64_t count;
    char *user; /* NULL: about none */
    char *line;
    /* What a repair is bound to. */
    int32_t version;   /* of the user's account as it was found */
    bool same_account; /* TWICE: the other one stands in it too, before this one */
    bool used;         /* TWICE: frozen or redeemed, so not to be voided without a person */
};

/* What was read. */
struct audit_view {
    const struct campaign *campaign;
    int64_t now_ms;
    int64_t zxid; /* S */
    struct shelf_view shelves;
};

/* One znode found at BUCKET/NAME. */
struct audit_znode {
    const char *bucket, *name;
    int status; /* LK_OK, or why its data could not be read */
    const void *data;
    size_t size;
    int64_t zxid; /* of its last write */
    int32_t version;
};

struct audit_page;
struct suspect;

struct audit {
    struct audit_view view;
    struct stockmap picture;
    struct audit_page *pages; /* coupons found, by shard and serial; uthash */
    struct suspect *suspects; /* by coupon; uthash */
    size_t suspect_count, suspects_left_out;
    uint64_t claimed, frozen, redeemed, voided, ran_out, accounts, unread;
    struct audit_fault *faults;
    size_t fault_count, faults_left_out;
    bool no_memory;
};

void audit_begin(struct audit *audit, struct audit_view view);
void audit_account(struct audit *audit, const struct audit_znode *znode);
void audit_end(struct audit *audit, struct shelf_view after);
/* Whether all accounts are wanted once more, by audit_name(). */
bool audit_has_suspects(const struct audit *audit);
void audit_name(struct audit *audit, const struct audit_znode *znode);
void audit_finish(struct audit *audit);
void audit_free(struct audit *audit);

/* What lk_ledger_audit() gives out, and what a repair needs besides. */
struct audit_public {
    lk_audit shown;
    const char **lines;
    lk_fault *details;
    struct audit_fault *faults;
    uint64_t unread;
    int64_t czxid;   /* of the campaign's record */
    int32_t version; /* of it, in the picture */
};

/* ---- inside ---- */

/* count.c: tells a fault; the `fault` without a line, whose user is copied. */
__attribute__((format(printf, 3, 4))) void audit_tell(struct audit *audit, struct audit_fault fault,
                                                      const char *format, ...);
/* The znode's account and its user; LK_E_NOMEM, or what is wrong with it. */
int audit_open(struct account *account, char user[LK_USER_MAX + 1],
               const struct audit_znode *znode);

/* suspects.c: coupons in question */
enum question {
    IN_TWO_ACCOUNTS = 1,
    AVAILABLE_TOO = 2,
    NEVER_STOCKED = 4,
};
void audit_suspect(struct audit *audit, lk_coupon coupon, enum question question);
void suspects_free(struct audit *audit);

/* conduct.c: what one account must obey by itself */
void audit_conduct(struct audit *audit, const struct account *account, const char *user,
                   int32_t version);

#endif
