/* test_ledger_audit.c - the audit beside traffic that claims, freezes, redeems and moves stock, and what
 * it makes of records that somebody damaged by hand: named, proposed, repaired, clean. */
#include "ledger_shop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/account.h"
#include "ledger/names.h"
#include "ledger/restock.h"

enum { SELLERS = 4, AUDITS = 50, USERS = 40, RECORD_SIZE_MAX = 64 * 1024 };

/* ---- beside traffic ---- */

static atomic_bool closing_time;

struct clerk {
    pthread_t thread;
    lk_ledger *ledger;
    unsigned number;
    atomic_uint done;
    int status;
};

static int step(struct clerk *clerk, lk_ledger_op op, lk_ledger_result *result)
{
    int status = lk_ledger_do(clerk->ledger, &op, patience(), result);

    clerk->done += status == LK_OK;
    live_changed();
    return status;
}

static bool is_an_answer(int status)
{
    return status == LK_OK || (status <= LK_E_SOLD_OUT && status >= LK_E_ACCOUNT_FULL);
}

/* One user after another claims, orders, and buys, or thinks again. */
static void *serve(void *arg)
{
    struct clerk *clerk = arg;
    lk_ledger_result result;
    char user[30];

    for (unsigned i = 0; !closing_time && clerk->status == LK_OK; i++) {
        snprintf(user, sizeof(user), "user-%u", (i * SELLERS + clerk->number) % USERS);
        lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user, .count = 1 + i % 3 };
        int status = step(clerk, op, &result);
        op = (lk_ledger_op){
            .verb = LK_LEDGER_FREEZE, .user = user, .coupon = result.coupons[0], .order = "order"
        };
        bool claimed = status == LK_OK;
        if (claimed)
            status = step(clerk, op, &result);
        op.verb = i % 2 ? LK_LEDGER_REDEEM : LK_LEDGER_UNFREEZE;
        if (claimed && status == LK_OK)
            status = step(clerk, op, &result);
        op.verb = i % 2 ? LK_LEDGER_REFUND : LK_LEDGER_VOID;
        op.order = NULL;
        if (claimed && status == LK_OK)
            status = step(clerk, op, &result);
        clerk->status = is_an_answer(status) ? LK_OK : status;
    }
    return NULL;
}

/* Moves ranges from one shard to the next by hand, as the commit of a claim may. */
struct porter {
    pthread_t thread;
    zhandle_t *handle;
    char paths[2][64];
    atomic_uint moved;
};

static void *carry(void *arg)
{
    struct porter *porter = arg;

    for (unsigned turn = 0; !closing_time; turn++) {
        struct shard shards[2] = { { 0 } };
        struct record_out records[2] = { { 0 } };
        struct Stat stats[2];
        zoo_op_t sets[2];
        zoo_op_result_t results[2];
        bool ready = true, cut = false;

        for (int i = 0; i < 2; i++) {
            char bytes[RECORD_SIZE_MAX];
            int size = sizeof(bytes);
            int rc = zoo_get(porter->handle, porter->paths[i], 0, bytes, &size, &stats[i]);
            ready = ready && rc == ZOK
                    && shard_decode(&shards[i], bytes, (size_t)size, (uint32_t)i) == LK_OK;
        }
        struct shard *from = &shards[turn % 2], *to = &shards[(turn + 1) % 2];
        if (ready && from->range_count > 0) {
            struct range stretch = from->ranges[from->range_count - 1];
            stretch.count = (stretch.count + 1) / 2;
            ready = shard_cut(from, &stretch, &cut) == LK_OK && shard_put(to, &stretch) == LK_OK;
        }
        for (int i = 0; i < 2 && cut && ready; i++) {
            ready = shard_encode(&shards[i], &records[i]) == LK_OK;
            zoo_set_op_init(&sets[i], porter->paths[i], (char *)records[i].bytes,
                            (int)records[i].size, stats[i].version, NULL);
        }
        if (cut && ready)
            porter->moved += zoo_multi(porter->handle, 2, sets, results) == ZOK;
        live_changed();
        for (int i = 0; i < 2; i++) {
            record_free(&records[i]);
            shard_free(&shards[i]);
        }
    }
    return NULL;
}

static struct traffic {
    struct clerk clerks[SELLERS];
    struct porter porter;
} traffic; /* of the present test */

static bool is_lively(void *arg)
{
    bool lively = traffic.porter.moved > 0;

    (void)arg;
    for (unsigned i = 0; i < SELLERS; i++)
        lively = lively && traffic.clerks[i].done > 0;
    return lively;
}

/* Stock is carried between the first two shards. */
static void traffic_begins(const char *campaign)
{
    memset(&traffic, 0, sizeof(traffic));
    traffic.porter.handle = raw_open(zkbox_address(live_box(), 0), CALM_MS);
    closing_time = false;
    for (unsigned i = 0; i < SELLERS; i++) {
        struct clerk *clerk = &traffic.clerks[i];
        clerk->number = i;
        clerk->ledger = ledger(live_client("clerk", (struct live_client){ 0 }), campaign);
        pthread_create(&clerk->thread, NULL, serve, clerk);
    }
    for (int i = 0; i < 2; i++)
        snprintf(traffic.porter.paths[i], sizeof(traffic.porter.paths[i]), "%s/stock/%04d",
                 live_path(campaign), i);
    pthread_create(&traffic.porter.thread, NULL, carry, &traffic.porter);
    live_await("traffic", is_lively, NULL);
}

static void traffic_ends(void)
{
    closing_time = true;
    pthread_join(traffic.porter.thread, NULL);
    for (unsigned i = 0; i < SELLERS; i++)
        pthread_join(traffic.clerks[i].thread, NULL);
    for (unsigned i = 0; i < SELLERS; i++)
        assert_status(traffic.clerks[i].status, LK_OK);
}

static bool is_clean(const lk_audit *audit)
{
    for (size_t i = 0; i < audit->fault_count; i++)
        live_tell("fault: %s", audit->faults[i]);
    return audit->fault_count == 0
           && audit->issued == audit->claimed + audit->frozen + audit->redeemed + audit->voided;
}

static void audits_are_clean_while_coupons_states_and_stock_move(void)
{
    lk_ledger *office = OPEN(live_client("office", (struct live_client){ 0 }), "/sale",
                             .stock = 100000, .shards = 16);
    int status = LK_OK;
    int64_t zxid = 0;
    bool clean = true;

    traffic_begins("/sale");
    for (int i = 0; i < AUDITS && clean && status == LK_OK; i++) {
        lk_audit *audit;
        status = lk_ledger_audit(office, patience(), &audit);
        if (status != LK_OK)
            break;
        live_tell("audit of %llx: issued %llu", (unsigned long long)audit->zxid,
                  (unsigned long long)audit->issued);
        clean = is_clean(audit) && audit->zxid >= zxid;
        zxid = audit->zxid;
        lk_audit_free(audit);
    }
    traffic_ends();
    assert_status(status, LK_OK);
    assert_true(clean);
    lk_audit *audit;
    assert_status(lk_ledger_audit(office, patience(), &audit), LK_OK);
    assert_true(is_clean(audit));
    lk_audit_free(audit);
}

/* ---- damage, by hand ---- */

typedef void shard_fn(struct shard *shard);

static void change_shard(const char *campaign, uint32_t index, shard_fn *change)
{
    char bytes[RECORD_SIZE_MAX], path[128];
    struct shard shard = { 0 };
    struct record_out record = { 0 };

    snprintf(path, sizeof(path), "%s/stock/%04u", live_path(campaign), index);
    size_t size = raw_get(path, bytes, sizeof(bytes), NULL);
    assert_int_equal(shard_decode(&shard, bytes, size, index), LK_OK);
    change(&shard);
    assert_int_equal(shard_encode(&shard, &record), LK_OK);
    raw_set(path, record.bytes, record.size);
    record_free(&record);
    shard_free(&shard);
}

typedef void account_fn(struct account *account);

static void change_account(const char *campaign, const char *user, account_fn *change)
{
    const char *path = account_path(campaign, user);
    char bytes[RECORD_SIZE_MAX];
    struct account account = { 0 };
    struct record_out record = { 0 };
    struct Stat stat;

    size_t size = raw_get(path, bytes, sizeof(bytes), &stat);
    assert_int_equal(account_decode(&account, bytes, size, user, strlen(user)), LK_OK);
    account.zxid = stat.mzxid;
    account_touch(&account);
    change(&account);
    assert_int_equal(account_encode(&account, &record), LK_OK);
    raw_set(path, record.bytes, record.size);
    record_free(&record);
    account_free(&account);
}

/* The world of each: a campaign of one shard, ten coupons, at most three a user; ann has 0-1 and 0-2,
 * bob 0-3 and 0-4, cid 0-5. */
static void ann_is_gone(const char *campaign)
{
    raw_delete(account_path(campaign, "ann"));
}

static void have_the_same(struct account *account)
{
    account->coupons[1].name = account->coupons[0].name;
}

static void bobs_second_is_his_first(const char *campaign)
{
    change_account(campaign, "bob", have_the_same);
}

static void have_0_1(struct account *account)
{
    account->coupons[1].name = (lk_coupon){ 0, 1 };
}

static void bobs_second_is_anns(const char *campaign)
{
    change_account(campaign, "bob", have_0_1);
}

static void have_0_1_redeemed(struct account *account)
{
    have_0_1(account);
    account->coupons[1].state = LK_REDEEMED;
}

static void bob_has_used_anns(const char *campaign)
{
    change_account(campaign, "bob", have_0_1_redeemed);
}

static void put_0_1(struct shard *shard)
{
    assert_int_equal(shard_put(shard, &(struct range){ 0, 1, 1 }), LK_OK);
}

static void anns_is_in_the_stock(const char *campaign)
{
    change_shard(campaign, 0, put_0_1);
}

static void put_0_8(struct shard *shard)
{
    shard->ranges[0].count -= 1;
    assert_int_equal(shard_put(shard, &(struct range){ 0, 8, 1 }), LK_OK);
    shard->ranges[0].count += shard->range_count > 1;
}

static void stock_is_there_twice(const char *campaign)
{
    change_shard(campaign, 0, put_0_8);
}

static void put_7_1(struct shard *shard)
{
    assert_int_equal(shard_put(shard, &(struct range){ 7, 1, 5 }), LK_OK);
}

static void stock_is_there_that_nobody_minted(const char *campaign)
{
    change_shard(campaign, 0, put_7_1);
}

static void mint_more(struct shard *shard)
{
    assert_int_equal(shard_add(shard, 5), LK_OK);
}

static void more_is_minted(const char *campaign)
{
    change_shard(campaign, 0, mint_more);
}

static void have_0_77(struct account *account)
{
    account->coupons[1].name = (lk_coupon){ 0, 77 };
}

static void bob_has_one_that_was_never_stocked(const char *campaign)
{
    change_account(campaign, "bob", have_0_77);
}

static void redeem_the_first(struct account *account)
{
    account->coupons[0].state = LK_REDEEMED;
}

static void bobs_is_redeemed_by_nobody(const char *campaign)
{
    change_account(campaign, "bob", redeem_the_first);
}

static void claim_by_one_id(struct account *account)
{
    account->claims[1].id = account->claims[0].id;
}

static void bobs_id_was_applied_twice(const char *campaign)
{
    change_account(campaign, "bob", claim_by_one_id);
}

static void bobs_record_is_broken(const char *campaign)
{
    raw_set(account_path(campaign, "bob"), "LK\5", 3);
}

static void bob_stands_elsewhere(const char *campaign)
{
    char bytes[RECORD_SIZE_MAX], bucket[256];

    size_t size = raw_get(account_path(campaign, "bob"), bytes, sizeof(bytes), NULL);
    raw_delete(account_path(campaign, "bob"));
    snprintf(bucket, sizeof(bucket), "%s/accounts/3ff", live_path(campaign));
    raw_make(bucket);
    strcat(bucket, "/bob");
    raw_create(bucket, bytes, size, ZOO_PERSISTENT);
}

typedef void campaign_fn(struct campaign *campaign);

static void change_campaign(const char *path, campaign_fn *change)
{
    char bytes[RECORD_SIZE_MAX];
    struct campaign campaign = { 0 };
    struct record_out record = { 0 };

    size_t size = raw_get(live_path(path), bytes, sizeof(bytes), NULL);
    assert_int_equal(campaign_decode(&campaign, bytes, size), LK_OK);
    change(&campaign);
    assert_int_equal(campaign_encode(&campaign, &record), LK_OK);
    raw_set(live_path(path), record.bytes, record.size);
    record_free(&record);
    campaign_free(&campaign);
}

static void allow_one(struct campaign *campaign)
{
    campaign->rules.per_user = 1;
}

static void the_limit_was_lower(const char *campaign)
{
    change_campaign(campaign, allow_one);
}

static void have_been_closed(struct campaign *campaign)
{
    campaign->rules.closes_ms = 1;
}

static void the_campaign_was_over(const char *campaign)
{
    change_campaign(campaign, have_been_closed);
}

static const struct damage {
    const char *campaign;
    void (*strike)(const char *campaign);
    lk_fault_kind kind;
    bool by_a_person;
} damages[] = {
    { "/lost", ann_is_gone, LK_FAULT_LOST, false },
    { "/same", bobs_second_is_his_first, LK_FAULT_TWICE, false },
    { "/twice", bobs_second_is_anns, LK_FAULT_TWICE, false },
    { "/used", bob_has_used_anns, LK_FAULT_TWICE, true },
    { "/once", anns_is_in_the_stock, LK_FAULT_ONCE, false },
    { "/double", stock_is_there_twice, LK_FAULT_DOUBLE, false },
    { "/stock", stock_is_there_that_nobody_minted, LK_FAULT_STOCK, false },
    { "/minted", more_is_minted, LK_FAULT_MINTED, true },
    { "/forged", bob_has_one_that_was_never_stocked, LK_FAULT_STOCK, true },
    { "/state", bobs_is_redeemed_by_nobody, LK_FAULT_STATE, true },
    { "/id", bobs_id_was_applied_twice, LK_FAULT_ID, true },
    { "/limit", the_limit_was_lower, LK_FAULT_LIMIT, true },
    { "/time", the_campaign_was_over, LK_FAULT_TIME, true },
    { "/record", bobs_record_is_broken, LK_FAULT_RECORD, true },
    { "/place", bob_stands_elsewhere, LK_FAULT_PLACE, true },
};

static lk_ledger *busy_campaign(lk_client *client, const char *path)
{
    lk_ledger *shop = OPEN(client, path, .stock = 10, .per_user = 3, .shards = 1);
    const char *const users[] = { "ann", "ann", "bob", "bob", "cid" };

    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
        claim(shop, users[i]);
    return shop;
}

/* What a repair told. */
struct steps {
    const lk_audit *audit;
    size_t ok, by_a_person, stale, unknown, others;
    bool told[LK_FAULT_MORE + 1]; /* faults of that kind could be, or were, repaired */
};

static void note_step(const lk_repair_step *step, void *arg)
{
    struct steps *steps = arg;

    live_tell("%s: %s: %s", steps->audit->faults[step->fault], step->proposal,
              lk_status_name(step->status));
    if (step->status == LK_OK)
        steps->told[steps->audit->details[step->fault].kind] = true;
    steps->ok += step->status == LK_OK;
    steps->by_a_person += step->status == LK_E_STATE;
    steps->stale += step->status == LK_E_VERSION;
    steps->unknown += step->status == LK_E_UNKNOWN;
    steps->others += step->status != LK_OK && step->status != LK_E_STATE
                     && step->status != LK_E_VERSION && step->status != LK_E_UNKNOWN;
}

static struct steps repair(lk_ledger *shop, const lk_audit *audit, bool write, int expected)
{
    struct steps steps = { .audit = audit };

    assert_status(lk_ledger_repair(shop, audit, write, note_step, &steps, patience()), expected);
    return steps;
}

static lk_audit *audit_of(lk_ledger *shop)
{
    lk_audit *audit;

    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++) {
        const char *kind = lk_fault_kind_name(audit->details[i].kind);
        live_tell("fault: %s", audit->faults[i]);
        assert_memory_equal(audit->faults[i], kind, strlen(kind));
    }
    return audit;
}

static bool has_fault(const lk_audit *audit, lk_fault_kind kind)
{
    bool has = false;

    for (size_t i = 0; i < audit->fault_count; i++)
        has = has || audit->details[i].kind == kind;
    return has;
}

static void damage_is_named_proposed_and_repaired(lk_client *client, const struct damage *damage)
{
    lk_ledger *shop = busy_campaign(client, damage->campaign);

    damage->strike(damage->campaign);
    lk_audit *audit = audit_of(shop);
    assert_true(has_fault(audit, damage->kind));

    struct steps proposed = repair(shop, audit, false, LK_OK);
    assert_int_equal(proposed.ok + proposed.by_a_person, audit->fault_count);
    assert_int_equal(proposed.told[damage->kind], !damage->by_a_person);
    lk_audit *again = audit_of(shop);
    assert_int_equal(again->fault_count, audit->fault_count);
    assert_int_equal(again->zxid, audit->zxid);
    lk_audit_free(again);

    struct steps done = repair(shop, audit, true, LK_OK);
    assert_int_equal(done.ok, proposed.ok);
    assert_int_equal(done.by_a_person, proposed.by_a_person);
    again = audit_of(shop);
    if (damage->by_a_person)
        assert_true(has_fault(again, damage->kind));
    else
        assert_true(is_clean(again));
    lk_audit_free(again);
    lk_audit_free(audit);
}

static void every_damage_is_named_and_repaired_or_left_to_a_person(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });

    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        live_tell("---- %s", damages[i].campaign);
        damage_is_named_proposed_and_repaired(client, &damages[i]);
    }
}

static void what_was_lost_is_sold_again_once(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");
    unsigned sold = 0;

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_int_equal(repair(shop, audit, true, LK_OK).ok, audit->fault_count);
    lk_audit_free(audit);
    for (unsigned i = 0; i < 12; i++) {
        char user[30];
        snprintf(user, sizeof(user), "late-%u", i);
        sold += DO(shop, .verb = LK_LEDGER_CLAIM, .user = user) == LK_OK;
    }
    assert_int_equal(sold, 7);
    AUDIT_CLEAN(shop, .claimed = 10, .accounts = 9);
}

static void a_repair_is_done_while_claims_write_the_same_shards(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 100000,
                           .shards = 2);
    lk_audit *audit = NULL;
    struct steps steps = { 0 };

    claim(shop, "ann");
    traffic_begins("/sale");
    ann_is_gone("/sale");
    int status = lk_ledger_audit(shop, patience(), &audit);
    if (status == LK_OK) {
        steps.audit = audit;
        status = lk_ledger_repair(shop, audit, true, note_step, &steps, patience());
    }
    traffic_ends();
    assert_status(status, LK_OK);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(steps.ok, 1);
    lk_audit_free(audit);
    audit = audit_of(shop);
    assert_true(is_clean(audit));
    lk_audit_free(audit);
}

static void of_two_repairs_by_the_same_audit_one_happens(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = busy_campaign(client, "/sale"), *other = ledger(client, "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop), *copy = audit_of(other);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).ok, 1);
    assert_int_equal(repair(other, copy, true, LK_OK).stale, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    lk_audit_free(audit);
    lk_audit_free(copy);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

static void a_repair_goes_on_beside_claims_but_not_past_the_account_it_is_about(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");

    bobs_second_is_anns("/sale"); /* and 0-4 is lost */
    lk_audit *audit = audit_of(shop);
    assert_int_equal(audit->fault_count, 2);
    claim(shop, "dan");
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "bob", .coupon = { 0, 1 }), LK_OK);
    struct steps steps = repair(shop, audit, true, LK_OK);
    assert_true(steps.told[LK_FAULT_LOST]);
    assert_int_equal(steps.stale, 1);
    lk_audit_free(audit);
    /* Now it is used. */
    audit = audit_of(shop);
    assert_int_equal(audit->fault_count, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).by_a_person, 1);
    lk_audit_free(audit);
}

static void a_repair_of_a_campaign_that_was_closed_meanwhile_does_nothing(void)
{
    lk_ledger *shop = busy_campaign(live_client("shop", (struct live_client){ 0 }), "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    assert_int_equal(repair(shop, audit, true, LK_E_NOT_FOUND).ok, 0);
    lk_audit_free(audit);
}

/* Before the campaign, the shards, and once more the shards are read; they are multis too. */
enum { BARRIERS = 3 };

static void a_repair_whose_reply_is_lost_is_told_so_and_is_done_once(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .timeout_ms = BRISK_MS);
    lk_ledger *shop = busy_campaign(client, "/sale");

    ann_is_gone("/sale");
    lk_audit *audit = audit_of(shop);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, BARRIERS + 1), 0);
    assert_int_equal(repair(shop, audit, true, LK_E_UNKNOWN).unknown, 1);
    assert_int_equal(repair(shop, audit, true, LK_OK).stale, 1);
    lk_audit_free(audit);
    AUDIT_CLEAN(shop, .available = 7, .claimed = 3, .accounts = 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(audits_are_clean_while_coupons_states_and_stock_move),
        SHOP_TEST(every_damage_is_named_and_repaired_or_left_to_a_person),
        SHOP_TEST(what_was_lost_is_sold_again_once),
        SHOP_TEST(a_repair_is_done_while_claims_write_the_same_shards),
        SHOP_TEST(of_two_repairs_by_the_same_audit_one_happens),
        SHOP_TEST(a_repair_goes_on_beside_claims_but_not_past_the_account_it_is_about),
        SHOP_TEST(a_repair_of_a_campaign_that_was_closed_meanwhile_does_nothing),
        SHOP_TEST(a_repair_whose_reply_is_lost_is_told_so_and_is_done_once),
    };
    return live_main("ledger audit", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
