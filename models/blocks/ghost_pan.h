/*
 * Ghost-PAN, the neck of NanoDet-Plus (RangiLyu, 2021): path aggregation (Liu et al., "Path
 * Aggregation Network for Instance Segmentation", 2018) that joins maps and mixes them in ghost
 * bottlenecks (Han et al., "GhostNet: More Features from Cheap Operations", 2020, figures 2 and 3),
 * with one more level below the deepest.
 */
#ifndef SPOT_MODELS_BLOCKS_GHOST_PAN_H
#define SPOT_MODELS_BLOCKS_GHOST_PAN_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_GHOST_PAN_IN = 3, SPOT_GHOST_PAN_OUT = 4 };

struct spot_ghost_pan {
    int width;  /* channels of every map it gives; even */
    int kernel; /* of the depthwise convolutions outside ghost modules */
    struct spot_activation activation;
};

/*
 * maps[0..2] from the shallowest (largest) to the deepest -> maps[0..3], each half as large as the
 * one before it, rounded up. Weights <prefix>.reduce_layers.<level>, .top_down_blocks.<k>.blocks.0,
 * .downsamples.<k>, .bottom_up_blocks.<k>.blocks.0, .extra_lvl_in_conv.0, .extra_lvl_out_conv.0.
 */
void spot_ghost_pan(struct spot_graph *graph, const char *prefix, const struct spot_ghost_pan *neck,
                    struct spot_value *maps[SPOT_GHOST_PAN_OUT]);

#ifdef __cplusplus
}
#endif
#endif
