/* Building graphs: values, nodes, weights by name, sticky errors. Rewriting is in core/passes. */
#include "core/graph.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool failed(const struct spot_graph *graph) {
    return graph->error.status != SPOT_OK;
}

void spot_graph_fail(struct spot_graph *graph, enum spot_status status, const char *format, ...) {
    if (failed(graph))
        return;
    char text[sizeof graph->error.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    spot_fail(&graph->error, status, "%s", text);
}

static void *fail_memory(struct spot_graph *graph) {
    spot_graph_fail(graph, SPOT_NO_MEMORY, "graph: out of memory");
    return NULL;
}

struct spot_graph *spot_graph_new_sketch(const struct spot_weights *weights) {
    struct spot_graph *graph = calloc(1, sizeof *graph);
    if (graph != NULL)
        graph->weights = weights;
    return graph;
}

struct spot_graph *spot_graph_new(const struct spot_weights *weights) {
    struct spot_graph *graph = spot_graph_new_sketch(weights);
    if (graph != NULL && weights != NULL) {
        graph->weight_used = spot_arena_alloc(&graph->arena, weights->count + 1);
        if (graph->weight_used == NULL)
            spot_graph_free(&graph);
    }
    return graph;
}

void spot_graph_free(struct spot_graph **graph) {
    if (*graph == NULL)
        return;
    free((*graph)->nodes);
    free((*graph)->values);
    spot_arena_free(&(*graph)->arena);
    free(*graph);
    *graph = NULL;
}

/* Makes room for one more pointer in a list that doubles; false when memory is short. */
static bool grow(void ***list, int count, int *capacity) {
    if (count < *capacity)
        return true;
    int wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void **bigger = realloc(*list, (size_t)wanted * sizeof **list);
    if (bigger == NULL)
        return false;
    *list = bigger;
    *capacity = wanted;
    return true;
}

static struct spot_value *new_value(struct spot_graph *graph, const char *name,
                                    enum spot_value_kind kind, struct spot_type type) {
    struct spot_value *value = spot_arena_alloc(&graph->arena, sizeof *value);
    if (value == NULL || !grow((void ***)&graph->values, graph->n_values, &graph->value_capacity) ||
        (value->name = spot_arena_strdup(&graph->arena, name)) == NULL)
        return fail_memory(graph);
    value->kind = kind;
    value->type = type;
    value->index = graph->n_values;
    graph->values[graph->n_values++] = value;
    return value;
}

struct spot_value *spot_graph_input(struct spot_graph *graph, const char *name,
                                    struct spot_type type) {
    if (failed(graph))
        return NULL;
    if (graph->n_inputs == SPOT_GRAPH_INPUTS_MAX) {
        spot_graph_fail(graph, SPOT_LIMIT, "graph: more than %d inputs", SPOT_GRAPH_INPUTS_MAX);
        return NULL;
    }
    struct spot_value *value = new_value(graph, name, SPOT_VALUE_INPUT, type);
    if (value != NULL)
        graph->inputs[graph->n_inputs++] = value;
    return value;
}

void spot_graph_output(struct spot_graph *graph, struct spot_value *value, const char *name) {
    if (failed(graph) || value == NULL)
        return;
    const char *copy = spot_arena_strdup(&graph->arena, name);
    if (copy == NULL) {
        fail_memory(graph);
    } else if (graph->n_outputs == SPOT_GRAPH_OUTPUTS_MAX) {
        spot_graph_fail(graph, SPOT_LIMIT, "graph: more than %d outputs", SPOT_GRAPH_OUTPUTS_MAX);
    } else {
        graph->output_names[graph->n_outputs] = copy;
        graph->outputs[graph->n_outputs++] = value;
    }
}

static struct spot_value *find_constant(const struct spot_graph *graph, const char *name) {
    for (int i = 0; i < graph->n_values; i++)
        if (graph->values[i]->kind == SPOT_VALUE_CONSTANT &&
            strcmp(graph->values[i]->name, name) == 0)
            return graph->values[i];
    return NULL;
}

/* The weight as float32: borrowed where the file allows it, else a widened or aligned copy. */
static const float *weight_data(struct spot_graph *graph, const struct spot_weight *weight) {
    if (weight->type.dtype == SPOT_F32 && (uintptr_t)weight->data % sizeof(float) == 0)
        return weight->data;
    size_t count = spot_shape_elements(&weight->type.shape);
    float *copy = spot_arena_alloc(&graph->arena, count * sizeof *copy);
    if (copy == NULL)
        return fail_memory(graph);
    spot_weight_read(weight, copy);
    return copy;
}

/* A flipped bit or a training run that diverged shows as NaN or infinity: refused here, once. */
static void check_finite(struct spot_graph *graph, const struct spot_value *value) {
    size_t count = spot_shape_elements(&value->type.shape);
    for (size_t i = 0; value->data != NULL && i < count; i++) {
        if (!isfinite(value->data[i])) {
            spot_graph_fail(graph, SPOT_INVALID,
                            "weights: element %zu of tensor '%s' is %f, expected a finite number",
                            i, value->name, (double)value->data[i]);
            return;
        }
    }
}

static struct spot_value *bind_weight(struct spot_graph *graph, const char *name,
                                      struct spot_shape shape, bool trainable) {
    struct spot_value *value = find_constant(graph, name);
    bool binds = graph->weight_used != NULL;
    const struct spot_weight *weight = binds ? spot_weights_find(graph->weights, name) : NULL;
    char expected[64], found[64];
    spot_shape_format(&shape, expected, sizeof expected);
    if (binds && weight == NULL) {
        spot_graph_fail(graph, SPOT_INVALID, "weights: tensor '%s' is missing, expected shape %s",
                        name, expected);
        return NULL;
    }
    const struct spot_shape *have = value != NULL    ? &value->type.shape
                                    : weight != NULL ? &weight->type.shape
                                                     : &shape;
    if (!spot_shape_equal(have, &shape)) {
        spot_graph_fail(graph, SPOT_INVALID, "weights: tensor '%s' has shape %s, expected %s", name,
                        spot_shape_format(have, found, sizeof found), expected);
        return NULL;
    }
    if (value != NULL)
        return value;
    value = new_value(graph, name, SPOT_VALUE_CONSTANT, (struct spot_type){SPOT_F32, shape});
    if (value == NULL)
        return NULL;
    value->trainable = trainable;
    if (weight != NULL) {
        graph->weight_used[weight - graph->weights->items] = true;
        value->data = weight_data(graph, weight);
        check_finite(graph, value);
    }
    return failed(graph) ? NULL : value;
}

struct spot_value *spot_graph_weight(struct spot_graph *graph, struct spot_shape shape,
                                     const char *name, ...) {
    if (failed(graph))
        return NULL;
    char full[SPOT_NAME_MAX];
    va_list args;
    va_start(args, name);
    vsnprintf(full, sizeof full, name, args);
    va_end(args);
    return bind_weight(graph, full, shape, true);
}

struct spot_value *spot_graph_statistic(struct spot_graph *graph, struct spot_shape shape,
                                        const char *name, ...) {
    if (failed(graph))
        return NULL;
    char full[SPOT_NAME_MAX];
    va_list args;
    va_start(args, name);
    vsnprintf(full, sizeof full, name, args);
    va_end(args);
    return bind_weight(graph, full, shape, false);
}

bool spot_graph_has_weight(const struct spot_graph *graph, const char *name, ...) {
    char full[SPOT_NAME_MAX];
    va_list args;
    va_start(args, name);
    vsnprintf(full, sizeof full, name, args);
    va_end(args);
    return spot_weights_find(graph->weights, full) != NULL;
}

struct spot_value *spot_graph_constant(struct spot_graph *graph, const char *name,
                                       struct spot_shape shape, const float *data) {
    if (failed(graph))
        return NULL;
    size_t bytes = spot_shape_elements(&shape) * sizeof *data;
    float *copy = spot_arena_alloc(&graph->arena, bytes);
    if (copy == NULL)
        return fail_memory(graph);
    memcpy(copy, data, bytes);
    struct spot_value *value =
        new_value(graph, name, SPOT_VALUE_CONSTANT, (struct spot_type){SPOT_F32, shape});
    if (value != NULL)
        value->data = copy;
    return value;
}

void spot_node_types(const struct spot_node *node, struct spot_op_types *types) {
    *types = (struct spot_op_types){.attrs = node->attrs, .n_in = node->n_in, .n_out = node->n_out};
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != NULL)
            types->in[i] = node->in[i]->type;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != NULL)
            types->out[i] = node->out[i]->type;
}

/* Runs the operator's inference; on failure says which node it was. */
static bool infer(struct spot_graph *graph, struct spot_node *node, struct spot_op_types *types) {
    spot_node_types(node, types);
    for (int i = 0; i < node->n_out; i++)
        types->out[i].dtype = SPOT_F32;
    struct spot_error error = {SPOT_OK, ""};
    if (node->op->infer(types, &error) != SPOT_OK) {
        spot_graph_fail(graph, error.status, "%s '%s': %s", node->op->name, node->name, error.text);
        return false;
    }
    for (int i = 0; i < node->n_out; i++) {
        if (spot_shape_elements(&types->out[i].shape) == 0) {
            char text[64];
            spot_graph_fail(graph, SPOT_INVALID, "%s '%s': output %d would have shape %s",
                            node->op->name, node->name, i,
                            spot_shape_format(&types->out[i].shape, text, sizeof text));
            return false;
        }
    }
    return true;
}

static struct spot_node *new_node(struct spot_graph *graph, const struct spot_op *op,
                                  const char *name, const void *attrs) {
    struct spot_node *node = spot_arena_alloc(&graph->arena, sizeof *node);
    if (node == NULL || (node->attrs = spot_arena_alloc(&graph->arena, op->attrs_size)) == NULL ||
        (node->name = spot_arena_strdup(&graph->arena, name != NULL ? name : op->name)) == NULL ||
        !grow((void ***)&graph->nodes, graph->n_nodes, &graph->node_capacity))
        return fail_memory(graph);
    node->op = op;
    if (op->attrs_size > 0)
        memcpy(node->attrs, attrs, op->attrs_size);
    return node;
}

struct spot_value *spot_graph_add(struct spot_graph *graph, const struct spot_op *op,
                                  const char *name, const void *attrs, struct spot_value *const *in,
                                  int n_in, struct spot_value **out, int n_out) {
    for (int i = 0; out != NULL && i < n_out; i++)
        out[i] = NULL;
    if (failed(graph))
        return NULL;
    if (n_in < op->n_in_min || n_in > op->n_in_max || n_out < op->n_out_min ||
        n_out > op->n_out_max || graph->n_nodes == SPOT_GRAPH_NODES_MAX) {
        spot_graph_fail(graph, SPOT_INVALID, "%s '%s': %d inputs and %d outputs do not fit it",
                        op->name, name != NULL ? name : "", n_in, n_out);
        return NULL;
    }
    struct spot_node *node = new_node(graph, op, name, attrs);
    if (node == NULL)
        return NULL;
    node->n_in = n_in;
    node->n_out = n_out;
    for (int i = 0; i < n_in; i++) {
        node->in[i] = in[i];
        if (in[i] == NULL && i < op->n_in_min) {
            spot_graph_fail(graph, SPOT_INVALID, "%s '%s': input %d is missing", op->name,
                            node->name, i);
            return NULL;
        }
    }
    struct spot_op_types types;
    if (!infer(graph, node, &types))
        return NULL;
    for (int i = 0; i < n_out; i++) {
        char value_name[SPOT_NAME_MAX + 16];
        snprintf(value_name, sizeof value_name, "%s:%d", node->name, i);
        node->out[i] = new_value(graph, value_name, SPOT_VALUE_COMPUTED, types.out[i]);
        if (node->out[i] == NULL)
            return NULL;
        node->out[i]->producer = node;
        if (out != NULL)
            out[i] = node->out[i];
    }
    graph->nodes[graph->n_nodes++] = node;
    return node->out[0];
}

enum spot_status spot_graph_finish(struct spot_graph *graph, struct spot_error *error) {
    if (!failed(graph) && graph->n_outputs == 0)
        spot_graph_fail(graph, SPOT_INVALID, "graph: it has no output");
    size_t unused = 0, first = 0;
    for (size_t i = graph->weight_used != NULL ? graph->weights->count : 0; i-- > 0;) {
        if (!graph->weight_used[i]) {
            unused++;
            first = i;
        }
    }
    if (!failed(graph) && unused > 0) {
        char shape[64];
        const struct spot_weight *weight = &graph->weights->items[first];
        spot_graph_fail(graph, SPOT_INVALID,
                        "weights: tensor '%s' of shape %s does not belong to this detector (%zu "
                        "such tensors)",
                        weight->name, spot_shape_format(&weight->type.shape, shape, sizeof shape),
                        unused);
    }
    if (failed(graph)) {
        if (error != NULL)
            *error = graph->error;
        return graph->error.status;
    }
    return SPOT_OK;
}

int spot_graph_uses(const struct spot_graph *graph, const struct spot_value *value) {
    int uses = 0;
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i]->n_in; k++)
            uses += graph->nodes[i]->in[k] == value;
    for (int i = 0; i < graph->n_outputs; i++)
        uses += graph->outputs[i] == value;
    return uses;
}

uint64_t spot_graph_parameters(const struct spot_graph *graph) {
    uint64_t count = 0;
    for (int i = 0; i < graph->n_values; i++)
        if (graph->values[i]->kind == SPOT_VALUE_CONSTANT && graph->values[i]->trainable)
            count += spot_shape_elements(&graph->values[i]->type.shape);
    return count;
}

uint64_t spot_graph_macs(const struct spot_graph *graph) {
    uint64_t macs = 0;
    for (int i = 0; i < graph->n_nodes; i++) {
        struct spot_op_types types;
        spot_node_types(graph->nodes[i], &types);
        if (graph->nodes[i]->op->macs != NULL)
            macs += graph->nodes[i]->op->macs(&types);
    }
    return macs;
}

const struct spot_op *spot_op_find(const char *name) {
    for (const struct spot_op *const *op = spot_op_table; *op != NULL; op++)
        if (strcmp((*op)->name, name) == 0)
            return *op;
    return NULL;
}
