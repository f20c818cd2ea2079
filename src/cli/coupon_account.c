/* coupon_account.c - `coupon show CAMPAIGN USER`: a user's coupons, and under each what happened to
 * it.
 *
 * What time did by itself (a freeze that ran out, the campaign's end) bears no id: there is nobody
 * who asked for it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"

/* ---- JSON, also of exports ---- */

json_t *time_json(int64_t ms)
{
    char text[CLI_TIME_SIZE];

    return ms == 0 ? json_null() : json_string(cli_time_text(ms, text));
}

const char *transition_id(const lk_transition *transition, char text[LK_ID_TEXT_SIZE])
{
    const lk_id none = LK_ID_NONE;

    if (memcmp(&transition->id, &none, sizeof(none)) == 0)
        return "";
    return lk_id_text(transition->id, text);
}

json_t *coupon_json(const char *user, const lk_coupon_info *info)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:b}",               //
                     "coupon", lk_coupon_text(info->coupon, coupon),           //
                     "user", cli_json_text(user, strlen(user)),                //
                     "state", lk_coupon_state_name(info->state),               //
                     "order", cli_json_text(info->order, strlen(info->order)), //
                     "claimed", time_json(info->claimed_ms),                   //
                     "changed", time_json(info->changed_ms),                   //
                     "frozen_until", time_json(info->frozen_until_ms),         //
                     "ran_out", (int)info->ran_out);
}

json_t *transition_json(const lk_transition *transition)
{
    char text[LK_ID_TEXT_SIZE];
    const char *id = transition_id(transition, text);

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:I}",                                     //
                     "verb", lk_ledger_verb_name(transition->verb),                        //
                     "state", lk_coupon_state_name(transition->state),                     //
                     "order", cli_json_text(transition->order, strlen(transition->order)), //
                     "id", *id ? json_string(id) : json_null(),                            //
                     "time", time_json(transition->time_ms),                               //
                     "zxid", (json_int_t)transition->zxid);
}

/* ---- show ---- */

static bool is_same(lk_coupon a, lk_coupon b)
{
    return a.shard == b.shard && a.serial == b.serial;
}

static json_t *history_json(const lk_account *account, lk_coupon coupon)
{
    json_t *history = json_array();

    for (size_t i = 0; i < account->history_count; i++) {
        if (is_same(account->history[i].coupon, coupon))
            json_array_append_new(history, transition_json(&account->history[i]));
    }
    return history;
}

static void print_order(const char *order)
{
    if (order[0] == '\0')
        return;
    char *escaped = cli_escape_text(order);
    printf("  order %s", escaped);
    free(escaped);
}

static void print_coupon(const lk_coupon_info *info)
{
    char coupon[LK_COUPON_TEXT_SIZE], changed[CLI_TIME_SIZE], until[CLI_TIME_SIZE];

    printf("%-12s  %-8s  %s", lk_coupon_text(info->coupon, coupon),
           lk_coupon_state_name(info->state), cli_time_text(info->changed_ms, changed));
    print_order(info->order);
    if (info->frozen_until_ms != 0)
        printf("  until %s", cli_time_text(info->frozen_until_ms, until));
    puts(info->ran_out ? "  (run out)" : "");
}

static void print_transition(const lk_transition *transition)
{
    char id[LK_ID_TEXT_SIZE], time[CLI_TIME_SIZE];

    printf("    %s  %-8s  %-8s", cli_time_text(transition->time_ms, time),
           lk_ledger_verb_name(transition->verb), lk_coupon_state_name(transition->state));
    if (*transition_id(transition, id))
        printf("  id %s", id);
    if (transition->zxid != 0)
        printf("  zxid %" PRId64, transition->zxid);
    print_order(transition->order);
    puts(*transition_id(transition, id) ? "" : "  (by time)");
}

static int print_account(struct cli *cli, const lk_account *account)
{
    for (size_t i = 0; i < account->count; i++) {
        const lk_coupon_info *info = &account->coupons[i];
        if (cli->json) {
            json_t *line = coupon_json(account->user, info);
            json_object_set_new(line, "history", history_json(account, info->coupon));
            if (!cli_json_print(cli, line))
                return cli->code;
            continue;
        }
        print_coupon(info);
        for (size_t at = 0; at < account->history_count; at++) {
            if (is_same(account->history[at].coupon, info->coupon))
                print_transition(&account->history[at]);
        }
    }
    return EXIT_DONE;
}

int coupon_show_account(struct cli *cli, struct desk *desk, const char *user)
{
    lk_account *account;
    int status = lk_account_show(desk->ledger, user, cli_deadline(cli), &account);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s of %s", user, cli->words[0]);
    if (account->count == 0)
        cli_note(cli, "%s has no coupons", user);
    int code = print_account(cli, account);
    lk_account_free(account);
    return code;
}
