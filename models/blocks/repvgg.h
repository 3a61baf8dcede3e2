/*
 * RepVGG in its inference form: Ding et al., "RepVGG: Making VGG-style ConvNets Great Again", CVPR
 * 2021. Nothing but 3x3 convolutions with bias and ReLU; the 1x1 and identity branches of training
 * are merged into them beforehand (section 3.3; tools/import_weights.py does it).
 */
#ifndef SPOT_MODELS_BLOCKS_REPVGG_H
#define SPOT_MODELS_BLOCKS_REPVGG_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_repvgg {
    int stem;        /* channels of stage 0, one convolution with stride 2 */
    int channels[4]; /* of stages 1 to 4 */
    int layers[4];   /* of each stage; the first has stride 2 */
};

/*
 * x [1,3,H,W] -> stages[0..2]: stages 2 to 4, at strides 8, 16 and 32. Weights
 * <prefix>.stage0.rbr_reparam and <prefix>.stage<S>.<layer>.rbr_reparam.
 */
void spot_repvgg(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                 const struct spot_repvgg *net, struct spot_value *stages[3]);

#ifdef __cplusplus
}
#endif
#endif
