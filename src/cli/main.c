/* main.c - which verb it is. Everything else happens in that verb's file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/frame.h"

static const struct verb *const verbs[] = {
    &verb_lock,   &verb_elect, &verb_observe, &verb_status, &verb_break,
    &verb_coupon, &verb_dev,   &verb_demo,    &verb_doctor,
};
enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

static const char help_head[] =
    "usage: latchkey [GLOBAL OPTIONS] VERB [OPTIONS] [ARGS] [-- CMD...]\n"
    "Locks, elections and coupons on ZooKeeper.\n"
    "\n"
    "Verbs:\n";

static const char help_tail[] =
    "\n"
    "Global options (long ones anywhere before `--`, short ones before VERB only):\n"
    "  -s, --servers HOSTS       host:port[,host:port...]; else $LATCHKEY_SERVERS, else the\n"
    "                            configuration file, else 127.0.0.1:2181\n"
    "  -C, --config FILE         else $LATCHKEY_CONFIG, else ~/.config/latchkey.conf, else\n"
    "                            /etc/latchkey.conf\n"
    "      --root PATH           put before every PATH, not printed; else $LATCHKEY_ROOT\n"
    "      --session-timeout SEC asked of the server\n"
    "      --connect-timeout SEC until a server must have answered (10)\n"
    "      --auth SCHEME:FILE    the credential is read from FILE (digest: \"user:password\")\n"
    "      --json                one JSON object a line\n"
    "  -q, --quiet               refusals are the only words on stderr\n"
    "  -v, --verbose             tell more on stderr\n"
    "      --version, --help     --help also after every verb\n"
    "\n"
    "latchkey(1) has the exit codes and the whole contract.\n";

static int print_help(struct cli *cli)
{
    fputs(help_head, stdout);
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs(help_tail, stdout);
    return cli_flush(cli) ? EXIT_DONE : cli->code;
}

static int print_version(struct cli *cli)
{
    printf("latchkey %s\n", lk_version());
    return cli_flush(cli) ? EXIT_DONE : cli->code;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

/* Where a standard descriptor is closed, the next thing opened (a socket to the server!) would
 * become it and swallow what is printed. A placeholder that fails like a closed one takes the
 * number; CMD does not get it. */
static void occupy_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

/* A reader of our output who has gone is an error to report (EPIPE), not a death: SIGPIPE is
 * blocked (rather than ignored: then only the mask need be given back to CMD). And children must be
 * there to be waited for. */
static void settle_signals(struct cli *cli)
{
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigprocmask(SIG_BLOCK, &pipe, &cli->mask_at_start);
    cli->sigchld_ignored = signal(SIGCHLD, SIG_DFL) == SIG_IGN;
}

static int run(struct cli *cli, int argc, char **argv)
{
    int at = options_leading(cli, true, argc, argv);
    if (at < 0)
        return cli->code;
    if (cli->globals->version)
        return print_version(cli);
    if (cli->globals->help)
        return print_help(cli);
    if (at == argc)
        return cli_usage(cli, "no verb is named");

    cli->verb = find_verb(argv[at]);
    if (cli->verb == NULL)
        return cli_usage(cli, "there is no verb '%s'", argv[at]);
    return cli->verb->run(cli, argc - at, argv + at);
}

int main(int argc, char **argv)
{
    struct cli_globals globals = { .servers = NULL };
    struct cli cli = {
        .client = LK_CLIENT_OPTIONS_INIT, .root = "", .config_file = "", .globals = &globals
    };

    occupy_standard_descriptors();
    settle_signals(&cli);
    globals_init(&globals, &cli);

    int code = run(&cli, argc, argv);
    if (!cli_flush(&cli) && code == EXIT_DONE)
        code = cli.code;
    globals_free(&globals);
    return code;
}
