/* world.c - see world.h: a heap of events, and the story they tell. */
#include "memory.h"
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Far from zero, so that arithmetic which forgets an offset is caught. */
#define BEGIN_NS (1000 * SECOND)

void world_begin(struct world *world, uint64_t seed)
{
    struct event **heap = world->heap;
    size_t capacity = world->heap_capacity;
    *world = (struct world){ .seed = seed,
                             .now_ns = BEGIN_NS,
                             .chance = { seed },
                             .traces = world->traces,
                             .heap = heap,
                             .heap_capacity = capacity };
}

void world_end(struct world *world)
{
    arena_free(&world->arena);
    real_free(world->heap);
    real_free(world->trace);
    world->heap = NULL;
    world->trace = NULL;
    world->heap_count = world->heap_capacity = 0;
}

static bool is_earlier(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct world *world, size_t slot, struct event *event)
{
    world->heap[slot - 1] = event;
    event->slot = slot;
}

static void rise(struct world *world, struct event *event)
{
    size_t slot = event->slot;
    for (; slot > 1 && is_earlier(event, world->heap[slot / 2 - 1]); slot /= 2)
        put(world, slot, world->heap[slot / 2 - 1]);
    put(world, slot, event);
}

static void sink(struct world *world, struct event *event)
{
    size_t slot = event->slot;
    for (size_t child; (child = 2 * slot) <= world->heap_count; slot = child) {
        if (child < world->heap_count && is_earlier(world->heap[child], world->heap[child - 1]))
            child++;
        if (is_earlier(event, world->heap[child - 1]))
            break;
        put(world, slot, world->heap[child - 1]);
    }
    put(world, slot, event);
}

void event_at(struct world *world, struct event *event, int64_t at_ns,
              void (*run)(struct event *event))
{
    if (!event->slot) {
        if (world->heap_count == world->heap_capacity) {
            world->heap_capacity = world->heap_capacity ? 2 * world->heap_capacity : 64;
            world->heap = real_realloc(world->heap, world->heap_capacity * sizeof(*world->heap));
            if (!world->heap)
                abort();
        }
        put(world, ++world->heap_count, event);
    }
    event->at_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
    event->order = world->order++;
    event->run = run;
    rise(world, event);
    sink(world, event);
}

void event_stop(struct world *world, struct event *event)
{
    if (!event->slot)
        return;
    struct event *last = world->heap[--world->heap_count];
    if (last != event) {
        put(world, event->slot, last);
        rise(world, last);
        sink(world, last);
    }
    event->slot = 0;
}

bool world_step(struct world *world)
{
    if (world->heap_count == 0)
        return false;
    struct event *event = world->heap[0];
    event_stop(world, event);
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
