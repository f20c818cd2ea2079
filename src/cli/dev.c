/* dev.c - `latchkey dev`: servers of one's own for an afternoon or a test run.
 *
 * The servers are children of zkbox's guardian process, which ends them and removes their folder
 * when this process ends, however it ends. So there is nothing to clean up here that a SIGKILL
 * could prevent. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <zkbox.h>

#include "cli/cli.h"

/* A session's timeout is at least two ticks, and the largest one granted is a minute. */
#define TICK_MS_MAX 30000
#define SYNC_LIMIT_MAX 10000 /* ticks */

static void stop_box(zkbox **box)
{
    zkbox_stop(*box);
}

/* Where CMD owns stdout the address goes to stderr. */
static bool print_address(struct cli *cli, const zkbox *box)
{
    const char *servers = zkbox_servers(box);

    if (cli->command && !cli->json) {
        cli_note(cli, "servers %s", servers);
        return true;
    }
    if (!cli->json) {
        printf("%s\n", servers);
        return cli_flush(cli);
    }
    json_t *line = json_pack("{s:s, s:s}", "servers", servers, "folder", zkbox_folder(box));
    if (!cli->command)
        return cli_json_print(cli, line);
    json_dumpf(line, stderr, JSON_COMPACT);
    fputs("\n", stderr);
    json_decref(line);
    return true;
}

static int wait_for_end(struct cli *cli, const sigset_t *ending)
{
    int signal = 0;

    cli_note(cli, "Ctrl-C stops the servers and removes their data");
    sigwait(ending, &signal);
    cli_detail(cli, "%s, stopping", strsignal(signal));
    return EXIT_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
    zkbox_options wanted = ZKBOX_OPTIONS_INIT;
    uint64_t nodes = 1, port = 0, heap = (uint64_t)wanted.heap_mb;
    uint64_t tick = (uint64_t)wanted.tick_ms, sync_limit = (uint64_t)wanted.sync_limit;
    bool no_fsync = false;
    const struct cli_option options[] = {
        { .kind = CLI_NUMBER,
          .name = "nodes",
          .value = &nodes,
          .least = 1,
          .most = ZKBOX_NODES_MAX },
        { .kind = CLI_NUMBER, .name = "port", .value = &port, .least = 1, .most = 65535 },
        { .kind = CLI_NUMBER, .name = "heap", .value = &heap, .least = 16, .most = 1 << 20 },
        { .kind = CLI_NUMBER, .name = "tick", .value = &tick, .least = 1, .most = TICK_MS_MAX },
        { .kind = CLI_NUMBER,
          .name = "sync-limit",
          .value = &sync_limit,
          .least = 1,
          .most = SYNC_LIMIT_MAX },
        { .kind = CLI_FLAG, .name = "no-fsync", .value = &no_fsync },
        { 0 },
    };
    char error[256] = "";

    if (!cli_parse(cli, options, 0, 0, argc, argv))
        return cli->code;
    if (cli->command && !cli->command[0])
        return cli_usage(cli, "CMD is missing");
    if (nodes == 2)
        return cli_usage(cli, "--nodes must be 1 or 3: two are no safer than one");
    wanted.nodes = (int)nodes;
    wanted.port = (int)port;
    wanted.heap_mb = (int)heap;
    wanted.tick_ms = (int)tick;
    wanted.sync_limit = (int)sync_limit;
    wanted.fsync = !no_fsync;
    wanted.error = error;
    wanted.error_size = sizeof(error);

    __attribute__((cleanup(stop_box))) zkbox *box = NULL;
    int failed = zkbox_start(&box, &wanted);
    if (failed)
        return cli_refuse(cli, cli->command ? EXIT_OWN : EXIT_NO_SERVER,
                          "no server started: %s; %s", error[0] ? error : strerror(-failed),
                          failed == -EADDRINUSE
                              ? "name another --port, or none"
                              : "install java and ZooKeeper (zookeeper) and try again");
    /* From here on these end the verb in order; CMD gets the mask that we were started with. */
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    if (!cli->command)
        sigprocmask(SIG_BLOCK, &ending, NULL);
    if (!print_address(cli, box))
        return cli->code;
    if (!cli->command)
        return wait_for_end(cli, &ending);
    const struct cli_variable variables[] = {
        { "LATCHKEY_SERVERS", zkbox_servers(box) },
        { NULL, NULL },
    };
    return cli_run_command(cli, variables);
}

const struct verb verb_dev = {
    .name = "dev",
    .summary = "private servers to play with",
    .help = "usage: latchkey dev [--nodes 1|3] [--port P] [--heap MB] [--tick MS] [--sync-limit N] "
            "[--no-fsync] [-- CMD...]\n"
            "\n"
            "Starts private ZooKeeper servers on the loopback address, in a temporary folder, and "
            "prints where they\n"
            "are. With CMD runs it with LATCHKEY_SERVERS set and exits with its code; else waits "
            "for Ctrl-C. The\n"
            "servers stop and the folder goes on every way out, also when latchkey is killed.\n"
            "\n"
            "  --nodes N       1, or an ensemble of 3 (1)\n"
            "  --port P        of the first server (a free one)\n"
            "  --heap MB       memory of each server; 1,000 accounts of a ledger take about 0.5 of "
            "it (96)\n"
            "  --tick MS       the servers' unit of time; sessions last at least two (500)\n"
            "  --sync-limit N  ticks that a follower may stay silent (10)\n"
            "  --no-fsync      commits are not synced to the disk: faster, and lost with the "
            "machine\n",
    .takes_command = true,
    .run = run,
};
