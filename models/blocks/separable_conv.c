/* Depthwise separable convolution; see models/blocks/separable_conv.h. */
#include "models/blocks/separable_conv.h"

struct spot_value *spot_separable_conv(struct spot_graph *graph, struct spot_value *x,
                                       const char *prefix, const struct spot_separable_conv *unit) {
    int channels = x != NULL ? x->type.shape.dim[1] : 1;
    x = spot_conv_bn(graph, x, prefix,
                     &(struct spot_conv_bn){.conv = unit->depthwise,
                                            .bn = unit->depthwise_bn,
                                            .out = channels,
                                            .kernel_h = unit->kernel,
                                            .stride = unit->stride,
                                            .groups = channels,
                                            .activation = unit->activation});
    return spot_conv_bn(graph, x, prefix,
                        &(struct spot_conv_bn){.conv = unit->pointwise,
                                               .bn = unit->pointwise_bn,
                                               .out = unit->out,
                                               .kernel_h = 1,
                                               .activation = unit->activation});
}
