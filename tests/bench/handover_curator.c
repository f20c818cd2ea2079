/* handover_curator.c - a line of Curator's InterProcessMutex, in a process that
 * CuratorHandover.java describes; see handover.h. */
#include "handover.h"

#include "curator.h"
#include "raw.h"

struct line {
    struct curator *program;
    size_t waiters;
};

static void *line_open(const char *servers)
{
    struct line *line = calloc(1, sizeof *line);
    char clients[12];

    MUST(line);
    snprintf(clients, sizeof clients, "%d", HANDOVER_CLIENTS);
    line->program = curator_start("CuratorHandover", servers, clients);
    if (line->program)
        return line;
    free(line);
    return NULL;
}

static void line_close(void *self)
{
    struct line *line = self;

    curator_stop(line->program);
    free(line);
}

static void line_form(void *self, const char *path, size_t waiters)
{
    struct line *line = self;

    line->waiters = waiters;
    curator_ask(line->program, "formed", "form %s %zu", path, waiters);
}

static void line_drain(void *self, int64_t *moments_ns)
{
    struct line *line = self;
    char *at = curator_ask(line->program, "drained", "drain");

    moments_ns[0] = 0;
    for (size_t i = 1; i <= line->waiters; i++)
        moments_ns[i] = moments_ns[i - 1] + strtoll(at, &at, 10);
}

static void line_end(void *self)
{
    struct line *line = self;

    curator_ask(line->program, "ended", "end");
}

const struct contender handover_curator = {
    .name = "Curator",
    .open = line_open,
    .form = line_form,
    .drain = line_drain,
    .end = line_end,
    .close = line_close,
};
