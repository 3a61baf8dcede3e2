/* Pooling; see core/ops/pool2d.h. */
#include "core/ops/pool2d.h"

#include "core/ops/window.h"

#include <math.h>

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_pool2d *a = types->attrs;
    const struct spot_shape *x = &types->in[0].shape;
    char text[64];
    if (x->rank != 4)
        return spot_fail(error, SPOT_INVALID, "data %s must have rank 4",
                         spot_shape_format(x, text, sizeof text));
    if (a->pad_top >= a->kernel || a->pad_left >= a->kernel || a->pad_bottom >= a->kernel ||
        a->pad_right >= a->kernel)
        return spot_fail(error, SPOT_INVALID, "padding must be below the kernel %d", a->kernel);
    struct spot_window rows = {a->kernel, a->stride, 1, a->pad_top, a->pad_bottom, a->ceil};
    struct spot_window columns = {a->kernel, a->stride, 1, a->pad_left, a->pad_right, a->ceil};
    struct spot_shape out = *x;
    enum spot_status status = spot_window_output(&rows, x->dim[2], &out.dim[2], error);
    if (status == SPOT_OK)
        status = spot_window_output(&columns, x->dim[3], &out.dim[3], error);
    types->out[0].shape = out;
    return status;
}

static float pool_window(const struct spot_pool2d *a, const float *plane, int height, int width,
                         int y0, int x0) {
    float max = -INFINITY, sum = 0;
    int taps = 0;
    for (int y = y0 > 0 ? y0 : 0; y < y0 + a->kernel && y < height; y++) {
        for (int x = x0 > 0 ? x0 : 0; x < x0 + a->kernel && x < width; x++) {
            float value = plane[(size_t)y * (size_t)width + (size_t)x];
            max = value > max || isnan(value) ? value : max;
            sum += value;
            taps++;
        }
    }
    if (a->mode == SPOT_POOL_MAX)
        return max;
    if (a->count_padding)
        taps = a->kernel * a->kernel;
    return taps > 0 ? sum / (float)taps : 0;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_pool2d *a = args->attrs;
    const int *in = args->in[0].type.shape.dim, *dim = args->out[0].type.shape.dim;
    const float *plane = args->in[0].data;
    float *out = args->out[0].data;
    for (int nc = 0; nc < dim[0] * dim[1]; nc++, plane += (size_t)in[2] * (size_t)in[3])
        for (int y = 0; y < dim[2]; y++)
            for (int x = 0; x < dim[3]; x++)
                *out++ = pool_window(a, plane, in[2], in[3], y * a->stride - a->pad_top,
                                     x * a->stride - a->pad_left);
}

const struct spot_op spot_op_pool2d = {
    .name = "pool2d",
    .attrs_size = sizeof(struct spot_pool2d),
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_pool2d(struct spot_graph *graph, struct spot_value *x,
                               struct spot_pool2d attrs) {
    return spot_graph_add(graph, &spot_op_pool2d, NULL, &attrs, &x, 1, NULL, 1);
}
