/*
 * Softmax over the last axis, any shape: out[..., k] = exp(in[..., k]) / sum over j of
 * exp(in[..., j]), computed with the row's maximum taken off first, so that no finite row
 * overflows. A row that holds NaN or +infinity, or nothing but -infinity, gives NaN throughout.
 */
#ifndef SPOT_CORE_OPS_SOFTMAX_H
#define SPOT_CORE_OPS_SOFTMAX_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct spot_op spot_op_softmax;

struct spot_value *spot_softmax(struct spot_graph *graph, struct spot_value *x);

#ifdef __cplusplus
}
#endif
#endif
