/* lease.c - how long grants are certainly still ours.
 *
 * The server may end a session T after it last heard of it, and tells nobody who is cut off. So the client keeps its
 * own clock: a lease runs for T/2 from the moment *before* a proof was sent. A proof is a request that a quorum has
 * committed: a write, or a multi that checks our own znode. Nothing less: a follower cut off from its leader goes on
 * answering reads, and a deposed leader answers even sync, while others expire the session.
 *
 * A proof alone is not enough. The leader does not count a request that a follower forwards as a sign of life: it learns
 * those from the follower, every half tick. So after a silence of nearly T (a stopped process that wakes) a write can be
 * committed and the session expire right behind it. A proof sent at t counts from min(t, h + 11T/24), where h is when
 * the newest request was sent that had been answered, on this connection, by t - T/4: that answer's sign of life has
 * reached the leader before the proof did, and the session lives at least until h + T. With a touch every T/6 this is t;
 * after a silence the first proof is worth little, and the next ones are sent until one counts. After a reconnect h is
 * what was answered before it, since the new server asks the leader about the session; for a new session, its opening.
 * The whole proof: docs/protocol.md.
 *
 *   proof answered at   0 ........ T/6 ........ T/3 ........ T/2
 *                       HELD       next proof   SUSPENDED    LOST
 *
 * A proof that is late also means that this server is of no use to us: the client moves to another by itself, since
 * libzookeeper alone would wait for 2/3 T, longer than the lease. */
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

bool lease_is_suspended(const lk_client *client)
{
    return client->lease.suspended;
}

static void lease_tell(lk_client *client, enum lease_change change)
{
    list_for_each_safe(node, &client->lease.holds)
    {
        struct lease_hold *hold = container_of(node, struct lease_hold, node);
        if (change == LEASE_OVER)
            list_remove(&hold->node);
        hold->changed(hold, change);
    }
}

/* ---- what the leader has heard of us ---- */

void lease_opened(lk_client *client)
{
    client->lease.base_ns = client->lease.last_heard_ns = client->now_ns;
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
    lease->heard[lease->heard_next] = (struct heard){ .sent_ns = sent_ns, .answered_ns = client->now_ns };
    lease->heard_next = (lease->heard_next + 1) % HEARD_MAX;
}

int64_t lease_worth_ns(const lk_client *client, int64_t sent_ns)
{
    const struct lease *lease = &client->lease;
    int64_t heard_ns = lease->base_ns, by_ns = sent_ns - client->timeout_ns / 4;

    for (size_t i = 0; i < HEARD_MAX; i++) {
        const struct heard *heard = &lease->heard[i];
        if (heard->answered_ns != 0 && heard->answered_ns <= by_ns && heard->sent_ns > heard_ns)
            heard_ns = heard->sent_ns;
    }
    int64_t worth_ns = heard_ns + client->timeout_ns / 24 * 11;
    return worth_ns < sent_ns ? worth_ns : sent_ns;
}

/* The answers of another connection say nothing of this one: that server may have been cut off from its leader. */
static void lease_forget_heard(lk_client *client)
{
    struct lease *lease = &client->lease;

    for (size_t i = 0; i < HEARD_MAX; i++)
        lease->heard[i] = (struct heard){ 0 };
    lease->base_ns = lease->last_heard_ns;
}

/* ---- the clock ---- */

/* A proof is late: sent a beat ago, and not answered. Who waited long begins to hold on an old proof, in good order. */
static int64_t lease_suspend_ns(const lk_client *client)
{
    const struct lease *lease = &client->lease;
    int64_t beat_ns = client->timeout_ns / 6, from_ns = lease->proven_ns + beat_ns;

    return (from_ns > lease->held_ns ? from_ns : lease->held_ns) + beat_ns;
}

/* When the next thing is to be done: touch or prove, suspend, end. */
static void lease_plan(lk_client *client)
{
    struct lease *lease = &client->lease;
    int64_t beat_ns = client->timeout_ns / 6, next_ns = INT64_MAX;

    if (client->connected) {
        next_ns = lease->sent_ns + beat_ns;
        if (!list_is_empty(&lease->holds) && lease->proof_sent_ns + beat_ns < next_ns)
            next_ns = lease->proof_sent_ns + beat_ns;
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

static void beat_answered(void *context, const struct keeper_reply *reply)
{
    (void)context;
    (void)reply; /* a proof counts in requests_reply(); a touch need not even succeed */
}

static void lease_prove(lk_client *client)
{
    struct lease_hold *hold = container_of(client->lease.holds.next, struct lease_hold, node);
    struct keeper_request check = { .verb = KEEPER_CHECK, .path = hold->node_path, .version = KEEPER_ANY_VERSION };
    struct keeper_request multi = { .verb = KEEPER_MULTI, .operations = &check, .operation_count = 1 };

    /* Counted as sent even if there is no memory for it: the next comes a beat later, or the lease ends. */
    client->lease.proof_sent_ns = client->now_ns;
    (void)!request_send(client, &client->lease.proofs, &multi, REQUEST_ONCE | REQUEST_PROOF, beat_answered, NULL);
}

static void lease_touch(lk_client *client)
{
    struct keeper_request exists = { .verb = KEEPER_EXISTS, .path = "/" };

    client->lease.sent_ns = client->now_ns;
    (void)!request_send(client, &client->lease.proofs, &exists, REQUEST_ONCE, beat_answered, NULL);
}

static void lease_suspend(lk_client *client)
{
    client->lease.suspended = true;
    client_log(client, LK_LOG_WARNING, "no server has confirmed the session for %lld ms; %lld ms are left",
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
    int64_t beat_ns = client->timeout_ns / 6;

    if (!list_is_empty(&lease->holds) && client->now_ns >= lease_end_ns(client)) {
        client_log(client, LK_LOG_ERROR, "no server has confirmed the session in time: grants are lost");
        lease->suspended = false;
        lease_tell(client, LEASE_OVER);
    }
    if (!list_is_empty(&lease->holds)) {
        if (!lease->suspended && client->now_ns >= lease_suspend_ns(client))
            lease_suspend(client);
        if (client->connected && client->now_ns >= lease->proof_sent_ns + beat_ns)
            lease_prove(client);
    }
    if (client->connected && client->now_ns >= lease->sent_ns + beat_ns)
        lease_touch(client);
    lease_plan(client);
}

void lease_hold_begin(lk_client *client, struct lease_hold *hold)
{
    if (list_is_empty(&client->lease.holds))
        client->lease.held_ns = client->now_ns;
    if (!list_is_linked(&hold->node))
        list_append(&client->lease.holds, &hold->node);
    lease_plan(client);
}

void lease_hold_end(lk_client *client, struct lease_hold *hold)
{
    list_remove(&hold->node);
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
void lease_proven(lk_client *client, int64_t from_ns)
{
    struct lease *lease = &client->lease;

    if (from_ns <= lease->proven_ns)
        return;
    lease->proven_ns = from_ns;
    if (lease->suspended && client->now_ns < from_ns + client->timeout_ns / 3) {
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
    request_drop(&lease->proofs);
    lease_plan(client);
}
