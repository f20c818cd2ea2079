/* guardian.c - the process that has the session: stands in line, holds, watches the lease, gives
 * back. See hold.h.
 *
 * The front's death ends it: CMD's group is killed first, then the grant is given back. When no
 * proof of the session has come until `grace` before the lease's end, CMD gets the on-lost signal,
 * and that decides it: a proof that comes later changes nothing, at the lease's end CMD is killed.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/frame.h"
#include "cli/grant.h"
#include "cli/group.h"
#include "cli/hold.h"

#define NS_PER_MS 1000000
#define NS_PER_S 1000000000

/* With --again, turns begin at least this far apart: a CMD that fails at once must not keep the
 * servers busy. */
#define TURN_LEAST_NS ((int64_t)NS_PER_S)

struct guardian {
    struct hold *hold;
    struct cli *cli;
    const struct hold_spec *spec;
    lk_client *client;
    struct grant grant;

    bool answered; /* the wait is over, with `status` */
    int status;
    bool taken;                 /* the library has told LOST */
    bool leaving, ended, again; /* what the front has said */
    pid_t group;                /* CMD's; 0: none runs */

    bool lost; /* decided */
    int64_t kill_at_ns;
    int64_t granted_at_ns;
};

/* ---- the grant ---- */

static void on_change(const lk_grant_change *change, void *arg)
{
    struct guardian *guardian = arg;
    cli_detail(guardian->cli, "%s: %s", guardian->spec->path, lk_grant_state_name(change->state));
    if (change->state == LK_HELD)
        guardian->taken = false;
    if (change->state == LK_LOST)
        guardian->taken = true;
}

static void on_answer(int status, void *arg)
{
    struct guardian *guardian = arg;
    guardian->answered = true;
    guardian->status = status;
}

static int make_grant(struct guardian *guardian, enum hold_kind kind)
{
    return grant_new(&guardian->grant, guardian->client, guardian->spec, kind, on_change, guardian);
}

static int describe_grant(const struct guardian *guardian, struct hold_message *message)
{
    int rc = grant_fence(&guardian->grant, &message->fence);
    if (rc != LK_OK)
        return rc;
    lk_client_info info;
    lk_client_info_get(guardian->client, &info);
    message->session_id = info.session_id;
    return grant_node(&guardian->grant, message->node, sizeof(message->node));
}

static int64_t session_timeout_ns(const struct guardian *guardian)
{
    lk_client_info info;
    lk_client_info_get(guardian->client, &info);
    return info.session_timeout_ms * NS_PER_MS;
}

/* ---- the front ---- */

static void signal_group(const struct guardian *guardian, int signal)
{
    if (guardian->group != 0 && signal != 0)
        kill(-guardian->group, signal);
}

static void tell(struct guardian *guardian, enum hold_word word, int number)
{
    hold_tell(guardian->hold, &(struct hold_message){ .word = word, .number = number });
}

static void heard(struct guardian *guardian, const struct hold_message *message)
{
    switch (message->word) {
    case TELL_GROUP:
        guardian->group = message->number;
        if (guardian->lost && guardian->spec->on_lost != 0)
            signal_group(guardian, SIGKILL);
        break;
    case TELL_ENDED:
        guardian->group = 0;
        guardian->ended = true;
        guardian->again = message->number != 0;
        break;
    case TELL_LEAVE:
        guardian->leaving = true;
        break;
    case TOLD_JOINING:
    case TOLD_GRANTED:
    case TOLD_REFUSED:
    case TOLD_LOST:
    case TOLD_RELEASED:
        break;
    }
}

static bool is_over(const struct guardian *guardian)
{
    return guardian->leaving || guardian->hold->socket == -1;
}

/* Waits for anything to happen, or until then. */
static void await(struct guardian *guardian, int64_t until_ns)
{
    struct hold *hold = guardian->hold;
    hold_set_timer(hold, until_ns);
    struct pollfd fds[] = {
        { .fd = hold->socket, .events = POLLIN },
        { .fd = hold->timer, .events = POLLIN },
        { .fd = lk_fd(guardian->client), .events = POLLIN },
    };
    poll(fds, sizeof(fds) / sizeof(fds[0]), -1);

    struct hold_message message;
    while (hold_hear(hold, &message))
        heard(guardian, &message);
    (void)!lk_dispatch(guardian->client, 0);
}

static int refuse(struct guardian *guardian, enum hold_end end, int code)
{
    hold_tell(guardian->hold,
              &(struct hold_message){ .word = TOLD_REFUSED, .number = code, .end = end });
    return code;
}

static int refuse_status(struct guardian *guardian, int status)
{
    int code = cli_fail(guardian->cli, status, "%s", guardian->spec->path);
    return refuse(guardian, outcome_code(status) == EXIT_REFUSED ? HOLD_REFUSED : HOLD_FAILED,
                  code);
}

/* ---- standing ---- */

/* Would we wait for whoever runs us, or for one who waits for it? (Readers and permits hold side by
 * side only as long as nobody comes in between.) The enclosing grant is known by its session and
 * its node's czxid, so it is found whatever names the servers or the path go by. A trial does not
 * wait, so it need not ask. */
static bool waits_for_encloser(struct guardian *guardian, int64_t deadline_ns)
{
    const char *node = getenv("LATCHKEY_LOCK_NODE"), *session = getenv("LATCHKEY_SESSION"),
               *fence = getenv("LATCHKEY_FENCE");
    uint64_t zxid;
    if (guardian->spec->try_once || node == NULL || session == NULL || fence == NULL
        || !cli_number(fence, 0, UINT64_MAX, &zxid))
        return false;
    uint64_t session_id = strtoull(session, NULL, 16);

    lk_line *line = NULL;
    int64_t patience_ns = cli_deadline(guardian->cli);
    if (lk_line_list(guardian->client, guardian->spec->path,
                     deadline_ns < patience_ns ? deadline_ns : patience_ns, &line)
        != LK_OK)
        return false;
    bool found = false;
    for (size_t i = 0; i < line->count; i++)
        found |= line->entries[i].fence.zxid == zxid && line->entries[i].session_id == session_id;
    lk_line_free(line);
    if (found)
        cli_refuse(guardian->cli, EXIT_OWN,
                   "%s: would wait for ever: the command that runs this holds it as %s; do without "
                   "this lock inside it",
                   guardian->spec->path, node);
    return found;
}

/* Until it is answered or over; a request that can't be made is answered at once. */
static void stand_in_line(struct guardian *guardian, int64_t deadline_ns)
{
    guardian->answered = false;
    int rc = grant_start(&guardian->grant, guardian->spec->try_once, deadline_ns, on_answer,
                         guardian);
    if (rc != LK_OK)
        on_answer(rc, guardian);
    while (!guardian->answered && !is_over(guardian))
        await(guardian, LK_FOREVER);
}

static int not_in_time(struct guardian *guardian)
{
    const struct hold_spec *spec = guardian->spec;
    if (spec->try_once && guardian->status == LK_E_DEADLINE)
        cli_refuse(guardian->cli, (int)spec->timeout_code,
                   "%s: the server fell silent before it answered; try again", spec->path);
    else if (spec->try_once)
        cli_refuse(
            guardian->cli, (int)spec->timeout_code,
            "%s: another holds it or waits for it; wait with -w, `latchkey status %s` shows who",
            spec->path, spec->path);
    else
        cli_refuse(
            guardian->cli, (int)spec->timeout_code,
            "%s: not acquired within %g s; wait longer, `latchkey status %s` shows who has it",
            spec->path, (double)spec->wait_ns / NS_PER_S, spec->path);
    return refuse(guardian, HOLD_TIMEOUT, (int)spec->timeout_code);
}

static int place_removed(struct guardian *guardian)
{
    int code = cli_refuse(guardian->cli, EXIT_OWN,
                          "%s: somebody removed our place in line; try again",
                          guardian->spec->path);
    return refuse(guardian, HOLD_REFUSED, code);
}

static int refuse_standing(struct guardian *guardian)
{
    switch (guardian->status) {
    case LK_E_BUSY:
    case LK_E_DEADLINE:
        return not_in_time(guardian);
    case LK_E_LOST:
        return place_removed(guardian);
    default:
        return refuse_status(guardian, guardian->status);
    }
}

/* ---- holding ---- */

/* What the grace is a part of. Permits with a time of their own may have less than a session. */
static int64_t span_ns(const struct guardian *guardian)
{
    int64_t timeout_ns = session_timeout_ns(guardian), ttl_ns = guardian->spec->ttl_ns;
    return guardian->spec->ttl_given && ttl_ns < timeout_ns ? ttl_ns : timeout_ns;
}

static int64_t grace_ns(const struct guardian *guardian)
{
    int64_t most_ns = span_ns(guardian) / 4, given_ns = guardian->spec->grace_ns;
    if (!guardian->spec->grace_given)
        return most_ns / 2;
    return given_ns < most_ns ? given_ns : most_ns;
}

/* What ends while the session's lease goes on has a time of its own, or was taken. */
static const char *why_lost(const struct guardian *guardian, bool taken)
{
    lk_client_info info;
    lk_client_info_get(guardian->client, &info);
    if (guardian->spec->ttl_given && info.lease_remaining_ns > grant_remaining_ns(&guardian->grant))
        return taken ? "its time ran out, or somebody removed its node" : "its time runs out";
    return taken ? "the lease ended, or somebody removed its node"
                 : "no server has confirmed it in time";
}

static void lose(struct guardian *guardian, bool at_once, int64_t kill_at_ns)
{
    const struct hold_spec *spec = guardian->spec;
    guardian->lost = true;
    guardian->kill_at_ns = at_once || spec->on_lost == 0 ? LK_FOREVER : kill_at_ns;
    tell(guardian, TOLD_LOST, 0); /* before the signal: CMD's end must not look like its own */
    signal_group(guardian, at_once && spec->on_lost != 0 ? SIGKILL : spec->on_lost);
    cli_refuse(guardian->cli, EXIT_LOST, "%s: lost: %s; CMD %s", spec->path,
               why_lost(guardian, guardian->taken && at_once),
               spec->on_lost == 0 ? "runs on without protection"
               : at_once          ? "was killed, try again"
                                  : "was signalled, and is killed when the lease ends; try again");
}

static void publish_lease(struct guardian *guardian, int64_t ends_ns)
{
    atomic_store(&guardian->hold->lease->ends_ns,
                 guardian->spec->on_lost != 0 ? ends_ns : LK_FOREVER);
}

/* What the lease demands now. Returns when to look again. */
static int64_t guard(struct guardian *guardian)
{
    int64_t now_ns = lk_now_ns(); /* before asking what remains: late is the wrong side */
    int on_lost = guardian->spec->on_lost;
    if (guardian->lost) {
        if (on_lost != 0 && (guardian->taken || now_ns >= guardian->kill_at_ns)) {
            signal_group(guardian, SIGKILL);
            return LK_FOREVER;
        }
        return guardian->kill_at_ns;
    }

    int64_t left_ns = grant_remaining_ns(&guardian->grant), ends_ns = now_ns + left_ns;
    int64_t grace = on_lost != 0 ? grace_ns(guardian) : 0;
    publish_lease(guardian, ends_ns);

    bool at_once = guardian->taken || left_ns == 0;
    if (at_once || (on_lost != 0 && left_ns <= grace)) {
        lose(guardian, at_once, ends_ns);
        return guardian->kill_at_ns;
    }
    int64_t signal_ns = ends_ns - grace, look_ns = now_ns + session_timeout_ns(guardian) / 12;
    return signal_ns < look_ns ? signal_ns : look_ns;
}

/* The front is dead: CMD must be, before anybody else gets the grant. Its leader is not our child,
 * so we can only ask whether anything is left of the group; after the lease it is too late to
 * matter. */
static void kill_orphans(struct guardian *guardian)
{
    enum { LOOK_MS = 5 };
    if (guardian->group == 0)
        return;
    signal_group(guardian, SIGKILL);
    while (group_is_alive(guardian->group) && grant_remaining_ns(&guardian->grant) > 0)
        poll(NULL, 0, LOOK_MS);
}

static void give_back(struct guardian *guardian)
{
    int64_t now_ns = lk_now_ns(), left_ns = grant_remaining_ns(&guardian->grant);
    int64_t patience_ns = left_ns > NS_PER_S ? left_ns : NS_PER_S;
    if (guardian->lost && !guardian->again)
        return;
    int rc = grant_release(&guardian->grant, now_ns + patience_ns);
    if (!guardian->lost)
        tell(guardian, TOLD_RELEASED, rc);
}

/* One grant from the wait to the release. EXIT_DONE: it was had. */
static int turn(struct guardian *guardian, int64_t deadline_ns)
{
    guardian->ended = guardian->lost = false;
    stand_in_line(guardian, deadline_ns);
    if (!guardian->answered)
        return EXIT_OWN;
    if (guardian->status != LK_OK)
        return refuse_standing(guardian);

    struct hold_message granted = { .word = TOLD_GRANTED };
    int rc = describe_grant(guardian, &granted);
    if (rc != LK_OK)
        return refuse_status(guardian, rc);
    guardian->granted_at_ns = lk_now_ns();
    publish_lease(guardian, guardian->granted_at_ns + grant_remaining_ns(&guardian->grant));
    /* Before the guard looks: it may find little left, and that is told behind the grant. */
    hold_tell(guardian->hold, &granted);
    int64_t look_ns = guard(guardian);

    while (!guardian->ended && !is_over(guardian)) {
        await(guardian, look_ns);
        look_ns = guard(guardian);
    }
    if (guardian->ended)
        give_back(guardian);
    else
        kill_orphans(guardian);
    return EXIT_DONE;
}

static int64_t turn_deadline(const struct guardian *guardian, int64_t began_ns)
{
    if (guardian->spec->try_once)
        return cli_deadline(guardian->cli);
    return guardian->spec->wait_given ? began_ns + guardian->spec->wait_ns : LK_FOREVER;
}

static int turns(struct guardian *guardian, int64_t began_ns)
{
    int rc = turn(guardian, turn_deadline(guardian, began_ns));
    while (rc == EXIT_DONE && guardian->again && !is_over(guardian)) {
        while (!is_over(guardian) && lk_now_ns() < guardian->granted_at_ns + TURN_LEAST_NS)
            await(guardian, guardian->granted_at_ns + TURN_LEAST_NS);
        rc = turn(guardian, turn_deadline(guardian, lk_now_ns()));
    }
    return rc;
}

static int stand(struct guardian *guardian)
{
    int64_t began_ns = lk_now_ns();
    bool bounded = guardian->spec->wait_given && !guardian->spec->try_once;
    int64_t deadline_ns = bounded ? began_ns + guardian->spec->wait_ns : LK_FOREVER;

    int rc = make_grant(guardian, guardian->spec->kind);
    if (rc != LK_OK)
        return refuse_status(guardian, rc);
    if (!cli_await_connected(guardian->cli, guardian->client, deadline_ns))
        return refuse(guardian, HOLD_FAILED, guardian->cli->code);
    if (waits_for_encloser(guardian, deadline_ns))
        return refuse(guardian, HOLD_REFUSED, EXIT_OWN);

    if (guardian->spec->grace_given && guardian->spec->grace_ns > grace_ns(guardian))
        cli_note(guardian->cli, "%s: the grace is cut to %g s, a quarter of the %s",
                 guardian->spec->path, (double)grace_ns(guardian) / NS_PER_S,
                 span_ns(guardian) < session_timeout_ns(guardian) ? "permit's time"
                                                                  : "session timeout");
    prctl(PR_SET_PDEATHSIG, 0);
    tell(guardian, TOLD_JOINING, 0);
    return turns(guardian, began_ns);
}

int guardian_run(struct hold *hold)
{
    enum { PATIENCE_MS = 1000, LOST_MS = 200 };
    struct guardian guardian = { .hold = hold, .cli = hold->cli, .spec = hold->spec };
    guardian.client = cli_client(hold->cli);
    if (guardian.client == NULL)
        return refuse(&guardian, HOLD_FAILED, hold->cli->code);

    int code = stand(&guardian);
    (void)!lk_client_close(guardian.client, lk_in_ms(guardian.lost ? LOST_MS : PATIENCE_MS));
    grant_free(&guardian.grant);
    lk_client_free(guardian.client);
    return code;
}
