/* test_ledger_scale.c - campaigns that grow, that are large, that are many, and that are written for
 * ever: on servers whose shards and accounts have nearly used up their versions.
 *
 * Nobody can wait for 2^31 writes, so the server begins with a snapshot in which the first tests
 * find such a campaign. */
#include "ledger_shop.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/account.h"
#include "ledger/names.h"
#include "ledger/rotate.h"
#include "snapshot.h"

enum { OLD_TESTS = 4, OLD_STOCK = 20, OLD_SHARDS = 2, MANY = 3000, CAMPAIGNS = 200 };
enum { CHANGE = 2 }; /* of a campaign: which of its multis it is; the first is the barrier */
#define OLD_SEAL "/sale/seal-0000000000000011"
static const lk_coupon old_coupon = { 0, 1 }; /* ann's */

/* ---- versions come to their end ---- */

static int32_t version_of(const char *path)
{
    struct Stat stat = { 0 };

    assert_true(raw_exists(path, &stat));
    return stat.version;
}

static void change_ann(lk_ledger *shop, lk_ledger_verb verb, const char *order)
{
    assert_status(DO(shop, .verb = verb, .user = "ann", .coupon = old_coupon, .order = order),
                  LK_OK);
}

static void claims_transitions_and_stock_go_on_where_versions_end(void)
{
    lk_ledger *shop = ledger(LIVE_CLIENT("shop", 0), "/sale");
    lk_ledger *other = ledger(LIVE_CLIENT("other", 0), "/sale");
    char user[20];

    for (int i = 0; i < 4; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(i % 2 ? shop : other, user);
        change_ann(i % 2 ? shop : other, LK_LEDGER_FREEZE, user);
        change_ann(shop, LK_LEDGER_UNFREEZE, user);
        assert_status(lk_campaign_add_stock(other, 3, NULL, patience()), LK_OK);
    }
    change_ann(other, LK_LEDGER_REDEEM, NULL);
    assert_true(version_of(live_path("/sale/stock/0000")) < 100);
    assert_true(version_of(live_path("/sale/stock/0001")) < 100);
    assert_true(version_of(account_path("/sale", "ann")) < 100);
    assert_false(raw_exists(live_path(OLD_SEAL), NULL));
    AUDIT_CLEAN(shop, .available = OLD_STOCK + 12 - 5, .claimed = 4, .redeemed = 1, .accounts = 5);
}

static void a_lost_reply_where_versions_end_is_found_again(void)
{
    lk_ledger *shop = ledger(LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS), "/sale");

    /* The handle knows the campaign, and ann's account is one write before the end. */
    change_ann(shop, LK_LEDGER_FREEZE, "o1");
    assert_int_equal(version_of(account_path("/sale", "ann")), VERSION_ROTATE);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    change_ann(shop, LK_LEDGER_REDEEM, "o1");
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(version_of(account_path("/sale", "ann")), 0);

    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    assert_int_equal(version_of(live_path("/sale/stock/0000")), VERSION_ROTATE);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, CHANGE), 0);
    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(version_of(live_path("/sale/stock/0000")), 0);
    AUDIT_CLEAN(shop, .available = OLD_STOCK + 4 - 1, .redeemed = 1, .accounts = 1);
}

static void a_lost_claim_where_versions_end_takes_one_coupon(void)
{
    lk_ledger *shop = ledger(LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS), "/sale");
    char user[20];

    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    for (int i = 0; i < 4; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        int (*lose)(zkbox_proxy *, int, int) = i % 2 ? zkbox_proxy_lose_reply
                                                     : zkbox_proxy_lose_request;
        assert_int_equal(lose(live_proxy(), MULTI, 1), 0);
        claim(shop, user);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    }
    AUDIT_CLEAN(shop, .available = OLD_STOCK + 2 - 5, .claimed = 5, .accounts = 5);
}

static void a_new_shard_comes_with_a_new_seal(void)
{
    lk_ledger *shop = ledger(LIVE_CLIENT("shop", 0), "/sale");
    lk_ledger *other = ledger(LIVE_CLIENT("other", 0), "/sale");

    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    claim(other, "bob");
    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    assert_true(version_of(live_path("/sale/stock/0000")) < 100);
    assert_true(version_of(live_path("/sale/stock/0001")) < 100);
    assert_false(raw_exists(live_path(OLD_SEAL), NULL));
    claim(other, "cid");
    AUDIT_CLEAN(shop, .available = OLD_STOCK + 4 - 3, .claimed = 3, .accounts = 3);
}

/* ---- growing ---- */

static uint32_t shards_of(lk_ledger *shop)
{
    lk_campaign_info info;

    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    return info.rules.shards;
}

static void a_campaign_grows_while_it_is_used(void)
{
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", 0), "/sale", .stock = 10, .shards = 2);
    lk_ledger *other = ledger(LIVE_CLIENT("other", 0), "/sale");
    lk_campaign_info info;
    lk_id id = LK_ID_NONE;
    char user[20];

    claim(shop, "ann");
    claim(other, "bob");
    assert_status(lk_campaign_grow(shop, 5, &id, patience()), LK_OK);
    assert_status(lk_campaign_grow(other, 5, &id, patience()), LK_OK);
    assert_status(lk_campaign_grow(shop, 6, &id, patience()), LK_E_ID_DIFFERS);
    assert_status(lk_campaign_grow(shop, 5, NULL, patience()), LK_E_INVALID);
    assert_status(lk_campaign_grow(shop, 1, NULL, patience()), LK_E_INVALID);
    assert_status(lk_campaign_grow(shop, LK_SHARDS_MAX + 1, NULL, patience()), LK_E_INVALID);
    AUDIT_CLEAN(other, .available = 8, .claimed = 2, .accounts = 2);

    for (int i = 0; i < 4; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(i % 2 ? shop : other, user);
    }
    assert_status(lk_campaign_add_stock(other, 10, NULL, patience()), LK_OK);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.rules.shards, 5);
    assert_int_equal(info.stocked, 20);
    assert_int_equal(info.available, 14);
    for (int i = 4; i < 18; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(i % 2 ? shop : other, user);
    }
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "cid"), LK_E_SOLD_OUT);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "cid"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 20, .accounts = 20);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_status(lk_campaign_grow(other, 7, NULL, patience()), LK_E_CAMPAIGN_CLOSED);
    assert_status(lk_campaign_delete(other, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
}

/* The handles claim until nothing is left; stock moves from shard to shard all the while. */
static void a_campaign_grows_while_sellers_empty_it(void)
{
    enum { STOCK = 100, SELLERS = 3 };
    struct seller sellers[SELLERS] = { 0 };
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", 0), "/sale", .stock = STOCK, .shards = 2);
    lk_campaign_info info = { 0 };
    uint64_t issued = 0, sold = 0;

    for (unsigned i = 0; i < SELLERS; i++) {
        sellers[i].number = i;
        sellers[i].ledger = ledger(LIVE_CLIENT("seller", 0), "/sale");
        assert_int_equal(pthread_create(&sellers[i].thread, NULL, sell, &sellers[i]), 0);
    }
    assert_status(lk_campaign_grow(shop, 16, NULL, patience()), LK_OK);
    for (bool sold_out = false; !sold_out; sold_out = info.available == 0) {
        assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
        assert_int_equal(info.stocked, STOCK);
        assert_int_equal(info.available + info.issued, STOCK);
        assert_true(info.issued >= issued);
        issued = info.issued;
    }
    for (unsigned i = 0; i < SELLERS; i++) {
        pthread_join(sellers[i].thread, NULL);
        assert_status(sellers[i].status, LK_OK);
        sold += sellers[i].sold;
    }
    assert_int_equal(sold, STOCK);
}

/* Moves the first shard's coupon to the last shard and back, once for each time that somebody has
 * looked. */
enum { MOVED_SHARDS = 16, LOOKS = 300 };
struct mover {
    pthread_t thread;
    struct record_out records[2][2]; /* here and there: of the first shard, of the last */
    char first[64], last[64];
    atomic_uint looks;
    int rc;
};

static void *move_on(void *arg)
{
    struct mover *mover = arg;
    unsigned seen = 0;

    for (unsigned i = 1; seen < LOOKS && mover->rc == ZOK; i++) {
        const struct record_out *records = mover->records[i % 2];
        zoo_op_t ops[2];
        zoo_op_result_t results[2];
        const char *paths[] = { mover->first, mover->last };
        for (size_t j = 0; j < 2; j++)
            zoo_set_op_init(&ops[j], paths[j], (const char *)records[j].bytes, (int)records[j].size,
                            -1, NULL);
        mover->rc = zoo_multi(raw(), 2, ops, results);
        while (atomic_load(&mover->looks) == seen)
            sched_yield();
        seen = atomic_load(&mover->looks);
    }
    return NULL;
}

static void mover_start(struct mover *mover)
{
    struct range both[] = { { MOVED_SHARDS - 1, 1, 1 }, { 0, 1, 1 } };
    struct shard from = { 0, 1, &both[1], 1 }, to = { MOVED_SHARDS - 1, 1, both, 1 };

    for (size_t moved = 0; moved < 2; moved++) {
        from.range_count = 1 - moved;
        to.range_count = 1 + moved;
        assert_int_equal(shard_encode(&from, &mover->records[moved][0]), LK_OK);
        assert_int_equal(shard_encode(&to, &mover->records[moved][1]), LK_OK);
    }
    snprintf(mover->first, sizeof(mover->first), "%s", live_path("/sale/stock/0000"));
    snprintf(mover->last, sizeof(mover->last), "%s", live_path("/sale/stock/0015"));
    assert_int_equal(pthread_create(&mover->thread, NULL, move_on, mover), 0);
}

static void stock_that_moves_is_neither_missed_nor_counted_twice(void)
{
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", 0), "/sale", .stock = MOVED_SHARDS,
                           .shards = MOVED_SHARDS);
    struct mover mover = { .rc = ZOK };
    unsigned wrong = 0;
    lk_campaign_info info;

    mover_start(&mover);
    for (unsigned i = 0; i < LOOKS; i++) {
        assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
        wrong += info.available != MOVED_SHARDS || info.issued != 0;
        atomic_fetch_add(&mover.looks, 1);
    }
    pthread_join(mover.thread, NULL);
    for (size_t i = 0; i < 4; i++)
        record_free(&mover.records[i / 2][i % 2]);
    assert_int_equal(mover.rc, ZOK);
    assert_int_equal(wrong, 0);
}

static void a_campaign_grows_once_also_when_the_reply_is_lost(void)
{
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS), "/sale",
                           .stock = 4, .shards = 1);

    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, CHANGE), 0);
    assert_status(lk_campaign_grow(shop, LK_SHARDS_MAX - 1, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(zkbox_proxy_lose_request(live_proxy(), MULTI, CHANGE), 0);
    assert_status(lk_campaign_grow(shop, LK_SHARDS_MAX, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(shards_of(shop), LK_SHARDS_MAX);
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 3, .claimed = 1, .accounts = 1);
}

static void what_stands_in_the_way_of_a_new_shard_stays(void)
{
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", 0), "/sale", .stock = 4, .shards = 1);
    lk_id id = LK_ID_NONE;

    raw_make(live_path("/sale/stock/0002"));
    assert_status(lk_campaign_grow(shop, 4, &id, patience()), LK_E_FOREIGN);
    assert_int_equal(shards_of(shop), 1);
    claim(shop, "ann");
    raw_delete(live_path("/sale/stock/0002"));
    assert_status(lk_campaign_grow(shop, 4, &id, patience()), LK_OK);
    assert_int_equal(shards_of(shop), 4);
    AUDIT_CLEAN(shop, .available = 3, .claimed = 1, .accounts = 1);
}

static void a_change_of_a_campaign_without_its_seal_is_refused(void)
{
    lk_ledger *shop = OPEN(LIVE_CLIENT("shop", 0), "/sale", .stock = 4, .shards = 2);
    struct names children;

    raw_children(live_path("/sale"), &children);
    for (size_t i = 0; i < children.count; i++) {
        char path[NAME_SIZE + 10];
        snprintf(path, sizeof(path), "/sale/%s", children.name[i]);
        if (strncmp(children.name[i], "seal-", 5) == 0)
            raw_delete(live_path(path));
    }
    assert_status(lk_campaign_grow(shop, 8, NULL, patience()), LK_E_CORRUPT);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_E_CORRUPT);
    assert_status(lk_campaign_add_stock(shop, 8, NULL, patience()), LK_E_CORRUPT);
}

/* ---- large ones ---- */

static bool all_are_sold(void *arg)
{
    struct told *told = arg;
    return told->count == MANY;
}

static lk_ledger *large_campaign(lk_client *client)
{
    lk_ledger *shop = OPEN(client, "/sale", .stock = MANY, .per_user = 1);
    static struct told told;
    char user[20];

    told = (struct told){ 0 };
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(user, sizeof(user), "user-%u", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        assert_status(lk_ledger_do_start(shop, &op, patience(), tell, &told, NULL), LK_OK);
    }
    live_await("all claims to be answered", all_are_sold, &told);
    assert_int_equal(told.ok, MANY);
    return shop;
}

static int tick_off(const lk_account *account, void *arg)
{
    unsigned char *seen = arg;
    unsigned number;

    assert_int_equal(sscanf(account->user, "user-%u", &number), 1);
    assert_true(number < MANY);
    seen[number]++;
    return account->count == 1 ? 0 : -1;
}

static void all_accounts_are_shown_once(void)
{
    lk_ledger *shop = large_campaign(LIVE_CLIENT("shop", 0));
    unsigned char seen[MANY] = { 0 };

    assert_status(lk_account_each(shop, tick_off, seen, patience()), 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(seen[i], 1);
    AUDIT_CLEAN(shop, .claimed = MANY, .accounts = MANY);
}

struct deletion {
    uint64_t done, stop_at;
    unsigned calls;
};

static int follow(uint64_t done, uint64_t total, void *arg)
{
    struct deletion *deletion = arg;

    assert_true(done >= deletion->done && done <= total);
    deletion->done = done;
    deletion->calls++;
    return deletion->stop_at && done >= deletion->stop_at ? 7 : 0;
}

static void a_large_campaign_goes_as_its_progress_says(void)
{
    lk_ledger *shop = large_campaign(LIVE_CLIENT("shop", 0));
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    struct deletion deletion = { .stop_at = MANY / 3 }, rest = { 0 };
    lk_campaign_info info;

    assert_status(lk_campaign_delete(shop, follow, &deletion, patience()), 7);
    assert_true(deletion.done >= MANY / 3 && deletion.done < MANY);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_E_NOT_FOUND);
    assert_status(lk_campaign_create(shop, &options, NULL, patience()), LK_E_EXISTS);
    assert_status(lk_campaign_delete(shop, follow, &rest, patience()), LK_OK);
    assert_int_equal(rest.done, MANY - deletion.done);
    assert_true(rest.calls > 1);
    assert_false(raw_exists(live_path("/sale"), NULL));
    assert_status(lk_campaign_create(shop, &options, NULL, patience()), LK_OK);
}

static void lost_replies_to_many_deletions_do_no_harm(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS);
    lk_ledger *shop = large_campaign(client);

    /* Barriers are multis too: some of these are deletions of accounts, some of buckets. */
    for (int nth = 4; nth <= 8; nth++) {
        struct deletion deletion = { .stop_at = 400 };
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, nth), 0);
        assert_status(lk_campaign_delete(shop, follow, &deletion, patience()), 7);
        assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    }
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
}

static void what_strangers_put_into_a_large_campaign_stays_alone(void)
{
    lk_ledger *shop = large_campaign(LIVE_CLIENT("shop", 0));
    struct names children;
    char path[1024], *bucket;

    snprintf(path, sizeof(path), "%s/note", account_path("/sale", "user-17"));
    raw_create(path, "", 0, ZOO_PERSISTENT);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_E_FOREIGN);
    assert_true(raw_exists(path, NULL));
    raw_children(live_path("/sale/accounts"), &children);
    assert_int_equal(children.count, 1);
    bucket = name_bucket(live_path("/sale"), user_bucket("user-17"));
    raw_children(bucket, &children);
    assert_int_equal(children.count, 1);
    free(bucket);
    raw_delete(path);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
}

struct deleter {
    pthread_t thread;
    lk_ledger *ledger;
    int status;
};

static void *delete_all(void *arg)
{
    struct deleter *deleter = arg;

    deleter->status = lk_campaign_delete(deleter->ledger, NULL, NULL, patience());
    return NULL;
}

static void several_may_delete_the_same_campaign(void)
{
    struct deleter deleters[3] = { { .ledger = large_campaign(LIVE_CLIENT("shop", 0)) } };

    deleters[1].ledger = ledger(LIVE_CLIENT("second", 0), "/sale");
    deleters[2].ledger = ledger(LIVE_CLIENT("third", 0), "/sale");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&deleters[i].thread, NULL, delete_all, &deleters[i]), 0);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(deleters[i].thread, NULL);
        /* Who comes when all is done finds no campaign. */
        if (deleters[i].status != LK_E_NOT_FOUND)
            assert_status(deleters[i].status, LK_OK);
    }
    assert_false(raw_exists(live_path("/sale"), NULL));
}

/* ---- many ---- */

static void one_process_has_handles_on_many_campaigns(void)
{
    static lk_ledger *shops[CAMPAIGNS];
    lk_client *client = LIVE_CLIENT("shop", 0);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    struct told told = { 0 };
    char path[20], user[20];

    options.stock = 4;
    options.shards = 1;
    for (unsigned i = 0; i < CAMPAIGNS; i++) {
        snprintf(path, sizeof(path), "/sale-%u", i);
        assert_status(lk_ledger_new(&shops[i], client, path), LK_OK);
        assert_status(lk_campaign_create(shops[i], &options, NULL, patience()), LK_OK);
    }
    /* Five users come to each: 1,000 claims, as all_are_told() wants them. */
    for (unsigned i = 0; i < 5 * CAMPAIGNS; i++) {
        snprintf(user, sizeof(user), "user-%u", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        assert_status(lk_ledger_do_start(shops[i % CAMPAIGNS], &op, patience(), tell, &told, NULL),
                      LK_OK);
    }
    live_await("all claims to be answered", all_are_told, &told);
    assert_int_equal(told.ok, 4 * CAMPAIGNS);
    assert_int_equal(told.sold_out, CAMPAIGNS);
    for (unsigned i = 0; i < CAMPAIGNS; i++) {
        if (i % 20 == 0)
            AUDIT_CLEAN(shops[i], .claimed = 4, .accounts = 4);
        lk_ledger_free(shops[i]);
    }
}

/* ---- the past of the first tests ---- */

static struct snapshot_znode znodes[OLD_TESTS * 10];
static size_t znode_count;

__attribute__((format(printf, 4, 5))) static void past(const void *data, size_t size,
                                                       int32_t version, const char *format, ...)
{
    va_list arguments;
    char *path;

    va_start(arguments, format);
    if (vasprintf(&path, format, arguments) < 0)
        abort();
    va_end(arguments);
    znodes[znode_count++] = (struct snapshot_znode){
        .path = path, .version = version, .data = data, .size = size
    };
}

/* One write before the end all of them, but for the clock, which is there. */
static void make_campaign(unsigned test, const struct record_out *campaign,
                          const struct record_out *shards, const struct record_out *account)
{
    int32_t version = VERSION_ROTATE - 1;
    char bucket[BUCKET_NAME_SIZE];

    bucket_name(user_bucket("ann"), bucket);
    past(NULL, 0, 0, "/t%u", test);
    past(campaign->bytes, campaign->size, 1000, "/t%u/sale", test);
    past(NULL, 0, 0, "/t%u" OLD_SEAL, test);
    past(NULL, 0, INT32_MAX, "/t%u/sale/clock", test);
    past(NULL, 0, 0, "/t%u/sale/stock", test);
    for (int i = 0; i < OLD_SHARDS; i++)
        past(shards[i].bytes, shards[i].size, version, "/t%u/sale/stock/%04d", test, i);
    past(NULL, 0, 0, "/t%u/sale/accounts", test);
    past(NULL, 0, 0, "/t%u/sale/accounts/%s", test, bucket);
    past(account->bytes, account->size, version, "/t%u/sale/accounts/%s/ann", test, bucket);
}

/* A campaign with its two shards, of which ann has the first coupon. */
static char *make_past(void)
{
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    struct campaign campaign = { .seal = 0x11 };
    struct shard shards[OLD_SHARDS] = { { .index = 0 }, { .index = 1 } };
    bool known[OLD_SHARDS] = { true, true }, touched[OLD_SHARDS] = { 0 };
    struct stock stock = { shards, known, touched, OLD_SHARDS, 0 };
    struct account account = { .user = "ann", .user_size = 3 };
    struct record_out records[OLD_SHARDS + 2] = { 0 };
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .id = { { 1 } }, .user = "ann", .count = 1 };
    lk_ledger_result result = { 0 };
    struct judge judge = { .campaign = &campaign, .now_ms = 1600000000000, .stock = &stock };
    int failed = 0;

    options.stock = OLD_STOCK;
    options.shards = OLD_SHARDS;
    failed |= campaign_rules(&options, &campaign.rules);
    failed |= applied_add(&campaign.applied,
                          &(struct applied){ .id = { { 2 } }, .verb = CAMPAIGN_CREATE });
    for (int i = 0; i < OLD_SHARDS; i++)
        failed |= shard_add(&shards[i], OLD_STOCK / OLD_SHARDS);
    failed |= account_apply(&account, &judge, &op, &result) != VERDICT_APPLIED;
    failed |= campaign_encode(&campaign, &records[0]);
    failed |= account_encode(&account, &records[1]);
    for (int i = 0; i < OLD_SHARDS; i++)
        failed |= shard_encode(&shards[i], &records[2 + i]);
    assert(!failed);
    for (unsigned test = 1; test <= OLD_TESTS; test++)
        make_campaign(test, &records[0], &records[2], &records[1]);
    char *folder = failed ? NULL : snapshot_make(znodes, znode_count);
    for (size_t i = 0; i < znode_count; i++)
        free((char *)znodes[i].path);
    for (size_t i = 0; i < OLD_SHARDS + 2; i++)
        record_free(&records[i]);
    for (int i = 0; i < OLD_SHARDS; i++)
        shard_free(&shards[i]);
    campaign_free(&campaign);
    account_free(&account);
    return folder;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(claims_transitions_and_stock_go_on_where_versions_end),
        SHOP_TEST(a_lost_reply_where_versions_end_is_found_again),
        SHOP_TEST(a_lost_claim_where_versions_end_takes_one_coupon),
        SHOP_TEST(a_new_shard_comes_with_a_new_seal),
        SHOP_TEST(a_campaign_grows_while_it_is_used),
        SHOP_TEST(a_campaign_grows_while_sellers_empty_it),
        SHOP_TEST(stock_that_moves_is_neither_missed_nor_counted_twice),
        SHOP_TEST(a_campaign_grows_once_also_when_the_reply_is_lost),
        SHOP_TEST(what_stands_in_the_way_of_a_new_shard_stays),
        SHOP_TEST(a_change_of_a_campaign_without_its_seal_is_refused),
        SHOP_TEST(all_accounts_are_shown_once),
        SHOP_TEST(a_large_campaign_goes_as_its_progress_says),
        SHOP_TEST(lost_replies_to_many_deletions_do_no_harm),
        SHOP_TEST(what_strangers_put_into_a_large_campaign_stays_alone),
        SHOP_TEST(several_may_delete_the_same_campaign),
        SHOP_TEST(one_process_has_handles_on_many_campaigns),
    };
    char *past_folder = make_past();

    if (!past_folder) {
        perror("a snapshot for the server");
        return 1;
    }
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.tick_ms = TICK_MS;
    options.fsync = false;
    options.data_from = past_folder;
    int failed = live_main("live ledger_scale", &options, tests, sizeof tests / sizeof *tests);
    snapshot_remove(past_folder);
    return failed;
}
