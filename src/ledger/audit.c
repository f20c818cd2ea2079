/* audit.c - lk_ledger_audit(): waits for a picture of all shards, reads the accounts, the shards
 * again, and lets count.c do the sums. Begins anew when the campaign was deleted and made anew
 * meanwhile. */
#include "ledger/audit.h"

#include <stdlib.h>

#include "ledger/task.h"

#define PAUSE_NS INT64_C(10000000) /* doubled up to a second */
#define PAUSE_MAX_NS INT64_C(1000000000)

const char *lk_fault_kind_name(lk_fault_kind kind)
{
    static const char *const names[] = {
        [LK_FAULT_LOST] = "lost",     [LK_FAULT_TWICE] = "twice", [LK_FAULT_ONCE] = "once",
        [LK_FAULT_DOUBLE] = "double", [LK_FAULT_STOCK] = "stock", [LK_FAULT_MINTED] = "minted",
        [LK_FAULT_LIMIT] = "limit",   [LK_FAULT_STATE] = "state", [LK_FAULT_ID] = "id",
        [LK_FAULT_TIME] = "time",     [LK_FAULT_PLACE] = "place", [LK_FAULT_RECORD] = "record",
        [LK_FAULT_MORE] = "more",
    };
    return kind >= LK_FAULT_LOST && kind <= LK_FAULT_MORE ? names[kind] : "unknown";
}

/* ---- what is given out ---- */

static void audit_sums(const struct audit *audit, lk_audit *shown)
{
    for (size_t i = 0; i < audit->view.shelves.count; i++) {
        if (audit->view.shelves.status[i] != LK_OK)
            continue;
        shown->stocked += audit->view.shelves.shards[i].stocked;
        shown->available += shard_available(&audit->view.shelves.shards[i]);
    }
    shown->issued = shown->stocked > shown->available ? shown->stocked - shown->available : 0;
    shown->claimed = audit->claimed;
    shown->frozen = audit->frozen;
    shown->redeemed = audit->redeemed;
    shown->voided = audit->voided;
    shown->ran_out = audit->ran_out;
    shown->accounts = audit->accounts;
    shown->zxid = audit->view.zxid;
}

/* The faults change hands. */
static int audit_show(struct audit *audit, const struct survey *survey, lk_audit **out)
{
    size_t count = audit->fault_count;
    struct audit_public *public = calloc(1, sizeof(*public));

    if (!public)
        return LK_E_NOMEM;
    lk_audit *shown = &public->shown;
    public->lines = calloc(count + 1, sizeof(*public->lines));
    public->details = calloc(count + 1, sizeof(*public->details));
    if (!public->lines || !public->details) {
        lk_audit_free(shown);
        return LK_E_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct audit_fault *fault = &audit->faults[i];
        public->lines[i] = fault->line;
        public->details[i] = (lk_fault){ fault->kind, fault->coupon, fault->count,
                                         fault->user ? fault->user : "" };
    }
    audit_sums(audit, shown);
    public->faults = audit->faults;
    public->unread = audit->unread;
    public->czxid = survey->czxid;
    public->version = survey->version;
    shown->fault_count = count;
    shown->faults = public->lines;
    shown->details = public->details;
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
    for (size_t i = 0; i < shown->fault_count; i++) {
        free(public->faults[i].user);
        free(public->faults[i].line);
    }
    free(public->faults);
    free(public->lines);
    free(public->details);
    free(public);
    return NULL;
}

/* ---- reading ---- */

static void pause_begins(struct task *task)
{
    (void)task;
}

/* Until the deadline of a request that asks for nothing. */
static int audit_pause(lk_ledger *ledger, int64_t pause_ns, int64_t deadline_ns)
{
    struct task task = { 0 };
    int64_t until_ns = lk_now_ns() + pause_ns;

    if (until_ns >= deadline_ns)
        return LK_E_DEADLINE;
    int status = task_run(&task, ledger, until_ns, pause_begins);
    return status == LK_E_DEADLINE || status == LK_E_NO_SERVER ? LK_OK : status;
}

/* All shards at one moment. Where claims never pause for so long, those of all clients together, there
 * is none; then as long as the deadline allows. */
static int audit_picture(struct survey *survey, lk_ledger *ledger, int64_t deadline_ns)
{
    int64_t pause_ns = PAUSE_NS;

    for (;;) {
        int status = survey_make(survey, ledger, deadline_ns);
        if (status != LK_OK || survey->is_picture)
            return status;
        survey_free(survey);
        status = audit_pause(ledger, pause_ns, deadline_ns);
        if (status != LK_OK)
            return status;
        pause_ns = pause_ns * 2 < PAUSE_MAX_NS ? pause_ns * 2 : PAUSE_MAX_NS;
    }
}

static int audit_accounts(struct audit *audit, lk_ledger *ledger, int64_t czxid,
                          int64_t deadline_ns,
                          void (*see)(struct audit *audit, const struct audit_znode *znode))
{
    __attribute__((cleanup(pages_close))) struct pages pages = { 0 };
    int status = pages_open(&pages, ledger, czxid, deadline_ns);

    while (status == LK_OK) {
        status = pages_next(&pages, deadline_ns);
        if (status != LK_OK || pages.count == 0)
            break;
        for (size_t i = 0; i < pages.count; i++) {
            const struct answer *answer = &pages.answers[i];
            /* Accounts are never deleted but with their campaign: then the second look at the
             * shards says so. */
            if (answer->rc != KEEPER_NO_NODE)
                see(audit, &(struct audit_znode){
                               .bucket = page_bucket(&pages, i),
                               .name = page_name(&pages, i),
                               .status = answer_status(answer),
                               .data = answer->data,
                               .size = answer->data_size,
                               .zxid = answer->stat.mzxid,
                               .version = answer->stat.version,
                           });
        }
    }
    return status;
}

static struct shelf_view shelves_of(const struct survey *survey)
{
    return (struct shelf_view){ survey->shards, survey->shard_status,
                                survey->campaign.rules.shards };
}

/* LK_E_EXISTS: another campaign was made at the path meanwhile. */
static int audit_once(lk_ledger *ledger, int64_t deadline_ns, lk_audit **out)
{
    __attribute__((cleanup(survey_free))) struct survey picture = { 0 }, after = { 0 };
    __attribute__((cleanup(audit_free))) struct audit audit = { 0 };

    int status = audit_picture(&picture, ledger, deadline_ns);
    if (status != LK_OK)
        return status;
    audit_begin(&audit, (struct audit_view){ .campaign = &picture.campaign,
                                             .now_ms = picture.now_ms,
                                             .zxid = picture.picture_zxid,
                                             .shelves = shelves_of(&picture) });
    status = audit_accounts(&audit, ledger, picture.czxid, deadline_ns, audit_account);
    /* Not found: it is gone, and this look says whether another stands there. */
    int looked = status;
    if (status == LK_OK || status == LK_E_NOT_FOUND)
        looked = survey_make(&after, ledger, deadline_ns);
    if (looked != LK_OK)
        return looked;
    if (status == LK_E_NOT_FOUND || after.czxid != picture.czxid)
        return LK_E_EXISTS;
    audit_end(&audit, shelves_of(&after));
    if (audit_has_suspects(&audit))
        status = audit_accounts(&audit, ledger, picture.czxid, deadline_ns, audit_name);
    if (status != LK_OK)
        return status == LK_E_NOT_FOUND ? LK_E_EXISTS : status;
    audit_finish(&audit);
    return audit.no_memory ? LK_E_NOMEM : audit_show(&audit, &picture, out);
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
