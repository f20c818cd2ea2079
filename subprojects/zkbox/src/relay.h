/* relay.h - one connection through a proxy: two flows of frames, one each way.
 *
 *     client --read--> [incoming: sorted into frames] --> [parcels, each with its time] --> server
 *
 * A flow passes whole frames only, so any frame can be left out. What does not begin as a frame (a
 * four-letter word) makes the connection opaque: its bytes pass as they are.
 *
 * A relay ends in one of three ways: both sides have ended and all has been passed on (closed); one
 * side broke, or the proxy was cut (reset); an armed loss has happened (closed, once everything
 * that came before the lost frame was delivered). Not locked: the proxy's lock covers it. */
#ifndef ZKBOX_RELAY_H
#define ZKBOX_RELAY_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "script.h"
#include "zkbox.h"

struct weather {
    bool cut;
    bool stalled;
    bool lost[2]; /* by zkbox_direction */
    int delay_ms;
};

struct relay;

/* Takes the client's socket, also on failure (NULL). */
struct relay *relay_new(int number, int client, const struct sockaddr_in *server,
                        struct relay *next);

/* Between two sockets that are connected already, whatever is spoken on them. Takes both, also on
 * failure (NULL). */
struct relay *relay_between(int client, int server);

struct relay *relay_next(const struct relay *relay);
void relay_set_next(struct relay *relay, struct relay *next);

/* What to poll for: slots[0] is the client, slots[1] the server. Lowers *wake_ns to the time when
 * the next parcel is due. */
void relay_interest(const struct relay *relay, const struct weather *weather,
                    struct pollfd slots[2], int64_t *wake_ns);

/* Does what the polled slots and the time allow. False: the relay has ended, free it. */
bool relay_step(struct relay *relay, const struct weather *weather, struct script *script,
                const struct pollfd slots[2]);

/* Whether bytes were lost on it, so that it makes no sense to go on in good weather. */
bool relay_has_holes(const struct relay *relay);

/* Tells the script, and closes the sockets; with a reset unless the relay ended in order. */
void relay_free(struct relay *relay, struct script *script);

#endif
