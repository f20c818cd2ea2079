/* hold.h - CMD under a grant: a lock's, or a leadership's. Two processes, so that neither can fail
 * alone unnoticed.
 *
 *   front     front.c: the process that was started. Never has a thread. Parent of CMD, has the
 *             terminal, gets the signals, answers the exit code.
 *   guardian  guardian.c: forked from it before anything else; has the session and the grant, and
 *             its own process group, so that no signal meant for the job reaches it. Watches the
 *             lease.
 *
 *   front                    guardian
 *     |                         | connects               TOLD_JOINING
 *     |  <------- joining ----- | stands in line         TOLD_GRANTED
 *     |  <------- granted ----- |                        TOLD_REFUSED: it has said why on stderr
 *   forks CMD, which waits      |
 *     | -------- group -------> | keeps CMD's group in sight     TELL_GROUP
 *   lets CMD run                |
 *     |  <------- lost -------- | signals, kills           TOLD_LOST
 *   CMD ends                    |
 *     | -------- ended -------> | gives the grant back     TELL_ENDED
 *     |  <----- released ------ |                          TOLD_RELEASED
 *
 * Either one's end closes the socket, however it came about. The guardian then kills CMD's group
 * and ends the session; the front kills CMD's group. The lease's end stands in shared memory:
 * should the guardian fall silent, the front kills at that moment; should the front be stopped, the
 * guardian does. So CMD runs only while the lock is held. */
#ifndef CLI_HOLD_H
#define CLI_HOLD_H

#include <stdatomic.h>

#include "cli/cli.h"

enum { HOLD_NODE_SIZE = 256 };

enum hold_kind { HOLD_LOCK, HOLD_READER, HOLD_PERMIT, HOLD_LEADERSHIP };

struct hold_spec {
    const char *path;
    const char *words; /* the lock's label, the candidate's card; NULL: the client's */
    enum hold_kind kind;
    uint32_t permits; /* how many the semaphore has */
    bool ttl_given;
    int64_t ttl_ns; /* of the permit */
    bool try_once;
    bool wait_given;
    int64_t wait_ns;
    uint64_t timeout_code; /* 124, or what -E said */
    int on_lost;           /* a signal; 0: CMD is left alone */
    bool grace_given;
    int64_t grace_ns;
    bool status_given;
    uint64_t status_fd;
    bool again;
};
#define HOLD_SPEC_INIT                                                                             \
    {                                                                                              \
        .timeout_code = EXIT_TIMEOUT, .on_lost = SIGTERM                                           \
    }

/* Runs cli->command while the grant is held. Returns the exit code. */
int hold_run(struct cli *cli, struct hold_spec *spec);

/* Checks what the options said, as far as that needs no server, and takes from the configuration
 * file's "lock" group what they did not: `on_lost` is a signal's name, NULL when not given. False:
 * said; cli->code. */
bool hold_check(struct cli *cli, struct hold_spec *spec, const char *on_lost);

/* ---- between front and guardian ---- */

enum hold_word {
    TOLD_JOINING = 1,
    TOLD_GRANTED,
    TOLD_REFUSED,
    TOLD_LOST,
    TOLD_RELEASED,
    TELL_GROUP,
    TELL_ENDED,
    TELL_LEAVE
};

/* How it ended, as --status-fd says it; HOLD_HELD is told with --json alone. */
enum hold_end { HOLD_DONE, HOLD_LOST, HOLD_TIMEOUT, HOLD_REFUSED, HOLD_FAILED, HOLD_HELD };

struct hold_message {
    enum hold_word word;
    int number; /* refused: the exit code; released: the status; group: its id; ended: whether again
                 */
    enum hold_end end;         /* refused */
    lk_fence fence;            /* granted */
    uint64_t session_id;       /* granted */
    char node[HOLD_NODE_SIZE]; /* granted */
};

/* CMD owns standard output: a word goes to --status-fd, an object (--json) there or else to stderr.
 * `grant` is the message that told of it, or NULL. */
void hold_report(const struct cli *cli, const struct hold_spec *spec, enum hold_end end, int code,
                 const struct hold_message *grant);

/* In shared memory. */
struct hold_lease {
    _Atomic int64_t ends_ns; /* CLOCK_BOOTTIME; LK_FOREVER: CMD may outlive it */
};

struct hold {
    struct cli *cli;
    const struct hold_spec *spec;
    struct hold_lease *lease;
    int socket; /* to the other one; -1: it is gone, or was never there */
    int timer;  /* CLOCK_BOOTTIME: the time that a machine was suspended counts */
};

void hold_tell(struct hold *hold, const struct hold_message *message);

/* The next message, without waiting. False: there is none; hold->socket is -1 if there never will
 * be. */
bool hold_hear(struct hold *hold, struct hold_message *message);

/* The timer will be readable at that time; LK_FOREVER: not any more. */
void hold_set_timer(struct hold *hold, int64_t at_ns);

/* The guardian's whole life; the process ends with what it returns. */
int guardian_run(struct hold *hold);

/* The front's, with the guardian's process id (0: there is none, CMD runs without a grant). The
 * exit code. */
int front_run(struct hold *hold, pid_t guardian, const struct cli_variable *variables);

#endif
