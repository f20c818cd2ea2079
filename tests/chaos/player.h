/* player.h - processes of their own that take a lock, to be stopped and killed by a test.
 *
 * A player is this very program, started anew with the word "player". It is told what to do in
 * lines and tells what happened in lines. It dies with its test. */
#ifndef PLAYER_H
#define PLAYER_H

#include <stdio.h>
#include <sys/types.h>

#include "live.h"

struct player {
    pid_t pid;
    FILE *to, *from;
};

/* Begins to play at the lock "/l" of the present test: `role` is one of those of player.c. */
struct player player_start(const char *role, int64_t timeout_ms, const char *argument);
void player_tell(struct player *player, const char *line);
/* Its next line, without the end; fails the test when it ended instead. NULL if `may_end` and it
 * did. */
const char *player_hear(struct player *player, bool may_end);
void player_signal(struct player *player, int signal);
/* Waits for its end; its exit status, or minus the signal. */
int player_end(struct player *player);

/* What main() does first: plays, if it was started to. */
bool is_player(int argc, char **argv, int *out_status);

#endif
