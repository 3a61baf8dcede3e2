/* Cuts a map [N,C,H,W] into 2 to 4 equal parts along the channels. */
#ifndef SPOT_CORE_OPS_SPLIT_H
#define SPOT_CORE_OPS_SPLIT_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct spot_op spot_op_split;

/* Fills parts[n_parts]; all NULL after an error. */
void spot_split(struct spot_graph *graph, struct spot_value *x, struct spot_value **parts,
                int n_parts);

#ifdef __cplusplus
}
#endif
#endif
