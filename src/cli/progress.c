/* progress.c - drawn on stderr, so that stdout stays data, and on a terminal only: in a log it
 * would be noise.
 *
 * At most ten times a second: drawing must not cost what it measures. */
#include "cli/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <latchkey/client.h>

#define DRAW_EVERY_NS 100000000
#define BAR_WIDTH 24
#define DEFAULT_WIDTH 80

void progress_begin(struct progress *progress, bool quiet)
{
    const char *terminal = getenv("TERM");

    *progress = (struct progress){ 0 };
    progress->shown = !quiet && isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb") != 0;
}

bool progress_is_due(const struct progress *progress)
{
    return progress->shown && lk_now_ns() >= progress->next_ns;
}

static int terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return DEFAULT_WIDTH;
    return size.ws_col;
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *words)
{
    char bar[BAR_WIDTH + 1] = "", line[256];

    if (!progress_is_due(progress))
        return;
    progress->next_ns = lk_now_ns() + DRAW_EVERY_NS;
    if (total > 0) {
        size_t filled = done >= total ? BAR_WIDTH
                                      : (size_t)((double)done / (double)total * BAR_WIDTH);
        memset(bar, '#', filled);
        memset(bar + filled, '.', BAR_WIDTH - filled);
        snprintf(line, sizeof(line), "[%s] %3d %%  %s", bar,
                 (int)((double)done * 100 / (double)total), words);
    } else {
        snprintf(line, sizeof(line), "%s", words);
    }
    /* A line that wraps could not be drawn over. */
    fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, line);
    fflush(stderr);
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->next_ns = 0;
}

void progress_end(struct progress *progress)
{
    progress_clear(progress);
    progress->shown = false;
}
