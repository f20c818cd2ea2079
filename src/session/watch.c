/* watch.c - who waits for an event of which path.
 *
 * libzookeeper is given one watcher for everything, since it compares all of them at each session
 * event; this table finds the rest. To give up a watch is to leave the table: the server's own
 * forgets itself when it fires. */
#include "session/engine.h"

#include <stdlib.h>
#include <string.h>
/* Out of memory is an answer, not an exit. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct watch_path {
    UT_hash_handle hh;
    struct list watches;
    char path[];
};

static struct watch_path *watch_path_find(lk_client *client, const char *path)
{
    struct watch_path *at;
    HASH_FIND_STR(client->watches, path, at);
    return at;
}

static struct watch_path *watch_path_add(lk_client *client, const char *path)
{
    size_t size = strlen(path) + 1;
    struct watch_path *at = calloc(1, sizeof *at + size);

    if (!at)
        return NULL;
    memcpy(at->path, path, size);
    HASH_ADD_STR(client->watches, path, at);
    if (!at->hh.tbl) {
        free(at);
        return NULL;
    }
    return at;
}

static void watch_path_drop_if_empty(lk_client *client, struct watch_path *at)
{
    if (!list_is_empty(&at->watches))
        return;
    HASH_DEL(client->watches, at);
    free(at);
}

int watch_set(lk_client *client, struct watch *watch, const char *path,
              void (*fire)(struct watch *watch, enum keeper_watch_event event))
{
    watch_unset(client, watch);
    struct watch_path *at = watch_path_find(client, path);
    if (!at)
        at = watch_path_add(client, path);
    if (!at)
        return LK_E_NOMEM;
    list_append(&at->watches, &watch->node);
    watch->at = at;
    watch->fire = fire;
    return LK_OK;
}

void watch_unset(lk_client *client, struct watch *watch)
{
    /* Linked without a path: about to fire, see watches_fire(). */
    list_remove(&watch->node);
    if (watch->at)
        watch_path_drop_if_empty(client, watch->at);
    watch->at = NULL;
}

void watches_fire(lk_client *client, enum keeper_watch_event event, const char *path)
{
    struct watch_path *at = watch_path_find(client, path);
    struct list due = { 0 };

    if (!at)
        return;
    /* Taken out first: a watch may set itself, or unset another, while it fires. */
    for (struct list *node; (node = list_take(&at->watches)) != NULL;)
        list_append(&due, node);
    watch_path_drop_if_empty(client, at);
    list_for_each (node, &due)
        container_of(node, struct watch, node)->at = NULL;
    for (struct list *node; (node = list_take(&due)) != NULL;) {
        struct watch *watch = container_of(node, struct watch, node);
        watch->fire(watch, event);
    }
}

void watches_forget_all(lk_client *client)
{
    struct watch_path *at, *next;

    HASH_ITER(hh, client->watches, at, next)
    {
        for (struct list *node; (node = list_take(&at->watches)) != NULL;)
            container_of(node, struct watch, node)->at = NULL;
        watch_path_drop_if_empty(client, at);
    }
}
