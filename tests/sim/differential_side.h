/* differential_side.h - one of the two that are compared: the simulated servers, or real ones.
 *
 * A side has a few sessions, and is driven one step at a time. After a step every session
 * writes, so that each has been told all that it will be told of the step, and its server has
 * applied it: then both sides must have heard the same, session by session. What is heard becomes
 * lines of text, in which everything that may differ between the sides is replaced: a zxid by its
 * distance from the script's first one, a session by the order of its opening, times by nothing
 * (but see TIME_CLASHES). */
#ifndef SIM_DIFFERENTIAL_SIDE_H
#define SIM_DIFFERENTIAL_SIDE_H

#include <pthread.h>

#include "testing/sim.h"

enum { SESSIONS = 4, LINES_MAX = 256, OPENED_MAX = 256, TXNS_MAX = 4096 };

/* Said in a line if two Stats give one transaction different times. */
#define TIME_CLASHES "another time than before for this transaction"

struct side;

struct side_session {
    struct side *side;
    struct sim_client *client; /* NULL: real */
    struct keeper *keeper;
    int64_t id; /* 0: not connected yet */
    bool is_closed;
    const char *trouble; /* what should never befall it here: a loss, an expiry */
    size_t answers;      /* in this step */
    size_t line_count;
    char *lines[LINES_MAX];
};

struct side {
    const char *name;
    struct sim *sim;                 /* NULL: real */
    const char *addresses[SESSIONS]; /* real: of each session's server */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct side_session sessions[SESSIONS];
    int64_t opened[OPENED_MAX]; /* ids, in the order of opening */
    size_t opened_count;
    int64_t first_zxid;
    int64_t times_ms[TXNS_MAX]; /* by the zxid's distance; 0: not seen yet */
};

void side_begin(struct side *side, struct sim *sim, const char *const addresses[SESSIONS]);
void side_end(struct side *side);

/* All of these wait; false: `trouble` of some session says why, or time has run out. */
bool side_open(struct side *side, int session, const char *auth);
bool side_ask(struct side *side, int session, const struct keeper_request *request);
bool side_close(struct side *side, int session);
/* What the sessions have heard since the last time: one text, which the caller frees. Sorted: for
 * the events of a session's end, whose order the server does not promise. */
char *side_heard(struct side *side, bool sorted);
/* Some session's connection. */
bool side_was_lost(const struct side *side);

#endif
