/* shop_possible.c - what an operation may be answered: what the law makes of it at some moment between
 * question and answer. In a chain that is judged as though the operations before it were done. */
#include <stdlib.h>
#include <string.h>

#include "shop.h"

/* How old a client's picture of the server's time may be: the answer that told it may have been
 * under way for long. */
#define BEHIND_MS 60000

uint64_t status_bit(int status)
{
    return UINT64_C(1) << -status;
}

/* ---- a chain at one moment ---- */

/* The accounts as they would be with the first operations of a chain done. */
struct supposed {
    struct law_account accounts[BATCH_MAX];
    size_t count;
};

static struct law_account *supposed_account(struct supposed *supposed, const char *user)
{
    for (size_t i = 0; i < supposed->count; i++)
        if (strcmp(supposed->accounts[i].user, user) == 0)
            return &supposed->accounts[i];
    return NULL;
}

static void *copy_of(const void *array, size_t count, size_t room, size_t size)
{
    char *copy = calloc(count + room, size);

    if (!copy)
        abort(); /* the memory is the test's own */
    if (count)
        memcpy(copy, array, count * size);
    return copy;
}

static void suppose(struct supposed *supposed, const struct law_account *account,
                    const struct deed *deed, struct law_rules *law, int64_t now_ms)
{
    struct law_account *then = supposed_account(supposed, deed->op.user);

    if (!then) {
        then = &supposed->accounts[supposed->count++];
        *then = *account;
        then->user = deed->op.user;
        then->coupons = copy_of(account->coupons, account->coupon_count, BATCH_MAX * LK_CLAIM_MAX,
                                sizeof(*then->coupons));
        then->entries = copy_of(account->entries, account->entry_count, BATCH_MAX,
                                sizeof(*then->entries));
    }
    law_apply(then, law, &deed->law, now_ms);
    if (deed->law.verb == LK_LEDGER_CLAIM)
        law->available -= deed->law.count;
}

static void supposed_free(struct supposed *supposed)
{
    for (size_t i = 0; i < supposed->count; i++) {
        free(supposed->accounts[i].coupons);
        free(supposed->accounts[i].entries);
    }
}

/* Sold out is remembered for a session timeout, by clocks that may run slow. */
static bool is_remembered_as_sold_out(const struct sale *sale, const struct deed *deed,
                                      uint64_t count)
{
    const struct shop *shop = deed->asker->shop;
    const struct branch *branch = shop_branch(shop, deed->asker->client);

    return deed->law.verb == LK_LEDGER_CLAIM && branch->proven_sale == sale->number
           && count <= LK_CLAIM_MAX && branch->proven_ns[count]
           && deed->asked_ns - branch->proven_ns[count] <= shop->sim->longest_ns / 100 * 102;
}

/* Which coupons the claims of a chain would have given only the stock knows: perhaps this one. */
static bool claims_before(const struct links *chain, size_t nth)
{
    for (size_t i = 0; i < nth; i++)
        if (chain->deeds[i]->law.verb == LK_LEDGER_CLAIM
            && strcmp(chain->deeds[i]->op.user, chain->deeds[nth]->op.user) == 0)
            return true;
    return false;
}

static void see_rest(const struct links *chain, size_t nth)
{
    for (; nth < chain->count; nth++)
        chain->deeds[nth]->possible = UINT64_MAX;
}

/* An account never sees an earlier time than its last one, so what two accounts see may differ. */
struct clocks {
    int64_t ms[6];
    size_t count;
};

static bool would_be_done(const struct law_account *account, const struct law_rules *law,
                          const struct deed *deed, const struct clocks *clocks, int64_t *now_ms)
{
    for (size_t i = 0; i < clocks->count; i++) {
        *now_ms = clocks->ms[i];
        if (law_judge(account, law, &deed->law, *now_ms) == LK_OK)
            return true;
    }
    return false;
}

static void see_at(const struct sale *sale, const struct links *chain, const struct clocks *clocks,
                   int64_t at_ms)
{
    struct law_rules law = sale->law;
    struct supposed supposed = { .count = 0 };
    size_t repeated = 0, nth = 0;
    bool may_fail = false;

    for (; nth < chain->count; nth++) {
        struct deed *deed = chain->deeds[nth];
        const struct law_account *account = supposed_account(&supposed, deed->op.user);
        account = account ? account : sale_account(sale, deed->op.user);
        int64_t now_ms = at_ms;
        int status = law_judge(account, &law, &deed->law, now_ms);
        deed->possible |= status_bit(status);
        uint64_t count = sale->law.available - law.available + deed->law.count;
        if (is_remembered_as_sold_out(sale, deed, count)) {
            deed->possible |= status_bit(LK_E_SOLD_OUT);
            may_fail = true;
        }
        if (status == LK_E_NO_COUPON && claims_before(chain, nth))
            see_rest(chain, nth);
        may_fail = may_fail || status != LK_OK;
        if (status != LK_OK
            && (nth + 1 == chain->count || !would_be_done(account, &law, deed, clocks, &now_ms)))
            break;
        if (law_entry_of(account, deed->op.id))
            repeated++;
        else if (nth + 1 < chain->count)
            suppose(&supposed, account, deed, &law, now_ms);
    }
    supposed_free(&supposed);
    if (nth < chain->count || may_fail || (repeated > 0 && repeated < chain->count))
        for (size_t i = 0; i < chain->count && chain->count > 1; i++)
            chain->deeds[i]->possible |= status_bit(LK_E_LINKED);
}

/* ---- between question and answer ---- */

/* A campaign that went meanwhile may have been read before, and judged by a clock that has run on
 * since: its end or closing came only in that picture. */
static void see_late(const struct books *books, const struct links *chain)
{
    const struct clocks late = { { books_now_ms(books) + books_ahead_ms(books) }, 1 };

    for (size_t i = chain->deeds[0]->asked_sale; i <= books->sale_count; i++)
        if (!books->sales[i - 1]->is_alive)
            see_at(books->sales[i - 1], chain, &late, late.ms[0]);
}

static void see_any(const struct links *chain, int status)
{
    for (size_t i = 0; i < chain->count; i++) {
        chain->deeds[i]->possible |= status_bit(status);
        if (chain->count > 1)
            chain->deeds[i]->possible |= status_bit(LK_E_LINKED);
    }
}

void see_possible(const struct books *books, const struct links *chain)
{
    const struct sale *sale = books_sale(books);
    struct memory *before = memory_use(NULL);

    if (chain->is_unsound)
        see_any(chain, LK_E_INVALID);
    see_late(books, chain);
    if (!books_are_open(books)) {
        see_any(chain, LK_E_NOT_FOUND);
        memory_use(before);
        return;
    }
    const lk_campaign_options *rules = &sale->law.options;
    int64_t now_ms = books_now_ms(books), late_ms = now_ms + books_ahead_ms(books);
    int64_t early_ms = chain->deeds[0]->asked_ms - BEHIND_MS;
    const int64_t moments_ms[] = { early_ms,           now_ms,
                                   rules->opens_ms,    rules->closes_ms - 1,
                                   rules->ends_ms - 1, late_ms };
    struct clocks clocks = { .count = 0 };
    for (size_t i = 0; i < sizeof(moments_ms) / sizeof(*moments_ms); i++)
        if (moments_ms[i] >= early_ms && moments_ms[i] <= late_ms)
            clocks.ms[clocks.count++] = moments_ms[i];
    for (size_t i = 0; i < clocks.count; i++)
        see_at(sale, chain, &clocks, clocks.ms[i]);
    memory_use(before);
}
