/* command.h - CMD: one process, leader of a group of its own, from before its exec until it is
 * buried. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <sys/types.h>

#include "cli/cli.h"

struct command {
    pid_t pid;   /* and the group's id; 0: there is none */
    int gate;    /* it waits here for the word to run */
    int verdict; /* its exec's errno comes from here; nothing at all when it worked */
    int tty;     /* the controlling terminal; -1: none */
    bool ended;
    bool failed; /* it never began: its exec did not work */
    int code;    /* its own, or 128+n; once it has ended */
};

/* Forks it, in a group of its own that gets the terminal if that is ours to give; it waits at the
 * gate. All signals that it is to start with unblocked may be blocked here. 0, or an errno. */
int command_start(struct command *command, struct cli *cli, const struct cli_variable *variables);

/* Lets it run. 0, or why it can't be: the errno of its exec; it has ended then, with 126 or 127,
 * and that was said. */
int command_run(struct command *command, struct cli *cli);

/* To the whole group, as long as its id is certainly its own. */
void command_signal(const struct command *command, int signal);

/* To be called at SIGCHLD: notes the end. A group that stopped on a terminal takes this process
 * along, as if it had been stopped itself (see command.c), and returns when that was continued. */
void command_look(struct command *command);

/* At SIGCONT: gives the terminal again, if it is ours, and continues the group. */
void command_continue(const struct command *command);

/* After its end: takes the terminal back and gives up its process id. Nothing to do without one. */
void command_bury(struct command *command);

/* Whether a signal that this process gets is to go on to CMD. */
bool command_hears(int signal);

#endif
