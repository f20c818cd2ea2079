/* test_tree.c - the simulated servers by themselves: do they behave as ZooKeeper's do where
 * latchkey depends on it? (That they do so in general is for the differential test to show.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "workloads.h"

/* ---- a world with bare keepers, whose events are written down ---- */

struct story {
    struct sim sim;
    char heard[4096];
};

struct user {
    struct story *story;
    struct sim_client *client;
    struct keeper *keeper;
    struct keeper_session session;
    char name;
};

/* A request on its way, in memory that stays until the world ends. */
struct sent {
    struct keeper_request request;
    char label[16];
};

__attribute__((format(printf, 2, 3))) static void hear(struct user *user, const char *format, ...)
{
    char *heard = user->story->heard;
    size_t size = strlen(heard);
    va_list arguments;

    va_start(arguments, format);
    size += (size_t)snprintf(heard + size, sizeof(user->story->heard) - size, "%c:", user->name);
    size += (size_t)vsnprintf(heard + size, sizeof(user->story->heard) - size, format, arguments);
    snprintf(heard + size, sizeof(user->story->heard) - size, " ");
    va_end(arguments);
}

static void on_session(void *owner, enum keeper_session_event event,
                       const struct keeper_session *session)
{
    static const char *const names[] = { "connected", "lost", "expired", "refused" };
    struct user *user = owner;
    user->session = *session;
    hear(user, "%s", names[event]);
}

static void on_watch(void *owner, enum keeper_watch_event event, const char *path)
{
    static const char *const names[] = { "created", "deleted", "changed", "children" };
    hear(owner, "%s!%s", path, names[event]);
}

static void on_reply(void *owner, void *context, const struct keeper_reply *reply)
{
    const struct sent *sent = context;
    if (reply->path)
        hear(owner, "%s=%s(%s)", sent->label, keeper_rc_name(reply->rc), reply->path);
    else
        hear(owner, "%s=%s", sent->label, keeper_rc_name(reply->rc));
}

static void on_closed(void *owner)
{
    hear(owner, "closed");
}

static const struct keeper_events events = {
    .session = on_session, .watch = on_watch, .reply = on_reply, .closed = on_closed
};

static void story_begin(struct story *story, int servers, uint64_t seed)
{
    memset(story, 0, sizeof(*story));
    world_begin(&story->sim.world, seed);
    ensemble_begin(&story->sim.ensemble, &story->sim.world, servers, 100 * MS, 5);
}

static void story_end(struct story *story)
{
    world_end(&story->sim.world);
}

static void pass(struct story *story, int64_t length_ns)
{
    int64_t until_ns = story->sim.world.now_ns + length_ns;
    while (story->sim.world.now_ns < until_ns)
        assert_true(world_step(&story->sim.world));
    assert_string_equal(story->sim.world.failure, "");
}

static void user_begin_as(struct user *user, struct story *story, char name, const char *auth)
{
    const struct keeper_options options = { .session_timeout_ms = 1000, .auth = auth };

    *user = (struct user){ .story = story, .name = name };
    user->client = arena_take(&story->sim.world.arena, sizeof(*user->client));
    user->client->sim = &story->sim;
    snprintf(user->client->name, sizeof(user->client->name), "%c", name);
    list_append(&story->sim.clients, &user->client->node);
    assert_int_equal(link_open(&user->client->keeper_world, &options, &events, user, &user->keeper),
                     0);
    pass(story, 50 * MS);
}

static void user_begin(struct user *user, struct story *story, char name)
{
    user_begin_as(user, story, name, NULL);
    story->heard[0] = '\0';
}

static void ask(struct user *user, const char *label, struct keeper_request request)
{
    struct sent *sent = arena_take(&user->story->sim.world.arena, sizeof(*sent));
    sent->request = request;
    snprintf(sent->label, sizeof(sent->label), "%s", label);
    assert_int_equal(keeper_submit(user->keeper, &sent->request, sent), 0);
}

static void ask_create(struct user *user, const char *label, const char *path,
                       enum keeper_mode mode)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_CREATE, .path = path, .mode = mode });
}

static void ask_delete(struct user *user, const char *label, const char *path)
{
    ask(user, label,
        (struct keeper_request){
            .verb = KEEPER_DELETE, .path = path, .version = KEEPER_ANY_VERSION });
}

static void ask_get(struct user *user, const char *label, const char *path, bool watch)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_GET, .path = path, .watch = watch });
}

static void ask_sync(struct user *user, const char *label)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_SYNC, .path = "/" });
}

/* What was heard since the last time. */
static void assert_heard(struct story *story, const char *expected)
{
    assert_string_equal(story->heard, expected);
    story->heard[0] = '\0';
}

static const struct znode *truth(struct story *story, const char *path)
{
    return tree_find(ensemble_truth(&story->sim.ensemble), path);
}

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

/* Who is connected to a follower depends on the seed. */
static void story_with_follower(struct story *story, struct user *user, bool wants_leader)
{
    for (uint64_t seed = 1;; seed++) {
        story_begin(story, 3, seed);
        user_begin(user, story, 'a');
        if (leads(user) == wants_leader)
            return;
        story_end(story);
    }
}

/* ---- znodes ---- */

static void names_count_creates_and_cversion_counts_both(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/q/n-", KEEPER_EPHEMERAL_SEQUENTIAL);
    ask_create(&a, "3", "/q/plain", KEEPER_PERSISTENT);
    ask_create(&a, "4", "/q/plain", KEEPER_PERSISTENT);
    ask_create(&a, "5", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask_delete(&a, "6", "/q/n-0000000000");
    ask_create(&a, "7", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q) a:2=OK(/q/n-0000000000) a:3=OK(/q/plain) a:4=NODE_EXISTS "
                         "a:5=OK(/q/n-0000000002) a:6=OK a:7=OK(/q/n-0000000003) ");
    struct keeper_stat stat = znode_stat(truth(&story, "/q"));
    assert_int_equal(stat.child_count, 3);
    assert_int_equal(stat.cversion, 2 * 4 - 3);
    assert_int_equal(keeper_next_number(&stat), 4);
    assert_int_equal(stat.pzxid, truth(&story, "/q/n-0000000003")->stat.czxid);
    story_end(&story);
}

static void a_failed_multi_leaves_no_trace(void **state)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE, .path = "/q/n-", .mode = KEEPER_PERSISTENT_SEQUENTIAL },
        { .verb = KEEPER_SET, .path = "/q", .data = "x", .data_size = 1, .version = 0 },
        { .verb = KEEPER_DELETE, .path = "/q/old", .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_CHECK, .path = "/q", .version = 7 },
        { .verb = KEEPER_DELETE, .path = "/none", .version = KEEPER_ANY_VERSION },
    };
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/q/old", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    struct keeper_stat before = znode_stat(truth(&story, "/q"));
    ask(&a, "3",
        (struct keeper_request){
            .verb = KEEPER_MULTI, .operations = operations, .operation_count = 5 });
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q) a:2=OK(/q/old) a:3=BAD_VERSION ");
    struct keeper_stat after = znode_stat(truth(&story, "/q"));
    assert_int_equal(after.pzxid, before.pzxid);
    assert_int_equal(after.mzxid, before.mzxid);
    assert_int_equal(after.version, before.version);
    assert_int_equal(after.cversion, before.cversion);
    assert_int_equal(after.child_count, before.child_count);
    ask_create(&a, "4", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:4=OK(/q/n-0000000001) ");
    story_end(&story);
}

static void refusals_are_those_of_zookeeper(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/x/y", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/e", KEEPER_EPHEMERAL);
    ask_create(&a, "3", "/e/child", KEEPER_PERSISTENT);
    ask_create(&a, "4", "/p", KEEPER_PERSISTENT);
    ask_create(&a, "5", "/p/c", KEEPER_PERSISTENT);
    ask_delete(&a, "6", "/p");
    ask(&a, "7", (struct keeper_request){ .verb = KEEPER_SET, .path = "/p", .version = 3 });
    ask(&a, "8",
        (struct keeper_request){
            .verb = KEEPER_CREATE, .path = "/c", .access = LK_ACCESS_CREATOR });
    pass(&story, 50 * MS);
    assert_heard(
        &story, "a:1=NO_NODE a:2=OK(/e) a:3=EPHEMERAL_PARENT a:4=OK(/p) a:5=OK(/p/c) a:6=NOT_EMPTY "
                "a:7=BAD_VERSION a:8=NO_RIGHTS ");
    story_end(&story);
}

/* ---- watches ---- */

static void an_event_comes_before_what_shows_the_change(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    for (int servers = 1; servers <= 3; servers += 2) {
        story_begin(&story, servers, 1);
        user_begin(&a, &story, 'a');
        ask_create(&a, "1", "/n", KEEPER_EPHEMERAL);
        ask_get(&a, "2", "/n", true);
        ask_delete(&a, "3", "/n");
        ask_get(&a, "4", "/n", true);
        pass(&story, 50 * MS);
        assert_heard(&story, "a:1=OK(/n) a:2=OK a:/n!deleted a:3=OK a:4=NO_NODE ");
        ask_create(&a, "5", "/n", KEEPER_EPHEMERAL); /* a get of nothing left no watch */
        pass(&story, 50 * MS);
        assert_heard(&story, "a:5=OK(/n) ");
        story_end(&story);
    }
}

static void what_changed_while_away_is_an_event_after_the_reconnect(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    user_begin(&b, &story, 'b');
    ask_create(&b, "1", "/gone", KEEPER_PERSISTENT);
    ask_create(&b, "2", "/anew", KEEPER_PERSISTENT);
    ask_create(&b, "3", "/same", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    ask_get(&a, "1", "/gone", true);
    ask_get(&a, "2", "/anew", true);
    ask_get(&a, "3", "/same", true);
    ask(&a, "4", (struct keeper_request){ .verb = KEEPER_EXISTS, .path = "/none", .watch = true });
    pass(&story, 50 * MS);
    story.heard[0] = '\0';
    sim_client_pause(a.client, 300 * MS);
    links_cut(a.client);
    ask_delete(&b, "4", "/gone");
    ask_delete(&b, "5", "/anew");
    ask_create(&b, "6", "/anew", KEEPER_PERSISTENT);
    ask_create(&b, "7", "/none", KEEPER_PERSISTENT);
    ask_delete(&b, "8", "/none");
    pass(&story, 200 * MS);
    assert_heard(&story, "b:4=OK b:5=OK b:6=OK(/anew) b:7=OK(/none) b:8=OK ");
    pass(&story, 200 * MS);
    assert_heard(&story, "a:lost a:connected a:/gone!deleted a:/anew!changed ");
    story_end(&story);
}

/* ---- losses ---- */

static void a_lost_reply_is_told_after_the_loss_and_the_request_was_applied(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    a.client->lose_reply_in = 2;
    ask_create(&a, "1", "/x", KEEPER_PERSISTENT);
    ask_create(&a, "2", "/y", KEEPER_PERSISTENT);
    ask_create(&a, "3", "/z", KEEPER_PERSISTENT);
    pass(&story, 50 * MS);
    assert_non_null(truth(&story, "/y"));
    /* The link broke before the first reply, or after it, was read. */
    assert_true(strcmp(story.heard, "a:1=OK(/x) a:lost a:2=UNKNOWN a:3=UNKNOWN a:connected ") == 0
                || strcmp(story.heard, "a:lost a:1=UNKNOWN a:2=UNKNOWN a:3=UNKNOWN a:connected ")
                       == 0);
    story_end(&story);
}

static void a_silent_session_expires_on_a_tick_and_hears_of_it_when_it_comes_back(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    user_begin(&b, &story, 'b');
    ask_create(&a, "1", "/e", KEEPER_EPHEMERAL);
    pass(&story, 50 * MS);
    story.heard[0] = '\0';
    int64_t asked_ns = story.sim.world.now_ns - 50 * MS;
    sim_client_pause(a.client, 5000 * MS);
    while (truth(&story, "/e"))
        pass(&story, 1 * MS);
    /* Not before T; T rounded up to a tick, what the follower relays late, and the commit come on
     * top. */
    assert_in_range(story.sim.world.now_ns - asked_ns, 1000 * MS, 1300 * MS);
    pass(&story, 6000 * MS);
    assert_non_null(strstr(story.heard, "a:lost "));
    assert_non_null(strstr(story.heard, "a:expired "));
    story_end(&story);
}

static void closing_ends_the_session_at_once(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 3, 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/e", KEEPER_EPHEMERAL);
    keeper_close(a.keeper);
    assert_string_equal(story.heard, ""); /* never from inside */
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=CLOSED a:closed ");
    assert_null(truth(&story, "/e"));
    assert_true(list_is_empty(&ensemble_truth(&story.sim.ensemble)->sessions));
    story_end(&story);
}

/* ---- what an ensemble may do to a client ---- */

static void a_follower_that_is_cut_off_still_answers_reads_and_no_writes(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_with_follower(&story, &a, false);
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
    pass(&story,
         1000 * MS); /* beyond syncLimit: it closes its connections, the client finds another */
    assert_non_null(strstr(story.heard, "a:lost a:2=UNKNOWN "));
    assert_non_null(strstr(story.heard, "a:connected "));
    assert_int_not_equal(server_of(&a), here);
    story_end(&story);
}

static void a_deposed_leader_still_answers_sync_while_the_others_have_another(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_with_follower(&story, &a, true);
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

    story_with_follower(&story, &a, true);
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

    story_with_follower(&story, &a, false);
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

static void a_lagging_follower_shows_the_past_until_sync(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_with_follower(&story, &a, false);
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

/* Another user, of a server that does not lead. */
static void user_begin_at_follower(struct user *user, struct story *story, char name)
{
    do
        user_begin(user, story, name);
    while (leads(user));
}

static void a_sync_at_the_leader_is_no_barrier_but_a_commit_is(void **state)
{
    struct story story;
    struct user a, b;
    (void)state;

    story_with_follower(&story, &a, true);
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

    story_with_follower(&story, &a, true);
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

    story_with_follower(&story, &a, false);
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

static void a_leader_reads_nothing_for_a_session_that_is_over(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_with_follower(&story, &a, true);
    story.sim.ensemble.lag_ns[server_of(&a)] = 50 * MS;
    assert_true(ensemble_expire(&story.sim.ensemble, a.session.id));
    ask_get(&a, "1", "/", false);
    pass(&story, 10 * MS);
    assert_heard(&story, "a:1=UNKNOWN "); /* keeper/zookeeper.c makes that of "expired" */
    pass(&story, 500 * MS);
    assert_non_null(strstr(story.heard, "a:expired "));
    story_end(&story);
}

static void a_leader_gives_up_a_follower_that_it_does_not_hear(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_with_follower(&story, &a, false);
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

static void who_sends_too_much_loses_the_connection_and_nothing_else(void **state)
{
    static const char much[2000];
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    user_begin(&a, &story, 'a');
    story.sim.ensemble.request_max = 1000;
    ask_create(&a, "1", "/x", KEEPER_EPHEMERAL);
    ask(&a, "2",
        (struct keeper_request){ .verb = KEEPER_SET,
                                 .path = "/x",
                                 .data = much,
                                 .data_size = sizeof(much),
                                 .version = KEEPER_ANY_VERSION });
    pass(&story, 100 * MS);
    assert_non_null(strstr(story.heard, "a:2=UNKNOWN "));
    assert_non_null(strstr(story.heard, "a:connected "));
    story.heard[0] = '\0';
    ask_get(&a, "3", "/x", false);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:3=OK ");
    assert_int_equal(truth(&story, "/x")->stat.version, 0);
    story_end(&story);
}

static void refused_credentials_are_the_end(void **state)
{
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    story.sim.ensemble.refused = "one:wrong";
    user_begin_as(&a, &story, 'a', "one:wrong");
    assert_heard(&story, "a:refused ");
    static const struct keeper_request get = { .verb = KEEPER_GET, .path = "/" };
    assert_int_equal(keeper_submit(a.keeper, &get, NULL), LK_E_CLOSED);
    keeper_close(a.keeper);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:closed ");
    story_end(&story);
}

static void a_server_that_was_left_may_never_be_told_of_as_lost(void **state)
{
    bool told = false, untold = false;
    (void)state;

    for (uint64_t seed = 1; seed < 100 && !(told && untold); seed++) {
        struct story story;
        struct user a;
        story_begin(&story, 3, seed);
        user_begin(&a, &story, 'a');
        ask_get(&a, "1", "/", false);
        keeper_leave_server(a.keeper);
        pass(&story, 200 * MS);
        assert_non_null(strstr(story.heard, "a:1=UNKNOWN "));
        assert_non_null(strstr(story.heard, "a:connected "));
        told |= strstr(story.heard, "a:lost ") != NULL;
        untold |= strstr(story.heard, "a:lost ") == NULL;
        story_end(&story);
    }
    assert_true(told && untold);
}

static void the_count_of_creates_sticks_at_its_end_and_comes_back_from_a_failed_multi(void **state)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE, .path = "/q/n-", .mode = KEEPER_PERSISTENT_SEQUENTIAL },
        { .verb = KEEPER_CHECK, .path = "/none", .version = KEEPER_ANY_VERSION },
    };
    struct story story;
    struct user a;
    (void)state;

    story_begin(&story, 1, 1);
    ensemble_found(&story.sim.ensemble, "/q", INT32_MAX - 1);
    user_begin(&a, &story, 'a');
    ask_create(&a, "1", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask(&a, "2",
        (struct keeper_request){
            .verb = KEEPER_MULTI, .operations = operations, .operation_count = 2 });
    ask_create(&a, "3", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    ask_create(&a, "4", "/q/n-", KEEPER_PERSISTENT_SEQUENTIAL);
    pass(&story, 50 * MS);
    assert_heard(&story, "a:1=OK(/q/n-2147483646) a:2=NO_NODE a:3=OK(/q/n-2147483647) "
                         "a:4=NODE_EXISTS ");
    story_end(&story);
}

static void a_seed_replays_its_world(void **state)
{
    struct sim first, second;
    (void)state;

    for (uint64_t seed = 1; seed <= 5; seed++) {
        sim_run(&first, &workload_lock, seed, true);
        sim_run(&second, &workload_lock, seed, true);
        assert_int_equal(first.world.steps, second.world.steps);
        assert_string_equal(first.world.trace, second.world.trace);
        world_end(&first.world);
        world_end(&second.world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_creates_and_cversion_counts_both),
        cmocka_unit_test(a_failed_multi_leaves_no_trace),
        cmocka_unit_test(refusals_are_those_of_zookeeper),
        cmocka_unit_test(an_event_comes_before_what_shows_the_change),
        cmocka_unit_test(what_changed_while_away_is_an_event_after_the_reconnect),
        cmocka_unit_test(a_lost_reply_is_told_after_the_loss_and_the_request_was_applied),
        cmocka_unit_test(a_silent_session_expires_on_a_tick_and_hears_of_it_when_it_comes_back),
        cmocka_unit_test(closing_ends_the_session_at_once),
        cmocka_unit_test(a_follower_that_is_cut_off_still_answers_reads_and_no_writes),
        cmocka_unit_test(a_deposed_leader_still_answers_sync_while_the_others_have_another),
        cmocka_unit_test(what_a_deposed_leader_logged_alone_never_was),
        cmocka_unit_test(a_killed_leader_is_followed_by_another_and_nothing_committed_is_lost),
        cmocka_unit_test(a_lagging_follower_shows_the_past_until_sync),
        cmocka_unit_test(a_sync_at_the_leader_is_no_barrier_but_a_commit_is),
        cmocka_unit_test(a_sync_at_the_leader_waits_for_its_own_writes_alone),
        cmocka_unit_test(a_followers_sync_waits_for_all_that_was_proposed_before),
        cmocka_unit_test(a_leader_reads_nothing_for_a_session_that_is_over),
        cmocka_unit_test(a_leader_gives_up_a_follower_that_it_does_not_hear),
        cmocka_unit_test(who_sends_too_much_loses_the_connection_and_nothing_else),
        cmocka_unit_test(refused_credentials_are_the_end),
        cmocka_unit_test(a_server_that_was_left_may_never_be_told_of_as_lost),
        cmocka_unit_test(the_count_of_creates_sticks_at_its_end_and_comes_back_from_a_failed_multi),
        cmocka_unit_test(a_seed_replays_its_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
