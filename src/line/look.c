/* look.c - who stands in a line: for people, status commands and operators. Reads only. */
#include <latchkey/grant.h>

#include <stdlib.h>

#include "base/path.h"
#include "line/entry.h"
#include "line/place.h"

enum { FLIGHT = 64 };

struct line_result {
    lk_line line;
    lk_line_entry *entries;
    struct seen *seen;
    size_t count;
};

struct looking {
    struct op op;
    struct request_group requests;
    char *path;
    struct line_result *result;
    size_t next, awaited,
        ready; /* children asked for, in flight, awaited before the first of them */
    struct looking_read {
        struct looking *looking;
        size_t index;
    } * reads;
};

static void result_free(struct line_result *result)
{
    if (!result)
        return;
    seen_free(result->seen, result->count);
    free(result->entries);
    free(result);
}

static int looking_withdraw(struct op *op, int status)
{
    request_drop(&container_of(op, struct looking, op)->requests);
    return status;
}

static void looking_fail(struct looking *looking, int status)
{
    request_drop(&looking->requests);
    op_done(&looking->op, status);
}

static bool looking_send(struct looking *looking, const struct keeper_request *request,
                         request_fn *fn, void *context)
{
    int status = request_send(looking->op.client, &looking->requests, request, REQUEST_RETRY, fn,
                              context);

    if (status != LK_OK)
        looking_fail(looking, status);
    return status == LK_OK;
}

static void looking_end(struct looking *looking)
{
    struct line_result *result = looking->result;
    lk_line *line = &result->line;

    for (size_t i = 0; i < result->count; i++)
        if (result->seen[i].mzxid) /* else it left before it could be read */
            result->entries[line->count++] = result->seen[i].entry;
    qsort(result->entries, line->count, sizeof result->entries[0], line_order);
    line_judge(line, result->entries);
    line->entries = result->entries;
    op_done(&looking->op, LK_OK);
}

/* ---- the children, a flight at a time ---- */

static bool looking_refill(struct looking *looking);

static void looking_landed(struct looking *looking)
{
    looking->awaited--;
    if (!looking_refill(looking))
        return;
    if (looking->awaited == 0)
        looking_end(looking);
}

static void looking_exists(void *context, const struct keeper_reply *reply)
{
    struct looking_read *read = context;

    if (reply->rc == KEEPER_OK && !seen_read(&read->looking->result->seen[read->index], reply))
        looking_fail(read->looking, LK_E_NOMEM);
    else
        looking_landed(read->looking);
}

static bool looking_ask(struct looking *looking, size_t index, enum keeper_verb verb,
                        request_fn *fn)
{
    char *path = path_join(looking->path, looking->result->seen[index].entry.node);
    const struct keeper_request request = { .verb = verb, .path = path };

    if (!path) {
        looking_fail(looking, LK_E_NOMEM);
        return false;
    }
    looking->reads[index] = (struct looking_read){ .looking = looking, .index = index };
    bool sent = looking_send(looking, &request, fn, &looking->reads[index]);
    free(path);
    return sent;
}

static void looking_got(void *context, const struct keeper_reply *reply)
{
    struct looking_read *read = context;

    if (reply->rc == KEEPER_NO_RIGHTS)
        looking_ask(read->looking, read->index, KEEPER_EXISTS, looking_exists);
    else
        looking_exists(context, reply);
}

/* False: failed, and over. */
static bool looking_refill(struct looking *looking)
{
    while (looking->awaited < FLIGHT && looking->next < looking->result->count) {
        looking->awaited++;
        if (!looking_ask(looking, looking->next++, KEEPER_GET, looking_got))
            return false;
    }
    return true;
}

/* ---- the parent and the listing ---- */

static void looking_ready(struct looking *looking)
{
    if (--looking->ready > 0)
        return;
    if (looking_refill(looking) && looking->awaited == 0)
        looking_end(looking);
}

static void looking_parent(void *context, const struct keeper_reply *reply)
{
    struct looking *looking = context;
    lk_line *line = &looking->result->line;
    int status = reply->rc == KEEPER_OK ? line_describe(line, reply) : place_status(reply->rc);

    if (status != LK_OK) {
        looking_fail(looking, status);
        return;
    }
    line_count_on(line, &reply->stat);
    looking_ready(looking);
}

static bool result_take_names(struct looking *looking, const struct keeper_reply *list)
{
    struct line_result *result = looking->result;

    result->seen = calloc(list->child_count + 1, sizeof result->seen[0]);
    result->entries = calloc(list->child_count + 1, sizeof result->entries[0]);
    looking->reads = calloc(list->child_count + 1, sizeof looking->reads[0]);
    if (!result->seen || !result->entries || !looking->reads)
        return false;
    for (; result->count < list->child_count; result->count++)
        if (!seen_named(&result->seen[result->count], list->children[result->count]))
            return false;
    return true;
}

static void looking_listed(void *context, const struct keeper_reply *reply)
{
    struct looking *looking = context;

    if (reply->rc != KEEPER_OK)
        looking_fail(looking, place_status(reply->rc));
    else if (!result_take_names(looking, reply))
        looking_fail(looking, LK_E_NOMEM);
    else
        looking_ready(looking);
}

static void looking_begin(struct looking *looking, int64_t deadline_ns, lk_client *client)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = looking->path };
    const struct keeper_request list = { .verb = KEEPER_LIST, .path = looking->path };

    op_begin(client, &looking->op, deadline_ns, looking_withdraw, NULL);
    looking->ready = 2;
    if (looking_send(looking, &get, looking_parent, looking))
        looking_send(looking, &list, looking_listed, looking);
}

int lk_line_list(lk_client *client, const char *path, int64_t deadline_ns, lk_line **out)
{
    struct looking looking = { 0 };

    if (!client || !path || !out)
        return LK_E_INVALID;
    int status = client_path(client, path, &looking.path);
    if (status != LK_OK)
        return status;
    client_ref(client); /* another thread may free it, which ends the wait */
    looking.result = calloc(1, sizeof *looking.result);
    status = looking.result ? client_enter(client) : LK_E_NOMEM;
    if (status == LK_OK) {
        status = op_may_wait(client);
        if (status == LK_OK) {
            looking_begin(&looking, deadline_ns, client);
            status = op_wait(&looking.op);
        }
        client_leave(client);
    }
    client_unref(client);
    free(looking.path);
    free(looking.reads);
    if (status == LK_OK)
        *out = &looking.result->line;
    else
        result_free(looking.result);
    return status;
}

lk_line *lk_line_free(lk_line *line)
{
    if (line)
        result_free(container_of(line, struct line_result, line));
    return NULL;
}
