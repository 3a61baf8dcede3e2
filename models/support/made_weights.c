/* Weights that nobody trained; see models/support/made_weights.h. */
#include "models/support/made_weights.h"

#include "core/ops/activation.h"
#include "core/ops/batch_norm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* splitmix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
}

static float uniform(uint64_t *state, float low, float high) {
    return low + (high - low) * ((float)(next_random(state) >> 40) * 0x1p-24F);
}

/* FNV-1a of the name, so that a tensor's numbers do not depend on its place in the graph. */
static uint64_t seed_of(const char *name, uint64_t seed) {
    uint64_t hash = 0xCBF29CE484222325U ^ seed;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001B3U;
    return hash;
}

/* 1 / E[f(z)^2] for a standard normal z: the factor that an activation takes off a variance. */
static float gain(struct spot_activation activation) {
    float sum = 0, weights = 0;
    for (int i = -64; i <= 64; i++) {
        float z = (float)i / 16, weight = expf(-z * z / 2), value = spot_activate(activation, z);
        sum += weight * value * value;
        weights += weight;
    }
    return weights / sum;
}

/* The activation that a node's output passes: its own, or that of what reads it. */
static struct spot_activation following(const struct spot_graph *graph,
                                        const struct spot_node *node) {
    struct spot_activation none = {SPOT_ACT_NONE, 0};
    if (node->op == &spot_op_activation)
        return *(const struct spot_activation *)node->attrs;
    if (node->op->fused_activation != NULL) {
        struct spot_activation own = *node->op->fused_activation(node->attrs);
        if (own.kind != SPOT_ACT_NONE)
            return own;
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *reader = graph->nodes[i];
        if (reader->n_in > 0 && reader->in[0] == node->out[0] &&
            (reader->op == &spot_op_batch_norm || reader->op == &spot_op_activation))
            return following(graph, reader);
    }
    return none;
}

/* The range that input k of a node is drawn from. */
static void range(const struct spot_graph *graph, const struct spot_node *node, int k, float *low,
                  float *high) {
    const struct spot_shape *shape = &node->in[k]->type.shape;
    if (shape->rank >= 2) { /* a matrix or filter: dimension 0 is what it produces */
        float fan_in = (float)spot_shape_elements(shape) / (float)shape->dim[0];
        *high = sqrtf(3 * gain(following(graph, node)) / fan_in);
        *low = -*high;
    } else if (node->op == &spot_op_batch_norm && (k == 1 || k == 4)) { /* scale, variance */
        *low = 0.8F;
        *high = 1.2F;
    } else { /* a bias, shift or mean */
        *low = -0.1F;
        *high = 0.1F;
    }
}

static bool make(struct spot_arena *arena, const struct spot_graph *graph,
                 const struct spot_node *node, int k, uint64_t seed, struct spot_weight *weight) {
    const struct spot_value *value = node->in[k];
    size_t count = spot_shape_elements(&value->type.shape);
    float low, high, *data = spot_arena_alloc(arena, count * sizeof *data);
    weight->name = spot_arena_strdup(arena, value->name);
    weight->type = value->type;
    weight->data = data;
    if (data == NULL || weight->name == NULL)
        return false;
    range(graph, node, k, &low, &high);
    uint64_t state = seed_of(value->name, seed);
    for (size_t i = 0; i < count; i++)
        data[i] = uniform(&state, low, high);
    return true;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const struct spot_weight *)left)->name,
                  ((const struct spot_weight *)right)->name);
}

/* Every constant without data, once, where it is first read. */
static bool make_all(struct spot_made_weights *made, const struct spot_graph *graph,
                     uint64_t seed) {
    size_t capacity = (size_t)graph->n_values + 1;
    bool *seen = spot_arena_alloc(&made->arena, capacity);
    struct spot_weight *items = spot_arena_alloc(&made->arena, capacity * sizeof *items);
    if (seen == NULL || items == NULL)
        return false;
    size_t count = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        for (int k = 0; k < node->n_in; k++) {
            const struct spot_value *value = node->in[k];
            if (value == NULL || value->kind != SPOT_VALUE_CONSTANT || value->data != NULL ||
                seen[value->index])
                continue;
            seen[value->index] = true;
            if (!make(&made->arena, graph, node, k, seed, &items[count++]))
                return false;
        }
    }
    qsort(items, count, sizeof *items, compare_names);
    made->weights = (struct spot_weights){items, count};
    return true;
}

enum spot_status spot_made_weights_init(struct spot_made_weights *made,
                                        const struct spot_detector *detector,
                                        const struct spot_detector_options *options, uint64_t seed,
                                        struct spot_error *error) {
    *made = (struct spot_made_weights){0};
    struct spot_graph *graph = spot_graph_new(NULL);
    if (graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "weights: out of memory");
    detector->family->build(detector, options, graph);
    enum spot_status status = spot_graph_finish(graph, error);
    if (status == SPOT_OK && !make_all(made, graph, seed))
        status = spot_fail(error, SPOT_NO_MEMORY, "weights: out of memory");
    if (status != SPOT_OK)
        spot_made_weights_free(made);
    spot_graph_free(&graph);
    return status;
}

void spot_made_weights_free(struct spot_made_weights *made) {
    spot_arena_free(&made->arena);
    made->weights = (struct spot_weights){0};
}
