/* The small Xception-like backbone; see models/blocks/xception145.h. */
#include "models/blocks/xception145.h"

#include "core/ops/add.h"
#include "core/ops/concat.h"
#include "core/ops/pool2d.h"
#include "models/blocks/conv_bn.h"

#include <stdio.h>

enum { STEM = 24 };

static const struct {
    int out, units;
} stages[SPOT_XCEPTION145_STAGES] = {{144, 4}, {288, 8}, {576, 4}};

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0}, LINEAR = {SPOT_ACT_NONE, 0};

/* 1x1 convolution, batch norm, activation. */
static struct spot_value *pointwise(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, const char *conv, const char *bn, int out,
                                    int stride, struct spot_activation activation) {
    return spot_conv_bn(graph, x, prefix,
                        &(struct spot_conv_bn){.conv = conv,
                                               .bn = bn,
                                               .out = out,
                                               .kernel_h = 1,
                                               .stride = stride,
                                               .activation = activation,
                                               .form = SPOT_NORM_SEPARATE});
}

/* 3x3 depthwise without batch norm, bias or activation: these follow the 1x1 after it. */
static struct spot_value *depthwise(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix) {
    if (x == NULL)
        return NULL;
    int channels = x->type.shape.dim[1];
    struct spot_value *weight =
        spot_graph_weight(graph, spot_shape4(channels, 1, 3, 3), "%s.dw.weight", prefix);
    return spot_conv2d(graph, x, weight, NULL, spot_conv2d_same(3, 1, 1, channels));
}

static struct spot_value *main_path(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, int mid, int out, int stride,
                                    struct spot_activation last) {
    x = pointwise(graph, x, prefix, "conv1", "bn1", mid, stride, RELU);
    x = depthwise(graph, x, prefix);
    x = pointwise(graph, x, prefix, "pw", "bn2", mid, 1, RELU);
    return pointwise(graph, x, prefix, "conv3", "bn3", out, 1, last);
}

/*
 * The input is an output of ReLU, so its average is not negative either: the ReLU over both halves
 * is the ReLU of the second, which its convolution can do itself.
 */
static struct spot_value *first_unit(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, int out, int stride) {
    if (x == NULL)
        return NULL;
    struct spot_value *halves[2];
    halves[0] = spot_pool2d(
        graph, x, (struct spot_pool2d){SPOT_POOL_AVERAGE, 3, stride, 1, 1, 1, 1, false, true});
    halves[1] = main_path(graph, x, prefix, out / 4, out - x->type.shape.dim[1], stride, RELU);
    return spot_concat(graph, halves, 2, (struct spot_concat){1});
}

static struct spot_value *adding_unit(struct spot_graph *graph, struct spot_value *x,
                                      const char *prefix, int out) {
    struct spot_value *main = main_path(graph, x, prefix, out / 4, out, 1, LINEAR);
    return spot_activation(graph, spot_add(graph, main, x), RELU);
}

struct spot_xception145_maps spot_xception145(struct spot_graph *graph, struct spot_value *x,
                                              const char *prefix, int stage4_stride) {
    struct spot_xception145_maps maps;
    maps.stem = spot_conv_bn(graph, x, prefix,
                             &(struct spot_conv_bn){.conv = "conv1",
                                                    .bn = "bn1",
                                                    .out = STEM,
                                                    .kernel_h = 3,
                                                    .stride = 2,
                                                    .activation = RELU,
                                                    .form = SPOT_NORM_SEPARATE});
    x = spot_pool2d(graph, maps.stem,
                    (struct spot_pool2d){SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false});
    for (int s = 0; s < SPOT_XCEPTION145_STAGES; s++) {
        int stride = s == SPOT_XCEPTION145_STAGES - 1 ? stage4_stride : 2;
        for (int u = 0; u < stages[s].units; u++) {
            char name[SPOT_NAME_MAX], full[SPOT_NAME_MAX];
            snprintf(name, sizeof name, "stage%d.%d", s + 2, u);
            spot_join_name(full, prefix, name);
            x = u == 0 ? first_unit(graph, x, full, stages[s].out, stride)
                       : adding_unit(graph, x, full, stages[s].out);
        }
        maps.stages[s] = x;
    }
    return maps;
}
