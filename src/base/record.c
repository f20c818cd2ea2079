/* record.c - the one shape of everything that is kept on ZooKeeper. See record.h. */
#include "base/record.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const unsigned char magic[2] = { 'L', 'K' };

enum { KIND_AT = 2, VERSION_AT = 3, CHECK_AT = 4 };

/* Over kind and version too: a flipped bit there must not look like another, valid record. */
static uint32_t record_check(const unsigned char *bytes, size_t size)
{
    XXH64_hash_t seed = (XXH64_hash_t)bytes[KIND_AT] << 8 | bytes[VERSION_AT];
    return (uint32_t)XXH3_64bits_withSeed(bytes + RECORD_HEADER_SIZE, size - RECORD_HEADER_SIZE,
                                          seed);
}

static void put_big_endian(unsigned char *at, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        at[i] = (unsigned char)value;
}

static uint64_t get_big_endian(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

/* Room for `size` more bytes; NULL once anything has gone wrong. */
static unsigned char *record_room(struct record_out *out, size_t size)
{
    if (out->status != LK_OK)
        return NULL;
    if (out->capacity - out->size < size) {
        size_t capacity = out->capacity ? out->capacity : 64;
        while (capacity - out->size < size)
            capacity *= 2;
        unsigned char *bytes = realloc(out->bytes, capacity);
        if (!bytes) {
            out->status = LK_E_NOMEM;
            return NULL;
        }
        out->bytes = bytes;
        out->capacity = capacity;
    }
    out->size += size;
    return out->bytes + out->size - size;
}

static void record_put(struct record_out *out, uint64_t value, size_t size)
{
    unsigned char *at = record_room(out, size);
    if (at)
        put_big_endian(at, value, size);
}

void record_begin(struct record_out *out, enum record_kind kind, uint8_t version)
{
    out->size = 0;
    out->status = LK_OK;
    record_put_bytes(out, magic, sizeof magic);
    record_put_u8(out, (uint8_t)kind);
    record_put_u8(out, version);
    record_put_u32(out, 0);
}

void record_put_u8(struct record_out *out, uint8_t value)
{
    record_put(out, value, 1);
}

void record_put_u16(struct record_out *out, uint16_t value)
{
    record_put(out, value, 2);
}

void record_put_u32(struct record_out *out, uint32_t value)
{
    record_put(out, value, 4);
}

void record_put_u64(struct record_out *out, uint64_t value)
{
    record_put(out, value, 8);
}

void record_put_number(struct record_out *out, uint64_t value)
{
    unsigned char bytes[RECORD_NUMBER_SIZE_MAX];
    size_t size = 0;

    for (; value > 0x7f; value >>= 7)
        bytes[size++] = (unsigned char)(value | 0x80);
    bytes[size++] = (unsigned char)value;
    record_put_bytes(out, bytes, size);
}

void record_put_bytes(struct record_out *out, const void *bytes, size_t size)
{
    unsigned char *at = size ? record_room(out, size) : NULL;
    if (at)
        memcpy(at, bytes, size);
}

void record_put_text(struct record_out *out, const char *text, size_t size)
{
    /* Cut short it would be read as another text, or its rest as other fields. */
    if (size > UINT16_MAX && out->status == LK_OK)
        out->status = LK_E_TOO_LARGE;
    record_put_u16(out, (uint16_t)size);
    record_put_bytes(out, text, size);
}

int record_end(struct record_out *out)
{
    if (out->status != LK_OK)
        return out->status;
    put_big_endian(out->bytes + CHECK_AT, record_check(out->bytes, out->size), 4);
    return LK_OK;
}

void record_free(struct record_out *out)
{
    free(out->bytes);
    *out = (struct record_out){ 0 };
}

int record_open(struct record_in *in, const void *data, size_t size, enum record_kind kind,
                uint8_t newest)
{
    const unsigned char *bytes = data;

    if (size < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return LK_E_FOREIGN;
    if (size < RECORD_HEADER_SIZE)
        return LK_E_CORRUPT;
    if (bytes[KIND_AT] != kind)
        return LK_E_KIND;
    /* Before the check: a newer format may check differently. */
    if (bytes[VERSION_AT] > newest)
        return LK_E_NEWER_FORMAT;
    /* Versions begin at 1. */
    if (bytes[VERSION_AT] == 0 || get_big_endian(bytes + CHECK_AT, 4) != record_check(bytes, size))
        return LK_E_CORRUPT;
    *in = (struct record_in){
        .at = bytes + RECORD_HEADER_SIZE,
        .left = size - RECORD_HEADER_SIZE,
        .version = bytes[VERSION_AT],
    };
    return LK_OK;
}

const unsigned char *record_get_bytes(struct record_in *in, size_t size)
{
    if (in->left < size) {
        in->bad = true;
        in->left = 0;
        return NULL;
    }
    in->at += size;
    in->left -= size;
    return in->at - size;
}

static uint64_t record_get(struct record_in *in, size_t size)
{
    const unsigned char *at = record_get_bytes(in, size);
    return at ? get_big_endian(at, size) : 0;
}

uint8_t record_get_u8(struct record_in *in)
{
    return (uint8_t)record_get(in, 1);
}

uint16_t record_get_u16(struct record_in *in)
{
    return (uint16_t)record_get(in, 2);
}

uint32_t record_get_u32(struct record_in *in)
{
    return (uint32_t)record_get(in, 4);
}

uint64_t record_get_u64(struct record_in *in)
{
    return record_get(in, 8);
}

/* One way to write each number: the last byte is not 0 unless it is the only one. */
uint64_t record_get_number(struct record_in *in)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = record_get_u8(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80)
            continue;
        in->bad |= (shift > 0 && byte == 0) || (shift == 63 && byte > 1);
        return in->bad ? 0 : value;
    }
    in->bad = true;
    return 0;
}

const char *record_get_text(struct record_in *in, size_t *out_size)
{
    size_t size = record_get_u16(in);
    const char *text = (const char *)record_get_bytes(in, size);
    *out_size = text ? size : 0;
    return text;
}

int record_close(const struct record_in *in)
{
    return in->bad || in->left > 0 ? LK_E_CORRUPT : LK_OK;
}
