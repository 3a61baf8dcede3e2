/* The maps of an int8 program; see cpu/quantise.h. */
#include "cpu/quantise.h"

#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"

#include <stdlib.h>

enum { DATA, WEIGHT, BIAS, RESIDUAL };

/* Products of two bytes that are sure to add up in 32 bits. */
enum { PRODUCTS_MAX = 65536 };

static bool has_data(const struct spot_value *value) {
    return value == NULL || value->data != NULL;
}

static const struct spot_value *optional_input(const struct spot_node *node, int k) {
    return node->n_in > k ? node->in[k] : NULL;
}

/* The weights of a convolution of one picture's map by constants alone, or NULL. */
static const struct spot_value *constant_weight(const struct spot_node *node) {
    const struct spot_value *data = optional_input(node, DATA);
    const struct spot_value *weight = optional_input(node, WEIGHT);
    bool fits = node->op == &spot_op_conv2d && data != NULL && weight != NULL &&
                weight->data != NULL && has_data(optional_input(node, BIAS)) &&
                optional_input(node, RESIDUAL) == NULL && data->kind == SPOT_VALUE_COMPUTED &&
                data->type.shape.dim[0] == 1;
    return fits ? weight : NULL;
}

bool spot_cpu_is_quantised_conv(const struct spot_node *node) {
    const struct spot_value *weight = constant_weight(node);
    if (weight == NULL)
        return false;
    const int *dim = weight->type.shape.dim;
    return ((const struct spot_conv2d *)node->attrs)->groups == 1 &&
           dim[1] > SPOT_CPU_PACKED_MAX && /* the first layer reads the picture as it is */
           (int64_t)dim[1] * dim[2] * dim[3] <= PRODUCTS_MAX;
}

static bool is_quantised_depthwise(const struct spot_node *node) {
    const struct spot_value *weight = constant_weight(node);
    if (weight == NULL)
        return false;
    const struct spot_conv2d *a = node->attrs;
    const int *dim = weight->type.shape.dim;
    return a->groups == dim[0] && dim[1] == 1 && dim[2] == dim[3] && (dim[2] == 3 || dim[2] == 5) &&
           a->stride_h == a->stride_w && (a->stride_h == 1 || a->stride_h == 2) &&
           a->dilation_h == 1 && a->dilation_w == 1 && a->pad_left < dim[3];
}

/* Moves channels from map to map as they are. */
static bool is_move(const struct spot_node *node) {
    if (node->op == &spot_op_concat)
        return ((const struct spot_concat *)node->attrs)->axis == 1;
    return node->op == &spot_op_split || node->op == &spot_op_channel_shuffle ||
           node->op == &spot_op_shuffle_join;
}

/* Whether all maps that a node reads and writes must be bytes, or none. */
static bool is_all_or_none(const struct spot_node *node) {
    return is_move(node) || is_quantised_depthwise(node);
}

static bool is_map(const struct spot_value *value) {
    return value->kind == SPOT_VALUE_COMPUTED && value->type.dtype == SPOT_F32 &&
           value->type.shape.rank == 4 && value->type.shape.dim[0] == 1;
}

/* The values of a node that are maps: its outputs, then its inputs. Returns how many. */
static int maps_of(const struct spot_node *node, const struct spot_value **maps) {
    int count = 0;
    for (int k = 0; k < node->n_out; k++)
        maps[count++] = node->out[k];
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] != NULL && node->in[k]->kind != SPOT_VALUE_CONSTANT)
            maps[count++] = node->in[k];
    return count;
}

/* Makes a node's maps float32 where one of them is; whether that changed anything. */
static bool agree(const struct spot_node *node, struct spot_cpu_quantised *values) {
    const struct spot_value *maps[SPOT_NODE_INPUTS_MAX + SPOT_NODE_OUTPUTS_MAX];
    int count = maps_of(node, maps), bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += values[maps[i]->index].bytes;
    for (int i = 0; i < count; i++)
        values[maps[i]->index].bytes &= bytes == count;
    return bytes != 0 && bytes != count;
}

static void choose_bytes(const struct spot_graph *graph, struct spot_cpu_quantised *values) {
    for (int i = 0; i < graph->n_nodes; i++) { /* values that no node writes any more are left */
        const struct spot_node *node = graph->nodes[i];
        for (int k = 0; k < node->n_out; k++)
            values[node->out[k]->index].bytes =
                is_map(node->out[k]) && (is_all_or_none(node) || spot_cpu_is_quantised_conv(node));
    }
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        for (int k = 0; k < node->n_in; k++)
            if (node->in[k] != NULL && !is_all_or_none(node) &&
                !(k == DATA && spot_cpu_is_quantised_conv(node)))
                values[node->in[k]->index].bytes = false;
    }
    for (int i = 0; i < graph->n_outputs; i++)
        values[graph->outputs[i]->index].bytes = false;
    for (bool changes = true; changes;) {
        changes = false;
        for (int i = 0; i < graph->n_nodes; i++)
            if (is_all_or_none(graph->nodes[i]))
                changes |= agree(graph->nodes[i], values);
    }
}

static bool is_read_quantised(const struct spot_graph *graph, const struct spot_value *value) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->n_in > DATA && graph->nodes[i]->in[DATA] == value &&
            spot_cpu_is_quantised_conv(graph->nodes[i]))
            return true;
    return false;
}

/* Sets of values that share a range; `first` is another of the set, or the value itself. */
struct set {
    int first;
    float low, high;
};

static struct set *set_of(struct set *sets, int value) {
    while (sets[value].first != value)
        value = sets[value].first;
    return &sets[value];
}

static void join_moved(const struct spot_node *node, const struct spot_cpu_quantised *values,
                       struct set *sets) {
    const struct spot_value *maps[SPOT_NODE_INPUTS_MAX + SPOT_NODE_OUTPUTS_MAX];
    int count = maps_of(node, maps);
    for (int i = 1; i < count && values[maps[0]->index].bytes; i++)
        set_of(sets, maps[i]->index)->first = set_of(sets, maps[0]->index)->first;
}

/* The range of a value widens that of its set. */
static enum spot_status widen(const struct spot_graph *graph, const struct spot_value *value,
                              const struct spot_calibration *calibration, struct set *sets,
                              struct spot_error *error) {
    char name[SPOT_CALIBRATION_NAME_MAX];
    const struct spot_range *range =
        spot_calibration_find(calibration, spot_calibration_name(graph, value, name));
    if (range == NULL)
        return spot_fail(error, SPOT_INVALID,
                         "the calibration has no range of '%.128s': it is of another network or "
                         "version; run spotter calibrate again",
                         name);
    struct set *set = set_of(sets, value->index);
    set->low = range->low < set->low ? range->low : set->low;
    set->high = range->high > set->high ? range->high : set->high;
    return SPOT_OK;
}

static enum spot_status choose_ranges(const struct spot_graph *graph,
                                      const struct spot_calibration *calibration, struct set *sets,
                                      struct spot_cpu_quantised *values, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < graph->n_values; i++)
        sets[i] = (struct set){.first = i};
    for (int i = 0; i < graph->n_nodes; i++)
        if (is_move(graph->nodes[i]))
            join_moved(graph->nodes[i], values, sets);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < graph->n_values && status == SPOT_OK; i++) {
            const struct spot_value *value = graph->values[i];
            bool needs = values[i].bytes || (is_map(value) && is_read_quantised(graph, value));
            if (needs && pass == 0)
                status = widen(graph, value, calibration, sets, error);
            else if (needs)
                values[i].by = spot_quantisation_of(set_of(sets, i)->low, set_of(sets, i)->high);
        }
    }
    return status;
}

enum spot_status spot_cpu_choose_quantised(const struct spot_graph *graph,
                                           const struct spot_calibration *calibration,
                                           struct spot_cpu_quantised *values,
                                           struct spot_error *error) {
    struct set *sets = calloc((size_t)graph->n_values, sizeof *sets);
    if (sets == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    choose_bytes(graph, values);
    enum spot_status status = choose_ranges(graph, calibration, sets, values, error);
    free(sets);
    return status;
}
