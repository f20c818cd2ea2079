/* coupon.c - `latchkey coupon`: a table of verbs, and what they share.
 *
 * Every verb that writes has an id before it asks, its own or the caller's, so that an answer that
 * got lost is never the end: the line that says so prints the id, and the same command with it
 * finds out. */
#include "cli/coupon.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct verb *const verbs[] = {
    &coupon_create, &coupon_claim,  &coupon_freeze, &coupon_unfreeze,  &coupon_redeem,
    &coupon_refund, &coupon_void,   &coupon_show,   &coupon_lookup,    &coupon_list,
    &coupon_do,     &coupon_export, &coupon_audit,  &coupon_add_stock, &coupon_grow,
    &coupon_close,  &coupon_delete, &coupon_sweep,  &coupon_watch,
};

static int run(struct cli *cli, int argc, char **argv)
{
    const char *name = cli_subverb(cli, &argc, &argv);
    if (!name)
        return cli->code;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i]->name + strlen("coupon "), name) == 0) {
            cli->verb = verbs[i];
            return verbs[i]->run(cli, argc, argv);
        }
    }
    return cli_usage(cli, "there is no 'coupon %s'", name);
}

const struct verb verb_coupon = {
    .name = "coupon",
    .summary = "a campaign's coupons: claim, freeze, redeem, audit",
    .help =
        "usage: latchkey coupon VERB CAMPAIGN ...\n"
        "\n"
        "Coupons of a campaign: never oversold, never lost, nothing done twice.\n"
        "\n"
        "  create CAMPAIGN --stock N            a new campaign\n"
        "  claim CAMPAIGN USER                  take coupons from the stock; prints one id a line\n"
        "  claim CAMPAIGN --from FILE|-         the same for many users, one a line\n"
        "  freeze CAMPAIGN USER COUPON --order ORDER    hold it for an order\n"
        "  unfreeze, redeem, refund, void CAMPAIGN USER COUPON [--order ORDER]\n"
        "  do CAMPAIGN --from FILE|-            many operations, a JSON object a line\n"
        "  show CAMPAIGN [USER]                 the campaign, or one user's coupons\n"
        "  lookup CAMPAIGN USER ID              what became of an operation\n"
        "  list CAMPAIGN                        every account\n"
        "  export CAMPAIGN                      every coupon, as JSON lines or CSV\n"
        "  audit CAMPAIGN [--repair [--yes]]    recount everything; 2 when something is wrong\n"
        "  add-stock CAMPAIGN N                 more coupons\n"
        "  grow CAMPAIGN --shards K             more shards, for more processes that claim at "
        "once\n"
        "  close CAMPAIGN                       end claiming\n"
        "  delete CAMPAIGN --yes                remove it with all its accounts\n"
        "  sweep CAMPAIGN [--every SEC]         write down what time has done\n"
        "  watch CAMPAIGN                       a line when it opens, sells out, gets stock, ends\n"
        "\n"
        "CAMPAIGN is an absolute path. `latchkey coupon VERB --help` tells more.\n",
    .run = run,
};

/* ---- the campaign ---- */

bool desk_open(struct cli *cli, const char *campaign, struct desk *out)
{
    if (!cli_path(cli, campaign))
        return false;
    DESK desk = { .client = cli_connect(cli, cli_deadline(cli)) };
    if (!desk.client)
        return false;
    int status = lk_ledger_new(&desk.ledger, desk.client, campaign);
    if (status != LK_OK) {
        cli->code = cli_fail(cli, status, "%s", campaign);
        return false;
    }
    *out = desk;
    desk = (struct desk){ 0 };
    return true;
}

bool desk_open_for_lines(struct cli *cli, const char *campaign, struct loop *loop,
                         lk_ledger **out_ledger)
{
    lk_campaign_info info;

    if (!cli_path(cli, campaign) || !loop_reach(loop, cli, cli_deadline(cli)))
        return false;
    int status = lk_ledger_new(out_ledger, loop->client, campaign);
    if (status == LK_OK)
        status = lk_campaign_show(*out_ledger, cli_deadline(cli), &info);
    if (status == LK_OK)
        return loop_hear(loop, cli);
    cli->code = cli_fail(cli, status, "%s", campaign);
    return false;
}

bool desk_open_to_change(struct cli *cli, const char *id_text, struct desk *out, lk_id *id)
{
    return desk_open(cli, cli->words[0], out) && choose_id(cli, id_text, id);
}

void desk_close(struct desk *desk)
{
    desk->ledger = lk_ledger_free(desk->ledger);
    desk->client = cli_disconnect(desk->client);
}

int64_t desk_long_deadline(const struct cli *cli)
{
    int64_t one = cli->connect_timeout_ns;

    return one > INT64_MAX / 120 ? LK_FOREVER : lk_now_ns() + 60 * one;
}

/* ---- words ---- */

bool text_is_name(const char *text, size_t size, size_t most)
{
    if (size == 0 || size > most)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    json_t *utf8 = json_stringn(text, size);
    json_decref(utf8);
    return utf8 != NULL;
}

static bool check_name(struct cli *cli, const char *word, const char *text, size_t most)
{
    if (text_is_name(text, strlen(text), most))
        return true;
    cli->code = cli_usage(cli, "%s must be 1 to %zu bytes of UTF-8 without control characters",
                          word, most);
    return false;
}

bool check_user(struct cli *cli, const char *user)
{
    return check_name(cli, "USER", user, LK_USER_MAX);
}

bool check_order(struct cli *cli, const char *order)
{
    return !order || check_name(cli, "ORDER", order, LK_ORDER_MAX);
}

bool check_coupon(struct cli *cli, const char *text, lk_coupon *out)
{
    if (lk_coupon_parse(text, out) == LK_OK)
        return true;
    cli->code = cli_usage(cli, "COUPON must be SHARD-SERIAL, as claim printed it");
    return false;
}

bool choose_id(struct cli *cli, const char *text, lk_id *out)
{
    *out = LK_ID_NONE; /* the call makes one, by the server's clock */
    if (!text)
        return true;
    if (lk_id_from_text(text, out) == LK_OK)
        return true;
    cli->code = cli_usage(cli, "--id must be 1 to 256 bytes");
    return false;
}

bool choose_ttl(struct cli *cli, const char *option, int64_t ns, int64_t *out_ms)
{
    if (ns == 0) {
        cli->code = cli_usage(cli, "%s must be above 0", option);
        return false;
    }
    *out_ms = ns / 1000000 + (ns % 1000000 != 0);
    return true;
}

lk_ledger_verb verb_named(const char *name)
{
    lk_ledger_verb verb = LK_LEDGER_CLAIM;

    while (verb <= LK_LEDGER_VOID && strcmp(lk_ledger_verb_name(verb), name) != 0)
        verb++;
    return verb <= LK_LEDGER_VOID ? verb : 0;
}

char *status_word(int status, char word[STATUS_WORD_SIZE])
{
    const char *name = lk_status_name(status);
    size_t size = 0;

    name += strncmp(name, "LK_E_", 5) == 0 ? 5 : strncmp(name, "LK_", 3) == 0 ? 3 : 0;
    for (; name[size] && size < STATUS_WORD_SIZE - 1; size++)
        word[size] = name[size] == '_' ? '-' : (char)tolower((unsigned char)name[size]);
    word[size] = '\0';
    return word;
}

int refuse_with_id(struct cli *cli, int status, lk_id id, const char *what)
{
    char text[LK_ID_TEXT_SIZE];

    if (status != LK_E_UNKNOWN)
        return cli_fail(cli, status, "%s", what);
    return cli_refuse(
        cli, EXIT_UNKNOWN,
        "%s: the reply was lost, it may have been done; the same command with --id %s settles it",
        what, lk_id_text(id, text));
}

int refuse_operation(struct cli *cli, const lk_ledger_result *result, const char *what)
{
    char until[CLI_TIME_SIZE];

    if (result->status == LK_E_ID_DIFFERS && result->differs)
        return cli_refuse(
            cli, cli_code(cli, result->status),
            "%s: this id was used before with another %s; repeat it exactly, or take a new id",
            what, result->differs);
    if (result->status == LK_E_NOT_OPEN && result->retry_ms > 0)
        return cli_refuse(cli, cli_code(cli, result->status),
                          "%s: the campaign is not open yet; come back at %s", what,
                          cli_time_text(result->retry_ms, until));
    if (result->status == LK_E_FROZEN && result->retry_ms > 0)
        return cli_refuse(
            cli, cli_code(cli, result->status),
            "%s: the coupon is frozen for an order until %s; name that order, or wait", what,
            cli_time_text(result->retry_ms, until));
    return refuse_with_id(cli, result->status, result->id, what);
}

int print_done_to_campaign(struct cli *cli, const char *done, const char *campaign, lk_id id)
{
    char text[LK_ID_TEXT_SIZE];

    if (!cli->json) {
        printf("%s %s\n", done, campaign);
        return EXIT_DONE;
    }
    json_t *line = json_pack("{s:o, s:s, s:s}", "campaign",
                             cli_json_text(campaign, strlen(campaign)), "done", done, "id",
                             lk_id_text(id, text));
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

bool print_result_line(const char *user, size_t size, const lk_ledger_result *result)
{
    char word[STATUS_WORD_SIZE], text[LK_COUPON_TEXT_SIZE];
    char *escaped = cli_escape(user, size);

    printf("%s\t%s\t", escaped, status_word(result->status, word));
    free(escaped);
    for (uint32_t i = 0; result->status == LK_OK && i < result->count; i++)
        printf("%s%s", i ? "," : "", lk_coupon_text(result->coupons[i], text));
    puts("");
    return !ferror(stdout);
}

json_t *coupons_json(const lk_ledger_result *result)
{
    char text[LK_COUPON_TEXT_SIZE];
    json_t *coupons = json_array();

    for (uint32_t i = 0; result->status == LK_OK && i < result->count; i++)
        json_array_append_new(coupons, json_string(lk_coupon_text(result->coupons[i], text)));
    return coupons;
}

static bool is_refusal(int status)
{
    return (status <= LK_E_SOLD_OUT && status >= LK_E_LINKED) || status == LK_E_INVALID
           || status == LK_E_TOO_LARGE;
}

void tally_add(const struct cli *cli, struct tally *tally, int status)
{
    if (status == LK_OK) {
        tally->done++;
    } else if (is_refusal(status)) {
        tally->refused++;
    } else {
        int code = cli_code(cli, status);
        tally->unanswered++;
        if (tally->worst == EXIT_DONE || code == EXIT_UNKNOWN)
            tally->worst = code;
    }
}

int tally_code(const struct tally *tally, int interrupted, int failure)
{
    if (interrupted)
        return 128 + interrupted;
    return tally->worst == EXIT_UNKNOWN || failure == EXIT_DONE ? tally->worst : failure;
}

json_t *result_json(const lk_ledger_result *result, uint32_t index, const char *user)
{
    char coupon[LK_COUPON_TEXT_SIZE], id[LK_ID_TEXT_SIZE], time[CLI_TIME_SIZE];

    return json_pack("{s:s, s:o, s:s, s:s, s:I, s:s, s:b}", "coupon",
                     lk_coupon_text(result->coupons[index], coupon), "user",
                     cli_json_text(user, strlen(user)), "state",
                     lk_coupon_state_name(result->state), "id", lk_id_text(result->id, id), "zxid",
                     (json_int_t)result->zxid, "time", cli_time_text(result->time_ms, time),
                     "repeated", (int)result->repeated);
}
