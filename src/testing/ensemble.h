/* ensemble.h - one or three simulated servers.
 *
 *   client --up pipe--> connection at a server --forward--> leader: judge, log --propose--> followers
 *   client <-down pipe- reads answered here                 leader <---------ack---------- followers
 *                       commit: apply, watches, reply <---commit--- leader, once a quorum has logged
 *
 * What is modelled because latchkey's correctness hangs on it (docs/protocol.md, The lease):
 * every server applies at its own pace; a follower that is cut off, and a leader that was deposed,
 * do not know it for syncLimit ticks and go on answering reads (the leader: sync too); a leader
 * tells its followers of a commit before it applies it itself, and answers a sync of its own client
 * like a read, so that this is no barrier; sessions are judged by the leader alone, which hears of
 * its followers' clients with their answers to its pings each half tick; failed writes are committed
 * as well; the connection of a session that moved is refused. */
#ifndef SIM_ENSEMBLE_H
#define SIM_ENSEMBLE_H

#include "tree.h"
#include "world.h"

#define SERVERS_MAX 3

enum role { SERVER_DOWN, SERVER_LOOKING, SERVER_FOLLOWING, SERVER_LEADING };

/* Who waits for the outcome. */
struct origin {
    int server;
    uint64_t connection; /* 0: nobody (expiry, a stranger) */
    int32_t xid;
    int64_t asked_ns; /* when the client sent it */
};

enum txn_kind { TXN_CHANGES, TXN_OPEN_SESSION, TXN_CLOSE_SESSION };

struct txn {
    int64_t zxid, time_ms, made_ns; /* made_ns: the world's time */
    enum txn_kind kind;
    int64_t session, timeout_ns;
    struct origin origin;
    enum keeper_verb verb;
    enum keeper_rc rc; /* not OK: changes nothing, but is logged and committed all the same */
    bool moved;        /* the session has another server now: no answer, the connection is closed */
    size_t count;      /* operations */
    struct change *changes;
    enum keeper_rc *rcs;
};

/* The leader's knowledge of a session. */
struct tracked {
    struct list node;
    int64_t id, timeout_ns, expires_ns;
    int owner; /* the server it is connected to; -1: not known yet */
    bool closing;
};

/* For a request that came by some server. */
enum session_standing { SESSION_IS_HERE, SESSION_IS_OVER, SESSION_HAS_MOVED };

struct touch {
    struct list node;
    int64_t session;
};

struct sync_waiter {
    struct list node;
    struct origin origin;
    size_t count; /* of the log, to be committed first */
};

struct follower {
    bool follows;
    size_t acked;
    int64_t heard_tick;
    uint32_t link; /* which connection of theirs; what is of an older one is dropped */
};

/* Where a session was welcomed last, and the first of its connections there in a row. */
struct whereabouts {
    struct list node;
    int64_t session;
    int server;
    uint64_t since;
};

struct ensemble;

struct server {
    struct ensemble *ensemble;
    int id;
    enum role role;
    int64_t paused_until_ns;
    int64_t clock_ms; /* how much its clock is ahead of the world's */
    uint32_t epoch;   /* the newest it has accepted: it follows nobody older */
    struct tree tree;
    struct txn **log;
    size_t logged, log_capacity, committed, applied, durable;
    struct event half_tick, disk, poll, apply;
    size_t disk_target;
    struct list connections;
    /* leading */
    struct tree ahead; /* with everything logged */
    uint32_t counter;
    int64_t half_ticks; /* run since it leads: a pause does not count, as in the server */
    struct follower followers[SERVERS_MAX];
    struct list tracker, syncs;
    int64_t reap_at_ns; /* empty containers */
    /* following */
    int leader;
    uint32_t link;
    int64_t heard_ns;
    struct list touched;
};

struct peer_pipe {
    struct pipe pipe;
    struct server *from, *to;
};

struct ensemble {
    struct world *world;
    int size;
    int64_t tick_ns, reap_ns;
    int sync_limit;        /* ticks */
    size_t request_max;    /* jute.maxbuffer: who sends more loses the connection */
    const char *refused;   /* credentials that no server takes; NULL: none */
    unsigned late_percent; /* of reconnects to the same server that find a request of the old
                              connection half read */
    struct server servers[SERVERS_MAX];
    struct peer_pipe peers[SERVERS_MAX][SERVERS_MAX]; /* [from][to] */
    int64_t cut_until_ns[SERVERS_MAX][SERVERS_MAX];
    int64_t lag_ns[SERVERS_MAX]; /* more latency for what the leader sends it; the leader itself
                                    applies so much later */
    /* New znodes below this path begin with that version, as though they had been written so often;
       those that take the place of one in the same transaction begin anew. NULL: none. */
    const char *worn;
    int32_t worn_version;
    struct list whereabouts;
    uint32_t epochs, links;
    uint64_t connections;
    int64_t sessions;
    /* Sees each committed transaction once, in their order, with the tree as it was before. */
    void (*witness)(struct ensemble *ensemble, const struct tree *before, const struct txn *txn);
    size_t witnessed;
};

/* ---- connections (connection.c) ---- */

enum packet_kind {
    PACKET_HELLO,
    PACKET_WATCHES,
    PACKET_REQUEST,
    PACKET_GOODBYE, /* up; GOODBYE ends the session */
    PACKET_WELCOME,
    PACKET_REFUSAL, /* of the credentials */
    PACKET_REPLY,
    PACKET_EVENT, /* down */
    PACKET_FIN,   /* either: the sender has closed */
};

enum { WATCH_DATA = 1, WATCH_EXISTS = 2, WATCH_CHILD = 4 };

struct watched {
    struct list node;
    const char *path;
    unsigned kinds; /* at the server DATA stands for EXISTS too */
};

struct packet {
    struct message message;
    enum packet_kind kind;
    /* HELLO, WELCOME (session 0: expired), WATCHES; zxid: REPLY too. */
    int64_t session, timeout_ns, zxid;
    int32_t xid;
    int64_t sent_ns;
    const struct keeper_request *request;
    const struct keeper_reply *reply;
    enum keeper_watch_event event;
    const char *path;
    struct list watches; /* of struct watched */
};

/* A request that a connection's server has not answered yet. */
struct pending {
    struct list node;
    int32_t xid;
    const struct keeper_request *request; /* NULL: the session's end */
    bool is_read, is_done;
    int64_t zxid;
    struct keeper_reply reply;
};

struct connection {
    struct list node; /* of the server */
    uint64_t id;
    struct ensemble *ensemble;
    struct server *server;
    bool is_served; /* the server's end is open */
    void *client;   /* the client's end; NULL: closed */
    void (*receive)(struct connection *connection, struct packet *packet);
    struct pipe up, down;
    int64_t session, timeout_ns;
    const char *auth;
    struct list pendings, watches;
    int32_t lose_xid; /* a fault: the link dies in place of this reply; 0: none */
    const char *name; /* of the client, for the story */
};

struct connection *connection_new(struct ensemble *ensemble, int server, const char *client_name);
void connection_send_up(struct connection *connection, struct packet *packet);
void connection_close_client(struct connection *connection); /* what was sent still arrives */
void connection_close_server(struct connection *connection,
                             bool tell);            /* told: a FIN follows what was sent */
void connection_cut(struct connection *connection); /* what is under way is lost, both are told */
void connection_answer(struct server *server, struct origin origin,
                       const struct keeper_reply *reply, int64_t zxid);
void connection_welcome(struct server *server, uint64_t id, bool valid);
struct connection *connection_find(struct server *server, uint64_t id);
/* Who may not read the znode is told nothing, and loses the watch all the same (CVE-2024-23944). */
void connection_trigger(struct server *server, const struct znode *znode, unsigned kinds,
                        enum keeper_watch_event event);
struct packet *packet_new(struct world *world, enum packet_kind kind);
const struct keeper_request *request_copy(struct arena *arena,
                                          const struct keeper_request *request);

/* ---- servers (server.c: the log; leader.c: judging; role.c: who leads; peer.c: between servers)
 * ---- */

void ensemble_begin(struct ensemble *ensemble, struct world *world, int size, int64_t tick_ns,
                    int sync_limit);
void server_kill(struct server *server);
void server_start(struct server *server);
void server_pause(struct server *server, int64_t until_ns);
/* Messages of this direction stand still, and nobody is told. */
void ensemble_cut(struct ensemble *ensemble, int from, int to, int64_t until_ns);
/* A follower whose connection broke; the leader need not know. */
void server_lose_leader(struct server *server);
void ensemble_heal(struct ensemble *ensemble);
struct server *
ensemble_leader(struct ensemble *ensemble); /* of the newest epoch, with a quorum; or NULL */
bool server_serves(const struct server *server);
/* The tree that most transactions were applied to. */
const struct tree *ensemble_truth(const struct ensemble *ensemble);

void server_touch(struct server *server, int64_t session);
/* Before a read: the leader looks at its own client's session, a follower at none. */
enum session_standing server_asks_about(struct server *server, int64_t session);
/* To the leader: a write or the session's end (request NULL), a sync. */
void server_forward(struct server *server, struct origin origin, const struct requester *who,
                    const struct keeper_request *request);
void server_open_session(struct server *server, struct origin origin, int64_t session,
                         int64_t timeout_ns);
void server_revalidate(struct server *server, struct origin origin, int64_t session,
                       int64_t timeout_ns);

/* An operation of nobody here, on the leader's tree. False: there is no leader now. */
bool ensemble_stranger(struct ensemble *ensemble, const struct keeper_request *request);
bool ensemble_expire(struct ensemble *ensemble, int64_t session);
/* Of a world in which nothing has happened yet: `path`, and what it stands in, are there from
 * before it, and so many children were made in it. */
void ensemble_found(struct ensemble *ensemble, const char *path, int32_t creates);

/* Within these four files. */
void server_append(struct server *server, struct txn *txn);
void server_commit(struct server *server, size_t count);
/* Committed, but applied a little later. */
void server_commit_soon(struct server *server, size_t count);
void server_disk(struct server *server);
void leader_begin(struct server *leader);
void leader_judge(struct server *leader, struct origin origin, const struct requester *who,
                  const struct keeper_request *request);
void leader_open_session(struct server *leader, struct origin origin, int64_t session,
                         int64_t timeout_ns);
bool leader_revalidate(struct server *leader, int server, int64_t session, int64_t timeout_ns);
enum session_standing leader_standing(struct server *leader, int server, int64_t session);
void leader_sync(struct server *leader, struct origin origin);
void leader_acked(struct server *leader, int server, size_t count);
void leader_synced(struct server *leader);
void leader_touch(struct server *leader, int64_t session, int64_t timeout_ns);
void leader_expire(struct server *leader);
void leader_reap(struct server *leader);
/* Gives up its role: closes everything, looks for a leader. */
void server_look(struct server *server);

enum peer_kind {
    PEER_PROPOSE,
    PEER_ACK,
    PEER_COMMIT,
    PEER_PING,
    PEER_PONG,
    PEER_WRITE,
    PEER_OPEN,
    PEER_REVALIDATE,
    PEER_VALID,
    PEER_SYNCED,
    PEER_BYE
};
struct peer_message {
    struct message message;
    enum peer_kind kind;
    uint32_t link;
    struct txn *txn;
    size_t count;
    struct list touched;
    struct origin origin;
    struct requester who;
    const struct keeper_request *request;
    int64_t session, timeout_ns;
    bool valid;
};
void peers_begin(struct ensemble *ensemble);
/* A new connection: what was under way is gone. */
void peers_reset(struct ensemble *ensemble, int a, int b);
struct peer_message *peer_message_new(struct ensemble *ensemble, enum peer_kind kind);
void peer_send(struct server *from, int to, struct peer_message *message);

#endif
