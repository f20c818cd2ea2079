/* loop.h - a verb that goes on until a signal: callbacks and signals in one thread. */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include "cli/cli.h"

struct loop {
    lk_client *client;
    int signals;
};

/* cli_connect(), with TERM, INT and HUP to be read by loop_run(). They end the program as usual
 * while it connects. */
bool loop_connect(struct loop *loop, struct cli *cli, int64_t deadline_ns);

/* Runs callbacks until one of the signals comes (128+n) or, after some callbacks, `goes_on` says no
 * (cli->code). */
int loop_run(struct loop *loop, struct cli *cli, bool (*goes_on)(void *arg), void *arg);

/* For a loop of one's own, when loop->signals is readable: the signal, 0 if there is none. It is said
 * that answers are waited for; the same signal again ends the program. */
int loop_take_signal(struct loop *loop, struct cli *cli);

/* Disconnects, so that what the client has is given back. To be called after handles with callbacks
 * were freed: the end is not a change to be told. */
void loop_end(struct loop *loop);

#endif
