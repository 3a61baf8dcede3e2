/*
 * Receptive field block: Liu, Huang, Wang, "Receptive Field Block Net for Accurate and Fast Object
 * Detection", ECCV 2018, section 3.2, in the form of RFSong: three branches whose dilated
 * convolutions look at rings of growing radius, and a shortcut.
 */
#ifndef SPOT_MODELS_BLOCKS_RFB_H
#define SPOT_MODELS_BLOCKS_RFB_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * x [1,C,H,W] -> [1,C,H,W], C a multiple of 16. Weights <prefix>.branch0.{0,1,2},
 * .branch1.{0,1,2}, .branch2.{0,1,2,3}, .ConvLinear and .shortcut, each a basic convolution.
 */
struct spot_value *spot_rfb(struct spot_graph *graph, struct spot_value *x, const char *prefix);

/*
 * The unit that RFBNet and its relatives are made of: spot_conv_bn with weights <prefix>.conv and
 * <prefix>.bn. The names in unit are not looked at.
 */
struct spot_value *spot_basic_conv(struct spot_graph *graph, struct spot_value *x,
                                   const char *prefix, struct spot_conv_bn unit);

#ifdef __cplusplus
}
#endif
#endif
