/* test_election.c - candidates stand, lead and resign; observers see each leader and each card. */
#include "live.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIGHTINGS_MAX = 64, CARD_SHOWN = 40 };

/* What an observer has seen, in order: a card, or "nobody". */
struct sightings {
    lk_observer *observer;
    pthread_mutex_t lock;
    size_t count, seen;
    char cards[SIGHTINGS_MAX][CARD_SHOWN];
    uint64_t fences[SIGHTINGS_MAX];
    bool free_inside;
};

static const char *seen_text(const lk_leader *leader)
{
    if (leader->present)
        return leader->card;
    return leader->status == LK_OK ? "nobody" : lk_status_name(leader->status);
}

static void saw(const lk_leader *leader, void *arg)
{
    struct sightings *sightings = arg;

    pthread_mutex_lock(&sightings->lock);
    if (sightings->count < SIGHTINGS_MAX) {
        sightings->fences[sightings->count] = leader->fence.zxid;
        snprintf(sightings->cards[sightings->count++], CARD_SHOWN, "%.*s",
                 leader->present ? (int)leader->card_size : CARD_SHOWN, seen_text(leader));
    }
    bool free_inside = sightings->free_inside;
    pthread_mutex_unlock(&sightings->lock);
    if (free_inside) {
        lk_observer_free(sightings->observer);
        pthread_mutex_lock(&sightings->lock);
        sightings->observer = NULL;
        pthread_mutex_unlock(&sightings->lock);
    }
    live_tell("the observer sees %.*s", leader->present ? (int)leader->card_size : CARD_SHOWN,
              seen_text(leader));
}

static struct sightings *observe(lk_client *client, const char *path)
{
    static struct sightings all[8];
    static size_t next;
    struct sightings *sightings = &all[next++ % 8];

    *sightings = (struct sightings){ .lock = PTHREAD_MUTEX_INITIALIZER };
    assert_status(lk_observer_new(&sightings->observer, client, path, saw, sightings), LK_OK);
    return sightings;
}

struct expected {
    struct sightings *sightings;
    const char *card;
};

static bool is_seen(void *arg)
{
    struct expected *expected = arg;
    struct sightings *sightings = expected->sightings;

    pthread_mutex_lock(&sightings->lock);
    while (sightings->seen < sightings->count
           && strcmp(sightings->cards[sightings->seen], expected->card) != 0)
        sightings->seen++;
    bool found = sightings->seen < sightings->count;
    sightings->seen += found;
    pthread_mutex_unlock(&sightings->lock);
    return found;
}

/* From where the last call stopped. */
static void await_sight(struct sightings *sightings, const char *card)
{
    struct expected expected = { sightings, card };
    live_await(card, is_seen, &expected);
}

static void assert_sights(struct sightings *sightings, const char *cards)
{
    char all[SIGHTINGS_MAX * (CARD_SHOWN + 1)] = "";

    pthread_mutex_lock(&sightings->lock);
    for (size_t i = 0; i < sightings->count; i++) {
        strcat(all, i ? " " : "");
        strcat(all, sightings->cards[i]);
    }
    pthread_mutex_unlock(&sightings->lock);
    assert_string_equal(all, cards);
}

/* ---- candidates ---- */

static void candidates_lead_in_the_order_of_standing(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_candidate(client, "a", "/e", "a"),
                 *b = live_candidate(LIVE_CLIENT("B", 0), "b", "/e", "b");
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");

    await_sight(sightings, "nobody");
    lk_fence first = acquire(a);
    await_sight(sightings, "a");
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/e"), 2);
    assert_int_equal(lk_candidate_state(b->candidate), LK_WAITING);
    release(a);
    assert_status(await_answer(waits), LK_OK);
    await_sight(sightings, "b");
    lk_fence second;
    assert_status(lk_candidate_fence(b->candidate, &second), LK_OK);
    assert_true(lk_fence_compare(second, first) > 0);
    assert_true(lk_candidate_remaining_ns(b->candidate) > 0);
    release(b);
    await_sight(sightings, "nobody");
    assert_sights(sightings, "nobody a b nobody");
    assert_true(sightings->fences[1] == first.zxid && sightings->fences[2] == second.zxid);
    lk_observer_free(sightings->observer);
}

static void a_new_card_is_seen_and_keeps_the_place(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_candidate(client, "a", "/e", "old"),
                 *b = live_candidate(client, "b", "/e", "b");
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");
    int64_t soon = lk_in_ms(PATIENCE_MS);
    lk_fence fence, after;

    assert_status(lk_candidate_proclaim(a->candidate, "too soon", 8, soon), LK_E_STATE);
    fence = acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/e"), 2);
    await_sight(sightings, "old");
    assert_status(lk_candidate_proclaim(a->candidate, "new", 3, soon), LK_OK);
    await_sight(sightings, "new");
    assert_status(lk_candidate_proclaim(b->candidate, "while waiting", 13, soon), LK_OK);
    assert_status(lk_candidate_fence(a->candidate, &after), LK_OK);
    assert_int_equal(lk_fence_compare(fence, after), 0);
    assert_false(is_answered(waits));
    assert_status(lk_candidate_proclaim(a->candidate, "", 0, soon), LK_OK);
    await_sight(sightings, "");
    release(a);
    await_sight(sightings, "while waiting");
    assert_status(await_answer(waits), LK_OK);
    assert_status(
        lk_line_break(client, "/e", (lk_fence){ sightings->fences[sightings->count - 1], 0 }, soon),
        LK_OK);
    await_change(b, LK_LOST);
    assert_status(lk_candidate_proclaim(b->candidate, "x", 1, soon), LK_E_STATE);
    assert_changes(a, "waiting held idle");
    lk_observer_free(sightings->observer);
}

static void a_card_has_a_largest_size_and_any_bytes(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    static char card[LK_CARD_MAX + 1];
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;
    lk_candidate *candidate = NULL;
    lk_line *line;

    options.card = card; /* all NUL */
    options.card_size = sizeof card;
    assert_status(lk_candidate_new(&candidate, client, "/e", &options), LK_E_TOO_LARGE);
    assert_null(candidate);
    options.card_size--;
    assert_status(lk_candidate_new(&candidate, client, "/e", &options), LK_OK);
    assert_status(lk_candidate_stand(candidate, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    assert_status(lk_candidate_proclaim(candidate, card, sizeof card, lk_in_ms(PATIENCE_MS)),
                  LK_E_TOO_LARGE);
    assert_status(lk_line_list(client, "/e", lk_in_ms(PATIENCE_MS), &line), LK_OK);
    assert_string_equal(line->kind, "election");
    assert_int_equal(line->entries[0].label_size, LK_CARD_MAX);
    assert_memory_equal(line->entries[0].label, card, LK_CARD_MAX);
    lk_line_free(line);
    lk_candidate_free(candidate);
}

static void who_waits_may_resign(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_candidate(client, "a", "/e", "a"),
                 *b = live_candidate(client, "b", "/e", "b");

    acquire(a);
    assert_status(lk_candidate_resign(b->candidate, lk_in_ms(PATIENCE_MS)), LK_E_STATE);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/e"), 2);
    release(b);
    assert_status(await_answer(waits), LK_E_CANCELLED);
    await_children(live_path("/e"), 1);
    assert_changes(b, "waiting idle");
    assert_int_equal(lk_candidate_state(a->candidate), LK_HELD);
}

static void every_one_of_many_resignations_is_answered(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct stand *a = live_candidate(client, "a", "/e", "a");
    struct answer *resigns[3];

    acquire(a);
    zkbox_proxy_stall(live_proxy());
    for (int i = 0; i < 3; i++) {
        resigns[i] = live_answer("resigned");
        assert_status(
            lk_candidate_resign_start(a->candidate, LK_FOREVER, answer_done, resigns[i], NULL),
            LK_OK);
        struct answer *stands = start_acquire(a, LK_FOREVER);
        assert_false(is_answered(stands));
    }
    zkbox_proxy_heal(live_proxy());
    for (int i = 0; i < 3; i++) {
        assert_status(await_answer(resigns[i]), LK_OK);
        assert_int_equal(resigns[i]->times, 1);
    }
    await_change(a, LK_HELD);
    await_change(a, LK_HELD);
}

static void a_resignation_ends_though_its_create_is_on_its_way_and_one_stands_again(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true);
    struct stand *a = live_candidate(client, "a", "/e", "a");
    struct answer *resigned = live_answer("resigned");

    zkbox_proxy_stall(live_proxy());
    struct answer *first = start_acquire(a, LK_FOREVER);
    assert_status(lk_candidate_resign_start(a->candidate, LK_FOREVER, answer_done, resigned, NULL),
                  LK_OK);
    struct answer *second = start_acquire(a, LK_FOREVER);
    zkbox_proxy_heal(live_proxy());
    assert_status(await_answer(first), LK_E_CANCELLED);
    assert_status(await_answer(resigned), LK_OK);
    assert_status(await_answer(second), LK_OK);
}

static void a_leader_killed_by_an_operator_is_followed_by_the_next(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_candidate(client, "a", "/e", "a"),
                 *b = live_candidate(client, "b", "/e", "b");
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");

    lk_fence fence = acquire(a);
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_children(live_path("/e"), 2);
    await_sight(sightings, "a");
    assert_status(lk_line_break(LIVE_CLIENT("B", 0), "/e", fence, lk_in_ms(PATIENCE_MS)), LK_OK);
    assert_status(lk_candidate_wait_lost(a->candidate, lk_in_ms(PATIENCE_MS)), LK_OK);
    assert_status(await_answer(waits), LK_OK);
    await_sight(sightings, "b");
    lk_observer_free(sightings->observer);
}

static void a_candidate_stands_again_with_its_new_card_after_its_session(void)
{
    lk_client *client = LIVE_CLIENT("A", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *holder = live_candidate(LIVE_CLIENT("B", 0), "holder", "/e", "holder");
    struct stand *a = live_candidate(client, "a", "/e", "old");
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");
    struct gone gone;

    acquire(holder);
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/e"), 2);
    assert_status(lk_candidate_proclaim(a->candidate, "new", 3, lk_in_ms(PATIENCE_MS)), LK_OK);
    raw_watch_gone(live_path("/e/lk-lock-0000000001"), &gone);
    zkbox_proxy_cut(live_proxy());
    await_gone(&gone);
    zkbox_proxy_heal(live_proxy());
    await_children(live_path("/e"), 2);
    release(holder);
    assert_status(await_answer(waits), LK_OK);
    await_sight(sightings, "new");
    lk_observer_free(sightings->observer);
}

/* ---- observers ---- */

static void an_observer_sees_strangers_lead_too(void)
{
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");
    char latch[300];

    await_sight(sightings, "nobody");
    raw_make(live_path("/e"));
    snprintf(
        latch, sizeof latch, "%s",
        raw_create(live_path("/e/_c_0f2c5b1a-latch-"), "host:80", 7, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    await_sight(sightings, "host:80");
    raw_set(latch, "host:81", 7);
    await_sight(sightings, "host:81");
    raw_delete(latch);
    await_sight(sightings, "nobody");
    raw_delete(live_path("/e"));
    raw_make(live_path("/e"));
    raw_create(live_path("/e/n-"), "again", 5, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    await_sight(sightings, "again");
    assert_sights(sightings, "nobody host:80 host:81 nobody again");
    lk_observer_free(sightings->observer);
}

static void an_observer_without_rights_is_told_so(void)
{
    raw_make(live_path("/e"));
    raw_limit(live_path("/e"), 0);
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");

    await_sight(sightings, "LK_E_NO_RIGHTS");
    raw_delete(live_path("/e"));
    await_sight(sightings, "nobody");
    assert_sights(sightings, "LK_E_NO_RIGHTS nobody");
    lk_observer_free(sightings->observer);
}

static void an_observer_of_what_is_no_election_is_told_so(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *lock = live_lock(client, "lock", "/e"),
                 *candidate = live_candidate(client, "a", "/e", "card");

    acquire(lock); /* first in line, and leads nobody */
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");
    await_sight(sightings, "LK_E_KIND");
    assert_sights(sightings, "LK_E_KIND");
    release(lock);
    raw_delete(live_path("/e"));
    acquire(candidate);
    await_sight(sightings, "card");
    lk_observer_free(sightings->observer);
}

static void a_leader_that_nobody_may_read_is_seen_to_come_and_to_go(void)
{
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");
    struct stand *a = live_candidate(LIVE_CLIENT("A", 0), "a", "/e", "a");

    await_sight(sightings, "nobody");
    raw_make(live_path("/e"));
    assert_int_equal(zoo_create(raw(), live_path("/e/lk-lock-"), "x", 1, &ZOO_CREATOR_ALL_ACL,
                                ZOO_EPHEMERAL | ZOO_SEQUENCE, NULL, 0),
                     ZOK);
    await_sight(sightings, ""); /* somebody, without a card */
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_children(live_path("/e"), 2);
    raw_delete(live_path("/e/lk-lock-0000000000"));
    assert_status(await_answer(waits), LK_OK);
    await_sight(sightings, "a");
    assert_sights(sightings, "nobody  a");
    lk_observer_free(sightings->observer);
}

static void an_observer_goes_on_after_any_loss(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_candidate(LIVE_CLIENT("A", 0), "a", "/e", "a");
    struct sightings *sightings = observe(client, "/e");

    for (int nth = 1; nth <= 3; nth++) {
        await_sight(sightings, "nobody");
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        acquire(a);
        await_sight(sightings, "a");
        zkbox_proxy_heal(live_proxy());
        release(a);
    }
    /* Nothing is missed while it is away, but what came and went. */
    await_sight(sightings, "nobody");
    zkbox_proxy_cut(live_proxy());
    acquire(a);
    zkbox_proxy_heal(live_proxy());
    await_sight(sightings, "a");
    lk_observer_free(sightings->observer);
}

static void an_observer_outlives_its_session(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *a = live_candidate(LIVE_CLIENT("A", 0), "a", "/e", "a");
    struct stand *anchor = live_lock(client, "anchor", "/anchor");
    struct sightings *sightings = observe(client, "/e");
    struct gone gone;

    acquire(anchor);
    await_sight(sightings, "nobody");
    raw_watch_gone(live_path("/anchor/lk-lock-0000000000"), &gone);
    zkbox_proxy_cut(live_proxy());
    await_gone(&gone);
    zkbox_proxy_heal(live_proxy());
    acquire(a);
    await_sight(sightings, "a");
    release(a);
    await_sight(sightings, "nobody");
    lk_observer_free(sightings->observer);
}

static bool is_free(void *arg)
{
    struct sightings *sightings = arg;

    pthread_mutex_lock(&sightings->lock);
    bool is = sightings->observer == NULL;
    pthread_mutex_unlock(&sightings->lock);
    return is;
}

static void an_observer_may_be_freed_inside_its_callback(void)
{
    struct stand *a = live_candidate(LIVE_CLIENT("A", 0), "a", "/e", "a");
    struct sightings *sightings = observe(LIVE_CLIENT("O", 0), "/e");

    await_sight(sightings, "nobody");
    pthread_mutex_lock(&sightings->lock);
    sightings->free_inside = true;
    pthread_mutex_unlock(&sightings->lock);
    acquire(a);
    live_await("freed", is_free, sightings);
    release(a);
    assert_sights(sightings, "nobody a");
}

static void observing_what_is_no_path_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_observer *observer = NULL;

    assert_status(lk_observer_new(&observer, client, "/e/", saw, NULL), LK_E_PATH);
    assert_status(lk_observer_new(&observer, client, "/e", NULL, NULL), LK_E_INVALID);
    assert_status(lk_observer_new(NULL, client, "/e", saw, NULL), LK_E_INVALID);
    assert_status(lk_observer_new(&observer, NULL, "/e", saw, NULL), LK_E_INVALID);
    assert_null(observer);
    assert_null(lk_observer_free(NULL));
    assert_status(lk_client_close(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    assert_status(lk_observer_new(&observer, client, "/e", saw, NULL), LK_E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(candidates_lead_in_the_order_of_standing),
        LIVE_TEST(a_new_card_is_seen_and_keeps_the_place),
        LIVE_TEST(a_card_has_a_largest_size_and_any_bytes),
        LIVE_TEST(who_waits_may_resign),
        LIVE_TEST(every_one_of_many_resignations_is_answered),
        LIVE_TEST(a_resignation_ends_though_its_create_is_on_its_way_and_one_stands_again),
        LIVE_TEST(a_leader_killed_by_an_operator_is_followed_by_the_next),
        LIVE_TEST(a_candidate_stands_again_with_its_new_card_after_its_session),
        LIVE_TEST(an_observer_sees_strangers_lead_too),
        LIVE_TEST(an_observer_of_what_is_no_election_is_told_so),
        LIVE_TEST(an_observer_without_rights_is_told_so),
        LIVE_TEST(a_leader_that_nobody_may_read_is_seen_to_come_and_to_go),
        LIVE_TEST(an_observer_goes_on_after_any_loss),
        LIVE_TEST(an_observer_outlives_its_session),
        LIVE_TEST(an_observer_may_be_freed_inside_its_callback),
        LIVE_TEST(observing_what_is_no_path_is_refused),
    };
    return live_main("election", NULL, tests, sizeof tests / sizeof tests[0]);
}
