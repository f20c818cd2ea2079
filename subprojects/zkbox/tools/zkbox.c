/* zkbox - runs a command with private ZooKeeper servers, or serves until it is interrupted.
 *
 * SIGINT, SIGTERM and SIGHUP are taken only between the steps, so every way out passes the end of
 * main(); for the ways that do not (SIGKILL), the box's guardian cleans up. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zkbox.h"

enum { EXIT_USAGE = 2, EXIT_NOT_EXECUTED = 127 };

static const char usage[] =
    "usage: zkbox [--nodes 1|3] [--port PORT] [--folder FOLDER] [--data-from FOLDER]\n"
    "             [--heap MB] [--tick MS] [--sync-limit TICKS] [--no-fsync]\n"
    "             [-- COMMAND [ARGUMENT...]]\n"
    "\n"
    "Starts private ZooKeeper servers on 127.0.0.1 and runs COMMAND with their addresses in\n"
    "ZKBOX_SERVERS; exits with its status. Without COMMAND: prints the addresses, and serves\n"
    "until SIGINT, SIGTERM or SIGHUP. Nothing stays behind.\n"
    "\n"
    "  --heap MB           of each server (96)\n"
    "  --tick MS           the servers' unit of time (500)\n"
    "  --sync-limit TICKS  that a follower may stay silent (10)\n"
    "  --no-fsync          commits are not synced to the disk\n";

static bool parse_number(const char *word, int most, int *out)
{
    char *end;
    errno = 0;
    long number = strtol(word, &end, 10);
    if (errno || end == word || *end || number < 0 || number > most)
        return false;
    *out = (int)number;
    return true;
}

/* False: not understood. */
static bool parse(int argc, char **argv, zkbox_options *options)
{
    static const struct option known[] = {
        { "nodes", required_argument, NULL, 'n' },
        { "port", required_argument, NULL, 'p' },
        { "folder", required_argument, NULL, 'f' },
        { "data-from", required_argument, NULL, 'd' },
        { "heap", required_argument, NULL, 'm' },
        { "tick", required_argument, NULL, 't' },
        { "sync-limit", required_argument, NULL, 'l' },
        { "no-fsync", no_argument, NULL, 's' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    for (int option; (option = getopt_long(argc, argv, "+h", known, NULL)) != -1;) {
        bool good = true;
        switch (option) {
        case 'n':
            good = parse_number(optarg, ZKBOX_NODES_MAX, &options->nodes);
            break;
        case 'p':
            good = parse_number(optarg, 65535, &options->port);
            break;
        case 'f':
            options->folder = optarg;
            break;
        case 'd':
            options->data_from = optarg;
            break;
        case 'm':
            good = parse_number(optarg, INT_MAX, &options->heap_mb);
            break;
        case 't':
            good = parse_number(optarg, INT_MAX / 2, &options->tick_ms);
            break;
        case 'l':
            good = parse_number(optarg, INT_MAX, &options->sync_limit);
            break;
        case 's':
            options->fsync = false;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            good = false;
        }
        if (!good)
            return false;
    }
    return true;
}

static int exit_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void become_command(char **command, const char *servers, pid_t parent, const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_NOT_EXECUTED);
    setenv("ZKBOX_SERVERS", servers, 1);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    fprintf(stderr, "zkbox: %s: %s\n", command[0], strerror(errno));
    _exit(EXIT_NOT_EXECUTED);
}

/* `taken` are the blocked signals, `before` the mask for the command. */
static int run(char **command, const char *servers, const sigset_t *taken, const sigset_t *before)
{
    pid_t self = getpid();
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "zkbox: fork: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    if (child == 0)
        become_command(command, servers, self, before);
    for (;;) {
        siginfo_t info;
        int status;
        int number = sigwaitinfo(taken, &info);
        if (number == SIGCHLD && waitpid(child, &status, WNOHANG) == child)
            return exit_status(status);
        /* A signal that the terminal sent has reached the command too. */
        if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL)
            kill(child, number);
    }
}

static int serve(const char *servers, const sigset_t *taken)
{
    printf("%s\n", servers);
    fflush(stdout);
    int number;
    do
        number = sigwaitinfo(taken, NULL);
    while (number < 0 || number == SIGCHLD);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    char error[512];
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.error = error;
    options.error_size = sizeof(error);
    if (!parse(argc, argv, &options)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }

    sigset_t taken, before;
    sigemptyset(&taken);
    const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        sigaddset(&taken, numbers[i]);
    sigprocmask(SIG_BLOCK, &taken, &before);
    signal(SIGCHLD, SIG_DFL); /* whoever ignores it cannot wait for a child */

    zkbox *box;
    int rc = zkbox_start(&box, &options);
    if (rc < 0) {
        fprintf(stderr, "zkbox: %s\n", *error ? error : strerror(-rc));
        return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
    }
    int status = optind < argc ? run(argv + optind, zkbox_servers(box), &taken, &before)
                               : serve(zkbox_servers(box), &taken);
    zkbox_stop(box);
    return status;
}
