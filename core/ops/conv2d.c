/* Convolution; see core/ops/conv2d.h. */
#include "core/ops/conv2d.h"

#include "core/ops/window.h"

#include <stdio.h>
#include <string.h>

enum { DATA, WEIGHT, BIAS, RESIDUAL };

static int at_least_1(int value) {
    return value == 0 ? 1 : value;
}

struct spot_conv2d spot_conv2d_same(int kernel, int stride, int dilation, int groups) {
    int pad = dilation * (kernel - 1) / 2;
    return (struct spot_conv2d){.stride_h = stride,
                                .stride_w = stride,
                                .dilation_h = dilation,
                                .dilation_w = dilation,
                                .pad_top = pad,
                                .pad_left = pad,
                                .pad_bottom = pad,
                                .pad_right = pad,
                                .groups = groups};
}

static enum spot_status check_shapes(const struct spot_op_types *types, struct spot_error *error) {
    const struct spot_conv2d *a = types->attrs;
    const struct spot_shape *x = &types->in[DATA].shape, *w = &types->in[WEIGHT].shape;
    char data[64], weight[64];
    if (x->rank != 4 || w->rank != 4)
        return spot_fail(error, SPOT_INVALID, "data %s and weight %s must have rank 4",
                         spot_shape_format(x, data, sizeof data),
                         spot_shape_format(w, weight, sizeof weight));
    if (a->groups < 1 || x->dim[1] % a->groups != 0 || w->dim[0] % a->groups != 0 ||
        w->dim[1] != x->dim[1] / a->groups)
        return spot_fail(error, SPOT_INVALID, "weight %s in %d groups does not fit data %s",
                         spot_shape_format(w, weight, sizeof weight), a->groups,
                         spot_shape_format(x, data, sizeof data));
    const struct spot_shape *bias = &types->in[BIAS].shape;
    if (types->n_in > BIAS && bias->rank != 0 && (bias->rank != 1 || bias->dim[0] != w->dim[0]))
        return spot_fail(error, SPOT_INVALID, "bias %s does not fit weight %s",
                         spot_shape_format(bias, data, sizeof data),
                         spot_shape_format(w, weight, sizeof weight));
    return SPOT_OK;
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_conv2d *a = types->attrs;
    enum spot_status status = check_shapes(types, error);
    if (status != SPOT_OK)
        return status;
    const struct spot_shape *x = &types->in[DATA].shape, *w = &types->in[WEIGHT].shape;
    struct spot_window rows = {w->dim[2],  a->stride_h,   a->dilation_h,
                               a->pad_top, a->pad_bottom, false};
    struct spot_window columns = {w->dim[3],   a->stride_w,  a->dilation_w,
                                  a->pad_left, a->pad_right, false};
    struct spot_shape out = spot_shape4(x->dim[0], w->dim[0], 0, 0);
    status = spot_window_output(&rows, x->dim[2], &out.dim[2], error);
    if (status == SPOT_OK)
        status = spot_window_output(&columns, x->dim[3], &out.dim[3], error);
    if (status != SPOT_OK)
        return status;
    const struct spot_shape *residual = &types->in[RESIDUAL].shape;
    if (types->n_in > RESIDUAL && residual->rank != 0 && !spot_shape_equal(residual, &out)) {
        char found[64], expected[64];
        return spot_fail(error, SPOT_INVALID, "residual %s does not fit the output %s",
                         spot_shape_format(residual, found, sizeof found),
                         spot_shape_format(&out, expected, sizeof expected));
    }
    types->out[0].shape = out;
    return SPOT_OK;
}

/* The sum over one window; taps outside the map are zero. */
static float window_sum(const struct spot_conv2d *a, const float *x, const int *in_dim,
                        const float *w, const int *w_dim, int y0, int x0) {
    float sum = 0;
    for (int c = 0; c < w_dim[1]; c++) {
        for (int i = 0; i < w_dim[2]; i++) {
            int y = y0 + i * a->dilation_h;
            if (y < 0 || y >= in_dim[2])
                continue;
            const float *row = x + ((size_t)c * (size_t)in_dim[2] + (size_t)y) * (size_t)in_dim[3];
            const float *taps = w + ((size_t)c * (size_t)w_dim[2] + (size_t)i) * (size_t)w_dim[3];
            for (int j = 0; j < w_dim[3]; j++) {
                int column = x0 + j * a->dilation_w;
                if (column >= 0 && column < in_dim[3])
                    sum += taps[j] * row[column];
            }
        }
    }
    return sum;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_conv2d *a = args->attrs;
    const int *in_dim = args->in[DATA].type.shape.dim;
    const int *w_dim = args->in[WEIGHT].type.shape.dim;
    const int *out_dim = args->out[0].type.shape.dim;
    const float *data = args->in[DATA].data, *weight = args->in[WEIGHT].data;
    const float *bias = args->n_in > BIAS ? args->in[BIAS].data : NULL;
    const float *residual = args->n_in > RESIDUAL ? args->in[RESIDUAL].data : NULL;
    float *out = args->out[0].data;
    size_t group_in = (size_t)w_dim[1] * (size_t)in_dim[2] * (size_t)in_dim[3];
    size_t taps = (size_t)w_dim[1] * (size_t)w_dim[2] * (size_t)w_dim[3];
    int group_out = out_dim[1] / a->groups;
    size_t at = 0;
    for (int n = 0; n < out_dim[0]; n++) {
        for (int o = 0; o < out_dim[1]; o++) {
            const float *x =
                data + ((size_t)n * (size_t)a->groups + (size_t)(o / group_out)) * group_in;
            for (int y = 0; y < out_dim[2]; y++) {
                for (int column = 0; column < out_dim[3]; column++, at++) {
                    float sum = window_sum(a, x, in_dim, weight + (size_t)o * taps, w_dim,
                                           y * a->stride_h - a->pad_top,
                                           column * a->stride_w - a->pad_left);
                    sum += bias != NULL ? bias[o] : 0;
                    sum += residual != NULL ? residual[at] : 0;
                    out[at] = spot_activate(a->activation, sum);
                }
            }
        }
    }
}

static uint64_t macs(const struct spot_op_types *types) {
    const int *w = types->in[WEIGHT].shape.dim;
    return (uint64_t)spot_shape_elements(&types->out[0].shape) *
           ((uint64_t)w[1] * (uint64_t)w[2] * (uint64_t)w[3]);
}

static struct spot_activation *fused_activation(void *attrs) {
    return &((struct spot_conv2d *)attrs)->activation;
}

const struct spot_op spot_op_conv2d = {
    .name = "conv2d",
    .attrs_size = sizeof(struct spot_conv2d),
    .n_in_min = 2,
    .n_in_max = 4,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
    .macs = macs,
    .fused_activation = fused_activation,
};

struct spot_value *spot_conv2d(struct spot_graph *graph, struct spot_value *x,
                               struct spot_value *weight, struct spot_value *bias,
                               struct spot_conv2d attrs) {
    attrs.stride_h = at_least_1(attrs.stride_h);
    attrs.stride_w = at_least_1(attrs.stride_w);
    attrs.dilation_h = at_least_1(attrs.dilation_h);
    attrs.dilation_w = at_least_1(attrs.dilation_w);
    attrs.groups = at_least_1(attrs.groups);
    char name[SPOT_NAME_MAX] = "conv2d";
    if (weight != NULL) {
        snprintf(name, sizeof name, "%s", weight->name);
        char *end = strstr(name, ".weight");
        if (end != NULL)
            *end = '\0';
    }
    struct spot_value *in[] = {x, weight, bias};
    return spot_graph_add(graph, &spot_op_conv2d, name, &attrs, in, 3, NULL, 1);
}
