/* path.c - checking and building names. Strict on purpose: what two programs may write in two ways
 * would be two locks.
 *
 * UTF-8 after RFC 3629: no overlong forms, no surrogates. ZooKeeper also refuses control characters
 * and the ranges U+D800..F8FF and U+FFF0..FFFF (PathUtils.validatePath). */
#include "base/path.h"

#include <stdlib.h>
#include <string.h>

/* Decodes one character; its size, or 0 when it is not UTF-8. */
static size_t utf8_decode(const unsigned char *at, size_t left, uint32_t *out)
{
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = at[0] < 0x80       ? 1
                  : at[0] >> 5 == 6  ? 2
                  : at[0] >> 4 == 14 ? 3
                  : at[0] >> 3 == 30 ? 4
                                     : 0;

    if (size == 0 || size > left)
        return 0;
    uint32_t code = size == 1 ? at[0] : at[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *out = code;
    return size;
}

bool utf8_is_valid(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;

    while (at < end) {
        uint32_t code;
        size_t used = utf8_decode(at, (size_t)(end - at), &code);
        if (used == 0 || code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return false;
        if ((code >= 0xd800 && code <= 0xf8ff) || (code >= 0xfff0 && code <= 0xffff))
            return false;
        at += used;
    }
    return true;
}

static bool part_is_valid(const char *part, size_t size)
{
    if (size == 0)
        return false;
    return !(part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.')));
}

int path_check(const char *path)
{
    if (!path || path[0] != '/')
        return LK_E_PATH;
    size_t size = strnlen(path, PATH_MAX_SIZE + 1);
    if (size > PATH_MAX_SIZE)
        return LK_E_TOO_LARGE;
    if (!utf8_is_valid(path, size))
        return LK_E_PATH;
    /* The server checks UTF-16: it takes a character above U+FFFF, whose first byte is above 0xef,
     * for surrogates. */
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)path[i] > 0xef)
            return LK_E_PATH;
    for (const char *part = path + 1;; part = strchr(part, '/') + 1) {
        size_t part_size = strcspn(part, "/");
        if (!part_is_valid(part, part_size))
            return LK_E_PATH;
        if (part[part_size] == '\0')
            break;
    }
    /* The server's own tree. */
    if (strcmp(path, "/zookeeper") == 0 || strncmp(path, "/zookeeper/", 11) == 0)
        return LK_E_PATH;
    return LK_OK;
}

char *path_join(const char *parent, const char *name)
{
    size_t parent_size = strlen(parent), name_size = strlen(name);
    char *path = malloc(parent_size + 1 + name_size + 1);

    if (!path)
        return NULL;
    memcpy(path, parent, parent_size);
    path[parent_size] = '/';
    memcpy(path + parent_size + 1, name, name_size + 1);
    return path;
}

const char *path_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

bool path_number(const char *name, uint32_t *out)
{
    size_t size = strlen(name);
    uint64_t number = 0;

    if (size < 10)
        return false;
    for (const char *digit = name + size - 10; *digit; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        number = number * 10 + (uint64_t)(*digit - '0');
    }
    if (number > INT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}
