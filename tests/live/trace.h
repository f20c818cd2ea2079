/* trace.h - what live_proxy() saw pass: the requests by name, and what they weigh. */
#ifndef TRACE_H
#define TRACE_H

#include "live.h"

enum {
    OP_CREATE = 1,
    OP_DELETE = 2,
    OP_GET = 4,
    OP_SET = 5,
    OP_LIST = 8,
    OP_LIST2 = 12,
    OP_MULTI = 14,
    OP_CREATE2 = 15,
    OP_CREATE_CONTAINER = 19
};

/* The frames since zkbox_proxy_trace_start() that belong to requests, not to pings and events. */
struct trace {
    zkbox_frame *frames; /* the caller frees them */
    size_t count;
};
struct trace trace_take(void);

/* "create get", in order; until the next call. */
const char *trace_requests(const struct trace *trace);
void assert_requests(const char *expected); /* since the start of the trace */

/* How many requests went out before the first reply came in. */
size_t trace_first_flight(const struct trace *trace);

/* Of the requests and their replies. */
struct cost {
    size_t writes, reads, replies;
    size_t bytes_out, bytes_in;
    size_t largest_reply; /* bytes */
};
struct cost trace_cost(const struct trace *trace);

/* Waits until so many requests have been answered; what it weighs. More fail the test. */
struct cost await_replies(size_t count);

#endif
