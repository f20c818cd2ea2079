/* ledger_repair.c - see ledger_repair.h. */
#include "ledger_repair.h"

#include <string.h>

bool is_clean(const lk_audit *audit)
{
    for (size_t i = 0; i < audit->fault_count; i++)
        live_tell("fault: %s", audit->faults[i]);
    return audit->fault_count == 0
           && audit->issued == audit->claimed + audit->frozen + audit->redeemed + audit->voided;
}

void note_step(const lk_repair_step *step, void *arg)
{
    struct steps *steps = arg;

    live_tell("%s: %s: %s", steps->audit->faults[step->fault], step->proposal,
              lk_status_name(step->status));
    if (step->status == LK_OK)
        steps->told[steps->audit->details[step->fault].kind] = true;
    steps->ok += step->status == LK_OK;
    steps->by_a_person += step->status == LK_E_STATE;
    steps->stale += step->status == LK_E_VERSION;
    steps->unknown += step->status == LK_E_UNKNOWN;
}

struct steps repair(lk_ledger *shop, const lk_audit *audit, bool write, int expected)
{
    struct steps steps = { .audit = audit };

    assert_status(lk_ledger_repair(shop, audit, write, note_step, &steps, patience()), expected);
    return steps;
}

lk_audit *audit_of(lk_ledger *shop)
{
    lk_audit *audit;

    assert_status(lk_ledger_audit(shop, patience(), &audit), LK_OK);
    for (size_t i = 0; i < audit->fault_count; i++) {
        const char *kind = lk_fault_kind_name(audit->details[i].kind);
        live_tell("fault: %s", audit->faults[i]);
        assert_memory_equal(audit->faults[i], kind, strlen(kind));
    }
    return audit;
}
