/* player.c - see player.h.
 *
 *   turns FILE    until told "stop", or as many times as "NUMBER FILE" says: acquire, read the
 *                 number in FILE, write it one larger, tell "NUMBER FENCE ZNODE", release. Nothing
 *                 but the lock guards FILE
 *   hold          acquire, tell "held FENCE"; told "touch": touch a control session whose timeout
 *                 is two ticks longer, tell "touched"
 *   watch         acquire, tell "held FENCE"; then look at the remaining time without a pause, and
 *                 after a gap of more than the lease tell "woke REMAINING_NS STATE"; at the loss
 *                 tell "lost" */
#include "player.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the test's side ---- */

struct player player_start(const char *role, int64_t timeout_ms, const char *argument)
{
    int to[2], from[2];
    char timeout[24];
    struct player player = { 0 };

    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    snprintf(timeout, sizeof timeout, "%" PRId64, timeout_ms);
    char *const argv[] = { (char[]){ "player" },
                           (char *)(uintptr_t)role,
                           (char *)(uintptr_t)zkbox_servers(live_box()),
                           (char *)(uintptr_t)live_root(),
                           timeout,
                           (char *)(uintptr_t)argument,
                           NULL };
    player.pid = fork();
    if (player.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    assert_true(player.pid > 0);
    close(to[0]);
    close(from[1]);
    player.to = fdopen(to[1], "w");
    player.from = fdopen(from[0], "r");
    return player;
}

void player_tell(struct player *player, const char *line)
{
    fprintf(player->to, "%s\n", line);
    fflush(player->to);
}

const char *player_hear(struct player *player, bool may_end)
{
    static char line[300];

    if (!fgets(line, sizeof line, player->from)) {
        if (!may_end)
            fail_msg("player %d has ended", (int)player->pid);
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    live_tell("player %d: %s", (int)player->pid, line);
    return line;
}

void player_signal(struct player *player, int signal)
{
    live_tell("player %d gets %s", (int)player->pid, strsignal(signal));
    assert_int_equal(kill(player->pid, signal), 0);
}

int player_end(struct player *player)
{
    int status;

    fclose(player->to);
    assert_int_equal(waitpid(player->pid, &status, 0), player->pid);
    fclose(player->from);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- the player's side ---- */

/* libzookeeper drops, and leaks, what it has queued for its completion thread when a handle is
 * closed in the wrong moment (ZOOKEEPER-3868): here, a new session that is just being opened.
 * LeakSanitizer looks for this by its name. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libzookeeper_mt";
}

struct game {
    const char *servers, *argument;
    int64_t timeout_ms;
    lk_client *client;
    lk_lock *lock;
};

#define MUST(condition)                                                                            \
    do                                                                                             \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "player: %s is not so\n", #condition);                                 \
            _exit(1);                                                                              \
        }                                                                                          \
    while (0)

static long count_up(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    MUST(pread(fd, text, sizeof text - 1, 0) >= 0);
    long number = atol(text);
    int size = snprintf(text, sizeof text, "%ld\n", number + 1);
    MUST(pwrite(fd, text, (size_t)size, 0) == size);
    close(fd);
    return number;
}

static int play_turns(struct game *game)
{
    char *path, node[64];
    long turns = strtol(game->argument, &path, 10);

    for (long turn = 0; turn < turns; turn++) {
        lk_fence fence;
        int status = lk_lock_acquire(game->lock, LK_FOREVER, &fence);
        MUST(status == LK_OK);
        MUST(lk_lock_node(game->lock, node, sizeof node) == LK_OK);
        printf("%ld %" PRIu64 " %s\n", count_up(path + 1), fence.zxid, node);
        fflush(stdout);
        status = lk_lock_release(game->lock, LK_FOREVER);
        MUST(status == LK_OK || status == LK_E_LOST);
    }
    return 0;
}

static void raw_event(zhandle_t *handle, int type, int state, const char *path, void *context)
{
    (void)handle, (void)type, (void)state, (void)path, (void)context;
}

static void raw_log(const char *line)
{
    (void)line;
}

static void tell_held(const struct game *game)
{
    lk_fence fence;

    MUST(lk_lock_acquire(game->lock, LK_FOREVER, &fence) == LK_OK);
    printf("held %" PRIu64 "\n", fence.zxid);
    fflush(stdout);
}

static int play_hold(struct game *game)
{
    char line[100];
    int timeout_ms = (int)strtol(game->argument, NULL, 10);
    zhandle_t *control = zookeeper_init2(game->servers, raw_event, timeout_ms, NULL, NULL,
                                         ZOO_NO_LOG_CLIENTENV, raw_log);

    MUST(control);
    MUST(zoo_create(control, strchr(game->argument, '/'), NULL, -1, &ZOO_OPEN_ACL_UNSAFE,
                    ZOO_EPHEMERAL, NULL, 0)
         == ZOK);
    tell_held(game);
    while (fgets(line, sizeof line, stdin)) {
        MUST(zoo_exists(control, "/", 0, NULL) == ZOK);
        printf("touched\n");
        fflush(stdout);
    }
    return 0;
}

static int play_watch(struct game *game)
{
    tell_held(game);
    int64_t before_ns = lk_now_ns(), left_ns;
    do {
        int64_t asked_ns = lk_now_ns();
        left_ns = lk_lock_remaining_ns(game->lock);
        int64_t answered_ns = lk_now_ns(), lease_ns = game->timeout_ms / 2 * 1000000;
        /* Stopped inside the call: what it answered may be from before, and the next call tells. */
        if (asked_ns - before_ns > lease_ns) {
            printf("woke %" PRId64 " %s\n", left_ns,
                   lk_grant_state_name(lk_lock_state(game->lock)));
            fflush(stdout);
        }
        before_ns = answered_ns - asked_ns > lease_ns ? asked_ns : answered_ns;
    } while (left_ns > 0);
    MUST(lk_lock_wait_lost(game->lock, LK_FOREVER) == LK_OK);
    printf("lost\n");
    fflush(stdout);
    return 0;
}

static int play(char **argv)
{
    lk_client_options options = LK_CLIENT_OPTIONS_INIT;
    struct game game = { .servers = argv[2],
                         .argument = argv[5],
                         .timeout_ms = strtol(argv[4], NULL, 10) };

    options.servers = argv[2];
    options.root = argv[3];
    options.session_timeout_ms = game.timeout_ms;
    options.callback_thread = true;
    MUST(lk_client_new(&game.client, &options) == LK_OK);
    MUST(lk_lock_new(&game.lock, game.client, "/l", NULL) == LK_OK);
    int status = strcmp(argv[1], "turns") == 0  ? play_turns(&game)
                 : strcmp(argv[1], "hold") == 0 ? play_hold(&game)
                                                : play_watch(&game);
    lk_lock_free(game.lock);
    (void)lk_client_close(game.client, lk_in_ms(5000));
    lk_client_free(game.client);
    return status;
}

bool is_player(int argc, char **argv, int *out_status)
{
    if (argc < 2 || strcmp(argv[0], "player") != 0)
        return false;
    *out_status = play(argv);
    return true;
}
