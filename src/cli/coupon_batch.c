/* coupon_batch.c - `coupon do`: operations from JSON lines, many in a commit, chains of them whole.
 *
 * What is there to be read goes together, up to BATCH; a chain is never cut. A line that is not
 * understood ends it all: what it meant to be part of can't be known, and half a chain must not
 * happen. Since every operation has an id, the same lines can be given again once they are mended.
 * A signal ends the reading: what was read is done and printed, but for half a chain; a second one
 * does what signals do. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"
#include "cli/lines.h"

#define BATCH 4096                      /* several full commits */
#define ROOM (BATCH + LK_CHAIN_MAX + 1) /* a chain that is begun may be ended; or is too long */
#define MS_PER_S 1000

struct batch {
    struct cli *cli;
    struct loop loop;
    lk_ledger *ledger;
    struct lines input;
    const char *prefix; /* NULL: ids are made where a line has none */
    size_t count;
    lk_ledger_op *ops;       /* ROOM of each */
    json_t **objects;        /* keep the texts of ops */
    uint64_t lines, settled; /* read so far, and up to where nothing is linked to what follows */
    struct tally tally;
    bool answered, writable; /* writable: stdout takes what is printed */
    const char *why; /* a line was not understood, or the input can't be read; nothing follows */
    int interrupted; /* the signal; nothing follows */
};

static void clear_batch(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        json_decref(batch->objects[i]);
    batch->count = 0;
}

static void free_batch(struct batch *batch)
{
    /* The client first: it completes what is in flight, which reads the operations. */
    batch->ledger = lk_ledger_free(batch->ledger);
    if (batch->loop.client)
        loop_end(&batch->loop);
    if (batch->objects)
        clear_batch(batch);
    free(batch->ops);
    free(batch->objects);
    lines_close(&batch->input);
}

static bool make_room(struct batch *batch)
{
    batch->ops = calloc(ROOM, sizeof(*batch->ops));
    batch->objects = calloc(ROOM, sizeof(json_t *));
    return batch->ops && batch->objects;
}

/* ---- a line ---- */

/* Milliseconds, rounded up as --ttl is, since the same id may be asked again by that verb; but for
 * a microsecond, which is more than a double is off from the digits that were written. False: no
 * such time. */
static bool take_ttl(double seconds, int64_t *out_ms)
{
    const double most = 1e9; /* about thirty years, as for --ttl */

    if (!(seconds > 0))
        return false;
    double ms = (seconds < most ? seconds : most) * MS_PER_S - 0.001;
    int64_t whole = (int64_t)ms;
    *out_ms = whole + (ms > (double)whole);
    *out_ms += *out_ms == 0;
    return true;
}

static const char *take_id(struct batch *batch, const char *id, lk_ledger_op *op)
{
    char text[512];

    if (!id && !batch->prefix) {
        op->id = lk_id_new(batch->loop.client);
        return NULL;
    }
    if (!id)
        snprintf(text, sizeof(text), "%s/%" PRIu64, batch->prefix, batch->lines);
    return lk_id_from_text(id ? id : text, &op->id) == LK_OK ? NULL
                                                             : "the id must be 1 to 256 bytes";
}

/* NULL, or what is wrong with it. The form of users, orders and counts is the ledger's to judge:
 * that is an answer as others are. */
static const char *parse(struct batch *batch, json_t *object, lk_ledger_op *op)
{
    const char *verb, *coupon = NULL, *id = NULL;
    double ttl = 0;
    json_int_t count = 0;
    int linked = 0;

    if (json_unpack(object, "{s:s, s:s, s?s, s?s, s?I, s?F, s?s, s?b !}", "verb", &verb, "user",
                    &op->user, "coupon", &coupon, "order", &op->order, "count", &count, "ttl", &ttl,
                    "id", &id, "linked", &linked)
        != 0)
        return "it must be an object of verb, user and, if need be, coupon, order, count, ttl, id, "
               "linked";
    op->verb = verb_named(verb);
    if (op->verb == 0)
        return "there is no such verb";
    if (coupon && lk_coupon_parse(coupon, &op->coupon) != LK_OK)
        return "the coupon must be SHARD-SERIAL";
    if ((op->verb == LK_LEDGER_CLAIM) == (coupon != NULL))
        return "a claim names no coupon, all else one";
    if (json_object_get(object, "ttl") && !take_ttl(ttl, &op->ttl_ms))
        return "the ttl must be above 0";
    if (json_object_get(object, "count") && (count < 1 || count > UINT32_MAX))
        return "the count must be 1 to 64";
    op->count = (uint32_t)count;
    op->linked = linked != 0;
    return take_id(batch, id, op);
}

static void take_line(struct batch *batch, const char *line, size_t size)
{
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    lk_ledger_op op = { 0 };

    batch->why = object ? parse(batch, object, &op) : "it is no JSON";
    if (batch->why) {
        json_decref(object);
        return;
    }
    batch->objects[batch->count] = object;
    batch->ops[batch->count++] = op;
}

/* ---- a batch ---- */

static bool is_in_chain(const struct batch *batch)
{
    return batch->count > 0 && batch->ops[batch->count - 1].linked;
}

static bool is_full(const struct batch *batch)
{
    return batch->count >= (is_in_chain(batch) ? ROOM : BATCH);
}

/* Reads more, or takes a signal; waits for either unless there is something to do. False: neither
 * has come. */
static bool take_more(struct batch *batch)
{
    struct pollfd polled[] = {
        { .fd = batch->input.fd, .events = POLLIN },
        { .fd = batch->loop.signals, .events = POLLIN },
    };
    bool may_wait = batch->count == 0 || is_in_chain(batch);
    int ready = poll(polled, sizeof(polled) / sizeof(polled[0]), may_wait ? -1 : 0);

    if (ready > 0 && polled[1].revents) {
        batch->interrupted = loop_take_signal(&batch->loop, batch->cli);
    } else if (ready > 0) {
        int failed = lines_fill(&batch->input);
        batch->lines += failed != 0; /* the line that can't be read */
        batch->why = failed ? strerror(failed) : NULL;
    }
    return ready != 0;
}

static bool has_stopped(const struct batch *batch)
{
    return batch->why || batch->interrupted;
}

static void drop_half_chain(struct batch *batch)
{
    while (is_in_chain(batch))
        json_decref(batch->objects[--batch->count]);
}

static void fill(struct batch *batch)
{
    char *line;
    size_t size;

    while (!has_stopped(batch) && !is_full(batch)) {
        if (lines_take(&batch->input, &line, &size)) {
            batch->lines++;
            if (size > 0)
                take_line(batch, line, size);
            if (!batch->why && !is_in_chain(batch))
                batch->settled = batch->lines;
        } else if (batch->input.at_end || !take_more(batch)) {
            return;
        }
    }
    if (batch->interrupted)
        drop_half_chain(batch);
    /* Longer than any may be: its end must not pass for a chain of its own. */
    if (is_full(batch) && is_in_chain(batch))
        batch->why = "its chain is too long";
}

static bool print_json(const lk_ledger_op *op, const lk_ledger_result *result)
{
    char word[STATUS_WORD_SIZE], id[LK_ID_TEXT_SIZE];
    bool done = result->status == LK_OK;

    json_t *line = json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:I, s:o, s:b}",         //
                             "verb", lk_ledger_verb_name(op->verb),                   //
                             "user", cli_json_text(op->user, strlen(op->user)),       //
                             "status", status_word(result->status, word),             //
                             "coupons", coupons_json(result),                         //
                             "state",                                                 //
                             done ? json_string(lk_coupon_state_name(result->state))  //
                                  : json_null(),                                      //
                             "id", lk_id_text(result->id, id),                        //
                             "zxid", (json_int_t)(done ? result->zxid : 0),           //
                             "time", done ? time_json(result->time_ms) : json_null(), //
                             "repeated", (int)(done && result->repeated));
    return cli_json_write(stdout, line);
}

static bool print_line(const lk_ledger_op *op, const lk_ledger_result *result)
{
    printf("%s\t", lk_ledger_verb_name(op->verb));
    return print_result_line(op->user, strlen(op->user), result);
}

/* Where the id was made here, and is not in the answer, nothing else could settle the line. */
static void tell_id(struct batch *batch, size_t at, const lk_ledger_result *result)
{
    const lk_ledger_op *op = &batch->ops[at];
    char id[LK_ID_TEXT_SIZE];

    if (result->status != LK_E_UNKNOWN || batch->cli->json || batch->prefix
        || json_object_get(batch->objects[at], "id"))
        return;
    cli_refuse(batch->cli, EXIT_UNKNOWN,
               "%s of %s: the reply was lost, it may have been done; the same line with \"id\": "
               "\"%s\" settles it",
               lk_ledger_verb_name(op->verb), op->user, lk_id_text(result->id, id));
}

static void print_answers(const lk_ledger_result *results, size_t count, void *arg)
{
    struct batch *batch = arg;
    struct cli *cli = batch->cli;

    for (size_t i = 0; i < count; i++) {
        tally_add(cli, &batch->tally, results[i].status);
        batch->writable = batch->writable
                          && (cli->json ? print_json(&batch->ops[i], &results[i])
                                        : print_line(&batch->ops[i], &results[i]));
        tell_id(batch, i, &results[i]);
    }
    batch->answered = true;
}

static int await_answers(struct batch *batch)
{
    while (!batch->answered) {
        struct pollfd polled[] = {
            { .fd = lk_fd(batch->loop.client), .events = POLLIN },
            { .fd = batch->interrupted ? -1 : batch->loop.signals, .events = POLLIN },
        };
        (void)poll(polled, sizeof(polled) / sizeof(polled[0]), -1);
        if (polled[1].revents)
            batch->interrupted = loop_take_signal(&batch->loop, batch->cli);
        int ran = lk_dispatch(batch->loop.client, 0);
        if (ran < 0)
            return ran;
    }
    return LK_OK;
}

/* LK_OK, or the exit code of what was said. */
static int submit(struct batch *batch, const char *from)
{
    struct cli *cli = batch->cli;

    batch->answered = false;
    int status = lk_ledger_submit_start(batch->ledger, batch->ops, batch->count, cli_deadline(cli),
                                        print_answers, batch, NULL);
    if (status == LK_OK)
        status = await_answers(batch);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", from);
    clear_batch(batch);
    if (!cli_flush(cli))
        return cli->code;
    return batch->writable ? EXIT_DONE : EXIT_OWN;
}

/* `failure`: that was said; how far it came is said in any case. */
static int sum_up(struct batch *batch, const char *from, int failure)
{
    struct cli *cli = batch->cli;
    const struct tally *tally = &batch->tally;
    const char *then = batch->prefix ? "the same command goes on" : "go on from there";

    if (failure == EXIT_DONE && batch->why)
        failure = EXIT_USAGE;
    int code = tally_code(tally, batch->interrupted, failure);
    cli_note(cli, "%" PRIu64 " done, %" PRIu64 " refused, %" PRIu64 " without an answer",
             tally->done, tally->refused, tally->unanswered);
    if (batch->interrupted)
        cli_refuse(cli, code, "%s: interrupted after line %" PRIu64 "; %s", from, batch->settled,
                   then);
    if (batch->why)
        cli_refuse(cli, code,
                   "%s: line %" PRIu64 ": %s; nothing from there on was done; mend it, then %s",
                   from, batch->lines, batch->why, then);
    if (tally->unanswered > 0)
        cli_refuse(cli, code,
                   "%" PRIu64
                   " operations have no answer; the same lines with the same ids settle them",
                   tally->unanswered);
    return cli->code = code;
}

static int do_all(struct batch *batch, const char *from)
{
    struct cli *cli = batch->cli;

    if (!desk_open_for_lines(cli, cli->words[0], &batch->loop, &batch->ledger))
        return cli->code;
    if (!make_room(batch))
        return cli_fail(cli, LK_E_NOMEM, "%s", from);
    batch->writable = true;
    int failure = EXIT_DONE;
    do {
        fill(batch);
        if (batch->count > 0)
            failure = submit(batch, from);
    } while (failure == EXIT_DONE && !has_stopped(batch)
             && (!batch->input.at_end || batch->input.begin < batch->input.end));
    return sum_up(batch, from, failure);
}

static int run_do(struct cli *cli, int argc, char **argv)
{
    __attribute__((cleanup(free_batch))) struct batch batch = { .cli = cli, .input.fd = -1 };
    const char *from = NULL;
    uint64_t size;
    const struct cli_option options[] = {
        { .kind = CLI_TEXT, .name = "from", .value = &from },
        { .kind = CLI_TEXT, .name = "id", .value = &batch.prefix },
        { 0 },
    };

    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    if (!from)
        return cli_usage(cli, "--from FILE is missing");
    if (batch.prefix && !text_is_name(batch.prefix, strlen(batch.prefix), PREFIX_MAX))
        return cli_usage(cli, "--id PREFIX must be 1 to %d bytes of UTF-8", PREFIX_MAX);
    int failed = lines_open(&batch.input, from, &size);
    if (failed)
        return cli_refuse(cli, EXIT_USAGE, "%s: can't be read: %s; name another file", from,
                          strerror(failed));
    return do_all(&batch, from);
}

const struct verb coupon_do = {
    .name = "coupon do",
    .summary = "many operations, from a file",
    .help =
        "usage: latchkey coupon do CAMPAIGN --from FILE|- [--id PREFIX]\n"
        "\n"
        "Does the operations of a file ('-': standard input), a JSON object a line, many of "
        "them in a commit:\n"
        "\n"
        "  {\"verb\": \"claim\", \"user\": \"ann\", \"count\": 2, \"id\": \"cart-17\"}\n"
        "  {\"verb\": \"freeze\", \"user\": \"ann\", \"coupon\": \"0-17\", \"order\": \"o1\", "
        "\"ttl\": 600, \"linked\": true}\n"
        "  {\"verb\": \"freeze\", \"user\": \"bob\", \"coupon\": \"2-4\", \"order\": \"o1\"}\n"
        "\n"
        "The verbs are claim, freeze, unfreeze, redeem, refund, void. What is linked to the "
        "next line happens with\n"
        "it or not at all: a chain of up to 32. Prints VERB<TAB>USER<TAB>STATUS<TAB>COUPON a "
        "line, in the lines'\n"
        "order; with --json all of the answer.\n"
        "\n"
        "  --id PREFIX  a line without an id gets PREFIX/N, N being its number: so the same "
        "command again does\n"
        "               nothing twice. Without it an id is made, which --json prints, and any line "
        "that is unknown\n"
        "\n"
        "exit: 0 every line was answered, refusals too. 75 some are unknown: the same lines "
        "with the same ids\n"
        "settle them. 64 a line is not understood: nothing from there on was done. 128+n a "
        "signal: what was read is\n"
        "done and answered first; a second one ends it at once.\n",
    .run = run_do,
};
