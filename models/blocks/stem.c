/* Convolution and pooling at the input; see models/blocks/stem.h. */
#include "models/blocks/stem.h"

#include "core/ops/pool2d.h"

struct spot_value *spot_stem(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                             const char *conv, const char *bn, int out,
                             struct spot_activation activation) {
    x = spot_conv_bn(graph, x, prefix,
                     &(struct spot_conv_bn){.conv = conv,
                                            .bn = bn,
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
