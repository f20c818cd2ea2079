/* program.h - blocking calls in a world where only one thread runs at a time.
 *
 * Who makes worlds steps them. A program is a user's thread beside it, and the baton passes by hand:
 * it runs while the world stands still, until a call of latchkey's waits for a condition; then the
 * world goes on, and wakes it some moments after the condition was signalled. When it is the thread
 * of the world itself that waits, it steps the world meanwhile. So blocking calls can be tested
 * under faults, and a seed still replays. (The linker sends the library's pthread_cond_wait(),
 * sem_wait() and their kin here, and its clock_gettime(): see wraps.ld.) */
#ifndef SIM_PROGRAM_H
#define SIM_PROGRAM_H

#include <pthread.h>
#include <semaphore.h>

#include "sim.h"

/* A thread that waits for a condition, or a semaphore. */
struct waiter {
    struct list node;
    const void *condition;
    struct program *program; /* NULL: the world's own thread */
    bool signalled;
};

struct program {
    struct sim *sim;
    struct sim_client *client; /* its process: paused, it stands still; may be NULL */
    void (*run)(struct program *program);
    pthread_t thread;
    sem_t go, back;
    bool done;
    struct event wake;
};

/* Puts this thread into a world: its waits, its clock and its memory are the world's. NULL: into
 * none. Returns where it was. */
struct sim *sim_use(struct sim *sim);
struct sim *sim_used(void);
struct program *program_current(void); /* NULL: the world's own thread */

/* Runs at once, until it first blocks. False: no thread could be had. */
bool program_start(struct program *program, struct sim_client *client,
                   void (*run)(struct program *program));
/* In the program: lets the world go on for so long. */
void program_sleep(struct program *program, int64_t length_ns);
/* Of a client that has been closed: whatever the program waited for has ended; runs it to its end.
 */
void program_join(struct program *program);
/* The same, but lets it run once alone, until it blocks again: for several that wait for each other.
 * True: it has returned. */
bool program_nudge(struct program *program);

#endif
