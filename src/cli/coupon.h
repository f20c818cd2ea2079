/* coupon.h - what the verbs of `latchkey coupon` share: a campaign opened, users and ids checked,
 * answers put in words. */
#ifndef CLI_COUPON_H
#define CLI_COUPON_H

#include "cli/cli.h"
#include "cli/loop.h"

extern const struct verb coupon_create, coupon_add_stock, coupon_grow, coupon_close, coupon_delete;
extern const struct verb coupon_claim, coupon_freeze, coupon_unfreeze, coupon_redeem, coupon_refund,
    coupon_void;
extern const struct verb coupon_do, coupon_export, coupon_lookup, coupon_show, coupon_list,
    coupon_audit;
extern const struct verb coupon_sweep, coupon_watch;

/* A connected client and the ledger of one campaign. */
struct desk {
    lk_client *client;
    lk_ledger *ledger;
};
#define DESK __attribute__((cleanup(desk_close))) struct desk

/* False: that was said, return cli->code. */
bool desk_open(struct cli *cli, const char *campaign, struct desk *out);
void desk_close(struct desk *desk);

/* For a verb that does line after line until a signal. Whether there is such a campaign is seen
 * before: each line would be told the same. */
bool desk_open_for_lines(struct cli *cli, const char *campaign, struct loop *loop,
                         lk_ledger **out_ledger);

/* The campaign of the first word, and its change's id: choose_id(). */
bool desk_open_to_change(struct cli *cli, const char *id_text, struct desk *out, lk_id *id);

/* For verbs that go through a whole campaign: sixty times what one request may take. */
int64_t desk_long_deadline(const struct cli *cli);

/* 1 to `most` bytes of UTF-8 without control characters, as the ledger wants users and orders. */
bool text_is_name(const char *text, size_t size, size_t most);

/* USER, --order: else said, with code 64. */
bool check_user(struct cli *cli, const char *user);
bool check_order(struct cli *cli, const char *order); /* NULL is none */
bool check_coupon(struct cli *cli, const char *text, lk_coupon *out);

/* --id PREFIX leaves room for a user and a number in an id's 256 bytes. */
#define PREFIX_MAX 100

/* --id ID; NULL: none, the call makes one and tells it. False: said, code 64. */
bool choose_id(struct cli *cli, const char *text, lk_id *out);

/* What --ttl or --freeze-ttl gave, in milliseconds, rounded up. False: it is 0; said, code 64. */
bool choose_ttl(struct cli *cli, const char *option, int64_t ns, int64_t *out_ms);

/* "claim", "freeze"; 0: there is no such verb. */
lk_ledger_verb verb_named(const char *name);

/* The status as one word of a bulk line and of JSON: "ok", "sold-out", "limit". */
#define STATUS_WORD_SIZE 32
char *status_word(int status, char word[STATUS_WORD_SIZE]);

/* Says why an operation was not done, prints what settles an unknown one; returns the exit code. */
int refuse_operation(struct cli *cli, const lk_ledger_result *result, const char *what);

/* The same for what has no result: create, add-stock, close. */
int refuse_with_id(struct cli *cli, int status, lk_id id, const char *what);

/* "closed /shop/spring", or {"campaign", "done", "id"}; returns the exit code. */
int print_done_to_campaign(struct cli *cli, const char *done, const char *campaign, lk_id id);

/* "USER<TAB>STATUS<TAB>COUPON,COUPON": one of many answers, not flushed. False: ferror(stdout). */
bool print_result_line(const char *user, size_t size, const lk_ledger_result *result);
json_t *coupons_json(const lk_ledger_result *result); /* an array; empty where it was refused */

/* The answers to many lines. */
struct tally {
    uint64_t done, refused, unanswered;
    int worst; /* exit code: 0 when all were answered; unknown goes before everything */
};
void tally_add(const struct cli *cli, struct tally *tally, int status);
/* The exit code: a signal goes before what may have been done, that before a failure of the verb's
 * own (an exit code, 0: none), that before what was not done. */
int tally_code(const struct tally *tally, int interrupted, int failure);

/* {"coupon", "user", "state", "id", "zxid", "time", "repeated"} */
json_t *result_json(const lk_ledger_result *result, uint32_t index, const char *user);

/* `coupon show CAMPAIGN USER`. */
int coupon_show_account(struct cli *cli, struct desk *desk, const char *user);

/* A time, null where it is 0; {"coupon", "user", "state", "order", "claimed", "changed",
 * "frozen_until", "ran_out"}; {"verb", "state", "order", "id", "time", "zxid"}. */
json_t *time_json(int64_t ms);
json_t *coupon_json(const char *user, const lk_coupon_info *info);
json_t *transition_json(const lk_transition *transition);

/* "" where time did it. */
const char *transition_id(const lk_transition *transition, char text[LK_ID_TEXT_SIZE]);

/* `coupon claim --from`: `count` for each line; `prefix` NULL: one is made. */
int coupon_claim_bulk(struct cli *cli, const char *campaign, const char *from, uint32_t count,
                      const char *prefix);

/* "PREFIX/USER/N": the id of a user's Nth line. LK_E_INVALID: too long. */
int bulk_id(const char *prefix, const char *user, uint64_t occurrence, lk_id *out);

#endif
