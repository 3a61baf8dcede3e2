/*
 * The small Xception-like backbone of Light-Head R-CNN, 145 million multiply-adds at 224x224 (Li et
 * al., 2017, table 7): a ShuffleNet-like bottleneck whose 3x3 convolution is depthwise separable.
 * The paper gives widths, depths and cost; the inside of a unit is this project's reading of it,
 * the one with the published cost.
 *
 * Unit, m = out/4: 1x1 to m (stride here), ReLU; 3x3 depthwise, 1x1 to m, ReLU; 1x1. The first of a
 * stage joins the 3x3 average-pooled input in front of it, the others add their input; then ReLU.
 *
 * Tensor names after the prefix: conv1, bn1, stage<T>.<U>.{conv1,bn1,dw,pw,bn2,conv3,bn3}, T
 * = 2..4.
 */
#ifndef SPOT_MODELS_BLOCKS_XCEPTION145_H
#define SPOT_MODELS_BLOCKS_XCEPTION145_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_XCEPTION145_STAGES = 3 };

struct spot_xception145_maps {
    struct spot_value *stem;                            /* stride 2, before the max-pool */
    struct spot_value *stages[SPOT_XCEPTION145_STAGES]; /* 144, 288, 576 channels */
};

/* x [1,3,H,W]; stage 4 has stride 2 (map at 1/32) or 1 (at 1/16). */
struct spot_xception145_maps spot_xception145(struct spot_graph *graph, struct spot_value *x,
                                              const char *prefix, int stage4_stride);

#ifdef __cplusplus
}
#endif
#endif
