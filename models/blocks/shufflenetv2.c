/* ShuffleNetV2; see models/blocks/shufflenetv2.h. */
#include "models/blocks/shufflenetv2.h"

#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/pool2d.h"
#include "core/ops/split.h"

#include <stdio.h>

static struct spot_value *pointwise(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, const char *conv, const char *bn, int out,
                                    struct spot_activation activation) {
    return spot_conv_bn(
        graph, x, prefix,
        &(struct spot_conv_bn){
            .conv = conv, .bn = bn, .out = out, .kernel_h = 1, .activation = activation});
}

/* 3x3, one filter a channel, no activation. */
static struct spot_value *depthwise(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, const char *conv, const char *bn,
                                    int stride) {
    int channels = x != NULL ? x->type.shape.dim[1] : 1;
    return spot_conv_bn(graph, x, prefix,
                        &(struct spot_conv_bn){.conv = conv,
                                               .bn = bn,
                                               .out = channels,
                                               .kernel_h = 3,
                                               .stride = stride,
                                               .groups = channels});
}

struct spot_value *spot_shufflenetv2_unit(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out, int stride,
                                          struct spot_activation activation) {
    int half = out / 2;
    struct spot_value *parts[2] = {x, x};
    if (stride == 1) {
        spot_split(graph, x, parts, 2);
    } else {
        parts[0] = depthwise(graph, parts[0], prefix, "branch1.0", "branch1.1", stride);
        parts[0] = pointwise(graph, parts[0], prefix, "branch1.2", "branch1.3", half, activation);
    }
    parts[1] = pointwise(graph, parts[1], prefix, "branch2.0", "branch2.1", half, activation);
    parts[1] = depthwise(graph, parts[1], prefix, "branch2.3", "branch2.4", stride);
    parts[1] = pointwise(graph, parts[1], prefix, "branch2.5", "branch2.6", half, activation);
    x = spot_concat(graph, parts, 2, (struct spot_concat){.axis = 1});
    return spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){.groups = 2});
}

struct spot_value *spot_shufflenetv2_stem(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out,
                                          struct spot_activation activation) {
    x = spot_conv_bn(graph, x, prefix,
                     &(struct spot_conv_bn){.conv = "0",
                                            .bn = "1",
                                            .out = out,
                                            .kernel_h = 3,
                                            .stride = 2,
                                            .activation = activation});
    return spot_pool2d(graph, x,
                       (struct spot_pool2d){.mode = SPOT_POOL_MAX,
                                            .kernel = 3,
                                            .stride = 2,
                                            .pad_top = 1,
                                            .pad_left = 1,
                                            .pad_bottom = 1,
                                            .pad_right = 1});
}

void spot_shufflenetv2(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                       const struct spot_shufflenetv2 *net, struct spot_value *stages[3]) {
    char name[SPOT_NAME_MAX];
    x = spot_shufflenetv2_stem(graph, x, spot_join_name(name, prefix, "conv1"), net->stem,
                               net->activation);
    for (int stage = 0; stage < 3; stage++) {
        for (int unit = 0; unit < net->units[stage]; unit++) {
            snprintf(name, sizeof name, "%s.stage%d.%d", prefix, stage + 2, unit);
            x = spot_shufflenetv2_unit(graph, x, name, net->channels[stage], unit == 0 ? 2 : 1,
                                       net->activation);
        }
        stages[stage] = x;
    }
}
