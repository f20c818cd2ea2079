/* lease.c - how long grants are certainly still ours.
 *
 * The server may end a session T after it last heard of it, and tells nobody who is cut off. So the
 * client keeps its own clock: a lease runs for T/2 from the moment *before* a proof was sent. A
 * proof is a request that a quorum has committed: a write, or a multi that checks our own znode.
 * Nothing less: a follower cut off from its leader goes on answering reads, and a deposed leader
 * answers even sync, while others expire the session.
 *
 * A proof alone is not enough. The leader does not count a request that a follower forwards as a
 * sign of life: it learns of those by its own pings, every half tick, whose answers bring them
 * along. So after a silence of nearly T (a stopped process that wakes), or when the link between
 * those two stalls and heals, a write can be committed and the session expire right behind it. What
 * does prove something is a chain, all on one connection:
 *   h   a request of ours is answered: the follower has a sign of life
 *   P   a proof sent T/4 (at least half a tick) later is answered: the leader has pinged in
 *       between, and since pings and commits share one stream the follower has answered that ping,
 *       with the sign of life, before it answered us
 *   Q   a proof sent after that is answered: it came to the leader behind the answer to the ping
 * Then the session lives at least until h + T. `known_ns` is the newest such h as of P; Q counts
 * from min(its sending, known + 11T/24). With a proof every T/12 while something is held that is
 * the sending itself. Who comes from idling proves twice, once, a commit more. A new session and a
 * reconnect go through the leader, so known_ns begins with the opening, or with the last request
 * that was answered before. The whole proof: docs/protocol.md.
 *
 *   proof answered at   0 ....... T/12 ...... T/3 ........ T/2
 *                       HELD      next proof  SUSPENDED    LOST
 *
 * A proof that is late also means that this server is of no use to us: the client moves to another
 * by itself, since libzookeeper alone would wait for 2/3 T, longer than the lease. */
#include <string.h>

#include "session/engine.h"

static void lease_fire(struct timer *timer);

static int64_t lease_end_ns(const lk_client *client)
{
    return client->lease.proven_ns + client->timeout_ns / 2;
}

int64_t lease_remaining_ns(const lk_client *client)
{
    const struct lease *lease = &client->lease;
    int64_t left;

    if (lease->proven_ns == 0)
        return 0;
    left = lease_end_ns(client) - client->now_ns;
    return left > 0 ? left : 0;
}

/* One proof alone may add little (the chain), and the next comes a T/12 later. */
bool lease_is_fresh(const lk_client *client)
{
    return lease_remaining_ns(client) > client->timeout_ns / 6;
}

bool lease_is_suspended(const lk_client *client)
{
    return client->lease.suspended;
}

static void lease_drop(struct lease_hold *hold)
{
    list_remove(&hold->node);
    request_drop(&hold->proofs);
}

static void lease_tell(lk_client *client, enum lease_change change)
{
    list_for_each_safe (node, &client->lease.holds) {
        struct lease_hold *hold = container_of(node, struct lease_hold, node);
        if (change == LEASE_OVER)
            lease_drop(hold);
        hold->changed(hold, change);
    }
}

/* ---- what the leader has heard of us ---- */

void lease_opened(lk_client *client)
{
    client->lease.known_ns = client->lease.last_heard_ns = client->now_ns;
}

/* A sample a T/24: enough to find what was answered by T/4 ago. */
void lease_heard(lk_client *client, int64_t sent_ns)
{
    struct lease *lease = &client->lease;
    const struct heard *last = &lease->heard[(lease->heard_next + HEARD_MAX - 1) % HEARD_MAX];

    if (sent_ns > lease->last_heard_ns)
        lease->last_heard_ns = sent_ns;
    if (client->now_ns - last->answered_ns < client->timeout_ns / 24)
        return;
    lease->heard[lease->heard_next] = (struct heard){ .sent_ns = sent_ns,
                                                      .answered_ns = client->now_ns };
    lease->heard_next = (lease->heard_next + 1) % HEARD_MAX;
}

/* The newest h for a proof sent now. */
static int64_t lease_heard_ns(const lk_client *client)
{
    const struct lease *lease = &client->lease;
    int64_t heard_ns = 0, by_ns = client->now_ns - client->timeout_ns / 4;

    for (size_t i = 0; i < HEARD_MAX; i++) {
        const struct heard *heard = &lease->heard[i];
        if (heard->answered_ns != 0 && heard->answered_ns <= by_ns && heard->sent_ns > heard_ns)
            heard_ns = heard->sent_ns;
    }
    return heard_ns;
}

struct proof lease_proof(const lk_client *client)
{
    int64_t worth_ns = client->lease.known_ns + client->timeout_ns / 24 * 11;

    return (struct proof){
        .from_ns = worth_ns < client->now_ns ? worth_ns : client->now_ns,
        .heard_ns = lease_heard_ns(client),
    };
}

/* The answers of another connection say nothing of this one: that server may have been cut off from
 * its leader. */
static void lease_forget_heard(lk_client *client)
{
    struct lease *lease = &client->lease;

    for (size_t i = 0; i < HEARD_MAX; i++)
        lease->heard[i] = (struct heard){ 0 };
    if (lease->last_heard_ns > lease->known_ns)
        lease->known_ns = lease->last_heard_ns;
}

/* ---- the clock ---- */

/* While anything is held. */
static int64_t proof_beat_ns(const lk_client *client)
{
    return client->timeout_ns / 12;
}

static int64_t touch_beat_ns(const lk_client *client)
{
    return client->timeout_ns / 6;
}

/* Proofs are late. Who waited long begins to hold on an old one, in good order. */
static int64_t lease_suspend_ns(const lk_client *client)
{
    const struct lease *lease = &client->lease;
    int64_t late_ns = client->timeout_ns / 6, from_ns = lease->proven_ns + late_ns;

    return (from_ns > lease->held_ns ? from_ns : lease->held_ns) + late_ns;
}

/* When the next thing is to be done: touch or prove, suspend, end. */
static void lease_plan(lk_client *client)
{
    struct lease *lease = &client->lease;
    int64_t next_ns = INT64_MAX;

    if (client->connected) {
        next_ns = lease->sent_ns + touch_beat_ns(client);
        if (!list_is_empty(&lease->holds) && lease->proof_sent_ns + proof_beat_ns(client) < next_ns)
            next_ns = lease->proof_sent_ns + proof_beat_ns(client);
    }
    if (!list_is_empty(&lease->holds)) {
        int64_t change_ns = lease_end_ns(client);
        if (!lease->suspended && lease_suspend_ns(client) < change_ns)
            change_ns = lease_suspend_ns(client);
        if (change_ns < next_ns)
            next_ns = change_ns;
    }
    if (next_ns == INT64_MAX)
        timer_stop(client, &lease->timer);
    else
        timer_set(client, &lease->timer, next_ns, lease_fire);
}

static void touch_answered(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* that it was answered counts, in requests_reply() */
}

static void proof_answered(void *context, const struct keeper_reply *reply)
{
    struct lease_hold *hold = context;

    /* The session lives, but that znode is gone. Its watch says so too, unless a change has just
     * used it up. */
    if (reply->rc != KEEPER_NO_NODE)
        return;
    lease_hold_end(hold->client, hold);
    hold->changed(hold, LEASE_OVER);
}

void lease_node_gone(lk_client *client, const char *node_path)
{
    list_for_each (node, &client->lease.holds) {
        struct lease_hold *hold = container_of(node, struct lease_hold, node);
        if (strcmp(hold->node_path, node_path) != 0)
            continue;
        lease_hold_end(client, hold);
        hold->changed(hold, LEASE_OVER);
        return;
    }
}

static void lease_prove(lk_client *client)
{
    struct lease_hold *hold = container_of(client->lease.holds.next, struct lease_hold, node);
    struct keeper_request check = { .verb = KEEPER_CHECK,
                                    .path = hold->node_path,
                                    .version = KEEPER_ANY_VERSION };
    struct keeper_request multi = { .verb = KEEPER_MULTI,
                                    .operations = &check,
                                    .operation_count = 1 };

    /* Counted as sent even if there is no memory for it: the next comes a beat later, or the lease
     * ends. */
    client->lease.proof_sent_ns = client->now_ns;
    (void)!request_send(client, &hold->proofs, &multi,
                        REQUEST_ONCE | REQUEST_PROOF | REQUEST_URGENT, proof_answered, hold);
}

static void lease_touch(lk_client *client)
{
    struct keeper_request exists = { .verb = KEEPER_EXISTS, .path = "/" };

    client->lease.sent_ns = client->now_ns;
    (void)!request_send(client, &client->lease.touches, &exists, REQUEST_ONCE | REQUEST_URGENT,
                        touch_answered, NULL);
}

static void lease_suspend(lk_client *client)
{
    client->lease.suspended = true;
    client_log(client, LK_LOG_WARNING,
               "no server has confirmed the session for %lld ms; %lld ms are left",
               (long long)((client->now_ns - client->lease.proven_ns) / 1000000),
               (long long)(lease_remaining_ns(client) / 1000000));
    lease_tell(client, LEASE_SUSPENDED);
    if (client->connected)
        keeper_leave_server(client->session->keeper);
}

static void lease_fire(struct timer *timer)
{
    lk_client *client = container_of(timer, lk_client, lease.timer);
    struct lease *lease = &client->lease;

    if (!list_is_empty(&lease->holds) && client->now_ns >= lease_end_ns(client)) {
        client_log(client, LK_LOG_ERROR,
                   "no server has confirmed the session in time: grants are lost");
        lease->suspended = false;
        lease_tell(client, LEASE_OVER);
    }
    if (!list_is_empty(&lease->holds)) {
        if (!lease->suspended && client->now_ns >= lease_suspend_ns(client))
            lease_suspend(client);
        if (client->connected && client->now_ns >= lease->proof_sent_ns + proof_beat_ns(client))
            lease_prove(client);
    }
    if (client->connected && client->now_ns >= lease->sent_ns + touch_beat_ns(client))
        lease_touch(client);
    lease_plan(client);
}

void lease_hold_begin(lk_client *client, struct lease_hold *hold)
{
    if (list_is_empty(&client->lease.holds))
        client->lease.held_ns = client->now_ns;
    hold->client = client;
    if (!list_is_linked(&hold->node))
        list_append(&client->lease.holds, &hold->node);
    lease_plan(client);
}

void lease_hold_end(lk_client *client, struct lease_hold *hold)
{
    lease_drop(hold);
    if (list_is_empty(&client->lease.holds))
        client->lease.suspended = false;
    lease_plan(client);
}

void lease_sent(lk_client *client, int64_t sent_ns, bool proof)
{
    client->lease.sent_ns = sent_ns;
    if (proof)
        client->lease.proof_sent_ns = sent_ns;
}

/* Answers can cross a reconnect: one that is older than what we have changes nothing. */
void lease_proven(lk_client *client, const struct proof *proof)
{
    struct lease *lease = &client->lease;

    if (proof->heard_ns > lease->known_ns)
        lease->known_ns = proof->heard_ns;
    if (proof->from_ns <= lease->proven_ns)
        return;
    lease->proven_ns = proof->from_ns;
    if (lease->suspended && client->now_ns < proof->from_ns + client->timeout_ns / 3) {
        lease->suspended = false;
        lease_tell(client, LEASE_RESTORED);
    }
    /* The timer may now be early; it plans anew when it fires. */
}

void lease_connected(lk_client *client)
{
    lease_forget_heard(client);
    if (!list_is_empty(&client->lease.holds))
        lease_prove(client);
    else
        client->lease.sent_ns = client->now_ns;
    lease_plan(client);
}

void lease_session_ended(lk_client *client)
{
    struct lease *lease = &client->lease;

    lease->proven_ns = lease->proof_sent_ns = 0;
    lease->suspended = false;
    lease_tell(client, LEASE_OVER);
    request_drop(&lease->touches);
    lease_plan(client);
}
