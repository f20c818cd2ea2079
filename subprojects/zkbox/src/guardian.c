/* guardian.c - see guardian.h.
 *
 * The guardian is forked from a program that may have many threads, one of which may hold any lock:
 * so from _Fork() on only async-signal-safe calls are made, nothing is allocated, and nobody's
 * pthread_atfork handlers run. All signals stay blocked in it for good: SIGINT and its like are
 * the caller's business, and what the caller does about them, the guardian sees on the socket. */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "net.h"

struct order {
    int verb;
    int node;
};

/* ------------------------------------------------------------------ inside the guardian process */

enum {
    SOCKET = 3,
    CALLER = 4, /* a pidfd: readable once the caller is dead, whoever holds copies of its socket */
    FIRST_FOREIGN,
    ABOVE_ALL = 16,
};

struct process {
    pid_t pid; /* 0: not running */
    bool paused;
};

static void close_from(int first)
{
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    struct rlimit limit = { .rlim_cur = 1024 };
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t end = limit.rlim_cur < 65536 ? limit.rlim_cur : 65536;
    for (int fd = first; (rlim_t)fd < end; fd++)
        close(fd);
}

/* Keeps the two descriptors and nothing else of the caller's: not its terminal, and not the pipes
 * on which somebody may be waiting for an end of file. */
static void settle(int socket, int caller)
{
    setsid();
    prctl(PR_SET_NAME, "zkbox-guardian");
    umask(077);
    /* An ignored SIGCHLD would reap the servers behind the guardian's back. */
    sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);

    /* First out of the way of the numbers that are about to be overwritten. */
    socket = fcntl(socket, F_DUPFD_CLOEXEC, ABOVE_ALL);
    caller = caller < 0 ? -1 : fcntl(caller, F_DUPFD_CLOEXEC, ABOVE_ALL);
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    dup2(socket, SOCKET); /* not closed on exec: see guardian.h, the socket's end is a proof */
    if (caller < 0 || dup3(caller, CALLER, O_CLOEXEC) < 0)
        close(CALLER);
    close_from(FIRST_FOREIGN);
    if (chdir("/"))
        _exit(1);
}

static _Noreturn void become_server(const struct guardian_plan *plan, int node, pid_t guardian)
{
    const struct guardian_server *server = &plan->server[node];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != guardian) /* it died before the line above, which then does nothing */
        _exit(1);

    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);

    int log = open(server->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || chdir(server->folder))
        _exit(1);
    execve(server->argv[0], server->argv, plan->envp);
    static const char message[] = "Error: java could not be executed\n";
    (void)!write(2, message, sizeof(message) - 1);
    _exit(127);
}

static int start(const struct guardian_plan *plan, struct process *process, int node)
{
    pid_t guardian = getpid();
    pid_t pid = _Fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_server(plan, node, guardian);
    *process = (struct process){ .pid = pid };
    return 0;
}

/* Waits for a change of the process; 0 if it ended, and then it is reaped. */
static int await(struct process *process, int flags)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(process->pid, &status, flags);
    while (pid < 0 && errno == EINTR);
    if (pid < 0)
        return -errno;
    if (pid == 0 || WIFSTOPPED(status) || WIFCONTINUED(status))
        return 1;
    *process = (struct process){ 0 };
    return 0;
}

static void end(struct process *process)
{
    kill(process->pid, SIGKILL);
    while (await(process, 0) > 0)
        ;
}

static int pause_process(struct process *process)
{
    if (process->paused)
        return 0;
    kill(process->pid, SIGSTOP);
    process->paused = await(process, WUNTRACED) > 0;
    return process->paused ? 0 : -ESRCH;
}

static int resume_process(struct process *process)
{
    if (!process->paused)
        return 0;
    kill(process->pid, SIGCONT);
    process->paused = false;
    return await(process, WCONTINUED) > 0 ? 0 : -ESRCH;
}

static int carry_out(const struct guardian_plan *plan, struct process *processes,
                     struct order order)
{
    struct process *process = &processes[order.node];
    /* One that died by itself is reaped only here: until then nobody else can get its number. */
    bool running = process->pid != 0 && await(process, WNOHANG) > 0;
    if (order.verb == GUARDIAN_START)
        return running ? -EEXIST : start(plan, process, order.node);
    if (!running)
        return -ESRCH;
    switch (order.verb) {
    case GUARDIAN_KILL:
        end(process);
        return 0;
    case GUARDIAN_PAUSE:
        return pause_process(process);
    case GUARDIAN_RESUME:
        return resume_process(process);
    default:
        return 0;
    }
}

static bool next_order(struct order *out)
{
    for (;;) {
        struct pollfd slots[] = { { .fd = SOCKET, .events = POLLIN },
                                  { .fd = CALLER, .events = POLLIN } };
        if (poll(slots, 2, -1) < 0)
            continue;
        if (slots[1].revents & POLLIN)
            return false;
        if (slots[0].revents)
            return recv(SOCKET, out, sizeof(*out), 0) == (ssize_t)sizeof(*out);
        if (slots[1].revents & POLLNVAL) /* this kernel has no pidfd: the socket alone must do */
            return recv(SOCKET, out, sizeof(*out), 0) == (ssize_t)sizeof(*out);
    }
}

static _Noreturn void guard(const struct guardian_plan *plan, int socket, int caller)
{
    struct process processes[ZKBOX_NODES_MAX] = { { 0 } };
    settle(socket, caller);

    int rc = mkdir(plan->folder, 0700) ? -errno : 0;
    bool made = rc == 0;
    send(SOCKET, &rc, sizeof(rc), MSG_NOSIGNAL);
    for (struct order order; made && next_order(&order);) {
        rc = carry_out(plan, processes, order);
        send(SOCKET, &rc, sizeof(rc), MSG_NOSIGNAL);
    }

    for (int node = 0; node < plan->nodes; node++)
        if (processes[node].pid)
            end(&processes[node]);
    if (made)
        folder_remove(plan->folder);
    _exit(0);
}

/* ------------------------------------------------------------------------ inside the caller */

static int answer(int socket)
{
    int rc;
    ssize_t got;
    do
        got = recv(socket, &rc, sizeof(rc), 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(rc) ? rc : -EPIPE;
}

int guardian_start(struct guardian *guardian, const struct guardian_plan *plan)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    __attribute__((cleanup(net_close))) int ours = pair[0];
    __attribute__((cleanup(net_close))) int theirs = pair[1];
    __attribute__((cleanup(net_close))) int caller = (int)syscall(SYS_pidfd_open, getpid(), 0);

    /* Blocked before the fork, lest a handler of the caller's runs in the guardian. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = _Fork();
    if (pid == 0)
        guard(plan, theirs, caller);
    int rc = pid < 0 ? -errno : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc < 0)
        return rc;

    *guardian = (struct guardian){ .pid = pid, .socket = ours };
    pthread_mutex_init(&guardian->lock, NULL);
    ours = -1;
    net_close(&theirs);
    rc = answer(guardian->socket);
    if (rc < 0)
        guardian_stop(guardian);
    return rc;
}

int guardian_order(struct guardian *guardian, enum guardian_verb verb, int node)
{
    struct order order = { .verb = (int)verb, .node = node };
    pthread_mutex_lock(&guardian->lock);
    int rc = send(guardian->socket, &order, sizeof(order), MSG_NOSIGNAL) < 0
                 ? -EPIPE
                 : answer(guardian->socket);
    pthread_mutex_unlock(&guardian->lock);
    return rc;
}

void guardian_stop(struct guardian *guardian)
{
    shutdown(guardian->socket, SHUT_WR);
    while (answer(guardian->socket) != -EPIPE)
        ;
    while (waitpid(guardian->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(guardian->socket);
    pthread_mutex_destroy(&guardian->lock);
}
