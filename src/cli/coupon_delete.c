/* coupon_delete.c - `coupon delete`: a campaign with all its accounts, which may take long.
 *
 * From its beginning nobody finds the campaign any more; what an interrupted run left, the same
 * command removes. So a signal does here what signals do. */
#include <inttypes.h>
#include <string.h>

#include "cli/coupon.h"
#include "cli/progress.h"

#define NS_PER_S 1000000000

struct deletion {
    struct cli *cli;
    struct progress progress;
    int64_t begun_ns;
    int64_t told_ns; /* the last JSON line */
};

static json_t *progress_json(const struct deletion *deletion, uint64_t done, uint64_t total)
{
    const char *campaign = deletion->cli->words[0];

    return json_pack("{s:o, s:I, s:I}", "campaign", cli_json_text(campaign, strlen(campaign)),
                     "accounts_deleted", (json_int_t)done, "of", (json_int_t)total);
}

/* The first time at once, then once a second. Answers non-zero when nobody can read it any more. */
static int tell_line(struct deletion *deletion, uint64_t done, uint64_t total)
{
    int64_t now_ns = lk_now_ns();

    if (deletion->told_ns != 0 && now_ns - deletion->told_ns < NS_PER_S)
        return 0;
    deletion->told_ns = now_ns;
    return cli_json_print(deletion->cli, progress_json(deletion, done, total)) ? 0 : 1;
}

static int tell(uint64_t done, uint64_t total, void *arg)
{
    struct deletion *deletion = arg;
    char words[128], left[CLI_TIME_SIZE];

    if (deletion->cli->json && deletion->cli->verbose)
        return tell_line(deletion, done, total);
    if (!progress_is_due(&deletion->progress))
        return 0;
    double seconds = (double)(lk_now_ns() - deletion->begun_ns) / NS_PER_S;
    int size = snprintf(words, sizeof(words),
                        "%" PRIu64 " of about %" PRIu64 " accounts deleted, %.0f/s", done, total,
                        seconds > 0 ? (double)done / seconds : 0);
    if (done > 0 && total > done)
        snprintf(
            words + size, sizeof(words) - (size_t)size, ", %s left",
            cli_age_text((int64_t)(seconds * 1000 * (double)(total - done) / (double)done), left));
    progress_show(&deletion->progress, done, total, words);
    return 0;
}

static int delete_campaign(struct cli *cli, struct desk *desk)
{
    struct deletion deletion = { .cli = cli, .begun_ns = lk_now_ns() };

    progress_begin(&deletion.progress, cli->quiet);
    int status = lk_campaign_delete(desk->ledger, tell, &deletion, desk_long_deadline(cli));
    progress_end(&deletion.progress);
    return status;
}

static int run_delete(struct cli *cli, int argc, char **argv)
{
    bool yes = false;
    const char *id_text = NULL; /* deleting twice is harmless; the option is there because every
                                   writing verb has it */
    const struct cli_option options[] = {
        { .kind = CLI_FLAG, .name = "yes", .value = &yes },
        { .kind = CLI_TEXT, .name = "id", .value = &id_text },
        { 0 },
    };
    lk_id id;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    if (!yes)
        return cli_usage(
            cli, "this removes the campaign and every account in it; say --yes if that is meant");
    if (!desk_open_to_change(cli, id_text, &desk, &id))
        return cli->code;
    int status = delete_campaign(cli, &desk);
    if (status > 0) /* tell() said no */
        return cli->code;
    if (status == LK_E_UNKNOWN || status == LK_E_DEADLINE)
        return cli_refuse(cli, EXIT_UNKNOWN,
                          "%s: not all was confirmed; the same command (with --id %s or without) "
                          "removes the rest",
                          cli->words[0], lk_id_text(id, (char[LK_ID_TEXT_SIZE]){ 0 }));
    /* With an id it may be the second run of one that had got through. */
    if (status != LK_OK && !(status == LK_E_NOT_FOUND && id_text))
        return cli_fail(cli, status, "%s", cli->words[0]);
    return print_done_to_campaign(cli, "deleted", cli->words[0], id);
}

const struct verb coupon_delete = {
    .name = "coupon delete",
    .summary = "remove a campaign",
    .help = "usage: latchkey coupon delete CAMPAIGN --yes [--id ID]\n"
            "\n"
            "Removes the campaign with all its accounts, for good. Run again it removes what was "
            "left. On a\n"
            "terminal a bar tells how far it is; with --json and -v a line a second does.\n"
            "\n"
            "  --yes    means it\n"
            "  --id ID  a campaign that is gone already is then no error\n",
    .run = run_delete,
};
