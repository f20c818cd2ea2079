/* path.h - names on ZooKeeper: checked before they are sent, since the server drops the connection
 * for some. */
#ifndef PATH_H
#define PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <latchkey/status.h>

#define PATH_MAX_SIZE                                                                              \
    1024 /* bytes, without the NUL; what a line or ledger adds below it comes on top */

bool utf8_is_valid(const char *text, size_t size); /* and has no control characters */

/* LK_OK; LK_E_PATH: not absolute, "/" itself, an empty, "." or ".." part, '/' at the end, not
 * UTF-8, control characters, below /zookeeper; LK_E_TOO_LARGE. */
int path_check(const char *path);

/* "PARENT/name", malloc'ed; NULL without memory. */
char *path_join(const char *parent, const char *name);

const char *path_name(const char *path); /* after the last '/' */

/* The number that ZooKeeper put behind a sequential name: ten digits at the end. False: none. */
bool path_number(const char *name, uint32_t *out);

#endif
