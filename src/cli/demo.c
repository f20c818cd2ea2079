/* demo.c - `latchkey demo`: a flash sale, to be watched. Servers, a campaign, the sale, the report,
 * in this order.
 *
 * With servers of one's own choice the campaign stays when something was wrong, to be looked at;
 * else nothing stays. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zkbox.h>

#include "cli/demo.h"

/* Private servers have ticks of half a second; six of them make a session, so that a dead leader is
 * missed soon. */
#define PRIVATE_SESSION_MS 3000

static void stop_box(zkbox **box)
{
    zkbox_stop(*box);
}

static bool start_servers(struct cli *cli, zkbox **out)
{
    const lk_client_options usual = LK_CLIENT_OPTIONS_INIT;
    zkbox_options wanted = ZKBOX_OPTIONS_INIT;
    char error[256] = "";

    wanted.error = error;
    wanted.error_size = sizeof(error);
    int failed = zkbox_start(out, &wanted);
    if (failed) {
        cli->code = cli_refuse(
            cli, EXIT_NO_SERVER,
            "no private server started: %s; install java and ZooKeeper, or name a "
            "server with --servers",
            error[0] ? error : strerror(-failed));
        return false;
    }
    cli->client.servers = zkbox_servers(*out);
    if (cli->client.session_timeout_ms == usual.session_timeout_ms)
        cli->client.session_timeout_ms = PRIVATE_SESSION_MS;
    cli_note(cli, "a private ZooKeeper server runs at %s", cli->client.servers);
    return true;
}

/* An unused name: a fresh id. */
static bool open_campaign(struct cli *cli, const struct demo_options *options, char *path,
                          size_t size, struct desk *out)
{
    lk_campaign_options campaign = LK_CAMPAIGN_OPTIONS_INIT;
    char text[LK_ID_TEXT_SIZE];

    DESK desk = { .client = cli_connect(cli, cli_deadline(cli)) };
    if (!desk.client)
        return false;
    lk_id id = lk_id_new(desk.client);
    snprintf(path, size, "/latchkey-demo-%s", lk_id_text(id, text));
    campaign.stock = options->stock;
    campaign.per_user = (uint32_t)options->per_user;
    int status = lk_ledger_new(&desk.ledger, desk.client, path);
    if (status == LK_OK)
        status = lk_campaign_create(desk.ledger, &campaign, &id, cli_deadline(cli));
    if (status != LK_OK) {
        cli->code = refuse_with_id(cli, status, id, path);
        return false;
    }
    *out = desk;
    desk = (struct desk){ 0 };
    return true;
}

static int tidy(struct cli *cli, struct desk *desk, const char *path, int code)
{
    if (code != EXIT_DONE) {
        cli_note(cli,
                 "the campaign stays at %s; `latchkey coupon audit` and `delete` look at it and "
                 "remove it",
                 path);
        return code;
    }
    int status = lk_campaign_delete(desk->ledger, NULL, NULL, desk_long_deadline(cli));
    return status == LK_OK ? EXIT_DONE : cli_fail(cli, status, "%s can't be removed", path);
}

static int hold_sale(struct cli *cli, const struct demo_options *options, int argc)
{
    char path[128];

    __attribute__((cleanup(stop_box))) zkbox *box = NULL;
    if (!cli->servers_named && !start_servers(cli, &box))
        return cli->code;
    DESK desk = { 0 };
    if (!open_campaign(cli, options, path, sizeof(path), &desk))
        return cli->code;
    uint64_t claims = options->users * options->per_user;
    struct demo_sale sale = {
        .cli = cli,
        .options = options,
        .campaign = path,
        .argc = argc,
        .claims = claims,
        .expected = options->stock < claims ? options->stock : claims,
    };
    int code = demo_sale(&sale);
    if (code == EXIT_DONE)
        code = demo_report(&sale, &desk);
    free(sale.answers);
    return box ? code : tidy(cli, &desk, path, code);
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct demo_options options = { .users = 2000, .stock = 500, .per_user = 1, .workers = 4 };
    uint64_t worker = 0;
    const char *campaign = NULL;
    bool kills = false;
    const struct cli_option table[] = {
        { .kind = CLI_NUMBER,
          .name = "users",
          .value = &options.users,
          .least = 1,
          .most = DEMO_CLAIMS_MAX },
        { .kind = CLI_NUMBER, .name = "stock", .value = &options.stock, .most = INT64_MAX },
        { .kind = CLI_NUMBER,
          .name = "per-user",
          .value = &options.per_user,
          .least = 1,
          .most = 100 },
        { .kind = CLI_NUMBER,
          .name = "workers",
          .value = &options.workers,
          .least = 1,
          .most = DEMO_WORKERS_MAX },
        { .kind = CLI_FLAG, .name = "kill", .value = &kills },
        { .kind = CLI_NUMBER, .name = "kills", .value = &options.kills, .most = 1000 },
        /* Not in the help: what the parent tells its workers. */
        { .kind = CLI_NUMBER,
          .name = "worker",
          .value = &worker,
          .least = 1,
          .most = DEMO_WORKERS_MAX },
        { .kind = CLI_TEXT, .name = "campaign", .value = &campaign },
        { 0 },
    };

    if (!cli_parse(cli, table, 0, 0, argc, argv))
        return cli->code;
    if (worker > 0 && campaign)
        return demo_work(cli, &options, worker, campaign);
    if (worker > 0 || campaign)
        return cli_usage(cli, "--worker and --campaign are for the demo's own use");
    if (options.users * options.per_user > DEMO_CLAIMS_MAX)
        return cli_usage(cli, "--users times --per-user must be at most %d", DEMO_CLAIMS_MAX);
    if (kills && options.kills == 0)
        options.kills = 1;
    return hold_sale(cli, &options, argc);
}

const struct verb verb_demo = {
    .name = "demo",
    .summary = "a flash sale, to be watched",
    .help = "usage: latchkey demo [--users N] [--stock N] [--per-user K] [--workers N] [--kill]\n"
            "\n"
            "Worker processes claim coupons for more users than there are coupons; one of them, "
            "elected, reports. At\n"
            "the end the ledger is audited and every answer held against it. Starts a private "
            "ZooKeeper server if\n"
            "none is named by --servers, LATCHKEY_SERVERS or the configuration file.\n"
            "\n"
            "  --users N     who wants a coupon (2000)\n"
            "  --stock N     how many there are (500)\n"
            "  --per-user K  how many each asks for, and may have (1)\n"
            "  --workers N   processes (4)\n"
            "  --kill        kills the leading worker with SIGKILL in the middle of the sale; it "
            "starts again and asks\n"
            "                again with the same ids\n"
            "  --kills N     the same, N times, in even parts of the sale\n"
            "\n"
            "exit: 0 exactly the stock was sold and the audit is clean, 2 if not.\n",
    .run = run,
};
