/* outcome.c - the one table from a status to the exit code and to what its reader can do about it.
 */
#include <string.h>

#include "cli/frame.h"

struct outcome {
    int status;
    int code;
    const char *advice;
};

static const struct outcome outcomes[] = {
    { LK_OK, EXIT_DONE, "" },
    { LK_E_INVALID, EXIT_USAGE, "correct the arguments, --help names them" },
    { LK_E_NOMEM, EXIT_OWN, "free some memory and try again" },
    { LK_E_DEADLINE, EXIT_NO_SERVER,
      "the servers are too slow or gone: try again, `latchkey doctor` looks at them" },
    { LK_E_CANCELLED, EXIT_OWN, "try again" },
    { LK_E_CLOSED, EXIT_OWN, "try again" },
    { LK_E_FORKED, EXIT_OWN, "this is a fault of latchkey, please report it" },
    { LK_E_WOULD_DEADLOCK, EXIT_OWN, "this is a fault of latchkey, please report it" },
    { LK_E_UNKNOWN, EXIT_UNKNOWN, "the same command with --id settles it" },
    { LK_E_STATE, EXIT_OWN, "this is a fault of latchkey, please report it" },
    { LK_E_SYSTEM, EXIT_OWN, "raise the limits on processes and descriptors (ulimit -a)" },
    { LK_E_LOST, EXIT_LOST, "try again" },
    { LK_E_BUSY, EXIT_REFUSED, "try again later, or wait for it" },
    { LK_E_LINE_FULL, EXIT_REFUSED,
      "wait until `latchkey status` shows nobody, then delete the path" },
    { LK_E_NO_SERVER, EXIT_NO_SERVER,
      "start one, or name another with --servers; `latchkey doctor` looks further" },
    { LK_E_NO_RIGHTS, EXIT_REFUSED,
      "give credentials with --auth, or have the path's ACL changed" },
    { LK_E_SERVER, EXIT_REFUSED, "the server's log says more" },
    { LK_E_PATH, EXIT_USAGE, "name another path" },
    { LK_E_TOO_LARGE, EXIT_USAGE, "shorten it" },
    { LK_E_KIND, EXIT_REFUSED, "use another path, `latchkey doctor PATH` says what this one is" },
    { LK_E_FOREIGN, EXIT_REFUSED, "use another path, or remove what is there if nobody needs it" },
    { LK_E_CORRUPT, EXIT_REFUSED, "docs/format.md says how to look at it; nothing was changed" },
    { LK_E_NEWER_FORMAT, EXIT_REFUSED, "upgrade this latchkey" },
    { LK_E_NOT_FOUND, EXIT_REFUSED, "check the name, --servers and --root" },
    { LK_E_EXISTS, EXIT_REFUSED, "choose another name, or use what is there" },
    { LK_E_VERSION, EXIT_REFUSED, "look at it again, and decide anew" },
    { LK_E_NOT_EMPTY, EXIT_REFUSED, "remove what is below it first" },
    { LK_E_STALE, EXIT_REFUSED, "take the lock again, for a newer fence" },
    { LK_E_PERMITS, EXIT_REFUSED, "`latchkey status` says how many it has: ask for those" },
    { LK_E_CONFIG, EXIT_CONFIG, "correct the file, the sample latchkey.conf lists the keys" },
    { LK_E_SOLD_OUT, EXIT_REFUSED, "add stock with `latchkey coupon add-stock`" },
    { LK_E_LIMIT, EXIT_REFUSED, "void a coupon of the user's, or claim for another" },
    { LK_E_NOT_OPEN, EXIT_REFUSED, "`latchkey coupon show` says when it opens" },
    { LK_E_CAMPAIGN_CLOSED, EXIT_REFUSED, "claimed coupons can still be redeemed" },
    { LK_E_CAMPAIGN_ENDED, EXIT_REFUSED, "create another campaign" },
    { LK_E_NO_COUPON, EXIT_REFUSED, "`latchkey coupon show CAMPAIGN USER` lists the user's" },
    { LK_E_FROZEN, EXIT_REFUSED,
      "redeem or unfreeze it under that order, or wait until its time is over" },
    { LK_E_NOT_FROZEN, EXIT_REFUSED,
      "freeze it for this order first, or redeem it without --order" },
    { LK_E_REDEEMED, EXIT_REFUSED, "refund it to use it again" },
    { LK_E_NOT_REDEEMED, EXIT_REFUSED, "only a redeemed coupon can be refunded" },
    { LK_E_VOID, EXIT_REFUSED, "claim another" },
    { LK_E_UNFROZEN, EXIT_REFUSED, "use another order" },
    { LK_E_ID_TOO_OLD, EXIT_REFUSED, "`latchkey coupon show` tells what became of the coupon" },
    { LK_E_ID_DIFFERS, EXIT_REFUSED, "repeat the first command exactly, or choose another --id" },
    { LK_E_ACCOUNT_FULL, EXIT_REFUSED, "claim for another user" },
    { LK_E_LINKED, EXIT_REFUSED, "mend the operation of the chain that was refused" },
};

static const struct outcome *outcome_of(int status)
{
    static const struct outcome unknown = { 0, EXIT_OWN,
                                            "this is a fault of latchkey, please report it" };
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
        if (outcomes[i].status == status)
            return &outcomes[i];
    return &unknown;
}

/* Where CMD runs, 1 and 2 are CMD's own words, and there is no id that would settle a 75. */
static int with_command(const struct cli *cli, int code)
{
    bool is_answer = code == EXIT_REFUSED || code == EXIT_AUDIT || code == EXIT_UNKNOWN;
    return cli->command != NULL && is_answer ? EXIT_OWN : code;
}

int outcome_code(int status)
{
    return outcome_of(status)->code;
}

int cli_code(const struct cli *cli, int status)
{
    return with_command(cli, outcome_code(status));
}

static void refuse(struct cli *cli, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void refuse(struct cli *cli, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(cli, format, args);
    va_end(args);
    cli->code = code;
}

int cli_fail(struct cli *cli, int status, const char *what, ...)
{
    char text[1024];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    refuse(cli, cli_code(cli, status), "%s: %s; %s", text, lk_status_text(status),
           outcome_of(status)->advice);
    return cli->code;
}

int cli_refuse(struct cli *cli, int code, const char *line, ...)
{
    va_list args;
    va_start(args, line);
    say(cli, line, args);
    va_end(args);
    return cli->code = with_command(cli, code);
}

int cli_usage(struct cli *cli, const char *what, ...)
{
    char text[1024];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    const char *space = cli->verb != NULL ? " " : "",
               *verb = cli->verb != NULL ? cli->verb->name : "";
    refuse(cli, EXIT_USAGE, "%s; see latchkey%s%s --help", text, space, verb);
    return cli->code;
}
