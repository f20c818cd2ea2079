/* output.c - how words leave: people's lines, JSON lines, and lines on stderr.
 *
 * Names, labels and cards on the servers were written by others. Nothing of theirs reaches a
 * terminal as a control sequence: what could move a cursor, retitle a window or turn the text
 * around is shown as \xNN. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/frame.h"

enum { LINE_MAX_SIZE = 4096 };

/* Length of the UTF-8 sequence at `at`, and its code point; 0: it is none (overlong and surrogates
 * too). */
static size_t utf8_next(const unsigned char *at, size_t left, uint32_t *out)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = at[0] < 0x80       ? 1
                    : at[0] >> 5 == 6  ? 2
                    : at[0] >> 4 == 14 ? 3
                    : at[0] >> 3 == 30 ? 4
                                       : 0;
    if (length == 0 || length > left)
        return 0;
    uint32_t point = length == 1 ? at[0] : at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        point = point << 6 | (at[i] & 0x3f);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *out = point;
    return length;
}

/* C0, DEL, C1, line separators, and the marks that reorder text. */
static bool is_harmless(uint32_t point)
{
    return point >= 0x20 && !(point >= 0x7f && point < 0xa0)
           && !(point >= 0x200e && point <= 0x200f) && !(point >= 0x2028 && point <= 0x202e)
           && !(point >= 0x2066 && point <= 0x2069);
}

/* Writes the escaped text to `to`, at most four bytes for one, and returns its end. */
static char *escape_into(char *to, const void *text, size_t size, bool double_backslash)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *at = text, *end = at + size;
    while (at < end) {
        uint32_t point = 0;
        size_t length = utf8_next(at, (size_t)(end - at), &point);
        if (length != 0 && is_harmless(point)) {
            if (point == '\\' && double_backslash)
                *to++ = '\\';
            memcpy(to, at, length);
            to += length;
            at += length;
            continue;
        }
        for (size_t bad = length != 0 ? length : 1; bad > 0; bad--, at++) {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = hex[*at >> 4];
            *to++ = hex[*at & 15];
        }
    }
    *to = '\0';
    return to;
}

static void *must(void *memory)
{
    static const char line[] = "latchkey: out of memory; free some and try again\n";
    if (memory != NULL)
        return memory;
    (void)!write(STDERR_FILENO, line, sizeof(line) - 1);
    _exit(EXIT_OWN);
}

char *cli_escape(const void *text, size_t size)
{
    char *out = must(malloc(4 * size + 1));
    escape_into(out, text, size, true);
    return out;
}

char *cli_escape_text(const char *text)
{
    return cli_escape(text, strlen(text));
}

json_t *cli_json_text(const void *text, size_t size)
{
    json_t *string = json_stringn(text, size);
    if (string != NULL)
        return string;
    char *escaped = cli_escape(text, size);
    string = must(json_string(escaped));
    free(escaped);
    return string;
}

void say(const struct cli *cli, const char *format, va_list args)
{
    char line[LINE_MAX_SIZE], out[4 * LINE_MAX_SIZE + 2];
    const char *verb = cli->verb != NULL ? cli->verb->name : NULL;
    int head = snprintf(line, sizeof(line), "latchkey%s%s: ", verb != NULL ? " " : "",
                        verb != NULL ? verb : "");
    vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);

    char *end = escape_into(out, line, strlen(line), false);
    *end++ = '\n';
    (void)!write(STDERR_FILENO, out, (size_t)(end - out));
}

void cli_note(const struct cli *cli, const char *line, ...)
{
    if (cli->quiet)
        return;
    va_list args;
    va_start(args, line);
    say(cli, line, args);
    va_end(args);
}

void cli_detail(const struct cli *cli, const char *line, ...)
{
    if (!cli->verbose)
        return;
    va_list args;
    va_start(args, line);
    say(cli, line, args);
    va_end(args);
}

bool cli_json_write(FILE *to, json_t *object)
{
    must(object);
    char *line = must(json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII));
    json_decref(object);
    fputs(line, to);
    free(line);
    fputc('\n', to);
    return !ferror(to);
}

bool cli_json_print(struct cli *cli, json_t *object)
{
    cli_json_write(stdout, object);
    return cli_flush(cli);
}

/* An error once met stays on the stream: it is told once. */
bool cli_flush(struct cli *cli)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (!cli->globals->output_failed)
        cli_refuse(cli, EXIT_OWN, "can't write to standard output: %s; see where it leads",
                   strerror(errno != 0 ? errno : EIO));
    cli->globals->output_failed = true;
    cli->code = EXIT_OWN;
    return false;
}
