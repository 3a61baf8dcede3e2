/* Recognising two fully connected layers after each other; see cpu/mlp.h. */
#include "cpu/mlp.h"

#include "core/ops/fully_connected.h"

#include <assert.h>
#include <string.h>

enum { DATA, WEIGHT, BIAS };

static const struct spot_value *bias_of(const struct spot_node *node) {
    return node->n_in > BIAS ? node->in[BIAS] : NULL;
}

static bool is_dense_layer(const struct spot_cpu_program *program, const struct spot_node *node) {
    const struct spot_value *bias = bias_of(node);
    return node->op == &spot_op_fully_connected && node->in[WEIGHT]->data != NULL &&
           (bias == NULL || bias->data != NULL) &&
           spot_cpu_layout(program, node->in[DATA])->form == SPOT_CPU_DENSE &&
           spot_cpu_layout(program, node->out[0])->form == SPOT_CPU_DENSE;
}

static bool is_last_layer(const struct spot_cpu_program *program, const struct spot_node *node) {
    const struct spot_fully_connected *attrs = node->attrs;
    return is_dense_layer(program, node) && attrs->activation.kind == SPOT_ACT_NONE;
}

static bool reads(const struct spot_node *node, const struct spot_value *value) {
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] == value)
            return true;
    return false;
}

bool spot_cpu_mlp_match(const struct spot_cpu_program *program, const struct spot_node *node,
                        struct spot_cpu_step *step) {
    const struct spot_graph *graph = program->base.graph;
    const struct spot_value *hidden = node->in[DATA];
    if (!is_last_layer(program, node) || hidden->kind != SPOT_VALUE_COMPUTED ||
        !is_dense_layer(program, hidden->producer))
        return false;
    step->n_in = 1;
    step->in[0] = hidden->producer->in[DATA];
    step->n_out = 0;
    for (int i = 0; i < graph->n_nodes && graph->nodes[i] != node; i++) {
        const struct spot_node *other = graph->nodes[i];
        for (int k = 0; k < step->n_out; k++)
            if (reads(other, step->out[k]))
                return false; /* would find nothing yet: the step stands where its last node does */
        if (!reads(other, hidden))
            continue;
        if (!is_last_layer(program, other) || step->n_absorbed == SPOT_CPU_MLP_LAYERS_MAX - 1)
            return false;
        step->out[step->n_out++] = other->out[0];
        spot_cpu_absorb(step, other);
    }
    step->out[step->n_out++] = node->out[0];
    spot_cpu_absorb(step, hidden->producer);
    return spot_graph_uses(graph, hidden) == step->n_out;
}

static struct spot_cpu_mlp_layer layer_of(const struct spot_node *node) {
    const struct spot_value *bias = bias_of(node);
    return (struct spot_cpu_mlp_layer){node->in[WEIGHT]->type.shape.dim[0], node->in[WEIGHT]->data,
                                       bias != NULL ? bias->data : NULL};
}

struct spot_cpu_mlp spot_cpu_mlp_describe(const struct spot_cpu_step *step) {
    const struct spot_node *hidden = step->absorbed[step->n_absorbed - 1];
    const struct spot_fully_connected *attrs = hidden->attrs;
    struct spot_cpu_mlp mlp = {0};
    mlp.rows = hidden->out[0]->type.shape.dim[0];
    mlp.ins = hidden->in[WEIGHT]->type.shape.dim[1];
    mlp.hidden = layer_of(hidden);
    mlp.activation = attrs->activation;
    mlp.n_last = step->n_out;
    assert(mlp.n_last <= SPOT_CPU_MLP_LAYERS_MAX); /* match sees to it */
    for (int k = 0; k < mlp.n_last; k++) {
        mlp.last[k] = layer_of(step->out[k]->producer);
        mlp.outs += mlp.last[k].outs;
    }
    return mlp;
}

const float *spot_cpu_mlp_last(const struct spot_cpu_mlp *mlp, int o, float *bias) {
    int k = 0;
    for (; o >= mlp->last[k].outs; k++)
        o -= mlp->last[k].outs;
    *bias = mlp->last[k].bias != NULL ? mlp->last[k].bias[o] : 0;
    return mlp->last[k].weight + (size_t)o * (size_t)mlp->hidden.outs;
}

void spot_cpu_mlp_write(const struct spot_cpu_mlp *mlp, const struct spot_cpu_step *step,
                        const struct spot_cpu_run *run, int first, int count, const float *rows,
                        size_t pitch) {
    for (int k = 0; k < mlp->n_last; k++) {
        size_t outs = (size_t)mlp->last[k].outs;
        float *to = (float *)spot_cpu_out(step, run, k) + (size_t)first * outs;
        for (int r = 0; r < count; r++)
            memcpy(to + (size_t)r * outs, rows + (size_t)r * pitch, outs * sizeof *to);
        rows += outs;
    }
}
