/* cli.h - the frame that every verb of the tool stands in: options, defaults, output, exit codes, a
 * connected client.
 *
 * A verb is one file with one `const struct verb`, named in the table of main.c. Its run() begins
 * with cli_parse(), which knows the global options too and reads environment and configuration;
 * then cli_connect(); then its own work; what it returns is the exit code. People's output goes to
 * stdout, words about what happens to stderr, and with --json stdout carries one object a line and
 * nothing else. The tool uses the public headers alone. */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <latchkey/latchkey.h>

/* The contract's numbers. CMD's own code, and 128+n, come besides. */
enum {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1, /* by the answer: sold out, not found, wrong state */
    EXIT_AUDIT = 2,   /* an audit found a fault */
    EXIT_USAGE = 64,
    EXIT_NO_SERVER = 69,
    EXIT_UNKNOWN = 75, /* the line prints the id that settles it */
    EXIT_CONFIG = 78,
    EXIT_LOST = 123,
    EXIT_TIMEOUT = 124,
    EXIT_OWN = 125, /* latchkey's own failure; with CMD, refusals too */
    EXIT_CANNOT_RUN = 126,
    EXIT_NO_COMMAND = 127,
};

struct cli;

struct verb {
    const char *name;
    const char *summary; /* a few words for `latchkey --help` */
    const char *help;    /* what `latchkey VERB --help` prints, whole lines; begins with "usage:
                            latchkey VERB" */
    bool takes_command;  /* `--` begins CMD; else it only ends the options, as everywhere */
    /* Argv[0] is the verb; answers the exit code. */
    int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct verb verb_lock, verb_elect, verb_observe, verb_status, verb_break;
extern const struct verb verb_coupon, verb_dev, verb_demo, verb_doctor;

struct cli {
    const struct verb *verb;

    /* Set by cli_parse(). */
    char **words; /* what is neither option nor CMD; NULL at the end */
    size_t word_count;
    char **command; /* CMD with its arguments; NULL: there was no `--` (or the verb takes none) */
    bool json, quiet, verbose;
    lk_client_options client; /* servers, root, timeouts, credentials as they are in effect */
    bool servers_named;       /* by option, environment or file; false: the default is used */
    const char *root;         /* "": none */
    const char *config_file;  /* absolute; "": none is used */
    const lk_config *config;  /* NULL: none; for defaults of primitives: cli_config_text() */
    int64_t connect_timeout_ns;

    int code; /* the exit code when a function below has answered false or NULL */

    sigset_t mask_at_start; /* CMD gets these two back */
    bool sigchld_ignored;
    struct cli_globals *globals; /* options as given; globals.c alone looks inside */
};

/* ---- options ---- */

enum cli_kind {
    CLI_END,     /* the table's last entry: { 0 } */
    CLI_FLAG,    /* bool: becomes true */
    CLI_TEXT,    /* const char * */
    CLI_SECONDS, /* int64_t, nanoseconds */
    CLI_NUMBER,  /* uint64_t within least and most */
    CLI_TIME,    /* struct cli_time */
};

struct cli_option {
    enum cli_kind kind;
    char letter;          /* 0: none */
    const char *name;     /* without "--"; NULL: none */
    void *value;          /* where it goes; untouched when the option is not given */
    bool *given;          /* becomes true with it; may be NULL */
    uint64_t least, most; /* CLI_NUMBER; most 0: UINT64_MAX */
};

/* Reads the verb's options and the long global ones (options and words may be mixed;
 * "--name=value", "--name value",
 * "-w5", "-w 5", "-xn"), handles --help, checks that there are `least` to `most` words, then reads
 * environment and configuration file. False: something was printed, return cli->code. */
bool cli_parse(struct cli *cli, const struct cli_option *options, size_t least, size_t most,
               int argc, char **argv);

/* For verbs that have verbs of their own: steps over leading long global options and returns the
 * first word, which is then (*argv)[0], as cli_parse() wants it. NULL: there is none, return
 * cli->code. --help is handled. */
const char *cli_subverb(struct cli *cli, int *argc, char ***argv);

/* Each false when `text` is no such value. */
bool cli_seconds(const char *text, int64_t *out_ns); /* finite, not negative, a fraction allowed */
/* Decimal digits alone. */
bool cli_number(const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* RFC 3339, or "+SEC": so long after the present server time. */
struct cli_time {
    bool relative;
    int64_t ms; /* since 1970, or to be added */
};
bool cli_time(const char *text, struct cli_time *out);

#define CLI_TIME_SIZE 32
/* RFC 3339, UTC, milliseconds; returns `text`. */
char *cli_time_text(int64_t ms, char text[CLI_TIME_SIZE]);
/* "850ms", "3.2s", "4m07s", "5h12m", "3d04h". */
char *cli_age_text(int64_t ms, char text[CLI_TIME_SIZE]);

/* An absolute path? Else prints the line and answers false; code 64. */
bool cli_path(struct cli *cli, const char *path);

/* The configuration file's default "group.key". */
const char *cli_config_text(const struct cli *cli, const char *key, const char *fallback);
int64_t cli_config_number(const struct cli *cli, const char *key, int64_t fallback);

/* ---- saying no: each prints one line on stderr and returns the exit code ---- */

/* "latchkey lock: WHAT: why; what to do". Why, what to do and the code come from the status, by the
 * one table in outcome.c. Where CMD is to be run, codes 1, 2 and 75 become 125. */
__attribute__((format(printf, 3, 4))) int cli_fail(struct cli *cli, int status, const char *what,
                                                   ...);

/* The same with everything said by the caller: name what, why, and what to do. */
__attribute__((format(printf, 3, 4))) int cli_refuse(struct cli *cli, int code, const char *line,
                                                     ...);

/* EXIT_USAGE, pointing at --help. */
__attribute__((format(printf, 2, 3))) int cli_usage(struct cli *cli, const char *what, ...);

/* The exit code alone. */
int cli_code(const struct cli *cli, int status);

/* ---- saying what happens: lines on stderr ---- */

/* Not with -q. */
__attribute__((format(printf, 2, 3))) void cli_note(const struct cli *cli, const char *line, ...);
/* With -v alone. */
__attribute__((format(printf, 2, 3))) void cli_detail(const struct cli *cli, const char *line, ...);

/* ---- output on stdout ---- */

/* Foreign text made fit for a terminal: control bytes, direction marks and what is not UTF-8 as
 * \xNN, a backslash doubled. Freed by the caller; never NULL (the tool ends with 125 when memory
 * does). */
char *cli_escape(const void *text, size_t size);
char *cli_escape_text(const char *text);

/* A JSON string of any bytes: as they are if they are UTF-8, else as cli_escape() writes them. */
json_t *cli_json_text(const void *text, size_t size);

/* Prints the object on a line of its own and gives it back to jansson. False: as cli_flush(). NULL
 * is no memory. */
bool cli_json_print(struct cli *cli, json_t *object);

/* The same for many lines, on any stream: not flushed, and nothing is said. False: ferror(to). */
bool cli_json_write(FILE *to, json_t *object);

/* Hands everything printed to the system: after each line of a verb that goes on, main.c does it at
 * the end. False: it could not be written, that was said; return cli->code. */
bool cli_flush(struct cli *cli);

/* ---- the server ---- */

/* A client whose session is connected, waited for until the connect timeout or `deadline_ns`. NULL:
 * that was said, return cli->code (69: no server). Its callbacks run in lk_dispatch(). */
lk_client *cli_connect(struct cli *cli, int64_t deadline_ns);

/* The same in two steps, for what needs a client but no server in between. */
lk_client *cli_client(struct cli *cli);
bool cli_await_connected(struct cli *cli, lk_client *client, int64_t deadline_ns);

/* Ends the session politely, for at most a second, and frees. Takes NULL, returns NULL. */
lk_client *cli_disconnect(lk_client *client);

/* A fitting deadline for one request now: the connect timeout. */
int64_t cli_deadline(const struct cli *cli);

/* ---- CMD ---- */

/* One variable of CMD's environment, put over whatever stood there. */
struct cli_variable {
    const char *name;
    const char *value;
};

/* Runs cli->command in a process group of its own: terminal, signals, descriptors and exit codes by
 * the contract, no lock. The calling process must have no threads yet; CMD's descriptors are those
 * without CLOEXEC. NULL at the end of `variables`. Returns the exit code, with all signals blocked:
 * what is to be cleaned up will be. What is left of the group is not touched; but should this
 * process be killed, all of the group is. */
int cli_run_command(struct cli *cli, const struct cli_variable *variables);

#endif
