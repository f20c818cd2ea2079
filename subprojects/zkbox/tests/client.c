/* client.c - see client.h. */
#include "client.h"

#include <errno.h>
#include <string.h>

#include "net.h"
#include "wire.h"

enum { PATIENCE_MS = 20000, FRAME_MAX = 4096, SESSION_MS = 30000 };

struct frame {
    unsigned char bytes[FRAME_MAX];
    unsigned char *end;
};

static void put_int(struct frame *frame, int32_t value)
{
    frame->end = wire_put_int32(frame->end, value);
}

static void put_text(struct frame *frame, const char *text)
{
    put_int(frame, (int32_t)strlen(text));
    memcpy(frame->end, text, strlen(text));
    frame->end += strlen(text);
}

static void begin(struct frame *frame)
{
    frame->end = frame->bytes + 4;
}

static void begin_request(struct client *client, struct frame *frame, int32_t opcode)
{
    begin(frame);
    put_int(frame, ++client->xid);
    put_int(frame, opcode);
}

static int transmit(struct client *client, struct frame *frame)
{
    wire_put_int32(frame->bytes, (int32_t)(frame->end - frame->bytes - 4));
    int rc = net_send(client->fd, frame->bytes, (size_t)(frame->end - frame->bytes),
                      net_deadline_ns(PATIENCE_MS));
    return rc < 0 ? NETWORK_ERROR(-rc) : 0;
}

static int receive(struct client *client, struct frame *frame, int timeout_ms)
{
    int64_t deadline_ns = net_deadline_ns(timeout_ms);
    int rc = net_receive_all(client->fd, frame->bytes, 4, deadline_ns);
    if (rc < 0)
        return NETWORK_ERROR(-rc);
    int32_t length = wire_int32(frame->bytes);
    if (length < 0 || length > FRAME_MAX - 4)
        return NETWORK_ERROR(EPROTO);
    rc = net_receive_all(client->fd, frame->bytes + 4, (size_t)length, deadline_ns);
    frame->end = frame->bytes + 4 + length;
    return rc < 0 ? NETWORK_ERROR(-rc) : 0;
}

int client_connect(struct client *client, const char *host_port)
{
    *client = (struct client){ .fd = -1 };
    struct sockaddr_in server;
    int fd = net_parse(host_port, &server);
    if (fd == 0)
        fd = net_connect(&server, net_deadline_ns(PATIENCE_MS));
    if (fd < 0)
        return NETWORK_ERROR(-fd);
    client->fd = fd;

    struct frame frame;
    begin(&frame);
    put_int(&frame, 0);
    frame.end = wire_put_int64(frame.end, 0);
    put_int(&frame, SESSION_MS);
    frame.end = wire_put_int64(frame.end, 0);
    put_int(&frame, (int32_t)sizeof(client->passwd));
    memset(frame.end, 0, sizeof(client->passwd) + 1);
    frame.end += sizeof(client->passwd) + 1;
    int rc = transmit(client, &frame);
    if (rc == 0)
        rc = receive(client, &frame, PATIENCE_MS);
    if (rc < 0) {
        client_disconnect(client);
        return rc;
    }
    client->session = wire_int64(frame.bytes + 12);
    memcpy(client->passwd, frame.bytes + 24, sizeof(client->passwd));
    return 0;
}

void client_disconnect(struct client *client)
{
    net_close(&client->fd);
}

int client_send_create(struct client *client, const char *path)
{
    struct frame frame;
    begin_request(client, &frame, OP_CREATE);
    put_text(&frame, path);
    put_text(&frame, "");
    put_int(&frame, 1); /* one ACL: everything, for everybody */
    put_int(&frame, 31);
    put_text(&frame, "world");
    put_text(&frame, "anyone");
    put_int(&frame, 0);
    return transmit(client, &frame);
}

int client_send_exists(struct client *client, const char *path, bool watch)
{
    struct frame frame;
    begin_request(client, &frame, OP_EXISTS);
    put_text(&frame, path);
    *frame.end++ = watch;
    return transmit(client, &frame);
}

int client_receive(struct client *client, struct reply *out, int timeout_ms)
{
    struct frame frame;
    int rc = receive(client, &frame, timeout_ms);
    if (rc == 0)
        *out = (struct reply){ wire_int32(frame.bytes + 4), wire_int32(frame.bytes + 16) };
    return rc;
}

static int answer(struct client *client, int sent)
{
    struct reply reply;
    int rc = sent < 0 ? sent : client_receive(client, &reply, PATIENCE_MS);
    return rc < 0 ? rc : reply.error;
}

int client_create(struct client *client, const char *path)
{
    return answer(client, client_send_create(client, path));
}

int client_exists(struct client *client, const char *path, bool watch)
{
    return answer(client, client_send_exists(client, path, watch));
}
