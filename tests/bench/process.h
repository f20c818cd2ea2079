/* process.h - a program between two pipes that is asked by lines and answers by lines: a peer, or
 * this very program again under another name. It dies with who started it. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdio.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    FILE *to, *from;
    char *line;
    size_t line_size;
};

/* Of argv, which ends with NULL; `program` NULL: this very program. */
struct process *process_start(const char *program, char *const argv[]);
__attribute__((format(printf, 2, 3))) void process_tell(struct process *process, const char *order,
                                                        ...);
/* Its next line, which must begin with `word`: what follows that, without the line's end, valid
 * until the next call. */
char *process_hear(struct process *process, const char *word);
/* Its input ends, and it is waited for: the exit status, or minus the signal. Takes NULL: 0. */
int process_end(struct process *process);

#endif
