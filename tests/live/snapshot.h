/* snapshot.h - the data that a server begins with: znodes that have been written, or whose parents
 * have made children, so often already as no test could wait for.
 *
 * A server counts the writes to a znode, which is its version, and the children that it ever had,
 * by which it names the sequential ones. It keeps both in its snapshots alone: no request can set
 * them. So the snapshot is written by hand, and zkbox starts a server from it
 * (zkbox_options.data_from). */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct snapshot_znode {
    const char *path; /* its parent is "/", or comes before it */
    int32_t creates;  /* children that it ever had: the number of the next sequential one */
    int32_t version;
    const void *data;
    size_t size;
};

/* Makes a new folder with version-2/snapshot.100 in it, whose znodes are permanent and open to
 * all; NULL: errno says why. snapshot_remove() removes both, and frees the name. */
char *snapshot_make(const struct snapshot_znode *znodes, size_t count);
char *snapshot_remove(char *folder);

#endif
