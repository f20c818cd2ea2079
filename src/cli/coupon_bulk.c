/* coupon_bulk.c - `coupon claim --from`: one user a line, many claims in flight, answers printed in
 * the lines' order.
 *
 * The id of a line is PREFIX/USER/N, N counting the user's lines so far. So the same file with the
 * same PREFIX is the same set of requests, whatever happened to the first run: it finishes what was
 * left and does nothing twice. That is why an order of lines does not matter, but a PREFIX must
 * never be used for another list.
 *
 * The answers wait in a ring until it is their turn; the ring is also the bound of what is in
 * flight. Beside it only the counts of the users' lines grow, some 150 bytes a user. Reading waits
 * for the input and for the answers at once: a slow producer must not hold back answers that are
 * there. A signal ends the reading: what was sent is awaited and printed; a second one does what
 * signals do. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/coupon.h"
#include "cli/lines.h"
#include "cli/progress.h"

#define IN_FLIGHT 4096 /* several full commits */
#define NS_PER_S 1000000000

struct bulk;

struct slot {
    struct bulk *bulk;
    bool answered;
    char *user; /* as in the file; kept for printing */
    size_t user_size;
    lk_ledger_result result;
};

struct bulk {
    struct cli *cli;
    struct loop loop;
    lk_ledger *ledger;
    struct lines input;
    struct progress progress;
    const char *prefix;
    uint32_t count;
    json_t *occurrences; /* user -> lines so far */
    struct slot *ring;   /* IN_FLIGHT of them; line n stands at n % IN_FLIGHT */
    uint64_t begun, printed;
    struct tally tally;
    uint64_t input_size; /* bytes; 0: unknown */
    int64_t begun_ns;
    bool is_dry;      /* the buffer holds no whole line: only then more is read */
    bool on_terminal; /* lines are printed where the bar is drawn */
    bool writable;    /* stdout takes what is printed */
    int input_error;  /* errno; then nothing more is read */
    int interrupted;  /* the signal; then nothing more is read */
};

int bulk_id(const char *prefix, const char *user, uint64_t occurrence, lk_id *out)
{
    char text[PREFIX_MAX + LK_USER_MAX + 32];

    if (snprintf(text, sizeof(text), "%s/%s/%" PRIu64, prefix, user, occurrence)
        >= (int)sizeof(text))
        return LK_E_INVALID;
    return lk_id_from_text(text, out);
}

static void free_bulk(struct bulk *bulk)
{
    /* The client first: it completes what is in flight, which writes to the ring. */
    lk_ledger_free(bulk->ledger);
    if (bulk->loop.client)
        loop_end(&bulk->loop);
    for (size_t i = 0; bulk->ring && i < IN_FLIGHT; i++)
        free(bulk->ring[i].user);
    free(bulk->ring);
    json_decref(bulk->occurrences);
    progress_end(&bulk->progress);
    lines_close(&bulk->input);
}

/* ---- answers ---- */

static bool print_json(const struct slot *slot)
{
    const lk_ledger_result *result = &slot->result;
    char word[STATUS_WORD_SIZE], id[LK_ID_TEXT_SIZE];

    return cli_json_write(stdout, json_pack("{s:o, s:s, s:o, s:s, s:b}",                        //
                                            "user", cli_json_text(slot->user, slot->user_size), //
                                            "status", status_word(result->status, word),        //
                                            "coupons", coupons_json(result),                    //
                                            "id", lk_id_text(result->id, id),                   //
                                            "repeated",
                                            (int)(result->status == LK_OK && result->repeated)));
}

static bool has_answer(const struct bulk *bulk)
{
    return bulk->printed < bulk->begun && bulk->ring[bulk->printed % IN_FLIGHT].answered;
}

/* What is answered, in order, up to the first that is not. */
static void print_answers(struct bulk *bulk)
{
    if (bulk->on_terminal && has_answer(bulk))
        progress_clear(&bulk->progress);
    while (has_answer(bulk)) {
        struct slot *slot = &bulk->ring[bulk->printed++ % IN_FLIGHT];
        tally_add(bulk->cli, &bulk->tally, slot->result.status);
        bulk->writable = bulk->writable
                         && (bulk->cli->json
                                 ? print_json(slot)
                                 : print_result_line(slot->user, slot->user_size, &slot->result));
        free(slot->user);
        *slot = (struct slot){ 0 };
    }
}

static void answered(const lk_ledger_result *result, void *arg)
{
    struct slot *slot = arg;

    slot->result = *result;
    slot->answered = true;
}

/* ---- lines ---- */

/* How manieth line of this user it is; 0: no memory. */
static uint64_t count_occurrence(struct bulk *bulk, const char *user)
{
    json_int_t occurrence = json_integer_value(json_object_get(bulk->occurrences, user)) + 1;

    return json_object_set_new(bulk->occurrences, user, json_integer(occurrence)) == 0
               ? (uint64_t)occurrence
               : 0;
}

static int start_claim(struct bulk *bulk, struct slot *slot)
{
    lk_ledger_op op = { .verb = LK_LEDGER_CLAIM, .user = slot->user, .count = bulk->count };

    if (!text_is_name(slot->user, slot->user_size, LK_USER_MAX))
        return LK_E_INVALID;
    uint64_t occurrence = count_occurrence(bulk, slot->user);
    if (occurrence == 0)
        return LK_E_NOMEM;
    int status = bulk_id(bulk->prefix, slot->user, occurrence, &op.id);
    if (status != LK_OK)
        return status;
    slot->result.id = op.id;
    return lk_ledger_do_start(bulk->ledger, &op, cli_deadline(bulk->cli), answered, slot, NULL);
}

static bool begin_line(struct bulk *bulk, const char *line, size_t size)
{
    struct slot *slot = &bulk->ring[bulk->begun % IN_FLIGHT];

    *slot = (struct slot){ .bulk = bulk, .user = malloc(size + 1), .user_size = size };
    if (!slot->user)
        return false;
    memcpy(slot->user, line, size + 1);
    bulk->begun++;
    int status = start_claim(bulk, slot);
    if (status != LK_OK) { /* then no callback comes */
        slot->result.status = status;
        slot->answered = true;
    }
    return true;
}

/* Then what is left in the buffer may be half a user. */
static bool has_stopped(const struct bulk *bulk)
{
    return bulk->interrupted || bulk->input_error;
}

static bool has_room(const struct bulk *bulk)
{
    return bulk->begun - bulk->printed < IN_FLIGHT && !has_stopped(bulk);
}

/* An empty line is nobody. */
static bool begin_lines(struct bulk *bulk)
{
    char *line;
    size_t size;

    while (has_room(bulk)) {
        bulk->is_dry = !lines_take(&bulk->input, &line, &size);
        if (bulk->is_dry)
            break;
        if (size > 0 && !begin_line(bulk, line, size))
            return false;
    }
    return true;
}

/* "812 claimed, 3 refused, 407/s, 1m02s left" */
static void show_progress(struct bulk *bulk)
{
    const struct tally *tally = &bulk->tally;
    uint64_t answers = tally->done + tally->refused + tally->unanswered, taken = bulk->input.taken;
    char words[128], left[CLI_TIME_SIZE];

    if (!progress_is_due(&bulk->progress))
        return;
    double seconds = (double)(lk_now_ns() - bulk->begun_ns) / NS_PER_S;
    int size = snprintf(words, sizeof(words), "%" PRIu64 " claimed, %" PRIu64 " refused, %.0f/s",
                        tally->done, tally->refused, seconds > 0 ? (double)answers / seconds : 0);
    /* What was read but not answered yet is a few lines; the guess is no better than that. */
    if (taken > 0 && bulk->input_size > taken && answers > 0)
        snprintf(words + size, sizeof(words) - (size_t)size, ", %s left",
                 cli_age_text(
                     (int64_t)(seconds * 1000 * (double)(bulk->input_size - taken) / (double)taken),
                     left));
    progress_show(&bulk->progress, taken, bulk->input_size, words);
}

/* Waits for an answer, a signal, or for input if there is room for more. */
static void wait_for_more(struct bulk *bulk)
{
    bool wants_input = bulk->is_dry && !bulk->input.at_end && !has_stopped(bulk);
    struct pollfd polled[] = {
        { .fd = lk_fd(bulk->loop.client), .events = POLLIN },
        { .fd = bulk->interrupted ? -1 : bulk->loop.signals, .events = POLLIN },
        { .fd = wants_input ? bulk->input.fd : -1, .events = POLLIN },
    };
    const nfds_t count = sizeof(polled) / sizeof(polled[0]);

    /* Whoever reads our output shall have what there is before we wait. */
    if (poll(polled, count, 0) == 0) {
        fflush(stdout);
        (void)poll(polled, count, -1);
    }
    if (polled[1].revents) {
        progress_clear(&bulk->progress);
        bulk->interrupted = loop_take_signal(&bulk->loop, bulk->cli);
    }
    if (wants_input && polled[2].revents)
        bulk->input_error = lines_fill(&bulk->input);
}

static bool has_more(const struct bulk *bulk)
{
    bool lines_left = bulk->input.begin < bulk->input.end || !bulk->input.at_end;

    return bulk->printed < bulk->begun || (lines_left && !has_stopped(bulk));
}

static int claim_all(struct bulk *bulk, const char *from)
{
    for (;;) {
        if (!begin_lines(bulk))
            return cli_fail(bulk->cli, LK_E_NOMEM, "%s", from);
        print_answers(bulk);
        show_progress(bulk);
        if (!bulk->writable)
            return cli_flush(bulk->cli) ? EXIT_OWN : bulk->cli->code;
        if (!has_more(bulk))
            return EXIT_DONE;
        /* There are more lines in the buffer, which no poll() would tell. */
        if (has_room(bulk) && !bulk->is_dry)
            continue;
        wait_for_more(bulk);
        int ran = lk_dispatch(bulk->loop.client, 0);
        if (ran < 0)
            return cli_fail(bulk->cli, ran, "%s", from);
    }
}

/* ---- the verb ---- */

static int sum_up(struct bulk *bulk, const char *from)
{
    struct cli *cli = bulk->cli;

    progress_end(&bulk->progress);
    cli_note(cli, "%" PRIu64 " claimed, %" PRIu64 " refused, %" PRIu64 " without an answer",
             bulk->tally.done, bulk->tally.refused, bulk->tally.unanswered);
    int code = tally_code(&bulk->tally, bulk->interrupted,
                          bulk->input_error ? EXIT_USAGE : EXIT_DONE);
    if (bulk->interrupted)
        cli_refuse(cli, code,
                   "interrupted after %" PRIu64 " lines; the same command with --id %s goes on",
                   bulk->begun, bulk->prefix);
    if (bulk->input_error)
        cli_refuse(cli, code,
                   "%s: can't be read after %" PRIu64 " lines: %s; mend it, and the same command "
                   "with --id %s goes on",
                   from, bulk->begun, strerror(bulk->input_error), bulk->prefix);
    if (bulk->tally.unanswered > 0)
        cli_refuse(cli, code,
                   "%" PRIu64 " lines have no answer; the same command with --id %s settles and "
                   "finishes them",
                   bulk->tally.unanswered, bulk->prefix);
    return code;
}

int coupon_claim_bulk(struct cli *cli, const char *campaign, const char *from, uint32_t count,
                      const char *prefix)
{
    char made[LK_ID_TEXT_SIZE];

    __attribute__((cleanup(free_bulk))) struct bulk bulk = {
        .cli = cli, .count = count, .input.fd = -1, .writable = true
    };
    if (prefix && !text_is_name(prefix, strlen(prefix), PREFIX_MAX))
        return cli_usage(cli, "--id PREFIX must be 1 to %d bytes of UTF-8", PREFIX_MAX);
    int failed = lines_open(&bulk.input, from, &bulk.input_size);
    if (failed)
        return cli_refuse(cli, EXIT_USAGE, "%s: can't be read: %s; name another file", from,
                          strerror(failed));
    if (!desk_open_for_lines(cli, campaign, &bulk.loop, &bulk.ledger))
        return cli->code;
    bulk.ring = calloc(IN_FLIGHT, sizeof(*bulk.ring));
    bulk.occurrences = json_object();
    if (!bulk.ring || !bulk.occurrences)
        return cli_fail(cli, LK_E_NOMEM, "%s", from);
    bulk.prefix = prefix ? prefix : lk_id_text(lk_id_new(bulk.loop.client), made);
    if (!prefix) /* said at once, for whoever interrupts this */
        cli_note(cli, "if this is interrupted, the same command with --id %s goes on", bulk.prefix);
    bulk.on_terminal = isatty(STDOUT_FILENO);
    bulk.begun_ns = lk_now_ns();
    progress_begin(&bulk.progress, cli->quiet);
    int code = claim_all(&bulk, from);
    return code != EXIT_DONE ? code : sum_up(&bulk, from);
}
