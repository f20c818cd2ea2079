/* demo_sale.c - the parent's side of the flash sale: it deals out claims in batches, and keeps
 * every answer.
 *
 * A worker that was killed is started again and gets the same batch: what had been answered must be
 * answered the same way, what was under way is settled, nothing is claimed twice. A kill comes at a
 * moment of the sale, not of the clock: when so many coupons are granted and the victim is amid a
 * batch. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/demo.h"
#include "cli/lines.h"

#define BATCH_MAX 64
#define REPORTS 4 /* the leader is asked so often during the sale */
#define PATIENCE_MS 10000

struct demo_worker {
    pid_t pid;            /* 0: not running */
    int orders;           /* write end of its stdin; -1: closed */
    struct lines answers; /* fd is the read end of its stdout */
    bool ready, killed;
    bool again; /* was killed: it can't know what it was told, and asks for its last batch again */
    uint64_t from, to; /* its batch; equal: none */
    uint64_t left;     /* claims of it without an answer since the worker got it */
};

__attribute__((format(printf, 2, 3))) static void narrate(struct demo_sale *sale,
                                                          const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    progress_clear(&sale->progress);
    cli_note(sale->cli, "%s", line);
}

static void show_progress(struct demo_sale *sale)
{
    char granted[DEMO_NUMBER_SIZE], expected[DEMO_NUMBER_SIZE], answered[DEMO_NUMBER_SIZE],
        words[128];

    snprintf(words, sizeof(words), "%s of %s claimed, %s answers",
             demo_number(sale->granted, granted), demo_number(sale->options->stock, expected),
             demo_number(sale->answered, answered));
    progress_show(&sale->progress, sale->answered, sale->claims, words);
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- processes ---- */

static int start_worker(struct demo_sale *sale, size_t number)
{
    struct demo_worker *worker = &sale->workers[number];
    struct demo_process process;

    int code = demo_spawn(sale, number, &process);
    if (code != EXIT_DONE)
        return code;
    worker->pid = process.pid;
    worker->orders = process.orders;
    lines_begin(&worker->answers, process.answers);
    worker->ready = worker->killed = false;
    return EXIT_DONE;
}

/* Its end of the pipe is closed: it has ended, or does so at once. Its wait status. */
static int reap_worker(struct demo_worker *worker)
{
    int status = 0;

    close_end(&worker->orders);
    close_end(&worker->answers.fd);
    lines_free(&worker->answers);
    while (worker->pid > 0 && waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    return status;
}

/* ---- work ---- */

/* A worker that is gone is seen at its answers' end; until then a failed order means nothing. */
static void order(struct demo_worker *worker, const char *line)
{
    while (worker->orders >= 0 && write(worker->orders, line, strlen(line)) < 0 && errno == EINTR)
        ;
}

static void order_batch(struct demo_worker *worker)
{
    char line[64];

    worker->left = worker->to - worker->from;
    snprintf(line, sizeof(line), "claim %" PRIu64 " %" PRIu64 "\n", worker->from, worker->to);
    order(worker, line);
}

/* ---- kills ---- */

/* Coupons granted when the next kill is due; they part the sale evenly. */
static uint64_t kill_at(const struct demo_sale *sale)
{
    return sale->expected * (sale->kills + 1) / (sale->options->kills + 1);
}

static bool kill_is_due(const struct demo_sale *sale)
{
    return sale->kills < sale->options->kills && sale->granted >= kill_at(sale);
}

static bool has_leader(const struct demo_sale *sale)
{
    return sale->leader < sale->options->workers;
}

static void kill_worker(struct demo_sale *sale, size_t number)
{
    struct demo_worker *worker = &sale->workers[number];
    char granted[DEMO_NUMBER_SIZE];

    kill(worker->pid, SIGKILL);
    worker->killed = worker->again = true;
    worker->ready = false;
    sale->kills++;
    narrate(sale,
            "worker %zu%s is killed with SIGKILL at %s coupons, %" PRIu64
            " of its claims under way",
            number + 1, number == sale->leader ? ", which leads," : "",
            demo_number(sale->granted, granted), worker->left);
    if (number == sale->leader)
        sale->leader = sale->options->workers;
}

/* Something of its batch must be answered: so that what it asks again after its restart has been
 * granted in part. */
static bool is_worth_killing(const struct demo_worker *worker)
{
    uint64_t batch = worker->to - worker->from;

    return worker->ready && (worker->left < batch || batch <= 1);
}

/* The leader goes first, so that the election is seen too; without one, each in turn. */
static void maybe_kill(struct demo_sale *sale)
{
    size_t victim = has_leader(sale) ? sale->leader : sale->kills % sale->options->workers;

    if (kill_is_due(sale) && is_worth_killing(&sale->workers[victim]))
        kill_worker(sale, victim);
}

/* The batch that it had before it was killed, or the next. */
static void give_work(struct demo_sale *sale, struct demo_worker *worker)
{
    if (worker->again) {
        sale->asked_again += worker->to - worker->from;
        worker->again = false;
    } else {
        uint64_t left = sale->claims - sale->next_claim;
        worker->from = sale->next_claim;
        worker->to = worker->from + (left < sale->batch ? left : sale->batch);
        sale->next_claim = worker->to;
    }
    if (worker->from < worker->to)
        order_batch(worker);
}

/* After each event. While a kill is due nobody gets anything new: the victim shall die amid the
 * sale, not after it. */
static void go_on(struct demo_sale *sale)
{
    if (sale->open_ns == 0)
        return;
    maybe_kill(sale);
    for (size_t i = 0; i < sale->options->workers; i++) {
        struct demo_worker *worker = &sale->workers[i];
        if (worker->ready && (worker->again || (worker->left == 0 && !kill_is_due(sale))))
            give_work(sale, worker);
    }
}

/* ---- what workers say ---- */

static bool same_answer(const struct demo_answer *a, const struct demo_answer *b)
{
    return a->status == b->status
           && (a->status != LK_OK
               || (a->coupon.shard == b->coupon.shard && a->coupon.serial == b->coupon.serial));
}

static void keep_answer(struct demo_sale *sale, uint64_t claim, const struct demo_answer *answer)
{
    struct demo_answer *kept = &sale->answers[claim];

    if (kept->known) {
        sale->contradicted += !same_answer(kept, answer);
        return;
    }
    *kept = *answer;
    sale->answered++;
    sale->granted += answer->status == LK_OK;
    sale->closed_ns = lk_now_ns();
}

static void ask_leader(struct demo_sale *sale)
{
    if (has_leader(sale))
        order(&sale->workers[sale->leader], "report\n");
}

static void maybe_ask_leader(struct demo_sale *sale)
{
    if (sale->granted < sale->report_due)
        return;
    sale->report_due = sale->granted + (sale->expected + REPORTS - 1) / REPORTS;
    ask_leader(sale);
}

static bool take_answer(struct demo_sale *sale, size_t number, const char *line)
{
    struct demo_worker *worker = &sale->workers[number];
    struct demo_answer answer = { .known = true };
    char coupon[LK_COUPON_TEXT_SIZE];
    unsigned tries, known;
    uint64_t claim;

    if (sscanf(line, "answer %" SCNu64 " %d %31s %" SCNu32 " %u %u", &claim, &answer.status, coupon,
               &answer.micros, &tries, &known)
        != 6)
        return false;
    if (claim < worker->from || claim >= worker->to || worker->left == 0)
        return false;
    if (answer.status == LK_OK && lk_coupon_parse(coupon, &answer.coupon) != LK_OK)
        return false;
    worker->left--;
    sale->retried += tries > 1;
    sale->settled += known;
    keep_answer(sale, claim, &answer);
    maybe_ask_leader(sale);
    return true;
}

static void take_lead(struct demo_sale *sale, size_t number)
{
    sale->leader = number;
    if (sale->had_leader) {
        sale->leader_changes++;
        narrate(sale, "worker %zu leads now", number + 1);
    }
    sale->had_leader = true;
}

static void take_report(struct demo_sale *sale, size_t number, uint64_t available, uint64_t stocked)
{
    char issued[DEMO_NUMBER_SIZE], all[DEMO_NUMBER_SIZE];

    if (sale->reported == stocked - available)
        return;
    sale->reported = stocked - available;
    narrate(sale, "worker %zu reports: %s of %s coupons issued%s", number + 1,
            demo_number(sale->reported, issued), demo_number(stocked, all),
            available == 0 ? ", sold out" : "");
}

static bool hear(struct demo_sale *sale, size_t number, const char *line)
{
    uint64_t available, stocked;

    if (sale->workers[number].killed && line[0] != 'a')
        return true; /* last words; of these only its answers still mean something */
    if (strcmp(line, "ready") == 0) {
        sale->workers[number].ready = true;
    } else if (strcmp(line, "leads") == 0) {
        take_lead(sale, number);
    } else if (sscanf(line, "stock %" SCNu64 " %" SCNu64, &available, &stocked) == 2) {
        take_report(sale, number, available, stocked);
    } else {
        return take_answer(sale, number, line);
    }
    return true;
}

/* All that it wrote has been read, and it is gone: killed, then it comes again, or by itself. */
static int worker_ended(struct demo_sale *sale, size_t number)
{
    struct demo_worker *worker = &sale->workers[number];
    bool killed = worker->killed;
    int status = reap_worker(worker);

    if (killed)
        return start_worker(sale, number);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) /* it has said why */
        return sale->cli->code = WEXITSTATUS(status);
    return cli_refuse(sale->cli, EXIT_OWN, "worker %zu ended by itself (%s); its words are above",
                      number + 1, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit 0");
}

static int listen_to(struct demo_sale *sale, size_t number)
{
    struct demo_worker *worker = &sale->workers[number];
    char *line;
    size_t size;

    if (lines_fill(&worker->answers) != 0)
        return cli_fail(sale->cli, LK_E_SYSTEM, "worker %zu", number + 1);
    while (lines_take(&worker->answers, &line, &size)) {
        if (!hear(sale, number, line))
            return cli_refuse(sale->cli, EXIT_OWN,
                              "worker %zu says '%s', which makes no sense; report this", number + 1,
                              line);
        go_on(sale);
    }
    return worker->answers.at_end ? worker_ended(sale, number) : EXIT_DONE;
}

/* Runs until `done`, at the latest until the deadline. 0, or an exit code, said. */
static int run_until(struct demo_sale *sale, bool (*done)(const struct demo_sale *sale),
                     int64_t deadline_ns)
{
    struct pollfd polled[DEMO_WORKERS_MAX];
    size_t count = sale->options->workers;

    while (!done(sale)) {
        for (size_t i = 0; i < count; i++)
            polled[i] = (struct pollfd){ .fd = sale->workers[i].answers.fd, .events = POLLIN };
        if (lk_now_ns() >= deadline_ns)
            return EXIT_DONE;
        /* Deadlines are for what should not happen: a second more or less does not matter. */
        if (poll(polled, count, 1000) < 0 && errno != EINTR)
            return cli_fail(sale->cli, LK_E_SYSTEM, "poll");
        for (size_t i = 0; i < count; i++) {
            int code = polled[i].revents ? listen_to(sale, i) : EXIT_DONE;
            if (code != EXIT_DONE)
                return code;
        }
        if (sale->open_ns != 0)
            show_progress(sale);
    }
    return EXIT_DONE;
}

/* ---- the order of events ---- */

static bool all_ready(const struct demo_sale *sale)
{
    for (size_t i = 0; i < sale->options->workers; i++) {
        if (!sale->workers[i].ready)
            return false;
    }
    return true;
}

static bool can_open(const struct demo_sale *sale)
{
    return all_ready(sale) && has_leader(sale);
}

/* Every claim is answered, also those that were asked again, and nobody is left to be killed. */
static bool is_over(const struct demo_sale *sale)
{
    for (size_t i = 0; i < sale->options->workers; i++) {
        if (sale->workers[i].left > 0)
            return false;
    }
    return sale->answered == sale->claims && all_ready(sale) && !kill_is_due(sale);
}

static bool all_is_reported(const struct demo_sale *sale)
{
    return sale->reported >= sale->granted;
}

static int open_doors(struct demo_sale *sale)
{
    char users[DEMO_NUMBER_SIZE], stock[DEMO_NUMBER_SIZE];

    int code = run_until(sale, can_open, LK_FOREVER); /* who can't get ready ends, and is heard */
    if (code != EXIT_DONE)
        return code;
    narrate(sale,
            "%" PRIu64
            " workers are ready, worker %zu leads; the sale opens: %s users for %s coupons",
            sale->options->workers, sale->leader + 1, demo_number(sale->options->users, users),
            demo_number(sale->options->stock, stock));
    sale->open_ns = lk_now_ns();
    go_on(sale);
    return EXIT_DONE;
}

/* A dead leader's place lasts as long as its session; the next one shall have the last word. */
static int close_doors(struct demo_sale *sale)
{
    int64_t timeout_ms = sale->cli->client.session_timeout_ms;

    if (!has_leader(sale))
        narrate(sale, "the dead leader's session ends in at most %.3g s, then another leads",
                (double)timeout_ms / 1000);
    int code = run_until(sale, has_leader, lk_in_ms(2 * timeout_ms + PATIENCE_MS));
    if (code != EXIT_DONE)
        return code;
    sale->reported = 0;
    ask_leader(sale);
    return run_until(sale, all_is_reported, lk_in_ms(PATIENCE_MS));
}

static int run_sale(struct demo_sale *sale)
{
    int code = EXIT_DONE;

    for (size_t i = 0; i < sale->options->workers && code == EXIT_DONE; i++)
        code = start_worker(sale, i);
    if (code == EXIT_DONE)
        code = open_doors(sale);
    if (code == EXIT_DONE)
        code = run_until(sale, is_over, LK_FOREVER);
    return code != EXIT_DONE ? code : close_doors(sale);
}

int demo_sale(struct demo_sale *sale)
{
    uint64_t workers = sale->options->workers;

    sale->workers = calloc(workers, sizeof(*sale->workers));
    sale->answers = calloc(sale->claims, sizeof(*sale->answers));
    if (!sale->workers || !sale->answers)
        return cli_fail(sale->cli, LK_E_NOMEM, "demo");
    for (size_t i = 0; i < workers; i++)
        sale->workers[i] = (struct demo_worker){ .orders = -1, .answers = { .fd = -1 } };
    /* Small enough that every worker gets some, however few claims there are. */
    sale->batch = sale->claims / (workers * 4) + 1;
    if (sale->batch > BATCH_MAX)
        sale->batch = BATCH_MAX;
    sale->leader = workers;
    sale->report_due = sale->expected / REPORTS;
    progress_begin(&sale->progress, sale->cli->quiet);
    int code = run_sale(sale);
    progress_end(&sale->progress);
    /* All at once: each ends as soon as it hears that nothing more comes. */
    for (size_t i = 0; i < workers; i++)
        close_end(&sale->workers[i].orders);
    for (size_t i = 0; i < workers; i++)
        reap_worker(&sale->workers[i]);
    free(sale->workers);
    sale->workers = NULL;
    return code;
}
