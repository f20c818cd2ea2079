/* flight.h - some requests sent together, and what came back when all of them are answered.
 *
 * For code that asks several things at once: a page of reads, a read behind a barrier, one commit.
 * Reads are asked again by the session when a reply is lost; a write is sent once, and its owner
 * finds out. */
#ifndef SESSION_FLIGHT_H
#define SESSION_FLIGHT_H

#include "session/session.h"

struct answer {
    struct flight *flight;
    int rc;
    struct keeper_stat stat;
    void *data;
    size_t data_size;
    char **children;
    size_t child_count;
    struct keeper_reply *results; /* of a multi: rc and stat only */
    size_t result_count;
};

struct flight {
    lk_client *client;
    struct request_group group;
    struct answer *answers; /* in the order of the requests */
    size_t count, waiting;
    void (*landed)(struct flight *flight); /* inside the monitor; may send the flight anew */
};

/* LK_OK, then landed() follows once, unless the flight is dropped; else what request_send()
 * answered, and nothing follows (what was sent before the failure may still be applied). The flight
 * must not be in the air. */
int flight_send(struct flight *flight, lk_client *client, const struct keeper_request *requests,
                size_t count, void (*landed)(struct flight *flight));
/* Makes the znode `path` and those above it that are missing, all in one flight, without data.
 * flight_made() then tells the status. */
int flight_make(struct flight *flight, lk_client *client, const char *path, enum keeper_mode mode,
                void (*landed)(struct flight *flight));
/* LK_OK: it is there. LK_E_UNKNOWN: perhaps. */
int flight_made(const struct flight *flight);
/* Frees the answers; of a flight in the air no reply comes any more. */
void flight_drop(struct flight *flight);
bool flight_is_in_the_air(const struct flight *flight);

/* Whether the request may have been applied although nobody was told. */
bool answer_is_lost(const struct answer *answer);
/* What a reply that is no answer to the question means for the caller; LK_OK for KEEPER_OK. */
int answer_status(const struct answer *answer);
/* Of a multi that failed: the operation that failed; result_count when none is named. */
size_t answer_culprit(const struct answer *answer);

#endif
