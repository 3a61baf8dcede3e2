/* A convolution of a graph as cuDNN is to see it. */
#ifndef SPOT_CUDA_CONV_SHAPE_H
#define SPOT_CUDA_CONV_SHAPE_H

#include "core/graph.h"
#include "cuda/cudnn_conv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Inputs of a conv2d node. */
enum { SPOT_CONV_DATA, SPOT_CONV_WEIGHT, SPOT_CONV_BIAS, SPOT_CONV_RESIDUAL };

/* An input that may be absent, or NULL. */
const struct spot_value *spot_cuda_conv_optional(const struct spot_node *node, int input);

/* Whether every channel is convolved alone: groups = C = O. */
bool spot_cuda_conv_is_depthwise(const struct spot_node *node);

/*
 * Whether cuDNN can be asked at all. Maps are padded at the end of their channels; with several
 * groups of several channels the padding would have to lie between them.
 */
bool spot_cuda_conv_may_be_cudnn(const struct spot_node *node);

/* Whether cuDNN leaves a residual or an activation other than ReLU to a kernel of ours. */
bool spot_cuda_conv_has_epilogue(const struct spot_node *node);

/* Padded maps, and the activation that cuDNN is to compute. */
struct spot_cudnn_shape spot_cuda_conv_shape(const struct spot_node *node, enum spot_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
