/* coupon_look.c - show, list: they read, and write nothing but their answer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"

/* ---- show ---- */

static const char *phase(const lk_campaign_info *info)
{
    const lk_campaign_options *rules = &info->rules;

    if (rules->ends_ms != 0 && info->server_ms >= rules->ends_ms)
        return "ended";
    if (info->closed || (rules->closes_ms != 0 && info->server_ms >= rules->closes_ms))
        return "closed";
    if (rules->opens_ms != 0 && info->server_ms < rules->opens_ms)
        return "not open yet";
    return info->available == 0 ? "sold out" : "open";
}

static int print_campaign_json(struct cli *cli, const lk_campaign_info *info)
{
    const char *campaign = cli->words[0];
    const lk_campaign_options *rules = &info->rules;
    char now[CLI_TIME_SIZE];

    json_t *line = json_pack(
        "{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:b, s:s}", //
        "campaign", cli_json_text(campaign, strlen(campaign)),                    //
        "phase", phase(info),                                                     //
        "stocked", (json_int_t)info->stocked,                                     //
        "available", (json_int_t)info->available,                                 //
        "issued", (json_int_t)info->issued,                                       //
        "per_user", (json_int_t)rules->per_user,                                  //
        "shards", (json_int_t)rules->shards,                                      //
        "history", (json_int_t)rules->history,                                    //
        "freeze_ttl", (double)rules->freeze_ttl_ms / 1000,                        //
        "opens", time_json(rules->opens_ms),                                      //
        "closes", time_json(rules->closes_ms),                                    //
        "ends", time_json(rules->ends_ms),                                        //
        "closed", (int)info->closed,                                              //
        "server_time", cli_time_text(info->server_ms, now));
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

static void print_time(const char *name, int64_t ms)
{
    char text[CLI_TIME_SIZE];

    if (ms != 0)
        printf("%-12s %s\n", name, cli_time_text(ms, text));
}

static int print_campaign(struct cli *cli, const lk_campaign_info *info)
{
    const lk_campaign_options *rules = &info->rules;
    char ttl[CLI_TIME_SIZE];

    if (cli->json)
        return print_campaign_json(cli, info);
    printf("%-12s %s\n", "campaign", cli->words[0]);
    printf("%-12s %s\n", "is", phase(info));
    printf("%-12s %" PRIu64 "\n", "stocked", info->stocked);
    printf("%-12s %" PRIu64 "\n", "available", info->available);
    printf("%-12s %" PRIu64 "\n", "issued", info->issued);
    if (rules->per_user != 0)
        printf("%-12s %" PRIu32 "\n", "per user", rules->per_user);
    else
        printf("%-12s %s\n", "per user", "no limit");
    print_time("opens", rules->opens_ms);
    print_time("closes", rules->closes_ms);
    print_time("ends", rules->ends_ms);
    printf("%-12s %s\n", "freeze ttl", cli_age_text(rules->freeze_ttl_ms, ttl));
    printf("%-12s %" PRIu32 "\n", "shards", rules->shards);
    printf("%-12s %" PRIu32 "\n", "history", rules->history);
    print_time("server time", info->server_ms);
    return EXIT_DONE;
}

static int run_show(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };
    lk_campaign_info info;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 2, argc, argv))
        return cli->code;
    if (cli->word_count == 2 && !check_user(cli, cli->words[1]))
        return cli->code;
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    if (cli->word_count == 2)
        return coupon_show_account(cli, &desk, cli->words[1]);
    int status = lk_campaign_show(desk.ledger, cli_deadline(cli), &info);
    return status == LK_OK ? print_campaign(cli, &info)
                           : cli_fail(cli, status, "%s", cli->words[0]);
}

const struct verb coupon_show = {
    .name = "coupon show",
    .summary = "the campaign, or one user's coupons",
    .help = "usage: latchkey coupon show CAMPAIGN [USER]\n"
            "\n"
            "Prints the campaign's rules and stock; with USER that user's coupons, one a line: id, "
            "state, time of\n"
            "the last change, order; and under each, indented, what happened to it, oldest first: "
            "time, operation,\n"
            "state after it, id, zxid, order. What time did by itself has no id. An account "
            "remembers as many\n"
            "operations beside claims as the campaign's history says.\n",
    .run = run_show,
};

/* ---- list ---- */

struct states {
    json_int_t count[LK_VOID + 1];
};

/* What a state says that this tool does not know yet is counted nowhere but in the sum. */
static struct states count_states(const lk_account *account)
{
    struct states states = { 0 };

    for (size_t i = 0; i < account->count; i++) {
        lk_coupon_state state = account->coupons[i].state;
        if (state >= LK_CLAIMED && state <= LK_VOID)
            states.count[state]++;
    }
    return states;
}

/* Answers non-zero to end the listing when nobody can read it any more. */
static int list_account(const lk_account *account, void *arg)
{
    struct cli *cli = arg;
    const struct states states = count_states(account);
    const json_int_t *count = states.count;

    if (cli->json) {
        json_t *line = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}",                            //
                                 "user", cli_json_text(account->user, strlen(account->user)), //
                                 "coupons", (json_int_t)account->count,                       //
                                 "claimed", count[LK_CLAIMED], "frozen", count[LK_FROZEN],    //
                                 "redeemed", count[LK_REDEEMED], "void", count[LK_VOID]);
        return cli_json_print(cli, line) ? 0 : 1;
    }
    char *user = cli_escape_text(account->user);
    printf("%s\t%zu", user, account->count);
    free(user);
    for (lk_coupon_state state = LK_CLAIMED; state <= LK_VOID; state++) {
        if (count[state] > 0)
            printf("\t%s %" JSON_INTEGER_FORMAT, lk_coupon_state_name(state), count[state]);
    }
    puts("");
    return ferror(stdout) ? 1 : 0;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv) || !desk_open(cli, cli->words[0], &desk))
        return cli->code;
    int status = lk_account_each(desk.ledger, list_account, cli, desk_long_deadline(cli));
    if (status > 0)
        return cli_flush(cli) ? EXIT_OWN : cli->code;
    return status == LK_OK ? EXIT_DONE : cli_fail(cli, status, "%s", cli->words[0]);
}

const struct verb coupon_list = {
    .name = "coupon list",
    .summary = "every account",
    .help = "usage: latchkey coupon list CAMPAIGN\n"
            "\n"
            "Prints USER<TAB>COUPONS<TAB>how many are in which state, for every account, in no "
            "order.\n",
    .run = run_list,
};
