/* mixture.c - see mixture.h. */
#include "mixture.h"

#include <stdio.h>
#include <string.h>

enum role { HOLDS, WAITS, WHATEVER_IT_DOES, ROLES };

static void starts(struct member *member)
{
    peer_order(member->peer, "%s turns %s %s", member->who, member->kind, live_path("/l"));
}

void mixture_begin(struct mixture *mixture)
{
    turns_begin();
    for (size_t i = 0; i < mixture->count; i++)
        starts(&mixture->members[i]);
}

void mixture_end(struct mixture *mixture)
{
    for (size_t i = 0; i < mixture->count; i++) {
        struct member *member = &mixture->members[i];
        (void)peer_await(member->peer, member->who, "granted"); /* it had begun */
        peer_order(member->peer, "%s stop", member->who);
    }
    for (size_t i = 0; i < mixture->count; i++)
        (void)peer_await(mixture->members[i].peer, mixture->members[i].who, "stopped");
}

/* ---- kills ---- */

static bool is_of(const struct member *member, const struct sort *sort)
{
    return member->peer == *sort->peer;
}

/* The nth of them, around and around; NULL: there is none. */
static struct member *member_of(struct mixture *mixture, const struct sort *sort, unsigned nth)
{
    struct member *of[MEMBERS_MAX];
    unsigned count = 0;

    for (size_t i = 0; i < mixture->count; i++)
        if (is_of(&mixture->members[i], sort))
            of[count++] = &mixture->members[i];
    return count ? of[nth % count] : NULL;
}

/* A writer, for whom all others wait. */
static struct member *writer_not_of(struct mixture *mixture, const struct sort *sort)
{
    for (size_t i = 0; i < mixture->count; i++)
        if (!is_of(&mixture->members[i], sort) && !member_reads(&mixture->members[i]))
            return &mixture->members[i];
    return NULL;
}

static void keeps(struct member *member)
{
    peer_order(member->peer, "%s keep", member->who);
    (void)peer_await(member->peer, member->who, "keeps");
}

static bool has_cut_a_turn(struct mixture *mixture, const struct peer *peer)
{
    bool has = false;

    for (size_t i = 0; i < mixture->count; i++)
        if (mixture->members[i].peer == peer)
            has |= turn_of(mixture->members[i].who).was_killed;
    return has;
}

/* SIGKILL for its process, and another in its place. */
static void replace(struct mixture *mixture, struct sort *sort, enum role role)
{
    struct peer *old = *sort->peer;

    peer_kill(old);
    sort->killed_holding += role == HOLDS && has_cut_a_turn(mixture, old);
    sort->killed_waiting += role == WAITS && !has_cut_a_turn(mixture, old);
    *sort->peer = sort->start();
    for (size_t i = 0; i < mixture->count; i++)
        if (mixture->members[i].peer == old) {
            mixture->members[i].peer = *sort->peer;
            starts(&mixture->members[i]);
        }
}

/* While another keeps the lock, and all stand there. */
static void kill_waiter(struct mixture *mixture, struct sort *sort)
{
    struct member *holder = writer_not_of(mixture, sort);

    assert_non_null(holder);
    keeps(holder);
    for (size_t i = 0; i < mixture->count; i++)
        if (is_of(&mixture->members[i], &mixture->sorts[0]))
            peer_order(mixture->members[i].peer, "%s come", mixture->members[i].who);
    await_children(live_path("/l"), mixture->count);
    replace(mixture, sort, WAITS);
    peer_order(holder->peer, "%s go", holder->who);
}

static void kill_one(struct mixture *mixture, struct sort *sort, enum role role, unsigned nth)
{
    if (role == WAITS) {
        kill_waiter(mixture, sort);
        return;
    }
    if (role == HOLDS)
        keeps(member_of(mixture, sort, nth));
    replace(mixture, sort, role);
}

static unsigned kill_some(struct mixture *mixture, int64_t until_ns)
{
    enum { TURNS_BETWEEN_KILLS = 300 };
    unsigned kills = 0;

    for (unsigned round = 0; round < ROLES || lk_now_ns() < until_ns; round++)
        for (size_t i = 0; i < SORTS; i++) {
            if (!member_of(mixture, &mixture->sorts[i], 0))
                continue;
            await_turns(turns_count() + TURNS_BETWEEN_KILLS);
            assert_turns_seem_fair();
            kill_one(mixture, &mixture->sorts[i], (enum role)(round % ROLES), round / ROLES);
            kills++;
        }
    return kills;
}

/* ---- what came of it ---- */

static size_t sort_of(const struct mixture *mixture, const char *who)
{
    for (size_t i = 0; i < mixture->count; i++)
        for (size_t sort = 0; sort < SORTS; sort++)
            if (strcmp(mixture->members[i].who, who) == 0
                && is_of(&mixture->members[i], &mixture->sorts[sort]))
                return sort;
    fail_msg("%s is none of the members", who);
    return 0;
}

/* It was one line only if each sort has stood right behind each other one. */
static void assert_all_stood_behind_all(struct mixture *mixture)
{
    size_t behind[SORTS][SORTS] = { 0 };
    const struct turn *turns = turns_in_order();

    for (size_t i = 1; i < turns_count(); i++)
        behind[sort_of(mixture, turns[i].who)][sort_of(mixture, turns[i - 1].who)]++;
    for (size_t a = 0; a < SORTS; a++)
        for (size_t b = 0; b < SORTS; b++)
            if (member_of(mixture, &mixture->sorts[a], 0)
                && member_of(mixture, &mixture->sorts[b], 0) && a != b && behind[a][b] == 0)
                fail_msg("in %zu turns %s never stood right behind %s", turns_count(),
                         mixture->sorts[a].name, mixture->sorts[b].name);
}

static void assert_each_sort_was_killed(struct mixture *mixture)
{
    for (size_t i = 0; i < SORTS; i++) {
        const struct sort *sort = &mixture->sorts[i];
        if (!member_of(mixture, sort, 0))
            continue;
        assert_true(sort->killed_holding > 0);
        assert_true(sort->killed_waiting > 0);
        print_message("    %s: killed %u times holding, %u times waiting\n", sort->name,
                      sort->killed_holding, sort->killed_waiting);
    }
}

/* until_ns 0: no kills. */
static void run(struct mixture *mixture, int64_t until_ns)
{
    unsigned kills = 0;

    mixture_begin(mixture);
    if (until_ns)
        kills = kill_some(mixture, until_ns);
    for (size_t i = 0; i < mixture->count; i++)
        await_turns_of(mixture->members[i].who, TURNS_OF_EACH);
    assert_turns_seem_fair();
    mixture_end(mixture);
    print_message("    %zu turns, %u kills\n", turns_count(), kills);
    assert_turns_are_fair();
    assert_all_stood_behind_all(mixture);
    if (until_ns)
        assert_each_sort_was_killed(mixture);
}

void mixture_run(struct mixture *mixture)
{
    run(mixture, 0);
}

void mixture_run_with_kills(struct mixture *mixture, int64_t until_ns)
{
    run(mixture, until_ns);
}
