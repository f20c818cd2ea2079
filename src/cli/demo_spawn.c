/* demo_spawn.c - one worker process: this program again, with the same command line and two pipes.
 *
 * All ends are closed on exec, so a worker's pipes have no third holder: when either process dies,
 * by SIGKILL too, the other reads the end of its pipe. posix_spawn(), since the parent has the
 * threads of its client. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/demo.h"

#define CMDLINE_MAX (1024 * 1024)

extern char **environ;

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int take(int *end)
{
    int fd = *end;

    *end = -1;
    return fd;
}

/* Our own command line, with the worker's options behind the verb. So a worker has all global
 * options, however they were given. `argc` counts the verb and what follows it. */
struct arguments {
    char *bytes;
    char **words;
};

static void free_arguments(struct arguments *arguments)
{
    free(arguments->bytes);
    free(arguments->words);
}

static bool read_cmdline(struct arguments *out, size_t *out_size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = -1;

    out->bytes = malloc(CMDLINE_MAX);
    while (fd >= 0 && out->bytes && size < CMDLINE_MAX) {
        got = read(fd, out->bytes + size, CMDLINE_MAX - size);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        size += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    *out_size = size;
    return got == 0 && size > 0 && out->bytes[size - 1] == '\0';
}

static bool make_arguments(const struct demo_sale *sale, const char *const *added,
                           size_t added_count, struct arguments *out)
{
    size_t size, count = 0;

    if (!read_cmdline(out, &size))
        return false;
    for (size_t i = 0; i < size; i++)
        count += out->bytes[i] == '\0';
    out->words = calloc(count + added_count + 1, sizeof(char *));
    if (!out->words || count < (size_t)sale->argc)
        return false;
    char *at = out->bytes;
    size_t verb = count - (size_t)sale->argc, put = 0;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1) {
        out->words[put++] = at;
        for (size_t j = 0; i == verb && j < added_count; j++)
            out->words[put++] = (char *)added[j]; /* exec takes them as they are */
    }
    return true;
}

static int spawn(const struct demo_sale *sale, char **words, int orders, int answers, pid_t *out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, orders, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, answers, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &sale->cli->mask_at_start);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawn(out, "/proc/self/exe", &files, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

int demo_spawn(const struct demo_sale *sale, size_t number, struct demo_process *out)
{
    char name[DEMO_NUMBER_SIZE], timeout[DEMO_NUMBER_SIZE];
    int64_t timeout_ms = sale->cli->client.session_timeout_ms;
    const char *added[] = { "--worker",          name,    "--campaign", sale->campaign,
                            "--session-timeout", timeout, "--servers",  sale->cli->client.servers };
    __attribute__((cleanup(free_arguments))) struct arguments arguments = { 0 };
    int orders[2] = { -1, -1 }, answers[2] = { -1, -1 };
    pid_t pid;

    snprintf(name, sizeof(name), "%zu", number + 1);
    snprintf(timeout, sizeof(timeout), "%" PRId64 ".%03d", timeout_ms / 1000,
             (int)(timeout_ms % 1000));
    if (!make_arguments(sale, added, sizeof(added) / sizeof(added[0]), &arguments))
        return cli_refuse(sale->cli, EXIT_OWN,
                          "can't read the own command line; is /proc mounted?");
    int failed = pipe2(orders, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0 ? errno : 0;
    if (!failed)
        failed = spawn(sale, arguments.words, orders[0], answers[1], &pid);
    if (!failed)
        *out = (struct demo_process){ pid, take(&orders[1]), take(&answers[0]) };
    for (size_t i = 0; i < 2; i++) {
        close_end(&orders[i]);
        close_end(&answers[i]);
    }
    if (failed)
        return cli_refuse(sale->cli, EXIT_OWN,
                          "worker %zu can't be started: %s; try fewer --workers", number + 1,
                          strerror(failed));
    return EXIT_DONE;
}
