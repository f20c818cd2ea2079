/* demo_worker.c - one worker of the flash sale: claims what it is told to, stands for election,
 * reports when it leads.
 *
 * It may be killed at any moment and keeps nothing that matters: the ids of its claims follow from
 * their numbers, so whoever claims them again hears what became of them. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/demo.h"
#include "cli/lines.h"

#define TRIES_MAX 10
#define NS_PER_US 1000

struct worker {
    struct cli *cli;
    const struct demo_options *options;
    struct desk desk;
    lk_candidate *candidate;
    struct lines orders;
    bool leads, stands;
    int failed; /* why it can't stand */
    bool heard; /* false: the parent does not read any more */
};

/* One claim under way. */
struct claim {
    struct worker *worker;
    uint64_t number;
    char user[DEMO_USER_SIZE];
    lk_id id;
    int64_t begun_ns;
    unsigned tries;
};

static void free_worker(struct worker *worker)
{
    worker->heard = false; /* what is still open completes below, and must not be tried again */
    lk_candidate_free(worker->candidate);
    desk_close(&worker->desk);
    lines_free(&worker->orders);
}

/* One write a line: below PIPE_BUF it can't be torn by a kill. */
__attribute__((format(printf, 2, 3))) static void tell(struct worker *worker, const char *format,
                                                       ...)
{
    char line[256];
    va_list args;

    if (!worker->heard)
        return;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    while (write(STDOUT_FILENO, line, (size_t)size) < 0) {
        if (errno != EINTR) {
            worker->heard = false;
            return;
        }
    }
}

/* ---- claims ---- */

static void try_claim(struct claim *claim);

/* The three that leave a claim open; the same id again settles it. */
static bool is_open(int status)
{
    return status == LK_E_UNKNOWN || status == LK_E_DEADLINE || status == LK_E_NO_SERVER;
}

static void finish(struct claim *claim, const lk_ledger_result *result)
{
    struct worker *worker = claim->worker;
    char coupon[LK_COUPON_TEXT_SIZE] = "-";

    if (result->status == LK_OK)
        lk_coupon_text(result->coupons[0], coupon);
    tell(worker, "answer %" PRIu64 " %d %s %" PRId64 " %u %d\n", claim->number, result->status,
         coupon, (lk_now_ns() - claim->begun_ns) / NS_PER_US, claim->tries,
         result->status == LK_OK && result->repeated);
    free(claim);
}

static void claimed(const lk_ledger_result *result, void *arg)
{
    struct claim *claim = arg;

    if (is_open(result->status) && claim->tries < TRIES_MAX && claim->worker->heard)
        try_claim(claim);
    else
        finish(claim, result);
}

static void try_claim(struct claim *claim)
{
    const lk_ledger_op op = {
        .verb = LK_LEDGER_CLAIM, .id = claim->id, .user = claim->user, .count = 1
    };

    claim->tries++;
    int status = lk_ledger_do_start(claim->worker->desk.ledger, &op,
                                    cli_deadline(claim->worker->cli), claimed, claim, NULL);
    if (status != LK_OK)
        finish(claim, &(lk_ledger_result){ .status = status });
}

static bool begin_claim(struct worker *worker, uint64_t number)
{
    uint64_t per_user = worker->options->per_user;
    struct claim *claim = calloc(1, sizeof(*claim));

    if (!claim)
        return false;
    *claim = (struct claim){ .worker = worker, .number = number, .begun_ns = lk_now_ns() };
    demo_user(number / per_user, claim->user);
    if (bulk_id("demo", claim->user, number % per_user + 1, &claim->id) != LK_OK) {
        free(claim);
        return false;
    }
    try_claim(claim);
    return true;
}

/* ---- the election ---- */

static void stand(struct worker *worker);

static void stood(int status, void *arg)
{
    struct worker *worker = arg;

    worker->stands = status == LK_OK;
    if (status != LK_OK && status != LK_E_LOST)
        worker->failed = status;
}

static void changed(const lk_grant_change *change, void *arg)
{
    struct worker *worker = arg;
    bool led = worker->leads;

    worker->leads = change->state == LK_HELD || (led && change->state == LK_SUSPENDED);
    if (worker->leads && !led)
        tell(worker, "leads\n");
    if (change->state == LK_LOST)
        worker->stands = false;
}

static void stand(struct worker *worker)
{
    worker->stands = true;
    worker->failed = lk_candidate_stand_start(worker->candidate, LK_FOREVER, stood, worker, NULL);
}

static void report(struct worker *worker)
{
    lk_campaign_info info;

    if (worker->leads
        && lk_campaign_show(worker->desk.ledger, cli_deadline(worker->cli), &info) == LK_OK)
        tell(worker, "stock %" PRIu64 " %" PRIu64 "\n", info.available, info.stocked);
}

/* ---- orders ---- */

static bool obey(struct worker *worker, const char *order)
{
    uint64_t from, to;

    if (strcmp(order, "report") == 0) {
        report(worker);
        return true;
    }
    if (sscanf(order, "claim %" SCNu64 " %" SCNu64, &from, &to) != 2)
        return false;
    for (uint64_t number = from; number < to; number++) {
        if (!begin_claim(worker, number))
            return false;
    }
    return true;
}

static int work(struct worker *worker)
{
    char *order;
    size_t size;

    while (worker->heard) {
        while (lines_take(&worker->orders, &order, &size)) {
            if (!obey(worker, order))
                return cli_refuse(worker->cli, EXIT_OWN,
                                  "order '%s' can't be carried out; report this", order);
        }
        if (worker->orders.at_end)
            return EXIT_DONE;
        if (!worker->stands)
            stand(worker);
        if (worker->failed != LK_OK)
            return cli_fail(worker->cli, worker->failed, "the workers' election");
        struct pollfd polled[] = {
            { .fd = worker->orders.fd, .events = POLLIN },
            { .fd = lk_fd(worker->desk.client), .events = POLLIN },
        };
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return cli_fail(worker->cli, LK_E_SYSTEM, "poll");
        if (polled[0].revents && lines_fill(&worker->orders) != 0)
            return EXIT_OWN;
        int ran = lk_dispatch(worker->desk.client, 0);
        if (ran < 0)
            return cli_fail(worker->cli, ran, "worker");
    }
    return EXIT_DONE;
}

int demo_work(struct cli *cli, const struct demo_options *options, uint64_t number,
              const char *campaign)
{
    char path[512], card[64];

    __attribute__((cleanup(free_worker))) struct worker worker = { .cli = cli,
                                                                   .options = options,
                                                                   .heard = true };
    lines_begin(&worker.orders, STDIN_FILENO);
    if (!desk_open(cli, campaign, &worker.desk))
        return cli->code;
    snprintf(path, sizeof(path), "%s-leader", campaign);
    lk_candidate_options candidate = LK_CANDIDATE_OPTIONS_INIT;
    candidate.card = card;
    candidate.card_size = (size_t)snprintf(card, sizeof(card), "worker %" PRIu64 ", pid %ld",
                                           number, (long)getpid());
    candidate.on_change = changed;
    candidate.on_change_arg = &worker;
    int status = lk_candidate_new(&worker.candidate, worker.desk.client, path, &candidate);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", path);
    tell(&worker, "ready\n");
    return work(&worker);
}
