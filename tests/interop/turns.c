/* turns.c - who held when, by the servers' zxids; whether that was fair says judge.h. See peer.h. */
#include "peer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct turn *turns;
    size_t count, room;
    char wrong[JUDGE_WRONG_SIZE]; /* the first thing that was seen to be */
} record;

void turn_entered(struct turn turn, const char *children)
{
    pthread_mutex_lock(&mutex);
    if (record.count == record.room) {
        record.room = record.room ? 2 * record.room : 256;
        record.turns = realloc(record.turns, record.room * sizeof turn);
        if (!record.turns)
            abort();
    }
    record.turns[record.count++] = turn;
    if (!*record.wrong)
        (void)judge_presence(&turn, children, record.wrong);
    pthread_mutex_unlock(&mutex);
}

static struct turn *last_turn(const char *who)
{
    for (size_t i = record.count; i-- > 0;)
        if (strcmp(record.turns[i].who, who) == 0)
            return &record.turns[i];
    return NULL;
}

void turn_left(const char *who, int64_t zxid)
{
    pthread_mutex_lock(&mutex);
    struct turn *turn = last_turn(who);
    if (turn)
        turn->left = zxid;
    pthread_mutex_unlock(&mutex);
}

void turn_cut(const char *who)
{
    pthread_mutex_lock(&mutex);
    struct turn *turn = last_turn(who);
    if (turn && turn->left == 0)
        turn->was_killed = true;
    pthread_mutex_unlock(&mutex);
}

void turns_failed(const char *who, const char *why)
{
    pthread_mutex_lock(&mutex);
    if (!*record.wrong)
        snprintf(record.wrong, sizeof record.wrong, "%s failed: %s", who, why);
    pthread_mutex_unlock(&mutex);
}

static const char *line_path(char out[64], const char *end)
{
    snprintf(out, 64, "%s/l%s", live_root(), end);
    return out;
}

static int64_t clock_now(void)
{
    char path[64];
    struct Stat stat = { 0 };
    int rc = zoo_set2(raw(), line_path(path, "-clock"), "", 0, -1, &stat);

    return rc == ZOK ? stat.mzxid : -1;
}

void turn_enter(const char *who, bool reads, const char *node, int64_t czxid)
{
    struct turn turn = { .reads = reads, .czxid = czxid, .entered = clock_now() };
    struct String_vector list = { 0 };
    char path[64], children[4096] = "";

    snprintf(turn.who, sizeof turn.who, "%s", who);
    snprintf(turn.node, sizeof turn.node, "%s", node);
    (void)zoo_get_children(raw(), line_path(path, ""), 0, &list);
    for (int i = 0; i < list.count; i++) {
        size_t used = strlen(children);
        snprintf(children + used, sizeof children - used, "%s%s", i ? "," : "", list.data[i]);
    }
    deallocate_String_vector(&list);
    turn_entered(turn, children);
    live_tell("%s granted %s", who, node);
}

void turn_leave(const char *who)
{
    turn_left(who, clock_now());
}

void turns_begin(void)
{
    pthread_mutex_lock(&mutex);
    record.count = 0;
    *record.wrong = '\0';
    pthread_mutex_unlock(&mutex);
    raw_make(live_path("/l-clock"));
}

size_t turns_count(void)
{
    pthread_mutex_lock(&mutex);
    size_t count = record.count;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* Of this one; NULL: of anybody. */
struct share {
    const char *who;
    size_t count;
};

static bool is_reached(void *arg)
{
    const struct share *share = arg;
    size_t count = 0;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; share->who && i < record.count; i++)
        count += strcmp(record.turns[i].who, share->who) == 0;
    bool is = (share->who ? count : record.count) >= share->count || *record.wrong;
    pthread_mutex_unlock(&mutex);
    return is;
}

void await_turns(size_t count)
{
    struct share share = { NULL, count };
    live_await("more turns", is_reached, &share);
}

void await_turns_of(const char *who, size_t count)
{
    struct share share = { who, count };
    char what[60];

    snprintf(what, sizeof what, "%zu turns of %s", count, who);
    live_await(what, is_reached, &share);
}

struct turn turn_of(const char *who)
{
    struct turn turn = { 0 };

    pthread_mutex_lock(&mutex);
    if (last_turn(who))
        turn = *last_turn(who);
    pthread_mutex_unlock(&mutex);
    return turn;
}

bool turns_are_fair(char wrong[JUDGE_WRONG_SIZE])
{
    pthread_mutex_lock(&mutex);
    if (!*record.wrong)
        (void)judge_turns(record.turns, record.count, record.wrong);
    bool are = !*record.wrong;
    memcpy(wrong, record.wrong, JUDGE_WRONG_SIZE);
    pthread_mutex_unlock(&mutex);
    return are;
}

void assert_turns_seem_fair(void)
{
    char wrong[JUDGE_WRONG_SIZE];

    pthread_mutex_lock(&mutex);
    memcpy(wrong, record.wrong, sizeof wrong);
    pthread_mutex_unlock(&mutex);
    if (*wrong)
        fail_msg("%s", wrong);
}

void assert_turns_are_fair(void)
{
    char wrong[JUDGE_WRONG_SIZE];

    if (!turns_are_fair(wrong))
        fail_msg("%s", wrong);
}

const struct turn *turns_in_order(void)
{
    return record.turns;
}
