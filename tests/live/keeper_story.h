/* keeper_story.h - sessions whose events become lines of a story, in the order in which they came:
 * "CONNECTED", "LOST", "watch CHANGED /a", "NAME: OK ...". A test waits for a line, never for a
 * time; one that fails prints the stories of all its sessions. */
#ifndef KEEPER_STORY_H
#define KEEPER_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keeper/keeper.h"

enum { PATIENCE_S = 30, LINE_SIZE = 300, STORIES_MAX = 4 };

/* ---- a session and its story ---- */

struct story {
    const char *name;
    struct keeper *keeper;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char (*lines)[LINE_SIZE];
    size_t count, room;
    size_t read;          /* where the next await() begins */
    char hold[LINE_SIZE]; /* the line in whose event the completion thread stands still until
                             story_release() */
    int64_t session_id;
    struct keeper_stat stat; /* of the last reply that had one */
};

static struct story stories[STORIES_MAX];
static size_t story_count;

/* The end of each: what went wrong is there, and some are long. */
static void stories_print(void)
{
    for (size_t i = 0; i < story_count; i++) {
        struct story *story = &stories[i];
        pthread_mutex_lock(&story->lock);
        print_message("the story of %s, %zu lines:\n", story->name, story->count);
        for (size_t j = story->count > 40 ? story->count - 40 : 0; j < story->count; j++)
            print_message("  %s\n", story->lines[j]);
        pthread_mutex_unlock(&story->lock);
    }
}

static bool begins_with(const char *line, const char *start)
{
    return strncmp(line, start, strlen(start)) == 0;
}

__attribute__((format(printf, 2, 3))) static void story_add(struct story *story, const char *format,
                                                            ...)
{
    va_list arguments;

    pthread_mutex_lock(&story->lock);
    if (story->count == story->room) {
        story->room = story->room ? story->room * 2 : 64;
        story->lines = realloc(story->lines, story->room * sizeof *story->lines);
    }
    char *line = story->lines[story->count++];
    va_start(arguments, format);
    vsnprintf(line, LINE_SIZE, format, arguments);
    va_end(arguments);
    pthread_cond_broadcast(&story->changed);
    bool held = *story->hold && begins_with(line, story->hold);
    while (held && *story->hold)
        pthread_cond_wait(&story->changed, &story->lock);
    pthread_mutex_unlock(&story->lock);
}

static _Thread_local bool submitting; /* this thread is inside keeper_submit() */

static void on_session(void *owner, enum keeper_session_event event,
                       const struct keeper_session *session)
{
    static const char *const names[] = { "CONNECTED", "LOST", "EXPIRED", "AUTH_FAILED" };
    struct story *story = owner;

    pthread_mutex_lock(&story->lock);
    story->session_id = session->id;
    pthread_mutex_unlock(&story->lock);
    story_add(story, "%s", names[event]);
}

static void on_watch(void *owner, enum keeper_watch_event event, const char *path)
{
    static const char *const names[] = { "CREATED", "DELETED", "CHANGED", "CHILDREN" };
    story_add(owner, "watch %s %s", names[event], path);
}

static void describe(char *out, size_t size, const struct keeper_reply *reply)
{
    int used = snprintf(out, size, "%s", keeper_rc_name(reply->rc));

    if (reply->path)
        used += snprintf(out + used, size - (size_t)used, " %s", reply->path);
    if (reply->data)
        used += snprintf(out + used, size - (size_t)used, " data=%.*s",
                         reply->data_size < 20 ? (int)reply->data_size : 20,
                         (const char *)reply->data);
    if (reply->stat.czxid)
        used += snprintf(out + used, size - (size_t)used, " version=%d children=%d",
                         reply->stat.version, reply->stat.child_count);
    for (size_t i = 0; i < reply->child_count && i < 4; i++)
        used += snprintf(out + used, size - (size_t)used, " <%s>", reply->children[i]);
    for (size_t i = 0; i < reply->result_count; i++) {
        const struct keeper_reply *result = &reply->results[i];
        used += snprintf(out + used, size - (size_t)used, " [%s%s%s]", keeper_rc_name(result->rc),
                         result->path ? " " : "", result->path ? result->path : "");
    }
}

static void on_reply(void *owner, void *context, const struct keeper_reply *reply)
{
    struct story *story = owner;
    char text[LINE_SIZE - 40];

    describe(text, sizeof text, reply);
    pthread_mutex_lock(&story->lock);
    if (reply->stat.czxid)
        story->stat = reply->stat;
    pthread_mutex_unlock(&story->lock);
    story_add(story, "%s%s: %s", (const char *)context, submitting ? " (inside submit)" : "", text);
}

static void on_closed(void *owner)
{
    story_add(owner, "closed");
}

static void on_log(void *owner, lk_log_level level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    story_add(owner, "log %s %s", names[level], line);
}

static const struct keeper_events events = { on_session, on_watch, on_reply, on_closed, on_log };

static void stories_begin(void)
{
    for (size_t i = 0; i < STORIES_MAX; i++) {
        pthread_mutex_init(&stories[i].lock, NULL);
        pthread_cond_init(&stories[i].changed, NULL);
    }
}

static struct story *story_open(const char *name, const struct keeper_options *options)
{
    struct keeper_world *world = keeper_real_world();
    struct story *story = &stories[story_count++];

    assert_true(story_count <= STORIES_MAX);
    /* Not the lock: the last event of the story before may only just be leaving it. */
    pthread_mutex_lock(&story->lock);
    story->name = name;
    story->lines = NULL;
    story->count = story->room = story->read = 0;
    pthread_mutex_unlock(&story->lock);
    assert_int_equal(world->open(world, options, &events, story, &story->keeper), 0);
    return story;
}

/* The line that begins so, from where the last await() of this story stopped. */
static const char *await(struct story *story, const char *start)
{
    struct timespec until;
    bool in_time = true;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&story->lock);
    for (;;) {
        while (story->read < story->count && !begins_with(story->lines[story->read], start))
            story->read++;
        if (story->read < story->count || !in_time)
            break;
        in_time = pthread_cond_timedwait(&story->changed, &story->lock, &until) == 0;
    }
    /* A copy: the story may grow, and move, meanwhile. */
    static _Thread_local char found[LINE_SIZE];
    bool is_there = story->read < story->count;
    if (is_there)
        memcpy(found, story->lines[story->read++], LINE_SIZE);
    pthread_mutex_unlock(&story->lock);
    if (!is_there) {
        stories_print();
        fail_msg("%s never heard \"%s\"", story->name, start);
    }
    return found;
}

static size_t count_of(struct story *story, const char *start)
{
    size_t count = 0;

    pthread_mutex_lock(&story->lock);
    for (size_t i = 0; i < story->count; i++)
        count += begins_with(story->lines[i], start);
    pthread_mutex_unlock(&story->lock);
    return count;
}

/* What was heard, without log lines, from the first line that begins so on: exactly this. */
static void expect_story(struct story *story, const char *const *wanted)
{
    size_t at = 0;

    pthread_mutex_lock(&story->lock);
    while (at < story->count && !begins_with(story->lines[at], wanted[0]))
        at++;
    for (; *wanted; wanted++, at++) {
        while (at < story->count && begins_with(story->lines[at], "log "))
            at++;
        if (at < story->count && begins_with(story->lines[at], *wanted))
            continue;
        pthread_mutex_unlock(&story->lock);
        stories_print();
        fail_msg("%s should have heard \"%s\" there", story->name, *wanted);
    }
    pthread_mutex_unlock(&story->lock);
}
#define EXPECT_STORY(story, ...) expect_story(story, (const char *const[]){ __VA_ARGS__, NULL })

static void story_release(struct story *story)
{
    pthread_mutex_lock(&story->lock);
    *story->hold = '\0';
    pthread_cond_broadcast(&story->changed);
    pthread_mutex_unlock(&story->lock);
}

static void story_hold(struct story *story, const char *line)
{
    pthread_mutex_lock(&story->lock);
    snprintf(story->hold, sizeof story->hold, "%s", line);
    pthread_mutex_unlock(&story->lock);
}

static void story_close(struct story *story)
{
    if (!story->keeper)
        return;
    keeper_close(story->keeper);
    story->keeper = NULL;
    await(story, "closed");
}

static int stories_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < story_count; i++) {
        story_release(&stories[i]);
        story_close(&stories[i]);
        pthread_mutex_lock(&stories[i].lock);
        free(stories[i].lines);
        pthread_mutex_unlock(&stories[i].lock);
    }
    story_count = 0;
    return 0;
}

/* ---- requests ---- */

static int submit(struct story *story, const char *name, struct keeper_request request)
{
    submitting = true;
    int status = keeper_submit(story->keeper, &request, (void *)name);
    submitting = false;
    return status;
}

static void send(struct story *story, const char *name, struct keeper_request request)
{
    assert_int_equal(submit(story, name, request), LK_OK);
}

static const char *ask(struct story *story, const char *name, struct keeper_request request)
{
    char start[100];

    send(story, name, request);
    snprintf(start, sizeof start, "%s: ", name);
    return await(story, start) + strlen(start);
}

#define CREATE(p, ...) ((struct keeper_request){ .verb = KEEPER_CREATE, .path = (p), __VA_ARGS__ })
#define DELETE(p)                                                                                  \
    ((struct keeper_request){ .verb = KEEPER_DELETE, .path = (p), .version = KEEPER_ANY_VERSION })
#define EXISTS(p) ((struct keeper_request){ .verb = KEEPER_EXISTS, .path = (p) })
#define GET(p) ((struct keeper_request){ .verb = KEEPER_GET, .path = (p) })
#define LIST(p) ((struct keeper_request){ .verb = KEEPER_LIST, .path = (p) })
#define WATCH(v, p) ((struct keeper_request){ .verb = (v), .path = (p), .watch = true })
#define SYNC(p) ((struct keeper_request){ .verb = KEEPER_SYNC, .path = (p) })
#define SET(p, text, v)                                                                            \
    ((struct keeper_request){ .verb = KEEPER_SET,                                                  \
                              .path = (p),                                                         \
                              .data = (text),                                                      \
                              .data_size = strlen(text),                                           \
                              .version = (v) })
#define CHECK(p, v) ((struct keeper_request){ .verb = KEEPER_CHECK, .path = (p), .version = (v) })
#define MULTI(...)                                                                                 \
    ((struct keeper_request){                                                                      \
        .verb = KEEPER_MULTI,                                                                      \
        .operations = (const struct keeper_request[]){ __VA_ARGS__ },                              \
        .operation_count = sizeof((const struct keeper_request[]){ __VA_ARGS__ })                  \
                           / sizeof(struct keeper_request) })

#endif
