/* ask.c - see ask.h. */
#include "cli/ask.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_socket(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int wait_for(int fd, short events, int patience_ms)
{
    struct pollfd polled = { .fd = fd, .events = events };
    int ready = poll(&polled, 1, patience_ms);

    return ready < 0 ? errno : ready == 0 ? ETIMEDOUT : 0;
}

static int connect_to(const struct addrinfo *address, int patience_ms, int *out)
{
    __attribute__((cleanup(close_socket))) int fd = socket(
        address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = 0;
    socklen_t size = sizeof(failed);

    if (fd < 0)
        return errno;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)
        return errno;
    int late = wait_for(fd, POLLOUT, patience_ms);
    if (late)
        return late;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed)
        return failed ? failed : errno;
    *out = fd;
    fd = -1;
    return 0;
}

/* "host:port" or "[v6]:port". */
static int split(const char *host_port, char *host, size_t host_size, const char **out_port)
{
    const char *colon = strrchr(host_port, ':');
    size_t size = colon ? (size_t)(colon - host_port) : 0;

    if (size > 2 && host_port[0] == '[' && host_port[size - 1] == ']') {
        host_port++;
        size -= 2;
    }
    if (size == 0 || size >= host_size)
        return ENOENT;
    snprintf(host, host_size, "%.*s", (int)size, host_port);
    *out_port = colon + 1;
    return 0;
}

static int open_connection(const char *host_port, int patience_ms, int *out)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *addresses;
    const char *port;
    char host[256];

    int failed = split(host_port, host, sizeof(host), &port);
    if (failed)
        return failed;
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return ENOENT;
    failed = ENOENT;
    for (const struct addrinfo *at = addresses; at && failed; at = at->ai_next)
        failed = connect_to(at, patience_ms, out);
    freeaddrinfo(addresses);
    return failed;
}

int ask_server(const char *host_port, const char *word, int patience_ms, char *answer, size_t size)
{
    __attribute__((cleanup(close_socket))) int fd = -1;
    size_t taken = 0;

    int failed = open_connection(host_port, patience_ms, &fd);
    if (failed)
        return failed;
    if (send(fd, word, strlen(word), MSG_NOSIGNAL) != (ssize_t)strlen(word))
        return errno;
    while (taken < size - 1) {
        failed = wait_for(fd, POLLIN, patience_ms);
        if (failed)
            return failed;
        ssize_t got = recv(fd, answer + taken, size - 1 - taken, 0);
        if (got < 0)
            return errno;
        if (got == 0)
            break;
        taken += (size_t)got;
    }
    answer[taken] = '\0';
    return 0;
}
