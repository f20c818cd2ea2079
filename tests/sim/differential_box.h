/* differential_box.h - the real servers of the comparison, and what keeps them as still as simulated
 * ones: nothing but the scripts writes to them. */
#ifndef SIM_DIFFERENTIAL_BOX_H
#define SIM_DIFFERENTIAL_BOX_H

#include <stdbool.h>

#include <zkbox.h>

/* What the servers of box_start(…, true) read at most in one request: their jute.maxbuffer. */
enum { BOX_REQUEST_MAX = 20000 };

/* NULL: it was said why. */
zkbox *box_start(int nodes, bool reads_little);
zkbox *box_stop(zkbox *box); /* NULL */

/* One at every server, so that each is woken by its pings. False: one of them has no server. */
bool box_open_idle_sessions(zkbox *box);
bool box_idle_sessions_lived(void); /* never lost: else one may have written, by expiring */

/* Waits until no session is left but the idle ones, so that none can end within a script. */
bool box_await_silence(zkbox *box);

#endif
