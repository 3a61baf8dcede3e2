/* Large separable convolution; see models/blocks/large_separable_conv.h. */
#include "models/blocks/large_separable_conv.h"

#include "core/ops/add.h"
#include "models/blocks/conv_bn.h"

struct spot_value *spot_large_separable_conv(struct spot_graph *graph, struct spot_value *x,
                                             const char *prefix,
                                             const struct spot_large_separable_conv *conv) {
    static const struct spot_activation none = {SPOT_ACT_NONE, 0}, relu = {SPOT_ACT_RELU, 0};
    bool each = conv->relu == SPOT_SEPARABLE_RELU_EACH;
    struct spot_conv_bn tall = {.kernel_h = conv->kernel, .kernel_w = 1};
    struct spot_conv_bn wide = {.kernel_h = 1, .kernel_w = conv->kernel};
    tall.activation = wide.activation = each ? relu : none;
    const struct {
        const char *name;
        struct spot_conv_bn unit;
        int out;
    } paths[2][2] = {
        {{"col1", tall, conv->mid}, {"col2", wide, conv->out}},
        {{"row1", wide, conv->mid}, {"row2", tall, conv->out}},
    };
    struct spot_value *ends[2];
    for (int p = 0; p < 2; p++) {
        ends[p] = x;
        for (int i = 0; i < 2; i++) {
            struct spot_conv_bn unit = paths[p][i].unit;
            unit.conv = paths[p][i].name;
            unit.out = paths[p][i].out;
            ends[p] = spot_conv_bias(graph, ends[p], prefix, &unit);
        }
    }
    struct spot_value *sum = spot_add(graph, ends[0], ends[1]);
    return each ? sum : spot_activation(graph, sum, relu);
}
