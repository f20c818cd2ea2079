/* sim.h - many clients, each with the whole engine, in one simulated world.
 *
 *   begin -> faults, while the workload works -> healed: everyone is granted or told -> handles
 *   freed: nothing of ours is left on the servers -> clients closed: nothing is left in them
 *
 * A client's engine is stepped as its threads would: by what its keeper delivers (link.c), by its
 * timers, by its program's calls and dispatches (client.c). A paused client is stopped in all of
 * these at once; its clock runs on. */
#ifndef SIM_H
#define SIM_H

#include <latchkey/latchkey.h>

#include "ensemble.h"
#include "memory.h"
#include "session/session.h"

struct sim;

struct sim_client {
    struct keeper_world keeper_world;
    struct sim *sim;
    struct list node;
    int id;
    char name[16];
    lk_client *lk;
    struct chance chance;
    int64_t clock_begin_ns, drift_ppm; /* its clock, against the servers' */
    int64_t paused_until_ns;
    bool is_dead;          /* killed: it does nothing more, and what it holds is nobody's */
    int64_t slow_until_ns; /* its program dispatches late */
    int64_t up_stalled_until_ns[SERVERS_MAX], down_stalled_until_ns[SERVERS_MAX];
    int64_t lose_reply_in; /* requests from now; 0: none */
    uint64_t requests;     /* sent so far */
    bool is_users;         /* made by lk_client_new() in a world of testing.c */
    lk_log_fn *users_log;  /* what it asked for; may be NULL */
    void *users_log_arg;
    lk_log_level users_log_level;
    struct event tick, dispatch;
    struct list links; /* keepers not yet closed */
};

/* What a handle believes that it holds; for the invariants. */
struct belief {
    struct list node;
    struct sim_client *client;
    const char *path; /* of the line */
    void *handle;     /* NULL: freed */
    int64_t (*remaining_ns)(void *handle);
    int (*fence)(void *handle, lk_fence *out);
    int (*node_name)(void *handle, char *name, size_t size);
    bool (*is_turning)(void *handle); /* into a reader; may be NULL */
    bool held;
    lk_fence held_fence;
    int64_t held_czxid;
    int64_t held_session;    /* its client's, who may not have heard of its end */
    char held_node[256];     /* its path */
    const struct znode *own; /* as it was found when the servers had applied so much */
    size_t own_applied;
};

/* How much of a line a place takes, by its name, where several hold at once; who holds exclusively
 * takes all of its room. */
struct sharing {
    uint32_t room;
    uint32_t (*weigh)(const char *name);
};

/* A znode that a stranger removed, or whose session a stranger ended: its owner can't know until it
 * is told. */
struct struck {
    struct list node;
    const char *path;
    int64_t czxid, session, at_ns, told_ns; /* told_ns: INT64_MAX until then */
    bool is_due; /* its time was over: that it holds no more its owner is to know by itself */
};

/* The end of a session that a stranger has asked for. */
struct blamed {
    struct list node;
    const struct txn *txn;
};

/* An operator's call to break the place with this fence. */
struct named {
    struct list node;
    const struct sim_client *client;
    int64_t session; /* when he called: a client that is closed has none, its request goes on */
    int64_t czxid, asked_ns, gone_ns; /* gone_ns: 0 until it is */
    const char *path;                 /* of the znode that bore it; NULL until it is gone */
};

/* The newest fence granted on a path. */
struct granted {
    struct list node;
    const char *path;
    lk_fence fence; /* of who held exclusively */
    lk_fence any_fence;
};

struct workload {
    const char *name;
    const struct sharing *sharing; /* NULL: one at a time */
    bool judges_words;             /* who writes to another's place is its witness's affair */
    bool bears_scarcity;           /* allocations may be refused: its judgement knows LK_E_NOMEM */
    void (*begin)(struct sim *sim);
    /* Once faults have ended: take up nothing new. */
    void (*settle)(struct sim *sim);
    bool (*is_settled)(struct sim *sim); /* every request was answered, nothing is held */
    void (*free_handles)(struct sim *sim);
    /* May be NULL: sees each committed transaction, and the tree before it. */
    void (*witness)(struct sim *sim, const struct tree *before, const struct txn *txn);
    void (*check)(struct sim *sim);     /* may be NULL; after each step that concerned a client */
    void (*check_end)(struct sim *sim); /* may be NULL; all handles are free */
};

enum profile {
    PROFILE_CALM,
    PROFILE_LINKS,
    PROFILE_SERVERS,
    PROFILE_SESSIONS,
    PROFILE_MEMORY,
    PROFILE_STRANGERS,
    PROFILE_ALL,
    PROFILE_ANEW,   /* aimed: lines are made anew behind the back of who is cut off */
    PROFILE_FLIGHT, /* aimed: while a write is under way */
    PROFILE_EDGE,   /* aimed: silences about as long as a lease, fast and slow clocks */
    PROFILE_COUNT   /* as an argument: draw one */
};

struct sim {
    struct world world;
    struct ensemble ensemble;
    const struct workload *workload;
    void *state; /* the workload's */
    struct list clients, beliefs, strucks, blamed, named, grants;
    int client_count;
    struct sim_client *touched; /* whose engine this step has entered; NULL: nobody's */
    size_t applied;             /* by all servers, as of the last step */
    enum profile profile;
    bool faulty;
    struct event fault;
    int64_t faults_until_ns;
    struct event memory_back; /* when allocations succeed again */
    int64_t longest_ns;       /* the longest session timeout */
    uint64_t grants_made;
    struct memory memory;
    struct list waiters; /* threads that wait for a condition: program.h */
    bool is_users;       /* a world of testing.c */
    bool is_left;        /* it has ended, but for handles that were not freed in time */
};

/* One seed from begin to end. False: sim->world.failure says why. */
bool sim_run(struct sim *sim, const struct workload *workload, uint64_t seed, bool traces);
bool sim_run_under(struct sim *sim, enum profile profile, const struct workload *workload,
                   uint64_t seed, bool traces);

/* The next event, if it comes before until_ns; else time moves there. */
void sim_step(struct sim *sim, int64_t until_ns);

/* ---- clients (client.c) ---- */
struct sim_client *sim_client_new(struct sim *sim, const lk_client_options *options);
int64_t sim_client_now(const struct sim_client *client);
void sim_client_pause(struct sim_client *client, int64_t length_ns);
void sim_client_kill(struct sim_client *client);
void sim_client_free(struct sim_client *client); /* its lk_client; handles may outlive it */
bool sim_client_is_open(const struct sim_client *client); /* neither dead nor closed */
/* The client's program has called latchkey, or latchkey's threads have run: timers and callbacks
 * may be due. */
void sim_client_touch(struct sim_client *client);
/* Puts off what a stopped process can't do: true, and `event` is set to a moment after the pause.
 */
bool sim_client_puts_off(struct sim_client *client, struct event *event);
struct sim_client *sim_client_any(struct sim *sim); /* that lives */

/* Users make clients, call them and free them without a word to the world: it looks after them
 * before time moves. */
struct sim_client *sim_client_begin(struct sim *sim); /* only its place in the world */
void sim_client_adopt(struct sim_client *client, lk_client *lk);
void sim_clients_tend(struct sim *sim);
void sim_clients_close(struct sim *sim);

/* ---- keepers (link.c) ---- */
int link_open(struct keeper_world *world, const struct keeper_options *options,
              const struct keeper_events *events, void *owner, struct keeper **out);
void links_cut(struct sim_client *client);
/* A request that changes something; its reply may be made to be lost. */
bool links_write_is_under_way(struct sim_client *client, bool loses_reply);
void links_kick(struct sim_client *client);
/* Its process is gone; told: its kernel closes the connections. */
void links_die(struct sim_client *client, bool told);
void links_bury(struct sim_client *client); /* a dead client's keepers answer and close, at once */
int link_server_of(const struct sim_client *client);      /* -1: connected to none */
int64_t link_session_of(const struct sim_client *client); /* 0: none */
bool links_are_closed(const struct sim_client *client);

/* box.c: moves all that the reply points to into one malloc'ed block. */
char *reply_box(struct keeper_reply *reply);

/* ---- faults (faults.c) ---- */
void faults_begin(struct sim *sim, int64_t until_ns);
void faults_end(struct sim *sim);
int64_t faults_last_pause_ns(const struct sim *sim); /* until then somebody stands still */

/* ---- invariants (invariants.c) ---- */
void invariants_begin(struct sim *sim);
void invariants_check(struct sim *sim);
/* That a session was ended by this was a stranger's deed. */
void invariants_blame(struct sim *sim, const struct txn *txn);
/* An operator is about to break the place with this fence. */
void invariants_named(struct sim_client *client, lk_fence fence);
/* Its engine is about to hear that by `zxid` what had stood at the path was gone, or another's. */
void invariants_told(struct sim_client *client, const char *path, int64_t zxid);
void invariants_session_told(struct sim_client *client, int64_t session);
/* Children of a line, or any other trace of us, that are left. */
size_t invariants_left_over(const struct sim *sim);
/* What still waits in a client's engine; NULL: nothing. */
const char *invariants_engine_left(const struct sim_client *client);

#endif
