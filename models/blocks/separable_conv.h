/*
 * Depthwise separable convolution: k x k with one filter a channel, then 1x1 across the channels,
 * each with batch norm and the same activation. Howard et al., "MobileNets", 2017, figure 3.
 */
#ifndef SPOT_MODELS_BLOCKS_SEPARABLE_CONV_H
#define SPOT_MODELS_BLOCKS_SEPARABLE_CONV_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_separable_conv {
    const char *depthwise, *depthwise_bn; /* tensor names after the prefix, as in spot_conv_bn */
    const char *pointwise, *pointwise_bn;
    int out; /* channels */
    int kernel;
    int stride; /* of the depthwise convolution; 0: 1 */
    struct spot_activation activation;
};

/* x [1,C,H,W] -> [1,out,OH,OW]. */
struct spot_value *spot_separable_conv(struct spot_graph *graph, struct spot_value *x,
                                       const char *prefix, const struct spot_separable_conv *unit);

#ifdef __cplusplus
}
#endif
#endif
