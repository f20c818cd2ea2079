/* status.c - `latchkey status`: who holds, who waits; once, or at each change. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/loop.h"

static const char help[] =
    "usage: latchkey status [--watch] PATH\n"
    "Prints what the line at PATH is (of a semaphore how many permits it has), how many joins are "
    "left\n"
    "until its numbers must start anew (an exclusive holder that is alone does that by itself), "
    "and "
    "who\n"
    "stands there, in order: holds or waits, node, fence, session, age, owner's words.\n"
    "  --watch   prints it again at each change, until a signal (exit code 128+n)\n";

struct view {
    struct cli *cli;
    const char *path;
    /* The servers' clock at a moment of ours; 0: not known. */
    int64_t server_ms, read_ns;
    bool failed;
};

/* The servers' clock now, or at least what the line tells of it: without the right to write it is
 * not told. */
static int64_t server_now_ms(const struct view *view, const lk_line *line)
{
    int64_t now_ms = view->server_ms + (lk_now_ns() - view->read_ns) / 1000000;
    return view->server_ms > 0 && now_ms > line->server_ms ? now_ms : line->server_ms;
}

static void read_server_clock(struct view *view, lk_client *client)
{
    if (lk_client_server_ms(client, view->path, cli_deadline(view->cli), &view->server_ms) != LK_OK)
        view->server_ms = 0;
    view->read_ns = lk_now_ns();
}

static const char *role(const lk_line_entry *entry)
{
    return entry->number < 0 ? "foreign" : entry->holds ? "holds" : "waits";
}

static int64_t age_ms(const lk_line_entry *entry, int64_t now_ms)
{
    return now_ms > entry->created_ms ? now_ms - entry->created_ms : 0;
}

static int64_t left_ms(const lk_line_entry *entry, int64_t now_ms)
{
    return entry->ends_ms > now_ms ? entry->ends_ms - now_ms : 0;
}

static void print_entry(const lk_line *line, size_t index, int64_t now_ms)
{
    const lk_line_entry *entry = &line->entries[index];
    char age[CLI_TIME_SIZE];
    char *node = cli_escape_text(entry->node);
    char *host = cli_escape_text(entry->host);
    char *label = cli_escape(entry->label, entry->label_size);

    printf("%4zu %-7s %s  fence %" PRIu64 "  session 0x%" PRIx64 "  age %s", index + 1, role(entry),
           node, entry->fence.zxid, entry->session_id, cli_age_text(age_ms(entry, now_ms), age));
    if (entry->ends_ms > 0)
        printf("  ends in %s", cli_age_text(left_ms(entry, now_ms), age));
    if (entry->ours)
        printf("  %s:%" PRId64, host, entry->pid);
    if (entry->label_size > 0)
        printf("  \"%s\"", label);
    if (entry->asked)
        printf("  asked to let go");
    putchar('\n');
    free(node);
    free(host);
    free(label);
}

static void print_line(const struct view *view, const lk_line *line)
{
    int64_t now_ms = server_now_ms(view, line);
    char *shown = cli_escape_text(view->path), *kind = cli_escape_text(line->kind);
    printf("%s: %s", shown, *kind != '\0' ? kind : "lock or election");
    if (line->permits > 0)
        printf(" of %" PRIu32, line->permits);
    printf(", %zu in line, %" PRId64 " numbers left\n", line->count, line->numbers_left);
    for (size_t i = 0; i < line->count; i++)
        print_entry(line, i, now_ms);
    free(shown);
    free(kind);
}

static json_t *json_entry(const lk_line_entry *entry, int64_t now_ms)
{
    char session[32];
    snprintf(session, sizeof(session), "0x%" PRIx64, entry->session_id);
    json_t *object = json_object();
    json_object_set_new(object, "role", json_string(role(entry)));
    json_object_set_new(object, "node", cli_json_text(entry->node, strlen(entry->node)));
    json_object_set_new(object, "fence", json_integer((json_int_t)entry->fence.zxid));
    json_object_set_new(object, "session", json_string(session));
    json_object_set_new(object, "created_ms", json_integer(entry->created_ms));
    json_object_set_new(object, "age_ms", json_integer(age_ms(entry, now_ms)));
    if (entry->ends_ms > 0)
        json_object_set_new(object, "ends_ms", json_integer(entry->ends_ms));
    json_object_set_new(object, "ours", json_boolean(entry->ours));
    json_object_set_new(object, "host", cli_json_text(entry->host, strlen(entry->host)));
    json_object_set_new(object, "pid", json_integer(entry->pid));
    json_object_set_new(object, "asked", json_boolean(entry->asked));
    json_object_set_new(object, "label", cli_json_text(entry->label, entry->label_size));
    return object;
}

static json_t *json_line(const struct view *view, const lk_line *line)
{
    int64_t now_ms = server_now_ms(view, line);
    const char *path = view->path;
    json_t *object = json_object(), *entries = json_array();
    for (size_t i = 0; i < line->count; i++)
        json_array_append_new(entries, json_entry(&line->entries[i], now_ms));
    json_object_set_new(object, "path", cli_json_text(path, strlen(path)));
    json_object_set_new(object, "kind", json_string(line->kind));
    if (line->permits > 0)
        json_object_set_new(object, "permits", json_integer(line->permits));
    json_object_set_new(object, "numbers_left", json_integer(line->numbers_left));
    json_object_set_new(object, "entries", entries);
    return object;
}

static bool show(const struct view *view, const lk_line *line)
{
    if (view->cli->json)
        return cli_json_print(view->cli, json_line(view, line));
    print_line(view, line);
    return cli_flush(view->cli);
}

static int show_once(struct view *view)
{
    struct cli *cli = view->cli;
    lk_client *client = cli_connect(cli, LK_FOREVER);
    if (client == NULL)
        return cli->code;

    lk_line *line = NULL;
    int rc = lk_line_list(client, view->path, cli_deadline(cli), &line);
    cli->code = EXIT_DONE;
    if (rc != LK_OK) {
        cli_fail(cli, rc, "%s", view->path);
    } else {
        read_server_clock(view, client);
        show(view, line);
    }
    lk_line_free(line);
    cli_disconnect(client);
    return cli->code;
}

static void on_line(int status, const lk_line *line, void *arg)
{
    struct view *view = arg;
    if (view->failed)
        return;
    if (status != LK_OK)
        cli_fail(view->cli, status, "%s", view->path);
    view->failed = status != LK_OK || !show(view, line);
}

static bool goes_on(void *arg)
{
    const struct view *view = arg;
    return !view->failed;
}

static int show_each_change(struct view *view)
{
    struct cli *cli = view->cli;
    struct loop loop;
    if (!loop_connect(&loop, cli, LK_FOREVER))
        return cli->code;

    read_server_clock(view, loop.client);
    lk_line_watch *watch = NULL;
    int rc = lk_line_watch_new(&watch, loop.client, view->path, on_line, view);
    int code = rc != LK_OK ? cli_fail(cli, rc, "%s", view->path)
                           : loop_run(&loop, cli, goes_on, view);
    lk_line_watch_free(watch);
    loop_end(&loop);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    bool watches = false;
    const struct cli_option options[] = {
        { CLI_FLAG, 0, "watch", &watches, NULL, 0, 0 },
        { CLI_END, 0, NULL, NULL, NULL, 0, 0 },
    };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    struct view view = { .cli = cli, .path = cli->words[0] };
    if (!cli_path(cli, view.path))
        return cli->code;
    return watches ? show_each_change(&view) : show_once(&view);
}

const struct verb verb_status = { "status", "who holds and who waits", help, false, run };
