/* See cuda/conv_shape.h. */
#include "cuda/conv_shape.h"

#include "cuda/kernels.h"

const struct spot_value *spot_cuda_conv_optional(const struct spot_node *node, int input) {
    return input < node->n_in ? node->in[input] : NULL;
}

bool spot_cuda_conv_is_depthwise(const struct spot_node *node) {
    const struct spot_conv2d *attrs = node->attrs;
    const int *weight = node->in[SPOT_CONV_WEIGHT]->type.shape.dim;
    return attrs->groups > 1 && weight[1] == 1 && weight[0] == attrs->groups;
}

bool spot_cuda_conv_may_be_cudnn(const struct spot_node *node) {
    const struct spot_conv2d *attrs = node->attrs;
    int in = node->in[SPOT_CONV_DATA]->type.shape.dim[1], out = node->out[0]->type.shape.dim[1];
    return attrs->groups <= 1 || spot_cuda_conv_is_depthwise(node) ||
           (in % SPOT_CUDA_CHANNELS == 0 && out % SPOT_CUDA_CHANNELS == 0);
}

bool spot_cuda_conv_has_epilogue(const struct spot_node *node) {
    enum spot_activation_kind kind = ((const struct spot_conv2d *)node->attrs)->activation.kind;
    return spot_cuda_conv_optional(node, SPOT_CONV_RESIDUAL) != NULL ||
           (kind != SPOT_ACT_NONE && kind != SPOT_ACT_RELU);
}

struct spot_cudnn_shape spot_cuda_conv_shape(const struct spot_node *node, enum spot_dtype dtype) {
    const int *in = node->in[SPOT_CONV_DATA]->type.shape.dim, *out = node->out[0]->type.shape.dim;
    const int *weight = node->in[SPOT_CONV_WEIGHT]->type.shape.dim;
    struct spot_cudnn_shape shape = {
        .dtype = dtype,
        .maps = in[0],
        .in_channels = spot_cuda_padded(in[1]),
        .in_height = in[2],
        .in_width = in[3],
        .in_pitch = spot_cuda_padded(in[1]),
        .out_channels = spot_cuda_padded(out[1]),
        .out_height = out[2],
        .out_width = out[3],
        .out_pitch = spot_cuda_padded(out[1]),
        .kernel_h = weight[2],
        .kernel_w = weight[3],
        .attrs = *(const struct spot_conv2d *)node->attrs,
    };
    if (spot_cuda_conv_is_depthwise(node))
        shape.attrs.groups = shape.in_channels;
    if (spot_cuda_conv_has_epilogue(node))
        shape.attrs.activation = (struct spot_activation){SPOT_ACT_NONE, 0};
    return shape;
}
