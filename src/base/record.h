/* record.h - how everything that latchkey keeps on ZooKeeper is written: see docs/format.md.
 *
 *   'L' 'K' | kind u8 | version u8 | check u32 | body...        all numbers big-endian
 *
 * `check` is the low half of XXH3-64 over kind, version and body, so that a damaged record is named
 * as such instead of being believed. A newer version is refused by name, never guessed at. */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <latchkey/status.h>

enum record_kind {
    RECORD_LINE = 1,  /* a line's parent */
    RECORD_PLACE = 2, /* a znode in a line */
    RECORD_CAMPAIGN = 3,
    RECORD_SHARD = 4,
    RECORD_ACCOUNT = 5,
    RECORD_GATE = 6,
};

#define RECORD_HEADER_SIZE 8
#define RECORD_NUMBER_SIZE_MAX 10

/* Writes. Grows by itself; what goes wrong is remembered and told by record_end(). Zero-initialise;
 * record_free() takes the memory back. */
struct record_out {
    unsigned char *bytes;
    size_t size, capacity;
    int status;
};
void record_begin(struct record_out *out, enum record_kind kind, uint8_t version);
void record_put_u8(struct record_out *out, uint8_t value);
void record_put_u16(struct record_out *out, uint16_t value);
void record_put_u32(struct record_out *out, uint32_t value);
void record_put_u64(struct record_out *out, uint64_t value);
/* In as few bytes as it takes, at most RECORD_NUMBER_SIZE_MAX: seven bits in each, the lowest first,
 * and the top bit where more follow. */
void record_put_number(struct record_out *out, uint64_t value);
/* Without their size. */
void record_put_bytes(struct record_out *out, const void *bytes, size_t size);
void record_put_text(struct record_out *out, const char *text, size_t size); /* u16 size, bytes */
/* LK_OK, LK_E_NOMEM, LK_E_TOO_LARGE (a text above 65,535 bytes): then it must not be written. */
int record_end(struct record_out *out);
void record_free(struct record_out *out);

/* Reads. A read past the end gives zeros and is told by record_close(). */
struct record_in {
    const unsigned char *at;
    size_t left;
    uint8_t version;
    bool bad;
};
/* LK_E_FOREIGN: not a record of ours (empty too). LK_E_KIND: of another kind. LK_E_NEWER_FORMAT:
 * version above `newest`. LK_E_CORRUPT: the check does not match, or the version is 0. */
int record_open(struct record_in *in, const void *data, size_t size, enum record_kind kind,
                uint8_t newest);
uint8_t record_get_u8(struct record_in *in);
uint16_t record_get_u16(struct record_in *in);
uint32_t record_get_u32(struct record_in *in);
uint64_t record_get_u64(struct record_in *in);
uint64_t record_get_number(struct record_in *in); /* written longer than needed: bad */
/* NULL past the end; into the record. */
const unsigned char *record_get_bytes(struct record_in *in, size_t size);
/* Not NUL-terminated; NULL past the end. */
const char *record_get_text(struct record_in *in, size_t *out_size);
/* LK_OK; LK_E_CORRUPT: too short, or something is left. */
int record_close(const struct record_in *in);

#endif
