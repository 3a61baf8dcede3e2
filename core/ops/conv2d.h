/*
 * Two-dimensional convolution (cross-correlation, as in every framework), with groups and dilation:
 *
 *   out[n,o,y,x] = act(bias[o] + residual[n,o,y,x] + sum over c, i, j of
 *                  weight[o,c,i,j] * in[n, g(o)*C/G + c, y*stride + i*dilation - pad, x*…])
 *
 *   in: data [N,C,H,W], weight [O,C/G,KH,KW], bias [O] or absent, residual [N,O,OH,OW] or absent
 *   out: [N,O,OH,OW]
 */
#ifndef SPOT_CORE_OPS_CONV2D_H
#define SPOT_CORE_OPS_CONV2D_H

#include "core/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In strides, dilations and groups, 0 stands for 1. */
struct spot_conv2d {
    int stride_h, stride_w;
    int dilation_h, dilation_w;
    int pad_top, pad_left, pad_bottom, pad_right;
    int groups; /* C for a depthwise convolution */
    struct spot_activation activation;
};

extern const struct spot_op spot_op_conv2d;

/* The node is named after the weight without its ".weight". bias may be NULL. */
struct spot_value *spot_conv2d(struct spot_graph *graph, struct spot_value *x,
                               struct spot_value *weight, struct spot_value *bias,
                               struct spot_conv2d attrs);

/* Attributes for stride s, "same" zero padding for kernel k with dilation d, and groups g. */
struct spot_conv2d spot_conv2d_same(int kernel, int stride, int dilation, int groups);

#ifdef __cplusplus
}
#endif
#endif
