/* client.c - a connected client, or the line that says why there is none. */
#include <string.h>
#include <unistd.h>

#include "cli/frame.h"

/* The library's own words, for -v. May run on any thread. */
static void log_line(lk_log_level level, const char *line, void *arg)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    cli_detail(arg, "%s: %s", names[level], line);
}

lk_client *cli_client(struct cli *cli)
{
    lk_client_options options = cli->client;
    if (cli->verbose) {
        options.log = log_line;
        options.log_arg = cli;
    }
    lk_client *client = NULL;
    int rc = lk_client_new(&client, &options);
    if (rc != LK_OK)
        cli_fail(cli, rc, "servers %s%s%s, session timeout %lld ms", cli->client.servers,
                 *cli->root != '\0' ? ", root " : "", cli->root,
                 (long long)cli->client.session_timeout_ms);
    return client;
}

bool cli_await_connected(struct cli *cli, lk_client *client, int64_t deadline_ns)
{
    int64_t patience_ns = cli_deadline(cli);
    int rc = lk_client_wait_connected(client,
                                      deadline_ns < patience_ns ? deadline_ns : patience_ns);
    if (rc != LK_OK)
        cli_fail(cli, rc, "servers %s", cli->client.servers);
    return rc == LK_OK;
}

lk_client *cli_connect(struct cli *cli, int64_t deadline_ns)
{
    lk_client *client = cli_client(cli);
    if (client != NULL && !cli_await_connected(cli, client, deadline_ns))
        client = cli_disconnect(client);
    return client;
}

lk_client *cli_disconnect(lk_client *client)
{
    enum { PATIENCE_MS = 1000 };
    if (client != NULL)
        (void)lk_client_close(client, lk_in_ms(PATIENCE_MS));
    return lk_client_free(client);
}

int64_t cli_deadline(const struct cli *cli)
{
    return lk_now_ns() + cli->connect_timeout_ns;
}
