/* lock.c - the fair lock: a holder that owns its words for it. */
#include <latchkey/lock.h>

#include <stdlib.h>
#include <string.h>

#include "line/holder.h"

#define LABEL_MAX 255
#define DELAY_MS_MAX INT64_C(86400000)

/* lk_lock is never defined: what stands behind the name is a holder, and nothing more. */
static struct holder *lock_holder(lk_lock *lock)
{
    return (struct holder *)lock;
}

int lk_lock_new(lk_lock **out, lk_client *client, const char *path, const lk_lock_options *options)
{
    const lk_lock_options defaults = LK_LOCK_OPTIONS_INIT;
    struct holder *holder;

    if (!out || !client || !path)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->compat > LK_COMPAT_KAZOO
        || options->delay_ms < 0 || options->delay_ms > DELAY_MS_MAX)
        return LK_E_INVALID;
    const char *label = options->label ? options->label : client_label(client);
    if (strlen(label) > LABEL_MAX)
        return LK_E_TOO_LARGE;
    const struct holder_options holder_options = {
        .client = client,
        .path = path,
        .kind = LINE_LOCK,
        .words = label,
        .words_size = strlen(label),
        .on_change = options->on_change,
        .on_change_arg = options->on_change_arg,
        .on_revoke = options->on_revoke,
        .on_revoke_arg = options->on_revoke_arg,
        .compat = options->compat,
        .delay_ms = (uint32_t)options->delay_ms,
    };
    int status = holder_new(&holder, &holder_options);
    if (status == LK_OK)
        *out = (lk_lock *)holder;
    return status;
}

lk_lock *lk_lock_free(lk_lock *lock)
{
    holder_free(lock_holder(lock));
    return NULL;
}

int lk_lock_acquire(lk_lock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(lock_holder(lock), (struct place_wish){ 0 }, deadline_ns, out_fence);
}

int lk_lock_acquire_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                          lk_op *out_op)
{
    return holder_acquire_start(lock_holder(lock), (struct place_wish){ 0 }, deadline_ns, done, arg,
                                out_op);
}

int lk_lock_try(lk_lock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(lock_holder(lock), (struct place_wish){ .only_if_free = true },
                          deadline_ns, out_fence);
}

int lk_lock_try_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                      lk_op *out_op)
{
    return holder_acquire_start(lock_holder(lock), (struct place_wish){ .only_if_free = true },
                                deadline_ns, done, arg, out_op);
}

int lk_lock_release(lk_lock *lock, int64_t deadline_ns)
{
    return holder_release(lock_holder(lock), false, deadline_ns);
}

int lk_lock_release_start(lk_lock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                          lk_op *out_op)
{
    return holder_release_start(lock_holder(lock), false, deadline_ns, done, arg, out_op);
}

lk_grant_state lk_lock_state(lk_lock *lock)
{
    return holder_state(lock_holder(lock));
}

int64_t lk_lock_remaining_ns(lk_lock *lock)
{
    return holder_remaining_ns(lock_holder(lock));
}

int lk_lock_fence(lk_lock *lock, lk_fence *out)
{
    return holder_fence(lock_holder(lock), out);
}

int lk_lock_node(lk_lock *lock, char *name, size_t size)
{
    return holder_node(lock_holder(lock), name, size);
}

int lk_lock_wait_lost(lk_lock *lock, int64_t deadline_ns)
{
    return holder_wait_lost(lock_holder(lock), deadline_ns);
}

lk_grant *lk_lock_grant(lk_lock *lock)
{
    return (lk_grant *)lock_holder(lock);
}
