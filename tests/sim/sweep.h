/* sweep.h - each public call, with one fault at each of its requests and each of its allocations.
 *
 * A row is one call in one setting. It is run in a calm little world, then again and again, the
 * fault striking at its first request, its second, ... until it is over before the fault comes. So
 * the counts are found by running. After each round the same call must succeed, what it promises
 * must be true, and nothing of ours may be left: no znode, watch, timer or allocation. */
#ifndef SIM_SWEEP_H
#define SIM_SWEEP_H

#include "testing/program.h"

#define LINE_PATH "/line"
#define SALE_PATH "/shop/sale"

enum fault {
    FAULT_NONE,
    FAULT_REPLY_LOST,
    FAULT_CUT,
    FAULT_EXPIRY,
    FAULT_PAUSE,         /* shorter than the lease */
    FAULT_PAUSE_LEASE,   /* longer than that, shorter than the session */
    FAULT_PAUSE_SESSION, /* longer than both */
    FAULT_MEMORY,
    FAULT_MEMORY_GONE, /* from that allocation on, for a while */
    FAULT_COUNT
};
extern const char *const fault_names[FAULT_COUNT];

struct scene {
    struct sim sim;
    struct sim_client *client, *other; /* who makes the call; a bystander */
    struct sim_client *subject;        /* whom faults befall: the client, unless a row says so */
    struct program *program;           /* that runs now */
    enum fault fault;
    bool struck;
    struct event memory_back;
    lk_lock *lock, *others_lock;
    lk_candidate *candidate, *others_candidate;
    lk_observer *observer;
    lk_line_watch *line_watch;
    lk_rwlock *rwlock, *others_rwlock;
    lk_semaphore *semaphore, *others_semaphore, *others_second_semaphore;
    lk_mutex *mutex;
    lk_multilock *multilock;
    lk_guard *guard;
    lk_ledger *ledger, *others_ledger;
    lk_campaign_watch *campaign_watch;
    int campaign_tellings;
    lk_grant_state told; /* to on_change, last */
    lk_fence fence;
    lk_op op;
    int asked, ended, status; /* of asynchronous requests */
    int64_t since_ns;
    int leaders_seen;
    lk_leader leader; /* seen last; without pointers */
    int lines_seen;
    size_t line_count; /* of the last */
    lk_fence line_first;
    lk_id id;
    lk_ledger_result result;
};

typedef int act_fn(struct scene *scene); /* in a program of its own: may block. A status */

enum row_flags {
    MAY_LOSE = 1,       /* what it gives is gone before the caller comes to run */
    MAY_BE_UNKNOWN = 2, /* and the same call again settles it */
    ASKS_NOTHING = 4,   /* makes no requests: memory alone can fail it */
    BY_STEPS = 8,       /* talks to servers without requests: strikes at each step of the world */
    MAKES_NOTHING = 16, /* makes no allocation of its own */
    ONCE = ASKS_NOTHING | MAKES_NOTHING, /* a story of its own, told without further faults */
};

struct row {
    const char *call; /* the public function; some have several rows */
    const char *setting;
    act_fn *before; /* the bystander's; the next four may be NULL too */
    act_fn *prepare;
    act_fn *run;
    void (*meanwhile)(struct scene *scene); /* 300 ms into the call; does not block */
    act_fn *again;   /* the same call when all is healed, also after success; else `run`, if that
                        had failed */
    act_fn *verdict; /* world_fail()s what is not as promised */
    int expected;    /* LK_OK, or what the call answers in a calm world */
    unsigned flags;
};

/* All rounds of all faults. NULL: passed. Else what is wrong; the story has been printed. */
const char *sweep_row(const struct row *row, int servers);

/* ---- for rows ---- */

int64_t scene_t_ns(const struct scene *scene); /* the session timeout asked for */
void scene_wrong(struct scene *scene, const char *what, int status);
/* In a program: lets the world go on until `is_so`. */
void scene_await(struct scene *scene, bool (*is_so)(struct scene *scene));
void scene_done(int status, void *scene); /* an lk_done_fn */
/* The end of what was just asked for, with the status of its start. */
int scene_end_of(struct scene *scene, int status);
/* Ephemeral znodes of the client's present session, as the servers have them. */
size_t scene_places(const struct scene *scene, const struct sim_client *client);
struct sim_client *scene_client(struct scene *scene, int *out_status); /* a new one */

/* ---- for rows of what stands in a line ---- */

/* Of the bystander: an act, and what ends it. */
int scene_others_lock(struct scene *scene);
void scene_other_leaves(struct scene *scene);
void scene_stranger_deletes_first(struct scene *scene);
void scene_changed(const lk_grant_change *change, void *scene); /* an lk_grant_fn */
/* Of the client's lock, candidate, rwlock or semaphore: a scene has one of them. */
bool scene_holds(struct scene *scene);
const struct znode *scene_own_znode(const struct scene *scene); /* NULL: not held, or not there */
bool scene_has_no_place(struct scene *scene);
/* Verdicts: one place, ours, held, told, with its own fence; and none, told too. */
int scene_is_held_once(struct scene *scene);
int scene_is_out(struct scene *scene);

extern const struct row sweep_line_rows[], sweep_shared_rows[], sweep_parts_rows[],
    sweep_client_rows[], sweep_ledger_rows[];
extern const size_t sweep_line_count, sweep_shared_count, sweep_parts_count, sweep_client_count,
    sweep_ledger_count;

#endif
