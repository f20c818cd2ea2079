/* lines.h - a text read line by line by a loop that also waits for other things: it never blocks.
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lines {
    int fd;
    char *buffer;
    size_t begin, end, capacity;
    bool at_end;    /* nothing more will come from fd */
    uint64_t taken; /* bytes of the lines given out */
};

void lines_begin(struct lines *lines, int fd);
void lines_free(struct lines *lines); /* does not close fd */

/* A file, or "-": standard input. *out_size is what it has in bytes, 0 where that is not known. 0, or
 * an errno. */
int lines_open(struct lines *lines, const char *from, uint64_t *out_size);
void lines_close(struct lines *lines);

/* Reads once, so call it when fd is readable. 0, or an errno (EAGAIN and EINTR are 0). */
int lines_fill(struct lines *lines);

/* The next whole line, without its end, NUL-terminated; the last one needs no end. Lives until
 * lines_fill(). False: none is complete yet. */
bool lines_take(struct lines *lines, char **out_line, size_t *out_size);

#endif
