/* coupon_watch.c - a line at each thing that becomes of a campaign, until a signal. */
#include <inttypes.h>
#include <string.h>

#include "cli/coupon.h"

struct onlooker {
    struct cli *cli;
    const char *campaign;
    bool failed;
};

static json_t *event_json(const struct onlooker *onlooker, lk_campaign_event event,
                          const lk_campaign_info *info)
{
    const char *campaign = onlooker->campaign;
    char now[CLI_TIME_SIZE];

    json_t *line = json_pack("{s:o, s:s}", "campaign", cli_json_text(campaign, strlen(campaign)),
                             "event", lk_campaign_event_name(event));
    if (line && info) {
        json_object_set_new(line, "stocked", json_integer((json_int_t)info->stocked));
        json_object_set_new(line, "available", json_integer((json_int_t)info->available));
        json_object_set_new(line, "issued", json_integer((json_int_t)info->issued));
        json_object_set_new(line, "server_time", json_string(cli_time_text(info->server_ms, now)));
    }
    return line;
}

static void print_event(lk_campaign_event event, const lk_campaign_info *info)
{
    char now[CLI_TIME_SIZE];

    if (!info) {
        puts(lk_campaign_event_name(event));
        return;
    }
    printf("%-8s  %s  %" PRIu64 " of %" PRIu64 " available\n", lk_campaign_event_name(event),
           cli_time_text(info->server_ms, now), info->available, info->stocked);
}

static void on_event(lk_campaign_event event, const lk_campaign_info *info, void *arg)
{
    struct onlooker *onlooker = arg;
    struct cli *cli = onlooker->cli;

    if (onlooker->failed)
        return;
    if (cli->json) {
        onlooker->failed = !cli_json_print(cli, event_json(onlooker, event, info));
        return;
    }
    print_event(event, info);
    onlooker->failed = !cli_flush(cli);
}

static bool goes_on(void *arg)
{
    const struct onlooker *onlooker = arg;
    return !onlooker->failed;
}

static int run_watch(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };
    lk_campaign_watch *watch = NULL;
    struct loop loop;

    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    struct onlooker onlooker = { .cli = cli, .campaign = cli->words[0] };
    if (!cli_path(cli, onlooker.campaign) || !loop_connect(&loop, cli, LK_FOREVER))
        return cli->code;
    int status = lk_campaign_watch_new(&watch, loop.client, onlooker.campaign, on_event, &onlooker);
    int code = status == LK_OK ? loop_run(&loop, cli, goes_on, &onlooker)
                               : cli_fail(cli, status, "%s", onlooker.campaign);
    lk_campaign_watch_free(watch);
    loop_end(&loop);
    return code;
}

const struct verb coupon_watch = {
    .name = "coupon watch",
    .summary = "what becomes of a campaign",
    .help = "usage: latchkey coupon watch CAMPAIGN\n"
            "\n"
            "Prints what the campaign is, and again a line when it opens, sells out, gets stock, "
            "closes, ends or is\n"
            "gone, until a signal (exit code 128+n): the event, server time, and how many coupons "
            "are left. With -v\n"
            "also why a campaign can't be watched.\n",
    .run = run_watch,
};
