/* delete.c - lk_campaign_delete(): everything, a page at a time.
 *
 * First the record says "being deleted" and the seal goes, in one multi: from then on nothing can
 * be written by anybody, and there is no such campaign. Then accounts, shards and the rest go, the
 * record last, so that a deletion that was broken off is found and carried on by the next call. */
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
};

static void sweep_close(struct sweep *sweep)
{
    task_clear(&sweep->task);
}

/* LK_OK: sent and answered; lost replies are as good: what is not deleted is found again. */
static int sweep_delete(struct sweep *sweep, char *const *paths, size_t count)
{
    struct keeper_request requests[PAGE_SIZE] = { 0 };

    for (size_t i = 0; i < count; i++)
        requests[i] = (struct keeper_request){ .verb = KEEPER_DELETE,
                                               .path = paths[i],
                                               .version = KEEPER_ANY_VERSION };
    int status = task_fly(&sweep->task, sweep->ledger, requests, count, sweep->deadline_ns);
    for (size_t i = 0; i < count && status == LK_OK; i++) {
        const struct answer *answer = &sweep->task.flight.answers[i];
        if (answer->rc != KEEPER_NO_NODE && !answer_is_lost(answer))
            status = answer_status(answer);
        /* Below it stands something that is not ours, or that was made while we came. */
        if (answer->rc == KEEPER_NOT_EMPTY)
            status = LK_E_FOREIGN;
    }
    return status;
}

static int sweep_list(struct sweep *sweep, const char *path, char ***out, size_t *out_count)
{
    const struct keeper_request requests[] = {
        { .verb = KEEPER_SYNC, .path = path },
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

/* Deletes our children of a folder, and the folder; with `below`, the children's children first. */
static int sweep_folder(struct sweep *sweep, char *folder, is_ours_fn *is_ours, is_ours_fn *below)
{
    int status = LK_E_FOREIGN;

    for (int round = 0; round < ROUNDS_MAX && status == LK_E_FOREIGN; round++) {
        char **names;
        size_t count;
        status = sweep_list(sweep, folder, &names, &count);
        size_t ours = names_sort_out(names, count, is_ours);
        if (status == LK_OK)
            status = names_to_paths(folder, names, ours);
        for (size_t i = 0; i < ours && below && status == LK_OK; i++)
            status = sweep_folder(sweep, names[i], below, NULL);
        if (status == LK_OK && !below)
            status = sweep_delete_all(sweep, names, ours);
        names_free(names, count);
        if (status == LK_OK)
            status = sweep_delete(sweep, &folder, 1);
    }
    return status;
}

/* ---- the beginning: nothing can be written any more ---- */

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
        { .verb = KEEPER_DELETE, .path = seal, .version = KEEPER_ANY_VERSION },
    };
    /* Somebody took the seal away before: then nothing can be written anyhow. */
    const struct keeper_request multi = {
        .verb = KEEPER_MULTI, .path = ledger->path, .operations = operations, .operation_count = 2
    };
    if (status == LK_OK)
        status = task_fly(&sweep->task, ledger, &multi, 1, sweep->deadline_ns);
    if (status == LK_OK && sweep->task.flight.answers[0].rc == KEEPER_NO_NODE
        && answer_culprit(&sweep->task.flight.answers[0]) == 1)
        status = task_fly(&sweep->task, ledger, operations, 1, sweep->deadline_ns);
    free(seal);
    record_free(&record);
    return status;
}

/* LK_OK: marked, now or before. LK_E_EXISTS: look again. */
static int mark(struct sweep *sweep)
{
    const char *path = sweep->ledger->path;
    const struct keeper_request requests[] = {
        { .verb = KEEPER_SYNC, .path = path },
        { .verb = KEEPER_GET, .path = path },
    };
    __attribute__((cleanup(campaign_free))) struct campaign campaign = { 0 };

    int status = task_fly(&sweep->task, sweep->ledger, requests, 2, sweep->deadline_ns);
    if (status != LK_OK)
        return status;
    const struct answer *answer = &sweep->task.flight.answers[1];
    int32_t version = answer->stat.version;
    status = answer_status(answer);
    if (status == LK_OK)
        status = campaign_decode(&campaign, answer->data, answer->data_size);
    if (status != LK_OK || campaign.deleting)
        return status;
    status = mark_write(sweep, &campaign, version);
    if (status != LK_OK)
        return status;
    const struct answer *written = &sweep->task.flight.answers[0];
    if (written->rc == KEEPER_OK)
        return LK_OK;
    bool again = answer_is_lost(written) || written->rc == KEEPER_BAD_VERSION
                 || written->rc == KEEPER_NO_NODE;
    return again ? LK_E_EXISTS : answer_status(written);
}

/* Seal, clock and record; the record last. */
static int sweep_rest(struct sweep *sweep)
{
    const char *path = sweep->ledger->path;
    int status = LK_E_FOREIGN;

    for (int round = 0; round < ROUNDS_MAX && status == LK_E_FOREIGN; round++) {
        char **names;
        size_t count;
        status = sweep_list(sweep, path, &names, &count);
        /* What a stranger put there stays, and so does the record: deleting on is for its owner. */
        size_t ours = names_sort_out(names, count, is_clock_or_seal);
        if (status == LK_OK)
            status = names_to_paths(path, names, ours);
        if (status == LK_OK)
            status = sweep_delete_all(sweep, names, ours);
        names_free(names, count);
        char *record = sweep->ledger->path;
        if (status == LK_OK)
            status = sweep_delete(sweep, &record, 1);
    }
    return status;
}

static int sweep_named(struct sweep *sweep, char *folder, is_ours_fn *is_ours, is_ours_fn *below)
{
    int status = folder ? sweep_folder(sweep, folder, is_ours, below) : LK_E_NOMEM;
    free(folder);
    return status;
}

int lk_campaign_delete(lk_ledger *ledger, int64_t deadline_ns)
{
    if (!ledger)
        return LK_E_INVALID;
    __attribute__((cleanup(sweep_close))) struct sweep sweep = { .ledger = ledger,
                                                                 .deadline_ns = deadline_ns };
    int status;

    do {
        status = mark(&sweep);
    } while (status == LK_E_EXISTS);
    if (status == LK_OK)
        status = sweep_named(&sweep, name_accounts(ledger->path), is_bucket, is_account);
    if (status == LK_OK)
        status = sweep_named(&sweep, name_stock(ledger->path), is_shard, NULL);
    if (status == LK_OK)
        status = sweep_rest(&sweep);
    return status;
}
