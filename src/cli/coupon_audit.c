/* coupon_audit.c - audit: recount everything, name what is wrong, and repair what a program may. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/coupon.h"

/* One fault, for programs. */
static json_t *fault_json(const lk_fault *fault)
{
    char coupon[LK_COUPON_TEXT_SIZE];

    json_t *line = json_pack("{s:s}", "kind", lk_fault_kind_name(fault->kind));
    if (line && fault->count > 0) {
        json_object_set_new(line, "coupon", json_string(lk_coupon_text(fault->coupon, coupon)));
        json_object_set_new(line, "count", json_integer((json_int_t)fault->count));
    }
    if (line && fault->user[0] != '\0')
        json_object_set_new(line, "user", cli_json_text(fault->user, strlen(fault->user)));
    return line;
}

static int print_audit_json(struct cli *cli, const lk_audit *audit)
{
    json_t *faults = json_array(), *details = json_array();

    for (size_t i = 0; i < audit->fault_count; i++) {
        json_array_append_new(faults, cli_json_text(audit->faults[i], strlen(audit->faults[i])));
        json_array_append_new(details, fault_json(&audit->details[i]));
    }
    json_t *line = json_pack(
        "{s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", //
        "campaign", cli_json_text(cli->words[0], strlen(cli->words[0])),          //
        "clean", (int)(audit->fault_count == 0),                                  //
        "stocked", (json_int_t)audit->stocked,                                    //
        "available", (json_int_t)audit->available,                                //
        "issued", (json_int_t)audit->issued,                                      //
        "claimed", (json_int_t)audit->claimed,                                    //
        "frozen", (json_int_t)audit->frozen,                                      //
        "redeemed", (json_int_t)audit->redeemed,                                  //
        "void", (json_int_t)audit->voided,                                        //
        "ran_out", (json_int_t)audit->ran_out,                                    //
        "accounts", (json_int_t)audit->accounts,                                  //
        "zxid", (json_int_t)audit->zxid,                                          //
        "faults", faults, "details", details);
    return cli_json_print(cli, line) ? EXIT_DONE : cli->code;
}

static int print_audit(struct cli *cli, const lk_audit *audit)
{
    if (cli->json)
        return print_audit_json(cli, audit);
    printf("stocked    %12" PRIu64 "\n", audit->stocked);
    printf("available  %12" PRIu64 "\n", audit->available);
    printf("issued     %12" PRIu64 "\n", audit->issued);
    printf("  claimed  %12" PRIu64 "\n", audit->claimed);
    printf("  frozen   %12" PRIu64, audit->frozen);
    if (audit->ran_out > 0)
        printf("   %" PRIu64 " of them run out, not yet written", audit->ran_out);
    printf("\n  redeemed %12" PRIu64 "\n", audit->redeemed);
    printf("  void     %12" PRIu64 "\n", audit->voided);
    printf("accounts   %12" PRIu64 "\n", audit->accounts);
    for (size_t i = 0; i < audit->fault_count; i++) {
        char *fault = cli_escape_text(audit->faults[i]);
        printf("fault: %s\n", fault);
        free(fault);
    }
    puts(audit->fault_count == 0 ? "clean" : "NOT clean");
    return EXIT_DONE;
}

/* ---- repair ---- */

struct repairing {
    struct cli *cli;
    const lk_audit *audit;
    bool write;
    size_t left; /* faults that stay */
};

static const char *outcome_of(const struct repairing *repairing, int status)
{
    if (status == LK_OK)
        return repairing->write ? "done" : "proposed";
    if (status == LK_E_STATE)
        return "by a person";
    return status == LK_E_UNKNOWN ? "perhaps done" : "not done";
}

static void print_step(const lk_repair_step *step, void *arg)
{
    struct repairing *repairing = arg;
    struct cli *cli = repairing->cli;
    const char *outcome = outcome_of(repairing, step->status);
    bool refused = step->status != LK_OK && step->status != LK_E_STATE;

    repairing->left += !repairing->write || step->status != LK_OK;
    if (cli->json) {
        json_t *line = json_pack("{s:s, s:s, s:o, s:o}", "repair", outcome, "kind",
                                 lk_fault_kind_name(repairing->audit->details[step->fault].kind),
                                 "fault",
                                 cli_json_text(repairing->audit->faults[step->fault],
                                               strlen(repairing->audit->faults[step->fault])),
                                 "proposal", cli_json_text(step->proposal, strlen(step->proposal)));
        if (line && refused)
            json_object_set_new(line, "why", json_string(lk_status_text(step->status)));
        cli_json_print(cli, line);
        return;
    }
    char *proposal = cli_escape_text(step->proposal);
    printf("repair: %zu: %s: %s%s%s\n", step->fault + 1, outcome, proposal, refused ? ": " : "",
           refused ? lk_status_text(step->status) : "");
    free(proposal);
}

/* ---- the verb ---- */

/* 2 also when all was repaired: who runs it from a timer should hear of it. */
static int tell_faults(struct cli *cli, const lk_audit *audit, const struct repairing *repairing)
{
    if (repairing->write && repairing->left == 0)
        return cli_refuse(cli, EXIT_AUDIT, "%s: %zu faults, repaired; audit again", cli->words[0],
                          audit->fault_count);
    return cli_refuse(cli, EXIT_AUDIT,
                      "%s: %zu faults, the first: %s; stop who writes there and keep the data",
                      cli->words[0], audit->fault_count, audit->faults[0]);
}

static int audit_and_repair(struct cli *cli, struct desk *desk, const lk_audit *audit, bool repair,
                            bool write)
{
    struct repairing repairing = { .cli = cli, .audit = audit, .write = write };

    int code = print_audit(cli, audit);
    if (code != EXIT_DONE || audit->fault_count == 0)
        return code;
    if (repair) {
        int status = lk_ledger_repair(desk->ledger, audit, write, print_step, &repairing,
                                      desk_long_deadline(cli));
        if (status == LK_E_UNKNOWN) /* no id settles it, but the next count */
            return cli_refuse(cli, EXIT_UNKNOWN,
                              "repair of %s: a reply was lost, the step told last may have been "
                              "done; audit again",
                              cli->words[0]);
        if (status != LK_OK)
            return cli_fail(cli, status, "repair of %s", cli->words[0]);
    }
    return tell_faults(cli, audit, &repairing);
}

static int run_audit(struct cli *cli, int argc, char **argv)
{
    bool repair = false, yes = false;
    const struct cli_option options[] = {
        { .kind = CLI_FLAG, .name = "repair", .value = &repair },
        { .kind = CLI_FLAG, .name = "yes", .value = &yes },
        { 0 },
    };
    lk_audit *audit;

    DESK desk = { 0 };
    if (!cli_parse(cli, options, 1, 1, argc, argv))
        return cli->code;
    if (yes && !repair)
        return cli_usage(cli, "--yes goes with --repair");
    if (!desk_open(cli, cli->words[0], &desk))
        return cli->code;
    int status = lk_ledger_audit(desk.ledger, desk_long_deadline(cli), &audit);
    if (status != LK_OK)
        return cli_fail(cli, status, "%s", cli->words[0]);
    int code = audit_and_repair(cli, &desk, audit, repair, yes);
    lk_audit_free(audit);
    return code;
}

const struct verb coupon_audit = {
    .name = "coupon audit",
    .summary = "recount everything",
    .help = "usage: latchkey coupon audit CAMPAIGN [--repair [--yes]]\n"
            "\n"
            "Recounts every coupon, while traffic runs, and names what is wrong: nothing oversold, "
            "nothing lost,\n"
            "nothing twice, nobody above the limit.\n"
            "\n"
            "  --repair  say for each fault what would mend it, and what a person must decide\n"
            "  --yes     and do it, but for what has changed since the count\n"
            "\n"
            "exit: 0 clean, 2 a fault was found, repaired or not.\n",
    .run = run_audit,
};
