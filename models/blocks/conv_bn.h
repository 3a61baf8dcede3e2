/*
 * Convolution, batch norm, activation: the unit that every backbone is made of.
 *
 * Weights may have the batch norm as tensors of its own (<bn>.weight, .bias, .running_mean,
 * .running_var) or already folded into <conv>.weight and <conv>.bias; the file decides.
 */
#ifndef SPOT_MODELS_BLOCKS_CONV_BN_H
#define SPOT_MODELS_BLOCKS_CONV_BN_H

#include "core/ops/conv2d.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a detector's parameters are counted when there is no file to decide it. */
enum spot_norm_form { SPOT_NORM_FOLDED, SPOT_NORM_SEPARATE };

struct spot_conv_bn {
    const char *conv, *bn;  /* tensor names after the prefix: "branch1.0", "branch1.1" */
    int out;                /* channels */
    int kernel_h, kernel_w; /* kernel_w 0: as kernel_h */
    int stride;             /* 0: 1 */
    int dilation;           /* 0: 1 */
    int groups;             /* 0: 1 */
    bool no_padding;        /* else zero padding that keeps the size at stride 1 */
    struct spot_activation activation;
    float epsilon; /* of the batch norm; 0: PyTorch's default, 1e-5 */
    enum spot_norm_form form;
};

/* prefix may be "". x [1,C,H,W] -> [1,out,OH,OW]. */
struct spot_value *spot_conv_bn(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                                const struct spot_conv_bn *unit);

/* The same without batch norm: <conv>.weight and <conv>.bias. */
struct spot_value *spot_conv_bias(struct spot_graph *graph, struct spot_value *x,
                                  const char *prefix, const struct spot_conv_bn *unit);

/* Across the channels: 1x1. */
struct spot_value *spot_pointwise_bn(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, const char *conv, const char *bn, int out,
                                     struct spot_activation activation);

/* Channel by channel: kernel x kernel, as many channels out as in. */
struct spot_value *spot_depthwise_bn(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, const char *conv, const char *bn,
                                     int kernel, int stride, struct spot_activation activation);

/* "prefix.name", or "name" when the prefix is empty, in text, which is returned. */
const char *spot_join_name(char text[SPOT_NAME_MAX], const char *prefix, const char *name);

#ifdef __cplusplus
}
#endif
#endif
