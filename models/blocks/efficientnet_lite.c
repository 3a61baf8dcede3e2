/* EfficientNet-Lite; see models/blocks/efficientnet_lite.h. */
#include "models/blocks/efficientnet_lite.h"

#include "core/ops/add.h"

#include <stdio.h>

enum { STAGES = 7, STEM = 32, EXPANSION = 6, DIVISOR = 8 };

static const float EPSILON = 1e-3F;
static const struct spot_activation RELU6 = {SPOT_ACT_RELU6, 0};
static const struct spot_activation LINEAR = {SPOT_ACT_NONE, 0};

/* Table 1 of the paper, unscaled. The first block of a stage has its stride. */
static const struct stage {
    int repeats, kernel, stride, channels;
} table[STAGES] = {
    {1, 3, 1, 16},  {2, 3, 2, 24},  {2, 5, 2, 40},  {3, 3, 2, 80},
    {3, 5, 1, 112}, {4, 5, 2, 192}, {1, 3, 1, 320},
};

/* The multiple of 8 nearest to channels * tenths / 10, but not below nine tenths of it. */
static int scale_width(int channels, int tenths) {
    int scaled = channels * tenths;
    int rounded = (scaled + 10 * DIVISOR / 2) / (10 * DIVISOR) * DIVISOR;
    return 100 * rounded < 9 * scaled ? rounded + DIVISOR : rounded;
}

static int scale_depth(int stage, int tenths) {
    int repeats = table[stage].repeats;
    return stage == 0 || stage == STAGES - 1 ? repeats : (repeats * tenths + 9) / 10;
}

static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                               struct spot_conv_bn unit) {
    unit.epsilon = EPSILON;
    return spot_conv_bn(graph, x, prefix, &unit);
}

/*
 * Inverted residual (Sandler et al., "MobileNetV2", 2018): 1x1 to `expansion` times the channels,
 * depthwise, 1x1 to `out` without activation; its input is added when the shape is the same.
 */
static struct spot_value *block(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                                int expansion, int kernel, int stride, int out) {
    int in = x != NULL ? x->type.shape.dim[1] : 1, wide = in * expansion;
    struct spot_value *y = x;
    if (expansion > 1)
        y = conv(graph, y, prefix,
                 (struct spot_conv_bn){.conv = "_expand_conv",
                                       .bn = "_bn0",
                                       .out = wide,
                                       .kernel_h = 1,
                                       .activation = RELU6});
    y = conv(graph, y, prefix,
             (struct spot_conv_bn){.conv = "_depthwise_conv",
                                   .bn = "_bn1",
                                   .out = wide,
                                   .kernel_h = kernel,
                                   .stride = stride,
                                   .groups = wide,
                                   .activation = RELU6});
    y = conv(graph, y, prefix,
             (struct spot_conv_bn){.conv = "_project_conv",
                                   .bn = "_bn2",
                                   .out = out,
                                   .kernel_h = 1,
                                   .activation = LINEAR});
    return stride == 1 && in == out ? spot_add(graph, y, x) : y;
}

void spot_efficientnet_lite(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                            const struct spot_efficientnet_lite *net,
                            struct spot_value *stages[3]) {
    x = conv(graph, x, prefix,
             (struct spot_conv_bn){.conv = "stem.0",
                                   .bn = "stem.1",
                                   .out = STEM,
                                   .kernel_h = 3,
                                   .stride = 2,
                                   .activation = RELU6});
    for (int stage = 0; stage < STAGES; stage++) {
        int out = scale_width(table[stage].channels, net->width_tenths);
        int repeats = scale_depth(stage, net->depth_tenths);
        for (int i = 0; i < repeats; i++) {
            char name[SPOT_NAME_MAX];
            snprintf(name, sizeof name, "%s.blocks.%d.%d", prefix, stage, i);
            x = block(graph, x, name, stage == 0 ? 1 : EXPANSION, table[stage].kernel,
                      i == 0 ? table[stage].stride : 1, out);
        }
        if (stage == 2 || stage == 4 || stage == 6)
            stages[stage / 2 - 1] = x;
    }
}
