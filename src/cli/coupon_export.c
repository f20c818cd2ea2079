/* coupon_export.c - `coupon export`: every coupon, or all that happened to it, a line each, for
 * other programs.
 *
 * Accounts come a page at a time and go out as they come: a million take no more memory than a
 * thousand. Nothing is escaped for a terminal's sake: a user is the bytes that it is. A file gets
 * its name when everything is in it; so who finds it finds all. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/coupon.h"
#include "cli/outfile.h"
#include "cli/progress.h"

#define BUFFER_SIZE 65536

struct export
{
    struct cli *cli;
    FILE *to;
    struct outfile file; /* with --output; else `to` is standard output */
    const char *output;  /* NULL: none */
    bool csv, history;
    struct progress progress;
    uint64_t coupons, issued, lines;
    int failed; /* errno of the first line that could not be written */
};

static void free_export(struct export *export)
{
    progress_end(&export->progress);
    outfile_close(&export->file);
}

/* ---- CSV, RFC 4180 ---- */

/* Quotes do no harm where they are not needed; blanks at an end need them for some readers. */
static void write_field(FILE *to, const char *text, char end)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_.:@+/";

    if (text[strspn(text, plain)] == '\0') {
        fputs(text, to);
    } else {
        fputc('"', to);
        for (; *text; text++) {
            if (*text == '"')
                fputc('"', to);
            fputc(*text, to);
        }
        fputc('"', to);
    }
    if (end == '\n')
        fputc('\r', to);
    fputc(end, to);
}

static void write_time(FILE *to, int64_t ms, char end)
{
    char text[CLI_TIME_SIZE];

    write_field(to, ms == 0 ? "" : cli_time_text(ms, text), end);
}

static void write_coupon_csv(FILE *to, const char *user, const lk_coupon_info *info)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    write_field(to, user, ',');
    write_field(to, lk_coupon_text(info->coupon, coupon), ',');
    write_field(to, lk_coupon_state_name(info->state), ',');
    write_field(to, info->order, ',');
    write_time(to, info->claimed_ms, ',');
    write_time(to, info->changed_ms, ',');
    write_time(to, info->frozen_until_ms, ',');
    write_field(to, info->ran_out ? "true" : "false", '\n');
}

static void write_transition_csv(FILE *to, const char *user, const lk_transition *transition)
{
    char coupon[LK_COUPON_TEXT_SIZE], id[LK_ID_TEXT_SIZE];

    write_field(to, user, ',');
    write_field(to, lk_coupon_text(transition->coupon, coupon), ',');
    write_field(to, lk_ledger_verb_name(transition->verb), ',');
    write_field(to, lk_coupon_state_name(transition->state), ',');
    write_field(to, transition->order, ',');
    write_field(to, transition_id(transition, id), ',');
    write_time(to, transition->time_ms, ',');
    fprintf(to, "%" PRId64 "\r\n", transition->zxid);
}

static void write_header(struct export *export)
{
    if (export->csv)
        fputs(export->history ? "user,coupon,verb,state,order,id,time,zxid\r\n"
                              : "user,coupon,state,order,claimed,changed,frozen_until,ran_out\r\n",
              export->to);
}

/* ---- lines ---- */

static void write_coupon(struct export *export, const char *user, const lk_coupon_info *info)
{
    if (export->csv)
        write_coupon_csv(export->to, user, info);
    else
        cli_json_write(export->to, coupon_json(user, info));
}

static void write_transition(struct export *export, const char *user,
                             const lk_transition *transition)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    if (export->csv) {
        write_transition_csv(export->to, user, transition);
        return;
    }
    json_t *line = transition_json(transition);
    json_object_set_new(line, "coupon", json_string(lk_coupon_text(transition->coupon, coupon)));
    json_object_set_new(line, "user", cli_json_text(user, strlen(user)));
    cli_json_write(export->to, line);
}

static bool is_written(struct export *export)
{
    export->lines++;
    if (!ferror(export->to))
        return true;
    export->failed = errno != 0 ? errno : EIO;
    return false;
}

static void show_progress(struct export *export)
{
    char words[64];

    snprintf(words, sizeof(words), "%" PRIu64 " coupons", export->coupons);
    progress_show(&export->progress, export->coupons, export->issued, words);
}

/* Answers non-zero to end it. */
static int export_account(const lk_account *account, void *arg)
{
    struct export *export = arg;

    for (size_t i = 0; i < account->count && !export->history; i++) {
        write_coupon(export, account->user, &account->coupons[i]);
        if (!is_written(export))
            return 1;
    }
    for (size_t i = 0; i < account->history_count && export->history; i++) {
        write_transition(export, account->user, &account->history[i]);
        if (!is_written(export))
            return 1;
    }
    export->coupons += account->count;
    show_progress(export);
    return 0;
}

/* ---- the verb ---- */

static int refuse_output(const struct export *export, int failed)
{
    return cli_refuse(export->cli, EXIT_OWN,
                      "%s: can't be written: %s; make room, nothing there was replaced",
                      export->output, strerror(failed));
}

static int finish(struct export *export)
{
    struct cli *cli = export->cli;

    progress_end(&export->progress);
    if (!export->output)
        return cli_flush(cli) ? EXIT_DONE : cli->code;
    int failed = outfile_finish(&export->file);
    if (failed)
        return refuse_output(export, failed);
    if (!cli->json) {
        cli_note(cli, "%s: %" PRIu64 " lines", export->output, export->lines);
        return EXIT_DONE;
    }
    json_t *line = json_pack("{s:o, s:o, s:I}", "campaign",
                             cli_json_text(cli->words[0], strlen(cli->words[0])), "output",
                             cli_json_text(export->output, strlen(export->output)), "lines",
                             (json_int_t) export->lines);
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

static int export_all(struct export *export)
{
    struct cli *cli = export->cli;
    lk_campaign_info info;

    DESK desk = { 0 };
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    int status = lk_campaign_show(desk.ledger, cli_deadline(cli), &info);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", cli->words[0]);
    export->issued = info.issued;
    write_header(export);
    errno = 0;
    status = lk_account_each(desk.ledger, export_account, export, desk_long_deadline(cli));
    if (status > 0 && !export->output)
        return cli_flush(cli) ? EXIT_OWN : cli->code;
    if (status > 0)
        return refuse_output(export, export->failed);
    /* What could be read was printed; a file would pass for the whole. */
    if (status != LK_OK)
        return cli_fail(cli, status, "%s: the export is not complete", cli->words[0]);
    return finish(export);
}

static bool parse_export(struct cli *cli, int argc, char **argv, struct export *export)
{
    const char *format = "jsonl";
    const struct cli_option options[] = {
        { .kind = CLI_TEXT, .name = "format", .value = &format },
        { .kind = CLI_FLAG, .name = "history", .value = &export->history },
        { .kind = CLI_TEXT, .name = "output", .value = &export->output },
        { 0 },
    };

    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return false;
    export->csv = strcmp(format, "csv") == 0;
    if (!export->csv && strcmp(format, "jsonl") != 0) {
        cli->code = cli_usage(cli, "--format must be jsonl or csv");
        return false;
    }
    if (export->csv && cli->json && !export->output) {
        cli->code = cli_usage(cli, "--json and --format csv exclude each other");
        return false;
    }
    return cli_path(cli, cli->words[0]);
}

static int run_export(struct cli *cli, int argc, char **argv)
{
    __attribute__((cleanup(free_export))) struct export export = { .cli = cli, .to = stdout };

    if (!parse_export(cli, argc, argv, &export))
        return cli->code;
    int failed = export.output ? outfile_open(&export.file, export.output) : 0;
    if (failed)
        return cli_refuse(cli, EXIT_USAGE, "%s: can't be written: %s; name another file",
                          export.output, strerror(failed));
    if (export.output)
        export.to = export.file.stream;
    setvbuf(export.to, NULL, _IOFBF, BUFFER_SIZE);
    /* Lines and a bar on one terminal would spoil each other. */
    progress_begin(&export.progress, cli->quiet || (!export.output && isatty(STDOUT_FILENO)));
    return export_all(&export);
}

const struct verb coupon_export = {
    .name = "coupon export",
    .summary = "every coupon, for other programs",
    .help = "usage: latchkey coupon export CAMPAIGN [--format jsonl|csv] [--history] [--output "
            "FILE]\n"
            "\n"
            "Prints every coupon, one a line, in no order of users: user, coupon, state, order, "
            "when claimed and\n"
            "last changed, until when frozen. Traffic may go on: each user's coupons are as they "
            "were at one\n"
            "moment, different users' at different ones.\n"
            "\n"
            "  --format F     jsonl: a JSON object a line, as `show --json` prints them (the "
            "default); csv: with a\n"
            "                 line of names, by RFC 4180\n"
            "  --history      what happened instead, one operation on one coupon a line: verb, "
            "state after it,\n"
            "                 order, id, time, zxid\n"
            "  --output FILE  into a file, which takes its place when all is in it\n"
            "\n"
            "A CSV field is the bytes that the user chose; who opens it with a program that takes "
            "'=' for a\n"
            "formula should import it as text.\n"
            "\n"
            "exit: 0 all was exported; 1 some account can't be read (what can was printed, FILE "
            "was not written);\n"
            "125 it could not be written.\n",
    .run = run_export,
};
