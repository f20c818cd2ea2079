/* repair.c - lk_ledger_repair(): what an audit found, put in order, one fault a commit.
 *
 * Nothing is done on an old picture. Each commit sets the campaign's record, unchanged, where it has
 * the version that the audit saw: so of two repairs by one audit the second finds another version,
 * and so does one after stock was added or the campaign closed or grown. Besides, an account must
 * have the version that the audit saw. Shards are written all the time, so they are read anew and
 * bound to what was read; the coupon must stand in them as the audit saw it. A coupon that is lost
 * can't have been found meanwhile, since nothing brings one back but a repair. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/audit.h"
#include "ledger/restock.h"
#include "ledger/task.h"

enum remedy { BY_A_PERSON, TO_STOCK, OUT_OF_STOCK, ONCE_IN_STOCK, TO_VOID };

struct repair {
    struct lk_ledger *ledger;
    int64_t deadline_ns;
    const struct audit_public *audit;
    struct survey survey;
    struct task task;
    int32_t
        version; /* of the campaign's record: as the audit saw it, or as our last step left it */
    int32_t *versions; /* of each fault's account, likewise */
    char *seal;
    /* As read for this step. */
    struct shard shards[LK_SHARDS_MAX];
    int32_t shard_versions[LK_SHARDS_MAX];
    bool touched[LK_SHARDS_MAX];
};

/* ---- proposals ---- */

static enum remedy remedy_of(const struct audit_public *audit, const struct audit_fault *fault)
{
    switch (fault->kind) {
    case LK_FAULT_LOST:
        return audit->unread ? BY_A_PERSON : TO_STOCK;
    case LK_FAULT_ONCE:
        return OUT_OF_STOCK;
    case LK_FAULT_DOUBLE:
        return ONCE_IN_STOCK;
    case LK_FAULT_STOCK:
        return fault->user ? BY_A_PERSON : OUT_OF_STOCK;
    case LK_FAULT_TWICE:
        return fault->used ? BY_A_PERSON : TO_VOID;
    default:
        return BY_A_PERSON;
    }
}

static const char *why_a_person(lk_fault_kind kind)
{
    switch (kind) {
    case LK_FAULT_LOST:
        return "an account that can't be read may have it";
    case LK_FAULT_STOCK:
        return "void it, or find out who wrote it";
    case LK_FAULT_TWICE:
        return "both accounts have used it";
    case LK_FAULT_LIMIT:
        return "void what is too much, if the user has not used it";
    case LK_FAULT_PLACE:
        return "move it to where it belongs, if nothing stands there";
    case LK_FAULT_RECORD:
        return "restore it from a backup, or delete it";
    case LK_FAULT_MORE:
        return "audit again when these are repaired";
    default:
        return "the records contradict each other";
    }
}

/* NULL without memory. */
static char *proposal_of(const struct audit_fault *fault, enum remedy remedy)
{
    lk_coupon last = { fault->coupon.shard, fault->coupon.serial + fault->count - 1 };
    char first_text[LK_COUPON_TEXT_SIZE], last_text[LK_COUPON_TEXT_SIZE];
    char coupons[2 * LK_COUPON_TEXT_SIZE + 16], *line = NULL;
    int size = -1;

    lk_coupon_text(fault->coupon, first_text);
    snprintf(coupons, sizeof(coupons), fault->count > 1 ? "coupons %s to %s" : "coupon %s",
             first_text, lk_coupon_text(last, last_text));
    switch (remedy) {
    case BY_A_PERSON:
        size = asprintf(&line, "a person must decide: %s", why_a_person(fault->kind));
        break;
    case TO_STOCK:
        size = asprintf(&line, "%s back to the stock", coupons);
        break;
    case OUT_OF_STOCK:
        size = asprintf(&line, "%s out of the stock", coupons);
        break;
    case ONCE_IN_STOCK:
        size = asprintf(&line, "%s in one place of the stock, no more", coupons);
        break;
    case TO_VOID:
        size = asprintf(&line, "%s void in the account of user %s", coupons, fault->user);
        break;
    }
    return size < 0 ? NULL : line;
}

/* ---- reading what a step is about ---- */

static void repair_forget(struct repair *repair)
{
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        shard_free(&repair->shards[i]);
        repair->touched[i] = false;
    }
}

static int repair_keep_shard(struct repair *repair, size_t index, const struct answer *answer)
{
    int status = answer_status(answer);

    repair->shard_versions[index] = answer->stat.version;
    if (status == LK_OK)
        status = shard_decode(&repair->shards[index], answer->data, answer->data_size,
                              (uint32_t)index);
    /* The audit has read it. */
    return status == LK_E_NOT_FOUND || status == LK_E_CORRUPT ? LK_E_VERSION : status;
}

/* The campaign's record in answers[1], the shards, and the account, if there is one, behind them.
 * LK_E_VERSION: not as the audit saw it. */
static int repair_read(struct repair *repair, const char *account)
{
    struct keeper_request requests[LK_SHARDS_MAX + 3] = { 0 };
    size_t shards = account ? 0 : repair->survey.campaign.rules.shards;
    int status = LK_OK;

    repair_forget(repair);
    requests[0] = barrier;
    requests[1] = (struct keeper_request){ .verb = KEEPER_GET, .path = repair->ledger->path };
    for (size_t i = 0; i < shards; i++) {
        requests[2 + i] = (struct keeper_request){ .verb = KEEPER_GET,
                                                   .path = name_shard(repair->ledger->path, i) };
        if (!requests[2 + i].path)
            status = LK_E_NOMEM;
    }
    requests[2 + shards] = (struct keeper_request){ .verb = KEEPER_GET, .path = account };
    if (status == LK_OK)
        status = task_look(&repair->task, repair->ledger, requests, 2 + shards + (account != NULL),
                           repair->deadline_ns);
    for (size_t i = 0; i < shards; i++)
        free((char *)requests[2 + i].path);
    if (status != LK_OK)
        return status;
    const struct answer *answers = repair->task.flight.answers;
    status = answer_status(&answers[1]);
    if (status == LK_OK
        && (answers[1].stat.czxid != repair->audit->czxid
            || answers[1].stat.version != repair->version))
        return LK_E_VERSION;
    for (size_t i = 0; i < shards && status == LK_OK; i++)
        status = repair_keep_shard(repair, i, &answers[2 + i]);
    return status;
}

/* ---- writing ---- */

/* LK_E_BUSY: a shard was written meanwhile, read it again. */
static int repair_outcome(const struct repair *repair, bool shards)
{
    const struct answer *answer = &repair->task.flight.answers[0];
    size_t culprit = answer_culprit(answer);

    if (answer->rc == KEEPER_OK || answer_is_lost(answer) || culprit >= answer->result_count)
        return answer_status(answer);
    int rc = answer->results[culprit].rc;
    if (rc != KEEPER_BAD_VERSION && rc != KEEPER_NO_NODE)
        return answer_status(&(struct answer){ .rc = rc });
    return shards && culprit >= 2 ? LK_E_BUSY : LK_E_VERSION;
}

/* Check the seal, set the campaign's record as it is, and these. */
static int repair_commit(struct repair *repair, const struct keeper_request *writes, size_t count,
                         bool shards)
{
    struct keeper_request operations[2 + LK_SHARDS_MAX];
    const struct answer *record = &repair->task.flight.answers[1];

    operations[0] = check_there(repair->seal);
    operations[1] = (struct keeper_request){ .verb = KEEPER_SET,
                                             .path = repair->ledger->path,
                                             .data = record->data,
                                             .data_size = record->data_size,
                                             .version = repair->version };
    memcpy(operations + 2, writes, count * sizeof(*writes));
    const struct keeper_request multi = multi_of(repair->ledger->path, operations, 2 + count);
    /* The answers that hold the record go when the flight is sent. */
    void *bytes = malloc(record->data_size);
    if (!bytes)
        return LK_E_NOMEM;
    operations[1].data = memcpy(bytes, record->data, record->data_size);
    int status = task_fly(&repair->task, repair->ledger, &multi, 1, repair->deadline_ns);
    free(bytes);
    if (status == LK_OK)
        status = repair_outcome(repair, shards);
    if (status == LK_OK)
        repair->version++;
    return status;
}

static int repair_write_shards(struct repair *repair)
{
    struct keeper_request writes[LK_SHARDS_MAX] = { 0 };
    struct record_out records[LK_SHARDS_MAX] = { 0 };
    char *paths[LK_SHARDS_MAX] = { 0 };
    size_t count = 0;
    int status = LK_OK;

    for (size_t i = 0; i < repair->survey.campaign.rules.shards && status == LK_OK; i++) {
        if (!repair->touched[i])
            continue;
        paths[i] = name_shard(repair->ledger->path, i);
        status = paths[i] ? shard_encode(&repair->shards[i], &records[i]) : LK_E_NOMEM;
        writes[count++] = set_of(paths[i], &records[i], repair->shard_versions[i]);
    }
    if (status == LK_OK)
        status = repair_commit(repair, writes, count, true);
    for (size_t i = 0; i < LK_SHARDS_MAX; i++) {
        record_free(&records[i]);
        free(paths[i]);
    }
    return status;
}

/* ---- the stock ---- */

static int repair_cut(struct repair *repair, const struct range *stretch)
{
    int status = LK_OK;

    for (size_t i = 0; i < repair->survey.campaign.rules.shards && status == LK_OK; i++)
        status = shard_cut(&repair->shards[i], stretch, &repair->touched[i]);
    return status;
}

static int repair_put(struct repair *repair, const struct range *stretch)
{
    repair->touched[stretch->shard] = true;
    return shard_put(&repair->shards[stretch->shard], stretch);
}

static int repair_arrange(struct repair *repair, const struct range *stretch, enum remedy remedy)
{
    size_t count = repair->survey.campaign.rules.shards;
    uint64_t cover = shards_cover(repair->shards, count, stretch);
    bool minted = stretch->shard < count
                  && stretch->first + stretch->count - 1 <= repair->shards[stretch->shard].stocked;
    int status = LK_OK;

    switch (remedy) {
    case TO_STOCK:
        return cover == 0 && minted ? repair_put(repair, stretch) : LK_E_VERSION;
    case OUT_OF_STOCK:
        return cover > 0 ? repair_cut(repair, stretch) : LK_E_VERSION;
    case ONCE_IN_STOCK:
        if (cover < 2 * stretch->count || !minted)
            return LK_E_VERSION;
        status = repair_cut(repair, stretch);
        return status == LK_OK ? repair_put(repair, stretch) : status;
    case TO_VOID:
    case BY_A_PERSON:
        break;
    }
    return LK_E_STATE;
}

static int repair_stock(struct repair *repair, const struct audit_fault *fault, enum remedy remedy)
{
    const struct range stretch = { fault->coupon.shard, fault->coupon.serial, fault->count };
    int status;

    do {
        status = repair_read(repair, NULL);
        if (status == LK_OK)
            status = repair_arrange(repair, &stretch, remedy);
        if (status == LK_OK)
            status = repair_write_shards(repair);
    } while (status == LK_E_BUSY);
    return status;
}

/* ---- an account ---- */

static int void_by_operation(struct repair *repair, struct account *account,
                             const struct audit_fault *fault)
{
    const struct judge judge = { .campaign = &repair->survey.campaign,
                                 .now_ms = repair->survey.now_ms };
    const lk_ledger_op op = { .verb = LK_LEDGER_VOID,
                              .id = lk_id_new(repair->ledger->client),
                              .user = fault->user,
                              .coupon = fault->coupon };
    lk_ledger_result result;

    if (account_apply(account, &judge, &op, &result) == VERDICT_APPLIED)
        return LK_OK;
    return result.status == LK_E_NOMEM || result.status == LK_E_ACCOUNT_FULL ? result.status
                                                                             : LK_E_VERSION;
}

/* The later one of two in the same account: the operations on that coupon stay the first one's. */
static int void_second_standing(struct repair *repair, struct account *account, lk_coupon name)
{
    struct coupon *first = (struct coupon *)account_find(account, name), *second = NULL;

    for (size_t i = 0; i < account->coupon_count; i++) {
        struct coupon *coupon = &account->coupons[i];
        if (coupon != first && coupon_equals(coupon->name, name) && coupon->state == LK_CLAIMED)
            second = coupon;
    }
    if (!second || first->state == LK_VOID)
        return LK_E_VERSION;
    account_touch(account);
    second->state = LK_VOID;
    if (repair->survey.now_ms > second->changed_ms)
        second->changed_ms = repair->survey.now_ms;
    account->changed = true;
    return LK_OK;
}

static int repair_write_account(struct repair *repair, const char *path,
                                const struct account *account, int32_t version)
{
    struct record_out record = { 0 };

    int status = account_encode(account, &record);
    if (status == LK_OK) {
        const struct keeper_request write = set_of(path, &record, version);
        status = repair_commit(repair, &write, 1, false);
    }
    record_free(&record);
    return status;
}

static int repair_account_at(struct repair *repair, const struct audit_fault *fault,
                             const char *path, int32_t version)
{
    __attribute__((cleanup(account_free))) struct account account = { 0 };

    int status = repair_read(repair, path);
    if (status != LK_OK)
        return status;
    const struct answer *answer = &repair->task.flight.answers[2];
    if (answer->rc != KEEPER_OK || answer->stat.version != version)
        return answer->rc == KEEPER_OK || answer->rc == KEEPER_NO_NODE ? LK_E_VERSION
                                                                       : answer_status(answer);
    /* The account's texts are the answer's, which goes when the next flight is sent. */
    void *bytes = malloc(answer->data_size + 1);
    if (!bytes)
        return LK_E_NOMEM;
    memcpy(bytes, answer->data, answer->data_size);
    status = account_decode(&account, bytes, answer->data_size, fault->user, strlen(fault->user));
    account.zxid = answer->stat.mzxid;
    if (status == LK_OK)
        status = fault->same_account ? void_second_standing(repair, &account, fault->coupon)
                                     : void_by_operation(repair, &account, fault);
    if (status == LK_OK)
        status = repair_write_account(repair, path, &account, version);
    free(bytes);
    return status;
}

/* What other faults say of the same account is as true after this step. */
static void repair_renew_version(struct repair *repair, const char *user)
{
    for (size_t i = 0; i < repair->audit->shown.fault_count; i++) {
        const char *other = repair->audit->faults[i].user;
        if (other && strcmp(other, user) == 0)
            repair->versions[i]++;
    }
}

static int repair_account(struct repair *repair, size_t index)
{
    const struct audit_fault *fault = &repair->audit->faults[index];
    int32_t version = repair->versions[index];
    char *path = name_account(repair->ledger->path, fault->user);
    int status = path ? repair_account_at(repair, fault, path, version) : LK_E_NOMEM;

    if (status == LK_OK && version < VERSION_ROTATE)
        repair_renew_version(repair, fault->user);
    free(path);
    return status;
}

/* ---- all of them ---- */

static int repair_write(struct repair *repair, size_t index, enum remedy remedy)
{
    const struct audit_fault *fault = &repair->audit->faults[index];

    if (remedy == BY_A_PERSON)
        return LK_E_STATE;
    return remedy == TO_VOID ? repair_account(repair, index) : repair_stock(repair, fault, remedy);
}

/* What one step answers, and the others may still be done. */
static bool goes_on(int status)
{
    return status == LK_OK || status == LK_E_STATE || status == LK_E_VERSION
           || status == LK_E_TOO_LARGE || status == LK_E_ACCOUNT_FULL;
}

static int repair_step(struct repair *repair, size_t index, bool write, lk_repair_fn *told,
                       void *arg)
{
    const struct audit_fault *fault = &repair->audit->faults[index];
    enum remedy remedy = remedy_of(repair->audit, fault);
    char *proposal = proposal_of(fault, remedy);

    if (!proposal)
        return LK_E_NOMEM;
    int status = write                   ? repair_write(repair, index, remedy)
                 : remedy == BY_A_PERSON ? LK_E_STATE
                                         : LK_OK;
    if (goes_on(status) || status == LK_E_UNKNOWN)
        told(&(lk_repair_step){ index, proposal, status }, arg);
    free(proposal);
    return goes_on(status) ? LK_OK : status;
}

static void repair_close(struct repair *repair)
{
    task_clear(&repair->task);
    repair_forget(repair);
    survey_free(&repair->survey);
    free(repair->versions);
    free(repair->seal);
}

/* The campaign as it is now: its seal, rules and time. */
static int repair_open(struct repair *repair)
{
    const struct audit_public *audit = repair->audit;

    repair->versions = calloc(audit->shown.fault_count, sizeof(*repair->versions));
    if (!repair->versions)
        return LK_E_NOMEM;
    for (size_t i = 0; i < audit->shown.fault_count; i++)
        repair->versions[i] = audit->faults[i].version;
    int status = survey_make(&repair->survey, repair->ledger, repair->deadline_ns);
    if (status != LK_OK)
        return status;
    repair->seal = name_seal(repair->ledger->path, repair->survey.campaign.seal);
    if (!repair->seal)
        return LK_E_NOMEM;
    return repair->survey.czxid == audit->czxid ? LK_OK : LK_E_NOT_FOUND;
}

int lk_ledger_repair(lk_ledger *ledger, const lk_audit *audit, bool write, lk_repair_fn *told,
                     void *arg, int64_t deadline_ns)
{
    if (!ledger || !audit || !told)
        return LK_E_INVALID;
    const struct audit_public *public = container_of((lk_audit *)audit, struct audit_public, shown);
    __attribute__((cleanup(repair_close))) struct repair repair = {
        .ledger = ledger, .deadline_ns = deadline_ns, .audit = public, .version = public->version
    };
    int status = LK_OK;

    if (write && audit->fault_count > 0)
        status = repair_open(&repair);
    for (size_t i = 0; i < audit->fault_count && status == LK_OK; i++)
        status = repair_step(&repair, i, write, told, arg);
    return status;
}
