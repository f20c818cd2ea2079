/* test_tree_story.c - see test_tree_story.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "test_tree_story.h"

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

void story_begin(struct story *story, int servers, uint64_t seed)
{
    memset(story, 0, sizeof(*story));
    world_begin(&story->sim.world, seed);
    ensemble_begin(&story->sim.ensemble, &story->sim.world, servers, 100 * MS, 5);
}

void story_end(struct story *story)
{
    world_end(&story->sim.world);
}

void pass(struct story *story, int64_t length_ns)
{
    int64_t until_ns = story->sim.world.now_ns + length_ns;
    while (story->sim.world.now_ns < until_ns)
        assert_true(world_step(&story->sim.world));
    assert_string_equal(story->sim.world.failure, "");
}

void user_begin_as(struct user *user, struct story *story, char name, const char *auth)
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

void user_begin(struct user *user, struct story *story, char name)
{
    user_begin_as(user, story, name, NULL);
    story->heard[0] = '\0';
}

void ask(struct user *user, const char *label, struct keeper_request request)
{
    struct sent *sent = arena_take(&user->story->sim.world.arena, sizeof(*sent));
    sent->request = request;
    snprintf(sent->label, sizeof(sent->label), "%s", label);
    assert_int_equal(keeper_submit(user->keeper, &sent->request, sent), 0);
}

void ask_create(struct user *user, const char *label, const char *path, enum keeper_mode mode)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_CREATE, .path = path, .mode = mode });
}

void ask_delete(struct user *user, const char *label, const char *path)
{
    ask(user, label,
        (struct keeper_request){
            .verb = KEEPER_DELETE, .path = path, .version = KEEPER_ANY_VERSION });
}

void ask_get(struct user *user, const char *label, const char *path, bool watch)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_GET, .path = path, .watch = watch });
}

void ask_sync(struct user *user, const char *label)
{
    ask(user, label, (struct keeper_request){ .verb = KEEPER_SYNC, .path = "/" });
}

void assert_heard(struct story *story, const char *expected)
{
    assert_string_equal(story->heard, expected);
    story->heard[0] = '\0';
}

const struct znode *truth(struct story *story, const char *path)
{
    return tree_find(ensemble_truth(&story->sim.ensemble), path);
}
