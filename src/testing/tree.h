/* tree.h - the znodes as one server has them, and how a request becomes changes of them.
 *
 * As in ZooKeeper a request is judged once, by the leader, on its newest tree (tree_judge), and
 * becomes changes that need no judging; every server then applies the same changes in the same
 * order (tree_apply). */
#ifndef SIM_TREE_H
#define SIM_TREE_H

#include "keeper/keeper.h"
#include "world.h"

struct znode {
    struct znode *bucket_next;
    struct list siblings, children;
    struct znode *parent;
    const char *path;
    const void *data;
    const char *maker; /* who alone may do anything here; NULL: everybody */
    bool container;
    int32_t creates;         /* children ever made: names sequential ones, and shows in cversion */
    struct keeper_stat stat; /* but for cversion, which znode_stat() makes */
};

/* A session as the log knows it. */
struct known_session {
    struct list node;
    int64_t id, timeout_ns;
};

#define TREE_BUCKETS 64

struct tree {
    struct arena *arena;
    struct znode *buckets[TREE_BUCKETS];
    struct list sessions;
    int64_t zxid; /* of the last transaction applied */
};

enum change_kind { CHANGE_NONE, CHANGE_CREATE, CHANGE_DELETE, CHANGE_SET };

struct change {
    enum change_kind kind;
    const char *path;
    const void *data;
    size_t data_size;
    int64_t owner;
    const char *maker;
    bool container;
    int32_t creates; /* that the new znode has seen already: ensemble_found() */
    int32_t version; /* of the new znode, as though it had been written so often: ensemble.worn */
};

/* What a change did, so that it can be taken back while it is still only the leader's plan. */
struct undo {
    struct change change;
    struct znode *znode;
    struct znode before; /* of a set */
    int64_t parent_pzxid;
    int32_t parent_creates;
};

struct requester {
    int64_t session;
    const char *auth; /* NULL: none given */
};

void tree_begin(struct tree *tree, struct arena *arena);
struct znode *tree_find(const struct tree *tree, const char *path);
struct keeper_stat znode_stat(const struct znode *znode);
bool znode_permits(const struct znode *znode, const struct requester *who);
const char *znode_name(const struct znode *znode);

/* A keeper_rc; with KEEPER_OK *out is what the operation comes to. */
enum keeper_rc tree_judge(const struct tree *tree, const struct keeper_request *operation,
                          const struct requester *who, struct change *out);
/* undo may be NULL. Returns the znode, if need be as it was when it was deleted. */
struct znode *tree_apply(struct tree *tree, const struct change *change, int64_t zxid,
                         int64_t time_ms, struct undo *undo);
void tree_undo(struct tree *tree, const struct undo *undo);

/* get, exists, list: rc, stat, data and children; in memory of `arena`. */
struct keeper_reply tree_read(const struct tree *tree, struct arena *arena,
                              const struct keeper_request *request, const struct requester *who);

void tree_session_add(struct tree *tree, int64_t id, int64_t timeout_ns);
void tree_session_remove(struct tree *tree, int64_t id);
/* An ephemeral of the session, or NULL. */
struct znode *tree_ephemeral_of(const struct tree *tree, int64_t session);

#endif
