/*
 * EfficientNet-Lite: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
 * Networks", ICML 2019, table 1, in the form for mobile processors (Google, 2020): ReLU6, no
 * squeeze-and-excitation, stem and last stage not scaled in depth.
 */
#ifndef SPOT_MODELS_BLOCKS_EFFICIENTNET_LITE_H
#define SPOT_MODELS_BLOCKS_EFFICIENTNET_LITE_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How far the stages are scaled, in tenths: 10, 10 is Lite0. */
struct spot_efficientnet_lite {
    int width_tenths; /* channels, rounded to a multiple of 8 */
    int depth_tenths; /* repeats, rounded up */
};

/*
 * x [1,3,H,W] -> stages[0..2]: blocks 2, 4 and 6, at strides 8, 16 and 32. Weights <prefix>.stem.0
 * and <prefix>.blocks.<stage>.<repeat>.{_expand_conv, _depthwise_conv, _project_conv} with batch
 * norms at stem.1 and _bn0, _bn1, _bn2 (epsilon 1e-3).
 */
void spot_efficientnet_lite(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                            const struct spot_efficientnet_lite *net, struct spot_value *stages[3]);

#ifdef __cplusplus
}
#endif
#endif
