/* holder.h - the public life of a place: what lk_lock and lk_candidate have in common.
 *
 * Grant states, the operations that wait for them, callbacks at each change. A lock or a candidate
 * is a holder with a kind and a vocabulary. */
#ifndef HOLDER_H
#define HOLDER_H

#include <latchkey/grant.h>

#include "line/place.h"

struct holder;

/* A queued call of on_change. */
struct telling {
    struct callback callback;
    struct holder *holder; /* the next two are of a spare alone */
    bool is_busy;          /* queued, or taken from the queue and not yet run */
    lk_grant_fn *fn;
    void *arg;
    lk_grant_change change;
};

struct holder {
    struct place place;
    lk_client *client; /* a reference */
    char *path, *words, *host;
    lk_grant_state state;
    lk_fence fence;
    struct op *acquire;     /* under way, or NULL */
    struct place_wish wish; /* of the present acquire */
    /* Under way: who stands may resign again before the last removal is confirmed. */
    struct list releases;
    struct list turns;     /* from writer to reader */
    struct list prolongs;  /* of permits */
    struct list watchers;  /* operations of wait_lost */
    struct list proclaims; /* new words that wait for the znode to be known */
    lk_grant_fn *on_change;
    void *on_change_arg;
    lk_revoke_fn *on_revoke;
    void *on_revoke_arg;
    struct telling spares[2]; /* so that without memory the last change is still told */
    uint32_t ttl_ms;          /* as in holder_options */
    bool freed;               /* by the user; the memory goes when the place is OUT */
    /* That wait for an operation, and look at the holder once more when it ends. */
    unsigned threads;
};

struct holder_options {
    lk_client *client;
    const char *path;
    enum line_kind kind;
    uint32_t permits; /* as in struct place */
    uint32_t ttl_ms;  /* of each grant; 0: none of its own */
    const void *words;
    size_t words_size;
    lk_grant_fn *on_change;
    void *on_change_arg;
    lk_revoke_fn *on_revoke;
    void *on_revoke_arg;
    lk_compat compat;
    uint32_t delay_ms;
};

/* LK_OK, LK_E_PATH, LK_E_TOO_LARGE, LK_E_NOMEM, LK_E_CLOSED, LK_E_FORKED. */
int holder_new(struct holder **out, const struct holder_options *options);
void holder_free(struct holder *holder); /* NULL accepted */

/* One request to a holder. Its memory is the caller's until it has ended. */
struct errand {
    struct op op;
    struct holder *holder;
    struct list member; /* of holder->watchers, releases or turns */
    const struct errand_kind *kind;
    struct place_wish wish; /* acquire */
    bool also_waiting;      /* release */
    uint32_t ttl_ms;        /* prolong */
    int64_t deadline_ns;
    lk_done_fn *done; /* asynchronous: in dispatch */
    void *arg;
    /* For a machine that is made of holders: inside the monitor, in place of `done` or a wait. It
     * may be called in the midst of a walk over places, and so may begin errands of other holders,
     * but neither end any nor begin a release: a timer is for that. */
    void (*ended)(struct op *op);
};

struct errand_kind {
    int (*refusal)(const struct holder *holder,
                   const struct errand *errand); /* LK_OK: it may begin */
    void (*begin)(struct holder *holder, struct errand *errand);
    int (*withdraw)(struct op *op, int status);
};
extern const struct errand_kind errand_acquire, errand_release;
extern const struct errand_kind errand_watch; /* ends when the grant is lost */

/* Inside the monitor; LK_OK: it will end. */
int holder_begin(struct holder *holder, struct errand *errand);

/* With `done` asynchronous (out_op may be NULL), without blocking (out_fence may be NULL). */
int holder_acquire(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                   lk_fence *out_fence);
int holder_acquire_start(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op);
/* An acquire whose wait threads pass on to each other (mutex.c): the first call begins it, in a stand
 * that is all zeros. LK_E_DEADLINE with holder_stands(): it goes on, the place in the line is kept,
 * and a later call takes up the wait or gives it up. */
int holder_stand(struct holder *holder, struct errand *stand, int64_t deadline_ns,
                 lk_fence *out_fence);
/* LK_OK: granted at the last moment. */
int holder_give_up(struct holder *holder, struct errand *stand, lk_fence *out_fence);
static inline bool holder_stands(const struct errand *stand)
{
    return stand->holder != NULL;
}
/* LK_OK; LK_E_WOULD_DEADLOCK inside a callback, LK_E_CLOSED, LK_E_FORKED. */
int holder_may_wait(struct holder *holder);

/* `also_waiting`: gives up a wait too, whose operation ends with LK_E_CANCELLED. */
int holder_release(struct holder *holder, bool also_waiting, int64_t deadline_ns);
int holder_release_start(struct holder *holder, bool also_waiting, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op);
/* From writer to reader. LK_E_STATE: not held, a reader already, or under way. */
int holder_downgrade(struct holder *holder, int64_t deadline_ns, lk_fence *out_fence);
int holder_downgrade_start(struct holder *holder, int64_t deadline_ns, lk_done_fn *done, void *arg,
                           lk_op *out_op);
/* Permits with a ttl. LK_E_STATE: not held, or without one. */
int holder_prolong(struct holder *holder, uint32_t ttl_ms, int64_t deadline_ns);
int holder_prolong_start(struct holder *holder, uint32_t ttl_ms, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op);
int holder_proclaim(struct holder *holder, const void *words, size_t size, int64_t deadline_ns);

lk_grant_state holder_state(struct holder *holder);
int64_t holder_remaining_ns(struct holder *holder);
int holder_fence(struct holder *holder, lk_fence *out);
int holder_node(struct holder *holder, char *name, size_t size);
int holder_wait_lost(struct holder *holder, int64_t deadline_ns);

/* lk_grant is never defined: what stands behind the name is a holder. */
static inline struct holder *grant_holder(lk_grant *grant)
{
    return (struct holder *)grant;
}

static inline bool holder_holds(const struct holder *holder)
{
    return holder->state == LK_HELD || holder->state == LK_SUSPENDED;
}

/* ---- between the files of this room ---- */

void holder_change(struct holder *holder, lk_grant_state state, int reason); /* change.c */
void holder_asked(struct place *place);                                      /* change.c */
void holder_end_all(struct list *errands, int status);                       /* operations.c */
void holder_send_proclaims(struct holder *holder);                           /* operations.c */
int holder_set_words(struct holder *holder, const void *words, size_t size);
void holder_destroy_if_over(struct holder *holder);

#endif
