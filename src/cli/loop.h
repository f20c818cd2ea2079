/* loop.h - a verb that goes on until a signal: callbacks and signals in one thread. */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include "cli/cli.h"

struct loop {
    lk_client *client;
    int signals;
};

/* cli_connect(), with TERM, INT and HUP to be read from loop->signals. They end the program as usual
 * while it connects. False: that was said. */
bool loop_connect(struct loop *loop, struct cli *cli, int64_t deadline_ns);

/* The same in two steps: between them signals still end the program. */
bool loop_reach(struct loop *loop, struct cli *cli, int64_t deadline_ns);
bool loop_hear(struct loop *loop, struct cli *cli);

/* Runs callbacks until one of the signals comes (128+n) or, after some callbacks, `goes_on` says no
 * (cli->code). */
int loop_run(struct loop *loop, struct cli *cli, bool (*goes_on)(void *arg), void *arg);

/* For a loop of one's own: the signal that has come, 0 if there is none. It is said that answers
 * are awaited; any further signal does what signals do. */
int loop_take_signal(struct loop *loop, struct cli *cli);

/* Disconnects, so that what the client has is given back. To be called after handles with callbacks
 * were freed: the end is not a change to be told. */
void loop_end(struct loop *loop);

#endif
