/* trace.c - what the proxy saw pass; see trace.h. */
#include "trace.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace trace_take(void)
{
    struct trace trace;
    size_t all;

    assert_int_equal(zkbox_proxy_trace(live_proxy(), &trace.frames, &all), 0);
    trace.count = 0;
    for (size_t i = 0; i < all; i++)
        if (trace.frames[i].xid > 0)
            trace.frames[trace.count++] = trace.frames[i];
    return trace;
}

const char *trace_requests(const struct trace *trace)
{
    static char text[2000];
    static const struct {
        int opcode;
        const char *name;
    } names[] = {
        { OP_CREATE, "create" }, { OP_DELETE, "delete" },  { OP_GET, "get" },
        { OP_SET, "set" },       { OP_LIST, "list" },      { OP_LIST2, "list" },
        { OP_MULTI, "multi" },   { OP_CREATE2, "create" }, { OP_CREATE_CONTAINER, "container" },
    };

    *text = '\0';
    for (size_t i = 0; i < trace->count; i++) {
        char number[20];
        const char *name = number;
        if (trace->frames[i].direction != ZKBOX_TO_SERVER)
            continue;
        snprintf(number, sizeof number, "%d", trace->frames[i].opcode);
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
            if (names[j].opcode == trace->frames[i].opcode)
                name = names[j].name;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", *text ? " " : "", name);
    }
    return text;
}

void assert_requests(const char *expected)
{
    struct trace trace = trace_take();
    const char *requests = trace_requests(&trace);

    free(trace.frames);
    assert_string_equal(requests, expected);
}

size_t trace_first_flight(const struct trace *trace)
{
    size_t count = 0;

    while (count < trace->count && trace->frames[count].direction == ZKBOX_TO_SERVER)
        count++;
    return count;
}

static bool is_write(int opcode)
{
    return opcode == OP_CREATE || opcode == OP_DELETE || opcode == OP_SET || opcode == OP_MULTI
           || opcode == OP_CREATE2 || opcode == OP_CREATE_CONTAINER;
}

struct cost trace_cost(const struct trace *trace)
{
    struct cost cost = { 0 };

    for (size_t i = 0; i < trace->count; i++) {
        const zkbox_frame *frame = &trace->frames[i];
        if (frame->direction == ZKBOX_TO_SERVER) {
            cost.bytes_out += frame->size;
            cost.writes += is_write(frame->opcode);
            cost.reads += !is_write(frame->opcode);
            continue;
        }
        cost.replies++;
        cost.bytes_in += frame->size;
        if (frame->size > cost.largest_reply)
            cost.largest_reply = frame->size;
    }
    return cost;
}

struct cost await_replies(size_t count)
{
    for (;;) {
        struct trace trace = trace_take();
        struct cost cost = trace_cost(&trace);
        free(trace.frames);
        assert_true(cost.writes + cost.reads <= count);
        if (cost.replies == count)
            return cost;
        sched_yield();
    }
}
