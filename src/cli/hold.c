/* hold.c - makes front and guardian, and what stands between them. See hold.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/frame.h"
#include "cli/hold.h"

#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

void hold_tell(struct hold *hold, const struct hold_message *message)
{
    if (hold->socket != -1)
        (void)!send(hold->socket, message, sizeof(*message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool hold_hear(struct hold *hold, struct hold_message *message)
{
    if (hold->socket == -1)
        return false;
    ssize_t got = recv(hold->socket, message, sizeof(*message), MSG_DONTWAIT);
    if (got == (ssize_t)sizeof(*message))
        return true;
    if (got == -1 && (errno == EAGAIN || errno == EINTR))
        return false;
    close(hold->socket);
    hold->socket = -1;
    return false;
}

void hold_set_timer(struct hold *hold, int64_t at_ns)
{
    struct itimerspec when = { .it_value = { 0, 0 } };
    if (at_ns != LK_FOREVER) {
        int64_t at = at_ns > 0 ? at_ns : 1; /* zero would mean never */
        when.it_value.tv_sec = at / NS_PER_S;
        when.it_value.tv_nsec = at % NS_PER_S;
    }
    timerfd_settime(hold->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool find_signal(const char *name, int *out)
{
    static const struct {
        const char *name;
        int signal;
    } known[] = { { "TERM", SIGTERM }, { "KILL", SIGKILL }, { "HUP", SIGHUP }, { "INT", SIGINT },
                  { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 }, { "ignore", 0 } };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].signal;
            return true;
        }
    return false;
}

bool hold_check(struct cli *cli, struct hold_spec *spec, const char *on_lost)
{
    if (!cli_path(cli, spec->path))
        return false;
    if (on_lost == NULL)
        on_lost = cli_config_text(cli, "lock.on_lost", NULL);
    if (!spec->grace_given) {
        int64_t grace_ms = cli_config_number(cli, "lock.grace", -1);
        spec->grace_given = grace_ms >= 0;
        spec->grace_ns = grace_ms * NS_PER_MS;
    }
    if (on_lost != NULL && !find_signal(on_lost, &spec->on_lost)) {
        cli_usage(cli, "--on-lost: '%s' is none of TERM, KILL, HUP, INT, USR1, USR2, ignore",
                  on_lost);
        return false;
    }
    int mode = spec->status_given ? fcntl((int)spec->status_fd, F_GETFL) : O_WRONLY;
    if (mode == -1 || (mode & O_ACCMODE) == O_RDONLY) {
        cli_usage(cli, "--status-fd: descriptor %d is not open for writing", (int)spec->status_fd);
        return false;
    }
    return true;
}

static char *report_json(const struct hold_spec *spec, const char *status, int code,
                         const struct hold_message *grant)
{
    json_t *object = json_object();
    json_object_set_new(object, "status", json_string(status));
    json_object_set_new(object, "path", cli_json_text(spec->path, strlen(spec->path)));
    json_object_set_new(object, "code", json_integer(code));
    if (grant != NULL) {
        char session[32];
        snprintf(session, sizeof(session), "0x%llx", (unsigned long long)grant->session_id);
        json_object_set_new(object, "node", json_string(grant->node));
        json_object_set_new(object, "fence", json_integer((json_int_t)grant->fence.zxid));
        json_object_set_new(object, "session", json_string(session));
    }
    char *line = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    return line;
}

void hold_report(const struct cli *cli, const struct hold_spec *spec, enum hold_end end, int code,
                 const struct hold_message *grant)
{
    static const char *const words[] = { "done", "lost", "timeout", "refused", "failed", "held" };
    if (cli->json) {
        char *line = report_json(spec, words[end], code, grant);
        dprintf(spec->status_given ? (int)spec->status_fd : STDERR_FILENO, "%s\n",
                line != NULL ? line : "{}");
        free(line);
    } else if (spec->status_given && end != HOLD_HELD) {
        dprintf((int)spec->status_fd, "%s\n", words[end]);
    }
}

/* The guardian keeps stderr for its words, and the socket. It outlives the front a little at times,
 * and nobody may be kept waiting for the end of a pipe by it. */
static void keep_only(int socket)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null != -1) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
    if (socket > STDERR_FILENO + 1)
        close_range(STDERR_FILENO + 1, (unsigned)socket - 1, 0);
    close_range((unsigned)socket + 1, ~0u, 0);
}

static int become_guardian(struct hold *hold, pid_t front)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpgid(0, 0);
    /* A name of its own: `pkill -9 latchkey` is meant for the front, and the guardian must then
     * still be there. */
    prctl(PR_SET_NAME, "lk-guardian");
    /* Until there is a session it has nothing to guard or to give back. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != front)
        return EXIT_OWN;
    keep_only(hold->socket);
    hold->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    return guardian_run(hold);
}

static int fail(struct cli *cli)
{
    return cli_refuse(cli, EXIT_OWN,
                      "can't set up a second process: %s; raise the limits (ulimit -a)",
                      strerror(errno));
}

int hold_run(struct cli *cli, struct hold_spec *spec)
{
    int sockets[2];
    struct hold_lease *lease = mmap(NULL, sizeof(*lease), PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lease == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return fail(cli);

    struct hold hold = { .cli = cli, .spec = spec, .lease = lease, .timer = -1 };
    pid_t front = getpid();
    fflush(NULL);
    pid_t guardian = fork();
    if (guardian == -1)
        return fail(cli);
    if (guardian == 0) {
        hold.socket = sockets[1];
        close(sockets[0]);
        _exit(become_guardian(&hold, front));
    }
    hold.socket = sockets[0];
    close(sockets[1]);
    hold.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    return front_run(&hold, guardian, NULL);
}

/* ---- CMD without a grant ---- */

/* Of a guardian this much remains: when the front dies, CMD's group is killed. */
_Noreturn static void become_watcher(int socket)
{
    struct hold_message message;
    pid_t group = 0;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    setpgid(0, 0);
    prctl(PR_SET_NAME, "lk-watcher");
    keep_only(socket);
    while (recv(socket, &message, sizeof(message), 0) == (ssize_t)sizeof(message))
        group = message.word == TELL_GROUP ? message.number : 0;
    if (group != 0)
        kill(-group, SIGKILL);
    _exit(EXIT_DONE);
}

int cli_run_command(struct cli *cli, const struct cli_variable *variables)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return fail(cli);
    fflush(NULL);
    pid_t watcher = fork();
    if (watcher == -1) {
        close(sockets[0]);
        close(sockets[1]);
        return fail(cli);
    }
    if (watcher == 0) {
        close(sockets[0]);
        become_watcher(sockets[1]);
    }
    close(sockets[1]);

    struct hold_spec spec = HOLD_SPEC_INIT;
    struct hold hold = { .cli = cli, .spec = &spec, .socket = sockets[0] };
    hold.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
    int code = front_run(&hold, 0, variables);
    close(hold.timer);
    if (hold.socket != -1)
        close(hold.socket);
    waitpid(watcher, NULL, 0);
    return code;
}
