/*
 * Large separable convolution: a k x k receptive field from two pairs of one-dimensional
 * convolutions, the weights of the thin map of Light-Head R-CNN (Li et al., 2017, figure 3; after
 * Peng et al., "Large Kernel Matters", 2017).
 *
 *   col: k x 1 to `mid` channels, then 1 x k to `out`      (height x width)
 *   row: 1 x k to `mid` channels, then k x 1 to `out`
 *   result = col + row
 *
 * Weights <prefix>.{col1,col2,row1,row2}.{weight,bias}; zero padding keeps the size, which may be
 * below the kernel's.
 */
#ifndef SPOT_MODELS_BLOCKS_LARGE_SEPARABLE_CONV_H
#define SPOT_MODELS_BLOCKS_LARGE_SEPARABLE_CONV_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_separable_relu {
    SPOT_SEPARABLE_RELU_EACH,      /* after each of the four convolutions */
    SPOT_SEPARABLE_RELU_AFTER_SUM, /* once */
};

struct spot_large_separable_conv {
    int kernel; /* k, odd */
    int mid, out;
    enum spot_separable_relu relu;
};

/* x [1,C,H,W] -> [1,out,H,W]; prefix may be "". */
struct spot_value *spot_large_separable_conv(struct spot_graph *graph, struct spot_value *x,
                                             const char *prefix,
                                             const struct spot_large_separable_conv *conv);

#ifdef __cplusplus
}
#endif
#endif
