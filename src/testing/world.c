/* world.c - see world.h: a queue of events, and the story they tell. */
#include "memory.h"
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Far from zero, so that arithmetic which forgets an offset is caught. */
#define BEGIN_NS (1000 * SECOND)

void world_begin(struct world *world, uint64_t seed)
{
    *world = (struct world){
        .seed = seed, .now_ns = BEGIN_NS, .chance = { seed }, .traces = world->traces
    };
}

void world_end(struct world *world)
{
    arena_free(&world->arena);
    real_free(world->trace);
    world->trace = NULL;
    world->events = (struct list){ 0 };
}

/* A walk from the front, not a heap: most events are set for just now, before all but one or two of
 * the twenty or thirty that wait. */
void event_at(struct world *world, struct event *event, int64_t at_ns,
              void (*run)(struct event *event))
{
    list_remove(&event->node);
    event->at_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
    event->run = run;
    list_for_each (later, &world->events) {
        if (container_of(later, struct event, node)->at_ns <= event->at_ns)
            continue;
        list_append(later, &event->node); /* before it */
        return;
    }
    list_append(&world->events, &event->node);
}

void event_stop(struct world *world, struct event *event)
{
    (void)world;
    list_remove(&event->node);
}

bool event_is_set(const struct event *event)
{
    return list_is_linked(&event->node);
}

int64_t world_next_ns(const struct world *world)
{
    return list_is_empty(&world->events)
               ? INT64_MAX
               : container_of(world->events.next, struct event, node)->at_ns;
}

bool world_step(struct world *world)
{
    struct list *node = list_take(&world->events);

    if (!node)
        return false;
    struct event *event = container_of(node, struct event, node);
    world->now_ns = event->at_ns;
    world->steps++;
    event->run(event);
    return true;
}

static void append(struct world *world, const char *text, size_t size)
{
    if (world->trace_size + size + 1 > world->trace_capacity) {
        world->trace_capacity = 2 * (world->trace_size + size + 1);
        world->trace = real_realloc(world->trace, world->trace_capacity);
        if (!world->trace)
            abort();
    }
    for (size_t i = 0; i < size; i++)
        world->trace[world->trace_size++] = text[i];
    world->trace[world->trace_size] = '\0';
}

static void tell(struct world *world, const char *format, va_list arguments)
{
    char line[1024];
    int64_t us = (world->now_ns - BEGIN_NS) / US;
    int head = snprintf(line, sizeof(line), "[%3lld.%06lld] ", (long long)(us / 1000000),
                        (long long)(us % 1000000));
    int size = head + vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, arguments);
    if (size > (int)sizeof(line) - 2)
        size = (int)sizeof(line) - 2;
    line[size] = '\n';
    append(world, line, (size_t)size + 1);
}

void world_tell_line(struct world *world, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(world, format, arguments);
    va_end(arguments);
}

void world_fail(struct world *world, const char *format, ...)
{
    if (world->failure[0])
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof(world->failure), format, arguments);
    va_end(arguments);
    world_tell(world, "FAILED: %s", world->failure);
}
