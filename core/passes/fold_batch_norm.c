/*
 * Folds an inference batch norm into the convolution before it (Jacob et al., 2018, section 3.2):
 * weight'[o] = weight[o] * f[o], bias'[o] = (bias[o] - mean[o]) * f[o] + shift[o], with
 * f[o] = scale[o] / sqrt(variance[o] + epsilon), in double, rounded once.
 */
#include "core/ops/batch_norm.h"
#include "core/ops/conv2d.h"
#include "core/passes/passes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BN_SCALE = 1, BN_SHIFT, BN_MEAN, BN_VARIANCE };
enum { CONV_WEIGHT = 1, CONV_BIAS, CONV_RESIDUAL };

static struct spot_value *folded_constant(struct spot_graph *graph, const struct spot_node *conv,
                                          const char *what, struct spot_shape shape,
                                          const float *data) {
    char name[SPOT_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s(folded)", conv->name, what);
    return spot_graph_constant(graph, name, shape, data);
}

static void fold(struct spot_graph *graph, struct spot_node *conv, const struct spot_node *bn,
                 float *weight, float *bias) {
    const struct spot_value *w = conv->in[CONV_WEIGHT];
    const float *old_bias =
        conv->n_in > CONV_BIAS && conv->in[CONV_BIAS] != NULL ? conv->in[CONV_BIAS]->data : NULL;
    size_t outs = (size_t)w->type.shape.dim[0];
    size_t taps = spot_shape_elements(&w->type.shape) / outs;
    double epsilon = (double)((const struct spot_batch_norm *)bn->attrs)->epsilon;
    for (size_t o = 0; o < outs; o++) {
        double factor = (double)bn->in[BN_SCALE]->data[o] /
                        sqrt((double)bn->in[BN_VARIANCE]->data[o] + epsilon);
        for (size_t i = 0; i < taps; i++)
            weight[o * taps + i] = (float)((double)w->data[o * taps + i] * factor);
        double shift =
            (old_bias != NULL ? (double)old_bias[o] : 0) - (double)bn->in[BN_MEAN]->data[o];
        bias[o] = (float)(shift * factor + (double)bn->in[BN_SHIFT]->data[o]);
    }
    conv->in[CONV_WEIGHT] = folded_constant(graph, conv, "weight", w->type.shape, weight);
    conv->in[CONV_BIAS] = folded_constant(graph, conv, "bias", spot_shape1((int)outs), bias);
    conv->n_in = conv->n_in > CONV_BIAS ? conv->n_in : CONV_BIAS + 1;
    ((struct spot_conv2d *)conv->attrs)->activation =
        ((const struct spot_batch_norm *)bn->attrs)->activation;
}

/* The convolution that writes what bn reads, if it can take bn in. */
static struct spot_node *foldable(const struct spot_graph *graph, const struct spot_node *bn) {
    struct spot_node *conv = bn->in[0]->producer;
    if (conv == NULL || conv->op != &spot_op_conv2d || spot_graph_uses(graph, bn->in[0]) != 1)
        return NULL;
    bool has_residual = conv->n_in > CONV_RESIDUAL && conv->in[CONV_RESIDUAL] != NULL;
    bool has_activation =
        ((const struct spot_conv2d *)conv->attrs)->activation.kind != SPOT_ACT_NONE;
    return has_residual || has_activation ? NULL : conv;
}

enum spot_status spot_pass_fold_batch_norm(struct spot_graph *graph, struct spot_error *error) {
    for (int i = 0; i < graph->n_nodes; i++) {
        struct spot_node *bn = graph->nodes[i];
        struct spot_node *conv = bn->op == &spot_op_batch_norm ? foldable(graph, bn) : NULL;
        if (conv == NULL)
            continue;
        const struct spot_shape *shape = &conv->in[CONV_WEIGHT]->type.shape;
        float *weight = calloc(spot_shape_elements(shape), sizeof *weight);
        float *bias = calloc((size_t)shape->dim[0], sizeof *bias);
        if (weight != NULL && bias != NULL)
            fold(graph, conv, bn, weight, bias);
        bool done = weight != NULL && bias != NULL && graph->error.status == SPOT_OK;
        free(weight);
        free(bias);
        if (!done)
            return spot_fail(error, SPOT_NO_MEMORY, "graph: out of memory");
        spot_graph_replace(graph, bn->out[0], conv->out[0]);
    }
    return SPOT_OK;
}
