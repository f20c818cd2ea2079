/* test_ledger_losses.c - replies, requests, servers and clients lost: everything is applied once, and every
 * answer is true. */
#include "ledger_shop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- lost replies ---- */

static void a_lost_reply_is_settled(const char *path, void (*before)(lk_ledger *, lk_coupon),
                                    const lk_ledger_op *op, struct sums sums)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, path, .stock = 5);
    lk_coupon coupon = claim(shop, "ann");
    lk_ledger_op asked = *op;

    asked.coupon = coupon;
    if (before)
        before(shop, coupon);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    assert_status(do_op(shop, asked), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_false(last.repeated);
    AUDIT_CLEAN(shop, .available = sums.available, .claimed = sums.claimed, .frozen = sums.frozen,
                .redeemed = sums.redeemed, .accounts = 1);
}

static void freeze_before(lk_ledger *shop, lk_coupon coupon)
{
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_OK);
}

static void a_claim_whose_reply_is_lost_is_applied_once(void)
{
    a_lost_reply_is_settled("/sale", NULL,
                            &(lk_ledger_op){ .verb = LK_LEDGER_CLAIM, .user = "ann" },
                            (struct sums){ .available = 3, .claimed = 2 });
}

static void a_freeze_whose_reply_is_lost_is_applied_once(void)
{
    a_lost_reply_is_settled(
        "/sale", NULL, &(lk_ledger_op){ .verb = LK_LEDGER_FREEZE, .user = "ann", .order = "o" },
        (struct sums){ .available = 4, .frozen = 1 });
}

static void a_redeem_whose_reply_is_lost_is_applied_once(void)
{
    a_lost_reply_is_settled(
        "/sale", freeze_before,
        &(lk_ledger_op){ .verb = LK_LEDGER_REDEEM, .user = "ann", .order = "o" },
        (struct sums){ .available = 4, .redeemed = 1 });
}

static void a_request_that_is_lost_is_sent_again(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 5);

    claim(shop, "ann");
    assert_int_equal(zkbox_proxy_lose_request(live_proxy(), MULTI, 1), 0);
    claim(shop, "ann");
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    AUDIT_CLEAN(shop, .available = 3, .claimed = 2, .accounts = 1);
}

static void campaign_operations_whose_replies_are_lost_are_applied_once(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = ledger(client, "/shop/sale");
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    lk_campaign_info info;

    raw_make(live_path("/shop"));
    options.stock = 5;
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    assert_status(lk_campaign_create(shop, &options, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    assert_status(lk_campaign_add_stock(shop, 6, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, 1), 0);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), PATIENCE_MS), 0);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.stocked, 11);
    assert_true(info.closed);
}

enum { UNLUCKY = 20 };

/* Of every third commit the reply is lost, of every third the request. */
static void with_replies_and_requests_lost_all_the_way_every_answer_is_true(void)
{
    /* The client library waits T/60 before it comes back: a short T keeps this test short. */
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .timeout_ms = 3000);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000, .per_user = 2, .shards = 2);
    lk_client *calm = live_client("other", (struct live_client){ 0 });
    struct seller rival = { .ledger = ledger(calm, "/sale"), .number = 9 };
    unsigned coupons = 0, redeemed = 0;
    lk_audit *audit;
    char user[20];

    assert_int_equal(pthread_create(&rival.thread, NULL, sell, &rival), 0);
    for (unsigned i = 0; i < UNLUCKY; i++) {
        snprintf(user, sizeof(user), "user-%u", i);
        (void)zkbox_proxy_lose_reply(live_proxy(), MULTI, 1);
        int status = DO(shop, .verb = LK_LEDGER_CLAIM, .user = user);
        assert_true(status == LK_OK || status == LK_E_LIMIT);
        if (status != LK_OK)
            continue;
        lk_coupon coupon = last.coupons[0];
        coupons++;
        (void)zkbox_proxy_lose_request(live_proxy(), MULTI, 1);
        assert_status(
            DO(shop, .verb = LK_LEDGER_FREEZE, .user = user, .coupon = coupon, .order = "o"),
            LK_OK);
        assert_false(last.repeated);
        assert_status(
            DO(shop, .verb = LK_LEDGER_REDEEM, .user = user, .coupon = coupon, .order = "o"),
            LK_OK);
        redeemed++;
    }
    assert_int_equal(pthread_join(rival.thread, NULL), 0);
    assert_status(rival.status, LK_OK);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++)
        print_error("%s\n", audit->faults[i]);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->issued, coupons + rival.sold);
    assert_int_equal(audit->redeemed, redeemed);
    lk_audit_free(audit);
}

static void a_server_that_dies_and_comes_back_costs_time_and_nothing_else(void)
{
    /* A server that is just starting may take a connection and never answer on it: the client
     * library gives that one up after two thirds of T. */
    lk_client *client = LIVE_CLIENT("shop", .timeout_ms = BRISK_MS);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2000);
    struct told told = { 0 };
    lk_audit *audit;
    char user[20];

    for (int i = 0; i < 1000; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        assert_status(lk_ledger_do_start(shop, &op, patience(), tell, &told, NULL), LK_OK);
        if (i == 500)
            assert_int_equal(zkbox_kill(live_box(), 0), 0);
    }
    assert_int_equal(zkbox_restart(live_box(), 0), 0);
    live_await("a thousand answers", all_are_told, &told);
    assert_int_equal(told.ok, 1000);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->claimed, 1000);
    lk_audit_free(audit);
}

static void an_operation_that_can_not_be_settled_in_time_is_unknown(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 5, .shards = 1);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_ledger_result result, found;

    claim(shop, "ann");
    /* Sent and applied, but no answer can come back. */
    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    assert_status(lk_ledger_do(shop, &op, lk_in_ms(SOON_MS), &result), LK_E_UNKNOWN);
    assert_false(memcmp(result.id.bytes, LK_ID_NONE.bytes, sizeof(result.id.bytes)) == 0);
    assert_status(lk_ledger_lookup(other, "ann", result.id, patience(), &found), LK_OK);
    zkbox_proxy_heal(live_proxy());
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = result.id), LK_OK);
    assert_true(last.repeated);
    AUDIT_CLEAN(other, .available = 3, .claimed = 2, .accounts = 1);
}

struct chained {
    int status[2];
    atomic_bool told; /* and all of the above with it */
};

static void tell_chain(const lk_ledger_result *results, size_t count, void *arg)
{
    struct chained *chained = arg;

    for (size_t i = 0; i < count; i++)
        chained->status[i] = results[i].status;
    chained->told = true;
    live_changed();
}

static bool chain_is_told(void *chained)
{
    return ((struct chained *)chained)->told;
}

/* The reply to a chain is lost, and until its client comes back the first of its two accounts
 * forgets what was done to it. */
static void of_a_chain_that_may_have_happened_nobody_is_told_that_it_did_not(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .timeout_ms = 3000);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 9, .history = 8);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon anns = claim(shop, "ann"), bobs = claim(shop, "bob");
    const lk_ledger_op chain[] = {
        { .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = anns, .linked = true },
        { .verb = LK_LEDGER_REDEEM, .user = "bob", .coupon = bobs },
    };
    struct chained chained = { 0 };

    zkbox_proxy_one_way(live_proxy(), ZKBOX_TO_CLIENT);
    assert_status(lk_ledger_submit_start(shop, chain, 2, patience(), tell_chain, &chained, NULL),
                  LK_OK);
    while (state_of(other, "ann", anns) != LK_REDEEMED)
        ;
    for (int i = 0; i < 9; i++)
        assert_status(DO(other, .verb = i % 2 ? LK_LEDGER_REDEEM : LK_LEDGER_REFUND, .user = "ann",
                         .coupon = anns),
                      LK_OK);
    zkbox_proxy_heal(live_proxy());
    live_await("the end of the chain", chain_is_told, &chained);
    assert_status(chained.status[0], LK_E_UNKNOWN);
    assert_status(chained.status[1], LK_E_UNKNOWN);
    assert_int_equal(state_of(other, "bob", bobs), LK_REDEEMED);
}

static void without_a_server_nothing_is_done_and_that_is_said(void)
{
    zkbox_proxy_cut(live_proxy());
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .unconnected = true);
    lk_ledger *shop = ledger(client, "/sale");
    lk_ledger_result result;
    lk_campaign_info info;

    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    assert_status(lk_ledger_do(shop, &op, lk_in_ms(SOON_MS), &result), LK_E_NO_SERVER);
    assert_status(lk_campaign_show(shop, lk_in_ms(SOON_MS), &info), LK_E_NO_SERVER);
}

static void a_cancelled_operation_is_answered_once(void)
{
    zkbox_proxy_cut(live_proxy());
    lk_client *client = LIVE_CLIENT("shop", .proxied = true, .unconnected = true);
    lk_ledger *shop = ledger(client, "/sale");
    struct told told = { .count = 998 };
    lk_op op;

    const lk_ledger_op asked = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    assert_status(lk_ledger_do_start(shop, &asked, LK_FOREVER, tell, &told, &op), LK_OK);
    lk_cancel(client, op);
    assert_status(lk_ledger_do_start(shop, &asked, LK_FOREVER, tell, &told, &op), LK_OK);
    ledgers_free();
    live_await("both answers", all_are_told, &told);
    assert_int_equal(told.ok + told.sold_out, 0);
}

static const char *program;

/* This program once more, as a shop of its own that claims until it is killed: claims "child-0",
 * "child-1", ... */
static int be_the_child(const char *servers, const char *root)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_ledger_result result;
    lk_client *client;
    lk_ledger *sale;
    char user[20];

    options.servers = servers;
    options.root = root;
    if (lk_client_new(&client, &options) != LK_OK || lk_ledger_new(&sale, client, "/sale") != LK_OK)
        return 1;
    for (unsigned i = 0;; i++) {
        snprintf(user, sizeof(user), "child-%u", i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user };
        if (lk_ledger_do(sale, &op, patience(), &result) != LK_OK)
            return 2;
        if (i == 50 && write(STDOUT_FILENO, "x", 1) != 1)
            return 3;
    }
}

static void a_client_that_dies_in_the_middle_leaves_the_books_true(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 100000);
    lk_audit *audit;

    struct child child = child_start(program);
    child_kill(child);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_true(audit->claimed > 50);
    assert_int_equal(audit->claimed, audit->issued);
    lk_audit_free(audit);
    claim(shop, "ann");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return be_the_child(argv[1], argv[2]);
    program = argv[0];
    const struct CMUnitTest tests[] = {
        SHOP_TEST(a_claim_whose_reply_is_lost_is_applied_once),
        SHOP_TEST(a_freeze_whose_reply_is_lost_is_applied_once),
        SHOP_TEST(a_redeem_whose_reply_is_lost_is_applied_once),
        SHOP_TEST(a_request_that_is_lost_is_sent_again),
        SHOP_TEST(campaign_operations_whose_replies_are_lost_are_applied_once),
        SHOP_TEST(with_replies_and_requests_lost_all_the_way_every_answer_is_true),
        SHOP_TEST(a_server_that_dies_and_comes_back_costs_time_and_nothing_else),
        SHOP_TEST(an_operation_that_can_not_be_settled_in_time_is_unknown),
        SHOP_TEST(of_a_chain_that_may_have_happened_nobody_is_told_that_it_did_not),
        SHOP_TEST(without_a_server_nothing_is_done_and_that_is_said),
        SHOP_TEST(a_cancelled_operation_is_answered_once),
        SHOP_TEST(a_client_that_dies_in_the_middle_leaves_the_books_true),
    };
    return live_main("ledger losses", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
