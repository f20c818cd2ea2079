/* test_ledger_races.c - many at once: one order wins, nothing is oversold, commits are shared. */
#include "ledger_shop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- races ---- */

enum { RACERS = 50 };

struct racer {
    pthread_t thread;
    lk_ledger *ledger;
    lk_ledger_op op;
    char order[20];
    lk_ledger_result result;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    int status = lk_ledger_do(racer->ledger, &racer->op, patience(), &racer->result);

    return (void *)(intptr_t)status;
}

static void freeze_and_redeem_raced_by_fifty_threads(size_t clients)
{
    struct racer racers[RACERS];
    lk_ledger *at[8];
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 1);
    lk_coupon coupon = claim(shop, "ann");
    size_t won = 0, winner = 0;

    at[0] = shop;
    for (size_t i = 1; i < clients; i++)
        at[i] = ledger(live_client("racer", (struct live_client){ 0 }), "/sale");
    for (size_t i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){ .ledger = at[i % clients] };
        snprintf(racers[i].order, sizeof(racers[i].order), "order-%zu", i);
        bool freezes = i % 5 != 0;
        racers[i].op = (lk_ledger_op){
            .verb = freezes ? LK_LEDGER_FREEZE : LK_LEDGER_REDEEM,
            .user = "ann",
            .coupon = coupon,
            .order = freezes ? racers[i].order : NULL,
        };
    }
    for (size_t i = 0; i < RACERS; i++)
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        if (racers[i].result.status == LK_OK) {
            winner = i;
            won++;
        }
    }
    assert_int_equal(won, 1);
    bool frozen = racers[winner].op.verb == LK_LEDGER_FREEZE;
    for (size_t i = 0; i < RACERS; i++)
        if (i != winner)
            assert_status(racers[i].result.status, frozen ? LK_E_FROZEN : LK_E_REDEEMED);
    assert_int_equal(state_of(shop, "ann", coupon), frozen ? LK_FROZEN : LK_REDEEMED);
    if (frozen) {
        assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon,
                         .order = racers[winner].order),
                      LK_OK);
    }
    AUDIT_CLEAN(shop, .redeemed = 1, .accounts = 1);
}

static void one_order_wins_when_fifty_threads_of_one_client_race(void)
{
    freeze_and_redeem_raced_by_fifty_threads(1);
}

static void one_order_wins_when_fifty_threads_of_eight_clients_race(void)
{
    freeze_and_redeem_raced_by_fifty_threads(8);
}

enum { SELLERS = 8 };

static void sellers_in_conflict_never_oversell(void)
{
    struct seller sellers[SELLERS] = { 0 };
    lk_client *one = live_client("one", (struct live_client){ 0 }),
              *two = live_client("two", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(one, "/sale", .stock = 200, .shards = 2, .per_user = 4);
    lk_ledger *at[] = { shop, ledger(two, "/sale"), ledger(one, "/sale"), ledger(two, "/sale") };
    lk_campaign_info info;
    unsigned sold = 0;
    lk_audit *audit;

    for (unsigned i = 0; i < SELLERS; i++) {
        sellers[i] = (struct seller){ .ledger = at[i % 4], .number = i };
        assert_int_equal(pthread_create(&sellers[i].thread, NULL, sell, &sellers[i]), 0);
    }
    /* Audits while they sell find nothing. */
    for (int i = 0; i < 5; i++) {
        assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
        for (size_t j = 0; j < audit->fault_count; j++)
            print_error("%s\n", audit->faults[j]);
        assert_int_equal(audit->fault_count, 0);
        lk_audit_free(audit);
    }
    for (unsigned i = 0; i < SELLERS; i++) {
        assert_int_equal(pthread_join(sellers[i].thread, NULL), 0);
        assert_status(sellers[i].status, LK_OK);
        sold += sellers[i].sold;
    }
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.issued, sold);
    assert_true(info.available < 3);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    for (size_t j = 0; j < audit->fault_count; j++)
        print_error("%s\n", audit->faults[j]);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->claimed, sold);
    lk_audit_free(audit);
}

static struct told claim_for_a_thousand(lk_ledger *shop)
{
    struct told told = { 0 };
    char user[20];

    for (int i = 0; i < 1000; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        assert_status(lk_ledger_do_start(shop, &op, patience(), tell, &told, NULL), LK_OK);
    }
    live_await("a thousand answers", all_are_told, &told);
    return told;
}

static void users_who_come_back_cost_few_commits_too(void)
{
    claim_for_a_thousand(OPEN(LIVE_CLIENT("first", .proxied = false), "/sale", .stock = 2000));

    /* Another one, who knows none of them. */
    lk_ledger *shop = ledger(LIVE_CLIENT("second", .proxied = true), "/sale");
    assert_int_equal(claim_for_a_thousand(shop).ok, 1000);
    assert_true(zkbox_proxy_requests(live_proxy(), MULTI) < 200);
    AUDIT_CLEAN(shop, .claimed = 2000, .accounts = 1000);
}

static void a_thousand_claims_at_once_share_commits(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 700);
    struct told told = claim_for_a_thousand(shop);

    assert_int_equal(told.ok, 700);
    assert_int_equal(told.sold_out, 300);
    assert_true(zkbox_proxy_requests(live_proxy(), MULTI) < 200);
    AUDIT_CLEAN(shop, .claimed = 700, .accounts = 700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(one_order_wins_when_fifty_threads_of_one_client_race),
        SHOP_TEST(one_order_wins_when_fifty_threads_of_eight_clients_race),
        SHOP_TEST(sellers_in_conflict_never_oversell),
        SHOP_TEST(a_thousand_claims_at_once_share_commits),
        SHOP_TEST(users_who_come_back_cost_few_commits_too),
    };
    return live_main("ledger races", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
