/*
 * ShuffleNetV2: Ma, Zhang, Zheng, Sun, "ShuffleNet V2: Practical Guidelines for Efficient CNN
 * Architecture Design", ECCV 2018, figure 3 (c), (d) and table 5.
 */
#ifndef SPOT_MODELS_BLOCKS_SHUFFLENETV2_H
#define SPOT_MODELS_BLOCKS_SHUFFLENETV2_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * One unit, weights <prefix>.branch1.{0,2}, <prefix>.branch2.{0,3,5} (batch norms at 1, 3 and
 * 1, 4, 6). Stride 1 keeps the channels: half of them pass through untouched. Stride 2 halves the
 * map. out is even.
 */
struct spot_value *spot_shufflenetv2_unit(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out, int stride,
                                          struct spot_activation activation);

struct spot_shufflenetv2 {
    int stem;        /* channels of conv1 */
    int channels[3]; /* of stages 2, 3 and 4 */
    int units[3];    /* of each stage; the first has stride 2 */
    struct spot_activation activation;
};

/*
 * The backbone without its classifier, weights <prefix>.conv1.{0,1}, <prefix>.stage<S>.<U>…: x
 * [1,3,H,W] -> stages[0..2] at strides 8, 16 and 32.
 */
void spot_shufflenetv2(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                       const struct spot_shufflenetv2 *net, struct spot_value *stages[3]);

/* 3x3 convolution with stride 2, then 3x3 max-pool with stride 2: <prefix>.{0,1}. */
struct spot_value *spot_shufflenetv2_stem(struct spot_graph *graph, struct spot_value *x,
                                          const char *prefix, int out,
                                          struct spot_activation activation);

#ifdef __cplusplus
}
#endif
#endif
