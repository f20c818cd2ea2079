/* test_lock_processes.c - one lock and many processes: a file that nothing else guards, the order
 * of turns, and what SIGKILL and SIGSTOP do to a holder. Judged by what the server did and when,
 * never by how long it took. */
#include "player.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK = 500 };

struct turn {
    long count; /* what the file said */
    uint64_t fence;
    unsigned number; /* of the znode */
};

static int by_count(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    return x->count < y->count ? -1 : x->count > y->count;
}

static struct turn parse_turn(const char *line)
{
    struct turn turn;

    assert_int_equal(
        sscanf(line, "%ld %" SCNu64 " lk-lock-%u", &turn.count, &turn.fence, &turn.number), 3);
    return turn;
}

static long read_count(const char *path)
{
    FILE *file = fopen(path, "r");
    long count = -1;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &count), 1);
    fclose(file);
    return count;
}

static void eight_processes_take_their_turns_in_order_and_lose_no_count(void)
{
    enum { PLAYERS = 8, TURNS = 200 };
    struct player players[PLAYERS];
    static struct turn turns[PLAYERS * TURNS];
    char argument[200], *path = argument + 4;
    size_t count = 0;

    snprintf(argument, sizeof argument, "%03d %s/count", TURNS, zkbox_folder(live_box()));
    for (size_t i = 0; i < PLAYERS; i++)
        players[i] = player_start("turns", CALM_MS, argument);
    for (size_t i = 0; i < PLAYERS; i++) {
        for (const char *line; (line = player_hear(&players[i], true)) != NULL;) {
            assert_true(count < PLAYERS * TURNS);
            turns[count++] = parse_turn(line);
        }
        assert_int_equal(player_end(&players[i]), 0);
    }
    assert_int_equal(count, PLAYERS * TURNS);
    assert_int_equal(read_count(path), PLAYERS * TURNS);
    qsort(turns, count, sizeof turns[0], by_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(turns[i].count, i);
        assert_true(i == 0 || turns[i].fence > turns[i - 1].fence);
        assert_true(i == 0 || turns[i].number > turns[i - 1].number);
    }
    unlink(path);
}

static void processes_that_are_killed_break_no_order(void)
{
    enum { PLAYERS = 5, KILLS = 12, TIMEOUT_MS = 2 * TICK };
    struct player players[PLAYERS];
    char argument[200];
    struct turn last = { .count = -1 };

    snprintf(argument, sizeof argument, "1000000 %s/kills", zkbox_folder(live_box()));
    for (size_t i = 0; i < PLAYERS; i++)
        players[i] = player_start("turns", TIMEOUT_MS, argument);
    for (size_t kill = 0; kill < KILLS; kill++) {
        struct player *victim = &players[kill % PLAYERS];
        for (int turn = 0; turn < 5; turn++)
            parse_turn(player_hear(victim, false));
        player_signal(victim, SIGKILL);
        for (const char *line; (line = player_hear(victim, true)) != NULL;) {
            struct turn turn;
            if (sscanf(line, "%ld %" SCNu64 " lk-lock-%u", &turn.count, &turn.fence, &turn.number)
                    == 3
                && turn.fence > last.fence)
                last = turn;
        }
        assert_int_equal(player_end(victim), -SIGKILL);
        *victim = player_start("turns", TIMEOUT_MS, argument);
        struct turn first = parse_turn(player_hear(victim, false));
        assert_true(first.fence > last.fence && first.count >= last.count);
    }
    for (size_t i = 0; i < PLAYERS; i++) {
        player_signal(&players[i], SIGKILL);
        while (player_hear(&players[i], true))
            ;
        player_end(&players[i]);
    }
}

/* The control session has a timeout two ticks longer, and died in the same moment: while the server
 * still keeps it, no more than the session timeout and two ticks have passed. */
static void a_killed_holder_is_followed_within_its_timeout_and_two_ticks(void)
{
    enum { TIMEOUT_MS = 6 * TICK };
    struct stand *next = live_lock(LIVE_CLIENT("B", 0), "next", "/l");
    struct gone lock_gone, control_gone;
    char argument[100];

    raw_make(live_path("/x"));
    snprintf(argument, sizeof argument, "%d %s", TIMEOUT_MS + 2 * TICK, live_path("/control"));
    struct player player = player_start("hold", TIMEOUT_MS, argument);
    uint64_t fence = strtoull(player_hear(&player, false) + strlen("held "), NULL, 10);
    raw_watch_gone(live_path("/l/lk-lock-0000000000"), &lock_gone);
    raw_watch_gone(live_path("/control"), &control_gone);
    struct answer *waits = start_acquire(next, LK_FOREVER);
    await_children(live_path("/l"), 2);
    player_tell(&player, "touch");
    assert_string_equal(player_hear(&player, false), "touched");
    player_signal(&player, SIGKILL);
    assert_status(await_answer(waits), LK_OK);
    await_gone(&control_gone);
    assert_true(lock_gone.is_gone && lock_gone.at_ns < control_gone.at_ns);
    assert_true(change_time(next, LK_HELD) < control_gone.at_ns);
    lk_fence after;
    assert_status(lk_lock_fence(next->lock, &after), LK_OK);
    assert_true(after.zxid > fence);
    assert_int_equal(player_end(&player), -SIGKILL);
}

static void a_holder_that_was_stopped_never_believes_to_hold_when_it_wakes(void)
{
    enum { TIMEOUT_MS = 3 * TICK };
    struct stand *next = live_lock(LIVE_CLIENT("B", 0), "next", "/l");

    for (int turn = 0; turn < 3; turn++) {
        struct player player = player_start("watch", TIMEOUT_MS, "");
        uint64_t fence = strtoull(player_hear(&player, false) + strlen("held "), NULL, 10);
        struct answer *waits = start_acquire(next, LK_FOREVER);
        await_children(live_path("/l"), 2);
        player_signal(&player, SIGSTOP);
        assert_status(await_answer(waits), LK_OK); /* the server has ended its session */
        lk_fence after;
        assert_status(lk_lock_fence(next->lock, &after), LK_OK);
        assert_true(after.zxid > fence);
        player_signal(&player, SIGCONT);
        const char *line = player_hear(&player, false);
        if (strcmp(line, "lost")
            != 0) { /* else it was stopped inside the call, and the answer was 0 */
            assert_string_equal(line, "woke 0 lost");
            assert_string_equal(player_hear(&player, false), "lost");
        }
        assert_int_equal(player_end(&player), 0);
        release(next);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(eight_processes_take_their_turns_in_order_and_lose_no_count),
        LIVE_TEST(processes_that_are_killed_break_no_order),
        LIVE_TEST(a_killed_holder_is_followed_within_its_timeout_and_two_ticks),
        LIVE_TEST(a_holder_that_was_stopped_never_believes_to_hold_when_it_wakes),
    };
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    int status;

    if (is_player(argc, argv, &status))
        return status;
    options.tick_ms = TICK;
    options.fsync = false;
    return live_main("lock processes", &options, tests, sizeof tests / sizeof tests[0]);
}
