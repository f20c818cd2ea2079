/* test_line_watch.c - a line is told as it stands, at each change, for the same few requests however
 * long it is. */
#include "trace.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TELLINGS_MAX = 512, SHOWN = 160, CROWD_MAX = 300 };

/* What was told, in order: "KIND: a* b", with a star behind who holds. Of a crowd how many. */
struct tellings {
    lk_line_watch *watch;
    pthread_mutex_t lock;
    size_t count, seen;
    char lines[TELLINGS_MAX][SHOWN];
    uint64_t first_fence;
    bool free_inside;
};

static void show(const lk_line *line, char *out)
{
    size_t used = (size_t)snprintf(out, SHOWN, "%s:", line->kind);

    if (line->count > 8) {
        snprintf(out + used, SHOWN - used, " %zu", line->count);
        return;
    }
    for (size_t i = 0; i < line->count && used < SHOWN; i++) {
        const lk_line_entry *entry = &line->entries[i];
        used += (size_t)snprintf(out + used, SHOWN - used, " %.*s%s%s", (int)entry->label_size,
                                 entry->label, entry->holds ? "*" : "", entry->asked ? "?" : "");
    }
}

static void told(int status, const lk_line *line, void *arg)
{
    struct tellings *tellings = arg;
    char text[SHOWN];

    if (status == LK_OK)
        show(line, text);
    else
        snprintf(text, sizeof text, "%s", lk_status_name(status));
    pthread_mutex_lock(&tellings->lock);
    if (tellings->count < TELLINGS_MAX)
        memcpy(tellings->lines[tellings->count++], text, sizeof text);
    tellings->first_fence = status == LK_OK && line->count ? line->entries[0].fence.zxid : 0;
    bool free_inside = tellings->free_inside;
    pthread_mutex_unlock(&tellings->lock);
    if (free_inside) {
        lk_line_watch_free(tellings->watch);
        pthread_mutex_lock(&tellings->lock);
        tellings->watch = NULL;
        pthread_mutex_unlock(&tellings->lock);
    }
    live_tell("told: %s", text);
}

static struct tellings *watch(lk_client *client, const char *path)
{
    static struct tellings all[4];
    static size_t next;
    struct tellings *tellings = &all[next++ % 4];

    *tellings = (struct tellings){ .lock = PTHREAD_MUTEX_INITIALIZER };
    assert_status(lk_line_watch_new(&tellings->watch, client, path, told, tellings), LK_OK);
    return tellings;
}

struct expected {
    struct tellings *tellings;
    const char *line;
};

static bool is_told(void *arg)
{
    struct expected *expected = arg;
    struct tellings *tellings = expected->tellings;

    pthread_mutex_lock(&tellings->lock);
    while (tellings->seen < tellings->count
           && strcmp(tellings->lines[tellings->seen], expected->line) != 0)
        tellings->seen++;
    bool found = tellings->seen < tellings->count;
    tellings->seen += found;
    pthread_mutex_unlock(&tellings->lock);
    return found;
}

/* From where the last call stopped. */
static void await_told(struct tellings *tellings, const char *line)
{
    struct expected expected = { tellings, line };
    live_await(line, is_told, &expected);
}

/* All that was told, with a bar between. */
static void assert_told(struct tellings *tellings, const char *lines)
{
    char all[2000] = "";

    pthread_mutex_lock(&tellings->lock);
    for (size_t i = 0; i < tellings->count; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " | " : "",
                 tellings->lines[i]);
    pthread_mutex_unlock(&tellings->lock);
    assert_string_equal(all, lines);
}

static void end(struct tellings *tellings)
{
    tellings->watch = lk_line_watch_free(tellings->watch);
}

/* ---- what is told ---- */

static void each_change_is_told_once_and_in_order(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(client, "a", "/l"), *b = live_lock(client, "b", "/l");

    acquire(a); /* makes the path */
    release(a);
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");
    await_told(tellings, "lock:");
    acquire(a);
    await_told(tellings, "lock: a*");
    struct answer *waits = start_acquire(b, LK_FOREVER);
    await_told(tellings, "lock: a* b");
    release(a);
    assert_status(await_answer(waits), LK_OK);
    await_told(tellings, "lock: b*");
    release(b);
    await_told(tellings, "lock:");
    assert_told(tellings, "lock: | lock: a* | lock: a* b | lock: b* | lock:");
    end(tellings);
}

static void readers_hold_side_by_side(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");
    lk_rwlock *locks[3];

    for (size_t i = 0; i < 3; i++) {
        options.label = (const char *[]){ "r", "s", "w" }[i];
        assert_status(lk_rwlock_new(&locks[i], client, "/l", &options), LK_OK);
    }
    assert_status(lk_rwlock_write(locks[0], lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    await_told(tellings, "rwlock: r*");
    struct answer *reads = live_answer("reads"), *writes = live_answer("writes");
    assert_status(lk_rwlock_read_start(locks[1], LK_FOREVER, answer_done, reads, NULL), LK_OK);
    await_told(tellings, "rwlock: r* s");
    assert_status(lk_rwlock_downgrade(locks[0], lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    await_told(tellings, "rwlock: r* s*");
    assert_status(lk_rwlock_write_start(locks[2], LK_FOREVER, answer_done, writes, NULL), LK_OK);
    await_told(tellings, "rwlock: r* s* w");
    for (size_t i = 0; i < 3; i++)
        lk_rwlock_free(locks[i]);
    end(tellings);
}

static void a_resize_is_told(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/s");
    struct answer *waits = live_answer("waits");
    lk_semaphore *a, *b;

    options.label = "a";
    assert_status(lk_semaphore_new(&a, client, "/s", 1, &options), LK_OK);
    options.label = "b";
    assert_status(lk_semaphore_new(&b, client, "/s", 1, &options), LK_OK);
    assert_status(lk_semaphore_acquire(a, 1, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    assert_status(lk_semaphore_acquire_start(b, 1, LK_FOREVER, answer_done, waits, NULL), LK_OK);
    await_told(tellings, "semaphore: a* b");
    assert_status(lk_semaphore_resize(client, "/s", 2, lk_in_ms(PATIENCE_MS)), LK_OK);
    await_told(tellings, "semaphore: a* b*");
    lk_semaphore_free(a);
    lk_semaphore_free(b);
    end(tellings);
}

static void the_leaders_new_card_and_a_request_to_let_go_are_told(void)
{
    lk_client *client = LIVE_CLIENT("A", 0);
    struct stand *a = live_candidate(client, "a", "/e", "a");
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/e");
    lk_fence fence = acquire(a);

    await_told(tellings, "election: a*");
    assert_status(lk_candidate_proclaim(a->candidate, "a2", 2, lk_in_ms(PATIENCE_MS)), LK_OK);
    await_told(tellings, "election: a2*");
    assert_status(lk_line_revoke(client, "/e", fence, lk_in_ms(PATIENCE_MS)), LK_OK);
    await_told(tellings, "election: a2*?");
    release(a);
    end(tellings);
}

static void other_programs_stand_in_the_line_too(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");

    await_told(tellings, ":");
    raw_make(live_path("/l"));
    raw_create(live_path("/l/_c_0123-lock-"), "curator", 7, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    await_told(tellings, ": curator*");
    raw_create(live_path("/l/0123__lock__"), "kazoo", 5, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    await_told(tellings, ": curator* kazoo");
    struct answer *waits = start_acquire(a, LK_FOREVER);
    await_told(tellings, ": curator* kazoo a");
    raw_delete(live_path("/l/_c_0123-lock-0000000000"));
    await_told(tellings, ": kazoo* a");
    raw_delete(live_path("/l/0123__lock__0000000001"));
    await_told(tellings, ": a*");
    assert_status(await_answer(waits), LK_OK);
    release(a);
    end(tellings);
}

static void what_does_not_stand_in_the_line_is_seen_to_be_made_anew(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRISK_MS);

    raw_make(live_path("/l"));
    raw_create(live_path("/l/note"), "old", 3, 0);
    struct tellings *tellings = watch(client, "/l");
    await_told(tellings, ": old");
    zkbox_proxy_cut(live_proxy());
    raw_delete(live_path("/l/note"));
    raw_create(live_path("/l/note"), "new", 3, 0);
    zkbox_proxy_heal(live_proxy());
    await_told(tellings, ": new");
    end(tellings);
}

/* Under the old names, while it looked away. */
static void a_namesake_in_a_line_made_anew_is_another(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRISK_MS);
    const int mode = ZOO_EPHEMERAL | ZOO_SEQUENCE;

    raw_make(live_path("/l"));
    raw_create(live_path("/l/lk-lock-"), "old", 3, mode);
    raw_create(live_path("/l/lk-lock-"), "old2", 4, mode);
    struct tellings *tellings = watch(client, "/l");
    await_told(tellings, ": old* old2");
    uint64_t old_fence = tellings->first_fence;
    zkbox_proxy_cut(live_proxy());
    raw_delete(live_path("/l/lk-lock-0000000000"));
    raw_delete(live_path("/l/lk-lock-0000000001"));
    raw_delete(live_path("/l"));
    raw_make(live_path("/l"));
    raw_create(live_path("/l/lk-lock-"), "new", 3, mode);
    raw_create(live_path("/l/lk-lock-"), "new2", 4, mode);
    zkbox_proxy_heal(live_proxy());
    await_told(tellings, ": new* new2");
    assert_true(tellings->first_fence > old_fence);
    assert_told(tellings, ": old* old2 | : new* new2");
    end(tellings);
}

static void why_it_can_not_be_seen_is_told(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    char data[500];

    acquire(a);
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");
    await_told(tellings, "lock: a*");
    /* A record of latchkey's, but no line's. */
    size_t size = raw_get(live_path("/l/lk-lock-0000000000"), data, sizeof data, NULL);
    raw_set(live_path("/l"), data, size);
    await_told(tellings, "LK_E_KIND");
    raw_set(live_path("/l"), "", 0);
    await_told(tellings, ": a*");
    release(a);
    end(tellings);

    raw_make(live_path("/hidden"));
    raw_limit(live_path("/hidden"), ZOO_PERM_CREATE);
    tellings = watch(LIVE_CLIENT("P", 0), "/hidden");
    await_told(tellings, "LK_E_NO_RIGHTS");
    raw_limit(live_path("/hidden"), ZOO_PERM_ALL);
    await_told(tellings, ":");
    assert_told(tellings, "LK_E_NO_RIGHTS | :");
    end(tellings);
}

static void who_lets_nobody_read_is_seen_to_come_and_to_go(void)
{
    raw_make(live_path("/l"));
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");

    await_told(tellings, ":");
    assert_int_equal(zoo_create(raw(), live_path("/l/lk-lock-"), "x", 1, &ZOO_CREATOR_ALL_ACL,
                                ZOO_EPHEMERAL | ZOO_SEQUENCE, NULL, 0),
                     ZOK);
    await_told(tellings, ": *"); /* somebody, without a word */
    raw_delete(live_path("/l/lk-lock-0000000000"));
    await_told(tellings, ":");
    end(tellings);
}

/* ---- outages ---- */

static void after_an_outage_and_in_a_new_session_the_new_state_is_told(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRIEF_MS);
    lk_client *other = LIVE_CLIENT("A", 0);
    struct stand *a = live_lock(other, "a", "/l"), *b = live_lock(other, "b", "/l");
    struct stand *anchor = live_lock(client, "anchor", "/anchor");
    struct tellings *tellings = watch(client, "/l");
    struct gone gone;

    await_told(tellings, ":");
    zkbox_proxy_cut(live_proxy());
    acquire(a);
    zkbox_proxy_heal(live_proxy());
    await_told(tellings, "lock: a*");

    acquire(anchor);
    raw_watch_gone(live_path("/anchor/lk-lock-0000000000"), &gone);
    zkbox_proxy_cut(live_proxy());
    start_acquire(b, LK_FOREVER);
    await_gone(&gone);
    zkbox_proxy_heal(live_proxy());
    await_told(tellings, "lock: a* b");
    release(a);
    await_told(tellings, "lock: b*");
    assert_told(tellings, ": | lock: a* | lock: a* b | lock: b*");
    end(tellings);
}

static void no_lost_reply_makes_it_miss_a_change(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRISK_MS);
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");
    struct tellings *tellings = watch(client, "/l");

    await_told(tellings, ":");
    for (int nth = 1; nth <= 3; nth++) {
        assert_int_equal(zkbox_proxy_lose_reply(live_proxy(), ZKBOX_ANY, nth), 0);
        acquire(a);
        await_told(tellings, "lock: a*");
        zkbox_proxy_heal(live_proxy());
        release(a);
        await_told(tellings, "lock:");
    }
    end(tellings);
}

/* ---- what it costs ---- */

static const char *crowd(size_t count)
{
    static char text[SHOWN];
    snprintf(text, sizeof text, "lock: %zu", count);
    return text;
}

/* One holds, so many wait; then one joins, one from the middle goes, the holder hands over. */
static void changes_among(size_t waiters)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true);
    struct stand *holder = live_lock(LIVE_CLIENT("A", 0), "holder", "/l");
    char middle[64];

    acquire(holder);
    for (size_t i = 0; i < waiters; i++)
        raw_create(live_path("/l/lk-lock-"), "waiter", 6, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    struct tellings *tellings = watch(client, "/l");
    await_told(tellings, crowd(waiters + 1));
    zkbox_proxy_trace_start(live_proxy());
    raw_create(live_path("/l/lk-lock-"), "late", 4, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    await_told(tellings, crowd(waiters + 2));
    snprintf(middle, sizeof middle, "/l/lk-lock-%010zu", waiters / 2);
    raw_delete(live_path(middle));
    await_told(tellings, crowd(waiters + 1));
    release(holder);
    await_told(tellings, crowd(waiters));
    raw_delete(live_path("/l/lk-lock-0000000001"));
    await_told(tellings, crowd(waiters - 1));
    assert_requests("get list get get list get list get get list get");
    end(tellings);
}

static void a_change_costs_the_same_requests_among_10(void)
{
    changes_among(10);
}

static void a_change_costs_the_same_requests_among_300(void)
{
    changes_among(CROWD_MAX);
}

static void a_new_session_reads_nobody_again_but_the_first(void)
{
    lk_client *client = LIVE_CLIENT("O", .proxied = true, .timeout_ms = BRIEF_MS);
    struct stand *holder = live_lock(LIVE_CLIENT("A", 0), "holder", "/l");
    struct stand *anchor = live_lock(client, "anchor", "/anchor");
    struct gone gone;

    acquire(holder);
    for (size_t i = 0; i < 20; i++)
        raw_create(live_path("/l/lk-lock-"), "waiter", 6, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    struct tellings *tellings = watch(client, "/l");
    await_told(tellings, crowd(21));
    acquire(anchor);
    raw_watch_gone(live_path("/anchor/lk-lock-0000000000"), &gone);
    zkbox_proxy_cut(live_proxy());
    await_gone(&gone);
    stand_free(anchor);
    raw_create(live_path("/l/lk-lock-"), "late", 4, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    zkbox_proxy_trace_start(live_proxy());
    zkbox_proxy_heal(live_proxy());
    await_told(tellings, crowd(22));
    struct trace trace = trace_take();
    struct cost cost = trace_cost(&trace);
    free(trace.frames);
    assert_true(cost.reads < 12);
    end(tellings);
}

/* ---- callbacks ---- */

static void what_its_program_is_too_slow_for_is_told_as_one(void)
{
    lk_client *slow = LIVE_CLIENT("O", .own_loop = true);
    struct tellings *tellings = watch(slow, "/l");

    raw_make(live_path("/l"));
    while (tellings->count == 0)
        assert_true(lk_dispatch(slow, lk_in_ms(PATIENCE_MS)) >= 0);
    for (size_t i = 0; i < 3; i++)
        raw_create(live_path("/l/lk-lock-"), "w", 1, ZOO_EPHEMERAL | ZOO_SEQUENCE);
    while (strcmp(tellings->lines[tellings->count - 1], ": w* w w") != 0)
        assert_true(lk_dispatch(slow, lk_in_ms(PATIENCE_MS)) >= 0);
    assert_true(tellings->count <= 4);
    end(tellings);
    assert_true(lk_dispatch(slow, 0) >= 0);
}

static bool is_free(void *arg)
{
    struct tellings *tellings = arg;

    pthread_mutex_lock(&tellings->lock);
    bool is = tellings->watch == NULL;
    pthread_mutex_unlock(&tellings->lock);
    return is;
}

static void it_may_be_freed_inside_its_callback(void)
{
    struct stand *a = live_lock(LIVE_CLIENT("A", 0), "a", "/l");

    acquire(a);
    release(a);
    struct tellings *tellings = watch(LIVE_CLIENT("O", 0), "/l");
    await_told(tellings, "lock:");
    pthread_mutex_lock(&tellings->lock);
    tellings->free_inside = true;
    pthread_mutex_unlock(&tellings->lock);
    acquire(a);
    live_await("freed", is_free, tellings);
    release(a);
    assert_told(tellings, "lock: | lock: a*");
}

static void what_makes_no_sense_is_refused(void)
{
    lk_client *client = LIVE_CLIENT("O", 0);
    lk_line_watch *made = NULL;

    assert_status(lk_line_watch_new(&made, client, "/l/", told, NULL), LK_E_PATH);
    assert_status(lk_line_watch_new(&made, client, "/l", NULL, NULL), LK_E_INVALID);
    assert_status(lk_line_watch_new(NULL, client, "/l", told, NULL), LK_E_INVALID);
    assert_status(lk_line_watch_new(&made, NULL, "/l", told, NULL), LK_E_INVALID);
    assert_null(made);
    assert_null(lk_line_watch_free(NULL));
    (void)lk_client_close(client, lk_in_ms(PATIENCE_MS));
    assert_status(lk_line_watch_new(&made, client, "/l", told, NULL), LK_E_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(each_change_is_told_once_and_in_order),
        LIVE_TEST(readers_hold_side_by_side),
        LIVE_TEST(a_resize_is_told),
        LIVE_TEST(the_leaders_new_card_and_a_request_to_let_go_are_told),
        LIVE_TEST(other_programs_stand_in_the_line_too),
        LIVE_TEST(what_does_not_stand_in_the_line_is_seen_to_be_made_anew),
        LIVE_TEST(a_namesake_in_a_line_made_anew_is_another),
        LIVE_TEST(why_it_can_not_be_seen_is_told),
        LIVE_TEST(who_lets_nobody_read_is_seen_to_come_and_to_go),
        LIVE_TEST(after_an_outage_and_in_a_new_session_the_new_state_is_told),
        LIVE_TEST(no_lost_reply_makes_it_miss_a_change),
        LIVE_TEST(a_change_costs_the_same_requests_among_10),
        LIVE_TEST(a_change_costs_the_same_requests_among_300),
        LIVE_TEST(a_new_session_reads_nobody_again_but_the_first),
        LIVE_TEST(what_its_program_is_too_slow_for_is_told_as_one),
        LIVE_TEST(it_may_be_freed_inside_its_callback),
        LIVE_TEST(what_makes_no_sense_is_refused),
    };
    return live_main("live line_watch", NULL, tests, sizeof tests / sizeof *tests);
}
