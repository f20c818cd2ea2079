/* fuzz_lines.c - the reader of the users for bulk claims: however the input comes in pieces, the
 * lines are those of the whole. */
#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/lines.h"

/* The whole, line after line. */
struct whole {
    struct input in;
};

static void is_next_line(struct whole *whole, const char *line, size_t size)
{
    struct input *in = &whole->in;

    MUST(in->left > 0);
    const uint8_t *end = memchr(in->at, '\n', in->left);
    struct input expected = take_part(in, end ? (size_t)(end - in->at) : in->left);
    if (end)
        (void)take(in, 1);
    if (expected.left && expected.at[expected.left - 1] == '\r')
        expected.left--;
    MUST(size == expected.left && memcmp(line, expected.at, size) == 0 && line[size] == '\0');
}

static void take_lines(struct lines *lines, struct whole *whole)
{
    char *line;
    size_t size;

    while (lines_take(lines, &line, &size))
        is_next_line(whole, line, size);
}

static void read_in_pieces(struct input in, const int pipe_ends[2])
{
    struct lines lines;
    struct whole whole;
    /* First come the lengths of the pieces; the last piece is the rest. */
    struct input lengths = take_part(&in, (size_t)take(&in, 1));
    size_t all = in.left;

    whole.in = in;
    lines_begin(&lines, pipe_ends[0]);
    while (in.left) {
        struct input piece = take_part(&in, lengths.left ? (size_t)take(&lengths, 1) : in.left);
        MUST(write(pipe_ends[1], piece.at, piece.left) == (ssize_t)piece.left);
        MUST(lines_fill(&lines) == 0 && !lines.at_end);
        take_lines(&lines, &whole);
    }
    close(pipe_ends[1]);
    MUST(lines_fill(&lines) == 0 && lines.at_end);
    take_lines(&lines, &whole);
    MUST(whole.in.left == 0 && lines.taken == all);
    lines_free(&lines);
    close(pipe_ends[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pipe_ends[2];

    /* What a pipe takes at once. */
    if (size > 16384)
        return 0;
    MUST(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
    read_in_pieces((struct input){ data, size }, pipe_ends);
    return 0;
}
