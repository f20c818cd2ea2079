/* test_ledger.c - campaigns on real servers: never oversold, nothing done twice, every refusal by
 * its name. */
#include "live.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/account.h"
#include "ledger/names.h"

enum { LEDGERS_MAX = 64, MULTI = 14, SOON_MS = 300 };

/* ---- people ---- */

static lk_ledger *ledgers[LEDGERS_MAX];
static size_t ledger_count;

static lk_ledger *ledger(lk_client *client, const char *path)
{
    assert_true(ledger_count < LEDGERS_MAX);
    assert_status(lk_ledger_new(&ledgers[ledger_count], client, path), LK_OK);
    return ledgers[ledger_count++];
}

static void ledgers_free(void)
{
    while (ledger_count > 0)
        lk_ledger_free(ledgers[--ledger_count]);
}

static int64_t patience(void)
{
    return lk_in_ms(PATIENCE_MS);
}

/* All rules but the stock as in LK_CAMPAIGN_OPTIONS_INIT, unless named. */
#define OPEN(client, path, ...)                                                                    \
    open_campaign(client, path,                                                                    \
                  (lk_campaign_options){ .size = sizeof(lk_campaign_options), __VA_ARGS__ })
static lk_ledger *open_campaign(lk_client *client, const char *path, lk_campaign_options options)
{
    lk_ledger *made = ledger(client, path);

    assert_status(lk_campaign_create(made, &options, NULL, patience()), LK_OK);
    return made;
}

static lk_ledger_result last;

#define DO(ledger, ...) do_op(ledger, (lk_ledger_op){ __VA_ARGS__ })
static int do_op(lk_ledger *at, lk_ledger_op op)
{
    char coupon[LK_COUPON_TEXT_SIZE], id[LK_ID_TEXT_SIZE];
    int status = lk_ledger_do(at, &op, patience(), &last);

    live_tell("%s %s %s for %s: %s%s, id %s", lk_ledger_verb_name(op.verb), op.user,
              lk_coupon_text(last.count ? last.coupons[0] : op.coupon, coupon),
              op.order ? op.order : "-", lk_status_name(status), last.repeated ? " (repeated)" : "",
              lk_id_text(last.id, id));
    assert_int_equal(status, last.status);
    return status;
}

static lk_coupon claim(lk_ledger *at, const char *user)
{
    assert_status(DO(at, .verb = LK_LEDGER_CLAIM, .user = user), LK_OK);
    return last.coupons[0];
}

static lk_coupon_state state_of(lk_ledger *at, const char *user, lk_coupon coupon)
{
    lk_coupon_state state = (lk_coupon_state)0;
    lk_account *account;

    assert_status(lk_account_show(at, user, patience(), &account), LK_OK);
    for (size_t i = 0; i < account->count; i++)
        if (account->coupons[i].coupon.serial == coupon.serial
            && account->coupons[i].coupon.shard == coupon.shard)
            state = account->coupons[i].state;
    lk_account_free(account);
    return state;
}

struct sums {
    uint64_t available, claimed, frozen, redeemed, voided, accounts;
};

/* The audit finds nothing, and these numbers. */
#define AUDIT_CLEAN(ledger, ...) audit_clean(ledger, (struct sums){ __VA_ARGS__ })
static void audit_clean(lk_ledger *at, struct sums sums)
{
    lk_audit *audit;

    assert_status(lk_ledger_audit(at, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++)
        print_error("%s\n", audit->faults[i]);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->available, sums.available);
    assert_int_equal(audit->claimed, sums.claimed);
    assert_int_equal(audit->frozen, sums.frozen);
    assert_int_equal(audit->redeemed, sums.redeemed);
    assert_int_equal(audit->voided, sums.voided);
    assert_int_equal(audit->accounts, sums.accounts);
    assert_int_equal(audit->issued,
                     audit->claimed + audit->frozen + audit->redeemed + audit->voided);
    assert_int_equal(audit->stocked, audit->issued + audit->available);
    lk_audit_free(audit);
}

static bool audit_names(lk_ledger *at, const char *words)
{
    lk_audit *audit;
    bool named = false;

    assert_status(lk_ledger_audit(at, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++) {
        live_tell("fault: %s", audit->faults[i]);
        named = named || strstr(audit->faults[i], words);
    }
    lk_audit_free(audit);
    return named;
}

/* Where a user's account stands, as the server sees it. */
static const char *account_path(const char *campaign, const char *user)
{
    char *path = name_account(live_path(campaign), user);
    static char kept[2048];

    assert_non_null(path);
    snprintf(kept, sizeof(kept), "%s", path);
    free(path);
    return kept;
}

/* ---- one after another ---- */

static void a_coupons_whole_life(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/shop/spring/sale",
                           .stock = 10, .per_user = 3);

    lk_coupon coupon = claim(shop, "ann");
    assert_true(last.zxid > 0 && last.time_ms > 0 && !last.repeated);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    assert_int_equal(last.state, LK_FROZEN);
    assert_int_equal(state_of(shop, "ann", coupon), LK_FROZEN);
    assert_status(
        DO(shop, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_E_UNFROZEN);
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_int_equal(state_of(shop, "ann", coupon), LK_REDEEMED);
    assert_status(DO(shop, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_E_VOID);
    claim(shop, "bob/../Ünï.cødé %");
    AUDIT_CLEAN(shop, .available = 8, .claimed = 1, .voided = 1, .accounts = 2);
}

static void the_numbers_of_a_campaign(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 7, .shards = 3, .per_user = 5,
                           .freeze_ttl_ms = 1234);
    lk_campaign_info info;
    lk_id id = LK_ID_NONE;

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 5), LK_OK);
    assert_int_equal(last.count, 5);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_LIMIT);
    assert_status(lk_campaign_add_stock(shop, 4, &id, patience()), LK_OK);
    assert_status(lk_campaign_add_stock(shop, 4, &id, patience()), LK_OK);
    assert_status(lk_campaign_add_stock(shop, 5, &id, patience()), LK_E_ID_DIFFERS);
    assert_status(lk_campaign_close(shop, &id, patience()), LK_E_ID_DIFFERS);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_OK);
    assert_int_equal(info.stocked, 11);
    assert_int_equal(info.available, 6);
    assert_int_equal(info.issued, 5);
    assert_int_equal(info.rules.stock, 7);
    assert_int_equal(info.rules.per_user, 5);
    assert_int_equal(info.rules.freeze_ttl_ms, 1234);
    assert_int_equal(info.rules.shards, 3);
    assert_false(info.closed);
    AUDIT_CLEAN(shop, .available = 6, .claimed = 5, .accounts = 1);
}

static void a_campaign_is_created_once(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = ledger(client, "/sale");
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    lk_id id, other;

    assert_status(lk_id_from_text("spring", &id), LK_OK);
    assert_status(lk_id_from_text("summer", &other), LK_OK);
    options.stock = 5;
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_OK);
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_OK);
    assert_status(lk_campaign_create(shop, &options, &other, patience()), LK_E_EXISTS);
    options.stock = 6;
    assert_status(lk_campaign_create(shop, &options, &id, patience()), LK_E_ID_DIFFERS);
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 4, .claimed = 1, .accounts = 1);
}

static void a_closed_campaign_still_redeems(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 5);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(shop, "ann"), theirs = claim(other, "bob");
    lk_id id = LK_ID_NONE;

    assert_status(lk_campaign_close(shop, &id, patience()), LK_OK);
    assert_status(lk_campaign_close(shop, &id, patience()), LK_OK);
    /* The other one knows the campaign as open, and finds out by its write. */
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CAMPAIGN_CLOSED);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
    assert_status(lk_campaign_add_stock(shop, 4, NULL, patience()), LK_E_CAMPAIGN_CLOSED);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "bob", .coupon = theirs), LK_OK);
    AUDIT_CLEAN(shop, .available = 3, .redeemed = 2, .accounts = 2);
}

static void opening_closing_and_ending_go_by_the_servers_time(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_campaign_info info;
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);

    assert_status(lk_campaign_show(clock, patience(), &info), LK_OK);
    int64_t now_ms = info.server_ms;
    lk_ledger *early = OPEN(client, "/early", .stock = 1, .opens_ms = now_ms + 1000000);
    assert_status(DO(early, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_OPEN);
    assert_int_equal(last.retry_ms, now_ms + 1000000);
    lk_ledger *late = OPEN(client, "/late", .stock = 1, .closes_ms = now_ms - 1);
    assert_status(DO(late, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
    lk_ledger *over = OPEN(client, "/over", .stock = 1, .ends_ms = now_ms - 1);
    assert_status(DO(over, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_ENDED);
    assert_status(lk_campaign_add_stock(over, 1, NULL, patience()), LK_E_CAMPAIGN_ENDED);
}

/* Until the server's clock says so. */
static void await_server_time(lk_ledger *at, int64_t until_ms)
{
    lk_campaign_info info = { .server_ms = 0 };

    while (info.server_ms < until_ms)
        assert_status(lk_campaign_show(at, patience(), &info), LK_OK);
}

static void a_new_handle_does_not_take_an_old_znodes_time_for_the_present(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);
    lk_campaign_info info;

    assert_status(lk_campaign_show(clock, patience(), &info), LK_OK);
    int64_t closes_ms = info.server_ms + 200;
    (void)OPEN(client, "/sale", .stock = 1, .closes_ms = closes_ms);
    await_server_time(clock, closes_ms);
    lk_ledger *late = ledger(live_client("late", (struct live_client){ 0 }), "/sale");
    assert_status(DO(late, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CAMPAIGN_CLOSED);
}

static void a_freeze_that_ran_out_is_as_if_unfrozen(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    lk_coupon coupon = claim(shop, "ann");
    lk_audit *audit;

    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1",
                     .ttl_ms = 1),
                  LK_OK);
    await_server_time(shop, last.time_ms + 1);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->frozen, 1);
    assert_int_equal(audit->ran_out, 1);
    lk_audit_free(audit);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_E_NOT_FROZEN);
    AUDIT_CLEAN(shop, .available = 1, .claimed = 1, .accounts = 1);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
}

static void sold_out_is_said_when_every_shard_is_empty_and_unsaid_when_stock_comes(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 4);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    char user[20];

    for (int i = 0; i < 9; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(i % 2 ? shop : other, user);
    }
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 2), LK_E_SOLD_OUT);
    claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 10, .accounts = 10);

    assert_status(lk_campaign_add_stock(other, 1, NULL, patience()), LK_OK);
    claim(other, "bob");
    assert_status(lk_campaign_add_stock(shop, 1, NULL, patience()), LK_OK);
    claim(shop, "cid");
    AUDIT_CLEAN(shop, .claimed = 12, .accounts = 12);
}

static void sold_out_is_remembered_without_writing(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 0);
    char user[20];

    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_SOLD_OUT);
    zkbox_proxy_reset_counts(live_proxy());
    for (int i = 0; i < 100; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = user), LK_E_SOLD_OUT);
    }
    assert_int_equal(zkbox_proxy_requests(live_proxy(), MULTI), 0);
}

static void one_claim_is_one_multi(void)
{
    lk_client *client = LIVE_CLIENT("shop", .proxied = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .per_user = 1, .shards = 1);

    lk_coupon coupon = claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    zkbox_proxy_reset_counts(live_proxy());
    coupon = claim(shop, "ann");
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_OK);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), ZKBOX_ANY), 3);
    assert_int_equal(zkbox_proxy_requests(live_proxy(), MULTI), 3);
}

static void ids_settle_what_was_asked_before(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_id id, freeze;
    lk_ledger_result found;

    assert_status(lk_id_from_text("ann's first", &id), LK_OK);
    assert_status(lk_id_from_text("ann's freeze", &freeze), LK_OK);
    assert_status(lk_ledger_lookup(shop, "ann", id, patience(), &found), LK_E_NOT_FOUND);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id, .count = 2), LK_OK);
    lk_coupon coupon = last.coupons[1];
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id, .count = 2), LK_OK);
    assert_true(last.repeated);
    assert_int_equal(last.coupons[1].serial, coupon.serial);
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "ann", .id = id), LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "count");
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "ann", .id = id, .coupon = coupon),
                  LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "verb");
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .id = freeze, .coupon = coupon,
                     .order = "o"),
                  LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_FREEZE, .user = "ann", .id = freeze, .coupon = coupon,
                     .order = "p"),
                  LK_E_ID_DIFFERS);
    assert_string_equal(last.differs, "order");
    assert_status(lk_ledger_lookup(other, "ann", id, patience(), &found), LK_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.coupons[1].serial, coupon.serial);
    AUDIT_CLEAN(shop, .available = 8, .claimed = 1, .frozen = 1, .accounts = 1);
}

static void a_refusal_is_not_given_from_memory(void)
{
    lk_ledger *shop = OPEN(live_client("shop", (struct live_client){ 0 }), "/sale", .stock = 10,
                           .per_user = 1);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(shop, "ann");

    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o1"), LK_OK);
    assert_status(
        DO(other, .verb = LK_LEDGER_UNFREEZE, .user = "ann", .coupon = coupon, .order = "o1"),
        LK_OK);
    /* The shop remembers the coupon as frozen. */
    assert_status(
        DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(
        DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o2"), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REFUND, .user = "ann", .coupon = coupon), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_VOID, .user = "ann", .coupon = coupon), LK_OK);
    /* And that ann has had her one coupon. */
    claim(shop, "ann");
}

static int count_account(const lk_account *account, void *arg)
{
    *(size_t *)arg += account->count;
    return 0;
}

static int stop_at_once(const lk_account *account, void *arg)
{
    (void)account;
    ++*(size_t *)arg;
    return 77;
}

static void accounts_are_listed_a_page_at_a_time(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000);
    size_t coupons = 0, calls = 0;
    char user[20];

    for (int i = 0; i < 300; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(shop, user);
    }
    assert_int_equal(lk_account_each(shop, count_account, &coupons, patience()), LK_OK);
    assert_int_equal(coupons, 300);
    assert_int_equal(lk_account_each(shop, stop_at_once, &calls, patience()), 77);
    assert_int_equal(calls, 1);
}

static void a_deleted_campaign_is_gone_and_may_come_again(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 2);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = claim(other, "ann");
    char user[20];

    for (int i = 0; i < 5; i++) {
        snprintf(user, sizeof(user), "user-%d", i);
        claim(shop, user);
    }
    assert_status(lk_campaign_delete(shop, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
    assert_status(lk_campaign_delete(shop, patience()), LK_E_NOT_FOUND);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);

    /* The new one looks the same, down to the versions; who knows the old one must not write into
     * it. */
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    options.stock = 2;
    options.shards = 2;
    assert_status(lk_campaign_create(shop, &options, NULL, patience()), LK_OK);
    assert_status(DO(other, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon),
                  LK_E_NO_COUPON);
    claim(other, "ann");
    claim(shop, "bob");
    assert_status(DO(other, .verb = LK_LEDGER_CLAIM, .user = "cid"), LK_E_SOLD_OUT);
    AUDIT_CLEAN(shop, .claimed = 2, .accounts = 2);
}

static void deleting_a_campaign_leaves_another_below_it_whole(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    static const char *const paths[] = { "/sale/sub", "/sale/accounts/sub", "/sale/stock/sub",
                                         "/sale/stock/0000/sub" };
    lk_ledger *below[4];

    claim(shop, "ann");
    for (size_t i = 0; i < 4; i++)
        below[i] = OPEN(client, paths[i], .stock = 2);
    assert_status(lk_campaign_delete(shop, patience()), LK_E_FOREIGN);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NOT_FOUND);
    for (size_t i = 0; i < 4; i++) {
        claim(below[i], "ann");
        AUDIT_CLEAN(below[i], .available = 1, .claimed = 1, .accounts = 1);
        assert_status(lk_campaign_delete(below[i], patience()), LK_OK);
    }
    assert_status(lk_campaign_delete(shop, patience()), LK_OK);
    assert_false(raw_exists(live_path("/sale"), NULL));
}

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

enum { SELLERS = 8, EACH = 40 };

struct seller {
    pthread_t thread;
    lk_ledger *ledger;
    unsigned number, sold, refused;
    int status;
};

static void *sell(void *arg)
{
    struct seller *seller = arg;
    lk_ledger_result result;
    char user[30];

    for (unsigned i = 0; i < EACH; i++) {
        /* Every second user comes to two sellers. */
        snprintf(user, sizeof(user), "user-%u", i % 2 ? i : seller->number * EACH + i);
        const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = user, .count = 1 + i % 3 };
        int status = lk_ledger_do(seller->ledger, &op, patience(), &result);
        if (status == LK_OK)
            seller->sold += result.count;
        else if (status == LK_E_SOLD_OUT || status == LK_E_LIMIT)
            seller->refused++;
        else
            seller->status = status;
    }
    return NULL;
}

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

struct told {
    unsigned count, ok, sold_out;
};
static pthread_mutex_t told_mutex = PTHREAD_MUTEX_INITIALIZER;

static void tell(const lk_ledger_result *result, void *arg)
{
    struct told *told = arg;

    pthread_mutex_lock(&told_mutex);
    told->count++;
    told->ok += result->status == LK_OK;
    told->sold_out += result->status == LK_E_SOLD_OUT;
    pthread_mutex_unlock(&told_mutex);
    live_changed();
}

static bool all_are_told(void *arg)
{
    pthread_mutex_lock(&told_mutex);
    bool all = ((struct told *)arg)->count == 1000;
    pthread_mutex_unlock(&told_mutex);
    return all;
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
    lk_client *client = live_client("shop", (struct live_client){ 0 });
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
    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execl(program, program, zkbox_address(live_box(), 0), live_root(), (char *)NULL);
        _exit(4);
    }
    assert_true(child > 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_true(audit->claimed > 50);
    assert_int_equal(audit->claimed, audit->issued);
    lk_audit_free(audit);
    claim(shop, "ann");
}

/* ---- what stands in the way ---- */

static void a_damaged_account_is_named_and_the_others_go_on(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    unsigned char record[4096];
    lk_account *account;
    size_t coupons = 0;

    claim(shop, "ann");
    claim(shop, "bob");
    size_t size = raw_get(account_path("/sale", "ann"), record, sizeof(record), NULL);
    record[size - 1] ^= 1;
    raw_set(account_path("/sale", "ann"), record, size);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CORRUPT);
    assert_status(lk_account_show(shop, "ann", patience(), &account), LK_E_CORRUPT);
    claim(shop, "bob");
    assert_true(audit_names(shop, "account of ann can't be read"));
    assert_int_equal(lk_account_each(shop, count_account, &coupons, patience()), LK_E_CORRUPT);
    assert_int_equal(coupons, 2);

    record[size - 1] ^= 1;
    raw_set(account_path("/sale", "ann"), record, size);
    claim(shop, "ann");
    AUDIT_CLEAN(shop, .available = 6, .claimed = 4, .accounts = 2);
}

static void records_that_are_not_ours_to_read_are_refused_by_name(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    unsigned char record[4096];
    lk_campaign_info info;

    claim(shop, "ann");
    size_t size = raw_get(account_path("/sale", "ann"), record, sizeof(record), NULL);
    record[3] = 9;
    raw_set(account_path("/sale", "ann"), record, size);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NEWER_FORMAT);
    raw_set(account_path("/sale", "ann"), "hello", 5);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_FOREIGN);

    size = raw_get(live_path("/sale/stock/0000"), record, sizeof(record), NULL);
    raw_set(live_path("/sale/stock/0000"), "LK\7", 3);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob"), LK_E_CORRUPT);
    assert_status(lk_campaign_show(shop, patience(), &info), LK_E_CORRUPT);
    assert_true(audit_names(shop, "shard 0 can't be read"));
    raw_set(live_path("/sale/stock/0000"), record, size);
    claim(shop, "bob");

    raw_make(live_path("/other"));
    lk_ledger *foreign = ledger(client, "/other");
    assert_status(DO(foreign, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_FOREIGN);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    assert_status(lk_campaign_create(foreign, &options, NULL, patience()), LK_E_FOREIGN);
    assert_status(lk_campaign_delete(foreign, patience()), LK_E_FOREIGN);
    raw_set(live_path("/other"), record, size); /* a shard's */
    assert_status(DO(foreign, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_KIND);
    assert_status(lk_campaign_create(foreign, &options, NULL, patience()), LK_E_KIND);
}

static void a_shard_that_is_gone_is_a_fault_not_a_hang(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 2);

    raw_delete(live_path("/sale/stock/0000"));
    raw_delete(live_path("/sale/stock/0001"));
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CORRUPT);
    assert_true(audit_names(shop, "shard 0 can't be read"));
}

static void who_may_not_write_is_told_so(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    raw_make(live_path("/readonly"));
    raw_limit(live_path("/readonly"), ZOO_PERM_READ);
    lk_ledger *below = ledger(client, "/readonly/sale");
    assert_status(lk_campaign_create(below, &options, NULL, patience()), LK_E_NO_RIGHTS);
    lk_ledger *deeper = ledger(client, "/readonly/deep/sale");
    assert_status(lk_campaign_create(deeper, &options, NULL, patience()), LK_E_NO_RIGHTS);
    raw_limit(live_path("/readonly"), ZOO_PERM_ALL);

    lk_client *owner = LIVE_CLIENT("owner", .auth = "owner:secret", .access = LK_ACCESS_CREATOR);
    options.stock = 3;
    lk_ledger *own = ledger(owner, "/own");
    assert_status(lk_campaign_create(own, &options, NULL, patience()), LK_OK);
    claim(own, "ann");
    lk_ledger *stranger = ledger(client, "/own");
    assert_status(DO(stranger, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_NO_RIGHTS);
    assert_status(lk_campaign_close(stranger, NULL, patience()), LK_E_NO_RIGHTS);
    assert_status(lk_campaign_delete(stranger, patience()), LK_E_NO_RIGHTS);
    AUDIT_CLEAN(own, .available = 2, .claimed = 1, .accounts = 1);
}

static void an_audit_names_what_is_wrong(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10, .shards = 1);
    unsigned char old[4096];

    claim(shop, "ann");
    size_t size = raw_get(live_path("/sale/stock/0000"), old, sizeof(old), NULL);
    claim(shop, "bob");
    /* A stranger puts an old shard back: bob's coupon could be sold again. */
    raw_set(live_path("/sale/stock/0000"), old, size);
    assert_true(audit_names(shop, "of user bob is also still available"));
    claim(shop, "cid");
    assert_true(audit_names(shop, "stands a second time"));
    raw_delete(account_path("/sale", "ann"));
    assert_true(audit_names(shop, "lost: coupon 0-1 was issued"));
}

struct nested {
    lk_ledger *shop;
    int status;
    struct told told;
};

static void nest(const lk_ledger_result *result, void *arg)
{
    struct nested *nested = arg;
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    lk_ledger_result inner;

    (void)result;
    nested->status = lk_ledger_do(nested->shop, &op, LK_FOREVER, &inner);
    tell(result, &nested->told);
}

static void a_blocking_call_inside_a_callback_is_refused(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct nested nested = { .shop = OPEN(client, "/sale", .stock = 1), .told.count = 999 };
    const lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = "ann" };

    assert_status(lk_ledger_do_start(nested.shop, &op, patience(), nest, &nested, NULL), LK_OK);
    live_await("the callback", all_are_told, &nested.told);
    assert_status(nested.status, LK_E_WOULD_DEADLOCK);
}

static void a_closed_client_answers_closed(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1);

    claim(shop, "ann");
    assert_status(lk_client_close(client, patience()), LK_OK);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann"), LK_E_CLOSED);
    lk_campaign_info info;
    assert_status(lk_campaign_show(shop, patience(), &info), LK_E_CLOSED);
}

static int end(void **state)
{
    /* While their clients still live. */
    ledgers_free();
    return live_end(state);
}

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, live_run_test, live_begin, end, &(struct live_test)                                 \
        {                                                                                          \
            name                                                                                   \
        }                                                                                          \
    }

int main(int argc, char **argv)
{
    if (argc == 3)
        return be_the_child(argv[1], argv[2]);
    program = argv[0];
    const struct CMUnitTest tests[] = {
        TEST(a_coupons_whole_life),
        TEST(the_numbers_of_a_campaign),
        TEST(a_campaign_is_created_once),
        TEST(a_closed_campaign_still_redeems),
        TEST(opening_closing_and_ending_go_by_the_servers_time),
        TEST(a_new_handle_does_not_take_an_old_znodes_time_for_the_present),
        TEST(a_freeze_that_ran_out_is_as_if_unfrozen),
        TEST(sold_out_is_said_when_every_shard_is_empty_and_unsaid_when_stock_comes),
        TEST(sold_out_is_remembered_without_writing),
        TEST(one_claim_is_one_multi),
        TEST(ids_settle_what_was_asked_before),
        TEST(a_refusal_is_not_given_from_memory),
        TEST(accounts_are_listed_a_page_at_a_time),
        TEST(a_deleted_campaign_is_gone_and_may_come_again),
        TEST(deleting_a_campaign_leaves_another_below_it_whole),
        TEST(one_order_wins_when_fifty_threads_of_one_client_race),
        TEST(one_order_wins_when_fifty_threads_of_eight_clients_race),
        TEST(sellers_in_conflict_never_oversell),
        TEST(a_thousand_claims_at_once_share_commits),
        TEST(users_who_come_back_cost_few_commits_too),
        TEST(a_claim_whose_reply_is_lost_is_applied_once),
        TEST(a_freeze_whose_reply_is_lost_is_applied_once),
        TEST(a_redeem_whose_reply_is_lost_is_applied_once),
        TEST(a_request_that_is_lost_is_sent_again),
        TEST(campaign_operations_whose_replies_are_lost_are_applied_once),
        TEST(with_replies_and_requests_lost_all_the_way_every_answer_is_true),
        TEST(a_server_that_dies_and_comes_back_costs_time_and_nothing_else),
        TEST(an_operation_that_can_not_be_settled_in_time_is_unknown),
        TEST(without_a_server_nothing_is_done_and_that_is_said),
        TEST(a_cancelled_operation_is_answered_once),
        TEST(a_client_that_dies_in_the_middle_leaves_the_books_true),
        TEST(a_damaged_account_is_named_and_the_others_go_on),
        TEST(records_that_are_not_ours_to_read_are_refused_by_name),
        TEST(a_shard_that_is_gone_is_a_fault_not_a_hang),
        TEST(who_may_not_write_is_told_so),
        TEST(an_audit_names_what_is_wrong),
        TEST(a_blocking_call_inside_a_callback_is_refused),
        TEST(a_closed_client_answers_closed),
    };
    return live_main("ledger", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
