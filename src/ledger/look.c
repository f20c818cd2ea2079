/* look.c - what only looks: the campaign, one account, one id. Each is one flight behind a barrier
 * (the campaign's numbers are two), so it shows at least what was done before it was asked. Nothing
 * that ran out is written here: it is shown as having run out. */
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

/* The campaign in answers[1], and the server's time from the write to its clock in answers[2]. A
 * reader without the right to write has to do with what the other Stats tell. */
static int look_enter(struct lk_ledger *ledger, const struct flight *flight,
                      struct campaign *campaign, int64_t *now_ms)
{
    const struct answer *record = &flight->answers[1], *clock = &flight->answers[2];
    int status = campaign_read(campaign, record);

    if (status != LK_OK)
        return status;
    status = client_enter(ledger->client);
    if (status != LK_OK) {
        campaign_free(campaign);
        return status;
    }
    for (size_t i = 1; i < flight->count; i++)
        servertime_see(&ledger->time, flight->answers[i].stat.mtime_ms, client_now(ledger->client));
    if (clock->rc == KEEPER_OK)
        servertime_tell(&ledger->time, clock->stat.mtime_ms, client_now(ledger->client));
    *now_ms = ledger_now_ms(ledger);
    client_leave(ledger->client);
    return LK_OK;
}

/* Barrier, campaign, clock and, unless NULL, one znode more in answers[3]. */
static int look_fly(struct task *task, struct lk_ledger *ledger, const char *path,
                    int64_t deadline_ns)
{
    char *clock = name_clock(ledger->path);
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = ledger->path },
        { .verb = KEEPER_SET, .path = clock, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_GET, .path = path },
    };
    int status = clock ? LK_OK : LK_E_NOMEM;

    do {
        if (status == LK_OK)
            status = task_look(task, ledger, requests, path ? 4 : 3, deadline_ns);
    } while (status == LK_OK && answer_is_lost(&task->flight.answers[2]));
    free(clock);
    return status;
}

/* ---- the campaign ---- */

/* LK_E_EXISTS: the shards may be another campaign's, look again. The record is read once more behind
 * them: while it is the same, they are of the campaign that it was read with. */
static int survey_shards(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns)
{
    struct keeper_request requests[LK_SHARDS_MAX + 2] = { 0 };
    char *names[LK_SHARDS_MAX];
    size_t count = survey->campaign.rules.shards;
    int status = LK_OK;

    requests[0] = barrier;
    requests[count + 1] = (struct keeper_request){ .verb = KEEPER_GET, .path = ledger->path };
    for (size_t i = 0; i < count; i++) {
        names[i] = name_shard(ledger->path, i);
        requests[i + 1] = (struct keeper_request){ .verb = KEEPER_GET, .path = names[i] };
        if (!names[i])
            status = LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = task_look(&survey->task, ledger, requests, count + 2, deadline_ns);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    if (status != LK_OK)
        return status;
    const struct answer *answers = survey->task.flight.answers;
    if (answers[count + 1].rc == KEEPER_OK && answers[count + 1].stat.czxid != survey->czxid)
        return LK_E_EXISTS;
    /* Not found also when it is being deleted by now, and shards have gone. */
    struct campaign again = { 0 };
    status = campaign_read(&again, &answers[count + 1]);
    campaign_free(&again);
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        const struct answer *answer = &answers[i + 1];
        survey->shard_status[i] = answer_status(answer);
        if (survey->shard_status[i] == LK_OK)
            survey->shard_status[i] = shard_decode(&survey->shards[i], answer->data,
                                                   answer->data_size, (uint32_t)i);
        if (survey->shard_status[i] == LK_E_NOMEM)
            status = LK_E_NOMEM;
    }
    return status;
}

int survey_make(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns)
{
    int status;

    *survey = (struct survey){ 0 };
    do {
        campaign_free(&survey->campaign);
        status = look_fly(&survey->task, ledger, NULL, deadline_ns);
        if (status == LK_OK)
            status = look_enter(ledger, &survey->task.flight, &survey->campaign, &survey->now_ms);
        if (status != LK_OK)
            break;
        survey->czxid = survey->task.flight.answers[1].stat.czxid;
        status = survey_shards(survey, ledger, deadline_ns);
    } while (status == LK_E_EXISTS);
    task_clear(&survey->task);
    return status;
}

void survey_free(struct survey *survey)
{
    campaign_free(&survey->campaign);
    for (size_t i = 0; i < LK_SHARDS_MAX; i++)
        shard_free(&survey->shards[i]);
}

int lk_campaign_show(lk_ledger *ledger, int64_t deadline_ns, lk_campaign_info *out)
{
    __attribute__((cleanup(survey_free))) struct survey survey = { 0 };

    if (!ledger || !out)
        return LK_E_INVALID;
    int status = survey_make(&survey, ledger, deadline_ns);
    if (status != LK_OK)
        return status;
    lk_campaign_info info = { .rules = survey.campaign.rules,
                              .closed = survey.campaign.closed,
                              .server_ms = survey.now_ms };
    for (size_t i = 0; i < info.rules.shards; i++) {
        /* A shard that is not there, in a campaign that is. */
        if (survey.shard_status[i] != LK_OK)
            return survey.shard_status[i] == LK_E_NOT_FOUND ? LK_E_CORRUPT : survey.shard_status[i];
        info.stocked += survey.shards[i].stocked;
        info.available += shard_available(&survey.shards[i]);
    }
    info.issued = info.stocked - info.available;
    *out = info;
    return LK_OK;
}

/* ---- an account ---- */

static int64_t claimed_ms(const struct account *account, size_t coupon)
{
    size_t claim = 0;

    while (account->claims[claim].first + account->claims[claim].count <= coupon)
        claim++;
    return account->claims[claim].time_ms;
}

int account_show(const struct account *account, const struct campaign *campaign, int64_t now_ms,
                 lk_account **out)
{
    size_t texts = account->user_size + 1;
    for (size_t i = 0; i < account->coupon_count; i++)
        texts += account->coupons[i].order_size + 1;

    lk_account *shown = calloc(1, sizeof(*shown) + account->coupon_count * sizeof(*shown->coupons)
                                      + texts);
    if (!shown)
        return LK_E_NOMEM;
    lk_coupon_info *infos = (lk_coupon_info *)(shown + 1);
    char *text = (char *)(infos + account->coupon_count);
    shown->user = memcpy(text, account->user, account->user_size);
    text += account->user_size + 1;
    for (size_t i = 0; i < account->coupon_count; i++) {
        const struct coupon *coupon = &account->coupons[i];
        if (coupon->order_size)
            memcpy(text, coupon->order, coupon->order_size);
        infos[i] = (lk_coupon_info){
            .coupon = coupon->name,
            .state = coupon->state,
            .claimed_ms = claimed_ms(account, i),
            .changed_ms = coupon->changed_ms,
            .frozen_until_ms = coupon->until_ms,
            .order = text,
            .ran_out = coupon_state_at(coupon, campaign, now_ms) != coupon->state,
        };
        text += coupon->order_size + 1;
    }
    shown->count = account->coupon_count;
    shown->coupons = infos;
    *out = shown;
    return LK_OK;
}

lk_account *lk_account_free(lk_account *account)
{
    free(account);
    return NULL;
}

/* The account as it is now, decoded; it borrows from the task's flight. A user who never claimed
 * has an empty one. */
static int look_account(struct task *task, struct lk_ledger *ledger, const char *user,
                        int64_t deadline_ns, struct campaign *campaign, struct account *account,
                        int64_t *now_ms)
{
    char *path = name_account(ledger->path, user);
    int status = path ? look_fly(task, ledger, path, deadline_ns) : LK_E_NOMEM;

    free(path);
    if (status == LK_OK)
        status = look_enter(ledger, &task->flight, campaign, now_ms);
    if (status != LK_OK)
        return status;
    const struct answer *answer = &task->flight.answers[3];
    if (answer->rc == KEEPER_NO_NODE) {
        *account = (struct account){ .user = user, .user_size = strlen(user) };
        return LK_OK;
    }
    status = answer_status(answer);
    return status == LK_OK
               ? account_decode(account, answer->data, answer->data_size, user, strlen(user))
               : status;
}

int lk_account_show(lk_ledger *ledger, const char *user, int64_t deadline_ns, lk_account **out)
{
    struct task task = { 0 };
    __attribute__((cleanup(campaign_free))) struct campaign campaign = { 0 };
    __attribute__((cleanup(account_free))) struct account account = { 0 };
    int64_t now_ms;

    if (!ledger || !out || ledger_user_check(user) != LK_OK)
        return LK_E_INVALID;
    int status = look_account(&task, ledger, user, deadline_ns, &campaign, &account, &now_ms);
    if (status == LK_OK)
        status = account_show(&account, &campaign, now_ms, out);
    task_clear(&task);
    return status;
}

int lk_ledger_lookup(lk_ledger *ledger, const char *user, lk_id id, int64_t deadline_ns,
                     lk_ledger_result *out)
{
    struct task task = { 0 };
    __attribute__((cleanup(campaign_free))) struct campaign campaign = { 0 };
    __attribute__((cleanup(account_free))) struct account account = { 0 };
    lk_ledger_result result = { .id = id, .repeated = true };
    int64_t now_ms;

    if (!ledger || !out || id_is_none(id) || ledger_user_check(user) != LK_OK)
        return LK_E_INVALID;
    int status = look_account(&task, ledger, user, deadline_ns, &campaign, &account, &now_ms);
    if (status == LK_OK)
        status = account_lookup(&account, id, &result);
    task_clear(&task);
    if (status == LK_OK)
        *out = result;
    return status;
}
