/* Fully connected layer; see core/ops/fully_connected.h. */
#include "core/ops/fully_connected.h"

#include <stdio.h>
#include <string.h>

enum { DATA, WEIGHT, BIAS };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_shape *x = &types->in[DATA].shape, *w = &types->in[WEIGHT].shape;
    const struct spot_shape *bias = &types->in[BIAS].shape;
    char data[64], weight[64];
    if (x->rank < 2 || w->rank != 2 ||
        spot_shape_elements(x) != (size_t)x->dim[0] * (size_t)w->dim[1])
        return spot_fail(error, SPOT_INVALID, "weight %s does not fit data %s",
                         spot_shape_format(w, weight, sizeof weight),
                         spot_shape_format(x, data, sizeof data));
    if (types->n_in > BIAS && bias->rank != 0 && (bias->rank != 1 || bias->dim[0] != w->dim[0]))
        return spot_fail(error, SPOT_INVALID, "bias %s does not fit weight %s",
                         spot_shape_format(bias, data, sizeof data),
                         spot_shape_format(w, weight, sizeof weight));
    types->out[0].shape = spot_shape2(x->dim[0], w->dim[0]);
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_fully_connected *a = args->attrs;
    const float *bias = args->n_in > BIAS ? args->in[BIAS].data : NULL;
    const float *row = args->in[DATA].data;
    float *out = args->out[0].data;
    int outs = args->in[WEIGHT].type.shape.dim[0];
    size_t length = (size_t)args->in[WEIGHT].type.shape.dim[1];
    for (int n = 0; n < args->out[0].type.shape.dim[0]; n++, row += length) {
        const float *w = args->in[WEIGHT].data;
        for (int o = 0; o < outs; o++, w += length) {
            float sum = 0;
            for (size_t k = 0; k < length; k++)
                sum += w[k] * row[k];
            sum += bias != NULL ? bias[o] : 0;
            *out++ = spot_activate(a->activation, sum);
        }
    }
}

static uint64_t macs(const struct spot_op_types *types) {
    return (uint64_t)spot_shape_elements(&types->out[0].shape) *
           (uint64_t)types->in[WEIGHT].shape.dim[1];
}

static struct spot_activation *fused_activation(void *attrs) {
    return &((struct spot_fully_connected *)attrs)->activation;
}

const struct spot_op spot_op_fully_connected = {
    .name = "fully_connected",
    .attrs_size = sizeof(struct spot_fully_connected),
    .n_in_min = 2,
    .n_in_max = 3,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
    .macs = macs,
    .fused_activation = fused_activation,
};

struct spot_value *spot_fully_connected(struct spot_graph *graph, struct spot_value *x,
                                        struct spot_value *weight, struct spot_value *bias,
                                        struct spot_fully_connected attrs) {
    char name[SPOT_NAME_MAX] = "fully_connected";
    if (weight != NULL) {
        snprintf(name, sizeof name, "%s", weight->name);
        char *end = strstr(name, ".weight");
        if (end != NULL)
            *end = '\0';
    }
    struct spot_value *in[] = {x, weight, bias};
    return spot_graph_add(graph, &spot_op_fully_connected, name, &attrs, in, 3, NULL, 1);
}
