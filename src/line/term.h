/* term.h - permits that end by themselves: the time of our own, and of those that we wait for.
 *
 * Such a permit says so in its znode's name, so that one listing tells which must be read. It runs
 * from its grant, not from the joining: before it holds, its owner writes its length into the
 * znode, and for all others it ends that long after the znode's mtime. A prolonging is the same
 * write once more.
 *
 *   holder   sends the write -------- ttl, by its own clock ------> LOST
 *   server          | commit: mtime ------- ttl -------------|
 *   first waiter           reads it, and waits at least until then; then it deletes the znode
 *
 * So the holder's end is always before everybody else's, however late its write was. Clocks are
 * taken to be wrong by up to a 64th, which both sides give away. */
#ifndef TERM_H
#define TERM_H

#include "session/session.h"

#define TERM_DRIFT 64 /* one in so many */

struct place;

/* Of our own permits. */
struct term {
    int32_t version; /* of our znode, as far as we know */
    uint32_t ms;     /* as written there; 0: not yet */
    bool has_begun;  /* that write was answered */
    int64_t sent_ns; /* when the last such write was sent */
    int64_t first_sent_ns;
    int64_t end_ns; /* has_begun: it is certainly still ours until then */
    struct timer timer;
    bool is_moving;     /* HELD: is being prolonged */
    bool is_moved_anew; /* another length has been asked for meanwhile */
    uint32_t wanted_ms;
    bool ran_out; /* before we were told that it had begun */
};

/* What a server's clock said: of which leader's reign, and when we heard it. */
struct heard_time {
    int64_t epoch, ms, at_ns;
};

/* Of those before us: the first waiter's. */
struct expiry {
    struct due **dues; /* by name */
    size_t count;
    bool is_short; /* of memory: not all of them are here */
    struct heard_time clock;
    struct timer timer;
};

/* term.c */
/* True: the grant has to wait for the write, and goes on by itself. */
bool term_begins(struct place *place);
void term_hold(struct place *place); /* granted */
void term_clear(struct place *place);
/* How long it lasts yet; INT64_MAX: as long as the session. */
int64_t term_left_ns(const struct place *place);
/* Its time may have run out before we heard that it had begun. */
bool term_may_be_over(const struct place *place);

/* expiry.c */
/* Those in the listing that stand before us and end by themselves. */
void expiry_follow(struct place *place, const struct keeper_reply *list);
void expiry_clear(struct place *place);
void expiry_see(struct place *place, const struct keeper_stat *stat);

#endif
