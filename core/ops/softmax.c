/* Softmax; see core/ops/softmax.h. */
#include "core/ops/softmax.h"

#include <math.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    if (types->in[0].shape.rank < 1)
        return spot_fail(error, SPOT_INVALID, "its input has no axis");
    types->out[0].shape = types->in[0].shape;
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_shape *shape = &args->in[0].type.shape;
    const float *x = args->in[0].data;
    float *y = args->out[0].data;
    size_t length = (size_t)shape->dim[shape->rank - 1];
    size_t rows = spot_shape_elements(shape) / length;
    for (size_t r = 0; r < rows; r++, x += length, y += length) {
        float max = x[0], sum = 0;
        for (size_t k = 1; k < length; k++)
            max = fmaxf(max, x[k]);
        for (size_t k = 0; k < length; k++) {
            y[k] = expf(x[k] - max);
            sum += y[k];
        }
        for (size_t k = 0; k < length; k++)
            y[k] /= sum;
    }
}

const struct spot_op spot_op_softmax = {
    .name = "softmax",
    .attrs_size = 0,
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_softmax(struct spot_graph *graph, struct spot_value *x) {
    return spot_graph_add(graph, &spot_op_softmax, NULL, NULL, &x, 1, NULL, 1);
}
