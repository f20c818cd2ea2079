/* pages.c - all accounts of a campaign, a page at a time, so that a million of them need no more
 * memory than a thousand. Names come a bucket at a time; the records of a page are asked for
 * together, and the campaign's behind them: a page is of the campaign that is meant, or none. An
 * account made while this runs may or may not be seen; one that was there when it began is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/task.h"

void names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

/* Takes the children out of the answer. */
static int pages_list(struct pages *pages, const char *path, int64_t deadline_ns, char ***out,
                      size_t *out_count)
{
    const struct keeper_request requests[] = { barrier, { .verb = KEEPER_LIST, .path = path } };

    int status = task_look(&pages->task, pages->ledger, requests, 2, deadline_ns);
    if (status != LK_OK)
        return status;
    struct answer *answer = &pages->task.flight.answers[1];
    /* A bucket or folder that went while we came is as one that is empty. */
    if (answer->rc != KEEPER_OK && answer->rc != KEEPER_NO_NODE)
        return answer_status(answer);
    *out = answer->children;
    *out_count = answer->child_count;
    answer->children = NULL;
    answer->child_count = 0;
    return LK_OK;
}

int pages_open(struct pages *pages, struct lk_ledger *ledger, int64_t czxid, int64_t deadline_ns)
{
    *pages = (struct pages){ .ledger = ledger, .czxid = czxid };
    char *accounts = name_accounts(ledger->path);
    if (!accounts)
        return LK_E_NOMEM;
    int status = pages_list(pages, accounts, deadline_ns, &pages->buckets, &pages->bucket_count);
    free(accounts);
    return status;
}

static char *pages_path(const struct pages *pages, const char *name)
{
    const char *bucket = pages->buckets[pages->bucket_at - 1];
    char *accounts = name_accounts(pages->ledger->path), *path = NULL;

    if (accounts && asprintf(&path, "%s/%s%s%s", accounts, bucket, *name ? "/" : "", name) < 0)
        path = NULL;
    free(accounts);
    return path;
}

static int pages_next_bucket(struct pages *pages, int64_t deadline_ns)
{
    names_free(pages->names, pages->name_count);
    pages->names = NULL;
    pages->name_count = pages->name_at = 0;
    pages->bucket_at++;
    char *path = pages_path(pages, "");
    if (!path)
        return LK_E_NOMEM;
    int status = pages_list(pages, path, deadline_ns, &pages->names, &pages->name_count);
    free(path);
    return status;
}

/* Whether what was read before the campaign's record was read is of the campaign that is meant. */
static int pages_judge(const struct pages *pages, const struct answer *record)
{
    struct campaign campaign = { 0 };
    int status = campaign_read(&campaign, record);

    campaign_free(&campaign);
    return status == LK_OK && record->stat.czxid != pages->czxid ? LK_E_NOT_FOUND : status;
}

static int pages_read(struct pages *pages, int64_t deadline_ns)
{
    struct lk_ledger *ledger = pages->ledger;
    struct keeper_request requests[PAGE_SIZE + 2] = { 0 };
    size_t left = pages->name_count - pages->name_at;
    size_t count = left < PAGE_SIZE ? left : PAGE_SIZE;
    int status = LK_OK;

    requests[0] = barrier;
    requests[count + 1] = (struct keeper_request){ .verb = KEEPER_GET, .path = ledger->path };
    for (size_t i = 0; i < count; i++) {
        char *path = pages_path(pages, pages->names[pages->name_at + i]);
        requests[i + 1] = (struct keeper_request){ .verb = KEEPER_GET, .path = path };
        if (!path)
            status = LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = task_look(&pages->task, ledger, requests, count + 2, deadline_ns);
    for (size_t i = 0; i < count; i++)
        free((char *)requests[i + 1].path);
    if (status == LK_OK)
        status = pages_judge(pages, &pages->task.flight.answers[count + 1]);
    pages->first = pages->name_at;
    pages->count = status == LK_OK ? count : 0;
    pages->answers = pages->task.flight.answers + 1;
    pages->name_at += count;
    return status;
}

int pages_next(struct pages *pages, int64_t deadline_ns)
{
    int status = LK_OK;

    pages->count = 0;
    while (status == LK_OK && pages->name_at == pages->name_count
           && pages->bucket_at < pages->bucket_count)
        status = pages_next_bucket(pages, deadline_ns);
    if (status == LK_OK && pages->name_at < pages->name_count)
        status = pages_read(pages, deadline_ns);
    return status;
}

void pages_close(struct pages *pages)
{
    task_clear(&pages->task);
    names_free(pages->names, pages->name_count);
    names_free(pages->buckets, pages->bucket_count);
    *pages = (struct pages){ 0 };
}

/* ---- lk_account_each ---- */

struct each {
    const struct survey *survey;
    lk_account_fn *fn;
    void *arg;
    int unreadable; /* the first status of a record that could not be shown */
};

/* What `fn` answered; 0 also when the record can't be read: the others are shown nevertheless. */
static int each_show(struct each *each, const char *name, const struct answer *answer)
{
    char user[LK_USER_MAX + 1];
    struct account account = { 0 };
    lk_account *shown = NULL;

    if (answer->rc == KEEPER_NO_NODE)
        return 0;
    int status = answer_status(answer);
    if (status == LK_OK && !user_decode(name, user, sizeof(user)))
        status = LK_E_FOREIGN;
    if (status == LK_OK)
        status = account_decode(&account, answer->data, answer->data_size, user, strlen(user));
    if (status == LK_OK)
        status = account_show(&account, &each->survey->campaign, each->survey->now_ms, &shown);
    account_free(&account);
    if (status != LK_OK && each->unreadable == LK_OK)
        each->unreadable = status;
    int answered = shown ? each->fn(shown, each->arg) : 0;
    lk_account_free(shown);
    return answered;
}

int lk_account_each(lk_ledger *ledger, lk_account_fn *each, void *arg, int64_t deadline_ns)
{
    __attribute__((cleanup(survey_free))) struct survey survey = { 0 };
    __attribute__((cleanup(pages_close))) struct pages pages = { 0 };
    struct each showing = { &survey, each, arg, LK_OK };
    int answered = 0;

    if (!ledger || !each)
        return LK_E_INVALID;
    int status = survey_make(&survey, ledger, deadline_ns);
    if (status == LK_OK)
        status = pages_open(&pages, ledger, survey.czxid, deadline_ns);
    while (status == LK_OK && answered == 0) {
        status = pages_next(&pages, deadline_ns);
        if (status != LK_OK || pages.count == 0)
            break;
        for (size_t i = 0; i < pages.count && answered == 0; i++)
            answered = each_show(&showing, pages.names[pages.first + i], &pages.answers[i]);
    }
    if (status != LK_OK)
        return status;
    return answered != 0 ? answered : showing.unreadable;
}
