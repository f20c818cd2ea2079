/* turns.c - who held when, by the servers' zxids, and whether that was fair. See peer.h. */
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
    char wrong[400]; /* the first thing that was seen to be */
} record;

static bool is_reader(const char *name)
{
    return strstr(name, "__READ__") || strstr(name, "__rlock__") || strstr(name, "read-lock-");
}

/* The names are judged by the rule that they were made for, not by the library's. */
static void check_children(const struct turn *turn, const char *children)
{
    const char *own = turn->node + strlen(turn->node) - 10;
    char *copy = strdup(children), *rest = copy;

    for (char *name; (name = strsep(&rest, ",")) != NULL;)
        if (strlen(name) > 10 && strcmp(name + strlen(name) - 10, own) < 0
            && !(turn->reads && is_reader(name)) && !*record.wrong)
            snprintf(record.wrong, sizeof record.wrong, "%s holds %s although %s stands there",
                     turn->who, turn->node, name);
    free(copy);
}

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
    check_children(&turn, children);
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

static bool are_so_many(void *arg)
{
    return turns_count() >= *(size_t *)arg;
}

void await_turns(size_t count)
{
    live_await("more turns", are_so_many, &count);
}

struct share {
    const char *who;
    size_t count;
};

static bool has_its_share(void *arg)
{
    const struct share *share = arg;
    size_t count = 0;

    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < record.count; i++)
        count += strcmp(record.turns[i].who, share->who) == 0;
    pthread_mutex_unlock(&mutex);
    return count >= share->count;
}

void await_turns_of(const char *who, size_t count)
{
    struct share share = { who, count };
    char what[60];

    snprintf(what, sizeof what, "%zu turns of %s", count, who);
    live_await(what, has_its_share, &share);
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

static int by_czxid(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return (x->czxid > y->czxid) - (x->czxid < y->czxid);
}

void assert_turns_are_fair(void)
{
    int64_t writer_left = 0, anybody_left = 0;

    pthread_mutex_lock(&mutex);
    qsort(record.turns, record.count, sizeof record.turns[0], by_czxid);
    for (size_t i = 0; i < record.count && !*record.wrong; i++) {
        const struct turn *turn = &record.turns[i];
        if (turn->entered <= (turn->reads ? writer_left : anybody_left))
            snprintf(record.wrong, sizeof record.wrong,
                     "%s entered with %s at 0x%" PRIx64 ", before one of those before it had left",
                     turn->who, turn->node, turn->entered);
        int64_t left = turn->left > turn->entered ? turn->left : turn->entered;
        if (left > anybody_left)
            anybody_left = left;
        if (!turn->reads && left > writer_left)
            writer_left = left;
    }
    char wrong[sizeof record.wrong];
    memcpy(wrong, record.wrong, sizeof wrong);
    pthread_mutex_unlock(&mutex);
    if (*wrong)
        fail_msg("%s", wrong);
}
