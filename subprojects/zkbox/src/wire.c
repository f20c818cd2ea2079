/* wire.c - see wire.h. */
#include "wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

int32_t wire_int32(const unsigned char *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return (int32_t)be32toh(value);
}

int64_t wire_int64(const unsigned char *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return (int64_t)be64toh(value);
}

unsigned char *wire_put_int32(unsigned char *to, int32_t value)
{
    uint32_t big = htobe32((uint32_t)value);
    memcpy(to, &big, sizeof(big));
    return to + sizeof(big);
}

unsigned char *wire_put_int64(unsigned char *to, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    memcpy(to, &big, sizeof(big));
    return to + sizeof(big);
}

ssize_t wire_frame_size(const unsigned char *bytes, size_t size)
{
    if (size < 4)
        return 0;
    int32_t length = wire_int32(bytes);
    if (length < 0 || length > WIRE_FRAME_MAX)
        return -EPROTO;
    size_t whole = 4 + (size_t)length;
    return size < whole ? 0 : (ssize_t)whole;
}
