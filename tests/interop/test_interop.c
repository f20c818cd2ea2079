/* test_interop.c - one line with Curator's and kazoo's locks, the real ones: whoever comes first is
 * first, whatever program it is.
 *
 * Each test moves a few members step by step, or lets all run; then the servers' zxids say whether
 * anybody entered too early. docs/interop.md says the same for users.
 *
 * `test_interop long [SECONDS]`: mixtures with kills, so long each. */
#include "mixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the whole program: a JVM takes seconds to start. */
static struct peer *latchkey, *curator, *kazoo;

static int64_t soon(void)
{
    return lk_in_ms(PATIENCE_MS);
}

/* ---- one lock ---- */

/* Each of them is first once, then the others wait in the order of their coming. */
static void take_turns(struct member *members, size_t count)
{
    turns_begin();
    for (size_t first = 0; first < count; first++) {
        takes_and_holds(&members[first]);
        for (size_t i = 1; i < count; i++)
            tries(&members[(first + i) % count], false);
        for (size_t i = 1; i < count; i++)
            takes_as(&members[(first + i) % count], i + 1);
        for (size_t i = 1; i < count; i++) {
            gives(&members[(first + i - 1) % count]);
            holds(&members[(first + i) % count]);
        }
        gives(&members[(first + count - 1) % count]);
        await_children(live_path("/l"), 0);
        tries(&members[first], true);
        gives(&members[first]);
    }
    assert_int_equal(turns_count(), count * (count + 1));
    assert_turns_are_fair();
}

static void curators_mutex_and_our_lock_take_turns(void)
{
    struct member members[] = { { .who = "J", .peer = curator, .kind = "mutex" },
                                { .who = "O", .kind = "lock" } };
    take_turns(members, 2);
}

static void kazoos_lock_and_ours_take_turns(void)
{
    struct member members[] = {
        { .who = "P", .peer = kazoo, .kind = "lock" },
        { .who = "O", .kind = "lock", .compat = LK_COMPAT_KAZOO },
    };
    take_turns(members, 2);
}

static void kazoos_dash_lock_and_ours_take_turns(void)
{
    struct member members[] = { { .who = "P", .peer = kazoo, .kind = "dash" },
                                { .who = "O", .kind = "lock" } };
    take_turns(members, 2);
}

static void all_three_take_turns_and_ours_made_the_line(void)
{
    struct member members[] = { { .who = "O", .kind = "lock" },
                                { .who = "J", .peer = curator, .kind = "mutex" },
                                { .who = "P", .peer = kazoo, .kind = "dash" } };
    take_turns(members, 3);
}

static void all_three_take_turns_and_curator_made_the_line(void)
{
    struct member members[] = { { .who = "J", .peer = curator, .kind = "mutex" },
                                { .who = "P", .peer = kazoo, .kind = "dash" },
                                { .who = "O", .kind = "lock" } };
    take_turns(members, 3);
}

/* ---- readers and writers ---- */

/* Two read, a writer waits, and behind it one more reader. */
static void read_and_write(struct member first, struct member second, struct member writer,
                           struct member late)
{
    size_t before;

    turns_begin();
    before = turns_count();
    takes_and_holds(&first);
    takes_and_holds(&second);
    takes_as(&writer, 3);
    takes_as(&late, 4);
    gives(&first);
    gives(&second);
    holds(&writer);
    gives(&writer);
    holds(&late);
    gives(&late);
    await_children(live_path("/l"), 0);
    assert_int_equal(turns_count() - before, 4);
    assert_turns_are_fair();
}

static void curators_readers_and_writers_stand_with_ours(void)
{
    const struct member reads = { .who = "OR", .kind = "read", .compat = LK_COMPAT_CURATOR },
                        late = { .who = "OL", .kind = "read", .compat = LK_COMPAT_CURATOR },
                        writes = { .who = "OW", .kind = "write", .compat = LK_COMPAT_CURATOR },
                        their_reads = { .who = "JR", .peer = curator, .kind = "read" },
                        their_late = { .who = "JL", .peer = curator, .kind = "read" },
                        their_writes = { .who = "JW", .peer = curator, .kind = "write" };

    read_and_write(reads, their_reads, their_writes, late);
    read_and_write(their_reads, reads, writes, their_late);
    read_and_write(reads, their_reads, writes, their_late);
}

static void kazoos_readers_and_writers_stand_with_ours(void)
{
    const struct member reads = { .who = "OR", .kind = "read", .compat = LK_COMPAT_KAZOO },
                        late = { .who = "OL", .kind = "read", .compat = LK_COMPAT_KAZOO },
                        writes = { .who = "OW", .kind = "write", .compat = LK_COMPAT_KAZOO },
                        their_reads = { .who = "PR", .peer = kazoo, .kind = "read" },
                        their_late = { .who = "PL", .peer = kazoo, .kind = "read" },
                        their_writes = { .who = "PW", .peer = kazoo, .kind = "write" };

    read_and_write(reads, their_reads, their_writes, late);
    read_and_write(their_reads, reads, writes, their_late);
    read_and_write(reads, their_reads, writes, their_late);
}

/* As kazoo's come they wait for this writer, and it for them: docs/interop.md. */
static void a_mended_reader_of_kazoos_does_not_wait_for_who_comes_later(void)
{
    struct member first = { .who = "OW", .kind = "write", .compat = LK_COMPAT_KAZOO },
                  reads = { .who = "PR", .peer = kazoo, .kind = "mended-read" },
                  later = { .who = "OX", .kind = "write", .compat = LK_COMPAT_KAZOO };

    turns_begin();
    takes_and_holds(&first);
    takes_as(&reads, 2);
    takes_as(&later, 3);
    gives(&first);
    holds(&reads);
    gives(&reads);
    holds(&later);
    gives(&later);
    assert_int_equal(turns_count(), 3);
    assert_turns_are_fair();
}

static void readers_and_writers_of_all_three_stand_together(void)
{
    const struct member ours = { .who = "OR", .kind = "read", .compat = LK_COMPAT_CURATOR },
                        writes = { .who = "OW", .kind = "write", .compat = LK_COMPAT_CURATOR },
                        java = { .who = "JR", .peer = curator, .kind = "read" },
                        java_writes = { .who = "JW", .peer = curator, .kind = "write" },
                        python = { .who = "PR", .peer = kazoo, .kind = "curator-read" },
                        python_writes = { .who = "PW", .peer = kazoo, .kind = "curator-write" };

    read_and_write(ours, java, python_writes, python);
    read_and_write(java, python, writes, ours);
    read_and_write(python, ours, java_writes, java);
}

/* Its reader comes behind all who wait already, as a writer among them could not know: so this one
 * comes later. */
static void curators_downgrade_lets_our_reader_in_and_our_writer_wait(void)
{
    struct member their = { .who = "J", .peer = curator, .kind = "write" },
                  reads = { .who = "OR", .kind = "read", .compat = LK_COMPAT_CURATOR },
                  writes = { .who = "OW", .kind = "write", .compat = LK_COMPAT_CURATOR };

    turns_begin();
    takes_and_holds(&their);
    takes_as(&reads, 2);
    peer_order(curator, "J downgrade");
    holds(&their);
    holds(&reads);
    takes_as(&writes, 3);
    gives(&reads);
    gives(&their);
    holds(&writes);
    gives(&writes);
    assert_int_equal(turns_count(), 4);
    assert_turns_are_fair();
}

/* Newer Curators give the reader its own writer's number: for a moment two children have it. */
static void a_reader_with_its_writers_number_is_waited_for_by_our_writer(void)
{
    struct member before = { .who = "OB", .kind = "write", .compat = LK_COMPAT_CURATOR },
                  reads = { .who = "OR", .kind = "read", .compat = LK_COMPAT_CURATOR },
                  writes = { .who = "OW", .kind = "write", .compat = LK_COMPAT_CURATOR };
    const char *read_node = "_c_r-__READ__0000000001";
    char writer[200], reader[200];
    struct Stat stat;

    turns_begin();
    takes_and_holds(&before);
    snprintf(writer, sizeof writer, "%s",
             raw_create(live_path("/l/_c_w-__WRIT__"), NULL, 0, ZOO_EPHEMERAL | ZOO_SEQUENCE));
    assert_true(raw_exists(writer, &stat));
    gives(&before);
    takes_as(&reads, 2);
    takes_as(&writes, 3);
    snprintf(reader, sizeof reader, "%s/%s", live_path("/l"), read_node);
    raw_create(reader, NULL, 0, ZOO_EPHEMERAL);
    raw_delete(writer);
    turn_enter("R", true, read_node, stat.czxid);
    holds(&reads);
    gives(&reads);
    turn_leave("R");
    raw_delete(reader);
    holds(&writes);
    gives(&writes);
    assert_int_equal(turns_count(), 4);
    assert_turns_are_fair();
}

static void our_downgrade_lets_curators_reader_in_and_its_writer_wait(void)
{
    struct member ours = { .who = "O", .kind = "write", .compat = LK_COMPAT_CURATOR },
                  reads = { .who = "JR", .peer = curator, .kind = "read" },
                  writes = { .who = "JW", .peer = curator, .kind = "write" };
    char node[64];

    turns_begin();
    takes_and_holds(&ours);
    int64_t place = turn_of("O").czxid;
    takes_as(&reads, 2);
    takes_as(&writes, 3);
    turn_leave("O");
    assert_status(lk_rwlock_downgrade(ours.rwlock, soon(), NULL), LK_OK);
    assert_status(lk_rwlock_node(ours.rwlock, node, sizeof node), LK_OK);
    turn_enter("O", true, node, place);
    holds(&reads);
    gives(&reads);
    gives(&ours);
    holds(&writes);
    gives(&writes);
    assert_int_equal(turns_count(), 4);
    assert_turns_are_fair();
}

/* ---- death ---- */

static void who_waits_behind_a_killed_holder_is_next(void)
{
    struct member java = { .who = "J", .peer = curator, .kind = "mutex" },
                  python = { .who = "P", .peer = kazoo, .kind = "dash" },
                  ours = { .who = "O", .kind = "lock" }, again = { .who = "A", .kind = "lock" };

    turns_begin();
    takes_and_holds(&java);
    takes_as(&ours, 2);
    takes_as(&python, 3);
    curator = peer_kill(curator);
    holds(&ours);
    gives(&ours);
    holds(&python);
    takes_as(&again, 2);
    kazoo = peer_kill(kazoo);
    holds(&again);
    gives(&again);
    assert_int_equal(turns_count(), 4);
    assert_turns_are_fair();
    curator = peer_start_curator();
    kazoo = peer_start_kazoo();
}

static void they_wait_for_a_killed_one_of_ours_too(void)
{
    struct member victim = { .who = "X", .peer = latchkey, .kind = "lock" },
                  java = { .who = "J", .peer = curator, .kind = "mutex" },
                  python = { .who = "P", .peer = kazoo, .kind = "dash" };

    turns_begin();
    takes_and_holds(&victim);
    takes_as(&java, 2);
    takes_as(&python, 3);
    latchkey = peer_kill(latchkey);
    holds(&java);
    gives(&java);
    holds(&python);
    gives(&python);
    assert_int_equal(turns_count(), 3);
    assert_turns_are_fair();
    latchkey = peer_start_ours();
}

/* ---- revocation ---- */

static void asked(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
    live_changed();
}

static bool was_asked(void *arg)
{
    return atomic_load((atomic_bool *)arg);
}

static void curators_revoker_is_heard_by_our_holder(void)
{
    lk_lock_options options = LK_LOCK_OPTIONS_INIT;
    atomic_bool is_asked = false;
    lk_lock *lock;
    char node[64];

    options.on_revoke = asked;
    options.on_revoke_arg = &is_asked;
    assert_status(lk_lock_new(&lock, LIVE_CLIENT("A", 0), "/l", &options), LK_OK);
    assert_status(lk_lock_acquire(lock, soon(), NULL), LK_OK);
    assert_status(lk_lock_node(lock, node, sizeof node), LK_OK);
    peer_order(curator, "J revoke %s/%s", live_path("/l"), node);
    live_await("our holder is asked", was_asked, &is_asked);
    (void)peer_await(curator, "J", "revoked");
    assert_status(lk_lock_release(lock, soon()), LK_OK);
    lk_lock_free(lock);
}

static void our_revocation_is_heard_by_curators_holder(void)
{
    struct member java = { .who = "J", .peer = curator, .kind = "revocable" };

    turns_begin();
    takes_and_holds(&java);
    lk_fence fence = { .zxid = (uint64_t)turn_of("J").czxid };
    assert_status(lk_line_revoke(LIVE_CLIENT("A", 0), "/l", fence, soon()), LK_OK);
    (void)peer_await(curator, "J", "asked");
    gives(&java);
}

/* ---- mixtures ---- */

static struct mixture mixture_of_six(void)
{
    return (struct mixture){ .sorts = { { "latchkey", &latchkey, peer_start_ours },
                                        { "curator", &curator, peer_start_curator },
                                        { "kazoo", &kazoo, peer_start_kazoo } },
                             .count = 6 };
}

static struct mixture all_three_on_one_lock(void)
{
    struct mixture mixture = mixture_of_six();
    const struct member members[] = {
        { .who = "O1", .peer = latchkey, .kind = "lock" },
        { .who = "O2", .peer = latchkey, .kind = "lock" },
        { .who = "J1", .peer = curator, .kind = "mutex" },
        { .who = "J2", .peer = curator, .kind = "mutex" },
        { .who = "P1", .peer = kazoo, .kind = "dash" },
        { .who = "P2", .peer = kazoo, .kind = "dash" },
    };

    memcpy(mixture.members, members, sizeof members);
    return mixture;
}

static struct mixture all_three_read_and_write(void)
{
    struct mixture mixture = mixture_of_six();
    const struct member members[] = {
        { .who = "OR", .peer = latchkey, .kind = "curator-read" },
        { .who = "OW", .peer = latchkey, .kind = "curator-write" },
        { .who = "JR", .peer = curator, .kind = "read" },
        { .who = "JW", .peer = curator, .kind = "write" },
        { .who = "PR", .peer = kazoo, .kind = "curator-read" },
        { .who = "PW", .peer = kazoo, .kind = "curator-write" },
    };

    memcpy(mixture.members, members, sizeof members);
    return mixture;
}

static struct mixture kazoo_and_ours_read_and_write(void)
{
    struct mixture mixture = mixture_of_six();
    const struct member members[] = {
        { .who = "OR", .peer = latchkey, .kind = "kazoo-read" },
        { .who = "OW", .peer = latchkey, .kind = "kazoo-write" },
        { .who = "OX", .peer = latchkey, .kind = "kazoo-write" },
        { .who = "PR", .peer = kazoo, .kind = "mended-read" },
        { .who = "PS", .peer = kazoo, .kind = "mended-read" },
        { .who = "PW", .peer = kazoo, .kind = "write" },
    };

    memcpy(mixture.members, members, sizeof members);
    return mixture;
}

static void a_mixture_on_one_lock_is_fair(void)
{
    struct mixture mixture = all_three_on_one_lock();
    mixture_run(&mixture);
}

static void a_mixture_of_readers_and_writers_is_fair(void)
{
    struct mixture mixture = all_three_read_and_write();
    mixture_run(&mixture);
}

static void a_mixture_under_kazoos_names_is_fair(void)
{
    struct mixture mixture = kazoo_and_ours_read_and_write();
    mixture_run(&mixture);
}

/* The planted bug: else nobody would know that the tests above can fail. */
static void one_who_does_not_wait_is_found_out(void)
{
    struct mixture mixture = all_three_on_one_lock();
    char wrong[JUDGE_WRONG_SIZE];

    raw_make(live_path("/l"));
    mixture.members[1].kind = "impatient";
    mixture_begin(&mixture);
    await_turns_of("O2", TURNS_OF_EACH); /* or until it is found out */
    mixture_end(&mixture);
    assert_false(turns_are_fair(wrong));
    assert_non_null(strstr(wrong, "O2 holds lk-lock-"));
}

/* So long each, if a test is not told otherwise: ten minutes in all. */
static int64_t long_ms = 200 * 1000;

static void a_long_mixture_on_one_lock_with_kills_is_fair(void)
{
    struct mixture mixture = all_three_on_one_lock();
    mixture_run_with_kills(&mixture, lk_in_ms(long_ms));
}

static void a_long_mixture_of_readers_and_writers_with_kills_is_fair(void)
{
    struct mixture mixture = all_three_read_and_write();
    mixture_run_with_kills(&mixture, lk_in_ms(long_ms));
}

static void a_long_mixture_under_kazoos_names_with_kills_is_fair(void)
{
    struct mixture mixture = kazoo_and_ours_read_and_write();
    mixture_run_with_kills(&mixture, lk_in_ms(long_ms));
}

/* ---- the program ---- */

static void the_peers_come(void)
{
    latchkey = peer_start_ours();
    curator = peer_start_curator();
    kazoo = peer_start_kazoo();
}

static void the_peers_go(void)
{
    latchkey = peer_end(latchkey);
    curator = peer_end(curator);
    kazoo = peer_end(kazoo);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(the_peers_come),
        LIVE_TEST(curators_mutex_and_our_lock_take_turns),
        LIVE_TEST(kazoos_lock_and_ours_take_turns),
        LIVE_TEST(kazoos_dash_lock_and_ours_take_turns),
        LIVE_TEST(all_three_take_turns_and_ours_made_the_line),
        LIVE_TEST(all_three_take_turns_and_curator_made_the_line),
        LIVE_TEST(curators_readers_and_writers_stand_with_ours),
        LIVE_TEST(kazoos_readers_and_writers_stand_with_ours),
        LIVE_TEST(a_mended_reader_of_kazoos_does_not_wait_for_who_comes_later),
        LIVE_TEST(readers_and_writers_of_all_three_stand_together),
        LIVE_TEST(curators_downgrade_lets_our_reader_in_and_our_writer_wait),
        LIVE_TEST(a_reader_with_its_writers_number_is_waited_for_by_our_writer),
        LIVE_TEST(our_downgrade_lets_curators_reader_in_and_its_writer_wait),
        LIVE_TEST(curators_revoker_is_heard_by_our_holder),
        LIVE_TEST(our_revocation_is_heard_by_curators_holder),
        LIVE_TEST(a_mixture_on_one_lock_is_fair),
        LIVE_TEST(a_mixture_of_readers_and_writers_is_fair),
        LIVE_TEST(a_mixture_under_kazoos_names_is_fair),
        LIVE_TEST(one_who_does_not_wait_is_found_out),
        LIVE_TEST(they_wait_for_a_killed_one_of_ours_too),
        LIVE_TEST(who_waits_behind_a_killed_holder_is_next),
        LIVE_TEST(the_peers_go),
    };
    const struct CMUnitTest long_tests[] = {
        LIVE_TEST(the_peers_come),
        LIVE_TEST(a_long_mixture_on_one_lock_with_kills_is_fair),
        LIVE_TEST(a_long_mixture_of_readers_and_writers_with_kills_is_fair),
        LIVE_TEST(a_long_mixture_under_kazoos_names_with_kills_is_fair),
        LIVE_TEST(the_peers_go),
    };

    if (is_peer(argc, argv))
        return 0;
    signal(SIGPIPE, SIG_IGN); /* orders to one who has died: the test says so */
    if (argc > 2)
        long_ms = strtol(argv[2], NULL, 10) * 1000;
    if (argc > 1 && strcmp(argv[1], "long") == 0)
        return live_main("interop long", NULL, long_tests, sizeof long_tests / sizeof *long_tests);
    return live_main("interop", NULL, tests, sizeof tests / sizeof *tests);
}
