/* demo_report.c - the end of the flash sale: what the workers were told is held against what the
 * ledger has.
 *
 * The table is for people; the verdict is for the exit code. It is "clean" only if the audit found
 * nothing, exactly the expected number of coupons is out, and every answer that a worker got is
 * true: each coupon it was given stands in that user's account, and nobody has one that was not
 * answered. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/demo.h"

#define NS_PER_S 1e9

char *demo_user(uint64_t user, char text[DEMO_USER_SIZE])
{
    snprintf(text, DEMO_USER_SIZE, "user-%05" PRIu64, user + 1);
    return text;
}

char *demo_number(uint64_t number, char text[DEMO_NUMBER_SIZE])
{
    char digits[DEMO_NUMBER_SIZE];
    size_t count = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, number), put = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            text[put++] = ',';
        text[put++] = digits[i];
    }
    text[put] = '\0';
    return text;
}

/* ---- answers against the ledger ---- */

struct comparison {
    const struct demo_sale *sale;
    uint64_t found; /* coupons in accounts that were answered so */
    uint64_t alien; /* coupons in accounts that nobody was told of */
};

static bool was_answered(const struct demo_sale *sale, uint64_t user, lk_coupon coupon)
{
    uint64_t per_user = sale->options->per_user;

    for (uint64_t claim = user * per_user; claim < (user + 1) * per_user; claim++) {
        const struct demo_answer *answer = &sale->answers[claim];
        if (answer->known && answer->status == LK_OK && answer->coupon.shard == coupon.shard
            && answer->coupon.serial == coupon.serial)
            return true;
    }
    return false;
}

static int compare_account(const lk_account *account, void *arg)
{
    struct comparison *comparison = arg;
    char name[DEMO_USER_SIZE];
    uint64_t user = 0;

    bool is_ours = sscanf(account->user, "user-%" SCNu64, &user) == 1 && user >= 1
                   && user <= comparison->sale->options->users
                   && strcmp(demo_user(user - 1, name), account->user) == 0;
    for (size_t i = 0; i < account->count; i++) {
        if (is_ours && was_answered(comparison->sale, user - 1, account->coupons[i].coupon))
            comparison->found++;
        else
            comparison->alien++;
    }
    return 0;
}

/* ---- figures ---- */

struct figures {
    uint64_t refused[2]; /* sold out, other */
    double seconds, per_second, p50_ms, p99_ms;
};

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

static struct figures count_figures(const struct demo_sale *sale)
{
    struct figures figures = { .seconds = (double)(sale->closed_ns - sale->open_ns) / NS_PER_S };
    uint32_t *micros = calloc(sale->claims, sizeof(*micros));

    figures.per_second = figures.seconds > 0 ? (double)sale->answered / figures.seconds : 0;
    for (uint64_t i = 0; i < sale->claims; i++) {
        int status = sale->answers[i].status;
        if (status != LK_OK)
            figures.refused[status != LK_E_SOLD_OUT]++;
        if (micros)
            micros[i] = sale->answers[i].micros;
    }
    if (micros) {
        qsort(micros, sale->claims, sizeof(*micros), by_size);
        figures.p50_ms = (double)micros[sale->claims / 2] / 1000;
        figures.p99_ms = (double)micros[sale->claims * 99 / 100] / 1000;
    }
    free(micros);
    return figures;
}

/* ---- the verdict ---- */

struct verdict {
    const lk_audit *audit;
    struct comparison comparison;
    struct figures figures;
    bool issued_right, answers_true;
};

static bool is_clean(const struct verdict *verdict)
{
    return verdict->audit->fault_count == 0 && verdict->issued_right && verdict->answers_true;
}

static void print_table(const struct demo_sale *sale, const struct verdict *verdict)
{
    const struct figures *figures = &verdict->figures;
    char a[DEMO_NUMBER_SIZE], b[DEMO_NUMBER_SIZE];

    printf("claims          %8s   of %s coupons, by %" PRIu64 " worker processes\n",
           demo_number(sale->granted, a), demo_number(sale->options->stock, b),
           sale->options->workers);
    printf("refusals        %8s   sold out\n", demo_number(figures->refused[0], a));
    if (figures->refused[1] > 0)
        printf("                %8s   for another reason\n", demo_number(figures->refused[1], a));
    printf("claims/s        %8s   %s answers in %.2f s\n",
           demo_number((uint64_t)figures->per_second, a), demo_number(sale->answered, b),
           figures->seconds);
    printf("p50 / p99       %5.1f / %.1f ms\n", figures->p50_ms, figures->p99_ms);
    printf("kills           %8" PRIu64, sale->kills);
    if (sale->kills > 0)
        printf(
            "   with SIGKILL; %s claims asked again with the same ids, %s of them had been granted",
            demo_number(sale->asked_again, a), demo_number(sale->settled, b));
    puts("");
    printf("leader changes  %8" PRIu64 "\n", sale->leader_changes);
    printf("answers         %8s   %s in the ledger as they were answered\n",
           verdict->answers_true ? "true" : "FALSE", demo_number(verdict->comparison.found, a));
    printf("audit           %8s   %s issued", verdict->audit->fault_count == 0 ? "clean" : "FAULTS",
           demo_number(verdict->audit->issued, a));
    printf(", exactly %s expected\n", demo_number(sale->expected, a));
    for (size_t i = 0; i < verdict->audit->fault_count; i++) {
        char *fault = cli_escape_text(verdict->audit->faults[i]);
        printf("fault: %s\n", fault);
        free(fault);
    }
}

static bool print_json(const struct demo_sale *sale, const struct verdict *verdict)
{
    const struct figures *figures = &verdict->figures;
    json_t *faults = json_array();

    for (size_t i = 0; i < verdict->audit->fault_count; i++)
        json_array_append_new(
            faults, cli_json_text(verdict->audit->faults[i], strlen(verdict->audit->faults[i])));
    json_t *line = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, "
                             "s:I, s:I, s:I, s:b, s:b, s:o}",
                             "users",
                             (json_int_t)sale->options->users,                                    //
                             "stock", (json_int_t)sale->options->stock,                           //
                             "workers", (json_int_t)sale->options->workers,                       //
                             "claims", (json_int_t)sale->granted,                                 //
                             "refusals", (json_int_t)(figures->refused[0] + figures->refused[1]), //
                             "sold_out", (json_int_t)figures->refused[0],                         //
                             "issued", (json_int_t)verdict->audit->issued,                        //
                             "seconds", figures->seconds,                                         //
                             "claims_per_second", figures->per_second,                            //
                             "p50_ms", figures->p50_ms,                                           //
                             "p99_ms", figures->p99_ms,                                           //
                             "kills", (json_int_t)sale->kills,                                    //
                             "asked_again", (json_int_t)sale->asked_again,                        //
                             "settled", (json_int_t)sale->settled,                                //
                             "retried", (json_int_t)sale->retried,                                //
                             "leader_changes", (json_int_t)sale->leader_changes,                  //
                             "answers_true", (int)verdict->answers_true,                          //
                             "clean", (int)is_clean(verdict),                                     //
                             "faults", faults);
    return cli_json_print(sale->cli, line);
}

static int announce(struct demo_sale *sale, const struct verdict *verdict)
{
    const lk_audit *audit = verdict->audit;

    if (!sale->cli->json)
        print_table(sale, verdict);
    else if (!print_json(sale, verdict))
        return sale->cli->code;
    if (is_clean(verdict))
        return EXIT_DONE;
    if (audit->fault_count > 0)
        return cli_refuse(sale->cli, EXIT_AUDIT, "the audit found %zu faults; please report this",
                          audit->fault_count);
    if (!verdict->issued_right)
        return cli_refuse(sale->cli, EXIT_AUDIT,
                          "%" PRIu64 " coupons are issued, not %" PRIu64 "; please report this",
                          audit->issued, sale->expected);
    return cli_refuse(sale->cli, EXIT_AUDIT,
                      "%" PRIu64 " coupons that nobody was told of, %" PRIu64
                      " answers changed when asked again; please report this",
                      verdict->comparison.alien, sale->contradicted);
}

int demo_report(struct demo_sale *sale, struct desk *desk)
{
    struct verdict verdict = { .comparison = { .sale = sale }, .figures = count_figures(sale) };
    lk_audit *audit;

    int status = lk_ledger_audit(desk->ledger, desk_long_deadline(sale->cli), &audit);
    if (status != LK_OK)
        return cli_fail(sale->cli, status, "audit of %s", sale->campaign);
    verdict.audit = audit;
    status = lk_account_each(desk->ledger, compare_account, &verdict.comparison,
                             desk_long_deadline(sale->cli));
    verdict.issued_right = audit->issued == sale->expected;
    verdict.answers_true = verdict.comparison.alien == 0
                           && verdict.comparison.found == sale->granted && sale->contradicted == 0;
    int code = status == LK_OK ? announce(sale, &verdict)
                               : cli_fail(sale->cli, status, "%s", sale->campaign);
    lk_audit_free(audit);
    return code;
}
