/* watch.c - who waits for an event of which path.
 *
 * libzookeeper is given one watcher for everything, since it compares all of them at each session
 * event; this table finds the rest. Its members are the watches themselves, so that setting one
 * can't fail. To give up a watch is to leave the table: the server's own forgets itself when it
 * fires. */
#include "session/engine.h"

#include <string.h>
#include <xxhash.h>

static struct list *watch_bucket(lk_client *client, const char *path)
{
    return &client->watches[XXH3_64bits(path, strlen(path)) % WATCH_BUCKETS];
}

static void watch_leave(lk_client *client, struct watch *watch)
{
    client->watch_count -= watch->path != NULL;
    watch->path = NULL;
    list_remove(&watch->node);
}

void watch_set(lk_client *client, struct watch *watch, const char *path,
               void (*fire)(struct watch *watch, enum keeper_watch_event event))
{
    watch_leave(client, watch);
    list_append(watch_bucket(client, path), &watch->node);
    watch->path = path;
    watch->fire = fire;
    client->watch_count++;
}

void watch_unset(lk_client *client, struct watch *watch)
{
    /* Linked without a path: about to fire, see watches_fire(). */
    watch_leave(client, watch);
}

void watches_fire(lk_client *client, enum keeper_watch_event event, const char *path)
{
    struct list due = { 0 };

    /* Taken out first: a watch may set itself, or unset another, while it fires. */
    list_for_each_safe (node, watch_bucket(client, path)) {
        struct watch *watch = container_of(node, struct watch, node);
        if (strcmp(watch->path, path) != 0)
            continue;
        watch_leave(client, watch);
        list_append(&due, &watch->node);
    }
    for (struct list *node; (node = list_take(&due)) != NULL;) {
        struct watch *watch = container_of(node, struct watch, node);
        watch->fire(watch, event);
    }
}

void watches_forget_all(lk_client *client)
{
    for (size_t i = 0; i < WATCH_BUCKETS; i++)
        while (!list_is_empty(&client->watches[i]))
            watch_leave(client, container_of(client->watches[i].next, struct watch, node));
}
