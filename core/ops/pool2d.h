/*
 * Maximum and average pooling over windows, in: [N,C,H,W], out: [N,C,OH,OW].
 *
 * Padding never wins the maximum. The average divides by the number of taps inside the map, or by
 * the whole window with count_padding (padded zeros count).
 */
#ifndef SPOT_CORE_OPS_POOL2D_H
#define SPOT_CORE_OPS_POOL2D_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_pool_mode { SPOT_POOL_MAX, SPOT_POOL_AVERAGE };

struct spot_pool2d {
    enum spot_pool_mode mode;
    int kernel, stride;
    int pad_top, pad_left, pad_bottom, pad_right;
    bool ceil;          /* output size rounded up */
    bool count_padding; /* average only */
};

extern const struct spot_op spot_op_pool2d;

struct spot_value *spot_pool2d(struct spot_graph *graph, struct spot_value *x,
                               struct spot_pool2d attrs);

#ifdef __cplusplus
}
#endif
#endif
