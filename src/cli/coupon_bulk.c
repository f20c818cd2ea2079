/* coupon_bulk.c - `coupon claim --from`: one user a line, many claims in flight, answers printed in
 * the lines' order.
 *
 * The id of a line is PREFIX/USER/N, N counting the user's lines so far. So the same file with the
 * same PREFIX is the same set of requests, whatever happened to the first run: it finishes what was
 * left and does nothing twice. That is why an order of lines does not matter, but a PREFIX must
 * never be used for another list.
 *
 * The answers wait in a ring until it is their turn; the ring is also the bound of what is in
 * flight. Reading waits for the input and for the answers at once: a slow producer must not hold
 * back answers that are there. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/coupon.h"
#include "cli/lines.h"
#include "cli/progress.h"

#define IN_FLIGHT 512
#define PREFIX_MAX 100 /* leaves room for the user and the number in an id's 256 bytes */

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
    struct desk desk;
    struct lines input;
    struct progress progress;
    const char *prefix;
    uint32_t count;
    json_t *occurrences; /* user -> lines so far */
    struct slot *ring;   /* IN_FLIGHT of them; line n stands at n % IN_FLIGHT */
    uint64_t begun, printed;
    uint64_t done, refused, unanswered;
    uint64_t input_size; /* bytes; 0: unknown */
    bool writable;       /* stdout takes what is printed */
    int worst;           /* exit code so far: unknown goes before everything */
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
    desk_close(&bulk->desk);
    for (size_t i = 0; bulk->ring && i < IN_FLIGHT; i++)
        free(bulk->ring[i].user);
    free(bulk->ring);
    json_decref(bulk->occurrences);
    progress_end(&bulk->progress);
    lines_free(&bulk->input);
    if (bulk->input.fd > STDIN_FILENO)
        close(bulk->input.fd);
}

/* ---- answers ---- */

static bool is_refusal(int status)
{
    return (status <= LK_E_SOLD_OUT && status >= LK_E_ACCOUNT_FULL) || status == LK_E_INVALID;
}

static void count_answer(struct bulk *bulk, int status)
{
    if (status == LK_OK) {
        bulk->done++;
    } else if (is_refusal(status)) {
        bulk->refused++;
    } else {
        int code = cli_code(bulk->cli, status);
        bulk->unanswered++;
        if (bulk->worst == EXIT_DONE || code == EXIT_UNKNOWN)
            bulk->worst = code;
    }
}

static bool print_json(struct bulk *bulk, const struct slot *slot)
{
    const lk_ledger_result *result = &slot->result;
    char word[STATUS_WORD_SIZE], text[LK_COUPON_TEXT_SIZE], id[LK_ID_TEXT_SIZE];
    json_t *coupons = json_array();

    for (uint32_t i = 0; result->status == LK_OK && i < result->count; i++)
        json_array_append_new(coupons, json_string(lk_coupon_text(result->coupons[i], text)));
    return cli_json_print(
        bulk->cli, json_pack("{s:o, s:s, s:o, s:s, s:b}",                        //
                             "user", cli_json_text(slot->user, slot->user_size), //
                             "status", status_word(result->status, word),        //
                             "coupons", coupons,                                 //
                             "id", lk_id_text(result->id, id),                   //
                             "repeated", (int)(result->status == LK_OK && result->repeated)));
}

static bool print_answer(struct bulk *bulk, const struct slot *slot)
{
    const lk_ledger_result *result = &slot->result;
    char word[STATUS_WORD_SIZE], text[LK_COUPON_TEXT_SIZE];

    if (bulk->cli->json)
        return print_json(bulk, slot);
    char *user = cli_escape(slot->user, slot->user_size);
    printf("%s\t%s\t", user, status_word(result->status, word));
    free(user);
    for (uint32_t i = 0; result->status == LK_OK && i < result->count; i++)
        printf("%s%s", i ? "," : "", lk_coupon_text(result->coupons[i], text));
    puts("");
    return !ferror(stdout);
}

/* What is answered, in order, up to the first that is not. */
static void print_answers(struct bulk *bulk)
{
    while (bulk->printed < bulk->begun && bulk->ring[bulk->printed % IN_FLIGHT].answered) {
        struct slot *slot = &bulk->ring[bulk->printed++ % IN_FLIGHT];
        count_answer(bulk, slot->result.status);
        bulk->writable = bulk->writable && print_answer(bulk, slot);
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
    return lk_ledger_do_start(bulk->desk.ledger, &op, cli_deadline(bulk->cli), answered, slot,
                              NULL);
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

/* An empty line is nobody. */
static bool begin_lines(struct bulk *bulk)
{
    char *line;
    size_t size;

    while (bulk->begun - bulk->printed < IN_FLIGHT && lines_take(&bulk->input, &line, &size)) {
        if (size > 0 && !begin_line(bulk, line, size))
            return false;
    }
    return true;
}

static void show_progress(struct bulk *bulk)
{
    char words[128];

    snprintf(words, sizeof(words), "%" PRIu64 " claimed, %" PRIu64 " refused", bulk->done,
             bulk->refused);
    progress_show(&bulk->progress, bulk->input.taken, bulk->input_size, words);
}

/* Waits for an answer, or for input if there is room for more. 0, or an errno of the input's. */
static int wait_for_more(struct bulk *bulk)
{
    bool wants_input = !bulk->input.at_end && bulk->begun - bulk->printed < IN_FLIGHT;
    struct pollfd polled[] = {
        { .fd = lk_fd(bulk->desk.client), .events = POLLIN },
        { .fd = wants_input ? bulk->input.fd : -1, .events = POLLIN },
    };

    /* Whoever reads our output shall have what there is before we wait. */
    if (poll(polled, 2, 0) == 0) {
        fflush(stdout);
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return errno;
    }
    return wants_input && polled[1].revents ? lines_fill(&bulk->input) : 0;
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
        bool lines_left = bulk->input.begin < bulk->input.end || !bulk->input.at_end;
        if (bulk->printed == bulk->begun && !lines_left)
            return EXIT_DONE;
        if (bulk->printed < bulk->begun || !bulk->input.at_end) {
            int failed = wait_for_more(bulk);
            if (failed)
                return cli_refuse(bulk->cli, EXIT_USAGE, "%s: can't be read: %s; name another file",
                                  from, strerror(failed));
        }
        int ran = lk_dispatch(bulk->desk.client, 0);
        if (ran < 0)
            return cli_fail(bulk->cli, ran, "%s", from);
    }
}

/* ---- the verb ---- */

static bool open_input(struct bulk *bulk, const char *from)
{
    struct stat stat;
    int fd = strcmp(from, "-") == 0 ? STDIN_FILENO : open(from, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &stat) != 0) {
        bulk->cli->code = cli_refuse(bulk->cli, EXIT_USAGE,
                                     "%s: can't be read: %s; name another file", from,
                                     strerror(errno));
        return false;
    }
    lines_begin(&bulk->input, fd);
    bulk->input_size = S_ISREG(stat.st_mode) ? (uint64_t)stat.st_size : 0;
    return true;
}

/* Every line would hear the same of a campaign that is not there: say it once, before. */
static bool open_campaign(struct bulk *bulk, const char *campaign)
{
    lk_campaign_info info;

    if (!desk_open(bulk->cli, campaign, &bulk->desk))
        return false;
    int status = lk_campaign_show(bulk->desk.ledger, cli_deadline(bulk->cli), &info);
    if (status == LK_OK)
        return true;
    bulk->cli->code = cli_fail(bulk->cli, status, "%s", campaign);
    return false;
}

static int sum_up(struct bulk *bulk)
{
    progress_end(&bulk->progress);
    cli_note(bulk->cli, "%" PRIu64 " claimed, %" PRIu64 " refused, %" PRIu64 " without an answer",
             bulk->done, bulk->refused, bulk->unanswered);
    if (bulk->unanswered == 0)
        return EXIT_DONE;
    return cli_refuse(
        bulk->cli, bulk->worst,
        "%" PRIu64 " lines have no answer; the same command with --id %s settles and finishes them",
        bulk->unanswered, bulk->prefix);
}

int coupon_claim_bulk(struct cli *cli, const char *campaign, const char *from, uint32_t count,
                      const char *prefix)
{
    char made[LK_ID_TEXT_SIZE];

    __attribute__((
        cleanup(free_bulk))) struct bulk bulk = { .cli = cli, .count = count, .writable = true };
    lines_begin(&bulk.input, -1);
    if (prefix && !text_is_name(prefix, strlen(prefix), PREFIX_MAX))
        return cli_usage(cli, "--id PREFIX must be 1 to %d bytes of UTF-8", PREFIX_MAX);
    if (!open_input(&bulk, from) || !open_campaign(&bulk, campaign))
        return cli->code;
    bulk.ring = calloc(IN_FLIGHT, sizeof(*bulk.ring));
    bulk.occurrences = json_object();
    if (!bulk.ring || !bulk.occurrences)
        return cli_fail(cli, LK_E_NOMEM, "%s", from);
    bulk.prefix = prefix ? prefix : lk_id_text(lk_id_new(bulk.desk.client), made);
    if (!prefix) /* said at once, for whoever interrupts this */
        cli_note(cli, "if this is interrupted, the same command with --id %s goes on", bulk.prefix);
    progress_begin(&bulk.progress, cli->quiet);
    int code = claim_all(&bulk, from);
    return code != EXIT_DONE ? code : sum_up(&bulk);
}
