/* server_time.c - what the servers' clock says. ZooKeeper has no request for it; but it stamps what
 * it writes, and a set's answer has the stamp. So a znode is created, set and deleted in one
 * commit: nobody sees it, and nothing is left. (The create's own answer has no Stat in a multi.)
 *
 * It stands in the parent of the path that the caller names, or, as long as there is none, further
 * up: where the caller would have to make that path too. */
#include "session/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

struct reading {
    struct op op;
    struct request_group requests;
    char *folder; /* "": the top */
    int64_t server_ms;
};

static void reading_ask(struct reading *reading);

static int reading_withdraw(struct op *op, int status)
{
    request_drop(&container_of(op, struct reading, op)->requests);
    return status;
}

static int status_of(int rc)
{
    switch (rc) {
    case KEEPER_NO_RIGHTS:
    case KEEPER_AUTH_FAILED:
        return LK_E_NO_RIGHTS;
    case KEEPER_CLOSED:
        return LK_E_CLOSED;
    case KEEPER_NO_MEMORY:
        return LK_E_NOMEM;
    }
    return LK_E_SERVER;
}

static void reading_answered(void *context, const struct keeper_reply *reply)
{
    struct reading *reading = context;

    if (reply->rc == KEEPER_OK) {
        reading->server_ms = reply->results[1].stat.mtime_ms;
        op_done(&reading->op, LK_OK);
    } else if (reply->rc == KEEPER_NO_NODE && *reading->folder) {
        *strrchr(reading->folder, '/') = '\0';
        reading_ask(reading);
    } else {
        op_done(&reading->op, status_of(reply->rc));
    }
}

static void reading_ask(struct reading *reading)
{
    lk_client *client = reading->op.client;
    char name[40];

    /* A letter at its end: ten digits there would be a place in a line. */
    snprintf(name, sizeof name, "lk-%016" PRIx64 "-clock", client_random(client));
    char *path = path_join(reading->folder, name);
    const struct keeper_request operations[] = {
        { .verb = KEEPER_CREATE, .path = path, .access = client_access(client) },
        { .verb = KEEPER_SET, .path = path, .version = KEEPER_ANY_VERSION },
        { .verb = KEEPER_DELETE, .path = path, .version = KEEPER_ANY_VERSION },
    };
    const struct keeper_request multi = { .verb = KEEPER_MULTI,
                                          .operations = operations,
                                          .operation_count = 3 };
    /* It changes nothing for good, so it may be sent again. */
    int status = path ? request_send(client, &reading->requests, &multi,
                                     REQUEST_RETRY | REQUEST_PROOF, reading_answered, reading)
                      : LK_E_NOMEM;
    free(path);
    if (status != LK_OK)
        op_done(&reading->op, status);
}

/* Where to write for `path`: its parent, as the server sees it. */
static int folder_of(const lk_client *client, const char *path, char **out)
{
    if (!path)
        return (*out = strdup(client->root)) ? LK_OK : LK_E_NOMEM;
    int status = client_path(client, path, out);
    if (status == LK_OK)
        *strrchr(*out, '/') = '\0';
    return status;
}

int lk_client_server_ms(lk_client *client, const char *path, int64_t deadline_ns, int64_t *out_ms)
{
    struct reading reading = { 0 };

    if (!client || !out_ms)
        return LK_E_INVALID;
    int status = folder_of(client, path, &reading.folder);
    if (status != LK_OK)
        return status;
    client_ref(client); /* another thread may free it, which ends the wait */
    status = client_enter(client);
    if (status == LK_OK) {
        status = op_may_wait(client);
        if (status == LK_OK) {
            op_begin(client, &reading.op, deadline_ns, reading_withdraw, NULL);
            reading_ask(&reading);
            status = op_wait(&reading.op);
        }
        client_leave(client);
    }
    client_unref(client);
    free(reading.folder);
    if (status == LK_OK)
        *out_ms = reading.server_ms;
    return status;
}
