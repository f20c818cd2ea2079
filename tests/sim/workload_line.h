/* workload_line.h - what the workloads of everything that stands in a line have in common: actors
 * who ask, hold, give back, change their mind, and check that each request is answered once, with
 * an answer that can be true. */
#ifndef SIM_WORKLOAD_LINE_H
#define SIM_WORKLOAD_LINE_H

#include "workloads.h"

/* The public functions of a lock, of a candidate, ..., under one name. */
struct vocabulary {
    int (*make)(void **out, lk_client *client, const char *path, lk_grant_fn *on_change, void *arg);
    void (*free)(void *handle);
    /* dice: how, where there are several ways to ask. */
    int (*ask)(void *handle, bool only_if_free, uint64_t dice, int64_t deadline_ns,
               lk_done_fn *done, void *arg, lk_op *out_op);
    int (*give)(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op);
    int64_t (*remaining_ns)(void *handle);
    int (*fence)(void *handle, lk_fence *out);
    int (*node_name)(void *handle, char *name, size_t size);
    /* While it holds, to hold otherwise; may be NULL. */
    bool (*is_turning)(void *handle);
    int (*turn)(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg, lk_op *out_op);
    bool can_try, has_ways;
    bool needs_the_data; /* of the line: foreign data is a refusal */
    bool is_many; /* a handle stands in several lines, and loses the whole with one of them */
};

/* Defines those functions that every lk_THING has alike; ITS_WORDS puts them into its vocabulary. How
 * one is made and how it is asked for, each workload says itself. */
#define DEFINE_WORDS(thing, gives)                                                                 \
    static void thing##_free(void *handle)                                                         \
    {                                                                                              \
        lk_##thing##_free(handle);                                                                 \
    }                                                                                              \
    static int thing##_give(void *handle, int64_t deadline_ns, lk_done_fn *done, void *arg,        \
                            lk_op *out_op)                                                         \
    {                                                                                              \
        return lk_##thing##_##gives##_start(handle, deadline_ns, done, arg, out_op);               \
    }                                                                                              \
    static int64_t thing##_remaining_ns(void *handle)                                              \
    {                                                                                              \
        return lk_##thing##_remaining_ns(handle);                                                  \
    }                                                                                              \
    static int thing##_fence(void *handle, lk_fence *out)                                          \
    {                                                                                              \
        return lk_##thing##_fence(handle, out);                                                    \
    }                                                                                              \
    static int thing##_node_name(void *handle, char *name, size_t size)                            \
    {                                                                                              \
        return lk_##thing##_node(handle, name, size);                                              \
    }
#define ITS_WORDS(thing)                                                                           \
    .free = thing##_free, .give = thing##_give, .remaining_ns = thing##_remaining_ns,              \
    .fence = thing##_fence, .node_name = thing##_node_name

struct line_workload;

void line_workload_begin(struct sim *sim, const struct vocabulary *vocabulary);
void line_workload_witness(struct sim *sim, const struct tree *before, const struct txn *txn);
void line_workload_check(struct sim *sim);
void line_workload_settle(struct sim *sim);
bool line_workload_is_settled(struct sim *sim);
void line_workload_free_handles(struct sim *sim);
void line_workload_check_end(struct sim *sim);
/* What a workload of actors alone does of struct workload, but for its begin and its witness. */
#define LINE_WORKLOAD_ACTS                                                                         \
    .settle = line_workload_settle, .is_settled = line_workload_is_settled,                        \
    .free_handles = line_workload_free_handles, .check = line_workload_check,                      \
    .check_end = line_workload_check_end

/* For who is about beside the actors (onlookers.c). */
struct sim *line_workload_sim(const struct line_workload *workload);
const struct vocabulary *line_workload_vocabulary(const struct line_workload *workload);
bool line_workload_is_at_the_end(const struct line_workload *workload); /* of the numbers */
bool line_workload_can_try(const struct line_workload *workload);
/* Of an actor of this client in this line; NULL: none has a handle. */
void *line_workload_handle(const struct line_workload *workload, const struct sim_client *client,
                           const char *path);

#endif
