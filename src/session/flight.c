/* flight.c - requests that are answered together, see flight.h. */
#include "session/flight.h"

#include <stdlib.h>
#include <string.h>

static void answer_clear(struct answer *answer)
{
    for (size_t i = 0; i < answer->child_count; i++)
        free(answer->children[i]);
    free(answer->children);
    free(answer->data);
    free(answer->results);
}

static bool answer_copy_children(struct answer *answer, const struct keeper_reply *reply)
{
    answer->children = calloc(reply->child_count + 1, sizeof(*answer->children));
    if (!answer->children)
        return false;
    for (; answer->child_count < reply->child_count; answer->child_count++) {
        answer->children[answer->child_count] = strdup(reply->children[answer->child_count]);
        if (!answer->children[answer->child_count])
            return false;
    }
    return true;
}

static bool answer_copy(struct answer *answer, const struct keeper_reply *reply)
{
    answer->rc = reply->rc;
    answer->stat = reply->stat;
    if (reply->data_size) {
        answer->data = malloc(reply->data_size);
        if (!answer->data)
            return false;
        memcpy(answer->data, reply->data, reply->data_size);
        answer->data_size = reply->data_size;
    }
    if (reply->child_count && !answer_copy_children(answer, reply))
        return false;
    if (reply->result_count) {
        answer->results = malloc(reply->result_count * sizeof(*answer->results));
        if (!answer->results)
            return false;
        memcpy(answer->results, reply->results, reply->result_count * sizeof(*answer->results));
        answer->result_count = reply->result_count;
    }
    return true;
}

static void flight_reply(void *context, const struct keeper_reply *reply)
{
    struct answer *answer = context;
    struct flight *flight = answer->flight;

    /* Of a write whose reply could not be kept only this is certain: it may have been applied. */
    if (!answer_copy(answer, reply))
        answer->rc = reply->result_count ? KEEPER_UNKNOWN : KEEPER_NO_MEMORY;
    if (--flight->waiting == 0)
        flight->landed(flight);
}

static unsigned request_flags_of(const struct keeper_request *request)
{
    if (request->operations == barrier.operations)
        return BARRIER_FLAGS;
    switch (request->verb) {
    case KEEPER_GET:
    case KEEPER_EXISTS:
    case KEEPER_LIST:
        return REQUEST_RETRY;
    default:
        return REQUEST_ONCE | REQUEST_PROOF;
    }
}

int flight_send(struct flight *flight, lk_client *client, const struct keeper_request *requests,
                size_t count, void (*landed)(struct flight *flight))
{
    flight_drop(flight);
    flight->client = client;
    flight->landed = landed;
    flight->answers = calloc(count + 1, sizeof(*flight->answers));
    if (!flight->answers)
        return LK_E_NOMEM;
    flight->count = flight->waiting = count;
    for (size_t i = 0; i < count; i++) {
        flight->answers[i].flight = flight;
        int status = request_send(client, &flight->group, &requests[i],
                                  request_flags_of(&requests[i]), flight_reply,
                                  &flight->answers[i]);
        if (status != LK_OK) {
            flight_drop(flight);
            return status;
        }
    }
    return LK_OK;
}

int flight_make(struct flight *flight, lk_client *client, const char *path, enum keeper_mode mode,
                void (*landed)(struct flight *flight))
{
    size_t size = strlen(path), count = 0;
    struct keeper_request *creates = calloc(size, sizeof(*creates));
    char *names = calloc(size, size + 1);
    int status = LK_E_NOMEM;

    for (size_t end = 1; creates && names && end <= size; end++) {
        if (path[end] != '/' && path[end] != '\0')
            continue;
        char *name = names + count * (size + 1);
        memcpy(name, path, end);
        creates[count++] = (struct keeper_request){
            .verb = KEEPER_CREATE, .path = name, .mode = mode, .access = client_access(client)
        };
    }
    if (creates && names)
        status = flight_send(flight, client, creates, count, landed);
    free(creates);
    free(names);
    return status;
}

/* The last one decides: who may not write at the top is told so there even if all exists. */
int flight_made(const struct flight *flight)
{
    const struct answer *last = &flight->answers[flight->count - 1];

    if (last->rc == KEEPER_NODE_EXISTS)
        return LK_OK;
    for (size_t i = 0; last->rc == KEEPER_NO_NODE && i < flight->count; i++) {
        const struct answer *above = &flight->answers[i];
        if (above->rc != KEEPER_OK && above->rc != KEEPER_NODE_EXISTS)
            return answer_status(above);
    }
    return answer_status(last);
}

void flight_drop(struct flight *flight)
{
    request_drop(&flight->group);
    for (size_t i = 0; i < flight->count; i++)
        answer_clear(&flight->answers[i]);
    free(flight->answers);
    flight->answers = NULL;
    flight->count = flight->waiting = 0;
}

bool flight_is_in_the_air(const struct flight *flight)
{
    return flight->waiting > 0;
}

bool answer_is_lost(const struct answer *answer)
{
    return answer->rc == KEEPER_UNKNOWN || answer->rc == KEEPER_EXPIRED;
}

int answer_status(const struct answer *answer)
{
    switch (answer->rc) {
    case KEEPER_OK:
        return LK_OK;
    case KEEPER_NO_NODE:
        return LK_E_NOT_FOUND;
    case KEEPER_NODE_EXISTS:
        return LK_E_EXISTS;
    case KEEPER_BAD_VERSION:
        return LK_E_VERSION;
    case KEEPER_NOT_EMPTY:
        return LK_E_NOT_EMPTY;
    case KEEPER_NOT_APPLIED:
        return LK_E_CANCELLED;
    case KEEPER_NO_RIGHTS:
    case KEEPER_AUTH_FAILED:
        return LK_E_NO_RIGHTS;
    case KEEPER_EPHEMERAL_PARENT:
        return LK_E_KIND;
    case KEEPER_UNKNOWN:
    case KEEPER_EXPIRED:
        return LK_E_UNKNOWN;
    case KEEPER_CLOSED:
        return LK_E_CLOSED;
    case KEEPER_TOO_LARGE:
        return LK_E_TOO_LARGE;
    case KEEPER_NO_MEMORY:
        return LK_E_NOMEM;
    default:
        return LK_E_SERVER;
    }
}

size_t answer_culprit(const struct answer *answer)
{
    for (size_t i = 0; i < answer->result_count; i++) {
        if (answer->results[i].rc != KEEPER_OK && answer->results[i].rc != KEEPER_NOT_APPLIED)
            return i;
    }
    return answer->result_count;
}
