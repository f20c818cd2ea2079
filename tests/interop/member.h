/* member.h - one who stands in the line "/l" of the present test: one of ours, or a contender of a
 * peer. */
#ifndef MEMBER_H
#define MEMBER_H

#include "peer.h"

/* Without a peer it is one of ours in this process; kinds are "lock", "read" and "write" then. */
struct member {
    const char *who;
    struct peer *peer;
    const char *kind;
    lk_compat compat;
    lk_lock *lock;
    lk_rwlock *rwlock;
    struct answer *answer;
};

void takes(struct member *member); /* does not wait */
void holds(struct member *member); /* waits until it does */
void gives(struct member *member);
void tries(struct member *member, bool is_free);
void takes_and_holds(struct member *member);
/* Comes as the nth in the line. */
void takes_as(struct member *member, size_t nth);

bool member_reads(const struct member *member);

#endif
