/* member.c - see member.h. */
#include "member.h"

#include <stdio.h>
#include <string.h>

bool member_reads(const struct member *member)
{
    return strstr(member->kind, "read") != NULL;
}

static void member_make(struct member *member, lk_client *client)
{
    lk_lock_options lock_options = LK_LOCK_OPTIONS_INIT;
    lk_rwlock_options options = LK_RWLOCK_OPTIONS_INIT;

    lock_options.compat = options.compat = member->compat;
    if (strcmp(member->kind, "lock") == 0)
        assert_status(lk_lock_new(&member->lock, client, "/l", &lock_options), LK_OK);
    else
        assert_status(lk_rwlock_new(&member->rwlock, client, "/l", &options), LK_OK);
}

static void member_unmake(struct member *member)
{
    member->lock = lk_lock_free(member->lock);
    member->rwlock = lk_rwlock_free(member->rwlock);
}

/* Notes the turn. Fails if the lock was lost since, which no test here wants. */
static int member_enters(const struct member *member)
{
    lk_fence fence;
    char node[64];
    int status = member->lock ? lk_lock_fence(member->lock, &fence)
                              : lk_rwlock_fence(member->rwlock, &fence);

    if (status == LK_OK)
        status = member->lock ? lk_lock_node(member->lock, node, sizeof node)
                              : lk_rwlock_node(member->rwlock, node, sizeof node);
    if (status == LK_OK)
        turn_enter(member->who, member_reads(member), node, (int64_t)fence.zxid);
    return status;
}

static void entered(int status, void *arg)
{
    struct member *member = arg;

    answer_done(status == LK_OK ? member_enters(member) : status, member->answer);
}

void takes(struct member *member)
{
    if (member->peer) {
        peer_order(member->peer, "%s take %s %s", member->who, member->kind, live_path("/l"));
        return;
    }
    member_make(member, LIVE_CLIENT(member->who, 0));
    member->answer = live_answer(member->who);
    int status = member->lock
                     ? lk_lock_acquire_start(member->lock, LK_FOREVER, entered, member, NULL)
                 : member_reads(member)
                     ? lk_rwlock_read_start(member->rwlock, LK_FOREVER, entered, member, NULL)
                     : lk_rwlock_write_start(member->rwlock, LK_FOREVER, entered, member, NULL);
    assert_status(status, LK_OK);
}

void holds(struct member *member)
{
    if (member->peer)
        (void)peer_await(member->peer, member->who, "granted");
    else
        assert_status(await_answer(member->answer), LK_OK);
}

void gives(struct member *member)
{
    if (member->peer) {
        peer_order(member->peer, "%s give", member->who);
        (void)peer_await(member->peer, member->who, "released");
        return;
    }
    turn_leave(member->who);
    assert_status(member->lock ? lk_lock_release(member->lock, lk_in_ms(PATIENCE_MS))
                               : lk_rwlock_release(member->rwlock, lk_in_ms(PATIENCE_MS)),
                  LK_OK);
    member_unmake(member);
}

static int try_ours(struct member *member)
{
    member_make(member, LIVE_CLIENT(member->who, 0));
    int status = member->lock ? lk_lock_try(member->lock, lk_in_ms(PATIENCE_MS), NULL)
                 : member_reads(member)
                     ? lk_rwlock_try_read(member->rwlock, lk_in_ms(PATIENCE_MS), NULL)
                     : lk_rwlock_try_write(member->rwlock, lk_in_ms(PATIENCE_MS), NULL);
    if (status == LK_OK)
        return member_enters(member);
    member_unmake(member);
    return status;
}

void tries(struct member *member, bool is_free)
{
    if (member->peer) {
        peer_order(member->peer, "%s try %s %s", member->who, member->kind, live_path("/l"));
        (void)peer_await(member->peer, member->who, is_free ? "granted" : "busy");
    } else {
        assert_status(try_ours(member), is_free ? LK_OK : LK_E_BUSY);
    }
}

void takes_and_holds(struct member *member)
{
    takes(member);
    holds(member);
}

void takes_as(struct member *member, size_t nth)
{
    takes(member);
    await_children(live_path("/l"), nth);
}
