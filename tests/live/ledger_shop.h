/* ledger_shop.h - a shop for the tests of the ledger: campaigns that are freed when a test ends,
 * operations told in its story, an audit that must be clean. */
#ifndef LEDGER_SHOP_H
#define LEDGER_SHOP_H

#include "live.h"

#include <pthread.h>
#include <sys/types.h>

#include "ledger/campaign.h"

enum { LEDGERS_MAX = 64, MULTI = 14, SOON_MS = 300 };

lk_ledger *ledger(lk_client *client, const char *path);
void ledgers_free(void);
int64_t patience(void);

/* All rules but the stock as in LK_CAMPAIGN_OPTIONS_INIT, unless named. */
#define OPEN(client, path, ...)                                                                    \
    open_campaign(client, path,                                                                    \
                  (lk_campaign_options){ .size = sizeof(lk_campaign_options), __VA_ARGS__ })
lk_ledger *open_campaign(lk_client *client, const char *path, lk_campaign_options options);

extern lk_ledger_result last; /* of the last operation */
#define DO(ledger, ...) do_op(ledger, (lk_ledger_op){ __VA_ARGS__ })
int do_op(lk_ledger *at, lk_ledger_op op);
lk_coupon claim(lk_ledger *at, const char *user);
/* Claims until the account bears no more. */
void fill(lk_ledger *at, const char *user);
int64_t server_time(lk_ledger *at);
/* Until the server's clock says so. */
void await_server_time(lk_ledger *at, int64_t until_ms);
lk_coupon_state state_of(lk_ledger *at, const char *user, lk_coupon coupon);

struct sums {
    uint64_t available, claimed, frozen, redeemed, voided, accounts;
};

/* The audit finds nothing, and these numbers. */
#define AUDIT_CLEAN(ledger, ...) audit_clean(ledger, (struct sums){ __VA_ARGS__ })
void audit_clean(lk_ledger *at, struct sums sums);
bool audit_names(lk_ledger *at, const char *words);

/* Where a user's account stands, as the server sees it. */
const char *account_path(const char *campaign, const char *user);
/* A campaign's record, as it stands there; for campaign_free(). */
struct campaign campaign_at(const char *path);

/* One who claims EACH times, in a thread; every second user comes to two sellers. */
enum { EACH = 40 };
struct seller {
    pthread_t thread;
    lk_ledger *ledger;
    unsigned number, sold, refused;
    int status;
};

void *sell(void *seller);

/* Answers of asynchronous claims, counted; all are told when there are a thousand. */
struct told {
    unsigned count, ok, sold_out;
};
void tell(const lk_ledger_result *result, void *told);
bool all_are_told(void *told);

/* This program once more, with the server and the test's root as its arguments, until it is killed: it
 * says a byte when it is ready, and may go on to talk. */
struct child {
    pid_t pid;
    int says;
};
struct child child_start(const char *program); /* returns when it is ready */
void child_kill(struct child child);

/* A test whose ledgers are freed while their clients still live. */
int shop_end(void **state);
#define SHOP_TEST(name)                                                                            \
    {                                                                                              \
#name, live_run_test, live_begin, shop_end, &(struct live_test)                            \
        {                                                                                          \
            name                                                                                   \
        }                                                                                          \
    }

#endif
