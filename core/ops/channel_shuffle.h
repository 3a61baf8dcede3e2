/*
 * Channel shuffle: the C channels as a [groups, C/groups] matrix, transposed:
 *
 *   out[n, i*groups + j, y, x] = in[n, j*(C/groups) + i, y, x]
 *
 * Zhang et al., "ShuffleNet", 2017, figure 1; Ma et al., "ShuffleNet V2", 2018, figure 3.
 */
#ifndef SPOT_CORE_OPS_CHANNEL_SHUFFLE_H
#define SPOT_CORE_OPS_CHANNEL_SHUFFLE_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_channel_shuffle {
    int groups;
};

extern const struct spot_op spot_op_channel_shuffle;

struct spot_value *spot_channel_shuffle(struct spot_graph *graph, struct spot_value *x,
                                        struct spot_channel_shuffle attrs);

#ifdef __cplusplus
}
#endif
#endif
