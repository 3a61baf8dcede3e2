/*
 * The stem of most mobile backbones: 3x3 convolution with stride 2, then 3x3 max-pool with stride
 * 2, so that everything after it works at a quarter of the side.
 */
#ifndef SPOT_MODELS_BLOCKS_STEM_H
#define SPOT_MODELS_BLOCKS_STEM_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Weights <prefix>.<conv>, batch norm <prefix>.<bn>. x [1,C,H,W] -> [1,out,H/4,W/4], rounded up. */
struct spot_value *spot_stem(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                             const char *conv, const char *bn, int out,
                             struct spot_activation activation);

#ifdef __cplusplus
}
#endif
#endif
