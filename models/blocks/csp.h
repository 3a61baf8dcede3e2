/*
 * A small cross-stage partial network of dense 3x3 convolutions, made for devices with much
 * arithmetic and little memory bandwidth: the backbone of NanoDet-g (RangiLyu, 2021), after Wang et
 * al., "CSPNet: A New Backbone that can Enhance Learning Capability of CNN", 2020.
 *
 * A block keeps its C channels and joins what it computed to them, so it gives 2C:
 *
 *   x -> 3x3 -> y;  y -> residuals -> 3x3 -> z;  out = [z, y]
 *
 * and a residual halves and joins in the same manner: y -> 3x3 to C/2 -> u -> 3x3 -> v; [v, u].
 */
#ifndef SPOT_MODELS_BLOCKS_CSP_H
#define SPOT_MODELS_BLOCKS_CSP_H

#include "models/blocks/conv_bn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CSP_BLOCKS = 4 };

struct spot_csp {
    int stem; /* channels before the first block */
    struct {
        int residuals, stride;
    } blocks[SPOT_CSP_BLOCKS];
    struct spot_activation activation;
};

/*
 * x [1,3,H,W] -> stages[0..2], the outputs of the last three blocks. Weights <prefix>.stages.0 (the
 * stem; 1 is its pooling) and <prefix>.stages.<block + 2>.{in_conv, res_blocks.<r>.{in_conv,
 * mid_conv}, res_out_conv}, each with .conv and .bn.
 */
void spot_csp(struct spot_graph *graph, struct spot_value *x, const char *prefix,
              const struct spot_csp *net, struct spot_value *stages[3]);

#ifdef __cplusplus
}
#endif
#endif
