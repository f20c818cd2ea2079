/* harness.h - runs the tool as a user would: its own process, its output caught, its descriptors
 * exactly those named here, on a terminal if wished. One private server for all tests of a program.
 *
 * Nothing sleeps for a guessed time: what is to happen is waited for, and a test that waits in vain
 * for a minute fails with what was seen instead. */
#ifndef TESTS_CLI_HARNESS_H
#define TESTS_CLI_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>
#include <stdbool.h>
#include <sys/types.h>

#include <zkbox.h>

/* The arguments of one command line. */
#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Starts the server. The tool's path is argv[1] of the test program. 0, as cmocka's group setup
 * wants it. */
int harness_start(void **state);
int harness_stop(void **state);
void harness_tool_path(int argc, char **argv);

extern zkbox *harness_box;
const char *harness_servers(void);

/* "127.0.0.1:port" where nobody listens. */
const char *harness_no_server(void);

/* A path that no other call has given. Lives until the program ends. */
const char *harness_path(const char *word);

/* ---- one run of the tool ---- */

enum { STATUS_FD = 9 }; /* open in every run but on a terminal; for --status-fd */

struct tool {
    pid_t pid;
    bool ended;
    int code;             /* 128+n: the tool itself died of signal n, which it never should */
    bool killed;          /* it did */
    long peak_kib;        /* the most memory that it had, once it has ended */
    int out, err, status; /* memory files */
    int terminal;         /* the master's side; -1: none */
    char *text;           /* what was read last */
};

/* Everything that a run is begun with, beside its arguments. Zero is fine. */
struct setting {
    const char *servers;          /* NULL: the harness' */
    const char *const *variables; /* "NAME=value"; NULL: none */
    bool on_terminal;    /* standard descriptors are a new terminal's, of a session of its own */
    const char *program; /* NULL: the tool; else this, which finds the tool's path in $LATCHKEY */
    const char *out_to;  /* a file for standard output; "": closed */
};

struct tool *tool_start(const char *const *args);
struct tool *tool_start_in(const struct setting *setting, const char *const *args);

/* Waits for its end, and gives the exit code. */
int tool_wait(struct tool *tool);

/* Signals it, waits, frees it, and gives the exit code. */
int tool_end(struct tool *tool, int signal);

/* Start, wait, and expect this exit code; what it printed can still be read. */
struct tool *tool_run(int code, const char *const *args);

/* Kills it if need be. NULL. */
struct tool *tool_free(struct tool *tool);

/* What it has printed so far; valid until the next such call. On a terminal all is tool_out(). */
const char *tool_out(struct tool *tool);
const char *tool_err(struct tool *tool);
const char *tool_status(struct tool *tool);

/* Waits until it has printed this on stdout (or its terminal), on stderr. */
void tool_await_out(struct tool *tool, const char *text);
void tool_await_err(struct tool *tool, const char *text);

/* Types on its terminal. */
void tool_type(struct tool *tool, const char *text);

/* The whole standard error is one line that has these words. */
void tool_says(struct tool *tool, const char *words);

/* ---- the world around ---- */

/* Waits until it holds. */
void await(bool (*holds)(void *arg), void *arg, const char *what);

/* Waits until the process is gone (a zombie is gone). */
void await_gone(pid_t pid);
bool is_alive(pid_t pid);

/* The number behind `key` in a text like "key=123"; fails the test when there is none. */
int64_t number_after(const char *text, const char *key);

/* The process id of a run's guardian, waited for. */
pid_t tool_guardian(const struct tool *tool);

/* Waits until so many stand in line at the path, as `latchkey status --json` tells. */
void await_line(const char *path, size_t count);

#endif
