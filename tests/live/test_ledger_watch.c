/* test_ledger_watch.c - what becomes of a campaign is told to who watches it: in order, whatever
 * happens to the connection, and without asking more often the more is claimed. */
#include "ledger_shop.h"

#include <stdio.h>

#include "ledger/shard.h"

enum { EVENTS_MAX = 128 };

/* What a watch has told, in order; guarded by its lock. */
struct diary {
    pthread_mutex_t lock;
    lk_campaign_watch *watch;
    lk_campaign_event events[EVENTS_MAX];
    lk_campaign_info infos[EVENTS_MAX];
    size_t count, seen;
    bool free_inside;
};

static void note(lk_campaign_event event, const lk_campaign_info *info, void *arg)
{
    struct diary *diary = arg;

    pthread_mutex_lock(&diary->lock);
    if (diary->count < EVENTS_MAX) {
        /* No event is named 0. */
        diary->events[diary->count] = !info == (event == LK_CAMPAIGN_GONE) ? event
                                                                           : (lk_campaign_event)0;
        diary->infos[diary->count++] = info ? *info : (lk_campaign_info){ 0 };
    }
    bool free_inside = diary->free_inside;
    pthread_mutex_unlock(&diary->lock);
    live_tell("the watch tells: %s, %d available", lk_campaign_event_name(event),
              info ? (int)info->available : -1);
    if (free_inside)
        lk_campaign_watch_free(diary->watch);
    live_changed();
}

static struct diary *watch_at(lk_client *client, const char *path)
{
    static struct diary all[16];
    static size_t next;
    struct diary *diary = &all[next++ % 16];
    lk_campaign_watch *watch;

    *diary = (struct diary){ .lock = PTHREAD_MUTEX_INITIALIZER };
    assert_status(lk_campaign_watch_new(&watch, client, path, note, diary), LK_OK);
    pthread_mutex_lock(&diary->lock);
    diary->watch = watch;
    pthread_mutex_unlock(&diary->lock);
    return diary;
}

static struct diary *watch_sale(lk_client *client)
{
    return watch_at(client, "/sale");
}

static bool is_told(void *arg)
{
    struct diary *diary = arg;

    pthread_mutex_lock(&diary->lock);
    bool is = diary->count > diary->seen;
    pthread_mutex_unlock(&diary->lock);
    return is;
}

/* The next that is told is this, and nothing before it. */
static lk_campaign_info await_event(struct diary *diary, lk_campaign_event event)
{
    live_await(lk_campaign_event_name(event), is_told, diary);
    pthread_mutex_lock(&diary->lock);
    lk_campaign_event told = diary->events[diary->seen];
    lk_campaign_info info = diary->infos[diary->seen++];
    pthread_mutex_unlock(&diary->lock);
    assert_string_equal(lk_campaign_event_name(told), lk_campaign_event_name(event));
    return info;
}

static void a_watch_tells_a_campaigns_whole_life(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct diary *diary = watch_sale(live_client("onlooker", (struct live_client){ 0 }));

    await_event(diary, LK_CAMPAIGN_GONE);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 8, .shards = 3);
    lk_campaign_info info = await_event(diary, LK_CAMPAIGN_OPENED);
    assert_int_equal(info.available, 8);
    assert_int_equal(info.rules.shards, 3);
    assert_true(info.server_ms > 0);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 8), LK_OK);
    info = await_event(diary, LK_CAMPAIGN_SOLD_OUT);
    assert_int_equal(info.issued, 8);
    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    info = await_event(diary, LK_CAMPAIGN_STOCKED);
    assert_int_equal(info.available, 2);
    assert_int_equal(info.stocked, 10);
    assert_status(lk_campaign_add_stock(shop, 5, NULL, patience()), LK_OK);
    assert_int_equal(await_event(diary, LK_CAMPAIGN_STOCKED).available, 7);
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    assert_true(await_event(diary, LK_CAMPAIGN_CLOSED).closed);
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    await_event(diary, LK_CAMPAIGN_GONE);
    (void)OPEN(client, "/sale", .stock = 0);
    await_event(diary, LK_CAMPAIGN_SOLD_OUT);
    lk_campaign_watch_free(diary->watch);
}

/* A campaign with one moment in its rules, which is `at_ms` among the options. False: the watch
 * came too late to see what was before it. */
static bool is_told_at(const char *path, lk_campaign_options rules, int64_t at_ms,
                       lk_campaign_event before, lk_campaign_event after)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct diary *diary = watch_at(client, path);

    await_event(diary, LK_CAMPAIGN_GONE);
    (void)open_campaign(client, path, rules);
    live_await("what it is", is_told, diary);
    bool in_time = diary->events[diary->seen] == before;
    if (in_time) {
        assert_true(await_event(diary, before).server_ms < at_ms);
        assert_true(await_event(diary, after).server_ms >= at_ms);
    }
    lk_campaign_watch_free(diary->watch);
    return in_time;
}

static void opening_closing_and_ending_are_told_when_their_time_comes(void)
{
    lk_ledger *clock = OPEN(live_client("clock", (struct live_client){ 0 }), "/clock", .stock = 1);
    bool opened = false, closed = false, ended = false;
    char path[20];

    /* On a machine that is too slow for one second, in two, or four. */
    for (int64_t ms = 1000; !opened || !closed || !ended; ms *= 2) {
        lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
        assert_true(ms < PATIENCE_MS);
        rules.stock = 8;
        if (!opened) {
            snprintf(path, sizeof(path), "/opens-%d", (int)ms);
            rules.opens_ms = server_time(clock) + ms;
            opened = is_told_at(path, rules, rules.opens_ms, LK_CAMPAIGN_STOCKED,
                                LK_CAMPAIGN_OPENED);
            rules.opens_ms = 0;
        }
        if (!closed) {
            snprintf(path, sizeof(path), "/closes-%d", (int)ms);
            rules.closes_ms = server_time(clock) + ms;
            closed = is_told_at(path, rules, rules.closes_ms, LK_CAMPAIGN_OPENED,
                                LK_CAMPAIGN_CLOSED);
            rules.closes_ms = 0;
        }
        if (!ended) {
            snprintf(path, sizeof(path), "/ends-%d", (int)ms);
            rules.ends_ms = server_time(clock) + ms;
            ended = is_told_at(path, rules, rules.ends_ms, LK_CAMPAIGN_OPENED, LK_CAMPAIGN_ENDED);
        }
    }
}

/* The server's clock is asked: the campaign's own znodes may be as old as they like. */
static void a_campaign_that_opened_long_ago_is_open_at_once(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);
    int64_t opens_ms = server_time(clock) + 100;

    (void)OPEN(client, "/sale", .stock = 8, .opens_ms = opens_ms);
    await_server_time(clock, opens_ms);
    struct diary *diary = watch_sale(live_client("onlooker", (struct live_client){ 0 }));
    await_event(diary, LK_CAMPAIGN_OPENED);
    lk_campaign_watch_free(diary->watch);
}

/* The records were just written, and the boot clock carries on from there. */
static void who_may_not_ask_the_clock_goes_by_what_others_wrote(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *clock = OPEN(client, "/clock", .stock = 1);
    int64_t opens_ms = server_time(clock) + 700;

    (void)OPEN(client, "/sale", .stock = 8, .opens_ms = opens_ms);
    raw_limit(live_path("/sale/clock"), ZOO_PERM_READ);
    struct diary *diary = watch_sale(live_client("onlooker", (struct live_client){ 0 }));
    live_await("what it is", is_told, diary);
    assert_true(diary->events[0] == LK_CAMPAIGN_STOCKED || diary->events[0] == LK_CAMPAIGN_OPENED);
    if (diary->events[0] == LK_CAMPAIGN_STOCKED)
        await_event(diary, LK_CAMPAIGN_STOCKED);
    assert_true(await_event(diary, LK_CAMPAIGN_OPENED).server_ms >= opens_ms);
    lk_campaign_watch_free(diary->watch);
}

static void what_happened_while_it_was_cut_off_is_told_after(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_client *onlooker = LIVE_CLIENT("onlooker", .proxied = true, .timeout_ms = BRIEF_MS);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    struct diary *diary = watch_sale(onlooker);
    struct stand *stand = live_lock(onlooker, "lock", "/l");
    struct gone gone = { 0 };

    await_event(diary, LK_CAMPAIGN_OPENED);
    /* The connection alone. */
    zkbox_proxy_cut(live_proxy());
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 2), LK_OK);
    zkbox_proxy_heal(live_proxy());
    await_event(diary, LK_CAMPAIGN_SOLD_OUT);
    /* The session with its watches. */
    acquire(stand);
    raw_watch_gone(live_path("/l/lk-lock-0000000000"), &gone);
    zkbox_proxy_stall(live_proxy());
    await_gone(&gone);
    assert_status(lk_campaign_add_stock(shop, 5, NULL, patience()), LK_OK);
    zkbox_proxy_heal(live_proxy());
    await_event(diary, LK_CAMPAIGN_STOCKED);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "bob", .count = 5), LK_OK);
    await_event(diary, LK_CAMPAIGN_SOLD_OUT);
    lk_campaign_watch_free(diary->watch);
}

static void a_sale_that_is_deleted_and_made_anew_in_the_dark_is_another(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    lk_campaign_options rules = LK_CAMPAIGN_OPTIONS_INIT;
    struct diary *diary = watch_sale(LIVE_CLIENT("onlooker", .proxied = true));

    await_event(diary, LK_CAMPAIGN_OPENED);
    zkbox_proxy_cut(live_proxy());
    assert_status(lk_campaign_delete(shop, NULL, NULL, patience()), LK_OK);
    rules.stock = 3;
    assert_status(lk_campaign_create(shop, &rules, NULL, patience()), LK_OK);
    zkbox_proxy_heal(live_proxy());
    await_event(diary, LK_CAMPAIGN_GONE);
    assert_int_equal(await_event(diary, LK_CAMPAIGN_OPENED).available, 3);
    lk_campaign_watch_free(diary->watch);
}

/* Claims fire the watches as fast as they come; what the watch asks does not follow. */
static void a_rush_is_looked_at_five_times_a_second(void)
{
    enum { EXISTS = 3, STOCK = 200 };
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = STOCK, .shards = 4);
    lk_ledger *other = ledger(live_client("other", (struct live_client){ 0 }), "/sale");
    struct diary *diary = watch_sale(LIVE_CLIENT("onlooker", .proxied = true));
    struct seller sellers[] = { { .ledger = shop, .number = 0 }, { .ledger = other, .number = 1 } };
    char user[20];
    int claims = 0;

    await_event(diary, LK_CAMPAIGN_OPENED);
    zkbox_proxy_reset_counts(live_proxy());
    int64_t began_ns = lk_now_ns();
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&sellers[i].thread, NULL, sell, &sellers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(sellers[i].thread, NULL);
    do
        snprintf(user, sizeof(user), "late-%d", claims++);
    while (DO(shop, .verb = LK_LEDGER_CLAIM, .user = user) == LK_OK);
    assert_status(last.status, LK_E_SOLD_OUT);
    lk_campaign_info info = await_event(diary, LK_CAMPAIGN_SOLD_OUT);
    assert_int_equal(info.available, 0);
    assert_int_equal(info.issued, STOCK);
    int64_t looks = zkbox_proxy_requests(live_proxy(), EXISTS);
    int64_t most = (lk_now_ns() - began_ns) / (200 * 1000000) + 1;
    live_tell("%d looks, at most %d", (int)looks, (int)most);
    assert_true(looks >= 1 && looks <= most);
    lk_campaign_watch_free(diary->watch);
}

static void a_watch_may_be_freed_by_what_it_tells(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    struct diary *freed = watch_sale(client), *other = watch_sale(client);

    await_event(freed, LK_CAMPAIGN_OPENED);
    await_event(other, LK_CAMPAIGN_OPENED);
    pthread_mutex_lock(&freed->lock);
    freed->free_inside = true;
    pthread_mutex_unlock(&freed->lock);
    assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = "ann", .count = 2), LK_OK);
    await_event(freed, LK_CAMPAIGN_SOLD_OUT);
    await_event(other, LK_CAMPAIGN_SOLD_OUT);
    assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
    await_event(other, LK_CAMPAIGN_STOCKED);
    assert_int_equal(freed->count, 2);
    lk_campaign_watch_free(other->watch);
    assert_null(lk_campaign_watch_free(NULL));
}

/* Until it dispatches, it is told nothing; then the present, and not all that was. */
static void who_does_not_listen_is_told_the_present(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_client *slow = LIVE_CLIENT("slow", .own_loop = true);
    lk_ledger *shop = OPEN(client, "/sale", .stock = 2);
    struct diary *diary = watch_sale(slow), *quick = watch_sale(client);

    assert_true(lk_dispatch(slow, patience()) == 1);
    await_event(diary, LK_CAMPAIGN_OPENED);
    await_event(quick, LK_CAMPAIGN_OPENED);
    for (int round = 0; round < 3; round++) {
        char user[20];
        snprintf(user, sizeof(user), "user-%d", round);
        assert_status(DO(shop, .verb = LK_LEDGER_CLAIM, .user = user, .count = 2), LK_OK);
        await_event(quick, LK_CAMPAIGN_SOLD_OUT);
        assert_status(lk_campaign_add_stock(shop, 2, NULL, patience()), LK_OK);
        await_event(quick, LK_CAMPAIGN_STOCKED);
    }
    assert_status(lk_campaign_close(shop, NULL, patience()), LK_OK);
    await_event(quick, LK_CAMPAIGN_CLOSED);
    while (diary->count == 0 || diary->events[diary->count - 1] != LK_CAMPAIGN_CLOSED)
        assert_true(lk_dispatch(slow, patience()) > 0);
    assert_true(diary->count <= 4); /* opened; perhaps sold out; stocked, closed */
    lk_campaign_watch_free(diary->watch);
    lk_campaign_watch_free(quick->watch);
}

/* As a picture may be that was taken while stock moved; here a stranger's hand does it. */
static void more_stock_than_there_is_does_not_make_issued_wrap(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    struct shard shard = { .index = 1, .stocked = 4 };
    struct record_out record = { 0 };

    (void)OPEN(client, "/sale", .stock = 8, .shards = 2);
    shard.ranges = (struct range[]){ { .shard = 0, .first = 1, .count = 90 } };
    shard.range_count = 1;
    assert_int_equal(shard_encode(&shard, &record), LK_OK);
    raw_set(live_path("/sale/stock/0001"), record.bytes, record.size);
    record_free(&record);
    struct diary *diary = watch_sale(client);
    lk_campaign_info info = await_event(diary, LK_CAMPAIGN_OPENED);
    assert_int_equal(info.stocked, 8);
    assert_int_equal(info.available, 8);
    assert_int_equal(info.issued, 0);
    lk_campaign_watch_free(diary->watch);
}

static void what_is_no_campaign_is_not_told_of(void)
{
    lk_client *client = live_client("shop", (struct live_client){ 0 });
    lk_campaign_watch *watch;

    assert_status(lk_campaign_watch_new(&watch, client, "sale", note, NULL), LK_E_PATH);
    assert_status(lk_campaign_watch_new(&watch, client, "/sale", NULL, NULL), LK_E_INVALID);
    raw_make(live_path("/sale"));
    struct diary *diary = watch_sale(client);
    raw_delete(live_path("/sale"));
    await_event(diary, LK_CAMPAIGN_GONE);
    (void)OPEN(client, "/sale", .stock = 1);
    await_event(diary, LK_CAMPAIGN_OPENED);
    lk_campaign_watch_free(diary->watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TEST(a_watch_tells_a_campaigns_whole_life),
        SHOP_TEST(opening_closing_and_ending_are_told_when_their_time_comes),
        SHOP_TEST(a_campaign_that_opened_long_ago_is_open_at_once),
        SHOP_TEST(who_may_not_ask_the_clock_goes_by_what_others_wrote),
        SHOP_TEST(what_happened_while_it_was_cut_off_is_told_after),
        SHOP_TEST(a_sale_that_is_deleted_and_made_anew_in_the_dark_is_another),
        SHOP_TEST(a_rush_is_looked_at_five_times_a_second),
        SHOP_TEST(a_watch_may_be_freed_by_what_it_tells),
        SHOP_TEST(who_does_not_listen_is_told_the_present),
        SHOP_TEST(more_stock_than_there_is_does_not_make_issued_wrap),
        SHOP_TEST(what_is_no_campaign_is_not_told_of),
    };
    return live_main("ledger watch", NULL, tests, sizeof(tests) / sizeof(tests[0]));
}
