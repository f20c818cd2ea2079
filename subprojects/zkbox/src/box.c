/* box.c - a box: its ports, its guardian, and waiting until its servers serve.
 *
 * A start goes in an order that leaves nothing behind wherever the caller dies: the guardian first,
 * by it the folder, and only then files and servers, which the guardian will remove. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "folder.h"
#include "guardian.h"
#include "links.h"
#include "net.h"
#include "server.h"
#include "word.h"
#include "zkbox.h"

enum {
    ASK_MS = 5000,
    FIRST_LOOK_MS = 100,
    LOOK_AGAIN_MS = 10, /* a server that starts gives no event to wait for */
    START_ATTEMPTS = 3, /* with new ports each, should somebody take one in spite of all */
    PORTS_A_NODE = 3,
};

enum life { DOWN, RUNNING, PAUSED };

struct node {
    struct server_ports ports;
    int reserved[PORTS_A_NODE];
    enum life life;
    char address[sizeof("127.0.0.1:65535")];
};

struct zkbox {
    zkbox_options options;
    struct guardian_plan plan;
    struct guardian guardian;
    struct links *links;  /* NULL: none wanted */
    pthread_mutex_t lock; /* guards the nodes' lives */
    struct node node[ZKBOX_NODES_MAX];
    char servers[ZKBOX_NODES_MAX * sizeof("127.0.0.1:65535,")];
};

/* ----------------------------------------------------------------------------- asking the nodes */

static bool has_node(const zkbox *box, int node)
{
    return node >= 0 && node < box->options.nodes;
}

static enum life life_of(zkbox *box, int node)
{
    pthread_mutex_lock(&box->lock);
    enum life life = box->node[node].life;
    pthread_mutex_unlock(&box->lock);
    return life;
}

static void set_life(zkbox *box, int node, enum life life)
{
    pthread_mutex_lock(&box->lock);
    box->node[node].life = life;
    pthread_mutex_unlock(&box->lock);
}

static int count_running(zkbox *box)
{
    int running = 0;
    for (int node = 0; node < box->options.nodes; node++)
        running += life_of(box, node) == RUNNING;
    return running;
}

static enum word_mode mode_of(const zkbox *box, int node, int64_t deadline_ns)
{
    return word_mode(box->node[node].ports.client, deadline_ns);
}

/* The leader if every running node serves, else -EAGAIN. */
static int survey(zkbox *box, int64_t deadline_ns)
{
    int leader = -EAGAIN;
    bool all_serve = true;
    for (int node = 0; node < box->options.nodes && all_serve; node++) {
        if (life_of(box, node) != RUNNING)
            continue;
        enum word_mode mode = mode_of(box, node, deadline_ns);
        all_serve = mode > WORD_NOT_SERVING;
        if (mode == WORD_STANDALONE || mode == WORD_LEADER)
            leader = node;
    }
    return all_serve ? leader : -EAGAIN;
}

/* A server that is just starting may accept a connection and never answer on it, so a look is given
 * up early; but ever later, since on a busy machine an answer may take its time: after as long as
 * all looks together have lasted. */
struct looks {
    int64_t begun_ns;
    int64_t deadline_ns; /* of all looks */
};

static struct looks looks_until(int64_t deadline_ns)
{
    return (struct looks){ .begun_ns = net_now_ns(), .deadline_ns = deadline_ns };
}

static int64_t look_deadline_ns(const struct looks *looks)
{
    int64_t now_ns = net_now_ns();
    int64_t end_ns = now_ns + (now_ns - looks->begun_ns);
    if (end_ns < net_deadline_ns(FIRST_LOOK_MS))
        end_ns = net_deadline_ns(FIRST_LOOK_MS);
    if (end_ns > net_deadline_ns(ASK_MS))
        end_ns = net_deadline_ns(ASK_MS);
    return end_ns < looks->deadline_ns ? end_ns : looks->deadline_ns;
}

/* False: no time is left for another look. */
static bool look_again(const struct looks *looks)
{
    if (net_now_ns() >= looks->deadline_ns)
        return false;
    poll(NULL, 0, LOOK_AGAIN_MS);
    return true;
}

/* -ECHILD as soon as a server that should run is found dead. */
static int check_alive(zkbox *box)
{
    for (int node = 0; node < box->options.nodes; node++) {
        if (life_of(box, node) == DOWN)
            continue;
        int rc = guardian_order(&box->guardian, GUARDIAN_LOOK, node);
        if (rc < 0)
            return rc == -ESRCH ? -ECHILD : rc;
    }
    return 0;
}

/* The leader, or an error. */
static int wait_serving(zkbox *box, int64_t deadline_ns)
{
    struct looks looks = looks_until(deadline_ns);
    do {
        int rc = survey(box, look_deadline_ns(&looks));
        if (rc >= 0)
            return rc;
        rc = check_alive(box);
        if (rc < 0)
            return rc;
    } while (look_again(&looks));
    return -ETIMEDOUT;
}

/* ---------------------------------------------------------------------------------- starting */

static void complain(const zkbox_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(const zkbox_options *options, const char *format, ...)
{
    if (!options->error || options->error_size == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(options->error, options->error_size, format, arguments);
    va_end(arguments);
}

static int check_options(const zkbox_options *options)
{
    bool good = (options->nodes == 1 || options->nodes == 3) && options->port >= 0
                && options->port <= 65535 && options->tick_ms > 0 && options->init_limit > 0
                && options->sync_limit > 0 && options->heap_mb > 0 && options->prealloc_kb > 0
                && options->min_session_ms >= 0
                && options->max_session_ms >= options->min_session_ms
                && options->max_session_ms >= 2 * options->tick_ms && options->start_ms > 0
                && (!options->links || options->nodes == 3);
    if (!good)
        complain(options,
                 "options out of range: nodes must be 1 or 3 (with links 3), numbers positive, "
                 "and max_session_ms the largest of the session timeouts");
    return good ? 0 : -EINVAL;
}

/* A path that no two boxes share, below a folder that exists. */
static int choose_folder(const zkbox_options *options, char path[PATH_MAX])
{
    const char *parent = options->folder ? options->folder : getenv("TMPDIR");
    if (!parent || !*parent)
        parent = "/tmp";
    char real[PATH_MAX];
    uint64_t chance;
    if (!realpath(parent, real)) {
        int rc = -errno;
        complain(options, "the folder %s: %s", parent, strerror(errno));
        return rc;
    }
    if (getrandom(&chance, sizeof(chance), 0) != (ssize_t)sizeof(chance))
        return -errno;
    int length = snprintf(path, PATH_MAX, "%s/zkbox-%016llx", real, (unsigned long long)chance);
    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static void release_ports(zkbox *box)
{
    for (int node = 0; node < ZKBOX_NODES_MAX; node++)
        for (int i = 0; i < PORTS_A_NODE; i++)
            net_close(&box->node[node].reserved[i]);
}

static int reserve_ports(zkbox *box)
{
    release_ports(box);
    box->servers[0] = '\0';
    for (int n = 0; n < box->options.nodes; n++) {
        struct node *node = &box->node[n];
        int ports[PORTS_A_NODE];
        for (int i = 0; i < PORTS_A_NODE; i++) {
            int wanted = n == 0 && i == 0 ? box->options.port : 0;
            node->reserved[i] = net_reserve(wanted);
            ports[i] = node->reserved[i] < 0 ? node->reserved[i] : net_port(node->reserved[i]);
            if (ports[i] == -EADDRINUSE)
                complain(&box->options, "port %d of 127.0.0.1 is in use", wanted);
            if (ports[i] < 0)
                return ports[i];
        }
        node->ports = (struct server_ports){ ports[0], ports[1], ports[2] };
        snprintf(node->address, sizeof(node->address), "127.0.0.1:%d", ports[0]);
        size_t used = strlen(box->servers);
        snprintf(box->servers + used, sizeof(box->servers) - used, "%s%s", n ? "," : "",
                 node->address);
    }
    return 0;
}

static int write_files(zkbox *box)
{
    struct server_ports ports[ZKBOX_NODES_MAX] = { { 0 } };
    for (int node = 0; node < box->options.nodes; node++)
        ports[node] = box->node[node].ports;
    for (int node = 0; box->links && node < box->options.nodes; node++)
        links_expect(box->links, node, ports[node].peer, ports[node].election);
    for (int node = 0; node < box->options.nodes; node++) {
        int rc = server_write_files(&box->options, box->plan.folder, node, ports);
        if (rc < 0) {
            complain(&box->options, "the files of node %d in %s: %s", node, box->plan.folder,
                     strerror(-rc));
            return rc;
        }
    }
    return 0;
}

static int start_node(zkbox *box, int node)
{
    int rc = guardian_order(&box->guardian, GUARDIAN_START, node);
    if (rc == 0)
        set_life(box, node, RUNNING);
    return rc;
}

static void kill_all(zkbox *box)
{
    for (int node = 0; node < box->options.nodes; node++) {
        guardian_order(&box->guardian, GUARDIAN_KILL, node);
        set_life(box, node, DOWN);
    }
}

/* Says why the servers do not serve; true if it is that somebody else has one of the ports. */
static bool explain(zkbox *box, int rc)
{
    for (int node = 0; node < box->options.nodes; node++) {
        char words[512];
        server_last_words(box->plan.server[node].log, words, sizeof(words));
        bool is_dead = guardian_order(&box->guardian, GUARDIAN_LOOK, node) == -ESRCH;
        if (rc == -ECHILD && !is_dead)
            continue;
        complain(&box->options, "node %d %s: %s", node, is_dead ? "died" : "does not serve",
                 *words ? words : "(its log is empty)");
        return strstr(words, "BindException") || strstr(words, "Address already in use");
    }
    return false;
}

static int start_servers(zkbox *box)
{
    for (int attempt = 1;; attempt++) {
        int rc = reserve_ports(box);
        if (rc == 0)
            rc = write_files(box);
        for (int node = 0; rc == 0 && node < box->options.nodes; node++)
            rc = start_node(box, node);
        if (rc == 0)
            rc = wait_serving(box, net_deadline_ns(box->options.start_ms));
        if (rc != -ECHILD && rc != -ETIMEDOUT)
            return rc < 0 ? rc : 0;
        bool port_was_taken = explain(box, rc);
        kill_all(box);
        if (port_was_taken && box->options.port)
            return -EADDRINUSE;
        if (!port_was_taken || attempt == START_ATTEMPTS)
            return rc;
    }
}

static zkbox *box_new(const zkbox_options *options)
{
    zkbox *box = calloc(1, sizeof(*box));
    if (!box)
        return NULL;
    box->options = *options;
    for (int node = 0; node < ZKBOX_NODES_MAX; node++)
        for (int i = 0; i < PORTS_A_NODE; i++)
            box->node[node].reserved[i] = -1;
    pthread_mutex_init(&box->lock, NULL);
    return box;
}

static void box_free(zkbox *box)
{
    release_ports(box);
    server_plan_free(&box->plan);
    links_stop(box->links);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

/* The gates first: the servers' command lines name them. */
static int plan(zkbox *box, const zkbox_options *options, const char *folder)
{
    int gates[ZKBOX_NODES_MAX] = { 0 };
    int rc = options->links ? links_start(&box->links, options->nodes) : 0;
    if (rc < 0) {
        complain(options, "the links: %s", strerror(-rc));
        return rc;
    }
    for (int node = 0; box->links && node < options->nodes; node++)
        gates[node] = links_gate(box->links, node);
    return server_plan(&box->plan, options, folder, gates, options->error,
                       options->error ? options->error_size : 0);
}

int zkbox_start(zkbox **out, const zkbox_options *given)
{
    zkbox_options options = ZKBOX_OPTIONS_INIT;
    if (given && (given->size > sizeof(options) || given->size < offsetof(zkbox_options, port)))
        return -EINVAL;
    if (given)
        memcpy(&options, given, given->size); /* an older, shorter struct keeps the new defaults */
    if (!out)
        return -EINVAL;
    complain(&options, "%s", "");

    char folder[PATH_MAX];
    int rc = check_options(&options);
    if (rc == 0)
        rc = choose_folder(&options, folder);
    if (rc < 0)
        return rc;
    zkbox *box = box_new(&options);
    if (!box)
        return -ENOMEM;
    rc = plan(box, &options, folder);
    if (rc == 0) {
        rc = guardian_start(&box->guardian, &box->plan);
        if (rc < 0)
            complain(&options, "the folder %s: %s", folder, strerror(-rc));
    }
    if (rc < 0) {
        box_free(box);
        return rc;
    }

    rc = start_servers(box);
    if (rc < 0) {
        if (options.error && options.error_size && !*options.error)
            complain(&options, "%s", strerror(-rc));
        zkbox_stop(box);
        return rc;
    }
    box->options.error = NULL; /* and what else is the caller's is not looked at from here on */
    *out = box;
    return 0;
}

zkbox *zkbox_stop(zkbox *box)
{
    if (!box)
        return NULL;
    guardian_stop(&box->guardian);
    folder_remove(box->plan.folder); /* the guardian did, unless somebody killed it */
    box_free(box);
    return NULL;
}

/* --------------------------------------------------------------------------------- questions */

const char *zkbox_servers(const zkbox *box)
{
    return box->servers;
}

const char *zkbox_address(const zkbox *box, int node)
{
    return has_node(box, node) ? box->node[node].address : NULL;
}

int zkbox_nodes(const zkbox *box)
{
    return box->options.nodes;
}

int zkbox_port(const zkbox *box, int node)
{
    return has_node(box, node) ? box->node[node].ports.client : -EINVAL;
}

const char *zkbox_folder(const zkbox *box)
{
    return box->plan.folder;
}

int zkbox_ask(zkbox *box, int node, const char *word, char **out_text)
{
    if (!has_node(box, node) || !word || strlen(word) != 4 || !out_text)
        return -EINVAL;
    return word_ask(box->node[node].ports.client, word, net_deadline_ns(ASK_MS), out_text);
}

int zkbox_leader(zkbox *box)
{
    for (int node = 0; node < box->options.nodes; node++) {
        if (life_of(box, node) != RUNNING)
            continue;
        enum word_mode mode = mode_of(box, node, net_deadline_ns(ASK_MS));
        if (mode == WORD_LEADER || mode == WORD_STANDALONE)
            return node;
    }
    return -EAGAIN;
}

int zkbox_wait_leader(zkbox *box, int timeout_ms)
{
    return wait_serving(box, net_deadline_ns(timeout_ms));
}

/* ------------------------------------------------------------------------------------- faults */

static int order(zkbox *box, enum guardian_verb verb, int node, enum life then)
{
    if (!has_node(box, node))
        return -EINVAL;
    int rc = guardian_order(&box->guardian, verb, node);
    if (rc == 0)
        set_life(box, node, then);
    else if (rc == -ESRCH)
        set_life(box, node, DOWN);
    return rc;
}

int zkbox_kill(zkbox *box, int node)
{
    return order(box, GUARDIAN_KILL, node, DOWN);
}

int zkbox_pause(zkbox *box, int node)
{
    return order(box, GUARDIAN_PAUSE, node, PAUSED);
}

int zkbox_resume(zkbox *box, int node)
{
    return order(box, GUARDIAN_RESUME, node, RUNNING);
}

int zkbox_restart(zkbox *box, int node)
{
    int rc = zkbox_kill(box, node);
    if (rc < 0 && rc != -ESRCH)
        return rc;
    rc = start_node(box, node);
    if (rc < 0)
        return rc;

    bool has_quorum = count_running(box) > box->options.nodes / 2;
    enum word_mode enough = has_quorum ? WORD_STANDALONE : WORD_NOT_SERVING;
    struct looks looks = looks_until(net_deadline_ns(box->options.start_ms));
    do {
        if (mode_of(box, node, look_deadline_ns(&looks)) >= enough)
            return 0;
        rc = guardian_order(&box->guardian, GUARDIAN_LOOK, node);
        if (rc < 0) {
            set_life(box, node, DOWN);
            return rc == -ESRCH ? -ECHILD : rc;
        }
    } while (look_again(&looks));
    return -ETIMEDOUT;
}

static int check_link(const zkbox *box, int a, int b)
{
    if (!has_node(box, a) || !has_node(box, b) || a == b)
        return -EINVAL;
    return box->links ? 0 : -ENOTSUP;
}

static int hurt(zkbox *box, enum link_fault fault, int a, int b)
{
    int rc = check_link(box, a, b);
    if (rc == 0)
        links_hurt(box->links, fault, a, b);
    return rc;
}

int zkbox_link_cut(zkbox *box, int a, int b)
{
    return hurt(box, LINK_CUT, a, b);
}

int zkbox_link_stall(zkbox *box, int a, int b)
{
    return hurt(box, LINK_STALLED, a, b);
}

int zkbox_link_one_way(zkbox *box, int from, int to)
{
    return hurt(box, LINK_LOSES, from, to);
}

int zkbox_link_heal(zkbox *box, int a, int b)
{
    int rc = check_link(box, a, b);
    if (rc == 0)
        links_heal(box->links, a, b);
    return rc;
}
