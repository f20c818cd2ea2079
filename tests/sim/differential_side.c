/* differential_side.c - see differential_side.h. */
#include "differential_side.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "testing/tell.h"

enum { PATIENCE_S = 60, SESSION_TIMEOUT_MS = 30000 };

/* ---- what is heard, in words (under the side's lock) ---- */

static void say_zxid(FILE *out, const struct side *side, const char *name, int64_t zxid)
{
    fprintf(out, " %s +%" PRId64, name, zxid - side->first_zxid);
}

static void say_time(FILE *out, struct side *side, int64_t zxid, int64_t time_ms)
{
    int64_t at = zxid - side->first_zxid;

    if (at < 0 || at >= TXNS_MAX)
        return;
    if (side->times_ms[at] && side->times_ms[at] != time_ms)
        fprintf(out, " %s", TIME_CLASHES);
    side->times_ms[at] = time_ms;
}

static void say_owner(FILE *out, const struct side *side, int64_t owner)
{
    for (size_t i = 0; i < side->opened_count; i++) {
        if (side->opened[i] == owner) {
            fprintf(out, " of session %zu", i);
            return;
        }
    }
    fprintf(out, " owner %" PRIx64, (uint64_t)owner);
}

static void say_stat(FILE *out, struct side *side, const struct keeper_stat *stat)
{
    if (!side->first_zxid)
        side->first_zxid = stat->czxid;
    say_zxid(out, side, "czxid", stat->czxid);
    say_zxid(out, side, "mzxid", stat->mzxid);
    say_zxid(out, side, "pzxid", stat->pzxid);
    say_time(out, side, stat->czxid, stat->ctime_ms);
    say_time(out, side, stat->mzxid, stat->mtime_ms);
    say_owner(out, side, stat->ephemeral_owner);
    fprintf(out, " v%d c%d a%d size %d children %d", stat->version, stat->cversion, stat->aversion,
            stat->data_size, stat->child_count);
}

static void say_data(FILE *out, const struct keeper_reply *reply)
{
    const unsigned char *bytes = reply->data;
    uint32_t hash = 2166136261;

    for (size_t i = 0; i < reply->data_size; i++)
        hash = (hash ^ bytes[i]) * 16777619;
    fprintf(out, " data %zu:%08x", reply->data_size, (unsigned)hash);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void say_children(FILE *out, const struct keeper_reply *reply)
{
    size_t size = reply->child_count * sizeof(char *);
    const char **names = malloc(size + 1);

    if (!names)
        abort();
    if (size)
        memcpy(names, reply->children, size);
    qsort(names, reply->child_count, sizeof(*names), by_text);
    for (size_t i = 0; i < reply->child_count; i++)
        fprintf(out, " %s", names[i]);
    free(names);
}

static bool has_stat(const struct keeper_request *request, bool in_multi)
{
    switch (request->verb) {
    case KEEPER_CREATE:
        return !in_multi;
    case KEEPER_EXISTS:
    case KEEPER_GET:
    case KEEPER_SET:
    case KEEPER_LIST:
        return true;
    default:
        return false;
    }
}

static void say_answer(FILE *out, struct side *side, const struct keeper_request *request,
                       const struct keeper_reply *reply, bool in_multi)
{
    fputs(keeper_rc_name(reply->rc), out);
    if (reply->rc != KEEPER_OK)
        return;
    if (request->verb == KEEPER_CREATE)
        fprintf(out, " %s", reply->path ? reply->path : "without its path");
    if (has_stat(request, in_multi))
        say_stat(out, side, &reply->stat);
    if (request->verb == KEEPER_GET)
        say_data(out, reply);
    if (request->verb == KEEPER_LIST)
        say_children(out, reply);
}

static char *answer_line(struct side *side, const struct keeper_request *request,
                         const struct keeper_reply *reply)
{
    char *line = NULL;
    size_t size;
    FILE *out = open_memstream(&line, &size);

    if (!out)
        abort();
    fputs("answer ", out);
    say_answer(out, side, request, reply, false);
    for (size_t i = 0; i < reply->result_count; i++) {
        fprintf(out, "; %zu ", i);
        say_answer(out, side, &request->operations[i], &reply->results[i], true);
    }
    fclose(out);
    return line;
}

static void add_line(struct side_session *session, char *line)
{
    if (!line)
        abort();
    if (session->line_count < LINES_MAX) {
        session->lines[session->line_count++] = line;
        return;
    }
    session->trouble = "it heard more than fits";
    free(line);
}

/* ---- events ---- */

static const char connection_lost[] = "its connection was lost, or made again";

static void on_session(void *owner, enum keeper_session_event event,
                       const struct keeper_session *keeper_session)
{
    struct side_session *session = owner;

    pthread_mutex_lock(&session->side->lock);
    if (event == KEEPER_SESSION_CONNECTED && !session->id)
        session->id = keeper_session->id;
    else
        session->trouble = connection_lost;
    pthread_cond_signal(&session->side->changed);
    pthread_mutex_unlock(&session->side->lock);
}

static void on_watch(void *owner, enum keeper_watch_event event, const char *path)
{
    struct side_session *session = owner;
    char *line = NULL;

    pthread_mutex_lock(&session->side->lock);
    if (asprintf(&line, "event %s %s", path, watch_event_name(event)) < 0)
        abort();
    add_line(session, line);
    pthread_mutex_unlock(&session->side->lock);
}

static void on_reply(void *owner, void *context, const struct keeper_reply *reply)
{
    struct side_session *session = owner;

    pthread_mutex_lock(&session->side->lock);
    add_line(session, answer_line(session->side, context, reply));
    session->answers++;
    pthread_cond_signal(&session->side->changed);
    pthread_mutex_unlock(&session->side->lock);
}

static void on_closed(void *owner)
{
    struct side_session *session = owner;

    pthread_mutex_lock(&session->side->lock);
    session->is_closed = true;
    pthread_cond_signal(&session->side->changed);
    pthread_mutex_unlock(&session->side->lock);
}

static const struct keeper_events events = {
    .session = on_session, .watch = on_watch, .reply = on_reply, .closed = on_closed
};

/* ---- waiting ---- */

static const char *trouble_of(const struct side *side)
{
    for (int i = 0; i < SESSIONS; i++)
        if (side->sessions[i].trouble)
            return side->sessions[i].trouble;
    return side->sim && side->sim->world.failure[0] ? side->sim->world.failure : NULL;
}

static bool await_simulated(struct side *side, bool (*done)(const struct side_session *session),
                            const struct side_session *session)
{
    struct world *world = &side->sim->world;
    int64_t until_ns = world->now_ns + PATIENCE_S * SECOND;

    while (!done(session) && !trouble_of(side) && world->now_ns < until_ns)
        if (!world_step(world))
            break;
    return done(session) && !trouble_of(side);
}

static bool await_real(struct side *side, bool (*done)(const struct side_session *session),
                       const struct side_session *session)
{
    struct timespec until;
    int failed = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&side->lock);
    while (!done(session) && !trouble_of(side) && !failed)
        failed = pthread_cond_timedwait(&side->changed, &side->lock, &until);
    bool is_done = done(session) && !trouble_of(side);
    pthread_mutex_unlock(&side->lock);
    return is_done;
}

static bool await(struct side *side, bool (*done)(const struct side_session *session),
                  const struct side_session *session)
{
    return side->sim ? await_simulated(side, done, session) : await_real(side, done, session);
}

static bool is_connected(const struct side_session *session)
{
    return session->id != 0;
}

static bool is_answered(const struct side_session *session)
{
    return session->answers > 0;
}

/* The simulated link says `closed` before its servers know of it. */
static bool is_over(const struct side_session *session)
{
    if (!session->is_closed || !session->side->sim)
        return session->is_closed;
    list_for_each (node, &ensemble_truth(&session->side->sim->ensemble)->sessions) {
        if (container_of(node, struct known_session, node)->id == session->id)
            return false;
    }
    return true;
}

/* ---- steps ---- */

/* A write, though one that fails. A sync would not do: for a client of the leader the server answers
 * it like a read, perhaps before it has applied what a follower has already told its client of. */
static const struct keeper_request own_barrier = { .verb = KEEPER_DELETE,
                                                   .path = "/nobody",
                                                   .version = KEEPER_ANY_VERSION };

static bool submit(struct side_session *session, const struct keeper_request *request)
{
    char *line = NULL;

    session->answers = 0;
    int status = keeper_submit(session->keeper, request, (void *)request);
    if (status == LK_OK)
        return true;
    if (asprintf(&line, "refused %s", lk_status_name(status)) < 0)
        abort();
    pthread_mutex_lock(&session->side->lock);
    add_line(session, line);
    session->answers++;
    pthread_mutex_unlock(&session->side->lock);
    return false;
}

static bool settle(struct side *side)
{
    for (int i = 0; i < SESSIONS; i++)
        if (side->sessions[i].keeper)
            submit(&side->sessions[i], &own_barrier);
    for (int i = 0; i < SESSIONS; i++)
        if (side->sessions[i].keeper && !await(side, is_answered, &side->sessions[i]))
            return false;
    return true;
}

void side_begin(struct side *side, struct sim *sim, const char *const addresses[SESSIONS])
{
    *side = (struct side){ .name = sim ? "simulated" : "real", .sim = sim };
    pthread_mutex_init(&side->lock, NULL);
    pthread_cond_init(&side->changed, NULL);
    for (int i = 0; i < SESSIONS; i++)
        side->addresses[i] = addresses ? addresses[i] : "";
}

bool side_open(struct side *side, int number, const char *auth)
{
    const struct keeper_options options = { .servers = side->addresses[number],
                                            .session_timeout_ms = SESSION_TIMEOUT_MS,
                                            .auth_scheme = auth ? "digest" : NULL,
                                            .auth = auth };
    struct side_session *session = &side->sessions[number];
    struct keeper_world *world = keeper_real_world();

    *session = (struct side_session){ .side = side };
    if (side->sim) {
        session->client = arena_take(&side->sim->world.arena, sizeof(*session->client));
        session->client->sim = side->sim;
        snprintf(session->client->name, sizeof(session->client->name), "c%d", number);
        list_append(&side->sim->clients, &session->client->node);
        session->client->keeper_world.open = link_open;
        world = &session->client->keeper_world;
    }
    if (world->open(world, &options, &events, session, &session->keeper) != LK_OK
        || !await(side, is_connected, session) || side->opened_count == OPENED_MAX)
        return false;
    side->opened[side->opened_count++] = session->id;
    return true;
}

bool side_ask(struct side *side, int number, const struct keeper_request *request)
{
    struct side_session *session = &side->sessions[number];

    submit(session, request);
    return await(side, is_answered, session) && settle(side);
}

static void forget(struct side_session *session)
{
    for (size_t i = 0; i < session->line_count; i++)
        free(session->lines[i]);
    session->line_count = 0;
}

/* What it hears of its own end is not compared: the real client hangs up somewhere in it. */
bool side_close(struct side *side, int number)
{
    struct side_session *session = &side->sessions[number];

    keeper_close(session->keeper);
    bool closed = await(side, is_over, session);
    session->keeper = NULL;
    forget(session);
    return closed && settle(side);
}

char *side_heard(struct side *side, bool sorted)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        abort();
    pthread_mutex_lock(&side->lock);
    for (int i = 0; i < SESSIONS; i++) {
        struct side_session *session = &side->sessions[i];
        if (sorted)
            qsort(session->lines, session->line_count, sizeof(*session->lines), by_text);
        for (size_t j = 0; j < session->line_count; j++)
            fprintf(out, "    s%d: %s\n", i, session->lines[j]);
        forget(session);
    }
    if (trouble_of(side))
        fprintf(out, "    %s\n", trouble_of(side));
    pthread_mutex_unlock(&side->lock);
    fclose(out);
    return text;
}

bool side_was_lost(const struct side *side)
{
    return trouble_of(side) == connection_lost;
}

/* Keepers that are still open are closed, and awaited: they call into this memory. */
void side_end(struct side *side)
{
    for (int i = 0; i < SESSIONS; i++) {
        struct side_session *session = &side->sessions[i];
        if (!session->keeper)
            continue;
        session->trouble = NULL;
        keeper_close(session->keeper);
    }
    for (int i = 0; i < SESSIONS; i++) {
        struct side_session *session = &side->sessions[i];
        pthread_mutex_lock(&side->lock);
        while (!side->sim && session->keeper && !session->is_closed)
            pthread_cond_wait(&side->changed, &side->lock);
        pthread_mutex_unlock(&side->lock);
        forget(session);
    }
    pthread_cond_destroy(&side->changed);
    pthread_mutex_destroy(&side->lock);
}
