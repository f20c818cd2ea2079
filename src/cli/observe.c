/* observe.c - `latchkey observe`: who leads, now and after each change. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/loop.h"

static const char help[] = "usage: latchkey observe PATH\n"
                           "Prints who leads at PATH, and again at each change of the leader or of "
                           "its card, until a signal\n"
                           "(exit code 128+n).\n";

struct observation {
    struct cli *cli;
    const char *path;
    bool failed;
};

static void print_leader(const lk_leader *leader)
{
    if (!leader->present) {
        puts("no leader");
        return;
    }
    char *card = cli_escape(leader->card, leader->card_size), *node = cli_escape_text(leader->node);
    printf("leader \"%s\"  fence %" PRIu64 "  node %s  session 0x%" PRIx64 "\n", card,
           leader->fence.zxid, node, leader->session_id);
    free(card);
    free(node);
}

static json_t *json_leader(const char *path, const lk_leader *leader)
{
    json_t *object = json_object(), *who = json_null();
    if (leader->present) {
        char session[32];
        snprintf(session, sizeof(session), "0x%" PRIx64, leader->session_id);
        who = json_object();
        json_object_set_new(who, "id", cli_json_text(leader->card, leader->card_size));
        json_object_set_new(who, "node", cli_json_text(leader->node, strlen(leader->node)));
        json_object_set_new(who, "fence", json_integer((json_int_t)leader->fence.zxid));
        json_object_set_new(who, "session", json_string(session));
    }
    json_object_set_new(object, "path", cli_json_text(path, strlen(path)));
    json_object_set_new(object, "leader", who);
    return object;
}

static void on_leader(const lk_leader *leader, void *arg)
{
    struct observation *observation = arg;
    struct cli *cli = observation->cli;
    if (observation->failed)
        return;
    if (leader->status != LK_OK) {
        observation->failed = true;
        cli->code = cli_fail(cli, leader->status, "%s", observation->path);
        return;
    }
    if (cli->json) {
        observation->failed = !cli_json_print(cli, json_leader(observation->path, leader));
        return;
    }
    print_leader(leader);
    observation->failed = !cli_flush(cli);
}

static bool goes_on(void *arg)
{
    const struct observation *observation = arg;
    return !observation->failed;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { CLI_END, 0, NULL, NULL, NULL, 0, 0 } };
    struct loop loop;
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    struct observation observation = { .cli = cli, .path = cli->words[0] };
    if (!cli_path(cli, observation.path) || !loop_connect(&loop, cli, LK_FOREVER))
        return cli->code;

    lk_observer *observer = NULL;
    int rc = lk_observer_new(&observer, loop.client, observation.path, on_leader, &observation);
    int code = rc != LK_OK ? cli_fail(cli, rc, "%s", observation.path)
                           : loop_run(&loop, cli, goes_on, &observation);
    lk_observer_free(observer);
    loop_end(&loop);
    return code;
}

const struct verb verb_observe = { "observe", "who leads, and each change", help, false, run };
