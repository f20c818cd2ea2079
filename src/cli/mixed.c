/* mixed.c - see mixed.h. The rows of docs/interop.md come down to three kinds of names, of which a
 * path should have one. Whoever has another name is waited for by latchkey, but not by Curator. */
#include "cli/mixed.h"

#include <string.h>

enum kind {
    OTHER,      /* nobody's that we know of */
    DASHED,     /* "-lock-": latchkey's own, Curator's mutex, kazoo's told to use it */
    CURATOR_RW, /* "__READ__", "__WRIT__" */
    KAZOO,      /* "__lock__", "__rlock__" */
};

static enum kind name_kind(const char *name)
{
    if (strstr(name, "__READ__") || strstr(name, "__WRIT__"))
        return CURATOR_RW;
    if (strstr(name, "__lock__") || strstr(name, "__rlock__"))
        return KAZOO;
    return strstr(name, "-lock-") ? DASHED : OTHER;
}

/* Prefers a pair of which one is blind to the other, to a pair of latchkey's own. */
static void mixed_compare(struct mixed *mixed, const lk_line_entry *one, const lk_line_entry *other)
{
    bool is_broken = !one->ours || !other->ours;

    if (name_kind(one->node) == name_kind(other->node)
        || (mixed->one && mixed->is_broken >= is_broken))
        return;
    mixed->one = one < other ? one : other; /* as they stand */
    mixed->other = one < other ? other : one;
    mixed->is_broken = is_broken;
}

struct mixed mixed_look(const lk_line *line)
{
    const lk_line_entry *firsts[KAZOO + 1][2] = { { NULL } }; /* of each kind: others', ours */
    struct mixed mixed = { .one = NULL };

    for (size_t i = 0; i < line->count; i++) {
        const lk_line_entry *entry = &line->entries[i];
        enum kind kind = name_kind(entry->node);
        if (entry->number < 0)
            continue;
        mixed.has_curator = mixed.has_curator || strncmp(entry->node, "_c_", 3) == 0;
        if (!firsts[kind][entry->ours])
            firsts[kind][entry->ours] = entry;
    }
    size_t least = mixed.has_curator ? 2 * OTHER : 2 * DASHED;
    for (size_t one = least; one < 2 * (KAZOO + 1); one++)
        for (size_t other = least; other < one; other++)
            if (firsts[one / 2][one % 2] && firsts[other / 2][other % 2])
                mixed_compare(&mixed, firsts[other / 2][other % 2], firsts[one / 2][one % 2]);
    return mixed;
}
