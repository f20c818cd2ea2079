/* shop_judge.c - what clerks are told is held against the books.
 *
 * An operation that was answered stands in the books as it was answered. One that was said not to
 * have been done is not there, unless an earlier try was lost. A refusal rests on a state that was
 * true between question and answer. Asked again it is answered the same; under the same id with
 * another body the field is named that differs. A chain is answered as one. */
#include <string.h>

#include "shop_inside.h"

bool is_answer(const struct law_account *account, const struct law_entry *entry,
               const lk_ledger_result *result)
{
    if (entry->op.verb != LK_LEDGER_CLAIM)
        return result->count == 1 && law_coupon_is(result->coupons[0], entry->op.coupon)
               && (!entry->state || result->state == entry->state);
    bool same = result->count == entry->op.count && result->state == LK_CLAIMED;
    for (uint32_t i = 0; same && i < result->count; i++)
        same = law_coupon_is(result->coupons[i], account->coupons[entry->first + i].name);
    return same;
}

uint64_t lost_by(const struct clerk *clerk)
{
    return lk_ledger_get_stats(shop_ledger(clerk->shop, clerk->client)).lost;
}

/* Commits since it asked, its own perhaps. */
static bool has_lost(const struct clerk *clerk)
{
    return lost_by(clerk) != clerk->lost_before;
}

static void judge_done(struct clerk *clerk, const struct deed *deed, const lk_ledger_result *result)
{
    struct shop *shop = clerk->shop;
    struct world *world = &shop->sim->world;
    const struct law_entry *entry = NULL;
    const struct law_account *account = NULL;

    for (size_t i = shop->books.sale_count; i >= deed->asked_sale && i > 0 && !entry; i--) {
        account = sale_account(shop->books.sales[i - 1], deed->op.user);
        entry = law_entry_of(account, deed->op.id);
        if (entry && law_differs(&entry->op, &deed->law)) /* another's, in a later campaign */
            entry = NULL;
    }
    if (!entry && deed->is_murky)
        return;
    if (!entry) {
        world_fail(world, "%s: %s is answered LK_OK, but was not done", clerk->client->name,
                   deed->name);
        return;
    }
    /* Whose try it was can't be told where one was lost. */
    bool is_of_before = entry->zxid <= deed->asked_zxid;
    bool may_mix = deed->lost_count || has_lost(clerk);
    if (!is_answer(account, entry, result))
        world_fail(world, "%s: %s is answered otherwise than it was done", clerk->client->name,
                   deed->name);
    if (entry->state && result->time_ms != entry->time_ms)
        world_fail(world, "%s: %s is told another time than is written", clerk->client->name,
                   deed->name);
    if (result->zxid && result->zxid != entry->zxid)
        world_fail(world, "%s: %s is told another zxid than its own", clerk->client->name,
                   deed->name);
    if (result->repeated != is_of_before && !may_mix)
        world_fail(world, "%s: %s is told that it was%s done before", clerk->client->name,
                   deed->name, result->repeated ? "" : " not");
}

static void judge_differs(struct clerk *clerk, const struct deed *deed,
                          const lk_ledger_result *result)
{
    const struct sale *sale = books_sale(&clerk->shop->books);
    const struct law_entry *entry = law_entry_of(sale_account(sale, deed->op.user), deed->op.id);
    const char *field = entry ? law_differs(&entry->op, &deed->law) : NULL;

    /* It may differ from one before it in its chain, which is not done either. */
    for (size_t i = 0; deed->chain->deeds[i] != deed; i++)
        if (law_id_is(deed->chain->deeds[i]->op.id, deed->op.id))
            return;
    if (field && (!result->differs || strcmp(result->differs, field) != 0))
        world_fail(&clerk->shop->sim->world, "%s: %s differs in its %s, it is told %s",
                   clerk->client->name, deed->name, field,
                   result->differs ? result->differs : "nothing");
}

/* Told that it was not done. What was done in a campaign that is gone went with it. */
static void judge_not_done(struct clerk *clerk, const struct deed *deed, int status)
{
    const struct shop *shop = clerk->shop;
    const struct sale *sale = books_sale(&shop->books);

    if (deed->lost_count || !books_are_open(&shop->books))
        return;
    const struct law_entry *entry = law_entry_of(sale_account(sale, deed->op.user), deed->op.id);
    if (entry && !law_differs(&entry->op, &deed->law) && entry->zxid > deed->asked_zxid
        && sale->number >= deed->asked_sale)
        world_fail(&shop->sim->world, "%s: %s was done, but is answered %s", clerk->client->name,
                   deed->name, lk_status_name(status));
}

static bool is_possible(const struct clerk *clerk, const struct deed *deed, int status)
{
    switch (status) {
    case LK_OK:
        return true;
    case LK_E_UNKNOWN:
        return clerk->has_deadline || clerk->is_cancelled
               || clerk->shop->sim->profile != PROFILE_CALM;
    case LK_E_DEADLINE:
    case LK_E_NO_SERVER: /* by the deadline */
        return clerk->has_deadline;
    case LK_E_CANCELLED:
        return clerk->is_cancelled;
    case LK_E_NOMEM:
        return clerk->shop->sim->memory.refused > 0;
    case LK_E_LINKED:
        return deed->possible & status_bit(LK_E_LINKED) || clerk->is_out_of_luck;
    default:
        return deed->possible & status_bit(status);
    }
}

static void judge(struct clerk *clerk, const struct deed *deed, const lk_ledger_result *result)
{
    int status = result->status;

    if (!is_possible(clerk, deed, status))
        world_fail(&clerk->shop->sim->world,
                   "%s: %s is answered %s, which was never true: the law says %s",
                   clerk->client->name, deed->name, lk_status_name(status),
                   lk_status_name(-__builtin_ctzll(deed->possible)));
    else if (status == LK_OK)
        judge_done(clerk, deed, result);
    else if (status == LK_E_ID_DIFFERS)
        judge_differs(clerk, deed, result);
    if (status != LK_OK && status != LK_E_UNKNOWN)
        judge_not_done(clerk, deed, status);
}

/* What befell the question, and says nothing about what was asked. */
static bool is_bad_luck(int status)
{
    return status == LK_E_DEADLINE || status == LK_E_NO_SERVER || status == LK_E_CANCELLED
           || status == LK_E_NOMEM;
}

/* All are answered alike, or one has its own status and the others are LK_E_LINKED; where a commit was
 * lost some may not be told more than LK_E_UNKNOWN. */
static void judge_chain(struct clerk *clerk, const struct deed *first,
                        const lk_ledger_result *results)
{
    size_t count = first->chain->count, linked = 0, alike = 0;
    bool is_out_of_luck = false, may_be_unknown = has_lost(clerk);

    for (size_t i = 0; i < count; i++) {
        int status = results[i].status;
        linked += status == LK_E_LINKED || (status == LK_E_UNKNOWN && may_be_unknown);
        is_out_of_luck = is_out_of_luck || is_bad_luck(results[i].status);
        alike += results[i].status == results[0].status;
        if (status == LK_OK || (status == LK_E_UNKNOWN && !may_be_unknown))
            linked = LK_CHAIN_MAX; /* not beside a LK_E_LINKED */
    }
    clerk->is_out_of_luck = is_out_of_luck;
    if (alike == count || linked == count - 1)
        return;
    for (size_t i = 0; i < count; i++)
        world_tell(&clerk->shop->sim->world, "    %s: %s", first->chain->deeds[i]->name,
                   lk_status_name(results[i].status));
    world_fail(&clerk->shop->sim->world, "%s: the chain of %s is answered in pieces",
               clerk->client->name, first->name);
}

/* Those of one user happen in their order; but what was refused in a commit that was lost may be
 * judged once more, behind those after it. */
static void judge_order(struct clerk *clerk, const lk_ledger_result *results)
{
    const struct sale *sale = books_sale(&clerk->shop->books);
    int64_t zxid = 0;

    for (size_t i = 0; sale && i < clerk->deed_count && !has_lost(clerk); i++) {
        const struct deed *deed = clerk->deeds[i];
        const struct law_account *account = sale_account(sale, deed->op.user);
        const struct law_entry *entry = law_entry_of(account, deed->op.id);
        if (strcmp(deed->op.user, clerk->deeds[0]->op.user) != 0 || deed->lost_count
            || results[i].status != LK_OK || !entry || entry->zxid <= deed->asked_zxid)
            continue;
        if (entry->zxid < zxid)
            world_fail(&clerk->shop->sim->world, "%s: %s is done before what was asked before it",
                       clerk->client->name, deed->name);
        zxid = entry->zxid;
    }
}

void judge_all(struct clerk *clerk, const lk_ledger_result *results)
{
    const struct links *seen = NULL;

    for (size_t i = 0; i < clerk->deed_count; i++) {
        const struct deed *deed = clerk->deeds[i];
        world_tell(&clerk->shop->sim->world, "%s's %s: %s%s", clerk->client->name, deed->name,
                   lk_status_name(results[i].status), results[i].repeated ? ", repeated" : "");
        if (deed->chain != seen) {
            see_possible(&clerk->shop->books, deed->chain);
            judge_chain(clerk, deed, &results[i]);
        }
        seen = deed->chain;
        judge(clerk, deed, &results[i]);
    }
    judge_order(clerk, results);
}
