/* sweeper.c - a thread that stands for election and sweeps while it leads.
 *
 *   STAND --elected--> SWEEP --> WAIT for the next moment --> SWEEP
 *     ^                  |         |
 *     \-------lost-------+---------/          closed, anywhere: the end
 *
 * All waiting is done in calls of the session that is its own. So to stop it is to close that
 * session: whatever call is under way answers LK_E_CLOSED, and the election's znode goes with it. */
#include <latchkey/sweeper.h>

#include <latchkey/election.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS INT64_C(1000000)

enum {
    INTERVAL_MS = 60 * 1000,
    RETRY_MS = 1000,
    STOP_MS = 2000,
    PAUSE_MS = 10, /* between two sweeps at least; and what runs out together goes together */
};

struct lk_sweeper {
    lk_client *client;
    lk_ledger *ledger;
    lk_candidate *candidate;
    int64_t interval_ns;
    lk_sweeper_fn *told;
    void *arg;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* it stops; CLOCK_MONOTONIC */
};

static void sweeper_tell(lk_sweeper *sweeper, int status, const lk_sweep *sweep)
{
    if (sweeper->told && !atomic_load(&sweeper->stopping))
        sweeper->told(status, sweep, sweeper->arg);
}

bool lk_sweeper_leads(lk_sweeper *sweeper)
{
    return sweeper && lk_candidate_remaining_ns(sweeper->candidate) > 0;
}

/* Ends a sweep at its next page. */
static int sweeper_goes_on(uint64_t done, uint64_t total, void *arg)
{
    lk_sweeper *sweeper = arg;

    (void)done;
    (void)total;
    return lk_sweeper_leads(sweeper) && !atomic_load(&sweeper->stopping) ? 0 : 1;
}

/* When the next sweep begins: after an interval, or when the next freeze runs out; but not before it
 * has rested for as long as it has worked. */
static int64_t sweeper_next_ns(const lk_sweeper *sweeper, int64_t began_ns, const lk_sweep *sweep)
{
    int64_t now_ns = lk_now_ns(), rested_ns = now_ns + (now_ns - began_ns) + PAUSE_MS * MS;
    int64_t next_ns = began_ns + sweeper->interval_ns;
    int64_t left_ms = sweep && sweep->next_ms ? sweep->next_ms - sweep->server_ms : INT64_MAX / MS;

    if (left_ms < (next_ns - now_ns) / MS)
        next_ns = now_ns + (left_ms + PAUSE_MS) * MS;
    return next_ns > rested_ns ? next_ns : rested_ns;
}

/* Until it leads no more. */
static void sweeper_lead(lk_sweeper *sweeper)
{
    int lost = LK_E_DEADLINE;

    while (lost == LK_E_DEADLINE) {
        int64_t began_ns = lk_now_ns();
        lk_sweep sweep;
        int status = lk_ledger_sweep(sweeper->ledger, sweeper_goes_on, sweeper, LK_FOREVER, &sweep);
        int64_t next_ns = sweeper_next_ns(sweeper, began_ns, status == LK_OK ? &sweep : NULL);
        if (status <= 0)
            sweeper_tell(sweeper, status, status == LK_OK ? &sweep : NULL);
        lost = lk_candidate_wait_lost(sweeper->candidate, next_ns);
    }
}

/* Not elected, for a reason that may last. */
static void sweeper_pause(lk_sweeper *sweeper)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += RETRY_MS / 1000;
    pthread_mutex_lock(&sweeper->lock);
    while (!atomic_load(&sweeper->stopping)
           && pthread_cond_timedwait(&sweeper->wake, &sweeper->lock, &at) != ETIMEDOUT)
        ;
    pthread_mutex_unlock(&sweeper->lock);
}

static void *sweeper_run(void *arg)
{
    lk_sweeper *sweeper = arg;

    while (!atomic_load(&sweeper->stopping)) {
        int status = lk_candidate_stand(sweeper->candidate, LK_FOREVER, NULL);
        if (status == LK_OK) {
            sweeper_lead(sweeper);
            continue;
        }
        if (status != LK_E_LOST)
            sweeper_tell(sweeper, status, NULL);
        sweeper_pause(sweeper);
    }
    return NULL;
}

/* ---- new and free ---- */

static void sweeper_destroy(lk_sweeper *sweeper)
{
    lk_candidate_free(sweeper->candidate);
    lk_ledger_free(sweeper->ledger);
    lk_client_free(sweeper->client);
    pthread_cond_destroy(&sweeper->wake);
    pthread_mutex_destroy(&sweeper->lock);
    free(sweeper);
}

static int sweeper_stand_at(lk_sweeper *sweeper, const char *campaign, const char *election)
{
    char *path = NULL;

    if (!election && asprintf(&path, "%s.sweeper", campaign) < 0)
        return LK_E_NOMEM;
    int status = lk_candidate_new(&sweeper->candidate, sweeper->client, election ? election : path,
                                  NULL);
    free(path);
    return status;
}

/* The program's signals are the program's. */
static int sweeper_start(lk_sweeper *sweeper)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&sweeper->thread, NULL, sweeper_run, sweeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? LK_OK : LK_E_SYSTEM;
}

static int sweeper_open(lk_sweeper *sweeper, const lk_client_options *client, const char *campaign,
                        const char *election)
{
    lk_client_options own = *client;

    own.callback_thread = false; /* it has no callbacks */
    int status = lk_client_new(&sweeper->client, &own);
    if (status == LK_OK)
        status = lk_ledger_new(&sweeper->ledger, sweeper->client, campaign);
    if (status == LK_OK)
        status = sweeper_stand_at(sweeper, campaign, election);
    return status == LK_OK ? sweeper_start(sweeper) : status;
}

int lk_sweeper_new(lk_sweeper **out, const lk_client_options *client, const char *campaign,
                   const lk_sweeper_options *options)
{
    const lk_sweeper_options defaults = LK_SWEEPER_OPTIONS_INIT;
    pthread_condattr_t attributes;

    if (!out || !client || !campaign)
        return LK_E_INVALID;
    if (!options)
        options = &defaults;
    if (options->size != sizeof *options || options->interval_ms < 0
        || options->interval_ms > INT64_MAX / 4 / MS)
        return LK_E_INVALID;
    lk_sweeper *sweeper = calloc(1, sizeof *sweeper);
    if (!sweeper)
        return LK_E_NOMEM;
    sweeper->interval_ns = (options->interval_ms ? options->interval_ms : INTERVAL_MS) * MS;
    sweeper->told = options->told;
    sweeper->arg = options->arg;
    pthread_mutex_init(&sweeper->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sweeper->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    int status = sweeper_open(sweeper, client, campaign, options->election);
    if (status == LK_OK)
        *out = sweeper;
    else
        sweeper_destroy(sweeper);
    return status;
}

lk_sweeper *lk_sweeper_free(lk_sweeper *sweeper)
{
    lk_fence fence;

    /* In a forked child there is no thread to wait for, and the memory is left alone. */
    if (!sweeper || lk_candidate_fence(sweeper->candidate, &fence) == LK_E_FORKED)
        return NULL;
    pthread_mutex_lock(&sweeper->lock);
    atomic_store(&sweeper->stopping, true);
    pthread_cond_signal(&sweeper->wake);
    pthread_mutex_unlock(&sweeper->lock);
    (void)lk_client_close(sweeper->client, lk_in_ms(STOP_MS));
    pthread_join(sweeper->thread, NULL);
    sweeper_destroy(sweeper);
    return NULL;
}
