/* coupon_operation.c - the verbs on coupons: claim, freeze, unfreeze, redeem, refund, void; and
 * lookup, which only asks what became of one.
 *
 * They differ in a word and an option; they share one way in (words checked before a server is
 * asked) and one way out. */
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"

static int print_result(struct cli *cli, const lk_ledger_result *result, const char *user,
                        bool with_state)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    for (uint32_t i = 0; i < result->count; i++) {
        if (cli->json) {
            if (!cli_json_print(cli, result_json(result, i, user)))
                return cli->code;
        } else if (with_state) {
            printf("%s %s\n", lk_coupon_text(result->coupons[i], coupon),
                   lk_coupon_state_name(result->state));
        } else {
            printf("%s\n", lk_coupon_text(result->coupons[i], coupon));
        }
    }
    if (result->repeated)
        cli_note(cli, "done before under this id; this is its answer");
    return EXIT_DONE;
}

/* "/shop/spring: claim for ann", "/shop/spring: redeem 0-17 of ann"; freed by the caller. */
static char *describe(const char *campaign, const lk_ledger_op *op)
{
    char coupon[LK_COUPON_TEXT_SIZE], *what;

    int size = op->verb == LK_LEDGER_CLAIM
                   ? asprintf(&what, "%s: claim for %s", campaign, op->user)
                   : asprintf(&what, "%s: %s %s of %s", campaign, lk_ledger_verb_name(op->verb),
                              lk_coupon_text(op->coupon, coupon), op->user);
    return size < 0 ? NULL : what;
}

static void free_text(char **text)
{
    free(*text);
}

static int do_operation(struct cli *cli, struct desk *desk, lk_ledger_op *op, const char *id)
{
    lk_ledger_result result = { .status = LK_OK };

    if (!choose_id(cli, id, &op->id))
        return cli->code;
    result.id = op->id;
    int status = lk_ledger_do(desk->ledger, op, cli_deadline(cli), &result);
    if (status == LK_OK)
        return print_result(cli, &result, op->user, op->verb != LK_LEDGER_CLAIM);
    /* What never reached the ledger leaves the result as it was. */
    result.status = status;
    __attribute__((cleanup(free_text))) char *what = describe(cli->words[0], op);
    return what ? refuse_operation(cli, &result, what) : cli_fail(cli, LK_E_NOMEM, "coupon");
}

/* ---- claim ---- */

static int run_claim(struct cli *cli, int argc, char **argv)
{
    uint64_t count = 1;
    const char *from = NULL, *id = NULL;
    const struct cli_option options[] = {
        { .kind = CLI_NUMBER, .name = "count", .value = &count, .least = 1, .most = LK_CLAIM_MAX },
        { .kind = CLI_TEXT, .name = "from", .value = &from },
        { .kind = CLI_TEXT, .name = "id", .value = &id },
        { 0 },
    };

    if (!cli_parse(cli, options, 1, 2, argc, argv))
        return cli->code;
    if (from && cli->word_count == 2)
        return cli_usage(cli, "USER and --from exclude each other");
    if (from)
        return coupon_claim_bulk(cli, cli->words[0], from, (uint32_t)count, id);
    if (cli->word_count != 2)
        return cli_usage(cli, "USER or --from FILE is missing");
    lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = cli->words[1], .count = (uint32_t)count };
    DESK desk = { 0 };
    if (!check_user(cli, op.user) || !desk_open(cli, cli->words[0], &desk))
        return cli->code;
    return do_operation(cli, &desk, &op, id);
}

const struct verb coupon_claim = {
    .name = "coupon claim",
    .summary = "take coupons from the stock",
    .help = "usage: latchkey coupon claim CAMPAIGN USER [--count N] [--id ID]\n"
            "       latchkey coupon claim CAMPAIGN --from FILE|- [--count N] [--id PREFIX]\n"
            "\n"
            "Takes coupons for USER and prints their ids, one a line. All of N or none.\n"
            "\n"
            "  --count N     how many, 1 to 64 (1)\n"
            "  --id ID       names the claim: the same ID again gives the same answer, never more "
            "coupons\n"
            "  --from FILE   one user a line ('-': standard input); prints "
            "USER<TAB>STATUS<TAB>COUPON a line,\n"
            "                in their order. The id of a line is PREFIX/USER/N, N counting the "
            "user's lines:\n"
            "                the same command again finishes what was left and does nothing twice\n"
            "\n"
            "exit: 0 done; with --from when every line was answered, refusals too. 1 refused. 75 "
            "unknown: the\n"
            "same command with the --id that is printed settles it.\n",
    .run = run_claim,
};

/* ---- transitions of one coupon ---- */

/* Words and options of all five; only freeze has --ttl. */
static bool parse_transition(struct cli *cli, int argc, char **argv, lk_ledger_op *op,
                             const char **id)
{
    int64_t ttl_ns = 0;
    bool has_ttl = false;
    const struct cli_option options[] = {
        { .kind = CLI_TEXT, .name = "order", .value = &op->order },
        { .kind = CLI_TEXT, .name = "id", .value = id },
        { op->verb == LK_LEDGER_FREEZE ? CLI_SECONDS : CLI_END, .name = "ttl", .value = &ttl_ns,
          .given = &has_ttl },
        { 0 },
    };

    if (!cli_parse(cli, options, 3, 3, argc, argv))
        return false;
    op->user = cli->words[1];
    if (!check_user(cli, op->user) || !check_coupon(cli, cli->words[2], &op->coupon)
        || !check_order(cli, op->order))
        return false;
    return !has_ttl || choose_ttl(cli, "--ttl", ttl_ns, &op->ttl_ms);
}

static int run_transition(struct cli *cli, int argc, char **argv)
{
    /* `coupon redeem` is the ledger's "redeem". */
    lk_ledger_op op = { .verb = verb_named(cli->verb->name + strlen("coupon ")) };
    const char *id = NULL;

    DESK desk = { 0 };
    if (!parse_transition(cli, argc, argv, &op, &id))
        return cli->code;
    if (op.verb == LK_LEDGER_FREEZE && !op.order)
        return cli_usage(cli, "--order ORDER is missing");
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    return do_operation(cli, &desk, &op, id);
}

#define ID_HELP                                                                                    \
    "  --id ID        names the operation: the same ID again gives the same answer and does "      \
    "nothing\n"                                                                                    \
    "\n"                                                                                           \
    "exit: 0 done, 1 refused, 75 unknown: the same command with the --id that is printed settles " \
    "it.\n"

const struct verb coupon_freeze = {
    .name = "coupon freeze",
    .summary = "hold a coupon for an order",
    .help =
        "usage: latchkey coupon freeze CAMPAIGN USER COUPON --order ORDER [--ttl SEC] [--id ID]\n"
        "\n"
        "Holds a claimed coupon for an order, until it is redeemed, unfrozen, or SEC have passed.\n"
        "\n"
        "  --order ORDER  for whom; 1 to 128 bytes\n"
        "  --ttl SEC      how long (the campaign's)\n" ID_HELP,
    .run = run_transition,
};

const struct verb coupon_redeem = {
    .name = "coupon redeem",
    .summary = "spend a coupon",
    .help = "usage: latchkey coupon redeem CAMPAIGN USER COUPON [--order ORDER] [--id ID]\n"
            "\n"
            "Spends a coupon once.\n"
            "\n"
            "  --order ORDER  completes that order's freeze; without it the coupon must not be "
            "frozen\n" ID_HELP,
    .run = run_transition,
};

const struct verb coupon_refund = {
    .name = "coupon refund",
    .summary = "undo a redemption",
    .help = "usage: latchkey coupon refund CAMPAIGN USER COUPON [--order ORDER] [--id ID]\n"
            "\n"
            "Gives a redeemed coupon back to its user, who may redeem it again.\n"
            "\n"
            "  --order ORDER  noted with it\n" ID_HELP,
    .run = run_transition,
};

const struct verb coupon_void = {
    .name = "coupon void",
    .summary = "make a coupon worthless",
    .help = "usage: latchkey coupon void CAMPAIGN USER COUPON [--order ORDER] [--id ID]\n"
            "\n"
            "Ends a claimed coupon for good. It does not go back to the stock, and no longer "
            "counts for the user's\n"
            "limit.\n"
            "\n"
            "  --order ORDER  noted with it\n" ID_HELP,
    .run = run_transition,
};

/* ---- unfreeze ---- */

/* Without --order the one it is frozen for is meant. A strdup()ed order; NULL: it is not frozen
 * (LK_OK), or status. */
static int frozen_order(struct cli *cli, struct desk *desk, const lk_ledger_op *op, char **out)
{
    lk_account *account;
    int status = lk_account_show(desk->ledger, op->user, cli_deadline(cli), &account);
    if (status != LK_OK)
        return status;
    status = LK_E_NO_COUPON;
    for (size_t i = 0; i < account->count; i++) {
        const lk_coupon_info *info = &account->coupons[i];
        if (info->coupon.shard != op->coupon.shard || info->coupon.serial != op->coupon.serial)
            continue;
        status = info->state == LK_FROZEN ? LK_OK : LK_E_NOT_FROZEN;
        if (status == LK_OK && !(*out = strdup(info->order)))
            status = LK_E_NOMEM;
    }
    lk_account_free(account);
    return status;
}

/* A repeated unfreeze without --order finds nothing frozen any more: only the id still knows. Asked
 * with any order it tells whether all else is as it was; what is known is never done again. */
static bool was_done(struct cli *cli, struct desk *desk, const lk_ledger_op *op, const char *id,
                     lk_ledger_result *out)
{
    lk_ledger_op again = *op;
    lk_ledger_result judged;

    if (!id || lk_id_from_text(id, &again.id) != LK_OK
        || lk_ledger_lookup(desk->ledger, op->user, again.id, cli_deadline(cli), out) != LK_OK)
        return false;
    again.order = "any";
    int status = lk_ledger_do(desk->ledger, &again, cli_deadline(cli), &judged);
    return status == LK_OK || (status == LK_E_ID_DIFFERS && strcmp(judged.differs, "order") == 0);
}

static int run_unfreeze(struct cli *cli, int argc, char **argv)
{
    lk_ledger_op op = { .verb = LK_LEDGER_UNFREEZE };
    const char *id = NULL;
    lk_ledger_result before;

    DESK desk = { 0 };
    if (!parse_transition(cli, argc, argv, &op, &id) || !desk_open(cli, cli->words[0], &desk))
        return cli->code;
    if (op.order)
        return do_operation(cli, &desk, &op, id);
    if (was_done(cli, &desk, &op, id, &before)) {
        before.repeated = true;
        return print_result(cli, &before, op.user, true);
    }
    __attribute__((cleanup(free_text))) char *order = NULL;
    int status = frozen_order(cli, &desk, &op, &order);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s: unfreeze %s of %s", cli->words[0], cli->words[2],
                        op.user);
    op.order = order;
    return do_operation(cli, &desk, &op, id);
}

const struct verb coupon_unfreeze = {
    .name = "coupon unfreeze",
    .summary = "give up a freeze",
    .help = "usage: latchkey coupon unfreeze CAMPAIGN USER COUPON [--order ORDER] [--id ID]\n"
            "\n"
            "Ends a freeze; the order that had it can't freeze the coupon again. With --order a "
            "coupon that is not\n"
            "frozen is no fault: the order's late freeze is then refused.\n"
            "\n"
            "  --order ORDER  whose freeze (the present one)\n" ID_HELP,
    .run = run_unfreeze,
};

/* ---- lookup ---- */

static int run_lookup(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };
    lk_ledger_result result;
    lk_id id;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 3, 3, argc, argv) || !check_user(cli, cli->words[1]))
        return cli->code;
    if (lk_id_from_text(cli->words[2], &id) != LK_OK)
        return cli_usage(cli, "ID must be 1 to 256 bytes");
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    int status = lk_ledger_lookup(desk.ledger, cli->words[1], id, cli_deadline(cli), &result);
    if (status == LK_E_NOT_FOUND)
        return cli_refuse(cli, EXIT_REFUSED,
                          "%s of %s: not done, as far as the account remembers; do it with this id",
                          cli->words[2], cli->words[1]);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s: %s of %s", cli->words[0], cli->words[2], cli->words[1]);
    result.repeated = false;
    return print_result(cli, &result, cli->words[1], true);
}

const struct verb coupon_lookup = {
    .name = "coupon lookup",
    .summary = "what became of an operation",
    .help = "usage: latchkey coupon lookup CAMPAIGN USER ID\n"
            "\n"
            "Tells what an operation of USER did, by its id, and does nothing itself. Prints "
            "COUPON STATE a line,\n"
            "as they were after it.\n"
            "\n"
            "exit: 0 it was done, 1 it was not, as far as the account remembers.\n",
    .run = run_lookup,
};
