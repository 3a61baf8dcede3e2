/* Element-wise sum of two tensors of one shape, then an activation: out = act(a + b). */
#ifndef SPOT_CORE_OPS_ADD_H
#define SPOT_CORE_OPS_ADD_H

#include "core/ops/activation.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_add {
    struct spot_activation activation;
};

extern const struct spot_op spot_op_add;

struct spot_value *spot_add(struct spot_graph *graph, struct spot_value *a, struct spot_value *b);

#ifdef __cplusplus
}
#endif
#endif
