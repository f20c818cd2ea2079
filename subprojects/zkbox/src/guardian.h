/* guardian.h - the process that owns the servers.
 *
 *     caller --orders over a socket--> guardian --fork, kill, wait--> java, java, java
 *
 * The guardian is the servers' parent, so it alone signals them and no process id is ever stale. It
 * leaves, taking all servers and the folder with it, when its caller closes the socket or dies.
 * Should the guardian itself be killed, the kernel kills the servers (PR_SET_PDEATHSIG).
 *
 * The socket's end is a proof: the guardian's side of it is inherited by the servers, so the caller
 * reads the end of file only after the guardian *and* every server are gone. */
#ifndef ZKBOX_GUARDIAN_H
#define ZKBOX_GUARDIAN_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "zkbox.h"

/* How to start one server. */
struct guardian_server {
    char *folder; /* its working folder */
    char *log;    /* gets its output */
    char **argv;  /* argv[0] is the path of the executable */
};

/* All that the guardian needs, made before it is forked: it must not allocate. */
struct guardian_plan {
    char *folder; /* made by the guardian as its first deed, removed as its last */
    char **envp;
    int nodes;
    struct guardian_server server[ZKBOX_NODES_MAX];
};

enum guardian_verb {
    GUARDIAN_START, /* -EEXIST: it runs */
    GUARDIAN_KILL,  /* all others -ESRCH: it does not run */
    GUARDIAN_PAUSE,
    GUARDIAN_RESUME,
    GUARDIAN_LOOK, /* 0: it runs */
};

struct guardian {
    pid_t pid;
    int socket;
    pthread_mutex_t lock; /* one order at a time */
};

/* Returns when the guardian has made the folder. The plan must outlive the guardian. */
int guardian_start(struct guardian *guardian, const struct guardian_plan *plan);

/* Returns when the order is carried out. -EPIPE: the guardian is gone, and so are the servers. */
int guardian_order(struct guardian *guardian, enum guardian_verb verb, int node);

/* Returns when the servers and the guardian are gone. */
void guardian_stop(struct guardian *guardian);

#endif
