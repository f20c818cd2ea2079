/* shop_clerk.c - clerks at several clients claim, freeze, redeem and void coupons for the same few
 * users, one operation after another or several in one call, some of them in chains.
 *
 * They remember what they asked for, for the books: nothing is done that nobody asked for, and of a
 * chain all is done in one transaction, or nothing. What they are told is judged in shop_judge.c. */
#include <stdio.h>
#include <string.h>

#include "shop_inside.h"

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
