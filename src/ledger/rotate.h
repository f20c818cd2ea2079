/* rotate.h - znodes that are written for ever.
 *
 * A znode's version is a signed 32-bit number. A shard with a thousand commits a second has used
 * them up after 25 days; then it would turn negative, and -1 stands for "any". So near the end a
 * znode is replaced by one that begins anew, in the commit that would have set it: delete (version),
 * create. Nobody sees it missing. The same multi gives the campaign a new seal: whoever remembers
 * what had a low version of before must not write where that version comes a second time.
 *
 * Commits and add stock do so. What writes seldom (a sweep, a repair) sets on and leaves it to them.
 * The campaign's own record can't be replaced, it has children; it is refused at VERSION_MAX, which a
 * change a second reaches after 68 years. The clock is written without a version and may wrap. */
#ifndef LEDGER_ROTATE_H
#define LEDGER_ROTATE_H

#include <stdint.h>

#define VERSION_ROTATE (INT32_MAX - (1 << 21)) /* from here on it is replaced */
#define VERSION_MAX (INT32_MAX - (1 << 20))    /* what stands even further is refused */

#endif
