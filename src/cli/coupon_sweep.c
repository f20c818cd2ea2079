/* coupon_sweep.c - writes down what time has done: once, or again and again while this process is
 * elected to.
 *
 * The sweeper has a thread of its own. What it tells goes through a socket, so that one thread prints
 * and hears the signals. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/coupon.h"

struct pass {
    int status;
    lk_sweep sweep;
};

static bool print_pass_json(struct cli *cli, const struct pass *pass)
{
    const lk_sweep *sweep = &pass->sweep;
    const char *campaign = cli->words[0];
    char word[STATUS_WORD_SIZE], now[CLI_TIME_SIZE], next[CLI_TIME_SIZE];

    json_t *line = json_pack("{s:o, s:s}", "campaign", cli_json_text(campaign, strlen(campaign)),
                             "status", status_word(pass->status, word));
    if (line && pass->status == LK_OK) {
        json_object_set_new(line, "accounts", json_integer((json_int_t)sweep->accounts));
        json_object_set_new(line, "unfrozen", json_integer((json_int_t)sweep->unfrozen));
        json_object_set_new(line, "voided", json_integer((json_int_t)sweep->voided));
        json_object_set_new(line, "server_time", json_string(cli_time_text(sweep->server_ms, now)));
        json_object_set_new(line, "next",
                            sweep->next_ms ? json_string(cli_time_text(sweep->next_ms, next))
                                           : json_null());
    }
    return cli_json_print(cli, line);
}

static bool print_pass(struct cli *cli, const struct pass *pass)
{
    const lk_sweep *sweep = &pass->sweep;
    char now[CLI_TIME_SIZE], next[CLI_TIME_SIZE];

    if (cli->json)
        return print_pass_json(cli, pass);
    if (pass->status != LK_OK) {
        cli_note(cli, "%s: %s", cli->words[0], lk_status_text(pass->status));
        return true;
    }
    printf("%s  %" PRIu64 " accounts, %" PRIu64 " unfrozen, %" PRIu64 " void",
           cli_time_text(sweep->server_ms, now), sweep->accounts, sweep->unfrozen, sweep->voided);
    if (sweep->next_ms)
        printf("; next at %s", cli_time_text(sweep->next_ms, next));
    puts("");
    return cli_flush(cli);
}

static int sweep_once(struct cli *cli)
{
    struct pass pass = { .status = LK_OK };

    DESK desk = { 0 };
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    pass.status = lk_ledger_sweep(desk.ledger, NULL, NULL, desk_long_deadline(cli), &pass.sweep);
    if (pass.status != LK_OK)
        return cli_fail(cli, pass.status, "%s", cli->words[0]);
    return print_pass(cli, &pass) ? EXIT_DONE : cli->code;
}

/* On the sweeper's thread. Waits while nobody prints. */
static void on_pass(int status, const lk_sweep *sweep, void *arg)
{
    const struct pass pass = { status, sweep ? *sweep : (lk_sweep){ 0 } };
    const int *socket = arg;

    (void)!send(*socket, &pass, sizeof(pass), MSG_NOSIGNAL);
}

static int listen_on(struct cli *cli, int signals, int passes)
{
    struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
                            { .fd = passes, .events = POLLIN } };
    struct signalfd_siginfo info;
    struct pass pass;

    for (;;) {
        poll(fds, sizeof(fds) / sizeof(fds[0]), -1);
        if (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return 128 + (int)info.ssi_signo;
        if ((fds[1].revents & POLLIN) && read(passes, &pass, sizeof(pass)) == (ssize_t)sizeof(pass)
            && !print_pass(cli, &pass))
            return cli->code;
    }
}

/* Whether there are servers, and the campaign, is said before the long wait. */
static bool sweep_is_possible(struct cli *cli, lk_client *client)
{
    lk_campaign_info info;
    lk_ledger *ledger = NULL;

    int status = lk_ledger_new(&ledger, client, cli->words[0]);
    if (status == LK_OK)
        status = lk_campaign_show(ledger, cli_deadline(cli), &info);
    lk_ledger_free(ledger);
    if (status != LK_OK)
        cli->code = cli_fail(cli, status, "%s", cli->words[0]);
    return status == LK_OK;
}

static int sweep_elected(struct cli *cli, int64_t every_ns)
{
    lk_sweeper_options options = LK_SWEEPER_OPTIONS_INIT;
    lk_sweeper *sweeper = NULL;
    struct loop loop;
    int ends[2];

    if (!cli_path(cli, cli->words[0]) || !loop_connect(&loop, cli, LK_FOREVER))
        return cli->code;
    bool possible = sweep_is_possible(cli, loop.client);
    /* The sweeper has its own session. */
    loop.client = cli_disconnect(loop.client);
    if (!possible || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        loop_end(&loop);
        return possible ? cli_fail(cli, LK_E_SYSTEM, "%s", cli->words[0]) : cli->code;
    }
    options.interval_ms = every_ns / 1000000;
    options.told = on_pass;
    options.arg = &ends[1];
    int status = lk_sweeper_new(&sweeper, &cli->client, cli->words[0], &options);
    int code = status == LK_OK ? listen_on(cli, loop.signals, ends[0])
                               : cli_fail(cli, status, "%s", cli->words[0]);
    /* One who waits in on_pass() goes on. */
    close(ends[0]);
    lk_sweeper_free(sweeper);
    close(ends[1]);
    loop_end(&loop);
    return code;
}

static int run_sweep(struct cli *cli, int argc, char **argv)
{
    int64_t every_ns = 0;
    bool repeats = false;
    const struct cli_option options[] = {
        { CLI_SECONDS, 0, "every", &every_ns, &repeats, 0, 0 },
        { 0 },
    };

    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    if (repeats && every_ns < 1000000)
        return cli_usage(cli, "--every: at least 0.001");
    return repeats ? sweep_elected(cli, every_ns) : sweep_once(cli);
}

const struct verb coupon_sweep = {
    .name = "coupon sweep",
    .summary = "write down what time has done",
    .help = "usage: latchkey coupon sweep CAMPAIGN [--every SEC]\n"
            "\n"
            "Gives back all freezes that have run out, and voids what the campaign's end has made "
            "void. Operations\n"
            "do so with the account that they meet; this does it for all. Prints how many.\n"
            "\n"
            "  --every SEC   stand for election at CAMPAIGN.sweeper; while elected, do it so often "
            "and whenever the\n"
            "                next freeze runs out, until a signal (exit code 128+n)\n",
    .run = run_sweep,
};
