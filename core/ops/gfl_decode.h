/*
 * Decodes the head of an anchor-free detector trained with Generalized Focal Loss (Li et al., 2020,
 * sections 3.2-3.3): class logits, and for each side of the box a distribution over distances
 * 0 .. bins-1 in units of the stride.
 *
 *   in: settings [1,SPOT_SETTINGS], then one map [1, classes + 4*bins, H, W] for each level
 *   out: candidates [1,max_candidates,6] (core/candidates.h)
 *
 *   score = sigmoid(logit); a prior reports its best class (lowest index on a tie), or every class
 *   with all_classes, when score >= SPOT_SET_CONFIDENCE.
 *   distance = stride * sum over k of k * softmax(side logits)[k]; sides left, top, right, bottom.
 *   box = centre -/+ distances, centre = ((x, y) + offset) * stride, mapped to picture pixels.
 *
 * Priors are numbered by level, then row, then column.
 */
#ifndef SPOT_CORE_OPS_GFL_DECODE_H
#define SPOT_CORE_OPS_GFL_DECODE_H

#include "core/graph.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_GFL_LEVELS_MAX = 4, SPOT_GFL_BINS_MAX = 32 };

struct spot_gfl_decode {
    int classes, bins;               /* bins = reg_max + 1 */
    int stride[SPOT_GFL_LEVELS_MAX]; /* network pixels of a cell, by level */
    float offset;                    /* of the centre in its cell: 0.5, or 0 for NanoDet-Plus */
    int max_candidates;
    bool all_classes;
};

extern const struct spot_op spot_op_gfl_decode;

struct spot_value *spot_gfl_decode(struct spot_graph *graph, struct spot_value *settings,
                                   struct spot_value *const *levels, int n_levels,
                                   struct spot_gfl_decode attrs);

struct spot_collector; /* core/candidates.h */

/*
 * For kernels: offers what the cell (y, x) of a level reports. logits is its first class logit; the
 * cell's channels lie `step` floats apart.
 */
void spot_gfl_decode_cell(const struct spot_gfl_decode *attrs, const float *settings, int level,
                          int y, int x, const float *logits, size_t step,
                          struct spot_collector *collector);

#ifdef __cplusplus
}
#endif
#endif
