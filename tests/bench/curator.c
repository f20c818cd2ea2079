/* curator.c - a Java process between two pipes; see curator.h. */
#include "curator.h"

#include <stddef.h>

#ifdef CURATOR_CLASS_PATH

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

struct curator {
    pid_t pid;
    FILE *to, *from;
    char *line;
    size_t line_size;
};

static char *curator_answer(struct curator *curator, const char *word)
{
    MUST(getline(&curator->line, &curator->line_size, curator->from) > 0);
    MUST(strncmp(curator->line, word, strlen(word)) == 0);
    curator->line[strcspn(curator->line, "\n")] = '\0';
    return curator->line + strlen(word);
}

struct curator *curator_start(const char *program, const char *servers, const char *argument)
{
    struct curator *curator = calloc(1, sizeof *curator);
    int to[2], from[2];

    MUST(curator);
    MUST(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    fflush(NULL); /* or the child's copy of a buffer could be told too */
    curator->pid = fork();
    if (curator->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execl(CURATOR_JAVA, CURATOR_JAVA, "-XX:+UseSerialGC", "-Xmx512m", "-cp", CURATOR_CLASS_PATH,
              program, servers, argument, (char *)NULL);
        _exit(127);
    }
    MUST(curator->pid > 0);
    close(to[0]);
    close(from[1]);
    curator->to = fdopen(to[1], "w");
    curator->from = fdopen(from[0], "r");
    MUST(curator->to && curator->from);
    curator_answer(curator, "ready");
    return curator;
}

char *curator_ask(struct curator *curator, const char *word, const char *order, ...)
{
    va_list arguments;

    va_start(arguments, order);
    vfprintf(curator->to, order, arguments);
    va_end(arguments);
    fputc('\n', curator->to);
    fflush(curator->to);
    return curator_answer(curator, word);
}

struct curator *curator_stop(struct curator *curator)
{
    if (!curator)
        return NULL;
    fclose(curator->to);
    waitpid(curator->pid, NULL, 0);
    fclose(curator->from);
    free(curator->line);
    free(curator);
    return NULL;
}

#else

struct curator *curator_start(const char *program, const char *servers, const char *argument)
{
    (void)program, (void)servers, (void)argument;
    return NULL;
}

char *curator_ask(struct curator *curator, const char *word, const char *order, ...)
{
    (void)curator, (void)word, (void)order;
    return NULL;
}

struct curator *curator_stop(struct curator *curator)
{
    return curator;
}

#endif
