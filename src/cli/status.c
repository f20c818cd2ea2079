/* status.c - `latchkey status`: who holds, who waits. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "usage: latchkey status PATH\n"
    "Prints what the line at PATH is (of a semaphore how many permits it has), how many joins are "
    "left\n"
    "until its numbers must start anew (an exclusive holder that is alone does that by itself), "
    "and "
    "who\n"
    "stands there, in order: holds or waits, node, fence, session, age, owner's words.\n";

static const char *role(const lk_line_entry *entry)
{
    return entry->number < 0 ? "foreign" : entry->holds ? "holds" : "waits";
}

static int64_t age_ms(const lk_line *line, const lk_line_entry *entry)
{
    return line->server_ms > entry->created_ms ? line->server_ms - entry->created_ms : 0;
}

static void print_entry(const lk_line *line, size_t index)
{
    const lk_line_entry *entry = &line->entries[index];
    char age[CLI_TIME_SIZE];
    char *node = cli_escape_text(entry->node);
    char *host = cli_escape_text(entry->host);
    char *label = cli_escape(entry->label, entry->label_size);

    printf("%4zu %-7s %s  fence %" PRIu64 "  session 0x%" PRIx64 "  age %s", index + 1, role(entry),
           node, entry->fence.zxid, entry->session_id, cli_age_text(age_ms(line, entry), age));
    if (entry->ours)
        printf("  %s:%" PRId64, host, entry->pid);
    if (entry->label_size > 0)
        printf("  \"%s\"", label);
    putchar('\n');
    free(node);
    free(host);
    free(label);
}

static void print_line(const char *path, const lk_line *line)
{
    char *shown = cli_escape_text(path), *kind = cli_escape_text(line->kind);
    printf("%s: %s", shown, *kind != '\0' ? kind : "lock or election");
    if (line->permits > 0)
        printf(" of %" PRIu32, line->permits);
    printf(", %zu in line, %" PRId64 " numbers left\n", line->count, line->numbers_left);
    for (size_t i = 0; i < line->count; i++)
        print_entry(line, i);
    free(shown);
    free(kind);
}

static json_t *json_entry(const lk_line *line, const lk_line_entry *entry)
{
    char session[32];
    snprintf(session, sizeof(session), "0x%" PRIx64, entry->session_id);
    json_t *object = json_object();
    json_object_set_new(object, "role", json_string(role(entry)));
    json_object_set_new(object, "node", cli_json_text(entry->node, strlen(entry->node)));
    json_object_set_new(object, "fence", json_integer((json_int_t)entry->fence.zxid));
    json_object_set_new(object, "session", json_string(session));
    json_object_set_new(object, "created_ms", json_integer(entry->created_ms));
    json_object_set_new(object, "age_ms", json_integer(age_ms(line, entry)));
    json_object_set_new(object, "ours", json_boolean(entry->ours));
    json_object_set_new(object, "host", cli_json_text(entry->host, strlen(entry->host)));
    json_object_set_new(object, "pid", json_integer(entry->pid));
    json_object_set_new(object, "label", cli_json_text(entry->label, entry->label_size));
    return object;
}

static json_t *json_line(const char *path, const lk_line *line)
{
    json_t *object = json_object(), *entries = json_array();
    for (size_t i = 0; i < line->count; i++)
        json_array_append_new(entries, json_entry(line, &line->entries[i]));
    json_object_set_new(object, "path", cli_json_text(path, strlen(path)));
    json_object_set_new(object, "kind", json_string(line->kind));
    if (line->permits > 0)
        json_object_set_new(object, "permits", json_integer(line->permits));
    json_object_set_new(object, "numbers_left", json_integer(line->numbers_left));
    json_object_set_new(object, "entries", entries);
    return object;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { CLI_END, 0, NULL, NULL, NULL, 0, 0 } };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    const char *path = cli->words[0];
    if (!cli_path(cli, path))
        return cli->code;
    lk_client *client = cli_connect(cli, LK_FOREVER);
    if (client == NULL)
        return cli->code;

    lk_line *line = NULL;
    int rc = lk_line_list(client, path, cli_deadline(cli), &line);
    cli->code = EXIT_DONE;
    if (rc != LK_OK)
        cli_fail(cli, rc, "%s", path);
    else if (cli->json)
        cli_json_print(cli, json_line(path, line));
    else
        print_line(path, line);
    lk_line_free(line);
    cli_disconnect(client);
    return cli->code;
}

const struct verb verb_status = { "status", "who holds and who waits", help, false, run };
