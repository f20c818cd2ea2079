/* judge.h - whether a log of turns in one line is one that a fair line can have written.
 *
 * All times are zxids: every holder writes something once after it was granted and once before it
 * lets go, and the server's order of commits says what came before what. Two rules, and no clock:
 *
 *   exclusion and order   nobody enters before all who joined before it, and stand in its way, have
 *                         left: one who overlaps is caught, and so is one who overtakes
 *   presence              nobody holds while one who joined before it, and stands in its way, still
 *                         stands there: so who is overtaken is seen also if it never holds
 *
 * In the way of a writer stands everybody, in that of a reader the writers. Whoever has such a log
 * can ask: the live tests, the mixtures with other programs' locks. */
#ifndef JUDGE_H
#define JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One hold of anybody's. */
struct turn {
    char who[16], node[64];
    bool reads;
    bool was_killed;       /* in this turn: it may have left without a word */
    int64_t czxid;         /* of its place in the line */
    int64_t entered, left; /* left 0: it still holds, or was killed */
};

enum { JUDGE_WRONG_SIZE = 400 };

/* Sorts them by their places. False: `wrong` says what is. Each must be over, by leaving or by a
 * kill. */
bool judge_turns(struct turn *turns, size_t count, char wrong[JUDGE_WRONG_SIZE]);

/* `children`, with commas between, stood in the line while this turn lasted. */
bool judge_presence(const struct turn *turn, const char *children, char wrong[JUDGE_WRONG_SIZE]);

#endif
