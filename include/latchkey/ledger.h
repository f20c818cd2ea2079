/* latchkey/ledger.h - coupons: issued, frozen, redeemed under load; never oversold, never lost,
 * nothing done twice.
 *
 *   pool --claim--> CLAIMED --freeze(order, ttl)--> FROZEN --redeem--> REDEEMED --refund--> CLAIMED
 *                    |   |                            |
 *                    |   redeem (one step)            unfreeze, or its ttl ends
 *                    |   v                            v
 *                    |   REDEEMED                     CLAIMED
 *                    +--void, or the campaign ends--> VOID (never back to stock)
 *
 * Exactly once. Every operation bears a 128-bit id. The same id with the same body answers as the
 * first time; with another body LK_E_ID_DIFFERS names the field. A refusal writes nothing, so its
 * id may succeed later. After LK_E_UNKNOWN (the reply was lost), the same id again settles it;
 * lk_ledger_lookup() settles it without acting.
 *
 * Words. stocked = available + claimed + frozen + redeemed + voided; issued = stocked - available.
 * A user's limit counts all coupons ever claimed by that user and not void.
 *
 * Time is the server's, never backwards; a freeze or campaign that ran out takes effect by a
 * transition that whoever notices first writes before answering.
 *
 * Trust. Whoever may write the znodes may oversell: give the client LK_ACCESS_CREATOR and
 * credentials. */
#ifndef LATCHKEY_LEDGER_H
#define LATCHKEY_LEDGER_H

#include <latchkey/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Users and orders are UTF-8 without control characters, and without those for private use (U+E000
 * to U+F8FF) and U+FFF0 to U+FFFF. */
#define LK_USER_MAX 128  /* bytes */
#define LK_ORDER_MAX 128 /* bytes */
#define LK_CLAIM_MAX 64  /* coupons in one claim */
#define LK_SHARDS_MAX 64
#define LK_HISTORY_MAX 1024
#define LK_CHAIN_MAX 32 /* operations in one chain */

/* An operation's name, known within one user's account (of operations on the campaign: within the
 * campaign). Made by the call itself, ordered by the server's time, or by lk_id_new(), by this
 * machine's: a claim's lives as long as its coupons; of the others an account keeps the newest, as
 * many as the campaign's `history` says (fewer in an account that has come to its size; of
 * operations on the campaign: 64), and refuses what is older with LK_E_ID_TOO_OLD; so also
 * lk_id_new()'s of a machine whose clock is late by more than that. Or from a text of the caller's:
 * never forgotten while the account lives. All zero: none. */
typedef struct lk_id {
    uint8_t bytes[16];
} lk_id;

#define LK_ID_TEXT_SIZE 33
LK_EXPORT lk_id lk_id_new(lk_client *client);
/* 32 hexadecimal digits as lk_id_text() writes them give that id; any other text of 1 to 256 bytes
 * gives an id that is a hash of it. A UUID keeps its dashes: bare, it would be taken for an id with
 * an age. LK_E_INVALID: empty, too long, or all zero. */
LK_API int lk_id_from_text(const char *text, lk_id *out);
LK_EXPORT char *lk_id_text(lk_id id, char text[LK_ID_TEXT_SIZE]); /* returns `text` */

/* A coupon's name, SHARD-SERIAL, never used twice in a campaign. A name, not a secret. */
typedef struct lk_coupon {
    uint32_t shard;
    uint64_t serial;
} lk_coupon;

#define LK_COUPON_TEXT_SIZE 32
LK_API int lk_coupon_parse(const char *text, lk_coupon *out); /* LK_E_INVALID */
/* Returns `text`. */
LK_EXPORT char *lk_coupon_text(lk_coupon coupon, char text[LK_COUPON_TEXT_SIZE]);

typedef enum lk_coupon_state { LK_CLAIMED = 1, LK_FROZEN, LK_REDEEMED, LK_VOID } lk_coupon_state;
/* "claimed", "frozen", "redeemed", "void". */
LK_EXPORT const char *lk_coupon_state_name(lk_coupon_state state);

/* ---- campaigns ---- */

typedef struct lk_campaign_options {
    size_t size;           /* set by LK_CAMPAIGN_OPTIONS_INIT */
    uint64_t stock;        /* at most 10^12; as much may be added, but a shard makes no more ever */
    uint32_t per_user;     /* 0: no limit */
    int64_t opens_ms;      /* server time, milliseconds since 1970; 0: at once */
    int64_t closes_ms;     /* claiming ends; 0: never */
    int64_t ends_ms;       /* redeeming ends; 0: never */
    int64_t freeze_ttl_ms; /* of a freeze that names none; 0: 15 minutes */
    uint32_t shards;       /* 1 to LK_SHARDS_MAX; 0: 16 */
    uint32_t history;      /* operations beside claims that each account remembers, see lk_id; 8 to
                              LK_HISTORY_MAX; 0: 64 */
} lk_campaign_options;
#define LK_CAMPAIGN_OPTIONS_INIT                                                                   \
    {                                                                                              \
        sizeof(lk_campaign_options), 0, 0, 0, 0, 0, 0, 0, 0                                        \
    }

/* One campaign's ledger. Talks to no server. LK_E_PATH, LK_E_TOO_LARGE. It remembers rules, stock
 * and accounts that it has seen, so keep it: what is old is found out by the write, and a refusal
 * is only given on what was read after the call began; but LK_E_SOLD_OUT, once proven, is
 * remembered until the servers tell of new stock, for a session timeout at most. Of the accounts the
 * last 64 MiB are kept, some 200,000 with a coupon each; of others 4 MiB of hints. */
typedef struct lk_ledger lk_ledger;
LK_API int lk_ledger_new(lk_ledger **out, lk_client *client, const char *path);
/* Asynchronous operations under way still get their callbacks: LK_E_CANCELLED, or LK_E_UNKNOWN. No
 * blocking call may be under way. */
LK_EXPORT lk_ledger *lk_ledger_free(lk_ledger *ledger);

/* Each takes an id; with LK_ID_NONE one is made. The one used is in *inout_id also when the call
 * fails after something was sent, so that LK_E_UNKNOWN can be settled; inout_id may be NULL.
 * Statuses of all: LK_E_UNKNOWN, LK_E_DEADLINE (nothing was done), LK_E_NO_SERVER, LK_E_NO_RIGHTS,
 * LK_E_ID_DIFFERS (the log names the field), LK_E_CORRUPT, LK_E_NEWER_FORMAT, LK_E_KIND,
 * LK_E_FOREIGN, LK_E_WOULD_DEADLOCK; but for create LK_E_NOT_FOUND. create: LK_E_EXISTS (made under
 * another id, or being deleted). Made whole or not at all, its parents before it. add_stock:
 * LK_E_CAMPAIGN_ENDED, LK_E_CAMPAIGN_CLOSED, LK_E_INVALID (none, or more than 10^12),
 * LK_E_TOO_LARGE (a shard would have made more than that). add_stock and close: LK_E_ID_TOO_OLD,
 * LK_E_ACCOUNT_FULL (the campaign remembers too many ids that are texts). Closing what is closed
 * succeeds. delete removes the campaign with all accounts. From its beginning the campaign is not
 * found any more; what was removed before a deadline stays removed, call it again. LK_E_FOREIGN: a
 * stranger's znode stands in it; that and the campaign's own znode are left. */
#define LK_ID_NONE ((lk_id){ { 0 } })
LK_API int lk_campaign_create(lk_ledger *ledger, const lk_campaign_options *options,
                              lk_id *inout_id, int64_t deadline_ns);
LK_API int lk_campaign_add_stock(lk_ledger *ledger, uint64_t count, lk_id *inout_id,
                                 int64_t deadline_ns);
LK_API int lk_campaign_close(lk_ledger *ledger, lk_id *inout_id, int64_t deadline_ns);
/* Called now and then on the calling thread while a long call works: `done` of about `total` parts
 * are. Another answer than 0 ends the call, which returns it. */
typedef int lk_progress_fn(uint64_t done, uint64_t total, void *arg);
/* `progress` may be NULL. `done` counts accounts that are gone; `total` is an estimate until the
 * end. No more than 200 deletions are under way at a time, so that others on the same servers get
 * their turns. Several may delete the same campaign at once. */
LK_API int lk_campaign_delete(lk_ledger *ledger, lk_progress_fn *progress, void *arg,
                              int64_t deadline_ns);
/* More shards than there are, for more processes that claim at once; they begin empty and get their
 * stock from the others as claims need it. As add_stock, and LK_E_INVALID: not more than there are,
 * or more than LK_SHARDS_MAX. */
LK_API int lk_campaign_grow(lk_ledger *ledger, uint32_t shards, lk_id *inout_id,
                            int64_t deadline_ns);

/* ---- operations on coupons ---- */

typedef enum lk_ledger_verb {
    LK_LEDGER_CLAIM = 1, /* user, count */
    LK_LEDGER_FREEZE,    /* user, coupon, order, ttl_ms */
    LK_LEDGER_UNFREEZE,  /* user, coupon, order */
    LK_LEDGER_REDEEM, /* user, coupon; order: the freeze it completes, NULL: in one step, not frozen
                       */
    LK_LEDGER_REFUND, /* user, coupon; order may be NULL */
    LK_LEDGER_VOID,   /* user, coupon; order may be NULL */
} lk_ledger_verb;
LK_EXPORT const char *lk_ledger_verb_name(lk_ledger_verb verb); /* "claim", "freeze", ... */

typedef struct lk_ledger_op {
    lk_ledger_verb verb;
    lk_id id;          /* LK_ID_NONE: one is made, see the result */
    const char *user;  /* 1 to LK_USER_MAX bytes of UTF-8 */
    const char *order; /* NULL, or 1 to LK_ORDER_MAX bytes of UTF-8 */
    lk_coupon coupon;
    uint32_t count; /* claim: 1 to LK_CLAIM_MAX, 0 counts as 1; all or none */
    int64_t ttl_ms; /* freeze: 0: the campaign's */
    bool linked;    /* lk_ledger_submit(): in one chain with the operation after it */
} lk_ledger_op;

typedef struct lk_ledger_result {
    int status;
    lk_id id;       /* set wherever something may have been done: what settles LK_E_UNKNOWN */
    uint32_t count; /* coupons below; 1 for all but claims */
    lk_coupon coupons[LK_CLAIM_MAX]; /* behind those nothing is written */
    lk_coupon_state state;           /* after the operation, as it was answered the first time */
    int64_t zxid;    /* of the account's write, the first one of a repeated id; 0: not known, as of
                        what a latchkey wrote that did not keep it */
    int64_t time_ms; /* server time of the write, as stored */
    bool repeated;   /* an earlier call had applied the id; this is its answer */
    const char *differs; /* LK_E_ID_DIFFERS: the field ("verb", "coupon", ...); static text */
    int64_t retry_ms;    /* LK_E_NOT_OPEN, LK_E_FROZEN: server time until which it is so; else 0 */
} lk_ledger_result;

/* Does one operation. Answers out->status too. The refusals, in the order in which they are judged:
 * LK_E_INVALID; LK_E_NOT_FOUND (no such campaign) and what is wrong with the records;
 * LK_E_ID_DIFFERS, LK_E_ID_TOO_OLD (or the first answer again); then
 *   claim     LK_E_CAMPAIGN_ENDED, LK_E_CAMPAIGN_CLOSED, LK_E_NOT_OPEN, LK_E_LIMIT, LK_E_SOLD_OUT,
 *             LK_E_ACCOUNT_FULL
 *   others    LK_E_NO_COUPON, LK_E_VOID, then by the present state (and LK_E_ACCOUNT_FULL at the
 *             very end):
 *   freeze    LK_E_UNFROZEN (the order was unfrozen here before, or its freeze ran out; a coupon
 *             remembers 8 such orders), LK_E_REDEEMED, LK_E_FROZEN (the same order again under a
 *             new id too)
 *   unfreeze  LK_E_REDEEMED, LK_E_FROZEN (for another order); of a coupon not frozen it is recorded
 *             and succeeds
 *   redeem    LK_E_REDEEMED, LK_E_FROZEN (for another order, or none named), LK_E_NOT_FROZEN (an
 *             order, no freeze)
 *   refund    LK_E_NOT_REDEEMED (or redeemed for another order than the one named)
 *   void      LK_E_REDEEMED, LK_E_FROZEN
 * LK_E_SOLD_OUT: there are fewer than `count` left. LK_E_DEADLINE, LK_E_NO_SERVER: nothing was
 * done; with a deadline that has passed nothing is sent. LK_E_UNKNOWN: it may have been done. */
LK_API int lk_ledger_do(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                        lk_ledger_result *out);

/* The asynchronous twin; the result lives until the callback returns. What is asked for while a
 * commit is under way goes into the next one together. */
typedef void lk_ledger_done_fn(const lk_ledger_result *result, void *arg);
LK_API int lk_ledger_do_start(lk_ledger *ledger, const lk_ledger_op *op, int64_t deadline_ns,
                              lk_ledger_done_fn *done, void *arg, lk_op *out_op);

/* Does `count` operations, each as lk_ledger_do() would, in as few commits as they go into; those of
 * one user in their order (but where a reply was lost, one that would have been refused may be
 * judged again, after those behind it were done: whom that harms links them). results[] has one for
 * each, always, with a status each; the answer is LK_OK when all are LK_OK, else the status of the
 * first that is not.
 *
 * Operations that are `linked` to the next one form a chain, which happens whole, in one commit, or
 * not at all: the first that is refused has its own status, the others of the chain
 * LK_E_LINKED. A chain whose ids were all applied before is answered as the first time; LK_E_LINKED
 * for all when only some were. LK_E_INVALID for a whole chain that is longer than LK_CHAIN_MAX, is
 * not ended, or has an operation whose form is wrong. LK_E_TOO_LARGE for a chain of more bytes than
 * a commit bears. */
LK_API int lk_ledger_submit(lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                            lk_ledger_result *results, int64_t deadline_ns);
/* The asynchronous twin. ops and their texts are copied; the results live until the callback
 * returns. Cancelling *out_op withdraws what is still possible. */
typedef void lk_ledger_submitted_fn(const lk_ledger_result *results, size_t count, void *arg);
LK_API int lk_ledger_submit_start(lk_ledger *ledger, const lk_ledger_op *ops, size_t count,
                                  int64_t deadline_ns, lk_ledger_submitted_fn *done, void *arg,
                                  lk_op *out_op);

/* What became of an operation of `user`; does nothing. LK_OK: it was applied, *out as then.
 * LK_E_NOT_FOUND: it was not, as far as the account remembers (LK_E_ID_TOO_OLD: it no longer
 * remembers so far back). */
LK_API int lk_ledger_lookup(lk_ledger *ledger, const char *user, lk_id id, int64_t deadline_ns,
                            lk_ledger_result *out);

/* What this handle has done since it was made: to see how well it goes. */
typedef struct lk_ledger_stats {
    uint64_t commits;   /* sent, that write */
    uint64_t conflicts; /* of them, refused because another wrote there first */
    uint64_t mistaken;  /* of them, refused because a user taken for a new one had an account */
    uint64_t witnesses; /* sent, that prove refusals */
    uint64_t lost;      /* of both, without an answer */
    uint64_t reads;     /* of accounts */
    uint64_t moves;     /* of stock from one shard to another */
} lk_ledger_stats;
LK_EXPORT lk_ledger_stats lk_ledger_get_stats(lk_ledger *ledger);

/* ---- looking ---- */

typedef struct lk_campaign_info {
    lk_campaign_options rules;
    bool closed; /* by lk_campaign_close() */
    uint64_t stocked, available, issued;
    int64_t server_ms; /* server time at the look */
} lk_campaign_info;
/* Of one moment; but where claims never paused for as long as it takes to read all shards twice, of
 * about now. */
LK_API int lk_campaign_show(lk_ledger *ledger, int64_t deadline_ns, lk_campaign_info *out);

typedef struct lk_coupon_info {
    lk_coupon coupon;
    lk_coupon_state state;
    int64_t claimed_ms;
    int64_t changed_ms;      /* last transition */
    int64_t frozen_until_ms; /* FROZEN: server time; else 0 */
    const char *order;       /* of the freeze or the redemption; "" when none */
    bool ran_out;            /* the freeze or campaign has run out, not yet written */
} lk_coupon_info;

/* One thing that happened to a coupon. What time did by itself has no id: an unfreeze is a freeze
 * that ran out, a void the campaign's end. */
typedef struct lk_transition {
    lk_ledger_verb verb;
    lk_coupon coupon;      /* of a claim of several: one entry each */
    lk_coupon_state state; /* after it */
    lk_id id;
    const char *order; /* "" when none was named, or by a latchkey that kept only a hash of it */
    int64_t time_ms;   /* server time */
    int64_t zxid;      /* of the commit; 0: written by a latchkey that did not tell it */
} lk_transition;

typedef struct lk_account {
    const char *user;
    size_t count;
    const lk_coupon_info *coupons; /* in order of claiming */
    size_t history_count;
    const lk_transition *history; /* oldest first; pruned by the campaign's rule, what time did
                                     counted apart from what has an id, claims never */
} lk_account;
/* A user's coupons; lk_account_free() frees. LK_E_NOT_FOUND: no such campaign. A user without
 * coupons: count 0. */
LK_API int lk_account_show(lk_ledger *ledger, const char *user, int64_t deadline_ns,
                           lk_account **out);
LK_EXPORT lk_account *lk_account_free(lk_account *account);

/* Calls back with every account, in no order, a page at a time, on the calling thread; the account
 * lives until that returns. A non-zero answer of `each` ends it and is returned. Accounts whose
 * record can't be read are passed over: then the first such status is returned when all others have
 * been shown. */
typedef int lk_account_fn(const lk_account *account, void *arg);
LK_API int lk_account_each(lk_ledger *ledger, lk_account_fn *each, void *arg, int64_t deadline_ns);

/* What an audit looks for. Each line of a fault begins with the name. */
typedef enum lk_fault_kind {
    LK_FAULT_LOST = 1, /* "lost": issued, and no account has it */
    LK_FAULT_TWICE,    /* "twice": in two accounts, or twice in one, and not void there */
    LK_FAULT_ONCE,     /* "once": in an account, and still available */
    LK_FAULT_DOUBLE,   /* "double": available twice */
    LK_FAULT_STOCK,    /* "stock": available or in an account, but never stocked */
    LK_FAULT_MINTED,   /* "minted": more or less was stocked than the campaign's record tells */
    LK_FAULT_LIMIT,    /* "limit": a user has more than the campaign allows */
    LK_FAULT_STATE,    /* "state": not the state that the operations on a coupon lead to, or one of
                          them was not possible: a freeze resolved twice, something after a void.
                          (Not asked of an account that has forgotten an operation.) */
    LK_FAULT_ID,       /* "id": applied twice, or for a coupon that the user does not have */
    LK_FAULT_TIME,     /* "time": claimed outside of the campaign's times */
    LK_FAULT_PLACE,    /* "place": an account where nobody looks for it */
    LK_FAULT_RECORD,   /* "record": can't be read; what it says is not counted */
    LK_FAULT_MORE,     /* "more": so many are not listed, after 999 */
} lk_fault_kind;
LK_EXPORT const char *lk_fault_kind_name(lk_fault_kind kind); /* "lost", "twice", ... */

typedef struct lk_fault {
    lk_fault_kind kind;
    lk_coupon coupon; /* the first of `count` in a row */
    uint64_t count;   /* 0: it is about no coupon */
    const char *user; /* "": about none */
} lk_fault;

/* What an audit counted, while traffic ran: the stock as it was at one moment, and the coupons
 * issued by then, as their accounts stood when they were read, after it. So it is exact without
 * stopping anybody: issued = claimed + frozen + redeemed + voided where there are no faults. A claim
 * whose reply is still outstanding is no fault: it is in both, or in none. */
typedef struct lk_audit {
    uint64_t stocked, available, issued;
    uint64_t claimed, frozen, redeemed, voided; /* as written */
    uint64_t ran_out;                           /* of `frozen`: run out, not yet written */
    uint64_t accounts;
    int64_t zxid; /* the moment: claims up to this one are counted, later ones are not */
    size_t fault_count;
    const char *const *faults; /* one line each, naming invariant, coupon and user */
    const lk_fault *details;   /* of the same faults, for programs */
} lk_audit;
/* LK_OK also when faults were found; lk_audit_free() frees. LK_E_DEADLINE also when claims never
 * paused for as long as it takes to read all shards twice. Takes two bits for each coupon issued. */
LK_API int lk_ledger_audit(lk_ledger *ledger, int64_t deadline_ns, lk_audit **out);
LK_EXPORT lk_audit *lk_audit_free(lk_audit *audit);

/* What a fault could be repaired by, or was. */
typedef struct lk_repair_step {
    size_t fault;         /* its index in the audit */
    const char *proposal; /* one line: what to do, or why a person must decide */
    /* LK_OK: done, or can be. LK_E_STATE: a person must decide. LK_E_VERSION: what the audit saw has
     * changed since; nothing was done, audit anew. LK_E_TOO_LARGE: a shard's record bears no more
     * ranges. LK_E_ACCOUNT_FULL: nor the account's a void. LK_E_UNKNOWN: it may have been done. */
    int status;
} lk_repair_step;
typedef void lk_repair_fn(const lk_repair_step *step, void *arg);
/* Tells a step for each fault of an audit of this campaign, on the calling thread (its proposal
 * lives until that returns), with `write` after doing it; without it nothing is asked of the
 * servers, and nothing changed. Done are:
 *   lost         back to the stock of the shard that made it, unless an account can't be read
 *   once         taken out of the stock
 *   double       left in one place of the stock
 *   stock        taken out of the stock; in an account a person must decide
 *   twice        void in the account that claimed it later, if it is neither frozen nor redeemed
 * The others are for a person. Each step is one commit, bound to the account and the campaign's
 * record as the audit saw them, and to stock where the coupon still stands as it did then; so of two
 * repairs by the same audit at most one happens, and traffic may go on. LK_OK: every fault was told.
 * Else why it ended before: the statuses of all, LK_E_DEADLINE, LK_E_UNKNOWN (the step told last). */
LK_API int lk_ledger_repair(lk_ledger *ledger, const lk_audit *audit, bool write,
                            lk_repair_fn *told, void *arg, int64_t deadline_ns);

/* ---- what time does, and who wants to know ---- */

/* Writes down what took effect by time alone: freezes that ran out, the campaign's end. Operations
 * do so with the account they meet; this does it for all accounts, a page at a time, beside traffic.
 * May be run by many at once, and again at any time; what several find, the one that writes it
 * counts. (What a lost reply leaves open is written, and not counted.) `progress` may be NULL, it is
 * called after each page. LK_E_NOT_FOUND also when the campaign goes meanwhile. Accounts whose
 * record can't be read are passed over: then the first such status is returned when all others have
 * been looked at. See also sweeper.h. */
typedef struct lk_sweep {
    uint64_t accounts; /* looked at */
    uint64_t unfrozen,
        voided;      /* coupons, by this call; both, where a freeze outlived the campaign */
    int64_t next_ms; /* server time when time will next do something to what was seen here: a freeze
                          runs out, the campaign ends; 0: never */
    int64_t server_ms; /* server time at the end */
} lk_sweep;
LK_API int lk_ledger_sweep(lk_ledger *ledger, lk_progress_fn *progress, void *arg,
                           int64_t deadline_ns, lk_sweep *out);

/* What a campaign became. */
typedef enum lk_campaign_event {
    LK_CAMPAIGN_OPENED = 1, /* its opening time has come */
    LK_CAMPAIGN_SOLD_OUT,   /* nothing is available */
    LK_CAMPAIGN_STOCKED,    /* something is, after it was sold out, or stock was added */
    LK_CAMPAIGN_CLOSED,     /* claiming has ended */
    LK_CAMPAIGN_ENDED,      /* redeeming has ended */
    LK_CAMPAIGN_GONE,       /* deleted, or never made; the watch goes on, another may be made */
} lk_campaign_event;
LK_EXPORT const char *lk_campaign_event_name(lk_campaign_event event); /* "opened", ... */

/* Calls back in dispatch when the campaign becomes something else, first with what it is (if it is
 * not open yet LK_CAMPAIGN_STOCKED, or LK_CAMPAIGN_SOLD_OUT, comes before LK_CAMPAIGN_OPENED). What
 * changes and changes back between two looks, or before the dispatch, may not be told; a new look is
 * taken at each change of the records, at most five times a second, whatever is claimed. Goes on
 * through outages and new sessions. LK_CAMPAIGN_SOLD_OUT is told when nothing was available at one
 * moment; other numbers of a campaign that is being claimed from are of about now. `info` lives until
 * the callback returns; of LK_CAMPAIGN_GONE it is NULL. Another campaign at the same path is told
 * as gone, then as what it is. Of a record that can't be read nothing is told but in the log; it is
 * tried again. Time is asked of the servers by a write to the campaign, once and when a time of its
 * rules comes: who may not write there gets what others' writes tell. LK_E_PATH, LK_E_TOO_LARGE. */
typedef struct lk_campaign_watch lk_campaign_watch;
typedef void lk_campaign_event_fn(lk_campaign_event event, const lk_campaign_info *info, void *arg);
LK_API int lk_campaign_watch_new(lk_campaign_watch **out, lk_client *client, const char *path,
                                 lk_campaign_event_fn *told, void *arg);
/* No callback after it returns; allowed in its own. */
LK_EXPORT lk_campaign_watch *lk_campaign_watch_free(lk_campaign_watch *watch);

#ifdef __cplusplus
}
#endif
#endif
