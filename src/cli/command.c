/* command.c - CMD's birth, its terminal, and its end.
 *
 * The process that calls this has no threads and opened nothing without CLOEXEC, so CMD gets
 * exactly the descriptors, the signal mask and the dispositions that latchkey was started with.
 *
 * Terminal. CMD's group is made the foreground group if ours is; so Ctrl-C and Ctrl-Z go to CMD
 * alone. Where standard output is a pipe, others of our group (`latchkey ... | less`) need the
 * terminal more: there CMD gets it only when it asks, which shows by its being stopped with TTIN or
 * TTOU. When Ctrl-Z stops CMD, this process stops with its whole group, so that the shell sees what
 * it would see without latchkey; after fg or bg everything goes on. The lock is held by another
 * process and stays held all that time. */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool is_overridden(const char *entry, const struct cli_variable *variables)
{
    for (; variables != NULL && variables->name != NULL; variables++) {
        size_t length = strlen(variables->name);
        if (strncmp(entry, variables->name, length) == 0 && entry[length] == '=')
            return true;
    }
    return false;
}

static void environment_free(char **environment, size_t owned)
{
    for (size_t i = 0; environment != NULL && i < owned; i++)
        free(environment[i]);
    free(environment);
}

/* The variables, then what is left of our own environment. NULL: no memory. */
static char **environment_new(const struct cli_variable *variables, size_t *out_owned)
{
    size_t inherited = 0, owned = 0;
    while (environ[inherited] != NULL)
        inherited++;
    while (variables != NULL && variables[owned].name != NULL)
        owned++;

    char **environment = calloc(inherited + owned + 1, sizeof(*environment));
    bool fine = environment != NULL;
    for (size_t i = 0; fine && i < owned; i++)
        fine = asprintf(&environment[i], "%s=%s", variables[i].name, variables[i].value) != -1;
    if (!fine) {
        environment_free(environment, 0);
        return NULL;
    }
    char **end = environment + owned;
    for (size_t i = 0; i < inherited; i++)
        if (!is_overridden(environ[i], variables))
            *end++ = environ[i];
    *out_owned = owned;
    return environment;
}

static bool is_pipe(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool is_foreground(const struct command *command)
{
    return command->tty != -1 && tcgetpgrp(command->tty) == getpgrp();
}

/* Both sides of the fork do this, whoever comes first: neither may go on before it is so. SIGTTOU
 * is blocked. */
static void take_group(const struct command *command, pid_t group, bool foreground)
{
    setpgid(group, group);
    if (foreground)
        tcsetpgrp(command->tty, group != 0 ? group : getpid());
}

struct birth {
    const struct cli *cli;
    char **environment;
    bool foreground;
    int gate, verdict; /* the child's ends */
};

_Noreturn static void become(const struct command *command, const struct birth *birth)
{
    char go;
    close(command->gate);
    take_group(command, 0, birth->foreground);

    /* The guardian kills the group when this process' parent dies; this is the belt, for the leader
     * at least, if both are killed at once. A parent that died before it was fastened does not open
     * the gate. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(birth->gate, &go, 1) != 1)
        _exit(EXIT_OWN);

    if (birth->cli->sigchld_ignored)
        signal(SIGCHLD, SIG_IGN);
    sigprocmask(SIG_SETMASK, &birth->cli->mask_at_start, NULL);
    execvpe(birth->cli->command[0], birth->cli->command, birth->environment);

    int error = errno;
    (void)!write(birth->verdict, &error, sizeof(error));
    _exit(EXIT_OWN);
}

int command_start(struct command *command, struct cli *cli, const struct cli_variable *variables)
{
    int gate[2] = { -1, -1 }, verdict[2] = { -1, -1 }, error = 0;
    size_t owned = 0;
    char **environment = environment_new(variables, &owned);
    if (environment == NULL)
        return ENOMEM;

    *command = (struct command){ .gate = -1,
                                 .verdict = -1,
                                 .tty = open("/dev/tty", O_RDWR | O_CLOEXEC) };
    struct birth birth = { .cli = cli, .environment = environment };
    birth.foreground = is_foreground(command) && !is_pipe(STDOUT_FILENO);

    pid_t pid = -1;
    if (pipe2(gate, O_CLOEXEC) == 0 && pipe2(verdict, O_CLOEXEC) == 0) {
        birth.gate = gate[0];
        birth.verdict = verdict[1];
        command->gate = gate[1];
        fflush(NULL);
        pid = fork();
    }
    if (pid == 0)
        become(command, &birth);
    if (pid == -1)
        error = errno;
    else
        take_group(command, pid, birth.foreground);

    close(gate[0]);
    close(verdict[1]);
    if (pid == -1) {
        close(gate[1]);
        close(verdict[0]);
        close(command->tty);
        *command = (struct command){ .gate = -1, .verdict = -1, .tty = -1 };
    } else {
        command->pid = pid;
        command->verdict = verdict[0];
    }
    environment_free(environment, owned);
    return error;
}

int command_run(struct command *command, struct cli *cli)
{
    int error = 0;
    ssize_t got;
    (void)!write(command->gate, "g", 1);
    close(command->gate);
    do
        got = read(command->verdict, &error, sizeof(error));
    while (got == -1 && errno == EINTR);
    close(command->verdict);
    command->gate = command->verdict = -1;
    if (got != (ssize_t)sizeof(error))
        return 0;

    siginfo_t info;
    waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOWAIT);
    command->ended = command->failed = true;
    command->code = error == ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_RUN;
    cli_refuse(cli, command->code, "can't run %s: %s; check the name, $PATH and its permissions",
               cli->command[0], strerror(error));
    return error;
}

void command_signal(const struct command *command, int signal)
{
    if (command->pid != 0)
        kill(-command->pid, signal);
}

void command_continue(const struct command *command)
{
    if (command->pid == 0)
        return;
    if (is_foreground(command) && !is_pipe(STDOUT_FILENO))
        tcsetpgrp(command->tty, command->pid);
    command_signal(command, SIGCONT);
}

static bool is_pending(int signal)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, signal) == 1;
}

/* Stops our whole group, as the terminal would have done. The kernel ignores that where no shell is
 * left to continue us: then CMD has to go on at once. Else SIGCONT is pending when we run again,
 * and the loop continues CMD. */
static void stop_along(const struct command *command, int signal)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);

    if (tcgetpgrp(command->tty) == command->pid)
        tcsetpgrp(command->tty, getpgrp());
    kill(0, SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &stop, NULL);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    bool needs_terminal = signal == SIGTTIN || signal == SIGTTOU;
    if (!is_pending(SIGCONT) && !needs_terminal)
        command_continue(command);
}

static void stopped(const struct command *command, int signal)
{
    bool needs_terminal = signal == SIGTTIN || signal == SIGTTOU;
    if (command->tty == -1)
        return;
    if (needs_terminal && is_foreground(command)) {
        tcsetpgrp(command->tty, command->pid);
        command_signal(command, SIGCONT);
    } else {
        stop_along(command, signal);
    }
}

void command_look(struct command *command)
{
    if (command->pid == 0 || command->ended)
        return;
    siginfo_t info = { .si_pid = 0 };
    if (waitid(P_PID, (id_t)command->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0)
        stopped(command, info.si_status);

    info.si_pid = 0;
    if (waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0
        || info.si_pid == 0)
        return;
    command->ended = true;
    command->code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

void command_bury(struct command *command)
{
    if (command->pid == 0)
        return;
    siginfo_t info;
    waitid(P_PID, (id_t)command->pid, &info, WEXITED);
    if (command->gate != -1) {
        close(command->gate);
        close(command->verdict);
    }
    if (command->tty != -1) {
        if (tcgetpgrp(command->tty) == command->pid)
            tcsetpgrp(command->tty, getpgrp());
        close(command->tty);
    }
    *command = (struct command){ .gate = -1, .verdict = -1, .tty = -1 };
}

bool command_hears(int signal)
{
    switch (signal) {
    case SIGCHLD:
    case SIGPIPE:
    case SIGALRM:
    case SIGTTIN:
    case SIGTTOU:
        return false;
    default:
        return true;
    }
}
