/* folder.c - see folder.h. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net.h"

enum {
    DEPTH_MAX = 16, /* folders within folders that are removed; the servers make three */
};

static int remove_below(int parent, const char *name, int depth);

static int remove_entry(int folder, const char *name, int depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    return remove_below(folder, name, depth + 1);
}

/* Reads some names, removes them, and begins again: an entry that goes while a folder is read may
 * make the reader skip another one. readdir() and nftw() would allocate, so neither is used. */
static int remove_entries(int folder, int depth)
{
    _Alignas(struct dirent64) char names[2048];
    for (;;) {
        bool found = false;
        ssize_t size = getdents64(folder, names, sizeof(names));
        if (size < 0)
            return -errno;
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(names + at);
            at += entry->d_reclen;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            found = true;
            int rc = remove_entry(folder, entry->d_name, depth);
            if (rc < 0)
                return rc;
        }
        if (!found && size == 0)
            return 0;
        if (found && lseek(folder, 0, SEEK_SET) < 0)
            return -errno;
    }
}

static int remove_below(int parent, const char *name, int depth)
{
    if (depth > DEPTH_MAX)
        return -ELOOP;
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOENT ? 0 : -errno;
    int rc = remove_entries(folder, depth);
    close(folder);
    if (rc < 0)
        return rc;
    return unlinkat(parent, name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

int folder_remove(const char *path)
{
    return remove_below(AT_FDCWD, path, 0);
}

int folder_write(const char *path, const char *text)
{
    __attribute__((cleanup(net_close))) int fd = open(
        path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    for (size_t left = strlen(text); left > 0;) {
        ssize_t written = write(fd, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        text += written;
        left -= (size_t)written;
    }
    return 0;
}

static int copy_file(int from, int to, const char *name)
{
    __attribute__((cleanup(net_close))) int source = openat(from, name, O_RDONLY | O_CLOEXEC);
    if (source < 0)
        return -errno;
    struct stat stat;
    if (fstat(source, &stat))
        return -errno;
    if (!S_ISREG(stat.st_mode))
        return 0;
    __attribute__((cleanup(net_close))) int target = openat(
        to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (target < 0)
        return -errno;
    for (;;) {
        ssize_t copied = sendfile(target, source, NULL, (size_t)1 << 30);
        if (copied == 0)
            return 0;
        if (copied < 0 && errno != EINTR)
            return -errno;
    }
}

static void close_listing(DIR **listing)
{
    if (*listing)
        closedir(*listing);
}

int folder_copy_files(const char *from, const char *to)
{
    __attribute__((cleanup(close_listing))) DIR *listing = opendir(from);
    if (!listing)
        return -errno;
    __attribute__((cleanup(net_close))) int target = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target < 0)
        return -errno;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(listing);
        if (!entry)
            return -errno;
        if (entry->d_type == DT_DIR)
            continue;
        int rc = copy_file(dirfd(listing), target, entry->d_name);
        if (rc < 0)
            return rc;
    }
}
