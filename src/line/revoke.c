/* revoke.c - asks a holder to let go, by a word in its znode. See lk_line_revoke(). */
#include <latchkey/grant.h>

#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "line/place.h"
#include "session/flight.h"

static const char curator_word[] = "__REVOKE__";

struct revoke {
    struct op op;
    struct flight flight;
    lk_client *client;
    char *node;
    int64_t czxid;
};

static void revoke_read(struct revoke *revoke);

static void revoke_end(struct revoke *revoke, int status)
{
    flight_drop(&revoke->flight);
    op_done(&revoke->op, status);
}

static int revoke_withdraw(struct op *op, int status)
{
    flight_drop(&container_of(op, struct revoke, op)->flight);
    return status;
}

static void revoke_send(struct revoke *revoke, const struct keeper_request *request,
                        void (*landed)(struct flight *flight))
{
    int status = flight_send(&revoke->flight, revoke->client, request, 1, landed);

    if (status != LK_OK)
        revoke_end(revoke, status);
}

static void revoke_written(struct flight *flight)
{
    struct revoke *revoke = container_of(flight, struct revoke, flight);
    const struct answer *answer = &flight->answers[0];

    /* Asking twice does no harm. */
    if (answer->rc == KEEPER_BAD_VERSION || answer_is_lost(answer))
        revoke_read(revoke);
    else
        revoke_end(revoke, answer_status(answer));
}

static int revoke_words(const struct answer *answer, struct record_out *out)
{
    struct place_record record;

    if (place_record_read(&record, answer->data, answer->data_size) != LK_OK) {
        record_put_bytes(out, curator_word, strlen(curator_word));
        return out->status;
    }
    record.asked = true;
    return place_record_write(out, &record);
}

static void revoke_got(struct flight *flight)
{
    __attribute__((cleanup(record_free))) struct record_out out = { 0 };
    struct revoke *revoke = container_of(flight, struct revoke, flight);
    const struct answer *answer = &flight->answers[0];
    int status = answer_status(answer);

    if (status == LK_OK && answer->stat.czxid != revoke->czxid)
        status = LK_E_NOT_FOUND; /* a namesake */
    if (status == LK_OK)
        status = revoke_words(answer, &out);
    if (status != LK_OK) {
        revoke_end(revoke, status);
        return;
    }
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = revoke->node,
                                        .data = out.bytes,
                                        .data_size = out.size,
                                        .version = answer->stat.version };
    revoke_send(revoke, &set, revoke_written);
}

static void revoke_read(struct revoke *revoke)
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = revoke->node };

    revoke_send(revoke, &get, revoke_got);
}

static int revoke_wait(struct revoke *revoke, int64_t deadline_ns)
{
    int status = client_enter(revoke->client);

    if (status != LK_OK)
        return status;
    op_begin(revoke->client, &revoke->op, deadline_ns, revoke_withdraw, NULL);
    revoke_read(revoke);
    status = op_wait(&revoke->op);
    client_leave(revoke->client);
    return status;
}

static int revoke_node(lk_client *client, const char *path, const char *name, lk_fence fence,
                       int64_t deadline_ns)
{
    struct revoke revoke = { .client = client, .czxid = (int64_t)fence.zxid };
    char *line = NULL;
    int status = client_path(client, path, &line);

    if (status == LK_OK && !(revoke.node = path_join(line, name)))
        status = LK_E_NOMEM;
    if (status == LK_OK) {
        client_ref(client); /* another thread may free it, which ends the wait */
        status = revoke_wait(&revoke, deadline_ns);
        client_unref(client);
    }
    free(line);
    free(revoke.node);
    return status;
}

int lk_line_revoke(lk_client *client, const char *path, lk_fence fence, int64_t deadline_ns)
{
    lk_line *line = NULL;
    int status = lk_line_list(client, path, deadline_ns, &line);

    if (status != LK_OK)
        return status;
    status = LK_E_NOT_FOUND;
    for (size_t i = 0; i < line->count; i++)
        if (line->entries[i].fence.zxid == fence.zxid)
            status = revoke_node(client, path, line->entries[i].node, fence, deadline_ns);
    lk_line_free(line);
    return status;
}
