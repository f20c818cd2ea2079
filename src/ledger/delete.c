/* delete.c - lk_campaign_delete(): everything, a page at a time.
 *
 * First the record says "being deleted" and the seal gives way to a grave of the same number, in
 * one multi: from then on nothing can be written by anybody, and there is no such campaign. Then
 * accounts, shards and the rest go, grave and record last and together, so that a deletion that was
 * broken off is found and carried on by the next call. Znodes go in multis that check the grave:
 * who deletes slowly, while others are done and have made the campaign anew, finds no grave and
 * removes nothing of the new one. What such a multi refuses as a whole (one of its znodes has gone
 * already, or has something below it) goes one by one.
 *
 * A server works on requests in their order, so whoever else uses it waits behind what is in the
 * air here. That is kept short, a few milliseconds of work, and the next is sent only when all of
 * it is answered: in between everybody has a turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "ledger/task.h"

#define ROUNDS_MAX 3 /* how often what should be empty may turn out not to be */
#define TOGETHER 100 /* deletions in one multi */
#define MULTIS_MAX 2 /* of these in the air */
#define SINGLES_MAX 64

struct purge {
    struct task task;
    struct lk_ledger *ledger;
    int64_t deadline_ns;
    uint64_t chance;
    int64_t czxid; /* of the record: which campaign it is that goes; 0: not seen yet */
    char *grave;
    bool is_over, seal_is_gone;
    lk_progress_fn *progress;
    void *arg;
    int stopped_by;   /* what progress() answered; then statuses are LK_E_CANCELLED */
    bool is_counting; /* what goes are accounts */
    uint64_t accounts_gone;
    size_t buckets_begun, buckets_left;
    size_t folders, names; /* of the last list: how many */
};

static void purge_close(struct purge *purge)
{
    task_clear(&purge->task);
    free(purge->grave);
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

/* Sends one flight of guarded deletions, `together` to a multi. */
static int purge_send(struct purge *purge, char *const *paths, size_t count, size_t together)
{
    struct keeper_request multis[SINGLES_MAX] = { 0 };
    struct keeper_request operations[MULTIS_MAX * (1 + TOGETHER)] = { 0 };
    struct keeper_request *multi = NULL;
    size_t multi_count = 0, used = 0;

    for (size_t i = 0; i < count; i++) {
        if (i % together == 0) {
            multi = &multis[multi_count++];
            *multi = multi_of(purge->ledger->path, &operations[used], 1);
            operations[used++] = check_there(purge->grave);
        }
        operations[used++] = delete_of(paths[i]);
        multi->operation_count++;
    }
    return task_fly(&purge->task, purge->ledger, multis, multi_count, purge->deadline_ns);
}

/* LK_E_FOREIGN, when it was found, is told when all the others have gone. */
static int worse_of(int a, int b)
{
    return a == LK_OK || (a == LK_E_FOREIGN && b != LK_OK) ? b : a;
}

static int purge_singly(struct purge *purge, char *const *paths, size_t count)
{
    int found = LK_OK;

    for (size_t at = 0; at < count; at += SINGLES_MAX) {
        size_t some = count - at < SINGLES_MAX ? count - at : SINGLES_MAX;
        int status = purge_send(purge, paths + at, some, 1);
        if (status != LK_OK)
            return status;
        for (size_t i = 0; i < some; i++)
            found = worse_of(found, deletion_status(&purge->task.flight.answers[i]));
        if (found != LK_OK && found != LK_E_FOREIGN)
            break;
    }
    return found;
}

/* At most MULTIS_MAX times TOGETHER. */
static int purge_delete(struct purge *purge, char *const *paths, size_t count)
{
    bool refused[MULTIS_MAX] = { 0 };
    int found = LK_OK;
    int status = count ? purge_send(purge, paths, count, TOGETHER) : LK_OK;

    if (status != LK_OK)
        return status;
    for (size_t i = 0; i * TOGETHER < count; i++) {
        const struct answer *answer = &purge->task.flight.answers[i];
        size_t culprit = answer_culprit(answer);
        refused[i] = answer->rc != KEEPER_OK && count > 1 && culprit > 0
                     && culprit < answer->result_count;
        if (!refused[i])
            found = worse_of(found, deletion_status(answer));
    }
    for (size_t i = 0; i * TOGETHER < count && (found == LK_OK || found == LK_E_FOREIGN); i++) {
        size_t left = count - i * TOGETHER;
        if (refused[i])
            found = worse_of(found, purge_singly(purge, paths + i * TOGETHER,
                                                 left < TOGETHER ? left : TOGETHER));
    }
    return found;
}

/* Whether what should be empty may be so at another look. What is lost is looked for until the
 * deadline. */
static bool looks_again(int status, int *rounds)
{
    return status == LK_E_UNKNOWN || (status == LK_E_FOREIGN && ++*rounds < ROUNDS_MAX);
}

/* Users are dealt to buckets evenly, so those that have been listed tell of the others. `left`: in
 * the bucket at hand. */
static int purge_tell(struct purge *purge, size_t left)
{
    uint64_t known = purge->accounts_gone + left;
    uint64_t each = purge->buckets_begun ? known / purge->buckets_begun : 0;

    if (purge->progress)
        purge->stopped_by = purge->progress(purge->accounts_gone,
                                            known + each * purge->buckets_left, purge->arg);
    return purge->stopped_by ? LK_E_CANCELLED : LK_OK;
}

static int purge_delete_all(struct purge *purge, char *const *paths, size_t count)
{
    int found = LK_OK;

    for (size_t at = 0; at < count && (found == LK_OK || found == LK_E_FOREIGN);) {
        size_t some = count - at < MULTIS_MAX * TOGETHER ? count - at : MULTIS_MAX * TOGETHER;
        found = worse_of(found, purge_delete(purge, paths + at, some));
        at += some;
        if (!purge->is_counting || (found != LK_OK && found != LK_E_FOREIGN))
            continue;
        purge->accounts_gone += some;
        found = worse_of(found, purge_tell(purge, count - at));
    }
    return found;
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

/* The paths of those of `names` that are ours, at most as many as there are names. */
static int paths_of_ours(char *const *folders, const struct names *names, const bool *foreign,
                         is_ours_fn *is_ours, char **paths, size_t *out_count)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct child *child = &names->children[i];
        if (foreign[child->folder] || !is_ours(child->name))
            continue;
        paths[*out_count] = path_join(folders[child->folder], child->name);
        if (!paths[*out_count])
            return LK_E_NOMEM;
        ++*out_count;
    }
    return LK_OK;
}

static void paths_free(char **paths, size_t count)
{
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
}

/* Lists at most FOLDERS_MAX folders; `paths` are those of our children. Our folders bear no data,
 * but for the campaign: one that does is `foreign`, the record of something else under a name like
 * ours, with what it has. */
static int purge_list(struct purge *purge, char *const *folders, size_t count, is_ours_fn *is_ours,
                      bool bears_data, bool *foreign, char ***paths, size_t *out_count)
{
    __attribute__((cleanup(names_free))) struct names names = { 0 };

    *out_count = 0;
    *paths = NULL;
    int status = names_read(&names, &purge->task, purge->ledger, folders, count,
                            purge->deadline_ns);
    if (status != LK_OK)
        return status;
    purge->names = names.count;
    for (size_t i = 0; i < count; i++)
        foreign[i] = !bears_data && purge->task.flight.answers[1 + i].stat.data_size > 0;
    *paths = calloc(names.count + 1, sizeof(**paths));
    return *paths ? paths_of_ours(folders, &names, foreign, is_ours, *paths, out_count)
                  : LK_E_NOMEM;
}

static int purge_folders(struct purge *purge, char *const *folders, size_t count,
                         is_ours_fn *is_ours, is_ours_fn *below);

/* All buckets, some at a time. Two that delete at once begin at different ones, so that they do not
 * get in each other's way. What is foreign in one stays with that one; the others go. */
static int purge_buckets(struct purge *purge, char *const *buckets, size_t count,
                         is_ours_fn *is_ours)
{
    size_t first = count ? purge->chance % count : 0;
    int found = LK_OK;

    for (size_t at = 0; at < count && (found == LK_OK || found == LK_E_FOREIGN);) {
        char *some[FOLDERS_MAX];
        size_t taken = 0;
        purge->folders = names_folders(purge->folders, purge->names);
        while (taken < purge->folders && at < count)
            some[taken++] = buckets[(first + at++) % count];
        purge->buckets_begun = at;
        purge->buckets_left = count - at;
        found = worse_of(found, purge_folders(purge, some, taken, is_ours, NULL));
    }
    return found;
}

/* Deletes our children of at most FOLDERS_MAX folders, and the folders; with `below`, the children's
 * children first. */
static int purge_folders(struct purge *purge, char *const *folders, size_t count,
                         is_ours_fn *is_ours, is_ours_fn *below)
{
    int status, rounds = 0;

    do {
        bool foreign[FOLDERS_MAX];
        char **paths, *emptied[FOLDERS_MAX];
        size_t ours, emptied_count = 0;
        status = purge_list(purge, folders, count, is_ours, false, foreign, &paths, &ours);
        if (status == LK_OK)
            status = below ? purge_buckets(purge, paths, ours, below)
                           : purge_delete_all(purge, paths, ours);
        paths_free(paths, ours);
        for (size_t i = 0; i < count && (status == LK_OK || status == LK_E_FOREIGN); i++) {
            if (foreign[i])
                status = LK_E_FOREIGN;
            else
                emptied[emptied_count++] = folders[i];
        }
        if (status == LK_OK || status == LK_E_FOREIGN)
            status = worse_of(status, purge_delete(purge, emptied, emptied_count));
    } while (looks_again(status, &rounds));
    return status;
}

/* ---- the beginning: nothing can be written any more ---- */

/* Somebody took the seal away: then nothing can be written anyhow, and after another look, which
 * shows whether it is still the same campaign, the grave is made without. */
static int mark_write(struct purge *purge, struct campaign *campaign, int32_t version)
{
    struct lk_ledger *ledger = purge->ledger;
    struct record_out record = { 0 };
    char *seal = name_seal(ledger->path, campaign->seal);

    campaign->deleting = true;
    int status = seal ? campaign_encode(campaign, &record) : LK_E_NOMEM;
    const struct keeper_request operations[] = {
        set_of(ledger->path, &record, version),
        create_of(purge->grave, NULL, client_access(ledger->client)),
        delete_of(seal),
    };
    const struct keeper_request multi = multi_of(ledger->path, operations,
                                                 purge->seal_is_gone ? 2 : 3);
    if (status == LK_OK)
        status = task_fly(&purge->task, ledger, &multi, 1, purge->deadline_ns);
    if (status == LK_OK)
        purge->seal_is_gone = purge->task.flight.answers[0].rc == KEEPER_NO_NODE
                              && answer_culprit(&purge->task.flight.answers[0]) == 2;
    free(seal);
    record_free(&record);
    return status;
}

/* Reads the record, behind a barrier; sees whether the campaign that this call found is gone, whatever
 * stands there now. */
static int purge_look(struct purge *purge)
{
    const char *path = purge->ledger->path;
    const struct keeper_request requests[] = {
        barrier,
        { .verb = KEEPER_GET, .path = path },
    };

    int status = task_fly(&purge->task, purge->ledger, requests, 2, purge->deadline_ns);
    if (status != LK_OK || !purge->czxid)
        return status;
    const struct answer *answer = &purge->task.flight.answers[1];
    purge->is_over = answer->rc == KEEPER_NO_NODE
                     || (answer->rc == KEEPER_OK && answer->stat.czxid != purge->czxid);
    return LK_OK;
}

/* LK_OK: marked, now or before, or gone. LK_E_EXISTS: look again. */
static int mark(struct purge *purge)
{
    __attribute__((cleanup(campaign_free))) struct campaign campaign = { 0 };

    int status = purge_look(purge);
    if (status != LK_OK || purge->is_over)
        return status;
    const struct answer *answer = &purge->task.flight.answers[1];
    int32_t version = answer->stat.version;
    status = answer_status(answer);
    if (status == LK_OK)
        status = campaign_decode(&campaign, answer->data, answer->data_size);
    if (status != LK_OK)
        return status;
    purge->czxid = answer->stat.czxid;
    free(purge->grave);
    purge->grave = name_grave(purge->ledger->path, campaign.seal);
    if (!purge->grave)
        return LK_E_NOMEM;
    if (campaign.deleting)
        return LK_OK;
    status = mark_write(purge, &campaign, version);
    if (status != LK_OK)
        return status;
    const struct answer *written = &purge->task.flight.answers[0];
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
static int purge_record(struct purge *purge)
{
    const char *path = purge->ledger->path;
    const struct keeper_request operations[] = {
        delete_of(purge->grave),
        delete_of(path),
    };
    const struct keeper_request multi = multi_of(path, operations, 2);

    int status = task_fly(&purge->task, purge->ledger, &multi, 1, purge->deadline_ns);
    return status == LK_OK ? deletion_status(&purge->task.flight.answers[0]) : status;
}

/* Clock, a seal that somebody left, grave and record. What a stranger put there stays, and so does
 * the record: deleting on is for its owner. */
static int purge_rest(struct purge *purge)
{
    int status, rounds = 0;

    do {
        bool foreign;
        char **paths;
        size_t ours;
        status = purge_list(purge, &purge->ledger->path, 1, is_clock_or_seal, true, &foreign,
                            &paths, &ours);
        if (status == LK_OK)
            status = purge_delete_all(purge, paths, ours);
        paths_free(paths, ours);
        if (status == LK_OK)
            status = purge_record(purge);
    } while (looks_again(status, &rounds));
    return status;
}

/* There was no grave any more: others have deleted the campaign. If it is still there, its grave
 * was robbed. */
static int purge_confirm(struct purge *purge)
{
    int status = purge_look(purge);

    if (status != LK_OK || purge->is_over)
        return status;
    status = answer_status(&purge->task.flight.answers[1]);
    return status == LK_OK ? LK_E_CORRUPT : status;
}

static int purge_named(struct purge *purge, char *folder, is_ours_fn *is_ours, is_ours_fn *below)
{
    int status = folder ? purge_folders(purge, &folder, 1, is_ours, below) : LK_E_NOMEM;
    free(folder);
    return status;
}

static int purge_everything(struct purge *purge)
{
    struct lk_ledger *ledger = purge->ledger;
    int status;

    do {
        status = mark(purge);
    } while (status == LK_E_EXISTS);
    if (status != LK_OK || purge->is_over)
        return status;
    purge->is_counting = true;
    status = purge_named(purge, name_accounts(ledger->path), is_bucket, is_account);
    purge->is_counting = false;
    if (status == LK_OK || status == LK_E_FOREIGN)
        status = purge_named(purge, name_stock(ledger->path), is_shard, NULL);
    if (status == LK_OK || status == LK_E_FOREIGN)
        status = purge_rest(purge);
    return status == LK_E_NOT_FOUND ? purge_confirm(purge) : status;
}

int lk_campaign_delete(lk_ledger *ledger, lk_progress_fn *progress, void *arg, int64_t deadline_ns)
{
    if (!ledger)
        return LK_E_INVALID;
    __attribute__((cleanup(purge_close))) struct purge purge = {
        .ledger = ledger, .deadline_ns = deadline_ns, .progress = progress, .arg = arg
    };
    int status = client_enter(ledger->client);
    if (status != LK_OK)
        return status;
    purge.chance = client_random(ledger->client);
    client_leave(ledger->client);
    status = purge_everything(&purge);
    return purge.stopped_by ? purge.stopped_by : status;
}
