/* program.h - a user's thread that makes blocking calls, in a world where only one thread runs at a
 * time.
 *
 * A program has a thread of its own, but the baton passes by hand: it runs while the world stands
 * still, until a call of latchkey's blocks in a condition; then the world goes on, and wakes it
 * some moments after the condition was signalled. So blocking calls can be tested under faults, and
 * a seed still replays. (The linker sends the library's pthread_cond_wait() and its kin here, see
 * meson.build.) */
#ifndef SIM_PROGRAM_H
#define SIM_PROGRAM_H

#include <pthread.h>
#include <semaphore.h>

#include "sim.h"

struct program {
    struct sim_client *client;
    void (*run)(struct program *program);
    pthread_t thread;
    struct memory *memory;
    sem_t go, back;
    bool done;
    struct list waiting; /* for a condition */
    const pthread_cond_t *condition;
    bool signalled;
    struct event wake;
};

/* Runs at once, until it first blocks. */
void program_start(struct program *program, struct sim_client *client,
                   void (*run)(struct program *program));
/* In the program: lets the world go on for so long. */
void program_sleep(struct program *program, int64_t length_ns);
/* Of a client that has been closed: whatever the program waited for has ended; runs it to its end.
 */
void program_join(struct program *program);

#endif
