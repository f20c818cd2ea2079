/* seen.c - which users had an account when their seat was given up: so that a claim of theirs does not
 * spoil a commit by taking them for new ones. A hint: a set remembers the last users that fell on
 * it, and one who is mistaken for one of them costs a read. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "ledger/machine.h"

enum { SETS = 1 << 17, WAYS = 8 }; /* 4 MiB */

struct seen {
    uint32_t marks[SETS][WAYS]; /* of each set the newest first */
};

static uint32_t *seen_set(struct seen *seen, const char *user, uint32_t *mark)
{
    uint64_t hash = XXH3_64bits(user, strlen(user));

    *mark = (uint32_t)(hash >> 32) | 1;
    return seen->marks[hash % SETS];
}

bool seen_has(struct seen *seen, const char *user)
{
    uint32_t mark;

    if (!seen)
        return false;
    const uint32_t *set = seen_set(seen, user, &mark);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i] == mark)
            return true;
    }
    return false;
}

struct seen *seen_add(struct seen *seen, const char *user)
{
    uint32_t mark, *set;
    size_t at = 0;

    if (!seen)
        seen = calloc(1, sizeof(*seen));
    if (!seen)
        return NULL;
    set = seen_set(seen, user, &mark);
    while (at < WAYS - 1 && set[at] != mark)
        at++;
    memmove(set + 1, set, at * sizeof(*set));
    set[0] = mark;
    return seen;
}
