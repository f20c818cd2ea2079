/* break.c - `latchkey break`: an operator takes a grant from its holder, by its fence, so that
 * nobody else can be hit who has come into its place meanwhile. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "usage: latchkey break PATH --fence N\n"
    "Removes the node whose fence is N (`latchkey status PATH` prints it) from the line at PATH, "
    "and\n"
    "nobody else. Its owner hears of it by an event: until that has arrived it believes that it\n"
    "holds, and only the fence protects what the lock guards.\n";

static int run(struct cli *cli, int argc, char **argv)
{
    lk_fence fence = { 0, 0 };
    bool given = false;
    const struct cli_option options[] = {
        { CLI_NUMBER, 0, "fence", &fence.zxid, &given, 1, INT64_MAX },
        { CLI_END, 0, NULL, NULL, NULL, 0, 0 },
    };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    const char *path = cli->words[0];
    if (!given)
        return cli_usage(cli, "--fence is missing: whose node is to go");
    if (!cli_path(cli, path))
        return cli->code;
    lk_client *client = cli_connect(cli, LK_FOREVER);
    if (client == NULL)
        return cli->code;

    int rc = lk_line_break(client, path, fence, cli_deadline(cli));
    cli_disconnect(client);
    if (rc == LK_E_NOT_FOUND)
        return cli_refuse(cli, EXIT_REFUSED,
                          "%s: nobody there has the fence %" PRIu64
                          "; `latchkey status %s` lists who stands there",
                          path, fence.zxid, path);
    if (rc != LK_OK)
        return cli_fail(cli, rc, "%s", path);

    cli_note(cli,
             "%s: until the owner has heard of it, only the fence protects what the lock guards",
             path);
    if (!cli->json) {
        printf("removed fence %" PRIu64 "\n", fence.zxid);
        return EXIT_DONE;
    }
    json_t *object = json_object();
    json_object_set_new(object, "path", cli_json_text(path, strlen(path)));
    json_object_set_new(object, "fence", json_integer((json_int_t)fence.zxid));
    json_object_set_new(object, "removed", json_true());
    return cli_json_print(cli, object) ? EXIT_DONE : cli->code;
}

const struct verb verb_break = { "break", "take a grant from its holder, by its fence", help, false,
                                 run };
