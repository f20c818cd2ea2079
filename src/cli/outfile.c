/* outfile.c - see outfile.h. While it is written the file has no name at all, so that however this
 * program ends nothing is left behind; where the file system can't do that (NFS), its name begins
 * with a dot and only a killed program leaves it. */
#include "cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_NEW 0666 /* less the umask */

/* ".NAME.PID" in the folder of `path`. */
static char *name_beside(const char *path)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash + 1 - path) : 0;
    char *name;

    return asprintf(&name, "%.*s.%s.%ld", folder, path, path + folder, (long)getpid()) < 0 ? NULL
                                                                                           : name;
}

static int open_nameless(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash + 1 - path)) : strdup(".");
    int fd = folder ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, MODE_NEW) : -1;

    free(folder);
    return fd;
}

/* One more name for what has none. */
static int give_name(int fd, const char *name)
{
    char number[64];

    snprintf(number, sizeof(number), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, number, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

/* A file in place of a plain one, or of none, that no other name leads to yet. */
static int open_replacement(struct outfile *file, const struct stat *old)
{
    file->beside = name_beside(file->path);
    if (!file->beside)
        return -1;
    int fd = open_nameless(file->path);
    if (fd < 0)
        fd = open(file->beside, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, MODE_NEW);
    if (fd >= 0 && old)
        (void)fchmod(fd, old->st_mode & 07777);
    return fd;
}

static int open_descriptor(struct outfile *file, const char *path)
{
    struct stat stat_;
    bool is_there = stat(path, &stat_) == 0;

    if (!is_there && errno != ENOENT)
        return -1;
    file->path = is_there ? realpath(path, NULL) : strdup(path);
    if (!file->path)
        return -1;
    if (is_there && !S_ISREG(stat_.st_mode))
        return open(path, O_WRONLY | O_CLOEXEC);
    /* Who may not write the file may not replace it, though the folder would let him. */
    if (is_there && access(file->path, W_OK) != 0)
        return -1;
    return open_replacement(file, is_there ? &stat_ : NULL);
}

int outfile_open(struct outfile *file, const char *path)
{
    *file = (struct outfile){ 0 };
    int fd = open_descriptor(file, path);
    if (fd >= 0 && (file->stream = fdopen(fd, "w")))
        return 0;
    int failed = errno;
    if (fd >= 0)
        close(fd);
    outfile_close(file);
    return failed;
}

int outfile_finish(struct outfile *file)
{
    int fd = fileno(file->stream);
    struct stat stat_;

    if (fflush(file->stream) != 0)
        return errno;
    if (!file->beside)
        return 0;
    if (fsync(fd) != 0 || fstat(fd, &stat_) != 0
        || (stat_.st_nlink == 0 && give_name(fd, file->beside) != 0)
        || rename(file->beside, file->path) != 0)
        return errno;
    free(file->beside);
    file->beside = NULL;
    return 0;
}

void outfile_close(struct outfile *file)
{
    int failed = errno;

    if (file->stream)
        fclose(file->stream);
    if (file->beside)
        unlink(file->beside);
    free(file->beside);
    free(file->path);
    *file = (struct outfile){ 0 };
    errno = failed;
}
