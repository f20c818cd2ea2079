/* test_mends.c - small worlds, each told step by step up to the moment where a bug once was: what is
 * under way is held back on the wire, the stranger does his deed, and only then all goes on. Each
 * test fails when its mend is taken out (docs/bugs-found.md). Seeds would meet these moments too,
 * but some of them rarely. */
#include <string.h>

#include "test_mends_story.h"

/* ---- requests of a session that has ended ---- */

struct reply_seen {
    int rc, times;
};

static void replied(void *context, const struct keeper_reply *reply)
{
    struct reply_seen *seen = context;
    seen->rc = reply->rc;
    seen->times++;
}

static void send(struct sim_client *client, struct request_group *group, enum keeper_verb verb,
                 const char *path, unsigned flags, struct reply_seen *seen)
{
    const struct keeper_request request = { .verb = verb,
                                            .path = path,
                                            .version = KEEPER_ANY_VERSION };

    assert_int_equal(client_enter(client->lk), LK_OK);
    assert_int_equal(request_send(client->lk, group, &request, flags, replied, seen), LK_OK);
    client_leave(client->lk);
    sim_client_touch(client);
}

static void what_was_not_sent_when_its_session_ended_is_not_sent_in_the_next(void **state)
{
    struct story story;
    struct request_group group = { 0 };
    struct reply_seen write = { 0 }, read = { 0 };
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story);
    stranger(&story, (struct keeper_request){ .verb = KEEPER_CREATE, .path = "/theirs" });
    AWAIT(&story, stands(&story, "/theirs"));
    int64_t session = link_session_of(a);
    lose_connection(&story, a);
    send(a, &group, KEEPER_DELETE, "/theirs", REQUEST_ONCE | REQUEST_PROOF, &write);
    send(a, &group, KEEPER_GET, "/theirs", REQUEST_RETRY, &read);
    AWAIT(&story, list_is_empty(&ensemble_truth(&story.sim.ensemble)->sessions));
    assert_int_equal(write.times, 0);
    hear(a);
    AWAIT(&story, a->lk->connected && link_session_of(a) != session && read.times > 0);
    pass(&story, 100 * MS);
    assert_int_equal(write.times, 1);
    assert_int_equal(write.rc, KEEPER_EXPIRED);
    assert_int_equal(read.rc, KEEPER_OK); /* a read is sent again: it can't do harm */
    assert_true(stands(&story, "/theirs"));
    story_end(&story);
}

static void run_break(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    caller->status = lk_line_break(program->client->lk, caller->path, caller->fence, LK_FOREVER);
}

/* Between the look at the line and the delete the operator's connection breaks; and while it is
 * away the line is made anew, with a znode of the same name in it. */
static void a_break_after_an_outage_looks_again_before_it_removes(void **state)
{
    struct story story;
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story), *b = user(&story), *operator= user(&story);
    lk_lock *first = lock_of(a, "/l"), *second = lock_of(b, "/l");
    struct caller caller = { .path = "/l" };
    acquire(&story, a, first);
    assert_int_equal(lk_lock_fence(first, &caller.fence), LK_OK);
    call(&caller, operator, run_break);
    keep_from_running(&story, &caller);
    lose_connection(&story, operator);
    release(&story, a, first);
    stranger_deletes(&story, "/l");
    acquire(&story, b, second);
    assert_true(stands(&story, "/l/lk-lock-0000000000"));
    let_run(&story, &caller);
    hear(operator);
    assert_int_equal(answer_of(&story, &caller), LK_E_NOT_FOUND);
    pass(&story, 100 * MS);
    assert_true(stands(&story, "/l/lk-lock-0000000000"));
    assert_int_equal(lk_lock_state(second), LK_HELD);
    drop(a, first);
    drop(b, second);
    story_end(&story);
}

/* ---- who is queued hears of his own deletion ---- */

/* One behind another gives up, so the one behind him looks for whom to wait for now; on that way
 * his znode is changed, which uses up its watch. */
static void who_was_changed_on_the_way_into_the_queue_still_hears_that_he_was_removed(void **state)
{
    struct story story;
    struct end middle_end, last_end;
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story), *b = user(&story), *c = user(&story);
    lk_lock *holder = lock_of(a, "/l"), *middle = lock_of(b, "/l"), *last = lock_of(c, "/l");
    struct place *place = place_of(last);
    acquire(&story, a, holder);
    wait_for(b, middle, &middle_end);
    AWAIT(&story, place_of(middle)->state == PLACE_QUEUED);
    wait_for(c, last, &last_end);
    AWAIT(&story, place->state == PLACE_QUEUED && place->own_is_watched);
    drop(b, middle);
    AWAIT(&story, place->state == PLACE_SEEKING
                      && strcmp(place->predecessor, "/l/lk-lock-0000000000") == 0);
    assert_int_equal(place->awaited, 1); /* his own znode is watched */
    hold_back(c);
    stranger(&story,
             (struct keeper_request){ .verb = KEEPER_SET, .path = "/l/lk-lock-0000000002" });
    AWAIT(&story, !place->own_is_watched);
    assert_int_equal(place->state, PLACE_SEEKING);
    hear(c);
    AWAIT(&story, place->state == PLACE_QUEUED);
    pass(&story, 10 * MS);
    stranger_deletes(&story, "/l/lk-lock-0000000002");
    pass(&story, 100 * MS);
    assert_int_equal(last_end.times, 1);
    assert_int_equal(last_end.status, LK_E_LOST);
    drop(a, holder);
    drop(c, last);
    pass(&story, 100 * MS);
    story_end(&story);
}

/* ---- proofs ---- */

/* The first of two holds is broken while a proof that checks its znode is under way; the next proof
 * checks the other's when the answer comes: that one is not the one that is gone. */
static void the_answer_about_a_hold_that_has_ended_is_not_taken_for_anothers(void **state)
{
    struct story story;
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story);
    lk_lock *broken = lock_of(a, "/broken"), *kept = lock_of(a, "/kept");
    const struct lease *lease = &a->lk->lease;
    acquire(&story, a, broken);
    acquire(&story, a, kept);
    AWAIT(&story, place_of(broken)->own_is_watched && place_of(kept)->own_is_watched);
    pass(&story, 10 * MS);
    hold_back(a);
    int64_t sent_ns = lease->proof_sent_ns;
    AWAIT(&story, lease->proof_sent_ns > sent_ns);
    stranger_deletes(&story, "/broken/lk-lock-0000000000");
    AWAIT(&story, lk_lock_state(broken) == LK_LOST);
    sent_ns = lease->proof_sent_ns;
    AWAIT(&story, lease->proof_sent_ns > sent_ns);
    hear(a);
    pass(&story, 100 * MS);
    assert_int_equal(lk_lock_state(kept), LK_HELD);
    assert_true(stands(&story, "/kept/lk-lock-0000000000"));
    drop(a, broken);
    drop(a, kept);
    pass(&story, 100 * MS);
    story_end(&story);
}

enum { WAITING = 4000 };

/* More reads than may be under way at once; the proof that falls due meanwhile is the next to go. */
static void a_proof_does_not_wait_behind_a_flood_of_requests(void **state)
{
    struct story story;
    struct request_group group = { 0 };
    struct reply_seen flood = { 0 };
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story);
    lk_lock *lock = lock_of(a, "/l");
    const struct lease *lease = &a->lk->lease;
    acquire(&story, a, lock);
    pass(&story, 10 * MS);
    hold_back(a);
    for (int i = 0; i < REQUESTS_IN_FLIGHT_MAX + WAITING; i++)
        send(a, &group, KEEPER_EXISTS, "/", REQUEST_RETRY, &flood);
    int64_t sent_ns = lease->proof_sent_ns, proven_ns = lease->proven_ns;
    AWAIT(&story, lease->proof_sent_ns > sent_ns);
    assert_int_equal(flood.times, 0);
    hear(a);
    AWAIT(&story, lease->proven_ns > proven_ns);
    assert_in_range(flood.times, 0, REQUESTS_IN_FLIGHT_MAX + WAITING / 2);
    AWAIT(&story, flood.times == REQUESTS_IN_FLIGHT_MAX + WAITING);
    drop(a, lock);
    pass(&story, 100 * MS);
    story_end(&story);
}

/* ---- threads in blocking calls ---- */

static void run_wait_connected(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    caller->status = lk_client_wait_connected(program->client->lk, LK_FOREVER);
}

static void run_list(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    lk_line *line;
    caller->status = lk_line_list(program->client->lk, caller->path, LK_FOREVER, &line);
}

/* The client is freed by another thread, and all its sessions are closed, before the one that waits
 * in it comes to run. */
static void a_blocked_call_outlives_the_freeing_of_its_client(void **state)
{
    void (*const calls[])(struct program *) = { run_wait_connected, run_list, run_break };
    (void)state;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        struct story story;
        struct caller caller = { .path = "/l" };
        story_begin(&story);
        struct sim_client *a = user(&story);
        lose_connection(&story, a);
        unsigned references = atomic_load(&a->lk->references);
        call(&caller, a, calls[i]);
        assert_true(atomic_load(&a->lk->references) > references);
        sim_client_free(a);
        keep_from_running(&story, &caller);
        AWAIT(&story, links_are_closed(a));
        let_run(&story, &caller);
        assert_int_equal(answer_of(&story, &caller), LK_E_CLOSED);
        story_end(&story);
    }
}

static void run_acquire(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    caller->status = lk_lock_acquire(caller->lock, LK_FOREVER, &caller->fence);
}

/* Granted, and then the process stands still for longer than a lease; its thread is the first to
 * run again. */
static void a_grant_that_ended_before_its_caller_came_to_run_is_not_told_as_one(void **state)
{
    struct story story;
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story);
    struct caller caller = { .lock = lock_of(a, "/l") };
    call(&caller, a, run_acquire);
    keep_from_running(&story, &caller);
    assert_int_equal(lk_lock_state(caller.lock), LK_HELD);
    sim_client_pause(a, FOREVER_NS);
    pass(&story, TIMEOUT_NS * 2 / 3);
    a->paused_until_ns = 0;
    let_run(&story, &caller);
    assert_int_equal(answer_of(&story, &caller), LK_E_LOST);
    drop(a, caller.lock);
    pass(&story, 100 * MS);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_not_sent_when_its_session_ended_is_not_sent_in_the_next),
        cmocka_unit_test(a_break_after_an_outage_looks_again_before_it_removes),
        cmocka_unit_test(who_was_changed_on_the_way_into_the_queue_still_hears_that_he_was_removed),
        cmocka_unit_test(the_answer_about_a_hold_that_has_ended_is_not_taken_for_anothers),
        cmocka_unit_test(a_proof_does_not_wait_behind_a_flood_of_requests),
        cmocka_unit_test(a_blocked_call_outlives_the_freeing_of_its_client),
        cmocka_unit_test(a_grant_that_ended_before_its_caller_came_to_run_is_not_told_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
