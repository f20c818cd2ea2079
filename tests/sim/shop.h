/* shop.h - one campaign's path in a simulated world: clerks who work there, managers, the books. */
#ifndef SIM_SHOP_H
#define SIM_SHOP_H

#include "books.h"
#include "testing/program.h"

#define SHOP_PATH "/shop/sale"

#define BATCH_MAX 12

/* Operations that are asked for together, and happen in one transaction or not at all; most often
 * one alone. */
struct links {
    struct deed *deeds[BATCH_MAX];
    size_t count;
    bool is_unsound; /* not ended: LK_E_INVALID */
};

/* One operation, perhaps asked several times, perhaps by several clients. */
struct deed {
    const char *name;
    lk_ledger_op op;
    struct law_op law;
    struct clerk *asker; /* under way there; NULL: nowhere */
    struct links *chain; /* that it is asked for in */
    struct links **lost; /* tries that may still arrive */
    size_t lost_count, lost_capacity;
    bool is_murky;     /* it may have been done, and forgotten at once */
    int64_t done_zxid; /* or may have been so, in that transaction */
    uint64_t possible; /* what it may be answered now: a bit a status */
    size_t asked_sale; /* the first campaign that the answer may be about */
    int64_t asked_zxid, asked_ms, asked_ns;
};

struct clerk {
    struct list node;
    struct shop *shop;
    struct sim_client *client;
    struct deed *deeds[BATCH_MAX]; /* under way, in their order */
    size_t deed_count;
    lk_op op;
    bool has_deadline, is_cancelled;
    uint64_t lost_before;
    bool is_out_of_luck; /* one of the chain that is being judged */
    struct event act;
};

struct branch { /* a client's handle */
    struct list node;
    struct sim_client *client;
    lk_ledger *ledger;
    /* When it last proved, in this campaign, that there were fewer coupons than so many. */
    size_t proven_sale;
    int64_t proven_ns[LK_CLAIM_MAX + 1];
};

struct shop {
    struct sim *sim;
    struct books books;
    lk_campaign_options rules; /* of the campaign made next */
    struct list branches, clerks, watchers;
    unsigned *facts; /* what the campaign became, one after the other: a bit an event */
    size_t fact_count, fact_capacity;
    struct deed **deeds;
    size_t deed_count, deed_capacity;
    struct program manager, rival, sweeper, auditor;
    bool is_busy;   /* few users, no rests: accounts forget ids */
    bool is_scarce; /* few coupons, and more just as they run out */
    bool is_swept;  /* freezes run out soon, and somebody sweeps all the time */
    bool moves;     /* campaigns are deleted, and made anew at the same path */
    bool is_settling, is_audited;
};

static inline int64_t shop_between(const struct shop *shop, int64_t low, int64_t high)
{
    return chance_between(&shop->sim->world.chance, low, high);
}

static inline bool shop_percent(const struct shop *shop, unsigned percent)
{
    return chance_percent(&shop->sim->world.chance, percent);
}

struct branch *shop_branch(const struct shop *shop, const struct sim_client *client);
lk_ledger *shop_ledger(const struct shop *shop, const struct sim_client *client);
void shop_choose_rules(struct shop *shop);

/* ---- clerks: one operation after another, or several at once (shop_clerk.c, shop_judge.c) ---- */

void clerk_begin(struct shop *shop, struct sim_client *client);
void clerks_settle(struct shop *shop);
bool clerks_are_settled(const struct shop *shop);
void clerks_end(struct shop *shop);
/* Whether the result tells of what was done. */
bool is_answer(const struct law_account *account, const struct law_entry *entry,
               const lk_ledger_result *result);
/* For the books. */
bool clerks_asked(struct books *books, const char *user, const struct law_entry *entry);
bool clerks_may_be_forgotten(struct books *books, const struct law_account *account, lk_id floor);
void clerks_see_change(struct books *books, const char *user);
/* After each transaction: of chains all was done, or nothing. */
void clerks_check_chains(struct shop *shop);

/* ---- what a chain may be answered now (shop_possible.c) ---- */

uint64_t status_bit(int status);
void see_possible(const struct books *books, const struct links *chain);

/* ---- who watches the campaign (shop_watcher.c) ---- */

void shop_watcher_begin(struct shop *shop, struct sim_client *client);
void shop_watchers_see_change(struct shop *shop);
void shop_watchers_settle(struct shop *shop);
bool shop_watchers_are_settled(const struct shop *shop); /* all know how it is */
void shop_watchers_free(struct shop *shop);

/* ---- managers: calls that block (shop_manager.c) ---- */

void manage(struct program *program);
void rival(struct program *program);
void sweep_on(struct program *program);
void audit_at_the_end(struct program *program);

#endif
