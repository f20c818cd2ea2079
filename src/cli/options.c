/* options.c - one reader for the options of all verbs.
 *
 * getopt_long() is not used: global options may stand among a verb's own, it shortens names (so
 * that a new option would break old scripts), and it prints its own words. Names must be whole
 * here, and nothing is global. */
#include <stdlib.h>
#include <string.h>

#include "cli/frame.h"

struct reader {
    struct cli *cli;
    const struct cli_option *options; /* the verb's; NULL: only global ones */
    bool short_globals;
    int argc;
    char **argv;
    int next;
};

static const struct cli_option *find_long(const struct cli_option *table, const char *name,
                                          size_t length)
{
    for (; table != NULL && table->kind != CLI_END; table++)
        if (table->name != NULL && strlen(table->name) == length
            && memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static const struct cli_option *find_short(const struct cli_option *table, char letter)
{
    for (; table != NULL && table->kind != CLI_END; table++)
        if (table->letter == letter)
            return table;
    return NULL;
}

static const struct cli_option *reader_short(const struct reader *reader, char letter)
{
    const struct cli_option *option = find_short(reader->options, letter);
    if (option == NULL && reader->short_globals)
        option = find_short(reader->cli->globals->table, letter);
    return option;
}

static bool usage(struct cli *cli, const char *shown, const char *text, const char *what)
{
    cli_usage(cli, "%s: '%s' is not %s", shown, text, what);
    return false;
}

static bool store(struct cli *cli, const struct cli_option *option, const char *shown,
                  const char *text)
{
    if (option->given != NULL)
        *option->given = true;

    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->value = true;
        return true;
    case CLI_TEXT:
        *(const char **)option->value = text;
        return true;
    case CLI_SECONDS:
        return cli_seconds(text, option->value)
               || usage(cli, shown, text, "a number of seconds, like 2.5");
    case CLI_TIME:
        return cli_time(text, option->value)
               || usage(cli, shown, text, "a time, like 2030-01-31T12:00:00Z or +90");
    case CLI_NUMBER: {
        uint64_t most = option->most != 0 ? option->most : UINT64_MAX;
        if (cli_number(text, option->least, most, option->value))
            return true;
        cli_usage(cli, "%s: '%s' is not a whole number from %llu to %llu", shown, text,
                  (unsigned long long)option->least, (unsigned long long)most);
        return false;
    }
    case CLI_END:
        break;
    }
    abort(); /* a table with a kind that is none */
}

/* The option's value when it is not glued to it: the next argument. `--` is never a value that way:
 * a forgotten value must not swallow the beginning of CMD. */
static const char *reader_value(struct reader *reader, const char *shown)
{
    const char *value = reader->next < reader->argc ? reader->argv[reader->next] : NULL;
    if (value == NULL || strcmp(value, "--") == 0) {
        cli_usage(reader->cli, "%s needs a value", shown);
        return NULL;
    }
    reader->next++;
    return value;
}

static bool read_long(struct reader *reader, const char *argument)
{
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;

    const struct cli_option *option = find_long(reader->options, name, length);
    if (option == NULL)
        option = find_long(reader->cli->globals->table, name, length);

    char *shown = strndup(argument, length + 2);
    bool fine = false;
    if (shown == NULL)
        reader->cli->code = cli_fail(reader->cli, LK_E_NOMEM, "options");
    else if (option == NULL)
        cli_usage(reader->cli, "there is no option %s", shown);
    else if (option->kind == CLI_FLAG && value != NULL)
        cli_usage(reader->cli, "%s takes no value", shown);
    else if (option->kind == CLI_FLAG || value != NULL
             || (value = reader_value(reader, shown)) != NULL)
        fine = store(reader->cli, option, shown, value);
    free(shown);
    return fine;
}

/* A bundle: flags, of which the last may be an option with its value glued on or following. */
static bool read_shorts(struct reader *reader, const char *argument)
{
    for (const char *letter = argument + 1; *letter != '\0'; letter++) {
        const char shown[] = { '-', *letter, '\0' };
        const struct cli_option *option = reader_short(reader, *letter);
        if (option == NULL) {
            const char *hint = find_short(reader->cli->globals->table, *letter) != NULL
                                   ? " here (short global options stand before the verb)"
                                   : "";
            cli_usage(reader->cli, "there is no option %s%s", shown, hint);
            return false;
        }
        if (option->kind == CLI_FLAG) {
            store(reader->cli, option, shown, NULL);
            continue;
        }
        const char *value = letter[1] != '\0' ? letter + 1 : reader_value(reader, shown);
        return value != NULL && store(reader->cli, option, shown, value);
    }
    return true;
}

/* "-" alone is a word (standard input), and so is a negative number. */
static bool is_option(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0' && !(argument[1] >= '0' && argument[1] <= '9');
}

static bool read_option(struct reader *reader)
{
    const char *argument = reader->argv[reader->next++];
    return argument[1] == '-' ? read_long(reader, argument) : read_shorts(reader, argument);
}

int options_leading(struct cli *cli, bool shorts, int argc, char **argv)
{
    struct reader reader = {
        .cli = cli, .short_globals = shorts, .argc = argc, .argv = argv, .next = 1
    };
    while (reader.next < argc && is_option(argv[reader.next])
           && strcmp(argv[reader.next], "--") != 0)
        if (!read_option(&reader))
            return -1;
    return reader.next;
}

/* Moves the words together at argv[1]: what has been read is not needed any more. */
static bool read_all(struct reader *reader)
{
    struct cli *cli = reader->cli;
    char **argv = reader->argv;
    char **end = argv + 1;
    bool ended = false;

    while (reader->next < reader->argc && !ended) {
        char *argument = argv[reader->next];
        if (strcmp(argument, "--") == 0) {
            ended = true;
            reader->next++;
        } else if (!is_option(argument)) {
            *end++ = argument;
            reader->next++;
        } else if (!read_option(reader)) {
            return false;
        }
    }

    if (ended && cli->verb->takes_command)
        cli->command = argv + reader->next;
    else
        while (reader->next < reader->argc)
            *end++ = argv[reader->next++];

    cli->words = argv + 1;
    cli->word_count = (size_t)(end - cli->words);
    if (cli->command == NULL || end < cli->command)
        *end = NULL;
    return true;
}

void help_print(struct cli *cli)
{
    fputs(cli->verb->help, stdout);
    fputs("\nGlobal options: latchkey --help. Exit codes and all else: latchkey(1).\n", stdout);
    cli->code = EXIT_DONE;
    (void)cli_flush(cli);
}

bool cli_parse(struct cli *cli, const struct cli_option *options, size_t least, size_t most,
               int argc, char **argv)
{
    struct reader reader = {
        .cli = cli, .options = options, .argc = argc, .argv = argv, .next = 1
    };
    if (!read_all(&reader))
        return false;
    if (cli->globals->help) {
        help_print(cli);
        return false;
    }
    if (cli->word_count > most) {
        cli_usage(cli, "'%s' is one argument too many%s", cli->words[most],
                  cli->verb->takes_command && cli->command == NULL ? " (CMD stands behind --)"
                                                                   : "");
        return false;
    }
    if (cli->word_count < least) {
        cli_usage(cli, "an argument is missing");
        return false;
    }
    return globals_resolve(cli);
}

const char *cli_subverb(struct cli *cli, int *argc, char ***argv)
{
    int at = options_leading(cli, false, *argc, *argv);
    if (at < 0)
        return NULL;
    if (cli->globals->help) {
        help_print(cli);
        return NULL;
    }
    if (at == *argc || strcmp((*argv)[at], "--") == 0) {
        cli_usage(cli, "what to do is not named");
        return NULL;
    }
    *argc -= at;
    *argv += at;
    return (*argv)[0];
}
