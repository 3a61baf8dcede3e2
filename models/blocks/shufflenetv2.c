/* ShuffleNetV2; see models/blocks/shufflenetv2.h. */
#include "models/blocks/shufflenetv2.h"

#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/split.h"
#include "models/blocks/stem.h"

#include <stdio.h>

static const struct spot_activation LINEAR = {SPOT_ACT_NONE, 0};

struct spot_value *spot_shufflenetv2_unit(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out, int stride,
                                          struct spot_activation activation) {
    int half = out / 2;
    struct spot_value *parts[2] = {x, x};
    if (stride == 1) {
        spot_split(graph, x, parts, 2);
    } else {
        parts[0] =
            spot_depthwise_bn(graph, parts[0], prefix, "branch1.0", "branch1.1", 3, stride, LINEAR);
        parts[0] =
            spot_pointwise_bn(graph, parts[0], prefix, "branch1.2", "branch1.3", half, activation);
    }
    parts[1] =
        spot_pointwise_bn(graph, parts[1], prefix, "branch2.0", "branch2.1", half, activation);
    parts[1] =
        spot_depthwise_bn(graph, parts[1], prefix, "branch2.3", "branch2.4", 3, stride, LINEAR);
    parts[1] =
        spot_pointwise_bn(graph, parts[1], prefix, "branch2.5", "branch2.6", half, activation);
    x = spot_concat(graph, parts, 2, (struct spot_concat){.axis = 1});
    return spot_channel_shuffle(graph, x, (struct spot_channel_shuffle){.groups = 2});
}

struct spot_value *spot_shufflenetv2_stem(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out,
                                          struct spot_activation activation) {
    return spot_stem(graph, x, prefix, "0", "1", out, activation);
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
