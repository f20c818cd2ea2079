/* snapshot.c - see snapshot.h. The layout is the one that servers of ZooKeeper 3.5 to 3.9 read; all
 * numbers are big-endian, a text or buffer is its size in 32 bits and then its bytes:
 *
 *   header     "ZKSN", version (32 bits), database id (64)
 *   sessions   how many (32); none here
 *   ACL lists  how many (32); none here, since -1 in a znode stands for "open to all"
 *   znodes     path, data, ACL list (64), then the part of the Stat that lasts:
 *              czxid, mzxid, ctime, mtime (64 each), version, children ever made, ACL version
 *              (32 each), ephemeral owner, pzxid (64 each).
 *              The root's path is the empty text; a parent comes before its children
 *   the end    the path "/"
 *   seal       Adler-32 of all before it (64), and "/" once more, by which a server knows a snapshot
 *              that was written to its end */
#include "snapshot.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "version-2/snapshot.100" /* the zxid that it is of, in hexadecimal */
#define ZXID 0x100
#define OPEN_TO_ALL (-1)
#define MADE_MS INT64_C(1600000000000)

struct writer {
    FILE *file;
    uint32_t low, high; /* of Adler-32, RFC 1950 */
};

static void put_bytes(struct writer *writer, const void *bytes, size_t size)
{
    enum { MODULUS = 65521 };

    for (size_t i = 0; i < size; i++) {
        writer->low = (writer->low + ((const unsigned char *)bytes)[i]) % MODULUS;
        writer->high = (writer->high + writer->low) % MODULUS;
    }
    fwrite(bytes, 1, size, writer->file); /* fclose() tells whether all got there */
}

static void put_number(struct writer *writer, uint64_t number, int size)
{
    unsigned char bytes[8];

    for (int i = 0; i < size; i++)
        bytes[i] = (unsigned char)(number >> (8 * (size - 1 - i)));
    put_bytes(writer, bytes, (size_t)size);
}

static void put_32(struct writer *writer, int32_t number)
{
    put_number(writer, (uint32_t)number, 4);
}

static void put_64(struct writer *writer, int64_t number)
{
    put_number(writer, (uint64_t)number, 8);
}

static void put_buffer(struct writer *writer, const void *bytes, size_t size)
{
    put_32(writer, (int32_t)size);
    if (size)
        put_bytes(writer, bytes, size);
}

static void put_text(struct writer *writer, const char *text)
{
    put_buffer(writer, text, strlen(text));
}

static void put_znode(struct writer *writer, const struct snapshot_znode *znode)
{
    put_text(writer, znode->path);
    put_buffer(writer, znode->data, znode->size);
    put_64(writer, OPEN_TO_ALL);
    put_64(writer, ZXID);
    put_64(writer, ZXID);
    put_64(writer, MADE_MS);
    put_64(writer, MADE_MS);
    put_32(writer, znode->version);
    put_32(writer, znode->creates);
    put_32(writer, 0);
    put_64(writer, 0);
    put_64(writer, ZXID);
}

static void put_all(struct writer *writer, const struct snapshot_znode *znodes, size_t count)
{
    static const char *const servers_own[] = { "", "/zookeeper", "/zookeeper/config",
                                               "/zookeeper/quota" };

    put_bytes(writer, "ZKSN", 4);
    put_32(writer, 2);
    put_64(writer, -1);
    put_32(writer, 0);
    put_32(writer, 0);
    for (size_t i = 0; i < sizeof servers_own / sizeof *servers_own; i++)
        put_znode(writer, &(struct snapshot_znode){ .path = servers_own[i] });
    for (size_t i = 0; i < count; i++)
        put_znode(writer, &znodes[i]);
    put_text(writer, "/");
    put_64(writer, (int64_t)writer->high << 16 | writer->low);
    put_text(writer, "/");
}

static bool write_to(const char *folder, const struct snapshot_znode *znodes, size_t count)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/version-2", folder);
    if (mkdir(path, 0700) != 0)
        return false;
    snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
    struct writer writer = { .file = fopen(path, "we"), .low = 1 };
    if (!writer.file)
        return false;
    put_all(&writer, znodes, count);
    bool failed = ferror(writer.file);
    return fclose(writer.file) == 0 && !failed;
}

char *snapshot_make(const struct snapshot_znode *znodes, size_t count)
{
    const char *parent = getenv("TMPDIR");
    char *folder;

    if (asprintf(&folder, "%s/snapshot-XXXXXX", parent && *parent ? parent : "/tmp") < 0)
        return NULL;
    if (!mkdtemp(folder)) {
        free(folder);
        return NULL;
    }
    return write_to(folder, znodes, count) ? folder : snapshot_remove(folder);
}

char *snapshot_remove(char *folder)
{
    int cause = errno;
    char path[4096];

    snprintf(path, sizeof path, "%s/" FILE_NAME, folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/version-2", folder);
    rmdir(path);
    rmdir(folder);
    free(folder);
    errno = cause;
    return NULL;
}
