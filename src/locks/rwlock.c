/* rwlock.c - many readers or one writer: a holder in a line of its own kind. */
#include <latchkey/rwlock.h>

#include <stdlib.h>
#include <string.h>

#include "line/holder.h"

#define LABEL_MAX 255

/* lk_rwlock is never defined: what stands behind the name is a holder, and nothing more. */
static struct holder *rwlock_holder(lk_rwlock *lock)
{
    return (struct holder *)lock;
}

int lk_rwlock_new(lk_rwlock **out, lk_client *client, const char *path,
                  const lk_rwlock_options *options)
{
    const lk_rwlock_options defaults = LK_RWLOCK_OPTIONS_INIT;
    struct holder *holder;

    if (!out || !client || !path)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->compat > LK_COMPAT_KAZOO)
        return LK_E_INVALID;
    const char *label = options->label ? options->label : client_label(client);
    if (strlen(label) > LABEL_MAX)
        return LK_E_TOO_LARGE;
    const struct holder_options holder_options = {
        .client = client,
        .path = path,
        .kind = LINE_RWLOCK,
        .words = label,
        .words_size = strlen(label),
        .on_change = options->on_change,
        .on_change_arg = options->on_change_arg,
        .on_revoke = options->on_revoke,
        .on_revoke_arg = options->on_revoke_arg,
        .compat = options->compat,
    };
    int status = holder_new(&holder, &holder_options);
    if (status == LK_OK)
        *out = (lk_rwlock *)holder;
    return status;
}

lk_rwlock *lk_rwlock_free(lk_rwlock *lock)
{
    holder_free(rwlock_holder(lock));
    return NULL;
}

int lk_rwlock_read(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(rwlock_holder(lock), (struct place_wish){ .shares = true }, deadline_ns,
                          out_fence);
}

int lk_rwlock_read_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                         lk_op *out_op)
{
    return holder_acquire_start(rwlock_holder(lock), (struct place_wish){ .shares = true },
                                deadline_ns, done, arg, out_op);
}

int lk_rwlock_try_read(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(rwlock_holder(lock),
                          (struct place_wish){ .shares = true, .only_if_free = true }, deadline_ns,
                          out_fence);
}

int lk_rwlock_try_read_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                             lk_op *out_op)
{
    return holder_acquire_start(rwlock_holder(lock),
                                (struct place_wish){ .shares = true, .only_if_free = true },
                                deadline_ns, done, arg, out_op);
}

int lk_rwlock_write(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(rwlock_holder(lock), (struct place_wish){ 0 }, deadline_ns, out_fence);
}

int lk_rwlock_write_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                          lk_op *out_op)
{
    return holder_acquire_start(rwlock_holder(lock), (struct place_wish){ 0 }, deadline_ns, done,
                                arg, out_op);
}

int lk_rwlock_try_write(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_acquire(rwlock_holder(lock), (struct place_wish){ .only_if_free = true },
                          deadline_ns, out_fence);
}

int lk_rwlock_try_write_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                              lk_op *out_op)
{
    return holder_acquire_start(rwlock_holder(lock), (struct place_wish){ .only_if_free = true },
                                deadline_ns, done, arg, out_op);
}

int lk_rwlock_downgrade(lk_rwlock *lock, int64_t deadline_ns, lk_fence *out_fence)
{
    return holder_downgrade(rwlock_holder(lock), deadline_ns, out_fence);
}

int lk_rwlock_downgrade_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                              lk_op *out_op)
{
    return holder_downgrade_start(rwlock_holder(lock), deadline_ns, done, arg, out_op);
}

lk_rwlock_role lk_rwlock_mode(lk_rwlock *lock)
{
    struct holder *holder = rwlock_holder(lock);
    lk_rwlock_role role = LK_NEITHER;

    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return LK_NEITHER;
    if (holder_holds(holder))
        role = holder->place.wish.shares && !holder->place.is_turning ? LK_READER : LK_WRITER;
    client_leave(holder->client);
    return role;
}

int lk_rwlock_release(lk_rwlock *lock, int64_t deadline_ns)
{
    return holder_release(rwlock_holder(lock), false, deadline_ns);
}

int lk_rwlock_release_start(lk_rwlock *lock, int64_t deadline_ns, lk_done_fn *done, void *arg,
                            lk_op *out_op)
{
    return holder_release_start(rwlock_holder(lock), false, deadline_ns, done, arg, out_op);
}

lk_grant_state lk_rwlock_state(lk_rwlock *lock)
{
    return holder_state(rwlock_holder(lock));
}

int64_t lk_rwlock_remaining_ns(lk_rwlock *lock)
{
    return holder_remaining_ns(rwlock_holder(lock));
}

int lk_rwlock_fence(lk_rwlock *lock, lk_fence *out)
{
    return holder_fence(rwlock_holder(lock), out);
}

int lk_rwlock_node(lk_rwlock *lock, char *name, size_t size)
{
    return holder_node(rwlock_holder(lock), name, size);
}

int lk_rwlock_wait_lost(lk_rwlock *lock, int64_t deadline_ns)
{
    return holder_wait_lost(rwlock_holder(lock), deadline_ns);
}

lk_grant *lk_rwlock_grant(lk_rwlock *lock)
{
    return (lk_grant *)rwlock_holder(lock);
}
