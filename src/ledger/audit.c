/* audit.c - lk_ledger_audit(): reads shards, accounts, shards again, and lets count.c do the sums.
 * Begins anew when the campaign was deleted and made anew meanwhile. */
#include "ledger/audit.h"

#include <stdlib.h>

#include "ledger/task.h"

struct audit_public {
    lk_audit shown;
    char **faults;
};

static int audit_show(struct audit *audit, lk_audit **out)
{
    struct audit_public *public = calloc(1, sizeof(*public));
    if (!public)
        return LK_E_NOMEM;
    lk_audit *shown = &public->shown;
    for (size_t i = 0; i < audit->campaign->rules.shards; i++) {
        if (audit->before_status[i] != LK_OK)
            continue;
        shown->stocked += audit->before[i].stocked;
        shown->available += shard_available(&audit->before[i]);
    }
    shown->issued = shown->stocked - shown->available;
    shown->claimed = audit->claimed;
    shown->frozen = audit->frozen;
    shown->redeemed = audit->redeemed;
    shown->voided = audit->voided;
    shown->ran_out = audit->ran_out;
    shown->accounts = audit->accounts;
    shown->fault_count = audit->fault_count;
    /* The lines change hands. */
    public->faults = audit->faults;
    shown->faults = (const char *const *)public->faults;
    audit->faults = NULL;
    audit->fault_count = 0;
    *out = shown;
    return LK_OK;
}

lk_audit *lk_audit_free(lk_audit *shown)
{
    if (!shown)
        return NULL;
    struct audit_public *public = container_of(shown, struct audit_public, shown);
    for (size_t i = 0; i < shown->fault_count; i++)
        free(public->faults[i]);
    free(public->faults);
    free(public);
    return NULL;
}

static int audit_accounts(struct audit *audit, struct pages *pages, int64_t deadline_ns)
{
    for (;;) {
        int status = pages_next(pages, deadline_ns);
        if (status != LK_OK || pages->count == 0)
            return status;
        for (size_t i = 0; i < pages->count; i++) {
            const struct answer *answer = &pages->answers[i];
            /* Accounts are never deleted but with their campaign: then the second look at the
             * shards says so. */
            if (answer->rc != KEEPER_NO_NODE)
                audit_account(audit, pages->buckets[pages->bucket_at - 1],
                              pages->names[pages->first + i], answer_status(answer), answer->data,
                              answer->data_size);
        }
    }
}

/* LK_E_EXISTS: another campaign was made at the path meanwhile. */
static int audit_once(lk_ledger *ledger, int64_t deadline_ns, lk_audit **out)
{
    __attribute__((cleanup(survey_free))) struct survey before = { 0 }, after = { 0 };
    __attribute__((cleanup(pages_close))) struct pages pages = { 0 };
    __attribute__((cleanup(audit_free))) struct audit audit = { 0 };

    int status = survey_make(&before, ledger, deadline_ns);
    if (status != LK_OK)
        return status;
    audit_begin(&audit, &before.campaign, before.now_ms, before.shards, before.shard_status);
    status = pages_open(&pages, ledger, before.czxid, deadline_ns);
    if (status == LK_OK)
        status = audit_accounts(&audit, &pages, deadline_ns);
    /* Not found: it is gone, and this look says whether another stands there. */
    int looked = status;
    if (status == LK_OK || status == LK_E_NOT_FOUND)
        looked = survey_make(&after, ledger, deadline_ns);
    if (looked != LK_OK)
        return looked;
    if (status == LK_E_NOT_FOUND || after.czxid != before.czxid)
        return LK_E_EXISTS;
    audit_end(&audit, after.shards, after.shard_status);
    return audit.no_memory ? LK_E_NOMEM : audit_show(&audit, out);
}

int lk_ledger_audit(lk_ledger *ledger, int64_t deadline_ns, lk_audit **out)
{
    int status;

    if (!ledger || !out)
        return LK_E_INVALID;
    do
        status = audit_once(ledger, deadline_ns, out);
    while (status == LK_E_EXISTS);
    return status;
}
