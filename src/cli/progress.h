/* progress.h - one line on a terminal that says how far a long verb is. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;      /* stderr is a terminal, and nobody asked for silence */
    int64_t next_ns; /* not drawn again before */
};

void progress_begin(struct progress *progress, bool quiet);

/* `total` 0: unknown, no bar. `words` follow it. Cheap when it is not time to draw. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *words);

/* Whether progress_show() would draw now, for whom the words are dear. */
bool progress_is_due(const struct progress *progress);

/* Clears the line, so that another can be printed; the next progress_show() draws it anew. */
void progress_clear(struct progress *progress);

/* Clears the line for good. */
void progress_end(struct progress *progress);

#endif
