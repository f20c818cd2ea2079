/* numbers.h - the numbers that order a line. ZooKeeper counts in a signed 32-bit integer and
 * misbehaves past its end, so a line starts anew before it: docs/protocol.md. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/keeper.h"

#define NUMBERS_RESTART                                                                            \
    ((UINT32_C(1) << 31) - (UINT32_C(1) << 20)) /* from here a lone holder starts the line anew */
#define NUMBERS_END ((UINT32_C(1) << 31) - (UINT32_C(1) << 16)) /* from here joining is refused */

/* Serial arithmetic (RFC 1982). */
static inline bool number_is_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

/* The child with the largest number before `number`; NULL: nobody is. Sets *out_own if `own` is
 * among them. */
const char *numbers_predecessor(const struct keeper_reply *list, uint32_t number, const char *own,
                                bool *out_own);

/* How many children stand in the line. */
uint32_t numbers_count(const struct keeper_reply *list);

#endif
