/* front.c - the process that the user started: signals in, CMD beneath, the exit code out. See
 * hold.h.
 *
 * It never talks to a server and never waits for one longer than it says; what it knows of the
 * grant it hears from the guardian. It is told that a grant is lost before CMD is killed for it, so
 * the order in which it looks (messages, then signals, then the clock) never takes such a death for
 * CMD's own. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/hold.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

/* How long the guardian may take to give up a place, or to end the session, when no server may be
 * there to hear it. */
#define PARTING_NS (2 * (int64_t)NS_PER_S)

struct front {
    struct hold *hold;
    struct cli *cli;
    pid_t guardian; /* 0: no grant is needed */
    const struct cli_variable *variables;
    struct command command;
    int signals;
    sigset_t waiting, running; /* what is blocked, to be read from `signals`, in either phase */

    bool joining; /* a place in line may exist */
    bool granted, refused, lost, released;
    bool overdue; /* lost, by our own clock */
    bool starts_again;
    int caught; /* the signal that ended the wait */
    struct hold_message grant, answer;
};

static bool is_running(const struct front *front)
{
    return front->command.pid != 0 && !front->command.ended;
}

/* ---- what happens ---- */

static void heard(struct front *front, const struct hold_message *message)
{
    switch (message->word) {
    case TOLD_JOINING:
        front->joining = true;
        break;
    case TOLD_GRANTED:
        front->granted = true;
        front->lost = false; /* what came late was said of the turn before */
        front->grant = *message;
        break;
    case TOLD_REFUSED:
        front->refused = true;
        front->answer = *message;
        break;
    case TOLD_LOST:
        front->lost = true;
        break;
    case TOLD_RELEASED:
        front->released = true;
        front->answer = *message;
        break;
    case TELL_GROUP:
    case TELL_ENDED:
    case TELL_LEAVE:
        break;
    }
}

static bool is_farewell(int signal)
{
    return signal == SIGTERM || signal == SIGINT || signal == SIGHUP;
}

static void caught(struct front *front, int signal)
{
    if (signal == SIGCHLD) {
        command_look(&front->command);
        return;
    }
    if (is_farewell(signal)) {
        front->starts_again = false;
        if (!is_running(front))
            front->caught = signal;
    }
    if (!is_running(front) || !command_hears(signal))
        return;
    if (signal == SIGCONT)
        command_continue(&front->command);
    else
        command_signal(&front->command, signal);
}

static void read_signals(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        caught(front, (int)info.ssi_signo);
}

/* The guardian enforces the lease and says so. If it can't (dead, stopped, just woken with the
 * machine), this does. */
static void check_lease(struct front *front)
{
    const struct hold *hold = front->hold;
    if (front->guardian == 0 || !is_running(front) || front->lost || front->overdue)
        return;
    if (hold->socket != -1 && lk_now_ns() < atomic_load(&hold->lease->ends_ns))
        return;
    front->overdue = true;
    if (hold->spec->on_lost != 0)
        command_signal(&front->command, SIGKILL);
}

/* Waits for anything to happen. False: nothing did, and it is `until_ns`. */
static bool front_wait(struct front *front, int64_t until_ns)
{
    struct hold *hold = front->hold;
    int64_t wake_ns = until_ns;
    if (front->guardian != 0 && is_running(front) && !front->lost && !front->overdue) {
        int64_t ends_ns = atomic_load(&hold->lease->ends_ns);
        wake_ns = ends_ns < wake_ns ? ends_ns : wake_ns;
    }
    hold_set_timer(hold, wake_ns);

    struct pollfd fds[] = {
        { .fd = front->signals, .events = POLLIN },
        { .fd = hold->timer, .events = POLLIN },
        { .fd = hold->socket, .events = POLLIN },
    };
    poll(fds, sizeof(fds) / sizeof(fds[0]), -1);

    struct hold_message message;
    while (hold_hear(hold, &message))
        heard(front, &message);
    read_signals(front);
    check_lease(front);
    return until_ns == LK_FOREVER || lk_now_ns() < until_ns;
}

/* ---- what is told ---- */

static void report(const struct front *front, enum hold_end end, int code)
{
    if (front->guardian != 0)
        hold_report(front->cli, front->hold->spec, end, code,
                    front->granted ? &front->grant : NULL);
}

static void tell(struct front *front, enum hold_word word, int number)
{
    hold_tell(front->hold, &(struct hold_message){ .word = word, .number = number });
}

/* ---- one turn: wait, run CMD, give back ---- */

/* The guardian has given up its place by the end of this, or is dead. */
static void part(struct front *front, int64_t patience_ns)
{
    int64_t until_ns = lk_now_ns() + patience_ns;
    front->caught = 0;
    while (front->hold->socket != -1 && front->caught == 0 && front_wait(front, until_ns))
        ;
    if (front->hold->socket != -1)
        kill(front->guardian, SIGKILL);
    waitpid(front->guardian, NULL, 0);
}

static int leave(struct front *front)
{
    int signal = front->caught;
    /* Without a place in line there is nothing to give up, and the guardian may sit in a wait for a
     * server. */
    if (!front->joining)
        kill(front->guardian, SIGKILL);
    tell(front, TELL_LEAVE, 0);
    part(front, PARTING_NS);
    report(front, HOLD_FAILED, 128 + signal);
    return 128 + signal;
}

static int refused(struct front *front)
{
    bool told = front->refused;
    int code = told ? front->answer.number
                    : cli_refuse(front->cli, EXIT_OWN, "%s: the guardian process died; try again",
                                 front->hold->spec->path);
    part(front, PARTING_NS);
    report(front, told ? front->answer.end : HOLD_FAILED, code);
    return code;
}

static int start(struct front *front)
{
    const struct hold_spec *spec = front->hold->spec;
    const struct cli *cli = front->cli;
    char node[HOLD_NODE_SIZE + 1], fence[32], session[32], *full = NULL;
    const struct hold_message *grant = &front->grant;

    if (front->guardian == 0)
        return command_start(&front->command, front->cli, front->variables);

    snprintf(node, sizeof(node), "%s", grant->node);
    snprintf(fence, sizeof(fence), "%llu", (unsigned long long)grant->fence.zxid);
    snprintf(session, sizeof(session), "0x%llx", (unsigned long long)grant->session_id);
    if (asprintf(&full, "%s/%s", strcmp(spec->path, "/") == 0 ? "" : spec->path, node) == -1)
        return ENOMEM;
    const struct cli_variable variables[] = {
        { "LATCHKEY_LOCK_PATH", spec->path },
        { "LATCHKEY_LOCK_NODE", full },
        { "LATCHKEY_FENCE", fence },
        { "LATCHKEY_SESSION", session },
        { "LATCHKEY_SERVERS", cli->client.servers },
        { "LATCHKEY_ROOT", cli->root },
        { "LATCHKEY_CONFIG", cli->config_file },
        { NULL, NULL },
    };
    int error = command_start(&front->command, front->cli, variables);
    free(full);
    return error;
}

/* CMD from its birth to its end; what it came to stands in front->command and front->lost. False:
 * no process could be made for it. */
static bool run(struct front *front)
{
    sigprocmask(SIG_BLOCK, &front->running, NULL);
    int error = start(front);
    if (error != 0) {
        cli_refuse(front->cli, EXIT_OWN,
                   "can't make a process for CMD: %s; raise the limits (ulimit -a)",
                   strerror(error));
        return false;
    }
    /* The guardian hears of the group before CMD can do anything. If it has said meanwhile that all
     * is over (we may have been stopped for long), CMD must not begin. */
    tell(front, TELL_GROUP, (int)front->command.pid);
    struct hold_message message;
    while (hold_hear(front->hold, &message))
        heard(front, &message);
    check_lease(front);
    if (front->lost || front->overdue)
        command_signal(&front->command, SIGKILL);
    else
        command_run(&front->command, front->cli);

    while (!front->command.ended)
        front_wait(front, LK_FOREVER);
    return true;
}

/* By Ctrl-C, which the terminal sends to CMD's group alone. */
static bool was_interrupted(const struct front *front)
{
    return front->command.tty != -1 && front->command.code == 128 + SIGINT;
}

/* Until the guardian has given the grant back, or can't. */
static void await_release(struct front *front)
{
    int64_t until_ns = lk_now_ns() + front->cli->client.session_timeout_ms * NS_PER_MS + PARTING_NS;
    while (!front->lost && !front->overdue && !front->released && front->hold->socket != -1)
        if (!front_wait(front, until_ns))
            break;
    if (front->released && front->answer.number == LK_E_LOST)
        front->lost = true;
}

static void tell_people(struct front *front)
{
    const char *path = front->hold->spec->path;
    bool confirmed = front->released && front->answer.number == LK_OK;
    if (front->overdue && !front->lost)
        cli_refuse(front->cli, EXIT_LOST, "%s: lost: the guardian process %s; %s", path,
                   front->hold->socket == -1 ? "died" : "did not run",
                   front->hold->spec->on_lost != 0 ? "CMD was killed, try again"
                                                   : "CMD ran on unprotected");
    else if (!front->lost && !confirmed)
        cli_note(front->cli,
                 "%s: the release is not confirmed; it is over at the latest when the session is",
                 path);
}

/* CMD has ended, or could not begin. Its leader is buried last: until the guardian has heard of the
 * end it may signal the group, whose id must not have become somebody else's. */
static int give_back(struct front *front, bool made)
{
    int code = made ? front->command.code : EXIT_OWN;
    bool began = made && !front->command.failed;
    if (!began || was_interrupted(front))
        front->starts_again = false;

    tell(front, TELL_ENDED, front->starts_again);
    if (front->guardian != 0) {
        await_release(front);
        tell_people(front);
    }
    bool lost = front->lost || front->overdue;
    if (lost && front->hold->spec->on_lost != 0)
        command_signal(&front->command, SIGKILL); /* those of the group who outlive its leader */
    command_bury(&front->command);

    if (lost)
        code = EXIT_LOST;
    if (front->guardian != 0 && !front->starts_again && !lost)
        part(front, PARTING_NS);
    report(front, lost ? HOLD_LOST : began ? HOLD_DONE : HOLD_FAILED, code);
    return code;
}

/* What arrived while CMD ran and was not read yet must not strike us when it is unblocked. */
static void block_for_waiting(struct front *front)
{
    sigset_t mask = front->cli->mask_at_start;
    sigorset(&mask, &mask, &front->waiting);
    sigaddset(&mask, SIGPIPE);
    read_signals(front);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static int turn(struct front *front)
{
    front->granted = front->lost = front->overdue = front->released = false;
    block_for_waiting(front);
    while (!front->granted && !front->refused && front->hold->socket != -1 && front->caught == 0)
        front_wait(front, LK_FOREVER);

    if (front->caught == 0 && front->granted) {
        report(front, HOLD_HELD, EXIT_DONE);
        return give_back(front, run(front));
    }
    front->starts_again = false;
    return front->caught != 0 ? leave(front) : refused(front);
}

/* Signals that were ignored when we were started stay ignored: nohup and shells' background jobs
 * mean it. */
static void choose_signals(struct front *front)
{
    static const int while_waiting[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    sigfillset(&front->running);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction now;
        if (sigaction(signal, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            sigdelset(&front->running, signal);
    }
    sigemptyset(&front->waiting);
    for (size_t i = 0; i < sizeof(while_waiting) / sizeof(while_waiting[0]); i++)
        if (sigismember(&front->running, while_waiting[i]) == 1)
            sigaddset(&front->waiting, while_waiting[i]);
}

int front_run(struct hold *hold, pid_t guardian, const struct cli_variable *variables)
{
    struct front front = {
        .hold = hold, .cli = hold->cli, .guardian = guardian, .variables = variables
    };
    int code;
    choose_signals(&front);
    front.signals = signalfd(-1, &front.running, SFD_CLOEXEC | SFD_NONBLOCK);
    front.starts_again = hold->spec->again;
    do
        code = guardian != 0 ? turn(&front) : give_back(&front, run(&front));
    while (front.starts_again);
    close(front.signals);
    return code;
}
