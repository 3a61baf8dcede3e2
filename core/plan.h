/*
 * One memory arena for all activations of a program, from their lifetimes.
 *
 * Values that are alive at the same time never overlap; others share memory. A backend lists what
 * its steps touch, gives a size to each value that is to lie in the arena (sizes follow from its
 * layouts and its precision), and is told where they lie:
 *
 *     struct spot_plan_item *items = spot_plan_values(graph, n_steps, error);
 *     for (int s = 0; s < n_steps; s++)
 *         spot_plan_touch(items, …, s); for all that it reads and writes
 *     items[v].bytes = …;
 *     status = spot_plan_arena(items, graph->n_values, alignment, &bytes, error);
 *     … items[v].offset …
 *     free(items);
 *
 * Greedy by size, largest first, each at the lowest offset that is free: Pisarchyk and Lee,
 * "Efficient Memory Management for Deep Neural Net Inference", 2020, section 5.2.
 */
#ifndef SPOT_CORE_PLAN_H
#define SPOT_CORE_PLAN_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_plan_item {
    size_t bytes;    /* in */
    int first, last; /* in: steps from the one that writes it to the last that reads it */
    size_t offset;   /* out: from the start of the arena, a multiple of the alignment */
};

/*
 * An item for each value of a graph, of 0 bytes, whose program has n_steps steps numbered from 0:
 * inputs live from the first step, outputs to behind the last, others not yet. The caller frees
 * them with free. NULL when memory is short.
 */
struct spot_plan_item *spot_plan_values(const struct spot_graph *graph, int n_steps,
                                        struct spot_error *error);

/* A step reads or writes this value. Constants, which lie elsewhere, and NULL are passed over. */
void spot_plan_touch(struct spot_plan_item *items, const struct spot_value *value, int step);

/* Whether anything touches it. */
static inline bool spot_plan_lives(const struct spot_plan_item *item) {
    return item->first <= item->last;
}

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
