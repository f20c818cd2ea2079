/* ledger_repair.h - audits and repairs, told in a test's story. */
#ifndef LEDGER_REPAIR_H
#define LEDGER_REPAIR_H

#include "ledger_shop.h"

enum { RECORD_SIZE_MAX = 64 * 1024 }; /* of one that a test changes by hand */

/* Each of its faults is told, by the name of its kind; for lk_audit_free(). */
lk_audit *audit_of(lk_ledger *shop);
bool is_clean(const lk_audit *audit);

/* What a repair told. */
struct steps {
    const lk_audit *audit;
    size_t ok, by_a_person, stale, unknown;
    bool told[LK_FAULT_MORE + 1]; /* faults of that kind could be, or were, repaired */
};
void note_step(const lk_repair_step *step, void *steps);
struct steps repair(lk_ledger *shop, const lk_audit *audit, bool write, int expected);

#endif
