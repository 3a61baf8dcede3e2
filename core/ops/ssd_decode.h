/*
 * Decodes the head of a single-shot detector with priors (Liu et al., "SSD", 2016, section 2.2).
 *
 *   in: settings [1,SPOT_SETTINGS], priors [P,4] (cx, cy, w, h as fractions of the input), then for
 *       each level loc [1, 4*A, H, W] and conf [1, (classes + 1)*A, H, W] with A priors in a cell;
 *       channel a*4 + j is number j of (dx, dy, dw, dh) of prior a, channel a*(classes + 1) + k is
 *       its logit k: 0 is the background, k > 0 is class k - 1
 *   out: candidates [1,max_candidates,6] (core/candidates.h)
 *
 *   x = cx + dx * variance_centre * w, y alike; bw = w * exp(variance_size * dw), bh alike
 *   box = (x - bw/2, y - bh/2, bw, bh) times the picture's size
 *   score = softmax over the classes + 1 logits; every class reports whose score is > (strictly)
 *   SPOT_SET_CONFIDENCE.
 *
 * Priors are numbered by level, then row, then column, then place in the cell, which is also the
 * order of their rows in the constant.
 */
#ifndef SPOT_CORE_OPS_SSD_DECODE_H
#define SPOT_CORE_OPS_SSD_DECODE_H

#include "core/graph.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_SSD_LEVELS_MAX = 6 };

struct spot_ssd_decode {
    int classes; /* without the background */
    float variance_centre, variance_size;
    int max_candidates;
};

extern const struct spot_op spot_op_ssd_decode;

struct spot_value *spot_ssd_decode(struct spot_graph *graph, struct spot_value *settings,
                                   struct spot_value *priors, struct spot_value *const *loc,
                                   struct spot_value *const *conf, int n_levels,
                                   struct spot_ssd_decode attrs);

struct spot_collector; /* core/candidates.h */

/*
 * For kernels: offers what one prior reports. loc is its first number and logits its background's;
 * the others of both lie `step` floats apart.
 */
void spot_ssd_decode_prior(const struct spot_ssd_decode *attrs, const float *settings,
                           const float *prior, const float *loc, const float *logits, size_t step,
                           struct spot_collector *collector);

#ifdef __cplusplus
}
#endif
#endif
