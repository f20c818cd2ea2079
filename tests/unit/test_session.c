/* test_session.c - a client over a keeper that the test plays itself: it says what is answered, and
 * when, also what no server of ours would say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/engine.h"

#define MS INT64_C(1000000)
#define TIMEOUT_NS (3000 * MS)

enum { SESSIONS_MAX = 2, ASKED_MAX = REQUESTS_IN_FLIGHT_MAX + 100 };

/* One session, as the keeper sees it. */
struct played {
    struct keeper keeper;
    const struct keeper_events *events;
    void *owner;
    struct {
        enum keeper_verb verb;
        void *context;
    } asked[ASKED_MAX];
    size_t count, answered; /* answers go in the order of asking */
    size_t room;            /* there is no memory to take more; 0: there is */
    bool is_closed;
};

struct stage {
    struct keeper_world world;
    int64_t now_ns;
    struct played sessions[SESSIONS_MAX];
    size_t opened;
    lk_client *client;
};

static struct stage stage;

/* ---- the keeper ---- */

static int played_submit(struct keeper *keeper, const struct keeper_request *request, void *context)
{
    struct played *played = container_of(keeper, struct played, keeper);

    if (played->room && played->count == played->room)
        return LK_E_NOMEM;
    assert_true(played->count < ASKED_MAX);
    played->asked[played->count].verb = request->verb;
    played->asked[played->count++].context = context;
    return LK_OK;
}

static void played_leave_server(struct keeper *keeper)
{
    (void)keeper;
}

static void played_close(struct keeper *keeper)
{
    container_of(keeper, struct played, keeper)->is_closed = true;
}

static int played_open(struct keeper_world *world, const struct keeper_options *options,
                       const struct keeper_events *events, void *owner, struct keeper **out)
{
    static const struct keeper_class class = { played_submit, played_leave_server, played_close };
    (void)world, (void)options;

    assert_true(stage.opened < SESSIONS_MAX);
    struct played *played = &stage.sessions[stage.opened++];
    *played = (struct played){ .keeper.class = &class, .events = events, .owner = owner };
    *out = &played->keeper;
    return LK_OK;
}

static int64_t played_now(struct keeper_world *world)
{
    (void)world;
    return stage.now_ns;
}

static uint64_t played_random(struct keeper_world *world)
{
    (void)world;
    return 4;
}

static void say(struct played *played, enum keeper_session_event event)
{
    const struct keeper_session session = { .id = 1 + (played - stage.sessions),
                                            .timeout_ns = TIMEOUT_NS };
    played->events->session(played->owner, event, &session);
}

static void answer(struct played *played, int rc)
{
    const struct keeper_reply reply = { .rc = rc };

    assert_true(played->answered < played->count);
    played->events->reply(played->owner, played->asked[played->answered++].context, &reply);
}

static void answer_all(struct played *played, int rc)
{
    while (played->answered < played->count)
        answer(played, rc);
}

/* ---- the stage ---- */

static int begin(void **state)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    (void)state;

    stage = (struct stage){ .world = { .open = played_open,
                                       .now_ns = played_now,
                                       .wall_ms = played_now,
                                       .random = played_random },
                            .now_ns = 1000 * TIMEOUT_NS };
    options.session_timeout_ms = TIMEOUT_NS / MS;
    assert_int_equal(client_new_in(&stage.world, &stage.client, &options), LK_OK);
    say(&stage.sessions[0], KEEPER_SESSION_CONNECTED);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lk_client_free(stage.client);
    for (size_t i = 0; i < stage.opened; i++) {
        assert_true(stage.sessions[i].is_closed);
        answer_all(&stage.sessions[i], KEEPER_CLOSED);
        stage.sessions[i].events->closed(stage.sessions[i].owner);
    }
    return 0;
}

static void pass(int64_t length_ns)
{
    stage.now_ns += length_ns;
    client_tick(stage.client);
}

static void enter(void)
{
    assert_int_equal(client_enter(stage.client), LK_OK);
}

static void replied(void *context, const struct keeper_reply *reply)
{
    (void)reply;
    ++*(size_t *)context;
}

static void send(struct request_group *group, enum keeper_verb verb, unsigned flags,
                 size_t *replies)
{
    const struct keeper_request request = { .verb = verb, .path = "/", .version = -1 };

    enter();
    assert_int_equal(request_send(stage.client, group, &request, flags, replied, replies), LK_OK);
    client_leave(stage.client);
}

static void hold_changed(struct lease_hold *hold, enum lease_change change)
{
    (void)hold, (void)change;
}

static int64_t remaining_ns(void)
{
    lk_client_info info;
    lk_client_info_get(stage.client, &info);
    return info.lease_remaining_ns;
}

/* ---- tests ---- */

/* A server that is too busy, say, answers so by itself: no leader has seen the request. */
static void a_proof_that_the_server_refused_proves_nothing(void **state)
{
    struct played *played = &stage.sessions[0];
    struct lease_hold hold = { .node_path = "/l/n", .changed = hold_changed };
    struct request_group group = { 0 };
    size_t replies = 0;
    (void)state;

    send(&group, KEEPER_SET, REQUEST_ONCE | REQUEST_PROOF, &replies);
    answer_all(played, KEEPER_OK);
    assert_int_equal(remaining_ns(), TIMEOUT_NS / 2);
    enter();
    lease_hold_begin(stage.client, &hold);
    client_leave(stage.client);
    pass(TIMEOUT_NS / 12);
    assert_int_equal(played->asked[played->count - 1].verb, KEEPER_MULTI);
    answer_all(played, KEEPER_REFUSED);
    assert_int_equal(remaining_ns(), TIMEOUT_NS / 2 - TIMEOUT_NS / 12);
    pass(TIMEOUT_NS / 12);
    assert_int_equal(played->asked[played->count - 1].verb, KEEPER_MULTI);
    answer_all(played, KEEPER_OK);
    assert_int_equal(remaining_ns(), TIMEOUT_NS / 2);
    enter();
    lease_hold_end(stage.client, &hold);
    client_leave(stage.client);
}

/* Closing takes seconds when no server answers; until then all that was under way still is. */
static void a_new_session_does_not_wait_for_the_requests_of_the_last_one(void **state)
{
    struct played *last = &stage.sessions[0], *next = &stage.sessions[1];
    struct request_group group = { 0 };
    size_t replies = 0;
    (void)state;

    for (size_t i = 0; i <= REQUESTS_IN_FLIGHT_MAX; i++)
        send(&group, KEEPER_EXISTS, REQUEST_RETRY, &replies);
    assert_int_equal(last->count, REQUESTS_IN_FLIGHT_MAX);
    say(last, KEEPER_SESSION_EXPIRED);
    assert_true(last->is_closed);
    assert_int_equal(stage.opened, 2);
    say(next, KEEPER_SESSION_CONNECTED);
    assert_int_equal(next->count, 1);
    answer_all(next, KEEPER_OK);
    assert_int_equal(replies, 1);
    answer_all(last, KEEPER_CLOSED); /* and what was lost with it is asked again */
    answer_all(next, KEEPER_OK);
    assert_int_equal(replies, REQUESTS_IN_FLIGHT_MAX + 1);
}

/* Else it would be read as if behind its barrier, and was not. */
static void a_read_stays_behind_its_barrier_when_that_is_sent_again(void **state)
{
    struct played *played = &stage.sessions[0];
    struct request_group group = { 0 };
    size_t replies = 0;
    (void)state;

    played->room = 2;
    send(&group, KEEPER_LIST, REQUEST_RETRY, &replies);
    send(&group, KEEPER_MULTI, BARRIER_FLAGS, &replies);
    send(&group, KEEPER_GET, REQUEST_RETRY, &replies);
    assert_int_equal(played->count, 2);
    say(played, KEEPER_SESSION_LOST);
    answer_all(played, KEEPER_UNKNOWN);
    say(played, KEEPER_SESSION_CONNECTED);
    played->room = 3; /* the list, and again it is lost */
    pass(TIMEOUT_NS / 100);
    assert_int_equal(played->asked[2].verb, KEEPER_LIST);
    say(played, KEEPER_SESSION_LOST);
    answer_all(played, KEEPER_UNKNOWN);
    say(played, KEEPER_SESSION_CONNECTED);
    played->room = 0;
    pass(TIMEOUT_NS / 3);
    assert_int_equal(played->asked[3].verb, KEEPER_LIST);
    assert_int_equal(played->asked[4].verb, KEEPER_MULTI);
    assert_int_equal(played->asked[5].verb, KEEPER_GET);
    assert_int_equal(played->count, 6);
    answer_all(played, KEEPER_OK);
    assert_int_equal(replies, 3);
}

/* ---- callbacks ---- */

enum does { NOTHING, POSTS, FORGETS, CLOSES, FREES, DISPATCHES };

/* Writes its name down when it runs, "-name" when it is forgotten. */
struct told {
    struct callback callback;
    char name;
    enum does does;
};
static char story[40];
static const int owner;

static void tell(const char *before, char name)
{
    size_t size = strlen(story);
    snprintf(story + size, sizeof story - size, "%s%c", before, name);
}

static void post(char name, enum does does, const void *of);

static void told_run(struct callback *callback)
{
    struct told *told = container_of(callback, struct told, callback);

    tell("", told->name);
    switch (told->does) {
    case NOTHING:
        break;
    case POSTS:
        post('p', NOTHING, NULL);
        break;
    case FORGETS:
        enter();
        callbacks_forget(stage.client, &owner);
        client_leave(stage.client);
        break;
    case CLOSES:
        assert_int_equal(lk_client_close(stage.client, 0), LK_E_DEADLINE);
        break;
    case FREES:
        stage.client = lk_client_free(stage.client);
        break;
    case DISPATCHES:
        assert_int_equal(lk_dispatch(stage.client, 0), LK_E_WOULD_DEADLOCK);
        break;
    }
    free(told);
}

static void told_forget(struct callback *callback)
{
    struct told *told = container_of(callback, struct told, callback);

    tell("-", told->name);
    free(told);
}

static void post(char name, enum does does, const void *of)
{
    struct told *told = malloc(sizeof *told);

    assert_non_null(told);
    *told = (struct told){ { .owner = of, .run = told_run, .forget = told_forget }, name, does };
    enter();
    callback_post(stage.client, &told->callback);
    client_leave(stage.client);
}

static bool is_readable(void)
{
    struct pollfd ready = { .fd = lk_fd(stage.client), .events = POLLIN };
    return poll(&ready, 1, 0) == 1;
}

static int begin_story(void **state)
{
    story[0] = '\0';
    return begin(state);
}

static void callbacks_run_in_their_order_whoever_owns_them(void **state)
{
    (void)state;
    post('a', NOTHING, NULL);
    post('b', DISPATCHES, NULL);
    post('X', NOTHING, &owner);
    post('c', NOTHING, NULL);
    assert_true(is_readable());
    assert_int_equal(lk_dispatch(stage.client, 0), 4);
    assert_string_equal(story, "abXc");
    assert_false(is_readable());
}

static void a_callback_that_another_asked_for_waits_for_the_next_dispatch(void **state)
{
    (void)state;
    post('a', POSTS, NULL);
    post('b', NOTHING, NULL);
    assert_int_equal(lk_dispatch(stage.client, 0), 2);
    assert_string_equal(story, "ab");
    assert_true(is_readable());
    assert_int_equal(lk_dispatch(stage.client, 0), 1);
    assert_string_equal(story, "abp");
    assert_false(is_readable());
}

static void a_callback_can_forget_what_waits_behind_it(void **state)
{
    (void)state;
    post('a', FORGETS, NULL);
    post('b', NOTHING, NULL);
    post('X', NOTHING, &owner);
    post('c', NOTHING, NULL);
    assert_int_equal(lk_dispatch(stage.client, 0), 3);
    assert_string_equal(story, "a-Xbc");
    assert_false(is_readable());
}

static void all_callbacks_run_though_one_closes_the_client(void **state)
{
    (void)state;
    post('a', CLOSES, NULL);
    post('b', NOTHING, NULL);
    post('X', NOTHING, &owner);
    assert_int_equal(lk_dispatch(stage.client, 0), 3);
    assert_string_equal(story, "abX");
}

static void all_callbacks_run_though_one_frees_the_client(void **state)
{
    (void)state;
    post('a', NOTHING, NULL);
    post('b', FREES, NULL);
    post('c', NOTHING, NULL);
    post('X', NOTHING, &owner);
    assert_int_equal(lk_dispatch(stage.client, 0), 4);
    assert_string_equal(story, "abcX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proof_that_the_server_refused_proves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(
            a_new_session_does_not_wait_for_the_requests_of_the_last_one, begin, end),
        cmocka_unit_test_setup_teardown(a_read_stays_behind_its_barrier_when_that_is_sent_again,
                                        begin, end),
        cmocka_unit_test_setup_teardown(callbacks_run_in_their_order_whoever_owns_them, begin_story,
                                        end),
        cmocka_unit_test_setup_teardown(
            a_callback_that_another_asked_for_waits_for_the_next_dispatch, begin_story, end),
        cmocka_unit_test_setup_teardown(a_callback_can_forget_what_waits_behind_it, begin_story,
                                        end),
        cmocka_unit_test_setup_teardown(all_callbacks_run_though_one_closes_the_client, begin_story,
                                        end),
        cmocka_unit_test_setup_teardown(all_callbacks_run_though_one_frees_the_client, begin_story,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
