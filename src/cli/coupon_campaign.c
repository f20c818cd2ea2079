/* coupon_campaign.c - create, add-stock, grow, close: what is done to a campaign as a whole.
 *
 * `--opens +60` is another moment each time the command is run, but the same command with --id must
 * be the same request. So a relative time is taken from the campaign where it exists already, and
 * counted from now only where not. */
#include <inttypes.h>
#include <string.h>

#include "cli/coupon.h"

#define HISTORY_LEAST 8
#define STOCK_MOST 1000000000000

struct wanted {
    lk_campaign_options options;
    struct cli_time opens, closes, ends;
    bool has_opens, has_closes, has_ends;
};

static bool is_relative(const struct wanted *wanted)
{
    return (wanted->has_opens && wanted->opens.relative)
           || (wanted->has_closes && wanted->closes.relative)
           || (wanted->has_ends && wanted->ends.relative);
}

static int64_t moment(bool given, struct cli_time time, int64_t now_ms, int64_t stored_ms)
{
    if (!given)
        return 0;
    if (!time.relative)
        return time.ms;
    return stored_ms != 0 ? stored_ms : now_ms + time.ms;
}

static int settle_times(struct cli *cli, struct desk *desk, struct wanted *wanted)
{
    lk_campaign_info there = { .rules = LK_CAMPAIGN_OPTIONS_INIT };
    int64_t now_ms = 0;

    if (is_relative(wanted)) {
        int status = lk_campaign_show(desk->ledger, cli_deadline(cli), &there);
        if (status == LK_E_NOT_FOUND)
            status = lk_client_server_ms(desk->client, cli->words[0], cli_deadline(cli), &now_ms);
        if (status != LK_OK)
            return status;
    }
    wanted->options.opens_ms = moment(wanted->has_opens, wanted->opens, now_ms,
                                      there.rules.opens_ms);
    wanted->options.closes_ms = moment(wanted->has_closes, wanted->closes, now_ms,
                                       there.rules.closes_ms);
    wanted->options.ends_ms = moment(wanted->has_ends, wanted->ends, now_ms, there.rules.ends_ms);
    return LK_OK;
}

static int print_created(struct cli *cli, const char *campaign, const lk_campaign_options *options,
                         lk_id id)
{
    char text[LK_ID_TEXT_SIZE];

    if (!cli->json) {
        printf("created %s: %" PRIu64 " coupons", campaign, options->stock);
        if (options->per_user > 0)
            printf(", %" PRIu32 " per user", options->per_user);
        puts("");
        return EXIT_DONE;
    }
    json_t *line = json_pack("{s:o, s:I, s:I, s:s}", "campaign",
                             cli_json_text(campaign, strlen(campaign)), "stock",
                             (json_int_t)options->stock, "per_user", (json_int_t)options->per_user,
                             "id", lk_id_text(id, text));
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

/* The options into `wanted`, with the configuration file's defaults. */
static bool parse_create(struct cli *cli, int argc, char **argv, struct wanted *wanted,
                         const char **id)
{
    uint64_t per_user = 0, shards = 0, history = 0;
    int64_t ttl_ns = 0;
    bool has_stock = false, has_per_user = false, has_shards = false, has_ttl = false;
    const struct cli_option options[] = {
        { .kind = CLI_NUMBER,
          .name = "stock",
          .value = &wanted->options.stock,
          .given = &has_stock,
          .most = STOCK_MOST },
        { .kind = CLI_NUMBER,
          .name = "per-user",
          .value = &per_user,
          .given = &has_per_user,
          .most = UINT32_MAX },
        { .kind = CLI_TIME, .name = "opens", .value = &wanted->opens, .given = &wanted->has_opens },
        { .kind = CLI_TIME,
          .name = "closes",
          .value = &wanted->closes,
          .given = &wanted->has_closes },
        { .kind = CLI_TIME, .name = "ends", .value = &wanted->ends, .given = &wanted->has_ends },
        { .kind = CLI_SECONDS, .name = "freeze-ttl", .value = &ttl_ns, .given = &has_ttl },
        { .kind = CLI_NUMBER,
          .name = "shards",
          .value = &shards,
          .given = &has_shards,
          .least = 1,
          .most = LK_SHARDS_MAX },
        { .kind = CLI_NUMBER,
          .name = "history",
          .value = &history,
          .least = HISTORY_LEAST,
          .most = LK_HISTORY_MAX },
        { .kind = CLI_TEXT, .name = "id", .value = id },
        { 0 },
    };

    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return false;
    if (!has_stock) {
        cli->code = cli_usage(cli, "--stock N is missing");
        return false;
    }
    wanted->options.per_user = (uint32_t)(has_per_user
                                              ? (int64_t)per_user
                                              : cli_config_number(cli, "coupon.per_user", 0));
    wanted->options.shards = (uint32_t)(has_shards ? (int64_t)shards
                                                   : cli_config_number(cli, "coupon.shards", 0));
    wanted->options.history = (uint32_t)history;
    wanted->options.freeze_ttl_ms = cli_config_number(cli, "coupon.freeze_ttl", 0);
    return !has_ttl || choose_ttl(cli, "--freeze-ttl", ttl_ns, &wanted->options.freeze_ttl_ms);
}

static int run_create(struct cli *cli, int argc, char **argv)
{
    struct wanted wanted = { .options = LK_CAMPAIGN_OPTIONS_INIT };
    const char *id_text = NULL;
    lk_id id;

    DESK desk = { 0 };
    if (!parse_create(cli, argc, argv, &wanted, &id_text)
        || !desk_open_to_change(cli, id_text, &desk, &id))
        return cli->code;
    int status = settle_times(cli, &desk, &wanted);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", cli->words[0]);
    status = lk_campaign_create(desk.ledger, &wanted.options, &id, cli_deadline(cli));
    if (status != LK_OK)
        return refuse_with_id(cli, status, id, cli->words[0]);
    return print_created(cli, cli->words[0], &wanted.options, id);
}

const struct verb coupon_create = {
    .name = "coupon create",
    .summary = "a new campaign",
    .help =
        "usage: latchkey coupon create CAMPAIGN --stock N [OPTIONS]\n"
        "\n"
        "Makes a campaign with N coupons.\n"
        "\n"
        "  --stock N         how many coupons\n"
        "  --per-user K      how many one user may have; void ones do not count (no limit)\n"
        "  --opens TIME      no claim before (at once)\n"
        "  --closes TIME     no claim after (never)\n"
        "  --ends TIME       no redemption after, what is claimed becomes void (never)\n"
        "  --freeze-ttl SEC  how long a freeze lasts that does not say (900)\n"
        "  --shards K        parts of the stock that can be claimed from at once, 1 to 64 (16)\n"
        "  --history N       operations beside claims that each account remembers: so long a "
        "repeated id is\n"
        "                    known, and `show` tells what happened; 8 to 1024 (64)\n"
        "  --id ID           names the creation: the same command again is no error\n"
        "\n"
        "TIME is RFC 3339 (2026-11-27T09:00:00Z) or +SEC from now, by the server's clock.\n",
    .run = run_create,
};

/* The end of what changes a campaign. */
static int tell_change(struct cli *cli, int status, const char *done, lk_id id)
{
    if (status != LK_OK)
        return refuse_with_id(cli, status, id, cli->words[0]);
    return print_done_to_campaign(cli, done, cli->words[0], id);
}

static int run_add_stock(struct cli *cli, int argc, char **argv)
{
    const char *id_text = NULL;
    const struct cli_option options[] = { { .kind = CLI_TEXT, .name = "id", .value = &id_text },
                                          { 0 } };
    uint64_t count;
    lk_id id;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 2, 2, argc, argv))
        return cli->code;
    if (!cli_number(cli->words[1], 1, STOCK_MOST, &count))
        return cli_usage(cli, "N must be a whole number from 1 to 10^12");
    if (!desk_open_to_change(cli, id_text, &desk, &id))
        return cli->code;
    int status = lk_campaign_add_stock(desk.ledger, count, &id, cli_deadline(cli));
    if (status == LK_E_TOO_LARGE)
        return cli_refuse(cli, EXIT_USAGE,
                          "%s: a shard makes no more than 10^12 coupons in all; add fewer, or to "
                          "another campaign",
                          cli->words[0]);
    return tell_change(cli, status, "stocked", id);
}

const struct verb coupon_add_stock = {
    .name = "coupon add-stock",
    .summary = "more coupons",
    .help = "usage: latchkey coupon add-stock CAMPAIGN N [--id ID]\n"
            "\n"
            "Adds N coupons to the campaign's stock.\n"
            "\n"
            "  --id ID  names the addition: the same command again adds nothing\n",
    .run = run_add_stock,
};

static int run_grow(struct cli *cli, int argc, char **argv)
{
    const char *id_text = NULL;
    uint64_t shards = 0;
    const struct cli_option options[] = {
        { .kind = CLI_NUMBER,
          .name = "shards",
          .value = &shards,
          .least = 1,
          .most = LK_SHARDS_MAX },
        { .kind = CLI_TEXT, .name = "id", .value = &id_text },
        { 0 },
    };
    lk_id id;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    if (shards == 0)
        return cli_usage(cli, "--shards K is missing");
    if (!desk_open_to_change(cli, id_text, &desk, &id))
        return cli->code;
    int status = lk_campaign_grow(desk.ledger, (uint32_t)shards, &id, cli_deadline(cli));
    if (status == LK_E_INVALID)
        return cli_refuse(cli, EXIT_REFUSED,
                          "%s: it has %" PRIu64
                          " shards or more already, they never become fewer; see `coupon show`",
                          cli->words[0], shards);
    return tell_change(cli, status, "grown", id);
}

const struct verb coupon_grow = {
    .name = "coupon grow",
    .summary = "more shards",
    .help = "usage: latchkey coupon grow CAMPAIGN --shards K [--id ID]\n"
            "\n"
            "Parts the stock into K shards, more than there are, for more processes that claim at "
            "once. The new\n"
            "ones get their stock from the others as claims need it.\n"
            "\n"
            "  --shards K  how many there shall be, up to 64\n"
            "  --id ID     names the growing: the same command again is no error\n",
    .run = run_grow,
};

static int run_close(struct cli *cli, int argc, char **argv)
{
    const char *id_text = NULL;
    const struct cli_option options[] = { { .kind = CLI_TEXT, .name = "id", .value = &id_text },
                                          { 0 } };
    lk_id id;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv)
        || !desk_open_to_change(cli, id_text, &desk, &id))
        return cli->code;
    int status = lk_campaign_close(desk.ledger, &id, cli_deadline(cli));
    return tell_change(cli, status, "closed", id);
}

const struct verb coupon_close = {
    .name = "coupon close",
    .summary = "end claiming",
    .help = "usage: latchkey coupon close CAMPAIGN [--id ID]\n"
            "\n"
            "Ends claiming for good. What is claimed can still be redeemed.\n"
            "\n"
            "  --id ID  names the closing: the same command again is no error\n",
    .run = run_close,
};
