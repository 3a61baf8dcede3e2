/* Depthwise separable convolution; see models/blocks/separable_conv.h. */
#include "models/blocks/separable_conv.h"

struct spot_value *spot_separable_conv(struct spot_graph *graph, struct spot_value *x,
                                       const char *prefix, const struct spot_separable_conv *unit) {
    x = spot_depthwise_bn(graph, x, prefix, unit->depthwise, unit->depthwise_bn, unit->kernel,
                          unit->stride, unit->activation);
    return spot_pointwise_bn(graph, x, prefix, unit->pointwise, unit->pointwise_bn, unit->out,
                             unit->activation);
}
