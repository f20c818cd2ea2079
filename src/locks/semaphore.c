/* semaphore.c - permits: a holder in a line where several hold at once; and the change of their
 * number. */
#include <latchkey/semaphore.h>

#include <string.h>

#include "line/holder.h"
#include "session/visit.h"

#define LABEL_MAX 255

/* lk_semaphore is never defined: what stands behind the name is a holder, and nothing more. */
static struct holder *semaphore_holder(lk_semaphore *semaphore)
{
    return (struct holder *)semaphore;
}

static struct place_wish wish_of(lk_semaphore *semaphore, uint32_t count, bool only_if_free)
{
    return (struct place_wish){ .weight = count,
                                .only_if_free = only_if_free,
                                .ttl_ms = semaphore ? semaphore_holder(semaphore)->ttl_ms : 0 };
}

int lk_semaphore_new(lk_semaphore **out, lk_client *client, const char *path, uint32_t permits,
                     const lk_semaphore_options *options)
{
    const lk_semaphore_options defaults = LK_SEMAPHORE_OPTIONS_INIT;
    struct holder *holder;

    if (!out || !client || !path || permits > LK_PERMITS_MAX)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options
        || (options->ttl_ms && options->ttl_ms < LK_PERMITS_TTL_MIN_MS))
        return LK_E_INVALID;
    const char *label = options->label ? options->label : client_label(client);
    if (strlen(label) > LABEL_MAX)
        return LK_E_TOO_LARGE;
    const struct holder_options holder_options = {
        .client = client,
        .path = path,
        .kind = LINE_SEMAPHORE,
        .permits = permits,
        .ttl_ms = options->ttl_ms,
        .words = label,
        .words_size = strlen(label),
        .on_change = options->on_change,
        .on_change_arg = options->on_change_arg,
        .on_revoke = options->on_revoke,
        .on_revoke_arg = options->on_revoke_arg,
    };
    int status = holder_new(&holder, &holder_options);
    if (status == LK_OK)
        *out = (lk_semaphore *)holder;
    return status;
}

lk_semaphore *lk_semaphore_free(lk_semaphore *semaphore)
{
    holder_free(semaphore_holder(semaphore));
    return NULL;
}

int lk_semaphore_acquire(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                         lk_fence *out_fence)
{
    if (count == 0 || count > LK_PERMITS_MAX)
        return LK_E_INVALID;
    return holder_acquire(semaphore_holder(semaphore), wish_of(semaphore, count, false),
                          deadline_ns, out_fence);
}

int lk_semaphore_acquire_start(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                               lk_done_fn *done, void *arg, lk_op *out_op)
{
    if (count == 0 || count > LK_PERMITS_MAX)
        return LK_E_INVALID;
    return holder_acquire_start(semaphore_holder(semaphore), wish_of(semaphore, count, false),
                                deadline_ns, done, arg, out_op);
}

int lk_semaphore_try(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                     lk_fence *out_fence)
{
    if (count == 0 || count > LK_PERMITS_MAX)
        return LK_E_INVALID;
    return holder_acquire(semaphore_holder(semaphore), wish_of(semaphore, count, true), deadline_ns,
                          out_fence);
}

int lk_semaphore_try_start(lk_semaphore *semaphore, uint32_t count, int64_t deadline_ns,
                           lk_done_fn *done, void *arg, lk_op *out_op)
{
    if (count == 0 || count > LK_PERMITS_MAX)
        return LK_E_INVALID;
    return holder_acquire_start(semaphore_holder(semaphore), wish_of(semaphore, count, true),
                                deadline_ns, done, arg, out_op);
}

int lk_semaphore_release(lk_semaphore *semaphore, int64_t deadline_ns)
{
    return holder_release(semaphore_holder(semaphore), false, deadline_ns);
}

int lk_semaphore_release_start(lk_semaphore *semaphore, int64_t deadline_ns, lk_done_fn *done,
                               void *arg, lk_op *out_op)
{
    return holder_release_start(semaphore_holder(semaphore), false, deadline_ns, done, arg, out_op);
}

int lk_semaphore_prolong(lk_semaphore *semaphore, uint32_t ttl_ms, int64_t deadline_ns)
{
    if (ttl_ms < LK_PERMITS_TTL_MIN_MS)
        return LK_E_INVALID;
    return holder_prolong(semaphore_holder(semaphore), ttl_ms, deadline_ns);
}

int lk_semaphore_prolong_start(lk_semaphore *semaphore, uint32_t ttl_ms, int64_t deadline_ns,
                               lk_done_fn *done, void *arg, lk_op *out_op)
{
    if (ttl_ms < LK_PERMITS_TTL_MIN_MS)
        return LK_E_INVALID;
    return holder_prolong_start(semaphore_holder(semaphore), ttl_ms, deadline_ns, done, arg,
                                out_op);
}

lk_grant_state lk_semaphore_state(lk_semaphore *semaphore)
{
    return holder_state(semaphore_holder(semaphore));
}

int64_t lk_semaphore_remaining_ns(lk_semaphore *semaphore)
{
    return holder_remaining_ns(semaphore_holder(semaphore));
}

int lk_semaphore_fence(lk_semaphore *semaphore, lk_fence *out)
{
    return holder_fence(semaphore_holder(semaphore), out);
}

int lk_semaphore_node(lk_semaphore *semaphore, char *name, size_t size)
{
    return holder_node(semaphore_holder(semaphore), name, size);
}

int lk_semaphore_wait_lost(lk_semaphore *semaphore, int64_t deadline_ns)
{
    return holder_wait_lost(semaphore_holder(semaphore), deadline_ns);
}

lk_grant *lk_semaphore_grant(lk_semaphore *semaphore)
{
    return (lk_grant *)semaphore_holder(semaphore);
}

/* ---- resize: read, write under the version read, until it is so ---- */

struct resize {
    struct visit visit; /* at the line */
    uint32_t permits;
};

static void resize_got(struct flight *flight);

static void resize_written(struct flight *flight)
{
    const struct answer *answer = &flight->answers[0];

    if (answer->rc == KEEPER_BAD_VERSION || answer_is_lost(answer))
        visit_read(flight_visit(flight), resize_got);
    else
        visit_end(flight_visit(flight), answer_status(answer));
}

static int resized(const struct answer *answer, uint32_t permits, struct record_out *out)
{
    struct line_record record;
    int status = answer_status(answer);

    if (status == LK_OK && answer->data_size == 0)
        status = LK_E_NOT_FOUND;
    if (status == LK_OK)
        status = line_record_read(&record, answer->data, answer->data_size);
    if (status == LK_OK && record.kind != LINE_SEMAPHORE)
        status = LK_E_KIND;
    if (status != LK_OK)
        return status;
    record.permits = permits;
    if (record.permits_most < permits)
        record.permits_most = permits;
    return line_record_write(out, &record);
}

/* The same number is written too: a server that lags may show one that was changed since. */
static void resize_got(struct flight *flight)
{
    __attribute__((cleanup(record_free))) struct record_out out = { 0 };
    struct resize *resize = container_of(flight_visit(flight), struct resize, visit);
    const struct answer *answer = &flight->answers[0];
    int status = resized(answer, resize->permits, &out);

    if (status == LK_OK)
        visit_write(&resize->visit, &out, answer->stat.version, resize_written);
    else
        visit_end(&resize->visit, status);
}

static void resize_begin(struct visit *visit)
{
    visit_read(visit, resize_got);
}

int lk_semaphore_resize(lk_client *client, const char *path, uint32_t permits, int64_t deadline_ns)
{
    struct resize resize = { .permits = permits };

    if (!client || !path || permits == 0 || permits > LK_PERMITS_MAX)
        return LK_E_INVALID;
    return visit_run(&resize.visit, client, path, deadline_ns, resize_begin);
}
