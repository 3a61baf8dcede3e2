/*
 * Batch norm in its inference form, per channel c:
 *
 *   y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + shift[c]
 *
 *   in: data [N,C,H,W], scale, shift, mean, variance [C]; out: as data.
 *
 * Ioffe and Szegedy, 2015. Preparation folds it into the convolution before it.
 */
#ifndef SPOT_CORE_OPS_BATCH_NORM_H
#define SPOT_CORE_OPS_BATCH_NORM_H

#include "core/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_batch_norm {
    float epsilon;
    struct spot_activation activation;
};

extern const struct spot_op spot_op_batch_norm;

struct spot_value *spot_batch_norm(struct spot_graph *graph, struct spot_value *x,
                                   struct spot_value *scale, struct spot_value *shift,
                                   struct spot_value *mean, struct spot_value *variance,
                                   struct spot_batch_norm attrs);

#ifdef __cplusplus
}
#endif
#endif
