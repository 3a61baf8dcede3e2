/* Resizing; see core/ops/resize.h. */
#include "core/ops/resize.h"

#include <math.h>

struct spot_resize_tap spot_resize_tap(int out_index, int out_size, int in_size) {
    double at = ((double)out_index + 0.5) * ((double)in_size / (double)out_size) - 0.5;
    double floor_at = floor(at);
    int low = (int)floor_at;
    struct spot_resize_tap tap = {low, low + 1, (float)(at - floor_at)};
    if (tap.low < 0)
        tap.low = 0;
    if (tap.high > in_size - 1)
        tap.high = in_size - 1;
    return tap;
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_resize *a = types->attrs;
    const struct spot_shape *x = &types->in[0].shape;
    char text[64];
    if (x->rank != 4 || a->height < 1 || a->width < 1)
        return spot_fail(error, SPOT_INVALID, "cannot resize %s to %d x %d",
                         spot_shape_format(x, text, sizeof text), a->height, a->width);
    types->out[0].shape = spot_shape4(x->dim[0], x->dim[1], a->height, a->width);
    return SPOT_OK;
}

static float mix(float low, float high, float fraction) {
    return low * (1 - fraction) + high * fraction;
}

static float sample(const struct spot_resize *a, const float *plane, int height, int width, int y,
                    int x) {
    size_t stride = (size_t)width;
    if (a->mode == SPOT_RESIZE_NEAREST) {
        size_t row = (size_t)y * (size_t)height / (size_t)a->height;
        return plane[row * stride + (size_t)x * (size_t)width / (size_t)a->width];
    }
    struct spot_resize_tap row = spot_resize_tap(y, a->height, height);
    struct spot_resize_tap column = spot_resize_tap(x, a->width, width);
    const float *low = plane + (size_t)row.low * stride, *high = plane + (size_t)row.high * stride;
    return mix(mix(low[column.low], low[column.high], column.fraction),
               mix(high[column.low], high[column.high], column.fraction), row.fraction);
}

static void reference(const struct spot_op_args *args) {
    const struct spot_resize *a = args->attrs;
    const int *in = args->in[0].type.shape.dim;
    const float *plane = args->in[0].data;
    float *out = args->out[0].data;
    for (int nc = 0; nc < in[0] * in[1]; nc++, plane += (size_t)in[2] * (size_t)in[3])
        for (int y = 0; y < a->height; y++)
            for (int x = 0; x < a->width; x++)
                *out++ = sample(a, plane, in[2], in[3], y, x);
}

const struct spot_op spot_op_resize = {
    .name = "resize",
    .attrs_size = sizeof(struct spot_resize),
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_resize(struct spot_graph *graph, struct spot_value *x,
                               struct spot_resize attrs) {
    return spot_graph_add(graph, &spot_op_resize, NULL, &attrs, &x, 1, NULL, 1);
}

struct spot_value *spot_resize_like(struct spot_graph *graph, struct spot_value *x,
                                    const struct spot_value *like, enum spot_resize_mode mode) {
    if (like == NULL)
        return NULL;
    const int *dim = like->type.shape.dim;
    return spot_resize(graph, x, (struct spot_resize){mode, dim[2], dim[3]});
}
