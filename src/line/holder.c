/* holder.c - a grant's states over a place. See holder.h. */
#include "line/holder.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"

/* ---- what the place says ---- */

static void holder_end_acquire(struct holder *holder, int status)
{
    struct op *acquire = holder->acquire;

    holder->acquire = NULL;
    if (acquire)
        op_done(acquire, status);
}

static void holder_granted(struct place *place)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder->fence = (lk_fence){ .zxid = (uint64_t)place->czxid };
    holder_change(holder, LK_HELD, LK_OK);
    if (lease_is_suspended(holder->client))
        holder_change(holder, LK_SUSPENDED, LK_OK);
    holder_end_acquire(holder, LK_OK);
}

static void holder_named(struct place *place)
{
    holder_send_proclaims(container_of(place, struct holder, place));
}

static void holder_turned(struct place *place, int status)
{
    struct holder *holder = container_of(place, struct holder, place);

    /* Not the new znode's czxid: writers who have stood behind us for long have smaller ones, and a
     * gate that we had passed as a reader would refuse them. */
    if (status == LK_OK)
        holder->fence.turn++;
    holder_end_all(&holder->turns, status);
}

static void holder_prolonged(struct place *place, int status)
{
    holder_end_all(&container_of(place, struct holder, place)->prolongs, status);
}

static void holder_lease(struct place *place, enum lease_change change)
{
    holder_change(container_of(place, struct holder, place),
                  change == LEASE_SUSPENDED ? LK_SUSPENDED : LK_HELD, LK_OK);
}

static void holder_lost(struct place *place, int reason)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_change(holder, LK_LOST, reason);
    holder_end_all(&holder->turns, LK_E_LOST);
    holder_end_all(&holder->prolongs, LK_E_LOST);
    holder_end_all(&holder->watchers, LK_OK);
}

static void holder_refused(struct place *place, int status)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_change(holder, LK_IDLE, status);
    holder_end_acquire(holder, status);
    holder_end_all(&holder->proclaims, LK_E_STATE);
}

static void holder_removed(struct place *place)
{
    holder_end_all(&container_of(place, struct holder, place)->releases, LK_OK);
}

static void holder_stuck(struct place *place, int status)
{
    struct holder *holder = container_of(place, struct holder, place);

    client_log(holder->client, LK_LOG_WARNING, "%s can't be removed: %s", place->node,
               lk_status_text(status));
    holder_end_all(&holder->releases, status);
}

/* When the user, the server and the threads that waited are all done with it. */
void holder_destroy_if_over(struct holder *holder)
{
    lk_client *client = holder->client;

    if (!holder->freed || holder->place.state != PLACE_OUT || holder->threads > 0)
        return;
    place_fini(&holder->place);
    free(holder->path);
    free(holder->words);
    free(holder->host);
    free(holder);
    client_unref_later(client);
}

static void holder_left(struct place *place)
{
    struct holder *holder = container_of(place, struct holder, place);

    holder_end_all(&holder->releases, LK_OK);
    if (holder->acquire)
        place_join(place, holder->wish);
    else
        holder_destroy_if_over(holder);
}

static const struct place_events holder_events = {
    .named = holder_named,
    .granted = holder_granted,
    .turned = holder_turned,
    .prolonged = holder_prolonged,
    .lease = holder_lease,
    .asked = holder_asked,
    .lost = holder_lost,
    .refused = holder_refused,
    .removed = holder_removed,
    .stuck = holder_stuck,
    .left = holder_left,
};

/* ---- new and free ---- */

static char *host_name(void)
{
    char name[256] = "";

    if (gethostname(name, sizeof name - 1) != 0)
        name[0] = '\0';
    return strdup(name);
}

int holder_set_words(struct holder *holder, const void *words, size_t size)
{
    char *copy = malloc(size + 1);

    if (!copy)
        return LK_E_NOMEM;
    if (size)
        memcpy(copy, words, size);
    free(holder->words);
    holder->words = copy;
    holder->place.words = copy;
    holder->place.words_size = size;
    return LK_OK;
}

int holder_new(struct holder **out, const struct holder_options *options)
{
    lk_client *client = options->client;
    struct holder *holder = calloc(1, sizeof *holder);

    if (!holder)
        return LK_E_NOMEM;
    int status = client_path(client, options->path, &holder->path);
    if (status == LK_OK)
        status = holder_set_words(holder, options->words, options->words_size);
    if (status == LK_OK && !(holder->host = host_name()))
        status = LK_E_NOMEM;
    if (status == LK_OK)
        status = client_enter(client);
    if (status != LK_OK) {
        free(holder->path);
        free(holder->words);
        free(holder->host);
        free(holder);
        return status;
    }
    holder->client = client_ref(client);
    holder->on_change = options->on_change;
    holder->on_change_arg = options->on_change_arg;
    holder->place.path = holder->path;
    holder->place.host = holder->host;
    holder->place.kind = options->kind;
    holder->place.permits = options->permits;
    holder->ttl_ms = options->ttl_ms;
    holder->place.compat = options->compat;
    holder->place.delay_ms = options->delay_ms;
    holder->on_revoke = options->on_revoke;
    holder->on_revoke_arg = options->on_revoke_arg;
    place_init(&holder->place, client, &holder_events);
    client_leave(client);
    *out = holder;
    return LK_OK;
}

void holder_free(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return;
    lk_client *client = client_ref(holder->client);
    holder->on_change = NULL;
    holder->on_revoke = NULL;
    callbacks_forget(client, holder);
    if (holder->acquire)
        op_end(holder->acquire, LK_E_CANCELLED);
    holder_end_all(&holder->releases, LK_E_CANCELLED);
    holder_end_all(&holder->turns, LK_E_CANCELLED);
    holder_end_all(&holder->prolongs, LK_E_CANCELLED);
    holder_end_all(&holder->watchers, LK_E_STATE);
    holder_end_all(&holder->proclaims, LK_E_CANCELLED);
    place_leave(&holder->place);
    holder->freed = true;
    holder_destroy_if_over(holder);
    client_leave(client);
    client_unref(client);
}

/* ---- asking ---- */

lk_grant_state holder_state(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return LK_LOST;
    lk_grant_state state = holder->state;
    client_leave(holder->client);
    return state;
}

int64_t holder_remaining_ns(struct holder *holder)
{
    if (!holder || client_enter_closed(holder->client) != LK_OK)
        return 0;
    int64_t left_ns = holder_holds(holder) ? lease_remaining_ns(holder->client) : 0;
    if (left_ns > term_left_ns(&holder->place))
        left_ns = term_left_ns(&holder->place);
    client_leave(holder->client);
    return left_ns;
}

int holder_fence(struct holder *holder, lk_fence *out)
{
    if (!holder || !out)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    status = holder_holds(holder) ? LK_OK : LK_E_STATE;
    if (status == LK_OK)
        *out = holder->fence;
    client_leave(holder->client);
    return status;
}

int holder_node(struct holder *holder, char *name, size_t size)
{
    if (!holder || !name)
        return LK_E_INVALID;
    int status = client_enter(holder->client);
    if (status != LK_OK)
        return status;
    if (!holder_holds(holder))
        status = LK_E_STATE;
    else if (strlen(path_name(holder->place.node)) >= size)
        status = LK_E_INVALID;
    else
        strcpy(name, path_name(holder->place.node));
    client_leave(holder->client);
    return status;
}
