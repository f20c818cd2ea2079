/* records.h - what a line keeps on ZooKeeper: see docs/format.md.
 *
 * The parent holds the low-water mark: "no znode in this line has a number up to `mark`", a
 * certificate of emptiness written by an exclusive holder in the same commit that removes it. `tag`
 * is the czxid of the parent that the mark was made for: in a parent that was deleted and made
 * again the numbers start anew, and an old mark must not count. */
#ifndef LINE_RECORDS_H
#define LINE_RECORDS_H

#include "base/record.h"
#include "keeper/keeper.h"

enum line_kind { LINE_LOCK = 1, LINE_RWLOCK = 2, LINE_SEMAPHORE = 3, LINE_ELECTION = 4 };

/* The newest. What needs no field of it is written in format 1, for programs that know no other. */
#define LINE_FORMAT 2
#define PLACE_FORMAT 3

struct line_record {
    uint8_t kind;
    uint32_t permits;      /* of a semaphore; else 0 */
    uint32_t permits_most; /* that it ever had: who stands within these may hold */
    uint32_t mark;
    int64_t tag; /* 0: no mark */
    /* A line with a lock delay; else 0. `held`: the czxid of who holds, from before its grant to
     * its clean release. */
    uint32_t delay_ms;
    int64_t held;
};

int line_record_write(struct record_out *out, const struct line_record *record);
int line_record_read(struct line_record *out, const void *data, size_t size); /* as record_open() */

/* What one znode in the line says of its owner. */
struct place_record {
    uint8_t kind;
    /* Of one attempt to join: finds the znode again when the create's reply was lost. */
    uint64_t token;
    uint64_t pid;
    bool asked;       /* to let go */
    uint32_t term_ms; /* these permits end so long after the znode's mtime; 0: no such end */
    const char *host, *words; /* when read: into the record, not NUL-terminated */
    size_t host_size, words_size;
};

int place_record_write(struct record_out *out, const struct place_record *record);
int place_record_read(struct place_record *out, const void *data, size_t size);

/* A plain lock is an rwlock's writer: both stand in one line, whoever made it. */
static inline bool line_kinds_share(uint8_t a, uint8_t b)
{
    return a == b || (a <= LINE_RWLOCK && b <= LINE_RWLOCK);
}

const char *line_kind_name(uint8_t kind); /* "" for none of ours */

#endif
