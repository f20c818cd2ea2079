/* entry.c - see entry.h. */
#include "line/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/numbers.h"
#include "line/place.h"

bool seen_named(struct seen *out, const char *name)
{
    uint32_t number;
    char *text = strdup(name);

    if (!text)
        return false;
    *out = (struct seen){
        .text = text,
        .entry = { .node = text, .number = path_number(name, &number) ? (int64_t)number : -1 },
    };
    return true;
}

static char *text_put(char **at, const char *bytes, size_t size)
{
    char *text = *at;

    if (size)
        memcpy(text, bytes, size);
    text[size] = '\0';
    *at += size + 1;
    return text;
}

bool seen_read(struct seen *seen, const struct keeper_reply *reply)
{
    struct place_record record = { 0 };
    bool ours = place_record_read(&record, reply->data, reply->data_size) == LK_OK;
    const char *label = ours ? record.words : reply->data, *node = seen->entry.node;
    size_t label_size = ours ? record.words_size : reply->data_size, node_size = strlen(node);
    char *text = malloc(node_size + record.host_size + label_size + 3), *at = text;

    if (!text)
        return false;
    seen->entry = (lk_line_entry){
        .node = text_put(&at, node, node_size),
        .number = seen->entry.number,
        .fence = { .zxid = (uint64_t)reply->stat.czxid },
        .session_id = (uint64_t)reply->stat.ephemeral_owner,
        .created_ms = reply->stat.ctime_ms,
        .ours = ours,
        .host = text_put(&at, record.host, record.host_size),
        .pid = (int64_t)record.pid,
        .label = text_put(&at, label, label_size),
        .label_size = label_size,
        .asked = record.asked || place_is_curators_word(reply),
        .ends_ms = record.term_ms ? reply->stat.mtime_ms + record.term_ms : 0,
    };
    free(seen->text);
    seen->text = text;
    seen->mzxid = reply->stat.mzxid;
    return true;
}

void seen_free(struct seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(seen[i].text);
    free(seen);
}

int line_order(const void *a, const void *b)
{
    const lk_line_entry *x = a, *y = b;

    if ((x->number < 0) != (y->number < 0))
        return x->number < 0 ? 1 : -1;
    if (x->number != y->number)
        return number_is_before((uint32_t)x->number, (uint32_t)y->number) ? -1 : 1;
    return strcmp(x->node, y->node);
}

int line_describe(lk_line *line, const struct keeper_reply *parent)
{
    struct line_record record;
    int status = line_record_read(&record, parent->data, parent->data_size);

    if (status == LK_E_KIND || status == LK_E_CORRUPT || status == LK_E_NEWER_FORMAT)
        return status;
    line->kind = status == LK_OK ? line_kind_name(record.kind) : "";
    line->permits = status == LK_OK ? record.permits : 0;
    return LK_OK;
}

void line_count_on(lk_line *line, const struct keeper_stat *parent)
{
    uint32_t next = keeper_next_number(parent);

    line->numbers_left = next < NUMBERS_END ? NUMBERS_END - next : 0;
    line->server_ms = parent->mtime_ms;
}

/* Readers may stand in any line of locks, also in one that another program made. */
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

void line_judge(lk_line *line, lk_line_entry *entries)
{
    for (size_t i = 0; i < line->count; i++)
        if (entries[i].created_ms > line->server_ms)
            line->server_ms = entries[i].created_ms;
    line_tell_holders(line, entries);
}
