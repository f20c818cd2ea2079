/* lock.c - `latchkey lock`: CMD runs while the lock is held. The work is in hold.h. */
#include "cli/hold.h"

#define NS_PER_MS 1000000

static const char help[] =
    "usage: latchkey lock [-x | -s | --permits N [--ttl SEC]] [-n | -w SEC] [-E CODE]\n"
    "                     [--label TEXT] [--on-lost=SIGNAL] [--grace SEC] [--status-fd N]\n"
    "                     PATH -- CMD [ARG...]\n"
    "Runs CMD while holding the lock at PATH. Without -n or -w it waits as long as it takes (or as "
    "the\n"
    "configuration file says). The line is fair. A path serves -x and -s, or permits: as its first "
    "user\n"
    "takes it.\n"
    "\n"
    "  -x                exclusive: nobody else holds it (the default)\n"
    "  -s                shared: beside others who share, and never beside -x\n"
    "  -n                try once, do not wait\n"
    "  -w SEC            wait no longer than that, connecting included\n"
    "  -E CODE           exit code when it was not acquired in time, instead of 124\n"
    "      --permits N   one of N permits: N hold side by side; all must say the same N\n"
    "      --ttl SEC     the permit ends so long after it was granted, and CMD with it: as if it "
    "were\n"
    "                    lost (with 2 permits or more)\n"
    "      --label TEXT  shown by `latchkey status`\n"
    "      --on-lost=SIGNAL\n"
    "                    what CMD's process group gets before the lease ends: TERM (default), "
    "KILL,\n"
    "                    HUP, INT, USR1, USR2; or ignore: it runs on\n"
    "      --grace SEC   from that signal to SIGKILL (an eighth of the session timeout, or of a "
    "shorter\n"
    "                    --ttl; at most a quarter)\n"
    "      --status-fd N how it ended, in one word on descriptor N: done, lost, timeout, refused,\n"
    "                    failed\n"
    "\n"
    "Exit code: CMD's; 128+n it died of signal n; 123 the lock was lost while it ran; 124 not\n"
    "acquired in time; 125 latchkey failed; 126 CMD can't be run; 127 it was not found.\n"
    "CMD finds LATCHKEY_LOCK_PATH, _LOCK_NODE, _FENCE, _SESSION, _SERVERS, _ROOT and _CONFIG in "
    "its\n"
    "environment. What CMD writes elsewhere should carry the fence along.\n";

static void take_defaults(const struct cli *cli, struct hold_spec *spec)
{
    int64_t wait_ms = cli_config_number(cli, "lock.wait", -1);
    if (!spec->wait_given && !spec->try_once && wait_ms >= 0) {
        spec->wait_given = true;
        spec->wait_ns = wait_ms * NS_PER_MS;
    }
    if (spec->words == NULL)
        spec->words = cli_config_text(cli, "lock.label", NULL);
}

static bool has_ttl(struct cli *cli, const struct hold_spec *spec)
{
    if (spec->kind != HOLD_PERMIT)
        cli_usage(cli, "--ttl is of permits: --permits 2 or more");
    else if (spec->ttl_ns < (int64_t)LK_PERMITS_TTL_MIN_MS * NS_PER_MS
             || spec->ttl_ns / NS_PER_MS > UINT32_MAX)
        cli_usage(cli, "--ttl: not from %g s to %.0f s", LK_PERMITS_TTL_MIN_MS / 1e3,
                  UINT32_MAX / 1e3);
    else
        return true;
    return false;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct hold_spec spec = HOLD_SPEC_INIT;
    const char *on_lost = NULL;
    bool exclusive = false, shared = false;
    uint64_t permits = 1;
    const struct cli_option options[] = {
        { CLI_FLAG, 'x', NULL, &exclusive, NULL, 0, 0 },
        { CLI_FLAG, 's', NULL, &shared, NULL, 0, 0 },
        { CLI_FLAG, 'n', NULL, &spec.try_once, NULL, 0, 0 },
        { CLI_SECONDS, 'w', NULL, &spec.wait_ns, &spec.wait_given, 0, 0 },
        { CLI_NUMBER, 'E', NULL, &spec.timeout_code, NULL, 0, 255 },
        { CLI_NUMBER, 0, "permits", &permits, NULL, 1, LK_PERMITS_MAX },
        { CLI_SECONDS, 0, "ttl", &spec.ttl_ns, &spec.ttl_given, 0, 0 },
        { CLI_TEXT, 0, "label", &spec.words, NULL, 0, 0 },
        { CLI_TEXT, 0, "on-lost", &on_lost, NULL, 0, 0 },
        { CLI_SECONDS, 0, "grace", &spec.grace_ns, &spec.grace_given, 0, 0 },
        { CLI_NUMBER, 0, "status-fd", &spec.status_fd, &spec.status_given, 0, INT32_MAX },
        { CLI_END, 0, NULL, NULL, NULL, 0, 0 },
    };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    spec.path = cli->words[0];
    /* A semaphore of one permit is a lock, and cheaper as one. */
    spec.kind = shared ? HOLD_READER : permits > 1 ? HOLD_PERMIT : HOLD_LOCK;
    spec.permits = (uint32_t)permits;
    if (cli->command == NULL || cli->command[0] == NULL)
        return cli_usage(cli, "CMD is missing: it stands behind --");
    if (exclusive && shared)
        return cli_usage(cli, "-x and -s exclude each other");
    if ((exclusive || shared) && permits > 1)
        return cli_usage(cli, "%s and --permits exclude each other", shared ? "-s" : "-x");
    if (spec.ttl_given && !has_ttl(cli, &spec))
        return cli->code;
    if (spec.try_once && spec.wait_given)
        return cli_usage(cli, "-n and -w exclude each other");
    if (!hold_check(cli, &spec, on_lost))
        return cli->code;
    take_defaults(cli, &spec);
    /* A wait of no time at all could not even connect. */
    spec.try_once |= spec.wait_given && spec.wait_ns == 0;
    return hold_run(cli, &spec);
}

const struct verb verb_lock = { "lock", "run CMD while holding a lock", help, true, run };
