/* tell.c - see tell.h. */
#include "tell.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const verbs[] = { "create", "delete", "exists", "get",  "set",
                                     "list",   "sync",   "check",  "multi" };
static const char *const events[] = { "created", "deleted", "changed", "children" };
static const char *const changes[] = { "check", "create", "delete", "set" };

__attribute__((format(printf, 3, 4))) static size_t add(char *text, size_t size, const char *format,
                                                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    int added = size < TELL_SIZE ? vsnprintf(text + size, TELL_SIZE - size, format, arguments) : 0;
    va_end(arguments);
    return size + (size_t)added;
}

const char *watch_event_name(enum keeper_watch_event event)
{
    return events[event];
}

const char *request_words(const struct keeper_request *request, char text[TELL_SIZE])
{
    if (!request) {
        snprintf(text, TELL_SIZE, "end of the session");
        return text;
    }
    size_t size = add(text, 0, "%s", verbs[request->verb]);
    if (request->path)
        size = add(text, size, " %s", request->path);
    if (request->watch)
        size = add(text, size, " +watch");
    for (size_t i = 0; i < request->operation_count; i++)
        size = add(text, size, "%s %s %s v%d", i ? "," : " {", verbs[request->operations[i].verb],
                   request->operations[i].path, (int)request->operations[i].version);
    add(text, size, "%s", request->operation_count ? " }" : "");
    return text;
}

const char *reply_words(const struct keeper_reply *reply, char text[TELL_SIZE])
{
    size_t size = add(text, 0, "%s", keeper_rc_name(reply->rc));
    if (reply->path)
        size = add(text, size, " %s", reply->path);
    if (reply->stat.czxid)
        size = add(text, size, " czxid %llx pzxid %llx v%d children %d",
                   (unsigned long long)reply->stat.czxid, (unsigned long long)reply->stat.pzxid,
                   (int)reply->stat.version, (int)reply->stat.child_count);
    for (size_t i = 0; i < reply->child_count; i++)
        size = add(text, size, " %s", reply->children[i]);
    for (size_t i = 0; i < reply->result_count; i++)
        size = add(text, size, " %s", keeper_rc_name(reply->results[i].rc));
    return text;
}

void tell_txn(const struct server *server, const struct txn *txn)
{
    struct world *world = server->ensemble->world;
    if (!world->traces)
        return;
    char text[TELL_SIZE];
    size_t size = 0;
    text[0] = '\0';
    for (size_t i = 0; i < txn->count && txn->rc == KEEPER_OK; i++)
        size = add(text, size, " %s %s", changes[txn->changes[i].kind], txn->changes[i].path);
    world_tell_line(
        world, "   s%d applies %llx%s%s%s", server->id, (unsigned long long)txn->zxid, text,
        txn->kind == TXN_OPEN_SESSION    ? " opens session"
        : txn->kind == TXN_CLOSE_SESSION ? " ends session"
        : txn->rc != KEEPER_OK           ? " nothing: "
                                         : "",
        txn->moved                                         ? "session moved"
        : txn->kind == TXN_CHANGES && txn->rc != KEEPER_OK ? keeper_rc_name((int)txn->rc)
                                                           : "");
}
