/* grant.c - one face for the library's handles. */
#include <string.h>

#include "cli/grant.h"

static int lock_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
                    lk_grant_fn *on_change, void *arg)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    options.label = spec->words;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_lock_new(&out->lock, client, spec->path, &options);
}

static int rwlock_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
                      lk_grant_fn *on_change, void *arg)
{
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;
    options.label = spec->words;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_rwlock_new(&out->rwlock, client, spec->path, &options);
}

static int semaphore_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
                         lk_grant_fn *on_change, void *arg)
{
    lk_semaphore_options options = LK_SEMAPHORE_OPTIONS_INIT;
    options.label = spec->words;
    options.ttl_ms = (uint32_t)(spec->ttl_ns / 1000000);
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_semaphore_new(&out->semaphore, client, spec->path, spec->permits, &options);
}

static int candidate_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
                         lk_grant_fn *on_change, void *arg)
{
    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;
    options.card = spec->words;
    options.card_size = spec->words != NULL ? strlen(spec->words) : 0;
    options.on_change = on_change;
    options.on_change_arg = arg;
    return lk_candidate_new(&out->candidate, client, spec->path, &options);
}

int grant_new(struct grant *out, lk_client *client, const struct hold_spec *spec,
              enum hold_kind kind, lk_grant_fn *on_change, void *arg)
{
    *out = (struct grant){ .kind = kind };
    switch (kind) {
    case HOLD_LOCK:
        return lock_new(out, client, spec, on_change, arg);
    case HOLD_READER:
        return rwlock_new(out, client, spec, on_change, arg);
    case HOLD_PERMIT:
        return semaphore_new(out, client, spec, on_change, arg);
    case HOLD_LEADERSHIP:
        break;
    }
    return candidate_new(out, client, spec, on_change, arg);
}

void grant_free(struct grant *grant)
{
    switch (grant->kind) {
    case HOLD_LOCK:
        lk_lock_free(grant->lock);
        break;
    case HOLD_READER:
        lk_rwlock_free(grant->rwlock);
        break;
    case HOLD_PERMIT:
        lk_semaphore_free(grant->semaphore);
        break;
    case HOLD_LEADERSHIP:
        lk_candidate_free(grant->candidate);
        break;
    }
    *grant = (struct grant){ .kind = HOLD_LOCK };
}

static int start_try(struct grant *grant, int64_t deadline_ns, lk_done_fn *done, void *arg)
{
    lk_op op;
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_try_read_start(grant->rwlock, deadline_ns, done, arg, &op);
    case HOLD_PERMIT:
        return lk_semaphore_try_start(grant->semaphore, 1, deadline_ns, done, arg, &op);
    case HOLD_LEADERSHIP:
        return LK_E_INVALID;
    case HOLD_LOCK:
        break;
    }
    return lk_lock_try_start(grant->lock, deadline_ns, done, arg, &op);
}

static int start_wait(struct grant *grant, int64_t deadline_ns, lk_done_fn *done, void *arg)
{
    lk_op op;
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_read_start(grant->rwlock, deadline_ns, done, arg, &op);
    case HOLD_PERMIT:
        return lk_semaphore_acquire_start(grant->semaphore, 1, deadline_ns, done, arg, &op);
    case HOLD_LEADERSHIP:
        return lk_candidate_stand_start(grant->candidate, deadline_ns, done, arg, &op);
    case HOLD_LOCK:
        break;
    }
    return lk_lock_acquire_start(grant->lock, deadline_ns, done, arg, &op);
}

int grant_start(struct grant *grant, bool try_once, int64_t deadline_ns, lk_done_fn *done,
                void *arg)
{
    return try_once ? start_try(grant, deadline_ns, done, arg)
                    : start_wait(grant, deadline_ns, done, arg);
}

int grant_release(struct grant *grant, int64_t deadline_ns)
{
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_release(grant->rwlock, deadline_ns);
    case HOLD_PERMIT:
        return lk_semaphore_release(grant->semaphore, deadline_ns);
    case HOLD_LEADERSHIP:
        return lk_candidate_resign(grant->candidate, deadline_ns);
    case HOLD_LOCK:
        break;
    }
    return lk_lock_release(grant->lock, deadline_ns);
}

int64_t grant_remaining_ns(const struct grant *grant)
{
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_remaining_ns(grant->rwlock);
    case HOLD_PERMIT:
        return lk_semaphore_remaining_ns(grant->semaphore);
    case HOLD_LEADERSHIP:
        return lk_candidate_remaining_ns(grant->candidate);
    case HOLD_LOCK:
        break;
    }
    return lk_lock_remaining_ns(grant->lock);
}

int grant_fence(const struct grant *grant, lk_fence *out)
{
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_fence(grant->rwlock, out);
    case HOLD_PERMIT:
        return lk_semaphore_fence(grant->semaphore, out);
    case HOLD_LEADERSHIP:
        return lk_candidate_fence(grant->candidate, out);
    case HOLD_LOCK:
        break;
    }
    return lk_lock_fence(grant->lock, out);
}

int grant_node(const struct grant *grant, char *name, size_t size)
{
    switch (grant->kind) {
    case HOLD_READER:
        return lk_rwlock_node(grant->rwlock, name, size);
    case HOLD_PERMIT:
        return lk_semaphore_node(grant->semaphore, name, size);
    case HOLD_LEADERSHIP:
        return lk_candidate_node(grant->candidate, name, size);
    case HOLD_LOCK:
        break;
    }
    return lk_lock_node(grant->lock, name, size);
}
