/* test_server_time.c - the servers' clock, asked through a commit of which nothing is left. */
#include "live.h"

/* By the server, which stamps each: no clock here is looked at. */
static int64_t stamp(const char *path)
{
    struct Stat stat;

    raw_make(path);
    assert_true(raw_exists(path, &stat));
    return stat.ctime;
}

static int64_t server_ms(lk_client *client, const char *path)
{
    int64_t ms = 0;

    assert_status(lk_client_server_ms(client, path, lk_in_ms(PATIENCE_MS), &ms), LK_OK);
    return ms;
}

static void it_lies_between_what_was_made_before_and_after(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);

    int64_t before_ms = stamp(live_path("/before"));
    int64_t first_ms = server_ms(client, NULL), second_ms = server_ms(client, "/sale");
    int64_t after_ms = stamp(live_path("/after"));
    assert_true(before_ms <= first_ms && first_ms <= second_ms && second_ms <= after_ms);
}

static void nothing_is_left_and_nothing_is_made(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct Stat before, after;
    struct names names;

    raw_make(live_path("/shop"));
    assert_true(raw_exists(live_path("/shop"), &before));
    server_ms(client, "/shop/sale");
    assert_true(raw_exists(live_path("/shop"), &after));
    assert_true(after.cversion > before.cversion); /* it was there */
    raw_children(live_path("/shop"), &names);
    assert_int_equal(names.count, 0);

    server_ms(client, "/none/of/these/is/there");
    server_ms(client, NULL);
    raw_children(live_root(), &names);
    assert_int_equal(names.count, 1); /* the shop */
}

static void rights_are_wanted_only_where_the_caller_will_write(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    int64_t ms = -1;

    raw_make(live_path("/shop"));
    raw_limit(live_root(), ZOO_PERM_READ);
    assert_status(lk_client_server_ms(client, NULL, lk_in_ms(PATIENCE_MS), &ms), LK_E_NO_RIGHTS);
    assert_status(lk_client_server_ms(client, "/sale", lk_in_ms(PATIENCE_MS), &ms), LK_E_NO_RIGHTS);
    assert_status(lk_client_server_ms(client, "/none/sale", lk_in_ms(PATIENCE_MS), &ms),
                  LK_E_NO_RIGHTS);
    assert_int_equal(ms, -1);
    server_ms(client, "/shop/sale");
    raw_limit(live_root(), ZOO_PERM_ALL);
}

static void a_creator_s_client_may_ask_too(void)
{
    server_ms(LIVE_CLIENT("A", .auth = "a:secret", .access = LK_ACCESS_CREATOR), "/sale");
}

static void a_lost_reply_is_asked_for_again(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRISK_MS);
    struct Stat stat;

    assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), 14 /* multi */, 1), 0);
    server_ms(client, NULL);
    assert_int_equal(zkbox_proxy_wait_lost(live_proxy(), 0), 0);
    assert_false(raw_exists(live_root(), &stat));
}

static void a_deadline_ends_it_and_nonsense_is_refused(void)
{
    int64_t ms = -1;

    zkbox_proxy_cut(live_proxy());
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .unconnected = true);
    assert_status(lk_client_server_ms(client, NULL, lk_in_ms(50), &ms), LK_E_DEADLINE);
    assert_status(lk_client_server_ms(client, "sale", LK_FOREVER, &ms), LK_E_PATH);
    assert_status(lk_client_server_ms(client, NULL, LK_FOREVER, NULL), LK_E_INVALID);
    assert_status(lk_client_server_ms(NULL, NULL, LK_FOREVER, &ms), LK_E_INVALID);
    assert_int_equal(ms, -1);
    zkbox_proxy_heal(live_proxy());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(it_lies_between_what_was_made_before_and_after),
        LIVE_TEST(nothing_is_left_and_nothing_is_made),
        LIVE_TEST(rights_are_wanted_only_where_the_caller_will_write),
        LIVE_TEST(a_creator_s_client_may_ask_too),
        LIVE_TEST(a_lost_reply_is_asked_for_again),
        LIVE_TEST(a_deadline_ends_it_and_nonsense_is_refused),
    };
    return live_main("server time", NULL, tests, sizeof tests / sizeof tests[0]);
}
