/* peer.c - see peer.h. */
#include "peer.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A peer's session: long for a busy machine, short for those who wait until a killed one is over.
 */
#define PEER_TIMEOUT_MS "6000"

struct news {
    struct news *next;
    char who[16], word[16];
    bool seen;
    char rest[];
};

struct peer {
    const char *name;
    pid_t pid;
    FILE *to, *from;
    pthread_t reader;
    struct news *news, **end; /* under `mutex` */
    bool ended;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* the news */

/* ---- what a peer tells ---- */

static void note_turn(const struct news *news)
{
    struct turn turn = { 0 };
    char kind[16];
    int children = 0;

    if (strcmp(news->word, "failed") == 0)
        turns_failed(news->who, news->rest);
    if (strcmp(news->word, "released") == 0)
        turn_left(news->who, strtoll(news->rest, NULL, 10));
    if (strcmp(news->word, "granted") != 0
        || sscanf(news->rest, "%15s %63s %" SCNd64 " %" SCNd64 " %n", kind, turn.node, &turn.czxid,
                  &turn.entered, &children)
               < 4)
        return;
    memcpy(turn.who, news->who, sizeof turn.who);
    turn.reads = strstr(kind, "read") != NULL;
    turn_entered(turn, news->rest + children);
}

static void take_news(struct peer *peer, const char *line)
{
    struct news *news = calloc(1, sizeof *news + strlen(line) + 1);
    int rest = 0;

    if (!news)
        abort();
    if (sscanf(line, "%15s %15s %n", news->who, news->word, &rest) >= 2)
        strcpy(news->rest, line + rest);
    note_turn(news);
    pthread_mutex_lock(&mutex);
    *peer->end = news;
    peer->end = &news->next;
    pthread_mutex_unlock(&mutex);
    live_tell("%s: %s", peer->name, line);
}

static void *read_news(void *arg)
{
    struct peer *peer = arg;
    char line[4096];

    while (fgets(line, sizeof line, peer->from)) {
        bool whole = line[strcspn(line, "\n")] == '\n';
        line[strcspn(line, "\n")] = '\0';
        if (whole)
            take_news(peer, line);
    }
    pthread_mutex_lock(&mutex);
    peer->ended = true;
    pthread_mutex_unlock(&mutex);
    live_tell("%s has ended", peer->name);
    return NULL;
}

struct expected {
    struct peer *peer;
    const char *who, *word;
    struct news *news;
    const char *failure;
};

/* Marks it as seen. */
static bool news_came(void *arg)
{
    struct expected *expected = arg;

    pthread_mutex_lock(&mutex);
    for (struct news *news = expected->peer->news; news && !expected->news; news = news->next) {
        if (news->seen || strcmp(news->who, expected->who) != 0)
            continue;
        if (strcmp(news->word, "failed") == 0)
            expected->failure = news->rest;
        if (strcmp(news->word, expected->word) == 0) {
            news->seen = true;
            expected->news = news;
        }
    }
    if (!expected->news && expected->peer->ended && !expected->failure)
        expected->failure = "its process has ended";
    pthread_mutex_unlock(&mutex);
    return expected->news || expected->failure;
}

const char *peer_await(struct peer *peer, const char *who, const char *word)
{
    struct expected expected = { .peer = peer, .who = who, .word = word };
    char what[100];

    snprintf(what, sizeof what, "%s of %s's %s", word, peer->name, who);
    live_await(what, news_came, &expected);
    if (!expected.news)
        fail_msg("%s: %s", what, expected.failure);
    return expected.news->rest;
}

/* ---- its process ---- */

static struct peer *peer_start(const char *name, const char *const argv[])
{
    struct peer *peer = calloc(1, sizeof *peer);
    int to[2], from[2];

    assert_non_null(peer);
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    peer->name = name;
    peer->end = &peer->news;
    peer->pid = fork();
    if (peer->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_true(peer->pid > 0);
    close(to[0]);
    close(from[1]);
    peer->to = fdopen(to[1], "w");
    peer->from = fdopen(from[0], "r");
    assert_non_null(peer->to);
    assert_non_null(peer->from);
    assert_int_equal(pthread_create(&peer->reader, NULL, read_news, peer), 0);
    peer_await(peer, "*", "ready");
    return peer;
}

/* A JVM that starts fast and stays small, as one that runs for seconds should. */
struct peer *peer_start_curator(void)
{
    const char *const argv[] = {
        PEER_JAVA, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", PEER_CLASS_PATH,
        "Peer",    zkbox_servers(live_box()), PEER_TIMEOUT_MS,    NULL,
    };
    return peer_start("curator", argv);
}

struct peer *peer_start_kazoo(void)
{
    const char *const argv[] = {
        PEER_PYTHON, PEER_SCRIPT, zkbox_servers(live_box()), PEER_TIMEOUT_MS, NULL,
    };
    return peer_start("kazoo", argv);
}

struct peer *peer_start_ours(void)
{
    const char *const argv[] = {
        "/proc/self/exe", "peer", zkbox_servers(live_box()), PEER_TIMEOUT_MS, NULL,
    };
    return peer_start("ours", argv);
}

void peer_order(struct peer *peer, const char *format, ...)
{
    char line[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    live_tell("to %s: %s", peer->name, line);
    fprintf(peer->to, "%s\n", line);
    fflush(peer->to);
}

static void peer_free(struct peer *peer)
{
    if (peer->to)
        fclose(peer->to);
    fclose(peer->from);
    for (struct news *news = peer->news, *next; news; news = next) {
        next = news->next;
        free(news);
    }
    free(peer);
}

/* Its standard input ends: it closes its session and goes. */
struct peer *peer_end(struct peer *peer)
{
    if (!peer)
        return NULL;
    fclose(peer->to);
    peer->to = NULL;
    waitpid(peer->pid, NULL, 0);
    pthread_join(peer->reader, NULL);
    peer_free(peer);
    return NULL;
}

struct peer *peer_kill(struct peer *peer)
{
    live_tell("%s gets SIGKILL", peer->name);
    kill(peer->pid, SIGKILL);
    waitpid(peer->pid, NULL, 0);
    pthread_join(peer->reader, NULL);
    for (const struct news *news = peer->news; news; news = news->next)
        turn_cut(news->who);
    peer_free(peer);
    return NULL;
}
