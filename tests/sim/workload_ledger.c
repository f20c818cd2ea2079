/* workload_ledger.c - clerks at several clients claim, freeze, redeem and void coupons of one
 * campaign, for the same few users; a manager makes the campaign, adds stock, closes it, and audits
 * while they work.
 *
 * After each commit the servers' own records are recounted; an operation that was answered is never
 * undone, done twice or answered otherwise; one that was said not to have been done has not been.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/account.h"
#include "ledger/names.h"
#include "testing/program.h"
#include "workloads.h"

#define PATH "/shop/sale"
#define SERIALS_MAX 512

struct shop;

/* One operation, perhaps asked several times, perhaps by several clients. */
struct deed {
    struct list node;
    const char *name;
    lk_ledger_op op;
    struct clerk *asker; /* under way there; NULL: nowhere */
    bool may_be_done, is_done;
    lk_ledger_result result; /* of the first that was told LK_OK */
};

struct clerk {
    struct list node;
    struct shop *shop;
    struct sim_client *client;
    struct deed *deed; /* under way */
    lk_op op;
    bool has_deadline, is_cancelled,
        asked_early; /* early: before the campaign was known to be there */
    struct event act;
};

struct branch { /* a client's handle */
    struct list node;
    struct sim_client *client;
    lk_ledger *ledger;
};

struct shop {
    struct sim *sim;
    lk_campaign_options rules;
    struct list branches, clerks, deeds;
    size_t deed_count;
    struct program manager, auditor;
    bool is_open, is_settling, is_audited;
    int64_t checked_zxid;
};

static void acted(struct event *event);

static int64_t between(const struct shop *shop, int64_t low, int64_t high)
{
    return chance_between(&shop->sim->world.chance, low, high);
}

static bool in_percent(const struct shop *shop, unsigned percent)
{
    return chance_percent(&shop->sim->world.chance, percent);
}

static lk_ledger *ledger_of(const struct shop *shop, const struct sim_client *client)
{
    list_for_each (node, &shop->branches) {
        const struct branch *branch = container_of(node, struct branch, node);
        if (branch->client == client)
            return branch->ledger;
    }
    return NULL;
}

/* ---- answers ---- */

static bool is_refusal(int status)
{
    return status <= LK_E_SOLD_OUT && status != LK_E_ID_DIFFERS && status != LK_E_ID_TOO_OLD;
}

static bool is_possible(const struct clerk *clerk, const struct deed *deed, int status)
{
    switch (status) {
    case LK_OK:
    case LK_E_UNKNOWN:
        return true;
    case LK_E_DEADLINE:
    case LK_E_NO_SERVER: /* by the deadline */
        return clerk->has_deadline;
    case LK_E_CANCELLED:
        return clerk->is_cancelled;
    case LK_E_NOT_FOUND:
        return clerk->asked_early;
    case LK_E_ID_TOO_OLD:
        return deed->op.verb != LK_LEDGER_CLAIM;
    default:
        return is_refusal(status);
    }
}

static bool is_same_answer(const lk_ledger_result *a, const lk_ledger_result *b)
{
    bool same = a->count == b->count && a->state == b->state;

    for (uint32_t i = 0; same && i < a->count; i++)
        same = a->coupons[i].shard == b->coupons[i].shard
               && a->coupons[i].serial == b->coupons[i].serial;
    return same;
}

static void judge(struct clerk *clerk, struct deed *deed, const lk_ledger_result *result)
{
    struct world *world = &clerk->shop->sim->world;
    const char *status = lk_status_name(result->status);

    if (!is_possible(clerk, deed, result->status))
        world_fail(world, "%s: %s is answered %s", clerk->client->name, deed->name, status);
    if (result->status == LK_OK && deed->is_done && !is_same_answer(&deed->result, result))
        world_fail(world, "%s: %s is answered otherwise than before", clerk->client->name,
                   deed->name);
    if (result->status == LK_OK && !deed->is_done && !deed->may_be_done && result->repeated)
        world_fail(world, "%s: %s had been done, but it was told that it had not",
                   clerk->client->name, deed->name);
    if (is_refusal(result->status) && deed->is_done)
        world_fail(world, "%s: %s was done, and is now refused with %s", clerk->client->name,
                   deed->name, status);
    if (result->status == LK_OK && !deed->is_done) {
        deed->is_done = true;
        deed->result = *result;
    }
    deed->may_be_done |= result->status == LK_E_UNKNOWN;
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
    clerk->deed = NULL;
    deed->asker = NULL;
    judge(clerk, deed, result);
    event_at(&shop->sim->world, &clerk->act, shop->sim->world.now_ns + between(shop, 0, 200) * MS,
             acted);
}

/* ---- operations ---- */

static const struct deed *any_claim(const struct shop *shop)
{
    const struct deed *found = NULL;
    int64_t seen = 0;

    list_for_each (node, &shop->deeds) {
        const struct deed *deed = container_of(node, struct deed, node);
        if (deed->op.verb == LK_LEDGER_CLAIM && deed->is_done && between(shop, 0, seen++) == 0)
            found = deed;
    }
    return found;
}

static struct deed *deed_new(struct clerk *clerk)
{
    static const char *const users[] = { "ann", "bob", "c\303\251line", "dan" };
    static const char *const orders[] = { "order-1", "order-2", NULL };
    struct shop *shop = clerk->shop;
    struct arena *arena = &shop->sim->world.arena;
    const struct deed *claim = in_percent(shop, 45) ? NULL : any_claim(shop);
    struct deed *deed = arena_take(arena, sizeof(*deed));
    char name[200], coupon[LK_COUPON_TEXT_SIZE] = "";

    deed->op.verb = claim ? (lk_ledger_verb)between(shop, LK_LEDGER_FREEZE, LK_LEDGER_VOID)
                          : LK_LEDGER_CLAIM;
    deed->op.user = claim ? claim->op.user : users[between(shop, 0, 3)];
    if (claim) {
        deed->op.coupon = claim->result.coupons[between(shop, 0, claim->result.count - 1)];
        deed->op.order = orders[between(shop, 0, deed->op.verb <= LK_LEDGER_UNFREEZE ? 1 : 2)];
        lk_coupon_text(deed->op.coupon, coupon);
    } else {
        deed->op.count = (uint32_t)between(shop, 0, 3);
    }
    if (deed->op.verb == LK_LEDGER_FREEZE)
        deed->op.ttl_ms = in_percent(shop, 50) ? 0 : between(shop, 1, 3000);
    snprintf(name, sizeof(name), "deed %zu (%s %s %s)", ++shop->deed_count,
             lk_ledger_verb_name(deed->op.verb), deed->op.user, coupon);
    deed->name = arena_text(arena, name);
    if (in_percent(shop, 50))
        deed->op.id = lk_id_new(clerk->client->lk);
    else if (lk_id_from_text(name, &deed->op.id) != LK_OK)
        world_fail(&shop->sim->world, "no id for %s", name);
    list_append(&shop->deeds, &deed->node);
    return deed;
}

/* Once more, by whomever: what was unknown gets settled, what was done is answered the same. */
static struct deed *deed_again(const struct shop *shop)
{
    struct deed *found = NULL;
    int64_t seen = 0;

    list_for_each (node, &shop->deeds) {
        struct deed *deed = container_of(node, struct deed, node);
        if (deed->asker && deed->asker->client->is_dead) { /* nobody was told */
            deed->asker = NULL;
            deed->may_be_done = true;
        }
        if (!deed->asker && between(shop, 0, seen++) == 0)
            found = deed;
    }
    return found;
}

static void ask(struct clerk *clerk)
{
    struct shop *shop = clerk->shop;
    struct deed *deed = in_percent(shop, 30) ? deed_again(shop) : NULL;
    int64_t deadline_ns = LK_FOREVER;

    if (!deed)
        deed = deed_new(clerk);
    clerk->deed = deed;
    clerk->is_cancelled = false;
    clerk->asked_early = !shop->is_open;
    clerk->has_deadline = in_percent(shop, 40);
    deed->asker = clerk;
    if (clerk->has_deadline)
        deadline_ns = sim_client_now(clerk->client)
                      + between(shop, 0, in_percent(shop, 50) ? 20 : 3000) * MS;
    world_tell(&shop->sim->world, "%s asks for %s", clerk->client->name, deed->name);
    int status = lk_ledger_do_start(ledger_of(shop, clerk->client), &deed->op, deadline_ns,
                                    answered, clerk, &clerk->op);
    if (status != LK_OK)
        world_fail(&shop->sim->world, "asking for %s answered %s", deed->name,
                   lk_status_name(status));
    if (in_percent(shop, 10))
        event_at(&shop->sim->world, &clerk->act,
                 shop->sim->world.now_ns + between(shop, 0, 1000) * MS, acted);
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

/* ---- the manager, whose calls block ---- */

static bool is_unsettled(int status)
{
    return status == LK_E_UNKNOWN || status == LK_E_DEADLINE || status == LK_E_NO_SERVER;
}

static int64_t soon(const struct program *program)
{
    return sim_client_now(program->client) + 5 * SECOND;
}

static void expect(struct program *program, const char *what, int status, int also)
{
    struct shop *shop = program->client->sim->state;

    world_tell(&shop->sim->world, "%s: %s answers %s", program->client->name, what,
               lk_status_name(status));
    if (status != LK_OK && status != also && status != LK_E_CLOSED && !is_unsettled(status))
        world_fail(&shop->sim->world, "%s: %s answers %s", program->client->name, what,
                   lk_status_name(status));
}

static void audit(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    lk_audit *found = NULL;

    int status = lk_ledger_audit(ledger_of(shop, program->client), soon(program), &found);
    expect(program, "the audit", status, LK_OK);
    if (status != LK_OK)
        return;
    if (found->fault_count)
        world_fail(&shop->sim->world, "%s: the audit finds a fault: %s", program->client->name,
                   found->faults[0]);
    shop->is_audited = true;
    lk_audit_free(found);
}

static void add_stock(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    lk_id id = LK_ID_NONE;
    uint64_t count = (uint64_t)between(shop, 1, 10);
    int status;

    do
        status = lk_campaign_add_stock(ledger_of(shop, program->client), count, &id, soon(program));
    while (is_unsettled(status) && !shop->is_settling);
    expect(program, "adding stock", status,
           status == LK_E_CAMPAIGN_ENDED ? LK_E_CAMPAIGN_ENDED : LK_E_CAMPAIGN_CLOSED);
}

static void show(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    lk_account *account = NULL;
    lk_campaign_info info;

    expect(program, "show",
           lk_campaign_show(ledger_of(shop, program->client), soon(program), &info), LK_OK);
    int status = lk_account_show(ledger_of(shop, program->client), "ann", soon(program), &account);
    expect(program, "the account", status, LK_OK);
    if (status == LK_OK)
        lk_account_free(account);
}

static void close_campaign(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    lk_id id = LK_ID_NONE;
    int status;

    do
        status = lk_campaign_close(ledger_of(shop, program->client), &id, soon(program));
    while (is_unsettled(status) && !shop->is_settling);
    expect(program, "closing", status, LK_OK);
}

static bool create(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    lk_id id = LK_ID_NONE;
    int status;

    do
        status = lk_campaign_create(ledger_of(shop, program->client), &shop->rules, &id,
                                    soon(program));
    while (is_unsettled(status) && !shop->is_settling);
    expect(program, "creating the campaign", status, LK_OK);
    shop->is_open |= status == LK_OK;
    return status == LK_OK;
}

static void manage(struct program *program)
{
    void (*const duties[])(struct program *) = { audit, audit, add_stock, show, show };
    struct shop *shop = program->client->sim->state;

    if (!create(program))
        return;
    while (!shop->is_settling && !shop->sim->world.failure[0]) {
        program_sleep(program, between(shop, 1, 3000) * MS);
        if (program->client->lk && shop->is_settling)
            return;
        if (in_percent(shop, 3))
            close_campaign(program);
        else
            duties[between(shop, 0, 4)](program);
    }
}

static void audit_at_the_end(struct program *program)
{
    struct shop *shop = program->client->sim->state;
    shop->is_audited = false;
    audit(program);
}

/* ---- the recount ---- */

static char *joined(struct arena *arena, char *name)
{
    char *copy = arena_text(arena, name);
    free(name);
    return copy;
}

struct recount {
    uint64_t stocked[LK_SHARDS_MAX], stocked_sum, available, issued;
    unsigned char seen[LK_SHARDS_MAX][SERIALS_MAX]; /* 1: may still be given out; 2: given out */
};

static void see(struct shop *shop, struct recount *recount, lk_coupon name, unsigned char how)
{
    struct world *world = &shop->sim->world;

    if (name.shard >= shop->rules.shards || name.serial == 0 || name.serial >= SERIALS_MAX)
        world_fail(world, "coupon %u-%llu can't be", name.shard, (unsigned long long)name.serial);
    else if (recount->seen[name.shard][name.serial])
        world_fail(world, "coupon %u-%llu stands twice", name.shard,
                   (unsigned long long)name.serial);
    else
        recount->seen[name.shard][name.serial] = how;
}

static void recount_shard(struct shop *shop, const struct tree *tree, size_t index,
                          struct recount *recount)
{
    const struct znode *znode = tree_find(tree,
                                          joined(&shop->sim->world.arena, name_shard(PATH, index)));
    struct shard shard = { 0 };

    if (!znode
        || shard_decode(&shard, znode->data, (size_t)znode->stat.data_size, (uint32_t)index)
               != LK_OK) {
        world_fail(&shop->sim->world, "shard %zu can't be read", index);
        return;
    }
    recount->stocked[index] = shard.stocked;
    recount->stocked_sum += shard.stocked;
    recount->available += shard_available(&shard);
    for (size_t i = 0; i < shard.range_count; i++)
        for (uint64_t j = 0; j < shard.ranges[i].count; j++)
            see(shop, recount, (lk_coupon){ shard.ranges[i].shard, shard.ranges[i].first + j }, 1);
    shard_free(&shard);
}

static int read_account(const struct znode *znode, struct account *account)
{
    char user[LK_USER_MAX + 1];

    if (!user_decode(znode_name(znode), user, sizeof(user)))
        return LK_E_INVALID;
    return account_decode(account, znode->data, (size_t)znode->stat.data_size, user, strlen(user));
}

static void recount_account(struct shop *shop, const struct znode *znode, struct recount *recount)
{
    struct account account = { 0 };

    if (read_account(znode, &account) != LK_OK) {
        world_fail(&shop->sim->world, "%s can't be read", znode->path);
        return;
    }
    if (shop->rules.per_user && account_counted(&account) > shop->rules.per_user)
        world_fail(&shop->sim->world, "%s has %zu coupons, above the limit", znode->path,
                   account_counted(&account));
    for (size_t i = 0; i < account.coupon_count; i++)
        see(shop, recount, account.coupons[i].name, 2);
    recount->issued += account.coupon_count;
    account_free(&account);
}

static void check(struct sim *sim)
{
    struct shop *shop = sim->state;
    const struct tree *tree = ensemble_truth(&sim->ensemble);
    struct recount recount = { 0 };

    if (tree->zxid == shop->checked_zxid)
        return;
    shop->checked_zxid = tree->zxid;
    const struct znode *accounts = tree_find(tree, PATH "/accounts");
    if (!accounts)
        return;
    for (size_t i = 0; i < shop->rules.shards; i++)
        recount_shard(shop, tree, i, &recount);
    list_for_each (bucket, &accounts->children) {
        const struct znode *folder = container_of(bucket, struct znode, siblings);
        list_for_each (node, &folder->children)
            recount_account(shop, container_of(node, struct znode, siblings), &recount);
    }
    if (recount.stocked_sum != recount.available + recount.issued)
        world_fail(&sim->world, "%llu coupons were stocked, but %llu are available and %llu issued",
                   (unsigned long long)recount.stocked_sum, (unsigned long long)recount.available,
                   (unsigned long long)recount.issued);
}

/* ---- the end ---- */

static void check_deed(struct shop *shop, const struct deed *deed)
{
    struct world *world = &shop->sim->world;
    const char *path = joined(&world->arena, name_account(PATH, deed->op.user));
    const struct znode *znode = tree_find(ensemble_truth(&shop->sim->ensemble), path);
    struct account account = { 0 };
    lk_ledger_result result = { 0 };
    int status = LK_E_NOT_FOUND;

    if (znode && read_account(znode, &account) == LK_OK)
        status = account_lookup(&account, deed->op.id, &result);
    if (deed->is_done && status == LK_E_NOT_FOUND)
        world_fail(world, "%s was done, but its account knows nothing of it", deed->name);
    if (deed->is_done && status == LK_OK && !is_same_answer(&deed->result, &result))
        world_fail(world, "%s stands otherwise in its account than it was answered", deed->name);
    if (!deed->is_done && !deed->may_be_done && (!deed->asker || !deed->asker->client->is_dead)
        && status == LK_OK)
        world_fail(world, "%s was done, but whoever asked was told that it was not", deed->name);
    account_free(&account);
}

static void check_end(struct sim *sim)
{
    struct shop *shop = sim->state;

    list_for_each (node, &shop->deeds)
        check_deed(shop, container_of(node, struct deed, node));
    if (shop->is_open && !shop->is_audited)
        world_fail(&sim->world, "the last audit did not come to its end");
}

static void settle(struct sim *sim)
{
    struct shop *shop = sim->state;

    shop->is_settling = true;
    list_for_each (node, &shop->clerks) {
        struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed)
            event_stop(&sim->world, &clerk->act);
    }
}

static bool is_settled(struct sim *sim)
{
    struct shop *shop = sim->state;

    if (!shop->manager.done && !shop->manager.client->is_dead)
        return false;
    list_for_each (node, &shop->clerks) {
        const struct clerk *clerk = container_of(node, struct clerk, node);
        if (clerk->deed && !clerk->client->is_dead)
            return false;
    }
    if (!shop->is_open)
        return true;
    if (!shop->auditor.run)
        program_start(&shop->auditor, sim_client_any(sim), audit_at_the_end);
    return shop->auditor.done;
}

/* A program that is not done is stuck in a call: of a client that was killed, or in a world that
 * failed. */
static void end_program(struct program *program)
{
    if (program->run && !program->done)
        (void)!lk_client_close(program->client->lk, 0);
    program_join(program);
}

static void free_handles(struct sim *sim)
{
    struct shop *shop = sim->state;

    end_program(&shop->manager);
    end_program(&shop->auditor);
    list_for_each (node, &shop->branches) {
        struct branch *branch = container_of(node, struct branch, node);
        branch->ledger = lk_ledger_free(branch->ledger);
        sim_client_touch(branch->client);
    }
    list_for_each (node, &shop->clerks)
        event_stop(&sim->world, &container_of(node, struct clerk, node)->act);
}

/* ---- the beginning ---- */

static void add_branch(struct shop *shop, const lk_client_options *options)
{
    struct sim *sim = shop->sim;
    struct branch *branch = arena_take(&sim->world.arena, sizeof(*branch));

    branch->client = sim_client_new(sim, options);
    int status = lk_ledger_new(&branch->ledger, branch->client->lk, PATH);
    if (status != LK_OK)
        world_fail(&sim->world, "lk_ledger_new answered %s", lk_status_name(status));
    list_append(&shop->branches, &branch->node);
    for (int64_t i = between(shop, 1, 3); i > 0; i--) {
        struct clerk *clerk = arena_take(&sim->world.arena, sizeof(*clerk));
        clerk->shop = shop;
        clerk->client = branch->client;
        list_append(&shop->clerks, &clerk->node);
        event_at(&sim->world, &clerk->act, sim->world.now_ns + between(shop, 0, 500) * MS, acted);
    }
}

static void choose_rules(struct shop *shop)
{
    const lk_campaign_options defaults = LK_CAMPAIGN_OPTIONS_INIT;
    int64_t now_ms = INT64_C(1700000000000) + shop->sim->world.now_ns / MS;

    shop->rules = defaults;
    shop->rules.stock = (uint64_t)between(shop, 0, 40);
    shop->rules.per_user = (uint32_t)between(shop, 0, 6);
    shop->rules.shards = (uint32_t)between(shop, 1, 4);
    shop->rules.freeze_ttl_ms = between(shop, 1, 3000);
    if (in_percent(shop, 20))
        shop->rules.opens_ms = now_ms + between(shop, 0, 3000);
    if (in_percent(shop, 20))
        shop->rules.closes_ms = now_ms + between(shop, 4000, 10000);
    if (in_percent(shop, 20))
        shop->rules.ends_ms = now_ms + between(shop, 10000, 15000);
}

static void begin(struct sim *sim)
{
    struct shop *shop = arena_take(&sim->world.arena, sizeof(*shop));
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    shop->sim = sim;
    sim->state = shop;
    choose_rules(shop);
    options.session_timeout_ms = sim->ensemble.tick_ns / MS * between(shop, 6, 12);
    for (int64_t clients = between(shop, 2, 4); clients > 0; clients--)
        add_branch(shop, &options);
    if (!sim->world.failure[0])
        program_start(&shop->manager, container_of(sim->clients.next, struct sim_client, node),
                      manage);
}

const struct workload workload_ledger = {
    .name = "ledger",
    .begin = begin,
    .settle = settle,
    .is_settled = is_settled,
    .free_handles = free_handles,
    .check = check,
    .check_end = check_end,
};
