/* look.c - who stands in a line: for people, status commands and operators. Reads only. */
#include <latchkey/grant.h>

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/numbers.h"
#include "line/place.h"

enum { FLIGHT = 64 };

/* An entry and the memory behind its pointers. */
struct seen {
    lk_line_entry entry;
    bool standing; /* false: it left before it could be read */
    char *text;    /* node, host, label: each with a NUL behind it */
};

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
    for (size_t i = 0; i < result->count; i++)
        free(result->seen[i].text);
    free(result->seen);
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

/* ---- what is seen ---- */

static char *text_put(char **at, const char *bytes, size_t size)
{
    char *text = *at;

    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    *at += size + 1;
    return text;
}

/* `seen->text` holds the name alone so far. */
static bool seen_fill(struct seen *seen, const struct keeper_reply *reply)
{
    struct place_record record = { 0 };
    bool ours = place_record_read(&record, reply->data, reply->data_size) == LK_OK;
    const char *label = ours ? record.words : reply->data;
    size_t label_size = ours ? record.words_size : reply->data_size, name_size = strlen(seen->text);
    char *text = malloc(name_size + record.host_size + label_size + 3), *at = text;
    uint32_t number;

    if (!text)
        return false;
    seen->entry = (lk_line_entry){
        .node = text_put(&at, seen->text, name_size),
        .number = path_number(text, &number) ? (int64_t)number : -1,
        .fence = { .zxid = (uint64_t)reply->stat.czxid },
        .session_id = (uint64_t)reply->stat.ephemeral_owner,
        .created_ms = reply->stat.ctime_ms,
        .ours = ours,
        .host = text_put(&at, record.host, record.host_size),
        .pid = (int64_t)record.pid,
        .label = text_put(&at, label, label_size),
        .label_size = label_size,
    };
    free(seen->text);
    seen->text = text;
    seen->standing = true;
    return true;
}

static int line_order(const void *a, const void *b)
{
    const lk_line_entry *x = a, *y = b;

    if ((x->number < 0) != (y->number < 0))
        return x->number < 0 ? 1 : -1;
    if (x->number != y->number)
        return number_is_before((uint32_t)x->number, (uint32_t)y->number) ? -1 : 1;
    return strcmp(x->node, y->node);
}

/* In order. Readers may stand in any line of locks, also in one that another program made. */
static void line_tell_holders(const lk_line *line, lk_line_entry *entries)
{
    bool only_readers = strcmp(line->kind, "election") != 0;
    uint64_t permits = 0;

    for (size_t i = 0; i < line->count && entries[i].number >= 0; i++) {
        only_readers = only_readers && numbers_is_reader(entries[i].node);
        permits += numbers_weight(entries[i].node);
        entries[i].holds = line->permits ? permits <= line->permits : i == 0 || only_readers;
    }
}

static void looking_end(struct looking *looking)
{
    struct line_result *result = looking->result;
    lk_line *line = &result->line;

    for (size_t i = 0; i < result->count; i++)
        if (result->seen[i].standing) {
            if (result->seen[i].entry.created_ms > line->server_ms)
                line->server_ms = result->seen[i].entry.created_ms;
            result->entries[line->count++] = result->seen[i].entry;
        }
    qsort(result->entries, line->count, sizeof result->entries[0], line_order);
    line_tell_holders(line, result->entries);
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

    if (reply->rc == KEEPER_OK && !seen_fill(&read->looking->result->seen[read->index], reply))
        looking_fail(read->looking, LK_E_NOMEM);
    else
        looking_landed(read->looking);
}

static bool looking_ask(struct looking *looking, size_t index, enum keeper_verb verb,
                        request_fn *fn)
{
    char *path = path_join(looking->path, looking->result->seen[index].text);
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
    struct line_record record;

    if (reply->rc != KEEPER_OK) {
        looking_fail(looking, place_status(reply->rc));
        return;
    }
    int status = line_record_read(&record, reply->data, reply->data_size);
    if (status == LK_E_KIND || status == LK_E_CORRUPT || status == LK_E_NEWER_FORMAT) {
        looking_fail(looking, status);
        return;
    }
    uint32_t next = keeper_next_number(&reply->stat);
    line->kind = status == LK_OK ? line_kind_name(record.kind) : "";
    line->permits = status == LK_OK ? record.permits : 0;
    line->numbers_left = next < NUMBERS_END ? NUMBERS_END - next : 0;
    line->server_ms = reply->stat.mtime_ms;
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
    for (; result->count < list->child_count; result->count++) {
        result->seen[result->count].text = strdup(list->children[result->count]);
        if (!result->seen[result->count].text)
            return false;
    }
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
