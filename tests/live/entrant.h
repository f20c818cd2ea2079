/* entrant.h - one who stands in the line "/l" of a test, lock or read-write lock, writes its entry
 * and its exit into a znode of its own, each under its grant (guard.h), and lets go.
 *
 * So the server itself keeps the log: the entry's czxid is when it entered, its mzxid when it left,
 * its data says who held with which znode and who stood there meanwhile. The guard asks no more than
 * that the znode stands in the line: it hides no one who held too early. entrants_judge() reads the
 * log and has it judged. Used by a test, and by the processes that it kills. */
#ifndef ENTRANT_H
#define ENTRANT_H

#include "judge.h"
#include "live.h"

struct entrant {
    char name[12];      /* of its znode, below "/turns" */
    bool writes, reads; /* of a read-write lock; neither: a plain lock */
    lk_client *client;
    zhandle_t *witness; /* who looks at the line for it */
    const char *root;
    /* In callbacks: has entered, and holds until entrant_leave(); NULL: leaves at once. */
    void (*entered)(struct entrant *entrant);
    /* Has let go: LK_OK; else what it was refused with. */
    void (*over)(struct entrant *entrant, int status);

    /* its own */
    lk_lock *lock;
    lk_rwlock *rwlock;
    lk_guard *guard;
    lk_op op;
    char *entry;
};

/* How the name of its znode begins. */
const char *entrant_prefix(const struct entrant *entrant);
/* LK_OK, or why it can't even ask. */
int entrant_join(struct entrant *entrant, int64_t deadline_ns);
void entrant_cancel(struct entrant *entrant);
void entrant_leave(struct entrant *entrant);
void entrant_free(struct entrant *entrant);

/* The log of the present test, in the order of the places in line; fails the test if no fair line
 * can have written it. `may_be_killed` says of whom it is known. How many turns. */
size_t entrants_judge(struct turn *out_turns, size_t room, bool (*may_be_killed)(const char *who));

#endif
