/* frame.h - what the files of the frame share among themselves; a verb needs cli.h alone. */
#ifndef CLI_FRAME_H
#define CLI_FRAME_H

#include <stdarg.h>

#include "cli/cli.h"

enum { GLOBAL_OPTIONS_MAX = 16 };

/* The global options as given, and what was read for them. */
struct cli_globals {
    struct cli_option table[GLOBAL_OPTIONS_MAX];
    const char *servers, *config, *root, *auth;
    int64_t session_timeout_ns, connect_timeout_ns;
    bool session_timeout_given, connect_timeout_given;
    bool help, version;
    bool output_failed;

    lk_config *config_read;
    char *config_path;
    char *auth_scheme, *credential;
};

void globals_init(struct cli_globals *globals, struct cli *cli);
void globals_free(struct cli_globals *globals);

/* Fills in what was not given from the environment and the configuration file. False: said;
 * cli->code. */
bool globals_resolve(struct cli *cli);

/* Reads global options from argv[1] on, up to the first word, and returns its index (argc: there is
 * none). Short ones count only where `shorts` says so. -1: said; cli->code. */
int options_leading(struct cli *cli, bool shorts, int argc, char **argv);

/* Prints the verb's help; cli->code is 0, or says that it could not be written. */
void help_print(struct cli *cli);

/* The exit code of a status, whether CMD is to be run or not. */
int outcome_code(int status);

/* One line on stderr, in one write, control bytes escaped: "latchkey VERB: ...". */
__attribute__((format(printf, 2, 0))) void say(const struct cli *cli, const char *format,
                                               va_list args);

#endif
