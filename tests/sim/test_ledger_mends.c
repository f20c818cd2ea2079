/* test_ledger_mends.c - the ledger's side of test_mends.c: small worlds of one campaign, told up to
 * where a bug once was, or counted. Each test fails when its mend is taken out
 * (docs/bugs-found.md). */
#include <stdio.h>

#include "ledger/id.h"
#include "ledger/machine.h"
#include "test_mends_story.h"

enum { USERS = 30 };

static void claimed(const lk_ledger_result *result, void *arg)
{
    struct end *end = arg;

    assert_int_equal(result->status, LK_OK);
    end->times++;
}

static void answered(const lk_ledger_result *result, void *arg)
{
    ended(result->status, arg);
}

/* All at once: they share a commit. */
static void claim_for_all(struct story *story, struct sim_client *client, lk_ledger *ledger)
{
    struct end end = { 0 };

    for (int i = 0; i < USERS; i++) {
        char user_name[16];
        const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = user_name };
        snprintf(user_name, sizeof(user_name), "user %d", i);
        assert_int_equal(lk_ledger_do_start(ledger, &claim, LK_FOREVER, claimed, &end, NULL),
                         LK_OK);
    }
    sim_client_touch(client);
    AWAIT(story, end.times == USERS);
}

static void create(struct caller *caller, uint32_t shards, uint64_t stock)
{
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    options.stock = stock;
    options.shards = shards;
    caller->status = lk_campaign_create(caller->ledger, &options, NULL, LK_FOREVER);
}

static void run_create(struct program *program)
{
    create(container_of(program, struct caller, program), 1, 1000000);
}

static void run_create_wide(struct program *program)
{
    create(container_of(program, struct caller, program), 16, 1000000);
}

static size_t refused_commits(struct story *story)
{
    const struct server *server = &story->sim.ensemble.servers[0];
    size_t count = 0;

    for (size_t i = 0; i < server->logged; i++)
        count += server->log[i]->rc != KEEPER_OK;
    return count;
}

/* A commit takes users that it does not know for new ones, and a refusal names one of them alone: one
 * by one each would cost a commit. So after a few of them the others are read first. */
static void users_taken_for_new_ones_cost_few_commits(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    lk_ledger *other;
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story), *b = user(&story);
    assert_int_equal(lk_ledger_new(&caller.ledger, a->lk, "/sale"), LK_OK);
    assert_int_equal(lk_ledger_new(&other, b->lk, "/sale"), LK_OK);
    call(&caller, a, run_create);
    assert_int_equal(answer_of(&story, &caller), LK_OK);
    claim_for_all(&story, a, caller.ledger);
    size_t refused = refused_commits(&story);
    claim_for_all(&story, b, other);
    assert_in_range(refused_commits(&story) - refused, 1, 10);
    lk_ledger_free(caller.ledger);
    lk_ledger_free(other);
    story_end(&story);
}

/* ---- a crowd: who is answered is followed by the next ---- */

enum { CROWD = 1024 };

struct crowd {
    struct sim_client *client;
    lk_ledger *ledger;
    int begun, answered, until;
};

static void crowd_answered(const lk_ledger_result *result, void *arg);

static void crowd_ask(struct crowd *crowd)
{
    char user_name[16];
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = user_name };

    snprintf(user_name, sizeof(user_name), "user %d", crowd->begun++);
    assert_int_equal(
        lk_ledger_do_start(crowd->ledger, &claim, LK_FOREVER, crowd_answered, crowd, NULL), LK_OK);
    sim_client_touch(crowd->client);
}

static void crowd_answered(const lk_ledger_result *result, void *arg)
{
    struct crowd *crowd = arg;

    assert_int_equal(result->status, LK_OK);
    crowd->answered++;
    if (crowd->begun < crowd->until)
        crowd_ask(crowd);
}

/* Answers come once in 15 ms. */
static void crowd_claims(struct story *story, struct crowd *crowd, int count)
{
    const struct world *world = &story->sim.world;

    crowd->until = crowd->begun + count;
    for (int i = 0; i < CROWD; i++)
        crowd_ask(crowd);
    while (crowd->answered < crowd->until) {
        crowd->client->down_stalled_until_ns[0] = world->now_ns + 15 * MS;
        pass(story, 16 * MS);
    }
}

/* A look at a shard waits behind all commits that are under way, and what waits for the look does so
 * too. Who works alone keeps to shards that it has just written, and has no need of one. */
static void who_sells_alone_does_not_look_at_the_shards_again(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    (void)state;

    story_begin(&story);
    struct crowd crowd = { .client = user(&story) };
    assert_int_equal(lk_ledger_new(&caller.ledger, crowd.client->lk, "/sale"), LK_OK);
    crowd.ledger = caller.ledger;
    call(&caller, crowd.client, run_create_wide);
    assert_int_equal(answer_of(&story, &caller), LK_OK);
    crowd_claims(&story, &crowd,
                 12 * CROWD); /* makes the buckets, takes as many shards as it needs */
    uint64_t commits = lk_ledger_get_stats(crowd.ledger).commits;
    uint64_t requests = crowd.client->requests;
    crowd_claims(&story, &crowd, 12 * CROWD);
    commits = lk_ledger_get_stats(crowd.ledger).commits - commits;
    requests = crowd.client->requests - requests;
    assert_in_range(requests - commits, 0, commits / 20);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

/* ---- chains without end ---- */

enum { CHAINS = 64, CHAINS_LAST = 20 * CHAINS };

static void chain_answered(const lk_ledger_result *results, size_t count, void *arg);

static void chain_ask(struct crowd *crowd)
{
    lk_ledger_op ops[LK_CHAIN_MAX];
    char users[LK_CHAIN_MAX][24];

    for (int i = 0; i < LK_CHAIN_MAX; i++) {
        snprintf(users[i], sizeof(users[i]), "user %d of %d", i, crowd->begun);
        ops[i] = (lk_ledger_op){ .verb = LK_LEDGER_CLAIM,
                                 .user = users[i],
                                 .linked = i + 1 < LK_CHAIN_MAX };
    }
    crowd->begun++;
    assert_int_equal(lk_ledger_submit_start(crowd->ledger, ops, LK_CHAIN_MAX, LK_FOREVER,
                                            chain_answered, crowd, NULL),
                     LK_OK);
    sim_client_touch(crowd->client);
}

static void chain_answered(const lk_ledger_result *results, size_t count, void *arg)
{
    struct crowd *crowd = arg;

    for (size_t i = 0; i < count; i++)
        assert_int_equal(results[i].status, LK_OK);
    crowd->answered++;
    if (crowd->begun < crowd->until)
        chain_ask(crowd);
}

/* They fill each commit. */
static void who_claims_alone_gets_his_turn_beside_chains(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    struct end end = { 0 };
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    (void)state;

    story_begin(&story);
    struct crowd crowd = { .client = user(&story), .until = CHAINS_LAST };
    assert_int_equal(lk_ledger_new(&caller.ledger, crowd.client->lk, "/sale"), LK_OK);
    crowd.ledger = caller.ledger;
    call(&caller, crowd.client, run_create);
    assert_int_equal(answer_of(&story, &caller), LK_OK);
    for (int i = 0; i < CHAINS; i++)
        chain_ask(&crowd);
    assert_int_equal(lk_ledger_do_start(crowd.ledger, &claim, LK_FOREVER, claimed, &end, NULL),
                     LK_OK);
    sim_client_touch(crowd.client);
    AWAIT(&story, end.times == 1);
    assert_in_range(crowd.answered, 0, 4 * CHAINS);
    AWAIT(&story, crowd.answered == CHAINS_LAST);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

/* ---- shards that were read at different moments ---- */

static void run_create_small(struct program *program)
{
    create(container_of(program, struct caller, program), 2, 24);
}

static int claim_so_many(struct story *story, struct sim_client *client, lk_ledger *ledger,
                         uint64_t count)
{
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann", .count = (uint32_t)count };
    struct end end = { 0 };

    assert_int_equal(lk_ledger_do_start(ledger, &claim, LK_FOREVER, answered, &end, NULL), LK_OK);
    sim_client_touch(client);
    AWAIT(story, end.times == 1);
    return end.status;
}

static void run_add_stock(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    caller->status = lk_campaign_add_stock(caller->ledger, 24, NULL, LK_FOREVER);
}

/* New stock of one shard was moved to the other: who knows the first as it was before, and the second as
 * it is, sees coupons that were never made. That is no corrupt record. */
static void stock_of_two_moments_is_not_taken_for_corrupt(void **state)
{
    struct story story;
    struct caller ann = { 0 }, bob = { 0 };
    (void)state;

    story_begin(&story);
    struct sim_client *a = user(&story), *b = user(&story);
    assert_int_equal(lk_ledger_new(&ann.ledger, a->lk, "/sale"), LK_OK);
    assert_int_equal(lk_ledger_new(&bob.ledger, b->lk, "/sale"), LK_OK);
    call(&ann, a, run_create_small);
    assert_int_equal(answer_of(&story, &ann), LK_OK);
    assert_int_equal(claim_so_many(&story, a, ann.ledger, 1), LK_OK);
    assert_int_equal(claim_so_many(&story, b, bob.ledger, 1), LK_OK);
    size_t others = 1 - ann.ledger->home;
    bob.ledger->home = others;
    pass(&story, SECOND);
    call(&bob, b, run_add_stock);
    assert_int_equal(answer_of(&story, &bob), LK_OK);
    pass(&story, SECOND);
    while (lk_ledger_get_stats(bob.ledger).moves == 0)
        assert_int_equal(claim_so_many(&story, b, bob.ledger, 1), LK_OK);
    assert_int_equal(bob.ledger->home, others);
    pass(&story, SECOND);
    /* As after a lost reply. */
    shelf_forget(&ann.ledger->shelves[others]);
    assert_int_equal(claim_so_many(&story, a, ann.ledger, 12), LK_OK);
    lk_ledger_free(ann.ledger);
    lk_ledger_free(bob.ledger);
    story_end(&story);
}

/* ---- deadlines ---- */

static void claim_by(struct sim_client *client, lk_ledger *ledger, int64_t deadline_ns,
                     struct end *end)
{
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann" };

    *end = (struct end){ 0 };
    assert_int_equal(lk_ledger_do_start(ledger, &claim, deadline_ns, answered, end, NULL), LK_OK);
    sim_client_touch(client);
}

static struct sim_client *user_with_password(struct story *story)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;

    options.session_timeout_ms = TIMEOUT_NS / MS;
    options.auth_scheme = "digest";
    options.auth = "me:pw";
    struct sim_client *client = sim_client_new(&story->sim, &options);
    AWAIT(story, client->lk->connected);
    return client;
}

/* A handle that knows the campaign and ann's account. */
static struct sim_client *begin_with_ann(struct story *story, struct caller *caller)
{
    struct end end;

    story_begin(story);
    struct sim_client *client = user_with_password(story);
    assert_int_equal(lk_ledger_new(&caller->ledger, client->lk, "/sale"), LK_OK);
    call(caller, client, run_create);
    assert_int_equal(answer_of(story, caller), LK_OK);
    claim_by(client, caller->ledger, LK_FOREVER, &end);
    AWAIT(story, end.times == 1);
    assert_int_equal(end.status, LK_OK);
    return client;
}

/* It was never sent, so it has not happened. */
static void what_waited_in_vain_for_a_connection_is_not_unknown(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    struct end end, later;
    (void)state;

    struct sim_client *client = begin_with_ann(&story, &caller);
    lose_connection(&story, client);
    claim_by(client, caller.ledger, story.sim.world.now_ns + 500 * MS, &end);
    claim_by(client, caller.ledger, LK_FOREVER, &later);
    AWAIT(&story, end.times == 1);
    assert_int_equal(end.status, LK_E_DEADLINE);
    hear(client);
    AWAIT(&story, later.times == 1);
    assert_int_equal(later.status, LK_OK);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

/* After losses in a row a client that is connected again does not speak at once. */
static void nor_is_what_waited_until_the_client_may_speak(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    struct end end, later;
    (void)state;

    struct sim_client *client = begin_with_ann(&story, &caller);
    const lk_client *lk = client->lk;
    do {
        lose_connection(&story, client);
        hear(client);
        AWAIT(&story, lk->connected);
    } while (!lk->resend.link || lk->resend.at_ns - lk->now_ns < 20 * MS);
    uint64_t requests = client->requests;
    claim_by(client, caller.ledger, story.sim.world.now_ns + 5 * MS, &end);
    claim_by(client, caller.ledger, LK_FOREVER, &later);
    AWAIT(&story, end.times == 1);
    assert_int_equal(end.status, LK_E_DEADLINE);
    assert_int_equal(client->requests, requests);
    AWAIT(&story, later.times == 1);
    assert_int_equal(later.status, LK_OK);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

static void run_create_soon(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;
    int64_t deadline_ns = sim_client_now(program->client) + 500 * MS;

    caller->status = lk_campaign_create(caller->ledger, &options, NULL, deadline_ns);
}

static void run_create_late(struct program *program)
{
    struct caller *caller = container_of(program, struct caller, program);
    lk_campaign_options options = LK_CAMPAIGN_OPTIONS_INIT;

    caller->status = lk_campaign_create(caller->ledger, &options, NULL, 0);
}

static void a_campaign_is_not_made_without_a_server_nor_after_its_deadline(void **state)
{
    struct story story;
    struct caller soon = { 0 }, late = { 0 };
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    (void)state;

    story_begin(&story);
    options.session_timeout_ms = TIMEOUT_NS / MS;
    struct sim_client *client = sim_client_new(&story.sim, &options);
    hold_back(client);
    assert_int_equal(lk_ledger_new(&soon.ledger, client->lk, "/sale"), LK_OK);
    late.ledger = soon.ledger;
    call(&soon, client, run_create_soon);
    assert_int_equal(answer_of(&story, &soon), LK_E_NO_SERVER);
    hear(client);
    AWAIT(&story, client->lk->connected);
    call(&late, client, run_create_late);
    assert_int_equal(answer_of(&story, &late), LK_E_DEADLINE);
    pass(&story, SECOND);
    assert_false(stands(&story, "/sale"));
    lk_ledger_free(soon.ledger);
    story_end(&story);
}

/* Nor does it say that there was no server. */
static void who_was_refused_and_is_too_late_is_told_so(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    struct end end;
    (void)state;

    struct sim_client *client = begin_with_ann(&story, &caller);
    lose_connection(&story, client);
    claim_by(client, caller.ledger, LK_FOREVER, &end);
    story.sim.ensemble.refused = "me:pw";
    hear(client);
    AWAIT(&story, end.times == 1);
    assert_int_equal(end.status, LK_E_NO_RIGHTS);
    claim_by(client, caller.ledger, story.sim.world.now_ns, &end);
    AWAIT(&story, end.times == 1);
    assert_int_equal(end.status, LK_E_DEADLINE);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

static void with_a_deadline_that_has_passed_nothing_is_sent(void **state)
{
    struct story story;
    struct caller caller = { 0 };
    struct end end;
    (void)state;

    struct sim_client *client = begin_with_ann(&story, &caller);
    uint64_t requests = client->requests;
    claim_by(client, caller.ledger, story.sim.world.now_ns, &end);
    AWAIT(&story, end.times == 1);
    assert_int_equal(end.status, LK_E_DEADLINE);
    assert_int_equal(client->requests, requests);
    lk_ledger_free(caller.ledger);
    story_end(&story);
}

struct told {
    struct end end;
    lk_id id;
};

static void told_id(const lk_ledger_result *result, void *arg)
{
    struct told *told = arg;

    assert_int_equal(result->status, LK_OK);
    told->id = result->id;
    told->end.times++;
}

/* By this machine's clock, an hour late, an account that others work on would take it for an old one.
 */
static void an_id_that_a_call_makes_bears_the_servers_time(void **state)
{
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = "ann" };
    const int64_t late_ms = 3600 * 1000;
    struct story story;
    struct caller caller = { 0 };
    struct told told = { 0 };
    lk_ledger *ledger;
    (void)state;

    story_begin(&story);
    story.sim.ensemble.servers[0].clock_ms = late_ms;
    struct sim_client *a = user(&story), *b = user(&story);
    assert_int_equal(lk_ledger_new(&caller.ledger, a->lk, "/sale"), LK_OK);
    call(&caller, a, run_create);
    assert_int_equal(answer_of(&story, &caller), LK_OK);
    assert_int_equal(lk_ledger_new(&ledger, b->lk, "/sale"), LK_OK);
    assert_int_equal(lk_ledger_do_start(ledger, &claim, LK_FOREVER, told_id, &told, NULL), LK_OK);
    sim_client_touch(b);
    AWAIT(&story, told.end.times == 1);
    assert_true(id_time_ms(told.id) >= WALL_BEGIN_MS + late_ms);
    lk_ledger_free(caller.ledger);
    lk_ledger_free(ledger);
    story_end(&story);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_sells_alone_does_not_look_at_the_shards_again),
        cmocka_unit_test(users_taken_for_new_ones_cost_few_commits),
        cmocka_unit_test(who_claims_alone_gets_his_turn_beside_chains),
        cmocka_unit_test(stock_of_two_moments_is_not_taken_for_corrupt),
        cmocka_unit_test(what_waited_in_vain_for_a_connection_is_not_unknown),
        cmocka_unit_test(nor_is_what_waited_until_the_client_may_speak),
        cmocka_unit_test(a_campaign_is_not_made_without_a_server_nor_after_its_deadline),
        cmocka_unit_test(who_was_refused_and_is_too_late_is_told_so),
        cmocka_unit_test(with_a_deadline_that_has_passed_nothing_is_sent),
        cmocka_unit_test(an_id_that_a_call_makes_bears_the_servers_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
