/* break.c - an operator removes one place from a line, by its fence, and nobody else's.
 *
 * ZooKeeper deletes by name, and a name is no identity: in a parent made anew another may stand
 * under it. What tells them apart, the czxid, can be read but not made a condition. So the parent
 * and the znode are looked at, and one commit checks that neither has been written since: their
 * versions are as they were, and the znode goes. A parent made anew counts its versions from 0, so
 * this is a proof only of a parent that has been written more often than the new one can have been
 * by then: what is left is said in grant.h. */
#include <latchkey/grant.h>

#include <stdlib.h>

#include "base/path.h"
#include "line/place.h"

struct breaking {
    struct op op;
    struct request_group requests;
    char *parent, *node;
    int64_t czxid;
    int32_t parent_version;
};

static void breaking_look(struct breaking *breaking);

static int breaking_withdraw(struct op *op, int status)
{
    request_drop(&container_of(op, struct breaking, op)->requests);
    return status;
}

static void breaking_end(struct breaking *breaking, int status)
{
    request_drop(&breaking->requests);
    op_done(&breaking->op, status);
}

static void breaking_send(struct breaking *breaking, const struct keeper_request *request,
                          unsigned flags, request_fn *fn)
{
    int status = request_send(breaking->op.client, &breaking->requests, request, flags, fn,
                              breaking);

    if (status != LK_OK)
        breaking_end(breaking, status);
}

static void breaking_removed(void *context, const struct keeper_reply *reply)
{
    struct breaking *breaking = context;

    if (reply->rc == KEEPER_BAD_VERSION)
        breaking_look(breaking); /* somebody has released meanwhile, or shows a new card */
    else
        breaking_end(breaking, place_status(reply->rc));
}

static void breaking_remove(struct breaking *breaking, int32_t node_version)
{
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CHECK, .path = breaking->parent, .version = breaking->parent_version },
        { .verb = KEEPER_DELETE, .path = breaking->node, .version = node_version },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 2 };

    breaking_send(breaking, &multi, REQUEST_ONCE | REQUEST_PROOF, breaking_removed);
}

static void breaking_node_seen(void *context, const struct keeper_reply *reply)
{
    struct breaking *breaking = context;

    if (reply->rc != KEEPER_OK)
        breaking_end(breaking, place_status(reply->rc));
    else if (reply->stat.czxid != breaking->czxid)
        breaking_end(breaking, LK_E_NOT_FOUND);
    else if (!client_is_connected(breaking->op.client))
        breaking_look(breaking); /* at once or not at all: the longer, the more can have happened */
    else
        breaking_remove(breaking, reply->stat.version);
}

/* The znode after the parent: if it stands there with that czxid, this was its parent. */
static void breaking_parent_seen(void *context, const struct keeper_reply *reply)
{
    struct breaking *breaking = context;
    const struct keeper_request node = { .verb = KEEPER_EXISTS, .path = breaking->node };

    breaking->parent_version = reply->stat.version;
    if (reply->rc != KEEPER_OK)
        breaking_end(breaking, place_status(reply->rc));
    else
        breaking_send(breaking, &node, REQUEST_RETRY, breaking_node_seen);
}

static void breaking_caught_up(void *context, const struct keeper_reply *reply)
{
    struct breaking *breaking = context;
    const struct keeper_request parent = { .verb = KEEPER_EXISTS, .path = breaking->parent };

    (void)reply; /* the looks behind it are what counts */
    breaking_send(breaking, &parent, REQUEST_RETRY, breaking_parent_seen);
}

/* Behind a barrier: a server that lags shows places that have gone long ago, and others may stand
 * under their names. */
static void breaking_look(struct breaking *breaking)
{
    breaking_send(breaking, &barrier, BARRIER_FLAGS, breaking_caught_up);
}

static int breaking_run(struct breaking *breaking, lk_client *client, int64_t deadline_ns)
{
    int status = client_enter(client);

    if (status != LK_OK)
        return status;
    status = op_may_wait(client);
    if (status == LK_OK) {
        op_begin(client, &breaking->op, deadline_ns, breaking_withdraw, NULL);
        breaking_look(breaking);
        status = op_wait(&breaking->op);
    }
    client_leave(client);
    return status;
}

static int line_remove(lk_client *client, const char *path, const lk_line_entry *entry,
                       int64_t deadline_ns)
{
    struct breaking breaking = { .czxid = (int64_t)entry->fence.zxid };
    int status = client_path(client, path, &breaking.parent);

    if (status == LK_OK && !(breaking.node = path_join(breaking.parent, entry->node)))
        status = LK_E_NOMEM;
    if (status == LK_OK)
        status = breaking_run(&breaking, client, deadline_ns);
    free(breaking.node);
    free(breaking.parent);
    return status;
}

/* One try: LK_E_UNKNOWN when the reply was lost. */
static int line_break_once(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    lk_line *line = NULL;
    int status = lk_line_list(client, path, deadline_ns, &line);

    if (status != LK_OK)
        return status;
    status = LK_E_NOT_FOUND;
    for (size_t i = 0; i < line->count; i++)
        if (line->entries[i].fence.zxid == fence.zxid)
            status = line_remove(client, path, &line->entries[i], deadline_ns);
    lk_line_free(line);
    return status;
}

int lk_line_break(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    bool was_sent = false;

    if (!client)
        return LK_E_INVALID;
    client_ref(client); /* another thread may free it, which ends the wait */
    for (;;) {
        int status = line_break_once(client, path, fence, deadline_ns);
        if (status != LK_E_UNKNOWN) {
            client_unref(client);
            /* Gone at the next look: it was ours that was applied. */
            return was_sent && status == LK_E_NOT_FOUND ? LK_OK : status;
        }
        was_sent = true;
    }
}
