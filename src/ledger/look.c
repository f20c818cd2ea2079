/* look.c - what only looks: the campaign, one account, one id. Each is one flight behind a barrier
 * (the campaign's numbers are two), so it shows at least what was done before it was asked. Nothing
 * that ran out is written here: it is shown as having run out. */
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

#define PICTURES_MAX 32 /* readings of the shards until one is of one moment */

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

/* Claims move stock between shards, so shards read one after another need not add up. But the reads
 * of one flight are served in order: when none has changed between its first reading and its
 * second, all stood so at the moment between the two. */
static bool is_one_moment(const struct answer *first, const struct answer *second, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (first[i].rc != second[i].rc || first[i].stat.mzxid != second[i].stat.mzxid)
            return false;
    }
    return true;
}

static int survey_read_shards(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns)
{
    struct keeper_request requests[2 * LK_SHARDS_MAX + 3] = { 0 };
    size_t count = survey->campaign.rules.shards;
    int status = LK_OK;

    requests[0] = barrier;
    requests[1] = (struct keeper_request){ .verb = KEEPER_GET, .path = ledger->path };
    requests[2 * count + 2] = requests[1];
    for (size_t i = 0; i < count; i++) {
        requests[i + 2] = (struct keeper_request){ .verb = KEEPER_GET,
                                                   .path = name_shard(ledger->path, i) };
        requests[count + i + 2] = requests[i + 2];
        if (!requests[i + 2].path)
            status = LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = task_look(&survey->task, ledger, requests, 2 * count + 3, deadline_ns);
    for (size_t i = 0; i < count; i++)
        free((char *)requests[i + 2].path);
    return status;
}

/* LK_E_EXISTS: the shards may be another campaign's, or it has more by now: look again. The record is
 * read before and behind them: while it is the same, they are of the campaign that it was read with,
 * and all minted that it tells of. */
static int survey_shards(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns)
{
    size_t count = survey->campaign.rules.shards;
    int status;

    for (unsigned i = 0; i < PICTURES_MAX && !survey->is_picture; i++) {
        status = survey_read_shards(survey, ledger, deadline_ns);
        if (status != LK_OK)
            return status;
        const struct answer *read = &survey->task.flight.answers[1];
        survey->is_picture = is_one_moment(read + 1, read + 1 + count, count)
                             && is_one_moment(read, read + 1 + 2 * count, 1);
    }
    const struct answer *answers = survey->task.flight.answers;
    const struct answer *record = &answers[2 * count + 2];
    if (record->rc == KEEPER_OK && record->stat.czxid != survey->czxid)
        return LK_E_EXISTS;
    /* Not found also when it is being deleted by now, and shards have gone. */
    struct campaign again = { 0 };
    status = campaign_read(&again, record);
    if (status == LK_OK && again.rules.shards != count)
        status = LK_E_EXISTS;
    if (status != LK_OK) {
        campaign_free(&again);
        return status;
    }
    campaign_free(&survey->campaign);
    survey->campaign = again;
    survey->version = record->stat.version;
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        const struct answer *answer = &answers[i + 2];
        survey->shard_status[i] = answer_status(answer);
        if (survey->shard_status[i] == LK_OK)
            survey->shard_status[i] = shard_decode(&survey->shards[i], answer->data,
                                                   answer->data_size, (uint32_t)i);
        if (survey->shard_status[i] == LK_E_NOMEM)
            status = LK_E_NOMEM;
        if (answer->stat.mzxid > survey->picture_zxid)
            survey->picture_zxid = answer->stat.mzxid;
    }
    return status;
}

int survey_make(struct survey *survey, struct lk_ledger *ledger, int64_t deadline_ns)
{
    int status;

    *survey = (struct survey){ 0 };
    do {
        survey_free(survey);
        survey->is_picture = false;
        survey->picture_zxid = 0;
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
    campaign_info_sum(&info);
    *out = info;
    return LK_OK;
}

/* ---- an account ---- */

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
    if (status == LK_OK)
        status = account_decode(account, answer->data, answer->data_size, user, strlen(user));
    if (status == LK_OK)
        account->zxid = answer->stat.mzxid;
    return status;
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
