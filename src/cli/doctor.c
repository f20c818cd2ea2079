/* doctor.c - `latchkey doctor`: what a new user gets wrong, found out by trying, with what to do
 * about it.
 *
 * Each check is a function that prints one or more findings. A finding is fine, a warning (it
 * works, but), or bad: then the exit code is 1. Later rooms add their checks to the table below. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/coupon.h"
#include "cli/mixed.h"

#define ASK_MS 2000
#define ROUNDS 9
#define PROBE_SESSION_MS 200
#define SLOW_READ_MS 20.0
#define SLOW_COMMIT_MS 50.0
#define CLOCK_OFF_MS 1000
#define TICKS_MIN 6
#define NUMBERS_LOW 100000000 /* of 2^31 */
#define ADVICE_NONE ""

enum finding { FINE, WARNING, BAD };

struct doctor {
    struct cli *cli;
    lk_client *client;
    const char *path; /* NULL: none named */
    bool bad;
};

/* `advice` is what to do; ADVICE_NONE where nothing is to be done. */
__attribute__((format(printf, 5, 6))) static void find(struct doctor *doctor, enum finding finding,
                                                       const char *check, const char *advice,
                                                       const char *what, ...)
{
    static const char *const names[] = { "fine", "warning", "bad" };
    char text[1024];
    va_list args;

    va_start(args, what);
    vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    doctor->bad = doctor->bad || finding == BAD;
    if (doctor->cli->json) {
        cli_json_print(doctor->cli,
                       json_pack("{s:s, s:s, s:o, s:s}", "check", check, "finding", names[finding],
                                 "what", cli_json_text(text, strlen(text)), "advice", advice));
        return;
    }
    char *escaped = cli_escape_text(text);
    printf("%-8s %-9s %s%s%s\n", names[finding], check, escaped, *advice ? "; " : "", advice);
    free(escaped);
    (void)cli_flush(doctor->cli);
}

/* ---- versions ---- */

/* The rest of the line that begins with `name`; "" when there is none. */
static void pick(const char *answer, const char *name, char *out, size_t size)
{
    const char *at = strstr(answer, name);

    out[0] = '\0';
    if (at)
        snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), ",-\r\n"), at + strlen(name));
}

static void check_server(struct doctor *doctor, const char *host_port)
{
    char answer[4096], version[64], mode[64];

    int failed = ask_server(host_port, "srvr", ASK_MS, answer, sizeof(answer));
    if (failed) {
        find(doctor, WARNING, "server", "start it, or take it off the list",
             "%s can't be reached: %s", host_port,
             failed == ENOENT ? "no such host" : strerror(failed));
        return;
    }
    pick(answer, "Zookeeper version: ", version, sizeof(version));
    pick(answer, "Mode: ", mode, sizeof(mode));
    if (version[0] == '\0')
        find(doctor, WARNING, "server", "set 4lw.commands.whitelist=srvr in zoo.cfg to see more",
             "%s answers, but does not tell its version: %.80s", host_port, answer);
    else if (atoi(version) < 3 || (atoi(version) == 3 && atoi(version + 2) < 5))
        find(doctor, BAD, "server", "upgrade it to 3.5 or newer",
             "%s is ZooKeeper %s, which has no containers", host_port, version);
    else
        find(doctor, FINE, "server", ADVICE_NONE, "%s is ZooKeeper %s, %s", host_port, version,
             mode);
}

static void check_versions(struct doctor *doctor)
{
    char *servers = strdup(doctor->cli->client.servers), *rest = NULL;

    find(doctor, FINE, "client", ADVICE_NONE, "latchkey %s", lk_version());
    if (strcmp(lk_version(), LK_VERSION) != 0)
        find(doctor, WARNING, "client", "install tool and library of one version",
             "the tool was built with latchkey " LK_VERSION);
    for (char *server = servers ? strtok_r(servers, ",", &rest) : NULL; server;
         server = strtok_r(NULL, ",", &rest))
        check_server(doctor, server);
    free(servers);
}

/* ---- the session ---- */

/* Asked for very little, a server grants its least session timeout: two ticks, unless it was told
 * otherwise. Not less than this: the client also takes it for the patience to connect with. 0: not
 * found out. */
static int64_t least_timeout_ms(struct doctor *doctor)
{
    struct cli probe = *doctor->cli;
    lk_client_info info = { .session_timeout_ms = 0 };

    probe.client.session_timeout_ms = PROBE_SESSION_MS;
    lk_client *client = cli_client(&probe);
    if (client && lk_client_wait_connected(client, lk_in_ms(ASK_MS)) == LK_OK)
        lk_client_info_get(client, &info);
    cli_disconnect(client);
    return info.session_timeout_ms > PROBE_SESSION_MS ? info.session_timeout_ms : 0;
}

static void check_session(struct doctor *doctor)
{
    int64_t asked_ms = doctor->cli->client.session_timeout_ms,
            tick_ms = least_timeout_ms(doctor) / 2;
    lk_client_info info;

    lk_client_info_get(doctor->client, &info);
    int64_t has_ms = info.session_timeout_ms;
    if (has_ms != asked_ms)
        find(doctor, WARNING, "session", "ask for what the servers grant, or change their limits",
             "%" PRId64 " ms were asked for, the servers grant %" PRId64 " ms", asked_ms, has_ms);
    if (tick_ms == 0)
        find(doctor, FINE, "session", ADVICE_NONE, "%" PRId64 " ms; the servers' tick is not known",
             has_ms);
    else if (has_ms < TICKS_MIN * tick_ms)
        find(doctor, WARNING, "session",
             "ask for at least 6 ticks (--session-timeout), or shorten the tick",
             "%" PRId64 " ms are %.1f ticks of about %" PRId64
             " ms: grants are lost in short outages",
             has_ms, (double)has_ms / (double)tick_ms, tick_ms);
    else
        find(doctor, FINE, "session", ADVICE_NONE,
             "%" PRId64 " ms, %.0f ticks of about %" PRId64
             " ms; a grant outlives an outage of %.3g s",
             has_ms, (double)has_ms / (double)tick_ms, tick_ms, (double)has_ms / 2000);
}

/* ---- latency ---- */

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return left < right ? -1 : left > right;
}

/* The median time of `step`, in ms; negative: a status. */
static double median_ms(struct doctor *doctor, int (*step)(struct doctor *doctor))
{
    int64_t took_ns[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t begun_ns = lk_now_ns();
        int status = step(doctor);
        if (status != LK_OK)
            return status;
        took_ns[i] = lk_now_ns() - begun_ns;
    }
    qsort(took_ns, ROUNDS, sizeof(took_ns[0]), by_size);
    return (double)took_ns[ROUNDS / 2] / 1e6;
}

static int read_once(struct doctor *doctor)
{
    lk_line *line;
    int status = lk_line_list(doctor->client, "/latchkey-doctor/nothing", cli_deadline(doctor->cli),
                              &line);

    if (status == LK_OK)
        lk_line_free(line);
    return status == LK_E_NOT_FOUND ? LK_OK : status;
}

/* Beside the path that is asked about, since there its user means to write. */
static int ask_clock(struct doctor *doctor, int64_t *out_ms)
{
    return lk_client_server_ms(doctor->client, doctor->path, cli_deadline(doctor->cli), out_ms);
}

/* One commit, and nothing left of it. */
static int commit_once(struct doctor *doctor)
{
    int64_t server_ms;

    return ask_clock(doctor, &server_ms);
}

static void tell_latency(struct doctor *doctor, const char *what, double ms, double slow_ms,
                         const char *advice)
{
    if (ms < 0)
        find(doctor, BAD, "latency", "mend that first", "%s: %s", what, lk_status_text((int)ms));
    else
        find(doctor, ms > slow_ms ? WARNING : FINE, "latency", ms > slow_ms ? advice : ADVICE_NONE,
             "%s takes %.2f ms (median of %d)", what, ms, ROUNDS);
}

static void check_latency(struct doctor *doctor)
{
    tell_latency(doctor, "a read", median_ms(doctor, read_once), SLOW_READ_MS,
                 "move nearer to the servers, or look at their load");
    tell_latency(doctor, "a commit", median_ms(doctor, commit_once), SLOW_COMMIT_MS,
                 "give the servers' transaction log a disk of its own");
}

/* ---- the clock ---- */

static void check_clock(struct doctor *doctor)
{
    struct timespec before, after;
    int64_t server_ms;

    clock_gettime(CLOCK_REALTIME, &before);
    int status = ask_clock(doctor, &server_ms);
    clock_gettime(CLOCK_REALTIME, &after);
    if (status != LK_OK) {
        find(doctor, BAD, "clock", "mend that first", "server time: %s", lk_status_text(status));
        return;
    }
    int64_t before_ms = (int64_t)before.tv_sec * 1000 + before.tv_nsec / 1000000;
    int64_t after_ms = (int64_t)after.tv_sec * 1000 + after.tv_nsec / 1000000;
    int64_t off_ms = server_ms < before_ms  ? server_ms - before_ms
                     : server_ms > after_ms ? server_ms - after_ms
                                            : 0;
    if (off_ms > CLOCK_OFF_MS || off_ms < -CLOCK_OFF_MS)
        find(doctor, WARNING, "clock",
             "run NTP on both; --opens and its like count by the server's clock",
             "the server's clock is %.1f s %s ours", (double)llabs(off_ms) / 1000,
             off_ms > 0 ? "ahead of" : "behind");
    else
        find(doctor, FINE, "clock", ADVICE_NONE, "the server's clock and ours agree");
}

/* ---- a path ---- */

static bool check_campaign(struct doctor *doctor)
{
    lk_campaign_info info;
    lk_ledger *ledger;

    if (lk_ledger_new(&ledger, doctor->client, doctor->path) != LK_OK)
        return false;
    int status = lk_campaign_show(ledger, cli_deadline(doctor->cli), &info);
    lk_ledger_free(ledger);
    if (status == LK_OK)
        find(doctor, FINE, "path", "`latchkey coupon audit` looks deeper",
             "%s is a campaign: %" PRIu64 " of %" PRIu64 " coupons issued", doctor->path,
             info.issued, info.stocked);
    return status == LK_OK;
}

static void check_entry(struct doctor *doctor, const lk_line_entry *entry, bool beside_curator)
{
    if (entry->number < 0 && beside_curator)
        find(
            doctor, BAD, "path", "remove it, or give it a path of its own",
            "%s is foreign: it does not stand in the line, but Curator's locks take it for one who "
            "waits",
            entry->node);
    else if (entry->number < 0)
        find(doctor, WARNING, "path", "remove it if nobody needs it",
             "%s is foreign: it does not stand in the line", entry->node);
    else if (entry->session_id == 0)
        find(doctor, BAD, "path", "`latchkey break` removes it",
             "%s is an orphan: it stands in the line, but no session owns it, so it never leaves",
             entry->node);
    else if (!entry->ours)
        find(doctor, WARNING, "path",
             "let all use latchkey, or read docs/interop.md on mixed lines",
             "%s stands in the line, but another program than latchkey wrote it", entry->node);
}

#define ONE_ROW "choose one row of the table in docs/interop.md for all programs on this path"

static void check_mixture(struct doctor *doctor, const struct mixed *mixed)
{
    if (mixed->one && mixed->is_broken)
        find(doctor, BAD, "path", ONE_ROW,
             "%s and %s stand in one line, but not all programs that use such names see both: two "
             "may hold at once",
             mixed->one->node, mixed->other->node);
    else if (mixed->one)
        find(doctor, WARNING, "path", ONE_ROW,
             "%s and %s are of two profiles (lk_compat): latchkey sees both, Curator and kazoo do "
             "not",
             mixed->one->node, mixed->other->node);
}

static void check_line(struct doctor *doctor, const lk_line *line)
{
    struct mixed mixed = mixed_look(line);
    size_t standing = 0;

    for (size_t i = 0; i < line->count; i++) {
        standing += line->entries[i].number >= 0;
        check_entry(doctor, &line->entries[i], mixed.has_curator);
    }
    check_mixture(doctor, &mixed);
    find(doctor, FINE, "path", ADVICE_NONE, "%s is %s%s line; %zu stand there", doctor->path,
         line->kind[0] == '\0'         ? "an unmarked"
         : strchr("er", line->kind[0]) ? "an "
                                       : "a ",
         line->kind, standing);
    if (line->numbers_left < NUMBERS_LOW)
        find(doctor, WARNING, "path", "let nobody stand there for a moment, and delete the path",
             "%" PRId64 " joins are left until the line's numbers are used up", line->numbers_left);
}

static void check_path(struct doctor *doctor)
{
    lk_line *line;

    if (!doctor->path || check_campaign(doctor))
        return;
    int status = lk_line_list(doctor->client, doctor->path, cli_deadline(doctor->cli), &line);
    if (status == LK_OK) {
        check_line(doctor, line);
        lk_line_free(line);
    } else if (status == LK_E_NOT_FOUND) {
        find(doctor, FINE, "path", ADVICE_NONE, "%s does not exist: nobody stands there",
             doctor->path);
    } else {
        find(doctor, BAD, "path", "use another path, or mend what is there", "%s: %s", doctor->path,
             lk_status_text(status));
    }
}

static void (*const checks[])(struct doctor *doctor) = {
    check_session,
    check_latency,
    check_clock,
    check_path,
};

static int run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0 } };

    if (!cli_parse(cli, options, 0, 1, argc, argv))
        return cli->code;
    struct doctor doctor = { .cli = cli, .path = cli->words[0] };
    if (doctor.path && !cli_path(cli, doctor.path))
        return cli->code;
    /* First, since if no session can be had it is the servers that this is about. */
    check_versions(&doctor);
    doctor.client = cli_connect(cli, cli_deadline(cli));
    if (!doctor.client)
        return cli->code;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](&doctor);
    cli_disconnect(doctor.client);
    return doctor.bad
               ? cli_refuse(cli, EXIT_REFUSED, "something is bad; each line above says what to do")
               : EXIT_DONE;
}

const struct verb verb_doctor = {
    .name = "doctor",
    .summary = "finds what is set up wrong",
    .help =
        "usage: latchkey doctor [PATH]\n"
        "\n"
        "Tries the servers and says what is fine, what is a warning and what is bad, and what to "
        "do: versions,\n"
        "session timeout against the servers' tick, latency of a read and of a commit, clocks; "
        "with PATH who\n"
        "stands there, orphans, foreign znodes, kinds. It writes beside PATH, else at the root, "
        "and "
        "leaves\n"
        "nothing there.\n"
        "\n"
        "exit: 0 nothing is bad, 1 something is, 69 no server could be reached.\n",
    .run = run,
};
