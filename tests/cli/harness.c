/* harness.c - see harness.h. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60, LOOK_MS = 10, TEXT_MAX = 1 << 16, ARGS_MAX = 64 };

zkbox *harness_box;
static const char *tool_path;

/* A test that fails leaves its tools running: none may outlive the program. */
enum { TOOLS_MAX = 256 };
static struct tool *running[TOOLS_MAX];

static void kill_tools(void)
{
    for (size_t i = 0; i < TOOLS_MAX; i++)
        if (running[i] != NULL && !running[i]->ended)
            kill(running[i]->pid, SIGKILL);
}

static void list_tool(struct tool *was, struct tool *is)
{
    for (size_t i = 0; i < TOOLS_MAX; i++)
        if (running[i] == was) {
            running[i] = is;
            return;
        }
}

void harness_tool_path(int argc, char **argv)
{
    atexit(kill_tools);
    /* Absolute, since scripts change the folder. Freed by nobody. */
    tool_path = argc > 1 ? realpath(argv[1], NULL) : "latchkey";
    /* Nothing of the caller's may decide what the tool does. */
    unsetenv("LATCHKEY_CONFIG");
    unsetenv("LATCHKEY_ROOT");
    unsetenv("LATCHKEY_LOCK_NODE");
    setenv("HOME", "/nonexistent", 1);
}

int harness_start(void **state)
{
    char error[256] = "";
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    options.tick_ms = 200;
    options.fsync = false;
    options.error = error;
    options.error_size = sizeof(error);
    (void)state;
    int rc = zkbox_start(&harness_box, &options);
    if (rc != 0)
        fprintf(stderr, "no server: %s\n", error);
    return rc;
}

int harness_stop(void **state)
{
    (void)state;
    harness_box = zkbox_stop(harness_box);
    return 0;
}

const char *harness_servers(void)
{
    return harness_box != NULL ? zkbox_servers(harness_box) : harness_no_server();
}

/* Port 1 needs a privilege that no test server has. */
const char *harness_no_server(void)
{
    return "127.0.0.1:1";
}

const char *harness_path(const char *word)
{
    static char paths[256][64];
    static unsigned next;
    char *path = paths[next % 256];
    snprintf(path, sizeof(paths[0]), "/%s-%u", word, next++);
    return path;
}

/* ---- one run ---- */

static void give_terminal(const char *name)
{
    setsid();
    int fd = open(name, O_RDWR);
    ioctl(fd, TIOCSCTTY, 0);
    for (int i = 0; i <= 2; i++)
        dup2(fd, i);
    close_range(3, ~0u, 0);
}

/* The memory files may have any numbers: first out of the way of those that they get. */
static void give_files(const struct tool *tool, const char *out_to)
{
    int out = fcntl(tool->out, F_DUPFD, 20), err = fcntl(tool->err, F_DUPFD, 20),
        status = fcntl(tool->status, F_DUPFD, 20);
    if (out_to != NULL && *out_to != '\0')
        out = open(out_to, O_WRONLY);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(out, 1);
    dup2(err, 2);
    dup2(status, STATUS_FD);
    close_range(3, STATUS_FD - 1, 0);
    close_range(STATUS_FD + 1, ~0u, 0);
    if (out_to != NULL && *out_to == '\0')
        close(1);
}

/* The tests may have been started in the background of a shell, which has INT and QUIT ignored. */
static void restore_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < SIGRTMIN; number++)
        (void)signal(number, SIG_DFL);
}

_Noreturn static void become(const struct tool *tool, const struct setting *setting,
                             const char *terminal, const char *const *args, pid_t program)
{
    const char *argv[ARGS_MAX] = { setting->program != NULL ? setting->program : tool_path };
    /* A program that is killed, by its time limit say, does not come to kill_tools(). */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != program)
        _exit(99);
    for (size_t i = 0; args[i] != NULL && i < ARGS_MAX - 2; i++)
        argv[i + 1] = args[i];
    setenv("LATCHKEY_SERVERS", setting->servers != NULL ? setting->servers : harness_servers(), 1);
    setenv("LATCHKEY", tool_path, 1);
    for (const char *const *variable = setting->variables; variable != NULL && *variable != NULL;
         variable++)
        putenv((char *)*variable);

    restore_signals();
    if (setting->on_terminal)
        give_terminal(terminal);
    else
        give_files(tool, setting->out_to);
    execvp(argv[0], (char *const *)argv);
    _exit(99);
}

/* Several processes write to it: of two writes at one position, as an own file position would allow
 * them here, one is lost. */
static int memory_file(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    assert_int_not_equal(fcntl(fd, F_SETFL, O_APPEND), -1);
    return fd;
}

struct tool *tool_start_in(const struct setting *setting, const char *const *args)
{
    struct tool *tool = calloc(1, sizeof(*tool));
    char terminal[64] = "";
    assert_non_null(tool);
    tool->text = calloc(1, TEXT_MAX);
    tool->out = memory_file("out");
    tool->err = memory_file("err");
    tool->status = memory_file("status");
    tool->terminal = -1;
    if (setting->on_terminal) {
        tool->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        assert_int_not_equal(tool->terminal, -1);
        grantpt(tool->terminal);
        unlockpt(tool->terminal);
        ptsname_r(tool->terminal, terminal, sizeof(terminal));
    }
    fflush(NULL);
    pid_t program = getpid();
    tool->pid = fork();
    if (tool->pid == 0)
        become(tool, setting, terminal, args, program);
    assert_int_not_equal(tool->pid, -1);
    list_tool(NULL, tool);
    return tool;
}

struct tool *tool_start(const char *const *args)
{
    return tool_start_in(&(struct setting){ NULL }, args);
}

static const char *read_file(struct tool *tool, int fd)
{
    ssize_t size = pread(fd, tool->text, TEXT_MAX - 1, 0);
    tool->text[size > 0 ? size : 0] = '\0';
    return tool->text;
}

/* What a terminal shows is kept in the file for standard output. */
static void read_terminal(struct tool *tool)
{
    char piece[512];
    ssize_t size;
    while (tool->terminal != -1 && (size = read(tool->terminal, piece, sizeof(piece))) > 0)
        assert_int_equal(write(tool->out, piece, (size_t)size), size);
}

const char *tool_out(struct tool *tool)
{
    read_terminal(tool);
    return read_file(tool, tool->out);
}

const char *tool_err(struct tool *tool)
{
    return read_file(tool, tool->err);
}

const char *tool_status(struct tool *tool)
{
    return read_file(tool, tool->status);
}

void tool_type(struct tool *tool, const char *text)
{
    assert_int_equal(write(tool->terminal, text, strlen(text)), strlen(text));
}

static void note_end(struct tool *tool, int status)
{
    tool->ended = true;
    tool->killed = WIFSIGNALED(status);
    tool->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool has_ended(void *arg)
{
    struct tool *tool = arg;
    struct rusage usage;
    int status;
    read_terminal(tool);
    if (!tool->ended && wait4(tool->pid, &status, WNOHANG, &usage) == tool->pid) {
        tool->peak_kib = usage.ru_maxrss;
        note_end(tool, status);
    }
    return tool->ended;
}

int tool_wait(struct tool *tool)
{
    await(has_ended, tool, "the end of the tool");
    return tool->code;
}

struct tool *tool_run(int code, const char *const *args)
{
    struct tool *tool = tool_start(args);
    tool_wait(tool);
    if (tool->code != code)
        print_error("%s: exit code %d, expected %d; stderr: %s\n", args[0], tool->code, code,
                    tool_err(tool));
    assert_int_equal(tool->code, code);
    return tool;
}

struct tool *tool_free(struct tool *tool)
{
    if (!tool->ended) {
        kill(tool->pid, SIGKILL);
        waitpid(tool->pid, NULL, 0);
    }
    list_tool(tool, NULL);
    close(tool->out);
    close(tool->err);
    close(tool->status);
    if (tool->terminal != -1)
        close(tool->terminal);
    free(tool->text);
    free(tool);
    return NULL;
}

int tool_end(struct tool *tool, int signal)
{
    kill(tool->pid, signal);
    int code = tool_wait(tool);
    tool_free(tool);
    return code;
}

struct expected {
    struct tool *tool;
    const char *(*read)(struct tool *tool);
    const char *text;
};

static bool has_printed(void *arg)
{
    const struct expected *expected = arg;
    return strstr(expected->read(expected->tool), expected->text) != NULL;
}

static void await_text(struct tool *tool, const char *(*read)(struct tool *tool), const char *text)
{
    struct expected expected = { tool, read, text };
    char what[256];
    snprintf(what, sizeof(what), "the words '%s'", text);
    await(has_printed, &expected, what);
}

void tool_await_out(struct tool *tool, const char *text)
{
    await_text(tool, tool_out, text);
}

void tool_await_err(struct tool *tool, const char *text)
{
    await_text(tool, tool_err, text);
}

void tool_says(struct tool *tool, const char *words)
{
    const char *text = tool_err(tool), *newline = strchr(text, '\n');
    if (newline == NULL || newline[1] != '\0' || strstr(text, words) == NULL)
        fail_msg("expected one line with '%s' on stderr, got: %s", words, text);
}

/* ---- the world around ---- */

static int64_t monotonic_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void await(bool (*holds)(void *arg), void *arg, const char *what)
{
    int64_t end_s = monotonic_s() + PATIENCE_S;
    while (!holds(arg)) {
        if (monotonic_s() > end_s)
            fail_msg("waited in vain for %s", what);
        poll(NULL, 0, LOOK_MS);
    }
}

/* The third word of /proc/PID/stat, behind the name's parenthesis. */
static char state_of(pid_t pid)
{
    char name[64], text[512];
    snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return '\0';
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] != '\0' ? end[2] : '\0';
}

bool is_alive(pid_t pid)
{
    char state = state_of(pid);
    return state != '\0' && state != 'Z' && state != 'X';
}

static bool is_gone(void *arg)
{
    return !is_alive(*(pid_t *)arg);
}

void await_gone(pid_t pid)
{
    await(is_gone, &pid, "the end of a process");
}

int64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (at == NULL)
        fail_msg("there is no '%s' in: %s", key, text);
    return strtoll(at + strlen(key), NULL, 10);
}

struct child {
    pid_t parent, pid;
};

static bool is_guardian(pid_t pid)
{
    char name[64], text[32] = "";
    snprintf(name, sizeof(name), "/proc/%d/comm", (int)pid);
    FILE *file = fopen(name, "re");
    bool same = file != NULL && fgets(text, sizeof(text), file) != NULL
                && strcmp(text, "lk-guardian\n") == 0;
    if (file != NULL)
        fclose(file);
    return same;
}

/* The child whose name says so: CMD is a child too. */
static bool has_guardian(void *arg)
{
    struct child *child = arg;
    char name[64];
    int pid;
    snprintf(name, sizeof(name), "/proc/%d/task/%d/children", (int)child->parent,
             (int)child->parent);
    FILE *file = fopen(name, "re");
    child->pid = 0;
    while (child->pid == 0 && file != NULL && fscanf(file, "%d", &pid) == 1)
        child->pid = is_guardian(pid) ? pid : 0;
    if (file != NULL)
        fclose(file);
    return child->pid != 0;
}

pid_t tool_guardian(const struct tool *tool)
{
    struct child child = { .parent = tool->pid };
    await(has_guardian, &child, "the tool's guardian");
    return child.pid;
}

struct queue {
    const char *path;
    size_t count;
};

static bool line_is(void *arg)
{
    const struct queue *queue = arg;
    struct tool *tool = tool_start(ARGS("--json", "status", queue->path));
    tool_wait(tool);
    json_t *object = json_loads(tool_out(tool), 0, NULL);
    bool same = json_array_size(json_object_get(object, "entries")) == queue->count;
    json_decref(object);
    tool_free(tool);
    return same;
}

void await_line(const char *path, size_t count)
{
    struct queue queue = { path, count };
    char what[128];
    snprintf(what, sizeof(what), "a line of %zu at %s", count, path);
    await(line_is, &queue, what);
}
