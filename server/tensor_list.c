/* The tensors that a detector expects; see server/tensor_list.h. */
#include "server/tensor_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/batch_norm.h"
#include "models/detector.h"
#include "models/safetensors.h"

enum { DATA = 0, WEIGHT = 1 };
enum { WORD_BITS = 64 };

/* For every value of a graph, the set of layers nearest before it, one bit a node. */
struct reach {
    uint64_t *bits; /* [n_values][words] */
    size_t words;
};

static uint64_t *reach_of(const struct reach *reach, const struct spot_value *value) {
    return reach->bits + (size_t)value->index * reach->words;
}

static bool is_layer(const struct spot_node *node) {
    return node->op != &spot_op_batch_norm && node->n_in > WEIGHT && node->in[WEIGHT] != NULL &&
           node->in[WEIGHT]->kind == SPOT_VALUE_CONSTANT && node->in[WEIGHT]->trainable;
}

static bool reach_fill(struct reach *reach, const struct spot_graph *graph) {
    reach->words = (size_t)graph->n_nodes / WORD_BITS + 1;
    reach->bits = calloc((size_t)graph->n_values * reach->words, sizeof *reach->bits);
    for (int i = 0; reach->bits != NULL && i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        for (int out = 0; out < node->n_out; out++) {
            uint64_t *set = reach_of(reach, node->out[out]);
            if (is_layer(node))
                set[i / WORD_BITS] |= UINT64_C(1) << (i % WORD_BITS);
            for (int in = 0; !is_layer(node) && in < node->n_in; in++)
                for (size_t w = 0; node->in[in] != NULL && w < reach->words; w++)
                    set[w] |= reach_of(reach, node->in[in])[w];
        }
    }
    return reach->bits != NULL;
}

static json_t *names_before(const struct reach *reach, const struct spot_graph *graph,
                            const struct spot_value *value) {
    json_t *names = json_array();
    const uint64_t *set = reach_of(reach, value);
    for (int i = 0; i < graph->n_nodes; i++)
        if (set[i / WORD_BITS] >> (i % WORD_BITS) & 1)
            json_array_append_new(names, json_string(graph->nodes[i]->name));
    return names;
}

/* The batch norm that alone reads what a node writes, or NULL. */
static const struct spot_node *norm_after(const struct spot_graph *graph,
                                          const struct spot_node *node) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == &spot_op_batch_norm && graph->nodes[i]->in[DATA] == node->out[0])
            return graph->nodes[i];
    return NULL;
}

static json_t *describe_layer(const struct reach *reach, const struct spot_graph *graph,
                              const struct spot_node *node) {
    json_t *layer = json_pack("{s:s, s:s, s:o}", "name", node->name, "operator", node->op->name,
                              "after", names_before(reach, graph, node->in[DATA]));
    const struct spot_node *norm = norm_after(graph, node);
    if (norm != NULL) {
        const char *scale = norm->in[WEIGHT]->name; /* <norm>.weight */
        size_t length = strlen(scale) - strlen(".weight");
        json_object_set_new(layer, "norm", json_stringn(scale, length));
        double epsilon = (double)((const struct spot_batch_norm *)norm->attrs)->epsilon;
        json_object_set_new(layer, "epsilon", json_real(epsilon));
    }
    return layer;
}

static json_t *describe_tensor(const struct spot_value *value) {
    json_t *shape = json_array();
    for (int i = 0; i < value->type.shape.rank; i++)
        json_array_append_new(shape, json_integer(value->type.shape.dim[i]));
    return json_pack("{s:s, s:o}", "name", value->name, "shape", shape);
}

static json_t *describe(const struct spot_graph *graph) {
    struct reach reach;
    if (!reach_fill(&reach, graph))
        return NULL;
    json_t *tensors = json_array(), *layers = json_array();
    for (int i = 0; i < graph->n_values; i++)
        if (graph->values[i]->kind == SPOT_VALUE_CONSTANT && graph->values[i]->data == NULL)
            json_array_append_new(tensors, describe_tensor(graph->values[i]));
    for (int i = 0; i < graph->n_nodes; i++)
        if (is_layer(graph->nodes[i]))
            json_array_append_new(layers, describe_layer(&reach, graph, graph->nodes[i]));
    free(reach.bits);
    return json_pack("{s:o, s:o}", "tensors", tensors, "layers", layers);
}

static enum spot_status list(const struct spot_detector *detector,
                             const struct spot_weights *weights, json_t **result,
                             struct spot_error *error) {
    int classes = detector->family->classes(detector, weights);
    if (classes < 1 || classes > SPOT_CLASSES_MAX)
        return spot_fail(error, SPOT_INVALID,
                         "weights: the tensor that tells the classes of detector %s is missing or "
                         "has another shape",
                         detector->name);
    struct spot_graph *graph = spot_graph_new_sketch(weights);
    if (graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    struct spot_detector_options options = {0};
    detector->family->build(detector, &options, graph);
    enum spot_status status = spot_graph_finish(graph, error);
    if (status == SPOT_OK) {
        *result = describe(graph);
        if (*result == NULL)
            status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    }
    spot_graph_free(&graph);
    if (status == SPOT_OK) {
        json_object_set_new(*result, "detector", json_string(detector->name));
        json_object_set_new(*result, "classes", json_integer(classes));
    }
    return status;
}

enum spot_status spot_tensor_list(const char *detector, const char *weights, json_t **result,
                                  struct spot_error *error) {
    struct spot_detector found;
    struct spot_safetensors file;
    *result = NULL;
    enum spot_status status = spot_detector_find(detector, &found, error);
    if (status != SPOT_OK)
        return status;
    if (weights == NULL)
        return list(&found, NULL, result, error);
    status = spot_safetensors_open(weights, &file, error);
    if (status != SPOT_OK)
        return status;
    status = list(&found, &file.weights, result, error);
    spot_safetensors_close(&file);
    return status;
}
