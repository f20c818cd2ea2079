/* servertime.h - the server's time, as far as this ledger handle knows it: never backwards.
 *
 * Every Stat says "the server's clock was at least this" (mtime); a Stat of a write of our own says
 * "it is about this". Between them the boot clock carries on. A server whose clock stands behind
 * what was seen changes nothing. */
#ifndef LEDGER_SERVERTIME_H
#define LEDGER_SERVERTIME_H

#include <stdbool.h>
#include <stdint.h>

struct servertime {
    int64_t ms, at_ns; /* the reading, and when it was taken */
    bool told;         /* by a write of our own: not only a lower bound from long ago */
};

static inline int64_t servertime_ms(const struct servertime *time, int64_t now_ns)
{
    return now_ns > time->at_ns ? time->ms + (now_ns - time->at_ns) / 1000000 : time->ms;
}

static inline void servertime_see(struct servertime *time, int64_t mtime_ms, int64_t now_ns)
{
    if (mtime_ms > servertime_ms(time, now_ns)) {
        time->ms = mtime_ms;
        time->at_ns = now_ns;
    }
}

static inline void servertime_tell(struct servertime *time, int64_t mtime_ms, int64_t now_ns)
{
    servertime_see(time, mtime_ms, now_ns);
    time->told = true;
}

#endif
