/* test_ensemble.c - the simulated servers by themselves: what an ensemble may do to a client. A
 * follower that is cut off, a leader that is one no longer, and one that lags go on answering, as
 * ZooKeeper's do: latchkey's lease and its barriers rest on knowing which of their answers prove
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "test_tree_story.h"

/* ---- who is connected to whom ---- */

static int server_of(const struct user *user)
{
    for (int i = 0; i < user->story->sim.ensemble.size; i++) {
        const struct server *server = &user->story->sim.ensemble.servers[i];
        list_for_each (node, &server->connections) {
            if (container_of(node, struct connection, node)->session == user->session.id)
                return i;
        }
    }
    fail_msg("no server has the session");
    return -1;
}

static bool leads(const struct user *user)
{
    return user->story->sim.ensemble.servers[server_of(user)].role == SERVER_LEADING;
}

/* Whom the first user is connected to depends on the seed. */
static void story_begin_at(enum role role, struct story *story, struct user *user)
{
    for (uint64_t seed = 1;; seed++) {
        story_begin(story, 3, seed);
        user_begin(user, story, 'a');
        if (story->sim.ensemble.servers[server_of(user)].role == role)
            return;
        story_end(story);
    }
}

/* Another user, of a server that does not lead. */
static void user_begin_at_follower(struct user *user, struct story *story, char name)
{
    do
        user_begin(user, story, name);
    while (leads(user));
}

/* ---- followers that are cut off ---- */

static void a_follower_that_is_cut_off_still_answers_reads_and_no_writes(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_FOLLOWING, &story, &a);
    int here = server_of(&a);
    for (int i = 0; i < 3; i++) {
        ensemble_cut(&story.sim.ensemble, here, i, INT64_MAX / 2);
        ensemble_cut(&story.sim.ensemble, i, here, INT64_MAX / 2);
    }
    pass(&story, 300 * MS);
    ask_get(&a, "1", "/", false);
    ask_create(&a, "2", "/x", KEEPER_PERSISTENT);
    pass(&story, 100 * MS);
    assert_heard(&story, "a:1=OK ");
    /* Beyond syncLimit: it closes its connections, the client finds another. */
    pass(&story, 1000 * MS);
    assert_non_null(strstr(story.heard, "a:lost a:2=UNKNOWN "));
    assert_non_null(strstr(story.heard, "a:connected "));
    assert_int_not_equal(server_of(&a), here);
    story_end(&story);
}

static void a_leader_gives_up_a_follower_that_it_does_not_hear(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_FOLLOWING, &story, &a);
    int here = server_of(&a);
    const struct server *leader = ensemble_leader(&story.sim.ensemble);
    ensemble_cut(&story.sim.ensemble, here, leader->id, INT64_MAX / 2);
    pass(&story, 300 * MS);
    ask_get(&a, "1", "/", false); /* it hears the leader, and sees no harm */
    pass(&story, 10 * MS);
    assert_heard(&story, "a:1=OK ");
    pass(&story, 1500 * MS);
    assert_int_equal(leader->role, SERVER_LEADING);
    assert_false(leader->followers[here].follows);
    assert_non_null(strstr(story.heard, "a:lost "));
    story_end(&story);
}

/* ---- leaders, and the next one ---- */

static void a_deposed_leader_still_answers_sync_while_the_others_have_another(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_LEADING, &story, &a);
    int old = server_of(&a);
    for (int i = 0; i < 3; i++) {
        if (i == old)
            continue;
        ensemble_cut(&story.sim.ensemble, old, i, INT64_MAX / 2);
        ensemble_cut(&story.sim.ensemble, i, old, INT64_MAX / 2);
        server_lose_leader(&story.sim.ensemble.servers[i]);
    }
    pass(&story, 400 * MS);
    const struct server *leader = ensemble_leader(&story.sim.ensemble);
    assert_non_null(leader);
    assert_int_not_equal(leader->id, old);
    ask_sync(&a, "1");
    pass(&story, 20 * MS);
    assert_heard(&story, "a:1=OK ");
    story_end(&story);
}

static void what_a_deposed_leader_logged_alone_never_was(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_LEADING, &story, &a);
    struct ensemble *ensemble = &story.sim.ensemble;
    struct server *old = &ensemble->servers[server_of(&a)];
    for (int i = 0; i < 3; i++) {
        if (i == old->id)
            continue;
        ensemble_cut(ensemble, old->id, i, INT64_MAX / 2);
        server_lose_leader(&ensemble->servers[i]);
    }
    ask_create(&a, "1", "/x", KEEPER_PERSISTENT);
    pass(&story, 400 * MS);
    assert_non_null(tree_find(&old->ahead, "/x"));
    ensemble_heal(ensemble);
    pass(&story, 3000 * MS);
    assert_non_null(strstr(story.heard, "a:1=UNKNOWN "));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ensemble->servers[i].logged, ensemble->servers[0].logged);
        assert_null(tree_find(&ensemble->servers[i].tree, "/x"));
    }
    story_end(&story);
}

static void a_killed_leader_is_followed_by_another_and_nothing_committed_is_lost(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_FOLLOWING, &story, &a);
    ask_create(&a, "1", "/x", KEEPER_PERSISTENT);
    pass(&story, 20 * MS);
    assert_heard(&story, "a:1=OK(/x) ");
    struct server *old = ensemble_leader(&story.sim.ensemble);
    server_kill(old);
    pass(&story, 2000 * MS);
    const struct server *leader = ensemble_leader(&story.sim.ensemble);
    assert_non_null(leader);
    assert_ptr_not_equal(leader, old);
    ask_create(&a, "2", "/y", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    assert_non_null(strstr(story.heard, "a:2=OK(/y) "));
    server_start(old);
    pass(&story, 1000 * MS);
    assert_non_null(tree_find(&old->tree, "/x"));
    assert_non_null(tree_find(&old->tree, "/y"));
    story_end(&story);
}

static void a_leader_reads_nothing_for_a_session_that_is_over(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin_at(SERVER_LEADING, &story, &a);
    story.sim.ensemble.lag_ns[server_of(&a)] = 50 * MS;
    assert_true(ensemble_expire(&story.sim.ensemble, a.session.id));
    ask_get(&a, "1", "/", false);
    pass(&story, 10 * MS);
    assert_heard(&story, "a:1=UNKNOWN "); /* keeper/zookeeper.c makes that of "expired" */
    pass(&story, 500 * MS);
    assert_non_null(strstr(story.heard, "a:expired "));
    story_end(&story);
}

/* ---- what a sync waits for ---- */

static void a_lagging_follower_shows_the_past_until_sync(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin_at(SERVER_FOLLOWING, &story, &a);
    int here = server_of(&a);
    do
        user_begin(&b, &story, 'b');
    while (server_of(&b) == here);
    story.sim.ensemble.lag_ns[here] = 80 * MS;
    ask_create(&b, "1", "/x", KEEPER_PERSISTENT);
    pass(&story, 10 * MS);
    assert_heard(&story, "b:1=OK(/x) ");
    ask_get(&a, "1", "/x", false);
    pass(&story, 10 * MS);
    assert_heard(&story, "a:1=NO_NODE ");
    ask_sync(&a, "2");
    ask_get(&a, "3", "/x", false);
    pass(&story, 400 * MS);
    assert_heard(&story, "a:2=OK a:3=OK ");
    story_end(&story);
}

static void a_sync_at_the_leader_is_no_barrier_but_a_commit_is(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin_at(SERVER_LEADING, &story, &a);
    user_begin_at_follower(&b, &story, 'b');
    story.sim.ensemble.lag_ns[server_of(&a)] = 80 * MS;
    ask_create(&b, "1", "/x", KEEPER_PERSISTENT);
    pass(&story, 10 * MS);
    assert_heard(&story, "b:1=OK(/x) ");
    ask_sync(&a, "1");
    ask_get(&a, "2", "/x", false);
    pass(&story, 10 * MS);
    assert_heard(&story, "a:1=OK a:2=NO_NODE ");
    ask(&a, "3", barrier);
    ask_get(&a, "4", "/x", false);
    pass(&story, 200 * MS);
    assert_heard(&story, "a:3=OK a:4=OK ");
    story_end(&story);
}

static void a_sync_at_the_leader_waits_for_its_own_writes_alone(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin_at(SERVER_LEADING, &story, &a);
    int here = server_of(&a);
    do
        user_begin(&b, &story, 'b');
    while (!leads(&b));
    for (int i = 0; i < 3; i++)
        ensemble_cut(&story.sim.ensemble, i, here, story.sim.world.now_ns + 200 * MS);
    ask_create(&b, "1", "/x", KEEPER_PERSISTENT); /* nobody can confirm it */
    pass(&story, 5 * MS);
    ask_sync(&a, "1");
    ask_sync(&b, "2");
    pass(&story, 5 * MS);
    assert_heard(&story, "a:1=OK ");
    pass(&story, 400 * MS);
    assert_heard(&story, "b:1=OK(/x) b:2=OK ");
    story_end(&story);
}

static void a_followers_sync_waits_for_all_that_was_proposed_before(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin_at(SERVER_FOLLOWING, &story, &a);
    user_begin_at_follower(&b, &story, 'b');
    struct server *leader = ensemble_leader(&story.sim.ensemble);
    ask_create(&b, "1", "/x", KEEPER_PERSISTENT);
    while (!tree_find(&leader->ahead, "/x"))
        assert_true(world_step(&story.sim.world));
    ask_sync(&a, "1");
    ask_get(&a, "2", "/x", false);
    pass(&story, 50 * MS);
    assert_non_null(strstr(story.heard, "a:1=OK a:2=OK "));
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_that_is_cut_off_still_answers_reads_and_no_writes),
        cmocka_unit_test(a_leader_gives_up_a_follower_that_it_does_not_hear),
        cmocka_unit_test(a_deposed_leader_still_answers_sync_while_the_others_have_another),
        cmocka_unit_test(what_a_deposed_leader_logged_alone_never_was),
        cmocka_unit_test(a_killed_leader_is_followed_by_another_and_nothing_committed_is_lost),
        cmocka_unit_test(a_leader_reads_nothing_for_a_session_that_is_over),
        cmocka_unit_test(a_lagging_follower_shows_the_past_until_sync),
        cmocka_unit_test(a_sync_at_the_leader_is_no_barrier_but_a_commit_is),
        cmocka_unit_test(a_sync_at_the_leader_waits_for_its_own_writes_alone),
        cmocka_unit_test(a_followers_sync_waits_for_all_that_was_proposed_before),
    };
    return cmocka_run_group_tests_name("ensemble", tests, NULL, NULL);
}
