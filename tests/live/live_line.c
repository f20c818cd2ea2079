/* live_line.c - clients, and who stands in lines: what they are told, what they ask, what they are
 * answered. See live.h. */
#include "live_inside.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENTS_MAX = 32, STANDS_MAX = 512, SEMAPHORES_MAX = 64, ANSWERS_MAX = 1024 };

/* Of the present test. */
static struct {
    lk_client *clients[CLIENTS_MAX];
    struct stand *stands[STANDS_MAX];
    lk_semaphore *semaphores[SEMAPHORES_MAX];
    struct answer *answers[ANSWERS_MAX];
    size_t client_count, stand_count, semaphore_count, answer_count;
    unsigned answered;
} people;

/* ---- clients ---- */

static void client_log(lk_log_level level, const char *line, void *arg)
{
    static const char letters[] = "EWID";
    live_tell("%s (%c) %s", (const char *)arg, letters[level], line);
}

lk_client *live_client(const char *name, struct live_client how)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    lk_client *client;

    options.servers = how.servers   ? how.servers
                      : how.proxied ? zkbox_proxy_address(live_proxy())
                                    : zkbox_address(live_box(), 0);
    options.root = live_root();
    options.session_timeout_ms = how.timeout_ms ? how.timeout_ms : CALM_MS;
    options.callback_thread = !how.own_loop;
    options.label = name;
    options.log_level = LK_LOG_DEBUG;
    options.log = client_log;
    options.log_arg = (void *)(uintptr_t)name;
    options.auth_scheme = how.auth ? "digest" : NULL;
    options.auth = how.auth;
    options.access = how.access;
    assert_status(lk_client_new(&client, &options), LK_OK);
    assert_true(people.client_count < CLIENTS_MAX);
    people.clients[people.client_count++] = client;
    if (!how.unconnected)
        assert_status(lk_client_wait_connected(client, lk_in_ms(PATIENCE_MS)), LK_OK);
    return client;
}

lk_client *live_forget_client(lk_client *client)
{
    for (size_t i = 0; i < people.client_count; i++)
        if (people.clients[i] == client)
            people.clients[i] = NULL;
    return client;
}

int live_node_of(lk_client *client)
{
    lk_client_info info;
    char session[40];

    lk_client_info_get(client, &info);
    snprintf(session, sizeof session, "sid=0x%" PRIx64 ",", info.session_id);
    for (int node = 0; node < zkbox_nodes(live_box()); node++) {
        char *text;
        if (zkbox_ask(live_box(), node, "cons", &text) < 0)
            continue;
        bool is_here = strstr(text, session) != NULL;
        free(text);
        if (is_here)
            return node;
    }
    return -1;
}

/* ---- who stands in a line ---- */

static void stand_changed(const lk_grant_change *change, void *arg)
{
    struct stand *stand = arg;
    char fence[LK_FENCE_TEXT_SIZE];

    world_lock();
    if (stand->count < CHANGES_MAX) {
        stand->at_ns[stand->count] = lk_now_ns();
        stand->changes[stand->count++] = *change;
    }
    world_unlock();
    live_tell("%s is %s, fence %s, %s", stand->name, lk_grant_state_name(change->state),
              lk_fence_text(change->fence, fence), lk_status_name(change->reason));
}

static struct stand *stand_new(const char *name)
{
    struct stand *stand = calloc(1, sizeof *stand);

    assert_non_null(stand);
    assert_true(people.stand_count < STANDS_MAX);
    stand->name = name;
    people.stands[people.stand_count++] = stand;
    return stand;
}

struct stand *live_lock(lk_client *client, const char *name, const char *path)
{
    struct stand *stand = stand_new(name);
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;

    options.label = name;
    options.on_change = stand_changed;
    options.on_change_arg = stand;
    assert_status(lk_lock_new(&stand->lock, client, path, &options), LK_OK);
    return stand;
}

struct stand *live_candidate(lk_client *client, const char *name, const char *path,
                             const char *card)
{
    struct stand *stand = stand_new(name);
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;

    options.card = card;
    options.card_size = strlen(card);
    options.on_change = stand_changed;
    options.on_change_arg = stand;
    assert_status(lk_candidate_new(&stand->candidate, client, path, &options), LK_OK);
    return stand;
}

void stand_free(struct stand *stand)
{
    stand->lock = lk_lock_free(stand->lock);
    stand->candidate = lk_candidate_free(stand->candidate);
}

struct expected {
    struct stand *stand;
    lk_grant_state state;
};

static bool change_came(void *arg)
{
    const struct expected *expected = arg;
    struct stand *stand = expected->stand;

    while (stand->seen < stand->count && stand->changes[stand->seen].state != expected->state)
        stand->seen++;
    return stand->seen < stand->count;
}

const lk_grant_change *await_change(struct stand *stand, lk_grant_state state)
{
    struct expected expected = { stand, state };
    char what[100];

    snprintf(what, sizeof what, "%s is %s", stand->name, lk_grant_state_name(state));
    live_await(what, change_came, &expected);
    return &stand->changes[stand->seen++]; /* what was told stays as it is */
}

int64_t change_time(const struct stand *stand, lk_grant_state state)
{
    int64_t at_ns = 0;

    world_lock();
    for (size_t i = 0; i < stand->count; i++)
        if (stand->changes[i].state == state)
            at_ns = stand->at_ns[i];
    world_unlock();
    return at_ns;
}

struct enough {
    struct stand *stand;
    size_t count;
};

static bool changes_are_enough(void *arg)
{
    const struct enough *enough = arg;
    return enough->stand->count >= enough->count;
}

void assert_changes(struct stand *stand, const char *states)
{
    struct enough enough = { stand, *states != '\0' };
    char seen[CHANGES_MAX * 10] = "";
    size_t used = 0;

    for (const char *at = states; *at; at++)
        enough.count += *at == ' ';
    live_await(states, changes_are_enough, &enough);

    world_lock();
    for (size_t i = 0; i < stand->count; i++)
        used += (size_t)snprintf(seen + used, sizeof seen - used, "%s%s", i ? " " : "",
                                 lk_grant_state_name(stand->changes[i].state));
    world_unlock();
    assert_string_equal(seen, states);
}

/* ---- answers ---- */

struct answer *live_answer(const char *name)
{
    struct answer *answer = calloc(1, sizeof *answer);

    assert_non_null(answer);
    assert_true(people.answer_count < ANSWERS_MAX);
    answer->name = name;
    people.answers[people.answer_count++] = answer;
    return answer;
}

void answer_done(int status, void *arg)
{
    struct answer *answer = arg;

    world_lock();
    answer->status = status;
    answer->times++;
    answer->at_ns = lk_now_ns();
    answer->rank = ++people.answered;
    world_unlock();
    live_tell("%s: %s", answer->name, lk_status_name(status));
}

static bool answer_came(void *arg)
{
    return ((struct answer *)arg)->times > 0;
}

int await_answer(struct answer *answer)
{
    live_await(answer->name, answer_came, answer);
    return answer->status;
}

bool is_answered(struct answer *answer)
{
    world_lock();
    bool is = answer->times > 0;
    world_unlock();
    return is;
}

struct answer *start_acquire(struct stand *stand, int64_t deadline_ns)
{
    struct answer *answer = live_answer(stand->name);

    if (stand->lock)
        assert_status(lk_lock_acquire_start(stand->lock, deadline_ns, answer_done, answer, NULL),
                      LK_OK);
    else
        assert_status(
            lk_candidate_stand_start(stand->candidate, deadline_ns, answer_done, answer, NULL),
            LK_OK);
    return answer;
}

lk_fence acquire(struct stand *stand)
{
    lk_fence fence;

    if (stand->lock)
        assert_status(lk_lock_acquire(stand->lock, lk_in_ms(PATIENCE_MS), &fence), LK_OK);
    else
        assert_status(lk_candidate_stand(stand->candidate, lk_in_ms(PATIENCE_MS), &fence), LK_OK);
    return fence;
}

void release(struct stand *stand)
{
    if (stand->lock)
        assert_status(lk_lock_release(stand->lock, lk_in_ms(PATIENCE_MS)), LK_OK);
    else
        assert_status(lk_candidate_resign(stand->candidate, lk_in_ms(PATIENCE_MS)), LK_OK);
}

/* ---- permits ---- */

lk_semaphore *live_semaphore(lk_client *client, const char *path, uint32_t permits,
                             const lk_semaphore_options *options)
{
    lk_semaphore **semaphore = &people.semaphores[people.semaphore_count];

    assert_true(people.semaphore_count < SEMAPHORES_MAX);
    assert_status(lk_semaphore_new(semaphore, client, path, permits, options), LK_OK);
    people.semaphore_count++;
    return *semaphore;
}

void live_free_semaphore(lk_semaphore *semaphore)
{
    for (size_t i = 0; i < people.semaphore_count; i++)
        if (people.semaphores[i] == semaphore)
            people.semaphores[i] = lk_semaphore_free(semaphore);
}

struct answer *start_permits(lk_semaphore *semaphore, uint32_t count, const char *name)
{
    struct answer *answer = live_answer(name);

    assert_status(
        lk_semaphore_acquire_start(semaphore, count, LK_FOREVER, answer_done, answer, NULL), LK_OK);
    return answer;
}

void take_permits(lk_semaphore *semaphore, uint32_t count)
{
    assert_status(lk_semaphore_acquire(semaphore, count, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
}

void give_back(lk_semaphore *semaphore)
{
    assert_status(lk_semaphore_release(semaphore, lk_in_ms(PATIENCE_MS)), LK_OK);
}

/* ---- begin and end ---- */

void line_begin(void)
{
    world_lock();
    people.answered = 0;
    world_unlock();
}

void line_free_handles(void)
{
    for (size_t i = 0; i < people.stand_count; i++)
        stand_free(people.stands[i]);
    for (size_t i = 0; i < people.semaphore_count; i++)
        lk_semaphore_free(people.semaphores[i]);
    people.semaphore_count = 0;
}

/* Only then does nobody speak of stands and answers any more. */
void line_free_clients(void)
{
    for (size_t i = 0; i < people.client_count; i++) {
        if (people.clients[i])
            (void)lk_client_close(people.clients[i], lk_in_ms(5000));
        lk_client_free(people.clients[i]);
    }
    for (size_t i = 0; i < people.stand_count; i++)
        free(people.stands[i]);
    for (size_t i = 0; i < people.answer_count; i++)
        free(people.answers[i]);
    people.client_count = people.stand_count = people.answer_count = 0;
}
