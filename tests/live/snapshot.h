/* snapshot.h - the data that a server begins with: znodes whose parents have made so many children
 * already as no test could wait for.
 *
 * A server counts the children that a znode ever had, names the sequential ones by that count, and
 * keeps it in its snapshots alone: no request can set it. So the snapshot is written by hand, and
 * zkbox starts a server from it (zkbox_options.data_from). */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

struct snapshot_znode {
    const char *path; /* its parent is "/", or comes before it */
    int32_t creates;  /* children that it ever had: the number of the next sequential one */
};

/* Makes a new folder with version-2/snapshot.100 in it, whose znodes are permanent, empty and open
 * to all; NULL: errno says why. snapshot_remove() removes both, and frees the name. */
char *snapshot_make(const struct snapshot_znode *znodes, size_t count);
char *snapshot_remove(char *folder);

#endif
