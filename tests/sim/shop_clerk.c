/* shop_clerk.c - clerks at several clients claim, freeze, redeem and void coupons for the same few
 * users, one operation after another or several in one call, some of them in chains; what they are
 * told is held against the books.
 *
 * An operation that was answered stands in the books as it was answered. One that was said not to
 * have been done is not there, unless an earlier try was lost. A refusal rests on a state that was
 * true between question and answer. Asked again it is answered the same; under the same id with
 * another body the field is named that differs. Of a chain all is done in one transaction, or
 * nothing. */
#include <stdio.h>
#include <string.h>

#include "shop.h"

static void acted(struct event *event);

static bool may_be_done(const struct deed *deed)
{
    return deed->asker || deed->lost_count;
}

/* ---- what the books ask ---- */

static struct shop *shop_of(struct books *books)
{
    return container_of(books, struct shop, books);
}

void clerks_see_change(struct books *books, const char *user)
{
    list_for_each (node, &shop_of(books)->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        const struct links *seen = NULL;
        for (size_t i = 0; i < clerk->deed_count; i++) {
            const struct deed *deed = clerk->deeds[i];
            if (deed->chain == seen || (user && strcmp(deed->op.user, user) != 0))
                continue;
            seen = deed->chain;
            see_possible(books, seen);
        }
    }
}

static struct deed *deed_of(const struct shop *shop, const char *user, const struct law_op *op)
{
    for (size_t i = 0; i < shop->deed_count; i++) {
        struct deed *deed = shop->deeds[i];
        if (law_id_is(deed->op.id, op->id) && strcmp(deed->op.user, user) == 0
            && !law_differs(&deed->law, op))
            return deed;
    }
    return NULL;
}

bool clerks_asked(struct books *books, const char *user, const struct law_entry *entry)
{
    struct deed *deed = deed_of(shop_of(books), user, &entry->op);
    if (!deed || !may_be_done(deed))
        return false;
    deed->done_zxid = books->zxid;
    return true;
}

bool clerks_may_be_forgotten(struct books *books, const struct law_account *account, lk_id floor)
{
    const struct shop *shop = shop_of(books);
    bool found = false;

    for (size_t i = 0; i < shop->deed_count; i++) {
        struct deed *deed = shop->deeds[i];
        if (deed->op.verb == LK_LEDGER_CLAIM || strcmp(deed->op.user, account->user) != 0
            || !may_be_done(deed) || law_id_is_text(deed->op.id)
            || law_id_is_above(deed->op.id, floor) || !law_id_is_above(deed->op.id, account->floor)
            || law_entry_of(account, deed->op.id))
            continue;
        deed->is_murky = found = true;
        deed->done_zxid = books->zxid;
    }
    /* What stood between two operations of that commit is not known either. */
    list_for_each (node, &shop->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        for (size_t i = 0; found && i < clerk->deed_count; i++)
            if (strcmp(clerk->deeds[i]->op.user, account->user) == 0)
                clerk->deeds[i]->possible = UINT64_MAX;
    }
    return found;
}

static bool is_whole(const struct links *chain, int64_t zxid)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->deeds[i]->done_zxid != zxid)
            return false;
    return true;
}

/* It may be a try that was lost that is done now, alone or in another chain. */
static bool is_done_as_asked(const struct deed *deed, int64_t zxid)
{
    for (size_t i = 0; i < deed->lost_count; i++)
        if (is_whole(deed->lost[i], zxid))
            return true;
    return deed->asker && is_whole(deed->chain, zxid);
}

void clerks_check_chains(struct shop *shop)
{
    int64_t zxid = shop->books.zxid;

    for (size_t i = 0; i < shop->deed_count; i++) {
        const struct deed *deed = shop->deeds[i];
        if (deed->done_zxid == zxid && !deed->is_murky && !is_done_as_asked(deed, zxid))
            world_fail(&shop->sim->world, "%s is done without the others of its chain", deed->name);
    }
}

/* ---- answers ---- */

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

static uint64_t lost_by(const struct clerk *clerk)
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

/* Its present try is over; what came of it may not be known. */
static void deed_ended(struct shop *shop, struct deed *deed, bool is_lost)
{
    deed->asker = NULL;
    if (!is_lost)
        return;
    deed->lost = books_grown(shop->sim, deed->lost, deed->lost_count, &deed->lost_capacity,
                             sizeof(struct links *));
    deed->lost[deed->lost_count++] = deed->chain;
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

static void judge_all(struct clerk *clerk, const lk_ledger_result *results)
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

static int64_t rest_ns(const struct shop *shop)
{
    return shop_between(shop, 0, shop->is_busy ? 20 : 200) * MS;
}

static void all_answered(const lk_ledger_result *results, size_t count, void *arg)
{
    struct clerk *clerk = arg;
    struct shop *shop = clerk->shop;

    if (clerk->client->is_dead)
        return;
    if (count != clerk->deed_count)
        world_fail(&shop->sim->world, "%s is answered %zu times", clerk->client->name, count);
    judge_all(clerk, results);
    for (size_t i = 0; i < clerk->deed_count; i++)
        deed_ended(shop, clerk->deeds[i], results[i].status == LK_E_UNKNOWN);
    clerk->deed_count = 0;
    event_at(&shop->sim->world, &clerk->act, shop->sim->world.now_ns + rest_ns(shop), acted);
}

static void answered(const lk_ledger_result *result, void *arg)
{
    all_answered(result, 1, arg);
}

/* ---- questions ---- */

/* A coupon that somebody got, here or in an older campaign. */
static bool choose_coupon(const struct shop *shop, lk_ledger_op *op)
{
    if (shop->books.sale_count == 0)
        return false;
    size_t nth = shop->books.sale_count - 1;
    if (nth > 0 && shop_percent(shop, 10))
        nth--;
    size_t accounts = 0;
    list_for_each (node, &shop->books.sales[nth]->accounts)
        accounts++;
    if (accounts == 0)
        return false;
    accounts = (size_t)shop_between(shop, 0, (int64_t)accounts - 1);
    list_for_each (node, &shop->books.sales[nth]->accounts) {
        const struct law_account *account = container_of(node, struct law_account, node);
        if (accounts-- > 0 || account->coupon_count == 0)
            continue;
        int64_t last = (int64_t)account->coupon_count - 1;
        op->coupon = account->coupons[shop_between(shop, 0, last)].name;
        op->user = account->user;
        return true;
    }
    return false;
}

static const char *any_user(const struct shop *shop)
{
    static const char *const users[] = { "ann", "bob", "c\303\251line", "dan" };
    return users[shop_between(shop, 0, shop->is_busy ? 0 : 3)];
}

static const char *any_order(const struct shop *shop, bool may_lack)
{
    static const char *const orders[] = { "order-1", "order-2", "order-3", NULL, NULL };
    return orders[shop_between(shop, 0, may_lack ? 4 : 2)];
}

static void choose_body(const struct shop *shop, lk_ledger_op *op)
{
    unsigned claims = shop->is_busy ? 10 : shop->is_scarce ? 80 : 45;

    if (shop_percent(shop, claims) || !choose_coupon(shop, op)) {
        op->verb = LK_LEDGER_CLAIM;
        op->user = any_user(shop);
        op->count = (uint32_t)shop_between(shop, 0, 3);
        return;
    }
    op->verb = (lk_ledger_verb)shop_between(shop, LK_LEDGER_FREEZE, LK_LEDGER_VOID);
    if (shop->is_busy && op->verb == LK_LEDGER_VOID)
        op->verb = LK_LEDGER_UNFREEZE;
    op->order = any_order(shop, op->verb > LK_LEDGER_UNFREEZE);
    if (op->verb == LK_LEDGER_FREEZE)
        op->ttl_ms = shop_percent(shop, 50) ? 0 : shop_between(shop, 1, 3000);
    if (shop_percent(shop, 5))
        op->user = any_user(shop);
}

/* Another body under an id that was used. */
static void change_body(const struct shop *shop, lk_ledger_op *op)
{
    if (op->verb == LK_LEDGER_CLAIM) {
        op->count = (op->count ? op->count : 1) % 3 + 1;
        return;
    }
    switch (shop_between(shop, 0, 2)) {
    case 0:
        op->verb = op->verb == LK_LEDGER_FREEZE ? LK_LEDGER_UNFREEZE : LK_LEDGER_VOID;
        op->ttl_ms = 0;
        break;
    case 1:
        op->coupon.serial++;
        break;
    default:
        op->order = op->order && strcmp(op->order, "order-3") == 0 ? "order-2" : "order-3";
    }
}

static struct deed *deed_new(struct clerk *clerk)
{
    struct shop *shop = clerk->shop;
    struct sim *sim = shop->sim;
    struct deed *deed = arena_take(&sim->world.arena, sizeof(*deed));
    char name[200], coupon[LK_COUPON_TEXT_SIZE];
    const char *how = "";

    if (shop->deed_count && shop_percent(shop, 8)) {
        deed->op = shop->deeds[shop_between(shop, 0, (int64_t)shop->deed_count - 1)]->op;
        change_body(shop, &deed->op);
        how = ", an id again";
    } else {
        choose_body(shop, &deed->op);
    }
    snprintf(name, sizeof(name), "deed %zu (%s %s %s%s%s%s)", shop->deed_count + 1,
             lk_ledger_verb_name(deed->op.verb), deed->op.user,
             deed->op.verb == LK_LEDGER_CLAIM ? "" : lk_coupon_text(deed->op.coupon, coupon),
             deed->op.order ? " " : "", deed->op.order ? deed->op.order : "", how);
    deed->name = arena_text(&sim->world.arena, name);
    if (!*how && shop_percent(shop, shop->is_busy ? 90 : 50))
        deed->op.id = lk_id_new(clerk->client->lk);
    else if (!*how && lk_id_from_text(name, &deed->op.id) != LK_OK)
        world_fail(&sim->world, "no id for %s", name);
    deed->law = law_op_of(&deed->op);
    if (*how && deed_of(shop, deed->op.user, &deed->law))
        return deed_of(shop, deed->op.user, &deed->law);
    shop->deeds = books_grown(sim, shop->deeds, shop->deed_count, &shop->deed_capacity,
                              sizeof(struct deed *));
    shop->deeds[shop->deed_count++] = deed;
    return deed;
}

/* Nobody was told. */
static void bury_questions(struct clerk *clerk)
{
    for (size_t i = 0; i < clerk->deed_count; i++)
        deed_ended(clerk->shop, clerk->deeds[i], true);
    clerk->deed_count = 0;
}

/* Once more, by whomever: what was unknown gets settled, what was done is answered the same. */
static struct deed *deed_again(const struct shop *shop)
{
    if (shop->deed_count == 0)
        return NULL;
    struct deed *deed = shop->deeds[shop_between(shop, 0, (int64_t)shop->deed_count - 1)];
    if (deed->asker && deed->asker->client->is_dead)
        bury_questions(deed->asker);
    return deed;
}

static struct links *chain_new(struct shop *shop)
{
    return arena_take(&shop->sim->world.arena, sizeof(struct links));
}

/* False: somebody asks for it already. */
static bool choose_deed(struct clerk *clerk, struct links *chain)
{
    struct shop *shop = clerk->shop;
    struct deed *deed = shop_percent(shop, 30) ? deed_again(shop) : NULL;

    if (!deed || deed->asker)
        deed = deed_new(clerk);
    if (deed->asker)
        return false;
    deed->asker = clerk;
    deed->chain = chain;
    deed->possible = 0;
    deed->op.linked = false;
    deed->asked_zxid = shop->books.zxid;
    deed->asked_ms = books_now_ms(&shop->books);
    deed->asked_ns = shop->sim->world.now_ns;
    deed->asked_sale = shop->books.sale_count + (books_are_open(&shop->books) ? 0 : 1);
    chain->deeds[chain->count++] = deed;
    clerk->deeds[clerk->deed_count++] = deed;
    return true;
}

static void choose_deeds(struct clerk *clerk)
{
    struct shop *shop = clerk->shop;
    struct world *world = &shop->sim->world;
    int64_t most = shop_percent(shop, 60) ? 1 : BATCH_MAX;
    unsigned linked = shop_percent(shop, 50) ? 0 : 40;

    for (int64_t i = shop_between(shop, 1, most); i > 0; i--) {
        struct deed *last = clerk->deed_count ? clerk->deeds[clerk->deed_count - 1] : NULL;
        bool is_linked = last && shop_percent(shop, linked);
        if (choose_deed(clerk, is_linked ? last->chain : chain_new(shop)) && last)
            last->op.linked = is_linked;
    }
    if (clerk->deed_count > 1 && shop_percent(shop, 1)) {
        clerk->deeds[clerk->deed_count - 1]->op.linked = true;
        clerk->deeds[clerk->deed_count - 1]->chain->is_unsound = true;
    }
    for (size_t i = 0; i < clerk->deed_count; i++) {
        const struct deed *deed = clerk->deeds[i];
        see_possible(&shop->books, deed->chain);
        world_tell(world, "%s asks for %s%s", clerk->client->name, deed->name,
                   deed->op.linked ? ", and with it" : "");
    }
}

static int submit(struct clerk *clerk, int64_t deadline_ns)
{
    lk_ledger *ledger = shop_ledger(clerk->shop, clerk->client);
    lk_ledger_op ops[BATCH_MAX];

    for (size_t i = 0; i < clerk->deed_count; i++)
        ops[i] = clerk->deeds[i]->op;
    if (clerk->deed_count == 1 && (shop_percent(clerk->shop, 80)))
        return lk_ledger_do_start(ledger, ops, deadline_ns, answered, clerk, &clerk->op);
    return lk_ledger_submit_start(ledger, ops, clerk->deed_count, deadline_ns, all_answered, clerk,
                                  &clerk->op);
}

static void ask(struct clerk *clerk)
{
    struct shop *shop = clerk->shop;
    struct world *world = &shop->sim->world;
    int64_t deadline_ns = LK_FOREVER;

    choose_deeds(clerk);
    if (clerk->deed_count == 0) {
        event_at(world, &clerk->act, world->now_ns + MS, acted);
        return;
    }
    clerk->is_cancelled = false;
    clerk->lost_before = lost_by(clerk);
    clerk->has_deadline = shop_percent(shop, 40);
    if (clerk->has_deadline)
        deadline_ns = sim_client_now(clerk->client)
                      + shop_between(shop, 0, shop_percent(shop, 50) ? 20 : 3000) * MS;
    int status = submit(clerk, deadline_ns);
    if (status == LK_E_NOMEM && shop->sim->memory.refused) {
        for (size_t i = 0; i < clerk->deed_count; i++)
            deed_ended(shop, clerk->deeds[i], false);
        clerk->deed_count = 0;
        event_at(world, &clerk->act, world->now_ns + 10 * MS, acted);
        return;
    }
    if (status != LK_OK)
        world_fail(world, "asking for %s answered %s", clerk->deeds[0]->name,
                   lk_status_name(status));
    if (shop_percent(shop, 10))
        event_at(world, &clerk->act, world->now_ns + shop_between(shop, 0, 1000) * MS, acted);
}

static void acted(struct event *event)
{
    struct clerk *clerk = container_of(event, struct clerk, act);

    if (sim_client_puts_off(clerk->client, event))
        return;
    if (clerk->deed_count) {
        clerk->is_cancelled = true;
        lk_cancel(clerk->client->lk, clerk->op);
    } else if (!clerk->shop->is_settling) {
        ask(clerk);
    }
    sim_client_touch(clerk->client);
}

void clerk_begin(struct shop *shop, struct sim_client *client)
{
    struct world *world = &shop->sim->world;
    struct clerk *clerk = arena_take(&world->arena, sizeof(*clerk));

    clerk->shop = shop;
    clerk->client = client;
    list_append(&shop->clerks, &clerk->node);
    event_at(world, &clerk->act, world->now_ns + shop_between(shop, 0, 500) * MS, acted);
}

void clerks_settle(struct shop *shop)
{
    list_for_each (node, &shop->clerks) {
        struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed_count)
            event_stop(&shop->sim->world, &clerk->act);
    }
}

bool clerks_are_settled(const struct shop *shop)
{
    list_for_each (node, &shop->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed_count && !clerk->client->is_dead)
            return false;
    }
    return true;
}

void clerks_end(struct shop *shop)
{
    list_for_each (node, &shop->clerks)
        event_stop(&shop->sim->world, &container_of(node, struct clerk, node)->act);
}
