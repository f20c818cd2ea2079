/* mixed.h - whether all who stand in a line can see each other.
 *
 * latchkey takes whoever has a number for one who stands there. Curator and kazoo look at names: each
 * passes over those that it does not know, and then holds beside them (docs/interop.md). */
#ifndef MIXED_H
#define MIXED_H

#include <latchkey/latchkey.h>

struct mixed {
    const lk_line_entry *one, *other; /* NULL: all have names of one kind */
    bool is_broken; /* one of those is not latchkey's, so it does not see the other */
    bool has_curator;
};
struct mixed mixed_look(const lk_line *line);

#endif
