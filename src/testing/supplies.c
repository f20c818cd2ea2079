/* supplies.c - a world's memory and chance. Memory is taken from blocks and given back with the
 * world, so that nothing in it has a lifetime to get wrong; what crosses to the code under test is
 * spoilt by hand (keeper.c). */
#include "memory.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (64 * 1024)

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (!arena->blocks || arena->used + size > BLOCK_SIZE) {
        struct arena_block *block = real_malloc(sizeof(*block)
                                                + (size > BLOCK_SIZE ? size : BLOCK_SIZE));
        if (!block)
            abort();
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
    }
    void *memory = (char *)arena->blocks->bytes + arena->used;
    arena->used += size;
    return memset(memory, 0, size);
}

void *arena_copy(struct arena *arena, const void *bytes, size_t size)
{
    return size ? memcpy(arena_take(arena, size), bytes, size) : NULL;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_copy(arena, text, strlen(text) + 1);
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        real_free(block);
    }
    arena->used = 0;
}

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
uint64_t chance_next(struct chance *chance)
{
    uint64_t z = chance->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t chance_between(struct chance *chance, int64_t low, int64_t high)
{
    return low + (int64_t)(chance_next(chance) % (uint64_t)(high - low + 1));
}

bool chance_percent(struct chance *chance, unsigned percent)
{
    return chance_next(chance) % 100 < percent;
}
