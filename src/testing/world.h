/* world.h - what the simulated ensemble and its clients stand on: virtual time, chance, memory,
 * streams, a trace.
 *
 * A world is one thread and one queue of events, ordered by (time, order of setting). Time moves
 * only from one event to the next, and every choice is drawn from the seed: a seed replays its
 * world, step by step. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* What the wall clocks show when the world begins. */
#define WALL_BEGIN_MS INT64_C(1700000000000)

/* ---- memory: given back all at once, when the world ends ---- */

struct arena {
    struct arena_block *blocks;
    size_t used;
};
/* Zeroed; aborts without memory: this is a test. */
void *arena_take(struct arena *arena, size_t size);
char *arena_text(struct arena *arena, const char *text);
/* NULL when there are none. */
void *arena_copy(struct arena *arena, const void *bytes, size_t size);
void arena_free(struct arena *arena);

/* ---- chance ---- */

struct chance {
    uint64_t state;
};
uint64_t chance_next(struct chance *chance);
int64_t chance_between(struct chance *chance, int64_t low, int64_t high); /* both included */
bool chance_percent(struct chance *chance, unsigned percent);

/* ---- events ---- */

struct world;

struct event {
    struct list node; /* of the queue, while it is set */
    int64_t at_ns;
    void (*run)(struct event *event);
};

struct world {
    uint64_t seed;
    int64_t now_ns;
    uint64_t steps;
    struct chance chance;
    struct arena arena;
    struct list events; /* by time; those of one moment in the order of setting */
    bool traces; /* off while seeds are swept: the same seed is run again to print its story */
    char *trace;
    size_t trace_size, trace_capacity;
    char failure[512]; /* the first one; "" while there is none */
};

void world_begin(struct world *world, uint64_t seed);
void world_end(struct world *world);
bool world_step(struct world *world);             /* false: nothing can ever happen again */
int64_t world_next_ns(const struct world *world); /* of the next event; INT64_MAX: there is none */

/* Sets, or moves, an event. Not before now. */
void event_at(struct world *world, struct event *event, int64_t at_ns,
              void (*run)(struct event *event));
void event_stop(struct world *world, struct event *event); /* not set: nothing happens */
bool event_is_set(const struct event *event);

/* One line of the story. */
#define world_tell(world, ...)                                                                     \
    do {                                                                                           \
        if ((world)->traces)                                                                       \
            world_tell_line(world, __VA_ARGS__);                                                   \
    } while (0)
__attribute__((format(printf, 2, 3))) void world_tell_line(struct world *world, const char *format,
                                                           ...);
__attribute__((format(printf, 2, 3))) void world_fail(struct world *world, const char *format, ...);

/* ---- streams: first in, first out, with a latency; as TCP, they may stall and go on ---- */

struct message {
    struct list node;
    int64_t at_ns;
};

struct pipe {
    struct world *world;
    struct list messages;
    struct event arrive;
    int64_t last_ns;                 /* arrival of the last one sent: nothing overtakes */
    const int64_t *stalled_until_ns; /* the way between the two ends; may be NULL */
    const int64_t *paused_until_ns;  /* the receiver, which does not read; may be NULL */
    void (*deliver)(struct pipe *pipe, struct message *message);
};
void pipe_send(struct pipe *pipe, struct message *message, int64_t latency_ns);
void pipe_clear(struct pipe *pipe); /* what is under way is lost */
void pipe_kick(struct pipe *pipe);  /* after a stall or a pause was ended before its time */

#endif
