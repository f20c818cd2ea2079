/* ask.h - ZooKeeper's four-letter words, over a plain socket: what a session can't tell. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <stddef.h>

/* Sends `word` to "host:port" and takes the answer, cut to fit, NUL-terminated. 0, or an errno;
 * ENOENT: there is no such host. Waits for at most `patience_ms` for each step. */
int ask_server(const char *host_port, const char *word, int patience_ms, char *answer, size_t size);

#endif
