/* Placing values in one arena so that those alive together do not overlap. */
#include "core/plan.h"

#include <stdint.h>
#include <stdlib.h>

/* ---- lifetimes ---- */

struct spot_plan_item *spot_plan_values(const struct spot_graph *graph, int n_steps,
                                        struct spot_error *error) {
    struct spot_plan_item *items = calloc((size_t)graph->n_values + 1, sizeof *items);
    if (items == NULL) {
        spot_fail(error, SPOT_NO_MEMORY, "plan: out of memory for %d values", graph->n_values);
        return NULL;
    }
    for (int i = 0; i < graph->n_values; i++) {
        items[i].first = n_steps;
        items[i].last = -1;
    }
    for (int i = 0; i < graph->n_inputs; i++)
        spot_plan_touch(items, graph->inputs[i], 0);
    for (int i = 0; i < graph->n_outputs; i++)
        spot_plan_touch(items, graph->outputs[i], n_steps);
    return items;
}

void spot_plan_touch(struct spot_plan_item *items, const struct spot_value *value, int step) {
    if (value == NULL || value->kind == SPOT_VALUE_CONSTANT)
        return;
    struct spot_plan_item *item = &items[value->index];
    item->first = step < item->first ? step : item->first;
    item->last = step > item->last ? step : item->last;
}

/* ---- places ---- */

static int compare_size(const void *a, const void *b) {
    const struct spot_plan_item *x = *(struct spot_plan_item *const *)a;
    const struct spot_plan_item *y = *(struct spot_plan_item *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y; /* a fixed order, so that plans repeat */
}

static int compare_offset(const void *a, const void *b) {
    const struct spot_plan_item *x = *(struct spot_plan_item *const *)a;
    const struct spot_plan_item *y = *(struct spot_plan_item *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool alive_together(const struct spot_plan_item *a, const struct spot_plan_item *b) {
    return a->first <= b->last && b->first <= a->last;
}

static size_t align_up(size_t bytes, size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

/* The lowest offset for item beside the placed items that live while it does. */
static size_t lowest_gap(const struct spot_plan_item *item, struct spot_plan_item **beside,
                         int count, size_t alignment) {
    size_t offset = 0;
    qsort(beside, (size_t)count, sizeof(struct spot_plan_item *), compare_offset);
    for (int i = 0; i < count; i++) {
        if (beside[i]->offset >= offset + item->bytes)
            break;
        size_t end = align_up(beside[i]->offset + beside[i]->bytes, alignment);
        if (end > offset)
            offset = end;
    }
    return offset;
}

enum spot_status spot_plan_arena(struct spot_plan_item *items, int count, size_t alignment,
                                 size_t *arena_bytes, struct spot_error *error) {
    *arena_bytes = 0;
    if (count <= 0)
        return SPOT_OK;
    struct spot_plan_item **order = calloc(2 * (size_t)count, sizeof(struct spot_plan_item *));
    if (order == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "plan: out of memory for %d values", count);
    struct spot_plan_item **beside = order + count;
    enum spot_status status = SPOT_OK;
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        order[i] = &items[i];
        items[i].offset = 0;
        if (items[i].bytes > SIZE_MAX / 4 - alignment - sum) {
            status = spot_fail(error, SPOT_LIMIT, "plan: activations are too large");
            goto out;
        }
        sum += align_up(items[i].bytes, alignment);
    }
    qsort(order, (size_t)count, sizeof(struct spot_plan_item *), compare_size);
    for (int i = 0; i < count && order[i]->bytes > 0; i++) {
        int n = 0;
        for (int k = 0; k < i; k++)
            if (alive_together(order[i], order[k]))
                beside[n++] = order[k];
        order[i]->offset = lowest_gap(order[i], beside, n, alignment);
        if (order[i]->offset + order[i]->bytes > *arena_bytes)
            *arena_bytes = order[i]->offset + order[i]->bytes;
    }
    *arena_bytes = align_up(*arena_bytes, alignment);
out:
    free(order);
    return status;
}
