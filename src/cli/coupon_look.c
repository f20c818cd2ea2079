/* coupon_look.c - show, list, audit: they read, and write nothing but their answer. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"

/* ---- show ---- */

/* Unset times are null. */
static json_t *time_json(int64_t ms)
{
    char text[CLI_TIME_SIZE];

    return ms == 0 ? json_null() : json_string(cli_time_text(ms, text));
}

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

    json_t *line = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:b, s:s}", //
                             "campaign", cli_json_text(campaign, strlen(campaign)),               //
                             "phase", phase(info),                                                //
                             "stocked", (json_int_t)info->stocked,                                //
                             "available", (json_int_t)info->available,                            //
                             "issued", (json_int_t)info->issued,                                  //
                             "per_user", (json_int_t)rules->per_user,                             //
                             "shards", (json_int_t)rules->shards,                                 //
                             "freeze_ttl", (double)rules->freeze_ttl_ms / 1000,                   //
                             "opens", time_json(rules->opens_ms),                                 //
                             "closes", time_json(rules->closes_ms),                               //
                             "ends", time_json(rules->ends_ms),                                   //
                             "closed", (int)info->closed,                                         //
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
    print_time("server time", info->server_ms);
    return EXIT_DONE;
}

static int print_coupon_json(struct cli *cli, const lk_account *account, const lk_coupon_info *info)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    json_t *line = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:b}",                  //
                             "coupon", lk_coupon_text(info->coupon, coupon),              //
                             "user", cli_json_text(account->user, strlen(account->user)), //
                             "state", lk_coupon_state_name(info->state),                  //
                             "order", cli_json_text(info->order, strlen(info->order)),    //
                             "claimed", time_json(info->claimed_ms),                      //
                             "changed", time_json(info->changed_ms),                      //
                             "frozen_until", time_json(info->frozen_until_ms),            //
                             "ran_out", (int)info->ran_out);
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

static void print_coupon(const lk_coupon_info *info)
{
    char coupon[LK_COUPON_TEXT_SIZE], changed[CLI_TIME_SIZE], until[CLI_TIME_SIZE];

    printf("%-12s  %-8s  %s", lk_coupon_text(info->coupon, coupon),
           lk_coupon_state_name(info->state), cli_time_text(info->changed_ms, changed));
    if (info->order[0] != '\0') {
        char *order = cli_escape_text(info->order);
        printf("  order %s", order);
        free(order);
    }
    if (info->frozen_until_ms != 0)
        printf("  until %s", cli_time_text(info->frozen_until_ms, until));
    puts(info->ran_out ? "  (run out)" : "");
}

static int show_user(struct cli *cli, struct desk *desk, const char *user)
{
    lk_account *account;
    int status = lk_account_show(desk->ledger, user, cli_deadline(cli), &account);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s of %s", user, cli->words[0]);
    int code = EXIT_DONE;
    if (account->count == 0)
        cli_note(cli, "%s has no coupons", user);
    for (size_t i = 0; i < account->count && code == EXIT_DONE; i++) {
        if (cli->json)
            code = print_coupon_json(cli, account, &account->coupons[i]);
        else
            print_coupon(&account->coupons[i]);
    }
    lk_account_free(account);
    return code;
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
        return show_user(cli, &desk, cli->words[1]);
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
            "the last change, order.\n",
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

/* ---- audit ---- */

static int print_audit_json(struct cli *cli, const lk_audit *audit)
{
    json_t *faults = json_array();

    for (size_t i = 0; i < audit->fault_count; i++)
        json_array_append_new(faults, cli_json_text(audit->faults[i], strlen(audit->faults[i])));
    json_t *line = json_pack("{s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",  //
                             "campaign", cli_json_text(cli->words[0], strlen(cli->words[0])), //
                             "clean", (int)(audit->fault_count == 0),                         //
                             "stocked", (json_int_t)audit->stocked,                           //
                             "available", (json_int_t)audit->available,                       //
                             "issued", (json_int_t)audit->issued,                             //
                             "claimed", (json_int_t)audit->claimed,                           //
                             "frozen", (json_int_t)audit->frozen,                             //
                             "redeemed", (json_int_t)audit->redeemed,                         //
                             "void", (json_int_t)audit->voided,                               //
                             "ran_out", (json_int_t)audit->ran_out,                           //
                             "accounts", (json_int_t)audit->accounts,                         //
                             "faults", faults);
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

static int print_audit(struct cli *cli, const lk_audit *audit)
{
    if (cli->json)
        return print_audit_json(cli, audit);
    printf("stocked    %12" PRIu64 "\n", audit->stocked);
    printf("available  %12" PRIu64 "\n", audit->available);
    printf("issued     %12" PRIu64 "\n", audit->issued);
    printf("  claimed  %12" PRIu64 "\n", audit->claimed);
    printf("  frozen   %12" PRIu64, audit->frozen);
    if (audit->ran_out > 0)
        printf("   %" PRIu64 " of them run out, not yet written", audit->ran_out);
    printf("\n  redeemed %12" PRIu64 "\n", audit->redeemed);
    printf("  void     %12" PRIu64 "\n", audit->voided);
    printf("accounts   %12" PRIu64 "\n", audit->accounts);
    for (size_t i = 0; i < audit->fault_count; i++) {
        char *fault = cli_escape_text(audit->faults[i]);
        printf("fault: %s\n", fault);
        free(fault);
    }
    puts(audit->fault_count == 0 ? "clean" : "NOT clean");
    return EXIT_DONE;
}

static int run_audit(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };
    lk_audit *audit;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv) || !desk_open(cli, cli->words[0], &desk))
        return cli->code;
    int status = lk_ledger_audit(desk.ledger, desk_long_deadline(cli), &audit);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", cli->words[0]);
    int code = print_audit(cli, audit);
    if (code == EXIT_DONE && audit->fault_count > 0)
        code = cli_refuse(cli, EXIT_AUDIT,
                          "%s: %zu faults, the first: %s; stop who writes there and keep the data",
                          cli->words[0], audit->fault_count, audit->faults[0]);
    lk_audit_free(audit);
    return code;
}

const struct verb coupon_audit = {
    .name = "coupon audit",
    .summary = "recount everything",
    .help = "usage: latchkey coupon audit CAMPAIGN\n"
            "\n"
            "Recounts every coupon, while traffic runs, and names what is wrong: nothing oversold, "
            "nothing lost,\n"
            "nothing twice, nobody above the limit.\n"
            "\n"
            "exit: 0 clean, 2 a fault was found.\n",
    .run = run_audit,
};
