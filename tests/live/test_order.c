/* test_order.c - two hundred wait on three clients, and are granted in the order of their coming:
 * exactly, nobody overtaken, also when every third gives up or dies. Judged by the znodes that they
 * write under their grants and by the servers' zxids (entrant.h, judge.h), by no clock.
 *
 * Those who die are one client, which is a process of its own and gets SIGKILL while one of its own
 * holds: the others of it die waiting. */
#include "entrant.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    WAITERS = 200,
    CLIENTS = 3,
    GROUP = 5,         /* of a read-write lock: a writer, and the readers behind it */
    DEATH_AT_TURN = 11 /* of those who die */
};

enum fate { STAYS, MISSES_ITS_DEADLINE, IS_CANCELLED, DIES };

/* Of the present test. */
static struct {
    bool is_rwlock;
    enum fate (*fate_of)(size_t i);
    void (*entered)(struct entrant *entrant);
    struct entrant waiters[WAITERS];
    int answers[WAITERS]; /* 1: none yet */
    atomic_uint waiting;  /* here, not in another process */
    atomic_uint late;     /* who misses its deadline and has not yet */
    atomic_uint readers_in[WAITERS / GROUP];
    lk_rwlock *gate_rwlock;
    lk_lock *gate;
} scene;

static enum fate all_stay(size_t i)
{
    (void)i;
    return STAYS;
}

static enum fate every_third_gives_up(size_t i)
{
    return i % 3 != 1 ? STAYS : i % 2 ? MISSES_ITS_DEADLINE : IS_CANCELLED;
}

static enum fate every_third_dies(size_t i)
{
    return i % 3 == 1 ? DIES : STAYS;
}

static bool is_reader(size_t i)
{
    return scene.is_rwlock && i % GROUP != 0;
}

static size_t index_of(const struct entrant *entrant)
{
    return (size_t)(entrant - scene.waiters);
}

/* ---- what they do when they hold ---- */

static void over(struct entrant *entrant, int status)
{
    size_t i = index_of(entrant);

    scene.answers[i] = status;
    live_tell("%s is over: %s", entrant->name, lk_status_name(status));
    if (scene.fate_of(i) == MISSES_ITS_DEADLINE)
        atomic_fetch_sub(&scene.late, 1);
    atomic_fetch_sub(&scene.waiting, 1);
    live_changed();
}

/* Who is next gives up just when the lock is about to be its own. */
static void cancels_the_next_and_leaves(struct entrant *entrant)
{
    size_t next = index_of(entrant) + 1;

    if (next < WAITERS && scene.fate_of(next) == IS_CANCELLED)
        entrant_cancel(&scene.waiters[next]);
    entrant_leave(entrant);
}

/* If they did not hold side by side, they would wait for ever. */
static void readers_leave_together(struct entrant *entrant)
{
    size_t group = index_of(entrant) / GROUP;

    if (!entrant->reads) {
        entrant_leave(entrant);
        return;
    }
    if (atomic_fetch_add(&scene.readers_in[group], 1) + 1 < GROUP - 1)
        return;
    for (size_t i = group * GROUP + 1; i < (group + 1) * GROUP; i++)
        entrant_leave(&scene.waiters[i]);
}

/* ---- who dies: a process that is told "join NAME" and tells "keeps NAME" ---- */

struct mortals {
    pid_t pid;
    FILE *to, *from;
};

static struct mortals mortals_start(void)
{
    struct mortals mortals = { 0 };
    int to[2], from[2];
    char timeout[16];

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    snprintf(timeout, sizeof timeout, "%d", BRISK_MS);
    char *const argv[] = { (char[]){ "mortals" }, (char *)(uintptr_t)zkbox_servers(live_box()),
                           (char *)(uintptr_t)live_root(), timeout, NULL };
    mortals.pid = fork();
    if (mortals.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    assert_true(mortals.pid > 0);
    close(to[0]);
    close(from[1]);
    assert_non_null(mortals.to = fdopen(to[1], "w"));
    assert_non_null(mortals.from = fdopen(from[0], "r"));
    return mortals;
}

static void mortals_hear(struct mortals *mortals, const char *word)
{
    char line[100];

    if (!fgets(line, sizeof line, mortals->from))
        fail_msg("the mortals died before their time");
    line[strcspn(line, "\n")] = '\0';
    live_tell("the mortals: %s", line);
    if (strncmp(line, word, strlen(word)) != 0)
        fail_msg("the mortals tell %s, not %s", line, word);
}

static void mortals_die(struct mortals *mortals)
{
    mortals_hear(mortals, "keeps");
    assert_int_equal(kill(mortals->pid, SIGKILL), 0);
    assert_int_equal(waitpid(mortals->pid, NULL, 0), mortals->pid);
    live_tell("the mortals are dead");
    fclose(mortals->to);
    fclose(mortals->from);
}

static atomic_uint mortal_turns;

static void mortal_entered(struct entrant *entrant)
{
    if (atomic_fetch_add(&mortal_turns, 1) + 1 != DEATH_AT_TURN) {
        entrant_leave(entrant);
        return;
    }
    printf("keeps %s\n", entrant->name);
    fflush(stdout);
}

static void mortal_over(struct entrant *entrant, int status)
{
    if (status == LK_OK)
        return;
    printf("%s failed: %s\n", entrant->name, lk_status_name(status));
    fflush(stdout);
}

static void mortal_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)type, (void)state, (void)path, (void)context;
}

static void mortal_log(const char *line)
{
    (void)line;
}

static int be_mortals(char **argv)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    char kind[8], name[12];
    lk_client *client;
    size_t count = 0;

    options.servers = argv[1];
    options.root = argv[2];
    options.session_timeout_ms = strtol(argv[3], NULL, 10);
    options.callback_thread = true;
    zhandle_t *witness = zookeeper_init2(argv[1], mortal_event, CALM_MS, NULL, NULL,
                                         ZOO_NO_LOG_CLIENTENV, mortal_log);
    if (!witness || lk_client_new(&client, &options) != LK_OK)
        return 1;
    while (count < WAITERS && scanf("%7s %11s", kind, name) == 2) {
        struct entrant *entrant = &scene.waiters[count++];
        *entrant = (struct entrant){ .writes = strcmp(kind, "write") == 0,
                                     .reads = strcmp(kind, "read") == 0,
                                     .client = client,
                                     .witness = witness,
                                     .root = argv[2],
                                     .entered = mortal_entered,
                                     .over = mortal_over };
        snprintf(entrant->name, sizeof entrant->name, "%s", name);
        if (entrant_join(entrant, LK_FOREVER) != LK_OK)
            return 1;
    }
    return 0;
}

/* ---- coming ---- */

struct coming {
    atomic_bool is_there;
};

static void came(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)state, (void)path;

    if (type == ZOO_SESSION_EVENT)
        return;
    atomic_store(&((struct coming *)context)->is_there, true);
    live_changed();
}

static bool is_there(void *arg)
{
    return atomic_load(&((struct coming *)arg)->is_there);
}

/* One behind the other: who joins next begins when this one's znode stands there, and has the number
 * that it must have. */
static void joins(size_t i, lk_client *client, struct mortals *mortals)
{
    static struct coming comings[WAITERS]; /* they may fire late, in a test that has failed */
    struct entrant *entrant = &scene.waiters[i];
    enum fate fate = scene.fate_of(i);
    char path[64];

    *entrant = (struct entrant){ .writes = scene.is_rwlock && !is_reader(i),
                                 .reads = is_reader(i),
                                 .client = client,
                                 .witness = raw(),
                                 .root = live_root(),
                                 .entered = scene.entered,
                                 .over = over };
    snprintf(entrant->name, sizeof entrant->name, "%03zu", i);
    snprintf(path, sizeof path, "/l/%s%010zu", entrant_prefix(entrant), i + 1);
    atomic_store(&comings[i].is_there, false);
    assert_int_equal(zoo_wexists(raw(), live_path(path), came, &comings[i], &(struct Stat){ 0 }),
                     ZNONODE);
    if (fate == DIES) {
        fprintf(mortals->to, "%s %s\n",
                entrant->reads    ? "read"
                : entrant->writes ? "write"
                                  : "lock",
                entrant->name);
        fflush(mortals->to);
    } else {
        assert_status(
            entrant_join(entrant, fate == MISSES_ITS_DEADLINE ? lk_in_ms(500) : LK_FOREVER), LK_OK);
    }
    live_await(path, is_there, &comings[i]);
}

static void gate_closes(lk_client *client)
{
    scene.gate = NULL;
    scene.gate_rwlock = NULL;
    if (scene.is_rwlock) {
        assert_status(lk_rwlock_new(&scene.gate_rwlock, client, "/l", NULL), LK_OK);
        assert_status(lk_rwlock_write(scene.gate_rwlock, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    } else {
        assert_status(lk_lock_new(&scene.gate, client, "/l", NULL), LK_OK);
        assert_status(lk_lock_acquire(scene.gate, lk_in_ms(PATIENCE_MS), NULL), LK_OK);
    }
}

static void gate_opens(void)
{
    assert_status(scene.gate ? lk_lock_release(scene.gate, lk_in_ms(PATIENCE_MS))
                             : lk_rwlock_release(scene.gate_rwlock, lk_in_ms(PATIENCE_MS)),
                  LK_OK);
    lk_lock_free(scene.gate);
    lk_rwlock_free(scene.gate_rwlock);
}

/* ---- one test ---- */

static bool is_zero(void *arg)
{
    return atomic_load((atomic_uint *)arg) == 0;
}

static bool is_one_who_dies(const char *who)
{
    return scene.fate_of(strtoul(who, NULL, 10)) == DIES;
}

static void everybody_comes(lk_client *const clients[CLIENTS], struct mortals *mortals)
{
    atomic_store(&scene.waiting, 0);
    atomic_store(&scene.late, 0);
    for (size_t i = 0; i < WAITERS; i++) {
        scene.answers[i] = 1;
        atomic_fetch_add(&scene.waiting, scene.fate_of(i) != DIES);
        atomic_fetch_add(&scene.late, scene.fate_of(i) == MISSES_ITS_DEADLINE);
    }
    for (size_t i = 0; i < WAITERS / GROUP; i++)
        atomic_store(&scene.readers_in[i], 0);
    for (size_t i = 0; i < WAITERS; i++)
        joins(i, clients[i % CLIENTS], mortals);
}

/* Each was answered what it deserves, and has a turn if that was LK_OK. Returns how many of those
 * with this fate had none. */
static size_t without_a_turn(const struct turn *turns, size_t count, enum fate fate)
{
    size_t without = 0, at = 0;

    for (size_t i = 0; i < WAITERS; i++) {
        /* The turns are in the order of their places, so that must be the order of coming. */
        bool has_turn = at < count && strtoul(turns[at].who, NULL, 10) == i;
        enum fate its = scene.fate_of(i);
        at += has_turn;
        without += its == fate && !has_turn;
        if (its != DIES)
            assert_int_equal(has_turn, scene.answers[i] == LK_OK);
        if (its == STAYS)
            assert_status(scene.answers[i], LK_OK);
        if (its == MISSES_ITS_DEADLINE)
            assert_status(scene.answers[i], LK_E_DEADLINE);
        if (its == IS_CANCELLED && !has_turn)
            assert_status(scene.answers[i], LK_E_CANCELLED);
    }
    assert_int_equal(at, count);
    return without;
}

/* Returns how many of those with this fate had no turn. */
static size_t the_line_moves(bool is_rwlock, enum fate (*fate_of)(size_t),
                             void (*entered)(struct entrant *), enum fate fate)
{
    static struct turn turns[WAITERS];
    bool someone_dies = fate_of == every_third_dies;
    lk_client *clients[CLIENTS] = { LIVE_CLIENT("A", 0), NULL, LIVE_CLIENT("C", 0) };
    struct mortals mortals = { 0 };

    scene.is_rwlock = is_rwlock;
    scene.fate_of = fate_of;
    scene.entered = entered;
    if (someone_dies)
        mortals = mortals_start();
    else
        clients[1] = LIVE_CLIENT("B", 0);
    raw_make(live_path("/turns"));
    gate_closes(clients[0]);
    everybody_comes(clients, &mortals);
    live_await("those with a deadline have given up", is_zero, &scene.late);
    gate_opens();
    if (someone_dies)
        mortals_die(&mortals);
    live_await("everybody has had its turn", is_zero, &scene.waiting);
    size_t count = entrants_judge(turns, WAITERS, is_one_who_dies);
    for (size_t i = 0; i < WAITERS; i++)
        if (fate_of(i) != DIES)
            entrant_free(&scene.waiters[i]);
    await_children(live_path("/l"), 0);
    size_t without = without_a_turn(turns, count, fate);
    if (someone_dies) {
        size_t held = 0;
        for (size_t i = 0; i < count; i++)
            held += turns[i].left == 0;
        assert_true(held > 0); /* it was killed holding */
    }
    return without;
}

/* ---- a lock ---- */

static void two_hundred_are_granted_in_the_order_of_their_coming(void)
{
    assert_int_equal(the_line_moves(false, all_stay, NULL, STAYS), 0);
}

static void when_every_third_gives_up_nobody_is_overtaken(void)
{
    size_t cancelled = the_line_moves(false, every_third_gives_up, cancels_the_next_and_leaves,
                                      IS_CANCELLED);
    assert_true(cancelled > 0);
}

static void when_every_third_dies_nobody_is_overtaken(void)
{
    size_t died_waiting = the_line_moves(false, every_third_dies, NULL, DIES);
    assert_int_equal(died_waiting, (WAITERS + 1) / 3 - DEATH_AT_TURN);
}

/* ---- readers and writers ---- */

static void readers_and_writers_are_granted_in_the_order_of_their_coming(void)
{
    assert_int_equal(the_line_moves(true, all_stay, readers_leave_together, STAYS), 0);
}

static void when_every_third_reader_or_writer_gives_up_nobody_is_overtaken(void)
{
    size_t cancelled = the_line_moves(true, every_third_gives_up, cancels_the_next_and_leaves,
                                      IS_CANCELLED);
    assert_true(cancelled > 0);
}

/* Of those who read beside the one that is killed holding some may have entered too. */
static void when_every_third_reader_or_writer_dies_nobody_is_overtaken(void)
{
    size_t died_waiting = the_line_moves(true, every_third_dies, NULL, DIES);
    assert_true(died_waiting >= (WAITERS + 1) / 3 - DEATH_AT_TURN - GROUP);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(two_hundred_are_granted_in_the_order_of_their_coming),
        LIVE_TEST(when_every_third_gives_up_nobody_is_overtaken),
        LIVE_TEST(when_every_third_dies_nobody_is_overtaken),
        LIVE_TEST(readers_and_writers_are_granted_in_the_order_of_their_coming),
        LIVE_TEST(when_every_third_reader_or_writer_gives_up_nobody_is_overtaken),
        LIVE_TEST(when_every_third_reader_or_writer_dies_nobody_is_overtaken),
    };

    if (argc > 3 && strcmp(argv[0], "mortals") == 0)
        return be_mortals(argv);
    signal(SIGPIPE, SIG_IGN); /* told to the dead: the test says so */
    return live_main("order", NULL, tests, sizeof tests / sizeof tests[0]);
}
