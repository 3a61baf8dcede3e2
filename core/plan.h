/*
 * One memory arena for all activations of a program, from their lifetimes.
 *
 * Values that are alive at the same time never overlap; others share memory. Sizes are the
 * backend's (its layout and precision). Greedy by size, largest first, each at the lowest offset
 * that is free: Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference",
 * 2020, section 5.2.
 */
#ifndef SPOT_CORE_PLAN_H
#define SPOT_CORE_PLAN_H

#include "core/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spot_plan_item {
    size_t bytes;    /* in */
    int first, last; /* in: steps from the one that writes it to the last that reads it */
    size_t offset;   /* out: from the start of the arena, a multiple of the alignment */
};

/*
 * Fills offset of every item and the size of the arena. An item of 0 bytes gets offset 0. Fails
 * with SPOT_NO_MEMORY, or SPOT_LIMIT when the sizes overflow.
 */
enum spot_status spot_plan_arena(struct spot_plan_item *items, int count, size_t alignment,
                                 size_t *arena_bytes, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif
