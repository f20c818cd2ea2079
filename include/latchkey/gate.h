/* latchkey/gate.h - refuses what comes too late: the other half of a fence.
 *
 * A grant ends by a clock, but a program that was stopped between its last look at the clock and
 * its write does not know that. So whatever the grant protects keeps the largest fence it has seen,
 * and refuses smaller ones: after Kleppmann, "How to do distributed locking" (2016), and the
 * sequencers of Burrows, "The Chubby lock service" (2006), section 2.4.
 *
 *   writer   passes with a fence that is not smaller than any writer's, and larger than any
 *            reader's, that passed before
 *   reader   passes with a fence that is larger than any writer's
 *
 * So once a writer has passed, the readers that held before it are refused, and the other way
 * round; readers do not refuse each other. Plain locks and leaderships are writers. The permits of
 * a semaphore hold side by side: give each what it guards a gate of its own.
 *
 * In memory a gate is a plain value beside what it guards, zero-initialised, under the same mutex.
 * For what is kept on ZooKeeper itself use guard.h, which needs no gate. */
#ifndef LATCHKEY_GATE_H
#define LATCHKEY_GATE_H

#include <latchkey/grant.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_gate {
    lk_fence writer, reader; /* the largest that passed */
} lk_gate;

/* LK_OK: passed, and remembered; the same fence may pass again. LK_E_STALE: refused, nothing
 * changed. Call it in the same critical section as what it guards. */
LK_API int lk_gate_write(lk_gate *gate, lk_fence fence);
LK_API int lk_gate_read(lk_gate *gate, lk_fence fence);

/* The same for a gate that is kept in the znode at `path` (made when it is missing, with its
 * parents), for guards that share no memory. It is a decision of its own, not one with what it
 * guards: whoever passed may still be overtaken before he acts. LK_E_STALE: refused. LK_E_PATH,
 * LK_E_TOO_LARGE, LK_E_FOREIGN, LK_E_KIND, LK_E_CORRUPT, LK_E_NEWER_FORMAT: what is at the path is
 * no gate. LK_E_NO_RIGHTS, LK_E_DEADLINE, LK_E_NO_SERVER, LK_E_WOULD_DEADLOCK. A lost reply is
 * settled by asking again, inside. */
LK_API int lk_gate_write_at(lk_client *client, const char *path, lk_fence fence,
                            int64_t deadline_ns);
LK_API int lk_gate_read_at(lk_client *client, const char *path, lk_fence fence,
                           int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
