/* sweep.c - lk_ledger_sweep(): writes down what time has done, in all accounts, whoever looks or not.
 *
 *   a page of accounts -> those in which something ran out -> one multi or more:
 *   check(seal), set(account, version)...
 *
 * Only what time has done is written, so nothing is decided here that an operation on the account
 * would not write as well. Whoever writes an account between our look and our write has the better
 * version, and wrote this along with it: then we look again, and find that nothing is left to do or
 * something else. So sweeps may run beside traffic and beside each other, and what was written by
 * one is counted by that one alone. */
#include <stdlib.h>
#include <string.h>

#include "ledger/rotate.h"
#include "ledger/task.h"

/* An account in which something ran out. */
struct overdue {
    char user[LK_USER_MAX + 1];
    char *path;
    struct record_out record; /* with what time has done */
    int32_t version;
    uint64_t unfrozen, voided;
};

struct sweep {
    struct lk_ledger *ledger;
    struct task task;
    struct survey survey;
    struct pages pages;
    int64_t deadline_ns, now_ms;
    struct overdue overdue[PAGE_SIZE];
    size_t count;
    int unreadable;        /* the first status of a record that could not be read */
    bool is_seal_missing;  /* at the last write; */
    uint64_t missing_seal; /* this one */
    lk_sweep found;
};

static void overdue_clear(struct overdue *overdue)
{
    free(overdue->path);
    record_free(&overdue->record);
    *overdue = (struct overdue){ 0 };
}

static void sweep_clear(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->count; i++)
        overdue_clear(&sweep->overdue[i]);
    sweep->count = 0;
}

static void sweep_free(struct sweep *sweep)
{
    sweep_clear(sweep);
    task_clear(&sweep->task);
    pages_close(&sweep->pages);
    survey_free(&sweep->survey);
}

static int sweep_look_at_clock(struct sweep *sweep)
{
    int status = client_enter(sweep->ledger->client);
    if (status != LK_OK)
        return status;
    sweep->now_ms = ledger_now_ms(sweep->ledger);
    client_leave(sweep->ledger->client);
    return LK_OK;
}

/* ---- one account ---- */

static void sweep_see_next(struct sweep *sweep, int64_t at_ms)
{
    if (at_ms > sweep->now_ms && (!sweep->found.next_ms || at_ms < sweep->found.next_ms))
        sweep->found.next_ms = at_ms;
}

static void overdue_count(struct overdue *overdue, struct sweep *sweep,
                          const struct account *account)
{
    const struct campaign *campaign = &sweep->survey.campaign;

    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        lk_coupon_state state = coupon_state_at(coupon, campaign, sweep->now_ms);
        /* Both, of a freeze that outlived the campaign. */
        overdue->unfrozen += coupon->state == LK_FROZEN && state != LK_FROZEN;
        overdue->voided += coupon->state != LK_VOID && state == LK_VOID;
        if (state == LK_FROZEN)
            sweep_see_next(sweep, coupon->until_ms);
        else if (state == LK_CLAIMED)
            sweep_see_next(sweep, campaign->rules.ends_ms);
    }
}

/* Fills in all but the path; counts are 0 where nothing ran out. */
static int overdue_judge(struct overdue *overdue, struct sweep *sweep, const struct answer *answer)
{
    struct account account = { 0 };

    overdue->unfrozen = overdue->voided = 0;
    overdue->version = answer->stat.version;
    int status = answer_status(answer);
    if (status == LK_OK)
        status = account_decode(&account, answer->data, answer->data_size, overdue->user,
                                strlen(overdue->user));
    if (status == LK_OK) {
        overdue_count(overdue, sweep, &account);
        /* Its version can't bind a write any more; an operation on it is refused as well. */
        bool due = overdue->unfrozen + overdue->voided > 0;
        if (due && (overdue->version < 0 || overdue->version > VERSION_MAX))
            status = LK_E_ACCOUNT_FULL;
    }
    if (status == LK_OK && overdue->unfrozen + overdue->voided > 0) {
        account.zxid = answer->stat.mzxid;
        status = account_settle(&account, &sweep->survey.campaign, sweep->now_ms);
        if (status == LK_OK)
            status = account_encode(&account, &overdue->record);
    }
    account_free(&account);
    return status;
}

/* Keeps it at the end of the list, if there is something to write. */
static int sweep_keep(struct sweep *sweep, struct overdue *overdue, const struct answer *answer)
{
    if (answer->rc == KEEPER_NO_NODE)
        overdue->unfrozen = overdue->voided = 0;
    int status = answer->rc == KEEPER_NO_NODE ? LK_OK : overdue_judge(overdue, sweep, answer);
    bool due = status == LK_OK && overdue->unfrozen + overdue->voided > 0;

    if (due && !overdue->path)
        overdue->path = name_account(sweep->ledger->path, overdue->user);
    if (due && overdue->path) {
        sweep->overdue[sweep->count++] = *overdue;
        *overdue = (struct overdue){ 0 };
        return LK_OK;
    }
    overdue_clear(overdue);
    if (status == LK_E_NOMEM || due)
        return LK_E_NOMEM;
    if (status != LK_OK && sweep->unreadable == LK_OK)
        sweep->unreadable = status;
    return LK_OK;
}

/* ---- what is written ---- */

/* The campaign has another seal now; or, where that was looked for already, none. */
static int sweep_miss_seal(struct sweep *sweep)
{
    uint64_t seal = sweep->survey.campaign.seal;
    bool again = sweep->is_seal_missing && sweep->missing_seal == seal;

    sweep->is_seal_missing = true;
    sweep->missing_seal = seal;
    return again ? LK_E_CORRUPT : LK_E_VERSION;
}

/* As many from the front as go into one multi. LK_E_VERSION: somebody else wrote there, look again.
 * So too after a lost reply: what that one wrote is counted nowhere. */
static int sweep_write(struct sweep *sweep, size_t *out_written)
{
    struct lk_ledger *ledger = sweep->ledger;
    struct keeper_request operations[1 + PAGE_SIZE];
    char *seal = name_seal(ledger->path, sweep->survey.campaign.seal);
    size_t count = 0, size = 0;

    operations[0] = check_there(seal);
    for (; count < sweep->count; count++) {
        const struct overdue *overdue = &sweep->overdue[count];
        size += overdue->record.size;
        if (count > 0 && size > COMMIT_SIZE_MAX)
            break;
        /* Near the end of its versions too: see rotate.h. */
        operations[1 + count] = set_of(overdue->path, &overdue->record, overdue->version);
    }
    const struct keeper_request multi = multi_of(ledger->path, operations, 1 + count);
    int status = seal ? task_fly(&sweep->task, ledger, &multi, 1, sweep->deadline_ns) : LK_E_NOMEM;
    free(seal);
    if (status != LK_OK)
        return status;
    const struct answer *answer = &sweep->task.flight.answers[0];
    *out_written = count;
    if (answer->rc == KEEPER_NO_NODE && answer_culprit(answer) == 0)
        return sweep_miss_seal(sweep);
    if (answer->rc == KEEPER_BAD_VERSION || answer->rc == KEEPER_NO_NODE || answer_is_lost(answer))
        return LK_E_VERSION;
    return answer_status(answer);
}

static void sweep_count(struct sweep *sweep, size_t written)
{
    for (size_t i = 0; i < written; i++) {
        sweep->found.unfrozen += sweep->overdue[i].unfrozen;
        sweep->found.voided += sweep->overdue[i].voided;
        overdue_clear(&sweep->overdue[i]);
    }
    sweep->count -= written;
    memmove(sweep->overdue, sweep->overdue + written, sweep->count * sizeof(*sweep->overdue));
}

/* The campaign in force: it may have a new seal. LK_E_NOT_FOUND: it is gone. */
static int sweep_enter(struct sweep *sweep, const struct answer *record)
{
    struct campaign campaign = { 0 };

    int status = campaign_read(&campaign, record);
    if (status == LK_OK && record->stat.czxid != sweep->survey.czxid)
        status = LK_E_NOT_FOUND;
    if (status != LK_OK) {
        campaign_free(&campaign);
        return status;
    }
    campaign_free(&sweep->survey.campaign);
    sweep->survey.campaign = campaign;
    return LK_OK;
}

/* Reads the accounts in the list once more, and the campaign's record behind them: then they are of
 * the campaign that is meant. */
static int sweep_look_again(struct sweep *sweep)
{
    struct keeper_request requests[PAGE_SIZE + 2] = { 0 };
    size_t count = sweep->count;

    requests[0] = barrier;
    for (size_t i = 0; i < count; i++)
        requests[1 + i] = (struct keeper_request){ .verb = KEEPER_GET,
                                                   .path = sweep->overdue[i].path };
    requests[1 + count] = (struct keeper_request){ .verb = KEEPER_GET,
                                                   .path = sweep->ledger->path };
    int status = task_look(&sweep->task, sweep->ledger, requests, count + 2, sweep->deadline_ns);
    if (status == LK_OK)
        status = sweep_enter(sweep, &sweep->task.flight.answers[1 + count]);
    if (status == LK_OK)
        status = sweep_look_at_clock(sweep);
    if (status != LK_OK)
        return status;
    sweep->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct overdue overdue = sweep->overdue[i];
        sweep->overdue[i] = (struct overdue){ 0 };
        record_free(&overdue.record);
        if (status == LK_OK)
            status = sweep_keep(sweep, &overdue, &sweep->task.flight.answers[1 + i]);
        else
            overdue_clear(&overdue);
    }
    return status;
}

static int sweep_write_all(struct sweep *sweep)
{
    int status = LK_OK;

    while (status == LK_OK && sweep->count > 0) {
        size_t written = 0;
        status = sweep_write(sweep, &written);
        if (status == LK_OK)
            sweep_count(sweep, written);
        else if (status == LK_E_VERSION)
            status = sweep_look_again(sweep);
    }
    return status;
}

/* ---- page after page ---- */

static int sweep_page(struct sweep *sweep)
{
    const struct pages *pages = &sweep->pages;

    int status = sweep_look_at_clock(sweep);
    for (size_t i = 0; i < pages->count && status == LK_OK; i++) {
        struct overdue overdue = { 0 };
        if (!user_decode(page_name(pages, i), overdue.user, sizeof(overdue.user))) {
            if (sweep->unreadable == LK_OK)
                sweep->unreadable = LK_E_FOREIGN;
            continue;
        }
        sweep->found.accounts++;
        status = sweep_keep(sweep, &overdue, &pages->answers[i]);
    }
    if (status == LK_OK)
        status = sweep_write_all(sweep);
    sweep_clear(sweep);
    return status;
}

static int sweep_run(struct sweep *sweep, lk_progress_fn *progress, void *arg)
{
    int answered = 0;

    int status = survey_make(&sweep->survey, sweep->ledger, sweep->deadline_ns);
    if (status == LK_OK)
        status = pages_open(&sweep->pages, sweep->ledger, sweep->survey.czxid, sweep->deadline_ns);
    while (status == LK_OK && answered == 0) {
        status = pages_next(&sweep->pages, sweep->deadline_ns);
        if (status != LK_OK || sweep->pages.count == 0)
            break;
        status = sweep_page(sweep);
        if (status == LK_OK && progress)
            answered = progress(sweep->pages.bucket_at, sweep->pages.buckets.count, arg);
    }
    if (status == LK_OK)
        status = sweep_look_at_clock(sweep);
    sweep->found.server_ms = sweep->now_ms;
    if (status != LK_OK)
        return status;
    return answered != 0 ? answered : sweep->unreadable;
}

int lk_ledger_sweep(lk_ledger *ledger, lk_progress_fn *progress, void *arg, int64_t deadline_ns,
                    lk_sweep *out)
{
    if (!ledger || !out)
        return LK_E_INVALID;
    /* Too large for the stack of a small thread. */
    struct sweep *sweep = calloc(1, sizeof(*sweep));
    if (!sweep)
        return LK_E_NOMEM;
    sweep->ledger = ledger;
    sweep->deadline_ns = deadline_ns;
    int status = sweep_run(sweep, progress, arg);
    if (status == LK_OK)
        *out = sweep->found;
    sweep_free(sweep);
    free(sweep);
    return status;
}
