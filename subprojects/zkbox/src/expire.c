/* expire.c - ending a session for certain.
 *
 * A second connection takes the session over with its password, and has sent closeSession before
 * the first can notice and come back: both requests travel in one write. */
#include <errno.h>
#include <string.h>

#include "net.h"
#include "wire.h"
#include "zkbox.h"

enum {
    PATIENCE_MS = 10000,
    PASSWD = 16,
    CONNECT_REQUEST = 4 + 4 + 8 + 4 + 8 + 4 + PASSWD + 1,
    ANSWER_MAX = 256, /* both answers together have about 60 bytes */
};

static int receive_frame(int fd, unsigned char frame[ANSWER_MAX], int64_t deadline_ns)
{
    int rc = net_receive_all(fd, frame, 4, deadline_ns);
    if (rc < 0)
        return rc;
    int32_t length = wire_int32(frame);
    if (length < 0 || length > ANSWER_MAX - 4)
        return -EPROTO;
    rc = net_receive_all(fd, frame + 4, (size_t)length, deadline_ns);
    return rc < 0 ? rc : length;
}

int zkbox_expire(const char *host_port, int64_t session_id, const char passwd[16])
{
    struct sockaddr_in server;
    int rc = net_parse(host_port, &server);
    if (rc < 0)
        return rc;
    int64_t deadline_ns = net_deadline_ns(PATIENCE_MS);
    __attribute__((cleanup(net_close))) int fd = net_connect(&server, deadline_ns);
    if (fd < 0)
        return fd;

    unsigned char both[CONNECT_REQUEST + WIRE_REQUEST_HEADER] = { 0 };
    unsigned char *next = wire_put_int32(both, CONNECT_REQUEST - 4);
    next = wire_put_int32(next, 0);     /* protocol version */
    next = wire_put_int64(next, 0);     /* last zxid seen: none, so no server is too far behind */
    next = wire_put_int32(next, 30000); /* timeout, never used */
    next = wire_put_int64(next, session_id);
    next = wire_put_int32(next, PASSWD);
    memcpy(next, passwd, PASSWD);
    next += PASSWD + 1; /* read only: no */
    next = wire_put_int32(next, WIRE_REQUEST_HEADER - 4);
    next = wire_put_int32(next, 1);
    wire_put_int32(next, WIRE_CLOSE);
    rc = net_send(fd, both, sizeof(both), deadline_ns);
    if (rc < 0)
        return rc;

    unsigned char answer[ANSWER_MAX];
    int length = receive_frame(fd, answer, deadline_ns);
    if (length < 0)
        return length;
    if (length < 4 + 4 + 8)
        return -EPROTO;
    if (wire_int64(answer + 4 + 4 + 4) == 0)
        return -ENOENT;
    length = receive_frame(fd, answer, deadline_ns);
    if (length < 0)
        return length;
    return length >= WIRE_REPLY_HEADER - 4 && wire_int32(answer + 16) == 0 ? 0 : -EPROTO;
}
