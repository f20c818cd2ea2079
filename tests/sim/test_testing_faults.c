/* test_testing_faults.c - <latchkey/testing.h> as its users have it: each fault shows its effect,
 * and what can be looked at shows the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test_testing_story.h"

static bool is_lost(void *arg)
{
    return lk_lock_state(arg) == LK_LOST;
}

static bool is_suspended(void *arg)
{
    return lk_lock_state(arg) == LK_SUSPENDED;
}

static bool is_connected(void *arg)
{
    return lk_testing_server_of(arg) >= 0;
}

static bool has_a_leader(void *arg)
{
    (void)arg;
    return lk_testing_leader(world) >= 0;
}

static bool nobody_stands_there(void *arg)
{
    (void)arg;
    return lk_testing_ephemerals(world) == 0;
}

static bool is_there(void *arg)
{
    return lk_testing_znode_get(world, arg, NULL) == LK_OK;
}

static bool is_gone(void *arg)
{
    return lk_testing_znode_get(world, arg, NULL) == LK_E_NOT_FOUND;
}

static void await(bool (*is_true)(void *arg), void *arg, int64_t within_ms)
{
    assert_int_equal(lk_testing_run_until(world, is_true, arg, within_ms), LK_OK);
}

/* ---- what befalls a client ---- */

static void a_lost_reply_costs_requests_and_no_place(void **state)
{
    lk_testing_znode parent;

    (void)state;
    hold(0);
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_OK);
    uint64_t before = lk_testing_requests(clients[0]);
    hold(0);
    uint64_t usually = lk_testing_requests(clients[0]) - before;
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_OK);
    before = lk_testing_requests(clients[0]);
    assert_int_equal(lk_testing_lose_reply(clients[0], 1), LK_OK);
    hold(0);
    assert_true(lk_testing_requests(clients[0]) - before > usually);
    assert_int_equal(lk_testing_znode_get(world, LINE, &parent), LK_OK);
    assert_int_equal(parent.children, 1);
}

static bool is_away(void *arg)
{
    return lk_testing_server_of(arg) < 0;
}

static void a_cut_connection_is_made_again(void **state)
{
    (void)state;
    assert_true(lk_testing_server_of(clients[0]) >= 0);
    assert_int_equal(lk_testing_cut(clients[0]), LK_OK);
    await(is_away, clients[0], 1000);
    await(is_connected, clients[0], 5000);
}

static void a_stalled_link_suspends_a_grant_and_then_costs_it(void **state)
{
    const lk_testing_ways ways[] = { LK_TESTING_UP, LK_TESTING_DOWN, LK_TESTING_BOTH };

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        hold(0);
        int64_t began_ns = lk_now_ns();
        assert_int_equal(lk_testing_stall(clients[0], ways[i], 60000), LK_OK);
        await(is_suspended, locks[0], T_MS / 2);
        await(is_lost, locks[0], T_MS / 2);
        assert_true(lk_now_ns() < began_ns + T_MS * MS);
        assert_int_equal(lk_testing_heal(world), LK_OK);
        await(nobody_stands_there, NULL, 5 * T_MS);
    }
}

static void a_stall_that_is_ended_in_time_costs_nothing(void **state)
{
    (void)state;
    hold(0);
    assert_int_equal(lk_testing_stall(clients[0], LK_TESTING_BOTH, 60000), LK_OK);
    lk_testing_run_ms(world, T_MS / 4);
    assert_int_equal(lk_testing_stall(clients[0], LK_TESTING_BOTH, 0), LK_OK);
    lk_testing_run_ms(world, 2 * T_MS);
    assert_int_equal(lk_lock_state(locks[0]), LK_HELD);
}

static void an_expired_session_costs_the_grant_and_is_followed_by_another(void **state)
{
    lk_client_info before, after;

    (void)state;
    hold(0);
    lk_client_info_get(clients[0], &before);
    assert_int_equal(lk_testing_expire(clients[0]), LK_OK);
    await(is_lost, locks[0], 5000);
    assert_int_equal(lk_testing_ephemerals(world), 0);
    assert_int_equal(lk_client_wait_connected(clients[0], lk_in_ms(5000)), LK_OK);
    lk_client_info_get(clients[0], &after);
    assert_true(before.session_id != after.session_id);
}

static void a_paused_holder_loses_its_lock_to_who_waits(void **state)
{
    lk_fence fence;

    (void)state;
    hold(0);
    assert_int_equal(lk_testing_pause(clients[0], 10 * T_MS), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[1], lk_in_ms(3 * T_MS), &fence), LK_OK);
    assert_int_equal(lk_lock_remaining_ns(locks[0]), 0);
}

static void a_killed_client_is_closed_and_its_session_ends_in_time(void **state)
{
    (void)state;
    hold(0);
    assert_int_equal(lk_testing_kill(clients[0]), LK_OK);
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_E_CLOSED);
    assert_int_equal(lk_testing_ephemerals(world), 1);
    assert_int_equal(lk_lock_acquire(locks[1], lk_in_ms(3 * T_MS), NULL), LK_OK);
    assert_int_equal(lk_testing_ephemerals(world), 1);
    assert_int_equal(lk_testing_sessions(world), 1);
}

static void a_killed_clients_blocked_program_ends(void **state)
{
    struct worker worker = { .client = clients[1] };
    lk_testing_program *program;

    (void)state;
    hold(0);
    assert_int_equal(lk_testing_start(world, worker.client, work, &worker, &program), LK_OK);
    lk_testing_run_ms(world, 1000);
    assert_int_equal(lk_testing_kill(clients[1]), LK_OK);
    assert_int_equal(lk_testing_join(program, 60000), LK_OK);
    assert_int_equal(worker.status, LK_E_CLOSED);
}

static void a_fast_clock_sees_its_deadlines_early(void **state)
{
    (void)state;
    hold(0);
    assert_int_equal(lk_testing_drift(clients[1], 100000), LK_OK);
    int64_t deadline_ns = lk_in_ms(1100 * 1000);
    assert_int_equal(lk_lock_acquire(locks[1], deadline_ns, NULL), LK_E_DEADLINE);
    assert_true(lk_now_ns() < deadline_ns - 99 * 1000 * MS);
    assert_true(lk_now_ns() > deadline_ns - 101 * 1000 * MS);
}

/* ---- what befalls the servers ---- */

static void without_a_quorum_nothing_is_granted(void **state)
{
    (void)state;
    assert_int_equal(lk_testing_server_down(world, 0), LK_OK);
    assert_int_equal(lk_testing_server_down(world, 1), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[0], lk_in_ms(60000), NULL), LK_E_DEADLINE);
    assert_int_equal(lk_testing_leader(world), -1);
    assert_int_equal(lk_testing_server_up(world, 0), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[0], lk_in_ms(60000), NULL), LK_OK);
    assert_true(lk_testing_leader(world) != 1);
}

static void the_leader_moves(void **state)
{
    int leader = lk_testing_leader(world);

    (void)state;
    assert_int_equal(lk_testing_move_leader(world), LK_OK);
    await(has_a_leader, NULL, 5000);
    assert_true(lk_testing_leader(world) != leader);
    lk_testing_run_ms(world, 60000); /* it has come back, to follow: two of three are enough */
    int next = lk_testing_leader(world);
    assert_true(next != leader);
    assert_int_equal(lk_testing_server_down(world, 3 - leader - next), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[1], lk_in_ms(60000), NULL), LK_OK);
}

static void a_leader_that_is_cut_off_leads_no_more(void **state)
{
    int leader = lk_testing_leader(world);

    (void)state;
    assert_int_equal(lk_testing_partition(world, leader, 60000), LK_OK);
    lk_testing_run_ms(world, 20000);
    await(has_a_leader, NULL, 10000);
    assert_true(lk_testing_leader(world) != leader);
    assert_int_equal(lk_lock_acquire(locks[0], lk_in_ms(60000), NULL), LK_OK);
}

static void a_single_server_has_nobody_to_hand_its_lead_to(void **state)
{
    (void)state;
    assert_int_equal(lk_testing_move_leader(world), LK_E_STATE);
    assert_int_equal(lk_testing_leader(world), 0);
    assert_int_equal(lk_testing_server_down(world, 0), LK_OK);
    assert_int_equal(lk_testing_move_leader(world), LK_E_NO_SERVER);
    assert_int_equal(lk_testing_znode_create(world, "/a", NULL, 0), LK_E_NO_SERVER);
    assert_int_equal(lk_testing_expire(clients[0]), LK_E_NO_SERVER);
}

/* ---- memory ---- */

static void an_allocation_is_refused_when_its_turn_comes(void **state)
{
    lk_testing_memory before, after;
    lk_lock *lock = NULL;

    (void)state;
    lk_testing_memory_get(world, &before);
    assert_int_equal(lk_testing_refuse_allocation(world, 1), LK_OK);
    assert_int_equal(lk_lock_new(&lock, clients[0], "/other", NULL), LK_E_NOMEM);
    lk_testing_memory_get(world, &after);
    assert_int_equal(after.refused, before.refused + 1);
    assert_int_equal(after.live, before.live);
    assert_int_equal(lk_lock_new(&lock, clients[0], "/other", NULL), LK_OK);
    lk_testing_memory_get(world, &after);
    assert_true(after.live > before.live);
    lk_lock_free(lock);
}

static void allocations_are_refused_by_the_hundred(void **state)
{
    lk_lock *lock = NULL;

    (void)state;
    assert_int_equal(lk_testing_refuse_percent(world, 100), LK_OK);
    assert_int_equal(lk_lock_new(&lock, clients[0], "/other", NULL), LK_E_NOMEM);
    assert_int_equal(lk_testing_refuse_percent(world, 0), LK_OK);
    assert_int_equal(lk_lock_new(&lock, clients[0], "/other", NULL), LK_OK);
    lk_lock_free(lock);
}

/* ---- strangers, and looking ---- */

static void a_stranger_makes_sets_and_deletes_a_znode(void **state)
{
    lk_testing_znode znode;

    (void)state;
    assert_int_equal(lk_testing_znode_set(world, "/a", "x", 1), LK_E_NOT_FOUND);
    assert_int_equal(lk_testing_znode_create(world, "/a", "one", 3), LK_OK);
    await(is_there, (void *)"/a", 1000);
    assert_int_equal(lk_testing_znode_create(world, "/a", "one", 3), LK_E_EXISTS);
    assert_int_equal(lk_testing_znode_create(world, "/a/b", NULL, 0), LK_OK);
    await(is_there, (void *)"/a/b", 1000);
    assert_int_equal(lk_testing_znode_set(world, "/a", "three", 5), LK_OK);
    lk_testing_run_ms(world, 1000);
    assert_int_equal(lk_testing_znode_get(world, "/a", &znode), LK_OK);
    assert_int_equal(znode.data_size, 5);
    assert_memory_equal(znode.data, "three", 5);
    assert_int_equal(znode.version, 1);
    assert_int_equal(znode.children, 1);
    assert_int_equal(znode.session_id, 0);
    assert_true(znode.czxid > 0 && znode.mzxid > znode.czxid);
    assert_string_equal(lk_testing_child(world, "/a", 0), "b");
    assert_null(lk_testing_child(world, "/a", 1));
    assert_int_equal(lk_testing_znode_delete(world, "/a"), LK_E_STATE);
    assert_int_equal(lk_testing_znode_delete(world, "/a/b"), LK_OK);
    await(is_gone, (void *)"/a/b", 1000);
    assert_int_equal(lk_testing_znode_delete(world, "not a path"), LK_E_PATH);
}

static void a_stranger_who_deletes_a_place_costs_the_grant(void **state)
{
    char path[256];
    lk_testing_znode znode;
    lk_client_info info;

    (void)state;
    hold(0);
    snprintf(path, sizeof(path), LINE "/%s", lk_testing_child(world, LINE, 0));
    lk_client_info_get(clients[0], &info);
    assert_int_equal(lk_testing_znode_get(world, path, &znode), LK_OK);
    assert_true(znode.session_id == info.session_id);
    assert_int_equal(lk_testing_znode_delete(world, path), LK_OK);
    await(is_lost, locks[0], 1000);
}

static void sessions_and_ephemerals_are_counted(void **state)
{
    (void)state;
    assert_int_equal(lk_testing_sessions(world), 2);
    assert_int_equal(lk_testing_ephemerals(world), 0);
    hold(0);
    assert_int_equal(lk_testing_ephemerals(world), 1);
    locks[1] = lk_lock_free(locks[1]);
    clients[1] = lk_client_free(clients[1]);
    lk_testing_run_ms(world, 1000);
    assert_int_equal(lk_testing_sessions(world), 1);
}

static bool has_nothing_left(void *arg)
{
    return !lk_testing_left(arg);
}

static void an_engine_has_nothing_left_when_its_handles_are_free(void **state)
{
    (void)state;
    hold(0);
    assert_non_null(lk_testing_left(clients[0]));
    locks[0] = lk_lock_free(locks[0]);
    await(has_nothing_left, clients[0], 5000);
    await(nobody_stands_there, NULL, 5000);
}

static void a_grant_of_a_free_lock_costs_two_requests(void **state)
{
    (void)state;
    hold(0);
    assert_int_equal(lk_lock_release(locks[0], lk_in_ms(5000)), LK_OK);
    uint64_t before = lk_testing_requests(clients[0]);
    hold(0);
    assert_int_equal(lk_testing_requests(clients[0]) - before, 2);
}

static void count_line(lk_log_level level, const char *line, void *arg)
{
    int *lines = arg;

    assert_true(level <= LK_LOG_INFO);
    assert_true(line[0]);
    (*lines)++;
}

static void what_a_client_logs_is_a_part_of_the_story(void **state)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;
    int lines = 0;

    (void)state;
    options.log = count_line;
    options.log_arg = &lines;
    options.log_level = LK_LOG_INFO;
    assert_int_equal(lk_client_new(&client, &options), LK_OK);
    assert_int_equal(lk_client_wait_connected(client, lk_in_ms(5000)), LK_OK);
    assert_true(lines > 0);
    assert_non_null(strstr(lk_testing_trace(world), "c3: "));
    lk_client_free(client);
}

/* ---- all of it ---- */

static void a_schedule_of_faults_strikes_and_ends(void **state)
{
    static const struct {
        lk_testing_faults faults;
        const char *told;
    } schedules[] = {
        { LK_TESTING_LINKS, "stalls for" },      { LK_TESTING_SERVERS, "cut off from its peers" },
        { LK_TESTING_SESSIONS, "stands still" }, { LK_TESTING_MEMORY, "refused" },
        { LK_TESTING_STRANGERS, "a stranger" },  { LK_TESTING_ALL, "stands still" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(schedules) / sizeof(*schedules); i++) {
        size_t before = strlen(lk_testing_trace(world));
        hold(0);
        assert_int_equal(lk_testing_faults_for_ms(world, schedules[i].faults, 600 * 1000), LK_OK);
        lk_testing_run_ms(world, 700 * 1000);
        if (!strstr(lk_testing_trace(world) + before, schedules[i].told))
            fail_msg("nothing \"%s\" was told", schedules[i].told);
        locks[0] = lk_lock_free(locks[0]);
        clients[0] = lk_client_free(clients[0]);
        assert_int_equal(lk_client_new(&clients[0], NULL), LK_OK);
        assert_int_equal(lk_lock_new(&locks[0], clients[0], LINE, NULL), LK_OK);
    }
    assert_string_equal(lk_testing_violation(world), "");
}

static void healing_ends_what_would_have_gone_on(void **state)
{
    (void)state;
    assert_int_equal(lk_testing_faults_for_ms(world, LK_TESTING_ALL, 3600 * 1000), LK_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(lk_testing_server_down(world, i), LK_OK);
    assert_int_equal(lk_testing_refuse_percent(world, 100), LK_OK);
    assert_int_equal(lk_testing_stall(clients[0], LK_TESTING_BOTH, 3600 * 1000), LK_OK);
    assert_int_equal(lk_testing_heal(world), LK_OK);
    assert_int_equal(lk_lock_acquire(locks[0], lk_in_ms(60000), NULL), LK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_lost_reply_costs_requests_and_no_place),
        STORY(a_cut_connection_is_made_again),
        STORY(a_stalled_link_suspends_a_grant_and_then_costs_it),
        STORY_OF_ONE(a_stall_that_is_ended_in_time_costs_nothing),
        STORY(an_expired_session_costs_the_grant_and_is_followed_by_another),
        STORY(a_paused_holder_loses_its_lock_to_who_waits),
        STORY(a_killed_client_is_closed_and_its_session_ends_in_time),
        STORY(a_killed_clients_blocked_program_ends),
        STORY(a_fast_clock_sees_its_deadlines_early),
        STORY(without_a_quorum_nothing_is_granted),
        STORY(the_leader_moves),
        STORY(a_leader_that_is_cut_off_leads_no_more),
        STORY_OF_ONE(a_single_server_has_nobody_to_hand_its_lead_to),
        STORY(an_allocation_is_refused_when_its_turn_comes),
        STORY(allocations_are_refused_by_the_hundred),
        STORY(a_stranger_makes_sets_and_deletes_a_znode),
        STORY(a_stranger_who_deletes_a_place_costs_the_grant),
        STORY(sessions_and_ephemerals_are_counted),
        STORY(an_engine_has_nothing_left_when_its_handles_are_free),
        STORY(a_grant_of_a_free_lock_costs_two_requests),
        STORY(what_a_client_logs_is_a_part_of_the_story),
        STORY(a_schedule_of_faults_strikes_and_ends),
        STORY(healing_ends_what_would_have_gone_on),
    };
    return cmocka_run_group_tests_name("testing, faults", tests, NULL, NULL);
}
