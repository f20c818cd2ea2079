/* lines.c - see lines.h. stdio would do, but for knowing whether its buffer still holds a line:
 * poll() can't see that. */
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE 65536
#define LINE_SIZE_MAX (1024 * 1024)

void lines_begin(struct lines *lines, int fd)
{
    *lines = (struct lines){ .fd = fd };
}

void lines_free(struct lines *lines)
{
    free(lines->buffer);
    lines->buffer = NULL;
}

int lines_open(struct lines *lines, const char *from, uint64_t *out_size)
{
    struct stat stat;
    int fd = strcmp(from, "-") == 0 ? STDIN_FILENO : open(from, O_RDONLY | O_CLOEXEC);

    *lines = (struct lines){ .fd = fd };
    if (fd < 0 || fstat(fd, &stat) != 0)
        return errno;
    *out_size = S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0;
    return 0;
}

void lines_close(struct lines *lines)
{
    lines_free(lines);
    if (lines->fd > STDIN_FILENO)
        close(lines->fd);
    *lines = (struct lines){ .fd = -1 };
}

/* What was given out is forgotten; room for one more read, and for the NUL of a last line without
 * an end. */
static int make_room(struct lines *lines)
{
    size_t left = lines->end - lines->begin;

    if (left > 0 && lines->begin > 0)
        memmove(lines->buffer, lines->buffer + lines->begin, left);
    lines->begin = 0;
    lines->end = left;
    if (lines->capacity - left > READ_SIZE)
        return 0;
    if (left > LINE_SIZE_MAX)
        return EFBIG;
    size_t capacity = left + 2 * READ_SIZE;
    char *buffer = realloc(lines->buffer, capacity);
    if (!buffer)
        return ENOMEM;
    lines->buffer = buffer;
    lines->capacity = capacity;
    return 0;
}

int lines_fill(struct lines *lines)
{
    int failed = make_room(lines);
    if (failed)
        return failed;
    ssize_t got = read(lines->fd, lines->buffer + lines->end, READ_SIZE);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : errno;
    lines->at_end = got == 0;
    lines->end += (size_t)got;
    return 0;
}

bool lines_take(struct lines *lines, char **out_line, size_t *out_size)
{
    size_t left = lines->end - lines->begin;
    char *line = left > 0 ? lines->buffer + lines->begin : NULL;
    char *end = left > 0 ? memchr(line, '\n', left) : NULL;

    if (left == 0 || (!end && !lines->at_end))
        return false;
    size_t size = end ? (size_t)(end - line) : left;
    lines->begin += end ? size + 1 : size;
    lines->taken += end ? size + 1 : size;
    if (size > 0 && line[size - 1] == '\r')
        size--;
    line[size] = '\0';
    *out_line = line;
    *out_size = size;
    return true;
}
