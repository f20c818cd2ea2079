/* seen.c - which users had an account when their seat was given up: so that a claim of theirs does not
 * spoil a commit by taking them for new ones. A hint: a slot remembers the last user that fell on
 * it, and one who is mistaken for him costs a read. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "ledger/machine.h"

#define SLOTS (1u << 20) /* 4 MiB */

struct seen {
    uint32_t slots[SLOTS];
};

static uint32_t *seen_slot(struct seen *seen, const char *user, uint32_t *mark)
{
    uint64_t hash = XXH3_64bits(user, strlen(user));

    *mark = (uint32_t)(hash >> 32) | 1;
    return &seen->slots[hash % SLOTS];
}

bool seen_has(struct seen *seen, const char *user)
{
    uint32_t mark;

    if (!seen)
        return false;
    const uint32_t *slot = seen_slot(seen, user, &mark);
    return *slot == mark;
}

struct seen *seen_add(struct seen *seen, const char *user)
{
    uint32_t mark, *slot;

    if (!seen)
        seen = calloc(1, sizeof(*seen));
    if (!seen)
        return NULL;
    slot = seen_slot(seen, user, &mark);
    *slot = mark;
    return seen;
}
