/* numbers.h - the numbers that order a line. ZooKeeper counts in a signed 32-bit integer and
 * misbehaves past its end, so a line starts anew before it: docs/protocol.md. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include <latchkey/grant.h>

#include "keeper/keeper.h"

#define NUMBERS_RESTART                                                                            \
    ((UINT32_C(1) << 31) - (UINT32_C(1) << 20)) /* from here a lone holder starts the line anew */
#define NUMBERS_END ((UINT32_C(1) << 31) - (UINT32_C(1) << 16)) /* from here joining is refused */

/* Serial arithmetic (RFC 1982). */
static inline bool number_is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* Our names: a constant prefix and the number, so that a predecessor's name can be computed. Of a
 * semaphore's permits the name says how many, so that one listing decides.
 *
 *              lock, writer   reader          permits
 *   native     lk-lock-       lk-read-lock-   lk-sem3-lock-, lk-sem3t-lock- (they end by themselves)
 *   Curator    lk-lock-       lk-__READ__     (of an rwlock: the writer is lk-__WRIT__)
 *   kazoo      lk__lock__     lk__rlock__
 *
 * All native ones end as Curator's locks do: a Curator mutex on the same path sees whoever stands
 * there in the line, and waits for it. */
#define NUMBERS_PREFIX_SIZE 32
struct numbers_style {
    lk_compat compat;
    bool is_rwlock, is_reader;
    uint32_t weight; /* permits; else 0 */
    bool has_term;   /* permits with a time of their own */
};
void numbers_prefix(char prefix[NUMBERS_PREFIX_SIZE], struct numbers_style style);
/* Of a semaphore's permits; 1 for whoever's name does not say it. */
uint32_t numbers_weight(const char *name);
/* Permits that end by themselves. */
bool numbers_has_term(const char *name);

/* Ours, Curator's or kazoo's. Whatever else has a number stands there exclusively. */
bool numbers_is_reader(const char *name);

/* The child with the largest number before `number` that stands in the way: for a reader that is a
 * writer, else anybody; NULL: nobody is. Sets *out_own if `own` is among the children. */
const char *numbers_predecessor(const struct keeper_reply *list, uint32_t number, const char *own,
                                bool for_reader, bool *out_own);

/* How many children stand in the line, and in the way. */
uint32_t numbers_count(const struct keeper_reply *list, bool for_reader);

#endif
