/*
 * ResNet with bottleneck units: He, Zhang, Ren, Sun, "Deep Residual Learning for Image
 * Recognition", 2016, table 1 and figure 5; the stride of a layer in the 3x3 convolution of its
 * first unit, as in most later work ("v1.5").
 *
 * Tensor names after the prefix are those of torchvision: conv1, bn1, layer<L>.<U>.conv<1..3>,
 * layer<L>.<U>.bn<1..3>, layer<L>.0.downsample.{0,1}.
 */
#ifndef SPOT_MODELS_BLOCKS_RESNET_H
#define SPOT_MODELS_BLOCKS_RESNET_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_RESNET_LAYERS = 4 };

struct spot_resnet {
    int units[SPOT_RESNET_LAYERS];
    int stride[SPOT_RESNET_LAYERS];   /* of the first unit */
    int dilation[SPOT_RESNET_LAYERS]; /* of the 3x3 convolution in all units, the first included */
};

struct spot_resnet_maps {
    struct spot_value *stem;                       /* after conv1, before the max-pool */
    struct spot_value *layers[SPOT_RESNET_LAYERS]; /* C2 to C5: 256, 512, 1024, 2048 channels */
};

/* The backbone without its classifier; x [1,3,H,W]. */
struct spot_resnet_maps spot_resnet(struct spot_graph *graph, struct spot_value *x,
                                    const char *prefix, const struct spot_resnet *net);

#ifdef __cplusplus
}
#endif
#endif
