/* memory.h - the memory that the code under test asks for: counted, and refused when a test wants it.
 *
 * The linker sends malloc() and its kin here (meson.build); the simulation's own memory (arenas,
 * boxes) comes from real_malloc() and is neither counted nor refused. A thread that is in no world
 * gets plain memory. */
#ifndef TESTING_MEMORY_H
#define TESTING_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "world.h"

struct memory {
    uint64_t asked;    /* allocations, refused ones too */
    uint64_t refused;  /* of them */
    int64_t live;      /* given and not given back yet */
    uint64_t fails_at; /* the asked-th is refused; 0: none */
    unsigned fails_percent;
    struct chance chance;
};

/* Of this thread, from now on; NULL: none. Returns what was there before. */
struct memory *memory_use(struct memory *memory);
struct memory *memory_used(void);

void *real_malloc(size_t size);
void *real_realloc(void *memory, size_t size);
void real_free(void *memory);

#endif
