/* process.c - see process.h. */
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raw.h"

struct process *process_start(const char *program, char *const argv[])
{
    struct process *process = calloc(1, sizeof *process);
    int to[2], from[2];

    MUST(process);
    MUST(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
    fflush(NULL); /* or the child's copy of a buffer could be told too */
    process->pid = fork();
    if (process->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execv(program ? program : "/proc/self/exe", argv);
        _exit(127);
    }
    MUST(process->pid > 0);
    close(to[0]);
    close(from[1]);
    process->to = fdopen(to[1], "w");
    process->from = fdopen(from[0], "r");
    MUST(process->to && process->from);
    return process;
}

void process_tell(struct process *process, const char *order, ...)
{
    va_list arguments;

    va_start(arguments, order);
    vfprintf(process->to, order, arguments);
    va_end(arguments);
    fputc('\n', process->to);
    fflush(process->to);
}

char *process_hear(struct process *process, const char *word)
{
    MUST(getline(&process->line, &process->line_size, process->from) > 0);
    MUST(strncmp(process->line, word, strlen(word)) == 0);
    process->line[strcspn(process->line, "\n")] = '\0';
    return process->line + strlen(word);
}

int process_end(struct process *process)
{
    int status = 0;

    if (!process)
        return 0;
    fclose(process->to);
    MUST(waitpid(process->pid, &status, 0) == process->pid);
    fclose(process->from);
    free(process->line);
    free(process);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
