/* visit.h - one blocking caller's business with one znode, in flights one after the other: read,
 * decide, write under the version read, and again when another was faster. */
#ifndef SESSION_VISIT_H
#define SESSION_VISIT_H

#include "base/record.h"
#include "session/flight.h"

struct visit {
    struct op op;
    struct flight flight;
    lk_client *client;
    char *path; /* in full */
};

typedef void visit_fn(struct visit *visit);

/* Waits until visit_end(). `path` is the caller's own, below the client's root. LK_E_PATH,
 * LK_E_TOO_LARGE, LK_E_NOMEM, LK_E_WOULD_DEADLOCK, LK_E_DEADLINE, LK_E_NO_SERVER: none was reached
 * by the deadline. */
int visit_run(struct visit *visit, lk_client *client, const char *path, int64_t deadline_ns,
              visit_fn *begin);
void visit_end(struct visit *visit, int status);

/* What can't be sent ends the visit. */
void visit_read(struct visit *visit, void (*landed)(struct flight *flight));
void visit_write(struct visit *visit, const struct record_out *data, int32_t version,
                 void (*landed)(struct flight *flight));
void visit_make(struct visit *visit, enum keeper_mode mode, void (*landed)(struct flight *flight));

static inline struct visit *flight_visit(struct flight *flight)
{
    return container_of(flight, struct visit, flight);
}

#endif
