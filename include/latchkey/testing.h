/* latchkey/testing.h - your own code, tested on simulated servers: every fault at will, no time
 * lost waiting, and a seed that replays it.
 *
 * Unstable: outside the soversion, may change with every release. Not part of latchkey.h.
 *
 * A world has one or three ZooKeeper servers, a clock, and your clients. A test links with
 * liblatchkey-testing in place of liblatchkey (`pkg-config latchkey-testing`) and calls latchkey as
 * ever; the code under test is the same, and so is the engine below it:
 *
 *     lk_testing_options options = LK_TESTING_OPTIONS_INIT;
 *     lk_testing *world;
 *     char why[LK_TESTING_TEXT_SIZE];
 *
 *     lk_testing_new(&world, &options);
 *     lk_client_new(&client, NULL);               a client of this world
 *     lk_lock_new(&lock, client, "/jobs", NULL);
 *     lk_testing_lose_reply(client, 2);           its second request from now
 *     lk_lock_acquire(lock, lk_in_ms(5000), NULL) == LK_OK
 *     ... free lock and client ...
 *     lk_testing_free(world, why, sizeof why) == LK_OK
 *
 * Threads    The thread that makes a world is in it until it frees it, and is in no other: all that
 *            it calls of latchkey is simulated (`servers` of a client's options is not looked at).
 *            Several threads may each have a world. Other threads' clients are real ones, and are
 *            not for use in a world. Who calls latchkey with what is in a world, but from a thread
 *            that is not, ends the process by abort(), with a word on stderr. What you want to run
 *            beside the test's own thread is a program: see lk_testing_start().
 * Time       Virtual: lk_now_ns() and lk_in_ms() give the world's. It stands still while your code
 *            runs, and moves from event to event in lk_testing_run_ms() and its kin and in every
 *            blocking call of latchkey: that returns when it is done, or when its deadline has
 *            come, without waiting for real. What waits an hour with LK_FOREVER is a violation: all
 *            clients are closed, the call answers LK_E_CLOSED; in a program it waits on until the
 *            world is freed. sleep(), poll() and other clocks are real: nothing happens in the world
 *            meanwhile. An hour of the world's takes milliseconds, a year minutes: a limit such as
 *            INT64_MAX milliseconds never comes.
 * Callbacks  As client.h says: in your lk_dispatch(), which waits in virtual time; lk_fd() is
 *            readable when callbacks wait. With lk_client_options.callback_thread they run between
 *            two events, on the thread that lets the world go on. They return: an assertion that
 *            jumps out of one leaves its client not to be freed, which is a violation then.
 * Memory     What latchkey takes in a world is given back in it: what was made before it, or is
 *            kept beyond it, spoils the count.
 * Chance     Latencies, elections and who is first are drawn from the seed. The same calls in a
 *            world of the same seed give the same story, byte by byte. Find a failing seed with a
 *            loop, then look at its trace.
 * Violations What must not be, whatever befell: a call that never ends, anything that is left. The
 *            first one is kept; lk_testing_free() tells it.
 * Results    Without world or client, and for a client of no world: LK_E_INVALID. From a thread
 *            that is not in the world: LK_E_STATE. In a child that was forked in it: LK_E_FORKED,
 *            and lk_testing_free() only takes the child's thread out of it. That is not repeated at
 *            each. */
#ifndef LATCHKEY_TESTING_H
#define LATCHKEY_TESTING_H

#include <latchkey/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lk_testing lk_testing;

typedef struct lk_testing_options {
    size_t size;     /* set by LK_TESTING_OPTIONS_INIT */
    uint64_t seed;   /* chooses the world among those that the rest allows */
    int servers;     /* 1 or 3 */
    int64_t tick_ms; /* a session timeout is between 2 and 20 of them; 10 to 60000 */
    int sync_limit;  /* ticks until a server that is cut off from the others knows it; 1 to 100 */
    bool trace;      /* write down what happens: lk_testing_trace() */
} lk_testing_options;

#define LK_TESTING_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(lk_testing_options), 1, 3, 1000, 5, false                                           \
    }

/* The servers run and have a leader. options may be NULL. LK_E_STATE: this thread has a world. */
LK_API int lk_testing_new(lk_testing **out, const lk_testing_options *options);

#define LK_TESTING_TEXT_SIZE 512

/* Ends a world whose clients and handles have been freed. All faults are healed; then every session
 * must end on the servers, every program must have returned, and no allocation of latchkey's may be
 * left. LK_OK: no violation, from begin to end. LK_E_STATE: `why` says what the first one was (cut
 * off after `size`; NULL, 0: not wanted). Handles that were not freed are one too, and keep the
 * world's memory: free them, on any thread, then call it once more; it answers the same. NULL is
 * LK_OK. In a program: LK_E_WOULD_DEADLOCK, and nothing is ended. */
LK_API int lk_testing_free(lk_testing *world, char *why, size_t size);

/* The first violation so far; "" when there is none. */
LK_EXPORT const char *lk_testing_violation(const lk_testing *world);

/* ---- time ---- */

/* The next event, whenever it is. In a program: LK_E_WOULD_DEADLOCK. */
LK_API int lk_testing_step(lk_testing *world);

/* Lets the world go on for so long. In a program: the program alone sleeps. LK_E_CLOSED: in a
 * program, the world is being freed. */
LK_EXPORT int lk_testing_run_ms(lk_testing *world, int64_t ms);

/* Until `is_true`, which is asked at once and after each event; LK_E_DEADLINE: it was not within so
 * many milliseconds of the world's. In a program: LK_E_WOULD_DEADLOCK. */
LK_API int lk_testing_run_until(lk_testing *world, bool (*is_true)(void *arg), void *arg,
                                int64_t within_ms);

/* ---- programs ---- */

typedef struct lk_testing_program lk_testing_program;

/* Runs `run` on a thread of its own, as another process would, though one at a time: it begins at
 * once, and whenever a call of latchkey's blocks in it the others go on. So it needs no locks of
 * its own against them, and must not wait for them but through latchkey. It is a part of `client`'s
 * process: it stands still while that one is paused. NULL: of that of the first client that it
 * makes. Freed with the world. out may be NULL. LK_E_SYSTEM: no thread could be had.
 * LK_E_WOULD_DEADLOCK: in a program. */
LK_API int lk_testing_start(lk_testing *world, lk_client *client, void (*run)(void *arg), void *arg,
                            lk_testing_program **out);

LK_EXPORT bool lk_testing_has_returned(const lk_testing_program *program);

/* Lets the world go on until it has returned. LK_E_DEADLINE: it has not within so many
 * milliseconds, and goes on. LK_E_WOULD_DEADLOCK: in a program. */
LK_API int lk_testing_join(lk_testing_program *program, int64_t within_ms);

/* ---- what befalls a client ---- */

/* In place of the reply to its `nth` request from now (1: the next) the connection is lost; the
 * request has been carried out. Heartbeats count: see lk_testing_requests(). 0: none. */
LK_EXPORT int lk_testing_lose_reply(lk_client *client, int64_t nth);

/* Its connection is reset; it makes another one. */
LK_EXPORT int lk_testing_cut(lk_client *client);

typedef enum lk_testing_ways {
    LK_TESTING_UP = 1,   /* what it sends arrives late */
    LK_TESTING_DOWN = 2, /* what it is sent does */
    LK_TESTING_BOTH = 3
} lk_testing_ways;

/* Nothing gets through between it and any server for so long, and nobody is told. Then what was
 * sent arrives. 0 ends it. */
LK_EXPORT int lk_testing_stall(lk_client *client, lk_testing_ways ways, int64_t ms);

/* An operator ends its session. Its znodes are gone before it hears of it; no lease protects from
 * that, only the fence. LK_E_STATE: it has none. LK_E_NO_SERVER: no leader. */
LK_EXPORT int lk_testing_expire(lk_client *client);

/* Its process stands still, as under SIGSTOP: its engine, its callbacks, its programs. (Calls that
 * the test makes on it itself run: let them be.) Runs to its end, healed or not: at most a day, else
 * LK_E_INVALID. */
LK_EXPORT int lk_testing_pause(lk_client *client, int64_t ms);

/* Its process is gone, as under SIGKILL: nothing is given back, the servers end its session in
 * time. From now on its calls answer LK_E_CLOSED, blocked ones too. Free it as ever. */
LK_EXPORT int lk_testing_kill(lk_client *client);

/* From now on its clock gains so many millionths on the world's; -100000 to 100000. By lk_now_ns()
 * its deadlines then come early, or late. */
LK_EXPORT int lk_testing_drift(lk_client *client, int64_t millionths);

/* ---- what befalls the servers: numbered from 0 ---- */

LK_EXPORT int lk_testing_server_down(lk_testing *world, int server);
LK_EXPORT int lk_testing_server_up(lk_testing *world, int server);

/* The others leave the leader and choose another one. It does not know it for syncLimit ticks,
 * and answers reads meanwhile; its clients stay with it that long. LK_E_STATE: a single server.
 * LK_E_NO_SERVER: no leader. */
LK_EXPORT int lk_testing_move_leader(lk_testing *world);

/* Nothing gets through between it and the other servers for so long; its clients still reach it. */
LK_EXPORT int lk_testing_partition(lk_testing *world, int server, int64_t ms);

/* Which one leads with a quorum, and which one the client is connected to; -1: none. */
LK_EXPORT int lk_testing_leader(lk_testing *world);
LK_EXPORT int lk_testing_server_of(lk_client *client);

/* ---- memory: latchkey's own allocations, in this world ---- */

/* The `nth` from now (1: the next) is refused; 0: none. */
LK_EXPORT int lk_testing_refuse_allocation(lk_testing *world, uint64_t nth);

/* So many of a hundred are refused, until it is set to 0. */
LK_EXPORT int lk_testing_refuse_percent(lk_testing *world, unsigned percent);

/* ---- strangers: who write where they should not. Paths as the servers see them ---- */

/* Asked of the leader at once; seen by all a few milliseconds later, as any write.
 * LK_E_NO_SERVER: no leader. LK_E_PATH, LK_E_EXISTS, LK_E_NOT_FOUND, LK_E_TOO_LARGE: more than a
 * million bytes; LK_E_STATE: the servers would refuse it for another reason (children are left, the
 * parent is ephemeral). */
LK_EXPORT int lk_testing_znode_create(lk_testing *world, const char *path, const void *data,
                                      size_t size);
LK_EXPORT int lk_testing_znode_set(lk_testing *world, const char *path, const void *data,
                                   size_t size);
LK_EXPORT int lk_testing_znode_delete(lk_testing *world, const char *path);

/* ---- all of it ---- */

typedef enum lk_testing_faults {
    LK_TESTING_LINKS,     /* replies lost, connections cut and stalled */
    LK_TESTING_SERVERS,   /* down, paused, deposed, cut off, late */
    LK_TESTING_SESSIONS,  /* clients paused, slow, killed (never the last one), expired */
    LK_TESTING_MEMORY,    /* allocations refused, among other things */
    LK_TESTING_STRANGERS, /* places deleted or changed, lines deleted and made again */
    LK_TESTING_ALL        /* of these, but no allocation is refused */
} lk_testing_faults;

/* From now on, for so long, one after the other, as the seed will have it; then all is healed, once
 * nobody stands still any more. It happens while the world goes on. */
LK_EXPORT int lk_testing_faults_for_ms(lk_testing *world, lk_testing_faults faults, int64_t ms);

/* Servers are started and reach each other, links work, memory is given, no reply is to be lost, a
 * schedule of faults ends. What is gone is gone, and pauses run to their end. */
LK_EXPORT int lk_testing_heal(lk_testing *world);

/* ---- looking: what has been committed, whoever knows it already ---- */

typedef struct lk_testing_znode {
    const void *data; /* until the world ends */
    size_t data_size;
    size_t children;
    int64_t czxid, mzxid;
    int32_t version;
    uint64_t session_id; /* of an ephemeral; else 0 */
} lk_testing_znode;

/* LK_E_NOT_FOUND. out may be NULL. */
LK_EXPORT int lk_testing_znode_get(lk_testing *world, const char *path, lk_testing_znode *out);

/* Of the `nth` child of a path, from 0, in the order of their making; NULL: there are not so many.
 * Stays until the world ends. */
LK_EXPORT const char *lk_testing_child(lk_testing *world, const char *path, size_t nth);

LK_EXPORT size_t lk_testing_ephemerals(lk_testing *world);
LK_EXPORT size_t lk_testing_sessions(lk_testing *world);

/* The story so far, a line an event; "" without lk_testing_options.trace. Stays until the world
 * goes on. */
LK_EXPORT const char *lk_testing_trace(const lk_testing *world);

/* Requests that the client has sent, in all its sessions: for budgets. While it holds something a
 * proof goes out every T/12 and counts; one that holds nothing sends one every T/6. */
LK_EXPORT uint64_t lk_testing_requests(lk_client *client);

/* What the client's engine still waits for ("a watch", "an operation", ...); NULL: nothing. So it
 * must be, soon, when its handles are free. */
LK_EXPORT const char *lk_testing_left(lk_client *client);

typedef struct lk_testing_memory {
    uint64_t asked, refused; /* allocations; asked counts the refused ones too */
    int64_t live;            /* not given back yet */
} lk_testing_memory;
LK_EXPORT void lk_testing_memory_get(const lk_testing *world, lk_testing_memory *out);

#ifdef __cplusplus
}
#endif
#endif
