/* visit.c - see visit.h. */
#include "session/visit.h"

#include <stdlib.h>

void visit_end(struct visit *visit, int status)
{
    flight_drop(&visit->flight);
    op_done(&visit->op, status);
}

static int visit_withdraw(struct op *op, int status)
{
    struct visit *visit = container_of(op, struct visit, op);

    flight_drop(&visit->flight);
    return status == LK_E_DEADLINE && client_session_id(visit->client) == 0 ? LK_E_NO_SERVER
                                                                            : status;
}

static void visit_send(struct visit *visit, const struct keeper_request *request,
                       void (*landed)(struct flight *flight))
{
    int status = flight_send(&visit->flight, visit->client, request, 1, landed);

    if (status != LK_OK)
        visit_end(visit, status);
}

void visit_read(struct visit *visit, void (*landed)(struct flight *flight))
{
    const struct keeper_request get = { .verb = KEEPER_GET, .path = visit->path };

    visit_send(visit, &get, landed);
}

void visit_write(struct visit *visit, const struct record_out *data, int32_t version,
                 void (*landed)(struct flight *flight))
{
    const struct keeper_request set = { .verb = KEEPER_SET,
                                        .path = visit->path,
                                        .data = data->bytes,
                                        .data_size = data->size,
                                        .version = version };

    visit_send(visit, &set, landed);
}

void visit_make(struct visit *visit, enum keeper_mode mode, void (*landed)(struct flight *flight))
{
    int status = flight_make(&visit->flight, visit->client, visit->path, mode, landed);

    if (status != LK_OK)
        visit_end(visit, status);
}

static int visit_wait(struct visit *visit, int64_t deadline_ns, visit_fn *begin)
{
    int status = client_enter(visit->client);

    if (status != LK_OK)
        return status;
    status = op_may_wait(visit->client);
    if (status == LK_OK) {
        op_begin(visit->client, &visit->op, deadline_ns, visit_withdraw, NULL);
        begin(visit);
        status = op_wait(&visit->op);
    }
    client_leave(visit->client);
    return status;
}

int visit_run(struct visit *visit, lk_client *client, const char *path, int64_t deadline_ns,
              visit_fn *begin)
{
    visit->client = client;
    int status = client_path(client, path, &visit->path);
    if (status != LK_OK)
        return status;
    client_ref(client); /* another thread may free it, which ends the wait */
    status = visit_wait(visit, deadline_ns, begin);
    client_unref(client);
    free(visit->path);
    return status;
}
