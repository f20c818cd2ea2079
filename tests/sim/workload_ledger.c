/* workload_ledger.c - a shop: clerks and managers (shop.h) work at one campaign's path, and after
 * each commit the servers' records are held against the law (books.h).
 *
 * Most worlds are of one campaign that lives to the end. In some it moves: it is deleted and made
 * anew. In some coupons are scarce, so that "sold out" and new stock meet. In some all work on one
 * account without rest, so that it forgets ids. In some the znodes have been written nearly as often as
 * a version can count. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"
#include "shop.h"
#include "workloads.h"

#define COUNTED_EACH 64 /* commits: then everything is counted anew */

struct branch *shop_branch(const struct shop *shop, const struct sim_client *client)
{
    list_for_each (node, &shop->branches) {
        struct branch *branch = container_of(node, struct branch, node);
        if (branch->client == client)
            return branch;
    }
    return NULL;
}

lk_ledger *shop_ledger(const struct shop *shop, const struct sim_client *client)
{
    return shop_branch(shop, client)->ledger;
}

/* ---- the books against the tree, read by the ledger's own code ---- */

static void recount_account(struct shop *shop, const struct znode *znode, size_t *coupons)
{
    const struct sale *sale = books_sale(&shop->books);
    char user[LK_USER_MAX + 1];
    struct account account = { 0 };

    if (!user_decode(znode_name(znode), user, sizeof(user))
        || account_decode(&account, znode->data, (size_t)znode->stat.data_size, user, strlen(user))
               != LK_OK) {
        world_fail(&shop->sim->world, "%s can't be read", znode->path);
        return;
    }
    const struct law_account *known = sale_account(sale, user);
    if (known->coupon_count != account.coupon_count)
        world_fail(&shop->sim->world, "%s has %zu coupons, the books know %zu", znode->path,
                   account.coupon_count, known->coupon_count);
    for (size_t i = 0; i < account.coupon_count && !shop->sim->world.failure[0]; i++)
        if (!law_coupon_is(account.coupons[i].name, known->coupons[i].name)
            || account.coupons[i].state != known->coupons[i].state)
            world_fail(&shop->sim->world, "%s is not what the books know", znode->path);
    *coupons += account.coupon_count;
    account_free(&account);
}

static void recount(struct shop *shop, const struct tree *tree)
{
    const struct sale *sale = books_sale(&shop->books);
    const struct znode *accounts = tree_find(tree, SHOP_PATH "/accounts");
    const struct znode *stock = tree_find(tree, SHOP_PATH "/stock");
    uint64_t available = 0;
    size_t coupons = 0;

    if (!books_are_open(&shop->books) || !accounts || !stock)
        return;
    struct memory *before = memory_use(NULL);
    list_for_each (node, &stock->children) {
        const struct znode *znode = container_of(node, struct znode, siblings);
        struct shard shard = { 0 };
        uint32_t index = (uint32_t)strtoul(znode_name(znode), NULL, 10);
        if (shard_decode(&shard, znode->data, (size_t)znode->stat.data_size, index) != LK_OK)
            world_fail(&shop->sim->world, "%s can't be read", znode->path);
        available += shard_available(&shard);
        shard_free(&shard);
    }
    list_for_each (bucket, &accounts->children) {
        const struct znode *folder = container_of(bucket, struct znode, siblings);
        list_for_each (node, &folder->children)
            recount_account(shop, container_of(node, struct znode, siblings), &coupons);
    }
    memory_use(before);
    if (available != sale->law.available || coupons != sale->issued)
        world_fail(&shop->sim->world, "a recount finds other sums than the books");
}

/* Whether a transaction, also one that failed further on, found the znode as it was thought to be. */
static bool has_checked(const struct txn *txn, const char *path)
{
    for (size_t i = 0; i < txn->count; i++) {
        if (txn->rcs[i] != KEEPER_OK && txn->rcs[i] != KEEPER_NOT_APPLIED)
            return false;
        if (txn->changes[i].kind == CHANGE_NONE && txn->changes[i].path
            && strcmp(txn->changes[i].path, path) == 0)
            return true;
    }
    return false;
}

static bool is_proof(const struct sale *sale, const struct txn *txn)
{
    char path[64];

    if (txn->kind != TXN_CHANGES || txn->count <= sale->law.options.shards)
        return false;
    snprintf(path, sizeof(path), SHOP_PATH "/seal-%016" PRIx64, sale->seal);
    if (!has_checked(txn, path))
        return false;
    for (uint32_t i = 0; i < sale->law.options.shards; i++) {
        snprintf(path, sizeof(path), SHOP_PATH "/stock/%04u", i);
        if (!has_checked(txn, path))
            return false;
    }
    return true;
}

/* Checks of the seal and of all shards, in one transaction: whoever sent it may remember for a while
 * that it is sold out. */
static void witness_proof(struct shop *shop, const struct txn *txn)
{
    const struct sale *sale = books_sale(&shop->books);

    if (!books_are_open(&shop->books) || !is_proof(sale, txn))
        return;
    list_for_each (node, &shop->branches) {
        struct branch *branch = container_of(node, struct branch, node);
        if (link_session_of(branch->client) != txn->session)
            continue;
        if (branch->proven_sale != sale->number)
            memset(branch->proven_ns, 0, sizeof(branch->proven_ns));
        branch->proven_sale = sale->number;
        for (uint64_t i = sale->law.available + 1; i <= LK_CLAIM_MAX; i++)
            branch->proven_ns[i] = shop->sim->world.now_ns;
    }
}

static void witness(struct sim *sim, const struct tree *before, const struct txn *txn)
{
    struct shop *shop = sim->state;

    /* `before` is the tree that the books have seen. */
    if (shop && txn->zxid % COUNTED_EACH == 0)
        recount(shop, before);
    if (!shop)
        return;
    witness_proof(shop, txn);
    books_witness(&shop->books, txn);
    if (shop->books.zxid == txn->zxid)
        clerks_check_chains(shop);
}

static void see_change(struct books *books, const char *user)
{
    clerks_see_change(books, user);
    if (!user)
        shop_watchers_see_change(container_of(books, struct shop, books));
}

/* ---- the end ---- */

static void check_end(struct sim *sim)
{
    struct shop *shop = sim->state;

    recount(shop, ensemble_truth(&sim->ensemble));
    if (books_are_open(&shop->books) && !shop->is_audited && !shop->auditor.client->is_dead)
        world_fail(&sim->world, "the last audit did not come to its end");
}

static void settle(struct sim *sim)
{
    struct shop *shop = sim->state;

    shop->is_settling = true;
    clerks_settle(shop);
    shop_watchers_settle(shop);
}

static bool is_done(const struct program *program)
{
    return !program->run || program->done || program->client->is_dead;
}

static bool is_settled(struct sim *sim)
{
    struct shop *shop = sim->state;

    if (!is_done(&shop->manager) || !is_done(&shop->rival) || !is_done(&shop->sweeper)
        || !clerks_are_settled(shop) || !shop_watchers_are_settled(shop))
        return false;
    if (!books_are_open(&shop->books))
        return true;
    if (!shop->auditor.run && !program_start(&shop->auditor, sim_client_any(sim), audit_at_the_end))
        world_fail(&sim->world, "no thread for the auditor");
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
    end_program(&shop->rival);
    end_program(&shop->sweeper);
    end_program(&shop->auditor);
    shop_watchers_free(shop);
    list_for_each (node, &shop->branches) {
        struct branch *branch = container_of(node, struct branch, node);
        branch->ledger = lk_ledger_free(branch->ledger);
        sim_client_touch(branch->client);
    }
    clerks_end(shop);
}

/* ---- the beginning ---- */

static struct sim_client *add_branch(struct shop *shop, const lk_client_options *options)
{
    struct sim *sim = shop->sim;
    struct branch *branch = arena_take(&sim->world.arena, sizeof(*branch));

    branch->client = sim_client_new(sim, options);
    int status = lk_ledger_new(&branch->ledger, branch->client->lk, SHOP_PATH);
    if (status != LK_OK)
        world_fail(&sim->world, "lk_ledger_new answered %s", lk_status_name(status));
    list_append(&shop->branches, &branch->node);
    for (int64_t i = shop_between(shop, 1, 3); i > 0; i--)
        clerk_begin(shop, branch->client);
    if (shop_percent(shop, 30))
        shop_watcher_begin(shop, branch->client);
    return branch->client;
}

void shop_choose_rules(struct shop *shop)
{
    const lk_campaign_options defaults = LK_CAMPAIGN_OPTIONS_INIT;
    int64_t now_ms = books_now_ms(&shop->books);

    shop->rules = defaults;
    shop->rules.stock = (uint64_t)shop_between(shop, 0, shop->is_scarce ? 4 : 40);
    shop->rules.per_user = shop->is_scarce ? 0 : (uint32_t)shop_between(shop, 0, 6);
    shop->rules.shards = (uint32_t)shop_between(shop, 1, 4);
    shop->rules.history = shop_percent(shop, 50) ? 0 : (uint32_t)shop_between(shop, 8, 20);
    shop->rules.freeze_ttl_ms = shop_between(shop, 1, shop->is_busy || shop->is_swept ? 100 : 3000);
    if (shop_percent(shop, 20))
        shop->rules.opens_ms = now_ms + shop_between(shop, 0, 3000);
    if (shop_percent(shop, 20))
        shop->rules.closes_ms = now_ms + shop_between(shop, 4000, 10000);
    if (shop_percent(shop, 20))
        shop->rules.ends_ms = now_ms + shop_between(shop, 10000, 15000);
}

static void begin(struct sim *sim)
{
    struct shop *shop = arena_take(&sim->world.arena, sizeof(*shop));
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    struct sim_client *first = NULL, *last = NULL;

    shop->sim = sim;
    sim->state = shop;
    books_begin(&shop->books, sim, SHOP_PATH);
    shop->books.was_asked_for = clerks_asked;
    shop->books.may_be_forgotten = clerks_may_be_forgotten;
    shop->books.has_changed = see_change;
    shop->moves = shop_percent(shop, 20);
    shop->is_scarce = shop_percent(shop, 20);
    shop->is_busy = !shop->is_scarce && shop_percent(shop, 2);
    shop->is_swept = shop_percent(shop, 10);
    if (shop_percent(shop, 10)) {
        sim->ensemble.worn = SHOP_PATH;
        sim->ensemble.worn_version = VERSION_ROTATE - (int32_t)shop_between(shop, 0, 6);
    }
    shop_choose_rules(shop);
    options.session_timeout_ms = sim->ensemble.tick_ns / MS * shop_between(shop, 6, 12);
    for (int64_t clients = shop_between(shop, 2, 4); clients > 0; clients--) {
        last = add_branch(shop, &options);
        first = first ? first : last;
    }
    if (sim->world.failure[0])
        return;
    if (!program_start(&shop->manager, first, manage)
        || (shop->moves && !program_start(&shop->rival, last, rival))
        || (shop->is_swept && !program_start(&shop->sweeper, last, sweep_on)))
        world_fail(&sim->world, "no thread for the managers");
}

const struct workload workload_ledger = {
    .name = "ledger",
    .begin = begin,
    .settle = settle,
    .is_settled = is_settled,
    .free_handles = free_handles,
    .witness = witness,
    .check_end = check_end,
    .bears_scarcity = true,
};
