/* shop_clerk.c - clerks at several clients claim, freeze, redeem and void coupons for the same few
 * users; what they are told is held against the books.
 *
 * An operation that was answered stands in the books as it was answered. One that was said not to
 * have been done is not there, unless an earlier try was lost. A refusal rests on a state that was
 * true between question and answer. Asked again it is answered the same; under the same id with
 * another body the field is named that differs. */
#include <stdio.h>
#include <string.h>

#include "shop.h"

/* How old a client's picture of the server's time may be: the answer that told it may have been
 * under way for long. */
#define BEHIND_MS 60000

static void acted(struct event *event);

/* ---- what may be answered ---- */

static uint64_t bit(int status)
{
    return UINT64_C(1) << -status;
}

/* A campaign that went meanwhile may have been read before, and judged by a clock that has run on
 * since: its end or closing came only in that picture. */
static void see_late(const struct books *books, struct deed *deed)
{
    int64_t late_ms = books_now_ms(books) + books_ahead_ms(books);

    for (size_t i = deed->asked_sale; i <= books->sale_count; i++) {
        const struct sale *sale = books->sales[i - 1];
        if (!sale->is_alive)
            deed->possible |= bit(
                law_judge(sale_account(sale, deed->op.user), &sale->law, &deed->law, late_ms));
    }
}

static void see_possible(const struct books *books, struct deed *deed)
{
    const struct sale *sale = books_sale(books);

    if (!books_are_open(books)) {
        deed->possible |= bit(LK_E_NOT_FOUND);
        see_late(books, deed);
        return;
    }
    see_late(books, deed);
    const struct law_account *account = sale_account(sale, deed->op.user);
    const lk_campaign_options *rules = &sale->law.options;
    int64_t now_ms = books_now_ms(books), early_ms = deed->asked_ms - BEHIND_MS;
    const int64_t clocks_ms[] = { early_ms,           now_ms,
                                  rules->opens_ms,    rules->closes_ms - 1,
                                  rules->ends_ms - 1, now_ms + books_ahead_ms(books) };
    for (size_t i = 0; i < sizeof(clocks_ms) / sizeof(*clocks_ms); i++)
        if (clocks_ms[i] >= early_ms && clocks_ms[i] <= now_ms + books_ahead_ms(books))
            deed->possible |= bit(law_judge(account, &sale->law, &deed->law, clocks_ms[i]));
    /* Sold out is remembered for a session timeout, by clocks that may run slow. */
    const struct branch *branch = shop_branch(deed->asker->shop, deed->asker->client);
    if (deed->law.verb == LK_LEDGER_CLAIM && branch->proven_sale == sale->number
        && branch->proven_ns[deed->law.count]
        && deed->asked_ns - branch->proven_ns[deed->law.count]
               <= books->sim->longest_ns / 100 * 102)
        deed->possible |= bit(LK_E_SOLD_OUT);
}

static struct shop *shop_of(struct books *books)
{
    return container_of(books, struct shop, books);
}

void clerks_see_change(struct books *books, const char *user)
{
    list_for_each (node, &shop_of(books)->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed && (!user || strcmp(clerk->deed->op.user, user) == 0))
            see_possible(books, clerk->deed);
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
    const struct deed *deed = deed_of(shop_of(books), user, &entry->op);
    return deed && (deed->asker || deed->may_be_done);
}

bool clerks_may_be_forgotten(struct books *books, const struct law_account *account, lk_id floor)
{
    const struct shop *shop = shop_of(books);
    bool found = false;

    for (size_t i = 0; i < shop->deed_count; i++) {
        struct deed *deed = shop->deeds[i];
        if (deed->op.verb == LK_LEDGER_CLAIM || strcmp(deed->op.user, account->user) != 0
            || !(deed->asker || deed->may_be_done) || law_id_is_text(deed->op.id)
            || law_id_is_above(deed->op.id, floor) || !law_id_is_above(deed->op.id, account->floor)
            || law_entry_of(account, deed->op.id))
            continue;
        deed->is_murky = found = true;
    }
    /* What stood between two operations of that commit is not known either. */
    list_for_each (node, &shop->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        if (found && clerk->deed && strcmp(clerk->deed->op.user, account->user) == 0)
            clerk->deed->possible = UINT64_MAX;
    }
    return found;
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
    /* Whose try it was can't be told where one was lost: then there is no zxid. */
    bool is_of_before = entry->zxid <= deed->asked_zxid;
    if (!is_answer(account, entry, result))
        world_fail(world, "%s: %s is answered otherwise than it was done", clerk->client->name,
                   deed->name);
    if (entry->state && result->time_ms != entry->time_ms)
        world_fail(world, "%s: %s is told another time than is written", clerk->client->name,
                   deed->name);
    if (result->zxid && result->zxid != entry->zxid)
        world_fail(world, "%s: %s is told another zxid than its own", clerk->client->name,
                   deed->name);
    if (result->repeated ? !is_of_before && !deed->may_be_done : is_of_before && result->zxid)
        world_fail(world, "%s: %s is told that it was%s done before", clerk->client->name,
                   deed->name, result->repeated ? "" : " not");
}

static void judge_differs(struct clerk *clerk, const struct deed *deed,
                          const lk_ledger_result *result)
{
    const struct sale *sale = books_sale(&clerk->shop->books);
    const struct law_entry *entry = law_entry_of(sale_account(sale, deed->op.user), deed->op.id);
    const char *field = entry ? law_differs(&entry->op, &deed->law) : NULL;

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

    if (deed->may_be_done || !books_are_open(&shop->books))
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
    default:
        return deed->possible & bit(status);
    }
}

static void judge(struct clerk *clerk, struct deed *deed, const lk_ledger_result *result)
{
    int status = result->status;

    see_possible(&clerk->shop->books, deed);
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
    deed->may_be_done |= status == LK_E_UNKNOWN;
}

static int64_t rest_ns(const struct shop *shop)
{
    return shop_between(shop, 0, shop->is_busy ? 20 : 200) * MS;
}

static void answered(const lk_ledger_result *result, void *arg)
{
    struct clerk *clerk = arg;
    struct shop *shop = clerk->shop;
    struct deed *deed = clerk->deed;

    if (clerk->client->is_dead)
        return;
    world_tell(&shop->sim->world, "%s's %s: %s%s", clerk->client->name, deed->name,
               lk_status_name(result->status), result->repeated ? ", repeated" : "");
    judge(clerk, deed, result);
    clerk->deed = NULL;
    deed->asker = NULL;
    event_at(&shop->sim->world, &clerk->act, shop->sim->world.now_ns + rest_ns(shop), acted);
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

/* Once more, by whomever: what was unknown gets settled, what was done is answered the same. */
static struct deed *deed_again(const struct shop *shop)
{
    if (shop->deed_count == 0)
        return NULL;
    struct deed *deed = shop->deeds[shop_between(shop, 0, (int64_t)shop->deed_count - 1)];
    if (deed->asker && deed->asker->client->is_dead) { /* nobody was told */
        deed->asker->deed = NULL;
        deed->asker = NULL;
        deed->may_be_done = true;
    }
    return deed;
}

static void ask(struct clerk *clerk)
{
    struct shop *shop = clerk->shop;
    struct world *world = &shop->sim->world;
    struct deed *deed = shop_percent(shop, 30) ? deed_again(shop) : NULL;
    int64_t deadline_ns = LK_FOREVER;

    if (!deed || deed->asker)
        deed = deed_new(clerk);
    if (deed->asker) {
        event_at(world, &clerk->act, world->now_ns + MS, acted);
        return;
    }
    clerk->deed = deed;
    clerk->is_cancelled = false;
    clerk->has_deadline = shop_percent(shop, 40);
    deed->asker = clerk;
    deed->possible = 0;
    deed->asked_zxid = shop->books.zxid;
    deed->asked_ms = books_now_ms(&shop->books);
    deed->asked_ns = world->now_ns;
    deed->asked_sale = shop->books.sale_count + (books_are_open(&shop->books) ? 0 : 1);
    see_possible(&shop->books, deed);
    if (clerk->has_deadline)
        deadline_ns = sim_client_now(clerk->client)
                      + shop_between(shop, 0, shop_percent(shop, 50) ? 20 : 3000) * MS;
    world_tell(world, "%s asks for %s", clerk->client->name, deed->name);
    int status = lk_ledger_do_start(shop_ledger(shop, clerk->client), &deed->op, deadline_ns,
                                    answered, clerk, &clerk->op);
    if (status == LK_E_NOMEM && shop->sim->memory.refused) {
        clerk->deed = NULL;
        deed->asker = NULL;
        event_at(world, &clerk->act, world->now_ns + 10 * MS, acted);
        return;
    }
    if (status != LK_OK)
        world_fail(world, "asking for %s answered %s", deed->name, lk_status_name(status));
    if (shop_percent(shop, 10))
        event_at(world, &clerk->act, world->now_ns + shop_between(shop, 0, 1000) * MS, acted);
}

static void acted(struct event *event)
{
    struct clerk *clerk = container_of(event, struct clerk, act);

    if (sim_client_puts_off(clerk->client, event))
        return;
    if (clerk->deed) {
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
        if (clerk->deed)
            event_stop(&shop->sim->world, &clerk->act);
    }
}

bool clerks_are_settled(const struct shop *shop)
{
    list_for_each (node, &shop->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed && !clerk->client->is_dead)
            return false;
    }
    return true;
}

void clerks_end(struct shop *shop)
{
    list_for_each (node, &shop->clerks)
        event_stop(&shop->sim->world, &container_of(node, struct clerk, node)->act);
}
