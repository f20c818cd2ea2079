/* delete.c - lk_campaign_delete(): everything, a page at a time.
 *
 * First the record says "being deleted" and the seal gives way to a grave of the same number, in
 * one multi: from then on nothing can be written by anybody, and there is no such campaign. Then
 * accounts, shards and the rest go, grave and record last and together, so that a deletion that was
 * broken off is found and carried on by the next call. Each znode goes in a multi that checks the
 * grave: who sweeps slowly, while others have swept and made the campaign anew, finds no grave and
 * removes nothing of the new one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "ledger/task.h"

#define ROUNDS_MAX 3 /* how often what should be empty may turn out not to be */

struct sweep {
    struct task task;
    struct lk_ledger *ledger;
    int64_t deadline_ns;
    int64_t czxid; /* of the record: which campaign it is that goes; 0: not seen yet */
    char *grave;
    bool is_over, seal_is_gone;
};

static void sweep_close(struct sweep *sweep)
{
    task_clear(&sweep->task);
    free(sweep->grave);
}

/* What one guarded deletion came to. LK_E_NOT_FOUND: there is no grave. LK_E_UNKNOWN: the reply was
 * lost. */
static int deletion_status(const struct answer *answer)
{
    size_t culprit = answer_culprit(answer);

    if (answer->rc == KEEPER_OK || culprit >= answer->result_count || culprit == 0)
        return answer_status(answer);
    int rc = answer->results[culprit].rc;
    if (rc == KEEPER_NO_NODE)
        return LK_OK;
    /* Below it stands something that is not ours, or that was made while we came. */
    return rc == KEEPER_NOT_EMPTY ? LK_E_FOREIGN : answer_status(&(struct answer){ .rc = rc });
}

static int sweep_delete(struct sweep *sweep, char *const *paths, size_t count)
{
    struct keeper_request multis[PAGE_SIZE] = { 0 }, operations[PAGE_SIZE][2];

    for (size_t i = 0; i < count; i++) {
        operations[i][0] = (struct keeper_request){ .verb = KEEPER_CHECK,
                                                    .path = sweep->grave,
                                                    .version = KEEPER_ANY_VERSION };
        operations[i][1] = (struct keeper_request){ .verb = KEEPER_DELETE,
                                                    .path = paths[i],
                                                    .version = KEEPER_ANY_VERSION };
        multis[i] = (struct keeper_request){ .verb = KEEPER_MULTI,
                                             .path = sweep->ledger->path,
                                             .operations = operations[i],
                                             .operation_count = 2 };
    }
    int status = task_fly(&sweep->task, sweep->ledger, multis, count, sweep->deadline_ns);
    for (size_t i = 0; i < count && status == LK_OK; i++)
        status = deletion_status(&sweep->task.flight.answers[i]);
    return status;
}

/* Whether what should be empty may be so at another look. What is lost is looked for until the
 * deadline. */
static bool looks_again(int status, int *rounds)
{
    return status == LK_E_UNKNOWN || (status == LK_E_FOREIGN && ++*rounds < ROUNDS_MAX);
}

static int sweep_list(struct sweep *sweep, const char *path, char ***out, size_t *out_count)
{
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_LIST, .path = path },
    };

    *out = NULL;
    *out_count = 0;
    int status = task_fly(&sweep->task, sweep->ledger, requests, 2, sweep->deadline_ns);
    if (status != LK_OK)
        return status;
    struct answer *answer = &sweep->task.flight.answers[1];
    if (answer->rc == KEEPER_NO_NODE)
        return LK_OK;
    status = answer_status(answer);
    *out = answer->children;
    *out_count = answer->child_count;
    answer->children = NULL;
    answer->child_count = 0;
    return status;
}

/* Names become paths, in place. */
static int names_to_paths(const char *parent, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(parent, names[i]);
        if (!path)
            return LK_E_NOMEM;
        free(names[i]);
        names[i] = path;
    }
    return LK_OK;
}

static int sweep_delete_all(struct sweep *sweep, char *const *paths, size_t count)
{
    int status = LK_OK;

    for (size_t at = 0; at < count && status == LK_OK; at += PAGE_SIZE)
        status = sweep_delete(sweep, paths + at, count - at < PAGE_SIZE ? count - at : PAGE_SIZE);
    return status;
}

/* ---- whose a name is: a stranger may have a campaign of his own below ours, and none of it must
 * go ---- */

typedef bool is_ours_fn(const char *name);

static bool is_bucket(const char *name)
{
    return strlen(name) == 3 && name[0] >= '0' && name[0] <= '3'
           && strspn(name + 1, "0123456789abcdef") == 2;
}

static bool is_account(const char *name)
{
    char user[LK_USER_MAX + 1];
    return user_decode(name, user, sizeof(user));
}

static bool is_shard(const char *name)
{
    return strlen(name) == 4 && strspn(name, "0123456789") == 4;
}

static bool is_clock_or_seal(const char *name)
{
    return strcmp(name, "clock") == 0 || strncmp(name, "seal-", 5) == 0;
}

/* Ours come first; answers how many. */
static size_t names_sort_out(char **names, size_t count, is_ours_fn *is_ours)
{
    size_t ours = 0;

    for (size_t i = 0; i < count; i++) {
        if (!is_ours(names[i]))
            continue;
        char *name = names[i];
        names[i] = names[ours];
        names[ours++] = name;
    }
    return ours;
}

static int sweep_folder(struct sweep *sweep, char *folder, is_ours_fn *is_ours, is_ours_fn *below);

/* What is foreign in one stays with that one; the others go. */
static int sweep_folders(struct sweep *sweep, char *const *paths, size_t count, is_ours_fn *is_ours)
{
    int found = LK_OK;

    for (size_t i = 0; i < count; i++) {
        int status = sweep_folder(sweep, paths[i], is_ours, NULL);
        if (status == LK_E_FOREIGN)
            found = status;
        else if (status != LK_OK)
            return status;
    }
    return found;
}

/* Deletes our children of a folder, and the folder; with `below`, the children's children first.
 * Our folders bear no data: one that does is the record of something else, under a name like ours.
 */
static int sweep_folder(struct sweep *sweep, char *folder, is_ours_fn *is_ours, is_ours_fn *below)
{
    int status, rounds = 0;

    do {
        char **names;
        size_t count;
        status = sweep_list(sweep, folder, &names, &count);
        if (status == LK_OK && sweep->task.flight.answers[1].stat.data_size > 0)
            status = LK_E_FOREIGN;
        size_t ours = names_sort_out(names, count, is_ours);
        if (status == LK_OK)
            status = names_to_paths(folder, names, ours);
        if (status == LK_OK)
            status = below ? sweep_folders(sweep, names, ours, below)
                           : sweep_delete_all(sweep, names, ours);
        names_free(names, count);
        if (status == LK_OK)
            status = sweep_delete(sweep, &folder, 1);
    } while (looks_again(status, &rounds));
    return status;
}

/* ---- the beginning: nothing can be written any more ---- */

/* Somebody took the seal away: then nothing can be written anyhow, and after another look, which
 * shows whether it is still the same campaign, the grave is made without. */
static int mark_write(struct sweep *sweep, struct campaign *campaign, int32_t version)
{
    struct lk_ledger *ledger = sweep->ledger;
    struct record_out record = { 0 };
    char *seal = name_seal(ledger->path, campaign->seal);

    campaign->deleting = true;
    int status = seal ? campaign_encode(campaign, &record) : LK_E_NOMEM;
    const struct keeper_request operations[] = {
        { .verb = KEEPER_SET,
          .path = ledger->path,
          .data = record.bytes,
          .data_size = record.size,
          .version = version },
        { .verb = KEEPER_CREATE, .path = sweep->grave, .access = client_access(ledger->client) },
        { .verb = KEEPER_DELETE, .path = seal, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .path = ledger->path,
                                          .operations = operations,
                                          .operation_count = sweep->seal_is_gone ? 2 : 3 };
    if (status == LK_OK)
        status = task_fly(&sweep->task, ledger, &multi, 1, sweep->deadline_ns);
    if (status == LK_OK)
        sweep->seal_is_gone = sweep->task.flight.answers[0].rc == KEEPER_NO_NODE
                              && answer_culprit(&sweep->task.flight.answers[0]) == 2;
    free(seal);
    record_free(&record);
    return status;
}

/* Reads the record, behind a barrier; sees whether the campaign that this call found is gone, whatever
 * stands there now. */
static int sweep_look(struct sweep *sweep)
{
    const char *path = sweep->ledger->path;
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = path },
    };

    int status = task_fly(&sweep->task, sweep->ledger, requests, 2, sweep->deadline_ns);
    if (status != LK_OK || !sweep->czxid)
        return status;
    const struct answer *answer = &sweep->task.flight.answers[1];
    sweep->is_over = answer->rc == KEEPER_NO_NODE
                     || (answer->rc == KEEPER_OK && answer->stat.czxid != sweep->czxid);
    return LK_OK;
}

/* LK_OK: marked, now or before, or gone. LK_E_EXISTS: look again. */
static int mark(struct sweep *sweep)
{
    __attribute__((cleanup(campaign_free))) struct campaign campaign = { 0 };

    int status = sweep_look(sweep);
    if (status != LK_OK || sweep->is_over)
        return status;
    const struct answer *answer = &sweep->task.flight.answers[1];
    int32_t version = answer->stat.version;
    status = answer_status(answer);
    if (status == LK_OK)
        status = campaign_decode(&campaign, answer->data, answer->data_size);
    if (status != LK_OK)
        return status;
    sweep->czxid = answer->stat.czxid;
    free(sweep->grave);
    sweep->grave = name_grave(sweep->ledger->path, campaign.seal);
    if (!sweep->grave)
        return LK_E_NOMEM;
    if (campaign.deleting)
        return LK_OK;
    status = mark_write(sweep, &campaign, version);
    if (status != LK_OK)
        return status;
    const struct answer *written = &sweep->task.flight.answers[0];
    if (written->rc == KEEPER_OK)
        return LK_OK;
    bool again = answer_is_lost(written) || written->rc == KEEPER_BAD_VERSION
                 || written->rc == KEEPER_NO_NODE;
    if (again)
        return LK_E_EXISTS;
    /* A grave in a campaign that lives: somebody else dug it. */
    return written->rc == KEEPER_NODE_EXISTS ? LK_E_CORRUPT : answer_status(written);
}

/* ---- the end ---- */

/* Grave and record together: without its grave a record could not be deleted any more. */
static int sweep_record(struct sweep *sweep)
{
    const char *path = sweep->ledger->path;
    const struct keeper_request operations[] = {
        { .verb = KEEPER_DELETE, .path = sweep->grave, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_DELETE, .path = path, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = {
        .verb = KEEPER_MULTI, .path = path, .operations = operations, .operation_count = 2
    };

    int status = task_fly(&sweep->task, sweep->ledger, &multi, 1, sweep->deadline_ns);
    return status == LK_OK ? deletion_status(&sweep->task.flight.answers[0]) : status;
}

/* Clock, a seal that somebody left, grave and record. What a stranger put there stays, and so does
 * the record: deleting on is for its owner. */
static int sweep_rest(struct sweep *sweep)
{
    const char *path = sweep->ledger->path;
    int status, rounds = 0;

    do {
        char **names;
        size_t count;
        status = sweep_list(sweep, path, &names, &count);
        size_t ours = names_sort_out(names, count, is_clock_or_seal);
        if (status == LK_OK)
            status = names_to_paths(path, names, ours);
        if (status == LK_OK)
            status = sweep_delete_all(sweep, names, ours);
        names_free(names, count);
        if (status == LK_OK)
            status = sweep_record(sweep);
    } while (looks_again(status, &rounds));
    return status;
}

/* There was no grave any more: others have deleted the campaign. If it is still there, its grave
 * was robbed. */
static int sweep_confirm(struct sweep *sweep)
{
    int status = sweep_look(sweep);

    if (status != LK_OK || sweep->is_over)
        return status;
    status = answer_status(&sweep->task.flight.answers[1]);
    return status == LK_OK ? LK_E_CORRUPT : status;
}

static int sweep_named(struct sweep *sweep, char *folder, is_ours_fn *is_ours, is_ours_fn *below)
{
    int status = folder ? sweep_folder(sweep, folder, is_ours, below) : LK_E_NOMEM;
    free(folder);
    return status;
}

int lk_campaign_delete(lk_ledger *ledger, lk_progress_fn *progress, void *arg, int64_t deadline_ns)
{
    (void)progress, (void)arg;
    if (!ledger)
        return LK_E_INVALID;
    __attribute__((cleanup(sweep_close))) struct sweep sweep = { .ledger = ledger,
                                                                 .deadline_ns = deadline_ns };
    int status;

    do {
        status = mark(&sweep);
    } while (status == LK_E_EXISTS);
    if (status != LK_OK || sweep.is_over)
        return status;
    status = sweep_named(&sweep, name_accounts(ledger->path), is_bucket, is_account);
    if (status == LK_OK || status == LK_E_FOREIGN)
        status = sweep_named(&sweep, name_stock(ledger->path), is_shard, NULL);
    if (status == LK_OK || status == LK_E_FOREIGN)
        status = sweep_rest(&sweep);
    return status == LK_E_NOT_FOUND ? sweep_confirm(&sweep) : status;
}
