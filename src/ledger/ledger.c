/* ledger.c - a ledger handle: made, freed, and told when the connection goes. */
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

/* Watches may have fired unheard while the connection was away, and what came meanwhile waits for it;
 * or for the end of all connections, when credentials were refused. */
static void ledger_session_changed(struct session_listener *listener, enum session_change change)
{
    struct lk_ledger *ledger = container_of(listener, struct lk_ledger, listener);

    if (change == SESSION_DISCONNECTED || change == SESSION_ENDED)
        ledger->stock_proven = false;
    if (change == SESSION_CONNECTED || change == SESSION_RESUMED || change == SESSION_ENDED)
        ledger_pump(ledger);
}

int lk_ledger_new(lk_ledger **out, lk_client *client, const char *path)
{
    char *full;

    if (!out || !client)
        return LK_E_INVALID;
    int status = client_path(client, path, &full);
    if (status != LK_OK)
        return status;
    struct lk_ledger *ledger = calloc(1, sizeof(*ledger));
    if (!ledger) {
        free(full);
        return LK_E_NOMEM;
    }
    ledger->client = client;
    ledger->path = full;
    ledger->listener.changed = ledger_session_changed;
    status = client_enter(client);
    if (status != LK_OK) {
        free(full);
        free(ledger);
        return status;
    }
    session_listen(client, &ledger->listener);
    client_ref(client);
    client_leave(client);
    *out = ledger;
    return LK_OK;
}

/* Asynchronous operations still get their callbacks. */
static void ledger_withdraw(struct lk_ledger *ledger)
{
    struct seat *seat, *next;

    HASH_ITER(hh, ledger->seats, seat, next)
    {
        while (!list_is_empty(&seat->jobs)) {
            struct job *job = seat_first(seat);
            bool perhaps = job->writes || job->unsettled;
            result_clear(job->result, job->body.id);
            job_finish(job, perhaps ? LK_E_UNKNOWN : LK_E_CANCELLED);
        }
    }
}

static void ledger_close(struct lk_ledger *ledger)
{
    struct seat *seat, *next;

    ledger_withdraw(ledger);
    session_unlisten(&ledger->listener);
    timer_stop(ledger->client, &ledger->pause);
    flight_drop(&ledger->entering);
    shelves_close(ledger);
    list_for_each_safe (node, &ledger->commits)
        commit_free(container_of(node, struct commit, node));
    HASH_ITER(hh, ledger->seats, seat, next) seat_free(seat);
    free(ledger->seen);
    campaign_free(&ledger->campaign);
}

lk_ledger_stats lk_ledger_get_stats(lk_ledger *ledger)
{
    lk_ledger_stats stats = { 0 };

    if (!ledger || client_enter_closed(ledger->client) != LK_OK)
        return stats;
    stats = ledger->stats;
    client_leave(ledger->client);
    return stats;
}

lk_ledger *lk_ledger_free(lk_ledger *ledger)
{
    if (!ledger)
        return NULL;
    lk_client *client = ledger->client;
    /* In a forked child the memory is left alone: it belongs to threads that are not there. */
    if (client_enter_closed(client) != LK_OK)
        return NULL;
    ledger_close(ledger);
    client_leave(client);
    client_unref(client);
    free(ledger->seal_path);
    free(ledger->path);
    free(ledger);
    return NULL;
}
