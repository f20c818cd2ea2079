/* pages.c - all accounts of a campaign, a page at a time, so that a million of them need no more
 * memory than a thousand. Names come some buckets at a time; the records of a page are asked for
 * together, and the campaign's behind them: a page is of the campaign that is meant, or none. An
 * account made while this runs may or may not be seen; one that was there when it began is.
 *
 * What bounds it is the server: of the time that both spend on a read, it takes four fifths, for
 * five of its threads hand each request on. What the caller does with a page is less than a
 * twentieth, so reading ahead meanwhile would gain no more than that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "ledger/task.h"

#define NAMES_MANY 4096

/* ---- names ---- */

void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->children[i].name);
    free(names->children);
    *names = (struct names){ 0 };
}

/* Takes the children out of the answers. */
static int names_take(struct names *names, struct answer *answers, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += answers[i].child_count;
    names->children = calloc(total + 1, sizeof(*names->children));
    if (!names->children)
        return LK_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < answers[i].child_count; j++)
            names->children[names->count++] = (struct child){ answers[i].children[j], i };
        answers[i].child_count = 0;
    }
    return LK_OK;
}

int names_read(struct names *names, struct task *task, struct lk_ledger *ledger,
               char *const *folders, size_t count, int64_t deadline_ns)
{
    struct keeper_request requests[FOLDERS_MAX + 1] = { barrier };

    names_free(names);
    for (size_t i = 0; i < count; i++)
        requests[i + 1] = (struct keeper_request){ .verb = KEEPER_LIST, .path = folders[i] };
    int status = task_look(task, ledger, requests, count + 1, deadline_ns);
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        const struct answer *answer = &task->flight.answers[i + 1];
        if (answer->rc != KEEPER_NO_NODE)
            status = answer_status(answer);
    }
    return status == LK_OK ? names_take(names, &task->flight.answers[1], count) : status;
}

size_t names_folders(size_t folders, size_t names)
{
    if (folders == 0)
        return FOLDERS_MAX / 4;
    if (names < PAGE_SIZE)
        return folders * 2 < FOLDERS_MAX ? folders * 2 : FOLDERS_MAX;
    return names > NAMES_MANY && folders > 1 ? folders / 2 : folders;
}

/* ---- pages ---- */

int pages_open(struct pages *pages, struct lk_ledger *ledger, int64_t czxid, int64_t deadline_ns)
{
    *pages = (struct pages){ .ledger = ledger, .czxid = czxid, .folders = names_folders(0, 0) };
    char *accounts = name_accounts(ledger->path);
    if (!accounts)
        return LK_E_NOMEM;
    int status = names_read(&pages->buckets, &pages->task, ledger, &accounts, 1, deadline_ns);
    free(accounts);
    return status;
}

static int pages_list(struct pages *pages, int64_t deadline_ns)
{
    size_t left = pages->buckets.count - pages->bucket_at;
    size_t count = left < pages->folders ? left : pages->folders;
    char *folders[FOLDERS_MAX] = { 0 };
    char *accounts = name_accounts(pages->ledger->path);
    int status = accounts ? LK_OK : LK_E_NOMEM;

    for (size_t i = 0; i < count && status == LK_OK; i++) {
        folders[i] = path_join(accounts, pages->buckets.children[pages->bucket_at + i].name);
        status = folders[i] ? LK_OK : LK_E_NOMEM;
    }
    if (status == LK_OK)
        status = names_read(&pages->accounts, &pages->task, pages->ledger, folders, count,
                            deadline_ns);
    for (size_t i = 0; i < count; i++)
        free(folders[i]);
    free(accounts);
    pages->folders = names_folders(pages->folders, pages->accounts.count);
    pages->first_bucket = pages->bucket_at;
    pages->bucket_at += count;
    pages->account_at = 0;
    return status;
}

const char *page_name(const struct pages *pages, size_t nth)
{
    return pages->accounts.children[pages->first + nth].name;
}

const char *page_bucket(const struct pages *pages, size_t nth)
{
    size_t folder = pages->accounts.children[pages->first + nth].folder;
    return pages->buckets.children[pages->first_bucket + folder].name;
}

static char *page_path(const struct pages *pages, size_t nth)
{
    char *accounts = name_accounts(pages->ledger->path), *path = NULL;

    if (accounts
        && asprintf(&path, "%s/%s/%s", accounts, page_bucket(pages, nth), page_name(pages, nth))
               < 0)
        path = NULL;
    free(accounts);
    return path;
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
    struct keeper_request requests[PAGE_SIZE + 2] = { barrier };
    size_t left = pages->accounts.count - pages->account_at;
    size_t count = left < PAGE_SIZE ? left : PAGE_SIZE;
    int status = LK_OK;

    pages->first = pages->account_at;
    requests[count + 1] = (struct keeper_request){ .verb = KEEPER_GET, .path = ledger->path };
    for (size_t i = 0; i < count; i++) {
        char *path = page_path(pages, i);
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
    pages->count = status == LK_OK ? count : 0;
    pages->answers = pages->task.flight.answers + 1;
    pages->account_at += count;
    return status;
}

int pages_next(struct pages *pages, int64_t deadline_ns)
{
    int status = LK_OK;

    pages->count = 0;
    while (status == LK_OK && pages->account_at == pages->accounts.count
           && pages->bucket_at < pages->buckets.count)
        status = pages_list(pages, deadline_ns);
    if (status == LK_OK && pages->account_at < pages->accounts.count)
        status = pages_read(pages, deadline_ns);
    return status;
}

void pages_close(struct pages *pages)
{
    task_clear(&pages->task);
    names_free(&pages->accounts);
    names_free(&pages->buckets);
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
    account.zxid = answer->stat.mzxid;
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
            answered = each_show(&showing, page_name(&pages, i), &pages.answers[i]);
    }
    if (status != LK_OK)
        return status;
    return answered != 0 ? answered : showing.unreadable;
}
