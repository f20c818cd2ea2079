/* shop_manager.c - managers make the campaign, add stock, make it grow, look, audit, sweep and close it,
 * by calls that block; where campaigns move, one deletes it and makes another at the same path, and a rival at
 * another client deletes what it finds there. */
#include <inttypes.h>
#include <string.h>

#include "shop.h"

/* What the books showed when a call began. */
struct began {
    size_t sale; /* the first campaign that the answer may be about */
    uint64_t stocked, issued;
    int64_t zxid, time_ms;
    uint32_t shards;
    bool was_open;
};

static struct shop *shop_at(const struct program *program)
{
    return program->client->sim->state;
}

static lk_ledger *ledger_at(const struct program *program)
{
    return shop_ledger(shop_at(program), program->client);
}

static struct began call(const struct shop *shop)
{
    const struct sale *sale = books_sale(&shop->books);
    bool is_open = books_are_open(&shop->books);

    return (struct began){ .sale = shop->books.sale_count + (is_open ? 0 : 1),
                           .stocked = is_open ? sale->stocked_sum : 0,
                           .issued = is_open ? sale->issued : 0,
                           .zxid = shop->books.zxid,
                           .time_ms = shop->books.time_ms,
                           .shards = is_open ? sale->law.options.shards : 0,
                           .was_open = is_open };
}

/* Between question and answer there was one campaign and no other. */
static const struct sale *same_sale(const struct shop *shop, const struct began *began)
{
    const struct sale *sale = books_sale(&shop->books);
    return began->was_open && sale->is_alive && sale->number == began->sale ? sale : NULL;
}

static bool is_unsettled(const struct shop *shop, int status)
{
    return status == LK_E_UNKNOWN || status == LK_E_DEADLINE || status == LK_E_NO_SERVER
           || (status == LK_E_NOMEM && shop->sim->memory.refused);
}

static int64_t soon(const struct program *program)
{
    return sim_client_now(program->client) + 5 * SECOND;
}

/* `also`: another answer that is in order. */
static void expect(struct program *program, const struct began *began, const char *what, int status,
                   int also)
{
    struct shop *shop = shop_at(program);

    if (program->client->is_dead)
        return;
    world_tell(&shop->sim->world, "%s: %s answers %s", program->client->name, what,
               lk_status_name(status));
    if (status == LK_OK || status == also || status == LK_E_CLOSED || is_unsettled(shop, status)
        || (status == LK_E_NOT_FOUND && !same_sale(shop, began)))
        return;
    world_fail(&shop->sim->world, "%s: %s answers %s", program->client->name, what,
               lk_status_name(status));
}

/* In a while: without memory the answer came at once, and would for ever. */
static bool is_to_ask_again(struct program *program, int status)
{
    const struct shop *shop = shop_at(program);

    if (!is_unsettled(shop, status) || shop->is_settling || shop->sim->world.failure[0])
        return false;
    program_sleep(program, MS);
    return true;
}

/* ---- looking ---- */

static void check_sums(struct program *program, const struct began *began, uint64_t stocked,
                       uint64_t available, uint64_t issued)
{
    struct shop *shop = shop_at(program);
    const struct sale *sale = same_sale(shop, began);

    if (stocked != available + issued)
        world_fail(&shop->sim->world, "%s is shown sums that do not add up", program->client->name);
    if (sale
        && (stocked < began->stocked || stocked > sale->stocked_sum || issued < began->issued
            || issued > sale->issued))
        world_fail(&shop->sim->world,
                   "%s is shown %" PRIu64 " stocked and %" PRIu64
                   " issued, which was never so since it asked",
                   program->client->name, stocked, issued);
}

static void proposed(const lk_repair_step *step, void *arg)
{
    struct program *program = arg;
    world_fail(&shop_at(program)->sim->world, "%s is told to repair what is in order: %s",
               program->client->name, step->proposal);
}

static void repair_nothing(struct program *program, const lk_audit *found)
{
    struct began began = call(shop_at(program));

    expect(program, &began, "repairing nothing",
           lk_ledger_repair(ledger_at(program), found, true, proposed, program, soon(program)),
           LK_OK);
}

static void audit(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_audit *found = NULL;

    int status = lk_ledger_audit(ledger_at(program), soon(program), &found);
    expect(program, &began, "the audit", status, LK_OK);
    if (status != LK_OK)
        return;
    if (found->fault_count)
        world_fail(&shop->sim->world, "%s: the audit finds a fault: %s", program->client->name,
                   found->faults[0]);
    check_sums(program, &began, found->stocked, found->available, found->issued);
    if (found->issued != found->claimed + found->frozen + found->redeemed + found->voided)
        world_fail(&shop->sim->world, "%s: the audit's sums do not add up", program->client->name);
    shop->is_audited = true;
    if (!found->fault_count && !program->client->is_dead)
        repair_nothing(program, found);
    lk_audit_free(found);
}

static bool transition_is_known(const struct law_account *account, const lk_transition *shown)
{
    const struct law_entry *entry = law_entry_of(account, shown->id);
    size_t order_size = strlen(shown->order);

    if (shown->verb == LK_LEDGER_CLAIM || !law_id_is(shown->id, LK_ID_NONE))
        return entry && entry->op.verb == shown->verb && entry->time_ms == shown->time_ms
               && entry->zxid == shown->zxid && entry->state == shown->state
               && (shown->verb == LK_LEDGER_CLAIM
                   || (law_coupon_is(entry->op.coupon, shown->coupon)
                       && entry->op.order == law_order(shown->order, order_size)));
    for (size_t i = 0; i < account->time_count; i++) {
        const struct law_entry *time = &account->times[i];
        if (time->op.verb == shown->verb && time->time_ms == shown->time_ms
            && time->zxid == shown->zxid && law_coupon_is(time->op.coupon, shown->coupon))
            return true;
    }
    return false;
}

static bool account_is_known(const struct shop *shop, const struct began *began,
                             const lk_account *shown)
{
    for (size_t i = shop->books.sale_count; i >= began->sale && i > 0; i--) {
        const struct law_account *account = sale_account(shop->books.sales[i - 1], shown->user);
        bool is_known = shown->count <= account->coupon_count;
        for (size_t j = 0; is_known && j < shown->count; j++)
            is_known = law_coupon_is(shown->coupons[j].coupon, account->coupons[j].name);
        for (size_t j = 0; is_known && j < shown->history_count; j++)
            is_known = transition_is_known(account, &shown->history[j]);
        if (is_known)
            return true;
    }
    return false;
}

struct looking {
    struct program *program;
    struct began began;
};

static int check_account(const lk_account *account, void *arg)
{
    struct looking *looking = arg;
    struct shop *shop = shop_at(looking->program);

    if (!account_is_known(shop, &looking->began, account))
        world_fail(&shop->sim->world, "%s is shown an account of %s that never was so",
                   looking->program->client->name, account->user);
    return 0;
}

static void show(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct looking looking = { program, call(shop) };
    lk_account *account = NULL;
    lk_campaign_info info;

    int status = lk_campaign_show(ledger_at(program), soon(program), &info);
    expect(program, &looking.began, "show", status, LK_OK);
    if (status == LK_OK)
        check_sums(program, &looking.began, info.stocked, info.available, info.issued);
    looking.began = call(shop);
    status = lk_account_show(ledger_at(program), "ann", soon(program), &account);
    expect(program, &looking.began, "the account", status, LK_OK);
    if (status == LK_OK) {
        check_account(account, &looking);
        lk_account_free(account);
    }
}

static void show_all(struct program *program)
{
    struct looking looking = { program, call(shop_at(program)) };

    expect(program, &looking.began, "showing all accounts",
           lk_account_each(ledger_at(program), check_account, &looking, soon(program)), LK_OK);
}

static void lookup(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_ledger_result result;

    if (shop->deed_count == 0)
        return;
    const struct deed *deed = shop->deeds[shop_between(shop, 0, (int64_t)shop->deed_count - 1)];
    int status = lk_ledger_lookup(ledger_at(program), deed->op.user, deed->op.id, soon(program),
                                  &result);
    expect(program, &began, "the lookup", status,
           status == LK_E_ID_TOO_OLD ? LK_E_ID_TOO_OLD : LK_E_NOT_FOUND);
    const struct sale *sale = same_sale(shop, &began);
    if (!sale || (status != LK_OK && status != LK_E_NOT_FOUND && status != LK_E_ID_TOO_OLD))
        return;
    const struct law_entry *entry = law_entry_of(sale_account(sale, deed->op.user), deed->op.id);
    if (status == LK_OK ? !entry || !is_answer(sale_account(sale, deed->op.user), entry, &result)
                        : entry && entry->is_kept && entry->zxid <= began.zxid)
        world_fail(&shop->sim->world, "%s: looking up %s answers %s, which is not so",
                   program->client->name, deed->name, lk_status_name(status));
}

/* ---- sweeping ---- */

/* Who is behind the time writes freezes that have run out already. */
static bool is_touched_since(const struct law_account *account, const struct law_coupon *coupon,
                             int64_t zxid)
{
    for (size_t i = account->entry_count; i-- > 0 && account->entries[i].zxid > zxid;) {
        if (law_coupon_is(account->entries[i].op.coupon, coupon->name))
            return true;
    }
    return false;
}

/* What had run out when the sweep began is written down when it has ended. */
static void check_swept(struct program *program, const struct began *began)
{
    struct shop *shop = shop_at(program);
    const struct sale *sale = same_sale(shop, began);
    char text[LK_COUPON_TEXT_SIZE];

    if (!sale)
        return;
    list_for_each (node, &sale->accounts) {
        const struct law_account *account = container_of(node, struct law_account, node);
        for (size_t i = 0; i < account->coupon_count; i++) {
            const struct law_coupon *coupon = &account->coupons[i];
            struct law_coupon then = law_coupon_at(coupon, &sale->law, began->time_ms);
            if (then.state != coupon->state && !is_touched_since(account, coupon, began->zxid))
                world_fail(&shop->sim->world, "%s has swept, but coupon %s of %s is still %s",
                           program->client->name, lk_coupon_text(coupon->name, text), account->user,
                           lk_coupon_state_name(coupon->state));
        }
    }
}

static int count_call(uint64_t done, uint64_t total, void *arg)
{
    (void)done;
    (void)total;
    ++*(unsigned *)arg;
    return 0;
}

static void sweep(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    size_t settled = shop->books.settled;
    unsigned calls = 0;
    lk_sweep swept;

    int status = lk_ledger_sweep(ledger_at(program), count_call, &calls, soon(program), &swept);
    expect(program, &began, "sweeping", status, LK_OK);
    if (status != LK_OK || program->client->is_dead)
        return;
    check_swept(program, &began);
    if (swept.unfrozen + swept.voided > shop->books.settled - settled)
        world_fail(&shop->sim->world,
                   "%s says that it gave back %" PRIu64 " and voided %" PRIu64
                   ", but only %zu were since it began",
                   program->client->name, swept.unfrozen, swept.voided,
                   shop->books.settled - settled);
}

/* ---- changing ---- */

/* NULL: it was not done in any campaign that the answer may be about. */
static const struct law_entry *order_of(const struct shop *shop, const struct began *began,
                                        lk_id id)
{
    for (size_t i = began->sale; i <= shop->books.sale_count; i++) {
        const struct sale *sale = shop->books.sales[i - 1];
        for (size_t j = 0; j < sale->entry_count; j++)
            if (law_id_is(sale->entries[j].op.id, id))
                return &sale->entries[j];
    }
    return NULL;
}

/* What is answered LK_OK was done; what is answered otherwise was not, but for what is not known, and
 * for what went with its campaign. */
static void check_order(struct program *program, const struct began *began, const char *what,
                        lk_id id, uint64_t count, int status, bool was_unknown)
{
    struct shop *shop = shop_at(program);
    const struct law_entry *entry = order_of(shop, began, id);

    if (program->client->is_dead || was_unknown)
        return;
    if (status == LK_OK && (!entry || entry->op.number != (int64_t)count))
        world_fail(&shop->sim->world, "%s: %s answers LK_OK, but was not done",
                   program->client->name, what);
    if (status != LK_OK && status != LK_E_CLOSED && entry && same_sale(shop, began))
        world_fail(&shop->sim->world, "%s: %s answers %s, but was done", program->client->name,
                   what, lk_status_name(status));
}

/* A picture of the servers' time may be too early, but not by much too late. */
static bool is_over(const struct shop *shop, const struct began *began, int status)
{
    const struct sale *sale = same_sale(shop, began);
    int64_t now_ms = books_now_ms(&shop->books) + books_ahead_ms(&shop->books);

    if (!sale)
        return true;
    const lk_campaign_options *rules = &sale->law.options;
    bool has_ended = rules->ends_ms && rules->ends_ms <= now_ms;
    return has_ended
           || (status == LK_E_CAMPAIGN_CLOSED
               && (sale->law.is_closed || (rules->closes_ms && rules->closes_ms <= now_ms)));
}

static void add_stock(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_id id = LK_ID_NONE;
    uint64_t count = (uint64_t)shop_between(shop, 1, shop->is_scarce ? 3 : 10);
    bool was_unknown = false;
    int status;

    do {
        status = lk_campaign_add_stock(ledger_at(program), count, &id, soon(program));
        was_unknown = status == LK_E_UNKNOWN || (was_unknown && status != LK_OK);
        check_order(program, &began, "adding stock", id, count, status, was_unknown);
    } while (is_to_ask_again(program, status));
    bool is_refused = status == LK_E_CAMPAIGN_ENDED || status == LK_E_CAMPAIGN_CLOSED;
    expect(program, &began, "adding stock", status,
           is_refused && is_over(shop, &began, status) ? status : LK_OK);
}

static void grow(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_id id = LK_ID_NONE;
    uint32_t shards = began.shards + (uint32_t)shop_between(shop, 0, 3);
    bool was_unknown = false, is_many = shards > began.shards;
    int status;

    if (!began.was_open)
        return;
    do {
        status = lk_campaign_grow(ledger_at(program), shards, &id, soon(program));
        was_unknown = status == LK_E_UNKNOWN || (was_unknown && status != LK_OK);
        check_order(program, &began, "growing", id, shards, status, was_unknown);
    } while (is_to_ask_again(program, status));
    const struct sale *sale = same_sale(shop, &began);
    bool is_refused = status == LK_E_CAMPAIGN_ENDED || status == LK_E_CAMPAIGN_CLOSED;
    expect(program, &began, "growing", status,
           is_refused && is_over(shop, &began, status)     ? status
           : status == LK_E_INVALID && (!is_many || !sale) ? status
                                                           : LK_OK);
    if (status == LK_OK && !program->client->is_dead && sale && sale->law.options.shards < shards)
        world_fail(&shop->sim->world, "%s: growing answers LK_OK, but there are %u shards",
                   program->client->name, sale->law.options.shards);
}

static void close_campaign(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_id id = LK_ID_NONE;
    bool was_unknown = false;
    int status;

    do {
        status = lk_campaign_close(ledger_at(program), &id, soon(program));
        was_unknown = status == LK_E_UNKNOWN || (was_unknown && status != LK_OK);
        check_order(program, &began, "closing", id, 0, status, was_unknown);
    } while (is_to_ask_again(program, status));
    expect(program, &began, "closing", status, LK_OK);
    const struct sale *sale = same_sale(shop, &began);
    if (status == LK_OK && !program->client->is_dead && sale && !sale->law.is_closed)
        world_fail(&shop->sim->world, "%s: closing answers LK_OK, but it is open",
                   program->client->name);
}

static void create(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    lk_id id = LK_ID_NONE;
    bool is_made = false;
    int status;

    do
        status = lk_campaign_create(ledger_at(program), &shop->rules, &id, soon(program));
    while (is_to_ask_again(program, status));
    expect(program, &began, "creating the campaign", status, shop->moves ? LK_E_EXISTS : LK_OK);
    for (size_t i = 0; i < shop->books.sale_count; i++)
        is_made = is_made || law_id_is(shop->books.sales[i]->created_by, id);
    if (status == LK_OK && !program->client->is_dead && !is_made)
        world_fail(&shop->sim->world, "a campaign is said to be made, but is not there");
}

static void delete_campaign(struct program *program)
{
    struct shop *shop = shop_at(program);
    struct began began = call(shop);
    size_t deleted = shop->books.deleted;

    int status = lk_campaign_delete(ledger_at(program), NULL, NULL,
                                    sim_client_now(program->client)
                                        + shop_between(shop, 1, 20) * SECOND);
    expect(program, &began, "deleting", status, LK_E_NOT_FOUND);
    /* The campaign of the question is gone; or there was none, and the one of the answer is. */
    if (status == LK_OK && !program->client->is_dead && shop->books.deleted == deleted
        && deleted < began.sale)
        world_fail(&shop->sim->world, "%s: deleting answers LK_OK, but nothing was deleted",
                   program->client->name);
}

/* ---- the day's work ---- */

static bool goes_on(const struct program *program)
{
    const struct shop *shop = shop_at(program);
    return !shop->is_settling && !shop->sim->world.failure[0];
}

static void rest(struct program *program, int64_t most_ms)
{
    program_sleep(program, shop_between(shop_at(program), 1, most_ms) * MS);
}

void manage(struct program *program)
{
    void (*const duties[])(struct program *) = { audit,     audit, add_stock, show,
                                                 add_stock, show,  show_all,  lookup,
                                                 sweep,     sweep, grow };
    struct shop *shop = shop_at(program);

    create(program);
    while (goes_on(program)) {
        rest(program, shop->is_scarce ? 800 : 3000);
        if (!goes_on(program))
            return;
        if (shop_percent(shop, 3))
            close_campaign(program);
        else if (shop->is_scarce && shop_percent(shop, 50))
            add_stock(program);
        else
            duties[shop_between(shop, 0, 10)](program);
        if (!shop->moves)
            continue;
        if (shop_percent(shop, 40))
            delete_campaign(program);
        if (!books_are_open(&shop->books)) {
            shop_choose_rules(shop);
            create(program);
        }
    }
}

void rival(struct program *program)
{
    void (*const duties[])(struct program *) = { delete_campaign, delete_campaign, audit, show,
                                                 show_all,        add_stock,       sweep };

    while (goes_on(program)) {
        rest(program, 4000);
        if (goes_on(program))
            duties[shop_between(shop_at(program), 0, 6)](program);
    }
}

void sweep_on(struct program *program)
{
    while (goes_on(program)) {
        rest(program, 50);
        if (goes_on(program))
            sweep(program);
    }
}

void audit_at_the_end(struct program *program)
{
    shop_at(program)->is_audited = false;
    audit(program);
}
