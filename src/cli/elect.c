/* elect.c - `latchkey elect`: stands for leadership; with CMD runs it while leading (hold.h),
 * without tells how it goes. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/hold.h"
#include "cli/loop.h"

static const char help[] =
    "usage: latchkey elect [--id ID] [-w SEC] [--again] [-E CODE] [--on-lost=SIGNAL] [--grace "
    "SEC]\n"
    "                      [--status-fd N] PATH [-- CMD [ARG...]]\n"
    "Stands for leadership at PATH. With CMD, runs it while leading, as `latchkey lock` does. "
    "Without,\n"
    "prints a line at each change, stands again after a loss, and resigns at a signal (128+n).\n"
    "\n"
    "      --id ID       what observers see (HOST:PID)\n"
    "  -w SEC            stand no longer than that, connecting included\n"
    "      --again       stand again after a loss or CMD's end, until TERM, INT or HUP\n"
    "  -E CODE           exit code when not elected in time, instead of 124\n"
    "      --on-lost=SIGNAL, --grace SEC, --status-fd N\n"
    "                    as with `latchkey lock`\n";

struct campaign {
    struct cli *cli;
    const struct hold_spec *spec;
    lk_candidate *candidate;
    bool lost;   /* stands no more; to stand again */
    bool failed; /* cli->code says how; nothing is told any more */
};

static json_t *json_change(const char *path, const lk_grant_change *change)
{
    json_t *object = json_object();
    json_object_set_new(object, "path", cli_json_text(path, strlen(path)));
    json_object_set_new(object, "state", json_string(lk_grant_state_name(change->state)));
    if (change->fence.zxid != 0)
        json_object_set_new(object, "fence", json_integer((json_int_t)change->fence.zxid));
    return object;
}

static void print_change(const lk_grant_change *change)
{
    static const char *const words[] = { [LK_IDLE] = "idle",
                                         [LK_WAITING] = "standing",
                                         [LK_HELD] = "leading",
                                         [LK_SUSPENDED] = "suspended",
                                         [LK_LOST] = "lost" };
    printf("%s", words[change->state]);
    if (change->fence.zxid != 0)
        printf("  fence %" PRIu64, change->fence.zxid);
    putchar('\n');
}

static void on_change(const lk_grant_change *change, void *arg)
{
    struct campaign *campaign = arg;
    struct cli *cli = campaign->cli;
    campaign->lost |= change->state == LK_LOST;
    if (campaign->failed)
        return;
    if (cli->json) {
        campaign->failed = !cli_json_print(cli, json_change(campaign->spec->path, change));
        return;
    }
    print_change(change);
    campaign->failed = !cli_flush(cli);
}

static void on_answer(int status, void *arg)
{
    struct campaign *campaign = arg;
    const struct hold_spec *spec = campaign->spec;
    if (status == LK_OK || campaign->failed)
        return;
    campaign->failed = true;
    if (status == LK_E_DEADLINE)
        cli_refuse(campaign->cli, (int)spec->timeout_code,
                   "%s: not elected within %g s; stand longer with -w", spec->path,
                   (double)spec->wait_ns / 1e9);
    else
        cli_fail(campaign->cli, status, "%s", spec->path);
}

static void stand(struct campaign *campaign, int64_t deadline_ns)
{
    lk_op op;
    campaign->lost = false;
    int rc = lk_candidate_stand_start(campaign->candidate, deadline_ns, on_answer, campaign, &op);
    if (rc != LK_OK)
        on_answer(rc, campaign);
}

static bool goes_on(void *arg)
{
    struct campaign *campaign = arg;
    if (campaign->lost && !campaign->failed)
        stand(campaign, LK_FOREVER);
    return !campaign->failed;
}

static int watch(struct cli *cli, const struct hold_spec *spec)
{
    int64_t deadline_ns = spec->wait_given ? lk_now_ns() + spec->wait_ns : LK_FOREVER;
    struct campaign campaign = { .cli = cli, .spec = spec };
    struct loop loop;
    if (!loop_connect(&loop, cli, deadline_ns))
        return cli->code;

    lk_candidate_options options = LK_CANDIDATE_OPTIONS_INIT;
    options.card = spec->words;
    options.card_size = strlen(spec->words);
    options.on_change = on_change;
    options.on_change_arg = &campaign;
    int rc = lk_candidate_new(&campaign.candidate, loop.client, spec->path, &options);
    if (rc == LK_OK)
        stand(&campaign, deadline_ns);
    int code = rc == LK_OK ? loop_run(&loop, cli, goes_on, &campaign)
                           : cli_fail(cli, rc, "%s", spec->path);
    campaign.failed =
        true; /* the end is nobody's news: neither a change nor an answer is told any more */
    lk_candidate_free(campaign.candidate);
    loop_end(&loop);
    return code;
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct hold_spec spec = HOLD_SPEC_INIT;
    const char *on_lost = NULL;
    char self[256 + 32] = "", *end;
    const struct cli_option options[] = {
        { CLI_TEXT, 0, "id", &spec.words, NULL, 0, 0 },
        { CLI_SECONDS, 'w', NULL, &spec.wait_ns, &spec.wait_given, 0, 0 },
        { CLI_FLAG, 0, "again", &spec.again, NULL, 0, 0 },
        { CLI_NUMBER, 'E', NULL, &spec.timeout_code, NULL, 0, 255 },
        { CLI_TEXT, 0, "on-lost", &on_lost, NULL, 0, 0 },
        { CLI_SECONDS, 0, "grace", &spec.grace_ns, &spec.grace_given, 0, 0 },
        { CLI_NUMBER, 0, "status-fd", &spec.status_fd, &spec.status_given, 0, INT32_MAX },
        { CLI_END, 0, NULL, NULL, NULL, 0, 0 },
    };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    spec.path = cli->words[0];
    spec.kind = HOLD_LEADERSHIP;
    if (cli->command != NULL && cli->command[0] == NULL)
        return cli_usage(cli, "CMD is missing behind --");
    /* An election has no single try as a lock has: this could not even connect, and would blame the
     * servers. */
    if (spec.wait_given && spec.wait_ns == 0)
        return cli_usage(cli, "-w: 0 leaves no time to be elected");
    if (!hold_check(cli, &spec, on_lost))
        return cli->code;
    if (spec.words == NULL)
        spec.words = cli_config_text(cli, "elect.id", NULL);
    if (spec.words == NULL) {
        gethostname(self, 256);
        end = self + strlen(self);
        snprintf(end, (size_t)(self + sizeof(self) - end), ":%d", (int)getpid());
        spec.words = self;
    }
    return cli->command != NULL ? hold_run(cli, &spec) : watch(cli, &spec);
}

const struct verb verb_elect = { "elect", "stand for leadership, run CMD while leading", help, true,
                                 run };
