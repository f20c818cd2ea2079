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
    struct list watchers;  /* operations of wait_lost */
    struct list proclaims; /* new words that wait for the znode to be known */
    lk_grant_fn *on_change;
    void *on_change_arg;
    lk_revoke_fn *on_revoke;
    void *on_revoke_arg;
    struct telling spares[2]; /* so that without memory the last change is still told */
    bool freed;               /* by the user; the memory goes when the place is OUT */
    /* That wait for an operation, and look at the holder once more when it ends. */
    unsigned threads;
};

struct holder_options {
    lk_client *client;
    const char *path;
    enum line_kind kind;
    uint32_t permits; /* as in struct place */
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

/* With `done` asynchronous (out_op may be NULL), without blocking (out_fence may be NULL). */
int holder_acquire(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                   lk_fence *out_fence);
int holder_acquire_start(struct holder *holder, struct place_wish wish, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op);
/* `also_waiting`: gives up a wait too, whose operation ends with LK_E_CANCELLED. */
int holder_release(struct holder *holder, bool also_waiting, int64_t deadline_ns);
int holder_release_start(struct holder *holder, bool also_waiting, int64_t deadline_ns,
                         lk_done_fn *done, void *arg, lk_op *out_op);
/* From writer to reader. LK_E_STATE: not held, a reader already, or under way. */
int holder_downgrade(struct holder *holder, int64_t deadline_ns, lk_fence *out_fence);
int holder_downgrade_start(struct holder *holder, int64_t deadline_ns, lk_done_fn *done, void *arg,
                           lk_op *out_op);
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
