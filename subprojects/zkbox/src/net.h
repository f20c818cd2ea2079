/* net.h - TCP on this machine: reserving ports, and blocking calls that end at a deadline.
 *
 * Deadlines are points of net_now_ns(). Sockets are non-blocking and close on exec. All functions
 * return a negative errno on failure. */
#ifndef ZKBOX_NET_H
#define ZKBOX_NET_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int64_t net_now_ns(void); /* CLOCK_MONOTONIC */
int64_t net_deadline_ns(int timeout_ms);

/* "127.0.0.1:2181" or "localhost:2181". */
int net_parse(const char *host_port, struct sockaddr_in *out);

/* Takes a port of 127.0.0.1 (0: a free one) for as long as the returned socket stays open: nobody
 * is handed this port, no outgoing connection uses it, yet a server may bind and listen to it. */
int net_reserve(int port);
int net_port(int fd);

int net_listen(int port);
int net_connect_begin(const struct sockaddr_in *to); /* the socket is writable once connected */
int net_connect(const struct sockaddr_in *to, int64_t deadline_ns);
int net_send(int fd, const void *bytes, size_t size, int64_t deadline_ns);  /* all, or an error */
ssize_t net_receive(int fd, void *bytes, size_t size, int64_t deadline_ns); /* some; 0: the end */
int net_receive_all(int fd, void *bytes, size_t size, int64_t deadline_ns); /* the end: -EPIPE */

/* For __attribute__((cleanup)). */
void net_close(int *fd);

#endif
