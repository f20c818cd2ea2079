/* entrant.c - see entrant.h. */
#include "entrant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRY_SIZE = 32768, PATH_SIZE = 100 };

static lk_grant *grant_of(struct entrant *entrant)
{
    return entrant->lock ? lk_lock_grant(entrant->lock) : lk_rwlock_grant(entrant->rwlock);
}

const char *entrant_prefix(const struct entrant *entrant)
{
    return entrant->reads ? "lk-read-lock-" : "lk-lock-";
}

/* ---- its log ---- */

/* "CZXID READS NODE CHILD,CHILD,..." */
static int entry_write(struct entrant *entrant)
{
    struct String_vector list = { 0 };
    char path[PATH_SIZE], node[64];
    lk_fence fence;

    int status = entrant->lock ? lk_lock_fence(entrant->lock, &fence)
                               : lk_rwlock_fence(entrant->rwlock, &fence);
    if (status == LK_OK)
        status = entrant->lock ? lk_lock_node(entrant->lock, node, sizeof node)
                               : lk_rwlock_node(entrant->rwlock, node, sizeof node);
    if (status != LK_OK)
        return status;
    snprintf(path, sizeof path, "%s/l", entrant->root);
    if (!(entrant->entry = malloc(ENTRY_SIZE))
        || zoo_get_children(entrant->witness, path, 0, &list) != ZOK)
        return LK_E_SYSTEM;
    size_t used = (size_t)snprintf(entrant->entry, ENTRY_SIZE, "%" PRIu64 " %d %s ", fence.zxid,
                                   entrant->reads, node);
    for (int i = 0; i < list.count && used < ENTRY_SIZE; i++)
        used += (size_t)snprintf(entrant->entry + used, ENTRY_SIZE - used, "%s%s", i ? "," : "",
                                 list.data[i]);
    deallocate_String_vector(&list);
    return used < ENTRY_SIZE ? LK_OK : LK_E_TOO_LARGE;
}

static int guard_begin(struct entrant *entrant, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "/turns/%s", entrant->name);
    int status = lk_guard_clear(entrant->guard);
    return status == LK_OK ? lk_guard_hold(entrant->guard, grant_of(entrant)) : status;
}

/* ---- its turn ---- */

static void is_over(int status, void *arg)
{
    struct entrant *entrant = arg;
    entrant->over(entrant, status);
}

static void has_left(int status, void *arg)
{
    struct entrant *entrant = arg;

    if (status == LK_OK)
        status = entrant->lock
                     ? lk_lock_release_start(entrant->lock, LK_FOREVER, is_over, entrant, NULL)
                     : lk_rwlock_release_start(entrant->rwlock, LK_FOREVER, is_over, entrant, NULL);
    if (status != LK_OK)
        entrant->over(entrant, status);
}

void entrant_leave(struct entrant *entrant)
{
    char path[PATH_SIZE];
    int status = guard_begin(entrant, path);

    if (status == LK_OK)
        status = lk_guard_set(entrant->guard, path, entrant->entry, strlen(entrant->entry), 0);
    if (status == LK_OK)
        status = lk_guard_commit_start(entrant->guard, LK_FOREVER, has_left, entrant, NULL);
    if (status != LK_OK)
        entrant->over(entrant, status);
}

static void has_entered(int status, void *arg)
{
    struct entrant *entrant = arg;

    if (status != LK_OK)
        entrant->over(entrant, status);
    else if (entrant->entered)
        entrant->entered(entrant);
    else
        entrant_leave(entrant);
}

static void granted(int status, void *arg)
{
    struct entrant *entrant = arg;
    char path[PATH_SIZE];

    if (status == LK_OK)
        status = entry_write(entrant);
    if (status == LK_OK)
        status = guard_begin(entrant, path);
    if (status == LK_OK)
        status = lk_guard_create(entrant->guard, path, entrant->entry, strlen(entrant->entry));
    if (status == LK_OK)
        status = lk_guard_commit_start(entrant->guard, LK_FOREVER, has_entered, entrant, NULL);
    if (status != LK_OK)
        entrant->over(entrant, status);
}

int entrant_join(struct entrant *entrant, int64_t deadline_ns)
{
    int status = lk_guard_new(&entrant->guard, entrant->client);

    if (status == LK_OK)
        status = entrant->reads || entrant->writes
                     ? lk_rwlock_new(&entrant->rwlock, entrant->client, "/l", NULL)
                     : lk_lock_new(&entrant->lock, entrant->client, "/l", NULL);
    if (status != LK_OK)
        return status;
    if (entrant->lock)
        return lk_lock_acquire_start(entrant->lock, deadline_ns, granted, entrant, &entrant->op);
    return (entrant->reads ? lk_rwlock_read_start : lk_rwlock_write_start)(
        entrant->rwlock, deadline_ns, granted, entrant, &entrant->op);
}

void entrant_cancel(struct entrant *entrant)
{
    lk_cancel(entrant->client, entrant->op);
}

void entrant_free(struct entrant *entrant)
{
    lk_guard_free(entrant->guard);
    lk_lock_free(entrant->lock);
    lk_rwlock_free(entrant->rwlock);
    free(entrant->entry);
}

/* ---- what the log says ---- */

static void turn_read(const char *name, bool may_be_killed, struct turn *out)
{
    static char entry[ENTRY_SIZE];
    char path[PATH_SIZE], wrong[JUDGE_WRONG_SIZE];
    int reads, children = 0;
    struct Stat stat;

    snprintf(path, sizeof path, "/turns/%s", name);
    entry[raw_get(live_path(path), entry, sizeof entry - 1, &stat)] = '\0';
    *out = (struct turn){ .was_killed = may_be_killed,
                          .entered = stat.czxid,
                          .left = stat.version > 0 ? stat.mzxid : 0 };
    snprintf(out->who, sizeof out->who, "%s", name);
    assert_int_equal(
        sscanf(entry, "%" SCNd64 " %d %63s %n", &out->czxid, &reads, out->node, &children), 3);
    out->reads = reads;
    if (!judge_presence(out, entry + children, wrong))
        fail_msg("%s", wrong);
}

size_t entrants_judge(struct turn *out_turns, size_t room, bool (*may_be_killed)(const char *who))
{
    struct String_vector list;
    char wrong[JUDGE_WRONG_SIZE];

    assert_int_equal(zoo_get_children(raw(), live_path("/turns"), 0, &list), ZOK);
    size_t count = (size_t)list.count;
    assert_true(count <= room);
    for (size_t i = 0; i < count; i++)
        turn_read(list.data[i], may_be_killed && may_be_killed(list.data[i]), &out_turns[i]);
    deallocate_String_vector(&list);
    if (!judge_turns(out_turns, count, wrong))
        fail_msg("%s", wrong);
    return count;
}
