/* A bump allocator over a list of blocks; a large request gets a block of its own. */
#include "core/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, BLOCK_BYTES = 16 * 1024 };

struct spot_arena_block {
    struct spot_arena_block *next;
    size_t size, used; /* bytes of this block, header included */
};

static size_t align_up(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static struct spot_arena_block *add_block(struct spot_arena *arena, size_t payload) {
    size_t header = align_up(sizeof(struct spot_arena_block));
    size_t size = header + (payload > BLOCK_BYTES ? payload : BLOCK_BYTES);
    struct spot_arena_block *block = aligned_alloc(ALIGNMENT, size);
    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    block->size = size;
    block->used = header;
    arena->blocks = block;
    return block;
}

void *spot_arena_alloc(struct spot_arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t need = align_up(bytes > 0 ? bytes : 1);
    struct spot_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < need)
        block = add_block(arena, need);
    if (block == NULL)
        return NULL;
    void *memory = (char *)block + block->used;
    block->used += need;
    return memset(memory, 0, need);
}

char *spot_arena_strdup(struct spot_arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = spot_arena_alloc(arena, size);
    return copy != NULL ? memcpy(copy, text, size) : NULL;
}

void spot_arena_free(struct spot_arena *arena) {
    for (struct spot_arena_block *block = arena->blocks, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}
