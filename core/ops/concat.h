/* Joins 2 to 16 tensors along an axis (not 0, the batch); the other dimensions are equal. */
#ifndef SPOT_CORE_OPS_CONCAT_H
#define SPOT_CORE_OPS_CONCAT_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_concat {
    int axis; /* 1 to rank - 1; 1 is the channels of a map */
};

extern const struct spot_op spot_op_concat;

struct spot_value *spot_concat(struct spot_graph *graph, struct spot_value *const *in, int n_in,
                               struct spot_concat attrs);

/* Two maps along the channels, a first. */
struct spot_value *spot_concat_pair(struct spot_graph *graph, struct spot_value *a,
                                    struct spot_value *b);

#ifdef __cplusplus
}
#endif
#endif
