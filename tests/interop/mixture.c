/* mixture.c - see mixture.h. */
#include "mixture.h"

#include <stdio.h>

struct runner {
    struct mixture *mixture;
    struct member *member;
};

static int take_blocking(struct member *member)
{
    return member->lock           ? lk_lock_acquire(member->lock, LK_FOREVER, NULL)
           : member_reads(member) ? lk_rwlock_read(member->rwlock, LK_FOREVER, NULL)
                                  : lk_rwlock_write(member->rwlock, LK_FOREVER, NULL);
}

struct pause {
    struct mixture *mixture;
    size_t until_turns;
};

static bool is_over(void *arg)
{
    const struct pause *pause = arg;
    return turns_count() >= pause->until_turns || atomic_load(&pause->mixture->stopped);
}

/* Stays out of the line for a few turns: else all would for ever follow one another in the order of
 * their first coming, and who stands behind whom would never be tried. */
static void stay_out(struct mixture *mixture, size_t turns)
{
    struct pause pause = { mixture, turns_count() + turns };
    live_await("a few turns of the others", is_over, &pause);
}

static void *run_ours(void *arg)
{
    struct runner *runner = arg;
    struct member *member = runner->member;
    int status = LK_OK;

    for (size_t turn = 0; status == LK_OK && !atomic_load(&runner->mixture->stopped); turn++) {
        status = take_blocking(member);
        if (status == LK_OK)
            status = member_enters(member);
        if (status != LK_OK)
            break;
        turn_leave(member->who);
        status = member->lock ? lk_lock_release(member->lock, LK_FOREVER)
                              : lk_rwlock_release(member->rwlock, LK_FOREVER);
        stay_out(runner->mixture, turn % (size_t)(2 + (member - runner->mixture->members)));
    }
    if (status != LK_OK)
        atomic_store(&runner->mixture->refused, status);
    return NULL;
}

static void start_theirs(struct member *member)
{
    peer_order(member->peer, "%s turns %s %s", member->who, member->kind, live_path("/l"));
}

static void stop_theirs(struct member *member)
{
    (void)peer_await(member->peer, member->who, "granted"); /* it had begun */
    peer_order(member->peer, "%s stop", member->who);
}

/* SIGKILL for one of them, and another in its place. */
static void replace(struct mixture *mixture, struct peer **peer)
{
    struct peer *old = *peer;
    bool is_curator = peer == mixture->curator;

    peer_kill(old);
    *peer = is_curator ? peer_start_curator() : peer_start_kazoo();
    for (size_t i = 0; i < mixture->count; i++)
        if (mixture->members[i].peer == old) {
            mixture->members[i].peer = *peer;
            start_theirs(&mixture->members[i]);
        }
}

static void let_run(struct mixture *mixture, bool with_kills, int64_t until_ns)
{
    enum { TURNS_BETWEEN_KILLS = 60 };
    size_t turns = 0;
    bool has_curator = false;

    for (size_t i = 0; i < mixture->count; i++)
        has_curator |= mixture->members[i].peer == *mixture->curator;
    for (unsigned kills = 0; with_kills && lk_now_ns() < until_ns; kills++) {
        turns = turns_count() + TURNS_BETWEEN_KILLS;
        await_turns(turns);
        assert_int_equal(atomic_load(&mixture->refused), LK_OK);
        replace(mixture, has_curator && kills % 2 == 0 ? mixture->curator : mixture->kazoo);
    }
}

/* Those who start late must have had their share too. */
static void await_turns_of_each(struct mixture *mixture, size_t turns)
{
    for (size_t i = 0; i < mixture->count; i++)
        await_turns_of(mixture->members[i].who, turns);
}

void mixture_run(struct mixture *mixture, bool with_kills, int64_t until_ns)
{
    enum { TURNS_OF_EACH = 50 };
    struct runner runners[MEMBERS_MAX];
    lk_client *client = LIVE_CLIENT("O", 0);

    turns_begin();
    for (size_t i = 0; i < mixture->count; i++) {
        struct member *member = &mixture->members[i];
        runners[i] = (struct runner){ mixture, member };
        if (member->peer) {
            start_theirs(member);
            continue;
        }
        member_make(member, client);
        assert_int_equal(pthread_create(&mixture->threads[i], NULL, run_ours, &runners[i]), 0);
    }
    let_run(mixture, with_kills, until_ns);
    await_turns_of_each(mixture, TURNS_OF_EACH);
    for (size_t i = 0; i < mixture->count; i++)
        if (mixture->members[i].peer)
            stop_theirs(&mixture->members[i]);
    atomic_store(&mixture->stopped, true);
    live_changed();
    for (size_t i = 0; i < mixture->count; i++) {
        if (mixture->members[i].peer) {
            (void)peer_await(mixture->members[i].peer, mixture->members[i].who, "stopped");
            continue;
        }
        pthread_join(mixture->threads[i], NULL);
        member_unmake(&mixture->members[i]);
    }
    assert_int_equal(atomic_load(&mixture->refused), LK_OK);
    print_message("    %zu turns\n", turns_count());
    assert_turns_are_fair();
}
