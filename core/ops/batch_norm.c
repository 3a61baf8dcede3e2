/* Batch norm; see core/ops/batch_norm.h. */
#include "core/ops/batch_norm.h"

#include <math.h>

enum { DATA, SCALE, SHIFT, MEAN, VARIANCE, INPUTS };

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_shape *x = &types->in[DATA].shape;
    char text[64];
    if (x->rank != 4)
        return spot_fail(error, SPOT_INVALID, "data %s must have rank 4",
                         spot_shape_format(x, text, sizeof text));
    for (int i = SCALE; i < INPUTS; i++) {
        const struct spot_shape *p = &types->in[i].shape;
        if (p->rank != 1 || p->dim[0] != x->dim[1])
            return spot_fail(error, SPOT_INVALID, "parameter %s does not fit %d channels",
                             spot_shape_format(p, text, sizeof text), x->dim[1]);
    }
    types->out[0].shape = *x;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_batch_norm *a = args->attrs;
    const int *dim = args->in[DATA].type.shape.dim;
    const float *x = args->in[DATA].data, *scale = args->in[SCALE].data;
    const float *shift = args->in[SHIFT].data, *mean = args->in[MEAN].data;
    const float *variance = args->in[VARIANCE].data;
    float *y = args->out[0].data;
    size_t plane = (size_t)dim[2] * (size_t)dim[3];
    for (int n = 0; n < dim[0]; n++) {
        for (int c = 0; c < dim[1]; c++) {
            float factor = scale[c] / sqrtf(variance[c] + a->epsilon);
            for (size_t i = 0; i < plane; i++)
                *y++ = spot_activate(a->activation, (*x++ - mean[c]) * factor + shift[c]);
        }
    }
}

static struct spot_activation *fused_activation(void *attrs) {
    return &((struct spot_batch_norm *)attrs)->activation;
}

const struct spot_op spot_op_batch_norm = {
    .name = "batch_norm",
    .attrs_size = sizeof(struct spot_batch_norm),
    .n_in_min = INPUTS,
    .n_in_max = INPUTS,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
    .fused_activation = fused_activation,
};

struct spot_value *spot_batch_norm(struct spot_graph *graph, struct spot_value *x,
                                   struct spot_value *scale, struct spot_value *shift,
                                   struct spot_value *mean, struct spot_value *variance,
                                   struct spot_batch_norm attrs) {
    struct spot_value *in[] = {x, scale, shift, mean, variance};
    return spot_graph_add(graph, &spot_op_batch_norm, NULL, &attrs, in, INPUTS, NULL, 1);
}
