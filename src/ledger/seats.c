/* seats.c - users and their accounts as they are known here, each in the queue where it belongs.
 *
 *   idle      nobody waits for it; the oldest go when there are too many
 *   blank     the same, of a user without an account: goes at once
 *   unread    its record must be read first
 *   claiming, changing   can be judged; by its first operation
 *   held      its first operation is of a chain, which is judged when it stands first everywhere
 *   busy      it is being read, or is in a commit */
#include <stdlib.h>
#include <string.h>

#include "ledger/machine.h"

#define ALLOCATOR_SIZE 72 /* what it and the hash table take beside, or nearly so */

struct reading {
    struct flight flight;
    struct seat *seat;
};

static struct seat *seat_new(struct lk_ledger *ledger, const char *user, size_t size, unsigned hash)
{
    struct seat *seat = calloc(1, sizeof(*seat) + size + 1);

    if (!seat)
        return NULL;
    memcpy(seat->user, user, size + 1);
    seat->ledger = ledger;
    seat->version = VERSION_NONE;
    seat->must_read = seen_has(ledger->seen, user);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, ledger->seats, seat->user, (unsigned)size, hash, seat);
    if (seat->hh.tbl)
        return seat;
    free(seat);
    return NULL;
}

struct seat *seat_of(struct lk_ledger *ledger, const char *user)
{
    size_t size = strlen(user);
    struct seat *seat;
    unsigned hash;

    HASH_VALUE(user, size, hash);
    HASH_FIND_BYHASHVALUE(hh, ledger->seats, user, size, hash, seat);
    return seat ? seat : seat_new(ledger, user, size, hash);
}

/* The same for as long as it is idle. */
static size_t seat_memory(const struct seat *seat)
{
    return sizeof(*seat) + seat->hh.keylen + seat->size + ALLOCATOR_SIZE;
}

static void seat_leave(struct seat *seat)
{
    if (!seat->queue)
        return;
    list_remove(&seat->node);
    seat->queue->count--;
    if (seat->queue == &seat->ledger->idle)
        seat->ledger->idle_bytes -= seat_memory(seat);
    seat->queue = NULL;
}

static void seat_end_reading(struct seat *seat)
{
    if (seat->reading)
        flight_drop(&seat->reading->flight);
    free(seat->reading);
    seat->reading = NULL;
}

void seat_free(struct seat *seat)
{
    seat_leave(seat);
    seat_end_reading(seat);
    HASH_DEL(seat->ledger->seats, seat);
    free(seat->bytes);
    free(seat);
}

void seats_evict(struct lk_ledger *ledger)
{
    while (ledger->blank.count > 0)
        seat_free(container_of(ledger->blank.seats.next, struct seat, node));
    while (ledger->idle_bytes > SEATS_IDLE_BYTES_MAX) {
        struct seat *oldest = container_of(ledger->idle.seats.next, struct seat, node);
        /* A hint that there is no memory for costs a commit some day. */
        ledger->seen = seen_add(ledger->seen, oldest->user);
        seat_free(oldest);
    }
}

struct job *seat_first(const struct seat *seat)
{
    return container_of(seat->jobs.next, struct job, node);
}

static bool seat_begins_with_claim(const struct seat *seat)
{
    return seat_first(seat)->body.verb == LK_LEDGER_CLAIM;
}

/* ---- newcomers ----
 *
 * A claim takes its user for a new one until it learns better: most are, and then one multi does it
 * all. One who is not spoils the commit for all in it, so where a share p of them are not, a commit
 * has 1/p of them; and where that would be too few to be worth it they are read first, which also
 * tells when that is over. */

#define RATE_ONE 1024u
#define RATE_DOUBT (RATE_ONE / 8)
#define RATE_WINDOW 64

void newcomer_was(struct lk_ledger *ledger, bool is_known)
{
    unsigned rate = ledger->known_rate;

    if (is_known)
        ledger->known_rate += (RATE_ONE - rate) / RATE_WINDOW;
    else
        ledger->known_rate -= (rate + RATE_WINDOW - 1) / RATE_WINDOW;
}

size_t newcomers_max(const struct lk_ledger *ledger)
{
    size_t most = ledger->known_rate ? RATE_ONE / ledger->known_rate : COMMIT_SEATS_MAX;
    return most < COMMIT_SEATS_MAX ? most : COMMIT_SEATS_MAX;
}

bool seat_needs_reading(const struct seat *seat)
{
    if (seat->state != SEAT_UNKNOWN || list_is_empty(&seat->jobs))
        return false;
    return seat->must_read || !seat_begins_with_claim(seat)
           || seat->ledger->known_rate > RATE_DOUBT;
}

static struct queue *seat_queue(const struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;

    if (seat->state == SEAT_READING || seat->state == SEAT_WRITING)
        return &ledger->busy;
    if (list_is_empty(&seat->jobs))
        return seat->bytes ? &ledger->idle : &ledger->blank;
    if (seat_needs_reading(seat))
        return &ledger->unread;
    if (seat_first(seat)->chain)
        return &ledger->held;
    return seat_begins_with_claim(seat) ? &ledger->claiming : &ledger->changing;
}

void seat_place(struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;
    struct queue *queue = seat_queue(seat);

    if (seat->queue != queue) {
        seat_leave(seat);
        seat->queue = queue;
        list_append(&queue->seats, &seat->node);
        queue->count++;
        if (queue == &ledger->idle)
            ledger->idle_bytes += seat_memory(seat);
    }
    if (queue == &ledger->held)
        chain_look(seat_first(seat)->chain);
}

void seat_forget(struct seat *seat)
{
    seat->state = SEAT_UNKNOWN;
    seat->must_read = true;
}

void seat_fail(struct seat *seat, int status)
{
    while (!list_is_empty(&seat->jobs))
        job_fail(seat_first(seat), status);
    seat_place(seat);
}

/* ---- reading ---- */

static int seat_install(struct seat *seat, const struct answer *answer)
{
    void *bytes = NULL;

    if (answer->rc != KEEPER_OK && answer->rc != KEEPER_NO_NODE)
        return answer_status(answer);
    if (answer->rc == KEEPER_OK && (answer->stat.version < 0 || answer->stat.version > VERSION_MAX))
        return LK_E_ACCOUNT_FULL;
    if (answer->rc == KEEPER_OK) {
        bytes = malloc(answer->data_size + 1);
        if (!bytes)
            return LK_E_NOMEM;
        if (answer->data_size)
            memcpy(bytes, answer->data, answer->data_size);
        servertime_see(&seat->ledger->time, answer->stat.mtime_ms,
                       client_now(seat->ledger->client));
    }
    free(seat->bytes);
    seat->bytes = bytes;
    seat->size = bytes ? answer->data_size : 0;
    seat->version = bytes ? answer->stat.version : VERSION_NONE;
    seat->zxid = bytes ? answer->stat.mzxid : 0;
    return LK_OK;
}

static void seat_landed(struct flight *flight)
{
    struct seat *seat = container_of(flight, struct reading, flight)->seat;
    struct lk_ledger *ledger = seat->ledger;

    int status = seat_install(seat, &flight->answers[0]);
    seat_end_reading(seat);
    if (status == LK_OK && !seat->must_read && !list_is_empty(&seat->jobs)
        && seat_begins_with_claim(seat))
        newcomer_was(ledger, seat->bytes != NULL);
    ledger->reading_count--;
    seat->state = status == LK_OK ? SEAT_KNOWN : SEAT_UNKNOWN;
    seat->must_read = status != LK_OK;
    if (status != LK_OK)
        seat_fail(seat, status);
    seat_place(seat);
    ledger_pump(ledger);
}

/* What is read may be old, at a server that lags. The version in the commit finds out, and is refused
 * by that server only when it has caught up. */
static int seat_send_reading(struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;
    char *path = name_account(ledger->path, seat->user);
    const struct keeper_request get = { .verb = KEEPER_GET, .path = path };
    int status = LK_E_NOMEM;

    seat->reading = calloc(1, sizeof(*seat->reading));
    if (path && seat->reading) {
        seat->reading->seat = seat;
        status = flight_send(&seat->reading->flight, ledger->client, &get, 1, seat_landed);
    }
    free(path);
    return status;
}

static void seat_read(struct seat *seat)
{
    struct lk_ledger *ledger = seat->ledger;
    int status = seat_send_reading(seat);

    if (status != LK_OK) {
        seat_end_reading(seat);
        seat_fail(seat, status);
        return;
    }
    ledger->stats.reads++;
    ledger->reading_count++;
    seat->state = SEAT_READING;
    seat_place(seat);
}

void seats_read(struct lk_ledger *ledger)
{
    while (!list_is_empty(&ledger->unread.seats) && ledger->reading_count < SEATS_READING_MAX)
        seat_read(container_of(ledger->unread.seats.next, struct seat, node));
}
