/* fuzz.h - what the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). libFuzzer drives it where clang has that
 * (run.sh), driver.c with any compiler. It feeds one decoder with foreign bytes and asks more of it
 * than to survive: what was decoded obeys its type's rules and comes out of another round as it
 * was.
 *
 * The input of a record's target is one byte (odd: the frame is made whole again after each
 * mutation, else nothing would ever get past its check), the size of a program as 16 bits, the
 * program (what is done with the record once it is decoded), and the record up to the end. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the build type: a check that a release leaves out would find nothing. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Input taken bit by bit; zeros when it is used up. */
struct input {
    const uint8_t *at;
    size_t left;
};

static inline uint64_t take(struct input *in, size_t bytes)
{
    uint64_t value = 0;

    for (; bytes > 0; bytes--) {
        value = value << 8 | (in->left ? *in->at : 0);
        if (in->left) {
            in->at++;
            in->left--;
        }
    }
    return value;
}

static inline struct input take_part(struct input *in, size_t size)
{
    struct input part = { in->at, size < in->left ? size : in->left };

    in->at += part.left;
    in->left -= part.left;
    return part;
}

/* All that is left, as a text; freed by the caller. It ends at a NUL in it, as any text would. */
static inline char *take_text(struct input *in)
{
    char *text = malloc(in->left + 1);

    MUST(text);
    if (in->left)
        memcpy(text, in->at, in->left);
    text[in->left] = '\0';
    *in = (struct input){ 0 };
    return text;
}

struct record_input {
    struct input program;
    struct record_out record;
};

static inline void record_input_free(struct record_input *input)
{
    record_free(&input->record);
}

/* Each gives its bytes back at the end of its block. */
#define RECORD_INPUT __attribute__((cleanup(record_input_free))) struct record_input
#define RECORD_OUT __attribute__((cleanup(record_free))) struct record_out

static inline struct record_input take_record(const uint8_t *data, size_t size,
                                              enum record_kind kind)
{
    struct input in = { data, size };
    bool made_whole = take(&in, 1) & 1;
    struct record_input taken = { .program = take_part(&in, (size_t)take(&in, 2)) };

    if (made_whole && in.left >= RECORD_HEADER_SIZE) {
        record_begin(&taken.record, kind, in.at[3]);
        record_put_bytes(&taken.record, in.at + RECORD_HEADER_SIZE, in.left - RECORD_HEADER_SIZE);
        MUST(record_end(&taken.record) == LK_OK);
    } else {
        record_put_bytes(&taken.record, in.at, in.left);
    }
    return taken;
}

/* Whether a record's reader could read it, by its status: there are few for one that it can't. */
static inline bool is_read(int status)
{
    MUST(status == LK_OK || status == LK_E_FOREIGN || status == LK_E_CORRUPT || status == LK_E_KIND
         || status == LK_E_NEWER_FORMAT);
    return status == LK_OK;
}

static inline bool is_same_record(const struct record_out *a, const struct record_out *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

#endif
