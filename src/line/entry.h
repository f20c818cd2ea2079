/* entry.h - what is told of one znode in a line, and of the line: for lk_line_list() and
 * lk_line_watch. */
#ifndef ENTRY_H
#define ENTRY_H

#include <latchkey/grant.h>

#include "keeper/keeper.h"

/* A znode of a listing. */
struct seen {
    lk_line_entry entry; /* node and number alone, until it is read */
    char *text;          /* what the entry points to */
    int64_t mzxid;       /* as it was read; 0: not yet */
};

/* Known by name alone. False: no memory. */
bool seen_named(struct seen *out, const char *name);
/* From the reply to a get, or to an exists of what we may not read. False: no memory, and nothing
 * has changed. */
bool seen_read(struct seen *seen, const struct keeper_reply *reply);
void seen_free(struct seen *seen, size_t count); /* the array too; NULL accepted */

/* For qsort: those with numbers in their order, then the others by name. */
int line_order(const void *a, const void *b); /* of lk_line_entry; a struct seen begins with one */

/* Kind and permits, by the parent's data. LK_OK also for what nobody or another program has
 * written; else what is wrong with it. */
int line_describe(lk_line *line, const struct keeper_reply *parent);
/* What the parent's Stat says: numbers left, server time. */
void line_count_on(lk_line *line, const struct keeper_stat *parent);
/* Who holds, and the largest server time. The entries are line->count, in order. */
void line_judge(lk_line *line, lk_line_entry *entries);

#endif
