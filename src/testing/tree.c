/* tree.c - see tree.h. Order of checks, counters and Stat fields are those of ZooKeeper 3.8's
 * PrepRequestProcessor and DataTree; what matters most: a sequential name takes the parent's count
 * of creates, and the cversion that a Stat shows is 2 * creates - children. */
#include "tree.h"

#include <stdio.h>
#include <string.h>

static unsigned bucket_of(const char *path)
{
    unsigned hash = 5381;
    for (; *path; path++)
        hash = 33 * hash + (unsigned char)*path;
    return hash % TREE_BUCKETS;
}

struct znode *tree_find(const struct tree *tree, const char *path)
{
    struct znode *znode = tree->buckets[bucket_of(path)];
    while (znode && strcmp(znode->path, path) != 0)
        znode = znode->bucket_next;
    return znode;
}

static struct znode *find_parent(const struct tree *tree, const char *path)
{
    char parent[4096];
    size_t size = (size_t)(strrchr(path, '/') - path);
    if (size >= sizeof(parent))
        return NULL;
    memcpy(parent, path, size);
    parent[size] = '\0';
    return tree_find(tree, size ? parent : "/");
}

struct keeper_stat znode_stat(const struct znode *znode)
{
    struct keeper_stat stat = znode->stat;
    stat.cversion = (int32_t)(2 * (uint32_t)znode->creates - (uint32_t)stat.child_count);
    return stat;
}

const char *znode_name(const struct znode *znode)
{
    return strrchr(znode->path, '/') + 1;
}

bool znode_permits(const struct znode *znode, const struct requester *who)
{
    return !znode->maker || (who->auth && strcmp(znode->maker, who->auth) == 0);
}

static void link_znode(struct tree *tree, struct znode *znode)
{
    unsigned bucket = bucket_of(znode->path);
    znode->bucket_next = tree->buckets[bucket];
    tree->buckets[bucket] = znode;
    if (!znode->parent)
        return;
    list_append(&znode->parent->children, &znode->siblings);
    znode->parent->stat.child_count++;
}

static void unlink_znode(struct tree *tree, struct znode *znode)
{
    struct znode **at = &tree->buckets[bucket_of(znode->path)];
    while (*at != znode)
        at = &(*at)->bucket_next;
    *at = znode->bucket_next;
    list_remove(&znode->siblings);
    znode->parent->stat.child_count--;
}

void tree_begin(struct tree *tree, struct arena *arena)
{
    *tree = (struct tree){ .arena = arena };
    struct znode *root = arena_take(arena, sizeof(*root));
    root->path = "/";
    link_znode(tree, root);
}

/* ---- judging ---- */

static enum keeper_rc judge_create(const struct tree *tree, const struct keeper_request *operation,
                                   const struct requester *who, struct change *out)
{
    bool sequential = operation->mode == KEEPER_EPHEMERAL_SEQUENTIAL
                      || operation->mode == KEEPER_PERSISTENT_SEQUENTIAL;
    bool ephemeral = operation->mode == KEEPER_EPHEMERAL_SEQUENTIAL
                     || operation->mode == KEEPER_EPHEMERAL;
    const struct znode *parent = find_parent(tree, operation->path);

    if (operation->access == LK_ACCESS_CREATOR && !who->auth)
        return KEEPER_NO_RIGHTS;
    if (!parent)
        return KEEPER_NO_NODE;
    if (!znode_permits(parent, who))
        return KEEPER_NO_RIGHTS;
    size_t size = strlen(operation->path) + 12;
    char *path = arena_take(tree->arena, size);
    if (sequential)
        snprintf(path, size, "%s%010d", operation->path, (int)parent->creates);
    else
        snprintf(path, size, "%s", operation->path);
    if (tree_find(tree, path))
        return KEEPER_NODE_EXISTS;
    if (parent->stat.ephemeral_owner)
        return KEEPER_EPHEMERAL_PARENT;
    *out = (struct change){
        .kind = CHANGE_CREATE,
        .path = path,
        .data = operation->data,
        .data_size = operation->data_size,
        .owner = ephemeral ? who->session : 0,
        .maker = operation->access == LK_ACCESS_CREATOR ? who->auth : NULL,
        .container = operation->mode == KEEPER_CONTAINER,
    };
    return KEEPER_OK;
}

static bool version_fits(const struct znode *znode, int32_t version)
{
    return version == KEEPER_ANY_VERSION || version == znode->stat.version;
}

static enum keeper_rc judge_delete(const struct tree *tree, const struct keeper_request *operation,
                                   const struct requester *who, struct change *out)
{
    const struct znode *znode = tree_find(tree, operation->path);
    const struct znode *parent = find_parent(tree, operation->path);

    if (strcmp(operation->path, "/") == 0)
        return KEEPER_REFUSED;
    if (!parent)
        return KEEPER_NO_NODE;
    if (!znode_permits(parent, who)) /* the server asks this before it looks for the znode */
        return KEEPER_NO_RIGHTS;
    if (!znode)
        return KEEPER_NO_NODE;
    if (!version_fits(znode, operation->version))
        return KEEPER_BAD_VERSION;
    if (znode->stat.child_count)
        return KEEPER_NOT_EMPTY;
    *out = (struct change){ .kind = CHANGE_DELETE, .path = znode->path };
    return KEEPER_OK;
}

/* A set, or a check: a set that changes nothing. */
static enum keeper_rc judge_set(const struct tree *tree, const struct keeper_request *operation,
                                const struct requester *who, struct change *out)
{
    const struct znode *znode = tree_find(tree, operation->path);

    if (!znode)
        return KEEPER_NO_NODE;
    if (!znode_permits(znode, who))
        return KEEPER_NO_RIGHTS;
    if (!version_fits(znode, operation->version))
        return KEEPER_BAD_VERSION;
    *out = (struct change){
        .kind = operation->verb == KEEPER_CHECK ? CHANGE_NONE : CHANGE_SET,
        .path = znode->path,
        .data = operation->data,
        .data_size = operation->data_size,
    };
    return KEEPER_OK;
}

enum keeper_rc tree_judge(const struct tree *tree, const struct keeper_request *operation,
                          const struct requester *who, struct change *out)
{
    switch (operation->verb) {
    case KEEPER_CREATE:
        return judge_create(tree, operation, who, out);
    case KEEPER_DELETE:
        return judge_delete(tree, operation, who, out);
    case KEEPER_SET:
    case KEEPER_CHECK:
        return judge_set(tree, operation, who, out);
    default:
        return KEEPER_REFUSED;
    }
}

/* ---- applying ---- */

static struct znode *apply_create(struct tree *tree, struct znode *parent,
                                  const struct change *change, int64_t zxid, int64_t time_ms)
{
    struct znode *znode = arena_take(tree->arena, sizeof(*znode));

    znode->path = change->path;
    znode->parent = parent;
    znode->data = change->data;
    znode->maker = change->maker;
    znode->container = change->container;
    znode->creates = change->creates;
    znode->stat = (struct keeper_stat){
        .czxid = zxid,
        .mzxid = zxid,
        .pzxid = zxid,
        .ctime_ms = time_ms,
        .mtime_ms = time_ms,
        .ephemeral_owner = change->owner,
        .data_size = (int32_t)change->data_size,
        .version = change->version,
    };
    link_znode(tree, znode);
    if (znode->parent->creates < INT32_MAX) /* there the server's counter sticks */
        znode->parent->creates++;
    znode->parent->stat.pzxid = zxid;
    return znode;
}

struct znode *tree_apply(struct tree *tree, const struct change *change, int64_t zxid,
                         int64_t time_ms, struct undo *undo)
{
    struct znode *znode = change->kind == CHANGE_CREATE ? NULL : tree_find(tree, change->path);
    struct znode *parent = znode ? znode->parent : find_parent(tree, change->path);

    tree->zxid = zxid;
    if (undo)
        *undo = (struct undo){ .change = *change,
                               .znode = znode,
                               .parent_pzxid = parent ? parent->stat.pzxid : 0,
                               .parent_creates = parent ? parent->creates : 0 };
    switch (change->kind) {
    case CHANGE_NONE:
        break;
    case CHANGE_CREATE:
        znode = apply_create(tree, parent, change, zxid, time_ms);
        if (undo)
            undo->znode = znode;
        break;
    case CHANGE_DELETE:
        unlink_znode(tree, znode);
        znode->parent->stat.pzxid = zxid;
        break;
    case CHANGE_SET:
        if (undo)
            undo->before = *znode;
        znode->data = change->data;
        znode->stat.data_size = (int32_t)change->data_size;
        znode->stat.version++;
        znode->stat.mzxid = zxid;
        znode->stat.mtime_ms = time_ms;
        break;
    }
    return znode;
}

void tree_undo(struct tree *tree, const struct undo *undo)
{
    switch (undo->change.kind) {
    case CHANGE_NONE:
        return;
    case CHANGE_CREATE:
        unlink_znode(tree, undo->znode);
        undo->znode->parent->creates = undo->parent_creates;
        break;
    case CHANGE_DELETE:
        link_znode(tree, undo->znode);
        break;
    case CHANGE_SET:
        undo->znode->data = undo->before.data;
        undo->znode->stat = undo->before.stat;
        return;
    }
    undo->znode->parent->stat.pzxid = undo->parent_pzxid;
}

/* ---- reading ---- */

static void read_children(const struct znode *znode, struct arena *arena,
                          struct keeper_reply *reply)
{
    reply->child_count = (size_t)znode->stat.child_count;
    const char **names = arena_take(arena, (reply->child_count + 1) * sizeof(*names));
    size_t i = reply->child_count;
    /* The server promises no order; newest first is as far from the useful one as can be. */
    list_for_each (node, &znode->children)
        names[--i] = znode_name(container_of(node, struct znode, siblings));
    reply->children = names;
}

struct keeper_reply tree_read(const struct tree *tree, struct arena *arena,
                              const struct keeper_request *request, const struct requester *who)
{
    const struct znode *znode = tree_find(tree, request->path);

    if (!znode)
        return (struct keeper_reply){ .rc = KEEPER_NO_NODE };
    if (request->verb != KEEPER_EXISTS && !znode_permits(znode, who))
        return (struct keeper_reply){ .rc = KEEPER_NO_RIGHTS };
    struct keeper_reply reply = { .rc = KEEPER_OK, .stat = znode_stat(znode) };
    if (request->verb == KEEPER_GET) {
        reply.data = znode->stat.data_size ? znode->data : NULL;
        reply.data_size = (size_t)znode->stat.data_size;
    } else if (request->verb == KEEPER_LIST) {
        read_children(znode, arena, &reply);
    }
    return reply;
}

/* ---- sessions ---- */

void tree_session_add(struct tree *tree, int64_t id, int64_t timeout_ns)
{
    struct known_session *session = arena_take(tree->arena, sizeof(*session));
    session->id = id;
    session->timeout_ns = timeout_ns;
    list_append(&tree->sessions, &session->node);
}

void tree_session_remove(struct tree *tree, int64_t id)
{
    list_for_each_safe (node, &tree->sessions) {
        if (container_of(node, struct known_session, node)->id == id)
            list_remove(node);
    }
}

struct znode *tree_ephemeral_of(const struct tree *tree, int64_t session)
{
    for (size_t i = 0; i < TREE_BUCKETS; i++)
        for (struct znode *znode = tree->buckets[i]; znode; znode = znode->bucket_next)
            if (znode->stat.ephemeral_owner == session)
                return znode;
    return NULL;
}
