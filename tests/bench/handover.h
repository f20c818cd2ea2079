/* handover.h - lines whose hand-overs are measured: by latchkey and by Curator, asked for alike.
 *
 * A line is formed behind a holder (`form`, which returns when all have asked to join), the holder
 * lets go and each waiter does so as soon as it is granted (`drain`), but the last, who keeps it
 * until `end`: so as many releases as grants fall between, and no more. */
#ifndef HANDOVER_H
#define HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include "zkbox.h"

enum { HANDOVER_CLIENTS = 4, HANDOVER_JOINS_MAX = 20 };

struct contender {
    const char *name;
    /* Opens HANDOVER_CLIENTS sessions. NULL: what is needed for it was not there when this was
     * built. */
    void *(*open)(const char *servers);
    void (*form)(void *self, const char *path, size_t waiters);
    /* moments_ns[0] is when the holder was told to let go, moments_ns[i] when the i-th waiter knew
     * of its grant, by one clock. Returns when all but the last know that they have released. */
    void (*drain)(void *self, int64_t *moments_ns);
    void (*end)(void *self);
    void (*close)(void *self);
};

extern const struct contender handover_latchkey, handover_curator;

/* What one join cost, as a proxy saw it: from its first request to the last reply. */
struct join_cost {
    int64_t ns;
    int64_t commit_ns;                     /* a commit just after it, for comparison */
    size_t requests, to_server, to_client; /* bytes */
};

/* latchkey alone: one more joins the formed line at its end. `proxy` is what its clients are
 * connected through. */
struct join_cost handover_join(void *self, zkbox_proxy *proxy);

#endif
