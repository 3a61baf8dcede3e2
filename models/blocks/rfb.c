/* Receptive field block; see models/blocks/rfb.h. */
#include "models/blocks/rfb.h"

#include "core/ops/add.h"
#include "core/ops/concat.h"

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0};
static const struct spot_activation LINEAR = {SPOT_ACT_NONE, 0};

struct spot_value *spot_basic_conv(struct spot_graph *graph, struct spot_value *x,
                                   const char *prefix, struct spot_conv_bn unit) {
    unit.conv = "conv";
    unit.bn = "bn";
    unit.form = SPOT_NORM_SEPARATE;
    return spot_conv_bn(graph, x, prefix, &unit);
}

static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                               const char *name, int out, int kernel, int dilation,
                               struct spot_activation activation) {
    char full[SPOT_NAME_MAX];
    return spot_basic_conv(
        graph, x, spot_join_name(full, prefix, name),
        (struct spot_conv_bn){
            .out = out, .kernel_h = kernel, .dilation = dilation, .activation = activation});
}

struct spot_value *spot_rfb(struct spot_graph *graph, struct spot_value *x, const char *prefix) {
    int channels = x != NULL ? x->type.shape.dim[1] : 16;
    int thin = channels / 8;

    struct spot_value *near = conv(graph, x, prefix, "branch0.0", thin, 1, 1, LINEAR);
    near = conv(graph, near, prefix, "branch0.1", 2 * thin, 3, 1, RELU);
    near = conv(graph, near, prefix, "branch0.2", 2 * thin, 3, 2, LINEAR);

    struct spot_value *middle = conv(graph, x, prefix, "branch1.0", thin, 1, 1, LINEAR);
    middle = conv(graph, middle, prefix, "branch1.1", 2 * thin, 3, 1, RELU);
    middle = conv(graph, middle, prefix, "branch1.2", 2 * thin, 3, 3, LINEAR);

    struct spot_value *far = conv(graph, x, prefix, "branch2.0", thin, 1, 1, LINEAR);
    far = conv(graph, far, prefix, "branch2.1", 3 * thin / 2, 3, 1, RELU);
    far = conv(graph, far, prefix, "branch2.2", 2 * thin, 3, 1, RELU);
    far = conv(graph, far, prefix, "branch2.3", 2 * thin, 3, 5, LINEAR);

    struct spot_value *rings[] = {near, middle, far};
    struct spot_value *sum = spot_concat(graph, rings, 3, (struct spot_concat){.axis = 1});
    sum = conv(graph, sum, prefix, "ConvLinear", channels, 1, 1, LINEAR);
    sum = spot_add(graph, sum, conv(graph, x, prefix, "shortcut", channels, 1, 1, LINEAR));
    return spot_activation(graph, sum, RELU);
}
