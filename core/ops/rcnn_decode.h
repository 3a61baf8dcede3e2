/*
 * The end of a two-stage detector: class probabilities and box deltas of every region, to candidate
 * boxes (Girshick, "Fast R-CNN", 2015, section 2.3).
 *
 *   in: settings [1,SPOT_SETTINGS], rois [R,5] (core/roi.h), probabilities [R,C] of which class 0
 * is background, deltas [R,4*K], K = 2 (one box for all classes, in columns 4 to 7) or K = C (the
 *       box of class c in columns 4*c to 4*c + 3)
 *   out: candidates [1,max_candidates,6] (core/candidates.h); class ids c - 1
 *
 * A region reports every class c > 0 whose probability is > SPOT_SET_CONFIDENCE. Its deltas times
 * `deviation` are decoded from the region (core/box_coding.h), clipped to the picture's own resized
 * size in network pixels (it lies at the top left), then divided by the scale. Equal scores stay in
 * the order of class, then region. A row with another batch index than its picture's (an unused
 * one) reports nothing.
 */
#ifndef SPOT_CORE_OPS_RCNN_DECODE_H
#define SPOT_CORE_OPS_RCNN_DECODE_H

#include "core/box_coding.h"
#include "core/graph.h"
#include "core/roi.h"
#include "core/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_rcnn_decode {
    enum spot_box_coding coding;
    float deviation[4]; /* of the deltas in training: dx, dy, dw, dh */
    int max_candidates;
};

extern const struct spot_op spot_op_rcnn_decode;

struct spot_value *spot_rcnn_decode(struct spot_graph *graph, struct spot_value *settings,
                                    struct spot_value *rois, struct spot_value *probabilities,
                                    struct spot_value *deltas, struct spot_rcnn_decode attrs);

#ifdef __cplusplus
}
#endif
#endif
