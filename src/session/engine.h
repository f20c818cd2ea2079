/* engine.h - the inside of a client, for this room alone. Everything here is guarded by the monitor
 * unless it says otherwise. */
#ifndef ENGINE_H
#define ENGINE_H

#include "session/birth.h"
#include "session/session.h"

/* libzookeeper wakes its thread through a 64 KiB pipe, and a caller who finds it full breaks the
 * connection. */
#define REQUESTS_IN_FLIGHT_MAX 8192

#define WATCH_BUCKETS 256

/* One ZooKeeper session, from open to closed. Outlives its being the client's present one until its
 * keeper is gone. */
struct session {
    lk_client *client; /* a reference */
    struct keeper *keeper;
    size_t in_flight;
};

/* A request that a server of this connection has answered. */
struct heard {
    int64_t sent_ns, answered_ns;
};
#define HEARD_MAX 16

/* What the answer to a proof will mean: see lease.c. */
struct proof {
    int64_t from_ns;  /* the lease counts from here */
    int64_t heard_ns; /* the next proof may build on this */
};

struct lease {
    int64_t proven_ns; /* from when the lease counts: when the last answered proof was sent, or
                        * somewhat before; 0: none in this session */
    struct heard heard[HEARD_MAX]; /* a sample, oldest overwritten first; answered_ns 0: empty */
    size_t heard_next;
    int64_t known_ns; /* the next proof's answer means that the leader has heard of us after this */
    int64_t last_heard_ns; /* when the newest answered request was sent */
    int64_t proof_sent_ns; /* when the last proof was sent, answered or not */
    int64_t sent_ns;       /* when anything was sent last */
    int64_t held_ns;       /* since when anything is held: before that no proof was asked for */
    bool suspended;
    struct list holds;
    struct timer timer;
    struct request_group touches;
};

struct lk_client {
    atomic_uint references; /* not guarded */
    struct birth birth;     /* constant, as all options below */
    struct keeper_world *world;
    char *servers, *root, *auth_scheme, *auth, *label;
    int64_t session_timeout_ms;
    lk_access access;
    lk_log_level log_level;
    lk_log_fn *log;
    void *log_arg;

    pthread_mutex_t monitor;
    int64_t now_ns;
    unsigned unrefs; /* to be done after the monitor is left */
    bool closing;

    struct session *session; /* the present one, NULL while there is none */
    size_t sessions;         /* not yet closed, the present one included */
    bool connected, auth_failed;
    int64_t session_id, timeout_ns;
    pthread_cond_t session_changed; /* connected, auth_failed, sessions */
    struct timer reopen;
    struct list listeners;
    struct lease lease;

    struct list outbox;  /* requests not sent yet */
    struct list ahead;   /* go before those: urgent ones, and such as were lost or not taken */
    uint64_t last_turn;  /* of a request */
    struct list refused; /* by the keeper, for good; to be answered at the timer */
    struct timer refusal;
    unsigned losses;     /* connections lost since the last answer */
    struct timer resend; /* set: what is to be sent waits for it */

    struct list watches[WATCH_BUCKETS]; /* by path */
    size_t watch_count;

    struct timer *timers; /* root of the heap */
    int64_t armed_ns;     /* what the ticker sleeps until */
    int ticker_fd;        /* a timerfd; -1 without threads */
    pthread_t ticker, caller;
    bool has_ticker, has_caller;

    struct list callbacks; /* waiting for dispatch */
    int callback_fd; /* an eventfd, readable while callbacks wait; -1 with a callback thread */
    pthread_cond_t callbacks_changed;
    bool dispatching;
    pthread_t dispatcher;
    const void *running_owner; /* of the callback that runs */

    struct list ops;
    uint64_t last_op_id;
};

/* connect.c */
void session_open(lk_client *client); /* a new one; failing that, tries again later */
void session_tell(lk_client *client, enum session_change change);
void session_close(lk_client *client); /* the present one, if any */

/* request.c */
void requests_pump(lk_client *client); /* sends what can be sent */
void requests_reply(struct session *session, void *context, const struct keeper_reply *reply);
void requests_session_lost(lk_client *client); /* expects replies of what was in flight */
/* What must not go out in another session. */
void requests_take_unsent(lk_client *client, struct list *out_once);
void requests_answer(struct list *requests, int rc);
void requests_fail(lk_client *client, int rc); /* answers what waits to be sent */

/* watch.c */
void watches_fire(lk_client *client, enum keeper_watch_event event, const char *path);
void watches_forget_all(lk_client *client);

/* lease.c */
void lease_opened(lk_client *client);
void lease_connected(lk_client *client);
void lease_session_ended(lk_client *client);
void lease_heard(lk_client *client, int64_t sent_ns);
struct proof
lease_proof(const lk_client *client); /* what a proof sent now will mean when it is answered */
void lease_proven(lk_client *client, const struct proof *proof);
void lease_sent(lk_client *client, int64_t sent_ns, bool proof);

/* op.c */
void ops_close(lk_client *client);

/* timer.c */
void timers_run(lk_client *client);

/* ticker.c: timerfd and the threads */
int ticker_start(lk_client *client, bool callback_thread);
void ticker_arm(lk_client *client);
void ticker_stop(lk_client *client); /* lets both threads end */
void ticker_join(lk_client *client); /* outside the monitor */

/* callback.c */
/* Outside the monitor; as lk_dispatch() */
int callbacks_run(lk_client *client, int64_t deadline_ns);
void condition_init(pthread_cond_t *condition);
/* Waits on a condition of the monitor until a moment of lk_now_ns(). False: it has passed. */
bool condition_wait(lk_client *client, pthread_cond_t *condition, int64_t deadline_ns);

#endif
