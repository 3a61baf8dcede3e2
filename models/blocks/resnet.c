/* ResNet; see models/blocks/resnet.h. */
#include "models/blocks/resnet.h"

#include "core/ops/add.h"
#include "core/ops/pool2d.h"
#include "models/blocks/conv_bn.h"

#include <stdio.h>

enum { STEM = 64, EXPANSION = 4 };

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0};

/* 1x1 to `mid`, 3x3 with stride and dilation, 1x1 to 4 * mid, plus the shortcut. */
static struct spot_value *unit(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                               int mid, int stride, int dilation, bool project) {
    const struct spot_conv_bn reduce = {.conv = "conv1",
                                        .bn = "bn1",
                                        .out = mid,
                                        .kernel_h = 1,
                                        .activation = RELU,
                                        .form = SPOT_NORM_SEPARATE};
    const struct spot_conv_bn spatial = {.conv = "conv2",
                                         .bn = "bn2",
                                         .out = mid,
                                         .kernel_h = 3,
                                         .stride = stride,
                                         .dilation = dilation,
                                         .activation = RELU,
                                         .form = SPOT_NORM_SEPARATE};
    const struct spot_conv_bn expand = {.conv = "conv3",
                                        .bn = "bn3",
                                        .out = EXPANSION * mid,
                                        .kernel_h = 1,
                                        .form = SPOT_NORM_SEPARATE};
    const struct spot_conv_bn projection = {.conv = "downsample.0",
                                            .bn = "downsample.1",
                                            .out = EXPANSION * mid,
                                            .kernel_h = 1,
                                            .stride = stride,
                                            .form = SPOT_NORM_SEPARATE};
    struct spot_value *main = spot_conv_bn(graph, x, prefix, &reduce);
    main = spot_conv_bn(graph, main, prefix, &spatial);
    main = spot_conv_bn(graph, main, prefix, &expand);
    struct spot_value *shortcut = project ? spot_conv_bn(graph, x, prefix, &projection) : x;
    return spot_activation(graph, spot_add(graph, main, shortcut), RELU);
}

struct spot_resnet_maps spot_resnet(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, const struct spot_resnet *net) {
    struct spot_resnet_maps maps;
    maps.stem = spot_conv_bn(graph, x, prefix,
                             &(struct spot_conv_bn){.conv = "conv1",
                                                    .bn = "bn1",
                                                    .out = STEM,
                                                    .kernel_h = 7,
                                                    .stride = 2,
                                                    .activation = RELU,
                                                    .form = SPOT_NORM_SEPARATE});
    x = spot_pool2d(graph, maps.stem,
                    (struct spot_pool2d){SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false});
    int mid = STEM;
    for (int layer = 0; layer < SPOT_RESNET_LAYERS; layer++, mid *= 2) {
        for (int u = 0; u < net->units[layer]; u++) {
            char name[SPOT_NAME_MAX], full[SPOT_NAME_MAX];
            snprintf(name, sizeof name, "layer%d.%d", layer + 1, u);
            x = unit(graph, x, spot_join_name(full, prefix, name), mid,
                     u == 0 ? net->stride[layer] : 1, net->dilation[layer], u == 0);
        }
        maps.layers[layer] = x;
    }
    return maps;
}
