/* peer.h - others in one line with us: Curator's locks, kazoo's, ours, moved step by step by one
 * test.
 *
 * A peer is a process (Peer.java, peer.py, ours.c) with one session. It is told what to do in lines and
 * tells what happened in lines; any word may stand for a contender, which is a thread there:
 *
 *   A take KIND PATH      waits for the lock: "A granted KIND NODE CZXID ENTERED CHILD,CHILD,..."
 *   A try KIND PATH       does not wait: the same, or "A busy"
 *   A give                "A released LEFT"
 *   A turns KIND PATH     takes and gives again and again, until "A stop": "A stopped"
 *   A keep                does not give its next turn back: "A keeps", until "A go"
 *   A come                ours alone, which stays out for some turns: takes its next turn now
 *   A downgrade           Curator alone, from writer to reader in the same place, whose CZXID it
 *                         tells: "A released LEFT" and "A granted read ..."
 *   A revoke NODE-PATH    Curator's Revoker: "A revoked"; asks a "revocable", which says "A asked"
 *
 * ENTERED and LEFT are zxids: a holder writes PATH-clock once after it was granted and once before
 * it lets go, so that the server says what came before what. The children are who stood there when
 * it held. Nothing is judged by time. */
#ifndef PEER_H
#define PEER_H

#include "judge.h"
#include "live.h"

struct peer;
struct peer *peer_start_curator(void);
struct peer *peer_start_kazoo(void);
struct peer *peer_start_ours(void);
/* What main() does first: is that one, if it was started to. Does not return then. */
bool is_peer(int argc, char **argv);
__attribute__((format(printf, 2, 3))) void peer_order(struct peer *peer, const char *format, ...);
/* What follows the next such word of this contender; valid until the peer's end. */
const char *peer_await(struct peer *peer, const char *who, const char *word);
/* SIGKILL; all that it told before counts. */
struct peer *peer_kill(struct peer *peer);
struct peer *peer_end(struct peer *peer);

/* ---- turns ---- */

/* Forgets all turns, and makes the clock beside the line "/l". */
void turns_begin(void);
size_t turns_count(void);
/* Or until something is seen to be wrong. */
void await_turns(size_t count);
void await_turns_of(const char *who, size_t count);
/* Of ours, from any thread: reads the children, and the clock. */
void turn_enter(const char *who, bool reads, const char *node, int64_t czxid);
void turn_leave(const char *who);
/* As a peer has told it. */
void turn_entered(struct turn turn, const char *children);
void turn_left(const char *who, int64_t zxid);
void turn_cut(const char *who); /* by its process' death, if it has one */
void turns_failed(const char *who, const char *why);
/* The turn that this contender has now. */
struct turn turn_of(const char *who);

/* Whether a fair line can have gone like this (judge.h); false: `wrong` says why not. */
bool turns_are_fair(char wrong[JUDGE_WRONG_SIZE]);
void assert_turns_are_fair(void);
/* While they go on: as far as it shows at once. */
void assert_turns_seem_fair(void);
/* After that: in the order of their places, until anybody enters. */
const struct turn *turns_in_order(void);

#endif
