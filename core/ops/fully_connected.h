/*
 * Fully connected layer: every row of the data, flattened, times a matrix.
 *
 *   out[n,o] = act(bias[o] + sum over k of weight[o,k] * in[n,k])
 *
 *   in: data [N,...] whose other dimensions multiply to K, taken in row-major order (a map
 * [N,C,H,W] in the order c, y, x); weight [O,K]; bias [O] or absent out: [N,O]
 */
#ifndef SPOT_CORE_OPS_FULLY_CONNECTED_H
#define SPOT_CORE_OPS_FULLY_CONNECTED_H

#include "core/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_fully_connected {
    struct spot_activation activation;
};

extern const struct spot_op spot_op_fully_connected;

/* The node is named after the weight without its ".weight". bias may be NULL. */
struct spot_value *spot_fully_connected(struct spot_graph *graph, struct spot_value *x,
                                        struct spot_value *weight, struct spot_value *bias,
                                        struct spot_fully_connected attrs);

#ifdef __cplusplus
}
#endif
#endif
