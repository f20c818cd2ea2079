/* zookeeper.c - zk.h over libzookeeper_mt 3.8. The only file that includes the client's header.
 *
 * What the client does wrong is named where it is guarded against, here and in handle.c. Guarded
 * above this room: at most 8192 requests are outstanding, since each writes a byte into a pipe of
 * 64 KiB, and a full pipe makes the *caller* close the connection; paths are valid; the paths of
 * all watches go into one packet at a reconnect, about 30,000 of them before the server refuses it.
 * Not to be mended from outside: sockets without CLOEXEC, srandom() called at each resolution of
 * names, an abort() when its two threads can't be had. */
#include "keeper/zk.h"

#include <stdlib.h>
#include <string.h>

#include <zookeeper/zookeeper.h>

#define MS INT64_C(1000000)

enum {
    REQUEST_OVERHEAD = 64, /* at most: header, lengths, version, flags, ACL of one operation */
    NUMBER_DIGITS = 11,    /* what the server puts behind a sequential path: "%010d" of an int32 */
};

/* A multi has its results, and the buffers that they point to, behind it: the client writes them
 * when the answer comes. */
struct multi {
    struct flight flight;
    size_t count;
    zoo_op_t *operations;
    zoo_op_result_t *results;
    struct Stat *stats;
    struct keeper_reply *replies;
    char *text;
};

static zhandle_t *zhandle(struct zk *zk)
{
    return (zhandle_t *)zk;
}

/* ---- what the client's codes mean ---- */

static bool is_loss(int rc)
{
    return rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT;
}

static int keeper_rc_of(int rc)
{
    switch (rc) {
    case ZOK:
        return KEEPER_OK;
    case ZNONODE:
        return KEEPER_NO_NODE;
    case ZNODEEXISTS:
        return KEEPER_NODE_EXISTS;
    case ZBADVERSION:
        return KEEPER_BAD_VERSION;
    case ZNOTEMPTY:
        return KEEPER_NOT_EMPTY;
    case ZNOAUTH:
    case ZINVALIDACL:
        return KEEPER_NO_RIGHTS;
    case ZNOCHILDRENFOREPHEMERALS:
        return KEEPER_EPHEMERAL_PARENT;
    case ZCLOSING:
        return KEEPER_CLOSED;
    /* All of these may come for a request that was applied: the link was idle too long, an answer
     * that belongs to another request, no socket, a server that failed within. */
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
    case ZRUNTIMEINCONSISTENCY:
    case ZDATAINCONSISTENCY:
    case ZSYSTEMERROR:
    /* The server refused it since the session had moved on, ended, or never proved itself. Which of
     * these holds is for the session event to say, and no answer runs ahead of that: until then the
     * request is merely not answered. */
    case ZSESSIONMOVED:
    case ZSESSIONEXPIRED:
    case ZAUTHFAILED:
        return KEEPER_UNKNOWN;
    default:
        return KEEPER_REFUSED;
    }
}

static struct keeper_stat keeper_stat_of(const struct Stat *stat)
{
    return (struct keeper_stat){
        .czxid = stat->czxid,
        .mzxid = stat->mzxid,
        .pzxid = stat->pzxid,
        .ctime_ms = stat->ctime,
        .mtime_ms = stat->mtime,
        .ephemeral_owner = stat->ephemeralOwner,
        .version = stat->version,
        .cversion = stat->cversion,
        .aversion = stat->aversion,
        .data_size = stat->dataLength,
        .child_count = stat->numChildren,
    };
}

/* ---- its life ---- */

static void on_session(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    struct zk_owner *owner = context;
    struct zk *zk = (struct zk *)zh;

    (void)path;
    if (type != ZOO_SESSION_EVENT)
        return;
    if (state == ZOO_CONNECTED_STATE)
        owner->session(owner, zk, ZK_CONNECTED);
    else if (state == ZOO_CONNECTING_STATE)
        owner->session(owner, zk, ZK_CONNECTING);
    else if (state == ZOO_EXPIRED_SESSION_STATE)
        owner->session(owner, zk, ZK_EXPIRED);
    else if (state == ZOO_AUTH_FAILED_STATE)
        owner->session(owner, zk, ZK_AUTH_FAILED);
}

/* Never ZOO_READONLY: the server found with it is kept in a variable of the process, and looked for
 * with blocking calls on the IO thread. */
/* The client's log has no context, so its lines could be brought to their client only by a table
 * shared by the whole process; they are dropped. What they tell of connections, the session room
 * logs itself. */
static void on_log(const char *line)
{
    (void)line;
}

struct zk *zk_open(const char *servers, int timeout_ms, struct zk_owner *owner)
{
    zhandle_t *zh = zookeeper_init2(servers, on_session, timeout_ms, NULL, owner,
                                    ZOO_NO_LOG_CLIENTENV, on_log);

    /* Else it asks the DNS at every turn of its loop (ZOOKEEPER-1998). It still does when
     * disconnected. */
    if (zh)
        zoo_set_servers_resolution_delay(zh, -1);
    return (struct zk *)zh;
}

void zk_close(struct zk *zk)
{
    zookeeper_close(zhandle(zk));
}

bool zk_is_connected(struct zk *zk)
{
    return zoo_state(zhandle(zk)) == ZOO_CONNECTED_STATE;
}

bool zk_is_dead(struct zk *zk)
{
    return is_unrecoverable(zhandle(zk)) != ZOK;
}

struct keeper_session zk_session(struct zk *zk)
{
    return (struct keeper_session){
        .id = zoo_client_id(zhandle(zk))->client_id,
        .timeout_ns = zoo_recv_timeout(zhandle(zk)) * MS,
    };
}

/* No completion: the client calls it on another thread, with its locks held. */
bool zk_add_auth(struct zk *zk, const char *scheme, const char *auth)
{
    return zoo_add_auth(zhandle(zk), scheme, auth, (int)strlen(auth), NULL, NULL) == ZOK;
}

void zk_set_servers(struct zk *zk, const char *servers)
{
    zoo_set_servers(zhandle(zk), servers);
}

/* Not by zoo_get_current_server(), which returns one buffer for all threads (ZOOKEEPER-4810). */
bool zk_peer(struct zk *zk, struct sockaddr_storage *out)
{
    socklen_t size = sizeof *out;
    return zookeeper_get_connected_host(zhandle(zk), (struct sockaddr *)out, &size) != NULL;
}

/* ---- answers ---- */

/* The one watcher of all watches, told apart by path above: each different one would be searched
 * for at every session event, in square time, and would have to be freed by somebody. */
static void on_watch(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    struct zk_owner *owner = context;

    (void)zh;
    (void)state;
    if (type == ZOO_CREATED_EVENT)
        owner->watch(owner, KEEPER_WATCH_CREATED, path);
    else if (type == ZOO_DELETED_EVENT)
        owner->watch(owner, KEEPER_WATCH_DELETED, path);
    else if (type == ZOO_CHANGED_EVENT)
        owner->watch(owner, KEEPER_WATCH_CHANGED, path);
    else if (type == ZOO_CHILD_EVENT)
        owner->watch(owner, KEEPER_WATCH_CHILDREN, path);
    /* Else a session event: watchers get each of them too, and on_session() has had it. */
}

static void flight_land(const void *data, int rc, struct keeper_reply *reply)
{
    struct flight *flight = (struct flight *)data;

    reply->rc = keeper_rc_of(rc);
    flight->owner->answer(flight->owner, flight, is_loss(rc), reply);
}

static void on_created(int rc, const char *path, const struct Stat *stat, const void *data)
{
    struct keeper_reply reply = { .path = path };

    if (stat)
        reply.stat = keeper_stat_of(stat);
    flight_land(data, rc, &reply);
}

static void on_void(int rc, const void *data)
{
    struct keeper_reply reply = { 0 };
    flight_land(data, rc, &reply);
}

static void on_stat(int rc, const struct Stat *stat, const void *data)
{
    struct keeper_reply reply = { 0 };

    if (stat)
        reply.stat = keeper_stat_of(stat);
    flight_land(data, rc, &reply);
}

static void on_data(int rc, const char *value, int size, const struct Stat *stat, const void *data)
{
    struct keeper_reply reply = { 0 };

    /* No data at all has the size -1. */
    if (size > 0) {
        reply.data = value;
        reply.data_size = (size_t)size;
    }
    if (stat)
        reply.stat = keeper_stat_of(stat);
    flight_land(data, rc, &reply);
}

static void on_children(int rc, const struct String_vector *names, const struct Stat *stat,
                        const void *data)
{
    struct keeper_reply reply = { 0 };

    if (names && names->count > 0) {
        reply.children = (const char *const *)names->data;
        reply.child_count = (size_t)names->count;
    }
    if (stat)
        reply.stat = keeper_stat_of(stat);
    flight_land(data, rc, &reply);
}

static void on_sync(int rc, const char *path, const void *data)
{
    struct keeper_reply reply = { .path = path };
    flight_land(data, rc, &reply);
}

/* Of a multi that failed, operations before the culprit have 0 and those after it
 * ZRUNTIMEINCONSISTENCY; if no server has answered it, all have the code of the whole. */
static int result_rc(int whole, int operation)
{
    int rc = keeper_rc_of(whole);

    if (rc == KEEPER_OK || rc == KEEPER_UNKNOWN || rc == KEEPER_CLOSED)
        return rc;
    if (operation == ZOK || operation == ZRUNTIMEINCONSISTENCY)
        return KEEPER_NOT_APPLIED;
    return keeper_rc_of(operation);
}

static void on_multi(int rc, const void *data)
{
    const struct multi *multi = data;
    struct keeper_reply reply = { .results = multi->replies, .result_count = multi->count };

    for (size_t i = 0; i < multi->count; i++) {
        const zoo_op_result_t *result = &multi->results[i];
        struct keeper_reply *out = &multi->replies[i];
        out->rc = result_rc(rc, result->err);
        if (out->rc != KEEPER_OK)
            continue;
        out->path = result->value;
        if (result->stat)
            out->stat = keeper_stat_of(result->stat);
    }
    flight_land(data, rc, &reply);
}

static void on_answered(int rc, const struct Stat *stat, const void *data)
{
    struct zk_question *question = (struct zk_question *)data;

    (void)stat;
    question->answered(question, is_loss(rc), keeper_rc_of(rc));
}

/* ---- requests ---- */

static int create_mode(enum keeper_mode mode)
{
    switch (mode) {
    case KEEPER_EPHEMERAL_SEQUENTIAL:
        return ZOO_EPHEMERAL_SEQUENTIAL;
    case KEEPER_EPHEMERAL:
        return ZOO_EPHEMERAL;
    case KEEPER_CONTAINER:
        return ZOO_CONTAINER;
    case KEEPER_PERSISTENT_SEQUENTIAL:
        return ZOO_PERSISTENT_SEQUENTIAL;
    case KEEPER_PERSISTENT:
        break;
    }
    return ZOO_PERSISTENT;
}

static const struct ACL_vector *create_acl(lk_access access)
{
    return access == LK_ACCESS_CREATOR ? &ZOO_CREATOR_ALL_ACL : &ZOO_OPEN_ACL_UNSAFE;
}

/* Empty, not absent: Java programs beside us would be given a null. */
static const char *bytes_of(const struct keeper_request *request)
{
    return request->data_size > 0 ? request->data : "";
}

size_t zk_request_size(const struct keeper_request *request)
{
    size_t size = REQUEST_OVERHEAD + request->data_size
                  + (request->path ? strlen(request->path) : 0);

    for (size_t i = 0; i < request->operation_count; i++)
        size += zk_request_size(&request->operations[i]);
    return size;
}

bool zk_request_is_sound(const struct keeper_request *request)
{
    if (request->verb == KEEPER_CHECK
        || (request->verb == KEEPER_MULTI) != (request->operation_count > 0))
        return false;
    for (size_t i = 0; i < request->operation_count; i++) {
        enum keeper_verb verb = request->operations[i].verb;
        if (verb != KEEPER_CREATE && verb != KEEPER_DELETE && verb != KEEPER_SET
            && verb != KEEPER_CHECK)
            return false;
    }
    return true;
}

struct flight *zk_flight_new(const struct keeper_request *request)
{
    size_t count = request->operation_count, size = sizeof(struct multi);
    struct multi *multi;

    if (request->verb != KEEPER_MULTI)
        return calloc(1, sizeof(struct flight));
    size += count * (sizeof *multi->operations + sizeof *multi->results);
    size += count * (sizeof *multi->stats + sizeof *multi->replies);
    for (size_t i = 0; i < count; i++)
        size += strlen(request->operations[i].path) + NUMBER_DIGITS + 1;
    multi = calloc(1, size);
    if (!multi)
        return NULL;
    multi->count = count;
    multi->operations = (zoo_op_t *)(multi + 1);
    multi->results = (zoo_op_result_t *)(multi->operations + count);
    multi->stats = (struct Stat *)(multi->results + count);
    multi->replies = (struct keeper_reply *)(multi->stats + count);
    multi->text = (char *)(multi->replies + count);
    return &multi->flight;
}

/* A container is made persistent in a multi: the server answers its creation there with a Stat that
 * the client does not expect, so that it takes the rest of the answer for something else, and may
 * abort(). */
static int multi_create_mode(enum keeper_mode mode)
{
    return create_mode(mode == KEEPER_CONTAINER ? KEEPER_PERSISTENT : mode);
}

static int flight_send_multi(zhandle_t *zh, const struct keeper_request *request,
                             struct flight *flight)
{
    struct multi *multi = container_of(flight, struct multi, flight);
    char *text = multi->text;

    for (size_t i = 0; i < request->operation_count; i++) {
        const struct keeper_request *operation = &request->operations[i];
        zoo_op_t *out = &multi->operations[i];
        int text_size = (int)strlen(operation->path) + NUMBER_DIGITS + 1;
        switch (operation->verb) {
        case KEEPER_CREATE:
            /* The client has no create2 within a multi: no Stat. A longer path than the buffer
             * would be cut silently. */
            zoo_create_op_init(out, operation->path, bytes_of(operation), (int)operation->data_size,
                               create_acl(operation->access), multi_create_mode(operation->mode),
                               text, text_size);
            text += text_size;
            break;
        case KEEPER_SET:
            zoo_set_op_init(out, operation->path, bytes_of(operation), (int)operation->data_size,
                            operation->version, &multi->stats[i]);
            break;
        case KEEPER_DELETE:
            zoo_delete_op_init(out, operation->path, operation->version);
            break;
        default:
            zoo_check_op_init(out, operation->path, operation->version);
            break;
        }
    }
    /* Refused by its first operation (a dead handle, a bad path), zoo_amulti frees the paths of the
     * others: ours, or whatever is on its stack. So it is not called then; that the session dies
     * within the next few instructions can't be excluded. With a chroot it would be worse still:
     * keeper_zookeeper_open() takes none. */
    if (is_unrecoverable(zh))
        return ZINVALIDSTATE;
    return zoo_amulti(zh, (int)multi->count, multi->operations, multi->results, on_multi, flight);
}

static int flight_send(zhandle_t *zh, const struct keeper_request *request, struct flight *flight)
{
    watcher_fn watcher = request->watch ? on_watch : NULL;

    switch (request->verb) {
    case KEEPER_CREATE:
        return zoo_acreate2(zh, request->path, bytes_of(request), (int)request->data_size,
                            create_acl(request->access), create_mode(request->mode), on_created,
                            flight);
    case KEEPER_DELETE:
        return zoo_adelete(zh, request->path, request->version, on_void, flight);
    case KEEPER_EXISTS:
        return zoo_awexists(zh, request->path, watcher, flight->owner, on_stat, flight);
    case KEEPER_GET:
        return zoo_awget(zh, request->path, watcher, flight->owner, on_data, flight);
    case KEEPER_SET:
        return zoo_aset(zh, request->path, bytes_of(request), (int)request->data_size,
                        request->version, on_stat, flight);
    case KEEPER_LIST:
        return zoo_awget_children2(zh, request->path, watcher, flight->owner, on_children, flight);
    case KEEPER_SYNC:
        return zoo_async(zh, request->path, on_sync, flight);
    case KEEPER_MULTI:
        return flight_send_multi(zh, request, flight);
    case KEEPER_CHECK:
        break;
    }
    return ZBADARGUMENTS;
}

int zk_send(struct zk *zk, const struct keeper_request *request, struct flight *flight)
{
    int rc = flight_send(zhandle(zk), request, flight);

    if (rc == ZOK)
        return LK_OK;
    if (zk_is_dead(zk))
        return LK_E_CLOSED;
    return rc == ZBADARGUMENTS ? LK_E_PATH : LK_E_NOMEM;
}

bool zk_ask(struct zk *zk, struct zk_question *question)
{
    return zoo_aexists(zhandle(zk), "/", 0, on_answered, question) == ZOK;
}
