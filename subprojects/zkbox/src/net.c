/* net.c - see net.h.
 *
 * Why a reserved port is safe: a bound socket that has SO_REUSEADDR and does not listen keeps the
 * kernel from giving its port to anybody who asks for "any" port, and from using it as the source
 * of an outgoing connection. The latter matters: a client that keeps trying a killed server's port
 * would at some time be given that very port as its source, and connect to itself. Yet a server
 * that sets SO_REUSEADDR, as Java does, may bind and listen there, as often as it is restarted. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t net_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t net_deadline_ns(int timeout_ms)
{
    return net_now_ns() + (int64_t)timeout_ms * 1000000;
}

void net_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

int net_parse(const char *host_port, struct sockaddr_in *out)
{
    const char *colon = host_port ? strrchr(host_port, ':') : NULL;
    char host[INET_ADDRSTRLEN];
    if (!colon || (size_t)(colon - host_port) >= sizeof(host))
        return -EINVAL;
    memcpy(host, host_port, (size_t)(colon - host_port));
    host[colon - host_port] = '\0';

    char *end;
    errno = 0;
    long port = strtol(colon + 1, &end, 10);
    if (errno || end == colon + 1 || *end || port < 1 || port > 65535)
        return -EINVAL;

    struct sockaddr_in address = loopback((int)port);
    if (strcmp(host, "localhost") != 0 && inet_pton(AF_INET, host, &address.sin_addr) != 1)
        return -EINVAL;
    *out = address;
    return 0;
}

static int stream_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

static int allow_reuse(int fd)
{
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) ? -errno : 0;
}

static int bind_loopback(int fd, int port)
{
    struct sockaddr_in address = loopback(port);
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
}

int net_reserve(int port)
{
    __attribute__((cleanup(net_close))) int fd = stream_socket();
    if (fd < 0)
        return fd;

    /* A named port may have old connections in TIME_WAIT, so reuse comes before the bind. For any
     * port it comes after, so that the kernel finds one that nobody has at all. */
    int rc = port ? allow_reuse(fd) : 0;
    if (rc == 0)
        rc = bind_loopback(fd, port);
    if (rc == 0)
        rc = allow_reuse(fd);
    if (rc == 0 && port) {
        /* Only listening tells whether somebody else listens there already. */
        __attribute__((cleanup(net_close))) int probe = net_listen(port);
        rc = probe < 0 ? probe : 0;
    }
    if (rc < 0)
        return rc;

    int reserved = fd;
    fd = -1;
    return reserved;
}

int net_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size))
        return -errno;
    return ntohs(address.sin_port);
}

int net_listen(int port)
{
    __attribute__((cleanup(net_close))) int fd = stream_socket();
    if (fd < 0)
        return fd;
    int rc = allow_reuse(fd);
    if (rc == 0)
        rc = bind_loopback(fd, port);
    if (rc == 0 && listen(fd, SOMAXCONN))
        rc = -errno;
    if (rc < 0)
        return rc;

    int listening = fd;
    fd = -1;
    return listening;
}

int net_connect_begin(const struct sockaddr_in *to)
{
    __attribute__((cleanup(net_close))) int fd = stream_socket();
    if (fd < 0)
        return fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS)
        return -errno;

    int connecting = fd;
    fd = -1;
    return connecting;
}

static int wait_for(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - net_now_ns();
        if (left_ns <= 0)
            return -ETIMEDOUT;
        struct pollfd slot = { .fd = fd, .events = events };
        struct timespec left = { left_ns / 1000000000, left_ns % 1000000000 };
        int ready = ppoll(&slot, 1, &left, NULL);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

int net_connect(const struct sockaddr_in *to, int64_t deadline_ns)
{
    __attribute__((cleanup(net_close))) int fd = net_connect_begin(to);
    if (fd < 0)
        return fd;
    int rc = wait_for(fd, POLLOUT, deadline_ns);
    if (rc < 0)
        return rc;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
        return -errno;
    if (error)
        return -error;

    int connected = fd;
    fd = -1;
    return connected;
}

int net_send(int fd, const void *bytes, size_t size, int64_t deadline_ns)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t sent = send(fd, next, size, MSG_NOSIGNAL);
        if (sent >= 0) {
            next += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        int rc = wait_for(fd, POLLOUT, deadline_ns);
        if (rc < 0)
            return rc;
    }
    return 0;
}

ssize_t net_receive(int fd, void *bytes, size_t size, int64_t deadline_ns)
{
    for (;;) {
        ssize_t got = recv(fd, bytes, size, 0);
        if (got >= 0)
            return got;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return -errno;
        int rc = wait_for(fd, POLLIN, deadline_ns);
        if (rc < 0)
            return rc;
    }
}

int net_receive_all(int fd, void *bytes, size_t size, int64_t deadline_ns)
{
    char *next = bytes;
    while (size > 0) {
        ssize_t got = net_receive(fd, next, size, deadline_ns);
        if (got <= 0)
            return got < 0 ? (int)got : -EPIPE;
        next += got;
        size -= (size_t)got;
    }
    return 0;
}
