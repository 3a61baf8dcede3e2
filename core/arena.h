/*
 * A bump allocator: many small allocations, one release. Used for what is built once and lives
 * together, such as the nodes and names of a graph. Not for several threads at once.
 */
#ifndef SPOT_CORE_ARENA_H
#define SPOT_CORE_ARENA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spot_arena_block;

struct spot_arena {
    struct spot_arena_block *blocks; /* newest first */
};

/* An arena of zeros is empty and ready: struct spot_arena arena = {0}; */

/* Zeroed memory aligned to 64 bytes, owned by the arena; NULL when memory is short. */
void *spot_arena_alloc(struct spot_arena *arena, size_t bytes);

/* A copy of text, owned by the arena; NULL when memory is short. */
char *spot_arena_strdup(struct spot_arena *arena, const char *text);

/* Releases everything; the arena is empty and ready again. */
void spot_arena_free(struct spot_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
