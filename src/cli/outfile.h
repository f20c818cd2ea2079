/* outfile.h - a file that appears whole or not at all. */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include <stdio.h>

struct outfile {
    FILE *stream;
    char *path;   /* where it will stand, links followed */
    char *beside; /* its name until then; NULL: what stands there is written to as it is */
};

/* 0, or an errno. What stands at `path` stays until outfile_finish(); what is no plain file (a
 * device, a pipe) is written to at once. */
int outfile_open(struct outfile *file, const char *path);

/* Puts it in its place, on the disk. 0, or an errno: then what stood there still does. */
int outfile_finish(struct outfile *file);

/* Frees; what was not finished goes. */
void outfile_close(struct outfile *file);

#endif
