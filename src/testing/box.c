/* box.c - a reply as the code under test is given it: what it points to is heap memory of its own,
 * which the caller frees when the callback has returned. So a pointer that was kept is met by the
 * sanitizers, and by whatever is written there next. */
#include "memory.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t reply_size(const struct keeper_reply *reply)
{
    size_t size = text_size(reply->path) + reply->data_size;
    for (size_t i = 0; i < reply->child_count; i++)
        size += sizeof(char *) + text_size(reply->children[i]);
    for (size_t i = 0; i < reply->result_count; i++)
        size += sizeof(struct keeper_reply) + text_size(reply->results[i].path);
    return size;
}

static const char *put_text(char **at, const char *text)
{
    size_t size = text_size(text);
    char *copy = *at;
    if (!size)
        return NULL;
    memcpy(copy, text, size);
    *at += size;
    return copy;
}

char *reply_box(struct keeper_reply *reply)
{
    size_t size = reply_size(reply);
    char *box = real_malloc(size + 1), *at = box;
    if (!box)
        abort();
    const char **children = (const char **)(void *)at;
    at += reply->child_count * sizeof(*children);
    struct keeper_reply *results = (struct keeper_reply *)(void *)at;
    at += reply->result_count * sizeof(*results);
    for (size_t i = 0; i < reply->child_count; i++)
        children[i] = put_text(&at, reply->children[i]);
    for (size_t i = 0; i < reply->result_count; i++) {
        results[i] = reply->results[i];
        results[i].path = put_text(&at, reply->results[i].path);
    }
    reply->path = put_text(&at, reply->path);
    if (reply->data_size)
        reply->data = memcpy(at, reply->data, reply->data_size);
    reply->children = reply->child_count ? children : NULL;
    reply->results = reply->result_count ? results : NULL;
    return box;
}
