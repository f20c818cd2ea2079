/* test_ledger_time.c - what time does to a campaign, and who writes it down. */
#include "ledger_shop.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *program; /* this one */

/* Claims a coupon, and freezes it for so long. */
static lk_coupon order(lk_ledger *shop, const char *user, int64_t ttl_ms)
{
    lk_coupon coupon = claim(shop, user);

    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = user, .coupon = coupon, .order = "o",
                     .ttl_ms = ttl_ms),
                  LK_OK);
    return coupon;
}

static void orders(lk_ledger *shop, unsigned count, int64_t ttl_ms)
{
    char user[20];

    for (unsigned i = 0; i < count; i++) {
        snprintf(user, sizeof(user), "user-%u", i);
        order(shop, user, ttl_ms);
    }
    await_server_time(shop, last.time_ms + ttl_ms);
}

static lk_sweep sweep(lk_ledger *shop)
{
    lk_sweep found = { 0 };

    assert_status(lk_ledger_sweep(shop, NULL, NULL, patience(), &found), LK_OK);
    live_tell("swept: %d accounts, %d unfrozen, %d void", (int)found.accounts, (int)found.unfrozen,
              (int)found.voided);
    return found;
}

/* ---- sweeps ---- */

static void a_sweep_gives_back_what_ran_out_in_every_account(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 100);

    orders(shop, 30, 1);
    order(shop, "patient", 1000000);
    int64_t until_ms = last.time_ms + 1000000;
    lk_sweep first = sweep(shop);
    assert_int_equal(first.accounts, 31);
    assert_int_equal(first.unfrozen, 30);
    assert_int_equal(first.voided, 0);
    assert_int_equal(first.next_ms, until_ms);
    assert_true(first.server_ms > 0 && first.server_ms < until_ms);
    AUDIT_CLEAN(shop, .available = 69, .claimed = 30, .frozen = 1, .accounts = 31);
    lk_sweep second = sweep(shop);
    assert_int_equal(second.accounts, 31);
    assert_int_equal(second.unfrozen, 0);
    assert_int_equal(second.next_ms, until_ms);
}

static void operations_go_on_after_a_sweep_by_another(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 5);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_coupon coupon = order(shop, "ann", 1);

    await_server_time(shop, last.time_ms + 1);
    assert_int_equal(sweep(other).unfrozen, 1);
    /* The first one knows an older record. */
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_E_NOT_FROZEN);
    assert_status(DO(shop, .verb = LK_LEDGER_FREEZE, .user = "ann", .coupon = coupon, .order = "o"),
                  LK_E_UNFROZEN);
    assert_status(DO(shop, .verb = LK_LEDGER_REDEEM, .user = "ann", .coupon = coupon), LK_OK);
    AUDIT_CLEAN(shop, .available = 4, .redeemed = 1, .accounts = 1);
}

/* False: the campaign, which ends in so long, ended before all was done that comes before it. */
static bool is_swept_at_its_end(lk_client *client, lk_ledger *clock, int64_t ms)
{
    char path[40];

    snprintf(path, sizeof(path), "/sale-%d", (int)ms);
    int64_t ends_ms = server_time(clock) + ms;
    lk_ledger *shop = OPEN(client, path, .stock = 10, .ends_ms = ends_ms);
    if (DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann") != LK_OK
        || DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob") != LK_OK
        || DO(shop, .verb = LK_LEDGER_FREEZE, .user = "bob", .coupon = last.coupons[0],
              .order = "o", .ttl_ms = ms)
               != LK_OK)
        return false;
    int64_t until_ms = last.time_ms + ms;
    lk_sweep found = sweep(shop);
    if (found.server_ms >= ends_ms)
        return false;
    assert_int_equal(found.next_ms, ends_ms);
    await_server_time(clock, ends_ms);
    await_server_time(clock, until_ms);
    found = sweep(shop);
    assert_int_equal(found.unfrozen, 1);
    assert_int_equal(found.voided, 2);
    assert_int_equal(found.next_ms, 0);
    AUDIT_CLEAN(shop, .available = 8, .voided = 2, .accounts = 2);
    return true;
}

static void a_sweep_writes_down_the_campaigns_end(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);
    int64_t ms = 500;

    /* On a machine that is too slow for that, in twice as long, and so on. */
    while (!is_swept_at_its_end(client, clock, ms)) {
        ms *= 2;
        assert_true(ms < PATIENCE_MS);
    }
}

enum { SWEEPERS = 4, ORDERS = 60 };

struct broom {
    pthread_t thread;
    lk_ledger *ledger;
    lk_sweep found;
    int status;
};

static void *brush(void *arg)
{
    struct broom *broom = arg;

    broom->status = lk_ledger_sweep(broom->ledger, NULL, NULL, patience(), &broom->found);
    return NULL;
}

static void what_several_sweeps_find_is_counted_once(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 100);
    struct broom brooms[SWEEPERS] = { 0 };
    uint64_t unfrozen = 0;

    orders(shop, ORDERS, 1);
    for (int i = 0; i < SWEEPERS; i++)
        brooms[i].ledger = ledger(live_client("broom", (struct live_client){ 0 }), "/sale");
    for (int i = 0; i < SWEEPERS; i++)
        assert_int_equal(pthread_create(&brooms[i].thread, NULL, brush, &brooms[i]), 0);
    for (int i = 0; i < SWEEPERS; i++) {
        pthread_join(brooms[i].thread, NULL);
        assert_status(brooms[i].status, LK_OK);
        unfrozen += brooms[i].found.unfrozen;
    }
    assert_int_equal(unfrozen, ORDERS);
    AUDIT_CLEAN(shop, .available = 100 - ORDERS, .claimed = ORDERS, .accounts = ORDERS);
}

static void a_sweep_beside_traffic_takes_nothing_from_anybody(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000);
    struct broom broom = { .ledger = ledger(live_client("broom", (struct live_client){ 0 }),
                                            "/sale") };
    struct seller sellers[2] = { { .ledger = shop, .number = 0 },
                                 { .ledger = ledger(client, "/sale"), .number = 1 } };
    lk_audit *audit;

    orders(shop, ORDERS, 1);
    assert_int_equal(pthread_create(&broom.thread, NULL, brush, &broom), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&sellers[i].thread, NULL, sell, &sellers[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(sellers[i].thread, NULL);
        assert_status(sellers[i].status, LK_OK);
    }
    pthread_join(broom.thread, NULL);
    assert_status(broom.status, LK_OK);
    assert_true(broom.found.unfrozen <= ORDERS);
    assert_int_equal(sweep(shop).unfrozen, 0);
    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    assert_int_equal(audit->fault_count, 0);
    assert_int_equal(audit->frozen, 0);
    assert_int_equal(audit->claimed, ORDERS + sellers[0].sold + sellers[1].sold);
    lk_audit_free(audit);
}

/* Of each commit and each barrier of a sweep, in its turn. */
static void a_sweep_whose_replies_are_lost_does_its_work(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_client *unlucky = LIVE_CLIENT("broom", .proxied = true, .timeout_ms = 3000);
    bool lost = true;
    int nth = 0;

    while (lost) {
        char path[20];
        snprintf(path, sizeof(path), "/sale-%d", ++nth);
        lk_ledger *shop = OPEN(client, path, .stock = 5), *broom = ledger(unlucky, path);
        order(shop, "ann", 1);
        await_server_time(shop, last.time_ms + 1);
        zkbox_proxy_reset_counts(live_proxy());
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), MULTI, nth), 0);
        lk_sweep found = sweep(broom);
        lost = zkbox_proxy_requests(live_proxy(), MULTI) > nth;
        assert_true(lost ? found.unfrozen <= 1 : found.unfrozen == 1);
        zkbox_proxy_heal(live_proxy());
        AUDIT_CLEAN(shop, .available = 4, .claimed = 1, .accounts = 1);
    }
    assert_true(nth > 3);
}

static int close_it(uint64_t done, uint64_t total, void *arg)
{
    (void)done;
    (void)total;
    return lk_campaign_close(arg, NULL, patience());
}

static int end_at_once(uint64_t done, uint64_t total, void *arg)
{
    assert_true(done > 0 && done <= total);
    ++*(int *)arg;
    return 77;
}

static void a_sweep_ends_when_its_caller_says_so(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000);
    lk_sweep found = { .accounts = 123 };
    int asked = 0;

    orders(shop, 200, 1); /* more than a page */
    assert_status(lk_ledger_sweep(shop, end_at_once, &asked, patience(), &found), 77);
    assert_int_equal(asked, 1);
    assert_int_equal(found.accounts, 123); /* untouched */
    assert_true(sweep(shop).unfrozen > 0);
}

static void a_sweep_passes_over_what_it_cannot_read(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 100);
    lk_sweep found;

    orders(shop, 10, 1);
    raw_set(account_path("/sale", "user-3"), "not ours", 8);
    assert_status(lk_ledger_sweep(shop, NULL, NULL, patience(), &found), LK_E_FOREIGN);
    assert_int_equal(lk_ledger_sweep(shop, NULL, NULL, 0, &found), LK_E_DEADLINE);
    for (int i = 0; i < 10; i++) {
        char user[20];
        lk_account *account;
        snprintf(user, sizeof(user), "user-%d", i);
        if (i == 3)
            continue;
        assert_status(lk_account_show(shop, user, patience(), &account), LK_OK);
        assert_int_equal(account->coupons[0].state, LK_CLAIMED);
        lk_account_free(account);
    }
    assert_status(lk_ledger_sweep(ledger(client, "/none"), NULL, NULL, patience(), &found),
                  LK_E_NOT_FOUND);
}

static void a_campaign_that_lost_its_seal_is_not_swept_for_ever(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 100);
    struct names names;
    lk_sweep found;
    char path[300];

    orders(shop, 3, 1);
    raw_children(live_path("/sale"), &names);
    for (size_t i = 0; i < names.count; i++) {
        if (strncmp(names.name[i], "seal-", 5) != 0)
            continue;
        snprintf(path, sizeof(path), "/sale/%s", names.name[i]);
        raw_delete(live_path(path));
    }
    assert_status(lk_ledger_sweep(shop, NULL, NULL, LK_FOREVER, &found), LK_E_CORRUPT);
}

static void a_sweep_goes_on_when_the_campaign_is_closed_meanwhile(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 1000);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    lk_sweep found;

    orders(shop, 200, 1);
    assert_status(lk_ledger_sweep(shop, close_it, other, patience(), &found), LK_OK);
    assert_int_equal(found.unfrozen, 200);
    AUDIT_CLEAN(shop, .available = 800, .claimed = 200, .accounts = 200);
}

/* ---- the sweeper ---- */

/* What a sweeper has told; guarded by its lock. */
struct report {
    pthread_mutex_t lock;
    uint64_t sweeps, failures, unfrozen, wanted;
    int status;
    bool hears_signals; /* its thread does */
};

static void heard(int status, const lk_sweep *found, void *arg)
{
    struct report *report = arg;
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_mutex_lock(&report->lock);
    report->hears_signals = !sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGALRM);
    report->status = status;
    report->sweeps += status == LK_OK;
    report->failures += status != LK_OK;
    report->unfrozen += found ? found->unfrozen : 0;
    pthread_mutex_unlock(&report->lock);
    live_changed();
}

#define REPORT                                                                                     \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

static bool has_swept(void *arg)
{
    struct report *report = arg;

    pthread_mutex_lock(&report->lock);
    bool has = report->sweeps > 0 && report->unfrozen >= report->wanted;
    pthread_mutex_unlock(&report->lock);
    return has;
}

static bool has_failed(void *arg)
{
    struct report *report = arg;

    pthread_mutex_lock(&report->lock);
    bool has = report->failures > 0;
    pthread_mutex_unlock(&report->lock);
    return has;
}

/* The next answer counts alone. */
static void report_clear(struct report *report, uint64_t wanted)
{
    pthread_mutex_lock(&report->lock);
    report->sweeps = report->failures = report->unfrozen = 0;
    report->wanted = wanted;
    pthread_mutex_unlock(&report->lock);
}

static lk_sweeper *hire(const char *servers, const char *root, int64_t interval_ms,
                        lk_sweeper_fn *told, void *arg)
{
    lk_client_options client = LK_CLIENT_OPTIONS_INIT;
    lk_sweeper_options options = LK_SWEEPER_OPTIONS_INIT;
    lk_sweeper *sweeper = NULL;

    client.servers = servers;
    client.root = root;
    client.session_timeout_ms = BRIEF_MS;
    options.interval_ms = interval_ms;
    options.told = told;
    options.arg = arg;
    return lk_sweeper_new(&sweeper, &client, "/sale", &options) == LK_OK ? sweeper : NULL;
}

static lk_sweeper *hire_here(struct report *report, int64_t interval_ms)
{
    lk_sweeper *sweeper = hire(zkbox_address(live_box(), 0), live_root(), interval_ms, heard,
                               report);

    assert_non_null(sweeper);
    return sweeper;
}

static void a_freeze_that_nobody_looks_at_is_given_back_by_the_sweeper(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    lk_coupon coupon = order(shop, "ann", 700);
    struct report report = REPORT;

    /* Its first sweep sees the freeze, and it comes back long before an hour is over. */
    report.wanted = 1;
    lk_sweeper *sweeper = hire_here(&report, 3600 * 1000);
    live_await("the coupon's return", has_swept, &report);
    assert_int_equal(state_of(shop, "ann", coupon), LK_CLAIMED);
    assert_true(lk_sweeper_leads(sweeper));
    assert_null(lk_sweeper_free(sweeper));
    assert_false(report.hears_signals);
    AUDIT_CLEAN(shop, .available = 9, .claimed = 1, .accounts = 1);
    /* What it leaves behind is no stranger to the campaign. */
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
}

static void a_sweeper_waits_for_its_campaign(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct report report = REPORT;
    lk_sweeper *sweeper = hire_here(&report, 20);

    live_await("a failure", has_failed, &report);
    assert_status(report.status, LK_E_NOT_FOUND);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    order(shop, "ann", 1);
    report_clear(&report, 1);
    live_await("the coupon's return", has_swept, &report);
    assert_null(lk_sweeper_free(sweeper));
}

/* Says a word at the end of each sweep, which is read by the parent. */
static void say_word(int status, const lk_sweep *found, void *arg)
{
    (void)found;
    (void)arg;
    if (status == LK_OK)
        (void)!write(STDOUT_FILENO, "x", 1);
}

static int be_the_child(const char *servers, const char *root)
{
    if (!hire(servers, root, 20, say_word, NULL))
        return 1;
    for (;;)
        pause();
}

static void when_the_sweeper_that_leads_is_killed_another_takes_over(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    struct report report = REPORT;

    struct child child = child_start(program);
    lk_sweeper *second = hire_here(&report, 20);
    await_children(live_path("/sale.sweeper"), 2);
    assert_false(lk_sweeper_leads(second));
    child_kill(child);
    lk_coupon coupon = order(shop, "ann", 1);
    report_clear(&report, 1);
    live_await("the coupon's return", has_swept, &report);
    assert_int_equal(state_of(shop, "ann", coupon), LK_CLAIMED);
    assert_null(lk_sweeper_free(second));
}

static void a_sweeper_steps_down_when_it_is_freed(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct report first_report = REPORT, second_report = REPORT;

    (void)OPEN(client, "/sale", .stock = 10);
    lk_sweeper *first = hire_here(&first_report, 20);
    live_await("a sweep", has_swept, &first_report);
    lk_sweeper *second = hire_here(&second_report, 20);
    await_children(live_path("/sale.sweeper"), 2);
    lk_sweeper_free(first);
    live_await("a sweep by the other", has_swept, &second_report);
    lk_sweeper_free(second);
    await_children(live_path("/sale.sweeper"), 0);
}

/* Whoever took its place away has replaced it: it may lead again, but as one that came later. */
static void a_sweeper_whose_place_is_gone_stands_again(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 10);
    struct report report = REPORT;
    struct names names;
    char path[300];

    lk_sweeper *sweeper = hire_here(&report, 5);
    live_await("a sweep", has_swept, &report);
    raw_children(live_path("/sale.sweeper"), &names);
    assert_int_equal(names.count, 1);
    snprintf(path, sizeof(path), "/sale.sweeper/%s", names.name[0]);
    raw_delete(live_path(path));
    await_children(live_path("/sale.sweeper"), 1);
    order(shop, "ann", 1);
    report_clear(&report, 1);
    live_await("the coupon's return", has_swept, &report);
    assert_false(raw_exists(live_path(path), NULL));
    lk_sweeper_free(sweeper);
}

/* Nothing that was said is heard any more: a close that waited for an answer would never end. */
static void a_sweeper_that_is_cut_off_can_be_stopped(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct report report = REPORT;

    (void)OPEN(client, "/sale", .stock = 10);
    lk_sweeper *sweeper = hire(zkbox_proxy_address(live_proxy()), live_root(), 1, heard, &report);
    assert_non_null(sweeper);
    live_await("a sweep", has_swept, &report);
    zkbox_proxy_stall(live_proxy());
    assert_null(lk_sweeper_free(sweeper));
    zkbox_proxy_heal(live_proxy());
    /* One that never had a server. */
    zkbox_proxy_cut(live_proxy());
    sweeper = hire(zkbox_proxy_address(live_proxy()), live_root(), 1, NULL, NULL);
    assert_non_null(sweeper);
    assert_null(lk_sweeper_free(sweeper));
    assert_null(lk_sweeper_free(NULL));
}

static void what_is_no_sweeper_is_refused(void)
{
    lk_client_options client = LK_CLIENT_OPTIONS_INIT;
    lk_sweeper_options options = LK_SWEEPER_OPTIONS_INIT;
    lk_sweeper *sweeper;

    client.servers = zkbox_address(live_box(), 0);
    assert_status(lk_sweeper_new(&sweeper, &client, "sale", NULL), LK_E_PATH);
    assert_status(lk_sweeper_new(&sweeper, &client, NULL, NULL), LK_E_INVALID);
    options.interval_ms = -1;
    assert_status(lk_sweeper_new(&sweeper, &client, "/sale", &options), LK_E_INVALID);
    options = (lk_sweeper_options)LK_SWEEPER_OPTIONS_INIT;
    options.election = "elsewhere";
    assert_status(lk_sweeper_new(&sweeper, &client, "/sale", &options), LK_E_PATH);
    assert_false(lk_sweeper_leads(NULL));
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return be_the_child(argv[1], argv[2]);
    program = argv[0];
    const struct CMUnitTest tests[] = {
        SHOP_TEST(a_sweep_gives_back_what_ran_out_in_every_account),
        SHOP_TEST(operations_go_on_after_a_sweep_by_another),
        SHOP_TEST(a_sweep_writes_down_the_campaigns_end),
        SHOP_TEST(what_several_sweeps_find_is_counted_once),
        SHOP_TEST(a_sweep_beside_traffic_takes_nothing_from_anybody),
        SHOP_TEST(a_sweep_whose_replies_are_lost_does_its_work),
        SHOP_TEST(a_sweep_ends_when_its_caller_says_so),
        SHOP_TEST(a_sweep_passes_over_what_it_cannot_read),
        SHOP_TEST(a_campaign_that_lost_its_seal_is_not_swept_for_ever),
        SHOP_TEST(a_sweep_goes_on_when_the_campaign_is_closed_meanwhile),
        SHOP_TEST(a_freeze_that_nobody_looks_at_is_given_back_by_the_sweeper),
        SHOP_TEST(a_sweeper_waits_for_its_campaign),
        SHOP_TEST(when_the_sweeper_that_leads_is_killed_another_takes_over),
        SHOP_TEST(a_sweeper_steps_down_when_it_is_freed),
        SHOP_TEST(a_sweeper_whose_place_is_gone_stands_again),
        SHOP_TEST(a_sweeper_that_is_cut_off_can_be_stopped),
        SHOP_TEST(what_is_no_sweeper_is_refused),
    };
    return live_main("ledger time", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
