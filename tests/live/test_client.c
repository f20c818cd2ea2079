/* test_client.c - a client from new to free: no server, a lost session, close from everywhere, a
 * fork. */
#include "live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_SIZE = 512 };

/* ---- connecting ---- */

static void a_client_without_a_server_waits_no_longer_than_it_may(void)
{
    zkbox_proxy_cut(live_proxy());
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .unconnected = true);
    struct stand *a = live_lock(client, "a", "/l");
    lk_client_info info;
    lk_line *line;

    assert_status(lk_client_wait_connected(client, lk_in_ms(100)), LK_E_NO_SERVER);
    assert_status(lk_lock_acquire(a->lock, lk_in_ms(50), NULL), LK_E_DEADLINE);
    assert_status(lk_lock_try(a->lock, lk_in_ms(50), NULL), LK_E_DEADLINE);
    assert_status(lk_line_list(client, "/l", lk_in_ms(50), &line), LK_E_DEADLINE);
    assert_status(lk_line_break(client, "/l", (lk_fence){ 1, 0 }, lk_in_ms(50)), LK_E_DEADLINE);
    lk_client_info_get(client, &info);
    assert_false(info.connected);
    assert_int_equal(info.session_id, 0);
    assert_int_equal(info.session_timeout_ms, 0);
    assert_int_equal(info.lease_remaining_ns, 0);

    zkbox_proxy_heal(live_proxy()); /* and it connects by itself */
    acquire(a);
    lk_client_info_get(client, &info);
    assert_true(info.connected && info.session_id != 0 && info.session_timeout_ms == CALM_MS);
    assert_true(info.lease_remaining_ns > 0);
}

static void options_that_make_no_sense_are_refused(void)
{
    lk_client *client = NULL;
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    char label[300];

    memset(label, 'x', sizeof label);
    label[sizeof label - 1] = '\0';
    options.servers = "127.0.0.1:1/chroot";
    assert_status(lk_client_new(&client, &options), LK_E_INVALID);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.servers = "";
    assert_status(lk_client_new(&client, &options), LK_E_INVALID);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.root = "/a//b";
    assert_status(lk_client_new(&client, &options), LK_E_PATH);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.session_timeout_ms = 0;
    assert_status(lk_client_new(&client, &options), LK_E_INVALID);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.access = LK_ACCESS_CREATOR; /* whose? */
    assert_status(lk_client_new(&client, &options), LK_E_INVALID);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.label = label;
    assert_status(lk_client_new(&client, &options), LK_E_TOO_LARGE);
    options = (lk_client_options)LK_CLIENT_OPTIONS_INIT;
    options.size = 8;
    assert_status(lk_client_new(&client, &options), LK_E_INVALID);
    assert_status(lk_client_new(NULL, NULL), LK_E_INVALID);
    assert_null(client);
    assert_null(lk_client_free(NULL));
}

static void note_warning(lk_log_level level, const char *line, void *arg)
{
    char *warning = arg;

    if (level == LK_LOG_WARNING && !*warning)
        snprintf(warning, LINE_SIZE, "%s", line);
}

/* Connected, with this session timeout asked for; the first warning, "" for none. */
static void connect_asking(int64_t timeout_ms, char warning[LINE_SIZE])
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;

    warning[0] = '\0';
    options.servers = zkbox_address(live_box(), 0);
    options.session_timeout_ms = timeout_ms;
    options.log = note_warning;
    options.log_arg = warning;
    assert_status(lk_client_new(&client, &options), LK_OK);
    assert_status(lk_client_wait_connected(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    assert_status(lk_client_close(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    lk_client_free(client);
}

static void a_session_timeout_that_is_not_granted_is_warned_of(void)
{
    char warning[LINE_SIZE];

    connect_asking(TICK_MS + 50, warning);
    assert_non_null(strstr(warning, "no session timeout below 400 ms (250 ms were asked for)"));
    assert_non_null(strstr(warning, "ask for 1200 ms")); /* six ticks */
    connect_asking(10 * 3600 * 1000, warning);
    assert_non_null(strstr(warning, "no session timeout above "));
    connect_asking(BRIEF_MS, warning);
    assert_string_equal(warning, "");
}

static void refused_credentials_end_every_wait(void)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;
    lk_lock *lock;

    options.servers = zkbox_address(live_box(), 0);
    options.auth_scheme = "nonsense";
    options.auth = "somebody";
    assert_status(lk_client_new(&client, &options), LK_OK);
    assert_status(lk_lock_new(&lock, client, live_path("/l"), NULL), LK_OK);
    assert_status(lk_lock_acquire(lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    assert_status(lk_client_wait_connected(client, lk_in_ms(PATIENCE_MS)), LK_E_NO_RIGHTS);
    assert_status(lk_lock_acquire(lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    lk_lock_free(lock);
    assert_status(lk_client_close(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    lk_client_free(client);
}

static void what_a_creator_makes_nobody_else_may_touch(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", .auth = "me:secret", .access = LK_ACCESS_CREATOR),
                                "a", "/deep/l");
    struct stand *stranger = live_lock(LIVE_CLIENT("B", 0), "b", "/deep/l");
    char data[10];
    int size = sizeof data;

    acquire(a);
    assert_int_equal(zoo_get(raw(), live_path("/deep/l"), 0, data, &size, NULL), ZNOAUTH);
    assert_int_equal(zoo_get(raw(), live_path("/deep/l/lk-lock-0000000000"), 0, data, &size, NULL),
                     ZNOAUTH);
    assert_status(lk_lock_acquire(stranger->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    assert_status(lk_lock_try(stranger->lock, lk_in_ms(PATIENCE_MS), NULL), LK_E_NO_RIGHTS);
    release(a);
}

static void a_root_is_put_before_every_path(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/x/y");

    acquire(a);
    assert_true(raw_exists(live_path("/x/y/lk-lock-0000000000"), NULL));
    assert_false(raw_exists("/x", NULL));
}

/* ---- the session ends ---- */

static void a_client_makes_a_new_session_by_itself(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *a = live_lock(client, "a", "/l");
    lk_client_info before, after;
    struct gone gone;

    acquire(a);
    raw_watch_gone(live_path("/l/lk-lock-0000000000"), &gone);
    lk_client_info_get(client, &before);
    zkbox_proxy_cut(live_proxy());
    await_gone(&gone);
    await_change(a, LK_LOST);
    zkbox_proxy_heal(live_proxy());
    acquire(a);
    lk_client_info_get(client, &after);
    assert_true(after.session_id != before.session_id);
}

/* ---- close ---- */

struct blocked {
    struct stand *stand;
    lk_client *client;
    pthread_t thread;
    int (*call)(struct stand *stand);
    int status;
};

static void *block(void *arg)
{
    struct blocked *blocked = arg;
    blocked->status = blocked->call(blocked->stand);
    return NULL;
}

static int call_acquire(struct stand *stand)
{
    return lk_lock_acquire(stand->lock, LK_FOREVER, NULL);
}

static int call_wait_lost(struct stand *stand)
{
    return lk_lock_wait_lost(stand->lock, LK_FOREVER);
}

static void a_closing_client_ends_all_that_is_pending_once(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *held = live_lock(client, "held", "/l"), *waits = live_lock(client, "waits", "/l");
    struct stand *blocks = live_lock(client, "blocks", "/l");
    struct blocked acquiring = { .stand = blocks, .call = call_acquire };
    struct blocked losing = { .stand = held, .call = call_wait_lost };

    acquire(held);
    struct answer *answer = start_acquire(waits, LK_FOREVER);
    assert_int_equal(pthread_create(&acquiring.thread, NULL, block, &acquiring), 0);
    assert_int_equal(pthread_create(&losing.thread, NULL, block, &losing), 0);
    await_children(live_path("/l"), 3);
    assert_status(lk_client_close(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    pthread_join(acquiring.thread, NULL);
    pthread_join(losing.thread, NULL);
    assert_status(acquiring.status, LK_E_CLOSED);
    assert_status(losing.status, LK_E_CLOSED); /* also if it came too late to wait */
    assert_status(await_answer(answer), LK_E_CLOSED);
    assert_int_equal(await_change(held, LK_LOST)->reason, LK_E_CLOSED);
    assert_int_equal(await_change(waits, LK_IDLE)->reason, LK_E_CLOSED);
    await_children(live_path("/l"), 0);

    assert_status(lk_client_close(client, 0), LK_OK);
    assert_status(lk_lock_acquire(held->lock, LK_FOREVER, NULL), LK_E_CLOSED);
    assert_status(lk_lock_release(held->lock, LK_FOREVER), LK_E_CLOSED);
    assert_status(lk_lock_acquire_start(held->lock, LK_FOREVER, answer_done, answer, NULL),
                  LK_E_CLOSED);
    assert_status(lk_client_wait_connected(client, LK_FOREVER), LK_E_CLOSED);
    assert_int_equal(lk_lock_state(held->lock), LK_LOST);
    assert_int_equal(lk_lock_remaining_ns(held->lock), 0);
    assert_int_equal(answer->times, 1);
}

static void a_closing_client_does_not_wait_longer_than_it_may(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct stand *a = live_lock(client, "a", "/l");
    struct answer *released = live_answer("release");

    acquire(a);
    zkbox_proxy_stall(live_proxy());
    assert_status(lk_lock_release_start(a->lock, LK_FOREVER, answer_done, released, NULL), LK_OK);
    assert_status(lk_client_close(client, lk_in_ms(50)),
                  LK_E_DEADLINE); /* returned, and the server is still mute */
    assert_status(await_answer(released), LK_E_CLOSED);
    assert_int_equal(lk_lock_remaining_ns(a->lock), 0);
}

struct closing {
    lk_client *client;
    struct answer *answer;
};

static void close_in_callback(int status, void *arg)
{
    struct closing *closing = arg;

    (void)status;
    /* Must not wait: for this very callback. */
    answer_done(lk_client_close(closing->client, LK_FOREVER), closing->answer);
}

static void a_client_may_be_closed_inside_a_callback(void)
{
    for (int own_loop = 0; own_loop < 2; own_loop++) {
        lk_client *client = LIVE_CLIENT("A", .own_loop = own_loop != 0);
        struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
        struct closing closing = { client, live_answer("the close") };

        struct answer *waits = live_answer("b");
        assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, close_in_callback, &closing, NULL),
                      LK_OK);
        assert_status(lk_lock_acquire_start(b->lock, LK_FOREVER, answer_done, waits, NULL), LK_OK);
        while (own_loop && !is_answered(waits))
            assert_true(lk_dispatch(client, lk_in_ms(PATIENCE_MS)) >= 0);
        assert_status(await_answer(waits), LK_E_CLOSED);
        int status = await_answer(closing.answer);
        assert_true(status == LK_OK || status == LK_E_DEADLINE);
        await_children(live_path("/l"), 0);
    }
}

static void free_client_in_callback(int status, void *arg)
{
    (void)status;
    lk_client_free(arg);
}

static void a_client_freed_inside_a_callback_still_answers_all(void)
{
    lk_client *client = live_forget_client(LIVE_CLIENT("A", .own_loop = true));
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");
    struct answer *waits = live_answer("b");

    assert_status(lk_lock_acquire_start(a->lock, LK_FOREVER, free_client_in_callback, client, NULL),
                  LK_OK);
    assert_status(lk_lock_acquire_start(b->lock, LK_FOREVER, answer_done, waits, NULL), LK_OK);
    while (lk_lock_state(a->lock) != LK_LOST)
        assert_true(lk_dispatch(client, lk_in_ms(PATIENCE_MS)) >= 0);
    assert_true(is_answered(waits));
    assert_status(waits->status, LK_E_CLOSED);
    assert_int_equal(waits->times, 1);
    assert_status(lk_lock_acquire(a->lock, LK_FOREVER, NULL),
                  LK_E_CLOSED); /* handles outlive their client */
}

static void callbacks_that_wait_when_a_client_is_freed_are_run_by_free(void)
{
    lk_client *client = live_forget_client(LIVE_CLIENT("A", .own_loop = true));
    struct stand *a = live_lock(client, "a", "/l");
    struct answer *answer = start_acquire(a, LK_FOREVER);

    await_children(live_path("/l"), 1);
    lk_client_free(client);
    assert_int_equal(answer->times, 1);
    stand_free(a);
}

static void a_callback_thread_leaves_nothing_to_dispatch(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);

    assert_int_equal(lk_fd(client), -1);
    assert_status(lk_dispatch(client, 0), LK_E_STATE);
    assert_int_equal(lk_fd(NULL), -1);
    assert_status(lk_dispatch(NULL, 0), LK_E_INVALID);
}

static void *dispatch_forever(void *arg)
{
    return (void *)(intptr_t)lk_dispatch(arg, LK_FOREVER);
}

static void close_wakes_who_dispatches(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    pthread_t thread;
    void *ran;

    assert_int_equal(pthread_create(&thread, NULL, dispatch_forever, client), 0);
    assert_status(lk_client_close(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    pthread_join(thread, &ran);
    assert_int_equal((int)(intptr_t)ran, 0);
}

/* ---- fork ---- */

/* The number of the first answer that is wrong; 0: none. */
static int call_all_in_child(lk_client *client, struct stand *held, struct stand *idle)
{
    int64_t soon = lk_in_ms(5000);
    lk_fence fence;
    lk_lock *lock;
    lk_line *line;
    char node[64];
    lk_client_info info;
    lk_observer *observer;
    int wrong = 0, call = 0;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        call++;                                                                                    \
        if (!(condition) && !wrong)                                                                \
            wrong = call;                                                                          \
    } while (0)
    CHECK(lk_lock_state(held->lock) == LK_LOST);
    CHECK(lk_lock_remaining_ns(held->lock) == 0);
    CHECK(lk_lock_fence(held->lock, &fence) == LK_E_FORKED);
    CHECK(lk_lock_node(held->lock, node, sizeof node) == LK_E_FORKED);
    CHECK(lk_lock_wait_lost(held->lock, soon) == LK_E_FORKED);
    CHECK(lk_lock_release(held->lock, soon) == LK_E_FORKED);
    CHECK(lk_lock_acquire(idle->lock, soon, NULL) == LK_E_FORKED);
    CHECK(lk_lock_try(idle->lock, soon, NULL) == LK_E_FORKED);
    CHECK(lk_lock_acquire_start(idle->lock, soon, answer_done, NULL, NULL) == LK_E_FORKED);
    CHECK(lk_lock_new(&lock, client, "/l", NULL) == LK_E_FORKED);
    CHECK(lk_observer_new(&observer, client, "/l", NULL, NULL) == LK_E_INVALID);
    CHECK(lk_line_list(client, "/l", soon, &line) == LK_E_FORKED);
    CHECK(lk_line_break(client, "/l", (lk_fence){ 1, 0 }, soon) == LK_E_FORKED);
    CHECK(lk_client_wait_connected(client, soon) == LK_E_FORKED);
    CHECK(lk_dispatch(client, soon) == LK_E_FORKED);
    lk_cancel(client, (lk_op){ 1 });
    lk_client_info_get(client, &info);
    CHECK(!info.connected && info.session_id == 0);
    CHECK(lk_client_close(client, soon) == LK_E_FORKED);
    CHECK(lk_lock_free(held->lock) == NULL);
    CHECK(lk_client_free(client) == NULL);
#undef CHECK
    return wrong;
}

static void a_forked_child_is_refused_and_does_no_harm(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    struct stand *held = live_lock(client, "held", "/l"), *idle = live_lock(client, "idle", "/m");
    int status;

    acquire(held);
    pid_t child = fork();
    if (child == 0)
        _exit(call_all_in_child(client, held, idle));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(lk_lock_state(held->lock), LK_HELD); /* and the parent's is as it was */
    release(held);
    acquire(idle);
}

static void fork_at_the_first(int status, void *arg)
{
    int *ran = arg;

    (void)status;
    if (++*ran == 1)
        (void)!fork();
}

static void a_child_forked_in_a_callback_runs_none_of_the_others(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);
    lk_lock *locks[2];
    lk_op ops[2];
    pid_t parent = getpid();
    int ran = 0, status;

    acquire(live_lock(LIVE_CLIENT("B", 0), "b", "/l"));
    for (int i = 0; i < 2; i++) {
        assert_status(lk_lock_new(&locks[i], client, "/l", NULL), LK_OK);
        assert_status(lk_lock_acquire_start(locks[i], LK_FOREVER, fork_at_the_first, &ran, &ops[i]),
                      LK_OK);
    }
    lk_cancel(client, ops[0]);
    lk_cancel(client, ops[1]);
    int dispatched = lk_dispatch(client, 0);
    if (getpid() != parent)
        _exit(dispatched == LK_E_FORKED && ran == 1 ? 0 : 1);
    assert_int_equal(dispatched, 2);
    assert_int_equal(ran, 2);
    assert_true(wait(&status) > 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    lk_lock_free(locks[0]);
    lk_lock_free(locks[1]);
}

static void a_deadline_long_past_does_not_wait(void)
{
    lk_client *client = LIVE_CLIENT("A", .own_loop = true);

    assert_int_equal(lk_dispatch(client, INT64_MIN), 0);
}

/* ---- all at once ---- */

enum { HAMMERERS = 4, TURNS = 40 };

struct hammer {
    lk_client *client;
    struct stand *shared[3];
    unsigned seed;
    unsigned granted;
};

static void *hammer(void *arg)
{
    struct hammer *me = arg;

    for (int turn = 0; turn < TURNS; turn++) {
        struct stand *stand = me->shared[rand_r(&me->seed) % 3];
        lk_fence fence;
        lk_line *line;
        switch (rand_r(&me->seed) % 5) {
        case 0:
        case 1:
            me->granted += lk_lock_acquire(stand->lock, lk_in_ms(20), NULL) == LK_OK;
            break;
        case 2:
            (void)!lk_lock_release(stand->lock, lk_in_ms(1000));
            break;
        case 3:
            (void)!lk_lock_fence(stand->lock, &fence);
            (void)lk_lock_remaining_ns(stand->lock);
            (void)lk_lock_state(stand->lock);
            break;
        case 4:
            if (lk_line_list(me->client, "/l", lk_in_ms(1000), &line) == LK_OK)
                lk_line_free(line);
            break;
        }
    }
    return NULL;
}

static void any_thread_may_call_anything(void)
{
    struct hammer hammers[HAMMERERS];
    pthread_t threads[HAMMERERS];
    lk_client *clients[2] = { LIVE_CLIENT("A", 0), LIVE_CLIENT("B", .own_loop = true) };
    struct stand *shared[3] = { live_lock(clients[0], "a", "/l"), live_lock(clients[0], "b", "/l"),
                                live_lock(clients[1], "c", "/l") };
    unsigned granted = 0;

    for (unsigned i = 0; i < HAMMERERS; i++) {
        hammers[i] = (struct hammer){ .client = clients[i % 2], .seed = i + 1 };
        memcpy(hammers[i].shared, shared, sizeof shared);
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < HAMMERERS; i++) {
        pthread_join(threads[i], NULL);
        granted += hammers[i].granted;
    }
    assert_true(granted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_client_without_a_server_waits_no_longer_than_it_may),
        LIVE_TEST(options_that_make_no_sense_are_refused),
        LIVE_TEST(a_session_timeout_that_is_not_granted_is_warned_of),
        LIVE_TEST(refused_credentials_end_every_wait),
        LIVE_TEST(what_a_creator_makes_nobody_else_may_touch),
        LIVE_TEST(a_root_is_put_before_every_path),
        LIVE_TEST(a_client_makes_a_new_session_by_itself),
        LIVE_TEST(a_closing_client_ends_all_that_is_pending_once),
        LIVE_TEST(a_closing_client_does_not_wait_longer_than_it_may),
        LIVE_TEST(a_client_may_be_closed_inside_a_callback),
        LIVE_TEST(a_client_freed_inside_a_callback_still_answers_all),
        LIVE_TEST(callbacks_that_wait_when_a_client_is_freed_are_run_by_free),
        LIVE_TEST(a_callback_thread_leaves_nothing_to_dispatch),
        LIVE_TEST(close_wakes_who_dispatches),
        LIVE_TEST(a_forked_child_is_refused_and_does_no_harm),
        LIVE_TEST(a_child_forked_in_a_callback_runs_none_of_the_others),
        LIVE_TEST(a_deadline_long_past_does_not_wait),
        LIVE_TEST(any_thread_may_call_anything),
    };
    return live_main("client", NULL, tests, sizeof tests / sizeof tests[0]);
}
