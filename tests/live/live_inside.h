/* live_inside.h - what the files of the harness tell each other.
 *
 *   live.c        the story, the server and its proxy, a test from begin to end
 *   live_line.c   clients, and who stands in lines
 *   live_raw.c    the raw client, and that nothing stays behind */
#ifndef LIVE_INSIDE_H
#define LIVE_INSIDE_H

#include "live.h"

/* Guards all that tests wait for. News are told by live_tell() or live_changed(), outside it. */
void world_lock(void);
void world_unlock(void);
/* Inside it, which `is` may rely on. */
bool world_await(bool (*is)(void *arg), void *arg, int64_t until_ns);

/* live_line.c: what is freed at the end of a test, handles before clients. */
void line_begin(void);
void line_free_handles(void);
void line_free_clients(void);

/* live_raw.c */
bool raw_begin(void);
void raw_end(void);
void raw_close_others(void);
bool raw_leftovers_go(void); /* false: one of the test's stays, and is named */

#endif
