/* expect.c - see expect.h. A run that answered otherwise is told whole: words, code, both streams.
 */
#include "expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32 };

static void tell(struct tool *tool, const char *const *args)
{
    print_error("latchkey");
    for (; *args; args++)
        print_error(" %s", *args);
    print_error("\n  exit code %d\n  stdout: %s\n", tool->code, tool_out(tool));
    print_error("  stderr: %s\n", tool_err(tool));
}

static struct tool *run_in(const struct setting *setting, int code, const char *const *args)
{
    struct tool *tool = tool_start_in(setting, args);

    tool_wait(tool);
    if (tool->code != code) {
        tell(tool, args);
        fail_msg("exit code %d, expected %d", tool->code, code);
    }
    return tool;
}

static struct tool *run(int code, const char *const *args)
{
    return run_in(&(struct setting){ NULL }, code, args);
}

void expect_gives(int code, const char *text, const char *const *args)
{
    struct tool *tool = run(code, args);

    if (strcmp(tool_out(tool), text) != 0) {
        tell(tool, args);
        fail_msg("expected exactly: %s", text);
    }
    tool_free(tool);
}

void expect_says(int code, const char *words, const char *const *args)
{
    struct tool *tool = run(code, args);

    if (!strstr(tool_out(tool), words)) {
        tell(tool, args);
        fail_msg("expected on stdout: %s", words);
    }
    tool_free(tool);
}

void expect_refuses(int code, const char *words, const char *const *args)
{
    struct tool *tool = run(code, args);
    const char *text = tool_err(tool), *end = strchr(text, '\n');

    if (!end || end[1] != '\0' || !strstr(text, words)) {
        tell(tool, args);
        fail_msg("expected one line on stderr with: %s", words);
    }
    assert_string_equal(tool_out(tool), "");
    tool_free(tool);
}

void expect_line_refused(int code, const char *words, const char *line)
{
    const char *args[WORDS_MAX + 1] = { NULL };
    char *copy = strdup(line), *rest = NULL;
    size_t count = 0;

    for (char *word = strtok_r(copy, " ", &rest); word && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        args[count++] = word;
    expect_refuses(code, words, args);
    free(copy);
}

/* Ends with it. */
static char *output_of(struct tool *tool)
{
    char *text = strdup(tool_out(tool));

    tool_free(tool);
    return text;
}

char *expect_shows(int code, const char *const *args)
{
    const char *const variables[] = { "TERM=xterm", NULL };
    const struct setting setting = { .on_terminal = true, .variables = variables };

    return output_of(run_in(&setting, code, args));
}

char *expect_prints(int code, const char *const *args)
{
    return output_of(run(code, args));
}
