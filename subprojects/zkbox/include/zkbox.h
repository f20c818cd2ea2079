/* zkbox.h - real, private ZooKeeper servers for tests and benchmarks, and a proxy to hurt them.
 *
 * A box is one ZooKeeper server, or an ensemble of three, started from Debian's jars on free ports
 * of 127.0.0.1 with all data in a temporary folder of its own. A proxy stands between a client and
 * one server, understands ZooKeeper's frames, and can lose just the reply that a test wants lost.
 *
 * Nothing stays behind. The servers are children of a guardian process, which ends them and removes
 * the folder when the box is stopped or when the program that started it dies, however it dies.
 *
 * Results: 0 (or what is asked for) on success, a negative errno on failure; out-parameters are
 * written on success alone. Time is in milliseconds. Nodes count from 0.
 * Threads: any thread may call anything, also on the same box or proxy; only the stop functions
 * must be the last call on their handle. A forked child must not use its parent's handles.
 * The guardian is a child of the caller: a SIGCHLD handler sees it end, and wait(-1) may reap it
 * (both are harmless to zkbox). */
#ifndef ZKBOX_H
#define ZKBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------- the servers */

enum { ZKBOX_NODES_MAX = 3 };

typedef struct zkbox zkbox;

/* Begin with ZKBOX_OPTIONS_INIT and change what matters. All that is pointed to is only read during
 * zkbox_start(), and `error` only written then. */
typedef struct zkbox_options {
    size_t size;           /* of this struct; set by ZKBOX_OPTIONS_INIT */
    int nodes;             /* 1 or 3 */
    int port;              /* client port of node 0; 0: a free one */
    int tick_ms;           /* the server's unit of time */
    int init_limit;        /* ticks that a follower may take to join its leader */
    int sync_limit;        /* ticks that a follower may stay silent */
    int min_session_ms;    /* smallest session timeout granted; 0: two ticks */
    int max_session_ms;    /* largest session timeout granted */
    int heap_mb;           /* of one server */
    int prealloc_kb;       /* step in which the transaction log grows; the server's own is 65536 */
    int start_ms;          /* longest wait until a start or restart serves */
    bool fsync;            /* false: commits are not synced to the disk (forceSync=no) */
    bool full_jit;         /* true: all of the compiler, for benchmarks; it starts slower */
    bool extended_types;   /* true: TTL nodes */
    const char *folder;    /* parent of the temporary folder; NULL: $TMPDIR, or /tmp */
    const char *data_from; /* a folder whose version-2/ every node begins with; NULL: empty */
    const char *const *java_args; /* more flags for java, NULL at the end; NULL: none */
    char *error; /* where a failed zkbox_start() puts one line saying why; or NULL */
    size_t error_size;
    bool links; /* true: links between the nodes (of three) can be hurt, at the cost of a thread */
} zkbox_options;

#define ZKBOX_OPTIONS_INIT                                                                         \
    {                                                                                              \
        .size = sizeof(zkbox_options), .nodes = 1, .tick_ms = 500, .init_limit = 25,               \
        .sync_limit = 10, .max_session_ms = 60000, .heap_mb = 96, .prealloc_kb = 1024,             \
        .start_ms = 60000, .fsync = true                                                           \
    }

/* Starts the servers; returns when every node serves (and, of three, one leads). NULL options: the
 * defaults. -EADDRINUSE: the wanted port is taken; -ENOENT: no java, no jar, or no such folder;
 * -ECHILD: a server died; -ETIMEDOUT: it did not serve within start_ms. */
int zkbox_start(zkbox **out, const zkbox_options *options);

/* Kills the servers, removes the folder, frees the box. Takes NULL, returns NULL. */
zkbox *zkbox_stop(zkbox *box);

/* "127.0.0.1:port[,127.0.0.1:port...]" of all nodes, as a client wants it. Lives with the box. */
const char *zkbox_servers(const zkbox *box);

/* "127.0.0.1:port" of one node, NULL if there is no such node. Lives with the box. */
const char *zkbox_address(const zkbox *box, int node);

int zkbox_nodes(const zkbox *box);
int zkbox_port(const zkbox *box, int node); /* client port, or -EINVAL */

/* The temporary folder; nodeN/ in it has zoo.cfg, server.log and data/. Lives with the box. */
const char *zkbox_folder(const zkbox *box);

/* The node that leads now (a single server leads itself); -EAGAIN: none does. */
int zkbox_leader(zkbox *box);

/* Waits until every node that is neither killed nor paused serves and one of them leads; returns
 * the leader, or -ETIMEDOUT. For after a leader was killed. */
int zkbox_wait_leader(zkbox *box, int timeout_ms);

/* SIGKILL; returns when the process is gone. Its data stays. -ESRCH: it is not running. */
int zkbox_kill(zkbox *box, int node);

/* SIGSTOP; returns when the process stands still. Its port still accepts connections. */
int zkbox_pause(zkbox *box, int node);

/* SIGCONT. */
int zkbox_resume(zkbox *box, int node);

/* Starts a node (killed before, if need be) on its old port and data, and waits until it serves.
 * While fewer than two of three run it cannot serve: then until it answers at all. */
int zkbox_restart(zkbox *box, int node);

/* Sends a four-letter word (ruok srvr mntr cons dump wchs wchp ...) and gives the answer, which the
 * caller frees. A paused node answers -ETIMEDOUT after five seconds. */
int zkbox_ask(zkbox *box, int node, const char *word, char **out_text);

/* Ends a session for certain, as if its timeout had passed: takes it over with its password and
 * closes it in one write, and waits for the answer. `host_port` is a server of its ensemble.
 * -ENOENT: there is no such session (any more), or the password is wrong; with a wrong one the
 * session lives on, but the server has closed its connection all the same. */
int zkbox_expire(const char *host_port, int64_t session_id, const char passwd[16]);

/* --------------------------------------------------------------------------------- the links */

/* Of a box that was started with `links`: the way between two of its nodes, on which they elect,
 * ping and commit; clients are not concerned. Each has taken effect when it returns, and lasts until
 * zkbox_link_heal(). They add up, except that cut ends what connections there are.
 *   cut       their connections are reset, new ones are refused
 *   stall     no byte moves either way, and nobody is told
 *   one_way   what `from` sends to `to` is lost without a sign
 *   heal      all is well again (connections that lost something are reset)
 * -EINVAL: there are no two such nodes; -ENOTSUP: the box has no links. */
int zkbox_link_cut(zkbox *box, int a, int b);
int zkbox_link_stall(zkbox *box, int a, int b);
int zkbox_link_one_way(zkbox *box, int from, int to);
int zkbox_link_heal(zkbox *box, int a, int b);

/* --------------------------------------------------------------------------------- the proxy */

typedef struct zkbox_proxy zkbox_proxy;

typedef enum zkbox_direction { ZKBOX_TO_SERVER, ZKBOX_TO_CLIENT } zkbox_direction;

/* In place of an opcode: every request but connect, ping, auth and setWatches. */
enum { ZKBOX_ANY = 0 };

/* Starts a proxy on a free port before a server ("127.0.0.1:2181"), which need not run yet. The
 * proxy is a thread of this process and belongs to the caller alone: stopping a box does not stop
 * it. It passes whole frames; four-letter words pass too. */
int zkbox_proxy_start(zkbox_proxy **out, const char *target_host_port);

/* Closes all connections and frees the proxy. Takes NULL, returns NULL. */
zkbox_proxy *zkbox_proxy_stop(zkbox_proxy *proxy);

int zkbox_proxy_port(const zkbox_proxy *proxy);
const char *zkbox_proxy_address(const zkbox_proxy *proxy); /* "127.0.0.1:port" */

/* The weather. Each has taken effect when it returns, and lasts until zkbox_proxy_heal(). They add
 * up, except that cut ends what connections there are.
 *   cut       all connections are reset, new ones are refused
 *   stall     no byte moves either way; connections stay, new ones are accepted and stalled
 *   one_way   what is sent in this direction is lost without a sign (heal resets the connections
 *             that lost something: their streams have holes)
 *   delay     every frame arrives this much later, in each direction; 0: no delay
 *   heal      good weather again; an armed loss (below) is called off */
void zkbox_proxy_cut(zkbox_proxy *proxy);
void zkbox_proxy_stall(zkbox_proxy *proxy);
void zkbox_proxy_one_way(zkbox_proxy *proxy, zkbox_direction lost);
void zkbox_proxy_delay(zkbox_proxy *proxy, int delay_ms);
void zkbox_proxy_heal(zkbox_proxy *proxy);

/* Arms one loss: of the nth request from now on (1: the next) with this opcode, on any connection.
 *   lose_reply    the server gets and applies it; its reply is swallowed, the connection closed
 *   lose_request  the server never sees it; the connection is closed
 * Requests sent before it on that connection still get their replies. New connections work at once.
 * -EBUSY: another loss is armed and has not happened yet. */
int zkbox_proxy_lose_reply(zkbox_proxy *proxy, int opcode, int nth);
int zkbox_proxy_lose_request(zkbox_proxy *proxy, int opcode, int nth);

/* Waits until the armed loss has happened and its connection is closed. -ETIMEDOUT; -ENOENT:
 * nothing is armed, or it was called off. */
int zkbox_proxy_wait_lost(zkbox_proxy *proxy, int timeout_ms);

/* What passed since the start, or since the last reset. */
int64_t zkbox_proxy_requests(zkbox_proxy *proxy, int opcode); /* ZKBOX_ANY: see there */
int64_t zkbox_proxy_bytes(zkbox_proxy *proxy, zkbox_direction direction);
int zkbox_proxy_connections(zkbox_proxy *proxy); /* open now */
void zkbox_proxy_reset_counts(zkbox_proxy *proxy);

/* One frame as the proxy saw it arrive. A reply has the opcode of the request that it answers. */
typedef struct zkbox_frame {
    int64_t at_ns;  /* CLOCK_MONOTONIC */
    int connection; /* 1, 2, ... in order of arrival at the proxy */
    zkbox_direction direction;
    int32_t xid;    /* -1 event, -2 ping, -4 auth, -8 setWatches; 0 for connect */
    int32_t opcode; /* of the request; 0 for connect and for events */
    int32_t error;  /* of a reply: ZooKeeper's code; 0 in a request */
    size_t size;    /* bytes, with the four of the length */
    bool lost;      /* by an armed loss */
} zkbox_frame;

/* Begins a new record of all frames, in order. To prove that requests were sent without waiting for
 * replies, set a delay first: then no reply can overtake a request that was on its way. */
void zkbox_proxy_trace_start(zkbox_proxy *proxy);

/* A copy of the record so far (it goes on), which the caller frees. -ENOMEM. */
int zkbox_proxy_trace(zkbox_proxy *proxy, zkbox_frame **out_frames, size_t *out_count);

#ifdef __cplusplus
}
#endif
#endif
